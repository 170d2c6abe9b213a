/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Restore: the file sets of one explicit component, and where each could go
 */

#include "model/component-tree.h"
#include "model/restore-plan.h"

typedef struct RestoreItem {
        const vss_value *component; /* in the metadata; NULL: only the document names the files */
        const vss_value *set;
        char *directory;  /* default path */
        char *mapping;    /* where the writer's mapping sends it; NULL: it has none */
        char *new_target; /* where the requester sends it */
        bool directed;    /* all of it goes to directed targets */
} RestoreItem;

typedef struct RestoreItems {
        RestoreItem *items;
        size_t n;
} RestoreItems;

void restore_items_clear(RestoreItems *items);
/* All whose owner is @owner; and what the writer named in the document, and no file set has. Return:
 * VSS_S_OK, VSS_E_INVALIDARG for a path that means nothing, VSS_E_OUTOFMEMORY. */
vss_result restore_items_gather(const RestorePlanInput *input, const ComponentTree *tree,
                                const ssize_t *owners, ssize_t owner, const vss_value *explicit_component,
                                RestoreItems *items, Why *why);
/* The one of the @n first whose files those of @entry, in @directory, belong to. */
const RestoreItem *restore_items_find(const RestoreItems *items, size_t n, const char *directory,
                                      const vss_value *entry);
