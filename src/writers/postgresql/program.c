/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * PostgreSQL's own programs
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "util/macro.h"
#include "writers/common/child.h"
#include "writers/postgresql/program.h"

#define POLL_STEP_USEC (5 * USEC_PER_MSEC)
#define KILL_WAIT_USEC USEC_PER_SEC

static int spawn(const char *const *argv, int output_fd, pid_t *ret_pid) {
        char *environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LC_ALL=C", NULL,
                                NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        char home[300];
        int r;

        /* Where the application's user keeps .pgpass. */
        if (getenv("HOME") && snprintf(home, sizeof(home), "HOME=%s", getenv("HOME")) < (int)sizeof(home))
                environment[2] = home;
        (void)sigemptyset(&none);
        (void)sigfillset(&all);
        if (posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        if (posix_spawnattr_init(&attributes) != 0) {
                (void)posix_spawn_file_actions_destroy(&actions);
                return -ENOMEM;
        }
        (void)posix_spawnattr_setsigmask(&attributes, &none);
        (void)posix_spawnattr_setsigdefault(&attributes, &all);
        (void)posix_spawnattr_setpgroup(&attributes, 0);
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                            POSIX_SPAWN_SETPGROUP);
        r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, output_fd, 1);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, output_fd, 2);
        if (r == 0)
                r = posix_spawn(ret_pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv,
                                environment);
        (void)posix_spawn_file_actions_destroy(&actions);
        (void)posix_spawnattr_destroy(&attributes);
        return -r;
}

int program_start(const char *const *argv, int output_fd, pid_t *ret_pid) {
        return spawn(argv, output_fd, ret_pid);
}

int program_wait(pid_t pid, uint64_t deadline_usec) {
        int status;

        for (;;) {
                pid_t ended = waitpid(pid, &status, WNOHANG);

                if (ended == pid)
                        return status;
                if (ended < 0 && errno != EINTR)
                        return -errno;
                if (now_usec() >= deadline_usec)
                        return -ETIMEDOUT;
                (void)usleep(POLL_STEP_USEC);
        }
}

void program_kill(pid_t pid) {
        (void)kill(-pid, SIGKILL);
        (void)kill(pid, SIGKILL);
        (void)program_wait(pid, now_usec() + KILL_WAIT_USEC);
}

/* The end of what comes, until the other side closes. Return: 0, -ETIMEDOUT, a negative errno. */
static int read_output(int fd, uint64_t deadline_usec, char *output) {
        size_t n = 0;

        for (;;) {
                struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
                uint64_t now = now_usec();
                ssize_t k;

                output[n] = '\0';
                if (now >= deadline_usec)
                        return -ETIMEDOUT;
                if (poll(&poll_fd, 1, (int)MIN((deadline_usec - now) / 1000 + 1, UINT64_C(60000))) <= 0)
                        continue;
                if (n >= PROGRAM_OUTPUT_MAX - 1) {
                        n = PROGRAM_OUTPUT_MAX / 2;
                        memmove(output, output + PROGRAM_OUTPUT_MAX - 1 - n, n);
                }
                k = read(fd, output + n, PROGRAM_OUTPUT_MAX - 1 - n);
                if (k == 0)
                        return 0;
                if (k < 0 && errno != EINTR)
                        return -errno;
                n += (size_t)MAX(k, 0);
        }
}

int program_run(const char *const *argv, uint64_t deadline_usec, char *ret_output) {
        int pipes[2], status, r;
        pid_t pid;

        ret_output[0] = '\0';
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        r = spawn(argv, pipes[1], &pid);
        (void)close(pipes[1]);
        if (r < 0) {
                (void)close(pipes[0]);
                return r;
        }
        r = read_output(pipes[0], deadline_usec, ret_output);
        (void)close(pipes[0]);
        status = r < 0 ? r : program_wait(pid, deadline_usec);
        if (status < 0) {
                program_kill(pid);
                return status;
        }
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

char *program_answer(char *output) {
        for (;;) {
                size_t n = strcspn(output, "\n");
                char *told = strstr(output, " LOG:  ") ?: strstr(output, " WARNING:  ");

                if (!told || told >= output + n) {
                        output[n] = '\0';
                        return output;
                }
                output += n + (output[n] == '\n');
        }
}

const char *program_last_line(const char *output, char *text, size_t size) {
        size_t end = strlen(output), begin;

        while (end > 0 && (output[end - 1] == '\n' || output[end - 1] == ' '))
                end--;
        begin = end;
        while (begin > 0 && output[begin - 1] != '\n')
                begin--;
        (void)snprintf(text, size, "%.*s", (int)MIN(end - begin, size - 1), output + begin);
        for (char *p = text; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        *p = ' ';
        return text_is_clean(text) ? text : "it said something that cannot be shown";
}
