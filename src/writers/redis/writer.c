/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The Redis writer: one component per server
 *
 * PrepareSnapshot starts a holder for each server on the set's volumes, which waits for rewrites and dumps;
 * Freeze lets all of them pause writes at once; Thaw ends that. A server that cannot be held is downgraded
 * alone.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "config.h"
#include "util/clock.h"
#include "writers/common/clone.h"
#include "writers/common/aside.h"
#include "writers/redis/writer.h"

#define IDENTIFY_USEC (1000 * USEC_PER_MSEC)
#define PREPARE_FIND_USEC (5 * USEC_PER_SEC)
#define THAW_USEC (2 * USEC_PER_SEC)

/* Identify */

static bool can_be_named(const InstanceFacts *facts) {
        return facts->dir[0] == '/' && text_is_clean(facts->dir) && text_is_clean(facts->dump) &&
               text_is_clean(facts->append_file) && text_is_clean(facts->append_dir) &&
               !strpbrk(facts->dump, "*?/") && !strpbrk(facts->append_file, "*?/") && facts->dump[0];
}

static bool is_old(const InstanceFacts *facts) {
        unsigned major, minor;

        return sscanf(facts->version, "%u.%u", &major, &minor) == 2 &&
               (major < 6 || (major == 6 && minor < 2));
}

/* A restore that did not finish. */
static bool find_aside(const InstanceList *list, const Instance *instance, char *text, size_t size) {
        const char *path = instance->reply.facts.dir;
        _cleanup_(closep) int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        AsideInfo info;

        if (directory < 0 || aside_look(directory, &info) != 1 || !instance_is_aside(list, instance))
                return false;
        (void)aside_text(&info, path, text, size);
        return true;
}

/* Why its component can be crash-consistent only, or earlier than the copy; NULL: it need not. */
static const char *limit_of(const InstanceList *list, const Instance *instance, const Settings *settings,
                            char *text, size_t size) {
        const InstanceFacts *facts = &instance->reply.facts;

        if (find_aside(list, instance, text, size))
                return text;
        if (instance->reply.down)
                return NULL;
        if (instance->reply.code < 0)
                (void)snprintf(text, size, "%s", instance->reply.text);
        else if (is_old(facts))
                (void)snprintf(text, size, "%s %s cannot pause writes alone; 6.2 can", facts->product,
                               facts->version);
        else
                return instance_is_behind(facts, settings, text, size);
        return text;
}

/* A name must be there at a backup, a pattern need not: the last letter is left open. */
static vss_result add_optional_file(vss_metadata *metadata, const Instance *instance, const char *dir,
                                    const char *file) {
        char pattern[REDIS_NAME_SIZE];

        (void)snprintf(pattern, sizeof(pattern), "%s", file);
        pattern[strlen(pattern) - 1] = '?';
        return vss_metadata_add_files(metadata, instance->name, COMPONENT_NAME, dir, pattern, false);
}

/* Several servers may have their files in one directory. */
static vss_result add_exclude(vss_metadata *metadata, const char *dir, const char *pattern, bool recursive) {
        vss_result r = vss_metadata_add_exclude(metadata, dir, pattern, recursive);

        return r == VSS_E_OBJECT_ALREADY_EXISTS ? VSS_S_OK : r;
}

static vss_result add_files(vss_metadata *metadata, const Instance *instance) {
        static const char *const aside[] = { ASIDE_NAME, ASIDE_DROPPED };
        const InstanceFacts *facts = &instance->reply.facts;
        char dir[2 * REDIS_PATH_SIZE], pattern[REDIS_NAME_SIZE + 2];
        vss_result r;

        r = add_optional_file(metadata, instance, facts->dir, facts->dump);
        if (r >= 0)
                r = add_exclude(metadata, facts->dir, "temp-*.rdb", false);
        FOREACH_ELEMENT (name, aside) {
                (void)snprintf(dir, sizeof(dir), "%s/%s", facts->dir, *name);
                if (r >= 0)
                        r = add_exclude(metadata, dir, "*", true);
        }
        if (r < 0 || !facts->append_only)
                return r;
        if (!facts->many_files)
                return add_optional_file(metadata, instance, facts->dir, facts->append_file);
        (void)snprintf(dir, sizeof(dir), "%s/%s", facts->dir, facts->append_dir);
        (void)snprintf(pattern, sizeof(pattern), "%s.*", facts->append_file);
        r = add_exclude(metadata, dir, "temp-*", false);
        return r < 0 ? r
                     : vss_metadata_add_files(metadata, instance->name, COMPONENT_NAME, dir, pattern, false);
}

/* It keeps its data, and serves them, for as long as its master is away. */
static vss_result warn_of_master(vss_metadata *metadata, const Instance *instance) {
        const InstanceReply *reply = &instance->reply;
        const InstanceFacts *facts = &reply->facts;
        char since[64] = "";

        if (reply->down || reply->code < 0 || !facts->master_is_gone || !text_is_clean(facts->master))
                return VSS_S_OK;
        if (facts->silent >= 0)
                (void)snprintf(since, sizeof(since), " for %" PRId64 " s", facts->silent);
        return vss_metadata_add_warning(metadata,
                                        "%s: it is a replica of %s and has had no connection to it%s: a "
                                        "copy has what it got before, "
                                        "up to its replication offset %" PRId64,
                                        instance->name, facts->master, since, facts->offset);
}

static vss_result describe_instance(RedisWriter *writer, vss_metadata *metadata, const InstanceList *list,
                                    const Instance *instance) {
        const InstanceReply *reply = &instance->reply;
        char why[INSTANCE_WHY_SIZE], caption[2 * REDIS_PATH_SIZE];
        struct vss_component_info info = {
                .size = sizeof(info),
                .type = VSS_CT_DATABASE,
                .logical_path = instance->name,
                .name = COMPONENT_NAME,
                .caption = caption,
                .selectable = true,
                .selectable_for_restore = true,
                .notify_on_backup_complete = false,
        };
        char what[2 * REDIS_PATH_SIZE];
        vss_result r;

        if (!text_is_clean(instance->name) || !can_be_named(&reply->facts))
                return vss_metadata_add_warning(
                        metadata,
                        "the server of %s has no absolute directory, or names of files that "
                        "cannot be said (dir, dbfilename, appendfilename): it takes no part",
                        instance->config[0] ? instance->config : instance->name);
        (void)snprintf(caption, sizeof(caption), "%s, %s%s", reply->facts.dir,
                       reply->facts.append_only ? "AOF" : "dumps", reply->down ? ", not running" : "");
        info.crash_only = limit_of(list, instance, &writer->settings, why, sizeof(why));
        if (info.crash_only && writer->n_limited < INSTANCES_MAX) {
                writer->limited[writer->n_limited] = strdup(instance->name);
                writer->n_limited += writer->limited[writer->n_limited] != NULL;
        }
        r = vss_metadata_add_component(metadata, &info);
        if (r < 0)
                return r == VSS_E_OBJECT_ALREADY_EXISTS ? VSS_S_OK : r;
        if (reply->missing[0]) {
                (void)snprintf(what, sizeof(what), "%s: %s", instance->name, reply->missing);
                r = vss_metadata_add_missing_right(metadata, what, reply->remedy);
        }
        if (r >= 0)
                r = warn_of_master(metadata, instance);
        return r < 0 ? r : add_files(metadata, instance);
}

static void forget_limited(RedisWriter *writer) {
        while (writer->n_limited > 0)
                free(writer->limited[--writer->n_limited]);
}

static vss_result describe(RedisWriter *writer, vss_metadata *metadata, const InstanceList *list) {
        vss_result r = vss_metadata_set_restore_method(metadata, VSS_RME_RESTORE_IF_CAN_REPLACE, NULL, NULL,
                                                       VSS_WRE_ALWAYS, false);

        forget_limited(writer);
        for (size_t i = 0; r >= 0 && i < list->n; i++)
                r = describe_instance(writer, metadata, list, &list->items[i]);
        for (size_t i = 0; r >= 0 && i < list->n_warnings; i++)
                r = vss_metadata_add_warning(metadata, "%s", list->warnings[i]);
        return r;
}

static vss_result redis_identify(vss_writer_call *call, vss_metadata *metadata) {
        RedisWriter *writer = vss_writer_call_userdata(call);
        InstanceList list = { 0 };
        vss_result result;

        /* Between Freeze and Thaw nothing is read and nobody is asked. */
        if (writer->frozen)
                return describe(writer, metadata, &writer->instances);
        settings_deinit(&writer->settings);
        if (instances_find(writer->product, &writer->settings, event_deadline(call, IDENTIFY_USEC), &list) <
            0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE,
                                            "the search for servers failed");
        result = describe(writer, metadata, &list);
        instance_list_clear(&list);
        return result;
}

/* Sets */

/* All state of a set, also of one that nobody ended. */
static void let_go(RedisWriter *writer) {
        holder_set_end(&writer->holders, now_usec() + THAW_USEC);
        instance_list_clear(&writer->instances);
        writer->session[0] = '\0';
        writer->frozen = false;
}

/* Tell which holders failed since the last look. Return: VSS_S_OK if any is left (or there was none). */
static vss_result tell_failures(vss_writer_call *call, const HolderSet *holders,
                                const bool *already_failed) {
        EventFailures failures = { 0 };

        for (size_t i = 0; i < holders->n; i++) {
                const Holder *holder = &holders->items[i];

                event_failures_add(&failures, call, holder->instance->name, COMPONENT_NAME,
                                   holder->reply.code, holder->reply.text,
                                   already_failed && already_failed[i]);
        }
        return event_failures_end(&failures, call, "servers");
}

static bool was_told(const RedisWriter *writer, const char *name) {
        for (size_t i = 0; i < writer->n_limited; i++)
                if (strcmp(writer->limited[i], name) == 0)
                        return true;
        return false;
}

/* One that has grown too large since Identify promised what it cannot keep. */
static void check_promises(RedisWriter *writer) {
        for (size_t i = 0; i < writer->holders.n; i++) {
                Holder *holder = &writer->holders.items[i];
                char why[INSTANCE_WHY_SIZE];

                if (holder->reply.code < 0 || holder->instance->reply.down ||
                    !instance_is_behind(&holder->reply.facts, &writer->settings, why, sizeof(why)) ||
                    was_told(writer, holder->instance->name))
                        continue;
                holder->reply.code = VSS_E_WRITERERROR_RETRYABLE;
                (void)snprintf(holder->reply.text, sizeof(holder->reply.text), "%.200s: %.300s",
                               holder->instance->name, why);
                child_kill(&holder->child);
        }
}

/* One that cannot be held, as Identify has told: its files are what they are. */
static bool is_left_alone(const RedisWriter *writer, const Instance *instance) {
        const InstanceReply *reply = &instance->reply;

        return !reply->down && (reply->code < 0 || is_old(&reply->facts)) &&
               was_told(writer, instance->name);
}

static bool is_chosen(const vss_writer_call *call, const Instance *instance) {
        return event_is_chosen(call, instance->name, COMPONENT_NAME);
}

static vss_result redis_prepare_snapshot(vss_writer_call *call) {
        RedisWriter *writer = vss_writer_call_userdata(call);
        vss_result result;

        let_go(writer);
        (void)snprintf(writer->session, sizeof(writer->session), "%s", vss_writer_call_session_id(call));
        settings_deinit(&writer->settings);
        if (instances_find(writer->product, &writer->settings, event_deadline(call, PREPARE_FIND_USEC),
                           &writer->instances) < 0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE,
                                            "the search for servers failed");
        for (size_t i = 0; i < writer->instances.n; i++) {
                const Instance *instance = &writer->instances.items[i];

                if (!can_be_named(&instance->reply.facts) || is_left_alone(writer, instance) ||
                    !vss_writer_call_is_path_affected(call, instance->reply.facts.dir) ||
                    !is_chosen(call, instance))
                        continue;
                if (holder_set_add(&writer->holders, writer->product, &writer->settings, instance) < 0) {
                        let_go(writer);
                        return vss_writer_call_fail(call, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                                    "there is no memory for the servers");
                }
        }
        holder_set_collect(&writer->holders, event_deadline(call, UINT64_MAX / 2));
        check_promises(writer);
        result = tell_failures(call, &writer->holders, NULL);
        if (result < 0)
                let_go(writer);
        return result;
}

static bool is_one_instant(const vss_writer_call *call, const HolderSet *holders) {
        const char *paths[INSTANCES_MAX];
        size_t n = 0;

        for (size_t i = 0; i < holders->n; i++)
                paths[n++] = holders->items[i].instance->reply.facts.dir;
        return vss_writer_call_is_one_instant(call, paths, n);
}

static vss_result redis_freeze(vss_writer_call *call) {
        RedisWriter *writer = vss_writer_call_userdata(call);
        uint64_t now = now_usec(), deadline = event_deadline(call, writer->settings.freeze_usec);
        HolderOrder order = {
                .order = HOLDER_FREEZE,
                .limit_ms = deadline > now ? (uint32_t)((deadline - now) / 1000) : 0,
                .one_instant = is_one_instant(call, &writer->holders),
        };
        bool already_failed[INSTANCES_MAX] = { 0 };
        vss_result result;

        for (size_t i = 0; i < writer->holders.n; i++)
                already_failed[i] = writer->holders.items[i].reply.code < 0;
        writer->frozen = true;
        holder_set_order(&writer->holders, &order);
        /* A holder gives up by itself at the deadline; its answer needs a moment. */
        holder_set_collect(&writer->holders, deadline + EVENT_MARGIN_MS / 2 * USEC_PER_MSEC);
        for (size_t i = 0; i < writer->holders.n; i++)
                writer->holders.items[i].held = writer->holders.items[i].reply.code == VSS_S_OK;
        result = tell_failures(call, &writer->holders, already_failed);
        if (result < 0)
                let_go(writer);
        return result;
}

static vss_result redis_thaw(vss_writer_call *call) {
        RedisWriter *writer = vss_writer_call_userdata(call);
        HolderOrder order = { .order = HOLDER_THAW };
        bool already_failed[INSTANCES_MAX] = { 0 };

        for (size_t i = 0; i < writer->holders.n; i++)
                already_failed[i] = writer->holders.items[i].reply.code < 0;
        holder_set_order(&writer->holders, &order);
        holder_set_collect(&writer->holders, event_deadline(call, THAW_USEC));
        writer->frozen = false;
        /* What is left is needed once more, by PostSnapshot. */
        return tell_failures(call, &writer->holders, already_failed);
}

/* Afterwards */

static void date_text(int64_t seconds, char *text, size_t size) {
        time_t date = (time_t)seconds;
        struct tm tm;

        if (!gmtime_r(&date, &tm) || strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                text[0] = '\0';
}

/* What the copy's manifest names, a line for each file; nothing if there is none. */
static void read_manifest(const vss_writer_call *call, const InstanceFacts *facts, char *text, size_t size) {
        char dir[2 * REDIS_PATH_SIZE], path[3 * REDIS_PATH_SIZE], line[2 * REDIS_NAME_SIZE];
        _cleanup_(fclosep) FILE *file = NULL;
        size_t n = 0;

        text[0] = '\0';
        if (!facts->append_only || !facts->many_files || !clone_path(call, facts->dir, dir, sizeof(dir)))
                return;
        (void)snprintf(path, sizeof(path), "%s/%s/%s.manifest", dir, facts->append_dir, facts->append_file);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file)) {
                int length;

                line[strcspn(line, "\r\n")] = '\0';
                length = text_is_clean(line) ? snprintf(text + n, size - n, "manifest=%s\n", line) : 0;
                if (length < 0 || (size_t)length >= size - n) {
                        text[n] = '\0';
                        return;
                }
                n += (size_t)length;
        }
}

/* Of a replica, how it stood with its master. */
static void tell_master(const InstanceFacts *facts, bool down, char *text, size_t size) {
        text[0] = '\0';
        if (down || !facts->master[0] || !text_is_clean(facts->master))
                return;
        (void)snprintf(text, size, "replica-of=%s\nmaster-link=%s\n", facts->master,
                       facts->master_is_gone ? "down" : "up");
        if (facts->silent >= 0)
                (void)snprintf(text + strlen(text), size - strlen(text),
                               "master-silent-seconds=%" PRId64 "\n", facts->silent);
}

static vss_result leave_metadata(vss_writer_call *call, const Holder *holder) {
        const InstanceFacts *facts = holder->instance->reply.down ? &holder->instance->reply.facts
                                                                  : &holder->reply.facts;
        char text[8 * REDIS_PATH_SIZE], manifest[3 * REDIS_PATH_SIZE], date[32] = "freeze";
        char master[2 * REDIS_NAME_SIZE];

        if (holder->reply.instant)
                date_text(holder->reply.instant, date, sizeof(date));
        read_manifest(call, facts, manifest, sizeof(manifest));
        tell_master(facts, holder->instance->reply.down, master, sizeof(master));
        (void)snprintf(
                text, sizeof(text),
                "product=%s\nversion=%s\nrole=%s\nrun-id=%s\nreplication-id=%s\nreplication-offset=%" PRId64
                "\npersistence=%s\ninstant=%s\ndirectory=%s\ndump=%s\nappend-directory=%s\nappend-file=%s\n%"
                "s%s",
                facts->product, facts->version, facts->role, facts->run_id, facts->replication_id,
                facts->offset, facts->append_only ? "aof" : "rdb", date, facts->dir, facts->dump,
                facts->many_files ? facts->append_dir : "", facts->append_file, master, manifest);
        return vss_writer_call_set_backup_metadata(call, holder->instance->name, COMPONENT_NAME, text);
}

static vss_result redis_post_snapshot(vss_writer_call *call) {
        RedisWriter *writer = vss_writer_call_userdata(call);
        vss_result r = VSS_S_OK;

        if (strcmp(writer->session, vss_writer_call_session_id(call)) != 0)
                return VSS_S_OK;
        for (size_t i = 0; r >= 0 && vss_writer_call_components_selected(call) && i < writer->holders.n; i++)
                if (writer->holders.items[i].reply.code >= 0)
                        r = leave_metadata(call, &writer->holders.items[i]);
        let_go(writer);
        return r < 0 ? vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE,
                                            "what is known of the servers cannot be put into the document")
                     : VSS_S_OK;
}

static vss_result redis_abort(vss_writer_call *call) {
        RedisWriter *writer = vss_writer_call_userdata(call);

        /* The end of one session must not let go what is prepared or held for another. */
        if (strcmp(writer->session, vss_writer_call_session_id(call)) == 0)
                let_go(writer);
        return VSS_S_OK;
}

const struct vss_writer redis_writer = {
        VSS_WRITER_INIT,
        .name = "Redis",
        .id = "b9a3e5f2-41c7-4d0a-8e36-7c51d2f09b84",
        .friendly_name = "Redis servers",
        .version = LINUXVSS_VERSION,
        .usage = VSS_UT_USERDATA,
        .source = VSS_ST_TRANSACTEDDB,
        /* A lock that costs nothing comes last: applications in front are at rest by then. */
        .level = VSS_APP_BACK_END,
        .freeze_timeout_ms = HOLDER_HELD_SECONDS * 1000,
        .identify = redis_identify,
        .prepare_snapshot = redis_prepare_snapshot,
        .freeze = redis_freeze,
        .thaw = redis_thaw,
        .post_snapshot = redis_post_snapshot,
        .abort = redis_abort,
        .pre_restore = redis_pre_restore,
        .post_restore = redis_post_restore,
        .verify = redis_verify,
        .knows_dry_run = true,
};
