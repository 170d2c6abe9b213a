/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of maps held against each other, as they were recorded and as they are found
 */

#include "providers/dm/remains.h"
#include "util/test.h"

typedef struct Map {
        AreaExtent extents[4];
        size_t n;
} Map;

static void test_common(void) {
        static const struct {
                const char *label;
                Map a, b;
                uint64_t want;
        } cases[] = {
                { "the same", { { { 4096, 8192 } }, 1 }, { { { 4096, 8192 } }, 1 }, 8192 },
                { "in two pieces that lie together",
                  { { { 4096, 8192 } }, 1 },
                  { { { 4096, 4096 }, { 8192, 4096 } }, 2 },
                  8192 },
                { "one has grown in place", { { { 4096, 8192 } }, 1 }, { { { 4096, 16384 } }, 1 }, 8192 },
                { "one has grown elsewhere",
                  { { { 4096, 8192 } }, 1 },
                  { { { 4096, 8192 }, { 65536, 4096 } }, 2 },
                  8192 },
                { "elsewhere", { { { 4096, 8192 } }, 1 }, { { { 8192, 8192 } }, 1 }, 0 },
                { "the second piece elsewhere",
                  { { { 4096, 4096 }, { 65536, 4096 } }, 2 },
                  { { { 4096, 4096 }, { 69632, 4096 } }, 2 },
                  4096 },
                { "the pieces cut differently, then apart",
                  { { { 4096, 8192 }, { 65536, 4096 } }, 2 },
                  { { { 4096, 4096 }, { 8192, 4096 }, { 12288, 4096 } }, 3 },
                  8192 },
                { "nothing recorded", { { { 0, 0 } }, 0 }, { { { 4096, 8192 } }, 1 }, 0 },
                { "a piece of no length", { { { 4096, 0 } }, 1 }, { { { 4096, 8192 } }, 1 }, 0 },
        };

        FOREACH_ELEMENT (c, cases) {
                expect_int(c->label, (int64_t)extents_common(c->a.extents, c->a.n, c->b.extents, c->b.n),
                           (int64_t)c->want);
                expect_int("the other way round",
                           (int64_t)extents_common(c->b.extents, c->b.n, c->a.extents, c->a.n),
                           (int64_t)c->want);
        }
        expect_int("all of it", (int64_t)extents_size((AreaExtent[]){ { 0, 512 }, { 4096, 1024 } }, 2),
                   1536);
}

int main(void) {
        test_common();
        return test_end();
}
