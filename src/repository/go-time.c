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

int go_append_time(Bytes *bytes, const struct timespec *time) {
        struct timespec clamped = *time;
        char fraction[16];
        struct tm tm;
        int digits = NSEC_DIGITS, r;
        time_t seconds;

        if (clamped.tv_sec < TIME_FIRST)
                clamped = (struct timespec){ .tv_sec = TIME_FIRST };
        if (clamped.tv_sec > TIME_LAST)
                clamped = (struct timespec){ .tv_sec = TIME_LAST };
        seconds = clamped.tv_sec;
        if (!gmtime_r(&seconds, &tm))
                return -EINVAL;
        r = bytes_printf(bytes, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                         tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        if (r == 0 && clamped.tv_nsec > 0) {
                (void)snprintf(fraction, sizeof(fraction), "%09ld", clamped.tv_nsec % 1000000000);
                while (digits > 1 && fraction[digits - 1] == '0')
                        digits--;
                r = bytes_printf(bytes, ".%.*s", digits, fraction);
        }
        return r < 0 ? r : bytes_append(bytes, "Z", 1);
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
        tm->tm_year -= 1900;
        tm->tm_mon -= 1;
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
        time.tv_sec = timegm(&tm) - zone;
        *ret_time = time;
        return 0;
}
