/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Is everything there, and whole? Packs
 */

#include <string.h>
#include "repository/pool.h"
#include "repository/verify-internal.h"

/* While entries are sorted: whose they are. */
typedef struct Keyed {
        const BlobId *pack;
        const IndexEntry *entry;
} Keyed;

static int compare_keyed(const void *a, const void *b) {
        const Keyed *x = a, *y = b;
        int order = memcmp(x->pack, y->pack, BLOB_ID_SIZE);

        if (order != 0)
                return order;
        return x->entry->offset != y->entry->offset ? (x->entry->offset < y->entry->offset ? -1 : 1) : 0;
}

static int compare_files(const void *a, const void *b) {
        return memcmp(a, b, BLOB_ID_SIZE);
}

static bool is_same(const IndexEntry *a, const IndexEntry *b) {
        return a->offset == b->offset && a->length == b->length && a->plain_length == b->plain_length &&
               a->tree == b->tree && blob_id_equals(&a->id, &b->id);
}

/* Of packs that index files name. */
static Keyed *sort_entries(const Index *index, size_t n_named, size_t *ret_n) {
        Keyed *keyed = calloc(index->n_entries + 1, sizeof(*keyed));
        size_t n = 0;

        for (size_t i = 0; keyed && i < index->n_entries; i++)
                if (index->entries[i].pack < n_named)
                        keyed[n++] = (Keyed){ &index->packs[index->entries[i].pack], &index->entries[i] };
        if (keyed)
                qsort(keyed, n, sizeof(*keyed), compare_keyed);
        *ret_n = n;
        return keyed;
}

/* Two index files may name the same pack: its blobs are counted once. */
static int group(Verify *verify, const Keyed *keyed, size_t n) {
        size_t n_entries = 0;

        verify->entries = calloc(n + 1, sizeof(*verify->entries));
        verify->packs = calloc(n + 1, sizeof(*verify->packs));
        if (!verify->entries || !verify->packs)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                VerifyPack *pack = verify->n_packs > 0 ? &verify->packs[verify->n_packs - 1] : NULL;

                if (!pack || !blob_id_equals(&pack->id, keyed[i].pack)) {
                        pack = &verify->packs[verify->n_packs++];
                        *pack = (VerifyPack){ .id = *keyed[i].pack, .entries = verify->entries + n_entries };
                } else if (is_same(pack->entries[pack->n - 1], keyed[i].entry)) {
                        continue;
                }
                verify->entries[n_entries++] = keyed[i].entry;
                pack->n++;
        }
        return 0;
}

int verify_collect_packs(Verify *verify, Why *why) {
        _cleanup_(freep) StoreFile *files = NULL;
        _cleanup_(freep) Keyed *keyed = NULL;
        size_t n = 0, n_keyed = 0;
        int r = repo_list_files(verify->repo, STORE_PACK, &files, &n, why);

        if (r < 0)
                return r;
        keyed = sort_entries(&verify->repo->index, verify->n_named, &n_keyed);
        r = keyed ? group(verify, keyed, n_keyed) : -ENOMEM;
        if (r < 0)
                return r;
        qsort(files, n, sizeof(*files), compare_files);
        verify->counts.unused_packs = n;
        for (size_t i = 0; i < verify->n_packs; i++) {
                const StoreFile *file = bsearch(&verify->packs[i].id, files, n, sizeof(*files),
                                                compare_files);

                if (!file)
                        continue;
                verify->packs[i].there = true;
                verify->packs[i].file_size = file->size;
                verify->counts.unused_packs--;
        }
        return 0;
}

static const char *pack_path(const VerifyPack *pack, char path[static STORE_PATH_SIZE]) {
        return store_path(STORE_PACK, &pack->id, path);
}

/* What it has to be as long as: no gaps. */
static bool measure(const VerifyPack *pack, uint64_t *ret_size) {
        uint64_t end = 0, header = CRYPTO_OVERHEAD + PACK_TRAILER;
        bool whole = true;

        for (size_t i = 0; i < pack->n; i++) {
                whole &= pack->entries[i]->offset == end;
                end = (uint64_t)pack->entries[i]->offset + pack->entries[i]->length;
                header += pack->entries[i]->plain_length ? 41 : 37;
        }
        *ret_size = end + header;
        return whole;
}

/* Of one that is cut off, what still lies in it can be had: header and order are in the index, too. */
static void mark_lost(Verify *verify, const VerifyPack *pack) {
        for (size_t i = 0; i < pack->n; i++)
                if (!pack->there ||
                    (uint64_t)pack->entries[i]->offset + pack->entries[i]->length > pack->file_size)
                        verify_mark_damaged(verify, pack->entries[i]);
}

void verify_packs(Verify *verify) {
        char path[STORE_PATH_SIZE];

        for (size_t i = 0; i < verify->n_packs; i++) {
                const VerifyPack *pack = &verify->packs[i];
                uint64_t size;

                verify->counts.packs++;
                verify->counts.blobs += pack->n;
                mark_lost(verify, pack);
                if (!pack->there)
                        verify_tell(verify, VERIFY_PACKS, "%s: this pack is missing; %zu blob%s in it",
                                    pack_path(pack, path), pack->n, pack->n == 1 ? " was" : "s were");
                else if (!measure(pack, &size))
                        verify_tell(verify, VERIFY_PACKS,
                                    "%s: the index has gaps in this pack, or blobs that overlap",
                                    pack_path(pack, path));
                else if (size != pack->file_size)
                        verify_tell(verify, VERIFY_PACKS, "%s: this pack has %llu bytes, and not %llu",
                                    pack_path(pack, path), (unsigned long long)pack->file_size,
                                    (unsigned long long)size);
        }
}

static void open_blobs(Verify *verify, const VerifyPack *pack, const Bytes *bytes) {
        _cleanup_bytes_ Bytes plain = {};
        char path[STORE_PATH_SIZE], id[BLOB_ID_TEXT];

        for (size_t i = 0; i < pack->n && !verify->stopped; i++) {
                const IndexEntry *entry = pack->entries[i];
                const PackBlob blob = { .id = entry->id,
                                        .type = entry->tree ? BLOB_TREE : BLOB_DATA,
                                        .offset = entry->offset,
                                        .length = entry->length,
                                        .plain_length = entry->plain_length };

                if ((uint64_t)entry->offset + entry->length <= bytes->size &&
                    repo_open_blob(verify->repo, &blob, bytes->data + entry->offset, &plain) == 0)
                        continue;
                verify_mark_damaged(verify, entry);
                verify_tell(verify, VERIFY_PACKS, "%s: the %s blob %.10s is damaged", pack_path(pack, path),
                            entry->tree ? "tree" : "data", blob_id_text(&entry->id, id));
        }
}

/* The header has to say what the index says: without an index it is all there is. */
static bool has_same_header(const VerifyPack *pack, const PackBlob *blobs, size_t n) {
        for (size_t i = 0; i < n && i < pack->n; i++)
                if (!blob_id_equals(&blobs[i].id, &pack->entries[i]->id) ||
                    blobs[i].offset != pack->entries[i]->offset ||
                    blobs[i].length != pack->entries[i]->length ||
                    blobs[i].plain_length != pack->entries[i]->plain_length ||
                    (blobs[i].type == BLOB_TREE) != pack->entries[i]->tree)
                        return false;
        return n == pack->n;
}

static void read_pack(void *userdata, void *item) {
        Verify *verify = userdata;
        const VerifyPack *pack = item;
        _cleanup_(freep) PackBlob *blobs = NULL;
        _cleanup_bytes_ Bytes bytes = {};
        char path[STORE_PATH_SIZE];
        size_t n = 0, tail = 0;
        BlobId id;
        Why why = {};

        if (verify->stopped)
                return;
        if (backend_load_all(verify->repo->backend, STORE_PACK, &pack->id, &bytes, &why) < 0) {
                verify_tell(verify, VERIFY_PACKS, "%s", why.text);
                return;
        }
        if (crypto_sha256(bytes.data, bytes.size, &id) < 0 || !blob_id_equals(&id, &pack->id))
                verify_tell(verify, VERIFY_PACKS,
                            "%s: this pack is damaged: its content has another hash than its name",
                            pack_path(pack, path));
        if (bytes.size < PACK_TRAILER ||
            pack_tail_size(bytes.data + bytes.size - PACK_TRAILER, bytes.size, &tail) < 0 ||
            pack_parse_tail(&verify->repo->key, bytes.data + bytes.size - tail, tail, bytes.size, &blobs,
                            &n) < 0)
                verify_tell(verify, VERIFY_PACKS, "%s: the header of this pack is damaged",
                            pack_path(pack, path));
        else if (!has_same_header(pack, blobs, n))
                verify_tell(verify, VERIFY_PACKS, "%s: the header of this pack and the index differ",
                            pack_path(pack, path));
        open_blobs(verify, pack, &bytes);
        (void)pthread_mutex_lock(&verify->mutex);
        verify->counts.bytes += bytes.size;
        (void)pthread_mutex_unlock(&verify->mutex);
}

int verify_read_packs(Verify *verify, Why *why) {
        _cleanup_(pool_freep) Pool *pool = NULL;
        int r = pool_new(verify->options->threads, read_pack, verify, &pool);

        if (r < 0)
                return repo_fail(why, r, "A thread cannot be started: %s.", strerror(-r));
        for (size_t i = 0; i < verify->n_packs; i++) {
                if (verify_progress(verify, "reading packs", i, verify->n_packs))
                        break;
                if (verify->packs[i].there)
                        pool_put(pool, &verify->packs[i]);
        }
        pool_wait(pool);
        return 0;
}
