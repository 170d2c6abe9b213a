/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Preloaded into a command of LVM: it dies, or stops, when it has suspended a device
 *
 * LVM_DIE_AT=N: at the Nth suspend that succeeds. LVM_DIE_BY: the signal, SIGKILL if it is not there.
 */

#include <dlfcn.h>
#include <linux/dm-ioctl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

__attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...) {
        static int (*original)(int fd, unsigned long request, ...);
        static int suspends;
        const char *at = getenv("LVM_DIE_AT"), *by = getenv("LVM_DIE_BY");
        const struct dm_ioctl *dm;
        unsigned flags = 0;
        va_list args;
        void *data;
        int r;

        va_start(args, request);
        data = va_arg(args, void *);
        va_end(args);
        if (!original)
                *(void **)&original = dlsym(RTLD_NEXT, "ioctl");
        dm = data;
        if (request == DM_DEV_SUSPEND)
                flags = dm->flags;
        r = original(fd, request, data);
        if (r == 0 && at && request == DM_DEV_SUSPEND && (flags & DM_SUSPEND_FLAG) && ++suspends == (int)strtol(at, NULL, 10))
                (void)kill(getpid(), by ? (int)strtol(by, NULL, 10) : SIGKILL);
        return r;
}
