/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service writer: control groups from PrepareSnapshot to Thaw
 *
 * PrepareSnapshot has everything ready: files flushed, the group found and judged, a hold armed for it.
 * Freeze and Thaw are one message to each hold and its answer. Each service fails alone.
 */

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include "util/clock.h"
#include "writers/service/writer.h"

#define SYNC_USEC (60 * USEC_PER_SEC)
#define READY_USEC (5 * USEC_PER_SEC)
/* A group that has not come to stand by then has a process that waits for something. */
#define FREEZE_USEC (2 * USEC_PER_SEC)
#define THAW_USEC (5 * USEC_PER_SEC)
/* The window is over by then, or has been given up. */
#define LIMIT_USEC (60 * USEC_PER_SEC)
#define END_USEC (500 * USEC_PER_MSEC)

static const enum vss_application_level freeze_order[] = { VSS_APP_FRONT_END, VSS_APP_BACK_END,
                                                           VSS_APP_SYSTEM };

typedef struct SyncTask {
        const Service *service;
        pid_t parent;
} SyncTask;

void hold_let_go(ServiceWriter *writer) {
        bool well = true;

        /* All at once: closing its socket is the order to let go. */
        for (size_t i = 0; i < SERVICES_MAX; i++) {
                Guard *guard = &writer->members[i].guard;

                if (!writer->members[i].service)
                        continue;
                well = well && !writer->members[i].failed;
                if (guard->child.pid <= 0)
                        continue;
                closep(&guard->child.fd);
                guard->child.fd = -1;
        }
        for (size_t i = 0; i < SERVICES_MAX; i++) {
                Member *member = &writer->members[i];

                if (!member->service)
                        continue;
                guard_end(&member->guard, now_usec() + END_USEC);
                child_kill(&member->sync);
                closep(&member->dir);
                *member = (Member){ .service = NULL };
        }
        /* Where one may have died without a word, the keeper has to see to it. */
        if (well)
                child_kill(&writer->keeper);
        else
                child_leave(&writer->keeper);
        service_list_clear(&writer->services);
        writer->session[0] = '\0';
        writer->frozen = false;
}

static void _printf_(4, 5)
        fail_member(vss_writer_call *call, Member *member, vss_result code, const char *format, ...) {
        char text[1024];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        member->failed = true;
        guard_end(&member->guard, now_usec());
        service_fail(call, member->service, code, "%s", text);
}

/* ---- PrepareSnapshot */

/* What is in memory of its files is not in the group, and would not be in the copy of a device. */
static int sync_main(int fd, void *userdata) {
        const SyncTask *task = userdata;
        int32_t error = 0;

        if (child_die_with_parent(task->parent) < 0)
                return 1;
        for (size_t i = 0; error == 0 && i < task->service->n_paths; i++) {
                _cleanup_(closep) int dir = open(task->service->paths[i],
                                                 O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                if (dir < 0 || syncfs(dir) < 0)
                        error = errno;
        }
        return child_send(fd, &error, sizeof(error)) < 0;
}

static bool is_in_set(const vss_writer_call *call, const Service *service) {
        for (size_t i = 0; i < service->n_paths; i++)
                if (vss_writer_call_is_path_affected(call, service->paths[i]))
                        return service_is_chosen(call, service);
        return false;
}

/* The group, and whether it may be stopped. */
static void prepare_group(vss_writer_call *call, Member *member) {
        const Service *service = member->service;
        const char *needed;
        int r = 0;

        if (service->group)
                (void)snprintf(member->group, sizeof(member->group), "%s", service->group);
        else
                r = group_find(service->unit, member->group);
        if (r == -ENOENT)
                return; /* it does not run, and is looked at again */
        if (r < 0) {
                fail_member(call, member, VSS_E_WRITERERROR_NONRETRYABLE,
                            "the control group of %s cannot be found: %s", service->unit,
                            r == -EOPNOTSUPP ? "there is no cgroup v2 on this machine" : strerror(-r));
                return;
        }
        needed = vss_writer_call_group_is_needed(call, member->group);
        if (needed) {
                fail_member(call, member, VSS_E_WRITERERROR_NONRETRYABLE,
                            "%s is in the control group %s: stopping it would stop the backup itself",
                            needed, member->group);
                return;
        }
        member->dir = group_open(member->group);
        if (member->dir < 0 && member->dir != -ENOENT)
                fail_member(call, member, VSS_E_WRITERERROR_NONRETRYABLE,
                            "the control group %s cannot be opened: %s", member->group,
                            strerror(-member->dir));
        else if (member->dir >= 0 && !group_can_freeze(member->dir))
                fail_member(
                        call, member, VSS_E_WRITERERROR_NONRETRYABLE,
                        "the control group %s cannot be frozen: this wants cgroup v2 of Linux 5.2 or later",
                        member->group);
}

static void prepare_guard(const ServiceWriter *writer, vss_writer_call *call, Member *member) {
        int r;

        if (member->failed || member->dir < 0)
                return;
        r = guard_start(writer->hold_program, member->dir, member->group, LIMIT_USEC, &member->guard);
        if (r < 0)
                fail_member(call, member, VSS_E_WRITERERROR_OUTOFRESOURCES, "%s cannot be started: %s",
                            writer->hold_program, strerror(-r));
}

static void judge_ready(const ServiceWriter *writer, vss_writer_call *call, Member *member) {
        if (!member->service || member->failed || member->dir < 0 ||
            (member->guard.answer == HOLD_READY && !member->guard.awaited))
                return;
        fail_member(call, member, VSS_E_WRITERERROR_RETRYABLE, "%s is not ready to hold %s: %s",
                    writer->hold_program, member->group,
                    member->guard.awaited ? "it does not answer"
                    : member->guard.answer == HOLD_RELEASED
                            ? strerror(member->guard.reply.targets[0].freeze_error)
                            : "it has ended");
}

static void judge_sync(vss_writer_call *call, Member *member, uint64_t deadline_usec) {
        int32_t error = 0;
        ssize_t n;

        if (!member->service || member->sync.pid <= 0)
                return;
        n = child_receive(member->sync.fd, &error, sizeof(error), deadline_usec);
        child_kill(&member->sync);
        if (member->failed || (n == (ssize_t)sizeof(error) && error == 0))
                return;
        fail_member(call, member, VSS_E_WRITERERROR_RETRYABLE, "its files could not be flushed: %s",
                    n == -EAGAIN ? "the disk is too busy; try again at a quieter time"
                    : n < 0      ? "there is no answer"
                                 : strerror(error));
}

static size_t list_guards(ServiceWriter *writer, Guard **guards) {
        size_t n = 0;

        for (size_t i = 0; i < SERVICES_MAX; i++)
                if (writer->members[i].service && writer->members[i].guard.child.pid > 0)
                        guards[n++] = &writer->members[i].guard;
        return n;
}

/* Return: VSS_S_OK if any service is left, or if there was none to begin with. */
static vss_result sort_out(ServiceWriter *writer, vss_writer_call *call) {
        size_t n = 0, n_failed = 0;

        for (size_t i = 0; i < SERVICES_MAX; i++) {
                n += writer->members[i].service != NULL;
                n_failed += writer->members[i].service && writer->members[i].failed;
        }
        if (n == 0 || n_failed < n)
                return VSS_S_OK;
        hold_let_go(writer);
        return service_fail_all(call, n);
}

vss_result hold_prepare(ServiceWriter *writer, vss_writer_call *call) {
        uint64_t deadline = event_deadline(call, SYNC_USEC);
        Guard *guards[SERVICES_MAX];
        size_t n;

        for (size_t i = 0; i < writer->services.n; i++) {
                Member *member = &writer->members[i];
                SyncTask task = { .service = &writer->services.items[i], .parent = getpid() };

                if (!is_in_set(call, task.service))
                        continue;
                *member = (Member){
                        .service = task.service, .dir = -1, .guard = GUARD_NULL, .sync = CHILD_NULL
                };
                if (child_start(sync_main, &task, &member->sync) < 0)
                        fail_member(call, member, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                    "there is no process to flush its files");
                if (!member->failed)
                        prepare_group(call, member);
                prepare_guard(writer, call, member);
        }
        n = list_guards(writer, guards);
        guard_collect(guards, n, event_deadline(call, READY_USEC));
        for (size_t i = 0; i < SERVICES_MAX; i++)
                judge_ready(writer, call, &writer->members[i]);
        for (size_t i = 0; i < SERVICES_MAX; i++)
                judge_sync(call, &writer->members[i], deadline);
        n = list_guards(writer, guards);
        if (n > 0 && keeper_start(writer->hold_program, guards, n, LIMIT_USEC, &writer->keeper) < 0) {
                hold_let_go(writer);
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                            "there is no process to watch over what is held");
        }
        return sort_out(writer, call);
}

/* ---- Freeze */

/* Nothing runs, and so nothing has to be held: true as long as nothing is started. */
static bool is_down(const Member *member) {
        char path[GROUP_PATH_SIZE];
        _cleanup_(closep) int dir = -1;

        if (member->service->group)
                dir = group_open(member->service->group);
        else
                dir = group_find(member->service->unit, path) == 0 ? group_open(path) : -ENOENT;
        return dir == -ENOENT || (dir >= 0 && group_is_populated(dir) == 0);
}

static void judge_freeze(vss_writer_call *call, Member *member) {
        int error = member->guard.reply.targets[0].freeze_error;

        if (member->guard.answer == HOLD_HELD) {
                member->held = true;
                return;
        }
        if (member->guard.awaited)
                fail_member(
                        call, member, VSS_E_WRITERERROR_TIMEOUT,
                        "the processes of %s did not stop in %u s: one of them waits in the kernel, for a "
                        "disk or the network; they go on",
                        member->group, (unsigned)(FREEZE_USEC / USEC_PER_SEC));
        else if (member->guard.answer == HOLD_RELEASED && error == EBUSY)
                fail_member(
                        call, member, VSS_E_WRITERERROR_RETRYABLE,
                        "somebody else has frozen %s (systemctl freeze, cgroup.freeze): let it run, and try "
                        "again",
                        member->group);
        else if (member->guard.answer == HOLD_RELEASED && error == ENODEV)
                fail_member(call, member, VSS_E_WRITERERROR_RETRYABLE,
                            "%s was stopped while it was to be held: try again", member->group);
        else
                fail_member(call, member, VSS_E_WRITERERROR_RETRYABLE, "%s could not be held: %s",
                            member->group,
                            member->guard.answer == HOLD_RELEASED && error != 0 ? strerror(error)
                                                                                : "its hold has ended");
}

static void freeze_level(ServiceWriter *writer, vss_writer_call *call, enum vss_application_level level) {
        Guard *guards[SERVICES_MAX];
        size_t n = 0;

        for (size_t i = 0; i < SERVICES_MAX; i++) {
                Member *member = &writer->members[i];

                if (!member->service || member->failed || member->dir < 0 || member->service->level != level)
                        continue;
                guard_ask(&member->guard, HOLD_FREEZE);
                guards[n++] = &member->guard;
        }
        guard_collect(guards, n, event_deadline(call, FREEZE_USEC));
        for (size_t i = 0; i < SERVICES_MAX; i++) {
                Member *member = &writer->members[i];

                if (member->service && !member->failed && member->dir >= 0 &&
                    member->service->level == level)
                        judge_freeze(call, member);
        }
}

vss_result hold_freeze(ServiceWriter *writer, vss_writer_call *call) {
        writer->frozen = true;
        if (writer->keeper.pid > 0)
                (void)child_send(writer->keeper.fd, "f", 1);
        FOREACH_ELEMENT (level, freeze_order)
                freeze_level(writer, call, *level);
        for (size_t i = 0; i < SERVICES_MAX; i++) {
                Member *member = &writer->members[i];

                if (member->service && !member->failed && member->dir < 0 && !is_down(member))
                        fail_member(call, member, VSS_E_WRITERERROR_RETRYABLE,
                                    "%s was started while the backup began: try again",
                                    member->service->unit ?: member->service->group);
        }
        return sort_out(writer, call);
}

/* ---- Thaw */

static void judge_thaw(vss_writer_call *call, Member *member) {
        const vss_result code = VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT;
        const Guard *guard = &member->guard;

        if (guard->awaited || guard->answer != HOLD_RELEASED)
                fail_member(call, member, code,
                            "the processes that held %s were killed: it may have run before "
                            "the copy was made",
                            member->group);
        else if (guard->reply.cause == HOLD_CAUSE_LIMIT)
                fail_member(call, member, code, "%s ran again after %u s, before the copy was made",
                            member->group, (unsigned)(LIMIT_USEC / USEC_PER_SEC));
        else if (guard->reply.cause != HOLD_CAUSE_ASKED)
                fail_member(
                        call, member, code,
                        "a process that held %s died or was stopped: it ran again before the copy was made",
                        member->group);
        else if (guard->reply.targets[0].release_error == EINVAL)
                fail_member(call, member, code, "somebody let %s run before the copy was made",
                            member->group);
        else if (guard->reply.targets[0].release_error != 0)
                fail_member(call, member, VSS_E_WRITERERROR_NONRETRYABLE, "%s could not be let go: %s",
                            member->group, strerror(guard->reply.targets[0].release_error));
}

static void thaw_level(ServiceWriter *writer, uint64_t deadline_usec, enum vss_application_level level) {
        Guard *guards[SERVICES_MAX];
        size_t n = 0;

        for (size_t i = 0; i < SERVICES_MAX; i++) {
                Member *member = &writer->members[i];

                if (!member->service || !member->held || member->failed || member->service->level != level)
                        continue;
                /* It may have said that it let go, long before it was asked. */
                guard_ask(&member->guard, HOLD_RELEASE);
                guards[n++] = &member->guard;
        }
        guard_collect(guards, n, deadline_usec);
}

vss_result hold_thaw(ServiceWriter *writer, vss_writer_call *call) {
        uint64_t deadline = event_deadline(call, THAW_USEC);

        for (size_t i = ELEMENTS(freeze_order); i > 0; i--)
                thaw_level(writer, deadline, freeze_order[i - 1]);
        for (size_t i = 0; i < SERVICES_MAX; i++) {
                Member *member = &writer->members[i];

                if (!member->service || member->failed)
                        continue;
                if (member->held)
                        judge_thaw(call, member);
                else if (!is_down(member))
                        fail_member(call, member, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT,
                                    "%s was started while the copy was made: try again",
                                    member->service->unit ?: member->service->group);
        }
        hold_let_go(writer);
        return VSS_S_OK;
}
