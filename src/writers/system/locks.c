/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Locks of the system's own tools; see locks.h
 */

#include <fcntl.h>
#include <string.h>
#include "util/clock.h"
#include "util/macro.h"
#include "writers/common/child.h"
#include "writers/system/locks.h"

#define RETRY_USEC (20 * USEC_PER_MSEC)

int lock_open(Lock *lock, const char *const *paths, const mode_t *modes, const char *database) {
        *lock = LOCK_NULL;
        (void)snprintf(lock->database, sizeof(lock->database), "%s", database ?: "");
        for (size_t i = 0; i < LOCK_FILES_MAX && paths[i]; i++) {
                lock->fds[i] = open(paths[i],
                                    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                                    modes[i]);
                if (lock->fds[i] < 0) {
                        int r = -errno;

                        lock_close(lock);
                        return r;
                }
        }
        return 0;
}

static void find_name(LockHolder *holder) {
        char path[64];
        _cleanup_(closep) int fd = -1;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)holder->pid);
        fd = holder->pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        n = fd < 0 ? -1 : read(fd, holder->name, sizeof(holder->name) - 1);
        holder->name[MAX(n, 0)] = '\0';
        holder->name[strcspn(holder->name, "\n")] = '\0';
        if (!text_is_clean(holder->name))
                holder->name[0] = '\0';
}

static int look_at(int fd, LockHolder *ret_holder) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        LockHolder holder = { .pid = 0 };

        if (fcntl(fd, F_GETLK, &lock) < 0)
                return -errno;
        if (lock.l_type == F_UNLCK)
                return 0;
        /* An open file description's lock (-1), or one of another process namespace (0), has no process to
         * be named. */
        holder.pid = MAX(lock.l_pid, 0);
        find_name(&holder);
        *ret_holder = holder;
        return -EAGAIN;
}

int lock_look(const Lock *lock, LockHolder *ret_holder) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < LOCK_FILES_MAX; i++)
                if (lock->fds[i] >= 0)
                        r = look_at(lock->fds[i], ret_holder);
        return r;
}

static int take_once(Lock *lock) {
        for (size_t i = 0; i < LOCK_FILES_MAX; i++) {
                struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

                if (lock->fds[i] < 0 || fcntl(lock->fds[i], F_SETLK, &whole) == 0)
                        continue;
                if (errno == EACCES)
                        errno = EAGAIN;
                return -errno;
        }
        return 0;
}

static void let_go(Lock *lock) {
        struct flock whole = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

        for (size_t i = LOCK_FILES_MAX; i > 0; i--)
                if (lock->fds[i - 1] >= 0)
                        (void)fcntl(lock->fds[i - 1], F_SETLK, &whole);
        lock->taken = false;
}

int lock_take(Lock *lock, uint64_t deadline_usec, LockHolder *ret_holder) {
        LockHolder holder = { .pid = 0 };
        int r;

        while ((r = take_once(lock)) == -EAGAIN) {
                /* Who has one of two may wait for the other. */
                let_go(lock);
                (void)lock_look(lock, &holder);
                if (now_usec() + RETRY_USEC >= deadline_usec) {
                        *ret_holder = holder;
                        return r;
                }
                (void)usleep(RETRY_USEC);
        }
        if (r < 0) {
                let_go(lock);
                return r;
        }
        lock->taken = true;
        lock->seen = lock->database[0] && stat(lock->database, &lock->st) == 0;
        return 0;
}

bool lock_is_unchanged(const Lock *lock) {
        struct stat st;

        if (!lock->seen)
                return true;
        return stat(lock->database, &st) == 0 && st.st_ino == lock->st.st_ino &&
               st.st_size == lock->st.st_size && st.st_mtim.tv_sec == lock->st.st_mtim.tv_sec &&
               st.st_mtim.tv_nsec == lock->st.st_mtim.tv_nsec;
}

void lock_close(Lock *lock) {
        let_go(lock);
        for (size_t i = 0; i < LOCK_FILES_MAX; i++)
                closep(&lock->fds[i]);
        *lock = LOCK_NULL;
}
