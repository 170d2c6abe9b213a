/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Plans and sets in words
 */

#include <stdio.h>
#include "util/value.h"
#include "vss/view.h"

/* Where the files of a planned volume are seen: its mount point, or a nested volume's own root. */
const char *plan_volume_target(const vss_value *volume);
/* Why nobody takes it: "Btrfs: ...; Null: ...". To be freed; NULL without memory. */
char *plan_volume_declined(const vss_value *volume);
/* "a b c": to be freed; NULL without memory. */
char *report_join(const vss_value *list);
void report_plan(FILE *stream, const vss_value *plan);

/*
 * report_complete_set() - add to the set's "left-out" what the plan left out already
 * Each entry gets "system": true for what stays live because it belongs to the system, or by --live (@live).
 * Return: 0 or -ENOMEM.
 */
int report_complete_set(vss_value *set, const vss_value *plan, const ViewInput *live);
/* Did a writer fail, or was something left out that is not the system's? */
bool report_has_failures(const vss_value *set);
/* Why this writer failed in the set, "" where nobody said so; NULL if it did not. */
const char *report_writer_failure(const vss_value *set, const char *name);
/* Did this component, or its writer, fail while the set was made? */
bool report_component_failed(const vss_value *set, const char *writer, const char *logical_path,
                             const char *name);
void report_set(FILE *stream, const vss_value *set);
/* Who takes part and why, or why not; nothing for NULL. */
void report_participation(FILE *stream, const vss_value *participation);
/* "set ID: application-consistent; ...": to be freed; NULL without memory. */
char *report_closing_line(const vss_value *set);
