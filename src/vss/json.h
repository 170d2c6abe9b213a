/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Values as JSON
 */

#include <jansson.h>
#include "util/value.h"

/* A new reference. NULL without memory, or for text that is not UTF-8 even after repair. */
json_t *json_from_value(const vss_value *value);
