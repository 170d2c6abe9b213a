/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The view of `vss exec` made real: a mount namespace of the calling process's own
 */

#include "vss/view.h"

/* What could not be done, in words, to be sent through a pipe as it is. */
typedef struct NamespaceError {
        int error; /* errno; 0: none */
        char what[512];
} NamespaceError;

/*
 * namespace_enter() - give this process a mount namespace with @view, and @directory as working directory
 * @mount_fds: a detached mount for each shadow copy of the view's input; attached and of no more use
 * afterwards Must be called in a child that has one thread and nothing to lose. Return: 0, or -errno with
 * @error filled in.
 */
int namespace_enter(const View *view, const int *mount_fds, size_t n_mount_fds, const char *directory,
                    NamespaceError *error);
