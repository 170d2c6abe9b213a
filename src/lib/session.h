/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A session of the requester's, and how its calls are made
 */

#include "lib/service.h"

struct vss_session {
        vss_service *service;
        char *path, *id, *token;
};

/* A call, and one that answers with a job; arguments as in sd_bus_message_append(). */
#define SESSION_CALL(session, member, ...)                                                                \
        ((session) ? service_callf((session)->service, (session)->path, BUS_SESSION, member, __VA_ARGS__) \
                   : VSS_E_INVALIDARG)
#define SESSION_JOB(session, member, ret_async, ...)                                                        \
        ((session) ? service_callf_job((session)->service, (session)->path, BUS_SESSION, member, ret_async, \
                                       __VA_ARGS__)                                                         \
                   : VSS_E_INVALIDARG)

/* A call that takes nothing and answers with "aa{sv}". */
vss_result session_call_list(vss_session *session, const char *member, vss_value **ret_list);
