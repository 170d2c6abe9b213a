/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LUNs as block devices of this machine
 */

#include <dirent.h>
#include <mntent.h>
#include <string.h>
#include "providers/lun/provider.h"

DEFINE_CLEANUP(DIR *, closedir)

#define MOUNTS_MAX 64u

static void endmntentp(FILE **file) {
        if (*file)
                (void)endmntent(*file);
}

/* A device itself, or one of its partitions. */
static bool is_of(const char *source, const char *device) {
        size_t n = strlen(device);

        if (strncmp(source, device, n) != 0)
                return false;
        return !source[n] || (source[n] == 'p' && source[n + 1] >= '1' && source[n + 1] <= '9');
}

int lun_mounts_of(const char *device, vss_value *list) {
        _cleanup_(endmntentp) FILE *file = setmntent("/proc/self/mounts", "re");
        struct mntent *entry;

        if (!file)
                return -errno;
        while ((entry = getmntent(file)) && vss_value_count(list) < MOUNTS_MAX)
                if (is_of(entry->mnt_fsname, device) && value_append_string(list, entry->mnt_dir) < 0)
                        return -ENOMEM;
        return 0;
}

/* {"name", "size", "writable", ...} of a LUN that this host is granted; NULL if it is not. */
static int find_lun(Client *client, const char *name, vss_value **ret_lun) {
        _cleanup_value_ vss_value *request = client_request("luns"), *answer = NULL;
        const vss_value *luns;
        int r = request ? client_call(client, request, client->settings->call_usec, &answer) : -ENOMEM;

        *ret_lun = NULL;
        luns = vss_value_get(answer, "luns");
        for (size_t i = 0; r == 0 && i < vss_value_count(luns); i++)
                if (strcmp(vss_value_get_string(vss_value_at(luns, i), "name", ""), name) == 0) {
                        *ret_lun = vss_value_copy(vss_value_at(luns, i));
                        return *ret_lun ? 0 : -ENOMEM;
                }
        return r;
}

int lun_attach_live(LunProvider *p, Client *client, const char *lun, bool writable, char **ret_device,
                    ImageError *error) {
        _cleanup_source_ ClientSource source = { .uri = NULL };
        char name[PLACE_NAME_SIZE];
        int r = place_name(client->array->name, lun, name);

        if (r == 0)
                r = client_source(client, writable, lun, &source);
        if (r < 0) {
                (void)snprintf(error->text, sizeof(error->text), "%s",
                               *client->error ? client->error : strerror(-r));
                return r;
        }
        return image_attach(p->live, name, &source.image,
                            IMAGE_PARTITIONS | (writable ? 0 : IMAGE_READ_ONLY), ret_device, error);
}

/* "LUN" or "ARRAY/LUN". */
static vss_result choose(vss_provider_call *call, const char *named, Client **ret_client,
                         vss_value **ret_lun) {
        LunProvider *p = vss_provider_call_userdata(call);
        const char *slash = strchr(named, '/'), *lun = slash ? slash + 1 : named;
        Client *found = NULL;

        lun_refresh(p);
        if (slash == named || !array_name_is_valid(lun))
                return vss_provider_call_fail(
                        call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER,
                        "%.100s is no name of a LUN; it is named as the array names it, or as "
                        "ARRAY/LUN",
                        named);
        for (size_t i = 0; i < p->n_clients; i++) {
                Client *client = &p->clients[i];
                vss_value *there = NULL;
                int r;

                if (slash && (strlen(client->array->name) != (size_t)(slash - named) ||
                              strncmp(client->array->name, named, (size_t)(slash - named)) != 0))
                        continue;
                r = find_lun(client, lun, &there);
                if (r < 0)
                        return lun_fail(call, named, client, r == -ENOENT ? -EIO : r);
                if (there && found) {
                        vss_value_free(there);
                        return vss_provider_call_fail(
                                call, VSS_E_INVALIDARG,
                                "array %s and array %s have a LUN %s; name it ARRAY/LUN", found->array->name,
                                client->array->name, lun);
                }
                if (there) {
                        found = client;
                        *ret_lun = there;
                }
        }
        if (!found)
                return vss_provider_call_fail(
                        call, VSS_E_OBJECT_NOT_FOUND,
                        "no array of " LUN_CONF " has granted a LUN %.80s to this host", named);
        *ret_client = found;
        return VSS_S_OK;
}

static vss_result describe(vss_provider_call *call, const char *name, const char *device,
                           vss_value *result) {
        vss_value *mounted = value_require(result, "mounted", VSS_KIND_LIST);
        char shown[PLACE_NAME_SIZE];
        Place place;

        if (place_split(name, &place) < 0 || !mounted)
                return VSS_E_OUTOFMEMORY;
        (void)snprintf(shown, sizeof(shown), "%s/%s", place.array, place.lun);
        if (vss_value_set_string(result, "device", shown) < 0 ||
            vss_value_set_string(result, "name", place.lun) < 0 ||
            vss_value_set_string(result, "mapped", device) < 0 ||
            vss_value_set_boolean(result, "boot", false) < 0 ||
            !value_require(result, "snapshots", VSS_KIND_LIST) || lun_mounts_of(device, mounted) < 0)
                return VSS_E_OUTOFMEMORY;
        return VSS_S_OK;
}

vss_result lun_attach_device(vss_provider_call *call, const char *device, const vss_value *options,
                             vss_value *result) {
        LunProvider *p = vss_provider_call_userdata(call);
        _cleanup_(freep) char *path = NULL;
        _cleanup_value_ vss_value *lun = NULL;
        char name[PLACE_NAME_SIZE];
        ImageError error = { .text = "" };
        Client *client = NULL;
        vss_result chosen = choose(call, device, &client, &lun);
        const char *named = vss_value_get_string(lun, "name", "");
        int r;

        if (chosen < 0)
                return chosen;
        if (place_name(client->array->name, named, name) < 0)
                return vss_provider_call_fail(call, VSS_E_INVALIDARG, "%.100s: its name is too long",
                                              device);
        r = image_find(p->live, name, &path);
        if (r == -ENODEV) {
                /* Its array was away: whoever has unmounted it gets it anew. */
                free(TAKE_PTR(path));
                r = image_detach(p->live, name, &error);
                if (r == 0)
                        r = -ENOENT;
        }
        if (r == -ENOENT)
                r = lun_attach_live(p, client, named, vss_value_get_boolean(lun, "writable", false), &path,
                                    &error);
        if (r == -EBUSY)
                return vss_provider_call_fail(
                        call, VSS_E_VOLUME_IN_USE,
                        "%.100s: its connection to the array is broken, and its device in use. "
                        "Unmount it first.",
                        device);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%.100s cannot be attached: %s",
                                              device, *error.text ? error.text : strerror(-r));
        return describe(call, name, path, result);
}

vss_result lun_detach_device(vss_provider_call *call, const char *device, const vss_value *options,
                             vss_value *result) {
        LunProvider *p = vss_provider_call_userdata(call);
        _cleanup_(closedirp) DIR *dir = opendir(p->live);
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                _cleanup_(freep) char *path = NULL;
                char shown[PLACE_NAME_SIZE];
                ImageError error;
                Place place;
                int r;

                if (place_split(entry->d_name, &place) < 0)
                        continue;
                (void)snprintf(shown, sizeof(shown), "%s/%s", place.array, place.lun);
                (void)image_find(p->live, entry->d_name, &path);
                if (strcmp(device, shown) != 0 && strcmp(device, place.lun) != 0 &&
                    (!path || strcmp(device, path) != 0))
                        continue;
                r = image_detach(p->live, entry->d_name, &error);
                if (r < 0)
                        return vss_provider_call_fail(
                                call, r == -EBUSY ? VSS_E_VOLUME_IN_USE : VSS_E_PROVIDER_VETO, "%s: %s",
                                shown, error.text);
                return describe(call, entry->d_name, path ?: "", result);
        }
        return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND, "%.100s is no LUN that is attached",
                                      device);
}

vss_result lun_query_attached(vss_provider_call *call, vss_value *list) {
        LunProvider *p = vss_provider_call_userdata(call);
        _cleanup_(closedirp) DIR *dir = opendir(p->live);
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                _cleanup_value_ vss_value *device = vss_value_new_dict();
                _cleanup_(freep) char *path = NULL;
                Place place;

                if (place_split(entry->d_name, &place) < 0)
                        continue;
                (void)image_find(p->live, entry->d_name, &path);
                if (describe(call, entry->d_name, path ?: "", device) < 0 ||
                    vss_value_append(list, TAKE_PTR(device)) < 0)
                        return VSS_E_OUTOFMEMORY;
        }
        return VSS_S_OK;
}
