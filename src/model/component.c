/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Components: their keys, and what lies below what
 */

#include <string.h>
#include "model/component.h"
#include "util/utf8.h"

const char *component_logical_path(const vss_value *component) {
        return vss_value_get_string(component, "logical-path", "");
}

const char *component_name(const vss_value *component) {
        return vss_value_get_string(component, "name", "");
}

ComponentLabel component_label(const char *logical_path, const char *name) {
        ComponentLabel label;

        (void)snprintf(label.text, sizeof(label.text), "%s%s%s", logical_path, *logical_path ? "/" : "",
                       name);
        (void)text_make_utf8(label.text);
        return label;
}

bool component_is(const vss_value *component, const char *logical_path, const char *name) {
        return strcmp(component_logical_path(component), logical_path) == 0 &&
               strcmp(component_name(component), name) == 0;
}

bool component_is_below(const vss_value *component, const char *logical_path, const char *name) {
        const char *at = component_logical_path(component);
        size_t n = strlen(logical_path);

        if (n > 0) {
                if (strncmp(at, logical_path, n) != 0 || at[n] != '/')
                        return false;
                at += n + 1;
        }
        n = strlen(name);
        return n > 0 && strncmp(at, name, n) == 0 && (at[n] == '\0' || at[n] == '/');
}

ssize_t component_index(const vss_value *list, const char *logical_path, const char *name) {
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (component_is(vss_value_at(list, i), logical_path, name))
                        return (ssize_t)i;
        return -1;
}

const vss_value *component_find(const vss_value *list, const char *logical_path, const char *name) {
        ssize_t i = component_index(list, logical_path, name);

        return i < 0 ? NULL : vss_value_at(list, (size_t)i);
}

vss_value *component_find_mutable(vss_value *list, const char *logical_path, const char *name) {
        ssize_t i = component_index(list, logical_path, name);

        return i < 0 ? NULL : value_at_mutable(list, (size_t)i);
}

const vss_value *component_selectable_ancestor(const vss_value *list, const vss_value *component) {
        const vss_value *nearest = NULL;

        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *above = vss_value_at(list, i);

                if (!vss_value_get_boolean(above, "selectable", false) ||
                    !component_is_below(component, component_logical_path(above), component_name(above)))
                        continue;
                if (!nearest ||
                    component_is_below(above, component_logical_path(nearest), component_name(nearest)))
                        nearest = above;
        }
        return nearest;
}

const char *file_set_path(const vss_value *set) {
        return vss_value_get_string(set, "path", "");
}

const char *file_set_filespec(const vss_value *set) {
        return vss_value_get_string(set, "filespec", "");
}

bool file_set_is_recursive(const vss_value *set) {
        return vss_value_get_boolean(set, "recursive", false);
}

bool file_set_is(const vss_value *set, const char *path, const char *filespec, bool recursive) {
        return strcmp(file_set_path(set), path) == 0 && strcmp(file_set_filespec(set), filespec) == 0 &&
               file_set_is_recursive(set) == recursive;
}
