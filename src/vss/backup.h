/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A backup as the contract wants it: what `vss create` and `vss exec` have in common
 */

#include "vss/import-places.h"
#include "vss/metadata.h"
#include "vss/options.h"
#include "vss/selection.h"
#include "vss/stringlist.h"

/* A volume that is named for itself: what lies below it does not join the set. */
typedef struct ExactVolume {
        const char *path;
        const char *provider; /* NULL: the service's choice */
} ExactVolume;

/* Something that has to take part. */
typedef struct VerifiedWriter {
        const char *writer; /* as selection.h has it */
        unsigned line;      /* of the script that says so */
} VerifiedWriter;

typedef struct Backup Backup;

typedef struct BackupOptions {
        Strings paths;    /* as given */
        Strings writers;  /* NAME[:/logical/path/component] */
        Strings excluded; /* the same: these do not take part */
        const VerifiedWriter *verified;
        size_t n_verified;
        bool all_components; /* without "writers": component mode, with all that lies on the volumes */
        Strings cgroups;
        Strings live;             /* --live, resolved: what lies there need not join the set */
        const ExactVolume *exact; /* these volumes, instead of the paths */
        size_t n_exact;
        bool partial_files;     /* parts of files may be named by their writers */
        bool mounts_apart;      /* what is mounted below the paths and lies on no device is not missed */
        const Metadata *import; /* of a set that another machine made: it is not made here, but imported */
        bool live_too;          /* what no provider takes is not in the set, and no failure */
        /* Once the components are chosen, before the writers prepare; may be NULL. Return: an exit status.
         */
        int (*chosen)(void *userdata, Backup *backup);
        void *userdata;
        const char *provider, *require, *label;
        uint32_t context;
        enum vss_backup_type type;
        uint32_t wait, lease;
} BackupOptions;

/* The rows of the option table that both verbs have. */
#define BACKUP_OPTIONS(o)                                                                                   \
        OPTION("writer", OPTION_LIST, "NAME[:/PATH]", "back up this writer, or one component of it",        \
               &(o)->writers),                                                                              \
                OPTION("exclude-writer", OPTION_LIST, "NAME[:/PATH]",                                       \
                       "leave this writer, or component, out", &(o)->excluded),                             \
                OPTION("type", OPTION_TYPE, "TYPE", "copy (default), full, incremental, differential, log", \
                       &(o)->type),                                                                         \
                OPTION("provider", OPTION_TEXT, "NAME", "use this provider, not the service's choice",      \
                       &(o)->provider),                                                                     \
                OPTION("require", OPTION_LEVEL, "LEVEL",                                                    \
                       "fail below this level: application, group, volume", &(o)->require),                 \
                OPTION_RANGE("wait", OPTION_NUMBER, "SECONDS",                                              \
                             "wait this long while another set is being created", &(o)->wait, 0, 86400),    \
                OPTION("cgroup", OPTION_LIST, "PATH", "stop this control group while the volumes are cut",  \
                       &(o)->cgroups),                                                                      \
                OPTION("label", OPTION_TEXT, "TEXT", "what lists of sessions shall call this", &(o)->label)

/* A volume of the plan that is in the set. */
typedef struct BackupVolume {
        char *target; /* where its files are seen: the mount point, or a nested volume's root */
        char *below;  /* path inside the device object that belongs there */
        char snapshot[VSS_ID_SIZE];
} BackupVolume;

struct Backup {
        Cli *cli;
        const BackupOptions *options;
        vss_session *session;
        Strings asked;       /* the paths that were given, resolved */
        Strings wanted;      /* these, and those of the components chosen */
        Strings system_live; /* /dev /proc /sys /run /tmp */
        Strings devices;     /* mount points of devices of this machine */
        ImportPlaces places; /* where the imported copies are seen */
        Strings read_live;   /* volumes that are to be read, and that no provider takes */
        vss_value *writers;  /* their metadata */
        Selection selection;
        vss_value *plan;
        BackupVolume *volumes;
        size_t n_volumes;
        vss_value *set;     /* the result of DoSnapshotSet; "left-out" completed by what the plan left out */
        bool no_set;        /* with live_too: no provider takes any of the volumes */
        bool below_promise; /* something failed or is missing: exit status 3 */
};

void backup_options_clear(BackupOptions *options);

/*
 * backup_make() - everything up to and including DoSnapshotSet
 * Return: EXIT_DONE with the set standing and the session open (or, with "no_set", neither); or another
 * status after a message and with the session released.
 */
int backup_make(Backup *backup, Cli *cli, const BackupOptions *options);
/* SetBackupSucceeded and BackupComplete. Return: EXIT_DONE; EXIT_PARTLY when it was done but a writer failed
 * at it; or another status after a message. */
int backup_complete(Backup *backup, bool succeeded);
/* The same in two steps, where the documents lie between: what became of a component is told, and then that
 * the backup is complete. */
int backup_set_succeeded(Backup *backup, const char *writer, const char *logical_path, const char *name,
                         bool succeeded);
int backup_end(Backup *backup);
/*
 * backup_take_documents() - both kinds of documents, and the index
 * backup_save_documents() - both kinds of documents, into a directory that is made for them (metadata.h)
 * @aliases: list of {name, value} for the index; may be NULL. Once the set stands.
 * backup_save_again() - the Backup Components Document as it has become, once the backup is complete
 */
int backup_take_documents(Backup *backup, Metadata *metadata);
int backup_save_documents(Backup *backup, const char *directory, const vss_value *aliases);
int backup_save_again(Backup *backup, const char *directory);
/* Ends the session, what is not complete is aborted. */
void backup_release(Backup *backup);
void backup_clear(Backup *backup);

/* SetBackupSucceeded for each component and BackupComplete, on any session. */
int session_complete(Cli *cli, vss_session *session, const Selection *selection, const vss_value *set,
                     bool succeeded);

/* AbortBackup, after a failure that was told: the writers hear of it, whatever becomes of this. */
vss_result session_give_up(vss_session *session);

/* Directories of the system that are never part of a backup: /dev /proc /sys /run /tmp, those that exist. */
int system_directories(Strings *ret_directories);
