/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading directories into a repository: the walk
 *
 * A directory is a node of a tree in memory that exists while anything in it is not done. The walker goes
 * through its entries in the order of their names; whoever finishes the last of them writes the tree, puts
 * its id into the directory above, and has finished an entry there.
 */

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include "repository/archive-internal.h"
#include "repository/pool.h"
#include "util/clock.h"

#define WAIT_MS 200
#define THREADS_MAX 64u
#define DIRECTORY_ENTRIES_MAX (UINT32_C(1) << 28)

bool archive_has_ended(Archive *archive) {
        bool ended;

        (void)pthread_mutex_lock(&archive->mutex);
        ended = archive->error != 0;
        (void)pthread_mutex_unlock(&archive->mutex);
        return ended;
}

void archive_fail(Archive *archive, int error, const Why *why) {
        (void)pthread_mutex_lock(&archive->mutex);
        if (archive->error == 0) {
                archive->error = error;
                archive->why = *why;
        }
        (void)pthread_cond_broadcast(&archive->room);
        (void)pthread_mutex_unlock(&archive->mutex);
}

/* With the mutex. */
static void report_progress(Archive *archive) {
        const ArchiveOptions *options = archive->options;

        if (!options->progress ||
            !options->progress(options->userdata, &archive->counts, archive->current ?: "") ||
            archive->error < 0)
                return;
        archive->error = -ECANCELED;
        (void)repo_fail(&archive->why, -ECANCELED, "Interrupted.");
}

void archive_wait(Archive *archive) {
        struct timespec until;

        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += WAIT_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&archive->room, &archive->mutex, &until);
        report_progress(archive);
}

static char *join_path(const char *directory, const char *name) {
        char *path;

        return asprintf(&path, "%s%s%s", directory, strcmp(directory, "/") == 0 ? "" : "/", name) < 0 ? NULL
                                                                                                      : path;
}

static void tell(Dir *dir, const char *name, int error, const char *what) {
        Archive *archive = dir->archive;
        _cleanup_(freep) char *path = join_path(dir->path, name);

        (void)pthread_mutex_lock(&archive->mutex);
        if (error < 0)
                archive->counts.errors++;
        else
                archive->counts.mount_points++;
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
                /* What is unchanged is borrowed from the old tree, and without a mark of its own. */
                if (dir->nodes[i].type == NODE_FILE && !dir->nodes[i].content_missing)
                        free((void *)dir->nodes[i].content);
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
                if (!dir->nodes[i].name) {
                        if (dir->nodes[i].type == NODE_FILE)
                                free((void *)dir->nodes[i].content);
                        continue;
                }
                if (n != i)
                        dir->nodes[n] = dir->nodes[i];
                n++;
        }
        dir->n = n;
        return n;
}

static void count_dir(Dir *dir, const BlobId *id) {
        Archive *archive = dir->archive;
        const Node *old = dir->parent ? tree_find(&dir->parent->old, dir->parent->nodes[dir->slot].name)
                                      : NULL;

        (void)pthread_mutex_lock(&archive->mutex);
        if (!old || !old->has_subtree)
                archive->counts.dirs_new++;
        else if (blob_id_equals(&old->subtree, id))
                archive->counts.dirs_unmodified++;
        else
                archive->counts.dirs_changed++;
        (void)pthread_mutex_unlock(&archive->mutex);
}

static void finish_dir(Dir *dir) {
        Archive *archive = dir->archive;
        _cleanup_bytes_ Bytes text = {};
        BlobId id;
        int r;

        if (archive_has_ended(archive))
                return;
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

static void closedirp(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

static bool is_excluded(const Archive *archive, const Dir *dir, const char *name) {
        _cleanup_(freep) char *path = NULL;

        if (!archive->options->excludes || !archive->options->excludes[0])
                return false;
        path = join_path(dir->path, name);
        for (const char *const *pattern = archive->options->excludes; path && *pattern; pattern++)
                if (strchr(*pattern, '/') ? fnmatch(*pattern, path, FNM_PATHNAME) == 0
                                          : fnmatch(*pattern, name, 0) == 0)
                        return true;
        return false;
}

/* Names of the directory itself, as nodes without anything else yet. */
static int read_names(Dir *dir) {
        _cleanup_(closedirp) DIR *stream = NULL;
        struct dirent *entry;
        size_t capacity = 0;
        int fd = fcntl(dir->fd, F_DUPFD_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        stream = fdopendir(fd);
        if (!stream) {
                (void)close(fd);
                return -errno;
        }
        while ((errno = 0, entry = readdir(stream))) {
                const char *name = entry->d_name;

                if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
                    is_excluded(dir->archive, dir, name))
                        continue;
                if (dir->n == capacity) {
                        Node *nodes;

                        capacity = capacity ? capacity * 2 : 16;
                        nodes = capacity < DIRECTORY_ENTRIES_MAX
                                        ? reallocarray(dir->nodes, capacity, sizeof(*nodes))
                                        : NULL;
                        if (!nodes)
                                return -ENOMEM;
                        dir->nodes = nodes;
                }
                dir->nodes[dir->n] = (Node){ .name = arena_copy(&dir->arena, name, strlen(name)) };
                if (!dir->nodes[dir->n].name)
                        return -ENOMEM;
                dir->n++;
        }
        return -errno;
}

static int compare_nodes(const void *a, const void *b) {
        return strcmp(((const Node *)a)->name, ((const Node *)b)->name);
}

static int take_wanted(Dir *dir) {
        dir->nodes = calloc(dir->wanted->n + 1, sizeof(*dir->nodes));
        if (!dir->nodes)
                return -ENOMEM;
        for (size_t i = 0; i < dir->wanted->n; i++)
                dir->nodes[dir->n++] = (Node){ .name = dir->wanted->children[i]->name };
        return 0;
}

/* A directory of which the walker knows what is in it. Takes @fd and @path over. */
static int dir_new(Archive *archive, Dir *parent, size_t slot, int fd, char *path, const Wanted *wanted,
                   Dir **ret_dir) {
        Dir *dir = calloc(1, sizeof(*dir));
        int r;

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
                      .wanted = wanted && !wanted->whole ? wanted : NULL };
        atomic_init(&dir->pending, 1);
        r = dir->wanted ? take_wanted(dir) : read_names(dir);
        if (r < 0) {
                dir_free(dir);
                return r;
        }
        if (dir->n > 0)
                qsort(dir->nodes, dir->n, sizeof(*dir->nodes), compare_nodes);
        *ret_dir = dir;
        return 0;
}

/* What stood there in the parent; without it everything is new. */
static void load_old(Dir *dir, const BlobId *id) {
        if (id)
                (void)repo_load_tree(dir->archive->repo, id, &dir->old, NULL);
}

static const Wanted *wanted_child(const Dir *dir, size_t slot) {
        return dir->wanted ? dir->wanted->children[slot] : NULL;
}

/* Opens the directory at @slot. Return: 1 with *@ret_dir to walk in; 0: nothing more to do; a negative
 * errno. */
static int enter(Dir *dir, size_t slot, const struct stat *st, Dir **ret_dir) {
        Archive *archive = dir->archive;
        Node *node = &dir->nodes[slot];
        const Wanted *wanted = wanted_child(dir, slot);
        const Node *old = tree_find(&dir->old, node->name);
        bool crossing = dir->device != 0 && st->st_dev != dir->device;
        int fd = openat(dir->fd, node->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;
        Dir *child;

        if (fd < 0)
                return -errno;
        r = node_read_xattrs_fd(&dir->arena, fd, node);
        if (r < 0) {
                (void)close(fd);
                return r;
        }
        if (crossing) {
                /* Known empty: nothing of what is mounted there is looked at. */
                static const Wanted nothing = { .name = "" };

                tell(dir, node->name, 0, "is a mount point, and not crossed");
                r = dir_new(archive, dir, slot, fd, join_path(dir->path, node->name), &nothing, &child);
        } else {
                r = dir_new(archive, dir, slot, fd, join_path(dir->path, node->name), wanted, &child);
        }
        if (r < 0)
                return r;
        child->device = dir->device;
        if (dir->device == 0 && !(wanted && !wanted->whole))
                child->device = st->st_dev;
        load_old(child, old && old->has_subtree ? &old->subtree : NULL);
        atomic_fetch_add(&dir->pending, 1);
        *ret_dir = child;
        return 1;
}

static bool has_all_blobs(Archive *archive, const Node *old) {
        for (size_t i = 0; i < old->n_content; i++)
                if (!store_has(archive->store, BLOB_DATA, &old->content[i]))
                        return false;
        return true;
}

/* Takes what the parent has of an unchanged file. */
static bool reuse(Dir *dir, Node *node, const Node *old) {
        BlobId *content;

        if (!old || !node_is_unchanged(node, old) || !has_all_blobs(dir->archive, old))
                return false;
        content = old->n_content > 0 ? malloc(old->n_content * sizeof(*content)) : NULL;
        if (old->n_content > 0 && !content)
                return false;
        if (content)
                memcpy(content, old->content, old->n_content * sizeof(*content));
        node->content = content;
        node->n_content = old->n_content;
        node->xattrs = old->xattrs;
        node->n_xattrs = old->n_xattrs;
        return true;
}

static void do_regular(Dir *dir, size_t slot) {
        Archive *archive = dir->archive;
        Node *node = &dir->nodes[slot];
        const Node *old = tree_find(&dir->old, node->name);
        bool unchanged = reuse(dir, node, old);

        (void)pthread_mutex_lock(&archive->mutex);
        archive->counts.files++;
        if (unchanged) {
                archive->counts.files_unmodified++;
                archive->counts.bytes += node->size;
        } else if (old) {
                archive->counts.files_changed++;
        } else {
                archive->counts.files_new++;
        }
        (void)pthread_mutex_unlock(&archive->mutex);
        if (unchanged)
                return;
        atomic_fetch_add(&dir->pending, 1);
        if (!archive_queue_file(archive, dir, slot))
                dir_release(dir);
}

/* One entry. Return: the directory to go on in. */
static Dir *do_entry(Dir *dir) {
        size_t slot = dir->next++;
        Node *node = &dir->nodes[slot];
        const char *name = node->name;
        Dir *child = NULL;
        struct stat st;
        int r = fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;

        if (r == 0)
                r = node_from_stat(dir->archive, &dir->arena, name, &st, node);
        if (r == 0 && node->type == NODE_DIR) {
                r = enter(dir, slot, &st, &child);
        } else if (r == 0 && wanted_child(dir, slot) && !wanted_child(dir, slot)->whole) {
                r = -ENOTDIR;
        } else if (r == 0 && node->type == NODE_FILE) {
                do_regular(dir, slot);
                return dir;
        } else if (r == 0 && node->type == NODE_SOCKET) {
                node->name = NULL; /* nobody could use it: whoever listens makes it anew */
        } else if (r == 0 && node->type == NODE_SYMLINK) {
                r = node_read_link(&dir->arena, dir->fd, node);
        } else if (r == 0) {
                r = node_read_xattrs_at(&dir->arena, dir->fd, name, node);
        }
        if (r < 0) {
                node->name = name;
                dir_fail(dir, slot, r, r == -ENOENT ? "has gone" : "cannot be read");
        }
        return child ?: dir;
}

static void walk(Archive *archive, Dir *root) {
        uint64_t shown = now_usec();
        Dir *dir = root;

        while (dir) {
                Dir *parent = dir->parent;
                bool ended;

                (void)pthread_mutex_lock(&archive->mutex);
                archive->current = dir->path;
                if (now_usec() - shown > WAIT_MS * USEC_PER_MSEC) {
                        shown = now_usec();
                        report_progress(archive);
                }
                ended = archive->error != 0;
                if (ended || dir->next >= dir->n)
                        archive->current = NULL;
                (void)pthread_mutex_unlock(&archive->mutex);
                if (!ended && dir->next < dir->n) {
                        dir = do_entry(dir);
                        continue;
                }
                /* Ours is the last look at it, unless threads are still at work in it. */
                dir_release(dir);
                dir = parent;
        }
        (void)pthread_mutex_lock(&archive->mutex);
        while (archive->busy > 0 || archive->n_files > 0 || archive->n_chunks > 0)
                archive_wait(archive);
        (void)pthread_mutex_unlock(&archive->mutex);
}

/* Makes room for @name among the children, or finds it. */
static Wanted *want_child(Arena *arena, Wanted *wanted, const char *name, size_t length) {
        Wanted **children, *child;

        for (size_t i = 0; i < wanted->n; i++)
                if (strlen(wanted->children[i]->name) == length &&
                    memcmp(wanted->children[i]->name, name, length) == 0)
                        return wanted->children[i];
        child = arena_alloc(arena, sizeof(*child));
        children = arena_alloc(arena, (wanted->n + 1) * sizeof(*children));
        if (!child || !children || !(child->name = arena_copy(arena, name, length)))
                return NULL;
        if (wanted->n > 0)
                memcpy(children, wanted->children, wanted->n * sizeof(*children));
        children[wanted->n] = child;
        /* In the order of nodes, so that slots are the same. */
        for (size_t i = wanted->n; i > 0 && strcmp(children[i - 1]->name, children[i]->name) > 0; i--) {
                children[i] = children[i - 1];
                children[i - 1] = child;
        }
        wanted->children = children;
        wanted->n++;
        return child;
}

static int want_path(Arena *arena, Wanted *root, const char *path) {
        Wanted *at = root;

        if (*path != '/')
                return -EINVAL;
        while (*path) {
                size_t n;

                path += strspn(path, "/");
                n = strcspn(path, "/");
                if (n == 0)
                        break;
                at = want_child(arena, at, path, n);
                if (!at)
                        return -ENOMEM;
                path += n;
        }
        at->whole = true;
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
        load_old(root, archive->options->parent ? &archive->options->parent->tree : NULL);
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
        free(archive);
}

static int run(Archive *archive) {
        pthread_t threads[THREADS_MAX];
        Wanted wanted = { .name = "/" };
        Dir *root = NULL;
        int r = chunker_init(&archive->chunker, archive->repo->config.polynomial);

        for (const char *const *path = archive->options->paths; r == 0 && *path; path++)
                r = want_path(&archive->arena, &wanted, *path);
        if (r == 0)
                r = archive_start(archive, threads);
        if (r < 0)
                return r;
        r = make_root(archive, &wanted, &root);
        if (r == 0)
                walk(archive, root);
        archive_stop(archive, threads, archive->n_threads);
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
        archive->n_threads = MIN(options->threads ?: pool_processors(), THREADS_MAX);
        /* Who offers chunks works on one itself. */
        archive->chunk_queue_size = archive->n_threads > 1 ? MIN(archive->n_threads - 1, CHUNK_QUEUE_MAX)
                                                           : 1;
        (void)pthread_mutex_init(&archive->mutex, NULL);
        (void)pthread_cond_init(&archive->work, NULL);
        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&archive->room, &attributes);
        (void)pthread_condattr_destroy(&attributes);
        r = run(archive);
        *ret_counts = archive->counts;
        if (r == 0)
                *ret_tree = archive->root;
        else
                (void)repo_fail(why, r, "%s", *archive->why.text ? archive->why.text : strerror(-r));
        archive_clear(archive);
        return r;
}
