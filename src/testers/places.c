/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files where they lie now: what is there, and is it what it was?
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include "model/ranges.h"
#include "testers/digest.h"
#include "testers/places.h"

static int digest_ranges(Digest *digest, int fd, const char *text) {
        _cleanup_(freep) Range *ranges = NULL;
        size_t n = 0;
        Why why;

        if (ranges_parse(text, &ranges, &n, &why) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
                int r = digest_add_file(digest, fd, ranges[i].offset, ranges[i].length);

                if (r < 0)
                        return r;
        }
        return 0;
}

DEFINE_CLEANUP(Digest *, digest_free)

static int read_digest(int fd, const char *ranges, ListEntry *entry) {
        _cleanup_(digest_freep) Digest *digest = NULL;
        int r;

        r = digest_new(&digest);
        if (r >= 0)
                r = ranges ? digest_ranges(digest, fd, ranges) : digest_add_file(digest, fd, 0, INT64_MAX);
        if (r < 0)
                return r;
        entry->sha256 = malloc(DIGEST_TEXT_SIZE);
        entry->ranges = ranges ? strdup(ranges) : NULL;
        if (!entry->sha256 || (ranges && !entry->ranges))
                return -ENOMEM;
        return digest_end(digest, entry->sha256);
}

static int begin_entry(const struct stat *st, const char *path, ListEntry *entry) {
        entry->kind = S_ISREG(st->st_mode)   ? WALK_FILE
                      : S_ISDIR(st->st_mode) ? WALK_DIRECTORY
                      : S_ISLNK(st->st_mode) ? WALK_SYMLINK
                                             : WALK_SPECIAL;
        entry->size = (uint64_t)st->st_size;
        meta_from_stat(st, &entry->meta);
        entry->path = strdup(path);
        return entry->path ? 0 : -ENOMEM;
}

int place_read_fd(int fd, const char *path, const char *ranges, ListEntry *ret_entry) {
        _cleanup_list_entry_ ListEntry entry = { 0 };
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        r = begin_entry(&st, path, &entry);
        if (r == 0 && entry.kind == WALK_FILE)
                r = read_digest(fd, ranges, &entry);
        if (r < 0)
                return r;
        *ret_entry = entry;
        entry = (ListEntry){ 0 };
        return 0;
}

int place_read(const char *path, const char *ranges, ListEntry *ret_entry) {
        _cleanup_list_entry_ ListEntry entry = { 0 };
        _cleanup_(closep) int fd = -1;
        char target[PATH_MAX];
        struct stat st;
        ssize_t n;
        int r;

        if (lstat(path, &st) < 0)
                return errno == ENOTDIR ? -ENOENT : -errno;
        if (S_ISREG(st.st_mode)) {
                fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
                return fd < 0 ? -errno : place_read_fd(fd, path, ranges, ret_entry);
        }
        r = begin_entry(&st, path, &entry);
        if (r < 0)
                return r;
        if (entry.kind == WALK_SYMLINK) {
                n = readlink(path, target, sizeof(target) - 1);
                if (n < 0)
                        return -errno;
                target[n] = '\0';
                entry.target = strdup(target);
                if (!entry.target)
                        return -ENOMEM;
        }
        *ret_entry = entry;
        entry = (ListEntry){ 0 };
        return 0;
}

static bool same_text(const char *a, const char *b) {
        return a == b || (a && b && strcmp(a, b) == 0);
}

const char *place_compare(const char *path, const ListEntry *was) {
        _cleanup_list_entry_ ListEntry now = { 0 };
        int r = place_read(path, was->ranges, &now);

        if (r == -ENOENT)
                return "missing";
        if (r < 0)
                return strerrorname_np(-r);
        if (was->kind == WALK_MOUNT_POINT)
                return NULL;
        if (now.kind != was->kind)
                return "kind";
        if (was->sha256 && !same_text(now.sha256, was->sha256))
                return "content";
        if (!same_text(now.target, was->target))
                return "target";
        if (now.meta.mode != was->meta.mode)
                return "mode";
        return now.meta.uid == was->meta.uid && now.meta.gid == was->meta.gid ? NULL : "owner";
}
