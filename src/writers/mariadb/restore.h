/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The restore of one instance
 */

#include "writers/mariadb/writer.h"

typedef struct Restore {
        vss_writer_call *call;
        const InstanceList *list;
        const Instance *instance;
        const vss_value *component;
        const char *logical_path, *metadata;
        char datadir[4096];
        bool is_log; /* of a log backup */
        vss_result code;
        char text[1536];
} Restore;

vss_result restore_fail(Restore *restore, vss_result code, const char *format, ...) _printf_(3, 4);
void restore_note(Restore *restore, const char *format, ...) _printf_(2, 3);
/* Of the restore options, "KEY=VALUE; KEY=VALUE": is there one of this name? @ret_value may be NULL. */
bool restore_option(const Restore *restore, const char *key, char *ret_value, size_t size);
bool restore_parse_option(const char *options, const char *key, char *ret_value, size_t size);

/* roll-forward.c */
struct LogOrder;
/* PreRestore of a log backup: its files are put beside the data. */
void restore_logs_prepare(Restore *restore);
/* PostRestore: what was put there, or what the options name, is applied. */
void restore_logs_apply(Restore *restore);
/* A server of our own on the restored files: recovery, @order (NULL: nothing), its checker. */
void restore_on_private(Restore *restore, const struct LogOrder *order);
/* It is to be another server than the one that was saved. */
void restore_forget_server(Restore *restore);
