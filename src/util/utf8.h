/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * UTF-8: what may go over the bus
 */

#include <stdbool.h>

bool text_is_utf8(const char *text);
/* Replaces what is no UTF-8 by '?'. Return: @text. NULL is accepted. */
char *text_make_utf8(char *text);
