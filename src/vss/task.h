/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Backup tasks: files NAME.conf that say what is backed up, where to, when, and what is kept;
 * linuxvss.task(5)
 *
 * All mistakes of a file are collected, each with its line, so that whoever wrote it need not mend them one
 * by one.
 */

#include "util/conf.h"
#include "vss/repository-backup.h"
#include "vss/retention.h"

#define TASK_NAME_MAX 64u
#define TASK_SCHEDULES_MAX 64u
#define TASK_MISTAKES_MAX 100u
#define TASK_MESSAGE_SIZE 320u

typedef struct TaskSchedule {
        enum vss_backup_type type;
        const char *calendar;
        unsigned line;
} TaskSchedule;

typedef struct TaskMistake {
        unsigned line; /* 0: the file as a whole */
        char message[TASK_MESSAGE_SIZE];
} TaskMistake;

typedef struct Task {
        char *name, *path;
        Conf *conf; /* texts point into it */
        const char *description, *within;
        RepositoryBackupOptions backup; /* with its sources */
        Retention retention;
        Strings keep_tags;
        const char **keep_tag_list;
        char **pre, **post; /* words; NULL: none */
        uint64_t command_limit_usec, jitter_usec;
        bool run_missed;
        TaskSchedule *schedules;
        size_t n_schedules;
        TaskMistake *mistakes;
        size_t n_mistakes;
} Task;

void task_clear(Task *task);
#define _cleanup_task_ _cleanup_(task_clear)

/* Letters, digits, '-' and '_': it stands in names of files, units and tags. */
bool task_name_is_valid(const char *name);
/* Where this user's tasks are: root's are the machine's. Allocated; NULL without memory or a home. */
char *task_directory(void);

/*
 * task_parse() - what a file says
 * Takes @conf, also on failure. Return: 0, also with mistakes; -ENOMEM.
 */
int task_parse(Task *task, const char *name, const char *path, Conf *conf);
/*
 * task_load() - from the directory of tasks
 * Return: 0, also with mistakes, those of the file's form among them; -ENOENT if there is none; -ENOMEM.
 */
int task_load(Task *task, const char *name);
/* Of all tasks, sorted. 0 or a negative errno; no directory is no task. */
int task_names(Strings *ret_names);

/* Tells what is wrong with it. Return: EXIT_DONE, or EXIT_FAILED after messages. */
int task_must_be_right(Cli *cli, const Task *task);
/* Is @type in the plan? */
bool task_has_type(const Task *task, enum vss_backup_type type);
