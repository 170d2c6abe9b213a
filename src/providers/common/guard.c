/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Suspending devices outside of a cut, by vss-hold --guard and --swap
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "config.h"
#include "providers/common/guard.h"
#include "util/clock.h"

#define HOLD_PROGRAM LINUXVSS_LIBEXECDIR "/vss-hold"
#define DEVICES_MAX 128u
#define WORDS_MAX 256u
#define REPORT_SIZE 8192u
/* A guard ends by itself before. */
#define WAIT_USEC (620 * USEC_PER_SEC)

typedef struct Report {
        int error;
        bool late;
} Report;

/* "dm-0" says nothing to people; the name is what they gave it. */
static void device_name(dev_t device, char *name, size_t size) {
        char path[64];
        _cleanup_(closep) int fd = -1;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm/name", major(device), minor(device));
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, name, size - 1);
        if (n <= 0) {
                (void)snprintf(name, size, "%u:%u", major(device), minor(device));
                return;
        }
        name[n] = '\0';
        name[strcspn(name, "\n")] = '\0';
}

static int suspended_append(vss_value *suspended, dev_t device, uint64_t usec, const char *why) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        char name[256];

        if (!entry)
                return -ENOMEM;
        device_name(device, name, sizeof(name));
        if (vss_value_set_string(entry, "what", name) != VSS_S_OK ||
            vss_value_set_integer(entry, "usec", (int64_t)usec) != VSS_S_OK ||
            vss_value_set_string(entry, "why", why) != VSS_S_OK)
                return -ENOMEM;
        value_make_utf8(entry);
        return vss_value_append(suspended, TAKE_PTR(entry)) == VSS_S_OK ? 0 : -ENOMEM;
}

static int line_take(char *line, const char *why, vss_value *suspended, Report *report) {
        unsigned major_number, minor_number;
        unsigned long long usec;

        if (strcmp(line, "late") == 0)
                report->late = true;
        else if (sscanf(line, "error %d", &report->error) == 1)
                return 0;
        else if (sscanf(line, "%u:%u %llu", &major_number, &minor_number, &usec) == 3 && usec > 0 &&
                 suspended)
                return suspended_append(suspended, makedev(major_number, minor_number), usec, why);
        return 0;
}

/* Until all processes of the guard have closed it. */
static int report_read(int fd, const char *why, vss_value *suspended, Report *report) {
        char text[REPORT_SIZE], *rest = text, *line;
        uint64_t end = now_usec() + WAIT_USEC;
        size_t length = 0;

        while (length < sizeof(text) - 1) {
                struct pollfd wait = { .fd = fd, .events = POLLIN };
                uint64_t now = now_usec();
                ssize_t n;

                if (now >= end)
                        return -ETIMEDOUT;
                if (poll(&wait, 1, (int)((end - now) / USEC_PER_MSEC) + 1) <= 0)
                        continue;
                n = read(fd, text + length, sizeof(text) - 1 - length);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                length += (size_t)n;
        }
        text[length] = '\0';
        while ((line = strsep(&rest, "\n"))) {
                int r = line_take(line, why, suspended, report);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int program_spawn(const char *const words[], int output_fd, int report_fd, pid_t *ret_pid) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        int r;

        (void)sigemptyset(&none);
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r != 0) {
                (void)posix_spawn_file_actions_destroy(&actions);
                return -r;
        }
        r = output_fd >= 0
                    ? posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO)
                    : posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        /* Onto itself it would stay closed on exec. */
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, report_fd, report_fd);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        /* POSIX promises that the words are left as they are. */
        if (r == 0)
                r = posix_spawn(ret_pid, HOLD_PROGRAM, &actions, &attributes,
                                (char *const *)(uintptr_t)words, environ);
        (void)posix_spawnattr_destroy(&attributes);
        (void)posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int guard_start(const char *const words[], const char *why, int output_fd, int pipes[2],
                       vss_value *suspended) {
        Report report = { .error = 0 };
        int status, r;
        pid_t pid;

        r = program_spawn(words, output_fd, pipes[1], &pid);
        (void)close(TAKE_FD(pipes[1]));
        if (r < 0)
                return r;
        r = report_read(pipes[0], why, suspended, &report);
        if (r < 0)
                return r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (report.late)
                return -ETIMEDOUT;
        if (report.error != 0)
                return -abs(report.error);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -EOWNERDEAD;
}

static int guard_words(const char *mode, const char *const command[], const dev_t *devices, size_t n,
                       uint64_t limit_usec, const char *why, int output_fd, vss_value *suspended) {
        const char *words[6 + DEVICES_MAX + 1 + WORDS_MAX + 1] = { "vss-hold", mode, "--limit" };
        char limit[24], report[12], numbers[DEVICES_MAX][24];
        int pipes[2] = { -1, -1 }, r;
        size_t w = 3;

        if (n == 0 || n > DEVICES_MAX)
                return -EINVAL;
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        (void)snprintf(limit, sizeof(limit), "%llu", (unsigned long long)(limit_usec / USEC_PER_MSEC));
        (void)snprintf(report, sizeof(report), "%d", pipes[1]);
        words[w++] = limit;
        words[w++] = "--report";
        words[w++] = report;
        for (size_t i = 0; i < n; i++) {
                (void)snprintf(numbers[i], sizeof(numbers[i]), "%u:%u", major(devices[i]),
                               minor(devices[i]));
                words[w++] = numbers[i];
        }
        if (command)
                words[w++] = "--";
        for (size_t i = 0; command && command[i]; i++) {
                if (i >= WORDS_MAX) {
                        r = -E2BIG;
                        goto finish;
                }
                words[w++] = command[i];
        }
        words[w] = NULL;
        r = guard_start(words, why, output_fd, pipes, suspended);
finish:
        closep(&pipes[0]);
        closep(&pipes[1]);
        return r;
}

int guard_run(const char *const argv[], const dev_t *devices, size_t n, uint64_t limit_usec, int output_fd,
              vss_value *suspended) {
        const char *slash = strrchr(argv[0], '/');

        return guard_words("--guard", argv, devices, n, limit_usec, slash ? slash + 1 : argv[0], output_fd,
                           suspended);
}

int guard_swap(const dev_t *devices, size_t n, uint64_t limit_usec, const char *why, vss_value *suspended) {
        int r = guard_words("--swap", NULL, devices, n, limit_usec, why, -1, suspended);

        return r > 0 ? -EIO : r;
}
