/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LMDB environments: held by their write transaction, looked at by a read transaction
 */

#include <limits.h>
#include <lmdb.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/openldap/environment.h"
#include "writers/openldap/holder.h"

/* Named databases of one environment: one per index and a few more. */
#define NAMED_MAX 512u
/* The entries of the directory by their number. */
#define ENTRIES_DB "id2e"

typedef struct Hold {
        const HolderTask *task;
        int fd;
        MDB_env *env;
        MDB_txn *txn;
        bool absent; /* slapd has never started with it: there is nothing to hold */
        ino_t inode;
        dev_t device;
        uint64_t sum; /* of a tree, at Freeze */
} Hold;

static void env_close(MDB_env **env) {
        if (*env)
                mdb_env_close(*env);
}

static void _printf_(3, 4) reply(const Hold *hold, vss_result code, const char *format, ...) {
        HolderReply message = { .code = code, .entries = UINT64_MAX };
        va_list args;

        va_start(args, format);
        (void)vsnprintf(message.text, sizeof(message.text), format, args);
        va_end(args);
        if (child_send(hold->fd, &message, offsetof(HolderReply, text) + strlen(message.text) + 1) < 0)
                _exit(1);
}

static void reply_state(const Hold *hold, uint64_t state, uint64_t entries) {
        HolderReply message = { .code = VSS_S_OK, .state = state, .entries = entries };

        if (child_send(hold->fd, &message, offsetof(HolderReply, text) + 1) < 0)
                _exit(1);
}

static bool stat_data(const char *path, struct stat *ret_st) {
        char name[PATH_MAX];

        return snprintf(name, sizeof(name), "%s/data.mdb", path) < (int)sizeof(name) &&
               stat(name, ret_st) == 0;
}

/* Never makes one that is not there. */
static int env_open(const char *path, unsigned flags, MDB_env **ret_env) {
        _cleanup_(env_close) MDB_env *env = NULL;
        struct stat st;
        int result;

        if (!stat_data(path, &st))
                return errno;
        result = mdb_env_create(&env);
        if (result == MDB_SUCCESS)
                result = mdb_env_set_maxdbs(env, NAMED_MAX);
        if (result == MDB_SUCCESS)
                result = mdb_env_open(env, path, flags, 0600);
        if (result == MDB_SUCCESS)
                *ret_env = TAKE_PTR(env);
        return result;
}

static const char *explain(int result) {
        return result == MDB_VERSION_MISMATCH ? "slapd's LMDB library keeps its locks in another form than "
                                                "the one this writer is built with"
                                              : mdb_strerror(result);
}

static uint64_t count_entries(MDB_txn *txn) {
        MDB_stat stat;
        MDB_dbi dbi;

        return mdb_dbi_open(txn, ENTRIES_DB, 0, &dbi) == MDB_SUCCESS &&
                               mdb_stat(txn, dbi, &stat) == MDB_SUCCESS
                       ? stat.ms_entries
                       : UINT64_MAX;
}

static uint64_t last_txnid(MDB_env *env) {
        MDB_envinfo info = { 0 };

        (void)mdb_env_info(env, &info);
        return info.me_last_txnid;
}

/* ---- the holder ---- */

static bool prepare(Hold *hold) {
        const HolderTask *task = hold->task;
        struct stat st;
        int result;

        if (!task->lmdb) {
                int r = tree_sum(task->path, &hold->sum);

                if (r < 0)
                        reply(hold, VSS_E_WRITERERROR_NONRETRYABLE, "%s: %s", task->path, strerror(-r));
                return r >= 0;
        }
        hold->absent = !stat_data(task->path, &st) && errno == ENOENT;
        if (hold->absent)
                return true;
        result = env_open(task->path, 0, &hold->env);
        if (result == MDB_SUCCESS && task->nosync)
                result = mdb_env_sync(hold->env, 1);
        if (result != MDB_SUCCESS || !stat_data(task->path, &st)) {
                reply(hold, VSS_E_WRITERERROR_NONRETRYABLE, "the database in %s cannot be opened: %s",
                      task->path, explain(result));
                return false;
        }
        hold->device = st.st_dev;
        hold->inode = st.st_ino;
        return true;
}

static void freeze_tree(Hold *hold) {
        int r = tree_sum(hold->task->path, &hold->sum);

        if (r < 0)
                reply(hold, VSS_E_WRITERERROR_RETRYABLE, "%s: %s", hold->task->path, strerror(-r));
        else
                reply_state(hold, hold->sum, UINT64_MAX);
}

static void freeze_environment(Hold *hold) {
        struct stat st;
        int result;

        result = mdb_txn_begin(hold->env, NULL, 0, &hold->txn);
        if (result == MDB_MAP_RESIZED) {
                (void)mdb_env_set_mapsize(hold->env, 0);
                result = mdb_txn_begin(hold->env, NULL, 0, &hold->txn);
        }
        if (result != MDB_SUCCESS)
                reply(hold, VSS_E_WRITERERROR_RETRYABLE, "the database in %s cannot be held: %s",
                      hold->task->path, mdb_strerror(result));
        else if (!stat_data(hold->task->path, &st) || st.st_dev != hold->device || st.st_ino != hold->inode)
                reply(hold, VSS_E_WRITERERROR_RETRYABLE,
                      "the database in %s was replaced while the shadow copy was prepared: try again",
                      hold->task->path);
        else
                reply_state(hold, last_txnid(hold->env), count_entries(hold->txn));
}

static void freeze(Hold *hold) {
        struct stat st;

        (void)alarm(HOLDER_LEASE_SECONDS);
        if (!hold->task->lmdb)
                freeze_tree(hold);
        else if (!hold->absent)
                freeze_environment(hold);
        else if (stat_data(hold->task->path, &st))
                reply(hold, VSS_E_WRITERERROR_RETRYABLE,
                      "the database in %s was made while the shadow copy was prepared: try again",
                      hold->task->path);
        else
                reply_state(hold, 0, UINT64_MAX);
}

static void pause_hold(Hold *hold) {
        if (hold->txn)
                mdb_txn_abort(hold->txn);
        hold->txn = NULL;
        reply_state(hold, 0, UINT64_MAX);
}

static void thaw(Hold *hold) {
        struct stat st;
        uint64_t state;

        if (hold->absent) {
                reply_state(hold, stat_data(hold->task->path, &st), UINT64_MAX);
                return;
        }

        if (!hold->task->lmdb) {
                if (tree_sum(hold->task->path, &state) < 0)
                        state = ~hold->sum;
                reply_state(hold, state, UINT64_MAX);
                return;
        }
        /* Looking is a load from memory that is mapped; nothing is waited for with the transaction held. */
        state = last_txnid(hold->env);
        mdb_txn_abort(hold->txn);
        reply_state(hold, state, UINT64_MAX);
        mdb_env_close(hold->env);
}

int holder_main(int fd, void *userdata) {
        Hold hold = { .task = userdata, .fd = fd };

        (void)alarm(HOLDER_PREPARE_SECONDS);
        if (child_die_with_parent(hold.task->broker) < 0)
                return 1;
        if (!prepare(&hold))
                return 1;
        reply_state(&hold, 0, UINT64_MAX);
        for (;;) {
                uint32_t order;

                /* The end of the socket: closing without a word; LMDB's mutex knows that its owner has died.
                 */
                if (child_receive(fd, &order, sizeof(order), UINT64_MAX) != (ssize_t)sizeof(order))
                        return 1;
                if (order == HOLDER_FREEZE)
                        freeze(&hold);
                else if (order == HOLDER_PAUSE)
                        pause_hold(&hold);
                else {
                        thaw(&hold);
                        return 0;
                }
        }
}

/* ---- looking ---- */

/* Every key and value of a named database is touched. Return: a result of LMDB. */
static int read_all(MDB_txn *txn, MDB_dbi dbi) {
        MDB_val key, value;
        MDB_cursor *cursor;
        MDB_stat stat;
        size_t n = 0;
        int result;

        result = mdb_stat(txn, dbi, &stat);
        if (result == MDB_SUCCESS)
                result = mdb_cursor_open(txn, dbi, &cursor);
        if (result != MDB_SUCCESS)
                return result;
        while ((result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS)
                n++;
        mdb_cursor_close(cursor);
        if (result == MDB_NOTFOUND)
                result = n == stat.ms_entries ? MDB_SUCCESS : MDB_CORRUPTED;
        return result;
}

static int read_named(MDB_txn *txn) {
        MDB_val key, value;
        MDB_cursor *cursor;
        MDB_dbi names;
        int result;

        result = mdb_dbi_open(txn, NULL, 0, &names);
        if (result == MDB_SUCCESS)
                result = mdb_cursor_open(txn, names, &cursor);
        if (result != MDB_SUCCESS)
                return result;
        while ((result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS) {
                _cleanup_(freep) char *name = strndup(key.mv_data, key.mv_size);
                MDB_dbi dbi;

                result = name ? mdb_dbi_open(txn, name, 0, &dbi) : ENOMEM;
                if (result == MDB_SUCCESS)
                        result = read_all(txn, dbi);
                if (result != MDB_SUCCESS)
                        break;
        }
        mdb_cursor_close(cursor);
        return result == MDB_NOTFOUND ? MDB_SUCCESS : result;
}

int environment_look(const char *path, bool count, EnvironmentState *ret_state,
                     char ret_error[static ENVIRONMENT_ERROR_SIZE]) {
        _cleanup_(env_close) MDB_env *env = NULL;
        MDB_txn *txn = NULL;
        int result;

        result = env_open(path, MDB_RDONLY, &env);
        if (result == MDB_SUCCESS)
                result = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
        if (result == MDB_SUCCESS && count)
                result = read_named(txn);
        if (result == MDB_SUCCESS) {
                ret_state->entries = count_entries(txn);
                ret_state->txnid = last_txnid(env);
        } else
                (void)snprintf(ret_error, ENVIRONMENT_ERROR_SIZE, "the database in %.300s: %s", path,
                               explain(result));
        if (txn)
                mdb_txn_abort(txn);
        return result == MDB_SUCCESS ? 0 : result > 0 ? -result : -EBADMSG;
}
