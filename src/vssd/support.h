/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which provider takes a volume
 *
 * All are asked at once; of those that do not decline, hardware comes before software before system, and what
 * copies volumes before what copies files. A provider that a requester names is asked alone.
 */

#include <linuxvss/provider.h>
#include "vssd/discover.h"
#include "vssd/volume.h"

typedef struct Support {
        Participant *provider; /* NULL: nobody takes it */
        vss_value *answer;     /* the chosen provider's: hold, volume-root */
        vss_value *declined;   /* list of {provider, reason} */
} Support;

void support_clear(Support *support);
typedef void (*SupportDone)(void *userdata, Support *support);
typedef struct SupportAsk SupportAsk;

/* @named: "" for the service's choice. Return: 0 or a negative errno; @done is not called then. */
int support_ask(Manager *manager, const Discovery *providers, const char *named, uint32_t context,
                Volume *volume, SupportDone done, void *userdata, SupportAsk **ret_ask);
SupportAsk *support_cancel(SupportAsk *ask);
/* Nobody takes @volume: who was asked, and why each declined. */
void support_explain(const Support *support, const char *named, const Volume *volume, Failure *ret_failure);

/* From a path: its volume is found, then the providers, then they are asked. @volume is NULL if there is
 * none;
 * @support may have no provider, which is a failure. Both are the caller's for as long as the call lasts, to
 * be referenced or emptied. */
typedef void (*SupportFound)(void *userdata, const Failure *failure, Volume *volume, Support *support);
typedef struct SupportFind SupportFind;
int support_find(Manager *manager, const char *path, const char *named, uint32_t context, SupportFound done,
                 void *userdata, SupportFind **ret_find);
SupportFind *support_find_cancel(SupportFind *find);

/* The volume as providers get it, appended to a message: dictionary and descriptor. */
int support_append_volume(sd_bus_message *m, const Volume *volume);
/* Shadow copies of one volume at one time, by what a provider says of itself. */
uint64_t support_max_snapshots(const vss_value *info);
/* How much of a copy is of one instant, by what a provider answered. */
enum vss_atomic_scope support_scope(const vss_value *answer);
/* The kinds of copy that it makes, as attributes. */
uint32_t support_kinds(const vss_value *info);
/* "none", "writers", "filesystem", "device", "cgroup". */
const char *support_hold_name(int64_t hold);
/* Has it the optional call of that capability? */
bool support_can(const Participant *provider, const char *capability);
/* Notes in a result that @what is missing in it. */
void support_leave_out(vss_value *result, const char *what, const char *reason);
