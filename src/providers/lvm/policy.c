/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How much space shadow copies may take, and what goes when it runs out
 */

#include <inttypes.h>
#include <string.h>
#include "providers/lvm/policy.h"

/* A store smaller than this is full before anybody has looked at it. */
#define STORE_LEAST (UINT64_C(8) << 20)

static int parse_percent(const char *value, unsigned long least, unsigned long most, unsigned long *ret) {
        char text[8];
        size_t n = strlen(value);
        unsigned long number;
        int r;

        if (n > 0 && value[n - 1] == '%')
                n--;
        while (n > 0 && value[n - 1] == ' ')
                n--;
        if (n >= sizeof(text))
                return -EINVAL;
        memcpy(text, value, n);
        text[n] = 0;
        r = conf_number(text, most, &number);
        if (r < 0)
                return r;
        if (number < least)
                return -ERANGE;
        *ret = number;
        return 0;
}

/* A power of two, as the target takes it. */
static int parse_chunk(const char *value, unsigned long *ret_chunk) {
        unsigned long number;
        int r;

        r = conf_number(value, 512, &number);
        if (r < 0)
                return r;
        if (number < 4 || (number & (number - 1)))
                return -EINVAL;
        *ret_chunk = number;
        return 0;
}

static int parse_entry(const ConfEntry *entry, Policy *policy) {
        const struct {
                const char *key;
                unsigned long least, most;
                unsigned long *to;
        } percents[] = {
                { "ClassicSize", 1, 110, &policy->classic_size },
                { "ClassicGrowAt", 10, 100, &policy->classic_grow_at },
                { "ClassicGrowBy", 1, 100, &policy->classic_grow_by },
                { "PoolDataLow", 1, 100, &policy->pool_data_low },
                { "PoolDataFull", 1, 100, &policy->pool_data_full },
                { "PoolMetadataLow", 1, 100, &policy->pool_metadata_low },
                { "PoolMetadataFull", 1, 100, &policy->pool_metadata_full },
        };

        FOREACH_ELEMENT (p, percents)
                if (strcmp(entry->key, p->key) == 0)
                        return parse_percent(entry->value, p->least, p->most, p->to);
        if (strcmp(entry->key, "ClassicChunk") == 0)
                return parse_chunk(entry->value, &policy->classic_chunk);
        if (strcmp(entry->key, "DropPersistent") == 0)
                return conf_boolean(entry->value, &policy->drop_persistent);
        return -ENOENT;
}

int policy_read(const char *path, ConfError *error, Policy *ret_policy) {
        _cleanup_conf_ Conf *conf = NULL;
        Policy policy = POLICY_DEFAULT;
        int r;

        r = conf_read(path, error, &conf);
        if (r < 0 && r != -ENOENT)
                return r;
        for (size_t i = 0; conf && i < conf->n_sections; i++) {
                const char *name = conf->sections[i].name;

                for (size_t k = 0; k < conf->sections[i].n_entries; k++) {
                        const ConfEntry *entry = &conf->sections[i].entries[k];

                        /* The heading is that of dm.conf; there are files that have none. */
                        r = *name && strcmp(name, "Storage") != 0 ? -ENOENT : parse_entry(entry, &policy);
                        if (r == 0)
                                continue;
                        error->line = entry->line;
                        if (r == -ENOENT)
                                (void)snprintf(error->message, sizeof(error->message),
                                               "\"%.60s\" is no setting of the lvm provider", entry->key);
                        else
                                (void)snprintf(error->message, sizeof(error->message),
                                               "\"%.60s\" is no value for %.60s", entry->value, entry->key);
                        return r;
                }
        }
        *ret_policy = policy;
        return 0;
}

static uint64_t round_up(uint64_t size, uint64_t unit) {
        return unit == 0 ? size : (size + unit - 1) / unit * unit;
}

static uint64_t round_down(uint64_t size, uint64_t unit) {
        return unit == 0 ? size : size / unit * unit;
}

uint64_t policy_store_most(const Policy *policy, uint64_t origin_size, uint64_t extent_size) {
        uint64_t chunk = (uint64_t)policy->classic_chunk * 1024;
        uint64_t chunks = round_up(origin_size, chunk) / chunk;
        /* 16 bytes for each, in areas of one chunk; one for the header. */
        uint64_t areas = chunks / (chunk / 16) + 2;

        return round_up((chunks + areas + 1) * chunk, extent_size);
}

uint64_t policy_store_size(const Policy *policy, uint64_t origin_size, uint64_t extent_size,
                           uint64_t available) {
        uint64_t most = policy_store_most(policy, origin_size, extent_size);
        uint64_t least = MIN(round_up(STORE_LEAST, extent_size), most);
        uint64_t size = round_up(origin_size / 100 * policy->classic_size, extent_size);

        size = MAX(size, least);
        size = MIN(size, most);
        size = MIN(size, round_down(available, extent_size));
        return size < least ? 0 : size;
}

uint64_t policy_store_growth(const Policy *policy, uint64_t origin_size, uint64_t extent_size, uint64_t size,
                             uint64_t used, uint64_t available) {
        uint64_t most = policy_store_most(policy, origin_size, extent_size);
        uint64_t by = MAX(round_up(origin_size / 100 * policy->classic_grow_by, extent_size), extent_size);

        if (policy->classic_grow_at >= 100 || used < size / 100 * policy->classic_grow_at || size >= most)
                return 0;
        by = MIN(by, most - size);
        return MIN(by, round_down(available, extent_size));
}

int pool_state_parse(const char *parameters, PoolState *ret_state) {
        PoolState state = { 0 };
        char held[24], mode[24] = "";
        int n = 0;

        if (strcmp(parameters, "Fail") == 0 || strcmp(parameters, "Error") == 0) {
                *ret_state = (PoolState){ .failed = true };
                return 0;
        }
        n = sscanf(parameters, "%" SCNu64 " %" SCNu64 "/%" SCNu64 " %" SCNu64 "/%" SCNu64 " %23s %23s",
                   &state.transaction, &state.metadata_used, &state.metadata_total, &state.data_used,
                   &state.data_total, held, mode);
        if (n != 7 || state.metadata_total == 0 || state.data_total == 0 ||
            state.metadata_used > state.metadata_total || state.data_used > state.data_total)
                return -EBADMSG;
        state.out_of_data = strcmp(mode, "out_of_data_space") == 0;
        state.failed = strcmp(mode, "ro") == 0;
        if (!state.out_of_data && !state.failed && strcmp(mode, "rw") != 0)
                return -EBADMSG;
        *ret_state = state;
        return 0;
}

/* Rounded up, so that what is full says so; 100 for what nobody could count. */
static uint64_t percent(uint64_t used, uint64_t total) {
        if (total == 0 || used >= total)
                return 100;
        return used > UINT64_MAX / 100 ? used / (total / 100) : (used * 100 + total - 1) / total;
}

PoolLevel policy_pool_level(const Policy *policy, const PoolState *state) {
        uint64_t data = percent(state->data_used, state->data_total);
        uint64_t metadata = percent(state->metadata_used, state->metadata_total);

        if (state->failed || state->out_of_data || data >= policy->pool_data_full ||
            metadata >= policy->pool_metadata_full)
                return POOL_FULL;
        return data >= policy->pool_data_low || metadata >= policy->pool_metadata_low ? POOL_LOW : POOL_FINE;
}

void pool_state_text(const PoolState *state, char ret_text[static POOL_TEXT_SIZE]) {
        if (state->metadata_total == 0)
                (void)snprintf(ret_text, POOL_TEXT_SIZE, "the pool has failed");
        else
                (void)snprintf(ret_text, POOL_TEXT_SIZE,
                               "%s%" PRIu64 " %% of its data, %" PRIu64 " %% of its metadata are in use",
                               state->failed ? "it is read-only; " : "",
                               percent(state->data_used, state->data_total),
                               percent(state->metadata_used, state->metadata_total));
}

int thin_table_parse(const char *parameters, unsigned *ret_major, unsigned *ret_minor, uint64_t *ret_id,
                     bool *ret_external) {
        unsigned major, minor;
        uint64_t id;
        int n = 0;

        if (sscanf(parameters, "%u:%u %" SCNu64 "%n", &major, &minor, &id, &n) != 3 ||
            (parameters[n] && parameters[n] != ' ') || id > 0xffffff)
                return -EBADMSG;
        while (parameters[n] == ' ')
                n++;
        *ret_major = major;
        *ret_minor = minor;
        *ret_id = id;
        *ret_external = parameters[n] != 0;
        return 0;
}
