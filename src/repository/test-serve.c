/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A repository over a socket: what both ends do when both behave
 */

#include "repository/backend-channel.h"
#include "repository/test-serve.h"
#include "util/test.h"

static Backend *open_channel(const Served *served) {
        Backend *backend = NULL;
        Why why = {};
        int r = backend_channel_open(served->fd, "here:/r", &why, &backend);

        if (r < 0) {
                printf("# %s\n", why.text);
                abort();
        }
        return backend;
}

static int count_entry(void *userdata, const BlobId *id, uint64_t size) {
        *(uint64_t *)userdata += size;
        return 0;
}

static int stop_listing(void *userdata, const BlobId *id, uint64_t size) {
        return 7;
}

static void test_calls(void) {
        _cleanup_bytes_ Bytes data = {}, got = {};
        _cleanup_(backend_freep) Backend *backend = NULL;
        uint64_t size = 0, sum = 0;
        Served served;
        BlobId id;
        size_t swept = 1;

        served_start(&served, &everything, 2);
        backend = open_channel(&served);
        expect_int("create", backend->ops->create(backend, NULL), 0);
        expect_true("is done there", served.fake->created);
        make_data(&data, 1000, 1, &id);
        for (StoreKind kind = STORE_CONFIG; kind <= STORE_PACK; kind++) {
                const BlobId *name = kind == STORE_CONFIG ? NULL : &id;

                if (backend->ops->save(backend, kind, name, data.data, data.size, NULL) < 0 ||
                    backend->ops->size(backend, kind, name, &size, NULL) < 0 || size != 1000)
                        expect_true(store_kind_name(kind), false);
        }
        expect_int("what is saved is there", (int64_t)served.fake->n, STORE_KINDS);
        expect_int("a part is read", backend->ops->load(backend, STORE_INDEX, &id, 100, 50, &got, NULL), 0);
        expect_true("as it is", got.size == 50 && memcmp(got.data, data.data + 100, 50) == 0);
        expect_int("and all of it, behind that", backend_load_all(backend, STORE_PACK, &id, &got, NULL), 0);
        expect_true("whole", got.size == 1050 && memcmp(got.data + 50, data.data, 1000) == 0);
        expect_int("the rest", backend->ops->load(backend, STORE_PACK, &id, 990, 0, &got, NULL), 0);
        expect_int("is what is left", (int64_t)got.size, 1060);
        expect_int("a list", backend->ops->list(backend, STORE_KEY, count_entry, &sum, NULL), 0);
        expect_int("has ids and sizes", (int64_t)sum, 1000);
        expect_int("ends when its reader says so",
                   backend->ops->list(backend, STORE_KEY, stop_listing, NULL, NULL), 7);
        expect_int("sweep", backend->ops->sweep(backend, STORE_PACK, &swept, NULL), 0);
        expect_int("adds", (int64_t)swept, 4);
        expect_int("remove", backend->ops->remove(backend, STORE_KEY, &id, NULL), 0);
        expect_int("is gone", backend->ops->size(backend, STORE_KEY, &id, &size, NULL), -ENOENT);
        backend = backend_free(backend);
        expect_int("the end is one", served_end(&served), 0);
        served_clear(&served);
}

static void test_failures(void) {
        _cleanup_(backend_freep) Backend *backend = NULL;
        _cleanup_bytes_ Bytes data = {}, got = {};
        Served served;
        Why why = {};
        BlobId id;

        served_start(&served, &everything, 2);
        backend = open_channel(&served);
        make_data(&data, 100, 1, &id);
        expect_int("a file that is not there", backend_load_all(backend, STORE_INDEX, &id, &got, &why),
                   -ENOENT);
        expect_true("is named", strstr(why.text, "here:/r/index/") && strstr(why.text, "cannot be read"));
        (void)backend->ops->save(backend, STORE_INDEX, &id, data.data, data.size, NULL);
        expect_int("more than there is", backend->ops->load(backend, STORE_INDEX, &id, 90, 11, &got, NULL),
                   -ENODATA);
        expect_int("leaves what was there", (int64_t)got.size, 0);
        served.fake->fail_save = -ENOSPC;
        expect_int("a pack that fails",
                   backend->ops->save(backend, STORE_PACK, &id, data.data, data.size, NULL), 0);
        expect_int("fails what is saved behind it",
                   backend->ops->save(backend, STORE_INDEX, &id, data.data, data.size, &why), -ENOSPC);
        expect_str("in the words of its store", why.text, "The fake store is full.");
        expect_int("and the next pack",
                   backend->ops->save(backend, STORE_PACK, &id, data.data, data.size, NULL), -ENOSPC);
        expect_int("but no lock", backend->ops->save(backend, STORE_LOCK, &id, data.data, data.size, NULL),
                   0);
        expect_int("and it is read on", backend_load_all(backend, STORE_INDEX, &id, &got, NULL), 0);
        backend = backend_free(backend);
        expect_int("the end is one", served_end(&served), 0);
        served_clear(&served);
}

/* Of 40 MiB, in pieces that go between those of others. */
static void test_large(void) {
        _cleanup_(backend_freep) Backend *backend = NULL;
        _cleanup_bytes_ Bytes data = {}, got = {};
        size_t size = (40u << 20) + 17;
        uint64_t there = 0;
        Served served;
        BlobId id;

        served_start(&served, &everything, 4);
        backend = open_channel(&served);
        make_data(&data, size, 5, &id);
        expect_int("40 MiB", backend->ops->save(backend, STORE_PACK, &id, data.data, size, NULL), 0);
        expect_int("are there", backend->ops->size(backend, STORE_PACK, &id, &there, NULL), 0);
        expect_int("as long as they were", (int64_t)there, (int64_t)size);
        expect_int("and are read", backend_load_all(backend, STORE_PACK, &id, &got, NULL), 0);
        expect_true("as they were", got.size == size && memcmp(got.data, data.data, size) == 0);
        expect_int("what is too large is refused",
                   backend->ops->save(backend, STORE_PACK, &id, data.data, (size_t)1 << 30, NULL), -EFBIG);
        backend = backend_free(backend);
        expect_int("the end is one", served_end(&served), 0);
        served_clear(&served);
}

#define READERS 16u
#define LOADS 25u

typedef struct Reader {
        Backend *backend;
        const BlobId *ids;
        unsigned number;
        size_t right;
} Reader;

static void *read_many(void *userdata) {
        Reader *reader = userdata;
        _cleanup_bytes_ Bytes data = {}, got = {};

        for (unsigned i = 0; i < LOADS; i++) {
                unsigned which = (reader->number * 7 + i) % LOADS;
                BlobId id;

                got.size = 0;
                make_data(&data, 3000 + which, which, &id);
                reader->right += backend_load_all(reader->backend, STORE_PACK, &reader->ids[which], &got,
                                                  NULL) == 0 &&
                                 got.size == data.size && memcmp(got.data, data.data, got.size) == 0;
        }
        return NULL;
}

/* The store takes 10 ms for each call: one after the other that would be eight seconds. */
static void test_many(void) {
        _cleanup_(backend_freep) Backend *backend = NULL;
        _cleanup_bytes_ Bytes data = {};
        pthread_t threads[READERS];
        Reader readers[READERS];
        BlobId ids[LOADS];
        uint64_t since;
        size_t right = 0;
        Served served;

        served_start(&served, &everything, READERS);
        backend = open_channel(&served);
        for (unsigned i = 0; i < LOADS; i++) {
                make_data(&data, 3000 + i, i, &ids[i]);
                (void)backend->ops->save(backend, STORE_PACK, &ids[i], data.data, data.size, NULL);
        }
        (void)backend->ops->sweep(backend, STORE_PACK, &right, NULL); /* all are there */
        right = 0;
        served.fake->delay_ms = 10;
        since = now_usec();
        for (unsigned i = 0; i < READERS; i++) {
                readers[i] = (Reader){ .backend = backend, .ids = ids, .number = i };
                if (pthread_create(&threads[i], NULL, read_many, &readers[i]) != 0)
                        abort();
        }
        for (unsigned i = 0; i < READERS; i++) {
                (void)pthread_join(threads[i], NULL);
                right += readers[i].right;
        }
        expect_int("many loads at once are all answered", (int64_t)right, READERS * LOADS);
        expect_true("beside each other", served.fake->most_at_once >= READERS / 2);
        printf("# %u loads of 20 ms in %" PRIu64 " ms, %u at once\n", READERS * LOADS,
               (now_usec() - since) / USEC_PER_MSEC, served.fake->most_at_once);
        backend = backend_free(backend);
        expect_int("the end is one", served_end(&served), 0);
        served_clear(&served);
}

/* Packs are on their way while others are written; the index is there behind all. */
static void test_posted(void) {
        _cleanup_(backend_freep) Backend *backend = NULL;
        _cleanup_bytes_ Bytes data = {};
        unsigned last = 0, index = 0;
        Served served;
        BlobId id;

        served_start(&served, &everything, 4);
        backend = open_channel(&served);
        expect_true("a store that is far from there is far", !backend->near);
        served.fake->delay_ms = 100;
        for (unsigned i = 0; i < 12; i++) {
                make_data(&data, 100000, i, &id);
                (void)backend->ops->save(backend, STORE_PACK, &id, data.data, data.size, NULL);
        }
        expect_true("packs are posted", served.fake->n < 12);
        expect_int("an index behind them",
                   backend->ops->save(backend, STORE_INDEX, &id, data.data, data.size, NULL), 0);
        for (size_t i = 0; i < served.fake->n; i++) {
                const FakeFile *file = &served.fake->files[i];

                if (file->kind == STORE_PACK)
                        last = MAX(last, file->order);
                else
                        index = file->order;
        }
        expect_true("is written when all are there",
                    fake_count(served.fake, STORE_PACK) == 12 && index > last);
        expect_true("several were written at once", served.fake->most_at_once >= 3);
        /* Of one that is still on its way. */
        make_data(&data, 100, 77, &id);
        (void)backend->ops->save(backend, STORE_PACK, &id, data.data, data.size, NULL);
        data.size = 0;
        expect_int("what was posted can be read", backend_load_all(backend, STORE_PACK, &id, &data, NULL),
                   0);
        backend = backend_free(backend);
        /* More than the window. */
        served.fake->backend.near = true;
        backend = open_channel(&served);
        expect_true("one that is near there is near", backend->near);
        served.fake->delay_ms = 0;
        for (unsigned i = 0; i < 6; i++) {
                make_data(&data, 20u << 20, 100 + i, &id);
                if (backend->ops->save(backend, STORE_PACK, &id, data.data, data.size, NULL) < 0)
                        expect_true("a pack of 20 MiB", false);
        }
        backend = backend_free(backend);
        expect_int("the second one on a socket, with more than the window",
                   (int64_t)fake_count(served.fake, STORE_PACK), 19);
        expect_int("the end is one", served_end(&served), 0);
        served_clear(&served);
}

static void test_locks(void) {
        _cleanup_(backend_freep) Backend *backend = NULL;
        _cleanup_bytes_ Bytes data = {};
        BlobId ids[3], other;
        Served served;

        served_start(&served, &everything, 2);
        make_data(&data, 60, 99, &other);
        (void)fake_save(&served.fake->backend, STORE_LOCK, &other, data.data, data.size, NULL);
        backend = open_channel(&served);
        for (unsigned i = 0; i < ELEMENTS(ids); i++) {
                make_data(&data, 50, i, &ids[i]);
                (void)backend->ops->save(backend, STORE_LOCK, &ids[i], data.data, data.size, NULL);
        }
        (void)backend->ops->remove(backend, STORE_LOCK, &ids[1], NULL);
        expect_int("locks", (int64_t)fake_count(served.fake, STORE_LOCK), 3);
        /* The link is cut: nobody says goodbye. */
        (void)shutdown(served.fd, SHUT_RDWR);
        (void)pthread_join(served.thread, NULL);
        expect_int("go with who had them, and others' stay", (int64_t)fake_count(served.fake, STORE_LOCK),
                   1);
        expect_true("that one", fake_find(served.fake, STORE_LOCK, &other));
        expect_int("who had them cannot write any more",
                   backend->ops->save(backend, STORE_INDEX, &ids[0], data.data, 50, NULL), -ENOTCONN);
        (void)close(served.fd);
        backend = backend_free(backend);
        served_clear(&served);
}

static void test_rights(void) {
        const ServeRights rights = { .saves = SERVE_KIND(STORE_LOCK) | SERVE_KIND(STORE_PACK),
                                     .removes = SERVE_KIND(STORE_LOCK) };
        _cleanup_(backend_freep) Backend *backend = NULL;
        _cleanup_bytes_ Bytes data = {}, got = {};
        size_t swept = 0;
        Served served;
        Why why = {};
        BlobId id, wrong = {};

        served_start(&served, &rights, 2);
        backend = open_channel(&served);
        make_data(&data, 500, 3, &id);
        (void)fake_save(&served.fake->backend, STORE_SNAPSHOT, &id, data.data, data.size, NULL);
        expect_int("a point may not be deleted", backend->ops->remove(backend, STORE_SNAPSHOT, &id, &why),
                   -EPERM);
        expect_str("which is said", why.text,
                   "What is done on the other machine may not delete such files from the repository.");
        expect_int("nor written", backend->ops->save(backend, STORE_SNAPSHOT, &id, data.data, 500, NULL),
                   -EPERM);
        expect_int("no repository made", backend->ops->create(backend, NULL), -EPERM);
        expect_int("nothing swept", backend->ops->sweep(backend, STORE_PACK, &swept, NULL), -EPERM);
        expect_true("nothing of it was done",
                    !served.fake->created && swept == 0 && fake_count(served.fake, STORE_SNAPSHOT) == 1);
        (void)backend->ops->save(backend, STORE_PACK, &id, data.data, data.size, NULL);
        data.data[0] ^= 1;
        (void)backend->ops->save(backend, STORE_PACK, &id, data.data, data.size, NULL);
        data.data[0] ^= 1;
        expect_int("what is there is not replaced by something else",
                   backend_load_all(backend, STORE_PACK, &id, &got, NULL), 0);
        expect_true("it is as it was", got.size == 500 && memcmp(got.data, data.data, 500) == 0);
        expect_int("a lock whose name is not its content's",
                   backend->ops->save(backend, STORE_LOCK, &wrong, data.data, 500, NULL), -EBADMSG);
        backend = backend_free(backend);
        expect_int("the end is one", served_end(&served), 0);
        served_clear(&served);
}

int main(void) {
        test_calls();
        test_failures();
        test_large();
        test_many();
        test_posted();
        test_locks();
        test_rights();
        return test_end();
}
