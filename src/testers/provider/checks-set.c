/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-provider: sets from begin to end, and what is in their copies
 */

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include "testers/provider/conformance.h"

#define KEPT_SIZE (256u * 1024)

typedef struct Content {
        char kept[KEPT_SIZE];
} Content;

/* "kept" is random, "changed" will be, "later" is not there yet. */
static bool write_before(Test *test, size_t n, Content *content) {
        for (size_t done = 0; done < sizeof(content->kept); done += 256)
                (void)!getrandom(content->kept + done, 256, 0);
        for (size_t i = 0; i < n; i++) {
                int r = volume_write(&test->volumes[i], "kept", content->kept, sizeof(content->kept));

                (void)unlinkat(test->volumes[i].directory_fd, "later", 0);
                if (r >= 0)
                        r = volume_write(&test->volumes[i], "changed", "before\n", 7);
                if (r < 0)
                        return point(test, false, "%s can be written to: %s", test->volumes[i].directory,
                                     strerror(-r));
        }
        return true;
}

/* Over the originals, and the whole of what is to be kept. */
static bool write_after(Test *test, size_t n) {
        static char other[KEPT_SIZE];
        bool ok = true;

        memset(other, 'x', sizeof(other));
        for (size_t i = 0; i < n; i++)
                ok = ok && volume_write(&test->volumes[i], "changed", "after\n", 6) >= 0 &&
                     volume_write(&test->volumes[i], "later", "later\n", 6) >= 0 &&
                     volume_write(&test->volumes[i], "kept", other, sizeof(other)) >= 0;
        return ok || point(test, false, "the volumes can be written to once the copies are cut");
}

static bool is_no_copy(const TestSet *set) {
        return vss_value_get_boolean(set->results, "no-copy", false) ||
               provider_has_flag(set->test, VSS_PROVIDER_NO_COPY);
}

static void check_contents(TestSet *set, const Content *content) {
        if (is_no_copy(set)) {
                point_skipped(set->test, "it says itself that it makes no copies",
                              "the contents of the copies");
                return;
        }
        for (size_t i = 0; i < set->n_copies; i++) {
                (void)copy_has(set, i, "kept", content->kept, sizeof(content->kept),
                               "what was written before is in the copy, and stays though it is overwritten");
                (void)copy_has(set, i, "changed", "before\n", 7, "what was changed afterwards is as it was");
                (void)copy_has(set, i, "later", NULL, 0, "what was made afterwards is not there");
        }
}

/* What begin_prepare_snapshot was given is what query tells. */
static void check_listed(TestSet *set, const char *state) {
        _cleanup_value_ vss_value *list = NULL;
        Test *test = set->test;

        if (!point_result(test, provider_query(test, &list), VSS_S_OK, "Query"))
                return;
        for (size_t i = 0; i < set->n_copies; i++) {
                const vss_value *found = provider_find(list, set->copies[i].id),
                                *given = set->copies[i].properties;

                if (!point(test, found != NULL, "the copy of %s is listed", set->copies[i].volume->path))
                        continue;
                (void)point(test, strcmp(vss_value_get_string(found, "state", ""), state) == 0, "as %s",
                            state);
                for (size_t k = 0; k < vss_value_count(given); k++) {
                        const char *key = vss_value_key_at(given, k);

                        if (!value_equals(vss_value_at(given, k), vss_value_get(found, key)))
                                (void)point(test, false, "its property \"%s\" is as it was given", key);
                }
        }
}

static void delete_all(TestSet *set) {
        for (size_t i = 0; set->step == STEP_POST_FINAL && i < set->n_copies; i++)
                (void)point_result(set->test, set_delete(set->test, set->copies[i].id), VSS_S_OK,
                                   "DeleteSnapshot");
        if (set->step != STEP_POST_FINAL)
                (void)set_abort(set->test, set->id);
}

static void run_set(Test *test, size_t n_volumes) {
        Content *content = calloc(1, sizeof(*content));
        TestSet set;

        if (content && set_init(test, 0, n_volumes, &set) && write_before(test, n_volumes, content) &&
            set_advance(&set, STEP_POST_COMMIT) && write_after(test, n_volumes) &&
            set_advance(&set, STEP_POST_FINAL)) {
                (void)point(test, true, "a set of %zu, from begin to end", n_volumes);
                check_listed(&set, "created");
                check_contents(&set, content);
        }
        delete_all(&set);
        set_done(&set);
        free(content);
}

void check_set(Test *test) {
        run_set(test, 1);
}

/* Under a writer */

static bool read_number(TestSet *set, size_t index, uint64_t *ret_number) {
        _cleanup_(closep) int mount_fd = -1, fd = -1;
        Test *test = set->test;
        char text[32] = "";
        vss_result r = provider_open(test, set->copies[index].id, false, &mount_fd);

        if (r < 0)
                return point_result(test, r, VSS_S_OK, "the copy of %s is opened",
                                    set->copies[index].volume->path);
        fd = copy_open_file(&set->copies[index], mount_fd, LOAD_FILE, O_RDONLY);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
                return point(test, false,
                             "the number that was written all the time is in the copy of %s: %s",
                             set->copies[index].volume->path, strerror(fd < 0 ? -fd : errno));
        *ret_number = strtoull(text, NULL, 10);
        return true;
}

/* Do all their holds, or the provider's own word, make one instant of them? */
static bool share_instant(const TestSet *set) {
        const vss_value *groups = vss_value_get(set->results, "one-instant");

        for (size_t g = 0; g < vss_value_count(groups); g++) {
                const vss_value *group = vss_value_at(groups, g);
                size_t n = 0;

                for (size_t i = 0; i < set->n_copies; i++)
                        n += value_contains(group, set->copies[i].id);
                if (n == set->n_copies)
                        return true;
        }
        for (size_t i = 0; i < set->n_copies; i++)
                if (set->copies[i].hold == VSS_HOLD_NONE)
                        return false;
        return true;
}

static void judge_numbers(TestSet *set, const uint64_t *stored, uint64_t not_begun) {
        uint64_t numbers[TEST_VOLUMES_MAX];
        Test *test = set->test;

        for (size_t i = 0; i < set->n_copies; i++) {
                if (!read_number(set, i, &numbers[i]))
                        return;
                if (!point(test, numbers[i] >= stored[i] && numbers[i] < not_begun,
                           "the copy of %s is of the time between begin and end",
                           set->copies[i].volume->path))
                        point_detail(test,
                                     "it has number %llu; %llu was stored before, %llu not begun after",
                                     (unsigned long long)numbers[i], (unsigned long long)stored[i],
                                     (unsigned long long)not_begun);
        }
        for (size_t i = 1; share_instant(set) && i < set->n_copies; i++)
                if (!point(test, numbers[i] == numbers[i - 1] || numbers[i] + 1 == numbers[i - 1],
                           "the copies are of one instant"))
                        point_detail(test, "%s has number %llu, and %s, which is written after it, %llu",
                                     set->copies[i - 1].volume->path, (unsigned long long)numbers[i - 1],
                                     set->copies[i].volume->path, (unsigned long long)numbers[i]);
}

static void run_load(Test *test, size_t n_volumes, unsigned rounds) {
        Load *load = NULL;
        int r = load_start(test, n_volumes, &load);

        if (r < 0) {
                (void)point(test, false, "a writer on the volumes: %s", strerror(-r));
                return;
        }
        for (unsigned round = 0; round < rounds; round++) {
                uint64_t stored[TEST_VOLUMES_MAX];
                TestSet set;

                if (set_init(test, 0, n_volumes, &set)) {
                        set.load = load;
                        for (size_t i = 0; i < n_volumes; i++)
                                stored[i] = load_stored(load, i);
                        if (set_advance(&set, STEP_POST_FINAL) && !is_no_copy(&set))
                                judge_numbers(&set, stored, load_not_begun(load));
                }
                load_resume(load);
                delete_all(&set);
                set_done(&set);
        }
        (void)load_stop(load);
}

void check_load(Test *test) {
        run_load(test, 1, test->sample > 0 ? MIN(test->sample, 3u) : 3);
}

void check_across(Test *test) {
        run_set(test, 2);
        run_load(test, 2, test->sample > 0 ? MIN(test->sample, 5u) : 5);
}

/* Writing to a copy before it is complete */

static bool write_copy(TestSet *set) {
        _cleanup_(closep) int mount_fd = -1, fd = -1;
        Test *test = set->test;
        vss_result r = provider_open(test, set->copies[0].id, true, &mount_fd);

        if (r == VSS_E_NOT_SUPPORTED) {
                point_skipped(test, test->message, "a copy is written to before it is complete");
                return false;
        }
        if (!point_result(test, r, VSS_S_OK, "the copy is opened for writing before PostFinal"))
                return false;
        fd = copy_open_file(&set->copies[0], mount_fd, "written", O_WRONLY | O_CREAT);
        return point(test, fd >= 0 && write(fd, "recovered\n", 10) == 10 && fsync(fd) == 0,
                     "and written to");
}

static void check_read_only(TestSet *set) {
        _cleanup_(closep) int mount_fd = -1, again = -1, fd = -1;
        Test *test = set->test;
        vss_result r = provider_open(test, set->copies[0].id, false, &mount_fd);

        if (point_result(test, r, VSS_S_OK, "the copy is opened")) {
                fd = copy_open_file(&set->copies[0], mount_fd, "forbidden", O_WRONLY | O_CREAT);
                (void)point(test, fd == -EROFS || fd == -EACCES || fd == -EPERM,
                            "a mount that is not for writing cannot be written to");
        }
        r = provider_open(test, set->copies[0].id, true, &again);
        closep(&fd);
        fd = r < 0 ? -1 : copy_open_file(&set->copies[0], again, "forbidden", O_WRONLY | O_CREAT);
        (void)point(test, r < 0 || fd < 0, "once it is complete nobody gets it for writing");
}

void check_writable(Test *test) {
        TestSet set;
        bool written = false;

        if (set_init(test, 0, 1, &set) && volume_write(&test->volumes[0], "changed", "before\n", 7) >= 0 &&
            set_advance(&set, STEP_PRE_FINAL)) {
                if (!provider_has_flag(test, VSS_PROVIDER_NO_COPY))
                        written = write_copy(&set);
                if (set_advance(&set, STEP_POST_FINAL)) {
                        if (written)
                                (void)copy_has(&set, 0, "written", "recovered\n", 10,
                                               "what was written to the copy is in it");
                        (void)point(test,
                                    faccessat(test->volumes[0].directory_fd, "written", F_OK,
                                              AT_SYMLINK_NOFOLLOW) < 0,
                                    "and not in the original");
                        check_read_only(&set);
                }
        }
        delete_all(&set);
        set_done(&set);
}

/* One of several goes */

void check_delete(Test *test) {
        static const char *const texts[] = { "first\n", "second\n", "third\n" };
        _cleanup_value_ vss_value *list = NULL;
        TestSet sets[3] = { 0 };
        bool ok = true;

        for (size_t i = 0; ok && i < ELEMENTS(sets); i++)
                ok = set_init(test, 0, 1, &sets[i]) &&
                     volume_write(&test->volumes[0], "changed", texts[i], strlen(texts[i])) >= 0 &&
                     set_advance(&sets[i], STEP_POST_FINAL);
        if (ok) {
                (void)point_result(test, set_delete(test, sets[1].copies[0].id), VSS_S_OK,
                                   "the middle one of three copies is deleted");
                (void)point_result(test, set_delete(test, sets[1].copies[0].id), VSS_E_OBJECT_NOT_FOUND,
                                   "it cannot be deleted again");
                (void)volume_write(&test->volumes[0], "changed", "fourth\n", 7);
                for (size_t i = 0; i < ELEMENTS(sets) && !is_no_copy(&sets[0]); i += 2)
                        (void)copy_has(&sets[i], 0, "changed", texts[i], strlen(texts[i]),
                                       i == 0 ? "the older one is as it was" : "the newer one, too");
                if (provider_query(test, &list) >= 0)
                        (void)point(test,
                                    provider_find(list, sets[0].copies[0].id) &&
                                            !provider_find(list, sets[1].copies[0].id) &&
                                            provider_find(list, sets[2].copies[0].id),
                                    "only the two are listed");
        }
        for (size_t i = 0; i < ELEMENTS(sets); i++) {
                if (sets[i].test && (i != 1 || sets[i].step != STEP_POST_FINAL))
                        delete_all(&sets[i]);
                set_done(&sets[i]);
        }
}

/* As many as it says it keeps */

void check_limit(Test *test) {
        int64_t limit = vss_value_get_integer(test->info, "max-snapshots", 0);
        size_t tried = test->sample > 0 ? MIN(test->sample + 1, 8u) : 8, made = 0;
        size_t n = limit > 0 && (size_t)limit < tried ? (size_t)limit : tried;
        TestSet *sets = calloc(n, sizeof(*sets));

        while (sets && made < n && set_init(test, 0, 1, &sets[made]) &&
               set_advance(&sets[made], STEP_POST_FINAL))
                made++;
        (void)point(test, made == n, "%zu shadow copies of one volume stand side by side", n);
        for (size_t i = 0; sets && i <= made && i < n; i++) {
                if (sets[i].test && i < made)
                        delete_all(&sets[i]);
                else if (sets[i].test)
                        (void)set_abort(test, sets[i].id);
                set_done(&sets[i]);
        }
        free(sets);
}

/* The identity is kept with the copy */

static void check_property(TestSet *set) {
        _cleanup_value_ vss_value *changed = vss_value_new_dict();
        Test *test = set->test;
        _cleanup_message_ sd_bus_message *m = NULL;

        if (!provider_can(test, "set-snapshot-property"))
                return;
        m = provider_message(test, "SetSnapshotProperty");
        (void)vss_value_set_string(changed, "session", "another");
        (void)vss_value_set_string(changed, "vss-test", "new");
        if (!m || sd_bus_message_append(m, "s", set->copies[0].id) < 0 ||
            marshal_append_dict(m, changed) < 0 ||
            !point_result(test, provider_send(test, m, NULL), VSS_S_OK, "SetSnapshotProperty"))
                return;
        (void)vss_value_set_string(set->copies[0].properties, "session", "another");
        (void)vss_value_set_string(set->copies[0].properties, "vss-test", "new");
        check_listed(set, "created");
}

void check_identity(Test *test) {
        Content *content = calloc(1, sizeof(*content));
        TestSet set;

        if (content && set_init(test, 0, 1, &set) && write_before(test, 1, content) &&
            set_advance(&set, STEP_POST_COMMIT) && write_after(test, 1) &&
            set_advance(&set, STEP_POST_FINAL)) {
                check_property(&set);
                if (point(test, provider_kill(test), "its process is killed")) {
                        check_listed(&set, "created");
                        check_contents(&set, content);
                }
        }
        delete_all(&set);
        set_done(&set);
        free(content);
}
