/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Children of a broker: start, talk with deadlines, end; see child.h
 */

#include <assert.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "writers/common/child.h"

#define KILL_WAIT_USEC (200 * USEC_PER_MSEC)

static pid_t abandoned[256];

/* pidfd_open(2) and close_range(2) by number: glibc learned their names at different times. */
static int open_pidfd(pid_t pid) {
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);

        return fd < 0 ? -errno : fd;
}

static void reset_signals(void) {
        sigset_t none;

        /* The main loop blocks the signals it reads from a descriptor; a child must die from them. */
        for (int i = 1; i < NSIG; i++)
                (void)signal(i, SIG_DFL);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int prepare_descriptors(int fd) {
        _cleanup_(closep) int null = -1, copy = -1;

        copy = fcntl(fd, F_DUPFD_CLOEXEC, 10);
        if (copy < 0)
                return -errno;
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0)
                return -errno;
        for (int i = 0; i < 3; i++)
                if (dup2(null, i) < 0)
                        return -errno;
        if (dup3(copy, CHILD_FD, O_CLOEXEC) < 0)
                return -errno;
        if (syscall(SYS_close_range, CHILD_FD + 1, ~0U, 0) < 0)
                return -errno;
        null = copy = -1;
        return 0;
}

/*
 * A killed process that hangs in the kernel (a file system that does not answer) does not end yet. The
 * broker must not hang with it: it is left, and reaped when another child is started.
 */
void child_leave(Child *child) {
        for (size_t i = 0; i < ELEMENTS(abandoned); i++)
                if (abandoned[i] <= 0) {
                        abandoned[i] = child->pid;
                        break;
                }
        closep(&child->fd);
        closep(&child->pidfd);
        *child = CHILD_NULL;
}

static void reap_abandoned(void) {
        for (size_t i = 0; i < ELEMENTS(abandoned); i++)
                if (abandoned[i] > 0 && waitpid(abandoned[i], NULL, WNOHANG) != 0)
                        abandoned[i] = 0;
}

int child_start(child_main_fn child_main, void *userdata, Child *ret_child) {
        _cleanup_(closep) int ours = -1, theirs = -1;
        int pair[2], pidfd;
        pid_t pid;

        reap_abandoned();
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                reset_signals();
                if (chdir("/") < 0 || prepare_descriptors(theirs) < 0)
                        _exit(127);
                _exit(child_main(CHILD_FD, userdata));
        }

        pidfd = open_pidfd(pid);
        if (pidfd < 0) {
                (void)kill(pid, SIGKILL);
                (void)waitpid(pid, NULL, 0);
                return pidfd;
        }
        *ret_child = (Child){ .pid = pid, .pidfd = pidfd, .fd = TAKE_FD(ours) };
        return 0;
}

static int reap(Child *child) {
        int status = 0;

        while (waitpid(child->pid, &status, 0) < 0)
                if (errno != EINTR) {
                        status = 0;
                        break;
                }
        closep(&child->pidfd);
        *child = CHILD_NULL;
        return status;
}

void child_kill(Child *child) {
        bool ready;

        closep(&child->fd);
        child->fd = -1;
        if (child->pid <= 0)
                return;
        (void)kill(child->pid, SIGKILL);
        if (poll_any(&child->pidfd, 1, now_usec() + KILL_WAIT_USEC, &ready) < 0)
                child_leave(child);
        else
                (void)reap(child);
}

int child_end(Child *child, uint64_t deadline_usec) {
        bool ready;
        int r;

        if (child->pid <= 0)
                return 0;
        closep(&child->fd);
        child->fd = -1;

        r = poll_any(&child->pidfd, 1, deadline_usec, &ready);
        if (r < 0) {
                child_kill(child);
                return -ETIMEDOUT;
        }
        return reap(child);
}

static int left_ms(uint64_t deadline_usec) {
        uint64_t now = now_usec();

        if (deadline_usec == UINT64_MAX)
                return -1;
        return deadline_usec <= now ? 0 : (int)MIN((deadline_usec - now + 999) / 1000, UINT64_C(3600000));
}

int poll_any(const int *fds, size_t n, uint64_t deadline_usec, bool *ret_ready) {
        struct pollfd polls[POLL_MAX];
        int r;

        assert(n <= POLL_MAX);
        for (size_t i = 0; i < n; i++)
                polls[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
        for (;;) {
                r = poll(polls, n, left_ms(deadline_usec));
                if (r > 0)
                        break;
                if (r < 0 && errno != EINTR)
                        return -errno;
                if (left_ms(deadline_usec) == 0)
                        return -EAGAIN;
        }
        for (size_t i = 0; i < n; i++)
                ret_ready[i] = polls[i].revents != 0;
        return 0;
}

ssize_t child_receive(int fd, void *buffer, size_t size, uint64_t deadline_usec) {
        bool ready;
        ssize_t n;
        int r;

        r = poll_any(&fd, 1, deadline_usec, &ready);
        if (r < 0)
                return r;
        do
                n = recv(fd, buffer, size, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : -errno;
        return n == 0 ? -EPIPE : n;
}

int child_send(int fd, const void *message, size_t size) {
        ssize_t n;

        do
                n = send(fd, message, size, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

int child_become(uid_t uid, gid_t gid, const char *name) {
        uid_t real, effective, saved;

        if (geteuid() != 0)
                return geteuid() == uid ? 0 : -EPERM;

        if (name ? initgroups(name, gid) < 0 : setgroups(1, &gid) < 0)
                return -errno;
        if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return -errno;
        /* Trust nothing: a child that is still root must not go on. */
        if (getresuid(&real, &effective, &saved) < 0 || real != uid || effective != uid || saved != uid)
                return -EPERM;
        return 0;
}

int child_die_with_parent(pid_t parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                return -errno;
        return getppid() == parent ? 0 : -ESRCH;
}

/* The length of the UTF-8 sequence at @p, 0 if it is none. */
static size_t utf8_length(const unsigned char *p) {
        static const struct {
                unsigned char mask, lead;
                uint32_t least;
        } forms[] = {
                { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 }
        };

        for (size_t n = 0; n < ELEMENTS(forms); n++) {
                uint32_t code;

                if ((p[0] & forms[n].mask) != forms[n].lead)
                        continue;
                code = p[0] & (unsigned char)~forms[n].mask;
                for (size_t i = 1; i <= n; i++) {
                        if ((p[i] & 0xc0) != 0x80)
                                return 0;
                        code = code << 6 | (p[i] & 0x3f);
                }
                if (code < forms[n].least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
                        return 0;
                return n + 1;
        }
        return 0;
}

bool text_is_clean(const char *text) {
        const unsigned char *p = (const unsigned char *)text;

        while (*p) {
                size_t n = utf8_length(p);

                if (n == 0 || *p < 0x20 || *p == 0x7f)
                        return false;
                p += n;
        }
        return true;
}
