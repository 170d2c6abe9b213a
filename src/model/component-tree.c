/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A writer's components as a tree, and who comes with whom
 *
 * What is above a component is found by looking up each beginning of its logical path among all paths, so a
 * writer of many thousands of components takes no longer than its text is.
 */

#include <string.h>
#include "model/component-tree.h"
#include "model/component.h"

typedef struct ComponentPath {
        char *path; /* logical path and name */
        size_t node;
} ComponentPath;

/* Paths sort by their bytes; the first of the list comes first among the same. */
static int compare_paths(const void *a, const void *b) {
        const ComponentPath *pa = a, *pb = b;
        int order = strcmp(pa->path, pb->path);

        return order != 0 ? order : (pa->node > pb->node) - (pa->node < pb->node);
}

/* The node whose path is the @n first bytes of @path. */
static ssize_t find_path(const ComponentTree *tree, const char *path, size_t n) {
        size_t low = 0, high = tree->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strncmp(tree->sorted[middle].path, path, n);

                if (order == 0 && tree->sorted[middle].path[n] != '\0')
                        order = 1;
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low < tree->n && strncmp(tree->sorted[low].path, path, n) == 0 &&
            tree->sorted[low].path[n] == '\0')
                return (ssize_t)tree->sorted[low].node;
        return -1;
}

/* From the nearest element of the logical path upwards. */
static void find_above(ComponentTree *tree, ComponentNode *node) {
        const char *path = component_logical_path(node->component);

        for (size_t n = strlen(path); n > 0;) {
                ssize_t above = find_path(tree, path, n);

                if (above >= 0 && node->above < 0)
                        node->above = above;
                if (above >= 0 && tree->nodes[above].selectable) {
                        node->selectable_above = above;
                        return;
                }
                while (n > 0 && path[--n] != '/')
                        ;
        }
}

int component_tree_init(ComponentTree *tree, const vss_value *components) {
        size_t n = vss_value_count(components);

        *tree = (ComponentTree){ .nodes = calloc(n + 1, sizeof(*tree->nodes)),
                                 .sorted = calloc(n + 1, sizeof(*tree->sorted)) };
        if (!tree->nodes || !tree->sorted) {
                component_tree_clear(tree);
                return -ENOMEM;
        }
        for (; tree->n < n; tree->n++) {
                const vss_value *component = vss_value_at(components, tree->n);
                const char *path = component_logical_path(component);

                tree->nodes[tree->n] = (ComponentNode){
                        .component = component,
                        .above = -1,
                        .selectable_above = -1,
                        .selectable = vss_value_get_boolean(component, "selectable", false),
                };
                tree->sorted[tree->n].node = tree->n;
                if (asprintf(&tree->sorted[tree->n].path, "%s%s%s", path, *path ? "/" : "",
                             component_name(component)) < 0) {
                        tree->sorted[tree->n].path = NULL;
                        component_tree_clear(tree);
                        return -ENOMEM;
                }
        }
        qsort(tree->sorted, tree->n, sizeof(*tree->sorted), compare_paths);
        for (size_t i = 0; i < tree->n; i++)
                find_above(tree, &tree->nodes[i]);
        return 0;
}

void component_tree_clear(ComponentTree *tree) {
        for (size_t i = 0; tree->sorted && i < tree->n; i++)
                free(tree->sorted[i].path);
        free(tree->sorted);
        free(tree->nodes);
        *tree = (ComponentTree){ 0 };
}

ssize_t component_tree_find(const ComponentTree *tree, const char *logical_path, const char *name) {
        _cleanup_(freep) char *path = NULL;
        ssize_t node;

        if (asprintf(&path, "%s%s%s", logical_path, *logical_path ? "/" : "", name) < 0) {
                path = NULL;
                return -1;
        }
        node = find_path(tree, path, strlen(path));
        /* "a/b" and "c" is not "a" and "b/c". */
        return node >= 0 && component_is(tree->nodes[node].component, logical_path, name) ? node : -1;
}

bool component_tree_is_free(const ComponentTree *tree, size_t node) {
        return tree->nodes[node].selectable;
}

bool component_tree_is_required(const ComponentTree *tree, size_t node) {
        return !tree->nodes[node].selectable && tree->nodes[node].selectable_above < 0;
}

void component_tree_owners(const ComponentTree *tree, const bool *is_explicit, ssize_t *owners) {
        for (size_t i = 0; i < tree->n; i++) {
                ssize_t at = (ssize_t)i;
                bool required = component_tree_is_required(tree, i);

                while (at >= 0 && !is_explicit[at])
                        at = required ? tree->nodes[at].above : tree->nodes[at].selectable_above;
                owners[i] = at;
        }
}

int component_tree_owners_of(const ComponentTree *tree, const vss_value *explicit_components,
                             ssize_t **ret_owners) {
        _cleanup_(freep) bool *is_explicit = calloc(tree->n + 1, sizeof(*is_explicit));
        ssize_t *owners = calloc(tree->n + 1, sizeof(*owners));

        if (!is_explicit || !owners) {
                free(owners);
                return -ENOMEM;
        }
        for (size_t i = 0; i < vss_value_count(explicit_components); i++) {
                const vss_value *component = vss_value_at(explicit_components, i);
                ssize_t node = component_tree_find(tree, component_logical_path(component),
                                                   component_name(component));

                if (node >= 0)
                        is_explicit[node] = true;
        }
        component_tree_owners(tree, is_explicit, owners);
        *ret_owners = owners;
        return 0;
}
