/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * AddToSnapshotSet
 */

#include <inttypes.h>
#include <linuxvss/provider.h>
#include <string.h>
#include "bus/marshal.h"
#include "model/context.h"
#include "model/id.h"
#include "model/path.h"
#include "util/clock.h"
#include "vssd/add.h"
#include "vssd/session.h"
#include "vssd/support.h"
#include "vssd/wanted.h"

struct AddWork {
        Session *session;
        Manager *manager;
        AddDone done;
        void *userdata;
        SupportFind *find;
        Calls calls;
        Volume *volume;
        SetVolume adding; /* becomes the set's when BeginPrepareSnapshot has succeeded */
        Failure failure;
};

AddWork *add_cancel(AddWork *add) {
        if (!add)
                return NULL;
        support_find_cancel(add->find);
        calls_cancel(&add->calls);
        volume_unref(add->volume);
        participant_unref(add->adding.provider);
        vss_value_free(add->adding.properties);
        failure_clear(&add->failure);
        free(add);
        return NULL;
}

bool add_has_begun(const AddWork *add) {
        return add->adding.provider;
}

static void finish(void *userdata) {
        AddWork *add = userdata;
        _cleanup_value_ vss_value *result = vss_value_new_dict();

        if (add->failure.code >= 0) {
                Set *set = &add->session->set;
                SetVolume *volume = &set->volumes[set->n_volumes++];

                *volume = add->adding;
                volume->volume = TAKE_PTR(add->volume);
                add->adding = (SetVolume){ 0 };
                (void)vss_value_set_string(result, "snapshot", volume->id);
                (void)vss_value_set_string(result, "volume", volume->volume->path);
                (void)vss_value_set_string(result, "provider", volume->provider->name);
        }
        add->done(add->userdata, &add->failure, result);
        add_cancel(add);
}

static void on_begun(void *userdata, const CallAnswer *answer) {
        AddWork *add = userdata;

        if (answer->result < 0)
                failure_set(&add->failure, answer->result, answer->participant->name, "%s",
                            answer->message ?: vss_result_text(answer->result));
        if (answer->late)
                participant_kill(answer->participant, answer->message);
}

static int set_properties(AddWork *add, const char *volume_root) {
        static const char *const facts[] = { "mount-point", "mount-root", "source", "fs-type" };
        const Set *set = &add->session->set;
        SetVolume *adding = &add->adding;
        vss_value *properties = adding->properties = vss_value_new_dict();
        const vss_value *info = adding->provider->info;
        enum vss_provider_type type = (enum vss_provider_type)vss_value_get_integer(info, "type", 0);
        uint32_t kinds = support_kinds(info);
        _cleanup_(freep) char *below = NULL;
        int r;

        r = path_below_device(
                add->volume->path, vss_value_get_string(add->volume->facts, "mount-point", "/"),
                vss_value_get_string(add->volume->facts, "mount-root", "/"), volume_root, &below);
        if (r < 0)
                return r;
        (void)vss_value_set_string(properties, "id", adding->id);
        (void)vss_value_set_string(properties, "set", set->id);
        (void)vss_value_set_string(properties, "volume", add->volume->path);
        (void)vss_value_set_string(properties, "below", below);
        FOREACH_ELEMENT (fact, facts)
                (void)vss_value_set_string(properties, *fact,
                                           vss_value_get_string(add->volume->facts, *fact, ""));
        (void)vss_value_set_string(properties, "provider", adding->provider->name);
        (void)vss_value_set_integer(properties, "context", set->context);
        (void)vss_value_set_integer(properties, "attributes", context_attributes(set->context, type, kinds));
        (void)vss_value_set_integer(properties, "sequence", (int64_t)++add->manager->last_sequence);
        (void)vss_value_set_integer(properties, "created", (int64_t)clock_usec(CLOCK_REALTIME));
        (void)vss_value_set_string(properties, "host", add->manager->host);
        (void)vss_value_set_string(properties, "boot", add->manager->boot);
        (void)vss_value_set_string(properties, "service", add->manager->instance);
        return vss_value_set_string(properties, "session", add->session->id) < 0 ? -ENOMEM : 0;
}

static int set_paths(AddWork *add) {
        SetVolume *adding = &add->adding;
        vss_value *paths = NULL;
        int r;

        if (adding->scope != VSS_ATOMIC_FILE)
                return 0;
        r = wanted_paths(&add->session->set, add->volume, add->session->wanted, &paths, &adding->only_components);
        if (r < 0 || !paths)
                return r;
        return vss_value_set(adding->properties, "paths", paths) < 0 ? -ENOMEM : 0;
}

static int begin_prepare(AddWork *add, Support *support) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int64_t flags = vss_value_get_integer(support->provider->info, "flags", 0);
        int r;

        add->adding.provider = participant_ref(support->provider);
        add->adding.hold = (enum vss_hold)vss_value_get_integer(support->answer, "hold", VSS_HOLD_NONE);
        add->adding.no_copy = (flags & (int64_t)VSS_PROVIDER_NO_COPY) != 0 ||
                              vss_value_get_boolean(support->answer, "no-copy", false);
        add->adding.target = -1;
        add->adding.scope = support_scope(support->answer);
        r = id_new(add->adding.id);
        if (r >= 0)
                r = set_properties(add, vss_value_get_string(support->answer, "volume-root", "/"));
        if (r >= 0)
                r = set_paths(add);
        if (r >= 0)
                r = participant_message(support->provider, "BeginPrepareSnapshot", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", add->session->set.id, add->adding.id);
        if (r >= 0)
                r = support_append_volume(m, add->volume);
        if (r >= 0)
                r = marshal_append_dict(m, add->adding.properties);
        if (r >= 0)
                r = set_note_begun(&add->session->set, support->provider);
        if (r >= 0)
                r = calls_add_step(&add->calls, support->provider, add->session->set.id, m,
                                   add->manager->settings.provider_usec, on_begun, NULL);
        return r;
}

/* A volume has so many shadow copies, whoever made them. */
static void check_room(AddWork *add, const Participant *provider) {
        uint64_t max = support_max_snapshots(provider->info);
        const char *path = add->volume->path;
        _cleanup_(freep) char *key = NULL;

        if (asprintf(&key, "%s %s", provider->name, path) < 0) {
                key = NULL;
                failure_set(&add->failure, VSS_E_OUTOFMEMORY, path, "Out of memory.");
        } else if ((uint64_t)vss_value_get_integer(add->session->standing, key, 0) >= max)
                failure_set(&add->failure, VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED, path,
                            "%s holds %" PRIu64
                            " shadow copies of %s already, which is all that it keeps. Delete "
                            "some: vss delete --oldest %s.",
                            provider->name, max, path, path);
}

static void check_place(AddWork *add, const Support *support) {
        const Set *set = &add->session->set;

        if (set->n_volumes >= VSS_VOLUMES_MAX)
                failure_set(&add->failure, VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED, add->volume->path,
                            "The set has %u volumes already; %s would be one too many. Make several sets.",
                            VSS_VOLUMES_MAX, add->volume->path);
        else if (set_find_device(&add->session->set, add->volume->device))
                failure_set(&add->failure, VSS_E_OBJECT_ALREADY_EXISTS, add->volume->path,
                            "%s is in the set already.", add->volume->path);
        else
                check_room(add, support->provider);
}

static void on_found(void *userdata, const Failure *failure, Volume *volume, Support *support) {
        AddWork *add = userdata;
        int r;

        add->find = NULL;
        add->volume = volume ? volume_ref(volume) : NULL;
        failure_copy(&add->failure, failure);
        calls_begin(&add->calls, finish, add);
        if (add->failure.code >= 0)
                check_place(add, support);
        if (add->failure.code >= 0) {
                r = begin_prepare(add, support);
                if (r < 0)
                        failure_set(&add->failure,
                                    r == -EXDEV ? VSS_E_VOLUME_NOT_SUPPORTED : VSS_E_UNEXPECTED,
                                    add->volume->path, "%s cannot be added: %s", add->volume->path,
                                    strerror(-r));
        }
        calls_drop(&add->calls);
}

int add_start(Session *session, const char *path, const char *provider, AddDone done, void *userdata,
              AddWork **ret_add) {
        AddWork *add = calloc(1, sizeof(*add));
        int r;

        if (!add)
                return -ENOMEM;
        *add = (AddWork){
                .session = session, .manager = session->manager, .done = done, .userdata = userdata
        };
        r = support_find(add->manager, path, provider, session->set.context, on_found, add, &add->find);
        if (r < 0) {
                add_cancel(add);
                return r;
        }
        *ret_add = add;
        return 0;
}
