/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of where declared paths lie now
 */

#include "files/locate.h"
#include "util/macro.h"
#include "util/test.h"

static void test_resolve(void) {
        _cleanup_(freep) char *a = NULL, *b = NULL, *c = NULL, *d = NULL;

        (void)setenv("TEST_LOCATE", "/proc/self", 1);
        a = locate_resolve("/none/../x");
        expect_true("no way up", !a);
        b = locate_resolve("$TEST_LOCATE/none/deeper");
        expect_true("variables and links are resolved, the rest stays",
                    b && strncmp(b, "/proc/", 6) == 0 && !strstr(b, "self") && strstr(b, "/none/deeper"));
        c = locate_resolve("/");
        expect_str("the root", c, "/");
        d = locate_resolve("$NO_SUCH_VARIABLE/x");
        expect_true("a variable that is not set is no directory", !d);
}

static void test_judged(void) {
        _cleanup_(freep) char *a = NULL, *b = NULL, *c = NULL;
        char real[64];

        (void)snprintf(real, sizeof(real), "/proc/%d", (int)getpid());
        a = locate_judged("/proc/self/none", "/sys");
        expect_true("a path that leads elsewhere now", !a);
        b = locate_judged("/proc/self/none", real);
        expect_true("one that still leads there, and is not there yet",
                    b && strncmp(b, real, strlen(real)) == 0);
        c = locate_judged("/proc/self/none", "");
        expect_true("one that nobody has judged", c != NULL);
}

static void test_mount_points(void) {
        char **points = NULL;
        bool found = false;

        expect_int("mount points", locate_mount_points("/", "a/b", &points), 0);
        for (char **p = points; p && *p; p++)
                found = found || strcmp(*p, "a/b/proc") == 0;
        expect_true("/proc is one", found);
        locate_free(points);
        expect_int("below one of them", locate_mount_points("/proc", "", &points), 0);
        found = false;
        for (char **p = points; p && *p; p++)
                found = found || **p == '/' || !**p || strcmp(*p, "proc") == 0;
        expect_true("paths are relative to it", !found);
        locate_free(points);
}

int main(void) {
        _cleanup_(freep) char *joined = NULL, *root = NULL, *same = NULL, *nearest = NULL, *top = NULL;

        test_resolve();
        test_judged();
        test_mount_points();
        nearest = locate_nearest("/proc/none/deeper/x");
        expect_str("what is nearest", nearest, "/proc");
        top = locate_nearest("/none");
        expect_str("at the top", top, "/");
        expect_int("join", locate_join("/a", "b/c", &joined), 0);
        expect_str("  joined", joined, "/a/b/c");
        expect_int("join with the root", locate_join("/", "b", &root), 0);
        expect_str("  joined", root, "/b");
        expect_int("join with nothing", locate_join("/a/", "", &same), 0);
        expect_str("  joined", same, "/a");
        return test_end();
}
