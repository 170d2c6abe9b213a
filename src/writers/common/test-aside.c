/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test What Is Put Aside: every point at which a restore can break off
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"
#include "writers/common/aside.h"

#define SOON (now_usec() + 10 * USEC_PER_SEC)

static char directory[] = "/tmp/test-vss-aside-XXXXXX";
static int dir_fd;

static void put(const char *name, const char *text) {
        int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                exit(1);
        (void)close(fd);
}

static const char *get(const char *name) {
        static char text[64];
        int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

        text[MAX(n, 0)] = '\0';
        closep(&fd);
        return n < 0 ? "none" : text;
}

static void make(void) {
        static const char *const all[] = { "a", "sub/b", "sub/deep/c", "kept" };

        (void)mkdirat(dir_fd, "sub", 0700);
        (void)mkdirat(dir_fd, "sub/deep", 0500);
        (void)fchmodat(dir_fd, "sub/deep", 0700, 0);
        FOREACH_ELEMENT (name, all)
                put(*name, "old");
        (void)symlinkat("/etc", dir_fd, "link");
}

static const char *const keep[] = { "kept", NULL };

static void empty(void) {
        AsideInfo info;

        expect_int("dropped", aside_drop(dir_fd, SOON), 0);
        expect_int("nothing is left", aside_look(dir_fd, &info), 0);
        expect_int("all goes", aside_move(dir_fd, "none", NULL, SOON), 0);
        expect_int("and is dropped", aside_drop(dir_fd, SOON), 0);
        expect_int("the directory is empty", rmdir(directory) == 0 && mkdir(directory, 0700) == 0, 1);
        (void)close(dir_fd);
        dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void test_restore(void) {
        AsideInfo info = { 0 };
        char text[512];

        make();
        expect_int("nothing is aside", aside_look(dir_fd, &info), 0);
        expect_int("nothing to be dropped", aside_drop(dir_fd, SOON), 0);
        expect_int("nothing to be put back", aside_put_back(dir_fd, keep, SOON), 0);
        expect_int("a restore begins", aside_move(dir_fd, "session-1", keep, SOON), 0);
        expect_str("what was there is aside", get(ASIDE_NAME "/sub/deep/c"), "old");
        expect_str("and not in its place", get("a"), "none");
        expect_str("what is to stay does", get("kept"), "old");
        expect_true("a link is moved, not followed",
                    faccessat(dir_fd, ASIDE_NAME "/link", F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
                            access("/etc/passwd", F_OK) == 0);
        expect_int("it is told", aside_look(dir_fd, &info), 1);
        expect_str("by whom", info.session, "session-1");
        expect_true("when",
                    info.when_usec > 0 && info.when_usec <= clock_usec(CLOCK_REALTIME) && info.whole);
        expect_true("in words", strstr(aside_text(&info, "/srv/db", text, sizeof(text)),
                                       "/srv/db/.linuxvss-old") != NULL);

        put("a", "half");
        put("new", "half");
        expect_int("it broke off, and another begins", aside_move(dir_fd, "session-2", keep, SOON), 0);
        expect_str("what was put there by the first is gone", get("new"), "none");
        expect_str("what was there before is kept", get(ASIDE_NAME "/a"), "old");
        expect_int("of the first", aside_look(dir_fd, &info) == 1 && strcmp(info.session, "session-1") == 0,
                   1);

        put("a", "new");
        expect_int("it succeeds", aside_drop(dir_fd, SOON), 0);
        expect_str("what it put there stays", get("a"), "new");
        expect_int("nothing is aside", aside_look(dir_fd, &info), 0);
        expect_str("not even in part", get(ASIDE_DROPPED "/a"), "none");
        empty();
}

static void test_nothing_there(void) {
        AsideInfo info = { 0 };

        expect_int("a restore of what is gone", aside_move(dir_fd, "session-1", NULL, SOON), 0);
        expect_int("is told as well", aside_look(dir_fd, &info), 1);
        expect_true("as one that has nothing left to move", info.whole);
        put("a", "half");
        expect_int("it broke off, and another begins", aside_move(dir_fd, "session-2", NULL, SOON), 0);
        expect_str("what was put there by the first is gone", get("a"), "none");
        put("a", "half");
        expect_int("it is taken back", aside_put_back(dir_fd, NULL, SOON), 0);
        expect_str("to nothing", get("a"), "none");
        expect_int("nothing is aside", aside_look(dir_fd, &info), 0);
        empty();
}

static void test_put_back(void) {
        AsideInfo info;

        make();
        expect_int("a restore begins", aside_move(dir_fd, "session-1", keep, SOON), 0);
        put("a", "half");
        put("new", "half");
        expect_int("and is taken back", aside_put_back(dir_fd, keep, SOON), 0);
        expect_str("what was there", get("a"), "old");
        expect_str("all of it", get("sub/deep/c"), "old");
        expect_str("and nothing else", get("new"), "none");
        expect_int("nothing is aside", aside_look(dir_fd, &info), 0);
        empty();
}

/* The first file is moved. */
static void break_off(void) {
        (void)mkdirat(dir_fd, ASIDE_NAME, 0700);
        put(ASIDE_NAME "/.linuxvss-restore", "when-usec=1\nsession=session-1\nstate=apart\n");
        (void)renameat(dir_fd, "a", dir_fd, ASIDE_NAME "/a");
}

/* At any point: it can be gone on with, or taken back. */
static void test_break_off(void) {
        AsideInfo info;

        make();
        expect_int("no time", aside_move(dir_fd, "session-1", keep, 0), -ETIMEDOUT);
        break_off();
        expect_int("it was begun, which is told", aside_look(dir_fd, &info) == 1 && !info.whole, 1);
        expect_int("half of it was moved: back", aside_put_back(dir_fd, keep, SOON), 0);
        expect_str("  all is in its place", get("a"), "old");
        expect_str("  all", get("sub/b"), "old");

        break_off();
        expect_int("half of it was moved: on", aside_move(dir_fd, "session-3", keep, SOON), 0);
        expect_str("  all is aside", get(ASIDE_NAME "/sub/b"), "old");
        expect_str("  all", get(ASIDE_NAME "/a"), "old");
        expect_int("no time to drop it", aside_drop(dir_fd, 0), -ETIMEDOUT);
        expect_int("half of it is dropped", renameat(dir_fd, ASIDE_NAME, dir_fd, ASIDE_DROPPED), 0);
        expect_int("it is no longer what was there before", aside_look(dir_fd, &info), 0);
        expect_int("nothing is put back", aside_put_back(dir_fd, keep, SOON), 0);
        expect_int("and goes with the next", aside_move(dir_fd, "session-4", keep, SOON), 0);
        expect_str("  all of it", get(ASIDE_DROPPED "/a"), "none");
        empty();
}

static void test_strangers(void) {
        make();
        (void)mkdirat(dir_fd, ASIDE_NAME, 0700);
        put(ASIDE_NAME "/precious", "x");
        expect_int("a directory of that name that is not ours", aside_move(dir_fd, "s", keep, SOON),
                   -EEXIST);
        expect_int("is not dropped", aside_drop(dir_fd, SOON), -EEXIST);
        expect_int("nor put back", aside_put_back(dir_fd, keep, SOON), -EEXIST);
        expect_str("and stays as it is", get(ASIDE_NAME "/precious"), "x");
        put(ASIDE_NAME "/.linuxvss-restore", "state=odd\n");
        expect_int("nor with a marker that is none", aside_move(dir_fd, "s", keep, SOON), -EEXIST);
        (void)unlinkat(dir_fd, ASIDE_NAME "/precious", 0);
        (void)unlinkat(dir_fd, ASIDE_NAME "/.linuxvss-restore", 0);
        (void)unlinkat(dir_fd, ASIDE_NAME, AT_REMOVEDIR);
        (void)symlinkat("/etc", dir_fd, ASIDE_NAME);
        expect_int("nor a link", aside_move(dir_fd, "s", keep, SOON), -EEXIST);
        (void)unlinkat(dir_fd, ASIDE_NAME, 0);
        empty();
}

int main(void) {
        if (!mkdtemp(directory))
                return 1;
        dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        test_restore();
        test_nothing_there();
        test_put_back();
        test_break_off();
        test_strangers();
        (void)rmdir(directory);
        return test_end();
}
