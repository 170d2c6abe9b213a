/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One event of a writer, as its handler sees it
 */

#include <stdarg.h>
#include <string.h>
#include "lib/participant.h"
#include "lib/writer-call.h"
#include "util/clock.h"

/* Where nobody looks for the word of single components. */
#define NO_COMPONENTS (1u << EVENT_IDENTIFY | 1u << EVENT_ABORT | 1u << EVENT_BACKUP_SHUTDOWN)
/* Where somebody reads notes. */
#define NOTES                                                                                          \
        (1u << EVENT_PREPARE_BACKUP | 1u << EVENT_BACKUP_COMPLETE | 1u << EVENT_PRE_RESTORE |          \
         1u << EVENT_POST_RESTORE | 1u << EVENT_VERIFY)

enum { NOTES_MAX = 1000 };

void writer_call_done(vss_writer_call *call) {
        free(TAKE_PTR(call->message));
        free(TAKE_PTR(call->application_message));
        call->failed = vss_value_free(call->failed);
        call->notes = vss_value_free(call->notes);
        call->components = vss_value_free(call->components);
        call->mounts = vss_value_free(call->mounts);
}

bool writer_call_is_writer_error(vss_result result) {
        return result == VSS_E_WRITERERROR_PARTIAL_FAILURE ||
               ((uint32_t)result >= (uint32_t)VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT &&
                (uint32_t)result <= (uint32_t)VSS_E_WRITERERROR_RECOVERY_FAILED);
}

bool writer_call_may_fail_components(WriterEvent event) {
        return !(NO_COMPONENTS & (1u << event));
}

static vss_value *failure_value(const vss_writer_call *call, vss_result code) {
        _cleanup_value_ vss_value *failure = vss_value_new_dict();

        if (vss_value_set_integer(failure, "code", code) < 0 ||
            vss_value_set_string(failure, "message", call->message ?: vss_result_text(code)) < 0 ||
            (call->application_message &&
             (vss_value_set_integer(failure, "application-code", call->application_code) < 0 ||
              vss_value_set_string(failure, "application-message", call->application_message) < 0)))
                return NULL;
        return TAKE_PTR(failure);
}

vss_value *writer_call_result(vss_writer_call *call, vss_result result) {
        _cleanup_value_ vss_value *answer = vss_value_new_dict();
        vss_result code = result < 0 ? result : call->veto;

        if (!answer)
                return NULL;
        if (call->failed && vss_value_set(answer, "failed-components", TAKE_PTR(call->failed)) < 0)
                return NULL;
        if (call->notes && vss_value_set(answer, "notes", TAKE_PTR(call->notes)) < 0)
                return NULL;
        if (call->components && vss_value_set(answer, "components", writer_component_changes(call)) < 0)
                return NULL;
        if (code < 0 && vss_value_set(answer, "failure", failure_value(call, code)) < 0)
                return NULL;
        return TAKE_PTR(answer);
}

static char *_printf_(1, 0) format_text(const char *format, va_list args) {
        char *text = NULL;

        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        return text_make_utf8(text);
}

vss_result vss_writer_call_fail(vss_writer_call *call, vss_result code, const char *format, ...) {
        va_list args;

        if (!call || !format)
                return code;
        free(call->message);
        va_start(args, format);
        call->message = format_text(format, args);
        va_end(args);
        return code;
}

vss_result vss_writer_call_veto(vss_writer_call *call, vss_result code, const char *format, ...) {
        va_list args;

        if (!call || !format || !writer_call_is_writer_error(code))
                return VSS_E_INVALIDARG;
        if (call->kind == EVENT_IDENTIFY)
                return VSS_E_BAD_STATE;
        free(call->message);
        va_start(args, format);
        call->message = format_text(format, args);
        va_end(args);
        call->veto = code;
        return VSS_S_OK;
}

vss_result vss_writer_call_set_application_failure(vss_writer_call *call, int32_t application_code,
                                                   const char *format, ...) {
        va_list args;

        if (!call || !format)
                return VSS_E_INVALIDARG;
        if (call->kind == EVENT_IDENTIFY)
                return VSS_E_BAD_STATE;
        free(call->application_message);
        va_start(args, format);
        call->application_message = format_text(format, args);
        va_end(args);
        call->application_code = application_code;
        return call->application_message ? VSS_S_OK : VSS_E_OUTOFMEMORY;
}

/* @application_code: NULL if the application has none. */
static vss_result append_failed(vss_writer_call *call, const char *logical_path, const char *name,
                                vss_result code, const int32_t *application_code, const char *message) {
        _cleanup_value_ vss_value *failed = vss_value_new_dict();

        if (!call->failed)
                call->failed = vss_value_new_list();
        if (!call->failed || vss_value_set_string(failed, "logical-path", logical_path) < 0 ||
            vss_value_set_string(failed, "name", name) < 0 ||
            vss_value_set_integer(failed, "code", code) < 0 ||
            vss_value_set_string(failed, "message", message) < 0 ||
            (application_code && vss_value_set_integer(failed, "application-code", *application_code) < 0))
                return VSS_E_OUTOFMEMORY;
        return vss_value_append(call->failed, TAKE_PTR(failed));
}

static vss_result check_failed(const vss_writer_call *call, const char *logical_path, const char *name,
                               vss_result code) {
        if (!call || !name || code >= 0 || !text_is_utf8(name) || !text_is_utf8(logical_path ?: ""))
                return VSS_E_INVALIDARG;
        return writer_call_may_fail_components(call->kind) ? VSS_S_OK : VSS_E_BAD_STATE;
}

vss_result vss_writer_call_fail_component(vss_writer_call *call, const char *logical_path, const char *name,
                                          vss_result code, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        vss_result result = check_failed(call, logical_path, name, code);
        va_list args;

        if (!format)
                return VSS_E_INVALIDARG;
        if (result < 0)
                return result;
        va_start(args, format);
        text = format_text(format, args);
        va_end(args);
        return text ? append_failed(call, logical_path, name, code, NULL, text) : VSS_E_OUTOFMEMORY;
}

vss_result vss_writer_call_set_failure(vss_writer_call *call, const char *logical_path, const char *name,
                                       vss_result code, int32_t application_code, const char *message) {
        vss_result result = check_failed(call, logical_path, name, code);

        message = message ?: vss_result_text(code);
        if (result < 0)
                return result;
        if (!text_is_utf8(message))
                return VSS_E_INVALIDARG;
        return append_failed(call, logical_path, name, code, &application_code, message);
}

const char *vss_writer_call_failure_text(const vss_writer_call *call) {
        return call && call->message ? call->message : "";
}

vss_result vss_writer_call_add_note(vss_writer_call *call, const char *logical_path, const char *name,
                                    const char *format, ...) {
        _cleanup_value_ vss_value *note = vss_value_new_dict();
        _cleanup_(freep) char *text = NULL;
        va_list args;

        if (!call || !format || (logical_path && !name) || !text_is_utf8(logical_path ?: "") || !text_is_utf8(name ?: ""))
                return VSS_E_INVALIDARG;
        if (!(NOTES & (1u << call->kind)))
                return VSS_E_BAD_STATE;
        va_start(args, format);
        text = format_text(format, args);
        va_end(args);
        if (!call->notes)
                call->notes = vss_value_new_list();
        if (!text || !call->notes || vss_value_count(call->notes) >= NOTES_MAX ||
            vss_value_set_string(note, "logical-path", logical_path ?: "") < 0 ||
            vss_value_set_string(note, "name", name ?: "") < 0 || vss_value_set_string(note, "text", text) < 0)
                return VSS_E_OUTOFMEMORY;
        return vss_value_append(call->notes, TAKE_PTR(note));
}

void *vss_writer_call_userdata(const vss_writer_call *call) {
        return call ? call->userdata : NULL;
}

static const vss_value *event_of(const vss_writer_call *call) {
        return call ? call->event : NULL;
}

const char *vss_writer_call_session_id(const vss_writer_call *call) {
        return vss_value_get_string(event_of(call), "session", "");
}

const char *vss_writer_call_set_id(const vss_writer_call *call) {
        return vss_value_get_string(event_of(call), "set", "");
}

uint32_t vss_writer_call_context(const vss_writer_call *call) {
        return (uint32_t)vss_value_get_integer(event_of(call), "context", VSS_CTX_BACKUP);
}

enum vss_backup_type vss_writer_call_backup_type(const vss_writer_call *call) {
        return (enum vss_backup_type)vss_value_get_integer(event_of(call), "backup-type", VSS_BT_COPY);
}

enum vss_restore_type vss_writer_call_restore_type(const vss_writer_call *call) {
        return (enum vss_restore_type)vss_value_get_integer(event_of(call), "restore-type",
                                                            VSS_RTYPE_UNDEFINED);
}

bool vss_writer_call_bootable_system_state(const vss_writer_call *call) {
        return vss_value_get_boolean(event_of(call), "bootable-system-state", false);
}

bool vss_writer_call_partial_file_support(const vss_writer_call *call) {
        return vss_value_get_boolean(event_of(call), "partial-file-support", false);
}

const char *vss_writer_call_service_version(const vss_writer_call *call) {
        return vss_value_get_string(event_of(call), "service-version", "");
}

const char *vss_writer_call_instance_id(const vss_writer_call *call) {
        return call && call->instance_id ? call->instance_id : "";
}

enum vss_application_level vss_writer_call_level(const vss_writer_call *call) {
        return call ? call->level : VSS_APP_UNKNOWN;
}

bool vss_writer_call_components_selected(const vss_writer_call *call) {
        return vss_value_get_boolean(event_of(call), "select-components", false);
}

uint32_t vss_writer_call_time_left_ms(const vss_writer_call *call) {
        uint64_t now = now_usec();

        if (!call || call->deadline_usec <= now)
                return 0;
        return (uint32_t)MIN((call->deadline_usec - now) / USEC_PER_MSEC, (uint64_t)UINT32_MAX);
}

static const vss_value *volumes_of(const vss_writer_call *call) {
        return vss_value_get(event_of(call), "volumes");
}

size_t vss_writer_call_volume_count(const vss_writer_call *call) {
        return vss_value_count(volumes_of(call));
}

const char *vss_writer_call_volume(const vss_writer_call *call, size_t index) {
        return vss_value_string(vss_value_at(volumes_of(call), index), NULL);
}

static bool path_is_below(const char *path, const char *root) {
        size_t n = strlen(root);

        while (n > 0 && root[n - 1] == '/')
                n--;
        return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* The volume of the set that @path is on: the deepest root above it. NULL if there is none. */
static const char *find_volume(const vss_writer_call *call, const char *path) {
        const char *best = NULL;

        if (!path || path[0] != '/')
                return NULL;
        for (size_t i = 0; i < vss_writer_call_volume_count(call); i++) {
                const char *root = vss_writer_call_volume(call, i);

                if (root && root[0] == '/' && path_is_below(path, root) &&
                    (!best || strlen(root) > strlen(best)))
                        best = root;
        }
        return best;
}

bool vss_writer_call_is_path_affected(const vss_writer_call *call, const char *path) {
        return find_volume(call, path) != NULL;
}

const char *vss_writer_call_snapshot_device(const vss_writer_call *call, const char *path) {
        const char *volume = find_volume(call, path), *mount;

        if (!volume)
                return NULL;
        mount = vss_value_get_string(call->mounts, volume, NULL);
        return mount ?: vss_value_get_string(vss_value_get(event_of(call), "devices"), volume, NULL);
}

/* A process that cannot be looked at counts as being in it; one that has ended does not. */
static bool is_in_group(int64_t pid, const char *path) {
        char name[64], line[4096 + 8];
        _cleanup_(fclosep) FILE *file = NULL;

        (void)snprintf(name, sizeof(name), "/proc/%lld/cgroup", (long long)pid);
        file = fopen(name, "re");
        if (!file)
                return errno != ENOENT;
        while (fgets(line, sizeof(line), file)) {
                line[strcspn(line, "\n")] = '\0';
                if (strncmp(line, "0::", 3) == 0)
                        return path_is_below(line + 3, path);
        }
        return false;
}

const char *vss_writer_call_group_is_needed(const vss_writer_call *call, const char *path) {
        const vss_value *needed = vss_value_get(event_of(call), "needed");

        if (!path || path[0] != '/')
                return NULL;
        for (size_t i = 0; i < vss_value_count(needed); i++) {
                const vss_value *process = vss_value_at(needed, i);

                if (is_in_group(vss_value_get_integer(process, "pid", 0), path))
                        return vss_value_get_string(process, "name", "?");
        }
        return is_in_group(getpid(), path) ? "this writer" : NULL;
}

/* Volumes that share an instant have the same number. */
static int64_t instant_of(const vss_writer_call *call, const char *path) {
        const char *volume = find_volume(call, path);

        return volume ? vss_value_get_integer(vss_value_get(event_of(call), "instants"), volume, 0) : 0;
}

bool vss_writer_call_is_one_instant(const vss_writer_call *call, const char *const *paths, size_t n) {
        int64_t first = n > 0 && paths ? instant_of(call, paths[0]) : 0;

        for (size_t i = 1; first > 0 && i < n; i++)
                if (instant_of(call, paths[i]) != first)
                        return false;
        return first > 0;
}

bool vss_writer_call_is_dry_run(const vss_writer_call *call) {
        return vss_value_get_boolean(event_of(call), "dry-run", false);
}

const char *vss_writer_call_scratch(const vss_writer_call *call) {
        return call && call->kind == EVENT_VERIFY ? vss_value_get_string(event_of(call), "scratch", NULL) : NULL;
}

size_t vss_writer_call_component_count(const vss_writer_call *call) {
        return vss_value_count(vss_value_get(event_of(call), "components"));
}

const vss_value *vss_writer_call_component(const vss_writer_call *call, size_t index) {
        return vss_value_at(vss_value_get(event_of(call), "components"), index);
}

const vss_value *vss_writer_call_find_component(const vss_writer_call *call, const char *logical_path,
                                                const char *name) {
        for (size_t i = 0; name && i < vss_writer_call_component_count(call); i++) {
                const vss_value *component = vss_writer_call_component(call, i);

                if (strcmp(vss_value_get_string(component, "name", ""), name) == 0 &&
                    strcmp(vss_value_get_string(component, "logical-path", ""), logical_path ?: "") == 0)
                        return component;
        }
        return NULL;
}

const char *vss_writer_call_backup_options(const vss_writer_call *call, const char *logical_path,
                                           const char *name) {
        return vss_value_get_string(vss_writer_call_find_component(call, logical_path, name),
                                    "backup-options", NULL);
}

const char *vss_writer_call_previous_backup_stamp(const vss_writer_call *call, const char *logical_path,
                                                  const char *name) {
        return vss_value_get_string(vss_writer_call_find_component(call, logical_path, name),
                                    "previous-stamp", NULL);
}
