/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Participants and calls to them
 *
 * A participant is a writer or a provider as it was found on the bus. From its first answer on it is pinned
 * to its unique name: whoever claims the name later is somebody else. Calls are made side by side, as a
 * round that ends when all have been answered, have died, or are late.
 */

#include <limits.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>
#include "util/value.h"
#include "vssd/manager.h"

typedef struct Participant {
        unsigned refs;
        Manager *manager;
        bool is_provider;
        bool express; /* a writer that a document describes: there is nobody to be called */
        char *bus_name;
        const char
                *name; /* what follows the prefix: a provider's name, a writer's Class or Class.instance */
        char *unique;  /* pinned; NULL before the first answer */
        uid_t uid;
        pid_t pid;
        vss_value *info;       /* a writer's metadata, a provider's GetInfo */
        vss_value *descriptor; /* a writer's */
} Participant;

int participant_new(Manager *manager, bool is_provider, const char *bus_name, Participant **ret_participant);
Participant *participant_ref(Participant *participant);
Participant *participant_unref(Participant *participant);
DEFINE_CLEANUP(Participant *, participant_unref)
/* Of a writer: its name without the instance, into @text. */
const char *participant_class(const Participant *participant, char text[static NAME_MAX + 1]);
/* "" if it has no instance name. */
const char *participant_instance(const Participant *participant);
/* Is it meant by one of @names: its name, its class, the UUID of its class or of this instance? */
bool participant_is_named(const Participant *participant, const vss_value *names);
/* A call to it, to be filled in and given to calls_add(). */
int participant_message(Participant *participant, const char *member, sd_bus_message **ret_message);
/* For one that hangs and may hold something: SIGKILL, if its process is still the one that owns the name. */
void participant_kill(Participant *participant, const char *why);

typedef struct Calls Calls;
typedef struct Call Call;

/* One answer. @result: of the call, dead and late ones included; @message explains a failure. */
typedef struct CallAnswer {
        Participant *participant;
        vss_result result;
        const char *message;
        sd_bus_message *reply; /* NULL on failure */
        const vss_value *more; /* what a writer's failure brings along: a result as of success; or NULL */
        bool late;             /* it did not answer in time: it may still hang */
        bool died;             /* in the midst of it */
        uint64_t began_usec, took_usec;
        void *cookie;
} CallAnswer;

typedef void (*CallAnswered)(void *userdata, const CallAnswer *answer);
typedef void (*CallsDone)(void *userdata);

struct Calls {
        Call *calls;
        unsigned pending;
        CallsDone done;
        void *userdata;
        bool *cancelled; /* while an answer is given: where calls_cancel() says that it happened */
};

/* A round begins with one hold on it, so that it cannot end before everything is added; calls_drop() takes
 * it away. Each calls_hold() for other work needs its own calls_drop(). The last one calls @done. */
void calls_begin(Calls *calls, CallsDone done, void *userdata);
void calls_hold(Calls *calls);
void calls_drop(Calls *calls);
/* Return: 0, or a negative errno (then @answered is not called). Takes no reference of @message over. What
 * may take long is sent to a provider only when no set waits for its cut there. */
int calls_add(Calls *calls, Participant *participant, sd_bus_message *message, uint64_t limit_usec,
              CallAnswered answered, void *cookie);
/* The same for a step of @set, in its turn only: -EPROTO. */
int calls_add_step(Calls *calls, Participant *provider, const char *set, sd_bus_message *message,
                   uint64_t limit_usec, CallAnswered answered, void *cookie);
/* A set is over: its steps are no longer known, and whoever waited for them is called. */
void calls_forget_set(Manager *manager, const char *set);
/* Forgets all answers; neither @answered nor @done is called any more. */
void calls_cancel(Calls *calls);
/* The names of those that have not answered yet, "A, B"; "" if all have. */
void calls_name_pending(const Calls *calls, char *text, size_t size);
