/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How much space shadow copies may take, and what goes when it runs out
 *
 * Settings of lvm.conf, states of device-mapper targets, and what follows from both. Nothing in here touches
 * a device.
 */

#include <stdbool.h>
#include <stdint.h>
#include "util/conf.h"

#define LVM_CONF "/etc/linuxvss/lvm.conf"

typedef struct Policy {
        /* Of classic copies. Percent are of the original. */
        unsigned long classic_size;    /* percent */
        unsigned long classic_chunk;   /* KiB */
        unsigned long classic_grow_at; /* percent of its store that are used; 100: never */
        unsigned long classic_grow_by; /* percent */
        /* Of thin pools, in percent of them. */
        unsigned long pool_data_low, pool_data_full;
        unsigned long pool_metadata_low, pool_metadata_full;
        bool drop_persistent; /* those, too, before a pool is full */
} Policy;

#define POLICY_DEFAULT                                                                                 \
        {                                                                                              \
                .classic_size = 20, .classic_chunk = 16, .classic_grow_at = 70, .classic_grow_by = 10, \
                .pool_data_low = 80, .pool_data_full = 95, .pool_metadata_low = 75,                    \
                .pool_metadata_full = 90, .drop_persistent = true                                      \
        }

/* -ENOENT: an unknown key; -EINVAL, -ERANGE: a value. A file that is not there is no error. */
int policy_read(const char *path, ConfError *error, Policy *ret_policy);

/*
 * Bytes of a classic copy's store. A store that has every chunk of the original needs the list of them, too;
 * more is never used.
 */
uint64_t policy_store_most(const Policy *policy, uint64_t origin_size, uint64_t extent_size);
/* @available: what is free in the group, or left of the maximum for copies of the volume. 0: not enough for
 * even the smallest. */
uint64_t policy_store_size(const Policy *policy, uint64_t origin_size, uint64_t extent_size,
                           uint64_t available);
/* By how much a store of @size grows, of which @used are; 0: not at all. */
uint64_t policy_store_growth(const Policy *policy, uint64_t origin_size, uint64_t extent_size, uint64_t size,
                             uint64_t used, uint64_t available);

/* The state of a thin pool, as its target tells it. */
typedef struct PoolState {
        uint64_t transaction;
        uint64_t metadata_used, metadata_total; /* blocks of 4 KiB */
        uint64_t data_used, data_total;         /* of the pool's blocks */
        bool failed; /* it takes no changes any more: its metadata is full or broken. Nothing can be deleted
                      */
        bool out_of_data;
} PoolState;

/* @parameters: of the status of a target "thin-pool". -EBADMSG. */
int pool_state_parse(const char *parameters, PoolState *ret_state);

typedef enum PoolLevel {
        POOL_FINE,
        POOL_LOW,  /* told */
        POOL_FULL, /* no more copies; those there are go */
} PoolLevel;

PoolLevel policy_pool_level(const Policy *policy, const PoolState *state);
/* For messages: "93 % of its data, 12 % of its metadata". */
#define POOL_TEXT_SIZE 96u
#define POOL_FAILED_ADVICE \
        "Extend its metadata with lvextend --poolmetadatasize, or repair it with lvconvert --repair."
void pool_state_text(const PoolState *state, char ret_text[static POOL_TEXT_SIZE]);

/* A table of one target "thin": "MAJOR:MINOR ID" and perhaps an external origin behind it. */
int thin_table_parse(const char *parameters, unsigned *ret_major, unsigned *ret_minor, uint64_t *ret_id,
                     bool *ret_external);
