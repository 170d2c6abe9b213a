/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What belongs to a file besides its content
 *
 * Only open files are asked and changed, so that nobody can put another one in its place meanwhile.
 */

#include <limits.h>
#include <string.h>
#include <sys/xattr.h>
#include "files/meta.h"

#define NSEC_PER_SEC INT64_C(1000000000)

void meta_clear(FileMeta *meta) {
        for (size_t i = 0; i < meta->n_xattrs; i++) {
                free(meta->xattrs[i].name);
                free(meta->xattrs[i].value);
        }
        free(meta->xattrs);
        *meta = (FileMeta){ 0 };
}

void meta_from_stat(const struct stat *st, FileMeta *ret_meta) {
        *ret_meta = (FileMeta){
                .mode = st->st_mode,
                .uid = st->st_uid,
                .gid = st->st_gid,
                .device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) ? st->st_rdev : 0,
                .mtime_nsec = st->st_mtim.tv_sec * NSEC_PER_SEC + st->st_mtim.tv_nsec,
        };
}

int meta_add_xattr(FileMeta *meta, const char *name, const void *value, size_t size) {
        MetaXattr *xattrs;
        MetaXattr added = { .size = size };

        if (meta->n_xattrs >= META_XATTRS_MAX || size > META_XATTR_SIZE_MAX)
                return -E2BIG;
        xattrs = reallocarray(meta->xattrs, meta->n_xattrs + 1, sizeof(*xattrs));
        if (!xattrs)
                return -ENOMEM;
        meta->xattrs = xattrs;
        added.name = strdup(name);
        added.value = malloc(size + 1);
        if (!added.name || !added.value) {
                free(added.name);
                free(added.value);
                return -ENOMEM;
        }
        memcpy(added.value, value, size);
        xattrs[meta->n_xattrs++] = added;
        return 0;
}

static int read_xattr(int fd, const char *name, FileMeta *meta) {
        _cleanup_(freep) char *value = malloc(META_XATTR_SIZE_MAX);
        ssize_t n;

        if (!value)
                return -ENOMEM;
        n = fgetxattr(fd, name, value, META_XATTR_SIZE_MAX);
        if (n < 0)
                /* Gone meanwhile, or listed by a file system that does not give it out. */
                return errno == ENODATA || errno == EOPNOTSUPP ? 0 : errno == ERANGE ? -E2BIG : -errno;
        return meta_add_xattr(meta, name, value, (size_t)n);
}

static int read_xattrs(int fd, FileMeta *meta) {
        _cleanup_(freep) char *names = malloc(XATTR_LIST_MAX + 1);
        ssize_t n;
        int r = 0;

        if (!names)
                return -ENOMEM;
        n = flistxattr(fd, names, XATTR_LIST_MAX);
        if (n < 0)
                return errno == EOPNOTSUPP ? 0 : errno == ERANGE ? -E2BIG : -errno;
        names[n] = '\0';
        for (const char *name = names; r == 0 && name < names + n; name += strlen(name) + 1)
                r = read_xattr(fd, name, meta);
        return r;
}

int meta_from_fd(int fd, FileMeta *ret_meta) {
        _cleanup_meta_ FileMeta meta = { 0 };
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        meta_from_stat(&st, &meta);
        r = read_xattrs(fd, &meta);
        if (r < 0)
                return r;
        *ret_meta = meta;
        meta = (FileMeta){ 0 };
        return 0;
}

int meta_apply(int fd, const FileMeta *meta) {
        struct timespec times[2] = {
                { .tv_nsec = UTIME_OMIT },
                { .tv_sec = meta->mtime_nsec / NSEC_PER_SEC, .tv_nsec = meta->mtime_nsec % NSEC_PER_SEC },
        };

        if (times[1].tv_nsec < 0) {
                times[1].tv_sec--;
                times[1].tv_nsec += NSEC_PER_SEC;
        }
        /* The owner first: changing it takes set-id bits and capabilities away. */
        if (fchown(fd, meta->uid, meta->gid) < 0)
                return -errno;
        for (size_t i = 0; i < meta->n_xattrs; i++)
                if (fsetxattr(fd, meta->xattrs[i].name, meta->xattrs[i].value, meta->xattrs[i].size, 0) < 0)
                        return -errno;
        if (fchmod(fd, meta->mode & 07777) < 0 || futimens(fd, times) < 0)
                return -errno;
        return 0;
}
