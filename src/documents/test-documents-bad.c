/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Documents that are wrong: each is refused, quickly, with a word about where and why, and nothing is given
 * out
 *
 * Usage: test-documents-bad FIXTURE...
 */

#include <string.h>
#include <sys/resource.h>
#include "documents/test-common.h"
#include "util/clock.h"
#include "util/test.h"

#define M "x-schema:#VssWriterMetadataInfo"
#define C "x-schema:#VssComponentMetadata"
#define L "urn:linuxvss:documents:1"
#define ID "01234567-89ab-cdef-0123-456789abcdef"
#define ID2 "11234567-89ab-cdef-0123-456789abcdef"

#define IDENTIFICATION "<IDENTIFICATION writerId='" ID "' instanceId='" ID2 "'/>"
#define METADATA(begin, content)                                                                    \
        "<WRITER_METADATA xmlns='" M "' xmlns:l='" L "' version='1.2' l:edition='1'>" begin content \
        "</WRITER_METADATA>"
#define LOCATIONS(content) METADATA(IDENTIFICATION, "\n<BACKUP_LOCATIONS>\n" content "</BACKUP_LOCATIONS>")
#define GROUP(name, content) "<FILE_GROUP componentName='" name "'>" content "</FILE_GROUP>\n"
#define FILES(path, filespec) "<FILE_LIST path='" path "' filespec='" filespec "'/>"
#define NEEDS(name) "<l:DEPENDENCY writerId='" ID "' componentName='" name "'/>"
#define BACKUP(content) \
        "<BACKUP_COMPONENTS xmlns='" C "' xmlns:l='" L "' version='1.2'>\n" content "</BACKUP_COMPONENTS>"
#define WRITER(instance, content)                                                        \
        "<WRITER_COMPONENTS instanceId='" instance "' writerId='" ID "'>\n" content "</" \
        "WRITER_COMPONENTS>\n"
#define LUN(content) \
        BACKUP("<l:SNAPSHOT id='" ID "'><l:LUN><l:SOURCE>" content "</l:SOURCE></l:LUN></l:SNAPSHOT>")

static void expect_refused(const char *label, const char *text, size_t size, vss_result want,
                           const char *message) {
        vss_value *document = (vss_value *)-1;
        _cleanup_(freep) char *error = NULL;
        vss_result result = vss_document_parse(text, size, &document, &error);

        if (!expect_true_at(__FILE__, __LINE__, label,
                            result == want && document == (vss_value *)-1 && error &&
                                    strstr(error, message) && strncmp(error, "line ", 5) == 0))
                printf("# %s: %s; want %s: %s\n", vss_result_name(result), error ?: "(no message)",
                       vss_result_name(want), message);
}

typedef struct Row {
        const char *label, *text, *message;
} Row;

static void test_corrupt(void) {
        static const Row rows[] = {
                { "empty", "", "line 1: " },
                { "blanks", " \n ", "line " },
                { "no XML", "PK\003\004", "begins with '<'" },
                { "JSON", "{}", "begins with '<'" },
                { "UTF-16", "\xff\xfe<", "UTF-16" },
                { "cut off", "<WRITER_METADATA xmlns='" M "' version='1.2'>\n\n",
                  "line 3: element WRITER_METADATA" },
                { "cut off in a tag", "<WRITER_METADATA xmlns='" M "' vers", "line 1: " },
                { "wrong end", "<WRITER_METADATA xmlns='" M "' version='1.2'></X>", "mismatch" },
                { "two roots", METADATA(IDENTIFICATION, "<BACKUP_LOCATIONS/>") "<b/>", "Extra content" },
                { "text behind", METADATA(IDENTIFICATION, "<BACKUP_LOCATIONS/>") "x", "Extra content" },
                { "attribute twice", "<WRITER_METADATA xmlns='" M "' version='1.2' version='1.2'/>",
                  "redefined" },
                { "unknown entity", LOCATIONS(GROUP("&x;", "")),
                  "line 3: element BACKUP_LOCATIONS: Entity 'x'" },
                { "character that is none", LOCATIONS(GROUP("&#1;", "")), "xmlParseCharRef" },
                { "unknown prefix", "<WRITER_METADATA xmlns='" M "' version='1.2' q:a='1'/>", "prefix q" },
                { "no quotes", "<WRITER_METADATA version=1/>", "AttValue" },
        };

        FOREACH_ELEMENT (row, rows)
                expect_refused(row->label, row->text, strlen(row->text), VSS_E_CORRUPT_XML_DOCUMENT,
                               row->message);
}

static void test_invalid_metadata(void) {
        static const Row rows[] = {
                { "other root", "<html/>", "line 1: element html: it is no document" },
                { "other name space", "<WRITER_METADATA version='1.2'/>",
                  "element WRITER_METADATA: it is no document" },
                { "root of one in the space of the other", "<WRITER_METADATA xmlns='" C "'/>",
                  "it is no document" },
                { "no version", "<WRITER_METADATA xmlns='" M "'/>", "attribute version is missing" },
                { "other version", "<WRITER_METADATA xmlns='" M "' version='2.0'/>",
                  "version=\"2.0\" is unknown" },
                { "other edition",
                  "<WRITER_METADATA xmlns='" M "' xmlns:l='" L "' version='1.2' l:edition='2'/>",
                  "a newer Linux VSS" },
                { "no identification", METADATA("", "<BACKUP_LOCATIONS/>"),
                  "element IDENTIFICATION is missing" },
                { "no locations", METADATA(IDENTIFICATION, ""), "element BACKUP_LOCATIONS is missing" },
                { "identification twice", METADATA(IDENTIFICATION, IDENTIFICATION), "only once" },
                { "no identity", METADATA("<IDENTIFICATION/>", ""), "attribute writerId is missing" },
                { "bad identity", METADATA("<IDENTIFICATION writerId='{" ID "}' instanceId='" ID "'/>", ""),
                  "element IDENTIFICATION: writerId=\"{" ID "}\" is no UUID" },
                { "empty identity", METADATA("<IDENTIFICATION writerId='' instanceId='" ID "'/>", ""),
                  "is no UUID" },
                { "unknown usage",
                  METADATA("<IDENTIFICATION writerId='" ID "' instanceId='" ID "' usage='X'/>", ""),
                  "usage=\"X\" is not one" },
                { "unknown method", METADATA("<RESTORE_METHOD method='NEVER'/>", ""),
                  "method=\"NEVER\" is not one" },
                { "no method", METADATA("<RESTORE_METHOD/>", ""), "attribute method is missing" },
                { "unknown attribute of ours", METADATA("<IDENTIFICATION l:nonesuch=''/>", ""),
                  "it has no attribute nonesuch" },
                { "unknown attribute in an element of ours",
                  METADATA("<l:WARNING text='' nonesuch=''/>", ""), "it has no attribute nonesuch" },
                { "prefix where none belongs", METADATA("<l:WARNING l:text=''/>", ""),
                  "must have no prefix" },
                { "unknown element of ours", METADATA("<l:NONESUCH/>", ""),
                  "element NONESUCH: there is no such" },
                { "element in a wrong place", LOCATIONS(FILES("/a", "*")),
                  "element FILE_LIST: it does not belong into BACKUP_LOCATIONS" },
                { "element of the other document", METADATA("<l:SNAPSHOT id='" ID "'/>", ""),
                  "there is no such" },
                { "text", METADATA("text", ""), "there is text in it" },
                { "CDATA", METADATA("<![CDATA[ x ]]>", ""), "there is text in it" },
                { "no number", LOCATIONS("<FILE_GROUP componentName='a' componentFlags='0x2'/>"),
                  "no decimal number" },
                { "huge number",
                  LOCATIONS("<FILE_GROUP componentName='a' componentFlags='9223372036854775808'/>"),
                  "no decimal number" },
                { "no boolean", LOCATIONS("<FILE_GROUP componentName='a' selectable='true'/>"),
                  "neither \"yes\"" },
                { "no name", LOCATIONS("<FILE_GROUP/>"),
                  "line 3: element FILE_GROUP: the attribute componentName" },
                { "empty name", LOCATIONS(GROUP("", "")), "is empty" },
                { "separator in a name", LOCATIONS(GROUP("a/b", "")), "has a separator" },
                { "control character in a name", LOCATIONS(GROUP("a&#9;", "")), "has control characters" },
                { "the same component twice", LOCATIONS(GROUP("a", "") GROUP("b", "") GROUP("a", "")),
                  "line 5: element FILE_GROUP: \"a\" is there already, in line 3" },
                { "also of another type", LOCATIONS(GROUP("a", "") "<l:DATABASE componentName='a'/>"),
                  "already" },
                { "empty element of a logical path",
                  LOCATIONS("<FILE_GROUP logicalPath='/a' componentName='b'/>"), "is no logical path" },
                { "dots in a logical path",
                  LOCATIONS("<FILE_GROUP logicalPath='a/../b' componentName='b'/>"), "is no logical path" },
        };

        FOREACH_ELEMENT (row, rows)
                expect_refused(row->label, row->text, strlen(row->text), VSS_E_INVALID_XML_DOCUMENT,
                               row->message);
}

/* What leads elsewhere, or goes in circles. */
static void test_invalid_contents(void) {
        static const Row rows[] = {
                { "relative path", LOCATIONS(GROUP("a", FILES("srv", "*"))),
                  "element FILE_LIST: path=\"srv\" is not an absolute path" },
                { "path that climbs", LOCATIONS(GROUP("a", FILES("/srv/../etc", "*"))),
                  "an element \"..\"" },
                { "the same with backslashes", LOCATIONS(GROUP("a", FILES("C:\\a\\..\\b", "*"))),
                  "an element \"..\"" },
                { "behind a variable", LOCATIONS(GROUP("a", FILES("%x%/..", "*"))), "an element \"..\"" },
                { "alternate path that climbs",
                  LOCATIONS(GROUP("a", "<FILE_LIST path='/a' filespec='*' l:alternatePath='../x'/>")),
                  "\"..\"" },
                { "exclusion that climbs", LOCATIONS("<EXCLUDE_FILES path='/..' filespec='*'/>"), "\"..\"" },
                { "directory in a file specification", LOCATIONS(GROUP("a", FILES("/a", "b/c"))),
                  "is not a name" },
                { "file specification that climbs", LOCATIONS(GROUP("a", FILES("/a", ".."))),
                  "is not a name" },
                { "empty file specification", LOCATIONS(GROUP("a", FILES("/a", ""))),
                  "\"*\" stands for all" },
                { "unknown kind of file",
                  LOCATIONS(GROUP("a", "<FILE_LIST path='/a' filespec='*' l:kind='x'/>")), "kind=\"x\"" },
                { "icon", LOCATIONS("<FILE_GROUP componentName='a' l:icon='***'/>"), "is not Base64" },
                { "no Base64", METADATA("<l:WARNING textBase64='AA=A'/>", ""), "is not Base64" },
                { "NUL in Base64", METADATA("<l:WARNING textBase64='AAAA'/>", ""), "NUL byte" },
                { "said in both ways", METADATA("<l:WARNING text='a' textBase64='AQ=='/>", ""),
                  "says again" },
                { "Base64 of an identity", METADATA("<IDENTIFICATION l:writerIdBase64='AQ=='/>", ""),
                  "it has no attribute writerIdBase64" },
                { "Base64 of a path that climbs",
                  LOCATIONS(GROUP("a", "<FILE_LIST l:pathBase64='Ly4uL++/vw==' filespec='*'/>")),
                  "an element \"..\"" },
                { "Base64 of a name with control characters",
                  LOCATIONS("<FILE_GROUP l:componentNameBase64='AQ=='/>"), "has control characters" },
                { "component that needs itself", LOCATIONS(GROUP("a", NEEDS("a"))),
                  "line 3: element DEPENDENCY: component \"a\" depends on itself" },
                { "circle",
                  LOCATIONS(GROUP("x", NEEDS("a")) GROUP("a", NEEDS("b") NEEDS("none"))
                                    GROUP("b", NEEDS("c")) GROUP("c", NEEDS("a"))),
                  "depends on itself" },
                { "document type", "<!DOCTYPE x><x/>", "it has a DOCTYPE" },
                { "entities", "<?xml version='1.0'?>\n<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>",
                  "line 2: " },
                { "external entity", "<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>", "it has a DOCTYPE" },
                { "external parameter entity", "<!DOCTYPE x [<!ENTITY % a SYSTEM 'http://x/'> %a;]><x/>",
                  "DOCTYPE" },
                { "not in UTF-8", METADATA("<l:WARNING text='a\xe4'/>", ""),
                  "element l:WARNING: it is not in UTF-8" },
                { "overlong", METADATA("<l:WARNING text='\xc0\xaf'/>", ""), "it is not in UTF-8" },
                { "surrogate", METADATA("\n<l:WARNING text='\xed\xa0\x80'/>", ""),
                  "line 2: element l:WARNING" },
                { "control character", METADATA("<l:WARNING text='\001'/>", ""), "a control character" },
        };

        FOREACH_ELEMENT (row, rows)
                expect_refused(row->label, row->text, strlen(row->text), VSS_E_INVALID_XML_DOCUMENT,
                               row->message);
}

static void test_invalid_backup(void) {
        static const Row rows[] = {
                { "no identity", BACKUP("<WRITER_COMPONENTS instanceId='" ID "'/>"), "writerId is missing" },
                { "no instance, and the name twice",
                  BACKUP("<WRITER_COMPONENTS writerId='" ID "' l:name='a'/><WRITER_COMPONENTS writerId='" ID2
                         "' l:name='a'/>"),
                  "\"a\" is there already" },
                { "the same writer twice", BACKUP(WRITER(ID, "") WRITER(ID, "")),
                  "is there already, in line 2" },
                { "the same component twice",
                  BACKUP(WRITER(ID, "<COMPONENT componentName='a'/>\n<COMPONENT componentName='a'/>")),
                  "line 4: element COMPONENT: \"a\" is there already, in line 3" },
                { "backslash for a slash",
                  BACKUP(WRITER(ID, "<COMPONENT logicalPath='a\\b' componentName='c'/>"
                                    "<COMPONENT logicalPath='a/b' componentName='c'/>")),
                  "\"a/b/c\" is there already" },
                { "backslash that climbs",
                  BACKUP(WRITER(ID, "<COMPONENT componentName='a'><l:PARTIAL_FILE path='/a' "
                                    "filespec='..\\x'/></COMPONENT>")),
                  "element PARTIAL_FILE: filespec" },
                { "backslash in a name", BACKUP(WRITER(ID, "<COMPONENT componentName='a\\b'/>")),
                  "a separator" },
                { "unknown type", BACKUP(WRITER(ID, "<COMPONENT componentName='a' componentType='x'/>")),
                  "\"x\"" },
                { "set", "<BACKUP_COMPONENTS xmlns='" C "' version='1.2' snapshotSetId='x'/>",
                  "is no UUID" },
                { "new target that climbs",
                  BACKUP(WRITER(ID, "<COMPONENT componentName='a'><l:NEW_TARGET path='/a' filespec='*' "
                                    "alternatePath='/b/../../etc'/></COMPONENT>")),
                  "element NEW_TARGET: alternatePath" },
                { "the same shadow copy twice", BACKUP("<l:SNAPSHOT id='" ID "'/><l:SNAPSHOT id='" ID "'/>"),
                  "already" },
                { "metadata twice",
                  BACKUP(WRITER(ID, "<COMPONENT componentName='a'><BACKUP_METADATA xmlns='' metadata='a'/>"
                                    "<BACKUP_METADATA xmlns='' metadata='a'/></COMPONENT>")),
                  "only once" },
                { "value without one", LUN("<l:VALUE key='a'/>"), "one value is wanted" },
                { "value with two", LUN("<l:VALUE key='a' string='' integer='1'/>"), "one value is wanted" },
                { "value without a key", LUN("<l:VALUE string=''/>"), "one value is wanted" },
                { "key in a list",
                  LUN("<l:VALUE key='a' kind='list'><l:VALUE key='a' string=''/></l:VALUE>"), "a key only" },
                { "key twice", LUN("<l:VALUE key='a' string=''/><l:VALUE key='a' string=''/>"),
                  "comes twice" },
                { "value in a value",
                  LUN("<l:VALUE key='a' string=''><l:VALUE key='b' string=''/></l:VALUE>"),
                  "nothing inside" },
                { "other kind", LUN("<l:VALUE key='a' kind='null'/>"), "kind=\"null\"" },
        };

        FOREACH_ELEMENT (row, rows)
                expect_refused(row->label, row->text, strlen(row->text), VSS_E_INVALID_XML_DOCUMENT,
                               row->message);
}

/* NUL bytes do not end a document. */
static void test_nul(void) {
        static const char early[] = "<\0", inside[] = METADATA("<l:WARNING text='a\0b'/>", "");

        expect_refused("NUL at once", early, sizeof(early) - 1, VSS_E_INVALID_XML_DOCUMENT,
                       "NUL byte: it may be in UTF-16");
        expect_refused("NUL inside", inside, sizeof(inside) - 1, VSS_E_INVALID_XML_DOCUMENT,
                       "element l:WARNING: a NUL byte");
}

/* What is not ours and not known is left out, and counted. */
static void test_ignored(void) {
        static const char text[] =
                "\xef\xbb\xbf<?xml version='1.0' encoding='ISO-8859-1'?><!-- ' -- \" > <x --><?x "
                "\"?>" METADATA(IDENTIFICATION
                                "<q:a xmlns:q='urn:q' "
                                "b='1'><l:NONESUCH/>text<q:c/></q:a><NEW_ONE/><BACKUP_LOCATIONS more='x'/>",
                                "<![CDATA[ \n ]]><!---->");
        _cleanup_value_ vss_value *document = NULL;
        _cleanup_(freep) char *error = NULL;

        expect_refused("a comment with dashes", text, strlen(text), VSS_E_CORRUPT_XML_DOCUMENT, "omment");
        expect_int("the same without",
                   vss_document_parse(strstr(text, "<?x "), strlen(strstr(text, "<?x ")), &document, &error),
                   VSS_S_OK);
        expect_str("no message", error, NULL);
        expect_int("what was left out", vss_value_get_integer(document, "ignored", 0), 3);
        expect_str("a writer without any name", vss_value_get_string(document, "name", NULL), ID);
}

/* A document that is made while it is read: a head, a piece again and again, a tail. */
typedef struct Stream {
        const char *head, *piece, *tail;
        uint64_t pieces, read;
        size_t chunk; /* what is given at a time; 0 is what is asked for */
        bool numbered;
        char text[512];
        const char *now;
} Stream;

static ssize_t read_stream(void *userdata, char *buffer, size_t size) {
        Stream *s = userdata;
        size_t done = 0;

        if (s->chunk > 0)
                size = MIN(size, s->chunk);
        while (done < size) {
                if (s->now && *s->now) {
                        buffer[done++] = *s->now++;
                } else if (s->head) {
                        s->now = TAKE_PTR(s->head);
                } else if (s->pieces > 0) {
                        (void)snprintf(s->text, sizeof(s->text), "%s%.0" PRIu64, s->piece,
                                       s->numbered ? s->pieces : 0);
                        s->now = s->text;
                        s->pieces--;
                } else if (s->tail) {
                        s->now = TAKE_PTR(s->tail);
                } else {
                        break;
                }
        }
        s->read += done;
        return (ssize_t)done;
}

static long peak_kib(void) {
        struct rusage usage = { 0 };

        (void)getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss;
}

static void expect_stream(const char *label, Stream *stream, const char *message, uint64_t most) {
        _cleanup_value_ vss_value *document = NULL;
        _cleanup_(freep) char *error = NULL;
        uint64_t began = now_usec();
        long before = peak_kib();
        vss_result result = document_read(read_stream, stream, &document, &error);
        long grown = peak_kib() - before;

        if (!expect_true_at(__FILE__, __LINE__, label,
                            message ? result == VSS_E_INVALID_XML_DOCUMENT && error && strstr(error, message)
                                    : result == VSS_S_OK))
                printf("# %s: %s\n", vss_result_name(result), error ?: "(no message)");
        if (!expect_true_at(__FILE__, __LINE__, "soon",
                            stream->read <= most && now_usec() - began < 20 * USEC_PER_SEC))
                printf("# after %" PRIu64 " bytes\n", stream->read);
        if (!expect_true_at(__FILE__, __LINE__, "in little memory", grown < 256 * 1024))
                printf("# %ld KiB more\n", grown);
}

#define OPENING "<WRITER_METADATA xmlns='" M "' xmlns:l='" L "' version='1.2' "
#define IN_LOCATIONS OPENING ">" IDENTIFICATION "<BACKUP_LOCATIONS>"
#define IN_GROUP IN_LOCATIONS "<FILE_GROUP componentName='a'>"
#define OUT_OF_GROUP "</FILE_GROUP></BACKUP_LOCATIONS></WRITER_METADATA>"

static void test_limits(void) {
        static const char sixteen[] = "0123456789abcdef";
        static char name[4097];
        Stream attribute = { .head = OPENING "x='", .piece = sixteen, .pieces = 1ull << 26, .tail = "'/>" };
        Stream text = { .head = OPENING ">" IDENTIFICATION "<l:WARNING text='",
                        .piece = sixteen,
                        .pieces = 1u << 17,
                        .tail = "'/></WRITER_METADATA>" };
        Stream blanks = {
                .head = IN_LOCATIONS, .piece = "               \n", .pieces = 1u << 23, .tail = ""
        };
        Stream attributes = { .head = OPENING "a",
                              .piece = "=''\na",
                              .pieces = 1u << 20,
                              .tail = "='1'/>",
                              .numbered = true };
        Stream depth = { .head = OPENING ">", .piece = "<q xmlns='urn:q'>", .pieces = 1u << 20, .tail = "" };
        Stream files = {
                .head = IN_GROUP, .piece = FILES("/a", "*"), .pieces = 100000, .tail = OUT_OF_GROUP
        };
        Stream more_files = {
                .head = IN_GROUP, .piece = FILES("/a", "*"), .pieces = 100001, .tail = OUT_OF_GROUP
        };
        Stream components = { .head = IN_LOCATIONS "<FILE_GROUP componentName='c",
                              .piece = "'/><FILE_GROUP componentName='c",
                              .pieces = 9999,
                              .tail = "'/></BACKUP_LOCATIONS></WRITER_METADATA>",
                              .numbered = true };
        Stream warnings = {
                .head = OPENING ">", .piece = "<l:WARNING text=''/>", .pieces = 1001, .tail = ""
        };
        Stream writers = { .head = "<BACKUP_COMPONENTS xmlns='" C "' xmlns:l='" L "' version='1.2'>",
                           .piece = "<l:SNAPSHOT id='" ID "'/>",
                           .pieces = 2,
                           .tail = "" };
        Stream chunks = { .head = LOCATIONS(GROUP("\xc3\xa9", FILES("/a&amp;", "*"))), .chunk = 1 };
        _cleanup_(freep) char *long_name = NULL;

        memset(name, 'a', sizeof(name) - 1);
        expect_stream("an attribute of 1 GiB", &attribute, "an attribute is longer than 8 MiB", 9u << 20);
        expect_stream("a text of 2 MiB", &text, "element WARNING: text=\"0123", 3u << 20);
        expect_stream("128 MiB of blanks", &blanks, "larger than 64 MiB", 65u << 20);
        expect_stream("a million attributes", &attributes, "more than 64 attributes", 8192);
        expect_stream("a million elements inside each other", &depth, "more than 32 elements", 8192);
        expect_stream("100000 file sets", &files, NULL, 8u << 20);
        expect_stream("one more", &more_files, "more than 100000 file sets", 8u << 20);
        expect_stream("10000 components", &components, NULL, 1u << 20);
        components = (Stream){ .head = IN_LOCATIONS "<FILE_GROUP componentName='c",
                               .piece = "'/><FILE_GROUP componentName='c",
                               .pieces = 10000,
                               .tail = "'/>",
                               .numbered = true };
        expect_stream("one more", &components, "more than 10000 components", 1u << 20);
        expect_stream("1001 warnings", &warnings, "more than 1000 notes", 1u << 20);
        expect_stream("a shadow copy again", &writers, "is there already", 1u << 20);
        expect_stream("one byte at a time", &chunks, NULL, 1u << 20);
        if (asprintf(&long_name, LOCATIONS(GROUP("%s", "")), name) < 0)
                long_name = NULL;
        expect_refused("a name of 4096 bytes", long_name, long_name ? strlen(long_name) : 0,
                       VSS_E_INVALID_XML_DOCUMENT, "is longer than 4095 bytes");
}

/* Values that are deep, or many in one dictionary, would cost more than they are. */
static void test_values(void) {
        Stream many = { .head = "<BACKUP_COMPONENTS xmlns='" C "' xmlns:l='" L
                                "' version='1.2'><l:SNAPSHOT id='" ID
                                "'><l:LUN><l:SOURCE><l:VALUE string='' key='k",
                        .piece = "'/><l:VALUE string='' key='k",
                        .pieces = 2000,
                        .tail = "",
                        .numbered = true };
        Stream deep = { .head = "<BACKUP_COMPONENTS xmlns='" C "' xmlns:l='" L
                                "' version='1.2'><l:SNAPSHOT id='" ID
                                "'><l:LUN><l:SOURCE><l:VALUE key='a' kind='list'>",
                        .piece = "<l:VALUE kind='list'>",
                        .pieces = 100,
                        .tail = "" };

        expect_stream("a dictionary of 2000 keys", &many, "too deep or too large", 1u << 17);
        expect_stream("100 lists inside each other", &deep, "too deep or too large", 8192);
}

static ssize_t read_nothing(void *userdata, char *buffer, size_t size) {
        return -EIO;
}

static void test_arguments(void) {
        _cleanup_value_ vss_value *document = NULL;
        _cleanup_(freep) char *error = NULL;

        expect_int("no text", vss_document_parse(NULL, 0, &document, NULL), VSS_E_INVALIDARG);
        expect_int("no place for the document", vss_document_parse("<a/>", 4, NULL, NULL), VSS_E_INVALIDARG);
        expect_int("no place for the message", vss_document_parse("<a/>", 4, &document, NULL),
                   VSS_E_INVALID_XML_DOCUMENT);
        expect_int("what cannot be read", document_read(read_nothing, NULL, &document, &error),
                   VSS_E_UNEXPECTED);
        expect_true("is told", error && strstr(error, "it cannot be read"));
}

/* Every beginning of a document is refused; a document with one byte changed is read or refused. */
static void test_cuts(const char *path) {
        size_t size = 0, wrong = 0, end;
        _cleanup_(freep) char *text = read_file(path, &size);

        expect_true(path, text != NULL);
        for (end = size; end > 0 && text[end - 1] == '\n'; end--)
                ;
        for (size_t i = 0; i < end; i++) {
                vss_value *document = NULL;
                char *error = NULL;

                if (vss_document_parse(text, i, &document, &error) != VSS_E_CORRUPT_XML_DOCUMENT ||
                    document || !error)
                        wrong++;
                vss_value_free(document);
                free(error);
        }
        expect_int("beginnings that are not corrupt", wrong, 0);
        wrong = 0;
        for (size_t i = 0; i < end; i++) {
                static const char bytes[] = "\0\"<&'>=/ \xff";
                char was = text[i];
                vss_value *document = NULL;
                char *error = NULL;
                vss_result result;

                text[i] = bytes[i % (sizeof(bytes) - 1)];
                result = vss_document_parse(text, size, &document, &error);
                if (result != VSS_S_OK && result != VSS_E_CORRUPT_XML_DOCUMENT &&
                    result != VSS_E_INVALID_XML_DOCUMENT)
                        wrong++;
                if ((result < 0) != (error != NULL) || (result < 0) == (document != NULL))
                        wrong++;
                text[i] = was;
                vss_value_free(document);
                free(error);
        }
        expect_int("changes that are answered otherwise", wrong, 0);
}

int main(int argc, char *argv[]) {
        test_corrupt();
        test_invalid_metadata();
        test_invalid_contents();
        test_invalid_backup();
        test_nul();
        test_ignored();
        test_limits();
        test_values();
        test_arguments();
        for (int i = 1; i < argc; i++)
                test_cuts(argv[i]);
        return test_end();
}
