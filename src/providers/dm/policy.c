/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How large difference areas are, and when they grow
 */

#include <string.h>
#include <strings.h>
#include "providers/dm/policy.h"

/* 16 and 64 KiB. */
#define CHUNK_USUAL 32u
#define CHUNK_LARGE 128u
/*
 * The kernel remembers each chunk that was copied, with 31 bytes for a lone one. An area of this size in
 * small chunks takes 62 MB of it when it is full.
 */
#define CHUNK_LARGE_FROM (UINT64_C(32) << 30)

void policy_default(Policy *ret_policy) {
        *ret_policy = (Policy){ .initial = { true, 5 },
                                .maximum = { true, 20 },
                                .grow_percent = 60,
                                .chunk = 0,
                                .snapshots = 64 };
}

int policy_parse_size(const char *text, PolicySize *ret_size) {
        static const char units[] = "KMGT";
        unsigned long long number;
        const char *unit;
        char *end;

        if (strcasecmp(text, "none") == 0) {
                *ret_size = (PolicySize){ .value = POLICY_NO_LIMIT };
                return 0;
        }
        if (*text < '0' || *text > '9')
                return -EINVAL;
        errno = 0;
        number = strtoull(text, &end, 10);
        if (errno != 0)
                return -EINVAL;
        if (strcmp(end, "%") == 0) {
                if (number == 0 || number > 100)
                        return -EINVAL;
                *ret_size = (PolicySize){ true, number };
                return 0;
        }
        unit = *end ? strchr(units, *end) : NULL;
        if (*end && (!unit || end[1] != 0))
                return -EINVAL;
        for (const char *u = units; unit && u <= unit; u++) {
                if (number > UINT64_MAX / 1024)
                        return -EINVAL;
                number *= 1024;
        }
        *ret_size = (PolicySize){ .value = number };
        return 0;
}

uint64_t policy_bytes(PolicySize size, uint64_t volume) {
        if (!size.percent)
                return size.value;
        return volume / 100 * size.value;
}

static int bad(const ConfEntry *entry, ConfError *error, const char *what) {
        *error = (ConfError){ .line = entry->line };
        (void)snprintf(error->message, sizeof(error->message), "%.32s=%.64s: %s", entry->key, entry->value,
                       what);
        return -EBADMSG;
}

static int read_storage(const ConfSection *section, ConfError *error, Policy *policy) {
        const ConfEntry *entry;
        unsigned long number;

        entry = conf_entry(section, "Initial");
        if (entry && policy_parse_size(entry->value, &policy->initial) < 0)
                return bad(entry, error, "a size is wanted, as 10% or 512M");
        if (entry && policy->initial.value == POLICY_NO_LIMIT)
                return bad(entry, error, "a size is wanted, as 10% or 512M");
        entry = conf_entry(section, "Maximum");
        if (entry && policy_parse_size(entry->value, &policy->maximum) < 0)
                return bad(entry, error, "a size is wanted, as 20%, 10G or none");
        entry = conf_entry(section, "Grow");
        if (entry) {
                if (conf_number(entry->value, 95, &number) < 0 || number < 10)
                        return bad(entry, error, "a number of percent from 10 to 95 is wanted");
                policy->grow_percent = (unsigned)number;
        }
        entry = conf_entry(section, "Chunk");
        if (entry && strcasecmp(entry->value, "auto") != 0) {
                PolicySize size;

                if (policy_parse_size(entry->value, &size) < 0 || size.percent || size.value < 4096 ||
                    size.value > 1u << 20 || (size.value & (size.value - 1)) != 0)
                        return bad(entry, error, "auto, or a power of two from 4K to 1M is wanted");
                policy->chunk = (unsigned)(size.value / 512);
        }
        return 0;
}

int policy_read(const Conf *conf, ConfError *error, Policy *policy) {
        static const char *const known[] = { "Initial", "Maximum", "Grow", "Chunk", "Snapshots" };
        const ConfEntry *entry;
        unsigned long number;
        int r;

        for (size_t s = 0; s < conf->n_sections; s++) {
                const ConfSection *section = &conf->sections[s];

                for (size_t i = 0; i < section->n_entries; i++) {
                        bool found = false;

                        FOREACH_ELEMENT (key, known)
                                found = found || strcmp(section->entries[i].key, *key) == 0;
                        if (!found || strcmp(section->name, "Storage") != 0)
                                return bad(&section->entries[i], error,
                                           "there is no such setting in [Storage]");
                }
                r = read_storage(section, error, policy);
                if (r < 0)
                        return r;
                entry = conf_entry(section, "Snapshots");
                if (entry) {
                        if (conf_number(entry->value, 512, &number) < 0 || number == 0)
                                return bad(entry, error, "a number from 1 to 512 is wanted");
                        policy->snapshots = (unsigned)number;
                }
        }
        return 0;
}

static uint64_t grains(uint64_t bytes) {
        return bytes / POLICY_GRAIN * POLICY_GRAIN;
}

/* What may be taken now: half of what is free, so that the volume does not fill up because of its copies. */
static int limit(const PolicyVolume *volume, uint64_t wanted, uint64_t least, uint64_t *ret_size) {
        uint64_t allowed = volume->maximum == POLICY_NO_LIMIT    ? UINT64_MAX
                           : volume->allocated < volume->maximum ? volume->maximum - volume->allocated
                                                                 : 0;
        uint64_t room = grains(volume->free / 2);

        if (grains(MIN(wanted, allowed)) < least)
                return -EDQUOT;
        if (room < least)
                return -ENOSPC;
        wanted = MIN(wanted, allowed);
        *ret_size = grains(MIN(wanted, room));
        return 0;
}

int policy_initial(const Policy *policy, const PolicyVolume *volume, uint64_t *ret_size) {
        uint64_t wanted = MAX(policy_bytes(policy->initial, volume->size), 2 * POLICY_AREA_MIN);

        return limit(volume, wanted, POLICY_AREA_MIN, ret_size);
}

bool policy_is_low(const Policy *policy, uint64_t used, uint64_t total) {
        return used > total / 100 * policy->grow_percent;
}

int policy_growth(const Policy *policy, const PolicyVolume *volume, uint64_t total, uint64_t *ret_more) {
        /* By half: few steps, since each stops the volume for a moment. */
        uint64_t wanted = MAX(total / 2, POLICY_AREA_MIN),
                 first = policy_bytes(policy->initial, volume->size);

        return limit(volume, MAX(wanted, first), POLICY_GRAIN, ret_more);
}

uint32_t policy_chunk(const Policy *policy, uint64_t maximum) {
        if (policy->chunk != 0)
                return policy->chunk;
        return maximum >= CHUNK_LARGE_FROM ? CHUNK_LARGE : CHUNK_USUAL;
}
