/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SFTP, version 3
 *
 * The server is whatever `ssh -s sftp` reaches, with the user's own configuration, agents and known hosts.
 * What it sends is not believed further than its packets' lengths.
 */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "repository/sftp-wire.h"
#include "repository/sftp.h"

#define PIECE (32u * 1024)
/* Requests on their way: answers to so many writes fit into a pipe, so that nobody waits for each other. */
#define WINDOW 64u
#define END_WAIT_MS 2000
#define NAMES_MAX 10000000u

struct Sftp {
        pthread_mutex_t lock;
        pid_t pid;
        int fd; /* a socket: a server that has gone ends calls with an error, not us with a signal */
        uint32_t next_id;
        int broken; /* a negative errno, once nothing goes any more */
        bool posix_rename, fsync;
        Bytes out, in; /* a packet each */
};

static int wait_fd(int fd, short events) {
        struct pollfd poll_fd = { .fd = fd, .events = events };
        int n;

        do
                n = poll(&poll_fd, 1, (int)SFTP_SILENCE * 1000);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

/* One that ended with something unread in it is reset. */
static int stream_errno(void) {
        return errno == EPIPE || errno == ECONNRESET ? -ENOTCONN : -errno;
}

static int send_out(Sftp *sftp) {
        size_t sent = 0;

        while (sftp->broken == 0 && sent < sftp->out.size) {
                ssize_t n = send(sftp->fd, sftp->out.data + sent, sftp->out.size - sent, MSG_NOSIGNAL);

                if (n >= 0)
                        sent += (size_t)n;
                else if (errno == EAGAIN)
                        sftp->broken = wait_fd(sftp->fd, POLLOUT);
                else if (errno != EINTR)
                        sftp->broken = stream_errno();
        }
        sftp->out.size = 0;
        return sftp->broken;
}

static int read_exactly(Sftp *sftp, uint8_t *to, size_t size) {
        while (sftp->broken == 0 && size > 0) {
                ssize_t n = read(sftp->fd, to, size);

                if (n > 0) {
                        to += n;
                        size -= (size_t)n;
                } else if (n == 0) {
                        sftp->broken = -ENOTCONN;
                } else if (errno == EAGAIN) {
                        sftp->broken = wait_fd(sftp->fd, POLLIN);
                } else if (errno != EINTR) {
                        sftp->broken = stream_errno();
                }
        }
        return sftp->broken;
}

/* The next packet, into sftp->in; its type and what follows. */
static int receive(Sftp *sftp, uint8_t *ret_type, Wire *ret_wire) {
        uint8_t head[4];
        Wire wire = { .p = head, .end = head + sizeof(head) };
        uint32_t size;
        int r = read_exactly(sftp, head, sizeof(head));

        if (r < 0)
                return r;
        size = wire_take_u32(&wire);
        if (size < 1 || size > SFTP_PACKET_MAX)
                return sftp->broken = -EBADMSG;
        sftp->in.size = 0;
        r = bytes_reserve(&sftp->in, size);
        if (r == 0)
                r = read_exactly(sftp, sftp->in.data, size);
        if (r < 0)
                return sftp->broken = r;
        *ret_type = sftp->in.data[0];
        *ret_wire = (Wire){ .p = sftp->in.data + 1, .end = sftp->in.data + size };
        return 0;
}

/* The answer to one of the @n requests from @first on: which it is, and what it says. */
static int receive_answer(Sftp *sftp, uint32_t first, uint32_t n, uint8_t type, uint32_t *ret_index,
                          Wire *ret_wire) {
        uint8_t got;
        uint32_t index;
        int r = receive(sftp, &got, ret_wire);

        if (r < 0)
                return r;
        index = wire_take_u32(ret_wire) - first;
        if (ret_wire->failed || index >= n)
                return sftp->broken = -EBADMSG;
        *ret_index = index;
        if (got == SFTP_STATUS) {
                uint32_t status = wire_take_u32(ret_wire);

                if (ret_wire->failed)
                        return sftp->broken = -EBADMSG;
                r = wire_status_error(status);
                return r == 0 && type != SFTP_STATUS ? (sftp->broken = -EBADMSG) : r;
        }
        return got == type ? 0 : (sftp->broken = -EBADMSG);
}

static uint32_t begin(Sftp *sftp, uint8_t type, size_t *ret_start) {
        wire_begin(&sftp->out, type, ret_start);
        wire_u32(&sftp->out, sftp->next_id);
        return sftp->next_id++;
}

static int end(Sftp *sftp, size_t start) {
        int r = sftp->broken ?: wire_end(&sftp->out, start);

        return r < 0 ? r : send_out(sftp);
}

/* One request that has one answer. */
static int ask(Sftp *sftp, size_t start, uint32_t id, uint8_t type, Wire *ret_wire) {
        uint32_t index;
        int r = end(sftp, start);

        return r < 0 ? r : receive_answer(sftp, id, 1, type, &index, ret_wire);
}

static int ask_path(Sftp *sftp, uint8_t request, const char *path, uint8_t type, Wire *ret_wire) {
        size_t start;
        uint32_t id = begin(sftp, request, &start);

        wire_text(&sftp->out, path);
        return ask(sftp, start, id, type, ret_wire);
}

#define HANDLE_MAX 256u
typedef struct Handle {
        uint8_t data[HANDLE_MAX];
        size_t size;
} Handle;

static int take_handle(Sftp *sftp, Wire *wire, Handle *ret_handle) {
        const uint8_t *data = wire_take_data(wire, &ret_handle->size);

        if (wire->failed || ret_handle->size > HANDLE_MAX)
                return sftp->broken = -EBADMSG;
        memcpy(ret_handle->data, data, ret_handle->size);
        return 0;
}

static int open_file(Sftp *sftp, const char *path, uint32_t flags, mode_t mode, Handle *ret_handle) {
        size_t start;
        uint32_t id = begin(sftp, SFTP_OPEN, &start);
        Wire wire;
        int r;

        wire_text(&sftp->out, path);
        wire_u32(&sftp->out, flags);
        wire_u32(&sftp->out, mode ? 4 : 0);
        if (mode)
                wire_u32(&sftp->out, mode);
        r = ask(sftp, start, id, SFTP_HANDLE, &wire);
        return r < 0 ? r : take_handle(sftp, &wire, ret_handle);
}

static int close_file(Sftp *sftp, const Handle *handle) {
        size_t start;
        uint32_t id = begin(sftp, SFTP_CLOSE, &start);
        Wire wire;

        wire_data(&sftp->out, handle->data, handle->size);
        return ask(sftp, start, id, SFTP_STATUS, &wire);
}

static int sync_file(Sftp *sftp, const Handle *handle) {
        size_t start;
        uint32_t id;
        Wire wire;

        if (!sftp->fsync)
                return 0;
        id = begin(sftp, SFTP_EXTENDED, &start);
        wire_text(&sftp->out, "fsync@openssh.com");
        wire_data(&sftp->out, handle->data, handle->size);
        return ask(sftp, start, id, SFTP_STATUS, &wire);
}

/* Many requests on their way; the first failure is kept, and all answers are waited for. */
static int write_pieces(Sftp *sftp, const Handle *handle, const uint8_t *data, size_t size) {
        uint32_t first = sftp->next_id, sent = 0, answered = 0, index,
                 n = (uint32_t)((size + PIECE - 1) / PIECE);
        int result = 0, r = 0;

        while (sftp->broken == 0 && answered < n) {
                Wire wire;

                if (sent < n && sent - answered < WINDOW) {
                        size_t start, offset = (size_t)sent * PIECE;

                        (void)begin(sftp, SFTP_WRITE, &start);
                        wire_data(&sftp->out, handle->data, handle->size);
                        wire_u64(&sftp->out, offset);
                        wire_data(&sftp->out, data + offset, MIN(size - offset, (size_t)PIECE));
                        r = end(sftp, start);
                        if (r < 0)
                                return r;
                        sent++;
                        continue;
                }
                r = receive_answer(sftp, first, n, SFTP_STATUS, &index, &wire);
                result = result ?: r;
                answered++;
        }
        return sftp->broken ?: result;
}

static int write_locked(Sftp *sftp, const char *path, const void *data, size_t size, mode_t mode) {
        Handle handle;
        /* WRITE, CREAT, EXCL */
        int r = open_file(sftp, path, 0x2 | 0x8 | 0x20, mode, &handle), closed;

        if (r < 0)
                return r;
        r = write_pieces(sftp, &handle, data, size);
        if (r == 0)
                r = sync_file(sftp, &handle);
        closed = close_file(sftp, &handle);
        return r < 0 ? r : closed;
}

int sftp_write(Sftp *sftp, const char *path, const void *data, size_t size, mode_t mode) {
        int r;

        (void)pthread_mutex_lock(&sftp->lock);
        r = write_locked(sftp, path, data, size, mode);
        (void)pthread_mutex_unlock(&sftp->lock);
        return r;
}

static int request_read(Sftp *sftp, const Handle *handle, uint64_t offset, size_t size) {
        size_t start;

        (void)begin(sftp, SFTP_READ, &start);
        wire_data(&sftp->out, handle->data, handle->size);
        wire_u64(&sftp->out, offset);
        wire_u32(&sftp->out, (uint32_t)size);
        return end(sftp, start);
}

/* A server may answer with less than was asked for. */
static int read_rest(Sftp *sftp, const Handle *handle, uint64_t offset, uint8_t *to, size_t size) {
        while (size > 0) {
                uint32_t first = sftp->next_id, index;
                const uint8_t *got;
                size_t n;
                Wire wire;
                int r = request_read(sftp, handle, offset, size);

                if (r == 0)
                        r = receive_answer(sftp, first, 1, SFTP_DATA, &index, &wire);
                if (r < 0)
                        return r;
                got = wire_take_data(&wire, &n);
                if (n == 0 || n > size)
                        return sftp->broken = -EBADMSG;
                memcpy(to, got, n);
                to += n;
                offset += n;
                size -= n;
        }
        return 0;
}

/* Into @to; how much of each piece came is noted in @came. */
static int read_window(Sftp *sftp, const Handle *handle, uint64_t offset, uint8_t *to, size_t size,
                       size_t came[static WINDOW]) {
        uint32_t first = sftp->next_id, n = (uint32_t)((size + PIECE - 1) / PIECE), index;
        int result = 0, r = 0;

        for (uint32_t i = 0; r == 0 && i < n; i++) {
                came[i] = 0;
                r = request_read(sftp, handle, offset + (uint64_t)i * PIECE,
                                 MIN(size - (size_t)i * PIECE, (size_t)PIECE));
        }
        for (uint32_t i = 0; sftp->broken == 0 && i < n; i++) {
                const uint8_t *got;
                size_t length;
                Wire wire;

                r = receive_answer(sftp, first, n, SFTP_DATA, &index, &wire);
                result = result ?: r;
                if (r < 0)
                        continue;
                got = wire_take_data(&wire, &length);
                if (length == 0 || length > MIN(size - (size_t)index * PIECE, (size_t)PIECE))
                        return sftp->broken = -EBADMSG;
                memcpy(to + (size_t)index * PIECE, got, length);
                came[index] = length;
        }
        return sftp->broken ?: result;
}

static int read_pieces(Sftp *sftp, const Handle *handle, uint64_t offset, uint8_t *to, size_t size) {
        size_t came[WINDOW];

        while (size > 0) {
                size_t now = MIN(size, (size_t)PIECE * WINDOW);
                int r = read_window(sftp, handle, offset, to, now, came);

                for (size_t at = 0, i = 0; r == 0 && at < now; at += PIECE, i++)
                        r = read_rest(sftp, handle, offset + at + came[i], to + at + came[i],
                                      MIN(now - at, (size_t)PIECE) - came[i]);
                if (r < 0)
                        return r;
                offset += now;
                to += now;
                size -= now;
        }
        return 0;
}

static int read_size(Sftp *sftp, const Handle *handle, uint64_t *ret_size) {
        WireAttributes attributes;
        size_t start;
        uint32_t id = begin(sftp, SFTP_FSTAT, &start);
        Wire wire;
        int r;

        wire_data(&sftp->out, handle->data, handle->size);
        r = ask(sftp, start, id, SFTP_ATTRS, &wire);
        if (r < 0)
                return r;
        wire_take_attributes(&wire, &attributes);
        *ret_size = attributes.size;
        return wire.failed ? (sftp->broken = -EBADMSG) : 0;
}

static int read_locked(Sftp *sftp, const char *path, uint64_t offset, size_t length, uint64_t limit,
                       Bytes *data) {
        Handle handle;
        uint64_t size;
        int r = open_file(sftp, path, 0x1, 0, &handle), closed;

        if (r < 0)
                return r;
        if (length == 0) {
                r = read_size(sftp, &handle, &size);
                if (r == 0 && (size > limit || offset > size))
                        r = -ENODATA;
                length = r == 0 ? (size_t)(size - offset) : 0;
        }
        if (r == 0)
                r = bytes_reserve(data, length);
        if (r == 0)
                r = read_pieces(sftp, &handle, offset, data->data + data->size, length);
        if (r == 0)
                data->size += length;
        closed = close_file(sftp, &handle);
        return r < 0 ? r : closed;
}

int sftp_read(Sftp *sftp, const char *path, uint64_t offset, size_t length, uint64_t limit, Bytes *data) {
        int r;

        (void)pthread_mutex_lock(&sftp->lock);
        r = read_locked(sftp, path, offset, length, limit, data);
        (void)pthread_mutex_unlock(&sftp->lock);
        return r;
}

int sftp_stat(Sftp *sftp, const char *path, uint64_t *ret_size, mode_t *ret_mode) {
        WireAttributes attributes = {};
        Wire wire;
        int r;

        (void)pthread_mutex_lock(&sftp->lock);
        r = ask_path(sftp, SFTP_LSTAT, path, SFTP_ATTRS, &wire);
        if (r == 0) {
                wire_take_attributes(&wire, &attributes);
                r = wire.failed ? (sftp->broken = -EBADMSG) : 0;
        }
        (void)pthread_mutex_unlock(&sftp->lock);
        if (r < 0)
                return r;
        *ret_size = attributes.size;
        *ret_mode = attributes.mode;
        return 0;
}

int sftp_rename(Sftp *sftp, const char *from, const char *to) {
        size_t start;
        uint32_t id;
        Wire wire;
        int r;

        (void)pthread_mutex_lock(&sftp->lock);
        id = begin(sftp, sftp->posix_rename ? SFTP_EXTENDED : SFTP_RENAME, &start);
        if (sftp->posix_rename)
                wire_text(&sftp->out, "posix-rename@openssh.com");
        wire_text(&sftp->out, from);
        wire_text(&sftp->out, to);
        r = ask(sftp, start, id, SFTP_STATUS, &wire);
        (void)pthread_mutex_unlock(&sftp->lock);
        return r;
}

int sftp_remove(Sftp *sftp, const char *path) {
        Wire wire;
        int r;

        (void)pthread_mutex_lock(&sftp->lock);
        r = ask_path(sftp, SFTP_REMOVE, path, SFTP_STATUS, &wire);
        (void)pthread_mutex_unlock(&sftp->lock);
        return r;
}

int sftp_make_directory(Sftp *sftp, const char *path, mode_t mode) {
        size_t start;
        uint32_t id;
        Wire wire;
        int r;

        (void)pthread_mutex_lock(&sftp->lock);
        id = begin(sftp, SFTP_MKDIR, &start);
        wire_text(&sftp->out, path);
        wire_u32(&sftp->out, 4);
        wire_u32(&sftp->out, mode);
        r = ask(sftp, start, id, SFTP_STATUS, &wire);
        (void)pthread_mutex_unlock(&sftp->lock);
        return r;
}

/* The names of one answer. */
static int take_names(Sftp *sftp, Wire *wire, SftpHandler handler, void *userdata) {
        uint32_t n = wire_take_u32(wire);
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < n && !wire->failed; i++) {
                WireAttributes attributes;
                _cleanup_(freep) char *name = NULL;
                size_t size, ignored;
                const uint8_t *at = wire_take_data(wire, &size);

                (void)wire_take_data(wire, &ignored);
                wire_take_attributes(wire, &attributes);
                if (wire->failed || memchr(at, 0, size))
                        return sftp->broken = -EBADMSG;
                name = strndup((const char *)at, size);
                r = name ? handler(userdata, name, attributes.size, attributes.mode) : -ENOMEM;
        }
        return wire->failed ? (sftp->broken = -EBADMSG) : r;
}

static int list_locked(Sftp *sftp, const char *path, SftpHandler handler, void *userdata) {
        Handle handle;
        Wire wire;
        int r = ask_path(sftp, SFTP_OPENDIR, path, SFTP_HANDLE, &wire), closed;

        if (r == 0)
                r = take_handle(sftp, &wire, &handle);
        if (r < 0)
                return r;
        for (unsigned i = 0; r == 0; i++) {
                size_t start;
                uint32_t id = begin(sftp, SFTP_READDIR, &start);

                wire_data(&sftp->out, handle.data, handle.size);
                r = i < NAMES_MAX ? ask(sftp, start, id, SFTP_NAME, &wire) : -E2BIG;
                if (r == 0)
                        r = take_names(sftp, &wire, handler, userdata);
        }
        closed = sftp->broken ?: close_file(sftp, &handle);
        return r == -ENODATA ? closed : r;
}

int sftp_list(Sftp *sftp, const char *path, SftpHandler handler, void *userdata) {
        int r;

        (void)pthread_mutex_lock(&sftp->lock);
        r = list_locked(sftp, path, handler, userdata);
        (void)pthread_mutex_unlock(&sftp->lock);
        return r;
}

static int greet(Sftp *sftp) {
        size_t start, n;
        uint8_t type;
        Wire wire;
        int r;

        wire_begin(&sftp->out, SFTP_INIT, &start);
        wire_u32(&sftp->out, 3);
        r = end(sftp, start);
        if (r == 0)
                r = receive(sftp, &type, &wire);
        if (r < 0)
                return r;
        if (type != SFTP_VERSION || wire_take_u32(&wire) < 3)
                return -EPROTONOSUPPORT;
        while (!wire.failed && wire.p < wire.end) {
                const char *name = (const char *)wire_take_data(&wire, &n);

                sftp->posix_rename |= n == 24 && memcmp(name, "posix-rename@openssh.com", n) == 0;
                sftp->fsync |= n == 17 && memcmp(name, "fsync@openssh.com", n) == 0;
                (void)wire_take_data(&wire, &n);
        }
        return wire.failed ? -EBADMSG : 0;
}

/* In the child: only what is safe behind a fork with threads. */
static _Noreturn void run_child(const char *const *command, int fd) {
        /* Whoever presses Ctrl-C wants what is on its way to arrive. */
        (void)signal(SIGINT, SIG_IGN);
        (void)signal(SIGHUP, SIG_IGN);
        if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
                _exit(127);
        (void)execvp(command[0], (char *const *)command);
        _exit(127);
}

int sftp_start(const char *const *command, Sftp **ret_sftp) {
        _cleanup_(sftp_freep) Sftp *sftp = calloc(1, sizeof(*sftp));
        int pair[2], r;

        if (!sftp)
                return -ENOMEM;
        sftp->fd = -1;
        (void)pthread_mutex_init(&sftp->lock, NULL);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        sftp->fd = pair[0];
        sftp->pid = fork();
        if (sftp->pid == 0)
                run_child(command, pair[1]);
        r = sftp->pid < 0 ? -errno : 0;
        (void)close(pair[1]);
        if (r == 0 && fcntl(sftp->fd, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        if (r == 0)
                r = greet(sftp);
        if (r < 0)
                return r;
        *ret_sftp = TAKE_PTR(sftp);
        return 0;
}

/* It ends when its input does; one that does not is made to. */
static void end_child(pid_t pid) {
        for (unsigned waited = 0; waited < END_WAIT_MS; waited += 10) {
                if (waitpid(pid, NULL, WNOHANG) != 0)
                        return;
                (void)poll(NULL, 0, 10);
        }
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
}

Sftp *sftp_free(Sftp *sftp) {
        if (!sftp)
                return NULL;
        if (sftp->fd >= 0)
                (void)close(sftp->fd);
        if (sftp->pid > 0)
                end_child(sftp->pid);
        bytes_clear(&sftp->out);
        bytes_clear(&sftp->in);
        (void)pthread_mutex_destroy(&sftp->lock);
        free(sftp);
        return NULL;
}
