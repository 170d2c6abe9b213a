/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A repository in a directory
 *
 * The directory is opened once; everything else goes by descriptors below it and follows no link. A file is
 * written beside its place, made durable, and renamed.
 */

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "repository/backend-local.h"

#define PREFIXES 256u
/* Files of so much are written past the page cache. */
#define DIRECT_MIN (1u << 20)

typedef struct Local {
        Backend backend;
        int fd;
        char *path;
        mode_t file_mode, directory_mode; /* as restic has them: group bits follow the config's */
} Local;

static void local_free(Backend *backend) {
        Local *local = (Local *)backend;

        if (local->fd >= 0)
                (void)close(local->fd);
        free(local->path);
        free(local);
}

static int fail_file(const Local *local, StoreKind kind, const BlobId *id, int error, const char *what,
                     Why *why) {
        char path[STORE_PATH_SIZE];

        return repo_fail(why, error, "%s/%s: %s: %s.", local->path, store_path(kind, id, path), what,
                         store_explain(error));
}

static int make_directory(const Local *local, int fd, const char *name) {
        if (mkdirat(fd, name, local->directory_mode) < 0 && errno != EEXIST)
                return -errno;
        return 0;
}

static int sync_directory(int parent, const char *name) {
        _cleanup_(closep) int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

/* The directory that a file belongs into, made if it may have been left out. */
static int open_place(const Local *local, StoreKind kind, const BlobId *id, bool make) {
        char path[STORE_PATH_SIZE], *slash;
        int fd;

        (void)store_path(kind, id, path);
        slash = strrchr(path, '/');
        if (!slash)
                return openat(local->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *slash = '\0';
        fd = openat(local->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT && make) {
                int r = make_directory(local, local->fd, path);

                if (r < 0)
                        return r;
                fd = openat(local->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (fd >= 0 && (r = sync_directory(local->fd, store_kind_directory(kind))) < 0) {
                        (void)close(fd);
                        return r;
                }
        }
        return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t)n;
        }
        return 0;
}

/*
 * Nobody here reads a pack soon, and it has to be on the disk in any case: in the page cache it costs a
 * copy, and drives out what others have there. Return: how much was written; what is not is for write_all(),
 * and so are the failures.
 */
static size_t write_directly(int fd, const uint8_t *data, size_t size) {
        size_t whole = size - size % BYTES_PAGE, done = 0;
        int flags = fcntl(fd, F_GETFL);

        if (size < DIRECT_MIN || (uintptr_t)data % BYTES_PAGE != 0 || flags < 0 ||
            fcntl(fd, F_SETFL, flags | O_DIRECT) < 0)
                return 0;
        while (done < whole && done % BYTES_PAGE == 0) {
                ssize_t n = write(fd, data + done, whole - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                done += (size_t)n;
        }
        (void)fcntl(fd, F_SETFL, flags);
        return done;
}

/* A file that nobody knows yet, whole and durable. */
static int write_temporary(const Local *local, int place, const char *name, const void *data, size_t size) {
        _cleanup_(closep) int fd = openat(place, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                          0600);
        size_t done;
        int r;

        if (fd < 0)
                return -errno;
        done = write_directly(fd, data, size);
        r = write_all(fd, (const uint8_t *)data + done, size - done);
        if (r == 0 && (fchmod(fd, local->file_mode) < 0 || fsync(fd) < 0))
                r = -errno;
        if (r < 0)
                (void)unlinkat(place, name, 0);
        return r;
}

static int local_save(Backend *backend, StoreKind kind, const BlobId *id, const void *data, size_t size,
                      Why *why) {
        const Local *local = (const Local *)backend;
        char path[STORE_PATH_SIZE], temporary[STORE_TEMPORARY_SIZE];
        const char *name = strrchr(store_path(kind, id, path), '/');
        _cleanup_(closep) int place = open_place(local, kind, id, true);
        int r = place;

        name = name ? name + 1 : path;
        if (r >= 0)
                r = store_temporary_name(name, temporary);
        if (r < 0)
                return fail_file(local, kind, id, r, "cannot be written", why);
        r = write_temporary(local, place, temporary, data, size);
        if (r < 0)
                return fail_file(local, kind, id, r, "cannot be written", why);
        /* The config is one; the others' names say what is in them. */
        if (kind == STORE_CONFIG ? linkat(place, temporary, place, name, 0) < 0
                                 : renameat(place, temporary, place, name) < 0)
                r = -errno;
        if (r < 0 || kind == STORE_CONFIG)
                (void)unlinkat(place, temporary, 0);
        if (r == 0 && fsync(place) < 0)
                r = -errno;
        return r < 0 ? fail_file(local, kind, id, r, "cannot be written", why) : 0;
}

static int open_file(const Local *local, StoreKind kind, const BlobId *id, uint64_t *ret_size) {
        char path[STORE_PATH_SIZE];
        struct stat st;
        int fd = openat(local->fd, store_path(kind, id, path),
                        O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                (void)close(fd);
                return -EBADMSG;
        }
        *ret_size = (uint64_t)st.st_size;
        return fd;
}

static int read_range(int fd, uint64_t offset, size_t length, Bytes *data) {
        int r = bytes_reserve(data, length);

        while (r == 0 && length > 0) {
                ssize_t n = pread(fd, data->data + data->size, length, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENODATA;
                data->size += (size_t)n;
                offset += (uint64_t)n;
                length -= (size_t)n;
        }
        return r;
}

static int local_load(Backend *backend, StoreKind kind, const BlobId *id, uint64_t offset, size_t length,
                      Bytes *data, Why *why) {
        const Local *local = (const Local *)backend;
        uint64_t size = 0;
        _cleanup_(closep) int fd = open_file(local, kind, id, &size);
        int r = fd < 0 ? fd : 0;

        if (r == 0 && (size > STORE_FILE_MAX || offset > size || length > size - offset))
                r = -ENODATA;
        if (r == 0)
                r = read_range(fd, offset, length > 0 ? length : (size_t)(size - offset), data);
        return r < 0 ? fail_file(local, kind, id, r, "cannot be read", why) : 0;
}

static void local_expect(Backend *backend, StoreKind kind, const BlobId *id, uint64_t offset, size_t length) {
        uint64_t size;
        _cleanup_(closep) int fd = open_file((const Local *)backend, kind, id, &size);

        if (fd >= 0)
                (void)posix_fadvise(fd, (off_t)offset, (off_t)length, POSIX_FADV_WILLNEED);
}

static int local_size(Backend *backend, StoreKind kind, const BlobId *id, uint64_t *ret_size, Why *why) {
        const Local *local = (const Local *)backend;
        char path[STORE_PATH_SIZE];
        struct stat st;

        if (fstatat(local->fd, store_path(kind, id, path), &st, AT_SYMLINK_NOFOLLOW) < 0)
                return fail_file(local, kind, id, -errno, "cannot be looked at", why);
        *ret_size = (uint64_t)st.st_size;
        return 0;
}

static void closedirp(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

/* -ENOENT if there is no such directory. */
static int list_directory(const Local *local, const char *path, StoreHandler handler, void *userdata) {
        _cleanup_(closedirp) DIR *dir = NULL;
        _cleanup_(closep) int fd = openat(local->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct dirent *entry;

        if (fd < 0 || !(dir = fdopendir(fd)))
                return -errno;
        fd = -1;
        while ((errno = 0, entry = readdir(dir))) {
                struct stat st;
                BlobId id;
                int r;

                if (blob_id_parse(entry->d_name, strlen(entry->d_name), &id) < 0)
                        continue;
                if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                        if (errno == ENOENT)
                                continue; /* deleted meanwhile */
                        return -errno;
                }
                r = S_ISREG(st.st_mode) ? handler(userdata, &id, (uint64_t)st.st_size) : 0;
                if (r != 0)
                        return r;
        }
        return -errno;
}

static int local_list(Backend *backend, StoreKind kind, StoreHandler handler, void *userdata, Why *why) {
        const Local *local = (const Local *)backend;
        int r = 0;

        if (kind != STORE_PACK) {
                r = list_directory(local, store_kind_directory(kind), handler, userdata);
        } else {
                for (unsigned i = 0; r == 0 && i < PREFIXES; i++) {
                        char path[16];

                        (void)snprintf(path, sizeof(path), "data/%02x", i);
                        r = list_directory(local, path, handler, userdata);
                        if (r == -ENOENT)
                                r = 0;
                }
        }
        if (r < 0)
                return repo_fail(why, r, "%s/%s: cannot be listed: %s.", local->path,
                                 store_kind_directory(kind), strerror(-r));
        return r;
}

static int local_remove(Backend *backend, StoreKind kind, const BlobId *id, Why *why) {
        const Local *local = (const Local *)backend;
        char path[STORE_PATH_SIZE];

        if (unlinkat(local->fd, store_path(kind, id, path), 0) < 0 && errno != ENOENT)
                return fail_file(local, kind, id, -errno, "cannot be deleted", why);
        return 0;
}

static int sweep_directory(const Local *local, const char *path, size_t *count) {
        _cleanup_(closedirp) DIR *dir = NULL;
        int fd = openat(local->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct dirent *entry;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        dir = fdopendir(fd);
        if (!dir) {
                int r = -errno;

                (void)close(fd);
                return r;
        }
        while ((errno = 0, entry = readdir(dir)))
                if (store_is_temporary(entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
                        *count += 1;
        return -errno;
}

static int local_sweep(Backend *backend, StoreKind kind, size_t *count, Why *why) {
        const Local *local = (const Local *)backend;
        const char *directory = store_kind_directory(kind);
        int r = kind == STORE_PACK ? 0 : sweep_directory(local, directory, count);

        for (unsigned i = 0; r == 0 && kind == STORE_PACK && i < PREFIXES; i++) {
                char path[16];

                (void)snprintf(path, sizeof(path), "data/%02x", i);
                r = sweep_directory(local, path, count);
        }
        return r < 0 ? repo_fail(why, r, "%s/%s: cannot be listed: %s.", local->path, directory,
                                 strerror(-r))
                     : 0;
}

static int local_create(Backend *backend, Why *why) {
        static const StoreKind directories[] = { STORE_KEY, STORE_LOCK, STORE_SNAPSHOT, STORE_INDEX,
                                                 STORE_PACK };
        const Local *local = (const Local *)backend;
        struct stat st;
        int r = 0;

        if (fstatat(local->fd, "config", &st, AT_SYMLINK_NOFOLLOW) == 0)
                return repo_fail(why, -EEXIST, "%s: there is a repository already.", local->path);
        FOREACH_ELEMENT (kind, directories)
                if (r == 0)
                        r = make_directory(local, local->fd, store_kind_directory(*kind));
        for (unsigned i = 0; r == 0 && i < PREFIXES; i++) {
                char path[16];

                (void)snprintf(path, sizeof(path), "data/%02x", i);
                r = make_directory(local, local->fd, path);
        }
        if (r == 0)
                r = sync_directory(local->fd, "data");
        if (r == 0 && fsync(local->fd) < 0)
                r = -errno;
        return r < 0 ? repo_fail(why, r, "%s: cannot be made a repository: %s.", local->path, strerror(-r))
                     : 0;
}

static const BackendOps local_ops = {
        .create = local_create,
        .save = local_save,
        .load = local_load,
        .expect = local_expect,
        .size = local_size,
        .list = local_list,
        .remove = local_remove,
        .sweep = local_sweep,
        .free = local_free,
};

/* Of one machine alone. Others may keep a list for a while that they have read. */
static bool is_prompt(int fd) {
        static const uint32_t magics[] = { EXT4_SUPER_MAGIC,     XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                           F2FS_SUPER_MAGIC,     TMPFS_MAGIC,     RAMFS_MAGIC,
                                           0x2fc12fc1 /* ZFS */, 0xca451a4e /* bcachefs */ };
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return false;
        FOREACH_ELEMENT (magic, magics)
                if ((uint32_t)fs.f_type == *magic)
                        return true;
        return false;
}

int backend_local_open(const char *path, bool create, Why *why, Backend **ret_backend) {
        _cleanup_(backend_freep) Backend *backend = NULL;
        Local *local = calloc(1, sizeof(*local));
        struct stat st;

        if (!local)
                return -ENOMEM;
        local->backend.ops = &local_ops;
        local->backend.near = true;
        local->fd = -1;
        local->file_mode = 0400;
        local->directory_mode = 0700;
        backend = &local->backend;
        local->path = strdup(path);
        if (!local->path)
                return -ENOMEM;
        if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
                return repo_fail(why, -errno, "%s: cannot be made: %s.", path, strerror(errno));
        local->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (local->fd < 0)
                return repo_fail(why, -errno, "%s: no repository can be opened there: %s.", path,
                                 strerror(errno));
        local->backend.prompt = is_prompt(local->fd);
        if (fstatat(local->fd, "config", &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & 0040)) {
                local->file_mode |= 0040;
                local->directory_mode |= st.st_mode & 0020 ? 0070 : 0050;
        }
        *ret_backend = TAKE_PTR(backend);
        return 0;
}
