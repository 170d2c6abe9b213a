/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Identities: random UUIDs as lower-case text
 */

#include <linuxvss/types.h>

/* A new identity (version 4). Return: 0, or -errno if there is no randomness. */
int id_new(char ret_id[VSS_ID_SIZE]);
/* Is @id a UUID in lower-case text form, of any version? So it is also safe as a file name. */
bool id_is_valid(const char *id);
