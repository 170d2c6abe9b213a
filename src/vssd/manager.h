/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The manager: what the service is as a whole, and its object /org/linuxvss
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include "model/provider-turns.h"
#include "util/value.h"
#include "vssd/settings.h"

typedef struct Manager Manager;
typedef struct Session Session;

struct Manager {
        sd_event *event;
        sd_bus *bus;
        Settings settings;
        char instance[VSS_ID_SIZE]; /* new at every start */
        char host[VSS_ID_SIZE];
        char boot[VSS_ID_SIZE];

        struct Job *jobs;
        uint64_t last_job;
        Session *sessions;
        size_t n_sessions;
        uint64_t last_session;
        uint64_t last_clones; /* for names: clones.h */
        Session *creating;   /* who has the turn to create a set */
        struct SetRun *run;  /* the set, or lease, that is being made */
        struct Lease *lease; /* a freeze that an agent asked for */
        struct Catalog *catalog;
        struct Import *imports; /* one goes on, the others wait for it */
        struct Provider *providers;
        ProviderTurns turns;   /* what each provider was called for each set */
        struct Call *deferred; /* to providers that wait for a cut: sent behind it */
        struct Subscriber *subscribers;
        struct Watched *watched; /* providers that look after their copies */
        struct Losses *losses;   /* copies that were lost */
        struct Door *door;
        struct Units *units; /* that are stopped and started for writers; NULL before the first */
        vss_value *express; /* express writers' documents as they were read last: express.h */
        uint64_t last_sequence;
        pid_t bus_pid;  /* 0: not known yet */
        bool resyncing; /* RecoverSet is being carried out */
};

/* Adds the objects and claims the name. Return: 0 or a negative errno. */
int manager_start(Manager *manager);
void manager_deinit(Manager *manager);
