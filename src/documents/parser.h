/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The parser: what its two files, for elements and for attributes, have in common
 */

#include <libxml/parser.h>
#include "documents/check.h"
#include "documents/document.h"
#include "documents/guard.h"
#include "documents/schema.h"

/* The pointers of one attribute, as libxml2 hands them over. */
enum { SAX_NAME, SAX_PREFIX, SAX_URI, SAX_VALUE, SAX_END, SAX_N };

enum { CHILDREN_MAX = 12 };

/* An element that is open. */
typedef struct Frame {
        const Element *element;
        vss_value *container; /* where its attributes and children go; borrowed */
        uint64_t line;
        bool seen[CHILDREN_MAX];        /* those that may come once */
        vss_value *lists[CHILDREN_MAX]; /* of those that come in lists; borrowed */
} Frame;

typedef struct Parser {
        DocumentRead read;
        void *read_userdata;
        Guard guard;

        xmlParserCtxt *xml;
        vss_value *document;
        Frame frames[DOCUMENT_DEPTH_MAX];
        unsigned depth, foreign; /* in elements of the schema, and in others inside them */
        bool is_ours;            /* written by Linux VSS */
        int64_t ignored;
        size_t counts[COUNT_N];
        int64_t major, minor; /* of the version; -1 if there is none */
        Checks checks;
        char *text; /* an attribute's value */
        size_t text_size;

        vss_result result;
        char *error;
} Parser;

/* The line that is being read. */
uint64_t parser_line(const Parser *parser);
/* Notes the first error. @element may be NULL. */
void parser_fail_at(Parser *parser, vss_result result, uint64_t line, const char *element,
                    const char *format, ...) _printf_(5, 6);
void parser_fail_memory(Parser *parser);

/* Of what is being read: it is not valid. */
#define parser_fail(parser, element, ...) \
        parser_fail_at(parser, VSS_E_INVALID_XML_DOCUMENT, parser_line(parser), (element)->name, __VA_ARGS__)

/* Puts the @n attributes of an element into a dictionary, and sees that none is missing. */
void parser_take_attributes(Parser *parser, const Element *element, vss_value *dict, int n,
                            const xmlChar *const *sax);
