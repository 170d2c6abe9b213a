/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting files below a directory: one entry
 *
 * A large file is written by several threads, a run of its chunks each. Zeros are not written: where they
 * were there are holes.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include "repository/extract-internal.h"

#define RUN 16u /* chunks of one piece of work */
#define BLOCK 4096u

typedef struct Target {
        Place *place;
        const Node *node;
        int fd;
        char temporary[TEMPORARY_NAME_SIZE];
        uint64_t size;
        atomic_size_t pending;
        atomic_bool failed;
} Target;

typedef struct Piece {
        Target *target;
        size_t from, to; /* chunks */
        uint64_t offset;
} Piece;

int extract_temporary_name(char name[static TEMPORARY_NAME_SIZE]) {
        uint64_t random;
        int r = crypto_random(&random, sizeof(random));

        (void)snprintf(name, TEMPORARY_NAME_SIZE, ".vss-%016" PRIx64, random);
        return r;
}

/* Attributes that only root can set are no failure of anybody else's restore. */
static bool is_for_root(const char *name) {
        return strncmp(name, "trusted.", 8) == 0 || strncmp(name, "security.", 9) == 0;
}

void extract_metadata(Place *place, const Node *node, int fd) {
        const Extract *extract = place->extract;
        const struct timespec times[2] = { node->atime, node->mtime };
        uint32_t mode = node->mode;

        /* The owner first: changing it takes set-id bits and capabilities away. */
        if (extract->owner && fchown(fd, node->uid, node->gid) < 0)
                extract_tell(place, node->name, "its owner cannot be set: %s", strerror(errno));
        if (!extract->owner && node->uid != geteuid())
                mode &= ~(uint32_t)(S_ISUID | S_ISGID);
        for (size_t i = 0; i < node->n_xattrs; i++) {
                const NodeXattr *xattr = &node->xattrs[i];

                if (!extract->owner && is_for_root(xattr->name))
                        continue;
                if (fsetxattr(fd, xattr->name, xattr->value, xattr->size, 0) < 0)
                        extract_tell(place, node->name, "its attribute %s cannot be set: %s", xattr->name,
                                     strerror(errno));
        }
        if (fchmod(fd, mode) < 0 || futimens(fd, times) < 0)
                extract_tell(place, node->name, "its mode and times cannot be set: %s", strerror(errno));
}

int extract_rename(Place *place, const char *temporary, const char *name) {
        if (renameat(place->fd, temporary, place->fd, name) < 0) {
                int error = -errno;

                (void)unlinkat(place->fd, temporary, 0);
                return error;
        }
        return 0;
}

static void target_release(Target *target) {
        Place *place = target->place;
        int r = 0;

        if (atomic_fetch_sub(&target->pending, 1) > 1)
                return;
        if (target->failed) {
                (void)unlinkat(place->fd, target->temporary, 0);
        } else {
                extract_metadata(place, target->node, target->fd);
                r = extract_rename(place, target->temporary, target->node->name);
                if (r < 0)
                        extract_tell(place, target->node->name, "cannot be put there: %s", strerror(-r));
                else
                        extract_count(place->extract, &place->extract->counts.files, 1);
        }
        (void)close(target->fd);
        free(target);
        place_release(place);
}

static bool is_zero(const uint8_t *data, size_t size) {
        return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

static int write_at(int fd, const uint8_t *data, size_t size, uint64_t offset) {
        while (size > 0) {
                ssize_t n = pwrite(fd, data, size, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t)n;
                offset += (uint64_t)n;
        }
        return 0;
}

/* Blocks of the file that are zero are left out; it is as long as it has to be already. */
static int write_sparse(int fd, const uint8_t *data, size_t size, uint64_t offset) {
        size_t from = 0, at = 0;

        while (at < size) {
                size_t n = MIN(size - at, (size_t)(BLOCK - (offset + at) % BLOCK));

                if (is_zero(data + at, n)) {
                        int r = write_at(fd, data + from, at - from, offset + from);

                        if (r < 0)
                                return r;
                        from = at + n;
                }
                at += n;
        }
        return write_at(fd, data + from, size - from, offset + from);
}

void extract_work(void *userdata, void *item) {
        Extract *extract = userdata;
        Piece *piece = item;
        Target *target = piece->target;
        _cleanup_bytes_ Bytes plain = {};
        uint64_t offset = piece->offset, before = offset;

        for (size_t i = piece->from; i < piece->to && !target->failed; i++) {
                Why why = {};
                int r = extract->stopped ? -ECANCELED
                                         : repo_load_blob(extract->repo, BLOB_DATA,
                                                          &target->node->content[i], &plain, &why);

                if (r == 0)
                        r = write_sparse(target->fd, plain.data, plain.size, offset);
                if (r < 0) {
                        if (!atomic_exchange(&target->failed, true) && r != -ECANCELED)
                                extract_tell(target->place, target->node->name,
                                             "not restored: at byte %" PRIu64 ": %s", offset,
                                             *why.text ? why.text : strerror(-r));
                        break;
                }
                offset += plain.size;
        }
        extract_count(extract, &extract->counts.bytes, offset - before);
        target_release(target);
        free(piece);
}

static int open_target(Target *target) {
        int r = extract_temporary_name(target->temporary);

        if (r < 0)
                return r;
        target->fd = openat(target->place->fd, target->temporary,
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (target->fd < 0)
                return -errno;
        if (ftruncate(target->fd, (off_t)target->size) < 0) {
                r = -errno;
                (void)unlinkat(target->place->fd, target->temporary, 0);
                (void)close(target->fd);
                return r;
        }
        return 0;
}

/* The sum of its chunks; which is missing. */
static int measure(const Extract *extract, const Node *node, uint64_t *ret_size, size_t *ret_missing) {
        uint64_t size = 0, more;

        for (size_t i = 0; i < node->n_content; i++) {
                *ret_missing = i;
                if (repo_blob_size(extract->repo, BLOB_DATA, &node->content[i], &more) < 0)
                        return -ENOENT;
                if (__builtin_add_overflow(size, more, &size) || size > INT64_MAX)
                        return -EFBIG;
        }
        *ret_size = size;
        return 0;
}

static void put_pieces(Target *target) {
        Extract *extract = target->place->extract;
        const Node *node = target->node;
        uint64_t offset = 0;

        for (size_t from = 0; from < node->n_content; from += RUN) {
                size_t to = MIN(from + RUN, node->n_content);
                Piece *piece = malloc(sizeof(*piece));

                if (!piece) {
                        if (!atomic_exchange(&target->failed, true))
                                extract_tell(target->place, node->name, "not restored: out of memory");
                        break;
                }
                *piece = (Piece){ .target = target, .from = from, .to = to, .offset = offset };
                for (size_t i = from; i < to; i++) {
                        uint64_t more = 0;

                        (void)repo_blob_size(extract->repo, BLOB_DATA, &node->content[i], &more);
                        offset += more;
                }
                atomic_fetch_add(&target->pending, 1);
                pool_put(extract->pool, piece);
        }
}

void extract_file(Place *place, const Node *node) {
        Target *target = calloc(1, sizeof(*target));
        char id[BLOB_ID_TEXT];
        size_t missing = 0;
        int r;

        if (!target) {
                extract_tell(place, node->name, "not restored: out of memory");
                return;
        }
        *target = (Target){ .place = place, .node = node, .fd = -1 };
        atomic_init(&target->pending, 1);
        r = node->content_missing ? -EBADMSG : measure(place->extract, node, &target->size, &missing);
        if (r == 0 && target->size != node->size)
                extract_tell(place, node->name, "is of %" PRIu64 " bytes, not of %" PRIu64, target->size,
                             node->size);
        if (r == 0)
                r = open_target(target);
        if (r < 0) {
                if (r == -ENOENT && missing < node->n_content)
                        extract_tell(place, node->name,
                                     "not restored: its data blob %.10s is missing in the repository",
                                     blob_id_text(&node->content[missing], id));
                else
                        extract_tell(place, node->name, "not restored: %s", strerror(-r));
                free(target);
                return;
        }
        place_hold(place);
        put_pieces(target);
        target_release(target);
}

static int make_other(Place *place, const Node *node, const char *temporary) {
        if (node->type == NODE_SYMLINK)
                return symlinkat(node->target ?: "", place->fd, temporary) < 0 ? -errno : 0;
        return mknodat(place->fd, temporary, node_type_mode(node->type) | 0600, node->device) < 0 ? -errno
                                                                                                  : 0;
}

/* By name, which nobody else knows: what is no file cannot be opened for that. */
static void set_other(Place *place, const Node *node, const char *temporary) {
        const struct timespec times[2] = { node->atime, node->mtime };
        char path[64 + TEMPORARY_NAME_SIZE];

        if (place->extract->owner &&
            fchownat(place->fd, temporary, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0)
                extract_tell(place, node->name, "its owner cannot be set: %s", strerror(errno));
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", place->fd, temporary);
        for (size_t i = 0; i < node->n_xattrs; i++)
                if ((place->extract->owner || !is_for_root(node->xattrs[i].name)) &&
                    lsetxattr(path, node->xattrs[i].name, node->xattrs[i].value, node->xattrs[i].size, 0) <
                            0)
                        extract_tell(place, node->name, "its attribute %s cannot be set: %s",
                                     node->xattrs[i].name, strerror(errno));
        if ((node->type != NODE_SYMLINK && fchmodat(place->fd, temporary, node->mode, 0) < 0) ||
            utimensat(place->fd, temporary, times, AT_SYMLINK_NOFOLLOW) < 0)
                extract_tell(place, node->name, "its mode and times cannot be set: %s", strerror(errno));
}

int extract_other(Place *place, const Node *node) {
        char temporary[TEMPORARY_NAME_SIZE];
        int r = extract_temporary_name(temporary);

        if (r == 0)
                r = make_other(place, node, temporary);
        if (r < 0)
                return r;
        set_other(place, node, temporary);
        return extract_rename(place, temporary, node->name);
}
