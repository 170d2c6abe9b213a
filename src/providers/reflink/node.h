/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One entry of a directory and its copy: a file that shares its extents, a link, a special file
 *
 * The source may be anybody's, who changes it meanwhile: only what was opened is looked at, and it must be what the
 * caller saw. The directory of the copy is root's alone.
 *
 * Functions return 0 or a negative errno; -ESTALE: it is another one by now.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Attributes of one entry. */
#define NODE_XATTRS_SIZE_MAX (64u * 1024)

/* Times are counted in nanoseconds: the change of a file is recognised by them. */
static inline int64_t node_time(const struct timespec *ts) {
        return (int64_t)ts->tv_sec * INT64_C(1000000000) + ts->tv_nsec;
}

typedef struct NodeFile {
        int from_fd, to_fd; /* directories */
        const char *from, *to;
        uint64_t inode;
} NodeFile;

typedef struct NodeFacts {
        struct stat st;        /* of the source, from before its extents were shared */
        uint64_t extents;      /* of the source; 0 without content */
        uint64_t clone_usec;   /* what sharing them took */
        int64_t began_nsec;    /* CLOCK_REALTIME, before that */
        bool cloned;
} NodeFacts;

/* Is @fill allowed to take part of @facts->extents? NULL: always. */
typedef bool (*NodeFill)(void *userdata, const NodeFacts *facts);

/* A new file with the owner, attributes, mode and times of the source, and with its content unless @fill refuses. */
int node_copy_file(const NodeFile *file, NodeFill fill, void *userdata, NodeFacts *ret_facts);
/* The content of one that was made without. */
int node_fill_file(const NodeFile *file, NodeFacts *ret_facts);
/* Symbolic links, pipes, sockets, devices. */
int node_copy_other(const NodeFile *file, const struct stat *st);
/* Owner, attributes, mode and times of an open directory. */
int node_copy_directory(int from_fd, int to_fd);
