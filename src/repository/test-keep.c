/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which points are kept, and whose locks stand
 */

#include "repository/keep.h"
#include "repository/lock.h"
#include "util/test.h"

#define DAY 86400
#define N 400u

/* One point each six hours, the newest first: which are kept, as their numbers. */
static void expect_kept(const char *label, const KeepRules *rules, const size_t *want, size_t n_want) {
        static Snapshot points[N];
        const Snapshot *list[N];
        bool keep[N];
        size_t n = 0;
        bool same = true;

        for (size_t i = 0; i < N; i++) {
                /* From a Wednesday, 2023-11-15 22:00. */
                points[i].time.tv_sec = 1700085600 - (time_t)i * DAY / 4;
                points[i].hostname = "h";
                list[i] = &points[i];
        }
        keep_apply(rules, list, N, keep);
        for (size_t i = 0; i < N; i++)
                if (keep[i]) {
                        same &= n < n_want && want[n] == i;
                        n++;
                }
        expect_true(label, same && n == n_want);
}

static void test_rules(void) {
        expect_kept("the last", &(KeepRules){ .last = 3 }, (const size_t[]){ 0, 1, 2 }, 3);
        expect_kept("daily", &(KeepRules){ .daily = 3 }, (const size_t[]){ 0, 4, 8 }, 3);
        /* Sunday 22:00 is three days before. */
        expect_kept("weekly", &(KeepRules){ .weekly = 3 }, (const size_t[]){ 0, 12, 40 }, 3);
        /* October 31st is 15 days before, September 30th 46. */
        expect_kept("monthly", &(KeepRules){ .monthly = 3 }, (const size_t[]){ 0, 60, 184 }, 3);
        expect_kept("yearly", &(KeepRules){ .yearly = 5 }, (const size_t[]){ 0 }, 1);
        expect_kept("hourly, which is all", &(KeepRules){ .hourly = 2 }, (const size_t[]){ 0, 1 }, 2);
        expect_kept("within a day", &(KeepRules){ .within_days = 1 }, (const size_t[]){ 0, 1, 2, 3 }, 4);
        expect_kept("any rule", &(KeepRules){ .last = 2, .daily = 2 }, (const size_t[]){ 0, 1, 4 }, 3);
        expect_true("no rule is none",
                    keep_is_empty(&(KeepRules){}) && !keep_is_empty(&(KeepRules){ .within_hours = 1 }));
}

static void test_within(void) {
        KeepRules rules = {};

        expect_int("a duration", keep_parse_within("2y5m7d3h", &rules), 0);
        expect_true("of all units", rules.within_years == 2 && rules.within_months == 5 &&
                                            rules.within_days == 7 && rules.within_hours == 3);
        expect_int("without a unit", keep_parse_within("7", &rules), -EINVAL);
        expect_int("without a number", keep_parse_within("d", &rules), -EINVAL);
        expect_int("nothing", keep_parse_within("", &rules), -EINVAL);
        expect_int("less than nothing", keep_parse_within("-1d", &rules), -EINVAL);
}

static void test_locks(void) {
        const struct timespec now = { 100000, 0 }, boot = { 50000, 0 };
        _cleanup_(arena_clear) Arena arena = {};
        static const char text[] = "{\"time\":\"1970-01-02T03:46:40Z\",\"exclusive\":true,\"hostname\":"
                                   "\"h\",\"username\":\"u\","
                                   "\"pid\":12,\"uid\":3,\"gid\":4}";
        LockInfo info;

        expect_int("a lock is read", lock_decode(text, strlen(text), &arena, &info), 0);
        expect_true("as it is", info.exclusive && info.pid == 12 && info.time.tv_sec == 100000 &&
                                        strcmp(info.hostname, "h") == 0);
        info.pid = (uint64_t)getpid();
        expect_int("a process that lives", lock_judge(&info, "h", &now, &boot), LOCK_HELD);
        info.pid = 0x7ffffff0;
        expect_int("one that does not", lock_judge(&info, "h", &now, &boot), LOCK_DEAD);
        expect_int("of another machine nobody knows", lock_judge(&info, "other", &now, &boot), LOCK_HELD);
        info.time.tv_sec = now.tv_sec - 1801;
        expect_int("but when it was refreshed", lock_judge(&info, "other", &now, &boot), LOCK_FORGOTTEN);
        info.pid = (uint64_t)getpid();
        info.time.tv_sec = boot.tv_sec - 1;
        expect_int("what was before the machine started is gone", lock_judge(&info, "h", &now, &boot),
                   LOCK_DEAD);
}

int main(void) {
        (void)setenv("TZ", "UTC", 1);
        test_rules();
        test_within();
        test_locks();
        return test_end();
}
