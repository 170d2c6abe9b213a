/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On top of what a backup goes
 *
 * Points of the same host and paths belong together. A full backup compares with nothing; a differential one
 * with the last full; others with the last point. Logs have few files, and are compared with by logs alone.
 * One of a time that is not yet is the last one only where there is no other: it would be that for years.
 */

#include <string.h>
#include "vss/archiver-internal.h"
#include "vss/metadata.h"
#include "vss/options.h"
#include "vss/output.h"

#define TYPE_TAG "vss-type:"

static bool same_paths(const Snapshot *point, const Strings *paths) {
        for (size_t i = 0; i < paths->n; i++) {
                bool found = false;

                for (size_t j = 0; j < point->paths.n; j++)
                        found |= strcmp(point->paths.items[j], paths->items[i]) == 0;
                if (!found)
                        return false;
        }
        return point->paths.n == paths->n;
}

/* Points of others, and our own of old, have no type: they are whole, and no full of a series. */
static enum vss_backup_type type_of(const Snapshot *point) {
        enum vss_backup_type type = VSS_BT_COPY;

        for (size_t i = 0; i < point->tags.n; i++)
                if (strncmp(point->tags.items[i], TYPE_TAG, strlen(TYPE_TAG)) == 0)
                        (void)backup_type_from_name(point->tags.items[i] + strlen(TYPE_TAG), &type);
        return type;
}

#define BIT(type) (1u << (type))
#define WHOLE_TYPES \
        (BIT(VSS_BT_FULL) | BIT(VSS_BT_INCREMENTAL) | BIT(VSS_BT_DIFFERENTIAL) | BIT(VSS_BT_COPY))
#define ALL_TYPES (WHOLE_TYPES | BIT(VSS_BT_LOG))

/* The last one of these types; @ret_passed: what stands behind it, ahead of the clock. */
static const Snapshot *find_last_but(const ArchiverChild *child, unsigned types,
                                     const Snapshot **ret_passed) {
        const SnapshotList *points = &child->points;
        const Snapshot *ahead = NULL;

        for (size_t i = points->n; i > 0; i--) {
                const Snapshot *point = &points->items[i - 1];

                if (!(types & BIT(type_of(point))) || strcmp(point->hostname, child->job->host) != 0 ||
                    !same_paths(point, &child->job->point_paths))
                        continue;
                if (!snapshot_is_ahead(point)) {
                        *ret_passed = ahead;
                        return point;
                }
                ahead = ahead ?: point;
        }
        *ret_passed = NULL;
        return ahead;
}

static const Snapshot *find_last(const ArchiverChild *child, unsigned types) {
        const Snapshot *ignored;

        return find_last_but(child, types, &ignored);
}

static void note_passed(const ArchiverChild *child) {
        const Snapshot *passed = NULL;
        char id[BLOB_ID_TEXT], date[DATE_SIZE];

        (void)find_last_but(child, ALL_TYPES, &passed);
        if (passed)
                cli_note("point %.8s is of %s, which is not yet: it is not taken for the last one; if a "
                         "clock was wrong, vss forget %.8s takes it away, and a full backup begins anew",
                         blob_id_text(&passed->id, id),
                         format_date((int64_t)passed->time.tv_sec * 1000000, date), id);
}

void archiver_choose_parent(ArchiverChild *child) {
        enum vss_backup_type type = child->job->options->backup.type;

        note_passed(child);
        if (type == VSS_BT_DIFFERENTIAL || type == VSS_BT_LOG)
                child->base = find_last(child, BIT(VSS_BT_FULL));
        if (child->job->options->force || type == VSS_BT_FULL)
                return;
        if (type == VSS_BT_DIFFERENTIAL)
                child->parent = child->base;
        else
                child->parent = find_last(child, type == VSS_BT_LOG ? ALL_TYPES : WHOLE_TYPES);
}

/* A point that holds about as much as this one will, for who wants to know how far it has come. */
const Snapshot *archiver_find_like(const ArchiverChild *child) {
        return find_last(child,
                         child->job->options->backup.type == VSS_BT_LOG ? BIT(VSS_BT_LOG) : WHOLE_TYPES);
}

/* Whose stamps this backup's writers get. */
static const Snapshot *find_stamped(const ArchiverChild *child) {
        switch (child->job->options->backup.type) {
        case VSS_BT_DIFFERENTIAL:
                return child->base;
        case VSS_BT_INCREMENTAL:
                return find_last(child, BIT(VSS_BT_FULL) | BIT(VSS_BT_INCREMENTAL));
        case VSS_BT_LOG:
                return find_last(child, BIT(VSS_BT_FULL) | BIT(VSS_BT_INCREMENTAL) | BIT(VSS_BT_LOG));
        default:
                return NULL;
        }
}

static int load_content(ArchiverChild *child, const Node *node, Bytes *text, Why *why) {
        int r = node->size > METADATA_DOCUMENT_MAX / 2 ? -EFBIG : 0;

        for (size_t i = 0; r == 0 && i < node->n_content; i++) {
                _cleanup_bytes_ Bytes plain = {};

                r = repo_load_blob(child->repo, BLOB_DATA, &node->content[i], &plain, why);
                if (r == 0 && plain.size > METADATA_DOCUMENT_MAX / 2 - text->size)
                        r = -EFBIG;
                if (r == 0)
                        r = bytes_append(text, plain.data, plain.size);
        }
        return r < 0 ? r : bytes_append(text, "", 1);
}

/* 0 with nothing in @text: there is no such file. */
static int load_file(ArchiverChild *child, const BlobId *root, const char *const *names, Bytes *text,
                     Why *why) {
        _cleanup_tree_ Tree tree = {};
        int r = repo_load_tree(child->repo, root, &tree, why);
        const Node *node = r == 0 ? tree_find(&tree, names[0]) : NULL;

        if (!node)
                return r;
        if (!names[1])
                return node->type == NODE_FILE ? load_content(child, node, text, why) : 0;
        return node->has_subtree ? load_file(child, &node->subtree, names + 1, text, why) : 0;
}

char *archiver_load_document(ArchiverChild *child) {
        static const char *const names[] = { POINT_DIRECTORY, "documents", "BCDocument.xml", NULL };
        const Snapshot *point = find_stamped(child);
        Bytes text = {};
        Why why = {};
        int r = point ? load_file(child, &point->tree, names, &text, &why) : 0;

        if (r == 0)
                return (char *)text.data;
        cli_note("the writers are not told of their last backup: its document cannot be read: %s",
                 *why.text ? why.text : strerror(-r));
        bytes_clear(&text);
        return NULL;
}
