/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What keeps the two hold processes running while the machine is in trouble
 */

#include <stdint.h>

/* For both processes, before the fork: real-time priority, out of the OOM killer's reach. Return:
 * HOLD_UNPROTECTED_* */
uint32_t protect_before_fork(void);
/* For each process, after the fork: every page locked. Return: HOLD_UNPROTECTED_* */
uint32_t protect_memory(void);
/* A control group of our own. Return: HOLD_UNPROTECTED_* */
uint32_t protect_cgroup_enter(void);
/* By the last process: back to where we came from, and the control group is removed. */
void protect_cgroup_leave(void);
/* Removes a control group that dead processes left. */
void protect_cgroup_clean(void);
/* Is the control group @dir ours, our starter's, or above one of them? Freezing it would stop us. Return: 1,
 * 0, -errno */
int protect_cgroup_carries_us(int dir);
