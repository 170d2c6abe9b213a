/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Selection: which components a backup has, and which of them a restore takes
 *
 * Pure. The rules of the contract: what can be selected is chosen freely, unless something above it is; what
 * cannot be selected comes with the selectable component above it, or, having none, whenever anything of its
 * writer is chosen. Only components chosen by themselves (explicit) are named to the service; the others
 * (implicit) come with them.
 */

#include "model/component-tree.h"
#include "model/why.h"

typedef struct SelectionOptions {
        /* What cannot be selected, has nothing selectable above it, but some component that cannot be
         * selected either: false: it is explicit, too; true: it comes with that one. Both are in use, and
         * its files are the same. */
        bool top_level_only;
        /* selection_choose(): why a file set cannot be part of the backup; NULL: it can. */
        const char *(*refuse)(void *userdata, const vss_value *writer, const vss_value *file_set);
        void *userdata;
        /* selection_choose(): list of {writer, logical-path, name}; without a name all of the writer. */
        const vss_value *leave_out;
} SelectionOptions;

/**
 * selection_expand() - all that belongs to a backup of what is wanted
 * @writers: list of their metadata
 * @wanted:  list of {writer, logical-path, name}; the writer by name, class id or instance id; without a
 * name all of the writer
 * @ret_selection: a dictionary:
 *           explicit: list of {writer, logical-path, name, type, reason}, to be added
 *           implicit: list of {writer, logical-path, name, with {logical-path, name}}
 *           paths: list of {path, writer}, and "device" where known: where files are read, each path once
 *           volumes: list of device numbers, as far as known
 *           problems: list of {writer, logical-path, name, code, reason}: what was wanted and cannot be
 *           remote: list of {writer, logical-path, name, on-logical-path, on-name}: dependencies on other
 * machines
 *
 * Dependencies are followed, also where they lead in a circle.
 *
 * Return: VSS_S_OK, also with problems; VSS_E_OUTOFMEMORY.
 */
vss_result selection_expand(const vss_value *writers, const vss_value *wanted,
                            const SelectionOptions *options, vss_value **ret_selection);
/**
 * selection_choose() - all that can be part of a backup of some volumes
 *
 * Left out are components as @options say, those that are incomplete without one that is left out, those
 * that depend on such a one, and all of a writer that has to have one. Of what is left, the uppermost are
 * explicit.
 * @ret_selection is as selection_expand()'s, and has
 *           dropped: list of {writer, logical-path, name, reason}; without a name: all of the writer
 */
vss_result selection_choose(const vss_value *writers, const SelectionOptions *options,
                            vss_value **ret_selection);

/* Is the component in a selection, explicit or implicit? */
bool selection_includes(const vss_value *selection, const char *writer, const char *logical_path,
                        const char *name);

/**
 * selection_find_for_restore() - how a component can be restored by itself
 * @components:   the writer's list in the Backup Components Document
 * @ret_explicit: the component to call SetSelectedForRestore for, in @components
 * @ret_sub:      AddRestoreSubcomponent is needed too
 *
 * What was explicit at the backup always can; another only if its writer said selectable-for-restore, which
 * means nothing for what has no component above it.
 *
 * Return: VSS_S_OK, VSS_E_OBJECT_NOT_FOUND if it is not in the backup, VSS_E_INVALIDARG if it comes with
 * another only, VSS_E_OUTOFMEMORY.
 */
vss_result selection_find_for_restore(const vss_value *metadata, const vss_value *components,
                                      const char *logical_path, const char *name,
                                      const vss_value **ret_explicit, bool *ret_sub, Why *why);
/* For each node of the tree the explicit component with which it is restored, -1 if it is not: by
 * "selected-for-restore", and where there are "restore-subcomponents", only these and what is below them.
 * Return: 0, -ENOMEM; an array to be freed. */
int selection_restored(const ComponentTree *tree, const vss_value *components, ssize_t **ret_owners);
