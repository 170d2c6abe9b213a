/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What belongs to an entry besides its content
 */

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/xattr.h>
#include "repository/archive-internal.h"

#define NAME_BUFFER 16384u
#define XATTRS_SIZE_MAX (64u * 1024)

static const char *cache_find(const NameCache *cache, uint32_t id, bool *ret_found) {
        for (size_t i = 0; i < cache->n; i++)
                if (cache->items[i].id == id) {
                        *ret_found = true;
                        return cache->items[i].text;
                }
        *ret_found = false;
        return NULL;
}

static void cache_add(NameCache *cache, uint32_t id, const char *text) {
        Name *items = reallocarray(cache->items, cache->n + 1, sizeof(*items));

        if (!items)
                return; /* asked again the next time */
        cache->items = items;
        items[cache->n++] = (Name){ .id = id, .text = text };
}

/* With the mutex of names. */
static const char *user_name(Archive *archive, uid_t uid) {
        struct passwd entry, *found = NULL;
        char buffer[NAME_BUFFER];
        bool cached;
        const char *text = cache_find(&archive->users, uid, &cached);

        if (cached)
                return text;
        if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
                text = arena_copy(&archive->arena, entry.pw_name, strlen(entry.pw_name));
        cache_add(&archive->users, uid, text);
        return text;
}

static const char *group_name(Archive *archive, gid_t gid) {
        struct group entry, *found = NULL;
        char buffer[NAME_BUFFER];
        bool cached;
        const char *text = cache_find(&archive->groups, gid, &cached);

        if (cached)
                return text;
        if (getgrgid_r(gid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
                text = arena_copy(&archive->arena, entry.gr_name, strlen(entry.gr_name));
        cache_add(&archive->groups, gid, text);
        return text;
}

void node_set_times(Node *node, const struct stat *st) {
        node->mtime = st->st_mtim;
        node->atime = st->st_mtim; /* reading changes the real one, and nobody wants trees for that */
        node->ctime = st->st_ctim;
}

static uint64_t device_id(const ArchiveOptions *options, dev_t device) {
        /* As restic has them, for trees that are the same as its. */
        for (size_t i = 0; i < options->n_devices && !options->all_device_ids; i++)
                if (options->devices[i].device == device)
                        return options->devices[i].id;
        return device;
}

void node_from_stat(Archive *archive, const char *name, const struct stat *st, Node *ret_node) {
        Node node = {
                .name = name,
                .type = node_type_from_mode(st->st_mode),
                .mode = st->st_mode & 07777,
                .uid = st->st_uid,
                .gid = st->st_gid,
                .inode = st->st_ino,
        };

        (void)pthread_mutex_lock(&archive->names);
        node.user = user_name(archive, st->st_uid);
        node.group = group_name(archive, st->st_gid);
        (void)pthread_mutex_unlock(&archive->names);
        node_set_times(&node, st);
        if (node.type == NODE_FILE)
                node.size = (uint64_t)st->st_size;
        if (node.type == NODE_DEV || node.type == NODE_CHARDEV)
                node.device = st->st_rdev;
        if (node.type != NODE_DIR && node.type != NODE_FIFO)
                node.links = st->st_nlink;
        /* As restic has them, or the same from mount to mount. */
        if (archive->options->all_device_ids)
                node.device_id = st->st_dev;
        else if (node.type != NODE_DIR && st->st_nlink > 1)
                node.device_id = device_id(archive->options, st->st_dev);
        *ret_node = node;
}

/* Takes @content over. */
void node_set_content(Node *node, BlobId *content, size_t n) {
        node->n_content = n;
        node->content = content;
        if (n != 1)
                return;
        node->subtree = *content;
        node->content = &node->subtree;
        free(content);
}

void node_free_content(Node *node) {
        if (node->type == NODE_FILE && node->content != &node->subtree)
                free((void *)node->content);
}

typedef struct XattrSource {
        int fd;           /* or: */
        const char *path; /* whose last element is no link */
} XattrSource;

static ssize_t list_xattrs(const XattrSource *source, char *names, size_t size) {
        return source->path ? llistxattr(source->path, names, size) : flistxattr(source->fd, names, size);
}

static ssize_t get_xattr(const XattrSource *source, const char *name, void *value, size_t size) {
        return source->path ? lgetxattr(source->path, name, value, size)
                            : fgetxattr(source->fd, name, value, size);
}

static int read_value(Arena *arena, const XattrSource *source, const char *name, Node *node) {
        NodeXattr *xattr = &node->xattrs[node->n_xattrs];
        _cleanup_(freep) uint8_t *value = NULL;
        ssize_t n = get_xattr(source, name, NULL, 0);

        /* Gone meanwhile, or listed by a file system that does not give it out. */
        if (n < 0)
                return errno == ENODATA || errno == EOPNOTSUPP || errno == EPERM ? 0 : -errno;
        value = malloc((size_t)n + 1);
        if (!value)
                return -ENOMEM;
        n = n > 0 ? get_xattr(source, name, value, (size_t)n) : 0;
        if (n < 0)
                return errno == ENODATA ? 0 : -errno;
        *xattr = (NodeXattr){
                .name = arena_copy(arena, name, strlen(name)),
                .value = (const uint8_t *)arena_copy(arena, value, (size_t)n),
                .size = (size_t)n,
        };
        if (!xattr->name || !xattr->value)
                return -ENOMEM;
        node->n_xattrs++;
        return 0;
}

static int read_xattrs(Arena *arena, const XattrSource *source, Node *node) {
        char names[1024], *list = names;
        _cleanup_(freep) char *large = NULL;
        ssize_t size = list_xattrs(source, names, sizeof(names));
        size_t n = 0;
        int r = 0;

        if (size < 0 && errno == ERANGE) {
                large = list = malloc(XATTRS_SIZE_MAX);
                if (!list)
                        return -ENOMEM;
                size = list_xattrs(source, list, XATTRS_SIZE_MAX);
        }
        if (size < 0)
                return errno == EOPNOTSUPP ? 0 : -errno;
        for (const char *name = list; name < list + size; name += strlen(name) + 1)
                n++;
        if (n == 0)
                return 0;
        node->xattrs = arena_alloc(arena, n * sizeof(*node->xattrs));
        if (!node->xattrs)
                return -ENOMEM;
        for (const char *name = list; r == 0 && name < list + size; name += strlen(name) + 1)
                r = read_value(arena, source, name, node);
        return r;
}

int node_read_xattrs_fd(Arena *arena, int fd, Node *node) {
        return read_xattrs(arena, &(XattrSource){ .fd = fd }, node);
}

int node_read_xattrs_at(Arena *arena, int dir_fd, const char *name, Node *node) {
        char path[NAME_MAX + 64];

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
        return read_xattrs(arena, &(XattrSource){ .fd = -1, .path = path }, node);
}

int node_read_link(Arena *arena, int dir_fd, const char *name, Node *node) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));

        if (n < 0)
                return -errno;
        node->target = arena_copy(arena, target, (size_t)n);
        return node->target ? 0 : -ENOMEM;
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool node_is_unchanged(const Node *node, const Node *old) {
        return old->type == NODE_FILE && !old->content_missing && node->size == old->size &&
               node->inode == old->inode && same_time(&node->mtime, &old->mtime) &&
               same_time(&node->ctime, &old->ctime);
}
