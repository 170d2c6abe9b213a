/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading documents
 *
 * libxml2 tells of elements as they come (SAX), and the values are made at once: no tree of XML is ever in
 * memory. There is no network, no document type and no entity but the five that XML has by itself; the guard
 * has seen each byte before. The first thing that is wrong ends the reading: what is read from then on is
 * nothing.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include "documents/parser.h"
#include "util/utf8.h"
#include "util/value-codec.h"

static void parser_deinit(Parser *parser) {
        if (parser->xml)
                xmlFreeParserCtxt(parser->xml);
        vss_value_free(parser->document);
        checks_deinit(&parser->checks);
        free(parser->text);
        free(parser->error);
}

uint64_t parser_line(const Parser *parser) {
        return parser->xml && parser->xml->input && parser->xml->input->line > 0
                       ? (uint64_t)parser->xml->input->line
                       : parser->guard.line;
}

/* Notes the first error. @element may be NULL. */
void parser_fail_at(Parser *parser, vss_result result, uint64_t line, const char *element,
                    const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list args;
        int n;

        if (parser->result < 0)
                return;
        parser->result = result;
        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        if (n < 0) {
                text = NULL;
                return;
        }
        if (asprintf(&parser->error, "line %" PRIu64 ": %s%.64s%s%s", line, element ? "element " : "",
                     element ?: "", element ? ": " : "", text) < 0)
                parser->error = NULL;
        for (char *s = text_make_utf8(parser->error); s && *s; s++)
                if ((unsigned char)*s < 0x20 || *s == 0x7F)
                        *s = ' ';
}

void parser_fail_memory(Parser *parser) {
        parser_fail_at(parser, VSS_E_OUTOFMEMORY, parser_line(parser), NULL,
                       "there is not enough memory for it");
}

/* The list for a child, made with its first member. Children of one key have one list. */
static vss_value *list_of(Parser *parser, Frame *frame, size_t child) {
        const Element *const *children = frame->element->children;
        size_t i = 0;

        while (strcmp(children[i]->key ?: "", children[child]->key) != 0)
                i++;
        if (!frame->lists[i]) {
                vss_value *list = vss_value_new_list();

                if (vss_value_set(frame->container, children[i]->key, list) < 0) {
                        parser_fail_memory(parser);
                        return NULL;
                }
                frame->lists[i] = list;
        }
        return frame->lists[i];
}

static void make_lists(Parser *parser, Frame *frame) {
        for (size_t i = 0; frame->element->lists && frame->element->lists[i]; i++)
                for (size_t j = 0; frame->element->children[j]; j++)
                        if (strcmp(frame->element->children[j]->key ?: "", frame->element->lists[i]) == 0)
                                (void)list_of(parser, frame, j);
}

/* An element whose only attribute is itself the member of a list. */
static void take_into_list(Parser *parser, const Element *element, vss_value *list, int n,
                           const xmlChar *const *sax) {
        _cleanup_value_ vss_value *said = vss_value_new_dict();

        if (!said) {
                parser_fail_memory(parser);
                return;
        }
        parser_take_attributes(parser, element, said, n, sax);
        if (parser->result >= 0 && vss_value_append(list, vss_value_copy(vss_value_at(said, 0))) < 0)
                parser_fail_memory(parser);
}

/* An element of any value. Return: the container for what is in it, or NULL if nothing may be. */
static vss_value *take_value(Parser *parser, vss_value *container, int n, const xmlChar *const *sax) {
        _cleanup_value_ vss_value *said = vss_value_new_dict(), *value = NULL;
        bool in_dict = vss_value_kind(container) == VSS_KIND_DICT;
        const char *key;
        int64_t kind;
        vss_value *borrowed;

        parser_take_attributes(parser, &schema_value, said, n, sax);
        if (parser->result < 0)
                return NULL;
        key = vss_value_get_string(said, "key", NULL);
        kind = vss_value_get_integer(said, "kind", VSS_KIND_NULL);
        if (!key != !in_dict || vss_value_count(said) != (in_dict ? 2 : 1)) {
                parser_fail(parser, &schema_value, "one value is wanted, and a key only in dictionaries");
                return NULL;
        }
        if (key && vss_value_get(container, key)) {
                parser_fail(parser, &schema_value, "the key \"%.64s\" comes twice", key);
                return NULL;
        }
        if (kind != VSS_KIND_NULL)
                value = kind == VSS_KIND_LIST ? vss_value_new_list() : vss_value_new_dict();
        else
                value = vss_value_copy(vss_value_get(said, "string") ?: vss_value_get(said, "integer")
                                               ?: vss_value_get(said, "boolean"));
        borrowed = value;
        if ((in_dict ? vss_value_set(container, key, TAKE_PTR(value))
                     : vss_value_append(container, TAKE_PTR(value))) < 0) {
                parser_fail_memory(parser);
                return NULL;
        }
        return kind != VSS_KIND_NULL ? borrowed : NULL;
}

/* Where the attributes and children of a new element go; NULL after a failure, and where there are no
 * children. */
static vss_value *open_container(Parser *parser, Frame *above, const Element *element, size_t index, int n,
                                 const xmlChar *const *sax) {
        vss_value *dict, *list = NULL;

        if (element == &schema_value)
                return take_value(parser, above->container, n, sax);
        if (element->place == PLACE_INLINE)
                return above->container;
        if (element->place != PLACE_DICT)
                list = list_of(parser, above, index);
        if (parser->result < 0)
                return NULL;
        if (element->place == PLACE_TEXTS) {
                take_into_list(parser, element, list, n, sax);
                return NULL;
        }
        dict = vss_value_new_dict();
        if ((list ? vss_value_append(list, dict) : vss_value_set(above->container, element->key, dict)) <
                    0 ||
            (element->told_key && vss_value_set_integer(dict, element->told_key, element->told) < 0)) {
                parser_fail_memory(parser);
                return NULL;
        }
        return dict;
}

static void check_twice(Parser *parser, const Element *element, const char *scope, const char *a,
                        const char *b) {
        uint64_t line = 0;
        int r = checks_add(&parser->checks, scope, a, b, parser->counts[COUNT_COMPONENTS] - 1,
                           parser_line(parser), &line);

        if (r == -ENOMEM)
                parser_fail_memory(parser);
        else if (r < 0)
                parser_fail(parser, element, "\"%.200s%s%.200s\" is there already, in line %" PRIu64, a,
                            *a && *b ? "/" : "", b, line);
}

/* An instance comes once of a name, as does a writer that tells of none. */
static void check_writer(Parser *parser, const Element *element, const vss_value *dict) {
        check_twice(parser, element, "writer", vss_value_get_string(dict, "instance-id", ""),
                    vss_value_get_string(dict, "name", ""));
}

/* What can be told at the beginning of an element, when its attributes are known. */
static void check_open(Parser *parser, const Frame *frame) {
        const vss_value *dict = frame->container;
        char scope[32] = CHECKS_COMPONENTS;

        if (frame->element->role == ROLE_COMPONENT) {
                if (parser->frames[0].element->role == ROLE_BACKUP)
                        (void)snprintf(scope, sizeof(scope), "of writer %zu", parser->counts[COUNT_WRITERS]);
                check_twice(parser, frame->element, scope, vss_value_get_string(dict, "logical-path", ""),
                            vss_value_get_string(dict, "name", ""));
        } else if (frame->element->role == ROLE_WRITER) {
                check_writer(parser, frame->element, dict);
        } else if (frame->element->role == ROLE_SNAPSHOT) {
                check_twice(parser, frame->element, "snapshot", vss_value_get_string(dict, "id", ""), "");
        }
}

static void open_root(Parser *parser, int ns, const char *name, int n, const xmlChar *const *sax) {
        bool metadata = ns == NS_METADATA && strcmp(name, schema_metadata.name) == 0;
        Frame *frame = &parser->frames[0];

        if (!metadata && (ns != NS_COMPONENTS || strcmp(name, schema_components.name) != 0)) {
                parser_fail_at(
                        parser, VSS_E_INVALID_XML_DOCUMENT, parser_line(parser), name,
                        "it is no document of this kind: that is WRITER_METADATA of %s or BACKUP_COMPONENTS "
                        "of %s",
                        SCHEMA_METADATA, SCHEMA_COMPONENTS);
                return;
        }
        *frame = (Frame){ .element = metadata ? &schema_metadata : &schema_components,
                          .line = parser_line(parser) };
        parser->depth = 1;
        parser->document = frame->container = vss_value_new_dict();
        if (vss_value_set_string(parser->document, "kind",
                                 metadata ? "writer-metadata" : "backup-components") < 0) {
                parser_fail_memory(parser);
                return;
        }
        parser_take_attributes(parser, frame->element, frame->container, n, sax);
        make_lists(parser, frame);
}

/* An element that is not known here: one of ours must be; of others, it must not be known elsewhere. */
static void open_unknown(Parser *parser, const Element *above, int ns, const char *name) {
        if (ns >= 0 && schema_has(parser->frames[0].element, (enum Namespace)ns, name))
                parser_fail_at(parser, VSS_E_INVALID_XML_DOCUMENT, parser_line(parser), name,
                               "it does not belong into %s", above->name);
        else if (ns == NS_OURS)
                parser_fail_at(parser, VSS_E_INVALID_XML_DOCUMENT, parser_line(parser), name,
                               "there is no such element");
        parser->ignored++;
        parser->foreign = 1;
}

static bool is_full(const vss_value *container) {
        return vss_value_kind(container) == VSS_KIND_DICT && vss_value_count(container) >= VALUE_KEYS_MAX;
}

static void open_element(Parser *parser, int ns, const char *name, int n, const xmlChar *const *sax) {
        Frame *above = &parser->frames[parser->depth - 1], *frame = above + 1;
        size_t index = 0;
        const Element *element = schema_child(above->element, (enum Namespace)ns, name, &index);

        if (!element) {
                open_unknown(parser, above->element, ns, name);
                return;
        }
        if (element != &schema_value && (element->place == PLACE_INLINE || element->place == PLACE_DICT)) {
                if (above->seen[index])
                        parser_fail(parser, element, "it may come only once in %s", above->element->name);
                above->seen[index] = true;
        }
        if (!above->container)
                parser_fail(parser, element,
                            "there may be nothing inside of a value that is no list or dictionary");
        if (element == &schema_value && (parser->depth + 2 > VALUE_DEPTH_MAX || is_full(above->container)))
                parser_fail(parser, element, "lists and dictionaries are too deep or too large");
        if (++parser->counts[element->count] > schema_limit(element->count))
                parser_fail(parser, element, "more than %s", schema_count_name(element->count));
        if (parser->result < 0)
                return;

        *frame = (Frame){ .element = element, .line = parser_line(parser) };
        parser->depth++;
        frame->container = open_container(parser, above, element, index, n, sax);
        if (parser->result < 0 || !frame->container || element == &schema_value)
                return;
        parser_take_attributes(parser, element, frame->container, n, sax);
        make_lists(parser, frame);
        if (parser->result >= 0)
                check_open(parser, frame);
}

static void on_start(void *userdata, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int n_namespaces, const xmlChar **namespaces, int n, int n_defaulted,
                     const xmlChar **attributes) {
        Parser *parser = userdata;
        int ns = schema_namespace((const char *)uri);

        if (parser->result < 0)
                return;
        /* libxml2 tells of an element before it has seen the end of the tag. */
        if (!parser->xml->input || (*parser->xml->input->cur != '>' && *parser->xml->input->cur != '/'))
                parser_fail_at(parser, VSS_E_CORRUPT_XML_DOCUMENT, parser_line(parser), (const char *)name,
                               "its tag is cut off");
        else if (parser->depth + parser->foreign >= DOCUMENT_DEPTH_MAX)
                parser_fail_at(parser, VSS_E_INVALID_XML_DOCUMENT, parser_line(parser), (const char *)name,
                               "more than %u elements inside each other", DOCUMENT_DEPTH_MAX);
        else if (parser->foreign > 0)
                parser->foreign++;
        else if (parser->depth == 0)
                open_root(parser, ns, (const char *)name, n, (const xmlChar *const *)attributes);
        else
                open_element(parser, ns, (const char *)name, n, (const xmlChar *const *)attributes);
}

/* The version that two numbers say, unless ours says it better; and a name for what has none. */
static void complete(Parser *parser, const Frame *frame) {
        vss_value *dict = frame->container;
        const char *name = vss_value_get_string(dict, "friendly-name", "");
        char version[64];

        if (frame->element->role == ROLE_IDENTIFICATION && parser->major >= 0 &&
            !vss_value_get(dict, "version")) {
                (void)snprintf(version, sizeof(version), "%" PRId64 ".%" PRId64, parser->major,
                               MAX(parser->minor, (int64_t)0));
                if (vss_value_set_string(dict, "version", version) < 0)
                        parser_fail_memory(parser);
        }
        if (!vss_value_get(dict, "name") &&
            vss_value_set_string(dict, "name", *name ? name : vss_value_get_string(dict, "id", "")) < 0)
                parser_fail_memory(parser);
}

static void check_dependencies(Parser *parser) {
        const vss_value *component = NULL;
        uint64_t line = parser_line(parser);
        int r = checks_dependencies(&parser->checks, parser->document, &component, &line);

        if (r == -ENOMEM)
                parser_fail_memory(parser);
        else if (r < 0)
                parser_fail_at(parser, VSS_E_INVALID_XML_DOCUMENT, line, "DEPENDENCY",
                               "component \"%.200s\" depends on itself by way of others",
                               vss_value_get_string(component, "name", ""));
}

static void on_end(void *userdata, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri) {
        Parser *parser = userdata;
        const Frame *frame;

        if (parser->result < 0 || parser->depth == 0)
                return;
        if (parser->foreign > 0) {
                parser->foreign--;
                return;
        }
        frame = &parser->frames[--parser->depth];
        for (size_t i = 0; frame->element->children && frame->element->children[i]; i++)
                if (frame->element->children[i]->required && !frame->seen[i])
                        parser_fail(parser, frame->element, "the element %s is missing",
                                    frame->element->children[i]->name);
        if (parser->result < 0)
                return;
        if (frame->element->role == ROLE_IDENTIFICATION || frame->element->role == ROLE_WRITER)
                complete(parser, frame);
        if (frame->element->role == ROLE_METADATA)
                check_dependencies(parser);
}

static void on_text(void *userdata, const xmlChar *text, int n) {
        Parser *parser = userdata;

        if (parser->result < 0 || parser->foreign > 0 || parser->depth == 0)
                return;
        for (int i = 0; i < n; i++) {
                if (!strchr(" \t\r\n", text[i])) {
                        parser_fail(parser, parser->frames[parser->depth - 1].element,
                                    "there is text in it: all that is said is said by attributes");
                        return;
                }
        }
}

#if LIBXML_VERSION >= 21200
typedef const xmlError *ErrorPointer;
#else
typedef xmlError *ErrorPointer;
#endif

static void on_error(void *userdata, ErrorPointer error) {
        Parser *parser = userdata;
        const char *message = error->message ?: "not well-formed";

        if (error->level < XML_ERR_ERROR)
                return;
        if (error->code == XML_ERR_NO_MEMORY) {
                parser_fail_memory(parser);
                return;
        }
        parser_fail_at(parser, VSS_E_CORRUPT_XML_DOCUMENT,
                       error->line > 0 ? (uint64_t)error->line : parser_line(parser),
                       parser->depth > 0 ? parser->frames[parser->depth - 1].element->name : NULL, "%.*s",
                       (int)MIN(strcspn(message, "\n"), (size_t)300), message);
}

/* libxml2 takes less than it asked for as all there is for now, and looks no further. */
static ssize_t read_fully(Parser *parser, char *buffer, size_t size) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = parser->read(parser->read_userdata, buffer + done, size - done);

                if (n < 0)
                        return n;
                if (n == 0)
                        break;
                done += (size_t)n;
        }
        return (ssize_t)done;
}

/* Bytes for libxml2, seen by the guard first. What precedes a wrong one is not read any more. */
static int on_read(void *userdata, char *buffer, int size) {
        Parser *parser = userdata;
        vss_result result;
        const char *reason;
        size_t good;
        ssize_t n;

        if (parser->result < 0 || size <= 0)
                return 0;
        n = read_fully(parser, buffer, (size_t)size);
        if (n < 0) {
                parser_fail_at(parser, VSS_E_UNEXPECTED, parser->guard.line, NULL, "it cannot be read: %s",
                               strerror((int)-n));
                return 0;
        }
        reason = guard_scan(&parser->guard, buffer, (size_t)n, &good, &result);
        if (!reason)
                return (int)n;
        parser_fail_at(parser, result, parser->guard.line, *parser->guard.name ? parser->guard.name : NULL,
                       "%s", reason);
        return 0;
}

static int on_close(void *userdata) {
        return 0;
}

static void parse(Parser *parser) {
        xmlSAXHandler handler = {
                .initialized = XML_SAX2_MAGIC,
                .startElementNs = on_start,
                .endElementNs = on_end,
                .characters = on_text,
                .cdataBlock = on_text,
                .serror = (xmlStructuredErrorFunc)on_error,
        };

        parser->xml = xmlCreateIOParserCtxt(&handler, parser, on_read, on_close, parser,
                                            XML_CHAR_ENCODING_UTF8);
        if (!parser->xml) {
                parser_fail_memory(parser);
                return;
        }
        /* A declaration of another encoding does not count: the guard has seen that it is UTF-8. Without
         * NOENT an ampersand would come as a reference; others than those of XML cannot be declared. */
        (void)xmlCtxtUseOptions(parser->xml, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_NOENT);
        (void)xmlParseDocument(parser->xml);
        if (!parser->xml->wellFormed || parser->depth > 0 || !parser->document)
                parser_fail_at(parser, VSS_E_CORRUPT_XML_DOCUMENT, parser_line(parser), NULL,
                               "it is not well-formed");
        if (parser->result >= 0 && parser->ignored > 0 &&
            vss_value_set_integer(parser->document, "ignored", parser->ignored) < 0)
                parser_fail_memory(parser);
}

vss_result document_read(DocumentRead read, void *userdata, vss_value **ret_document, char **ret_error) {
        Parser parser = {
                .read = read,
                .read_userdata = userdata,
                .guard = GUARD_INIT,
                .major = -1,
                .minor = -1,
                .checks = CHECKS_INIT,
        };
        vss_result result;

        parse(&parser);
        result = parser.result;
        if (result >= 0)
                *ret_document = TAKE_PTR(parser.document);
        else if (ret_error)
                *ret_error = TAKE_PTR(parser.error);
        parser_deinit(&parser);
        return result;
}

typedef struct Text {
        const char *text;
        size_t left;
} Text;

static ssize_t read_text(void *userdata, char *buffer, size_t size) {
        Text *text = userdata;
        size_t n = MIN(size, text->left);

        memcpy(buffer, text->text, n);
        text->text += n;
        text->left -= n;
        return (ssize_t)n;
}

vss_result vss_document_parse(const char *text, size_t size, vss_value **ret_document, char **ret_error) {
        Text all = { .text = text, .left = size };

        if (!text || !ret_document) {
                if (ret_error)
                        *ret_error = strdup("line 1: there is no document");
                return VSS_E_INVALIDARG;
        }
        return document_read(read_text, &all, ret_document, ret_error);
}
