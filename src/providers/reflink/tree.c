/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A tree and its copy: passes
 *
 * Work is a stack of directories to be read and of groups of files, so that the files of a directory come before the
 * directories below it: then only few are open at any time, however wide the tree.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include "files/beneath.h"
#include "providers/reflink/tree-internal.h"
#include "util/clock.h"

/* Notes */

static void note(char *text, size_t size, const TreeDir *dir, const char *name) {
        if (!*text)
                (void)snprintf(text, size, "/%s%s%s", dir->path, *dir->path && *name ? "/" : "", name);
}

void tree_note_difference(Tree *tree, const TreeDir *dir, const char *name) {
        (void)pthread_mutex_lock(&tree->lock);
        tree->facts.differences++;
        note(tree->difference, sizeof(tree->difference), dir, name);
        (void)pthread_mutex_unlock(&tree->lock);
}

void tree_note_culprit(Tree *tree, const TreeDir *dir, const char *name) {
        (void)pthread_mutex_lock(&tree->lock);
        note(tree->culprit, sizeof(tree->culprit), dir, name);
        (void)pthread_mutex_unlock(&tree->lock);
}

static bool is_named(const vss_value *list, const char *path) {
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(vss_value_get_string(vss_value_at(list, i), "path", ""), path) == 0)
                        return true;
        return false;
}

void tree_note_left_out(Tree *tree, const TreeDir *dir, const char *name, const char *reason) {
        char path[512] = "";

        note(path, sizeof(path), dir, name);
        (void)pthread_mutex_lock(&tree->lock);
        if (vss_value_count(tree->left_out) < TREE_NAMED_MAX && !is_named(tree->left_out, path)) {
                vss_value *named = vss_value_new_dict();

                (void)vss_value_set_string(named, "path", path);
                (void)vss_value_set_string(named, "reason", reason);
                value_make_utf8(named);
                /* Without memory the rest fails, too. */
                (void)vss_value_append(tree->left_out, named);
        }
        (void)pthread_mutex_unlock(&tree->lock);
}

/* The queue */

static int push(Tree *tree, TreeDir *dir, size_t from, size_t to) {
        TreeItem *item = calloc(1, sizeof(*item));

        if (!item)
                return -ENOMEM;
        *item = (TreeItem){ .dir = dir, .from = from, .to = to };
        (void)pthread_mutex_lock(&tree->lock);
        dir->pending += to > 0;
        item->next = tree->items;
        tree->items = item;
        (void)pthread_cond_signal(&tree->wake);
        (void)pthread_mutex_unlock(&tree->lock);
        return 0;
}

/* The last one closes. */
static void release(Tree *tree, TreeDir *dir) {
        bool last;

        (void)pthread_mutex_lock(&tree->lock);
        last = --dir->pending == 0;
        (void)pthread_mutex_unlock(&tree->lock);
        if (!last)
                return;
        closep(&dir->from_fd);
        closep(&dir->to_fd);
        dir->from_fd = dir->to_fd = -1;
}

/* One directory */

static bool is_same(const TreeEntry *a, const TreeEntry *b) {
        return a->inode == b->inode && (a->mode & S_IFMT) == (b->mode & S_IFMT);
}

/* Nobody looks at the times of a directory that is in the copy only because something below it is. */
static bool has_changed(const TreeEntry *old, const TreeEntry *now) {
        return old->changed != now->changed && !(old->dir && !old->dir->whole);
}

/* Of what was there in the pass before, and is not any more. */
static int drop_entry(Tree *tree, const TreeDir *dir, const TreeEntry *old) {
        tree_note_difference(tree, dir, old->name);
        return old->flags & ENTRY_MADE ? tree_put_aside(tree, dir->to_fd, old->name) : 0;
}

static void keep_entry(Tree *tree, const TreeDir *dir, TreeEntry *old, TreeEntry *now) {
        bool changed = has_changed(old, now);

        now->flags = old->flags & ~(unsigned)ENTRY_DIFFERS;
        now->serial = old->serial;
        now->extents = old->extents;
        now->dir = TAKE_PTR(old->dir);
        if (changed)
                now->flags |= ENTRY_DIFFERS;
        if (changed || (!S_ISDIR(now->mode) && !(now->flags & (ENTRY_CLEAN | ENTRY_LEFT_OUT))))
                tree_note_difference(tree, dir, now->name);
}

/* What the pass before knew goes over to what is there now. */
static int merge(Tree *tree, const TreeDir *dir, TreeEntry *now, size_t n_now) {
        size_t i = 0, k = 0;
        int r = 0;

        while (r == 0 && (i < dir->n || k < n_now)) {
                int order = i == dir->n ? 1 : k == n_now ? -1 : strcmp(dir->entries[i].name, now[k].name);

                if (order == 0 && is_same(&dir->entries[i], &now[k])) {
                        keep_entry(tree, dir, &dir->entries[i++], &now[k++]);
                        continue;
                }
                if (order <= 0)
                        r = drop_entry(tree, dir, &dir->entries[i++]);
                if (order >= 0)
                        tree_note_difference(tree, dir, now[k++].name);
        }
        return r;
}

static int enter_directory(Tree *tree, TreeDir *dir, TreeEntry *entry) {
        if (!(entry->flags & ENTRY_MADE)) {
                if (mkdirat(dir->to_fd, entry->name, 0700) < 0)
                        return -errno;
                entry->flags = ENTRY_MADE;
        }
        if (entry->inode == 0)
                tree_note_left_out(tree, dir, entry->name, "it is a volume of its own");
        if (!entry->dir && entry->inode != 0) {
                if (dir->depth >= TREE_DEPTH_MAX) {
                        tree_note_left_out(tree, dir, entry->name, "it lies too deep");
                        return 0;
                }
                entry->dir = tree_dir_new(dir->path, entry->name, dir->depth + 1);
                if (!entry->dir)
                        return -ENOMEM;
                (void)tree_wants(tree, entry->dir->path, "", &entry->dir->whole);
                entry->dir->whole = entry->dir->whole || dir->whole;
        }
        if (!entry->dir)
                return 0;
        entry->dir->inode = entry->inode;
        return push(tree, entry->dir, 0, 0);
}

static bool needs_work(const Tree *tree, const TreeEntry *entry) {
        if (S_ISDIR(entry->mode) || (entry->flags & ENTRY_LEFT_OUT))
                return false;
        if (entry->flags & ENTRY_DIFFERS)
                return true;
        /* What waits for the commit goes on waiting. */
        if (tree->pass == TREE_PREPARE && (entry->flags & ENTRY_MADE) && !(entry->flags & ENTRY_FILLED))
                return false;
        return !(entry->flags & ENTRY_CLEAN);
}

static int push_files(Tree *tree, TreeDir *dir) {
        int r = 0;

        for (size_t from = 0; r == 0 && from < dir->n; from += TREE_CHUNK) {
                size_t to = MIN(from + TREE_CHUNK, dir->n), work = 0;

                for (size_t i = from; i < to; i++)
                        work += needs_work(tree, &dir->entries[i]);
                if (work > 0)
                        r = push(tree, dir, from, to);
        }
        return r;
}

static int count_entries(Tree *tree, const TreeDir *dir) {
        uint64_t n;

        (void)pthread_mutex_lock(&tree->lock);
        tree->facts.entries += dir->n;
        n = tree->facts.entries;
        (void)pthread_mutex_unlock(&tree->lock);
        return n > TREE_ENTRIES_MAX ? -E2BIG : 0;
}

static int open_directory(Tree *tree, TreeDir *dir) {
        struct stat st;
        int fd;

        fd = beneath_open(tree->source_fd, dir->path, O_RDONLY | O_DIRECTORY | O_NOATIME, 0, BENEATH_ONE_MOUNT);
        if (fd < 0)
                return fd;
        dir->from_fd = fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_dev != tree->device || (dir->inode != 0 && st.st_ino != dir->inode))
                return -ESTALE;
        fd = beneath_open(tree->tree_fd, dir->path, O_RDONLY | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        if (fd < 0)
                return fd;
        dir->to_fd = fd;
        if (node_time(&st.st_ctim) == dir->changed)
                return 0;
        if (dir->whole)
                tree_note_difference(tree, dir, "");
        meta_clear(&dir->meta);
        dir->changed = node_time(&st.st_ctim);
        return meta_from_fd(dir->from_fd, &dir->meta);
}

static int read_directory(Tree *tree, TreeDir *dir) {
        TreeEntry *now = NULL;
        size_t n_now = 0;
        int r;

        r = open_directory(tree, dir);
        if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -ESTALE) {
                tree_note_difference(tree, dir, "");
                if (tree->pass == TREE_COMMIT)
                        tree_note_left_out(tree, dir, "", "it was moved while the copy was made");
                return 0;
        }
        if (r == -ENAMETOOLONG) {
                tree_note_left_out(tree, dir, "", "its path is too long");
                return 0;
        }
        if (r == 0)
                r = tree_read_entries(tree, dir, &now, &n_now);
        if (r == 0) {
                r = merge(tree, dir, now, n_now);
                tree_entries_free(dir->entries, dir->n);
                dir->entries = now;
                dir->n = n_now;
        }
        if (r == 0)
                r = count_entries(tree, dir);
        for (size_t i = 0; r == 0 && i < dir->n; i++) {
                TreeEntry *entry = &dir->entries[i];

                if (S_ISDIR(entry->mode))
                        r = enter_directory(tree, dir, entry);
        }
        return r < 0 ? r : push_files(tree, dir);
}

static int work_on(Tree *tree, const TreeItem *item) {
        TreeDir *dir = item->dir;
        int r = 0;

        if (item->to == 0) {
                (void)pthread_mutex_lock(&tree->lock);
                dir->pending++;
                (void)pthread_mutex_unlock(&tree->lock);
                r = read_directory(tree, dir);
                if (r < 0)
                        tree_note_culprit(tree, dir, "");
        }
        for (size_t i = item->from; r == 0 && i < item->to; i++)
                if (needs_work(tree, &dir->entries[i]))
                        r = now_usec() > tree->deadline_usec ? -ETIMEDOUT : tree_copy_entry(tree, dir, &dir->entries[i]);
        if (r == 0 && now_usec() > tree->deadline_usec)
                r = -ETIMEDOUT;
        release(tree, dir);
        return r;
}

static TreeItem *pop(Tree *tree) {
        TreeItem *item;

        (void)pthread_mutex_lock(&tree->lock);
        while (!tree->items && tree->working > 0)
                (void)pthread_cond_wait(&tree->wake, &tree->lock);
        item = tree->items;
        if (item) {
                tree->items = item->next;
                tree->working++;
        } else
                (void)pthread_cond_broadcast(&tree->wake);
        (void)pthread_mutex_unlock(&tree->lock);
        return item;
}

static void *worker(void *userdata) {
        Tree *tree = userdata;
        TreeItem *item;

        while ((item = pop(tree))) {
                int r, failed;

                (void)pthread_mutex_lock(&tree->lock);
                failed = tree->error;
                (void)pthread_mutex_unlock(&tree->lock);
                if (failed < 0) {
                        r = 0;
                        if (item->to > 0)
                                release(tree, item->dir);
                } else
                        r = work_on(tree, item);
                free(item);
                (void)pthread_mutex_lock(&tree->lock);
                if (r < 0 && tree->error == 0)
                        tree->error = r;
                if (--tree->working == 0)
                        (void)pthread_cond_broadcast(&tree->wake);
                (void)pthread_mutex_unlock(&tree->lock);
        }
        return NULL;
}

/* What a commit may have to clone again, as far as can be told. */
static void count_files(TreeFacts *facts, const TreeDir *dir) {
        for (size_t i = 0; i < dir->n; i++) {
                const TreeEntry *entry = &dir->entries[i];

                if (entry->dir)
                        count_files(facts, entry->dir);
                if (!S_ISREG(entry->mode))
                        continue;
                facts->files++;
                facts->extents += entry->extents;
                if (!(entry->flags & ENTRY_RECENT) && (entry->flags & ENTRY_FILLED))
                        continue;
                facts->recent_files++;
                facts->recent_extents += entry->extents;
        }
}

int tree_run(Tree *tree, TreePass pass, uint64_t deadline_usec) {
        pthread_t threads[TREE_WORKERS_MAX];
        unsigned n = 0, wanted = MIN(tree->options.workers, TREE_WORKERS_MAX);
        uint64_t began = now_usec();
        struct timespec now;
        int r;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        tree->pass = pass;
        tree->deadline_usec = deadline_usec;
        tree->recent_since = node_time(&now) - (int64_t)tree->options.recent_usec * 1000;
        tree->error = 0;
        tree->facts = (TreeFacts){ 0 };
        tree->culprit[0] = tree->difference[0] = '\0';
        r = push(tree, tree->root, 0, 0);
        if (r < 0)
                return r;
        /* This thread is one of them, so that it works without others, too. */
        while (n + 1 < wanted && pthread_create(&threads[n], NULL, worker, tree) == 0)
                n++;
        (void)worker(tree);
        while (n > 0)
                (void)pthread_join(threads[--n], NULL);
        count_files(&tree->facts, tree->root);
        tree->facts.took_usec = now_usec() - began;
        return tree->error;
}

/* As a whole */

static int add_wanted(Tree *tree, const vss_value *wanted) {
        size_t n = vss_value_count(wanted);

        if (n > TREE_WANTED_MAX)
                return -E2BIG;
        tree->wanted = calloc(n + 1, sizeof(*tree->wanted));
        if (!tree->wanted)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const char *path = vss_value_string(vss_value_at(wanted, i), "");

                if (!beneath_is_valid(path))
                        return -EINVAL;
                tree->wanted[i] = strdup(path);
                if (!tree->wanted[i])
                        return -ENOMEM;
                tree->n_wanted++;
        }
        return 0;
}

static int open_parts(Tree *tree, int copy_fd) {
        static const char *const names[] = { STORE_TREE, STORE_LINKS, STORE_TRASH };
        int *const fds[] = { &tree->tree_fd, &tree->links_fd, &tree->trash_fd };
        struct stat st;

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                *fds[i] = beneath_open(copy_fd, names[i], O_RDONLY | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
                if (*fds[i] < 0)
                        return *fds[i];
        }
        if (fstat(tree->source_fd, &st) < 0)
                return -errno;
        tree->device = st.st_dev;
        return 0;
}

int tree_new(int source_fd, int copy_fd, const vss_value *wanted, const TreeOptions *options, dev_t store_device,
             ino_t store_inode, Tree **ret_tree) {
        _cleanup_(tree_freep) Tree *tree = calloc(1, sizeof(*tree));
        int r;

        if (!tree)
                return -ENOMEM;
        *tree = (Tree){ .source_fd = source_fd,
                        .tree_fd = -1,
                        .links_fd = -1,
                        .trash_fd = -1,
                        .store_device = store_device,
                        .store_inode = store_inode,
                        .options = *options,
                        .tick_nsec = (int64_t)tree_tick_usec() * 1000,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .wake = PTHREAD_COND_INITIALIZER,
                        .links_lock = PTHREAD_MUTEX_INITIALIZER,
                        .left_out = vss_value_new_list(),
                        .root = tree_dir_new("", "", 0) };
        if (!tree->left_out || !tree->root)
                return -ENOMEM;
        r = add_wanted(tree, wanted);
        if (r == 0)
                r = open_parts(tree, copy_fd);
        if (r < 0)
                return r;
        (void)tree_wants(tree, "", "", &tree->root->whole);
        *ret_tree = TAKE_PTR(tree);
        return 0;
}

Tree *tree_free(Tree *tree) {
        if (!tree)
                return NULL;
        tree_dir_free(tree->root);
        tree_links_free(tree);
        closep(&tree->tree_fd);
        closep(&tree->links_fd);
        closep(&tree->trash_fd);
        for (size_t i = 0; i < tree->n_wanted; i++)
                free(tree->wanted[i]);
        free(tree->wanted);
        vss_value_free(tree->left_out);
        free(tree);
        return NULL;
}

const char *tree_culprit(const Tree *tree) {
        return tree->culprit;
}

const TreeFacts *tree_facts(const Tree *tree) {
        return &tree->facts;
}

/* Times of files advance by the tick of the coarse clock. */
uint64_t tree_tick_usec(void) {
        struct timespec tick;

        if (clock_getres(CLOCK_REALTIME_COARSE, &tick) < 0 || tick.tv_sec > 0)
                tick.tv_nsec = 10000000;
        return (uint64_t)tick.tv_nsec / 1000 + USEC_PER_MSEC;
}

const char *tree_difference(const Tree *tree) {
        return tree->difference;
}

const vss_value *tree_left_out(const Tree *tree) {
        return tree->left_out;
}

static int finish_directory(Tree *tree, const TreeDir *dir) {
        _cleanup_(closep) int fd = -1;
        int r = 0;

        for (size_t i = 0; r == 0 && i < dir->n; i++)
                if (dir->entries[i].dir && (dir->entries[i].flags & ENTRY_MADE))
                        r = finish_directory(tree, dir->entries[i].dir);
        if (r < 0 || dir->changed < 0)
                return r;
        fd = beneath_open(tree->tree_fd, dir->path, O_RDONLY | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        r = fd < 0 ? fd : meta_apply(fd, &dir->meta);
        if (r < 0)
                tree_note_culprit(tree, dir, "");
        return r;
}

int tree_finish(Tree *tree) {
        tree->culprit[0] = '\0';
        return finish_directory(tree, tree->root);
}
