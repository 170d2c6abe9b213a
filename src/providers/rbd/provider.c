/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The rbd provider: shadow copies are snapshots of images in a Ceph cluster
 *
 * A snapshot has what has been written to the image, so the file system on it is held while it is made: what
 * is flushed is in the copy, and it needs no journal. Images are told apart by their ids, copies by their
 * own, and hosts that share a cluster by the id of the machine: what is of another host is neither told nor
 * touched.
 */

#include <fcntl.h>
#include <string.h>
#include "config.h"
#include "providers/common/block-mount.h"
#include "providers/common/info.h"
#include "providers/rbd/client.h"
#include "providers/rbd/open.h"
#include "providers/rbd/pending.h"
#include "providers/rbd/provider.h"
#include "util/clock.h"

#define SYS "/sys"

/* As the service calls the machine. */
static void read_host(char ret_host[static HOST_SIZE]) {
        _cleanup_(closep) int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
        char text[33] = "";

        if (fd < 0 || read(fd, text, 32) != 32 || strspn(text, "0123456789abcdef") != 32)
                (void)snprintf(text, sizeof(text), "unknown");
        (void)snprintf(ret_host, HOST_SIZE, "%s", text);
}

static void read_settings(RbdProvider *p) {
        Settings settings = { 0 };
        ConfError error = { 0 };
        int r;

        clusters_done(&p->clusters);
        p->conf_error[0] = 0;
        r = settings_read(p->conf_path, &error, &settings);
        if (r < 0) {
                (void)snprintf(p->conf_error, sizeof(p->conf_error), "%s:%u: %s", p->conf_path, error.line,
                               *error.message ? error.message : strerror(-r));
                fprintf(stderr, "%s\n", p->conf_error);
                settings = (Settings){ 0 };
        }
        p->clusters.settings = settings;
}

void provider_refresh(RbdProvider *p) {
        struct stat st = { 0 };

        if (p->set)
                return;
        if (stat(p->conf_path, &st) < 0)
                st = (struct stat){ 0 };
        if (st.st_ino == p->conf_seen.st_ino && st.st_size == p->conf_seen.st_size &&
            st.st_mtim.tv_sec == p->conf_seen.st_mtim.tv_sec &&
            st.st_mtim.tv_nsec == p->conf_seen.st_mtim.tv_nsec)
                return;
        p->conf_seen = st;
        read_settings(p);
}

int provider_init(RbdProvider *p, const char *conf_path) {
        *p = (RbdProvider){ .conf_path = conf_path };
        read_host(p->host);
        client_sweep();
        provider_refresh(p);
        return 0;
}

void provider_done(RbdProvider *p) {
        p->set = set_free(p->set);
        clusters_done(&p->clusters);
}

/* Volumes */

static vss_result decline(vss_provider_call *call, const struct vss_volume *volume, const char *why) {
        return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, "%s: %s", volume->path,
                                      why);
}

int provider_find_image(const char *name, Place *ret_place, const char **ret_why) {
        char device[300];
        int r = device_read_krbd(SYS, name, ret_place, ret_why);

        (void)snprintf(device, sizeof(device), "/dev/%.255s", name);
        if (r == -ENOENT)
                r = live_find(device, ret_place);
        if (r == -ENOENT)
                r = device_read_rbd_nbd(SYS, name, ret_place);
        return r;
}

/* The cluster that it is in, and what of its names was not known. */
static vss_result find_cluster(vss_provider_call *call, const struct vss_volume *volume, Place *place,
                               size_t *ret_cluster) {
        RbdProvider *p = vss_provider_call_userdata(call);
        _cleanup_(request_freep) Request *request = NULL;
        char why[WHY_SIZE] = "";
        size_t n = 0;
        int r = 0;

        /* rbd-nbd does not tell of which cluster; with one there is no doubt. */
        if (*place->fsid)
                r = cluster_find(&p->clusters, place->fsid, p->clusters.settings.answer_usec, &n, why);
        else if (p->clusters.settings.n_clusters != 1)
                return decline(call, volume, "its image may be in any of several clusters");
        if (r == -ENOENT)
                return decline(call, volume, why);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                              "%s: it is an image, whose cluster cannot be asked: %s",
                                              volume->path, why);
        *ret_cluster = n;
        if (*place->image_id)
                return VSS_S_OK;
        request = request_new(REQUEST_LOOK, p->clusters.settings.answer_usec);
        if (!request)
                return VSS_E_OUTOFMEMORY;
        request->place = *place;
        r = cluster_do(&p->clusters, n, &request, why);
        if (r < 0)
                return cluster_fail(call, &p->clusters, n, volume->path, r, why);
        *place = request->place;
        return VSS_S_OK;
}

static bool is_looked_into(const ClusterSettings *settings, const PoolName *name) {
        for (size_t i = 0; i < settings->n_pools; i++)
                if (strcmp(settings->pools[i].pool, name->pool) == 0 &&
                    strcmp(settings->pools[i].space, name->space) == 0)
                        return true;
        return false;
}

static vss_result look(vss_provider_call *call, const struct vss_volume *volume, Bottom *ret_bottom,
                       Place *ret_place, size_t *ret_cluster) {
        RbdProvider *p = vss_provider_call_userdata(call);
        const char *why = "it lies on no image of a cluster";
        vss_result result;
        int r;

        provider_refresh(p);
        if (p->clusters.settings.n_clusters == 0)
                return decline(call, volume,
                               *p->conf_error ? p->conf_error : "no cluster is named in " RBD_CONF);
        if (!block_mount_knows(volume->fs_type))
                return decline(call, volume, "its file system is neither ext4 nor XFS");
        r = device_find_bottom(SYS, (dev_t)volume->device, ret_bottom, &why);
        if (r == 0)
                r = provider_find_image(ret_bottom->name, ret_place, &why);
        if (r < 0)
                return decline(call, volume, r == -ENOENT ? "it lies on no image of a cluster" : why);
        result = find_cluster(call, volume, ret_place, ret_cluster);
        if (result < 0)
                return result;
        if (!is_looked_into(&p->clusters.settings.clusters[*ret_cluster], &ret_place->pool))
                return decline(call, volume, "the pool of its image is not named in " RBD_CONF);
        /* Only now that the cluster answers: reading from it might wait. */
        r = block_mount_outside_source(volume->source, (dev_t)volume->device, volume->fs_type, &why);
        return r < 0 || why ? decline(call, volume, why ?: "its superblock cannot be read") : VSS_S_OK;
}

static vss_result is_volume_supported(vss_provider_call *call, const struct vss_volume *volume,
                                      struct vss_volume_support *ret_support) {
        Bottom bottom;
        size_t cluster;
        Place place;
        vss_result result = look(call, volume, &bottom, &place, &cluster);

        if (result == VSS_S_OK)
                ret_support->hold = VSS_HOLD_FILESYSTEM;
        return result;
}

/* Sets */

static Set *set_under_way(vss_provider_call *call, const char *set_id) {
        RbdProvider *p = vss_provider_call_userdata(call);

        return p->set && strcmp(p->set->id, set_id) == 0 ? p->set : NULL;
}

static vss_result no_set(vss_provider_call *call, const char *set_id) {
        return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                      "set %s is not being made; BeginPrepareSnapshot comes first", set_id);
}

static void abort_snapshots(vss_provider_call *call, const char *of_set) {
        RbdProvider *p = vss_provider_call_userdata(call);
        char set_id[VSS_ID_SIZE];
        /* What another process had begun may still come. */
        bool doubtful = !set_under_way(call, of_set) || p->set->doubtful;

        (void)snprintf(set_id, sizeof(set_id), "%s", of_set);
        for (size_t i = 0; p->set && i < p->set->n_copies; i++) {
                char snapshot[SNAPSHOT_SIZE], why[WHY_SIZE];
                Target target;

                if (provider_target(p, p->set->copies[i].cluster, p->set->copies[i].info, &target,
                                    snapshot) == 0)
                        (void)attached_drop_copy(p->set->copies[i].id, &target, why);
        }
        if (set_under_way(call, set_id))
                p->set = set_free(p->set);
        pending_abort(&p->clusters, p->host, set_id, doubtful);
}

static vss_result begin_prepare_snapshot(vss_provider_call *call, const char *set_id,
                                         const char *snapshot_id, const struct vss_volume *volume,
                                         const vss_value *properties) {
        RbdProvider *p = vss_provider_call_userdata(call);
        Bottom bottom;
        size_t cluster;
        Place place;
        vss_result result;
        int r;

        if (!info_id_is_valid(set_id) || !info_id_is_valid(snapshot_id))
                return vss_provider_call_fail(call, VSS_E_INVALIDARG,
                                              "%s: an identity is a UUID in lower case", volume->path);
        result = look(call, volume, &bottom, &place, &cluster);
        if (result < 0)
                return result;
        if (p->set && strcmp(p->set->id, set_id) != 0)
                abort_snapshots(call, p->set->id);
        if (!p->set)
                p->set = set_new(set_id);
        if (!p->set)
                return VSS_E_OUTOFMEMORY;
        if (set_find(p->set, snapshot_id))
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS,
                                              "%s: shadow copy %s is in the set", volume->path, snapshot_id);
        r = set_add(p->set, snapshot_id, volume, cluster, &place, &bottom, properties);
        if (r == -E2BIG)
                return vss_provider_call_fail(call, VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED,
                                              "%s: the set has %u volumes already", volume->path,
                                              VSS_VOLUMES_MAX);
        return r < 0 ? VSS_E_OUTOFMEMORY : VSS_S_OK;
}

static vss_result step(vss_provider_call *call, const char *set_id, SetStep set_step_, uint64_t limit_usec) {
        RbdProvider *p = vss_provider_call_userdata(call);
        Set *set = set_under_way(call, set_id);

        return set ? set_step(set, &p->clusters, set_step_, limit_usec, call) : no_set(call, set_id);
}

static uint64_t answer_usec(vss_provider_call *call) {
        const RbdProvider *p = vss_provider_call_userdata(call);

        return p->clusters.settings.answer_usec;
}

static vss_result end_prepare_snapshots(vss_provider_call *call, const char *set_id, vss_value *results) {
        return step(call, set_id, STEP_OPEN, REQUEST_USEC);
}

static vss_result pre_commit_snapshots(vss_provider_call *call, const char *set_id) {
        return step(call, set_id, STEP_CHECK, answer_usec(call));
}

static vss_result commit_snapshots(vss_provider_call *call, const char *set_id) {
        return step(call, set_id, STEP_CUT, answer_usec(call));
}

/* Writers wait for this; but it is a matter of milliseconds, and until then they would wait longer for a
 * provider that dies. */
static vss_result post_commit_snapshots(vss_provider_call *call, const char *set_id, uint32_t count) {
        return step(call, set_id, STEP_CLOSE, answer_usec(call));
}

static vss_result pre_final_commit_snapshots(vss_provider_call *call, const char *set_id) {
        Set *set = set_under_way(call, set_id);

        if (!set)
                return no_set(call, set_id);
        set->is_open = true;
        return VSS_S_OK;
}

/* Copies that stand */

int provider_target(const RbdProvider *p, size_t cluster, const vss_value *info, Target *ret_target,
                    char ret_snapshot[static SNAPSHOT_SIZE]) {
        const vss_value *own = vss_value_get(info, "rbd");
        int64_t offset = vss_value_get_integer(own, "offset", 0),
                length = vss_value_get_integer(own, "length", 0);
        bool is_clone = vss_value_get_boolean(own, "clone", false);
        Target target = { .cluster = &p->clusters.settings.clusters[cluster],
                          .snapshot = is_clone ? NULL : ret_snapshot,
                          .read_only = true,
                          .user_space = p->user_space };
        int r = place_read(own, &target.place);

        if (r < 0 || offset < 0 || length < 0)
                return -EBADMSG;
        target.offset = (uint64_t)offset;
        target.length = (uint64_t)length;
        snapshot_name(vss_value_get_string(info, "id", ""), ret_snapshot);
        if (is_clone) {
                (void)snprintf(target.place.image, sizeof(target.place.image), "%s", ret_snapshot);
                (void)snprintf(target.place.image_id, sizeof(target.place.image_id), "%s",
                               vss_value_get_string(own, "clone-id", ""));
        }
        *ret_target = target;
        return 0;
}

vss_result provider_ask(vss_provider_call *call, RequestKind kind, size_t cluster, const vss_value *info) {
        RbdProvider *p = vss_provider_call_userdata(call);
        _cleanup_(request_freep) Request *request = request_new(kind, REQUEST_USEC);
        const char *id = vss_value_get_string(info, "id", "?");
        char why[WHY_SIZE];
        int r;

        if (request)
                request->info = vss_value_copy(info);
        if (!request || !request->info)
                return VSS_E_OUTOFMEMORY;
        r = cluster_do(&p->clusters, cluster, &request, why);
        if (r == -EBUSY)
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE, "shadow copy %s: %s", id, why);
        return r < 0 ? cluster_fail(call, &p->clusters, cluster, id, r, why) : VSS_S_OK;
}

vss_result provider_find(vss_provider_call *call, const char *id, size_t *ret_cluster,
                         vss_value **ret_info) {
        RbdProvider *p = vss_provider_call_userdata(call);
        vss_result result = VSS_S_OK;

        provider_refresh(p);
        for (size_t i = 0; info_id_is_valid(id) && i < p->clusters.settings.n_clusters; i++) {
                _cleanup_(request_freep) Request *request = request_new(REQUEST_FIND, REQUEST_USEC);
                char why[WHY_SIZE];
                int r;

                if (!request)
                        return VSS_E_OUTOFMEMORY;
                (void)snprintf(request->id, sizeof(request->id), "%s", id);
                (void)snprintf(request->host, sizeof(request->host), "%s", p->host);
                r = cluster_do(&p->clusters, i, &request, why);
                if (r == 0) {
                        *ret_cluster = i;
                        *ret_info = TAKE_PTR(request->info);
                        return VSS_S_OK;
                }
                if (r != -ENOENT)
                        result = cluster_fail(call, &p->clusters, i, id, r, why);
        }
        return result < 0 ? result
                          : vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                                   "shadow copy %s is in none of the pools of " RBD_CONF
                                                   ", or another host's",
                                                   id);
}

vss_result provider_list(vss_provider_call *call, vss_value *list) {
        RbdProvider *p = vss_provider_call_userdata(call);

        provider_refresh(p);
        for (size_t i = 0; i < p->clusters.settings.n_clusters; i++) {
                _cleanup_(request_freep) Request *request = request_new(REQUEST_LIST, REQUEST_USEC);
                char why[WHY_SIZE];
                int r;

                if (!request)
                        return VSS_E_OUTOFMEMORY;
                (void)snprintf(request->host, sizeof(request->host), "%s", p->host);
                r = cluster_do(&p->clusters, i, &request, why);
                if (r < 0)
                        return cluster_fail(call, &p->clusters, i, "the shadow copies cannot be listed", r,
                                            why);
                for (size_t k = 0; k < vss_value_count(request->list); k++)
                        if (vss_value_append(list, vss_value_copy(vss_value_at(request->list, k))) < 0)
                                return VSS_E_OUTOFMEMORY;
        }
        return VSS_S_OK;
}

static int describe(const Set *set, vss_value *info) {
        if (strcmp(vss_value_get_string(info, "state", ""), "preparing") != 0 ||
            (set && strcmp(vss_value_get_string(info, "set", ""), set->id) == 0))
                return 0;
        return vss_value_set_string(info, "state", "incomplete") < 0 ||
                               vss_value_set_string(info, "state-reason", "it was never finished") < 0
                       ? -ENOMEM
                       : 0;
}

static vss_result query(vss_provider_call *call, vss_value *list) {
        _cleanup_value_ vss_value *all = vss_value_new_list();
        RbdProvider *p = vss_provider_call_userdata(call);
        vss_result result = all ? provider_list(call, all) : VSS_E_OUTOFMEMORY;

        if (result < 0)
                return result;
        attached_sweep(all);
        for (size_t i = 0; i < vss_value_count(all); i++) {
                _cleanup_value_ vss_value *info = vss_value_copy(vss_value_at(all, i));

                /* It is as good as gone. */
                if (pending_has(vss_value_get_string(info, "set", "")))
                        continue;
                if (!info || describe(p->set, info) < 0 || vss_value_append(list, TAKE_PTR(info)) < 0)
                        return VSS_E_OUTOFMEMORY;
        }
        return VSS_S_OK;
}

static vss_result delete_snapshot(vss_provider_call *call, const char *snapshot_id) {
        RbdProvider *p = vss_provider_call_userdata(call);
        char snapshot[SNAPSHOT_SIZE], why[WHY_SIZE];
        _cleanup_value_ vss_value *info = NULL;
        size_t cluster;
        Target target;
        vss_result result;
        int r;

        if (set_find(p->set, snapshot_id))
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE,
                                              "shadow copy %s is being made; abort its set instead",
                                              snapshot_id);
        result = provider_find(call, snapshot_id, &cluster, &info);
        if (result < 0)
                return result;
        r = provider_target(p, cluster, info, &target, snapshot);
        if (r == 0)
                r = attached_drop_copy(snapshot_id, &target, why);
        if (r == -EBUSY)
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE,
                                              "shadow copy %s: %s. Unmount it, and end what reads from it.",
                                              snapshot_id, why);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR, "shadow copy %s: %s",
                                              snapshot_id, why);
        return provider_ask(call, REQUEST_REMOVE, cluster, info);
}

static vss_result set_snapshot_property(vss_provider_call *call, const char *snapshot_id,
                                        const vss_value *properties) {
        RbdProvider *p = vss_provider_call_userdata(call);
        Copy *making = set_find(p->set, snapshot_id);
        _cleanup_value_ vss_value *info = NULL;
        vss_result result;
        size_t cluster;

        if (making && info_merge(making->info, properties, "rbd") < 0)
                return VSS_E_OUTOFMEMORY;
        result = provider_find(call, snapshot_id, &cluster, &info);
        if (result < 0)
                return making ? VSS_S_OK : result;
        if (info_merge(info, properties, "rbd") < 0)
                return VSS_E_OUTOFMEMORY;
        return provider_ask(call, REQUEST_PUT, cluster, info);
}

static vss_result post_final_commit_snapshots(vss_provider_call *call, const char *set_id,
                                              vss_value *results) {
        RbdProvider *p = vss_provider_call_userdata(call);
        Set *set = set_under_way(call, set_id);
        vss_result result = VSS_S_OK;

        if (!set)
                return no_set(call, set_id);
        set->is_open = false;
        for (size_t i = 0; i < set->n_copies && result == VSS_S_OK; i++) {
                result = open_seal(call, &set->copies[i]);
                if (result == VSS_S_OK && vss_value_set_string(set->copies[i].info, "state", "created") < 0)
                        result = VSS_E_OUTOFMEMORY;
        }
        if (result == VSS_S_OK)
                result = set_step(set, &p->clusters, STEP_SEAL, REQUEST_USEC, call);
        if (result < 0)
                return result;
        /* From here on it is known from the cluster alone. */
        p->set = set_free(p->set);
        return VSS_S_OK;
}

static vss_result open_snapshot(vss_provider_call *call, const char *snapshot_id, bool writable,
                                int *ret_mount_fd) {
        RbdProvider *p = vss_provider_call_userdata(call);
        Copy *making = set_find(p->set, snapshot_id);
        _cleanup_value_ vss_value *info = NULL;
        vss_result result;
        size_t cluster;

        if (making && p->set->is_open)
                return open_making(call, making, writable, ret_mount_fd);
        result = provider_find(call, snapshot_id, &cluster, &info);
        if (result < 0)
                return result;
        if (vss_value_get_integer(info, "attributes", 0) & VSS_VOLSNAP_ATTR_NOT_SURFACED)
                return vss_provider_call_fail(call, VSS_E_NOT_SUPPORTED,
                                              "shadow copy %s is transportable; import it", snapshot_id);
        if (strcmp(vss_value_get_string(info, "state", ""), "created") != 0)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "shadow copy %s was never finished. Delete it.", snapshot_id);
        if (writable)
                return vss_provider_call_fail(
                        call, VSS_E_NOT_SUPPORTED,
                        "shadow copy %s is complete and read-only; it can be written to only "
                        "between PreFinalCommitSnapshots and PostFinalCommitSnapshots",
                        snapshot_id);
        return open_copy(call, cluster, info, ret_mount_fd);
}

/* There is nothing that fills up; but what could not be taken back has to be. */
static vss_result check_storage(vss_provider_call *call, vss_value *results) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        RbdProvider *p = vss_provider_call_userdata(call);
        uint64_t next;

        provider_refresh(p);
        next = pending_work(&p->clusters, p->host);
        if (next > 0)
                return vss_value_set_integer(results, "next-usec", (int64_t)next) < 0 ? VSS_E_OUTOFMEMORY
                                                                                      : VSS_S_OK;
        /* Devices of copies that a provider before this one had made, and that are no more. */
        if (attached_any() && list && provider_list(call, list) == VSS_S_OK)
                attached_sweep(list);
        return VSS_S_OK;
}

const struct vss_provider rbd_provider = {
        VSS_PROVIDER_INIT,
        .name = "Rbd",
        .id = "6f0c7a52-93c4-4d0e-8b5e-1d1f6a4a7b90",
        .friendly_name = "Snapshots of Ceph RBD images",
        .version = LINUXVSS_VERSION,
        .type = VSS_PROV_HARDWARE,
        .flags = VSS_PROVIDER_PERSISTENT | VSS_PROVIDER_DIFFERENTIAL | VSS_PROVIDER_TRANSPORTABLE,
        .holds = 1u << VSS_HOLD_FILESYSTEM,
        .atomic_scope = VSS_ATOMIC_VOLUME,
        .changed = VSS_CHANGED_RANGES,
        .is_volume_supported = is_volume_supported,
        .begin_prepare_snapshot = begin_prepare_snapshot,
        .commit_snapshots = commit_snapshots,
        .abort_snapshots = abort_snapshots,
        .query = query,
        .delete_snapshot = delete_snapshot,
        .open_snapshot = open_snapshot,
        .end_prepare_snapshots = end_prepare_snapshots,
        .pre_commit_snapshots = pre_commit_snapshots,
        .post_commit_snapshots = post_commit_snapshots,
        .pre_final_commit_snapshots = pre_final_commit_snapshots,
        .post_final_commit_snapshots = post_final_commit_snapshots,
        .set_snapshot_property = set_snapshot_property,
        .get_target_luns = transport_get_luns,
        .import_snapshots = transport_import,
        .break_snapshot_set = transport_break,
        .check_storage = check_storage,
        .attach_device = attach_attach,
        .detach_device = attach_detach,
        .query_attached = attach_query,
};
