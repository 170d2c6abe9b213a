/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What differs between two trees
 */

#include <string.h>
#include "repository/tree-diff.h"

#define DEPTH_MAX 4096u

typedef struct Diff {
        Repository *repo;
        const DiffOptions *options;
        DiffCounts *counts;
        Why *why;
} Diff;

static bool same_text(const char *a, const char *b) {
        return strcmp(a ?: "", b ?: "") == 0;
}

static bool same_xattrs(const Node *a, const Node *b) {
        if (a->n_xattrs != b->n_xattrs)
                return false;
        for (size_t i = 0; i < a->n_xattrs; i++) {
                const NodeXattr *one = &a->xattrs[i];
                bool found = false;

                for (size_t j = 0; j < b->n_xattrs && !found; j++)
                        found = strcmp(one->name, b->xattrs[j].name) == 0 &&
                                one->size == b->xattrs[j].size &&
                                (one->size == 0 || memcmp(one->value, b->xattrs[j].value, one->size) == 0);
                if (!found)
                        return false;
        }
        return true;
}

static bool same_content(const Node *a, const Node *b) {
        return a->n_content == b->n_content &&
               (a->n_content == 0 ||
                memcmp(a->content, b->content, a->n_content * sizeof(*a->content)) == 0);
}

unsigned node_diff(const Node *before, const Node *after) {
        unsigned what = 0;

        if (before->type != after->type)
                return DIFF_TYPE;
        if (before->type == NODE_FILE) {
                if (!same_content(before, after))
                        what |= DIFF_CONTENT;
                if (before->size != after->size)
                        what |= DIFF_SIZE;
        }
        if (before->mode != after->mode)
                what |= DIFF_MODE;
        if (before->uid != after->uid || before->gid != after->gid)
                what |= DIFF_OWNER;
        if (before->mtime.tv_sec != after->mtime.tv_sec || before->mtime.tv_nsec != after->mtime.tv_nsec)
                what |= DIFF_TIME;
        if (!same_xattrs(before, after))
                what |= DIFF_XATTRS;
        if (before->type == NODE_SYMLINK && !same_text(before->target, after->target))
                what |= DIFF_TARGET;
        if ((before->type == NODE_DEV || before->type == NODE_CHARDEV) && before->device != after->device)
                what |= DIFF_DEVICE;
        return what;
}

static int diff_trees(Diff *diff, const char *directory, const BlobId *before, const BlobId *after,
                      unsigned depth);

static int found(Diff *diff, DiffKind kind, const char *path, const Node *before, const Node *after,
                 unsigned what) {
        DiffCounts *counts = diff->counts;
        const Node *node = after ?: before;

        if (kind == DIFF_ADDED) {
                counts->added++;
                counts->bytes_added += node->type == NODE_FILE ? node->size : 0;
        } else if (kind == DIFF_REMOVED) {
                counts->removed++;
                counts->bytes_removed += node->type == NODE_FILE ? node->size : 0;
        } else {
                counts->changed++;
                counts->bytes_changed += what & DIFF_CONTENT ? node->size : 0;
        }
        return diff->options->found(diff->options->userdata, kind, path, before, after, what);
}

static const BlobId *subtree(const Node *node) {
        return node && node->type == NODE_DIR && node->has_subtree ? &node->subtree : NULL;
}

static int diff_nodes(Diff *diff, const char *path, const Node *before, const Node *after, unsigned depth) {
        const BlobId *tree_before = subtree(before), *tree_after = subtree(after);
        unsigned what = before && after ? node_diff(before, after) : 0;
        int r = 0;

        if (!before || !after)
                r = found(diff, before ? DIFF_REMOVED : DIFF_ADDED, path, before, after, 0);
        else if (what != 0)
                r = found(diff, DIFF_CHANGED, path, before, after, what);
        if (r < 0 || (!tree_before && !tree_after) ||
            (tree_before && tree_after && blob_id_equals(tree_before, tree_after)))
                return r;
        return diff_trees(diff, path, tree_before, tree_after, depth + 1);
}

static void tell(Diff *diff, const char *path, const char *what) {
        diff->counts->errors++;
        if (diff->options->told)
                diff->options->told(diff->options->userdata, path, what);
}

static int load(Diff *diff, const char *path, const BlobId *id, Tree *ret_tree) {
        Why why = {};
        int r = id ? repo_load_tree(diff->repo, id, ret_tree, &why) : 0;

        diff->counts->trees += id != NULL;
        if (r == -ENOMEM)
                return repo_fail(diff->why, r, "Out of memory.");
        if (r < 0) {
                tell(diff, *path ? path : "/", why.text);
                return 1;
        }
        return 0;
}

static bool is_passed_over(const Diff *diff, const char *directory, const char *name) {
        return !*directory && diff->options->passed_over && strcmp(name, diff->options->passed_over) == 0;
}

/* The entries of one name, or the one of the lesser name. */
static int diff_pair(Diff *diff, const char *directory, const Node *before, const Node *after,
                     unsigned depth) {
        const char *name = before ? before->name : after->name;
        _cleanup_(freep) char *path = NULL;

        if (is_passed_over(diff, directory, name))
                return 0;
        if (!node_name_is_safe(name)) {
                tell(diff, *directory ? directory : "/", "has an entry with a name that is none.");
                return 0;
        }
        if (asprintf(&path, "%s/%s", directory, name) < 0) {
                path = NULL;
                return repo_fail(diff->why, -ENOMEM, "Out of memory.");
        }
        return diff_nodes(diff, path, before, after, depth);
}

static int diff_trees(Diff *diff, const char *directory, const BlobId *before, const BlobId *after,
                      unsigned depth) {
        _cleanup_tree_ Tree a = {}, b = {};
        size_t i = 0, j = 0;
        int r;

        if (depth > DEPTH_MAX) {
                tell(diff, directory, "lies too deep.");
                return 0;
        }
        if (diff->options->progress &&
            diff->options->progress(diff->options->userdata, diff->counts, *directory ? directory : "/"))
                return repo_fail(diff->why, -ECANCELED, "Interrupted.");
        r = load(diff, directory, before, &a);
        if (r == 0)
                r = load(diff, directory, after, &b);
        /* Of a directory of which one side cannot be read nothing can be said. */
        if (r != 0)
                return r < 0 ? r : 0;
        while (r == 0 && (i < a.n || j < b.n)) {
                int order = i == a.n ? 1 : j == b.n ? -1 : strcmp(a.nodes[i].name, b.nodes[j].name);

                r = diff_pair(diff, directory, order <= 0 ? &a.nodes[i] : NULL,
                              order >= 0 ? &b.nodes[j] : NULL, depth);
                i += order <= 0;
                j += order >= 0;
        }
        return r;
}

/* The entry of @path below @root. *@tree holds it. Return: 0, also with NULL if there is none. */
static int find(Diff *diff, const BlobId *root, const char *path, Tree *tree, const Node **ret_node) {
        BlobId id = *root;

        *ret_node = NULL;
        for (const char *rest = path + strspn(path, "/"); *rest;) {
                size_t n = strcspn(rest, "/");
                _cleanup_(freep) char *name = strndup(rest, n);
                const Node *node;
                int r;

                if (!name)
                        return repo_fail(diff->why, -ENOMEM, "Out of memory.");
                tree_clear(tree);
                r = repo_load_tree(diff->repo, &id, tree, diff->why);
                if (r < 0)
                        return r;
                diff->counts->trees++;
                node = tree_find(tree, name);
                rest += n + strspn(rest + n, "/");
                if (!*rest)
                        *ret_node = node;
                if (!node || !subtree(node))
                        return 0;
                id = node->subtree;
        }
        return 0;
}

static int diff_path(Diff *diff, const char *path, const BlobId *before, const BlobId *after) {
        _cleanup_tree_ Tree a = {}, b = {};
        const Node *node_before = NULL, *node_after = NULL;
        int r;

        if (path[strspn(path, "/")] == '\0')
                return blob_id_equals(before, after) ? 0 : diff_trees(diff, "", before, after, 0);
        r = find(diff, before, path, &a, &node_before);
        if (r == 0)
                r = find(diff, after, path, &b, &node_after);
        if (r < 0)
                return r;
        if (!node_before && !node_after)
                return repo_fail(diff->why, -ENOENT, "%s: neither point has it.", path);
        return diff_nodes(diff, path, node_before, node_after, 0);
}

int tree_diff(Repository *repo, const BlobId *before, const BlobId *after, const DiffOptions *options,
              Why *why, DiffCounts *ret_counts) {
        static const char *const everything[] = { "/", NULL };
        const char *const *path = options->paths && options->paths[0] ? options->paths : everything;
        Diff diff = { .repo = repo, .options = options, .counts = ret_counts, .why = why };
        int r = 0;

        *ret_counts = (DiffCounts){};
        for (; r == 0 && *path; path++)
                r = diff_path(&diff, *path, before, after);
        return r;
}
