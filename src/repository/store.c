/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writing into a repository
 *
 * A blob that comes is entered in the index at once, without a pack, so that nobody stores it twice. Two
 * packs of data are open at a time, and each blob goes into one of them by chance: what lies beside what
 * says less then about the sizes of chunks.
 */

#include <string.h>
#include "repository/store.h"
#include "util/clock.h"

#define PACK_SIZE_DEFAULT (12u << 20)
/*
 * Two packs are on their way at a time: while one is hashed the disk writes the other, and a pack that is
 * full finds a place when the one before it is being made durable. More would only take memory.
 */
#define UPLOADERS 2u
#define DATA_PACKS 2u
#define TREE_PACK DATA_PACKS
/* What a pack may be larger than it has to be: its last blob, and its header. */
#define PACK_MORE (9u << 20)
#define SPARES UPLOADERS
#define INDEX_USEC (5 * 60 * USEC_PER_SEC)

struct Store {
        Repository *repo;
        RepoLock *lock;
        int level;
        size_t pack_size;

        pthread_mutex_t mutex; /* of all below */
        pthread_cond_t room, work;
        Pack open[DATA_PACKS + 1];
        Pack queue[UPLOADERS];
        size_t n_queue, n_uploading;
        Bytes spares[SPARES]; /* of packs that have been uploaded */
        bool ending;
        int error; /* the first one */
        Why why;
        StoreCounts counts;
        pthread_t uploaders[UPLOADERS];
        unsigned n_uploaders;

        pthread_mutex_t index_mutex; /* of what the next index file will say */
        Bytes index_text;
        size_t index_blobs;
        uint64_t index_since;
};

static void set_error(Store *store, int error, const Why *why) {
        (void)pthread_mutex_lock(&store->mutex);
        if (store->error == 0) {
                store->error = error;
                store->why = *why;
        }
        (void)pthread_cond_broadcast(&store->room);
        (void)pthread_mutex_unlock(&store->mutex);
}

/* With the mutex of the index, or when nobody uploads. */
static int flush_index(Store *store, Why *why) {
        int r;

        if (store->index_blobs == 0)
                return 0;
        r = repo_lock_check(store->lock, why);
        if (r == 0)
                r = index_format_end(&store->index_text);
        if (r == 0)
                r = repo_save_file(store->repo, STORE_INDEX, store->index_text.data, store->index_text.size,
                                   NULL, why);
        store->index_text.size = 0;
        store->index_blobs = 0;
        return r;
}

static int add_to_index(Store *store, const BlobId *id, const PackBlob *blobs, size_t n, Why *why) {
        int r = 0;

        (void)pthread_mutex_lock(&store->index_mutex);
        if (store->index_blobs == 0) {
                store->index_since = now_usec();
                r = index_format_begin(&store->index_text);
        }
        if (r == 0)
                r = index_format_pack(&store->index_text, id, blobs, n, store->index_blobs == 0);
        if (r < 0)
                r = repo_fail(why, r, "Out of memory.");
        else
                store->index_blobs += n;
        if (r == 0 &&
            (store->index_blobs >= INDEX_FILE_BLOBS_MAX || now_usec() - store->index_since > INDEX_USEC))
                r = flush_index(store, why);
        (void)pthread_mutex_unlock(&store->index_mutex);
        return r;
}

static int upload(Store *store, Pack *pack, Why *why) {
        Repository *repo = store->repo;
        uint32_t number;
        BlobId id;
        int r = repo_lock_check(store->lock, why);

        if (r < 0)
                return r;
        r = pack_finish(pack, &repo->key);
        if (r == 0)
                r = crypto_sha256(pack->bytes.data, pack->bytes.size, &id);
        if (r < 0)
                return repo_fail(why, r, "A pack cannot be made: %s.", strerror(-r));
        r = repo->backend->ops->save(repo->backend, STORE_PACK, &id, pack->bytes.data, pack->bytes.size,
                                     why);
        if (r < 0)
                return r;
        /* The next run reads the trees of this one. */
        if (pack->n_blobs > 0 && pack->blobs[0].type == BLOB_TREE)
                cache_save(repo->cache, STORE_PACK, &id, pack->bytes.data, pack->bytes.size);
        (void)pthread_rwlock_wrlock(&repo->index_lock);
        r = index_add_pack(&repo->index, &id, &number);
        for (size_t i = 0; r == 0 && i < pack->n_blobs; i++)
                index_settle(&repo->index, number, &pack->blobs[i]);
        (void)pthread_rwlock_unlock(&repo->index_lock);
        if (r < 0)
                return repo_fail(why, r, "Out of memory.");
        (void)pthread_mutex_lock(&store->mutex);
        store->counts.stored += pack->bytes.size;
        (void)pthread_mutex_unlock(&store->mutex);
        return add_to_index(store, &id, pack->blobs, pack->n_blobs, why);
}

static bool take_work(Store *store, Pack *ret_pack) {
        bool taken;

        (void)pthread_mutex_lock(&store->mutex);
        while (store->n_queue == 0 && !store->ending)
                (void)pthread_cond_wait(&store->work, &store->mutex);
        taken = store->n_queue > 0;
        if (taken) {
                *ret_pack = store->queue[0];
                memmove(&store->queue[0], &store->queue[1], (UPLOADERS - 1) * sizeof(Pack));
                store->n_queue--;
                store->n_uploading++;
        }
        (void)pthread_mutex_unlock(&store->mutex);
        return taken;
}

/* It is uploaded; its memory is for another one. */
static void give_up(Store *store, Pack *pack) {
        (void)pthread_mutex_lock(&store->mutex);
        for (size_t i = 0; i < SPARES && pack->bytes.data; i++)
                if (!store->spares[i].data) {
                        store->spares[i] = pack->bytes;
                        store->spares[i].size = 0;
                        pack->bytes = (Bytes){};
                }
        store->n_uploading--;
        (void)pthread_cond_broadcast(&store->room);
        (void)pthread_mutex_unlock(&store->mutex);
}

static void *run_uploader(void *userdata) {
        Store *store = userdata;
        _cleanup_pack_ Pack pack = {};

        while (take_work(store, &pack)) {
                Why why = {};
                int r = store_status(store);

                if (r == 0)
                        r = upload(store, &pack, &why);
                if (r < 0)
                        set_error(store, r, &why);
                give_up(store, &pack);
                pack_clear(&pack);
        }
        return NULL;
}

/* Memory for a pack, aligned so that a backend may write it as it lies. With the mutex. */
static int give_room(Store *store, Pack *pack) {
        for (size_t i = 0; i < SPARES && !pack->bytes.data; i++) {
                pack->bytes = store->spares[i];
                store->spares[i] = (Bytes){};
        }
        return pack->bytes.data ? 0 : bytes_reserve_pages(&pack->bytes, store->pack_size + PACK_MORE);
}

/* The caller has the mutex; the pack is empty afterwards. */
static int hand_over(Store *store, Pack *pack) {
        while (store->n_queue + store->n_uploading >= store->n_uploaders && store->error == 0)
                (void)pthread_cond_wait(&store->room, &store->mutex);
        if (store->error < 0)
                return store->error;
        /* Meanwhile somebody else may have handed it over. */
        if (pack->n_blobs == 0)
                return 0;
        store->queue[store->n_queue++] = *pack;
        *pack = (Pack){};
        (void)pthread_cond_signal(&store->work);
        return 0;
}

static int put_in_pack(Store *store, BlobType type, const BlobId *id, const Bytes *sealed,
                       uint32_t plain_length, size_t size) {
        size_t which = TREE_PACK;
        Pack *pack;
        int r = 0;

        if (type == BLOB_DATA)
                which = sealed->data[0] % DATA_PACKS; /* of a nonce */
        (void)pthread_mutex_lock(&store->mutex);
        pack = &store->open[which];
        while (r == 0 && pack->bytes.size >= store->pack_size)
                r = hand_over(store, pack);
        if (r == 0 && !pack->bytes.data)
                r = give_room(store, pack);
        if (r == 0)
                r = store->error ?: pack_add(pack, type, id, sealed->data, sealed->size, plain_length);
        if (r == 0 && pack->bytes.size >= store->pack_size)
                r = hand_over(store, pack);
        if (r == 0) {
                store->counts.added += size;
                *(type == BLOB_DATA ? &store->counts.data_blobs : &store->counts.tree_blobs) += 1;
        }
        (void)pthread_mutex_unlock(&store->mutex);
        return r;
}

/* The buffer of a thread, used again for each blob: large ones are slow to get. */
static pthread_key_t scratch_key;
static bool scratch_usable;

static void scratch_free(void *userdata) {
        bytes_clear(userdata);
        free(userdata);
}

static void make_scratch_key(void) {
        scratch_usable = pthread_key_create(&scratch_key, scratch_free) == 0;
}

static Bytes *get_scratch(void) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        Bytes *scratch;

        (void)pthread_once(&once, make_scratch_key);
        if (!scratch_usable)
                return NULL;
        scratch = pthread_getspecific(scratch_key);
        if (scratch)
                return scratch;
        scratch = calloc(1, sizeof(*scratch));
        if (scratch && pthread_setspecific(scratch_key, scratch) != 0) {
                free(scratch);
                return NULL;
        }
        return scratch;
}

/* Compressed where it is encrypted. */
static int seal_and_put(Store *store, BlobType type, const BlobId *id, const void *plain, size_t size) {
        Bytes *sealed = get_scratch();
        const void *body = plain;
        size_t body_size = size;
        int r;

        if (!sealed)
                return -ENOMEM;
        sealed->size = 0;
        if (bytes_reserve(sealed, CRYPTO_NONCE) < 0)
                return -ENOMEM;
        sealed->size = CRYPTO_NONCE;
        r = store->level != COMPRESS_OFF && size > 0 ? compress_blob(store->level, plain, size, sealed) : 0;
        if (r < 0)
                return r;
        if (r > 0)
                body_size = sealed->size - CRYPTO_NONCE;
        sealed->size = 0;
        if (bytes_reserve(sealed, body_size + CRYPTO_OVERHEAD) < 0)
                return -ENOMEM;
        if (r > 0)
                body = sealed->data + CRYPTO_NONCE;
        sealed->size = body_size + CRYPTO_OVERHEAD;
        if (crypto_seal(&store->repo->key, body, body_size, sealed->data) < 0)
                return -EIO;
        return put_in_pack(store, type, id, sealed, r > 0 ? (uint32_t)size : 0, size);
}

bool store_has(Store *store, BlobType type, const BlobId *id) {
        Repository *repo = store->repo;
        bool there;

        (void)pthread_rwlock_rdlock(&repo->index_lock);
        there = index_find(&repo->index, type, id, NULL);
        (void)pthread_rwlock_unlock(&repo->index_lock);
        return there;
}

/* 1 if it is new, and ours to store. */
static int claim(Store *store, BlobType type, const BlobId *id) {
        const PackBlob blob = { .id = *id, .type = type };
        Repository *repo = store->repo;
        int r;

        if (store_has(store, type, id))
                return 0;
        (void)pthread_rwlock_wrlock(&repo->index_lock);
        r = index_find(&repo->index, type, id, NULL) ? 0 : index_add(&repo->index, INDEX_NO_PACK, &blob) ?: 1;
        (void)pthread_rwlock_unlock(&repo->index_lock);
        return r;
}

int store_add(Store *store, BlobType type, const void *plain, size_t size, BlobId *ret_id, bool *ret_new) {
        BlobId id;
        int r = crypto_sha256(plain, size, &id), new;

        if (r == 0)
                r = claim(store, type, &id);
        new = r;
        if (r > 0)
                r = seal_and_put(store, type, &id, plain, size);
        if (r < 0) {
                Why why = {};

                r = repo_fail(&why, r, "A blob cannot be stored: %s.", strerror(-r));
                set_error(store, r, &why);
                return store_status(store);
        }
        *ret_id = id;
        if (ret_new)
                *ret_new = new > 0;
        return 0;
}

int store_status(Store *store) {
        int error;

        (void)pthread_mutex_lock(&store->mutex);
        error = store->error;
        (void)pthread_mutex_unlock(&store->mutex);
        return error;
}

void store_get_counts(Store *store, StoreCounts *ret_counts) {
        (void)pthread_mutex_lock(&store->mutex);
        *ret_counts = store->counts;
        (void)pthread_mutex_unlock(&store->mutex);
}

int store_finish(Store *store, Why *why) {
        Why index_why = {};
        int r = 0, index_error;

        (void)pthread_mutex_lock(&store->mutex);
        for (size_t i = 0; r == 0 && i < ELEMENTS(store->open); i++)
                if (store->open[i].n_blobs > 0)
                        r = hand_over(store, &store->open[i]);
        while (store->n_queue + store->n_uploading > 0)
                (void)pthread_cond_wait(&store->room, &store->mutex);
        (void)pthread_mutex_unlock(&store->mutex);
        /* Nobody uploads any more: the text of the index is ours. */
        index_error = flush_index(store, &index_why);
        if (index_error < 0)
                set_error(store, index_error, &index_why);
        r = store_status(store);
        return r < 0 ? repo_fail(why, r, "%s", store->why.text) : 0;
}

static int write_down(void *userdata, const BlobId *pack, const PackBlob *blobs, size_t n, Why *why) {
        return add_to_index(userdata, pack, blobs, n, why);
}

int store_salvage(Store *store, Why *why, Salvage *ret_salvage) {
        return repo_reconcile(store->repo, write_down, store, why, ret_salvage);
}

int store_new(Repository *repo, RepoLock *lock, const StoreOptions *options, Why *why, Store **ret_store) {
        _cleanup_(store_freep) Store *store = calloc(1, sizeof(*store));
        int r;

        if (!store)
                return -ENOMEM;
        store->repo = repo;
        /* A pack that no index names may be another writer's, who has not finished: not relied upon. */
        repo->salvaged = true;
        store->lock = lock;
        store->level = options->level;
        store->pack_size = options->pack_size ?: PACK_SIZE_DEFAULT;
        (void)pthread_mutex_init(&store->mutex, NULL);
        (void)pthread_cond_init(&store->room, NULL);
        (void)pthread_cond_init(&store->work, NULL);
        (void)pthread_mutex_init(&store->index_mutex, NULL);
        /* They ask nobody how many they are; one is enough. */
        do
                r = -pthread_create(&store->uploaders[store->n_uploaders], NULL, run_uploader, store);
        while (r == 0 && ++store->n_uploaders < UPLOADERS);
        if (store->n_uploaders == 0)
                return repo_fail(why, r, "A thread cannot be started: %s.", strerror(-r));
        *ret_store = TAKE_PTR(store);
        return 0;
}

Store *store_free(Store *store) {
        if (!store)
                return NULL;
        (void)pthread_mutex_lock(&store->mutex);
        store->ending = true;
        (void)pthread_cond_broadcast(&store->work);
        (void)pthread_mutex_unlock(&store->mutex);
        for (unsigned i = 0; i < store->n_uploaders; i++)
                (void)pthread_join(store->uploaders[i], NULL);
        for (size_t i = 0; i < ELEMENTS(store->open); i++)
                pack_clear(&store->open[i]);
        for (size_t i = 0; i < store->n_queue; i++)
                pack_clear(&store->queue[i]);
        bytes_clear(&store->index_text);
        for (size_t i = 0; i < SPARES; i++)
                bytes_clear(&store->spares[i]);
        (void)pthread_mutex_destroy(&store->index_mutex);
        (void)pthread_mutex_destroy(&store->mutex);
        (void)pthread_cond_destroy(&store->room);
        (void)pthread_cond_destroy(&store->work);
        free(store);
        return NULL;
}
