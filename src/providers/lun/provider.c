/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The lun provider: what stands, what is opened and deleted, and the table of its calls
 */

#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "config.h"
#include "providers/common/block-mount.h"
#include "providers/common/info.h"
#include "providers/lun/provider.h"
#include "util/clock.h"

/* What stands is looked at that often. */
#define WATCH_USEC (2 * USEC_PER_SEC)

static int make_directory(char **ret_path, const char *state_dir, const char *name) {
        if (asprintf(ret_path, "%s/%s", state_dir, name) < 0) {
                *ret_path = NULL;
                return -ENOMEM;
        }
        return mkdir(*ret_path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static void conf_time(const char *path, struct timespec *ret_time) {
        struct stat st;

        *ret_time = stat(path, &st) < 0 ? (struct timespec){ 0 } : st.st_ctim;
}

static int read_settings(LunProvider *p) {
        LunSettings settings = { 0 };
        ConfError error = { 0 };
        int r;

        conf_time(p->conf_path, &p->conf_changed);
        r = lun_settings_read(p->conf_path, &error, &settings);
        if (r < 0) {
                fprintf(stderr, "%s:%u: %s\n", p->conf_path, error.line,
                        *error.message ? error.message : strerror(-r));
                return r;
        }
        for (size_t i = 0; i < p->n_clients; i++)
                client_close(&p->clients[i]);
        p->n_clients = 0;
        lun_settings_done(&p->settings);
        p->settings = settings;
        for (size_t i = 0; i < p->settings.n; i++)
                client_init(&p->clients[p->n_clients++], &p->settings, &p->settings.arrays[i]);
        return 0;
}

void lun_refresh(LunProvider *p) {
        struct timespec now;

        conf_time(p->conf_path, &now);
        if (!p->set && (now.tv_sec != p->conf_changed.tv_sec || now.tv_nsec != p->conf_changed.tv_nsec))
                (void)read_settings(p);
}

int lun_provider_init(LunProvider *p, const char *conf_path, const char *state_dir) {
        int r;

        *p = (LunProvider){ .told = vss_value_new_list(), .conf_path = conf_path };
        r = p->told ? read_settings(p) : -ENOMEM;
        if (r < 0)
                return r;
        r = (mkdir(LINUXVSS_RUNDIR, 0755) < 0 && errno != EEXIST) ||
                            (mkdir(state_dir, 0700) < 0 && errno != EEXIST)
                    ? -errno
                    : 0;
        if (r == 0)
                r = make_directory(&p->live, state_dir, "live");
        if (r == 0)
                r = make_directory(&p->copies, state_dir, "copies");
        if (r < 0)
                fprintf(stderr, "%s: %s\n", state_dir, strerror(-r));
        return r;
}

void lun_provider_done(LunProvider *p) {
        p->set = lun_set_free(p->set);
        for (size_t i = 0; i < p->n_clients; i++)
                client_close(&p->clients[i]);
        lun_settings_done(&p->settings);
        vss_value_free(p->told);
        free(p->live);
        free(p->copies);
}

Client *lun_client(LunProvider *p, const char *name) {
        for (size_t i = 0; i < p->n_clients; i++)
                if (strcmp(p->clients[i].array->name, name) == 0)
                        return &p->clients[i];
        return NULL;
}

vss_result lun_fail(vss_provider_call *call, const char *whom, const Client *client, int r) {
        vss_result code = r == -ENOMEM   ? VSS_E_OUTOFMEMORY
                          : r == -ENOENT ? VSS_E_OBJECT_NOT_FOUND
                                         : VSS_E_PROVIDER_VETO;

        if (r == -ENOMEM)
                return vss_provider_call_fail(call, code, "%s: out of memory", whom);
        return vss_provider_call_fail(call, r == -ENOSPC ? VSS_E_INSUFFICIENT_STORAGE : code, "%s: %s", whom,
                                      client->error);
}

int lun_call_copy(Client *client, const char *name, const char *id, vss_value **ret_answer) {
        _cleanup_value_ vss_value *request = client_request(name);

        if (!request || vss_value_set_string(request, "id", id) < 0)
                return -ENOMEM;
        return client_call(client, request, client->settings->call_usec, ret_answer);
}

/* What the array says of a copy is looked at as if a stranger had said it. */
static bool is_copy(const vss_value *info) {
        return vss_value_kind(info) == VSS_KIND_DICT &&
               info_id_is_valid(vss_value_get_string(info, "id", NULL)) &&
               info_id_is_valid(vss_value_get_string(info, "set", NULL));
}

static int list_one(Client *client, vss_value *list) {
        _cleanup_value_ vss_value *request = client_request("copies"), *answer = NULL;
        const vss_value *copies;
        int r = request ? client_call(client, request, client->settings->call_usec, &answer) : -ENOMEM;

        copies = vss_value_get(answer, "copies");
        for (size_t i = 0; r == 0 && i < vss_value_count(copies); i++) {
                _cleanup_value_ vss_value *info = NULL;

                if (!is_copy(vss_value_at(copies, i)))
                        continue;
                info = vss_value_copy(vss_value_at(copies, i));
                if (!info || vss_value_set_string(info, "lun-array", client->array->name) < 0 ||
                    vss_value_append(list, TAKE_PTR(info)) < 0)
                        r = -ENOMEM;
        }
        return r;
}

static bool is_listed(void *userdata, const char *id) {
        const vss_value *list = userdata;

        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(vss_value_get_string(vss_value_at(list, i), "id", ""), id) == 0)
                        return true;
        return false;
}

vss_result lun_list(vss_provider_call *call, vss_value *list) {
        LunProvider *p = vss_provider_call_userdata(call);

        lun_refresh(p);
        for (size_t i = 0; i < p->n_clients; i++) {
                int r = list_one(&p->clients[i], list);

                if (r < 0)
                        return lun_fail(call, "the shadow copies cannot be listed", &p->clients[i],
                                        r == -ENOENT ? -EIO : r);
        }
        /* Chains of copies that are none any more: a provider was killed while it deleted one. */
        if (!p->swept && !p->set) {
                int left = image_sweep(p->copies, is_listed, list);

                if (left > 0)
                        fprintf(stderr, "%d devices of copies that are gone are still in use\n", left);
                p->swept = true;
        }
        return VSS_S_OK;
}

vss_result lun_find(vss_provider_call *call, const char *id, vss_value **ret_info, Client **ret_client) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        LunProvider *p = vss_provider_call_userdata(call);
        vss_result result = lun_list(call, list);

        for (size_t i = 0; result >= 0 && i < vss_value_count(list); i++) {
                const vss_value *info = vss_value_at(list, i);

                if (strcmp(vss_value_get_string(info, "id", ""), id) != 0)
                        continue;
                *ret_client = lun_client(p, vss_value_get_string(info, "lun-array", ""));
                *ret_info = vss_value_copy(info);
                return *ret_info ? VSS_S_OK : VSS_E_OUTOFMEMORY;
        }
        return result < 0 ? result
                          : vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                                   "shadow copy %.40s is on no array", id);
}

#define LOST_REASON \
        "the connection to its array is broken. Unmount it and it is connected again, or delete it"

/* One whose chain is broken is lost to who has it mounted, and nobody else. */
static bool is_broken(const LunProvider *p, const char *id, char **ret_device) {
        ImageError error;

        if (image_find(p->copies, id, ret_device) != -ENODEV)
                return false;
        return image_detach(p->copies, id, &error) < 0;
}

static int describe(const LunProvider *p, vss_value *info) {
        const char *id = vss_value_get_string(info, "id", ""),
                   *state = vss_value_get_string(info, "state", "");
        vss_value *own = value_require(info, "lun", VSS_KIND_DICT);
        _cleanup_(freep) char *device = NULL;
        int r;

        if (!own || vss_value_set_string(own, "array", vss_value_get_string(info, "lun-array", "")) < 0 ||
            vss_value_set_string(own, "lun", vss_value_get_string(vss_value_get(info, "array"), "lun", "")) <
                    0)
                return -ENOMEM;
        if (p->set && strcmp(vss_value_get_string(info, "set", ""), p->set->id) == 0)
                r = vss_value_set_string(info, "state", "preparing");
        else if (strcmp(state, "created") != 0) {
                r = vss_value_set_string(info, "state", "incomplete");
                if (r >= 0)
                        r = vss_value_set_string(info, "state-reason", "it was never finished");
        } else if (is_broken(p, id, &device)) {
                r = vss_value_set_string(info, "state", "lost");
                if (r >= 0)
                        r = vss_value_set_string(info, "reason", LOST_REASON);
        } else
                r = VSS_S_OK;
        if (r >= 0 && image_id_is_valid(id)) {
                free(TAKE_PTR(device));
                if (image_find(p->copies, id, &device) == 0)
                        r = vss_value_set_string(info, "block-device", device);
        }
        value_unset(info, "array");
        value_unset(info, "lun-array");
        return r < 0 ? -ENOMEM : 0;
}

static vss_result query(vss_provider_call *call, vss_value *list) {
        _cleanup_value_ vss_value *found = vss_value_new_list();
        LunProvider *p = vss_provider_call_userdata(call);
        vss_result result = lun_list(call, found);

        for (size_t i = 0; result >= 0 && i < vss_value_count(found); i++) {
                _cleanup_value_ vss_value *info = vss_value_copy(vss_value_at(found, i));

                if (!info || describe(p, info) < 0 || vss_value_append(list, TAKE_PTR(info)) < 0)
                        result = VSS_E_OUTOFMEMORY;
        }
        return result;
}

static vss_result delete_snapshot(vss_provider_call *call, const char *snapshot_id) {
        LunProvider *p = vss_provider_call_userdata(call);
        _cleanup_value_ vss_value *info = NULL;
        Client *client = NULL;
        vss_result result;
        ImageError error;
        int r;

        if (lun_set_find(p->set, snapshot_id))
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE,
                                              "shadow copy %s is being made; abort its set instead",
                                              snapshot_id);
        result = lun_find(call, snapshot_id, &info, &client);
        if (result < 0)
                return result;
        r = image_detach(p->copies, snapshot_id, &error);
        if (r < 0)
                return vss_provider_call_fail(call, r == -EBUSY ? VSS_E_VOLUME_IN_USE : VSS_E_PROVIDER_VETO,
                                              "shadow copy %s: %s", snapshot_id, error.text);
        r = lun_call_copy(client, "delete", snapshot_id, NULL);
        return r < 0 ? lun_fail(call, snapshot_id, client, r) : VSS_S_OK;
}

static vss_result set_snapshot_property(vss_provider_call *call, const char *snapshot_id,
                                        const vss_value *properties) {
        _cleanup_value_ vss_value *info = NULL, *request = client_request("identity");
        LunProvider *p = vss_provider_call_userdata(call);
        LunCopy *making = lun_set_find(p->set, snapshot_id);
        Client *client = NULL;
        vss_result result;
        int r;

        if (making)
                return info_merge(making->info, properties, "lun") < 0 ? VSS_E_OUTOFMEMORY : VSS_S_OK;
        result = lun_find(call, snapshot_id, &info, &client);
        if (result < 0)
                return result;
        if (!request || vss_value_set_string(request, "id", snapshot_id) < 0 ||
            vss_value_set(request, "properties", vss_value_copy(properties)) < 0)
                return VSS_E_OUTOFMEMORY;
        r = client_call(client, request, p->settings.call_usec, NULL);
        return r < 0 ? lun_fail(call, snapshot_id, client, r) : VSS_S_OK;
}

static int show(Client *client, const char *id, bool writable) {
        _cleanup_value_ vss_value *request = client_request("unmask");

        if (!request || vss_value_set_string(request, "id", id) < 0 ||
            vss_value_set_boolean(request, "writable", writable) < 0)
                return -ENOMEM;
        return client_call(client, request, client->settings->call_usec, NULL);
}

static int _printf_(3, 4) image_fail(ImageError *error, int r, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(error->text, sizeof(error->text), format, args);
        va_end(args);
        return r;
}

/* Where it is, and which part of it is the volume. */
static int find_source(Client *client, const vss_value *info, bool writable, ClientSource *ret_source,
                       ImageError *error) {
        const vss_value *own = vss_value_get(info, "lun");
        int64_t offset = vss_value_get_integer(own, "offset", 0),
                length = vss_value_get_integer(own, "length", 0);
        int r;

        if (offset < 0 || length < 0)
                return image_fail(error, -EBADMSG, "where it lies on its LUN cannot be understood");
        r = client_source(client, writable, vss_value_get_string(info, "id", ""), ret_source);
        ret_source->image.offset = (uint64_t)offset;
        ret_source->image.length = (uint64_t)length;
        return r < 0 ? image_fail(error, r, "%s", r == -ENOMEM ? "out of memory" : client->error) : 0;
}

int lun_attach_copy(LunProvider *p, Client *client, const vss_value *info, bool writable, char **ret_device,
                    ImageError *error) {
        const char *id = vss_value_get_string(info, "id", "");
        _cleanup_source_ ClientSource source = { .uri = NULL };
        int r = image_find(p->copies, id, ret_device);

        if (r == 0)
                return 0;
        if (r == -ENODEV) {
                free(TAKE_PTR(*ret_device));
                if (image_detach(p->copies, id, error) < 0)
                        return image_fail(error, -EBUSY, LOST_REASON);
        }
        r = show(client, id, writable);
        if (r < 0)
                return image_fail(error, r, "%s", r == -ENOMEM ? "out of memory" : client->error);
        r = find_source(client, info, writable, &source, error);
        return r < 0 ? r
                     : image_attach(p->copies, id, &source.image, writable ? 0 : IMAGE_READ_ONLY, ret_device,
                                    error);
}

/* One that is unclean is recovered on an overlay: the copy itself is not written to, and its journal never
 * skipped. */
static int mount_unclean(LunProvider *p, Client *client, const vss_value *info, int *ret_fd,
                         ImageError *error) {
        _cleanup_source_ ClientSource source = { .uri = NULL };
        _cleanup_(freep) char *device = NULL;
        const char *id = vss_value_get_string(info, "id", ""),
                   *fs_type = vss_value_get_string(vss_value_get(info, "lun"), "fs-type", "");
        int r = image_detach(p->copies, id, error);

        if (r == 0)
                r = find_source(client, info, false, &source, error);
        if (r == 0)
                r = image_attach(p->copies, id, &source.image, IMAGE_OVERLAY, &device, error);
        if (r == 0)
                r = block_mount(device, fs_type, true, false, ret_fd);
        if (r == 0)
                r = block_mount_seal(device, fs_type);
        return r;
}

static vss_result open_snapshot(vss_provider_call *call, const char *snapshot_id, bool writable,
                                int *ret_mount_fd) {
        LunProvider *p = vss_provider_call_userdata(call);
        LunCopy *making = lun_set_find(p->set, snapshot_id);
        _cleanup_(freep) char *device = NULL;
        _cleanup_value_ vss_value *info = NULL;
        ImageError error = { .text = "" };
        const char *fs_type;
        Client *client = NULL;
        vss_result result;
        bool superblock;
        int r;

        if (making && p->set->is_open) {
                client = making->client;
                info = vss_value_copy(making->info);
                making->opened_writable = making->opened_writable || writable;
        } else {
                result = lun_find(call, snapshot_id, &info, &client);
                if (result < 0)
                        return result;
                making = NULL;
                if (strcmp(vss_value_get_string(info, "state", ""), "created") != 0)
                        return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                                      "shadow copy %s was never finished. Delete it.",
                                                      snapshot_id);
                if (writable)
                        return vss_provider_call_fail(
                                call, VSS_E_NOT_SUPPORTED,
                                "shadow copy %s is complete and read-only; it can be written to "
                                "only between PreFinalCommitSnapshots and "
                                "PostFinalCommitSnapshots",
                                snapshot_id);
        }
        fs_type = vss_value_get_string(vss_value_get(info, "lun"), "fs-type", "");
        if (!block_mount_knows(fs_type))
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO,
                        "shadow copy %s: \"%.20s\" is no file system that is mounted here", snapshot_id,
                        fs_type);
        superblock = making && making->opened_writable;
        r = lun_attach_copy(p, client, info, superblock, &device, &error);
        if (r < 0)
                return vss_provider_call_fail(call, r == -EBUSY ? VSS_E_SNAPSHOT_LOST : VSS_E_PROVIDER_VETO,
                                              "shadow copy %s: %s", snapshot_id, error.text);
        r = block_mount(device, fs_type, superblock, writable, ret_mount_fd);
        if (r == -EUCLEAN)
                r = mount_unclean(p, client, info, ret_mount_fd, &error);
        return r < 0 ? vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "shadow copy %s cannot be mounted: %s", snapshot_id,
                                              *error.text ? error.text : strerror(-r))
                     : VSS_S_OK;
}

static int tell_lost(LunProvider *p, vss_value *results, const char *id) {
        vss_value *events = value_require(results, "events", VSS_KIND_LIST), *event;

        if (!events || value_append_string(p->told, id) < 0)
                return -ENOMEM;
        event = vss_value_new_dict();
        if (vss_value_set_string(event, "event", "snapshot-lost") < 0 ||
            vss_value_set_string(event, "snapshot", id) < 0 ||
            vss_value_set_string(event, "message", LOST_REASON) < 0 || vss_value_append(events, event) < 0)
                return -ENOMEM;
        return 0;
}

typedef struct Watch {
        LunProvider *p;
        vss_value *results;
        size_t n;
        bool failed;
} Watch;

/* Looks, and keeps every one. */
static bool watch_one(void *userdata, const char *id) {
        Watch *watch = userdata;
        _cleanup_(freep) char *device = NULL;

        watch->n++;
        if (!value_contains(watch->p->told, id) && is_broken(watch->p, id, &device))
                watch->failed = tell_lost(watch->p, watch->results, id) < 0 || watch->failed;
        return true;
}

static vss_result check_storage(vss_provider_call *call, vss_value *results) {
        Watch watch = { .p = vss_provider_call_userdata(call), .results = results };

        (void)image_sweep(watch.p->copies, watch_one, &watch);
        if (watch.failed ||
            vss_value_set_integer(results, "next-usec", watch.n > 0 ? (int64_t)WATCH_USEC : 0) < 0)
                return VSS_E_OUTOFMEMORY;
        return VSS_S_OK;
}

const struct vss_provider lun_provider = {
        VSS_PROVIDER_INIT,
        .name = "Lun",
        .id = "0b2b0a4b-6ff1-4a5c-9d0e-6cb0bb3b9f11",
        .friendly_name = "copies of LUNs by their array",
        .version = LINUXVSS_VERSION,
        .type = VSS_PROV_HARDWARE,
        .flags = VSS_PROVIDER_PERSISTENT | VSS_PROVIDER_TRANSPORTABLE | VSS_PROVIDER_PLEX,
        .holds = 1u << VSS_HOLD_FILESYSTEM,
        .atomic_scope = VSS_ATOMIC_VOLUME,
        .changed = VSS_CHANGED_NONE,
        .is_volume_supported = lun_is_volume_supported,
        .begin_prepare_snapshot = lun_begin_prepare,
        .commit_snapshots = lun_commit,
        .abort_snapshots = lun_abort,
        .query = query,
        .delete_snapshot = delete_snapshot,
        .open_snapshot = open_snapshot,
        .end_prepare_snapshots = lun_end_prepare,
        .pre_commit_snapshots = lun_pre_commit,
        .post_commit_snapshots = lun_post_commit,
        .pre_final_commit_snapshots = lun_pre_final,
        .post_final_commit_snapshots = lun_post_final,
        .set_snapshot_property = set_snapshot_property,
        .get_target_luns = lun_get_target_luns,
        .import_snapshots = lun_import,
        .break_snapshot_set = lun_break,
        .revert_to_snapshot = lun_revert,
        .query_revert_status = lun_query_revert,
        .resync_snapshots = lun_resync,
        .check_storage = check_storage,
        .attach_device = lun_attach_device,
        .detach_device = lun_detach_device,
        .query_attached = lun_query_attached,
};
