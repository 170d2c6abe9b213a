/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-provider: what came out, as lines of TAP or as JSON
 */

#include <jansson.h>
#include <stdarg.h>
#include <string.h>
#include "testers/provider/conformance.h"
#include "util/utf8.h"

static void add(Test *test, const char *result, char *text, const char *reason) {
        vss_value *one = vss_value_new_dict();

        test->n++;
        if (!test->json && *reason)
                printf("ok %u - %s: %s # SKIP %s\n", test->n, test->check, text ?: "?", reason);
        else if (!test->json)
                printf("%s %u - %s: %s\n", strcmp(result, "passed") == 0 ? "ok" : "not ok", test->n,
                       test->check, text ?: "?");
        (void)fflush(stdout);
        (void)vss_value_set_string(one, "check", test->check);
        (void)vss_value_set_string(one, "result", result);
        (void)vss_value_set_string(one, "text", text_make_utf8(text) ?: "?");
        if (*reason)
                (void)vss_value_set_string(one, "detail", reason);
        (void)vss_value_append(test->points, one);
        free(text);
}

static char *format_text(const char *format, va_list args) _printf_(1, 0);

static char *format_text(const char *format, va_list args) {
        char *text = NULL;

        return vasprintf(&text, format, args) < 0 ? NULL : text;
}

bool point(Test *test, bool ok, const char *format, ...) {
        va_list args;

        va_start(args, format);
        if (ok)
                test->passed++;
        else
                test->failed++;
        add(test, ok ? "passed" : "failed", format_text(format, args), "");
        va_end(args);
        return ok;
}

void point_skipped(Test *test, const char *reason, const char *format, ...) {
        va_list args;

        va_start(args, format);
        test->skipped++;
        add(test, "skipped", format_text(format, args), reason);
        va_end(args);
}

void point_detail(Test *test, const char *format, ...) {
        vss_value *last = value_at_mutable(test->points, vss_value_count(test->points) - 1);
        _cleanup_(freep) char *text = NULL;
        va_list args;

        va_start(args, format);
        text = format_text(format, args);
        va_end(args);
        if (!text)
                return;
        (void)vss_value_set_string(last, "detail", text_make_utf8(text));
        if (test->json)
                return;
        for (char *line = text, *next; line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                printf("# %s\n", line);
        }
}

bool point_result(Test *test, vss_result got, vss_result want, const char *format, ...) {
        bool ok = got == want || (want == VSS_S_OK && got == VSS_S_FALSE);
        va_list args;

        va_start(args, format);
        if (ok)
                test->passed++;
        else
                test->failed++;
        add(test, ok ? "passed" : "failed", format_text(format, args), "");
        va_end(args);
        if (!ok)
                point_detail(test, "answered %s, wanted %s%s%s", vss_result_name(got), vss_result_name(want),
                             got < 0 && *test->message ? ": " : "", got < 0 ? test->message : "");
        return ok;
}

static json_t *to_json(const vss_value *point) {
        json_t *object = json_object();

        for (size_t i = 0; object && i < vss_value_count(point); i++)
                (void)json_object_set_new(object, vss_value_key_at(point, i),
                                          json_string(vss_value_string(vss_value_at(point, i), "")));
        return object;
}

static void print_json(const Test *test) {
        json_t *document = json_pack("{s:s,s:s,s:i,s:i,s:i}", "provider", test->name, "version",
                                     vss_value_get_string(test->info, "version", ""), "passed",
                                     (int)test->passed, "failed", (int)test->failed, "skipped",
                                     (int)test->skipped);
        json_t *points = json_array();

        for (size_t i = 0; i < vss_value_count(test->points); i++)
                (void)json_array_append_new(points, to_json(vss_value_at(test->points, i)));
        if (document && json_object_set_new(document, "points", points) == 0 &&
            json_dumpf(document, stdout, JSON_INDENT(2)) == 0)
                (void)fputc('\n', stdout);
        else
                fputs("vss-test-provider: the answer cannot be written as JSON\n", stderr);
        json_decref(document);
}

int report_end(Test *test) {
        if (test->json)
                print_json(test);
        else
                printf("1..%u\n# provider %s: %u passed, %u failed, %u skipped\n", test->n, test->name,
                       test->passed, test->failed, test->skipped);
        return test->failed > 0 || test->n == 0 ? 1 : 0;
}
