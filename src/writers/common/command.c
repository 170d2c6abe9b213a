/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One command; see command.h
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "writers/common/child.h"
#include "writers/common/command.h"

void command_output_add(CommandOutput *out, const char *data, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if (data[i] == '\n') {
                        if (out->n_line == 5 && memcmp(out->line, "READY", 5) == 0)
                                out->ready = true;
                        out->n_line = 0;
                } else {
                        if (out->n_line < sizeof(out->line))
                                out->line[out->n_line] = data[i];
                        out->n_line++;
                }
        }
        /* The last of it is what says why. */
        if (n > COMMAND_OUTPUT_MAX) {
                data += n - COMMAND_OUTPUT_MAX;
                n = COMMAND_OUTPUT_MAX;
        }
        if (out->n + n > COMMAND_OUTPUT_MAX) {
                size_t drop = out->n + n - COMMAND_OUTPUT_MAX;

                memmove(out->text, out->text + drop, out->n - drop);
                out->n -= drop;
        }
        memcpy(out->text + out->n, data, n);
        out->n += n;
}

const char *command_output_text(CommandOutput *out) {
        char *text = out->text;

        /* A sequence that was cut at the front is no reason to spoil the rest. */
        while (out->n > 0 && ((unsigned char)text[0] & 0xc0) == 0x80)
                memmove(text, text + 1, --out->n);
        while (out->n > 0 && (text[out->n - 1] == '\n' || text[out->n - 1] == ' '))
                out->n--;
        for (size_t i = 0; i < out->n; i++)
                if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
                        text[i] = text[i] == '\n' ? '|' : ' ';
        text[out->n] = '\0';
        if (!text_is_clean(text))
                for (size_t i = 0; i < out->n; i++)
                        if ((unsigned char)text[i] >= 0x80)
                                text[i] = '?';
        return text;
}

static _Noreturn void run_child(char **argv, char **environment, int input, const int outputs[2],
                                bool held) {
        sigset_t none;

        (void)setpgid(0, 0);
        for (int i = 1; i < NSIG; i++)
                (void)signal(i, SIG_DFL);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (input < 0)
                input = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (input < 0 || dup2(input, 0) < 0 || dup2(outputs[0], 1) < 0 || dup2(outputs[1], 2) < 0)
                _exit(127);
        (void)syscall(SYS_close_range, 3, ~0U, 0);
        /* A held command has two ways to learn that its guardian is gone: the end of its input, and this. */
        if (held)
                (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)execve(argv[0], argv, environment);
        dprintf(2, "%s cannot be run: %s\n", argv[0], strerror(errno));
        _exit(127);
}

int command_start(char **argv, char **environment, bool with_input, int output_fd, Command *ret_command) {
        _cleanup_(closep) int input_read = -1, input_write = -1, output_read = -1, output_write = -1;
        int pair[2], pidfd;
        pid_t pid;

        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        output_read = pair[0];
        output_write = pair[1];
        if (fcntl(output_read, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        if (with_input) {
                if (pipe2(pair, O_CLOEXEC) < 0)
                        return -errno;
                input_read = pair[0];
                input_write = pair[1];
        }

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_child(argv, environment, input_read,
                          (const int[]){ output_fd < 0 ? output_write : output_fd, output_write },
                          with_input);
        (void)setpgid(pid, pid);

        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0) {
                int r = -errno;

                (void)kill(-pid, SIGKILL);
                (void)waitpid(pid, NULL, 0);
                return r;
        }
        *ret_command = (Command){
                .pid = pid,
                .pidfd = pidfd,
                .input = TAKE_FD(input_write),
                .output = TAKE_FD(output_read),
        };
        return 0;
}

void command_drain(Command *command) {
        char buffer[4096];
        ssize_t n;

        /* Bounded: a command that writes without end must not keep its guardian from its other duties. */
        for (unsigned i = 0; i < 16 && command->output >= 0; i++) {
                n = read(command->output, buffer, sizeof(buffer));
                if (n < 0)
                        return;
                if (n == 0) {
                        closep(&command->output);
                        command->output = -1;
                        return;
                }
                command_output_add(&command->out, buffer, (size_t)n);
        }
}

static int reap(Command *command, int *ret_status) {
        int status = 0;

        while (waitpid(command->pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        command->pid = 0;
        *ret_status = status;
        return 0;
}

static int wait_step(Command *command, uint64_t deadline_usec, int leave_fd, struct pollfd polls[3]) {
        uint64_t now = now_usec();
        int r;

        if (now >= deadline_usec)
                return -ETIMEDOUT;
        polls[0] = (struct pollfd){ .fd = command->pidfd, .events = POLLIN };
        polls[1] = (struct pollfd){ .fd = command->output, .events = POLLIN };
        polls[2] = (struct pollfd){ .fd = leave_fd };
        r = poll(polls, 3, (int)MIN((deadline_usec - now + 999) / 1000, UINT64_C(3600000)));
        return r < 0 && errno != EINTR ? -errno : 0;
}

int command_wait(Command *command, uint64_t deadline_usec, int leave_fd, bool until_ready, int *ret_status) {
        for (;;) {
                struct pollfd polls[3];
                int r = wait_step(command, deadline_usec, leave_fd, polls);

                if (r < 0)
                        return r;
                command_drain(command);
                if (polls[0].revents)
                        return reap(command, ret_status);
                if (until_ready && command->out.ready)
                        return 1;
                if (polls[2].revents & (POLLHUP | POLLERR))
                        return -EPIPE;
        }
}

void command_signal(const Command *command, int signal) {
        if (command->pid > 0)
                (void)kill(-command->pid, signal);
}

void command_clear(Command *command) {
        int status;

        if (command->pid > 0) {
                command_signal(command, SIGKILL);
                (void)reap(command, &status);
        }
        closep(&command->input);
        closep(&command->pidfd);
        closep(&command->output);
        *command = COMMAND_NULL;
}

/* An absolute path, from where the system's own programs are. */
static const char *find_program(const char *name, char *path, size_t size) {
        static const char *const directories[] = { "/usr/sbin", "/usr/bin", "/sbin", "/bin" };

        if (name[0] == '/')
                return access(name, X_OK) == 0 ? name : NULL;
        FOREACH_ELEMENT (directory, directories) {
                (void)snprintf(path, size, "%s/%s", *directory, name);
                if (access(path, X_OK) == 0)
                        return path;
        }
        return NULL;
}

int command_run(const char *const *argv, int output_fd, uint64_t deadline_usec,
                char ret_text[static COMMAND_OUTPUT_MAX + 1]) {
        char *environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LANG=C.UTF-8", NULL };
        char path[4096], *words[COMMAND_WORDS_MAX + 1];
        const char *program = find_program(argv[0], path, sizeof(path));
        Command command = COMMAND_NULL;
        int status = 0, r;
        size_t n = 0;

        ret_text[0] = '\0';
        if (!program)
                return -ENOENT;
        while (n < COMMAND_WORDS_MAX && argv[n]) {
                words[n] = (char *)(uintptr_t)argv[n];
                n++;
        }
        if (argv[n])
                return -E2BIG;
        words[0] = (char *)(uintptr_t)program;
        words[n] = NULL;
        r = command_start(words, environment, false, output_fd, &command);
        if (r < 0)
                return r;
        r = command_wait(&command, deadline_usec, -1, false, &status);
        command_drain(&command);
        (void)snprintf(ret_text, COMMAND_OUTPUT_MAX + 1, "%s", command_output_text(&command.out));
        command_clear(&command);
        if (r < 0)
                return r;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
