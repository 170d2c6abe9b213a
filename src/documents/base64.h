/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Base64: how documents carry texts that XML cannot
 */

#include <stddef.h>

/* Return: 0 and a new text, or -ENOMEM. */
int base64_encode(const char *data, size_t size, char **ret_text);
/* The usual alphabet, padded, nothing else in between. Return: 0 and a new block with a NUL behind it,
 * -EBADMSG, -ENOMEM. */
int base64_decode(const char *text, char **ret_data, size_t *ret_size);
