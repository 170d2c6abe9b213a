/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Control groups of services; see group.h
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include "util/macro.h"
#include "writers/service/group.h"

#define DEPTH_MAX 16u
#define DIRECTORIES_MAX 4096u

DEFINE_CLEANUP(DIR *, closedir)

/* "\040" and the like */
static void unescape(char *text) {
        char *to = text;

        for (const char *from = text; *from; to++) {
                bool octal = from[0] == '\\' && strspn(from + 1, "01234567") >= 3;

                *to = octal ? (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0')) : *from;
                from += octal ? 4 : 1;
        }
        *to = '\0';
}

/* "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE OPTIONS" */
int group_parse_mount(const char *line, char path[static GROUP_PATH_SIZE]) {
        const char *type = strstr(line, " - "), *point = line;
        size_t n;

        if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
                return -ENOENT;
        for (unsigned i = 0; i < 4; i++) {
                point = strchr(point, ' ');
                if (!point || point >= type)
                        return -ENOENT;
                point++;
        }
        n = strcspn(point, " ");
        if (point[0] != '/' || n >= GROUP_PATH_SIZE)
                return -ENOENT;
        memcpy(path, point, n);
        path[n] = '\0';
        unescape(path);
        return 0;
}

static int open_root(void) {
        _cleanup_(fclosep) FILE *file = fopen("/proc/self/mountinfo", "re");
        char line[2 * GROUP_PATH_SIZE], path[GROUP_PATH_SIZE];
        int fd;

        if (!file)
                return -errno;
        while (fgets(line, sizeof(line), file))
                if (group_parse_mount(line, path) == 0) {
                        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        return fd < 0 ? -errno : fd;
                }
        return -EOPNOTSUPP;
}

static bool is_slice(const char *name) {
        size_t n = strlen(name);

        return n > 6 && strcmp(name + n - 6, ".slice") == 0;
}

/* What would be taken for a file of the kernel's has a '_' before it. */
static bool is_unit(const char *name, const char *unit) {
        return strcmp(name, unit) == 0 || (name[0] == '_' && strcmp(name + 1, unit) == 0);
}

/* @path: of @parent, without a slash at its end. Return: 1 found, 0 not, or a negative errno */
static int search(int parent, const char *name, const char *unit, char path[static GROUP_PATH_SIZE],
                  unsigned depth, unsigned *n_seen) {
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
        _cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        size_t length = strlen(path);
        struct dirent *entry;

        if (!dir) {
                /* It has gone meanwhile. */
                if (fd >= 0)
                        (void)close(fd);
                return errno == ENOENT ? 0 : -errno;
        }
        while (r == 0 && (entry = readdir(dir))) {
                bool found = is_unit(entry->d_name, unit);

                if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
                    (!found && !is_slice(entry->d_name)))
                        continue;
                if (++*n_seen > DIRECTORIES_MAX || depth == DEPTH_MAX ||
                    length + 1 + strlen(entry->d_name) >= GROUP_PATH_SIZE)
                        return -E2BIG;
                path[length] = '/';
                memcpy(path + length + 1, entry->d_name, strlen(entry->d_name) + 1);
                if (found)
                        return 1;
                r = search(dirfd(dir), entry->d_name, unit, path, depth + 1, n_seen);
                if (r <= 0)
                        path[length] = '\0';
        }
        return r;
}

int group_find(const char *unit, char path[static GROUP_PATH_SIZE]) {
        _cleanup_(closep) int root = open_root();
        unsigned n_seen = 0;
        int r;

        if (root < 0)
                return root;
        path[0] = '\0';
        r = search(root, ".", unit, path, 0, &n_seen);
        return r < 0 ? r : r > 0 ? 0 : -ENOENT;
}

int group_open(const char *path) {
        _cleanup_(closep) int root = open_root();
        int fd;

        if (root < 0)
                return root;
        /* The caller has seen to it that nothing in it climbs; links there are none in this file system. */
        fd = openat(root, path + strspn(path, "/"), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int group_is_populated(int dir) {
        _cleanup_(closep) int fd = openat(dir, "cgroup.events", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        char text[256];
        ssize_t n;

        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return errno == ENOENT || errno == ENODEV ? 0 : -errno;
        text[n] = '\0';
        return strstr(text, "populated 1") != NULL;
}

bool group_can_freeze(int dir) {
        return faccessat(dir, "cgroup.freeze", F_OK, 0) == 0;
}
