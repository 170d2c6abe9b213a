/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-provider: calls one by one: what it says of itself, which volumes it takes, the order of steps,
 * codes
 */

#include <fcntl.h>
#include <string.h>
#include "model/id.h"
#include "model/provider-result.h"
#include "testers/provider/conformance.h"
#include "util/clock.h"

/* "Fast": the service waits for this whenever volumes are listed. */
#define FAST_USEC (2 * USEC_PER_SEC)
#define REST_USEC (40 * USEC_PER_SEC)
#define NOBODY "00000000-0000-4000-8000-000000000000"

static bool is_one_of(const char *name, const char *const *names, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(name, names[i]) == 0)
                        return true;
        return false;
}

static void check_names(Test *test, const char *key, const char *const *names, size_t n) {
        const vss_value *list = vss_value_get(test->info, key);

        for (size_t i = 0; i < vss_value_count(list); i++) {
                const char *name = vss_value_string(vss_value_at(list, i), "?");

                if (!is_one_of(name, names, n))
                        (void)point(test, false, "%s: \"%s\" is one that there is", key, name);
        }
}

void check_get_info(Test *test) {
        static const char *const holds[] = { "none", "writers", "filesystem", "device" };
        static const char *const scopes[] = { "volume", "file" }, *const changed[] = { "none", "ranges",
                                                                                       "files" };
        static const char *const calls[] = {
                "set-snapshot-property", "get-target-luns",
                "import-snapshots",      "break-snapshot-set",
                "revert-to-snapshot",    "query-revert-status",
                "resync-snapshots",      "query-diff-areas",
                "add-diff-area",         "change-diff-area-maximum-size",
                "check-storage",         "attach-device",
                "detach-device",         "query-attached",
        };
        _cleanup_value_ vss_value *again = NULL;
        const vss_value *info = test->info;
        int64_t type = vss_value_get_integer(info, "type", 0);

        (void)point(test, strcmp(vss_value_get_string(info, "name", ""), test->name) == 0,
                    "it has the name of its bus name");
        (void)point(test, id_is_valid(vss_value_get_string(info, "id", "")),
                    "its id is a UUID in lower case");
        (void)point(test, *vss_value_get_string(info, "version", "") != '\0', "it has a version");
        (void)point(test, type >= VSS_PROV_SYSTEM && type <= VSS_PROV_HARDWARE,
                    "its type is one that there is");
        (void)point(test, vss_value_get_integer(info, "max-snapshots", -1) >= 0, "its limit is a number");
        (void)point(test, vss_value_count(vss_value_get(info, "holds")) > 0,
                    "it declares the holds it may ask for");
        check_names(test, "holds", holds, ELEMENTS(holds));
        check_names(test, "capabilities", calls, ELEMENTS(calls));
        (void)point(test,
                    is_one_of(vss_value_get_string(info, "atomic-scope", ""), scopes, ELEMENTS(scopes)),
                    "its atomic scope is one that there is");
        (void)point(test, is_one_of(vss_value_get_string(info, "changed", ""), changed, ELEMENTS(changed)),
                    "what could tell its copies apart is declared");
        (void)point(
                test,
                !provider_has_flag(test, VSS_PROVIDER_TRANSPORTABLE) ||
                        (provider_can(test, "get-target-luns") && provider_can(test, "import-snapshots")),
                "copies for other machines have LUNs, and can be imported");
        if (point_result(test, provider_get_info(test, &again), VSS_S_OK, "GetInfo, again"))
                (void)point(test,
                            strcmp(vss_value_get_string(info, "id", ""),
                                   vss_value_get_string(again, "id", "")) == 0,
                            "it answers the same");
}

/* IsVolumeSupported */

static void check_taken(Test *test, const TestVolume *volume) {
        static const char *const holds[] = { "none", "writers", "filesystem", "device" };
        _cleanup_value_ vss_value *support = NULL;
        int64_t hold;

        if (!point_result(test, provider_is_supported(test, volume, &support), VSS_S_OK, "%s is taken",
                          volume->path))
                return;
        (void)point(test, test->took_usec < FAST_USEC, "in %.3f s", (double)test->took_usec / USEC_PER_SEC);
        hold = vss_value_get_integer(support, "hold", -1);
        (void)point(test,
                    hold >= 0 && (size_t)hold < ELEMENTS(holds) &&
                            value_contains(vss_value_get(test->info, "holds"), holds[hold]),
                    "the hold it asks for (%s) is among those it declares",
                    hold >= 0 && (size_t)hold < ELEMENTS(holds) ? holds[hold] : "none that there is");
        (void)point(test, vss_value_get_string(support, "volume-root", "")[0] == '/',
                    "the root of the volume in the file system is an absolute path");
}

static void check_declined(Test *test, const char *path, const char *type) {
        TestVolume volume = { .fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .directory_fd = -1 };
        _cleanup_value_ vss_value *support = NULL;
        vss_result r;

        volume.facts = vss_value_new_dict();
        (void)vss_value_set_string(volume.facts, "path", path);
        (void)vss_value_set_string(volume.facts, "mount-point", path);
        (void)vss_value_set_string(volume.facts, "mount-root", "/");
        (void)vss_value_set_string(volume.facts, "source", type);
        (void)vss_value_set_string(volume.facts, "fs-type", type);
        r = volume.fd < 0 ? VSS_E_UNEXPECTED : provider_is_supported(test, &volume, &support);
        if (point_result(test, r, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, "%s (%s) is declined", path, type))
                (void)point(test, *test->message != '\0', "with the reason");
        closep(&volume.fd);
        vss_value_free(volume.facts);
}

void check_volumes(Test *test) {
        _cleanup_(freep) char *before = traces_list(test);

        for (size_t i = 0; i < test->n_volumes; i++)
                check_taken(test, &test->volumes[i]);
        if (provider_has_flag(test, VSS_PROVIDER_EXPLICIT_ONLY))
                point_skipped(test, "it is only taken when it is named", "what has no storage is declined");
        else {
                check_declined(test, "/proc", "proc");
                check_declined(test, "/run", "tmpfs");
        }
        (void)traces_point(test, before, "asking changes nothing");
}

/* The order of steps */

static void try_others(TestSet *set, Step done) {
        Test *test = set->test;

        for (Step step = STEP_END_PREPARE; step < _STEP_N; step++) {
                _cleanup_message_ sd_bus_message *m = NULL;

                if (step == done + 1 || (done == STEP_POST_FINAL && step == STEP_BEGIN))
                        continue;
                m = provider_message(test, step_name(step));
                if (!m || sd_bus_message_append(m, "s", set->id) < 0 ||
                    (step == STEP_POST_COMMIT && sd_bus_message_append(m, "u", 1u) < 0))
                        return;
                (void)point_result(test, provider_send(test, m, NULL), VSS_E_PROVIDER_VETO,
                                   "%s %s%s is refused", step_name(step),
                                   done == STEP_NONE ? "before anything" : "after ", step_name(done));
        }
}

void check_order(Test *test) {
        TestSet set;

        if (set_init(test, 0, 1, &set)) {
                try_others(&set, STEP_NONE);
                for (Step step = STEP_BEGIN; step < _STEP_N && set_advance(&set, step); step++)
                        try_others(&set, step);
                (void)point(test, set.step == STEP_POST_FINAL, "the right order still works after all that");
                (void)point_result(test, set_abort(test, set.id), VSS_S_OK, "and the set can be taken back");
        }
        set_done(&set);
}

/* Codes */

static void expect_none(Test *test, const char *what, vss_result got) {
        (void)point_result(test, got, VSS_E_OBJECT_NOT_FOUND, "%s of a copy that there is not", what);
        (void)point(test, *test->message != '\0', "with a sentence");
}

static void expect_bad(Test *test, const char *what, vss_result got) {
        (void)point(test,
                    got == VSS_E_INVALIDARG || got == VSS_E_OBJECT_NOT_FOUND || got == VSS_E_PROVIDER_VETO,
                    "%s of \"../x\" is refused", what);
}

void check_unknown(Test *test) {
        _cleanup_(closep) int fd = -1;
        _cleanup_value_ vss_value *list = NULL;

        expect_none(test, "DeleteSnapshot", set_delete(test, NOBODY));
        expect_none(test, "OpenSnapshot", provider_open(test, NOBODY, false, &fd));
        expect_bad(test, "DeleteSnapshot", set_delete(test, "../x"));
        expect_bad(test, "OpenSnapshot", provider_open(test, "../x", false, &fd));
        expect_bad(test, "EndPrepareSnapshots", provider_call(test, "EndPrepareSnapshots", "s", "../x"));
        (void)point_result(test, set_abort(test, NOBODY), VSS_S_OK,
                           "AbortSnapshots of a set that there is not");
        if (point_result(test, provider_query(test, &list), VSS_S_OK, "Query"))
                for (size_t i = 0; i < vss_value_count(list); i++)
                        if (!id_is_valid(vss_value_get_string(vss_value_at(list, i), "id", "")))
                                (void)point(test, false, "each copy that it lists has an id");
}

/* Optional calls */

typedef struct Optional {
        const char *capability, *member;
} Optional;

static const Optional optional[] = {
        { "set-snapshot-property", "SetSnapshotProperty" },
        { "get-target-luns", "GetTargetLuns" },
        { "import-snapshots", "ImportSnapshots" },
        { "break-snapshot-set", "BreakSnapshotSet" },
        { "revert-to-snapshot", "RevertToSnapshot" },
        { "query-revert-status", "QueryRevertStatus" },
        { "resync-snapshots", "ResyncSnapshots" },
        { "query-diff-areas", "QueryDiffAreas" },
        { "add-diff-area", "AddDiffArea" },
        { "change-diff-area-maximum-size", "ChangeDiffAreaMaximumSize" },
        { "check-storage", "CheckStorage" },
        { "attach-device", "AttachDevice" },
        { "detach-device", "DetachDevice" },
        { "query-attached", "QueryAttached" },
};

/* With arguments that are about nothing, so that nothing comes of it. */
static vss_result call_optional(Test *test, const Optional *call) {
        _cleanup_message_ sd_bus_message *m = provider_message(test, call->member);
        _cleanup_value_ vss_value *nothing = vss_value_new_dict();
        const char *c = call->capability;
        int r = m && nothing ? 0 : -ENOMEM;

        if (strcmp(c, "set-snapshot-property") == 0) {
                r = sd_bus_message_append(m, "s", NOBODY);
                if (r >= 0)
                        r = marshal_append_dict(m, nothing);
        } else if (strcmp(c, "get-target-luns") == 0)
                r = sd_bus_message_append(m, "s", NOBODY);
        else if (strcmp(c, "break-snapshot-set") == 0)
                r = sd_bus_message_append(m, "su", NOBODY, 0u);
        else if (strcmp(c, "revert-to-snapshot") == 0)
                r = sd_bus_message_append(m, "sb", NOBODY, 0);
        else if (strcmp(c, "import-snapshots") == 0 || strcmp(c, "resync-snapshots") == 0 ||
                 strcmp(c, "query-revert-status") == 0)
                r = marshal_append_dict(m, nothing);
        else if (strstr(c, "diff-area") && strcmp(c, "query-diff-areas") != 0) {
                for (int i = 0; r >= 0 && i < 2; i++) {
                        r = marshal_append_dict(m, test->volumes[0].facts);
                        if (r >= 0)
                                r = sd_bus_message_append(m, "h", test->volumes[0].fd);
                }
                if (r >= 0)
                        r = sd_bus_message_append(m, "t", UINT64_C(1));
        } else if (strcmp(c, "attach-device") == 0 || strcmp(c, "detach-device") == 0) {
                r = sd_bus_message_append(m, "s", "/dev/vss-test-nothing");
                if (r >= 0)
                        r = marshal_append_dict(m, nothing);
        }
        return r < 0 ? VSS_E_UNEXPECTED : provider_send(test, m, NULL);
}

/* What might do something even so. */
static bool is_harmless(const Optional *call) {
        static const char *const others[] = { "add-diff-area", "change-diff-area-maximum-size",
                                              "attach-device", "import-snapshots", "resync-snapshots" };

        return !is_one_of(call->capability, others, ELEMENTS(others));
}

void check_optional(Test *test) {
        TestSet set;

        FOREACH_ELEMENT (call, optional) {
                vss_result r;

                if (provider_can(test, call->capability)) {
                        r = is_harmless(call) ? call_optional(test, call) : VSS_S_OK;
                        (void)point(test, provider_may_answer(call->member, r) && r != VSS_E_NOT_SUPPORTED,
                                    "%s, which it has, answers what it may (%s)", call->member,
                                    vss_result_name(r));
                } else
                        (void)point_result(test, call_optional(test, call), VSS_E_NOT_SUPPORTED,
                                           "%s, which it has not, is not supported", call->member);
        }
        /* Nothing else may keep a set waiting, or change under it what is to be cut. */
        if (set_init(test, 0, 1, &set) && set_advance(&set, STEP_END_PREPARE))
                FOREACH_ELEMENT (call, optional)
                        if (provider_can(test, call->capability))
                                (void)point_result(test, call_optional(test, call), VSS_E_PROVIDER_VETO,
                                                   "%s while a set waits for its cut", call->member);
        (void)set_abort(test, set.id);
        set_done(&set);
}

/* What stands is looked after */

static int64_t next_check(Test *test) {
        _cleanup_value_ vss_value *results = NULL;
        vss_result r = provider_dict(test, "CheckStorage", &results);

        (void)point_result(test, r, VSS_S_OK, "CheckStorage");
        return vss_value_get_integer(results, "next-usec", 0);
}

/* What is left of sets that were given up may take some calls to go. */
static bool comes_to_rest(Test *test) {
        uint64_t deadline = now_usec() + REST_USEC;
        int64_t next;

        while ((next = next_check(test)) > 0 && now_usec() < deadline) {
                uint64_t usec = MIN((uint64_t)next, USEC_PER_SEC);
                const struct timespec pause = { .tv_sec = (time_t)(usec / USEC_PER_SEC),
                                                .tv_nsec = (long)(usec % USEC_PER_SEC) * 1000 };

                (void)nanosleep(&pause, NULL);
        }
        return next == 0;
}

static void check_areas(Test *test, const TestSet *set) {
        _cleanup_value_ vss_value *areas = NULL;

        if (!point_result(test, provider_dicts(test, "QueryDiffAreas", &areas), VSS_S_OK, "QueryDiffAreas"))
                return;
        for (size_t i = 0; i < vss_value_count(areas); i++) {
                const vss_value *area = vss_value_at(areas, i);

                (void)point(test,
                            vss_value_get_string(area, "volume", "")[0] == '/' &&
                                    vss_value_get_string(area, "diff-volume", "")[0] == '/' &&
                                    vss_value_get_integer(area, "maximum", -2) >= -1 &&
                                    vss_value_get_integer(area, "used", -1) >= 0 &&
                                    vss_value_get_integer(area, "allocated", -1) >=
                                            vss_value_get_integer(area, "used", -1),
                            "a difference area has its volumes and its sizes");
                if (value_contains(vss_value_get(area, "snapshots"), set->copies[0].id))
                        (void)point(test,
                                    strcmp(vss_value_get_string(area, "volume", ""),
                                           set->copies[0].volume->path) == 0,
                                    "that of a copy is of the volume of the copy");
        }
}

void check_storage(Test *test) {
        TestSet set;

        if (!provider_can(test, "check-storage") && !provider_can(test, "query-diff-areas")) {
                point_skipped(test, "it has neither call", "it looks after its storage");
                return;
        }
        if (set_init(test, 0, 1, &set) && set_advance(&set, STEP_POST_FINAL)) {
                if (provider_can(test, "check-storage"))
                        (void)point(test, next_check(test) >= 0,
                                    "the time until the next one is no negative one");
                if (provider_can(test, "query-diff-areas"))
                        check_areas(test, &set);
                (void)point_result(test, set_delete(test, set.copies[0].id), VSS_S_OK, "DeleteSnapshot");
                if (provider_can(test, "check-storage")) {
                        _cleanup_value_ vss_value *list = NULL;

                        if (provider_query(test, &list) >= 0 && vss_value_count(list) == 0)
                                (void)point(test, comes_to_rest(test),
                                            "nothing stands: it is not to be asked again");
                }
        }
        set_done(&set);
}
