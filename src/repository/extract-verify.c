/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting files below a directory: is it there as it has to be?
 *
 * Once everything is written and on the disk, it is read again, from there and not from memory, and compared
 * with the names of its blobs, which are their hashes. What was told already is not told again.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include "repository/extract-internal.h"

typedef struct Check {
        Place *place; /* held */
        const Node *node;
        int fd;
        atomic_size_t pending;
        atomic_bool failed;
} Check;

struct CheckPiece {
        Job job;
        Check *check;
        size_t from, to;
        uint64_t offset;
};

static bool was_told(Place *place, const Node *node) {
        _cleanup_(freep) char *path = NULL;
        bool found;

        if (asprintf(&path, "%s/%s", place->path, node->name) < 0) {
                path = NULL;
                return false;
        }
        (void)pthread_mutex_lock(&place->extract->mutex);
        found = extract_was_told(place->extract, path);
        (void)pthread_mutex_unlock(&place->extract->mutex);
        return found;
}

static void check_release(Check *check) {
        Place *place = check->place;
        Extract *extract = place->extract;

        if (atomic_fetch_sub(&check->pending, 1) > 1)
                return;
        if (!check->failed && !extract->stopped) {
                extract_count(extract, &extract->counts.verified, 1);
                extract_count(extract, &extract->counts.bytes_verified, check->node->size);
        }
        (void)close(check->fd);
        free(check);
        place_release(place);
}

void extract_check(Extract *extract, CheckPiece *piece, Scratch *scratch) {
        Check *check = piece->check;
        uint64_t where = 0;
        int r = check->failed ? -ECANCELED
                              : extract_compare_content(extract, check->node, check->fd, piece->from,
                                                        piece->to, piece->offset, scratch, &where);

        if (r < 0 && r != -ECANCELED && !atomic_exchange(&check->failed, true))
                extract_tell(check->place, check->node->name,
                             "is not as in the point: at byte %" PRIu64 ": %s", where,
                             r == -EBADMSG ? "other data" : strerror(-r));
        extract_report(extract, check->place->path);
        check_release(check);
        free(piece);
}

static void put_checks(Check *check) {
        Extract *extract = check->place->extract;
        const Node *node = check->node;
        uint64_t offset = 0, more;

        for (size_t from = 0; from < node->n_content && !check->failed; from += EXTRACT_RUN) {
                CheckPiece *piece = malloc(sizeof(*piece));

                if (!piece) {
                        if (!atomic_exchange(&check->failed, true))
                                extract_tell(check->place, node->name, "is not verified: out of memory");
                        return;
                }
                *piece = (CheckPiece){
                        { JOB_CHECK }, check, from, MIN(from + EXTRACT_RUN, node->n_content), offset
                };
                for (size_t i = piece->from; i < piece->to; i++)
                        if (repo_blob_size(extract->repo, BLOB_DATA, &node->content[i], &more) == 0)
                                offset += more;
                atomic_fetch_add(&check->pending, 1);
                pool_put(extract->pool, piece);
        }
}

static int check_file(Place *place, const Node *node) {
        _cleanup_(closep) int fd = openat(place->fd, node->name,
                                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        Check *check;

        if (fd < 0)
                return -errno;
        if (!extract_same_xattrs(place->extract, node, fd)) {
                extract_tell(place, node->name, "is not as in the point: other attributes");
                return 0;
        }
        check = calloc(1, sizeof(*check));
        if (!check)
                return -ENOMEM;
        /* What is on the disk, and not what is in memory: only what is clean is dropped. */
        (void)fdatasync(fd);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        *check = (Check){ .place = place, .node = node, .fd = TAKE_FD(fd) };
        atomic_init(&check->pending, 1);
        place_hold(place);
        put_checks(check);
        check_release(check);
        return 0;
}

void extract_verify_missing(Place *place, const Node *node, int error) {
        if (!was_told(place, node))
                extract_tell(place, node->name, "is not as in the point: %s",
                             error == -ENOENT ? "it is not there" : strerror(-error));
}

void extract_verify_entry(Place *place, const Node *node) {
        Extract *extract = place->extract;
        const char *difference;
        struct stat st;
        int r = 0;

        if (was_told(place, node))
                return;
        if (fstatat(place->fd, node->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                extract_verify_missing(place, node, -errno);
                return;
        }
        difference = extract_difference(extract, node, &st);
        if (!difference && node->type == NODE_SYMLINK && !extract_same_target(place->fd, node))
                difference = "target";
        if (difference)
                extract_tell(place, node->name, "is not as in the point: another %s", difference);
        else if (node->type == NODE_FILE)
                r = check_file(place, node);
        else
                extract_count(extract, &extract->counts.verified, 1);
        if (r < 0)
                extract_tell(place, node->name, "is not verified: %s", strerror(-r));
}

void extract_verify_directory(Place *place, const Node *node, int fd) {
        const char *difference;
        struct stat st;

        if (was_told(place, node))
                return;
        difference = fstat(fd, &st) < 0 ? "state" : extract_difference(place->extract, node, &st);
        if (!difference && !extract_same_xattrs(place->extract, node, fd))
                difference = "list of attributes";
        if (difference)
                extract_tell(place, node->name, "is not as in the point: another %s", difference);
        else
                extract_count(place->extract, &place->extract->counts.verified, 1);
}
