/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a backup has to read for one explicit component
 */

#include <string.h>
#include "files/jobs.h"
#include "files/locate.h"
#include "model/component-tree.h"
#include "model/component.h"
#include "model/ranges.h"

static void places_clear(FilePlaces *places) {
        for (size_t i = 0; i < places->n; i++)
                free(places->items[i].directory);
        free(places->items);
        *places = (FilePlaces){ 0 };
}

void file_jobs_clear(FileJobs *jobs) {
        for (size_t i = 0; i < jobs->n; i++) {
                free(jobs->jobs[i].component);
                free(jobs->jobs[i].directory);
                free(jobs->jobs[i].source);
        }
        free(jobs->jobs);
        places_clear(&jobs->excludes);
        places_clear(&jobs->differenced);
        places_clear(&jobs->partial);
        *jobs = (FileJobs){ 0 };
}

static const char *text_of(const vss_value *value, const char *key) {
        return vss_value_get_string(value, key, "");
}

/* The directory that a declared path means, or why there is none. */
static vss_result resolve(const char *path, char **ret_directory, Why *why) {
        *ret_directory = locate_resolve(path);
        return *ret_directory
                       ? VSS_S_OK
                       : why_set(why, VSS_E_INVALIDARG,
                                 "\"%s\" is no directory here: it is not absolute, or a variable in it is "
                                 "not set",
                                 path);
}

/* What the service has judged is taken as it was then: a link that is put there now changes nothing. */
static vss_result resolve_judged(const vss_value *set, const char *key, const char *real_key,
                                 char **ret_directory, Why *why) {
        const char *real = text_of(set, real_key);

        if (!*real)
                return resolve(text_of(set, key), ret_directory, why);
        *ret_directory = strdup(real);
        return *ret_directory ? VSS_S_OK : why_no_memory(why);
}

static vss_result add_places(FilePlaces *places, const vss_value *list, Why *why) {
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *entry = vss_value_at(list, i);
                FilePlace *items;
                char *directory;
                vss_result r;

                if (places->n >= JOBS_MAX)
                        return why_set(why, VSS_E_INVALIDARG, "more than %u exclusions or files", JOBS_MAX);
                items = reallocarray(places->items, places->n + 1, sizeof(*items));
                if (!items)
                        return why_no_memory(why);
                places->items = items;
                r = resolve(text_of(entry, "path"), &directory, why);
                if (r < 0)
                        return r;
                items[places->n++] = (FilePlace){ .directory = directory, .entry = entry };
        }
        return VSS_S_OK;
}

/* The first place that has the file. */
static const FilePlace *find_place(const FilePlaces *places, const char *path) {
        for (size_t i = 0; i < places->n; i++) {
                const FilePlace *place = &places->items[i];

                if (filespec_covers(place->directory, text_of(place->entry, "filespec"),
                                    vss_value_get_boolean(place->entry, "recursive", false), path))
                        return place;
        }
        return NULL;
}

static FileJob *add_job(FileJobs *jobs, const char *logical_path, const char *name) {
        FileJob *grown;

        if (jobs->n >= JOBS_MAX)
                return NULL;
        grown = reallocarray(jobs->jobs, jobs->n + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        jobs->jobs = grown;
        grown[jobs->n] = (FileJob){ 0 };
        if (asprintf(&grown[jobs->n].component, "%s%s%s", logical_path, *logical_path ? "/" : "", name) < 0)
                return NULL;
        return &grown[jobs->n++];
}

static vss_result add_set(FileJobs *jobs, const vss_value *component, const vss_value *set,
                          enum vss_backup_type type, Why *why) {
        FileJob *job = add_job(jobs, component_logical_path(component), component_name(component));
        const char *alternate = text_of(set, "alternate-path");
        uint32_t mask = (uint32_t)vss_value_get_integer(set, "backup-mask", VSS_FSBT_DEFAULT);
        vss_result r;

        if (!job)
                return why_no_memory(why);
        job->set = set;
        job->filespec = text_of(set, "filespec");
        job->recursive = vss_value_get_boolean(set, "recursive", false);
        job->wanted = backup_mask_needs_backup(mask, type);
        job->snapshot = backup_mask_needs_snapshot(mask, type);
        r = resolve_judged(set, "path", "real", &job->directory, why);
        if (r >= 0 && *alternate)
                r = resolve_judged(set, "alternate-path", "alternate-real", &job->source, why);
        else if (r >= 0)
                job->source = strdup(job->directory);
        return r < 0 ? r : job->source ? VSS_S_OK : why_no_memory(why);
}

/* What the writer named in the document, and no file set has. */
static vss_result add_named(FileJobs *jobs, const vss_value *component, const char *path,
                            const char *filespec, bool recursive, Why *why) {
        FileJob *job = add_job(jobs, component_logical_path(component), component_name(component));
        vss_result r;

        if (!job)
                return why_no_memory(why);
        job->filespec = filespec;
        job->recursive = recursive;
        job->snapshot = true;
        r = resolve(path, &job->directory, why);
        if (r < 0)
                return r;
        job->source = strdup(job->directory);
        return job->source ? VSS_S_OK : why_no_memory(why);
}

/* Is there a job that will find this set anyway? */
static bool has_set(const FileJobs *jobs, size_t n_sets, const FilePlace *place) {
        for (size_t i = 0; i < n_sets; i++) {
                const FileJob *job = &jobs->jobs[i];

                if (strcmp(job->directory, place->directory) == 0 &&
                    strcmp(job->filespec, text_of(place->entry, "filespec")) == 0 &&
                    job->recursive == vss_value_get_boolean(place->entry, "recursive", false))
                        return true;
        }
        return false;
}

static bool has_file(const FileJobs *jobs, size_t n_sets, const FilePlace *place) {
        _cleanup_(freep) char *path = NULL;

        if (locate_join(place->directory, text_of(place->entry, "filespec"), &path) < 0)
                return false;
        for (size_t i = 0; i < n_sets; i++)
                if (filespec_covers(jobs->jobs[i].directory, jobs->jobs[i].filespec, jobs->jobs[i].recursive,
                                    path))
                        return true;
        return false;
}

/* The file that holds the ranges of a partial file is saved, too. */
static vss_result add_ranges_file(FileJobs *jobs, const vss_value *component, const vss_value *entry,
                                  Why *why) {
        const char *path = ranges_file(text_of(entry, "ranges")), *slash;
        _cleanup_(freep) char *directory = NULL;
        FileJob *job;
        vss_result r;

        if (!path)
                return VSS_S_OK;
        slash = strrchr(path, '/');
        if (!slash || !slash[1])
                return why_set(why, VSS_E_INVALIDARG, "\"%s\" names no file of ranges", path);
        directory = strndup(path, (size_t)MAX(slash - path, 1));
        if (!directory)
                return why_no_memory(why);
        r = add_named(jobs, component, directory, slash + 1, false, why);
        if (r < 0)
                return r;
        job = &jobs->jobs[jobs->n - 1];
        job->wanted = true;
        return r;
}

static vss_result add_document(FileJobs *jobs, const vss_value *component, Why *why) {
        size_t n_sets = jobs->n;
        vss_result r;

        r = add_places(&jobs->differenced, vss_value_get(component, "differenced-files"), why);
        if (r >= 0)
                r = add_places(&jobs->partial, vss_value_get(component, "partial-files"), why);
        for (size_t i = 0; r >= 0 && i < jobs->differenced.n; i++) {
                const FilePlace *place = &jobs->differenced.items[i];

                if (!has_set(jobs, n_sets, place))
                        r = add_named(jobs, component, text_of(place->entry, "path"),
                                      text_of(place->entry, "filespec"),
                                      vss_value_get_boolean(place->entry, "recursive", false), why);
        }
        for (size_t i = 0; r >= 0 && i < jobs->partial.n; i++) {
                const FilePlace *place = &jobs->partial.items[i];

                if (!has_file(jobs, n_sets, place))
                        r = add_named(jobs, component, text_of(place->entry, "path"),
                                      text_of(place->entry, "filespec"), false, why);
                if (r >= 0)
                        r = add_ranges_file(jobs, component, place->entry, why);
        }
        return r;
}

static vss_result add_sets(FileJobs *jobs, const FileJobsInput *input, enum vss_backup_type type, Why *why) {
        const vss_value *declared = vss_value_get(input->metadata, "components");
        ComponentTree tree = { 0 };
        _cleanup_(freep) ssize_t *owners = NULL;
        vss_result r = VSS_S_OK;
        ssize_t own;

        if (component_tree_init(&tree, declared) < 0)
                return why_no_memory(why);
        if (component_tree_owners_of(&tree, input->explicit_components, &owners) < 0)
                r = why_no_memory(why);
        own = component_tree_find(&tree, component_logical_path(input->component),
                                  component_name(input->component));
        for (size_t i = 0; r >= 0 && own >= 0 && i < tree.n; i++) {
                const vss_value *files = vss_value_get(tree.nodes[i].component, "files");

                for (size_t j = 0; r >= 0 && owners[i] == own && j < vss_value_count(files); j++)
                        r = add_set(jobs, tree.nodes[i].component, vss_value_at(files, j), type, why);
        }
        component_tree_clear(&tree);
        return r;
}

vss_result file_jobs_make(const FileJobsInput *input, FileJobs *ret_jobs, Why *why) {
        _cleanup_file_jobs_ FileJobs jobs = { .last_backup_usec = input->last_backup_usec };
        uint32_t schema = (uint32_t)vss_value_get_integer(input->metadata, "backup-schema", 0);
        vss_result r;

        r = add_sets(&jobs, input, backup_type_of_schema(input->type, schema), why);
        if (r >= 0)
                r = add_document(&jobs, input->component, why);
        if (r >= 0)
                r = add_places(&jobs.excludes, vss_value_get(input->metadata, "excludes"), why);
        if (r < 0)
                return r;
        *ret_jobs = jobs;
        jobs = (FileJobs){ 0 };
        return VSS_S_OK;
}

FileChoice file_jobs_choose(const FileJobs *jobs, const FileJob *job, const char *path, int64_t mtime_usec,
                            const vss_value **ret_partial) {
        const FilePlace *place;

        if (find_place(&jobs->excludes, path))
                return FILE_LEFT_OUT;
        place = find_place(&jobs->differenced, path);
        if (place) {
                int64_t after = vss_value_get_integer(place->entry, "modified-after-usec", 0);

                return mtime_usec > (after ?: jobs->last_backup_usec) ? FILE_WHOLE : FILE_NOT_NEEDED;
        }
        place = find_place(&jobs->partial, path);
        if (place) {
                *ret_partial = place->entry;
                return FILE_PARTIAL;
        }
        return job->wanted ? FILE_WHOLE : FILE_NOT_NEEDED;
}
