/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One target: how each kind is stopped and released
 */

#include "hold/state.h"

/*
 * target_prepare() - take over what ADD told: open everything the calls below need, find the superblock
 * @fd is taken over. What is wrong is remembered in preset_error and told instead of freezing.
 */
void target_prepare(HoldTarget *target, const HoldRequest *request, int fd);
/* Before target_freeze(), while nothing has been done: -EBUSY if somebody else stopped it and that can be
 * seen. */
int target_check(HoldTarget *target);
/* Stops it. Return: 0, or -errno with nothing stopped; -EBUSY: somebody else had stopped it. */
int target_freeze(HoldTarget *target);
/* Releases it. Return: 0, -EINVAL if it did not stand, or -errno with it still standing. */
int target_thaw(HoldTarget *target);
/*
 * target_settle() - one attempt to release a target that others may be stopping or releasing right now
 * @gone: those others have ended, and can do nothing more
 * Return: does it not stand any more, for good?
 */
bool target_settle(HoldTarget *target, bool gone);
/* Takes over what OPERATION told. Return: 0 or -errno. */
int target_operation(HoldTarget *target, const HoldRequest *request);
/* Where it is, for the hold file: what ADD called it, or the control group's own path. Return: 0 or -errno.
 */
int target_path(const HoldTarget *target, char *path, size_t size);
