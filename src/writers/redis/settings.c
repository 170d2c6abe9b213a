/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The writer's own settings
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "writers/redis/settings.h"

#define SAVE_LIMIT_MAX_MIB 65536u
#define FREEZE_MAX_USEC UINT64_C(30000000)

void settings_init(Settings *settings) {
        *settings = (Settings){ .save_limit = SETTINGS_SAVE_LIMIT, .freeze_usec = SETTINGS_FREEZE_USEC };
}

void settings_deinit(Settings *settings) {
        free(settings->instances);
        settings_init(settings);
}

static int set_text(char *to, size_t size, const char *value) {
        size_t length = strlen(value);

        if (length >= size)
                return -ERANGE;
        memcpy(to, value, length + 1);
        return 0;
}

static int apply(Settings *settings, const ConfEntry *entry) {
        unsigned long number;
        int r;

        if (strcmp(entry->key, "User") == 0)
                return set_text(settings->user, sizeof(settings->user), entry->value);
        if (strcmp(entry->key, "Password") == 0)
                return set_text(settings->password, sizeof(settings->password), entry->value);
        if (strcmp(entry->key, "FreezeLimit") == 0)
                return conf_duration(entry->value, FREEZE_MAX_USEC, &settings->freeze_usec);
        if (strcmp(entry->key, "SaveLimitMiB") != 0)
                return -ENOENT;
        r = conf_number(entry->value, SAVE_LIMIT_MAX_MIB, &number);
        if (r == 0)
                settings->save_limit = (uint64_t)number << 20;
        return r;
}

static int apply_instance(InstanceSettings *instance, const ConfEntry *entry) {
        struct {
                const char *key;
                char *to;
                size_t size;
        } texts[] = {
                { "Config", instance->config, sizeof(instance->config) },
                { "Socket", instance->socket, sizeof(instance->socket) },
                { "User", instance->user, sizeof(instance->user) },
                { "Password", instance->password, sizeof(instance->password) },
                { "Unit", instance->unit, sizeof(instance->unit) },
        };
        unsigned long number;
        int r;

        FOREACH_ELEMENT (text, texts)
                if (strcmp(entry->key, text->key) == 0)
                        return set_text(text->to, text->size, entry->value);
        if (strcmp(entry->key, "Port") != 0)
                return -ENOENT;
        r = conf_number(entry->value, UINT16_MAX, &number);
        if (r == 0)
                instance->port = (uint16_t)number;
        return r;
}

static int wrong(ConfError *error, unsigned line, const char *format, const char *section, const char *key) {
        error->line = line;
        (void)snprintf(error->message, sizeof(error->message), "%s [%.60s] %.60s=", format, section, key);
        return -EINVAL;
}

static int parse_section(Settings *settings, const ConfSection *section, ConfError *error) {
        bool instance = strcmp(section->name, "Instance") == 0;
        InstanceSettings *last = NULL;

        if (!instance && strcmp(section->name, "Redis") != 0 && strcmp(section->name, "Valkey") != 0)
                return wrong(error, section->line, "not known:", section->name, "");
        if (instance) {
                InstanceSettings *more;

                if (settings->n_instances == SETTINGS_INSTANCES_MAX)
                        return wrong(error, section->line, "too many:", section->name, "");
                more = reallocarray(settings->instances, settings->n_instances + 1, sizeof(*more));
                if (!more)
                        return -ENOMEM;
                settings->instances = more;
                last = &more[settings->n_instances++];
                *last = (InstanceSettings){ 0 };
        }
        for (size_t i = 0; i < section->n_entries; i++) {
                const ConfEntry *entry = &section->entries[i];
                int r = instance ? apply_instance(last, entry) : apply(settings, entry);

                if (r == -ENOENT)
                        return wrong(error, entry->line, "not known:", section->name, entry->key);
                if (r < 0)
                        return wrong(error, entry->line, "wrong value:", section->name, entry->key);
        }
        if (last && last->config[0] != '/' && last->socket[0] != '/' && last->port == 0)
                return wrong(error, section->line, "wants Config=, Socket= or Port=:", section->name, "");
        return 0;
}

int settings_parse(Settings *settings, const Conf *conf, ConfError *error) {
        for (size_t i = 0; i < conf->n_sections; i++) {
                int r = parse_section(settings, &conf->sections[i], error);

                if (r < 0)
                        return r;
        }
        return 0;
}

static bool has_password(const Settings *settings) {
        for (size_t i = 0; i < settings->n_instances; i++)
                if (settings->instances[i].password[0])
                        return true;
        return settings->password[0] != '\0';
}

int settings_read(Settings *settings, const char *path, ConfError *error) {
        _cleanup_conf_ Conf *conf = NULL;
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int r;

        *error = (ConfError){ 0 };
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0) {
                (void)snprintf(error->message, sizeof(error->message), "%s", strerror(errno));
                return errno == ENOENT ? 0 : -errno;
        }
        r = conf_read_fd(fd, error, &conf);
        if (r == 0)
                r = settings_parse(settings, conf, error);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (has_password(settings) && (st.st_mode & 0007)) {
                (void)snprintf(error->message, sizeof(error->message),
                               "it has a password and others may read it: chmod o= %.160s", path);
                return -EACCES;
        }
        return 0;
}
