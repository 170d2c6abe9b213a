/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restores of servers
 *
 * Before: it is stopped, and its files lie aside. Afterwards: what came is sound and in the shape that its
 * configuration reads (a server with appendonly yes and no AOF starts empty, whatever dump lies there), it
 * runs, and has loaded it.
 */

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/common/aside.h"
#include "writers/redis/engine.h"
#include "writers/redis/version.h"
#include "writers/redis/writer.h"

#define FIND_USEC (5 * USEC_PER_SEC)
#define VERSION_USEC (5 * USEC_PER_SEC)
#define STOP_USEC (30 * USEC_PER_SEC)
#define NAP_USEC (50 * USEC_PER_MSEC)
#define NAMES_MAX 4096u

typedef struct Restore Restore;
struct Restore {
        vss_writer_call *call;
        RedisWriter *writer;
        const Instance *instance;
        const InstanceFacts *facts; /* of the instance as it is now */
        const char *metadata, *options;
        bool dry;
        bool before;
        bool well; /* up to now */
        char *why; /* not, of the first that was not; shared */
        size_t why_size;
        const InstanceList *all;
        Restore *others; /* of this event, this one among them: several servers may have their files in one
                            directory */
        size_t n_others;
};

static int _printf_(3, 4) fail(const Restore *restore, vss_result code, const char *format, ...) {
        const Instance *instance = restore->instance;
        char text[1024];
        va_list args;
        int n = snprintf(text, sizeof(text), "%.200s: ", instance->name);

        va_start(args, format);
        (void)vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
        va_end(args);
        if (!restore->why[0])
                (void)snprintf(restore->why, restore->why_size, "%s", text);
        (void)vss_writer_call_fail_component(restore->call, instance->name, COMPONENT_NAME, code, "%s",
                                             text);
        (void)(restore->before ? vss_writer_call_set_pre_restore_failure_msg
                               : vss_writer_call_set_post_restore_failure_msg)(restore->call, instance->name,
                                                                               COMPONENT_NAME, text);
        return -1;
}

#define NOTE(restore, ...)                                                                         \
        (void)vss_writer_call_add_note((restore)->call, (restore)->instance->name, COMPONENT_NAME, \
                                       __VA_ARGS__)

static bool option_is(const Restore *restore, const char *key, const char *value) {
        char text[32];

        return pair_text(restore->options, key, text, sizeof(text)) && strcmp(text, value) == 0;
}

/* Before */

static int check_place(const Restore *restore) {
        char dir[REDIS_PATH_SIZE];

        if (pair_text(restore->metadata, "directory", dir, sizeof(dir)) &&
            strcmp(dir, restore->facts->dir) != 0)
                return fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                            "the backup is of %s, and its data are in %s now: set dir in %s to %s for the "
                            "restore",
                            dir, restore->facts->dir,
                            restore->instance->config[0] ? restore->instance->config : "its configuration",
                            dir);
        return 0;
}

static int check_version(const Restore *restore) {
        const Product *product = restore->writer->product;
        char from_product[16] = "", from[32] = "", version[32] = "", text[COMMAND_OUTPUT_MAX + 1];
        const char *words[] = { product->process, "--version", NULL }, *objection;
        char why[INSTANCE_WHY_SIZE];
        int r;

        (void)snprintf(version, sizeof(version), "%s", restore->facts->version);
        if (!version[0]) {
                r = command_run(words, -1, now_usec() + VERSION_USEC, text);
                if (r != 0)
                        return fail(restore, VSS_E_WRITERERROR_NONRETRYABLE, "%s: %s: install it first",
                                    product->process, r < 0 ? strerror(-r) : text);
                (void)version_of_program(text, version, sizeof(version));
        }
        (void)pair_text(restore->metadata, "product", from_product, sizeof(from_product));
        (void)pair_text(restore->metadata, "version", from, sizeof(from));
        objection = version_objection(from_product[0] ? from_product : product->name, from, product->name,
                                      version, option_is(restore, "upgrade", "yes"), why, sizeof(why));
        return objection ? fail(restore, VSS_E_WRITERERROR_NONRETRYABLE, "%s", objection) : 0;
}

static bool is_up(const Restore *restore) {
        return restore->instance->reply.code >= 0 || restore->instance->pid != 0;
}

static int stop(const Restore *restore) {
        const char *unit = restore->instance->unit;
        uint64_t deadline = event_deadline(restore->call, STOP_USEC);
        bool active = false;
        vss_result r = VSS_E_OBJECT_NOT_FOUND;

        if (unit[0])
                r = vss_writer_call_is_unit_active(restore->call, unit, &active);
        if (r < 0 && r != VSS_E_OBJECT_NOT_FOUND)
                return fail(restore, VSS_E_WRITERERROR_RETRYABLE, "unit %s: %s", unit,
                            vss_writer_call_failure_text(restore->call));
        if (!active && is_up(restore))
                return fail(restore, VSS_E_WRITERERROR_RETRYABLE,
                            "it runs, and in no unit that could be stopped: stop it (redis-cli shutdown), "
                            "and try again");
        if (restore->dry) {
                if (active)
                        NOTE(restore, "would stop unit %s", unit);
                return 0;
        }
        if (active && vss_writer_call_stop_unit(restore->call, unit) < 0)
                return fail(restore, VSS_E_WRITERERROR_RETRYABLE, "unit %s could not be stopped: %s", unit,
                            vss_writer_call_failure_text(restore->call));
        if (active)
                NOTE(restore, "unit %s was stopped", unit);
        while (instance_has_process(restore->writer->product, restore->instance)) {
                struct timespec nap = { 0, (long)(NAP_USEC * 1000) };

                if (now_usec() >= deadline)
                        return fail(restore, VSS_E_WRITERERROR_RETRYABLE,
                                    "it still runs although unit %s was stopped: stop it, and try again",
                                    unit);
                (void)nanosleep(&nap, NULL);
        }
        return 0;
}

static bool was_append_only(const Restore *restore) {
        char was[8] = "";

        return pair_text(restore->metadata, "persistence", was, sizeof(was)) && strcmp(was, "aof") == 0;
}

/* Is the AOF of its directory its own? Servers that write dumps have names for one as well, most often all
 * the same. */
static bool owns_append_file(const Restore *restore) {
        const InstanceFacts *facts = restore->facts;

        if (facts->append_only)
                return true;
        for (size_t i = 0; i < restore->all->n; i++) {
                const InstanceFacts *other = &restore->all->items[i].reply.facts;

                if (other != facts && other->append_only && strcmp(other->dir, facts->dir) == 0 &&
                    strcmp(other->append_dir, facts->append_dir) == 0)
                        return false;
        }
        return was_append_only(restore);
}

static bool is_of(const Restore *restore, const char *name) {
        const InstanceFacts *facts = restore->facts;

        return strcmp(name, facts->dump) == 0 ||
               (owns_append_file(restore) &&
                strcmp(name, facts->many_files ? facts->append_dir : facts->append_file) == 0);
}

static bool is_in(const Restore *restore, const char *dir) {
        return restore->well && restore->facts && strcmp(restore->facts->dir, dir) == 0;
}

static bool is_restored(const Restore *restore, const char *name) {
        for (size_t i = 0; i < restore->n_others; i++)
                if (is_in(&restore->others[i], restore->facts->dir) && is_of(&restore->others[i], name))
                        return true;
        return false;
}

/* What else lies in the directory, of other servers perhaps, stays. */
static int list_kept(const Restore *restore, int directory, char **ret_names) {
        _cleanup_(closep) int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const struct dirent *entry;
        size_t n = 0;
        DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;

        if (!dir)
                return -errno;
        copy = -1;
        while (n < NAMES_MAX && (entry = readdir(dir))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    is_restored(restore, entry->d_name))
                        continue;
                ret_names[n] = strdup(entry->d_name);
                if (!ret_names[n++])
                        break;
        }
        (void)closedir(dir);
        return n < NAMES_MAX && (n == 0 || ret_names[n - 1]) ? 0 : -E2BIG;
}

static int move_aside(const Restore *restore, int directory) {
        char **names = calloc(NAMES_MAX + 1, sizeof(*names));
        int r = names ? list_kept(restore, directory, names) : -ENOMEM;

        if (r == 0)
                r = aside_move(directory, vss_writer_call_session_id(restore->call),
                               (const char *const *)names, event_deadline(restore->call, UINT64_MAX / 2));
        for (size_t i = 0; names && names[i]; i++)
                free(names[i]);
        free(names);
        return r;
}

/* A directory of its user again: files may be put there. */
static int make_append_dir(const Restore *restore, int directory) {
        const InstanceFacts *facts = restore->facts;

        if (!facts->many_files || !owns_append_file(restore))
                return 0;
        return mkdirat(directory, facts->append_dir, 0750) < 0 && errno != EEXIST ? -errno : 0;
}

/* Is this the first of its directory? All of one directory are moved at once. */
static bool is_first(const Restore *restore) {
        for (const Restore *other = restore->others; other < restore; other++)
                if (is_in(other, restore->facts->dir))
                        return false;
        return true;
}

static int make_room(const Restore *restore) {
        _cleanup_(closep) int directory = open(restore->facts->dir,
                                               O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        AsideInfo info;
        int r;

        /* It is made with the files. */
        if (directory < 0 && errno == ENOENT)
                return 0;
        /* Its files would be taken for what the other restore has brought. */
        if (directory >= 0 && aside_look(directory, &info) == 1 &&
            strcmp(info.session, vss_writer_call_session_id(restore->call)) != 0 &&
            !instance_is_aside(restore->all, restore->instance))
                return fail(restore, VSS_E_WRITERERROR_RETRYABLE,
                            "the restore of another server in %s did not finish: try that one again first",
                            restore->facts->dir);
        if (restore->dry) {
                NOTE(restore, "would move %s%s%s of %s aside", restore->facts->dump,
                     restore->facts->many_files ? " and " : "",
                     restore->facts->many_files ? restore->facts->append_dir : "", restore->facts->dir);
                return 0;
        }
        r = directory < 0 ? -errno : is_first(restore) ? move_aside(restore, directory) : 0;
        if (r == 0)
                r = make_append_dir(restore, directory);
        if (r < 0)
                return fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                            "its files in %s cannot be moved aside: %s", restore->facts->dir, strerror(-r));
        return 0;
}

static int before_one(const Restore *restore) {
        if (check_place(restore) < 0 || check_version(restore) < 0 || stop(restore) < 0)
                return -1;
        if (strcmp(restore->facts->role, "slave") == 0 || restore->instance->conf.replica)
                NOTE(restore, "it is a replica: once it runs, the data of its master take the place of what "
                              "is restored");
        return 0;
}

/* Afterwards */

static bool has_append_file(const InstanceFacts *facts) {
        char path[3 * REDIS_PATH_SIZE];

        if (facts->many_files)
                (void)snprintf(path, sizeof(path), "%s/%s/%s.manifest", facts->dir, facts->append_dir,
                               facts->append_file);
        else
                (void)snprintf(path, sizeof(path), "%s/%s", facts->dir, facts->append_file);
        return access(path, F_OK) == 0;
}

/* An AOF that its server does not read today would be read instead of newer dumps one day. */
static void drop_append_files(const InstanceFacts *facts) {
        char path[2 * REDIS_PATH_SIZE + 2], pattern[REDIS_NAME_SIZE + 2];
        const struct dirent *entry;
        DIR *dir;

        (void)snprintf(path, sizeof(path), "%s/%s", facts->dir,
                       facts->many_files ? facts->append_dir : facts->append_file);
        if (!facts->many_files) {
                (void)unlink(path);
                return;
        }
        (void)snprintf(pattern, sizeof(pattern), "%s.*", facts->append_file);
        dir = opendir(path);
        for (unsigned i = 0; dir && i < NAMES_MAX && (entry = readdir(dir)); i++)
                if (fnmatch(pattern, entry->d_name, 0) == 0)
                        (void)unlinkat(dirfd(dir), entry->d_name, 0);
        if (dir)
                (void)closedir(dir);
        (void)rmdir(path);
}

/* Loaded in one shape, and written in the other, by a server of our own. */
static int convert(const Restore *restore, bool to_append_file) {
        static const char *const left[] = { "s", "log" };
        uint64_t deadline = event_deadline(restore->call, UINT64_MAX / 2);
        char scratch[] = "/tmp/vss-redis.XXXXXX", why[SERVER_WHY_SIZE] = "", path[64];
        EngineOrder order = {
                .facts = restore->facts,
                .conf = &restore->instance->conf,
                .process = restore->writer->product->process,
                .dir = restore->facts->dir,
                .scratch = scratch,
                .append_only = !to_append_file,
        };
        Engine engine;
        int r;

        if (!mkdtemp(scratch))
                return fail(restore, VSS_E_WRITERERROR_OUTOFRESOURCES, "/tmp: %s", strerror(errno));
        r = engine_start(&engine, &order, deadline, why);
        if (r >= 0) {
                r = to_append_file ? engine_make_append_file(&engine, deadline, why)
                                   : engine_make_dump(&engine, deadline, why);
                engine_stop(&engine, now_usec() + STOP_USEC);
        }
        if (r >= 0 && !to_append_file)
                drop_append_files(restore->facts);
        FOREACH_ELEMENT (name, left) {
                (void)snprintf(path, sizeof(path), "%s/%s", scratch, *name);
                (void)unlink(path);
        }
        (void)rmdir(scratch);
        if (r < 0)
                return fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                            "%s could not be made of the backup: %s", to_append_file ? "an AOF" : "a dump",
                            why);
        NOTE(restore, "%s was made of the backup, as that is what its configuration reads",
             to_append_file ? "an AOF" : "a dump");
        return 0;
}

/* In the shape that its configuration reads. */
static int shape(const Restore *restore) {
        const InstanceFacts *facts = restore->facts;

        if (restore->dry) {
                if (was_append_only(restore) != facts->append_only && restore->metadata[0])
                        NOTE(restore, "would make %s of the backup, as that is what its configuration reads",
                             facts->append_only ? "an AOF" : "a dump");
                return 0;
        }
        if (facts->append_only == (owns_append_file(restore) && has_append_file(facts)))
                return 0;
        return convert(restore, facts->append_only);
}

/* The unit is up when it has loaded all; others take a moment longer. */
static int wait_until_up(const Restore *restore) {
        const Instance *instance = restore->instance;
        uint64_t deadline = event_deadline(restore->call, UINT64_MAX / 2);
        Server server = { 0 };
        int64_t keys = -1;
        int r = -ECONNREFUSED;

        while (r < 0 && r != -EACCES && now_usec() < deadline) {
                _cleanup_(freep) char *info = NULL, *keyspace = NULL;
                struct timespec nap = { 0, (long)(NAP_USEC * 1000) };

                server.deadline_usec = MIN(deadline, now_usec() + 2 * USEC_PER_SEC);
                r = server_connect(&server, instance->socket, instance->port);
                if (r >= 0)
                        r = server_log_in(&server, instance->user, instance->password);
                if (r >= 0)
                        r = server_info(&server, "persistence", &info);
                if (r >= 0 && info_number(info, "loading", 1) != 0)
                        r = -EAGAIN;
                if (r >= 0 && server_info(&server, "keyspace", &keyspace) >= 0)
                        keys = info_count_keys(keyspace);
                server_close(&server);
                if (r < 0)
                        (void)nanosleep(&nap, NULL);
        }
        if (r < 0)
                return fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                            "it does not answer after its restore: %s", server.why);
        NOTE(restore, "it runs and has %" PRId64 " keys", keys);
        return 0;
}

/* Return: 1 if nobody has started it. */
static int start(const Restore *restore) {
        const char *unit = restore->instance->unit;
        vss_result r;

        if (option_is(restore, "start", "no") || !unit[0]) {
                NOTE(restore, "start it: %s", unit[0] ? unit : "it is in no unit");
                return 1;
        }
        if (restore->dry) {
                NOTE(restore, "would start unit %s", unit);
                return 0;
        }
        r = vss_writer_call_start_unit(restore->call, unit);
        if (r == VSS_E_OBJECT_NOT_FOUND) {
                NOTE(restore, "there is no unit %s: start it", unit);
                return 1;
        }
        if (r < 0)
                return fail(restore, VSS_E_WRITERERROR_NONRETRYABLE, "unit %s could not be started: %s",
                            unit, vss_writer_call_failure_text(restore->call));
        NOTE(restore, "unit %s was started", unit);
        return wait_until_up(restore);
}

static int check(const Restore *restore,
                 int (*look)(const Product *, const InstanceFacts *, const char *, uint64_t, char *)) {
        char why[SERVER_WHY_SIZE] = "";

        if (look(restore->writer->product, restore->facts, restore->facts->dir,
                 event_deadline(restore->call, UINT64_MAX / 2), why) == 0)
                return 0;
        return fail(restore, VSS_E_WRITERERROR_NONRETRYABLE, "it is not sound after its restore: %s", why);
}

static int after_one(const Restore *restore) {
        int r;

        if (shape(restore) < 0)
                return -1;
        /* What the server is about to read anyway is not read twice. */
        if (!restore->dry && check(restore, check_tails) < 0)
                return -1;
        r = start(restore);
        if (r == 0 || restore->dry)
                return 0;
        return check(restore, check_files) == 0 && r > 0 ? 0 : -1;
}

/* Once all servers of a directory are well. */
static void drop_old(const Restore *restore) {
        _cleanup_(closep) int directory = -1;
        int r;

        for (size_t i = 0; i < restore->n_others; i++) {
                const Restore *other = &restore->others[i];

                if (other->facts && !other->well && strcmp(other->facts->dir, restore->facts->dir) == 0)
                        return;
        }
        directory = open(restore->facts->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        r = directory < 0 ? -errno : aside_drop(directory, event_deadline(restore->call, UINT64_MAX / 2));
        if (r < 0)
                NOTE(restore, "what lay there before is still in %s/%s: %s", restore->facts->dir, ASIDE_NAME,
                     strerror(-r));
}

/* Events */

static int restore_one(const Restore *restore, int64_t status) {
        if (!restore->facts)
                return fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                            "there is no configuration of such a server: put back its .conf file first (%s)",
                            restore->writer->product->conf_dir);
        if (restore->before)
                return before_one(restore);
        if (restore->dry || status == VSS_RS_ALL)
                return after_one(restore);
        if (status == VSS_RS_FAILED)
                return fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                            "its files were not put back wholly, and what was there lies in %s/%s: restore "
                            "it again",
                            restore->facts->dir, ASIDE_NAME);
        return fail(restore, VSS_E_WRITERERROR_NONRETRYABLE, "none of its files were put back");
}

static void describe(Restore *restore, vss_writer_call *call, const InstanceList *list,
                     const vss_value *component, Instance *unknown) {
        const char *name = vss_value_get_string(component, "logical-path", "");
        const Instance *instance = instance_list_find(list, name);

        if (!instance)
                (void)snprintf(unknown->name, sizeof(unknown->name), "%s", name);
        restore->call = call;
        restore->writer = vss_writer_call_userdata(call);
        restore->instance = instance ?: unknown;
        restore->facts = instance ? &instance->reply.facts : NULL;
        restore->metadata = vss_value_get_string(component, "backup-metadata", "");
        restore->options = vss_value_get_string(component, "restore-options", "");
        restore->dry = vss_writer_call_is_dry_run(call);
        restore->all = list;
}

/* The components that are restored, one after the other. Return: how many there are; @ret_failed of them
 * failed, the first as @why says. */
static size_t restore_all(vss_writer_call *call, const InstanceList *list, bool before, size_t *ret_failed,
                          char *why, size_t why_size) {
        _cleanup_(freep) Restore *restores = calloc(INSTANCES_MAX, sizeof(*restores));
        _cleanup_(freep) Instance *unknown = calloc(1, sizeof(*unknown));
        size_t n = 0, n_failed = 0;

        for (size_t i = 0;
             restores && unknown && n < INSTANCES_MAX && i < vss_writer_call_component_count(call); i++) {
                const vss_value *component = vss_writer_call_component(call, i);
                Restore *restore = &restores[n];

                if (!vss_value_get_boolean(component, "selected-for-restore", false))
                        continue;
                n++;
                describe(restore, call, list, component, unknown);
                restore->before = before;
                restore->why = why;
                restore->why_size = why_size;
                restore->others = restores;
                restore->well = restore_one(restore,
                                            vss_value_get_integer(component, "file-restore-status", 0)) == 0;
        }
        for (size_t i = 0; i < n; i++)
                restores[i].n_others = n;
        for (size_t i = 0; i < n; i++) {
                Restore *restore = &restores[i];

                if (restore->well && before)
                        restore->well = make_room(restore) == 0;
                else if (restore->well && !restore->dry)
                        drop_old(restore);
                n_failed += !restore->well;
        }
        *ret_failed = n_failed;
        return n;
}

static vss_result run(vss_writer_call *call, bool before) {
        RedisWriter *writer = vss_writer_call_userdata(call);
        InstanceList list = { 0 };
        char why[1024] = "";
        size_t n, n_failed;
        vss_result code;

        settings_deinit(&writer->settings);
        (void)instances_find(writer->product, &writer->settings, event_deadline(call, FIND_USEC), &list);
        n = restore_all(call, &list, before, &n_failed, why, sizeof(why));
        instance_list_clear(&list);
        if (n_failed == 0)
                return VSS_S_OK;
        code = n_failed < n ? VSS_E_WRITERERROR_PARTIAL_FAILURE : VSS_E_WRITERERROR_NONRETRYABLE;
        return n_failed == 1
                       ? vss_writer_call_fail(call, code, "%s", why)
                       : vss_writer_call_fail(call, code, "%s (and %zu more servers)", why, n_failed - 1);
}

vss_result redis_pre_restore(vss_writer_call *call) {
        return run(call, true);
}

vss_result redis_post_restore(vss_writer_call *call) {
        return run(call, false);
}
