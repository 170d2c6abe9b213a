/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Times as systemd's calendars have them
 *
 * [WEEKDAYS] [DATE] [TIME] [ZONE], of which one of the first three has to be there; or one word that stands
 * for it.
 */

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "tasks/calendar.h"
#include "util/macro.h"

#define WORDS_MAX 4u
#define WORD_SIZE 128u

static const char *const shorthands[] = {
        "minutely", "hourly",   "daily",     "weekly",       "monthly",
        "yearly",   "annually", "quarterly", "semiannually", "biannually"
};

typedef struct Part {
        unsigned min, max;
        bool fraction; /* seconds may have one */
} Part;

static bool is_shorthand(const char *word) {
        FOREACH_ELEMENT (name, shorthands)
                if (strcasecmp(*name, word) == 0)
                        return true;
        return false;
}

/* "Mon", "Monday". Return: its length; 0 if it is none. */
static size_t weekday_length(const char *text) {
        static const char *const names[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                             "Friday", "Saturday", "Sunday" };

        FOREACH_ELEMENT (name, names) {
                size_t n = strlen(*name);

                if (strncasecmp(text, *name, n) == 0 && !isalpha((unsigned char)text[n]))
                        return n;
                if (strncasecmp(text, *name, 3) == 0 && !isalpha((unsigned char)text[3]))
                        return 3;
        }
        return 0;
}

/* "Mon..Fri,Sun" */
static bool are_weekdays(const char *text) {
        for (;;) {
                size_t n = weekday_length(text);

                if (n == 0)
                        return false;
                text += n;
                if (strncmp(text, "..", 2) == 0) {
                        n = weekday_length(text + 2);
                        if (n == 0)
                                return false;
                        text += 2 + n;
                }
                if (*text == '\0')
                        return true;
                if (*text++ != ',')
                        return false;
        }
}

static bool read_number(const char **text, const Part *part) {
        unsigned long number = 0;
        size_t n = 0;

        for (; isdigit((unsigned char)**text) && n < 5; n++, (*text)++)
                number = number * 10 + (unsigned long)(**text - '0');
        if (n == 0 || isdigit((unsigned char)**text) || number < part->min || number > part->max)
                return false;
        if (part->fraction && (*text)[0] == '.' && isdigit((unsigned char)(*text)[1]))
                for ((*text)++; isdigit((unsigned char)**text);)
                        (*text)++;
        return true;
}

/* "*", "1", "1..5", "0/15", and more of these with commas; up to @end. */
static bool is_part(const char *text, const char *end, const Part *part) {
        static const Part steps = { 1, 99999, true };

        for (;;) {
                if (*text == '*')
                        text++;
                else {
                        if (!read_number(&text, part))
                                return false;
                        if (strncmp(text, "..", 2) == 0) {
                                text += 2;
                                if (!read_number(&text, part))
                                        return false;
                        }
                }
                if (*text == '/') {
                        text++;
                        if (!read_number(&text, &steps))
                                return false;
                }
                if (text == end)
                        return true;
                if (*text++ != ',')
                        return false;
        }
}

static size_t count_parts(const char *text, const char *separators) {
        size_t n = 1;

        for (; *text; text++)
                n += strchr(separators, *text) != NULL;
        return n;
}

static bool is_date(const char *text) {
        static const Part parts[] = { { 0, 9999, false }, { 1, 12, false }, { 1, 31, false } };
        size_t n = count_parts(text, "-~");

        if (n < 2 || n > ELEMENTS(parts))
                return false;
        for (size_t i = ELEMENTS(parts) - n; i < ELEMENTS(parts); i++) {
                const char *end = text + strcspn(text, "-~");

                /* Only the day is counted from the end of the month. */
                if ((*end == '~' && i + 2 != ELEMENTS(parts)) || !is_part(text, end, &parts[i]))
                        return false;
                text = *end ? end + 1 : end;
        }
        return true;
}

static bool is_time(const char *text) {
        static const Part parts[] = { { 0, 23, false }, { 0, 59, false }, { 0, 59, true } };

        size_t n = count_parts(text, ":");

        if (n < 2 || n > ELEMENTS(parts))
                return false;
        for (size_t i = 0; i < n; i++) {
                const char *end = text + strcspn(text, ":");

                if (!is_part(text, end, &parts[i]))
                        return false;
                text = *end ? end + 1 : end;
        }
        return true;
}

/* Whether there is one of that name is for systemd to say. */
static bool is_zone(const char *text) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+/";

        return isalpha((unsigned char)*text) && text[strspn(text, letters)] == '\0';
}

bool calendar_is_valid(const char *text) {
        char words[WORDS_MAX][WORD_SIZE];
        size_t n = 0, i = 0;

        for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
                size_t length = strcspn(text, " \t");

                if (n == WORDS_MAX || length >= WORD_SIZE)
                        return false;
                memcpy(words[n], text, length);
                words[n++][length] = '\0';
                text += length;
        }
        if (n > 0 && is_shorthand(words[0]))
                return n == 1 || (n == 2 && is_zone(words[1]));
        i += i < n && are_weekdays(words[i]);
        i += i < n && is_date(words[i]);
        i += i < n && is_time(words[i]);
        if (i == 0)
                return false;
        return i == n || (i + 1 == n && is_zone(words[i]));
}
