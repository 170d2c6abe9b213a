/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opening paths below a directory, so that nothing outside of it is ever reached
 *
 * The kernel keeps the promise (openat2): checking a path and opening it later would leave a gap in which
 * whoever owns a directory on the way could put a link there.
 */

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "files/beneath.h"
#include "util/macro.h"

/* EAGAIN: something was renamed or mounted meanwhile, and the kernel could not be sure. */
#define TRIES 16

static long open_how(int root_fd, const char *path, struct open_how *how) {
        long fd = -1;

        for (unsigned i = 0; i < TRIES; i++) {
                fd = syscall(SYS_openat2, root_fd, *path ? path : ".", how, sizeof(*how));
                if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
                        break;
        }
        return fd;
}

static bool is_link(int root_fd, const char *path, struct open_how how) {
        _cleanup_(closep) int fd = -1;
        struct stat st;

        how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
        how.mode = 0;
        fd = (int)open_how(root_fd, path, &how);
        return fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);
}

int beneath_open(int root_fd, const char *path, int flags, mode_t mode, unsigned options) {
        struct open_how how = {
                .flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
                .mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        int error;
        long fd;

        if (options & BENEATH_ONE_MOUNT)
                how.resolve |= RESOLVE_NO_XDEV;
        fd = open_how(root_fd, path, &how);
        if (fd >= 0)
                return (int)fd;
        /* For a link where a directory is wanted the kernel says only that it is none. */
        error = errno;
        return error == ENOTDIR && is_link(root_fd, path, how) ? -ELOOP : -error;
}

bool beneath_is_valid(const char *path) {
        while (*path) {
                size_t n = strcspn(path, "/");

                if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
                        return false;
                if (path[n] == '/' && !path[n + 1])
                        return false;
                path += n + (path[n] == '/');
        }
        return true;
}

/* One element: opened, or made and opened. */
static int open_element(int directory_fd, const char *name, bool make) {
        int fd = beneath_open(directory_fd, name, O_RDONLY | O_DIRECTORY, 0, 0);

        if (fd != -ENOENT || !make)
                return fd;
        if (mkdirat(directory_fd, name, 0755) < 0 && errno != EEXIST)
                return -errno;
        return beneath_open(directory_fd, name, O_RDONLY | O_DIRECTORY, 0, 0);
}

int beneath_open_parent(int root_fd, const char *path, bool make, const char **ret_name) {
        _cleanup_(closep) int fd = -1;
        const char *element = path;

        if (!*path || !beneath_is_valid(path))
                return -EINVAL;
        fd = beneath_open(root_fd, "", O_RDONLY | O_DIRECTORY, 0, 0);
        if (fd < 0)
                return fd;
        for (;;) {
                size_t n = strcspn(element, "/");
                char name[NAME_MAX + 1];
                int next;

                if (!element[n])
                        break;
                if (n > NAME_MAX)
                        return -ENAMETOOLONG;
                (void)snprintf(name, sizeof(name), "%.*s", (int)n, element);
                next = open_element(fd, name, make);
                if (next < 0)
                        return next;
                (void)close(fd);
                fd = next;
                element += n + 1;
        }
        *ret_name = element;
        return TAKE_FD(fd);
}
