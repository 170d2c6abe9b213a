/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is said of a point: by its tags, and which of many are meant
 *
 * `vss backup` writes what restic has no field for into tags: other programs keep these. Each is NAME:VALUE.
 */

#include "vss/repository.h"

/* A directory at the top of a tree for what belongs to the backup and not to the files. */
#define POINT_BACKUP_DIRECTORY ".linuxvss-backup"

#define TAG_TYPE "vss-type"       /* full, differential, ... */
#define TAG_SET "vss-set"         /* id of the set of shadow copies */
#define TAG_SESSION "vss-session" /* id of the session */
#define TAG_BASE "vss-base"       /* of a differential or log: the point it stands on */
#define TAG_TASK "vss-task"       /* the task that made it */

/* The value of the tag @name; NULL. */
const char *point_tag(const Snapshot *point, const char *name);
/* Is @name one of these? They are not shown among the tags of people. */
bool point_tag_is_ours(const char *tag);

typedef struct PointFilter {
        const char *host, *path, *tag, *type, *task;
        uint32_t latest; /* of each machine, paths and task; 0: all */
} PointFilter;

/* Rows for the table of a verb. */
#define POINT_FILTER_OPTIONS(filter)                                                              \
        OPTION("hostname", OPTION_TEXT, "NAME", "only points of this machine", &(filter)->host),  \
                OPTION("path", OPTION_TEXT, "PATH", "only points of this path", &(filter)->path), \
                OPTION("tag", OPTION_TEXT, "TAG", "only points with this tag", &(filter)->tag),   \
                OPTION("type", OPTION_TEXT, "TYPE",                                               \
                       "only points of this type: full, differential, incremental, copy, log",    \
                       &(filter)->type),                                                          \
                OPTION("task", OPTION_TEXT, "NAME", "only points of this task", &(filter)->task)

/* Return: EXIT_DONE, or EXIT_USAGE after a message. */
int point_filter_check(Cli *cli, const PointFilter *filter);
bool point_filter_is_empty(const PointFilter *filter);
/* By all but "latest". */
bool point_fits(const Snapshot *point, const PointFilter *filter);
/* The same with "latest", for all of them: ret_shown[i] for each. */
void points_choose(const SnapshotList *points, const PointFilter *filter, bool *ret_shown);

/* Where @name is "latest": says so if @point is of a time that is not yet. */
void point_note_ahead(const Snapshot *point, const char *name);

/* What stands in the tree about the backup itself, its run.json. The index must be loaded. *@ret_run is a
 * dictionary. Return: 0; -ENOENT where there is none; -EBADMSG; or the repository's failure. */
int point_load_run(Repository *repo, const Snapshot *point, vss_value **ret_run, Why *why);
/* "done", "partly" or "". */
const char *point_run_result(const vss_value *run);

/* A time as JSON has it. Return: 0 or -ENOMEM. */
int point_set_time(vss_value *dict, const char *key, const struct timespec *time);
