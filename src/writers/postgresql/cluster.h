/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Clusters: which there are, where their files lie, what their servers do
 *
 * A cluster is what one server serves: all of its databases share one write-ahead log, and are saved and
 * restored together. It is found because its server runs as our user, because Debian's tools have configured
 * it, or because our own configuration names it.
 */

#include <sys/stat.h>
#include "writers/common/child.h"
#include "writers/postgresql/positions.h"
#include "writers/postgresql/sql.h"

#define CLUSTERS_MAX 64u
#define TABLESPACES_MAX 256u
#define WARNINGS_MAX 32u
/* Below pg_wal: segments that were restored, for restore_command to fetch. */
#define RESTORED_WAL ".linuxvss-wal"

typedef struct Tablespace {
        char name[32];   /* of the link in pg_tblspc: a number */
        char *location;  /* where that leads, without links */
        char *directory; /* the part of it that is this version's; NULL if there is none yet */
} Tablespace;

typedef enum ServerState {
        SERVER_DOWN,
        SERVER_STARTING, /* or stopping: it is there, and does not answer */
        SERVER_RUNNING,
} ServerState;

typedef struct Cluster {
        char version[16];   /* "15": as in PG_VERSION; the logical path begins with it */
        char *logical_path; /* "15", or for one without a name "15/srv/pg" */
        char *name;         /* "main", or the last element of its directory */
        char *data;         /* absolute, without links, if it is there */
        char *config;       /* the directory of postgresql.conf */
        char *programs;     /* the directory of the server's programs; NULL if they are not installed */
        char *unit;         /* that starts and stops it; NULL: none */
        char *wal;          /* where pg_wal leads, without links */
        bool wal_is_apart;  /* it is a link */
        bool exists;        /* there is something in the directory of data */
        Tablespace *spaces;
        size_t n_spaces;
        ServerState state;
        PidFile pid_file; /* unless it is down */
} Cluster;

typedef struct PgSettings {
        char user[64], database[64], slot[64];
        uint64_t checkpoint_beyond; /* that much log to be replayed, a checkpoint is made; UINT64_MAX: never
                                     */
        char *directories[CLUSTERS_MAX];
        size_t n_directories;
} PgSettings;

typedef struct ClusterList {
        Cluster *items; /* CLUSTERS_MAX */
        size_t n;
        char warnings[WARNINGS_MAX][400];
        size_t n_warnings;
        PgSettings settings;
} ClusterList;

/* conf.c: what the file @conf_path says, and about it; defaults if there is none. */
void settings_read(const char *conf_path, ClusterList *list);
void settings_clear(PgSettings *settings);
void cluster_list_warn(ClusterList *list, const char *format, ...) _printf_(2, 3);

/* find.c */

/* @proc and @etc are "/proc" and "/etc/postgresql", but for tests. Return: 0, -ENOMEM. */
int cluster_list_find(const char *conf_path, const char *proc, const char *etc, uint64_t deadline_usec,
                      ClusterList *ret_list);
void cluster_list_clear(ClusterList *list);
Cluster *cluster_list_get(const ClusterList *list, const char *logical_path, const char *name);

/* One that was found nowhere, but in a document. */
int cluster_make(const char *version, const char *logical_path, const char *name, const char *data,
                 Cluster *ret_cluster);
void cluster_clear(Cluster *cluster);
/* What the server of @cluster does now, as far as its files tell. */
void cluster_look(Cluster *cluster);
/* Where its files lie now. */
int cluster_locate(Cluster *cluster);
/* Whose files must be cut together. @ret_paths: of TABLESPACES_MAX + 2, borrowed. */
size_t cluster_paths(const Cluster *cluster, const char **ret_paths);
/* pg_controldata of a directory of data. Return: 0, -ENOENT without the program, a negative errno. */
int cluster_control(const Cluster *cluster, const char *data, uint64_t deadline_usec, Control *ret_control);
/* "15/main" */
const char *cluster_label(const Cluster *cluster, char *text, size_t size);

int read_text(const char *directory, const char *name, char *text, size_t size);
