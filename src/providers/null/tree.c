/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Copying the directories and regular files of a small tree
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include "providers/null/tree.h"
#include "util/macro.h"

typedef struct Tree {
        dev_t device;
        size_t bytes, files;
        unsigned depth;
} Tree;

DEFINE_CLEANUP(DIR *, closedir)

static int copy_file(Tree *tree, int from_dir, int to_dir, const char *name, mode_t mode) {
        _cleanup_(closep) int from = -1, to = -1;

        /* Times of reading are not to be written to what is held. */
        from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOATIME);
        if (from < 0)
                return errno == ENOENT ? 0 : -errno;
        to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0777);
        if (to < 0)
                return -errno;
        for (;;) {
                ssize_t n = sendfile(to, from, NULL, 1u << 20);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                tree->bytes += (size_t)n;
                if (tree->bytes > TREE_BYTES_MAX)
                        return -E2BIG;
        }
}

static int copy_directory(Tree *tree, int from_fd, int to_fd);

static int copy_below(Tree *tree, int from_dir, int to_dir, const char *name, mode_t mode) {
        _cleanup_(closep) int from = -1, to = -1;
        int r;

        if (tree->depth >= TREE_DEPTH_MAX)
                return -E2BIG;
        if (mkdirat(to_dir, name, mode & 0777) < 0)
                return -errno;
        from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (from < 0 || to < 0)
                return -errno;
        tree->depth++;
        r = copy_directory(tree, from, to);
        tree->depth--;
        return r;
}

static int copy_entry(Tree *tree, int from_dir, int to_dir, const char *name) {
        struct stat st;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return 0;
        if (++tree->files > TREE_FILES_MAX)
                return -E2BIG;
        if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (st.st_dev != tree->device)
                return 0;
        if (S_ISREG(st.st_mode))
                return copy_file(tree, from_dir, to_dir, name, st.st_mode);
        return S_ISDIR(st.st_mode) ? copy_below(tree, from_dir, to_dir, name, st.st_mode) : 0;
}

static int copy_directory(Tree *tree, int from_fd, int to_fd) {
        _cleanup_(closedirp) DIR *dir = NULL;
        int fd, r;

        fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                r = -errno;
                (void)close(fd);
                return r;
        }
        for (;;) {
                struct dirent *entry;

                errno = 0;
                entry = readdir(dir);
                if (!entry)
                        return -errno;
                r = copy_entry(tree, from_fd, to_fd, entry->d_name);
                if (r < 0)
                        return r;
        }
}

int tree_copy(int from_fd, int to_fd) {
        Tree tree = { 0 };
        struct stat st;

        if (fstat(from_fd, &st) < 0)
                return -errno;
        tree.device = st.st_dev;
        return copy_directory(&tree, from_fd, to_fd);
}
