/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How much there is to be read, for who wants to know how far a backup has come
 *
 * A thread of its own looks at names and sizes while the backup runs. It is an estimate: what only writers
 * leave out is counted, and what lies below two paths twice.
 */

#include "repository/archive.h"

typedef struct Scan Scan;

/*
 * scan_start() - begin
 * Of the options: paths, devices, excludes; what they point to stays as it is until the process ends, for a
 * thread that hangs with its device is not waited for.
 * @left_out: absolute paths of directories that are not looked into; the same holds for them
 * Return: NULL if it cannot be, which costs nothing but the estimate.
 */
Scan *scan_start(const ArchiveOptions *options, char *const *left_out, size_t n_left_out);
/* Is it done? */
bool scan_result(Scan *scan, uint64_t *ret_files, uint64_t *ret_bytes);
