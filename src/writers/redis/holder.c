/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Holders: the child that talks to a server
 */

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include "util/clock.h"
#include "writers/redis/facts.h"
#include "writers/redis/holder.h"

#define ANSWER_USEC (2 * USEC_PER_SEC)
#define LOOK_USEC (700 * USEC_PER_MSEC)
#define THAW_USEC USEC_PER_SEC
#define PREPARE_NAP_USEC (20 * USEC_PER_MSEC)
#define DUE_WAIT_USEC (500 * USEC_PER_MSEC)
#define FREEZE_NAP_USEC 500u
#define REWRITE_NAP_USEC (5 * USEC_PER_MSEC)
/* A flush of what has been written already goes on by itself; the copy has it without. */
#define FLUSH_WAIT_USEC (20 * USEC_PER_MSEC)
/* How often a dump is asked about while its file is watched. */
#define ASK_USEC (10 * USEC_PER_MSEC)

typedef struct Task {
        const Product *product;
        const Settings *settings;
        const Instance *instance;
        pid_t broker;
        int fd;
        Server server;
        InstanceReply reply;
        FileMarks marks;
        InstanceFacts held; /* as they were at Freeze */
        bool paused;
        bool lost;        /* a renewal came too late, or not at all */
        uint64_t renewed; /* when the last one was sent */
        uint64_t until;   /* no longer than this */
        bool one_instant;
} Task;

static int _printf_(3, 4) fail(Task *task, vss_result code, const char *format, ...) {
        va_list args;
        int n = snprintf(task->reply.text, sizeof(task->reply.text), "%.200s: ", task->instance->name);

        va_start(args, format);
        (void)vsnprintf(task->reply.text + n, sizeof(task->reply.text) - (size_t)n, format, args);
        va_end(args);
        task->reply.code = code;
        return -1;
}

static int fail_with_server(Task *task, const char *what) {
        return fail(task, VSS_E_WRITERERROR_RETRYABLE, "%s: %s", what, task->server.why);
}

static void send_reply(Task *task) {
        if (child_send(task->fd, &task->reply, sizeof(task->reply)) < 0)
                _exit(1);
}

/* Nobody wants anything any more. */
static void nap(Task *task, uint64_t usec) {
        struct pollfd end = { .fd = task->fd };
        struct timespec time = { (time_t)(usec / USEC_PER_SEC), (long)(usec % USEC_PER_SEC * 1000) };

        if (ppoll(&end, 1, &time, NULL) > 0 && (end.revents & (POLLHUP | POLLERR))) {
                if (task->paused) {
                        task->server.deadline_usec = now_usec() + ANSWER_USEC;
                        (void)server_do(&task->server, "CLIENT", "UNPAUSE");
                }
                _exit(1);
        }
}

/* Who it is */

static void tell_missing(Task *task, const char *missing) {
        const Instance *instance = task->instance;
        const char *user = instance->user[0] ? instance->user : "linuxvss";

        (void)snprintf(task->reply.missing, sizeof(task->reply.missing), "%s", missing);
        (void)snprintf(
                task->reply.remedy, sizeof(task->reply.remedy),
                "ACL SETUSER %.60s on >PASSWORD +multi +discard +info +config|get +bgsave +client|pause "
                "+client|unpause%s%.200s",
                user, instance->password[0] ? "" : "; then User= and Password= in ",
                instance->password[0] ? "" : task->product->settings);
}

/* Of what it tells nobody while it loads. */
static int fail_to_answer(Task *task, int error) {
        if (error == -EAGAIN)
                return fail(task, VSS_E_WRITERERROR_RETRYABLE,
                            "it is loading its data (%.100s): try again when it has them", task->server.why);
        return fail_with_server(task, "it does not answer");
}

static int connect_server(Task *task) {
        const Instance *instance = task->instance;
        int r;

        r = server_connect(&task->server, instance->socket, instance->port);
        if (r < 0 && instance->socket[0] && instance->port) {
                server_close(&task->server);
                r = server_connect(&task->server, "", instance->port);
        }
        if (r < 0) {
                task->reply.down = r == -ECONNREFUSED || r == -ENOENT;
                return fail(task, VSS_E_WRITERERROR_RETRYABLE, "%s", task->server.why);
        }
        r = server_log_in(&task->server, instance->user, instance->password);
        if (r == -EACCES && !instance->user[0] && strstr(task->server.why, "without any password"))
                r = 0;
        if (r >= 0)
                r = facts_ask(&task->server, &task->reply.facts);
        if (r == -EACCES)
                tell_missing(task, "logging in, INFO and CONFIG GET");
        if (r == -ECONNRESET)
                return fail(task, VSS_E_WRITERERROR_RETRYABLE,
                            "it closes the connection at once (%.100s): it may be out of connections "
                            "(maxclients)",
                            task->server.why);
        return r < 0 ? fail_to_answer(task, r) : 0;
}

static int look(Task *task) {
        char missing[32];
        int r;

        if (connect_server(task) < 0)
                return -1;
        r = facts_check_rights(&task->server, missing, sizeof(missing));
        if (r == -EACCES) {
                tell_missing(task, missing);
                return fail(task, VSS_E_WRITERERROR_NONRETRYABLE, "it does not let its writer use %s",
                            missing);
        }
        return r < 0 ? fail_to_answer(task, r) : 0;
}

/* A child_main_fn. */
static int look_main(int fd, void *userdata) {
        Task *task = userdata;

        task->fd = fd;
        (void)signal(SIGPIPE, SIG_IGN);
        if (child_die_with_parent(task->broker) < 0)
                return 1;
        task->server.deadline_usec = now_usec() + LOOK_USEC;
        task->reply.code = VSS_S_OK;
        (void)look(task);
        send_reply(task);
        return 0;
}

const char *instance_is_behind(const InstanceFacts *facts, const Settings *settings, char *text,
                               size_t size) {
        if (facts->append_only)
                return NULL;
        if (!facts->saves)
                (void)snprintf(
                        text, size,
                        "it keeps nothing on disk (appendonly no, no save points): a copy has %s/%s as it "
                        "lies there, if at all; CONFIG SET appendonly yes makes it take part",
                        facts->dir, facts->dump);
        else if (facts->memory > (int64_t)settings->save_limit)
                (void)snprintf(text, size,
                               "it writes dumps only, and its %" PRId64
                               " MiB of data are too many to be saved while "
                               "writes wait (SaveLimitMiB=%" PRIu64
                               "): a copy has its last dump; CONFIG SET appendonly yes "
                               "makes copies of the moment",
                               facts->memory >> 20, settings->save_limit >> 20);
        else
                return NULL;
        return text;
}

/* PrepareSnapshot */

static int update(Task *task) {
        task->server.deadline_usec = now_usec() + ANSWER_USEC;
        if (facts_update(&task->server, &task->reply.facts) < 0)
                return fail_with_server(task, "it does not answer");
        return 0;
}

static int tell_failed_dump(Task *task) {
        const InstanceFacts *facts = &task->reply.facts;
        struct statvfs fs;

        if (statvfs(facts->dir, &fs) == 0 && fs.f_bavail * fs.f_frsize < (uint64_t)facts->memory)
                return fail(task, VSS_E_WRITERERROR_OUTOFRESOURCES,
                            "BGSAVE failed: %s has only %" PRIu64 " MiB left: make room there", facts->dir,
                            (uint64_t)(fs.f_bavail * fs.f_frsize) >> 20);
        return fail(task, VSS_E_WRITERERROR_RETRYABLE,
                    "BGSAVE failed: its log says why (no memory for a fork: vm.overcommit_memory=1; no room "
                    "in %s)",
                    facts->dir);
}

static bool did_dump_fail(Task *task) {
        _cleanup_(freep) char *info = NULL;
        char status[16];

        task->server.deadline_usec = now_usec() + ANSWER_USEC;
        return server_info(&task->server, "persistence", &info) < 0 ||
               !info_text(info, "rdb_last_bgsave_status", status, sizeof(status)) ||
               strcmp(status, "ok") != 0;
}

static int start_dump(Task *task) {
        if (server_do(&task->server, "BGSAVE") < 0)
                return fail_with_server(task, "BGSAVE");
        return 0;
}

/* The slow work: what is being written is waited for, and what is there is dumped, so that little is left.
 */
static int make_ready(Task *task) {
        InstanceFacts *facts = &task->reply.facts;
        /* A rewrite that is due may be put off for long after one that has failed. */
        uint64_t due_until = now_usec() + DUE_WAIT_USEC;
        bool started = false;

        for (;;) {
                bool rewrite;

                if (update(task) < 0)
                        return -1;
                rewrite = now_usec() < due_until ? facts_will_rewrite(facts) : facts->rewriting;
                if (facts->syncing)
                        return fail(task, VSS_E_WRITERERROR_RETRYABLE,
                                    "it is loading its data, or those of its master: try again when it has "
                                    "them");
                if (facts->append_only ? !rewrite : !facts->saving) {
                        if (started && did_dump_fail(task))
                                return tell_failed_dump(task);
                        if (started || facts->append_only || !facts->saves || facts->changes == 0)
                                return 0;
                        if (start_dump(task) < 0)
                                return -1;
                        started = true;
                }
                nap(task, PREPARE_NAP_USEC);
        }
}

/* Freeze */

static int queue_pause(Task *task) {
        char lease[16];

        (void)snprintf(lease, sizeof(lease), "%u", HOLDER_LEASE_MS);
        return server_queue(&task->server, "CLIENT", "PAUSE", lease, "WRITE");
}

/* With the first answer of INFO behind it. */
static int pause_writes(Task *task) {
        task->renewed = now_usec();
        if (queue_pause(task) < 0 || facts_queue(&task->server) < 0)
                return fail_with_server(task, "CLIENT PAUSE");
        task->paused = true;
        if (server_next(&task->server, NULL) < 0)
                return fail_with_server(task, "CLIENT PAUSE");
        if (facts_next(&task->server, &task->reply.facts) < 0)
                return fail_with_server(task, "INFO");
        return 0;
}

static void end_pause(Task *task) {
        task->server.deadline_usec = now_usec() + THAW_USEC;
        (void)server_do(&task->server, "CLIENT", "UNPAUSE");
        task->paused = false;
}

/* A rewrite replaces files, which a copy that is made file by file would have of both; writes need not wait
 * for it. */
static int wait_for_rewrite(Task *task, uint64_t deadline) {
        end_pause(task);
        while (facts_will_rewrite(&task->reply.facts)) {
                if (now_usec() >= deadline)
                        return fail(
                                task, VSS_E_WRITERERROR_TIMEOUT,
                                "it is rewriting its AOF, and the files of the copy are not of one instant: "
                                "try again");
                nap(task, REWRITE_NAP_USEC);
                if (update(task) < 0)
                        return -1;
        }
        return pause_writes(task);
}

/* What is written to the AOF has left the server's memory, and no other files take its place. */
static int settle_append(Task *task, uint64_t deadline) {
        InstanceFacts *facts = &task->reply.facts;
        uint64_t flush_until = now_usec() + FLUSH_WAIT_USEC;

        for (;;) {
                uint64_t now = now_usec();

                if (!task->one_instant && facts_will_rewrite(facts)) {
                        if (wait_for_rewrite(task, deadline) < 0)
                                return -1;
                        flush_until = now_usec() + FLUSH_WAIT_USEC;
                        continue;
                }
                if (facts->buffered == 0 && (facts->flushing == 0 || now >= flush_until))
                        return 0;
                if (now >= deadline)
                        return fail(
                                task, VSS_E_WRITERERROR_TIMEOUT,
                                "its disk did not take the AOF in time: try again when there is less load");
                nap(task, FREEZE_NAP_USEC);
                if (update(task) < 0)
                        return -1;
        }
}

/* The dump is of this moment: nothing has changed since, or one is made now, while nothing can. Its file is
 * watched rather than the server, which sees only ten times a second that its child has ended. */
static int settle_dump(Task *task, uint64_t deadline) {
        InstanceFacts *facts = &task->reply.facts;
        bool started = false;
        uint64_t asked = 0;
        FileMarks marks;

        for (;;) {
                file_marks_take(facts, &marks);
                if (started && !file_mark_equals(&marks.dump, &task->marks.dump))
                        break;
                if (now_usec() >= asked + ASK_USEC) {
                        if (asked && update(task) < 0)
                                return -1;
                        asked = now_usec();
                        if (!facts->saving && facts->changes == 0)
                                break;
                        if (!facts->saving && started && did_dump_fail(task))
                                return tell_failed_dump(task);
                        if (!facts->saving && !started) {
                                task->marks = marks;
                                if (start_dump(task) < 0)
                                        return -1;
                                started = true;
                        }
                }
                if (now_usec() >= deadline)
                        return fail(task, VSS_E_WRITERERROR_TIMEOUT,
                                    "its data could not be saved in %" PRIu64
                                    " ms while writes waited (FreezeLimit=), and the copy has an older "
                                    "dump: CONFIG SET "
                                    "appendonly yes needs no dump",
                                    task->settings->freeze_usec / 1000);
                nap(task, FREEZE_NAP_USEC);
        }
        task->marks = marks;
        return 0;
}

static int freeze(Task *task, const HolderOrder *order) {
        InstanceFacts *facts = &task->reply.facts;
        uint64_t deadline = now_usec() + MIN(order->limit_ms * USEC_PER_MSEC, task->settings->freeze_usec);
        char text[8];
        int r;

        task->one_instant = order->one_instant;
        task->until = now_usec() + HOLDER_HELD_SECONDS * USEC_PER_SEC;
        task->server.deadline_usec = now_usec() + MIN(order->limit_ms * USEC_PER_MSEC, ANSWER_USEC);
        if (instance_is_behind(facts, task->settings, text, sizeof(text))) {
                task->reply.instant = facts->saved;
                return 0;
        }
        r = pause_writes(task);
        if (r >= 0) {
                r = facts->append_only ? settle_append(task, deadline) : settle_dump(task, deadline);
                if (r >= 0 && facts->append_only)
                        file_marks_take(facts, &task->marks);
        }
        if (r < 0) {
                if (task->paused)
                        end_pause(task);
                return -1;
        }
        task->held = *facts;
        return 0;
}

/* Again and again while it is held. */
static void renew(Task *task) {
        uint64_t now = now_usec();

        if (!task->paused || task->lost)
                return;
        if (now >= task->until) {
                end_pause(task);
                task->lost = true;
                return;
        }
        task->server.deadline_usec = now + ANSWER_USEC;
        if (queue_pause(task) < 0 || server_next(&task->server, NULL) < 0 ||
            now_usec() - task->renewed >= HOLDER_LEASE_MS * USEC_PER_MSEC)
                task->lost = true;
        task->renewed = now;
}

/* Thaw */

static int tell_broken(Task *task, const char *what) {
        return fail(task, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT, "its writes were not held until Thaw: %s",
                    what);
}

/* What was read right behind the end of the pause, before any write that had waited. */
static int judge(Task *task, const InstanceFacts *now) {
        const InstanceFacts *then = &task->held;
        FileMarks marks;

        if (task->lost)
                return tell_broken(task, "it did not answer, or the pause was renewed too late");
        if (strcmp(now->run_id, then->run_id) != 0)
                return tell_broken(task, "it was started again");
        /* A dump that has ended takes from the changes what it has: all of them, if it was made under the
         * pause. */
        if (now->changes > then->changes ||
            (!then->append_only && now->changes != then->changes && now->changes != 0))
                return tell_broken(task, "data were changed");
        if (then->append_only && now->append_size != then->append_size && !now->rewriting &&
            !then->rewriting)
                return tell_broken(task, "its AOF was written");
        if (now->append_only != then->append_only)
                return tell_broken(task, "appendonly was changed");
        file_marks_take(then, &marks);
        if (task->one_instant)
                return 0;
        if (then->append_only ? !file_mark_equals(&marks.append, &task->marks.append) ||
                                        !file_mark_equals(&marks.append_dir, &task->marks.append_dir)
                              : !file_mark_equals(&marks.dump, &task->marks.dump))
                return tell_broken(task, "it has replaced its files");
        return 0;
}

static int thaw(Task *task) {
        InstanceFacts now = { 0 };
        int r;

        if (!task->paused)
                return task->lost ? tell_broken(task, "the pause had lasted for its longest time") : 0;
        task->server.deadline_usec = now_usec() + THAW_USEC;
        if (now_usec() - task->renewed >= HOLDER_LEASE_MS * USEC_PER_MSEC)
                task->lost = true;
        if (server_queue(&task->server, "CLIENT", "UNPAUSE") < 0 || facts_queue(&task->server) < 0)
                return tell_broken(task, task->server.why);
        r = server_next(&task->server, NULL);
        task->paused = false;
        if (r >= 0)
                r = facts_next(&task->server, &now);
        if (r < 0)
                return tell_broken(task, task->server.why);
        return judge(task, &now);
}

/* One that does not run */

/* Is it still down, and are its files as they were? */
static int look_down(Task *task, bool first) {
        const Instance *instance = task->instance;
        Server server = { .deadline_usec = now_usec() + ANSWER_USEC };
        FileMarks marks;
        bool up = server_connect(&server, instance->socket, instance->port) == 0;

        server_close(&server);
        if (!up)
                up = instance_has_process(task->product, instance);
        file_marks_take(&instance->reply.facts, &marks);
        if (first)
                task->marks = marks;
        if (up || !file_mark_equals(&marks.dump, &task->marks.dump) ||
            !file_mark_equals(&marks.append, &task->marks.append) ||
            !file_mark_equals(&marks.append_dir, &task->marks.append_dir))
                return fail(task, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT,
                            "it was started while the shadow copy was made: try again");
        return 0;
}

/* The child */

static int carry_out(Task *task, const HolderOrder *order) {
        if (task->instance->reply.down)
                return look_down(task, order->order == HOLDER_FREEZE);
        return order->order == HOLDER_FREEZE ? freeze(task, order) : thaw(task);
}

static int serve(Task *task) {
        for (;;) {
                HolderOrder order;
                ssize_t n = child_receive(task->fd, &order, sizeof(order),
                                          task->paused ? now_usec() + HOLDER_RENEW_MS * USEC_PER_MSEC
                                                       : UINT64_MAX);

                if (n == -EAGAIN) {
                        renew(task);
                        continue;
                }
                if (n != (ssize_t)sizeof(order)) {
                        if (task->paused)
                                end_pause(task);
                        return 1;
                }
                task->reply.code = VSS_S_OK;
                (void)carry_out(task, &order);
                send_reply(task);
                if (order.order == HOLDER_THAW || task->reply.code < 0)
                        return 0;
        }
}

/* A child_main_fn. It does not die with the writer, but lets go when the writer has gone. */
static int holder_main(int fd, void *userdata) {
        Task *task = userdata;

        task->fd = fd;
        (void)signal(SIGPIPE, SIG_IGN);
        (void)alarm(HOLDER_PREPARE_SECONDS + HOLDER_HELD_SECONDS);
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        task->server.deadline_usec = now_usec() + ANSWER_USEC;
        task->reply.code = VSS_S_OK;
        if (!task->instance->reply.down && look(task) == 0)
                (void)make_ready(task);
        send_reply(task);
        return task->reply.code < 0 ? 1 : serve(task);
}

int holder_start(bool look_only, const Product *product, const Settings *settings, const Instance *instance,
                 Child *ret_child) {
        Task task = {
                .product = product, .settings = settings, .instance = instance, .broker = getpid(), .fd = -1
        };

        return child_start(look_only ? look_main : holder_main, &task, ret_child);
}
