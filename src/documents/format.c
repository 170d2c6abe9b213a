/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writing documents
 *
 * What is written must be read again, so all that the reader refuses is refused here, by the same tables and
 * checks. An element has a line of its own, for the sake of messages and of people.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include "documents/base64.h"
#include "documents/check.h"
#include "documents/document.h"
#include "documents/schema.h"
#include "util/utf8.h"
#include "util/value-codec.h"

typedef struct Formatter {
        char *data;
        size_t size, allocated;
        const Element *root;
        const Element *element;     /* being written, for messages */
        const vss_value *component; /* inside of which it is, or NULL */
        size_t counts[COUNT_N];
        Checks checks;
        vss_result result;
        char *error;
} Formatter;

static void formatter_deinit(Formatter *formatter) {
        free(formatter->data);
        free(formatter->error);
        checks_deinit(&formatter->checks);
}

static void fail_memory(Formatter *formatter) {
        if (formatter->result >= 0)
                formatter->result = VSS_E_OUTOFMEMORY;
}

/* Notes the first error. */
static _printf_(2, 3) void fail(Formatter *formatter, const char *format, ...) {
        _cleanup_(freep) char *text = NULL, *component = NULL;
        const char *path;
        va_list args;
        int n;

        if (formatter->result < 0)
                return;
        formatter->result = VSS_E_INVALIDARG;
        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        if (n < 0) {
                text = NULL;
                return;
        }
        path = vss_value_get_string(formatter->component, "logical-path", "");
        if (formatter->component &&
            asprintf(&component, "component \"%.200s%s%.200s\": ", path, *path ? "/" : "",
                     vss_value_get_string(formatter->component, "name", "")) < 0)
                component = NULL;
        if (asprintf(&formatter->error, "%selement %s: %s", component ?: "", formatter->element->name,
                     text) < 0)
                formatter->error = NULL;
        for (char *s = text_make_utf8(formatter->error); s && *s; s++)
                if ((unsigned char)*s < 0x20 || *s == 0x7F)
                        *s = ' ';
}

static void put_bytes(Formatter *formatter, const char *bytes, size_t n) {
        if (formatter->result < 0)
                return;
        if (n > DOCUMENT_SIZE_MAX - formatter->size) {
                fail(formatter, "the document would be larger than 64 MiB");
                return;
        }
        if (formatter->size + n + 1 > formatter->allocated) {
                size_t allocated = MAX(formatter->size + n + 1, formatter->allocated * 2 + 1024);
                char *data = realloc(formatter->data, allocated);

                if (!data) {
                        fail_memory(formatter);
                        return;
                }
                formatter->data = data;
                formatter->allocated = allocated;
        }
        memcpy(formatter->data + formatter->size, bytes, n);
        formatter->size += n;
        formatter->data[formatter->size] = '\0';
}

static void put(Formatter *formatter, const char *text) {
        put_bytes(formatter, text, strlen(text));
}

static void put_escaped(Formatter *formatter, const char *text) {
        static const struct {
                char c;
                const char *reference;
        } references[] = { { '&', "&amp;" }, { '<', "&lt;" },   { '>', "&gt;" },  { '"', "&quot;" },
                           { '\t', "&#9;" }, { '\n', "&#10;" }, { '\r', "&#13;" } };

        for (;;) {
                size_t n = strcspn(text, "&<>\"\t\n\r");

                put_bytes(formatter, text, n);
                text += n;
                if (!*text)
                        return;
                FOREACH_ELEMENT (r, references)
                        if (r->c == *text)
                                put(formatter, r->reference);
                text++;
        }
}

static void put_attribute(Formatter *formatter, bool prefixed, const char *name, const char *suffix,
                          const char *text) {
        put(formatter, prefixed ? " l:" : " ");
        put(formatter, name);
        put(formatter, suffix);
        put(formatter, "=\"");
        put_escaped(formatter, text);
        put(formatter, "\"");
}

static void put_text(Formatter *formatter, const Attribute *attribute, const char *text) {
        bool ours = formatter->element->ns != NS_OURS;
        _cleanup_(freep) char *encoded = NULL;

        if (field_is_plain(text))
                put_attribute(formatter, schema_is_prefixed(formatter->element, attribute), attribute->name,
                              "", text);
        else if (base64_encode(text, strlen(text), &encoded) < 0)
                fail_memory(formatter);
        else
                put_attribute(formatter, ours, attribute->name, "Base64", encoded);
}

/* The version as two numbers, or as it is. */
static void format_version(Formatter *formatter, const Attribute *attribute, const char *version) {
        char room[FIELD_NUMBER_SIZE];
        int64_t major, minor;
        bool split = field_split_version(version, &major, &minor);

        if (attribute->type == FIELD_OWN_VERSION) {
                const char *reason = field_check(attribute->type, NULL, version);

                if (reason)
                        fail(formatter, "version %s", reason);
                else if (!split)
                        put_text(formatter, attribute, version);
        } else if (split) {
                (void)snprintf(room, sizeof(room), "%" PRId64,
                               attribute->type == FIELD_MAJOR ? major : minor);
                put_attribute(formatter, false, attribute->name, "", room);
        }
}

static void format_attribute(Formatter *formatter, const Attribute *attribute, const vss_value *value) {
        bool prefixed = schema_is_prefixed(formatter->element, attribute);
        char room[FIELD_NUMBER_SIZE];
        const char *reason, *text;

        if (attribute->type == FIELD_VERSION || attribute->type == FIELD_EDITION) {
                put_attribute(formatter, prefixed, attribute->name, "",
                              attribute->type == FIELD_VERSION ? "1.2" : "1");
                return;
        }
        if (!value) {
                if (attribute->required)
                        fail(formatter, "the key \"%s\" is missing", attribute->key);
                return;
        }
        if (attribute->type == FIELD_MAJOR || attribute->type == FIELD_MINOR ||
            attribute->type == FIELD_OWN_VERSION) {
                if (vss_value_kind(value) == VSS_KIND_STRING)
                        format_version(formatter, attribute, vss_value_string(value, ""));
                else
                        fail(formatter, "the key \"%s\" is no text", attribute->key);
                return;
        }
        reason = field_format(attribute->type, attribute->spellings, value, room, &text);
        if (reason)
                fail(formatter, "the key \"%s\"%s%.200s%s %s", attribute->key,
                     vss_value_kind(value) == VSS_KIND_STRING ? " (" : "", vss_value_string(value, ""),
                     vss_value_kind(value) == VSS_KIND_STRING ? ")" : "", reason);
        else if (field_may_be_encoded(attribute->type))
                put_text(formatter, attribute, text);
        else
                put_attribute(formatter, prefixed, attribute->name, "", text);
}

static void put_name(Formatter *formatter, unsigned depth, const char *before, const Element *element) {
        for (unsigned i = 1; i < depth; i++)
                put(formatter, "  ");
        put(formatter, before);
        put(formatter, element->ns == NS_OURS ? "l:" : "");
        put(formatter, element->name);
}

static bool begin(Formatter *formatter, const Element *element, unsigned depth) {
        formatter->element = element;
        if (depth > DOCUMENT_DEPTH_MAX)
                fail(formatter, "more than %u elements inside each other", DOCUMENT_DEPTH_MAX);
        else if (++formatter->counts[element->count] > schema_limit(element->count))
                fail(formatter, "more than %s", schema_count_name(element->count));
        if (formatter->result < 0)
                return false;
        put_name(formatter, depth, "<", element);
        if (element == formatter->root) {
                put_attribute(formatter, false, "xmlns", "", schema_uri(element->ns));
                put_attribute(formatter, false, "xmlns:l", "", SCHEMA_OURS);
        } else if (element->ns == NS_NONE) {
                put_attribute(formatter, false, "xmlns", "", "");
        }
        return true;
}

static void end(Formatter *formatter, const Element *element, unsigned depth, size_t content) {
        /* Nothing came since the tag: it is closed at once. */
        if (formatter->result >= 0 && formatter->size == content) {
                formatter->size -= 2;
                put(formatter, "/>\n");
                return;
        }
        put_name(formatter, depth, "</", element);
        put(formatter, ">\n");
}

static void check_twice(Formatter *formatter, const char *scope, const char *a, const char *b) {
        uint64_t line;
        int r = checks_add(&formatter->checks, scope, a, b, formatter->counts[COUNT_COMPONENTS] - 1, 0,
                           &line);

        if (r == -ENOMEM)
                fail_memory(formatter);
        else if (r < 0)
                fail(formatter, "it is there twice");
}

static void check_writer(Formatter *formatter, const vss_value *dict) {
        check_twice(formatter, "writer", vss_value_get_string(dict, "instance-id", ""),
                    vss_value_get_string(dict, "name", ""));
}

static void check_open(Formatter *formatter, const Element *element, const vss_value *dict) {
        char scope[32] = CHECKS_COMPONENTS;

        if (formatter->result < 0)
                return;
        if (element->role == ROLE_COMPONENT) {
                if (formatter->root == &schema_components)
                        (void)snprintf(scope, sizeof(scope), "of writer %zu",
                                       formatter->counts[COUNT_WRITERS]);
                check_twice(formatter, scope, vss_value_get_string(dict, "logical-path", ""),
                            vss_value_get_string(dict, "name", ""));
        } else if (element->role == ROLE_WRITER) {
                check_writer(formatter, dict);
        } else if (element->role == ROLE_SNAPSHOT) {
                check_twice(formatter, "snapshot", vss_value_get_string(dict, "id", ""), "");
        }
}

/* Any value; @key is NULL in lists. */
static void format_value(Formatter *formatter, const char *key, const vss_value *value, unsigned depth) {
        enum vss_kind kind = vss_value_kind(value);
        const char *word = kind == VSS_KIND_STRING    ? "string"
                           : kind == VSS_KIND_INTEGER ? "integer"
                           : kind == VSS_KIND_BOOLEAN ? "boolean"
                                                      : "kind";
        const char *reason = key ? field_check(FIELD_NAME, NULL, key) : NULL;
        size_t content;

        if (!begin(formatter, &schema_value, depth))
                return;
        if (reason)
                fail(formatter, "a key %s", reason);
        if (depth + 1 > VALUE_DEPTH_MAX ||
            (kind == VSS_KIND_DICT && vss_value_count(value) > VALUE_KEYS_MAX))
                fail(formatter, "lists and dictionaries are too deep or too large");
        if (key)
                put_attribute(formatter, false, "key", "", key);
        if (kind == VSS_KIND_LIST || kind == VSS_KIND_DICT)
                put_attribute(formatter, false, word, "", kind == VSS_KIND_LIST ? "list" : "dict");
        else
                format_attribute(formatter, schema_attribute(&schema_value, false, word), value);
        put(formatter, ">\n");
        content = formatter->size;
        for (size_t i = 0; formatter->result >= 0 && i < vss_value_count(value); i++)
                format_value(formatter, vss_value_key_at(value, i), vss_value_at(value, i), depth + 1);
        end(formatter, &schema_value, depth, content);
}

static void format_element(Formatter *formatter, const Element *element, const vss_value *dict,
                           unsigned depth);

static bool says_anything(const Element *element, const vss_value *dict) {
        for (const Attribute *a = element->attributes; a && a->name; a++)
                if (a->key && vss_value_get(dict, a->key))
                        return true;
        return false;
}

/* Which of the elements from @children on, all of one key, tells what the dictionary has. */
static const Element *choose(const Element *const *children, const vss_value *dict) {
        const char *key = (*children)->key;

        for (; *children && (*children)->key && strcmp((*children)->key, key) == 0; children++)
                if (!(*children)->told_key ||
                    vss_value_integer(vss_value_get(dict, (*children)->told_key), -1) == (*children)->told)
                        return *children;
        return NULL;
}

static void format_list(Formatter *formatter, const Element *const *children, const vss_value *list,
                        unsigned depth) {
        const Element *above = formatter->element;

        if (vss_value_kind(list) != VSS_KIND_LIST)
                fail(formatter, "the key \"%s\" is no list", (*children)->key);
        for (size_t i = 0; i < vss_value_count(list) && formatter->result >= 0; i++) {
                const vss_value *member = vss_value_at(list, i);
                const Element *element = choose(children, member);

                formatter->element = above;
                if ((*children)->place == PLACE_TEXTS) {
                        if (!begin(formatter, *children, depth))
                                return;
                        format_attribute(formatter, (*children)->attributes, member);
                        put(formatter, "/>\n");
                } else if (vss_value_kind(member) != VSS_KIND_DICT) {
                        fail(formatter, "in the list \"%s\" is what is no dictionary", (*children)->key);
                } else if (!element) {
                        fail(formatter, "in the list \"%s\" is \"%s\" of one that is unknown",
                             (*children)->key, (*children)->told_key);
                } else {
                        format_element(formatter, element, member, depth);
                }
        }
}

static void format_child(Formatter *formatter, const Element *const *children, const vss_value *dict,
                         unsigned depth) {
        const Element *child = *children;
        const vss_value *value = child->key ? vss_value_get(dict, child->key) : dict;

        if (!value || (child->place == PLACE_INLINE && !child->required && !says_anything(child, dict)))
                return;
        if (child->place == PLACE_LIST || child->place == PLACE_TEXTS)
                format_list(formatter, children, value, depth);
        else if (vss_value_kind(value) != VSS_KIND_DICT)
                fail(formatter, "the key \"%s\" is no dictionary", child->key);
        else
                format_element(formatter, child, value, depth);
}

static void format_element(Formatter *formatter, const Element *element, const vss_value *dict,
                           unsigned depth) {
        const Element *const *children = element->children;
        size_t content;

        if (element->role == ROLE_COMPONENT)
                formatter->component = dict;
        if (!begin(formatter, element, depth))
                return;
        for (const Attribute *a = element->attributes; a && a->name; a++)
                format_attribute(formatter, a, a->key ? vss_value_get(dict, a->key) : NULL);
        check_open(formatter, element, dict);
        put(formatter, ">\n");
        content = formatter->size;
        for (size_t i = 0; children && children[i] && formatter->result >= 0; i++) {
                formatter->element = element;
                /* Those of one key are written together, in the order of their list. */
                if (i == 0 || strcmp(children[i]->key ?: "", children[i - 1]->key ?: "-") != 0)
                        format_child(formatter, children + i, dict, depth + 1);
        }
        if (element->role == ROLE_VALUES && vss_value_count(dict) > VALUE_KEYS_MAX)
                fail(formatter, "it has more than %u keys", VALUE_KEYS_MAX);
        for (size_t i = 0;
             element->role == ROLE_VALUES && i < vss_value_count(dict) && formatter->result >= 0; i++)
                format_value(formatter, vss_value_key_at(dict, i), vss_value_at(dict, i), depth + 1);
        end(formatter, element, depth, content);
        if (element->role == ROLE_COMPONENT)
                formatter->component = NULL;
}

static void check_dependencies(Formatter *formatter, const vss_value *document) {
        uint64_t line;
        int r = checks_dependencies(&formatter->checks, document, &formatter->component, &line);

        if (r == -ENOMEM)
                fail_memory(formatter);
        else if (r < 0)
                fail(formatter, "the component depends on itself by way of others");
}

static void format(Formatter *formatter, const vss_value *document) {
        const char *kind = vss_value_get_string(document, "kind", "");

        formatter->root = formatter->element = strcmp(kind, "writer-metadata") == 0 ? &schema_metadata
                                                                                    : &schema_components;
        if (formatter->root == &schema_components && strcmp(kind, "backup-components") != 0) {
                fail(formatter, "the key \"kind\" says neither writer-metadata nor backup-components");
                return;
        }
        format_element(formatter, formatter->root, document, 1);
        if (formatter->result >= 0 && formatter->root == &schema_metadata)
                check_dependencies(formatter, document);
}

vss_result vss_document_format(const vss_value *document, char **ret_text, size_t *ret_size,
                               char **ret_error) {
        Formatter formatter = { .checks = CHECKS_INIT };
        vss_result result = VSS_E_INVALIDARG;

        if (ret_text) {
                format(&formatter, document);
                result = formatter.result;
        }
        if (result >= 0) {
                if (ret_size)
                        *ret_size = formatter.size;
                *ret_text = TAKE_PTR(formatter.data);
        } else if (ret_error) {
                *ret_error = TAKE_PTR(formatter.error);
        }
        formatter_deinit(&formatter);
        return result;
}
