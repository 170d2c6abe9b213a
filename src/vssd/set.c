/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A shadow copy set
 */

#include <string.h>
#include "bus/marshal.h"
#include "config.h"
#include "model/component.h"
#include "model/component-tree.h"
#include "model/filespec.h"
#include "util/clock.h"
#include "vssd/cgroup.h"
#include "vssd/log.h"
#include "vssd/mounts.h"
#include "vssd/needed.h"
#include "vssd/set.h"
#include "vssd/wanted.h"

/* For one that hung before: its kill may not reach it, and everybody waits. */
#define ABORT_AGAIN_USEC (5 * USEC_PER_SEC)

void set_clear(Set *set) {
        for (size_t i = 0; i < set->n_volumes; i++) {
                volume_unref(set->volumes[i].volume);
                participant_unref(set->volumes[i].provider);
                vss_value_free(set->volumes[i].properties);
                free(set->volumes[i].broken);
        }
        for (size_t i = 0; i < set->n_begun; i++)
                participant_unref(set->begun[i]);
        for (size_t i = 0; i < set->n_cgroups; i++) {
                free(set->cgroups[i].path);
                close(set->cgroups[i].fd);
        }
        for (size_t i = 0; i < set->n_writers; i++) {
                participant_unref(set->writers[i].participant);
                failure_clear(&set->writers[i].failure);
                free(set->writers[i].application_message);
                vss_value_free(set->writers[i].chosen);
                vss_value_free(set->writers[i].failed);
                vss_value_free(set->writers[i].answers);
                vss_value_free(set->writers[i].notes);
        }
        free(set->unheard);
        if (set->manager && *set->id)
                calls_forget_set(set->manager, set->id);
        *set = (Set){ .manager = set->manager, .requester = set->requester };
}

static enum vss_application_level writer_level(const Participant *writer) {
        int64_t level = vss_value_get_integer(writer->info, "level", VSS_APP_UNKNOWN);

        return level == VSS_APP_SYSTEM || level == VSS_APP_BACK_END || level == VSS_APP_SYSTEM_RM
                       ? (enum vss_application_level)level
                       : VSS_APP_FRONT_END;
}

void set_adopt_writers(Set *set, Discovery *found, const vss_value *enabled, const vss_value *disabled) {
        const vss_value *rejected = vss_value_at(found->rejected, 0);

        if (rejected && !set->unheard &&
            asprintf(&set->unheard, "writer %s was left out: %s",
                     vss_value_get_string(rejected, "name", "?"),
                     vss_value_get_string(rejected, "reason", "")) < 0)
                set->unheard = NULL;
        for (size_t i = 0; i < found->n_participants && set->n_writers < WRITERS_MAX; i++) {
                Participant *writer = found->participants[i];

                set->writers[set->n_writers++] = (SetWriter){
                        .participant = participant_ref(writer),
                        .level = writer_level(writer),
                        .state = VSS_WS_STABLE,
                        .disabled = participant_is_named(writer, disabled) ||
                                    (enabled && !participant_is_named(writer, enabled)),
                        .chosen = vss_value_new_list(),
                        .failed = vss_value_new_list(),
                };
        }
}

SetWriter *set_find_writer(Set *set, const char *name) {
        for (size_t i = 0; i < set->n_writers; i++)
                if (strcasecmp(set->writers[i].participant->name, name) == 0)
                        return &set->writers[i];
        return NULL;
}

BcWriter set_bc_writer(const Set *set, const SetWriter *writer) {
        return (BcWriter){ .name = writer->participant->name,
                           .metadata = writer->participant->info,
                           .components = writer->chosen,
                           .partial_file_support = set->partial_file_support };
}

SetVolume *set_find_snapshot(Set *set, const char *id) {
        for (size_t i = 0; i < set->n_volumes; i++)
                if (strcasecmp(set->volumes[i].id, id) == 0)
                        return &set->volumes[i];
        return NULL;
}

SetVolume *set_find_device(Set *set, uint64_t device) {
        for (size_t i = 0; i < set->n_volumes; i++)
                if (set->volumes[i].volume->device == device)
                        return &set->volumes[i];
        return NULL;
}

bool set_is_first_of_provider(const Set *set, size_t index) {
        for (size_t i = 0; i < index; i++)
                if (strcmp(set->volumes[i].provider->bus_name, set->volumes[index].provider->bus_name) == 0)
                        return false;
        return true;
}

int set_note_begun(Set *set, Participant *provider) {
        for (size_t i = 0; i < set->n_begun; i++)
                if (strcmp(set->begun[i]->unique, provider->unique) == 0)
                        return 0;
        if (set->n_begun >= BEGUN_MAX)
                return -E2BIG;
        set->begun[set->n_begun++] = participant_ref(provider);
        return 0;
}

static int abort_provider(Set *set, Calls *calls, Participant *provider, uint64_t limit_usec,
                          CallAnswered answered, uintptr_t again) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = participant_message(provider, "AbortSnapshots", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "s", set->id);
        if (r >= 0)
                r = calls_add_step(calls, provider, set->id, m, limit_usec, answered, (void *)again);
        if (r < 0)
                log_error("%s cannot be told that set %s is over: %s", provider->name, set->id,
                          strerror(-r));
        return r;
}

void set_abort_providers(Set *set, Calls *calls, CallAnswered answered) {
        for (size_t i = 0; i < set->n_begun; i++)
                (void)abort_provider(set, calls, set->begun[i], set->manager->settings.provider_usec,
                                     answered, 0);
}

bool set_abort_again(Set *set, Calls *calls, const CallAnswer *answer, CallAnswered answered) {
        _cleanup_(participant_unrefp) Participant *provider = NULL;
        uintptr_t again = (uintptr_t)answer->cookie + 1;

        /* The first one may still reach a process that is being killed. */
        if (answer->result != VSS_E_UNEXPECTED_PROVIDER_ERROR || again > 2)
                return false;
        return participant_new(set->manager, true, answer->participant->bus_name, &provider) >= 0 &&
               abort_provider(set, calls, provider,
                              answer->late ? ABORT_AGAIN_USEC : set->manager->settings.provider_usec,
                              answered, again) >= 0;
}

SetVolume *set_find_files(const Set *set, const vss_value *files) {
        bool elsewhere = *vss_value_get_string(files, "alternate-path", "");
        const char *key = elsewhere ? "alternate-device" : "device";
        SetVolume *volume = set_find_device((Set *)set, (uint64_t)vss_value_get_integer(files, key, 0));

        return volume && wanted_has_files(vss_value_get(volume->properties, "paths"), files) ? volume : NULL;
}

bool set_needs_files(const Set *set, const SetWriter *writer, const vss_value *files) {
        uint32_t schema = (uint32_t)vss_value_get_integer(writer->participant->info, "backup-schema", 0);
        uint32_t mask = (uint32_t)vss_value_get_integer(files, "backup-mask", VSS_FSBT_DEFAULT);
        enum vss_backup_type type = backup_type_of_schema(set->backup_type, schema);

        return backup_mask_needs_backup(mask, type) && backup_mask_needs_snapshot(mask, type);
}

static bool has_files_in(const Set *set, const vss_value *component) {
        const vss_value *files = vss_value_get(component, "files");

        for (size_t i = 0; i < vss_value_count(files); i++)
                if (set_find_files(set, vss_value_at(files, i)))
                        return true;
        return false;
}

/* For each declared component the chosen one that it is part of, -1 for none. NULL without memory. */
static ssize_t *find_owners(const SetWriter *writer, const vss_value *declared) {
        ComponentTree tree = { 0 };
        ssize_t *owners = NULL;

        if (component_tree_init(&tree, declared) < 0)
                return NULL;
        if (component_tree_owners_of(&tree, writer->chosen, &owners) < 0)
                owners = NULL;
        component_tree_clear(&tree);
        return owners;
}

void set_each_component(const Set *set, const SetWriter *writer,
                        void (*each)(void *userdata, const SetWriter *writer, const vss_value *component),
                        void *userdata) {
        const vss_value *components = vss_value_get(writer->participant->info, "components");
        _cleanup_(freep) ssize_t *owners = set->select_components ? find_owners(writer, components) : NULL;

        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *component = vss_value_at(components, i);
                bool counts;

                if (!set->select_components)
                        counts = has_files_in(set, component);
                else if (owners)
                        counts = owners[i] >= 0;
                else
                        counts = component_find(writer->chosen, component_logical_path(component),
                                                component_name(component)) != NULL;
                if (counts)
                        each(userdata, writer, component);
        }
}

static void count_component(void *userdata, const SetWriter *writer, const vss_value *component) {
        (*(size_t *)userdata)++;
}

void set_choose_writers(Set *set) {
        for (size_t i = 0; i < set->n_writers; i++) {
                SetWriter *writer = &set->writers[i];
                size_t n = 0;

                set_each_component(set, writer, count_component, &n);
                /* In volume mode disabling is ignored for writers on the set's volumes: their data is in it.
                 */
                writer->takes_part = n > 0 && !(set->select_components && writer->disabled) &&
                                     !(set->context & VSS_VOLSNAP_ATTR_NO_WRITERS);
        }
}

static bool is_selected(const vss_value *component) {
        return vss_value_get_boolean(component, "selected-for-restore", false);
}

void set_choose_restored(Set *set) {
        for (size_t i = 0; i < set->n_writers; i++) {
                SetWriter *writer = &set->writers[i];

                writer->takes_part = false;
                for (size_t k = 0; k < vss_value_count(writer->chosen) && !writer->disabled; k++)
                        writer->takes_part |= is_selected(vss_value_at(writer->chosen, k));
        }
}

static vss_value *selected_components(const SetWriter *writer) {
        _cleanup_value_ vss_value *list = vss_value_new_list();

        for (size_t i = 0; i < vss_value_count(writer->chosen); i++) {
                const vss_value *component = vss_value_at(writer->chosen, i);

                if (is_selected(component) && vss_value_append(list, vss_value_copy(component)) < 0)
                        return NULL;
        }
        return TAKE_PTR(list);
}

static vss_result tell_failed(vss_value *list, const char *logical_path, const char *name) {
        vss_value *told = component_find_mutable(list, logical_path, name);
        vss_result result = VSS_S_OK;

        if (!told) {
                told = vss_value_new_dict();
                result = vss_value_set_string(told, "logical-path", logical_path);
                if (result >= 0)
                        result = vss_value_set_string(told, "name", name);
                if (result >= 0)
                        result = vss_value_append(list, told);
                else
                        vss_value_free(told);
        }
        return result < 0 ? result : vss_value_set_boolean(told, "succeeded", false);
}

/* What a writer hears of components: those that were chosen, and in any mode those that failed alone, so
 * that it throws nothing away because of a copy that is not good. With one that came with another, that one
 * failed, too. */
static vss_value *event_components(const Set *set, const SetWriter *writer) {
        const vss_value *declared = vss_value_get(writer->participant->info, "components");
        _cleanup_value_ vss_value *list = vss_value_copy(writer->chosen);
        _cleanup_(freep) ssize_t *owners = set->select_components && vss_value_count(writer->failed) > 0
                                                   ? find_owners(writer, declared)
                                                   : NULL;

        for (size_t i = 0; i < vss_value_count(writer->failed); i++) {
                const vss_value *failed = vss_value_at(writer->failed, i), *owner;
                const char *path = component_logical_path(failed), *name = component_name(failed);
                ssize_t index = owners ? component_index(declared, path, name) : -1;

                if (tell_failed(list, path, name) < 0)
                        return NULL;
                if (index < 0 || owners[index] < 0)
                        continue;
                owner = vss_value_at(declared, (size_t)owners[index]);
                if (tell_failed(list, component_logical_path(owner), component_name(owner)) < 0)
                        return NULL;
        }
        return TAKE_PTR(list);
}

/* Volumes that stand still together share an instant, as does a volume with itself; what is copied file by
 * file has none, and one whose hold did not last has not either. */
static vss_value *set_instants(const Set *set) {
        _cleanup_value_ vss_value *instants = vss_value_new_dict();

        for (size_t i = 0; i < set->n_volumes; i++) {
                const SetVolume *volume = &set->volumes[i];
                bool held = volume->hold == VSS_HOLD_FILESYSTEM || volume->hold == VSS_HOLD_DEVICE;
                int64_t instant = held ? 1 : (int64_t)i + 2;

                if (!volume->provider || volume->no_copy || volume->scope == VSS_ATOMIC_FILE ||
                    volume->broken)
                        instant = 0;
                if (vss_value_set_integer(instants, volume->volume->path, instant) < 0)
                        return NULL;
        }
        return TAKE_PTR(instants);
}

vss_value *set_event(const Set *set, const char *session, const SetWriter *writer, uint64_t limit_usec) {
        _cleanup_value_ vss_value *event = vss_value_new_dict();
        vss_value *volumes = value_require(event, "volumes", VSS_KIND_LIST);
        vss_value *devices = value_require(event, "devices", VSS_KIND_DICT);

        for (size_t i = 0; i < set->n_volumes; i++) {
                const char *path = set->volumes[i].volume->path;
                const char *below = vss_value_get_string(set->volumes[i].properties, "below", "");
                char device[256];

                mounts_device_object(set->volumes[i].id, device, sizeof(device));
                if (value_append_string(volumes, path) < 0 ||
                    (set->volumes[i].attached &&
                     value_set_printf(devices, path, "%s%s%s", device, *below ? "/" : "", below) < 0))
                        return NULL;
        }
        if (set->everywhere && value_append_string(volumes, "/") < 0)
                return NULL;
        if (vss_value_set_string(event, "session", session) < 0 ||
            vss_value_set_string(event, "set", set->id) < 0 ||
            vss_value_set_integer(event, "context", set->context) < 0 ||
            vss_value_set_integer(event, "backup-type", set->backup_type) < 0 ||
            vss_value_set_boolean(event, "select-components", set->select_components) < 0 ||
            vss_value_set_boolean(event, "bootable-system-state", set->bootable_system_state) < 0 ||
            vss_value_set_boolean(event, "partial-file-support", set->partial_file_support) < 0 ||
            vss_value_set_integer(event, "restore-type", set->restore_type) < 0 ||
            (set->dry_run && vss_value_set_boolean(event, "dry-run", true) < 0) ||
            vss_value_set(event, "instants", set_instants(set)) < 0 ||
            vss_value_set_integer(event, "time-limit-ms", (int64_t)(limit_usec / 1000)) < 0 ||
            vss_value_set_string(event, "service-version", LINUXVSS_VERSION) < 0 ||
            vss_value_set_string(event, "instance-id",
                                 vss_value_get_string(writer->participant->info, "instance-id", "")) < 0 ||
            vss_value_set(event, "components",
                          set->restoring ? selected_components(writer) : event_components(set, writer)) < 0)
                return NULL;
        return TAKE_PTR(event);
}

/* A failure of its own, or of some of the components that it has. */
static vss_result writer_code(const SetWriter *writer) {
        const vss_value *components = vss_value_get(writer->participant->info, "components");

        for (size_t i = 0; i < vss_value_count(writer->failed) && writer->failure.code >= 0; i++) {
                const vss_value *failed = vss_value_at(writer->failed, i);

                if (component_find(components, component_logical_path(failed), component_name(failed)))
                        return VSS_E_WRITERERROR_PARTIAL_FAILURE;
        }
        return writer->failure.code;
}

vss_value *set_writer_status(const Set *set) {
        _cleanup_value_ vss_value *list = vss_value_new_list();

        for (size_t i = 0; i < set->n_writers; i++) {
                const SetWriter *writer = &set->writers[i];
                vss_value *status = vss_value_new_dict();
                vss_result code = writer_code(writer);

                (void)vss_value_set_string(status, "name", writer->participant->name);
                (void)vss_value_set_string(status, "friendly-name",
                                           vss_value_get_string(writer->participant->info, "friendly-name",
                                                                writer->participant->name));
                (void)vss_value_set_boolean(status, "takes-part", writer->takes_part);
                (void)vss_value_set(status, "selected", vss_value_copy(writer->chosen));
                (void)vss_value_set_integer(status, "state", writer->state);
                (void)vss_value_set_string(status, "state-name", vss_writer_state_name(writer->state));
                (void)vss_value_set_integer(status, "code", code);
                (void)vss_value_set_string(status, "message",
                                           writer->failure.code < 0 ? failure_message(&writer->failure)
                                           : code < 0 ? "Some of its components failed; each is told."
                                                      : "");
                (void)vss_value_set_integer(status, "application-code", writer->application_code);
                (void)vss_value_set_string(status, "application-message", writer->application_message ?: "");
                (void)vss_value_set_integer(status, "held-usec", (int64_t)writer->held_usec);
                if (vss_value_append(list, status) < 0)
                        return NULL;
        }
        return TAKE_PTR(list);
}

/* Whoever has a part in letting go must not be stopped by the hold. */
static const char *who_is_in(const Set *set, const char *path) {
        pid_t bus = needed_bus(set->manager);
        const char *who = NULL;

        if (cgroup_contains(path, getpid()))
                return "the service itself";
        if (bus > 0 && cgroup_contains(path, bus))
                who = "the message bus";
        for (size_t i = 0; !who && i < set->n_volumes; i++)
                if (set->volumes[i].provider && cgroup_contains(path, set->volumes[i].provider->pid))
                        who = set->volumes[i].provider->name;
        return who;
}

vss_result set_hold_cgroup(Set *set, const char *path, Failure *failure) {
        const char *who;
        char *copy;
        int fd;

        if (set->n_cgroups >= CGROUPS_MAX)
                return failure_set(failure, VSS_E_INVALIDARG, path, "A set holds %d control groups at most.",
                                   CGROUPS_MAX);
        fd = cgroup_open(path);
        if (fd < 0)
                return failure_set(failure, fd == -ENOENT ? VSS_E_OBJECT_NOT_FOUND : VSS_E_INVALIDARG, path,
                                   "Control group %s: %s. Name it as in /proc/PID/cgroup, without 0::.",
                                   path, strerror(-fd));
        who = who_is_in(set, path);
        copy = who ? NULL : strdup(path);
        if (!copy) {
                close(fd);
                return failure_set(failure, who ? VSS_E_INVALIDARG : VSS_E_OUTOFMEMORY, path,
                                   "Control group %s cannot be held: it contains %s.", path,
                                   who ?: "no memory");
        }
        set->cgroups[set->n_cgroups].path = copy;
        set->cgroups[set->n_cgroups++].fd = fd;
        return VSS_S_OK;
}

int set_add_cgroup(Set *set, const char *path, sd_bus_message *m, sd_bus_error *error) {
        Failure failure = { 0 };
        int r;

        if (set_hold_cgroup(set, path, &failure) < 0)
                r = bus_error_setf(error, failure.code, "%s", failure_message(&failure));
        else
                r = sd_bus_reply_method_return(m, "");
        failure_clear(&failure);
        return r;
}
