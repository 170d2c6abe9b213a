/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test what is kept of repositories: nothing in it is believed, and nobody else's directory is used
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "repository/cache.h"
#include "repository/crypto.h"
#include "util/test.h"

static const BlobId repository = { .bytes = { 1 } };
static char directory[] = "/tmp/test-cache-XXXXXX";

static char *path_of(StoreKind kind, const BlobId *id) {
        char repository_name[BLOB_ID_TEXT], name[BLOB_ID_TEXT];
        char *path;

        (void)blob_id_text(&repository, repository_name);
        return asprintf(&path, "%s/all/%s/%s/%s", directory, repository_name, store_kind_directory(kind),
                        blob_id_text(id, name)) < 0
                       ? NULL
                       : path;
}

static void flip(const char *path, off_t at) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        uint8_t byte = 0;

        expect_true("it is there", fd >= 0 && pread(fd, &byte, 1, at) == 1);
        byte ^= 0x40;
        expect_true("a byte is flipped", pwrite(fd, &byte, 1, at) == 1);
        (void)close(fd);
}

static void test_files(Cache *cache) {
        static const char text[] = "what lies in the repository";
        _cleanup_bytes_ Bytes data = {};
        _cleanup_(freep) char *path = NULL;
        BlobId id;

        (void)crypto_sha256(text, sizeof(text), &id);
        path = path_of(STORE_INDEX, &id);
        expect_int("nothing yet", cache_load(cache, STORE_INDEX, &id, &data), -ENOENT);
        cache_save(cache, STORE_INDEX, &id, text, sizeof(text));
        expect_int("is kept", cache_load(cache, STORE_INDEX, &id, &data), 0);
        expect_true("as it was", data.size == sizeof(text) && memcmp(data.data, text, data.size) == 0);
        expect_int("of its kind", cache_load(cache, STORE_SNAPSHOT, &id, &data), -ENOENT);
        for (size_t at = 0; at < sizeof(text); at++) {
                data.size = 0;
                flip(path, (off_t)at);
                expect_int("what is damaged is not given out", cache_load(cache, STORE_INDEX, &id, &data),
                           -ENOENT);
                expect_true("and nothing of it", data.size == 0 && access(path, F_OK) < 0);
                cache_save(cache, STORE_INDEX, &id, text, sizeof(text));
        }
        expect_int("written anew it is", cache_load(cache, STORE_INDEX, &id, &data), 0);
        expect_int("cut off", truncate(path, 3), 0);
        expect_int("it is not", cache_load(cache, STORE_INDEX, &id, &data), -ENOENT);
        cache_save(cache, STORE_LOCK, &id, text, sizeof(text));
        expect_int("locks are not kept", cache_load(cache, STORE_LOCK, &id, &data), -ENOENT);
}

static void test_parts(Cache *cache) {
        static const char text[] = "0123456789";
        _cleanup_bytes_ Bytes data = {};
        const BlobId id = { .bytes = { 7 } };

        cache_save(cache, STORE_PACK, &id, text, 10);
        expect_int("a part", cache_load_part(cache, STORE_PACK, &id, 3, 4, &data), 0);
        expect_true("is that part", data.size == 4 && memcmp(data.data, "3456", 4) == 0);
        expect_int("beyond the end", cache_load_part(cache, STORE_PACK, &id, 8, 3, &data), -ENOENT);
        expect_int("far beyond", cache_load_part(cache, STORE_PACK, &id, UINT64_MAX - 1, 3, &data), -ENOENT);
        expect_true("nothing comes", data.size == 4);
        cache_remove(cache, STORE_PACK, &id);
        expect_int("removed", cache_load_part(cache, STORE_PACK, &id, 3, 4, &data), -ENOENT);
}

static void make_old(const BlobId *ids, size_t n) {
        const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

        for (size_t i = 0; i < n; i++) {
                _cleanup_(freep) char *path = path_of(STORE_PACK, &ids[i]);

                expect_int("it is old", utimensat(AT_FDCWD, path, times, 0), 0);
        }
}

static void test_keep_only(Cache *cache) {
        BlobId ids[3] = { { .bytes = { 9 } }, { .bytes = { 3 } }, { .bytes = { 5 } } }, kept[2];
        _cleanup_bytes_ Bytes data = {};

        for (size_t i = 0; i < 3; i++)
                cache_save(cache, STORE_PACK, &ids[i], "x", 1);
        kept[0] = ids[0];
        kept[1] = ids[1];
        cache_keep_only(cache, STORE_PACK, kept, 2);
        expect_int("what is young stays: another run may have made it",
                   cache_load_part(cache, STORE_PACK, &ids[2], 0, 1, &data), 0);
        make_old(ids, 3);
        cache_keep_only(cache, STORE_PACK, kept, 2);
        expect_int("one stays", cache_load_part(cache, STORE_PACK, &ids[0], 0, 1, &data), 0);
        expect_int("and another", cache_load_part(cache, STORE_PACK, &ids[1], 0, 1, &data), 0);
        expect_int("the third goes", cache_load_part(cache, STORE_PACK, &ids[2], 0, 1, &data), -ENOENT);
        cache_keep_only(cache, STORE_PACK, NULL, 0);
        expect_int("then all", cache_load_part(cache, STORE_PACK, &ids[0], 0, 1, &data), -ENOENT);
}

static void test_unused(const char *place) {
        static const BlobId old = { .bytes = { 2 } };
        const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
        char name[BLOB_ID_TEXT], path[256];
        Cache *cache = cache_open(place, &old);

        cache_save(cache, STORE_PACK, &old, "x", 1);
        cache = cache_free(cache);
        (void)snprintf(path, sizeof(path), "%s/%s", place, blob_id_text(&old, name));
        expect_int("one that was used long ago", utimensat(AT_FDCWD, path, times, 0), 0);
        cache = cache_free(cache_open(place, &repository));
        expect_true("goes", access(path, F_OK) < 0);
        (void)blob_id_text(&repository, name);
        (void)snprintf(path, sizeof(path), "%s/%s", place, name);
        expect_true("and ours does not", access(path, F_OK) == 0);
}

static void test_places(const char *place) {
        _cleanup_bytes_ Bytes data = {};
        char other[64], link[64];
        struct stat st;
        Cache *cache;

        expect_true("only we get in", stat(place, &st) == 0 && (st.st_mode & 0777) == 0700);
        (void)snprintf(other, sizeof(other), "%s/other", directory);
        (void)snprintf(link, sizeof(link), "%s/link", directory);
        expect_true("where others may write", mkdir(other, 0700) == 0 && chmod(other, 0777) == 0);
        cache = cache_open(other, &repository);
        expect_true("there is no cache", !cache);
        expect_true("nor behind a link", symlink(place, link) == 0 && !cache_open(link, &repository));
        expect_int("without one nothing is kept", cache_load(NULL, STORE_INDEX, &repository, &data),
                   -ENOENT);
        cache_save(NULL, STORE_INDEX, &repository, "x", 1);
        cache_keep_only(NULL, STORE_INDEX, NULL, 0);
        cache_remove(NULL, STORE_INDEX, &repository);
}

static void expect_place(const char *label, const char *want) {
        _cleanup_(freep) char *place = cache_place();

        expect_str(label, place ?: "none", want);
}

static void test_choice(void) {
        (void)setenv("VSS_CACHE", "/somewhere", 1);
        expect_place("what is said", "/somewhere");
        (void)setenv("VSS_CACHE", "off", 1);
        expect_place("none", "none");
        (void)unsetenv("VSS_CACHE");
        (void)setenv("XDG_CACHE_HOME", "/home/x/cache", 1);
        expect_place("of the session", "/home/x/cache/linuxvss");
        (void)setenv("XDG_CACHE_HOME", "relative", 1);
        (void)setenv("HOME", "/home/x", 1);
        expect_place("a path that means nothing does not count",
                     geteuid() == 0 ? "/var/cache/linuxvss" : "/home/x/.cache/linuxvss");
}

int main(void) {
        char place[64], remove[64];
        Cache *cache;

        if (!mkdtemp(directory))
                return 1;
        (void)snprintf(place, sizeof(place), "%s/all", directory);
        cache = cache_open(place, &repository);
        expect_true("a cache", cache != NULL);
        test_files(cache);
        test_parts(cache);
        test_keep_only(cache);
        cache = cache_free(cache);
        test_unused(place);
        test_places(place);
        test_choice();
        (void)snprintf(remove, sizeof(remove), "rm -rf %s", directory);
        expect_int("nothing stays", system(remove), 0);
        return test_end();
}
