/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Values as bytes, for the pipe between the service and its workers
 *
 * A worker may have read what strangers wrote, so what comes from it is not trusted.
 */

#include "util/value.h"

/* Limits on both sides, so that what can be encoded can be decoded. */
#define VALUE_ENCODED_MAX (64u << 20)
#define VALUE_NODES_MAX (1u << 20)
#define VALUE_KEYS_MAX 1024u

/* Return: 0, -E2BIG beyond the limits (or VALUE_DEPTH_MAX), -ENOMEM. @value may be NULL. */
int value_encode(const vss_value *value, uint8_t **ret_data, size_t *ret_size);
/* The reverse: a NULL value comes back as NULL. Return: 0, -EBADMSG for all that value_encode() does not
 * write, -ENOMEM. */
int value_decode(const uint8_t *data, size_t size, vss_value **ret_value);
