/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A tree and its copy: directories, and what is wanted of them
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include "providers/reflink/tree-internal.h"

TreeDir *tree_dir_new(const char *parent, const char *name, unsigned depth) {
        TreeDir *dir = calloc(1, sizeof(*dir));

        if (!dir)
                return NULL;
        *dir = (TreeDir){ .depth = depth, .changed = -1, .from_fd = -1, .to_fd = -1 };
        if (asprintf(&dir->path, "%s%s%s", parent, *parent ? "/" : "", name) < 0) {
                free(dir);
                return NULL;
        }
        return dir;
}

void tree_entries_free(TreeEntry *entries, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(entries[i].name);
                tree_dir_free(entries[i].dir);
        }
        free(entries);
}

void tree_dir_free(TreeDir *dir) {
        if (!dir)
                return;
        tree_entries_free(dir->entries, dir->n);
        closep(&dir->from_fd);
        closep(&dir->to_fd);
        meta_clear(&dir->meta);
        free(dir->path);
        free(dir);
}

/* Is @path @other or below it? Both relative; "" is above all. */
static bool is_within(const char *path, const char *other) {
        size_t n = strlen(other);

        return n == 0 || (strncmp(path, other, n) == 0 && (path[n] == '\0' || path[n] == '/'));
}

bool tree_wants(const Tree *tree, const char *path, const char *name, bool *ret_whole) {
        char whole[PATH_MAX];
        bool wanted = false;

        *ret_whole = false;
        if (snprintf(whole, sizeof(whole), "%s%s%s", path, *path && *name ? "/" : "", name) >= (int)sizeof(whole))
                return false;
        for (size_t i = 0; i < tree->n_wanted && !*ret_whole; i++) {
                *ret_whole = is_within(whole, tree->wanted[i]);
                wanted = wanted || *ret_whole || is_within(tree->wanted[i], whole);
        }
        return wanted;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(((const TreeEntry *)a)->name, ((const TreeEntry *)b)->name);
}

typedef struct Reading {
        TreeEntry *entries;
        size_t n, room;
} Reading;

static void reading_done(Reading *reading) {
        tree_entries_free(reading->entries, reading->n);
}

static int append(Reading *reading, const char *name, const struct stat *st) {
        TreeEntry *entry;

        if (reading->n == reading->room) {
                size_t room = MAX(reading->room * 2, (size_t)16);
                TreeEntry *entries = reallocarray(reading->entries, room, sizeof(*entries));

                if (!entries)
                        return -ENOMEM;
                reading->entries = entries;
                reading->room = room;
        }
        entry = &reading->entries[reading->n];
        *entry = (TreeEntry){ .name = strdup(name),
                              .inode = st->st_ino,
                              .changed = node_time(&st->st_ctim),
                              .mode = st->st_mode,
                              .links = (uint32_t)st->st_nlink };
        if (!entry->name)
                return -ENOMEM;
        reading->n++;
        return 0;
}

/* One name. What is on another device is a volume of its own: its place is an empty directory, as in a snapshot. */
static int read_name(Tree *tree, const TreeDir *dir, const char *name, Reading *reading) {
        struct stat st;
        bool whole;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            (!dir->whole && !tree_wants(tree, dir->path, name, &whole)))
                return 0;
        if (fstatat(dir->from_fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (st.st_dev == tree->store_device && st.st_ino == tree->store_inode)
                return 0;
        if (reading->n >= TREE_ENTRIES_MAX)
                return -E2BIG;
        if (st.st_dev != tree->device) {
                st.st_ino = 0;
                st.st_ctim = (struct timespec){ 0 };
        }
        return append(reading, name, &st);
}

static void sort(Reading *reading) {
        if (reading->n > 1)
                qsort(reading->entries, reading->n, sizeof(*reading->entries), compare_names);
}

/* One that is replaced meanwhile may be listed neither as what it was nor as what it is: Btrfs lists the new one behind
 * what was there when the directory was opened. So what was there in the pass before is asked for by its name. */
static int read_missed(Tree *tree, const TreeDir *dir, Reading *reading) {
        size_t listed = reading->n;

        for (size_t i = 0; i < dir->n; i++) {
                const TreeEntry *old = &dir->entries[i];
                int r;

                if (listed > 0 && bsearch(old, reading->entries, listed, sizeof(*old), compare_names))
                        continue;
                r = read_name(tree, dir, old->name, reading);
                if (r < 0) {
                        tree_note_culprit(tree, dir, old->name);
                        return r;
                }
        }
        if (reading->n > listed)
                sort(reading);
        return 0;
}

int tree_read_entries(Tree *tree, const TreeDir *dir, TreeEntry **ret_entries, size_t *ret_n) {
        _cleanup_(reading_done) Reading reading = { 0 };
        int fd = openat(dir->from_fd, ".", O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC), r = 0;
        DIR *directory = fd < 0 ? NULL : fdopendir(fd);

        if (!directory) {
                r = -errno;
                closep(&fd);
                return r;
        }
        while (r == 0) {
                struct dirent *d;

                errno = 0;
                d = readdir(directory);
                if (!d) {
                        r = -errno;
                        break;
                }
                r = read_name(tree, dir, d->d_name, &reading);
                if (r < 0)
                        tree_note_culprit(tree, dir, d->d_name);
        }
        (void)closedir(directory);
        sort(&reading);
        if (r == 0)
                r = read_missed(tree, dir, &reading);
        if (r < 0)
                return r;
        *ret_entries = TAKE_PTR(reading.entries);
        *ret_n = reading.n;
        reading.n = 0;
        return 0;
}
