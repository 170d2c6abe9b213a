/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Units of a writer's application, which the service stops and starts for it
 */

#include <string.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "lib/writer-call.h"
#include "util/clock.h"
#include "util/utf8.h"

#define RESTORE (1u << EVENT_PRE_RESTORE | 1u << EVENT_POST_RESTORE)
#define NEVER (1u << EVENT_FREEZE | 1u << EVENT_THAW | 1u << EVENT_VERIFY)

static vss_result refuse(vss_writer_call *call, vss_result result, const char *text) {
        free(call->message);
        call->message = strdup(text);
        return result;
}

/* What the service may answer here; all else is a unit that failed. */
static vss_result explain(vss_writer_call *call, int error_number, const sd_bus_error *error) {
        vss_result result = bus_error_result(error);

        if (error_number == -ETIMEDOUT || sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT))
                return refuse(call, VSS_E_WRITERERROR_TIMEOUT, "the service did not answer in time");
        free(call->message);
        call->message = text_make_utf8(strdup(error->message ?: "the service does not answer"));
        switch (result) {
        case VSS_E_ACCESSDENIED:
        case VSS_E_OBJECT_NOT_FOUND:
        case VSS_E_WRITERERROR_TIMEOUT:
        case VSS_E_BAD_STATE:
        case VSS_E_INVALIDARG:
                return result;
        default:
                return VSS_E_UNEXPECTED;
        }
}

static vss_result ask(vss_writer_call *call, const char *member, const char *unit,
                      sd_bus_message **ret_reply) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *m = NULL;
        uint64_t left = (uint64_t)vss_writer_call_time_left_ms(call) * USEC_PER_MSEC;
        int r;

        if (!call->service || !call->service->service)
                return refuse(call, VSS_E_BAD_STATE, "the service is not there to be asked about units");
        if (left == 0)
                return refuse(call, VSS_E_WRITERERROR_TIMEOUT, "the time of the event is over");
        r = sd_bus_message_new_method_call(call->service->bus, &m, call->service->service, BUS_PATH,
                                           BUS_MANAGER, member);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", unit);
        if (r >= 0)
                r = sd_bus_call(call->service->bus, m, left, &error, ret_reply);
        return r < 0 ? explain(call, r, &error) : VSS_S_OK;
}

static vss_result control(vss_writer_call *call, const char *member, const char *unit) {
        _cleanup_message_ sd_bus_message *reply = NULL;

        if (!call || !unit || !text_is_utf8(unit))
                return VSS_E_INVALIDARG;
        if (!(RESTORE & (1u << call->kind)))
                return refuse(call, VSS_E_BAD_STATE,
                              "units are stopped and started in PreRestore and PostRestore");
        if (vss_writer_call_is_dry_run(call))
                return refuse(call, VSS_E_BAD_STATE, "this is a dry run");
        return ask(call, member, unit, &reply);
}

vss_result vss_writer_call_stop_unit(vss_writer_call *call, const char *unit) {
        return control(call, "StopUnit", unit);
}

vss_result vss_writer_call_start_unit(vss_writer_call *call, const char *unit) {
        return control(call, "StartUnit", unit);
}

vss_result vss_writer_call_is_unit_active(vss_writer_call *call, const char *unit, bool *ret_active) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *state;
        vss_result result;

        if (!call || !unit || !text_is_utf8(unit) || !ret_active)
                return VSS_E_INVALIDARG;
        if (NEVER & (1u << call->kind))
                return refuse(call, VSS_E_BAD_STATE, "nobody is asked about units now");
        result = ask(call, "GetUnitState", unit, &reply);
        if (result < 0)
                return result;
        if (sd_bus_message_read(reply, "s", &state) < 0)
                return refuse(call, VSS_E_UNEXPECTED, "the service's answer cannot be read");
        *ret_active = strcmp(state, "active") == 0 || strcmp(state, "reloading") == 0 ||
                      strcmp(state, "activating") == 0;
        return VSS_S_OK;
}
