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

#define NOW 100000000
#define NOBODY 0x7ffffff0u

static void expect_state(const char *label, const LockInfo *info, LockState state) {
        static const LockPlace place = { .hostname = "h", .machine = "boot 1" };
        const struct timespec now = { NOW, 0 };

        expect_int(label, lock_judge(info, &place, &now), state);
}

static void test_locks(void) {
        _cleanup_(arena_clear) Arena arena = {};
        static const char text[] = "{\"time\":\"1973-03-03T09:46:40Z\",\"exclusive\":true,\"hostname\":"
                                   "\"h\",\"username\":\"u\","
                                   "\"pid\":12,\"uid\":3,\"gid\":4}";
        LockInfo info;

        expect_int("a lock is read", lock_decode(text, strlen(text), &arena, &info), 0);
        expect_true("as it is", info.exclusive && info.pid == 12 && info.time.tv_sec == NOW &&
                                        strcmp(info.hostname, "h") == 0);
        expect_true("and without a machine", *info.machine == '\0');
        info.pid = (uint64_t)getpid();
        expect_state("a process that lives", &info, LOCK_HELD);
        info.pid = NOBODY;
        expect_state("one that does not", &info, LOCK_DEAD);
        info.hostname = "other";
        expect_state("of another machine nobody knows", &info, LOCK_HELD);
        info.time.tv_sec = NOW - 1801;
        expect_state("but when it was refreshed", &info, LOCK_FORGOTTEN);
        info.time.tv_sec = NOW + 1801;
        expect_state("a clock that is wrong cannot be waited for", &info, LOCK_FORGOTTEN);
}

/* Ours say of which boot they are. */
static void test_machines(void) {
        LockInfo info = {
                .time = { NOW, 0 }, .hostname = "h", .username = "", .machine = "boot 1", .pid = NOBODY
        };

        expect_state("dead in this boot", &info, LOCK_DEAD);
        info.time.tv_sec = NOW + DAY;
        expect_state("also if the clock was set back", &info, LOCK_DEAD);
        info.pid = (uint64_t)getpid();
        expect_state("alive, though the clock was set back", &info, LOCK_FORGOTTEN);
        info.time.tv_sec = NOW - 1000 * DAY;
        expect_state("alive, though the clock was set from the beginning of time to now", &info,
                     LOCK_FORGOTTEN);
        info.machine = "boot 0";
        expect_state("of a boot before, for long", &info, LOCK_DEAD);
        info.hostname = "other";
        expect_state("of another machine, for long", &info, LOCK_FORGOTTEN);
        info.hostname = "h";
        info.time.tv_sec = NOW - 60;
        info.pid = NOBODY;
        expect_state("of another machine with the same name, perhaps", &info, LOCK_HELD);
}

int main(void) {
        (void)setenv("TZ", "UTC", 1);
        test_rules();
        test_within();
        test_locks();
        test_machines();
        return test_end();
}
