/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One at a time
 */

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "providers/dm/lock.h"
#include "util/macro.h"

#define LOCK_PATH LINUXVSS_RUNDIR "/dm-boot.lock"
#define LOCK_STEP_USEC (10 * USEC_PER_MSEC)

int lock_take(uint64_t usec) {
        _cleanup_(closep) int fd = -1;
        uint64_t until;

        if (mkdir(LINUXVSS_RUNDIR, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = open(LOCK_PATH, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        until = now_usec() + usec;
        while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return -errno;
                if (now_usec() >= until)
                        return -EAGAIN;
                (void)usleep(LOCK_STEP_USEC);
        }
        return TAKE_FD(fd);
}
