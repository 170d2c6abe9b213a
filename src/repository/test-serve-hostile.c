/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A repository over a socket: each end, when the other does not behave, or is gone
 */

#include "repository/backend-channel.h"
#include "repository/serve-wire.h"
#include "repository/test-serve.h"
#include "util/test.h"

/* ---- the server ---- */

static void put_bytes(Bytes *out, const void *data, size_t size) {
        if (bytes_append(out, data, size) < 0)
                abort();
}

static void put_hello(Bytes *out) {
        const ServeRequest hello = { .offset = (uint64_t)SERVE_MAGIC << 32 | SERVE_VERSION };

        (void)serve_put_request(out, SERVE_HELLO, 0, &hello);
}

static void put_piece(Bytes *out, uint32_t tag, const uint8_t *data, size_t size) {
        (void)serve_put_head(out, SERVE_PIECE, tag, size);
        put_bytes(out, data, size);
}

/* What somebody says who behaves: a lock, a pack in two pieces beside an index, and some questions. */
static void put_conversation(Bytes *out, Bytes *scratch) {
        ServeRequest request = { .kind = STORE_LOCK, .length = 40 };

        put_hello(out);
        make_data(scratch, 40, 1, &request.id);
        (void)serve_put_request(out, SERVE_SAVE, 1, &request);
        put_piece(out, 1, scratch->data, 40);
        request = (ServeRequest){ .kind = STORE_PACK, .length = 300 };
        make_data(scratch, 300, 2, &request.id);
        (void)serve_put_request(out, SERVE_SAVE, 2, &request);
        put_piece(out, 2, scratch->data, 200);
        (void)serve_put_request(out, SERVE_LOAD, 3, &(ServeRequest){ .kind = STORE_CONFIG });
        put_piece(out, 2, scratch->data + 200, 100);
        request.offset = 100;
        request.length = 200;
        (void)serve_put_request(out, SERVE_LOAD, 4, &request);
        (void)serve_put_request(out, SERVE_SIZE, 5, &request);
        (void)serve_put_request(out, SERVE_LIST, 6, &request);
        (void)serve_put_request(out, SERVE_SWEEP, 7, &request);
        (void)serve_put_request(out, SERVE_REMOVE, 8, &request);
        (void)serve_put_request(out, SERVE_CREATE, 9, &request);
}

/* Says that, and no more. What the server makes of it. */
static int serve_bytes(const uint8_t *data, size_t size, Fake *fake) {
        const ServeOptions options = { .rights = everything };
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
            send(pair[0], data, size, MSG_NOSIGNAL) != (ssize_t)size)
                abort();
        (void)shutdown(pair[0], SHUT_WR);
        r = serve_backend(&fake->backend, pair[1], &options, NULL);
        (void)close(pair[0]);
        (void)close(pair[1]);
        return r;
}

static void test_client_gone(void) {
        _cleanup_bytes_ Bytes all = {}, scratch = {};
        size_t ended = 0, cut = 0, wrong = 0;

        put_conversation(&all, &scratch);
        for (size_t size = 0; size <= all.size; size++) {
                Fake *fake = fake_new();
                int r = serve_bytes(all.data, size, fake);

                ended += r == 0;
                cut += r == -ENOTCONN;
                /* A lock stays nowhere, and half a file neither. */
                wrong += fake_count(fake, STORE_LOCK) > 0;
                for (size_t i = 0; i < fake->n; i++)
                        wrong += fake->files[i].data.size != 300;
                (void)backend_free(&fake->backend);
        }
        expect_int("a client that goes is noticed at each byte", (int64_t)(ended + cut),
                   (int64_t)all.size + 1);
        expect_int("between packets it is the end, unless a file is half there", (int64_t)ended, 10);
        expect_int("nothing half, and no lock, is left", (int64_t)wrong, 0);
}

static void expect_refused(const char *label, const Bytes *packet) {
        _cleanup_bytes_ Bytes all = {};
        Fake *fake = fake_new();

        put_hello(&all);
        put_bytes(&all, packet->data, packet->size);
        expect_int(label, serve_bytes(all.data, all.size, fake), -EBADMSG);
        expect_int("and does nothing", (int64_t)fake->n, 0);
        (void)backend_free(&fake->backend);
}

static void test_client_lies(void) {
        const ServeRequest pack = { .kind = STORE_PACK, .length = 100 };
        static const uint8_t nothing[200];
        _cleanup_bytes_ Bytes packet = {};

#define REFUSED(label)                          \
        do {                                    \
                expect_refused(label, &packet); \
                packet.size = 0;                \
        } while (0)
        (void)serve_put_head(&packet, SERVE_LIST, 1, SIZE_MAX / 2);
        REFUSED("a packet of 2 GiB");
        (void)serve_put_head(&packet, SERVE_LIST, 1, SERVE_BODY_MAX + 1);
        REFUSED("a packet that is too large");
        put_bytes(&packet, "\0\0\0\1\1\0\0\0\0", 9);
        REFUSED("a packet that is too small");
        (void)serve_put_head(&packet, 33, 1, 0);
        REFUSED("a request of no type");
        (void)serve_put_head(&packet, SERVE_DONE, 1, 8);
        put_bytes(&packet, nothing, 8);
        REFUSED("an answer");
        (void)serve_put_head(&packet, SERVE_SIZE, 1, 1 + BLOB_ID_SIZE);
        put_bytes(&packet, "\6", 1);
        put_bytes(&packet, nothing, BLOB_ID_SIZE);
        REFUSED("a kind that there is not");
        (void)serve_put_head(&packet, SERVE_SIZE, 1, 1);
        put_bytes(&packet, "\1", 1);
        REFUSED("a request that is cut off");
        (void)serve_put_head(&packet, SERVE_LIST, 1, 20);
        put_bytes(&packet, nothing, 20);
        REFUSED("a request with more behind it");
        put_piece(&packet, 5, nothing, 10);
        REFUSED("a piece of nothing");
        (void)serve_put_request(&packet, SERVE_SAVE, 1, &pack);
        put_piece(&packet, 1, nothing, 101);
        REFUSED("more of a file than was said");
        (void)serve_put_request(&packet, SERVE_SAVE, 1, &pack);
        put_piece(&packet, 1, nothing, 0);
        REFUSED("a piece with nothing in it");
        (void)serve_put_request(&packet, SERVE_SAVE, 1, &pack);
        (void)serve_put_request(&packet, SERVE_SAVE, 1, &pack);
        REFUSED("two files under one tag");
        (void)serve_put_request(&packet, SERVE_SAVE, 1,
                                &(ServeRequest){ .kind = STORE_PACK, .length = SERVE_SAVE_MAX + 1 });
        REFUSED("a file that is too large");
        (void)serve_put_request(&packet, SERVE_SAVE, 1,
                                &(ServeRequest){ .kind = STORE_PACK, .length = SERVE_WINDOW });
        (void)serve_put_request(&packet, SERVE_SAVE, 2, &pack);
        REFUSED("more files at once than there is room for");
        for (uint32_t i = 0; i <= SERVE_REQUESTS_MAX; i++)
                (void)serve_put_request(&packet, SERVE_SAVE, i, &pack);
        REFUSED("more requests at once than are taken");
        (void)serve_put_request(&packet, SERVE_LOAD, 1,
                                &(ServeRequest){ .kind = STORE_PACK, .offset = UINT64_MAX, .length = 2 });
        REFUSED("a place that no file has");
        (void)serve_put_request(&packet, SERVE_LOAD, 1,
                                &(ServeRequest){ .kind = STORE_PACK, .length = UINT64_MAX });
        REFUSED("a length that no file has");
#undef REFUSED
}

/* Who sends questions and does not read the answers is left alone once the socket is full: the server does
 * not wait for it for ever, and ends when it goes. */
static void test_client_deaf(void) {
        _cleanup_bytes_ Bytes data = {}, packet = {};
        Served served;
        BlobId id;

        served_start(&served, &everything, 2);
        make_data(&data, 8u << 20, 1, &id);
        (void)fake_save(&served.fake->backend, STORE_PACK, &id, data.data, data.size, NULL);
        for (uint32_t i = 0; i < 20; i++)
                (void)serve_put_request(&packet, SERVE_LOAD, i,
                                        &(ServeRequest){ .kind = STORE_PACK, .id = id });
        expect_int("questions", serve_send(served.fd, packet.data, packet.size), 0);
        (void)poll(NULL, 0, 100);
        expect_int("and nobody who hears the answers", served_end(&served), -ENOTCONN);
        served_clear(&served);
}

/* ---- the client ---- */

static void put_end(Bytes *out, uint32_t tag, uint64_t number) {
        (void)serve_put_done(out, tag, number);
}

static void put_data(Bytes *out, uint32_t tag, const void *data, size_t size) {
        (void)serve_put_head(out, SERVE_DATA, tag, size);
        put_bytes(out, data, size);
}

typedef int (*Call)(Backend *backend, Why *why);
static uint8_t some[512];

static int take_any(void *userdata, const BlobId *id, uint64_t size) {
        return 0;
}

static int call_create(Backend *backend, Why *why) {
        return backend->ops->create(backend, why);
}
static int call_save(Backend *backend, Why *why) {
        return backend->ops->save(backend, STORE_INDEX, &(BlobId){}, some, sizeof(some), why);
}
static int call_load(Backend *backend, Why *why) {
        _cleanup_bytes_ Bytes data = {};
        int r = backend->ops->load(backend, STORE_PACK, &(BlobId){}, 5, 100, &data, why);

        return r == 0 && data.size != 100 ? -ERANGE : r < 0 && data.size != 0 ? -ERANGE : r;
}
static int call_load_all(Backend *backend, Why *why) {
        _cleanup_bytes_ Bytes data = {};

        return backend_load_all(backend, STORE_PACK, &(BlobId){}, &data, why);
}
static int call_size(Backend *backend, Why *why) {
        uint64_t size;

        return backend->ops->size(backend, STORE_KEY, &(BlobId){}, &size, why);
}
static int call_list(Backend *backend, Why *why) {
        return backend->ops->list(backend, STORE_KEY, take_any, NULL, why);
}
static int call_remove(Backend *backend, Why *why) {
        return backend->ops->remove(backend, STORE_KEY, &(BlobId){}, why);
}
static int call_sweep(Backend *backend, Why *why) {
        size_t count = 0;

        return backend->ops->sweep(backend, STORE_PACK, &count, why);
}
/* Posted: it is the index behind it that tells. */
static int call_post(Backend *backend, Why *why) {
        int r = backend->ops->save(backend, STORE_PACK, &(BlobId){}, some, sizeof(some), why);

        return r < 0 ? r : call_save(backend, why);
}

/* What the client makes of a server that says just that. */
static int hear(const Bytes *answers, size_t size, Call call, Why *why) {
        _cleanup_(backend_freep) Backend *backend = NULL;
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
            send(pair[1], answers->data, size, MSG_NOSIGNAL) != (ssize_t)size)
                abort();
        (void)shutdown(pair[1], SHUT_WR);
        r = backend_channel_open(pair[0], "here:/r", why, &backend);
        if (r == 0)
                r = call(backend, why);
        backend = backend_free(backend);
        (void)close(pair[0]);
        (void)close(pair[1]);
        return r;
}

static void put_welcome(Bytes *out) {
        out->size = 0;
        put_end(out, 0, SERVE_VERSION);
}

/* The whole answer is one; each beginning of it ends with what it is: the end. */
static void expect_cut(const char *label, const Bytes *answers, Call call) {
        size_t wrong = 0;
        Why why = {};

        for (size_t size = 0; size < answers->size; size++)
                wrong += hear(answers, size, call, &why) != -ENOTCONN || !strstr(why.text, "here:/r");
        expect_int(label, (int64_t)wrong, 0);
        expect_int("and whole it is an answer", hear(answers, answers->size, call, NULL), 0);
}

static void test_server_gone(void) {
        _cleanup_bytes_ Bytes answers = {};
        static const struct {
                const char *label;
                Call call;
                size_t data, done;
        } cases[] = {
                { "create", call_create, 0, 1 },      { "save", call_save, 0, 1 },
                { "load", call_load, 100, 1 },        { "all of a file", call_load_all, 300, 1 },
                { "size", call_size, 0, 1 },          { "list", call_list, 2 * SERVE_ENTRY, 1 },
                { "remove", call_remove, 0, 1 },      { "sweep", call_sweep, 0, 1 },
                { "a posted pack", call_post, 0, 2 },
        };

        FOREACH_ELEMENT (c, cases) {
                put_welcome(&answers);
                if (c->data > 0) {
                        put_data(&answers, 1, some, c->data / 2);
                        (void)serve_put_head(&answers, SERVE_WORKING, 0, 0);
                        put_data(&answers, 1, some, c->data - c->data / 2);
                }
                for (uint32_t i = 1; i <= c->done; i++)
                        put_end(&answers, i, 0);
                expect_cut(c->label, &answers, c->call);
        }
}

static void test_server_lies(void) {
        _cleanup_bytes_ Bytes answers = {};
        Why why = {};

#define LIES(label, call, want)                                                    \
        do {                                                                       \
                expect_int(label, hear(&answers, answers.size, call, &why), want); \
                put_welcome(&answers);                                             \
        } while (0)
        put_end(&answers, 0, SERVE_VERSION + 1);
        LIES("another version", call_size, -EPROTONOSUPPORT);
        put_end(&answers, 2, 0);
        LIES("an answer to nothing", call_size, -EBADMSG);
        put_end(&answers, 1, 0);
        put_end(&answers, 1, 0);
        LIES("a second answer is one to nobody", call_size, 0);
        put_data(&answers, 1, some, 10);
        LIES("data for who asked for none", call_size, -EBADMSG);
        put_data(&answers, 1, some, 101);
        LIES("more than was asked for", call_load, -EBADMSG);
        put_data(&answers, 1, some, 60);
        put_data(&answers, 1, some, 41);
        LIES("more than that in two", call_load, -EBADMSG);
        put_data(&answers, 1, some, 99);
        put_end(&answers, 1, 0);
        LIES("less than was asked for", call_load, -EBADMSG);
        (void)serve_put_head(&answers, SERVE_DATA, 1, 0);
        LIES("no data", call_load, -EBADMSG);
        (void)serve_put_head(&answers, SERVE_DATA, 1, SERVE_BODY_MAX + 1);
        LIES("too much at once", call_load_all, -EBADMSG);
        put_data(&answers, 1, some, SERVE_ENTRY + 1);
        put_end(&answers, 1, 0);
        LIES("half an entry", call_list, -EBADMSG);
        (void)serve_put_head(&answers, SERVE_DONE, 1, 4);
        put_bytes(&answers, some, 4);
        LIES("an end that is cut off", call_size, -EBADMSG);
        (void)serve_put_head(&answers, SERVE_FAILED, 1, 0);
        LIES("a failure without a code", call_size, -EBADMSG);
        (void)serve_put_head(&answers, SERVE_FAILED, 1, 2);
        put_bytes(&answers, "\xff!", 2);
        LIES("a failure that there is not", call_size, -EBADMSG);
        (void)serve_put_head(&answers, SERVE_FAILED, 1, 1000);
        put_bytes(&answers, some, sizeof(some));
        put_bytes(&answers, some, 1000 - sizeof(some));
        LIES("a failure of too many words", call_size, -EBADMSG);
        (void)serve_put_head(&answers, SERVE_LIST, 1, 1);
        put_bytes(&answers, "\1", 1);
        LIES("a question", call_size, -EBADMSG);
        (void)serve_put_failed(&answers, 1, -EACCES, "no \x1b[2J\xff way");
        LIES("a failure", call_size, -EACCES);
        expect_true("whose words are for a terminal",
                    strstr(why.text, "no ?[2J") && !strchr(why.text, '\xff'));
        (void)serve_put_failed(&answers, 1, -ENOSPC, "");
        LIES("a failure without words", call_save, -ENOSPC);
        expect_true("is told in ours",
                    strstr(why.text, "here:/r/index/") && strstr(why.text, "No space left"));
        (void)serve_put_failed(&answers, 1, -EXDEV, "x");
        LIES("an error of another machine that has no number here", call_save, -EIO);
#undef LIES
}

int main(void) {
        memset(some, 7, sizeof(some));
        test_client_gone();
        test_client_lies();
        test_client_deaf();
        test_server_gone();
        test_server_lies();
        return test_end();
}
