/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A tree and its copy: one entry
 */

#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <string.h>
#include "providers/reflink/tree-internal.h"

/* Whoever replaces a file all the time must not make it be missing. */
#define TRIES 16u

/* More extents than these take long enough that a file that was changed lately waits for the commit. */
#define PREPARED_EXTENTS 64u

int tree_put_aside(Tree *tree, int fd, const char *name) {
        char aside[32];
        uint64_t number;

        (void)pthread_mutex_lock(&tree->lock);
        number = tree->trashed++;
        (void)pthread_mutex_unlock(&tree->lock);
        (void)snprintf(aside, sizeof(aside), "%" PRIu64, number);
        return renameat(fd, name, tree->trash_fd, aside) < 0 && errno != ENOENT ? -errno : 0;
}

static bool may_fill(void *userdata, const NodeFacts *facts) {
        const Tree *tree = userdata;

        return tree->pass != TREE_PREPARE || facts->extents <= PREPARED_EXTENTS ||
               node_time(&facts->st.st_ctim) < tree->recent_since;
}

static unsigned flags_of(const Tree *tree, const NodeFacts *facts) {
        int64_t changed = node_time(&facts->st.st_ctim);

        return ENTRY_MADE | (facts->cloned ? ENTRY_FILLED : 0) |
               (facts->cloned && changed < facts->began_nsec - tree->tick_nsec ? ENTRY_CLEAN : 0) |
               (tree->pass == TREE_PREPARE && changed >= tree->recent_since ? ENTRY_RECENT : 0);
}

static void count(Tree *tree, const NodeFacts *facts) {
        (void)pthread_mutex_lock(&tree->lock);
        if (facts->cloned && facts->st.st_size > 0) {
                tree->facts.cloned_files++;
                tree->facts.cloned_extents += facts->extents;
                tree->facts.clone_usec += facts->clone_usec;
        }
        (void)pthread_mutex_unlock(&tree->lock);
}

typedef struct Making {
        unsigned flags; /* in and out */
        int64_t changed; /* in and out */
        uint32_t extents;
        bool replaced; /* it is another file than before */
} Making;

/* Makes the copy of a regular file be what the file is now. */
static int make_file(Tree *tree, const NodeFile *file, bool differs, Making *making) {
        NodeFacts facts = { 0 };
        int r;

        if ((making->flags & (ENTRY_MADE | ENTRY_FILLED)) == ENTRY_MADE && !differs) {
                r = node_fill_file(file, &facts);
        } else {
                r = making->flags & ENTRY_MADE ? tree_put_aside(tree, file->to_fd, file->to) : 0;
                making->flags = 0;
                making->replaced = true;
                if (r == 0)
                        r = node_copy_file(file, may_fill, tree, &facts);
        }
        if (r < 0)
                return r;
        making->changed = node_time(&facts.st.st_ctim);
        making->flags = flags_of(tree, &facts);
        making->extents = (uint32_t)MIN(facts.extents, (uint64_t)UINT32_MAX);
        count(tree, &facts);
        return 0;
}

static int copy_single(Tree *tree, TreeDir *dir, TreeEntry *entry, bool differs) {
        const NodeFile file = { .from_fd = dir->from_fd,
                                .to_fd = dir->to_fd,
                                .from = entry->name,
                                .to = entry->name,
                                .inode = entry->inode };
        Making making = { .flags = entry->flags, .changed = entry->changed, .extents = entry->extents };
        int r = make_file(tree, &file, differs, &making);

        entry->flags = making.flags;
        entry->changed = making.changed;
        entry->extents = making.extents;
        return r;
}

static int compare_links(const void *a, const void *b) {
        const TreeLink *x = a, *y = b;

        return x->inode < y->inode ? -1 : x->inode > y->inode;
}

void tree_links_free(Tree *tree) {
        tdestroy(tree->links, free);
        tree->links = NULL;
}

static TreeLink *require_link(Tree *tree, uint64_t inode) {
        TreeLink key = { .inode = inode }, *link, **found = tfind(&key, &tree->links, compare_links);

        if (found)
                return *found;
        link = calloc(1, sizeof(*link));
        if (!link)
                return NULL;
        *link = key;
        if (!tsearch(link, &tree->links, compare_links)) {
                free(link);
                return NULL;
        }
        return link;
}

/* The file itself, under its number, then the name as a link to it. */
static int copy_linked_locked(Tree *tree, TreeDir *dir, TreeEntry *entry) {
        TreeLink *link = require_link(tree, entry->inode);
        char number[32];
        const NodeFile file = { .from_fd = dir->from_fd,
                                .to_fd = tree->links_fd,
                                .from = entry->name,
                                .to = number,
                                .inode = entry->inode };
        int r = 0;

        if (!link)
                return -ENOMEM;
        (void)snprintf(number, sizeof(number), "%" PRIu64, entry->inode);
        if (!(link->flags & ENTRY_CLEAN) || link->changed != entry->changed) {
                Making making = { .flags = link->flags };

                r = make_file(tree, &file, link->changed != entry->changed, &making);
                link->flags = making.flags;
                if (r < 0)
                        return r;
                link->changed = making.changed;
                link->extents = making.extents;
                link->serial += making.replaced;
        }
        if (entry->serial != link->serial) {
                if (entry->flags & ENTRY_MADE)
                        r = tree_put_aside(tree, dir->to_fd, entry->name);
                entry->flags = 0;
                if (r == 0 && linkat(tree->links_fd, number, dir->to_fd, entry->name, 0) < 0)
                        r = -errno;
                if (r < 0)
                        return r;
        }
        entry->serial = link->serial;
        entry->changed = link->changed;
        entry->extents = link->extents;
        entry->flags = link->flags;
        return 0;
}

static int copy_linked(Tree *tree, TreeDir *dir, TreeEntry *entry) {
        int r;

        (void)pthread_mutex_lock(&tree->links_lock);
        r = copy_linked_locked(tree, dir, entry);
        (void)pthread_mutex_unlock(&tree->links_lock);
        return r;
}

static int copy_regular(Tree *tree, TreeDir *dir, TreeEntry *entry, bool differs) {
        int r;

        if (entry->links > 1)
                return copy_linked(tree, dir, entry);
        if (entry->serial == 0)
                return copy_single(tree, dir, entry, differs);
        /* Its other names are gone: what it was linked to may not be its alone any more. */
        r = entry->flags & ENTRY_MADE ? tree_put_aside(tree, dir->to_fd, entry->name) : 0;
        entry->flags = 0;
        entry->serial = 0;
        return r < 0 ? r : copy_single(tree, dir, entry, differs);
}

static int copy_other(Tree *tree, TreeDir *dir, TreeEntry *entry) {
        const NodeFile file = { .from_fd = dir->from_fd,
                                .to_fd = dir->to_fd,
                                .from = entry->name,
                                .to = entry->name,
                                .inode = entry->inode };
        const struct stat st = { .st_ino = entry->inode, .st_mode = entry->mode };
        struct timespec now;
        int r = entry->flags & ENTRY_MADE ? tree_put_aside(tree, dir->to_fd, entry->name) : 0;

        entry->flags = 0;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        if (r == 0)
                r = node_copy_other(&file, &st);
        if (r == 0)
                entry->flags = ENTRY_MADE | ENTRY_FILLED |
                               (entry->changed < node_time(&now) - tree->tick_nsec ? ENTRY_CLEAN : 0);
        return r;
}

/* Looks again at what had become another one. Return: 1 if it is a file or special file still. */
static int look_again(const TreeDir *dir, TreeEntry *entry) {
        struct stat st;

        if (fstatat(dir->from_fd, entry->name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
                return -errno;
        entry->inode = st.st_ino;
        entry->mode = st.st_mode;
        entry->links = (uint32_t)st.st_nlink;
        entry->changed = node_time(&st.st_ctim);
        return S_ISDIR(st.st_mode) ? -ENOENT : 1;
}

int tree_copy_entry(Tree *tree, TreeDir *dir, TreeEntry *entry) {
        bool differs = entry->flags & ENTRY_DIFFERS;
        int r = -ESTALE;

        entry->flags &= ~(unsigned)ENTRY_DIFFERS;

        for (unsigned i = 0; i < TRIES && r == -ESTALE; i++) {
                r = S_ISREG(entry->mode) ? copy_regular(tree, dir, entry, differs) : copy_other(tree, dir, entry);
                if (r != -ESTALE)
                        break;
                differs = true;
                r = look_again(dir, entry);
                if (r > 0)
                        r = -ESTALE;
        }
        if (r == -ENOENT || r == -ESTALE) {
                if (tree->pass != TREE_PREPARE)
                        tree_note_left_out(tree, dir, entry->name,
                                           r == -ENOENT ? "it vanished while the copy was made"
                                                        : "it was replaced again and again while the copy was made");
                return 0;
        }
        if (r == -ETXTBSY) {
                tree_note_left_out(tree, dir, entry->name, "it is in use as swap space");
                entry->flags = ENTRY_LEFT_OUT;
                return 0;
        }
        if (r < 0)
                tree_note_culprit(tree, dir, entry->name);
        return r;
}
