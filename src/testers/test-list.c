/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the list of a backup: what is written is read, whatever the names; what is not whole is refused
 */

#include "testers/list.h"
#include "util/test.h"

static ListEntry sample(const char *path) {
        return (ListEntry){
                .kind = WALK_FILE,
                .path = strdup(path),
                .component = strdup("one/two/first"),
                .set = strdup("/srv/a b"),
                .filespec = strdup("*"),
                .recursive = true,
                .size = UINT64_C(123456789012),
                .meta = { .mode = S_IFREG | 04755,
                          .uid = 1000,
                          .gid = 4294967294u,
                          .mtime_nsec = -1500000001 },
        };
}

static void test_round(void) {
        static const char *const paths[] = { "/srv/plain",    "/srv/a b%20c",      "/srv/new\nline",
                                             "/srv/\xff\xfe", "/srv/=path=/x y=z", "/",
                                             "/srv/%",        "/srv/\t\x01\x7f" };

        FOREACH_ELEMENT (path, paths) {
                _cleanup_list_entry_ ListEntry entry = sample(*path), read = { 0 };
                _cleanup_(freep) char *line = NULL, *again = NULL;

                expect_int("xattr", meta_add_xattr(&entry.meta, "user.a b", "x\0=\n ", 5), 0);
                expect_int("written", list_format(&entry, &line), 0);
                expect_true("on one line of plain text", line && !strpbrk(line, "\n\t\x7f\xff\xfe\x01"));
                expect_int("read", list_parse(line, &read), 0);
                expect_str("path", read.path, *path);
                expect_true("recursive, not live", read.recursive && !read.live);
                expect_int("size", (int64_t)read.size, INT64_C(123456789012));
                expect_int("time", read.meta.mtime_nsec, -1500000001);
                expect_true("attribute with a NUL",
                            read.meta.n_xattrs == 1 && read.meta.xattrs[0].size == 5 &&
                                    memcmp(read.meta.xattrs[0].value, "x\0=\n ", 5) == 0);
                expect_int("written again", list_format(&read, &again), 0);
                expect_str("the same", again, line);
        }
}

static void test_kinds(void) {
        ListEntry link = { .kind = WALK_SYMLINK,
                           .path = (char *)"/l",
                           .target = (char *)"../x y",
                           .meta = { .mode = S_IFLNK | 0777 } };
        ListEntry part = { .kind = WALK_FILE,
                           .path = (char *)"/p",
                           .ranges = (char *)"0:5, 100:20",
                           .metadata = (char *)"",
                           .source = (char *)"/else/p",
                           .live = true,
                           .meta = { .mode = S_IFREG | 0600 } };
        _cleanup_list_entry_ ListEntry read = { 0 }, other = { 0 };
        _cleanup_(freep) char *line = NULL, *second = NULL;

        expect_int("a link", list_format(&link, &line), 0);
        expect_str("  line", line, "link path=/l mode=120777 owner=0:0 mtime=0.000000000 target=../x%20y");
        expect_int("  read", list_parse(line, &read), 0);
        expect_str("  target", read.target, "../x y");
        expect_int("a partial file", list_format(&part, &second), 0);
        expect_int("  read", list_parse(second, &other), 0);
        expect_str("  ranges", other.ranges, "0:5, 100:20");
        expect_str("  metadata that is empty", other.metadata, "");
        expect_str("  source", other.source, "/else/p");
        expect_true("  live, of no component", other.live && !other.component);
}

static void test_bad(void) {
        static const char *const lines[] = {
                "",
                "file",
                "file path=/a",
                "file path=a mode=100644",
                "file path=/a/../b mode=100644",
                "file path=/a/./b mode=100644",
                "file path=/a/ mode=100644",
                "file path=/a%00b mode=100644",
                "file path=/a% mode=100644",
                "file path=/a%2 mode=100644",
                "file path=/a%zz mode=100644",
                "file path=/a mode=40755",
                "file path=/a mode=99",
                "file path=/a mode=777777777",
                "file path=/a mode=100644 owner=0",
                "file path=/a mode=100644 owner=0:-1",
                "file path=/a mode=100644 owner=0:4294967295",
                "file path=/a mode=100644 mtime=1",
                "file path=/a mode=100644 mtime=99999999999999.000000000",
                "file path=/a mode=100644 size=-1",
                "file path=/a mode=100644 size=99999999999999999999",
                "file path=/a mode=100644 source=../x",
                "file path=/a mode=100644 colour",
                "file  path=/a mode=100644",
                "link path=/a mode=120777",
                "directory path=/a mode=100644",
                "special path=/a mode=100644",
                "door path=/a mode=100644",
                "file/ path=/a mode=100644",
        };

        FOREACH_ELEMENT (line, lines) {
                _cleanup_list_entry_ ListEntry entry = { 0 };

                expect_int(**line ? *line : "(empty)", list_parse(*line, &entry), -EBADMSG);
        }
}

static void test_tolerance(void) {
        _cleanup_list_entry_ ListEntry entry = { 0 };

        expect_int("a key of later times is left alone",
                   list_parse("file path=/a mode=100644 colour=red size=1", &entry), 0);
        expect_int("the rest is read", (int64_t)entry.size, 1);
}

static int count(void *userdata, ListEntry *entry) {
        unsigned *n = userdata;

        (*n)++;
        return strcmp(entry->path, "/stop") == 0 ? 5 : 0;
}

static int read_text(const char *text, unsigned *ret_n, unsigned *ret_line) {
        FILE *f = tmpfile();
        int fd;

        *ret_n = 0;
        if (!f || fputs(text, f) < 0 || fflush(f) != 0)
                return -EIO;
        rewind(f);
        fd = dup(fileno(f));
        (void)fclose(f);
        return list_read(fd, count, ret_n, ret_line);
}

static void test_read(void) {
        unsigned n, line;

        expect_int("an empty list", read_text("", &n, &line), 0);
        expect_int("two lines",
                   read_text("file path=/a mode=100644\nmount-point path=/b mode=40755\n", &n, &line), 0);
        expect_int("  are two", n, 2);
        expect_int("a bad one", read_text("file path=/a mode=100644\nfile\n", &n, &line), -EBADMSG);
        expect_int("  its number", line, 2);
        expect_int("one without an end", read_text("file path=/a mode=100644", &n, &line), -EBADMSG);
        expect_int("enough", read_text("file path=/stop mode=100644\nfile\n", &n, &line), 5);
}

int main(void) {
        test_round();
        test_kinds();
        test_bad();
        test_tolerance();
        test_read();
        return test_end();
}
