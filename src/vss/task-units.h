/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A task's plan as timers of systemd
 *
 * Each type of the plan is an instance of linuxvss-task@.timer, NAME.TYPE, and starts
 * linuxvss-task@NAME.TYPE.service. What is written are drop-ins that give the instances their times; nothing
 * else is ever removed.
 */

#include "vss/task.h"

#define UNITS_DIRECTORY "/etc/systemd/system"

/* The unit, allocated; NULL without memory. */
char *task_timer_name(const char *task, enum vss_backup_type type);
/* What the drop-in of a type says; allocated. NULL without memory. */
char *task_timer_text(const Task *task, enum vss_backup_type type);

typedef enum TaskState {
        TASK_DISABLED,
        TASK_ENABLED,
        TASK_OUTDATED, /* enabled, but not with the plan as it is now */
} TaskState;

/* By the drop-ins that are there. */
TaskState task_state(const Task *task);

/* Both want root. Return: EXIT_DONE, or another status after a message. */
int task_enable(Cli *cli, const Task *task);
/* @name: there need not be a file any more. */
int task_disable(Cli *cli, const char *name);
