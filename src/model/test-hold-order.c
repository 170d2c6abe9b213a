/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Table of hold orders
 */

#include <errno.h>
#include <linuxvss/types.h>

#include "model/hold-order.h"
#include "util/macro.h"
#include "util/test.h"

#define ROW_TARGETS 10u
#define F(device, ...)                         \
        {                                      \
                VSS_HOLD_FILESYSTEM, device, { \
                        __VA_ARGS__            \
                }                              \
        }
#define D(device, ...)                     \
        {                                  \
                VSS_HOLD_DEVICE, device, { \
                        __VA_ARGS__        \
                }                          \
        }
#define C(device, ...)                     \
        {                                  \
                VSS_HOLD_CGROUP, device, { \
                        __VA_ARGS__        \
                }                          \
        }

typedef struct Row {
        const char *label;
        struct {
                uint32_t kind;
                uint64_t device, lower[3]; /* up to the first 0 */
        } targets[ROW_TARGETS];            /* up to the first kind 0 */
        int want;
        const char *want_ranks, *want_same; /* a digit per target */
} Row;

static const Row rows[] = {
        { "nothing", { { 0 } }, 0, "", "" },
        { "one volume", { F(7, 254) }, 0, "1", "0" },
        { "independent volumes share a rank", { F(1, 9), F(2, 9) }, 0, "11", "01" },
        { "control groups come first", { F(1, 0), C(0, 0), C(0, 0) }, 0, "100", "012" },
        { "upper before lower", { F(1, 0), F(2, 1) }, 0, "21", "01" },
        { "upper before lower, other way round", { F(2, 1), F(1, 0) }, 0, "12", "01" },
        { "three deep, direct edges", { F(1, 0), F(2, 1), F(3, 2) }, 0, "321", "012" },
        { "three deep, all edges", { F(3, 2, 1), F(1, 0), F(2, 1) }, 0, "132", "012" },
        { "two on one", { F(2, 1), F(3, 1), F(1, 0) }, 0, "112", "012" },
        { "a device below a file system", { D(1, 0), F(2, 1) }, 0, "21", "01" },
        { "two mounts of one superblock", { F(5, 0), F(6, 0), F(5, 0), F(5, 0) }, 0, "1111", "0100" },
        { "the second mount knows the edge", { F(2, 0), F(1, 0), F(2, 1) }, 0, "121", "010" },
        { "lower has two mounts", { F(1, 0), F(1, 0), F(2, 1) }, 0, "221", "002" },
        { "a circle", { F(1, 2), F(2, 1) }, -ELOOP, NULL, NULL },
        { "on itself", { F(1, 1) }, -ELOOP, NULL, NULL },
        { "a long circle", { F(1, 2), F(2, 3), F(3, 1), F(4, 0) }, -ELOOP, NULL, NULL },
        { "eight deep",
          { F(1, 0), F(2, 1), F(3, 2), F(4, 3), F(5, 4), F(6, 5), F(7, 6), F(8, 7) },
          0,
          "87654321",
          "01234567" },
        { "nine deep",
          { F(1, 0), F(2, 1), F(3, 2), F(4, 3), F(5, 4), F(6, 5), F(7, 6), F(8, 7), F(9, 8) },
          -E2BIG,
          NULL,
          NULL },
        { "a device on a device", { D(1, 0), D(2, 1) }, 0, "21", "01" },
        { "two volumes of one device", { D(1, 0), F(3, 0), D(1, 0) }, 0, "111", "010" },
        { "a device on a frozen file system", { D(2, 1), F(1, 0) }, -EDEADLK, NULL, NULL },
        { "a device on one far below", { F(1, 0), D(3, 2, 1) }, -EDEADLK, NULL, NULL },
        { "a superblock held in both ways", { F(1, 0), D(1, 0) }, -EEXIST, NULL, NULL },
        { "a kind that is not held", { F(1, 0), { VSS_HOLD_WRITERS, 2, { 0 } } }, -EINVAL, NULL, NULL },
};

int main(void) {
        FOREACH_ELEMENT (row, rows) {
                HoldOrderTarget targets[ROW_TARGETS];
                HoldOrder order[ROW_TARGETS];
                char ranks[ROW_TARGETS + 1] = "", same[ROW_TARGETS + 1] = "", label[128];
                size_t n = 0;
                int r;

                for (; n < ROW_TARGETS && row->targets[n].kind != 0; n++) {
                        targets[n] = (HoldOrderTarget){ .kind = row->targets[n].kind,
                                                        .device = row->targets[n].device,
                                                        .lower = row->targets[n].lower };
                        while (targets[n].n_lower < 3 && targets[n].lower[targets[n].n_lower] != 0)
                                targets[n].n_lower++;
                        order[n] = (HoldOrder){ .same_as = 77, .rank = 77 };
                }
                r = hold_order(targets, n, order);
                expect_int(row->label, r, row->want);
                for (size_t i = 0; i < n && r == 0; i++) {
                        ranks[i] = (char)('0' + order[i].rank);
                        same[i] = (char)('0' + order[i].same_as);
                }
                (void)snprintf(label, sizeof(label), "%s: outcome", row->label);
                if (row->want == 0) {
                        expect_str(label, ranks, row->want_ranks);
                        expect_str(label, same, row->want_same);
                } else
                        expect_true(label, order[0].rank == 77 && order[0].same_as == 77);
        }
        return test_end();
}
