/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Locks of a repository: files that say who is at work
 *
 * Reading and adding share; what deletes is alone. Two that lock at the same time both look again after they
 * have written theirs, and both give way. A lock is written anew every five minutes; whoever finds that this
 * failed for long, and its file gone, has been given up by the others and must not write any more.
 *
 * `restic unlock` asks whether a process lives by sending SIGHUP. It is ignored while there is a lock.
 */

#include "repository/repository.h"

typedef struct RepoLock RepoLock;

/* What the file of a lock says. */
typedef struct LockInfo {
        struct timespec time;
        bool exclusive;
        const char *hostname, *username;
        const char *machine; /* ours alone say it: see lock_judge() */
        uint64_t pid;
} LockInfo;

/* Texts are in the arena. */
int lock_decode(const void *text, size_t size, Arena *arena, LockInfo *ret_info);

typedef enum LockState {
        LOCK_HELD,      /* or it cannot be known */
        LOCK_DEAD,      /* its process was one of this machine, and is gone */
        LOCK_FORGOTTEN, /* it was not refreshed for half an hour, or a clock is wrong by that much */
} LockState;

/* Where somebody is who looks at locks. */
#define LOCK_HOSTNAME_SIZE 256u
#define LOCK_MACHINE_SIZE 160u
typedef struct LockPlace {
        char hostname[LOCK_HOSTNAME_SIZE];
        char machine[LOCK_MACHINE_SIZE]; /* the boot, and the space of process numbers; "": not known */
} LockPlace;

/* Whatever the clocks say, a process of this boot lives or does not. */
LockState lock_judge(const LockInfo *info, const LockPlace *place, const struct timespec *now);

/*
 * repo_lock() - take a lock, and keep it until repo_unlock()
 *
 * Locks of this machine's dead processes do not count. @ret_settle: nobody else is at work, and what others
 * may have left behind should be looked for (store_salvage()): somebody died here, or looking costs nothing.
 * Whoever asks removes dead locks. May be NULL.
 * With @ret_settle, who shares need not wait until two that lock at the same time would have seen each
 * other: repo_lock_check() does, which is asked before anything is written. What is settled before that time
 * is up is settled before they write. Return: 0; -EBUSY if somebody else is at work; -EUCLEAN for a lock
 * that cannot be read.
 */
int repo_lock(Repository *repo, bool exclusive, Why *why, bool *ret_settle, RepoLock **ret_lock);
RepoLock *repo_unlock(RepoLock *lock);
DEFINE_CLEANUP(RepoLock *, repo_unlock)

/* Do we have it, and still? Asked before anything is written, and before it becomes visible. 0, -EBUSY or
 * -ESTALE. */
int repo_lock_check(RepoLock *lock, Why *why);
