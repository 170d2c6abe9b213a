/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which points of a repository are forgotten
 */

#include <string.h>
#include "vss/output.h"
#include "vss/retention.h"

int retention_parse_groups(const char *text, unsigned *ret_group_by) {
        static const struct {
                const char *name;
                unsigned group;
        } names[] = { { "host", GROUP_HOST }, { "paths", GROUP_PATHS }, { "tags", GROUP_TAGS } };
        unsigned group_by = 0;

        while (*text) {
                size_t n = strcspn(text, ",");
                unsigned found = 0;

                FOREACH_ELEMENT (name, names)
                        if (strlen(name->name) == n && strncmp(name->name, text, n) == 0)
                                found = name->group;
                if (found == 0)
                        return -EINVAL;
                group_by |= found;
                text += n;
                if (*text == ',' && *++text == '\0')
                        return -EINVAL;
        }
        *ret_group_by = group_by;
        return 0;
}

static bool has_all_tags(const Snapshot *a, const Snapshot *b) {
        static const char *const named[] = { TAG_TYPE, TAG_TASK };

        FOREACH_ELEMENT (name, named)
                if (strcmp(point_tag(a, *name) ?: "", point_tag(b, *name) ?: "") != 0)
                        return false;
        for (size_t i = 0; i < a->tags.n; i++) {
                bool found = point_tag_is_ours(a->tags.items[i]);

                for (size_t j = 0; j < b->tags.n && !found; j++)
                        found = strcmp(a->tags.items[i], b->tags.items[j]) == 0;
                if (!found)
                        return false;
        }
        return true;
}

static bool same_group(const Retention *retention, const Snapshot *a, const Snapshot *b) {
        Snapshot by_paths = *a;

        if (retention->group_by & GROUP_HOST && strcmp(a->hostname, b->hostname) != 0)
                return false;
        by_paths.hostname = b->hostname;
        if (retention->group_by & GROUP_PATHS && !keep_is_same_group(&by_paths, b))
                return false;
        return !(retention->group_by & GROUP_TAGS) || (has_all_tags(a, b) && has_all_tags(b, a));
}

/* The group of the point @newest, which is the newest of it. */
static int apply_group(const Retention *retention, const SnapshotList *points, size_t newest, bool *done,
                       Decision *decisions) {
        _cleanup_(freep) const Snapshot **group = calloc(points->n, sizeof(*group));
        _cleanup_(freep) bool *keep = calloc(points->n, sizeof(*keep));
        size_t n = 0;

        if (!group || !keep)
                return -ENOMEM;
        for (size_t i = newest + 1; i > 0; i--)
                if (!done[i - 1] && point_fits(&points->items[i - 1], &retention->filter) &&
                    same_group(retention, &points->items[newest], &points->items[i - 1])) {
                        group[n++] = &points->items[i - 1];
                        done[i - 1] = true;
                }
        keep_apply(&retention->rules, group, n, keep);
        for (size_t i = 0; i < n; i++) {
                char id[BLOB_ID_TEXT];

                decisions[group[i] - points->items].forget = !keep[i] &&
                                                             (!retention->protected ||
                                                              strcmp(blob_id_text(&group[i]->id, id),
                                                                     retention->protected) != 0);
        }
        return 0;
}

int retention_choose(const Retention *retention, const SnapshotList *points, Decision *ret_decisions) {
        _cleanup_(freep) bool *done = calloc(points->n + 1, sizeof(*done));

        if (!done)
                return -ENOMEM;
        for (size_t i = 0; i < points->n; i++) {
                done[i] = snapshot_is_ahead(&points->items[i]);
                ret_decisions[i] = (Decision){ .ahead = done[i] &&
                                                        point_fits(&points->items[i], &retention->filter) };
        }
        for (size_t i = points->n; i > 0; i--)
                if (!done[i - 1] && point_fits(&points->items[i - 1], &retention->filter) &&
                    apply_group(retention, points, i - 1, done, ret_decisions) < 0)
                        return -ENOMEM;
        retention_keep_bases(points, ret_decisions);
        return 0;
}

static bool is_log(const Snapshot *point) {
        const char *type = point_tag(point, TAG_TYPE);

        return type && strcmp(type, "log") == 0;
}

/* Is @other, which is older, what the log @point goes on from, or its base? */
static bool needs(const Snapshot *point, const char *base, const Snapshot *other) {
        char id[BLOB_ID_TEXT];
        const char *others;

        if (strcmp(blob_id_text(&other->id, id), base) == 0)
                return true;
        others = is_log(other) ? point_tag(other, TAG_BASE) : NULL;
        return others && strcmp(others, base) == 0 && keep_is_same_group(point, other);
}

void retention_keep_bases(const SnapshotList *points, Decision *decisions) {
        for (size_t i = points->n; i > 0; i--) {
                const Snapshot *point = &points->items[i - 1];
                const char *base = is_log(point) ? point_tag(point, TAG_BASE) : NULL;

                if (!base || decisions[i - 1].forget)
                        continue;
                for (size_t j = i - 1; j > 0; j--)
                        if (decisions[j - 1].forget && needs(point, base, &points->items[j - 1]))
                                decisions[j - 1] = (Decision){ .needed_by = point };
        }
}

void retention_note_ahead(const SnapshotList *points, const Decision *decisions) {
        for (size_t i = 0; i < points->n; i++) {
                char id[BLOB_ID_TEXT], date[DATE_SIZE];

                if (decisions[i].ahead)
                        cli_note("point %.8s is of %s, which is not yet: it is kept, and no rule counts it; "
                                 "if a clock was wrong, vss forget %.8s takes it away",
                                 blob_id_text(&points->items[i].id, id),
                                 format_date((int64_t)points->items[i].time.tv_sec * 1000000, date), id);
        }
}

int retention_apply(Cli *cli, Repository *repo, RepoLock *lock, const SnapshotList *points,
                    const Decision *decisions) {
        Backend *backend = repo->backend;

        for (size_t i = points->n; i > 0; i--) {
                Why why = {};
                int r;

                if (!decisions[i - 1].forget)
                        continue;
                if (interrupt_pending())
                        return cli_fail(cli, VSS_S_ASYNC_CANCELLED);
                r = repo_lock_check(lock, &why);
                if (r == 0)
                        r = backend->ops->remove(backend, STORE_SNAPSHOT, &points->items[i - 1].id, &why);
                if (r < 0)
                        return cli_fail_repository(cli, r, &why);
        }
        return EXIT_DONE;
}
