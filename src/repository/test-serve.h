/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A store in memory that is as slow, and fails, as a test wants; and a server of it
 */

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include "repository/crypto.h"
#include "repository/serve.h"
#include "util/clock.h"

#define FAKE_FILES 1024u

typedef struct FakeFile {
        StoreKind kind;
        BlobId id;
        Bytes data;
        unsigned order; /* when it was complete */
} FakeFile;

typedef struct Fake {
        Backend backend;
        pthread_mutex_t mutex;
        FakeFile files[FAKE_FILES];
        size_t n;
        unsigned order;
        int delay_ms;       /* of each call */
        int fail_save;      /* of the pack with this order: an errno */
        unsigned fail_from; /* saves that go well before */
        bool created;
        atomic_uint calls, at_once, most_at_once;
} Fake;

static inline void fake_enter(Fake *fake) {
        unsigned now = atomic_fetch_add(&fake->at_once, 1) + 1, most = atomic_load(&fake->most_at_once);

        while (now > most && !atomic_compare_exchange_weak(&fake->most_at_once, &most, now))
                ;
        (void)atomic_fetch_add(&fake->calls, 1);
        if (fake->delay_ms > 0)
                (void)poll(NULL, 0, fake->delay_ms);
        (void)pthread_mutex_lock(&fake->mutex);
}

static inline void fake_leave(Fake *fake) {
        (void)pthread_mutex_unlock(&fake->mutex);
        (void)atomic_fetch_sub(&fake->at_once, 1);
}

/* With the mutex. */
static inline FakeFile *fake_find(Fake *fake, StoreKind kind, const BlobId *id) {
        for (size_t i = 0; i < fake->n; i++)
                if (fake->files[i].kind == kind && (!id || blob_id_equals(&fake->files[i].id, id)))
                        return &fake->files[i];
        return NULL;
}

static inline int fake_create(Backend *backend, Why *why) {
        Fake *fake = (Fake *)backend;

        fake->created = true;
        return 0;
}

static inline int fake_save(Backend *backend, StoreKind kind, const BlobId *id, const void *data,
                            size_t size, Why *why) {
        Fake *fake = (Fake *)backend;
        FakeFile *file;
        int r = 0;

        fake_enter(fake);
        file = fake_find(fake, kind, id);
        if (kind == STORE_PACK && fake->fail_save < 0 && fake->order >= fake->fail_from)
                r = repo_fail(why, fake->fail_save, "The fake store is full.");
        if (r == 0 && !file && fake->n < FAKE_FILES)
                file = &fake->files[fake->n++];
        if (r == 0 && file) {
                file->kind = kind;
                file->id = id ? *id : (BlobId){};
                file->data.size = 0;
                r = bytes_append(&file->data, data, size);
                file->order = ++fake->order;
        }
        fake_leave(fake);
        return r < 0 || file ? r : -ENOSPC;
}

static inline int fake_load(Backend *backend, StoreKind kind, const BlobId *id, uint64_t offset,
                            size_t length, Bytes *data, Why *why) {
        Fake *fake = (Fake *)backend;
        FakeFile *file;
        int r;

        fake_enter(fake);
        file = fake_find(fake, kind, id);
        if (!file)
                r = -ENOENT;
        else if (offset > file->data.size || length > file->data.size - offset)
                r = -ENODATA;
        else
                r = bytes_append(data, file->data.data + offset, length ?: file->data.size - offset);
        fake_leave(fake);
        return r;
}

static inline int fake_size(Backend *backend, StoreKind kind, const BlobId *id, uint64_t *ret_size,
                            Why *why) {
        Fake *fake = (Fake *)backend;
        FakeFile *file;

        fake_enter(fake);
        file = fake_find(fake, kind, id);
        if (file)
                *ret_size = file->data.size;
        fake_leave(fake);
        return file ? 0 : -ENOENT;
}

static inline int fake_list(Backend *backend, StoreKind kind, StoreHandler handler, void *userdata,
                            Why *why) {
        Fake *fake = (Fake *)backend;
        int r = 0;

        fake_enter(fake);
        for (size_t i = 0; r == 0 && i < fake->n; i++)
                if (fake->files[i].kind == kind)
                        r = handler(userdata, &fake->files[i].id, fake->files[i].data.size);
        fake_leave(fake);
        return r;
}

static inline int fake_remove(Backend *backend, StoreKind kind, const BlobId *id, Why *why) {
        Fake *fake = (Fake *)backend;
        FakeFile *file;

        fake_enter(fake);
        file = fake_find(fake, kind, id);
        if (file) {
                bytes_clear(&file->data);
                *file = fake->files[--fake->n];
        }
        fake_leave(fake);
        return 0;
}

static inline int fake_sweep(Backend *backend, StoreKind kind, size_t *count, Why *why) {
        *count += 3;
        return 0;
}

static inline void fake_free(Backend *backend) {
        Fake *fake = (Fake *)backend;

        for (size_t i = 0; i < fake->n; i++)
                bytes_clear(&fake->files[i].data);
        (void)pthread_mutex_destroy(&fake->mutex);
        free(fake);
}

static inline Fake *fake_new(void) {
        static const BackendOps ops = {
                .create = fake_create,
                .save = fake_save,
                .load = fake_load,
                .size = fake_size,
                .list = fake_list,
                .remove = fake_remove,
                .sweep = fake_sweep,
                .free = fake_free,
        };
        Fake *fake = calloc(1, sizeof(*fake));

        if (!fake)
                abort();
        fake->backend.ops = &ops;
        (void)pthread_mutex_init(&fake->mutex, NULL);
        return fake;
}

static inline size_t fake_count(Fake *fake, StoreKind kind) {
        size_t n = 0;

        (void)pthread_mutex_lock(&fake->mutex);
        for (size_t i = 0; i < fake->n; i++)
                n += fake->files[i].kind == kind;
        (void)pthread_mutex_unlock(&fake->mutex);
        return n;
}

/* A server in a thread of its own. */
typedef struct Served {
        Fake *fake;
        int fd; /* the client's end */
        int server_fd;
        ServeOptions options;
        pthread_t thread;
        int result;
        Why why;
} Served;

static inline void *served_run(void *userdata) {
        Served *served = userdata;

        served->result = serve_backend(&served->fake->backend, served->server_fd, &served->options,
                                       &served->why);
        (void)close(served->server_fd);
        return NULL;
}

#define ALL_KINDS ((1u << STORE_KINDS) - 1)

static inline void served_start(Served *served, const ServeRights *rights, unsigned threads) {
        int pair[2];

        *served = (Served){ .fake = fake_new(), .options = { .rights = *rights, .threads = threads } };
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                abort();
        served->fd = pair[0];
        served->server_fd = pair[1];
        if (pthread_create(&served->thread, NULL, served_run, served) != 0)
                abort();
}

/* The client has gone. What is stored stays to be looked at until served_clear(). */
static inline int served_end(Served *served) {
        (void)close(served->fd);
        (void)pthread_join(served->thread, NULL);
        return served->result;
}

static inline void served_clear(Served *served) {
        (void)backend_free(&served->fake->backend);
}

static const ServeRights everything = {
        .create = true, .sweep = true, .saves = ALL_KINDS, .removes = ALL_KINDS
};

/* Something, and its id. */
static inline void make_data(Bytes *data, size_t size, unsigned seed, BlobId *ret_id) {
        data->size = 0;
        if (bytes_reserve(data, size) < 0)
                abort();
        for (size_t i = 0; i < size; i++)
                data->data[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 12) * 13 + (i >> 20));
        data->size = size;
        if (size >= sizeof(seed))
                memcpy(data->data, &seed, sizeof(seed));
        if (crypto_sha256(data->data, size, ret_id) < 0)
                abort();
}
