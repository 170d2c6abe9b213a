/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vss-hold --guard and --swap: what is suspended outside of a cut
 *
 * The first process is the parent of the command and of the acting process, and becomes the watcher; it
 * reaps the command last. A swap is a hold whose only request is a cut, asked for by a third process.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "hold/actor.h"
#include "hold/guard.h"
#include "hold/hook.h"
#include "hold/mapper.h"
#include "hold/mountinfo.h"
#include "hold/serve.h"
#include "hold/start.h"
#include "hold/target.h"

/* How often the devices are looked at while a command may suspend them. */
#define LOOK_NSEC 500000
#define ANSWER_USEC (5 * USEC_PER_SEC)
#define EXIT_LATE 124
#define EXIT_ERROR 125

typedef struct Arguments {
        uint64_t limit_usec;
        int report;
        size_t n_devices;
        dev_t devices[HOLD_TARGETS_MAX];
        char **command; /* a guard's */
} Arguments;

typedef struct Guard {
        Hold *hold;
        int watcher; /* pidfd; -1 once it is dead */
        int signals;
        Pulse pulse;
        uint64_t end_usec;
        uint64_t runs_usec[HOLD_TARGETS_MAX]; /* when each was last seen running */
        bool ordered;
} Guard;

static int number_parse(const char *text, unsigned long max, unsigned long *ret_number) {
        char *end;

        errno = 0;
        *ret_number = strtoul(text, &end, 10);
        return *text < '0' || *text > '9' || *end || errno != 0 || *ret_number > max ? -EINVAL : 0;
}

/* Return: 0, or -EINVAL with the reason printed. */
static int arguments_parse(int argc, char **argv, Arguments *ret) {
        bool guard = strcmp(argv[1], "--guard") == 0;
        unsigned long limit = 0, report = 0;
        int i = 6;

        *ret = (Arguments){ .report = -1 };
        if (argc < 7 || strcmp(argv[2], "--limit") != 0 ||
            number_parse(argv[3], HOLD_LIMIT_MAX_USEC / USEC_PER_MSEC, &limit) < 0 || limit == 0 ||
            strcmp(argv[4], "--report") != 0 || number_parse(argv[5], INT_MAX, &report) < 0)
                goto usage;
        ret->limit_usec = limit * USEC_PER_MSEC;
        ret->report = (int)report;
        for (; i < argc && strcmp(argv[i], "--") != 0; i++)
                if (ret->n_devices >= ELEMENTS(ret->devices) ||
                    device_parse(argv[i], ret->devices + ret->n_devices++) < 0)
                        goto usage;
        if (ret->n_devices == 0 || (guard ? i + 1 >= argc : i < argc))
                goto usage;
        ret->command = guard ? argv + i + 1 : NULL;
        return fcntl(ret->report, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
usage:
        fprintf(stderr, "usage: vss-hold %s --limit MS --report FD MAJOR:MINOR...%s\n", argv[1],
                guard ? " -- COMMAND [ARGUMENT...]" : "");
        return -EINVAL;
}

static int report_error(const Arguments *arguments, int error) {
        (void)dprintf(arguments->report, "error %d\n", -error);
        return EXIT_ERROR;
}

static void report_device(const Arguments *arguments, size_t i, uint64_t usec) {
        (void)dprintf(arguments->report, "%u:%u %llu\n", major(arguments->devices[i]),
                      minor(arguments->devices[i]), (unsigned long long)usec);
}

/* ---- guard ---- */

static void *guard_worker(void *data) {
        Worker *worker = data;

        word_wait(&worker->target->order, ORDER_NONE, 0);
        while (!target_settle(worker->target, !command_runs(worker->hold)))
                (void)usleep(HOLD_RETRY_USEC);
        atomic_store(&worker->target->settled, 1);
        bell_ring(worker->hold->actor_bell);
        return NULL;
}

/* Whoever ends it: no device waits for the command any more. */
static void guard_decide(Guard *guard, HoldCause cause) {
        HoldShared *shared = guard->hold->shared;

        (void)hold_decide(shared, cause);
        if (guard->ordered)
                return;
        guard->ordered = true;
        command_kill(guard->hold);
        for (uint32_t i = 0; i < shared->n_targets; i++)
                word_set(&shared->targets[i].order, ORDER_RELEASE);
}

/* Looks at every device. Return: when the first of those that are suspended is late */
static uint64_t guard_look(Guard *guard) {
        HoldShared *shared = guard->hold->shared;
        uint64_t deadline = guard->end_usec;

        for (uint32_t i = 0; i < shared->n_targets; i++) {
                HoldTarget *target = shared->targets + i;
                MapperState state;

                if (target->same_as != i)
                        continue;
                /* A device that is gone holds nobody. */
                if (mapper_state(target->fd, target->device, &state) < 0 || !state.suspended) {
                        uint64_t now = now_usec();

                        if (atomic_exchange(&target->frozen_usec, 0) > 0)
                                atomic_fetch_add(&target->suspended_usec, now - guard->runs_usec[i]);
                        guard->runs_usec[i] = now;
                        continue;
                }
                atomic_store(&target->frozen_usec, guard->runs_usec[i]);
                deadline = MIN(deadline, guard->runs_usec[i] + shared->limit_usec);
        }
        return deadline;
}

static void guard_watch_watcher(Guard *guard, uint64_t now) {
        Hold *hold = guard->hold;
        struct pollfd fd = { .fd = guard->watcher, .events = POLLIN };

        if (guard->watcher < 0 ||
            (poll(&fd, 1, 0) == 0 && !process_stands(hold->watcher_stat) &&
             !pulse_late(&guard->pulse, atomic_load(&hold->shared->watcher_beat), now)))
                return;
        guard_decide(guard, HOLD_CAUSE_WATCHER);
        (void)syscall(SYS_pidfd_send_signal, guard->watcher, SIGKILL, NULL, 0);
        (void)close(TAKE_FD(guard->watcher));
}

static void guard_wait(Guard *guard) {
        struct timespec timeout = { .tv_nsec = LOOK_NSEC };
        struct pollfd fds[] = {
                { .fd = guard->hold->actor_bell, .events = POLLIN },
                { .fd = guard->signals, .events = POLLIN },
                { .fd = guard->ordered ? -1 : guard->hold->command_fd, .events = POLLIN },
        };

        if (ppoll(fds, ELEMENTS(fds), &timeout, NULL) <= 0)
                return;
        if (fds[0].revents)
                bell_quiet(guard->hold->actor_bell);
        if (fds[1].revents) {
                struct signalfd_siginfo info;

                /* Whoever stops a unit asks everybody in it to end: the command knows best when it can. */
                (void)!read(guard->signals, &info, sizeof(info));
        }
}

static int guard_actor(Hold *hold, int watcher) {
        HoldShared *shared = hold->shared;
        Guard guard = { .hold = hold, .watcher = watcher, .end_usec = now_usec() + HOLD_LIMIT_MAX_USEC };
        int r = actor_arm(hold, guard_worker, &guard.signals);

        for (uint32_t i = 0; i < HOLD_TARGETS_MAX; i++)
                guard.runs_usec[i] = now_usec();
        if (r >= 0) {
                atomic_store(&shared->phase, PHASE_ARMED);
                bell_ring(hold->watcher_bell);
                (void)!write(hold->command_go, "", 1);
                hook_stop_at("guarding");
        }
        while (r >= 0) {
                uint64_t now, deadline = guard_look(&guard);

                atomic_store(&shared->deadline_usec, deadline);
                atomic_fetch_add(&shared->actor_beat, 1);
                now = now_usec();
                if (!command_runs(hold))
                        guard_decide(&guard, HOLD_CAUSE_ASKED);
                else if (now >= deadline)
                        guard_decide(&guard, HOLD_CAUSE_LIMIT);
                guard_watch_watcher(&guard, now);
                if (guard.ordered && hold_settled(shared))
                        break;
                guard_wait(&guard);
        }
        (void)guard_look(&guard);
        if (hold->recorded && hold_released(shared))
                (void)record_remove(hold->run_dir, hold->record_name);
        actor_part(hold, guard.watcher);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

_Noreturn static void command_main(char **command, int go) {
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        char byte;

        /* With a group of its own, so that what it starts can be ended with it. */
        (void)setpgid(0, 0);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0)
                _exit(EXIT_ERROR);
        if (read(go, &byte, 1) != 1)
                _exit(EXIT_ERROR);
        (void)close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
        (void)execvp(command[0], command);
        fprintf(stderr, "vss-hold: cannot run %s: %m\n", command[0]);
        _exit(127);
}

static int command_start(Hold *hold, char **command) {
        int pipes[2];

        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        hold->command = fork();
        if (hold->command < 0) {
                hold->command = 0;
                return -errno;
        }
        if (hold->command == 0) {
                (void)close(pipes[1]);
                command_main(command, pipes[0]);
        }
        (void)setpgid(hold->command, hold->command);
        (void)close(pipes[0]);
        hold->command_go = pipes[1];
        hold->command_fd = (int)syscall(SYS_pidfd_open, hold->command, 0);
        return hold->command_fd < 0 ? -errno : 0;
}

static int devices_take(Hold *hold, const Arguments *arguments) {
        int r = shared_new(&hold->shared);

        for (size_t i = 0; r >= 0 && i < arguments->n_devices; i++) {
                HoldRequest request = { .kind = VSS_HOLD_DEVICE, .device = arguments->devices[i] };
                HoldTarget *target = hold->shared->targets + i;

                target_prepare(target, &request, -1);
                target->same_as = (uint32_t)i;
                target->guarded = true;
                /* The command may suspend it at any time. */
                atomic_store(&target->state, TARGET_FREEZING);
                hold->shared->n_targets++;
                r = -target->preset_error;
                if (r >= 0)
                        r = target_check(target);
        }
        return r;
}

static int command_status(Hold *hold) {
        siginfo_t info = { .si_pid = 0 };

        closep(&hold->command_go);
        while (waitid(P_PID, (id_t)hold->command, &info, WEXITED) < 0)
                if (errno != EINTR)
                        return EXIT_ERROR;
        return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static int guard_run(const Arguments *arguments) {
        Hold hold = HOLD_EMPTY(-1, "");
        int status, r;
        uint32_t cause;

        (void)snprintf(hold.record_name, sizeof(hold.record_name), "%s%d", RECORD_GUARD_PREFIX, getpid());
        r = devices_take(&hold, arguments);
        if (r >= 0)
                r = command_start(&hold, arguments->command);
        if (r < 0)
                return report_error(arguments, r);
        (void)!chdir("/");
        status = hold_start(&hold, arguments->limit_usec, guard_actor);
        if (atomic_load(&hold.shared->arm_error) != 0) {
                (void)command_status(&hold);
                return report_error(arguments, -atomic_load(&hold.shared->arm_error));
        }
        cause = atomic_load(&hold.shared->cause);
        for (size_t i = 0; i < arguments->n_devices; i++)
                report_device(arguments, i, atomic_load(&hold.shared->targets[i].suspended_usec));
        if (cause == HOLD_CAUSE_LIMIT)
                (void)dprintf(arguments->report, "late\n");
        r = command_status(&hold);
        if (cause != HOLD_CAUSE_LIMIT && (cause != HOLD_CAUSE_ASKED || status != EXIT_SUCCESS))
                return report_error(arguments, -EOWNERDEAD);
        return cause == HOLD_CAUSE_LIMIT ? EXIT_LATE : r;
}

/* ---- swap ---- */

/* The next answer. Return: 0, or -errno */
static int answer_wait(int socket, uint64_t limit_usec, HoldReply *ret_reply) {
        struct pollfd fd = { .fd = socket, .events = POLLIN };
        int r;

        do
                r = poll(&fd, 1, (int)((limit_usec + ANSWER_USEC) / USEC_PER_MSEC));
        while (r < 0 && errno == EINTR);
        if (r == 0)
                return -ETIMEDOUT;
        return recv(socket, ret_reply, sizeof(*ret_reply), 0) == (ssize_t)sizeof(*ret_reply) ? 0
                                                                                             : -EOWNERDEAD;
}

/* ADD, ARM, FREEZE and CUT in turn. Return: 0 with RELEASED, or -errno. */
static int swap_ask(int socket, const Arguments *arguments, HoldReply *ret_reply) {
        static const HoldCommand commands[] = { HOLD_ARM, HOLD_FREEZE, HOLD_CUT };

        for (size_t i = 0; i < arguments->n_devices; i++) {
                HoldRequest request = { .command = HOLD_ADD,
                                        .kind = VSS_HOLD_DEVICE,
                                        .device = arguments->devices[i] };

                if (send(socket, &request, sizeof(request), MSG_NOSIGNAL) < 0)
                        return -errno;
        }
        FOREACH_ELEMENT (command, commands) {
                HoldRequest request = { .command = *command, .limit_usec = arguments->limit_usec };
                int r;

                if (send(socket, &request, sizeof(request), MSG_NOSIGNAL) < 0)
                        return -errno;
                r = answer_wait(socket, arguments->limit_usec, ret_reply);
                if (r < 0 || ret_reply->answer == HOLD_RELEASED)
                        return r;
        }
        return -EPROTO;
}

static int swap_run(const Arguments *arguments) {
        HoldReply reply = { .answer = 0 };
        int ends[2], r;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return report_error(arguments, -errno);
        pid = fork();
        if (pid == 0) {
                Hold hold = HOLD_EMPTY(HOLD_FD, "");

                hold.swap = true;
                (void)snprintf(hold.record_name, sizeof(hold.record_name), "%s%d", RECORD_GUARD_PREFIX,
                               getpid());
                if (ends[1] != HOLD_FD && dup2(ends[1], HOLD_FD) < 0)
                        _exit(EXIT_ERROR);
                _exit(hold_serve(&hold));
        }
        (void)close(ends[1]);
        r = pid < 0 ? -errno : swap_ask(ends[0], arguments, &reply);
        (void)close(ends[0]);
        if (pid > 0)
                (void)waitpid(pid, NULL, 0);
        if (r < 0)
                return report_error(arguments, r);
        for (size_t i = 0; i < arguments->n_devices; i++) {
                const HoldTargetReply *t = reply.targets + i;

                if (t->began_usec > 0 && t->released_usec > 0)
                        report_device(arguments, i, t->released_usec - t->began_usec);
                if (r == 0)
                        r = t->freeze_error != 0 ? -t->freeze_error : -t->cut_error;
        }
        if (reply.cause == HOLD_CAUSE_LIMIT) {
                (void)dprintf(arguments->report, "late\n");
                return EXIT_LATE;
        }
        if (r == 0 && reply.cause != HOLD_CAUSE_ASKED)
                r = -EOWNERDEAD;
        return r < 0 ? report_error(arguments, r) : EXIT_SUCCESS;
}

int guard_main(int argc, char **argv) {
        Arguments arguments;

        if (arguments_parse(argc, argv, &arguments) < 0)
                return 2;
        return arguments.command ? guard_run(&arguments) : swap_run(&arguments);
}
