/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The test requester copies: from the device objects of the shadow copies to its store
 *
 * One file that fails fails its component; it is named, and everything else goes on.
 */

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include "files/beneath.h"
#include "files/copy.h"
#include "files/locate.h"
#include "files/walk.h"
#include "model/component.h"
#include "model/path.h"
#include "model/ranges.h"
#include "testers/requester.h"
#include "testers/store.h"

typedef struct Copy {
        Requester *requester;
        const char *writer; /* "-": none */
        StoreComponent target;
        const FilePlan *plan; /* NULL: everything that is found */
        const FileJob *job;
        const char *directory;         /* where what is found belongs */
        const RequesterVolume *volume; /* that is walked; NULL: the live files */
        size_t n_files, n_failed;
} Copy;

static void _printf_(3, 4) fail_file(Copy *copy, const char *path, const char *format, ...) {
        char why[4096];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(why, sizeof(why), format, args);
        va_end(args);
        copy->n_failed++;
        requester_complain(copy->requester, "%s:%s: %s: %s", copy->writer, copy->target.component, path,
                           why);
}

/* ---- one file
 * ------------------------------------------------------------------------------------------------ */

/* The ranges of a partial file: a text, or the file that has them, in the shadow copy as well. */
static int read_ranges(Copy *copy, const vss_value *partial, Range **ret_ranges, size_t *ret_n, Why *why) {
        const char *text = vss_value_get_string(partial, "ranges", ""), *file = ranges_file(text);
        _cleanup_(freep) char *real = NULL, *below = NULL;
        _cleanup_(freep) uint8_t *data = NULL;
        _cleanup_(closep) int fd = -1;
        const RequesterVolume *volume;
        ssize_t n;

        if (!file)
                return ranges_parse(text, ret_ranges, ret_n, why) < 0 ? -EBADMSG : 0;
        real = locate_resolve(file);
        volume = real ? requester_find_volume(copy->requester, real, &below) : NULL;
        fd = volume && volume->mount_fd >= 0
                     ? beneath_open(volume->mount_fd, below, O_RDONLY | O_NONBLOCK, 0, BENEATH_ONE_MOUNT)
                     : -ENODEV;
        data = malloc(RANGES_BINARY_MAX);
        if (!data)
                return -ENOMEM;
        n = fd < 0 ? -1 : read(fd, data, RANGES_BINARY_MAX);
        if (n < 0) {
                (void)why_set(why, VSS_E_INVALIDARG, "its ranges in %s cannot be read from the shadow copy",
                              file);
                return -EBADMSG;
        }
        return ranges_parse_binary(data, (size_t)n, ret_ranges, ret_n, why) < 0 ? -EBADMSG : 0;
}

static int copy_parts(Copy *copy, int from, int to, const vss_value *partial, ListEntry *entry) {
        _cleanup_(freep) Range *ranges = NULL;
        size_t n = 0;
        Why why = { 0 };
        int r, reading = 0;

        r = read_ranges(copy, partial, &ranges, &n, &why);
        if (r < 0) {
                fail_file(copy, entry->path, "%s", *why.text ? why.text : strerror(-r));
                return r;
        }
        for (size_t i = 0; r == 0 && i < n; i++) {
                r = copy_range(from, ranges[i].offset, ranges[i].length, to, ranges[i].offset, &reading);
                if (r == -ENODATA)
                        fail_file(copy, entry->path, "the range %llu:%llu lies behind its end",
                                  (unsigned long long)ranges[i].offset,
                                  (unsigned long long)ranges[i].length);
                else if (r < 0)
                        fail_file(copy, entry->path, "cannot be %s: %s", reading ? "read" : "stored",
                                  strerror(-r));
        }
        if (r == 0)
                r = ranges_format(ranges, n, &entry->ranges);
        entry->metadata = strdup(vss_value_get_string(partial, "metadata", ""));
        return r == 0 && !entry->metadata ? -ENOMEM : r;
}

static int copy_file(Copy *copy, const WalkEntry *walked, const vss_value *partial, ListEntry *entry) {
        _cleanup_(closep) int from = walk_open(walked), to = -1;
        int64_t size;
        int r, reading = 0;

        r = from < 0 ? from : meta_from_fd(from, &entry->meta);
        if (r < 0) {
                fail_file(copy, entry->path, "cannot be read: %s", strerror(-r));
                return r;
        }
        to = store_create_file(&copy->target, entry->path);
        if (to < 0) {
                fail_file(copy, entry->path, "cannot be stored: %s", strerror(-to));
                return to;
        }
        entry->size = (uint64_t)walked->st.st_size;
        if (partial)
                return copy_parts(copy, from, to, partial, entry);
        size = copy_content(from, to, &reading);
        if (size < 0)
                fail_file(copy, entry->path, "cannot be %s: %s", reading ? "read" : "stored",
                          strerror((int)-size));
        else
                entry->size = (uint64_t)size;
        return size < 0 ? (int)size : 0;
}

static char *full_name(const vss_value *component) {
        const char *logical_path = component_logical_path(component);
        char *name = NULL;

        if (asprintf(&name, "%s%s%s", logical_path, *logical_path ? "/" : "", component_name(component)) < 0)
                return NULL;
        return name;
}

/* Whose file it is, where it comes from. */
static int describe(const Copy *copy, ListEntry *entry) {
        const FileJob *job = copy->job;

        entry->live = !copy->volume;
        if (!job)
                return 0;
        entry->component = full_name(job->component ?: job->explicit_component);
        entry->set = strdup(vss_value_get_string(job->entry, "path", ""));
        entry->filespec = strdup(job->filespec);
        entry->recursive = job->recursive;
        if (strcmp(job->source, job->directory) != 0) {
                entry->source = strdup(job->source);
                if (!entry->source)
                        return -ENOMEM;
        }
        return entry->component && entry->set && entry->filespec ? 0 : -ENOMEM;
}

static int read_others(const WalkEntry *walked, ListEntry *entry) {
        _cleanup_(closep) int fd = -1;

        if (walked->kind == WALK_SYMLINK)
                return walk_read_link(walked, &entry->target);
        if (walked->kind != WALK_DIRECTORY)
                return 0;
        fd = walk_open(walked);
        return fd < 0 ? fd : meta_from_fd(fd, &entry->meta);
}

static int copy_entry(Copy *copy, const WalkEntry *walked, const char *path, const vss_value *partial) {
        _cleanup_list_entry_ ListEntry entry = { .kind = walked->kind };
        int r = describe(copy, &entry);

        entry.path = strdup(path);
        if (r < 0 || !entry.path)
                return -ENOMEM;
        if (walked->kind == WALK_FILE)
                r = copy_file(copy, walked, partial, &entry);
        else {
                meta_from_stat(&walked->st, &entry.meta);
                r = read_others(walked, &entry);
                if (r < 0)
                        fail_file(copy, path, "cannot be read: %s", strerror(-r));
        }
        if (r < 0)
                return 0;
        r = list_write(copy->target.list, &entry);
        if (r == -E2BIG) {
                fail_file(copy, path, "what belongs to it is too much for one line of the list");
                return 0;
        }
        copy->n_files++;
        return r;
}

/* ---- all files of a set
 * -------------------------------------------------------------------------------------- */

static const char *error_text(const WalkEntry *walked) {
        switch (walked->error) {
        case -ENOENT:
                return "it is not there, and its name is an exact one";
        case -ELOOP:
                return "a symbolic link lies on the way to it";
        case -EXDEV:
                return "it lies on another volume than the directory above it";
        default:
                return strerror(-walked->error);
        }
}

/* What the plan says of it; whole without one. */
static void decide(const Copy *copy, const WalkEntry *walked, FileDecision *decision) {
        int64_t mtime = walked->st.st_mtim.tv_sec * INT64_C(1000000) + walked->st.st_mtim.tv_nsec / 1000;

        *decision = (FileDecision){ .take = true };
        /* Directories belong to recursive sets as they are. Of what cannot be read the time is not known. */
        if (copy->plan && walked->kind != WALK_DIRECTORY)
                file_plan_decide(copy->plan, copy->job, walked->below,
                                 walked->kind == WALK_ERROR ? INT64_MAX : mtime, decision);
        if (walked->kind == WALK_ERROR && !*walked->below)
                decision->take = true;
}

static int handle_walked(void *userdata, const WalkEntry *walked) {
        Copy *copy = userdata;
        _cleanup_(freep) char *path = NULL;
        FileDecision decision;
        int r;

        if (locate_join(copy->directory, walked->below, &path) < 0) {
                fail_file(copy, walked->path, "its path is too long");
                return 0;
        }
        decide(copy, walked, &decision);
        if (!decision.take) {
                requester_say(copy->requester, "%s: left out: %s", path, decision.reason);
                return 0;
        }
        if (walked->kind == WALK_ERROR) {
                fail_file(copy, path, "%s", error_text(walked));
                return 0;
        }
        if (walked->kind == WALK_MOUNT_POINT)
                requester_say(copy->requester, "%s: a mount point, recorded and not crossed", path);
        r = copy_entry(copy, walked, path, walked->kind == WALK_FILE ? decision.partial : NULL);
        if (r == 0 && walked->kind == WALK_DIRECTORY && copy->plan &&
            file_plan_excludes_directory(copy->plan, copy->job, walked->below))
                return WALK_PRUNE;
        return r;
}

const RequesterVolume *requester_find_volume(const Requester *requester, const char *path,
                                             char **ret_below) {
        const RequesterVolume *found = NULL;
        const char *relative;

        for (size_t i = 0; i < requester->n_volumes; i++) {
                const RequesterVolume *v = &requester->volumes[i];

                if (path_is_below(path, v->target) && (!found || strlen(v->target) > strlen(found->target)))
                        found = v;
        }
        if (!found)
                return NULL;
        relative = path_relative(path, found->target);
        if (asprintf(ret_below, "%s%s%s", found->below, *found->below && *relative ? "/" : "", relative) < 0)
                return NULL;
        return found;
}

typedef enum WalkWhere { FROM_COPY, FROM_COPY_OR_LIVE, FROM_LIVE } WalkWhere;

/* What need not come from the shadow copy is read there all the same, if there is one of its volume; but not
 * what is made while the backup is under way. */
static WalkWhere where_from(const FileJob *job) {
        if (job->kind == FILE_JOB_SET &&
            (vss_value_get_integer(job->entry, "backup-mask", 0) & VSS_FSBT_CREATED_DURING_BACKUP))
                return FROM_LIVE;
        return job->from_snapshot ? FROM_COPY : FROM_COPY_OR_LIVE;
}

static int open_live(const char *path) {
        _cleanup_(closep) int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return root_fd < 0 ? -errno : beneath_open(root_fd, path + 1, O_RDONLY | O_DIRECTORY, 0, 0);
}

static int walk_source(Copy *copy, const char *source, const char *filespec, bool recursive,
                       WalkWhere where) {
        _cleanup_(freep) char *below = NULL;
        const RequesterVolume *volume = requester_find_volume(copy->requester, source, &below);
        _cleanup_(closep) int root_fd = -1;
        WalkSet set = { .filespec = filespec, .recursive = recursive, .directory = "" };
        int r;

        copy->volume = where != FROM_LIVE && volume && volume->mount_fd >= 0 ? volume : NULL;
        if (!copy->volume && where == FROM_COPY) {
                fail_file(copy, source, "its volume has no shadow copy%s%s", volume ? ": " : "",
                          volume ? volume->reason : "");
                return 0;
        }
        if (copy->volume) {
                set.root_fd = volume->mount_fd;
                set.directory = below;
                set.mount_points = (const char *const *)volume->mount_points;
        } else {
                root_fd = open_live(source);
                if (root_fd < 0) {
                        fail_file(copy, source, "cannot be read live: %s", strerror(-root_fd));
                        return 0;
                }
                set.root_fd = root_fd;
        }
        r = walk_files(&set, handle_walked, copy);
        if (r == -E2BIG) {
                fail_file(copy, source, "there are more than %u files below it", WALK_ENTRIES_MAX);
                return 0;
        }
        return r;
}

/* ---- components
 * ---------------------------------------------------------------------------------------------- */

/* Where a job's files are, if it leads where it led when the service judged it. */
static char *find_source(const FileJob *job) {
        bool alternate = strcmp(job->source, job->directory) != 0;

        return locate_judged(job->source,
                             vss_value_get_string(job->entry, alternate ? "alternate-real" : "real", ""));
}

/* The file that holds the ranges of a partial file belongs to the backup, too. */
static int copy_ranges_file(Copy *copy) {
        const char *file = ranges_file(vss_value_get_string(copy->job->entry, "ranges", ""));
        const char *slash = file ? strrchr(file, '/') : NULL;
        _cleanup_(freep) char *directory = NULL, *source = NULL;
        const FilePlan *plan = copy->plan;
        int r;

        if (!slash)
                return 0;
        directory = strndup(file, (size_t)MAX(slash - file, 1));
        source = directory ? locate_resolve(directory) : NULL;
        if (!source) {
                fail_file(copy, file, "it holds the ranges of a partial file, and lies nowhere");
                return 0;
        }
        copy->plan = NULL;
        copy->directory = directory;
        r = walk_source(copy, source, slash + 1, false, FROM_COPY);
        copy->plan = plan;
        return r;
}

static int copy_job(Copy *copy) {
        const FileJob *job = copy->job;
        _cleanup_(freep) char *source = NULL;
        int r;

        if (!job->needed) {
                requester_say(copy->requester, "%s/%s: left out: %s", job->directory, job->filespec,
                              job->reason);
                return 0;
        }
        source = find_source(job);
        if (!source) {
                fail_file(copy, job->source, "it leads elsewhere now than when the service judged it");
                return 0;
        }
        copy->directory = job->directory;
        r = walk_source(copy, source, job->filespec, job->recursive, where_from(job));
        return r == 0 && job->kind == FILE_JOB_PARTIAL ? copy_ranges_file(copy) : r;
}

static const char *from_environment(void *userdata, const char *name) {
        return getenv(name);
}

int requester_plan_files(Requester *requester, const vss_value *writer, FilePlan **ret_plan) {
        const char *name = vss_value_get_string(writer, "name", "");
        const FilePlanRules rules = { .type = (enum vss_backup_type)requester->conf->type,
                                      .partial_file_support = requester->conf->partial_files,
                                      .last_backup_usec = requester->last_backup_usec,
                                      .lookup = from_environment };
        const vss_value *warnings;

        if (file_plan_new(requester_metadata(requester, name), vss_value_get(writer, "components"), &rules,
                          ret_plan) < 0)
                return requester_fail(requester, VSS_E_OUTOFMEMORY, name);
        warnings = file_plan_warnings(*ret_plan);
        for (size_t i = 0; i < vss_value_count(warnings); i++)
                requester_say(requester, "%s: %s", name, vss_value_string(vss_value_at(warnings, i), ""));
        return EXIT_DONE;
}

/* Files that cannot even be looked for. */
static void tell_problems(Copy *copy, const vss_value *component) {
        const char *logical_path = component_logical_path(component), *name = component_name(component);
        const vss_value *problems = file_plan_problems(copy->plan);

        for (size_t i = 0; i < vss_value_count(problems); i++) {
                const vss_value *p = vss_value_at(problems, i);

                if (component_is(p, logical_path, name) || component_is_below(p, logical_path, name))
                        fail_file(copy, vss_value_get_string(p, "path", ""), "%s",
                                  vss_value_get_string(p, "reason", ""));
        }
}

static int begin_copy(Copy *copy, Store *store, const char *component) {
        int r = store_add_component(store, copy->writer, component, &copy->target);

        if (r < 0)
                (void)fprintf(stderr, "vss-test-requester: the store cannot take %s:%s: %s\n", copy->writer,
                              component, strerror(-r));
        return r;
}

static int end_copy(Copy *copy, int r) {
        if (r == 0)
                r = store_component_finish(&copy->target);
        if (r < 0)
                fail_file(copy, copy->target.directory, "the store cannot take it: %s", strerror(-r));
        requester_say(copy->requester, "%s:%s: %zu files, %zu failed", copy->writer, copy->target.component,
                      copy->n_files, copy->n_failed);
        store_component_clear(&copy->target);
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

int requester_copy_component(Requester *requester, Store *store, const FilePlan *plan, const char *writer,
                             const vss_value *component, bool *ret_succeeded) {
        _cleanup_(freep) char *name = full_name(component);
        Copy copy = { .requester = requester, .writer = writer, .plan = plan };
        int status, r;

        *ret_succeeded = false;
        if (!name || begin_copy(&copy, store, name) < 0)
                return EXIT_FAILED;
        r = 0;
        tell_problems(&copy, component);
        for (size_t i = 0; r == 0 && i < file_plan_count(plan); i++) {
                copy.job = file_plan_job(plan, i);
                if (component_is(copy.job->explicit_component, component_logical_path(component),
                                 component_name(component)))
                        r = copy_job(&copy);
        }
        status = end_copy(&copy, r);
        *ret_succeeded = status == EXIT_DONE && copy.n_failed == 0;
        return status;
}

int requester_copy_path(Requester *requester, Store *store, const char *path) {
        Copy copy = { .requester = requester, .writer = "-", .directory = path };
        int r;

        if (begin_copy(&copy, store, path) < 0)
                return EXIT_FAILED;
        r = walk_source(&copy, path, "*", true, FROM_COPY);
        return end_copy(&copy, r);
}
