/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the configuration file reader
 */

#include <fcntl.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/conf.h"
#include "util/test.h"

static void test_parse(void) {
        static const char text[] =
                "# head\n\nBefore = one\n[First]\r\n Key = a value # kept \nKey=later\nEmpty=\n"
                "; other\n[Second part]\nKey=x=y\n[First]\nKey=again";
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };
        const ConfSection *s;

        expect_int("parses", conf_parse(text, sizeof(text) - 1, &error, &conf), 0);
        expect_int("sections", conf->n_sections, 4);
        expect_str("before any section", conf_value(conf_section(conf, "", 0), "Before", NULL), "one");
        s = conf_section(conf, "First", 0);
        expect_int("its line", s->line, 4);
        expect_int("its entries", s->n_entries, 3);
        expect_str("no comment behind a value", s->entries[0].value, "a value # kept");
        expect_int("an entry's line", s->entries[1].line, 6);
        expect_str("the later one counts", conf_value(s, "Key", NULL), "later");
        expect_str("empty", conf_value(s, "Empty", NULL), "");
        expect_str("missing", conf_value(s, "key", "otherwise"), "otherwise");
        expect_str("second part", conf_value(conf_section(conf, "Second part", 0), "Key", NULL), "x=y");
        s = conf_section(conf, "First", (size_t)(s - conf->sections) + 1);
        expect_str("first again, no newline at the end", conf_value(s, "Key", NULL), "again");
        expect_true("no third", !conf_section(conf, "First", 4));
        expect_true("no section, no entry", !conf_entry(NULL, "Key"));
}

static void test_errors(void) {
        static const struct {
                const char *label, *text;
                size_t size;
                int want;
                unsigned line;
        } cases[] = {
                { "empty file", "", 0, 0, 0 },
                { "no assignment", "\nhello\n", 7, -EBADMSG, 2 },
                { "open section", "[Oops\n", 6, -EBADMSG, 1 },
                { "no name", "[]\n", 3, -EBADMSG, 1 },
                { "no key", "=x\n", 3, -EBADMSG, 1 },
                { "bad key", "A=1\n1a=x\n", 9, -EBADMSG, 2 },
                { "key with blank", "a b=x\n", 6, -EBADMSG, 1 },
                { "NUL", "A=1\nB=\0x\n", 10, -EBADMSG, 2 },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_conf_ Conf *conf = NULL;
                ConfError error = { 0 };

                expect_int(c->label, conf_parse(c->text, c->size, &error, &conf), c->want);
                expect_int("  line", error.line, c->line);
        }
}

/* @n times @unit */
static int parse_many(const char *unit, size_t n) {
        _cleanup_(freep) char *text = calloc(n, strlen(unit) + 1);
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };
        char *end = text;

        for (size_t i = 0; i < n; i++)
                end = stpcpy(end, unit);
        return conf_parse(text, (size_t)(end - text), &error, &conf);
}

static void test_limits(void) {
        expect_int("sections at the limit", parse_many("[s]\n", CONF_SECTIONS_MAX), 0);
        expect_int("one more section", parse_many("[s]\n", CONF_SECTIONS_MAX + 1), -E2BIG);
        expect_int("entries at the limit", parse_many("k=v\n", CONF_ENTRIES_MAX), 0);
        expect_int("one more entry", parse_many("k=v\n", CONF_ENTRIES_MAX + 1), -E2BIG);
        expect_int("line at the limit", parse_many("#", CONF_LINE_MAX), 0);
        expect_int("longer line", parse_many("#", CONF_LINE_MAX + 1), -E2BIG);
        expect_int("file at the limit", parse_many("\n", CONF_FILE_MAX), 0);
        expect_int("larger file", parse_many("\n", CONF_FILE_MAX + 1), -E2BIG);
}

static void test_scalars(void) {
        unsigned long number = 7;
        bool boolean = false;

        expect_int("Yes", conf_boolean("Yes", &boolean), 0);
        expect_true("is true", boolean);
        expect_int("OFF", conf_boolean("OFF", &boolean), 0);
        expect_true("is false", !boolean);
        expect_int("maybe", conf_boolean("maybe", &boolean), -EINVAL);
        expect_int("12", conf_number("12", 12, &number), 0);
        expect_int("is 12", (int64_t)number, 12);
        expect_int("13 of 12", conf_number("13", 12, &number), -ERANGE);
        expect_int("too long", conf_number("99999999999999999999999", 12, &number), -ERANGE);
        expect_int("negative", conf_number("-1", 12, &number), -EINVAL);
        expect_int("unit", conf_number("1s", 12, &number), -EINVAL);
        expect_int("none", conf_number("", 12, &number), -EINVAL);
}

static void test_durations(void) {
        static const struct {
                const char *value;
                int want;
                uint64_t usec;
                const char *text;
        } cases[] = {
                { "10", 0, 10 * USEC_PER_SEC, "10 s" },
                { "10s", 0, 10 * USEC_PER_SEC, "10 s" },
                { "500ms", 0, 500 * USEC_PER_MSEC, "500 ms" },
                { "1500 ms", 0, 1500 * USEC_PER_MSEC, "1500 ms" },
                { "5min", 0, 300 * USEC_PER_SEC, "5 min" },
                { "60", 0, 60 * USEC_PER_SEC, "1 min" },
                { "90\ts", 0, 90 * USEC_PER_SEC, "90 s" },
                { "1h", 0, 3600 * USEC_PER_SEC, "1 h" },
                { "0", 0, 0, "0 s" },
                { "3601", -ERANGE, 0, NULL },
                { "2h", -ERANGE, 0, NULL },
                { "3600001ms", -ERANGE, 0, NULL },
                { "99999999999999999999999s", -ERANGE, 0, NULL },
                { "999999999999999999999999999999", -ERANGE, 0, NULL },
                { "", -EINVAL, 0, NULL },
                { "s", -EINVAL, 0, NULL },
                { "-1s", -EINVAL, 0, NULL },
                { "1.5s", -EINVAL, 0, NULL },
                { "1m", -EINVAL, 0, NULL },
                { "1s 2ms", -EINVAL, 0, NULL },
        };

        FOREACH_ELEMENT (c, cases) {
                char label[64], text[CONF_DURATION_SIZE];
                uint64_t usec = 7;

                (void)snprintf(label, sizeof(label), "duration %s", c->value);
                expect_int(label, conf_duration(c->value, 3600 * USEC_PER_SEC, &usec), c->want);
                expect_int("  is", (int64_t)usec, c->want < 0 ? 7 : (int64_t)c->usec);
                if (c->want < 0)
                        continue;
                conf_duration_text(usec, text);
                expect_str("  in words", text, c->text);
        }
}

static void test_words(void) {
        static const struct {
                const char *value;
                int want;
                const char *joined; /* the words in angle brackets */
        } cases[] = {
                { "", 0, "" },
                { "  /bin/true  ", 0, "</bin/true>" },
                { "a b\tc", 0, "<a><b><c>" },
                { "\"a b\" 'c \\ d' e\\ f", 0, "<a b><c \\ d><e f>" },
                { "a\"b c\"d ''", 0, "<ab cd><>" },
                { "\"\\\"\\n\\t\\\\\"", 0, "<\"\n\t\\>" },
                { "$HOME;`id`", 0, "<$HOME;`id`>" },
                { "\"open", -EBADMSG, "" },
                { "'open", -EBADMSG, "" },
                { "\\x", -EBADMSG, "" },
                { "end\\", -EBADMSG, "" },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_words_ char **words = NULL;
                ConfError error = { 0 };
                char joined[200] = "";

                expect_int(c->value, conf_words(c->value, &error, &words), c->want);
                for (char **w = words; w && *w; w++)
                        (void)snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "<%s>", *w);
                expect_str("  words", joined, c->joined);
        }
}

static void test_file(void) {
        char path[] = "/tmp/test-conf-XXXXXX", link_path[] = "/tmp/test-conf-link-XXXXXX";
        _cleanup_(closep) int fd = mkostemp(path, O_CLOEXEC), other_fd = mkostemp(link_path, O_CLOEXEC);
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };

        expect_true("files to work on", fd >= 0 && other_fd >= 0);
        expect_int("write", write(fd, "A=b\n", 4), 4);
        expect_int("read", conf_read(path, &error, &conf), 0);
        expect_str("content", conf_value(conf_section(conf, "", 0), "A", NULL), "b");
        conf = conf_free(conf);
        expect_int("chmod", fchmod(fd, 0620), 0);
        expect_int("writable by the group", conf_read(path, &error, &conf), -EPERM);
        expect_int("chmod back", fchmod(fd, 0600), 0);
        expect_int("unlink", unlink(link_path), 0);
        expect_int("symlink", symlink(path, link_path), 0);
        expect_int("a symbolic link", conf_read(link_path, &error, &conf), -ELOOP);
        expect_int("a directory", conf_read("/", &error, &conf), -EPERM);
        expect_int("clean up", unlink(link_path) | unlink(path), 0);
        expect_int("missing", conf_read(path, &error, &conf), -ENOENT);
}

int main(void) {
        test_parse();
        test_errors();
        test_limits();
        test_scalars();
        test_durations();
        test_words();
        test_file();
        return test_end();
}
