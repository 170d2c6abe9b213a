/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Logs of device-mapper's log-writes target: every write a device got, in the order in which it was safe
 *
 * The kernel describes them in Documentation/admin-guide/device-mapper/log-writes.rst. A log is a superblock
 * in the first sector (little-endian: magic, version, number of entries, size of a sector), then the
 * entries, each one sector with its place and length in sectors, its flags and the length of what follows in
 * the same sector (the text of a mark), and behind it the data, but for discards. What was written is in the
 * log no earlier than the flush that made it safe: so the first N entries are a disk after a power cut.
 *
 * A log may be cut off or damaged: each field is checked against the log's size. Functions return 0 or a
 * negative errno; -EBADMSG for what is no log.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
        LOG_WRITES_FLUSH = 1 << 0,
        LOG_WRITES_FUA = 1 << 1,
        LOG_WRITES_DISCARD = 1 << 2,
        LOG_WRITES_MARK = 1 << 3,
        LOG_WRITES_METADATA = 1 << 4,
};

#define LOG_WRITES_MAGIC UINT64_C(0x6a736677736872)
#define LOG_WRITES_VERSION UINT64_C(1)
#define LOG_WRITES_MARK_SIZE 256u

typedef struct LogWrites {
        int fd; /* not ours */
        uint64_t size;
        uint64_t n_entries;
        uint32_t sector_size;
        uint64_t n_done; /* entries read so far */
        uint64_t at;     /* where the next one is, in bytes */
} LogWrites;

typedef struct LogWritesEntry {
        uint64_t number;       /* from 1: how many there are up to this one */
        uint64_t offset, size; /* on the device, in bytes */
        uint64_t flags;
        uint64_t data; /* in the log, in bytes */
        char mark[LOG_WRITES_MARK_SIZE];
} LogWritesEntry;

int log_writes_open(int fd, uint64_t size, LogWrites *ret_log);
/* Return: 1, 0 at the end. */
int log_writes_next(LogWrites *log, LogWritesEntry *ret_entry);
/* Does it to a disk of @size bytes. -ERANGE: it lies beyond its end. */
int log_writes_apply(const LogWrites *log, const LogWritesEntry *entry, int disk_fd, uint64_t disk_size);

/* Was all up to here on the disk when it was done: may the power be cut after it? */
static inline bool log_writes_is_point(const LogWritesEntry *entry) {
        return entry->flags & (LOG_WRITES_FLUSH | LOG_WRITES_FUA | LOG_WRITES_MARK);
}
