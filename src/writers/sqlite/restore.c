/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restores of SQLite databases: the broker's side, and the children that touch them as their owners
 */

#include <fcntl.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "util/clock.h"
#include "writers/sqlite/holder.h"
#include "writers/sqlite/restore.h"
#include "writers/sqlite/writer.h"

#define USERS_USEC (10 * USEC_PER_SEC)
#define CHILD_SECONDS 900u
/* A lock that an application has for a moment is waited for. */
#define LOCK_WAIT_MS 1000

/* The child of one database */

static void _printf_(3, 4) reply(int fd, vss_result code, const char *format, ...) {
        HolderReply message = { .code = code };
        va_list args;

        va_start(args, format);
        (void)vsnprintf(message.text, sizeof(message.text), format, args);
        va_end(args);
        if (child_send(fd, &message, offsetof(HolderReply, text) + strlen(message.text) + 1) < 0)
                _exit(1);
}

/* The path is a document's: it leads nowhere else. */
static int open_directory(const Database *database) {
        struct open_how how = {
                .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        _cleanup_(freep) char *path = strndup(database->path, (size_t)(database->name - database->path));

        return path ? (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how)) : -1;
}

/* As the owner of the database, or of its directory while there is none. Return: a descriptor of the
 * directory. */
static int become_owner(int fd, const HolderTask *task) {
        const Database *database = task->database;
        int directory = open_directory(database);
        const struct passwd *user;
        struct stat st;

        if (directory < 0) {
                reply(fd, VSS_E_WRITERERROR_NONRETRYABLE, "%s: its directory: %s", database->path,
                      strerror(errno));
                _exit(1);
        }
        if (fstatat(directory, database->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
                if (!S_ISREG(st.st_mode)) {
                        reply(fd, VSS_E_WRITERERROR_NONRETRYABLE, "%s is no file; remove what is there",
                              database->path);
                        _exit(1);
                }
        } else if (fstat(directory, &st) < 0)
                _exit(1);
        user = getpwuid(st.st_uid);
        if (child_become(st.st_uid, user ? user->pw_gid : st.st_gid, user ? user->pw_name : NULL) < 0 ||
            child_die_with_parent(task->broker) < 0)
                _exit(1);
        database_limit_process();
        return directory;
}

static bool is_busy(int result) {
        return (result & 0xff) == SQLITE_BUSY || (result & 0xff) == SQLITE_LOCKED;
}

/* Opened and closed as by an application: what its log or journal has moves into it, so that nothing is lost
 * if the restore fails. One that is broken need not be opened: it is about to be replaced. */
static int settle(const Database *database) {
        sqlite3 *db = NULL;
        int result = database_open(database->path, &db);

        if (result == SQLITE_OK) {
                (void)sqlite3_busy_timeout(db, LOCK_WAIT_MS);
                result = sqlite3_exec(db,
                                      "SELECT count(*) FROM sqlite_master; PRAGMA wal_checkpoint(TRUNCATE)",
                                      NULL, NULL, NULL);
        }
        (void)sqlite3_close(db);
        return result;
}

/* What has something in it is kept under another name, which SQLite does not look for. */
static int put_aside(int directory, const char *name, const char *ending) {
        char from[300], to[310];
        struct stat st;
        int r;

        if (snprintf(from, sizeof(from), "%s%s", name, ending) >= (int)sizeof(from))
                return -ENAMETOOLONG;
        (void)snprintf(to, sizeof(to), "%s.old", from);
        if (fstatat(directory, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        r = st.st_size == 0 || strcmp(ending, "-shm") == 0 ? unlinkat(directory, from, 0)
                                                           : renameat(directory, from, directory, to);
        return r < 0 ? -errno : 0;
}

static int pre_restore_main(int fd, void *userdata) {
        static const char *const endings[] = { "-wal", "-journal", "-shm" };
        const HolderTask *task = userdata;
        const Database *database = task->database;
        _cleanup_(closep) int directory = -1;
        struct stat st;

        (void)alarm(CHILD_SECONDS);
        directory = become_owner(fd, task);
        if (fstatat(directory, database->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_busy(settle(database))) {
                reply(fd, VSS_E_WRITERERROR_RETRYABLE,
                      "%s: another process keeps it locked: end its transaction, and try again",
                      database->path);
                return 1;
        }
        FOREACH_ELEMENT (ending, endings) {
                int r = put_aside(directory, database->name, *ending);

                if (r < 0) {
                        reply(fd, VSS_E_WRITERERROR_NONRETRYABLE,
                              "%s%s is in the way and cannot be put aside: %s", database->path, *ending,
                              strerror(-r));
                        return 1;
                }
        }
        reply(fd, VSS_S_OK, "%s", "");
        return 0;
}

static int keep_first(void *text, int n, char **values, char **names) {
        char *first = text;

        if (n > 0 && values[0] && !first[0])
                (void)snprintf(first, 256, "%s", values[0]);
        return 0;
}

int database_check(const char *path, char *first) {
        sqlite3 *db = NULL;
        int result = database_open(path, &db);

        first[0] = '\0';
        if (result == SQLITE_OK) {
                (void)sqlite3_busy_timeout(db, LOCK_WAIT_MS);
                result = sqlite3_exec(db, "PRAGMA quick_check(1)", keep_first, first, NULL);
        }
        if (result != SQLITE_OK)
                (void)snprintf(first, 256, "%s", db ? sqlite3_errmsg(db) : sqlite3_errstr(result));
        /* Before the answer, which may be the end of this process: closing takes the log away. */
        (void)sqlite3_close(db);
        return result;
}

static int post_restore_main(int fd, void *userdata) {
        const HolderTask *task = userdata;
        const Database *database = task->database;
        _cleanup_(closep) int directory = -1;
        char first[256];
        int result;

        (void)alarm(CHILD_SECONDS);
        directory = become_owner(fd, task);
        result = database_check(database->path, first);
        /* Somebody works with it already, and will hear of what is wrong. */
        if (result == SQLITE_OK ? strcmp(first, "ok") == 0 : is_busy(result))
                reply(fd, VSS_S_OK, "%s", "");
        else
                reply(fd, VSS_E_WRITERERROR_NONRETRYABLE, "%s is not sound after its restore: %s",
                      database->path, text_is_clean(first) ? first : "SQLite finds errors in it");
        return 0;
}

/* The broker */

static int add_database(DatabaseList *list, const char *path, const char *group) {
        Database *database = &list->items[list->n];
        const char *slash = strrchr(path, '/');

        if (path[0] != '/' || slash[1] == '\0' || !text_is_clean(path))
                return -EINVAL;
        if (list->n == DATABASES_MAX)
                return -E2BIG;
        *database = (Database){
                .path = strdup(path),
                .logical_path = slash == path ? strdup("") : strndup(path + 1, (size_t)(slash - path - 1)),
                .group = group ? strdup(group) : NULL,
        };
        list->n++;
        if (!database->path || !database->logical_path || (group && !database->group))
                return -ENOMEM;
        database->name = strrchr(database->path, '/') + 1;
        return 0;
}

/* The databases of a group are what was left with it when it was saved. */
static int add_group(DatabaseList *list, const char *group, const char *metadata) {
        size_t key = strlen(SQLITE_DATABASE_KEY), before = list->n;
        int r = 0;

        for (const char *line = metadata; r >= 0 && *line; line += line[0] == '\n') {
                size_t n = strcspn(line, "\n");

                if (strncmp(line, SQLITE_DATABASE_KEY, key) == 0) {
                        _cleanup_(freep) char *path = strndup(line + key, n - key);

                        r = path ? add_database(list, path, group) : -ENOMEM;
                }
                line += n;
        }
        return r < 0 ? r : list->n > before ? 0 : -ENODATA;
}

static int add_component(DatabaseList *list, const vss_value *component) {
        const char *logical_path = vss_value_get_string(component, "logical-path", "");
        const char *name = vss_value_get_string(component, "name", "");
        const char *metadata = vss_value_get_string(component, "backup-metadata", "");
        _cleanup_(freep) char *path = NULL;

        if (strcmp(logical_path, GROUPS_PATH) == 0 &&
            strncmp(metadata, SQLITE_DATABASE_KEY, strlen(SQLITE_DATABASE_KEY)) == 0)
                return add_group(list, name, metadata);
        if (asprintf(&path, "/%s%s%s", logical_path, logical_path[0] ? "/" : "", name) < 0)
                return -ENOMEM;
        return add_database(list, path, NULL);
}

/* The databases that are restored, from the component at *@next on. @status: of their files; -1: any. */
static int find_chosen(const vss_writer_call *call, int64_t status, size_t *next, DatabaseList *ret_list) {
        DatabaseList list = { .items = calloc(DATABASES_MAX, sizeof(*list.items)) };
        int r = list.items ? 0 : -ENOMEM;

        for (; r >= 0 && *next < vss_writer_call_component_count(call) && list.n < DATABASES_MAX / 2;
             (*next)++) {
                const vss_value *component = vss_writer_call_component(call, *next);

                if (vss_value_get_boolean(component, "selected-for-restore", false) &&
                    (status < 0 || vss_value_get_integer(component, "file-restore-status", 0) == status))
                        r = add_component(&list, component);
        }
        if (r < 0) {
                database_list_clear(&list);
                return r;
        }
        *ret_list = list;
        return 0;
}

/* If one database of a group cannot be restored, none of them is touched. */
static void spread(const DatabaseList *list, HolderReply *found) {
        for (size_t i = 0; i < list->n; i++)
                for (size_t j = 0; found[i].code < 0 && list->items[i].group && j < list->n; j++)
                        if (list->items[j].group && found[j].code >= 0 &&
                            strcmp(list->items[j].group, list->items[i].group) == 0)
                                found[j] = found[i];
}

static void note_user(HolderReply *found, const Database *database, const UsersMessage *user) {
        if (found->code < 0)
                return;
        found->code = VSS_E_WRITERERROR_RETRYABLE;
        (void)snprintf(found->text, sizeof(found->text),
                       "%.700s is open in process %u%s%s%s: stop it, and try again", database->path,
                       user->pid, user->command[0] ? " (" : "", user->command, user->command[0] ? ")" : "");
}

/* Marks in @found who is in use. Nobody knows: all are. */
static int find_users(const DatabaseList *list, uint64_t deadline_usec, HolderReply *found) {
        UsersOrder order = { .databases = list, .deadline_usec = deadline_usec, .broker = getpid() };
        UsersMessage message;
        Child child = CHILD_NULL;
        bool complete = false;
        int r;

        r = child_start(users_main, &order, &child);
        if (r < 0)
                return r;
        while (!complete && child_receive(child.fd, &message, sizeof(message),
                                          deadline_usec + 100 * USEC_PER_MSEC) == (ssize_t)sizeof(message)) {
                message.command[sizeof(message.command) - 1] = '\0';
                if (message.index == USERS_END)
                        complete = true;
                else if (message.index < list->n)
                        note_user(&found[message.index], &list->items[message.index], &message);
        }
        child_kill(&child);
        for (size_t i = 0; !complete && i < list->n; i++)
                if (found[i].code >= 0) {
                        found[i].code = VSS_E_WRITERERROR_TIMEOUT;
                        (void)snprintf(found[i].text, sizeof(found[i].text),
                                       "%.700s: there was no time to see whether it is open; try again",
                                       list->items[i].path);
                }
        return 0;
}

typedef vss_result (*SetMessage)(vss_writer_call *call, const char *logical_path, const char *name,
                                 const char *message);

static void fail_one(vss_writer_call *call, const Database *database, const HolderReply *why,
                     SetMessage set) {
        (void)vss_writer_call_fail_component(call, database_component_path(database),
                                             database_component(database), why->code, "%s", why->text);
        (void)set(call, database_component_path(database), database_component(database), why->text);
}

/* One round of databases: those that have not failed in @found, and how it went there. Return: how many have
 * failed, or a negative errno. @late_is_well: what took too long is not held against it. */
static int run_round(vss_writer_call *call, const DatabaseList *list, child_main_fn child_main,
                     bool late_is_well, HolderReply *found, SetMessage set, HolderReply *ret_last) {
        HolderSet holders = { 0 };
        int n_failed = 0, r = 0;

        for (size_t i = 0; r >= 0 && i < list->n; i++)
                if (found[i].code >= 0)
                        r = holder_set_add_main(&holders, &list->items[i], child_main);
        if (r >= 0)
                holder_set_collect(&holders, event_deadline(call, CHILD_SECONDS * USEC_PER_SEC));
        for (size_t i = 0, k = 0; r >= 0 && i < list->n; i++) {
                if (found[i].code >= 0)
                        found[i] = holders.items[k++].reply;
                if (late_is_well && found[i].code == VSS_E_WRITERERROR_TIMEOUT)
                        found[i].code = VSS_S_OK;
                if (found[i].code >= 0)
                        continue;
                fail_one(call, &list->items[i], &found[i], set);
                *ret_last = found[i];
                n_failed++;
        }
        holder_set_end(&holders, now_usec());
        return r < 0 ? r : n_failed;
}

static vss_result tell(vss_writer_call *call, int error, size_t n, size_t n_failed,
                       const HolderReply *last) {
        if (error < 0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                            "the databases cannot be looked at: %s", strerror(-error));
        if (n_failed == 0 || n_failed < n)
                return VSS_S_OK;
        return n == 1 ? vss_writer_call_fail(call, last->code, "%s", last->text)
                      : vss_writer_call_fail(call, last->code, "%s (and %zu more databases)", last->text,
                                             n_failed - 1);
}

/* What would be done, and who would be in the way. Return: how many would fail. */
static int tell_dry(vss_writer_call *call, const DatabaseList *list, const HolderReply *found,
                    HolderReply *ret_last) {
        int n_failed = 0;

        for (size_t i = 0; i < list->n; i++) {
                const Database *database = &list->items[i];

                if (found[i].code < 0) {
                        fail_one(call, database, &found[i], vss_writer_call_set_pre_restore_failure_msg);
                        *ret_last = found[i];
                        n_failed++;
                } else
                        (void)vss_writer_call_add_note(call, database_component_path(database),
                                                       database_component(database),
                                                       "would replace %s, its log and its journal, and look "
                                                       "whether they are sound",
                                                       database->path);
        }
        return n_failed;
}

/* From here on files are replaced. Return: how many more have failed. */
static int note_begin(vss_writer_call *call, const DatabaseList *list, HolderReply *found,
                      HolderReply *ret_last) {
        const SqliteWriter *writer = vss_writer_call_userdata(call);
        int n_failed = 0;

        spread(list, found);
        for (size_t i = 0; i < list->n; i++) {
                const Database *database = &list->items[i];
                int r = found[i].code < 0
                                ? 0
                                : unfinished_begin(writer->unfinished_path, vss_writer_call_session_id(call),
                                                   database_component_path(database),
                                                   database_component(database), false);

                if (r >= 0)
                        continue;
                found[i].code = VSS_E_WRITERERROR_RETRYABLE;
                (void)snprintf(found[i].text, sizeof(found[i].text),
                               "%.700s: its restore cannot be noted in %s: %s", database->path,
                               writer->unfinished_path, strerror(-r));
                fail_one(call, database, &found[i], vss_writer_call_set_pre_restore_failure_msg);
                *ret_last = found[i];
                n_failed++;
        }
        return n_failed;
}

/* A group is sound if all of it is. */
static void note_end(vss_writer_call *call, const DatabaseList *list, HolderReply *found) {
        const SqliteWriter *writer = vss_writer_call_userdata(call);

        spread(list, found);
        for (size_t i = 0; i < list->n; i++) {
                const Database *database = &list->items[i];
                int r = found[i].code < 0 ? 0
                                          : unfinished_end(writer->unfinished_path, NULL,
                                                           database_component_path(database),
                                                           database_component(database));

                if (r < 0)
                        (void)vss_writer_call_add_note(
                                call, database_component_path(database), database_component(database),
                                "that its restore has ended cannot be noted in %s: %s",
                                writer->unfinished_path, strerror(-r));
        }
}

vss_result sqlite_pre_restore(vss_writer_call *call) {
        HolderReply last = { 0 };
        size_t n = 0, n_failed = 0, next = 0;
        int r = 0;

        while (r >= 0 && next < vss_writer_call_component_count(call)) {
                _cleanup_(freep) HolderReply *found = calloc(DATABASES_MAX, sizeof(*found));
                DatabaseList list = { 0 };

                r = found ? find_chosen(call, -1, &next, &list) : -ENOMEM;
                if (r >= 0 && list.n > 0)
                        r = find_users(&list, event_deadline(call, USERS_USEC), found);
                if (r >= 0)
                        spread(&list, found);
                if (r >= 0 && vss_writer_call_is_dry_run(call))
                        r = tell_dry(call, &list, found, &last);
                else if (r >= 0)
                        r = run_round(call, &list, pre_restore_main, false, found,
                                      vss_writer_call_set_pre_restore_failure_msg, &last);
                if (r >= 0 && !vss_writer_call_is_dry_run(call))
                        r += note_begin(call, &list, found, &last);
                n += list.n;
                n_failed += (size_t)MAX(r, 0);
                database_list_clear(&list);
        }
        return tell(call, r, n, n_failed, &last);
}

/* What is half old, half new is told; what was not touched is left alone, and as one before has left it. */
static void tell_mixed(vss_writer_call *call) {
        const SqliteWriter *writer = vss_writer_call_userdata(call);

        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                const vss_value *component = vss_writer_call_component(call, i);
                const char *logical_path = vss_value_get_string(component, "logical-path", "");
                const char *name = vss_value_get_string(component, "name", "");
                int64_t status = vss_value_get_integer(component, "file-restore-status", 0);

                if (!vss_value_get_boolean(component, "selected-for-restore", false))
                        continue;
                if (status == VSS_RS_FAILED)
                        (void)vss_writer_call_set_post_restore_failure_msg(
                                call, logical_path, name,
                                "old and new files of this database are mixed: restore it again");
                else if (status == VSS_RS_NONE)
                        (void)unfinished_end(writer->unfinished_path, vss_writer_call_session_id(call),
                                             logical_path, name);
        }
}

vss_result sqlite_post_restore(vss_writer_call *call) {
        HolderReply last = { 0 };
        size_t n = 0, n_failed = 0, next = 0;
        int r = 0;

        if (vss_writer_call_is_dry_run(call))
                return VSS_S_OK;
        tell_mixed(call);
        while (r >= 0 && next < vss_writer_call_component_count(call)) {
                _cleanup_(freep) HolderReply *found = calloc(DATABASES_MAX, sizeof(*found));
                DatabaseList list = { 0 };

                r = found ? find_chosen(call, VSS_RS_ALL, &next, &list) : -ENOMEM;
                if (r >= 0)
                        r = run_round(call, &list, post_restore_main, true, found,
                                      vss_writer_call_set_post_restore_failure_msg, &last);
                if (r >= 0)
                        note_end(call, &list, found);
                n += list.n;
                n_failed += (size_t)MAX(r, 0);
                database_list_clear(&list);
        }
        return tell(call, r, n, n_failed, &last);
}
