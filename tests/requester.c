/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * requester: the calls of one session, by their names on the command line
 *
 *   requester CALL...
 *
 * Each is carried out in turn, on one connection, and told with its result, "add E_VETO: message"; the first
 * failure is the end, with exit status 1, unless the call is written with a leading "-". Calls:
 * lease=SECONDS (before the session), wait=SECONDS, context=NUMBER, init, state, select (as state, by
 * components), gather, disable=WRITER, component=WRITER:PATH/NAME, succeeded=WRITER:PATH/NAME, start,
 * supported=PATH[@PROVIDER], add=PATH[@PROVIDER], cgroup=PATH, prepare, do, json (of the last result),
 * complete, abort, release, adopt=TOKEN, token, sleep=MILLISECONDS; and without a session:
 * expose=ID@DIRECTORY, unexpose=ID.
 */

#include <jansson.h>
#include <linuxvss/requester.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "util/value.h"
#include "vss/json.h"

typedef struct Requester {
        vss_service *service;
        vss_session *session;
        vss_value *options, *result;
} Requester;

static vss_result need_session(Requester *r) {
        return r->session ? VSS_S_OK : vss_session_create(r->service, r->options, &r->session);
}

static vss_result await(Requester *r, vss_result begun, vss_async *async) {
        vss_result result = begun < 0 ? begun : vss_async_wait(async, -1);

        if (vss_async_result(async)) {
                vss_value_free(r->result);
                r->result = vss_value_copy(vss_async_result(async));
        }
        vss_async_free(async);
        return result == VSS_S_ASYNC_FINISHED ? VSS_S_OK : result;
}

typedef vss_result (*LongCall)(vss_session *session, vss_async **ret_async);

static const struct {
        const char *name;
        LongCall call;
} long_calls[] = {
        { "gather", vss_session_gather_writer_metadata },
        { "prepare", vss_session_prepare_for_backup },
        { "do", vss_session_do_snapshot_set },
        { "complete", vss_session_backup_complete },
        { "abort", vss_session_abort_backup },
        { "status", vss_session_gather_writer_status },
};

typedef vss_result (*VolumeCall)(vss_session *session, const char *path, const char *provider,
                                 vss_async **ret_async);

static vss_result add(Requester *r, const char *what, VolumeCall call) {
        _cleanup_(freep) char *path = strdup(what);
        char *provider = strrchr(path, '@');
        vss_async *async = NULL;
        vss_result begun;

        if (provider)
                *provider++ = '\0';
        begun = call(r->session, path, provider, &async);
        return await(r, begun, async);
}

static vss_result expose(Requester *r, const char *what) {
        _cleanup_(freep) char *id = strdup(what);
        char *directory = strchr(id, '@');
        vss_async *async = NULL;
        vss_result begun;

        if (directory)
                *directory++ = '\0';
        begun = directory ? vss_service_expose_snapshot(r->service, id, directory, &async)
                          : vss_service_unexpose_snapshot(r->service, id, &async);
        return await(r, begun, async);
}

/* "WRITER:PATH/NAME", the path perhaps empty. */
static vss_result component(Requester *r, const char *what, bool add_it) {
        char writer[256] = "", path[1024] = "", *name;

        (void)sscanf(what, "%255[^:]:%1023s", writer, path);
        name = strrchr(path, '/');
        if (name)
                *name++ = '\0';
        return add_it ? vss_session_add_component(r->session, writer, name ? path : "", name ?: path)
                      : vss_session_set_backup_succeeded(r->session, writer, name ? path : "", name ?: path,
                                                         true);
}

static vss_result print_json(const Requester *r) {
        json_t *json = json_from_value(r->result);

        if (json)
                (void)json_dumpf(json, stdout, JSON_INDENT(1));
        json_decref(json);
        printf("\n");
        return json ? VSS_S_OK : VSS_E_OUTOFMEMORY;
}

/* What needs no session yet. Return: S_FALSE for another call. */
static vss_result carry_out_outside(Requester *r, const char *name, const char *value) {
        if (strcmp(name, "sleep") == 0)
                return usleep((useconds_t)strtoul(value, NULL, 10) * 1000), VSS_S_OK;
        if (strcmp(name, "json") == 0)
                return print_json(r);
        if (strcmp(name, "lease") == 0 || strcmp(name, "wait") == 0)
                return vss_value_set_integer(r->options, name, (int64_t)strtoul(value, NULL, 10));
        if (strcmp(name, "require") == 0)
                return vss_value_set_string(r->options, name, value);
        if (strcmp(name, "expose") == 0 || strcmp(name, "unexpose") == 0)
                return expose(r, value);
        if (strcmp(name, "adopt") == 0)
                return vss_session_adopt(r->service, value, &r->session);
        return VSS_S_FALSE;
}

static vss_result carry_out(Requester *r, const char *name, const char *value) {
        char set[VSS_ID_SIZE];
        vss_result result = carry_out_outside(r, name, value);

        if (result != VSS_S_FALSE)
                return result;
        result = need_session(r);
        if (result < 0)
                return result;
        FOREACH_ELEMENT (row, long_calls)
                if (strcmp(name, row->name) == 0) {
                        vss_async *async = NULL;

                        result = row->call(r->session, &async);
                        return await(r, result, async);
                }
        if (strcmp(name, "token") == 0)
                return printf("%s\n", vss_session_token(r->session)), VSS_S_OK;
        if (strcmp(name, "init") == 0)
                return vss_session_initialize_for_backup(r->session);
        if (strcmp(name, "state") == 0)
                return vss_session_set_backup_state(r->session, false, false, VSS_BT_COPY, false);
        if (strcmp(name, "select") == 0)
                return vss_session_set_backup_state(r->session, true, false, VSS_BT_FULL, true);
        if (strcmp(name, "disable") == 0)
                return vss_session_disable_writer_classes(r->session, &value, 1);
        if (strcmp(name, "component") == 0 || strcmp(name, "succeeded") == 0)
                return component(r, value, name[0] == 'c');
        if (strcmp(name, "context") == 0)
                return vss_session_set_context(r->session, (uint32_t)strtoul(value, NULL, 0));
        if (strcmp(name, "start") == 0)
                return vss_session_start_snapshot_set(r->session, set);
        if (strcmp(name, "add") == 0)
                return add(r, value, vss_session_add_to_snapshot_set);
        if (strcmp(name, "supported") == 0)
                return add(r, value, vss_session_is_volume_supported);
        if (strcmp(name, "cgroup") == 0)
                return vss_session_hold_control_group(r->session, value);
        if (strcmp(name, "release") == 0)
                return r->session = vss_session_release(r->session), VSS_S_OK;
        (void)fprintf(stderr, "requester: there is no call %s\n", name);
        exit(2);
}

int main(int argc, char **argv) {
        Requester r = { .options = vss_value_new_dict() };
        vss_result result = vss_service_connect(&r.service);

        for (int i = 1; result >= 0 && i < argc; i++) {
                const char *value = strchr(argv[i], '=');
                bool may_fail = argv[i][0] == '-';
                char name[32];

                (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(argv[i], "="), argv[i]);
                value = value ? value + 1 : "";
                result = carry_out(&r, name + may_fail, value);
                if (strcmp(name, "json") != 0 && strcmp(name, "token") != 0)
                        printf("%s %s%s%s\n", name + may_fail, vss_result_name(result),
                               result < 0 ? ": " : "",
                               result < 0 ? vss_service_error_message(r.service) : "");
                (void)fflush(stdout);
                if (may_fail)
                        result = VSS_S_OK;
        }
        vss_session_free(r.session);
        vss_service_free(r.service);
        vss_value_free(r.options);
        vss_value_free(r.result);
        return result < 0 || result == VSS_S_ASYNC_CANCELLED ? 1 : 0;
}
