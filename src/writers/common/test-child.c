/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Children of a broker: deadlines, ends, and texts for the bus
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "util/test.h"
#include "writers/common/child.h"

static int echo_main(int fd, void *userdata) {
        char buffer[64];
        ssize_t n;

        /* Nothing of the parent's is open here. */
        if (fcntl(CHILD_FD + 1, F_GETFD) >= 0)
                return 9;
        while ((n = child_receive(fd, buffer, sizeof(buffer), UINT64_MAX)) > 0)
                (void)child_send(fd, buffer, (size_t)n);
        return 7;
}

static int deaf_main(int fd, void *userdata) {
        (void)signal(SIGTERM, SIG_IGN);
        for (;;)
                (void)pause();
        return 0;
}

static void test_talk(void) {
        Child child = CHILD_NULL;
        char buffer[64];
        int status;

        expect_int("a child starts", child_start(echo_main, NULL, &child), 0);
        expect_int("a message goes out", child_send(child.fd, "hello", 6), 0);
        expect_int("and comes back",
                   child_receive(child.fd, buffer, sizeof(buffer), now_usec() + USEC_PER_SEC), 6);
        expect_str("unchanged", buffer, "hello");
        expect_int("silence ends at the deadline",
                   child_receive(child.fd, buffer, sizeof(buffer), now_usec() + 10000), -EAGAIN);
        status = child_end(&child, now_usec() + USEC_PER_SEC);
        expect_int("a child ends with its socket", WIFEXITED(status) ? WEXITSTATUS(status) : -1, 7);
        expect_int("and nothing is left of it", child.pid, 0);
}

static void test_kill(void) {
        Child child = CHILD_NULL;
        uint64_t began = now_usec();

        expect_int("a deaf child starts", child_start(deaf_main, NULL, &child), 0);
        expect_int("it is killed at the deadline", child_end(&child, now_usec() + 50000), -ETIMEDOUT);
        expect_true("in time", now_usec() - began < USEC_PER_SEC);
}

static void test_text(void) {
        static const struct {
                const char *label, *text;
                bool clean;
        } table[] = {
                { "plain", "a b", true },
                { "umlaut", "gr\xc3\xbc\xc3\x9f", true },
                { "newline", "a\nb", false },
                { "delete", "a\x7f", false },
                { "cut sequence", "a\xc3", false },
                { "latin-1", "\xfc", false },
                { "overlong", "\xc0\xaf", false },
                { "surrogate", "\xed\xa0\x80", false },
                { "emoji", "\xf0\x9f\x98\x80", true },
                { "beyond Unicode", "\xf4\x90\x80\x80", false },
                { "empty", "", true },
        };

        FOREACH_ELEMENT (row, table)
                expect_int(row->label, text_is_clean(row->text), row->clean);
}

int main(void) {
        test_talk();
        test_kill();
        test_text();
        return test_end();
}
