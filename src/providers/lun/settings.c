/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Settings of the lun provider
 */

#include <string.h>
#include "providers/lun/settings.h"
#include "util/clock.h"

/* The hold ends after 10 s at the latest; what has failed by then is told, not waited for. */
#define COMMIT_MOST (8 * USEC_PER_SEC)
#define CALL_MOST (120 * USEC_PER_SEC)

void lun_settings_done(LunSettings *settings) {
        for (size_t i = 0; i < settings->n; i++) {
                conf_words_free(settings->arrays[i].session);
                free(settings->arrays[i].psk);
        }
        *settings = (LunSettings){ 0 };
}

static int take_array(const ConfEntry *entry, ArraySettings *array, ConfError *error) {
        if (strcmp(entry->key, "Session") == 0) {
                array->session = conf_words_free(array->session);
                return conf_words(entry->value, error, &array->session);
        }
        if (strcmp(entry->key, "Psk") == 0) {
                /* It becomes a part of a URI. */
                if (entry->value[0] != '/' || strpbrk(entry->value, "%?#& \t"))
                        return -EINVAL;
                free(array->psk);
                array->psk = strdup(entry->value);
                return array->psk ? 0 : -ENOMEM;
        }
        return -ENOENT;
}

static int take_common(const ConfEntry *entry, LunSettings *settings) {
        if (strcmp(entry->key, "CommitLimit") == 0)
                return conf_duration(entry->value, COMMIT_MOST, &settings->commit_usec);
        if (strcmp(entry->key, "CallLimit") == 0)
                return conf_duration(entry->value, CALL_MOST, &settings->call_usec);
        return -ENOENT;
}

static int complain(ConfError *error, unsigned line, const char *what, const char *which) {
        error->line = line;
        (void)snprintf(error->message, sizeof(error->message), "%s %.60s", what, which);
        return -EBADMSG;
}

/* "Array NAME" */
static int begin_array(const ConfSection *section, LunSettings *settings, ConfError *error) {
        const char *name = section->name + strlen("Array ");
        ArraySettings *array = &settings->arrays[settings->n];

        if (!array_name_is_valid(name) || strchr(name, '.'))
                return complain(error, section->line, "this is no name of an array:", name);
        if (settings->n >= LUN_ARRAYS_MAX)
                return complain(error, section->line, "there are too many arrays, with", name);
        for (size_t i = 0; i < settings->n; i++)
                if (strcmp(settings->arrays[i].name, name) == 0)
                        return complain(error, section->line, "there are two arrays", name);
        (void)snprintf(array->name, sizeof(array->name), "%s", name);
        settings->n++;
        return 0;
}

static int take_section(const ConfSection *section, LunSettings *settings, ConfError *error) {
        bool is_array = strncmp(section->name, "Array ", 6) == 0;
        int r = 0;

        if (!is_array && *section->name && strcmp(section->name, "Lun") != 0)
                return complain(error, section->line, "there is no section", section->name);
        if (is_array)
                r = begin_array(section, settings, error);
        for (size_t i = 0; r == 0 && i < section->n_entries; i++) {
                const ConfEntry *entry = &section->entries[i];

                r = is_array ? take_array(entry, &settings->arrays[settings->n - 1], error)
                             : take_common(entry, settings);
                if (r < 0)
                        r = complain(error, entry->line,
                                     r == -ENOENT ? "there is no setting" : "this is no value of",
                                     entry->key);
        }
        if (r == 0 && is_array && !settings->arrays[settings->n - 1].session)
                r = complain(error, section->line, "Session= is missing of array",
                             settings->arrays[settings->n - 1].name);
        return r;
}

int lun_settings_read(const char *path, ConfError *error, LunSettings *ret_settings) {
        LunSettings settings = { .commit_usec = 5 * USEC_PER_SEC, .call_usec = 20 * USEC_PER_SEC };
        _cleanup_conf_ Conf *conf = NULL;
        int r = conf_read(path, error, &conf);

        if (r < 0 && r != -ENOENT)
                return r;
        r = 0;
        for (size_t i = 0; r == 0 && conf && i < conf->n_sections; i++)
                r = take_section(&conf->sections[i], &settings, error);
        if (r < 0)
                lun_settings_done(&settings);
        else
                *ret_settings = settings;
        return r;
}
