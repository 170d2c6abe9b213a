/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lets somebody else use a repository
 *
 * One thread reads, and never waits for a store: who keeps to the limits always gets rid of what it has to
 * send, so the two ends cannot wait for each other. Others work, and answer as they are done.
 */

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include "repository/crypto.h"
#include "repository/pool.h"
#include "repository/serve-wire.h"
#include "repository/serve.h"
#include "util/clock.h"

/* What is read from a store at once. */
#define LOAD_PIECE (4u << 20)
#define LOCKS_MAX 1000u

typedef struct Job {
        uint8_t type;
        uint32_t tag;
        ServeRequest request;
        Bytes data; /* of a file that is saved: it grows as it comes */
} Job;

typedef struct Server {
        Backend *backend;
        int fd;
        const ServeOptions *options;
        Pool *pool;
        Job *coming[SERVE_REQUESTS_MAX]; /* files that have not arrived yet; the reader's alone */
        size_t n_coming;

        pthread_mutex_t mutex; /* of what follows */
        size_t requests;       /* that have no answer yet */
        uint64_t saving;       /* bytes of files among them */
        int broken;
        Bytes locks; /* their ids */

        pthread_mutex_t send_mutex; /* a packet is sent as a whole */
        uint64_t sent_usec;
} Server;

static Job *job_free(Job *job) {
        if (job)
                bytes_clear(&job->data);
        free(job);
        return NULL;
}
DEFINE_CLEANUP(Job *, job_free)

static int status_of(Server *server) {
        int broken;

        (void)pthread_mutex_lock(&server->mutex);
        broken = server->broken;
        (void)pthread_mutex_unlock(&server->mutex);
        return broken;
}

/* The reader wakes up as well. */
static void give_up(Server *server, int error) {
        (void)pthread_mutex_lock(&server->mutex);
        if (server->broken == 0)
                server->broken = error;
        (void)pthread_mutex_unlock(&server->mutex);
        (void)shutdown(server->fd, SHUT_RDWR);
}

static void send_packet(Server *server, const Bytes *packet, int made) {
        int r = made < 0 ? made : status_of(server);

        (void)pthread_mutex_lock(&server->send_mutex);
        if (r == 0)
                r = serve_send(server->fd, packet->data, packet->size);
        server->sent_usec = now_usec();
        (void)pthread_mutex_unlock(&server->send_mutex);
        if (r < 0)
                give_up(server, r);
}

static void send_done(Server *server, uint32_t tag, uint64_t number) {
        _cleanup_bytes_ Bytes packet = {};
        int r = serve_put_done(&packet, tag, number);

        send_packet(server, &packet, r);
}

static void send_failed(Server *server, uint32_t tag, int error, const char *text) {
        _cleanup_bytes_ Bytes packet = {};
        int r = serve_put_failed(&packet, tag, error, text);

        send_packet(server, &packet, r);
}

/* Return: 0, or the failure of the connection. */
static int send_data(Server *server, uint32_t tag, const uint8_t *data, size_t size) {
        _cleanup_bytes_ Bytes packet = {};

        while (size > 0 && status_of(server) == 0) {
                size_t now = MIN(size, (size_t)SERVE_PIECE_MAX);
                int r;

                packet.size = 0;
                r = serve_put_head(&packet, SERVE_DATA, tag, now);
                if (r == 0)
                        r = bytes_append(&packet, data, now);
                send_packet(server, &packet, r);
                data += now;
                size -= now;
        }
        return status_of(server);
}

/* Whoever waits is told that somebody works on it, unless something else tells it. */
static void send_working(Server *server) {
        _cleanup_bytes_ Bytes packet = {};
        size_t requests;
        int r;

        (void)pthread_mutex_lock(&server->mutex);
        requests = server->requests;
        (void)pthread_mutex_unlock(&server->mutex);
        if (requests == 0 || pthread_mutex_trylock(&server->send_mutex) != 0)
                return;
        r = serve_put_head(&packet, SERVE_WORKING, 0, 0);
        if (r == 0 && now_usec() - server->sent_usec >= SERVE_WORKING_MS * USEC_PER_MSEC) {
                r = serve_send(server->fd, packet.data, packet.size);
                server->sent_usec = now_usec();
        }
        (void)pthread_mutex_unlock(&server->send_mutex);
        if (r < 0)
                give_up(server, r);
}

/* ---- what is asked for ---- */

static bool is_allowed(const Server *server, const Job *job) {
        const ServeRights *rights = &server->options->rights;

        switch (job->type) {
        case SERVE_CREATE:
                return rights->create;
        case SERVE_SWEEP:
                return rights->sweep;
        case SERVE_SAVE:
                return rights->saves & SERVE_KIND(job->request.kind);
        case SERVE_REMOVE:
                return rights->removes & SERVE_KIND(job->request.kind);
        default:
                return true;
        }
}

/* Before it is written: one that nobody knows of would stay. */
static int note_lock(Server *server, const BlobId *id) {
        int r;

        (void)pthread_mutex_lock(&server->mutex);
        r = server->locks.size / sizeof(*id) < LOCKS_MAX ? bytes_append(&server->locks, id, sizeof(*id))
                                                         : -E2BIG;
        (void)pthread_mutex_unlock(&server->mutex);
        return r;
}

static void forget_lock(Server *server, const BlobId *id) {
        (void)pthread_mutex_lock(&server->mutex);
        for (size_t at = 0; at < server->locks.size; at += sizeof(*id))
                if (memcmp(server->locks.data + at, id, sizeof(*id)) == 0) {
                        server->locks.size -= sizeof(*id);
                        memmove(server->locks.data + at, server->locks.data + at + sizeof(*id),
                                server->locks.size - at);
                        break;
                }
        (void)pthread_mutex_unlock(&server->mutex);
}

static int save(Server *server, const Job *job, Why *why) {
        const ServeRequest *request = &job->request;
        bool named = request->kind != STORE_CONFIG;
        BlobId hash;
        int r = named ? crypto_sha256(job->data.data, job->data.size, &hash) : 0;

        if (r == 0 && named && !blob_id_equals(&hash, &request->id))
                return repo_fail(why, -EBADMSG, "A %s that came has not the name of its content.",
                                 store_kind_name(request->kind));
        if (r == 0 && request->kind == STORE_LOCK)
                r = note_lock(server, &request->id);
        return r < 0 ? r
                     : server->backend->ops->save(server->backend, request->kind,
                                                  named ? &request->id : NULL, job->data.data,
                                                  job->data.size, why);
}

static const BlobId *id_of(const ServeRequest *request) {
        return request->kind == STORE_CONFIG ? NULL : &request->id;
}

/* In pieces, so that many may be asked for at once. */
static int load(Server *server, const Job *job, Why *why) {
        const ServeRequest *request = &job->request;
        uint64_t offset = request->offset, left = request->length, size;
        _cleanup_bytes_ Bytes data = {};
        int r = 0;

        if (left == 0) {
                r = server->backend->ops->size(server->backend, request->kind, id_of(request), &size, why);
                if (r == 0 && (size > STORE_FILE_MAX || offset > size))
                        r = -ENODATA;
                left = r == 0 ? size - offset : 0;
        }
        while (r == 0 && left > 0) {
                size_t now = (size_t)MIN(left, (uint64_t)LOAD_PIECE);

                data.size = 0;
                r = server->backend->ops->load(server->backend, request->kind, id_of(request), offset, now,
                                               &data, why);
                if (r == 0)
                        r = send_data(server, job->tag, data.data, data.size);
                offset += now;
                left -= now;
        }
        return r;
}

typedef struct Listing {
        Server *server;
        uint32_t tag;
        Bytes data;
} Listing;

static int send_listing(Listing *listing) {
        int r = send_data(listing->server, listing->tag, listing->data.data, listing->data.size);

        listing->data.size = 0;
        return r;
}

static int add_entry(void *userdata, const BlobId *id, uint64_t size) {
        Listing *listing = userdata;
        int r = bytes_append(&listing->data, id->bytes, BLOB_ID_SIZE);

        if (r == 0)
                wire_u64(&listing->data, size);
        if (r == 0 && listing->data.size > SERVE_PIECE_MAX - SERVE_ENTRY)
                r = send_listing(listing);
        return r;
}

static int list(Server *server, const Job *job, Why *why) {
        Listing listing = { .server = server, .tag = job->tag };
        int r = server->backend->ops->list(server->backend, job->request.kind, add_entry, &listing, why);

        if (r == 0)
                r = send_listing(&listing);
        bytes_clear(&listing.data);
        return r;
}

static int work(Server *server, const Job *job, Why *why, uint64_t *ret_number) {
        const ServeRequest *request = &job->request;
        Backend *backend = server->backend;
        size_t count = 0;
        int r;

        switch (job->type) {
        case SERVE_HELLO:
                *ret_number = SERVE_VERSION | (backend->near ? SERVE_NEAR : 0);
                return request->offset >> 32 == SERVE_MAGIC ? 0 : -EPROTONOSUPPORT;
        case SERVE_CREATE:
                return backend->ops->create(backend, why);
        case SERVE_SAVE:
                return save(server, job, why);
        case SERVE_LOAD:
                return load(server, job, why);
        case SERVE_SIZE:
                return backend->ops->size(backend, request->kind, id_of(request), ret_number, why);
        case SERVE_LIST:
                return list(server, job, why);
        case SERVE_REMOVE:
                r = backend->ops->remove(backend, request->kind, id_of(request), why);
                if (r == 0 && request->kind == STORE_LOCK)
                        forget_lock(server, &request->id);
                return r;
        case SERVE_SWEEP:
                r = backend->ops->sweep(backend, request->kind, &count, why);
                *ret_number = count;
                return r;
        default:
                return -EBADMSG;
        }
}

static void run_job(void *userdata, void *item) {
        _cleanup_(job_freep) Job *job = item;
        Server *server = userdata;
        uint64_t number = 0;
        Why why = {};
        int r = 0;

        if (!is_allowed(server, job))
                r = repo_fail(&why, -EPERM, "What is done on the other machine may not %s.",
                              job->type == SERVE_CREATE  ? "make a repository"
                              : job->type == SERVE_SAVE  ? "write such files into the repository"
                              : job->type == SERVE_SWEEP ? "tidy the repository up"
                                                         : "delete such files from the repository");
        else if (status_of(server) == 0)
                r = work(server, job, &why, &number);
        (void)pthread_mutex_lock(&server->mutex);
        server->requests--;
        server->saving -= job->type == SERVE_SAVE ? job->request.length : 0;
        (void)pthread_mutex_unlock(&server->mutex);
        /* The other end may ask for more as soon as it has the answer: it counts them as we do. */
        if (r < 0)
                send_failed(server, job->tag, r, why.text);
        else
                send_done(server, job->tag, number);
}

/* ---- what comes ---- */

/* Does one more keep to the limits? */
static int admit(Server *server, const Job *job) {
        uint64_t length = job->type == SERVE_SAVE ? job->request.length : 0;
        int r = 0;

        (void)pthread_mutex_lock(&server->mutex);
        if (server->requests >= SERVE_REQUESTS_MAX ||
            (server->saving > 0 && server->saving + length > SERVE_WINDOW))
                r = -EBADMSG;
        if (r == 0) {
                server->requests++;
                server->saving += length;
        }
        (void)pthread_mutex_unlock(&server->mutex);
        return r;
}

static void submit(Server *server, Job *job) {
        if (server->pool)
                pool_put(server->pool, job);
        else
                run_job(server, job);
}

static size_t find_coming(const Server *server, uint32_t tag) {
        size_t i = 0;

        while (i < server->n_coming && server->coming[i]->tag != tag)
                i++;
        return i;
}

static int take_piece(Server *server, const ServeHead *head) {
        size_t i = find_coming(server, head->tag);
        Job *job = i < server->n_coming ? server->coming[i] : NULL;
        int r;

        if (!job || head->size == 0 || head->size > job->request.length - job->data.size)
                return -EBADMSG;
        r = serve_receive(server->fd, job->data.data + job->data.size, head->size);
        if (r < 0)
                return r;
        job->data.size += head->size;
        if (job->data.size == job->request.length) {
                server->coming[i] = server->coming[--server->n_coming];
                submit(server, job);
        }
        return 0;
}

static int take_request(Server *server, const ServeHead *head) {
        _cleanup_(job_freep) Job *job = calloc(1, sizeof(*job));
        uint8_t body[64];
        int r;

        if (!job)
                return -ENOMEM;
        if (head->size > sizeof(body))
                return -EBADMSG;
        r = serve_receive(server->fd, body, head->size);
        if (r == 0)
                r = serve_take_request(head, body, &job->request);
        job->type = head->type;
        job->tag = head->tag;
        if (r == 0 && job->type == SERVE_SAVE && find_coming(server, job->tag) < server->n_coming)
                r = -EBADMSG;
        if (r == 0)
                r = admit(server, job);
        if (r < 0)
                return r;
        if (job->type == SERVE_SAVE && job->request.length > 0) {
                /* Room for it is memory only once it comes. */
                r = bytes_reserve(&job->data, job->request.length);
                if (r == 0)
                        server->coming[server->n_coming++] = TAKE_PTR(job);
                return r;
        }
        submit(server, TAKE_PTR(job));
        return 0;
}

/* 1 for the end between two packets. */
static int take_packet(Server *server) {
        uint8_t bytes[SERVE_HEAD];
        ServeHead head;
        ssize_t n = recv(server->fd, bytes, 1, MSG_DONTWAIT);
        int r;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0)
                return n == 0 && server->n_coming == 0 ? 1 : -ENOTCONN;
        r = serve_receive(server->fd, bytes + 1, sizeof(bytes) - 1);
        if (r == 0)
                r = serve_take_head(bytes, &head);
        if (r == 0)
                r = head.type == SERVE_PIECE ? take_piece(server, &head) : take_request(server, &head);
        return r;
}

static int read_all(Server *server) {
        struct pollfd poll_fd = { .fd = server->fd, .events = POLLIN };
        uint64_t heard = now_usec();
        int r = 0;

        while (r == 0) {
                int n = poll(&poll_fd, 1, SERVE_WORKING_MS);

                if (n < 0 && errno != EINTR)
                        return -errno;
                send_working(server);
                if (n > 0) {
                        r = take_packet(server);
                        heard = now_usec();
                } else if (server->n_coming > 0 && now_usec() - heard > SERVE_SILENCE_MS * USEC_PER_MSEC) {
                        r = -ETIMEDOUT;
                }
        }
        return status_of(server) ?: r;
}

static void remove_locks(Server *server) {
        for (size_t at = 0; at < server->locks.size; at += sizeof(BlobId)) {
                BlobId id;

                memcpy(&id, server->locks.data + at, sizeof(id));
                (void)server->backend->ops->remove(server->backend, STORE_LOCK, &id, NULL);
        }
}

int serve_backend(Backend *backend, int fd, const ServeOptions *options, Why *why) {
        Server server = { .backend = backend, .fd = fd, .options = options };
        int r;

        (void)pthread_mutex_init(&server.mutex, NULL);
        (void)pthread_mutex_init(&server.send_mutex, NULL);
        r = options->threads > 0 ? pool_new(options->threads, run_job, &server, &server.pool) : 0;
        if (r == 0)
                r = read_all(&server);
        if (r < 0)
                give_up(&server, r);
        server.pool = pool_free(server.pool);
        remove_locks(&server);
        for (size_t i = 0; i < server.n_coming; i++)
                (void)job_free(server.coming[i]);
        bytes_clear(&server.locks);
        (void)pthread_mutex_destroy(&server.mutex);
        (void)pthread_mutex_destroy(&server.send_mutex);
        if (r >= 0)
                return 0;
        return repo_fail(why, r, "The repository is not served any more: %s.",
                         r == -EBADMSG ? "what came does not keep to the rules" : store_explain(r));
}
