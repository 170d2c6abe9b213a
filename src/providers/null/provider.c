/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The null provider: any file system, no storage
 *
 * Its copy of a volume is either the live tree itself, read-only, which is no copy and said to be none; or
 * its files, read at Commit, which are of one point in time exactly if nothing wrote meanwhile, so that they
 * show whether a hold holds.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include "config.h"
#include "providers/common/info.h"
#include "providers/null/calls.h"
#include "providers/null/memory.h"
#include "providers/null/tree.h"
#include "util/clock.h"

#define GAP_LIMIT_USEC (10 * USEC_PER_SEC)

typedef struct NullCopy {
        char id[VSS_ID_SIZE];
        char *volume;
        vss_value *info;
        bool copies_files, one_instant;
        char *cut; /* NULL: none is handed over */
        char *gap; /* a FIFO; NULL: the next follows at once */
        uint64_t device;
        int source_fd; /* the root of the volume */
        int data_fd;   /* where its files go; -1 until end of prepare, or if none are copied */
} NullCopy;

struct NullSet {
        char id[VSS_ID_SIZE];
        size_t n_copies;
        NullCopy copies[VSS_VOLUMES_MAX];
};

static void copy_done(NullCopy *copy) {
        closep(&copy->source_fd);
        closep(&copy->data_fd);
        free(copy->volume);
        free(copy->cut);
        free(copy->gap);
        (void)vss_value_free(copy->info);
}

static void drop_set(NullProvider *p) {
        for (size_t i = 0; p->set && i < p->set->n_copies; i++)
                copy_done(&p->set->copies[i]);
        free(TAKE_PTR(p->set));
}

void null_provider_done(NullProvider *provider) {
        drop_set(provider);
}

vss_result null_fail(vss_provider_call *call, const char *whom, const char *what, int r) {
        if (r == -ENOMEM)
                return vss_provider_call_fail(call, VSS_E_OUTOFMEMORY, "%s: out of memory", whom);
        return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR, "%s: %s: %s", whom, what,
                                      strerror(-r));
}

vss_result null_read_config(vss_provider_call *call, NullSettings *ret_config) {
        NullProvider *p = vss_provider_call_userdata(call);
        ConfError error;

        if (null_settings_read(p->config_path, &error, ret_config) < 0)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%s:%u: %s", p->config_path,
                                              error.line, error.message);
        return VSS_S_OK;
}

/* Opens where copies are kept. */
vss_result null_open_memory(vss_provider_call *call, int *ret_fd) {
        NullProvider *p = vss_provider_call_userdata(call);
        int r;

        r = memory_open(p->directory, ret_fd);
        return r < 0 ? null_fail(call, p->directory, "cannot be used", r) : VSS_S_OK;
}

static int volume_root(const struct vss_volume *volume, char **ret_root) {
        size_t n = strlen(volume->mount_point);
        const char *below = "";

        /* The copy begins where the volume does, whatever part of the file system is mounted there. */
        if (strcmp(volume->mount_point, "/") == 0)
                below = volume->path + 1;
        else if (strncmp(volume->path, volume->mount_point, n) == 0 && volume->path[n] == '/')
                below = volume->path + n + 1;
        if (asprintf(ret_root, "%s%s%s", volume->mount_root,
                     *below && strcmp(volume->mount_root, "/") != 0 ? "/" : "", below) < 0)
                return -ENOMEM;
        return 0;
}

static vss_result is_volume_supported(vss_provider_call *call, const struct vss_volume *volume,
                                      struct vss_volume_support *ret_support) {
        _cleanup_(freep) char *root = NULL;
        NullSettings config;
        vss_result result;
        int r;

        result = null_read_config(call, &config);
        if (result < 0)
                return result;
        r = volume_root(volume, &root);
        if (r < 0)
                return null_fail(call, volume->path, "", r);
        ret_support->hold = config.hold;
        ret_support->volume_root = TAKE_PTR(root);
        return VSS_S_OK;
}

static NullSet *set_under_way(vss_provider_call *call, const char *set_id) {
        NullProvider *p = vss_provider_call_userdata(call);

        return p->set && strcmp(p->set->id, set_id) == 0 ? p->set : NULL;
}

static vss_result no_set(vss_provider_call *call, const char *set_id) {
        return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                      "set %s is not being made; BeginPrepareSnapshot comes first", set_id);
}

static int make_info(NullCopy *copy, const char *set_id, const struct vss_volume *volume,
                     const NullSettings *config, const vss_value *properties) {
        vss_value *own;

        copy->info = vss_value_kind(properties) == VSS_KIND_DICT ? vss_value_copy(properties)
                                                                 : vss_value_new_dict();
        if (!copy->info)
                return -ENOMEM;
        own = value_require(copy->info, "null", VSS_KIND_DICT);
        if (!own || vss_value_set_string(copy->info, "id", copy->id) < 0 ||
            vss_value_set_string(copy->info, "set", set_id) < 0 ||
            vss_value_set_string(copy->info, "state", "preparing") < 0 ||
            vss_value_set_boolean(copy->info, "no-copy", !copy->copies_files) < 0 ||
            vss_value_set_string(own, "path", copy->volume) < 0 ||
            (*config->block_device &&
             vss_value_set_string(copy->info, "block-device", config->block_device) < 0) ||
            (*config->hidden &&
             value_append_string(value_require(copy->info, "hidden", VSS_KIND_LIST), config->hidden) < 0))
                return -ENOMEM;
        /* The LUN that the volume is said to lie on. */
        return (*config->lun ? vss_value_set_string(own, "lun", config->lun)
                             : value_set_printf(own, "lun", "%" PRIu64, volume->device)) < 0
                       ? -ENOMEM
                       : 0;
}

static int add_copy(NullSet *set, const char *snapshot_id, const struct vss_volume *volume,
                    const NullSettings *config, const vss_value *properties) {
        NullCopy *copy = &set->copies[set->n_copies];
        int r;

        *copy = (NullCopy){
                .volume = strdup(volume->path),
                .copies_files = config->copies_files,
                .one_instant = config->one_instant,
                .cut = *config->cut ? strdup(config->cut) : NULL,
                .gap = *config->gap ? strdup(config->gap) : NULL,
                .device = volume->device,
                .source_fd = openat(volume->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                .data_fd = -1,
        };
        (void)snprintf(copy->id, sizeof(copy->id), "%s", snapshot_id);
        r = copy->source_fd < 0 ? -errno
            : copy->volume      ? make_info(copy, set->id, volume, config, properties)
                                : -ENOMEM;
        if (r < 0)
                copy_done(copy);
        else
                set->n_copies++;
        return r;
}

static void take_back(vss_provider_call *call, const char *set_id);

static vss_result require_set(vss_provider_call *call, const char *set_id) {
        NullProvider *p = vss_provider_call_userdata(call);

        if (p->set && strcmp(p->set->id, set_id) == 0)
                return VSS_S_OK;
        if (p->set)
                take_back(call, p->set->id);
        drop_set(p);
        p->set = calloc(1, sizeof(*p->set));
        if (!p->set)
                return null_fail(call, set_id, "", -ENOMEM);
        (void)snprintf(p->set->id, sizeof(p->set->id), "%s", set_id);
        return VSS_S_OK;
}

static vss_result begin_prepare_snapshot(vss_provider_call *call, const char *set_id,
                                         const char *snapshot_id, const struct vss_volume *volume,
                                         const vss_value *properties) {
        NullProvider *p = vss_provider_call_userdata(call);
        NullSettings config;
        vss_result result;
        int r;

        if (!info_id_is_valid(set_id) || !info_id_is_valid(snapshot_id))
                return vss_provider_call_fail(call, VSS_E_INVALIDARG,
                                              "%s: an identity is a UUID in lower case", volume->path);
        result = null_read_config(call, &config);
        if (result == VSS_S_OK)
                result = require_set(call, set_id);
        if (result < 0)
                return result;
        if (p->set->n_copies >= VSS_VOLUMES_MAX)
                return vss_provider_call_fail(call, VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED,
                                              "%s: the set has %u volumes already", volume->path,
                                              VSS_VOLUMES_MAX);
        r = add_copy(p->set, snapshot_id, volume, &config, properties);
        return r < 0 ? null_fail(call, volume->path, "cannot be opened", r) : VSS_S_OK;
}

/* What the service is to know of a copy before it can be asked for. */
static int hand_over(const NullCopy *copy, vss_value *results) {
        static const char *const keys[] = { "block-device", "hidden" };

        FOREACH_ELEMENT (key, keys) {
                const vss_value *value = vss_value_get(copy->info, *key);
                vss_value *all = value ? value_require(results, "properties", VSS_KIND_DICT) : NULL;
                vss_value *own = value ? value_require(all, copy->id, VSS_KIND_DICT) : NULL;

                if (value && (!own || vss_value_set(own, *key, vss_value_copy(value)) < 0))
                        return -ENOMEM;
        }
        return copy->cut ? null_add_cut(results, copy->id, copy->cut, copy->device) : 0;
}

static vss_result end_prepare_snapshots(vss_provider_call *call, const char *set_id, vss_value *results) {
        NullSet *set = set_under_way(call, set_id);
        _cleanup_(closep) int memory = -1;
        vss_result result;
        int r;

        if (!set)
                return no_set(call, set_id);
        result = null_open_memory(call, &memory);
        if (result < 0)
                return result;
        for (size_t i = 0; i < set->n_copies; i++) {
                NullCopy *copy = &set->copies[i];

                r = memory_add(memory, copy->id, copy->info, copy->copies_files, &copy->data_fd);
                if (r < 0)
                        return null_fail(call, copy->volume, "the place of its copy cannot be made", r);
                r = hand_over(copy, results);
                if (r < 0)
                        return null_fail(call, copy->volume, "its cut cannot be handed over", r);
        }
        return VSS_S_OK;
}

/* Until whoever has opened the FIFO for writing closes it. */
static int wait_in_gap(const char *fifo) {
        uint64_t deadline = now_usec() + GAP_LIMIT_USEC;
        _cleanup_(closep) int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        for (;;) {
                struct pollfd pollfd = { .fd = fd, .events = POLLIN };
                uint64_t now = now_usec();
                char bytes[64];

                if (now >= deadline)
                        return -ETIMEDOUT;
                if (poll(&pollfd, 1, (int)((deadline - now) / USEC_PER_MSEC) + 1) < 0 && errno != EINTR)
                        return -errno;
                if (pollfd.revents & POLLIN)
                        (void)!read(fd, bytes, sizeof(bytes));
                else if (pollfd.revents & POLLHUP)
                        return 0;
        }
}

static vss_result commit_snapshots(vss_provider_call *call, const char *set_id) {
        NullSet *set = set_under_way(call, set_id);
        int r;

        if (!set)
                return no_set(call, set_id);
        for (size_t i = 0; i < set->n_copies; i++) {
                NullCopy *copy = &set->copies[i];

                if (!copy->copies_files)
                        continue;
                r = tree_copy(copy->source_fd, copy->data_fd);
                if (r == -E2BIG || r == -ENOSPC)
                        return vss_provider_call_fail(
                                call, VSS_E_INSUFFICIENT_STORAGE,
                                "%s: larger than what this provider copies (%u MiB, %u files, "
                                "%u levels)",
                                copy->volume, TREE_BYTES_MAX >> 20, TREE_FILES_MAX, TREE_DEPTH_MAX);
                if (r < 0)
                        return null_fail(call, copy->volume, "its files cannot be copied", r);
                r = copy->gap && i + 1 < set->n_copies ? wait_in_gap(copy->gap) : 0;
                if (r < 0)
                        return null_fail(call, copy->gap, "waiting for its end", r);
        }
        return VSS_S_OK;
}

/* What the configuration wants to be told, and that there is no copy if there is none. */
static int tell(const NullSet *set, vss_value *results) {
        bool one_instant = set->n_copies > 1, no_copy = false;
        vss_value *list, *instant;

        for (size_t i = 0; i < set->n_copies; i++) {
                one_instant &= set->copies[i].one_instant;
                no_copy |= !set->copies[i].copies_files;
        }
        if (no_copy && vss_value_set_boolean(results, "no-copy", true) < 0)
                return -ENOMEM;
        if (!one_instant)
                return 0;
        list = value_require(results, "one-instant", VSS_KIND_LIST);
        instant = vss_value_new_list();
        if (!list || vss_value_append(list, instant) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < set->n_copies; i++)
                if (value_append_string(instant, set->copies[i].id) < 0)
                        return -ENOMEM;
        return 0;
}

static vss_result post_final_commit_snapshots(vss_provider_call *call, const char *set_id,
                                              vss_value *results) {
        NullSet *set = set_under_way(call, set_id);
        _cleanup_(closep) int memory = -1;
        vss_result result;
        int r;

        if (!set)
                return no_set(call, set_id);
        result = null_open_memory(call, &memory);
        if (result < 0)
                return result;
        for (size_t i = 0; i < set->n_copies; i++) {
                NullCopy *copy = &set->copies[i];

                r = vss_value_set_string(copy->info, "state", "created") < 0 ? -ENOMEM : 0;
                if (r == 0)
                        r = memory_replace(memory, copy->id, copy->info);
                if (r < 0)
                        return null_fail(call, copy->volume, "its identity cannot be written", r);
        }
        r = tell(set, results);
        if (r < 0)
                return null_fail(call, set_id, "", r);
        drop_set(vss_provider_call_userdata(call));
        return VSS_S_OK;
}

static void take_back(vss_provider_call *call, const char *set_id) {
        NullProvider *p = vss_provider_call_userdata(call);
        _cleanup_value_ vss_value *list = vss_value_new_list();
        _cleanup_(closep) int memory = -1;
        int r;

        r = memory_open(p->directory, &memory);
        if (r == 0)
                r = memory_list(memory, NULL, list);
        if (r < 0)
                fprintf(stderr, "%s: cannot be searched for copies of set %s: %s\n", p->directory, set_id,
                        strerror(-r));
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *info = vss_value_at(list, i);
                const char *id = vss_value_get_string(info, "id", "");

                if (strcmp(vss_value_get_string(info, "set", ""), set_id) != 0)
                        continue;
                r = memory_remove(memory, id);
                if (r < 0)
                        fprintf(stderr, "%s/%s: cannot be removed: %s\n", p->directory, id, strerror(-r));
        }
}

static void abort_snapshots(vss_provider_call *call, const char *set_id) {
        take_back(call, set_id);
        if (set_under_way(call, set_id))
                drop_set(vss_provider_call_userdata(call));
}

static vss_result query(vss_provider_call *call, vss_value *list) {
        NullProvider *p = vss_provider_call_userdata(call);
        _cleanup_(closep) int memory = -1;
        NullSettings config = { 0 };
        vss_result result;
        int r;

        (void)null_read_config(call, &config); /* what stands does not depend on it */
        result = null_open_memory(call, &memory);
        if (result < 0)
                return result;
        r = memory_list(memory, p->set ? p->set->id : NULL, list);
        if (r >= 0)
                r = null_mark_lost(&config, list);
        return r < 0 ? null_fail(call, p->directory, "cannot be listed", r) : VSS_S_OK;
}

vss_result null_unknown(vss_provider_call *call, const char *id) {
        return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND, "there is no shadow copy %s", id);
}

static vss_result delete_snapshot(vss_provider_call *call, const char *snapshot_id) {
        _cleanup_(closep) int memory = -1;
        vss_result result;
        int r;

        if (!info_id_is_valid(snapshot_id))
                return null_unknown(call, snapshot_id);
        result = null_open_memory(call, &memory);
        if (result < 0)
                return result;
        r = memory_remove(memory, snapshot_id);
        if (r == -ENOENT)
                return null_unknown(call, snapshot_id);
        return r < 0 ? null_fail(call, snapshot_id, "cannot be deleted", r) : VSS_S_OK;
}

vss_result null_read_copy(vss_provider_call *call, int memory_fd, const char *id, vss_value **ret_info) {
        const char *reason;
        int r;

        if (!info_id_is_valid(id))
                return null_unknown(call, id);
        r = memory_read(memory_fd, id, &reason, ret_info);
        if (r == -ENOENT)
                return null_unknown(call, id);
        return r < 0 ? null_fail(call, id, reason, r) : VSS_S_OK;
}

/* Of the set that is being made; NULL if it is not in it. */
static NullCopy *find_copy(vss_provider_call *call, const char *id) {
        NullProvider *p = vss_provider_call_userdata(call);

        for (size_t i = 0; p->set && i < p->set->n_copies; i++)
                if (strcmp(p->set->copies[i].id, id) == 0)
                        return &p->set->copies[i];
        return NULL;
}

static vss_result set_snapshot_property(vss_provider_call *call, const char *snapshot_id,
                                        const vss_value *properties) {
        NullCopy *making = find_copy(call, snapshot_id);
        _cleanup_value_ vss_value *info = NULL;
        _cleanup_(closep) int memory = -1;
        vss_result result;
        int r;

        result = null_open_memory(call, &memory);
        if (result >= 0)
                result = null_read_copy(call, memory, snapshot_id, &info);
        if (result < 0)
                return result;
        /* What is kept in memory is written at the end of the set. */
        r = making ? info_merge(making->info, properties, "null") : 0;
        if (r >= 0)
                r = info_merge(info, properties, "null");
        if (r >= 0)
                r = memory_replace(memory, snapshot_id, info);
        return r < 0 ? null_fail(call, snapshot_id, "its identity cannot be written", r) : VSS_S_OK;
}

static vss_result open_snapshot(vss_provider_call *call, const char *snapshot_id, bool writable,
                                int *ret_mount_fd) {
        _cleanup_value_ vss_value *info = NULL;
        _cleanup_(closep) int memory = -1;
        char path[VSS_ID_SIZE + sizeof("/data")];
        NullSettings config;
        vss_result result;
        int r;

        result = null_open_memory(call, &memory);
        if (result >= 0)
                result = null_read_copy(call, memory, snapshot_id, &info);
        if (result < 0)
                return result;
        if (null_read_config(call, &config) >= 0 && strcmp(config.lost, snapshot_id) == 0)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "shadow copy %s is lost: its settings say so", snapshot_id);
        if (vss_value_get_integer(info, "attributes", 0) & VSS_VOLSNAP_ATTR_NOT_SURFACED)
                return vss_provider_call_fail(call, VSS_E_NOT_SUPPORTED,
                                              "shadow copy %s is transportable; import it", snapshot_id);
        if (writable && strcmp(vss_value_get_string(info, "state", ""), "created") == 0)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "shadow copy %s is complete, and not written to any more",
                                              snapshot_id);
        if (vss_value_get_boolean(info, "no-copy", false)) {
                /* Whatever is written there would be written to the original. */
                if (writable)
                        return vss_provider_call_fail(call, VSS_E_NOT_SUPPORTED,
                                                      "shadow copy %s is the live tree and never writable",
                                                      snapshot_id);
                r = memory_clone(AT_FDCWD, vss_value_get_string(vss_value_get(info, "null"), "path", ""),
                                 false, ret_mount_fd);
        } else {
                (void)snprintf(path, sizeof(path), "%s/data", snapshot_id);
                r = memory_clone(memory, path, writable, ret_mount_fd);
        }
        return r < 0 ? null_fail(call, snapshot_id, "cannot be mounted", r) : VSS_S_OK;
}

#define COMMON_HOLDS \
        (1u << VSS_HOLD_NONE | 1u << VSS_HOLD_WRITERS | 1u << VSS_HOLD_FILESYSTEM | 1u << VSS_HOLD_DEVICE)

#define COMMON_CALLS                                                                                    \
        .version = LINUXVSS_VERSION, .holds = COMMON_HOLDS, .is_volume_supported = is_volume_supported, \
        .begin_prepare_snapshot = begin_prepare_snapshot, .commit_snapshots = commit_snapshots,         \
        .abort_snapshots = abort_snapshots, .query = query, .delete_snapshot = delete_snapshot,         \
        .open_snapshot = open_snapshot, .end_prepare_snapshots = end_prepare_snapshots,                 \
        .post_final_commit_snapshots = post_final_commit_snapshots,                                     \
        .set_snapshot_property = set_snapshot_property

#define COMMON_FLAGS                                                                        \
        (VSS_PROVIDER_EXPLICIT_ONLY | VSS_PROVIDER_PERSISTENT | VSS_PROVIDER_DIFFERENTIAL | \
         VSS_PROVIDER_PLEX)

const struct vss_provider null_provider = {
        VSS_PROVIDER_INIT,
        .name = "Null",
        .id = "78e1d3ae-9164-482c-be72-fa137b218714",
        .friendly_name = "No storage, for trying out",
        .type = VSS_PROV_SOFTWARE,
        .flags = COMMON_FLAGS,
        COMMON_CALLS,
        .revert_to_snapshot = null_revert_to_snapshot,
        .query_revert_status = null_query_revert_status,
        .query_diff_areas = null_query_diff_areas,
        .add_diff_area = null_add_diff_area,
        .change_diff_area_maximum_size = null_change_diff_area,
        .check_storage = null_check_storage,
        .attach_device = null_attach_device,
        .detach_device = null_detach_device,
        .query_attached = null_query_attached,
};

const struct vss_provider null_hardware_provider = {
        VSS_PROVIDER_INIT,
        .name = "NullHardware",
        .id = "c5c0dbbd-0a4f-4c8e-8d0e-5c4d7b6a1e92",
        .friendly_name = "An array that is none, for trying out",
        .type = VSS_PROV_HARDWARE,
        .flags = COMMON_FLAGS | VSS_PROVIDER_TRANSPORTABLE,
        COMMON_CALLS,
        .get_target_luns = null_get_target_luns,
        .import_snapshots = null_import_snapshots,
        .break_snapshot_set = null_break_snapshot_set,
        .resync_snapshots = null_resync_snapshots,
};
