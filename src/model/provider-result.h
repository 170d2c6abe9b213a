/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What each call of a provider may answer: the library holds providers to it, and the service those that are
 * written without the library
 */

#include <linuxvss/types.h>
#include <stdbool.h>

/* @member: as in org.linuxvss.Provider1. Success may always be answered. */
bool provider_may_answer(const char *member, vss_result result);
