/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names of units, and which of them a descriptor means (Units=)
 */

#include <stdbool.h>

/* Can it be stopped and started? "x.service", "x@y.service"; not a template alone. */
bool unit_is_valid(const char *unit);
/* The same, or one whose instance has '*' for any characters: "postgresql@*.service". Nowhere else: what a unit is called
 * before its '@' is what it is. */
bool unit_is_pattern(const char *pattern);
/* Both are valid. */
bool unit_matches(const char *pattern, const char *unit);
