/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Trees, written
 */

#include <string.h>
#include <sys/stat.h>
#include "repository/go-text.h"
#include "repository/tree.h"

/* Go's os.FileMode above the permissions. */
#define GO_DIR (1u << 31)
#define GO_SYMLINK (1u << 27)
#define GO_DEVICE (1u << 26)
#define GO_FIFO (1u << 25)
#define GO_SOCKET (1u << 24)
#define GO_SETUID (1u << 23)
#define GO_SETGID (1u << 22)
#define GO_CHARDEV (1u << 21)
#define GO_STICKY (1u << 20)

static const struct {
        const char *name;
        mode_t mode;
        uint32_t go;
} types[] = {
        [NODE_UNKNOWN] = { "", 0, 0 },
        [NODE_FILE] = { "file", S_IFREG, 0 },
        [NODE_DIR] = { "dir", S_IFDIR, GO_DIR },
        [NODE_SYMLINK] = { "symlink", S_IFLNK, GO_SYMLINK },
        [NODE_DEV] = { "dev", S_IFBLK, GO_DEVICE },
        [NODE_CHARDEV] = { "chardev", S_IFCHR, GO_DEVICE | GO_CHARDEV },
        [NODE_FIFO] = { "fifo", S_IFIFO, GO_FIFO },
        [NODE_SOCKET] = { "socket", S_IFSOCK, GO_SOCKET },
};

const char *node_type_name(NodeType type) {
        return types[type].name;
}

NodeType node_type_from_mode(mode_t mode) {
        for (size_t i = 1; i < ELEMENTS(types); i++)
                if (types[i].mode == (mode & S_IFMT))
                        return (NodeType)i;
        return NODE_UNKNOWN;
}

mode_t node_type_mode(NodeType type) {
        return types[type].mode;
}

bool node_name_is_safe(const char *name) {
        return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

void tree_clear(Tree *tree) {
        free(tree->nodes);
        arena_clear(&tree->arena);
        *tree = (Tree){};
}

const Node *tree_find(const Tree *tree, const char *name) {
        size_t low = 0, high = tree->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(name, tree->nodes[middle].name);

                if (order == 0)
                        return &tree->nodes[middle];
                if (order < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return NULL;
}

static int append_json(Bytes *text, const char *before, const char *value) {
        int r = bytes_append_text(text, before);

        return r < 0 ? r : go_append_json(text, value, strlen(value));
}

static int append_time(Bytes *text, const char *before, const struct timespec *time) {
        int r = bytes_append_text(text, before);

        if (r == 0)
                r = go_append_time(text, time);
        return r < 0 ? r : bytes_append(text, "\"", 1);
}

static int append_number(Bytes *text, const char *before, uint64_t number) {
        char digits[24], *p = digits + sizeof(digits);
        int r = bytes_append_text(text, before);

        do
                *--p = (char)('0' + number % 10);
        while ((number /= 10) > 0);
        return r < 0 ? r : bytes_append(text, p, (size_t)(digits + sizeof(digits) - p));
}

static int append_optional(Bytes *text, const char *before, uint64_t number) {
        return number ? append_number(text, before, number) : 0;
}

static int append_name(Bytes *text, const char *name) {
        _cleanup_bytes_ Bytes quoted = {};
        int r = go_append_quoted(&quoted, name, strlen(name));

        if (r == 0)
                r = bytes_append_text(text, "{\"name\":");
        return r < 0 ? r : go_append_json(text, (const char *)quoted.data, quoted.size);
}

static bool is_utf8(const char *s) {
        size_t size = strlen(s);
        uint32_t rune = 0;

        for (size_t i = 0; i < size && rune != UINT32_MAX;)
                i += go_decode_rune(s + i, size - i, &rune);
        return rune != UINT32_MAX;
}

static int append_target(Bytes *text, const char *target) {
        int r = append_json(text, ",\"linktarget\":", target);

        if (r < 0 || is_utf8(target))
                return r;
        r = bytes_append_text(text, ",\"linktarget_raw\":\"");
        if (r == 0)
                r = go_append_base64(text, target, strlen(target));
        return r < 0 ? r : bytes_append(text, "\"", 1);
}

static int append_xattrs(Bytes *text, const Node *node) {
        int r = bytes_append_text(text, ",\"extended_attributes\":[");

        for (size_t i = 0; r == 0 && i < node->n_xattrs; i++) {
                r = append_json(text, i > 0 ? ",{\"name\":" : "{\"name\":", node->xattrs[i].name);
                if (r == 0)
                        r = bytes_append_text(text, ",\"value\":\"");
                if (r == 0)
                        r = go_append_base64(text, node->xattrs[i].value, node->xattrs[i].size);
                if (r == 0)
                        r = bytes_append_text(text, "\"}");
        }
        return r < 0 ? r : bytes_append(text, "]", 1);
}

static int append_content(Bytes *text, const Node *node) {
        char id[BLOB_ID_TEXT + 3] = "";
        int r;

        if (node->type != NODE_FILE || node->content_missing)
                return bytes_append_text(text, ",\"content\":null");
        r = bytes_append_text(text, ",\"content\":[");
        for (size_t i = 0; r == 0 && i < node->n_content; i++) {
                (void)blob_id_text(&node->content[i], id);
                r = bytes_append_text(text, i > 0 ? ",\"" : "\"");
                if (r == 0)
                        r = bytes_append(text, id, BLOB_ID_TEXT - 1);
                if (r == 0)
                        r = bytes_append(text, "\"", 1);
        }
        return r < 0 ? r : bytes_append(text, "]", 1);
}

static uint32_t go_mode(const Node *node) {
        return (node->mode & 0777) | types[node->type].go | (node->mode & S_ISUID ? GO_SETUID : 0) |
               (node->mode & S_ISGID ? GO_SETGID : 0) | (node->mode & S_ISVTX ? GO_STICKY : 0);
}

/* Up to the inode: what every node has. */
static int append_common(Bytes *text, const Node *node) {
        int r = append_name(text, node->name);

        if (r == 0)
                r = append_json(text, ",\"type\":", node_type_name(node->type));
        if (r == 0)
                r = append_optional(text, ",\"mode\":", go_mode(node));
        if (r == 0)
                r = append_time(text, ",\"mtime\":\"", &node->mtime);
        if (r == 0)
                r = append_time(text, ",\"atime\":\"", &node->atime);
        if (r == 0)
                r = append_time(text, ",\"ctime\":\"", &node->ctime);
        if (r == 0)
                r = append_number(text, ",\"uid\":", node->uid);
        if (r == 0)
                r = append_number(text, ",\"gid\":", node->gid);
        if (r == 0 && node->user && *node->user)
                r = append_json(text, ",\"user\":", node->user);
        if (r == 0 && node->group && *node->group)
                r = append_json(text, ",\"group\":", node->group);
        if (r == 0)
                r = append_optional(text, ",\"inode\":", node->inode);
        return r < 0 ? r : append_optional(text, ",\"device_id\":", node->device_id);
}

static int append_node(Bytes *text, const Node *node) {
        char id[BLOB_ID_TEXT];
        int r = append_common(text, node);

        if (r == 0)
                r = append_optional(text, ",\"size\":", node->size);
        if (r == 0)
                r = append_optional(text, ",\"links\":", node->links);
        if (r == 0 && node->target && *node->target)
                r = append_target(text, node->target);
        if (r == 0 && node->n_xattrs > 0)
                r = append_xattrs(text, node);
        if (r == 0)
                r = append_optional(text, ",\"device\":", node->device);
        if (r == 0)
                r = append_content(text, node);
        if (r == 0 && node->has_subtree) {
                (void)blob_id_text(&node->subtree, id);
                r = append_json(text, ",\"subtree\":", id);
        }
        return r < 0 ? r : bytes_append(text, "}", 1);
}

int tree_encode(const Node *nodes, size_t n, Bytes *text) {
        int r = bytes_append_text(text, "{\"nodes\":[");

        for (size_t i = 0; r == 0 && i < n; i++) {
                if (i > 0 && strcmp(nodes[i - 1].name, nodes[i].name) >= 0)
                        return -EINVAL;
                if (i > 0)
                        r = bytes_append(text, ",", 1);
                if (r == 0)
                        r = append_node(text, &nodes[i]);
        }
        return r < 0 ? r : bytes_append_text(text, "]}\n");
}
