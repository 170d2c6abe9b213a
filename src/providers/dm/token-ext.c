/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ext2, ext3, ext4: the superblock, at byte 1024, little-endian
 */

#include <endian.h>
#include <string.h>

#include "providers/dm/token-disk.h"
#include "util/macro.h"

#define SUPER_OFFSET 1024u
#define SUPER_SIZE 1024u
#define SUPER_MAGIC 0xEF53u

enum {
        AT_MOUNT_TIME = 0x2C,
        AT_MOUNTS = 0x34,
        AT_MAGIC = 0x38,
        AT_CHECK_TIME = 0x40,
        AT_COMPAT = 0x5C,
        AT_INCOMPAT = 0x60,
        AT_UUID = 0x68,
        AT_MOUNT_TIME_HIGH = 0x275,
        AT_CHECK_TIME_HIGH = 0x277,
};

#define COMPAT_HAS_JOURNAL 0x4u
#define INCOMPAT_RECOVER 0x4u
/* Not a file system, but the journal of one. */
#define INCOMPAT_JOURNAL_DEV 0x8u

static uint32_t number(const uint8_t *super, unsigned at) {
        uint32_t value;

        memcpy(&value, super + at, sizeof(value));
        return le32toh(value);
}

static uint32_t number16(const uint8_t *super, unsigned at) {
        uint16_t value;

        memcpy(&value, super + at, sizeof(value));
        return le16toh(value);
}

int token_ext_parse(const TokenReader *reader, TokenState *ret_state) {
        TokenState state = { .type = TOKEN_TYPE_EXT };
        uint8_t super[SUPER_SIZE];
        uint32_t incompat;
        int r;

        if (reader->size < SUPER_OFFSET + SUPER_SIZE)
                return -EMEDIUMTYPE;
        r = reader->read(reader->data, SUPER_OFFSET, super, sizeof(super));
        if (r < 0)
                return r;
        incompat = number(super, AT_INCOMPAT);
        if (number16(super, AT_MAGIC) != SUPER_MAGIC || (incompat & INCOMPAT_JOURNAL_DEV))
                return -EMEDIUMTYPE;
        memcpy(state.uuid, super + AT_UUID, sizeof(state.uuid));
        state.journal = number(super, AT_COMPAT) & COMPAT_HAS_JOURNAL;
        state.dirty = incompat & INCOMPAT_RECOVER;
        state.mounts = number16(super, AT_MOUNTS);
        state.mount_time = number(super, AT_MOUNT_TIME) | (uint64_t)super[AT_MOUNT_TIME_HIGH] << 32;
        state.check_time = number(super, AT_CHECK_TIME) | (uint64_t)super[AT_CHECK_TIME_HIGH] << 32;
        state.digest = token_digest(TOKEN_DIGEST_BEGIN, super, sizeof(super));
        *ret_state = state;
        return 0;
}
