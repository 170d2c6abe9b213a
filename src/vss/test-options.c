/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: option tables, names, components chosen, and what is said of sets
 */

#include "util/test.h"
#include "vss/attributes.h"
#include "vss/options.h"
#include "vss/output.h"
#include "vss/report.h"

#define ARGUMENTS_MAX 8

static void test_options(void) {
        static const struct {
                const char *label, *argv[ARGUMENTS_MAX];
                int want_status, want_words;
                uint32_t want_number, want_context;
                size_t want_list;
        } rows[] = {
                { "nothing", { "create" }, EXIT_DONE, 0, 0, 9, 0 },
                { "words and options mixed",
                  { "create", "/a", "--number", "5", "/b" },
                  EXIT_DONE,
                  2,
                  5,
                  9,
                  0 },
                { "a list", { "create", "--list", "x", "--list=y" }, EXIT_DONE, 0, 0, 9, 2 },
                { "a context", { "create", "--context", "NAS-rollback" }, EXIT_DONE, 0, 0, 0x19, 0 },
                { "an unknown option", { "create", "--nmber", "5" }, EXIT_USAGE, -1, 0, 9, 0 },
                { "no value", { "create", "--number" }, EXIT_USAGE, -1, 0, 9, 0 },
                { "an empty value", { "create", "--list=" }, EXIT_USAGE, -1, 0, 9, 0 },
                { "no number", { "create", "--number", "5s" }, EXIT_USAGE, -1, 0, 9, 0 },
                { "too small", { "create", "--number", "0" }, EXIT_USAGE, -1, 0, 9, 0 },
                { "too great", { "create", "--number", "4294967301" }, EXIT_USAGE, -1, 0, 9, 0 },
                { "negative", { "create", "--number", "-4294967290" }, EXIT_USAGE, -1, 0, 9, 0 },
                { "no context", { "create", "--context", "nas" }, EXIT_USAGE, -1, 0, 9, 0 },
                { "no level", { "create", "--level", "best" }, EXIT_USAGE, -1, 0, 9, 0 },
                { "no type", { "create", "--type", "fully" }, EXIT_USAGE, -1, 0, 9, 0 },
        };
        static const Verb verb = { "create", "", "Test", NULL };

        FOREACH_ELEMENT (row, rows) {
                Cli cli = { .verb = &verb };
                enum vss_backup_type type = VSS_BT_COPY;
                _cleanup_(strings_clear) Strings list = {};
                uint32_t number = 0, context = 9;
                const char *level = NULL, *argv[ARGUMENTS_MAX + 1] = {};
                const Option options[] = {
                        OPTION("list", OPTION_LIST, "X", "", &list),
                        OPTION("context", OPTION_CONTEXT, "X", "", &context),
                        OPTION("level", OPTION_LEVEL, "X", "", &level),
                        OPTION("type", OPTION_TYPE, "X", "", &type),
                        OPTION_RANGE("number", OPTION_NUMBER, "X", "", &number, 1, 10),
                };
                int argc = 0, status = EXIT_DONE, index;

                for (; argc < ARGUMENTS_MAX && row->argv[argc]; argc++)
                        argv[argc] = row->argv[argc];
                index = options_parse(&cli, options, ELEMENTS(options), argc, (char **)argv, &status);
                expect_int(row->label, status, row->want_status);
                expect_int(row->label, index < 0 ? -1 : argc - index, row->want_words);
                expect_int(row->label, number, row->want_number);
                expect_int(row->label, context, row->want_context);
                expect_int(row->label, list.n, row->want_list);
        }
}

static void test_names(void) {
        static const char *const names[] = { "create", "delete", "expose", "exec" };
        enum vss_backup_type type = VSS_BT_COPY;
        uint32_t context = 77;

        expect_str("a letter is missing", suggest_name("creat", names, ELEMENTS(names)), "create");
        expect_str("another word", suggest_name("banana", names, ELEMENTS(names)), NULL);
        expect_true("backup", context_from_name("backup", &context) && context == VSS_CTX_BACKUP);
        expect_true("no context", !context_from_name("", &context) && context == VSS_CTX_BACKUP);
        expect_str("a context's name", context_name(VSS_CTX_APP_ROLLBACK), "app-rollback");
        expect_true("full", backup_type_from_name("FULL", &type) && type == VSS_BT_FULL);
        expect_true("no type", !backup_type_from_name("", &type) && type == VSS_BT_FULL);
}

static void add_left_out(vss_value *dict, const char *key, const char *what) {
        vss_value *entry = vss_value_new_dict();

        (void)vss_value_set_string(entry, key, what);
        (void)vss_value_set_string(entry, "reason", "tmpfs");
        (void)vss_value_append(value_require(dict, "left-out", VSS_KIND_LIST), entry);
}

static void add_writer(vss_value *set, const char *name, int64_t held_usec, int64_t state) {
        vss_value *writer = vss_value_new_dict();

        (void)vss_value_set_string(writer, "name", name);
        (void)vss_value_set_integer(writer, "held-usec", held_usec);
        (void)vss_value_set_integer(writer, "state", state);
        (void)vss_value_append(value_require(set, "writers", VSS_KIND_LIST), writer);
}

static void test_closing_line(void) {
        _cleanup_value_ vss_value *set = vss_value_new_dict(), *plan = vss_value_new_dict();
        ViewInput live = {};
        char *line;

        (void)strings_add(&live.wanted, "/");
        (void)strings_add(&live.system_live, "/proc");
        (void)vss_value_set_string(set, "set", "u");
        (void)vss_value_set_string(set, "level", "application");
        (void)vss_value_set_integer(set, "freeze-window-usec", 16000);
        add_writer(set, "SQLite", 11000, VSS_WS_WAITING_FOR_BACKUP_COMPLETE);
        add_writer(set, "DropIn", 3000, VSS_WS_STABLE);
        add_left_out(plan, "path", "/proc");
        expect_int("complete", report_complete_set(set, plan, &live), 0);
        expect_true("what belongs to the system is no failure", !report_has_failures(set));
        line = report_closing_line(set);
        expect_str(
                "well", line,
                "set u: application-consistent; 2 writers held, longest SQLite 11 ms, freeze window 16 ms");
        free(line);

        add_left_out(plan, "path", "/mnt/t");
        add_left_out(set, "what", "/mnt/t");
        add_writer(set, "Fault", 0, VSS_WS_FAILED_AT_FREEZE);
        expect_int("complete", report_complete_set(set, plan, &live), 0);
        expect_int("each once", vss_value_count(vss_value_get(set, "left-out")), 2);
        expect_true("left out is a failure", report_has_failures(set));
        expect_true("a failed writer fails its components", report_component_failed(set, "Fault", "", "x"));
        expect_true("but not others'", !report_component_failed(set, "SQLite", "", "x"));
        line = report_closing_line(set);
        expect_str(
                "not well", line,
                "set u: application-consistent; 2 writers held, longest SQLite 11 ms, freeze window 16 ms; "
                "writer Fault failed; left out: /mnt/t");
        free(line);
        strings_clear(&live.wanted);
        strings_clear(&live.system_live);
}

static void test_durations(void) {
        static const struct {
                int64_t usec;
                const char *want;
        } rows[] = {
                { 0, "0.0 ms" },           { 1400, "1.4 ms" },
                { 14000, "14 ms" },        { 1200000, "1.2 s" },
                { 180000000, "3 min" },    { 7200000000ll, "2 h" },
                { 432000000000ll, "5 d" }, { -1, "-" },
        };
        char buffer[DURATION_SIZE];

        FOREACH_ELEMENT (row, rows)
                expect_str(row->want, format_duration(row->usec, buffer), row->want);
}

int main(void) {
        test_options();
        test_names();
        test_closing_line();
        test_durations();
        return test_end();
}
