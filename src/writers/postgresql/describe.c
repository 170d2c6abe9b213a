/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Identify: one component per cluster
 */

#include <fcntl.h>
#include <string.h>
#include "util/clock.h"
#include "writers/common/aside.h"
#include "writers/postgresql/writer.h"

#define OF_ALL                                                                    \
        (VSS_FSBT_FULL_BACKUP_REQUIRED | VSS_FSBT_DIFFERENTIAL_BACKUP_REQUIRED |  \
         VSS_FSBT_INCREMENTAL_BACKUP_REQUIRED | VSS_FSBT_FULL_SNAPSHOT_REQUIRED | \
         VSS_FSBT_DIFFERENTIAL_SNAPSHOT_REQUIRED | VSS_FSBT_INCREMENTAL_SNAPSHOT_REQUIRED)

static vss_result add_set(vss_metadata *metadata, const Cluster *cluster, const char *path, uint32_t mask) {
        struct vss_file_set set = {
                .size = sizeof(set),
                .path = path,
                .filespec = "*",
                .recursive = true,
                .backup_mask = mask,
        };

        return vss_metadata_add_file_set(metadata, cluster->logical_path, cluster->name, &set);
}

static vss_result add_files(vss_metadata *metadata, const Cluster *cluster) {
        vss_result r = add_set(metadata, cluster, cluster->data, OF_ALL);

        /* Beside the whole, since a log backup is this alone. */
        if (r >= 0)
                r = add_set(metadata, cluster, cluster->wal, VSS_FSBT_DEFAULT);
        for (size_t i = 0; r >= 0 && i < cluster->n_spaces; i++)
                if (cluster->spaces[i].directory)
                        r = add_set(metadata, cluster, cluster->spaces[i].directory, OF_ALL);
        return r;
}

/* What a server makes anew when it starts, and what must not come back; as pg_basebackup leaves it out. */
static vss_result add_excludes(vss_metadata *metadata, const Cluster *cluster) {
        static const struct {
                const char *directory, *filespec;
                bool recursive;
        } excludes[] = {
                { "", "postmaster.pid", false },       { "", "postmaster.opts", false },
                { "", "current_logfiles.tmp", false }, { "", "postgresql.auto.conf.tmp", false },
                { "", "pg_internal.init*", true },     { "", "pgsql_tmp*", true },
                { "/pg_dynshmem", "*", true },         { "/pg_notify", "*", true },
                { "/pg_replslot", "*", true },         { "/pg_serial", "*", true },
                { "/pg_snapshots", "*", true },        { "/pg_stat_tmp", "*", true },
                { "/pg_subtrans", "*", true },         { "/" ASIDE_NAME, "*", true },
                { "/" ASIDE_DROPPED, "*", true },      { "/pg_wal/" RESTORED_WAL, "*", true },
        };
        static const char *const ours[] = { ASIDE_NAME, ASIDE_DROPPED, RESTORED_WAL };
        char path[PATH_MAX];
        vss_result r = VSS_S_OK;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(excludes); i++) {
                if (snprintf(path, sizeof(path), "%s%s", cluster->data, excludes[i].directory) >=
                    (int)sizeof(path))
                        return VSS_E_INVALIDARG;
                r = vss_metadata_add_exclude(metadata, path, excludes[i].filespec, excludes[i].recursive);
        }
        for (size_t i = 0; r >= 0 && i < cluster->n_spaces; i++)
                if (cluster->spaces[i].directory)
                        r = vss_metadata_add_exclude(metadata, cluster->spaces[i].directory, "pgsql_tmp*",
                                                     true);
        /* What is aside in a tablespace lies beside its file set. */
        for (size_t i = 0; r >= 0 && cluster->wal_is_apart && i < ELEMENTS(ours); i++) {
                if (snprintf(path, sizeof(path), "%s/%s", cluster->wal, ours[i]) >= (int)sizeof(path))
                        return VSS_E_INVALIDARG;
                r = vss_metadata_add_exclude(metadata, path, "*", true);
        }
        return r;
}

/* A restore that did not finish, in @why. */
static bool tell_aside(const char *path, char *why, size_t size) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        AsideInfo info;

        if (fd < 0 || aside_look(fd, &info) <= 0)
                return false;
        (void)aside_text(&info, path, why, size);
        return true;
}

/* What somebody has to see to, in @why; false if there is nothing. */
static bool find_fault(const Cluster *cluster, char *why, size_t size) {
        unsigned long version = strtoul(cluster->version, NULL, 10);

        if (tell_aside(cluster->data, why, size))
                return true;
        if (!cluster->exists)
                (void)snprintf(why, size, "there is no cluster in %.500s: it can be restored there",
                               cluster->data);
        else if (version < 12)
                (void)snprintf(why, size, "version %s is older than those that this writer knows (12)",
                               cluster->version);
        else
                return false;
        return true;
}

static vss_result describe_cluster(vss_metadata *metadata, const Cluster *cluster) {
        char caption[PATH_MAX + 64], why[1024] = "";
        bool fault = find_fault(cluster, why, sizeof(why));
        struct vss_component_info info = {
                .size = sizeof(info),
                .type = VSS_CT_FILEGROUP,
                .logical_path = cluster->logical_path,
                .name = cluster->name,
                .caption = caption,
                .selectable = true,
                .selectable_for_restore = true,
                /* The label of a backup, and what was logged meanwhile, are written into the copy. */
                .flags = VSS_CF_BACKUP_RECOVERY,
                .crash_only = fault ? why : NULL,
                .notify_on_backup_complete = true,
        };
        vss_result r;

        (void)snprintf(caption, sizeof(caption), "PostgreSQL %s in %s", cluster->version, cluster->data);
        r = vss_metadata_add_component(metadata, &info);
        if (r >= 0)
                r = add_files(metadata, cluster);
        return r >= 0 && cluster->exists ? add_excludes(metadata, cluster) : r;
}

/* What a standby has not replayed may be missing in a copy. */
static vss_result tell_lag(vss_metadata *metadata, Sql *sql, const char *label, uint64_t deadline_usec) {
        if (sql_run(sql, deadline_usec,
                    "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), "
                    "extract(epoch FROM now() - pg_last_xact_replay_timestamp())::bigint, "
                    "CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END, "
                    "pg_last_wal_replay_lsn()",
                    0, NULL) < 0)
                return VSS_S_OK;
        if (sql_is_true(sql, 0, 2))
                return vss_metadata_add_warning(
                        metadata,
                        "%s: it is a standby that replays nothing now "
                        "(pg_wal_replay_resume): a copy is sure to have what it has replayed, up to %s",
                        label, sql_value(sql, 0, 3));
        if (strtoll(sql_value(sql, 0, 0), NULL, 10) <= 0 || strtoll(sql_value(sql, 0, 1), NULL, 10) < 1)
                return VSS_S_OK;
        return vss_metadata_add_warning(
                metadata,
                "%s: it is a standby, and %s s and %s bytes of log behind what it has "
                "received: a copy is sure to have what it has replayed, up to %s",
                label, sql_value(sql, 0, 1), sql_value(sql, 0, 0), sql_value(sql, 0, 3));
}

/* The rights that a copy needs which is not cut at one instant. */
static vss_result ask_rights(vss_metadata *metadata, const Cluster *cluster, const PgSettings *settings,
                             uint64_t deadline_usec) {
        const SqlTarget target = {
                .socket_dir = cluster->pid_file.socket_dir,
                .port = cluster->pid_file.port,
                .user = settings->user,
                .database = settings->database,
        };
        _cleanup_(sql_closep) Sql *sql = NULL;
        char why[SQL_WHY_SIZE] = "", label[400];
        const char *begin = "pg_backup_start(text, boolean)", *end = "pg_backup_stop(boolean)";
        int r = sql_open(&target, deadline_usec, &sql, why);

        cluster_label(cluster, label, sizeof(label));
        if (r == -EACCES)
                return vss_metadata_add_missing_right(metadata, why,
                                                      "local all <user> peer, in pg_hba.conf; or the "
                                                      "password in .pgpass of the system user");
        if (r < 0)
                return vss_metadata_add_warning(metadata, "%s cannot be asked now: %s", label, why);
        if (sql_version(sql) < 150000) {
                begin = "pg_start_backup(text, boolean, boolean)";
                end = "pg_stop_backup(boolean, boolean)";
        }
        r = sql_run(sql, deadline_usec,
                    "SELECT has_function_privilege($1, 'execute') AND has_function_privilege($2, 'execute')",
                    2, (const char *[]){ begin, end });
        if (r >= 0 && !sql_is_true(sql, 0, 0)) {
                char what[700], remedy[300];

                (void)snprintf(what, sizeof(what),
                               "%.300s: shadow copies that are not cut at one instant are crash-consistent "
                               "only, since %.63s may "
                               "not begin a backup",
                               label, settings->user);
                (void)snprintf(remedy, sizeof(remedy), "GRANT EXECUTE ON FUNCTION %s, %s TO \"%s\";", begin,
                               end, settings->user);
                return vss_metadata_add_missing_right(metadata, what, remedy);
        }
        return tell_lag(metadata, sql, label, deadline_usec);
}

vss_result pg_describe(const ClusterList *list, bool ask, uint64_t deadline_usec, vss_metadata *metadata) {
        vss_result r = vss_metadata_set_restore_method(
                metadata, VSS_RME_RESTORE_IF_CAN_REPLACE, NULL,
                "Stop the server, empty its directory of data, its pg_wal and its tablespaces, put back all "
                "files of the "
                "component, and start it. Leave backup_label and tablespace_map where they are: "
                "vss-writer-postgresql(8).",
                VSS_WRE_ALWAYS, false);

        for (size_t i = 0; r >= 0 && i < list->n; i++) {
                r = describe_cluster(metadata, &list->items[i]);
                if (r == VSS_E_OBJECT_ALREADY_EXISTS)
                        r = VSS_S_OK;
                else if (r >= 0 && ask && list->items[i].state == SERVER_RUNNING)
                        r = ask_rights(metadata, &list->items[i], &list->settings, deadline_usec);
        }
        for (size_t i = 0; r >= 0 && i < list->n_warnings; i++)
                r = vss_metadata_add_warning(metadata, "%s", list->warnings[i]);
        return r;
}
