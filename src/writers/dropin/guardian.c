/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Guardians: run the commands of one application, and let go whatever happens
 */

#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "writers/dropin/guardian.h"

#define ENVIRONMENT_MAX 16u
/* A held command that goes on after the end of its input gets SIGTERM. */
#define HOLD_END_USEC (1 * USEC_PER_SEC)

typedef struct Guardian {
        const DropIn *dropin;
        const GuardianContext *context;
        int fd; /* to the writer */
        char *home;
        bool frozen;
        uint64_t lease_usec;
        Command hold;
        bool hold_lost; /* it ended before it was told to */
        int hold_status;
} Guardian;

static void _printf_(3, 4) answer(Guardian *guardian, vss_result code, const char *format, ...) {
        GuardianReply reply = { .code = code };
        va_list args;

        va_start(args, format);
        (void)vsnprintf(reply.text, sizeof(reply.text), format, args);
        va_end(args);
        /* If the writer has gone, the end of the socket says so next. */
        (void)child_send(guardian->fd, &reply, offsetof(GuardianReply, text) + strlen(reply.text) + 1);
}

static void answer_ok(Guardian *guardian) {
        answer(guardian, VSS_S_OK, "%s", "");
}

static uint64_t timeout_usec(const Guardian *guardian) {
        return guardian->dropin->timeout_seconds * USEC_PER_SEC;
}

static void free_environment(char ***environment) {
        for (char **p = *environment; p && *p; p++)
                free(*p);
        free(*environment);
}

static void add_variable(char **environment, size_t *n, const char *name, const char *value) {
        if (asprintf(&environment[*n], "%s=%s", name, value) < 0)
                _exit(1);
        (*n)++;
}

/* Clean: nothing of the writer's own. */
static char **make_environment(const Guardian *guardian, const char *phase) {
        char **environment = calloc(ENVIRONMENT_MAX, sizeof(*environment));
        size_t n = 0;

        if (!environment)
                _exit(1);
        add_variable(environment, &n, "PATH",
                     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        add_variable(environment, &n, "LANG", "C.UTF-8");
        add_variable(environment, &n, "HOME", guardian->home);
        add_variable(environment, &n, "USER", guardian->dropin->user);
        add_variable(environment, &n, "LOGNAME", guardian->dropin->user);
        add_variable(environment, &n, "VSS_PHASE", phase);
        add_variable(environment, &n, "VSS_SET_ID", guardian->context->set_id);
        add_variable(environment, &n, "VSS_SESSION_ID", guardian->context->session_id);
        add_variable(environment, &n, "VSS_VOLUMES", guardian->context->volumes);
        add_variable(environment, &n, "VSS_BACKUP_TYPE", guardian->context->backup_type);
        if (guardian->context->restored)
                add_variable(environment, &n, "VSS_RESTORED", guardian->context->restored);
        if (guardian->context->clones)
                add_variable(environment, &n, "VSS_CLONES", guardian->context->clones);
        if (guardian->context->scratch)
                add_variable(environment, &n, "VSS_SCRATCH", guardian->context->scratch);
        return environment;
}

static const char *const phase_names[DROPIN_COMMANDS] = {
        [DROPIN_PREPARE] = "prepare",
        [DROPIN_HOLD] = "freeze",
        [DROPIN_FREEZE] = "freeze",
        [DROPIN_THAW] = "thaw",
        [DROPIN_POST_SNAPSHOT] = "post-snapshot",
        [DROPIN_BACKUP_COMPLETE] = "backup-complete",
        [DROPIN_PRE_RESTORE] = "pre-restore",
        [DROPIN_POST_RESTORE] = "post-restore",
        [DROPIN_VERIFY] = "verify",
};

static int start(Guardian *guardian, DropInCommand command, Command *ret_command) {
        _cleanup_(free_environment) char **environment = make_environment(guardian, phase_names[command]);

        return command_start(guardian->dropin->commands[command], environment, command == DROPIN_HOLD, -1,
                             ret_command);
}

static void describe_status(int status, char text[64]) {
        if (WIFSIGNALED(status))
                (void)snprintf(text, 64, "was ended by signal %d", WTERMSIG(status));
        else
                (void)snprintf(text, 64, "ended with status %d", WEXITSTATUS(status));
}

static void answer_status(Guardian *guardian, vss_result code, DropInCommand command, int status,
                          CommandOutput *out) {
        const char *text = command_output_text(out);
        char ending[64];

        describe_status(status, ending);
        answer(guardian, code, "%s: %s= %s%s%s", guardian->dropin->name, dropin_command_names[command],
               ending, text[0] ? ": " : "", text);
}

static void answer_late(Guardian *guardian, DropInCommand command, CommandOutput *out) {
        const char *text = command_output_text(out);

        answer(guardian, VSS_E_WRITERERROR_TIMEOUT, "%s: %s= did not end in time and was killed%s%s",
               guardian->dropin->name, dropin_command_names[command], text[0] ? ": " : "", text);
}

/* Run a command to its end, and answer. @mandatory: also when the writer goes away meanwhile. */
static bool run(Guardian *guardian, DropInCommand which, uint64_t limit_usec, bool mandatory) {
        Command command = COMMAND_NULL;
        int status = 0, r;
        bool ok = false;

        if (!guardian->dropin->commands[which]) {
                answer_ok(guardian);
                return true;
        }
        r = start(guardian, which, &command);
        if (r < 0) {
                answer(guardian, VSS_E_WRITERERROR_OUTOFRESOURCES, "%s: %s= cannot be started: %s",
                       guardian->dropin->name, dropin_command_names[which], strerror(-r));
                return false;
        }
        r = command_wait(&command, now_usec() + limit_usec, mandatory ? -1 : guardian->fd, false, &status);
        if (r < 0)
                answer_late(guardian, which, &command.out);
        else if (status != 0)
                answer_status(guardian, VSS_E_WRITERERROR_NONRETRYABLE, which, status, &command.out);
        else {
                ok = true;
                answer_ok(guardian);
        }
        command_clear(&command);
        return ok;
}

static void freeze_hold(Guardian *guardian, uint64_t limit_usec) {
        int status = 0, r;

        r = start(guardian, DROPIN_HOLD, &guardian->hold);
        if (r < 0) {
                answer(guardian, VSS_E_WRITERERROR_OUTOFRESOURCES, "%s: Hold= cannot be started: %s",
                       guardian->dropin->name, strerror(-r));
                return;
        }
        r = command_wait(&guardian->hold, now_usec() + limit_usec, guardian->fd, true, &status);
        if (r == 1) {
                answer_ok(guardian);
                return;
        }
        if (r == 0) {
                const char *text = command_output_text(&guardian->hold.out);
                char ending[64];

                describe_status(status, ending);
                answer(guardian, VSS_E_WRITERERROR_NONRETRYABLE, "%s: Hold= %s without saying READY%s%s",
                       guardian->dropin->name, ending, text[0] ? ": " : "", text);
        } else
                answer(guardian, VSS_E_WRITERERROR_TIMEOUT, "%s: Hold= did not say READY in time",
                       guardian->dropin->name);
}

/* The end of a held command: end of input, SIGTERM, SIGKILL. @out_status as of waitpid(). */
static int end_hold(Guardian *guardian, int *out_status) {
        uint64_t now = now_usec(), deadline = now + timeout_usec(guardian);
        int r;

        closep(&guardian->hold.input);
        guardian->hold.input = -1;
        r = command_wait(&guardian->hold, MIN(now + HOLD_END_USEC, deadline), -1, false, out_status);
        if (r == -ETIMEDOUT) {
                command_signal(&guardian->hold, SIGTERM);
                r = command_wait(&guardian->hold, deadline, -1, false, out_status);
                /* SIGTERM is one of the two agreed ways to let go. */
                if (r == 0 && WIFSIGNALED(*out_status) && WTERMSIG(*out_status) == SIGTERM)
                        *out_status = 0;
        }
        return r;
}

static void thaw_hold(Guardian *guardian) {
        int status = 0, r;

        if (guardian->hold_lost) {
                answer_status(guardian, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT, DROPIN_HOLD,
                              guardian->hold_status, &guardian->hold.out);
        } else if (guardian->hold.pid > 0) {
                r = end_hold(guardian, &status);
                if (r < 0)
                        answer_late(guardian, DROPIN_HOLD, &guardian->hold.out);
                else if (status != 0)
                        answer_status(guardian, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT, DROPIN_HOLD, status,
                                      &guardian->hold.out);
                else
                        answer_ok(guardian);
        } else
                answer_ok(guardian);
        command_clear(&guardian->hold);
}

static void thaw(Guardian *guardian) {
        guardian->frozen = false;
        if (guardian->dropin->commands[DROPIN_HOLD])
                thaw_hold(guardian);
        else
                (void)run(guardian, DROPIN_THAW, timeout_usec(guardian), true);
}

static void freeze(Guardian *guardian, const GuardianOrder *order) {
        uint64_t limit = order->limit_ms * USEC_PER_MSEC;

        guardian->frozen = true;
        guardian->lease_usec = now_usec() + order->lease_ms * USEC_PER_MSEC;
        if (guardian->dropin->commands[DROPIN_HOLD]) {
                freeze_hold(guardian, limit);
                if (!guardian->hold.out.ready) {
                        guardian->frozen = false;
                        command_clear(&guardian->hold);
                }
        } else if (!run(guardian, DROPIN_FREEZE, limit, false)) {
                /* Half frozen is frozen. The answer is out; nobody waits for this one. */
                guardian->fd = -1;
                thaw(guardian);
                _exit(1);
        }
}

/* A held command that ends by itself, or writes, while the writer has no orders. */
static void look_after_hold(Guardian *guardian) {
        command_drain(&guardian->hold);
        if (guardian->hold.pid <= 0 ||
            command_wait(&guardian->hold, now_usec() + 1000, -1, false, &guardian->hold_status) != 0)
                return;
        guardian->hold_lost = true;
        closep(&guardian->hold.pidfd);
        guardian->hold.pidfd = -1;
}

/* Return: false when it is time to go. */
static bool next_order(Guardian *guardian, uint64_t prepared_until_usec, GuardianOrder *ret_order) {
        for (;;) {
                uint64_t deadline = guardian->frozen ? guardian->lease_usec : prepared_until_usec;
                int fds[] = { guardian->fd, guardian->hold.pidfd, guardian->hold.output };
                bool ready[ELEMENTS(fds)] = { 0 };

                if (poll_any(fds, ELEMENTS(fds), deadline, ready) < 0)
                        return false;
                if (ready[1] || ready[2])
                        look_after_hold(guardian);
                if (ready[0])
                        return child_receive(guardian->fd, ret_order, sizeof(*ret_order), deadline) ==
                               (ssize_t)sizeof(*ret_order);
        }
}

static void serve(Guardian *guardian) {
        uint64_t prepared_until = now_usec() + GUARDIAN_PREPARE_SECONDS * USEC_PER_SEC;
        GuardianOrder order;

        while (next_order(guardian, prepared_until, &order)) {
                switch (order.order) {
                case GUARDIAN_RUN:
                        if (order.command < DROPIN_COMMANDS)
                                (void)run(guardian, order.command, order.limit_ms * USEC_PER_MSEC, false);
                        break;
                case GUARDIAN_FREEZE:
                        freeze(guardian, &order);
                        break;
                case GUARDIAN_THAW:
                        thaw(guardian);
                        break;
                default:
                        return;
                }
        }
        if (guardian->frozen)
                thaw(guardian);
}

int guardian_main(int fd, void *userdata) {
        const GuardianTask *task = userdata;
        Guardian guardian = {
                .dropin = task->dropin, .context = task->context, .fd = fd, .hold = COMMAND_NULL
        };
        const struct passwd *user;
        int r;

        /* Orders and the lease end it, not a signal that is meant for the writer. */
        (void)setsid();
        (void)signal(SIGTERM, SIG_IGN);
        (void)signal(SIGINT, SIG_IGN);
        (void)signal(SIGHUP, SIG_IGN);
        (void)signal(SIGPIPE, SIG_IGN);

        errno = 0;
        user = getpwnam(task->dropin->user);
        if (!user) {
                answer(&guardian, VSS_E_WRITERERROR_NONRETRYABLE, "%s: there is no user %s (%s, User=)",
                       task->dropin->name, task->dropin->user, task->dropin->path);
                return 1;
        }
        guardian.home = strdup(user->pw_dir);
        if (!guardian.home)
                return 1;
        r = child_become(user->pw_uid, user->pw_gid, task->dropin->user);
        if (r < 0) {
                answer(&guardian, VSS_E_WRITERERROR_NONRETRYABLE, "%s: it cannot become user %s: %s",
                       task->dropin->name, task->dropin->user, strerror(-r));
                return 1;
        }
        answer_ok(&guardian);
        serve(&guardian);
        return 0;
}
