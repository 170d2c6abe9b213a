/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The null provider plays an array
 *
 * A LUN is a name: an original lies on "null:" and what the settings say, a copy on "null:" and its id. The
 * copies of a transportable set stand here, as on an array that two machines reach, and are seen by nobody
 * until one machine imports them.
 */

#include <string.h>
#include <unistd.h>
#include "providers/common/import.h"
#include "providers/common/info.h"
#include "providers/null/calls.h"
#include "providers/null/memory.h"

#define LUN_PREFIX "null:"

/* The copies of a set, as a list of their identities. */
static vss_result list_set(vss_provider_call *call, int memory, const char *set_id, vss_value **ret_list) {
        _cleanup_value_ vss_value *all = vss_value_new_list(), *list = vss_value_new_list();
        NullProvider *p = vss_provider_call_userdata(call);
        int r = memory_list(memory, NULL, all);

        for (size_t i = 0; r >= 0 && i < vss_value_count(all); i++)
                if (strcmp(vss_value_get_string(vss_value_at(all, i), "set", ""), set_id) == 0 &&
                    vss_value_append(list, vss_value_copy(vss_value_at(all, i))) < 0)
                        r = -ENOMEM;
        if (r < 0)
                return null_fail(call, p->directory, "cannot be listed", r);
        if (vss_value_count(list) == 0)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND, "there is no set %s", set_id);
        *ret_list = TAKE_PTR(list);
        return VSS_S_OK;
}

static int describe_lun(vss_value *pair, const char *key, const char *name) {
        vss_value *lun = value_require(pair, key, VSS_KIND_DICT);

        if (!lun || value_set_printf(lun, "id", LUN_PREFIX "%s", name) < 0 ||
            vss_value_set_string(lun, "vendor", "Linux VSS") < 0 ||
            vss_value_set_string(lun, "product", "null") < 0)
                return -ENOMEM;
        return 0;
}

vss_result null_get_target_luns(vss_provider_call *call, const char *set_id, vss_value *luns) {
        _cleanup_value_ vss_value *copies = NULL;
        _cleanup_(closep) int memory = -1;
        vss_result result = null_open_memory(call, &memory);
        int r = 0;

        if (result >= 0)
                result = list_set(call, memory, set_id, &copies);
        if (result < 0)
                return result;
        for (size_t i = 0; r >= 0 && i < vss_value_count(copies); i++) {
                const vss_value *info = vss_value_at(copies, i);
                const char *id = vss_value_get_string(info, "id", "");
                vss_value *list = value_require(luns, id, VSS_KIND_LIST), *pair = vss_value_new_dict();

                r = list ? describe_lun(pair, "source",
                                        vss_value_get_string(vss_value_get(info, "null"), "lun", ""))
                         : -ENOMEM;
                if (r >= 0)
                        r = describe_lun(pair, "destination", id);
                if (vss_value_append(list, pair) < 0)
                        r = -ENOMEM;
        }
        return r < 0 ? null_fail(call, set_id, "", r) : VSS_S_OK;
}

/* The id of the copy on the LUN that a description names; NULL if it is none of this array. */
static const char *find_lun(const vss_value *snapshot) {
        const vss_value *lun = vss_value_get(vss_value_at(vss_value_get(snapshot, "luns"), 0),
                                             "destination");
        const char *id = vss_value_get_string(lun, "id", "");

        return strncmp(id, LUN_PREFIX, strlen(LUN_PREFIX)) == 0 ? id + strlen(LUN_PREFIX) : NULL;
}

static int explain(int error, char ret_why[static IMPORT_WHY_SIZE], const char *why) {
        (void)snprintf(ret_why, IMPORT_WHY_SIZE, "%s", why);
        return error;
}

static int import_one(void *userdata, const vss_value *snapshot, char ret_why[static IMPORT_WHY_SIZE]) {
        _cleanup_value_ vss_value *info = NULL;
        const char *id = find_lun(snapshot), *reason;
        int memory = *(const int *)userdata;
        vss_value *own;

        if (!id)
                return explain(-ENOENT, ret_why, "its LUN is not of this array");
        if (!info_id_is_valid(id) || memory_read(memory, id, &reason, &info) < 0)
                return explain(-ENOENT, ret_why, "there is no such LUN");
        if (strcmp(id, vss_value_get_string(snapshot, "id", "")) != 0 ||
            strcmp(vss_value_get_string(info, "set", ""), vss_value_get_string(snapshot, "set", "")) != 0)
                return explain(-ENOENT, ret_why, "its LUN holds another shadow copy");
        own = value_require(info, "null", VSS_KIND_DICT);
        if (!(vss_value_get_integer(info, "attributes", 0) & VSS_VOLSNAP_ATTR_NOT_SURFACED))
                return explain(-EEXIST, ret_why, "it has been imported already");
        if (!own || info_merge(info, snapshot, "null") < 0)
                return explain(-ENOMEM, ret_why, "out of memory");
        return memory_replace(memory, id, info) < 0
                       ? explain(-EIO, ret_why, "its identity cannot be written")
                       : 0;
}

vss_result null_import_snapshots(vss_provider_call *call, const vss_value *set, vss_value *result) {
        _cleanup_(closep) int memory = -1;
        vss_result r = null_open_memory(call, &memory);

        return r < 0 ? r : import_each(set, result, import_one, &memory);
}

vss_result null_break_snapshot_set(vss_provider_call *call, const char *set_id, uint32_t flags) {
        _cleanup_value_ vss_value *copies = NULL;
        _cleanup_(closep) int memory = -1;
        vss_result result = null_open_memory(call, &memory);

        if (result >= 0)
                result = list_set(call, memory, set_id, &copies);
        if (result < 0)
                return result;
        /* Two disks cannot bear one identity: the originals must have gone. */
        for (size_t i = 0; (flags & VSS_BREAKEX_FLAG_REVERT_IDENTITY_ALL) && i < vss_value_count(copies);
             i++) {
                const char *path = vss_value_get_string(vss_value_get(vss_value_at(copies, i), "null"),
                                                        "path", "");

                if (access(path, F_OK) == 0)
                        return vss_provider_call_fail(call, VSS_E_BREAK_REVERT_ID_FAILED,
                                                      "the original, %s, is still there", path);
        }
        for (size_t i = 0; i < vss_value_count(copies); i++) {
                const char *id = vss_value_get_string(vss_value_at(copies, i), "id", "");
                int r = memory_break(memory, id, flags & VSS_BREAKEX_FLAG_MAKE_READ_WRITE);

                if (r < 0)
                        return null_fail(call, id, "cannot be broken off", r);
        }
        return VSS_S_OK;
}

static bool is_requested(const vss_value *request, const char *id) {
        const vss_value *snapshots = vss_value_get(request, "snapshots");

        for (size_t i = 0; i < vss_value_count(snapshots); i++)
                if (strcmp(vss_value_get_string(vss_value_at(snapshots, i), "id", ""), id) == 0)
                        return true;
        return false;
}

/* The whole LUN is written: each copy of the set that is of the same one must be in the request. */
static vss_result check_lun(vss_provider_call *call, int memory, const vss_value *info,
                            const vss_value *request) {
        const char *lun = vss_value_get_string(vss_value_get(info, "null"), "lun", "");
        _cleanup_value_ vss_value *copies = NULL;
        vss_result result = list_set(call, memory, vss_value_get_string(info, "set", ""), &copies);

        for (size_t i = 0; result >= 0 && i < vss_value_count(copies); i++) {
                const vss_value *other = vss_value_at(copies, i);

                if (strcmp(vss_value_get_string(vss_value_get(other, "null"), "lun", ""), lun) == 0 &&
                    !is_requested(request, vss_value_get_string(other, "id", "")))
                        return vss_provider_call_fail(call, VSS_E_UNSELECTED_VOLUME,
                                                      "%s lies on the same LUN, and was not chosen",
                                                      vss_value_get_string(other, "volume", "?"));
        }
        return result;
}

static vss_result resync_one(vss_provider_call *call, int memory, const vss_value *snapshot,
                             const vss_value *request, bool write) {
        const char *id = vss_value_get_string(snapshot, "id", "");
        int64_t flags = vss_value_get_integer(request, "flags", 0);
        _cleanup_value_ vss_value *info = NULL;
        vss_result result = null_read_copy(call, memory, id, &info);
        vss_value *record;
        int r;

        if (result >= 0 && !(flags & VSS_RECOVERY_NO_VOLUME_CHECK))
                result = check_lun(call, memory, info, request);
        if (result < 0 || !write)
                return result;
        record = value_require(value_require(info, "null", VSS_KIND_DICT), "resynced", VSS_KIND_DICT);
        r = record &&
                            vss_value_set_string(record, "destination",
                                                 vss_value_get_string(snapshot, "destination", "")) >= 0 &&
                            vss_value_set_integer(record, "flags", flags) >= 0
                    ? memory_replace(memory, id, info)
                    : -ENOMEM;
        return r < 0 ? null_fail(call, id, "cannot be recorded", r) : VSS_S_OK;
}

vss_result null_resync_snapshots(vss_provider_call *call, const vss_value *request) {
        const vss_value *snapshots = vss_value_get(request, "snapshots");
        _cleanup_(closep) int memory = -1;
        vss_result result = null_open_memory(call, &memory);

        /* All are looked at before the first is written. */
        for (int write = 0; write <= 1; write++)
                for (size_t i = 0; result >= 0 && i < vss_value_count(snapshots); i++)
                        result = resync_one(call, memory, vss_value_at(snapshots, i), request, write);
        return result;
}
