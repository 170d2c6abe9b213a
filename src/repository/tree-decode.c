/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Trees, read
 *
 * What a tree says is believed only as far as it makes sense: names are what a directory can hold, or
 * whoever uses them refuses them; sums are bounded; lists are as long as the text that they come from.
 */

#include <string.h>
#include <sys/stat.h>
#include "repository/go-text.h"
#include "repository/pull.h"
#include "repository/tree.h"

#define NODES_FIRST 16u

typedef struct List {
        void *items;
        size_t n, capacity;
} List;

/* A list in the arena doubles: at most as much again is left behind. */
static void *list_add(Arena *arena, List *list, size_t size) {
        if (list->n == list->capacity) {
                size_t capacity = list->capacity ? list->capacity * 2 : 1;
                void *items = arena_alloc(arena, capacity * size);

                if (!items)
                        return NULL;
                if (list->n > 0)
                        memcpy(items, list->items, list->n * size);
                list->items = items;
                list->capacity = capacity;
        }
        return (uint8_t *)list->items + list->n++ * size;
}

static Node *add_node(Tree *tree, size_t *capacity) {
        if (tree->n == *capacity) {
                size_t wanted = *capacity ? *capacity * 2 : NODES_FIRST;
                Node *nodes = reallocarray(tree->nodes, wanted, sizeof(*nodes));

                if (!nodes)
                        return NULL;
                tree->nodes = nodes;
                *capacity = wanted;
        }
        return &tree->nodes[tree->n++];
}

static NodeType read_type(Pull *pull) {
        size_t n;
        const char *text = pull_plain(pull, &n);

        for (NodeType type = NODE_FILE; type <= NODE_SOCKET; type++)
                if (strlen(node_type_name(type)) == n && memcmp(node_type_name(type), text, n) == 0)
                        return type;
        return NODE_UNKNOWN;
}

static void read_time(Pull *pull, struct timespec *ret_time) {
        size_t n;
        const char *text = pull_plain(pull, &n);

        if (!pull->failed && go_parse_time(text, n, ret_time) < 0)
                pull_refuse(pull);
}

static void read_id(Pull *pull, BlobId *ret_id) {
        size_t n;
        const char *text = pull_plain(pull, &n);

        if (blob_id_parse(text, n, ret_id) < 0)
                pull_refuse(pull);
}

/* Without NUL inside, which no name, target or attribute has. */
static const char *read_text(Pull *pull, Arena *arena) {
        size_t n;
        char *text = pull_string(pull, arena, &n);

        if (text && memchr(text, 0, n))
                pull_refuse(pull);
        return text;
}

static const char *read_name(Pull *pull, Arena *arena) {
        size_t n, size;
        char *text = pull_string(pull, arena, &n);

        if (!text || go_unquote(text, n, &size) < 0 || size == 0 || memchr(text, 0, size)) {
                pull_refuse(pull);
                return NULL;
        }
        text[size] = '\0';
        return text;
}

/* Base64 into the arena. */
static const uint8_t *read_bytes(Pull *pull, Arena *arena, size_t *ret_size) {
        _cleanup_bytes_ Bytes bytes = {};
        size_t n;
        const char *text;
        char *copy;

        *ret_size = 0;
        if (pull_null(pull))
                return (const uint8_t *)"";
        text = pull_plain(pull, &n);
        if (pull->failed || go_decode_base64(text, n, &bytes) < 0 ||
            !(copy = arena_copy(arena, bytes.data, bytes.size))) {
                pull_refuse(pull);
                return NULL;
        }
        *ret_size = bytes.size;
        return (const uint8_t *)copy;
}

static void read_xattrs(Pull *pull, Arena *arena, Node *node) {
        char key[PULL_KEY_SIZE];
        List list = {};

        if (pull_null(pull))
                return;
        pull_array(pull);
        while (pull_item(pull)) {
                NodeXattr *xattr = list_add(arena, &list, sizeof(*xattr));

                if (!xattr) {
                        pull_refuse(pull);
                        return;
                }
                *xattr = (NodeXattr){ .value = (const uint8_t *)"" };
                pull_object(pull);
                while (pull_member(pull, key)) {
                        if (strcmp(key, "name") == 0)
                                xattr->name = read_text(pull, arena);
                        else if (strcmp(key, "value") == 0)
                                xattr->value = read_bytes(pull, arena, &xattr->size);
                        else
                                pull_skip(pull);
                }
                if (!xattr->name)
                        pull_refuse(pull);
        }
        node->xattrs = list.items;
        node->n_xattrs = list.n;
}

static void read_content(Pull *pull, Arena *arena, Node *node) {
        List list = {};

        if (pull_null(pull)) {
                node->content_missing = true;
                return;
        }
        pull_array(pull);
        while (pull_item(pull)) {
                BlobId *id = list_add(arena, &list, sizeof(*id));

                if (!id) {
                        pull_refuse(pull);
                        return;
                }
                read_id(pull, id);
        }
        node->content = list.items;
        node->n_content = list.n;
}

static uint32_t mode_from_go(uint64_t go) {
        return (uint32_t)(go & 0777) | (go & (1u << 23) ? S_ISUID : 0) | (go & (1u << 22) ? S_ISGID : 0) |
               (go & (1u << 20) ? S_ISVTX : 0);
}

static uint32_t read_owner(Pull *pull) {
        uint64_t number = pull_unsigned(pull);

        if (number > UINT32_MAX)
                pull_refuse(pull);
        return (uint32_t)number;
}

/* The target as it is, where it is no UTF-8. */
static void read_raw_target(Pull *pull, Arena *arena, Node *node) {
        size_t n;
        const uint8_t *raw = read_bytes(pull, arena, &n);

        if (!raw || memchr(raw, 0, n))
                pull_refuse(pull);
        else if (n > 0)
                node->target = (const char *)raw;
}

typedef struct Field {
        const char *name;
        size_t offset; /* of an uint64_t */
} Field;

static const Field numbers[] = {
        { "inode", offsetof(Node, inode) },   { "device_id", offsetof(Node, device_id) },
        { "size", offsetof(Node, size) },     { "links", offsetof(Node, links) },
        { "device", offsetof(Node, device) },
};

static bool read_number(Pull *pull, const char *key, Node *node) {
        FOREACH_ELEMENT (field, numbers)
                if (strcmp(field->name, key) == 0) {
                        *(uint64_t *)((uint8_t *)node + field->offset) = pull_unsigned(pull);
                        return true;
                }
        return false;
}

static void read_field(Pull *pull, const char *key, Arena *arena, Node *node) {
        if (strcmp(key, "name") == 0)
                node->name = read_name(pull, arena);
        else if (strcmp(key, "type") == 0)
                node->type = read_type(pull);
        else if (strcmp(key, "mode") == 0)
                node->mode = mode_from_go(pull_unsigned(pull));
        else if (strcmp(key, "mtime") == 0)
                read_time(pull, &node->mtime);
        else if (strcmp(key, "atime") == 0)
                read_time(pull, &node->atime);
        else if (strcmp(key, "ctime") == 0)
                read_time(pull, &node->ctime);
        else if (strcmp(key, "uid") == 0)
                node->uid = read_owner(pull);
        else if (strcmp(key, "gid") == 0)
                node->gid = read_owner(pull);
        else if (strcmp(key, "user") == 0)
                node->user = read_text(pull, arena);
        else if (strcmp(key, "group") == 0)
                node->group = read_text(pull, arena);
        else if (strcmp(key, "linktarget") == 0)
                node->target = read_text(pull, arena);
        else if (strcmp(key, "linktarget_raw") == 0)
                read_raw_target(pull, arena, node);
        else if (strcmp(key, "extended_attributes") == 0)
                read_xattrs(pull, arena, node);
        else if (strcmp(key, "content") == 0)
                read_content(pull, arena, node);
        else if (strcmp(key, "subtree") == 0 && !pull_null(pull)) {
                read_id(pull, &node->subtree);
                node->has_subtree = true;
        } else if (strcmp(key, "subtree") != 0 && !read_number(pull, key, node)) {
                pull_skip(pull);
        }
}

static void read_node(Pull *pull, Arena *arena, Node *node) {
        char key[PULL_KEY_SIZE];

        *node = (Node){};
        pull_object(pull);
        while (pull_member(pull, key))
                read_field(pull, key, arena, node);
        if (!node->name)
                pull_refuse(pull);
}

int tree_decode(const void *text, size_t size, Tree *ret_tree) {
        _cleanup_tree_ Tree tree = {};
        char key[PULL_KEY_SIZE];
        size_t capacity = 0;
        Pull pull;
        int r;

        pull_init(&pull, text, size);
        pull_object(&pull);
        while (pull_member(&pull, key)) {
                if (strcmp(key, "nodes") != 0) {
                        pull_skip(&pull);
                        continue;
                }
                if (pull_null(&pull))
                        continue;
                pull_array(&pull);
                while (pull_item(&pull)) {
                        Node *node = add_node(&tree, &capacity);

                        if (!node)
                                return -ENOMEM;
                        read_node(&pull, &tree.arena, node);
                }
        }
        r = pull_end(&pull);
        if (r < 0)
                return r;
        *ret_tree = tree;
        tree = (Tree){};
        return 0;
}
