/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which server can read the files of which
 */

#include <stdbool.h>
#include <stddef.h>

/* The version in what "redis-server --version" says. */
bool version_of_program(const char *text, char *version, size_t size);
/*
 * version_objection() - why a server should not be given these files; NULL if it may
 * @from:       product and version that wrote the files; "" if not known
 * @may_upgrade: an older major version of the same product is welcome
 * The text is in @text.
 */
const char *version_objection(const char *from_product, const char *from, const char *product,
                              const char *version, bool may_upgrade, char *text, size_t size);

/* One value of "key=value" lines (or of a list of options, where commas and blanks part them). */
bool pair_text(const char *text, const char *key, char *value, size_t size);
