/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A writer's components as a tree, and who comes with whom
 *
 * Pure. The tree is made of the list in the writer's metadata, which is borrowed and must outlive it. Nodes
 * are in the order of the list.
 */

#include <sys/types.h>
#include "util/value.h"

typedef struct ComponentNode {
        const vss_value *component;
        ssize_t above;            /* the nearest component above; -1: none */
        ssize_t selectable_above; /* the nearest one that can be selected */
        bool selectable;
} ComponentNode;

typedef struct ComponentTree {
        ComponentNode *nodes;
        size_t n;
        struct ComponentPath *sorted;
} ComponentTree;

/* Return: 0, -ENOMEM. Of components with the same key, the first is found. */
int component_tree_init(ComponentTree *tree, const vss_value *components);
void component_tree_clear(ComponentTree *tree);
/* The node of a key; -1 if there is none. */
ssize_t component_tree_find(const ComponentTree *tree, const char *logical_path, const char *name);
/* May it be chosen by itself, or must it be whenever something of the writer is? (No component with both.)
 */
bool component_tree_is_free(const ComponentTree *tree, size_t node);
bool component_tree_is_required(const ComponentTree *tree, size_t node);

/**
 * component_tree_owners() - which explicit component each one is part of
 * @is_explicit: for each node
 * @owners:      room for each node; set to a node, or -1 for what is not chosen
 *
 * An explicit component is its own. Others come with the nearest explicit selectable one above; what cannot
 * be selected and has no selectable one above comes with the nearest explicit one above, if it is not
 * explicit itself (both ways are in use).
 */
void component_tree_owners(const ComponentTree *tree, const bool *is_explicit, ssize_t *owners);
/* The same for a list of components of the Backup Components Document. Return: 0, -ENOMEM; an array of one
 * owner per node, to be freed. */
int component_tree_owners_of(const ComponentTree *tree, const vss_value *explicit_components,
                             ssize_t **ret_owners);
