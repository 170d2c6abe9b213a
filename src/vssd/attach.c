/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Devices attached and detached
 *
 * A worker finds the device behind what somebody has named; what is no path is what a provider calls it. To
 * attach it, the providers that can are asked one after the other, hardware before software before system,
 * until one does not decline. To detach it, all are asked what they have, and the one that has it is told.
 *
 * A provider that dies in the midst of it may have unmounted what it was to mount anew; it does so when it
 * starts once more. So it is started again before the failure is told.
 */

#include <limits.h>
#include <linuxvss/provider.h>
#include <string.h>
#include "bus/marshal.h"
#include "util/clock.h"
#include "vssd/attach.h"
#include "vssd/event.h"
#include "vssd/job.h"
#include "vssd/log.h"
#include "vssd/support.h"
#include "vssd/worker.h"

enum { ATTACHED_MAX = 1024 };

/* One that is killed is on the bus until it has ended. */
#define AGAIN_USEC (10 * USEC_PER_SEC)
#define AGAIN_STEP_USEC (100 * USEC_PER_MSEC)

typedef struct Attach {
        Manager *manager;
        Job *job;
        char named[PATH_MAX];  /* as it was given */
        char device[PATH_MAX]; /* what it is */
        vss_value *options;
        Discover *discover;
        Discovery providers;
        void (*found)(struct Attach *attach); /* once the providers are known */
        size_t next;                          /* the one that is asked */
        Calls calls;
        Participant *provider; /* that has it */
        vss_value *declined;
        vss_value *result;
        Failure failure;
        bool declines;     /* the one that was asked has declined */
        Participant *dead; /* died in the midst of it, or was killed */
        uint64_t again_until;
        sd_event_source *again_timer;
} Attach;

static Attach *attach_free(Attach *attach) {
        if (!attach)
                return NULL;
        calls_cancel(&attach->calls);
        discovery_clear(&attach->providers);
        participant_unref(attach->provider);
        participant_unref(attach->dead);
        (void)sd_event_source_disable_unref(attach->again_timer);
        vss_value_free(attach->options);
        vss_value_free(attach->declined);
        vss_value_free(attach->result);
        failure_clear(&attach->failure);
        free(attach);
        return NULL;
}

DEFINE_CLEANUP(Attach *, attach_free)

static Attach *attach_new(Manager *manager, const char *named, vss_value *options) {
        _cleanup_(attach_freep) Attach *attach = calloc(1, sizeof(*attach));

        if (!attach) {
                vss_value_free(options);
                return NULL;
        }
        *attach = (Attach){ .manager = manager,
                            .options = options,
                            .declined = vss_value_new_list(),
                            .result = vss_value_new_dict() };
        (void)snprintf(attach->named, sizeof(attach->named), "%s", named);
        (void)snprintf(attach->device, sizeof(attach->device), "%s", named);
        return attach->declined && attach->result ? TAKE_PTR(attach) : NULL;
}

static void attach_done(void *userdata) {
        Attach *attach = userdata;

        job_done(attach->job, &attach->failure, attach->result);
        attach_free(attach);
}

static void start_again(Attach *attach);

static int on_again_time(sd_event_source *source, uint64_t usec, void *userdata) {
        Attach *attach = userdata;

        attach->again_timer = sd_event_source_disable_unref(attach->again_timer);
        start_again(attach);
        return 0;
}

static void on_again(void *userdata, const Failure *failure, Discovery *providers) {
        Attach *attach = userdata;

        attach->discover = NULL;
        if (discovery_find(providers, attach->dead->name) || now_usec() > attach->again_until ||
            sd_event_add_time_relative(attach->manager->event, &attach->again_timer, CLOCK_MONOTONIC,
                                       AGAIN_STEP_USEC, 0, on_again_time, attach) < 0)
                attach_done(attach);
}

/* To be asked who they are starts those that do not run. */
static void start_again(Attach *attach) {
        if (discover_start(attach->manager, true, on_again, attach, &attach->discover) < 0)
                attach_done(attach);
}

static void on_answered(void *userdata) {
        Attach *attach = userdata;

        if (!attach->dead) {
                attach_done(attach);
                return;
        }
        attach->again_until = now_usec() + AGAIN_USEC;
        start_again(attach);
}

static void note_failure(Attach *attach, const CallAnswer *answer) {
        if (answer->late)
                participant_kill(answer->participant, answer->message);
        if ((answer->late || answer->died) && !attach->dead)
                attach->dead = participant_ref(answer->participant);
        failure_set_first(&attach->failure, answer->result, answer->participant->name, "%s",
                          answer->message ?: vss_result_text(answer->result));
}

static int by_type(const void *a, const void *b) {
        const Participant *x = *(Participant *const *)a, *y = *(Participant *const *)b;
        int64_t of_x = vss_value_get_integer(x->info, "type", 0),
                of_y = vss_value_get_integer(y->info, "type", 0);

        return of_x != of_y ? (of_x < of_y ? 1 : -1) : strcmp(x->name, y->name);
}

static void on_providers(void *userdata, const Failure *failure, Discovery *providers) {
        Attach *attach = userdata;

        attach->discover = NULL;
        attach->providers = *providers;
        *providers = (Discovery){ 0 };
        if (attach->providers.n_participants > 0)
                qsort(attach->providers.participants, attach->providers.n_participants,
                      sizeof(*attach->providers.participants), by_type);
        failure_copy(&attach->failure, failure);
        if (failure->code < 0)
                attach_done(attach);
        else
                attach->found(attach);
}

static void find_providers(Attach *attach) {
        int r = discover_start(attach->manager, true, on_providers, attach, &attach->discover);

        if (r >= 0)
                return;
        failure_set(&attach->failure, VSS_E_OUTOFMEMORY, "", "The providers cannot be found: %s",
                    strerror(-r));
        attach_done(attach);
}

/* What is told of a device: as its provider has it, with the provider. */
static void take_result(Attach *attach, const CallAnswer *answer) {
        _cleanup_value_ vss_value *result = NULL;

        if (marshal_read_dict(answer->reply, &result) < 0)
                return;
        vss_value_free(attach->result);
        attach->result = TAKE_PTR(result);
        (void)vss_value_set_string(attach->result, "provider", answer->participant->name);
        if (!vss_value_get(attach->result, "device"))
                (void)vss_value_set_string(attach->result, "device", attach->device);
}

static int call_device(Attach *attach, Participant *provider, const char *member, const char *device,
                       CallAnswered answered) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = participant_message(provider, member, &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "s", device);
        if (r >= 0)
                r = marshal_append_dict(m, attach->options);
        return r < 0 ? r
                     : calls_add(&attach->calls, provider, m, attach->manager->settings.provider_usec,
                                 answered, NULL);
}

/* AttachDevice */

static void ask_next(Attach *attach);

static void on_attached(void *userdata, const CallAnswer *answer) {
        Attach *attach = userdata;

        attach->declines = answer->result == VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER ||
                           answer->result == VSS_E_NOT_SUPPORTED;
        if (attach->declines) {
                vss_value *declined = vss_value_new_dict();

                (void)vss_value_set_string(declined, "provider", answer->participant->name);
                (void)vss_value_set_string(declined, "reason",
                                           answer->message ?: vss_result_text(answer->result));
                (void)vss_value_append(attach->declined, declined);
        } else if (answer->result < 0)
                note_failure(attach, answer);
        else {
                take_result(attach, answer);
                event_send(attach->manager, "device-attached", attach->result,
                           "%s is attached by %s: its volumes are to be used from %s", attach->device,
                           answer->participant->name,
                           vss_value_get_string(attach->result, "mapped", "where it says"));
        }
}

static void on_asked(void *userdata) {
        Attach *attach = userdata;

        if (attach->declines)
                ask_next(attach);
        else
                on_answered(attach);
}

static bool may_attach(const Attach *attach, const Participant *provider) {
        const char *named = vss_value_get_string(attach->options, "provider", "");
        int64_t flags = vss_value_get_integer(provider->info, "flags", 0);

        return support_can(provider, "attach-device") &&
               (*named ? strcasecmp(named, provider->name) == 0
                       : !(flags & (int64_t)VSS_PROVIDER_EXPLICIT_ONLY));
}

static void nobody_attaches(Attach *attach) {
        const vss_value *last = vss_value_at(attach->declined, vss_value_count(attach->declined) - 1);
        const char *named = vss_value_get_string(attach->options, "provider", "");

        if (last)
                failure_set(&attach->failure, VSS_E_VOLUME_NOT_SUPPORTED, attach->device, "%s",
                            vss_value_get_string(last, "reason", ""));
        else if (*named && !discovery_find(&attach->providers, named))
                failure_set(&attach->failure, VSS_E_PROVIDER_NOT_REGISTERED, named,
                            "There is no provider %s. See vss list providers.", named);
        else
                failure_set(&attach->failure, VSS_E_NOT_SUPPORTED, *named ? named : attach->device,
                            "%s attaches devices. See vss list providers.",
                            *named ? "This provider never" : "No provider here");
        attach_done(attach);
}

static void ask_next(Attach *attach) {
        int r;

        while (attach->next < attach->providers.n_participants &&
               !may_attach(attach, attach->providers.participants[attach->next]))
                attach->next++;
        if (attach->next >= attach->providers.n_participants) {
                nobody_attaches(attach);
                return;
        }
        attach->declines = false;
        calls_begin(&attach->calls, on_asked, attach);
        r = call_device(attach, attach->providers.participants[attach->next++], "AttachDevice",
                        attach->device, on_attached);
        if (r < 0)
                failure_set_first(&attach->failure, VSS_E_UNEXPECTED, attach->device,
                                  "It cannot be attached: %s", strerror(-r));
        calls_drop(&attach->calls);
}

static void on_device(void *userdata, int error, WorkerAnswer *answer) {
        Attach *attach = userdata;

        if (error >= 0) {
                (void)snprintf(attach->device, sizeof(attach->device), "%s",
                               vss_value_get_string(answer->value, "device", attach->named));
                find_providers(attach);
                return;
        }
        failure_set(&attach->failure,
                    error == -ENOENT || error == -ENOTDIR ? VSS_E_OBJECT_NOT_FOUND
                    : error == -ENOTBLK                   ? VSS_E_INVALIDARG
                                                          : VSS_E_UNEXPECTED,
                    attach->named, "%s",
                    vss_value_get_string(answer->value, "message",
                                         error == -ETIMEDOUT ? "The device could not be looked at in time."
                                                             : strerror(-error)));
        attach_done(attach);
}

/* What is no path is a name: DetachDevice knows it, and to AttachDevice the provider that was named gives it
 * a sense. */
static int read_call(Manager *manager, sd_bus_message *m, bool attaches, Attach **ret_attach,
                     sd_bus_error *error) {
        vss_value *options = NULL;
        const char *device;
        int r = sd_bus_message_read(m, "s", &device);

        if (r >= 0)
                r = marshal_read_dict(m, &options);
        if (r < 0)
                return r;
        if (!*device || strlen(device) >= PATH_MAX ||
            (attaches && device[0] != '/' && !*vss_value_get_string(options, "provider", ""))) {
                vss_value_free(options);
                return bus_error_setf(error, VSS_E_INVALIDARG, "\"%.100s\" is no device.", device);
        }
        *ret_attach = attach_new(manager, device, options);
        return *ret_attach ? 0 : -ENOMEM;
}

int attach_device(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_(attach_freep) Attach *attach = NULL;
        int r = read_call(manager, m, true, &attach, error);

        if (r < 0)
                return r;
        attach->found = ask_next;
        r = job_start(manager, m, NULL, NULL, &attach->job);
        if (r < 0)
                return r;
        if (attach->named[0] != '/') {
                find_providers(TAKE_PTR(attach));
                return 0;
        }
        r = worker_start(manager, device_find_main, attach->named, manager->settings.worker_usec, on_device,
                         attach, NULL);
        if (r < 0) {
                failure_set(&attach->failure, VSS_E_OUTOFMEMORY, attach->named, "It cannot be looked at: %s",
                            strerror(-r));
                attach_done(TAKE_PTR(attach));
                return 0;
        }
        (void)TAKE_PTR(attach);
        return 0;
}

/* What is attached */

static void on_list(void *userdata, const CallAnswer *answer) {
        Attach *attach = userdata;
        vss_value *list = value_require(attach->result, "attached", VSS_KIND_LIST);
        _cleanup_value_ vss_value *found = NULL;

        if (answer->result < 0 || marshal_read_dicts(answer->reply, &found) < 0) {
                if (answer->late)
                        participant_kill(answer->participant, answer->message);
                support_leave_out(attach->result, answer->participant->name,
                                  answer->message ?: "its answer cannot be read");
                return;
        }
        for (size_t i = 0; i < vss_value_count(found) && vss_value_count(list) < ATTACHED_MAX; i++) {
                vss_value *device = value_at_mutable(found, i);

                (void)vss_value_set_string(device, "provider", answer->participant->name);
                (void)vss_value_append(list, vss_value_copy(device));
        }
}

static void ask_all(Attach *attach, CallsDone done) {
        (void)value_require(attach->result, "attached", VSS_KIND_LIST);
        calls_begin(&attach->calls, done, attach);
        for (size_t i = 0; i < attach->providers.n_participants; i++) {
                Participant *provider = attach->providers.participants[i];
                _cleanup_message_ sd_bus_message *m = NULL;
                int r;

                if (!support_can(provider, "query-attached"))
                        continue;
                r = participant_message(provider, "QueryAttached", &m);
                if (r >= 0)
                        r = calls_add(&attach->calls, provider, m, attach->manager->settings.provider_usec,
                                      on_list, NULL);
                if (r < 0)
                        support_leave_out(attach->result, provider->name, strerror(-r));
        }
        calls_drop(&attach->calls);
}

static void list_all(Attach *attach) {
        ask_all(attach, attach_done);
}

int attach_list(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_(attach_freep) Attach *attach = attach_new(manager, "", vss_value_new_dict());
        int r = attach ? job_start(manager, m, NULL, NULL, &attach->job) : -ENOMEM;

        if (r < 0)
                return r;
        attach->found = list_all;
        find_providers(TAKE_PTR(attach));
        return 0;
}

/* DetachDevice */

static bool is_meant(const Attach *attach, const vss_value *device) {
        static const char *const keys[] = { "device", "mapped", "name" };
        const vss_value *mounted = vss_value_get(device, "mounted");
        const char *named = vss_value_get_string(attach->options, "provider", "");

        if (*named && strcasecmp(named, vss_value_get_string(device, "provider", "")) != 0)
                return false;
        FOREACH_ELEMENT (key, keys) {
                const char *value = vss_value_get_string(device, *key, "");

                if (*value && (strcmp(value, attach->named) == 0 || strcmp(value, attach->device) == 0))
                        return true;
        }
        for (size_t i = 0; i < vss_value_count(mounted); i++)
                if (strcmp(vss_value_string(vss_value_at(mounted, i), ""), attach->named) == 0)
                        return true;
        return false;
}

static void on_detached(void *userdata, const CallAnswer *answer) {
        Attach *attach = userdata;

        if (answer->result < 0) {
                note_failure(attach, answer);
                return;
        }
        take_result(attach, answer);
        event_send(attach->manager, "device-detached", attach->result, "%s is detached",
                   vss_value_get_string(attach->result, "device", attach->device));
}

static void on_all_listed(void *userdata) {
        Attach *attach = userdata;
        const vss_value *list = vss_value_get(attach->result, "attached"), *meant = NULL;
        int r = 0;

        for (size_t i = 0; i < vss_value_count(list) && !meant; i++)
                if (is_meant(attach, vss_value_at(list, i)))
                        meant = vss_value_at(list, i);
        if (meant)
                attach->provider = discovery_find(&attach->providers,
                                                  vss_value_get_string(meant, "provider", ""));
        if (!attach->provider) {
                bool incomplete = vss_value_count(vss_value_get(attach->result, "left-out")) > 0;

                failure_set(&attach->failure, VSS_E_OBJECT_NOT_FOUND, attach->named,
                            incomplete ? "%s may be attached, but not all providers have answered. See vss "
                                         "list providers."
                                       : "%s is not attached. See vss list attached.",
                            attach->named);
                attach_done(attach);
                return;
        }
        (void)participant_ref(attach->provider);
        (void)snprintf(attach->device, sizeof(attach->device), "%s",
                       vss_value_get_string(meant, "device", attach->device));
        calls_begin(&attach->calls, on_answered, attach);
        r = call_device(attach, attach->provider, "DetachDevice", attach->device, on_detached);
        if (r < 0)
                failure_set_first(&attach->failure, VSS_E_UNEXPECTED, attach->device,
                                  "It cannot be detached: %s", strerror(-r));
        calls_drop(&attach->calls);
}

static void detach_found(Attach *attach) {
        ask_all(attach, on_all_listed);
}

/* A device that has gone is known by its name. */
static void on_device_or_name(void *userdata, int error, WorkerAnswer *answer) {
        Attach *attach = userdata;

        if (error >= 0)
                (void)snprintf(attach->device, sizeof(attach->device), "%s",
                               vss_value_get_string(answer->value, "device", attach->named));
        find_providers(attach);
}

int attach_detach(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_(attach_freep) Attach *attach = NULL;
        int r = read_call(manager, m, false, &attach, error);

        if (r < 0)
                return r;
        attach->found = detach_found;
        r = job_start(manager, m, NULL, NULL, &attach->job);
        if (r < 0)
                return r;
        if (attach->named[0] != '/' ||
            worker_start(manager, device_find_main, attach->named, manager->settings.worker_usec,
                         on_device_or_name, attach, NULL) < 0)
                find_providers(attach);
        (void)TAKE_PTR(attach);
        return 0;
}
