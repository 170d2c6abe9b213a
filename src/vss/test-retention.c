/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: which points are meant, and which are forgotten
 */

#include "util/test.h"
#include "vss/retention.h"

#define TAGS_MAX 4u
#define POINTS_MAX 8u

/* Points as tests write them: the id is one digit, repeated. */
typedef struct Row {
        char digit;
        const char *host, *path, *tags[TAGS_MAX];
} Row;

#define ID(digit) #digit #digit #digit #digit #digit #digit #digit #digit
#define ID64(digit) ID(digit) ID(digit) ID(digit) ID(digit) ID(digit) ID(digit) ID(digit) ID(digit)

#define AHEAD '9' /* the digit of one of a time that is not yet */

/* One a day. */
static void fill(const Row *rows, size_t n, Snapshot *points) {
        for (size_t i = 0; i < n; i++) {
                Snapshot *point = &points[i];

                *point = (Snapshot){ .time = { 1700000000 + (time_t)i * 86400, 0 },
                                     .hostname = rows[i].host };
                if (rows[i].digit == AHEAD)
                        point->time.tv_sec = time(NULL) + 86400;
                memset(&point->id, (rows[i].digit - '0') * 0x11, sizeof(point->id));
                (void)snapshot_add_string(point, &point->paths, rows[i].path);
                for (size_t j = 0; j < TAGS_MAX && rows[i].tags[j]; j++)
                        (void)snapshot_add_string(point, &point->tags, rows[i].tags[j]);
        }
}

/* The digits of those that stay. */
static void expect_kept(const char *label, const Retention *retention, const Row *rows, size_t n,
                        const char *want) {
        Snapshot items[POINTS_MAX];
        SnapshotList points = { .items = items, .n = n };
        Decision decisions[POINTS_MAX];
        char kept[POINTS_MAX + 1] = "";
        size_t k = 0;

        fill(rows, n, items);
        expect_int(label, retention_choose(retention, &points, decisions), 0);
        for (size_t i = 0; i < n; i++)
                if (!decisions[i].forget)
                        kept[k++] = rows[i].digit;
        expect_str(label, kept, want);
        for (size_t i = 0; i < n; i++)
                snapshot_clear(&items[i]);
}

static void test_groups(void) {
        static const Row rows[] = {
                { '1', "a", "/x", { "old" } },       { '2', "a", "/x", { "vss-task:t" } },
                { '3', "b", "/x", { "old" } },       { '4', "b", "/y", { "vss-task:t", "vss-type:full" } },
                { '5', "a", "/x", { "vss-set:u" } },
        };
        const size_t n = ELEMENTS(rows);
        unsigned groups = 0;

        expect_kept("by machine and paths",
                    &(Retention){ .rules = { .last = 1 }, .group_by = GROUP_DEFAULT }, rows, n, "345");
        expect_kept("by machine", &(Retention){ .rules = { .last = 1 }, .group_by = GROUP_HOST }, rows, n,
                    "45");
        expect_kept("by paths", &(Retention){ .rules = { .last = 1 }, .group_by = GROUP_PATHS }, rows, n,
                    "45");
        expect_kept("by tags, of which those of a set do not count",
                    &(Retention){ .rules = { .last = 1 }, .group_by = GROUP_TAGS }, rows, n, "2345");
        expect_kept("all together", &(Retention){ .rules = { .last = 1 } }, rows, n, "5");
        expect_kept("of one task", &(Retention){ .rules = { .last = 1 }, .filter = { .task = "t" } }, rows,
                    n, "1345");
        expect_kept("of one machine", &(Retention){ .rules = { .last = 1 }, .filter = { .host = "a" } },
                    rows, n, "345");
        expect_kept("of one type", &(Retention){ .rules = { .daily = 1 }, .filter = { .type = "FULL" } },
                    rows, n, "12345");
        expect_kept("one that is protected", &(Retention){ .rules = { .last = 1 }, .protected = ID64(1) },
                    rows, n, "15");
        expect_int("groups", retention_parse_groups("tags,host", &groups), 0);
        expect_int("are read", groups, GROUP_TAGS | GROUP_HOST);
        expect_int("none", retention_parse_groups("", &groups), 0);
        expect_int("is none", groups, 0);
        expect_int("others are not", retention_parse_groups("host,name", &groups), -EINVAL);
        expect_int("nor nothing behind a comma", retention_parse_groups("host,", &groups), -EINVAL);
}

static void test_ahead(void) {
        static const Row rows[] = {
                { '1', "a", "/x", {} },
                { '2', "a", "/x", {} },
                { '3', "a", "/x", {} },
                { AHEAD, "a", "/x", {} },
        };

        expect_kept("one that is ahead of the clock counts for nothing",
                    &(Retention){ .rules = { .last = 1 } }, rows, 4, "39");
        expect_kept("nor is anything measured from it", &(Retention){ .rules = { .within_days = 2 } }, rows,
                    4, "239");
}

static void test_bases(void) {
        static const Row rows[] = {
                { '1', "a", "/x", { "vss-type:full" } },
                { '2', "a", "/x", { "vss-type:log", "vss-base:" ID64(1) } },
                { '3', "a", "/x", { "vss-type:full" } },
                { '4', "a", "/x", { "vss-type:log", "vss-base:" ID64(3) } },
                { '5', "a", "/x", { "vss-type:differential", "vss-base:" ID64(3) } },
                { '6', "a", "/x", { "vss-type:log", "vss-base:" ID64(3) } },
        };

        expect_kept("a log keeps its base and the logs between", &(Retention){ .rules = { .last = 1 } },
                    rows, 6, "346");
        expect_kept("a differential restores alone", &(Retention){ .rules = { .last = 1 } }, rows, 5, "5");
        expect_kept("a log that is forgotten keeps nothing", &(Retention){ .rules = { .last = 1 } }, rows, 3,
                    "3");
        expect_kept("one that is kept keeps it", &(Retention){ .rules = { .last = 2 } }, rows, 3, "123");
}

static void test_choice(void) {
        static const Row rows[] = {
                { '1', "a", "/x", { "vss-task:t" } },
                { '2', "a", "/x", {} },
                { '3', "a", "/x", { "vss-task:t" } },
                { '4', "a", "/x", {} },
                { '5', "b", "/x", {} },
        };
        Snapshot items[POINTS_MAX];
        SnapshotList points = { .items = items, .n = ELEMENTS(rows) };
        bool shown[POINTS_MAX];

        fill(rows, points.n, items);
        points_choose(&points, &(PointFilter){ .latest = 1 }, shown);
        expect_true("the last of each", !shown[0] && !shown[1] && shown[2] && shown[3] && shown[4]);
        points_choose(&points, &(PointFilter){ .host = "a", .path = "/x" }, shown);
        expect_true("of a machine", shown[0] && shown[1] && shown[2] && shown[3] && !shown[4]);
        points_choose(&points, &(PointFilter){ .path = "/" }, shown);
        expect_true("of a path that none has", !shown[0] && !shown[4]);
        expect_str("the value of a tag", point_tag(&items[0], TAG_TASK), "t");
        expect_str("none", point_tag(&items[1], TAG_TASK), NULL);
        expect_true("ours", point_tag_is_ours("vss-set:u") && !point_tag_is_ours("vss-settings:u") &&
                                    !point_tag_is_ours("vss-set"));
        for (size_t i = 0; i < points.n; i++)
                snapshot_clear(&items[i]);
}

int main(void) {
        test_groups();
        test_ahead();
        test_bases();
        test_choice();
        return test_end();
}
