/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The mount token: what is recorded, and the rule
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>

#include "providers/dm/token-disk.h"
#include "providers/dm/token.h"
#include "util/macro.h"

#define BUFFER_ALIGN 4096u

int token_state_parse(const TokenReader *reader, TokenState *ret_state) {
        int r = token_ext_parse(reader, ret_state);

        return r == -EMEDIUMTYPE ? token_xfs_parse(reader, ret_state) : r;
}

/* Direct: what other mounts and tools have left in the cache of the device is not what is on the disk. */
typedef struct Device {
        int fd;
        uint8_t *buffer; /* TOKEN_READ_MAX and two times BUFFER_ALIGN, aligned */
        uint64_t size;
} Device;

static int device_read(void *data, uint64_t offset, void *buffer, size_t size) {
        Device *device = data;
        uint64_t begin = offset & ~(uint64_t)(BUFFER_ALIGN - 1);
        uint64_t end = MIN((offset + size + BUFFER_ALIGN - 1) & ~(uint64_t)(BUFFER_ALIGN - 1), device->size);
        size_t done = 0;

        if (size > TOKEN_READ_MAX || offset > device->size || size > device->size - offset)
                return -EINVAL;
        while (done < end - begin) {
                ssize_t n = pread(device->fd, device->buffer + done, (size_t)(end - begin) - done,
                                  (off_t)(begin + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0 || n % 512 != 0)
                        return -EIO;
                done += (size_t)n;
        }
        memcpy(buffer, device->buffer + (offset - begin), size);
        return 0;
}

static int state_read(const char *path, bool all, TokenState *ret_state) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECT | O_NOCTTY | O_CLOEXEC);
        _cleanup_(freep) uint8_t *buffer = NULL;
        Device device = { .fd = fd };
        TokenReader reader;
        int r;

        if (fd < 0)
                return -errno;
        if (ioctl(fd, BLKGETSIZE64, &device.size) < 0)
                return -errno;
        buffer = aligned_alloc(BUFFER_ALIGN, TOKEN_READ_MAX + 2 * BUFFER_ALIGN);
        if (!buffer)
                return -ENOMEM;
        device.buffer = buffer;
        reader = (TokenReader){ .read = device_read, .data = &device, .size = device.size };
        r = token_state_parse(&reader, ret_state);
        /* What cannot be found out there is in doubt. */
        if (r == 0 && all)
                (void)token_look_frozen(&reader, ret_state);
        return r;
}

int token_state_read(const char *path, TokenState *ret_state) {
        return state_read(path, false, ret_state);
}

int token_state_read_all(const char *path, TokenState *ret_state) {
        return state_read(path, true, ret_state);
}

void token_print(const Token *token, char ret_text[static TOKEN_TEXT_SIZE]) {
        const TokenState *state = &token->state;
        char uuid[33];

        if (token->kind == TOKEN_NONE) {
                (void)snprintf(ret_text, TOKEN_TEXT_SIZE, "none");
                return;
        }
        for (unsigned i = 0; i < 16; i++)
                (void)snprintf(uuid + 2 * i, 3, "%02x", state->uuid[i]);
        (void)snprintf(ret_text, TOKEN_TEXT_SIZE,
                       "%s %s %s %s %s %" PRIx32 " %" PRIx64 " %" PRIx64 " %" PRIx64,
                       token->kind == TOKEN_CLEAN ? "clean" : "mounted",
                       state->type == TOKEN_TYPE_XFS ? "xfs" : "ext", uuid,
                       state->dirty ? "dirty" : "settled", state->journal ? "journal" : "plain",
                       state->mounts, state->mount_time, state->check_time, state->digest);
}

/* The next word, which ends with a blank or the text; NULL: there is none. */
static const char *word_take(char **text) {
        char *word = strsep(text, " ");

        return word && *word ? word : NULL;
}

/* One of two words: 0, 1, or -EBADMSG. */
static int choice_take(char **text, const char *first, const char *second) {
        const char *word = word_take(text);

        if (!word)
                return -EBADMSG;
        return strcmp(word, first) == 0 ? 0 : strcmp(word, second) == 0 ? 1 : -EBADMSG;
}

static int hex_take(char **text, uint64_t max, uint64_t *ret_number) {
        const char *word = word_take(text);
        unsigned long long number;

        if (!word || strlen(word) > 16 || strspn(word, "0123456789abcdef") != strlen(word) ||
            (word[0] == '0' && word[1]))
                return -EBADMSG;
        number = strtoull(word, NULL, 16);
        if (number > max)
                return -EBADMSG;
        *ret_number = number;
        return 0;
}

static int uuid_take(char **text, uint8_t ret_uuid[static 16]) {
        const char *word = word_take(text);

        if (!word || strlen(word) != 32 || strspn(word, "0123456789abcdef") != 32)
                return -EBADMSG;
        for (unsigned i = 0; i < 16; i++) {
                char digits[3] = { word[2 * i], word[2 * i + 1], '\0' };

                ret_uuid[i] = (uint8_t)strtoul(digits, NULL, 16);
        }
        return 0;
}

int token_parse(const char *text, Token *ret_token) {
        char copy[TOKEN_TEXT_SIZE], *at = copy;
        Token token = { .kind = TOKEN_NONE };
        int kind, type, dirty, journal;
        uint64_t mounts;

        if (strlen(text) >= sizeof(copy))
                return -EBADMSG;
        if (strcmp(text, "none") == 0) {
                *ret_token = token;
                return 0;
        }
        memcpy(copy, text, strlen(text) + 1);
        kind = choice_take(&at, "mounted", "clean");
        type = choice_take(&at, "ext", "xfs");
        if (kind < 0 || type < 0 || uuid_take(&at, token.state.uuid) < 0)
                return -EBADMSG;
        dirty = choice_take(&at, "settled", "dirty");
        journal = choice_take(&at, "plain", "journal");
        if (dirty < 0 || journal < 0 || hex_take(&at, UINT32_MAX, &mounts) < 0 ||
            hex_take(&at, UINT64_MAX, &token.state.mount_time) < 0 ||
            hex_take(&at, UINT64_MAX, &token.state.check_time) < 0 ||
            hex_take(&at, UINT64_MAX, &token.state.digest) < 0 || at)
                return -EBADMSG;
        token.kind = kind == 1 ? TOKEN_CLEAN : TOKEN_MOUNTED;
        token.state.type = type == 1 ? TOKEN_TYPE_XFS : TOKEN_TYPE_EXT;
        token.state.dirty = dirty;
        token.state.journal = journal;
        token.state.mounts = (uint32_t)mounts;
        *ret_token = token;
        return 0;
}

/* What of a mounted volume may change below its device, and what only past it. NULL: it fits. */
static const char *mounted_misfit(const TokenState *then, const TokenState *now) {
        if (!then->journal || !now->journal)
                return "has no journal that would show it";
        if (then->type == TOKEN_TYPE_EXT && then->mounts != now->mounts)
                return "has been mounted past its device (the count of mounts differs)";
        if (then->type == TOKEN_TYPE_EXT && then->mount_time != now->mount_time)
                return "has been mounted past its device (the time of the last mount differs)";
        if (then->check_time != now->check_time)
                return "has been checked past its device (the time of the last check differs)";
        if (!now->dirty && !now->frozen)
                return "has been recovered past its device (no journal is left to be replayed)";
        return NULL;
}

bool token_fits(const Token *recorded, const TokenState *now, const char **ret_reason) {
        const char *reason = NULL;

        if (recorded->kind != TOKEN_MOUNTED && recorded->kind != TOKEN_CLEAN)
                reason = "was not seen after its last mount, and may have been written to past its device";
        else if (!now)
                reason = "could not be read, or has a file system that shows no traces of mounts";
        else if (now->type != recorded->state.type ||
                 memcmp(now->uuid, recorded->state.uuid, sizeof(now->uuid)) != 0)
                reason = "has another file system now";
        else if (recorded->kind == TOKEN_MOUNTED)
                reason = mounted_misfit(&recorded->state, now);
        else if (now->type == TOKEN_TYPE_XFS && (!now->journal || !recorded->state.journal))
                reason = "has its log on another device, where nothing is looked at";
        else if (now->dirty)
                reason = "has been mounted past its device and was not unmounted";
        else if (recorded->state.dirty || now->digest != recorded->state.digest)
                reason = "has been changed past its device after it had been unmounted (its superblock "
                         "differs)";
        if (!reason)
                return true;
        *ret_reason = reason;
        return false;
}
