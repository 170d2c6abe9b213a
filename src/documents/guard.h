/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The guard: looks at each byte of a document before libxml2 does
 *
 * libxml2 compares the attributes of an element each with each, gathers a value before anybody sees its
 * length, and reads a document type before it says that there is one. The guard knows just enough of XML to
 * stop all this where it begins, as the bytes come in.
 */

#include <linuxvss/types.h>

#define GUARD_ATTRIBUTES_MAX 64u
/* In the document: escaped, so more than a text may have (and less than libxml2 takes). */
#define GUARD_VALUE_MAX (8u << 20)
#define GUARD_NAME_SIZE 64u

enum GuardState {
        GUARD_START,
        GUARD_TEXT,
        GUARD_OPEN,
        GUARD_NAME,
        GUARD_TAG,
        GUARD_QUOTED,
        GUARD_BANG,
        GUARD_COMMENT,
        GUARD_CDATA,
        GUARD_INSTRUCTION,
};

typedef struct Guard {
        enum GuardState state;
        char quote;
        unsigned run; /* of what ends a section, or of what was matched of its beginning */
        unsigned attributes;
        size_t length; /* of the value */
        uint64_t line, size;
        char name[GUARD_NAME_SIZE]; /* of the element that was opened last */
        size_t name_length;
        unsigned continuations; /* that a UTF-8 sequence still wants */
        unsigned char least, most;
} Guard;

#define GUARD_INIT \
        { .line = 1 }

/**
 * guard_scan() - look at the bytes that come next
 * @ret_good:   how many may be given on; all of them on success
 * @ret_result: VSS_E_CORRUPT_XML_DOCUMENT or VSS_E_INVALID_XML_DOCUMENT
 *
 * Return: NULL, or what is wrong with the byte behind the good ones.
 */
const char *guard_scan(Guard *guard, const char *data, size_t size, size_t *ret_good,
                       vss_result *ret_result);
