/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The test requester's session: connection, waiting, writers' status
 */

#include <stdarg.h>
#include <string.h>
#include "testers/requester.h"

#define POLL_MS 20

VSS_PRINTF(1, 0) static void tell(const char *format, va_list args) {
        (void)fputs("vss-test-requester: ", stderr);
        (void)vfprintf(stderr, format, args);
        (void)fputc('\n', stderr);
}

void requester_say(const Requester *requester, const char *format, ...) {
        va_list args;

        if (!requester->conf->verbose)
                return;
        va_start(args, format);
        tell(format, args);
        va_end(args);
}

void requester_complain(Requester *requester, const char *format, ...) {
        va_list args;

        va_start(args, format);
        tell(format, args);
        va_end(args);
        requester->partly = true;
}

int requester_fail(const Requester *requester, vss_result result, const char *call) {
        const char *culprit = vss_service_error_culprit(requester->service);
        const char *message = vss_service_error_message(requester->service);

        (void)fprintf(stderr, "vss-test-requester: %s: %s%s%s (%s)\n", call, culprit ?: "",
                      culprit && *culprit ? ": " : "",
                      message && *message ? message : vss_result_text(result), vss_result_name(result));
        return EXIT_FAILED;
}

static void clear_volumes(Requester *requester) {
        for (size_t i = 0; i < requester->n_volumes; i++) {
                RequesterVolume *v = &requester->volumes[i];

                free(v->path);
                free(v->target);
                free(v->below);
                for (char **p = v->mount_points; p && *p; p++)
                        free(*p);
                free(v->mount_points);
                if (v->mount_fd >= 0)
                        (void)close(v->mount_fd);
        }
        free(requester->volumes);
        requester->volumes = NULL;
        requester->n_volumes = 0;
}

void requester_release(Requester *requester) {
        requester->session = vss_session_release(requester->session);
        requester->metadata = vss_value_free(requester->metadata);
        requester->components = vss_value_free(requester->components);
        requester->selection = vss_value_free(requester->selection);
        requester->status = vss_value_free(requester->status);
        clear_volumes(requester);
}

void requester_clear(Requester *requester) {
        requester_release(requester);
        requester->previous = vss_value_free(requester->previous);
        requester->service = vss_service_free(requester->service);
}

int requester_connect(Requester *requester) {
        _cleanup_value_ vss_value *options = vss_value_new_dict();
        vss_result r = VSS_S_OK;

        if (!requester->service)
                r = vss_service_connect(&requester->service);
        if (r < 0) {
                (void)fprintf(stderr, "vss-test-requester: no connection to the service: %s %s\n",
                              vss_result_text(r), vss_result_remedy(r));
                return EXIT_FAILED;
        }
        r = vss_value_set_integer(options, "wait", (int64_t)requester->conf->wait);
        if (r >= 0)
                r = vss_value_set_string(options, "label", requester->conf->label);
        if (r >= 0)
                r = vss_session_create(requester->service, options, &requester->session);
        return r < 0 ? requester_fail(requester, r, "CreateSession") : EXIT_DONE;
}

/* Is the call at the event where it shall be cancelled? */
static bool is_time(const Requester *requester, const vss_async *async) {
        const char *event, *step = vss_value_get_string(vss_async_progress(async), "step", "");

        if (requester->conf->cancel_at < 0)
                return false;
        event = field_name(field_events, requester->conf->cancel_at);
        return strncmp(step, event, strlen(event)) == 0;
}

int requester_await(Requester *requester, vss_result begun, vss_async *async, const char *call,
                    vss_value **ret_result) {
        _cleanup_async_ vss_async *owned = async;
        vss_result r = begun;
        bool cancelled = false;

        requester_say(requester, "%s", call);
        while (r >= 0 && (r = vss_async_wait(owned, POLL_MS)) == VSS_S_ASYNC_PENDING)
                if (!cancelled && is_time(requester, owned)) {
                        requester_say(requester, "%s: cancelled at %s", call,
                                      vss_value_get_string(vss_async_progress(owned), "step", ""));
                        cancelled = true;
                        r = vss_async_cancel(owned);
                }
        if (r == VSS_S_ASYNC_CANCELLED) {
                (void)fprintf(stderr, "vss-test-requester: %s was cancelled\n", call);
                return EXIT_FAILED;
        }
        if (r != VSS_S_ASYNC_FINISHED && r != VSS_S_OK)
                return requester_fail(requester, r, call);
        if (ret_result) {
                *ret_result = vss_value_copy(vss_async_result(owned));
                if (!*ret_result)
                        return requester_fail(requester, VSS_E_OUTOFMEMORY, call);
        }
        return EXIT_DONE;
}

static bool passes(vss_result code) {
        return code == VSS_E_WRITERERROR_RETRYABLE || code == VSS_E_WRITERERROR_TIMEOUT ||
               code == VSS_E_WRITERERROR_OUTOFRESOURCES || code == VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT ||
               code == VSS_E_WRITER_STATUS_NOT_AVAILABLE;
}

/* The failure in a status; S_OK if there is none. */
static vss_result failure_of(const vss_value *status) {
        int64_t state = vss_value_get_integer(status, "state", VSS_WS_UNKNOWN);
        vss_result code = (vss_result)vss_value_get_integer(status, "code", VSS_S_OK);

        if (code < 0)
                return code;
        return state >= VSS_WS_FAILED_AT_IDENTIFY ? VSS_E_WRITERERROR_NONRETRYABLE : VSS_S_OK;
}

int requester_check_status(Requester *requester, const char *event, bool retries) {
        vss_async *async = NULL;
        vss_result r = vss_session_gather_writer_status(requester->session, &async);
        int status = requester_await(requester, r, async, "GatherWriterStatus", NULL);
        bool again = false;

        if (status != EXIT_DONE)
                return status;
        requester->status = vss_value_free(requester->status);
        r = vss_session_get_writer_status(requester->session, &requester->status);
        if (r < 0)
                return requester_fail(requester, r, "GetWriterStatus");
        for (size_t i = 0; event && i < vss_value_count(requester->status); i++) {
                const vss_value *writer = vss_value_at(requester->status, i);
                const char *application = vss_value_get_string(writer, "application-message", "");
                vss_result code = failure_of(writer);

                if (code >= 0)
                        continue;
                again = again || passes(code);
                requester_complain(requester, "%s: failed at %s: %s (%s)%s%s",
                                   vss_value_get_string(writer, "name", "?"), event,
                                   vss_value_get_string(writer, "message", vss_result_text(code)),
                                   vss_result_name(code), *application ? ": " : "", application);
        }
        return again && retries ? EXIT_AGAIN : EXIT_DONE;
}

const char *requester_writer_failure(const Requester *requester, const char *name) {
        for (size_t i = 0; i < vss_value_count(requester->status); i++) {
                const vss_value *writer = vss_value_at(requester->status, i);

                /* In part: its components tell. */
                if (strcmp(vss_value_get_string(writer, "name", ""), name) == 0 && failure_of(writer) < 0 &&
                    failure_of(writer) != VSS_E_WRITERERROR_PARTIAL_FAILURE)
                        return vss_value_get_string(writer, "message", "it has failed");
        }
        return NULL;
}

const vss_value *requester_metadata(const Requester *requester, const char *name) {
        for (size_t i = 0; i < vss_value_count(requester->metadata); i++) {
                const vss_value *writer = vss_value_at(requester->metadata, i);

                if (strcmp(vss_value_get_string(writer, "name", ""), name) == 0)
                        return writer;
        }
        return NULL;
}

int requester_read_components(Requester *requester) {
        vss_result r;

        requester->components = vss_value_free(requester->components);
        r = vss_session_get_writer_components(requester->session, &requester->components);
        return r < 0 ? requester_fail(requester, r, "GetWriterComponents") : EXIT_DONE;
}
