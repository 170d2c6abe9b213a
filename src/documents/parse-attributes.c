/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading documents: attributes
 */

#include <string.h>
#include "documents/base64.h"
#include "documents/parser.h"

static void fail_value(Parser *parser, const Element *element, const char *name, const char *value,
                       const char *reason) {
        parser_fail(parser, element, "%.64s=\"%.200s%s\" %s", name, value, strlen(value) > 200 ? "..." : "",
                    reason);
}

/* The value of an attribute as a text; borrowed until the next one. */
static char *take_text(Parser *parser, const xmlChar *const *sax) {
        size_t n = (size_t)(sax[SAX_END] - sax[SAX_VALUE]);

        if (n >= parser->text_size) {
                char *text = realloc(parser->text, n + 256);

                if (!text) {
                        parser_fail_memory(parser);
                        return NULL;
                }
                parser->text = text;
                parser->text_size = n + 256;
        }
        memcpy(parser->text, sax[SAX_VALUE], n);
        parser->text[n] = '\0';
        return parser->text;
}

static const char *name_of(const xmlChar *const *sax) {
        return (const char *)sax[SAX_NAME];
}

/* Takes @value over. */
static void set_value(Parser *parser, const Element *element, const char *name, vss_value *dict,
                      const char *key, vss_value *value) {
        if (vss_value_get(dict, key)) {
                vss_value_free(value);
                parser_fail(parser, element, "%.64s says again what has been said", name);
        } else if (vss_value_set(dict, key, value) < 0) {
                parser_fail_memory(parser);
        }
}

/* The attribute with a text whose Base64 variant is @name; NULL if there is none. */
static const Attribute *find_encoded(const Element *element, bool ours, const char *name) {
        static const char suffix[] = "Base64";
        size_t n = strlen(name), m = sizeof(suffix) - 1;
        const Attribute *attribute;
        char plain[64];

        if (element->ns != NS_OURS && !ours)
                return NULL;
        if (n <= m || n - m >= sizeof(plain) || strcmp(name + n - m, suffix) != 0)
                return NULL;
        memcpy(plain, name, n - m);
        plain[n - m] = '\0';
        attribute = schema_attribute(element, ours, plain) ?: schema_attribute(element, false, plain);
        return attribute && field_may_be_encoded(attribute->type) ? attribute : NULL;
}

/* A text that XML cannot carry. */
static void take_encoded(Parser *parser, const Element *element, const Attribute *attribute, vss_value *dict,
                         const xmlChar *const *sax) {
        _cleanup_(freep) char *data = NULL;
        const char *text = take_text(parser, sax), *reason = NULL;
        vss_value *value = NULL;
        size_t size = 0;
        int r;

        if (!text)
                return;
        r = base64_decode(text, &data, &size);
        if (r == -EBADMSG)
                reason = "is not Base64";
        else if (r >= 0 && memchr(data, 0, size))
                reason = "has a NUL byte in it";
        else if (r >= 0)
                reason = field_parse(attribute->type, attribute->spellings, data, !parser->is_ours, &value);
        if (reason)
                fail_value(parser, element, name_of(sax), text, reason);
        else if (r < 0)
                parser_fail_memory(parser);
        else
                set_value(parser, element, name_of(sax), dict, attribute->key, value);
}

static void take_plain(Parser *parser, const Element *element, const Attribute *attribute, vss_value *dict,
                       const xmlChar *const *sax) {
        char *text = take_text(parser, sax);
        vss_value *value = NULL;
        const char *reason;

        if (!text)
                return;
        reason = field_parse(attribute->type, attribute->spellings, text, !parser->is_ours, &value);
        if (reason)
                fail_value(parser, element, attribute->name, text, reason);
        else if (attribute->type == FIELD_EDITION)
                parser->is_ours = true;
        else if (attribute->type == FIELD_MAJOR)
                parser->major = vss_value_integer(value, -1);
        else if (attribute->type == FIELD_MINOR)
                parser->minor = vss_value_integer(value, -1);
        else if (attribute->key)
                set_value(parser, element, attribute->name, dict, attribute->key, TAKE_PTR(value));
        vss_value_free(value);
}

/* Attributes that are not known must not be ours; others are left out. */
static void take_attribute(Parser *parser, const Element *element, vss_value *dict,
                           const xmlChar *const *sax) {
        int ns = schema_namespace((const char *)sax[SAX_URI]);
        bool ours = ns == NS_OURS && element->ns != NS_OURS;
        const Attribute *attribute;

        if (!ours && ns != NS_NONE) {
                if (ns == NS_OURS)
                        parser_fail(parser, element, "%.64s must have no prefix here", name_of(sax));
                parser->ignored++;
                return;
        }
        attribute = schema_attribute(element, ours, name_of(sax));
        if (attribute) {
                take_plain(parser, element, attribute, dict, sax);
                return;
        }
        attribute = find_encoded(element, ours, name_of(sax));
        if (attribute)
                take_encoded(parser, element, attribute, dict, sax);
        else if (ours || element->ns == NS_OURS)
                parser_fail(parser, element, "it has no attribute %.64s", name_of(sax));
        else
                parser->ignored++;
}

void parser_take_attributes(Parser *parser, const Element *element, vss_value *dict, int n,
                            const xmlChar *const *sax) {
        for (int i = 0; i < n && parser->result >= 0; i++)
                take_attribute(parser, element, dict, sax + i * SAX_N);
        for (const Attribute *a = element->attributes; a && a->name && parser->result >= 0; a++) {
                bool found = !a->required || (a->key && vss_value_get(dict, a->key));

                /* What is not kept is looked for. */
                for (int i = 0; i < n && !found && !a->key; i++)
                        found = strcmp(name_of(sax + i * SAX_N), a->name) == 0;
                if (!found)
                        parser_fail(parser, element, "the attribute %s is missing", a->name);
        }
}
