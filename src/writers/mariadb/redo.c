/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * InnoDB's redo log beside data files of other instants; see redo.h
 *
 * A header has, all big-endian: its format at 0, the first position at 8; two places for checkpoints at 4096
 * and 8192, each with the position at 0 and CRC-32C of the first 60 bytes behind them.
 */

#include <string.h>
#include <sys/stat.h>
#include "writers/mariadb/redo.h"

#define FORMAT 0x50687973u /* "Phys" */
#define FORMAT_ENCRYPTED (FORMAT | 0x80000000u)
#define SLOT_SIZE 64u
#define SUM_AT 60u
#define CHUNK 65536u

static const unsigned slots[] = { 4096, 8192 };

static uint64_t get_number(const unsigned char *p, size_t n) {
        uint64_t number = 0;

        for (size_t i = 0; i < n; i++)
                number = number << 8 | p[i];
        return number;
}

static uint32_t crc32c(const unsigned char *p, size_t n) {
        uint32_t crc = ~0u;

        for (size_t i = 0; i < n; i++) {
                crc ^= p[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
        return ~crc;
}

int redo_parse_header(const unsigned char bytes[static REDO_START], uint64_t size, RedoHeader *ret_header) {
        uint32_t format = (uint32_t)get_number(bytes, 4);
        uint64_t first = get_number(bytes + 8, 8), newest = 0;
        unsigned slot = 0;

        if (format != FORMAT && format != FORMAT_ENCRYPTED)
                return -ENOTSUP;
        if (first < REDO_START || size < REDO_START + (UINT64_C(1) << 20))
                return -EBADMSG;
        FOREACH_ELEMENT (at, slots) {
                const unsigned char *p = bytes + *at;
                uint64_t checkpoint = get_number(p, 8);

                /* One that is just being written may be half there. */
                if (checkpoint >= first && checkpoint > newest &&
                    crc32c(p, SUM_AT) == get_number(p + SUM_AT, 4)) {
                        newest = checkpoint;
                        slot = *at;
                }
        }
        if (newest == 0)
                return -EBADMSG;
        *ret_header = (RedoHeader){
                .first = first, .checkpoint = newest, .capacity = size - REDO_START, .slot = slot
        };
        memcpy(ret_header->bytes, bytes, REDO_START);
        return 0;
}

static int read_at(int fd, void *buffer, size_t size, uint64_t offset) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG;
                done += (size_t)n;
        }
        return 0;
}

static int write_at(int fd, const void *buffer, size_t size, uint64_t offset) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = pwrite(fd, (const char *)buffer + done, size - done, (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                done += (size_t)n;
        }
        return 0;
}

int redo_read_header(int fd, RedoHeader *ret_header) {
        unsigned char bytes[REDO_START];
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        /* Formats before have logs of any size, and headers of their own. */
        if (st.st_size < REDO_START)
                return -ENOTSUP;
        r = read_at(fd, bytes, sizeof(bytes), 0);
        return r < 0 ? r : redo_parse_header(bytes, (uint64_t)st.st_size, ret_header);
}

uint64_t redo_offset(const RedoHeader *header, uint64_t position) {
        return REDO_START + (position - header->first) % header->capacity;
}

bool redo_has(const RedoHeader *header, uint64_t from, uint64_t to) {
        /* The last block is written whole. */
        return to >= from && to - from <= header->capacity - 2 * (uint64_t)REDO_BLOCK;
}

/* Calls for each piece of [@from, @to) that is not cut by the end of the ring. */
static int copy_range(const RedoHeader *header, uint64_t from, uint64_t to, int live, int copy) {
        static const unsigned char nothing[CHUNK];
        unsigned char buffer[CHUNK];

        while (from < to) {
                uint64_t offset = redo_offset(header, from);
                uint64_t n = MIN(to - from, REDO_START + header->capacity - offset);
                int r;

                n = MIN(n, (uint64_t)CHUNK);
                r = live >= 0 ? read_at(live, buffer, n, offset) : 0;

                if (r >= 0)
                        r = write_at(copy, live >= 0 ? buffer : nothing, n, offset);
                if (r < 0)
                        return r;
                from += n;
        }
        return 0;
}

int redo_complete(const RedoHeader *header, uint64_t written, uint64_t end, int live, int copy) {
        unsigned other = header->slot == slots[0] ? slots[1] : slots[0];
        static const unsigned char nothing[SLOT_SIZE];
        RedoHeader now;
        int r;

        /* The same log as at Freeze, in both places, and nothing of it overwritten since. */
        r = redo_read_header(live, &now);
        if (r < 0)
                return r;
        if (now.capacity != header->capacity || memcmp(now.bytes, header->bytes, slots[0]) != 0)
                return -ESTALE;
        r = redo_read_header(copy, &now);
        if (r < 0)
                return r;
        if (now.capacity != header->capacity || memcmp(now.bytes, header->bytes, slots[0]) != 0)
                return -ESTALE;
        if (written < header->checkpoint || end < written || !redo_has(header, header->checkpoint, end))
                return -ESTALE;

        /* A byte that begins no record is the end; what was there may be of a turn before. */
        r = copy_range(header, written, end, live, copy);
        if (r >= 0)
                r = copy_range(header, end, end + 512, -1, copy);
        if (r >= 0)
                r = write_at(copy, header->bytes + header->slot, SLOT_SIZE, header->slot);
        if (r >= 0)
                r = write_at(copy, nothing, SLOT_SIZE, other);
        if (r >= 0 && fsync(copy) < 0)
                r = -errno;
        return r;
}
