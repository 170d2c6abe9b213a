/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where a path is in its shadow copy; see clone.h
 */

#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "util/macro.h"
#include "writers/common/clone.h"

#define FILES_MAX 10000000u
#define BLOCK 512u
#define MIB (UINT64_C(1) << 20)
/* For logs and temporary files, beside a sixteenth of what there is. */
#define MARGIN (16 * MIB)

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

int clone_space_add(CloneSpace *space, const char *path) {
        char *paths[] = { (char *)path, NULL };
        struct statvfs vfs;
        uint64_t available;
        FTS *tree;

        if (statvfs(path, &vfs) < 0)
                return -errno;
        available = (uint64_t)vfs.f_bavail * vfs.f_frsize;
        space->available = space->needed == 0 ? available : MIN(space->available, available);
        tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
        if (!tree)
                return -errno;
        for (unsigned i = 0; i < FILES_MAX; i++) {
                const FTSENT *entry = fts_read(tree);

                if (!entry)
                        break;
                if (entry->fts_info == FTS_F && S_ISREG(entry->fts_statp->st_mode))
                        space->needed += (uint64_t)entry->fts_statp->st_blocks * BLOCK;
        }
        (void)fts_close(tree);
        return 0;
}

bool clone_space_fits(const CloneSpace *space) {
        return space->needed + space->needed / 16 + MARGIN <= space->available;
}

const char *clone_space_text(const CloneSpace *space, char *text, size_t size) {
        (void)snprintf(text, size,
                       "a server on the clone may have to write %" PRIu64
                       " MiB, since files that it opens for writing are copied whole, and there is room for "
                       "%" PRIu64 " MiB: make room in the file system of /var/lib/linuxvss, and try again",
                       (space->needed + space->needed / 16 + MARGIN) / MIB, space->available / MIB);
        return text;
}
