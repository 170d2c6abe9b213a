/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The shadow copy set that is being made: everything before the cut (set.h says what for)
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "providers/lvm/area.h"
#include "providers/lvm/copy.h"
#include "providers/lvm/set.h"

/* The header of a store stands in its first chunk; a store with zeros there is new. */
#define HEADER_SIZE 65536u

static vss_result fail(vss_provider_call *call, const Lvm *lvm, const Copy *copy, const char *what, int r) {
        vss_result code = r == -ENOMEM ? VSS_E_OUTOFMEMORY : VSS_E_UNEXPECTED_PROVIDER_ERROR;

        if (r == -ETIMEDOUT)
                return vss_provider_call_fail(
                        call, code,
                        "%s: %s: LVM did not answer in time. Is another of its commands at "
                        "work on the group, or a disk slow?",
                        copy->volume, what);
        return vss_provider_call_fail(call, code, "%s: %s: %s", copy->volume, what,
                                      r == -EREMOTEIO ? lvm->error : strerror(-r));
}

static vss_result check_pool(const Copy *copy, const Policy *policy, vss_provider_call *call) {
        _cleanup_(freep) char *status = NULL;
        char text[POOL_TEXT_SIZE];
        PoolState state;
        int r;

        r = origin_read_target(copy->origin.pool_name, "thin-pool", true, &status);
        if (r == 0)
                r = pool_state_parse(status, &state);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                              "%s: the state of its thin pool %s cannot be read: %s",
                                              copy->volume, copy->origin.pool_name, strerror(-r));
        if (policy_pool_level(policy, &state) != POOL_FULL)
                return VSS_S_OK;
        pool_state_text(&state, text);
        return vss_provider_call_fail(
                call, VSS_E_INSUFFICIENT_STORAGE,
                "%s: its thin pool %s is too full for shadow copies: %s. %s", copy->volume,
                copy->origin.pool_name, text,
                state.failed ? POOL_FAILED_ADVICE
                             : "Delete shadow copies or other volumes of it, or extend it with lvextend.");
}

vss_result set_check_pools(const Set *set, const Policy *policy, vss_provider_call *call) {
        const char *checked = "";

        for (size_t i = 0; i < set->n_copies; i++) {
                const Copy *copy = &set->copies[i];
                vss_result result;

                if (!copy->origin.thin || strcmp(copy->origin.pool_name, checked) == 0)
                        continue;
                result = check_pool(copy, policy, call);
                if (result < 0)
                        return result;
                checked = copy->origin.pool_name;
        }
        return VSS_S_OK;
}

static vss_result check_group(const Copy *copy, const LogicalVolume *lv, vss_provider_call *call) {
        const char *why = NULL;

        if (lv->vg_shared)
                why = "is shared with other machines, where nobody could keep the copy from being seen";
        else if (lv->vg_exported)
                why = "is exported. Run vgimport first";
        else if (lv->vg_incomplete)
                why = "misses physical volumes. Bring them back, or run vgreduce --removemissing";
        if (!why)
                return VSS_S_OK;
        return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER,
                                      "%s: its volume group %s %s.", copy->volume, lv->vg, why);
}

/* What others of the set take from the same group. */
static uint64_t taken_by_set(const Set *set, const Copy *until) {
        uint64_t taken = 0;

        for (const Copy *c = set->copies; c < until; c++)
                if (strcmp(c->vg, until->vg) == 0)
                        taken += c->store_size;
        return taken;
}

static vss_result choose_size(const Set *set, Copy *copy, const Report *report, const LogicalVolume *lv,
                              const Policy *policy, vss_provider_call *call) {
        uint64_t taken = taken_by_set(set, copy), free_bytes = lv->vg_free - MIN(lv->vg_free, taken);
        uint64_t left = area_left(report, lv);

        copy->store_size = policy_store_size(policy, lv->size, lv->vg_extent_size, MIN(free_bytes, left));
        if (copy->store_size > 0)
                return VSS_S_OK;
        if (left < free_bytes)
                return vss_provider_call_fail(
                        call, VSS_E_INSUFFICIENT_STORAGE,
                        "%s: its shadow copies may take no more than is set for them. Delete "
                        "some, or raise the maximum with \"vss storage resize\".",
                        copy->volume);
        return vss_provider_call_fail(
                call, VSS_E_INSUFFICIENT_STORAGE,
                "%s: %" PRIu64 " bytes are free in the volume group %s, too few for the differences of a "
                "shadow copy. Add a disk with vgextend, or make the volume smaller.",
                copy->volume, free_bytes, lv->vg);
}

/* "vss_" and the first digits of the id; all of it, where there is one already. */
static int choose_name(const Report *report, Copy *copy) {
        (void)snprintf(copy->lv, sizeof(copy->lv), COPY_PREFIX "%.8s", copy->id);
        if (report_find_name(report, copy->vg, copy->lv))
                (void)snprintf(copy->lv, sizeof(copy->lv), COPY_PREFIX "%s", copy->id);
        return lvm_device_name(copy->vg, copy->lv, sizeof(copy->device_name), copy->device_name);
}

/* Which logical volume it is, and whether there is room. @copy gets its name last: from then on there may be
 * something to take back. */
static vss_result plan(Set *set, Copy *copy, const Report *report, const Lvm *lvm, const Policy *policy,
                       vss_provider_call *call) {
        const LogicalVolume *lv = report_find_uuid(report, copy->origin.vg_uuid, copy->origin.uuid);
        vss_result result;
        int r;

        if (!lv)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "%s: LVM does not list its logical volume (device %s). Do its "
                                              "settings (devices file, filter) leave the disk out?",
                                              copy->volume, copy->origin.name);
        result = check_group(copy, lv, call);
        if (result < 0)
                return result;
        (void)snprintf(copy->vg, sizeof(copy->vg), "%s", lv->vg);
        (void)snprintf(copy->origin_lv, sizeof(copy->origin_lv), "%s", lv->name);
        (void)snprintf(copy->pool_lv, sizeof(copy->pool_lv), "%s", lv->pool);
        result = copy->origin.thin ? check_pool(copy, policy, call)
                                   : choose_size(set, copy, report, lv, policy, call);
        if (result < 0)
                return result;
        r = choose_name(report, copy);
        return r < 0 ? fail(call, lvm, copy, "its copy can be given no name", r) : VSS_S_OK;
}

static int add_tags(const Copy *copy, Arguments *arguments) {
        _cleanup_tags_ Tags tags = { 0 };
        int r;

        r = tags_append(&tags, TAG_OURS);
        if (r == 0)
                r = tags_encode(copy->info, &tags);
        for (size_t i = 0; r == 0 && i < tags.n; i++) {
                arguments_add(arguments, "--addtag");
                arguments_add(arguments, "%s", tags.items[i]);
        }
        return r;
}

static vss_result make_volume(Copy *copy, Lvm *lvm, const Policy *policy, vss_provider_call *call,
                              vss_value *suspended) {
        _cleanup_arguments_ Arguments arguments = { 0 };
        int r;

        arguments_add(&arguments, "lvcreate");
        arguments_add(&arguments, "-q");
        arguments_add(&arguments, "-y");
        arguments_add(&arguments, "-pr");
        arguments_add(&arguments, "-n");
        arguments_add(&arguments, "%s", copy->lv);
        r = add_tags(copy, &arguments);
        if (r == -E2BIG)
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO,
                        "%s: what is to be kept with the copy is too long for LVM's tags", copy->volume);
        if (copy->origin.thin) {
                arguments_add(&arguments, "-an");
                arguments_add(&arguments, "-ky");
                arguments_add(&arguments, "-Wn");
                arguments_add(&arguments, "-V");
                arguments_add(&arguments, "%" PRIu64 "b", copy->origin.sectors * DEVMAP_SECTOR);
                arguments_add(&arguments, "--thinpool");
                arguments_add(&arguments, "%s/%s", copy->vg, copy->pool_lv);
        } else {
                arguments_add(&arguments, "-s");
                arguments_add(&arguments, "-c");
                arguments_add(&arguments, "%luk", policy->classic_chunk);
                arguments_add(&arguments, "-L");
                arguments_add(&arguments, "%" PRIu64 "b", copy->store_size);
                arguments_add(&arguments, "%s/%s", copy->vg, copy->origin_lv);
        }
        if (r == 0 && copy->origin.thin)
                r = lvm_run(lvm, &arguments);
        else if (r == 0)
                r = copy_run_guarded(lvm, &arguments, copy->origin.vg_uuid, copy->origin.uuid,
                                     "lvcreate of a classic snapshot", suspended);
        return r < 0 ? fail(call, lvm, copy, "lvcreate failed", r) : VSS_S_OK;
}

/* Which numbers LVM has given to the thin ones. */
static vss_result learn_numbers(Set *set, Lvm *lvm, vss_provider_call *call) {
        _cleanup_report_ Report report = { 0 };
        bool any = false;
        int r;

        for (size_t i = 0; i < set->n_copies; i++)
                any = any || set->copies[i].origin.thin;
        r = any ? lvm_list(lvm, true, &report) : 0;
        for (size_t i = 0; i < set->n_copies; i++) {
                Copy *copy = &set->copies[i];
                const LogicalVolume *lv;

                if (!copy->origin.thin)
                        continue;
                if (r < 0)
                        return fail(call, lvm, copy, "lvs failed", r);
                lv = report_find_name(&report, copy->vg, copy->lv);
                if (!lv || lv->thin_id == 0 || lv->thin_id == copy->origin.thin_id)
                        return fail(call, lvm, copy, "LVM does not list the volume it has just made",
                                    -ENXIO);
                copy->thin_id = lv->thin_id;
        }
        return VSS_S_OK;
}

static int lock_groups(Set *set, Lvm *lvm, const Copy **ret_copy) {
        for (size_t i = 0; i < set->n_copies; i++) {
                const Copy *copy = &set->copies[i];
                bool first = true;
                int r;

                for (size_t k = 0; k < i; k++)
                        first = first && strcmp(set->copies[k].vg, copy->vg) != 0;
                if (!first)
                        continue;
                *ret_copy = copy;
                r = lvm_lock(lvm, copy->vg, &set->locks[set->n_locks]);
                if (r < 0)
                        return r;
                set->n_locks++;
                lvm->holds_locks = true;
        }
        return 0;
}

static int empty_store(const char *name, dev_t device) {
        _cleanup_(freep) void *zeros = NULL;
        char path[DEVMAP_PATH_SIZE];
        _cleanup_(closep) int fd = -1;
        struct stat st;

        devmap_path(name, path);
        /* Nobody else has it open, and this is the device that was looked at. */
        fd = open(path, O_WRONLY | O_CLOEXEC | O_DIRECT | O_SYNC | O_EXCL);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISBLK(st.st_mode) || st.st_rdev != device)
                return -ESTALE;
        if (posix_memalign(&zeros, 4096, HEADER_SIZE) != 0)
                return -ENOMEM;
        memset(zeros, 0, HEADER_SIZE);
        return pwrite(fd, zeros, HEADER_SIZE, 0) == (ssize_t)HEADER_SIZE ? 0 : -EIO;
}

static bool is_store_of(const char *parameters, dev_t store) {
        char text[40];

        (void)snprintf(text, sizeof(text), " %u:%u P", major(store), minor(store));
        return strstr(parameters, text);
}

/* A live, young snapshot becomes one that waits, with an empty store. */
static int put_aside(Copy *copy) {
        _cleanup_(freep) char *errors = NULL;
        DevmapTarget target = { .length = copy->origin.sectors, .type = "snapshot" };
        char store[DEVMAP_NAME_SIZE];
        DevmapInfo info;
        int r;

        if (snprintf(store, sizeof(store), "%s-cow", copy->device_name) >= (int)sizeof(store))
                return -ENAMETOOLONG;
        free(copy->table);
        copy->table = NULL;
        r = origin_read_target(copy->device_name, "snapshot", false, &copy->table);
        if (r == 0)
                r = copy_swap_table(copy->device_name, "error", "");
        if (r == 0)
                r = origin_read_target(copy->device_name, "error", false, &errors);
        if (r == 0)
                r = devmap_info(store, &info);
        if (r < 0)
                return r;
        if (!is_store_of(copy->table, info.device))
                return -ESTALE;
        if (info.open_count > 0)
                return -EBUSY;
        r = empty_store(store, info.device);
        if (r < 0)
                return r;
        target.parameters = copy->table;
        r = devmap_load(copy->device_name, 0, &target, 1);
        if (r == 0)
                r = devmap_info(copy->device_name, &info);
        if (r == 0)
                copy->device = info.device;
        return r;
}

static int add_cut(const Copy *copy, vss_value *cut) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict(), *operation = vss_value_new_dict();
        vss_value *operations = entry ? value_require(entry, "operations", VSS_KIND_LIST) : NULL;
        dev_t on = copy->origin.thin ? copy->origin.pool : copy->device;

        if (!operations || !operation || vss_value_set_string(entry, "snapshot", copy->id) < 0 ||
            value_set_printf(entry, "device", "%u:%u", major(copy->origin.device),
                             minor(copy->origin.device)) < 0 ||
            vss_value_set_string(operation, "do", copy->origin.thin ? "message" : "resume") < 0 ||
            value_set_printf(operation, "device", "%u:%u", major(on), minor(on)) < 0)
                return -ENOMEM;
        if (copy->origin.thin && value_set_printf(operation, "message", "create_snap %" PRIu64 " %" PRIu64,
                                                  copy->thin_id, copy->origin.thin_id) < 0)
                return -ENOMEM;
        if (vss_value_append(operations, TAKE_PTR(operation)) < 0 ||
            vss_value_append(cut, TAKE_PTR(entry)) < 0)
                return -ENOMEM;
        return 0;
}

/* The last step, under the locks: from here the copies wait for the cut. */
static vss_result arm(Copy *copy, const Lvm *lvm, vss_provider_call *call, vss_value *cut) {
        char message[64];
        int r;

        if (copy->origin.thin) {
                (void)snprintf(message, sizeof(message), "delete %" PRIu64, copy->thin_id);
                r = devmap_message(copy->origin.pool_name, 0, message);
        } else {
                r = put_aside(copy);
        }
        if (r == 0)
                r = add_cut(copy, cut);
        return r < 0 ? fail(call, lvm, copy, "the copy cannot be made ready for the cut", r) : VSS_S_OK;
}

vss_result set_prepare(Set *set, Lvm *lvm, const Policy *policy, vss_provider_call *call,
                       vss_value *results) {
        vss_value *cut = value_require(results, "cut", VSS_KIND_LIST);
        vss_value *suspended = value_require(results, "suspended", VSS_KIND_LIST);
        _cleanup_report_ Report report = { 0 };
        const Copy *copy = &set->copies[0];
        vss_result result = VSS_S_OK;
        int r;

        r = cut && suspended ? lvm_list(lvm, false, &report) : -ENOMEM;
        if (r < 0)
                return fail(call, lvm, copy, "lvs failed", r);
        for (size_t i = 0; i < set->n_copies && result == VSS_S_OK; i++)
                result = plan(set, &set->copies[i], &report, lvm, policy, call);
        for (size_t i = 0; i < set->n_copies && result == VSS_S_OK; i++)
                result = make_volume(&set->copies[i], lvm, policy, call, suspended);
        if (result == VSS_S_OK)
                result = learn_numbers(set, lvm, call);
        if (result < 0)
                return result;
        r = lock_groups(set, lvm, &copy);
        if (r < 0)
                return fail(call, lvm, copy, "its volume group cannot be locked", r);
        for (size_t i = 0; i < set->n_copies && result == VSS_S_OK; i++)
                result = arm(&set->copies[i], lvm, call, cut);
        return result;
}
