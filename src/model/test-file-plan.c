/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The files of a backup: which jobs there are, and which file each takes
 */

#include "model/component.h"
#include "model/file-plan.h"
#include "util/clock.h"
#include "util/test.h"

#define MANY 20000u

typedef struct Fixture {
        vss_value *metadata, *components;
        FilePlanRules rules;
        FilePlan *plan;
} Fixture;

static vss_value *add_dict(vss_value *dict, const char *list) {
        (void)vss_value_append(value_require(dict, list, VSS_KIND_LIST), vss_value_new_dict());
        return value_at_mutable(value_get_mutable(dict, list),
                                vss_value_count(vss_value_get(dict, list)) - 1);
}

static vss_value *declare(Fixture *f, const char *path, const char *name, bool selectable) {
        vss_value *component = add_dict(f->metadata, "components");

        (void)vss_value_set_string(component, "logical-path", path);
        (void)vss_value_set_string(component, "name", name);
        (void)vss_value_set_boolean(component, "selectable", selectable);
        return component;
}

static vss_value *choose(Fixture *f, const char *path, const char *name) {
        vss_value *component = vss_value_new_dict();

        (void)vss_value_set_string(component, "logical-path", path);
        (void)vss_value_set_string(component, "name", name);
        (void)vss_value_append(f->components, component);
        return component;
}

static vss_value *add_set(vss_value *dict, const char *list, const char *path, const char *filespec,
                          bool recursive) {
        vss_value *set = add_dict(dict, list);

        (void)vss_value_set_string(set, "path", path);
        (void)vss_value_set_string(set, "filespec", filespec);
        (void)vss_value_set_boolean(set, "recursive", recursive);
        return set;
}

static void fixture_init(Fixture *f) {
        *f = (Fixture){ .metadata = vss_value_new_dict(),
                        .components = vss_value_new_list(),
                        .rules = { .type = VSS_BT_COPY, .partial_file_support = true } };
}

static void fixture_clear(Fixture *f) {
        vss_value_free(f->metadata);
        vss_value_free(f->components);
        file_plan_free(f->plan);
}

static void make_plan(Fixture *f) {
        file_plan_free(f->plan);
        f->plan = NULL;
        expect_int("a plan", file_plan_new(f->metadata, f->components, &f->rules, &f->plan), 0);
}

/* All jobs as text: kind, source, default directory, filespec, and what is special. */
static const char *told(const Fixture *f) {
        static char text[4096];
        size_t used = 0;

        text[0] = '\0';
        for (size_t i = 0; i < file_plan_count(f->plan) && used < sizeof(text); i++) {
                const FileJob *job = file_plan_job(f->plan, i);
                const char *kind = job->kind == FILE_JOB_SET       ? ""
                                   : job->kind == FILE_JOB_PARTIAL ? "partial "
                                                                   : "differenced ";

                used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s>%s %s%s%s%s",
                                         i > 0 ? "; " : "", kind, job->source, job->directory, job->filespec,
                                         job->recursive ? " r" : "", job->needed ? "" : " no",
                                         job->from_snapshot ? "" : " live");
        }
        return text;
}

/* Which job takes a file by its default path: "0", "1", ..., or why none. */
static const char *taken(const Fixture *f, const char *path, int64_t modified) {
        static char text[400];

        (void)snprintf(text, sizeof(text), "nobody");
        for (size_t i = 0; i < file_plan_count(f->plan); i++) {
                const FileJob *job = file_plan_job(f->plan, i);
                size_t n = strlen(job->directory);
                FileDecision decision;

                if (strncmp(path, job->directory, n) != 0)
                        continue;
                file_plan_decide(f->plan, job, path + n + (path[n] == '/'), modified, &decision);
                if (decision.take) {
                        (void)snprintf(text, sizeof(text), "%zu%s", i, decision.partial ? " ranges" : "");
                        return text;
                }
                if (!strstr(decision.reason, "not of the file set"))
                        (void)snprintf(text, sizeof(text), "%s", decision.reason);
        }
        return text;
}

static void test_order(void) {
        vss_value *first, *second;
        Fixture f;

        fixture_init(&f);
        (void)add_set(declare(&f, "", "a", true), "files", "/srv/a", "*", true);
        (void)add_set(declare(&f, "a", "low", false), "files", "/srv/low", "*.db", false);
        (void)add_set(declare(&f, "", "b", true), "files", "/srv/b", "one", false);
        (void)add_set(declare(&f, "", "other", true), "files", "/srv/other", "*", false);
        second = choose(&f, "", "b");
        first = choose(&f, "", "a");
        (void)add_set(first, "partial-files", "/srv/a/x", "big", false);
        (void)add_set(first, "differenced-files", "/srv/new", "*", false);
        (void)add_set(second, "partial-files", "/srv/b", "two", false);
        make_plan(&f);
        expect_str("component by component, what was said first", told(&f),
                   "partial /srv/b>/srv/b two; /srv/b>/srv/b one; differenced /srv/new>/srv/new *; "
                   "partial /srv/a/x>/srv/a/x big; /srv/a>/srv/a * r; /srv/low>/srv/low *.db");
        expect_str("whose", component_name(file_plan_job(f.plan, 5)->component), "low");
        expect_str("with whom", component_name(file_plan_job(f.plan, 5)->explicit_component), "a");
        expect_true("an exact name must be there", !file_plan_job(f.plan, 1)->may_be_missing);
        expect_true("a pattern need not", file_plan_job(f.plan, 5)->may_be_missing);
        expect_true("past the end", !file_plan_job(f.plan, 6));
        expect_str("a file", taken(&f, "/srv/a/y", 0), "4");
        expect_str("the partial one", taken(&f, "/srv/a/x/big", 0), "3 ranges");
        expect_str("of its name elsewhere", taken(&f, "/srv/a/big", 0), "4");
        expect_str("one that nobody has", taken(&f, "/srv/low/x.txt", 0), "nobody");
        vss_value_free(f.components);
        f.components = NULL;
        make_plan(&f);
        expect_str("without a selection", told(&f),
                   "/srv/a>/srv/a * r; /srv/low>/srv/low *.db; /srv/b>/srv/b one; /srv/other>/srv/other *");
        fixture_clear(&f);
}

static void test_excludes(void) {
        Fixture f;
        const FileJob *job;

        fixture_init(&f);
        (void)add_set(declare(&f, "", "a", true), "files", "/srv/a", "*", true);
        (void)choose(&f, "", "a");
        (void)add_set(f.metadata, "excludes", "/srv/a/cache", "*", true);
        (void)add_set(f.metadata, "excludes", "/srv", "*.tmp", true);
        (void)add_set(f.metadata, "excludes", "/srv/a", "lock", false);
        (void)add_set(f.metadata, "excludes", "relative", "*", false);
        make_plan(&f);
        expect_str("contract 9.3.25: excluded, whatever is chosen", taken(&f, "/srv/a/cache/x/y", 0),
                   "Its writer excludes \"*\" in \"/srv/a/cache\".");
        expect_str("by pattern", taken(&f, "/srv/a/d/x.tmp", 0),
                   "Its writer excludes \"*.tmp\" in \"/srv\".");
        expect_str("by name", taken(&f, "/srv/a/lock", 0), "Its writer excludes \"lock\" in \"/srv/a\".");
        expect_str("not below", taken(&f, "/srv/a/d/lock", 0), "0");
        expect_str("nothing else", taken(&f, "/srv/a/cache2", 0), "0");
        expect_int("one that cannot be understood is told", vss_value_count(file_plan_warnings(f.plan)), 1);
        job = file_plan_job(f.plan, 0);
        expect_true("a directory of which all is excluded",
                    file_plan_excludes_directory(f.plan, job, "cache"));
        expect_true("and one in it", file_plan_excludes_directory(f.plan, job, "cache/x"));
        expect_true("not one of which some is", !file_plan_excludes_directory(f.plan, job, "d"));
        expect_true("nor the whole", !file_plan_excludes_directory(f.plan, job, ""));
        fixture_clear(&f);
}

static char *resolve(const char *directory) {
        return strdup(strcmp(directory, "/var/link") == 0 ? "/srv/a" : directory);
}

static void test_excludes_by_link(void) {
        Fixture f;

        fixture_init(&f);
        f.rules.resolve = resolve;
        (void)add_set(declare(&f, "", "a", true), "files", "/srv/a", "*", true);
        (void)choose(&f, "", "a");
        (void)add_set(f.metadata, "excludes", "/var/link", "*.tmp", true);
        (void)add_set(f.metadata, "excludes", "/srv/a", "lock", false);
        make_plan(&f);
        expect_str("excluded by a name that leads there", taken(&f, "/srv/a/x.tmp", 0),
                   "Its writer excludes \"*.tmp\" in \"/srv/a\".");
        expect_true("of whole volumes, too", file_plan_excludes(f.plan, "/srv/a/d/x.tmp", false));
        expect_true("and by the name itself", file_plan_excludes(f.plan, "/var/link/x.tmp", false));
        expect_true("nothing else", !file_plan_excludes(f.plan, "/srv/x.tmp", false));
        expect_true("nor elsewhere", !file_plan_excludes(f.plan, "/var/link/lock", false));
        fixture_clear(&f);
}

/* Backup reads the alternate path; excludes and restores know the default one. */
static void test_alternate_path(void) {
        vss_value *component, *set;
        Fixture f;

        fixture_init(&f);
        component = declare(&f, "", "a", true);
        set = add_set(component, "files", "/srv/a", "*", true);
        (void)vss_value_set_string(set, "alternate-path", "/dump/a");
        (void)add_set(f.metadata, "excludes", "/srv/a/no", "*", true);
        (void)add_set(f.metadata, "excludes", "/dump/a/yes", "*", true);
        (void)add_set(choose(&f, "", "a"), "partial-files", "/srv/a/d", "big", false);
        make_plan(&f);
        expect_str("contract 9.3.28, 9.3.29: read at the alternate path, known by the default one", told(&f),
                   "partial /dump/a/d>/srv/a/d big; /dump/a>/srv/a * r");
        expect_str("excluded by the default path", taken(&f, "/srv/a/no/x", 0),
                   "Its writer excludes \"*\" in \"/srv/a/no\".");
        expect_str("not by the alternate one", taken(&f, "/srv/a/yes/x", 0), "1");
        fixture_clear(&f);
}

static void test_masks(void) {
        static const struct {
                uint32_t schema;
                enum vss_backup_type type;
                const char *told;
        } cases[] = {
                { 0, VSS_BT_COPY, "/s>/s full; /s>/s log no live; /s>/s live live" },
                { 0, VSS_BT_FULL, "/s>/s full; /s>/s log no live; /s>/s live live" },
                { VSS_BS_LOG, VSS_BT_LOG, "/s>/s full no; /s>/s log; /s>/s live no live" },
                { 0, VSS_BT_LOG,
                  "/s>/s full; /s>/s log no live; /s>/s live live" }, /* it has no logs: full */
        };

        FOREACH_ELEMENT (c, cases) {
                vss_value *component;
                char label[64];
                Fixture f;

                fixture_init(&f);
                component = declare(&f, "", "a", true);
                (void)vss_value_set_integer(f.metadata, "backup-schema", c->schema);
                (void)vss_value_set_integer(add_set(component, "files", "/s", "full", false), "backup-mask",
                                            0xF01);
                (void)vss_value_set_integer(add_set(component, "files", "/s", "log", false), "backup-mask",
                                            0x808);
                (void)vss_value_set_integer(add_set(component, "files", "/s", "live", false), "backup-mask",
                                            0x001);
                (void)choose(&f, "", "a");
                f.rules.type = c->type;
                make_plan(&f);
                (void)snprintf(label, sizeof(label), "contract 9.3.24: by the kind of backup: %s",
                               backup_type_name(c->type));
                expect_str(label, told(&f), c->told);
                fixture_clear(&f);
        }
}

/* Differenced before partial before the mask. */
static void test_precedence(void) {
        vss_value *component, *chosen, *set;
        Fixture f;

        fixture_init(&f);
        component = declare(&f, "", "a", true);
        set = add_set(component, "files", "/srv/a", "*.db", true);
        (void)vss_value_set_string(set, "alternate-path", "/dump");
        (void)vss_value_set_integer(set, "backup-mask", 0x001);
        (void)add_set(component, "files", "/srv/a", "*", true);
        set = add_set(component, "files", "/srv/never", "*", true);
        (void)vss_value_set_integer(set, "backup-mask", 0);
        chosen = choose(&f, "", "a");
        (void)vss_value_set_integer(add_set(chosen, "differenced-files", "/srv/a", "*.db", true),
                                    "modified-after-usec", 100);
        (void)add_set(chosen, "differenced-files", "/srv/a/logs", "*", false);
        (void)add_set(chosen, "partial-files", "/srv/a", "part", false);
        (void)add_set(chosen, "partial-files", "/srv/a", "both.db", false);
        (void)add_set(chosen, "partial-files", "/srv/never", "part", false);
        (void)add_set(chosen, "partial-files", "/elsewhere", "part", false);
        f.rules.last_backup_usec = 500;
        make_plan(&f);
        expect_str("the jobs", told(&f),
                   "differenced /dump>/srv/a *.db r live; differenced /srv/a/logs>/srv/a/logs *; "
                   "partial /srv/a>/srv/a part; partial /dump>/srv/a both.db; "
                   "partial /srv/never>/srv/never part; partial /elsewhere>/elsewhere part; "
                   "/dump>/srv/a *.db r no live; /srv/a>/srv/a * r; /srv/never>/srv/never * r no live");
        expect_str("modified since", taken(&f, "/srv/a/d/x.db", 101), "0");
        expect_str("not modified since: not taken, though a mask says it", taken(&f, "/srv/a/d/x.db", 100),
                   "It is one of the differenced files \"*.db\" in \"/srv/a\".");
        expect_str("since the requester's own backup", taken(&f, "/srv/a/logs/1", 501), "1");
        expect_str("not since that", taken(&f, "/srv/a/logs/1", 500),
                   "It is one of the differenced files \"*\" in \"/srv/a/logs\".");
        expect_str("ranges", taken(&f, "/srv/a/part", 0), "2 ranges");
        expect_str("both: differenced wins", taken(&f, "/srv/a/both.db", 101), "0");
        expect_str("ranges of what the mask leaves out", taken(&f, "/srv/never/part", 0), "4 ranges");
        expect_str("of no file set", taken(&f, "/elsewhere/part", 0), "5 ranges");
        expect_str("left out by the mask", taken(&f, "/srv/never/x", 0),
                   "A backup of this type does not need it.");
        expect_str("all others", taken(&f, "/srv/a/x", 0), "7");
        expect_int("that it is both, is told", vss_value_count(file_plan_warnings(f.plan)), 1);
        f.rules.partial_file_support = false;
        make_plan(&f);
        expect_str("partial files only if the requester takes them", taken(&f, "/srv/a/part", 0), "3");
        expect_int("which is told", vss_value_count(file_plan_warnings(f.plan)), 1);
        fixture_clear(&f);
}

static void test_once(void) {
        vss_value *component;
        Fixture f;

        fixture_init(&f);
        component = declare(&f, "", "bare", false);
        (void)add_set(component, "files", "/srv/a", "*", true);
        component = declare(&f, "bare", "child", false);
        (void)add_set(component, "files", "/srv/a", "*", true);
        (void)add_set(component, "files", "/srv/a/b", "*", false);
        (void)choose(&f, "", "bare");
        (void)choose(&f, "bare", "child");
        make_plan(&f);
        expect_str("twins", told(&f), "/srv/a>/srv/a * r; /srv/a>/srv/a * r no; /srv/a/b>/srv/a/b *");
        expect_str("an overlap", taken(&f, "/srv/a/b/f", 0), "0");
        vss_value_free(f.components);
        f.components = vss_value_new_list();
        (void)choose(&f, "", "bare");
        make_plan(&f);
        expect_str("the same files in the other reading", told(&f),
                   "/srv/a>/srv/a * r; /srv/a>/srv/a * r no; /srv/a/b>/srv/a/b *");
        fixture_clear(&f);
}

static const char *lookup(void *userdata, const char *name) {
        return strcmp(name, "DATA") == 0 ? "/srv/data" : NULL;
}

static void test_variables(void) {
        vss_value *component;
        Fixture f;

        fixture_init(&f);
        component = declare(&f, "", "a", true);
        (void)add_set(component, "files", "$DATA/x", "*", false);
        (void)add_set(component, "files", "$NONE/x", "*", false);
        (void)add_set(component, "files", "/a/../b", "*", false);
        (void)add_set(component, "files", "/a", "x/y", false);
        (void)add_set(choose(&f, "", "a"), "partial-files", "/a", "*", false);
        (void)choose(&f, "", "gone");
        f.rules.lookup = lookup;
        make_plan(&f);
        expect_str("expanded", told(&f), "/srv/data/x>/srv/data/x *");
        expect_int("what cannot be read", vss_value_count(file_plan_problems(f.plan)), 5);
        expect_str("whose", vss_value_get_string(vss_value_at(file_plan_problems(f.plan), 3), "name", ""),
                   "gone");
        fixture_clear(&f);
}

/* At the root, too. */
static void test_root(void) {
        Fixture f;

        fixture_init(&f);
        (void)add_set(declare(&f, "", "a", true), "files", "/", "*", true);
        (void)add_set(f.metadata, "excludes", "/", "*.tmp", true);
        (void)add_set(f.metadata, "excludes", "/proc", "*", true);
        (void)choose(&f, "", "a");
        make_plan(&f);
        expect_str("a file", taken(&f, "/f", 0), "0");
        expect_str("a deep one", taken(&f, "/a/b/c", 0), "0");
        expect_str("an excluded one", taken(&f, "/a/b/c.tmp", 0), "Its writer excludes \"*.tmp\" in \"/\".");
        expect_true("a whole directory",
                    file_plan_excludes_directory(f.plan, file_plan_job(f.plan, 0), "proc"));
        expect_true("not all", !file_plan_excludes_directory(f.plan, file_plan_job(f.plan, 0), ""));
        fixture_clear(&f);
}

/* Many file sets in one directory: each file is found without asking all of them. */
static void test_many(void) {
        vss_value *component;
        uint64_t begin;
        unsigned wrong = 0;
        char name[32];
        Fixture f;

        fixture_init(&f);
        component = declare(&f, "", "a", true);
        for (unsigned i = 0; i < MANY; i++) {
                (void)snprintf(name, sizeof(name), "file%u", i);
                (void)add_set(component, "files", "/usr/lib", name, false);
        }
        (void)choose(&f, "", "a");
        begin = now_usec();
        make_plan(&f);
        for (unsigned i = 0; i < MANY; i++) {
                const FileJob *job = file_plan_job(f.plan, i);
                FileDecision decision;

                file_plan_decide(f.plan, job, job->filespec, 0, &decision);
                wrong += !decision.take;
        }
        expect_int("each is taken", wrong, 0);
        expect_true("soon", now_usec() - begin < 2 * USEC_PER_SEC);
        printf("# %u files in %u ms\n", MANY, (unsigned)((now_usec() - begin) / 1000));
        fixture_clear(&f);
}

int main(void) {
        test_order();
        test_excludes();
        test_excludes_by_link();
        test_alternate_path();
        test_masks();
        test_precedence();
        test_once();
        test_variables();
        test_root();
        test_many();
        return test_end();
}
