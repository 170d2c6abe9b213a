/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restores of directory servers
 *
 * Before: the server is stopped, and what lies where the files go is moved aside. Afterwards: the databases
 * are at the transaction that was recorded, the server starts and answers, and has the changes that it had;
 * only then is the old state dropped.
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/common/aside.h"
#include "writers/openldap/target.h"
#include "writers/openldap/writer.h"

#define SCAN_USEC (5 * USEC_PER_SEC)
#define STOPPED_USEC (10 * USEC_PER_SEC)
#define STOPPED_AGAIN_USEC 100000u
#define LOOK_USEC (60 * USEC_PER_SEC)
#define START_USEC (120 * USEC_PER_SEC)
#define KEEP_MAX 4096u

/* ---- what was asked for ---- */

static bool is_chosen(const vss_value *component) {
        return vss_value_get_boolean(component, "selected-for-restore", false);
}

/* To another place: the server that runs here is not concerned. */
static bool goes_elsewhere(const vss_value *component) {
        return vss_value_count(vss_value_get(component, "new-targets")) > 0;
}

/* "start=no" is all there is. Return: false for anything else. */
static bool read_options(const vss_value *component, bool *ret_start) {
        const char *text = vss_value_get_string(component, "restore-options", "");

        *ret_start = strcmp(text, "start=no") != 0;
        return !text[0] || strcmp(text, "start=no") == 0 || strcmp(text, "start=yes") == 0;
}

/* ---- directories ---- */

/* Only the files of the database go aside: below it may be another one. */
static int list_others(int directory, char ***ret_names) {
        char **names = calloc(KEEP_MAX + 1, sizeof(*names));
        int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        size_t n = 0;

        if (!dir || !names) {
                r = names ? -errno : -ENOMEM;
                if (fd >= 0 && !dir)
                        (void)close(fd);
        }
        while (r >= 0 && (entry = readdir(dir))) {
                if (strcmp(entry->d_name, "data.mdb") == 0 || strcmp(entry->d_name, "lock.mdb") == 0)
                        continue;
                if (n == KEEP_MAX)
                        r = -E2BIG;
                else if (!(names[n++] = strdup(entry->d_name)))
                        r = -ENOMEM;
        }
        if (dir)
                (void)closedir(dir);
        *ret_names = names;
        return r;
}

static void free_names(char ***names) {
        for (size_t i = 0; *names && (*names)[i]; i++)
                free((*names)[i]);
        free(*names);
}

typedef int (*DirectoryFn)(int fd, bool lmdb, vss_writer_call *call);

static int move_aside(int fd, bool lmdb, vss_writer_call *call) {
        _cleanup_(free_names) char **names = NULL;
        int r = lmdb ? list_others(fd, &names) : 0;

        if (r < 0)
                return r;
        return aside_move(fd, vss_writer_call_session_id(call), (const char *const *)names,
                          event_deadline(call, LOOK_USEC));
}

static int put_back(int fd, bool lmdb, vss_writer_call *call) {
        _cleanup_(free_names) char **names = NULL;
        int r = lmdb ? list_others(fd, &names) : 0;

        if (r < 0)
                return r;
        return aside_put_back(fd, (const char *const *)names, event_deadline(call, LOOK_USEC));
}

static int drop_old(int fd, bool lmdb, vss_writer_call *call) {
        return aside_drop(fd, event_deadline(call, LOOK_USEC));
}

static int check_writable(int fd, bool lmdb, vss_writer_call *call) {
        return faccessat(fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static bool is_lmdb(const Target *target, size_t index) {
        return target->record.databases[index].txnid != UINT64_MAX || !target->recorded;
}

/* All directories of the server, as far as they are there. Return: 0, or what @function returned, with the
 * path. */
static int each_directory(vss_writer_call *call, const Target *target, DirectoryFn function,
                          const char **ret_path) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i <= target->record.n; i++) {
                bool config = i == target->record.n;
                const char *path = config ? target->record.config : target->record.databases[i].directory;
                _cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                if (fd < 0 && (errno == ENOENT || (config && errno == ENOTDIR)))
                        continue;
                r = fd < 0 ? -errno : function(fd, !config && is_lmdb(target, i), call);
                if (r < 0)
                        *ret_path = path;
        }
        return r;
}

/* ---- before ---- */

static void note_plan(vss_writer_call *call, const Target *target, bool start) {
        if (target->record.unit[0])
                (void)vss_writer_call_add_note(call, target->logical_path, COMPONENT_NAME, "%s is stopped",
                                               target->record.unit);
        for (size_t i = 0; i < target->record.n; i++)
                (void)vss_writer_call_add_note(
                        call, target->logical_path, COMPONENT_NAME,
                        "the database in %s is moved into its directory .linuxvss-old",
                        target->record.databases[i].directory);
        if (!target->conf_file)
                (void)vss_writer_call_add_note(call, target->logical_path, COMPONENT_NAME,
                                               "what is in %s is moved into its directory .linuxvss-old",
                                               target->record.config);
        (void)vss_writer_call_add_note(
                call, target->logical_path, COMPONENT_NAME, "%s",
                start ? "afterwards the databases are compared with what was recorded, the server is "
                        "started, and what was moved away is deleted once it answers"
                      : "afterwards the databases are compared with what was recorded, and what was "
                        "moved away is deleted; the server stays stopped (start=no)");
}

/* Is its process gone? */
static vss_result wait_stopped(vss_writer_call *call, const Target *target) {
        uint64_t deadline = event_deadline(call, STOPPED_USEC);

        for (;;) {
                InstanceList list = { 0 };
                const Instance *instance;
                vss_result result = ldap_scan(call, false, SCAN_USEC, &list);
                pid_t pid;

                if (result < 0)
                        return result;
                instance = instance_find(&list, target->logical_path);
                pid = instance ? instance->pid : 0;
                instance_list_clear(&list);
                if (pid == 0)
                        return VSS_S_OK;
                if (now_usec() >= deadline)
                        return target_fail(call, target, VSS_E_WRITERERROR_RETRYABLE,
                                           "slapd (process %d) still runs: stop it, and try again",
                                           (int)pid);
                (void)usleep(STOPPED_AGAIN_USEC);
        }
}

/* Can it be stopped, if it runs? */
static vss_result check_running(vss_writer_call *call, const Target *target) {
        const char *unit = target->record.unit;
        bool active = false;

        if (target->pid == 0)
                return VSS_S_OK;
        if (!unit[0])
                return target_fail(
                        call, target, VSS_E_WRITERERROR_RETRYABLE,
                        "slapd (process %d) runs and belongs to no unit that is known: stop it, or name "
                        "its unit in openldap.conf (Unit=)",
                        (int)target->pid);
        if (vss_writer_call_is_unit_active(call, unit, &active) < 0)
                return target_fail(
                        call, target, VSS_E_WRITERERROR_RETRYABLE,
                        "slapd (process %d) runs, and cannot be stopped (%s): stop it, and try again",
                        (int)target->pid, vss_writer_call_failure_text(call));
        if (!active)
                return target_fail(
                        call, target, VSS_E_WRITERERROR_RETRYABLE,
                        "slapd (process %d) runs, and not as %s, which is stopped: stop it, and try again",
                        (int)target->pid, unit);
        return VSS_S_OK;
}

static vss_result stop(vss_writer_call *call, const Target *target) {
        vss_result r = target->record.unit[0] ? vss_writer_call_stop_unit(call, target->record.unit)
                                              : VSS_E_OBJECT_NOT_FOUND;

        if (r < 0 && (r != VSS_E_OBJECT_NOT_FOUND || target->pid > 0))
                return target_fail(call, target, VSS_E_WRITERERROR_RETRYABLE,
                                   "%s cannot be stopped (%s): stop it, and try again", target->record.unit,
                                   vss_writer_call_failure_text(call));
        if (r >= 0 && target->pid > 0)
                (void)vss_writer_call_add_note(call, target->logical_path, COMPONENT_NAME, "%s was stopped",
                                               target->record.unit);
        return wait_stopped(call, target);
}

static vss_result check_target(vss_writer_call *call, const Target *target, const InstanceList *found) {
        const char *path = NULL;
        int r;

        if (target->record.version[0] && found->version[0] &&
            !slapd_same_series(target->record.version, found->version))
                return target_fail(call, target, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "the backup is of slapd %s, and %s is installed, whose databases may be "
                                   "of another form: "
                                   "restore it beside that version, and move it by slapcat and slapadd",
                                   target->record.version, found->version);
        r = each_directory(call, target, check_writable, &path);
        if (r < 0)
                return target_fail(call, target, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "%s: %s; it must belong to the user that slapd runs as", path,
                                   strerror(-r));
        return VSS_S_OK;
}

static vss_result make_room(vss_writer_call *call, const Target *target) {
        const char *path = NULL, *ignored = NULL;
        vss_result result = stop(call, target);
        int r;

        if (result < 0)
                return result;
        r = each_directory(call, target, move_aside, &path);
        if (r >= 0)
                return VSS_S_OK;
        (void)each_directory(call, target, put_back, &ignored);
        if (target->pid > 0 && target->record.unit[0])
                (void)vss_writer_call_start_unit(call, target->record.unit);
        return target_fail(call, target, VSS_E_WRITERERROR_RETRYABLE,
                           "what is in %s cannot be moved into %s/.linuxvss-old: %s", path, path,
                           strerror(-r));
}

static vss_result before_one(vss_writer_call *call, const vss_value *component, const InstanceList *found) {
        _cleanup_(target_done) Target target = { 0 };
        vss_result result;
        bool start;

        result = target_find(call, component, found, &target);
        if (result < 0)
                return result;
        if (!read_options(component, &start))
                return target_fail(call, &target, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "restore options are \"start=no\" or \"start=yes\", not \"%.200s\"",
                                   vss_value_get_string(component, "restore-options", ""));
        result = check_target(call, &target, found);
        if (result < 0)
                return result;
        result = check_running(call, &target);
        if (result < 0)
                return result;
        if (!vss_writer_call_is_dry_run(call))
                return make_room(call, &target);
        note_plan(call, &target, start);
        return VSS_S_OK;
}

/* ---- afterwards ---- */

static vss_result check_databases(vss_writer_call *call, const Target *target) {
        for (size_t i = 0; i < target->record.n; i++) {
                const RecordDatabase *database = &target->record.databases[i];
                _cleanup_(freep) char *lock = NULL;
                ProbeAnswer answer;
                struct stat st;

                if (!is_lmdb(target, i))
                        continue;
                if (stat(database->directory, &st) < 0 ||
                    access(database->directory, R_OK | W_OK | X_OK) < 0)
                        return target_fail(
                                call, target, VSS_E_WRITERERROR_NONRETRYABLE,
                                "%s: %s; give it to the user that slapd runs as (chown), and start slapd",
                                database->directory, strerror(errno));
                if (asprintf(&lock, "%s/lock.mdb", database->directory) < 0)
                        return VSS_E_OUTOFMEMORY;
                (void)unlink(lock);
                if (probe_database(database, database->directory, false, event_deadline(call, LOOK_USEC),
                                   &answer) < 0)
                        return target_fail(call, target, VSS_E_WRITERERROR_NONRETRYABLE,
                                           "it is not what was backed up: %s; slapd was not started",
                                           answer.text);
        }
        return VSS_S_OK;
}

static vss_result start_server(vss_writer_call *call, const Target *target) {
        ProbeAnswer answer;
        vss_result r;
        int probed = 0;

        if (!target->record.unit[0]) {
                (void)vss_writer_call_add_note(call, target->logical_path, COMPONENT_NAME,
                                               "no unit is known for this server: start it by hand");
                return VSS_S_OK;
        }
        r = vss_writer_call_start_unit(call, target->record.unit);
        if (r < 0)
                return target_fail(call, target, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "the databases are restored, but %s does not start: %s",
                                   target->record.unit, vss_writer_call_failure_text(call));
        if (target->record.url[0])
                probed = probe_server(&target->record, target->record.url, event_deadline(call, START_USEC),
                                      &answer);
        if (probed < 0)
                return target_fail(call, target, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "%s was started, but at %s: %s", target->record.unit, target->record.url,
                                   answer.text);
        (void)vss_writer_call_add_note(call, target->logical_path, COMPONENT_NAME, "%s was started%s%s%s",
                                       target->record.unit, target->record.url[0] ? " and answers" : "",
                                       probed > 0 ? ": " : "", probed > 0 ? answer.text : "");
        return VSS_S_OK;
}

static void set_message(vss_writer_call *call, const Target *target, const char *message) {
        (void)vss_writer_call_set_post_restore_failure_msg(call, target->logical_path, COMPONENT_NAME,
                                                           message);
}

static int is_aside(int fd, bool lmdb, vss_writer_call *call) {
        AsideInfo info;

        return aside_look(fd, &info) > 0 ? -EEXIST : 0;
}

/* Nothing came: what was there stands again, if it was moved at all. */
static vss_result undo(vss_writer_call *call, const Target *target) {
        const char *path = NULL;
        int r;

        if (each_directory(call, target, is_aside, &path) == 0)
                return VSS_S_OK;
        r = each_directory(call, target, put_back, &path);
        if (r < 0)
                return target_fail(
                        call, target, VSS_E_WRITERERROR_NONRETRYABLE,
                        "nothing was restored, and what was in %s could not be moved back from " ASIDE_NAME
                        ": %s",
                        path, strerror(-r));
        if (target->record.unit[0])
                (void)vss_writer_call_start_unit(call, target->record.unit);
        set_message(call, target, "nothing was restored: the server is as it was");
        return VSS_S_OK;
}

static vss_result after_one(vss_writer_call *call, const vss_value *component, const InstanceList *found) {
        int64_t status = vss_value_get_integer(component, "file-restore-status", VSS_RS_NONE);
        _cleanup_(target_done) Target target = { 0 };
        const char *path = NULL;
        vss_result result;
        bool start;

        result = target_find(call, component, found, &target);
        if (result < 0 || vss_writer_call_is_dry_run(call))
                return result;
        (void)read_options(component, &start);
        if (status == VSS_RS_NONE)
                return undo(call, &target);
        if (status != VSS_RS_ALL) {
                set_message(call, &target,
                            "some files were not restored, so the server is left stopped: restore it again, "
                            "or move back "
                            "what lies in .linuxvss-old of its directories");
                return VSS_S_OK;
        }
        result = check_databases(call, &target);
        if (result >= 0 && start)
                result = start_server(call, &target);
        if (result >= 0)
                (void)each_directory(call, &target, drop_old, &path);
        return result;
}

/* ---- both ---- */

typedef vss_result (*OneFn)(vss_writer_call *call, const vss_value *component, const InstanceList *found);

static vss_result each_component(vss_writer_call *call, bool details, OneFn one) {
        const LdapWriter *writer = vss_writer_call_userdata(call);
        InstanceList list = { 0 };
        vss_result result = ldap_scan(call, details, SCAN_USEC, &list), last = VSS_S_OK;
        size_t n = 0, n_failed = 0;

        if (result < 0)
                return result;
        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                const vss_value *component = vss_writer_call_component(call, i);

                if (!is_chosen(component) || goes_elsewhere(component))
                        continue;
                n++;
                result = one(call, component, &list);
                if (result < 0) {
                        last = result;
                        n_failed++;
                }
        }
        instance_list_clear(&list);
        return n_failed == 0  ? VSS_S_OK
               : n_failed < n ? VSS_E_WRITERERROR_PARTIAL_FAILURE
                              : vss_writer_call_fail(call, last, "%s", writer->failure);
}

vss_result ldap_pre_restore(vss_writer_call *call) {
        return each_component(call, true, before_one);
}

vss_result ldap_post_restore(vss_writer_call *call) {
        return each_component(call, false, after_one);
}
