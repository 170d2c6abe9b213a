/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * slow-sync: preloaded, makes every syncfs() take a little over a second
 *
 * A volume to which more is written than it can take has this from the outside; storage that is slow to
 * order is not to be had on every machine the tests run on.
 */

#include <sys/syscall.h>
#include <unistd.h>

__attribute__((visibility("default"))) int syncfs(int fd) {
        (void)usleep(1100000);
        return (int)syscall(SYS_syncfs, fd);
}
