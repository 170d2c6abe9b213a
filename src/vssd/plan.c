/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Plans
 *
 * A plan looks at one place after the other: the wanted paths, the mounts below them, and the volumes that
 * lie nested in a volume (subvolumes), which only its provider knows. Nothing is changed.
 */

#include <string.h>
#include "bus/marshal.h"
#include "model/level.h"
#include "model/path.h"
#include "util/clock.h"
#include "vssd/plan.h"
#include "vssd/set.h"
#include "vssd/support.h"

/* Places looked at for one plan; beyond it the plan fails rather than being half a plan. */
enum { PLACES_MAX = 8192 };

/* These stay live in every view, so what is mounted there is not missed. */
static const char *const live_paths[] = { "/dev", "/proc", "/sys", "/run", "/tmp" };

typedef enum PlaceKind {
        PLACE_WANTED,
        PLACE_MOUNT,
        PLACE_NESTED,
        PLACE_BELOW, /* not a volume: the mounts below it are to be found */
} PlaceKind;

typedef struct Plan {
        Manager *manager;
        PlanDone done;
        void *userdata;
        vss_value *wanted; /* resolved paths */
        vss_value *places; /* list of {path, kind, fs-type} */
        vss_value *nested; /* what providers said lies nested in volumes; looked at once all wanted paths are
                              known */
        size_t next;
        bool whole_machine, with_writers;
        bool components_held; /* all components found on the volumes can be application-consistent */
        char *named;
        uint32_t context;
        Discover *discover;
        Discovery providers;
        Volume *volume; /* the place that is being looked at */
        vss_value *entry;
        Calls calls;
        vss_value *result;
        Failure failure;
} Plan;

static void plan_next(Plan *plan);

static void plan_free(Plan *plan) {
        discovery_clear(&plan->providers);
        volume_unref(plan->volume);
        vss_value_free(plan->entry);
        vss_value_free(plan->wanted);
        vss_value_free(plan->places);
        vss_value_free(plan->nested);
        vss_value_free(plan->result);
        failure_clear(&plan->failure);
        free(plan->named);
        free(plan);
}

static vss_value *entries(const Plan *plan) {
        return value_get_mutable(plan->result, "volumes");
}

static const vss_value *place(const Plan *plan) {
        return vss_value_at(plan->places, plan->next - 1);
}

static PlaceKind place_kind(const Plan *plan) {
        return (PlaceKind)vss_value_get_integer(place(plan), "kind", PLACE_WANTED);
}

static void add_place(Plan *plan, const char *path, PlaceKind kind, const char *fs_type) {
        vss_value *added = vss_value_new_dict();

        (void)vss_value_set_string(added, "path", path);
        (void)vss_value_set_integer(added, "kind", kind);
        (void)vss_value_set_string(added, "fs-type", fs_type);
        if (vss_value_append(plan->places, added) < 0)
                failure_set_first(&plan->failure, VSS_E_OUTOFMEMORY, "", "Out of memory.");
        else if (vss_value_count(plan->places) > PLACES_MAX)
                failure_set_first(&plan->failure, VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED, path,
                                  "There are more than %d mounts and volumes below the wanted paths.",
                                  PLACES_MAX);
}

static void leave_out(Plan *plan, const char *path, const char *reason) {
        vss_value *left = vss_value_new_dict();

        if (plan->whole_machine) {
                vss_value_free(left);
                return;
        }
        (void)vss_value_set_string(left, "path", path);
        (void)vss_value_set_string(left, "reason", reason);
        (void)vss_value_append(value_require(plan->result, "left-out", VSS_KIND_LIST), left);
}

/* What copies file by file copies no more than is wanted. */
static void tell_paths(vss_value *entry) {
        const vss_value *wanted = vss_value_get(entry, "wanted");

        if (support_scope(entry) == VSS_ATOMIC_FILE && vss_value_count(wanted) > 0 &&
            !value_contains(wanted, vss_value_get_string(entry, "path", "")))
                (void)vss_value_set(entry, "paths", vss_value_copy(wanted));
}

/* The end: levels as they would be, if all goes well. */
static void decide_levels(Plan *plan) {
        LevelVolume levels[VSS_VOLUMES_MAX];
        vss_value *volumes = entries(plan);
        size_t n = 0;
        enum vss_level least;

        for (size_t i = 0; i < vss_value_count(volumes) && n < VSS_VOLUMES_MAX; i++) {
                const vss_value *entry = vss_value_at(volumes, i);

                if (!vss_value_get_boolean(entry, "supported", false) || vss_value_get(entry, "same-as"))
                        continue;
                levels[n++] = (LevelVolume){ .name = vss_value_get_string(entry, "path", ""),
                                             .no_copy = vss_value_get_boolean(entry, "no-copy", false),
                                             .hold = (enum vss_hold)vss_value_get_integer(entry, "hold-kind",
                                                                                          0),
                                             .held = true,
                                             .scope = support_scope(entry) };
        }
        least = level_decide(levels, n, NULL, 0);
        n = 0;
        for (size_t i = 0; i < vss_value_count(volumes); i++) {
                vss_value *entry = value_at_mutable(volumes, i);

                if (!vss_value_get_boolean(entry, "supported", false) || vss_value_get(entry, "same-as") ||
                    n >= VSS_VOLUMES_MAX)
                        continue;
                (void)vss_value_set_string(entry, "level", vss_level_name(levels[n].level));
                (void)vss_value_set_string(entry, "reason", levels[n].reason);
                tell_paths(entry);
                n++;
        }
        if (plan->components_held && vss_value_count(vss_value_get(plan->result, "writers")) > 0 &&
            least > VSS_LEVEL_NONE)
                least = VSS_LEVEL_APPLICATION;
        (void)vss_value_set_string(plan->result, "level", vss_level_name(least));
}

static void finish(Plan *plan) {
        decide_levels(plan);
        plan->done(plan->userdata, &plan->failure, plan->result);
        plan_free(plan);
}

/* Writers */

static bool add_name(vss_value *list, const char *name) {
        return value_contains(list, name) || value_append_string(list, name) >= 0;
}

/* Is this file set on a volume of the plan? Its writer is noted there. */
static bool match_files(Plan *plan, const Participant *writer, const vss_value *file) {
        bool found = false, elsewhere = *vss_value_get_string(file, "alternate-path", "");
        int64_t device = vss_value_get_integer(file, elsewhere ? "alternate-device" : "device", -2);

        for (size_t i = 0; i < vss_value_count(entries(plan)); i++) {
                vss_value *entry = value_at_mutable(entries(plan), i);

                if (vss_value_get_integer(entry, "device", -1) != device)
                        continue;
                found = true;
                (void)add_name(value_require(entry, "writers", VSS_KIND_LIST), writer->name);
        }
        return found;
}

/* The volumes that a component has files on, and that are not in the plan. */
static void note_missing(Plan *plan, const Participant *writer, const vss_value *component) {
        vss_value *missing = value_require(plan->result, "missing-volumes", VSS_KIND_LIST);
        const vss_value *files = vss_value_get(component, "files");
        const char *last = "";

        for (size_t f = 0; f < vss_value_count(files); f++) {
                const vss_value *file = vss_value_at(files, f);
                bool elsewhere = *vss_value_get_string(file, "alternate-path", "");
                const char *volume = vss_value_get_string(file, elsewhere ? "alternate-volume" : "volume",
                                                          "");

                if (match_files(plan, writer, file) || strcmp(volume, last) == 0)
                        continue;
                set_tell_missing(missing, volume, writer, component);
                last = volume;
        }
}

static size_t match_components(Plan *plan, const Participant *writer) {
        const vss_value *components = vss_value_get(writer->info, "components");
        size_t n = 0;

        for (size_t c = 0; c < vss_value_count(components); c++) {
                const vss_value *component = vss_value_at(components, c),
                                *files = vss_value_get(component, "files");
                size_t found = 0;

                for (size_t f = 0; f < vss_value_count(files); f++)
                        found += match_files(plan, writer, vss_value_at(files, f));
                if (found == 0)
                        continue;
                n++;
                if (found < vss_value_count(files))
                        note_missing(plan, writer, component);
                /* The rule of model/level.h if every writer holds; whether a cut is one instant shows later.
                 */
                if (found < vss_value_count(files) || *vss_value_get_string(component, "crash-only", "") ||
                    vss_value_get_boolean(component, "needs-one-instant", false))
                        plan->components_held = false;
        }
        return n;
}

static void on_writers(void *userdata, const Failure *failure, Discovery *found) {
        Plan *plan = userdata;
        vss_value *writers = value_require(plan->result, "writers", VSS_KIND_LIST);

        plan->discover = NULL;
        plan->components_held = true;
        for (size_t i = 0; i < found->n_participants; i++) {
                const Participant *writer = found->participants[i];
                const vss_value *rights = vss_value_get(writer->info, "missing-rights");
                size_t n = match_components(plan, writer);
                vss_value *told;

                if (n == 0)
                        continue;
                told = vss_value_new_dict();
                (void)vss_value_set_string(told, "name", writer->name);
                (void)vss_value_set_integer(told, "components", (int64_t)n);
                if (rights)
                        (void)vss_value_set(told, "missing-rights", vss_value_copy(rights));
                (void)vss_value_append(writers, told);
        }
        finish(plan);
}

static void end(Plan *plan) {
        if (plan->with_writers && plan->failure.code >= 0 &&
            discover_start(plan->manager, false, on_writers, plan, &plan->discover) >= 0)
                return;
        finish(plan);
}

/* One place */

static void keep_entry(Plan *plan) {
        vss_value *entry = TAKE_PTR(plan->entry);

        plan->volume = volume_unref(plan->volume);
        if (vss_value_append(entries(plan), entry) < 0)
                failure_set_first(&plan->failure, VSS_E_OUTOFMEMORY, "", "Out of memory.");
}

static bool is_wanted(const Plan *plan, const char *path) {
        for (size_t i = 0; i < vss_value_count(plan->wanted); i++)
                if (path_is_below(path, vss_value_string(vss_value_at(plan->wanted, i), "")))
                        return true;
        return false;
}

static void on_nested(void *userdata, const CallAnswer *answer) {
        Plan *plan = userdata;
        _cleanup_value_ vss_value *paths = NULL;

        if (answer->result < 0 || marshal_read_strings(answer->reply, &paths) < 0) {
                failure_set_first(&plan->failure,
                                  answer->result < 0 ? answer->result : VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                  answer->participant->name, "What is nested in %s cannot be found out: %s",
                                  plan->volume->path, answer->message ?: "the answer cannot be read");
                return;
        }
        for (size_t i = 0; i < vss_value_count(paths) && i < PLACES_MAX; i++) {
                _cleanup_(freep) char *path = NULL;

                if (path_join(plan->volume->path, vss_value_string(vss_value_at(paths, i), ""), &path) >= 0)
                        (void)value_append_string(plan->nested, path);
        }
}

static void on_nested_done(void *userdata) {
        Plan *plan = userdata;

        keep_entry(plan);
        plan_next(plan);
}

static void ask_nested(Plan *plan, Participant *provider) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        calls_begin(&plan->calls, on_nested_done, plan);
        r = participant_message(provider, "ListNestedVolumes", &m);
        if (r >= 0)
                r = support_append_volume(m, plan->volume);
        if (r >= 0)
                r = calls_add(&plan->calls, provider, m, plan->manager->settings.provider_usec, on_nested,
                              NULL);
        if (r < 0)
                failure_set_first(&plan->failure, VSS_E_UNEXPECTED, provider->name, "%s cannot be asked: %s",
                                  provider->name, strerror(-r));
        calls_drop(&plan->calls);
}

static void set_below(Plan *plan, const char *volume_root) {
        const vss_value *facts = plan->volume->facts;
        _cleanup_(freep) char *below = NULL;

        if (path_below_device(plan->volume->path, vss_value_get_string(facts, "mount-point", "/"),
                              vss_value_get_string(facts, "mount-root", "/"), volume_root, &below) >= 0)
                (void)vss_value_set_string(plan->entry, "below", below);
        (void)vss_value_set_string(plan->entry, "volume-root", volume_root);
}

static void declined_text(const vss_value *declined, char *text, size_t size) {
        size_t used = 0;

        text[0] = '\0';
        for (size_t i = 0; i < vss_value_count(declined) && used + 1 < size; i++) {
                const vss_value *row = vss_value_at(declined, i);

                used += (size_t)snprintf(text + used, size - used, "%s%s: %s", i ? "; " : "",
                                         vss_value_get_string(row, "provider", ""),
                                         vss_value_get_string(row, "reason", ""));
        }
}

static void on_support(void *userdata, Support *support) {
        Plan *plan = userdata;
        int64_t hold = vss_value_get_integer(support->answer, "hold", VSS_HOLD_NONE);
        char text[1024];

        (void)vss_value_set_boolean(plan->entry, "supported", support->provider != NULL);
        (void)vss_value_set_string(plan->entry, "provider",
                                   support->provider ? support->provider->name : "");
        (void)vss_value_set_string(plan->entry, "hold", support_hold_name(hold));
        (void)vss_value_set_integer(plan->entry, "hold-kind", hold);
        (void)vss_value_set_string(plan->entry, "atomic-scope",
                                   support_scope(support->answer) == VSS_ATOMIC_FILE ? "file" : "volume");
        (void)vss_value_set_boolean(plan->entry, "no-copy",
                                    vss_value_get_boolean(support->answer, "no-copy", false));
        (void)vss_value_set(plan->entry, "declined", vss_value_copy(support->declined));
        set_below(plan, vss_value_get_string(support->answer, "volume-root", "/"));
        if (support->provider) {
                ask_nested(plan, support->provider);
                return;
        }
        if (place_kind(plan) != PLACE_WANTED && !plan->whole_machine) {
                declined_text(support->declined, text, sizeof(text));
                leave_out(plan, plan->volume->path, *text ? text : "there is no provider");
                plan->entry = vss_value_free(plan->entry);
                plan->volume = volume_unref(plan->volume);
        } else
                keep_entry(plan);
        plan_next(plan);
}

/* The same storage seen before, at another mount point or for another wanted path. Return: true if so. */
static bool seen_before(Plan *plan) {
        for (size_t i = 0; i < vss_value_count(entries(plan)); i++) {
                vss_value *entry = value_at_mutable(entries(plan), i);

                if (vss_value_get_integer(entry, "device", -1) != (int64_t)plan->volume->device)
                        continue;
                if (strcmp(vss_value_get_string(entry, "path", ""), plan->volume->path) == 0) {
                        if (place_kind(plan) == PLACE_WANTED)
                                (void)value_append_string(
                                        value_require(entry, "wanted", VSS_KIND_LIST),
                                        vss_value_get_string(plan->volume->facts, "wanted", ""));
                        plan->entry = vss_value_free(plan->entry);
                        plan->volume = volume_unref(plan->volume);
                        return true;
                }
                if (vss_value_get(entry, "same-as"))
                        continue;
                (void)vss_value_set_string(plan->entry, "same-as", vss_value_get_string(entry, "path", ""));
                (void)vss_value_set_string(plan->entry, "provider",
                                           vss_value_get_string(entry, "provider", ""));
                (void)vss_value_set_boolean(plan->entry, "supported",
                                            vss_value_get_boolean(entry, "supported", false));
                (void)vss_value_set_string(plan->entry, "hold", vss_value_get_string(entry, "hold", ""));
                set_below(plan, vss_value_get_string(entry, "volume-root", "/"));
                keep_entry(plan);
                return true;
        }
        return false;
}

static int begin_entry(Plan *plan) {
        static const char *const facts[] = { "path", "mount-point", "mount-root", "source", "fs-type" };
        vss_value *wanted;

        plan->entry = vss_value_new_dict();
        FOREACH_ELEMENT (fact, facts)
                (void)vss_value_set_string(plan->entry, *fact,
                                           vss_value_get_string(plan->volume->facts, *fact, ""));
        (void)vss_value_set_integer(plan->entry, "device", (int64_t)plan->volume->device);
        /* Also one that was asked for by name: it lies where its path says, not where the mount is. */
        (void)vss_value_set_boolean(
                plan->entry, "nested",
                strcmp(plan->volume->path, vss_value_get_string(plan->volume->facts, "mount-point", "/")) !=
                        0);
        wanted = value_require(plan->entry, "wanted", VSS_KIND_LIST);
        if (wanted && place_kind(plan) == PLACE_WANTED)
                (void)value_append_string(wanted, vss_value_get_string(plan->volume->facts, "wanted", ""));
        return wanted ? 0 : -ENOMEM;
}

/* From here on the path is known as it really is. */
static void note_wanted(Plan *plan) {
        const char *path = vss_value_get_string(plan->volume->facts, "wanted", "");

        (void)value_append_string(plan->wanted, path);
        add_place(plan, path, PLACE_BELOW, "");
}

static void ask_support(Plan *plan) {
        SupportAsk *ask;

        if (support_ask(plan->manager, &plan->providers, plan->named, plan->context, plan->volume,
                        on_support, plan, &ask) >= 0)
                return;
        failure_set_first(&plan->failure, VSS_E_OUTOFMEMORY, "", "Out of memory.");
        plan_next(plan);
}

static void on_found(void *userdata, int error, WorkerAnswer *answer) {
        Plan *plan = userdata;
        const char *path = vss_value_get_string(place(plan), "path", "");
        const char *message = vss_value_get_string(answer->value, "message",
                                                   strerror(error < 0 ? -error : EIO));

        if (error < 0 && place_kind(plan) != PLACE_WANTED)
                leave_out(plan, path, message);
        else if (error < 0)
                failure_set_first(&plan->failure,
                                  error == -ENOENT || error == -ENOTDIR ? VSS_E_OBJECT_NOT_FOUND
                                  : error == -EINVAL                    ? VSS_E_INVALIDARG
                                                                        : VSS_E_UNEXPECTED,
                                  path, "%s", message);
        else if (volume_new(TAKE_FD(answer->fds[0]), TAKE_PTR(answer->value), &plan->volume) < 0 ||
                 begin_entry(plan) < 0)
                failure_set_first(&plan->failure, VSS_E_OUTOFMEMORY, "", "Out of memory.");
        else {
                if (place_kind(plan) == PLACE_WANTED)
                        note_wanted(plan);
                if (!seen_before(plan)) {
                        ask_support(plan);
                        return;
                }
        }
        plan_next(plan);
}

static bool stays_live(const Plan *plan, const char *mount) {
        FOREACH_ELEMENT (live, live_paths)
                if (path_is_below(mount, *live)) {
                        /* Unless somebody wants just that. */
                        for (size_t i = 0; i < vss_value_count(plan->wanted); i++)
                                if (path_is_below(vss_value_string(vss_value_at(plan->wanted, i), ""),
                                                  *live))
                                        return false;
                        return true;
                }
        return false;
}

static void on_below(void *userdata, int error, WorkerAnswer *answer) {
        Plan *plan = userdata;
        const vss_value *mounts = vss_value_get(answer->value, "mounts");

        if (error < 0)
                failure_set_first(&plan->failure, VSS_E_UNEXPECTED,
                                  vss_value_get_string(place(plan), "path", ""),
                                  "The mounts below it cannot be listed: %s",
                                  vss_value_get_string(answer->value, "message", strerror(-error)));
        for (size_t i = 0; i < vss_value_count(mounts); i++) {
                const vss_value *mount = vss_value_at(mounts, i);
                const char *path = vss_value_get_string(mount, "path", "");
                const char *fs_type = vss_value_get_string(mount, "fs-type", "");
                const char *unsuitable = volume_unsuitable(fs_type);
                char reason[256];

                if (stays_live(plan, path))
                        continue;
                if (!unsuitable) {
                        add_place(plan, path, PLACE_MOUNT, fs_type);
                        continue;
                }
                (void)snprintf(reason, sizeof(reason), "%s: %s", fs_type, unsuitable);
                leave_out(plan, path, reason);
        }
        plan_next(plan);
}

static void add_nested(Plan *plan) {
        _cleanup_value_ vss_value *nested = TAKE_PTR(plan->nested);

        for (size_t i = 0; i < vss_value_count(nested); i++) {
                const char *path = vss_value_string(vss_value_at(nested, i), "");

                if (is_wanted(plan, path))
                        add_place(plan, path, PLACE_NESTED, "");
        }
        plan->nested = vss_value_new_list();
}

static void plan_next(Plan *plan) {
        const char *path;
        int64_t kind;
        int r;

        if (plan->next >= vss_value_count(plan->places))
                add_nested(plan);
        if (plan->failure.code < 0 || plan->next >= vss_value_count(plan->places)) {
                end(plan);
                return;
        }
        kind = vss_value_get_integer(vss_value_at(plan->places, plan->next), "kind", 0);
        path = vss_value_get_string(vss_value_at(plan->places, plan->next), "path", "");
        plan->next++;
        r = worker_start(plan->manager, kind == PLACE_BELOW ? volume_below_main : volume_find_main,
                         (void *)path, plan->manager->settings.worker_usec,
                         kind == PLACE_BELOW ? on_below : on_found, plan, NULL);
        if (r < 0) {
                failure_set_first(&plan->failure, VSS_E_UNEXPECTED, path, "A worker cannot be started: %s",
                                  strerror(-r));
                end(plan);
        }
}

static void on_providers(void *userdata, const Failure *failure, Discovery *found) {
        Plan *plan = userdata;

        plan->discover = NULL;
        plan->providers = *found;
        *found = (Discovery){ 0 };
        failure_copy(&plan->failure, failure);
        if (plan->failure.code >= 0 && *plan->named && !discovery_find(&plan->providers, plan->named))
                failure_set(&plan->failure, VSS_E_PROVIDER_NOT_REGISTERED, plan->named,
                            "There is no provider %s. See vss list providers.", plan->named);
        plan_next(plan);
}

static int add_wanted(Plan *plan, const char *path) {
        _cleanup_(freep) char *normal = NULL;
        int r = path_normalize(path, &normal);

        if (r < 0)
                return r;
        add_place(plan, normal, PLACE_WANTED, "");
        return plan->failure.code < 0 ? -ENOMEM : 0;
}

int plan_start(Manager *manager, const vss_value *paths, const vss_value *options, PlanDone done,
               void *userdata) {
        Plan *plan = calloc(1, sizeof(*plan));
        int r = 0;

        if (!plan)
                return -ENOMEM;
        *plan = (Plan){ .manager = manager,
                        .done = done,
                        .userdata = userdata,
                        .wanted = vss_value_new_list(),
                        .places = vss_value_new_list(),
                        .nested = vss_value_new_list(),
                        .result = vss_value_new_dict(),
                        .whole_machine = vss_value_count(paths) == 0,
                        .with_writers = vss_value_get_boolean(options, "writers", false),
                        .named = strdup(vss_value_get_string(options, "provider", "")),
                        .context = (uint32_t)vss_value_get_integer(options, "context", 0) };
        if (!plan->named || !value_require(plan->result, "volumes", VSS_KIND_LIST) ||
            !value_require(plan->result, "left-out", VSS_KIND_LIST))
                r = -ENOMEM;
        for (size_t i = 0; r >= 0 && i < vss_value_count(paths); i++)
                r = add_wanted(plan, vss_value_string(vss_value_at(paths, i), ""));
        if (r >= 0 && plan->whole_machine)
                r = add_wanted(plan, "/");
        if (r >= 0)
                r = discover_start(manager, true, on_providers, plan, &plan->discover);
        if (r < 0)
                plan_free(plan);
        return r;
}
