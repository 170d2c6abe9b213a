/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Locks as dpkg and lckpwdf take them: seen with their holder, taken, and gone with their process
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"
#include "writers/system/locks.h"

static char directory[] = "/tmp/vss-test-locks-XXXXXX";
static char first[64], second[64], database[64];
static const mode_t modes[] = { 0640, 0640 };

/* A process that takes (or waits for) the lock of a file, and tells so. */
static pid_t other_start(const char *path, int *ret_told) {
        int pipes[2];
        pid_t pid;

        if (pipe2(pipes, O_CLOEXEC) < 0)
                exit(1);
        (void)fflush(stdout);
        pid = fork();
        if (pid == 0) {
                struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
                int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

                (void)!write(pipes[1], fcntl(fd, F_SETLKW, &whole) == 0 ? "y" : "n", 1);
                for (;;)
                        (void)pause();
        }
        (void)close(pipes[1]);
        *ret_told = pipes[0];
        return pid;
}

static bool other_has(int told, int timeout_ms) {
        struct pollfd fd = { .fd = told, .events = POLLIN };
        char byte = '\0';

        return poll(&fd, 1, timeout_ms) == 1 && read(told, &byte, 1) == 1 && byte == 'y';
}

static void other_end(pid_t pid, int told) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        (void)close(told);
}

static int open_both(Lock *lock) {
        const char *const paths[] = { first, second, NULL };

        return lock_open(lock, paths, modes, database);
}

static void test_free(void) {
        LockHolder holder = { .pid = 17 };
        Lock lock;
        pid_t pid;
        int told;

        expect_int("opened, and made", open_both(&lock), 0);
        expect_int("free", lock_look(&lock, &holder), 0);
        expect_int("nobody is named", holder.pid, 17);
        expect_int("taken", lock_take(&lock, now_usec(), &holder), 0);
        pid = other_start(second, &told);
        expect_true("others wait", !other_has(told, 100));
        lock_close(&lock);
        expect_true("until it is given back", other_has(told, 2000));
        other_end(pid, told);
}

static void test_busy(const char *path) {
        LockHolder holder = { .pid = 0 };
        uint64_t began;
        Lock lock;
        pid_t pid, third;
        int told, third_told;

        pid = other_start(path, &told);
        expect_true("somebody has it", other_has(told, 2000));
        expect_int("opened", open_both(&lock), 0);
        expect_int("seen", lock_look(&lock, &holder), -EAGAIN);
        expect_int("whose", holder.pid, pid);
        expect_str("and what that is", holder.name, "test-system-loc");
        holder = (LockHolder){ .pid = 0 };
        began = now_usec();
        expect_int("not taken", lock_take(&lock, began + 100 * USEC_PER_MSEC, &holder), -EAGAIN);
        expect_true("within its time", now_usec() - began < USEC_PER_SEC);
        expect_int("with the holder", holder.pid, pid);
        expect_true("and nothing is held", !lock.taken);
        third = other_start(strcmp(path, first) == 0 ? second : first, &third_told);
        expect_true("not one of two either", other_has(third_told, 2000));
        other_end(third, third_told);
        other_end(pid, told);
        expect_int("it ends with its process", lock_take(&lock, now_usec() + USEC_PER_SEC, &holder), 0);
        lock_close(&lock);
}

/* A writer that is killed. */
static void test_killed(void) {
        LockHolder holder;
        int pipes[2];
        char byte = '\0';
        Lock lock;
        pid_t pid;

        if (pipe2(pipes, O_CLOEXEC) < 0)
                return;
        (void)fflush(stdout);
        pid = fork();
        if (pid == 0) {
                (void)open_both(&lock);
                (void)!write(pipes[1], lock_take(&lock, now_usec() + USEC_PER_SEC, &holder) == 0 ? "y" : "n",
                             1);
                for (;;)
                        (void)pause();
        }
        (void)close(pipes[1]);
        expect_true("a writer holds it", read(pipes[0], &byte, 1) == 1 && byte == 'y');
        (void)close(pipes[0]);
        expect_int("opened", open_both(&lock), 0);
        expect_int("it is seen", lock_look(&lock, &holder), -EAGAIN);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        expect_int("killed, it is free", lock_look(&lock, &holder), 0);
        lock_close(&lock);
}

static void test_unchanged(void) {
        LockHolder holder;
        Lock lock;
        int fd = open(database, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        expect_int("opened", open_both(&lock), 0);
        expect_int("taken", lock_take(&lock, now_usec(), &holder), 0);
        expect_true("as it was", lock_is_unchanged(&lock));
        expect_int("changed by somebody", (int)write(fd, "x", 1), 1);
        expect_true("which is found", !lock_is_unchanged(&lock));
        (void)close(fd);
        lock_close(&lock);
        expect_true("without a lock nothing is known", lock_is_unchanged(&lock));
}

static void test_refused(void) {
        const char *const nowhere[] = { "/nonesuch/lock", NULL }, *const link[] = { database, NULL };
        Lock lock;

        expect_int("no directory", lock_open(&lock, nowhere, modes, NULL), -ENOENT);
        (void)unlink(database);
        (void)!symlink("/etc/hostname", database);
        expect_int("a link", lock_open(&lock, link, modes, NULL), -ELOOP);
        lock_close(&lock);
}

int main(void) {
        if (!mkdtemp(directory))
                return 1;
        (void)snprintf(first, sizeof(first), "%s/lock-frontend", directory);
        (void)snprintf(second, sizeof(second), "%s/lock", directory);
        (void)snprintf(database, sizeof(database), "%s/status", directory);
        test_free();
        test_busy(first);
        test_busy(second);
        test_killed();
        test_unchanged();
        test_refused();
        (void)unlink(first);
        (void)unlink(second);
        (void)unlink(database);
        (void)rmdir(directory);
        return test_end();
}
