/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which provider takes a volume
 */

#include <linuxvss/provider.h>
#include <string.h>
#include "bus/marshal.h"
#include "model/provider-choice.h"
#include "util/clock.h"
#include "vssd/support.h"
#include "vssd/worker.h"

/* "Answer fast and without side effects": one that does not is taken as declining. */
#define SUPPORT_USEC (10 * USEC_PER_SEC)

struct SupportAsk {
        Calls calls;
        SupportDone done;
        void *userdata;
        Volume *volume;
        Support support;
};

void support_clear(Support *support) {
        participant_unref(support->provider);
        vss_value_free(support->answer);
        vss_value_free(support->declined);
        *support = (Support){ 0 };
}

SupportAsk *support_cancel(SupportAsk *ask) {
        if (!ask)
                return NULL;
        calls_cancel(&ask->calls);
        volume_unref(ask->volume);
        support_clear(&ask->support);
        free(ask);
        return NULL;
}

static void decline(SupportAsk *ask, const char *provider, const char *reason) {
        const char *path = ask->volume->path;
        vss_value *declined = vss_value_new_dict();
        size_t n = strlen(path);

        /* Whoever shows it has named the volume: not again for each provider. */
        if (reason && strncmp(reason, path, n) == 0 && strncmp(reason + n, ": ", 2) == 0)
                reason += n + 2;
        (void)vss_value_set_string(declined, "provider", provider);
        (void)vss_value_set_string(declined, "reason", reason);
        (void)vss_value_append(ask->support.declined, declined);
}

enum vss_atomic_scope support_scope(const vss_value *answer) {
        return strcmp(vss_value_get_string(answer, "atomic-scope", ""), "file") == 0 ? VSS_ATOMIC_FILE
                                                                                     : VSS_ATOMIC_VOLUME;
}

static int preference(const Participant *provider, const vss_value *answer) {
        return provider_preference(
                (enum vss_provider_type)vss_value_get_integer(provider->info, "type", VSS_PROV_UNKNOWN),
                support_scope(answer));
}

const char *support_hold_name(int64_t hold) {
        static const char *const names[] = { "none", "writers", "filesystem", "device", "cgroup" };

        return hold >= 0 && hold < (int64_t)ELEMENTS(names) ? names[hold] : "none";
}

/* What it may ask for it has declared. */
static bool is_declared(const Participant *provider, int64_t hold) {
        return hold >= VSS_HOLD_NONE && hold <= VSS_HOLD_DEVICE &&
               value_contains(vss_value_get(provider->info, "holds"), support_hold_name(hold));
}

static void on_support(void *userdata, const CallAnswer *answer) {
        SupportAsk *ask = userdata;
        _cleanup_value_ vss_value *support = NULL;

        if (answer->result < 0) {
                decline(ask, answer->participant->name, answer->message);
                return;
        }
        if (marshal_read_dict(answer->reply, &support) < 0) {
                decline(ask, answer->participant->name, "its answer cannot be read");
                return;
        }
        if (!is_declared(answer->participant, vss_value_get_integer(support, "hold", VSS_HOLD_NONE))) {
                decline(ask, answer->participant->name, "it asks for a hold that it has not declared");
                return;
        }
        if (ask->support.provider && preference(ask->support.provider, ask->support.answer) >=
                                             preference(answer->participant, support))
                return;
        participant_unref(ask->support.provider);
        vss_value_free(ask->support.answer);
        ask->support.provider = participant_ref(answer->participant);
        ask->support.answer = TAKE_PTR(support);
}

static void finish(void *userdata) {
        SupportAsk *ask = userdata;

        ask->done(ask->userdata, &ask->support);
        support_cancel(ask);
}

int support_append_volume(sd_bus_message *m, const Volume *volume) {
        int r = marshal_append_dict(m, volume->facts);

        return r < 0 ? r : sd_bus_message_append(m, "h", volume->fd);
}

uint64_t support_max_snapshots(const vss_value *info) {
        int64_t max = vss_value_get_integer(info, "max-snapshots", 0);

        return max > 0 ? (uint64_t)MIN(max, (int64_t)VSS_PROVIDER_SNAPSHOTS_MAX)
                       : VSS_PROVIDER_SNAPSHOTS_MAX;
}

uint32_t support_kinds(const vss_value *info) {
        uint64_t flags = (uint64_t)vss_value_get_integer(info, "flags", 0);

        return (flags & VSS_PROVIDER_DIFFERENTIAL ? VSS_VOLSNAP_ATTR_DIFFERENTIAL : 0) |
               (flags & VSS_PROVIDER_PLEX ? VSS_VOLSNAP_ATTR_PLEX : 0);
}

bool support_can(const Participant *provider, const char *capability) {
        const vss_value *list = vss_value_get(provider->info, "capabilities");

        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(vss_value_string(vss_value_at(list, i), ""), capability) == 0)
                        return true;
        return false;
}

void support_leave_out(vss_value *result, const char *what, const char *reason) {
        vss_value *left = vss_value_new_dict();

        (void)vss_value_set_string(left, "what", what);
        (void)vss_value_set_string(left, "reason", reason);
        (void)vss_value_append(value_require(result, "left-out", VSS_KIND_LIST), left);
}

/* NULL if it may be asked, else why it is not. */
static const char *pass_over(const Participant *provider, const char *named, uint32_t context) {
        int64_t flags = vss_value_get_integer(provider->info, "flags", 0);

        if (*named ? strcasecmp(named, provider->name) != 0
                   : (flags & (int64_t)VSS_PROVIDER_EXPLICIT_ONLY) != 0)
                return "it is taken only when it is named";
        if ((context & VSS_VOLSNAP_ATTR_PERSISTENT) && !(flags & (int64_t)VSS_PROVIDER_PERSISTENT))
                return "it keeps no persistent shadow copies";
        if ((context & VSS_VOLSNAP_ATTR_TRANSPORTABLE) && !(flags & (int64_t)VSS_PROVIDER_TRANSPORTABLE))
                return "it makes no transportable shadow copies";
        if ((context & VSS_VOLSNAP_ATTR_DIFFERENTIAL) && !(flags & (int64_t)VSS_PROVIDER_DIFFERENTIAL))
                return "it makes no differential shadow copies";
        if ((context & VSS_VOLSNAP_ATTR_PLEX) && !(flags & (int64_t)VSS_PROVIDER_PLEX))
                return "it makes no mirrors";
        return NULL;
}

static int ask_one(SupportAsk *ask, Participant *provider) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = participant_message(provider, "IsVolumeSupported", &m);

        if (r >= 0)
                r = support_append_volume(m, ask->volume);
        return r < 0 ? r
                     : calls_add(&ask->calls, provider, m,
                                 MIN(SUPPORT_USEC, provider->manager->settings.provider_usec), on_support,
                                 NULL);
}

int support_ask(Manager *manager, const Discovery *providers, const char *named, uint32_t context,
                Volume *volume, SupportDone done, void *userdata, SupportAsk **ret_ask) {
        SupportAsk *ask = calloc(1, sizeof(*ask));
        int r = 0;

        if (!ask)
                return -ENOMEM;
        *ask = (SupportAsk){ .done = done, .userdata = userdata, .volume = volume_ref(volume) };
        ask->support.declined = vss_value_new_list();

        calls_begin(&ask->calls, finish, ask);
        for (size_t i = 0; i < providers->n_participants && r >= 0; i++) {
                Participant *provider = providers->participants[i];
                const char *why = pass_over(provider, named, context);

                if (!why)
                        r = ask_one(ask, provider);
                else if (!*named || strcasecmp(named, provider->name) == 0)
                        decline(ask, provider->name, why);
        }
        if (r < 0) {
                support_cancel(ask);
                return r;
        }
        *ret_ask = ask;
        calls_drop(&ask->calls);
        return 0;
}

void support_explain(const Support *support, const char *named, const Volume *volume, Failure *ret_failure) {
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
        if (*named && vss_value_count(support->declined) == 0)
                failure_set(ret_failure, VSS_E_PROVIDER_NOT_REGISTERED, named,
                            "There is no provider %s. See vss list providers.", named);
        else
                failure_set(ret_failure,
                            *named ? VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER : VSS_E_VOLUME_NOT_SUPPORTED,
                            volume->path, "No provider takes %s (%s). Asked: %s.", volume->path,
                            vss_value_get_string(volume->facts, "fs-type", "?"),
                            text && *text ? text : "nobody, there are no providers");
}

/* From a path */

struct SupportFind {
        Manager *manager;
        char *path, *named;
        uint32_t context;
        SupportFound done;
        void *userdata;
        Worker *worker;
        Discover *discover;
        Discovery providers;
        SupportAsk *ask;
        Volume *volume;
        Failure failure;
};

SupportFind *support_find_cancel(SupportFind *find) {
        if (!find)
                return NULL;
        worker_cancel(find->worker);
        discover_cancel(find->discover);
        support_cancel(find->ask);
        discovery_clear(&find->providers);
        volume_unref(find->volume);
        failure_clear(&find->failure);
        free(find->path);
        free(find->named);
        free(find);
        return NULL;
}

static void found(SupportFind *find, Support *support) {
        Support none = { 0 };

        find->done(find->userdata, &find->failure, find->volume, support ?: &none);
        support_find_cancel(find);
}

static void on_asked(void *userdata, Support *support) {
        SupportFind *find = userdata;

        find->ask = NULL;
        if (!support->provider)
                support_explain(support, find->named, find->volume, &find->failure);
        found(find, support);
}

static void on_providers(void *userdata, const Failure *failure, Discovery *providers) {
        SupportFind *find = userdata;
        int r = 0;

        find->discover = NULL;
        find->providers = *providers;
        *providers = (Discovery){ 0 };
        failure_copy(&find->failure, failure);
        if (failure->code >= 0) {
                r = support_ask(find->manager, &find->providers, find->named, find->context, find->volume,
                                on_asked, find, &find->ask);
                /* If nobody could be asked, it is all over by now. */
                if (r >= 0)
                        return;
                failure_set(&find->failure, VSS_E_OUTOFMEMORY, "", "The providers cannot be asked: %s",
                            strerror(-r));
        }
        found(find, NULL);
}

static void on_volume(void *userdata, int error, WorkerAnswer *answer) {
        SupportFind *find = userdata;
        int r = error;

        find->worker = NULL;
        if (r >= 0)
                r = volume_new(TAKE_FD(answer->fds[0]), TAKE_PTR(answer->value), &find->volume);
        if (r < 0)
                failure_set(&find->failure,
                            r == -ENOENT || r == -ENOTDIR ? VSS_E_OBJECT_NOT_FOUND
                            : r == -EINVAL                ? VSS_E_INVALIDARG
                                                          : VSS_E_UNEXPECTED,
                            find->path, "%s",
                            vss_value_get_string(answer->value, "message",
                                                 r == -ETIMEDOUT ? "The path could not be looked at in time."
                                                                 : strerror(-r)));
        else {
                r = discover_start(find->manager, true, on_providers, find, &find->discover);
                if (r < 0)
                        failure_set(&find->failure, VSS_E_OUTOFMEMORY, "",
                                    "The providers cannot be found: %s", strerror(-r));
        }
        if (find->failure.code < 0)
                found(find, NULL);
}

int support_find(Manager *manager, const char *path, const char *named, uint32_t context, SupportFound done,
                 void *userdata, SupportFind **ret_find) {
        SupportFind *find = calloc(1, sizeof(*find));
        int r;

        if (!find)
                return -ENOMEM;
        *find = (SupportFind){ .manager = manager,
                               .path = strdup(path),
                               .named = strdup(named),
                               .context = context,
                               .done = done,
                               .userdata = userdata };
        r = find->path && find->named ? 0 : -ENOMEM;
        if (r >= 0)
                r = worker_start(manager, volume_find_main, find->path, manager->settings.worker_usec,
                                 on_volume, find, &find->worker);
        if (r < 0) {
                support_find_cancel(find);
                return r;
        }
        *ret_find = find;
        return 0;
}
