/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Points
 */

#include <string.h>
#include "repository/go-text.h"
#include "repository/pull.h"
#include "repository/snapshot.h"

/* By so much the clocks of machines may differ. */
#define AHEAD_SECONDS 300

typedef struct Count {
        const char *name;
        size_t offset;
} Count;

/* In the order in which they are written. */
static const Count counts[] = {
        { "files_new", offsetof(SnapshotSummary, files_new) },
        { "files_changed", offsetof(SnapshotSummary, files_changed) },
        { "files_unmodified", offsetof(SnapshotSummary, files_unmodified) },
        { "dirs_new", offsetof(SnapshotSummary, dirs_new) },
        { "dirs_changed", offsetof(SnapshotSummary, dirs_changed) },
        { "dirs_unmodified", offsetof(SnapshotSummary, dirs_unmodified) },
        { "data_blobs", offsetof(SnapshotSummary, data_blobs) },
        { "tree_blobs", offsetof(SnapshotSummary, tree_blobs) },
        { "data_added", offsetof(SnapshotSummary, data_added) },
        { "data_added_packed", offsetof(SnapshotSummary, data_added_packed) },
        { "total_files_processed", offsetof(SnapshotSummary, total_files) },
        { "total_bytes_processed", offsetof(SnapshotSummary, total_bytes) },
};

void snapshot_clear(Snapshot *snapshot) {
        arena_clear(&snapshot->arena);
        *snapshot = (Snapshot){};
}

static int add_borrowed(Arena *arena, SnapshotStrings *strings, const char *string) {
        /* Powers of two are full. */
        if ((strings->n & (strings->n - 1)) == 0) {
                const char **items = arena_alloc(arena, MAX(strings->n * 2, (size_t)1) * sizeof(*items));

                if (!items)
                        return -ENOMEM;
                if (strings->n > 0)
                        memcpy(items, strings->items, strings->n * sizeof(*items));
                strings->items = items;
        }
        strings->items[strings->n++] = string;
        return 0;
}

int snapshot_add_string(Snapshot *snapshot, SnapshotStrings *strings, const char *string) {
        const char *copy = arena_copy(&snapshot->arena, string, strlen(string));

        return copy ? add_borrowed(&snapshot->arena, strings, copy) : -ENOMEM;
}

static const char *read_text(Pull *pull, Arena *arena) {
        const char *text = pull_string(pull, arena, NULL);

        return text ?: "";
}

static void read_time(Pull *pull, struct timespec *ret_time) {
        size_t n;
        const char *text = pull_plain(pull, &n);

        if (!pull->failed && go_parse_time(text, n, ret_time) < 0)
                pull_refuse(pull);
}

static void read_strings(Pull *pull, Arena *arena, SnapshotStrings *strings) {
        if (pull_null(pull))
                return;
        pull_array(pull);
        while (pull_item(pull))
                if (add_borrowed(arena, strings, read_text(pull, arena)) < 0)
                        pull_refuse(pull);
}

static bool read_id(Pull *pull, BlobId *ret_id) {
        size_t n;
        const char *text;

        if (pull_null(pull))
                return false;
        text = pull_plain(pull, &n);
        if (blob_id_parse(text, n, ret_id) < 0)
                pull_refuse(pull);
        return !pull->failed;
}

static uint32_t read_owner(Pull *pull) {
        uint64_t number = pull_unsigned(pull);

        if (number > UINT32_MAX)
                pull_refuse(pull);
        return (uint32_t)number;
}

static void read_summary(Pull *pull, SnapshotSummary *summary) {
        char key[PULL_KEY_SIZE];

        if (pull_null(pull))
                return;
        summary->there = true;
        pull_object(pull);
        while (pull_member(pull, key)) {
                const Count *found = NULL;

                FOREACH_ELEMENT (count, counts)
                        if (strcmp(count->name, key) == 0)
                                found = count;
                if (found)
                        *(uint64_t *)((uint8_t *)summary + found->offset) = pull_unsigned(pull);
                else if (strcmp(key, "backup_start") == 0)
                        read_time(pull, &summary->start);
                else if (strcmp(key, "backup_end") == 0)
                        read_time(pull, &summary->end);
                else
                        pull_skip(pull);
        }
}

typedef struct Found {
        bool time, tree;
} Found;

static void read_field(Pull *pull, const char *key, Snapshot *snapshot, Found *found) {
        if (strcmp(key, "time") == 0) {
                read_time(pull, &snapshot->time);
                found->time = true;
        } else if (strcmp(key, "tree") == 0) {
                found->tree = read_id(pull, &snapshot->tree);
        } else if (strcmp(key, "parent") == 0) {
                snapshot->has_parent = read_id(pull, &snapshot->parent);
        } else if (strcmp(key, "original") == 0) {
                snapshot->has_original = read_id(pull, &snapshot->original);
        } else if (strcmp(key, "paths") == 0) {
                read_strings(pull, &snapshot->arena, &snapshot->paths);
        } else if (strcmp(key, "excludes") == 0) {
                read_strings(pull, &snapshot->arena, &snapshot->excludes);
        } else if (strcmp(key, "tags") == 0) {
                read_strings(pull, &snapshot->arena, &snapshot->tags);
        } else if (strcmp(key, "hostname") == 0) {
                snapshot->hostname = read_text(pull, &snapshot->arena);
        } else if (strcmp(key, "username") == 0) {
                snapshot->username = read_text(pull, &snapshot->arena);
        } else if (strcmp(key, "program_version") == 0) {
                snapshot->program = read_text(pull, &snapshot->arena);
        } else if (strcmp(key, "uid") == 0) {
                snapshot->uid = read_owner(pull);
        } else if (strcmp(key, "gid") == 0) {
                snapshot->gid = read_owner(pull);
        } else if (strcmp(key, "summary") == 0) {
                read_summary(pull, &snapshot->summary);
        } else {
                pull_skip(pull);
        }
}

int snapshot_decode(const void *text, size_t size, Snapshot *ret_snapshot) {
        _cleanup_snapshot_ Snapshot snapshot = { .hostname = "", .username = "", .program = "" };
        char key[PULL_KEY_SIZE];
        Found found = {};
        Pull pull;

        pull_init(&pull, text, size);
        pull_object(&pull);
        while (pull_member(&pull, key))
                read_field(&pull, key, &snapshot, &found);
        if (pull_end(&pull) < 0 || !found.time || !found.tree)
                return -EBADMSG;
        *ret_snapshot = snapshot;
        snapshot = (Snapshot){};
        return 0;
}

static int append_strings(Bytes *text, const char *name, const SnapshotStrings *strings) {
        int r = strings->n > 0 ? bytes_printf(text, ",\"%s\":[", name) : 0;

        for (size_t i = 0; r == 0 && i < strings->n; i++) {
                if (i > 0)
                        r = bytes_append(text, ",", 1);
                if (r == 0)
                        r = go_append_json(text, strings->items[i], strlen(strings->items[i]));
        }
        return r < 0 || strings->n == 0 ? r : bytes_append(text, "]", 1);
}

static int append_text(Bytes *text, const char *name, const char *value) {
        int r;

        if (!value || !*value)
                return 0;
        r = bytes_printf(text, ",\"%s\":", name);
        return r < 0 ? r : go_append_json(text, value, strlen(value));
}

static int append_id(Bytes *text, const char *name, const BlobId *id, bool there) {
        char digits[BLOB_ID_TEXT];

        return there ? bytes_printf(text, ",\"%s\":\"%s\"", name, blob_id_text(id, digits)) : 0;
}

static int append_time(Bytes *text, const char *before, const struct timespec *time) {
        int r = bytes_append_text(text, before);

        if (r == 0)
                r = go_append_time(text, time);
        return r < 0 ? r : bytes_append(text, "\"", 1);
}

static int append_summary(Bytes *text, const SnapshotSummary *summary) {
        int r;

        if (!summary->there)
                return 0;
        r = append_time(text, ",\"summary\":{\"backup_start\":\"", &summary->start);
        if (r == 0)
                r = append_time(text, ",\"backup_end\":\"", &summary->end);
        FOREACH_ELEMENT (count, counts)
                if (r == 0)
                        r = bytes_printf(
                                text, ",\"%s\":%llu", count->name,
                                *(const unsigned long long *)((const uint8_t *)summary + count->offset));
        return r < 0 ? r : bytes_append(text, "}", 1);
}

bool snapshot_is_ahead(const Snapshot *snapshot) {
        return snapshot->time.tv_sec > time(NULL) + AHEAD_SECONDS;
}

int snapshot_encode(const Snapshot *snapshot, Bytes *text) {
        int r = append_time(text, "{\"time\":\"", &snapshot->time);

        if (r == 0)
                r = append_id(text, "parent", &snapshot->parent, snapshot->has_parent);
        if (r == 0)
                r = append_id(text, "tree", &snapshot->tree, true);
        if (r == 0)
                r = append_strings(text, "paths", &snapshot->paths);
        if (r == 0)
                r = append_text(text, "hostname", snapshot->hostname);
        if (r == 0)
                r = append_text(text, "username", snapshot->username);
        if (r == 0 && snapshot->uid)
                r = bytes_printf(text, ",\"uid\":%u", snapshot->uid);
        if (r == 0 && snapshot->gid)
                r = bytes_printf(text, ",\"gid\":%u", snapshot->gid);
        if (r == 0)
                r = append_strings(text, "excludes", &snapshot->excludes);
        if (r == 0)
                r = append_strings(text, "tags", &snapshot->tags);
        if (r == 0)
                r = append_id(text, "original", &snapshot->original, snapshot->has_original);
        if (r == 0)
                r = append_text(text, "program_version", snapshot->program);
        if (r == 0)
                r = append_summary(text, &snapshot->summary);
        return r < 0 ? r : bytes_append(text, "}", 1);
}
