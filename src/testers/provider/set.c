/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-provider: a set, step by step, as the service makes one
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <systemd/sd-id128.h>
#include "model/id.h"
#include "model/path.h"
#include "testers/provider/conformance.h"
#include "util/clock.h"

static const char *const members[_STEP_N] = {
        [STEP_NONE] = "",
        [STEP_BEGIN] = "BeginPrepareSnapshot",
        [STEP_END_PREPARE] = "EndPrepareSnapshots",
        [STEP_PRE_COMMIT] = "PreCommitSnapshots",
        [STEP_COMMIT] = "CommitSnapshots",
        [STEP_POST_COMMIT] = "PostCommitSnapshots",
        [STEP_PRE_FINAL] = "PreFinalCommitSnapshots",
        [STEP_POST_FINAL] = "PostFinalCommitSnapshots",
};

const char *step_name(Step step) {
        return members[step];
}

/* Before the set: what hold each volume needs, and where its files are in the copy. */
static bool ask_support(TestSet *set, TestCopy *copy) {
        _cleanup_value_ vss_value *support = NULL;
        const vss_value *facts = copy->volume->facts;
        _cleanup_(freep) char *below = NULL;
        Test *test = set->test;
        vss_result r = provider_is_supported(test, copy->volume, &support);

        if (r < 0)
                return point_result(test, r, VSS_S_OK, "%s is taken", copy->volume->path);
        copy->hold = (enum vss_hold)vss_value_get_integer(support, "hold", VSS_HOLD_NONE);
        if (path_below_device(copy->volume->directory, vss_value_get_string(facts, "mount-point", "/"),
                              vss_value_get_string(facts, "mount-root", "/"),
                              vss_value_get_string(support, "volume-root", "/"), &below) < 0)
                return point(test, false, "%s lies in the copy, whose root is said to be %s",
                             copy->volume->directory, vss_value_get_string(support, "volume-root", "/"));
        (void)snprintf(copy->below, sizeof(copy->below), "%s", below);
        return true;
}

/* As the service: a provider whose storage is shared by hosts knows its own by that. */
static void read_host(char ret_host[static SD_ID128_STRING_MAX]) {
        sd_id128_t machine;

        if (sd_id128_get_machine(&machine) < 0)
                (void)snprintf(ret_host, SD_ID128_STRING_MAX, "unknown");
        else
                (void)sd_id128_to_string(machine, ret_host);
}

static int set_properties(TestSet *set, TestCopy *copy) {
        static const char *const facts[] = { "mount-point", "mount-root", "source", "fs-type" };
        vss_value *p = copy->properties = vss_value_new_dict();
        vss_value *paths = value_require(p, "paths", VSS_KIND_LIST);
        char host[SD_ID128_STRING_MAX];

        read_host(host);
        (void)vss_value_set_string(p, "id", copy->id);
        (void)vss_value_set_string(p, "set", set->id);
        (void)vss_value_set_string(p, "volume", copy->volume->path);
        FOREACH_ELEMENT (fact, facts)
                (void)vss_value_set_string(p, *fact, vss_value_get_string(copy->volume->facts, *fact, ""));
        (void)vss_value_set_string(p, "provider", set->test->name);
        (void)vss_value_set_integer(p, "context", set->context);
        (void)vss_value_set_integer(p, "attributes", set->context);
        (void)vss_value_set_integer(p, "sequence", (int64_t)++set->test->sequence);
        (void)vss_value_set_integer(p, "created", (int64_t)clock_usec(CLOCK_REALTIME));
        (void)vss_value_set_string(p, "host", host);
        (void)vss_value_set_string(p, "boot", "vss-test-provider");
        (void)vss_value_set_string(p, "service", "vss-test-provider");
        (void)vss_value_set_string(p, "session", "vss-test-provider");
        /* Of a whole volume only this much is wanted: for providers that can leave out the rest. */
        return paths && value_append_string(paths, copy->volume->directory) >= 0 ? 0 : -ENOMEM;
}

bool set_init(Test *test, size_t first, size_t n_volumes, TestSet *ret_set) {
        TestSet *set = ret_set;

        *set = (TestSet){ .test = test,
                          .n_copies = n_volumes,
                          .context = provider_has_flag(test, VSS_PROVIDER_PERSISTENT) ? VSS_CTX_APP_ROLLBACK
                                                                                      : VSS_CTX_BACKUP };
        if (id_new(set->id) < 0)
                return false;
        for (size_t i = 0; i < n_volumes; i++) {
                TestCopy *copy = &set->copies[i];

                copy->volume = &test->volumes[first + i];
                if (id_new(copy->id) < 0 || !ask_support(set, copy) || set_properties(set, copy) < 0)
                        return false;
        }
        return true;
}

void set_done(TestSet *set) {
        set->hold = hold_free(set->hold);
        for (size_t i = 0; i < set->n_copies; i++)
                vss_value_free(set->copies[i].properties);
        vss_value_free(set->prepared);
        vss_value_free(set->results);
        set->n_copies = 0;
        set->prepared = set->results = NULL;
}

static vss_result begin(TestSet *set) {
        Test *test = set->test;
        vss_result result = VSS_S_OK;

        for (size_t i = 0; result >= 0 && i < set->n_copies; i++) {
                const TestCopy *copy = &set->copies[i];
                _cleanup_message_ sd_bus_message *m = provider_message(test, "BeginPrepareSnapshot");

                if (!m || sd_bus_message_append(m, "ss", set->id, copy->id) < 0 ||
                    marshal_append_dict(m, copy->volume->facts) < 0 ||
                    sd_bus_message_append(m, "h", copy->volume->fd) < 0 ||
                    marshal_append_dict(m, copy->properties) < 0)
                        return VSS_E_UNEXPECTED;
                result = provider_send(test, m, NULL);
        }
        return result;
}

static vss_result send_step(TestSet *set, Step step, vss_value **ret_results) {
        Test *test = set->test;
        _cleanup_message_ sd_bus_message *m = provider_message(test, members[step]), *reply = NULL;
        vss_result result;

        if (!m || sd_bus_message_append(m, "s", set->id) < 0 ||
            (step == STEP_POST_COMMIT && sd_bus_message_append(m, "u", (uint32_t)set->n_copies) < 0))
                return VSS_E_UNEXPECTED;
        result = provider_send(test, m, &reply);
        if (result >= 0 && ret_results && marshal_read_dict(reply, ret_results) < 0) {
                (void)snprintf(test->message, sizeof(test->message), "its results cannot be read");
                return VSS_E_UNEXPECTED_PROVIDER_ERROR;
        }
        return result;
}

/* The hold */

static const vss_value *cut_of(const TestSet *set, const TestCopy *copy) {
        const vss_value *cuts = vss_value_get(set->prepared, "cut");

        for (size_t i = 0; i < vss_value_count(cuts); i++)
                if (strcmp(vss_value_get_string(vss_value_at(cuts, i), "snapshot", ""), copy->id) == 0)
                        return vss_value_at(cuts, i);
        return NULL;
}

static int add_device(TestSet *set, const TestCopy *copy, uint32_t target) {
        const vss_value *cut = cut_of(set, copy), *operations = vss_value_get(cut, "operations");
        unsigned major, minor;
        int r;

        if (sscanf(vss_value_get_string(cut, "device", ""), "%u:%u", &major, &minor) != 2)
                return -EINVAL;
        r = hold_add(set->hold, VSS_HOLD_DEVICE, -1, makedev(major, minor), copy->volume->path);
        for (size_t i = 0; r >= 0 && i < vss_value_count(operations); i++)
                r = hold_operation(set->hold, target, vss_value_at(operations, i));
        return r;
}

static bool asks(const TestSet *set, enum vss_hold hold) {
        for (size_t i = 0; i < set->n_copies; i++)
                if (set->copies[i].hold == hold)
                        return true;
        return false;
}

/* As the service does: all that takes long before anybody is frozen. */
static int arm(TestSet *set) {
        uint32_t target = 0;
        int r = 0;

        if (asks(set, VSS_HOLD_FILESYSTEM) || asks(set, VSS_HOLD_DEVICE))
                r = hold_new(&set->hold);
        for (size_t i = 0; r >= 0 && set->hold && i < set->n_copies; i++) {
                const TestCopy *copy = &set->copies[i];

                if (copy->hold == VSS_HOLD_FILESYSTEM)
                        r = hold_add(set->hold, VSS_HOLD_FILESYSTEM, copy->volume->fd,
                                     (uint64_t)vss_value_get_integer(copy->volume->facts, "device", 0),
                                     copy->volume->path);
                else if (copy->hold == VSS_HOLD_DEVICE)
                        r = add_device(set, copy, target);
                else
                        continue;
                target++;
        }
        if (r >= 0 && set->hold)
                r = hold_arm(set->hold);
        for (size_t i = 0; r >= 0 && i < set->n_copies; i++)
                if (syncfs(set->copies[i].volume->fd) < 0)
                        r = -errno;
        if (r >= 0 && set->load && asks(set, VSS_HOLD_WRITERS))
                r = load_pause(set->load);
        return r;
}

static void let_go(TestSet *set) {
        set->hold = hold_free(set->hold);
        if (set->load)
                load_resume(set->load);
}

static vss_result hold_failed(TestSet *set, const char *what, int r) {
        (void)snprintf(set->test->message, sizeof(set->test->message), "%s: %s (%s)", what, strerror(-r),
                       hold_cause(set->hold));
        let_go(set);
        return VSS_E_HOLD_WRITES_TIMEOUT;
}

static vss_result commit(TestSet *set) {
        vss_result result;
        int r = set->hold ? hold_freeze(set->hold) : 0;

        if (r < 0)
                return hold_failed(set, "the volumes cannot be held", r);
        result = send_step(set, STEP_COMMIT, NULL);
        r = set->hold ? hold_release(set->hold, result >= 0 && !set->no_cut && asks(set, VSS_HOLD_DEVICE))
                      : 0;
        if (result >= 0 && r < 0)
                return hold_failed(set, "the hold, or its cut, failed", r);
        set->hold = hold_free(set->hold);
        return result;
}

vss_result set_call(TestSet *set, Step step) {
        vss_result result;
        int r;

        switch (step) {
        case STEP_BEGIN:
                return begin(set);
        case STEP_END_PREPARE:
                result = send_step(set, step, &set->prepared);
                r = result < 0 ? 0 : arm(set);
                return r < 0 ? hold_failed(set, "the hold cannot be made ready", r) : result;
        case STEP_COMMIT:
                return commit(set);
        case STEP_POST_FINAL:
                return send_step(set, step, &set->results);
        case STEP_POST_COMMIT:
                result = send_step(set, step, NULL);
                let_go(set);
                return result;
        default:
                return send_step(set, step, NULL);
        }
}

bool set_advance(TestSet *set, Step step) {
        while (set->step < step) {
                Step next = (Step)(set->step + 1);
                vss_result result = set_call(set, next);

                if (result < 0) {
                        (void)point_result(set->test, result, VSS_S_OK, "%s", members[next]);
                        let_go(set);
                        return false;
                }
                set->step = next;
        }
        return true;
}

vss_result set_abort(Test *test, const char *id) {
        return provider_call(test, "AbortSnapshots", "s", id);
}

vss_result set_delete(Test *test, const char *id) {
        return provider_call(test, "DeleteSnapshot", "s", id);
}

/* What is in a copy */

int copy_open_file(const TestCopy *copy, int mount_fd, const char *name, int flags) {
        char path[PATH_MAX + 64];
        const char *below = copy->below;
        int fd;

        while (*below == '/')
                below++;
        (void)snprintf(path, sizeof(path), "%s%s%s", below, *below ? "/" : "", name);
        fd = openat(mount_fd, path, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : fd;
}

static bool compare(const TestCopy *copy, int mount_fd, const char *name, const void *data, size_t size,
                    char *why, size_t why_size) {
        _cleanup_(freep) char *found = malloc(size + 1);
        _cleanup_(closep) int fd = copy_open_file(copy, mount_fd, name, O_RDONLY);
        ssize_t n;

        if (!data) {
                (void)snprintf(why, why_size, fd >= 0 ? "it is there" : "%s", strerror(-fd));
                return fd == -ENOENT;
        }
        n = fd >= 0 && found ? read(fd, found, size + 1) : -1;
        if (n < 0)
                (void)snprintf(why, why_size, "%s", fd < 0 ? strerror(-fd) : strerror(errno));
        else if ((size_t)n != size || memcmp(found, data, size) != 0)
                (void)snprintf(why, why_size, "it has other contents (%zd bytes, not %zu)", n, size);
        else
                return true;
        return false;
}

bool copy_has(TestSet *set, size_t index, const char *name, const void *data, size_t size,
              const char *what) {
        const TestCopy *copy = &set->copies[index];
        _cleanup_(closep) int mount_fd = -1;
        Test *test = set->test;
        char why[256] = "";
        vss_result r = provider_open(test, copy->id, false, &mount_fd);
        bool ok;

        if (r < 0)
                return point_result(test, r, VSS_S_OK, "the copy of %s is opened", copy->volume->path);
        ok = point(test, compare(copy, mount_fd, name, data, size, why, sizeof(why)), "%s", what);
        if (!ok)
                point_detail(test, "%s%s/%s in the copy of %s: %s", *copy->below ? "" : ".", copy->below,
                             name, copy->volume->path, why);
        return ok;
}
