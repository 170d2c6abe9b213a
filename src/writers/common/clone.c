/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where a path is in its shadow copy; see clone.h
 */

#include <stdio.h>
#include <string.h>
#include "writers/common/clone.h"

/* Of a path at or below it, without a slash at its end; -1: it is not. */
static ssize_t length_above(const char *volume, const char *path) {
        size_t n = strlen(volume);

        while (n > 0 && volume[n - 1] == '/')
                n--;
        return strncmp(path, volume, n) == 0 && (path[n] == '/' || path[n] == '\0') ? (ssize_t)n : -1;
}

bool clone_path(const vss_writer_call *call, const char *path, char *ret_path, size_t size) {
        const char *root = vss_writer_call_snapshot_device(call, path);
        ssize_t deepest = -1;

        for (size_t i = 0; root && i < vss_writer_call_volume_count(call); i++) {
                ssize_t n = length_above(vss_writer_call_volume(call, i), path);

                deepest = n > deepest ? n : deepest;
        }
        if (deepest < 0 || strlen(root) + strlen(path + deepest) >= size)
                return false;
        (void)snprintf(ret_path, size, "%s%s", root, path + deepest);
        return true;
}
