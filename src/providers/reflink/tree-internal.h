/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A tree and its copy: what is known of each entry, and the work of a pass
 */

#include <pthread.h>
#include <sys/stat.h>
#include "files/meta.h"
#include "providers/reflink/node.h"
#include "providers/reflink/store.h"
#include "providers/reflink/tree.h"

/* Files that one thread takes at once. */
#define TREE_CHUNK 64u

enum {
        ENTRY_MADE = 1 << 0,   /* is in the copy */
        ENTRY_FILLED = 1 << 1, /* with its content */
        ENTRY_CLEAN = 1 << 2,  /* whatever was written since shows in its time of change */
        ENTRY_RECENT = 1 << 3, /* changed lately, when it was prepared */
        ENTRY_DIFFERS = 1 << 4, /* from what the pass before saw; not kept */
        ENTRY_LEFT_OUT = 1 << 5, /* cannot be copied, and was named */
};

typedef struct TreeDir TreeDir;

typedef struct TreeEntry {
        char *name;
        TreeDir *dir; /* of a directory that is entered */
        uint64_t inode;
        int64_t changed; /* st_ctim */
        uint32_t mode, links;
        uint32_t extents;
        uint32_t serial; /* of the hard link that it is; 0: none */
        unsigned flags;
} TreeEntry;

struct TreeDir {
        char *path; /* below the root; "" for the root itself */
        TreeEntry *entries; /* by name */
        size_t n;
        unsigned depth;
        bool whole; /* all that is in it is wanted */
        uint64_t inode; /* 0: the root */
        int64_t changed; /* when @meta was read; -1: never */
        FileMeta meta;
        /* while files of it are worked on */
        int from_fd, to_fd;
        size_t pending;
};

/* A file with several names: it is made once, beside the tree, and its names are links to that. */
typedef struct TreeLink {
        uint64_t inode;
        int64_t changed;
        uint32_t extents, serial;
        unsigned flags;
} TreeLink;

typedef struct TreeItem {
        struct TreeItem *next;
        TreeDir *dir;
        size_t from, to; /* of its entries; both 0: the directory itself is read */
} TreeItem;

struct Tree {
        int source_fd, tree_fd, links_fd, trash_fd;
        dev_t device, store_device;
        ino_t store_inode;
        TreeOptions options;
        int64_t tick_nsec;
        char **wanted;
        size_t n_wanted;
        TreeDir *root;

        pthread_mutex_t lock; /* all below, and the queue */
        pthread_cond_t wake;
        TreeItem *items;
        unsigned working; /* threads that may still add work */
        int error;
        TreePass pass;
        uint64_t deadline_usec;
        int64_t recent_since; /* CLOCK_REALTIME */
        TreeFacts facts;
        uint64_t trashed;
        char culprit[512], difference[512];
        vss_value *left_out;

        pthread_mutex_t links_lock;
        void *links; /* tsearch(3) */
};

/* Entries */

TreeDir *tree_dir_new(const char *parent, const char *name, unsigned depth);
void tree_dir_free(TreeDir *dir);
/* What is in a directory now, sorted. */
int tree_read_entries(Tree *tree, const TreeDir *dir, TreeEntry **ret_entries, size_t *ret_n);
void tree_entries_free(TreeEntry *entries, size_t n);
/* Is anything below the directory, or below @name in it, wanted? */
bool tree_wants(const Tree *tree, const char *path, const char *name, bool *ret_whole);

/* Work on one entry; the directory is open. */
int tree_copy_entry(Tree *tree, TreeDir *dir, TreeEntry *entry);
/* What is in the copy under this name goes aside. */
int tree_put_aside(Tree *tree, int fd, const char *name);
void tree_links_free(Tree *tree);

/* Notes, by any thread */
void tree_note_difference(Tree *tree, const TreeDir *dir, const char *name);
void tree_note_left_out(Tree *tree, const TreeDir *dir, const char *name, const char *reason);
void tree_note_culprit(Tree *tree, const TreeDir *dir, const char *name);
