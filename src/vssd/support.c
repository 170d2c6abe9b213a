/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which provider takes a volume
 */

#include <linuxvss/provider.h>
#include <string.h>
#include "bus/marshal.h"
#include "util/clock.h"
#include "vssd/support.h"

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
        vss_value *declined = vss_value_new_dict();

        (void)vss_value_set_string(declined, "provider", provider);
        (void)vss_value_set_string(declined, "reason", reason);
        (void)vss_value_append(ask->support.declined, declined);
}

static int64_t rank(const Participant *provider) {
        return vss_value_get_integer(provider->info, "type", VSS_PROV_UNKNOWN);
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
        if (ask->support.provider && rank(ask->support.provider) >= rank(answer->participant))
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

        return max > 0 ? (uint64_t)MIN(max, (int64_t)VSS_PROVIDER_SNAPSHOTS_MAX) : VSS_PROVIDER_SNAPSHOTS_MAX;
}

/* NULL if it may be asked, else why it is not. */
static const char *pass_over(const Participant *provider, const char *named, uint32_t context) {
        int64_t flags = vss_value_get_integer(provider->info, "flags", 0);

        if (*named ? strcasecmp(named, provider->name) != 0
                   : (flags & (int64_t)VSS_PROVIDER_EXPLICIT_ONLY) != 0)
                return "it is taken only when it is named";
        if ((context & VSS_VOLSNAP_ATTR_PERSISTENT) && !(flags & (int64_t)VSS_PROVIDER_PERSISTENT))
                return "it keeps no persistent shadow copies";
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
