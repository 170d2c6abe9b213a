/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Are the databases of a copy sound? SQLite looks at each, on a clone, as its owner
 */

#include <sqlite3.h>
#include <string.h>
#include "util/clock.h"
#include "writers/sqlite/holder.h"
#include "writers/sqlite/restore.h"
#include "writers/sqlite/writer.h"

#define SCAN_USEC (10 * USEC_PER_SEC)
/* At the same time. */
#define ROUND 4u

static int verify_main(int fd, void *userdata) {
        const HolderTask *task = userdata;
        const Database *database = task->database;
        HolderReply reply = { .code = VSS_S_OK };
        char first[256];
        int result;

        if (child_become(database->uid, database->gid, database->owner) < 0 ||
            child_die_with_parent(task->broker) < 0)
                return 1;
        database_limit_process();
        result = database_check(database->path, first);
        if (result != SQLITE_OK || strcmp(first, "ok") != 0) {
                reply.code = VSS_E_WRITERERROR_NONRETRYABLE;
                (void)snprintf(reply.text, sizeof(reply.text), "is not sound: %s",
                               text_is_clean(first) ? first : "SQLite finds errors in it");
        }
        return child_send(fd, &reply, offsetof(HolderReply, text) + strlen(reply.text) + 1) < 0;
}

/* The same database in the clone; names are borrowed. -ENOENT: it is not in the set. */
static int find_clone(const vss_writer_call *call, const Database *database, Database *ret_clone) {
        const char *device = vss_writer_call_snapshot_device(call, database->path), *rest = NULL;
        Database clone = *database;

        for (size_t i = 0; i < vss_writer_call_volume_count(call); i++) {
                const char *volume = vss_writer_call_volume(call, i);
                size_t n = strcmp(volume, "/") == 0 ? 0 : strlen(volume);

                if (strncmp(database->path, volume, n) == 0 && database->path[n] == '/' &&
                    (!rest || database->path + n > rest))
                        rest = database->path + n;
        }
        if (!device || !rest)
                return -ENOENT;
        if (asprintf(&clone.path, "%s%s", device, rest) < 0)
                return -ENOMEM;
        clone.name = strrchr(clone.path, '/') + 1;
        *ret_clone = clone;
        return 0;
}

static void tell(vss_writer_call *call, const Database *database, const HolderReply *reply) {
        const char *path = database_component_path(database), *name = database_component(database);

        if (reply->code < 0)
                (void)vss_writer_call_fail_component(call, path, name, reply->code, "%s %s", database->path,
                                                     reply->text);
        else
                (void)vss_writer_call_add_note(call, path, name, "%s: quick_check finds nothing wrong",
                                               database->path);
}

/* Some databases at once. */
static int verify_round(vss_writer_call *call, const Database *const *databases, size_t n) {
        HolderSet holders = { 0 };
        Database clones[ROUND];
        size_t n_clones = 0;
        int r = 0;

        while (r == 0 && n_clones < n) {
                r = find_clone(call, databases[n_clones], &clones[n_clones]);
                if (r < 0)
                        break;
                r = holder_set_add_main(&holders, &clones[n_clones++], verify_main);
        }
        if (r == 0)
                holder_set_collect(&holders, event_deadline(call, UINT64_MAX / 2));
        for (size_t i = 0; r == 0 && i < n; i++)
                tell(call, databases[i], &holders.items[i].reply);
        holder_set_end(&holders, now_usec());
        for (size_t i = 0; i < n_clones; i++)
                free(clones[i].path);
        return r;
}

vss_result sqlite_verify(vss_writer_call *call) {
        const SqliteWriter *writer = vss_writer_call_userdata(call);
        const Database *round[ROUND];
        DatabaseList list = { 0 };
        size_t n = 0;
        int r;

        r = database_scan(writer->conf_path, event_deadline(call, SCAN_USEC), &list);
        for (size_t i = 0; r >= 0 && i < list.n; i++) {
                const Database *database = &list.items[i];

                if (vss_writer_call_is_path_affected(call, database->path) &&
                    sqlite_is_chosen(call, database))
                        round[n++] = database;
                if (n == ROUND || (n > 0 && i + 1 == list.n)) {
                        r = verify_round(call, round, n);
                        n = 0;
                }
        }
        database_list_clear(&list);
        return r < 0 ? vss_writer_call_fail(call, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                            "the databases cannot be looked at: %s", strerror(-r))
                     : VSS_S_OK;
}
