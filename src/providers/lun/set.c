/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The shadow copy set that is being made
 *
 * What takes long, the session with each array and the room for the copies, is done in EndPrepare. Commit is
 * one message to each array, all sent before the first answer is waited for.
 */

#include <string.h>
#include "providers/common/block-mount.h"
#include "providers/common/image-device.h"
#include "providers/common/info.h"
#include "providers/lun/provider.h"
#include "util/clock.h"

/* A last look, while writers are frozen. */
#define PING_USEC (2 * USEC_PER_SEC)
/* An array that did not answer is asked to take back; it also does by itself. */
#define ABORT_USEC (3 * USEC_PER_SEC)

static void copy_done(LunCopy *copy) {
        vss_value_free(copy->info);
        free(copy->volume);
}

LunSet *lun_set_free(LunSet *set) {
        for (size_t i = 0; set && i < set->n_copies; i++)
                copy_done(&set->copies[i]);
        free(set);
        return NULL;
}

LunCopy *lun_set_find(LunSet *set, const char *snapshot_id) {
        for (size_t i = 0; set && i < set->n_copies; i++)
                if (strcmp(set->copies[i].id, snapshot_id) == 0)
                        return &set->copies[i];
        return NULL;
}

static vss_result decline(vss_provider_call *call, const struct vss_volume *volume, const char *why) {
        return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, "%s: %s", volume->path,
                                      why);
}

static vss_result look(vss_provider_call *call, const struct vss_volume *volume, Place *ret_place) {
        LunProvider *p = vss_provider_call_userdata(call);
        const char *why = NULL;
        int r;

        lun_refresh(p);
        if (p->n_clients == 0)
                return decline(call, volume, "no array is named in " LUN_CONF);
        if (!block_mount_knows(volume->fs_type))
                return decline(call, volume, "its file system is neither ext4 nor XFS");
        r = place_find(p->live, (dev_t)volume->device, ret_place, &why);
        if (r == -EMEDIUMTYPE && why)
                return decline(call, volume, why);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                              "%s: its device cannot be looked at: %s", volume->path,
                                              strerror(-r));
        if (!lun_client(p, ret_place->array))
                return decline(call, volume, "its array is not named in " LUN_CONF);
        r = block_mount_outside_source(volume->source, (dev_t)volume->device, volume->fs_type, &why);
        return r < 0 || why ? decline(call, volume, why ?: "its superblock cannot be read") : VSS_S_OK;
}

vss_result lun_is_volume_supported(vss_provider_call *call, const struct vss_volume *volume,
                                   struct vss_volume_support *ret_support) {
        Place place;
        vss_result result = look(call, volume, &place);

        if (result == VSS_S_OK)
                ret_support->hold = VSS_HOLD_FILESYSTEM;
        return result;
}

static LunSet *under_way(vss_provider_call *call, const char *set_id) {
        LunProvider *p = vss_provider_call_userdata(call);

        return p->set && strcmp(p->set->id, set_id) == 0 ? p->set : NULL;
}

static vss_result no_set(vss_provider_call *call, const char *set_id) {
        return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                      "set %s is not being made; BeginPrepareSnapshot comes first", set_id);
}

/* What is kept on the array: what the service gave, and where on the LUN the volume is. */
static int make_info(LunCopy *copy, const char *set_id, const vss_value *properties) {
        vss_value *own;

        copy->info = vss_value_kind(properties) == VSS_KIND_DICT ? vss_value_copy(properties)
                                                                 : vss_value_new_dict();
        own = copy->info ? value_require(copy->info, "lun", VSS_KIND_DICT) : NULL;
        if (!own || vss_value_set_string(copy->info, "id", copy->id) < 0 ||
            vss_value_set_string(copy->info, "set", set_id) < 0 ||
            vss_value_set_integer(own, "offset", (int64_t)copy->place.offset) < 0 ||
            vss_value_set_integer(own, "length", (int64_t)copy->place.length) < 0 ||
            vss_value_set_string(own, "fs-type", copy->fs_type) < 0)
                return -ENOMEM;
        return 0;
}

static int add(LunSet *set, const char *snapshot_id, const struct vss_volume *volume, const Place *place,
               const vss_value *properties) {
        LunCopy *copy;

        if (set->n_copies >= VSS_VOLUMES_MAX)
                return -E2BIG;
        for (size_t i = 0; i < set->n_copies; i++) {
                const Place *other = &set->copies[i].place;

                if (strcmp(other->array, place->array) == 0 && strcmp(other->lun, place->lun) == 0 &&
                    other->offset == place->offset)
                        return -EEXIST;
        }
        copy = &set->copies[set->n_copies];
        *copy = (LunCopy){ .place = *place };
        (void)snprintf(copy->id, sizeof(copy->id), "%s", snapshot_id);
        (void)snprintf(copy->fs_type, sizeof(copy->fs_type), "%s", volume->fs_type);
        copy->volume = strdup(volume->path);
        if (!copy->volume || make_info(copy, set->id, properties) < 0) {
                copy_done(copy);
                return -ENOMEM;
        }
        set->n_copies++;
        return 0;
}

vss_result lun_begin_prepare(vss_provider_call *call, const char *set_id, const char *snapshot_id,
                             const struct vss_volume *volume, const vss_value *properties) {
        LunProvider *p = vss_provider_call_userdata(call);
        vss_result result;
        Place place;
        int r;

        if (!info_id_is_valid(set_id) || !info_id_is_valid(snapshot_id))
                return vss_provider_call_fail(call, VSS_E_INVALIDARG,
                                              "%s: an identity is a UUID in lower case", volume->path);
        result = look(call, volume, &place);
        if (result < 0)
                return result;
        if (p->set && strcmp(p->set->id, set_id) != 0)
                lun_abort(call, p->set->id);
        if (!p->set) {
                p->set = calloc(1, sizeof(*p->set));
                if (!p->set)
                        return VSS_E_OUTOFMEMORY;
                (void)snprintf(p->set->id, sizeof(p->set->id), "%s", set_id);
        }
        r = lun_set_find(p->set, snapshot_id) ? -EEXIST
                                              : add(p->set, snapshot_id, volume, &place, properties);
        if (r == -EEXIST)
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS,
                                              "%s: its LUN is in the set already", volume->path);
        if (r == -E2BIG)
                return vss_provider_call_fail(call, VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED,
                                              "%s: the set has %u volumes already", volume->path,
                                              VSS_VOLUMES_MAX);
        if (r < 0)
                return VSS_E_OUTOFMEMORY;
        p->set->copies[p->set->n_copies - 1].client = lun_client(p, place.array);
        return VSS_S_OK;
}

static bool has_copies(const LunSet *set, const Client *client) {
        for (size_t i = 0; i < set->n_copies; i++)
                if (set->copies[i].client == client)
                        return true;
        return false;
}

static vss_value *request_of(const char *name, const char *set_id) {
        vss_value *request = client_request(name);

        return request && vss_value_set_string(request, "set", set_id) < 0 ? vss_value_free(request)
                                                                           : request;
}

static int prepare_one(LunProvider *p, const LunSet *set, Client *client) {
        _cleanup_value_ vss_value *request = request_of("prepare", set->id);
        vss_value *list = request ? value_require(request, "copies", VSS_KIND_LIST) : NULL;

        for (size_t i = 0; list && i < set->n_copies; i++) {
                const LunCopy *copy = &set->copies[i];
                vss_value *entry;

                if (copy->client != client)
                        continue;
                entry = vss_value_new_dict();
                if (vss_value_set_string(entry, "id", copy->id) < 0 ||
                    vss_value_set_string(entry, "lun", copy->place.lun) < 0 ||
                    vss_value_set(entry, "properties", vss_value_copy(copy->info)) < 0 ||
                    vss_value_append(list, entry) < 0)
                        return -ENOMEM;
        }
        return list ? client_call(client, request, p->settings.call_usec, NULL) : -ENOMEM;
}

vss_result lun_end_prepare(vss_provider_call *call, const char *set_id, vss_value *results) {
        LunProvider *p = vss_provider_call_userdata(call);
        LunSet *set = under_way(call, set_id);

        if (!set)
                return no_set(call, set_id);
        for (size_t i = 0; i < p->n_clients; i++) {
                Client *client = &p->clients[i];
                int r;

                if (!has_copies(set, client))
                        continue;
                r = prepare_one(p, set, client);
                if (r < 0)
                        return lun_fail(call, set_id, client, r);
                client->making = true;
        }
        return VSS_S_OK;
}

vss_result lun_pre_commit(vss_provider_call *call, const char *set_id) {
        LunProvider *p = vss_provider_call_userdata(call);
        _cleanup_value_ vss_value *request = client_request("ping");
        LunSet *set = under_way(call, set_id);

        if (!set)
                return no_set(call, set_id);
        for (size_t i = 0; request && i < p->n_clients; i++) {
                int r = has_copies(set, &p->clients[i])
                                ? client_call(&p->clients[i], request, PING_USEC, NULL)
                                : 0;

                if (r < 0)
                        return lun_fail(call, set_id, &p->clients[i], r);
        }
        return request ? VSS_S_OK : VSS_E_OUTOFMEMORY;
}

vss_result lun_commit(vss_provider_call *call, const char *set_id) {
        LunProvider *p = vss_provider_call_userdata(call);
        _cleanup_value_ vss_value *request = request_of("commit", set_id);
        uint64_t deadline = now_usec() + p->settings.commit_usec;
        LunSet *set = under_way(call, set_id);
        Client *failed = NULL;
        int r = 0;

        if (!set)
                return no_set(call, set_id);
        if (!request)
                return VSS_E_OUTOFMEMORY;
        for (size_t i = 0; r == 0 && i < p->n_clients; i++)
                if (has_copies(set, &p->clients[i])) {
                        r = client_send(&p->clients[i], request, deadline);
                        failed = &p->clients[i];
                }
        for (size_t i = 0; r == 0 && i < p->n_clients; i++)
                if (has_copies(set, &p->clients[i])) {
                        _cleanup_value_ vss_value *answer = NULL;

                        r = client_receive(&p->clients[i], deadline, &answer);
                        failed = &p->clients[i];
                }
        return r < 0 ? lun_fail(call, set_id, failed, r) : VSS_S_OK;
}

vss_result lun_post_commit(vss_provider_call *call, const char *set_id, uint32_t count) {
        return under_way(call, set_id) ? VSS_S_OK : no_set(call, set_id);
}

vss_result lun_pre_final(vss_provider_call *call, const char *set_id) {
        LunSet *set = under_way(call, set_id);

        if (!set)
                return no_set(call, set_id);
        set->is_open = true;
        return VSS_S_OK;
}

/* Written to no more, by anybody who has it open. */
static vss_result seal(vss_provider_call *call, LunCopy *copy) {
        LunProvider *p = vss_provider_call_userdata(call);
        _cleanup_(freep) char *device = NULL;
        int r;

        if (!copy->opened_writable)
                return VSS_S_OK;
        r = image_find(p->copies, copy->id, &device);
        if (r == 0)
                r = block_mount_seal(device, copy->fs_type);
        if (r == 0)
                r = image_device_set_read_only(device, true);
        return r < 0 ? vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                              "%s: its copy cannot be made read-only: %s", copy->volume,
                                              strerror(-r))
                     : VSS_S_OK;
}

static int tell_devices(const LunProvider *p, vss_value *results) {
        vss_value *all = value_require(results, "properties", VSS_KIND_DICT);

        for (size_t i = 0; all && i < p->set->n_copies; i++) {
                const char *id = p->set->copies[i].id;
                _cleanup_(freep) char *device = NULL;
                vss_value *own;

                if (image_find(p->copies, id, &device) < 0)
                        continue;
                own = value_require(all, id, VSS_KIND_DICT);
                if (!own || vss_value_set_string(own, "block-device", device) < 0)
                        return -ENOMEM;
        }
        return all ? 0 : -ENOMEM;
}

vss_result lun_post_final(vss_provider_call *call, const char *set_id, vss_value *results) {
        LunProvider *p = vss_provider_call_userdata(call);
        _cleanup_value_ vss_value *request = request_of("finish", set_id);
        vss_value *properties = request ? value_require(request, "properties", VSS_KIND_DICT) : NULL;
        LunSet *set = under_way(call, set_id);
        vss_result result = VSS_S_OK;

        if (!set)
                return no_set(call, set_id);
        set->is_open = false;
        for (size_t i = 0; properties && result >= 0 && i < set->n_copies; i++) {
                result = seal(call, &set->copies[i]);
                if (vss_value_set(properties, set->copies[i].id, vss_value_copy(set->copies[i].info)) < 0)
                        result = VSS_E_OUTOFMEMORY;
        }
        if (!properties)
                result = VSS_E_OUTOFMEMORY;
        for (size_t i = 0; result >= 0 && i < p->n_clients; i++) {
                int r = has_copies(set, &p->clients[i])
                                ? client_call(&p->clients[i], request, p->settings.call_usec, NULL)
                                : 0;

                if (r < 0)
                        result = lun_fail(call, set_id, &p->clients[i], r);
                p->clients[i].making = false;
        }
        if (result >= 0 && tell_devices(p, results) < 0)
                result = VSS_E_OUTOFMEMORY;
        /* From here on it is known from the arrays alone. */
        if (result >= 0)
                p->set = lun_set_free(p->set);
        return result;
}

static void detach_all(LunProvider *p, const LunSet *set) {
        for (size_t i = 0; i < set->n_copies; i++) {
                ImageError error;

                if (image_detach(p->copies, set->copies[i].id, &error) < 0)
                        fprintf(stderr, "copy %s cannot be taken back: %s\n", set->copies[i].id, error.text);
        }
}

void lun_abort(vss_provider_call *call, const char *of_set) {
        LunProvider *p = vss_provider_call_userdata(call);
        _cleanup_value_ vss_value *request = NULL;
        LunSet *set = under_way(call, of_set);
        char set_id[VSS_ID_SIZE];

        /* It may be that of the set that is dropped here. */
        (void)snprintf(set_id, sizeof(set_id), "%s", of_set);
        request = request_of("abort", set_id);
        if (set)
                detach_all(p, set);
        for (size_t i = 0; request && i < p->n_clients; i++) {
                Client *client = &p->clients[i];
                /* After its session has ended the array takes back what was not finished; what was, it is
                 * asked for. */
                bool asked = client->pid > 0 || !set || has_copies(set, client);

                client->making = false;
                if (asked && client_call(client, request, ABORT_USEC, NULL) < 0)
                        fprintf(stderr, "set %s: %s\n", set_id, client->error);
        }
        if (set)
                p->set = lun_set_free(p->set);
}
