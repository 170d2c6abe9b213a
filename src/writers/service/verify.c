/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service writer: is the data in the copy good?
 *
 * Verify= of a service is run once for each of its paths, as its user, with the clone of the path as its
 * directory. Without a command only the owner of the application could tell.
 */

#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "writers/common/clone.h"
#include "writers/common/command.h"
#include "writers/service/writer.h"

/* What is left of the event's time for the answer. */
#define ANSWER_USEC (2 * USEC_PER_SEC)

typedef struct VerifyTask {
        const Service *service;
        const char *directory, *path;
        uint64_t deadline_usec;
} VerifyTask;

typedef struct VerifyReply {
        int32_t failed;
        char text[COMMAND_OUTPUT_MAX + 256];
} VerifyReply;

static int _printf_(2, 3) reply_failed(int fd, const char *format, ...) {
        VerifyReply message = { .failed = 1 };
        va_list args;

        va_start(args, format);
        (void)vsnprintf(message.text, sizeof(message.text), format, args);
        va_end(args);
        return child_send(fd, &message, sizeof(message)) < 0;
}

static int reply_good(int fd) {
        const VerifyReply message = { .failed = 0 };

        return child_send(fd, &message, sizeof(message)) < 0;
}

static char *environment_word(const char *name, const char *value) {
        char *word;

        return asprintf(&word, "%s=%s", name, value) < 0 ? NULL : word;
}

/* As the user, in the clone. */
static int verify_main(int fd, void *userdata) {
        const VerifyTask *task = userdata;
        const struct passwd *user = getpwnam(task->service->user);
        char *environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LANG=C.UTF-8",
                                (char *)"VSS_PHASE=verify", environment_word("VSS_PATH", task->path), NULL };
        Command command = COMMAND_NULL;
        int status = 0, r;

        if (!user)
                return reply_failed(fd, "there is no user %s", task->service->user);
        r = child_become(user->pw_uid, user->pw_gid, user->pw_name);
        if (r < 0)
                return reply_failed(fd, "cannot become %s: %s", task->service->user, strerror(-r));
        if (chdir(task->directory) < 0)
                return reply_failed(fd, "%s is not in the copy: %s", task->path, strerror(errno));
        r = command_start(task->service->verify, environment, false, -1, &command);
        if (r >= 0)
                r = command_wait(&command, task->deadline_usec, fd, false, &status);
        command_drain(&command);
        command_signal(&command, SIGKILL);
        if (r == -ETIMEDOUT)
                return reply_failed(fd, "%s did not end in time", task->service->verify[0]);
        if (r < 0)
                return reply_failed(fd, "%s cannot be run: %s", task->service->verify[0], strerror(-r));
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return reply_good(fd);
        return reply_failed(fd, "%s of %s %s %d%s%s", task->service->verify[0], task->path,
                            WIFEXITED(status) ? "ended with status" : "was ended by signal",
                            WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                            command.out.n > 0 ? ": " : "", command_output_text(&command.out));
}

static bool verify_path(vss_writer_call *call, const Service *service, const char *path) {
        uint64_t deadline = event_deadline(call, UINT64_MAX / 2);
        char clone[PATH_MAX];
        VerifyTask task = { .service = service, .directory = clone, .path = path };
        VerifyReply answer = { .failed = 1, .text = "its checker ended without a word" };
        Child child = CHILD_NULL;
        int r;

        if (!clone_path(call, path, clone, sizeof(clone))) {
                service_fail(call, service, VSS_E_WRITERERROR_NONRETRYABLE, "%s is not in the copy", path);
                return false;
        }
        task.deadline_usec = deadline > ANSWER_USEC ? deadline - ANSWER_USEC : deadline;
        r = child_start(verify_main, &task, &child);
        if (r >= 0)
                (void)child_receive(child.fd, &answer, sizeof(answer), deadline);
        else
                (void)snprintf(answer.text, sizeof(answer.text), "there is no process for it: %s",
                               strerror(-r));
        child_kill(&child);
        if (answer.failed)
                service_fail(call, service, VSS_E_WRITERERROR_NONRETRYABLE, "%.*s",
                             (int)sizeof(answer.text) - 1, answer.text);
        return !answer.failed;
}

vss_result service_verify(vss_writer_call *call) {
        const ServiceWriter *writer = vss_writer_call_userdata(call);
        ServiceList services = { 0 };

        if (service_list_load(writer->conf_path, &services) < 0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                            "there is no memory for the services");
        for (size_t i = 0; i < services.n; i++) {
                const Service *service = &services.items[i];
                bool good = true;

                if (!service_is_chosen(call, service) ||
                    !vss_writer_call_is_path_affected(call, service->paths[0]))
                        continue;
                if (!service->verify) {
                        (void)vss_writer_call_add_note(
                                call, "", service->name,
                                "nothing is known about its files: it has no Verify=");
                        continue;
                }
                for (size_t k = 0; good && k < service->n_paths; k++)
                        good = verify_path(call, service, service->paths[k]);
                if (good)
                        (void)vss_writer_call_add_note(call, "", service->name, "%s found no fault",
                                                       service->verify[0]);
        }
        service_list_clear(&services);
        return VSS_S_OK;
}
