/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The main loop that writers and providers share
 *
 * Owns the bus name and the object, knows who owns org.linuxvss, ends on SIGTERM, SIGINT, loss of the bus,
 * and after idle minutes when the bus started the program.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <linuxvss/types.h>
#include "util/utf8.h"

typedef struct Participant {
        const char *kind; /* for messages: "writer", "provider" */
        const char *name; /* what follows the prefix in the bus name */
        const char *prefix, *path, *interface;
        const sd_bus_vtable *vtable;
        void *userdata;

        /* The service left the bus: take back what was under way for it. Also called at the end. */
        void (*let_go)(void *userdata, const char *reason);
        /* Is something under way, so that the program must not end for being idle? */
        bool (*is_busy)(void *userdata);

        sd_event *event;
        sd_bus *bus;
        char *service; /* unique name of the owner of org.linuxvss, NULL while there is none */
        sd_event_source *idle;
} Participant;

/* Serves to the end. Return: an exit status. */
int participant_run(Participant *p);
#define PARTICIPANT_NAME_MAX 64u
/* Is a name fit to be the last element of a bus name, and the class of writer or provider? */
bool participant_name_is_valid(const char *name);
/* And to be the element after it? */
bool participant_instance_is_valid(const char *name);
/* Checks a descriptor's first two fields. Return: 0, or an exit status after a message on standard error. */
int participant_check_abi(const char *kind, uint32_t abi, uint32_t size, uint32_t want_abi, size_t required);

typedef enum SenderRule {
        SENDER_SERVICE,                 /* the owner of org.linuxvss only */
        SENDER_SERVICE_OR_ROOT,         /* or root */
        SENDER_SERVICE_OR_ROOT_WITHOUT, /* or root while there is no service */
} SenderRule;

/* Return: 0, or a negative errno with @error filled in. */
int participant_check_sender(Participant *p, sd_bus_message *m, SenderRule rule, sd_bus_error *error);
/* Something was asked for: the idle time starts again. */
void participant_touch(Participant *p);

