/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stopping and starting the units of applications around a restore
 */

#include <signal.h>
#include <sys/wait.h>
#include "restore/unit-control.h"
#include "util/clock.h"
#include "util/macro.h"

#define UNIT_LIMIT_USEC (300 * USEC_PER_SEC)

int unit_control(const char *verb, const char *unit) {
        uint64_t until = now_usec() + UNIT_LIMIT_USEC;
        int status = 0;
        pid_t pid;

        if (access("/run/systemd/system", F_OK) < 0)
                return -ENOENT;
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                (void)execlp("systemctl", "systemctl", verb, "--", unit, (char *)NULL);
                _exit(127);
        }
        while (waitpid(pid, &status, WNOHANG) == 0) {
                if (now_usec() > until) {
                        (void)kill(pid, SIGKILL);
                        (void)waitpid(pid, &status, 0);
                        return -ETIMEDOUT;
                }
                (void)usleep(20000);
        }
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}
