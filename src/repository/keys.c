/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The keys of a repository
 */

#include <string.h>
#include "repository/keys.h"
#include "repository/pull.h"

void key_list_clear(KeyList *list) {
        arena_clear(&list->arena);
        free(list->items);
        *list = (KeyList){};
}

/* Whose it is; the rest of the file is checked by who opens it. */
static int describe(const Bytes *text, Arena *arena, KeyInfo *info) {
        char key[PULL_KEY_SIZE];
        Pull pull;

        pull_init(&pull, text->data, text->size);
        pull_object(&pull);
        while (pull_member(&pull, key)) {
                if (strcmp(key, "created") == 0)
                        info->created = pull_string(&pull, arena, NULL) ?: "";
                else if (strcmp(key, "username") == 0)
                        info->username = pull_string(&pull, arena, NULL) ?: "";
                else if (strcmp(key, "hostname") == 0)
                        info->hostname = pull_string(&pull, arena, NULL) ?: "";
                else
                        pull_skip(&pull);
        }
        return pull_end(&pull);
}

static bool load_key(Repository *repo, KeyInfo *info, Arena *arena) {
        _cleanup_bytes_ Bytes text = {};
        KeyFile file;
        BlobId id;

        return backend_load_all(repo->backend, STORE_KEY, &info->id, &text, NULL) == 0 &&
               crypto_sha256(text.data, text.size, &id) == 0 && blob_id_equals(&id, &info->id) &&
               keyfile_parse(text.data, text.size, &file) == 0 && describe(&text, arena, info) == 0;
}

static int compare_keys(const void *a, const void *b) {
        const KeyInfo *x = a, *y = b;
        int order = strcmp(x->created, y->created);

        return order ? order : memcmp(&x->id, &y->id, sizeof(x->id));
}

int repo_load_keys(Repository *repo, KeyList *ret_list, Why *why) {
        _cleanup_(freep) StoreFile *files = NULL;
        _cleanup_keys_ KeyList list = {};
        size_t n = 0;
        int r = repo_list_files(repo, STORE_KEY, &files, &n, why);

        if (r < 0)
                return r;
        list.items = calloc(n + 1, sizeof(*list.items));
        if (!list.items)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                KeyInfo *info = &list.items[list.n++];

                *info = (KeyInfo){ .id = files[i].id, .created = "", .username = "", .hostname = "" };
                info->damaged = !load_key(repo, info, &list.arena);
        }
        qsort(list.items, list.n, sizeof(*list.items), compare_keys);
        *ret_list = list;
        list = (KeyList){};
        return 0;
}

int repo_add_key(Repository *repo, const char *password, const ScryptParams *scrypt, BlobId *ret_id,
                 Why *why) {
        _cleanup_bytes_ Bytes text = {};
        int r;

        if (!*password)
                return repo_fail(why, -EINVAL, "An empty password protects nothing.");
        r = keyfile_make(&repo->key, password, strlen(password), scrypt ?: &key_params_default, &text);
        if (r == 0)
                r = crypto_sha256(text.data, text.size, ret_id);
        if (r < 0)
                return repo_fail(why, r, "%s: no key can be made: %s.", repo->location, strerror(-r));
        return repo->backend->ops->save(repo->backend, STORE_KEY, ret_id, text.data, text.size, why);
}

static int find_key(const Repository *repo, const StoreFile *files, size_t n, const char *name,
                    BlobId *ret_id, Why *why) {
        const StoreFile *found = NULL;

        for (size_t i = 0; i < n; i++) {
                char text[BLOB_ID_TEXT];

                if (strncmp(blob_id_text(&files[i].id, text), name, strlen(name)) != 0)
                        continue;
                if (found)
                        return repo_fail(why, -EINVAL, "More than one key begins with '%s'.", name);
                found = &files[i];
        }
        if (!found)
                return repo_fail(why, -ENOENT, "There is no key '%s'.", name);
        if (blob_id_equals(&found->id, &repo->key_id))
                return repo_fail(
                        why, -EINVAL,
                        "Key '%s' is the one that opened the repository: use another one's password "
                        "to remove it.",
                        name);
        *ret_id = found->id;
        return 0;
}

int repo_remove_key(Repository *repo, RepoLock *lock, const char *name, BlobId *ret_id, Why *why) {
        _cleanup_(freep) StoreFile *files = NULL;
        size_t n = 0;
        int r = repo_list_files(repo, STORE_KEY, &files, &n, why);

        if (r == 0)
                r = find_key(repo, files, n, name, ret_id, why);
        if (r == 0)
                r = repo_lock_check(lock, why);
        return r < 0 ? r : repo->backend->ops->remove(repo->backend, STORE_KEY, ret_id, why);
}
