/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-provider: the hold, by the service's own program
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "config.h"
#include "hold/protocol.h"
#include "testers/provider/conformance.h"
#include "util/clock.h"
#include "util/macro.h"

#define HOLD_PROGRAM LINUXVSS_LIBEXECDIR "/vss-hold"
#define HOLD_LIMIT_USEC (10 * USEC_PER_SEC)
#define ANSWER_MS 20000

struct Hold {
        int socket;
        pid_t pid;
        bool over;      /* it has said its last word */
        uint32_t cause; /* of which it let go */
};

_Noreturn static void child_main(int fd) {
        if (fd == HOLD_FD)
                (void)fcntl(fd, F_SETFD, 0);
        else if (dup2(fd, HOLD_FD) < 0)
                _exit(126);
        (void)close_range(HOLD_FD + 1, ~0U, 0);
        (void)execl(HOLD_PROGRAM, HOLD_PROGRAM, (char *)NULL);
        _exit(127);
}

int hold_new(Hold **ret_hold) {
        Hold *hold = calloc(1, sizeof(*hold));
        int pair[2];

        if (!hold)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
                free(hold);
                return -errno;
        }
        hold->socket = pair[0];
        hold->pid = fork();
        if (hold->pid == 0)
                child_main(pair[1]);
        close(pair[1]);
        if (hold->pid < 0) {
                hold_free(hold);
                return -EAGAIN;
        }
        *ret_hold = hold;
        return 0;
}

static int send_request(Hold *hold, const HoldRequest *request, int fd) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct iovec iov = { (void *)request, sizeof(*request) };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (fd >= 0) {
                control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
                                                   .cmsg_level = SOL_SOCKET,
                                                   .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
                message.msg_control = &control;
                message.msg_controllen = sizeof(control);
        }
        return sendmsg(hold->socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The first target that went wrong; 0: none did. That nothing was cut is wrong only where it was asked for. */
static int error_of(const HoldReply *reply, HoldCommand what) {
        for (uint32_t i = 0; i < reply->n_targets && i < HOLD_TARGETS_MAX; i++) {
                const HoldTargetReply *t = &reply->targets[i];
                int cut = t->cut_error == ECANCELED && what == HOLD_RELEASE ? 0 : t->cut_error;
                int error = t->freeze_error ?: cut ?: t->release_error;

                if (error != 0)
                        return -error;
        }
        return reply->cause == HOLD_CAUSE_ASKED ? 0 : -ETIMEDOUT;
}

static int command(Hold *hold, HoldCommand what, HoldAnswer want) {
        HoldRequest request = { .command = what, .limit_usec = HOLD_LIMIT_USEC };
        struct pollfd pollfd = { .fd = hold->socket, .events = POLLIN };
        HoldReply reply;
        int r = send_request(hold, &request, -1);

        if (r < 0)
                return r;
        if (poll(&pollfd, 1, ANSWER_MS) <= 0)
                return -ETIMEDOUT;
        if (recv(hold->socket, &reply, sizeof(reply), 0) != sizeof(reply))
                return -EPIPE;
        hold->over = reply.answer == HOLD_RELEASED;
        hold->cause = reply.cause;
        if (reply.answer == HOLD_RELEASED && want != HOLD_RELEASED) {
                r = error_of(&reply, what);
                return r < 0 ? r : -EIO;
        }
        return reply.answer != want ? -EPROTO : want == HOLD_RELEASED ? error_of(&reply, what) : 0;
}

int hold_add(Hold *hold, enum vss_hold kind, int fd, uint64_t device, const char *label) {
        HoldRequest request = { .command = HOLD_ADD, .kind = kind, .rank = 1, .device = device };

        (void)snprintf(request.label, sizeof(request.label), "%s", label);
        return send_request(hold, &request, kind == VSS_HOLD_DEVICE ? -1 : fd);
}

int hold_operation(Hold *hold, uint32_t target, const vss_value *operation) {
        const char *what = vss_value_get_string(operation, "do", "");
        HoldRequest request = { .command = HOLD_OPERATION, .target = target };
        unsigned major, minor;

        if (sscanf(vss_value_get_string(operation, "device", ""), "%u:%u", &major, &minor) != 2)
                return -EINVAL;
        request.operation_device = makedev(major, minor);
        request.operation = strcmp(what, "resume") == 0    ? HOLD_OP_RESUME
                            : strcmp(what, "message") == 0 ? HOLD_OP_MESSAGE
                                                           : 0;
        if (request.operation == 0)
                return -EINVAL;
        (void)snprintf(request.message, sizeof(request.message), "%s",
                       vss_value_get_string(operation, "message", ""));
        return send_request(hold, &request, -1);
}

int hold_arm(Hold *hold) {
        return command(hold, HOLD_ARM, HOLD_READY);
}

const char *hold_cause(const Hold *hold) {
        static const char *const texts[] = {
                [HOLD_CAUSE_ASKED] = "it was asked to let go",
                [HOLD_CAUSE_LIMIT] = "it lasted longer than it may",
                [HOLD_CAUSE_FAILED] = "something could not be stopped, or cut",
                [HOLD_CAUSE_DIED] = "its acting process died, stopped or was late",
                [HOLD_CAUSE_WATCHER] = "its watching process died, stopped or was late",
        };

        return hold && hold->over && hold->cause < ELEMENTS(texts) ? texts[hold->cause] : "it has not let go";
}

int hold_freeze(Hold *hold) {
        return command(hold, HOLD_FREEZE, HOLD_HELD);
}

int hold_release(Hold *hold, bool cut) {
        return command(hold, cut ? HOLD_CUT : HOLD_RELEASE, HOLD_RELEASED);
}

/* With its socket closed it lets go of all, and ends. */
Hold *hold_free(Hold *hold) {
        uint64_t deadline = now_usec() + 15 * USEC_PER_SEC;

        if (!hold)
                return NULL;
        close(hold->socket);
        while (hold->pid > 0 && waitpid(hold->pid, NULL, WNOHANG) == 0) {
                if (now_usec() > deadline) {
                        (void)kill(hold->pid, SIGKILL);
                        break;
                }
                (void)usleep(2000);
        }
        free(hold);
        return NULL;
}
