/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The provider's main loop on a bus of its own, with this program in the service's place
 */

#include <linuxvss/provider.h>
#include <sys/stat.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "lib/test-bus.h"

#define NAME "org.linuxvss.Provider.Test"
#define SET_A "aaaaaaaa-0000-4000-8000-000000000000"
#define SET_B "bbbbbbbb-0000-4000-8000-000000000000"
#define SNAPSHOT "cccccccc-0000-4000-8000-000000000000"

static vss_result on_supported(vss_provider_call *call, const struct vss_volume *volume,
                               struct vss_volume_support *ret_support) {
        struct stat st;

        if (strcmp(volume->path, "/") != 0)
                return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, "not %s",
                                              volume->path);
        if (fstat(volume->fd, &st) < 0 || !S_ISDIR(st.st_mode) || volume->size != sizeof(*volume))
                return VSS_E_UNEXPECTED;
        /* A mount point of "w" asks for what is not declared, "v" claims more than is. */
        ret_support->hold = *volume->mount_point == 'w' ? VSS_HOLD_WRITERS : VSS_HOLD_FILESYSTEM;
        if (*volume->mount_point == 'v')
                ret_support->atomic_scope = VSS_ATOMIC_VOLUME;
        return VSS_S_OK;
}

static vss_result on_begin(vss_provider_call *call, const char *set_id, const char *snapshot_id,
                           const struct vss_volume *volume, const vss_value *properties) {
        trace(vss_provider_call_userdata(call), set_id[0] == 'a' ? 'B' : 'b');
        return vss_value_get_integer(properties, "fail", VSS_S_OK) == 1
                       ? vss_provider_call_fail(call, VSS_E_BAD_STATE, "odd")
                       : VSS_S_OK;
}

static vss_result on_commit(vss_provider_call *call, const char *set_id) {
        trace(vss_provider_call_userdata(call), 'C');
        return VSS_S_OK;
}

static vss_result on_end_prepare(vss_provider_call *call, const char *set_id, vss_value *results) {
        return value_append_string(value_require(results, "suspended", VSS_KIND_LIST), set_id) < 0
                       ? VSS_E_OUTOFMEMORY
                       : VSS_S_OK;
}

static vss_result on_post_commit(vss_provider_call *call, const char *set_id, uint32_t count) {
        trace(vss_provider_call_userdata(call), count == 3 ? '3' : '!');
        return VSS_S_OK;
}

static vss_result on_post_final(vss_provider_call *call, const char *set_id, vss_value *results) {
        trace(vss_provider_call_userdata(call), 'F');
        return value_append_string(value_require(results, "one-instant", VSS_KIND_LIST), SNAPSHOT);
}

static void on_abort(vss_provider_call *call, const char *set_id) {
        trace(vss_provider_call_userdata(call), set_id[0] == 'a' ? 'X' : 'x');
}

static vss_result on_query(vss_provider_call *call, vss_value *list) {
        vss_value *dict = vss_value_new_dict();

        (void)vss_value_set_string(dict, "id", SNAPSHOT);
        return vss_value_append(list, dict);
}

static vss_result on_delete(vss_provider_call *call, const char *snapshot_id) {
        return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND, "no %s", snapshot_id);
}

static vss_result on_open(vss_provider_call *call, const char *snapshot_id, bool writable,
                          int *ret_mount_fd) {
        if (writable)
                return VSS_S_OK; /* and no mount, which it must not */
        *ret_mount_fd = open("/", O_PATH | O_CLOEXEC);
        return VSS_S_OK;
}

static vss_result on_set_property(vss_provider_call *call, const char *snapshot_id,
                                  const vss_value *properties) {
        return vss_value_get_integer(properties, "number", 0) == 7
                       ? VSS_S_OK
                       : vss_provider_call_fail(call, VSS_E_INSUFFICIENT_STORAGE, "full");
}

static vss_result on_luns(vss_provider_call *call, const char *set_id, vss_value *luns) {
        return vss_value_append(value_require(luns, SNAPSHOT, VSS_KIND_LIST), vss_value_new_dict());
}

static vss_result on_import(vss_provider_call *call, const vss_value *set, vss_value *result) {
        const vss_value *snapshots = vss_value_get(set, "snapshots");

        if (vss_value_count(snapshots) == 0)
                return VSS_E_NO_SNAPSHOTS_IMPORTED;
        (void)value_append_string(value_require(result, "imported", VSS_KIND_LIST),
                                  vss_value_get_string(vss_value_at(snapshots, 0), "id", "?"));
        return VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED;
}

static vss_result on_break(vss_provider_call *call, const char *set_id, uint32_t flags) {
        return flags == VSS_BREAKEX_FLAG_MASK_LUNS ? VSS_S_OK : VSS_E_RESYNC_IN_PROGRESS;
}

static vss_result on_revert(vss_provider_call *call, const char *snapshot_id, bool force) {
        return force ? VSS_S_OK : vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE, "files are open");
}

static vss_result on_revert_status(vss_provider_call *call, const struct vss_volume *volume,
                                   vss_value *status) {
        if (volume->fd >= 0 || strcmp(volume->path, "/data") != 0)
                return VSS_E_OBJECT_NOT_FOUND;
        return vss_value_set_integer(status, "percent", 40);
}

static vss_result on_areas(vss_provider_call *call, vss_value *list) {
        return vss_value_append(list, vss_value_new_dict());
}

/* Told by the number that it got both. */
static vss_result on_area(vss_provider_call *call, const struct vss_volume *volume,
                          const struct vss_volume *diff_volume, uint64_t maximum) {
        if (volume->fd < 0 || diff_volume->fd < 0 || volume->fd == diff_volume->fd ||
            strcmp(volume->path, "/") != 0 || strcmp(diff_volume->path, "/diff") != 0)
                return VSS_E_VOLUME_NOT_SUPPORTED;
        return maximum == UINT64_MAX ? VSS_S_OK : VSS_E_OBJECT_ALREADY_EXISTS;
}

static vss_result on_maximum(vss_provider_call *call, const struct vss_volume *volume,
                             const struct vss_volume *diff_volume, uint64_t maximum) {
        return maximum == 0 ? vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE, "copies stand") : VSS_S_OK;
}

static vss_result on_check_storage(vss_provider_call *call, vss_value *results) {
        return vss_value_set_integer(results, "next-usec", 5);
}

static vss_result on_attach(vss_provider_call *call, const char *device, const vss_value *options,
                            vss_value *result) {
        if (!vss_value_get_boolean(options, "remount", false))
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE, "%s is mounted", device);
        return vss_value_set_string(result, "device", device);
}

static vss_result on_detach(vss_provider_call *call, const char *device, const vss_value *options,
                            vss_value *result) {
        return VSS_E_OBJECT_NOT_FOUND;
}

static const struct vss_provider provider = {
        VSS_PROVIDER_INIT,
        .name = "Test",
        .id = "6b1c6a36-0000-4000-8000-000000000002",
        .version = "1",
        .type = VSS_PROV_SOFTWARE,
        .flags = VSS_PROVIDER_EXPLICIT_ONLY | VSS_PROVIDER_TRANSPORTABLE,
        .holds = 1u << VSS_HOLD_NONE | 1u << VSS_HOLD_FILESYSTEM,
        .atomic_scope = VSS_ATOMIC_FILE,
        .changed = VSS_CHANGED_RANGES,
        .is_volume_supported = on_supported,
        .begin_prepare_snapshot = on_begin,
        .commit_snapshots = on_commit,
        .abort_snapshots = on_abort,
        .query = on_query,
        .delete_snapshot = on_delete,
        .open_snapshot = on_open,
        .end_prepare_snapshots = on_end_prepare,
        .post_commit_snapshots = on_post_commit,
        .post_final_commit_snapshots = on_post_final,
        .max_snapshots = 12,
        .set_snapshot_property = on_set_property,
        .get_target_luns = on_luns,
        .import_snapshots = on_import,
        .break_snapshot_set = on_break,
        .revert_to_snapshot = on_revert,
        .query_revert_status = on_revert_status,
        .query_diff_areas = on_areas,
        .add_diff_area = on_area,
        .change_diff_area_maximum_size = on_maximum,
        .check_storage = on_check_storage,
        .attach_device = on_attach,
        .detach_device = on_detach,
};

static pid_t start(sd_bus *bus, const struct vss_provider *p, Trace *t) {
        pid_t pid = fork();

        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                _exit(vss_provider_main(p, t));
        }
        if (bus)
                expect_true("the provider is on the bus", test_bus_wait_name(bus, NAME, true));
        return pid;
}

static vss_result finish(sd_bus *bus, sd_bus_message *m, sd_bus_message **ret_reply) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

        if (sd_bus_call(bus, m, 5 * USEC_PER_SEC, &error, &reply) < 0)
                return bus_error_result(&error);
        if (ret_reply)
                *ret_reply = TAKE_PTR(reply);
        return VSS_S_OK;
}

static sd_bus_message *make(sd_bus *bus, const char *member) {
        sd_bus_message *m = NULL;

        if (sd_bus_message_new_method_call(bus, &m, NAME, BUS_PROVIDER_PATH, BUS_PROVIDER, member) < 0)
                exit(1);
        return m;
}

static void append_volume_at(sd_bus_message *m, const char *path, const char *mount_point) {
        _cleanup_value_ vss_value *volume = vss_value_new_dict();
        _cleanup_(closep) int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        (void)vss_value_set_string(volume, "path", path);
        (void)vss_value_set_string(volume, "mount-point", mount_point);
        (void)marshal_append_dict(m, volume);
        (void)sd_bus_message_append(m, "h", fd);
}

static void append_volume(sd_bus_message *m, const char *path) {
        append_volume_at(m, path, path);
}

static vss_result begin(sd_bus *bus, const char *set, int64_t fail) {
        _cleanup_message_ sd_bus_message *m = make(bus, "BeginPrepareSnapshot");
        _cleanup_value_ vss_value *properties = vss_value_new_dict();

        (void)vss_value_set_integer(properties, "fail", fail);
        (void)sd_bus_message_append(m, "ss", set, SNAPSHOT);
        append_volume(m, "/");
        (void)marshal_append_dict(m, properties);
        return finish(bus, m, NULL);
}

static vss_result step(sd_bus *bus, const char *member, const char *set) {
        _cleanup_message_ sd_bus_message *m = make(bus, member);

        (void)sd_bus_message_append(m, "s", set);
        if (strcmp(member, "PostCommitSnapshots") == 0)
                (void)sd_bus_message_append(m, "u", 3u);
        return finish(bus, m, NULL);
}

static void test_answers(sd_bus *bus) {
        _cleanup_message_ sd_bus_message *info = NULL, *good = NULL, *query = NULL, *open_reply = NULL;
        _cleanup_message_ sd_bus_message *m1 = make(bus, "GetInfo"), *m2 = make(bus, "IsVolumeSupported"),
                                         *m3 = make(bus, "IsVolumeSupported"), *m4 = make(bus, "Query"),
                                         *m5 = make(bus, "OpenSnapshot"), *m6 = make(bus, "OpenSnapshot");
        _cleanup_value_ vss_value *dict = NULL, *support = NULL, *list = NULL;
        struct stat st = { 0 };
        int fd = -1;

        expect_int("GetInfo", finish(bus, m1, &info), VSS_S_OK);
        (void)marshal_read_dict(info, &dict);
        expect_str("its name", vss_value_get_string(dict, "friendly-name", NULL), "Test");
        expect_int("its flags", vss_value_get_integer(dict, "flags", 0),
                   VSS_PROVIDER_EXPLICIT_ONLY | VSS_PROVIDER_TRANSPORTABLE);
        expect_int("its limit", vss_value_get_integer(dict, "max-snapshots", 0), 12);
        expect_int("the optional calls that are there", vss_value_count(vss_value_get(dict, "capabilities")),
                   12);
        expect_true("its holds", vss_value_count(vss_value_get(dict, "holds")) == 2 &&
                                         value_contains(vss_value_get(dict, "holds"), "none") &&
                                         value_contains(vss_value_get(dict, "holds"), "filesystem"));
        expect_str("its atomic scope", vss_value_get_string(dict, "atomic-scope", NULL), "file");
        expect_str("what it can tell apart", vss_value_get_string(dict, "changed", NULL), "ranges");
        expect_true("are named",
                    value_contains(vss_value_get(dict, "capabilities"), "revert-to-snapshot") &&
                            !value_contains(vss_value_get(dict, "capabilities"), "resync-snapshots"));
        append_volume(m2, "/");
        expect_int("a volume it takes", finish(bus, m2, &good), VSS_S_OK);
        (void)marshal_read_dict(good, &support);
        expect_int("the hold", vss_value_get_integer(support, "hold", -1), VSS_HOLD_FILESYSTEM);
        expect_str("the root", vss_value_get_string(support, "volume-root", NULL), "/");
        expect_str("the scope", vss_value_get_string(support, "atomic-scope", NULL), "file");
        append_volume(m3, "/other");
        expect_int("one it does not", finish(bus, m3, NULL), VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER);
        expect_int("Query", finish(bus, m4, &query), VSS_S_OK);
        (void)marshal_read_dicts(query, &list);
        expect_int("one copy", vss_value_count(list), 1);
        expect_int("delete what is not there", step(bus, "DeleteSnapshot", SNAPSHOT),
                   VSS_E_OBJECT_NOT_FOUND);
        expect_int("delete by a bad id", step(bus, "DeleteSnapshot", "../x"), VSS_E_INVALIDARG);
        (void)sd_bus_message_append(m5, "sb", SNAPSHOT, 0);
        expect_int("OpenSnapshot", finish(bus, m5, &open_reply), VSS_S_OK);
        (void)sd_bus_message_read(open_reply, "h", &fd);
        expect_true("the mount arrives", fstat(fd, &st) == 0 && S_ISDIR(st.st_mode));
        (void)sd_bus_message_append(m6, "sb", SNAPSHOT, 1);
        expect_int("no mount", finish(bus, m6, NULL), VSS_E_UNEXPECTED_PROVIDER_ERROR);
}

/* A call with one dictionary. Return: its result; *@ret_dict is the dictionary that is answered, or NULL. */
static vss_result call_dict(sd_bus *bus, sd_bus_message *m, const vss_value *dict, vss_value **ret_dict) {
        _cleanup_message_ sd_bus_message *owned = m, *reply = NULL;
        vss_result result;

        if (dict)
                (void)marshal_append_dict(owned, dict);
        result = finish(bus, owned, &reply);
        if (ret_dict && result == VSS_S_OK && marshal_read_dict(reply, ret_dict) < 0)
                result = VSS_E_UNEXPECTED;
        return result;
}

static sd_bus_message *make_with(sd_bus *bus, const char *member, const char *types, const char *id,
                                 uint32_t number) {
        sd_bus_message *m = make(bus, member);

        (void)sd_bus_message_append(m, types, id, number);
        return m;
}

/* What a provider has not declared it cannot ask for. */
static void test_undeclared(sd_bus *bus) {
        static const char *const odd[] = { "w", "v" };

        FOREACH_ELEMENT (mount_point, odd) {
                _cleanup_message_ sd_bus_message *m = make(bus, "IsVolumeSupported");

                append_volume_at(m, "/", *mount_point);
                expect_int(*mount_point, finish(bus, m, NULL), VSS_E_UNEXPECTED_PROVIDER_ERROR);
        }
}

static vss_result call_area(sd_bus *bus, const char *member, const char *diff_path, uint64_t maximum) {
        _cleanup_message_ sd_bus_message *m = make(bus, member);

        append_volume(m, "/");
        append_volume(m, diff_path);
        (void)sd_bus_message_append(m, "t", maximum);
        return finish(bus, m, NULL);
}

static void test_areas(sd_bus *bus) {
        _cleanup_message_ sd_bus_message *m = make(bus, "QueryDiffAreas"), *reply = NULL;
        _cleanup_value_ vss_value *list = NULL, *results = NULL;

        expect_int("difference areas", finish(bus, m, &reply), VSS_S_OK);
        (void)marshal_read_dicts(reply, &list);
        expect_int("one", (int64_t)vss_value_count(list), 1);
        expect_int("add one", call_area(bus, "AddDiffArea", "/diff", UINT64_MAX), VSS_S_OK);
        expect_int("with a maximum", call_area(bus, "AddDiffArea", "/diff", 1), VSS_E_OBJECT_ALREADY_EXISTS);
        expect_int("where there can be none", call_area(bus, "AddDiffArea", "/else", 1),
                   VSS_E_VOLUME_NOT_SUPPORTED);
        expect_int("its maximum", call_area(bus, "ChangeDiffAreaMaximumSize", "/diff", 7), VSS_S_OK);
        expect_int("remove it", call_area(bus, "ChangeDiffAreaMaximumSize", "/diff", 0),
                   VSS_E_VOLUME_IN_USE);
        expect_int("look after it", call_dict(bus, make(bus, "CheckStorage"), NULL, &results), VSS_S_OK);
        expect_int("again then", vss_value_get_integer(results, "next-usec", 0), 5);
}

static void test_devices(sd_bus *bus) {
        _cleanup_value_ vss_value *options = vss_value_new_dict(), *result = NULL;
        _cleanup_message_ sd_bus_message *m = make(bus, "QueryAttached");

        expect_int("attach what is mounted",
                   call_dict(bus, make_with(bus, "AttachDevice", "s", "/dev/x", 0), options, NULL),
                   VSS_E_VOLUME_IN_USE);
        (void)vss_value_set_boolean(options, "remount", true);
        expect_int("and may be mounted anew",
                   call_dict(bus, make_with(bus, "AttachDevice", "s", "/dev/x", 0), options, &result),
                   VSS_S_OK);
        expect_str("its name arrives", vss_value_get_string(result, "device", NULL), "/dev/x");
        expect_int("detach what is not attached",
                   call_dict(bus, make_with(bus, "DetachDevice", "s", "/dev/x", 0), options, NULL),
                   VSS_E_OBJECT_NOT_FOUND);
        expect_int("a list that it has not", finish(bus, m, NULL), VSS_E_NOT_SUPPORTED);
}

static void test_import(sd_bus *bus) {
        _cleanup_value_ vss_value *set = vss_value_new_dict(), *snapshot = vss_value_new_dict();
        _cleanup_value_ vss_value *result = NULL;

        expect_int("nothing to import", call_dict(bus, make(bus, "ImportSnapshots"), set, NULL),
                   VSS_E_NO_SNAPSHOTS_IMPORTED);
        (void)vss_value_set_string(snapshot, "id", SNAPSHOT);
        (void)vss_value_append(value_require(set, "snapshots", VSS_KIND_LIST), TAKE_PTR(snapshot));
        expect_int("some imported", call_dict(bus, make(bus, "ImportSnapshots"), set, &result), VSS_S_OK);
        expect_true("are told", value_contains(vss_value_get(result, "imported"), SNAPSHOT));
        expect_int("and what was not", (int64_t)vss_value_count(vss_value_get(result, "failed")), 0);
}

static void test_optional(sd_bus *bus) {
        _cleanup_value_ vss_value *properties = vss_value_new_dict(), *volume = vss_value_new_dict();
        _cleanup_value_ vss_value *luns = NULL, *status = NULL;

        expect_int("a property that has no room",
                   call_dict(bus, make_with(bus, "SetSnapshotProperty", "s", SNAPSHOT, 0), properties, NULL),
                   VSS_E_INSUFFICIENT_STORAGE);
        (void)vss_value_set_integer(properties, "number", 7);
        expect_int("one that has",
                   call_dict(bus, make_with(bus, "SetSnapshotProperty", "s", SNAPSHOT, 0), properties, NULL),
                   VSS_S_OK);
        expect_int("of nothing",
                   call_dict(bus, make_with(bus, "SetSnapshotProperty", "s", "x", 0), properties, NULL),
                   VSS_E_INVALIDARG);
        expect_int("LUNs of a set of another process",
                   call_dict(bus, make_with(bus, "GetTargetLuns", "s", SET_B, 0), NULL, &luns), VSS_S_OK);
        expect_int("arrive", (int64_t)vss_value_count(vss_value_get(luns, SNAPSHOT)), 1);
        test_import(bus);
        expect_int("break", call_dict(bus, make_with(bus, "BreakSnapshotSet", "su", SET_B, 1), NULL, NULL),
                   VSS_S_OK);
        expect_int("an answer that is not of this call",
                   call_dict(bus, make_with(bus, "BreakSnapshotSet", "su", SET_B, 2), NULL, NULL),
                   VSS_E_UNEXPECTED_PROVIDER_ERROR);
        expect_int("revert",
                   call_dict(bus, make_with(bus, "RevertToSnapshot", "sb", SNAPSHOT, 1), NULL, NULL),
                   VSS_S_OK);
        expect_int("revert what is in use",
                   call_dict(bus, make_with(bus, "RevertToSnapshot", "sb", SNAPSHOT, 0), NULL, NULL),
                   VSS_E_VOLUME_IN_USE);
        (void)vss_value_set_string(volume, "path", "/data");
        expect_int("how far it is", call_dict(bus, make(bus, "QueryRevertStatus"), volume, &status),
                   VSS_S_OK);
        expect_int("is told", vss_value_get_integer(status, "percent", 0), 40);
        expect_int("what is not there", call_dict(bus, make(bus, "ResyncSnapshots"), volume, NULL),
                   VSS_E_NOT_SUPPORTED);
}

/* What is optional may be slow, and no set waits for it. */
static void test_narrow(sd_bus *bus) {
        static const char *const not_before[] = { "EndPrepareSnapshots", "PreCommitSnapshots",
                                                  "CommitSnapshots" };

        expect_int("a set", begin(bus, SET_A, 0), VSS_S_OK);
        expect_int("its LUNs before they are there",
                   call_dict(bus, make_with(bus, "GetTargetLuns", "s", SET_A, 0), NULL, NULL),
                   VSS_E_PROVIDER_VETO);
        expect_int("those of others",
                   call_dict(bus, make_with(bus, "GetTargetLuns", "s", SET_B, 0), NULL, NULL), VSS_S_OK);
        FOREACH_ELEMENT (member, not_before) {
                expect_int(*member, step(bus, *member, SET_A), VSS_S_OK);
                expect_int("  a revert after it",
                           call_dict(bus, make_with(bus, "RevertToSnapshot", "sb", SNAPSHOT, 1), NULL, NULL),
                           VSS_E_PROVIDER_VETO);
                expect_int("  a look at the storage", call_dict(bus, make(bus, "CheckStorage"), NULL, NULL),
                           VSS_E_PROVIDER_VETO);
        }
        expect_int("post-commit", step(bus, "PostCommitSnapshots", SET_A), VSS_S_OK);
        expect_int("a revert",
                   call_dict(bus, make_with(bus, "RevertToSnapshot", "sb", SNAPSHOT, 1), NULL, NULL),
                   VSS_S_OK);
        expect_int("its LUNs now",
                   call_dict(bus, make_with(bus, "GetTargetLuns", "s", SET_A, 0), NULL, NULL), VSS_S_OK);
        expect_int("not broken before it is finished",
                   call_dict(bus, make_with(bus, "BreakSnapshotSet", "su", SET_A, 1), NULL, NULL),
                   VSS_E_PROVIDER_VETO);
        expect_int("abort", step(bus, "AbortSnapshots", SET_A), VSS_S_OK);
}

static void test_set(sd_bus *bus, Trace *t) {
        _cleanup_value_ vss_value *results = NULL;

        expect_int("Commit before all", step(bus, "CommitSnapshots", SET_A), VSS_E_PROVIDER_VETO);
        expect_int("a set that is none", begin(bus, "set", 0), VSS_E_INVALIDARG);
        expect_int("an odd answer", begin(bus, SET_A, 1), VSS_E_UNEXPECTED_PROVIDER_ERROR);
        expect_int("does not begin the set", step(bus, "EndPrepareSnapshots", SET_A), VSS_E_PROVIDER_VETO);
        expect_int("begin", begin(bus, SET_A, 0), VSS_S_OK);
        expect_int("and another volume", begin(bus, SET_A, 0), VSS_S_OK);
        expect_int("end",
                   call_dict(bus, make_with(bus, "EndPrepareSnapshots", "s", SET_A, 0), NULL, &results),
                   VSS_S_OK);
        expect_true("its results", value_contains(vss_value_get(results, "suspended"), SET_A));
        expect_int("another set now", begin(bus, SET_B, 0), VSS_E_PROVIDER_VETO);
        expect_int("pre-commit", step(bus, "PreCommitSnapshots", SET_A), VSS_S_OK);
        expect_int("commit", step(bus, "CommitSnapshots", SET_A), VSS_S_OK);
        expect_int("commit again", step(bus, "CommitSnapshots", SET_A), VSS_E_PROVIDER_VETO);
        expect_int("post-commit", step(bus, "PostCommitSnapshots", SET_A), VSS_S_OK);
        expect_int("pre-final", step(bus, "PreFinalCommitSnapshots", SET_A), VSS_S_OK);
        expect_int("post-final", step(bus, "PostFinalCommitSnapshots", SET_A), VSS_S_OK);
        expect_trace(t, "the calls of a set", "BBBC3F");
        expect_int("abort of a set that is made", step(bus, "AbortSnapshots", SET_A), VSS_S_OK);
        expect_trace(t, "goes through", "X");
        expect_int("begin", begin(bus, SET_A, 0), VSS_S_OK);
        expect_int("begin another", begin(bus, SET_B, 0), VSS_S_OK);
        expect_trace(t, "aborts the first", "BXb");
        (void)sd_bus_release_name(bus, BUS_NAME);
        expect_trace(t, "the service leaves: abort", "x");
        (void)sd_bus_request_name(bus, BUS_NAME, 0);
        expect_int("it serves on", begin(bus, SET_A, 0), VSS_S_OK);
        expect_trace(t, "begun", "B");
}

static void test_strangers(Trace *t) {
        sd_bus *stranger = test_bus_connect();

        expect_int("a stranger, root or not", step(stranger, "AbortSnapshots", SET_A), VSS_E_ACCESSDENIED);
        expect_trace(t, "nothing happens", "");
        (void)sd_bus_flush_close_unref(stranger);
}

int main(int argc, char **argv) {
        struct vss_provider incomplete = provider, closed = provider, silent = provider;
        TestBus test_bus = { 0 };
        Trace *t = trace_new();
        sd_bus *bus;
        pid_t pid;

        if (!test_bus_start(&test_bus))
                return 0;
        bus = test_bus_connect();
        (void)sd_bus_request_name(bus, BUS_NAME, 0);
        incomplete.commit_snapshots = NULL;
        expect_int("no commit", test_wait_exit(start(NULL, &incomplete, t)), 2);

        closed.import_snapshots = NULL;
        expect_int("transportable without import", test_wait_exit(start(NULL, &closed, t)), 2);

        silent.holds = 0;
        expect_int("without a hold", test_wait_exit(start(NULL, &silent, t)), 2);

        pid = start(bus, &provider, t);
        if (argc > 1)
                expect_introspection(bus, NAME, BUS_PROVIDER_PATH, BUS_PROVIDER, argv[1]);
        test_answers(bus);
        test_optional(bus);
        test_undeclared(bus);
        test_areas(bus);
        test_devices(bus);
        test_narrow(bus);
        expect_trace(t, "the calls of the set that was aborted", "BC3X");
        test_set(bus, t);
        test_strangers(t);
        (void)kill(pid, SIGTERM);
        expect_int("SIGTERM", test_wait_exit(pid), EXIT_SUCCESS);
        expect_trace(t, "abort first", "X");

        (void)sd_bus_flush_close_unref(bus);
        test_bus_stop(&test_bus);
        return test_end();
}
