/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * repository-tool: what no backup writes into a repository
 *
 *   repository-tool init DIRECTORY    a repository whose password is cheap to check
 *   repository-tool put DIRECTORY     reads lines: "tree NAME JSON", "data NAME TEXT", "point NAME",
 *                                     "snapshot JSON", "lock JSON", "config JSON"; @NAME@ in JSON of trees
 *                                     is the id of what had that name
 *   repository-tool count DIRECTORY   the bytes that all files together have
 *
 * The password is the content of $VSS_PASSWORD_FILE. What is put is sealed as it should be, and its names
 * are right: only what it says is wrong.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "repository/password.h"
#include "repository/snapshot.h"
#include "repository/store.h"

#define NAMES_MAX 100000u

typedef struct Named {
        char *name;
        BlobId id;
} Named;

static Named *names;
static size_t n_names;

static int fail(const char *what, const Why *why) {
        fprintf(stderr, "repository-tool: %s: %s\n", what, why && *why->text ? why->text : "failed");
        return 1;
}

static int password(void *userdata, char **ret_password, Why *why) {
        return password_from_file(getenv("VSS_PASSWORD_FILE") ?: "/dev/null", ret_password, why);
}

static const BlobId *find_name(const char *name, size_t length) {
        for (size_t i = n_names; i > 0; i--)
                if (strlen(names[i - 1].name) == length && memcmp(names[i - 1].name, name, length) == 0)
                        return &names[i - 1].id;
        return NULL;
}

/* The line with ids for names. */
static int fill_in(const char *text, Bytes *ret) {
        char id[BLOB_ID_TEXT];
        int r = 0;

        while (r == 0 && *text) {
                const char *end = *text == '@' ? strchr(text + 1, '@') : NULL;
                const BlobId *found = end ? find_name(text + 1, (size_t)(end - text - 1)) : NULL;

                if (found) {
                        r = bytes_append_text(ret, blob_id_text(found, id));
                        text = end + 1;
                } else {
                        r = bytes_append(ret, text++, 1);
                }
        }
        return r;
}

static int put_blob(Store *store, BlobType type, char *rest) {
        char *text = strchr(rest, ' ');
        _cleanup_bytes_ Bytes bytes = {};
        int r;

        if (!text || n_names == NAMES_MAX)
                return -EINVAL;
        *text++ = '\0';
        r = fill_in(text, &bytes);
        if (r == 0 && type == BLOB_TREE)
                r = bytes_append(&bytes, "\n", 1);
        if (r < 0)
                return r;
        names[n_names].name = strdup(rest);
        r = store_add(store, type, bytes.data, bytes.size, &names[n_names].id, NULL);
        n_names++;
        return r;
}

static int put_point(Repository *repo, const char *name, Why *why) {
        const BlobId *tree = find_name(name, strlen(name));
        _cleanup_snapshot_ Snapshot point = {};
        _cleanup_bytes_ Bytes text = {};
        int r = tree ? 0 : -ENOENT;

        point.hostname = "hostile";
        (void)clock_gettime(CLOCK_REALTIME, &point.time);
        if (r == 0)
                r = snapshot_add_string(&point, &point.paths, "/hostile");
        if (r < 0)
                return r;
        point.tree = *tree;
        r = snapshot_encode(&point, &text);
        return r < 0 ? r : repo_save_file(repo, STORE_SNAPSHOT, text.data, text.size, NULL, why);
}

static int put_line(Repository *repo, Store *store, char *line, Why *why) {
        char *rest = strchr(line, ' ');

        if (!rest)
                return -EINVAL;
        *rest++ = '\0';
        if (strcmp(line, "tree") == 0)
                return put_blob(store, BLOB_TREE, rest);
        if (strcmp(line, "data") == 0)
                return put_blob(store, BLOB_DATA, rest);
        if (strcmp(line, "point") == 0) {
                int r = store_finish(store, why);

                return r < 0 ? r : put_point(repo, rest, why);
        }
        if (strcmp(line, "snapshot") == 0)
                return repo_save_file(repo, STORE_SNAPSHOT, rest, strlen(rest), NULL, why);
        if (strcmp(line, "lock") == 0)
                return repo_save_file(repo, STORE_LOCK, rest, strlen(rest), NULL, why);
        if (strcmp(line, "config") == 0) {
                int r = repo->backend->ops->remove(repo->backend, STORE_CONFIG, NULL, why);

                return r < 0 ? r : repo_save_file(repo, STORE_CONFIG, rest, strlen(rest), NULL, why);
        }
        return -EINVAL;
}

static int put(Repository *repo, Why *why) {
        const StoreOptions options = { .level = 1 };
        _cleanup_(repo_unlockp) RepoLock *lock = NULL;
        _cleanup_(store_freep) Store *store = NULL;
        _cleanup_(freep) char *line = NULL;
        size_t size = 0;
        ssize_t n;
        int r = repo_load_index(repo, NULL, NULL, why);

        names = calloc(NAMES_MAX, sizeof(*names));
        if (r == 0)
                r = repo_lock(repo, false, why, NULL, &lock);
        if (r == 0)
                r = store_new(repo, lock, &options, why, &store);
        while (r == 0 && (n = getline(&line, &size, stdin)) > 0) {
                line[strcspn(line, "\n")] = '\0';
                if (*line)
                        r = put_line(repo, store, line, why);
        }
        return r == 0 ? store_finish(store, why) : r;
}

static int count(void *userdata, const BlobId *id, uint64_t size) {
        *(uint64_t *)userdata += size;
        return 0;
}

int main(int argc, char **argv) {
        static const ScryptParams cheap = { .n = 2, .r = 1, .p = 1 };
        _cleanup_(repo_freep) Repository *repo = NULL;
        const RepoOptions options = { .location = argc > 2 ? argv[2] : NULL,
                                      .password = password,
                                      .scrypt = &cheap };
        uint64_t bytes = 0;
        Why why = {};
        int r;

        if (argc != 3)
                return 2;
        if (strcmp(argv[1], "init") == 0)
                return repo_init(&options, &why, &repo) < 0 ? fail(argv[2], &why) : 0;
        r = repo_open(&options, &why, &repo);
        if (r < 0)
                return fail(argv[2], &why);
        if (strcmp(argv[1], "put") == 0)
                return put(repo, &why) < 0 ? fail(argv[2], &why) : 0;
        for (StoreKind kind = STORE_KEY; kind < STORE_KINDS; kind++)
                if (repo->backend->ops->list(repo->backend, kind, count, &bytes, &why) < 0)
                        return fail(argv[2], &why);
        printf("%llu\n", (unsigned long long)bytes);
        return 0;
}
