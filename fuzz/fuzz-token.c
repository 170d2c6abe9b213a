/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: superblocks and logs of volumes, and tokens; both lie on disks that may come from anywhere
 *
 * What begins with a line "token " is a token; everything else is a disk, of whole sectors.
 */

#include "fuzz.h"
#include "providers/dm/token.h"

typedef struct Disk {
        const uint8_t *data;
        size_t size;
        unsigned n_reads;
} Disk;

static int disk_read(void *userdata, uint64_t offset, void *buffer, size_t size) {
        Disk *disk = userdata;

        fuzz_require(offset % 512 == 0 && size % 512 == 0 && offset <= disk->size &&
                     size <= disk->size - offset);
        /* The window of the log, and what is searched before. */
        fuzz_require(++disk->n_reads < 5000);
        memcpy(buffer, disk->data + offset, size);
        return 0;
}

static void check_token(const uint8_t *data, size_t size) {
        char first[TOKEN_TEXT_SIZE], second[TOKEN_TEXT_SIZE];
        _cleanup_(freep) char *text = fuzz_text(data, size);
        const char *reason = NULL;
        Token token, again;

        if (token_parse(text, &token) < 0)
                return;
        token_print(&token, first);
        fuzz_require(token_parse(first, &again) == 0);
        token_print(&again, second);
        fuzz_require(strcmp(first, second) == 0);
        if (!token_fits(&token, &token.state, &reason))
                fuzz_require(reason);
        fuzz_require(!token_fits(&token, NULL, &reason));
}

static void check_disk(const uint8_t *data, size_t size) {
        Disk disk = { .data = data, .size = size - size % 512 };
        TokenState state;
        int r;

        r = token_state_parse(&(TokenReader){ .read = disk_read, .data = &disk, .size = disk.size }, &state);
        fuzz_require(r <= 0);
        if (r < 0)
                return;
        fuzz_require(state.type == TOKEN_TYPE_EXT || state.type == TOKEN_TYPE_XFS);
        for (enum token_kind kind = TOKEN_NONE; kind <= TOKEN_CLEAN; kind++) {
                Token token = { .kind = kind, .state = state };
                char text[TOKEN_TEXT_SIZE];
                const char *reason = NULL;
                Token again;

                token_print(&token, text);
                fuzz_require(token_parse(text, &again) == 0);
                /* One and the same look never fits two kinds. */
                if (token_fits(&token, &state, &reason))
                        fuzz_require(kind == (state.dirty ? TOKEN_MOUNTED : TOKEN_CLEAN));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size > FUZZ_SIZE_MAX)
                return 0;
        if (size >= 6 && memcmp(data, "token ", 6) == 0)
                check_token(data + 6, size - 6);
        else
                check_disk(data, size);
        return 0;
}
