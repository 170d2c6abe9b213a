/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: JSON output and its schema
 *
 * Without arguments beyond the schema: sample answers of the service, turned to JSON as every verb does, fit
 * the definitions. With a definition and a file: that output fits it, for the tests against the real
 * service. The validator knows the keywords that our schema uses, and fails on any other. It is shown
 * failing first.
 */

#include <jansson.h>
#include "util/macro.h"
#include "util/test.h"
#include "vss/explain.h"
#include "vss/json.h"

#define DEPTH_MAX 32u

static json_t *schema;

static bool type_fits(const char *type, const json_t *value) {
        if (strcmp(type, "object") == 0)
                return json_is_object(value);
        if (strcmp(type, "array") == 0)
                return json_is_array(value);
        if (strcmp(type, "string") == 0)
                return json_is_string(value);
        if (strcmp(type, "integer") == 0)
                return json_is_integer(value);
        if (strcmp(type, "boolean") == 0)
                return json_is_boolean(value);
        return false;
}

static bool fits(const json_t *rules, const json_t *value, const char *where, unsigned depth);

static bool complain(const char *where, const char *what) {
        printf("# %s: %s\n", where, what);
        return false;
}

static bool members_fit(const json_t *rules, json_t *value, const char *where, unsigned depth) {
        const json_t *member_rules;
        const char *key;
        json_t *each;
        size_t i;
        bool ok = true;

        json_array_foreach(json_object_get(rules, "required"), i, each) {
                if (!json_object_get(value, json_string_value(each)))
                        ok = complain(json_string_value(each), "is missing");
        }
        json_object_foreach(value, key, each) {
                member_rules = json_object_get(json_object_get(rules, "properties"), key);
                if (member_rules)
                        ok &= fits(member_rules, each, key, depth + 1);
        }
        if (json_object_get(rules, "items"))
                json_array_foreach(value, i, each) {
                        ok &= fits(json_object_get(rules, "items"), each, where, depth + 1);
                }
        return ok;
}

static bool enum_fits(const json_t *choices, const json_t *value) {
        json_t *choice;
        size_t i;

        json_array_foreach(choices, i, choice) {
                if (json_equal(choice, value))
                        return true;
        }
        return false;
}

static bool fits(const json_t *rules, const json_t *value, const char *where, unsigned depth) {
        static const char *const keywords[] = { "$ref",     "type",  "enum",       "properties",
                                                "required", "items", "description" };
        const char *key, *reference = json_string_value(json_object_get(rules, "$ref")),
                         *type = json_string_value(json_object_get(rules, "type"));
        json_t *each;

        if (depth > DEPTH_MAX)
                return complain(where, "too deep");
        json_object_foreach((json_t *)rules, key, each) {
                bool known = false;

                FOREACH_ELEMENT (keyword, keywords)
                        known |= strcmp(*keyword, key) == 0;
                if (!known)
                        return complain(key, "is a keyword this validator does not know");
        }
        if (reference) {
                const json_t *target = json_object_get(json_object_get(schema, "$defs"),
                                                       strrchr(reference, '/') + 1);

                return target ? fits(target, value, where, depth + 1)
                              : complain(reference, "is not defined");
        }
        if (type && !type_fits(type, value))
                return complain(where, "is of the wrong type");
        if (json_object_get(rules, "enum") && !enum_fits(json_object_get(rules, "enum"), value))
                return complain(where, "is none of the allowed values");
        return members_fit(rules, (json_t *)value, where, depth);
}

static bool fits_definition(const char *name, const json_t *value) {
        const json_t *definition = json_object_get(json_object_get(schema, "$defs"), name);

        return definition ? fits(definition, value, name, 0) : complain(name, "is not defined");
}

/* A value from JSON: samples are easier to read that way. */
static vss_value *value_from_json(const json_t *json) {
        vss_value *value;
        const char *key;
        json_t *each;
        size_t i;

        if (json_is_boolean(json))
                return vss_value_new_boolean(json_is_true(json));
        if (json_is_integer(json))
                return vss_value_new_integer(json_integer_value(json));
        if (json_is_string(json))
                return vss_value_new_string(json_string_value(json));
        if (json_is_array(json)) {
                value = vss_value_new_list();
                json_array_foreach((json_t *)json, i, each) {
                        (void)vss_value_append(value, value_from_json(each));
                }
                return value;
        }
        value = vss_value_new_dict();
        json_object_foreach((json_t *)json, key, each) {
                (void)vss_value_set(value, key, value_from_json(each));
        }
        return value;
}

static const struct {
        const char *definition, *sample;
        bool good;
} samples[] = {
        { "doctor", "{'checks': [{'name': 'x', 'ok': 'yes', 'text': ''}]}", false },
        { "doctor", "{'checks': [{'name': 'x', 'text': ''}]}", false },
        { "doctor", "{}", false },
        { "plan", "{'volumes': [{'path': '/', 'level': 'best'}]}", false },
        { "create", "{'set': 'u', 'level': 'group', 'snapshots': [{'id': 7}]}", false },
        { "nothing", "{}", false },
        { "doctor", "{'checks': [{'name': 'x', 'ok': true, 'text': 'fine', 'remedy': ''}]}", true },
        { "list-writers",
          "{'writers': [{'name': 'SQLite', 'id': 'u', 'friendly-name': 'SQLite', 'version': '1', 'state': 1,"
          "  'state-name': 'Stable', 'components': [{'type': 1, 'logical-path': 'a/b', 'name': 'c', "
          "'selectable': true,"
          "  'files': [{'path': '/a', 'filespec': 'c*', 'recursive': false}]}],"
          "  'missing-rights': [{'what': 'w', 'remedy': 'r'}], 'warnings': ['careful']}]}",
          true },
        { "list-providers", "{'providers': [{'name': 'Btrfs', 'id': 'u', 'type': 2, 'version': '1'}]}",
          true },
        { "list-volumes",
          "{'volumes': [{'path': '/srv', 'mount-point': '/srv', 'provider': '', 'supported': false,"
          "  'declined': [{'provider': 'Btrfs', 'reason': 'ext4'}]}]}",
          true },
        { "list-sessions",
          "{'sessions': [{'id': 'u', 'label': '', 'owner': 0, 'pid': 1, 'state': 's', 'set': ''}]}", true },
        { "plan",
          "{'volumes': [{'path': '/srv', 'nested': false, 'below': '', 'wanted': ['/srv'], 'supported': "
          "true,"
          "  'level': 'group', 'hold': 'writers', 'writers': ['SQLite']}], 'writers': [{'name': 'SQLite',"
          "  'components': 2, 'missing-rights': []}], 'left-out': [{'path': '/srv/t', 'reason': 'tmpfs'}],"
          "  'level': 'application'}",
          true },
        { "create",
          "{'set': 'u', 'level': 'application', 'snapshots': [{'id': 'u', 'volume': '/srv', 'created': "
          "1234567890123456,"
          "  'context': 9, 'attributes': 9, 'level': 'application', 'device-object': '/run/x'}], 'writers': "
          "[{'name':"
          "  'SQLite', 'state': 5, 'level': 'application', 'held-usec': 11000}], 'components': [{'writer': "
          "'SQLite',"
          "  'logical-path': '', 'name': 'c', 'level': 'application', 'reason': ''}], 'left-out': [], "
          "'timeline':"
          "  [{'step': 'Freeze', 'who': 'SQLite', 'at-usec': 1, 'took-usec': 2, 'code': 0}], "
          "'freeze-window-usec': 16000}",
          true },
        { "verify",
          "{'set': 'u', 'writers': [{'name': 'Db', 'verified': 'yes', 'code': 0}], 'components': []}",
          false },
        { "verify",
          "{'set': 'u', 'level': 'group', 'writers': [{'name': 'Db', 'verified': true, 'code': 0, "
          "'message': ''}],"
          "  'components': [{'writer': 'Db', 'logical-path': '', 'name': 'c', 'code': -1, 'message': "
          "'torn'}],"
          "  'notes': [{'writer': 'Db', 'text': 'n'}]}",
          true },
        { "delete", "{'deleted': ['u'], 'failed': [{'id': 'u', 'reason': 'busy'}]}", true },
        { "thaw", "{'held-usec': 5, 'held-to-the-end': true, 'targets': [{'what': '/srv', 'held-usec': 5}]}",
          true },
        { "event", "{'kind': 'session', 'text': 'begun', 'time-usec': 1}", true },
};

/* Samples are written with single quotes. */
static json_t *parse_sample(const char *sample) {
        _cleanup_(freep) char *text = strdup(sample);

        for (char *c = text; c && *c; c++)
                if (*c == '\'')
                        *c = '"';
        return json_loads(text, 0, NULL);
}

static void test_samples(void) {
        FOREACH_ELEMENT (row, samples) {
                json_t *sample = parse_sample(row->sample), *json;
                _cleanup_value_ vss_value *value = NULL;

                expect_true("the sample is JSON", sample != NULL);
                value = value_from_json(sample);
                json = json_from_value(value);
                expect_true("to a value and back", json_equal(sample, json));
                expect_int(row->definition, fits_definition(row->definition, json), row->good);
                json_decref(json);
                json_decref(sample);
        }
}

static void test_explain(void) {
        static const char *const codes[] = { "VSS_E_BAD_STATE",
                                             "e_bad_state",
                                             "BAD_STATE",
                                             "0x80042301",
                                             "2147754753",
                                             "-2147212543",
                                             "org.linuxvss.Error.BAD_STATE" };
        _cleanup_value_ vss_value *all = explain_code(NULL);
        json_t *json = json_from_value(all);

        FOREACH_ELEMENT (code, codes) {
                _cleanup_value_ vss_value *document = explain_code(*code);
                const vss_value *results = vss_value_get(document, "results");

                expect_int(*code, vss_value_count(results), 1);
                expect_str(*code, vss_value_get_string(vss_value_at(results, 0), "name", ""),
                           "VSS_E_BAD_STATE");
        }
        expect_true("no such code", explain_code("BAD_STATES") == NULL);
        expect_true("no such number", explain_code("0x80042399") == NULL);
        expect_true("all results", vss_value_count(vss_value_get(all, "results")) > 60);
        expect_true("their form", fits_definition("explain", json));
        json_decref(json);
}

static void test_strings(void) {
        static const struct {
                const char *in, *out;
        } rows[] = {
                { "plain", "plain" },
                { "\xc3\xa4", "\xc3\xa4" },
                { "bad \xff byte", "bad \xef\xbf\xbd byte" },
                { "cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd" },
                { "overlong \xc0\x80", "overlong \xef\xbf\xbd\xef\xbf\xbd" },
        };

        FOREACH_ELEMENT (row, rows) {
                _cleanup_value_ vss_value *value = vss_value_new_string(row->in);
                json_t *json = json_from_value(value);

                expect_str(row->out, json_string_value(json), row->out);
                json_decref(json);
        }
}

int main(int argc, char **argv) {
        schema = argc > 1 ? json_load_file(argv[1], 0, NULL) : NULL;
        if (!schema) {
                printf("Bail out! no schema\n");
                return 1;
        }
        if (argc == 4) {
                json_t *json = json_load_file(argv[3], 0, NULL);

                expect_true(argv[2], json && fits_definition(argv[2], json));
                json_decref(json);
        } else {
                test_samples();
                test_explain();
                test_strings();
        }
        json_decref(schema);
        return test_end();
}
