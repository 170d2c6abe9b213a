/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The rules of what a writer may say about itself
 */

#include "lib/metadata.h"
#include "lib/participant.h"
#include "util/clock.h"
#include "util/test.h"

static vss_metadata *make(void) {
        static const struct vss_writer writer = {
                .name = "Test", .id = "an-id", .version = "1", .freeze_timeout_ms = 5
        };

        return metadata_new(&writer);
}

static vss_result add(vss_metadata *m, const char *logical_path, const char *name) {
        struct vss_component_info info = {
                .size = sizeof(info), .type = VSS_CT_DATABASE, .logical_path = logical_path, .name = name
        };

        return vss_metadata_add_component(m, &info);
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
        expect_int("type", vss_value_get_integer(c, "type", 0), VSS_CT_DATABASE);
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
        expect_true("names", participant_name_is_valid("A_1") && !participant_name_is_valid("1A") &&
                                     !participant_name_is_valid("a.b") && !participant_name_is_valid("") &&
                                     !participant_name_is_valid(NULL));
}

int main(void) {
        test_components();
        test_files();
        test_limits();
        test_text();
        return test_end();
}
