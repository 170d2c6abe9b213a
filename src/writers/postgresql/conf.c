/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * /etc/linuxvss/postgresql.conf
 */

#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include "util/conf.h"
#include "writers/postgresql/cluster.h"

/*
 * A checkpoint writes and flushes all that has changed in memory, in one go: for seconds every client of the
 * machine's disks feels it. What it spares is some of the recovery, which takes seconds for that much of
 * log.
 */
#define CHECKPOINT_AUTO (UINT64_C(256) << 20)

void cluster_list_warn(ClusterList *list, const char *format, ...) {
        va_list args;

        if (list->n_warnings >= WARNINGS_MAX)
                return;
        va_start(args, format);
        (void)vsnprintf(list->warnings[list->n_warnings], sizeof(list->warnings[0]), format, args);
        va_end(args);
        if (text_is_clean(list->warnings[list->n_warnings]))
                list->n_warnings++;
}

void settings_clear(PgSettings *settings) {
        for (size_t i = 0; i < settings->n_directories; i++)
                free(settings->directories[i]);
        settings->n_directories = 0;
}

static bool take_name(const char *value, char *name, size_t size) {
        if (!*value || strlen(value) >= size)
                return false;
        (void)snprintf(name, size, "%s", value);
        return true;
}

/* A replication slot's name is part of no statement, but of PostgreSQL's own rules. */
static bool is_slot_name(const char *value) {
        return value[strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static bool take_checkpoint(PgSettings *settings, const char *value) {
        bool always;

        if (strcmp(value, "auto") == 0) {
                settings->checkpoint_beyond = CHECKPOINT_AUTO;
                return true;
        }
        if (conf_boolean(value, &always) < 0)
                return false;
        settings->checkpoint_beyond = always ? 0 : UINT64_MAX;
        return true;
}

static bool take_entry(PgSettings *settings, const ConfEntry *entry) {
        if (strcmp(entry->key, "User") == 0)
                return take_name(entry->value, settings->user, sizeof(settings->user));
        if (strcmp(entry->key, "Database") == 0)
                return take_name(entry->value, settings->database, sizeof(settings->database));
        if (strcmp(entry->key, "Slot") == 0)
                return is_slot_name(entry->value) &&
                       take_name(entry->value, settings->slot, sizeof(settings->slot));
        if (strcmp(entry->key, "Checkpoint") == 0)
                return take_checkpoint(settings, entry->value);
        if (strcmp(entry->key, "DataDirectory") != 0 || entry->value[0] != '/' ||
            settings->n_directories >= CLUSTERS_MAX)
                return false;
        settings->directories[settings->n_directories] = strdup(entry->value);
        settings->n_directories += settings->directories[settings->n_directories] != NULL;
        return true;
}

void settings_read(const char *conf_path, ClusterList *list) {
        const struct passwd *user = getpwuid(geteuid());
        PgSettings *settings = &list->settings;
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };
        int r;

        *settings = (PgSettings){ .database = "postgres", .checkpoint_beyond = CHECKPOINT_AUTO };
        (void)snprintf(settings->user, sizeof(settings->user), "%s", user ? user->pw_name : "postgres");
        r = conf_read(conf_path, &error, &conf);
        if (r == -ENOENT)
                return;
        if (r < 0) {
                cluster_list_warn(list, "%s, line %u: %s", conf_path, error.line, error.message);
                return;
        }
        for (size_t i = 0; i < conf->n_sections; i++) {
                const ConfSection *section = &conf->sections[i];

                for (size_t j = 0; j < section->n_entries; j++)
                        if (strcmp(section->name, "PostgreSQL") != 0 ||
                            !take_entry(settings, &section->entries[j]))
                                cluster_list_warn(list,
                                                  "%s, line %u: [%.60s] %.60s=%.60s is not known; there are "
                                                  "DataDirectory=, "
                                                  "User=, Database=, Checkpoint= and Slot= in [PostgreSQL]",
                                                  conf_path, section->entries[j].line, section->name,
                                                  section->entries[j].key, section->entries[j].value);
        }
}
