/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The Backup Components Document: finding, choosing, and what the requester says of a component
 */

#include <string.h>
#include "model/backup-components.h"
#include "model/component.h"
#include "model/filespec.h"
#include "model/path.h"
#include "model/ranges.h"
#include "util/utf8.h"

/* The tree */

vss_value *bc_writer_new(const vss_value *metadata, const vss_value *components) {
        static const char *const texts[] = { "name", "id", "instance-id", "instance-name", "version" };
        _cleanup_value_ vss_value *writer = vss_value_new_dict();
        vss_result result = VSS_S_OK;

        FOREACH_ELEMENT (key, texts)
                if (result >= 0)
                        result = vss_value_set_string(writer, *key,
                                                      vss_value_get_string(metadata, *key, ""));
        if (result >= 0)
                result = vss_value_set_integer(writer, "backup-schema",
                                               vss_value_get_integer(metadata, "backup-schema", 0));
        if (result >= 0)
                result = vss_value_set(writer, "components",
                                       components ? vss_value_copy(components) : vss_value_new_list());
        return result < 0 ? NULL : TAKE_PTR(writer);
}

const vss_value *bc_find_writer(const vss_value *document, const char *name) {
        static const char *const keys[] = { "name", "instance-id", "id" };
        const vss_value *writers = vss_value_get(document, "writers");

        FOREACH_ELEMENT (key, keys)
                for (size_t i = 0; *name && i < vss_value_count(writers); i++)
                        if (strcmp(vss_value_get_string(vss_value_at(writers, i), *key, ""), name) == 0)
                                return vss_value_at(writers, i);
        return NULL;
}

/* Is one that was added above or below @component? */
static vss_result check_set(const BcWriter *writer, const vss_value *component, Why *why) {
        const char *logical_path = component_logical_path(component), *name = component_name(component);
        const ComponentLabel label = component_label(logical_path, name);
        const vss_value *declared = vss_value_get(writer->metadata, "components"), *above;

        above = component_selectable_ancestor(declared, component);
        if (above && !vss_value_get_boolean(component, "selectable", false))
                return why_set(
                        why, VSS_E_INVALIDARG,
                        "Component \"%s\" of %s cannot be chosen by itself: it comes with \"%s\". Add that.",
                        label.text, writer->name,
                        component_label(component_logical_path(above), component_name(above)).text);
        for (size_t i = 0; i < vss_value_count(writer->components); i++) {
                const vss_value *added = vss_value_at(writer->components, i);
                const char *added_path = component_logical_path(added), *added_name = component_name(added);
                const vss_value *as_declared = component_find(declared, added_path, added_name);
                const ComponentLabel other = component_label(added_path, added_name);

                if (vss_value_get_boolean(as_declared, "selectable", false) &&
                    component_is_below(component, added_path, added_name))
                        return why_set(
                                why, VSS_E_INVALIDARG,
                                "Component \"%s\" of %s comes with \"%s\", which has been added. Leave "
                                "it out.",
                                label.text, writer->name, other.text);
                if (vss_value_get_boolean(component, "selectable", false) &&
                    component_is_below(added, logical_path, name))
                        return why_set(why, VSS_E_INVALIDARG,
                                       "Component \"%s\" of %s brings \"%s\" along, which has been added by "
                                       "itself. Add only one of them.",
                                       label.text, writer->name, other.text);
        }
        return VSS_S_OK;
}

vss_result bc_add(const BcWriter *writer, const char *logical_path, const char *name, Why *why) {
        const vss_value *component = component_find(vss_value_get(writer->metadata, "components"),
                                                    logical_path, name);
        const ComponentLabel label = component_label(logical_path, name);
        _cleanup_value_ vss_value *added = NULL;
        vss_result result;

        if (!component)
                return why_set(why, VSS_E_OBJECT_NOT_FOUND,
                               "Writer %s has no component \"%s\". See vss list components.", writer->name,
                               label.text);
        if (component_find(writer->components, logical_path, name))
                return why_set(why, VSS_E_OBJECT_ALREADY_EXISTS,
                               "Component \"%s\" of %s has been added already.", label.text, writer->name);
        if (vss_value_count(writer->components) >= BC_COMPONENTS_MAX)
                return why_set(why, VSS_E_INVALIDARG,
                               "Writer %s has %u components added, which is the most.", writer->name,
                               BC_COMPONENTS_MAX);
        result = check_set(writer, component, why);
        if (result < 0)
                return result;
        added = vss_value_new_dict();
        if (vss_value_set_string(added, "logical-path", logical_path) < 0 ||
            vss_value_set_string(added, "name", name) < 0 ||
            vss_value_set_integer(added, "type", vss_value_get_integer(component, "type", 0)) < 0 ||
            vss_value_append(writer->components, TAKE_PTR(added)) < 0)
                return why_no_memory(why);
        return VSS_S_OK;
}

vss_result bc_find(const BcWriter *writer, const char *logical_path, const char *name,
                   vss_value **ret_component, Why *why) {
        vss_value *component = component_find_mutable(writer->components, logical_path, name);

        if (!component)
                return why_set(why, VSS_E_OBJECT_NOT_FOUND,
                               "Component \"%s\" of %s is not in the Backup Components Document: it was not "
                               "added.",
                               component_label(logical_path, name).text, writer->name);
        *ret_component = component;
        return VSS_S_OK;
}

/* Texts, numbers, entries */

static vss_result check_text(const char *key, const char *text, size_t size_max, Why *why) {
        if (strnlen(text, size_max + 1) > size_max)
                return why_set(why, VSS_E_INVALIDARG, "The text of \"%s\" is longer than %zu bytes.", key,
                               size_max);
        if (!text_is_utf8(text))
                return why_set(why, VSS_E_INVALIDARG, "The text of \"%s\" is not UTF-8.", key);
        return VSS_S_OK;
}

vss_result bc_set_text(vss_value *component, const char *key, const char *text, Why *why) {
        bool is_metadata = strcmp(key, "backup-metadata") == 0 || strcmp(key, "restore-metadata") == 0;
        vss_result result = check_text(key, text, is_metadata ? BC_METADATA_MAX : BC_TEXT_MAX, why);

        if (result < 0)
                return result;
        return vss_value_set_string(component, key, text) < 0 ? why_no_memory(why) : VSS_S_OK;
}

static vss_result set_boolean(vss_value *component, const char *key, bool boolean, Why *why) {
        return vss_value_set_boolean(component, key, boolean) < 0 ? why_no_memory(why) : VSS_S_OK;
}

/* Takes @entry over, also on failure; @entry may be NULL. */
static vss_result add_entry(vss_value *component, const char *key, vss_value *entry, Why *why) {
        _cleanup_value_ vss_value *owned = entry;
        vss_value *list = owned ? value_require(component, key, VSS_KIND_LIST) : NULL;

        if (!list)
                return why_no_memory(why);
        if (vss_value_count(list) >= BC_ENTRIES_MAX)
                return why_set(
                        why, VSS_E_INVALIDARG, "Component \"%s\" has %u entries in \"%s\", the most.",
                        component_label(component_logical_path(component), component_name(component)).text,
                        BC_ENTRIES_MAX, key);
        return vss_value_append(list, TAKE_PTR(owned)) < 0 ? why_no_memory(why) : VSS_S_OK;
}

static vss_value *file_set_new(const char *path, const char *filespec, bool recursive,
                               const char *alternate_path) {
        _cleanup_value_ vss_value *set = vss_value_new_dict();

        if (vss_value_set_string(set, "path", path) < 0 ||
            vss_value_set_string(set, "filespec", filespec) < 0 ||
            vss_value_set_boolean(set, "recursive", recursive) < 0 ||
            vss_value_set_string(set, "alternate-path", alternate_path) < 0)
                return NULL;
        return TAKE_PTR(set);
}

static bool has_file_set(const vss_value *list, const char *path, const char *filespec, bool recursive) {
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (file_set_is(vss_value_at(list, i), path, filespec, recursive))
                        return true;
        return false;
}

/* The requester's side: backup */

vss_result bc_set_succeeded(vss_value *component, bool succeeded, Why *why) {
        return set_boolean(component, "succeeded", succeeded, why);
}

vss_result bc_set_backup_options(vss_value *component, const char *options, Why *why) {
        return bc_set_text(component, "backup-options", options, why);
}

vss_result bc_set_previous_stamp(vss_value *component, const char *stamp, Why *why) {
        return bc_set_text(component, "previous-stamp", stamp, why);
}

/* The requester's side: restore */

vss_result bc_set_selected_for_restore(vss_value *component, bool selected, Why *why) {
        return set_boolean(component, "selected-for-restore", selected, why);
}

vss_result bc_set_restore_options(vss_value *component, const char *options, Why *why) {
        return bc_set_text(component, "restore-options", options, why);
}

vss_result bc_set_additional_restores(vss_value *component, bool additional, Why *why) {
        return set_boolean(component, "additional-restores", additional, why);
}

vss_result bc_add_restore_subcomponent(const BcWriter *writer, vss_value *component,
                                       const char *logical_path, const char *name, Why *why) {
        const vss_value *declared = component_find(vss_value_get(writer->metadata, "components"),
                                                   logical_path, name);
        const ComponentLabel label = component_label(logical_path, name);
        const ComponentLabel whole = component_label(component_logical_path(component),
                                                     component_name(component));
        vss_value *sub;

        if (!declared ||
            !component_is_below(declared, component_logical_path(component), component_name(component)))
                return why_set(why, VSS_E_OBJECT_NOT_FOUND,
                               "Writer %s has no component \"%s\" below \"%s\".", writer->name, label.text,
                               whole.text);
        if (!vss_value_get_boolean(declared, "selectable-for-restore", false))
                return why_set(
                        why, VSS_E_INVALIDARG,
                        "Component \"%s\" of %s can be restored with all of \"%s\" only: its writer does "
                        "not let it be chosen.",
                        label.text, writer->name, whole.text);
        if (component_find(vss_value_get(component, "restore-subcomponents"), logical_path, name))
                return why_set(why, VSS_E_OBJECT_ALREADY_EXISTS,
                               "Subcomponent \"%s\" of %s has been added already.", label.text,
                               writer->name);
        sub = vss_value_new_dict();
        (void)vss_value_set_string(sub, "logical-path", logical_path);
        (void)vss_value_set_string(sub, "name", name);
        return add_entry(component, "restore-subcomponents", sub, why);
}

/* Is this a file set of the component, or of one that comes with it? */
static bool is_declared(const BcWriter *writer, const vss_value *component, const char *path,
                        const char *filespec, bool recursive) {
        const vss_value *declared = vss_value_get(writer->metadata, "components");
        const char *logical_path = component_logical_path(component), *name = component_name(component);

        for (size_t i = 0; i < vss_value_count(declared); i++) {
                const vss_value *member = vss_value_at(declared, i);

                if ((component_is(member, logical_path, name) ||
                     component_is_below(member, logical_path, name)) &&
                    has_file_set(vss_value_get(member, "files"), path, filespec, recursive))
                        return true;
        }
        return false;
}

static uint32_t schema_of(const BcWriter *writer) {
        return writer->metadata ? (uint32_t)vss_value_get_integer(writer->metadata, "backup-schema", 0)
                                : writer->schema;
}

vss_result bc_add_new_target(const BcWriter *writer, vss_value *component, const char *path,
                             const char *filespec, bool recursive, const char *alternate_path, Why *why) {
        if (!(schema_of(writer) & VSS_BS_WRITER_SUPPORTS_NEW_TARGET))
                return why_set(
                        why, VSS_E_NOT_SUPPORTED,
                        "Writer %s does not let its files be restored to new targets (its backup schema "
                        "has no WRITER_SUPPORTS_NEW_TARGET).",
                        writer->name);
        if (!path_is_normal(alternate_path))
                return why_set(
                        why, VSS_E_INVALIDARG,
                        "The new target \"%.256s\" must be an absolute path without \".\" and \"..\".",
                        alternate_path);
        if (!is_declared(writer, component, path, filespec, recursive))
                return why_set(
                        why, VSS_E_OBJECT_NOT_FOUND,
                        "Component \"%s\" of %s has no file set \"%.200s\", \"%.100s\"%s.",
                        component_label(component_logical_path(component), component_name(component)).text,
                        writer->name, path, filespec, recursive ? ", recursive" : "");
        if (has_file_set(vss_value_get(component, "new-targets"), path, filespec, recursive))
                return why_set(why, VSS_E_OBJECT_ALREADY_EXISTS,
                               "File set \"%.200s\", \"%.100s\" has a new target already.", path, filespec);
        return add_entry(component, "new-targets", file_set_new(path, filespec, recursive, alternate_path),
                         why);
}

vss_result bc_add_alternative_location_mapping(const BcWriter *writer, vss_value *component,
                                               const char *path, const char *filespec, bool recursive,
                                               const char *alternate_path, Why *why) {
        const vss_value *mappings = vss_value_get(writer->metadata, "alternate-mappings");
        bool declared = false;

        for (size_t i = 0; i < vss_value_count(mappings) && !declared; i++) {
                const vss_value *mapping = vss_value_at(mappings, i);

                declared = file_set_is(mapping, path, filespec, recursive) &&
                           strcmp(vss_value_get_string(mapping, "alternate-path", ""), alternate_path) == 0;
        }
        if (!declared || !is_declared(writer, component, path, filespec, recursive))
                return why_set(
                        why, VSS_E_OBJECT_NOT_FOUND,
                        "Writer %s has declared no mapping of \"%.200s\", \"%.100s\" to \"%.200s\" for "
                        "this component.",
                        writer->name, path, filespec, alternate_path);
        if (has_file_set(vss_value_get(component, "alternate-mappings"), path, filespec, recursive))
                return why_set(why, VSS_E_OBJECT_ALREADY_EXISTS,
                               "The mapping of \"%.200s\", \"%.100s\" has been added already.", path,
                               filespec);
        return add_entry(component, "alternate-mappings",
                         file_set_new(path, filespec, recursive, alternate_path), why);
}

vss_result bc_set_ranges_file_path(vss_value *component, uint32_t index, const char *path, Why *why) {
        vss_value *list = value_get_mutable(component, "partial-files"),
                  *partial = value_at_mutable(list, index);

        if (!partial)
                return why_set(
                        why, VSS_E_OBJECT_NOT_FOUND,
                        "Component \"%s\" has %zu partial files; there is none of index %u.",
                        component_label(component_logical_path(component), component_name(component)).text,
                        vss_value_count(list), index);
        if (!ranges_file(vss_value_get_string(partial, "ranges", "")))
                return why_set(why, VSS_E_INVALIDARG, "Partial file %u has no ranges file.", index);
        if (!path_is_normal(path))
                return why_set(
                        why, VSS_E_INVALIDARG,
                        "The ranges file \"%.256s\" must be an absolute path without \".\" and \"..\".",
                        path);
        return value_set_printf(partial, "ranges", "File=%s", path) < 0 ? why_no_memory(why) : VSS_S_OK;
}

vss_result bc_set_file_restore_status(vss_value *component, uint32_t status, Why *why) {
        if (status < VSS_RS_NONE || status > VSS_RS_FAILED)
                return why_set(why, VSS_E_INVALIDARG, "%u is no file restore status.", status);
        return vss_value_set_integer(component, "file-restore-status", status) < 0 ? why_no_memory(why)
                                                                                   : VSS_S_OK;
}

static vss_result require_schema(const BcWriter *writer, uint32_t bit, const char *what, Why *why) {
        if (schema_of(writer) & bit)
                return VSS_S_OK;
        return why_set(why, VSS_E_NOT_SUPPORTED, "Writer %s has no %s (its backup schema lacks it).",
                       writer->name, what);
}

vss_result bc_set_authoritative_restore(const BcWriter *writer, vss_value *component, bool authoritative,
                                        Why *why) {
        vss_result result = !authoritative ? VSS_S_OK
                                           : require_schema(writer, VSS_BS_AUTHORITATIVE_RESTORE,
                                                            "authoritative restore", why);

        return result < 0 ? result : set_boolean(component, "authoritative", authoritative, why);
}

vss_result bc_set_roll_forward(const BcWriter *writer, vss_value *component, uint32_t type,
                               const char *point, Why *why) {
        _cleanup_value_ vss_value *roll_forward = NULL;
        vss_result result;

        if (type < VSS_RF_NONE || type > VSS_RF_PARTIAL || (type == VSS_RF_PARTIAL) != (*point != '\0'))
                return why_set(
                        why, VSS_E_INVALIDARG,
                        "Roll forward is none (1), all (2), or partial (3) up to a point; not %u with "
                        "\"%.100s\".",
                        type, point);
        result = check_text("roll-forward", point, BC_TEXT_MAX, why);
        if (result >= 0 && type != VSS_RF_NONE)
                result = require_schema(writer, VSS_BS_ROLLFORWARD_RESTORE, "roll forward", why);
        if (result < 0)
                return result;
        roll_forward = vss_value_new_dict();
        if (vss_value_set_integer(roll_forward, "type", type) < 0 ||
            vss_value_set_string(roll_forward, "point", point) < 0 ||
            vss_value_set(component, "roll-forward", TAKE_PTR(roll_forward)) < 0)
                return why_no_memory(why);
        return VSS_S_OK;
}

vss_result bc_set_restore_name(const BcWriter *writer, vss_value *component, const char *name, Why *why) {
        vss_result result = !*name ? VSS_S_OK
                                   : require_schema(writer, VSS_BS_RESTORE_RENAME,
                                                    "restore under a new name", why);

        return result < 0 ? result : bc_set_text(component, "restore-name", name, why);
}
