/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the service asks for: targets are taken in, and armed
 */

#include <string.h>
#include <sys/socket.h>

#include "hold/actor.h"
#include "hold/protect.h"
#include "hold/serve.h"
#include "hold/start.h"
#include "hold/target.h"

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

static void request_add(Hold *hold, const HoldRequest *request, int fd) {
        HoldShared *shared = hold->shared;
        HoldTarget *target = shared->targets + shared->n_targets;

        if (shared->n_targets >= HOLD_TARGETS_MAX) {
                atomic_store(&shared->arm_error, E2BIG);
                closep(&fd);
                return;
        }
        target->swap = hold->swap;
        target_prepare(target, request, fd);
        if (hold->groups && target->kind != VSS_HOLD_CGROUP)
                target->preset_error = EINVAL;
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

int hold_serve(Hold *hold) {
        int r;

        /* No file system is kept busy by us but the targets, and no terminal can stop us. */
        (void)!chdir("/");
        (void)close_range(HOLD_FD + 1, ~0u, 0);
        (void)setsid();
        r = shared_new(&hold->shared);
        if (r < 0) {
                fprintf(stderr, "vss-hold: no memory to share: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        for (;;) {
                HoldRequest request;
                int fd = -1;

                r = request_receive(hold->socket, &request, &fd);
                if (r < 0)
                        fprintf(stderr, "vss-hold: the service sent what is no request: %s\n", strerror(-r));
                if (r <= 0)
                        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
                if (request.command == HOLD_ADD) {
                        request_add(hold, &request, fd);
                        continue;
                }
                closep(&fd);
                if (request.command == HOLD_OPERATION) {
                        request_operation(hold->shared, &request);
                        continue;
                }
                if (request.command == HOLD_ARM)
                        return hold_start(hold, request.limit_usec, actor_run);
                /* FREEZE before ARM cannot be; RELEASE before ARM has nothing to release. */
                if (request.command != HOLD_RELEASE)
                        atomic_store(&hold->shared->arm_error, EPROTO);
                hold_answer(hold, HOLD_RELEASED,
                            request.command == HOLD_RELEASE ? HOLD_CAUSE_ASKED : HOLD_CAUSE_FAILED);
                return EXIT_SUCCESS;
        }
}
