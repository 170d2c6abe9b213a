/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Images that are attached as volumes: vss attach --provider rbd [CLUSTER:]POOL[/NAMESPACE]/IMAGE
 */

#include <string.h>
#include "providers/common/block-mount.h"
#include "providers/rbd/provider.h"
#include "util/clock.h"

/* The cluster of that name; of one that is not named, the first. */
static int find_cluster(const Settings *settings, const char *name, size_t *ret_n) {
        for (size_t i = 0; i < settings->n_clusters; i++)
                if (!*name || strcmp(settings->clusters[i].name, name) == 0) {
                        *ret_n = i;
                        return 0;
                }
        return -ENOENT;
}

vss_result attach_attach(vss_provider_call *call, const char *device, const vss_value *options,
                         vss_value *result) {
        RbdProvider *p = vss_provider_call_userdata(call);
        _cleanup_(request_freep) Request *request = request_new(REQUEST_LOOK, REQUEST_USEC);
        _cleanup_(freep) char *attached = NULL;
        char cluster[64], why[WHY_SIZE];
        Target target = { .user_space = p->user_space };
        Place place = { 0 };
        size_t n;
        int r;

        if (!request)
                return VSS_E_OUTOFMEMORY;
        provider_refresh(p);
        if (device[0] == '/' || image_name_parse(device, cluster, &place.pool, place.image) < 0)
                return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER,
                                              "%s: is no image. Name POOL/IMAGE.", device);
        if (find_cluster(&p->clusters.settings, cluster, &n) < 0)
                return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER,
                                              "%s: no cluster%s%s is named in " RBD_CONF, device,
                                              *cluster ? " " : "", cluster);
        request->place = place;
        r = cluster_do(&p->clusters, n, &request, why);
        if (r == -ENOENT)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND, "%s: %s", device, why);
        if (r < 0)
                return cluster_fail(call, &p->clusters, n, device, r, why);
        target.cluster = &p->clusters.settings.clusters[n];
        target.place = request->place;
        r = live_attach(&target, &attached, why);
        if (r < 0)
                return vss_provider_call_fail(
                        call, r == -EEXIST ? VSS_E_OBJECT_ALREADY_EXISTS : VSS_E_UNEXPECTED_PROVIDER_ERROR,
                        "%s: %s", device, why);
        if (vss_value_set_string(result, "device", attached) < 0 ||
            vss_value_set_string(result, "mapped", attached) < 0 ||
            vss_value_set_string(result, "name", device) < 0 ||
            vss_value_set_boolean(result, "boot", false) < 0 ||
            !value_require(result, "mounted", VSS_KIND_LIST))
                return VSS_E_OUTOFMEMORY;
        return VSS_S_OK;
}

vss_result attach_detach(vss_provider_call *call, const char *device, const vss_value *options,
                         vss_value *result) {
        char why[WHY_SIZE];
        int r = live_detach(device, why);

        if (r == -ENOENT)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND, "%s: %s", device, why);
        if (r == -EBUSY)
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE, "%s: %s. Unmount it first.", device,
                                              why);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR, "%s: %s", device, why);
        return vss_value_set_string(result, "device", device) < 0 ? VSS_E_OUTOFMEMORY : VSS_S_OK;
}

vss_result attach_query(vss_provider_call *call, vss_value *list) {
        return live_list(list) < 0 ? VSS_E_OUTOFMEMORY : VSS_S_OK;
}
