/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which names of a directory are taken
 */

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include "repository/archive-internal.h"

#define DIRECTORY_ENTRIES_MAX (UINT32_C(1) << 28)

char *dir_join_path(const char *directory, const char *name) {
        char *path;

        return asprintf(&path, "%s%s%s", directory, strcmp(directory, "/") == 0 ? "" : "/", name) < 0 ? NULL
                                                                                                      : path;
}

static void closedirp(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

static bool is_directory(const Dir *dir, const struct dirent *entry) {
        struct stat st;

        if (entry->d_type != DT_UNKNOWN)
                return entry->d_type == DT_DIR;
        return fstatat(dir->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool is_excluded(const Archive *archive, const Dir *dir, const struct dirent *entry) {
        const ArchiveOptions *options = archive->options;
        _cleanup_(freep) char *path = NULL;
        const char *name = entry->d_name;

        if (options->leave_out) {
                bool directory = is_directory(dir, entry), left_out;

                (void)pthread_mutex_lock(&dir->archive->names);
                left_out = options->leave_out(options->userdata, dir->path, name, directory);
                (void)pthread_mutex_unlock(&dir->archive->names);
                if (left_out)
                        return true;
        }
        if (!options->excludes || !options->excludes[0])
                return false;
        path = dir_join_path(dir->path, name);
        for (const char *const *pattern = archive->options->excludes; path && *pattern; pattern++)
                if (strchr(*pattern, '/') ? fnmatch(*pattern, path, FNM_PATHNAME) == 0
                                          : fnmatch(*pattern, name, 0) == 0)
                        return true;
        return false;
}

/* A node without anything else yet. @name stays the caller's. */
static int add_name(Dir *dir, size_t *capacity, const char *name) {
        if (dir->n == *capacity) {
                Node *nodes;

                *capacity = *capacity ? *capacity * 2 : 16;
                nodes = *capacity < DIRECTORY_ENTRIES_MAX
                                ? reallocarray(dir->nodes, *capacity, sizeof(*nodes))
                                : NULL;
                if (!nodes)
                        return -ENOMEM;
                dir->nodes = nodes;
        }
        dir->nodes[dir->n] = (Node){ .name = arena_copy(&dir->arena, name, strlen(name)) };
        return dir->nodes[dir->n].name ? (dir->n++, 0) : -ENOMEM;
}

static int read_names(Dir *dir, size_t *capacity) {
        _cleanup_(closedirp) DIR *stream = NULL;
        struct dirent *entry;
        int fd = fcntl(dir->fd, F_DUPFD_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        stream = fdopendir(fd);
        if (!stream) {
                (void)close(fd);
                return -errno;
        }
        while ((errno = 0, entry = readdir(stream))) {
                const char *name = entry->d_name;
                int r;

                if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
                    is_excluded(dir->archive, dir, entry))
                        continue;
                r = add_name(dir, capacity, name);
                if (r < 0)
                        return r;
        }
        return -errno;
}

static int compare_nodes(const void *a, const void *b) {
        return strcmp(((const Node *)a)->name, ((const Node *)b)->name);
}

int dir_list_names(Dir *dir) {
        const Wanted *wanted = dir->wanted;
        size_t capacity = 0, found;
        int r = dir->fd >= 0 && (!wanted || wanted->whole) ? read_names(dir, &capacity) : 0;

        if (dir->n > 0)
                qsort(dir->nodes, dir->n, sizeof(*dir->nodes), compare_nodes);
        found = dir->n;
        for (size_t i = 0; r == 0 && wanted && i < wanted->n; i++) {
                const Node key = { .name = wanted->children[i]->name };

                if (found == 0 || !bsearch(&key, dir->nodes, found, sizeof(key), compare_nodes))
                        r = add_name(dir, &capacity, key.name);
        }
        if (r == 0 && found > 0 && dir->n > found)
                qsort(dir->nodes, dir->n, sizeof(*dir->nodes), compare_nodes);
        return r;
}
