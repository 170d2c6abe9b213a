/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test Restores That Did Not Finish: noted, kept, and struck out
 */

#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"
#include "writers/common/unfinished.h"

static char directory[] = "/tmp/test-vss-unfinished-XXXXXX";
static char path[64];

/* "SESSION ran|down" of a component; "" if there is none. */
static const char *of(const char *logical_path, const char *name) {
        static char text[128];
        const Unfinished *found;
        UnfinishedList list;

        text[0] = '\0';
        expect_int("loaded", unfinished_load(path, &list), 0);
        found = unfinished_find(&list, logical_path, name);
        if (found)
                (void)snprintf(text, sizeof(text), "%s %s", found->session, found->ran ? "ran" : "down");
        unfinished_clear(&list);
        return text;
}

static void put(const char *content) {
        FILE *file = fopen(path, "we");

        if (!file || fputs(content, file) < 0 || fclose(file) != 0)
                exit(1);
}

static void test_known(void) {
        expect_str("without a file there is none", of("", "shop"), "");
        expect_int("nor one to be ended", unfinished_end(path, NULL, "", "shop"), 0);
        expect_int("one is begun", unfinished_begin(path, "s1", "", "shop", true), 0);
        expect_int("and another", unfinished_begin(path, "s1", "srv/a b", "x y.db", false), 0);
        expect_str("the one is known", of("", "shop"), "s1 ran");
        expect_str("the other, too", of("srv/a b", "x y.db"), "s1 down");
        expect_str("no part of it is", of("srv/a b", "x"), "");
        expect_int("it is begun again", unfinished_begin(path, "s2", "", "shop", false), 0);
        expect_str("it is still known that it ran", of("", "shop"), "s1 ran");
        expect_int("the second attempt did nothing", unfinished_end(path, "s2", "", "shop"), 0);
        expect_str("which does not end the first", of("", "shop"), "s1 ran");
        expect_int("a restore succeeds", unfinished_end(path, NULL, "", "shop"), 0);
        expect_str("it is over", of("", "shop"), "");
        expect_str("and nothing else", of("srv/a b", "x y.db"), "s1 down");
        expect_int("that one was touched by nobody", unfinished_end(path, "s1", "srv/a b", "x y.db"), 0);
        expect_str("and is over, too", of("srv/a b", "x y.db"), "");
        expect_int("without a path nothing is noted", unfinished_begin(NULL, "s1", "", "shop", true), 0);
}

static void test_hostile(void) {
        Unfinished unfinished = { .when_usec = 1700000000 * USEC_PER_SEC };
        char text[512];

        expect_int("a name of two lines", unfinished_begin(path, "s1", "", "a\n1 s ran b", true), -EINVAL);
        put("\n1\n1 s\n1 s ran\n1 s maybe shop\nx s ran shop\n1 s ran \x01shop\n2 s down good\n3 s ran cut");
        expect_str("lines that are none are passed over", of("", "shop"), "");
        expect_int("a good one stays one", unfinished_begin(path, "s9", "", "shop", true), 0);
        expect_str("beside a new one", of("", "shop"), "s9 ran");
        expect_true("in words",
                    strstr(unfinished_text(&unfinished, path, text, sizeof(text)),
                           "begun 2023-11-14 22:13:20 UTC, did not finish: restore it again") != NULL);
        expect_int("it is removed", unlink(path), 0);
        expect_int("a directory in its place", mkdir(path, 0700), 0);
        expect_true("is told", unfinished_begin(path, "s1", "", "shop", true) < 0);
        expect_int("and gone", rmdir(path), 0);
}

int main(void) {
        if (!mkdtemp(directory))
                return 1;
        (void)snprintf(path, sizeof(path), "%s/sub/restores", directory);
        test_known();
        test_hostile();
        (void)snprintf(path, sizeof(path), "%s/sub/restores.new", directory);
        (void)unlink(path);
        (void)snprintf(path, sizeof(path), "%s/sub", directory);
        (void)rmdir(path);
        (void)rmdir(directory);
        return test_end();
}
