/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files of the log, and others that are written into a shadow copy
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/postgresql/hold.h"

#define BLOCK_SIZE (256u << 10)

int copy_path(const vss_writer_call *call, const char *path, char *ret_path, size_t size) {
        const char *device = vss_writer_call_snapshot_device(call, path), *root = NULL;
        int n;

        for (size_t i = 0; i < vss_writer_call_volume_count(call); i++) {
                const char *volume = vss_writer_call_volume(call, i);
                size_t k = strcmp(volume, "/") == 0 ? 0 : strlen(volume);

                if (strncmp(path, volume, k) == 0 && (path[k] == '/' || path[k] == '\0') &&
                    (!root || strlen(volume) > strlen(root)))
                        root = volume;
        }
        if (!device || !root)
                return -ENOENT;
        if (strcmp(root, "/") == 0)
                root = "";
        /* So that it is good for programs that we start, too. */
        if (strncmp(device, "/proc/self/", strlen("/proc/self/")) == 0)
                n = snprintf(ret_path, size, "/proc/%d/%s%s", (int)getpid(), device + strlen("/proc/self/"),
                             path + strlen(root));
        else
                n = snprintf(ret_path, size, "%s%s", device, path + strlen(root));
        return n >= (int)size ? -ENAMETOOLONG : 0;
}

static int open_at(const char *directory, const char *name, int flags, mode_t mode) {
        char path[PATH_MAX];
        int fd;

        if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, mode);
        return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const char *data, size_t n) {
        while (n > 0) {
                ssize_t k = write(fd, data, n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                data += k;
                n -= (size_t)k;
        }
        return 0;
}

/* A file of another one's content must not shine through: what is there is removed, not overwritten. */
static int create(const char *directory, const char *name) {
        char path[PATH_MAX];

        if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
                return -ENAMETOOLONG;
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        return open_at(directory, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
}

int write_text(const char *directory, const char *name, const char *text) {
        _cleanup_(closep) int fd = create(directory, name);

        return fd < 0 ? fd : write_all(fd, text, strlen(text));
}

static int copy_content(int in, int out) {
        _cleanup_(freep) char *block = malloc(BLOCK_SIZE);

        while (block) {
                ssize_t n = read(in, block, BLOCK_SIZE);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                r = write_all(out, block, (size_t)n);
                if (r < 0)
                        return r;
        }
        return -ENOMEM;
}

static int copy_one(const char *from, const char *to, const char *name) {
        _cleanup_(closep) int in = open_at(from, name, O_RDONLY, 0), out = -1;
        char path[PATH_MAX];
        int r;

        if (in < 0)
                return in == -ENOENT ? -ENODATA : in;
        out = create(to, name);
        if (out < 0)
                return out;
        r = copy_content(in, out);
        if (r < 0 && snprintf(path, sizeof(path), "%s/%s", to, name) < (int)sizeof(path))
                (void)unlink(path);
        return r;
}

int wal_copy(const char *from, const char *to, uint32_t timeline, SegmentRange range, uint64_t segment_size,
             char ret_name[static SEGMENT_NAME_SIZE]) {
        for (uint64_t number = range.first; number <= range.last; number++) {
                int r;

                segment_name(timeline, number, segment_size, ret_name);
                r = copy_one(from, to, ret_name);
                if (r < 0)
                        return r;
        }
        return 0;
}

int wal_check(const char *directory, uint32_t timeline, SegmentRange range, uint64_t segment_size,
              char ret_name[static SEGMENT_NAME_SIZE]) {
        char path[PATH_MAX];
        struct stat st;

        for (uint64_t number = range.first; number <= range.last; number++) {
                segment_name(timeline, number, segment_size, ret_name);
                if (snprintf(path, sizeof(path), "%s/%s", directory, ret_name) >= (int)sizeof(path))
                        return -ENAMETOOLONG;
                if (lstat(path, &st) < 0)
                        return errno == ENOENT ? -ENODATA : -errno;
                if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != segment_size)
                        return -ENODATA;
        }
        return 0;
}

static int read_whole(const char *path, char *buffer, size_t size, size_t *ret_n) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        ssize_t n = fd < 0 ? -1 : read(fd, buffer, size);

        if (n < 0)
                return -errno;
        *ret_n = (size_t)n;
        return 0;
}

int copy_steady(const char *from, const char *to, uint64_t deadline_usec) {
        char first[16384], second[sizeof(first)];
        const char *slash = strrchr(to, '/');
        _cleanup_(freep) char *directory = strndup(to, (size_t)(slash - to));
        _cleanup_(closep) int fd = -1;
        size_t n = 0, m = 0;
        int r;

        if (!directory)
                return -ENOMEM;
        do {
                r = read_whole(from, first, sizeof(first), &n);
                if (r >= 0)
                        r = read_whole(from, second, sizeof(second), &m);
                if (r < 0)
                        return r;
                if (now_usec() >= deadline_usec)
                        return -ETIMEDOUT;
        } while (n != m || memcmp(first, second, n) != 0);
        fd = create(directory, slash + 1);
        return fd < 0 ? fd : write_all(fd, first, n);
}
