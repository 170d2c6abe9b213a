/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restore options: the grammar, what each component gets, round trips
 */

#include "model/restore-options.h"
#include "util/test.h"

static void test_parse(void) {
        static const struct {
                const char *text, *normal; /* NULL: refused */
        } cases[] = {
                { "", "" },
                { "  ", "" },
                { "\"A\"=\"1\"", "\"A\"=\"1\"" },
                { " \"A\" = \"1\" , \"B\" = \"\" ; ", "\"A\"=\"1\", \"B\"=\"\"" },
                { "\"Path\\Comp\": \"A\"=\"1\", \"B\"=\"2\"; \"C\"=\"3\"",
                  "\"Path/Comp\": \"A\"=\"1\", \"B\"=\"2\"; \"C\"=\"3\"" },
                { "\"a/b/c\":\"A\"=\"1\";\"d\":\"A\"=\"2\"", "\"a/b/c\": \"A\"=\"1\"; \"d\": \"A\"=\"2\"" },
                { "\"A\"=\"say \"\"yes\"\"\"", "\"A\"=\"say \"\"yes\"\"\"" },
                { "\"A\"=\"x;y,z:=\"", "\"A\"=\"x;y,z:=\"" },
                { "\"A\"=\"1\"; \"B\"=\"2\"", "\"A\"=\"1\", \"B\"=\"2\"" },
                { "\"c\": \"A\"=\"1\"; \"A\"=\"2\"", "\"c\": \"A\"=\"1\"; \"A\"=\"2\"" },
                { "\"c\": \"A\"=\"1\"; \"c\": \"a\"=\"2\"", NULL },
                { "\"A\"=\"1\", \"A\"=\"2\"", NULL },
                { "A=1", NULL },
                { "\"A\"", NULL },
                { "\"A\"=", NULL },
                { "\"A\"=\"1", NULL },
                { "\"A", NULL },
                { "\"", NULL },
                { "\"\"=\"1\"", NULL },
                { "\"c\":", NULL },
                { "\"\": \"A\"=\"1\"", NULL },
                { "\"c/\": \"A\"=\"1\"", NULL },
                { "\"c\": \"A\"=\"1\",", NULL },
                { "\"A\"=\"1\" \"B\"=\"2\"", NULL },
                { ";", NULL },
                { "\"A\"=\"1\";;", NULL },
                { "\"A\"=\"\xff\"", NULL },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_value_ vss_value *options = NULL, *again = NULL;
                _cleanup_(freep) char *text = NULL;
                Why why = { "" };
                vss_result result = restore_options_parse(c->text, &options, &why);

                expect_int(c->normal ? c->text : "refused", result, c->normal ? VSS_S_OK : VSS_E_INVALIDARG);
                expect_true("a reason, if refused", (result < 0) == (*why.text != '\0'));
                if (result < 0)
                        continue;
                expect_int("written", restore_options_format(options, &text), 0);
                expect_str("as", text, c->normal);
                (void)restore_options_parse(text, &again, &why);
                expect_true("reads the same", value_equals(options, again));
        }
}

static void test_position(void) {
        _cleanup_value_ vss_value *options = NULL;
        Why why = { "" };

        (void)restore_options_parse("\"A\"=\"1\", x", &options, &why);
        expect_str("where", why.text,
                   "Restore options, character 10: the name of an option, in quotes, is expected at \"x\".");
}

static void test_get(void) {
        static const struct {
                const char *path, *name, *option, *value;
        } cases[] = {
                { "", "db", "Own", "1" },     { "", "db", "OWN", "1" },       { "", "db", "Both", "own" },
                { "", "other", "Own", NULL }, { "", "other", "Both", "all" }, { "x", "db", "Both", "all" },
                { "p/q", "r", "Deep", "2" },  { "p", "q/r", "Deep", NULL },
        };
        _cleanup_value_ vss_value *options = NULL;

        (void)restore_options_parse(
                "\"Both\"=\"all\"; \"db\": \"Own\"=\"1\", \"Both\"=\"own\"; \"p\\q\\r\": \"Deep\"=\"2\"",
                &options, NULL);
        FOREACH_ELEMENT (c, cases)
                expect_str(c->option, restore_options_get(options, c->path, c->name, c->option), c->value);
        expect_str("of nothing", restore_options_get(NULL, "", "db", "Own"), NULL);
}

static void test_typed(void) {
        static const char *const refused[] = { "\"Authoritative\"=\"Some\"", "\"Authoritative\"=\"Item:\"",
                                               "\"Roll Forward\"=\"Partial: \"", "\"Roll Forward\"=\"\"" };
        _cleanup_value_ vss_value *options = NULL, *typed = NULL, *none = NULL;
        Why why;

        (void)restore_options_parse(
                "\"db\": \"Authoritative\"=\"Item: users\", \"roll forward\"=\"Partial: 42\"; "
                "\"New Component Name\"=\"db2\"",
                &options, NULL);
        expect_int("typed", restore_options_typed(options, "", "db", &typed, &why), VSS_S_OK);
        expect_true("authoritative", vss_value_get_boolean(typed, "authoritative", false));
        expect_str("for an item", vss_value_get_string(typed, "authoritative-item", NULL), "users");
        expect_int("roll forward", vss_value_get_integer(vss_value_get(typed, "roll-forward"), "type", 0),
                   VSS_RF_PARTIAL);
        expect_str("to a point", vss_value_get_string(vss_value_get(typed, "roll-forward"), "point", NULL),
                   "42");
        expect_str("a new name", vss_value_get_string(typed, "restore-name", NULL), "db2");
        expect_int("of another", restore_options_typed(options, "", "x", &none, &why), VSS_S_OK);
        expect_int("only what is for all", vss_value_count(none), 1);
        FOREACH_ELEMENT (text, refused) {
                _cleanup_value_ vss_value *bad = NULL, *bad_typed = NULL;

                (void)restore_options_parse(*text, &bad, NULL);
                expect_int(*text, restore_options_typed(bad, "", "x", &bad_typed, &why), VSS_E_INVALIDARG);
        }
}

int main(void) {
        test_parse();
        test_position();
        test_get();
        test_typed();
        return test_end();
}
