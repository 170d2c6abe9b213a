/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * log-writes-replay - power cuts from a log of device-mapper's log-writes target
 *
 *   log-writes-replay list LOG                       every entry: NUMBER WHAT OFFSET SIZE [MARK]
 *   log-writes-replay points LOG [BEGIN [END]]       the numbers after which the power may be cut: flushes,
 *                                                    FUA, marks; between two marks, if they are named
 *   log-writes-replay replay LOG DISK TO [FROM]      does entries FROM + 1 (1) to TO again, on DISK
 *
 * LOG and DISK are files or block devices. A disk that was blank when its device was made is after "replay
 * LOG DISK N" as a power cut after entry N leaves it.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <linux/fs.h>

#include "log-writes.h"
#include "util/macro.h"

static int open_sized(const char *path, int flags, uint64_t *ret_size) {
        struct stat st;
        int fd = open(path, flags | O_CLOEXEC);

        if (fd < 0 || fstat(fd, &st) < 0) {
                fprintf(stderr, "log-writes-replay: %s: %m\n", path);
                return -1;
        }
        *ret_size = (uint64_t)st.st_size;
        if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, ret_size) < 0) {
                fprintf(stderr, "log-writes-replay: %s: its size: %m\n", path);
                (void)close(fd);
                return -1;
        }
        return fd;
}

static void entry_list(const LogWritesEntry *entry) {
        printf("%" PRIu64 " %s%s%s%s%s %" PRIu64 " %" PRIu64 " %s\n", entry->number,
               entry->flags & LOG_WRITES_MARK      ? "mark"
               : entry->flags & LOG_WRITES_DISCARD ? "discard"
               : entry->size > 0                   ? "write"
                                                   : "nothing",
               entry->flags & LOG_WRITES_FLUSH ? ",flush" : "", entry->flags & LOG_WRITES_FUA ? ",fua" : "",
               entry->flags & LOG_WRITES_METADATA ? ",metadata" : "",
               entry->flags > 2 * LOG_WRITES_METADATA - 1 ? ",unknown" : "", entry->offset, entry->size,
               entry->mark);
}

/* Between the marks @begin and @end, which may be NULL. */
static void entry_point(const LogWritesEntry *entry, const char *begin, const char *end, bool *inside) {
        bool mark = entry->flags & LOG_WRITES_MARK;

        if (mark && begin && strcmp(entry->mark, begin) == 0)
                *inside = true;
        if (*inside && log_writes_is_point(entry))
                printf("%" PRIu64 "\n", entry->number);
        if (mark && end && strcmp(entry->mark, end) == 0)
                *inside = false;
}

static bool number_parse(const char *text, uint64_t *ret_number) {
        char *end;

        errno = 0;
        *ret_number = strtoull(text, &end, 10);
        return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

static int run(LogWrites *log, int argc, char *argv[]) {
        const char *begin = argc > 3 ? argv[3] : NULL, *end = argc > 4 ? argv[4] : NULL;
        bool replay = strcmp(argv[1], "replay") == 0, list = strcmp(argv[1], "list") == 0, inside = !begin;
        uint64_t disk_size = 0, from = 0, to = UINT64_MAX;
        _cleanup_(closep) int disk = -1;
        LogWritesEntry entry;
        int r = 0;

        if (replay) {
                if (argc < 5 || !number_parse(argv[4], &to) || (argc > 5 && !number_parse(argv[5], &from)))
                        return -EINVAL;
                disk = open_sized(argv[3], O_WRONLY, &disk_size);
                if (disk < 0)
                        return -EIO;
        }
        /* The log's size bounds its entries. */
        while ((!replay || log->n_done < to) && (r = log_writes_next(log, &entry)) > 0) {
                if (list)
                        entry_list(&entry);
                else if (!replay)
                        entry_point(&entry, begin, end, &inside);
                else if (entry.number > from)
                        r = log_writes_apply(log, &entry, disk, disk_size);
                if (r < 0)
                        return r;
        }
        if (r == 0 && replay && log->n_done < to)
                return -ENOENT;
        if (r >= 0 && replay && fsync(disk) < 0)
                return -errno;
        return MIN(r, 0);
}

int main(int argc, char *argv[]) {
        _cleanup_(closep) int fd = -1;
        uint64_t size;
        LogWrites log;
        int r;

        if (argc < 3 || (strcmp(argv[1], "list") != 0 && strcmp(argv[1], "points") != 0 &&
                         strcmp(argv[1], "replay") != 0)) {
                fprintf(stderr, "usage: log-writes-replay list LOG | points LOG [BEGIN [END]] | replay LOG "
                                "DISK TO [FROM]\n");
                return 2;
        }
        fd = open_sized(argv[2], O_RDONLY, &size);
        if (fd < 0)
                return 1;
        r = log_writes_open(fd, size, &log);
        if (r < 0) {
                fprintf(stderr, "log-writes-replay: %s: not a log: %s\n", argv[2], strerror(-r));
                return 1;
        }
        r = run(&log, argc, argv);
        if (r < 0)
                fprintf(stderr, "log-writes-replay: %s: after entry %" PRIu64 ": %s\n", argv[2], log.n_done,
                        strerror(-r));
        return r < 0 ? 1 : 0;
}
