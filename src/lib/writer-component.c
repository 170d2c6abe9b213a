/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a writer leaves with its components during an event
 *
 * The rules are those of the document that it goes into (model/backup-components.h). A component that the
 * writer says something of is copied from the event, so that what earlier events left counts too, and the
 * answer carries what has changed.
 */

#include <string.h>
#include "lib/writer-call.h"
#include "model/backup-components.h"
#include "model/component.h"

static BcWriter writer_of(const vss_writer_call *call) {
        return (BcWriter){
                .name = call->writer,
                .schema = call->backup_schema,
                .partial_file_support = vss_writer_call_partial_file_support(call),
        };
}

/* The copy of a component, for @key to be set in it. */
static vss_result open_component(vss_writer_call *call, const char *logical_path, const char *name,
                                 const char *key, vss_value **ret_component) {
        const vss_value *given;
        vss_value *copy;
        vss_result result;

        if (!call || !name)
                return VSS_E_INVALIDARG;
        result = bc_writer_may_set(bc_event_from_name(writer_event_names[call->kind]), key, NULL);
        if (result < 0)
                return result;
        copy = component_find_mutable(call->components, logical_path ?: "", name);
        if (!copy) {
                given = vss_writer_call_find_component(call, logical_path, name);
                if (!given)
                        return VSS_E_OBJECT_NOT_FOUND;
                copy = vss_value_copy(given);
                if (!call->components)
                        call->components = vss_value_new_list();
                result = vss_value_append(call->components, copy);
                if (result < 0)
                        return call->components ? result : VSS_E_OUTOFMEMORY;
        }
        *ret_component = copy;
        return VSS_S_OK;
}

/* @before: as the event brought it. NULL without memory. */
static vss_value *changes(const vss_value *before, const vss_value *after) {
        _cleanup_value_ vss_value *changed = vss_value_new_dict();

        if (vss_value_set_string(changed, "logical-path", component_logical_path(after)) < 0 ||
            vss_value_set_string(changed, "name", component_name(after)) < 0)
                return NULL;
        for (size_t i = 0; i < vss_value_count(after); i++) {
                const char *key = vss_value_key_at(after, i);

                if (!value_equals(vss_value_get(before, key), vss_value_at(after, i)) &&
                    vss_value_set(changed, key, vss_value_copy(vss_value_at(after, i))) < 0)
                        return NULL;
        }
        return TAKE_PTR(changed);
}

vss_value *writer_component_changes(const vss_writer_call *call) {
        _cleanup_value_ vss_value *list = vss_value_new_list();

        for (size_t i = 0; i < vss_value_count(call->components); i++) {
                const vss_value *after = vss_value_at(call->components, i);
                const vss_value *before = vss_writer_call_find_component(call, component_logical_path(after),
                                                                         component_name(after));

                if (vss_value_append(list, changes(before, after)) < 0)
                        return NULL;
        }
        return TAKE_PTR(list);
}

static vss_result set_text(vss_writer_call *call, const char *logical_path, const char *name,
                           const char *key, const char *text) {
        vss_value *component;
        vss_result result;

        if (!text)
                return VSS_E_INVALIDARG;
        result = open_component(call, logical_path, name, key, &component);
        return result < 0 ? result : bc_set_text(component, key, text, NULL);
}

vss_result vss_writer_call_set_backup_stamp(vss_writer_call *call, const char *logical_path,
                                            const char *name, const char *stamp) {
        vss_value *component;
        vss_result result;
        BcWriter writer;

        if (!call || !stamp)
                return VSS_E_INVALIDARG;
        writer = writer_of(call);
        result = open_component(call, logical_path, name, "stamp", &component);
        return result < 0 ? result : bc_set_stamp(&writer, component, stamp, NULL);
}

vss_result vss_writer_call_set_backup_metadata(vss_writer_call *call, const char *logical_path,
                                               const char *name, const char *metadata) {
        return set_text(call, logical_path, name, "backup-metadata", metadata);
}

vss_result vss_writer_call_set_prepare_for_backup_failure_msg(vss_writer_call *call,
                                                              const char *logical_path, const char *name,
                                                              const char *message) {
        return set_text(call, logical_path, name, "prepare-failure", message);
}

vss_result vss_writer_call_set_post_snapshot_failure_msg(vss_writer_call *call, const char *logical_path,
                                                         const char *name, const char *message) {
        return set_text(call, logical_path, name, "post-snapshot-failure", message);
}

vss_result vss_writer_call_set_pre_restore_failure_msg(vss_writer_call *call, const char *logical_path,
                                                       const char *name, const char *message) {
        return set_text(call, logical_path, name, "pre-restore-failure", message);
}

vss_result vss_writer_call_set_post_restore_failure_msg(vss_writer_call *call, const char *logical_path,
                                                        const char *name, const char *message) {
        return set_text(call, logical_path, name, "post-restore-failure", message);
}

vss_result vss_writer_call_set_restore_metadata(vss_writer_call *call, const char *logical_path,
                                                const char *name, const char *metadata) {
        return set_text(call, logical_path, name, "restore-metadata", metadata);
}

vss_result vss_writer_call_set_restore_target(vss_writer_call *call, const char *logical_path,
                                              const char *name, enum vss_restore_target target) {
        vss_value *component;
        vss_result result = open_component(call, logical_path, name, "restore-target", &component);

        return result < 0 ? result : bc_set_restore_target(component, target, NULL);
}

vss_result vss_writer_call_add_partial_file(vss_writer_call *call, const char *logical_path,
                                            const char *name, const char *path, const char *filename,
                                            const char *ranges, const char *metadata) {
        vss_value *component;
        vss_result result;
        BcWriter writer;

        if (!call || !path || !filename || !ranges)
                return VSS_E_INVALIDARG;
        writer = writer_of(call);
        result = open_component(call, logical_path, name, "partial-files", &component);
        if (result < 0)
                return result;
        return bc_add_partial_file(&writer, component, path, filename, ranges, metadata ?: "", NULL);
}

vss_result vss_writer_call_add_differenced_files_by_last_modify_time(vss_writer_call *call,
                                                                     const char *logical_path,
                                                                     const char *name, const char *path,
                                                                     const char *filespec, bool recursive,
                                                                     uint64_t modified_after_usec) {
        vss_value *component;
        vss_result result;
        BcWriter writer;

        if (!call || !path || !filespec || modified_after_usec > INT64_MAX)
                return VSS_E_INVALIDARG;
        writer = writer_of(call);
        result = open_component(call, logical_path, name, "differenced-files", &component);
        if (result < 0)
                return result;
        return bc_add_differenced_files(&writer, component, path, filespec, recursive,
                                        (int64_t)modified_after_usec, NULL);
}

vss_result vss_writer_call_add_directed_target(vss_writer_call *call, const char *logical_path,
                                               const char *name, const char *source_path,
                                               const char *source_filename, const char *source_ranges,
                                               const char *destination_path,
                                               const char *destination_filename,
                                               const char *destination_ranges) {
        BcDirectedTarget target = {
                .path = source_path,
                .filespec = source_filename,
                .ranges = source_ranges ?: "",
                .destination_path = destination_path,
                .destination_filespec = destination_filename,
                .destination_ranges = destination_ranges ?: "",
        };
        vss_value *component;
        vss_result result;
        BcWriter writer;

        if (!call || !source_path || !source_filename || !destination_path || !destination_filename)
                return VSS_E_INVALIDARG;
        writer = writer_of(call);
        result = open_component(call, logical_path, name, "directed-targets", &component);
        return result < 0 ? result : bc_add_directed_target(&writer, component, &target, NULL);
}
