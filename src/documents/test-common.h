/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What tests of documents have in common: files, comparison, and the schema as libxml2 understands it
 */

#include "documents/document.h"

/* The whole file with a NUL behind it; NULL if it cannot be read. */
char *read_file(const char *path, size_t *ret_size);
/* The same values? Dictionaries have no order. */
bool values_are_equal(const vss_value *a, const vss_value *b);

typedef struct Schema Schema;
Schema *schema_load(const char *path);
Schema *schema_free(Schema *schema);
DEFINE_CLEANUP(Schema *, schema_free)
/* Is the document valid by the schema? What is not is told on standard output, unless @quiet. */
bool schema_accepts(const Schema *schema, const char *text, size_t size, bool quiet);
