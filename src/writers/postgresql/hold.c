/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One cluster in one shadow copy set: until it is cut
 */

#include <stdarg.h>
#include <string.h>
#include "util/clock.h"
#include "writers/postgresql/hold.h"

#define CONNECT_USEC (10 * USEC_PER_SEC)
#define ASK_USEC (5 * USEC_PER_SEC)
#define CHECKPOINT_USEC (60 * USEC_PER_SEC)
#define START_USEC (15 * USEC_PER_SEC)
#define RETRY_USEC (100 * USEC_PER_MSEC)
/* The names of functions, and one of their arguments, are others since version 15. */
#define NEW_NAMES 150000
#define MAKE_ROOM ": make room on the file systems of the cluster, and try again"

void hold_clear(Hold *hold) {
        hold->sql = sql_close(hold->sql);
        backup_info_clear(&hold->info);
        *hold = (Hold){ 0 };
}

void hold_fail(Hold *hold, vss_result code, const char *format, ...) {
        char label[400];
        va_list args;
        size_t n;

        if (hold->code < 0)
                return;
        hold->code = code;
        hold->mode = PG_NONE;
        n = (size_t)snprintf(hold->why, sizeof(hold->why),
                             "%s: ", cluster_label(hold->cluster, label, sizeof(label)));
        va_start(args, format);
        (void)vsnprintf(hold->why + n, sizeof(hold->why) - n, format, args);
        va_end(args);
        /* Without its session nothing is under way any more. */
        hold->sql = sql_close(hold->sql);
}

static uint64_t within(const Hold *hold, uint64_t usec) {
        return MIN(now_usec() + usec, hold->deadline_usec);
}

/* A connection, with its remedy if there is none. */

static void fail_to_connect(Hold *hold, int error, const char *why) {
        const char *user = hold->settings->user;

        switch (error) {
        case -EUSERS:
                hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                          "no backup can be begun, since all connections are taken (%s): end one, or raise "
                          "superuser_reserved_connections",
                          why);
                break;
        case -EACCES:
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "no backup can be begun, since the server does not let %s in (%s): put \"local "
                          "all %s peer\" into "
                          "pg_hba.conf, or the password into .pgpass in the home of the system user",
                          user, why, user);
                break;
        case -EAGAIN:
        case -ECONNREFUSED:
                hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                          "no backup can be begun before the server has started (%s): try again then", why);
                break;
        case -ETIMEDOUT:
                hold_fail(hold, VSS_E_WRITERERROR_TIMEOUT,
                          "no backup can be begun: the server does not answer");
                break;
        default:
                hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE, "no backup can be begun: %s", why);
        }
}

/* Return: 0 with a connection, or a server that is down; else why there is none. One that starts is waited
 * for only if it has to be asked. */
static int open_session(Hold *hold, bool wait, char *ret_why) {
        uint64_t deadline = within(hold, START_USEC);

        for (;;) {
                const PidFile *file = &hold->cluster->pid_file;
                SqlTarget target = {
                        .socket_dir = file->socket_dir,
                        .port = file->port,
                        .user = hold->settings->user,
                        .database = hold->settings->database,
                };
                int r = -EAGAIN;

                cluster_look(hold->cluster);
                hold->facts.running = hold->cluster->state != SERVER_DOWN;
                if (!hold->facts.running)
                        return 0;
                (void)snprintf(ret_why, SQL_WHY_SIZE, "it is starting or stopping");
                if (file->socket_dir[0])
                        r = sql_open(&target, within(hold, CONNECT_USEC), &hold->sql, ret_why);
                else if (hold->cluster->state == SERVER_RUNNING)
                        return -EIO;
                if (r != -EAGAIN && r != -ECONNREFUSED)
                        return r;
                if (!wait || now_usec() + RETRY_USEC >= deadline)
                        return r;
                (void)usleep(RETRY_USEC);
        }
}

static int run(Hold *hold, uint64_t usec, const char *statement, size_t n, const char *const *parameters) {
        return sql_run(hold->sql, within(hold, usec), statement, n, parameters);
}

static int learn_facts(Hold *hold) {
        BackupInfo *info = &hold->info;
        Lsn redo = 0;
        int r = run(hold, ASK_USEC,
                    "SELECT pg_is_in_recovery(), "
                    "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE "
                    "pg_current_wal_insert_lsn() END, "
                    "current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on', "
                    "(SELECT system_identifier FROM pg_control_system()), "
                    "(SELECT timeline_id FROM pg_control_checkpoint()), "
                    "(SELECT bytes_per_wal_segment FROM pg_control_init()), "
                    "current_setting('wal_level'), pg_last_wal_receive_lsn(), "
                    "(SELECT redo_lsn FROM pg_control_checkpoint())",
                    0, NULL);

        if (r < 0)
                return r;
        info->in_recovery = sql_is_true(hold->sql, 0, 0);
        (void)lsn_parse(sql_value(hold->sql, 0, 1), &info->lsn);
        (void)lsn_parse(sql_value(hold->sql, 0, 8), &info->received);
        if (lsn_parse(sql_value(hold->sql, 0, 9), &redo) >= 0 && redo <= info->lsn)
                hold->to_replay = info->lsn - redo;
        hold->facts.fsync = sql_is_true(hold->sql, 0, 2);
        hold->facts.full_page_writes = sql_is_true(hold->sql, 0, 3);
        (void)snprintf(info->system_id, sizeof(info->system_id), "%s", sql_value(hold->sql, 0, 4));
        info->timeline = (uint32_t)strtoul(sql_value(hold->sql, 0, 5), NULL, 10);
        info->segment_size = strtoull(sql_value(hold->sql, 0, 6), NULL, 10);
        hold->facts.connected = true;
        return 0;
}

/* The modes */

static bool trace_control(const Cluster *cluster, ControlTrace *ret_trace) {
        char path[PATH_MAX];
        struct stat st;

        if (snprintf(path, sizeof(path), "%s/global/pg_control", cluster->data) >= (int)sizeof(path) ||
            lstat(path, &st) < 0)
                return false;
        *ret_trace = (ControlTrace){ .inode = st.st_ino, .changed = st.st_ctim };
        return true;
}

static void prepare_stopped(Hold *hold) {
        if (!trace_control(hold->cluster, &hold->trace))
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE, "%s/global/pg_control cannot be read: %s",
                          hold->cluster->data, strerror(errno));
}

/* Shortens the recovery of the copy; not worth a failure. */
static void checkpoint(Hold *hold) {
        if (!hold->sql || hold->to_replay < hold->settings->checkpoint_beyond || hold->info.in_recovery)
                return;
        if (run(hold, CHECKPOINT_USEC, "CHECKPOINT", 0, NULL) >= 0)
                (void)learn_facts(hold);
}

static void prepare_one_instant(Hold *hold) {
        checkpoint(hold);
        hold->sql = sql_close(hold->sql);
}

/* Keeps the log for as long as the session lives. Where there is none to be had, what was recycled is found
 * missing. */
static void take_slot(Hold *hold) {
        char name[64];
        size_t n;

        n = (size_t)snprintf(name, sizeof(name), "linuxvss_%.40s", hold->set_id);
        for (size_t i = 0; i < n; i++)
                if (name[i] == '-')
                        name[i] = '_';
        (void)snprintf(hold->name_of_slot, sizeof(hold->name_of_slot), "%s", name);
        hold->slot = run(hold, ASK_USEC, "SELECT pg_create_physical_replication_slot($1, true, true)", 1,
                         (const char *[]){ name }) >= 0;
}

static void fail_to_begin(Hold *hold, int error) {
        const char *user = hold->settings->user;

        if (error == -EACCES && sql_version(hold->sql) >= NEW_NAMES)
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "%s may not begin a backup: GRANT EXECUTE ON FUNCTION pg_backup_start(text, "
                          "boolean), "
                          "pg_backup_stop(boolean) TO \"%s\";",
                          user, user);
        else if (error == -EACCES)
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "%s may not begin a backup: GRANT EXECUTE ON FUNCTION pg_start_backup(text, "
                          "boolean, boolean), "
                          "pg_stop_backup(boolean, boolean) TO \"%s\";",
                          user, user);
        else if (error == -ETIMEDOUT)
                hold_fail(hold, VSS_E_WRITERERROR_TIMEOUT,
                          "the checkpoint that begins a backup was not done in time: try again when less is "
                          "written");
        else
                hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE, "no backup can be begun: %s",
                          sql_why(hold->sql));
}

static void prepare_backup(Hold *hold) {
        char label[100];
        int r;

        take_slot(hold);
        (void)snprintf(label, sizeof(label), "linuxvss %s", hold->set_id);
        r = run(hold, UINT64_MAX / 2,
                sql_version(hold->sql) >= NEW_NAMES ? "SELECT pg_backup_start($1, true)"
                                                    : "SELECT pg_start_backup($1, true, false)",
                1, (const char *[]){ label });
        if (r < 0)
                fail_to_begin(hold, r);
        else
                (void)lsn_parse(sql_value(hold->sql, 0, 0), &hold->info.start);
}

static bool fits_previous(Hold *hold) {
        const BackupInfo *info = &hold->info;

        if (!hold->previous.system_id[0])
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "a log backup goes on from another one, and there is none, or not of this writer: "
                          "make a full one");
        else if (strcmp(hold->previous.system_id, info->system_id) != 0)
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "the backup before is one of another cluster (%s, this is %s): make a full one",
                          hold->previous.system_id, info->system_id);
        else if (hold->previous.timeline != info->timeline)
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "the backup before is of timeline %u, and this is timeline %u, since the cluster "
                          "was restored or "
                          "promoted: make a full one",
                          hold->previous.timeline, info->timeline);
        else if (hold->previous.lsn > info->lsn)
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "the backup before is ahead of this server: make a full one");
        else
                return true;
        return false;
}

static void prepare_log(Hold *hold) {
        char name[SEGMENT_NAME_SIZE];
        BackupInfo *info = &hold->info;
        int r = 0;

        if (strcmp(sql_value(hold->sql, 0, 7), "minimal") == 0)
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "the log has not what a restore needs: set wal_level = replica, and make a full "
                          "backup");
        if (hold->code < 0 || !fits_previous(hold))
                return;
        info->start = hold->previous.lsn;
        info->stop = info->lsn;
        /* A standby cannot, and gives what it has. */
        if (!info->in_recovery) {
                r = run(hold, ASK_USEC, "SELECT pg_switch_wal()", 0, NULL);
                if (r == -EACCES)
                        hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                                  "%s may not close the log: GRANT EXECUTE ON FUNCTION pg_switch_wal() TO "
                                  "\"%s\";",
                                  hold->settings->user, hold->settings->user);
                else if (r < 0)
                        hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE, "the log cannot be closed: %s",
                                  sql_why(hold->sql));
                else
                        (void)lsn_parse(sql_value(hold->sql, 0, 0), &info->stop);
        }
        if (hold->code < 0)
                return;
        r = wal_check(hold->cluster->wal, info->timeline,
                      segment_range(info->start, info->stop, info->segment_size), info->segment_size, name);
        if (r < 0)
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "segment %s of the log, which the backup before did not have, is not there any "
                          "more: make a full "
                          "backup, and have the log kept (Slot= of this writer, or wal_keep_size)",
                          name);
        hold->sql = sql_close(hold->sql);
}

/* Log backups on top of this one find what they need, as long as they come. */
static void keep_log(Hold *hold) {
        const char *slot = hold->settings->slot;

        if (!hold->sql || !slot[0] || hold->type != VSS_BT_FULL)
                return;
        (void)run(hold, ASK_USEC,
                  "SELECT pg_create_physical_replication_slot($1, true) "
                  "WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)",
                  1, (const char *[]){ slot });
}

static int describe(Hold *hold) {
        const Cluster *cluster = hold->cluster;
        BackupInfo *info = &hold->info;

        (void)snprintf(info->version, sizeof(info->version), "%s", cluster->version);
        info->data = strdup(cluster->data);
        info->wal = cluster->wal_is_apart ? strdup(cluster->wal) : NULL;
        info->spaces = calloc(INFO_SPACES_MAX, sizeof(*info->spaces));
        if (!info->data || !info->spaces || (cluster->wal_is_apart && !info->wal))
                return -ENOMEM;
        for (size_t i = 0; i < cluster->n_spaces; i++) {
                InfoSpace *space = &info->spaces[info->n_spaces++];

                space->name = strdup(cluster->spaces[i].name);
                space->location = strdup(cluster->spaces[i].location);
                if (!space->name || !space->location)
                        return -ENOMEM;
        }
        return 0;
}

void hold_prepare(Hold *hold) {
        char why[SQL_WHY_SIZE] = "";
        const char *in_the_way;
        int r;

        hold->began_usec = clock_usec(CLOCK_REALTIME) - USEC_PER_SEC;
        if (!hold->cluster->exists) {
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE, "there is no cluster in %s",
                          hold->cluster->data);
                return;
        }
        if (describe(hold) < 0) {
                hold_fail(hold, VSS_E_WRITERERROR_OUTOFRESOURCES, "there is no memory for it");
                return;
        }
        hold->facts.log_backup = hold->type == VSS_BT_LOG;
        r = open_session(hold, !hold->facts.one_instant || hold->facts.log_backup, why);
        if (r >= 0 && hold->sql)
                r = learn_facts(hold);
        if (r < 0 && hold->sql)
                (void)snprintf(why, sizeof(why), "%s", sql_why(hold->sql));
        hold->mode = pg_choose_mode(&hold->facts, &in_the_way);
        keep_log(hold);
        switch (hold->mode) {
        case PG_STOPPED:
                prepare_stopped(hold);
                break;
        case PG_ONE_INSTANT:
                if (!hold->facts.connected)
                        hold->info.not_asked = strdup(why);
                prepare_one_instant(hold);
                break;
        case PG_BACKUP:
                prepare_backup(hold);
                break;
        case PG_LOG:
                prepare_log(hold);
                break;
        default:
                if (in_the_way)
                        hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE, "%s", in_the_way);
                else
                        fail_to_connect(hold, r, why);
        }
        hold->info.mode = hold->mode;
}

void hold_check(Hold *hold) {
        ControlTrace trace;

        if (hold->mode == PG_STOPPED) {
                cluster_look(hold->cluster);
                if (hold->cluster->state != SERVER_DOWN || !trace_control(hold->cluster, &trace) ||
                    trace.inode != hold->trace.inode || trace.changed.tv_sec != hold->trace.changed.tv_sec ||
                    trace.changed.tv_nsec != hold->trace.changed.tv_nsec)
                        hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                                  "the server, which was down, was started meanwhile: make the set again");
        } else if (hold->mode == PG_BACKUP && (!hold->sql || !sql_is_alive(hold->sql)))
                hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                          "the session in which the backup was begun is gone, and the backup with it (was "
                          "the server stopped?)");
}

/* The label, and where the backup ends. On a primary that is where a segment does. */
static void end_backup(Hold *hold) {
        BackupInfo *info = &hold->info;
        const char *line;
        int r = run(hold, UINT64_MAX / 2,
                    sql_version(hold->sql) >= NEW_NAMES
                            ? "SELECT lsn, labelfile, spcmapfile FROM pg_backup_stop(false)"
                            : "SELECT lsn, labelfile, spcmapfile FROM pg_stop_backup(false, false)",
                    0, NULL);

        if (r < 0) {
                hold_fail(hold, r == -ETIMEDOUT ? VSS_E_WRITERERROR_TIMEOUT : VSS_E_WRITERERROR_RETRYABLE,
                          "the backup could not be ended: %s", sql_why(hold->sql));
                return;
        }
        (void)lsn_parse(sql_value(hold->sql, 0, 0), &info->stop);
        info->label = strdup(sql_value(hold->sql, 0, 1));
        if (*sql_value(hold->sql, 0, 2))
                info->map = strdup(sql_value(hold->sql, 0, 2));
        line = info->label ? strstr(info->label, "START TIMELINE: ") : NULL;
        if (!info->label || !*info->label || info->stop == 0) {
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE, "the server gave no label for the backup");
                return;
        }
        if (line)
                info->timeline = (uint32_t)strtoul(line + strlen("START TIMELINE: "), NULL, 10);
        hold->stopped = true;
}

void hold_thaw(Hold *hold) {
        hold_check(hold);
        /* Now, so that the copy ends here: what is committed later is not in it. A standby's ends where its
         * control file does, which is copied first. */
        if (hold->mode == PG_BACKUP && !hold->info.in_recovery)
                end_backup(hold);
}

/* The standby's own control file says how far the log has to be replayed for its files: it must be younger
 * than they. */
static void finish_standby(Hold *hold, const char *data) {
        char from[PATH_MAX], to[PATH_MAX];
        Control control;
        int r = -ENAMETOOLONG;

        if (snprintf(from, sizeof(from), "%s/global/pg_control", hold->cluster->data) < (int)sizeof(from) &&
            snprintf(to, sizeof(to), "%s/global/pg_control", data) < (int)sizeof(to))
                r = copy_steady(from, to, hold->deadline_usec);
        if (r >= 0)
                r = cluster_control(hold->cluster, data, hold->deadline_usec, &control);
        if (r < 0)
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "global/pg_control cannot be brought into the shadow copy: %s", strerror(-r));
        else
                end_backup(hold);
}

static void finish_backup(Hold *hold, const char *data, const char *wal) {
        BackupInfo *info = &hold->info;
        char name[SEGMENT_NAME_SIZE] = "";
        int r;

        if (!hold->stopped)
                finish_standby(hold, data);
        if (hold->code < 0)
                return;
        r = write_text(data, "backup_label", info->label);
        if (r >= 0 && info->map)
                r = write_text(data, "tablespace_map", info->map);
        if (r < 0) {
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "the shadow copy cannot be written to, and is no backup without its label: %s%s",
                          strerror(-r), r == -ENOSPC ? MAKE_ROOM : "");
                return;
        }
        r = wal_copy(hold->cluster->wal, wal, info->timeline,
                     segment_range(info->start, info->stop, info->segment_size), info->segment_size, name);
        if (r == -ENODATA)
                hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                          "segment %s of the log was recycled before it could be copied%s: raise "
                          "wal_keep_size%s",
                          name, hold->slot ? "" : ", and no replication slot was to be had",
                          hold->slot ? "" : " or max_replication_slots");
        else if (r < 0)
                hold_fail(hold,
                          r == -ENOSPC ? VSS_E_WRITERERROR_OUTOFRESOURCES : VSS_E_WRITERERROR_NONRETRYABLE,
                          "segment %s of the log cannot be copied into the shadow copy: %s%s", name,
                          strerror(-r), r == -ENOSPC ? MAKE_ROOM : "");
        hold->sql = sql_close(hold->sql);
}

/* What has to be saved of the log: these segments and no others. */
static void name_segments(Hold *hold, vss_writer_call *call) {
        const Cluster *cluster = hold->cluster;
        const BackupInfo *info = &hold->info;
        SegmentRange range = segment_range(info->start, info->stop, info->segment_size);
        vss_result result;

        if (!vss_writer_call_components_selected(call))
                return;
        if (range.last - range.first + 3 > VSS_COMPONENT_FILES_MAX) {
                hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                          "there are more than %u segments of the log since the backup before: make a full "
                          "one",
                          VSS_COMPONENT_FILES_MAX);
                return;
        }
        /* Of all others what changed since the set was begun: the segment that was being written to when it
         * was cut. */
        result = vss_writer_call_add_differenced_files_by_last_modify_time(
                call, cluster->logical_path, cluster->name, cluster->wal, "*", true, hold->began_usec);
        if (result >= 0)
                result = vss_writer_call_add_differenced_files_by_last_modify_time(
                        call, cluster->logical_path, cluster->name, cluster->wal, "*.history", false, 1);
        for (uint64_t number = range.first; result >= 0 && number <= range.last; number++) {
                char name[SEGMENT_NAME_SIZE];

                segment_name(info->timeline, number, info->segment_size, name);
                result = vss_writer_call_add_differenced_files_by_last_modify_time(
                        call, cluster->logical_path, cluster->name, cluster->wal, name, false, 1);
        }
        if (result < 0)
                hold_fail(hold, VSS_E_WRITERERROR_OUTOFRESOURCES,
                          "what is to be saved of the log cannot be said: %s", vss_result_text(result));
}

static void finish_log(Hold *hold, const char *wal, vss_writer_call *call) {
        const BackupInfo *info = &hold->info;
        char name[SEGMENT_NAME_SIZE];

        if (wal_check(wal, info->timeline, segment_range(info->start, info->stop, info->segment_size),
                      info->segment_size, name) < 0)
                hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                          "segment %s of the log was recycled before it was in the shadow copy: make a full "
                          "backup, and have "
                          "the log kept (Slot= of this writer, or wal_keep_size)",
                          name);
        else
                name_segments(hold, call);
}

static void learn_redo(Hold *hold, const char *data) {
        BackupInfo *info = &hold->info;
        Control control;

        if (cluster_control(hold->cluster, data, within(hold, ASK_USEC), &control) < 0)
                return;
        info->redo = control.redo;
        if (!info->system_id[0])
                (void)snprintf(info->system_id, sizeof(info->system_id), "%s", control.system_id);
        info->timeline = info->timeline ?: control.timeline;
        info->segment_size = info->segment_size ?: control.segment_size;
}

/* Where a log backup on top goes on: nothing behind it is known to be in this one. */
static void leave_stamp(const Hold *hold, vss_writer_call *call) {
        const BackupInfo *info = &hold->info;
        Stamp stamp = {
                .timeline = info->timeline,
                .lsn = info->mode == PG_LOG ? info->stop : info->start ?: info->lsn ?: info->redo,
        };
        char text[STAMP_SIZE];

        if (!info->system_id[0] || stamp.timeline == 0 || stamp.lsn == 0)
                return;
        (void)snprintf(stamp.system_id, sizeof(stamp.system_id), "%s", info->system_id);
        stamp_format(&stamp, text);
        (void)vss_writer_call_set_backup_stamp(call, hold->cluster->logical_path, hold->cluster->name, text);
}

void hold_finish(Hold *hold, vss_writer_call *call) {
        const Cluster *cluster = hold->cluster;
        char data[PATH_MAX], wal[PATH_MAX];
        _cleanup_(freep) char *metadata = NULL;

        if (hold->mode == PG_NONE)
                return;
        if (copy_path(call, cluster->data, data, sizeof(data)) < 0 ||
            copy_path(call, cluster->wal, wal, sizeof(wal)) < 0) {
                if (hold->mode == PG_BACKUP || hold->mode == PG_LOG)
                        hold_fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                                  "its shadow copy cannot be seen from here, and lacks what has to be "
                                  "written into it");
        } else if (hold->mode == PG_BACKUP)
                finish_backup(hold, data, wal);
        else if (hold->mode == PG_LOG)
                finish_log(hold, wal, call);
        else
                learn_redo(hold, data);
        if (hold->code < 0 || !vss_writer_call_components_selected(call) ||
            !vss_writer_call_find_component(call, cluster->logical_path, cluster->name))
                return;
        if (backup_info_format(&hold->info, &metadata) < 0 ||
            vss_writer_call_set_backup_metadata(call, cluster->logical_path, cluster->name, metadata) < 0)
                hold_fail(hold, VSS_E_WRITERERROR_OUTOFRESOURCES,
                          "what belongs to the backup cannot be kept");
        else
                leave_stamp(hold, call);
}
