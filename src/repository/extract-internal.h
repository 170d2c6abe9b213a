/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the parts of a restore share
 */

#include <stdatomic.h>
#include "repository/extract.h"
#include "repository/pool.h"

typedef struct Extract Extract;
typedef struct Place Place;

/* A directory that is being filled. */
struct Place {
        Extract *extract;
        Place *parent;
        char *path; /* in the tree; "" for the root */
        int fd;
        Tree tree;
        size_t next;
        const Node *node;      /* its own, in the parent's tree; NULL for the target and what leads to it */
        atomic_size_t pending; /* entries that are not done, and the walker */
};

/* Another name of a file that is restored. */
typedef struct Link {
        Place *place, *target_place; /* held */
        const char *name, *target;
} Link;

typedef struct Inode {
        uint64_t inode, device;
        Place *place; /* held */
        const char *name;
} Inode;

struct Extract {
        Repository *repo;
        const ExtractOptions *options;
        Pool *pool;
        bool owner; /* may we give files away? */
        Link *links;
        size_t n_links;
        Inode *inodes;
        size_t n_inodes, inodes_capacity;

        pthread_mutex_t mutex; /* of counts, and of telling */
        ExtractCounts counts;
        atomic_bool stopped;
        bool found;
};

/* extract.c */
void place_hold(Place *place);
void place_release(Place *place);
void extract_tell(Place *place, const char *name, const char *format, ...) _printf_(3, 4);
void extract_count(Extract *extract, uint64_t *count, uint64_t more);

/* extract-file.c */
#define TEMPORARY_NAME_SIZE 32u
int extract_temporary_name(char name[static TEMPORARY_NAME_SIZE]);
/* Owner, attributes, mode and times of what is open. What cannot be set is told. */
void extract_metadata(Place *place, const Node *node, int fd);
/* The file, by the pool. Holds the place until it is done. */
void extract_file(Place *place, const Node *node);
void extract_work(void *userdata, void *item);
/* Links, devices, fifos. 0 or a negative errno. */
int extract_other(Place *place, const Node *node);
/* Over what is there, unless that is a directory. */
int extract_rename(Place *place, const char *temporary, const char *name);
