/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Control groups held by vss-hold; see guard.h
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "writers/common/command.h"
#include "writers/service/guard.h"
#include "writers/service/services.h"

#define RELEASE_USEC (15 * USEC_PER_SEC)
/* How long behind the limit a hold is taken for stopped. */
#define KEEPER_LATE_USEC (2 * USEC_PER_SEC)

static _Noreturn void run_hold(const char *program, int socket) {
        sigset_t none;

        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (socket == HOLD_FD ? fcntl(HOLD_FD, F_SETFD, 0) < 0 : dup2(socket, HOLD_FD) < 0)
                _exit(127);
        (void)syscall(SYS_close_range, HOLD_FD + 1, ~0U, 0);
        (void)execl(program, program, "--groups", (char *)NULL);
        _exit(127);
}

static int spawn(const char *program, Child *ret_child) {
        _cleanup_(closep) int ours = -1, theirs = -1;
        int pair[2], pidfd;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_hold(program, theirs);
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0) {
                int r = -errno;

                (void)kill(pid, SIGKILL);
                (void)waitpid(pid, NULL, 0);
                return r;
        }
        *ret_child = (Child){ .pid = pid, .pidfd = pidfd, .fd = TAKE_FD(ours) };
        return 0;
}

static int send_group(int socket, int dir, const char *label) {
        HoldRequest request = { .command = HOLD_ADD, .kind = VSS_HOLD_CGROUP };
        union {
                struct cmsghdr align;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { .space = { 0 } };
        struct iovec part = { .iov_base = &request, .iov_len = sizeof(request) };
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };

        (void)snprintf(request.label, sizeof(request.label), "%s", label);
        *CMSG_FIRSTHDR(&message) = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
                                                     .cmsg_level = SOL_SOCKET,
                                                     .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &dir, sizeof(dir));
        return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void ask(Guard *guard, HoldCommand command, uint64_t limit_usec) {
        HoldRequest request = { .command = command, .limit_usec = limit_usec };

        guard->answer = 0;
        /* One that has died is noticed where its answer is awaited. */
        (void)child_send(guard->child.fd, &request, sizeof(request));
        guard->awaited = true;
}

int guard_start(const char *program, int dir, const char *label, uint64_t limit_usec, Guard *guard) {
        int r;

        *guard = GUARD_NULL;
        r = spawn(program, &guard->child);
        if (r < 0)
                return r;
        r = send_group(guard->child.fd, dir, label);
        if (r >= 0)
                ask(guard, HOLD_ARM, limit_usec);
        else
                guard_end(guard, now_usec());
        return r;
}

void guard_ask(Guard *guard, HoldCommand command) {
        if (guard->child.pid > 0)
                ask(guard, command, 0);
}

static void take_answer(Guard *guard) {
        ssize_t n = child_receive(guard->child.fd, &guard->reply, sizeof(guard->reply), now_usec());

        if (n == -EAGAIN)
                return;
        guard->answer = n == (ssize_t)sizeof(guard->reply) ? guard->reply.answer : 0;
        guard->awaited = false;
}

void guard_collect(Guard *const *guards, size_t n, uint64_t deadline_usec) {
        for (;;) {
                bool ready[SERVICES_MAX] = { 0 }, any = false;
                int fds[SERVICES_MAX];

                for (size_t i = 0; i < n; i++) {
                        fds[i] = guards[i]->awaited ? guards[i]->child.fd : -1;
                        any = any || guards[i]->awaited;
                }
                if (!any || poll_any(fds, n, deadline_usec, ready) < 0)
                        return;
                for (size_t i = 0; i < n; i++)
                        if (ready[i])
                                take_answer(guards[i]);
        }
}

void guard_end(Guard *guard, uint64_t deadline_usec) {
        bool ready;

        if (guard->child.pid <= 0)
                return;
        closep(&guard->child.fd);
        guard->child.fd = -1;
        if (poll_any(&guard->child.pidfd, 1, deadline_usec, &ready) < 0)
                child_leave(&guard->child);
        else
                (void)child_end(&guard->child, now_usec());
        *guard = GUARD_NULL;
}

/* ---- the keeper */

typedef struct KeeperTask {
        const char *program;
        size_t n;
        pid_t pids[SERVICES_MAX];
        uint64_t limit_usec;
} KeeperTask;

static void release(const char *program) {
        const char *const argv[] = { program, "--release-guards", NULL };
        char text[COMMAND_OUTPUT_MAX + 1];

        (void)command_run(argv, -1, now_usec() + RELEASE_USEC, text);
}

/* A hold that ended well has nothing left to release, and one that works is left alone. */
static int keeper_main(int fd, void *userdata) {
        const KeeperTask *task = userdata;
        int fds[SERVICES_MAX + 1];
        bool ready[SERVICES_MAX + 1] = { 0 };
        uint64_t deadline = UINT64_MAX;
        size_t left = 0;
        char byte;

        for (size_t i = 0; i < task->n; i++) {
                fds[i] = (int)syscall(SYS_pidfd_open, task->pids[i], 0);
                left += fds[i] >= 0;
        }
        fds[task->n] = fd;
        while (left > 0 && poll_any(fds, task->n + 1, deadline, ready) >= 0) {
                for (size_t i = 0; i < task->n; i++)
                        if (fds[i] >= 0 && ready[i]) {
                                (void)close(fds[i]);
                                fds[i] = -1;
                                left--;
                                release(task->program);
                        }
                if (!ready[task->n])
                        continue;
                /* It freezes; or it has gone, and the holds end by themselves. Who is stopped does neither.
                 */
                if (child_receive(fd, &byte, sizeof(byte), now_usec()) <= 0)
                        fds[task->n] = -1;
                deadline = now_usec() + task->limit_usec + KEEPER_LATE_USEC;
        }
        release(task->program);
        return 0;
}

int keeper_start(const char *program, Guard *const *guards, size_t n, uint64_t limit_usec,
                 Child *ret_keeper) {
        KeeperTask task = { .program = program, .limit_usec = limit_usec };

        for (size_t i = 0; i < n && task.n < ELEMENTS(task.pids); i++)
                if (guards[i]->child.pid > 0)
                        task.pids[task.n++] = guards[i]->child.pid;
        return child_start(keeper_main, &task, ret_keeper);
}
