/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A backup into a repository: what `vss backup` and tasks have in common
 */

#include "vss/backup.h"
#include "vss/repository.h"

#define READ_TIMEOUT_DEFAULT 120u

typedef struct RepositoryBackupOptions {
        RepoArgs repo;
        BackupOptions backup; /* paths, writers, type; the rest as for any backup */
        const char *vss;      /* "auto", "required", "off"; NULL: auto */
        const char *host;     /* NULL: this machine's name */
        const char *compression;
        const char *task;       /* the name of the task that it is a run of; NULL: of none */
        Strings tags, excludes; /* shell patterns */
        bool force, all_device_ids;
        /* Called when it is known that they make sense, and before anything is done; may be NULL. */
        void (*begun)(void *userdata);
        void *userdata;
        uint32_t read_timeout; /* seconds without progress in one file; 0: READ_TIMEOUT_DEFAULT */
} RepositoryBackupOptions;

void repository_backup_options_clear(RepositoryBackupOptions *options);

/*
 * backup_run() - back up what the options name, with all messages but the closing report
 * @ret_answer: with a point (EXIT_DONE, EXIT_PARTLY) what --json shows; see linuxvss-values(7). Otherwise
 * NULL. Return: EXIT_DONE; EXIT_PARTLY: there is a point, but not all is in it or in order; or another
 * status: there is none.
 */
int backup_run(Cli *cli, const RepositoryBackupOptions *options, vss_value **ret_answer);
/* The lines about the point for people. */
void backup_run_report(const vss_value *answer);

/* The rows of its table, with BACKUP_OPTIONS and REPO_OPTIONS. */
#define REPOSITORY_BACKUP_OPTIONS(o)                                                                        \
        REPO_OPTIONS(&(o)->repo), BACKUP_OPTIONS(&(o)->backup),                                             \
                OPTION("vss", OPTION_TEXT, "MODE",                                                          \
                       "auto (default): shadow copies where they can be had; required: nothing without "    \
                       "them; off: the files as they are",                                                  \
                       &(o)->vss),                                                                          \
                OPTION("tag", OPTION_LIST, "TAG", "marks the point; may be given again", &(o)->tags),       \
                OPTION("exclude", OPTION_LIST, "PATTERN",                                                   \
                       "a shell pattern of names, or with a slash of paths; may be given again",            \
                       &(o)->excludes),                                                                     \
                OPTION("hostname", OPTION_TEXT, "NAME", "the name of the machine; default: its own",        \
                       &(o)->host),                                                                         \
                OPTION("compression", OPTION_TEXT, "LEVEL", "off, fastest, default, better or max",         \
                       &(o)->compression),                                                                  \
                OPTION("force", OPTION_FLAG, NULL, "read all files, also those that have not changed",      \
                       &(o)->force),                                                                        \
                OPTION_RANGE("read-timeout", OPTION_NUMBER, "SECONDS",                                      \
                             "give a file up whose device does not answer for so long; default: 120",       \
                             &(o)->read_timeout, 1, 86400),                                                 \
                OPTION("all-device-ids", OPTION_FLAG, NULL,                                                 \
                       "write the device's number for every file, as restic does: trees are then the same " \
                       "as its",                                                                            \
                       &(o)->all_device_ids)
