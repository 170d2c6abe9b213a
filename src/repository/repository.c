/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Opening and making repositories, and their files
 */

#include <string.h>
#include "repository/keyring.h"
#include "repository/repository.h"

/* The first byte of a file's plain text: JSON as it is, or a frame of zstd behind this one. */
#define FILE_COMPRESSED 2u
#define FILE_LEVEL 3

Repository *repo_free(Repository *repo) {
        if (!repo)
                return NULL;
        repo->backend = backend_free(repo->backend);
        repo->cache = cache_free(repo->cache);
        (void)pthread_mutex_destroy(&repo->cache_lock);
        index_clear(&repo->index);
        (void)pthread_rwlock_destroy(&repo->index_lock);
        (void)pthread_mutex_destroy(&repo->salvage_lock);
        crypto_forget(&repo->key, sizeof(repo->key));
        free(repo);
        return NULL;
}

static int repo_new(const RepoOptions *options, bool create, Why *why, Repository **ret_repo) {
        _cleanup_(repo_freep) Repository *repo = calloc(1, sizeof(*repo));
        int r;

        if (!repo)
                return -ENOMEM;
        (void)pthread_rwlock_init(&repo->index_lock, NULL);
        (void)pthread_mutex_init(&repo->salvage_lock, NULL);
        (void)pthread_mutex_init(&repo->cache_lock, NULL);
        repo->location = options->location;
        r = backend_open(options->location, options->sftp_command, create, why, &repo->backend);
        if (r < 0)
                return r;
        *ret_repo = TAKE_PTR(repo);
        return 0;
}

static int unpack_text(const uint8_t *plain, size_t size, bool compressible, Bytes *text) {
        if (size == 0)
                return -EBADMSG;
        if (plain[0] == '{' || plain[0] == '[')
                return bytes_append(text, plain, size);
        if (plain[0] != FILE_COMPRESSED || !compressible)
                return -EBADMSG;
        return decompress_stream(plain + 1, size - 1, text);
}

static int fail_damaged(const Repository *repo, StoreKind kind, const BlobId *id, int error, Why *why) {
        char path[STORE_PATH_SIZE];

        return repo_fail(why, error, "%s/%s: this %s is damaged.", repo->location,
                         store_path(kind, id, path), store_kind_name(kind));
}

void repo_use_cache(Repository *repo, const char *place) {
        _cleanup_(freep) char *usual = place ? NULL : cache_place();

        if (!repo->cache && (place || usual))
                repo->cache = cache_open(place ?: usual, &repo->config.id);
}

int repo_load_file(Repository *repo, StoreKind kind, const BlobId *id, Bytes *text, Why *why) {
        _cleanup_bytes_ Bytes sealed = {};
        _cleanup_(freep) uint8_t *plain = NULL;
        BlobId hash;
        bool kept = cache_load(repo->cache, kind, id, &sealed) == 0;
        int r = kept ? 0 : backend_load_all(repo->backend, kind, id, &sealed, why);

        if (r < 0)
                return r;
        r = crypto_sha256(sealed.data, sealed.size, &hash);
        if (r == 0 && ((id && !blob_id_equals(&hash, id)) || sealed.size < CRYPTO_OVERHEAD))
                r = -EBADMSG;
        if (r == 0 && !kept)
                cache_save(repo->cache, kind, id, sealed.data, sealed.size);
        if (r == 0) {
                plain = malloc(sealed.size);
                r = plain ? crypto_open(&repo->key, sealed.data, sealed.size, plain) : -ENOMEM;
        }
        if (r == 0)
                r = unpack_text(plain, sealed.size - CRYPTO_OVERHEAD, kind != STORE_CONFIG, text);
        return r < 0 ? fail_damaged(repo, kind, id, r, why) : 0;
}

int repo_save_file(Repository *repo, StoreKind kind, const void *text, size_t size, BlobId *ret_id,
                   Why *why) {
        _cleanup_bytes_ Bytes frame = {}, plain = {}, sealed = {};
        BlobId id;
        int r = kind == STORE_CONFIG ? 0 : compress_blob(FILE_LEVEL, text, size, &frame);

        if (r > 0) {
                const uint8_t mark = FILE_COMPRESSED;

                r = bytes_append(&plain, &mark, 1);
                if (r == 0)
                        r = bytes_append(&plain, frame.data, frame.size);
        } else if (r == 0) {
                r = bytes_append(&plain, text, size);
        }
        if (r == 0)
                r = bytes_reserve(&sealed, plain.size + CRYPTO_OVERHEAD);
        if (r == 0)
                r = crypto_seal(&repo->key, plain.data, plain.size, sealed.data);
        if (r == 0)
                r = crypto_sha256(sealed.data, plain.size + CRYPTO_OVERHEAD, &id);
        if (r < 0)
                return repo_fail(why, r, "A %s cannot be made: %s.", store_kind_name(kind), strerror(-r));
        r = repo->backend->ops->save(repo->backend, kind, kind == STORE_CONFIG ? NULL : &id, sealed.data,
                                     plain.size + CRYPTO_OVERHEAD, why);
        if (r == 0)
                cache_save(repo->cache, kind, &id, sealed.data, plain.size + CRYPTO_OVERHEAD);
        if (r == 0 && ret_id)
                *ret_id = id;
        return r;
}

static int load_config(Repository *repo, Why *why) {
        _cleanup_bytes_ Bytes text = {};
        int r = repo_load_file(repo, STORE_CONFIG, NULL, &text, why);

        if (r < 0)
                return r;
        r = config_parse(text.data, text.size, &repo->config);
        if (r == -EPROTONOSUPPORT)
                return repo_fail(
                        why, r,
                        "%s: the repository is of another version of the format than %u, which is the "
                        "only one that is read here. restic migrate upgrade_repo_v2 makes it one of "
                        "version 2 from version 1.",
                        repo->location, REPO_VERSION);
        if (r == 0 && !chunker_is_irreducible(repo->config.polynomial))
                r = -EBADMSG;
        return r < 0 ? fail_damaged(repo, STORE_CONFIG, NULL, r, why) : 0;
}

/* A key that the keyring has is right if it opens the config. */
static bool open_by_keyring(Repository *repo, const StoreFile *keys, size_t n) {
        for (size_t i = 0; i < n && i < KEYS_TRIED_MAX; i++) {
                if (keyring_find(&keys[i].id, &repo->key) < 0)
                        continue;
                repo->key_id = keys[i].id;
                if (load_config(repo, NULL) == 0)
                        return true;
        }
        return false;
}

/* Of two that made a repository at the same time the key of one stays behind: it opens nothing. */
static int try_key(Repository *repo, const BlobId *id, const char *password, bool config, Why *why) {
        _cleanup_bytes_ Bytes text = {};
        KeyFile file;
        BlobId hash;
        int r = backend_load_all(repo->backend, STORE_KEY, id, &text, NULL);

        if (r == 0)
                r = keyfile_parse(text.data, text.size, &file);
        if (r == 0)
                r = keyfile_open(&file, password, strlen(password), &repo->key);
        /* What has changed in it makes the right password a wrong one. */
        if (r == -EKEYREJECTED && crypto_sha256(text.data, text.size, &hash) == 0 &&
            !blob_id_equals(&hash, id))
                r = -EBADMSG;
        if (r < 0)
                return r;
        repo->key_id = *id;
        return config ? load_config(repo, why) : 0;
}

/* @config: has to open it, too. */
static int open_by_password(Repository *repo, const RepoOptions *options, const StoreFile *keys, size_t n,
                            bool config, Why *why) {
        char *password = NULL, path[STORE_PATH_SIZE] = "";
        size_t opened = 0;
        Why config_why = {};
        int r = options->password
                        ? options->password(options->userdata, &password, why)
                        : repo_fail(why, -EKEYREJECTED, "%s: no password was given.", repo->location);

        if (r < 0)
                return r;
        r = -EKEYREJECTED;
        for (size_t i = 0; r < 0 && i < n && i < KEYS_TRIED_MAX; i++) {
                Why problem = {};

                r = try_key(repo, &keys[i].id, password, config, &problem);
                if (r < 0 && *problem.text) {
                        opened++;
                        config_why = problem;
                } else if (r < 0 && r != -EKEYREJECTED) {
                        (void)store_path(STORE_KEY, &keys[i].id, path);
                }
        }
        crypto_forget(password, strlen(password));
        free(password);
        if (r == 0)
                return 0;
        if (opened > 0)
                return repo_fail(why, -EBADMSG, "%s", config_why.text);
        return repo_fail(why, -EKEYREJECTED, "%s: the password opens none of %zu key%s%s%s.", repo->location,
                         MIN(n, (size_t)KEYS_TRIED_MAX), PLURAL(n), *path ? "; damaged is " : "", path);
}

int repo_open(const RepoOptions *options, Why *why, Repository **ret_repo) {
        _cleanup_(repo_freep) Repository *repo = NULL;
        _cleanup_(freep) StoreFile *keys = NULL;
        uint64_t size;
        size_t n = 0;
        int r = repo_new(options, false, why, &repo);

        if (r < 0)
                return r;
        r = repo->backend->ops->size(repo->backend, STORE_CONFIG, NULL, &size, why);
        if (r == 0 || r == -ENOENT) {
                int listed = repo_list_files(repo, STORE_KEY, &keys, &n, why);

                if (r == -ENOENT && listed == 0 && n > 0)
                        return repo_fail(
                                why, -ENODATA,
                                "%s/config: is missing, and without it nothing can be read. With the "
                                "password of one of its keys, vss init makes it anew.",
                                options->location);
                if (r == -ENOENT)
                        return repo_fail(why, r, "%s: there is no repository.", options->location);
                r = listed;
        }
        if (r < 0)
                return r;
        if (n == 0)
                return repo_fail(why, -EBADMSG, "%s: the repository has no keys.", options->location);
        if (!open_by_keyring(repo, keys, n)) {
                r = open_by_password(repo, options, keys, n, true, why);
                if (r < 0)
                        return r;
                /* Without a keyring each run asks for the password: slower, and no failure. */
                if (options->keyring_seconds > 0)
                        (void)keyring_keep(&repo->key_id, &repo->key, options->keyring_seconds);
        }
        *ret_repo = TAKE_PTR(repo);
        return 0;
}

static int save_key(Repository *repo, const RepoOptions *options, Why *why) {
        _cleanup_bytes_ Bytes text = {};
        char *password = NULL;
        int r = options->password ? options->password(options->userdata, &password, why) : -EKEYREJECTED;

        if (r < 0)
                return r;
        r = !*password ? repo_fail(why, -EINVAL, "An empty password protects nothing.")
                       : keyfile_make(&repo->key, password, strlen(password),
                                      options->scrypt ?: &key_params_default, &text);
        crypto_forget(password, strlen(password));
        free(password);
        if (r == 0)
                r = crypto_sha256(text.data, text.size, &repo->key_id);
        if (r < 0)
                return r;
        return repo->backend->ops->save(repo->backend, STORE_KEY, &repo->key_id, text.data, text.size, why);
}

/* Keys without a config: of an init that did not end, or the config has been lost. What lies there can be
 * read with them. */
static int take_key(Repository *repo, const RepoOptions *options, bool *ret_taken, Why *why) {
        _cleanup_(freep) StoreFile *keys = NULL;
        size_t n = 0;
        int r = repo_list_files(repo, STORE_KEY, &keys, &n, why);

        *ret_taken = r == 0 && n > 0;
        return *ret_taken ? open_by_password(repo, options, keys, n, false, why) : r;
}

static int make_key(Repository *repo, const RepoOptions *options, Why *why) {
        int r = crypto_key_generate(&repo->key);

        return r < 0 ? repo_fail(why, r, "%s: no key can be made: %s.", options->location, strerror(-r))
                     : save_key(repo, options, why);
}

static int make_config(Repository *repo, Bytes *text) {
        int r = crypto_random(&repo->config.id, sizeof(repo->config.id));

        repo->config.version = REPO_VERSION;
        if (r == 0)
                r = chunker_random_polynomial(&repo->config.polynomial);
        return r < 0 ? r : config_format(&repo->config, text);
}

int repo_init(const RepoOptions *options, Why *why, Repository **ret_repo) {
        _cleanup_(repo_freep) Repository *repo = NULL;
        _cleanup_bytes_ Bytes text = {};
        bool taken = false;
        int r = repo_new(options, true, why, &repo);

        if (r == 0)
                r = repo->backend->ops->create(repo->backend, why);
        if (r == 0)
                r = take_key(repo, options, &taken, why);
        if (r == 0 && !taken)
                r = make_key(repo, options, why);
        if (r < 0)
                return r;
        /* The config last: without it there is no repository. */
        r = make_config(repo, &text);
        if (r < 0)
                return repo_fail(why, r, "%s: no config can be made: %s.", options->location, strerror(-r));
        r = repo_save_file(repo, STORE_CONFIG, text.data, text.size, NULL, why);
        if (r < 0) {
                /* Somebody else was quicker, or nothing can be written: a key of nothing stays nowhere. */
                if (!taken)
                        (void)repo->backend->ops->remove(repo->backend, STORE_KEY, &repo->key_id, NULL);
                return r;
        }
        repo->renewed = taken;
        *ret_repo = TAKE_PTR(repo);
        return 0;
}

static int collect(void *userdata, const BlobId *id, uint64_t size) {
        const StoreFile file = { .id = *id, .size = size };

        return bytes_append(userdata, &file, sizeof(file));
}

int repo_list_files(Repository *repo, StoreKind kind, StoreFile **ret_files, size_t *ret_n, Why *why) {
        _cleanup_bytes_ Bytes list = {};
        int r = repo->backend->ops->list(repo->backend, kind, collect, &list, why);

        /* A directory that is missing is one that somebody's copy has left out, since nothing was in it. */
        if (r == 0 || r == -ENOENT)
                r = bytes_reserve(&list, 1);
        if (r < 0)
                return r;
        *ret_n = list.size / sizeof(StoreFile);
        *ret_files = (StoreFile *)(void *)TAKE_PTR(list.data);
        return 0;
}
