/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the mount token: made superblocks and logs, hostile ones, what mkfs makes, and the rule as a
 * table
 */

#include <endian.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "providers/dm/token-disk.h"
#include "util/macro.h"
#include "util/test.h"

#define IMAGE_SIZE (64u * 1024)
#define LOG_OFFSET (16u * 1024)
#define LOG_BLOCKS 32u

static uint8_t image[IMAGE_SIZE];
static unsigned n_reads, fail_at;

static int image_read(void *data, uint64_t offset, void *buffer, size_t size) {
        if (offset % 512 || size % 512 || offset > IMAGE_SIZE || size > IMAGE_SIZE - offset)
                abort();
        if (fail_at && ++n_reads == fail_at)
                return -EIO;
        memcpy(buffer, image + offset, size);
        return 0;
}

static const TokenReader reader = { .read = image_read, .size = IMAGE_SIZE };

static void little(unsigned at, unsigned size, uint64_t value) {
        value = htole64(value);
        memcpy(image + 1024 + at, &value, size);
}

static void big(uint64_t at, unsigned size, uint64_t value) {
        value = htobe64(value << (8 * (8 - size)));
        memcpy(image + at, &value, size);
}

static void make_ext(void) {
        memset(image, 0, sizeof(image));
        little(0x38, 2, 0xEF53);
        little(0x2C, 4, 1000);
        little(0x34, 2, 7);
        little(0x40, 4, 900);
        little(0x5C, 4, 0x4);
        memset(image + 1024 + 0x68, 0xAB, 16);
}

static void test_ext(void) {
        TokenState a, b;

        make_ext();
        expect_int("ext: read", token_state_parse(&reader, &a), 0);
        expect_int("ext: type", a.type, TOKEN_TYPE_EXT);
        expect_int("ext: mounts", a.mounts, 7);
        expect_int("ext: time of the mount", (int64_t)a.mount_time, 1000);
        expect_int("ext: time of the check", (int64_t)a.check_time, 900);
        expect_int("ext: UUID", a.uuid[15], 0xAB);
        expect_true("ext: a journal, and nothing in it", a.journal && !a.dirty);
        little(0x60, 4, 0x4);
        little(0x275, 1, 1);
        expect_int("ext: read again", token_state_parse(&reader, &b), 0);
        expect_true("ext: to be recovered", b.dirty && b.digest != a.digest);
        expect_true("ext: times beyond 2038", b.mount_time == UINT64_C(0x1000003e8));
        little(0x60, 4, 0x8);
        expect_int("ext: a journal's device is no file system", token_state_parse(&reader, &b),
                   -EMEDIUMTYPE);
        make_ext();
        little(0x38, 2, 0xEF52);
        expect_int("ext: another magic", token_state_parse(&reader, &b), -EMEDIUMTYPE);
        expect_int("a device of no size",
                   token_state_parse(&(TokenReader){ .read = image_read, .size = 0 }, &b), -EMEDIUMTYPE);
}

#define JOURNAL_AT (8u * 1024)
#define COMMIT_AT (21u * 1024)
#define LEAF_AT (40u * 1024)
#define BACKUP_AT (1024u + 0x10C)

static void node(unsigned at, unsigned n, unsigned depth) {
        uint16_t head[] = { htole16(0xF30A), htole16((uint16_t)n), htole16(4), htole16((uint16_t)depth) };

        memcpy(image + at, head, sizeof(head));
}

static void extent(unsigned at, unsigned logical, unsigned n, unsigned physical) {
        little(at - 1024, 4, logical);
        little(at + 4 - 1024, 4, n);
        little(at + 8 - 1024, 4, physical);
}

/* Blocks of 1 KiB; transaction 41 is the last one committed, in the second of two extents. */
static void make_journal(void) {
        make_ext();
        little(0xFD, 1, 1);
        node(BACKUP_AT, 2, 0);
        extent(BACKUP_AT + 12, 0, 4, JOURNAL_AT / 1024);
        extent(BACKUP_AT + 24, 4, 4, 20);
        big(JOURNAL_AT, 4, 0xC03B3998);
        big(JOURNAL_AT + 4, 4, 4);
        big(JOURNAL_AT + 24, 4, 42);
        big(JOURNAL_AT + 40, 4, 0x12);
        big(COMMIT_AT, 4, 0xC03B3998);
        big(COMMIT_AT + 4, 4, 2);
        big(COMMIT_AT + 8, 4, 41);
        big(COMMIT_AT + 48, 8, 1000);
}

/* The same extents, in a leaf. */
static void make_tree(void) {
        make_journal();
        node(BACKUP_AT, 1, 1);
        extent(BACKUP_AT + 12, 0, LEAF_AT / 1024, 0);
        node(LEAF_AT, 2, 0);
        extent(LEAF_AT + 12, 0, 4, JOURNAL_AT / 1024);
        extent(LEAF_AT + 24, 4, 4, 20);
}

static int look_frozen(bool *ret_frozen) {
        TokenState state = { 0 };
        int r;

        if (token_state_parse(&reader, &state) < 0)
                return -EINVAL;
        r = token_look_frozen(&reader, &state);
        *ret_frozen = state.frozen;
        return r;
}

static void expect_frozen(const char *label, bool want) {
        bool frozen = !want;

        expect_int(label, look_frozen(&frozen), 0);
        expect_true(label, frozen == want);
}

static void test_frozen(void) {
        static const struct {
                const char *label;
                unsigned at, size;
                uint64_t value;
        } others[] = {
                { "replayed, or unmounted: a transaction was skipped", JOURNAL_AT + 24, 4, 43 },
                { "something is left to be replayed", JOURNAL_AT + 28, 4, 1 },
                { "an error is noted", JOURNAL_AT + 32, 4, 5 },
                { "commits do not wait for their blocks", JOURNAL_AT + 40, 4, 0x16 },
                { "fast commits", JOURNAL_AT + 40, 4, 0x32 },
                { "a feature that is not known", JOURNAL_AT + 40, 4, 0x52 },
                { "a commit of an older file system", COMMIT_AT + 48, 8, 999 },
                { "no commit, but a descriptor", COMMIT_AT + 4, 4, 1 },
                { "no block of a journal", COMMIT_AT, 4, 0xC03B3999 },
        };
        bool frozen = true;

        make_journal();
        expect_frozen("a freeze has emptied the journal", true);
        little(0x60, 4, 0x4);
        expect_frozen("one that is to be replayed is not looked into", false);
        make_tree();
        expect_frozen("extents a level below", true);
        FOREACH_ELEMENT (other, others) {
                make_journal();
                big(other->at, other->size, other->value);
                expect_frozen(other->label, false);
        }
        for (unsigned i = 1; i < 5; i++) {
                make_tree();
                n_reads = 0;
                fail_at = i + 1;
                expect_int("a read fails", look_frozen(&frozen), -EIO);
                expect_true("nothing is known then", !frozen);
        }
        fail_at = 0;
}

static void test_frozen_hostile(void) {
        static const struct {
                const char *label;
                unsigned at, size;
                uint64_t value;
        } cases[] = {
                { "no backup of the journal's blocks", 0xFD, 1, 0 },
                { "blocks too large", 0x18, 4, 7 },
                { "blocks, not extents", 0x10C, 2, 0xF30B },
                { "no extents", 0x10C + 2, 2, 0 },
                { "more than there is room for", 0x10C + 2, 2, 5 },
                { "too deep", 0x10C + 6, 2, 2 },
                { "a leaf that is none", 0x10C + 6, 2, 1 },
                { "a hole", 0x10C + 24, 4, 5 },
                { "an empty extent", 0x10C + 16, 2, 0 },
                { "one that is not written to", 0x10C + 16, 2, 32769 },
                { "past the end", 0x10C + 20, 4, 61 },
                { "far past the end", 0x10C + 18, 2, 0xFFFF },
                { "block 0", 0x10C + 20, 4, 0 },
                { "no journal there", 0x10C + 20, 4, 30 },
        };
        bool frozen = true;

        FOREACH_ELEMENT (c, cases) {
                make_journal();
                little(c->at, c->size, c->value);
                expect_int(c->label, look_frozen(&frozen), -EBADMSG);
                expect_true(c->label, !frozen);
        }
        make_tree();
        node(LEAF_AT, 1, 1);
        expect_int("a leaf with a level below", look_frozen(&frozen), -EBADMSG);
        make_tree();
        node(LEAF_AT, 200, 0);
        expect_int("a leaf that is too full", look_frozen(&frozen), -EBADMSG);
}

static uint64_t log_block(unsigned block) {
        return LOG_OFFSET + 512 * (block % LOG_BLOCKS);
}

/* A record at @at of @blocks blocks behind its header; the operation at its begin has @flags. */
static void make_record(unsigned at, unsigned blocks, unsigned cycle, unsigned operations, unsigned flags) {
        for (unsigned i = 0; i <= blocks; i++) {
                memset(image + log_block(at + i), 0, 512);
                big(log_block(at + i), 4, cycle + (at + i >= LOG_BLOCKS ? 1 : 0));
        }
        big(log_block(at), 4, 0xFEEDBABE);
        big(log_block(at) + 4, 4, cycle);
        big(log_block(at) + 12, 4, blocks * 512);
        big(log_block(at) + 40, 4, operations);
        big(log_block(at) + 320, 4, 32768);
        image[log_block(at + 1) + 9] = (uint8_t)flags;
}

/* Blocks of 1 KiB, groups of 16; the log is in the second one's begin, 32 blocks of 512. */
static void make_xfs(void) {
        memset(image, 0, sizeof(image));
        big(0, 4, 0x58465342);
        big(4, 4, 1024);
        big(8, 8, IMAGE_SIZE / 1024);
        memset(image + 32, 0xCD, 16);
        big(48, 8, 1 << 4);
        big(84, 4, 16);
        big(88, 4, 4);
        big(96, 4, 16);
        image[120] = 10;
        image[124] = 4;
}

static bool dirty(const char *label) {
        TokenState state = { 0 };

        expect_int(label, token_state_parse(&reader, &state), 0);
        return state.dirty;
}

static void test_xfs(void) {
        TokenState a = { 0 }, b = { 0 };

        make_xfs();
        make_record(0, 1, 1, 1, 0x20);
        expect_int("xfs: read", token_state_parse(&reader, &a), 0);
        expect_true("xfs: as mkfs makes it",
                    a.type == TOKEN_TYPE_XFS && a.journal && !a.dirty && a.uuid[0] == 0xCD);
        make_record(2, 5, 1, 9, 0);
        expect_true("xfs: records to replay", dirty("xfs: read"));
        make_record(8, 1, 1, 1, 0x20);
        expect_true("xfs: unmounted", !dirty("xfs: read"));
        expect_int("xfs: read", token_state_parse(&reader, &b), 0);
        expect_true("xfs: the end of the log has moved", a.digest != b.digest);
        make_record(10, 1, 1, 2, 0x20);
        expect_true("xfs: more than an unmount", dirty("xfs: read"));
        make_record(10, 2, 1, 1, 0);
        expect_true("xfs: one operation that is no unmount", dirty("xfs: read"));

        make_xfs();
        for (unsigned at = 0; at < LOG_BLOCKS; at += 4)
                make_record(at, 3, 5, 9, 0);
        expect_true("xfs: full to its end", dirty("xfs: read"));
        make_record(30, 1, 5, 1, 0x20);
        expect_true("xfs: full to its end, unmounted", !dirty("xfs: read"));
        make_record(0, 3, 6, 9, 0);
        expect_true("xfs: in the next turn", dirty("xfs: read"));
        make_record(4, 1, 6, 1, 0x20);
        expect_true("xfs: in the next turn, unmounted", !dirty("xfs: read"));
        make_record(31, 1, 5, 1, 0x20);
        for (unsigned at = 1; at < 31; at++)
                big(log_block(at), 4, 5);
        expect_true("xfs: the unmount lies over the end", !dirty("xfs: read"));

        make_xfs();
        expect_true("xfs: a log of zeroes is none of a mounted volume", !dirty("xfs: read"));
        big(48, 8, 0);
        expect_int("xfs: its log elsewhere", token_state_parse(&reader, &a), 0);
        expect_true("xfs: then there is none here", !a.journal);
}

/* One field each, and what must be said. */
static void test_hostile(void) {
        static const struct {
                const char *label;
                unsigned at, size;
                uint64_t value;
                int want;
        } cases[] = {
                { "blocks of 1 byte", 120, 1, 0, -EBADMSG },
                { "blocks of 2^255", 120, 1, 255, -EBADMSG },
                { "a block size that is not its logarithm", 4, 4, 512, -EBADMSG },
                { "groups of 2^255 blocks", 124, 1, 255, -EBADMSG },
                { "groups of one block", 124, 1, 0, -EBADMSG },
                { "the log in a group that is not there", 48, 8, 4 << 4, -EBADMSG },
                { "the log at the end of everything", 48, 8, UINT64_MAX, -EBADMSG },
                { "a log of no blocks", 96, 4, 0, -EBADMSG },
                { "a log of 2^32 blocks", 96, 4, UINT32_MAX, -EBADMSG },
                { "a log beyond the device", 96, 4, 49, -EBADMSG },
                { "groups that lie beyond the device", 84, 4, UINT32_MAX, -EBADMSG },
                { "a record longer than its log", LOG_OFFSET + 12, 4, UINT32_MAX, 0 },
                { "a record whose buffer is 4 GB", LOG_OFFSET + 320, 4, UINT32_MAX, 0 },
        };

        FOREACH_ELEMENT (c, cases) {
                TokenState state;

                make_xfs();
                make_record(0, 1, 1, 1, 0x20);
                big(c->at, c->size, c->value);
                expect_int(c->label, token_state_parse(&reader, &state), c->want);
        }
        for (fail_at = 1; fail_at <= 5; fail_at++) {
                TokenState state;

                make_xfs();
                make_record(0, 1, 1, 1, 0x20);
                n_reads = 0;
                expect_int("a block that cannot be read", token_state_parse(&reader, &state), -EIO);
        }
        fail_at = 0;
}

static void test_text(void) {
        static const char *const bad[] = {
                "",
                "mounted",
                "none ",
                "clean ext",
                "mounted ext abababababababababababababababab dirty journal 7 3e8 384",
                "mounted ext abababababababababababababababab dirty journal 7 3e8 384 1 ",
                "mounted ext abababababababababababababababab dirty journal 7 3e8 384 1 2",
                "mounted ext ABABababababababababababababababab dirty journal 7 3e8 384 1",
                "mounted ext abab dirty journal 7 3e8 384 1",
                "mounted ntfs abababababababababababababababab dirty journal 7 3e8 384 1",
                "mounted ext abababababababababababababababab dirty  journal 7 3e8 384 1",
                "mounted ext abababababababababababababababab dirty journal 100000000 3e8 384 1",
                "mounted ext abababababababababababababababab dirty journal 07 3e8 384 1",
                "mounted ext abababababababababababababababab dirty journal -7 3e8 384 1",
        };
        Token token = { .kind = TOKEN_MOUNTED }, again;
        char text[TOKEN_TEXT_SIZE], second[TOKEN_TEXT_SIZE];

        make_ext();
        little(0x60, 4, 0x4);
        expect_int("read", token_state_parse(&reader, &token.state), 0);
        token_print(&token, text);
        expect_int("a token reads as it was written", token_parse(text, &again), 0);
        token_print(&again, second);
        expect_str("the same text", second, text);
        expect_true("the same token",
                    again.state.mounts == 7 && again.state.dirty && again.kind == TOKEN_MOUNTED);
        token = (Token){ .kind = TOKEN_NONE };
        token_print(&token, text);
        expect_int("no token", token_parse(text, &again), 0);
        expect_int("is none", again.kind, TOKEN_NONE);
        token = (Token){ .kind = TOKEN_CLEAN,
                         .state = { .type = TOKEN_TYPE_XFS,
                                    .mounts = UINT32_MAX,
                                    .mount_time = UINT64_MAX,
                                    .check_time = UINT64_MAX,
                                    .digest = UINT64_MAX } };
        token_print(&token, text);
        expect_int("the longest", token_parse(text, &again), 0);
        FOREACH_ELEMENT (c, bad)
                expect_int(*c, token_parse(*c, &again), -EBADMSG);
}

/* The rule: what differs from a volume that was left as recorded, and whether its copies are believed. */
static void test_rule(void) {
        static const TokenState ext = { .type = TOKEN_TYPE_EXT,
                                        .dirty = true,
                                        .journal = true,
                                        .mounts = 1,
                                        .mount_time = 10,
                                        .check_time = 5,
                                        .digest = 1 };
        static const TokenState xfs = {
                .type = TOKEN_TYPE_XFS, .dirty = true, .journal = true, .digest = 1
        };
        static const struct {
                const char *label;
                enum token_kind kind;
                const TokenState *base;
                enum {
                        SAME,
                        SETTLED,
                        FROZEN,
                        DIRTY,
                        MOUNTS,
                        MOUNT_TIME,
                        CHECK_TIME,
                        DIGEST,
                        UUID,
                        TYPE,
                        PLAIN,
                        GONE
                } change;
                bool want;
        } cases[] = {
                { "ext4, power cut", TOKEN_MOUNTED, &ext, SAME, true },
                { "ext4, power cut after its superblock was written once more", TOKEN_MOUNTED, &ext, DIGEST,
                  true },
                { "ext4, its journal replayed by a read-only mount or by e2fsck", TOKEN_MOUNTED, &ext,
                  SETTLED, false },
                { "ext4, power cut while it was frozen", TOKEN_MOUNTED, &ext, FROZEN, true },
                { "ext4, mounted", TOKEN_MOUNTED, &ext, MOUNTS, false },
                { "ext4, mounted so often that the count is the same", TOKEN_MOUNTED, &ext, MOUNT_TIME,
                  false },
                { "ext4, checked", TOKEN_MOUNTED, &ext, CHECK_TIME, false },
                { "ext4, made anew", TOKEN_MOUNTED, &ext, UUID, false },
                { "ext4, made anew as XFS", TOKEN_MOUNTED, &ext, TYPE, false },
                { "ext4, without a journal", TOKEN_MOUNTED, &ext, PLAIN, false },
                { "ext4, cannot be read", TOKEN_MOUNTED, &ext, GONE, false },
                { "ext4, nothing recorded", TOKEN_NONE, &ext, SAME, false },
                { "ext4, an unknown kind recorded", (enum token_kind)9, &ext, SAME, false },
                { "ext4, unmounted", TOKEN_CLEAN, &ext, SETTLED, true },
                { "ext4, unmounted, then in use", TOKEN_CLEAN, &ext, DIRTY, false },
                { "ext4, unmounted, then changed", TOKEN_CLEAN, &ext, DIGEST, false },
                { "ext4, unmounted, then cannot be read", TOKEN_CLEAN, &ext, GONE, false },
                { "xfs, power cut", TOKEN_MOUNTED, &xfs, SAME, true },
                { "xfs, power cut after more was logged", TOKEN_MOUNTED, &xfs, DIGEST, true },
                { "xfs, its log replayed", TOKEN_MOUNTED, &xfs, SETTLED, false },
                { "xfs, its log on another device", TOKEN_MOUNTED, &xfs, PLAIN, false },
                { "xfs, another one", TOKEN_MOUNTED, &xfs, UUID, false },
                { "xfs, unmounted", TOKEN_CLEAN, &xfs, SETTLED, true },
                { "xfs, unmounted, its log on another device", TOKEN_CLEAN, &xfs, PLAIN, false },
                { "xfs, unmounted, then in use", TOKEN_CLEAN, &xfs, DIRTY, false },
                { "xfs, unmounted, then mounted and unmounted", TOKEN_CLEAN, &xfs, DIGEST, false },
        };

        FOREACH_ELEMENT (c, cases) {
                Token recorded = { .kind = c->kind, .state = *c->base };
                TokenState now;
                const char *reason = NULL;
                bool fits;

                if (c->kind == TOKEN_CLEAN)
                        recorded.state.dirty = false;
                now = recorded.state;
                now.dirty = c->change == DIRTY || (now.dirty && c->change != SETTLED && c->change != FROZEN);
                now.frozen = c->change == FROZEN;
                now.journal = c->change != PLAIN;
                now.mounts += c->change == MOUNTS;
                now.mount_time += c->change == MOUNT_TIME;
                now.check_time += c->change == CHECK_TIME;
                now.digest += c->change == DIGEST;
                now.uuid[15] ^= c->change == UUID;
                if (c->change == TYPE)
                        now.type = TOKEN_TYPE_XFS;
                fits = token_fits(&recorded, c->change == GONE ? NULL : &now, &reason);
                expect_true(c->label, fits == c->want && fits == !reason);
        }
}

static int file_read(void *data, uint64_t offset, void *buffer, size_t size) {
        return pread(*(int *)data, buffer, size, (off_t)offset) == (ssize_t)size ? 0 : -EIO;
}

/* What the file systems' own tools make is understood. */
static void test_made(const char *mkfs, enum token_type type) {
        char path[] = "/tmp/test-token-XXXXXX";
        _cleanup_(closep) int fd = mkstemp(path);
        TokenState state = { 0 };
        int status = -1;
        pid_t pid;

        if (fd < 0 || ftruncate(fd, 300 << 20) < 0) {
                expect_true("a file for a file system", false);
                return;
        }
        pid = fork();
        if (pid == 0) {
                int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

                (void)dup2(null, STDOUT_FILENO);
                (void)dup2(null, STDERR_FILENO);
                (void)execl(mkfs, mkfs, "-q", path, (char *)NULL);
                _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
                printf("ok %u - %s # SKIP it is not here\n", ++test_n, mkfs);
                (void)unlink(path);
                return;
        }
        (void)unlink(path);
        expect_int(mkfs,
                   token_state_parse(&(TokenReader){ .read = file_read, .data = &fd, .size = 300 << 20 },
                                     &state),
                   0);
        expect_true("is clean, with a journal", state.type == type && state.journal && !state.dirty);
}

int main(void) {
        test_ext();
        test_frozen();
        test_frozen_hostile();
        test_xfs();
        test_hostile();
        test_text();
        test_rule();
        test_made("/usr/sbin/mkfs.ext4", TOKEN_TYPE_EXT);
        test_made("/usr/sbin/mkfs.xfs", TOKEN_TYPE_XFS);
        return test_end();
}
