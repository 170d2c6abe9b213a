/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where a password comes from
 */

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include "repository/crypto.h"
#include "repository/password.h"
#include "util/clock.h"

/* A program that asks somebody may take its time. */
#define COMMAND_SECONDS 120u
#define END_WAIT_MS 2000u

/* The buffer is overwritten, whatever comes of it. */
static int trim(char *text, size_t size, const char *source, char **ret_password, Why *why) {
        size_t from = 0;
        char *password;

        while (from < size && isspace((unsigned char)text[from]))
                from++;
        while (size > from && isspace((unsigned char)text[size - 1]))
                size--;
        if (memchr(text + from, 0, size - from))
                return repo_fail(why, -EINVAL, "%s: the password has a zero byte inside.", source);
        password = strndup(text + from, size - from);
        if (!password)
                return -ENOMEM;
        if (!*password) {
                free(password);
                return repo_fail(why, -EINVAL, "%s: there is no password in it.", source);
        }
        *ret_password = password;
        return 0;
}

static ssize_t read_some(int fd, char *buffer, size_t size, uint64_t deadline) {
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
        uint64_t now = now_usec();
        ssize_t n;

        if (deadline > 0 &&
            (now >= deadline || poll(&poll_fd, 1, (int)((deadline - now) / USEC_PER_MSEC) + 1) == 0))
                return -ETIMEDOUT;
        n = read(fd, buffer, size);
        return n < 0 ? (errno == EINTR || errno == EAGAIN ? -EAGAIN : -errno) : n;
}

static int read_password(int fd, uint64_t deadline, const char *source, char **ret_password, Why *why) {
        char *buffer = malloc(PASSWORD_MAX);
        size_t size = 0;
        ssize_t n = 1;
        int r;

        if (!buffer)
                return -ENOMEM;
        while (size < PASSWORD_MAX && n != 0) {
                n = read_some(fd, buffer + size, PASSWORD_MAX - size, deadline);
                if (n < 0 && n != -EAGAIN)
                        break;
                size += n > 0 ? (size_t)n : 0;
        }
        if (n < 0)
                r = repo_fail(why, (int)n, "%s: no password can be read: %s.", source, strerror((int)-n));
        else if (size == PASSWORD_MAX)
                r = repo_fail(why, -E2BIG, "%s: too long for a password.", source);
        else
                r = trim(buffer, size, source, ret_password, why);
        crypto_forget(buffer, PASSWORD_MAX);
        free(buffer);
        return r;
}

int password_from_file(const char *path, char **ret_password, Why *why) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
                return repo_fail(why, -errno, "%s: no password can be read: %s.", path, strerror(errno));
        return read_password(fd, 0, path, ret_password, why);
}

/* What has closed its output ends soon; what does not, or shall not go on, is made to. Return: its status.
 */
static int end_command(pid_t pid, bool failed) {
        int status = 0;

        if (failed)
                (void)kill(pid, SIGTERM);
        for (unsigned waited = 0; waited < END_WAIT_MS; waited += 10) {
                pid_t ended = waitpid(pid, &status, WNOHANG);

                if (ended == pid || (ended < 0 && errno != EINTR))
                        return status;
                (void)poll(NULL, 0, 10);
        }
        (void)kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return failed ? status : 0;
}

int password_from_command(const char *const *words, char **ret_password, Why *why) {
        uint64_t deadline = now_usec() + COMMAND_SECONDS * USEC_PER_SEC;
        _cleanup_(closep) int from = -1;
        int pipes[2], status = 0, r;
        pid_t pid;

        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        from = pipes[0];
        pid = fork();
        if (pid == 0) {
                if (dup2(pipes[1], STDOUT_FILENO) < 0)
                        _exit(127);
                (void)execvp(words[0], (char *const *)words);
                _exit(127);
        }
        r = pid < 0 ? -errno : 0;
        (void)close(pipes[1]);
        if (r < 0)
                return repo_fail(why, r, "%s: cannot be run: %s.", words[0], strerror(-r));
        r = read_password(from, deadline, words[0], ret_password, why);
        status = end_command(pid, r < 0);
        if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
                crypto_forget(*ret_password, strlen(*ret_password));
                free(TAKE_PTR(*ret_password));
                r = repo_fail(why, -EIO, "%s: was ended instead of giving a password.", words[0]);
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
                return repo_fail(why, r, "%s: ended with status %d instead of giving a password.", words[0],
                                 WEXITSTATUS(status));
        return r;
}

/* One line. */
static int ask(int tty, const char *prompt, char **ret_password, Why *why) {
        char line[1024];
        ssize_t n;
        int r;

        if (dprintf(tty, "%s: ", prompt) < 0)
                return -errno;
        n = read(tty, line, sizeof(line));
        r = n < 0 ? -errno : 0;
        (void)dprintf(tty, "\n");
        if (r < 0)
                return repo_fail(why, r == -EINTR ? -ECANCELED : r, "No password was given.");
        r = trim(line, (size_t)n, "The terminal", ret_password, why);
        crypto_forget(line, sizeof(line));
        return r;
}

int password_from_terminal(const char *prompt, bool twice, char **ret_password, Why *why) {
        _cleanup_(closep) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        struct termios before, quiet;
        char *again = NULL;
        int r;

        if (tty < 0 || tcgetattr(tty, &before) < 0)
                return -ENOTTY;
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(tty, TCSAFLUSH, &quiet);
        r = ask(tty, prompt, ret_password, why);
        if (r == 0 && twice) {
                r = ask(tty, "The same again", &again, why);
                if (r == 0 && strcmp(again, *ret_password) != 0)
                        r = repo_fail(why, -EINVAL, "These were two different passwords.");
                if (again)
                        crypto_forget(again, strlen(again));
                free(again);
                if (r < 0) {
                        crypto_forget(*ret_password, strlen(*ret_password));
                        free(TAKE_PTR(*ret_password));
                }
        }
        (void)tcsetattr(tty, TCSAFLUSH, &before);
        return r;
}
