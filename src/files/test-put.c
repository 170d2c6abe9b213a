/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of putting files back: what is there afterwards, what stays as it was, what may be replaced
 */

#include <fcntl.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include "files/beneath.h"
#include "files/copy.h"
#include "files/put.h"
#include "util/test.h"

static char scratch[] = "/tmp/test-put-XXXXXX";
static int root_fd = -1;

/* A file with this text, read from its start; the caller closes it. */
static int source(const char *text) {
        int fd = openat(root_fd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

        if (fd < 0 || pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
                expect_true("a source", false);
        return fd;
}

static const char *content(const char *path) {
        static char text[256];
        _cleanup_(closep) int fd = openat(root_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

        text[n < 0 ? 0 : n] = '\0';
        return n < 0 ? NULL : text;
}

/* NULL: each file at once */
static PutSync *later;

static int put_text(const char *path, const char *text, mode_t mode) {
        _cleanup_(closep) int fd = source(text);
        FileMeta meta = { .mode = S_IFREG | mode,
                          .uid = geteuid(),
                          .gid = getegid(),
                          .mtime_nsec = INT64_C(1000000000123456789) };

        return put_file(root_fd, path, fd, &meta, later);
}

static unsigned count_entries(const char *path) {
        char command[128];
        unsigned n = 0;
        FILE *f;

        (void)snprintf(command, sizeof(command), "ls -A %s/%s | wc -l", scratch, path);
        f = popen(command, "r");
        if (!f || fscanf(f, "%u", &n) != 1)
                expect_true("count", false);
        if (f)
                (void)pclose(f);
        return n;
}

static void test_file(void) {
        _cleanup_(closep) int old = -1;
        struct stat st;

        expect_int("a new file", put_text("f/one", "first", 0640), 0);
        expect_str("its content", content("f/one"), "first");
        expect_int("fstatat", fstatat(root_fd, "f/one", &st, 0), 0);
        expect_int("its mode", st.st_mode & 07777, 0640);
        expect_int("its time", st.st_mtim.tv_sec, 1000000000);
        expect_int("to the nanosecond", st.st_mtim.tv_nsec, 123456789);
        old = openat(root_fd, "f/one", O_RDONLY | O_CLOEXEC);
        expect_int("over one that is there", put_text("f/one", "second", 0600), 0);
        expect_str("it is replaced", content("f/one"), "second");
        expect_true("whoever had the old one open still has it whole",
                    fstat(old, &st) == 0 && st.st_size == 5 && st.st_nlink == 0);
        expect_int("nothing else is left there", count_entries("f"), 1);
        expect_int("a directory in its place", mkdirat(root_fd, "f/dir", 0755), 0);
        expect_int("is not replaced", put_text("f/dir", "x", 0600), -EISDIR);
        expect_int("and nothing is left there either", count_entries("f"), 2);
}

static void test_later(void) {
        PutSync sync = { 0 };

        later = &sync;
        expect_int("a file that is flushed later", put_text("s/one", "first", 0640), 0);
        expect_int("another on the same file system", put_text("s/below/two", "second", 0640), 0);
        expect_int("one that replaces another", put_text("s/one", "third", 0640), 0);
        expect_str("they are there", content("s/one"), "third");
        expect_int("one file system is to be flushed", (int64_t)sync.n, 1);
        expect_int("which works", put_sync(&sync), 0);
        expect_int("and is done once", (int64_t)sync.n, 0);
        expect_int("nothing to flush", put_sync(&sync), 0);
        sync.n = PUT_SYNC_MAX;
        memset(sync.fds, -1, sizeof(sync.fds));
        memset(sync.devices, 0, sizeof(sync.devices));
        expect_int("too many file systems: at once", put_text("s/three", "x", 0640), 0);
        expect_int("none is added", (int64_t)sync.n, PUT_SYNC_MAX);
        expect_int("one that cannot be flushed is told", put_sync(&sync), -EBADF);
        later = NULL;
}

static void test_links(void) {
        expect_int("a place outside", mkdirat(root_fd, "outside", 0755), 0);
        expect_int("a link to it", symlinkat("outside", root_fd, "way"), 0);
        expect_int("no way through a link", put_text("way/file", "x", 0600), -ELOOP);
        expect_int("no directory through a link", put_directory(root_fd, "way/new/dir", &(FileMeta){ 0 }),
                   -ELOOP);
        expect_int("outside stays empty", count_entries("outside"), 0);
        expect_int("no way up", put_text("f/../../up", "x", 0600), -EINVAL);
        expect_int("no absolute path", put_text("/f/abs", "x", 0600), -EINVAL);
        expect_int("no root", put_text("", "x", 0600), -EINVAL);
        expect_int("a link in its place", symlinkat("../outside/target", root_fd, "f/link"), 0);
        expect_int("is replaced, not followed", put_text("f/link", "here", 0600), 0);
        expect_str("by the file", content("f/link"), "here");
        expect_int("outside is empty still", count_entries("outside"), 0);
}

static void test_others(void) {
        FileMeta meta = {
                .mode = S_IFDIR | 0751, .uid = geteuid(), .gid = getegid(), .mtime_nsec = -1500000000
        };
        struct stat st;
        char target[64] = "";

        expect_int("a directory", put_directory(root_fd, "d/new", &meta), 0);
        expect_int("  stat", fstatat(root_fd, "d/new", &st, 0), 0);
        expect_int("its mode", st.st_mode, S_IFDIR | 0751);
        expect_int("a time before 1970", st.st_mtim.tv_sec, -2);
        expect_int("  nanoseconds", st.st_mtim.tv_nsec, 500000000);
        expect_int("again", put_directory(root_fd, "d/new", &meta), 0);
        expect_int("the root",
                   put_directory(root_fd, "",
                                 &(FileMeta){ .mode = S_IFDIR | 0755, .uid = geteuid(), .gid = getegid() }),
                   0);
        meta.mode = S_IFLNK | 0777;
        expect_int("a link", put_symlink(root_fd, "d/link", "../anywhere", &meta), 0);
        expect_int("a link over a link", put_symlink(root_fd, "d/link", "/else", &meta), 0);
        expect_true("its target", readlinkat(root_fd, "d/link", target, sizeof(target) - 1) == 5);
        expect_str("is the new one", target, "/else");
        meta.mode = S_IFIFO | 0622;
        expect_int("a FIFO", put_special(root_fd, "d/fifo", &meta), 0);
        expect_int("  stat", fstatat(root_fd, "d/fifo", &st, 0), 0);
        expect_int("is one, whatever the umask", st.st_mode, S_IFIFO | 0622);
        meta.mode = S_IFREG | 0600;
        expect_int("what is no node", put_special(root_fd, "d/file", &meta), -EINVAL);
        expect_int("nothing else is there", count_entries("d"), 3);
}

static void test_meta(void) {
        _cleanup_(closep) int from = source("x"), to = source("y");
        _cleanup_meta_ FileMeta meta = { 0 };
        char value[64] = "";
        struct stat st;

        if (fsetxattr(from, "user.colour", "gr\0en", 5, 0) < 0 && errno == EOPNOTSUPP) {
                printf("# no extended attributes in %s\n", scratch);
                return;
        }
        expect_int("chmod", fchmod(from, 0604), 0);
        expect_int("read", meta_from_fd(from, &meta), 0);
        expect_int("apply", meta_apply(to, &meta), 0);
        expect_int("an extended attribute", fgetxattr(to, "user.colour", value, sizeof(value)), 5);
        expect_true("with all its bytes", memcmp(value, "gr\0en", 5) == 0);
        expect_true("the mode", fstat(to, &st) == 0 && (st.st_mode & 07777) == 0604);
}

static void test_content(void) {
        _cleanup_(closep) int from = source("begin"), to = source(""), empty = source("");
        struct stat st;
        int reading;

        expect_int("a hole", ftruncate(from, 8 << 20), 0);
        expect_int("an end", pwrite(from, "end", 3, (8 << 20) - 3), 3);
        expect_int("a file with a hole", copy_content(from, to, &reading), 8 << 20);
        expect_true("keeps it", fstat(to, &st) == 0 && st.st_blocks < 2048 && st.st_size == 8 << 20);
        expect_int("an empty one", copy_content(empty, empty, &reading), 0);
        expect_int("a range behind the end", copy_range(from, (8 << 20) - 3, 4, to, 0, &reading), -ENODATA);
        expect_int("is the source's fault", reading, 1);
        expect_int("a range that overflows", copy_range(from, UINT64_MAX, 4, to, 0, &reading), -EOVERFLOW);
}

static void test_ranges(void) {
        static const PutRange ranges[] = { { 0, 2 }, { 6, 3 } };
        static const uint64_t packed[] = { 0, 2 };
        _cleanup_(closep) int from = source("ABCDEFGHIJ"), short_one = source("XYZZY");

        expect_int("a file", put_text("r/file", "0123456789", 0644), 0);
        expect_int("two parts", put_ranges(root_fd, "r/file", from, ranges, NULL, 2), 0);
        expect_str("are written, the rest stays", content("r/file"), "AB2345GHI9");
        expect_int("packed ones", put_ranges(root_fd, "r/file", short_one, ranges, packed, 2), 0);
        expect_str("go where they belong", content("r/file"), "XY2345ZZY9");
        expect_int("a source that is too short", put_ranges(root_fd, "r/file", short_one, ranges, NULL, 2),
                   -ENODATA);
        expect_int("a file that is not there", put_ranges(root_fd, "r/none", from, ranges, NULL, 2),
                   -ENOENT);
        expect_int("a link", symlinkat("file", root_fd, "r/link"), 0);
        expect_int("is not followed", put_ranges(root_fd, "r/link", from, ranges, NULL, 2), -ELOOP);
        expect_int("a directory", put_ranges(root_fd, "r", from, ranges, NULL, 2), -EISDIR);
}

static void examine(const char *label, const char *path, bool exists, bool replaceable, const char *reason) {
        PutFacts facts = { 0 };

        printf("# %s\n", label);
        expect_int("  examined", put_examine(root_fd, path, &facts), 0);
        expect_int("  exists", facts.exists, exists);
        expect_int("  can be replaced", facts.replaceable, replaceable);
        if (!expect_true_at(__FILE__, __LINE__, "  why not", strstr(facts.reason, reason) != NULL))
                printf("# %s\n", facts.reason);
}

static void test_examine(void) {
        _cleanup_(closep) int reader = -1, writer = -1;

        (void)put_text("e/file", "x", 0644);
        examine("a file", "e/file", true, true, "");
        examine("nothing", "e/none", false, true, "");
        examine("nothing, and no directory", "e/x/y/none", false, true, "");
        examine("a directory", "e", true, false, "a directory");
        examine("a file on the way", "e/file/x", false, false, "cannot be reached");
        examine("a link on the way", "way/x", false, false, "cannot be reached");
        (void)symlinkat("nowhere", root_fd, "e/link");
        examine("a link", "e/link", true, true, "");
        reader = openat(root_fd, "e/file", O_RDONLY | O_CLOEXEC);
        examine("somebody reads it", "e/file", true, true, "");
        writer = openat(root_fd, "e/file", O_WRONLY | O_CLOEXEC);
        examine("somebody has it open for writing", "e/file", true, false, "open for writing");
        (void)close(TAKE_FD(writer));
        examine("no more", "e/file", true, true, "");
        if (geteuid() != 0) {
                (void)fchmodat(root_fd, "e", 0555, 0);
                examine("a directory that is read-only", "e/file", true, false, "cannot be written to");
                examine("nothing there", "e/none", false, false, "cannot be written to");
                (void)fchmodat(root_fd, "e", 0755, 0);
        }
}

static void test_beneath(void) {
        static const struct {
                const char *path;
                bool valid;
        } paths[] = {
                { "", true },       { "a", true },     { "a/b", true },  { "a/..b", true },
                { "...", true },    { "/", false },    { "/a", false },  { "a/", false },
                { "a//b", false },  { ".", false },    { "..", false },  { "a/../b", false },
                { "a/./b", false }, { "a/..", false }, { "./a", false },
        };

        FOREACH_ELEMENT (p, paths)
                expect_int(*p->path ? p->path : "(empty)", beneath_is_valid(p->path), p->valid);
        expect_int("the kernel keeps us inside", beneath_open(root_fd, "../x", O_RDONLY, 0, 0), -EXDEV);
        expect_int("an absolute path is outside", beneath_open(root_fd, "/etc", O_RDONLY, 0, 0), -EXDEV);
}

int main(void) {
        char command[64];

        (void)umask(077);
        if (!mkdtemp(scratch) || (root_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
                expect_true("a directory to work in", false);
                return test_end();
        }
        test_beneath();
        test_file();
        test_later();
        test_links();
        test_others();
        test_meta();
        test_content();
        test_ranges();
        test_examine();
        (void)close(root_fd);
        (void)snprintf(command, sizeof(command), "rm -rf %s", scratch);
        expect_int("clean up", system(command), 0);
        return test_end();
}
