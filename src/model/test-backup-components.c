/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The Backup Components Document: who may say what of which component, and when
 */

#include <string.h>
#include "model/backup-components.h"
#include "model/component.h"
#include "util/test.h"

#define SCHEMA_ALL 0xFFFFu

static void add_set(vss_value *component, const char *list, const char *path, const char *filespec,
                    bool recursive, const char *alternate) {
        vss_value *set = vss_value_new_dict();

        (void)vss_value_set_string(set, "path", path);
        (void)vss_value_set_string(set, "filespec", filespec);
        (void)vss_value_set_boolean(set, "recursive", recursive);
        (void)vss_value_set_string(set, "alternate-path", alternate);
        (void)vss_value_append(value_require(component, list, VSS_KIND_LIST), set);
}

static vss_value *declare(vss_value *metadata, const char *path, const char *name, bool selectable) {
        vss_value *component = vss_value_new_dict();

        (void)vss_value_set_string(component, "logical-path", path);
        (void)vss_value_set_string(component, "name", name);
        (void)vss_value_set_integer(component, "type", VSS_CT_FILEGROUP);
        (void)vss_value_set_boolean(component, "selectable", selectable);
        (void)vss_value_append(value_require(metadata, "components", VSS_KIND_LIST), component);
        return component;
}

/* top(selectable) > inner(selectable, restorable), leaf; bare > child; other */
static vss_value *metadata_new(uint32_t schema) {
        vss_value *metadata = vss_value_new_dict();
        vss_value *top, *inner;

        (void)vss_value_set_string(metadata, "name", "Mine");
        (void)vss_value_set_string(metadata, "id", "11111111-0000-0000-0000-000000000000");
        (void)vss_value_set_string(metadata, "instance-id", "22222222-0000-0000-0000-000000000000");
        (void)vss_value_set_integer(metadata, "backup-schema", schema);
        add_set(metadata, "alternate-mappings", "/srv/a", "*", true, "/srv/elsewhere");
        top = declare(metadata, "", "top", true);
        add_set(top, "files", "/srv/a", "*", true, "");
        inner = declare(metadata, "top", "inner", true);
        (void)vss_value_set_boolean(inner, "selectable-for-restore", true);
        add_set(inner, "files", "/srv/b", "*.db", false, "");
        (void)declare(metadata, "top", "leaf", false);
        (void)declare(metadata, "", "bare", false);
        (void)declare(metadata, "bare", "child", false);
        (void)declare(metadata, "", "other", true);
        return metadata;
}

typedef struct Fixture {
        vss_value *metadata, *components;
        BcWriter writer;
        Why why;
} Fixture;

static void fixture_init(Fixture *f, uint32_t schema) {
        *f = (Fixture){ .metadata = metadata_new(schema), .components = vss_value_new_list() };
        f->writer = (BcWriter){ .name = "Mine",
                                .metadata = f->metadata,
                                .components = f->components,
                                .partial_file_support = true };
}

static void fixture_clear(Fixture *f) {
        vss_value_free(f->metadata);
        vss_value_free(f->components);
}

static vss_value *added(Fixture *f, const char *path, const char *name) {
        vss_value *component = NULL;

        (void)bc_add(&f->writer, path, name, &f->why);
        (void)bc_find(&f->writer, path, name, &component, &f->why);
        return component;
}

static void test_add(void) {
        static const struct {
                const char *first_path, *first, *path, *name;
                vss_result result;
        } cases[] = {
                { "", "other", "", "top", VSS_S_OK },
                { "", "other", "top", "inner", VSS_S_OK },
                { "", "other", "top", "leaf", VSS_E_INVALIDARG }, /* not selectable, with an ancestor */
                { "", "other", "", "bare", VSS_S_OK },
                { "", "bare", "bare", "child", VSS_S_OK }, /* both readings are accepted */
                { "bare", "child", "", "bare", VSS_S_OK },
                { "", "top", "", "top", VSS_E_OBJECT_ALREADY_EXISTS },
                { "", "top", "top", "inner", VSS_E_INVALIDARG },
                { "top", "inner", "", "top", VSS_E_INVALIDARG },
                { "", "other", "", "none", VSS_E_OBJECT_NOT_FOUND },
                { "", "other", "", "inner", VSS_E_OBJECT_NOT_FOUND },
                { "", "other", "", "", VSS_E_OBJECT_NOT_FOUND },
        };

        FOREACH_ELEMENT (c, cases) {
                Fixture f;
                char label[640];

                (void)snprintf(label, sizeof(label), "%s after %s", component_label(c->path, c->name).text,
                               component_label(c->first_path, c->first).text);
                fixture_init(&f, 0);
                expect_int(label, bc_add(&f.writer, c->first_path, c->first, &f.why), VSS_S_OK);
                f.why.text[0] = '\0';
                expect_int(label, bc_add(&f.writer, c->path, c->name, &f.why), c->result);
                expect_int("counted", vss_value_count(f.components), c->result < 0 ? 1 : 2);
                expect_true("a reason, if refused", (c->result < 0) == (*f.why.text != '\0'));
                fixture_clear(&f);
        }
}

static void test_requester(void) {
        Fixture f;
        vss_value *top, *missing = NULL;

        fixture_init(&f, 0);
        top = added(&f, "", "top");
        expect_int("its type is the metadata's", vss_value_get_integer(top, "type", 0), VSS_CT_FILEGROUP);
        expect_true("nothing is said of success before", !vss_value_get(top, "succeeded"));
        expect_int("success", bc_set_succeeded(top, true, NULL), VSS_S_OK);
        expect_true("is kept", vss_value_get_boolean(top, "succeeded", false));
        expect_int("options", bc_set_backup_options(top, "\"a\"=1", NULL), VSS_S_OK);
        expect_str("are kept", vss_value_get_string(top, "backup-options", NULL), "\"a\"=1");
        expect_int("not UTF-8", bc_set_backup_options(top, "\xff", &f.why), VSS_E_INVALIDARG);
        expect_str("leaves them alone", vss_value_get_string(top, "backup-options", NULL), "\"a\"=1");
        expect_int("a stamp", bc_set_previous_stamp(top, "42", NULL), VSS_S_OK);
        expect_int("one that is not there", bc_find(&f.writer, "top", "inner", &missing, &f.why),
                   VSS_E_OBJECT_NOT_FOUND);
        expect_true("is named", strstr(f.why.text, "\"top/inner\" of Mine"));
        expect_int("selected", bc_set_selected_for_restore(top, true, NULL), VSS_S_OK);
        expect_int("restore options", bc_set_restore_options(top, "x", NULL), VSS_S_OK);
        expect_int("more follow", bc_set_additional_restores(top, true, NULL), VSS_S_OK);
        expect_int("status none", bc_set_file_restore_status(top, VSS_RS_NONE, NULL), VSS_S_OK);
        expect_int("status 0", bc_set_file_restore_status(top, 0, &f.why), VSS_E_INVALIDARG);
        expect_int("status 4", bc_set_file_restore_status(top, 4, &f.why), VSS_E_INVALIDARG);
        expect_int("stays", vss_value_get_integer(top, "file-restore-status", 0), VSS_RS_NONE);
        fixture_clear(&f);
}

static void test_text_limits(void) {
        _cleanup_value_ vss_value *component = vss_value_new_dict();
        _cleanup_(freep) char *text = calloc(BC_METADATA_MAX + 2, 1);

        memset(text, 'x', BC_METADATA_MAX + 1);
        expect_int("metadata beyond the most", bc_set_text(component, "backup-metadata", text, NULL),
                   VSS_E_INVALIDARG);
        text[BC_METADATA_MAX] = '\0';
        expect_int("the most", bc_set_text(component, "backup-metadata", text, NULL), VSS_S_OK);
        expect_int("is too much for others", bc_set_text(component, "stamp", text, NULL), VSS_E_INVALIDARG);
        text[BC_TEXT_MAX] = '\0';
        expect_int("their most", bc_set_text(component, "stamp", text, NULL), VSS_S_OK);
}

static void test_targets(void) {
        Fixture f;
        vss_value *top;

        fixture_init(&f, 0);
        top = added(&f, "", "top");
        expect_int("no new target without the schema",
                   bc_add_new_target(&f.writer, top, "/srv/a", "*", true, "/new", &f.why),
                   VSS_E_NOT_SUPPORTED);
        fixture_clear(&f);

        fixture_init(&f, VSS_BS_WRITER_SUPPORTS_NEW_TARGET);
        top = added(&f, "", "top");
        expect_int("its file set", bc_add_new_target(&f.writer, top, "/srv/a", "*", true, "/new", &f.why),
                   VSS_S_OK);
        expect_int("twice", bc_add_new_target(&f.writer, top, "/srv/a", "*", true, "/new2", &f.why),
                   VSS_E_OBJECT_ALREADY_EXISTS);
        expect_int("a file set of one that comes with it",
                   bc_add_new_target(&f.writer, top, "/srv/b", "*.db", false, "/new", &f.why), VSS_S_OK);
        expect_int("another recursion",
                   bc_add_new_target(&f.writer, top, "/srv/b", "*.db", true, "/n", &f.why),
                   VSS_E_OBJECT_NOT_FOUND);
        expect_int("a file set of nobody",
                   bc_add_new_target(&f.writer, top, "/srv", "*", true, "/n", &f.why),
                   VSS_E_OBJECT_NOT_FOUND);
        expect_int("to a relative path",
                   bc_add_new_target(&f.writer, top, "/srv/b", "*.db", false, "new", &f.why),
                   VSS_E_INVALIDARG);
        expect_int("two are there", vss_value_count(vss_value_get(top, "new-targets")), 2);
        expect_int("the writer's mapping",
                   bc_add_alternative_location_mapping(&f.writer, top, "/srv/a", "*", true, "/srv/elsewhere",
                                                       &f.why),
                   VSS_S_OK);
        expect_int("twice",
                   bc_add_alternative_location_mapping(&f.writer, top, "/srv/a", "*", true, "/srv/elsewhere",
                                                       &f.why),
                   VSS_E_OBJECT_ALREADY_EXISTS);
        expect_int("to elsewhere than it says",
                   bc_add_alternative_location_mapping(&f.writer, top, "/srv/a", "*", true, "/tmp", &f.why),
                   VSS_E_OBJECT_NOT_FOUND);
        expect_int("of another component",
                   bc_add_alternative_location_mapping(&f.writer, added(&f, "", "other"), "/srv/a", "*",
                                                       true, "/srv/elsewhere", &f.why),
                   VSS_E_OBJECT_NOT_FOUND);
        fixture_clear(&f);
}

static void test_subcomponents(void) {
        Fixture f;
        vss_value *top;

        fixture_init(&f, 0);
        top = added(&f, "", "top");
        expect_int("one that may be restored alone",
                   bc_add_restore_subcomponent(&f.writer, top, "top", "inner", &f.why), VSS_S_OK);
        expect_int("twice", bc_add_restore_subcomponent(&f.writer, top, "top", "inner", &f.why),
                   VSS_E_OBJECT_ALREADY_EXISTS);
        expect_int("one that may not", bc_add_restore_subcomponent(&f.writer, top, "top", "leaf", &f.why),
                   VSS_E_INVALIDARG);
        expect_int("one of another", bc_add_restore_subcomponent(&f.writer, top, "bare", "child", &f.why),
                   VSS_E_OBJECT_NOT_FOUND);
        expect_int("itself", bc_add_restore_subcomponent(&f.writer, top, "", "top", &f.why),
                   VSS_E_OBJECT_NOT_FOUND);
        fixture_clear(&f);
}

static void test_schema(void) {
        for (unsigned with = 0; with < 2; with++) {
                vss_result want = with ? VSS_S_OK : VSS_E_NOT_SUPPORTED;
                vss_value *top;
                Fixture f;

                fixture_init(&f, with ? SCHEMA_ALL : 0);
                top = added(&f, "", "top");
                expect_int("authoritative", bc_set_authoritative_restore(&f.writer, top, true, &f.why),
                           want);
                expect_int("not authoritative", bc_set_authoritative_restore(&f.writer, top, false, &f.why),
                           VSS_S_OK);
                expect_int("roll forward", bc_set_roll_forward(&f.writer, top, VSS_RF_ALL, "", &f.why),
                           want);
                expect_int("to a point", bc_set_roll_forward(&f.writer, top, VSS_RF_PARTIAL, "p", &f.why),
                           want);
                expect_int("to no point", bc_set_roll_forward(&f.writer, top, VSS_RF_PARTIAL, "", &f.why),
                           VSS_E_INVALIDARG);
                expect_int("none", bc_set_roll_forward(&f.writer, top, VSS_RF_NONE, "", &f.why), VSS_S_OK);
                expect_int("no such type", bc_set_roll_forward(&f.writer, top, 4, "", &f.why),
                           VSS_E_INVALIDARG);
                expect_int("a new name", bc_set_restore_name(&f.writer, top, "new", &f.why), want);
                expect_int("a stamp", bc_set_stamp(&f.writer, top, "1", &f.why), want);
                f.writer.metadata = NULL;
                f.writer.schema = VSS_BS_TIMESTAMPED;
                expect_int("by the document's schema", bc_set_stamp(&f.writer, top, "1", &f.why), VSS_S_OK);
                fixture_clear(&f);
        }
}

static const char *only_srv(void *userdata, const char *path) {
        return strncmp(path, "/srv", 4) == 0 ? NULL : "it lies outside";
}

static void test_writer(void) {
        BcDirectedTarget target = { "/srv/a", "f", "", "/srv/b", "g", "0:5" };
        Fixture f;
        vss_value *top;

        fixture_init(&f, SCHEMA_ALL);
        f.writer.refuse_path = only_srv;
        top = added(&f, "", "top");
        expect_int("a partial file", bc_add_partial_file(&f.writer, top, "/srv/a", "f", "0:5", "m", &f.why),
                   VSS_S_OK);
        expect_int("again", bc_add_partial_file(&f.writer, top, "/srv/a", "f", "File=/srv/r", "", &f.why),
                   VSS_S_OK);
        expect_int("is one", vss_value_count(vss_value_get(top, "partial-files")), 1);
        expect_str("the later one",
                   vss_value_get_string(vss_value_at(vss_value_get(top, "partial-files"), 0), "ranges", ""),
                   "File=/srv/r");
        expect_int("wildcards", bc_add_partial_file(&f.writer, top, "/srv/a", "*", "0:5", "", &f.why),
                   VSS_E_INVALIDARG);
        expect_int("bad ranges", bc_add_partial_file(&f.writer, top, "/srv/a", "g", "0", "", &f.why),
                   VSS_E_INVALIDARG);
        expect_int("a climbing path",
                   bc_add_partial_file(&f.writer, top, "/srv/../etc", "g", "", "", &f.why),
                   VSS_E_INVALIDARG);
        expect_int("outside", bc_add_partial_file(&f.writer, top, "/etc", "shadow", "0:5", "", &f.why),
                   VSS_E_INVALIDARG);
        expect_true("is said", strstr(f.why.text, "it lies outside"));
        expect_int("the ranges file", bc_set_ranges_file_path(top, 0, "/tmp/r", &f.why), VSS_S_OK);
        expect_str("is elsewhere now",
                   vss_value_get_string(vss_value_at(vss_value_get(top, "partial-files"), 0), "ranges", ""),
                   "File=/tmp/r");
        expect_int("past the end", bc_set_ranges_file_path(top, 1, "/tmp/r", &f.why),
                   VSS_E_OBJECT_NOT_FOUND);
        (void)bc_add_partial_file(&f.writer, top, "/srv/a", "text", "0:5", "", &f.why);
        expect_int("ranges as text", bc_set_ranges_file_path(top, 1, "/tmp/r", &f.why), VSS_E_INVALIDARG);
        f.writer.partial_file_support = false;
        expect_int("whole files only", bc_add_partial_file(&f.writer, top, "/srv/a", "f", "", "", &f.why),
                   VSS_E_NOT_SUPPORTED);
        expect_int("differenced", bc_add_differenced_files(&f.writer, top, "/srv/a", "*", true, 7, &f.why),
                   VSS_S_OK);
        expect_int("again", bc_add_differenced_files(&f.writer, top, "/srv/a", "*", true, 0, &f.why),
                   VSS_S_OK);
        expect_int("not recursive",
                   bc_add_differenced_files(&f.writer, top, "/srv/a", "*", false, 0, &f.why), VSS_S_OK);
        expect_int("are two", vss_value_count(vss_value_get(top, "differenced-files")), 2);
        expect_int("before time", bc_add_differenced_files(&f.writer, top, "/srv/a", "*", true, -1, &f.why),
                   VSS_E_INVALIDARG);
        expect_int("directed", bc_add_directed_target(&f.writer, top, &target, &f.why), VSS_S_OK);
        target.destination_path = "/etc";
        expect_int("outside", bc_add_directed_target(&f.writer, top, &target, &f.why), VSS_E_INVALIDARG);
        expect_int("a target", bc_set_restore_target(top, VSS_RT_DIRECTED, NULL), VSS_S_OK);
        expect_int("no target", bc_set_restore_target(top, 5, &f.why), VSS_E_INVALIDARG);
        expect_int("a failure", bc_set_failure(top, VSS_E_WRITERERROR_RETRYABLE, 5, "busy", NULL), VSS_S_OK);
        expect_int("success is none", bc_set_failure(top, VSS_S_OK, 5, "busy", &f.why), VSS_E_INVALIDARG);
        fixture_clear(&f);
}

static void test_events(void) {
        static const char *const keys[] = { "stamp",
                                            "backup-metadata",
                                            "partial-files",
                                            "differenced-files",
                                            "prepare-failure",
                                            "post-snapshot-failure",
                                            "restore-metadata",
                                            "restore-target",
                                            "directed-targets",
                                            "pre-restore-failure",
                                            "post-restore-failure",
                                            "failure" };
        static const struct {
                const char *event;
                const char *may; /* one per key */
        } cases[] = {
                { "PrepareForBackup", "111110000001" }, { "PrepareForSnapshot", "111100000001" },
                { "Freeze", "111100000001" },           { "Thaw", "111100000001" },
                { "PostSnapshot", "111101000001" },     { "BackupComplete", "000000000001" },
                { "PreRestore", "000000111101" },       { "PostRestore", "000000100011" },
                { "BackupShutdown", "000000000000" },   { "Identify", "000000000000" },
        };
        Why why;

        FOREACH_ELEMENT (c, cases) {
                char got[ELEMENTS(keys) + 1] = "";

                for (size_t i = 0; i < ELEMENTS(keys); i++)
                        got[i] = bc_writer_may_set(bc_event_from_name(c->event), keys[i], &why) >= 0 ? '1'
                                                                                                     : '0';
                expect_str(c->event, got, c->may);
        }
        expect_int("out of place", bc_writer_may_set(BC_PRE_RESTORE, "stamp", &why), VSS_E_BAD_STATE);
        expect_str("the reason", why.text,
                   "A writer sets \"stamp\" from PrepareForBackup to PostSnapshot only.");
        expect_int("the requester's", bc_writer_may_set(BC_PRE_RESTORE, "succeeded", &why),
                   VSS_E_INVALIDARG);
}

static vss_value *answer_new(const char *path, const char *name) {
        vss_value *answer = vss_value_new_dict();
        vss_value *component = vss_value_new_dict();

        (void)vss_value_set_string(component, "logical-path", path);
        (void)vss_value_set_string(component, "name", name);
        (void)vss_value_append(value_require(answer, "components", VSS_KIND_LIST), component);
        return answer;
}

static vss_value *answered(vss_value *answer) {
        return value_at_mutable(value_get_mutable(answer, "components"), 0);
}

static void test_merge(void) {
        _cleanup_value_ vss_value *answer = answer_new("", "top"), *ignored = vss_value_new_list();
        vss_value *top, *from = answered(answer), *failed = vss_value_new_dict();
        Fixture f;

        fixture_init(&f, SCHEMA_ALL);
        top = added(&f, "", "top");
        (void)bc_set_backup_options(top, "o", NULL);
        (void)vss_value_set_string(from, "stamp", "s1");
        (void)vss_value_set_string(from, "backup-options", "o");
        (void)vss_value_set_boolean(from, "succeeded", true);
        (void)vss_value_set_integer(from, "restore-target", VSS_RT_ALTERNATE);
        (void)vss_value_set_integer(from, "backup-metadata", 1);
        add_set(from, "differenced-files", "/srv/a", "*", true, "");
        add_set(from, "differenced-files", "relative", "*", true, "");
        expect_int("merged", bc_merge(&f.writer, BC_POST_SNAPSHOT, answer, ignored), VSS_S_OK);
        expect_str("the stamp is taken", vss_value_get_string(top, "stamp", NULL), "s1");
        expect_true("success is not the writer's", !vss_value_get(top, "succeeded"));
        expect_true("a restore target is not now", !vss_value_get(top, "restore-target"));
        expect_true("metadata is a text", !vss_value_get(top, "backup-metadata"));
        expect_int("the good entry is taken", vss_value_count(vss_value_get(top, "differenced-files")), 1);
        expect_int("four are told", vss_value_count(ignored), 4);
        expect_str("by key", vss_value_get_string(vss_value_at(ignored, 0), "key", ""), "succeeded");
        expect_str("with a reason", vss_value_get_string(vss_value_at(ignored, 1), "reason", ""),
                   "A writer sets \"restore-target\" in PreRestore only.");

        value_unset(answer, "components");
        (void)vss_value_set_string(failed, "logical-path", "");
        (void)vss_value_set_string(failed, "name", "top");
        (void)vss_value_set_integer(failed, "code", VSS_E_WRITERERROR_TIMEOUT);
        (void)vss_value_set_string(failed, "message", "late");
        (void)vss_value_append(value_require(answer, "failed-components", VSS_KIND_LIST), failed);
        expect_int("a failure", bc_merge(&f.writer, BC_FREEZE, answer, ignored), VSS_S_OK);
        expect_str("of the component", vss_value_get_string(vss_value_get(top, "failure"), "message", ""),
                   "late");
        expect_int("nothing more is told", vss_value_count(ignored), 4);
        fixture_clear(&f);
}

static void test_merge_strangers(void) {
        _cleanup_value_ vss_value *answer = answer_new("", "unknown"), *ignored = vss_value_new_list();
        _cleanup_value_ vss_value *odd = vss_value_new_string("x"), *list = vss_value_new_list();
        Fixture f;

        fixture_init(&f, SCHEMA_ALL);
        (void)added(&f, "", "top");
        (void)vss_value_set_string(answered(answer), "stamp", "s");
        expect_int("of no component", bc_merge(&f.writer, BC_FREEZE, answer, ignored), VSS_S_OK);
        expect_str("is told", vss_value_get_string(vss_value_at(ignored, 0), "name", ""), "unknown");
        expect_int("no dictionary", bc_merge(&f.writer, BC_FREEZE, odd, ignored), VSS_S_OK);
        expect_int("nothing", bc_merge(&f.writer, BC_FREEZE, NULL, ignored), VSS_S_OK);
        for (size_t i = 0; i <= BC_ENTRIES_MAX; i++)
                (void)value_append_string(list, "");
        (void)vss_value_set_string(answered(answer), "name", "top");
        (void)vss_value_set(answered(answer), "partial-files", TAKE_PTR(list));
        (void)bc_merge(&f.writer, BC_FREEZE, answer, ignored);
        expect_int("too many entries", vss_value_count(ignored), 2);
        fixture_clear(&f);
}

/* The tree of a document with one of everything. */
static vss_value *document_new(Fixture *f) {
        vss_value *document = vss_value_new_dict();
        vss_value *top = added(f, "", "top");

        (void)added(f, "", "other");
        (void)bc_set_stamp(&f->writer, top, "s", NULL);
        (void)bc_add_partial_file(&f->writer, top, "/srv/a", "f", "0:5", "", NULL);
        (void)bc_set_roll_forward(&f->writer, top, VSS_RF_PARTIAL, "p", NULL);
        (void)bc_set_failure(top, VSS_E_WRITERERROR_TIMEOUT, 0, "", NULL);
        (void)vss_value_set_string(document, "kind", "backup-components");
        (void)vss_value_set_integer(document, "backup-type", VSS_BT_COPY);
        (void)vss_value_append(value_require(document, "writers", VSS_KIND_LIST),
                               bc_writer_new(f->metadata, f->components));
        return document;
}

static vss_value *document_component(vss_value *document, size_t index) {
        vss_value *writer = value_at_mutable(value_get_mutable(document, "writers"), 0);

        return value_at_mutable(value_get_mutable(writer, "components"), index);
}

/* A broken copy must be refused, and the reason must say where. Takes @copy over. */
static void expect_refused(const char *label, vss_value *copy, const char *where) {
        _cleanup_value_ vss_value *owned = copy;
        Why why = { "" };

        expect_int(label, bc_check(owned, &why), VSS_E_INVALID_XML_DOCUMENT);
        if (!strstr(why.text, where))
                expect_str("the reason", why.text, where);
}

static void test_check(void) {
        _cleanup_value_ vss_value *document = NULL;
        vss_value *copy;
        Fixture f;
        Why why = { "" };

        fixture_init(&f, SCHEMA_ALL);
        document = document_new(&f);
        expect_int("a document", bc_check(document, &why), VSS_S_OK);
        expect_str("no reason", why.text, "");
        expect_str("found by name", vss_value_get_string(bc_find_writer(document, "Mine"), "name", ""),
                   "Mine");
        expect_true("by class", bc_find_writer(document, "11111111-0000-0000-0000-000000000000"));
        expect_true("by instance", bc_find_writer(document, "22222222-0000-0000-0000-000000000000"));
        expect_true("not by nothing", !bc_find_writer(document, "") && !bc_find_writer(document, "mine"));

        expect_refused("nothing", NULL, "no Backup Components");
        copy = vss_value_copy(document);
        (void)vss_value_set_string(copy, "kind", "writer-metadata");
        expect_refused("another kind", copy, "no Backup Components");
        copy = vss_value_copy(document);
        (void)vss_value_set_integer(copy, "backup-type", 7);
        expect_refused("a backup type", copy, "document: \"backup-type\" is 7");
        copy = vss_value_copy(document);
        (void)vss_value_set_string(document_component(copy, 0), "succeeded", "yes");
        expect_refused("a wrong kind", copy, "document: writers 1: components 1: \"succeeded\"");
        copy = vss_value_copy(document);
        (void)vss_value_set_string(document_component(copy, 1), "stamp", "\xc0\x80");
        expect_refused("not UTF-8", copy, "components 2: \"stamp\"");
        copy = vss_value_copy(document);
        (void)vss_value_set_integer(value_get_mutable(document_component(copy, 0), "failure"), "code", 0);
        expect_refused("a failure that is none", copy, "components 1: \"code\"");
        copy = vss_value_copy(document);
        (void)vss_value_set_string(document_component(copy, 1), "name", "top");
        expect_refused("a component twice", copy, "\"top\" is there twice");
        copy = vss_value_copy(document);
        value_unset(document_component(copy, 1), "name");
        expect_refused("a component without a name", copy, "component 2 has no name");
        copy = vss_value_copy(document);
        (void)vss_value_append(value_get_mutable(copy, "writers"),
                               vss_value_copy(vss_value_at(vss_value_get(copy, "writers"), 0)));
        expect_refused("a writer twice", copy, "Writer Mine");
        copy = vss_value_copy(document);
        (void)value_append_string(value_get_mutable(copy, "writers"), "x");
        expect_refused("a writer that is none", copy, "writers 2 is no dictionary");
        copy = vss_value_copy(document);
        for (size_t i = 0; i <= BC_WRITERS_MAX; i++)
                (void)vss_value_append(value_get_mutable(copy, "writers"), vss_value_new_dict());
        expect_refused("too many writers", copy, "\"writers\" has");
        fixture_clear(&f);
}

int main(void) {
        test_add();
        test_requester();
        test_text_limits();
        test_targets();
        test_subcomponents();
        test_schema();
        test_writer();
        test_events();
        test_merge();
        test_merge_strangers();
        test_check();
        return test_end();
}
