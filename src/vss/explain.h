/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Explanations of results
 */

#include "util/value.h"

/*
 * explain_code() - the result that @code stands for, as {"results": [...]}; all there are for NULL
 * A code may be written as people find it: VSS_E_BAD_STATE, E_BAD_STATE, BAD_STATE, the bus's error name, or
 * a number in hexadecimal or, signed or not, in decimal. Return: a new value; NULL if there is none, or
 * without memory.
 */
vss_value *explain_code(const char *code);
