/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting files below a directory: what is there already
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>
#include "repository/extract-internal.h"

bool extract_is_unfinished(const struct stat *st) {
        if (st->st_uid != geteuid())
                return false;
        return (S_ISREG(st->st_mode) && (st->st_mode & 07777) == EXTRACT_UNFINISHED) ||
               (S_ISDIR(st->st_mode) && (st->st_mode & 05777) == (EXTRACT_UNFINISHED | 0700));
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

const char *extract_difference(const Extract *extract, const Node *node, const struct stat *st) {
        if (node_type_from_mode(st->st_mode) != node->type)
                return "type";
        if (node->type == NODE_FILE && (uint64_t)st->st_size != node->size)
                return "size";
        if ((node->type == NODE_DEV || node->type == NODE_CHARDEV) && st->st_rdev != node->device)
                return "device number";
        if (!same_time(&st->st_mtim, &node->mtime))
                return "time";
        if (extract->owner && (st->st_uid != node->uid || st->st_gid != node->gid))
                return "owner";
        /* Whoever cannot give it away does not give its rights, either. */
        if (node->type != NODE_SYMLINK &&
            (st->st_mode & 07777) !=
                    (extract->owner || node->uid == extract->uid ? node->mode : node->mode & 01777))
                return "mode";
        return NULL;
}

bool extract_same_target(int directory, const Node *node) {
        char target[PATH_MAX + 1];
        ssize_t n = readlinkat(directory, node->name, target, sizeof(target) - 1);

        if (n < 0)
                return false;
        target[n] = '\0';
        return strcmp(target, node->target ?: "") == 0;
}

/* Of those that it should have; and access rules that it should not. */
bool extract_same_xattrs(const Extract *extract, const Node *node, int fd) {
        _cleanup_bytes_ Bytes value = {};
        bool has_rules = false;

        for (size_t i = 0; i < node->n_xattrs; i++) {
                const NodeXattr *xattr = &node->xattrs[i];
                ssize_t n;

                has_rules |= strcmp(xattr->name, "system.posix_acl_access") == 0;
                if (!extract->owner &&
                    (strncmp(xattr->name, "trusted.", 8) == 0 || strncmp(xattr->name, "security.", 9) == 0))
                        continue;
                value.size = 0;
                if (bytes_reserve(&value, xattr->size + 1) < 0)
                        return false;
                n = fgetxattr(fd, xattr->name, value.data, xattr->size + 1);
                if (n < 0 || (size_t)n != xattr->size || memcmp(value.data, xattr->value, xattr->size) != 0)
                        return false;
        }
        return has_rules || fgetxattr(fd, "system.posix_acl_access", NULL, 0) < 0;
}

static int read_there(int fd, uint64_t offset, size_t size, Bytes *there) {
        int r;

        there->size = 0;
        r = bytes_reserve(there, size);
        while (r == 0 && there->size < size) {
                ssize_t n = pread(fd, there->data + there->size, size - there->size,
                                  (off_t)(offset + there->size));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENODATA;
                there->size += (size_t)n;
        }
        return r;
}

int extract_compare_content(Extract *extract, const Node *node, int fd, size_t from, size_t to,
                            uint64_t offset, Scratch *scratch, uint64_t *ret_where) {
        for (size_t i = from; i < to; i++) {
                uint64_t size = 0;
                BlobId id;
                int r = extract->stopped
                                ? -ECANCELED
                                : repo_blob_size(extract->repo, BLOB_DATA, &node->content[i], &size);

                if (r == 0)
                        r = read_there(fd, offset, size, &scratch->there);
                if (r == 0)
                        r = crypto_sha256(scratch->there.data, size, &id);
                if (r == 0 && !blob_id_equals(&id, &node->content[i]))
                        r = -EBADMSG;
                if (r < 0) {
                        *ret_where = offset;
                        return r;
                }
                offset += size;
        }
        return 0;
}

/* The regular file, whoever put it there. */
static bool has_content(Place *place, const Node *node, Scratch *scratch) {
        _cleanup_(closep) int fd = openat(place->fd, node->name,
                                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;
        uint64_t where;

        return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == node->size &&
               !node->content_missing &&
               extract_compare_content(place->extract, node, fd, 0, node->n_content, 0, scratch, &where) ==
                       0;
}

static bool has_xattrs(const Place *place, const Node *node) {
        _cleanup_(closep) int fd = openat(place->fd, node->name,
                                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        return fd >= 0 && extract_same_xattrs(place->extract, node, fd);
}

static Decision decide_file(Place *place, const Node *node, const struct stat *st, Scratch *scratch) {
        bool same_content = (uint64_t)st->st_size == node->size && same_time(&st->st_mtim, &node->mtime);
        const char *difference;

        if (scratch)
                same_content = (uint64_t)st->st_size == node->size && has_content(place, node, scratch);
        if (!same_content)
                return DECIDE_REPLACE;
        difference = extract_difference(place->extract, node, st);
        if (!difference && !(scratch && !has_xattrs(place, node)))
                return DECIDE_LEAVE;
        /* What has other names, too, is not ours to change: it may be anybody's file. */
        return st->st_nlink == 1 ? DECIDE_SET : DECIDE_REPLACE;
}

Decision extract_decide(Place *place, const Node *node, Scratch *scratch) {
        const ExtractOptions *options = place->extract->options;
        struct stat st;

        if (place->fd < 0)
                return DECIDE_MAKE;
        if (fstatat(place->fd, node->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno == ENOENT)
                        return DECIDE_MAKE;
                extract_fail(place, node->name, "not restored", -errno);
                return DECIDE_FAIL;
        }
        if (S_ISDIR(st.st_mode)) {
                extract_fail(place, node->name, "not restored", -EISDIR);
                return DECIDE_FAIL;
        }
        if (extract_is_unfinished(&st))
                return DECIDE_REPLACE;
        if (options->overwrite == EXTRACT_NEVER)
                return DECIDE_KEEP;
        if (options->overwrite == EXTRACT_ALWAYS || node_type_from_mode(st.st_mode) != node->type)
                return DECIDE_REPLACE;
        if (node->type == NODE_FILE)
                return decide_file(place, node, &st, scratch);
        if (extract_difference(place->extract, node, &st) ||
            (node->type == NODE_SYMLINK && !extract_same_target(place->fd, node)))
                return DECIDE_REPLACE;
        return DECIDE_LEAVE;
}
