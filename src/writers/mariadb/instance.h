/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Instances of MariaDB or MySQL on this host: those that run as the writer's user, and those that are
 * configured
 *
 * What an instance is set to is asked of it; of one that does not run, of its own programs. Nothing reads
 * its configuration files but they.
 */

#include <linuxvss/writer.h>
#include "writers/mariadb/client.h"
#include "writers/mariadb/options.h"

#define INSTANCES_MAX 32u
#define COMPONENT_NAME "databases"

/* /etc/linuxvss/mariadb.conf */
typedef struct Settings {
        char *user;                  /* who logs in; NULL: the user of the writer */
        char *client_file;           /* with a password; NULL: none */
        uint64_t freeze_limit_usec;  /* how long Freeze waits for a lock */
        uint64_t prepare_limit_usec; /* how long PrepareSnapshot tries to get those that come before */
        bool purge_logs;             /* BackupComplete deletes binary logs that were saved */
        struct Configured {
                char *name, *unit, *defaults_file, *client_file;
        } * instances;
        size_t n_instances;
        char error[512]; /* a mistake in the file; "" if there is none */
} Settings;

#define REPLICAS_MAX 8u

/* One source that a server replicates from. */
typedef struct Replica {
        char source[280];   /* HOST:PORT */
        char position[540]; /* FILE:POSITION of the source's log: what is before it has been applied */
        bool running;
        int64_t behind_seconds; /* -1: not known */
} Replica;

typedef struct ReplicaList {
        Replica items[REPLICAS_MAX];
        size_t n;
        bool refused; /* there are some, and we may not look */
} ReplicaList;

typedef struct Instance {
        char *logical_path; /* of its component */
        char *unit;         /* the unit that runs it; NULL: none is known */
        char *program;      /* of the server */
        Options options;    /* what it was, or would be, started with */
        char *socket, *client_file;
        pid_t pid;                    /* 0: it does not run */
        vss_value *variables;         /* texts: what SHOW VARIABLES says, or what @options do */
        vss_value *databases;         /* names */
        vss_value *remote_files;      /* data files outside of all directories */
        ReplicaList replicas;         /* when it was asked */
        vss_value *other_directories; /* databases on volumes of their own, or behind links */
        char *unreachable;            /* it runs, but this was the answer */
        char *missing_right;          /* what it cannot do for us, */
        char *remedy;                 /* and the statement that changes it */
        char *half_restored;          /* a restore of it did not come to its end */
} Instance;

typedef struct InstanceList {
        Instance items[INSTANCES_MAX];
        size_t n;
        vss_value *warnings;
        char user[64]; /* who logs in */
        bool all;
} InstanceList;

/* settings.c. A missing file is all defaults. Return: 0 or -ENOMEM. */
int settings_read(const char *path, Settings *ret_settings);
void settings_clear(Settings *settings);
/* A file with a password, if nobody else can read it; else NULL and a warning. */
const char *settings_client_file(const Settings *settings, const Instance *instance, vss_value *warnings);

/* find.c. @deadline_usec: instances that do not answer until then are
 * unreachable. @all: also what is configured and has no data. Return: 0 or a negative
 * errno. */
int instance_list_find(const Settings *settings, bool all, uint64_t deadline_usec, InstanceList *ret_list);
void instance_list_clear(InstanceList *list);
Instance *instance_list_get(InstanceList *list, const char *logical_path);
/* A text that it is set to; "" if it is not. */
const char *instance_get(const Instance *instance, const char *variable);
/* The directory or file that a variable names, absolute and without links; "" if there is none. */
void instance_path(const Instance *instance, const char *variable, char *ret_path, size_t size);
/* The same for a path that may be relative to the data directory. */
void instance_resolve(const Instance *instance, const char *path, char *ret_path, size_t size);
const char *instance_program(const Instance *instance, const char *name, char *ret_path, size_t size);
ClientAddress instance_address(const InstanceList *list, const Instance *instance);

/* ask.c: connect, and fill in what the server says. */
void instance_ask(const InstanceList *list, Instance *instance, uint64_t deadline_usec);

/* replica.c. Return: 0 or a negative errno, with the words in the client. */
int replicas_read(Client *client, const char *version, uint64_t deadline_usec, ReplicaList *ret_list);
/* Tell of those that are not where their source is. Return: 0 or -ENOMEM. */
int replicas_warn(const Instance *instance, vss_value *warnings);

/* describe.c */
vss_result instance_describe(vss_metadata *metadata, const Instance *instance, const char *crash_only);
/* Paths of everything of it that has to be cut: a list. NULL without memory. */
vss_value *instance_places(const Instance *instance);
