/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting single entries of a tree where somebody else has decided that they go
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include "files/beneath.h"
#include "repository/extract-internal.h"

/* A directory that was made on the way, or is an item itself: it gets what belongs to it at the end. */
typedef struct Made {
        char *place, *path; /* @path: in the tree */
        bool fresh;
} Made;

typedef struct Items {
        Extract extract;
        const BlobId *root;
        Place *place; /* of the items before */
        char *source; /* the directory of the tree that they are from; NULL: none yet */
        Tree tree;
        Made *made;
        size_t n_made;
} Items;

/* The tree of a directory; -ENOENT. */
static int load_directory(Repository *repo, const BlobId *root, const char *path, size_t n, Tree *ret_tree,
                          Why *why) {
        _cleanup_tree_ Tree tree = {};
        int r = repo_load_tree(repo, root, &tree, why);

        for (const char *end = path + n; r == 0 && path < end;) {
                size_t length = strcspn(path, "/");
                char name[NAME_MAX * 4 + 1];
                const Node *node;
                Tree next = {};

                if (path + length > end)
                        length = (size_t)(end - path);
                if (length == 0) {
                        path++;
                        continue;
                }
                if (length >= sizeof(name))
                        return -ENAMETOOLONG;
                (void)snprintf(name, sizeof(name), "%.*s", (int)length, path);
                node = tree_find(&tree, name);
                if (!node || !node->has_subtree)
                        return -ENOENT;
                r = repo_load_tree(repo, &node->subtree, &next, why);
                tree_clear(&tree);
                tree = next;
                path += length;
        }
        if (r == 0) {
                *ret_tree = tree;
                tree = (Tree){};
        }
        return r;
}

int extract_find(Repository *repo, const BlobId *root, const char *path, Tree *ret_tree,
                 const Node **ret_node, Why *why) {
        const char *slash = strrchr(path, '/');
        _cleanup_tree_ Tree tree = {};
        const Node *node;
        int r = slash ? load_directory(repo, root, path, (size_t)(slash - path), &tree, why) : -EINVAL;

        if (r < 0)
                return r;
        node = tree_find(&tree, slash + 1);
        if (!node)
                return -ENOENT;
        *ret_tree = tree;
        tree = (Tree){};
        *ret_node = node;
        return 0;
}

int extract_content(Repository *repo, const BlobId *root, const char *path, int fd, Why *why) {
        _cleanup_bytes_ Bytes plain = {};
        _cleanup_tree_ Tree tree = {};
        const Node *node;
        int r = extract_find(repo, root, path, &tree, &node, why);

        if (r == 0 && (node->type != NODE_FILE || node->content_missing))
                r = -ENOENT;
        for (size_t i = 0; r == 0 && i < node->n_content; i++) {
                r = repo_load_blob(repo, BLOB_DATA, &node->content[i], &plain, why);
                for (size_t done = 0; r == 0 && done < plain.size;) {
                        ssize_t n = write(fd, plain.data + done, plain.size - done);

                        if (n < 0 && errno != EINTR)
                                r = -errno;
                        done += n > 0 ? (size_t)n : 0;
                }
        }
        return r;
}

/* ---- directories ---- */

static int remember_made(Items *items, const char *place, size_t n, const char *path, bool fresh) {
        Made *grown = reallocarray(items->made, items->n_made + 1, sizeof(*grown));
        Made made = { .place = strndup(place, n), .path = strdup(path), .fresh = fresh };

        if (grown)
                items->made = grown;
        if (!grown || !made.place || !made.path) {
                free(made.place);
                free(made.path);
                return -ENOMEM;
        }
        grown[items->n_made++] = made;
        return 0;
}

/* What is missing of @place is made, for its owner alone at first. */
static int open_way(Items *items, const char *place, size_t n) {
        _cleanup_(closep) int fd = beneath_open(items->extract.options->target_fd, "",
                                                O_RDONLY | O_DIRECTORY, 0, 0);

        for (size_t i = 0; fd >= 0 && i < n;) {
                size_t length = strcspn(place + i, "/");
                char name[NAME_MAX + 1], path[PATH_MAX];
                int next;

                if (length > NAME_MAX || i + length > n || i + length + 2 > sizeof(path))
                        return -ENAMETOOLONG;
                (void)snprintf(name, sizeof(name), "%.*s", (int)length, place + i);
                next = beneath_open(fd, name, O_RDONLY | O_DIRECTORY, 0, 0);
                if (next == -ENOENT && mkdirat(fd, name, EXTRACT_UNFINISHED | 0700) == 0) {
                        (void)snprintf(path, sizeof(path), "/%.*s", (int)(i + length), place);
                        next = remember_made(items, place, i + length, path, true);
                        if (next == 0)
                                next = beneath_open(fd, name, O_RDONLY | O_DIRECTORY, 0, 0);
                }
                (void)close(fd);
                fd = next;
                i += length + 1;
        }
        return TAKE_FD(fd);
}

static void leave_place(Items *items) {
        if (items->place) {
                extract_flush_batch(items->place);
                place_release(items->place);
        }
        items->place = NULL;
}

/* The place that has this directory. */
static int enter_place(Items *items, const char *place) {
        const char *slash = strrchr(place, '/');
        size_t n = slash ? (size_t)(slash - place) : 0;
        _cleanup_(freep) char *path = NULL;
        int fd, r;

        if (asprintf(&path, "%s%.*s", n > 0 ? "/" : "", (int)n, place) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (items->place && strcmp(items->place->path, path) == 0)
                return 0;
        leave_place(items);
        if (!beneath_is_valid(place))
                return -EINVAL;
        if (items->extract.mode == MODE_WRITE)
                fd = open_way(items, place, n);
        else if (items->extract.options->target_missing)
                fd = -ENOENT;
        else
                fd = beneath_open(items->extract.options->target_fd, n > 0 ? path + 1 : "",
                                  O_RDONLY | O_DIRECTORY, 0, 0);
        if (fd == -ENOENT && items->extract.mode == MODE_PLAN)
                fd = -1;
        else if (fd < 0)
                return fd;
        r = place_new(&items->extract, NULL, path, fd, &items->place);
        if (r == 0)
                items->place->wanted = true;
        return r;
}

/* The node, under the name that it gets. It lives as long as the place. */
static int find_node(Items *items, const ExtractItem *item, const Node **ret_node, Why *why) {
        const char *slash = strrchr(item->path, '/'), *name = strrchr(item->place, '/');
        Arena *arena = &items->place->tree.arena;
        Tree tree = {};
        const Node *node = NULL;
        Node *copy;
        size_t n = slash ? (size_t)(slash - item->path) : 0;
        int r = 0;

        if (!slash)
                return -EINVAL;
        if (!items->source || strlen(items->source) != n || strncmp(items->source, item->path, n) != 0) {
                r = load_directory(items->extract.repo, items->root, item->path, n, &tree, why);
                if (r < 0)
                        return r;
                tree_clear(&items->tree);
                items->tree = tree;
                free(items->source);
                items->source = strndup(item->path, n);
        }
        node = tree_find(&items->tree, slash + 1);
        if (!node)
                return -ENOENT;
        copy = arena_alloc(arena, sizeof(*copy));
        if (!copy)
                return -ENOMEM;
        *copy = *node;
        /* What it points to goes with the tree that it is from. */
        copy->name = arena_copy(arena, name ? name + 1 : item->place, strlen(name ? name + 1 : item->place));
        copy->target = node->target ? arena_copy(arena, node->target, strlen(node->target)) : NULL;
        copy->content = (const BlobId *)arena_copy(arena, node->content, node->n_content * sizeof(BlobId));
        copy->xattrs = (NodeXattr *)arena_copy(arena, node->xattrs, node->n_xattrs * sizeof(NodeXattr));
        if (!copy->name || (node->target && !copy->target) || !copy->content || !copy->xattrs)
                return -ENOMEM;
        for (size_t i = 0; i < node->n_xattrs; i++) {
                copy->xattrs[i].name = arena_copy(arena, node->xattrs[i].name, strlen(node->xattrs[i].name));
                copy->xattrs[i].value = (const uint8_t *)arena_copy(arena, node->xattrs[i].value,
                                                                    node->xattrs[i].size);
                if (!copy->xattrs[i].name || !copy->xattrs[i].value)
                        return -ENOMEM;
        }
        *ret_node = copy;
        return 0;
}

/* ---- the items ---- */

static void put_directory(Items *items, const ExtractItem *item) {
        _cleanup_(closep) int fd = -1;

        if (items->extract.mode != MODE_WRITE)
                return;
        fd = open_way(items, item->place, strlen(item->place));
        if (fd < 0)
                extract_fail(items->place, strrchr(item->place, '/') ?: item->place,
                             "the directory cannot be made", fd);
        else
                (void)remember_made(items, item->place, strlen(item->place), item->path, false);
}

static void put_item(Items *items, const ExtractItem *item) {
        Extract *extract = &items->extract;
        const Node *node;
        Why why = {};
        int r = enter_place(items, item->place);

        if (r < 0) {
                Place nowhere = { .extract = extract, .path = (char *)"", .fd = -1 };

                extract_fail(&nowhere, item->place, "not restored: its directory cannot be reached", r);
                return;
        }
        r = find_node(items, item, &node, &why);
        if (r < 0) {
                const char *name = strrchr(item->place, '/');

                extract_tell(items->place, name ? name + 1 : item->place, "not restored: %s",
                             r == -ENOENT ? "the point does not have it"
                             : *why.text  ? why.text
                                          : strerror(-r));
        } else if (node->type == NODE_DIR) {
                put_directory(items, item);
        } else if (node->type == NODE_SOCKET || extract_link_later(items->place, node)) {
                return;
        } else if (extract->mode == MODE_VERIFY) {
                extract_verify_entry(items->place, node);
        } else if (node->type == NODE_FILE) {
                extract_file(items->place, node);
        } else {
                extract_other(items->place, node);
        }
}

/* From below: what is in a directory changes its time. */
static void finish_directories(Items *items) {
        while (items->n_made > 0) {
                Made *made = &items->made[--items->n_made];
                _cleanup_(closep) int fd = beneath_open(items->extract.options->target_fd, made->place,
                                                        O_RDONLY | O_DIRECTORY, 0, 0);
                _cleanup_tree_ Tree tree = {};
                Place parent = { .extract = &items->extract, .path = (char *)"", .fd = -1 };
                const Node *node;
                Why why = {};

                if (fd >= 0 &&
                    extract_find(items->extract.repo, items->root, made->path, &tree, &node, &why) == 0 &&
                    node->type == NODE_DIR)
                        extract_metadata(&parent, node, fd, false);
                else if (fd >= 0 && made->fresh)
                        (void)fchmod(fd, 0755);
                free(made->place);
                free(made->path);
        }
        free(items->made);
        items->made = NULL;
}

static void do_items(Items *items, ExtractMode mode, const ExtractItem *list, size_t n) {
        Extract *extract = &items->extract;

        extract->mode = mode;
        for (size_t i = 0; i < n && !extract->stopped; i++) {
                const ExtractOptions *options = extract->options;

                put_item(items, &list[i]);
                (void)pthread_mutex_lock(&extract->mutex);
                if (options->progress &&
                    options->progress(options->userdata, &extract->counts, list[i].path))
                        extract->stopped = true;
                (void)pthread_mutex_unlock(&extract->mutex);
        }
        leave_place(items);
        pool_wait(extract->pool);
        extract_make_links(extract);
        extract_free_inodes(extract);
        finish_directories(items);
}

int extract_items(Repository *repo, const BlobId *tree, const ExtractOptions *options,
                  const ExtractItem *list, size_t n, Why *why, ExtractCounts *ret_counts) {
        Items items = { .root = tree };
        int r = extract_begin(&items.extract, repo, options);

        if (r == 0)
                do_items(&items, options->dry_run ? MODE_PLAN : MODE_WRITE, list, n);
        if (r == 0 && options->verify && !options->dry_run && !items.extract.stopped) {
                extract_sort_told(&items.extract);
                do_items(&items, MODE_VERIFY, list, n);
        }
        if (r == 0)
                r = extract_conclude(&items.extract, why);
        tree_clear(&items.tree);
        free(items.source);
        extract_end(&items.extract);
        *ret_counts = items.extract.counts;
        return r;
}
