/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The shadow copy set that is being made
 */

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "files/beneath.h"
#include "providers/common/info.h"
#include "providers/reflink/set.h"
#include "providers/reflink/store.h"
#include "util/clock.h"

/* Times that a commit looks for what has changed since it last did. */
#define LOOKS_MAX 3u

Set *set_new(const char *id, const CostSettings *settings) {
        Set *set = calloc(1, sizeof(*set));

        if (!set)
                return NULL;
        (void)snprintf(set->id, sizeof(set->id), "%s", id);
        set->settings = *settings;
        return set;
}

static void copy_done(Copy *copy) {
        (void)tree_free(copy->tree);
        closep(&copy->source_fd);
        closep(&copy->store_fd);
        closep(&copy->dir_fd);
        (void)filesystem_free(copy->fs);
        free(copy->volume);
        free(copy->inside);
        vss_value_free(copy->info);
        vss_value_free(copy->wanted);
}

Set *set_free(Set *set) {
        if (!set)
                return NULL;
        for (size_t i = 0; i < set->n_copies; i++)
                copy_done(&set->copies[i]);
        free(set);
        return NULL;
}

Copy *set_find(Set *set, const char *snapshot_id) {
        for (size_t i = 0; set && i < set->n_copies; i++)
                if (strcmp(set->copies[i].id, snapshot_id) == 0)
                        return &set->copies[i];
        return NULL;
}

static int fail(Set *set, const Copy *copy, int error, const char *format, ...) _printf_(4, 5);
static int fail(Set *set, const Copy *copy, int error, const char *format, ...) {
        va_list args;

        set->failed = copy;
        va_start(args, format);
        (void)vsnprintf(set->reason, sizeof(set->reason), format, args);
        va_end(args);
        return error;
}

/* A path as it was mounted becomes one below the root of the volume. */
static int add_wanted(Copy *copy, const char *path, const char *volume_path, const char *inside) {
        _cleanup_(freep) char *below = NULL;
        size_t n = strlen(volume_path);
        const char *rest;

        if (n == 1)
                n = 0;
        if (strncmp(path, volume_path, n) != 0 || (path[n] != '\0' && path[n] != '/'))
                return -EINVAL;
        rest = path + n + (path[n] == '/');
        if (!beneath_is_valid(rest))
                return -EINVAL;
        if (asprintf(&below, "%s%s%s", inside, *inside && *rest ? "/" : "", rest) < 0) {
                below = NULL;
                return -ENOMEM;
        }
        return value_append_string(copy->wanted, below) < 0 ? -ENOMEM : 0;
}

static int take_wanted(Copy *copy, const struct vss_volume *volume, const char *inside, const vss_value *paths) {
        int r = 0;

        copy->wanted = vss_value_new_list();
        if (!copy->wanted)
                return -ENOMEM;
        if (vss_value_count(paths) == 0)
                return value_append_string(copy->wanted, "") < 0 ? -ENOMEM : 0;
        for (size_t i = 0; r == 0 && i < vss_value_count(paths); i++)
                r = add_wanted(copy, vss_value_string(vss_value_at(paths, i), ""), volume->path, inside);
        return r;
}

static int make_info(Copy *copy, const char *set_id, const vss_value *properties) {
        copy->info = vss_value_kind(properties) == VSS_KIND_DICT ? vss_value_copy(properties) : vss_value_new_dict();
        return !copy->info || vss_value_set_string(copy->info, "id", copy->id) < 0 ||
                               vss_value_set_string(copy->info, "set", set_id) < 0 ||
                               vss_value_set_string(copy->info, "state", "preparing") < 0 ||
                               !value_require(copy->info, "reflink", VSS_KIND_DICT)
                       ? -ENOMEM
                       : 0;
}

static int open_copy(Set *set, Copy *copy, const struct vss_volume *volume, const vss_value *properties) {
        _cleanup_(freep) char *root = NULL, *inside = NULL;
        struct stat st, other;
        int r;

        r = filesystem_locate(volume, &root, &inside);
        if (r == 0)
                r = filesystem_open(volume->mount_point, &copy->fs);
        if (r == 0)
                r = filesystem_open_volume(copy->fs, volume, root, inside, &copy->source_fd);
        if (r == 0 && fstat(copy->source_fd, &st) < 0)
                r = -errno;
        if (r < 0)
                return r;
        for (size_t i = 0; i < set->n_copies; i++)
                if (fstat(set->copies[i].source_fd, &other) == 0 && other.st_dev == st.st_dev)
                        return -EEXIST;
        copy->volume = strdup(volume->path);
        if (!copy->volume)
                return -ENOMEM;
        copy->inside = TAKE_PTR(inside);
        r = take_wanted(copy, volume, copy->inside, vss_value_get(properties, "paths"));
        return r < 0 ? r : make_info(copy, set->id, properties);
}

int set_add(Set *set, const char *snapshot_id, const struct vss_volume *volume, const vss_value *properties) {
        Copy *copy;
        int r;

        if (set->n_copies >= VSS_VOLUMES_MAX)
                return -E2BIG;
        copy = &set->copies[set->n_copies];
        *copy = (Copy){ .source_fd = -1, .store_fd = -1, .dir_fd = -1 };
        (void)snprintf(copy->id, sizeof(copy->id), "%s", snapshot_id);
        r = open_copy(set, copy, volume, properties);
        if (r < 0)
                copy_done(copy);
        else
                set->n_copies++;
        return r;
}

/* Prepare */

static int prepare_place(Set *set, Copy *copy) {
        const TreeOptions options = { .recent_usec = set->settings.recent_usec,
                                      .workers = cost_workers(&set->settings) };
        dev_t device = 0;
        ino_t inode = 0;
        int r;

        r = store_make(copy->fs, &copy->store_fd);
        if (r == 0)
                r = store_identify(copy->fs, &device, &inode);
        if (r == 0)
                r = store_add(copy->store_fd, copy->id, copy->info, &copy->dir_fd);
        if (r == 0)
                r = tree_new(copy->source_fd, copy->dir_fd, copy->wanted, &options, device, inode, &copy->tree);
        if (r == 0)
                /* What is not written back yet would have to be while everybody is frozen. */
                r = syncfs(copy->source_fd) < 0 ? -errno : 0;
        return r < 0 ? fail(set, copy, r, "the place of its copy cannot be made") : 0;
}

static int fail_pass(Set *set, const Copy *copy, int r, const char *when, uint64_t limit_usec) {
        const char *culprit = tree_culprit(copy->tree);

        if (r == -ETIMEDOUT)
                return fail(set, copy, r,
                            "%s took longer than %.2f s (%" PRIu64 " files and directories were looked at). Choose fewer "
                            "directories, or try when less is written.",
                            when, (double)limit_usec / (double)USEC_PER_SEC, tree_facts(copy->tree)->entries);
        if (r == -E2BIG)
                return fail(set, copy, r,
                            "there are more than %u files and directories. Choose fewer of them, or a provider that copies "
                            "volumes.",
                            TREE_ENTRIES_MAX);
        return fail(set, copy, r, "%s cannot be copied", *culprit ? culprit : "something in it");
}

static int prepare_copy(Set *set, Copy *copy, uint64_t until_usec) {
        int r = prepare_place(set, copy);

        if (r < 0)
                return r;
        r = tree_run(copy->tree, TREE_PREPARE, until_usec);
        copy->prepared = *tree_facts(copy->tree);
        if (r == 0)
                r = tree_run(copy->tree, TREE_PREPARE, until_usec);
        if (r < 0)
                return fail_pass(set, copy, r, "preparing its copy", set->settings.prepare_usec);
        copy->estimate_usec = cost_estimate(&copy->prepared, tree_facts(copy->tree));
        return 0;
}

/* The copies of a set are made one after the other: what they take adds up. */
static int check_cost(Set *set) {
        const Copy *most = NULL;
        const TreeFacts *facts;
        uint64_t sum = 0;

        for (size_t i = 0; i < set->n_copies; i++) {
                sum += set->copies[i].estimate_usec;
                if (!most || set->copies[i].estimate_usec > most->estimate_usec)
                        most = &set->copies[i];
        }
        if (!most || sum <= set->settings.commit_usec)
                return 0;
        facts = tree_facts(most->tree);
        return fail(set, most, -EFBIG,
                    "its copy would keep writers frozen for about %.2f s (%" PRIu64 " files and directories; %" PRIu64
                    " files with %" PRIu64 " extents were changed lately and may change again), and %.2f s are allowed. "
                    "Choose fewer directories, defragment the files, wait until less is written, or raise CommitLimit in "
                    "/etc/linuxvss/reflink.conf.",
                    (double)sum / (double)USEC_PER_SEC, facts->entries, facts->recent_files, facts->recent_extents,
                    (double)set->settings.commit_usec / (double)USEC_PER_SEC);
}

int set_prepare(Set *set) {
        uint64_t until_usec = now_usec() + set->settings.prepare_usec;
        int r = 0;

        for (size_t i = 0; r == 0 && i < set->n_copies; i++)
                r = prepare_copy(set, &set->copies[i], until_usec);
        return r < 0 ? r : check_cost(set);
}

/* Commit */

static int commit_copy(Set *set, Copy *copy, bool last) {
        uint64_t began = now_usec();
        int r = 0;

        for (unsigned i = 0; i < LOOKS_MAX && r == 0 && !copy->at_rest; i++) {
                r = tree_run(copy->tree, TREE_COMMIT, set->commit_until_usec);
                copy->at_rest = tree_facts(copy->tree)->differences == 0;
                if (!last)
                        break;
                /* What was changed just now cannot be told from what is changed again before the clock ticks. */
                if (r == 0 && !copy->at_rest && i + 1 < LOOKS_MAX)
                        (void)usleep((useconds_t)tree_tick_usec());
        }
        copy->commit_usec += now_usec() - began;
        return r < 0 ? fail_pass(set, copy, r, "its copy, with writers frozen,", set->settings.commit_usec) : 0;
}

int set_commit(Set *set, bool last) {
        int r = 0;

        if (set->commit_until_usec == 0)
                set->commit_until_usec = now_usec() + set->settings.commit_usec;
        for (size_t i = 0; r == 0 && i < set->n_copies; i++) {
                /* Only what the last look finds tells how things were at the end. */
                set->copies[i].at_rest = false;
                r = commit_copy(set, &set->copies[i], last);
        }
        return r;
}

int set_finish(Set *set) {
        for (size_t i = 0; i < set->n_copies; i++) {
                Copy *copy = &set->copies[i];
                int r = tree_finish(copy->tree);

                if (r < 0)
                        return fail_pass(set, copy, r, "", 0);
                r = store_tidy(copy->dir_fd);
                if (r < 0)
                        return fail(set, copy, r, "what its copy was made with cannot be removed");
        }
        return 0;
}

/* Below the volume a path is told as it is mounted; what lies beside a part that is mounted has no such path. */
static int tell_left_out(const Copy *copy, const vss_value *left, vss_value *list) {
        const char *path = vss_value_get_string(left, "path", "/");
        _cleanup_value_ vss_value *told = vss_value_new_dict();
        size_t n = strlen(copy->inside);
        vss_result result;

        if (n > 0 && strncmp(path + 1, copy->inside, n) == 0 && (path[n + 1] == '/' || path[n + 1] == '\0'))
                path += n + 1;
        result = value_set_printf(told, "path", "%s%s", strcmp(copy->volume, "/") == 0 ? "" : copy->volume, path);
        if (result >= 0)
                result = vss_value_set_string(told, "snapshot", copy->id);
        if (result >= 0)
                result = vss_value_set_string(told, "reason", vss_value_get_string(left, "reason", ""));
        if (result >= 0)
                result = vss_value_append(list, TAKE_PTR(told));
        return result < 0 ? -ENOMEM : 0;
}

static int tell(const Copy *copy, vss_value *results) {
        vss_value *left = value_require(results, "left-out", VSS_KIND_LIST);
        vss_value *instants = value_require(results, "one-instant", VSS_KIND_LIST), *instant;
        int r = left && instants ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < vss_value_count(tree_left_out(copy->tree)); i++)
                r = tell_left_out(copy, vss_value_at(tree_left_out(copy->tree), i), left);
        if (r < 0 || !copy->at_rest)
                return r;
        instant = vss_value_new_list();
        return !instant || value_append_string(instant, copy->id) < 0 || vss_value_append(instants, instant) < 0
                       ? -ENOMEM
                       : 0;
}

static int complete(Copy *copy) {
        const TreeFacts *facts = tree_facts(copy->tree);
        vss_value *own = value_require(copy->info, "reflink", VSS_KIND_DICT);

        if (!own || vss_value_set_string(copy->info, "state", "created") < 0 ||
            vss_value_set_integer(own, "entries", (int64_t)facts->entries) < 0 ||
            vss_value_set_integer(own, "files", (int64_t)facts->files) < 0 ||
            vss_value_set_integer(own, "extents", (int64_t)facts->extents) < 0 ||
            vss_value_set_integer(own, "estimate-usec", (int64_t)copy->estimate_usec) < 0 ||
            vss_value_set_integer(own, "commit-usec", (int64_t)copy->commit_usec) < 0 ||
            vss_value_set_boolean(own, "at-rest", copy->at_rest) < 0 ||
            vss_value_set_string(own, "changed", copy->at_rest ? "" : tree_difference(copy->tree)) < 0)
                return -ENOMEM;
        value_make_utf8(copy->info);
        return 0;
}

int set_complete(Set *set, vss_value *results) {
        for (size_t i = 0; i < set->n_copies; i++) {
                Copy *copy = &set->copies[i];
                int r = complete(copy);

                if (r == 0)
                        r = tell(copy, results);
                /* The identity says that all of it is there: it must come behind it on the disk. */
                if (r == 0 && syncfs(copy->dir_fd) < 0)
                        r = -errno;
                if (r == 0)
                        r = info_replace(copy->dir_fd, copy->info);
                if (r < 0)
                        return fail(set, copy, r, "its identity cannot be written");
        }
        return 0;
}

void set_undo(Set *set) {
        for (size_t i = 0; i < set->n_copies; i++) {
                Copy *copy = &set->copies[i];
                int r;

                if (copy->store_fd < 0)
                        continue;
                r = store_remove(copy->store_fd, copy->id);
                if (r < 0 && r != -ENOENT)
                        fprintf(stderr, "%s: shadow copy %s could not be taken back: %s\n", copy->volume, copy->id,
                                strerror(-r));
        }
}
