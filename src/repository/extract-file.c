/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting files below a directory: regular files
 *
 * Small files of a directory go to the pool together, so that their blobs can be read together; a large one
 * is written by several threads, a run of its chunks each. Long runs of zeros are not written: where they
 * were there are holes.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include "repository/extract-internal.h"

#define BLOCK 4096u
/* Zeros that become a hole: shorter ones cost more calls than room. */
#define HOLE_MIN (4 * BLOCK)
#define BATCH_FILES 64u
#define BATCH_BYTES (1u << 20)

/* Small files of one directory. */
typedef struct Batch {
        Job job;
        Place *place; /* held */
        size_t n;
        uint64_t bytes;
        const Node *nodes[BATCH_FILES];
} Batch;

typedef struct Target {
        Place *place;
        const Node *node;
        Slot slot;
        ExtractFate fate;
        uint64_t size;
        atomic_size_t pending;
        atomic_bool failed;
} Target;

typedef struct Piece {
        Job job;
        Target *target;
        size_t from, to; /* chunks */
        uint64_t offset;
} Piece;

/* A file that is compared by its content first: all of it by one thread. */
typedef struct Whole {
        Job job;
        Place *place; /* held */
        const Node *node;
} Whole;

/* ---- writing ---- */

static bool is_zero(const uint8_t *data, size_t size) {
        return data[0] == 0 && data[size - 1] == 0 && memcmp(data, data + 1, size - 1) == 0;
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

/* Bytes of zeros at @at, in whole blocks of the file. */
static size_t measure_zeros(const uint8_t *data, size_t size, uint64_t offset, size_t at) {
        size_t from = at;

        while (at < size) {
                size_t n = MIN(size - at, (size_t)(BLOCK - (offset + at) % BLOCK));

                if (!is_zero(data + at, n))
                        break;
                at += n;
        }
        return at - from;
}

/* Long zeros are left out. */
static int write_sparse(int fd, const uint8_t *data, size_t size, uint64_t offset) {
        size_t from = 0, at = 0;

        while (at < size) {
                size_t zeros = measure_zeros(data, size, offset, at);

                if (zeros >= HOLE_MIN || (zeros > 0 && zeros == size)) {
                        int r = write_at(fd, data + from, at - from, offset + from);

                        if (r < 0)
                                return r;
                        from = at + zeros;
                }
                at += zeros;
                if (at < size)
                        at += MIN(size - at, (size_t)(BLOCK - (offset + at) % BLOCK));
        }
        return write_at(fd, data + from, size - from, offset + from);
}

static void tell_blob(Place *place, const Node *node, uint64_t offset, int error, const Why *why) {
        if (error == -ECANCELED)
                return;
        if (error == -ENOSPC || error == -EDQUOT)
                extract_fail(place, node->name, "not restored", error);
        else
                extract_tell(place, node->name, "not restored: at byte %" PRIu64 ": %s", offset,
                             *why->text ? why->text : strerror(-error));
}

int extract_measure(const Extract *extract, const Node *node, uint64_t *ret_size, size_t *ret_missing) {
        uint64_t size = 0, more;

        if (node->content_missing)
                return -EBADMSG;
        for (size_t i = 0; i < node->n_content; i++) {
                *ret_missing = i;
                if (repo_blob_size(extract->repo, BLOB_DATA, &node->content[i], &more) < 0)
                        return -ENOENT;
                if (__builtin_add_overflow(size, more, &size) || size > INT64_MAX)
                        return -EFBIG;
        }
        *ret_missing = node->n_content;
        *ret_size = size;
        return 0;
}

/* Fails for what cannot be whole. */
static int check_content(Place *place, const Node *node, uint64_t *ret_size) {
        char id[BLOB_ID_TEXT];
        size_t missing = 0;
        int r = extract_measure(place->extract, node, ret_size, &missing);

        if (r == 0 && *ret_size != node->size)
                extract_tell(place, node->name, "is of %" PRIu64 " bytes, not of %" PRIu64, *ret_size,
                             node->size);
        else if (r == -ENOENT && missing < node->n_content)
                extract_tell(place, node->name,
                             "not restored: its data blob %.10s is missing in the repository",
                             blob_id_text(&node->content[missing], id));
        else if (r < 0)
                extract_tell(place, node->name, "not restored: %s", strerror(-r));
        return r;
}

/* A slot for the file, whatever comes there meanwhile. Return: 0; 1 if it stays as it is; or a negative
 * errno. */
static int open_slot(Place *place, const Node *node, Decision decision, Slot *ret_slot) {
        int r = slot_open(place, node, decision != DECIDE_MAKE, ret_slot);

        if (r != -EEXIST)
                return r;
        return place->extract->options->overwrite == EXTRACT_NEVER ? 1
                                                                   : slot_open(place, node, true, ret_slot);
}

static ExtractFate fate_of(Decision decision) {
        return decision == DECIDE_MAKE ? EXTRACT_MADE : EXTRACT_REPLACED;
}

/* ---- what is there stays ---- */

static void set_attributes(Place *place, const Node *node) {
        _cleanup_(closep) int fd = openat(place->fd, node->name,
                                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0) {
                extract_fail(place, node->name, "its attributes are not set", -errno);
        } else if (!S_ISREG(st.st_mode) || st.st_nlink != 1) {
                extract_tell(place, node->name,
                             "its attributes are not set: somebody has changed what is there");
        } else {
                extract_metadata(place, node, fd, false);
                extract_settle_inode(place, node, &st);
                extract_done(place, node, EXTRACT_SET);
                return;
        }
        extract_settle_inode(place, node, NULL);
}

/* Nothing is written. Return: true if that is all. */
static bool leave(Place *place, const Node *node, Decision decision) {
        struct stat st;

        switch (decision) {
        case DECIDE_MAKE:
        case DECIDE_REPLACE:
                if (place->extract->mode == MODE_WRITE)
                        return false;
                extract_need_room(place, extract_stored_size(place->extract, node));
                extract_done(place, node, fate_of(decision));
                return true;
        case DECIDE_SET:
                if (place->extract->mode == MODE_WRITE)
                        set_attributes(place, node);
                else
                        extract_done(place, node, EXTRACT_SET);
                return true;
        case DECIDE_LEAVE:
                if (node->links > 1 && fstatat(place->fd, node->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                        extract_settle_inode(place, node, &st);
                extract_done(place, node, EXTRACT_LEFT);
                return true;
        case DECIDE_KEEP:
                extract_count(place->extract, &place->extract->counts.kept, 1);
                extract_settle_inode(place, node, NULL);
                extract_done(place, node, EXTRACT_LEFT);
                return true;
        default:
                extract_settle_inode(place, node, NULL);
                return true;
        }
}

/* ---- small files ---- */

typedef struct Small {
        Batch *batch;
        Decision decisions[BATCH_FILES];
} Small;

static void write_small(Place *place, const Node *node, Decision decision, const Bytes *plain) {
        Extract *extract = place->extract;
        uint64_t size = plain ? plain->size : 0;
        Slot slot;
        int r;

        if (size != node->size)
                extract_tell(place, node->name, "is of %" PRIu64 " bytes, not of %" PRIu64, size,
                             node->size);
        r = open_slot(place, node, decision, &slot);
        if (r != 0) {
                if (r < 0)
                        extract_fail(place, node->name, "not restored", r);
                extract_settle_inode(place, node, NULL);
                return;
        }
        r = size > 0 ? write_sparse(slot.fd, plain->data, size, 0) : 0;
        if (r == 0 && size >= HOLE_MIN && ftruncate(slot.fd, (off_t)size) < 0)
                r = -errno;
        if (r == 0 && size > 0 && size < HOLE_MIN && plain->data[0] == 0 && is_zero(plain->data, size) &&
            ftruncate(slot.fd, (off_t)size) < 0)
                r = -errno;
        if (r < 0) {
                extract_fail(place, node->name, "not restored", r);
                slot_abandon(place, node, &slot);
                return;
        }
        extract_count(extract, &extract->counts.bytes, size);
        slot_finish(place, node, &slot, fate_of(decision));
}

static bool take_small(void *userdata, size_t number, const Bytes *plain, int error, const Why *why) {
        Small *small = userdata;
        Place *place = small->batch->place;
        const Node *node = small->batch->nodes[number];

        if (error == 0)
                write_small(place, node, small->decisions[number], plain);
        else {
                tell_blob(place, node, 0, error, why);
                extract_settle_inode(place, node, NULL);
        }
        return true;
}

static void do_batch(Extract *extract, Batch *batch, Scratch *scratch) {
        Small small = { .batch = batch };
        Place *place = batch->place;
        Want wants[BATCH_FILES];
        char id[BLOB_ID_TEXT];
        size_t n = 0;

        for (size_t i = 0; i < batch->n && !extract->stopped; i++) {
                const Node *node = batch->nodes[i];

                small.decisions[i] = place->fresh
                                             ? DECIDE_MAKE
                                             : extract_decide(place, node,
                                                              extract->options->verify ? scratch : NULL);
                if (leave(place, node, small.decisions[i]))
                        continue;
                if (node->n_content == 0)
                        write_small(place, node, small.decisions[i], NULL);
                else if (extract_locate(extract, &node->content[0], i, &wants[n]) == 0)
                        n++;
                else {
                        extract_tell(place, node->name,
                                     "not restored: its data blob %.10s is missing in the repository",
                                     blob_id_text(&node->content[0], id));
                        extract_settle_inode(place, node, NULL);
                }
        }
        extract_fetch(extract, scratch, wants, n, take_small, &small);
        extract_report(extract, place->path);
        place_release(place);
        free(batch);
}

void extract_flush_batch(Place *place) {
        Batch *batch = place->batch;

        place->batch = NULL;
        if (batch)
                pool_put(place->extract->pool, batch);
}

/* false without memory. */
static bool gather(Place *place, const Node *node) {
        Batch *batch = place->batch;

        if (!batch) {
                batch = malloc(sizeof(*batch));
                if (!batch)
                        return false;
                batch->job.kind = JOB_BATCH;
                batch->place = place;
                batch->n = 0;
                batch->bytes = 0;
                place->batch = batch;
                place_hold(place);
        }
        batch->nodes[batch->n++] = node;
        batch->bytes += node->size;
        if (batch->n == BATCH_FILES || batch->bytes >= BATCH_BYTES)
                extract_flush_batch(place);
        return true;
}

/* ---- large files ---- */

static void target_release(Target *target) {
        Place *place = target->place;

        if (atomic_fetch_sub(&target->pending, 1) > 1)
                return;
        if (target->failed || place->extract->stopped)
                slot_abandon(place, target->node, &target->slot);
        else
                slot_finish(place, target->node, &target->slot, target->fate);
        free(target);
        place_release(place);
}

typedef struct Writing {
        Target *target;
        size_t from;
        const uint64_t *offsets;
        uint64_t written;
} Writing;

static bool take_large(void *userdata, size_t number, const Bytes *plain, int error, const Why *why) {
        Writing *writing = userdata;
        Target *target = writing->target;
        uint64_t offset = writing->offsets[number - writing->from];

        extract_report(target->place->extract, target->place->path);
        if (target->failed)
                return false;
        if (error == 0)
                error = write_sparse(target->slot.fd, plain->data, plain->size, offset);
        if (error == 0) {
                writing->written += plain->size;
                return true;
        }
        if (!atomic_exchange(&target->failed, true))
                tell_blob(target->place, target->node, offset, error, why);
        return false;
}

/* Where packs come from a disk it reads while we open what it has read. */
static void expect_chunks(Extract *extract, const Node *node, size_t from) {
        Want wants[EXTRACT_RUN];
        size_t n = 0;

        for (size_t i = from; i < node->n_content && n < EXTRACT_RUN; i++)
                if (extract_locate(extract, &node->content[i], i, &wants[n]) == 0)
                        n++;
        extract_expect(extract, wants, n);
}

static void do_chunks(Extract *extract, Scratch *scratch, Target *target, size_t from, size_t to,
                      uint64_t offset) {
        uint64_t offsets[EXTRACT_RUN];
        Writing writing = { .target = target, .from = from, .offsets = offsets };
        Want wants[EXTRACT_RUN];

        for (size_t i = from; i < to; i++) {
                /* Known to be there, when the file was measured. */
                (void)extract_locate(extract, &target->node->content[i], i, &wants[i - from]);
                offsets[i - from] = offset;
                offset += pack_blob_plain_size(wants[i - from].blob.length,
                                               wants[i - from].blob.plain_length);
        }
        expect_chunks(extract, target->node, from + EXTRACT_RUN * extract->n_threads);
        extract_fetch(extract, scratch, wants, to - from, take_large, &writing);
        extract_count(extract, &extract->counts.bytes, writing.written);
}

static uint64_t measure_chunks(const Extract *extract, const Node *node, size_t from, size_t to) {
        uint64_t size = 0, more;

        for (size_t i = from; i < to; i++)
                if (repo_blob_size(extract->repo, BLOB_DATA, &node->content[i], &more) == 0)
                        size += more;
        return size;
}

/* By the pool, or one after the other by who is here already. */
static void put_pieces(Target *target, Scratch *scratch) {
        Extract *extract = target->place->extract;
        const Node *node = target->node;
        uint64_t offset = 0;

        for (size_t from = 0; from < node->n_content && !target->failed; from += EXTRACT_RUN) {
                size_t to = MIN(from + EXTRACT_RUN, node->n_content);
                Piece *piece = scratch ? NULL : malloc(sizeof(*piece));

                if (scratch) {
                        do_chunks(extract, scratch, target, from, to, offset);
                } else if (piece) {
                        *piece = (Piece){ { JOB_PIECE }, target, from, to, offset };
                        atomic_fetch_add(&target->pending, 1);
                        pool_put(extract->pool, piece);
                } else if (!atomic_exchange(&target->failed, true)) {
                        extract_tell(target->place, node->name, "not restored: out of memory");
                }
                offset += measure_chunks(extract, node, from, to);
        }
}

/* @scratch: NULL for the walker, which has the pool do it. */
static void write_large(Place *place, const Node *node, Decision decision, Scratch *scratch) {
        Target *target = calloc(1, sizeof(*target));
        int r = target ? check_content(place, node, &target->size) : -ENOMEM;

        if (!target)
                extract_tell(place, node->name, "not restored: out of memory");
        if (r == 0) {
                r = open_slot(place, node, decision, &target->slot);
                if (r == 0 && ftruncate(target->slot.fd, (off_t)target->size) < 0) {
                        r = -errno;
                        slot_abandon(place, node, &target->slot);
                }
                if (r < 0)
                        extract_fail(place, node->name, "not restored", r);
        }
        if (r != 0) {
                extract_settle_inode(place, node, NULL);
                free(target);
                return;
        }
        target->place = place;
        target->node = node;
        target->fate = fate_of(decision);
        atomic_init(&target->pending, 1);
        place_hold(place);
        put_pieces(target, scratch);
        target_release(target);
}

static void do_whole(Extract *extract, Whole *whole, Scratch *scratch) {
        Decision decision = extract_decide(whole->place, whole->node,
                                           extract->options->verify ? scratch : NULL);

        if (!extract->stopped && !leave(whole->place, whole->node, decision))
                write_large(whole->place, whole->node, decision, scratch);
        place_release(whole->place);
        free(whole);
}

static bool put_whole(Place *place, const Node *node) {
        Whole *whole = malloc(sizeof(*whole));

        if (!whole)
                return false;
        *whole = (Whole){ { JOB_WHOLE }, place, node };
        place_hold(place);
        pool_put(place->extract->pool, whole);
        return true;
}

void extract_file(Place *place, const Node *node) {
        const ExtractOptions *options = place->extract->options;
        bool small = node->n_content <= 1 && node->size <= BATCH_BYTES && !node->content_missing;
        Decision decision;

        if (place->fd >= 0 && small && gather(place, node))
                return;
        if (place->fd >= 0 && options->verify && !place->fresh && put_whole(place, node))
                return;
        decision = place->fresh ? DECIDE_MAKE : extract_decide(place, node, NULL);
        if (!leave(place, node, decision))
                write_large(place, node, decision, NULL);
}

/* ---- the pool ---- */

static void do_piece(Extract *extract, Piece *piece, Scratch *scratch) {
        if (!piece->target->failed && !extract->stopped)
                do_chunks(extract, scratch, piece->target, piece->from, piece->to, piece->offset);
        target_release(piece->target);
        free(piece);
}

void extract_work(void *userdata, void *item) {
        Extract *extract = userdata;
        Scratch *scratch = scratch_take(extract), none = {};
        Job *job = item;

        switch (job->kind) {
        case JOB_BATCH:
                do_batch(extract, item, scratch ?: &none);
                break;
        case JOB_PIECE:
                do_piece(extract, item, scratch ?: &none);
                break;
        case JOB_WHOLE:
                do_whole(extract, item, scratch ?: &none);
                break;
        case JOB_CHECK:
                extract_check(extract, item, scratch ?: &none);
                break;
        }
        scratch_give(extract, scratch);
}
