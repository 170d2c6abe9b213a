/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Settings of the MariaDB writer
 */

#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/conf.h"
#include "util/value.h"
#include "writers/mariadb/instance.h"

#define FREEZE_LIMIT_USEC (1 * USEC_PER_SEC)
#define PREPARE_LIMIT_USEC (10 * USEC_PER_SEC)
#define LIMIT_MIN_USEC (10 * USEC_PER_MSEC)
#define LIMIT_MAX_USEC (60 * USEC_PER_SEC)

static void complain(Settings *settings, const char *path, const ConfEntry *entry, const char *wants) {
        if (!*settings->error)
                (void)snprintf(settings->error, sizeof(settings->error), "%s, line %u: %s= %s", path,
                               entry->line, entry->key, wants);
}

static int set(char **text, const char *value) {
        free(*text);
        *text = strdup(value);
        return *text ? 0 : -ENOMEM;
}

static int set_path(Settings *settings, const char *path, const ConfEntry *entry, char **text) {
        if (entry->value[0] != '/') {
                complain(settings, path, entry, "wants an absolute path");
                return 0;
        }
        return set(text, entry->value);
}

static int set_time(Settings *settings, const char *path, const ConfEntry *entry, uint64_t *usec) {
        uint64_t value;

        if (conf_duration(entry->value, LIMIT_MAX_USEC, &value) < 0 || value < LIMIT_MIN_USEC)
                complain(settings, path, entry, "wants a time from 10ms to 60s");
        else
                *usec = value;
        return 0;
}

static int read_general(Settings *settings, const char *path, const ConfEntry *entry) {
        if (strcmp(entry->key, "User") == 0)
                return set(&settings->user, entry->value);
        if (strcmp(entry->key, "ClientFile") == 0)
                return set_path(settings, path, entry, &settings->client_file);
        if (strcmp(entry->key, "FreezeLimit") == 0)
                return set_time(settings, path, entry, &settings->freeze_limit_usec);
        if (strcmp(entry->key, "PrepareLimit") == 0)
                return set_time(settings, path, entry, &settings->prepare_limit_usec);
        if (strcmp(entry->key, "PurgeBinaryLogs") == 0) {
                if (conf_boolean(entry->value, &settings->purge_logs) < 0)
                        complain(settings, path, entry, "wants yes or no");
                return 0;
        }
        complain(
                settings, path, entry,
                "is not known; there are User=, ClientFile=, FreezeLimit=, PrepareLimit=, PurgeBinaryLogs=");
        return 0;
}

static int read_instance(Settings *settings, const char *path, const ConfEntry *entry,
                         struct Configured *configured) {
        if (strcmp(entry->key, "Name") == 0)
                return set(&configured->name, entry->value);
        if (strcmp(entry->key, "Unit") == 0)
                return set(&configured->unit, entry->value);
        if (strcmp(entry->key, "DefaultsFile") == 0)
                return set_path(settings, path, entry, &configured->defaults_file);
        if (strcmp(entry->key, "ClientFile") == 0)
                return set_path(settings, path, entry, &configured->client_file);
        complain(settings, path, entry, "is not known; there are Name=, Unit=, DefaultsFile=, ClientFile=");
        return 0;
}

static int read_section(Settings *settings, const char *path, const ConfSection *section) {
        bool general = strcmp(section->name, "MariaDB") == 0;
        struct Configured *configured = &settings->instances[settings->n_instances];
        int r = 0;

        if (!general && strcmp(section->name, "Instance") != 0) {
                if (!*settings->error)
                        (void)snprintf(settings->error, sizeof(settings->error),
                                       "%s, line %u: there are the sections [MariaDB] and [Instance]", path,
                                       section->line);
                return 0;
        }
        settings->n_instances += !general;
        for (size_t i = 0; i < section->n_entries && r >= 0; i++)
                r = general ? read_general(settings, path, &section->entries[i])
                            : read_instance(settings, path, &section->entries[i], configured);
        if (!general && r >= 0 && (!configured->name || !configured->defaults_file)) {
                if (!*settings->error)
                        (void)snprintf(settings->error, sizeof(settings->error),
                                       "%s, line %u: an instance wants Name= and DefaultsFile=", path,
                                       section->line);
                settings->n_instances--;
                free(configured->name);
                free(configured->unit);
                free(configured->defaults_file);
                free(configured->client_file);
                *configured = (struct Configured){ 0 };
        }
        return r;
}

int settings_read(const char *path, Settings *ret_settings) {
        Settings settings = { .freeze_limit_usec = FREEZE_LIMIT_USEC,
                              .prepare_limit_usec = PREPARE_LIMIT_USEC };
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };
        int r = conf_read(path, &error, &conf);

        if (r < 0 && r != -ENOENT)
                (void)snprintf(settings.error, sizeof(settings.error), "%s, line %u: %s", path, error.line,
                               error.message);
        settings.instances = calloc((conf ? conf->n_sections : 0) + 1, sizeof(*settings.instances));
        r = settings.instances ? 0 : -ENOMEM;
        for (size_t i = 0; conf && i < conf->n_sections && r >= 0; i++)
                if (conf->sections[i].n_entries > 0)
                        r = read_section(&settings, path, &conf->sections[i]);
        if (r < 0) {
                settings_clear(&settings);
                return r;
        }
        *ret_settings = settings;
        return 0;
}

void settings_clear(Settings *settings) {
        for (size_t i = 0; i < settings->n_instances; i++) {
                free(settings->instances[i].name);
                free(settings->instances[i].unit);
                free(settings->instances[i].defaults_file);
                free(settings->instances[i].client_file);
        }
        free(settings->instances);
        free(settings->user);
        free(settings->client_file);
        *settings = (Settings){ 0 };
}

const char *settings_client_file(const Settings *settings, const Instance *instance, vss_value *warnings) {
        const char *path = instance->client_file ?: settings->client_file;
        char text[600];
        struct stat st;

        if (!path)
                return NULL;
        if (stat(path, &st) < 0)
                (void)snprintf(text, sizeof(text), "%.300s cannot be read: %s", path, strerror(errno));
        else if ((st.st_mode & 07) || (st.st_uid != 0 && st.st_uid != geteuid()))
                (void)snprintf(text, sizeof(text),
                               "%.300s is not used: a file with a password belongs to root or to this user, "
                               "and nobody else "
                               "may read it (chown root:mysql, chmod 640)",
                               path);
        else
                return path;
        if (!value_contains(warnings, text))
                (void)value_append_string(warnings, text);
        return NULL;
}
