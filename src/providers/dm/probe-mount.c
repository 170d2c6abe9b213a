/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Looking into a file system as it lies on the disk: nothing is replayed, nothing written
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "providers/dm/boot-internal.h"

static int flag(int context, const char *name) {
        return fsconfig(context, FSCONFIG_SET_FLAG, name, NULL, 0) < 0 ? -errno : 0;
}

int probe_mount(const char *device, const char *type, int *ret_root) {
        bool xfs = strcmp(type, "xfs") == 0;
        _cleanup_(closep) int context = -1;
        int fd, r;

        if (!xfs && strcmp(type, "ext4") != 0 && strcmp(type, "ext3") != 0 && strcmp(type, "ext2") != 0)
                return -EMEDIUMTYPE;
        /* The ext4 driver serves them all, and knows how to leave a journal alone. */
        context = fsopen(xfs ? "xfs" : "ext4", FSOPEN_CLOEXEC);
        if (context < 0)
                return -errno;
        if (fsconfig(context, FSCONFIG_SET_STRING, "source", device, 0) < 0)
                return -errno;
        r = flag(context, "ro");
        if (r >= 0)
                r = flag(context, xfs ? "norecovery" : "noload");
        if (r >= 0 && xfs)
                r = flag(context, "nouuid");
        if (r < 0)
                return r;
        if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        fd = fsmount(context, FSMOUNT_CLOEXEC,
                     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (fd < 0)
                return -errno;
        *ret_root = fd;
        return 0;
}
