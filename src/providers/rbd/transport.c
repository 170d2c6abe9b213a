/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Copies for another machine, and copies that become plain snapshots or images
 *
 * All machines that reach the pool reach the copy; so what is told of it is where it is, and whose it is
 * stands in its identity alone. Taking it over is a change of that under a lock of the pool, which two
 * machines cannot both get.
 */

#include <dirent.h>
#include <string.h>
#include "providers/common/image-device.h"
#include "providers/common/import.h"
#include "providers/common/info.h"
#include "providers/rbd/provider.h"
#include "util/clock.h"

DEFINE_CLEANUP(DIR *, closedir)

static int describe_lun(const Place *place, const char *snapshot, vss_value *pair, const char *key) {
        vss_value *lun = value_require(pair, key, VSS_KIND_DICT);

        if (!lun ||
            value_set_printf(lun, "id", "rbd:%s/%s%s%s/%s%s%s", place->fsid, place->pool.pool,
                             *place->pool.space ? "/" : "", place->pool.space, place->image_id,
                             snapshot ? "@" : "", snapshot ?: "") < 0 ||
            vss_value_set_string(lun, "vendor", "Ceph") < 0 ||
            vss_value_set_string(lun, "product", "RBD") < 0 || vss_value_set_string(lun, "bus", "rbd") < 0 ||
            (snapshot && vss_value_set_string(lun, "snapshot", snapshot) < 0))
                return -ENOMEM;
        return place_describe(place, lun);
}

static vss_result describe_copy(const vss_value *info, vss_value *luns) {
        const char *id = vss_value_get_string(info, "id", "");
        vss_value *list = value_require(luns, id, VSS_KIND_LIST), *pair = vss_value_new_dict();
        char snapshot[SNAPSHOT_SIZE];
        Place place;

        snapshot_name(id, snapshot);
        if (!list || !pair || place_read(vss_value_get(info, "rbd"), &place) < 0 ||
            describe_lun(&place, NULL, pair, "source") < 0 ||
            describe_lun(&place, snapshot, pair, "destination") < 0) {
                vss_value_free(pair);
                return VSS_E_OUTOFMEMORY;
        }
        return vss_value_append(list, pair) < 0 ? VSS_E_OUTOFMEMORY : VSS_S_OK;
}

static vss_result list_set(vss_provider_call *call, const char *set_id, vss_value *list) {
        _cleanup_value_ vss_value *all = vss_value_new_list();
        vss_result result = all ? provider_list(call, all) : VSS_E_OUTOFMEMORY;

        for (size_t i = 0; result >= 0 && i < vss_value_count(all); i++)
                if (strcmp(vss_value_get_string(vss_value_at(all, i), "set", ""), set_id) == 0 &&
                    vss_value_append(list, vss_value_copy(vss_value_at(all, i))) < 0)
                        result = VSS_E_OUTOFMEMORY;
        if (result >= 0 && vss_value_count(list) == 0)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND, "there is no set %s", set_id);
        return result;
}

vss_result transport_get_luns(vss_provider_call *call, const char *set_id, vss_value *luns) {
        RbdProvider *p = vss_provider_call_userdata(call);
        _cleanup_value_ vss_value *list = vss_value_new_list();
        vss_result result = VSS_S_OK;

        if (!list)
                return VSS_E_OUTOFMEMORY;
        if (p->set && strcmp(p->set->id, set_id) == 0) {
                for (size_t i = 0; result == VSS_S_OK && i < p->set->n_copies; i++)
                        result = describe_copy(p->set->copies[i].info, luns);
                return result;
        }
        result = list_set(call, set_id, list);
        for (size_t i = 0; result >= 0 && i < vss_value_count(list); i++)
                result = describe_copy(vss_value_at(list, i), luns);
        return result;
}

/* Import */

/* What rbd-nbd serves is known by its name alone. */
static bool is_image(const Place *place, const Place *wanted) {
        if (*place->image_id)
                return place_equals(place, wanted);
        return strcmp(place->pool.pool, wanted->pool.pool) == 0 &&
               strcmp(place->pool.space, wanted->pool.space) == 0 &&
               strcmp(place->image, wanted->image) == 0;
}

/* Two disks of one identity on a machine that uses the one: the copy is for others, as long as it does. A
 * document may lie about where it was made; which images are devices here is known without it. */
static bool original_is_in_use(const Place *original) {
        _cleanup_(closedirp) DIR *dir = opendir("/sys/block");
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                char device[300];
                const char *why;
                Place place;

                if (entry->d_name[0] == '.' || provider_find_image(entry->d_name, &place, &why) < 0 ||
                    !is_image(&place, original))
                        continue;
                (void)snprintf(device, sizeof(device), "/dev/%.255s", entry->d_name);
                if (image_device_is_free(device) == -EBUSY)
                        return true;
        }
        return false;
}

/* What the image is called now; what the document calls it if nobody can tell. */
static void read_name(RbdProvider *p, size_t cluster, Place *place) {
        _cleanup_(request_freep) Request *request = request_new(REQUEST_LOOK, REQUEST_USEC);
        char why[WHY_SIZE];

        if (!request)
                return;
        request->place = *place;
        if (cluster_do(&p->clusters, cluster, &request, why) == 0)
                *place = request->place;
}

static int import_one(void *userdata, const vss_value *snapshot, char ret_why[static IMPORT_WHY_SIZE]) {
        RbdProvider *p = userdata;
        const vss_value *lun = vss_value_get(vss_value_at(vss_value_get(snapshot, "luns"), 0),
                                             "destination");
        _cleanup_(request_freep) Request *request = request_new(REQUEST_CLAIM, REQUEST_USEC);
        const char *id = vss_value_get_string(snapshot, "id", "");
        size_t cluster;
        Place place;
        int r;

        (void)snprintf(ret_why, WHY_SIZE, "its LUN is no image of a cluster");
        if (!info_id_is_valid(id) || place_read(lun, &place) < 0 ||
            strncmp(vss_value_get_string(lun, "id", ""), "rbd:", 4) != 0)
                return -ENOENT;
        r = cluster_find(&p->clusters, place.fsid, p->clusters.settings.answer_usec, &cluster, ret_why);
        if (r < 0)
                return r;
        read_name(p, cluster, &place);
        if (original_is_in_use(&place)) {
                (void)snprintf(ret_why, WHY_SIZE,
                               "its original is in use on this very machine; import it on another one, or "
                               "unmount %.100s",
                               vss_value_get_string(snapshot, "volume", ""));
                return -EBUSY;
        }
        (void)snprintf(ret_why, WHY_SIZE, "out of memory");
        if (!request)
                return -ENOMEM;
        request->place = place;
        request->info = vss_value_copy(snapshot);
        return request->info ? cluster_do(&p->clusters, cluster, &request, ret_why) : -ENOMEM;
}

vss_result transport_import(vss_provider_call *call, const vss_value *set, vss_value *result) {
        RbdProvider *p = vss_provider_call_userdata(call);

        provider_refresh(p);
        return import_each(set, result, import_one, p);
}

/* Break */

static vss_result break_one(vss_provider_call *call, const vss_value *found, bool writable) {
        RbdProvider *p = vss_provider_call_userdata(call);
        const char *id = vss_value_get_string(found, "id", "");
        char snapshot[SNAPSHOT_SIZE], why[WHY_SIZE] = "what is kept with it makes no sense";
        _cleanup_value_ vss_value *info = NULL;
        vss_result result;
        size_t cluster;
        Target target;
        int r;

        result = provider_find(call, id, &cluster, &info);
        if (result < 0)
                return result;
        r = provider_target(p, cluster, info, &target, snapshot);
        if (r == 0)
                r = attached_drop_copy(id, &target, why);
        if (r == -EBUSY)
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE, "shadow copy %s: %s", id, why);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR, "shadow copy %s: %s",
                                              id, why);
        /* The image vss-ID; without, what is left is the snapshot of that name. */
        if (writable && !vss_value_get_boolean(vss_value_get(info, "rbd"), "clone", false))
                result = provider_ask(call, REQUEST_CLONE, cluster, info);
        return result < 0 ? result : provider_ask(call, REQUEST_FORGET, cluster, info);
}

vss_result transport_break(vss_provider_call *call, const char *set_id, uint32_t flags) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        vss_result result = list ? list_set(call, set_id, list) : VSS_E_OUTOFMEMORY;

        if (result < 0)
                return result;
        /* A snapshot does not outlive its image, so that the original is always there. */
        if (flags & VSS_BREAKEX_FLAG_REVERT_IDENTITY_ALL)
                return vss_provider_call_fail(call, VSS_E_BREAK_REVERT_ID_FAILED,
                                              "set %s: the original images are still there", set_id);
        for (size_t i = 0; result >= 0 && i < vss_value_count(list); i++)
                result = break_one(call, vss_value_at(list, i), flags & VSS_BREAKEX_FLAG_MAKE_READ_WRITE);
        return result;
}
