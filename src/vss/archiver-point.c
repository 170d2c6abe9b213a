/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The point of a backup
 */

#include <pwd.h>
#include <stdarg.h>
#include "config.h"
#include "vss/archiver-internal.h"

static int _printf_(2, 3) add_tag(Snapshot *point, const char *format, ...) {
        _cleanup_(freep) char *tag = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&tag, format, args) < 0)
                tag = NULL;
        va_end(args);
        return tag ? snapshot_add_string(point, &point->tags, tag) : -ENOMEM;
}

/* Restic drops fields that it does not know, and keeps tags. */
static int add_tags(const ArchiverChild *child, Snapshot *point) {
        const RepositoryBackupOptions *o = child->job->options;
        const char *set = vss_value_get_string(child->order, "set", ""),
                   *session = vss_value_get_string(child->order, "session", "");
        char id[BLOB_ID_TEXT];
        int r = 0;

        for (size_t i = 0; r == 0 && i < o->tags.n; i++)
                r = snapshot_add_string(point, &point->tags, o->tags.items[i]);
        if (r == 0)
                r = add_tag(point, "vss-type:%s", backup_type_name(o->backup.type));
        if (r == 0 && *set)
                r = add_tag(point, "vss-set:%s", set);
        if (r == 0 && *session)
                r = add_tag(point, "vss-session:%s", session);
        if (r == 0 && child->base)
                r = add_tag(point, "vss-base:%s", blob_id_text(&child->base->id, id));
        if (r == 0 && o->task)
                r = add_tag(point, "vss-task:%s", o->task);
        return r;
}

static SnapshotSummary summarize(const ArchiverChild *child) {
        const ArchiveCounts *counts = &child->counts;
        SnapshotSummary summary = {
                .there = true,
                .start = child->begun,
                .files_new = counts->files_new,
                .files_changed = counts->files_changed,
                .files_unmodified = counts->files_unmodified,
                .dirs_new = counts->dirs_new,
                .dirs_changed = counts->dirs_changed,
                .dirs_unmodified = counts->dirs_unmodified,
                .data_blobs = child->stored.data_blobs,
                .tree_blobs = child->stored.tree_blobs,
                .data_added = child->stored.added,
                .data_added_packed = child->stored.stored,
                .total_files = counts->files,
                .total_bytes = counts->bytes,
        };

        (void)clock_gettime(CLOCK_REALTIME, &summary.end);
        return summary;
}

static int fill_point(const ArchiverChild *child, Snapshot *point) {
        const ArchiverJob *job = child->job;
        struct passwd *user = getpwuid(geteuid());
        int r = 0;

        point->time = child->begun;
        point->tree = child->tree;
        point->hostname = job->host;
        point->username = user ? user->pw_name : "";
        point->uid = getuid();
        point->gid = getgid();
        point->program = "linuxvss " LINUXVSS_VERSION;
        point->has_parent = child->parent;
        if (child->parent)
                point->parent = child->parent->id;
        for (size_t i = 0; r == 0 && i < job->point_paths.n; i++)
                r = snapshot_add_string(point, &point->paths, job->point_paths.items[i]);
        for (size_t i = 0; r == 0 && i < job->options->excludes.n; i++)
                r = snapshot_add_string(point, &point->excludes, job->options->excludes.items[i]);
        if (r == 0)
                r = add_tags(child, point);
        point->summary = summarize(child);
        return r;
}

int archiver_save_point(ArchiverChild *child, Why *why) {
        _cleanup_snapshot_ Snapshot point = {};
        _cleanup_bytes_ Bytes text = {};
        int r = fill_point(child, &point);

        if (r == 0)
                r = snapshot_encode(&point, &text);
        if (r == 0)
                r = repo_lock_check(child->lock, why);
        return r < 0 ? r
                     : repo_save_file(child->repo, STORE_SNAPSHOT, text.data, text.size, &child->point, why);
}

static int set_id(vss_value *value, const char *key, const Snapshot *point) {
        char id[BLOB_ID_TEXT];

        return point ? vss_value_set_string(value, key, blob_id_text(&point->id, id)) : 0;
}

vss_value *archiver_describe_point(const ArchiverChild *child) {
        _cleanup_value_ vss_value *value = vss_value_new_dict();
        const ArchiveCounts *counts = &child->counts;
        const StoreCounts *stored = &child->stored, *sources = &child->before_late;
        char id[BLOB_ID_TEXT];

        if (vss_value_set_string(value, "point", blob_id_text(&child->point, id)) < 0 ||
            vss_value_set_string(value, "backup-type", backup_type_name(child->job->options->backup.type)) <
                    0 ||
            set_id(value, "parent", child->parent) < 0 || set_id(value, "base", child->base) < 0 ||
            vss_value_set_integer(value, "files", (int64_t)counts->files) < 0 ||
            vss_value_set_integer(value, "files-new", (int64_t)counts->files_new) < 0 ||
            vss_value_set_integer(value, "files-changed", (int64_t)counts->files_changed) < 0 ||
            vss_value_set_integer(value, "files-unmodified", (int64_t)counts->files_unmodified) < 0 ||
            vss_value_set_integer(value, "bytes", (int64_t)counts->bytes) < 0 ||
            vss_value_set_integer(value, "bytes-added", (int64_t)stored->added) < 0 ||
            vss_value_set_integer(value, "bytes-stored", (int64_t)stored->stored) < 0 ||
            vss_value_set_integer(value, "data-blobs", (int64_t)stored->data_blobs) < 0 ||
            vss_value_set_integer(value, "tree-blobs", (int64_t)stored->tree_blobs) < 0 ||
            vss_value_set_integer(value, "source-data-blobs", (int64_t)sources->data_blobs) < 0 ||
            vss_value_set_integer(value, "source-tree-blobs", (int64_t)sources->tree_blobs) < 0)
                return NULL;
        return TAKE_PTR(value);
}
