/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Results, levels and states with their names; <linuxvss/types.h> has the calls
 */

#include <linuxvss/types.h>

/* Walks all results there are, for explanations and tests. NULL past the end. */
const char *result_name_at(size_t index, vss_result *ret_result);
