/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which points are kept
 */

#include <string.h>
#include "repository/keep.h"

/* Two times of one bucket have the same number; in local time, as people read dates. */
static int64_t number_of_hour(const struct tm *tm) {
        return ((tm->tm_year * INT64_C(366) + tm->tm_yday) * 24) + tm->tm_hour;
}

static int64_t number_of_day(const struct tm *tm) {
        return tm->tm_year * INT64_C(366) + tm->tm_yday;
}

static int64_t number_of_week(const struct tm *tm) {
        char text[16] = "";

        /* ISO 8601: the week belongs to the year of its Thursday. */
        (void)strftime(text, sizeof(text), "%G%V", tm);
        return strtoll(text, NULL, 10);
}

static int64_t number_of_month(const struct tm *tm) {
        return tm->tm_year * INT64_C(12) + tm->tm_mon;
}

static int64_t number_of_year(const struct tm *tm) {
        return tm->tm_year;
}

typedef struct Bucket {
        size_t offset; /* of its rule */
        int64_t (*number)(const struct tm *tm);
} Bucket;

static const Bucket buckets[] = {
        { offsetof(KeepRules, hourly), number_of_hour }, { offsetof(KeepRules, daily), number_of_day },
        { offsetof(KeepRules, weekly), number_of_week }, { offsetof(KeepRules, monthly), number_of_month },
        { offsetof(KeepRules, yearly), number_of_year },
};

bool keep_is_empty(const KeepRules *rules) {
        return !rules->last && !rules->hourly && !rules->daily && !rules->weekly && !rules->monthly &&
               !rules->yearly && !rules->within_years && !rules->within_months && !rules->within_days &&
               !rules->within_hours && !(rules->tags && rules->tags[0]);
}

int keep_parse_within(const char *text, KeepRules *rules) {
        KeepRules parsed = *rules;

        if (!*text)
                return -EINVAL;
        while (*text) {
                uint32_t *unit;
                unsigned long number;
                char *end;

                errno = 0;
                number = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
                if (*text < '0' || *text > '9' || errno != 0 || number > 100000)
                        return -EINVAL;
                unit = *end == 'y'   ? &parsed.within_years
                       : *end == 'm' ? &parsed.within_months
                       : *end == 'd' ? &parsed.within_days
                       : *end == 'h' ? &parsed.within_hours
                                     : NULL;
                if (!unit)
                        return -EINVAL;
                *unit = (uint32_t)number;
                text = end + 1;
        }
        *rules = parsed;
        return 0;
}

static bool is_within(const KeepRules *rules, const Snapshot *newest, const Snapshot *point) {
        time_t start = newest->time.tv_sec;
        struct tm tm;

        if (!rules->within_years && !rules->within_months && !rules->within_days && !rules->within_hours)
                return false;
        if (!localtime_r(&start, &tm))
                return false;
        tm.tm_year -= (int)rules->within_years;
        tm.tm_mon -= (int)rules->within_months;
        tm.tm_mday -= (int)rules->within_days;
        tm.tm_hour -= (int)rules->within_hours;
        tm.tm_isdst = -1;
        return point->time.tv_sec > mktime(&tm);
}

static bool has_tag(const KeepRules *rules, const Snapshot *point) {
        for (const char *const *tag = rules->tags; tag && *tag; tag++)
                for (size_t i = 0; i < point->tags.n; i++)
                        if (strcmp(*tag, point->tags.items[i]) == 0)
                                return true;
        return false;
}

static void apply_bucket(const Bucket *bucket, const KeepRules *rules, const Snapshot *const *points,
                         size_t n, bool *keep) {
        uint32_t left = *(const uint32_t *)((const uint8_t *)rules + bucket->offset);
        int64_t before = INT64_MIN;

        for (size_t i = 0; i < n && left > 0; i++) {
                time_t at = points[i]->time.tv_sec;
                struct tm tm;
                int64_t number;

                if (!localtime_r(&at, &tm)) {
                        keep[i] = true; /* whatever that is */
                        continue;
                }
                number = bucket->number(&tm);
                if (number == before)
                        continue;
                before = number;
                keep[i] = true;
                left -= left != KEEP_ALL;
        }
}

void keep_apply(const KeepRules *rules, const Snapshot *const *points, size_t n, bool *ret_keep) {
        for (size_t i = 0; i < n; i++)
                ret_keep[i] = i < rules->last || is_within(rules, points[0], points[i]) ||
                              has_tag(rules, points[i]);
        FOREACH_ELEMENT (bucket, buckets)
                apply_bucket(bucket, rules, points, n, ret_keep);
}

static bool has_all(const SnapshotStrings *a, const SnapshotStrings *b) {
        for (size_t i = 0; i < a->n; i++) {
                bool found = false;

                for (size_t j = 0; j < b->n && !found; j++)
                        found = strcmp(a->items[i], b->items[j]) == 0;
                if (!found)
                        return false;
        }
        return true;
}

bool keep_is_same_group(const Snapshot *a, const Snapshot *b) {
        return strcmp(a->hostname, b->hostname) == 0 && has_all(&a->paths, &b->paths) &&
               has_all(&b->paths, &a->paths);
}
