/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restores of clusters: the two events
 */

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include "util/clock.h"
#include "writers/common/aside.h"
#include "writers/postgresql/restore.h"

#define SCAN_USEC (10 * USEC_PER_SEC)
#define MOVE_USEC (3600 * USEC_PER_SEC)

void restore_fail(Restore *restore, vss_result code, const char *format, ...) {
        char text[1500], *whole = restore->why;
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void)snprintf(whole, sizeof(restore->why), "%.200s/%.200s: %s", restore->logical_path,
                       restore->name, text);
        restore->failed = true;
        (void)vss_writer_call_fail_component(restore->call, restore->logical_path, restore->name, code, "%s",
                                             whole);
        if (restore->before)
                (void)vss_writer_call_set_pre_restore_failure_msg(restore->call, restore->logical_path,
                                                                  restore->name, whole);
        else
                (void)vss_writer_call_set_post_restore_failure_msg(restore->call, restore->logical_path,
                                                                   restore->name, whole);
}

void restore_note(const Restore *restore, const char *format, ...) {
        char text[1500];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void)vss_writer_call_add_note(restore->call, restore->logical_path, restore->name, "%s", text);
}

/* The backup, its options and its cluster. */
static bool learn(Restore *restore, const ClusterList *list) {
        const vss_value *component = restore->component;
        char why[600];
        int r = backup_info_parse(vss_value_get_string(component, "backup-metadata", ""), &restore->info);

        if (r < 0) {
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "its backup has no description of this writer: nobody knows how to restore it");
                return false;
        }
        if (pg_options_parse(vss_value_get_string(component, "restore-options", ""), &restore->options, why,
                             sizeof(why)) < 0) {
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE, "%s", why);
                return false;
        }
        restore->settings = &list->settings;
        restore->cluster = cluster_list_get(list, restore->logical_path, restore->name);
        if (restore->cluster)
                return true;
        r = cluster_make(restore->info.version, restore->logical_path, restore->name, restore->info.data,
                         &restore->own);
        if (r < 0) {
                restore_fail(restore, VSS_E_WRITERERROR_OUTOFRESOURCES, "it cannot be looked at: %s",
                             strerror(-r));
                return false;
        }
        restore->cluster = &restore->own;
        return true;
}

/* Files that go elsewhere are none of a cluster that serves. */
static bool goes_elsewhere(const Restore *restore) {
        if (vss_value_count(vss_value_get(restore->component, "new-targets")) == 0)
                return false;
        if (restore->before)
                restore_note(restore, "its files go to another place: the server and its directories are "
                                      "left as they are");
        else
                restore_note(restore,
                             "its files lie in another place: make links in pg_tblspc and pg_wal lead there "
                             "before "
                             "a server of version %s is started on them, and leave backup_label where it is",
                             restore->info.version);
        return true;
}

static bool check_fit(Restore *restore) {
        const Cluster *cluster = restore->cluster;
        const BackupInfo *info = &restore->info;

        if (strcmp(cluster->version, info->version) != 0)
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "the backup is of version %s, and what is there of version %s: no server reads "
                             "the files of another "
                             "one; restore into a cluster of version %s",
                             info->version, cluster->version, info->version);
        else if (!cluster->programs)
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "PostgreSQL %s is not installed: install it, and try again", info->version);
        else if (strcmp(cluster->data, info->data) != 0)
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "the backup is of %s, and the cluster lies in %s now: restore to a new target, "
                             "or set "
                             "data_directory back",
                             info->data, cluster->data);
        else
                return true;
        return false;
}

static bool stop_server(Restore *restore) {
        Cluster *cluster = restore->cluster;
        bool active = false;

        if (cluster->unit)
                (void)vss_writer_call_is_unit_active(restore->call, cluster->unit, &active);
        cluster_look(cluster);
        if (active && restore->dry) {
                restore_note(restore, "%s would be stopped", cluster->unit);
                return true;
        }
        if (active) {
                if (vss_writer_call_stop_unit(restore->call, cluster->unit) < 0) {
                        restore_fail(restore, VSS_E_WRITERERROR_RETRYABLE, "%s cannot be stopped: %s",
                                     cluster->unit, vss_writer_call_failure_text(restore->call));
                        return false;
                }
                restore_note(restore, "%s is stopped", cluster->unit);
                cluster_look(cluster);
        }
        if (cluster->state == SERVER_DOWN)
                return true;
        restore_fail(restore, VSS_E_WRITERERROR_RETRYABLE,
                     "its server runs (process %d), and %s%s: stop it, and try again",
                     (int)cluster->pid_file.pid, cluster->unit ?: "no unit is known that stops it",
                     cluster->unit ? " does not stop it" : "");
        return false;
}

static int move_aside(int directory_fd, const char *path, const char *const *keep, void *userdata) {
        const Restore *restore = userdata;

        if (restore->dry) {
                restore_note(restore, "what is in %s would be moved to %s/" ASIDE_NAME, path, path);
                return 0;
        }
        return aside_move(directory_fd, vss_writer_call_session_id(restore->call), keep,
                          event_deadline(restore->call, MOVE_USEC));
}

static bool has_mark(const Restore *restore) {
        char path[PATH_MAX];

        return snprintf(path, sizeof(path), "%s/" MORE_MARK, restore->cluster->data) < (int)sizeof(path) &&
               access(path, F_OK) == 0;
}

static void make_room(Restore *restore) {
        char path[PATH_MAX] = "";
        int r;

        if (restore->info.mode != PG_LOG) {
                r = restore_each_place(restore, move_aside, restore, path, sizeof(path));
                if (r < 0)
                        restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                                     "what is in %s cannot be moved aside: %s", path,
                                     r == -EPERM ? "it belongs to another user" : strerror(-r));
                return;
        }
        if (restore->dry) {
                restore_note(restore, "the log would be put into %s/" RESTORED_WAL, restore->cluster->wal);
                return;
        }
        if (!has_mark(restore)) {
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "a log backup goes on top of a full one: restore that before, with the word "
                             "that more follows");
                return;
        }
        r = restore_put_log_aside(restore->cluster->wal);
        if (r < 0)
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE, "there can be made no room in %s: %s",
                             restore->cluster->wal, strerror(-r));
}

static void before(Restore *restore, const ClusterList *list) {
        if (learn(restore, list) && !goes_elsewhere(restore) && check_fit(restore) && stop_server(restore))
                make_room(restore);
}

/* Afterwards */

static int put_back(int directory_fd, const char *path, const char *const *keep, void *userdata) {
        const vss_writer_call *call = userdata;

        return aside_put_back(directory_fd, keep, event_deadline(call, MOVE_USEC));
}

static int look_aside(int directory_fd, const char *path, const char *const *keep, void *userdata) {
        AsideInfo info;
        int r = aside_look(directory_fd, &info);

        *(bool *)userdata = *(bool *)userdata || r > 0;
        return MIN(r, 0);
}

/* Nothing was overwritten: what was there can serve again. */
static void undo(Restore *restore) {
        const Cluster *cluster = restore->cluster;
        bool is_aside = false, log = restore->info.mode == PG_LOG;
        char path[PATH_MAX] = "";
        int r;

        if (cluster->state != SERVER_DOWN) {
                restore_fail(restore, VSS_E_WRITERERROR_RETRYABLE, "nothing was restored");
                return;
        }
        r = log ? restore_take_log(cluster->wal, false)
                : restore_each_place(restore, look_aside, &is_aside, path, sizeof(path));
        if (r >= 0 && is_aside)
                r = restore_each_place(restore, put_back, restore->call, path, sizeof(path));
        if (r < 0)
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "nothing was restored, and what was in %s is still aside: %s",
                             log ? cluster->wal : path, strerror(-r));
        else if (is_aside && cluster->unit && vss_writer_call_start_unit(restore->call, cluster->unit) >= 0)
                restore_fail(restore, VSS_E_WRITERERROR_RETRYABLE,
                             "nothing was restored; what was there before is in its place, and its server "
                             "started");
        else
                restore_fail(restore, VSS_E_WRITERERROR_RETRYABLE,
                             "nothing was restored; its server is down");
}

static bool settle(Restore *restore) {
        char path[PATH_MAX] = "";
        bool log = restore->info.mode == PG_LOG;
        int r = log ? restore_take_log(restore->cluster->wal, true)
                    : restore_settle(restore, path, sizeof(path));

        if (r >= 0)
                /* There are files now, and links where there were none. */
                r = cluster_locate(restore->cluster);
        if (r < 0)
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "what was restored to %s cannot be made a cluster: %s", restore->cluster->data,
                             strerror(-r));
        return r >= 0;
}

static void after(Restore *restore, const ClusterList *list) {
        int64_t status = vss_value_get_integer(restore->component, "file-restore-status", VSS_RS_UNDEFINED);
        bool more = vss_value_get_boolean(restore->component, "additional-restores", false);
        char path[PATH_MAX];
        int r;

        if (!learn(restore, list) || goes_elsewhere(restore))
                return;
        if (restore->dry) {
                restore_note(restore,
                             more ? "the server would stay down, since more follows"
                                  : "%s would be started, and looked at",
                             restore->cluster->unit ?: "a private server");
                return;
        }
        if (status == VSS_RS_NONE) {
                undo(restore);
                return;
        }
        if (status != VSS_RS_ALL) {
                restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                             "only a part of it was restored: try again, or put back by hand what is in "
                             "%s/" ASIDE_NAME,
                             restore->cluster->data);
                return;
        }
        if (!settle(restore))
                return;
        if (more) {
                r = write_text(restore->cluster->data, MORE_MARK, "more follows\n");
                if (r < 0)
                        restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE, "%s: %s",
                                     restore->cluster->data, strerror(-r));
                else
                        restore_note(restore, "the server stays down, since more follows");
                return;
        }
        if (snprintf(path, sizeof(path), "%s/" MORE_MARK, restore->cluster->data) < (int)sizeof(path))
                (void)unlink(path);
        restore_start(restore);
}

static vss_result for_chosen(vss_writer_call *call, bool is_before) {
        const PgWriter *writer = vss_writer_call_userdata(call);
        ClusterList list = { 0 };
        size_t n_failed = 0, n = 0;
        char why[sizeof(((Restore *)NULL)->why)] = "";
        int r = pg_find(writer, event_deadline(call, SCAN_USEC), &list);

        if (r < 0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE,
                                            "the search for clusters failed: %s", strerror(-r));
        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                const vss_value *component = vss_writer_call_component(call, i);
                Restore restore = {
                        .call = call,
                        .dry = vss_writer_call_is_dry_run(call),
                        .before = is_before,
                        .component = component,
                        .logical_path = vss_value_get_string(component, "logical-path", ""),
                        .name = vss_value_get_string(component, "name", ""),
                };

                if (!vss_value_get_boolean(component, "selected-for-restore", false))
                        continue;
                if (is_before)
                        before(&restore, &list);
                else
                        after(&restore, &list);
                n++;
                n_failed += restore.failed;
                if (restore.failed)
                        (void)snprintf(why, sizeof(why), "%s", restore.why);
                backup_info_clear(&restore.info);
                cluster_clear(&restore.own);
        }
        cluster_list_clear(&list);
        if (n_failed == 0)
                return VSS_S_OK;
        return n_failed < n ? VSS_E_WRITERERROR_PARTIAL_FAILURE
                            : vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE, "%s", why);
}

vss_result pg_pre_restore(vss_writer_call *call) {
        return for_chosen(call, true);
}

vss_result pg_post_restore(vss_writer_call *call) {
        return for_chosen(call, false);
}
