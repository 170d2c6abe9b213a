/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The parts of a backup: what its files need of each other
 *
 * Return: EXIT_DONE, or another status after a message.
 */

#include "vss/backup.h"

/* A volume whose files are seen at @target is in the set. */
int backup_remember_volume(Backup *backup, const char *target, const char *below, const char *snapshot);

/* Between two calls: a signal that came ends the backup. */
int backup_check_interrupt(Backup *backup);
/* Is this volume of the plan one that will be in the set? */
bool backup_joins_set(const Backup *backup, const vss_value *volume);

/* Are components chosen, or does whatever lies on the volumes take part? */
bool backup_selects_components(const Backup *backup);
/* After the gather: what --writer names. */
int backup_choose_components(Backup *backup);
/* Where the volumes of the set are known: what of the components can be had from them. */
int backup_limit_components(Backup *backup);
int backup_add_components(Backup *backup);
/* Components that are missing are left out like volumes are, and who takes part is part of the answer. */
int backup_add_participation(Backup *backup);
