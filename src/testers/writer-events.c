/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The test writer's events: each is written down, fails if its file says so, and has its part in the test
 */

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include "testers/writer.h"
#include "util/clock.h"

/* Lines go to the file at once, but between Freeze and Thaw: then a writer must not write. */
static void flush_log(TestWriter *writer) {
        _cleanup_(closep) int fd = -1;

        if (writer->frozen || writer->n_log == 0 || !writer->conf.log)
                return;
        fd = open(writer->conf.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0 || write(fd, writer->log, writer->n_log) != (ssize_t)writer->n_log)
                (void)fprintf(stderr, "vss-test-writer: %s: %m\n", writer->conf.log);
        writer->n_log = 0;
}

void test_writer_log(TestWriter *writer, const char *format, ...) {
        char text[4096 + 512];
        va_list args;
        size_t room = sizeof(writer->log) - writer->n_log;
        int n;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        n = snprintf(writer->log + writer->n_log, room, "%llu %s %s\n", (unsigned long long)now_usec(),
                     writer->label, text);
        if (n > 0 && (size_t)n < room)
                writer->n_log += (size_t)n;
        if (writer->n_log > sizeof(writer->log) / 2)
                flush_log(writer);
}

/* The usual directory of the log is gone at each boot. */
static void make_parent(const char *path) {
        char directory[4096];
        const char *slash = strrchr(path, '/');

        if (snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path) <
            (int)sizeof(directory))
                (void)mkdir(directory, 0755);
}

int test_writer_load(TestWriter *writer, ConfError *error) {
        _cleanup_test_writer_conf_ TestWriterConf conf = { 0 };
        struct stat st;
        int r;

        if (stat(writer->conf_path, &st) == 0 && st.st_ino == writer->conf_stat.st_ino &&
            st.st_dev == writer->conf_stat.st_dev && st.st_size == writer->conf_stat.st_size &&
            st.st_mtim.tv_sec == writer->conf_stat.st_mtim.tv_sec &&
            st.st_mtim.tv_nsec == writer->conf_stat.st_mtim.tv_nsec)
                return 0;
        r = test_writer_conf_read(writer->conf_path, error, &conf);
        if (r < 0)
                return r;
        test_writer_conf_clear(&writer->conf);
        writer->conf = conf;
        conf = (TestWriterConf){ 0 };
        writer->conf_stat = st;
        make_parent(writer->conf.log);
        memset(writer->failed, 0, sizeof(writer->failed));
        writer->random = writer->conf.seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
        return 0;
}

static uint64_t next_random(TestWriter *writer) {
        writer->random ^= writer->random << 13;
        writer->random ^= writer->random >> 7;
        writer->random ^= writer->random << 17;
        return writer->random;
}

static vss_result choose_code(TestWriter *writer, const TestFailure *failure) {
        static const vss_result retryable[] = {
                VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT,
                VSS_E_WRITERERROR_OUTOFRESOURCES,
                VSS_E_WRITERERROR_TIMEOUT,
                VSS_E_WRITERERROR_RETRYABLE,
        };

        return failure->retryable ? retryable[next_random(writer) % ELEMENTS(retryable)]
                                  : VSS_E_WRITERERROR_NONRETRYABLE;
}

static vss_result fail_as(TestWriter *writer, vss_writer_call *call, const TestFailure *failure,
                          vss_result code) {
        const char *event = field_name(field_events, failure->event);

        if (failure->component) {
                const char *slash = strrchr(failure->component, '/');
                char logical_path[4096] = "";

                if (slash)
                        (void)snprintf(logical_path, sizeof(logical_path), "%.*s",
                                       (int)(slash - failure->component), failure->component);
                (void)vss_writer_call_set_failure(call, logical_path, slash ? slash + 1 : failure->component,
                                                  code, (int32_t)failure->application_code,
                                                  failure->message);
                return VSS_S_OK;
        }
        if (failure->application_code)
                (void)vss_writer_call_set_application_failure(call, (int32_t)failure->application_code, "%s",
                                                              failure->message);
        if (failure->veto)
                return vss_writer_call_veto(call, code, "%s vetoes %s: %s", writer->label, event,
                                            failure->message);
        return vss_writer_call_fail(call, code, "%s fails at %s: %s", writer->label, event,
                                    failure->message);
}

/* What the file wants of this event. */
static vss_result play_failures(TestWriter *writer, vss_writer_call *call, TestEvent event) {
        vss_result result = VSS_S_OK;

        for (size_t i = 0; result >= 0 && i < writer->conf.n_failures; i++) {
                const TestFailure *failure = &writer->conf.failures[i];
                vss_result code;

                if (failure->event != (int)event ||
                    (failure->failures > 0 && writer->failed[i] >= failure->failures))
                        continue;
                writer->failed[i]++;
                code = choose_code(writer, failure);
                test_writer_log(writer, "fails %s %s %lu", field_name(field_events, event),
                                vss_result_name(code), writer->failed[i]);
                result = fail_as(writer, call, failure, code);
        }
        return result;
}

/* What came with each component, as far as requesters say it. */
static void log_components(TestWriter *writer, vss_writer_call *call) {
        static const char *const texts[] = { "backup-options",  "previous-stamp",  "stamp",
                                             "backup-metadata", "restore-options", "restore-name",
                                             "restore-metadata" };

        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                const vss_value *c = vss_writer_call_component(call, i);
                const char *path = vss_value_get_string(c, "logical-path", "");
                char line[4096];
                int n;

                n = snprintf(line, sizeof(line), "component %s%s%s", path, path[0] ? "/" : "",
                             vss_value_get_string(c, "name", "?"));
                if (vss_value_get(c, "succeeded"))
                        n += snprintf(line + n, sizeof(line) - (size_t)n, " succeeded=%s",
                                      vss_value_get_boolean(c, "succeeded", false) ? "yes" : "no");
                if (vss_value_get(c, "file-restore-status"))
                        n += snprintf(line + n, n < (int)sizeof(line) ? sizeof(line) - (size_t)n : 0,
                                      " status=%d", (int)vss_value_get_integer(c, "file-restore-status", 0));
                FOREACH_ELEMENT (key, texts) {
                        const char *text = vss_value_get_string(c, *key, NULL);

                        if (text && n < (int)sizeof(line))
                                n += snprintf(line + n, sizeof(line) - (size_t)n, " %s=\"%s\"", *key, text);
                }
                test_writer_log(writer, "%s", line);
        }
}

/* What all events have in common: the line at their begin, their file, their failures. */
static vss_result begin(vss_writer_call *call, TestEvent event) {
        TestWriter *writer = vss_writer_call_userdata(call);
        ConfError error = { 0 };

        if (event != TEST_THAW && event != TEST_ABORT && event != TEST_FREEZE &&
            test_writer_load(writer, &error) < 0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE, "%s, line %u: %s",
                                            writer->conf_path, error.line, error.message);
        test_writer_log(writer, "%s begin session=%s set=%s type=%s", field_name(field_events, event),
                        vss_writer_call_session_id(call), vss_writer_call_set_id(call),
                        field_name(field_backup_types, vss_writer_call_backup_type(call)));
        if (event != TEST_IDENTIFY && event != TEST_FREEZE && event != TEST_THAW)
                log_components(writer, call);
        if (event == TEST_FREEZE)
                writer->frozen = true;
        if (event == TEST_THAW || event == TEST_ABORT)
                writer->frozen = false;
        flush_log(writer);
        return play_failures(writer, call, event);
}

static vss_result end(vss_writer_call *call, TestEvent event, vss_result result) {
        TestWriter *writer = vss_writer_call_userdata(call);

        test_writer_log(writer, "%s end %s", field_name(field_events, event), vss_result_name(result));
        flush_log(writer);
        return result;
}

static vss_result on_identify(vss_writer_call *call, vss_metadata *metadata) {
        vss_result r = begin(call, TEST_IDENTIFY);

        if (r >= 0)
                r = test_writer_describe(vss_writer_call_userdata(call), call, metadata);
        return end(call, TEST_IDENTIFY, r);
}

#define DEFINE_EVENT(function, event)                        \
        static vss_result function(vss_writer_call *call) {  \
                return end(call, event, begin(call, event)); \
        }

DEFINE_EVENT(on_prepare_backup, TEST_PREPARE_FOR_BACKUP)
DEFINE_EVENT(on_prepare_snapshot, TEST_PREPARE_FOR_SNAPSHOT)
DEFINE_EVENT(on_freeze, TEST_FREEZE)
DEFINE_EVENT(on_thaw, TEST_THAW)
DEFINE_EVENT(on_abort, TEST_ABORT)
DEFINE_EVENT(on_backup_complete, TEST_BACKUP_COMPLETE)
DEFINE_EVENT(on_backup_shutdown, TEST_BACKUP_SHUTDOWN)

/* Does something apply to this kind of backup? A copy is as full as a full one. */
static bool applies(uint32_t backups, enum vss_backup_type type) {
        switch (type) {
        case VSS_BT_INCREMENTAL:
                return backups & VSS_FSBT_INCREMENTAL_BACKUP_REQUIRED;
        case VSS_BT_DIFFERENTIAL:
                return backups & VSS_FSBT_DIFFERENTIAL_BACKUP_REQUIRED;
        case VSS_BT_LOG:
                return backups & VSS_FSBT_LOG_BACKUP_REQUIRED;
        default:
                return backups & VSS_FSBT_FULL_BACKUP_REQUIRED;
        }
}

static vss_result leave_files(vss_writer_call *call, const TestComponent *c) {
        enum vss_backup_type type = vss_writer_call_backup_type(call);
        vss_result r = VSS_S_OK;

        for (size_t i = 0; r >= 0 && i < c->n_partial_files; i++) {
                const TestPartialFile *p = &c->partial_files[i];

                if (applies(p->backups, type) && vss_writer_call_partial_file_support(call))
                        r = vss_writer_call_add_partial_file(call, c->logical_path, c->name, p->path,
                                                             p->filespec, p->ranges, p->metadata);
        }
        for (size_t i = 0; r >= 0 && i < c->n_differenced_files; i++) {
                const TestDifferencedFiles *d = &c->differenced_files[i];

                if (applies(d->backups, type))
                        r = vss_writer_call_add_differenced_files_by_last_modify_time(
                                call, c->logical_path, c->name, d->path, d->filespec, d->recursive,
                                (uint64_t)d->modified_after);
        }
        return r;
}

/* What a component that was chosen takes along into the document. */
static vss_result leave_with(TestWriter *writer, vss_writer_call *call, const TestComponent *c) {
        const char *set = vss_writer_call_set_id(call);
        char text[1024];
        vss_result r;

        (void)snprintf(text, sizeof(text), "state=%s%s%s", set, c->backup_metadata ? ";" : "",
                       c->backup_metadata ?: "");
        r = vss_writer_call_set_backup_metadata(call, c->logical_path, c->name, text);
        if (r >= 0 && (writer->conf.schema & VSS_BS_TIMESTAMPED)) {
                (void)snprintf(text, sizeof(text), "%s", c->stamp ?: set);
                r = vss_writer_call_set_backup_stamp(call, c->logical_path, c->name, text);
        }
        return r < 0 ? r : leave_files(call, c);
}

static vss_result on_post_snapshot(vss_writer_call *call) {
        TestWriter *writer = vss_writer_call_userdata(call);
        vss_result r = begin(call, TEST_POST_SNAPSHOT);

        if (r >= 0)
                r = test_writer_remember(writer, call);
        for (size_t i = 0; r >= 0 && i < writer->conf.n_components; i++) {
                const TestComponent *c = &writer->conf.components[i];

                if (!vss_writer_call_find_component(call, c->logical_path, c->name))
                        continue;
                r = leave_with(writer, call, c);
                if (r < 0)
                        r = vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE,
                                                 "%s: what it leaves with %s is not accepted: %s",
                                                 writer->label, c->name, vss_result_text(r));
        }
        if (r >= 0)
                test_writer_delete_originals(writer, call);
        return end(call, TEST_POST_SNAPSHOT, r);
}

static vss_result direct(vss_writer_call *call, const TestComponent *c) {
        vss_result r = VSS_S_OK;

        if (c->restore_target)
                r = vss_writer_call_set_restore_target(call, c->logical_path, c->name,
                                                       (enum vss_restore_target)c->restore_target);
        for (size_t i = 0; r >= 0 && i < c->n_directed_targets; i++) {
                const TestDirectedTarget *t = &c->directed_targets[i];

                r = vss_writer_call_add_directed_target(call, c->logical_path, c->name, t->path, t->filespec,
                                                        t->ranges, t->destination_path,
                                                        t->destination_filespec, t->destination_ranges);
        }
        if (r >= 0 && c->restore_metadata)
                r = vss_writer_call_set_restore_metadata(call, c->logical_path, c->name,
                                                         c->restore_metadata);
        return r;
}

static vss_result on_pre_restore(vss_writer_call *call) {
        TestWriter *writer = vss_writer_call_userdata(call);
        vss_result r = begin(call, TEST_PRE_RESTORE);

        for (size_t i = 0; r >= 0 && i < writer->conf.n_components; i++) {
                const TestComponent *c = &writer->conf.components[i];

                if (!vss_writer_call_find_component(call, c->logical_path, c->name))
                        continue;
                r = direct(call, c);
                if (r < 0)
                        r = vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE,
                                                 "%s: where %s shall go is not accepted: %s", writer->label,
                                                 c->name, vss_result_text(r));
        }
        if (r >= 0)
                r = test_writer_look(writer, call);
        return end(call, TEST_PRE_RESTORE, r);
}

static vss_result on_post_restore(vss_writer_call *call) {
        TestWriter *writer = vss_writer_call_userdata(call);
        vss_result r = begin(call, TEST_POST_RESTORE);

        if (r >= 0)
                r = test_writer_check(writer, call);
        return end(call, TEST_POST_RESTORE, r);
}

struct vss_writer test_writer = {
        VSS_WRITER_INIT,
        .name = "Test",
        .id = "7b0c7d5e-6c11-4a27-9d0d-51c7f1c2a6e4",
        .identify = on_identify,
        .freeze = on_freeze,
        .thaw = on_thaw,
        .abort = on_abort,
        .prepare_backup = on_prepare_backup,
        .prepare_snapshot = on_prepare_snapshot,
        .post_snapshot = on_post_snapshot,
        .backup_complete = on_backup_complete,
        .backup_shutdown = on_backup_shutdown,
        .pre_restore = on_pre_restore,
        .post_restore = on_post_restore,
};
