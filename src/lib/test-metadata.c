/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The rules of what a writer may say about itself
 */

#include <stddef.h>
#include <stdlib.h>
#include "lib/metadata.h"
#include "lib/participant.h"
#include "util/clock.h"
#include "util/test.h"

static const char own_id[] = "aaaaaaaa-0000-4000-8000-000000000000";

static vss_metadata *make(void) {
        static const struct vss_writer writer = {
                .name = "Test", .id = own_id, .version = "1", .freeze_timeout_ms = 5
        };

        return metadata_new(&writer, "Test", "an-instance");
}

static vss_result add_type(vss_metadata *m, const char *logical_path, const char *name,
                           enum vss_component_type type) {
        struct vss_component_info info = {
                .size = sizeof(info), .type = type, .logical_path = logical_path, .name = name
        };

        return vss_metadata_add_component(m, &info);
}

static vss_result add(vss_metadata *m, const char *logical_path, const char *name) {
        return add_type(m, logical_path, name, VSS_CT_FILEGROUP);
}

static void test_components(void) {
        _cleanup_(metadata_freep) vss_metadata *m = make();
        struct vss_component_info small = { .size = 0 },
                                  typeless = { .size = sizeof(typeless), .name = "n" };
        const vss_value *c;

        expect_int("a component", add(m, "a/b", "c"), VSS_S_OK);
        expect_int("again", add(m, "a/b", "c"), VSS_E_OBJECT_ALREADY_EXISTS);
        expect_int("elsewhere", add(m, NULL, "c"), VSS_S_OK);
        expect_int("not by another cut of the same text", add(m, "a", "bc"), VSS_S_OK);
        expect_int("no name", add(m, "a", ""), VSS_E_INVALIDARG);
        expect_int("NULL name", add(m, "a", NULL), VSS_E_INVALIDARG);
        expect_int("slash in the name", add(m, "", "a/b"), VSS_E_INVALIDARG);
        expect_int("leading slash in the logical path", add(m, "/a", "b"), VSS_E_INVALIDARG);
        expect_int("slash at its end", add(m, "a/", "b"), VSS_E_INVALIDARG);
        expect_int("empty element", add(m, "a//b", "b"), VSS_E_INVALIDARG);
        expect_int("dots", add(m, "a/../b", "b"), VSS_E_INVALIDARG);
        expect_int("no UTF-8", add(m, "", "\xff"), VSS_E_INVALIDARG);
        expect_int("a control character", add(m, "", "a\001b"), VSS_E_INVALIDARG);
        expect_int("no size", vss_metadata_add_component(m, &small), VSS_E_INVALIDARG);
        expect_int("no type", vss_metadata_add_component(m, &typeless), VSS_E_INVALIDARG);
        expect_int("NULL", vss_metadata_add_component(NULL, &small), VSS_E_INVALIDARG);
        expect_int("three stand", vss_value_count(vss_value_get(metadata_value(m), "components")), 3);
        c = vss_value_at(vss_value_get(metadata_value(m), "components"), 0);
        expect_str("logical path", vss_value_get_string(c, "logical-path", NULL), "a/b");
        expect_int("type", vss_value_get_integer(c, "type", 0), VSS_CT_FILEGROUP);
        expect_str("no owner is empty", vss_value_get_string(c, "owner", NULL), "");
}

static void test_files(void) {
        static const struct {
                const char *name, *path, *filespec;
                vss_result want;
        } rows[] = {
                { "c", "/srv/data", "*", VSS_S_OK },
                { "c", "/srv/data", "*", VSS_E_OBJECT_ALREADY_EXISTS },
                { "c", "/srv/data/", "*", VSS_E_OBJECT_ALREADY_EXISTS },
                { "c", "/srv/data", "*.log", VSS_S_OK },
                { "d", "/srv/data", "*", VSS_E_OBJECT_NOT_FOUND },
                { "c", "/", "vmlinuz", VSS_S_OK },
                { "c", "srv", "*", VSS_E_INVALIDARG },
                { "c", "", "*", VSS_E_INVALIDARG },
                { "c", NULL, "*", VSS_E_INVALIDARG },
                { "c", "/srv/*", "*", VSS_E_INVALIDARG },
                { "c", "/srv/?", "*", VSS_E_INVALIDARG },
                { "c", "/srv/../etc", "*", VSS_E_INVALIDARG },
                { "c", "/srv//x", "*", VSS_E_INVALIDARG },
                { "c", "/srv", "a/b", VSS_E_INVALIDARG },
                { "c", "/srv", "..", VSS_E_INVALIDARG },
                { "c", "/srv", "", VSS_E_INVALIDARG },
                { "c", "/srv", NULL, VSS_E_INVALIDARG },
                { "c", "/\xc0\xaf", "*", VSS_E_INVALIDARG },
        };
        _cleanup_(metadata_freep) vss_metadata *m = make();

        (void)add(m, "", "c");
        FOREACH_ELEMENT (row, rows)
                expect_int(row->path ?: "(null)",
                           vss_metadata_add_files(m, NULL, row->name, row->path, row->filespec, false),
                           row->want);
        (void)setenv("DATA_OF_TEST", "/srv/of-test", 1);
        (void)unsetenv("NONE_OF_TEST");
        expect_int("a variable", vss_metadata_add_files(m, "", "c", "${DATA_OF_TEST}/x", "*", false),
                   VSS_S_OK);
        expect_int("is what it means", vss_metadata_add_files(m, "", "c", "/srv/of-test/x", "*", false),
                   VSS_E_OBJECT_ALREADY_EXISTS);
        expect_int("or nothing", vss_metadata_add_files(m, "", "c", "$NONE_OF_TEST/x", "*", false),
                   VSS_E_INVALIDARG);
        expect_int("further on it is a name",
                   vss_metadata_add_files(m, "", "c", "/srv/$DATA_OF_TEST", "*", false), VSS_S_OK);
        expect_int("an exclude", vss_metadata_add_exclude(m, "/srv/data", "*", true), VSS_S_OK);
        expect_int("again", vss_metadata_add_exclude(m, "/srv/data", "*", true),
                   VSS_E_OBJECT_ALREADY_EXISTS);
        expect_int("a bad one", vss_metadata_add_exclude(m, "data", "*", true), VSS_E_INVALIDARG);
        expect_int("a right", vss_metadata_add_missing_right(m, "SELECT", "GRANT SELECT"), VSS_S_OK);
        expect_int("half a right", vss_metadata_add_missing_right(m, "SELECT", NULL), VSS_E_INVALIDARG);
        expect_int("a warning", vss_metadata_add_warning(m, "bad \xff byte in %s", "x"), VSS_S_OK);
        expect_str("is made fit for the bus",
                   vss_value_string(vss_value_at(vss_value_get(metadata_value(m), "warnings"), 0), NULL),
                   "bad ? byte in x");
}

static const vss_value *component_at(const vss_metadata *m, size_t index) {
        return vss_value_at(vss_value_get(metadata_value(m), "components"), index);
}

static const vss_value *file_at(const vss_metadata *m, size_t component, size_t index) {
        return vss_value_at(vss_value_get(component_at(m, component), "files"), index);
}

/* What each kind of file set may be. */
static void test_file_sets(void) {
        static const struct {
                const char *label, *name;
                struct vss_file_set set;
                vss_result want;
        } rows[] = {
                { "files of a file group", "group", { .path = "/a" }, VSS_S_OK },
                { "recursive", "group", { .path = "/b", .recursive = true }, VSS_S_OK },
                { "read elsewhere", "group", { .path = "/c", .alternate_path = "/d/" }, VSS_S_OK },
                { "again from there",
                  "group",
                  { .path = "/c", .alternate_path = "/e" },
                  VSS_E_OBJECT_ALREADY_EXISTS },
                { "recursive and read elsewhere",
                  "group",
                  { .path = "/f", .alternate_path = "/g", .recursive = true },
                  VSS_E_INVALIDARG },
                { "read from no directory",
                  "group",
                  { .path = "/f", .alternate_path = "/g/*" },
                  VSS_E_INVALIDARG },
                { "read from a relative one",
                  "group",
                  { .path = "/f", .alternate_path = "g" },
                  VSS_E_INVALIDARG },
                { "a mask",
                  "group",
                  { .path = "/h",
                    .backup_mask = VSS_FSBT_FULL_BACKUP_REQUIRED | VSS_FSBT_CREATED_DURING_BACKUP },
                  VSS_S_OK },
                { "a mask with more", "group", { .path = "/i", .backup_mask = 0x10 }, VSS_E_INVALIDARG },
                { "database files of a file group",
                  "group",
                  { .path = "/j", .kind = VSS_FK_DATABASE },
                  VSS_E_INVALIDARG },
                { "logs of a file group", "group", { .path = "/j", .kind = VSS_FK_LOG }, VSS_E_INVALIDARG },
                { "a kind that is none", "group", { .path = "/j", .kind = 3 }, VSS_E_INVALIDARG },
                { "files of a database", "base", { .path = "/a" }, VSS_E_INVALIDARG },
                { "database files", "base", { .path = "/a", .kind = VSS_FK_DATABASE }, VSS_S_OK },
                { "logs", "base", { .path = "/b", .kind = VSS_FK_LOG }, VSS_S_OK },
                { "logs again as files",
                  "base",
                  { .path = "/b", .kind = VSS_FK_DATABASE },
                  VSS_E_OBJECT_ALREADY_EXISTS },
                { "recursive logs",
                  "base",
                  { .path = "/c", .kind = VSS_FK_LOG, .recursive = true },
                  VSS_E_INVALIDARG },
                { "database files read elsewhere",
                  "base",
                  { .path = "/c", .kind = VSS_FK_DATABASE, .alternate_path = "/d" },
                  VSS_E_INVALIDARG },
                { "of nobody", "other", { .path = "/a" }, VSS_E_OBJECT_NOT_FOUND },
        };
        _cleanup_(metadata_freep) vss_metadata *m = make();
        struct vss_file_set none = { 0 };

        (void)add(m, "", "group");
        (void)add_type(m, "", "base", VSS_CT_DATABASE);
        FOREACH_ELEMENT (row, rows) {
                struct vss_file_set set = row->set;

                set.size = sizeof(set);
                set.filespec = "*";
                expect_int(row->label, vss_metadata_add_file_set(m, NULL, row->name, &set), row->want);
        }
        expect_int("without a size", vss_metadata_add_file_set(m, NULL, "group", &none), VSS_E_INVALIDARG);
        expect_int("without a set", vss_metadata_add_file_set(m, NULL, "group", NULL), VSS_E_INVALIDARG);
        expect_int("a file group's are there", vss_value_count(vss_value_get(component_at(m, 0), "files")),
                   4);
        expect_str("where backups read", vss_value_get_string(file_at(m, 0, 2), "alternate-path", ""), "/d");
        expect_int("the mask", vss_value_get_integer(file_at(m, 0, 3), "backup-mask", 0), 0x10001);
        expect_true("what is usual is not said", !vss_value_get(file_at(m, 0, 0), "kind") &&
                                                         !vss_value_get(file_at(m, 0, 0), "backup-mask"));
        expect_str("a database's", vss_value_get_string(file_at(m, 1, 0), "kind", ""), "database");
        expect_str("its logs", vss_value_get_string(file_at(m, 1, 1), "kind", ""), "log");
        expect_int("the plain call", vss_metadata_add_files(m, NULL, "base", "/z", "*", false), VSS_S_OK);
        expect_str("goes by the type", vss_value_get_string(file_at(m, 1, 2), "kind", ""), "database");
        expect_int("also in what it refuses", vss_metadata_add_files(m, NULL, "base", "/y", "*", true),
                   VSS_E_INVALIDARG);
}

static void test_excludes_and_mappings(void) {
        _cleanup_(metadata_freep) vss_metadata *m = make();
        const vss_value *mapping;

        (void)add(m, "", "c");
        (void)add(m, "", "d");
        (void)vss_metadata_add_files(m, NULL, "c", "/srv", "*", true);
        expect_int("the same in another component", vss_metadata_add_files(m, NULL, "d", "/srv", "*", true),
                   VSS_S_OK);
        expect_int("an exclude", vss_metadata_add_exclude(m, "/srv", "*.tmp", true), VSS_S_OK);
        expect_int("from the snapshot is another list",
                   vss_metadata_add_exclude_from_snapshot(m, "/srv", "*.tmp", true), VSS_S_OK);
        expect_int("again", vss_metadata_add_exclude_from_snapshot(m, "/srv", "*.tmp", false),
                   VSS_E_OBJECT_ALREADY_EXISTS);
        expect_int("relative", vss_metadata_add_exclude_from_snapshot(m, "srv", "*.tmp", false),
                   VSS_E_INVALIDARG);
        expect_int("without metadata", vss_metadata_add_exclude_from_snapshot(NULL, "/srv", "*", false),
                   VSS_E_INVALIDARG);

        expect_int("a mapping", vss_metadata_add_alternate_mapping(m, "/srv/", "*", true, "/old/"),
                   VSS_S_OK);
        expect_int("again", vss_metadata_add_alternate_mapping(m, "/srv", "*", true, "/older"),
                   VSS_E_OBJECT_ALREADY_EXISTS);
        expect_int("of another recursion", vss_metadata_add_alternate_mapping(m, "/srv", "*", false, "/old"),
                   VSS_E_OBJECT_NOT_FOUND);
        expect_int("of another specification",
                   vss_metadata_add_alternate_mapping(m, "/srv", "*.db", true, "/old"),
                   VSS_E_OBJECT_NOT_FOUND);
        expect_int("to nowhere", vss_metadata_add_alternate_mapping(m, "/srv", "*", true, NULL),
                   VSS_E_INVALIDARG);
        expect_int("one stands", vss_value_count(vss_value_get(metadata_value(m), "alternate-mappings")), 1);
        mapping = vss_value_at(vss_value_get(metadata_value(m), "alternate-mappings"), 0);
        expect_str("from", vss_value_get_string(mapping, "path", ""), "/srv");
        expect_str("to", vss_value_get_string(mapping, "alternate-path", ""), "/old");
        expect_int("excluded from the snapshot",
                   vss_value_count(vss_value_get(metadata_value(m), "excludes-from-snapshot")), 1);
}

static void test_dependencies(void) {
        static const char other[] = "11111111-0000-4000-8000-000000000000";
        _cleanup_(metadata_freep) vss_metadata *m = make();
        const vss_value *list, *dependency;

        (void)add(m, "a", "c");
        expect_int("a dependency", vss_metadata_add_dependency(m, "a", "c", other, "x/y", "z"), VSS_S_OK);
        expect_int("again", vss_metadata_add_dependency(m, "a", "c", other, "x/y", "z"),
                   VSS_E_OBJECT_ALREADY_EXISTS);
        expect_int("not by another cut", vss_metadata_add_dependency(m, "a", "c", other, "x", "yz"),
                   VSS_S_OK);
        expect_int("of no component", vss_metadata_add_dependency(m, "", "c", other, "", "z"),
                   VSS_E_OBJECT_NOT_FOUND);
        expect_int("on no writer", vss_metadata_add_dependency(m, "a", "c", "Other", "", "z"),
                   VSS_E_INVALIDARG);
        expect_int("on itself", vss_metadata_add_dependency(m, "a", "c", own_id, "", "z"), VSS_E_INVALIDARG);
        expect_int("on nothing", vss_metadata_add_dependency(m, "a", "c", other, "", NULL),
                   VSS_E_INVALIDARG);
        list = vss_value_get(component_at(m, 0), "dependencies");
        dependency = vss_value_at(list, 0);
        expect_int("two stand", vss_value_count(list), 2);
        expect_str("the writer", vss_value_get_string(dependency, "writer-id", ""), other);
        expect_str("the logical path", vss_value_get_string(dependency, "logical-path", ""), "x/y");
        expect_str("the name", vss_value_get_string(dependency, "name", ""), "z");
}

static void test_restore_method(void) {
        static const struct {
                const char *label;
                enum vss_restore_method method;
                const char *service;
                enum vss_writer_restore writer_restore;
                vss_result want;
        } rows[] = {
                { "none", VSS_RME_UNDEFINED, NULL, VSS_WRE_NEVER, VSS_E_INVALIDARG },
                { "beyond the last", 9, NULL, VSS_WRE_NEVER, VSS_E_INVALIDARG },
                { "without a word on events", VSS_RME_CUSTOM, NULL, VSS_WRE_UNDEFINED, VSS_E_INVALIDARG },
                { "stop and start of nothing", VSS_RME_STOP_RESTORE_START, NULL, VSS_WRE_NEVER,
                  VSS_E_INVALIDARG },
                { "the other way round", VSS_RME_RESTORE_STOP_START, "", VSS_WRE_NEVER, VSS_E_INVALIDARG },
                { "of a service", VSS_RME_RESTORE_STOP_START, "a.service", VSS_WRE_NEVER, VSS_S_OK },
                { "if not there", VSS_RME_RESTORE_IF_NOT_THERE, NULL, VSS_WRE_ALWAYS, VSS_S_OK },
                { "a control character", VSS_RME_CUSTOM, "a\nb", VSS_WRE_ALWAYS, VSS_E_INVALIDARG },
        };
        const vss_value *method;

        FOREACH_ELEMENT (row, rows) {
                _cleanup_(metadata_freep) vss_metadata *m = make();

                expect_int(row->label,
                           vss_metadata_set_restore_method(m, row->method, row->service, NULL,
                                                           row->writer_restore, false),
                           row->want);
                expect_true("  and is there if it is good",
                            !vss_value_get(metadata_value(m), "restore-method") == (row->want < 0));
        }
        {
                _cleanup_(metadata_freep) vss_metadata *m = make();

                (void)vss_metadata_set_restore_method(m, VSS_RME_STOP_RESTORE_START, "a.service", "by hand",
                                                      VSS_WRE_ALWAYS, true);
                expect_int(
                        "a second one",
                        vss_metadata_set_restore_method(m, VSS_RME_CUSTOM, NULL, NULL, VSS_WRE_NEVER, false),
                        VSS_E_OBJECT_ALREADY_EXISTS);
                method = vss_value_get(metadata_value(m), "restore-method");
                expect_int("the method", vss_value_get_integer(method, "method", 0),
                           VSS_RME_STOP_RESTORE_START);
                expect_str("the service", vss_value_get_string(method, "service", ""), "a.service");
                expect_str("the procedure", vss_value_get_string(method, "user-procedure", ""), "by hand");
                expect_int("the events", vss_value_get_integer(method, "writer-restore", 0), VSS_WRE_ALWAYS);
                expect_true("the reboot", vss_value_get_boolean(method, "reboot-required", false));
        }
}

static void test_identity(void) {
        static const struct vss_writer writer = {
                .name = "Test", .instance_name = "one", .id = own_id, .backup_schema = VSS_BS_COPY
        };
        static const unsigned char icon[] = { 0x89, 'P', 'N', 'G' };
        struct vss_component_info info = { .size = sizeof(info),
                                           .type = VSS_CT_DATABASE,
                                           .name = "c",
                                           .icon = icon,
                                           .icon_size = sizeof(icon),
                                           .restore_metadata = true,
                                           .notify_on_backup_complete = true,
                                           .flags = VSS_CF_BACKUP_RECOVERY };
        _cleanup_(metadata_freep) vss_metadata *m = metadata_new(&writer, "Test.one", "an-instance");
        const vss_value *value = metadata_value(m);

        expect_str("what it is", vss_value_get_string(value, "kind", ""), "writer-metadata");
        expect_str("its name", vss_value_get_string(value, "name", ""), "Test.one");
        expect_str("which one", vss_value_get_string(value, "instance-name", ""), "one");
        expect_str("which run", vss_value_get_string(value, "instance-id", ""), "an-instance");
        expect_true("no restore method", !vss_value_get(value, "restore-method"));
        expect_int("the descriptor's schema", vss_value_get_integer(value, "backup-schema", 0), VSS_BS_COPY);
        expect_int("another", vss_metadata_set_backup_schema(m, VSS_BS_TIMESTAMPED), VSS_S_OK);
        expect_int("replaces it", vss_value_get_integer(value, "backup-schema", 0), VSS_BS_TIMESTAMPED);
        expect_int("bits that mean nothing", vss_metadata_set_backup_schema(m, 0x800), VSS_E_INVALIDARG);

        expect_int("a component with all", vss_metadata_add_component(m, &info), VSS_S_OK);
        expect_str("its icon", vss_value_get_string(component_at(m, 0), "icon", ""), "iVBORw==");
        expect_true("its wishes",
                    vss_value_get_boolean(component_at(m, 0), "restore-metadata", false) &&
                            vss_value_get_boolean(component_at(m, 0), "notify-on-backup-complete", false));
        expect_int("its flags", vss_value_get_integer(component_at(m, 0), "flags", 0),
                   VSS_CF_BACKUP_RECOVERY);
        info.name = "d";
        info.flags = 0x8;
        expect_int("flags that mean nothing", vss_metadata_add_component(m, &info), VSS_E_INVALIDARG);
        info.flags = 0;
        info.icon_size = VSS_ICON_MAX + 1;
        expect_int("too great an icon", vss_metadata_add_component(m, &info), VSS_E_INVALIDARG);
        info.icon_size = 4;
        info.icon = NULL;
        expect_int("no icon of a size", vss_metadata_add_component(m, &info), VSS_E_INVALIDARG);
        /* As an older program has it. */
        info.size = offsetof(struct vss_component_info, icon);
        expect_int("what is beyond the size does not count", vss_metadata_add_component(m, &info), VSS_S_OK);
        for (size_t n = 1; n <= 3; n++) {
                static const char *const want[] = { "iQ==", "iVA=", "iVBO" };
                char name[2] = { (char)('0' + n), 0 };

                info = (struct vss_component_info){ .size = sizeof(info),
                                                    .type = VSS_CT_DATABASE,
                                                    .name = name,
                                                    .icon = icon,
                                                    .icon_size = n };
                (void)vss_metadata_add_component(m, &info);
                expect_str("icons of all lengths", vss_value_get_string(component_at(m, n + 1), "icon", ""),
                           want[n - 1]);
        }
}

/* Many must be fast: duplicates are found by a tree. */
static void test_limits(void) {
        _cleanup_(metadata_freep) vss_metadata *m = make();
        uint64_t start = now_usec();
        vss_result result = VSS_S_OK;
        char text[64];
        unsigned n;

        for (n = 0; result == VSS_S_OK; n += result == VSS_S_OK) {
                (void)snprintf(text, sizeof(text), "c%u", n);
                result = add(m, "", text);
        }
        expect_int("components", n, METADATA_COMPONENTS_MAX);
        expect_int("one more", result, VSS_E_OUTOFMEMORY);
        result = VSS_S_OK;
        for (n = 0; result == VSS_S_OK; n += result == VSS_S_OK) {
                (void)snprintf(text, sizeof(text), "/srv/%u", n);
                result = vss_metadata_add_files(m, "", "c0", text, "*", true);
        }
        expect_int("file sets", n, METADATA_FILES_MAX);
        expect_int("one more", result, VSS_E_OUTOFMEMORY);
        expect_true("within 10 seconds", now_usec() - start < 10 * USEC_PER_SEC);
}

static void test_text(void) {
        static const char *const bad[] = { "\x80",     "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                           "\xe2\x82", "a\xff" };
        static const char *const good[] = { "", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };

        FOREACH_ELEMENT (text, bad) {
                char copy[16];

                (void)snprintf(copy, sizeof(copy), "%s", *text);
                expect_true("no UTF-8", !text_is_utf8(*text));
                expect_true("can be made so", text_is_utf8(text_make_utf8(copy)));
        }
        FOREACH_ELEMENT (text, good)
                expect_true("UTF-8", text_is_utf8(*text));
        expect_true("instances",
                    participant_instance_is_valid("_1") && !participant_instance_is_valid("1") &&
                            !participant_instance_is_valid("") && !participant_instance_is_valid("a.b"));
        expect_true("names", participant_name_is_valid("A_1") && !participant_name_is_valid("1A") &&
                                     !participant_name_is_valid("a.b") && !participant_name_is_valid("") &&
                                     !participant_name_is_valid(NULL));
}

int main(void) {
        test_components();
        test_files();
        test_file_sets();
        test_excludes_and_mappings();
        test_dependencies();
        test_restore_method();
        test_identity();
        test_limits();
        test_text();
        return test_end();
}
