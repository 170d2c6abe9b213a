/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of which blocks of a file may be written past its file system
 */

#include <string.h>
#include "providers/dm/area-map.h"
#include "util/test.h"

static int add(AreaMap *map, uint64_t logical, uint64_t physical, uint64_t length, uint32_t flags) {
        struct fiemap_extent extent = {
                .fe_logical = logical, .fe_physical = physical, .fe_length = length, .fe_flags = flags
        };
        const char *reason = NULL;
        int r;

        r = area_map_add(map, &extent, 1, &reason);
        if (r == -EMEDIUMTYPE && (!reason || reason[0] == 0))
                return -EIO;
        return r;
}

static void test_good(void) {
        _cleanup_(area_map_done) AreaMap map = { 0 };

        expect_int("a written block", add(&map, 0, 40960, 4096, 0), 0);
        expect_int("unwritten behind it",
                   add(&map, 4096, 45056, 61440, FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_MERGED), 0);
        expect_int("are one", map.n, 1);
        expect_int("and some elsewhere",
                   add(&map, 65536, 8192, 4096, FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_LAST), 0);
        expect_int("are two", map.n, 2);
        expect_int("mapped", map.end, 69632);
}

static void test_bad(void) {
        static const struct {
                const char *label;
                struct fiemap_extent extent;
        } cases[] = {
                { "unknown",
                  { .fe_logical = 4096,
                    .fe_physical = 8192,
                    .fe_length = 4096,
                    .fe_flags = FIEMAP_EXTENT_UNKNOWN } },
                { "delayed",
                  { .fe_logical = 4096,
                    .fe_physical = 8192,
                    .fe_length = 4096,
                    .fe_flags = FIEMAP_EXTENT_DELALLOC } },
                { "encoded",
                  { .fe_logical = 4096,
                    .fe_physical = 8192,
                    .fe_length = 4096,
                    .fe_flags = FIEMAP_EXTENT_ENCODED } },
                { "encrypted",
                  { .fe_logical = 4096,
                    .fe_physical = 8192,
                    .fe_length = 4096,
                    .fe_flags = FIEMAP_EXTENT_DATA_ENCRYPTED } },
                { "not aligned",
                  { .fe_logical = 4096,
                    .fe_physical = 8192,
                    .fe_length = 4096,
                    .fe_flags = FIEMAP_EXTENT_NOT_ALIGNED } },
                { "inline",
                  { .fe_logical = 4096,
                    .fe_physical = 8192,
                    .fe_length = 4096,
                    .fe_flags = FIEMAP_EXTENT_DATA_INLINE } },
                { "tail",
                  { .fe_logical = 4096,
                    .fe_physical = 8192,
                    .fe_length = 4096,
                    .fe_flags = FIEMAP_EXTENT_DATA_TAIL } },
                { "shared",
                  { .fe_logical = 4096,
                    .fe_physical = 8192,
                    .fe_length = 4096,
                    .fe_flags = FIEMAP_EXTENT_SHARED } },
                { "of tomorrow",
                  { .fe_logical = 4096, .fe_physical = 8192, .fe_length = 4096, .fe_flags = 0x40000000 } },
                { "a hole", { .fe_logical = 8192, .fe_physical = 8192, .fe_length = 4096 } },
                { "twice", { .fe_logical = 0, .fe_physical = 8192, .fe_length = 4096 } },
                { "odd place", { .fe_logical = 4096, .fe_physical = 8200, .fe_length = 4096 } },
                { "odd length", { .fe_logical = 4096, .fe_physical = 8192, .fe_length = 100 } },
                { "no length", { .fe_logical = 4096, .fe_physical = 8192, .fe_length = 0 } },
                { "huge place", { .fe_logical = 4096, .fe_physical = 1ull << 63, .fe_length = 4096 } },
                { "huge length", { .fe_logical = 4096, .fe_physical = 0, .fe_length = 1ull << 63 } },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_(area_map_done) AreaMap map = { 0 };
                const char *reason = NULL;

                expect_int("the block before", add(&map, 0, 4096 * 100, 4096, FIEMAP_EXTENT_SHARED), 0);
                expect_int(c->label, area_map_add(&map, &c->extent, 1, &reason), -EMEDIUMTYPE);
                expect_true("  says why", reason && reason[0] != 0);
        }
}

static void test_limit(void) {
        _cleanup_(area_map_done) AreaMap map = { 0 };
        uint64_t i;
        int r = 0;

        for (i = 0; r == 0 && i <= AREA_EXTENTS_MAX + 1; i++)
                r = add(&map, i * 4096, (i * 2 + 1) * 4096, 4096, FIEMAP_EXTENT_UNWRITTEN);
        expect_int("too many", r, -E2BIG);
        expect_int("after the limit", map.n, AREA_EXTENTS_MAX);
}

static void test_part(void) {
        static const AreaExtent extents[] = { { 100 * 512, 10 * 512 },
                                              { 500 * 512, 10 * 512 },
                                              { 0, 10 * 512 } };
        _cleanup_(freep) AreaExtent *part = NULL;
        size_t n;

        expect_int("a part", area_map_part(extents, 3, 5 * 512, 25 * 512, &part, &n), 0);
        expect_int("has three", n, 3);
        expect_true("first", part[0].physical == 105 * 512 && part[0].length == 5 * 512);
        expect_true("middle", part[1].physical == 500 * 512 && part[1].length == 10 * 512);
        expect_true("last", part[2].physical == 0 && part[2].length == 5 * 512);
        free(part);
        part = NULL;
        expect_int("one inside", area_map_part(extents, 3, 12 * 512, 13 * 512, &part, &n), 0);
        expect_true("  is", n == 1 && part[0].physical == 502 * 512 && part[0].length == 512);
        free(part);
        part = NULL;
        expect_int("beyond the end", area_map_part(extents, 3, 0, 31 * 512, &part, &n), -ERANGE);
}

int main(void) {
        test_good();
        test_bad();
        test_limit();
        test_part();
        return test_end();
}
