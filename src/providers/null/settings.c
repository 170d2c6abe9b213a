/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the null provider makes
 */

#include <linuxvss/provider.h>
#include <string.h>
#include "providers/null/settings.h"

static int parse_hold(const char *value, enum vss_hold *ret_hold) {
        static const struct {
                const char *name;
                enum vss_hold hold;
        } holds[] = {
                { "none", VSS_HOLD_NONE },
                { "writers", VSS_HOLD_WRITERS },
                { "filesystem", VSS_HOLD_FILESYSTEM },
                { "device", VSS_HOLD_DEVICE },
        };

        FOREACH_ELEMENT (h, holds) {
                if (strcmp(value, h->name) == 0) {
                        *ret_hold = h->hold;
                        return 0;
                }
        }
        return -EINVAL;
}

static int parse_copy(const char *value, bool *ret_copies_files) {
        if (strcmp(value, "bind") != 0 && strcmp(value, "files") != 0)
                return -EINVAL;
        *ret_copies_files = strcmp(value, "files") == 0;
        return 0;
}

static int parse_text(const char *value, char *ret_text, size_t size) {
        if (!*value || strlen(value) >= size)
                return -EINVAL;
        (void)memcpy(ret_text, value, strlen(value) + 1);
        return 0;
}

static int parse_id(const char *value, char ret_id[static VSS_ID_SIZE]) {
        if (strlen(value) != VSS_ID_SIZE - 1)
                return -EINVAL;
        (void)memcpy(ret_id, value, VSS_ID_SIZE);
        return 0;
}

static int parse_entry(const ConfEntry *entry, NullSettings *config) {
        if (strcmp(entry->key, "Hold") == 0)
                return parse_hold(entry->value, &config->hold);
        if (strcmp(entry->key, "Copy") == 0)
                return parse_copy(entry->value, &config->copies_files);
        if (strcmp(entry->key, "Instant") == 0)
                return conf_boolean(entry->value, &config->one_instant);
        if (strcmp(entry->key, "InUse") == 0)
                return conf_boolean(entry->value, &config->in_use);
        if (strcmp(entry->key, "MaximumSnapshots") == 0)
                return conf_number(entry->value, VSS_PROVIDER_SNAPSHOTS_MAX, &config->max_snapshots);
        if (strcmp(entry->key, "Revert") == 0)
                return conf_number(entry->value, 100, &config->reverted_percent);
        if (strcmp(entry->key, "Lun") == 0)
                return parse_text(entry->value, config->lun, sizeof(config->lun));
        if (strcmp(entry->key, "Check") == 0)
                return conf_number(entry->value, 3600000, &config->check_millis);
        if (strcmp(entry->key, "Used") == 0)
                return conf_number(entry->value, INT64_MAX, &config->used);
        if (strcmp(entry->key, "Low") == 0)
                return conf_boolean(entry->value, &config->low);
        if (strcmp(entry->key, "Lost") == 0)
                return parse_id(entry->value, config->lost);
        if (strcmp(entry->key, "Dropped") == 0)
                return parse_id(entry->value, config->dropped);
        if (strcmp(entry->key, "Hidden") == 0)
                return parse_text(entry->value, config->hidden, sizeof(config->hidden));
        if (strcmp(entry->key, "BlockDevice") == 0)
                return parse_text(entry->value, config->block_device, sizeof(config->block_device));
        if (strcmp(entry->key, "Cut") == 0)
                return parse_text(entry->value, config->cut, sizeof(config->cut));
        if (strcmp(entry->key, "Gap") == 0)
                return parse_text(entry->value, config->gap, sizeof(config->gap));
        return -ENOENT;
}

int null_settings_read(const char *path, ConfError *error, NullSettings *ret_config) {
        _cleanup_conf_ Conf *conf = NULL;
        NullSettings config = { .hold = VSS_HOLD_NONE, .reverted_percent = 100 };
        int r;

        r = conf_read(path, error, &conf);
        if (r < 0 && r != -ENOENT)
                return r;
        for (size_t i = 0; conf && i < conf->n_sections; i++) {
                const ConfSection *section = &conf->sections[i];

                for (size_t k = 0; k < section->n_entries; k++) {
                        const ConfEntry *entry = &section->entries[k];

                        r = parse_entry(entry, &config);
                        if (r == 0)
                                continue;
                        error->line = entry->line;
                        (void)snprintf(error->message, sizeof(error->message),
                                       r == -ENOENT ? "unknown key %.40s (%.40s)"
                                                    : "%.40s cannot be \"%.40s\"",
                                       entry->key, entry->value);
                        return -EBADMSG;
                }
        }
        *ret_config = config;
        return 0;
}
