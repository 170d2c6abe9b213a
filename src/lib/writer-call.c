/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One event of a writer, as its handler sees it
 */

#include <stdarg.h>
#include <string.h>
#include "lib/participant.h"
#include "lib/writer-call.h"
#include "util/clock.h"

void writer_call_done(vss_writer_call *call) {
        free(TAKE_PTR(call->message));
        call->failed = vss_value_free(call->failed);
        call->mounts = vss_value_free(call->mounts);
}

vss_result vss_writer_call_fail(vss_writer_call *call, vss_result code, const char *format, ...) {
        char *text = NULL;
        va_list args;

        if (!call || !format)
                return code;
        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        free(call->message);
        call->message = text_make_utf8(text);
        return code;
}

static vss_result append_failed(vss_writer_call *call, const char *logical_path, const char *name,
                                vss_result code, const char *message) {
        _cleanup_value_ vss_value *failed = vss_value_new_dict();

        if (!call->failed)
                call->failed = vss_value_new_list();
        if (!call->failed || vss_value_set_string(failed, "logical-path", logical_path) < 0 ||
            vss_value_set_string(failed, "name", name) < 0 ||
            vss_value_set_integer(failed, "code", code) < 0 ||
            vss_value_set_string(failed, "message", message) < 0)
                return VSS_E_OUTOFMEMORY;
        return vss_value_append(call->failed, TAKE_PTR(failed));
}

vss_result vss_writer_call_fail_component(vss_writer_call *call, const char *logical_path, const char *name,
                                          vss_result code, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list args;
        int n;

        if (!call || !name || !format || code >= 0 || !text_is_utf8(name) ||
            !text_is_utf8(logical_path ?: ""))
                return VSS_E_INVALIDARG;
        if (!call->may_fail_components)
                return VSS_E_BAD_STATE;
        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        if (n < 0) {
                text = NULL;
                return VSS_E_OUTOFMEMORY;
        }
        return append_failed(call, logical_path, name, code, text_make_utf8(text));
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

size_t vss_writer_call_component_count(const vss_writer_call *call) {
        return vss_value_count(vss_value_get(event_of(call), "components"));
}

const vss_value *vss_writer_call_component(const vss_writer_call *call, size_t index) {
        return vss_value_at(vss_value_get(event_of(call), "components"), index);
}
