/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Contexts and attributes of shadow copies, with their names
 */

#include <stdbool.h>
#include <stdint.h>
#include "util/value.h"

/* The context of this name ("app-rollback", "APP_ROLLBACK", "VSS_CTX_APP_ROLLBACK"), in any case. */
bool context_from_name(const char *name, uint32_t *ret_context);
/* "app-rollback"; attributes that were added to a context do not count. "other" for what is none. */
const char *context_name(uint32_t context);

/* The attribute of this name ("transportable", "TRANSPORTABLE", "VSS_VOLSNAP_ATTR_TRANSPORTABLE"). */
bool attribute_from_name(const char *name, uint32_t *ret_attribute);
/* The names of the attributes in @attributes that its context does not have by itself, as a new list. */
vss_value *attribute_names(uint32_t attributes);

/* Those that a requester may add to a context, by name. */
bool attribute_is_requesters(uint32_t attribute);

/*
 * explain_context() - a context or a sum of attributes, by number or name: {"contexts", "attributes"}
 * explain_attributes() - the attributes of a number, or the one of this name: {"attributes"}
 * All there are for NULL. Return: a new value; NULL if there is none such, or without memory.
 */
vss_value *explain_context(const char *text);
vss_value *explain_attributes(const char *text);
