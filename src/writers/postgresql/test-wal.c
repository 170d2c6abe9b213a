/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Segments of the log: all or none are copied, and nothing outside of the copy is written to
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/test.h"
#include "writers/common/fake-call.h"
#include "writers/postgresql/hold.h"

#define SEGMENT_SIZE (UINT64_C(1) << 20)

static char root[] = "/tmp/vss-test-postgresql-XXXXXX", from[64], to[64];

static const char *path_of(const char *directory, const char *name) {
        static char path[2][200];
        static unsigned i;

        i ^= 1;
        (void)snprintf(path[i], sizeof(path[i]), "%s/%s", directory, name);
        return path[i];
}

static void make_segment(uint64_t number, off_t size) {
        char name[SEGMENT_NAME_SIZE];
        _cleanup_(closep) int fd = -1;

        segment_name(1, number, SEGMENT_SIZE, name);
        fd = open(path_of(from, name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || ftruncate(fd, size) < 0 || pwrite(fd, name, sizeof(name), 0) < 0)
                abort();
}

static off_t size_of(const char *directory, uint64_t number) {
        char name[SEGMENT_NAME_SIZE];
        struct stat st;

        segment_name(1, number, SEGMENT_SIZE, name);
        return lstat(path_of(directory, name), &st) < 0 ? -1 : st.st_size;
}

static void test_segments(void) {
        char name[SEGMENT_NAME_SIZE] = "";

        for (uint64_t i = 3; i <= 5; i++)
                make_segment(i, (off_t)SEGMENT_SIZE);
        expect_int("all are there", wal_check(from, 1, (SegmentRange){ 3, 5 }, SEGMENT_SIZE, name), 0);
        expect_int("all are copied", wal_copy(from, to, 1, (SegmentRange){ 3, 5 }, SEGMENT_SIZE, name), 0);
        expect_int("the last one, too", size_of(to, 5), (off_t)SEGMENT_SIZE);
        expect_int("one that was recycled",
                   wal_copy(from, to, 1, (SegmentRange){ 5, 6 }, SEGMENT_SIZE, name), -ENODATA);
        expect_str("is named", name, "000000010000000000000006");
        expect_int("it is missed", wal_check(from, 1, (SegmentRange){ 3, 6 }, SEGMENT_SIZE, name), -ENODATA);
        make_segment(6, 4096);
        expect_int("one that is not whole, too",
                   wal_check(from, 1, (SegmentRange){ 6, 6 }, SEGMENT_SIZE, name), -ENODATA);
}

/* The disk is full in the middle of one: as far as a test can do that everywhere. */
static void test_full(void) {
        struct rlimit before, limit;
        char name[SEGMENT_NAME_SIZE] = "";

        (void)signal(SIGXFSZ, SIG_IGN);
        if (getrlimit(RLIMIT_FSIZE, &before) < 0)
                abort();
        limit = (struct rlimit){ .rlim_cur = SEGMENT_SIZE / 2, .rlim_max = before.rlim_max };
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        expect_int("no room", wal_copy(from, to, 1, (SegmentRange){ 4, 4 }, SEGMENT_SIZE, name), -EFBIG);
        (void)setrlimit(RLIMIT_FSIZE, &before);
        expect_str("which one is told", name, "000000010000000000000004");
        expect_int("half of one is none", size_of(to, 4), -1);
}

static void test_links(void) {
        char outside[200], text[64] = "";

        (void)snprintf(outside, sizeof(outside), "%s", path_of(root, "outside"));
        expect_int("a text", write_text(root, "outside", "as it was"), 0);
        if (symlink(outside, path_of(to, "backup_label")) < 0)
                abort();
        expect_int("in the place of a link", write_text(to, "backup_label", "LABEL"), 0);
        expect_int("is read", read_text(to, "backup_label", text, sizeof(text)), 0);
        expect_str("there", text, "LABEL");
        expect_int("and where it led", read_text(root, "outside", text, sizeof(text)), 0);
        expect_str("nothing was changed", text, "as it was");
        expect_int("a file that stands still",
                   copy_steady(outside, path_of(to, "pg_control"), now_usec() + USEC_PER_SEC), 0);
        expect_int("one that is not there", copy_steady("/nonexistent", path_of(to, "x"), now_usec()),
                   -ENOENT);
}

static void test_places(void) {
        vss_writer_call call = { .volumes = { "/srv", "/srv/wal" },
                                 .n_volumes = 2,
                                 .snapshot = "/proc/self/fd/7" };
        char path[200] = "", want[200];

        expect_int("a place in a copy", copy_path(&call, "/srv/wal/x", path, sizeof(path)), 0);
        (void)snprintf(want, sizeof(want), "/proc/%d/fd/7/srv/wal/x", (int)getpid());
        expect_str("of the nearest volume, for others to see, too", path, want);
        expect_int("one of no volume", copy_path(&call, "/other", path, sizeof(path)), -ENOENT);
        expect_int("one whose name begins so", copy_path(&call, "/srvx", path, sizeof(path)), -ENOENT);
        expect_int("no room for it", copy_path(&call, "/srv/x", path, 8), -ENAMETOOLONG);
}

int main(void) {
        char command[200];

        if (!mkdtemp(root))
                return 1;
        (void)snprintf(from, sizeof(from), "%s/from", root);
        (void)snprintf(to, sizeof(to), "%s/to", root);
        if (mkdir(from, 0700) < 0 || mkdir(to, 0700) < 0)
                return 1;
        test_segments();
        test_full();
        test_links();
        test_places();
        (void)snprintf(command, sizeof(command), "rm -rf %s", root);
        expect_int("it is cleaned up", system(command), 0);
        return test_end();
}
