/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A repository in a directory
 */

#include "repository/backend.h"

int backend_local_open(const char *path, bool create, Why *why, Backend **ret_backend);
