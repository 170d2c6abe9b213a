/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of walking file sets: what is found, what is not crossed, what is told instead of found
 */

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "files/walk.h"
#include "util/macro.h"
#include "util/test.h"

static char scratch[] = "/tmp/test-walk-XXXXXX";
static int root_fd = -1;
static char found[16384];
static size_t n_found;
static unsigned stop_after;
static const char *pruned;

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines, so that they can be sorted: a directory has no order. */
static char *lines[512];

static int note_entry(void *userdata, const WalkEntry *entry) {
        static const char letters[] = "fdlsm!";
        char line[6000];

        if (entry->kind == WALK_ERROR)
                (void)snprintf(line, sizeof(line), "!%s:%s", entry->path, strerror(-entry->error));
        else
                (void)snprintf(line, sizeof(line), "%c%s", letters[entry->kind], entry->path);
        if (n_found < ELEMENTS(lines))
                lines[n_found++] = strdup(line);
        if (pruned && strcmp(entry->path, pruned) == 0)
                return WALK_PRUNE;
        return stop_after && n_found >= stop_after ? 77 : 0;
}

/* What a set has, sorted, parted by blanks. */
static const char *walked_with(const WalkSet *set, int want) {
        size_t n = 0;

        n_found = 0;
        expect_int("  the walk", walk_files(set, note_entry, NULL), want);
        qsort(lines, n_found, sizeof(*lines), compare);
        found[0] = '\0';
        for (size_t i = 0; i < n_found; i++) {
                n += (size_t)snprintf(found + n, n < sizeof(found) ? sizeof(found) - n : 0, "%s%s",
                                      i ? " " : "", lines[i]);
                free(lines[i]);
        }
        return found;
}

static const char *walked(const char *directory, const char *filespec, bool recursive) {
        return walked_with(&(WalkSet){ .root_fd = root_fd,
                                       .directory = directory,
                                       .filespec = filespec,
                                       .recursive = recursive },
                           0);
}

static void make_directory(const char *path) {
        if (mkdirat(root_fd, path, 0755) < 0)
                expect_true(path, false);
}

static void make_file(const char *path) {
        _cleanup_(closep) int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        if (fd < 0 || write(fd, path, strlen(path)) != (ssize_t)strlen(path))
                expect_true(path, false);
}

static void make_tree(void) {
        make_directory("a");
        make_directory("a/sub");
        make_directory("a/sub/deep");
        make_directory("a/empty");
        make_directory("outside");
        make_file("a/one.db");
        make_file("a/two.log");
        make_file("a/sub/three.db");
        make_file("a/sub/deep/four.db");
        make_file("outside/secret");
        expect_int("a link out", symlinkat("../outside", root_fd, "a/out"), 0);
        expect_int("a link to a file", symlinkat("one.db", root_fd, "a/same.db"), 0);
        expect_int("a link that leads nowhere", symlinkat("/nowhere", root_fd, "a/sub/gone"), 0);
        expect_int("a link far out", symlinkat("/etc", root_fd, "a/etc"), 0);
        expect_int("a FIFO", mkfifoat(root_fd, "a/sub/fifo", 0600), 0);
}

static void test_sets(void) {
        expect_str("a pattern", walked("a", "*.db", false), "fa/one.db la/same.db");
        expect_str("everything here", walked("a", "*", false),
                   "fa/one.db fa/two.log la/etc la/out la/same.db");
        expect_str("everything, below as well", walked("a", "*", true),
                   "da da/empty da/sub da/sub/deep fa/one.db fa/sub/deep/four.db fa/sub/three.db fa/two.log "
                   "la/etc la/out la/same.db la/sub/gone sa/sub/fifo");
        expect_str(
                "a pattern, below as well", walked("a", "*.db", true),
                "da da/empty da/sub da/sub/deep fa/one.db fa/sub/deep/four.db fa/sub/three.db la/same.db");
        expect_str("an exact name", walked("a", "two.log", false), "fa/two.log");
        expect_str("an exact name, below as well", walked("a", "four.db", true),
                   "da da/empty da/sub da/sub/deep fa/sub/deep/four.db");
        expect_str("a pattern that nothing matches", walked("a", "*.none", false), "");
        expect_str("a pattern where no directory is", walked("none", "*", true), "");
        pruned = "a/sub";
        expect_str("a directory that is not to be entered", walked("a", "*", true),
                   "da da/empty da/sub fa/one.db fa/two.log la/etc la/out la/same.db");
        pruned = "a";
        expect_str("nor that of the set", walked("a", "*", true), "da");
        pruned = NULL;
        expect_str("an empty directory is part of it", walked("a/empty", "*", true), "da/empty");
}

static void test_errors(void) {
        expect_str("an exact name must exist", walked("a", "none.db", false),
                   "!a/none.db:No such file or directory");
        expect_str("below as well", walked("a/sub/deep", "none", true),
                   "!a/sub/deep/none:No such file or directory da/sub/deep");
        expect_str("also where no directory is", walked("none", "x", true),
                   "!none/x:No such file or directory");
        expect_str("an exact name that is a directory", walked("a", "sub", false), "!a/sub:Is a directory");
        expect_str("a link on the way", walked("a/out", "*", true),
                   "!a/out:Too many levels of symbolic links");
        expect_str("further up, too", walked("a/out/x", "secret", false),
                   "!a/out/x:Too many levels of symbolic links");
        expect_str("a file where a directory should be", walked("a/one.db", "*", false),
                   "!a/one.db:Not a directory");
        walked_with(&(WalkSet){ .root_fd = root_fd, .directory = "../etc", .filespec = "*" }, -EINVAL);
        walked_with(&(WalkSet){ .root_fd = root_fd, .directory = "/etc", .filespec = "*" }, -EINVAL);
        walked_with(&(WalkSet){ .root_fd = root_fd, .directory = "a/", .filespec = "*" }, -EINVAL);
        walked_with(&(WalkSet){ .root_fd = root_fd, .directory = "a", .filespec = "../x" }, -EINVAL);
        walked_with(&(WalkSet){ .root_fd = root_fd, .directory = "a", .filespec = "" }, -EINVAL);
        walked_with(&(WalkSet){ .root_fd = root_fd,
                                .directory = "a",
                                .filespec = "*",
                                .recursive = true,
                                .entries_max = 3 },
                    -E2BIG);
        stop_after = 2;
        walked_with(&(WalkSet){ .root_fd = root_fd, .directory = "a", .filespec = "*", .recursive = true },
                    77);
        expect_int("a handler that has enough is not asked again", (int64_t)n_found, 2);
        stop_after = 0;
}

static void test_mount_points(void) {
        static const char *const mounts[] = { "a/sub", "a/one.db", NULL };
        WalkSet set = { .root_fd = root_fd,
                        .directory = "a",
                        .filespec = "*",
                        .recursive = true,
                        .mount_points = mounts };

        expect_str("a mount point is told, and not crossed", walked_with(&set, 0),
                   "da da/empty fa/two.log la/etc la/out la/same.db ma/one.db ma/sub");
        set.directory = "a/sub/deep";
        expect_str("what lies beyond one is not here", walked_with(&set, 0),
                   "!a/sub/deep:Invalid cross-device link");
        set.directory = "a/sub";
        expect_str("nor is the mount point itself", walked_with(&set, 0),
                   "!a/sub:Invalid cross-device link");
}

static void test_hostile(void) {
        _cleanup_(freep) char *deep = calloc(1, 4096);
        int fd = -1;

        make_directory("h");
        make_file("h/new\nline");
        make_file("h/\xff\xfe not UTF-8");
        make_file("h/-rf *");
        make_file("h/'; rm -rf $HOME `id`");
        expect_str("names are bytes", walked("h", "*", false),
                   "fh/'; rm -rf $HOME `id` fh/-rf * fh/new\nline fh/\xff\xfe not UTF-8");
        make_file("h/[ab]");
        make_file("h/a");
        expect_str("brackets are themselves", walked("h", "[ab]", false), "fh/[ab]");

        /* 60 names of 120 characters: more than a path can be, and well below the limit of depth. */
        memset(deep, 'x', 120);
        fd = openat(root_fd, "h", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (unsigned i = 0; i < 60; i++) {
                int next;

                (void)mkdirat(fd, deep, 0755);
                next = openat(fd, deep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                (void)close(fd);
                fd = next;
        }
        (void)close(fd);
        expect_true("a path that is too long is told",
                    strstr(walked("h", "none*", true), ":File name too long"));

        make_directory("d");
        fd = openat(root_fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (unsigned i = 0; i < WALK_DEPTH_MAX + 3; i++) {
                int next;

                (void)mkdirat(fd, "d", 0755);
                next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                (void)close(fd);
                fd = next;
        }
        (void)close(fd);
        expect_true("a tree that is too deep is told",
                    strstr(walked("d", "*", true), ":File name too long"));
        expect_int("once", (int64_t)n_found, WALK_DEPTH_MAX + 2);
}

static int open_it(void *userdata, const WalkEntry *entry) {
        char **text = userdata, content[64] = "";
        int fd;

        if (entry->kind == WALK_SYMLINK)
                return walk_read_link(entry, text);
        if (entry->kind != WALK_FILE)
                return 0;
        /* Another one takes its place between the walk and the opening. */
        if (strcmp(entry->path, "o/swapped") == 0) {
                /* It stays under another name, so that no other one gets its inode. */
                (void)linkat(entry->directory_fd, entry->name, entry->directory_fd, "kept", 0);
                (void)unlinkat(entry->directory_fd, entry->name, 0);
                (void)symlinkat("/etc/passwd", entry->directory_fd, entry->name);
                expect_int("a link in its place is not followed", walk_open(entry), -ELOOP);
                (void)unlinkat(entry->directory_fd, entry->name, 0);
                make_file("o/swapped");
                expect_int("another file in its place is not taken for it", walk_open(entry), -ESTALE);
                return 0;
        }
        fd = walk_open(entry);
        expect_true("it can be opened", fd >= 0);
        expect_true("and read", read(fd, content, sizeof(content) - 1) > 0);
        expect_str("it is the one", content, entry->path);
        expect_str("its path below the set", entry->below, "one.db");
        (void)close(fd);
        return 0;
}

static void test_open(void) {
        _cleanup_(freep) char *target = NULL;
        WalkSet set = { .root_fd = root_fd, .directory = "a", .filespec = "one.db" };

        expect_int("an entry", walk_files(&set, open_it, NULL), 0);
        set.filespec = "out";
        expect_int("a link", walk_files(&set, open_it, &target), 0);
        expect_str("its target can be read", target, "../outside");
        make_directory("o");
        make_file("o/swapped");
        set = (WalkSet){ .root_fd = root_fd, .directory = "o", .filespec = "swapped" };
        expect_int("an entry that changes", walk_files(&set, open_it, NULL), 0);
}

int main(void) {
        char command[64];

        if (!mkdtemp(scratch) || (root_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
                expect_true("a directory to work in", false);
                return test_end();
        }
        make_tree();
        test_sets();
        test_errors();
        test_mount_points();
        test_hostile();
        test_open();
        (void)close(root_fd);
        (void)snprintf(command, sizeof(command), "rm -rf %s", scratch);
        expect_int("clean up", system(command), 0);
        return test_end();
}
