/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a writer's handler may say and when: every setting times every event, and what the answer carries
 */

#include <string.h>
#include "lib/writer-call.h"
#include "util/macro.h"
#include "util/test.h"

#define BIT(event) (1u << (event))
#define BACKUP                                                                                           \
        (BIT(EVENT_PREPARE_BACKUP) | BIT(EVENT_PREPARE_SNAPSHOT) | BIT(EVENT_FREEZE) | BIT(EVENT_THAW) | \
         BIT(EVENT_POST_SNAPSHOT))
#define RESTORE (BIT(EVENT_PRE_RESTORE) | BIT(EVENT_POST_RESTORE))

/* An event with one component, "a/c", that has been through one before. */
static vss_value *make_event(void) {
        vss_value *event = vss_value_new_dict(), *component = vss_value_new_dict(),
                  *partial = vss_value_new_dict();

        (void)vss_value_set_string(component, "logical-path", "a");
        (void)vss_value_set_string(component, "name", "c");
        (void)vss_value_set_string(component, "backup-options", "fast");
        (void)vss_value_set_string(component, "previous-stamp", "monday");
        (void)vss_value_set_string(component, "backup-metadata", "of before");
        (void)vss_value_set_string(partial, "path", "/srv");
        (void)vss_value_set_string(partial, "filespec", "earlier");
        (void)vss_value_set_string(partial, "ranges", "0:1");
        (void)vss_value_set_string(partial, "metadata", "");
        (void)vss_value_append(value_require(component, "partial-files", VSS_KIND_LIST), partial);
        (void)vss_value_append(value_require(event, "components", VSS_KIND_LIST), component);
        (void)vss_value_set_integer(event, "context", VSS_CTX_APP_ROLLBACK);
        (void)vss_value_set_string(event, "set", "a-set");
        (void)vss_value_set_boolean(event, "select-components", true);
        (void)value_append_string(value_require(event, "volumes", VSS_KIND_LIST), "/srv");
        (void)vss_value_set_boolean(event, "partial-file-support", true);
        (void)vss_value_set_boolean(event, "bootable-system-state", true);
        (void)vss_value_set_integer(event, "restore-type", VSS_RTYPE_IMPORT);
        (void)vss_value_set_string(event, "service-version", "1.2");
        return event;
}

static vss_writer_call make_call(WriterEvent kind, const vss_value *event) {
        return (vss_writer_call){
                .kind = kind, .event = event, .writer = "Test", .backup_schema = VSS_BS_TIMESTAMPED
        };
}

static vss_result stamp(vss_writer_call *call) {
        return vss_writer_call_set_backup_stamp(call, "a", "c", "tuesday");
}

static vss_result backup_metadata(vss_writer_call *call) {
        return vss_writer_call_set_backup_metadata(call, "a", "c", "text\nof two lines");
}

static vss_result partial(vss_writer_call *call) {
        return vss_writer_call_add_partial_file(call, "a", "c", "/srv", "big", "0:512, 0x1000:0x10", NULL);
}

static vss_result differenced(vss_writer_call *call) {
        return vss_writer_call_add_differenced_files_by_last_modify_time(call, "a", "c", "/srv", "*.log",
                                                                         true, 17);
}

static vss_result prepare_failure(vss_writer_call *call) {
        return vss_writer_call_set_prepare_for_backup_failure_msg(call, "a", "c", "no");
}

static vss_result post_snapshot_failure(vss_writer_call *call) {
        return vss_writer_call_set_post_snapshot_failure_msg(call, "a", "c", "no");
}

static vss_result pre_restore_failure(vss_writer_call *call) {
        return vss_writer_call_set_pre_restore_failure_msg(call, "a", "c", "no");
}

static vss_result post_restore_failure(vss_writer_call *call) {
        return vss_writer_call_set_post_restore_failure_msg(call, "a", "c", "no");
}

static vss_result restore_metadata(vss_writer_call *call) {
        return vss_writer_call_set_restore_metadata(call, "a", "c", "text");
}

static vss_result restore_target(vss_writer_call *call) {
        return vss_writer_call_set_restore_target(call, "a", "c", VSS_RT_DIRECTED);
}

static vss_result directed(vss_writer_call *call) {
        return vss_writer_call_add_directed_target(call, "a", "c", "/srv", "big", NULL, "/new", "bigger",
                                                   NULL);
}

static vss_result failed(vss_writer_call *call) {
        return vss_writer_call_set_failure(call, "a", "c", VSS_E_WRITERERROR_RETRYABLE, 42, "busy");
}

static vss_result note(vss_writer_call *call) {
        return vss_writer_call_add_note(call, "a", "c", "%s is moved aside", "/srv/a");
}

static const struct {
        const char *name;
        vss_result (*set)(vss_writer_call *call);
        unsigned events; /* in which it may be set */
        const char *key; /* of the component in the answer; NULL: elsewhere */
} settings[] = {
        { "backup stamp", stamp, BACKUP, "stamp" },
        { "backup metadata", backup_metadata, BACKUP, "backup-metadata" },
        { "partial file", partial, BACKUP, "partial-files" },
        { "differenced files", differenced, BACKUP, "differenced-files" },
        { "failure of preparation", prepare_failure, BIT(EVENT_PREPARE_BACKUP), "prepare-failure" },
        { "failure after the snapshot", post_snapshot_failure, BIT(EVENT_POST_SNAPSHOT),
          "post-snapshot-failure" },
        { "failure before the restore", pre_restore_failure, BIT(EVENT_PRE_RESTORE), "pre-restore-failure" },
        { "failure after the restore", post_restore_failure, BIT(EVENT_POST_RESTORE),
          "post-restore-failure" },
        { "restore metadata", restore_metadata, RESTORE, "restore-metadata" },
        { "restore target", restore_target, BIT(EVENT_PRE_RESTORE), "restore-target" },
        { "directed target", directed, BIT(EVENT_PRE_RESTORE), "directed-targets" },
        { "failure", failed, BACKUP | RESTORE | BIT(EVENT_BACKUP_COMPLETE) | BIT(EVENT_VERIFY), NULL },
        { "note", note, RESTORE | BIT(EVENT_PREPARE_BACKUP) | BIT(EVENT_BACKUP_COMPLETE) | BIT(EVENT_VERIFY), NULL },
};

static void test_windows(void) {
        FOREACH_ELEMENT (setting, settings)
                for (WriterEvent kind = 0; kind < WRITER_EVENTS; kind++) {
                        _cleanup_value_ vss_value *event = make_event(), *answer = NULL;
                        _cleanup_(writer_call_done) vss_writer_call call = make_call(kind, event);
                        bool may = setting->events & BIT(kind);
                        const vss_value *component;
                        char label[128];

                        (void)snprintf(label, sizeof(label), "a %s in %s", setting->name,
                                       writer_event_names[kind]);
                        expect_int(label, setting->set(&call), may ? VSS_S_OK : VSS_E_BAD_STATE);
                        answer = writer_call_result(&call, VSS_S_OK);
                        component = vss_value_at(vss_value_get(answer, "components"), 0);
                        if (!may)
                                expect_int("  leaves nothing", vss_value_count(answer), 0);
                        else if (setting->key)
                                expect_true("  is in the answer, and nothing else is",
                                            vss_value_get(component, setting->key) &&
                                                    vss_value_count(component) == 3);
                }
}

/* The invariants hold for every setting. */
static void test_components(void) {
        FOREACH_ELEMENT (setting, settings) {
                _cleanup_value_ vss_value *event = vss_value_new_dict();
                WriterEvent kind = (WriterEvent)__builtin_ctz(setting->events);
                _cleanup_(writer_call_done) vss_writer_call call = make_call(kind, event);

                (void)vss_value_set_boolean(event, "partial-file-support", true);
                if (setting->key)
                        expect_int(setting->name, setting->set(&call), VSS_E_OBJECT_NOT_FOUND);
                expect_true("  without an event", setting->set(NULL) == VSS_E_INVALIDARG);
        }
}

static void test_answer(void) {
        _cleanup_value_ vss_value *event = make_event(), *answer = NULL;
        _cleanup_(writer_call_done) vss_writer_call call = make_call(EVENT_POST_SNAPSHOT, event);
        const vss_value *components, *component, *files;

        expect_int("a stamp", stamp(&call), VSS_S_OK);
        expect_int("another", vss_writer_call_set_backup_stamp(&call, "a", "c", "wednesday"), VSS_S_OK);
        expect_int("a partial file", partial(&call), VSS_S_OK);
        expect_int("again, with other ranges",
                   vss_writer_call_add_partial_file(&call, "a", "c", "/srv", "big", "File=/srv/ranges", "m"),
                   VSS_S_OK);
        expect_int("differenced files", differenced(&call), VSS_S_OK);
        answer = writer_call_result(&call, VSS_S_OK);
        components = vss_value_get(answer, "components");
        component = vss_value_at(components, 0);
        expect_int("one component", vss_value_count(components), 1);
        expect_str("of this path", vss_value_get_string(component, "logical-path", ""), "a");
        expect_str("and name", vss_value_get_string(component, "name", ""), "c");
        expect_str("the last stamp counts", vss_value_get_string(component, "stamp", ""), "wednesday");
        expect_true("what was there before is not said again",
                    !vss_value_get(component, "backup-metadata") &&
                            !vss_value_get(component, "backup-options"));
        files = vss_value_get(component, "partial-files");
        expect_int("but lists are whole", vss_value_count(files), 2);
        expect_str("with what earlier events added",
                   vss_value_get_string(vss_value_at(files, 0), "filespec", ""), "earlier");
        expect_str("the same file is there once", vss_value_get_string(vss_value_at(files, 1), "ranges", ""),
                   "File=/srv/ranges");
        files = vss_value_get(component, "differenced-files");
        expect_int("dates", vss_value_get_integer(vss_value_at(files, 0), "modified-after-usec", 0), 17);
        expect_str("the event stays as it was",
                   vss_value_get_string(vss_writer_call_component(&call, 0), "stamp", "none"), "none");
}

static void test_rules(void) {
        _cleanup_value_ vss_value *event = make_event();
        _cleanup_(writer_call_done) vss_writer_call call = make_call(EVENT_POST_SNAPSHOT, event),
                                                    restore = make_call(EVENT_PRE_RESTORE, event);
        _cleanup_(freep) char *big = malloc(VSS_COMPONENT_METADATA_MAX + 2);

        expect_int("a stamp that is no text", vss_writer_call_set_backup_stamp(&call, "a", "c", NULL),
                   VSS_E_INVALIDARG);
        expect_int("or no UTF-8", vss_writer_call_set_backup_stamp(&call, "a", "c", "\xff"),
                   VSS_E_INVALIDARG);
        call.backup_schema = VSS_BS_COPY;
        expect_int("a stamp against the schema", stamp(&call), VSS_E_NOT_SUPPORTED);
        call.backup_schema = UINT32_MAX;
        expect_int("with a schema that is not known yet", stamp(&call), VSS_S_OK);

        memset(big, 'x', VSS_COMPONENT_METADATA_MAX + 1);
        big[VSS_COMPONENT_METADATA_MAX + 1] = '\0';
        expect_int("too much metadata", vss_writer_call_set_backup_metadata(&call, "a", "c", big),
                   VSS_E_INVALIDARG);
        expect_int("as much as may be", vss_writer_call_set_backup_metadata(&call, "a", "c", big + 1),
                   VSS_S_OK);
        big[VSS_COMPONENT_TEXT_MAX + 1] = '\0';
        expect_int("too long a stamp", vss_writer_call_set_backup_stamp(&call, "a", "c", big),
                   VSS_E_INVALIDARG);
        expect_int("as long as may be", vss_writer_call_set_backup_stamp(&call, "a", "c", big + 1),
                   VSS_S_OK);

        expect_int("a partial file of many",
                   vss_writer_call_add_partial_file(&call, "a", "c", "/srv", "*", "0:1", NULL),
                   VSS_E_INVALIDARG);
        expect_int("in no directory",
                   vss_writer_call_add_partial_file(&call, "a", "c", "srv", "f", "0:1", NULL),
                   VSS_E_INVALIDARG);
        expect_int("of odd ranges",
                   vss_writer_call_add_partial_file(&call, "a", "c", "/srv", "f", "0-1", NULL),
                   VSS_E_INVALIDARG);
        (void)vss_value_set_boolean(event, "partial-file-support", false);
        expect_int("for a requester of whole files", partial(&call), VSS_E_NOT_SUPPORTED);
        expect_int("a date before all",
                   vss_writer_call_add_differenced_files_by_last_modify_time(&call, "a", "c", "/srv", "*",
                                                                             false, UINT64_MAX),
                   VSS_E_INVALIDARG);
        expect_int("no restore target",
                   vss_writer_call_set_restore_target(&restore, "a", "c", VSS_RT_UNDEFINED),
                   VSS_E_INVALIDARG);
        expect_int(
                "directed to no file",
                vss_writer_call_add_directed_target(&restore, "a", "c", "/srv", "f", "", "/new", "a/b", ""),
                VSS_E_INVALIDARG);
}

static void test_failures(void) {
        _cleanup_value_ vss_value *event = make_event(), *answer = NULL;
        _cleanup_(writer_call_done) vss_writer_call call = make_call(EVENT_FREEZE, event),
                                                    identify = make_call(EVENT_IDENTIFY, event);
        const vss_value *value;

        answer = writer_call_result(&call, VSS_S_OK);
        expect_int("who says nothing has nothing in the answer", vss_value_count(answer), 0);
        answer = vss_value_free(answer);

        expect_int("a veto needs a writer's code", vss_writer_call_veto(&call, VSS_E_BAD_STATE, "no"),
                   VSS_E_INVALIDARG);
        expect_int(
                "a veto is no failure",
                vss_writer_call_veto(&call, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT, "%s is missing", "/b"),
                VSS_S_OK);
        expect_int("the application's word",
                   vss_writer_call_set_application_failure(&call, -7, "ORA-%d \xff", 600), VSS_S_OK);
        expect_int("a component's failure", failed(&call), VSS_S_OK);
        expect_int("a success is none", vss_writer_call_set_failure(&call, "a", "c", VSS_S_OK, 1, "x"),
                   VSS_E_INVALIDARG);
        expect_int("without words",
                   vss_writer_call_set_failure(&call, "", "d", VSS_E_WRITERERROR_TIMEOUT, 0, NULL),
                   VSS_S_OK);
        answer = writer_call_result(&call, VSS_S_OK);
        value = vss_value_get(answer, "failure");
        expect_int("the veto's code", vss_value_get_integer(value, "code", 0),
                   VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT);
        expect_str("its words", vss_value_get_string(value, "message", ""), "/b is missing");
        expect_int("the application's code", vss_value_get_integer(value, "application-code", 0), -7);
        expect_str("its words", vss_value_get_string(value, "application-message", ""), "ORA-600 ?");
        value = vss_value_at(vss_value_get(answer, "failed-components"), 0);
        expect_int("the component's", vss_value_get_integer(value, "application-code", 0), 42);
        expect_str("and words", vss_value_get_string(value, "message", ""), "busy");
        value = vss_value_at(vss_value_get(answer, "failed-components"), 1);
        expect_str("or what the code means", vss_value_get_string(value, "message", ""),
                   vss_result_text(VSS_E_WRITERERROR_TIMEOUT));
        answer = vss_value_free(answer);

        answer = writer_call_result(&call, VSS_E_WRITERERROR_RETRYABLE);
        expect_int("a failure goes before a veto",
                   vss_value_get_integer(vss_value_get(answer, "failure"), "code", 0),
                   VSS_E_WRITERERROR_RETRYABLE);
        expect_int("no veto in identify", vss_writer_call_veto(&identify, VSS_E_WRITERERROR_RETRYABLE, "no"),
                   VSS_E_BAD_STATE);
        expect_int("and no application's failure",
                   vss_writer_call_set_application_failure(&identify, 1, "no"), VSS_E_BAD_STATE);
}

static void test_needed(vss_writer_call *call) {
        vss_value *event = make_event(), *process = vss_value_new_dict();
        char line[4100] = "", path[4096] = "/";
        FILE *file = fopen("/proc/self/cgroup", "re");
        const vss_value *before = call->event;

        while (file && fgets(line, sizeof(line), file))
                if (strncmp(line, "0::/", 4) == 0)
                        (void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
        if (file)
                (void)fclose(file);
        /* Somebody else in it, who is named first. */
        (void)vss_value_set_string(process, "name", "the service");
        (void)vss_value_set_integer(process, "pid", getppid());
        (void)vss_value_append(value_require(event, "needed", VSS_KIND_LIST), process);
        call->event = event;
        expect_str("whoever is in the root is needed", vss_writer_call_group_is_needed(call, "/"),
                   "the service");
        expect_true("the writer's own group is", vss_writer_call_group_is_needed(call, path) != NULL);
        expect_true("another is not", !vss_writer_call_group_is_needed(call, "/linuxvss-test/nobody"));
        (void)snprintf(line, sizeof(line), "%sx", path);
        expect_true("nor one that only begins so", !vss_writer_call_group_is_needed(call, line));
        expect_true("no path", !vss_writer_call_group_is_needed(call, NULL));
        call->event = before;
        vss_value_free(event);
}

static void test_event(void) {
        _cleanup_value_ vss_value *event = make_event(), *nothing = vss_value_new_dict();
        vss_writer_call call = make_call(EVENT_FREEZE, event), bare = make_call(EVENT_FREEZE, nothing);

        expect_str("options", vss_writer_call_backup_options(&call, "a", "c"), "fast");
        expect_str("the previous stamp", vss_writer_call_previous_backup_stamp(&call, "a", "c"), "monday");
        expect_true("of another component there are none",
                    !vss_writer_call_backup_options(&call, "", "c") &&
                            !vss_writer_call_previous_backup_stamp(&call, NULL, "c"));
        expect_true("a component is found",
                    vss_writer_call_find_component(&call, "a", "c") == vss_writer_call_component(&call, 0));
        expect_true("bootable state", vss_writer_call_bootable_system_state(&call) &&
                                              !vss_writer_call_bootable_system_state(&bare));
        expect_true("partial files", vss_writer_call_partial_file_support(&call) &&
                                             !vss_writer_call_partial_file_support(&bare));
        expect_str("the set", vss_writer_call_set_id(&call), "a-set");
        expect_str("or none", vss_writer_call_set_id(&bare), "");
        expect_true("components were selected", vss_writer_call_components_selected(&call) &&
                                                        !vss_writer_call_components_selected(&bare));
        expect_int("volumes", (int)vss_writer_call_volume_count(&call), 1);
        expect_str("the first", vss_writer_call_volume(&call, 0), "/srv");
        expect_str("no second", vss_writer_call_volume(&call, 1), NULL);
        expect_int("no time is left after the deadline", (int)vss_writer_call_time_left_ms(&call), 0);
        expect_int("the context", (int)vss_writer_call_context(&call), VSS_CTX_APP_ROLLBACK);
        expect_int("restore type", vss_writer_call_restore_type(&call), VSS_RTYPE_IMPORT);
        expect_int("or none", vss_writer_call_restore_type(&bare), VSS_RTYPE_UNDEFINED);
        expect_str("the service's version", vss_writer_call_service_version(&call), "1.2");
        expect_str("or none", vss_writer_call_service_version(&bare), "");
        call.instance_id = "an-instance";
        call.level = VSS_APP_BACK_END;
        expect_str("the instance", vss_writer_call_instance_id(&call), "an-instance");
        expect_int("the level", vss_writer_call_level(&call), VSS_APP_BACK_END);
        test_needed(&call);
        expect_true("without an event", strcmp(vss_writer_call_instance_id(NULL), "") == 0 &&
                                                vss_writer_call_level(NULL) == VSS_APP_UNKNOWN &&
                                                !vss_writer_call_find_component(NULL, "a", "c"));
}

static void test_notes(void) {
        _cleanup_value_ vss_value *event = make_event(), *answer = NULL;
        _cleanup_(writer_call_done) vss_writer_call call = make_call(EVENT_PRE_RESTORE, event);
        const vss_value *value;

        expect_str("nothing went wrong", vss_writer_call_failure_text(&call), "");
        expect_int("a note", note(&call), VSS_S_OK);
        expect_int("of none", vss_writer_call_add_note(&call, NULL, NULL, "bad \xff"), VSS_S_OK);
        expect_int("of a path alone", vss_writer_call_add_note(&call, "a", NULL, "x"), VSS_E_INVALIDARG);
        (void)vss_writer_call_fail(&call, VSS_E_WRITERERROR_RETRYABLE, "%d", 7);
        expect_str("why is remembered", vss_writer_call_failure_text(&call), "7");
        answer = writer_call_result(&call, VSS_S_OK);
        value = vss_value_at(vss_value_get(answer, "notes"), 0);
        expect_str("the text", vss_value_get_string(value, "text", ""), "/srv/a is moved aside");
        expect_str("the component", vss_value_get_string(value, "name", ""), "c");
        value = vss_value_at(vss_value_get(answer, "notes"), 1);
        expect_str("UTF-8", vss_value_get_string(value, "text", ""), "bad ?");
        for (int i = 0; i < 1000; i++)
                expect_int("many", note(&call), VSS_S_OK);
        expect_int("too many", note(&call), VSS_E_OUTOFMEMORY);
}

static void test_instants(void) {
        static const char *const one[] = { "/srv/a/b", "/srv/x" }, *const two[] = { "/srv/a", "/db/a" },
                                 *const file[] = { "/home/a" }, *const outside[] = { "/srv/a", "/etc" };
        _cleanup_value_ vss_value *event = make_event();
        vss_value *instants = value_require(event, "instants", VSS_KIND_DICT);
        vss_writer_call call = make_call(EVENT_PREPARE_SNAPSHOT, event);

        (void)value_append_string(value_get_mutable(event, "volumes"), "/db");
        (void)value_append_string(value_get_mutable(event, "volumes"), "/home");
        (void)vss_value_set_integer(instants, "/srv", 2);
        (void)vss_value_set_integer(instants, "/db", 3);
        (void)vss_value_set_integer(instants, "/home", 0);
        expect_true("one volume", vss_writer_call_is_one_instant(&call, one, 2));
        expect_true("two that are cut one after the other", !vss_writer_call_is_one_instant(&call, two, 2));
        (void)vss_value_set_integer(instants, "/db", 2);
        expect_true("two under one hold", vss_writer_call_is_one_instant(&call, two, 2));
        expect_true("file by file", !vss_writer_call_is_one_instant(&call, file, 1));
        expect_true("not in the set", !vss_writer_call_is_one_instant(&call, outside, 2));
        expect_true("no path", !vss_writer_call_is_one_instant(&call, one, 0) &&
                                       !vss_writer_call_is_one_instant(NULL, one, 2));
}

static void test_restores(void) {
        _cleanup_value_ vss_value *event = make_event();
        _cleanup_(writer_call_done) vss_writer_call call = make_call(EVENT_PRE_RESTORE, event);
        vss_writer_call verify = make_call(EVENT_VERIFY, event);
        bool active = true;

        (void)vss_value_set_string(event, "scratch", "/run/scratch");
        expect_true("no dry run", !vss_writer_call_is_dry_run(&call) && !vss_writer_call_is_dry_run(NULL));
        expect_int("without the service", vss_writer_call_start_unit(&call, "a.service"), VSS_E_BAD_STATE);
        (void)vss_value_set_boolean(event, "dry-run", true);
        expect_true("a dry run", vss_writer_call_is_dry_run(&call));
        expect_int("in which no unit is stopped", vss_writer_call_stop_unit(&call, "a.service"), VSS_E_BAD_STATE);
        expect_str("and why", vss_writer_call_failure_text(&call), "this is a dry run");
        expect_int("no unit", vss_writer_call_is_unit_active(&call, NULL, &active), VSS_E_INVALIDARG);
        expect_int("nobody to ask", vss_writer_call_is_unit_active(&call, "a.service", &active), VSS_E_BAD_STATE);
        expect_true("which says nothing", active);
        expect_true("a directory for Verify", vss_writer_call_scratch(&verify) && !vss_writer_call_scratch(&call));
}

int main(void) {
        test_notes();
        test_instants();
        test_restores();
        test_windows();
        test_components();
        test_answer();
        test_rules();
        test_failures();
        test_event();
        return test_end();
}
