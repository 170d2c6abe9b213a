/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Copies that leave this machine, come from another, or become plain LUNs
 *
 * What describes a LUN (get_target_luns) is what identifies a disk elsewhere: who made it, its serial
 * number, how it is reached. A document is anybody's: of what it says, only the identities are used, and the
 * array knows the rest.
 */

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <string.h>
#include "providers/common/image-device.h"
#include "providers/common/import.h"
#include "providers/common/info.h"
#include "providers/lun/provider.h"

static int describe_lun(Client *client, vss_value *pair, const char *key, bool live, const char *name,
                        const char *serial, const vss_value *place) {
        vss_value *lun = value_require(pair, key, VSS_KIND_DICT);
        _cleanup_(freep) char *uri = NULL;
        int r = lun ? client_uri(client, live, name, &uri) : -ENOMEM;

        if (r < 0)
                return r;
        if (value_set_printf(lun, "id", "%s:%s", client_array_id(client), serial) < 0 ||
            vss_value_set_string(lun, "array", client_array_id(client)) < 0 ||
            vss_value_set_string(lun, "serial", serial) < 0 || vss_value_set_string(lun, "name", name) < 0 ||
            vss_value_set_string(lun, "vendor", vss_value_get_string(client->hello, "vendor", "")) < 0 ||
            vss_value_set_string(lun, "product", vss_value_get_string(client->hello, "product", "")) < 0 ||
            vss_value_set_string(lun, "revision", vss_value_get_string(client->hello, "revision", "")) < 0 ||
            vss_value_set_string(lun, "type", "disk") < 0 || vss_value_set_string(lun, "bus", "nbd") < 0 ||
            vss_value_set_string(lun, "address", uri) < 0 ||
            vss_value_set_integer(lun, "offset", vss_value_get_integer(place, "offset", 0)) < 0 ||
            vss_value_set_integer(lun, "length", vss_value_get_integer(place, "length", 0)) < 0)
                return -ENOMEM;
        return 0;
}

vss_result lun_get_target_luns(vss_provider_call *call, const char *set_id, vss_value *luns) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        LunProvider *p = vss_provider_call_userdata(call);
        vss_result result = lun_list(call, list);
        size_t n = 0;

        for (size_t i = 0; result >= 0 && i < vss_value_count(list); i++) {
                const vss_value *info = vss_value_at(list, i), *own = vss_value_get(info, "array");
                const char *id = vss_value_get_string(info, "id", "");
                Client *client = lun_client(p, vss_value_get_string(info, "lun-array", ""));
                vss_value *pair, *pairs;
                int r;

                if (strcmp(vss_value_get_string(info, "set", ""), set_id) != 0)
                        continue;
                n++;
                pair = vss_value_new_dict();
                r = describe_lun(client, pair, "source", true, vss_value_get_string(own, "lun", ""),
                                 vss_value_get_string(own, "serial", ""), vss_value_get(info, "lun"));
                if (r == 0)
                        r = describe_lun(client, pair, "destination", false, id, id,
                                         vss_value_get(info, "lun"));
                pairs = value_require(luns, id, VSS_KIND_LIST);
                if (vss_value_append(pairs, pair) < 0)
                        r = -ENOMEM;
                if (r < 0)
                        result = lun_fail(call, id, client, r);
        }
        if (result >= 0 && n == 0)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND, "there is no set %.40s", set_id);
        return result;
}

/* Import */

static const vss_value *lun_of(const vss_value *snapshot, const char *which) {
        return vss_value_get(vss_value_at(vss_value_get(snapshot, "luns"), 0), which);
}

static Client *find_array(LunProvider *p, const char *id) {
        for (size_t i = 0; i < p->n_clients; i++)
                if (client_open(&p->clients[i]) == 0 && strcmp(client_array_id(&p->clients[i]), id) == 0)
                        return &p->clients[i];
        return NULL;
}

/* Two disks of one identity on a machine that uses the one: the copy is for others, as long as it does. */
static bool original_is_mounted(LunProvider *p, Client *client, const char *lun) {
        _cleanup_value_ vss_value *mounted = vss_value_new_list();
        _cleanup_(freep) char *device = NULL;
        char name[PLACE_NAME_SIZE];

        if (place_name(client->array->name, lun, name) < 0 || image_find(p->live, name, &device) < 0)
                return false;
        return image_device_is_free(device) == -EBUSY ||
               (lun_mounts_of(device, mounted) == 0 && vss_value_count(mounted) > 0);
}

static int take(Client *client, const vss_value *snapshot, vss_value **ret_info) {
        _cleanup_value_ vss_value *request = client_request("take"), *answer = NULL;
        const vss_value *copy;
        int r;

        if (!request || vss_value_set_string(request, "id", vss_value_get_string(snapshot, "id", "")) < 0 ||
            vss_value_set_string(request, "set", vss_value_get_string(snapshot, "set", "")) < 0 ||
            vss_value_set(request, "properties", vss_value_copy(snapshot)) < 0)
                return -ENOMEM;
        r = client_call(client, request, client->settings->call_usec, &answer);
        if (r < 0)
                return r;
        copy = vss_value_get(answer, "copy");
        if (strcmp(vss_value_get_string(copy, "id", ""), vss_value_get_string(snapshot, "id", "-")) != 0 ||
            strcmp(vss_value_get_string(copy, "set", ""), vss_value_get_string(snapshot, "set", "-")) != 0)
                return -EBADMSG;
        *ret_info = vss_value_copy(copy);
        return *ret_info ? 0 : -ENOMEM;
}

static int import_one(void *userdata, const vss_value *snapshot, char ret_why[static IMPORT_WHY_SIZE]) {
        LunProvider *p = userdata;
        const vss_value *destination = lun_of(snapshot, "destination");
        const char *id = vss_value_get_string(snapshot, "id", "");
        _cleanup_(freep) char *device = NULL;
        _cleanup_value_ vss_value *info = NULL;
        ImageError error = { .text = "" };
        Client *client;
        int r;

        client = find_array(p, vss_value_get_string(destination, "array", "-"));
        if (!client) {
                (void)snprintf(ret_why, IMPORT_WHY_SIZE,
                               "its LUN is on an array that " LUN_CONF
                               " does not name, or that does not answer%s%s",
                               p->n_clients ? ": " : "", p->n_clients ? p->clients[0].error : "");
                return -ENOENT;
        }
        if (strcmp(vss_value_get_string(destination, "serial", ""), id) != 0) {
                (void)snprintf(ret_why, IMPORT_WHY_SIZE, "its LUN holds another shadow copy");
                return -ENOENT;
        }
        if (original_is_mounted(p, client, vss_value_get_string(lun_of(snapshot, "source"), "name", ""))) {
                (void)snprintf(ret_why, IMPORT_WHY_SIZE,
                               "its original is in use on this very machine; import it on another one, or "
                               "unmount %.100s",
                               vss_value_get_string(snapshot, "volume", ""));
                return -EBUSY;
        }
        r = take(client, snapshot, &info);
        if (r < 0) {
                (void)snprintf(ret_why, IMPORT_WHY_SIZE, "%s",
                               r == -EBADMSG || r == -ENOMEM ? strerror(-r) : client->error);
                return r;
        }
        r = lun_attach_copy(p, client, info, false, &device, &error);
        if (r < 0) {
                (void)snprintf(ret_why, IMPORT_WHY_SIZE, "it cannot be attached: %s", error.text);
                if (lun_call_copy(client, "give-back", id, NULL) < 0)
                        fprintf(stderr, "%s: %s\n", id, client->error);
                return -EIO;
        }
        return 0;
}

vss_result lun_import(vss_provider_call *call, const vss_value *set, vss_value *result) {
        LunProvider *p = vss_provider_call_userdata(call);

        lun_refresh(p);
        return import_each(set, result, import_one, p);
}

/* Break */

static int break_one(Client *client, const vss_value *info, uint32_t flags, bool check, char **ret_lun) {
        _cleanup_value_ vss_value *request = client_request("break"), *answer = NULL;
        const char *id = vss_value_get_string(info, "id", "");
        int r;

        if (!request || vss_value_set_string(request, "id", id) < 0 ||
            value_set_printf(request, "lun", "copy-%.8s", id) < 0 ||
            vss_value_set_boolean(request, "check", check) < 0 ||
            vss_value_set_boolean(request, "masked", flags & VSS_BREAKEX_FLAG_MASK_LUNS) < 0 ||
            vss_value_set_boolean(request, "writable", flags & VSS_BREAKEX_FLAG_MAKE_READ_WRITE) < 0 ||
            vss_value_set_boolean(request, "revert-identity", flags & VSS_BREAKEX_FLAG_REVERT_IDENTITY_ALL) <
                    0)
                return -ENOMEM;
        r = client_call(client, request, client->settings->call_usec, &answer);
        if (r < 0 || check)
                return r;
        *ret_lun = strdup(vss_value_get_string(answer, "lun", ""));
        return *ret_lun ? 0 : -ENOMEM;
}

static vss_result break_fail(vss_provider_call *call, const vss_value *info, const Client *client,
                             uint32_t flags, int r) {
        if (r == -EEXIST && (flags & VSS_BREAKEX_FLAG_REVERT_IDENTITY_ALL))
                return vss_provider_call_fail(call, VSS_E_BREAK_REVERT_ID_FAILED,
                                              "the original of %s is still there: %s",
                                              vss_value_get_string(info, "volume", "?"), client->error);
        return lun_fail(call, vss_value_get_string(info, "id", ""), client, r == -ENOSPC ? -EIO : r);
}

/* Those of the set; each array is asked first whether it will. */
static vss_result gather(vss_provider_call *call, const char *set_id, uint32_t flags, vss_value *copies) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        LunProvider *p = vss_provider_call_userdata(call);
        vss_result result = lun_list(call, list);

        for (size_t i = 0; result >= 0 && i < vss_value_count(list); i++) {
                const vss_value *info = vss_value_at(list, i);
                const char *id = vss_value_get_string(info, "id", "");
                Client *client = lun_client(p, vss_value_get_string(info, "lun-array", ""));
                ImageError error;
                int r;

                if (strcmp(vss_value_get_string(info, "set", ""), set_id) != 0)
                        continue;
                r = break_one(client, info, flags, true, NULL);
                if (r < 0)
                        return break_fail(call, info, client, flags, r);
                if (image_detach(p->copies, id, &error) < 0)
                        return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE, "shadow copy %s: %s", id,
                                                      error.text);
                if (vss_value_append(copies, vss_value_copy(info)) < 0)
                        return VSS_E_OUTOFMEMORY;
        }
        if (result >= 0 && vss_value_count(copies) == 0)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND, "there is no set %.40s", set_id);
        return result;
}

vss_result lun_break(vss_provider_call *call, const char *set_id, uint32_t flags) {
        _cleanup_value_ vss_value *copies = vss_value_new_list();
        LunProvider *p = vss_provider_call_userdata(call);
        vss_result result = gather(call, set_id, flags, copies);

        for (size_t i = 0; result >= 0 && i < vss_value_count(copies); i++) {
                const vss_value *info = vss_value_at(copies, i);
                Client *client = lun_client(p, vss_value_get_string(info, "lun-array", ""));
                _cleanup_(freep) char *lun = NULL, *device = NULL;
                ImageError error = { .text = "" };
                int r = break_one(client, info, flags, false, &lun);

                if (r < 0)
                        return break_fail(call, info, client, flags, r);
                if (flags & VSS_BREAKEX_FLAG_MASK_LUNS)
                        continue;
                /* It is a LUN now, whatever becomes of its device. */
                if (lun_attach_live(p, client, lun, flags & VSS_BREAKEX_FLAG_MAKE_READ_WRITE, &device,
                                    &error) < 0)
                        fprintf(stderr, "%s is a LUN now, and cannot be attached: %s\n", lun, error.text);
        }
        return result;
}
