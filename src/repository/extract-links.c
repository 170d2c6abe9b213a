/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting files below a directory: further names of a file
 *
 * They are made when the first has its content, whichever of the paths that were named it is in. Only what
 * was put there is linked: its number is remembered, so that nobody can have put something else under its
 * name.
 */

#include <fcntl.h>
#include <string.h>
#include "files/beneath.h"
#include "repository/extract-internal.h"

/* Directories that are kept open until links in them are made. */
#define LINKS_WAITING_MAX 1024u

static size_t slot_of(const Extract *extract, uint64_t inode, uint64_t device) {
        return (inode * UINT64_C(0x9e3779b97f4a7c15) ^ device) & (extract->inodes_capacity - 1);
}

static int grow_inodes(Extract *extract) {
        size_t old_capacity = extract->inodes_capacity, capacity = MAX(old_capacity * 2, (size_t)64);
        Inode **old = extract->inodes, **inodes = calloc(capacity, sizeof(Inode *));

        if (!inodes)
                return -ENOMEM;
        extract->inodes = inodes;
        extract->inodes_capacity = capacity;
        for (size_t i = 0; i < old_capacity; i++)
                while (old[i]) {
                        Inode *inode = old[i];
                        size_t slot = slot_of(extract, inode->inode, inode->device);

                        old[i] = inode->next;
                        inode->next = inodes[slot];
                        inodes[slot] = inode;
                }
        free(old);
        return 0;
}

static Inode *find_inode(const Extract *extract, const Node *node) {
        Inode *inode = extract->inodes_capacity == 0
                               ? NULL
                               : extract->inodes[slot_of(extract, node->inode, node->device_id)];

        while (inode && (inode->inode != node->inode || inode->device != node->device_id))
                inode = inode->next;
        return inode;
}

/* As far as there is memory: without it each name becomes a file of its own. */
static void add_inode(Place *place, const Node *node) {
        Extract *extract = place->extract;
        Inode *inode;
        size_t slot;

        if (extract->n_inodes >= extract->inodes_capacity && grow_inodes(extract) < 0)
                return;
        inode = calloc(1, sizeof(*inode));
        if (!inode)
                return;
        inode->inode = node->inode;
        inode->device = node->device_id;
        if (asprintf(&inode->path, "%s/%s", place->path, node->name) < 0) {
                free(inode);
                return;
        }
        slot = slot_of(extract, node->inode, node->device_id);
        inode->next = extract->inodes[slot];
        extract->inodes[slot] = inode;
        extract->n_inodes++;
}

void extract_free_inodes(Extract *extract) {
        for (size_t i = 0; i < extract->inodes_capacity; i++)
                while (extract->inodes[i]) {
                        Inode *inode = extract->inodes[i];

                        extract->inodes[i] = inode->next;
                        free(inode->path);
                        free(inode);
                }
        free(extract->inodes);
        extract->inodes = NULL;
        extract->n_inodes = extract->inodes_capacity = 0;
}

static bool has_names(const Node *node) {
        return node->links > 1 && node->inode != 0;
}

void extract_settle_inode(Place *place, const Node *node, const struct stat *st) {
        _cleanup_(freep) char *path = NULL;
        Inode *inode;

        if (!has_names(node) || asprintf(&path, "%s/%s", place->path, node->name) < 0)
                return;
        (void)pthread_mutex_lock(&place->extract->mutex);
        inode = find_inode(place->extract, node);
        if (inode && strcmp(inode->path, path) == 0) {
                if (st) {
                        inode->st_dev = st->st_dev;
                        inode->st_ino = st->st_ino;
                }
                inode->state = st ? INODE_THERE : INODE_FAILED;
        }
        (void)pthread_mutex_unlock(&place->extract->mutex);
}

/* ---- making them ---- */

/* The file as it is now, whatever has its name meanwhile: -ESTALE then. */
static int open_first(const Extract *extract, const Inode *first) {
        _cleanup_(closep) int directory = -1, fd = -1;
        const char *name;
        struct stat st;

        directory = beneath_open_parent(extract->options->target_fd, first->path + 1, false, &name);
        if (directory < 0)
                return directory;
        fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        return st.st_dev == first->st_dev && st.st_ino == first->st_ino ? TAKE_FD(fd) : -ESTALE;
}

static int link_as(int fd, int directory, const char *name) {
        char self[64];

        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        return linkat(AT_FDCWD, self, directory, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* Over what is there. */
static int link_over(Place *place, const Node *node, int fd) {
        char temporary[TEMPORARY_NAME_SIZE];
        int r = -EEXIST;

        for (unsigned try = 0; r == -EEXIST && try < 8; try++) {
                r = extract_temporary_name(place, node->name, try, temporary);
                if (r == 0)
                        r = link_as(fd, place->fd, temporary);
        }
        return r < 0 ? r : extract_rename(place, temporary, node->name);
}

static int make_link(const Link *link, ExtractFate *ret_fate) {
        Place *place = link->place;
        const ExtractOptions *options = place->extract->options;
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int r;

        *ret_fate = EXTRACT_MADE;
        if (fstatat(place->fd, link->node->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
                *ret_fate = EXTRACT_LEFT;
                if (st.st_dev == link->first->st_dev && st.st_ino == link->first->st_ino)
                        return 0;
                if (options->overwrite == EXTRACT_NEVER && !extract_is_unfinished(&st))
                        return 0;
                if (S_ISDIR(st.st_mode))
                        return -EISDIR;
                *ret_fate = EXTRACT_REPLACED;
        }
        fd = open_first(place->extract, link->first);
        if (fd < 0)
                return fd;
        r = *ret_fate == EXTRACT_MADE ? link_as(fd, place->fd, link->node->name) : -EEXIST;
        return r == -EEXIST ? link_over(place, link->node, fd) : r;
}

static const char *why_no_link(int error, char text[static 128]) {
        switch (error) {
        case -ESTALE:
                return "something else has that name now";
        case -EXDEV:
                return "they lie on two file systems";
        case -EISDIR:
                return "a directory stands there";
        default:
                (void)snprintf(text, 128, "%s", strerror(-error));
                return text;
        }
}

/* Does it say nothing of the first, and is made for itself? Another file system, or too many names. */
static bool is_for_itself(int error) {
        return error == -EXDEV || error == -EMLINK || error == -ESTALE || error == -EPERM;
}

static void restore_itself(Extract *extract, const Link *link) {
        link->first->state = INODE_PENDING;
        free(link->first->path);
        if (asprintf(&link->first->path, "%s/%s", link->place->path, link->node->name) < 0)
                link->first->path = strdup("");
        if (link->node->type == NODE_FILE)
                extract_file(link->place, link->node);
        else
                extract_other(link->place, link->node);
        extract_flush_batch(link->place);
        pool_wait(extract->pool);
}

static void settle_link(Extract *extract, const Link *link) {
        ExtractFate fate = EXTRACT_MADE;
        char text[128];
        int r;

        if (extract->stopped)
                return;
        if (extract->mode == MODE_PLAN) {
                struct stat st;
                bool there = link->place->fd >= 0 &&
                             fstatat(link->place->fd, link->node->name, &st, AT_SYMLINK_NOFOLLOW) == 0;

                extract_done(link->place, link->node, there ? EXTRACT_LEFT : EXTRACT_MADE);
                return;
        }
        if (link->first->state != INODE_THERE) {
                restore_itself(extract, link);
                return;
        }
        r = make_link(link, &fate);
        if (r == 0)
                extract_done(link->place, link->node, fate);
        else if (is_for_itself(r))
                restore_itself(extract, link);
        else
                extract_tell(link->place, link->node->name, "not restored as another name of %s: %s",
                             link->first->path, why_no_link(r, text));
}

void extract_make_links(Extract *extract) {
        for (size_t i = 0; i < extract->n_links; i++) {
                settle_link(extract, &extract->links[i]);
                place_release(extract->links[i].place);
        }
        free(extract->links);
        extract->links = NULL;
        extract->n_links = 0;
}

bool extract_link_later(Place *place, const Node *node) {
        Extract *extract = place->extract;
        Inode *first;
        Link *links;

        /* When verified, each name is looked at by itself. */
        if (!has_names(node) || extract->mode == MODE_VERIFY)
                return false;
        (void)pthread_mutex_lock(&extract->mutex);
        first = find_inode(extract, node);
        if (!first)
                add_inode(place, node);
        (void)pthread_mutex_unlock(&extract->mutex);
        if (!first)
                return false;
        if (extract->n_links == LINKS_WAITING_MAX) {
                /* So that not all directories are open at once. */
                extract_flush_batch(place);
                pool_wait(extract->pool);
                extract_make_links(extract);
        }
        links = reallocarray(extract->links, extract->n_links + 1, sizeof(*links));
        if (!links)
                return false;
        extract->links = links;
        place_hold(place);
        links[extract->n_links++] = (Link){ place, node, first };
        return true;
}
