/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Settings
 *
 * Read once at start. The hold's 10 s and the window's 60 s are the contract's; a setting may only shorten
 * them.
 */

#include <string.h>
#include "config.h"
#include "util/clock.h"
#include "util/conf.h"
#include "vssd/log.h"
#include "vssd/settings.h"

#define SETTINGS_FILE LINUXVSS_CONFDIR "/linuxvss.conf"

typedef struct Setting {
        const char *key;
        size_t offset;
        unsigned long otherwise, min, max; /* in seconds, or as a number */
        uint64_t unit;                     /* 0: unsigned long without a unit */
} Setting;

#define SECONDS(key, field, otherwise, min, max) \
        { key, offsetof(Settings, field), otherwise, min, max, USEC_PER_SEC }
#define NUMBER(key, field, otherwise, min, max) \
        { key, offsetof(Settings, field), otherwise, min, max, 0 }

static const Setting settings[] = {
        SECONDS("WriterLimit", writer_usec, 60, 1, 3600),
        SECONDS("ProviderLimit", provider_usec, 60, 1, 3600),
        SECONDS("FreezeLimit", freeze_usec, 60, 1, 60),
        SECONDS("HoldLimit", hold_usec, 10, 1, 10),
        SECONDS("LeaseLimit", lease_freeze_usec, 60, 1, 600),
        SECONDS("SyncLimit", sync_limit_usec, 2, 1, 60),
        SECONDS("WorkerLimit", worker_usec, 20, 1, 300),
        NUMBER("MaximumSets", sets_max, 64, 1, 4096),
        NUMBER("MaximumSessions", sessions_max, 64, 1, 4096),
};

static void assign(Settings *to, const Setting *setting, unsigned long number) {
        void *field = (char *)to + setting->offset;

        if (setting->unit > 0)
                *(uint64_t *)field = number * setting->unit;
        else
                *(unsigned long *)field = number;
}

static void apply(Settings *to, const ConfEntry *entry) {
        unsigned long number;

        FOREACH_ELEMENT (setting, settings) {
                if (strcmp(setting->key, entry->key) != 0)
                        continue;
                if (conf_number(entry->value, setting->max, &number) < 0 || number < setting->min)
                        log_error("%s:%u: %s must be a number from %lu to %lu; it stays %lu", SETTINGS_FILE,
                                  entry->line, setting->key, setting->min, setting->max, setting->otherwise);
                else
                        assign(to, setting, number);
                return;
        }
        log_error("%s:%u: there is no setting %s", SETTINGS_FILE, entry->line, entry->key);
}

void settings_load(Settings *ret_settings) {
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };
        int r;

        FOREACH_ELEMENT (setting, settings)
                assign(ret_settings, setting, setting->otherwise);
        r = conf_read(SETTINGS_FILE, &error, &conf);
        if (r == -ENOENT)
                return;
        if (r < 0) {
                log_error("%s:%u: %s; the defaults are used", SETTINGS_FILE, error.line, error.message);
                return;
        }
        for (size_t s = 0; s < conf->n_sections; s++)
                for (size_t i = 0; i < conf->sections[s].n_entries; i++)
                        apply(ret_settings, &conf->sections[s].entries[i]);
}
