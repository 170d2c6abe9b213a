/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Restores that were begun and did not finish, for writers that run as root and move nothing aside (aside.h)
 *
 * A component is noted before its files are replaced or its processes are ended, and struck out when a
 * restore of it has succeeded. So it is told, and what ran before is known, whoever died in between. The
 * file has a line for each; people may take one out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNFINISHED_MAX 1024u
/* Bytes of a session's id, with the NUL. */
#define UNFINISHED_SESSION_SIZE 64

typedef struct Unfinished {
        uint64_t when_usec;                    /* a date: when it was begun */
        char session[UNFINISHED_SESSION_SIZE]; /* which began it */
        bool ran;                              /* what is to be started at its end */
        char *key;                             /* LOGICAL-PATH/NAME */
} Unfinished;

typedef struct UnfinishedList {
        Unfinished *items;
        size_t n;
} UnfinishedList;

void unfinished_clear(UnfinishedList *list);
/* No file, or no path: there is none. Lines that are no such are passed over. Return: 0 or a negative errno.
 */
int unfinished_load(const char *path, UnfinishedList *ret_list);
/* NULL: there is none. */
const Unfinished *unfinished_find(const UnfinishedList *list, const char *logical_path, const char *name);
/* On disk when this returns. One that is noted already keeps its session, and that it ran. */
int unfinished_begin(const char *path, const char *session, const char *logical_path, const char *name,
                     bool ran);
/* Fine if there is none. @session: only if this one began it; NULL: whoever did. */
int unfinished_end(const char *path, const char *session, const char *logical_path, const char *name);
/* For people, one sentence. Return: @text. */
const char *unfinished_text(const Unfinished *unfinished, const char *path, char *text, size_t size);
