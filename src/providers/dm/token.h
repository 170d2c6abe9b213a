/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The mount token: has anybody written to a volume past its device?
 *
 * A persistent shadow copy is right only as long as every write to the volume goes through the volume's
 * device, which copies before it lets overwrite. Whoever mounts the partition itself after a reboot, checks
 * it or replays its journal, ruins the copy, and the copy's store cannot know. But mounting leaves traces in
 * the superblock and in the log: they are read from the block device, recorded in the header of the copy's
 * area while the device stands
 * ("mounted") and when it has been unmounted ("clean"), and compared before the copy is believed again.
 *
 * In doubt there was somebody. What these traces cannot show is a program that writes to the block device
 * and leaves the superblock alone, and, on XFS, which counts no mounts, two crashes with a mount past the
 * device in between.
 *
 * Everything here is read from disks that may come from anywhere: sizes and positions are checked, each loop
 * has a limit. Functions return 0 or a negative errno; -EMEDIUMTYPE: not a file system that is known here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum token_kind {
        TOKEN_NONE = 0,
        TOKEN_MOUNTED = 1, /* the volume is mounted from its device */
        TOKEN_CLEAN = 2,   /* it has been unmounted, and nothing has happened since */
};

enum token_type {
        TOKEN_TYPE_EXT = 1, /* ext2 to ext4 */
        TOKEN_TYPE_XFS = 2,
};

/* What the device tells of the file system on it. */
typedef struct TokenState {
        enum token_type type;
        uint8_t uuid[16];
        bool dirty;          /* there is a journal or a log to be replayed */
        bool journal;        /* there is one at all */
        bool frozen;         /* ext: not dirty, but frozen when the power failed; see token_look_frozen() */
        uint32_t mounts;     /* ext: how often it has been mounted */
        uint64_t mount_time; /* ext: of the last mount */
        uint64_t check_time; /* ext: of the last whole check */
        uint64_t digest;     /* of the superblock, and of the log's end: the same only if nobody was there */
} TokenState;

typedef struct Token {
        enum token_kind kind;
        TokenState state;
} Token;

/* Where blocks come from; offset and size are multiples of 512, and within @size. */
typedef struct TokenReader {
        int (*read)(void *data, uint64_t offset, void *buffer, size_t size);
        void *data;
        uint64_t size;
} TokenReader;

int token_state_parse(const TokenReader *reader, TokenState *ret_state);
/*
 * token_look_frozen() - was a volume that is not dirty frozen, rather than recovered or unmounted?
 * @state: what token_state_parse() says of it; "frozen" is filled in. May read all of the journal.
 */
int token_look_frozen(const TokenReader *reader, TokenState *state);
/* Of a block device, past all caches. */
int token_state_read(const char *device, TokenState *ret_state);
/* With token_look_frozen(): for who is about to believe, or not. */
int token_state_read_all(const char *device, TokenState *ret_state);

/* One line of text, for the header. */
#define TOKEN_TEXT_SIZE 192u
void token_print(const Token *token, char ret_text[static TOKEN_TEXT_SIZE]);
/* -EBADMSG for what is none. */
int token_parse(const char *text, Token *ret_token);

/*
 * token_fits() - can nobody have written to the volume past its device since @recorded?
 * @now: what the device tells, before anything is mounted; NULL: nothing could be read
 * @ret_reason: why not, half a sentence ("...", after "the volume"); a static string
 */
bool token_fits(const Token *recorded, const TokenState *now, const char **ret_reason);
