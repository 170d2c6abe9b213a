/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Removing a directory with all that is in it
 *
 * A directory may be deeper than there are descriptors: what lies too deep is moved up first, and its turn comes
 * again.
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "files/beneath.h"
#include "providers/reflink/remove.h"
#include "util/macro.h"

#define DEPTH_MAX 200u
/* Times that something which lay too deep is begun with again. */
#define ROUNDS_MAX 10000u

typedef struct Removal {
        int top_fd;
        unsigned moved;
} Removal;

static int remove_in(Removal *removal, int fd, const char *name, unsigned depth);

static int remove_name(Removal *removal, int fd, const char *name, unsigned depth) {
        if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
                return 0;
        return errno == EISDIR || errno == EPERM ? remove_in(removal, fd, name, depth) : -errno;
}

static int empty(Removal *removal, int directory_fd, unsigned depth) {
        int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
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
                if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
                        r = remove_name(removal, dirfd(directory), d->d_name, depth);
        }
        (void)closedir(directory);
        return r;
}

static int remove_in(Removal *removal, int fd, const char *name, unsigned depth) {
        _cleanup_(closep) int directory_fd = -1;
        char up[32];
        int r;

        if (depth >= DEPTH_MAX) {
                if (removal->moved >= ROUNDS_MAX)
                        return -E2BIG;
                (void)snprintf(up, sizeof(up), ".deep-%u", removal->moved++);
                return renameat(fd, name, removal->top_fd, up) < 0 ? -errno : 0;
        }
        directory_fd = beneath_open(fd, name, O_RDONLY | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        if (directory_fd < 0)
                /* No directory: then it was something that may not be removed. */
                return directory_fd == -ENOTDIR || directory_fd == -ELOOP ? -EPERM : directory_fd;
        r = empty(removal, directory_fd, depth + 1);
        if (r < 0)
                return r;
        return unlinkat(fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int remove_directory(int dir_fd, const char *name) {
        Removal removal = { .top_fd = beneath_open(dir_fd, name, O_RDONLY | O_DIRECTORY, 0, BENEATH_ONE_MOUNT) };
        _cleanup_(closep) int top_fd = removal.top_fd;
        int r;

        if (top_fd < 0)
                return top_fd;
        do {
                removal.moved = 0;
                r = empty(&removal, top_fd, 0);
        } while (r == 0 && removal.moved > 0);
        if (r < 0)
                return r;
        return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}
