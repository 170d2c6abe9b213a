/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How much there is to be read
 */

#include <fcntl.h>
#include <sys/stat.h>
#include "repository/scan.h"
#include "util/clock.h"
#include "util/test.h"

static char top[] = "/tmp/test-scan-XXXXXX";

static void make_file(int directory, const char *name, off_t size) {
        int fd = openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0 || ftruncate(fd, size) < 0)
                printf("Bail out! %s\n", name);
        (void)close(fd);
}

static void expect_found(const char *label, const ArchiveOptions *options, char *const *left_out, size_t n,
                         uint64_t want_files, uint64_t want_bytes) {
        Scan *scan = scan_start(options, left_out, n);
        uint64_t files = 0, bytes = 0, deadline = now_usec() + 10 * USEC_PER_SEC;
        const struct timespec nap = { 0, 1000000 };

        while (!scan_result(scan, &files, &bytes) && now_usec() < deadline)
                (void)nanosleep(&nap, NULL);
        expect_int(label, files, want_files);
        expect_int(label, bytes, want_bytes);
        free(scan);
}

int main(void) {
        static const char *const excludes[] = { "*.o", NULL };
        uint64_t files, bytes;
        char out[64], *left_out[] = { out };
        ArchivePath paths[] = { { .path = top }, { .path = "/nowhere/at/all" } },
                    below = { .path = "/there", .source = "/a" };
        int fd = mkdtemp(top) ? open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        if (fd < 0 || mkdirat(fd, "a", 0700) < 0 || mkdirat(fd, "b", 0700) < 0 ||
            symlinkat("/", fd, "link") < 0)
                return 1;
        make_file(fd, "one", 1000);
        make_file(fd, "a/two", 200);
        make_file(fd, "a/two.o", 30);
        make_file(fd, "b/three", INT64_C(5) << 30);
        (void)snprintf(out, sizeof(out), "%s/b", top);
        below.source_fd = fd;
        expect_found("all of it", &(ArchiveOptions){ .paths = paths, .n_paths = 2 }, NULL, 0, 4,
                     1230 + (UINT64_C(5) << 30));
        expect_found("without what is left out",
                     &(ArchiveOptions){ .paths = paths, .n_paths = 1, .excludes = excludes }, left_out, 1, 2,
                     1200);
        expect_found("read from elsewhere", &(ArchiveOptions){ .paths = &below, .n_paths = 1 }, NULL, 0, 2,
                     230);
        paths[0].shallow = true;
        expect_found("a directory itself", &(ArchiveOptions){ .paths = paths, .n_paths = 1 }, NULL, 0, 0, 0);
        expect_true("no scan has no result", !scan_result(NULL, &files, &bytes));
        (void)unlinkat(fd, "one", 0);
        (void)unlinkat(fd, "a/two", 0);
        (void)unlinkat(fd, "a/two.o", 0);
        (void)unlinkat(fd, "b/three", 0);
        (void)unlinkat(fd, "link", 0);
        (void)unlinkat(fd, "a", AT_REMOVEDIR);
        (void)unlinkat(fd, "b", AT_REMOVEDIR);
        (void)close(fd);
        (void)rmdir(top);
        return test_end();
}
