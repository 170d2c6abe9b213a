/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Contexts: which there are, and what is seen in each
 */

#include <stdbool.h>
#include <stdint.h>

/* Is this a context that a session can be in, with attributes that may be added to it? */
bool context_is_known(uint32_t context);
/* Does a session in @context see a shadow copy that was made in @of_copy? Only those of its own kind;
 * VSS_CTX_ALL sees all. */
bool context_sees(uint32_t context, uint32_t of_copy);
