/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What differs between two entries
 */

#include "repository/tree-diff.h"
#include "util/test.h"

static void test_nodes(void) {
        static const BlobId one[] = { { { 1 } } }, other[] = { { { 2 } } };
        static NodeXattr a[] = { { "user.a", (const uint8_t *)"1", 1 },
                                 { "user.b", (const uint8_t *)"2", 1 } },
                         turned[] = { { "user.b", (const uint8_t *)"2", 1 },
                                      { "user.a", (const uint8_t *)"1", 1 } },
                         another[] = { { "user.a", (const uint8_t *)"1", 1 },
                                       { "user.b", (const uint8_t *)"3", 1 } };
        const Node file = { .name = "f",
                            .type = NODE_FILE,
                            .mode = 0644,
                            .mtime = { 5, 6 },
                            .size = 7,
                            .n_content = 1,
                            .content = one,
                            .n_xattrs = 2,
                            .xattrs = a };
        const Node link = { .name = "l", .type = NODE_SYMLINK, .target = "a" };
        const Node device = { .name = "d", .type = NODE_CHARDEV, .device = 5 };
        Node changed = file;

        expect_int("nothing", node_diff(&file, &file), 0);
        changed.atime.tv_sec = changed.ctime.tv_sec = 99;
        changed.inode = 99;
        expect_int("what does not count", node_diff(&file, &changed), 0);
        changed.xattrs = turned;
        expect_int("attributes in another order", node_diff(&file, &changed), 0);
        changed.xattrs = another;
        expect_int("another value of an attribute", node_diff(&file, &changed), DIFF_XATTRS);
        changed.n_xattrs = 1;
        expect_int("an attribute less", node_diff(&file, &changed), DIFF_XATTRS);
        changed = file;
        changed.content = other;
        expect_int("other content", node_diff(&file, &changed), DIFF_CONTENT);
        changed.size = 8;
        changed.n_content = 0;
        expect_int("of another size", node_diff(&file, &changed), DIFF_CONTENT | DIFF_SIZE);
        changed = file;
        changed.mode = 0600;
        changed.gid = 5;
        changed.mtime.tv_nsec++;
        expect_int("mode, owner and time", node_diff(&file, &changed), DIFF_MODE | DIFF_OWNER | DIFF_TIME);
        expect_int("another type, and no more", node_diff(&file, &link), DIFF_TYPE);
        changed = link;
        changed.target = "b";
        expect_int("another target", node_diff(&link, &changed), DIFF_TARGET);
        changed.target = NULL;
        expect_int("none", node_diff(&link, &changed), DIFF_TARGET);
        changed = device;
        changed.device = 6;
        expect_int("another device", node_diff(&device, &changed), DIFF_DEVICE);
}

int main(void) {
        test_nodes();
        return test_end();
}
