/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The cut by device-mapper, as the thread of one device goes through it
 */

#include "hold/state.h"

/*
 * cut_pass() - behind the suspend of @target, or its failure
 *
 * The last thread of a rank starts the next one, the last of all opens the barrier; nobody else has to be
 * woken for it. Behind the barrier: the operations, and the resume. Returns with the device running
 * (THAWED), or as it was, if the cut is void: then it is the caller's to release.
 */
void cut_pass(HoldShared *shared, HoldTarget *target);
/* Page faults of this process until now: minor, major. */
void faults_count(uint64_t ret_faults[2]);
