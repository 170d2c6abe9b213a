/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which points of a repository are forgotten
 *
 * Rules are applied to groups of points. What a point that is kept cannot be restored without is kept, too:
 * a log point holds what was logged since the one before it, so it needs that one, and so on back to its
 * base.
 *
 * A point whose time is not yet is kept and not counted: it would be the newest one for years, and the good
 * ones that are made meanwhile would be forgotten for it.
 */

#include "repository/keep.h"
#include "vss/point.h"

/* What the points of a group have in common. */
enum {
        GROUP_HOST = 1 << 0,
        GROUP_PATHS = 1 << 1,
        GROUP_TAGS = 1 << 2, /* those of people; type and task count, too */
};
#define GROUP_DEFAULT (GROUP_HOST | GROUP_PATHS)

typedef struct Retention {
        KeepRules rules;
        PointFilter filter;    /* points that are not meant are kept */
        unsigned group_by;     /* 0: all points are one group */
        const char *protected; /* id of a point that is kept in any case; NULL */
} Retention;

typedef struct Decision {
        bool forget, ahead;        /* ahead: it is of a time that is not yet, so no rule has looked at it */
        const Snapshot *needed_by; /* it would be forgotten, were it not for this one */
} Decision;

/* "host,paths,tags" or "". 0 or -EINVAL. */
int retention_parse_groups(const char *text, unsigned *ret_group_by);
/* By the rules: ret_decisions[i] for each point. 0 or -ENOMEM. */
int retention_choose(const Retention *retention, const SnapshotList *points, Decision *ret_decisions);
/* Takes back what is needed by others; of what was chosen in any way. */
void retention_keep_bases(const SnapshotList *points, Decision *decisions);

/* Says which are ahead of the clock. */
void retention_note_ahead(const SnapshotList *points, const Decision *decisions);

/* Forgets them, the newest first, so that what others stand on goes last. Return: EXIT_DONE, or another
 * status after a message. */
int retention_apply(Cli *cli, Repository *repo, RepoLock *lock, const SnapshotList *points,
                    const Decision *decisions);
