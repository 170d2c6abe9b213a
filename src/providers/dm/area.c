/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Difference areas
 */

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "providers/common/info.h"
#include "providers/dm/area.h"
#include "providers/dm/device.h"

/* Extents that are asked for at once. */
#define BATCH 1024u

DEFINE_CLEANUP(DIR *, closedir)

typedef char AreaName[VSS_ID_SIZE + sizeof(AREA_SUFFIX)];

static int area_name(const char *id, AreaName ret_name) {
        if (!info_id_is_valid(id))
                return -EINVAL;
        (void)snprintf(ret_name, sizeof(AreaName), "%s" AREA_SUFFIX, id);
        return 0;
}

int area_open_directory(int root_fd, bool make, int *ret_fd) {
        _cleanup_(closep) int fd = -1;
        struct stat st;

        if (make && mkdirat(root_fd, AREA_DIRECTORY, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(root_fd, AREA_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != 0 || (st.st_mode & 077))
                return -EPERM;
        if (make && fsync(root_fd) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int area_free_space(int directory_fd, uint64_t *ret_bytes) {
        struct statvfs fs;

        if (fstatvfs(directory_fd, &fs) < 0)
                return -errno;
        *ret_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
        return 0;
}

static int open_area(int directory_fd, const char *id, int flags, int *ret_fd) {
        _cleanup_(closep) int fd = -1;
        struct stat st;
        AreaName name;
        int r;

        r = area_name(id, name);
        if (r < 0)
                return r;
        fd = openat(directory_fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_uid != 0)
                return -EPERM;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int set_immutable(int fd, bool immutable) {
        int flags;

        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return -errno;
        flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
        if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
                return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

/* XFS knows this, and its defragmenter heeds it; others do not need to. */
static void set_no_defragment(int fd) {
        struct fsxattr attributes;

        if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
                return;
        attributes.fsx_xflags |= FS_XFLAG_NODEFRAG;
        (void)ioctl(fd, FS_IOC_FSSETXATTR, &attributes);
}

static bool is_realtime(int fd) {
        struct fsxattr attributes;

        return ioctl(fd, FS_IOC_FSGETXATTR, &attributes) == 0 && (attributes.fsx_xflags & FS_XFLAG_REALTIME);
}

static int map_file(int fd, AreaMap *ret_map, const char **ret_reason) {
        _cleanup_(freep) struct fiemap *fiemap = calloc(1, sizeof(*fiemap) +
                                                                   BATCH * sizeof(struct fiemap_extent));
        _cleanup_(area_map_done) AreaMap map = { 0 };
        struct stat st;
        int r;

        if (!fiemap)
                return -ENOMEM;
        if (fstat(fd, &st) < 0)
                return -errno;
        *ret_reason = "lies on the realtime device of XFS, which is not the volume's";
        if (is_realtime(fd))
                return -EMEDIUMTYPE;
        while (map.end < (uint64_t)st.st_size) {
                *fiemap = (struct fiemap){ .fm_start = map.end,
                                           .fm_length = FIEMAP_MAX_OFFSET - map.end,
                                           .fm_flags = FIEMAP_FLAG_SYNC,
                                           .fm_extent_count = BATCH };
                if (ioctl(fd, FS_IOC_FIEMAP, fiemap) < 0)
                        return -errno;
                *ret_reason = "is not allocated as a whole";
                if (fiemap->fm_mapped_extents == 0)
                        return -EMEDIUMTYPE;
                r = area_map_add(&map, fiemap->fm_extents, fiemap->fm_mapped_extents, ret_reason);
                if (r == -E2BIG) {
                        *ret_reason = "lies in too many pieces";
                        return -EMEDIUMTYPE;
                }
                if (r < 0)
                        return r;
        }
        *ret_map = map;
        map = (AreaMap){ 0 };
        return 0;
}

static int write_root(int fd, AreaRoot *root) {
        uint8_t block[AREA_BLOCK] = { 0 };
        ssize_t n;

        n = getrandom(root->nonce, sizeof(root->nonce), 0);
        if (n != (ssize_t)sizeof(root->nonce))
                return n < 0 ? -errno : -EIO;
        area_header_encode_root(root, block);
        n = pwrite(fd, block, sizeof(block), 0);
        if (n != (ssize_t)sizeof(block))
                return n < 0 ? -errno : -EIO;
        return fsync(fd) < 0 ? -errno : 0;
}

static int allocate(int fd, uint64_t size) {
        if (size > INT64_MAX)
                return -EFBIG;
        while (fallocate(fd, 0, 0, (off_t)size) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

static int make_area(int fd, AreaRoot *root, uint64_t size, size_t identity, AreaMap *ret_map,
                     const char **ret_reason) {
        _cleanup_(area_map_done) AreaMap map = { 0 };
        int r;

        r = allocate(fd, AREA_HEADER_MIN + size);
        if (r == 0)
                r = map_file(fd, &map, ret_reason);
        if (r == 0)
                r = area_header_size(identity, map.n, &root->size);
        if (r == -ENOSPC && map.n > 0) {
                *ret_reason = "lies in too many pieces";
                return -EMEDIUMTYPE;
        }
        if (r == 0 && root->size > AREA_HEADER_MIN)
                r = allocate(fd, root->size + size);
        if (r == 0)
                r = write_root(fd, root);
        if (r < 0)
                return r;
        set_no_defragment(fd);
        r = set_immutable(fd, true);
        return r == 0 ? map_file(fd, ret_map, ret_reason) : r;
}

int area_create(int directory_fd, AreaRoot *root, uint64_t size, size_t identity, AreaMap *ret_map,
                const char **ret_reason) {
        _cleanup_(closep) int fd = -1;
        int r;

        r = open_area(directory_fd, root->id, O_RDWR | O_CREAT | O_EXCL, &fd);
        if (r < 0)
                return r;
        r = make_area(fd, root, size, identity, ret_map, ret_reason);
        if (r == 0 && fsync(directory_fd) < 0) {
                r = -errno;
                area_map_done(ret_map);
        }
        if (r < 0)
                (void)area_remove(directory_fd, root->id);
        return r;
}

int area_grow(int directory_fd, const char *id, uint64_t size, AreaMap *ret_map, const char **ret_reason) {
        _cleanup_(closep) int fd = -1, writable = -1;
        int r, again;

        /* Open for writing only while it may be written to. */
        r = open_area(directory_fd, id, O_RDONLY, &fd);
        if (r == 0)
                r = set_immutable(fd, false);
        if (r < 0)
                return r;
        r = open_area(directory_fd, id, O_RDWR, &writable);
        if (r == 0)
                r = allocate(writable, size);
        if (r == 0 && fsync(writable) < 0)
                r = -errno;
        again = set_immutable(fd, true);
        if (r == 0)
                r = again;
        return r == 0 ? map_file(fd, ret_map, ret_reason) : r;
}

int area_protect(int directory_fd, const char *id) {
        _cleanup_(closep) int fd = -1;
        int flags, r;

        r = open_area(directory_fd, id, O_RDONLY, &fd);
        if (r < 0)
                return r;
        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return -errno;
        return flags & FS_IMMUTABLE_FL ? 0 : set_immutable(fd, true);
}

int area_map(int directory_fd, const char *id, AreaMap *ret_map, const char **ret_reason) {
        _cleanup_(closep) int fd = -1;
        int r;

        r = open_area(directory_fd, id, O_RDONLY, &fd);
        return r == 0 ? map_file(fd, ret_map, ret_reason) : r;
}

int area_verify(int directory_fd, const char *id, const AreaMap *map, const char *device,
                AreaRoot *ret_root) {
        uint8_t in_file[AREA_BLOCK], on_device[AREA_BLOCK];
        _cleanup_(closep) int fd = -1;
        ssize_t n;
        int r;

        if (map->n == 0 || map->extents[0].length < AREA_BLOCK)
                return -EMEDIUMTYPE;
        r = open_area(directory_fd, id, O_RDONLY, &fd);
        if (r < 0)
                return r;
        n = pread(fd, in_file, sizeof(in_file), 0);
        if (n != (ssize_t)sizeof(in_file))
                return n < 0 ? -errno : -EMEDIUMTYPE;
        r = device_read(device, map->extents[0].physical, on_device, sizeof(on_device));
        if (r < 0)
                return r;
        if (memcmp(in_file, on_device, sizeof(in_file)) != 0)
                return -EMEDIUMTYPE;
        return area_header_decode_root(on_device, ret_root);
}

/*
 * What is freed may belong to another file before the file system's journal says on the disk that it was
 * freed; and a boot looks before that is replayed. Without its root it is no area any more, whatever is
 * left of the rest.
 */
static void erase_root(int directory_fd, const char *id) {
        static const uint8_t zeros[AREA_BLOCK];
        _cleanup_(closep) int fd = -1;

        /* On a file system that cannot be written to, nothing is freed, either. */
        if (open_area(directory_fd, id, O_WRONLY, &fd) < 0 ||
            pwrite(fd, zeros, sizeof(zeros), 0) != (ssize_t)sizeof(zeros) || fsync(fd) < 0)
                return;
}

int area_remove(int directory_fd, const char *id) {
        _cleanup_(closep) int fd = -1;
        AreaName name;
        int r;

        r = area_name(id, name);
        if (r == 0)
                r = open_area(directory_fd, id, O_RDONLY, &fd);
        if (r == 0)
                r = set_immutable(fd, false);
        if (r < 0)
                return r;
        erase_root(directory_fd, id);
        if (unlinkat(directory_fd, name, 0) < 0)
                return -errno;
        return fsync(directory_fd) < 0 ? -errno : 0;
}

int area_list(int directory_fd, vss_value *ids) {
        _cleanup_(closedirp) DIR *dir = NULL;
        unsigned n = 0;
        int fd;

        fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                (void)close(fd);
                return -ENOMEM;
        }
        for (;;) {
                struct dirent *entry;
                char id[VSS_ID_SIZE];

                errno = 0;
                entry = readdir(dir);
                if (!entry)
                        return -errno;
                if (strlen(entry->d_name) != VSS_ID_SIZE - 1 + strlen(AREA_SUFFIX) ||
                    strcmp(entry->d_name + VSS_ID_SIZE - 1, AREA_SUFFIX) != 0)
                        continue;
                (void)snprintf(id, sizeof(id), "%.36s", entry->d_name);
                if (!info_id_is_valid(id))
                        continue;
                if (++n > AREAS_MAX)
                        return -E2BIG;
                if (value_append_string(ids, id) < 0)
                        return -ENOMEM;
        }
}
