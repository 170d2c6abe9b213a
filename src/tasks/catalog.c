/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The history of runs, in SQLite
 *
 * Every change is one transaction that is on the disk when it returns. Whether a run without an end still
 * runs is asked of the kernel: a process is known by its number, when it was started, and in which boot.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include "config.h"
#include "tasks/catalog.h"
#include "util/clock.h"
#include "util/utf8.h"

#define VERSION 1
#define BUSY_MS 10000
#define BOOT_SIZE 40u

struct Catalog {
        sqlite3 *db;
        char *path;
};

static const char schema[] =
        "CREATE TABLE runs (number INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, type TEXT NOT "
        "NULL,"
        " repository TEXT NOT NULL, begin_usec INTEGER NOT NULL, end_usec INTEGER, result TEXT, status "
        "INTEGER,"
        " message TEXT, files INTEGER, bytes INTEGER, bytes_added INTEGER, bytes_stored INTEGER, point TEXT,"
        " parent TEXT, set_id TEXT, level TEXT, pid INTEGER NOT NULL, pid_start TEXT NOT NULL, boot TEXT "
        "NOT NULL);"
        "CREATE INDEX runs_of_task ON runs (task, number);"
        "CREATE TABLE errors (run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, path TEXT NOT NULL,"
        " message TEXT NOT NULL);"
        "CREATE INDEX errors_of_run ON errors (run);"
        "PRAGMA user_version = 1;";

/* What an outcome has, in the order of the columns. */
static const struct {
        const char *key, *column;
        enum vss_kind kind;
} members[] = {
        { "result", "result", VSS_KIND_STRING },
        { "status", "status", VSS_KIND_INTEGER },
        { "message", "message", VSS_KIND_STRING },
        { "files", "files", VSS_KIND_INTEGER },
        { "bytes", "bytes", VSS_KIND_INTEGER },
        { "bytes-added", "bytes_added", VSS_KIND_INTEGER },
        { "bytes-stored", "bytes_stored", VSS_KIND_INTEGER },
        { "point", "point", VSS_KIND_STRING },
        { "parent", "parent", VSS_KIND_STRING },
        { "set", "set_id", VSS_KIND_STRING },
        { "level", "level", VSS_KIND_STRING },
};

static int fail(const Catalog *catalog, Why *why) {
        int code = sqlite3_errcode(catalog->db) & 0xff;

        (void)why_set(why, VSS_S_OK, "The history in %s: %s.", catalog->path, sqlite3_errmsg(catalog->db));
        switch (code) {
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
                return -EBADMSG;
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH:
                return -EACCES;
        default:
                return -EIO;
        }
}

/* ---- opening ---- */

char *catalog_path(void) {
        const char *place = getenv("VSS_CATALOG"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
        char *path = NULL;
        int r;

        if (place && *place == '/')
                return strdup(place);
        if (geteuid() == 0)
                return strdup(LINUXVSS_STATEDIR "/catalog.db");
        if (state && *state == '/')
                r = asprintf(&path, "%s/linuxvss/catalog.db", state);
        else if (home && *home == '/')
                r = asprintf(&path, "%s/.local/state/linuxvss/catalog.db", home);
        else
                return NULL;
        return r < 0 ? NULL : path;
}

int catalog_make_directory(const char *path, Why *why) {
        _cleanup_(freep) char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(copy, 0700) < 0 && errno != EEXIST) {
                        int error = errno;

                        (void)why_set(why, VSS_S_OK, "The directory %s for the history cannot be made: %s.",
                                      copy, strerror(error));
                        return -error;
                }
                *slash = '/';
        }
        return 0;
}

static int run_sql(Catalog *catalog, const char *sql, Why *why) {
        return sqlite3_exec(catalog->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(catalog, why);
}

static int read_version(Catalog *catalog, int *ret_version, Why *why) {
        sqlite3_stmt *statement = NULL;
        int r = sqlite3_prepare_v2(catalog->db, "PRAGMA user_version", -1, &statement, NULL);

        if (r == SQLITE_OK)
                r = sqlite3_step(statement);
        if (r == SQLITE_ROW)
                *ret_version = sqlite3_column_int(statement, 0);
        r = r == SQLITE_ROW ? 0 : fail(catalog, why);
        (void)sqlite3_finalize(statement);
        return r;
}

/* Whoever makes the tables does so alone; the second one finds them. */
static int set_up(Catalog *catalog, Why *why) {
        int version = 0, r = run_sql(catalog, "BEGIN IMMEDIATE", why);

        if (r < 0)
                return r;
        r = read_version(catalog, &version, why);
        if (r == 0 && version == 0)
                r = run_sql(catalog, schema, why);
        if (r == 0 && version > VERSION) {
                (void)why_set(why, VSS_S_OK, "The history in %s is of a later version of this program.",
                              catalog->path);
                r = -EPROTONOSUPPORT;
        }
        if (r < 0) {
                (void)sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
                return r;
        }
        return run_sql(catalog, "COMMIT", why);
}

static int open_at(const char *path, bool reader, Why *why, Catalog **ret_catalog) {
        _cleanup_(catalog_closep) Catalog *catalog = calloc(1, sizeof(*catalog));
        _cleanup_(closep) int fd = -1;
        int version = 0, r;

        if (!catalog)
                return -ENOMEM;
        catalog->path = strdup(path);
        if (!catalog->path)
                return -ENOMEM;
        /* Nobody else reads it, whatever the umask; and it is no link. */
        fd = open(path, (reader ? O_RDONLY : O_RDWR | O_CREAT) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
        if (fd < 0) {
                r = -errno;
                (void)why_set(why, VSS_S_OK, "The history in %s cannot be opened: %s.", path, strerror(-r));
                return r;
        }
        if (sqlite3_open_v2(path, &catalog->db, reader ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE,
                            NULL) != SQLITE_OK)
                return catalog->db ? fail(catalog, why) : -ENOMEM;
        (void)sqlite3_busy_timeout(catalog->db, BUSY_MS);
        r = run_sql(catalog,
                    "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF", why);
        if (r == 0)
                r = reader ? read_version(catalog, &version, why) : set_up(catalog, why);
        if (r == 0 && reader && version != VERSION) {
                (void)why_set(why, VSS_S_OK, "The history in %s is %s.", path,
                              version == 0 ? "empty" : "of a later version");
                r = version == 0 ? -ENOENT : -EPROTONOSUPPORT;
        }
        if (r < 0)
                return r;
        *ret_catalog = TAKE_PTR(catalog);
        return 0;
}

/* What is damaged must keep no backup from being made: it goes aside. */
int catalog_open(const char *path, Why *why, char **ret_set_aside, Catalog **ret_catalog) {
        _cleanup_(freep) char *aside = NULL;
        int r = catalog_make_directory(path, why);

        *ret_set_aside = NULL;
        if (r == 0)
                r = open_at(path, false, why, ret_catalog);
        if (r != -EBADMSG)
                return r;
        if (asprintf(&aside, "%s.damaged-%" PRIu64, path, clock_usec(CLOCK_REALTIME) / USEC_PER_SEC) < 0) {
                aside = NULL;
                return -ENOMEM;
        }
        if (rename(path, aside) < 0)
                return r;
        r = open_at(path, false, why, ret_catalog);
        if (r == 0)
                *ret_set_aside = TAKE_PTR(aside);
        return r;
}

int catalog_open_reader(const char *path, Why *why, Catalog **ret_catalog) {
        return open_at(path, true, why, ret_catalog);
}

Catalog *catalog_close(Catalog *catalog) {
        if (!catalog)
                return NULL;
        (void)sqlite3_close_v2(catalog->db);
        free(catalog->path);
        free(catalog);
        return NULL;
}

/* ---- processes ---- */

static void read_boot(char boot[static BOOT_SIZE]) {
        _cleanup_(fclosep) FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

        if (!file || !fgets(boot, BOOT_SIZE, file))
                *boot = '\0';
        boot[strcspn(boot, "\n")] = '\0';
}

/* The 22nd word of its stat: when it was started. "" if there is none of that number. */
static void read_start(int64_t pid, char start[static BOOT_SIZE]) {
        char path[64], line[1024] = "";
        _cleanup_(fclosep) FILE *file = NULL;
        const char *word;

        *start = '\0';
        (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
        file = fopen(path, "re");
        if (!file || !fgets(line, sizeof(line), file))
                return;
        /* The name of the program stands in brackets, and may have blanks and brackets. */
        word = strrchr(line, ')');
        for (unsigned i = 0; word && i < 20; i++) {
                word = strchr(word, ' ');
                word = word ? word + 1 : NULL;
        }
        if (word)
                (void)snprintf(start, BOOT_SIZE, "%.*s",
                               (int)MIN(strcspn(word, " \n"), (size_t)BOOT_SIZE - 1), word);
}

static bool is_running(int64_t pid, const char *start, const char *boot) {
        char now[BOOT_SIZE] = "", started[BOOT_SIZE];

        read_boot(now);
        read_start(pid, started);
        return *started && strcmp(started, start ?: "") == 0 && strcmp(now, boot ?: "") == 0;
}

/* ---- writing ---- */

static int bind_text(sqlite3_stmt *statement, int index, const char *text) {
        _cleanup_(freep) char *copy = strdup(text);

        return copy ? sqlite3_bind_text(statement, index, text_make_utf8(copy), -1, SQLITE_TRANSIENT)
                    : SQLITE_NOMEM;
}

/* Return: 0, also where the statement could not be made and @r says so already. */
static int finish(Catalog *catalog, sqlite3_stmt *statement, int r, Why *why) {
        if (r == SQLITE_OK)
                r = sqlite3_step(statement);
        r = r == SQLITE_DONE ? 0 : fail(catalog, why);
        (void)sqlite3_finalize(statement);
        return r;
}

static int forget_old(Catalog *catalog, int64_t newest, Why *why) {
        sqlite3_stmt *statement = NULL;
        int r = sqlite3_prepare_v2(catalog->db, "DELETE FROM runs WHERE number <= ?", -1, &statement, NULL);

        if (r == SQLITE_OK)
                r = sqlite3_bind_int64(statement, 1, newest - CATALOG_RUNS_MAX);
        return finish(catalog, statement, r, why);
}

int catalog_begin(Catalog *catalog, const vss_value *run, Why *why, int64_t *ret_number) {
        static const char sql[] =
                "INSERT INTO runs (task, type, repository, begin_usec, pid, pid_start, boot)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)";
        char boot[BOOT_SIZE] = "", start[BOOT_SIZE];
        sqlite3_stmt *statement = NULL;
        int64_t number;
        int r = sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL);

        read_boot(boot);
        read_start(getpid(), start);
        if (r == SQLITE_OK)
                r = bind_text(statement, 1, vss_value_get_string(run, "task", ""));
        if (r == SQLITE_OK)
                r = bind_text(statement, 2, vss_value_get_string(run, "backup-type", ""));
        if (r == SQLITE_OK)
                r = bind_text(statement, 3, vss_value_get_string(run, "repository", ""));
        if (r == SQLITE_OK)
                r = sqlite3_bind_int64(statement, 4, (int64_t)clock_usec(CLOCK_REALTIME));
        if (r == SQLITE_OK)
                r = sqlite3_bind_int64(statement, 5, getpid());
        if (r == SQLITE_OK)
                r = bind_text(statement, 6, start);
        if (r == SQLITE_OK)
                r = bind_text(statement, 7, boot);
        r = finish(catalog, statement, r, why);
        if (r < 0)
                return r;
        number = sqlite3_last_insert_rowid(catalog->db);
        r = forget_old(catalog, number, why);
        if (r == 0)
                *ret_number = number;
        return r;
}

static int bind_member(sqlite3_stmt *statement, int index, const vss_value *value) {
        switch (vss_value_kind(value)) {
        case VSS_KIND_INTEGER:
                return sqlite3_bind_int64(statement, index, vss_value_integer(value, 0));
        case VSS_KIND_STRING:
                return bind_text(statement, index, vss_value_string(value, ""));
        default:
                return sqlite3_bind_null(statement, index);
        }
}

static int update_run(Catalog *catalog, int64_t number, const vss_value *outcome, Why *why) {
        static const char sql[] =
                "UPDATE runs SET end_usec = ?, result = ?, status = ?, message = ?, files = ?, bytes = ?,"
                " bytes_added = ?, bytes_stored = ?, point = ?, parent = ?, set_id = ?, level = ?"
                " WHERE number = ?";
        sqlite3_stmt *statement = NULL;
        int r = sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL), index = 1;

        if (r == SQLITE_OK)
                r = sqlite3_bind_int64(statement, index++, (int64_t)clock_usec(CLOCK_REALTIME));
        FOREACH_ELEMENT (member, members)
                if (r == SQLITE_OK)
                        r = bind_member(statement, index++, vss_value_get(outcome, member->key));
        if (r == SQLITE_OK)
                r = sqlite3_bind_int64(statement, index, number);
        return finish(catalog, statement, r, why);
}

static int insert_error(Catalog *catalog, int64_t number, const char *path, const char *message, Why *why) {
        static const char sql[] = "INSERT INTO errors (run, path, message) VALUES (?, ?, ?)";
        sqlite3_stmt *statement = NULL;
        int r = sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL);

        if (r == SQLITE_OK)
                r = sqlite3_bind_int64(statement, 1, number);
        if (r == SQLITE_OK)
                r = bind_text(statement, 2, path);
        if (r == SQLITE_OK)
                r = bind_text(statement, 3, message);
        return finish(catalog, statement, r, why);
}

static int insert_errors(Catalog *catalog, int64_t number, const vss_value *errors, Why *why) {
        size_t n = vss_value_count(errors);
        char more[64];

        for (size_t i = 0; i < n && i < CATALOG_ERRORS_MAX; i++) {
                const vss_value *error = vss_value_at(errors, i);
                int r = insert_error(catalog, number, vss_value_get_string(error, "path", ""),
                                     vss_value_get_string(error, "message", ""), why);

                if (r < 0)
                        return r;
        }
        if (n <= CATALOG_ERRORS_MAX)
                return 0;
        (void)snprintf(more, sizeof(more), "and %zu more", n - CATALOG_ERRORS_MAX);
        return insert_error(catalog, number, "", more, why);
}

int catalog_end(Catalog *catalog, int64_t number, const vss_value *outcome, Why *why) {
        int r = run_sql(catalog, "BEGIN IMMEDIATE", why);

        if (r < 0)
                return r;
        r = update_run(catalog, number, outcome, why);
        if (r == 0)
                r = insert_errors(catalog, number, vss_value_get(outcome, "errors"), why);
        if (r == 0)
                r = run_sql(catalog, "COMMIT", why);
        if (r < 0)
                (void)sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
        return r;
}

/* ---- reading ---- */

static const char *text_at(sqlite3_stmt *statement, int column) {
        return (const char *)sqlite3_column_text(statement, column);
}

static int set_columns(sqlite3_stmt *statement, int column, vss_value *run) {
        FOREACH_ELEMENT (member, members) {
                int index = column++;
                const char *text;

                if (sqlite3_column_type(statement, index) == SQLITE_NULL)
                        continue;
                if (member->kind == VSS_KIND_INTEGER) {
                        if (vss_value_set_integer(run, member->key, sqlite3_column_int64(statement, index)) <
                            0)
                                return -ENOMEM;
                        continue;
                }
                text = text_at(statement, index);
                if (!text || vss_value_set_string(run, member->key, text) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int read_errors(Catalog *catalog, int64_t number, vss_value *run, Why *why) {
        static const char sql[] = "SELECT path, message FROM errors WHERE run = ? ORDER BY rowid";
        vss_value *list = value_require(run, "errors", VSS_KIND_LIST);
        sqlite3_stmt *statement = NULL;
        int r = sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL);

        if (r == SQLITE_OK)
                r = sqlite3_bind_int64(statement, 1, number);
        while (list && r == SQLITE_OK && (r = sqlite3_step(statement)) == SQLITE_ROW) {
                _cleanup_value_ vss_value *error = vss_value_new_dict();

                if (vss_value_set_string(error, "path", text_at(statement, 0) ?: "") < 0 ||
                    vss_value_set_string(error, "message", text_at(statement, 1) ?: "") < 0 ||
                    vss_value_append(list, TAKE_PTR(error)) < 0)
                        r = SQLITE_NOMEM;
                else
                        r = SQLITE_OK;
        }
        r = !list || r == SQLITE_NOMEM ? -ENOMEM : r == SQLITE_DONE ? 0 : fail(catalog, why);
        (void)sqlite3_finalize(statement);
        return r;
}

/* number, task, type, repository, begin, end, pid, pid_start, boot, and the members. */
static int read_run(sqlite3_stmt *statement, vss_value **ret_run) {
        _cleanup_value_ vss_value *run = vss_value_new_dict();
        bool ended = sqlite3_column_type(statement, 5) != SQLITE_NULL;

        if (vss_value_set_integer(run, "run", sqlite3_column_int64(statement, 0)) < 0 ||
            vss_value_set_string(run, "task", text_at(statement, 1) ?: "") < 0 ||
            vss_value_set_string(run, "backup-type", text_at(statement, 2) ?: "") < 0 ||
            vss_value_set_string(run, "repository", text_at(statement, 3) ?: "") < 0 ||
            vss_value_set_integer(run, "begin-usec", sqlite3_column_int64(statement, 4)) < 0 ||
            (ended && vss_value_set_integer(run, "end-usec", sqlite3_column_int64(statement, 5)) < 0) ||
            set_columns(statement, 9, run) < 0)
                return -ENOMEM;
        if (!ended) {
                bool running = is_running(sqlite3_column_int64(statement, 6), text_at(statement, 7),
                                          text_at(statement, 8));

                if (vss_value_set_string(run, "result", running ? "running" : "did not end") < 0)
                        return -ENOMEM;
        }
        *ret_run = TAKE_PTR(run);
        return 0;
}

static int read_runs(Catalog *catalog, sqlite3_stmt *statement, vss_value *list, Why *why) {
        int r;

        while ((r = sqlite3_step(statement)) == SQLITE_ROW) {
                vss_value *run = NULL;
                int64_t number = sqlite3_column_int64(statement, 0);
                int error = read_run(statement, &run);

                if (error == 0)
                        error = vss_value_append(list, run) < 0 ? -ENOMEM : 0;
                if (error == 0)
                        error = read_errors(catalog, number,
                                            value_at_mutable(list, vss_value_count(list) - 1), why);
                if (error < 0)
                        return error;
        }
        return r == SQLITE_DONE ? 0 : fail(catalog, why);
}

int catalog_list(Catalog *catalog, const CatalogFilter *filter, Why *why, vss_value **ret_runs) {
        static const char sql[] = "SELECT * FROM (SELECT number, task, type, repository, begin_usec, "
                                  "end_usec, pid, pid_start, boot,"
                                  " result, status, message, files, bytes, bytes_added, bytes_stored, "
                                  "point, parent, set_id, level"
                                  " FROM runs WHERE (?1 IS NULL OR task = ?1) AND (?2 = 0 OR number = ?2)"
                                  " AND (?3 = 0 OR result IS NULL OR result <> 'done') ORDER BY number DESC "
                                  "LIMIT ?4) ORDER BY number";
        _cleanup_value_ vss_value *list = vss_value_new_list();
        sqlite3_stmt *statement = NULL;
        int r = sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL);

        if (!list)
                r = SQLITE_NOMEM;
        if (r == SQLITE_OK && filter->task)
                r = bind_text(statement, 1, filter->task);
        if (r == SQLITE_OK)
                r = sqlite3_bind_int64(statement, 2, filter->number);
        if (r == SQLITE_OK)
                r = sqlite3_bind_int(statement, 3, filter->not_done);
        if (r == SQLITE_OK)
                r = sqlite3_bind_int64(statement, 4, filter->last > 0 ? (int64_t)filter->last : -1);
        r = r == SQLITE_OK ? read_runs(catalog, statement, list, why) : fail(catalog, why);
        (void)sqlite3_finalize(statement);
        if (r == 0)
                *ret_runs = TAKE_PTR(list);
        return r;
}

int catalog_last_good_point(Catalog *catalog, const char *task, const char *repository, Why *why,
                            char **ret_point) {
        static const char sql[] =
                "SELECT point FROM runs WHERE task = ? AND repository = ? AND result = 'done'"
                " AND point IS NOT NULL ORDER BY number DESC LIMIT 1";
        sqlite3_stmt *statement = NULL;
        char *point = NULL;
        int r = sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL), error = 0;

        if (r == SQLITE_OK)
                r = bind_text(statement, 1, task);
        if (r == SQLITE_OK)
                r = bind_text(statement, 2, repository);
        if (r == SQLITE_OK)
                r = sqlite3_step(statement);
        if (r == SQLITE_ROW) {
                point = strdup(text_at(statement, 0) ?: "");
                error = point ? 0 : -ENOMEM;
        } else if (r != SQLITE_DONE)
                error = fail(catalog, why);
        (void)sqlite3_finalize(statement);
        if (error == 0)
                *ret_point = point;
        return error;
}
