/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Contexts and attributes: which there are, what may be added to which, and what is seen in each
 */

#include "model/why.h"

/* Is this a context that a session can be in, with attributes that a requester may add to it? That no
 * provider can do what an attribute asks for is seen when volumes are added. Return: VSS_S_OK,
 * VSS_E_UNSUPPORTED_CONTEXT. */
vss_result context_check(uint32_t context, Why *why);
/* The attributes of a copy that is made in @context by a provider of this type. @kinds: those that it makes,
 * VSS_VOLSNAP_ATTR_DIFFERENTIAL and VSS_VOLSNAP_ATTR_PLEX. */
uint32_t context_attributes(uint32_t context, enum vss_provider_type type, uint32_t kinds);
/* Does a copy with the attributes @of_copy outlive its session? A transportable one waits for the machine that it
 * is made for, and ends with the session that imports it. */
bool context_keeps(uint32_t of_copy);
/* Does a session in @context see a shadow copy that was made in @of_copy? Only those of its own kind;
 * VSS_CTX_ALL sees all. */
bool context_sees(uint32_t context, uint32_t of_copy);
/* The part of it that is a context, without what was added. */
uint32_t context_base(uint32_t context);

/* Names without their prefix VSS_CTX_ ("APP_ROLLBACK") and VSS_VOLSNAP_ATTR_ ("TRANSPORTABLE"). */

/* Static; NULL for what is no context. What was added to it does not count. */
const char *context_type_name(uint32_t context);
/* With or without prefix, in any case, '-' for '_'. Return: VSS_S_OK, VSS_E_OBJECT_NOT_FOUND. */
vss_result context_type_from_name(const char *name, uint32_t *ret_context);
/* Of one bit; static; NULL for a bit that is none. */
const char *attribute_name(uint32_t bit);
vss_result attribute_from_name(const char *name, uint32_t *ret_bit);
/* "PERSISTENT, TRANSPORTABLE"; bits without a name as "0x80000000"; "" for none. Return: 0, -ENOMEM. */
int attributes_format(uint32_t attributes, char **ret_text);
