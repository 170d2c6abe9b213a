/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: the index of a directory of saved documents
 *
 * Ours goes round unchanged; one of the shape that diskshadow writes, made by hand, is read as the same
 * values; and what is malformed is refused with its line.
 */

#include "util/test.h"
#include "vss/manifest.h"

#define SET "11111111-2222-3333-4444-55555555aaaa"
#define COPY "11111111-2222-3333-4444-55555555bbbb"

static const char observed[] =
        "<Manifest><ShadowCopySet GUID='{11111111-2222-3333-4444-55555555AAAA}' MachineName='HOST'>"
        "<ShadowCopy GUID='{11111111-2222-3333-4444-55555555BBBB}' Alias='Loc' OriginalVolume='C:\\' "
        "Provider='{00000000-0000-0000-0000-000000000000}'></ShadowCopy></ShadowCopySet>\n"
        " <BackupComponents File='BCDocument.xml'></BackupComponents>\n"
        " <Aliases><Alias Name='Loc' Value='{11111111-2222-3333-4444-55555555BBBB}'/>"
        "<Alias Name='VSS_SHADOW_SET' Value='{11111111-2222-3333-4444-55555555AAAA}'/></Aliases>\n"
        " <Writers Count='2'><Writer Name='Task%sScheduler%sWriter' MetadataFile='C:\\a\\Temp\\2\\WM0.xml'/>"
        "<Writer Name='SQLite' MetadataFile='WM1.xml'/></Writers>\n"
        " <Logfile Name='Dis7A07.tmp'/></Manifest>";

static const vss_value *member(const vss_value *manifest, const char *list, size_t index) {
        return vss_value_at(vss_value_get(manifest, list), index);
}

static void test_observed(void) {
        _cleanup_value_ vss_value *manifest = NULL, *again = NULL;
        _cleanup_(freep) char *text = NULL, *second = NULL;
        ManifestError error = {};

        expect_int("it is read", manifest_parse(observed, strlen(observed), &error, &manifest), 0);
        expect_str("the set", vss_value_get_string(manifest, "set", ""), SET);
        expect_str("the machine", vss_value_get_string(manifest, "host", ""), "HOST");
        expect_str("the document", vss_value_get_string(manifest, "document", ""), "BCDocument.xml");
        expect_int("one copy", vss_value_count(vss_value_get(manifest, "snapshots")), 1);
        expect_str("its id", vss_value_get_string(member(manifest, "snapshots", 0), "id", ""), COPY);
        expect_str("its alias", vss_value_get_string(member(manifest, "snapshots", 0), "alias", ""), "Loc");
        expect_str("its volume", vss_value_get_string(member(manifest, "snapshots", 0), "volume", ""),
                   "C:\\");
        expect_int("two aliases", vss_value_count(vss_value_get(manifest, "aliases")), 2);
        expect_str("the second", vss_value_get_string(member(manifest, "aliases", 1), "value", ""), SET);
        expect_int("two writers", vss_value_count(vss_value_get(manifest, "writers")), 2);
        expect_str("blanks in a name", vss_value_get_string(member(manifest, "writers", 0), "name", ""),
                   "Task Scheduler Writer");
        expect_str("no directory in a file's name",
                   vss_value_get_string(member(manifest, "writers", 0), "file", ""), "WM0.xml");

        text = manifest_format(manifest);
        expect_int("it is read again", manifest_parse(text, strlen(text), &error, &again), 0);
        second = manifest_format(again);
        expect_str("and is the same", second, text);
        expect_true("with braces", strstr(text, "GUID='{" SET "}' MachineName='HOST'") != NULL);
        expect_true("with its blanks",
                    strstr(text, "Name='Task%sScheduler%sWriter' MetadataFile='WM0.xml'") != NULL);
}

static void test_escapes(void) {
        static const char text[] =
                "<?xml version=\"1.0\"?>\n<!-- <a> -->\n<Manifest more=\"'\" >\n"
                "<Aliases><Alias Name='a&lt;&amp;&#65;&#x20ac;' Value=\"it's\n\" /></Aliases>\n"
                "<Unknown><Deep a = 'b'/></Unknown></Manifest>\n";
        _cleanup_value_ vss_value *manifest = NULL;
        _cleanup_(freep) char *formatted = NULL;
        ManifestError error = {};

        expect_int("it is read", manifest_parse(text, strlen(text), &error, &manifest), 0);
        expect_str("references", vss_value_get_string(member(manifest, "aliases", 0), "name", ""),
                   "a<&A\xe2\x82\xac");
        expect_str("other quotes", vss_value_get_string(member(manifest, "aliases", 0), "value", ""),
                   "it's ");
        formatted = manifest_format(manifest);
        expect_true("they are written so",
                    strstr(formatted, "Name='a&lt;&amp;A\xe2\x82\xac' Value='it&apos;s '") != NULL);
}

static void test_malformed(void) {
        static const struct {
                const char *text, *want;
                unsigned line;
        } rows[] = {
                { "", "no element", 1 },
                { "\n\nManifest", "text outside", 3 },
                { "<Manifest>", "element Manifest: it is not closed", 1 },
                { "<Manifest>\n</Manifst>", "element Manifst: it ends where it has not begun", 2 },
                { "<Other/>", "the one root has to be Manifest", 1 },
                { "<Manifest/>\n<Manifest/>", "the one root", 2 },
                { "<!DOCTYPE Manifest [<!ENTITY a 'b'>]><Manifest/>", "document types", 1 },
                { "<Manifest><![CDATA[x]]></Manifest>", "document types and marked sections", 1 },
                { "<Manifest>x</Manifest>", "text outside", 1 },
                { "<Manifest", "its tag is not closed", 1 },
                { "<Manifest a></Manifest>", "a has no value", 1 },
                { "<Manifest a=b></Manifest>", "is not quoted", 1 },
                { "<Manifest a='b></Manifest>", "is not closed", 1 },
                { "<Manifest a='' a=''/>", "a is given twice", 1 },
                { "<Manifest a='b'c='d'/>", "its tag is not closed", 1 },
                { "<Manifest a='<'/>", "'<' in the value", 1 },
                { "<Manifest a='&a;'/>", "not XML's own", 1 },
                { "<Manifest a='&#0;'/>", "no character", 1 },
                { "<Manifest a='&#xd800;'/>", "no character", 1 },
                { "<Manifest a='&#x110000;'/>", "no character", 1 },
                { "<Manifest a='&#99999999999999999999;'/>", "no character", 1 },
                { "<Manifest a='&#6'/>", "no character", 1 },
                { "<Manifest><!-- </Manifest>", "a comment has no end", 1 },
                { "<Manifest>\n<Writer Name='a' MetadataFile='/x/'/></Manifest>",
                  "MetadataFile names no file", 2 },
                { "<Manifest><Writer MetadataFile='..'/></Manifest>", "names no file", 1 },
                { "<Manifest><BackupComponents File=''/></Manifest>", "names no file", 1 },
                { "<Manifest><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></Manifest>",
                  "inside each other", 1 },
                { "<Manifest a='1' b='1' c='1' d='1' e='1' f='1' g='1' h='1' i='1' j='1' k='1' l='1' m='1' "
                  "n='1' "
                  "o='1' p='1' q='1'/>",
                  "more than 16 attributes", 1 },
                { "<Manifest a='\xff'/>", "UTF-8", 1 },
        };

        FOREACH_ELEMENT (row, rows) {
                _cleanup_value_ vss_value *manifest = NULL;
                ManifestError error = {};

                expect_int(row->want, manifest_parse(row->text, strlen(row->text), &error, &manifest),
                           -EBADMSG);
                expect_true(error.message, strstr(error.message, row->want) != NULL);
                expect_int("its line", error.line, row->line);
                expect_true("nothing is given", !manifest);
        }
}

static void test_base_names(void) {
        static const struct {
                const char *path, *want;
        } rows[] = {
                { "WM0.xml", "WM0.xml" },
                { "/a/b", "b" },
                { "C:\\a/b\\c", "c" },
                { "", NULL },
                { "/", NULL },
                { "a/..", NULL },
                { ".", NULL },
                { "a\nb", NULL },
        };

        FOREACH_ELEMENT (row, rows)
                expect_str(row->want ?: "none", manifest_base_name(row->path), row->want);
}

int main(void) {
        test_observed();
        test_escapes();
        test_malformed();
        test_base_names();
        return test_end();
}
