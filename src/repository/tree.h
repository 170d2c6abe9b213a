/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Trees: what a directory holds, as the JSON that names it
 *
 * Encoded exactly as restic's Go does: fields, order, escapes, the newline at the end. Nodes stand in the
 * order of the bytes of their names.
 */

#include <sys/types.h>
#include <time.h>
#include "repository/blob-id.h"
#include "repository/bytes.h"

typedef enum NodeType {
        NODE_UNKNOWN,
        NODE_FILE,
        NODE_DIR,
        NODE_SYMLINK,
        NODE_DEV,
        NODE_CHARDEV,
        NODE_FIFO,
        NODE_SOCKET,
} NodeType;

typedef struct NodeXattr {
        const char *name;
        const uint8_t *value;
        size_t size;
} NodeXattr;

typedef struct Node {
        const char *name;
        NodeType type;
        uint32_t mode; /* permissions with set-id and sticky bits, as chmod(2) takes them */
        struct timespec mtime, atime, ctime;
        uint32_t uid, gid;
        const char *user, *group; /* NULL: not known */
        uint64_t inode, device_id, size, links;
        const char *target;
        uint64_t device; /* of a device node */
        size_t n_xattrs;
        NodeXattr *xattrs;
        size_t n_content;
        const BlobId *content;
        bool has_subtree;
        bool content_missing; /* of a file: null where a list has to be */
        BlobId subtree;
} Node;

typedef struct Tree {
        Node *nodes; /* allocated */
        size_t n;
        Arena arena; /* what they point at */
} Tree;

void tree_clear(Tree *tree);
#define _cleanup_tree_ _cleanup_(tree_clear)

/* Nodes in the order of their names, each name once: -EINVAL otherwise. Appended. */
int tree_encode(const Node *nodes, size_t n, Bytes *text);
/* -EBADMSG for what is no tree. Names may be anything but empty; see node_name_is_safe(). */
int tree_decode(const void *text, size_t size, Tree *ret_tree);
/* The node of a name in a tree that is in order; NULL. */
const Node *tree_find(const Tree *tree, const char *name);

/* May it be a name in a directory? Nobody else writes "..", but a hostile repository may. */
bool node_name_is_safe(const char *name);
const char *node_type_name(NodeType type);
/* From and to st_mode's type. 0 for what is none. */
NodeType node_type_from_mode(mode_t mode);
mode_t node_type_mode(NodeType type);
