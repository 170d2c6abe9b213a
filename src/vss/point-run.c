/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What stands in a point about the backup that made it
 */

#include <string.h>
#include "vss/json.h"
#include "vss/point.h"

#define RUN_NAME "run.json"
#define RUN_MAX (64u << 20)

static int damaged(Why *why, const Snapshot *point, int error) {
        char id[BLOB_ID_TEXT];

        return repo_fail(why, error, "Point %.8s: what it says about its backup cannot be read.",
                         blob_id_text(&point->id, id));
}

static int load_content(Repository *repo, const Snapshot *point, const Node *node, Bytes *text, Why *why) {
        if (node->size > RUN_MAX)
                return damaged(why, point, -EBADMSG);
        for (size_t i = 0; i < node->n_content; i++) {
                _cleanup_bytes_ Bytes blob = {};
                int r = repo_load_blob(repo, BLOB_DATA, &node->content[i], &blob, why);

                if (r < 0)
                        return r == -ENOENT ? damaged(why, point, -EBADMSG) : r;
                if (text->size + blob.size > RUN_MAX)
                        return damaged(why, point, -EBADMSG);
                r = bytes_append(text, blob.data, blob.size);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int load_text(Repository *repo, const Snapshot *point, Bytes *text, Why *why) {
        _cleanup_tree_ Tree root = {}, directory = {};
        const Node *node;
        int r = repo_load_tree(repo, &point->tree, &root, why);

        if (r < 0)
                return r == -ENOENT ? damaged(why, point, -EBADMSG) : r;
        node = tree_find(&root, POINT_BACKUP_DIRECTORY);
        if (!node || !node->has_subtree)
                return -ENOENT;
        r = repo_load_tree(repo, &node->subtree, &directory, why);
        if (r < 0)
                return r == -ENOENT ? damaged(why, point, -EBADMSG) : r;
        node = tree_find(&directory, RUN_NAME);
        if (!node || node->type != NODE_FILE)
                return -ENOENT;
        return load_content(repo, point, node, text, why);
}

int point_load_run(Repository *repo, const Snapshot *point, vss_value **ret_run, Why *why) {
        _cleanup_bytes_ Bytes text = {};
        _cleanup_value_ vss_value *run = NULL;
        int r = load_text(repo, point, &text, why);

        if (r < 0)
                return r;
        r = json_to_value((const char *)text.data, text.size, &run);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || vss_value_kind(run) != VSS_KIND_DICT)
                return damaged(why, point, -EBADMSG);
        *ret_run = TAKE_PTR(run);
        return 0;
}

const char *point_run_result(const vss_value *run) {
        const vss_value *components = vss_value_get(run, "components");

        if (vss_value_count(vss_value_get(run, "failed")) > 0)
                return "partly";
        for (size_t i = 0; i < vss_value_count(components); i++)
                if (!vss_value_get_boolean(vss_value_at(components, i), "succeeded", true))
                        return "partly";
        return "done";
}
