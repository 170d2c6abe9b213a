/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Restore options of a cluster: how far its log is replayed
 *
 *     target-time=2026-11-22 12:00:00+00; target-inclusive=no
 *
 * Pure. Entries are parted by ';' or line feeds. A document may have them, so nothing in them is ever run.
 */

#include <stdbool.h>
#include <stddef.h>

#define OPTION_SIZE 128u

typedef struct PgOptions {
        char target_time[OPTION_SIZE], target_lsn[OPTION_SIZE], target_name[OPTION_SIZE],
                target_xid[OPTION_SIZE];
        char target_timeline[OPTION_SIZE];
        bool immediate; /* as soon as it is consistent */
        bool exclusive; /* not what is at the target itself */
        bool archive;   /* also by the restore_command that the cluster has configured; the default */
        bool has_target;
} PgOptions;

/* @text may be NULL. Return: 0; -EINVAL with the reason in @ret_why. */
int pg_options_parse(const char *text, PgOptions *ret_options, char *ret_why, size_t size);

/*
 * pg_options_format() - lines for postgresql.auto.conf
 * @wal:       where segments of the log were put for it, below the directory of data; NULL: none were
 * @configured: the cluster's own restore_command; "" for none
 * Return: 0, -ENOMEM.
 */
int pg_options_format(const PgOptions *options, const char *wal, const char *configured, char **ret_text);
