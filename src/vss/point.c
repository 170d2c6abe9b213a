/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is said of a point, and which of many are meant
 */

#include <string.h>
#include <strings.h>
#include "repository/go-text.h"
#include "repository/keep.h"
#include "vss/output.h"
#include "vss/point.h"

static const char *const ours[] = { TAG_TYPE, TAG_SET, TAG_SESSION, TAG_BASE, TAG_TASK };

static const char *value_of(const char *tag, const char *name) {
        size_t n = strlen(name);

        return strncmp(tag, name, n) == 0 && tag[n] == ':' ? tag + n + 1 : NULL;
}

const char *point_tag(const Snapshot *point, const char *name) {
        for (size_t i = 0; i < point->tags.n; i++) {
                const char *value = value_of(point->tags.items[i], name);

                if (value)
                        return value;
        }
        return NULL;
}

bool point_tag_is_ours(const char *tag) {
        FOREACH_ELEMENT (name, ours)
                if (value_of(tag, *name))
                        return true;
        return false;
}

int point_filter_check(Cli *cli, const PointFilter *filter) {
        enum vss_backup_type type;

        if (filter->type && !backup_type_from_name(filter->type, &type))
                return cli_usage(
                        cli, "--type: '%s' is no backup type (full, differential, incremental, copy, log)",
                        filter->type);
        return EXIT_DONE;
}

bool point_filter_is_empty(const PointFilter *filter) {
        return !filter->host && !filter->path && !filter->tag && !filter->type && !filter->task &&
               filter->latest == 0;
}

static bool has_string(const SnapshotStrings *strings, const char *wanted) {
        for (size_t i = 0; i < strings->n; i++)
                if (strcmp(strings->items[i], wanted) == 0)
                        return true;
        return false;
}

static bool has_tag(const Snapshot *point, const char *name, const char *wanted) {
        const char *value = point_tag(point, name);

        return value && strcasecmp(value, wanted) == 0;
}

bool point_fits(const Snapshot *point, const PointFilter *filter) {
        return (!filter->host || strcmp(filter->host, point->hostname) == 0) &&
               (!filter->path || has_string(&point->paths, filter->path)) &&
               (!filter->tag || has_string(&point->tags, filter->tag)) &&
               (!filter->type || has_tag(point, TAG_TYPE, filter->type)) &&
               (!filter->task || has_tag(point, TAG_TASK, filter->task));
}

static bool same_task(const Snapshot *a, const Snapshot *b) {
        return strcmp(point_tag(a, TAG_TASK) ?: "", point_tag(b, TAG_TASK) ?: "") == 0;
}

void points_choose(const SnapshotList *points, const PointFilter *filter, bool *ret_shown) {
        for (size_t i = points->n; i > 0; i--) {
                const Snapshot *point = &points->items[i - 1];
                uint32_t newer = 0;

                ret_shown[i - 1] = point_fits(point, filter);
                for (size_t j = i; ret_shown[i - 1] && filter->latest > 0 && j < points->n; j++)
                        if (ret_shown[j] && same_task(point, &points->items[j]) &&
                            keep_is_same_group(point, &points->items[j]) && ++newer == filter->latest)
                                ret_shown[i - 1] = false;
        }
}

void point_note_ahead(const Snapshot *point, const char *name) {
        char id[BLOB_ID_TEXT], date[DATE_SIZE];

        if (strcmp(name, "latest") == 0 && snapshot_is_ahead(point))
                cli_note("the latest point, %.8s, is of %s, which is not yet: a clock was wrong, or this "
                         "machine's is; if that is not the one that is meant, name one of those that vss points shows",
                         blob_id_text(&point->id, id),
                         format_date((int64_t)point->time.tv_sec * 1000000, date));
}

int point_set_time(vss_value *dict, const char *key, const struct timespec *time) {
        _cleanup_bytes_ Bytes text = {};

        return go_append_time(&text, time) < 0 || bytes_append(&text, "", 1) < 0 ||
                               vss_value_set_string(dict, key, (const char *)text.data) < 0
                       ? -ENOMEM
                       : 0;
}
