/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is in a repository: index, blobs, trees, points
 */

#include <string.h>
#include "repository/salvage.h"

/* What a header of a usual pack fits into: one read instead of two. */
#define TAIL_GUESS (16u * 1024)
/* A larger one has much besides trees. */
#define KEPT_PACK_MAX (64u << 20)

typedef int (*DamageHandler)(void *userdata, const BlobId *id, const Why *why);

/* One file that could not be used: told, and passed over. */
static int pass_over(DamageHandler damaged, void *userdata, const BlobId *id, int error, const Why *problem,
                     Why *why) {
        if (!damaged || error == -ENOMEM)
                return repo_fail(why, error, "%s", error == -ENOMEM ? "Out of memory." : problem->text);
        return damaged(userdata, id, problem);
}

static int load_index_file(Repository *repo, const BlobId *id, Why *why) {
        _cleanup_bytes_ Bytes text = {};
        char path[STORE_PATH_SIZE];
        int r = repo_load_file(repo, STORE_INDEX, id, &text, why);

        if (r < 0)
                return r;
        r = index_parse(&repo->index, text.data, text.size);
        return r < 0 ? repo_fail(why, r, "%s/%s: this index file is damaged.", repo->location,
                                 store_path(STORE_INDEX, id, path))
                     : 0;
}

/* Of what is kept here, what the repository does not have any more is deleted. */
static void forget_files(Repository *repo, StoreKind kind, const StoreFile *files, size_t n) {
        _cleanup_(freep) BlobId *ids = repo->cache ? calloc(n + 1, sizeof(*ids)) : NULL;

        for (size_t i = 0; ids && i < n; i++)
                ids[i] = files[i].id;
        if (ids)
                cache_keep_only(repo->cache, kind, ids, n);
}

static void forget_packs(Repository *repo) {
        size_t n = repo->index.n_packs;
        _cleanup_(freep) BlobId *ids = repo->cache ? calloc(n + 1, sizeof(*ids)) : NULL;

        if (ids && n > 0)
                memcpy(ids, repo->index.packs, n * sizeof(*ids));
        if (ids)
                cache_keep_only(repo->cache, STORE_PACK, ids, n);
}

int repo_load_index(Repository *repo, DamageHandler damaged, void *userdata, Why *why) {
        _cleanup_(freep) StoreFile *files = NULL;
        size_t n = 0;
        int r = repo_list_files(repo, STORE_INDEX, &files, &n, why);

        (void)pthread_rwlock_wrlock(&repo->index_lock);
        for (size_t i = 0; r == 0 && i < n; i++) {
                Why problem = {};

                r = load_index_file(repo, &files[i].id, &problem);
                if (r < 0)
                        r = pass_over(damaged, userdata, &files[i].id, r, &problem, why);
        }
        if (r == 0) {
                forget_files(repo, STORE_INDEX, files, n);
                forget_packs(repo);
        }
        (void)pthread_rwlock_unlock(&repo->index_lock);
        return r;
}

int repo_open_blob_by(const Repository *repo, const PackBlob *blob, const void *sealed, Bytes *frame,
                      Bytes *plain) {
        uint64_t size = pack_blob_plain_size(blob->length, blob->plain_length);
        BlobId hash;
        int r;

        plain->size = frame->size = 0;
        if (blob->plain_length == 0) {
                r = bytes_reserve(plain, blob->length);
                if (r == 0)
                        r = crypto_open(&repo->key, sealed, blob->length, plain->data);
        } else {
                r = bytes_reserve(frame, blob->length);
                if (r == 0)
                        r = crypto_open(&repo->key, sealed, blob->length, frame->data);
                if (r == 0)
                        r = bytes_reserve(plain, size);
                if (r == 0)
                        r = decompress_blob(frame->data, blob->length - CRYPTO_OVERHEAD, plain->data, size);
        }
        if (r == 0)
                r = crypto_sha256(plain->data, size, &hash);
        if (r < 0)
                return r;
        if (!blob_id_equals(&hash, &blob->id))
                return -EBADMSG;
        plain->size = size;
        return 0;
}

int repo_open_blob(const Repository *repo, const PackBlob *blob, const void *sealed, Bytes *plain) {
        _cleanup_bytes_ Bytes frame = {};

        return repo_open_blob_by(repo, blob, sealed, &frame, plain);
}

/* Where a blob is, as the index says: the one behind @skip others. */
static bool look_up(Repository *repo, BlobType type, const BlobId *id, size_t skip, PackBlob *ret_blob,
                    BlobId *ret_pack) {
        const IndexEntry *entry;

        (void)pthread_rwlock_rdlock(&repo->index_lock);
        entry = index_find(&repo->index, type, id, NULL);
        while (entry && (skip > 0 || entry->pack == INDEX_NO_PACK)) {
                skip -= entry->pack != INDEX_NO_PACK;
                entry = index_find(&repo->index, type, id, entry);
        }
        if (entry) {
                *ret_blob = (PackBlob){ .id = *id,
                                        .type = type,
                                        .offset = entry->offset,
                                        .length = entry->length,
                                        .plain_length = entry->plain_length };
                *ret_pack = repo->index.packs[entry->pack];
        }
        (void)pthread_rwlock_unlock(&repo->index_lock);
        return entry;
}

/* The same; where the index has none, packs that it does not name are looked at. */
static bool locate(Repository *repo, BlobType type, const BlobId *id, size_t skip, PackBlob *ret_blob,
                   BlobId *ret_pack) {
        return look_up(repo, type, id, skip, ret_blob, ret_pack) ||
               (repo_salvage_once(repo) && look_up(repo, type, id, skip, ret_blob, ret_pack));
}

bool repo_locate_blob(Repository *repo, BlobType type, const BlobId *id, PackBlob *ret_blob,
                      BlobId *ret_pack) {
        return locate(repo, type, id, 0, ret_blob, ret_pack);
}

int repo_blob_size(Repository *repo, BlobType type, const BlobId *id, uint64_t *ret_size) {
        PackBlob blob;
        BlobId pack;

        if (!locate(repo, type, id, 0, &blob, &pack))
                return -ENOENT;
        *ret_size = pack_blob_plain_size(blob.length, blob.plain_length);
        return 0;
}

/* The whole pack, to be kept: 0 if that was done, and @sealed is the blob's. */
static int fetch_pack(Repository *repo, const BlobId *pack, const PackBlob *blob, Bytes *sealed) {
        _cleanup_bytes_ Bytes whole = {};
        uint64_t size;
        int r = repo->backend->ops->size(repo->backend, STORE_PACK, pack, &size, NULL);

        if (r < 0 || size > KEPT_PACK_MAX || blob->offset > size || blob->length > size - blob->offset)
                return -ENOENT;
        r = backend_load_all(repo->backend, STORE_PACK, pack, &whole, NULL);
        if (r < 0 || whole.size != size)
                return -ENOENT;
        cache_save(repo->cache, STORE_PACK, pack, whole.data, whole.size);
        return bytes_append(sealed, whole.data + blob->offset, blob->length);
}

/* What is kept of trees' packs, and what is not kept yet. 0 if it is @plain. */
static int load_kept(Repository *repo, const BlobId *pack, const PackBlob *blob, Bytes *plain) {
        _cleanup_bytes_ Bytes sealed = {};
        int r;

        if (!repo->cache || blob->type != BLOB_TREE)
                return -ENOENT;
        r = cache_load_part(repo->cache, STORE_PACK, pack, blob->offset, blob->length, &sealed);
        if (r == 0 && repo_open_blob(repo, blob, sealed.data, plain) == 0)
                return 0;
        /* One fetches it for all. */
        (void)pthread_mutex_lock(&repo->cache_lock);
        sealed.size = 0;
        r = cache_load_part(repo->cache, STORE_PACK, pack, blob->offset, blob->length, &sealed);
        if (r == 0)
                r = repo_open_blob(repo, blob, sealed.data, plain);
        if (r < 0) {
                cache_remove(repo->cache, STORE_PACK, pack);
                sealed.size = 0;
                r = fetch_pack(repo, pack, blob, &sealed);
                if (r == 0)
                        r = repo_open_blob(repo, blob, sealed.data, plain);
        }
        (void)pthread_mutex_unlock(&repo->cache_lock);
        return r;
}

int repo_load_blob(Repository *repo, BlobType type, const BlobId *id, Bytes *plain, Why *why) {
        const char *what = type == BLOB_TREE ? "tree" : "data";
        char text[BLOB_ID_TEXT], path[STORE_PATH_SIZE];
        _cleanup_bytes_ Bytes sealed = {};
        int r = -ENOENT;
        PackBlob blob;
        BlobId pack;

        for (size_t i = 0; r < 0 && r != -ENOMEM && locate(repo, type, id, i, &blob, &pack); i++) {
                if (load_kept(repo, &pack, &blob, plain) == 0)
                        return 0;
                sealed.size = 0;
                r = repo->backend->ops->load(repo->backend, STORE_PACK, &pack, blob.offset, blob.length,
                                             &sealed, why);
                if (r < 0)
                        continue;
                r = repo_open_blob(repo, &blob, sealed.data, plain);
                if (r < 0)
                        (void)repo_fail(why, r, "%s/%s: the %s blob %.10s in this pack is damaged.",
                                        repo->location, store_path(STORE_PACK, &pack, path), what,
                                        blob_id_text(id, text));
        }
        if (r == -ENOENT)
                return repo_fail(why, r, "%s: the %s blob %.10s is missing.", repo->location, what,
                                 blob_id_text(id, text));
        return r;
}

int repo_load_tree(Repository *repo, const BlobId *id, Tree *ret_tree, Why *why) {
        _cleanup_bytes_ Bytes text = {};
        char digits[BLOB_ID_TEXT];
        int r = repo_load_blob(repo, BLOB_TREE, id, &text, why);

        if (r < 0)
                return r;
        r = tree_decode(text.data, text.size, ret_tree);
        return r < 0 ? repo_fail(why, r, "%s: the tree %.10s is none that can be read.", repo->location,
                                 blob_id_text(id, digits))
                     : 0;
}

static int load_tail(Repository *repo, const BlobId *pack, uint64_t size, Bytes *tail, Why *why) {
        size_t guess = (size_t)MIN(size, (uint64_t)TAIL_GUESS), wanted;
        int r;

        if (size < PACK_TRAILER)
                return -EBADMSG;
        r = repo->backend->ops->load(repo->backend, STORE_PACK, pack, size - guess, guess, tail, why);
        if (r == 0)
                r = pack_tail_size(tail->data + tail->size - PACK_TRAILER, size, &wanted);
        if (r < 0)
                return r;
        if (wanted <= guess) {
                memmove(tail->data, tail->data + guess - wanted, wanted);
                tail->size = wanted;
                return 0;
        }
        tail->size = 0;
        return repo->backend->ops->load(repo->backend, STORE_PACK, pack, size - wanted, wanted, tail, why);
}

int repo_load_pack_header(Repository *repo, const BlobId *pack, uint64_t size, PackBlob **ret_blobs,
                          size_t *ret_n, Why *why) {
        _cleanup_bytes_ Bytes tail = {};
        char path[STORE_PATH_SIZE];
        int r = load_tail(repo, pack, size, &tail, why);

        if (r == 0)
                r = pack_parse_tail(&repo->key, tail.data, tail.size, size, ret_blobs, ret_n);
        if (r == -EBADMSG)
                return repo_fail(why, r, "%s/%s: the header of this pack is damaged.", repo->location,
                                 store_path(STORE_PACK, pack, path));
        return r;
}

void snapshot_list_clear(SnapshotList *list) {
        for (size_t i = 0; i < list->n; i++)
                snapshot_clear(&list->items[i]);
        free(list->items);
        *list = (SnapshotList){};
}

static int load_snapshot(Repository *repo, const BlobId *id, Snapshot *ret_snapshot, Why *why) {
        _cleanup_bytes_ Bytes text = {};
        char path[STORE_PATH_SIZE];
        int r = repo_load_file(repo, STORE_SNAPSHOT, id, &text, why);

        if (r < 0)
                return r;
        r = snapshot_decode(text.data, text.size, ret_snapshot);
        if (r < 0)
                return repo_fail(why, r, "%s/%s: this point is damaged.", repo->location,
                                 store_path(STORE_SNAPSHOT, id, path));
        ret_snapshot->id = *id;
        return 0;
}

static int compare_snapshots(const void *a, const void *b) {
        const Snapshot *x = a, *y = b;

        if (x->time.tv_sec != y->time.tv_sec)
                return x->time.tv_sec < y->time.tv_sec ? -1 : 1;
        if (x->time.tv_nsec != y->time.tv_nsec)
                return x->time.tv_nsec < y->time.tv_nsec ? -1 : 1;
        return memcmp(x->id.bytes, y->id.bytes, BLOB_ID_SIZE);
}

int repo_load_snapshots(Repository *repo, DamageHandler damaged, void *userdata, SnapshotList *ret_list,
                        Why *why) {
        _cleanup_(freep) StoreFile *files = NULL;
        _cleanup_snapshots_ SnapshotList list = {};
        size_t n = 0;
        int r = repo_list_files(repo, STORE_SNAPSHOT, &files, &n, why);

        if (r < 0)
                return r;
        list.items = calloc(n + 1, sizeof(*list.items));
        if (!list.items)
                return -ENOMEM;
        for (size_t i = 0; r == 0 && i < n; i++) {
                Why problem = {};

                r = load_snapshot(repo, &files[i].id, &list.items[list.n], &problem);
                if (r == 0)
                        list.n++;
                else
                        r = pass_over(damaged, userdata, &files[i].id, r, &problem, why);
        }
        if (r < 0)
                return r;
        forget_files(repo, STORE_SNAPSHOT, files, n);
        qsort(list.items, list.n, sizeof(*list.items), compare_snapshots);
        *ret_list = list;
        list = (SnapshotList){};
        return 0;
}

const Snapshot *snapshot_list_find(const SnapshotList *list, const char *name, Why *why) {
        const Snapshot *found = NULL;
        size_t n = strlen(name);

        if (strcmp(name, "latest") == 0) {
                if (list->n == 0)
                        (void)repo_fail(why, -ENOENT, "There is no point yet.");
                return list->n > 0 ? &list->items[list->n - 1] : NULL;
        }
        for (size_t i = 0; i < list->n; i++) {
                char text[BLOB_ID_TEXT];

                if (strncmp(blob_id_text(&list->items[i].id, text), name, n) != 0)
                        continue;
                if (found) {
                        (void)repo_fail(why, -EINVAL, "More than one point begins with '%s'.", name);
                        return NULL;
                }
                found = &list->items[i];
        }
        if (!found)
                (void)repo_fail(why, -ENOENT, "There is no point '%s'.", name);
        return found;
}
