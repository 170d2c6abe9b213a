/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is restored or verified
 */

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include "util/clock.h"
#include "writers/openldap/ask.h"
#include "writers/openldap/environment.h"
#include "writers/openldap/target.h"
#include "writers/openldap/writer.h"

#define ASK_AGAIN_USEC 10000u
#define ASK_USEC (2 * USEC_PER_SEC)
/* What a child that hangs is waited for beyond its own deadline. */
#define PROBE_GRACE_USEC (500 * USEC_PER_MSEC)

vss_result target_fail(vss_writer_call *call, const Target *target, vss_result code, const char *format,
                       ...) {
        LdapWriter *writer = vss_writer_call_userdata(call);
        va_list args;

        va_start(args, format);
        (void)vsnprintf(writer->failure, sizeof(writer->failure), format, args);
        va_end(args);
        (void)vss_writer_call_fail_component(call, target->logical_path, COMPONENT_NAME, code, "%s",
                                             writer->failure);
        return code;
}

void target_done(Target *target) {
        record_done(&target->record);
}

static int record_found(const Instance *instance, const char *version, Record *ret_record) {
        _cleanup_(freep) char *text = NULL;
        int r = record_begin(instance, version, &text);

        for (size_t i = 0; r >= 0 && i < instance->n_databases; i++)
                r = record_add_database(&instance->databases[i], UINT64_MAX, UINT64_MAX, &text);
        return r < 0 ? r : record_parse(text, ret_record);
}

vss_result target_find(vss_writer_call *call, const vss_value *component, const InstanceList *found,
                       Target *ret_target) {
        Target target = {
                .component = component,
                .logical_path = vss_value_get_string(component, "logical-path", ""),
        };
        const char *text = vss_value_get_string(component, "backup-metadata", "");
        const Instance *instance = instance_find(found, target.logical_path);
        int r;

        if (text[0])
                r = record_parse(text, &target.record);
        else if (instance)
                r = record_found(instance, "", &target.record);
        else
                return target_fail(call, &target, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "the backup does not say where the databases of /%s were, and there is "
                                   "no such server "
                                   "here: restore slapd.d first, then again",
                                   target.logical_path);
        if (r < 0 || strcmp(target.record.config + 1, target.logical_path) != 0) {
                record_done(&target.record);
                return target_fail(call, &target, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "what the backup says of this component cannot be understood");
        }
        target.recorded = text[0] != '\0';
        target.pid = instance ? instance->pid : 0;
        target.conf_file = instance ? instance->conf_file : false;
        /* As it is here now, where it is known. */
        if (instance && instance->unit[0])
                (void)snprintf(target.record.unit, sizeof(target.record.unit), "%s", instance->unit);
        if (instance && instance->url[0])
                (void)snprintf(target.record.url, sizeof(target.record.url), "%s", instance->url);
        *ret_target = target;
        return VSS_S_OK;
}

/* "20261122111102.098036Z#000000#001#000000": the third part is who. */
static const char *csn_server(const char *csn, size_t n) {
        const char *first = memchr(csn, '#', n), *second;

        second = first ? memchr(first + 1, '#', n - (size_t)(first + 1 - csn)) : NULL;
        return second && (size_t)(second - csn) + 4 <= n ? second + 1 : NULL;
}

bool csn_covers(const char *have, const char *want) {
        for (; *want; want += strcspn(want, " "), want += *want == ' ') {
                size_t n = strcspn(want, " ");
                const char *server = csn_server(want, n);
                bool found = false;

                for (const char *at = have; *at && !found; at += strcspn(at, " "), at += *at == ' ') {
                        size_t m = strcspn(at, " ");
                        const char *other = csn_server(at, m);

                        found = server && other && strncmp(server, other, 3) == 0 &&
                                strncmp(at, want, MIN(n, m)) >= 0;
                }
                if (!found)
                        return false;
        }
        return true;
}

/* ---- the child ---- */

static int do_ask(const Probe *what, ProbeAnswer *answer) {
        _cleanup_(ask_close) LdapConnection *connection = NULL;
        int r;

        if (what->what == PROBE_ALIVE)
                return ask_alive(what->url, what->deadline_usec);
        r = ask_open(what->url, what->deadline_usec, &connection);
        if (r < 0)
                return r;
        return ask_context_csn(connection, what->suffix, what->deadline_usec, answer->text,
                               sizeof(answer->text));
}

typedef struct ProbeTask {
        const Probe *what;
        pid_t parent;
} ProbeTask;

static int probe_main(int fd, void *userdata) {
        const ProbeTask *task = userdata;
        ProbeAnswer answer = { .txnid = UINT64_MAX, .entries = UINT64_MAX };
        EnvironmentState state;

        if (child_die_with_parent(task->parent) < 0)
                return 1;
        if (task->what->what == PROBE_DATABASE || task->what->what == PROBE_COUNT) {
                answer.error = environment_look(task->what->path, task->what->what == PROBE_COUNT, &state,
                                                answer.text);
                if (answer.error == 0) {
                        answer.txnid = state.txnid;
                        answer.entries = state.entries;
                }
        } else
                answer.error = do_ask(task->what, &answer);
        return child_send(fd, &answer, sizeof(answer)) < 0;
}

int probe(const Probe *what, ProbeAnswer *ret_answer) {
        ProbeTask task = { .what = what, .parent = getpid() };
        Child child = CHILD_NULL;
        ssize_t n;
        int r;

        *ret_answer = (ProbeAnswer){ 0 };
        r = child_start(probe_main, &task, &child);
        if (r < 0)
                return r;
        n = child_receive(child.fd, ret_answer, sizeof(*ret_answer), what->deadline_usec + PROBE_GRACE_USEC);
        child_kill(&child);
        if (n == (ssize_t)sizeof(*ret_answer)) {
                ret_answer->text[sizeof(ret_answer->text) - 1] = '\0';
                if (ret_answer->error < 0 && !ret_answer->text[0])
                        (void)snprintf(ret_answer->text, sizeof(ret_answer->text), "%s",
                                       strerror(-ret_answer->error));
                return ret_answer->error;
        }
        *ret_answer = (ProbeAnswer){ .error = n == -EAGAIN ? -ETIMEDOUT : -EBADMSG };
        (void)snprintf(ret_answer->text, sizeof(ret_answer->text), "%.1000s: %s", what->path ?: what->url,
                       n == -EAGAIN ? "it could not be looked at in time"
                                    : "it is damaged: whoever reads it dies from it");
        return ret_answer->error;
}

int probe_database(const RecordDatabase *recorded, const char *directory, bool count, uint64_t deadline_usec,
                   ProbeAnswer *ret_answer) {
        Probe what = { .what = count ? PROBE_COUNT : PROBE_DATABASE,
                       .path = directory,
                       .deadline_usec = deadline_usec };
        int r = probe(&what, ret_answer);

        if (r < 0)
                return r;
        if (recorded->txnid != UINT64_MAX && ret_answer->txnid != recorded->txnid) {
                (void)snprintf(ret_answer->text, sizeof(ret_answer->text),
                               "the database in %.1000s is at transaction %" PRIu64 ", and was at %" PRIu64
                               " when it was held",
                               directory, ret_answer->txnid, recorded->txnid);
                return -EBADMSG;
        }
        if (recorded->entries != UINT64_MAX && ret_answer->entries != recorded->entries) {
                (void)snprintf(ret_answer->text, sizeof(ret_answer->text),
                               "the database in %.1000s has %" PRIu64 " entries, and had %" PRIu64
                               " when it was held",
                               directory, ret_answer->entries, recorded->entries);
                return -EBADMSG;
        }
        return 0;
}

static int wait_alive(const char *url, uint64_t deadline_usec, ProbeAnswer *ret_answer) {
        for (;;) {
                Probe what = { .what = PROBE_ALIVE, .url = url };
                int r;

                what.deadline_usec = MIN(deadline_usec, now_usec() + ASK_USEC);
                r = probe(&what, ret_answer);
                if (r >= 0 || now_usec() >= deadline_usec)
                        return r;
                (void)usleep(ASK_AGAIN_USEC);
        }
}

/* What slapd keeps of it in memory is not in any copy, and is lost when it is killed: its data are not. */
static int probe_csn(const RecordDatabase *database, const char *url, uint64_t deadline_usec,
                     ProbeAnswer *ret_answer) {
        Probe what = {
                .what = PROBE_CSN, .url = url, .suffix = database->suffix, .deadline_usec = deadline_usec
        };
        char got[512];
        int r = probe(&what, ret_answer);

        if (r < 0 || csn_covers(ret_answer->text, database->csn))
                return r;
        (void)snprintf(got, sizeof(got), "%.500s", ret_answer->text);
        (void)snprintf(
                ret_answer->text, sizeof(ret_answer->text),
                "the contextCSN of %.500s is %s, and was %.500s before the backup: slapd writes it down "
                "only "
                "when it ends or is told to (syncprov-checkpoint); with the next change it is right",
                database->suffix, got, database->csn);
        return 1;
}

int probe_server(const Record *record, const char *url, uint64_t deadline_usec, ProbeAnswer *ret_answer) {
        int r = wait_alive(url, deadline_usec, ret_answer);
        bool behind = false;

        for (size_t i = 0; r >= 0 && i < record->n; i++) {
                ProbeAnswer answer;

                if (!record->databases[i].csn[0])
                        continue;
                r = probe_csn(&record->databases[i], url, deadline_usec, &answer);
                /* The first that is behind is told; whatever is worse counts for more. */
                if (r < 0 || !behind)
                        *ret_answer = answer;
                behind = behind || r > 0;
        }
        return r < 0 ? r : behind;
}
