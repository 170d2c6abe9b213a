/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Index and packs that do not fit together
 */

#include <string.h>
#include "repository/salvage.h"

static int compare_ids(const void *a, const void *b) {
        return memcmp(a, b, BLOB_ID_SIZE);
}

/* 1 if it was one; a file that is none is passed over: nobody relies on it. */
static int take_in(Repository *repo, const StoreFile *file, SalvageHandler taken, void *userdata, Why *why) {
        _cleanup_(freep) PackBlob *blobs = NULL;
        uint32_t number;
        size_t n;
        int r = repo_load_pack_header(repo, &file->id, file->size, &blobs, &n, NULL);

        if (r < 0)
                return r == -ENOMEM || r == -ENOTCONN ? r : 0;
        (void)pthread_rwlock_wrlock(&repo->index_lock);
        r = index_add_pack(&repo->index, &file->id, &number);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = index_add(&repo->index, number, &blobs[i]);
        (void)pthread_rwlock_unlock(&repo->index_lock);
        if (r == 0 && taken)
                r = taken(userdata, &file->id, blobs, n, why);
        return r < 0 ? r : 1;
}

static int salvage_files(Repository *repo, const StoreFile *files, size_t n, SalvageHandler taken,
                         void *userdata, Why *why, size_t *ret_taken) {
        size_t n_known = repo->index.n_packs;
        _cleanup_(freep) BlobId *known = calloc(n_known + 1, sizeof(*known));
        int r = 0;

        *ret_taken = 0;
        if (!known)
                return -ENOMEM;
        if (n_known > 0)
                memcpy(known, repo->index.packs, n_known * sizeof(*known));
        qsort(known, n_known, sizeof(*known), compare_ids);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (bsearch(&files[i].id, known, n_known, sizeof(*known), compare_ids))
                        continue;
                r = take_in(repo, &files[i], taken, userdata, why);
                *ret_taken += r > 0;
        }
        return r < 0 ? r : 0;
}

int repo_salvage(Repository *repo, SalvageHandler taken, void *userdata, Why *why, size_t *ret_taken) {
        _cleanup_(freep) StoreFile *files = NULL;
        size_t n = 0;
        int r = repo_list_files(repo, STORE_PACK, &files, &n, why);

        *ret_taken = 0;
        return r < 0 ? r : salvage_files(repo, files, n, taken, userdata, why, ret_taken);
}

bool repo_salvage_once(Repository *repo) {
        bool found;

        (void)pthread_mutex_lock(&repo->salvage_lock);
        if (!repo->salvaged) {
                repo->salvaged = true;
                (void)repo_salvage(repo, NULL, NULL, NULL, &repo->unnamed_packs);
        }
        found = repo->unnamed_packs > 0;
        (void)pthread_mutex_unlock(&repo->salvage_lock);
        return found;
}

/* How long each pack has to be, as its index has it. */
static uint64_t *measure_packs(const Index *index) {
        uint64_t *sizes = calloc(index->n_packs + 1, sizeof(*sizes));

        for (size_t i = 0; sizes && i < index->n_packs; i++)
                sizes[i] = CRYPTO_OVERHEAD + PACK_TRAILER;
        for (size_t i = 0; sizes && i < index->n_entries; i++) {
                const IndexEntry *entry = &index->entries[i];

                if (entry->pack < index->n_packs)
                        sizes[entry->pack] += entry->length + pack_entry_size(entry->plain_length);
        }
        return sizes;
}

static int remove_lost(Repository *repo, const StoreFile *files, size_t n, size_t *ret_lost) {
        _cleanup_(freep) uint64_t *sizes = measure_packs(&repo->index);
        _cleanup_(freep) bool *gone = calloc(repo->index.n_packs + 1, sizeof(*gone));

        *ret_lost = 0;
        if (!sizes || !gone)
                return -ENOMEM;
        for (size_t i = 0; i < repo->index.n_packs; i++) {
                const StoreFile *file = bsearch(&repo->index.packs[i], files, n, sizeof(*files),
                                                compare_ids);

                gone[i] = !file || file->size != sizes[i];
                *ret_lost += gone[i];
        }
        if (*ret_lost > 0)
                index_remove_packs(&repo->index, gone);
        return 0;
}

int repo_reconcile(Repository *repo, SalvageHandler taken, void *userdata, Why *why, Salvage *ret_salvage) {
        static const StoreKind kinds[] = { STORE_PACK, STORE_INDEX, STORE_SNAPSHOT };
        _cleanup_(freep) StoreFile *files = NULL;
        Salvage salvage = {};
        size_t n = 0;
        int r = repo_list_files(repo, STORE_PACK, &files, &n, why);

        if (r < 0)
                return r;
        qsort(files, n, sizeof(*files), compare_ids);
        r = salvage_files(repo, files, n, taken, userdata, why, &salvage.taken);
        if (r == 0)
                r = remove_lost(repo, files, n, &salvage.lost);
        FOREACH_ELEMENT (kind, kinds)
                if (r == 0)
                        r = repo->backend->ops->sweep(repo->backend, *kind, &salvage.temporaries, why);
        *ret_salvage = salvage;
        return r;
}
