/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is asked of a server, and what its files look like
 */

#include <sys/stat.h>
#include "writers/redis/instance.h"
#include "writers/redis/server.h"

/* Once: who it is, and where its files are. */
int facts_ask(Server *server, InstanceFacts *facts);
/* Again and again: how it is doing. */
int facts_update(Server *server, InstanceFacts *facts);
/* The same in two parts. */
int facts_queue(Server *server);
int facts_next(Server *server, InstanceFacts *facts);
/* Is a rewrite of the AOF under way, or will the server begin one by itself, though nothing is written? */
bool facts_will_rewrite(const InstanceFacts *facts);
/* Which commands it lets us use, without using them. Return: 0; -EACCES, with the first of them in @missing;
 * or what went wrong. */
int facts_check_rights(Server *server, char *missing, size_t size);

/* Has a file been replaced or written? */
typedef struct FileMark {
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec modified;
} FileMark;

typedef struct FileMarks {
        FileMark dump, append, append_dir;
} FileMarks;

/* All zero of what is not there. */
void file_marks_take(const InstanceFacts *facts, FileMarks *ret_marks);
bool file_mark_equals(const FileMark *a, const FileMark *b);
