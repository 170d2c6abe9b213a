/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Copying content from one open file to another
 */

#include <stdlib.h>
#include <sys/stat.h>
#include "files/copy.h"
#include "util/macro.h"

#define BLOCK_SIZE (256u * 1024)

static int write_all(int fd, const char *data, size_t n, uint64_t offset) {
        while (n > 0) {
                ssize_t k = pwrite(fd, data, n, (off_t)offset);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return k < 0 ? -errno : -EIO;
                data += k;
                n -= (size_t)k;
                offset += (uint64_t)k;
        }
        return 0;
}

int copy_range(int from, uint64_t offset, uint64_t length, int to, uint64_t target_offset,
               int *ret_reading) {
        _cleanup_(freep) char *block = malloc(BLOCK_SIZE);
        int ignored, *reading = ret_reading ?: &ignored;

        *reading = 0;
        if (!block)
                return -ENOMEM;
        if (offset > INT64_MAX || length > INT64_MAX - offset || target_offset > INT64_MAX ||
            length > INT64_MAX - target_offset)
                return -EOVERFLOW;
        while (length > 0) {
                ssize_t n = pread(from, block, MIN(length, (uint64_t)BLOCK_SIZE), (off_t)offset);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        *reading = 1;
                        return n < 0 ? -errno : -ENODATA;
                }
                r = write_all(to, block, (size_t)n, target_offset);
                if (r < 0)
                        return r;
                offset += (uint64_t)n;
                target_offset += (uint64_t)n;
                length -= (uint64_t)n;
        }
        return 0;
}

int64_t copy_content(int from, int to, int *ret_reading) {
        int ignored, *reading = ret_reading ?: &ignored;
        off_t data = 0, hole;
        struct stat st;
        int r;

        *reading = 1;
        if (fstat(from, &st) < 0)
                return -errno;
        for (off_t end = st.st_size; data < end; data = hole) {
                data = lseek(from, data, SEEK_DATA);
                if (data < 0 && errno == ENXIO)
                        break;
                if (data < 0)
                        return -errno;
                hole = lseek(from, data, SEEK_HOLE);
                if (hole < 0)
                        return -errno;
                hole = MIN(hole, end);
                if (hole <= data)
                        break;
                r = copy_range(from, (uint64_t)data, (uint64_t)(hole - data), to, (uint64_t)data, reading);
                /* It became shorter meanwhile: what is there now is what there is. */
                if (r == -ENODATA)
                        break;
                if (r < 0)
                        return r;
                *reading = 1;
        }
        *reading = 0;
        if (ftruncate(to, st.st_size) < 0)
                return -errno;
        return st.st_size;
}
