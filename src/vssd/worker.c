/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Workers
 *
 * The answer comes as one message: a header, a memfd with the encoded value, and the descriptors.
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include "util/clock.h"
#include "util/value-codec.h"
#include "vssd/log.h"
#include "vssd/manager.h"
#include "vssd/worker.h"

enum { ANSWER_SIZE_MAX = 64 * 1024 * 1024 };

typedef struct Header {
        int32_t error;
        uint64_t size; /* of the encoded value */
} Header;

struct Worker {
        struct Manager *manager;
        WorkerDone done; /* NULL once called or cancelled */
        void *userdata;
        pid_t pid;
        int socket;
        sd_event_source *io, *child, *timer;
};

static Worker *worker_free(Worker *worker) {
        if (!worker)
                return NULL;
        sd_event_source_disable_unref(worker->io);
        sd_event_source_disable_unref(worker->child);
        sd_event_source_disable_unref(worker->timer);
        if (worker->socket >= 0)
                close(worker->socket);
        free(worker);
        return NULL;
}

DEFINE_CLEANUP(Worker *, worker_free)

static int send_answer(int fd, int error, const WorkerAnswer *answer) {
        _cleanup_(freep) uint8_t *data = NULL;
        _cleanup_(closep) int memory = -1;
        Header header = { .error = error };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int) * (WORKER_FDS_MAX + 1))];
        } control = { 0 };
        struct iovec iov = { &header, sizeof(header) };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
        size_t size;
        int r;

        r = value_encode(answer->value, &data, &size);
        if (r < 0)
                return r;
        memory = memfd_create("linuxvss-answer", MFD_CLOEXEC);
        if (memory < 0)
                return -errno;
        if (write(memory, data, size) != (ssize_t)size)
                return -EIO;
        header.size = size;

        message.msg_controllen = CMSG_SPACE(sizeof(int) * (answer->n_fds + 1));
        control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int) * (answer->n_fds + 1)),
                                           .cmsg_level = SOL_SOCKET,
                                           .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(&control.header), &memory, sizeof(int));
        memcpy(CMSG_DATA(&control.header) + sizeof(int), answer->fds, sizeof(int) * answer->n_fds);
        return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* One that hangs in the kernel, where no signal reaches it, must keep neither the bus connection nor a
 * hold's socket open: when the service dies, its participants and the hold know by their ends. */
static void close_sockets(int keep) {
        DIR *dir = opendir("/proc/self/fd");
        struct dirent *entry;
        struct stat st;

        while (dir && (entry = readdir(dir))) {
                int fd = (int)strtol(entry->d_name, NULL, 10);

                if (fd > STDERR_FILENO && fd != keep && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
                        close(fd);
        }
        if (dir)
                closedir(dir);
}

_Noreturn static void child_main(int fd, WorkerMain run, void *arg) {
        WorkerAnswer answer = { 0 };
        sigset_t none;
        int r;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)prctl(PR_SET_NAME, "vssd-worker");
        close_sockets(fd);

        answer.value = vss_value_new_dict();
        r = answer.value ? run(arg, &answer) : -ENOMEM;
        r = send_answer(fd, r, &answer);
        _exit(r < 0);
}

/* Return: the worker's own error, -EPIPE if it did not answer, other errno if the answer is not good. */
static int receive_answer(int fd, WorkerAnswer *answer) {
        Header header;
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int) * (WORKER_FDS_MAX + 1))];
        } control;
        struct iovec iov = { &header, sizeof(header) };
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        _cleanup_(closep) int memory = -1;
        struct cmsghdr *c;
        void *data;
        size_t n;
        int r;

        if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != sizeof(header))
                return -EPIPE;
        c = CMSG_FIRSTHDR(&message);
        if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(sizeof(int)))
                return -EPIPE;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(&memory, CMSG_DATA(c), sizeof(int));
        answer->n_fds = n - 1;
        memcpy(answer->fds, CMSG_DATA(c) + sizeof(int), sizeof(int) * answer->n_fds);

        if (header.size == 0 || header.size > ANSWER_SIZE_MAX)
                return -EBADMSG;
        data = mmap(NULL, header.size, PROT_READ, MAP_PRIVATE, memory, 0);
        if (data == MAP_FAILED)
                return -errno;
        r = value_decode(data, header.size, &answer->value);
        (void)munmap(data, header.size);
        /* Paths and what is said of them go to the bus, which takes no other text. */
        if (r >= 0)
                value_make_utf8(answer->value);
        return r < 0 ? r : header.error;
}

static void report(Worker *worker, int error, WorkerAnswer *answer) {
        WorkerDone done = TAKE_PTR(worker->done);

        if (done)
                done(worker->userdata, error, answer);
        for (size_t i = 0; i < answer->n_fds; i++)
                if (answer->fds[i] >= 0)
                        close(answer->fds[i]);
        vss_value_free(answer->value);
}

static int on_answer(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Worker *worker = userdata;
        WorkerAnswer answer = { 0 };
        int r = receive_answer(fd, &answer);

        worker->io = sd_event_source_disable_unref(worker->io);
        worker->timer = sd_event_source_disable_unref(worker->timer);
        report(worker, r, &answer);
        return 0;
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata) {
        Worker *worker = userdata;
        WorkerAnswer answer = { 0 };

        (void)kill(worker->pid, SIGKILL);
        worker->io = sd_event_source_disable_unref(worker->io);
        report(worker, -ETIMEDOUT, &answer);
        return 0;
}

static int on_child(sd_event_source *source, const siginfo_t *si, void *userdata) {
        Worker *worker = userdata;

        /* The answer of a child that has ended may still wait in the socket. */
        if (worker->done)
                (void)on_answer(worker->io, worker->socket, 0, worker);
        worker_free(worker);
        return 0;
}

int worker_start(struct Manager *manager, WorkerMain run, void *arg, uint64_t limit_usec, WorkerDone done,
                 void *userdata, Worker **ret_worker) {
        _cleanup_(worker_freep) Worker *worker = calloc(1, sizeof(*worker));
        int pair[2], r;

        if (!worker)
                return -ENOMEM;
        *worker = (Worker){ .manager = manager, .done = done, .userdata = userdata, .socket = -1 };
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        worker->socket = pair[0];

        worker->pid = fork();
        if (worker->pid < 0) {
                r = -errno;
                close(pair[1]);
                return r;
        }
        if (worker->pid == 0) {
                close(pair[0]);
                child_main(pair[1], run, arg);
        }
        close(pair[1]);

        r = sd_event_add_child(manager->event, &worker->child, worker->pid, WEXITED, on_child, worker);
        if (r >= 0)
                r = sd_event_add_io(manager->event, &worker->io, worker->socket, EPOLLIN, on_answer, worker);
        if (r >= 0)
                r = sd_event_add_time_relative(manager->event, &worker->timer, CLOCK_MONOTONIC, limit_usec,
                                               USEC_PER_MSEC, on_late, worker);
        if (r < 0) {
                (void)kill(worker->pid, SIGKILL);
                (void)waitpid(worker->pid, NULL, 0);
                return r;
        }
        if (ret_worker)
                *ret_worker = worker;
        (void)TAKE_PTR(worker);
        return 0;
}

void worker_cancel(Worker *worker) {
        if (!worker)
                return;
        worker->done = NULL;
        worker->io = sd_event_source_disable_unref(worker->io);
        worker->timer = sd_event_source_disable_unref(worker->timer);
        (void)kill(worker->pid, SIGKILL);
}
