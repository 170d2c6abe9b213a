/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The history of runs, in SQLite
 *
 * A run has a row from its begin on, so that one that was killed is in it, too: it has no end, and its
 * process has gone. What is said of a run is a dictionary: "run" (its number), "task", "backup-type",
 * "repository", "begin-usec", "end-usec", "result", "status", "message", "files", "bytes", "bytes-added",
 * "bytes-stored", "point", "parent", "set", "level", and a list "errors" of {"path", "message"}. What is not
 * known is not there.
 */

#include "model/why.h"
#include "util/value.h"

typedef struct Catalog Catalog;

#define CATALOG_ERRORS_MAX 1000u /* of a run; the rest is counted */
#define CATALOG_RUNS_MAX 10000u  /* older ones go */

/* Where this user's is: root's is the machine's, and $VSS_CATALOG, an absolute path, is before all.
 * Allocated; NULL without memory or a home. */
char *catalog_path(void);

/* The directory of @path, for this user alone. */
int catalog_make_directory(const char *path, Why *why);
/*
 * catalog_open() - open it, made if need be
 * @ret_set_aside: where one went that was damaged and has been replaced by a new one; NULL; to be freed
 * Return: 0; -EPROTONOSUPPORT for one of a later version; or what the system says.
 */
int catalog_open(const char *path, Why *why, char **ret_set_aside, Catalog **ret_catalog);
/* To be read only. -ENOENT if there is none yet. */
int catalog_open_reader(const char *path, Why *why, Catalog **ret_catalog);
Catalog *catalog_close(Catalog *catalog);
DEFINE_CLEANUP(Catalog *, catalog_close)

/* @run: "task", "backup-type", "repository". */
int catalog_begin(Catalog *catalog, const vss_value *run, Why *why, int64_t *ret_number);
/* The rest, all at once. @outcome: "result", "status", ... and "errors". */
int catalog_end(Catalog *catalog, int64_t number, const vss_value *outcome, Why *why);

typedef struct CatalogFilter {
        const char *task; /* NULL: of all */
        int64_t number;   /* 0: any */
        bool not_done;    /* only those that were not done wholly */
        unsigned last;    /* so many; 0: all */
} CatalogFilter;

/* A list, oldest first. "result" of those without an end is "running" or "did not end". */
int catalog_list(Catalog *catalog, const CatalogFilter *filter, Why *why, vss_value **ret_runs);
/* The point of the task's last run that was done wholly into this repository. Allocated; NULL if there is
 * none. */
int catalog_last_good_point(Catalog *catalog, const char *task, const char *repository, Why *why,
                            char **ret_point);
