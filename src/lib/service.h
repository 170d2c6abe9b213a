/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The requester's connection, and the one way in which calls go over it
 */

#include <systemd/sd-bus.h>
#include <linuxvss/requester.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "util/clock.h"

/* The service asks providers meanwhile, ten seconds for each step: it is to say who did not answer. */
#define CALL_TIMEOUT_USEC (60 * USEC_PER_SEC)
#define RELEASE_TIMEOUT_USEC (120 * USEC_PER_SEC)

struct vss_service {
        sd_bus *bus;
        vss_result lost; /* VSS_E_SERVICE_UNAVAILABLE once the connection is gone */
        bool processing; /* inside sd_bus_process(): handlers may not start another one */
        char *message, *culprit, *version;
        char *owner;       /* unique name of whoever answered last as org.linuxvss */
        vss_async *asyncs; /* all there are */
        vss_event_handler handler;
        void *userdata;
};

struct vss_async {
        vss_service *service; /* NULL once the service handle is gone */
        char *path, *sender;
        bool done;
        vss_result code;
        char *culprit, *message;
        vss_value *result, *progress;
        vss_async *next;
};

/* Forget the last failure. Return: VSS_S_OK, or why no call can be made on this connection. */
vss_result service_begin(vss_service *service);
/* Record a failure. Return: @result. */
vss_result service_fail(vss_service *service, vss_result result, const char *culprit, const char *format,
                        ...) _printf_(4, 5);
vss_result service_invalid(vss_service *service, const char *what);
/* Record what sd-bus answered (@r negative). Return: the result it stands for. */
vss_result service_fail_errno(vss_service *service, int r, const sd_bus_error *error);

/* A method call; on success handle all that came with the answer. @ret_reply may be NULL. */
vss_result service_new_call(vss_service *service, const char *path, const char *interface,
                            const char *member, sd_bus_message **ret_call);
vss_result service_call(vss_service *service, sd_bus_message *call, uint64_t timeout_usec,
                        sd_bus_message **ret_reply);
/* A method call with arguments as in sd_bus_message_append(). */
vss_result service_callf(vss_service *service, const char *path, const char *interface, const char *member,
                         sd_bus_message **ret_reply, const char *types, ...);
/* A call that answers with a job: @ret_async as in the public API. Takes over nothing. */
vss_result service_call_job(vss_service *service, sd_bus_message *call, vss_async **ret_async);
vss_result service_callf_job(vss_service *service, const char *path, const char *interface,
                             const char *member, vss_async **ret_async, const char *types, ...);
/* A call that answers with "a{sv}" or "aa{sv}". */
vss_result service_read_dict(vss_service *service, sd_bus_message *reply, vss_value **ret_dict);
vss_result service_read_dicts(vss_service *service, sd_bus_message *reply, vss_value **ret_list);

/* Handle what has come, without waiting. */
vss_result service_dispatch(vss_service *service);

/* Jobs; async.c. */
vss_async *async_new(vss_service *service, const char *path, const char *sender);
void async_on_signal(vss_service *service, sd_bus_message *m);
void async_end(vss_async *async, vss_result code, const char *culprit, const char *message);
/* End those of @sender (NULL: all). */
void async_end_all(vss_service *service, const char *sender, const char *message);
/* The connection goes; what has ended stays readable. */
void async_detach_all(vss_service *service);
vss_result async_wait_and_free(vss_async *async);
