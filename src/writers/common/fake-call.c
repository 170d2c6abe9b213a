/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A vss_writer_call for tests
 */

#include <stdarg.h>
#include <string.h>
#include "writers/common/fake-call.h"

void fake_call_reset(vss_writer_call *call) {
        call->code = VSS_S_OK;
        call->message[0] = call->restore_failure[0] = call->units[0] = '\0';
        call->backup_metadata[0] = call->restore_metadata[0] = '\0';
        call->failed = vss_value_free(call->failed);
        call->notes = vss_value_free(call->notes);
}

vss_metadata *fake_metadata_new(void) {
        vss_metadata *metadata = calloc(1, sizeof(*metadata));

        if (!metadata)
                abort();
        metadata->components = vss_value_new_list();
        metadata->excludes = vss_value_new_list();
        metadata->excludes_from_snapshot = vss_value_new_list();
        metadata->warnings = vss_value_new_list();
        metadata->missing_rights = vss_value_new_list();
        return metadata;
}

vss_metadata *fake_metadata_free(vss_metadata *metadata) {
        if (!metadata)
                return NULL;
        vss_value_free(metadata->components);
        vss_value_free(metadata->excludes);
        vss_value_free(metadata->excludes_from_snapshot);
        vss_value_free(metadata->warnings);
        vss_value_free(metadata->missing_rights);
        free(metadata);
        return NULL;
}

static size_t find(const vss_metadata *metadata, const char *logical_path, const char *name) {
        for (size_t i = 0; i < vss_value_count(metadata->components); i++) {
                const vss_value *component = vss_value_at(metadata->components, i);

                if (strcmp(vss_value_get_string(component, "logical-path", ""), logical_path ?: "") == 0 &&
                    strcmp(vss_value_get_string(component, "name", ""), name) == 0)
                        return i;
        }
        return SIZE_MAX;
}

const vss_value *fake_metadata_component(const vss_metadata *metadata, const char *logical_path,
                                         const char *name) {
        return vss_value_at(metadata->components, find(metadata, logical_path, name));
}

bool fake_metadata_warns(const vss_metadata *metadata, const char *text) {
        for (size_t i = 0; i < vss_value_count(metadata->warnings); i++)
                if (strstr(vss_value_string(vss_value_at(metadata->warnings, i), ""), text))
                        return true;
        return false;
}

/* Has any dictionary of @list a text under @key with @text in it? */
static bool has_text(const vss_value *list, const char *key, const char *text) {
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strstr(vss_value_get_string(vss_value_at(list, i), key, ""), text))
                        return true;
        return false;
}

bool fake_metadata_misses(const vss_metadata *metadata, const char *text) {
        return has_text(metadata->missing_rights, "remedy", text);
}

bool fake_call_notes(const vss_writer_call *call, const char *text) {
        return has_text(call->notes, "text", text);
}

const char *fake_call_failure(const vss_writer_call *call, const char *name) {
        for (size_t i = 0; i < vss_value_count(call->failed); i++) {
                const vss_value *failed = vss_value_at(call->failed, i);

                if (strcmp(vss_value_get_string(failed, "name", ""), name) == 0)
                        return vss_value_get_string(failed, "message", "");
        }
        return "";
}

vss_result vss_metadata_add_component(vss_metadata *metadata, const struct vss_component_info *info) {
        vss_value *component;

        if (find(metadata, info->logical_path, info->name) != SIZE_MAX)
                return VSS_E_OBJECT_ALREADY_EXISTS;
        component = vss_value_new_dict();
        (void)vss_value_set_string(component, "logical-path", info->logical_path);
        (void)vss_value_set_string(component, "name", info->name);
        (void)vss_value_set_string(component, "owner", info->owner);
        (void)vss_value_set_string(component, "crash-only", info->crash_only);
        (void)vss_value_set(component, "files", vss_value_new_list());
        return vss_value_append(metadata->components, component);
}

static vss_value *new_files(const char *path, const char *filespec, bool recursive) {
        vss_value *files = vss_value_new_dict();

        (void)vss_value_set_string(files, "path", path);
        (void)vss_value_set_string(files, "filespec", filespec);
        (void)vss_value_set_boolean(files, "recursive", recursive);
        return files;
}

vss_result vss_metadata_add_files(vss_metadata *metadata, const char *logical_path, const char *name,
                                  const char *path, const char *filespec, bool recursive) {
        size_t index = find(metadata, logical_path, name);

        if (index == SIZE_MAX)
                return VSS_E_OBJECT_NOT_FOUND;
        return vss_value_append(value_get_mutable(value_at_mutable(metadata->components, index), "files"),
                                new_files(path, filespec, recursive));
}

vss_result vss_metadata_add_exclude(vss_metadata *metadata, const char *path, const char *filespec,
                                    bool recursive) {
        return vss_value_append(metadata->excludes, new_files(path, filespec, recursive));
}

vss_result vss_metadata_add_exclude_from_snapshot(vss_metadata *metadata, const char *path,
                                                  const char *filespec, bool recursive) {
        return vss_value_append(metadata->excludes_from_snapshot, new_files(path, filespec, recursive));
}

vss_result vss_metadata_set_restore_method(vss_metadata *metadata, enum vss_restore_method method,
                                           const char *service, const char *user_procedure,
                                           enum vss_writer_restore writer_restore, bool reboot_required) {
        metadata->restore_method = method;
        metadata->writer_restore = writer_restore;
        return VSS_S_OK;
}

vss_result vss_metadata_add_dependency(vss_metadata *metadata, const char *logical_path, const char *name,
                                       const char *on_writer_id, const char *on_logical_path,
                                       const char *on_name) {
        size_t index = find(metadata, logical_path, name);
        vss_value *dependency;

        if (index == SIZE_MAX)
                return VSS_E_OBJECT_NOT_FOUND;
        dependency = vss_value_new_dict();
        (void)vss_value_set_string(dependency, "writer-id", on_writer_id);
        (void)vss_value_set_string(dependency, "logical-path", on_logical_path);
        (void)vss_value_set_string(dependency, "name", on_name);
        return vss_value_append(
                value_require(value_at_mutable(metadata->components, index), "dependencies", VSS_KIND_LIST),
                dependency);
}

vss_result vss_metadata_add_warning(vss_metadata *metadata, const char *format, ...) {
        char text[2048];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        return value_append_string(metadata->warnings, text);
}

vss_result vss_metadata_add_missing_right(vss_metadata *metadata, const char *what, const char *remedy) {
        vss_value *right = vss_value_new_dict();

        (void)vss_value_set_string(right, "what", what);
        (void)vss_value_set_string(right, "remedy", remedy);
        return vss_value_append(metadata->missing_rights, right);
}

vss_result vss_writer_call_fail(vss_writer_call *call, vss_result code, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(call->message, sizeof(call->message), format, args);
        va_end(args);
        call->code = code;
        return code;
}

vss_result vss_writer_call_fail_component(vss_writer_call *call, const char *logical_path, const char *name,
                                          vss_result code, const char *format, ...) {
        vss_value *failed = vss_value_new_dict();
        char text[2048];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void)vss_value_set_string(failed, "logical-path", logical_path);
        (void)vss_value_set_string(failed, "name", name);
        (void)vss_value_set_integer(failed, "code", code);
        (void)vss_value_set_string(failed, "message", text);
        if (!call->failed)
                call->failed = vss_value_new_list();
        return vss_value_append(call->failed, failed);
}

void *vss_writer_call_userdata(const vss_writer_call *call) {
        return call->userdata;
}

const char *vss_writer_call_session_id(const vss_writer_call *call) {
        return call->session_id ?: "11111111-1111-4111-8111-111111111111";
}

const char *vss_writer_call_set_id(const vss_writer_call *call) {
        return "22222222-2222-4222-8222-222222222222";
}

enum vss_backup_type vss_writer_call_backup_type(const vss_writer_call *call) {
        return call->backup_type;
}

bool vss_writer_call_components_selected(const vss_writer_call *call) {
        return call->components != NULL;
}

size_t vss_writer_call_component_count(const vss_writer_call *call) {
        return vss_value_count(call->components);
}

const vss_value *vss_writer_call_component(const vss_writer_call *call, size_t index) {
        return vss_value_at(call->components, index);
}

uint32_t vss_writer_call_time_left_ms(const vss_writer_call *call) {
        return call->time_left_ms;
}

size_t vss_writer_call_volume_count(const vss_writer_call *call) {
        return call->n_volumes;
}

const char *vss_writer_call_volume(const vss_writer_call *call, size_t index) {
        return index < call->n_volumes ? call->volumes[index] : NULL;
}

bool vss_writer_call_is_path_affected(const vss_writer_call *call, const char *path) {
        for (size_t i = 0; i < call->n_volumes; i++) {
                size_t n = strlen(call->volumes[i]);

                if (strncmp(path, call->volumes[i], n) == 0 && (path[n] == '\0' || path[n] == '/'))
                        return true;
        }
        return false;
}

const vss_value *vss_writer_call_find_component(const vss_writer_call *call, const char *logical_path,
                                                const char *name) {
        for (size_t i = 0; i < vss_value_count(call->components); i++) {
                const vss_value *component = vss_value_at(call->components, i);

                if (strcmp(vss_value_get_string(component, "logical-path", ""), logical_path) == 0 &&
                    strcmp(vss_value_get_string(component, "name", ""), name) == 0)
                        return component;
        }
        return NULL;
}

static vss_result set_failure(vss_writer_call *call, const char *logical_path, const char *name,
                              const char *message) {
        if (!vss_writer_call_find_component(call, logical_path, name))
                return VSS_E_OBJECT_NOT_FOUND;
        (void)snprintf(call->restore_failure, sizeof(call->restore_failure), "%s", message);
        return VSS_S_OK;
}

vss_result vss_writer_call_set_pre_restore_failure_msg(vss_writer_call *call, const char *logical_path,
                                                       const char *name, const char *message) {
        return set_failure(call, logical_path, name, message);
}

vss_result vss_writer_call_set_post_restore_failure_msg(vss_writer_call *call, const char *logical_path,
                                                        const char *name, const char *message) {
        return set_failure(call, logical_path, name, message);
}

static vss_result leave(const vss_writer_call *call, const char *logical_path, const char *name, char *to,
                        size_t size, const char *text) {
        if (!vss_writer_call_find_component(call, logical_path, name))
                return VSS_E_OBJECT_NOT_FOUND;
        (void)snprintf(to, size, "%s", text);
        return VSS_S_OK;
}

vss_result vss_writer_call_set_backup_metadata(vss_writer_call *call, const char *logical_path,
                                               const char *name, const char *metadata) {
        return leave(call, logical_path, name, call->backup_metadata, sizeof(call->backup_metadata),
                     metadata);
}

vss_result vss_writer_call_set_restore_metadata(vss_writer_call *call, const char *logical_path,
                                                const char *name, const char *metadata) {
        return leave(call, logical_path, name, call->restore_metadata, sizeof(call->restore_metadata),
                     metadata);
}

const char *vss_writer_call_backup_options(const vss_writer_call *call, const char *logical_path,
                                           const char *name) {
        return call->backup_options;
}

const char *vss_writer_call_failure_text(const vss_writer_call *call) {
        return call->message;
}

static vss_result note_unit(vss_writer_call *call, char what, const char *unit) {
        size_t n = strlen(call->units);

        (void)snprintf(call->units + n, sizeof(call->units) - n, "%c%s ", what, unit);
        if (call->unit_result < 0)
                (void)snprintf(call->message, sizeof(call->message), "%s: no", unit);
        return call->unit_result;
}

vss_result vss_writer_call_stop_unit(vss_writer_call *call, const char *unit) {
        return note_unit(call, '-', unit);
}

vss_result vss_writer_call_start_unit(vss_writer_call *call, const char *unit) {
        return note_unit(call, '+', unit);
}

vss_result vss_writer_call_is_unit_active(vss_writer_call *call, const char *unit, bool *ret_active) {
        vss_result result = note_unit(call, '?', unit);

        if (result >= 0)
                *ret_active = call->unit_active;
        return result;
}

vss_result vss_writer_call_add_note(vss_writer_call *call, const char *logical_path, const char *name,
                                    const char *format, ...) {
        vss_value *note = vss_value_new_dict();
        char text[2048];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void)vss_value_set_string(note, "logical-path", logical_path ?: "");
        (void)vss_value_set_string(note, "name", name ?: "");
        (void)vss_value_set_string(note, "text", text);
        if (!call->notes)
                call->notes = vss_value_new_list();
        return vss_value_append(call->notes, note);
}

bool vss_writer_call_is_dry_run(const vss_writer_call *call) {
        return call->dry_run;
}

const char *vss_writer_call_scratch(const vss_writer_call *call) {
        return call->scratch;
}

bool vss_writer_call_is_one_instant(const vss_writer_call *call, const char *const *paths, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!vss_writer_call_is_path_affected(call, paths[i]))
                        return false;
        return n > 0 && call->one_instant;
}

static const char *volume_of(const vss_writer_call *call, const char *path) {
        const char *best = NULL;

        for (size_t i = 0; i < call->n_volumes; i++) {
                size_t n = strlen(call->volumes[i]);

                if (strncmp(path, call->volumes[i], n) == 0 && (path[n] == '\0' || path[n] == '/') &&
                    (!best || n > strlen(best)))
                        best = call->volumes[i];
        }
        return best;
}

const char *vss_writer_call_snapshot_device(const vss_writer_call *call, const char *path) {
        const char *volume = volume_of(call, path);

        if (!volume || !call->snapshot)
                return NULL;
        (void)snprintf(((vss_writer_call *)call)->device, sizeof(call->device), "%s%s", call->snapshot,
                       volume);
        return call->device;
}
