/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Processes that serve an image, and outlive whoever started them
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "providers/common/image-process.h"
#include "util/clock.h"
#include "util/macro.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

#define PROGRAM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
/* What is written to a volume may go through them: they are among the last to be killed for memory. */
#define OOM_SCORE "-900"
#define PARENT_USEC (5 * USEC_PER_SEC)
#define TERM_USEC (3 * USEC_PER_SEC)
#define KILL_USEC (2 * USEC_PER_SEC)

DEFINE_CLEANUP(DIR *, closedir)

enum { STAT_SIZE = 1024, STARTED_FIELD = 22 };

/* When a process began, in ticks since the boot. -ESRCH: it has ended. */
static int read_start(pid_t pid, uint64_t *ret_start) {
        char path[32], text[STAT_SIZE], *at;
        _cleanup_(closep) int fd = -1;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = 0;
        /* Its name may have anything in it; behind the last bracket are numbers. */
        at = strrchr(text, ')');
        if (!at || at[1] != ' ')
                return -ESRCH;
        if (at[2] == 'Z' || at[2] == 'X')
                return -ESRCH;
        at += 2;
        for (int field = 3; field < STARTED_FIELD && at; field++)
                at = strchr(at + 1, ' ');
        if (!at)
                return -EBADMSG;
        *ret_start = strtoull(at, NULL, 10);
        return 0;
}

static int write_text(const char *path, int flags, const char *text) {
        _cleanup_(closep) int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags, 0600);

        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -EIO;
}

static int record(const char *pid_file) {
        uint64_t start;
        char text[64];
        int r;

        r = read_start(getpid(), &start);
        if (r < 0)
                return r;
        (void)snprintf(text, sizeof(text), "%d %" PRIu64 "\n", (int)getpid(), start);
        return write_text(pid_file, O_CREAT | O_EXCL, text);
}

static int set_files(const ImageProcess *how) {
        _cleanup_(closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC), log = -1;

        if (null < 0)
                return -errno;
        if (how->log)
                log = open(how->log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (how->log && log < 0)
                return -errno;
        if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(log >= 0 ? log : null, 2) < 0)
                return -errno;
        /* Descriptors of others' libraries may not all be closed by exec. */
        (void)syscall(SYS_close_range, 3, ~0u, 0);
        return 0;
}

/* nbdkit in the foreground asks for a SIGTERM when its parent ends: that one has to be gone before. */
static int outlive(pid_t parent) {
        static const struct timespec pause = { .tv_nsec = 1000000 };
        uint64_t deadline = now_usec() + PARENT_USEC;

        while (getppid() == parent) {
                if (now_usec() >= deadline)
                        return -ETIMEDOUT;
                (void)nanosleep(&pause, NULL);
        }
        return 0;
}

/* Return: why it did not become what it is to be. */
static int become(const ImageProcess *how, char *const argv[], pid_t parent, int report_fd) {
        const struct rlimit limit = { IMAGE_LOG_MAX, IMAGE_LOG_MAX };
        sigset_t none;
        int r;

        if (setsid() < 0)
                return -errno;
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)signal(SIGPIPE, SIG_DFL);
        if (!how->writes_files) {
                /* A log that is full is no reason to die. */
                (void)signal(SIGXFSZ, SIG_IGN);
                (void)setrlimit(RLIMIT_FSIZE, &limit);
        }
        (void)umask(077);
        (void)write_text("/proc/self/oom_score_adj", 0, OOM_SCORE);
        /* Memory that they wait for is not to wait for the volume that they carry. */
        (void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
        if (clearenv() != 0 || setenv("PATH", PROGRAM_PATH, 1) < 0 || setenv("LC_ALL", "C", 1) < 0 ||
            chdir("/") < 0)
                return -errno;
        r = outlive(parent);
        if (r == 0)
                r = record(how->pid_file);
        if (r < 0)
                return r;
        /* From here on its end is seen from its file. */
        (void)close(report_fd);
        r = set_files(how);
        if (r == 0)
                (void)execvp(argv[0], argv);
        if (r == 0)
                dprintf(2, "%s cannot be run: %s\n", argv[0], strerror(errno));
        _exit(127);
}

int image_process_start(const ImageProcess *how, char *const argv[]) {
        int pipes[2], r = 0, status;
        ssize_t n;
        pid_t pid;

        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        pid = fork();
        if (pid < 0) {
                r = -errno;
                (void)close(pipes[0]);
                (void)close(pipes[1]);
                return r;
        }
        if (pid == 0) {
                pid_t parent = getpid();

                /* Twice, so that it is nobody's child, and nobody has to wait for it. */
                pid = fork();
                if (pid == 0)
                        r = become(how, argv, parent, pipes[1]);
                else if (pid < 0)
                        r = -errno;
                if (r < 0)
                        (void)!write(pipes[1], &r, sizeof(r));
                _exit(0);
        }
        (void)close(pipes[1]);
        do
                n = read(pipes[0], &r, sizeof(r));
        while (n < 0 && errno == EINTR);
        (void)close(pipes[0]);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return n == (ssize_t)sizeof(r) ? r : 0;
}

static int read_record(const char *pid_file, pid_t *ret_pid, uint64_t *ret_start) {
        _cleanup_(closep) int fd = open(pid_file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        char text[64];
        ssize_t n;
        int pid;

        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = 0;
        if (sscanf(text, "%d %" SCNu64, &pid, ret_start) != 2 || pid <= 1)
                return -ESRCH;
        *ret_pid = pid;
        return 0;
}

int image_process_find(const char *pid_file, pid_t *ret_pid) {
        uint64_t recorded, start = 0;
        pid_t pid = -1;
        int r;

        r = read_record(pid_file, &pid, &recorded);
        if (r == 0)
                r = read_start(pid, &start);
        if (r < 0)
                return r;
        if (start != recorded)
                return -ESRCH;
        if (ret_pid)
                *ret_pid = pid;
        return 0;
}

/* 1: it has not ended in time. */
static int await_end(int pidfd, uint64_t usec) {
        uint64_t deadline = now_usec() + usec;

        for (;;) {
                struct pollfd p = { .fd = pidfd, .events = POLLIN };
                uint64_t now = now_usec();
                int r;

                if (now >= deadline)
                        return 1;
                r = poll(&p, 1, (int)((deadline - now) / USEC_PER_MSEC) + 1);
                if (r > 0)
                        return 0;
                if (r < 0 && errno != EINTR)
                        return -errno;
        }
}

int image_process_stop(const char *pid_file) {
        _cleanup_(closep) int pidfd = -1;
        pid_t pid = -1;
        int r;

        r = image_process_find(pid_file, &pid);
        if (r == 0) {
                pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
                /* The descriptor is of who has the number now; so it is looked again. */
                if (pidfd < 0 && errno != ESRCH)
                        return -errno;
                r = image_process_find(pid_file, &pid);
        }
        if (r == 0 && pidfd >= 0) {
                /* One that is stopped hears nothing until it goes on. */
                (void)syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
                (void)syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, NULL, 0);
                r = await_end(pidfd, TERM_USEC);
                if (r == 1) {
                        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
                        r = await_end(pidfd, KILL_USEC);
                }
                if (r != 0)
                        return r < 0 ? r : -ETIMEDOUT;
        }
        if (r < 0 && r != -ESRCH && r != -ENOENT)
                return r;
        return unlink(pid_file) < 0 && errno != ENOENT ? -errno : 0;
}

/* The sockets of its network that are connected, by their numbers: is @inode one of them? */
static bool is_established(pid_t pid, const char *table, unsigned long inode) {
        _cleanup_(fclosep) FILE *file = NULL;
        char path[64], line[512];

        (void)snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, table);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file)) {
                unsigned long number;
                unsigned state;

                if (sscanf(line, " %*d: %*s %*s %x %*s %*s %*s %*u %*u %lu", &state, &number) == 2 &&
                    state == TCP_ESTABLISHED && number == inode)
                        return true;
        }
        return false;
}

bool image_process_is_connected(pid_t pid) {
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
        dir = opendir(path);
        while (dir && (entry = readdir(dir))) {
                char target[64];
                unsigned long inode;
                ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

                if (n <= 0)
                        continue;
                target[n] = 0;
                if (sscanf(target, "socket:[%lu]", &inode) == 1 &&
                    (is_established(pid, "tcp", inode) || is_established(pid, "tcp6", inode)))
                        return true;
        }
        return false;
}

bool image_program_is_there(const char *name) {
        char paths[] = PROGRAM_PATH, *rest, path[PATH_MAX];

        for (char *p = strtok_r(paths, ":", &rest); p; p = strtok_r(NULL, ":", &rest)) {
                (void)snprintf(path, sizeof(path), "%s/%s", p, name);
                if (access(path, X_OK) == 0)
                        return true;
        }
        return false;
}
