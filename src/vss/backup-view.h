/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The shadow copies of a backup over the original mount points: what `vss exec` runs its command in, and
 * `vss backup` reads in
 */

#include "vss/backup.h"
#include "vss/namespace.h"

typedef struct BackupView {
        View view;
        int *fds; /* a detached mount for each shadow copy, or part of one; -1 once it is used */
        size_t n;

        size_t room;
        ViewShadow *shadows;
        Strings mounts, parts, live; /* what the view borrows */
} BackupView;

/*
 * backup_view_make() - open the shadow copies and plan what lies where
 * @by_parts: is only what was asked for of this volume, which was copied file by file, to be covered, and
 * the rest of it as it is? Told the paths that its copy has. Return: EXIT_DONE, or another status after a
 * message.
 */
int backup_view_make(Backup *backup,
                     bool (*by_parts)(void *userdata, const BackupVolume *volume, const vss_value *paths),
                     void *userdata, BackupView *ret_view);
/* The descriptors are of no more use once the view stands. */
void backup_view_close(BackupView *view);
void backup_view_clear(BackupView *view);

/*
 * backup_view_hold() - a mount namespace with the view
 * Nobody runs in it: it is gone with its descriptor and those who have entered it.
 * Return: EXIT_DONE, or another status after a message.
 */
int backup_view_hold(Cli *cli, const BackupView *view, int *ret_fd);

/* Whoever may not mount cannot have a view. */
bool backup_view_is_possible(void);
