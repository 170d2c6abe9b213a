/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Is everything there, and whole?
 */

#include <stdarg.h>
#include <string.h>
#include "repository/verify-internal.h"

#define TREE_DEPTH_MAX 4096u

void verify_tell(Verify *verify, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        (void)pthread_mutex_lock(&verify->mutex);
        verify->counts.problems++;
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

static int tell_damaged(void *userdata, const BlobId *id, const Why *why) {
        verify_tell(userdata, "%s", why->text);
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
                        verify_tell(verify, "%s", problem.text);
                else if (crypto_sha256(text.data, text.size, &id) < 0 ||
                         !blob_id_equals(&id, &files[i].id) ||
                         keyfile_parse(text.data, text.size, &file) < 0)
                        verify_tell(verify, "%s: this key file is damaged",
                                    store_path(STORE_KEY, &files[i].id, path));
        }
        return r;
}

/* true if it has been looked at before, or is not there (which is told). */
static bool is_done(Verify *verify, const BlobId *id, const char *point, const char *path) {
        const Index *index = &verify->repo->index;
        const IndexEntry *entry = index_find(index, BLOB_TREE, id, NULL);
        size_t number;

        if (!entry) {
                char text[BLOB_ID_TEXT];

                verify_tell(verify, "point %.8s: %s: lost: its tree %.10s is missing", point,
                            *path ? path : "/", blob_id_text(id, text));
                return true;
        }
        number = (size_t)(entry - index->entries);
        if (verify->visited[number / 8] & (1u << (number % 8)))
                return true;
        verify->visited[number / 8] |= (uint8_t)(1u << (number % 8));
        return false;
}

static void verify_file(Verify *verify, const Node *node, const char *point, const char *path) {
        char id[BLOB_ID_TEXT];

        if (node->content_missing)
                verify_tell(verify, "point %.8s: %s: lost: it has no list of contents", point, path);
        for (size_t i = 0; i < node->n_content; i++)
                if (!index_find(&verify->repo->index, BLOB_DATA, &node->content[i], NULL)) {
                        verify_tell(verify, "point %.8s: %s: lost: its data blob %.10s is missing", point,
                                    path, blob_id_text(&node->content[i], id));
                        return;
                }
}

static void verify_tree(Verify *verify, const BlobId *id, const char *point, const char *directory,
                        unsigned depth) {
        _cleanup_tree_ Tree tree = {};
        Why why = {};

        if (verify->stopped || is_done(verify, id, point, directory))
                return;
        if (depth == TREE_DEPTH_MAX) {
                verify_tell(verify, "point %.8s: %s: too deep to be looked at", point, directory);
                return;
        }
        if (repo_load_tree(verify->repo, id, &tree, &why) < 0) {
                verify_tell(verify, "point %.8s: %s: lost, with all in it: %s", point,
                            *directory ? directory : "/", why.text);
                return;
        }
        verify->counts.trees++;
        for (size_t i = 0; i < tree.n; i++) {
                const Node *node = &tree.nodes[i];
                _cleanup_(freep) char *path = NULL;

                if (asprintf(&path, "%s/%s", directory, node->name) < 0)
                        path = NULL;
                if (!node_name_is_safe(node->name))
                        verify_tell(verify, "point %.8s: %s: no file can have this name", point,
                                    path ?: node->name);
                else if (i > 0 && strcmp(tree.nodes[i - 1].name, node->name) >= 0)
                        verify_tell(verify, "point %.8s: %s: stands out of order, or twice", point,
                                    path ?: node->name);
                if (node->type == NODE_FILE)
                        verify_file(verify, node, point, path ?: node->name);
                else if (node->type == NODE_DIR && !node->has_subtree)
                        verify_tell(verify, "point %.8s: %s: lost: it has no tree", point,
                                    path ?: node->name);
                else if (node->type == NODE_DIR)
                        verify_tree(verify, &node->subtree, point, path ?: node->name, depth + 1);
        }
}

static int verify_points(Verify *verify, Why *why) {
        _cleanup_snapshots_ SnapshotList list = {};
        int r = repo_load_snapshots(verify->repo, tell_damaged, verify, &list, why);

        if (r < 0)
                return r;
        verify->visited = calloc(verify->repo->index.n_entries / 8 + 1, 1);
        if (!verify->visited)
                return -ENOMEM;
        for (size_t i = 0; i < list.n; i++) {
                char point[BLOB_ID_TEXT];

                if (verify_progress(verify, "points and trees", i, list.n))
                        break;
                verify->counts.points++;
                verify_tree(verify, &list.items[i].tree, blob_id_text(&list.items[i].id, point), "", 0);
        }
        return 0;
}

int verify_run(Repository *repo, const VerifyOptions *options, Why *why, VerifyCounts *ret_counts) {
        Verify verify = { .repo = repo, .options = options };
        int r;

        (void)pthread_mutex_init(&verify.mutex, NULL);
        (void)verify_progress(&verify, "keys and indexes", 0, 0);
        r = verify_keys(&verify, why);
        if (r == 0)
                r = repo_load_index(repo, tell_damaged, &verify, why);
        if (r == 0)
                r = verify_collect_packs(&verify, why);
        if (r == 0) {
                verify_packs(&verify);
                r = verify_points(&verify, why);
        }
        if (r == 0 && options->read_data && !verify.stopped)
                r = verify_read_packs(&verify, why);
        if (r == 0 && verify.stopped)
                r = repo_fail(why, -ECANCELED, "Interrupted.");
        *ret_counts = verify.counts;
        free(verify.packs);
        free(verify.entries);
        free(verify.visited);
        (void)pthread_mutex_destroy(&verify.mutex);
        return r;
}
