/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Trees and points: byte for byte, and back; and what is none
 */

#include <sys/stat.h>
#include "repository/snapshot.h"
#include "repository/tree.h"
#include "util/test.h"

static const char tree_text[] =
        "{\"nodes\":["
        "{\"name\":\"a\\u0026\\\\n\",\"type\":\"file\",\"mode\":12583405,\"mtime\":\"2009-02-13T23:31:30."
        "12Z\","
        "\"atime\":\"2009-02-13T23:31:30.12Z\",\"ctime\":\"1970-01-01T00:00:01Z\",\"uid\":0,\"gid\":7,"
        "\"user\":\"root\","
        "\"inode\":18446744073709551615,\"device_id\":5,\"size\":3,\"links\":2,"
        "\"extended_attributes\":[{\"name\":\"user.a\",\"value\":\"/"
        "w==\"},{\"name\":\"user.b\",\"value\":\"\"}],"
        "\"content\":[\"0000000000000000000000000000000000000000000000000000000000000000\"]},"
        "{\"name\":\"d\",\"type\":\"dir\",\"mode\":2148532735,\"mtime\":\"1970-01-01T00:00:00Z\",\"atime\":"
        "\"1970-01-01T00:00:00Z\","
        "\"ctime\":\"1970-01-01T00:00:00Z\",\"uid\":0,\"gid\":0,\"content\":null,"
        "\"subtree\":\"0000000000000000000000000000000000000000000000000000000000000000\"},"
        "{\"name\":\"empty\",\"type\":\"file\",\"mtime\":\"1970-01-01T00:00:00Z\",\"atime\":\"1970-01-01T00:"
        "00:00Z\","
        "\"ctime\":\"1970-01-01T00:00:00Z\",\"uid\":0,\"gid\":0,\"content\":[]},"
        "{\"name\":\"l\",\"type\":\"symlink\",\"mode\":134218239,\"mtime\":\"1970-01-01T00:00:00Z\","
        "\"atime\":\"1970-01-01T00:00:00Z\","
        "\"ctime\":\"1970-01-01T00:00:00Z\",\"uid\":0,\"gid\":0,\"links\":1,\"linktarget\":\"x\\ufffd\","
        "\"linktarget_raw\":\"eP8=\",\"content\":null},"
        "{\"name\":\"tty\",\"type\":\"chardev\",\"mode\":69206416,\"mtime\":\"1970-01-01T00:00:00Z\","
        "\"atime\":\"1970-01-01T00:00:00Z\","
        "\"ctime\":\"1970-01-01T00:00:00Z\",\"uid\":0,\"gid\":0,\"device\":1280,\"content\":null}"
        "]}\n";

static void test_tree(void) {
        _cleanup_bytes_ Bytes text = {};
        _cleanup_tree_ Tree tree = {};
        const Node *node;

        expect_int("a tree is read", tree_decode(tree_text, strlen(tree_text), &tree), 0);
        expect_int("all of it", tree.n, 5);
        node = tree_find(&tree, "a&\n");
        expect_true("a node is found", node);
        expect_int("its mode", node ? node->mode : 0, S_ISUID | S_ISGID | 0755);
        expect_int("its attributes", node ? node->n_xattrs : 0, 2);
        node = tree_find(&tree, "l");
        expect_str("a target that is no UTF-8", node ? node->target : NULL, "x\xff");
        node = tree_find(&tree, "d");
        expect_int("the sticky bit", node ? node->mode : 0, 01777);
        expect_true("who is not there is not found", !tree_find(&tree, "b") && !tree_find(&tree, "zz"));
        expect_int("it is written", tree_encode(tree.nodes, tree.n, &text), 0);
        expect_true("byte for byte",
                    text.size == strlen(tree_text) && memcmp(text.data, tree_text, text.size) == 0);
        tree.nodes[1].name = "A";
        text.size = 0;
        expect_int("out of order it is not", tree_encode(tree.nodes, tree.n, &text), -EINVAL);
        text.size = 0;
        expect_int("an empty one", tree_encode(NULL, 0, &text), 0);
        expect_true("is a tree, too", text.size == 13 && memcmp(text.data, "{\"nodes\":[]}\n", 13) == 0);
}

static void test_tree_bad(void) {
        static const struct {
                const char *label, *text;
        } cases[] = {
                { "nothing", "" },
                { "cut off", "{\"nodes\":[{\"name\":\"a\"" },
                { "a node without a name", "{\"nodes\":[{\"type\":\"file\"}]}" },
                { "an empty name", "{\"nodes\":[{\"name\":\"\"}]}" },
                { "a name with a zero byte", "{\"nodes\":[{\"name\":\"a\\\\x00b\"}]}" },
                { "a target with one", "{\"nodes\":[{\"name\":\"a\",\"linktarget\":\"a\\u0000\"}]}" },
                { "a short id", "{\"nodes\":[{\"name\":\"a\",\"content\":[\"00\"]}]}" },
                { "a number that is none", "{\"nodes\":[{\"name\":\"a\",\"size\":-1}]}" },
        };

        FOREACH_ELEMENT (c, cases) {
                Tree tree = { .n = 77 };

                expect_int(c->label, tree_decode(c->text, strlen(c->text), &tree), -EBADMSG);
                expect_int("leaves its output alone", tree.n, 77);
        }
        expect_true("names that lead away are not safe",
                    !node_name_is_safe("..") && !node_name_is_safe(".") && !node_name_is_safe("a/b") &&
                            node_name_is_safe("..."));
}

static const char point_text[] =
        "{\"time\":\"2009-02-13T23:31:30.12Z\",\"parent\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"tree\":\"0000000000000000000000000000000000000000000000000000000000000000\",\"paths\":[\"/"
        "srv\",\"/\\u003ca\\u003e\"],"
        "\"hostname\":\"h\",\"username\":\"u\",\"uid\":1000,\"gid\":100,\"excludes\":[\"*.o\"],\"tags\":["
        "\"t\"],"
        "\"program_version\":\"linuxvss "
        "0\",\"summary\":{\"backup_start\":\"2009-02-13T23:31:30Z\",\"backup_end\":"
        "\"2009-02-13T23:31:31Z\",\"files_new\":1,\"files_changed\":2,\"files_unmodified\":3,\"dirs_new\":4,"
        "\"dirs_changed\":5,"
        "\"dirs_unmodified\":6,\"data_blobs\":7,\"tree_blobs\":8,\"data_added\":9,\"data_added_packed\":10,"
        "\"total_files_processed\":11,\"total_bytes_processed\":12}}";

static void test_snapshot(void) {
        _cleanup_snapshot_ Snapshot point = {}, other = {};
        _cleanup_bytes_ Bytes text = {};

        expect_int("a point is read", snapshot_decode(point_text, strlen(point_text), &point), 0);
        expect_int("its paths", point.paths.n, 2);
        expect_str("without escapes", point.paths.items[1], "/<a>");
        expect_int("its counts", point.summary.total_bytes, 12);
        expect_int("it is written", snapshot_encode(&point, &text), 0);
        expect_true("byte for byte",
                    text.size == strlen(point_text) && memcmp(text.data, point_text, text.size) == 0);
        expect_int("without a tree it is none",
                   snapshot_decode("{\"time\":\"2009-02-13T23:31:30Z\"}", 31, &other), -EBADMSG);
}

int main(void) {
        test_tree();
        test_tree_bad();
        test_snapshot();
        return test_end();
}
