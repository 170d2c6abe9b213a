/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which of several providers that take a volume makes its copy
 */

#include <linuxvss/provider.h>

/*
 * The greater, the better. Hardware comes before software before system, as the contract has it; but a provider whose
 * copies are of one instant comes before any that is none of hardware and copies file after file.
 */
int provider_preference(enum vss_provider_type type, enum vss_atomic_scope scope);
