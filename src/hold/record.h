/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * /run/linuxvss/hold: what is held, for whoever has to release it after a disaster
 *
 *      linuxvss-hold 1 PID STARTTIME PID STARTTIME
 *      filesystem MAJOR:MINOR MOUNTPOINT
 *      cgroup - DIRECTORY
 *      device MAJOR:MINOR NAME
 *      command PID STARTTIME
 *
 * The first line names the two processes; white space and backslashes in paths are written as \ooo. The file
 * appears whole (linked into place) before anything is stopped, and goes after everything was released. A
 * guard has a file of its own, /run/linuxvss/guard-PID, with the command that suspends its devices; so has a
 * hold of control groups for a writer, without a command.
 */

#include <limits.h>
#include <stdio.h>
#include <sys/types.h>

#include "hold/protocol.h"

#define RECORD_NAME "hold"
#define RECORD_GUARD_PREFIX "guard-"
#define RECORD_NAME_SIZE 32u
#define RECORD_PROCESSES 2u
#define RECORD_SIZE_MAX (1024u * 1024)

typedef struct RecordTarget {
        uint32_t kind; /* enum vss_hold */
        dev_t device;
        char path[PATH_MAX]; /* a device's name, for people */
} RecordTarget;

typedef struct Record {
        pid_t pids[RECORD_PROCESSES];
        uint64_t starts[RECORD_PROCESSES];
        pid_t command; /* 0: there is none */
        uint64_t command_start;
        size_t n_targets;
        unsigned n_bad; /* lines that are none of ours */
        RecordTarget targets[HOLD_TARGETS_MAX];
} Record;

/* Reads what it can; a line that is wrong is counted. Return: 0, or -EBADMSG if the first line is wrong. */
int record_parse(char *text, Record *ret_record);
int record_print(const Record *record, FILE *file);

/* The directory /run/linuxvss, root's alone. Return: a descriptor, -EPERM if others may write there, or
 * -errno. */
int record_dir_open(int create);
/* Return: 0, -EEXIST if there is one, or -errno. */
int record_write(int dir, const char *name, const Record *record);
/* Return: 0, -ENOENT, -EPERM if it is not a plain file of root alone, -EBADMSG, or -errno. */
int record_read(int dir, const char *name, Record *ret_record);
int record_remove(int dir, const char *name);
/* Is it the name of a guard's file? */
int record_is_guard(const char *name);
/* When a process started, in clock ticks since boot. Return: 0 or -errno. */
int process_start(pid_t pid, uint64_t *ret_start);
/* Return: 1 if one of the record's processes still runs, else 0 */
int record_is_live(const Record *record);
