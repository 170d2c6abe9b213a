/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The journal of ext4: who has emptied it?
 *
 * A freeze empties the journal and takes the mark of a mount from the superblock; the thaw gives it back. If
 * the power fails in between, or a machine is set back to a picture of its frozen disk, the volume looks as
 * one whose journal somebody has replayed. But a freeze leaves the number of the next transaction behind,
 * which is that of the last one committed and 1; who replays, and who unmounts, skips one.
 *
 * So the transaction before the next one is searched for in the journal. Its commit block, behind a flush,
 * says that it was whole. It must be of this mount: what an older file system has left there is older.
 */

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "providers/dm/token-disk.h"
#include "util/macro.h"

#define SUPER_OFFSET 1024u
#define SUPER_SIZE 1024u
#define JOURNAL_MAX (UINT64_C(4) << 30)
#define EXTENTS_MAX 512u
#define LOG_BLOCK_SIZE_MAX 6u

#define EXTENT_MAGIC 0xF30Au
#define EXTENT_LENGTH_MAX 32768u /* beyond, it is not written to */
#define EXTENT_SIZE 12u
#define ROOT_SIZE 60u

#define JOURNAL_MAGIC 0xC03B3998u
#define BACKUP_BLOCKS 1u

enum {
        AT_LOG_BLOCK_SIZE = 0x18,
        AT_BACKUP_TYPE = 0xFD,
        AT_BACKUP = 0x10C, /* what the inode of the journal has for its blocks */
};

enum {
        JOURNAL_TYPE = 4,
        JOURNAL_SEQUENCE = 8,
        JOURNAL_SUPER_SEQUENCE = 24,
        JOURNAL_START = 28,
        JOURNAL_ERROR = 32,
        JOURNAL_INCOMPAT = 40,
        COMMIT_SECONDS = 48,
};

enum { TYPE_COMMIT = 2, TYPE_SUPER = 4 };

/* Revocations, 64 bits, checksums. Commits that do not wait for their blocks, and fast ones, prove nothing.
 */
#define JOURNAL_KNOWN (0x1u | 0x2u | 0x8u | 0x10u)

typedef struct Extent {
        uint64_t block; /* of the device */
        uint32_t n;
} Extent;

typedef struct Journal {
        const TokenReader *reader;
        uint32_t block_size;
        Extent extents[EXTENTS_MAX];
        size_t n;
        uint64_t size;
        uint8_t buffer[TOKEN_READ_MAX];
} Journal;

static uint32_t little16(const uint8_t *data) {
        uint16_t value;

        memcpy(&value, data, sizeof(value));
        return le16toh(value);
}

static uint32_t little32(const uint8_t *data) {
        uint32_t value;

        memcpy(&value, data, sizeof(value));
        return le32toh(value);
}

static uint32_t big32(const uint8_t *data) {
        uint32_t value;

        memcpy(&value, data, sizeof(value));
        return be32toh(value);
}

static int read_blocks(const Journal *journal, uint64_t block, uint32_t n, uint8_t *ret_data) {
        uint64_t limit = journal->reader->size / journal->block_size;

        if (block == 0 || block > limit || n > limit - block)
                return -EBADMSG;
        return journal->reader->read(journal->reader->data, block * journal->block_size, ret_data,
                                     (size_t)n * journal->block_size);
}

static int add_extent(Journal *journal, const uint8_t *entry) {
        Extent extent = { .block = (uint64_t)little16(entry + 6) << 32 | little32(entry + 8),
                          .n = little16(entry + 4) };

        if (journal->n >= EXTENTS_MAX || extent.n == 0 || extent.n > EXTENT_LENGTH_MAX ||
            little32(entry) != journal->size / journal->block_size)
                return -EBADMSG;
        journal->extents[journal->n++] = extent;
        journal->size += (uint64_t)extent.n * journal->block_size;
        return journal->size > JOURNAL_MAX ? -EFBIG : 0;
}

/* A node of the tree: leaves, or one level above them, which is what a journal of any size takes. */
static int add_extents(Journal *journal, const uint8_t *node, size_t size, unsigned depth) {
        uint32_t n = little16(node + 2);
        int r = 0;

        if (little16(node) != EXTENT_MAGIC || little16(node + 6) != depth || n > size / EXTENT_SIZE - 1)
                return -EBADMSG;
        for (uint32_t i = 1; r == 0 && i <= n; i++) {
                const uint8_t *entry = node + (size_t)i * EXTENT_SIZE;

                if (depth == 0) {
                        r = add_extent(journal, entry);
                        continue;
                }
                r = read_blocks(journal, (uint64_t)little16(entry + 8) << 32 | little32(entry + 4), 1,
                                journal->buffer);
                if (r == 0)
                        r = add_extents(journal, journal->buffer, journal->block_size, depth - 1);
        }
        return r;
}

static int find_journal(Journal *journal) {
        uint8_t super[SUPER_SIZE];
        unsigned depth;
        int r;

        r = journal->reader->read(journal->reader->data, SUPER_OFFSET, super, sizeof(super));
        if (r < 0)
                return r;
        if (super[AT_BACKUP_TYPE] != BACKUP_BLOCKS ||
            little32(super + AT_LOG_BLOCK_SIZE) > LOG_BLOCK_SIZE_MAX)
                return -EBADMSG;
        journal->block_size = 1024u << little32(super + AT_LOG_BLOCK_SIZE);
        depth = little16(super + AT_BACKUP + 6);
        r = depth > 1 ? -EBADMSG : add_extents(journal, super + AT_BACKUP, ROOT_SIZE, depth);
        return r == 0 && journal->n == 0 ? -EBADMSG : r;
}

/* -ENOENT: it is not empty, or of a kind that proves nothing. */
static int read_next(Journal *journal, uint32_t *ret_sequence) {
        const uint8_t *super = journal->buffer;
        int r = read_blocks(journal, journal->extents[0].block, 1, journal->buffer);

        if (r < 0)
                return r;
        if (big32(super) != JOURNAL_MAGIC || big32(super + JOURNAL_TYPE) != TYPE_SUPER)
                return -EBADMSG;
        if (big32(super + JOURNAL_START) != 0 || big32(super + JOURNAL_ERROR) != 0 ||
            (big32(super + JOURNAL_INCOMPAT) & ~JOURNAL_KNOWN))
                return -ENOENT;
        *ret_sequence = big32(super + JOURNAL_SUPER_SEQUENCE);
        return 0;
}

static bool is_commit(const uint8_t *block, uint32_t sequence, uint64_t since) {
        uint64_t seconds = (uint64_t)big32(block + COMMIT_SECONDS) << 32 | big32(block + COMMIT_SECONDS + 4);

        return big32(block) == JOURNAL_MAGIC && big32(block + JOURNAL_TYPE) == TYPE_COMMIT &&
               big32(block + JOURNAL_SEQUENCE) == sequence && seconds >= since;
}

static int search_commit(Journal *journal, uint32_t sequence, uint64_t since) {
        uint32_t at_once = TOKEN_READ_MAX / journal->block_size;

        for (size_t i = 0; i < journal->n; i++)
                for (uint32_t at = 0; at < journal->extents[i].n;) {
                        uint32_t n = MIN(at_once, journal->extents[i].n - at);
                        int r = read_blocks(journal, journal->extents[i].block + at, n, journal->buffer);

                        if (r < 0)
                                return r;
                        for (uint32_t k = 0; k < n; k++)
                                if (is_commit(journal->buffer + (size_t)k * journal->block_size, sequence,
                                              since))
                                        return 0;
                        at += n;
                }
        return -ENOENT;
}

int token_look_frozen(const TokenReader *reader, TokenState *state) {
        _cleanup_(freep) Journal *journal = NULL;
        uint32_t next = 0;
        int r;

        state->frozen = false;
        if (state->type != TOKEN_TYPE_EXT || !state->journal || state->dirty)
                return 0;
        journal = calloc(1, sizeof(*journal));
        if (!journal)
                return -ENOMEM;
        journal->reader = reader;
        r = find_journal(journal);
        if (r == 0)
                r = read_next(journal, &next);
        if (r == 0)
                r = search_commit(journal, next - 1, state->mount_time);
        state->frozen = r == 0;
        return r == -ENOENT ? 0 : r;
}
