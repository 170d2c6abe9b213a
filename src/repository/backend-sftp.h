/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A repository on another machine, over SFTP
 */

#include "repository/backend.h"

/* @location without its "sftp:". */
int backend_sftp_open(const char *location, const char *const *command, bool create, Why *why,
                      Backend **ret_backend);
