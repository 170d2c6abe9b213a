/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The provider's main loop: what provider.c (sets, step by step), provider-calls.c (all other calls) and
 * provider-storage.c (difference areas, attached devices) share
 */

#include <linuxvss/provider.h>
#include "bus/marshal.h"
#include "lib/participant.h"
#include "model/provider-state.h"
#include "util/macro.h"

#define SETS_MAX 64u

typedef struct Set {
        char id[VSS_ID_SIZE];
        ProviderState state;
} Set;

typedef struct Provider {
        struct vss_provider desc;
        void *userdata;
        Participant participant;
        Set sets[SETS_MAX]; /* those under way */
        size_t n_sets;
        char *unsaid; /* what to log once that may be done */
} Provider;

struct vss_provider_call {
        Provider *provider;
        char *message;
};

void provider_call_done(vss_provider_call *call);
#define PROVIDER_CALL(name, p) _cleanup_(provider_call_done) vss_provider_call name = { .provider = (p) }

/* The beginning and the end of every method. */
int provider_enter(Provider *p, sd_bus_message *m, sd_bus_error *error);
/* Return: 0 when the call succeeded, else a negative errno with @error filled in. */
int provider_finish(vss_provider_call *call, const char *member, vss_result result, sd_bus_error *error);
/* In place of provider_enter(), of an optional call. @there: it is in the table. */
int provider_enter_optional(Provider *p, sd_bus_message *m, bool there, sd_bus_error *error);
int provider_reply_dict(sd_bus_message *m, const vss_value *dict);
int provider_reply_dicts(sd_bus_message *m, const vss_value *list);
/* NULL if it is not under way. */
Set *provider_find_set(Provider *p, const char *id);
/* The set that waits for its cut, or for the end of it; NULL if there is none. */
Set *provider_find_critical(Provider *p);
/* The volume borrows from *@ret_dict and, if a descriptor comes with it, from the message. */
int provider_read_volume(sd_bus_message *m, bool with_fd, vss_value **ret_dict,
                         struct vss_volume *ret_volume);

/* provider-calls.c */
int provider_on_get_info(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_is_volume_supported(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_list_nested_volumes(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_query(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_delete_snapshot(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_open_snapshot(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_set_snapshot_property(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_get_target_luns(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_import_snapshots(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_break_snapshot_set(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_revert_to_snapshot(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_query_revert_status(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_resync_snapshots(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* provider-storage.c */
int provider_on_query_diff_areas(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_add_diff_area(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_change_diff_area_maximum_size(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_check_storage(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_attach_device(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_detach_device(sd_bus_message *m, void *userdata, sd_bus_error *error);
int provider_on_query_attached(sd_bus_message *m, void *userdata, sd_bus_error *error);
