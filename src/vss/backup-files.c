/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The files of a backup's components
 *
 * What belongs to a component is the model's to say (file-plan.h); what of that there is, is found by
 * walking the shadow copies where they are seen.
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "files/beneath.h"
#include "files/locate.h"
#include "files/walk.h"
#include "model/component.h"
#include "model/path.h"
#include "model/ranges.h"
#include "vss/backup-files-internal.h"

#define RECORDS_MAX 64000000u

const char *files_writer_name(const BackupFiles *files, size_t plan) {
        return vss_value_get_string(files->writers[plan].metadata, "name", "");
}

void files_fail_owner(FileOwner *owner, const char *path, const char *why) {
        owner->n_failed++;
        if (!owner->reason && asprintf(&owner->reason, "%s: %s", path, why) < 0)
                owner->reason = NULL;
}

FileOwner *files_find_owner(BackupFiles *files, size_t plan, const vss_value *component) {
        for (size_t i = 0; i < files->n_owners; i++) {
                FileOwner *owner = &files->owners[i];

                if (owner->plan == plan && component_is(owner->component, component_logical_path(component),
                                                        component_name(component)))
                        return owner;
        }
        return NULL;
}

BackupFiles *backup_files_free(BackupFiles *files) {
        if (!files)
                return NULL;
        for (size_t i = 0; i < files->n_records; i++) {
                free(files->records[i].path);
                free(files->records[i].source);
        }
        for (size_t i = 0; i < files->n_owners; i++)
                free(files->owners[i].reason);
        for (size_t i = 0; i < files->n_writers; i++)
                files->writers[i].plan = file_plan_free(files->writers[i].plan);
        closep(&files->live_fd);
        closep(&files->here_fd);
        free(files->devices);
        free(files->records);
        free(files->owners);
        free(files->writers);
        free(files);
        return NULL;
}

DEFINE_CLEANUP(BackupFiles *, backup_files_free)

/* ---- one job's files ---- */

typedef struct Search {
        BackupFiles *files;
        size_t plan;
        const FileJob *job;
        FileOwner *owner;
        const char *directory, *source; /* where what is found belongs, and where it is read */
        bool live, everything;
} Search;

/* Takes what @record holds over, also on failure. */
static int add_record(BackupFiles *files, const FileRecord *record) {
        if (files->n_records == files->allocated) {
                size_t allocated = files->allocated * 2 + 64;
                FileRecord *records = allocated < RECORDS_MAX
                                              ? reallocarray(files->records, allocated, sizeof(*records))
                                              : NULL;

                if (!records) {
                        free(record->path);
                        free(record->source);
                        return -ENOMEM;
                }
                files->records = records;
                files->allocated = allocated;
        }
        files->records[files->n_records++] = *record;
        return 0;
}

static int keep_found(Search *search, const WalkEntry *walked, const vss_value *partial) {
        FileRecord record = {
                .live = search->live,
                .beside = search->everything,
                .is_directory = walked->kind == WALK_DIRECTORY || walked->kind == WALK_MOUNT_POINT,
                .is_mount_point = walked->kind == WALK_MOUNT_POINT,
                .plan = search->plan,
                .job = search->job,
                .partial = partial,
        };
        int r = locate_join(search->directory, walked->below, &record.path);

        if (r == 0 && (search->live || strcmp(search->directory, search->source) != 0))
                r = locate_join(search->source, walked->below, &record.source);
        if (r < 0) {
                free(record.path);
                if (r == -ENOMEM)
                        return r;
                files_fail_owner(search->owner, walked->path, "its path is too long");
                return 0;
        }
        if (!record.is_directory)
                search->owner->n_files++;
        return add_record(search->files, &record);
}

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

/* What the plan says of it. */
static void decide(const Search *search, const WalkEntry *walked, FileDecision *decision) {
        int64_t mtime = walked->st.st_mtim.tv_sec * INT64_C(1000000) + walked->st.st_mtim.tv_nsec / 1000;

        *decision = (FileDecision){ .take = true };
        if (search->everything || walked->kind == WALK_DIRECTORY ||
            (walked->kind == WALK_ERROR && !*walked->below))
                return;
        file_plan_decide(search->files->writers[search->plan].plan, search->job, walked->below,
                         walked->kind == WALK_ERROR ? INT64_MAX : mtime, decision);
}

/* By the name that it has without links. */
static bool is_excluded(const Search *search, const WalkEntry *walked) {
        const FilePlan *plan = search->files->writers[search->plan].plan;
        _cleanup_(freep) char *path = NULL;

        return !search->everything && walked->kind != WALK_DIRECTORY &&
               locate_join(search->directory, walked->below, &path) == 0 &&
               file_plan_excludes(plan, path, false);
}

static int handle_walked(void *userdata, const WalkEntry *walked) {
        Search *search = userdata;
        const FilePlan *plan = search->files->writers[search->plan].plan;
        FileDecision decision;
        int r;

        decide(search, walked, &decision);
        if (!decision.take || is_excluded(search, walked))
                return 0;
        if (walked->kind == WALK_ERROR) {
                _cleanup_(freep) char *path = NULL;

                (void)locate_join(search->source, walked->below, &path);
                files_fail_owner(search->owner, path ?: search->source, error_text(walked));
                return 0;
        }
        if (walked->kind == WALK_SPECIAL && S_ISSOCK(walked->st.st_mode))
                return 0;
        r = keep_found(search, walked, walked->kind == WALK_FILE ? decision.partial : NULL);
        if (r == 0 && walked->kind == WALK_DIRECTORY && !search->everything &&
            file_plan_excludes_directory(plan, search->job, walked->below))
                return WALK_PRUNE;
        return r;
}

static bool is_copied(const BackupFiles *files, int fd) {
        struct stat st;

        if (files->as_they_are)
                return true;
        if (fstat(fd, &st) < 0)
                return false;
        for (size_t i = 0; i < files->n_devices; i++)
                if (files->devices[i] == st.st_dev)
                        return true;
        return false;
}

static int walk_source(Search *search, const char *filespec, bool recursive, bool must_be_copied) {
        int root = search->live ? search->files->live_fd : search->files->here_fd;
        WalkSet set = { .directory = "", .filespec = filespec, .recursive = recursive };
        _cleanup_(closep) int fd = beneath_open(root, search->source + 1,
                                                O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0, 0);
        int r;

        if (fd == -ENOENT && strpbrk(filespec, "*?"))
                return 0;
        if (fd < 0) {
                files_fail_owner(search->owner, search->source, strerror(-fd));
                return 0;
        }
        if (must_be_copied && !is_copied(search->files, fd)) {
                files_fail_owner(search->owner, search->source, "its volume has no shadow copy");
                return 0;
        }
        set.root_fd = fd;
        r = walk_files(&set, handle_walked, search);
        if (r == -E2BIG) {
                files_fail_owner(search->owner, search->source, "there are too many files below it");
                return 0;
        }
        return r;
}

/* The file that holds the ranges of a partial file belongs to the backup, too. */
static int take_ranges_file(Search *search) {
        const char *file = ranges_file(vss_value_get_string(search->job->entry, "ranges", ""));
        const char *slash = file ? strrchr(file, '/') : NULL;
        _cleanup_(freep) char *directory = NULL, *source = NULL;
        Search own = *search;

        if (!slash)
                return 0;
        directory = strndup(file, (size_t)MAX(slash - file, 1));
        source = directory ? locate_resolve(directory) : NULL;
        if (!source) {
                files_fail_owner(search->owner, file,
                                 "it holds the ranges of a partial file, and lies nowhere");
                return 0;
        }
        own.everything = true;
        own.directory = own.source = source;
        return walk_source(&own, slash + 1, false, true);
}

static bool is_made_meanwhile(const FileJob *job) {
        return job->kind == FILE_JOB_SET &&
               (vss_value_get_integer(job->entry, "backup-mask", 0) & VSS_FSBT_CREATED_DURING_BACKUP);
}

static int do_job(BackupFiles *files, size_t plan, const FileJob *job) {
        bool alternate = strcmp(job->source, job->directory) != 0;
        _cleanup_(freep) char *source = locate_judged(
                job->source, vss_value_get_string(job->entry, alternate ? "alternate-real" : "real", ""));
        _cleanup_(freep) char *directory = alternate ? locate_resolve(job->directory) : NULL;
        Search search = {
                .files = files,
                .plan = plan,
                .job = job,
                .owner = files_find_owner(files, plan, job->explicit_component),
                .directory = directory ?: source,
                .source = source,
                .live = is_made_meanwhile(job),
        };
        int r;

        if (!job->needed || !search.owner)
                return 0;
        if (!source || (alternate && !directory)) {
                files_fail_owner(search.owner, job->source,
                                 "it leads elsewhere now than when the service judged it");
                return 0;
        }
        r = walk_source(&search, job->filespec, job->recursive, job->from_snapshot && !search.live);
        return r == 0 && job->kind == FILE_JOB_PARTIAL ? take_ranges_file(&search) : r;
}

/* ---- writers ---- */

static const char *from_environment(void *userdata, const char *name) {
        return getenv(name);
}

static const vss_value *find_writer(const vss_value *list, const char *name) {
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(vss_value_get_string(vss_value_at(list, i), "name", ""), name) == 0)
                        return vss_value_at(list, i);
        return NULL;
}

/* Files that cannot even be looked for. */
static void take_problems(BackupFiles *files, size_t plan) {
        const vss_value *problems = file_plan_problems(files->writers[plan].plan);

        for (size_t i = 0; i < vss_value_count(problems); i++) {
                const vss_value *p = vss_value_at(problems, i);
                const char *path = component_logical_path(p), *name = component_name(p);

                for (size_t j = 0; j < files->n_owners; j++) {
                        FileOwner *owner = &files->owners[j];

                        if (owner->plan == plan &&
                            (component_is(owner->component, path, name) ||
                             component_is_below(p, component_logical_path(owner->component),
                                                component_name(owner->component))))
                                files_fail_owner(owner, vss_value_get_string(p, "path", ""),
                                                 vss_value_get_string(p, "reason", ""));
                }
        }
}

static int add_owners(BackupFiles *files, size_t plan, const vss_value *components) {
        size_t n = vss_value_count(components);
        FileOwner *owners = reallocarray(files->owners, files->n_owners + n + 1, sizeof(*owners));

        if (!owners)
                return -ENOMEM;
        files->owners = owners;
        for (size_t i = 0; i < n; i++)
                owners[files->n_owners++] = (FileOwner){ .plan = plan,
                                                         .component = vss_value_at(components, i) };
        return 0;
}

/* Does everything that the job reads lie below what was asked for? */
static bool is_asked(const vss_value *paths, const FileJob *job) {
        _cleanup_(freep) char *source = locate_resolve(job->source);

        for (size_t i = 0; source && i < vss_value_count(paths); i++)
                if (path_is_below(source, vss_value_string(vss_value_at(paths, i), "")))
                        return true;
        return false;
}

/* Of whole volumes: components that are not wholly in the backup are not judged. */
static void find_partial(BackupFiles *files, size_t plan, const vss_value *paths) {
        const FilePlan *p = files->writers[plan].plan;

        for (size_t i = 0; i < file_plan_count(p); i++) {
                const FileJob *job = file_plan_job(p, i);
                FileOwner *owner = files_find_owner(files, plan, job->explicit_component);

                if (owner && !owner->partial && !is_asked(paths, job))
                        owner->partial = true;
        }
}

static int add_writer(BackupFiles *files, const vss_value *order, const vss_value *metadata) {
        const vss_value *chosen = vss_value_get(order, "components"), *writer, *components;
        const FilePlanRules rules = {
                .type = (enum vss_backup_type)vss_value_get_integer(order, "type", VSS_BT_COPY),
                .partial_file_support = true,
                .everything = true,
                .lookup = from_environment,
                .resolve = locate_resolve,
        };
        size_t plan = files->n_writers;
        int r;

        writer = find_writer(chosen, vss_value_get_string(metadata, "name", ""));
        if (files->chosen && !writer)
                return 0;
        components = vss_value_get(files->chosen ? writer : metadata, "components");
        files->writers[plan].metadata = metadata;
        r = file_plan_new(metadata, files->chosen ? components : NULL, &rules, &files->writers[plan].plan);
        if (r < 0)
                return r;
        files->n_writers++;
        r = add_owners(files, plan, components);
        if (r == 0)
                take_problems(files, plan);
        if (r == 0 && !files->chosen)
                find_partial(files, plan, vss_value_get(order, "paths"));
        for (size_t i = 0; r == 0 && files->chosen && i < file_plan_count(files->writers[plan].plan); i++)
                r = do_job(files, plan, file_plan_job(files->writers[plan].plan, i));
        return r;
}

static int list_devices(BackupFiles *files, const vss_value *list) {
        files->devices = calloc(vss_value_count(list) + 1, sizeof(*files->devices));
        if (!files->devices)
                return -ENOMEM;
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *entry = vss_value_at(list, i);
                struct stat st;

                if (vss_value_get_boolean(entry, "copied", false) &&
                    lstat(vss_value_get_string(entry, "path", ""), &st) == 0)
                        files->devices[files->n_devices++] = st.st_dev;
        }
        return 0;
}

static int compare_records(const void *a, const void *b) {
        const FileRecord *x = a, *y = b;
        int r = strcmp(x->path, y->path);

        return r ?: (x->job > y->job) - (x->job < y->job);
}

int backup_files_new(const vss_value *order, int live_root, BackupFiles **ret_files) {
        const vss_value *writers = vss_value_get(order, "writers");
        _cleanup_(backup_files_freep) BackupFiles *files = calloc(1, sizeof(*files));
        int r;

        if (!files)
                return -ENOMEM;
        files->chosen = vss_value_get(order, "components");
        files->as_they_are = !vss_value_get(order, "devices");
        files->live_fd = fcntl(live_root, F_DUPFD_CLOEXEC, 3);
        files->here_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        files->writers = calloc(vss_value_count(writers) + 1, sizeof(*files->writers));
        r = files->writers ? list_devices(files, vss_value_get(order, "devices")) : -ENOMEM;
        for (size_t i = 0; r == 0 && i < vss_value_count(writers); i++)
                r = add_writer(files, order, vss_value_at(writers, i));
        if (r < 0)
                return r;
        if (files->n_records > 0)
                qsort(files->records, files->n_records, sizeof(*files->records), compare_records);
        *ret_files = TAKE_PTR(files);
        return 0;
}

size_t backup_files_count(const BackupFiles *files) {
        return files->n_records;
}

void backup_files_path(const BackupFiles *files, size_t index, ArchivePath *ret_path) {
        const FileRecord *record = &files->records[index];

        *ret_path = (ArchivePath){
                .path = record->path,
                .shallow = record->is_directory,
                .mount_point = record->is_mount_point,
                .source = record->source ? record->source + 1 : NULL,
                .source_fd = record->live ? files->live_fd : files->here_fd,
        };
}
