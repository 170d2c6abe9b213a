/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Mounts on their way from one device to another
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "config.h"
#include "providers/dm/boot-internal.h"
#include "providers/dm/device.h"
#include "providers/dm/file.h"
#include "providers/dm/mounts.h"
#include "providers/dm/remount.h"

#define REMOUNT_FILE LINUXVSS_RUNDIR "/dm-remount.json"

void remount_done(Remount *remount) {
        remount->mounts = vss_value_free(remount->mounts);
}

static int forget(void) {
        return unlink(REMOUNT_FILE) < 0 && errno != ENOENT ? -errno : 0;
}

static int remember(const vss_value *mounts, const char *from, const char *to) {
        _cleanup_value_ vss_value *record = vss_value_new_dict();
        vss_value *copy = vss_value_copy(mounts);

        if (!record || !copy)
                return -ENOMEM;
        if (vss_value_set(record, "mounts", copy) < 0 || vss_value_set_string(record, "from", from) < 0 ||
            vss_value_set_string(record, "to", to) < 0)
                return -ENOMEM;
        if (mkdir(LINUXVSS_RUNDIR, 0755) < 0 && errno != EEXIST)
                return -errno;
        return file_replace_value(AT_FDCWD, REMOUNT_FILE, record);
}

/* The mounts by any source; those that stand are left. */
static int make(const vss_value *mounts, const char *source, const vss_value **ret_culprit) {
        Device device;
        int r;

        r = device_open(source, &device);
        return r == 0 ? mounts_make(mounts, source, device.number, ret_culprit) : r;
}

int remount_begin(Remount *remount, vss_value *mounts, const char *from, const char *to) {
        const vss_value *ignored = NULL;
        int r;

        *remount = (Remount){ .mounts = mounts };
        if (vss_value_count(mounts) == 0)
                return 0;
        r = remember(mounts, from, to);
        boot_stop("remembered");
        if (r == 0)
                r = mounts_remove(mounts, &remount->culprit);
        if (r < 0 && make(mounts, from, &ignored) == 0)
                (void)forget();
        return r;
}

int remount_end(Remount *remount, const char *source) {
        int r;

        if (vss_value_count(remount->mounts) == 0)
                return 0;
        r = make(remount->mounts, source, &remount->culprit);
        return r == 0 ? forget() : r;
}

bool remount_is_recorded(void) {
        return access(REMOUNT_FILE, F_OK) == 0;
}

int remount_recover(void) {
        _cleanup_value_ vss_value *record = NULL;
        const vss_value *mounts, *culprit = NULL;
        int r;

        r = file_read_value(AT_FDCWD, REMOUNT_FILE, &record);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        mounts_forget_staging();
        mounts = vss_value_get(record, "mounts");
        r = make(mounts, vss_value_get_string(record, "to", ""), &culprit);
        if (r < 0)
                r = make(mounts, vss_value_get_string(record, "from", ""), &culprit);
        if (r < 0)
                return r;
        (void)forget();
        return 1;
}
