/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Times as Go's time package writes them
 */

#include <string.h>
#include "repository/go-text.h"

/* 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what four digits of a year can say. */
#define TIME_FIRST (-INT64_C(62167219200))
#define TIME_LAST INT64_C(253402300799)
#define NSEC_DIGITS 9
#define DAY 86400
/* Of the calendar that goes on for ever: 400 years have as many days each time. */
#define DAYS_400 146097

/* Days since 1970 as a date. The year begins in March here: a leap day is its last one. */
static void split_days(int64_t days, unsigned *ret_year, unsigned *ret_month, unsigned *ret_day) {
        uint64_t shifted = (uint64_t)(days + 719468 + DAYS_400); /* since 400 years before 0000-03-01 */
        uint64_t era = shifted / DAYS_400, of_era = shifted % DAYS_400, year, of_year, month;

        year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        of_year = of_era - (365 * year + year / 4 - year / 100);
        month = (5 * of_year + 2) / 153;
        *ret_day = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
        *ret_month = (unsigned)(month < 10 ? month + 3 : month - 9);
        *ret_year = (unsigned)(year + era * 400 - 400 + (*ret_month <= 2));
}

/* The reverse; a day that the month does not have is one of the next. */
static int64_t join_days(int year, int month, int day) {
        int64_t y = year - (month <= 2), era = (y + 400) / 400 - 1, of_era = y - era * 400,
                of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

        return era * DAYS_400 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static char *put_number(char *to, unsigned number, unsigned digits) {
        for (unsigned i = digits; i > 0; i--, number /= 10)
                to[i - 1] = (char)('0' + number % 10);
        return to + digits;
}

int go_append_time(Bytes *bytes, const struct timespec *time) {
        struct timespec clamped = *time;
        unsigned year, month, day, second;
        char text[40], *to = text;
        int64_t days;

        if (clamped.tv_sec < TIME_FIRST)
                clamped = (struct timespec){ .tv_sec = TIME_FIRST };
        if (clamped.tv_sec > TIME_LAST)
                clamped = (struct timespec){ .tv_sec = TIME_LAST };
        days = (clamped.tv_sec - TIME_FIRST) / DAY + TIME_FIRST / DAY;
        second = (unsigned)(clamped.tv_sec - days * DAY);
        split_days(days, &year, &month, &day);
        to = put_number(to, year, 4);
        *to++ = '-';
        to = put_number(to, month, 2);
        *to++ = '-';
        to = put_number(to, day, 2);
        *to++ = 'T';
        to = put_number(to, second / 3600, 2);
        *to++ = ':';
        to = put_number(to, second / 60 % 60, 2);
        *to++ = ':';
        to = put_number(to, second % 60, 2);
        if (clamped.tv_nsec > 0) {
                *to++ = '.';
                to = put_number(to, (unsigned)(clamped.tv_nsec % 1000000000), NSEC_DIGITS);
                while (to[-1] == '0')
                        to--;
        }
        *to++ = 'Z';
        return bytes_append(bytes, text, (size_t)(to - text));
}

/* @n digits. -1 for what is none. */
static int take_digits(const char **p, const char *end, unsigned n) {
        int number = 0;

        for (; n > 0; n--, (*p)++) {
                if (*p == end || **p < '0' || **p > '9')
                        return -1;
                number = number * 10 + (**p - '0');
        }
        return number;
}

static bool take_char(const char **p, const char *end, char c) {
        if (*p == end || **p != c)
                return false;
        (*p)++;
        return true;
}

static int take_date(const char **p, const char *end, struct tm *tm) {
        tm->tm_year = take_digits(p, end, 4);
        if (tm->tm_year < 0 || !take_char(p, end, '-'))
                return -EBADMSG;
        tm->tm_mon = take_digits(p, end, 2);
        if (tm->tm_mon < 1 || tm->tm_mon > 12 || !take_char(p, end, '-'))
                return -EBADMSG;
        tm->tm_mday = take_digits(p, end, 2);
        if (tm->tm_mday < 1 || tm->tm_mday > 31 || !take_char(p, end, 'T'))
                return -EBADMSG;
        tm->tm_hour = take_digits(p, end, 2);
        if (tm->tm_hour < 0 || tm->tm_hour > 23 || !take_char(p, end, ':'))
                return -EBADMSG;
        tm->tm_min = take_digits(p, end, 2);
        if (tm->tm_min < 0 || tm->tm_min > 59 || !take_char(p, end, ':'))
                return -EBADMSG;
        tm->tm_sec = take_digits(p, end, 2);
        if (tm->tm_sec < 0 || tm->tm_sec > 60)
                return -EBADMSG;
        return 0;
}

static int take_zone(const char **p, const char *end, int64_t *ret_seconds) {
        int sign = *p < end && **p == '-' ? -1 : 1, hours, minutes;

        *ret_seconds = 0;
        if (take_char(p, end, 'Z'))
                return 0;
        if (!take_char(p, end, '+') && !take_char(p, end, '-'))
                return -EBADMSG;
        hours = take_digits(p, end, 2);
        if (hours < 0 || !take_char(p, end, ':'))
                return -EBADMSG;
        minutes = take_digits(p, end, 2);
        if (minutes < 0)
                return -EBADMSG;
        *ret_seconds = sign * (hours * INT64_C(3600) + minutes * INT64_C(60));
        return 0;
}

int go_parse_time(const char *text, size_t size, struct timespec *ret_time) {
        const char *p = text, *end = text + size;
        struct timespec time = {};
        struct tm tm = {};
        int64_t zone;
        long scale = 100000000;

        if (take_date(&p, end, &tm) < 0)
                return -EBADMSG;
        if (take_char(&p, end, '.'))
                for (; p < end && *p >= '0' && *p <= '9'; p++, scale /= 10)
                        time.tv_nsec += scale * (*p - '0');
        if (take_zone(&p, end, &zone) < 0 || p != end)
                return -EBADMSG;
        time.tv_sec = join_days(tm.tm_year, tm.tm_mon, tm.tm_mday) * DAY + tm.tm_hour * 3600 +
                      tm.tm_min * 60 + tm.tm_sec - zone;
        *ret_time = time;
        return 0;
}
