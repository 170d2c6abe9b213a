/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The requester's connection to the service
 *
 * One bus connection, no event loop, no threads. Signals are matched before the first call goes out, so a
 * Done that is queued right behind the reply that names its job is never missed. Anybody on the bus can send
 * a signal to this connection; only those of the unique name that answered our call are believed.
 */

#include <stdarg.h>
#include <string.h>
#include "lib/service.h"

#define DRIVER "org.freedesktop.DBus"

vss_result service_fail(vss_service *service, vss_result result, const char *culprit, const char *format,
                        ...) {
        char *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        /* Only now: the arguments may be the old ones. */
        free(service->message);
        service->message = text;
        free(service->culprit);
        service->culprit = strdup(culprit ?: "");
        return result;
}

vss_result service_invalid(vss_service *service, const char *what) {
        return service ? service_fail(service, VSS_E_INVALIDARG, "", "%s", what) : VSS_E_INVALIDARG;
}

static bool is_lost(int r) {
        return r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE || r == -ESHUTDOWN || r == -ECONNREFUSED;
}

vss_result service_fail_errno(vss_service *service, int r, const sd_bus_error *error) {
        vss_result result;

        if (is_lost(r) && (!sd_bus_error_is_set(error) || !sd_bus_is_open(service->bus))) {
                service->lost = VSS_E_SERVICE_UNAVAILABLE;
                async_end_all(service, NULL, "the connection to the system bus is lost");
                return service_fail(service, VSS_E_SERVICE_UNAVAILABLE, BUS_NAME,
                                    "the connection to the system bus is lost");
        }
        if (!sd_bus_error_is_set(error))
                return service_fail(service,
                                    r == -ENOMEM      ? VSS_E_OUTOFMEMORY
                                    : r == -ETIMEDOUT ? VSS_E_SERVICE_UNAVAILABLE
                                    : r == -EINVAL    ? VSS_E_INVALIDARG
                                                      : VSS_E_UNEXPECTED,
                                    "", "the call failed: %s", strerror(-r));

        result = bus_error_result(error);
        if (result == VSS_E_SERVICE_UNAVAILABLE &&
            strncmp(error->name, BUS_ERROR_PREFIX, strlen(BUS_ERROR_PREFIX)) != 0)
                return service_fail(
                        service, result, BUS_NAME,
                        "the service does not answer (%s); check linuxvss.service and the system bus",
                        error->message ?: error->name);
        return service_fail(service, result, "", "%s", error->message ?: vss_result_text(result));
}

vss_result service_begin(vss_service *service) {
        if (!service)
                return VSS_E_INVALIDARG;
        if (service->lost < 0)
                return service_fail(service, service->lost, BUS_NAME,
                                    "the connection to the system bus is lost; connect again");
        free(TAKE_PTR(service->message));
        free(TAKE_PTR(service->culprit));
        return VSS_S_OK;
}

vss_result service_dispatch(vss_service *service) {
        int r;

        if (service->processing)
                return VSS_S_OK;
        if (service->lost < 0)
                return service->lost;
        service->processing = true;
        do
                r = sd_bus_process(service->bus, NULL);
        while (r > 0);
        service->processing = false;
        return r < 0 ? service_fail_errno(service, r, NULL) : VSS_S_OK;
}

vss_result service_new_call(vss_service *service, const char *path, const char *interface,
                            const char *member, sd_bus_message **ret_call) {
        vss_result result = service_begin(service);
        int r;

        if (result < 0)
                return result;
        r = sd_bus_message_new_method_call(service->bus, ret_call, BUS_NAME, path, interface, member);
        return r < 0 ? service_fail_errno(service, r, NULL) : VSS_S_OK;
}

static void learn_owner(vss_service *service, sd_bus_message *reply) {
        const char *sender = sd_bus_message_get_sender(reply);
        char *copy;

        if (!sender || (service->owner && strcmp(service->owner, sender) == 0))
                return;
        copy = strdup(sender);
        if (copy) {
                free(service->owner);
                service->owner = copy;
        }
}

vss_result service_call(vss_service *service, sd_bus_message *call, uint64_t timeout_usec,
                        sd_bus_message **ret_reply) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(service->bus, call, timeout_usec, &error, &reply);

        if (r < 0)
                return service_fail_errno(service, r, &error);
        learn_owner(service, reply);
        if (ret_reply)
                *ret_reply = TAKE_PTR(reply);
        return VSS_S_OK;
}

static vss_result new_callv(vss_service *service, const char *path, const char *interface,
                            const char *member, const char *types, va_list args, sd_bus_message **ret_call) {
        _cleanup_message_ sd_bus_message *call = NULL;
        vss_result result = service_new_call(service, path, interface, member, &call);
        int r;

        if (result < 0)
                return result;
        r = sd_bus_message_appendv(call, types, args);
        if (r < 0)
                return service_fail_errno(service, r, NULL);
        *ret_call = TAKE_PTR(call);
        return VSS_S_OK;
}

vss_result service_callf(vss_service *service, const char *path, const char *interface, const char *member,
                         sd_bus_message **ret_reply, const char *types, ...) {
        _cleanup_message_ sd_bus_message *call = NULL;
        vss_result result;
        va_list args;

        va_start(args, types);
        result = new_callv(service, path, interface, member, types, args, &call);
        va_end(args);
        if (result >= 0)
                result = service_call(service, call, CALL_TIMEOUT_USEC, ret_reply);
        if (result >= 0)
                (void)service_dispatch(service);
        return result;
}

vss_result service_call_job(vss_service *service, sd_bus_message *call, vss_async **ret_async) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        vss_async *async;
        const char *job;
        vss_result result = service_call(service, call, CALL_TIMEOUT_USEC, &reply);
        int r;

        if (result < 0)
                return result;
        r = sd_bus_message_read(reply, "o", &job);
        if (r < 0)
                return service_fail_errno(service, r, NULL);
        async = async_new(service, job, sd_bus_message_get_sender(reply));
        if (!async)
                return service_fail(service, VSS_E_OUTOFMEMORY, "", "out of memory");

        /* Its signals may have come with the reply: a caller that polls would not be woken for them. */
        (void)service_dispatch(service);
        if (!ret_async)
                return async_wait_and_free(async);
        *ret_async = async;
        return VSS_S_OK;
}

vss_result service_callf_job(vss_service *service, const char *path, const char *interface,
                             const char *member, vss_async **ret_async, const char *types, ...) {
        _cleanup_message_ sd_bus_message *call = NULL;
        vss_result result;
        va_list args;

        va_start(args, types);
        result = new_callv(service, path, interface, member, types, args, &call);
        va_end(args);
        return result < 0 ? result : service_call_job(service, call, ret_async);
}

vss_result service_read_dict(vss_service *service, sd_bus_message *reply, vss_value **ret_dict) {
        int r = marshal_read_dict(reply, ret_dict);

        return r < 0 ? service_fail_errno(service, r, NULL) : VSS_S_OK;
}

vss_result service_read_dicts(vss_service *service, sd_bus_message *reply, vss_value **ret_list) {
        int r = marshal_read_dicts(reply, ret_list);

        return r < 0 ? service_fail_errno(service, r, NULL) : VSS_S_OK;
}

static int on_job_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        async_on_signal(userdata, m);
        return 0;
}

static int on_event_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        vss_service *service = userdata;
        _cleanup_value_ vss_value *event = NULL;
        const char *sender = sd_bus_message_get_sender(m);

        if (!service->handler || !sender || !service->owner || strcmp(sender, service->owner) != 0)
                return 0;
        if (marshal_read_dict(m, &event) >= 0)
                service->handler(service->userdata, event);
        return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        vss_service *service = userdata;
        const char *name, *old, *new, *sender = sd_bus_message_get_sender(m);

        if (!sender || strcmp(sender, DRIVER) != 0 || sd_bus_message_read(m, "sss", &name, &old, &new) < 0)
                return 0;
        if (strcmp(name, BUS_NAME) == 0 && old[0])
                async_end_all(service, old,
                              "the service died; what it had under way is undone at its next start");
        return 0;
}

static int add_matches(vss_service *service) {
        static const struct {
                const char *match;
                sd_bus_message_handler_t handler;
        } matches[] = {
                { "type='signal',sender='" BUS_NAME "',interface='" BUS_JOB "',path_namespace='" BUS_PATH_JOB
                  "'",
                  on_job_signal },
                { "type='signal',sender='" BUS_NAME "',interface='" BUS_MANAGER
                  "',member='Event',path='" BUS_PATH "'",
                  on_event_signal },
                { "type='signal',sender='" DRIVER "',interface='" DRIVER
                  "',member='NameOwnerChanged',arg0='" BUS_NAME "'",
                  on_owner_changed },
        };

        FOREACH_ELEMENT (row, matches) {
                int r = sd_bus_add_match(service->bus, NULL, row->match, row->handler, service);

                if (r < 0)
                        return r;
        }
        return 0;
}

vss_result vss_service_connect(vss_service **ret_service) {
        vss_service *service;
        int r;

        if (!ret_service)
                return VSS_E_INVALIDARG;
        service = calloc(1, sizeof(*service));
        if (!service)
                return VSS_E_OUTOFMEMORY;
        r = sd_bus_open_system(&service->bus);
        if (r >= 0)
                r = add_matches(service);
        if (r < 0) {
                (void)vss_service_free(service);
                return r == -ENOMEM ? VSS_E_OUTOFMEMORY : VSS_E_SERVICE_UNAVAILABLE;
        }
        *ret_service = service;
        return VSS_S_OK;
}

vss_service *vss_service_free(vss_service *service) {
        if (!service)
                return NULL;
        /* Handles that outlive the connection can still be looked at and freed. */
        async_end_all(service, NULL, "the connection was closed");
        async_detach_all(service);
        (void)sd_bus_flush_close_unref(service->bus);
        free(service->message);
        free(service->culprit);
        free(service->version);
        free(service->owner);
        free(service);
        return NULL;
}

const char *vss_service_error_message(const vss_service *service) {
        return service && service->message ? service->message : "";
}

const char *vss_service_error_culprit(const vss_service *service) {
        return service && service->culprit ? service->culprit : "";
}

int vss_service_fd(const vss_service *service) {
        return service ? sd_bus_get_fd(service->bus) : -EINVAL;
}

vss_result vss_service_process(vss_service *service) {
        return service ? service_dispatch(service) : VSS_E_INVALIDARG;
}
