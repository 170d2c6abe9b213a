/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Is everything there, and whole? Points and their trees
 *
 * A tree is looked at once, wherever it stands; only those in which something is lost are walked again for
 * each place, since each is a path that is lost. What a hostile repository can make of that is bounded by
 * how much is told.
 */

#include <stdarg.h>
#include <string.h>
#include "repository/tree-measure.h"
#include "repository/verify-internal.h"

#define LOST_TOLD_MAX 10000u

typedef struct Walk {
        Verify *verify;
        const Snapshot *point;
        Bytes path; /* where we are, with a zero byte behind it */
        unsigned depth;
} Walk;

static const char *path_of(const Walk *walk) {
        const char *path = (const char *)walk->path.data;

        return path && *path ? path : "/";
}

/* Return: how long the path was. */
static size_t go_down(Walk *walk, const char *name) {
        size_t before = walk->path.size;

        walk->path.size -= before > 0;
        if (bytes_append(&walk->path, "/", 1) < 0 || bytes_append(&walk->path, name, strlen(name) + 1) < 0)
                walk->path.size = before;
        return before;
}

static void go_up(Walk *walk, size_t before) {
        walk->path.size = before;
        if (before > 0)
                walk->path.data[before - 1] = '\0';
}

static void lose(Walk *walk, const char *format, ...) _printf_(2, 3);
static void lose(Walk *walk, const char *format, ...) {
        Verify *verify = walk->verify;
        const VerifyOptions *options = verify->options;
        _cleanup_(freep) char *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        verify->counts.lost++;
        verify->counts.problems++;
        if (options->lost && verify->counts.lost <= LOST_TOLD_MAX)
                options->lost(options->userdata, walk->point, path_of(walk), text ?: "out of memory");
}

static void tell_tree(Walk *walk, const char *what) {
        char point[BLOB_ID_TEXT];

        verify_tell(walk->verify, VERIFY_TREES, "point %.8s: %s: %s", blob_id_text(&walk->point->id, point),
                    path_of(walk), what);
}

/* One that can be had; NULL: none of its packs has it whole. */
static const IndexEntry *find_whole(Verify *verify, BlobType type, const BlobId *id, bool *ret_known) {
        const Index *index = &verify->repo->index;
        const IndexEntry *entry = NULL;

        *ret_known = false;
        while ((entry = index_find(index, type, id, entry))) {
                uint8_t marks = verify->marks[entry - index->entries];

                *ret_known = true;
                if (marks & ENTRY_DAMAGED)
                        continue;
                /* Named ones come first. */
                verify->needs_unnamed |= (marks & ENTRY_UNNAMED) != 0;
                return entry;
        }
        return NULL;
}

static bool look_at_file(Walk *walk, const Node *node) {
        char id[BLOB_ID_TEXT];
        bool known;

        if (node->content_missing) {
                lose(walk, "it has no list of contents");
                return false;
        }
        for (size_t i = 0; i < node->n_content; i++)
                if (!find_whole(walk->verify, BLOB_DATA, &node->content[i], &known)) {
                        lose(walk, "its data blob %.10s is %s", blob_id_text(&node->content[i], id),
                             known ? "damaged, or its pack is missing" : "missing");
                        return false;
                }
        return true;
}

static bool look_at_tree(Walk *walk, const BlobId *id);

static bool look_at_node(Walk *walk, const Tree *tree, size_t i) {
        const Node *node = &tree->nodes[i];
        size_t before = go_down(walk, node->name);
        bool whole = true;

        if (!node_name_is_safe(node->name))
                tell_tree(walk, "no file can have this name: it is not restored");
        else if (i > 0 && strcmp(tree->nodes[i - 1].name, node->name) >= 0)
                tell_tree(walk, "stands out of order, or twice");
        if (node->type == NODE_UNKNOWN)
                tell_tree(walk, "is of a type that is not known: it is not restored");
        if (node->type == NODE_FILE) {
                whole = look_at_file(walk, node);
        } else if (node->type == NODE_DIR && !node->has_subtree) {
                lose(walk, "it has no tree");
                whole = false;
        } else if (node->type == NODE_DIR) {
                whole = look_at_tree(walk, &node->subtree);
        }
        go_up(walk, before);
        return whole;
}

static bool look_into(Walk *walk, const BlobId *id) {
        _cleanup_tree_ Tree tree = {};
        bool whole = true;
        Why why = {};

        if (repo_load_tree(walk->verify->repo, id, &tree, &why) < 0) {
                lose(walk, "lost with all in it: %s", why.text);
                return false;
        }
        walk->verify->counts.trees++;
        walk->depth++;
        for (size_t i = 0; i < tree.n && !walk->verify->stopped; i++)
                whole = look_at_node(walk, &tree, i) && whole;
        walk->depth--;
        return whole;
}

/* Is it whole, with all below it? */
static bool look_at_tree(Walk *walk, const BlobId *id) {
        Verify *verify = walk->verify;
        char text[BLOB_ID_TEXT];
        const IndexEntry *entry;
        uint8_t *marks;
        bool known, whole;

        entry = find_whole(verify, BLOB_TREE, id, &known);
        if (!entry) {
                lose(walk, "lost with all in it: its tree %.10s is %s", blob_id_text(id, text),
                     known ? "damaged, or its pack is missing" : "missing");
                return false;
        }
        marks = &verify->marks[entry - verify->repo->index.entries];
        if ((*marks & ENTRY_SEEN) && (!(*marks & ENTRY_HIT) || verify->counts.lost > LOST_TOLD_MAX))
                return !(*marks & ENTRY_HIT);
        if (walk->depth == TREE_DEPTH_MAX) {
                tell_tree(walk, "too deep to be looked at");
                return true;
        }
        whole = look_into(walk, id);
        *marks |= whole ? ENTRY_SEEN : ENTRY_SEEN | ENTRY_HIT;
        return whole;
}

void verify_points(Verify *verify) {
        Walk walk = { .verify = verify };

        for (size_t i = 0; i < verify->points.n; i++) {
                if (verify_progress(verify, "points and trees", i, verify->points.n))
                        break;
                walk.point = &verify->points.items[i];
                verify->counts.points++;
                if (!look_at_tree(&walk, &walk.point->tree))
                        verify->counts.hit_points++;
        }
        if (verify->counts.lost > LOST_TOLD_MAX)
                verify_tell(verify, 0, "only the first %u lost paths are named", LOST_TOLD_MAX);
        bytes_clear(&walk.path);
}
