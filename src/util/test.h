/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Unit tests: expectations that name what they found, counted as TAP
 *
 * Each expectation is one TAP line under its label; test_end() prints the plan. A failed one does not stop the
 * program, so that a table shows all its wrong rows at once.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned test_n, test_failed;

static inline bool expect_true_at(const char *file, int line, const char *label, bool ok) {
        test_n++;
        if (!ok) {
                test_failed++;
                printf("# %s:%d\n", file, line);
        }
        printf("%s %u - %s\n", ok ? "ok" : "not ok", test_n, label);
        return ok;
}

static inline void expect_int_at(const char *file, int line, const char *label, int64_t got, int64_t want) {
        if (!expect_true_at(file, line, label, got == want))
                printf("# got %" PRId64 ", want %" PRId64 "\n", got, want);
}

static inline void expect_str_at(const char *file, int line, const char *label, const char *got, const char *want) {
        if (!expect_true_at(file, line, label, got == want || (got && want && strcmp(got, want) == 0)))
                printf("# got \"%s\", want \"%s\"\n", got ? got : "(null)", want ? want : "(null)");
}

#define expect_true(label, ok) (void)expect_true_at(__FILE__, __LINE__, label, ok)
#define expect_int(label, got, want) expect_int_at(__FILE__, __LINE__, label, (int64_t)(got), (int64_t)(want))
#define expect_str(label, got, want) expect_str_at(__FILE__, __LINE__, label, got, want)

static inline int test_end(void) {
        printf("1..%u\n", test_n);
        return test_failed ? 1 : 0;
}
