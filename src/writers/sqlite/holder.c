/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Holders: the child that opens a database as its owner, checkpoints it, and holds its write lock
 */

#include <assert.h>
#include <poll.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/sqlite/holder.h"

/* A checkpoint that needs the write lock gives up quickly: the application is running. */
#define CHECKPOINT_WAIT_MS 100u
#define OPEN_WAIT_MS 2000u
/* An application that commits without a pause lets go of its lock for microseconds only: the gap is met by
 * asking often at first, and gently later on. */
#define RETRY_EAGER_USEC 50u
#define RETRY_EAGER_N 2000
#define RETRY_USEC 2000u
#define HOLDER_MEMORY_MAX (INT64_C(256) << 20)

/* Called while another process has the lock. */
static int wait_for_lock(void *userdata, int n) {
        HolderTask *task = userdata;
        struct pollfd end = { .fd = task->fd };

        if (now_usec() >= task->deadline_usec)
                return 0;
        /* The broker has gone: nobody wants the lock any more. */
        if (poll(&end, 1, 0) > 0 && (end.revents & (POLLHUP | POLLERR)))
                _exit(1);
        (void)usleep(n < RETRY_EAGER_N ? RETRY_EAGER_USEC : RETRY_USEC);
        return 1;
}

static int run(HolderTask *task, const char *sql, uint32_t wait_ms) {
        task->deadline_usec = now_usec() + wait_ms * USEC_PER_MSEC;
        return sqlite3_exec(task->db, sql, NULL, NULL, NULL);
}

static bool is_busy(int result) {
        return (result & 0xff) == SQLITE_BUSY || (result & 0xff) == SQLITE_LOCKED;
}

static void reply_result(HolderTask *task, int result, const char *what) {
        HolderReply reply = { .code = VSS_S_OK };

        if (result != SQLITE_OK) {
                reply.code = is_busy(result) ? VSS_E_WRITERERROR_RETRYABLE : VSS_E_WRITERERROR_NONRETRYABLE;
                (void)snprintf(reply.text, sizeof(reply.text), "%s: %s: %s%s", task->database->path, what,
                               task->db ? sqlite3_errmsg(task->db) : sqlite3_errstr(result),
                               is_busy(result)
                                       ? "; another process keeps it locked: end its transaction, or its "
                                         "exclusive locking mode"
                                       : "");
        }
        if (child_send(task->fd, &reply, offsetof(HolderReply, text) + strlen(reply.text) + 1) < 0)
                _exit(1);
}

static void reply_replaced(HolderTask *task) {
        HolderReply reply = { .code = VSS_E_WRITERERROR_RETRYABLE };

        (void)snprintf(reply.text, sizeof(reply.text),
                       "%s was replaced by another file while the shadow copy was prepared: try again",
                       task->database->path);
        if (child_send(task->fd, &reply, offsetof(HolderReply, text) + strlen(reply.text) + 1) < 0)
                _exit(1);
}

/* Does the path still lead to the file that was found? */
static bool is_same_file(const Database *database) {
        struct stat st;

        return lstat(database->path, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == database->device &&
               st.st_ino == database->inode && st.st_uid == database->uid;
}

int database_open(const char *path, sqlite3 **ret_db) {
        int result = sqlite3_open_v2(path, ret_db,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW |
                                             SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOMUTEX,
                                     NULL);
        if (result != SQLITE_OK)
                return result;
        (void)sqlite3_db_config(*ret_db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void)sqlite3_db_config(*ret_db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        (void)sqlite3_db_config(*ret_db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
        return sqlite3_exec(*ret_db, "PRAGMA mmap_size=0", NULL, NULL, NULL);
}

static int open_database(HolderTask *task) {
        int result = database_open(task->database->path, &task->db);

        if (result != SQLITE_OK)
                return result;
        (void)sqlite3_busy_handler(task->db, wait_for_lock, task);
        /* The first read; a journal that a crash left behind is rolled back here, as by any reader. */
        return run(task, "SELECT count(*) FROM sqlite_master", OPEN_WAIT_MS);
}

static int is_wal_row(void *wal, int n, char **values, char **names) {
        *(bool *)wal = n == 1 && values[0] && strcmp(values[0], "wal") == 0;
        return 0;
}

/*
 * Move the write-ahead log into the database, so that the copy needs little recovery. First without getting
 * in anybody's way; then, with almost nothing left to copy, once more to cut the log. Losing a race is
 * harmless.
 */
static int checkpoint(HolderTask *task) {
        bool wal = false;
        int result;

        task->deadline_usec = now_usec() + OPEN_WAIT_MS * USEC_PER_MSEC;
        result = sqlite3_exec(task->db, "PRAGMA journal_mode", is_wal_row, &wal, NULL);
        if (result != SQLITE_OK || !wal)
                return result;
        result = sqlite3_wal_checkpoint_v2(task->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        if (result == SQLITE_OK) {
                task->deadline_usec = now_usec() + CHECKPOINT_WAIT_MS * USEC_PER_MSEC;
                result = sqlite3_wal_checkpoint_v2(task->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        }
        return is_busy(result) ? SQLITE_OK : result;
}

void database_limit_process(void) {
        struct rlimit core = { 0, 0 };

        /* A database that is made to exhaust its reader costs its own holder only. */
        (void)sqlite3_hard_heap_limit64(HOLDER_MEMORY_MAX);
        (void)setrlimit(RLIMIT_CORE, &core);
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void take_lock(HolderTask *task, uint32_t limit_ms) {
        int result = run(task, "BEGIN IMMEDIATE", limit_ms);

        if (result == SQLITE_OK && !is_same_file(task->database))
                reply_replaced(task);
        else
                reply_result(task, result, "its write lock could not be taken");
}

static int serve(HolderTask *task) {
        for (;;) {
                HolderOrder order;
                ssize_t n = child_receive(task->fd, &order, sizeof(order), UINT64_MAX);

                /* The end of the socket: closing without a word; the kernel drops the lock. */
                if (n != (ssize_t)sizeof(order))
                        return 1;
                if (order.order == HOLDER_FREEZE) {
                        (void)alarm(HOLDER_LEASE_SECONDS);
                        take_lock(task, order.limit_ms);
                } else {
                        reply_result(task, run(task, "ROLLBACK", 0),
                                     "its write lock could not be given back");
                        (void)sqlite3_close(task->db);
                        return 0;
                }
        }
}

static int holder_main(int fd, void *userdata) {
        HolderTask *task = userdata;
        int result;

        task->fd = fd;
        (void)alarm(HOLDER_PREPARE_SECONDS);
        if (child_become(task->database->uid, task->database->gid, task->database->owner) < 0 ||
            child_die_with_parent(task->broker) < 0)
                return 1;
        database_limit_process();

        result = open_database(task);
        if (result == SQLITE_OK && !is_same_file(task->database)) {
                reply_replaced(task);
                return 1;
        }
        if (result == SQLITE_OK)
                result = checkpoint(task);
        reply_result(task, result, "it could not be opened");
        return result == SQLITE_OK ? serve(task) : 1;
}

int holder_set_add(HolderSet *set, const Database *database) {
        return holder_set_add_main(set, database, holder_main);
}

int holder_set_add_main(HolderSet *set, const Database *database, child_main_fn child_main) {
        HolderTask task = { .database = database, .broker = getpid(), .fd = -1 };
        Holder *items, *holder;
        int r;

        items = reallocarray(set->items, set->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        set->items = items;
        holder = &items[set->n];
        *holder = (Holder){
                .child = CHILD_NULL,
                .path = strdup(database->path),
                .logical_path = strdup(database_component_path(database)),
                .name = strdup(database_component(database)),
                .reply = { .code = VSS_S_FALSE },
        };
        set->n++;
        if (!holder->path || !holder->logical_path || !holder->name)
                return -ENOMEM;

        r = child_start(child_main, &task, &holder->child);
        if (r < 0) {
                holder->reply.code = VSS_E_WRITERERROR_OUTOFRESOURCES;
                (void)snprintf(holder->reply.text, sizeof(holder->reply.text),
                               "%.500s: no process for it: %s", database->path, strerror(-r));
        }
        return 0;
}

static void give_up(Holder *holder, vss_result code, const char *why) {
        child_kill(&holder->child);
        holder->reply.code = code;
        (void)snprintf(holder->reply.text, sizeof(holder->reply.text), "%.800s: %s", holder->path, why);
}

void holder_set_order(HolderSet *set, uint32_t order, uint32_t limit_ms) {
        HolderOrder message = { .order = order, .limit_ms = limit_ms };

        for (size_t i = 0; i < set->n; i++) {
                Holder *holder = &set->items[i];

                if (holder->reply.code < 0)
                        continue;
                holder->reply.code = VSS_S_FALSE;
                if (child_send(holder->child.fd, &message, sizeof(message)) < 0)
                        give_up(holder, VSS_E_WRITERERROR_RETRYABLE,
                                "the process that held its lock has died");
        }
}

static void receive_reply(Holder *holder) {
        HolderReply reply;
        ssize_t n = child_receive(holder->child.fd, &reply, sizeof(reply) - 1, 0);

        if (n == -EAGAIN)
                return;
        if (n < (ssize_t)offsetof(HolderReply, text)) {
                give_up(holder, VSS_E_WRITERERROR_RETRYABLE, "the process that opened it has died");
                return;
        }
        ((char *)&reply)[n] = '\0';
        holder->reply = reply;
        if (reply.code < 0)
                child_kill(&holder->child);
}

void holder_set_collect(HolderSet *set, uint64_t deadline_usec) {
        assert(set->n <= DATABASES_MAX);

        for (;;) {
                bool ready[DATABASES_MAX] = { 0 };
                int fds[DATABASES_MAX], r;
                size_t n_awaited = 0;

                for (size_t i = 0; i < set->n; i++) {
                        bool awaited = set->items[i].reply.code == VSS_S_FALSE;

                        fds[i] = awaited ? set->items[i].child.fd : -1;
                        n_awaited += awaited;
                }
                if (n_awaited == 0)
                        return;
                r = poll_any(fds, set->n, deadline_usec, ready);
                for (size_t i = 0; i < set->n; i++)
                        if (r < 0 && fds[i] >= 0)
                                give_up(&set->items[i], VSS_E_WRITERERROR_TIMEOUT,
                                        "it did not answer in time");
                        else if (ready[i])
                                receive_reply(&set->items[i]);
        }
}

void holder_set_end(HolderSet *set, uint64_t deadline_usec) {
        /* All sockets first, so that all locks go at once. */
        for (size_t i = 0; i < set->n; i++) {
                closep(&set->items[i].child.fd);
                set->items[i].child.fd = -1;
        }
        for (size_t i = 0; i < set->n; i++) {
                Holder *holder = &set->items[i];

                (void)child_end(&holder->child, deadline_usec);
                free(holder->path);
                free(holder->logical_path);
                free(holder->name);
        }
        free(set->items);
        *set = (HolderSet){ 0 };
}
