/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The process that reaches another machine, and the streams of this one
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "vss/host-link.h"

#define END_WAIT_MS 2000
#define STEP_MS 10

/* In a session of its own, so that the terminal's signals do not reach it; and it does not outlive this
 * program. */
static _Noreturn void run_child(const char *const *command, int fd, pid_t parent) {
        sigset_t none;

        if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
                _exit(126);
        (void)signal(SIGPIPE, SIG_DFL);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
                _exit(126);
        (void)execvp(command[0], (char *const *)command);
        _exit(127);
}

int host_link_start(const char *const *command, HostLink *ret_link) {
        _cleanup_(closep) int ours = -1, theirs = -1;
        pid_t pid, parent = getpid();
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        (void)fflush(NULL);
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_child(command, theirs, parent);
        *ret_link = (HostLink){ .pid = pid, .fd = TAKE_FD(ours), .status = -1 };
        return 0;
}

static bool has_ended(HostLink *link) {
        int status;
        pid_t pid = waitpid(link->pid, &status, WNOHANG);

        if (pid == 0 || (pid < 0 && errno == EINTR))
                return false;
        link->status = pid < 0               ? EXIT_FAILED
                       : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                             : WEXITSTATUS(status);
        link->pid = 0;
        return true;
}

int host_link_end(HostLink *link) {
        closep(&link->fd);
        link->fd = -1;
        for (unsigned waited = 0; link->pid > 0 && !has_ended(link); waited += STEP_MS) {
                if (waited == END_WAIT_MS / 2)
                        (void)kill(link->pid, SIGTERM);
                if (waited >= END_WAIT_MS)
                        (void)kill(link->pid, SIGKILL);
                (void)poll(NULL, 0, STEP_MS);
        }
        return link->status;
}

/*
 * A descriptor that does not wait, without changing one that is shared with others: pipes and terminals can
 * be opened once more. Where they cannot, so much is written to a pipe as never waits when poll() has said
 * so.
 */
static int open_output(int fd, size_t *ret_limit) {
        char path[32];
        struct stat st;
        int own;

        *ret_limit = 0;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
                return -1;
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (own < 0)
                *ret_limit = PIPE_BUF;
        return own < 0 ? -1 : own;
}

static int given(const HostRun *run, unsigned stream) {
        int fd = stream == STREAM_STDIN    ? run->stdin_fd
                 : stream == STREAM_STDOUT ? run->stdout_fd
                                           : run->stderr_fd;

        return fd >= 0 ? fd : (int)stream;
}

/* 0 where there is none. */
static unsigned columns_of(int fd) {
        struct winsize size = {};

        return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

int host_streams_prepare(HostStreams *streams, const HostRun *run) {
        struct stat st;

        for (unsigned i = STREAM_STDIN; i < STREAM_CHANNEL; i++) {
                int fd = given(run, i);

                if (isatty(fd))
                        streams->flags |= (uint32_t)RUN_TERMINAL_IN << i;
                if (i == STREAM_STDIN)
                        continue;
                streams->fds[i] = open_output(fd, &streams->limits[i]);
                if (streams->fds[i] < -1) {
                        /* A standard stream may be closed: what is said there goes nowhere. */
                        streams->fds[i] = open("/dev/null", O_WRONLY | O_CLOEXEC);
                        if (streams->fds[i] < 0)
                                return -errno;
                }
        }
        if (fstat(given(run, STREAM_STDIN), &st) == 0)
                streams->flags |= RUN_STDIN;
        streams->columns = columns_of(given(run, STREAM_STDERR));
        return 0;
}

void host_streams_open(HostStreams *streams, const HostRun *run, Relay *relay) {
        if (streams->flags & RUN_STDIN)
                relay_open(relay, STREAM_STDIN, given(run, STREAM_STDIN), -1, RELAY_LEAVE);
        for (unsigned i = STREAM_STDOUT; i < STREAM_CHANNEL; i++) {
                relay_open(relay, i, -1, streams->fds[i] >= 0 ? streams->fds[i] : given(run, i),
                           RELAY_LEAVE);
                relay->streams[i].sink_limit = streams->limits[i];
        }
        relay_open(relay, STREAM_CHANNEL, run->channel_fd, run->channel_fd, RELAY_SHUTDOWN);
}

void host_streams_clear(HostStreams *streams) {
        FOREACH_ELEMENT (fd, streams->fds)
                closep(fd);
        *streams = (HostStreams)HOST_STREAMS_INIT;
}

void text_make_printable(char *text) {
        for (; *text; text++)
                if ((unsigned char)*text < 0x20 || *text == 0x7f)
                        *text = '?';
}
