/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Checks: what no single element can tell: the same thing twice, and dependencies that go in a circle
 */

#include "util/value.h"

typedef struct Checks {
        void *keys;
} Checks;

#define CHECKS_INIT \
        { .keys = NULL }

void checks_deinit(Checks *checks);
/* Takes note of what @scope has, under two names (neither with control characters). @index and @line say
 * where. Return: 0, -EEXIST with the @ret_line of the first one, -ENOMEM. */
int checks_add(Checks *checks, const char *scope, const char *a, const char *b, size_t index, uint64_t line,
               uint64_t *ret_line);
/* Do components of a Writer Metadata Document, all added under CHECKS_COMPONENTS, depend on each other in a
 * circle? Return: 0, -ELOOP with one of the circle, -ENOMEM. */
int checks_dependencies(Checks *checks, const vss_value *metadata, const vss_value **ret_component,
                        uint64_t *ret_line);

#define CHECKS_COMPONENTS "component"
