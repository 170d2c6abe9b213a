/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzzing both ends of a repository over a socket
 *
 * The first byte says which: 's' a server that is sent this, 'c' a client that is answered with it. A lock
 * of who has gone is left by no server, and no client is given more than it has asked for.
 */

#include "fuzz/fuzz.h"
#include "repository/backend-channel.h"
#include "repository/test-serve.h"

/* Less than a socket takes at once, so that nobody waits. */
#define CONVERSATION_MAX 4096u

static int socket_with(const uint8_t *data, size_t size, int *ret_peer) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
            send(pair[1], data, size, MSG_NOSIGNAL) != (ssize_t)size)
                abort();
        (void)shutdown(pair[1], SHUT_WR);
        *ret_peer = pair[1];
        return pair[0];
}

static void serve(const uint8_t *data, size_t size) {
        const ServeOptions options = { .rights = everything };
        Fake *fake = fake_new();
        int peer, fd = socket_with(data, size, &peer);

        (void)serve_backend(&fake->backend, fd, &options, NULL);
        fuzz_require(fake_count(fake, STORE_LOCK) == 0);
        for (size_t i = 0; i < fake->n; i++) {
                BlobId id;

                fuzz_require(crypto_sha256(fake->files[i].data.data, fake->files[i].data.size, &id) == 0);
                fuzz_require(fake->files[i].kind == STORE_CONFIG || blob_id_equals(&id, &fake->files[i].id));
        }
        (void)backend_free(&fake->backend);
        (void)close(fd);
        (void)close(peer);
}

static int take_entry(void *userdata, const BlobId *id, uint64_t size) {
        *(size_t *)userdata += 1;
        return 0;
}

static void ask(const uint8_t *data, size_t size) {
        _cleanup_bytes_ Bytes part = {}, all = {};
        Backend *backend = NULL;
        int peer, fd = socket_with(data, size, &peer);
        BlobId id = {};
        uint64_t number;
        size_t count = 0;

        if (backend_channel_open(fd, "here:", NULL, &backend) == 0) {
                int r = backend->ops->load(backend, STORE_PACK, &id, 0, 10, &part, NULL);

                fuzz_require(part.size == (r == 0 ? 10 : 0));
                (void)backend->ops->save(backend, STORE_PACK, &id, "x", 1, NULL);
                (void)backend->ops->list(backend, STORE_PACK, take_entry, &count, NULL);
                fuzz_require(count * 40 <= size);
                (void)backend->ops->size(backend, STORE_LOCK, &id, &number, NULL);
                (void)backend->ops->load(backend, STORE_INDEX, &id, 0, 0, &all, NULL);
                fuzz_require(all.size <= size);
                (void)backend_free(backend);
        }
        (void)close(fd);
        (void)close(peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size < 1 || size > CONVERSATION_MAX)
                return 0;
        if (data[0] == 's')
                serve(data + 1, size - 1);
        else if (data[0] == 'c')
                ask(data + 1, size - 1);
        return 0;
}
