/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The list of what a backup has of a component: one line for each file
 *
 *     file path=/srv/app/a%20b mode=100644 owner=0:0 mtime=1763784000.123456789 size=17
 * component=one/two/first set=/srv/app filespec=* recursive=yes
 *
 * (all on one line). A word for the kind, then keys and values; what is not a plain character is %XX. So a
 * backup can be restored, and looked at, without parsing documents; unknown keys are left alone.
 */

#include <linuxvss/types.h>
#include "files/meta.h"
#include "files/walk.h"

#define LIST_LINE_MAX (1u << 20)

typedef struct ListEntry {
        WalkKind kind;   /* not WALK_ERROR */
        char *path;      /* where it belongs: absolute, its original path */
        char *target;    /* of a symbolic link */
        char *ranges;    /* of a partial file, as text; NULL: the whole file */
        char *metadata;  /* of a partial file */
        char *component; /* "logical/path/name" of the component whose file set it is in; NULL: of none */
        char *set, *filespec; /* the file set as its writer declared it; NULL: none */
        bool recursive, live; /* @live: not read from the shadow copy */
        char *source;         /* an alternate path that it was read from; NULL: its own */
        char *sha256;         /* of what was read; NULL: not taken */
        bool excluded;        /* it is named only because it was left out */
        uint64_t size;
        FileMeta meta;
} ListEntry;

void list_entry_clear(ListEntry *entry);
#define _cleanup_list_entry_ _cleanup_(list_entry_clear)

/* One line without its end, allocated. 0 or -ENOMEM, -E2BIG. */
int list_format(const ListEntry *entry, char **ret_line);
/* 0, -EBADMSG for what is no such line, -ENOMEM. Paths are absolute, without "." and "..". */
int list_parse(const char *line, ListEntry *ret_entry);

/* Appends the line of an entry. 0 or a negative errno. */
int list_write(FILE *f, const ListEntry *entry);
/* May take what is in @entry, and leave it zeroed. Return: 0 to go on; anything else ends the reading, and
 * is what list_read() returns. */
typedef int (*ListHandler)(void *userdata, ListEntry *entry);
/* All lines of an open file; @fd is taken over. Return: 0, a negative errno, with the number of the line at
 * fault. */
int list_read(int fd, ListHandler handler, void *userdata, unsigned *ret_line);

/* Plain characters and %XX; the other way; both allocated. @plain: characters besides letters and digits. */
char *list_escape(const char *text, size_t n, const char *plain);
char *list_unescape(const char *text, size_t n);
