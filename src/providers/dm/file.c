/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Small files of ours
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "providers/common/info.h"
#include "providers/dm/file.h"

static int write_all(int fd, const char *text) {
        size_t n = strlen(text);

        while (n > 0) {
                ssize_t k = write(fd, text, n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                text += k;
                n -= (size_t)k;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

/* The name's directory, so that the new name is on the disk, too. */
static int sync_directory(int directory_fd, const char *name) {
        const char *slash = strrchr(name, '/');
        char path[PATH_MAX];
        _cleanup_(closep) int fd = -1;

        (void)snprintf(path, sizeof(path), "%.*s", slash ? (int)(slash - name + 1) : 1, slash ? name : ".");
        fd = openat(directory_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_replace(int directory_fd, const char *name, const char *text) {
        _cleanup_(closep) int fd = -1;
        char new[PATH_MAX];
        int r;

        if ((size_t)snprintf(new, sizeof(new), "%s.new", name) >= sizeof(new))
                return -ENAMETOOLONG;
        if (unlinkat(directory_fd, new, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(directory_fd, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text);
        if (r == 0 && renameat(directory_fd, new, directory_fd, name) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(directory_fd, new, 0);
                return r;
        }
        return sync_directory(directory_fd, name);
}

int file_replace_value(int directory_fd, const char *name, const vss_value *value) {
        _cleanup_(freep) char *text = NULL;
        int r;

        r = info_encode(value, &text);
        return r == 0 ? file_replace(directory_fd, name, text) : r;
}

int file_read_value(int directory_fd, const char *name, vss_value **ret_value) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_(closep) int fd = -1;
        struct stat st;
        size_t n = 0;

        fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) ||
            st.st_size > (off_t)INFO_SIZE_MAX)
                return -EBADMSG;
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return -ENOMEM;
        while (n < (size_t)st.st_size) {
                ssize_t k = read(fd, text + n, (size_t)st.st_size - n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t)k;
        }
        return info_decode(text, n, ret_value);
}
