/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Is everything there, and whole?
 *
 * Points are read before the index: who is adding one meanwhile has written the index first. Packs come
 * before trees, so that with what is in them it is known whom their damage hits.
 */

#include <stdarg.h>
#include <string.h>
#include "repository/salvage.h"
#include "repository/verify-internal.h"

void verify_tell(Verify *verify, VerifyDamage damage, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        (void)pthread_mutex_lock(&verify->mutex);
        verify->counts.problems++;
        verify->counts.damage |= damage;
        if (verify->options->told)
                verify->options->told(verify->options->userdata, text ?: "out of memory");
        (void)pthread_mutex_unlock(&verify->mutex);
}

bool verify_progress(Verify *verify, const char *step, uint64_t done, uint64_t all) {
        if (verify->options->progress &&
            verify->options->progress(verify->options->userdata, step, done, all))
                verify->stopped = true;
        return verify->stopped;
}

/* Several index files may have the same pack, with the same blobs. */
void verify_mark_damaged(Verify *verify, const IndexEntry *entry) {
        const Index *index = &verify->repo->index;
        const IndexEntry *other = NULL;

        (void)pthread_mutex_lock(&verify->mutex);
        while ((other = index_find(index, entry->tree ? BLOB_TREE : BLOB_DATA, &entry->id, other)))
                if (other->offset == entry->offset &&
                    blob_id_equals(&index->packs[other->pack], &index->packs[entry->pack]))
                        verify->marks[other - index->entries] |= ENTRY_DAMAGED;
        (void)pthread_mutex_unlock(&verify->mutex);
}

static int tell_index(void *userdata, const BlobId *id, const Why *why) {
        verify_tell(userdata, VERIFY_INDEX, "%s", why->text);
        return 0;
}

static int tell_point(void *userdata, const BlobId *id, const Why *why) {
        verify_tell(userdata, VERIFY_POINTS, "%s", why->text);
        return 0;
}

/* Nothing in a key file is sealed but the key: its name is the hash of the rest. */
static int verify_keys(Verify *verify, Why *why) {
        Repository *repo = verify->repo;
        _cleanup_(freep) StoreFile *files = NULL;
        char path[STORE_PATH_SIZE];
        size_t n = 0;
        int r = repo_list_files(repo, STORE_KEY, &files, &n, why);

        for (size_t i = 0; r == 0 && i < n; i++) {
                _cleanup_bytes_ Bytes text = {};
                Why problem = {};
                KeyFile file;
                BlobId id;

                if (backend_load_all(repo->backend, STORE_KEY, &files[i].id, &text, &problem) < 0)
                        verify_tell(verify, VERIFY_KEYS, "%s", problem.text);
                else if (crypto_sha256(text.data, text.size, &id) < 0 ||
                         !blob_id_equals(&id, &files[i].id) ||
                         keyfile_parse(text.data, text.size, &file) < 0)
                        verify_tell(verify, VERIFY_KEYS, "%s: this key file is damaged",
                                    store_path(STORE_KEY, &files[i].id, path));
        }
        return r;
}

/* The index, packs that it does not name, and which of it is there. */
static int collect(Verify *verify, Why *why) {
        Repository *repo = verify->repo;
        size_t taken = 0;
        int r = repo_load_index(repo, tell_index, verify, why);

        if (r < 0)
                return r;
        verify->n_named = repo->index.n_packs;
        /* No more is looked for later: entries stay where they are. */
        repo->salvaged = true;
        r = repo_salvage(repo, NULL, NULL, why, &taken);
        if (r == 0) {
                verify->marks = calloc(repo->index.n_entries + 1, 1);
                r = verify->marks ? 0 : -ENOMEM;
        }
        for (size_t i = 0; r == 0 && i < repo->index.n_entries; i++)
                if (repo->index.entries[i].pack >= verify->n_named)
                        verify->marks[i] |= ENTRY_UNNAMED;
        return r < 0 ? r : verify_collect_packs(verify, why);
}

static int run(Verify *verify, Why *why) {
        int r;

        (void)verify_progress(verify, "keys, points and indexes", 0, 0);
        r = verify_keys(verify, why);
        if (r == 0)
                r = repo_load_snapshots(verify->repo, tell_point, verify, &verify->points, why);
        if (r == 0)
                r = collect(verify, why);
        if (r < 0)
                return r;
        verify_packs(verify);
        if (verify->options->read_data && !verify->stopped)
                r = verify_read_packs(verify, why);
        if (r == 0)
                verify_points(verify);
        if (verify->needs_unnamed) {
                verify->counts.unused_packs = 0;
                verify_tell(verify, VERIFY_INDEX,
                            "index: packs that points need are in no index file: one has been lost");
        }
        return r == 0 && verify->stopped ? repo_fail(why, -ECANCELED, "Interrupted.") : r;
}

int verify_run(Repository *repo, const VerifyOptions *options, Why *why, VerifyCounts *ret_counts) {
        Verify verify = { .repo = repo, .options = options };
        int r;

        (void)pthread_mutex_init(&verify.mutex, NULL);
        r = run(&verify, why);
        *ret_counts = verify.counts;
        snapshot_list_clear(&verify.points);
        free(verify.packs);
        free(verify.entries);
        free(verify.marks);
        (void)pthread_mutex_destroy(&verify.mutex);
        return r;
}
