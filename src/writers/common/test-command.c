/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Programs that are run to their end: status, output, deadline
 */

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include "util/clock.h"
#include "util/test.h"
#include "writers/common/command.h"

static char text[COMMAND_OUTPUT_MAX + 1];

static int run_shell(const char *script, int output_fd, uint64_t usec) {
        const char *const argv[] = { "sh", "-c", script, NULL };

        return command_run(argv, output_fd, now_usec() + usec, text);
}

static void test_status(void) {
        const char *const none[] = { "linuxvss-no-such-program", NULL }, *const nowhere[] = {
                "/nonesuch/program", NULL
        };

        expect_int("its status", run_shell("echo out; echo err >&2; exit 7", -1, 5 * USEC_PER_SEC), 7);
        expect_true("both outputs are kept", strstr(text, "out") && strstr(text, "err"));
        expect_int("a signal", run_shell("kill -TERM $$", -1, 5 * USEC_PER_SEC), 128 + SIGTERM);
        expect_str("nothing is said", text, "");
        expect_int("none of this name", command_run(none, -1, now_usec() + USEC_PER_SEC, text), -ENOENT);
        expect_int("none at this place", command_run(nowhere, -1, now_usec() + USEC_PER_SEC, text), -ENOENT);
        expect_int("a clean environment",
                   run_shell("test -z \"$HOME\" && test \"$LANG\" = C.UTF-8", -1, 5 * USEC_PER_SEC), 0);
}

static void test_deadline(void) {
        uint64_t began = now_usec();

        expect_int("too late", run_shell("echo begun; sleep 60 & sleep 60", -1, 300 * USEC_PER_MSEC),
                   -ETIMEDOUT);
        expect_true("killed", now_usec() - began < 5 * USEC_PER_SEC);
        expect_str("what it said is kept", text, "begun");
}

static void test_output(void) {
        int fd = memfd_create("output", MFD_CLOEXEC);
        char got[16] = "";

        expect_int("to a file", run_shell("echo data; echo problem >&2", fd, 5 * USEC_PER_SEC), 0);
        expect_str("only the other is kept", text, "problem");
        (void)!pread(fd, got, sizeof(got) - 1, 0);
        expect_str("the file has the rest", got, "data\n");
        (void)close(fd);
        expect_int("much output", run_shell("seq 100000", -1, 20 * USEC_PER_SEC), 0);
        expect_true("its end", strlen(text) > 900 && strstr(text, "100000"));
}

int main(void) {
        test_status();
        test_deadline();
        test_output();
        return test_end();
}
