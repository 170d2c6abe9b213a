/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of how large difference areas are, and when they grow
 */

#include "providers/dm/policy.h"
#include "util/test.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static void test_sizes(void) {
        static const struct {
                const char *text;
                int r;
                PolicySize want;
        } cases[] = {
                { "10%", 0, { true, 10 } },
                { "100%", 0, { true, 100 } },
                { "0%", -EINVAL, { 0 } },
                { "101%", -EINVAL, { 0 } },
                { "512M", 0, { false, 512 * MIB } },
                { "2G", 0, { false, 2 * GIB } },
                { "1T", 0, { false, 1024 * GIB } },
                { "4096", 0, { false, 4096 } },
                { "0", 0, { false, 0 } },
                { "none", 0, { false, POLICY_NO_LIMIT } },
                { "None", 0, { false, POLICY_NO_LIMIT } },
                { "", -EINVAL, { 0 } },
                { "M", -EINVAL, { 0 } },
                { "5MB", -EINVAL, { 0 } },
                { "-1", -EINVAL, { 0 } },
                { "1.5G", -EINVAL, { 0 } },
                { "99999999999T", -EINVAL, { 0 } },
        };

        FOREACH_ELEMENT (c, cases) {
                PolicySize got = { 0 };

                expect_int(c->text, policy_parse_size(c->text, &got), c->r);
                expect_true("  says so", got.percent == c->want.percent && got.value == c->want.value);
        }
}

static void test_conf(void) {
        static const struct {
                const char *text;
                int r;
        } cases[] = {
                { "[Storage]\nInitial=10%\nMaximum=4G\nGrow=70\nChunk=64K\nSnapshots=8\n", 0 },
                { "", 0 },
                { "[Storage]\nChunk=auto\nMaximum=none\n", 0 },
                { "[Storage]\nInitial=none\n", -EBADMSG },
                { "[Storage]\nGrow=99\n", -EBADMSG },
                { "[Storage]\nChunk=5K\n", -EBADMSG },
                { "[Storage]\nChunk=2K\n", -EBADMSG },
                { "[Storage]\nChunk=10%\n", -EBADMSG },
                { "[Storage]\nSnapshots=0\n", -EBADMSG },
                { "[Storage]\nColour=red\n", -EBADMSG },
                { "[Store]\nInitial=10%\n", -EBADMSG },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_conf_ Conf *conf = NULL;
                ConfError error = { 0 };
                Policy policy;

                policy_default(&policy);
                expect_int("parse", conf_parse(c->text, strlen(c->text), &error, &conf), 0);
                expect_int(c->text, policy_read(conf, &error, &policy), c->r);
                expect_true("  says where", (c->r == 0) == (error.line == 0));
                if (c == cases)
                        expect_true("  all of it", policy.initial.percent && policy.initial.value == 10 &&
                                                           policy.maximum.value == 4 * GIB &&
                                                           policy.grow_percent == 70 &&
                                                           policy.chunk == 128 && policy.snapshots == 8);
        }
}

static void test_initial(void) {
        static const struct {
                const char *label;
                PolicyVolume volume;
                int r;
                uint64_t want;
        } cases[] = {
                { "5 % of it", { 100 * GIB, 20 * GIB, 0, 50 * GIB }, 0, 5 * GIB },
                { "a small volume", { 300 * MIB, 60 * MIB, 0, 250 * MIB }, 0, 32 * MIB },
                { "not more than is allowed", { 100 * GIB, 1 * GIB, 0, 50 * GIB }, 0, 1 * GIB },
                { "what others have counts", { 100 * GIB, 6 * GIB, 4 * GIB, 50 * GIB }, 0, 2 * GIB },
                { "nothing left of it", { 100 * GIB, 6 * GIB, 6 * GIB, 50 * GIB }, -EDQUOT, 0 },
                { "too little left of it", { 100 * GIB, 6 * GIB, 6 * GIB - MIB, 50 * GIB }, -EDQUOT, 0 },
                { "more than that", { 100 * GIB, 6 * GIB, 7 * GIB, 50 * GIB }, -EDQUOT, 0 },
                { "half of what is free", { 100 * GIB, 20 * GIB, 0, 1 * GIB }, 0, 512 * MIB },
                { "nothing free", { 100 * GIB, 20 * GIB, 0, 20 * MIB }, -ENOSPC, 0 },
                { "no limit", { 100 * GIB, POLICY_NO_LIMIT, 90 * GIB, 50 * GIB }, 0, 5 * GIB },
        };
        Policy policy;

        policy_default(&policy);
        FOREACH_ELEMENT (c, cases) {
                uint64_t got = 0;

                expect_int(c->label, policy_initial(&policy, &c->volume, &got), c->r);
                expect_int("  how much", got, c->want);
        }
}

static void test_growth(void) {
        const PolicyVolume room = { 100 * GIB, 20 * GIB, 5 * GIB, 50 * GIB };
        const PolicyVolume full = { 100 * GIB, 20 * GIB, 5 * GIB, MIB };
        const PolicyVolume most = { 100 * GIB, 20 * GIB, 20 * GIB, 50 * GIB };
        const PolicyVolume nearly = { 100 * GIB, 20 * GIB, 20 * GIB - 3 * MIB, 50 * GIB };
        uint64_t got = 0;
        Policy policy;

        policy_default(&policy);
        expect_true("59 % is enough", !policy_is_low(&policy, 59 * GIB, 100 * GIB));
        expect_true("61 % is not", policy_is_low(&policy, 61 * GIB, 100 * GIB));
        expect_int("grow", policy_growth(&policy, &room, 20 * GIB, &got), 0);
        expect_int("  by half", got, 10 * GIB);
        expect_int("grow a small one", policy_growth(&policy, &room, 1 * GIB, &got), 0);
        expect_int("  by a first size", got, 5 * GIB);
        expect_int("nothing free", policy_growth(&policy, &full, 1 * GIB, &got), -ENOSPC);
        expect_int("nothing allowed", policy_growth(&policy, &most, 1 * GIB, &got), -EDQUOT);
        expect_int("a little allowed", policy_growth(&policy, &nearly, 1 * GIB, &got), 0);
        expect_int("  that little", got, 3 * MIB);
}

static void test_chunk(void) {
        Policy policy;

        policy_default(&policy);
        expect_int("usual", policy_chunk(&policy, 20 * GIB), 32);
        expect_int("large", policy_chunk(&policy, 100 * GIB), 128);
        expect_int("without limit", policy_chunk(&policy, POLICY_NO_LIMIT), 128);
        policy.chunk = 8;
        expect_int("as said", policy_chunk(&policy, 100 * GIB), 8);
}

int main(void) {
        test_sizes();
        test_conf();
        test_initial();
        test_growth();
        test_chunk();
        return test_end();
}
