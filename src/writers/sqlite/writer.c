/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The SQLite writer: one component per database
 *
 * PrepareSnapshot starts a holder for each database on the set's volumes, which checkpoints it; Freeze lets
 * all of them take their write lock at once; Thaw gives them back. A database that cannot be locked in time
 * is downgraded alone.
 */

#include <string.h>
#include "config.h"
#include "util/clock.h"
#include "writers/sqlite/restore.h"
#include "writers/sqlite/writer.h"

#define IDENTIFY_USEC (800 * USEC_PER_MSEC)
#define PREPARE_SCAN_USEC (5 * USEC_PER_SEC)
#define PREPARE_OPEN_USEC (30 * USEC_PER_SEC)
#define THAW_USEC (2 * USEC_PER_SEC)

/* It needs no one instant, also where its databases lie on several volumes: from the last lock to Thaw no
 * commit is made in any of them, and a checkpoint that goes on moves what the log has anyway. */
static vss_result describe_database(vss_metadata *metadata, const Database *database,
                                    const char *crash_only) {
        _cleanup_(freep) char *directory = strndup(database->path,
                                                   (size_t)(database->name - database->path));
        struct vss_component_info info = {
                .size = sizeof(info),
                .type = VSS_CT_DATABASE,
                .logical_path = database_component_path(database),
                .name = database_component(database),
                .caption = database->group ? "databases of one application" : database->path,
                .selectable = true,
                .selectable_for_restore = true,
                .owner = database->owner,
                .crash_only = crash_only,
        };
        /* A name must be there at a backup, a pattern need not. */
        static const char *const endings[] = { "", "-wa?", "-journa?" };
        char name[512];
        vss_result r;
        size_t n;

        if (!directory)
                return VSS_E_OUTOFMEMORY;
        n = strlen(directory);
        if (n > 1)
                directory[n - 1] = '\0';

        r = vss_metadata_add_component(metadata, &info);
        /* Of a group, with its first database. */
        if (r < 0 && !(database->group && r == VSS_E_OBJECT_ALREADY_EXISTS))
                return r;
        FOREACH_ELEMENT (ending, endings) {
                (void)snprintf(name, sizeof(name), "%s%s", database->name, *ending);
                r = vss_metadata_add_files(metadata, info.logical_path, info.name, directory, name, false);
                if (r < 0)
                        return r;
        }
        /* The index of the log is made anew at the next opening, and an old one must not come back. */
        (void)snprintf(name, sizeof(name), "%s-shm", database->name);
        return vss_metadata_add_exclude(metadata, directory, name, false);
}

/* Why a copy of it is worth little; NULL: it is not so. */
static const char *why_broken(const SqliteWriter *writer, const UnfinishedList *unfinished,
                              const Database *database, char *text, size_t size) {
        const Unfinished *found = unfinished_find(unfinished, database_component_path(database),
                                                  database_component(database));

        return found ? unfinished_text(found, writer->unfinished_path, text, size) : NULL;
}

/* Also of one that nobody has open, or that is not even there. */
static vss_result warn_unfinished(vss_metadata *metadata, const SqliteWriter *writer,
                                  const UnfinishedList *unfinished) {
        vss_result r = VSS_S_OK;

        for (size_t i = 0; r >= 0 && i < unfinished->n; i++) {
                char text[512];

                r = vss_metadata_add_warning(
                        metadata, "%s: %s", unfinished->items[i].key,
                        unfinished_text(&unfinished->items[i], writer->unfinished_path, text, sizeof(text)));
        }
        return r;
}

static vss_result describe(vss_metadata *metadata, const SqliteWriter *writer, const DatabaseList *list,
                           const UnfinishedList *unfinished) {
        vss_result result = vss_metadata_set_restore_method(metadata, VSS_RME_RESTORE_IF_CAN_REPLACE, NULL,
                                                            NULL, VSS_WRE_ALWAYS, false);

        if (result < 0)
                return result;
        for (size_t i = 0; i < list->n; i++) {
                char text[512];
                vss_result r = describe_database(
                        metadata, &list->items[i],
                        why_broken(writer, unfinished, &list->items[i], text, sizeof(text)));

                if (r < 0 && r != VSS_E_OBJECT_ALREADY_EXISTS)
                        return r;
        }
        for (size_t i = 0; i < list->warnings.n; i++) {
                vss_result r = vss_metadata_add_warning(metadata, "%s", list->warnings.items[i]);

                if (r < 0)
                        return r;
        }
        return warn_unfinished(metadata, writer, unfinished);
}

static vss_result sqlite_identify(vss_writer_call *call, vss_metadata *metadata) {
        SqliteWriter *writer = vss_writer_call_userdata(call);
        UnfinishedList unfinished = { 0 };
        DatabaseList list = { 0 };
        vss_result result;
        int r;

        /* Between Freeze and Thaw nothing is read and nobody is looked up. */
        if (writer->frozen)
                return describe(metadata, writer, &writer->databases, &unfinished);

        r = database_scan(writer->conf_path, event_deadline(call, IDENTIFY_USEC), &list);
        if (r < 0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE,
                                            "the search for databases failed: %s", strerror(-r));
        r = unfinished_load(writer->unfinished_path, &unfinished);
        result = describe(metadata, writer, &list, &unfinished);
        if (r < 0 && result >= 0)
                result = vss_metadata_add_warning(metadata, "%s cannot be read: %s", writer->unfinished_path,
                                                  strerror(-r));
        unfinished_clear(&unfinished);
        database_list_clear(&list);
        return result;
}

bool sqlite_is_chosen(const vss_writer_call *call, const Database *database) {
        return event_is_chosen(call, database_component_path(database), database_component(database));
}

/* All state of a set, also of one that nobody ended. */
static void let_go(SqliteWriter *writer) {
        holder_set_end(&writer->holders, now_usec() + THAW_USEC);
        database_list_clear(&writer->databases);
        writer->session[0] = '\0';
        writer->frozen = false;
}

/* Tell which holders failed since the last look. Return: VSS_S_OK if any is left (or there was none to begin
 * with). */
static vss_result tell_failures(vss_writer_call *call, const HolderSet *holders,
                                const bool *already_failed) {
        EventFailures failures = { 0 };

        for (size_t i = 0; i < holders->n; i++) {
                const Holder *holder = &holders->items[i];

                event_failures_add(&failures, call, holder->logical_path, holder->name, holder->reply.code,
                                   holder->reply.text, already_failed && already_failed[i]);
        }
        return event_failures_end(&failures, call, "databases");
}

/* A database of the same group that lies elsewhere: then the group is not of one instant. */
static const Database *find_outside(const vss_writer_call *call, const DatabaseList *list,
                                    const Database *database) {
        for (size_t i = 0; database->group && i < list->n; i++) {
                const Database *other = &list->items[i];

                if (other->group && strcmp(other->group, database->group) == 0 &&
                    !vss_writer_call_is_path_affected(call, other->path))
                        return other;
        }
        return NULL;
}

static int hold(vss_writer_call *call, SqliteWriter *writer, const Database *database) {
        const Database *outside = find_outside(call, &writer->databases, database);

        if (!outside)
                return holder_set_add(&writer->holders, database);
        (void)vss_writer_call_fail_component(
                call, database_component_path(database), database_component(database),
                VSS_E_WRITERERROR_NONRETRYABLE,
                "%s belongs to the group %s, and is not in the set: add its volume", outside->path,
                outside->group);
        return 0;
}

/* Which databases a group has, for its restore: the name of the component does not say it. */
static vss_result leave_groups(vss_writer_call *call, const DatabaseList *list) {
        for (size_t i = 0; i < list->n; i++) {
                const char *group = list->items[i].group;
                _cleanup_(freep) char *text = NULL;
                _cleanup_(fclosep) FILE *file = NULL;
                size_t size;
                vss_result r;

                if (!group || !vss_writer_call_find_component(call, GROUPS_PATH, group))
                        continue;
                file = open_memstream(&text, &size);
                if (!file)
                        return VSS_E_OUTOFMEMORY;
                for (size_t j = 0; j < list->n; j++)
                        if (list->items[j].group && strcmp(list->items[j].group, group) == 0)
                                (void)fprintf(file, SQLITE_DATABASE_KEY "%s\n", list->items[j].path);
                if (fflush(file) != 0)
                        return VSS_E_OUTOFMEMORY;
                r = vss_writer_call_set_backup_metadata(call, GROUPS_PATH, group, text);
                if (r < 0)
                        return r;
        }
        return VSS_S_OK;
}

static vss_result sqlite_prepare_snapshot(vss_writer_call *call) {
        SqliteWriter *writer = vss_writer_call_userdata(call);
        vss_result result;
        int r;

        let_go(writer);
        (void)snprintf(writer->session, sizeof(writer->session), "%s", vss_writer_call_session_id(call));
        r = database_scan(writer->conf_path, event_deadline(call, PREPARE_SCAN_USEC), &writer->databases);
        if (r < 0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE,
                                            "the search for databases failed: %s", strerror(-r));
        for (size_t i = 0; i < writer->databases.n; i++) {
                const Database *database = &writer->databases.items[i];

                if (!vss_writer_call_is_path_affected(call, database->path) ||
                    !sqlite_is_chosen(call, database))
                        continue;
                if (hold(call, writer, database) < 0) {
                        let_go(writer);
                        return vss_writer_call_fail(call, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                                    "there is no memory for the databases");
                }
        }
        if (leave_groups(call, &writer->databases) < 0) {
                let_go(writer);
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                            "the databases of a group cannot be put into the document");
        }
        holder_set_collect(&writer->holders, event_deadline(call, PREPARE_OPEN_USEC));
        result = tell_failures(call, &writer->holders, NULL);
        if (result < 0)
                let_go(writer);
        return result;
}

static vss_result sqlite_freeze(vss_writer_call *call) {
        SqliteWriter *writer = vss_writer_call_userdata(call);
        uint64_t deadline = event_deadline(call, HOLDER_LOCK_MS * USEC_PER_MSEC), now = now_usec();
        bool already_failed[DATABASES_MAX] = { 0 };
        vss_result result;

        for (size_t i = 0; i < writer->holders.n; i++)
                already_failed[i] = writer->holders.items[i].reply.code < 0;
        writer->frozen = true;
        holder_set_order(&writer->holders, HOLDER_FREEZE,
                         deadline > now ? (uint32_t)((deadline - now) / 1000) : 0);
        /* A holder gives up by itself at the deadline; its answer needs a moment. */
        holder_set_collect(&writer->holders, deadline + EVENT_MARGIN_MS / 2 * USEC_PER_MSEC);

        for (size_t i = 0; i < writer->holders.n; i++)
                writer->holders.items[i].held = writer->holders.items[i].reply.code == VSS_S_OK;
        result = tell_failures(call, &writer->holders, already_failed);
        if (result < 0)
                let_go(writer);
        return result;
}

static vss_result sqlite_thaw(vss_writer_call *call) {
        SqliteWriter *writer = vss_writer_call_userdata(call);
        vss_result result = VSS_S_OK;

        holder_set_order(&writer->holders, HOLDER_THAW, 0);
        holder_set_collect(&writer->holders, event_deadline(call, THAW_USEC));
        for (size_t i = 0; i < writer->holders.n && result == VSS_S_OK; i++) {
                const Holder *holder = &writer->holders.items[i];

                /* A lock that was there at Freeze and could not be given back was not there in between. */
                if (holder->reply.code < 0 && holder->held)
                        result = vss_writer_call_fail(call, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT,
                                                      "the write lock was lost before Thaw: %s",
                                                      holder->reply.text);
        }
        let_go(writer);
        return result;
}

static vss_result sqlite_abort(vss_writer_call *call) {
        SqliteWriter *writer = vss_writer_call_userdata(call);

        /* The end of one session must not let go what is prepared or held for another. */
        if (strcmp(writer->session, vss_writer_call_session_id(call)) == 0)
                let_go(writer);
        return VSS_S_OK;
}

const struct vss_writer sqlite_writer = {
        VSS_WRITER_INIT,
        .name = "SQLite",
        .id = "5f0c2a7e-9d31-4b6c-8f52-3a1e7d90c4b8",
        .friendly_name = "SQLite databases",
        .version = LINUXVSS_VERSION,
        .usage = VSS_UT_USERDATA,
        .source = VSS_ST_TRANSACTEDDB,
        /* A lock that costs nothing comes last: applications in front are at rest by then. */
        .level = VSS_APP_BACK_END,
        .freeze_timeout_ms = HOLDER_LEASE_SECONDS * 1000,
        .identify = sqlite_identify,
        .prepare_snapshot = sqlite_prepare_snapshot,
        .freeze = sqlite_freeze,
        .thaw = sqlite_thaw,
        .abort = sqlite_abort,
        .pre_restore = sqlite_pre_restore,
        .post_restore = sqlite_post_restore,
        .verify = sqlite_verify,
        .knows_dry_run = true,
};
