/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading directories into a repository: the walk
 *
 * A directory is a node of a tree in memory that exists while anything in it is not done. One thread goes
 * through its entries in the order of their names, and into the directories among them unless another one
 * has nothing to do; whoever finishes the last entry writes the tree, puts its id into the directory above,
 * and has finished an entry there.
 */

#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <string.h>
#include "repository/archive-internal.h"
#include "repository/pool.h"

void archive_fail(Archive *archive, int error, const Why *why) {
        (void)pthread_mutex_lock(&archive->mutex);
        if (archive->error == 0) {
                archive->error = error;
                archive->why = *why;
        }
        (void)pthread_cond_broadcast(&archive->room);
        (void)pthread_mutex_unlock(&archive->mutex);
}

static void tell(Dir *dir, const char *name, int error, const char *what) {
        Archive *archive = dir->archive;
        _cleanup_(freep) char *path = dir_join_path(dir->path, name);

        archive_count(error < 0 ? &archive->counts.errors : &archive->counts.mount_points, 1);
        (void)pthread_mutex_lock(&archive->mutex);
        if (archive->options->told)
                archive->options->told(archive->options->userdata, path ?: name, error, what);
        (void)pthread_mutex_unlock(&archive->mutex);
}

void dir_fail(Dir *dir, size_t slot, int error, const char *what) {
        tell(dir, dir->nodes[slot].name, error, what);
        dir->nodes[slot].name = NULL;
}

static void dir_free(Dir *dir) {
        for (size_t i = 0; i < dir->n; i++)
                node_free_content(&dir->nodes[i]);
        if (dir->fd >= 0)
                (void)close(dir->fd);
        tree_clear(&dir->old);
        arena_clear(&dir->arena);
        arena_clear(&dir->attributes);
        free(dir->path);
        free(dir->nodes);
        free(dir);
}

static size_t drop_nameless(Dir *dir) {
        size_t n = 0;

        for (size_t i = 0; i < dir->n; i++) {
                Node *node = &dir->nodes[n];

                if (!dir->nodes[i].name) {
                        node_free_content(&dir->nodes[i]);
                        continue;
                }
                if (n != i)
                        *node = dir->nodes[i];
                if (node->type == NODE_FILE && node->n_content == 1)
                        node->content = &node->subtree;
                n++;
        }
        dir->n = n;
        return n;
}

static void count_dir(Dir *dir, const BlobId *id) {
        ArchiveCounts *counts = &dir->archive->counts;

        archive_count(!dir->has_old                      ? &counts->dirs_new
                      : blob_id_equals(&dir->old_id, id) ? &counts->dirs_unmodified
                                                         : &counts->dirs_changed,
                      1);
}

static void finish_dir(Dir *dir) {
        Archive *archive = dir->archive;
        _cleanup_bytes_ Bytes text = {};
        BlobId id;
        int r;

        if (archive_has_ended(archive) || dir->failed)
                return;
        /* Of a large directory it is as much as the text, of which it has nothing. */
        tree_clear(&dir->old);
        r = tree_encode(dir->nodes, drop_nameless(dir), &text);
        if (r == 0)
                r = store_add(archive->store, BLOB_TREE, text.data, text.size, &id, NULL);
        if (r < 0) {
                Why why = {};

                (void)repo_fail(&why, r, "%s: its tree cannot be stored: %s.", dir->path, strerror(-r));
                archive_fail(archive, r, &why);
                return;
        }
        if (!dir->parent) {
                archive->root = id;
                return;
        }
        dir->parent->nodes[dir->slot].subtree = id;
        dir->parent->nodes[dir->slot].has_subtree = true;
        count_dir(dir, &id);
}

void dir_release(Dir *dir) {
        while (dir && atomic_fetch_sub(&dir->pending, 1) == 1) {
                Dir *parent = dir->parent;

                finish_dir(dir);
                dir_free(dir);
                dir = parent;
        }
}

/* A directory of which nobody knows yet what is in it. Takes @fd and @path over. */
static int dir_new(Archive *archive, Dir *parent, size_t slot, int fd, char *path, const Wanted *wanted,
                   Dir **ret_dir) {
        Dir *dir = calloc(1, sizeof(*dir));

        if (!dir || !path) {
                if (fd >= 0)
                        (void)close(fd);
                free(path);
                free(dir);
                return -ENOMEM;
        }
        *dir = (Dir){ .archive = archive,
                      .parent = parent,
                      .slot = slot,
                      .fd = fd,
                      .path = path,
                      .wanted = wanted && (!wanted->whole || wanted->n > 0) ? wanted : NULL };
        atomic_init(&dir->pending, 1);
        *ret_dir = dir;
        return 0;
}

static void set_old(Dir *dir, const BlobId *id) {
        dir->has_old = id;
        if (id)
                dir->old_id = *id;
}

static bool is_crossed(const Archive *archive, dev_t device) {
        for (size_t i = 0; i < archive->options->n_devices; i++)
                if (archive->options->devices[i].device == device && archive->options->devices[i].crossed)
                        return true;
        return false;
}

/* The directory at @slot, to be walked in. Takes @fd over: of a directory that is made up it is -1. */
static int enter(Dir *dir, size_t slot, int fd, dev_t device, Dir **ret_dir) {
        Archive *archive = dir->archive;
        Node *node = &dir->nodes[slot];
        const Wanted *wanted = dir_find_wanted(dir, slot);
        const Node *old = tree_find(&dir->old, node->name);
        bool foreign = dir->device != 0 && device != dir->device && !(wanted && wanted->asked) &&
                       !is_crossed(archive, device),
             crossing = foreign || (wanted && wanted->mount_point);
        /* Known empty: nothing of what is mounted there is looked at. */
        static const Wanted nothing = { .name = "" };
        Dir *child;
        int r;

        if (crossing) {
                tell(dir, node->name, 0, "is a mount point, and not crossed");
                if (archive->options->steady_mounts) {
                        node->mtime = node->atime = node->ctime = (struct timespec){};
                        node->inode = 0;
                }
        }
        r = dir_new(archive, dir, slot, fd, dir_join_path(dir->path, node->name),
                    crossing ? &nothing : wanted, &child);
        if (r < 0)
                return r;
        child->device = crossing ? dir->device : device;
        if (!crossing && dir->device == 0 && wanted && !wanted->whole)
                child->device = 0;
        set_old(child, old && old->has_subtree ? &old->subtree : NULL);
        atomic_fetch_add(&dir->pending, 1);
        *ret_dir = child;
        return 0;
}

static int enter_found(Dir *dir, size_t slot, const Place *place, const struct stat *st, Dir **ret_dir) {
        int fd = openat(place->fd, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;

        if (fd < 0)
                return -errno;
        r = node_read_xattrs_fd(&dir->arena, fd, &dir->nodes[slot]);
        if (r < 0) {
                (void)close(fd);
                return r;
        }
        return enter(dir, slot, fd, st->st_dev, ret_dir);
}

/* A directory that is not there, for what has its place in it and is read from elsewhere. */
static int enter_made_up(Dir *dir, size_t slot, Dir **ret_dir) {
        static const struct stat st = { .st_mode = S_IFDIR | 0755 };
        Node *node = &dir->nodes[slot];

        node_from_stat(dir->archive, node->name, &st, node);
        return enter(dir, slot, -1, dir->device, ret_dir);
}

static bool has_all_blobs(Archive *archive, const Node *old) {
        for (size_t i = 0; i < old->n_content; i++)
                if (!store_has(archive->store, BLOB_DATA, &old->content[i]))
                        return false;
        return true;
}

/* What changed while the parent was made may have changed once more at the same tick of the clock, after it
 * was read. */
static bool changed_meanwhile(const Dir *dir, const Node *old) {
        const struct timespec *begun = &dir->archive->options->parent->time, *at = &old->ctime;

        return at->tv_sec > begun->tv_sec || (at->tv_sec == begun->tv_sec && at->tv_nsec > begun->tv_nsec);
}

static bool copy_xattrs(Arena *arena, Node *node, const Node *old) {
        if (old->n_xattrs == 0)
                return true;
        node->xattrs = arena_alloc(arena, old->n_xattrs * sizeof(*node->xattrs));
        for (size_t i = 0; node->xattrs && i < old->n_xattrs; i++) {
                NodeXattr *xattr = &node->xattrs[i];

                *xattr = old->xattrs[i];
                xattr->name = arena_copy(arena, xattr->name, strlen(xattr->name));
                xattr->value = (const uint8_t *)arena_copy(arena, xattr->value, xattr->size);
                if (!xattr->name || !xattr->value)
                        return false;
        }
        node->n_xattrs = node->xattrs ? old->n_xattrs : 0;
        return node->xattrs;
}

/* Takes what the parent has of an unchanged file. */
static bool reuse(Dir *dir, Node *node, const Node *old) {
        BlobId *content;

        if (!old || !node_is_unchanged(node, old) || changed_meanwhile(dir, old) ||
            !has_all_blobs(dir->archive, old) || !copy_xattrs(&dir->arena, node, old))
                return false;
        content = old->n_content > 0 ? malloc(old->n_content * sizeof(*content)) : NULL;
        if (old->n_content > 0 && !content)
                return false;
        if (content)
                memcpy(content, old->content, old->n_content * sizeof(*content));
        node_set_content(node, content, old->n_content);
        return true;
}

static void do_regular(Dir *dir, size_t slot) {
        ArchiveCounts *counts = &dir->archive->counts;
        Node *node = &dir->nodes[slot];
        const Node *old = tree_find(&dir->old, node->name);
        bool unchanged = reuse(dir, node, old);

        archive_count(&counts->files, 1);
        if (unchanged) {
                archive_count(&counts->files_unmodified, 1);
                archive_count(&counts->bytes, node->size);
                return;
        }
        archive_count(old ? &counts->files_changed : &counts->files_new, 1);
        atomic_fetch_add(&dir->pending, 1);
        archive_take_file(dir->archive, dir, slot);
}

/* Something that is there. */
static int take(Dir *dir, size_t slot, const Place *place, const struct stat *st, Dir **ret_child) {
        const Wanted *wanted = dir_find_wanted(dir, slot);
        Node *node = &dir->nodes[slot];
        int r = 0;

        node_from_stat(dir->archive, node->name, st, node);
        if (node->type == NODE_DIR)
                return enter_found(dir, slot, place, st, ret_child);
        if (wanted && !wanted->asked && wanted->n > 0)
                return -ENOTDIR;
        if (node->type == NODE_FILE)
                do_regular(dir, slot);
        else if (node->type == NODE_SOCKET)
                node->name = NULL; /* nobody could use it: whoever listens makes it anew */
        else if (node->type == NODE_SYMLINK)
                r = node_read_link(&dir->arena, place->fd, place->name, node);
        else
                r = node_read_xattrs_at(&dir->arena, place->fd, place->name, node);
        return r;
}

static bool is_late(const Dir *dir, size_t slot) {
        const char *name = dir->archive->options->late_name;

        return name && !dir->parent && strcmp(dir->nodes[slot].name, name) == 0;
}

/* One entry. Return: the directory to go on in, NULL for the same. */
static Dir *do_entry(Dir *dir) {
        size_t slot = dir->next++;
        const Wanted *wanted = dir_find_wanted(dir, slot);
        const char *name = dir->nodes[slot].name;
        _cleanup_place_ Place place = { .owned = -1 };
        Dir *child = NULL;
        struct stat st;
        int r;

        if (is_late(dir, slot))
                return NULL;
        reader_looks(dir, slot);
        r = dir_find_place(dir, slot, &place);
        if (r == 0)
                r = fstatat(place.fd, place.name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
        if (r == 0)
                r = take(dir, slot, &place, &st, &child);
        else if (r == -ENOENT && wanted && wanted->made_up)
                r = enter_made_up(dir, slot, &child);
        if (r < 0) {
                dir->nodes[slot].name = name;
                dir_fail(dir, slot, r, r == -ENOENT ? "has gone" : "cannot be read");
        }
        reader_is_back();
        return child;
}

/* What is in it now, and what stood there in the parent; without that everything is new. */
static void look_into(Dir *dir) {
        Archive *archive = dir->archive;
        int r;

        if (dir->has_old)
                (void)repo_load_tree(archive->repo, &dir->old_id, &dir->old, NULL);
        reader_looks(dir, SIZE_MAX);
        r = dir_list_names(dir);
        reader_is_back();
        if (r < 0) {
                dir->failed = true;
                dir->next = dir->n;
                if (dir->parent)
                        dir_fail(dir->parent, dir->slot, r, r == -ENOENT ? "has gone" : "cannot be read");
                else
                        archive_fail(archive, r, &(Why){ .text = "/: cannot be read." });
                return;
        }
        (void)pthread_mutex_lock(&archive->mutex);
        (void)snprintf(archive->current, sizeof(archive->current), "%s", dir->path);
        (void)pthread_mutex_unlock(&archive->mutex);
}

void dir_walk(Dir *dir) {
        Archive *archive = dir->archive;
        const Dir *top = dir;
        bool done = false;

        reader_walks(true);
        look_into(dir);
        while (!done) {
                Dir *next = NULL;

                if (!archive_has_ended(archive) && dir->next < dir->n) {
                        next = do_entry(dir);
                        if (!next || archive_offer_dir(archive, next))
                                continue;
                        look_into(next);
                } else {
                        /* Ours is the last look at it, unless threads are still at work in it. The one above
                         * is still ours, but for that of the first. */
                        next = dir->parent;
                        done = dir == top;
                        dir_release(dir);
                }
                dir = next;
        }
        reader_walks(false);
}

/* What joins the root last: it may say how everything else went. */
static int walk_late(Archive *archive, Dir *root) {
        const ArchiveOptions *options = archive->options;
        ArchiveCounts counts;
        struct stat st;
        size_t slot = 0;
        Dir *dir = NULL;
        int fd = -1, r;

        archive_get_counts(archive, &counts);
        r = options->late(options->userdata, &counts, &fd);
        if (r < 0)
                return r;
        while (!is_late(root, slot))
                slot++;
        if (fstat(fd, &st) < 0) {
                r = -errno;
                (void)close(fd);
                return r;
        }
        node_from_stat(archive, options->late_name, &st, &root->nodes[slot]);
        r = enter(root, slot, fd, 0, &dir);
        if (r < 0)
                return r;
        archive_do_all(archive, dir);
        if (!archive->stuck)
                dir_release(root);
        return 0;
}

static int make_root(Archive *archive, Wanted *wanted, Dir **ret_root) {
        int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;
        Dir *root;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        r = dir_new(archive, NULL, 0, fd, strdup("/"), wanted, &root);
        if (r < 0)
                return r;
        if (wanted->whole)
                root->device = st.st_dev;
        set_old(root, archive->options->parent ? &archive->options->parent->tree : NULL);
        *ret_root = root;
        return 0;
}

static void archive_clear(Archive *archive) {
        while (archive->buffers) {
                Buffer *next = archive->buffers->next;

                free(archive->buffers);
                archive->buffers = next;
        }
        arena_clear(&archive->arena);
        free(archive->users.items);
        free(archive->groups.items);
        (void)pthread_cond_destroy(&archive->work);
        (void)pthread_cond_destroy(&archive->room);
        (void)pthread_mutex_destroy(&archive->mutex);
        (void)pthread_mutex_destroy(&archive->names);
        free(archive);
}

static int want_late(Archive *archive, Wanted *wanted) {
        char path[NAME_MAX + 2];

        (void)snprintf(path, sizeof(path), "/%s", archive->options->late_name);
        return wanted_add(&archive->arena, wanted, &(ArchivePath){ .path = path });
}

/* With what comes late the root lives until that has come; without a root there is nothing to be walked. */
static int walk_all(Archive *archive, Wanted *wanted) {
        bool late = archive->options->late_name;
        Dir *root = NULL;
        int r = make_root(archive, wanted, &root);

        if (r < 0)
                return r;
        if (late)
                atomic_fetch_add(&root->pending, 1);
        archive_do_all(archive, root);
        if (!late || archive->stuck)
                return 0;
        r = archive_has_ended(archive) ? -ECANCELED : walk_late(archive, root);
        if (r < 0) {
                const Why why = {};

                archive_fail(archive, r, &why);
                dir_release(root);
        }
        return 0;
}

static int run(Archive *archive) {
        const ArchiveOptions *options = archive->options;
        Wanted wanted = { .name = "/" };
        int r = chunker_init(&archive->chunker, archive->repo->config.polynomial);

        for (size_t i = 0; r == 0 && i < options->n_paths; i++)
                r = wanted_add(&archive->arena, &wanted, &options->paths[i]);
        if (r == 0 && options->late_name)
                r = want_late(archive, &wanted);
        wanted_spread(&wanted);
        if (r == 0)
                r = archive_start(archive);
        if (r < 0)
                return r;
        r = walk_all(archive, &wanted);
        if (!archive->stuck)
                archive_stop(archive, archive->n_threads);
        return r ?: archive->error;
}

int archive_run(Repository *repo, Store *store, const ArchiveOptions *options, Why *why, BlobId *ret_tree,
                ArchiveCounts *ret_counts) {
        Archive *archive = calloc(1, sizeof(*archive));
        pthread_condattr_t attributes;
        int r;

        if (!archive)
                return -ENOMEM;
        archive->repo = repo;
        archive->store = store;
        archive->options = options;
        /* Large buffers are given back when they are free, and grow without being copied: not in heaps,
         * where what is between them holds them. */
        (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
        archive->n_threads = MIN(options->threads ?: pool_processors(), THREADS_MAX);
        /* Who offers chunks works on one itself. */
        archive->chunk_queue_size = archive->n_threads > 1 ? MIN(archive->n_threads - 1, CHUNK_QUEUE_MAX)
                                                           : 1;
        (void)pthread_mutex_init(&archive->mutex, NULL);
        (void)pthread_mutex_init(&archive->names, NULL);
        (void)pthread_cond_init(&archive->work, NULL);
        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&archive->room, &attributes);
        (void)pthread_condattr_destroy(&attributes);
        r = run(archive);
        archive_get_counts(archive, ret_counts);
        if (r == 0)
                *ret_tree = archive->root;
        else
                (void)repo_fail(why, r, "%s", *archive->why.text ? archive->why.text : strerror(-r));
        if (!archive->stuck)
                archive_clear(archive);
        return r;
}
