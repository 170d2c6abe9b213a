/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Documents, by a library that is loaded when there is one to read
 *
 * It needs libxml2, and that ICU and the C++ library: half of the time in which this program starts. Few
 * of its verbs read documents.
 */

#include <dlfcn.h>
#include <stdio.h>
#include "vss/document.h"

#define LIBRARY "liblinuxvss-documents.so.0"

vss_result document_parse(const char *text, size_t size, vss_value **ret_document, char **ret_error) {
        static typeof(&vss_document_parse) parse;

        if (!parse) {
                void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

                parse = library ? (typeof(parse))dlsym(library, "vss_document_parse") : NULL;
        }
        if (parse)
                return parse(text, size, ret_document, ret_error);
        if (asprintf(ret_error, "%s; it belongs to this program: install it again", dlerror()) < 0)
                *ret_error = NULL;
        return VSS_E_UNEXPECTED;
}
