/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Settings
 *
 * Read once at start. The hold's 10 s and the window's 60 s are the contract's; a setting may only shorten
 * them.
 */

#include <inttypes.h>
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
        uint64_t otherwise, min, max; /* in microseconds, or as a number */
        bool is_time;                 /* else an unsigned long */
} Setting;

#define TIME(key, field, otherwise, min, max) \
        { key, offsetof(Settings, field), otherwise, min, max, true }
#define NUMBER(key, field, otherwise, min, max) \
        { key, offsetof(Settings, field), otherwise, min, max, false }
#define S USEC_PER_SEC
#define MS USEC_PER_MSEC

static const Setting settings[] = {
        TIME("WriterLimit", writer_usec, 60 * S, S, 3600 * S),
        TIME("RestoreLimit", restore_usec, 3600 * S, S, 24 * 3600 * S),
        TIME("VerifyLimit", verify_usec, 3600 * S, S, 24 * 3600 * S),
        TIME("ProviderLimit", provider_usec, 60 * S, S, 3600 * S),
        TIME("FreezeLimit", freeze_usec, 60 * S, S, 60 * S),
        TIME("HoldLimit", hold_usec, 10 * S, 100 * MS, 10 * S),
        TIME("LeaseLimit", lease_freeze_usec, 60 * S, S, 600 * S),
        TIME("SyncLimit", sync_limit_usec, 2 * S, 10 * MS, 60 * S),
        TIME("WorkerLimit", worker_usec, 20 * S, S, 300 * S),
        NUMBER("MaximumSets", sets_max, 64, 1, 4096),
        NUMBER("MaximumSessions", sessions_max, 64, 1, 4096),
        NUMBER("MaximumClientAccessible", client_accessible_max, 64, 1, 512),
};

static void assign(Settings *to, const Setting *setting, uint64_t number) {
        void *field = (char *)to + setting->offset;

        if (setting->is_time)
                *(uint64_t *)field = number;
        else
                *(unsigned long *)field = (unsigned long)number;
}

static void refuse(const Setting *setting, unsigned line) {
        char min[CONF_DURATION_SIZE], max[CONF_DURATION_SIZE], otherwise[CONF_DURATION_SIZE];

        if (!setting->is_time) {
                log_error("%s:%u: %s must be a number from %" PRIu64 " to %" PRIu64 "; it stays %" PRIu64,
                          SETTINGS_FILE, line, setting->key, setting->min, setting->max, setting->otherwise);
                return;
        }
        conf_duration_text(setting->min, min);
        conf_duration_text(setting->max, max);
        conf_duration_text(setting->otherwise, otherwise);
        log_error("%s:%u: %s must be a time from %s to %s (seconds, or with ms, s, min, h); it stays %s",
                  SETTINGS_FILE, line, setting->key, min, max, otherwise);
}

static int parse(const Setting *setting, const char *value, uint64_t *ret_number) {
        unsigned long number;
        int r;

        if (setting->is_time)
                return conf_duration(value, setting->max, ret_number);
        r = conf_number(value, (unsigned long)setting->max, &number);
        if (r >= 0)
                *ret_number = number;
        return r;
}

static void apply(Settings *to, const ConfEntry *entry) {
        uint64_t number;

        FOREACH_ELEMENT (setting, settings) {
                if (strcmp(setting->key, entry->key) != 0)
                        continue;
                if (parse(setting, entry->value, &number) < 0 || number < setting->min)
                        refuse(setting, entry->line);
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
