/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * File sets: a directory, a file specification with * and ?, and perhaps all below
 *
 * Pure: works on text.
 */

#include "model/why.h"
#include "util/value.h"

/* Is this a directory as file sets name it: absolute, or beginning with a variable ($NAME, ${NAME}, %NAME%);
 * no
 * ".." and no "."; at most 4095 bytes, no control characters, UTF-8. Return: VSS_S_OK, VSS_E_INVALIDARG. */
vss_result filespec_check_path(const char *path, Why *why);
/* Is this a file specification: a name with * and ?, not empty, no '/', not "." or ".."? */
vss_result filespec_check(const char *filespec, Why *why);
