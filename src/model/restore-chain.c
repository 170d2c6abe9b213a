/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restore: several backups of one component, one after the other
 */

#include <string.h>
#include "model/backup-components.h"
#include "model/component.h"
#include "model/restore-plan.h"

static const vss_value *chain_component(const vss_value *document, const char *writer,
                                        const char *logical_path, const char *name) {
        return component_find(vss_value_get(bc_find_writer(document, writer), "components"), logical_path,
                              name);
}

static bool builds_on(const vss_value *component, const vss_value *base) {
        const char *previous = vss_value_get_string(component, "previous-stamp", "");
        const char *stamp = vss_value_get_string(base, "stamp", "");

        return !*previous || !*stamp || strcmp(previous, stamp) == 0;
}

vss_result restore_chain_check(const vss_value *const *documents, size_t n, const char *writer,
                               const char *logical_path, const char *name, Why *why) {
        const ComponentLabel label = component_label(logical_path, name);
        bool incremental = false, differential = false;
        const vss_value *full = NULL, *before = NULL;

        for (size_t i = 0; i < n; i++) {
                const vss_value *component = chain_component(documents[i], writer, logical_path, name);
                int64_t number = vss_value_get_integer(documents[i], "backup-type", VSS_BT_UNDEFINED);
                int64_t schema = vss_value_get_integer(bc_find_writer(documents[i], writer), "backup-schema",
                                                       0);
                enum vss_backup_type type = backup_type_of_schema(
                        number >= VSS_BT_FULL && number <= VSS_BT_OTHER ? (enum vss_backup_type)number
                                                                        : VSS_BT_COPY,
                        (uint32_t)schema);
                bool is_base = type != VSS_BT_INCREMENTAL && type != VSS_BT_DIFFERENTIAL &&
                               type != VSS_BT_LOG;

                if (!component)
                        return why_set(why, VSS_E_OBJECT_NOT_FOUND, "Backup %zu does not have \"%s\" of %s.",
                                       i + 1, label.text, writer);
                if (is_base != (i == 0))
                        return why_set(
                                why, VSS_E_INVALIDARG,
                                "Backup %zu of \"%s\" is a %s one; a full one comes first, and only one.",
                                i + 1, label.text, backup_type_name(type));
                incremental = incremental || type == VSS_BT_INCREMENTAL;
                differential = differential || type == VSS_BT_DIFFERENTIAL;
                if (incremental && differential && (schema & VSS_BS_EXCLUSIVE_INCREMENTAL_DIFFERENTIAL))
                        return why_set(
                                why, VSS_E_INVALIDARG,
                                "The writer does not allow incremental and differential backups on the same "
                                "full one.");
                if (i > 0 && !builds_on(component, type == VSS_BT_DIFFERENTIAL ? full : before))
                        return why_set(
                                why, VSS_E_INVALIDARG,
                                "Backup %zu of \"%s\" builds on another one than that which stands before "
                                "it.",
                                i + 1, label.text);
                if (vss_value_get_boolean(component, "additional-restores", false) != (i + 1 < n))
                        return why_set(
                                why, VSS_E_INVALIDARG,
                                "Additional restores are announced for all backups but the last; see backup "
                                "%zu.",
                                i + 1);
                if (is_base)
                        full = component;
                before = component;
        }
        return VSS_S_OK;
}
