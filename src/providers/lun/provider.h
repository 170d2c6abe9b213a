/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The lun provider: shadow copies are copies of LUNs that an array makes
 *
 * A volume lies on a LUN of an array (vss-array(8)), which vss attach has made a block device. In Commit,
 * while the file systems are held, each array is told once to copy all LUNs of the set. The array keeps what
 * a copy is; this provider keeps nothing but block devices (image-chain.h): LUNs in LUN_LIVE, named
 * "ARRAY.LUN", copies in LUN_COPIES by their ids.
 */

#include <linuxvss/provider.h>
#include <time.h>
#include "providers/common/image-chain.h"
#include "providers/lun/client.h"
#include "providers/lun/place.h"

#define LUN_FS_TYPE_SIZE 32u

typedef struct LunCopy {
        char id[VSS_ID_SIZE];
        char *volume; /* its path, for messages */
        char fs_type[LUN_FS_TYPE_SIZE];
        vss_value *info;
        Place place;
        Client *client;
        bool opened_writable;
} LunCopy;

typedef struct LunSet {
        char id[VSS_ID_SIZE];
        size_t n_copies;
        LunCopy copies[VSS_VOLUMES_MAX];
        bool is_open; /* between PreFinal and PostFinal */
} LunSet;

typedef struct LunProvider {
        const char *conf_path;
        struct timespec conf_changed; /* when it was, as it was read */
        LunSettings settings;
        size_t n_clients;
        Client clients[LUN_ARRAYS_MAX];
        char *live, *copies; /* directories */
        LunSet *set;
        bool swept;      /* what a provider before left has been looked through */
        vss_value *told; /* ids of copies whose loss has been told */
} LunProvider;

extern const struct vss_provider lun_provider;

/* 0 or a negative errno; what is wrong is on standard error. */
int lun_provider_init(LunProvider *p, const char *conf_path, const char *state_dir);
void lun_provider_done(LunProvider *p);

/* set.c */
LunSet *lun_set_free(LunSet *set);
LunCopy *lun_set_find(LunSet *set, const char *snapshot_id);
vss_result lun_is_volume_supported(vss_provider_call *call, const struct vss_volume *volume,
                                   struct vss_volume_support *ret_support);
vss_result lun_begin_prepare(vss_provider_call *call, const char *set_id, const char *snapshot_id,
                             const struct vss_volume *volume, const vss_value *properties);
vss_result lun_end_prepare(vss_provider_call *call, const char *set_id, vss_value *results);
vss_result lun_pre_commit(vss_provider_call *call, const char *set_id);
vss_result lun_commit(vss_provider_call *call, const char *set_id);
vss_result lun_post_commit(vss_provider_call *call, const char *set_id, uint32_t count);
vss_result lun_pre_final(vss_provider_call *call, const char *set_id);
vss_result lun_post_final(vss_provider_call *call, const char *set_id, vss_value *results);
void lun_abort(vss_provider_call *call, const char *set_id);

/* provider.c */
/* Settings that have changed since are read anew, unless a set is being made. */
void lun_refresh(LunProvider *p);
Client *lun_client(LunProvider *p, const char *name);
/* All copies that this host has on the arrays, each with "lun-array", the array's name. The first array that
 * does not answer is the failure, told by @call. */
vss_result lun_list(vss_provider_call *call, vss_value *list);
/* One of them; VSS_E_OBJECT_NOT_FOUND. */
vss_result lun_find(vss_provider_call *call, const char *id, vss_value **ret_info, Client **ret_client);
/* What an array answered, in the numbers of the contract. */
vss_result lun_fail(vss_provider_call *call, const char *whom, const Client *client, int r);
/* A call that names one copy: {"call", "id"}. */
int lun_call_copy(Client *client, const char *name, const char *id, vss_value **ret_answer);
/* Its device, attached if it is not. -EBUSY: the connection to the array is broken, and it is mounted. */
int lun_attach_copy(LunProvider *p, Client *client, const vss_value *info, bool writable, char **ret_device,
                    ImageError *error);

/* transport.c */
vss_result lun_get_target_luns(vss_provider_call *call, const char *set_id, vss_value *luns);
vss_result lun_import(vss_provider_call *call, const vss_value *set, vss_value *result);
vss_result lun_break(vss_provider_call *call, const char *set_id, uint32_t flags);

/* recover.c */
vss_result lun_resync(vss_provider_call *call, const vss_value *request);
vss_result lun_revert(vss_provider_call *call, const char *snapshot_id, bool force);
vss_result lun_query_revert(vss_provider_call *call, const struct vss_volume *volume, vss_value *status);

/* attach.c */
vss_result lun_attach_device(vss_provider_call *call, const char *device, const vss_value *options,
                             vss_value *result);
vss_result lun_detach_device(vss_provider_call *call, const char *device, const vss_value *options,
                             vss_value *result);
vss_result lun_query_attached(vss_provider_call *call, vss_value *list);
/* A LUN's device; -EBUSY and such by image_attach(). */
int lun_attach_live(LunProvider *p, Client *client, const char *lun, bool writable, char **ret_device,
                    ImageError *error);
/* Where a device is mounted: paths. */
int lun_mounts_of(const char *device, vss_value *list);
