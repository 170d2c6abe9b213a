/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Text as Go writes it, and JSON as it is read
 */

#include "repository/go-text.h"
#include "repository/pull.h"
#include "util/test.h"

static void expect_bytes(const char *label, int r, Bytes *bytes, const char *want) {
        if (r == 0)
                r = bytes_append(bytes, "", 1);
        expect_str(label, r == 0 ? (const char *)bytes->data : "(failed)", want);
        bytes_clear(bytes);
}

static void test_quote(void) {
        static const struct {
                const char *text, *want;
        } cases[] = {
                { "plain", "plain" },
                { "\xff", "\\xff" },
                { "\a\b\f\n\r\t\v", "\\a\\b\\f\\n\\r\\t\\v" },
                { "\x01\x1f\x7f", "\\x01\\x1f\\x7f" },
                { "\"\\'`", "\\\"\\\\'`" },
                { "\xc2\xad", "\\u00ad" },
                { "\xc2\xa0", "\\u00a0" },
                { "\xe2\x80\x8b", "\\u200b" },
                { "\xe2\x80\xa8", "\\u2028" },
                { "\xe3\x80\x80", "\\u3000" },
                { "\xef\xbb\xbf", "\\ufeff" },
                { "\xee\x80\x80", "\\ue000" },
                { "\xcd\xb8", "\\u0378" },
                { "\xf3\xb0\x80\x80", "\\U000f0000" },
                { "\xed\xa0\x80", "\\xed\\xa0\\x80" },
                { "\xef\xbf\xbd", "\xef\xbf\xbd" },
                { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
                { "\xc0\xaf\xf5", "\\xc0\\xaf\\xf5" },
                { "\xe4", "\\xe4" },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_bytes_ Bytes bytes = {};
                char back[64];
                size_t n;
                int r = go_append_quoted(&bytes, c->text, strlen(c->text));

                memcpy(back, bytes.data, bytes.size);
                expect_int("unquote", go_unquote(back, bytes.size, &n), 0);
                expect_true("comes back", n == strlen(c->text) && memcmp(back, c->text, n) == 0);
                expect_bytes("strconv.Quote", r, &bytes, c->want);
        }
}

static void test_unquote_bad(void) {
        static const char *const cases[] = { "\\",  "\\x1", "\\xzz", "\\u12", "\\ud800", "\\U00110000",
                                             "\\q", "a\"b", "\\'",   "\\400", "\\18" };

        FOREACH_ELEMENT (c, cases) {
                char text[32];
                size_t n = 77;

                (void)snprintf(text, sizeof(text), "%s", *c);
                expect_int(*c, go_unquote(text, strlen(text), &n), -EBADMSG);
                expect_int("leaves its output alone", n, 77);
        }
}

static void test_json(void) {
        static const struct {
                const char *text, *want;
        } cases[] = {
                { "a\"b\\c", "\"a\\\"b\\\\c\"" },
                { "\n\r\t\b\f\x01", "\"\\n\\r\\t\\u0008\\u000c\\u0001\"" },
                { "<a>&", "\"\\u003ca\\u003e\\u0026\"" },
                { "\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\"" },
                { "x\xffy", "\"x\\ufffdy\"" },
                { "\x7f\xc3\xa4", "\"\x7f\xc3\xa4\"" },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_bytes_ Bytes bytes = {};
                int r = go_append_json(&bytes, c->text, strlen(c->text));

                expect_bytes("a JSON string", r, &bytes, c->want);
        }
}

static void test_time(void) {
        static const struct {
                struct timespec time;
                const char *want;
        } cases[] = {
                { { 0, 0 }, "1970-01-01T00:00:00Z" },
                { { 1234567890, 120000000 }, "2009-02-13T23:31:30.12Z" },
                { { -1, 999999995 }, "1969-12-31T23:59:59.999999995Z" },
                { { INT64_C(999999999999), 0 }, "9999-12-31T23:59:59Z" },
        };
        struct timespec time = {};

        FOREACH_ELEMENT (c, cases) {
                _cleanup_bytes_ Bytes bytes = {};
                int r = go_append_time(&bytes, &c->time);

                expect_bytes("a time", r, &bytes, c->want);
        }
        expect_int("with an offset", go_parse_time("2009-02-14T01:31:30.5+02:00", 27, &time), 0);
        expect_true("it is the same instant", time.tv_sec == 1234567890 && time.tv_nsec == 500000000);
        expect_int("without a zone it is none", go_parse_time("2009-02-14T01:31:30", 19, &time), -EBADMSG);
        expect_int("nor with more behind it", go_parse_time("2009-02-14T01:31:30Zx", 21, &time), -EBADMSG);
}

/* All of the calendar, as the C library has it. */
static void test_calendar(void) {
        size_t wrong = 0, n = 0;

        for (int64_t second = -INT64_C(62167219200); second < INT64_C(253402300800); second += 1234567) {
                _cleanup_bytes_ Bytes bytes = {};
                struct timespec time = { .tv_sec = second }, back = {};
                char want[64];
                struct tm tm;

                (void)gmtime_r(&time.tv_sec, &tm);
                (void)snprintf(want, sizeof(want), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
                               tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
                wrong += go_append_time(&bytes, &time) < 0 || bytes.size != strlen(want) ||
                         memcmp(bytes.data, want, bytes.size) != 0;
                wrong += go_parse_time(want, strlen(want), &back) < 0 || back.tv_sec != second;
                n++;
        }
        expect_true("ten thousand years", n > 250000);
        expect_int("are right", (int)wrong, 0);
}

static void test_base64(void) {
        _cleanup_bytes_ Bytes bytes = {}, back = {};
        int r = go_append_base64(&bytes, "\xff\x00\x10z", 4);

        expect_int("is read", go_decode_base64((const char *)bytes.data, bytes.size, &back), 0);
        expect_true("back", back.size == 4 && memcmp(back.data, "\xff\x00\x10z", 4) == 0);
        expect_bytes("base64", r, &bytes, "/wAQeg==");
        expect_int("padding only at the end", go_decode_base64("A=BC", 4, &bytes), -EBADMSG);
        expect_int("in fours", go_decode_base64("AAA", 3, &bytes), -EBADMSG);
}

static int read_all(const char *text) {
        Pull pull;

        pull_init(&pull, text, strlen(text));
        pull_skip(&pull);
        return pull_end(&pull);
}

static void test_pull(void) {
        _cleanup_(arena_clear) Arena arena = {};
        const char *text = " {\"n\":18446744073709551615,\"s\":\"a\\u00e4\\ud83d\\ude00\\n\",\"x\":[1,{"
                           "\"y\":null}],\"b\":true} ";
        char key[PULL_KEY_SIZE], deep[200];
        Pull pull;

        pull_init(&pull, text, strlen(text));
        pull_object(&pull);
        expect_true("a member", pull_member(&pull, key) && strcmp(key, "n") == 0);
        expect_true("64 bits", pull_unsigned(&pull) == UINT64_MAX);
        expect_true("the next", pull_member(&pull, key) && strcmp(key, "s") == 0);
        expect_str("a string", pull_string(&pull, &arena, NULL), "a\xc3\xa4\xf0\x9f\x98\x80\n");
        expect_true("what is not wanted", pull_member(&pull, key));
        pull_skip(&pull);
        expect_true("is passed over", pull_member(&pull, key) && pull_boolean(&pull));
        expect_true("then it ends", !pull_member(&pull, key));
        expect_int("well", pull_end(&pull), 0);
        expect_int("a comma too many", read_all("[1,]"), -EBADMSG);
        expect_int("one too few", read_all("[1 2]"), -EBADMSG);
        expect_int("cut off", read_all("{\"a\":"), -EBADMSG);
        expect_int("more behind it", read_all("{} {}"), -EBADMSG);
        memset(deep, '[', sizeof(deep) - 1);
        deep[sizeof(deep) - 1] = '\0';
        expect_int("too deep", read_all(deep), -EBADMSG);
        pull_init(&pull, "18446744073709551616", 20);
        (void)pull_unsigned(&pull);
        expect_int("too large", pull_end(&pull), -EBADMSG);
}

int main(void) {
        test_quote();
        test_unquote_bad();
        test_json();
        test_time();
        test_calendar();
        test_base64();
        test_pull();
        return test_end();
}
