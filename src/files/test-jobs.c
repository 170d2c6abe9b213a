/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of what a backup has to read: which walks, and what becomes of each file
 */

#include "files/jobs.h"
#include "files/locate.h"
#include "util/test.h"

static vss_value *set_new(const char *path, const char *filespec, bool recursive, const char *alternate,
                          int64_t mask) {
        vss_value *set = vss_value_new_dict();

        (void)vss_value_set_string(set, "path", path);
        (void)vss_value_set_string(set, "filespec", filespec);
        (void)vss_value_set_boolean(set, "recursive", recursive);
        if (alternate)
                (void)vss_value_set_string(set, "alternate-path", alternate);
        if (mask >= 0)
                (void)vss_value_set_integer(set, "backup-mask", mask);
        return set;
}

static vss_value *component_new(const char *logical_path, const char *name, bool selectable) {
        vss_value *c = vss_value_new_dict();

        (void)vss_value_set_string(c, "logical-path", logical_path);
        (void)vss_value_set_string(c, "name", name);
        (void)vss_value_set_boolean(c, "selectable", selectable);
        (void)vss_value_set(c, "files", vss_value_new_list());
        return c;
}

static void add_set(vss_value *component, vss_value *set) {
        (void)vss_value_append(value_get_mutable(component, "files"), set);
}

/* "top" with a set of each kind, "top/sub" that comes with it, "other" that does not. */
static vss_value *metadata_new(void) {
        vss_value *metadata = vss_value_new_dict(),
                  *components = value_require(metadata, "components", VSS_KIND_LIST);
        vss_value *excludes = value_require(metadata, "excludes", VSS_KIND_LIST), *c;

        (void)vss_value_set_integer(metadata, "backup-schema", VSS_BS_INCREMENTAL | VSS_BS_COPY);
        c = component_new("", "top", true);
        add_set(c, set_new("/none/data", "*.db", false, NULL, -1));
        add_set(c, set_new("/none/logs", "*", true, NULL, VSS_FSBT_INCREMENTAL_BACKUP_REQUIRED));
        add_set(c, set_new("/none/live", "dump", false, "/none/copy", VSS_FSBT_FULL_BACKUP_REQUIRED));
        (void)vss_value_append(components, c);
        c = component_new("top", "sub", false);
        add_set(c, set_new("/none/sub", "x", false, NULL, -1));
        (void)vss_value_append(components, c);
        c = component_new("", "other", true);
        add_set(c, set_new("/none/other", "*", false, NULL, -1));
        (void)vss_value_append(components, c);
        (void)vss_value_append(excludes, set_new("/none", "*.tmp", true, NULL, -1));
        (void)vss_value_append(excludes, set_new("/none/copy", "*", true, NULL, -1));
        return metadata;
}

static const FileJob *find_job(const FileJobs *jobs, const char *directory, const char *filespec) {
        for (size_t i = 0; i < jobs->n; i++)
                if (strcmp(jobs->jobs[i].directory, directory) == 0 &&
                    strcmp(jobs->jobs[i].filespec, filespec) == 0)
                        return &jobs->jobs[i];
        return NULL;
}

static vss_value *document_new(void) {
        vss_value *list = vss_value_new_list(), *c = vss_value_new_dict();

        (void)vss_value_set_string(c, "logical-path", "");
        (void)vss_value_set_string(c, "name", "top");
        (void)vss_value_append(list, c);
        return list;
}

static void make(const vss_value *metadata, const vss_value *document, enum vss_backup_type type,
                 FileJobs *jobs) {
        FileJobsInput input = { .metadata = metadata,
                                .component = vss_value_at(document, 0),
                                .explicit_components = document,
                                .type = type,
                                .last_backup_usec = 5000 };
        Why why = { 0 };

        expect_int("jobs", file_jobs_make(&input, jobs, &why), VSS_S_OK);
        if (*why.text)
                printf("# %s\n", why.text);
}

static FileChoice choose(const FileJobs *jobs, const FileJob *job, const char *path, int64_t mtime) {
        const vss_value *partial = NULL;

        return file_jobs_choose(jobs, job, path, mtime, &partial);
}

static void test_masks(void) {
        static const struct {
                const char *label, *directory, *filespec, *path;
                enum vss_backup_type type;
                FileChoice want;
        } rows[] = {
                { "full, a file", "/none/data", "*.db", "/none/data/a.db", VSS_BT_FULL, FILE_WHOLE },
                { "full, of what comes along", "/none/sub", "x", "/none/sub/x", VSS_BT_FULL, FILE_WHOLE },
                { "full, a log", "/none/logs", "*", "/none/logs/1", VSS_BT_FULL, FILE_NOT_NEEDED },
                { "incremental, a log", "/none/logs", "*", "/none/logs/1", VSS_BT_INCREMENTAL, FILE_WHOLE },
                { "incremental, a dump", "/none/live", "dump", "/none/live/dump", VSS_BT_INCREMENTAL,
                  FILE_NOT_NEEDED },
                { "differential, which the writer does not know", "/none/live", "dump", "/none/live/dump",
                  VSS_BT_DIFFERENTIAL, FILE_WHOLE },
                { "copy is as full", "/none/live", "dump", "/none/live/dump", VSS_BT_COPY, FILE_WHOLE },
                { "excluded", "/none/logs", "*", "/none/logs/deep/x.tmp", VSS_BT_INCREMENTAL,
                  FILE_LEFT_OUT },
                { "an exclusion of the alternate path does not count", "/none/live", "dump",
                  "/none/live/dump", VSS_BT_FULL, FILE_WHOLE },
        };
        _cleanup_value_ vss_value *metadata = metadata_new(), *document = document_new();

        FOREACH_ELEMENT (row, rows) {
                _cleanup_file_jobs_ FileJobs jobs = { 0 };
                const FileJob *job;

                make(metadata, document, row->type, &jobs);
                expect_int("as many as there are sets", (int64_t)jobs.n, 4);
                job = find_job(&jobs, row->directory, row->filespec);
                expect_true("the set", job != NULL);
                if (job)
                        expect_int(row->label, choose(&jobs, job, row->path, 1), row->want);
        }
}

static void test_sources(void) {
        _cleanup_value_ vss_value *metadata = metadata_new(), *document = document_new();
        _cleanup_file_jobs_ FileJobs jobs = { 0 };
        const FileJob *job;

        make(metadata, document, VSS_BT_FULL, &jobs);
        job = find_job(&jobs, "/none/live", "dump");
        expect_str("an alternate path is read", job ? job->source : NULL, "/none/copy");
        job = find_job(&jobs, "/none/data", "*.db");
        expect_str("otherwise the path itself", job ? job->source : NULL, "/none/data");
        expect_str("whose it is", job ? job->component : NULL, "top");
        job = find_job(&jobs, "/none/sub", "x");
        expect_str("also of what comes along", job ? job->component : NULL, "top/sub");
        expect_true("what is not part of it is not read", !find_job(&jobs, "/none/other", "*"));
}

static void test_document(void) {
        _cleanup_value_ vss_value *metadata = metadata_new(), *document = document_new();
        vss_value *c = value_at_mutable(document, 0), *entry, *partial, *differenced;
        _cleanup_file_jobs_ FileJobs jobs = { 0 };
        const vss_value *chosen = NULL;
        const FileJob *job;

        partial = value_require(c, "partial-files", VSS_KIND_LIST);
        differenced = value_require(c, "differenced-files", VSS_KIND_LIST);
        entry = set_new("/none/data", "big.db", false, NULL, -1);
        (void)vss_value_set_string(entry, "ranges", "0:5, 10:5");
        (void)vss_value_append(partial, entry);
        entry = set_new("/none/elsewhere", "big", false, NULL, -1);
        (void)vss_value_set_string(entry, "ranges", "File=/none/ranges/of-big");
        (void)vss_value_append(partial, entry);
        entry = set_new("/none/data", "x.tmp", false, NULL, -1);
        (void)vss_value_append(partial, entry);
        entry = set_new("/none/data", "both.db", false, NULL, -1);
        (void)vss_value_append(partial, entry);
        entry = set_new("/none/logs", "*", true, NULL, -1);
        (void)vss_value_append(differenced, entry);
        entry = set_new("/none/new", "*", false, NULL, -1);
        (void)vss_value_set_integer(entry, "modified-after-usec", 9000);
        (void)vss_value_append(differenced, entry);
        entry = set_new("/none/data", "both.db", false, NULL, -1);
        (void)vss_value_append(differenced, entry);

        make(metadata, document, VSS_BT_INCREMENTAL, &jobs);
        job = find_job(&jobs, "/none/data", "*.db");
        expect_int("a partial file", file_jobs_choose(&jobs, job, "/none/data/big.db", 1, &chosen),
                   FILE_PARTIAL);
        expect_str("  its ranges", vss_value_get_string(chosen, "ranges", ""), "0:5, 10:5");
        expect_int("another", choose(&jobs, job, "/none/data/small.db", 1), FILE_WHOLE);
        expect_int("excluded, whatever is said", choose(&jobs, job, "/none/data/x.tmp", 1), FILE_LEFT_OUT);
        expect_int("differenced before partial", choose(&jobs, job, "/none/data/both.db", 5001), FILE_WHOLE);
        expect_int("  and not modified", choose(&jobs, job, "/none/data/both.db", 5000), FILE_NOT_NEEDED);
        job = find_job(&jobs, "/none/logs", "*");
        expect_int("modified since the last backup", choose(&jobs, job, "/none/logs/a/b", 5001), FILE_WHOLE);
        expect_int("not modified, whatever the mask", choose(&jobs, job, "/none/logs/a/b", 4999),
                   FILE_NOT_NEEDED);
        job = find_job(&jobs, "/none/new", "*");
        expect_true("a new set is walked", job != NULL);
        expect_int("by its own time", choose(&jobs, job, "/none/new/x", 9001), FILE_WHOLE);
        expect_int("not the requester's", choose(&jobs, job, "/none/new/x", 8999), FILE_NOT_NEEDED);
        job = find_job(&jobs, "/none/elsewhere", "big");
        expect_true("a partial file of no set is walked", job != NULL);
        expect_int("for its ranges", choose(&jobs, job, "/none/elsewhere/big", 1), FILE_PARTIAL);
        job = find_job(&jobs, "/none/ranges", "of-big");
        expect_true("and so is the file that has them", job != NULL);
        expect_int("as a whole", choose(&jobs, job, "/none/ranges/of-big", 1), FILE_WHOLE);
        expect_true("one of a set is not walked again", !find_job(&jobs, "/none/data", "big.db"));
}

static void test_bad(void) {
        _cleanup_value_ vss_value *metadata = metadata_new(), *document = document_new();
        vss_value *components = value_get_mutable(metadata, "components");
        FileJobsInput input = { .metadata = metadata,
                                .component = vss_value_at(document, 0),
                                .explicit_components = document,
                                .type = VSS_BT_FULL };
        FileJobs jobs = { 0 };
        Why why = { 0 };

        add_set(value_at_mutable(components, 0), set_new("$NO_SUCH_VARIABLE/x", "*", false, NULL, -1));
        expect_int("a variable that is not set", file_jobs_make(&input, &jobs, &why), VSS_E_INVALIDARG);
        expect_true("is named", strstr(why.text, "$NO_SUCH_VARIABLE/x") != NULL);
}

static void test_locate(void) {
        _cleanup_(freep) char *a = NULL, *b = NULL, *c = NULL;
        char **points = NULL;
        bool found = false;

        (void)setenv("TEST_JOBS", "/proc/self", 1);
        a = locate_resolve("/none/../x");
        expect_true("no way up", !a);
        b = locate_resolve("$TEST_JOBS/none/deeper");
        expect_true("variables and links are resolved, the rest stays",
                    b && strncmp(b, "/proc/", 6) == 0 && !strstr(b, "self") && strstr(b, "/none/deeper"));
        c = locate_resolve("/");
        expect_str("the root", c, "/");
        expect_int("mount points", locate_mount_points("/", "a/b", &points), 0);
        for (char **p = points; p && *p; p++)
                found = found || strcmp(*p, "a/b/proc") == 0;
        expect_true("/proc is one", found);
        locate_free(points);
}

int main(void) {
        test_masks();
        test_sources();
        test_document();
        test_bad();
        test_locate();
        return test_end();
}
