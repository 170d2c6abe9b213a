/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which points are kept: restic's rules
 *
 * Points of the same machine and paths are one group. In each, from the newest to the oldest: the last ones,
 * and the newest of each hour, day, week, month and year, for as many of these as a rule says. What any rule
 * keeps is kept.
 */

#include "repository/repository.h"

#define KEEP_ALL UINT32_MAX

typedef struct KeepRules {
        uint32_t last, hourly, daily, weekly, monthly, yearly;
        /* Younger than that before the newest of the group. */
        uint32_t within_years, within_months, within_days, within_hours;
        const char *const *tags; /* with any of them; NULL-terminated; may be NULL */
} KeepRules;

/* Is there any rule? */
bool keep_is_empty(const KeepRules *rules);
/* "2y5m7d3h". 0 or -EINVAL. */
int keep_parse_within(const char *text, KeepRules *rules);

/*
 * keep_apply() - decide for one group
 * @points: the newest first
 * @ret_keep: for each of them
 */
void keep_apply(const KeepRules *rules, const Snapshot *const *points, size_t n, bool *ret_keep);

/* Is it a group with the same paths, in any order, and machine? */
bool keep_is_same_group(const Snapshot *a, const Snapshot *b);
