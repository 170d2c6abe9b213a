/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The MariaDB writer: one component per instance
 *
 * PrepareSnapshot opens one session for each instance of the set and begins BACKUP STAGE there; Freeze
 * blocks commits and notes where the server stands; Thaw lets go. An instance that cannot be held fails
 * alone.
 */

#include <limits.h>
#include <string.h>
#include "config.h"
#include "util/clock.h"
#include "util/value.h"
#include "writers/common/clone.h"
#include "writers/mariadb/logs.h"
#include "writers/mariadb/writer.h"

#define IDENTIFY_USEC (1500 * USEC_PER_MSEC)
#define FIND_USEC (5 * USEC_PER_SEC)
#define THAW_USEC (5 * USEC_PER_SEC)
#define PURGE_USEC (10 * USEC_PER_SEC)

/* NULL, or why an instance cannot be held. */
static const char *why_not_held(const Instance *instance) {
        return instance->half_restored ?: instance->missing_right ?: instance->unreachable;
}

static vss_result describe(vss_metadata *metadata, const InstanceList *list) {
        vss_result result = vss_metadata_set_restore_method(metadata, VSS_RME_RESTORE_IF_CAN_REPLACE, NULL,
                                                            "Stop the server, empty its data directory, put "
                                                            "back all files of the component, start it; see "
                                                            "vss-writer-mariadb(8).",
                                                            VSS_WRE_ALWAYS, false);

        for (size_t i = 0; i < list->n && result >= 0; i++)
                result = instance_describe(metadata, &list->items[i], why_not_held(&list->items[i]));
        for (size_t i = 0; i < vss_value_count(list->warnings) && result >= 0; i++)
                result = vss_metadata_add_warning(metadata, "%s",
                                                  vss_value_string(vss_value_at(list->warnings, i), ""));
        return result;
}

static vss_result mariadb_identify(vss_writer_call *call, vss_metadata *metadata) {
        MariadbWriter *writer = vss_writer_call_userdata(call);
        InstanceList list = { 0 };
        Settings settings = { 0 };
        vss_result result;
        int r;

        /* Between Freeze and Thaw nothing is looked up. */
        if (writer->frozen)
                return describe(metadata, &writer->list);

        r = settings_read(writer->conf_path, &settings);
        if (r >= 0)
                r = instance_list_find(&settings, false, event_deadline(call, IDENTIFY_USEC), &list);
        result = r < 0 ? vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE,
                                              "the search for instances failed: %s", strerror(-r))
                       : describe(metadata, &list);
        instance_list_clear(&list);
        settings_clear(&settings);
        return result;
}

static bool is_chosen(const vss_writer_call *call, const Instance *instance, const vss_value *places) {
        if (vss_writer_call_components_selected(call))
                return vss_writer_call_find_component(call, instance->logical_path, COMPONENT_NAME);
        for (size_t i = 0; i < vss_value_count(places); i++)
                if (vss_writer_call_is_path_affected(call, vss_value_string(vss_value_at(places, i), "")))
                        return true;
        return false;
}

static bool is_one_instant(const vss_writer_call *call, const vss_value *places) {
        size_t n = vss_value_count(places);
        _cleanup_(freep) const char **paths = calloc(n + 1, sizeof(*paths));

        for (size_t i = 0; i < n && paths; i++)
                paths[i] = vss_value_string(vss_value_at(places, i), "");
        return paths && vss_writer_call_is_one_instant(call, paths, n);
}

/* All state of a set, also of one that nobody ended. */
static void let_go(MariadbWriter *writer) {
        for (size_t i = 0; i < writer->holds.n; i++)
                hold_end(&writer->holds.items[i]);
        writer->holds.n = 0;
        instance_list_clear(&writer->list);
        settings_clear(&writer->settings);
        writer->session[0] = '\0';
        writer->frozen = false;
}

/* Tell which instances have failed since the last look. Return: VSS_S_OK if any is left, or there was none.
 */
static vss_result tell_failures(vss_writer_call *call, HoldSet *holds) {
        EventFailures failures = { 0 };

        for (size_t i = 0; i < holds->n; i++) {
                Hold *hold = &holds->items[i];

                event_failures_add(&failures, call, hold->instance->logical_path, COMPONENT_NAME, hold->code,
                                   hold->text, hold->told);
                hold->told = hold->code < 0;
        }
        return event_failures_end(&failures, call, "instances");
}

static void set_deadlines(HoldSet *holds, uint64_t deadline_usec) {
        for (size_t i = 0; i < holds->n; i++)
                holds->items[i].deadline_usec = deadline_usec;
}

static int choose(vss_writer_call *call, MariadbWriter *writer) {
        for (size_t i = 0; i < writer->list.n; i++) {
                const Instance *instance = &writer->list.items[i];
                _cleanup_value_ vss_value *places = instance_places(instance);

                if (!places)
                        return -ENOMEM;
                /* What cannot be held is crash-consistent, and said to be. */
                if (why_not_held(instance) || !is_chosen(call, instance, places))
                        continue;
                writer->holds.items[writer->holds.n++] = (Hold){
                        .instance = instance,
                        .address = instance_address(&writer->list, instance),
                        .locks = { -1, -1 },
                        .one_instant = is_one_instant(call, places),
                };
        }
        return 0;
}

static vss_result mariadb_prepare_snapshot(vss_writer_call *call) {
        MariadbWriter *writer = vss_writer_call_userdata(call);
        vss_result result;
        int r;

        let_go(writer);
        (void)snprintf(writer->session, sizeof(writer->session), "%s", vss_writer_call_session_id(call));
        r = settings_read(writer->conf_path, &writer->settings);
        if (r >= 0)
                r = instance_list_find(&writer->settings, false, event_deadline(call, FIND_USEC),
                                       &writer->list);
        if (r >= 0)
                r = choose(call, writer);
        if (r < 0) {
                let_go(writer);
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE,
                                            "the search for instances failed: %s", strerror(-r));
        }
        set_deadlines(&writer->holds, event_deadline(call, writer->settings.prepare_limit_usec));
        hold_each(&writer->holds, hold_prepare);
        result = tell_failures(call, &writer->holds);
        if (result < 0)
                let_go(writer);
        return result;
}

static vss_result mariadb_freeze(vss_writer_call *call) {
        MariadbWriter *writer = vss_writer_call_userdata(call);
        vss_result result;

        writer->frozen = true;
        set_deadlines(&writer->holds, event_deadline(call, writer->settings.freeze_limit_usec));
        hold_each(&writer->holds, hold_freeze);
        result = tell_failures(call, &writer->holds);
        if (result < 0)
                let_go(writer);
        return result;
}

static vss_result mariadb_thaw(vss_writer_call *call) {
        MariadbWriter *writer = vss_writer_call_userdata(call);
        vss_result result;

        set_deadlines(&writer->holds, event_deadline(call, THAW_USEC));
        hold_each(&writer->holds, hold_thaw);
        writer->frozen = false;
        result = tell_failures(call, &writer->holds);
        if (result < 0)
                let_go(writer);
        return result;
}

static vss_result mariadb_abort(vss_writer_call *call) {
        MariadbWriter *writer = vss_writer_call_userdata(call);

        /* The end of one session must not let go what is prepared or held for another. */
        if (strcmp(writer->session, vss_writer_call_session_id(call)) == 0)
                let_go(writer);
        return VSS_S_OK;
}

static bool copy_of(void *userdata, const char *path, char *ret_path, size_t size) {
        return clone_path(userdata, path, ret_path, size);
}

/* A log backup has the binary logs since the stamp of the last backup: all of each, as they may have grown.
 */
static void add_logs(vss_writer_call *call, Hold *hold) {
        const char *logical_path = hold->instance->logical_path;
        const char *stamp = vss_writer_call_previous_backup_stamp(call, logical_path, COMPONENT_NAME);
        char path[PATH_MAX], copy[PATH_MAX], first[600], *slash;
        unsigned long position;
        Options names = { 0 };
        LogName from, to;
        int r = -EINVAL;

        instance_path(hold->instance, "log_bin_basename", path, sizeof(path));
        slash = strrchr(path, '/');
        if (slash)
                *slash = '\0';
        if (slash && stamp && log_parse_stamp(stamp, first, sizeof(first), &position) >= 0 &&
            log_parse_name(first, &from) >= 0 && log_parse_name(hold->position.binlog_file, &to) >= 0)
                r = clone_path(call, path, copy, sizeof(copy))
                            ? log_list(copy, from.base, from.number, to.number, &names)
                            : -ENOENT;
        if (r < 0)
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "%s: a log backup wants a server with a binary log (log_bin), and the stamp of a "
                          "full backup of it",
                          logical_path);
        else if (names.n == 0 || strcmp(names.items[0], first) != 0)
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "%s: binary log %s, where the last backup ended, is gone: make a full backup",
                          logical_path, first);
        for (size_t i = 0; i < names.n && hold->code >= 0; i++)
                if (vss_writer_call_add_differenced_files_by_last_modify_time(
                            call, logical_path, COMPONENT_NAME, path, names.items[i], false, 1) < 0)
                        hold_fail(hold, VSS_E_WRITERERROR_OUTOFRESOURCES, "%s: %s could not be added",
                                  logical_path, names.items[i]);
        options_clear(&names);
}

static void finish(vss_writer_call *call, Hold *hold) {
        const char *logical_path = hold->instance->logical_path;
        _cleanup_value_ vss_value *places = instance_places(hold->instance);
        _cleanup_(freep) char *text = malloc(METADATA_MAX);
        char stamp[600];

        if (hold->code < 0)
                return;
        if (hold->one_instant && places && !is_one_instant(call, places))
                hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                          "%s: its files were to be cut at one instant, and were not: try again",
                          logical_path);
        hold_repair(hold, copy_of, call);
        if (!text || !places)
                hold_fail(hold, VSS_E_WRITERERROR_OUTOFRESOURCES, "%s: there is no memory", logical_path);
        if (hold->code < 0)
                return;
        /* Without components there is nobody to leave it with. */
        metadata_write(hold, text, METADATA_MAX);
        (void)vss_writer_call_set_backup_metadata(call, logical_path, COMPONENT_NAME, text);
        metadata_stamp(hold, stamp, sizeof(stamp));
        if (vss_writer_call_backup_type(call) == VSS_BT_LOG)
                add_logs(call, hold);
        if (*stamp)
                (void)vss_writer_call_set_backup_stamp(call, logical_path, COMPONENT_NAME, stamp);
}

static vss_result mariadb_post_snapshot(vss_writer_call *call) {
        MariadbWriter *writer = vss_writer_call_userdata(call);
        vss_result result;

        if (strcmp(writer->session, vss_writer_call_session_id(call)) != 0)
                return VSS_S_OK;
        for (size_t i = 0; i < writer->holds.n; i++)
                finish(call, &writer->holds.items[i]);
        result = tell_failures(call, &writer->holds);
        let_go(writer);
        return result;
}

/* Only up to where this backup has everything; the server keeps what a replica that is connected reads
 * still. */
static void purge_logs(vss_writer_call *call, const InstanceList *list, const Instance *instance,
                       const vss_value *component) {
        const char *stamp = vss_value_get_string(component, "stamp", "");
        ClientAddress address = instance_address(list, instance);
        uint64_t deadline = event_deadline(call, PURGE_USEC);
        unsigned long position;
        Client client = { 0 };
        char file[600];
        int r;

        if (log_parse_stamp(stamp, file, sizeof(file), &position) < 0 || strpbrk(file, "'\\"))
                return;
        r = client_connect(&client, &address, deadline);
        if (r >= 0)
                r = client_runf(&client, deadline, NULL, "PURGE BINARY LOGS TO '%s'", file);
        if (r >= 0)
                (void)vss_writer_call_add_note(call, instance->logical_path, COMPONENT_NAME,
                                               "binary logs before %s were purged", file);
        else
                (void)vss_writer_call_add_note(call, instance->logical_path, COMPONENT_NAME,
                                               "binary logs could not be purged: %s", client.error);
        client_close(&client);
}

static vss_result mariadb_backup_complete(vss_writer_call *call) {
        MariadbWriter *writer = vss_writer_call_userdata(call);
        enum vss_backup_type type = vss_writer_call_backup_type(call);
        InstanceList list = { 0 };
        Settings settings = { 0 };

        if ((type != VSS_BT_FULL && type != VSS_BT_LOG) || settings_read(writer->conf_path, &settings) < 0)
                return VSS_S_OK;
        if (settings.purge_logs &&
            instance_list_find(&settings, false, event_deadline(call, FIND_USEC), &list) >= 0)
                for (size_t i = 0; i < list.n; i++) {
                        const vss_value *component = vss_writer_call_find_component(
                                call, list.items[i].logical_path, COMPONENT_NAME);

                        if (vss_value_get_boolean(component, "succeeded", false) && list.items[i].pid > 0)
                                purge_logs(call, &list, &list.items[i], component);
                }
        instance_list_clear(&list);
        settings_clear(&settings);
        return VSS_S_OK;
}

const struct vss_writer mariadb_writer = {
        VSS_WRITER_INIT,
        .name = "MariaDB",
        .id = "b1f4d3a6-5c0e-4d27-9a83-6e2f7c91d058",
        .friendly_name = "MariaDB and MySQL servers",
        .version = LINUXVSS_VERSION,
        .usage = VSS_UT_USERDATA,
        .source = VSS_ST_TRANSACTEDDB,
        .level = VSS_APP_BACK_END,
        .freeze_timeout_ms = HOLD_LEASE_SECONDS * 1000,
        .backup_schema = VSS_BS_LOG | VSS_BS_COPY | VSS_BS_TIMESTAMPED | VSS_BS_ROLLFORWARD_RESTORE,
        .identify = mariadb_identify,
        .prepare_snapshot = mariadb_prepare_snapshot,
        .freeze = mariadb_freeze,
        .thaw = mariadb_thaw,
        .abort = mariadb_abort,
        .post_snapshot = mariadb_post_snapshot,
        .backup_complete = mariadb_backup_complete,
        .pre_restore = mariadb_pre_restore,
        .post_restore = mariadb_post_restore,
        .verify = mariadb_verify,
        .knows_dry_run = true,
};
