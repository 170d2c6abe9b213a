/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service's end of the hold
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "bus/marshal.h"
#include "config.h"
#include "util/clock.h"
#include "vssd/hold-client.h"
#include "vssd/log.h"
#include "vssd/worker.h"

#define HOLD_PROGRAM LINUXVSS_LIBEXECDIR "/vss-hold"

/* How long the hold may take to answer, beyond what it was given to do. */
#define ANSWER_USEC (2 * USEC_PER_SEC)
#define ARM_USEC (10 * USEC_PER_SEC)
#define RELEASE_USEC (15 * USEC_PER_SEC)
#define SCOPE_USEC (2 * USEC_PER_SEC)

struct HoldClient {
        Manager *manager;
        HoldHandler handler;
        void *userdata;
        int socket;
        pid_t pid;
        uint64_t limit_usec;
        sd_event_source *io, *child, *timer;
        sd_bus_slot *scope; /* systemd is being asked for a scope: arming waits */
        bool arming;
        Worker *rescue; /* vss-hold --release, under way */
        bool ended;     /* RELEASED or LOST was told */
};

static void disarm(HoldClient *client) {
        client->timer = sd_event_source_disable_unref(client->timer);
}

static void tell(HoldClient *client, HoldEvent event, const HoldReply *reply) {
        if (client->ended)
                return;
        client->ended = event == HOLD_EVENT_RELEASED || event == HOLD_EVENT_LOST;
        if (event != HOLD_EVENT_HELD)
                disarm(client);
        /* After its last word the hold ends, and its closed socket would be readable for ever. */
        if (client->ended)
                client->io = sd_event_source_disable_unref(client->io);
        client->handler(client->userdata, event, reply);
}

static int release_main(void *arg, WorkerAnswer *answer) {
        const char *option = arg ?: "--release";
        pid_t pid = fork();
        int status;

        if (pid < 0)
                return -errno;
        if (pid == 0) {
                (void)execl(HOLD_PROGRAM, HOLD_PROGRAM, option, (char *)NULL);
                _exit(127);
        }
        if (waitpid(pid, &status, 0) < 0)
                return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static void on_leftovers_released(void *userdata, int error, WorkerAnswer *answer) {
        if (error < 0)
                log_error("%s --release failed: %s. Run it by hand.", HOLD_PROGRAM, strerror(-error));
}

int hold_release_leftovers(Manager *manager) {
        return worker_start(manager, release_main, NULL, RELEASE_USEC, on_leftovers_released, NULL, NULL);
}

int hold_release_guards(Manager *manager) {
        static char option[] = "--release-guards";

        return worker_start(manager, release_main, option, RELEASE_USEC, on_leftovers_released, NULL, NULL);
}

static void on_lost_released(void *userdata, int error, WorkerAnswer *answer) {
        HoldClient *client = userdata;

        client->rescue = NULL;
        on_leftovers_released(NULL, error, answer);
        tell(client, HOLD_EVENT_LOST, NULL);
}

static void lost(HoldClient *client, const char *why) {
        if (client->ended || client->rescue)
                return;
        log_error("the hold %s; what it held is released", why);
        disarm(client);
        client->io = sd_event_source_disable_unref(client->io);
        if (client->pid > 0)
                (void)kill(client->pid, SIGKILL);
        if (worker_start(client->manager, release_main, NULL, RELEASE_USEC, on_lost_released, client,
                         &client->rescue) < 0)
                tell(client, HOLD_EVENT_LOST, NULL);
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata) {
        lost(userdata, "does not answer");
        return 0;
}

static int on_reply(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        HoldClient *client = userdata;
        HoldReply reply;
        ssize_t n = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n != sizeof(reply) || reply.n_targets > HOLD_TARGETS_MAX) {
                lost(client, "died");
                return 0;
        }
        switch (reply.answer) {
        case HOLD_READY:
                tell(client, HOLD_EVENT_READY, &reply);
                break;
        case HOLD_HELD:
                tell(client, HOLD_EVENT_HELD, &reply);
                break;
        case HOLD_RELEASED:
                tell(client, HOLD_EVENT_RELEASED, &reply);
                break;
        default:
                lost(client, "answered what it must not");
        }
        return 0;
}

/* Its end is known by the socket; here it is only reaped. */
static int on_child(sd_event_source *source, const siginfo_t *si, void *userdata) {
        HoldClient *client = userdata;

        if (client) {
                client->pid = 0;
                return 0;
        }
        /* Nobody but the loop has this source any more, which frees it. It is known by a number that another
         * child may get now. */
        (void)sd_event_source_set_floating(source, false);
        return 0;
}

_Noreturn static void child_main(int fd) {
        sigset_t none;

        /* No death signal here: when the service dies the hold must live to let go. */
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (fd == HOLD_FD)
                (void)fcntl(fd, F_SETFD, 0);
        else if (dup2(fd, HOLD_FD) < 0)
                _exit(126);
        (void)close_range(HOLD_FD + 1, ~0U, 0);
        (void)execl(HOLD_PROGRAM, HOLD_PROGRAM, (char *)NULL);
        _exit(127);
}

static int ask_scope(HoldClient *client);

int hold_client_new(Manager *manager, HoldHandler handler, void *userdata, HoldClient **ret_client) {
        HoldClient *client = calloc(1, sizeof(*client));
        int pair[2], r;

        if (!client)
                return -ENOMEM;
        *client = (HoldClient){ .manager = manager, .handler = handler, .userdata = userdata, .socket = -1 };
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
                r = -errno;
                hold_client_free(client);
                return r;
        }
        client->socket = pair[0];
        client->pid = fork();
        if (client->pid == 0)
                child_main(pair[1]);
        r = client->pid < 0 ? -errno : 0;
        close(pair[1]);

        if (r >= 0)
                r = sd_event_add_child(manager->event, &client->child, client->pid, WEXITED, on_child,
                                       client);
        if (r >= 0)
                r = sd_event_add_io(manager->event, &client->io, client->socket, EPOLLIN, on_reply, client);
        if (r < 0) {
                hold_client_free(client);
                return r;
        }
        r = ask_scope(client);
        if (r < 0)
                log_warning("systemd cannot be asked for a scope for the hold: %s", strerror(-r));
        *ret_client = client;
        return 0;
}

static int send_request(HoldClient *client, const HoldRequest *request, int fd) {
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
        return sendmsg(client->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int hold_client_add(HoldClient *client, enum vss_hold kind, uint32_t rank, int fd, uint64_t device,
                    const char *label) {
        HoldRequest request = { .command = HOLD_ADD, .kind = kind, .rank = rank, .device = device };

        (void)snprintf(request.label, sizeof(request.label), "%s", label);
        return send_request(client, &request, fd);
}

int hold_client_operation(HoldClient *client, uint32_t target, HoldOperationKind operation, uint64_t device,
                          const char *message) {
        HoldRequest request = { .command = HOLD_OPERATION,
                                .target = target,
                                .operation = operation,
                                .operation_device = device };

        if (message && strlen(message) >= sizeof(request.message))
                return -E2BIG;
        if (message)
                memcpy(request.message, message, strlen(message) + 1);
        return send_request(client, &request, -1);
}

static int command(HoldClient *client, HoldCommand what, uint64_t limit_usec, uint64_t answer_usec) {
        HoldRequest request = { .command = what, .limit_usec = limit_usec };
        int q, r = send_request(client, &request, -1);

        /* Also when it cannot be asked: its silence is what is waited for then. */
        disarm(client);
        q = sd_event_add_time_relative(client->manager->event, &client->timer, CLOCK_MONOTONIC, answer_usec,
                                       10 * USEC_PER_MSEC, on_late, client);
        return r < 0 ? r : q;
}

static int on_scope(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        HoldClient *client = userdata;

        client->scope = sd_bus_slot_unref(client->scope);
        if (sd_bus_message_is_method_error(reply, NULL))
                log_warning("systemd gives the hold no scope of its own: %s",
                            sd_bus_message_get_error(reply)->message);
        if (client->arming && command(client, HOLD_ARM, client->limit_usec, ARM_USEC) < 0)
                lost(client, "died");
        return 0;
}

/* Under systemd control groups are systemd's to make: whoever stops or kills the service's must not reach
 * the hold. Elsewhere the hold makes one itself. */
static int ask_scope(HoldClient *client) {
        _cleanup_message_ sd_bus_message *m = NULL;
        char name[64];
        int r;

        if (access("/run/systemd/system", F_OK) < 0)
                return 0;
        (void)snprintf(name, sizeof(name), "linuxvss-hold-%d.scope", (int)client->pid);
        r = sd_bus_message_new_method_call(client->manager->bus, &m, "org.freedesktop.systemd1",
                                           "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                                           "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ssa(sv)a(sa(sv))", name, "fail", 3, "Description", "s",
                                          "Linux VSS hold", "PIDs", "au", 1, (uint32_t)client->pid,
                                          "CollectMode", "s", "inactive-or-failed", 0);
        if (r >= 0)
                r = sd_bus_call_async(client->manager->bus, &client->scope, m, on_scope, client, SCOPE_USEC);
        return r;
}

int hold_client_arm(HoldClient *client, uint64_t limit_usec) {
        client->limit_usec = limit_usec;
        client->arming = true;
        return client->scope ? 0 : command(client, HOLD_ARM, limit_usec, ARM_USEC);
}

/* From here on the hold owes us RELEASED when its limit is over, whatever else it answers. */
int hold_client_freeze(HoldClient *client) {
        return command(client, HOLD_FREEZE, 0, client->limit_usec + ANSWER_USEC);
}

int hold_client_renew(HoldClient *client, uint64_t limit_usec) {
        return command(client, HOLD_RENEW, limit_usec, limit_usec + ANSWER_USEC);
}

int hold_client_cut(HoldClient *client) {
        return command(client, HOLD_CUT, 0, client->limit_usec + ANSWER_USEC);
}

int hold_client_release(HoldClient *client) {
        return command(client, HOLD_RELEASE, 0, ANSWER_USEC);
}

HoldClient *hold_client_free(HoldClient *client) {
        if (!client)
                return NULL;
        disarm(client);
        sd_event_source_disable_unref(client->io);
        sd_bus_slot_unref(client->scope);
        if (client->rescue) {
                /* It is still needed, so another one goes on in its place. */
                worker_cancel(client->rescue);
                (void)hold_release_leftovers(client->manager);
        }
        if (client->socket >= 0)
                close(client->socket);
        /* The child is left to end by itself, which it does when its socket closes, and is reaped then. */
        if (client->pid == 0)
                sd_event_source_disable_unref(client->child);
        else if (client->child) {
                (void)sd_event_source_set_userdata(client->child, NULL);
                (void)sd_event_source_set_floating(client->child, true);
                sd_event_source_unref(client->child);
        }
        free(client);
        return NULL;
}
