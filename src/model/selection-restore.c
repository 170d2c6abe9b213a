/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Selection: what of a backup is restored
 */

#include <string.h>
#include "model/component.h"
#include "model/selection.h"

vss_result selection_find_for_restore(const vss_value *metadata, const vss_value *components,
                                      const char *logical_path, const char *name,
                                      const vss_value **ret_explicit, bool *ret_sub, Why *why) {
        _cleanup_(component_tree_clear) ComponentTree tree = { 0 };
        const vss_value *explicit_component = component_find(components, logical_path, name), *owner;
        const ComponentLabel label = component_label(logical_path, name);
        const char *writer = vss_value_get_string(metadata, "name", "");
        _cleanup_(freep) ssize_t *owners = NULL;
        ssize_t node;

        if (explicit_component) {
                *ret_explicit = explicit_component;
                *ret_sub = false;
                return VSS_S_OK;
        }
        if (component_tree_init(&tree, vss_value_get(metadata, "components")) < 0 ||
            component_tree_owners_of(&tree, components, &owners) < 0)
                return why_no_memory(why);
        node = component_tree_find(&tree, logical_path, name);
        if (node < 0 || owners[node] < 0)
                return why_set(why, VSS_E_OBJECT_NOT_FOUND, "Component \"%s\" of %s is not in this backup.",
                               label.text, writer);
        owner = tree.nodes[owners[node]].component;
        if (!vss_value_get_boolean(tree.nodes[node].component, "selectable-for-restore", false))
                return why_set(
                        why, VSS_E_INVALIDARG,
                        "Component \"%s\" of %s can be restored with all of \"%s\" only: its writer does "
                        "not let it be chosen.",
                        label.text, writer,
                        component_label(component_logical_path(owner), component_name(owner)).text);
        *ret_explicit = component_find(components, component_logical_path(owner), component_name(owner));
        *ret_sub = true;
        return VSS_S_OK;
}

static bool is_restored(const vss_value *component, const vss_value *explicit_component) {
        const vss_value *subs = vss_value_get(explicit_component, "restore-subcomponents");

        if (!vss_value_get_boolean(explicit_component, "selected-for-restore", false))
                return false;
        for (size_t i = 0; i < vss_value_count(subs); i++) {
                const char *path = component_logical_path(vss_value_at(subs, i)),
                           *name = component_name(vss_value_at(subs, i));

                if (component_is(component, path, name) || component_is_below(component, path, name))
                        return true;
        }
        return vss_value_count(subs) == 0;
}

int selection_restored(const ComponentTree *tree, const vss_value *components, ssize_t **ret_owners) {
        _cleanup_(freep) ssize_t *owners = NULL;
        int r = component_tree_owners_of(tree, components, &owners);

        if (r < 0)
                return r;
        for (size_t i = 0; i < tree->n; i++) {
                const vss_value *owner = owners[i] < 0 ? NULL : tree->nodes[owners[i]].component;

                if (owner && !is_restored(tree->nodes[i].component,
                                          component_find(components, component_logical_path(owner),
                                                         component_name(owner))))
                        owners[i] = -1;
        }
        *ret_owners = TAKE_PTR(owners);
        return 0;
}
