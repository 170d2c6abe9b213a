/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The files of a backup
 */

#include <limits.h>
#include <stdint.h>
#include <string.h>
#include "model/component-tree.h"
#include "model/component.h"
#include "model/file-index.h"
#include "model/file-plan.h"
#include "model/path.h"

typedef struct Exclude {
        char *directory;
        const char *filespec;
        bool recursive;
} Exclude;

typedef struct Job {
        FileJob job;
        size_t group;  /* the explicit component it is of */
        size_t number; /* in the order of the metadata and the document */
} Job;

struct FilePlan {
        FilePlanRules rules;
        enum vss_backup_type type; /* as the writer's schema has it */
        Job *jobs;
        size_t n, allocated;
        Exclude *excludes;
        size_t n_excludes;
        FileIndex jobs_at, excludes_at;
        vss_value *problems, *warnings;
};

FilePlan *file_plan_free(FilePlan *plan) {
        if (!plan)
                return NULL;
        for (size_t i = 0; i < plan->n; i++) {
                free(plan->jobs[i].job.source);
                free(plan->jobs[i].job.directory);
        }
        for (size_t i = 0; i < plan->n_excludes; i++)
                free(plan->excludes[i].directory);
        free(plan->jobs);
        free(plan->excludes);
        file_index_clear(&plan->jobs_at);
        file_index_clear(&plan->excludes_at);
        vss_value_free(plan->problems);
        vss_value_free(plan->warnings);
        free(plan);
        return NULL;
}

DEFINE_CLEANUP(FilePlan *, file_plan_free)

/* Jobs */

static int add_problem(FilePlan *plan, const vss_value *component, const char *path, const char *reason) {
        vss_value *problem = vss_value_new_dict();

        (void)vss_value_set_string(problem, "logical-path", component_logical_path(component));
        (void)vss_value_set_string(problem, "name", component_name(component));
        (void)vss_value_set_string(problem, "path", path);
        (void)vss_value_set_string(problem, "reason", reason);
        value_make_utf8(problem);
        return vss_value_append(plan->problems, problem) < 0 ? -ENOMEM : 0;
}

/* Takes what @job holds over, also on failure. */
static int add_job(FilePlan *plan, size_t group, FileJob *job) {
        if (plan->n == plan->allocated) {
                size_t allocated = plan->allocated ? plan->allocated * 2 : 64;
                Job *jobs = reallocarray(plan->jobs, allocated, sizeof(*jobs));

                if (!jobs) {
                        free(job->source);
                        free(job->directory);
                        return -ENOMEM;
                }
                plan->jobs = jobs;
                plan->allocated = allocated;
        }
        plan->jobs[plan->n] = (Job){ .job = *job, .group = group, .number = plan->n };
        plan->n++;
        return 0;
}

/* A problem instead of a job if the paths mean nothing: 1. */
static int expand_paths(FilePlan *plan, const vss_value *component, const char *path, const char *alternate,
                        const char *filespec, FileJob *job) {
        const FilePlanRules *rules = &plan->rules;
        Why why = { "" };
        vss_result result = filespec_check(filespec, &why);

        if (result >= 0)
                result = filespec_expand(path, rules->lookup, rules->userdata, &job->directory, &why);
        if (result >= 0)
                result = filespec_expand(*alternate ? alternate : path, rules->lookup, rules->userdata,
                                         &job->source, &why);
        if (result >= 0)
                return 0;
        free(job->directory);
        job->directory = NULL;
        if (result == VSS_E_OUTOFMEMORY)
                return -ENOMEM;
        return add_problem(plan, component, path, why.text) < 0 ? -ENOMEM : 1;
}

static int add_set(FilePlan *plan, size_t group, const vss_value *component,
                   const vss_value *explicit_component, const vss_value *set) {
        uint32_t mask = (uint32_t)vss_value_get_integer(set, "backup-mask", VSS_FSBT_DEFAULT);
        FileJob job = {
                .kind = FILE_JOB_SET,
                .needed = plan->rules.everything || backup_mask_needs_backup(mask, plan->type),
                .from_snapshot = backup_mask_needs_snapshot(mask, plan->type),
                .may_be_missing = !filespec_is_exact(file_set_filespec(set)),
                .recursive = file_set_is_recursive(set),
                .filespec = file_set_filespec(set),
                .entry = set,
                .component = component,
                .explicit_component = explicit_component,
        };
        int r = expand_paths(plan, component, file_set_path(set),
                             vss_value_get_string(set, "alternate-path", ""), job.filespec, &job);

        if (r != 0)
                return MIN(r, 0);
        job.reason = job.needed ? "It belongs to the component." : "A backup of this type does not need it.";
        return add_job(plan, group, &job);
}

static int add_sets(FilePlan *plan, size_t group, const vss_value *component,
                    const vss_value *explicit_component) {
        const vss_value *files = vss_value_get(component, "files");
        int r = 0;

        for (size_t i = 0; i < vss_value_count(files) && r >= 0; i++)
                r = add_set(plan, group, component, explicit_component, vss_value_at(files, i));
        return r;
}

/* The file set of an explicit component's that is the same as a job, or that covers a path. */
typedef struct Lookup {
        size_t group;
        const FileJob *like;
        const char *path;
        size_t found; /* SIZE_MAX: none */
} Lookup;

static bool find_declared(const void *owner, size_t i, void *userdata) {
        const FilePlan *plan = owner;
        const Job *job = &plan->jobs[i];
        Lookup *lookup = userdata;
        bool fits = lookup->like ? job->job.recursive == lookup->like->recursive &&
                                           strcmp(job->job.filespec, lookup->like->filespec) == 0 &&
                                           strcmp(job->job.directory, lookup->like->directory) == 0
                                 : filespec_covers(job->job.directory, job->job.filespec, job->job.recursive,
                                                   lookup->path);

        /* All are looked at: of several the first that was declared counts. */
        if (job->group == lookup->group && fits)
                lookup->found = MIN(lookup->found, i);
        return false;
}

static int add_differenced(FilePlan *plan, size_t group, const vss_value *explicit_component,
                           const vss_value *entry) {
        int64_t after = vss_value_get_integer(entry, "modified-after-usec", 0);
        FileJob job = {
                .kind = FILE_JOB_DIFFERENCED,
                .needed = true,
                .from_snapshot = true,
                .may_be_missing = true,
                .recursive = file_set_is_recursive(entry),
                .filespec = file_set_filespec(entry),
                .reason = "Of these files those that were modified are taken.",
                .modified_after_usec = plan->rules.everything ? INT64_MIN
                                       : after != 0           ? after
                                                              : plan->rules.last_backup_usec,
                .entry = entry,
                .explicit_component = explicit_component,
        };
        Lookup lookup = { .group = group, .like = &job, .found = SIZE_MAX };
        int r = expand_paths(plan, explicit_component, file_set_path(entry), "", job.filespec, &job);

        if (r != 0)
                return MIN(r, 0);
        file_index_walk(&plan->jobs_at, job.directory, strlen(job.directory), job.filespec, find_declared,
                        plan, &lookup);
        if (lookup.found != SIZE_MAX) {
                FileJob *set = &plan->jobs[lookup.found].job;
                char *source = strdup(set->source);

                free(job.source);
                job.source = source;
                job.component = set->component;
                job.from_snapshot = backup_mask_needs_snapshot(
                        (uint32_t)vss_value_get_integer(set->entry, "backup-mask", VSS_FSBT_DEFAULT),
                        plan->type);
                set->needed = false;
                set->reason = "Of these files only those that were modified are taken.";
                if (!source) {
                        free(job.directory);
                        return -ENOMEM;
                }
        }
        return add_job(plan, group, &job);
}

/* A partial file of a file set with an alternate path is read there, too. */
static int find_source(FilePlan *plan, size_t group, FileJob *job) {
        char path[PATH_MAX];
        Lookup lookup = { .group = group, .path = path, .found = SIZE_MAX };
        const FileJob *set;

        if (snprintf(path, sizeof(path), "%s/%s", strcmp(job->directory, "/") == 0 ? "" : job->directory,
                     job->filespec) >= PATH_MAX)
                return 0;
        file_index_walk(&plan->jobs_at, path, file_index_above(path, strlen(path)), job->filespec,
                        find_declared, plan, &lookup);
        if (lookup.found == SIZE_MAX)
                return 0;
        set = &plan->jobs[lookup.found].job;
        job->component = set->component;
        free(job->source);
        job->source = NULL;
        return path_join(set->source, path_relative(job->directory, set->directory), &job->source);
}

static int add_partial(FilePlan *plan, size_t group, const vss_value *explicit_component,
                       const vss_value *entry) {
        FileJob job = {
                .kind = FILE_JOB_PARTIAL,
                .needed = true,
                .from_snapshot = true,
                .filespec = file_set_filespec(entry),
                .reason = "Ranges of this file are taken.",
                .entry = entry,
                .explicit_component = explicit_component,
        };
        int r;

        if (!filespec_is_exact(job.filespec))
                return add_problem(plan, explicit_component, file_set_path(entry),
                                   "A partial file is one file, not a pattern.");
        r = expand_paths(plan, explicit_component, file_set_path(entry), "", job.filespec, &job);
        if (r != 0)
                return MIN(r, 0);
        r = find_source(plan, group, &job);
        if (r < 0) {
                free(job.source);
                free(job.directory);
                return r;
        }
        return add_job(plan, group, &job);
}

/* What the writer said in this backup. */
static int add_said(FilePlan *plan, size_t group, const vss_value *explicit_component) {
        const vss_value *differenced = vss_value_get(explicit_component, "differenced-files"),
                        *partial = vss_value_get(explicit_component, "partial-files");
        int r = 0;

        for (size_t i = 0; i < vss_value_count(differenced) && r >= 0; i++)
                r = add_differenced(plan, group, explicit_component, vss_value_at(differenced, i));
        if (vss_value_count(partial) > 0 && !plan->rules.partial_file_support)
                return r < 0 || value_append_string(
                                        plan->warnings,
                                        "There are partial files though the requester takes whole "
                                        "ones only; they are not used.") < 0
                               ? -ENOMEM
                               : 0;
        for (size_t i = 0; i < vss_value_count(partial) && r >= 0; i++)
                r = add_partial(plan, group, explicit_component, vss_value_at(partial, i));
        return r;
}

static int index_jobs(FilePlan *plan, bool all) {
        FileIndex *index = &plan->jobs_at;

        file_index_clear(index);
        if (file_index_init(index, plan->n) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < plan->n; i++)
                if (all || plan->jobs[i].job.needed)
                        file_index_add(index, plan->jobs[i].job.directory, plan->jobs[i].job.filespec, i);
        file_index_sort(index);
        return 0;
}

static int add_selected(FilePlan *plan, const ComponentTree *tree, const vss_value *components) {
        _cleanup_(freep) ssize_t *owners = NULL;
        int r = component_tree_owners_of(tree, components, &owners);

        for (size_t i = 0; i < vss_value_count(components) && r >= 0; i++) {
                const vss_value *component = vss_value_at(components, i);
                ssize_t owner = component_tree_find(tree, component_logical_path(component),
                                                    component_name(component));

                if (owner < 0)
                        r = add_problem(plan, component, "",
                                        "Its writer does not have this component any more.");
                for (size_t j = 0; j < tree->n && owner >= 0 && r >= 0; j++)
                        if (owners[j] == owner)
                                r = add_sets(plan, i, tree->nodes[j].component, component);
        }
        if (r >= 0)
                r = index_jobs(plan, true);
        for (size_t i = 0; i < vss_value_count(components) && r >= 0; i++)
                r = add_said(plan, i, vss_value_at(components, i));
        return r;
}

static int add_all(FilePlan *plan, const ComponentTree *tree) {
        int r = 0;

        for (size_t i = 0; i < tree->n && r >= 0; i++)
                r = add_sets(plan, i, tree->nodes[i].component, tree->nodes[i].component);
        return r;
}

/* Takes @directory over. */
static void add_exclude(FilePlan *plan, char *directory, const vss_value *entry) {
        plan->excludes[plan->n_excludes] = (Exclude){ .directory = directory,
                                                      .filespec = file_set_filespec(entry),
                                                      .recursive = file_set_is_recursive(entry) };
        file_index_add(&plan->excludes_at, directory, file_set_filespec(entry), plan->n_excludes++);
}

/* Its own name for the directory, and the one that it has without links. */
static int add_excludes(FilePlan *plan, const vss_value *list) {
        size_t n = vss_value_count(list);

        plan->excludes = calloc(2 * n + 1, sizeof(*plan->excludes));
        if (!plan->excludes || file_index_init(&plan->excludes_at, 2 * n) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const vss_value *entry = vss_value_at(list, i);
                char *directory = NULL, *real;
                Why why = { "" };
                vss_result result = filespec_expand(file_set_path(entry), plan->rules.lookup,
                                                    plan->rules.userdata, &directory, &why);

                if (result == VSS_E_OUTOFMEMORY)
                        return -ENOMEM;
                if (result < 0) {
                        if (value_append_string(plan->warnings, why.text) < 0)
                                return -ENOMEM;
                        continue;
                }
                add_exclude(plan, directory, entry);
                real = plan->rules.resolve ? plan->rules.resolve(directory) : NULL;
                if (real && strcmp(real, directory) != 0)
                        add_exclude(plan, real, entry);
                else
                        free(real);
        }
        file_index_sort(&plan->excludes_at);
        return 0;
}

/* In the order of components; in each what its writer said before what it declared. */
static int compare_jobs(const void *a, const void *b) {
        const Job *ja = a, *jb = b;

        if (ja->group != jb->group)
                return ja->group < jb->group ? -1 : 1;
        if (ja->job.kind != jb->job.kind)
                return ja->job.kind < jb->job.kind ? -1 : 1;
        return (ja->number > jb->number) - (ja->number < jb->number);
}

/* A file set that is there twice is needed once. Those of the same directory and pattern stand together. */
static void drop_twins(FilePlan *plan) {
        bool seen[FILE_JOB_SET + 1][2] = { 0 };

        for (size_t i = 0; i < plan->jobs_at.n; i++) {
                const FileIndexEntry *entry = &plan->jobs_at.entries[i];
                FileJob *job = &plan->jobs[entry->number].job;

                if (i > 0 && (strcmp(entry[-1].directory, entry->directory) != 0 ||
                              strcmp(entry[-1].filespec, entry->filespec) != 0))
                        memset(seen, 0, sizeof(seen));
                if (seen[job->kind][job->recursive]) {
                        job->needed = false;
                        job->reason = "The same files are there already.";
                }
                seen[job->kind][job->recursive] = true;
        }
}

/* A file that is both is a mistake of its writer. */
static int warn_of_both(FilePlan *plan) {
        for (size_t i = 0; i < plan->n; i++) {
                const FileJob *job = &plan->jobs[i].job;
                FileDecision decision;

                if (job->kind != FILE_JOB_PARTIAL || !job->needed)
                        continue;
                file_plan_decide(plan, job, job->filespec, INT64_MAX, &decision);
                if (!decision.take && value_append_string(plan->warnings, decision.reason) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int file_plan_new(const vss_value *metadata, const vss_value *components, const FilePlanRules *rules,
                  FilePlan **ret_plan) {
        _cleanup_(file_plan_freep) FilePlan *plan = calloc(1, sizeof(*plan));
        _cleanup_(component_tree_clear) ComponentTree tree = { 0 };
        int r;

        if (!plan || component_tree_init(&tree, vss_value_get(metadata, "components")) < 0)
                return -ENOMEM;
        plan->rules = *rules;
        plan->type = backup_type_of_schema(rules->type,
                                           (uint32_t)vss_value_get_integer(metadata, "backup-schema", 0));
        plan->rules.everything &= plan->type != VSS_BT_LOG;
        plan->problems = vss_value_new_list();
        plan->warnings = vss_value_new_list();
        if (!plan->problems || !plan->warnings)
                return -ENOMEM;
        r = add_excludes(plan, vss_value_get(metadata, "excludes"));
        if (r >= 0)
                r = components ? add_selected(plan, &tree, components) : add_all(plan, &tree);
        if (r < 0)
                return r;
        if (plan->n > 0)
                qsort(plan->jobs, plan->n, sizeof(*plan->jobs), compare_jobs);
        r = index_jobs(plan, false);
        if (r < 0)
                return r;
        drop_twins(plan);
        r = warn_of_both(plan);
        if (r < 0)
                return r;
        *ret_plan = TAKE_PTR(plan);
        return 0;
}

size_t file_plan_count(const FilePlan *plan) {
        return plan->n;
}

const FileJob *file_plan_job(const FilePlan *plan, size_t index) {
        return index < plan->n ? &plan->jobs[index].job : NULL;
}

const vss_value *file_plan_problems(const FilePlan *plan) {
        return plan->problems;
}

const vss_value *file_plan_warnings(const FilePlan *plan) {
        return plan->warnings;
}

/* Decisions */

typedef struct Search {
        const char *path;
        const Exclude *exclude;
        const FileJob *job;
} Search;

static bool find_exclude(const void *owner, size_t i, void *userdata) {
        const FilePlan *plan = owner;
        const Exclude *exclude = &plan->excludes[i];
        Search *search = userdata;

        if (!filespec_covers(exclude->directory, exclude->filespec, exclude->recursive, search->path))
                return false;
        search->exclude = exclude;
        return true;
}

static bool find_exclude_of_all(const void *owner, size_t i, void *userdata) {
        const FilePlan *plan = owner;
        const Exclude *exclude = &plan->excludes[i];
        Search *search = userdata;

        if (!filespec_covers_all(exclude->directory, exclude->filespec, exclude->recursive, search->path))
                return false;
        search->exclude = exclude;
        return true;
}

/* The best job for the file; all have to be looked at. */
static bool find_job(const void *owner, size_t i, void *userdata) {
        const FilePlan *plan = owner;
        const FileJob *job = &plan->jobs[i].job;
        Search *search = userdata;

        if (job->needed && filespec_covers(job->directory, job->filespec, job->recursive, search->path) &&
            (!search->job || job->kind < search->job->kind ||
             (job->kind == search->job->kind && job < search->job)))
                search->job = job;
        return false;
}

static void search_above(const FilePlan *plan, const FileIndex *index, Search *search, FileIndexEach each) {
        const char *name = strrchr(search->path, '/');

        file_index_walk(index, search->path, file_index_above(search->path, strlen(search->path)),
                        name ? name + 1 : "", each, plan, search);
}

static bool default_path(const FileJob *job, const char *below, char *buffer) {
        return snprintf(buffer, PATH_MAX, "%s%s%s", strcmp(job->directory, "/") == 0 ? "" : job->directory,
                        *below ? "/" : "", below) < PATH_MAX;
}

void file_plan_decide(const FilePlan *plan, const FileJob *job, const char *below, int64_t modified_usec,
                      FileDecision *ret_decision) {
        char path[PATH_MAX];
        Search search = { .path = path };
        const Exclude *exclude;
        const FileJob *taker;

        *ret_decision = (FileDecision){ .take = false };
#define BECAUSE(...) (void)snprintf(ret_decision->reason, sizeof(ret_decision->reason), __VA_ARGS__)
        if (!job->needed) {
                BECAUSE("%s", job->reason);
                return;
        }
        if (!default_path(job, below, path)) {
                BECAUSE("Its path is longer than %d bytes.", PATH_MAX - 1);
                return;
        }
        search_above(plan, &plan->excludes_at, &search, find_exclude);
        exclude = search.exclude;
        if (exclude) {
                BECAUSE("Its writer excludes \"%.60s\" in \"%.200s\".", exclude->filespec,
                        exclude->directory);
                return;
        }
        search_above(plan, &plan->jobs_at, &search, find_job);
        taker = search.job;
        if (taker != job) {
                BECAUSE("It is %s \"%.60s\" in \"%.180s\".",
                        !taker                                ? "not of the file set"
                        : taker->kind == FILE_JOB_DIFFERENCED ? "one of the differenced files"
                        : taker->kind == FILE_JOB_PARTIAL     ? "the partial file"
                                                              : "of another file set, too, and taken with",
                        taker ? taker->filespec : job->filespec, taker ? taker->directory : job->directory);
                return;
        }
        if (job->kind == FILE_JOB_DIFFERENCED && modified_usec <= job->modified_after_usec) {
                BECAUSE("It was not modified since the backup that this one builds on.");
                return;
        }
        ret_decision->take = true;
        if (job->kind != FILE_JOB_PARTIAL)
                return;
        ret_decision->partial = job->entry;
        BECAUSE("Its writer needs only ranges of it.");
#undef BECAUSE
}

bool file_plan_excludes(const FilePlan *plan, const char *path, bool is_directory) {
        Search search = { .path = path };

        if (plan->n_excludes == 0)
                return false;
        if (is_directory)
                file_index_walk(&plan->excludes_at, path, strlen(path), NULL, find_exclude_of_all, plan,
                                &search);
        else
                search_above(plan, &plan->excludes_at, &search, find_exclude);
        return search.exclude;
}

bool file_plan_excludes_directory(const FilePlan *plan, const FileJob *job, const char *below) {
        char path[PATH_MAX];
        Search search = { .path = path };

        if (!default_path(job, below, path))
                return false;
        if (!*path)
                (void)snprintf(path, sizeof(path), "/");
        file_index_walk(&plan->excludes_at, path, strlen(path), NULL, find_exclude_of_all, plan, &search);
        return search.exclude;
}
