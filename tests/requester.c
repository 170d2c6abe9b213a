/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * requester: the calls of one session, by their names on the command line
 *
 *   requester CALL...
 *
 * Each is carried out in turn, on one connection, and told with its result, "add E_VETO: message"; the first
 * failure is the end, with exit status 1, unless the call is written with a leading "-". Calls:
 * lease=SECONDS (before the session), wait=SECONDS, context=NUMBER, init, state, select (as state, by
 * components), gather, disable=WRITER, disable-instance=WRITER, start, supported=PATH[@PROVIDER],
 * add=PATH[@PROVIDER], cgroup=PATH, prepare, do, verify, json (of the last result), complete, abort,
 * release, adopt=TOKEN, token, sleep=MILLISECONDS, later=CALL (a long one, which is not waited for), query,
 * properties=ID, free-metadata, free-status; and without a session: expose=ID@DIRECTORY, unexpose=ID,
 * break=SET[@FLAGS], revert=ID[@force], reverting=VOLUME.
 *
 * Of components, component=WRITER:PATH/NAME and the calls of component_calls below, with what else they take
 * behind '|'. Documents: save=FILE, save-metadata=WRITER@FILE, init-document=FILE, init-restore=FILE; and
 * restore-state=TYPE, dry-run, pre-restore, post-restore, import, recovery=ID[@DESTINATION], recover=FLAGS.
 * What these answer is for json: components, metadata, writer-status.
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
        { "verify", vss_session_verify_writers },
        { "complete", vss_session_backup_complete },
        { "abort", vss_session_abort_backup },
        { "status", vss_session_gather_writer_status },
        { "import", vss_session_import_snapshots },
        { "pre-restore", vss_session_pre_restore },
        { "post-restore", vss_session_post_restore },
};

typedef vss_result (*ListCall)(vss_session *session, vss_value **ret_list);

/* Their list is the result's "writers". */
static const struct {
        const char *name;
        ListCall call;
} list_calls[] = {
        { "components", vss_session_get_writer_components },
        { "metadata", vss_session_get_writer_metadata },
        { "writer-status", vss_session_get_writer_status },
};

static vss_result list(Requester *r, ListCall call) {
        vss_value *writers = NULL;
        vss_result result = call(r->session, &writers);

        if (result < 0)
                return result;
        vss_value_free(r->result);
        r->result = vss_value_new_dict();
        return vss_value_set(r->result, "writers", writers);
}

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

/* break=SET@FLAGS, revert=ID or revert=ID@force, reverting=VOLUME */
static vss_result storage(Requester *r, const char *name, const char *what) {
        _cleanup_(freep) char *subject = strdup(what);
        char *more = strchr(subject, '@');
        vss_async *async = NULL;
        vss_result begun;

        if (more)
                *more++ = '\0';
        if (strcmp(name, "break") == 0)
                begun = vss_service_break_snapshot_set(r->service, subject,
                                                       more ? (uint32_t)strtoul(more, NULL, 0) : 0, &async);
        else if (strcmp(name, "revert") == 0)
                begun = vss_service_revert_to_snapshot(r->service, subject, more != NULL, &async);
        else
                begun = vss_service_query_revert_status(r->service, subject, &async);
        return await(r, begun, async);
}

/* recovery=ID@DESTINATION, recover=FLAGS */
static vss_result recover(Requester *r, const char *name, const char *what) {
        _cleanup_(freep) char *id = strdup(what);
        char *destination = strchr(id, '@');
        vss_async *async = NULL;
        vss_result begun;

        if (destination)
                *destination++ = '\0';
        if (strcmp(name, "recovery") == 0)
                return vss_session_add_snapshot_to_recovery_set(r->session, id, 0, destination);
        begun = vss_session_recover_set(r->session, (uint32_t)strtoul(what, NULL, 0), &async);
        return await(r, begun, async);
}

/* What stands behind a component, parted by '|'. */
typedef struct Component {
        const char *writer, *path, *name;
        const char *arguments[4];
} Component;

#define C r->session, c->writer, c->path, c->name
#define TEXT(i) (c->arguments[i])
#define NUMBER(i) ((uint32_t)strtoul(c->arguments[i], NULL, 0))
#define YES(i) (strcmp(c->arguments[i], "0") != 0)
#define COMPONENT_CALL(f, call)                                       \
        static vss_result f(const Requester *r, const Component *c) { \
                return call;                                          \
        }

COMPONENT_CALL(do_add, vss_session_add_component(C))
COMPONENT_CALL(do_succeeded, vss_session_set_backup_succeeded(C, YES(0)))
COMPONENT_CALL(do_options, vss_session_set_backup_options(C, TEXT(0)))
COMPONENT_CALL(do_stamp, vss_session_set_previous_backup_stamp(C, TEXT(0)))
COMPONENT_CALL(do_selected, vss_session_set_selected_for_restore(C, YES(0)))
COMPONENT_CALL(do_restore_options, vss_session_set_restore_options(C, TEXT(0)))
COMPONENT_CALL(do_additional, vss_session_set_additional_restores(C, YES(0)))
COMPONENT_CALL(do_subcomponent, vss_session_add_restore_subcomponent(C, TEXT(0), TEXT(1)))
COMPONENT_CALL(do_new_target, vss_session_add_new_target(C, TEXT(0), TEXT(1), YES(2), TEXT(3)))
COMPONENT_CALL(do_mapping,
               vss_session_add_alternative_location_mapping(C, TEXT(0), TEXT(1), YES(2), TEXT(3)))
COMPONENT_CALL(do_ranges_file, vss_session_set_ranges_file_path(C, NUMBER(0), TEXT(1)))
COMPONENT_CALL(do_restore_status,
               vss_session_set_file_restore_status(C, (enum vss_file_restore_status)NUMBER(0)))
COMPONENT_CALL(do_authoritative, vss_session_set_authoritative_restore(C, YES(0)))
COMPONENT_CALL(do_roll_forward,
               vss_session_set_roll_forward(C, (enum vss_rollforward_type)NUMBER(0), TEXT(1)))
COMPONENT_CALL(do_restore_name, vss_session_set_restore_name(C, TEXT(0)))

static const struct {
        const char *name;
        vss_result (*call)(const Requester *r, const Component *component);
} component_calls[] = {
        { "component", do_add },
        { "succeeded", do_succeeded },             /* [|0] */
        { "options", do_options },                 /* |TEXT */
        { "previous-stamp", do_stamp },            /* |TEXT */
        { "selected", do_selected },               /* [|0] */
        { "restore-options", do_restore_options }, /* |TEXT */
        { "additional", do_additional },           /* [|0] */
        { "subcomponent", do_subcomponent },       /* |PATH|NAME */
        { "new-target", do_new_target },           /* |PATH|FILESPEC|RECURSIVE|PATH */
        { "mapping", do_mapping },                 /* |PATH|FILESPEC|RECURSIVE|PATH */
        { "ranges-file", do_ranges_file },         /* |INDEX|PATH */
        { "restore-status", do_restore_status },   /* |NUMBER */
        { "authoritative", do_authoritative },     /* [|0] */
        { "roll-forward", do_roll_forward },       /* |NUMBER|TEXT */
        { "restore-name", do_restore_name },       /* |TEXT */
};

/* "WRITER:PATH/NAME|ARGUMENT...", the path perhaps empty. */
static Component parse_component(char *text) {
        Component component = { .path = "", .arguments = { "", "", "", "" } };
        char *name, *slash;

        component.writer = strsep(&text, ":");
        name = strsep(&text, "|") ?: (char *)"";
        slash = strrchr(name, '/');
        component.name = slash ? slash + 1 : name;
        if (slash) {
                *slash = '\0';
                component.path = name;
        }
        for (size_t i = 0; text && i < ELEMENTS(component.arguments); i++)
                component.arguments[i] = strsep(&text, "|");
        return component;
}

/* Documents */

static vss_result write_file(const char *path, char *text, size_t size) {
        FILE *file = fopen(path, "w");
        bool written = file && fwrite(text, 1, size, file) == size;

        free(text);
        if (!file || fclose(file) != 0 || !written) {
                perror(path);
                exit(2);
        }
        return VSS_S_OK;
}

static vss_result save(Requester *r, const char *what, bool metadata) {
        _cleanup_(freep) char *writer = strdup(what);
        char *path = metadata ? strchr(writer, '@') : writer, *text = NULL;
        size_t size = 0;
        vss_result result;

        if (metadata && path)
                *path++ = '\0';
        result = metadata ? vss_session_save_writer_metadata(r->session, writer, &text, &size)
                          : vss_session_save_as_xml(r->session, &text, &size);
        return result < 0 ? result : write_file(path ?: "/dev/null", text, size);
}

static vss_result begin_with(Requester *r, const char *path, bool restore) {
        _cleanup_(freep) char *text = malloc(80u << 20);
        FILE *file = fopen(path, "r");
        size_t size = file && text ? fread(text, 1, 80u << 20, file) : 0;
        vss_async *async = NULL;
        vss_result begun;

        if (!file) {
                perror(path);
                exit(2);
        }
        (void)fclose(file);
        begun = restore ? vss_session_initialize_for_restore(r->session, text, size, &async)
                        : vss_session_initialize_for_backup_with_document(r->session, text, size, &async);
        return await(r, begun, async);
}

static vss_result query(Requester *r) {
        vss_async *async = NULL;
        vss_result begun = vss_session_query(r->session, NULL, &async);

        return await(r, begun, async);
}

static vss_result properties(Requester *r, const char *id) {
        vss_value *found = NULL;
        vss_result result = vss_session_get_snapshot_properties(r->session, id, &found);

        if (result >= 0) {
                vss_value_free(r->result);
                r->result = found;
        }
        return result;
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
        if (strcmp(name, "break") == 0 || strcmp(name, "revert") == 0 || strcmp(name, "reverting") == 0)
                return storage(r, name, value);
        if (strcmp(name, "expose") == 0 || strcmp(name, "unexpose") == 0)
                return expose(r, value);
        if (strcmp(name, "adopt") == 0)
                return vss_session_adopt(r->service, value, &r->session);
        return VSS_S_FALSE;
}

/* Documents, and what is kept by the session. Return: S_FALSE for another call. */
static vss_result carry_out_document(Requester *r, const char *name, const char *value) {
        if (strcmp(name, "save") == 0 || strcmp(name, "save-metadata") == 0)
                return save(r, value, strlen(name) > strlen("save"));
        if (strcmp(name, "init-document") == 0 || strcmp(name, "init-restore") == 0)
                return begin_with(r, value, strcmp(name, "init-restore") == 0);
        if (strcmp(name, "restore-state") == 0)
                return vss_session_set_restore_state(r->session,
                                                     (enum vss_restore_type)strtoul(value, NULL, 0));
        if (strcmp(name, "dry-run") == 0)
                return vss_session_set_dry_run(r->session, true);
        if (strcmp(name, "query") == 0)
                return query(r);
        if (strcmp(name, "properties") == 0)
                return properties(r, value);
        if (strcmp(name, "free-metadata") == 0)
                return vss_session_free_writer_metadata(r->session);
        if (strcmp(name, "free-status") == 0)
                return vss_session_free_writer_status(r->session);
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
        FOREACH_ELEMENT (row, long_calls)
                if (strcmp(name, "later") == 0 && strcmp(value, row->name) == 0) {
                        vss_async *async = NULL;

                        result = row->call(r->session, &async);
                        return vss_async_free(async), result;
                }
        FOREACH_ELEMENT (row, list_calls)
                if (strcmp(name, row->name) == 0)
                        return list(r, row->call);
        FOREACH_ELEMENT (row, component_calls)
                if (strcmp(name, row->name) == 0) {
                        _cleanup_(freep) char *text = strdup(value);
                        Component component = parse_component(text);

                        return row->call(r, &component);
                }
        result = carry_out_document(r, name, value);
        if (result != VSS_S_FALSE)
                return result;
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
        if (strcmp(name, "disable-instance") == 0)
                return vss_session_disable_writer_instances(r->session, &value, 1);
        if (strcmp(name, "context") == 0)
                return vss_session_set_context(r->session, (uint32_t)strtoul(value, NULL, 0));
        if (strcmp(name, "recovery") == 0 || strcmp(name, "recover") == 0)
                return recover(r, name, value);
        if (strcmp(name, "start") == 0)
                return vss_session_start_snapshot_set(r->session, set);
        if (strcmp(name, "add") == 0)
                return add(r, value, vss_session_add_to_snapshot_set);
        if (strcmp(name, "supported") == 0)
                return add(r, value, vss_session_is_volume_supported);
        if (strcmp(name, "wanted") == 0)
                return vss_session_set_wanted_paths(r->session, &value, 1);
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
