/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Documents of the shapes that others have been seen to write: they read, they answer, and they survive
 *
 * Usage: test-documents FIXTURES-DIRECTORY SCHEMA
 */

#include <string.h>
#include "documents/test-common.h"
#include "util/test.h"

static const char *fixtures;
static Schema *schema;

static char *fixture_text(const char *name, size_t *ret_size) {
        _cleanup_(freep) char *path = NULL;

        if (asprintf(&path, "%s/%s", fixtures, name) < 0) {
                path = NULL;
                return NULL;
        }
        return read_file(path, ret_size);
}

/* Reads it, and sees that what is written of it is valid, reads the same and is written the same. */
static vss_value *survive(const char *name, bool is_valid) {
        _cleanup_(freep) char *text = NULL, *written = NULL, *again = NULL, *error = NULL;
        _cleanup_value_ vss_value *document = NULL, *back = NULL, *kept = NULL;
        size_t size = 0, written_size = 0;

        text = fixture_text(name, &size);
        expect_int(name, vss_document_parse(text, size, &document, &error), VSS_S_OK);
        expect_str("without a message", error, NULL);
        expect_true("by the schema", schema_accepts(schema, text ?: "", size, !is_valid) == is_valid);
        expect_int("is written", vss_document_format(document, &written, &written_size, NULL), VSS_S_OK);
        expect_true("by the schema", written && schema_accepts(schema, written, written_size, false));
        expect_int("is read again", vss_document_parse(written, written_size, &back, NULL), VSS_S_OK);
        kept = vss_value_copy(document);
        value_unset(kept, "ignored");
        expect_true("the same", values_are_equal(kept, back));
        expect_int("is written again", vss_document_format(back, &again, NULL, NULL), VSS_S_OK);
        expect_str("the same", again, written);
        return TAKE_PTR(document);
}

static const vss_value *component_of(const vss_value *dict, const char *name) {
        const vss_value *components = vss_value_get(dict, "components");

        for (size_t i = 0; i < vss_value_count(components); i++)
                if (strcmp(vss_value_get_string(vss_value_at(components, i), "name", ""), name) == 0)
                        return vss_value_at(components, i);
        return NULL;
}

static const vss_value *file_at(const vss_value *component, size_t index) {
        return vss_value_at(vss_value_get(component, "files"), index);
}

static void test_system(void) {
        _cleanup_value_ vss_value *d = survive("system-writer.xml", true);
        const vss_value *c = component_of(d, "System Files"), *method = vss_value_get(d, "restore-method");

        expect_str("kind", vss_value_get_string(d, "kind", NULL), "writer-metadata");
        expect_str("name is the friendly one", vss_value_get_string(d, "name", NULL), "System Writer");
        expect_str("version of two numbers", vss_value_get_string(d, "version", NULL), "1.0");
        expect_int("usage", vss_value_get_integer(d, "usage", 0), VSS_UT_BOOTABLESYSTEMSTATE);
        expect_int("source", vss_value_get_integer(d, "source", 0), VSS_ST_OTHER);
        expect_true("no schema", !vss_value_get(d, "backup-schema"));
        expect_int("method", vss_value_get_integer(method, "method", 0),
                   VSS_RME_RESTORE_AT_REBOOT_IF_CANNOT_REPLACE);
        expect_int("writer restore", vss_value_get_integer(method, "writer-restore", 0), VSS_WRE_NEVER);
        expect_true("reboot", vss_value_get_boolean(method, "reboot-required", false));
        expect_int("components", vss_value_count(vss_value_get(d, "components")), 2);
        expect_int("a file group", vss_value_get_integer(c, "type", 0), VSS_CT_FILEGROUP);
        expect_str("line break in a caption", vss_value_get_string(c, "caption", NULL),
                   "System Files\nof this machine");
        expect_int("mask", vss_value_get_integer(file_at(c, 0), "backup-mask", 0), VSS_FSBT_DEFAULT);
        expect_true("absent is not recursive", !vss_value_get_boolean(file_at(c, 0), "recursive", false));
        expect_true("recursive", vss_value_get_boolean(file_at(c, 4), "recursive", false));
        expect_str("variable in a path", vss_value_get_string(file_at(c, 3), "path", NULL),
                   "%SystemRoot%\\Fonts");
        expect_str("path without a volume", vss_value_get_string(file_at(c, 6), "path", NULL),
                   "\\System Volume Information\\Heat");
        expect_true("nothing left out", !vss_value_get(d, "ignored"));
}

static void test_sql(void) {
        _cleanup_value_ vss_value *d = survive("sql-writer.xml", true);
        const vss_value *c = component_of(d, "local1"), *excludes = vss_value_get(d, "excludes");

        expect_int("schema", vss_value_get_integer(d, "backup-schema", 0),
                   VSS_BS_DIFFERENTIAL | VSS_BS_COPY | VSS_BS_TIMESTAMPED | VSS_BS_LAST_MODIFY |
                           VSS_BS_WRITER_SUPPORTS_NEW_TARGET | VSS_BS_WRITER_SUPPORTS_RESTORE_WITH_MOVE);
        expect_int("usage", vss_value_get_integer(d, "usage", 0), VSS_UT_USERDATA);
        expect_int("source", vss_value_get_integer(d, "source", 0), VSS_ST_TRANSACTEDDB);
        expect_str("instance", vss_value_get_string(d, "instance-name", NULL),
                   "Microsoft SQL Server 2017:SQLWriter");
        expect_int("method behind the locations",
                   vss_value_get_integer(vss_value_get(d, "restore-method"), "method", 0),
                   VSS_RME_RESTORE_IF_CAN_REPLACE);
        expect_int("databases", vss_value_count(vss_value_get(d, "components")), 5);
        expect_int("files of the offline one are excluded", vss_value_count(excludes), 2);
        expect_str("by name", vss_value_get_string(vss_value_at(excludes, 0), "filespec", NULL),
                   "offline1.mdf");
        expect_true("and it is no component", !component_of(d, "offline1"));
        expect_str("server", vss_value_get_string(c, "logical-path", NULL), "WIN2012-SQL17-2");
        expect_true("selectable", vss_value_get_boolean(c, "selectable", false));
        expect_true("is told", vss_value_get_boolean(c, "notify-on-backup-complete", false));
        expect_int("flags", vss_value_get_integer(c, "flags", 0), VSS_CF_APP_ROLLBACK_RECOVERY);
        expect_int("files", vss_value_count(vss_value_get(c, "files")), 2);
        expect_true("no caption", !vss_value_get(c, "caption"));
}

static void test_asr(void) {
        _cleanup_value_ vss_value *d = survive("asr-writer.xml", true);
        const vss_value *boot = component_of(d, "BCD");
        size_t without_files = 0;

        for (size_t i = 0; i < vss_value_count(vss_value_get(d, "components")); i++)
                without_files += !file_at(vss_value_at(vss_value_get(d, "components"), i), 0);
        expect_int("groups without files", without_files, 6);
        expect_str("path by a volume's id, verbatim", vss_value_get_string(file_at(boot, 0), "path", NULL),
                   "\\\\?\\Volume{6f2f5f7e-0000-0000-0000-000000100000}\\Boot");
        expect_true("no component for the path above",
                    !component_of(d, "Volumes") && !component_of(d, "Disks"));
        expect_true("a disk is selectable",
                    vss_value_get_boolean(component_of(d, "harddisk0"), "selectable", false));
}

static void test_others(void) {
        _cleanup_value_ vss_value *bits = survive("bits-writer.xml", true),
                                  *express = survive("express-writer.xml", true),
                                  *guessed = survive("unobserved.xml", false);

        expect_int("exclusions alone", vss_value_count(vss_value_get(bits, "components")), 0);
        expect_int("one of files", vss_value_count(vss_value_get(bits, "excludes")), 1);
        expect_int("one of the shadow copy", vss_value_count(vss_value_get(bits, "excludes-from-snapshot")),
                   1);
        expect_true("no restore method", !vss_value_get(bits, "restore-method"));
        expect_str("identity in lower case", vss_value_get_string(express, "id", NULL),
                   "d61d61c8-d73a-4eee-8cdd-f6f9786b7124");
        expect_str("a literal line break is a blank",
                   vss_value_get_string(component_of(express, "TasksStore"), "caption", NULL),
                   "Tasks Store");
        expect_int("what is unknown is counted", vss_value_get_integer(guessed, "ignored", 0), 3);
        expect_int("what is known is there", vss_value_count(vss_value_get(guessed, "components")), 1);
}

static void test_backup(void) {
        _cleanup_value_ vss_value *with = survive("with-sql.xml", true),
                                  *without = survive("no-sql.xml", true);
        const vss_value *sql = vss_value_at(vss_value_get(with, "writers"), 1),
                        *c = component_of(sql, "local1");

        expect_str("kind", vss_value_get_string(with, "kind", NULL), "backup-components");
        expect_true("settings", vss_value_get_boolean(with, "select-components", false) &&
                                        vss_value_get_boolean(with, "bootable-system-state", false) &&
                                        !vss_value_get_boolean(with, "partial-file-support", true));
        expect_int("type", vss_value_get_integer(with, "backup-type", 0), VSS_BT_FULL);
        expect_str("set", vss_value_get_string(with, "set", NULL), "3f9d0a52-7c1e-4b60-9a6d-5d0c8be1f7a4");
        expect_int("writers", vss_value_count(vss_value_get(with, "writers")), 3);
        expect_int("fewer without", vss_value_count(vss_value_get(without, "writers")), 2);
        expect_str("a writer has a name", vss_value_get_string(sql, "name", NULL),
                   "a65faa63-5ea8-4ebc-9dbd-a0c4db26912a");
        expect_int("of the databases one", vss_value_count(vss_value_get(sql, "components")), 1);
        expect_int("which is a file group", vss_value_get_integer(c, "type", 0), VSS_CT_FILEGROUP);
        expect_str("stamp", vss_value_get_string(c, "stamp", NULL), "AAAAAGdM8QAAAAAAVgAAAAAAAAABAAAA");
        expect_str("metadata", vss_value_get_string(c, "backup-metadata", NULL),
                   "BAAAAAEAAAACAAAAQwA6AFwAZABhAHQAYQA=");
        expect_true("nobody has said if it succeeded", !vss_value_get(c, "succeeded"));
}

int main(int argc, char *argv[]) {
        if (argc != 3)
                return 2;
        fixtures = argv[1];
        schema = schema_load(argv[2]);
        expect_true("the schema is one", schema != NULL);
        if (!schema)
                return test_end();
        test_system();
        test_sql();
        test_asr();
        test_others();
        test_backup();
        schema_free(schema);
        return test_end();
}
