/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a commit costs
 */

#include <string.h>
#include "providers/reflink/cost.h"

/* Measured with XFS: what sharing one file's extents takes, and making it with all that belongs to it; an extent. */
#define CLONE_USEC 6u
#define FILE_USEC 30u
#define EXTENT_USEC 5u
/* The machine at hand may be slower, so many times at most: beyond that it is only busy at the moment. */
#define FACTOR_MAX 3u
/* So much must have been done to tell. */
#define MEASURED_USEC 1000u
/* A commit looks through everything twice. */
#define LOOKS 2u

static int parse_limit(const char *value, uint64_t *ret_usec) {
        uint64_t usec;

        if (conf_duration(value, COST_LIMIT_MAX, &usec) < 0 || usec == 0)
                return -EINVAL;
        *ret_usec = usec;
        return 0;
}

static int parse_entry(const ConfEntry *entry, CostSettings *settings) {
        if (strcmp(entry->key, "CommitLimit") == 0)
                return parse_limit(entry->value, &settings->commit_usec);
        if (strcmp(entry->key, "PrepareLimit") == 0)
                return parse_limit(entry->value, &settings->prepare_usec);
        if (strcmp(entry->key, "ChangedWithin") == 0)
                return conf_duration(entry->value, UINT64_C(86400000000), &settings->recent_usec);
        if (strcmp(entry->key, "Workers") == 0)
                return conf_number(entry->value, TREE_WORKERS_MAX, &settings->workers);
        return -ENOENT;
}

int cost_settings_read(const char *path, ConfError *error, CostSettings *ret_settings) {
        _cleanup_conf_ Conf *conf = NULL;
        CostSettings settings = COST_SETTINGS_INIT;
        int r;

        r = conf_read(path, error, &conf);
        if (r < 0 && r != -ENOENT)
                return r;
        for (size_t i = 0; conf && i < conf->n_sections; i++) {
                const ConfSection *section = &conf->sections[i];

                for (size_t k = 0; k < section->n_entries; k++) {
                        const ConfEntry *entry = &section->entries[k];

                        r = parse_entry(entry, &settings);
                        if (r == 0)
                                continue;
                        error->line = entry->line;
                        (void)snprintf(error->message, sizeof(error->message),
                                       r == -ENOENT ? "unknown key %.40s (%.40s)" : "%.40s cannot be \"%.40s\"",
                                       entry->key, entry->value);
                        return -EBADMSG;
                }
        }
        *ret_settings = settings;
        return 0;
}

unsigned cost_workers(const CostSettings *settings) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);

        if (settings->workers > 0)
                return (unsigned)settings->workers;
        return processors < 1 ? 1 : (unsigned)MIN(processors, (long)TREE_WORKERS_MAX);
}

uint64_t cost_estimate(const TreeFacts *prepared, const TreeFacts *looked) {
        uint64_t expected = prepared->cloned_files * CLONE_USEC + prepared->cloned_extents * EXTENT_USEC;
        uint64_t work = looked->recent_files * FILE_USEC + looked->recent_extents * EXTENT_USEC;

        if (expected >= MEASURED_USEC && prepared->clone_usec > expected)
                work = MIN(work * FACTOR_MAX, work * (prepared->clone_usec / 100) / (expected / 100));
        return LOOKS * looked->took_usec + work;
}
