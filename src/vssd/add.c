/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * AddToSnapshotSet
 */

#include <linuxvss/provider.h>
#include <string.h>
#include "bus/marshal.h"
#include "model/id.h"
#include "model/path.h"
#include "util/clock.h"
#include "vssd/add.h"
#include "vssd/session.h"
#include "vssd/support.h"

struct AddWork {
        Session *session;
        Manager *manager;
        char *path, *named;
        AddDone done;
        void *userdata;
        Worker *worker;
        Discover *discover;
        Discovery providers;
        SupportAsk *ask;
        Calls calls;
        Volume *volume;
        SetVolume adding; /* becomes the set's when BeginPrepareSnapshot has succeeded */
        Failure failure;
};

AddWork *add_cancel(AddWork *add) {
        if (!add)
                return NULL;
        worker_cancel(add->worker);
        discover_cancel(add->discover);
        support_cancel(add->ask);
        calls_cancel(&add->calls);
        discovery_clear(&add->providers);
        volume_unref(add->volume);
        participant_unref(add->adding.provider);
        vss_value_free(add->adding.properties);
        failure_clear(&add->failure);
        free(add->path);
        free(add->named);
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
        (void)vss_value_set_integer(properties, "attributes", set->context);
        (void)vss_value_set_integer(properties, "sequence", (int64_t)++add->manager->last_sequence);
        (void)vss_value_set_integer(properties, "created", (int64_t)clock_usec(CLOCK_REALTIME));
        (void)vss_value_set_string(properties, "host", add->manager->host);
        (void)vss_value_set_string(properties, "boot", add->manager->boot);
        (void)vss_value_set_string(properties, "service", add->manager->instance);
        return vss_value_set_string(properties, "session", add->session->id) < 0 ? -ENOMEM : 0;
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
        r = id_new(add->adding.id);
        if (r >= 0)
                r = set_properties(add, vss_value_get_string(support->answer, "volume-root", "/"));
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
                r = calls_add(&add->calls, support->provider, m, add->manager->settings.provider_usec,
                              on_begun, NULL);
        return r;
}

/* Who was asked, and why each declined. */
static void explain_declined(AddWork *add, const Support *support) {
        _cleanup_(freep) char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        for (size_t i = 0; stream && i < vss_value_count(support->declined); i++) {
                const vss_value *declined = vss_value_at(support->declined, i);

                (void)fprintf(stream, "%s%s: %s", i ? "; " : "",
                              vss_value_get_string(declined, "provider", ""),
                              vss_value_get_string(declined, "reason", ""));
        }
        if (stream)
                (void)fclose(stream);
        if (*add->named && vss_value_count(support->declined) == 0)
                failure_set(&add->failure, VSS_E_PROVIDER_NOT_REGISTERED, add->named,
                            "There is no provider %s. See vss list providers.", add->named);
        else
                failure_set(&add->failure,
                            *add->named ? VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER
                                        : VSS_E_VOLUME_NOT_SUPPORTED,
                            add->volume->path, "No provider takes %s (%s). Asked: %s.", add->volume->path,
                            vss_value_get_string(add->volume->facts, "fs-type", "?"),
                            text && *text ? text : "nobody, there are no providers");
}

static void on_support(void *userdata, Support *support) {
        AddWork *add = userdata;
        int r;

        add->ask = NULL;
        calls_begin(&add->calls, finish, add);
        if (!support->provider)
                explain_declined(add, support);
        else {
                r = begin_prepare(add, support);
                if (r < 0)
                        failure_set(&add->failure,
                                    r == -EXDEV ? VSS_E_VOLUME_NOT_SUPPORTED : VSS_E_UNEXPECTED,
                                    add->volume->path, "%s cannot be added: %s", add->volume->path,
                                    strerror(-r));
        }
        calls_drop(&add->calls);
}

static void on_providers(void *userdata, const Failure *failure, Discovery *found) {
        AddWork *add = userdata;
        int r;

        add->discover = NULL;
        add->providers = *found;
        *found = (Discovery){ 0 };
        failure_copy(&add->failure, failure);
        if (failure->code < 0) {
                finish(add);
                return;
        }
        r = support_ask(add->manager, &add->providers, add->named, add->session->set.context, add->volume,
                        on_support, add, &add->ask);
        if (r < 0) {
                failure_set(&add->failure, VSS_E_OUTOFMEMORY, "", "The providers cannot be asked: %s",
                            strerror(-r));
                finish(add);
        }
}

static void check_place(AddWork *add) {
        const Set *set = &add->session->set;

        if (set->n_volumes >= VSS_VOLUMES_MAX)
                failure_set(&add->failure, VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED, add->volume->path,
                            "The set has %u volumes already; %s would be one too many. Make several sets.",
                            VSS_VOLUMES_MAX, add->volume->path);
        else if (set_find_device(&add->session->set, add->volume->device))
                failure_set(&add->failure, VSS_E_OBJECT_ALREADY_EXISTS, add->volume->path,
                            "%s is in the set already.", add->volume->path);
}

static void on_found(void *userdata, int error, WorkerAnswer *answer) {
        AddWork *add = userdata;
        int r = error;

        add->worker = NULL;
        if (r >= 0)
                r = volume_new(TAKE_FD(answer->fds[0]), TAKE_PTR(answer->value), &add->volume);
        if (r < 0)
                failure_set(&add->failure,
                            r == -ENOENT || r == -ENOTDIR ? VSS_E_OBJECT_NOT_FOUND
                            : r == -EINVAL                ? VSS_E_INVALIDARG
                                                          : VSS_E_UNEXPECTED,
                            add->path, "%s",
                            vss_value_get_string(answer->value, "message",
                                                 r == -ETIMEDOUT ? "The path could not be looked at in time."
                                                                 : strerror(-r)));
        else
                check_place(add);
        if (add->failure.code >= 0) {
                r = discover_start(add->manager, true, on_providers, add, &add->discover);
                if (r < 0)
                        failure_set(&add->failure, VSS_E_OUTOFMEMORY, "",
                                    "The providers cannot be found: %s", strerror(-r));
        }
        if (add->failure.code < 0)
                finish(add);
}

int add_start(Session *session, const char *path, const char *provider, AddDone done, void *userdata,
              AddWork **ret_add) {
        AddWork *add = calloc(1, sizeof(*add));
        int r;

        if (!add)
                return -ENOMEM;
        *add = (AddWork){ .session = session,
                          .manager = session->manager,
                          .path = strdup(path),
                          .named = strdup(provider),
                          .done = done,
                          .userdata = userdata };
        r = add->path && add->named ? 0 : -ENOMEM;
        if (r >= 0)
                r = worker_start(add->manager, volume_find_main, add->path,
                                 add->manager->settings.worker_usec, on_found, add, &add->worker);
        if (r < 0) {
                add_cancel(add);
                return r;
        }
        *ret_add = add;
        return 0;
}
