/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any document: what is written reads the same again, for trees made at random from the schema's own tables
 *
 * And what the tables have is in the manual page.
 *
 * Usage: test-documents-any SCHEMA MANUAL; SEED chooses what is made
 */

#include <string.h>
#include <unistd.h>
#include "documents/schema.h"
#include "documents/test-common.h"
#include "util/test.h"

enum { ROUNDS = 300 };

static uint64_t random_state;

static uint64_t next_random(void) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return random_state;
}

static bool flip(void) {
        return next_random() % 2;
}

static const char *pick(const char *const *texts, size_t n) {
        return texts[next_random() % n];
}

/* Which keys were ever made. */
static vss_value *made;
static unsigned serial;

static vss_value *any_text(void) {
        static const char *const texts[] = {
                "",
                "x",
                "a <b> & \"c\" 'd'",
                "line\nbreak\ttab\rreturn",
                "  blanks  ",
                "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
                "control \001 \033[0m",
                "\x7f",
                "not \xff utf-8 \xc0\xaf",
                "\xef\xbf\xbe",
                "&#0; &amp; ]]> -->",
                "AAAA=",
                "\\back\\slash",
                "\xed\xa0\x80",
        };

        return vss_value_new_string(pick(texts, ELEMENTS(texts)));
}

static vss_value *any_id(void) {
        char id[64];

        (void)snprintf(id, sizeof(id), "%08x-%04x-4%03x-8%03x-%012x", (unsigned)next_random(),
                       (unsigned)next_random() & 0xffff, (unsigned)next_random() & 0xfff,
                       (unsigned)next_random() & 0xfff, (unsigned)next_random());
        return vss_value_new_string(id);
}

/* A name that no other has, so that nothing is there twice. */
static vss_value *any_name(void) {
        static const char *const names[] = { "c",     "name with blank", "\xc3\xa9", "a\\b",
                                             "<&\">", "\xef\xbf\xbf",    "..",       "Volume{1}" };
        char name[64];

        (void)snprintf(name, sizeof(name), "%s%u", pick(names, ELEMENTS(names)), serial++);
        return vss_value_new_string(name);
}

static vss_value *any_number(void) {
        static const int64_t numbers[] = { 0, 1, -1, 3855, INT64_MAX, INT64_MIN, 0xFFFFFFFF };

        return vss_value_new_integer(numbers[next_random() % ELEMENTS(numbers)]);
}

static const Spelling *any_spelling(const Spelling *spellings) {
        size_t n = 0;

        while (spellings[n].text)
                n++;
        return &spellings[next_random() % n];
}

static vss_value *any_field(const Attribute *attribute) {
        static const char *const logical[] = { "", "a", "a/b", "a\\b/c", "\xef\xbf\xbe/b", "srv/\xc3\xa9" };
        static const char *const remote[] = { "", "a/b", "//host/a" };
        static const char *const paths[] = { "/",
                                             "/srv/data",
                                             "/srv/a..b/...",
                                             "C:\\x",
                                             "%x%\\y",
                                             "$X/y",
                                             "\\x",
                                             "\\\\?\\Volume{1}\\",
                                             "/with \"quotes\" & <angles>",
                                             "/\xef\xbf\xbf",
                                             "/a\\..\\b",
                                             "%x%/\\.." };
        static const char *const any_paths[] = { "", "relative/path", "/srv" };
        static const char *const specs[] = { "*", "a?.db", "..x", "a\\b", "<*>", "..\\x", "\xef\xbf\xbf*" };
        static const char *const versions[] = { "1.0", "0.0", "1.2.3", "01.0", "", "x", "1.", "3.40\001" };

        switch (attribute->type) {
        case FIELD_DATA:
                return any_text();
        case FIELD_NAME:
                return any_name();
        case FIELD_LOGICAL_PATH:
                return vss_value_new_string(pick(logical, ELEMENTS(logical)));
        case FIELD_REMOTE_PATH:
                return vss_value_new_string(pick(remote, ELEMENTS(remote)));
        case FIELD_PATH:
                return vss_value_new_string(pick(paths, ELEMENTS(paths)));
        case FIELD_ANY_PATH:
                return vss_value_new_string(pick(any_paths, ELEMENTS(any_paths)));
        case FIELD_FILESPEC:
                return vss_value_new_string(pick(specs, ELEMENTS(specs)));
        case FIELD_ID:
                return any_id();
        case FIELD_ID_OR_NONE:
                return flip() ? any_id() : vss_value_new_string("");
        case FIELD_ICON:
                return vss_value_new_string(flip() ? "iVBORw0KGgo=" : "");
        case FIELD_BOOLEAN:
                return vss_value_new_boolean(flip());
        case FIELD_INTEGER:
                return any_number();
        case FIELD_NUMBERED:
                return vss_value_new_integer(any_spelling(attribute->spellings)->number);
        case FIELD_WORD:
                return vss_value_new_string(any_spelling(attribute->spellings)->text);
        case FIELD_OWN_VERSION:
        case FIELD_MAJOR:
        case FIELD_MINOR:
                return vss_value_new_string(pick(versions, ELEMENTS(versions)));
        case FIELD_VERSION:
        case FIELD_EDITION:
                break;
        }
        return NULL;
}

static vss_value *any_value(unsigned depth) {
        unsigned kind = (unsigned)(next_random() % (depth > 0 ? 5 : 3));
        vss_value *value;
        char key[16];

        if (kind == 0)
                return any_text();
        if (kind == 1)
                return any_number();
        if (kind == 2)
                return vss_value_new_boolean(flip());
        value = kind == 3 ? vss_value_new_list() : vss_value_new_dict();
        for (unsigned i = 0; i < next_random() % 4; i++) {
                (void)snprintf(key, sizeof(key), "key-%u", i);
                (void)(kind == 3 ? vss_value_append(value, any_value(depth - 1))
                                 : vss_value_set(value, key, any_value(depth - 1)));
        }
        return value;
}

static void note(const Element *element, const char *key) {
        (void)value_set_printf(made, element->ns == NS_NONE ? "COMPONENT" : element->name, "%s", "");
        (void)vss_value_set(value_require(made, "keys", VSS_KIND_DICT), key, vss_value_new_boolean(true));
}

static void fill(const Element *element, vss_value *dict);

static void fill_child(const Element *child, vss_value *dict) {
        size_t n = next_random() % 4;
        vss_value *list;

        if (child->place == PLACE_INLINE) {
                fill(child, dict);
                return;
        }
        if (child->place == PLACE_DICT) {
                if (flip()) {
                        vss_value *member = vss_value_new_dict();

                        fill(child, member);
                        (void)vss_value_set(dict, child->key, member);
                        note(child, child->key);
                }
                return;
        }
        for (size_t i = 0; i < n; i++) {
                vss_value *member = child->place == PLACE_TEXTS ? any_text() : vss_value_new_dict();

                note(child, child->key);
                if (child->place == PLACE_LIST)
                        fill(child, member);
                list = value_require(dict, child->key, VSS_KIND_LIST);
                (void)vss_value_append(list, member);
        }
}

static void fill(const Element *element, vss_value *dict) {
        if (element->told_key)
                (void)vss_value_set_integer(dict, element->told_key, element->told);
        for (const Attribute *a = element->attributes; a && a->name; a++) {
                if (!a->key || (!a->required && flip()))
                        continue;
                note(element, a->key);
                (void)vss_value_set(dict, a->key, any_field(a));
        }
        /* Names are made up when they are missing. */
        if ((element->role == ROLE_IDENTIFICATION || element->role == ROLE_WRITER) &&
            !vss_value_get(dict, "name"))
                (void)vss_value_set_string(dict, "name", "Some");
        /* Without an instance they tell writers from each other. */
        if (element->role == ROLE_WRITER && !*vss_value_get_string(dict, "instance-id", ""))
                (void)vss_value_set(dict, "name", any_name());
        for (size_t i = 0; element->lists && element->lists[i]; i++)
                (void)value_require(dict, element->lists[i], VSS_KIND_LIST);
        for (size_t i = 0; element->children && element->children[i]; i++)
                fill_child(element->children[i], dict);
        for (unsigned i = 0; element->role == ROLE_VALUES && i < next_random() % 4; i++) {
                char key[16];

                (void)snprintf(key, sizeof(key), "k%u", i);
                (void)vss_value_set(dict, key, any_value(4));
        }
}

/* Prints what was written, once. */
static void show(const char *text) {
        static bool shown;

        if (!shown && text)
                printf("# %.3000s\n", text);
        shown = true;
}

static void test_round(const Schema *schema, const Element *root, unsigned *wrong) {
        _cleanup_value_ vss_value *document = vss_value_new_dict(), *back = NULL;
        _cleanup_(freep) char *text = NULL, *again = NULL, *error = NULL;
        size_t size = 0, again_size = 0;

        (void)vss_value_set_string(document, "kind",
                                   root == &schema_metadata ? "writer-metadata" : "backup-components");
        fill(root, document);
        if (vss_document_format(document, &text, &size, &error) < 0 ||
            vss_document_parse(text, size, &back, &error) < 0 || !values_are_equal(document, back) ||
            vss_document_format(back, &again, &again_size, &error) < 0 || strcmp(text, again) != 0 ||
            !schema_accepts(schema, text, size, *wrong > 0)) {
                printf("# %s\n", error ?: "not the same");
                show(text);
                (*wrong)++;
        }
}

/* The keys that are documented for each kind of document; the tables must have them all. */
static void test_keys(void) {
        char keys[] = "name id instance-id instance-name friendly-name version library-version usage "
                      "source level freeze-timeout-ms backup-schema express restore-method method service "
                      "user-procedure writer-restore reboot-required alternate-mappings excludes "
                      "excludes-from-snapshot components missing-rights warnings dropped path filespec "
                      "recursive alternate-path backup-mask kind real device alternate-real "
                      "alternate-volume alternate-device logical-path caption icon "
                      "restore-metadata notify-on-backup-complete selectable selectable-for-restore flags "
                      "needs-one-instant owner crash-only files dependencies writer-id select-components "
                      "bootable-system-state backup-type partial-file-support restore-type set session "
                      "context service-version host created-usec writers type succeeded backup-options "
                      "previous-stamp stamp backup-metadata partial-files ranges metadata "
                      "differenced-files modified-after-usec selected-for-restore additional-restores "
                      "restore-options restore-target restore-subcomponents new-targets directed-targets "
                      "destination-path destination-filespec destination-ranges file-restore-status "
                      "prepare-failure post-snapshot-failure pre-restore-failure post-restore-failure "
                      "failure code application-code message authoritative roll-forward point restore-name "
                      "snapshots provider volume below attributes sequence luns source destination";
        char *rest = NULL;
        const vss_value *all = vss_value_get(made, "keys");

        for (const char *key = strtok_r(keys, " ", &rest); key; key = strtok_r(NULL, " ", &rest))
                if (!vss_value_get(all, key))
                        expect_str("a key that no document can carry", key, NULL);
        expect_true("each key was in some document", true);
}

/* Does the section of the page that begins at @section have the line? */
static bool has_line(const char *section, const char *line) {
        const char *end = strstr(section + 1, "\n.S"), *found = strstr(section, line);

        return found && (!end || found < end);
}

static bool is_documented(const char *manual, const Element *element) {
        char line[128];
        const char *section;

        (void)snprintf(line, sizeof(line), "\n.Ss %s%s\n", element->ns == NS_OURS ? "l:" : "",
                       element->name);
        section = strstr(manual, line);
        if (!section)
                printf("# no section %s\n", element->name);
        for (const Attribute *a = element->attributes; section && a && a->name; a++) {
                (void)snprintf(line, sizeof(line), "\n.It Li %s%s Pq ",
                               schema_is_prefixed(element, a) ? "l:" : "", a->name);
                if (has_line(section, line))
                        continue;
                printf("# in %s no %s\n", element->name, a->name);
                section = NULL;
        }
        for (size_t i = 0; section && element->children && element->children[i]; i++)
                if (!is_documented(manual, element->children[i]))
                        section = NULL;
        return section;
}

static void test_manual(const char *path) {
        size_t size = 0;
        _cleanup_(freep) char *manual = read_file(path, &size);
        char *attribute = manual ? strstr(manual, "\n.It Li filespecBackupType") : NULL;

        expect_true("the manual page is there", attribute != NULL);
        if (!attribute)
                return;
        expect_true("it has every element and attribute",
                    is_documented(manual, &schema_metadata) && is_documented(manual, &schema_components) &&
                            is_documented(manual, &schema_value));
        attribute[sizeof("\n.It Li file") - 1] = 'x';
        expect_true("one that is missing is seen", !is_documented(manual, &schema_metadata));
}

int main(int argc, char *argv[]) {
        _cleanup_(schema_freep) Schema *schema = argc == 3 ? schema_load(argv[1]) : NULL;
        const char *seed = getenv("SEED");
        unsigned wrong = 0;

        expect_true("the schema is one", schema != NULL);
        if (!schema)
                return test_end();
        random_state = (seed ? strtoull(seed, NULL, 10) : (uint64_t)getpid()) * 2654435761u +
                       88172645463325252u;
        printf("# random state %llu\n", (unsigned long long)random_state);
        made = vss_value_new_dict();
        for (unsigned i = 0; i < ROUNDS; i++)
                test_round(schema, &schema_metadata, &wrong);
        expect_int("Writer Metadata Documents survive", wrong, 0);
        wrong = 0;
        for (unsigned i = 0; i < ROUNDS; i++)
                test_round(schema, &schema_components, &wrong);
        expect_int("Backup Components Documents survive", wrong, 0);
        test_keys();
        test_manual(argv[2]);
        vss_value_free(made);
        return test_end();
}
