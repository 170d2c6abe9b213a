/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Settings of an array: array.conf
 */

#include <string.h>
#include "array/settings.h"

static int take_text(const char *value, char *to, size_t size) {
        if (strlen(value) >= size || !*value)
                return -ERANGE;
        memcpy(to, value, strlen(value) + 1);
        return 0;
}

static int take_path(const char *value, char *to, size_t size) {
        return value[0] == '/' ? take_text(value, to, size) : -EINVAL;
}

/* An address in numbers, or the word "unix". */
static int take_listen(const char *value, char *to, size_t size) {
        if (strcmp(value, "unix") != 0 && strspn(value, "0123456789abcdefABCDEF.:") != strlen(value))
                return -EINVAL;
        return take_text(value, to, size);
}

static int take_number(const char *value, unsigned long least, unsigned long most, unsigned *to) {
        unsigned long number;
        int r = conf_number(value, most, &number);

        if (r < 0)
                return r;
        if (number < least)
                return -ERANGE;
        *to = (unsigned)number;
        return 0;
}

static int take_percent(const char *value, unsigned *to) {
        char text[8];
        size_t n = strcspn(value, "% ");

        if (n >= sizeof(text) || strcmp(value + n + strspn(value + n, " "), "%") != 0)
                return -EINVAL;
        memcpy(text, value, n);
        text[n] = 0;
        return take_number(text, 0, 1000, to);
}

static int take_entry(const ConfEntry *entry, Settings *s) {
        if (strcmp(entry->key, "Store") == 0)
                return take_path(entry->value, s->store, sizeof(s->store));
        if (strcmp(entry->key, "RunDirectory") == 0)
                return take_path(entry->value, s->run, sizeof(s->run));
        if (strcmp(entry->key, "Listen") == 0)
                return take_listen(entry->value, s->listen, sizeof(s->listen));
        if (strcmp(entry->key, "Port") == 0)
                return take_number(entry->value, 1, 65000, &s->port);
        if (strcmp(entry->key, "Tls") == 0)
                return conf_boolean(entry->value, &s->tls);
        if (strcmp(entry->key, "Reserve") == 0)
                return take_percent(entry->value, &s->reserve);
        return -ENOENT;
}

int settings_read(const char *path, ConfError *error, Settings *ret_settings) {
        Settings s = { .store = "/var/lib/linuxvss-array",
                       .run = "/run/linuxvss-array",
                       .listen = "unix",
                       .port = 10900,
                       .tls = true,
                       .reserve = 5 };
        _cleanup_conf_ Conf *conf = NULL;
        int r = conf_read(path, error, &conf);

        if (r < 0 && r != -ENOENT)
                return r;
        for (size_t i = 0; conf && i < conf->n_sections; i++) {
                const ConfSection *section = &conf->sections[i];

                if (*section->name && strcmp(section->name, "Array") != 0) {
                        error->line = section->line;
                        (void)snprintf(error->message, sizeof(error->message), "there is no section [%.40s]",
                                       section->name);
                        return -EBADMSG;
                }
                for (size_t k = 0; k < section->n_entries; k++) {
                        r = take_entry(&section->entries[k], &s);
                        if (r == 0)
                                continue;
                        error->line = section->entries[k].line;
                        (void)snprintf(error->message, sizeof(error->message),
                                       r == -ENOENT ? "there is no setting %.40s"
                                                    : "this is no value of %.40s",
                                       section->entries[k].key);
                        return -EBADMSG;
                }
        }
        *ret_settings = s;
        return 0;
}
