/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Logs of the log-writes target: reading them, and doing again what they say
 */

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "log-writes.h"
#include "util/macro.h"

#define SECTOR_MIN 512u
#define SECTOR_MAX 4096u
#define CHUNK_SIZE (1u << 20)

/* In the entry's sector, before its text. */
#define ENTRY_HEAD 32u

static uint64_t number(const uint8_t *data, unsigned at) {
        uint64_t value;

        memcpy(&value, data + at, sizeof(value));
        return le64toh(value);
}

static int read_all(int fd, uint64_t offset, void *buffer, size_t size) {
        uint8_t *at = buffer;

        while (size > 0) {
                ssize_t n = pread(fd, at, size, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG;
                at += n;
                size -= (size_t)n;
                offset += (uint64_t)n;
        }
        return 0;
}

static int write_all(int fd, uint64_t offset, const void *buffer, size_t size) {
        const uint8_t *at = buffer;

        while (size > 0) {
                ssize_t n = pwrite(fd, at, size, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                at += n;
                size -= (size_t)n;
                offset += (uint64_t)n;
        }
        return 0;
}

int log_writes_open(int fd, uint64_t size, LogWrites *ret_log) {
        LogWrites log = { .fd = fd, .size = size };
        uint8_t super[SECTOR_MIN];
        uint32_t sector;
        int r;

        if (size < sizeof(super))
                return -EBADMSG;
        r = read_all(fd, 0, super, sizeof(super));
        if (r < 0)
                return r;
        memcpy(&sector, super + 24, sizeof(sector));
        log.sector_size = le32toh(sector);
        log.n_entries = number(super, 16);
        if (number(super, 0) != LOG_WRITES_MAGIC || number(super, 8) != LOG_WRITES_VERSION ||
            log.sector_size < SECTOR_MIN || log.sector_size > SECTOR_MAX ||
            (log.sector_size & (log.sector_size - 1)) != 0 || log.n_entries >= size / log.sector_size)
                return -EBADMSG;
        log.at = log.sector_size;
        *ret_log = log;
        return 0;
}

int log_writes_next(LogWrites *log, LogWritesEntry *ret_entry) {
        LogWritesEntry entry = { .number = log->n_done + 1 };
        uint8_t head[SECTOR_MAX];
        uint64_t length, left, sector;
        int r;

        if (log->n_done >= log->n_entries)
                return 0;
        if (log->at > log->size || log->size - log->at < log->sector_size)
                return -EBADMSG;
        r = read_all(log->fd, log->at, head, log->sector_size);
        if (r < 0)
                return r;
        left = (log->size - log->at) / log->sector_size - 1;
        entry.flags = number(head, 16);
        length = number(head, 24);
        /* A flush alone has no place; what stands there may be anything. */
        sector = number(head, 8) > 0 ? number(head, 0) : 0;
        /* On the device, and so in no way related to the log's size. */
        if (sector > INT64_MAX / log->sector_size || number(head, 8) > INT64_MAX / log->sector_size ||
            length > log->sector_size - ENTRY_HEAD)
                return -EBADMSG;
        entry.offset = sector * log->sector_size;
        entry.size = number(head, 8) * log->sector_size;
        entry.data = log->at + log->sector_size;
        if (entry.flags & LOG_WRITES_MARK)
                memcpy(entry.mark, head + ENTRY_HEAD, MIN(length, sizeof(entry.mark) - 1));
        log->at = entry.data;
        if (!(entry.flags & LOG_WRITES_DISCARD)) {
                if (entry.size / log->sector_size > left)
                        return -EBADMSG;
                log->at += entry.size;
        }
        log->n_done++;
        *ret_entry = entry;
        return 1;
}

int log_writes_apply(const LogWrites *log, const LogWritesEntry *entry, int disk_fd, uint64_t disk_size) {
        _cleanup_(freep) uint8_t *buffer = NULL;

        if (entry->size == 0)
                return 0;
        if (entry->offset > disk_size || entry->size > disk_size - entry->offset)
                return -ERANGE;
        buffer = calloc(1, CHUNK_SIZE);
        if (!buffer)
                return -ENOMEM;
        for (uint64_t done = 0; done < entry->size;) {
                size_t n = (size_t)MIN(entry->size - done, (uint64_t)CHUNK_SIZE);
                int r = 0;

                /* What was discarded may read as anything: zeroes are what most disks say. */
                if (!(entry->flags & LOG_WRITES_DISCARD))
                        r = read_all(log->fd, entry->data + done, buffer, n);
                if (r >= 0)
                        r = write_all(disk_fd, entry->offset + done, buffer, n);
                if (r < 0)
                        return r;
                done += n;
        }
        return 0;
}
