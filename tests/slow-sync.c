/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * slow-sync: preloaded, makes every syncfs() take a little over a second, or $SLOW_SYNC_MSEC; each adds a
 * letter to the file $SLOW_SYNC_LOG
 *
 * A volume to which more is written than it can take has this from the outside; storage that is slow to
 * order is not to be had on every machine the tests run on.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((visibility("default"))) int syncfs(int fd) {
        const char *msec = getenv("SLOW_SYNC_MSEC"), *log = getenv("SLOW_SYNC_LOG");
        int log_fd = log ? open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;

        if (log_fd >= 0) {
                (void)!write(log_fd, "s", 1);
                (void)close(log_fd);
        }
        (void)usleep(msec ? (useconds_t)strtoul(msec, NULL, 10) * 1000 : 1100000);
        return (int)syscall(SYS_syncfs, fd);
}
