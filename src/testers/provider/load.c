/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-provider: a program that writes all the time
 *
 * A number goes to the first volume and is waited for, then to the second, and so on; then the next number.
 * So at any one instant no volume has a number that one before it has not, and they differ by one at most.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include "testers/provider/conformance.h"
#include "util/clock.h"

#define PAUSE_NSEC 300000

typedef struct Shared {
        _Atomic uint64_t begun, stored[TEST_VOLUMES_MAX];
        _Atomic int failed;
} Shared;

struct Load {
        Shared *shared;
        pid_t pid;
};

_Noreturn static void run(Shared *shared, const int *fds, size_t n) {
        const struct timespec pause = { .tv_nsec = PAUSE_NSEC };

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (uint64_t number = 1;; number++) {
                char text[32];
                int size = snprintf(text, sizeof(text), "%020llu\n", (unsigned long long)number);

                atomic_store(&shared->begun, number);
                for (size_t i = 0; i < n; i++) {
                        if (pwrite(fds[i], text, (size_t)size, 0) != size || fdatasync(fds[i]) < 0) {
                                atomic_store(&shared->failed, errno);
                                _exit(1);
                        }
                        atomic_store(&shared->stored[i], number);
                }
                (void)nanosleep(&pause, NULL);
        }
}

int load_start(Test *test, size_t n_volumes, Load **ret_load) {
        Load *load = calloc(1, sizeof(*load));
        int fds[TEST_VOLUMES_MAX], r = load ? 0 : -ENOMEM;
        size_t n = 0;

        if (load) {
                load->shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                                    -1, 0);
                if (load->shared == MAP_FAILED) {
                        load->shared = NULL;
                        r = -errno;
                }
        }
        for (; r >= 0 && n < n_volumes; n++) {
                fds[n] = openat(test->volumes[n].directory_fd, LOAD_FILE,
                                O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (fds[n] < 0) {
                        r = -errno;
                        break;
                }
        }
        if (r >= 0) {
                load->pid = fork();
                if (load->pid == 0)
                        run(load->shared, fds, n);
                r = load->pid < 0 ? -errno : 0;
        }
        for (size_t i = 0; i < n; i++)
                close(fds[i]);
        for (int i = 0; r >= 0 && i < 500 && atomic_load(&load->shared->stored[n_volumes - 1]) == 0; i++)
                (void)usleep(10000);
        if (r >= 0 && atomic_load(&load->shared->stored[n_volumes - 1]) == 0)
                r = -ETIMEDOUT;
        if (r < 0)
                load_stop(load);
        else
                *ret_load = load;
        return r;
}

Load *load_stop(Load *load) {
        if (!load)
                return NULL;
        if (load->pid > 0) {
                (void)kill(load->pid, SIGKILL);
                (void)waitpid(load->pid, NULL, 0);
        }
        if (load->shared)
                (void)munmap(load->shared, sizeof(Shared));
        free(load);
        return NULL;
}

int load_pause(Load *load) {
        uint64_t deadline = now_usec() + 10 * USEC_PER_SEC;
        int status;

        if (kill(load->pid, SIGSTOP) < 0)
                return -errno;
        while (waitpid(load->pid, &status, WUNTRACED | WNOHANG) != load->pid) {
                if (now_usec() > deadline)
                        return -ETIMEDOUT;
                (void)usleep(1000);
        }
        return WIFSTOPPED(status) ? 0 : -ESRCH;
}

void load_resume(Load *load) {
        (void)kill(load->pid, SIGCONT);
}

uint64_t load_stored(const Load *load, size_t volume) {
        return atomic_load(&load->shared->stored[volume]);
}

uint64_t load_not_begun(const Load *load) {
        return atomic_load(&load->shared->begun) + 1;
}
