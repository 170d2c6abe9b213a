/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What tests of documents have in common
 */

#include <libxml/relaxng.h>
#include <stdarg.h>
#include <string.h>
#include "documents/test-common.h"

struct Schema {
        xmlRelaxNG *rules;
};

char *read_file(const char *path, size_t *ret_size) {
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        _cleanup_(freep) char *text = NULL;
        long size;

        if (!file || fseek(file, 0, SEEK_END) < 0 || (size = ftell(file)) < 0)
                return NULL;
        rewind(file);
        text = calloc(1, (size_t)size + 1);
        if (!text || fread(text, 1, (size_t)size, file) != (size_t)size)
                return NULL;
        *ret_size = (size_t)size;
        return TAKE_PTR(text);
}

bool values_are_equal(const vss_value *a, const vss_value *b) {
        enum vss_kind kind = vss_value_kind(a);

        if (kind != vss_value_kind(b) || vss_value_count(a) != vss_value_count(b))
                return false;
        if (kind == VSS_KIND_STRING)
                return strcmp(vss_value_string(a, ""), vss_value_string(b, "")) == 0;
        if (kind == VSS_KIND_INTEGER)
                return vss_value_integer(a, 0) == vss_value_integer(b, 0);
        if (kind == VSS_KIND_BOOLEAN)
                return vss_value_boolean(a, false) == vss_value_boolean(b, false);
        for (size_t i = 0; i < vss_value_count(a); i++) {
                const char *key = vss_value_key_at(a, i);

                if (!values_are_equal(vss_value_at(a, i), key ? vss_value_get(b, key) : vss_value_at(b, i)))
                        return false;
        }
        return true;
}

static _printf_(2, 3) void ignore_message(void *userdata, const char *format, ...) {
}

static _printf_(2, 3) void print_message(void *userdata, const char *format, ...) {
        va_list args;

        printf("# ");
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
}

Schema *schema_load(const char *path) {
        _cleanup_(schema_freep) Schema *schema = calloc(1, sizeof(*schema));
        xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewParserCtxt(path);

        if (!schema || !parser)
                return NULL;
        xmlRelaxNGSetParserErrors(parser, print_message, print_message, NULL);
        schema->rules = xmlRelaxNGParse(parser);
        xmlRelaxNGFreeParserCtxt(parser);
        return schema->rules ? TAKE_PTR(schema) : NULL;
}

Schema *schema_free(Schema *schema) {
        if (schema && schema->rules)
                xmlRelaxNGFree(schema->rules);
        free(schema);
        return NULL;
}

bool schema_accepts(const Schema *schema, const char *text, size_t size, bool quiet) {
        xmlDoc *document = xmlReadMemory(text, (int)size, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR);
        xmlRelaxNGValidCtxt *context = document ? xmlRelaxNGNewValidCtxt(schema->rules) : NULL;
        bool ok = false;

        if (context) {
                xmlRelaxNGSetValidErrors(context, quiet ? ignore_message : print_message,
                                         quiet ? ignore_message : print_message, NULL);
                ok = xmlRelaxNGValidateDoc(context, document) == 0;
                xmlRelaxNGFreeValidCtxt(context);
        }
        xmlFreeDoc(document);
        return ok;
}
