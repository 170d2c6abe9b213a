/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restores: the server is stopped, what is there is put aside, and when the files are there, it is started
 * and looked at
 *
 * What was put aside stays until the restored instance was found sound. A log backup does not go over the
 * data: its files are put beside it, and applied when the last of a row of restores is done.
 */

#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/value.h"
#include "writers/common/aside.h"
#include "writers/mariadb/logs.h"
#include "writers/mariadb/restore.h"

#define FIND_USEC (5 * USEC_PER_SEC)
#define FOREVER_USEC (24 * 3600 * USEC_PER_SEC)
#define STOPPED_USEC (10 * USEC_PER_SEC)
#define RETRY_USEC (50 * USEC_PER_MSEC)

vss_result restore_fail(Restore *restore, vss_result code, const char *format, ...) {
        va_list args;

        if (restore->code < 0)
                return restore->code;
        restore->code = code;
        va_start(args, format);
        (void)vsnprintf(restore->text, sizeof(restore->text), format, args);
        va_end(args);
        return code;
}

void restore_note(Restore *restore, const char *format, ...) {
        char text[2048];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void)vss_writer_call_add_note(restore->call, restore->logical_path, COMPONENT_NAME, "%s", text);
}

/* Its directories */

typedef vss_result (*place_fn)(Restore *restore, const char *directory, const char *filespec);

static bool is_below(const char *path, const char *directory) {
        size_t n = strlen(directory);

        return strncmp(path, directory, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Each directory that files of it go to, with what of it is the instance's. */
static vss_result each_place(Restore *restore, place_fn visit) {
        static const char *const places[][2] = { { "innodb_data_home_dir", "ib*" },
                                                 { "innodb_log_group_home_dir", "ib_logfile*" },
                                                 { "innodb_undo_directory", "undo*" },
                                                 { "aria_log_dir_path", "aria_log*" } };
        const Instance *instance = restore->instance;
        char path[PATH_MAX], filespec[NAME_MAX + 4], *slash;

        (void)visit(restore, restore->datadir, "*");
        FOREACH_ELEMENT (place, places) {
                instance_path(instance, (*place)[0], path, sizeof(path));
                if (*path && !is_below(path, restore->datadir))
                        (void)visit(restore, path, (*place)[1]);
        }
        for (size_t i = 0; i < vss_value_count(instance->other_directories); i++)
                (void)visit(restore, vss_value_string(vss_value_at(instance->other_directories, i), ""),
                            "*");
        instance_path(instance, "log_bin_basename", path, sizeof(path));
        slash = strrchr(path, '/');
        if (slash && !is_below(path, restore->datadir)) {
                *slash = '\0';
                (void)snprintf(filespec, sizeof(filespec), "%.250s.*", slash + 1);
                (void)visit(restore, path, filespec);
        }
        return restore->code;
}

static bool stays(const Restore *restore, const char *directory, const char *name, const char *filespec) {
        char path[PATH_MAX];

        if (strcmp(name, "lost+found") == 0 || fnmatch(filespec, name, 0) != 0)
                return true;
        /* A volume of its own, or a link to one: what is in it is put aside there. */
        (void)snprintf(path, sizeof(path), "%.3800s/%.255s", directory, name);
        for (size_t i = 0; i < vss_value_count(restore->instance->other_directories); i++) {
                char real[PATH_MAX];

                if (realpath(path, real) &&
                    strcmp(real,
                           vss_value_string(vss_value_at(restore->instance->other_directories, i), "")) == 0)
                        return true;
        }
        return false;
}

/* Names that are not the instance's, and how many are. */
static int list_kept(const Restore *restore, const char *directory, const char *filespec, Options *ret_kept,
                     size_t *ret_n) {
        DIR *dir = opendir(directory);
        const struct dirent *entry;
        int r = 0;

        *ret_n = 0;
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while (r >= 0 && (entry = readdir(dir))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    strncmp(entry->d_name, ".linuxvss", 9) == 0)
                        continue;
                if (stays(restore, directory, entry->d_name, filespec))
                        r = options_add(ret_kept, entry->d_name);
                else
                        (*ret_n)++;
        }
        (void)closedir(dir);
        return r;
}

static vss_result put_aside(Restore *restore, const char *directory, const char *filespec) {
        _cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Options kept = { 0 };
        size_t n = 0;
        int r = list_kept(restore, directory, filespec, &kept, &n);

        if (restore->code < 0 || (fd < 0 && errno == ENOENT)) {
                options_clear(&kept);
                return restore->code;
        }
        if (r >= 0 && n > 0 && vss_writer_call_is_dry_run(restore->call))
                restore_note(restore, "%zu files and directories in %s would be put aside, into %s there", n,
                             directory, ASIDE_NAME);
        else if (r >= 0) {
                r = fd < 0 ? -errno
                           : aside_move(fd, vss_writer_call_session_id(restore->call),
                                        (const char *const *)kept.items,
                                        event_deadline(restore->call, FOREVER_USEC));
                if (r >= 0 && n > 0)
                        restore_note(restore,
                                     "%zu files and directories in %s were put aside, into %s there", n,
                                     directory, ASIDE_NAME);
        }
        options_clear(&kept);
        if (r < 0)
                return restore_fail(restore, VSS_E_WRITERERROR_RETRYABLE,
                                    "%s: what is in %s cannot be put aside: %s", restore->logical_path,
                                    directory, strerror(-r));
        return restore->code;
}

static vss_result drop_aside(Restore *restore, const char *directory, const char *filespec) {
        _cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? -errno : aside_drop(fd, event_deadline(restore->call, FOREVER_USEC));

        if (r < 0 && r != -ENOENT)
                restore_note(restore, "%s/%s is not needed any more, and could not be removed: %s",
                             directory, ASIDE_NAME, strerror(-r));
        return VSS_S_OK;
}

/* Before */

/* Of the server that is installed, which may not run. */
static void find_version(Restore *restore, char *ret_version, size_t size) {
        const char *argv[] = { restore->instance->program, "--version", NULL };
        char said[COMMAND_OUTPUT_MAX + 1], *ver;

        (void)snprintf(ret_version, size, "%s", instance_get(restore->instance, "version"));
        if (*ret_version || command_run(argv, -1, now_usec() + FIND_USEC, said) != 0)
                return;
        /* "mariadbd  Ver 10.11.19-MariaDB-... for ..." */
        ver = strstr(said, "Ver ");
        if (ver)
                (void)snprintf(ret_version, size, "%.*s", (int)strcspn(ver + 4, " "), ver + 4);
}

static void check_place_and_version(Restore *restore) {
        char text[PATH_MAX], version[256], series[SERIES_SIZE], theirs[SERIES_SIZE];

        if (metadata_get(restore->metadata, "datadir", text, sizeof(text)) &&
            strcmp(text, restore->datadir) != 0 &&
            vss_value_count(vss_value_get(restore->component, "new-targets")) == 0)
                (void)restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "%s: the backup is of a data directory %s, and the server has %s: "
                                   "restore the files to new "
                                   "targets, or set datadir as it was",
                                   restore->logical_path, text, restore->datadir);
        find_version(restore, version, sizeof(version));
        if (!metadata_get(restore->metadata, "version", text, sizeof(text)) || !*version)
                return;
        server_series(version, series);
        server_series(text, theirs);
        if (server_kind(version) != server_kind(text) || strcmp(series, theirs) != 0)
                (void)restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "%s: the backup is of version %s, and the server that is installed is "
                                   "%s: restore it with a "
                                   "server of version %s, and upgrade that",
                                   restore->logical_path, text, version, theirs);
}

static bool runs(const Instance *instance) {
        return instance->pid > 0 && (kill(instance->pid, 0) == 0 || errno == EPERM);
}

static void stop_server(Restore *restore) {
        const Instance *instance = restore->instance;
        bool dry = vss_writer_call_is_dry_run(restore->call), active = false;
        uint64_t deadline = event_deadline(restore->call, STOPPED_USEC);
        vss_result result = VSS_E_OBJECT_NOT_FOUND;

        if (restore->code < 0)
                return;
        if (instance->unit)
                result = vss_writer_call_is_unit_active(restore->call, instance->unit, &active);
        if (dry && result >= 0 && active)
                restore_note(restore, "%s would be stopped", instance->unit);
        else if (dry && runs(instance))
                (void)restore_fail(restore, VSS_E_WRITERERROR_RETRYABLE,
                                   "%s: the server runs (process %d), and not by a unit that can be "
                                   "stopped: stop it first",
                                   restore->logical_path, (int)instance->pid);
        if (dry)
                return;
        if (result >= 0) {
                result = vss_writer_call_stop_unit(restore->call, instance->unit);
                if (result < 0)
                        (void)restore_fail(restore, VSS_E_WRITERERROR_RETRYABLE,
                                           "%s: %s could not be stopped: %s", restore->logical_path,
                                           instance->unit, vss_writer_call_failure_text(restore->call));
                else if (active)
                        restore_note(restore, "%s was stopped", instance->unit);
        }
        while (restore->code >= 0 && active && runs(instance) && now_usec() < deadline)
                (void)usleep(RETRY_USEC);
        if (restore->code >= 0 && runs(instance))
                (void)restore_fail(restore, VSS_E_WRITERERROR_RETRYABLE,
                                   "%s: the server still runs (process %d): stop it, and try again",
                                   restore->logical_path, (int)instance->pid);
}

static void pre_restore_one(Restore *restore) {
        check_place_and_version(restore);
        stop_server(restore);
        if (restore->code < 0)
                return;
        if (restore->is_log)
                restore_logs_prepare(restore);
        else
                (void)each_place(restore, put_aside);
}

/* Afterwards */

static bool wait_for_server(Restore *restore, ClientAddress *address, uint64_t deadline_usec) {
        for (;;) {
                Client client = { 0 };
                int r = client_connect(&client, address, MIN(now_usec() + USEC_PER_SEC, deadline_usec));

                client_close(&client);
                /* It answers, if only to say that it does not know us. */
                if (r >= 0 || r == -EACCES || (r == -EREMOTEIO && client.code != 0))
                        return true;
                if (now_usec() + RETRY_USEC >= deadline_usec)
                        break;
                (void)usleep(RETRY_USEC);
        }
        (void)restore_fail(restore, VSS_E_WRITERERROR_TIMEOUT,
                           "%s: the server was started and does not answer", restore->logical_path);
        return false;
}

/* Names that are databases': the server takes every directory for one. */
static int list_databases(const ClientAddress *address, uint64_t deadline_usec, Options *ret_names) {
        _cleanup_rows_ struct st_mysql_res *rows = NULL;
        Client client = { 0 };
        char **row;
        int r;

        r = client_connect(&client, address, deadline_usec);
        if (r >= 0)
                r = client_run(&client,
                               "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT "
                               "LIKE '#mysql50#%' "
                               "AND SCHEMA_NAME NOT IN ('information_schema', 'performance_schema')",
                               deadline_usec, &rows);
        while (r >= 0 && (row = client_row(rows)))
                r = row[0] ? options_add(ret_names, row[0]) : 0;
        client_close(&client);
        return r;
}

static void check_running(Restore *restore) {
        ClientAddress address = { .socket = instance_get(restore->instance, "socket"),
                                  .user = restore->list->user,
                                  .file = restore->instance->client_file };
        uint64_t deadline = event_deadline(restore->call, FOREVER_USEC);
        char why[1024] = "the databases cannot be listed";
        Options names = { 0 };
        int r;

        if (!*address.socket)
                address.socket = "/run/mysqld/mysqld.sock";
        if (!wait_for_server(restore, &address, deadline))
                return;
        r = list_databases(&address, deadline, &names);
        if (r >= 0)
                r = check_tables(restore->instance, &address, &names, deadline, why, sizeof(why));
        options_clear(&names);
        if (r == -EBADMSG)
                (void)restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "%s: it was restored and is not sound: %s", restore->logical_path, why);
        else if (r < 0)
                restore_note(restore, "not all tables were checked: %s", why);
}

/* By a unit, if there is one that the service can start. */
static void start_server(Restore *restore) {
        const Instance *instance = restore->instance;
        vss_result result = VSS_E_OBJECT_NOT_FOUND;
        bool active;

        if (instance->unit)
                result = vss_writer_call_is_unit_active(restore->call, instance->unit, &active);
        if (result < 0) {
                restore_on_private(restore, NULL);
                if (restore->code >= 0)
                        restore_note(restore, "its files were recovered and checked; start the server");
                return;
        }
        result = vss_writer_call_start_unit(restore->call, instance->unit);
        if (result < 0) {
                (void)restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "%s: %s could not be started: %s", restore->logical_path, instance->unit,
                                   vss_writer_call_failure_text(restore->call));
                return;
        }
        restore_note(restore, "%s was started", instance->unit);
        check_running(restore);
}

static void tell_position(Restore *restore) {
        char file[600] = "", position[64] = "", gtid[2048] = "";

        (void)metadata_get(restore->metadata, "binlog-file", file, sizeof(file));
        (void)metadata_get(restore->metadata, "binlog-position", position, sizeof(position));
        (void)metadata_get(restore->metadata, "gtid-binlog-pos", gtid, sizeof(gtid));
        if (*file && !restore->is_log)
                restore_note(restore, "the backup is of binary log %s, position %s%s%s", file, position,
                             *gtid ? ", GTID " : "", gtid);
}

static void post_restore_one(Restore *restore) {
        int64_t status = vss_value_get_integer(restore->component, "file-restore-status", 0);

        if (vss_writer_call_is_dry_run(restore->call)) {
                if (restore->instance->unit)
                        restore_note(restore, "%s would be started, and its tables checked",
                                     restore->instance->unit);
                return;
        }
        if (status != VSS_RS_ALL) {
                (void)restore_fail(restore, VSS_E_WRITERERROR_RETRYABLE,
                                   "%s: not all of its files were restored: restore it again; what was "
                                   "there before is in %s/%s",
                                   restore->logical_path, restore->datadir, ASIDE_NAME);
                return;
        }
        if (vss_value_get_boolean(restore->component, "additional-restores", false)) {
                restore_note(restore, "the server is started after the last of the restores");
                return;
        }
        if (restore_option(restore, "new-server", NULL, 0))
                restore_forget_server(restore);
        restore_logs_apply(restore);
        if (restore->code >= 0)
                start_server(restore);
        if (restore->code < 0)
                return;
        tell_position(restore);
        (void)each_place(restore, drop_aside);
}

/* Both */

typedef vss_result (*set_message_fn)(vss_writer_call *call, const char *logical_path, const char *name,
                                     const char *message);

static void restore_one(vss_writer_call *call, InstanceList *list, const vss_value *component,
                        void (*work)(Restore *), Restore *ret_restore) {
        Restore restore = { .call = call,
                            .list = list,
                            .component = component,
                            .logical_path = vss_value_get_string(component, "logical-path", ""),
                            .metadata = vss_value_get_string(component, "backup-metadata", ""),
                            .is_log = vss_writer_call_backup_type(call) == VSS_BT_LOG };

        restore.instance = instance_list_get(list, restore.logical_path);
        if (restore.instance) {
                instance_path(restore.instance, "datadir", restore.datadir, sizeof(restore.datadir));
                work(&restore);
        } else
                (void)restore_fail(&restore, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "%s: there is no such instance here: describe it in mariadb.conf "
                                   "([Instance], Name=%s)",
                                   restore.logical_path, restore.logical_path);
        *ret_restore = restore;
}

static vss_result restore_all(vss_writer_call *call, void (*work)(Restore *), set_message_fn set_message) {
        MariadbWriter *writer = vss_writer_call_userdata(call);
        vss_result result = VSS_S_OK;
        InstanceList list = { 0 };
        Settings settings = { 0 };
        size_t n = 0, n_failed = 0;
        Restore last = { .code = VSS_S_OK };
        int r;

        r = settings_read(writer->conf_path, &settings);
        if (r >= 0)
                r = instance_list_find(&settings, true, event_deadline(call, FIND_USEC), &list);
        for (size_t i = 0; i < vss_writer_call_component_count(call) && r >= 0; i++) {
                const vss_value *component = vss_writer_call_component(call, i);
                Restore restore;

                if (!vss_value_get_boolean(component, "selected-for-restore", false))
                        continue;
                restore_one(call, &list, component, work, &restore);
                n++;
                if (restore.code >= 0)
                        continue;
                n_failed++;
                last = restore;
                (void)vss_writer_call_fail_component(call, restore.logical_path, COMPONENT_NAME,
                                                     restore.code, "%s", restore.text);
                (void)set_message(call, restore.logical_path, COMPONENT_NAME, restore.text);
        }
        if (r < 0)
                result = vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE,
                                              "the search for instances failed: %s", strerror(-r));
        else if (n_failed > 0 && n_failed == n)
                result = vss_writer_call_fail(call, last.code, "%s", last.text);
        instance_list_clear(&list);
        settings_clear(&settings);
        return result;
}

vss_result mariadb_pre_restore(vss_writer_call *call) {
        return restore_all(call, pre_restore_one, vss_writer_call_set_pre_restore_failure_msg);
}

vss_result mariadb_post_restore(vss_writer_call *call) {
        return restore_all(call, post_restore_one, vss_writer_call_set_post_restore_failure_msg);
}
