/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vss-hold: keeps volumes still while providers cut them, and lets go whatever happens
 *
 * Started by the service with its socket as descriptor 3. This file takes the targets in and arms: it
 * becomes the watcher, its child the acting process. With --release it releases what a hold that died left
 * behind.
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "config.h"
#include "hold/actor.h"
#include "hold/protect.h"
#include "hold/record.h"
#include "hold/release.h"
#include "hold/target.h"
#include "hold/watcher.h"

/* One message. Return: 1, 0 at the end, -EPROTO if it is none of ours, or -errno. */
static int request_receive(int socket, HoldRequest *ret_request, int *ret_fd) {
        union {
                struct cmsghdr align;
                char space[CMSG_SPACE(sizeof(int) * 4)];
        } control;
        struct iovec part = { .iov_base = ret_request, .iov_len = sizeof(*ret_request) };
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        _cleanup_(closep) int fd = -1;
        ssize_t n;

        do
                n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n == 0)
                return 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
                size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < count; i++) {
                        int got;

                        memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(got));
                        closep(&fd);
                        fd = got;
                }
        }
        if (n != (ssize_t)sizeof(*ret_request) || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
                return -EPROTO;
        *ret_fd = TAKE_FD(fd);
        return 1;
}

static void request_add(HoldShared *shared, const HoldRequest *request, int fd) {
        HoldTarget *target = shared->targets + shared->n_targets;

        if (shared->n_targets >= HOLD_TARGETS_MAX) {
                atomic_store(&shared->arm_error, E2BIG);
                closep(&fd);
                return;
        }
        target_prepare(target, request, fd);
        if (target->preset_error == 0 && target->kind == VSS_HOLD_CGROUP &&
            protect_cgroup_carries_us(fd) > 0)
                target->preset_error = EDEADLK;
        target->same_as = shared->n_targets;
        /* One superblock or device is stopped once; a second mount of it shares the outcome. */
        for (uint32_t i = 0; i < shared->n_targets && target->kind != VSS_HOLD_CGROUP; i++)
                if (target->preset_error == 0 && shared->targets[i].preset_error == 0 &&
                    shared->targets[i].kind == target->kind && shared->targets[i].device == target->device) {
                        target->same_as = shared->targets[i].same_as;
                        atomic_store(&target->settled, 1);
                        break;
                }
        shared->n_targets++;
}

static void request_operation(HoldShared *shared, const HoldRequest *request) {
        int r = -EINVAL;

        if (request->target < shared->n_targets)
                r = target_operation(shared->targets + shared->targets[request->target].same_as, request);
        if (r < 0)
                atomic_store(&shared->arm_error, -r);
}

/* The file of a hold that died without being released is worked off first; a living one is in our way. */
static int record_make_room(int dir) {
        _cleanup_(freep) Record *record = calloc(1, sizeof(*record));
        int r;

        if (!record)
                return -ENOMEM;
        r = record_read(dir, record);
        if (r == -ENOENT)
                return 0;
        if (r >= 0 && record_is_live(record)) {
                fprintf(stderr,
                        "vss-hold: process %d holds volumes already: wait until it has released them\n",
                        record->pids[0]);
                return -EALREADY;
        }
        r = release_recorded();
        /* A file that was none of ours is out of the way now. */
        return r == -EPERM || r == -EBADMSG ? 0 : r;
}

static int prepare(Hold *hold, const HoldRequest *arm) {
        HoldShared *shared = hold->shared;
        int r = -atomic_load(&shared->arm_error);

        if (r < 0)
                return r;
        if (arm->limit_usec == 0 || arm->limit_usec > HOLD_LIMIT_MAX_USEC)
                return -EINVAL;
        shared->limit_usec = arm->limit_usec;
        hold->run_dir = record_dir_open(1);
        if (hold->run_dir < 0)
                return hold->run_dir;
        r = record_make_room(hold->run_dir);
        if (r < 0)
                return r;
        hold->actor_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        hold->watcher_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (hold->actor_bell < 0 || hold->watcher_bell < 0)
                return -errno;
        atomic_fetch_or(&shared->unprotected, protect_cgroup_enter() | protect_before_fork());
        return 0;
}

/* Both processes hear of signals only where they look. */
static void signals_block(void) {
        sigset_t signals;

        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGHUP, SIG_IGN);
        /* Ignored ones, as a starter may leave them, could not be waited for. */
        (void)signal(SIGCHLD, SIG_DFL);
        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGCHLD);
        (void)sigaddset(&signals, SIGTERM);
        (void)sigaddset(&signals, SIGINT);
        (void)sigprocmask(SIG_BLOCK, &signals, NULL);
}

static int stat_open(pid_t pid) {
        char path[32];

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        return open(path, O_RDONLY | O_CLOEXEC);
}

static int arm(Hold *hold, const HoldRequest *request) {
        int r = prepare(hold, request), watcher;
        pid_t self = getpid(), child;

        if (r < 0)
                goto fail;
        watcher = (int)syscall(SYS_pidfd_open, self, 0);
        if (watcher < 0) {
                r = -errno;
                goto fail;
        }
        hold->watcher_stat = stat_open(self);
        signals_block();
        child = fork();
        if (child < 0) {
                r = -errno;
                goto fail;
        }
        if (child == 0)
                _exit(actor_run(hold, watcher));
        (void)close(watcher);
        hold->actor_stat = stat_open(child);
        return watcher_run(hold, child);
fail:
        fprintf(stderr, "vss-hold: cannot arm: %s\n", strerror(-r));
        atomic_store(&hold->shared->arm_error, -r);
        hold_answer(hold, HOLD_RELEASED, HOLD_CAUSE_FAILED);
        protect_cgroup_leave();
        return EXIT_FAILURE;
}

static int hold_main(void) {
        Hold hold = { .socket = HOLD_FD,
                      .run_dir = -1,
                      .actor_bell = -1,
                      .watcher_bell = -1,
                      .actor_stat = -1,
                      .watcher_stat = -1 };
        int r;

        /* No file system is kept busy by us but the targets, and no terminal can stop us. */
        (void)!chdir("/");
        (void)close_range(HOLD_FD + 1, ~0u, 0);
        (void)setsid();
        r = shared_new(&hold.shared);
        if (r < 0) {
                fprintf(stderr, "vss-hold: no memory to share: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        for (;;) {
                HoldRequest request;
                int fd = -1;

                r = request_receive(hold.socket, &request, &fd);
                if (r < 0)
                        fprintf(stderr, "vss-hold: the service sent what is no request: %s\n", strerror(-r));
                if (r <= 0)
                        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
                if (request.command == HOLD_ADD) {
                        request_add(hold.shared, &request, fd);
                        continue;
                }
                closep(&fd);
                if (request.command == HOLD_OPERATION) {
                        request_operation(hold.shared, &request);
                        continue;
                }
                if (request.command == HOLD_ARM)
                        return arm(&hold, &request);
                /* FREEZE before ARM cannot be; RELEASE before ARM has nothing to release. */
                if (request.command != HOLD_RELEASE)
                        atomic_store(&hold.shared->arm_error, EPROTO);
                hold_answer(&hold, HOLD_RELEASED,
                            request.command == HOLD_RELEASE ? HOLD_CAUSE_ASKED : HOLD_CAUSE_FAILED);
                return EXIT_SUCCESS;
        }
}

int main(int argc, char **argv) {
        int type = 0;
        socklen_t length = sizeof(type);

        if (argc == 2 && strcmp(argv[1], "--release") == 0)
                return release_recorded() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                printf("vss-hold (Linux VSS) %s\n", LINUXVSS_VERSION);
                return EXIT_SUCCESS;
        }
        if (argc == 1 && getsockopt(HOLD_FD, SOL_SOCKET, SO_TYPE, &type, &length) >= 0 &&
            type == SOCK_SEQPACKET)
                return hold_main();
        fprintf(stderr, "vss-hold is started by vssd. By hand there is only: vss-hold --release\n");
        return 2;
}
