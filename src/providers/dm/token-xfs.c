/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * XFS: the superblock, and where its log ends
 *
 * The log is a ring of blocks of 512 bytes. Each begins with the number of the turn (the cycle) in which it
 * was written, or, at the head of a record, with a magic number and the cycle behind it. Where the cycles
 * fall lies the log's head. If the last record before it is that of an unmount, and ends there, the log is
 * clean; everything else is to be replayed. This is how the kernel finds it, too.
 */

#include <endian.h>
#include <string.h>

#include "providers/dm/token-disk.h"
#include "util/macro.h"

#define SUPER_SIZE 512u
#define SUPER_MAGIC 0x58465342u
#define LOG_MAGIC 0xFEEDBABEu
#define LOG_BLOCK 512u
#define LOG_CYCLE_BYTES (32u * 1024) /* of a record, below one block of its header */
#define LOG_SIZE_MAX (UINT64_C(2) << 30)
#define UNMOUNT_FLAG 0x20u
#define BLOCK_LOG_MAX 16u
/* What is written at once, and may be in the air in any order: eight buffers of 256 KiB. */
#define LOG_WINDOW ((8u * 256 * 1024) / LOG_BLOCK)

enum {
        AT_BLOCK_SIZE = 4,
        AT_BLOCKS = 8,
        AT_UUID = 32,
        AT_LOG_START = 48,
        AT_AG_BLOCKS = 84,
        AT_AG_COUNT = 88,
        AT_LOG_BLOCKS = 96,
        AT_BLOCK_LOG = 120,
        AT_AG_BLOCK_LOG = 124,
};

enum {
        RECORD_CYCLE = 4,
        RECORD_LENGTH = 12,
        RECORD_OPERATIONS = 40,
        RECORD_SIZE = 320,
        OPERATION_FLAGS = 9,
};

typedef struct Log {
        const TokenReader *reader;
        uint64_t offset; /* on the device */
        uint32_t blocks; /* of LOG_BLOCK */
} Log;

static uint32_t number(const uint8_t *data, unsigned at) {
        uint32_t value;

        memcpy(&value, data + at, sizeof(value));
        return be32toh(value);
}

static uint64_t number64(const uint8_t *data, unsigned at) {
        return (uint64_t)number(data, at) << 32 | number(data, at + 4);
}

static int log_read(const Log *log, uint32_t block, uint8_t ret_data[static LOG_BLOCK]) {
        return log->reader->read(log->reader->data, log->offset + (uint64_t)block * LOG_BLOCK, ret_data,
                                 LOG_BLOCK);
}

static uint32_t block_cycle(const uint8_t *data) {
        return number(data, number(data, 0) == LOG_MAGIC ? RECORD_CYCLE : 0);
}

static int log_cycle(const Log *log, uint32_t block, uint32_t *ret_cycle) {
        uint8_t data[LOG_BLOCK];
        int r = log_read(log, block, data);

        if (r < 0)
                return r;
        *ret_cycle = block_cycle(data);
        return 0;
}

/* The first block, from @begin on, whose cycle is not @cycle; block @end is known to be such a one. */
static int log_search(const Log *log, uint32_t begin, uint32_t end, uint32_t cycle, uint32_t *ret_block) {
        while (begin < end) {
                uint32_t middle = begin + (end - begin) / 2, found;
                int r = log_cycle(log, middle, &found);

                if (r < 0)
                        return r;
                if (found == cycle)
                        begin = middle + 1;
                else
                        end = middle;
        }
        *ret_block = end;
        return 0;
}

/* Where the next record will be written, and in which cycle. A log that was never wrapped ends with zeroes.
 */
static int log_head(const Log *log, uint32_t *ret_cycle, uint32_t *ret_block) {
        uint32_t first, last, block;
        int r;

        r = log_cycle(log, 0, &first);
        if (r < 0)
                return r;
        r = log_cycle(log, log->blocks - 1, &last);
        if (r < 0)
                return r;
        if (first == last) {
                *ret_cycle = first + 1;
                *ret_block = 0;
                return 0;
        }
        r = log_search(log, 0, log->blocks - 1, first, &block);
        if (r < 0)
                return r;
        *ret_cycle = first;
        *ret_block = block;
        return 0;
}

/* The last record's header before @head, within the window. -ENOENT: there is none. */
static int record_find(const Log *log, uint32_t head, uint8_t ret_data[static LOG_BLOCK],
                       uint32_t *ret_block) {
        for (uint32_t back = 1; back <= MIN(LOG_WINDOW, log->blocks); back++) {
                uint32_t block = (head + log->blocks - back) % log->blocks;
                int r = log_read(log, block, ret_data);

                if (r < 0)
                        return r;
                if (number(ret_data, 0) == LOG_MAGIC) {
                        *ret_block = block;
                        return 0;
                }
        }
        return -ENOENT;
}

/*
 * Is the last record that of an unmount? A log in which something went wrong while it was written is none of
 * an unmount, so that there is no need to look for holes as the kernel has to before a replay.
 */
static int log_judge(const Log *log, uint32_t head, TokenState *state) {
        uint8_t record[LOG_BLOCK], operation[LOG_BLOCK];
        uint32_t at, header_blocks = 1, length;
        int r;

        r = record_find(log, head, record, &at);
        if (r < 0 && r != -ENOENT)
                return r;
        /* No record at all: nothing that a mount from the volume's device would have left behind. */
        state->dirty = r == 0;
        if (r < 0)
                return 0;
        state->digest = token_digest(state->digest, record, sizeof(record));
        length = number(record, RECORD_LENGTH);
        if (number(record, RECORD_SIZE) > LOG_CYCLE_BYTES)
                header_blocks = number(record, RECORD_SIZE) / LOG_CYCLE_BYTES +
                                (number(record, RECORD_SIZE) % LOG_CYCLE_BYTES != 0);
        if (header_blocks > LOG_WINDOW || length > LOG_WINDOW * LOG_BLOCK)
                return 0;
        if (number(record, RECORD_OPERATIONS) != 1 ||
            (at + header_blocks + (length + LOG_BLOCK - 1) / LOG_BLOCK) % log->blocks != head)
                return 0;
        r = log_read(log, (at + header_blocks) % log->blocks, operation);
        if (r < 0)
                return r;
        state->dirty = !(operation[OPERATION_FLAGS] & UNMOUNT_FLAG);
        state->digest = token_digest(state->digest, operation, sizeof(operation));
        return 0;
}

/* Its place on the device. -EBADMSG: the superblock contradicts itself, or the device. */
static int log_place(const TokenReader *reader, const uint8_t *super, Log *ret_log) {
        uint64_t start = number64(super, AT_LOG_START), block, offset, size;
        unsigned block_log = super[AT_BLOCK_LOG], ag_log = super[AT_AG_BLOCK_LOG];

        if (block_log < 9 || block_log > BLOCK_LOG_MAX || ag_log == 0 || ag_log > 31 ||
            number(super, AT_BLOCK_SIZE) != 1u << block_log)
                return -EBADMSG;
        if (start >> ag_log >= number(super, AT_AG_COUNT))
                return -EBADMSG;
        block = (start >> ag_log) * number(super, AT_AG_BLOCKS) + (start & ((UINT64_C(1) << ag_log) - 1));
        size = (uint64_t)number(super, AT_LOG_BLOCKS) << block_log;
        if (block > reader->size >> block_log)
                return -EBADMSG;
        offset = block << block_log;
        if (size < 2 * LOG_BLOCK || size > LOG_SIZE_MAX || offset > reader->size ||
            size > reader->size - offset)
                return -EBADMSG;
        *ret_log = (Log){ .reader = reader, .offset = offset, .blocks = (uint32_t)(size / LOG_BLOCK) };
        return 0;
}

int token_xfs_parse(const TokenReader *reader, TokenState *ret_state) {
        TokenState state = { .type = TOKEN_TYPE_XFS };
        uint8_t super[SUPER_SIZE];
        uint32_t end[2]; /* cycle and block */
        Log log;
        int r;

        if (reader->size < SUPER_SIZE)
                return -EMEDIUMTYPE;
        r = reader->read(reader->data, 0, super, sizeof(super));
        if (r < 0)
                return r;
        if (number(super, 0) != SUPER_MAGIC)
                return -EMEDIUMTYPE;
        memcpy(state.uuid, super + AT_UUID, sizeof(state.uuid));
        state.digest = token_digest(TOKEN_DIGEST_BEGIN, super, sizeof(super));
        /* The log is on another device: what happened to it cannot be seen here. */
        if (number64(super, AT_LOG_START) == 0) {
                *ret_state = state;
                return 0;
        }
        r = log_place(reader, super, &log);
        if (r < 0)
                return r;
        state.journal = true;
        r = log_head(&log, &end[0], &end[1]);
        if (r < 0)
                return r;
        state.digest = token_digest(state.digest, end, sizeof(end));
        r = log_judge(&log, end[1], &state);
        if (r < 0)
                return r;
        *ret_state = state;
        return 0;
}
