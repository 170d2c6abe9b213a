/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restore: the file sets of one explicit component, and where each could go
 */

#include <string.h>
#include "model/component.h"
#include "model/restore-items.h"

void restore_items_clear(RestoreItems *items) {
        for (size_t i = 0; i < items->n; i++) {
                free(items->items[i].directory);
                free(items->items[i].mapping);
                free(items->items[i].new_target);
        }
        free(items->items);
        *items = (RestoreItems){ 0 };
}

static vss_result expand(const RestorePlanInput *input, const char *path, char **ret_path, Why *why) {
        return filespec_expand(path, input->lookup, input->userdata, ret_path, why);
}

/* The place that a list of {path, filespec, recursive, alternate-path} gives for a file set; by text, as all
 * of the contract's comparisons of file sets. */
static vss_result find_mapping(const RestorePlanInput *input, const vss_value *list, const vss_value *set,
                               char **ret_path, Why *why) {
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *mapping = vss_value_at(list, i);

                if (file_set_is(mapping, file_set_path(set), file_set_filespec(set),
                                file_set_is_recursive(set)))
                        return expand(input, vss_value_get_string(mapping, "alternate-path", ""), ret_path,
                                      why);
        }
        return VSS_S_OK;
}

static RestoreItem *new_item(RestoreItems *items) {
        RestoreItem *grown = reallocarray(items->items, items->n + 1, sizeof(*grown));

        if (!grown)
                return NULL;
        items->items = grown;
        grown[items->n] = (RestoreItem){ 0 };
        return &grown[items->n++];
}

static vss_result add_item(const RestorePlanInput *input, RestoreItems *items, const vss_value *component,
                           const vss_value *set, const vss_value *explicit_component, Why *why) {
        RestoreItem *item = new_item(items);
        vss_result result;

        if (!item)
                return why_no_memory(why);
        item->component = component;
        item->set = set;
        result = filespec_check(file_set_filespec(set), why);
        if (result >= 0)
                result = expand(input, file_set_path(set), &item->directory, why);
        if (result >= 0)
                result = find_mapping(input, vss_value_get(input->metadata, "alternate-mappings"), set,
                                      &item->mapping, why);
        if (result >= 0)
                result = find_mapping(input, vss_value_get(explicit_component, "new-targets"), set,
                                      &item->new_target, why);
        return result;
}

const RestoreItem *restore_items_find(const RestoreItems *items, size_t n_sets, const char *directory,
                                      const vss_value *entry) {
        _cleanup_(freep) char *path = NULL;

        if (asprintf(&path, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory,
                     file_set_filespec(entry)) < 0) {
                path = NULL;
                return NULL;
        }
        for (size_t i = 0; i < n_sets; i++)
                if (filespec_covers(items->items[i].directory, file_set_filespec(items->items[i].set),
                                    file_set_is_recursive(items->items[i].set), path))
                        return &items->items[i];
        return NULL;
}

/* Files that the writer named in the document and that no file set has go where they were. */
static vss_result add_said(const RestorePlanInput *input, RestoreItems *items,
                           const vss_value *explicit_component, const char *key, Why *why) {
        const vss_value *list = vss_value_get(explicit_component, key);
        size_t n_sets = items->n;

        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *entry = vss_value_at(list, i);
                _cleanup_(freep) char *directory = NULL;
                vss_result result = expand(input, file_set_path(entry), &directory, why);

                if (result >= 0 && !restore_items_find(items, n_sets, directory, entry))
                        result = add_item(input, items, NULL, entry, explicit_component, why);
                if (result < 0)
                        return result;
        }
        return VSS_S_OK;
}

vss_result restore_items_gather(const RestorePlanInput *input, const ComponentTree *tree,
                                const ssize_t *owners, ssize_t owner, const vss_value *explicit_component,
                                RestoreItems *items, Why *why) {
        vss_result result = VSS_S_OK;

        for (size_t i = 0; i < tree->n && result >= 0; i++) {
                const vss_value *component = tree->nodes[i].component;
                const vss_value *files = vss_value_get(component, "files");

                for (size_t j = 0; owners[i] == owner && j < vss_value_count(files) && result >= 0; j++)
                        result = add_item(input, items, component, vss_value_at(files, j),
                                          explicit_component, why);
        }
        if (result >= 0 &&
            vss_value_count(vss_value_get(explicit_component, "restore-subcomponents")) == 0) {
                result = add_said(input, items, explicit_component, "differenced-files", why);
                if (result >= 0)
                        result = add_said(input, items, explicit_component, "partial-files", why);
        }
        return result;
}
