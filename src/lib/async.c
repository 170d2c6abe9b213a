/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Asynchronous operations: a job of the service, and what its signals said
 *
 * An async ends once: by its Done signal, or because the service or the connection is gone. It stays
 * readable after that, also when its connection was freed first.
 */

#include <poll.h>
#include <string.h>
#include "lib/service.h"

vss_async *async_new(vss_service *service, const char *path, const char *sender) {
        vss_async *async = calloc(1, sizeof(*async));

        if (!async)
                return NULL;
        async->service = service;
        async->code = VSS_S_ASYNC_PENDING;
        async->path = strdup(path);
        async->sender = strdup(sender ?: "");
        if (!async->path || !async->sender)
                return vss_async_free(async);
        async->next = service->asyncs;
        service->asyncs = async;
        return async;
}

static void unlink_async(vss_async *async) {
        vss_async **link = async->service ? &async->service->asyncs : NULL;

        while (link && *link && *link != async)
                link = &(*link)->next;
        if (link && *link)
                *link = async->next;
        async->next = NULL;
}

vss_async *vss_async_free(vss_async *async) {
        if (!async)
                return NULL;
        unlink_async(async);
        free(async->path);
        free(async->sender);
        free(async->culprit);
        free(async->message);
        vss_value_free(async->result);
        vss_value_free(async->progress);
        free(async);
        return NULL;
}

void async_end(vss_async *async, vss_result code, const char *culprit, const char *message) {
        if (async->done)
                return;
        async->done = true;
        async->code = code == VSS_S_ASYNC_CANCELLED || code == VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED || code < 0
                              ? code
                              : VSS_S_ASYNC_FINISHED;
        async->culprit = strdup(culprit);
        async->message = strdup(message);
}

void async_end_all(vss_service *service, const char *sender, const char *message) {
        for (vss_async *async = service->asyncs; async; async = async->next)
                if (!sender || strcmp(async->sender, sender) == 0)
                        async_end(async, VSS_E_SERVICE_UNAVAILABLE, BUS_NAME, message);
}

void async_detach_all(vss_service *service) {
        while (service->asyncs) {
                vss_async *async = service->asyncs;

                service->asyncs = async->next;
                async->next = NULL;
                async->service = NULL;
        }
}

static void on_done(vss_async *async, sd_bus_message *m) {
        const char *culprit, *message;
        vss_value *result = NULL;
        int32_t code;
        int r = sd_bus_message_read(m, "iss", &code, &culprit, &message);

        if (r >= 0)
                r = marshal_read_dict(m, &result);
        if (r < 0) {
                async_end(async, VSS_E_UNEXPECTED, BUS_NAME,
                          "the service sent an answer that cannot be read");
                return;
        }
        vss_value_free(async->result);
        async->result = result;
        async_end(async, code, culprit, message);
}

void async_on_signal(vss_service *service, sd_bus_message *m) {
        const char *path = sd_bus_message_get_path(m), *sender = sd_bus_message_get_sender(m);
        vss_value *progress;

        for (vss_async *async = service->asyncs; async && path && sender; async = async->next) {
                if (async->done || strcmp(async->path, path) != 0 || strcmp(async->sender, sender) != 0)
                        continue;
                if (sd_bus_message_is_signal(m, BUS_JOB, "Done"))
                        on_done(async, m);
                else if (sd_bus_message_is_signal(m, BUS_JOB, "Progress") &&
                         marshal_read_dict(m, &progress) >= 0) {
                        vss_value_free(async->progress);
                        async->progress = progress;
                }
                return;
        }
}

static vss_result answer(vss_async *async) {
        if (async->done && async->code < 0 && async->service)
                return service_fail(async->service, async->code, async->culprit, "%s",
                                    async->message && async->message[0] ? async->message
                                                                        : vss_result_text(async->code));
        return async->code;
}

/* Milliseconds that poll() may wait: till the deadline, or till sd-bus has something to do. */
static int poll_timeout(vss_service *service, uint64_t deadline) {
        uint64_t until = deadline, bus_until, now = now_usec();

        if (sd_bus_get_timeout(service->bus, &bus_until) >= 0)
                until = MIN(until, bus_until);
        if (until == UINT64_MAX)
                return -1;
        if (until <= now)
                return 0;
        return (int)MIN((until - now + 999) / 1000, (uint64_t)INT32_MAX);
}

/* Return: 1 when something may have come, 0 when the time is over, -errno. */
static int wait_for_input(vss_service *service, uint64_t deadline) {
        struct pollfd p = { .fd = sd_bus_get_fd(service->bus) };
        int events = sd_bus_get_events(service->bus);

        if (p.fd < 0 || events < 0)
                return -ENOTCONN;
        p.events = (short)events;
        if (poll(&p, 1, poll_timeout(service, deadline)) < 0)
                return -errno;
        return p.revents || now_usec() < deadline;
}

vss_result vss_async_wait(vss_async *async, int timeout_ms) {
        uint64_t deadline;

        if (!async || timeout_ms < -1)
                return VSS_E_INVALIDARG;
        deadline = timeout_ms < 0 ? UINT64_MAX : now_usec() + (uint64_t)timeout_ms * USEC_PER_MSEC;

        while (!async->done) {
                vss_service *service = async->service;
                int r;

                if (service->processing)
                        return VSS_S_ASYNC_PENDING; /* called by an event handler: nothing can come meanwhile
                                                     */
                (void)service_dispatch(service);
                if (async->done)
                        break;
                r = wait_for_input(service, deadline);
                if (r == 0 || r == -EINTR || r == -EAGAIN)
                        return VSS_S_ASYNC_PENDING;
                if (r < 0)
                        (void)service_fail_errno(service, -ENOTCONN, NULL); /* ends this one too */
        }
        return answer(async);
}

vss_result vss_async_query_status(vss_async *async) {
        return vss_async_wait(async, 0);
}

vss_result async_wait_and_free(vss_async *async) {
        vss_result result;

        do
                result = vss_async_wait(async, -1);
        while (result == VSS_S_ASYNC_PENDING && !async->service->processing);
        (void)vss_async_free(async);
        return result == VSS_S_ASYNC_FINISHED ? VSS_S_OK : result;
}

vss_result vss_async_cancel(vss_async *async) {
        vss_result result;

        if (!async)
                return VSS_E_INVALIDARG;
        if (!async->done)
                (void)service_dispatch(async->service);
        if (async->done)
                return async->code == VSS_S_ASYNC_CANCELLED ? VSS_S_ASYNC_CANCELLED : VSS_S_ASYNC_FINISHED;

        result = service_callf(async->service, async->path, BUS_JOB, "Cancel", NULL, "");
        /* It ended while the call was under way: the object is gone, its Done has come. */
        if (result < 0) {
                (void)service_dispatch(async->service);
                if (async->done)
                        return async->code == VSS_S_ASYNC_CANCELLED ? VSS_S_ASYNC_CANCELLED
                                                                    : VSS_S_ASYNC_FINISHED;
        }
        return result;
}

const vss_value *vss_async_result(const vss_async *async) {
        return async && async->done ? async->result : NULL;
}

const vss_value *vss_async_progress(const vss_async *async) {
        return async ? async->progress : NULL;
}
