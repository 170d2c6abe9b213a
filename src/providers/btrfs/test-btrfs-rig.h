/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the tests of the btrfs provider share: one provider, driven without a bus, and volumes below ROOT
 */

#include "providers/btrfs/provider.h"
#include "providers/btrfs/store.h"
#include "providers/common/fake-call.h"
#include "providers/common/info.h"
#include "providers/common/test-disk.h"

#define ROOT "/mnt"
#define SET "5e700000-0000-4000-8000-000000000001"
#define SET_2 "5e700000-0000-4000-8000-000000000002"
#define ID_A "aaaaaaaa-0000-4000-8000-00000000000a"
#define ID_B "bbbbbbbb-0000-4000-8000-00000000000b"
#define ID_C "cccccccc-0000-4000-8000-00000000000c"
#define STORE ROOT "/top/" STORE_NAME

extern const char *const btrfs_mkfs[];
extern BtrfsProvider provider;
extern vss_provider_call call;
extern const struct vss_provider *const p;

typedef struct Volume {
        struct vss_volume volume;
        int fd;
} Volume;

static inline void volume_done(Volume *v) {
        closep(&v->fd);
}

#define _cleanup_volume_ _cleanup_(volume_done)

Volume volume_at(const char *path, const char *mount_point);

vss_result begin(const char *set, const char *id, const char *path);
/* No device is cut, which is part of it. */
vss_result end_prepare(const char *set);
/* From end of prepare to the end. @ret_results may be NULL. */
vss_result finish(const char *set, vss_value **ret_results);
/* All of it. */
vss_result make(const char *set, const char *id, const char *path);

/* The state that query tells of a copy; NULL if it tells of none. */
const char *state_of(const char *id);
bool exists(const char *path);
/* Attaches a copy at ROOT/copy. */
bool attach(const char *id, bool writable);
void detach(void);
bool subvolume(const char *path);
/* Its top level at ROOT/top, with subvolumes @a and @b, which are at ROOT/a and ROOT/b, and some below. */
bool prepare_disk(const TestDisk *disk);
