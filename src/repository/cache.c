/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files of a repository that are kept here
 *
 * Several runs share a cache without a lock: a file is renamed to its name when it is whole, and whoever
 * finds one gone fetches it.
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "repository/cache.h"
#include "repository/crypto.h"

/* What is younger may be of a run that is under way: a file not renamed yet, a pack whose index is not written
 * yet. */
#define YOUNG_SECONDS 3600
/* A repository that nobody has used for so long is one that nobody uses. */
#define UNUSED_SECONDS (60 * 24 * 3600)

struct Cache {
        int kinds[STORE_KINDS]; /* directories, by kind; -1: nothing of it is kept */
};

char *cache_place(void) {
        const char *place = getenv("VSS_CACHE"), *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
        char *path = NULL;

        if (place)
                return strcmp(place, "off") == 0 || *place != '/' ? NULL : strdup(place);
        if (base && *base == '/')
                return asprintf(&path, "%s/linuxvss", base) < 0 ? NULL : path;
        if (geteuid() == 0)
                return strdup("/var/cache/linuxvss");
        if (!home || *home != '/' || asprintf(&path, "%s/.cache/linuxvss", home) < 0)
                return NULL;
        return path;
}

/* Ours, and nobody else writes in it. */
static int open_private(int parent, const char *name) {
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 022) != 0 ||
            ((st.st_mode & 077) != 0 && fchmod(fd, 0700) < 0)) {
                (void)close(fd);
                return -EPERM;
        }
        return fd;
}

static int make_private(int parent, const char *name) {
        if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        return open_private(parent, name);
}

/* The directory of all caches; what is above it may be missing, too, as in a new home. */
static int make_place(const char *place) {
        _cleanup_(freep) char *parent = strdup(place);
        char *slash = parent ? strrchr(parent, '/') : NULL;

        if (!slash)
                return -ENOMEM;
        if (slash != parent) {
                *slash = '\0';
                if (mkdir(parent, 0700) < 0 && errno != EEXIST)
                        return -errno;
        }
        return make_private(AT_FDCWD, place);
}

static void closedirp(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

typedef bool (*Judge)(void *userdata, const char *name, const struct stat *st);

/* Deletes what @judge says. */
static void sweep(int directory, int flags, Judge judge, void *userdata) {
        _cleanup_(closedirp) DIR *stream = NULL;
        int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct dirent *entry;

        if (fd < 0 || !(stream = fdopendir(fd))) {
                closep(&fd);
                return;
        }
        while ((entry = readdir(stream))) {
                struct stat st;

                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                    judge(userdata, entry->d_name, &st))
                        (void)unlinkat(fd, entry->d_name, flags);
        }
}

static bool is_anything(void *userdata, const char *name, const struct stat *st) {
        return true;
}

/* Empties the cache of a repository that has not been used for long, so that it can be deleted. */
static bool is_unused(void *userdata, const char *name, const struct stat *st) {
        static const StoreKind kinds[] = { STORE_SNAPSHOT, STORE_INDEX, STORE_PACK };
        const int *place = userdata;
        BlobId id;
        int fd;

        if (!S_ISDIR(st->st_mode) || time(NULL) - st->st_mtime < UNUSED_SECONDS ||
            blob_id_parse(name, strlen(name), &id) < 0 || (fd = open_private(*place, name)) < 0)
                return false;
        FOREACH_ELEMENT (kind, kinds) {
                int directory = open_private(fd, store_kind_directory(*kind));

                if (directory < 0)
                        continue;
                sweep(directory, 0, is_anything, NULL);
                (void)close(directory);
                (void)unlinkat(fd, store_kind_directory(*kind), AT_REMOVEDIR);
        }
        (void)close(fd);
        return true;
}

Cache *cache_open(const char *place, const BlobId *repository) {
        static const StoreKind kinds[] = { STORE_SNAPSHOT, STORE_INDEX, STORE_PACK };
        _cleanup_(closep) int top = make_place(place), directory = -1;
        char name[BLOB_ID_TEXT];
        Cache *cache = top < 0 ? NULL : calloc(1, sizeof(*cache));

        if (!cache)
                return NULL;
        for (size_t i = 0; i < STORE_KINDS; i++)
                cache->kinds[i] = -1;
        directory = make_private(top, blob_id_text(repository, name));
        FOREACH_ELEMENT (kind, kinds)
                if (directory >= 0)
                        cache->kinds[*kind] = make_private(directory, store_kind_directory(*kind));
        if (directory >= 0)
                (void)futimens(directory, NULL);
        sweep(top, AT_REMOVEDIR, is_unused, &top);
        return cache;
}

Cache *cache_free(Cache *cache) {
        for (size_t i = 0; cache && i < STORE_KINDS; i++)
                closep(&cache->kinds[i]);
        free(cache);
        return NULL;
}

static int open_kept(Cache *cache, StoreKind kind, const BlobId *id, uint64_t *ret_size) {
        char name[BLOB_ID_TEXT];
        struct stat st;
        int fd;

        if (!cache || !id || cache->kinds[kind] < 0)
                return -ENOENT;
        fd = openat(cache->kinds[kind], blob_id_text(id, name),
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -ENOENT;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > STORE_FILE_MAX) {
                (void)close(fd);
                return -ENOENT;
        }
        *ret_size = (uint64_t)st.st_size;
        return fd;
}

static int read_part(int fd, uint64_t offset, size_t length, Bytes *data) {
        size_t before = data->size;

        if (bytes_reserve(data, length) < 0)
                return -ENOENT;
        while (length > 0) {
                ssize_t n = pread(fd, data->data + data->size, length, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        data->size = before;
                        return -ENOENT;
                }
                data->size += (size_t)n;
                offset += (uint64_t)n;
                length -= (size_t)n;
        }
        return 0;
}

int cache_load(Cache *cache, StoreKind kind, const BlobId *id, Bytes *data) {
        uint64_t size = 0;
        size_t before = data->size;
        _cleanup_(closep) int fd = open_kept(cache, kind, id, &size);
        BlobId hash;

        if (fd < 0 || read_part(fd, 0, (size_t)size, data) < 0)
                return -ENOENT;
        if (crypto_sha256(data->data + before, data->size - before, &hash) == 0 && blob_id_equals(&hash, id))
                return 0;
        data->size = before;
        cache_remove(cache, kind, id);
        return -ENOENT;
}

int cache_load_part(Cache *cache, StoreKind kind, const BlobId *id, uint64_t offset, size_t length,
                    Bytes *data) {
        uint64_t size = 0;
        _cleanup_(closep) int fd = open_kept(cache, kind, id, &size);

        return fd < 0 || offset > size || length > size - offset ? -ENOENT
                                                                 : read_part(fd, offset, length, data);
}

static bool write_all(int fd, const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return false;
                data += n;
                size -= (size_t)n;
        }
        return true;
}

/* Not synced: what a power cut leaves of it is found out by its name. */
void cache_save(Cache *cache, StoreKind kind, const BlobId *id, const void *data, size_t size) {
        char name[BLOB_ID_TEXT], temporary[STORE_TEMPORARY_SIZE];
        bool written;
        int fd;

        if (!cache || !id || cache->kinds[kind] < 0 ||
            store_temporary_name(blob_id_text(id, name), temporary) < 0)
                return;
        fd = openat(cache->kinds[kind], temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
        if (fd < 0)
                return;
        written = write_all(fd, data, size);
        (void)close(fd);
        if (!written || renameat(cache->kinds[kind], temporary, cache->kinds[kind], name) < 0)
                (void)unlinkat(cache->kinds[kind], temporary, 0);
}

void cache_remove(Cache *cache, StoreKind kind, const BlobId *id) {
        char name[BLOB_ID_TEXT];

        if (cache && id && cache->kinds[kind] >= 0)
                (void)unlinkat(cache->kinds[kind], blob_id_text(id, name), 0);
}

typedef struct Kept {
        const BlobId *ids;
        size_t n;
} Kept;

static int compare_ids(const void *a, const void *b) {
        return memcmp(a, b, BLOB_ID_SIZE);
}

static bool is_superfluous(void *userdata, const char *name, const struct stat *st) {
        const Kept *kept = userdata;
        BlobId id;

        if (time(NULL) - st->st_mtime <= YOUNG_SECONDS)
                return false;
        return blob_id_parse(name, strlen(name), &id) < 0 || kept->n == 0 || !bsearch(&id, kept->ids, kept->n, sizeof(id), compare_ids);
}

void cache_keep_only(Cache *cache, StoreKind kind, BlobId *ids, size_t n) {
        Kept kept = { .ids = ids, .n = n };

        if (!cache || cache->kinds[kind] < 0)
                return;
        if (n > 0)
                qsort(ids, n, sizeof(*ids), compare_ids);
        sweep(cache->kinds[kind], 0, is_superfluous, &kept);
}
