/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Locks of the system's own tools: of packages (dpkg, rpm) and of accounts (lckpwdf)
 *
 * All of them are record locks of whole files, and end with the process that has them. One that is ours ends
 * as well when any descriptor of its file is closed here: nobody else in this program may open them.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define LOCK_FILES_MAX 2u

typedef struct Lock {
        int fds[LOCK_FILES_MAX]; /* -1: none */
        bool taken;
        char database[300]; /* what it is for; "": no file is looked at */
        bool seen;          /* when it was taken */
        struct stat st;
} Lock;

typedef struct LockHolder {
        pid_t pid; /* 0: not known */
        char name[64];
} LockHolder;

#define LOCK_NULL ((Lock){ .fds = { -1, -1 } })

/* Opens the files, and makes those that are not there, as their tools do. @database may be NULL. Return: 0
 * or -errno. */
int lock_open(Lock *lock, const char *const *paths, const mode_t *modes, const char *database);
/* Is it free? Return: 0; -EAGAIN with the holder; or -errno. */
int lock_look(const Lock *lock, LockHolder *ret_holder);
/* Takes all of its files, waiting until @deadline_usec. Return: as above; then none is taken. */
int lock_take(Lock *lock, uint64_t deadline_usec, LockHolder *ret_holder);
/* Is the database as it was when the lock was taken? Who ignores locks changes it nevertheless. */
bool lock_is_unchanged(const Lock *lock);
/* Lets go, and closes. */
void lock_close(Lock *lock);
