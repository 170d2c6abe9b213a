/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restores of clusters: the server is started, and replays its log
 *
 * How far is said in postgresql.auto.conf, the one file that a server reads wherever its configuration lies.
 * What was in it comes back when the server answers.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/common/aside.h"
#include "writers/postgresql/engine.h"
#include "writers/postgresql/program.h"
#include "writers/postgresql/restore.h"

#define AUTO_CONF "postgresql.auto.conf"
#define AUTO_CONF_KEPT "postgresql.auto.conf.linuxvss"
#define ASK_USEC (2 * USEC_PER_SEC)
#define CHECK_USEC (30 * USEC_PER_SEC)
#define START_USEC (24 * 3600 * USEC_PER_SEC)
#define POLL_USEC (50 * USEC_PER_MSEC)
#define AUTO_CONF_MAX (1u << 20)

static int path_in(const Restore *restore, const char *name, char *ret_path) {
        return snprintf(ret_path, PATH_MAX, "%s/%s", restore->cluster->data, name) >= PATH_MAX
                       ? -ENAMETOOLONG
                       : 0;
}

/* The restore_command that the cluster's own configuration has; "" if it has none. */
static void ask_restore_command(const Restore *restore, char *output) {
        const Cluster *cluster = restore->cluster;
        _cleanup_(freep) char *server = NULL;
        char *answer;

        output[0] = '\0';
        if (!cluster->programs || asprintf(&server, "%s/postgres", cluster->programs) < 0)
                return;
        if (program_run((const char *[]){ server, "-D", cluster->config, "-C", "restore_command", NULL },
                        now_usec() + ASK_USEC, output) != 0)
                output[0] = '\0';
        answer = program_answer(output);
        memmove(output, answer, strlen(answer) + 1);
}

/* What was there stays beside it until the server has recovered. */
static int write_auto_conf(const Restore *restore, const char *settings) {
        _cleanup_(freep) char *text = calloc(1, AUTO_CONF_MAX), *all = NULL;
        char path[PATH_MAX];
        int r = text ? 0 : -ENOMEM;

        if (r >= 0)
                r = path_in(restore, AUTO_CONF_KEPT, path);
        if (r >= 0 && access(path, F_OK) < 0) {
                r = read_text(restore->cluster->data, AUTO_CONF, text, AUTO_CONF_MAX);
                if (r >= 0 || r == -ENOENT)
                        r = write_text(restore->cluster->data, AUTO_CONF_KEPT, text);
        } else if (r >= 0)
                r = read_text(restore->cluster->data, AUTO_CONF_KEPT, text, AUTO_CONF_MAX);
        if (r >= 0 && asprintf(&all, "%s\n%s", text, settings) < 0)
                return -ENOMEM;
        return r < 0 ? r : write_text(restore->cluster->data, AUTO_CONF, all);
}

/* Return: 1 if there is something to replay to, or from elsewhere; 0; a negative errno. */
static int order_recovery(const Restore *restore) {
        bool has_log = restore_has_log(restore->cluster->wal);
        char configured[PROGRAM_OUTPUT_MAX], path[PATH_MAX];
        _cleanup_(freep) char *settings = NULL;
        int r;

        if (!has_log && !restore->options.has_target)
                return 0;
        ask_restore_command(restore, configured);
        r = pg_options_format(&restore->options, has_log ? "pg_wal/" RESTORED_WAL : NULL, configured,
                              &settings);
        if (r >= 0)
                r = write_auto_conf(restore, settings);
        if (r >= 0)
                r = write_text(restore->cluster->data, "recovery.signal", "");
        /* Who wants to end somewhere wants no server that follows another one for ever. */
        if (r >= 0)
                r = path_in(restore, "standby.signal", path);
        if (r >= 0 && unlink(path) < 0 && errno != ENOENT)
                r = -errno;
        return r < 0 ? r : 1;
}

static bool is_standby(const Restore *restore) {
        char path[PATH_MAX];

        return path_in(restore, "standby.signal", path) >= 0 && access(path, F_OK) == 0;
}

/* Return: 0 when it serves; -EIO when it ended, -ETIMEDOUT. */
static int await_server(Restore *restore, bool standby, uint64_t deadline_usec) {
        Cluster *cluster = restore->cluster;
        bool seen = false;

        while (now_usec() < deadline_usec) {
                cluster_look(cluster);
                if (cluster->state == SERVER_RUNNING && (standby || !cluster->pid_file.standby))
                        return 0;
                if (seen && cluster->state == SERVER_DOWN)
                        return -EIO;
                seen = seen || cluster->state != SERVER_DOWN;
                (void)usleep(POLL_USEC);
        }
        return -ETIMEDOUT;
}

/* A look that needs no more than a connection: is the catalog there? */
static void look_into(Restore *restore, bool reload) {
        const SqlTarget target = {
                .socket_dir = restore->cluster->pid_file.socket_dir,
                .port = restore->cluster->pid_file.port,
                .user = restore->settings->user,
                .database = restore->settings->database,
        };
        uint64_t deadline = event_deadline(restore->call, CHECK_USEC);
        _cleanup_(sql_closep) Sql *sql = NULL;
        char why[SQL_WHY_SIZE] = "";
        int r = sql_open(&target, deadline, &sql, why);

        if (r < 0) {
                restore_note(restore, "the server is started; it could not be asked (%s)", why);
                return;
        }
        if (reload)
                (void)sql_run(sql, deadline, "SELECT pg_reload_conf()", 0, NULL);
        r = sql_run(sql, deadline,
                    "SELECT count(*), CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE "
                    "pg_current_wal_lsn() END FROM pg_database d LEFT JOIN pg_tablespace t ON t.oid = "
                    "d.dattablespace",
                    0, NULL);
        if (r < 0)
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "the restored cluster is not sound: %s", sql_why(sql));
        else
                restore_note(restore, "the server is started, with %s databases, at %s of its log",
                             sql_value(sql, 0, 0), sql_value(sql, 0, 1));
}

static int drop_aside(int directory_fd, const char *path, const char *const *keep, void *userdata) {
        const vss_writer_call *call = userdata;

        return aside_drop(directory_fd, event_deadline(call, START_USEC));
}

static void put_auto_conf_back(const Restore *restore) {
        char from[PATH_MAX], to[PATH_MAX];

        if (path_in(restore, AUTO_CONF_KEPT, from) >= 0 && path_in(restore, AUTO_CONF, to) >= 0)
                (void)rename(from, to);
}

/* The restored cluster is sound: what it has replaced goes. */
static void drop_old(Restore *restore) {
        char path[PATH_MAX] = "";
        int r;

        restore_drop_log(restore->cluster->wal);
        r = restore_each_place(restore, drop_aside, restore->call, path, sizeof(path));
        if (r < 0)
                restore_note(restore,
                             "%s/" ASIDE_NAME
                             " has what was there before, and cannot be removed (%s): remove it",
                             path, strerror(-r));
}

/* Nobody starts it but people: they find it recovered. */
static void start_privately(Restore *restore) {
        uint64_t deadline = event_deadline(restore->call, START_USEC);
        char scratch[] = "/tmp/linuxvss-postgresql-XXXXXX", why[SQL_WHY_SIZE] = "", path[PATH_MAX];
        static const char *const files[] = { "server.log", "postgresql.conf", "pg_hba.conf",
                                             "pg_ident.conf" };
        Engine engine = { 0 };
        int r;

        if (!mkdtemp(scratch)) {
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE, "%s: %s", scratch, strerror(errno));
                return;
        }
        r = engine_start(restore->cluster, restore->settings, restore->cluster->data, scratch, false,
                         deadline, &engine, why);
        if (r >= 0) {
                r = engine_stop(&engine, deadline);
                (void)snprintf(why, sizeof(why), "it does not stop again");
        }
        for (size_t i = 0; i < ELEMENTS(files); i++)
                if (snprintf(path, sizeof(path), "%s/%s", scratch, files[i]) < (int)sizeof(path))
                        (void)unlink(path);
        (void)rmdir(scratch);
        if (r < 0) {
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "the server does not start on what was restored: %s", why);
                return;
        }
        drop_old(restore);
        restore_note(restore,
                     "it is restored and recovered; no unit is known that starts it: start its server");
}

void restore_start(Restore *restore) {
        uint64_t deadline = event_deadline(restore->call, START_USEC);
        const char *unit = restore->cluster->unit;
        bool standby;
        vss_result result;
        int recover = order_recovery(restore), r;

        if (recover < 0) {
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "how far to replay cannot be written: %s", strerror(-recover));
                return;
        }
        standby = is_standby(restore);
        if (!unit && recover == 0 && !standby) {
                start_privately(restore);
                return;
        }
        if (!unit) {
                restore_note(restore,
                             "no unit is known that starts it: start its server, and once it has replayed "
                             "its log remove " ASIDE_NAME " in %s, and put " AUTO_CONF_KEPT
                             " back in its place",
                             restore->cluster->data);
                return;
        }
        result = vss_writer_call_start_unit(restore->call, unit);
        if (result < 0) {
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "%s does not start: %s (the server's log has more)", unit,
                             vss_writer_call_failure_text(restore->call));
                return;
        }
        r = await_server(restore, standby, deadline);
        if (r == -ETIMEDOUT)
                restore_fail(restore, VSS_E_WRITERERROR_TIMEOUT,
                             "the server still replays its log: once it answers, remove " ASIDE_NAME
                             " in %s",
                             restore->cluster->data);
        else if (r < 0)
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "the server ended while it replayed its log (its own log says why): perhaps "
                             "the target is not in "
                             "the log that was restored");
        if (restore->failed)
                return;
        if (recover > 0)
                put_auto_conf_back(restore);
        look_into(restore, recover > 0);
        if (!restore->failed)
                drop_old(restore);
}
