/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The shadow copy set that is being made: what is in it, and the calls behind the cut
 */

#include <string.h>
#include "providers/common/block-mount.h"
#include "providers/lvm/copy.h"
#include "providers/lvm/set.h"

Set *set_new(const char *id) {
        Set *set = calloc(1, sizeof(*set));

        if (set)
                (void)snprintf(set->id, sizeof(set->id), "%s", id);
        return set;
}

static void copy_done(Copy *copy) {
        vss_value_free(copy->info);
        free(copy->volume);
        free(copy->table);
}

Set *set_free(Set *set) {
        if (!set)
                return NULL;
        for (size_t i = 0; i < set->n_copies; i++)
                copy_done(&set->copies[i]);
        for (size_t i = 0; i < set->n_locks; i++)
                closep(&set->locks[i]);
        free(set);
        return NULL;
}

Copy *set_find(Set *set, const char *snapshot_id) {
        for (size_t i = 0; set && i < set->n_copies; i++)
                if (strcmp(set->copies[i].id, snapshot_id) == 0)
                        return &set->copies[i];
        return NULL;
}

static int make_info(Copy *copy, const char *set_id, const vss_value *properties) {
        vss_value *own;

        copy->info = vss_value_kind(properties) == VSS_KIND_DICT ? vss_value_copy(properties)
                                                                 : vss_value_new_dict();
        if (!copy->info)
                return -ENOMEM;
        own = value_require(copy->info, "lvm", VSS_KIND_DICT);
        if (!own || vss_value_set_string(copy->info, "id", copy->id) < 0 ||
            vss_value_set_string(copy->info, "set", set_id) < 0 ||
            vss_value_set_string(own, "origin", copy->origin.uuid) < 0 ||
            vss_value_set_string(own, "fs-type", copy->fs_type) < 0)
                return -ENOMEM;
        return 0;
}

int set_add(Set *set, const char *snapshot_id, const struct vss_volume *volume, const Origin *origin,
            const vss_value *properties) {
        Copy *copy;
        int r;

        if (set->n_copies >= VSS_VOLUMES_MAX)
                return -E2BIG;
        for (size_t i = 0; i < set->n_copies; i++)
                if (set->copies[i].origin.device == origin->device)
                        return -EEXIST;
        copy = &set->copies[set->n_copies];
        *copy = (Copy){ .origin = *origin };
        (void)snprintf(copy->id, sizeof(copy->id), "%s", snapshot_id);
        (void)snprintf(copy->fs_type, sizeof(copy->fs_type), "%s", volume->fs_type);
        copy->volume = strdup(volume->path);
        r = copy->volume ? make_info(copy, set->id, properties) : -ENOMEM;
        if (r < 0) {
                copy_done(copy);
                return r;
        }
        set->n_copies++;
        return 0;
}

void set_unlock(Set *set, Lvm *lvm) {
        for (size_t i = 0; i < set->n_locks; i++) {
                closep(&set->locks[i]);
                set->locks[i] = -1;
        }
        set->n_locks = 0;
        lvm->holds_locks = false;
}

/* A classic copy is live with the cut; one that was resumed by anybody else, before it, is none. */
static vss_result check_classic(const Copy *copy, vss_provider_call *call) {
        _cleanup_(freep) char *table = NULL, *status = NULL;
        DevmapSnapshot state;
        int r;

        r = origin_read_target(copy->device_name, "snapshot", false, &table);
        if (r == 0)
                r = origin_read_target(copy->device_name, "snapshot", true, &status);
        if (r == 0)
                r = devmap_parse_snapshot(status, &state);
        if (r == 0 && !state.invalid && strcmp(table, copy->table) == 0)
                return VSS_S_OK;
        return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                      "%s: its copy %s/%s is not live behind the cut. Was it changed by a "
                                      "command of LVM or dmsetup meanwhile? Try again.",
                                      copy->volume, copy->vg, copy->lv);
}

/* What the pool was told to copy is still what the volume is. */
static vss_result check_thin(const Copy *copy, vss_provider_call *call) {
        Origin now;
        const char *why;

        if (origin_look(copy->origin.device, &now, &why) == 0 && strcmp(now.uuid, copy->origin.uuid) == 0 &&
            now.thin && now.thin_id == copy->origin.thin_id && now.pool == copy->origin.pool &&
            now.sectors == copy->origin.sectors)
                return VSS_S_OK;
        return vss_provider_call_fail(
                call, VSS_E_PROVIDER_VETO,
                "%s: its logical volume was changed while its copy was made. Try again.", copy->volume);
}

vss_result set_examine(const Set *set, vss_provider_call *call) {
        for (size_t i = 0; i < set->n_copies; i++) {
                const Copy *copy = &set->copies[i];
                vss_result result = copy->origin.thin ? check_thin(copy, call) : check_classic(copy, call);
                int r;

                if (result < 0)
                        return result;
                if (copy->origin.thin)
                        continue;
                r = copy_set_read_only(copy->device_name, false, true);
                if (r < 0)
                        return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                                      "%s: its copy %s/%s cannot be made read-only: %s",
                                                      copy->volume, copy->vg, copy->lv, strerror(-r));
        }
        return VSS_S_OK;
}

static vss_result fail_command(vss_provider_call *call, const Lvm *lvm, const Set *set, const char *what,
                               int r) {
        return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR, "set %s: %s: %s", set->id, what,
                                      r == -EREMOTEIO ? lvm->error : strerror(-r));
}

vss_result set_activate(Set *set, Lvm *lvm, vss_provider_call *call) {
        _cleanup_arguments_ Arguments arguments = { 0 };
        size_t n = 0;
        int r = 0;

        arguments_add(&arguments, "lvchange");
        arguments_add(&arguments, "-q");
        arguments_add(&arguments, "-ay");
        arguments_add(&arguments, "-K");
        for (size_t i = 0; i < set->n_copies; i++)
                if (set->copies[i].origin.thin && ++n > 0)
                        arguments_add(&arguments, "%s/%s", set->copies[i].vg, set->copies[i].lv);
        if (n > 0)
                r = lvm_run(lvm, &arguments);
        if (r < 0)
                return fail_command(call, lvm, set, "the copies cannot be activated", r);
        set->is_open = true;
        return VSS_S_OK;
}

/* A classic copy reads from its original what nobody has written since; a pool flushes by itself before it
 * knows of a thin one. */
static vss_result flush_origins(const Set *set, vss_provider_call *call) {
        for (size_t i = 0; i < set->n_copies; i++) {
                const Copy *copy = &set->copies[i];
                char path[DEVMAP_PATH_SIZE];
                int r;

                if (copy->origin.thin)
                        continue;
                devmap_path(copy->origin.name, path);
                r = block_flush(path);
                if (r < 0)
                        return vss_provider_call_fail(
                                call, VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                "%s: what was written to it does not get to the disk: %s", copy->volume,
                                strerror(-r));
        }
        return VSS_S_OK;
}

vss_result set_finish(Set *set, Lvm *lvm, vss_provider_call *call) {
        _cleanup_arguments_ Arguments arguments = { 0 };
        vss_result result = flush_origins(set, call);
        int r;

        if (result < 0)
                return result;
        arguments_add(&arguments, "lvchange");
        arguments_add(&arguments, "-q");
        arguments_add(&arguments, "--addtag");
        arguments_add(&arguments, TAG_CREATED);
        for (size_t i = 0; i < set->n_copies; i++)
                arguments_add(&arguments, "%s/%s", set->copies[i].vg, set->copies[i].lv);
        r = lvm_run(lvm, &arguments);
        return r < 0 ? fail_command(call, lvm, set, "the copies cannot be marked as complete", r) : VSS_S_OK;
}
