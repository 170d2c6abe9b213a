/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The PostgreSQL writer: backups
 *
 * All clusters of a set are prepared side by side, each in a thread of its own. A cluster that fails is
 * downgraded alone.
 */

#include <pthread.h>
#include <string.h>
#include "config.h"
#include "util/clock.h"
#include "writers/postgresql/writer.h"

#define IDENTIFY_USEC (900 * USEC_PER_MSEC)
#define SCAN_USEC (5 * USEC_PER_SEC)
#define PREPARE_USEC (600 * USEC_PER_SEC)
#define THAW_USEC (10 * USEC_PER_SEC)
#define SLOT_USEC (10 * USEC_PER_SEC)

int pg_find(const PgWriter *writer, uint64_t deadline_usec, ClusterList *ret_list) {
        return cluster_list_find(writer->conf_path, writer->proc, writer->etc, deadline_usec, ret_list);
}

static vss_result fail_search(vss_writer_call *call, int error) {
        return vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE, "the search for clusters failed: %s",
                                    strerror(-error));
}

static vss_result pg_identify(vss_writer_call *call, vss_metadata *metadata) {
        PgWriter *writer = vss_writer_call_userdata(call);
        uint64_t deadline = event_deadline(call, IDENTIFY_USEC);
        ClusterList list = { 0 };
        vss_result result;
        int r;

        /* Between Freeze and Thaw nothing is read and nobody is looked up. */
        if (writer->frozen)
                return pg_describe(&writer->list, false, deadline, metadata);
        r = pg_find(writer, deadline, &list);
        if (r < 0)
                return fail_search(call, r);
        result = pg_describe(&list, true, deadline, metadata);
        cluster_list_clear(&list);
        return result;
}

/* All state of a set, also of one that nobody ended. Backups that were begun end with their sessions. */
static void let_go(PgWriter *writer) {
        for (size_t i = 0; i < writer->n_holds; i++)
                hold_clear(&writer->holds[i]);
        free(writer->holds);
        writer->holds = NULL;
        writer->n_holds = 0;
        cluster_list_clear(&writer->list);
        writer->session[0] = '\0';
        writer->frozen = false;
}

typedef struct Task {
        Hold *hold;
        void (*work)(Hold *hold);
        pthread_t thread;
        bool started;
} Task;

static void *run_task(void *userdata) {
        Task *task = userdata;

        task->work(task->hold);
        return NULL;
}

/* Each ends by its own deadline. */
static void for_all(PgWriter *writer, uint64_t deadline_usec, void (*work)(Hold *hold)) {
        Task tasks[CLUSTERS_MAX];

        for (size_t i = 0; i < writer->n_holds; i++) {
                tasks[i] = (Task){ .hold = &writer->holds[i], .work = work };
                writer->holds[i].deadline_usec = deadline_usec;
                if (writer->holds[i].code < 0)
                        continue;
                tasks[i].started = i + 1 < writer->n_holds &&
                                   pthread_create(&tasks[i].thread, NULL, run_task, &tasks[i]) == 0;
                if (!tasks[i].started)
                        work(&writer->holds[i]);
        }
        for (size_t i = 0; i < writer->n_holds; i++)
                if (tasks[i].started)
                        (void)pthread_join(tasks[i].thread, NULL);
}

/* Tell of those that failed since the last look. Return: VSS_S_OK if any is left, or there was none to begin
 * with. */
static vss_result tell_failures(vss_writer_call *call, PgWriter *writer) {
        EventFailures failures = { 0 };

        for (size_t i = 0; i < writer->n_holds; i++) {
                Hold *hold = &writer->holds[i];

                event_failures_add(&failures, call, hold->cluster->logical_path, hold->cluster->name,
                                   hold->code, hold->why, hold->told);
                hold->told = hold->code < 0;
        }
        return event_failures_end(&failures, call, "clusters");
}

static bool is_chosen(const vss_writer_call *call, const Cluster *cluster) {
        return event_is_chosen(call, cluster->logical_path, cluster->name);
}

static bool is_one_instant(const vss_writer_call *call, const Cluster *cluster) {
        const char *paths[TABLESPACES_MAX + 2];
        size_t n = cluster_paths(cluster, paths);

        return vss_writer_call_is_one_instant(call, paths, n);
}

static bool is_affected(const vss_writer_call *call, const Cluster *cluster) {
        const char *paths[TABLESPACES_MAX + 2];
        size_t n = cluster_paths(cluster, paths);

        for (size_t i = 0; i < n; i++)
                if (vss_writer_call_is_path_affected(call, paths[i]))
                        return true;
        return false;
}

static void add_hold(vss_writer_call *call, PgWriter *writer, Cluster *cluster) {
        const char *previous = vss_writer_call_previous_backup_stamp(call, cluster->logical_path,
                                                                     cluster->name);
        Hold *hold = &writer->holds[writer->n_holds++];

        *hold = (Hold){
                .cluster = cluster,
                .settings = &writer->list.settings,
                .set_id = writer->set,
                .type = vss_writer_call_backup_type(call),
                .facts = { .one_instant = is_one_instant(call, cluster) },
        };
        if (previous)
                (void)stamp_parse(previous, &hold->previous);
}

static vss_result pg_prepare_snapshot(vss_writer_call *call) {
        PgWriter *writer = vss_writer_call_userdata(call);
        vss_result result;
        int r;

        let_go(writer);
        (void)snprintf(writer->session, sizeof(writer->session), "%s", vss_writer_call_session_id(call));
        (void)snprintf(writer->set, sizeof(writer->set), "%s", vss_writer_call_set_id(call));
        writer->holds = calloc(CLUSTERS_MAX, sizeof(*writer->holds));
        r = writer->holds ? pg_find(writer, event_deadline(call, SCAN_USEC), &writer->list) : -ENOMEM;
        if (r < 0) {
                let_go(writer);
                return fail_search(call, r);
        }
        for (size_t i = 0; i < writer->list.n; i++)
                if (is_chosen(call, &writer->list.items[i]) && is_affected(call, &writer->list.items[i]))
                        add_hold(call, writer, &writer->list.items[i]);
        for_all(writer, event_deadline(call, PREPARE_USEC), hold_prepare);
        result = tell_failures(call, writer);
        if (result < 0)
                let_go(writer);
        return result;
}

static vss_result pg_freeze(vss_writer_call *call) {
        PgWriter *writer = vss_writer_call_userdata(call);
        vss_result result;

        writer->frozen = true;
        for (size_t i = 0; i < writer->n_holds; i++)
                if (writer->holds[i].code >= 0)
                        hold_check(&writer->holds[i]);
        result = tell_failures(call, writer);
        if (result < 0)
                let_go(writer);
        return result;
}

/* Was the cut what its providers promised? */
static void check_cut(const vss_writer_call *call, PgWriter *writer) {
        for (size_t i = 0; i < writer->n_holds; i++) {
                Hold *hold = &writer->holds[i];

                if (hold->mode == PG_ONE_INSTANT && !is_one_instant(call, hold->cluster))
                        hold_fail(hold, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT,
                                  "its volumes were not cut at one instant, as was promised: make the set "
                                  "again");
        }
}

static vss_result pg_thaw(vss_writer_call *call) {
        PgWriter *writer = vss_writer_call_userdata(call);
        vss_result result;

        for_all(writer, event_deadline(call, THAW_USEC), hold_thaw);
        writer->frozen = false;
        check_cut(call, writer);
        result = tell_failures(call, writer);
        if (result < 0)
                let_go(writer);
        return result;
}

static vss_result pg_post_snapshot(vss_writer_call *call) {
        PgWriter *writer = vss_writer_call_userdata(call);
        vss_result result;

        if (strcmp(writer->session, vss_writer_call_session_id(call)) != 0)
                return VSS_S_OK;
        for (size_t i = 0; i < writer->n_holds; i++)
                if (writer->holds[i].code >= 0) {
                        writer->holds[i].deadline_usec = event_deadline(call, PREPARE_USEC);
                        hold_finish(&writer->holds[i], call);
                }
        result = tell_failures(call, writer);
        let_go(writer);
        return result;
}

static vss_result pg_abort(vss_writer_call *call) {
        PgWriter *writer = vss_writer_call_userdata(call);

        /* The end of one session must not let go what is prepared or held for another. */
        if (strcmp(writer->session, vss_writer_call_session_id(call)) == 0)
                let_go(writer);
        return VSS_S_OK;
}

/* What the log before this backup is kept for is safe now. */
static void advance_slot(vss_writer_call *call, const ClusterList *list, const Cluster *cluster,
                         const char *stamp_text) {
        const SqlTarget target = {
                .socket_dir = cluster->pid_file.socket_dir,
                .port = cluster->pid_file.port,
                .user = list->settings.user,
                .database = list->settings.database,
        };
        uint64_t deadline = event_deadline(call, SLOT_USEC);
        _cleanup_(sql_closep) Sql *sql = NULL;
        char why[SQL_WHY_SIZE] = "", lsn[LSN_SIZE];
        Stamp stamp;
        int r;

        if (cluster->state != SERVER_RUNNING || stamp_parse(stamp_text, &stamp) < 0)
                return;
        r = sql_open(&target, deadline, &sql, why);
        if (r >= 0) {
                r = sql_run(sql, deadline,
                            "SELECT pg_replication_slot_advance(slot_name, $2::pg_lsn) FROM "
                            "pg_replication_slots "
                            "WHERE slot_name = $1 AND restart_lsn < $2::pg_lsn",
                            2, (const char *[]){ list->settings.slot, lsn_format(stamp.lsn, lsn) });
                (void)snprintf(why, sizeof(why), "%s", sql_why(sql));
        }
        if (r < 0)
                (void)vss_writer_call_add_note(
                        call, cluster->logical_path, cluster->name,
                        "the slot %s goes on keeping the log that is backed up now: %s", list->settings.slot,
                        why);
}

static vss_result pg_backup_complete(vss_writer_call *call) {
        PgWriter *writer = vss_writer_call_userdata(call);
        enum vss_backup_type type = vss_writer_call_backup_type(call);
        ClusterList list = { 0 };

        if ((type != VSS_BT_FULL && type != VSS_BT_LOG) || !vss_writer_call_components_selected(call) ||
            pg_find(writer, event_deadline(call, SCAN_USEC), &list) < 0)
                return VSS_S_OK;
        for (size_t i = 0; list.settings.slot[0] && i < list.n; i++) {
                const vss_value *component = vss_writer_call_find_component(call, list.items[i].logical_path,
                                                                            list.items[i].name);

                if (vss_value_get_boolean(component, "succeeded", false))
                        advance_slot(call, &list, &list.items[i],
                                     vss_value_get_string(component, "stamp", ""));
        }
        cluster_list_clear(&list);
        return VSS_S_OK;
}

const struct vss_writer postgresql_writer = {
        VSS_WRITER_INIT,
        .name = "PostgreSQL",
        .id = "64added6-9b25-40e7-81be-e916776dd541",
        .friendly_name = "PostgreSQL clusters",
        .version = LINUXVSS_VERSION,
        .usage = VSS_UT_USERDATA,
        .source = VSS_ST_TRANSACTEDDB,
        .level = VSS_APP_BACK_END,
        .backup_schema = VSS_BS_LOG | VSS_BS_COPY | VSS_BS_TIMESTAMPED | VSS_BS_WRITER_SUPPORTS_NEW_TARGET,
        .identify = pg_identify,
        .prepare_snapshot = pg_prepare_snapshot,
        .freeze = pg_freeze,
        .thaw = pg_thaw,
        .abort = pg_abort,
        .post_snapshot = pg_post_snapshot,
        .backup_complete = pg_backup_complete,
        .pre_restore = pg_pre_restore,
        .post_restore = pg_post_restore,
        .verify = pg_verify,
        .knows_dry_run = true,
};
