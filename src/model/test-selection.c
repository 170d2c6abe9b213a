/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Selection: the truth table, a writer with one of everything, dependencies, choice by volumes, restore
 */

#include <string.h>
#include "model/component.h"
#include "model/selection.h"
#include "util/test.h"

typedef struct Declared {
        const char *path, *name;
        bool selectable;
} Declared;

static vss_value *add_component(vss_value *metadata, const char *path, const char *name, bool selectable) {
        vss_value *component = vss_value_new_dict(), *set = vss_value_new_dict();

        (void)vss_value_set_string(component, "logical-path", path);
        (void)vss_value_set_string(component, "name", name);
        (void)vss_value_set_boolean(component, "selectable", selectable);
        (void)value_set_printf(set, "path", "/srv/%s/%s", path, name);
        (void)vss_value_set_string(set, "filespec", "*");
        (void)vss_value_set_integer(set, "device", 1);
        (void)vss_value_append(value_require(component, "files", VSS_KIND_LIST), set);
        (void)vss_value_append(value_require(metadata, "components", VSS_KIND_LIST), component);
        return component;
}

static vss_value *add_writer(vss_value *writers, const char *name, const Declared *declared, size_t n) {
        vss_value *metadata = vss_value_new_dict();

        (void)vss_value_set_string(metadata, "name", name);
        (void)value_set_printf(metadata, "id", "class-of-%s", name);
        (void)value_set_printf(metadata, "instance-id", "instance-of-%s", name);
        (void)value_require(metadata, "components", VSS_KIND_LIST);
        (void)vss_value_append(writers, metadata);
        for (size_t i = 0; i < n; i++)
                (void)add_component(metadata, declared[i].path, declared[i].name, declared[i].selectable);
        return metadata;
}

static vss_value *component_of(vss_value *metadata, const char *path, const char *name) {
        return component_find_mutable(value_get_mutable(metadata, "components"), path, name);
}

static void depend(vss_value *metadata, const char *path, const char *name, const char *on_writer,
                   const char *on_path, const char *on_name) {
        vss_value *dependency = vss_value_new_dict();

        (void)vss_value_set_string(dependency, "writer-id", on_writer);
        (void)vss_value_set_string(dependency, "logical-path", on_path);
        (void)vss_value_set_string(dependency, "name", on_name);
        (void)vss_value_append(
                value_require(component_of(metadata, path, name), "dependencies", VSS_KIND_LIST),
                dependency);
}

static void want(vss_value *list, const char *writer, const char *path, const char *name) {
        vss_value *wanted = vss_value_new_dict();

        (void)vss_value_set_string(wanted, "writer", writer);
        (void)vss_value_set_string(wanted, "logical-path", path);
        (void)vss_value_set_string(wanted, "name", name);
        (void)vss_value_append(list, wanted);
}

/* A list of the result as text: "path/name path/name". */
static const char *told(const vss_value *selection, const char *key) {
        static char text[4096];
        const vss_value *list = vss_value_get(selection, key);
        size_t used = 0;

        text[0] = '\0';
        for (size_t i = 0; i < vss_value_count(list) && used < sizeof(text); i++) {
                const vss_value *entry = vss_value_at(list, i);

                used += (size_t)snprintf(
                        text + used, sizeof(text) - used, "%s%s", i > 0 ? " " : "",
                        component_label(component_logical_path(entry), component_name(entry)).text);
        }
        return text;
}

static const Declared my_writer[] = {
        { "", "Executables", false },         { "Executables", "ConfigFiles", false },
        { "", "LicenseInfo", true },          { "", "Security", true },
        { "Security", "UserInfo", false },    { "Security", "Certificates", false },
        { "", "writerData", true },           { "writerData", "Set1", false },
        { "writerData/Set1", "Jan", false },  { "writerData/Set1", "Dec", false },
        { "writerData", "Set2", false },      { "writerData/Set2", "Jan", false },
        { "writerData/Set2", "Dec", false },  { "writerData/QueryLogs", "Query", false },
        { "writerData", "Usage", true },      { "writerData/Usage", "Jan", false },
        { "writerData/Usage", "Dec", false },
};

#define DATA_MEMBERS                                                                                   \
        "writerData/Set1 writerData/Set1/Jan writerData/Set1/Dec writerData/Set2 writerData/Set2/Jan " \
        "writerData/Set2/Dec writerData/QueryLogs/Query writerData/Usage writerData/Usage/Jan "        \
        "writerData/Usage/Dec"

static void test_my_writer(void) {
        static const struct {
                const char *path, *name;
                const char *each, *top_level; /* explicit, by reading */
                const char *each_implicit, *top_level_implicit;
                size_t paths;
        } cases[] = {
                { "", "writerData", "Executables Executables/ConfigFiles writerData",
                  "Executables writerData", DATA_MEMBERS, "Executables/ConfigFiles " DATA_MEMBERS, 13 },
                { "writerData", "Usage", "Executables Executables/ConfigFiles writerData/Usage",
                  "Executables writerData/Usage", "writerData/Usage/Jan writerData/Usage/Dec",
                  "Executables/ConfigFiles writerData/Usage/Jan writerData/Usage/Dec", 5 },
                { "", "LicenseInfo", "Executables Executables/ConfigFiles LicenseInfo",
                  "Executables LicenseInfo", "", "Executables/ConfigFiles", 3 },
                { "", "Security", "Executables Executables/ConfigFiles Security", "Executables Security",
                  "Security/UserInfo Security/Certificates",
                  "Executables/ConfigFiles Security/UserInfo Security/Certificates", 5 },
                { "Executables", "ConfigFiles", "Executables Executables/ConfigFiles", "Executables", "",
                  "Executables/ConfigFiles", 2 },
                { "", "Executables", "Executables Executables/ConfigFiles", "Executables", "",
                  "Executables/ConfigFiles", 2 },
                { "Security", "UserInfo", "", "", "", "", 0 },    /* cannot be picked */
                { "writerData/Set1", "Jan", "", "", "", "", 0 },  /* nor this */
                { "writerData", "QueryLogs", "", "", "", "", 0 }, /* no component */
                { "", "", "Executables Executables/ConfigFiles LicenseInfo Security writerData",
                  "Executables LicenseInfo Security writerData",
                  "Security/UserInfo Security/Certificates " DATA_MEMBERS,
                  "Executables/ConfigFiles Security/UserInfo Security/Certificates " DATA_MEMBERS, 17 },
        };
        _cleanup_value_ vss_value *writers = vss_value_new_list();

        (void)add_writer(writers, "Mine", my_writer, ELEMENTS(my_writer));
        FOREACH_ELEMENT (c, cases)
                for (unsigned top_level = 0; top_level < 2; top_level++) {
                        _cleanup_value_ vss_value *wanted = vss_value_new_list(), *selection = NULL;
                        SelectionOptions options = { .top_level_only = top_level };
                        bool possible = c->paths > 0;
                        char label[128];

                        want(wanted, "Mine", c->path, c->name);
                        (void)snprintf(label, sizeof(label),
                                       "contract 9.3.24: by selectability and logical paths: %s", c->name);
                        expect_int(label, selection_expand(writers, wanted, &options, &selection), VSS_S_OK);
                        expect_str("explicit", told(selection, "explicit"),
                                   top_level ? c->top_level : c->each);
                        expect_str("implicit", told(selection, "implicit"),
                                   top_level ? c->top_level_implicit : c->each_implicit);
                        expect_int("paths, the same in both readings, each once",
                                   vss_value_count(vss_value_get(selection, "paths")), c->paths);
                        expect_int("problems", vss_value_count(vss_value_get(selection, "problems")),
                                   !possible);
                }
}

/* The truth table, row by row: one component below another. */
static void test_truth_table(void) {
        static const struct {
                bool selectable, has_ancestor, ancestor_chosen;
                const char *explicit_ones, *implicit_ones;
        } cases[] = {
                { false, false, false, "other it", "" },    { true, false, false, "other", "" },
                { false, true, true, "other up", "up/it" }, { false, true, false, "other", "" },
                { true, true, true, "other up", "up/it" },  { true, true, false, "other", "" },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_value_ vss_value *writers = vss_value_new_list(), *wanted = vss_value_new_list(),
                                          *selection = NULL, *alone = NULL;
                vss_value *metadata = add_writer(writers, "W", NULL, 0);
                char label[64];

                (void)snprintf(label, sizeof(label), "selectable %d, ancestor %d, chosen %d", c->selectable,
                               c->has_ancestor, c->ancestor_chosen);
                (void)add_component(metadata, "", "other", true);
                if (c->has_ancestor)
                        (void)add_component(metadata, "", "up", true);
                (void)add_component(metadata, c->has_ancestor ? "up" : "", "it", c->selectable);
                want(wanted, "W", "", "other");
                if (c->ancestor_chosen)
                        want(wanted, "W", "", "up");
                (void)selection_expand(writers, wanted, NULL, &selection);
                expect_str(label, told(selection, "explicit"), c->explicit_ones);
                expect_str(label, told(selection, "implicit"), c->implicit_ones);

                /* By itself: whatever has no ancestor, and what can be selected. */
                want(wanted, "W", c->has_ancestor ? "up" : "", "it");
                (void)selection_expand(writers, wanted, NULL, &alone);
                expect_int("can be wanted", vss_value_count(vss_value_get(alone, "problems")) == 0,
                           c->selectable || !c->has_ancestor);
                expect_int("is in then", selection_includes(alone, "W", c->has_ancestor ? "up" : "", "it"),
                           c->selectable || !c->has_ancestor || c->ancestor_chosen);
        }
}

/* Trees by chance, against the definitions: what is chosen, who comes with it, who must be there. */

#define TREES 300u

static bool is_above(const vss_value *upper, const vss_value *lower) {
        char above[128], below[128];

        (void)snprintf(above, sizeof(above), "/%s/%s/", component_logical_path(upper),
                       component_name(upper));
        (void)snprintf(below, sizeof(below), "/%s/", component_logical_path(lower));
        return strncmp(*component_logical_path(upper) ? above : above + 1, below,
                       strlen(*component_logical_path(upper) ? above : above + 1)) == 0;
}

static bool is_selectable(const vss_value *component) {
        return vss_value_get_boolean(component, "selectable", false);
}

/* Is there a selectable one above, of those in @among (NULL: all)? */
static bool has_selectable_above(const vss_value *components, const vss_value *component,
                                 const vss_value *among) {
        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *upper = vss_value_at(components, i);

                if (is_selectable(upper) && is_above(upper, component) &&
                    (!among || component_find(among, component_logical_path(upper), component_name(upper))))
                        return true;
        }
        return false;
}

/* What in this selection is not as the definitions have it; NULL if all is. */
static const char *breach(const vss_value *components, const vss_value *wanted, const vss_value *selection) {
        const vss_value *explicit_ones = vss_value_get(selection, "explicit");
        bool any = vss_value_count(explicit_ones) > 0;

        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *c = vss_value_at(components, i);
                const char *path = component_logical_path(c), *name = component_name(c);
                bool is_explicit = component_find(explicit_ones, path, name);
                bool in = selection_includes(selection, "W", path, name);
                bool below_explicit = has_selectable_above(components, c, explicit_ones);
                bool required = !is_selectable(c) && !has_selectable_above(components, c, NULL);

                if (component_find(wanted, path, name) && (is_selectable(c) || required) && !in)
                        return "what was wanted is not in";
                if (below_explicit && is_explicit)
                        return "one is explicit below another";
                if (below_explicit && !in)
                        return "one does not come with that above it";
                if (required && in != any)
                        return "what must be there is not, or is for nothing";
                if (in && !below_explicit && !required && !component_find(wanted, path, name))
                        return "one is in that nobody wants";
        }
        return NULL;
}

static void test_by_chance(void) {
        static const char *const names[] = { "a", "b", "ab" };
        unsigned seed = 1, wrong = 0, differ = 0, noticed = 0, full = 0;

        for (unsigned tree = 0; tree < TREES; tree++) {
                _cleanup_value_ vss_value *writers = vss_value_new_list(), *wanted = vss_value_new_list(),
                                          *each = NULL, *top_level = NULL;
                vss_value *metadata = add_writer(writers, "W", NULL, 0);
                const vss_value *components = vss_value_get(metadata, "components");
                const char *why;

                for (unsigned i = 0; i < 12; i++) {
                        unsigned depth = (unsigned)rand_r(&seed) % 4;
                        const char *name = names[(unsigned)rand_r(&seed) % ELEMENTS(names)];
                        char path[32] = "";

                        for (unsigned d = 0; d < depth; d++)
                                (void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "%s%s",
                                               d > 0 ? "/" : "",
                                               names[(unsigned)rand_r(&seed) % ELEMENTS(names)]);
                        if (component_find(components, path, name))
                                continue;
                        (void)add_component(metadata, path, name, rand_r(&seed) % 2);
                        if (rand_r(&seed) % 4 == 0)
                                want(wanted, "W", path, name);
                }
                (void)selection_expand(writers, wanted, NULL, &each);
                (void)selection_expand(writers, wanted, &(SelectionOptions){ .top_level_only = true },
                                       &top_level);
                why = breach(components, wanted, each) ?: breach(components, wanted, top_level);
                wrong += why != NULL;
                if (why)
                        printf("# tree %u: %s\n", tree, why);
                differ += !value_equals(vss_value_get(each, "paths"), vss_value_get(top_level, "paths"));
                /* The check must notice one that is missing. */
                if (vss_value_count(vss_value_get(each, "explicit")) > 0) {
                        full++;
                        (void)vss_value_set_string(value_at_mutable(value_get_mutable(each, "explicit"), 0),
                                                   "name", "x");
                        noticed += breach(components, wanted, each) != NULL;
                }
        }
        expect_true("many trees have something chosen", full > TREES / 3);
        expect_int("a selection with one missing is noticed", noticed, full);
        expect_int("all are as the definitions have them", wrong, 0);
        expect_int("both readings have the same files", differ, 0);
}

/* Ancestors that cannot be selected do not count, elements of paths need not exist. */
static void test_ancestors(void) {
        static const Declared declared[] = {
                { "", "a", true },           { "a", "b", false },         { "a/b", "c", true },
                { "a/b/c/gap", "d", false }, { "gap/gap", "lone", true }, { "p", "q", false },
                { "p/q", "r", true },
        };
        _cleanup_value_ vss_value *writers = vss_value_new_list(), *wanted = vss_value_new_list(),
                                  *selection = NULL, *both = NULL;

        (void)add_writer(writers, "W", declared, ELEMENTS(declared));
        want(wanted, "W", "a/b", "c");
        (void)selection_expand(writers, wanted, NULL, &selection);
        expect_str("a set within a set", told(selection, "explicit"), "a/b/c p/q");
        expect_str("has its members", told(selection, "implicit"), "a/b/c/gap/d");
        want(wanted, "W", "", "a");
        (void)selection_expand(writers, wanted, NULL, &both);
        expect_str("the upper one covers it", told(both, "explicit"), "a p/q");
        expect_str("transitively", told(both, "implicit"), "a/b a/b/c a/b/c/gap/d");
        expect_true("not what can be selected below one that cannot",
                    !selection_includes(both, "W", "p/q", "r"));
}

static void test_wanted(void) {
        static const Declared one[] = { { "", "a", true } };
        _cleanup_value_ vss_value *writers = vss_value_new_list(), *wanted = vss_value_new_list(),
                                  *selection = NULL;
        const vss_value *problems;

        (void)add_writer(writers, "W", one, 1);
        want(wanted, "class-of-W", "", "a");
        want(wanted, "instance-of-W", "", "a");
        want(wanted, "None", "", "a");
        want(wanted, "W", "", "b");
        (void)value_append_string(wanted, "odd");
        expect_int("wanted by class and instance", selection_expand(writers, wanted, NULL, &selection),
                   VSS_S_OK);
        expect_str("is there once", told(selection, "explicit"), "a");
        problems = vss_value_get(selection, "problems");
        expect_int("what is not there", vss_value_count(problems), 3);
        expect_str("no such writer", vss_value_get_string(vss_value_at(problems, 0), "reason", ""),
                   "There is no writer None. See vss list writers.");
        expect_str("no such component", vss_value_get_string(vss_value_at(problems, 1), "reason", ""),
                   "Writer W has no component \"b\". See vss list components.");
        expect_int("its code", vss_value_get_integer(vss_value_at(problems, 1), "code", 0),
                   VSS_E_OBJECT_NOT_FOUND);
        expect_int("a volume", vss_value_integer(vss_value_at(vss_value_get(selection, "volumes"), 0), 0),
                   1);
        vss_value_free(selection);
        expect_int("nothing", selection_expand(NULL, NULL, NULL, &selection), VSS_S_OK);
        expect_str("is nothing", told(selection, "explicit"), "");
}

static void test_alternate_path(void) {
        static const Declared one[] = { { "", "a", true } };
        _cleanup_value_ vss_value *writers = vss_value_new_list(), *wanted = vss_value_new_list(),
                                  *selection = NULL;
        vss_value *metadata = add_writer(writers, "W", one, 1);
        vss_value *set = value_at_mutable(value_get_mutable(component_of(metadata, "", "a"), "files"), 0);

        (void)vss_value_set_string(set, "alternate-path", "/dump");
        (void)vss_value_set_integer(set, "alternate-device", 7);
        want(wanted, "W", "", "a");
        (void)selection_expand(writers, wanted, NULL, &selection);
        expect_str("files are read at the alternate path",
                   vss_value_get_string(vss_value_at(vss_value_get(selection, "paths"), 0), "path", ""),
                   "/dump");
        expect_int("on its volume",
                   vss_value_integer(vss_value_at(vss_value_get(selection, "volumes"), 0), 0), 7);
}

static void test_dependencies(void) {
        static const Declared first[] = { { "", "a", true }, { "a", "low", false }, { "", "must", false } };
        static const Declared second[] = { { "", "b", true },
                                           { "b", "inner", false },
                                           { "", "rest", true } };
        static const Declared third[] = { { "", "c", true } };
        _cleanup_value_ vss_value *writers = vss_value_new_list(), *wanted = vss_value_new_list(),
                                  *selection = NULL;
        vss_value *one = add_writer(writers, "One", first, ELEMENTS(first)),
                  *two = add_writer(writers, "Two", second, ELEMENTS(second)),
                  *three = add_writer(writers, "Three", third, ELEMENTS(third));
        const vss_value *explicit_ones;

        depend(one, "a", "low", "class-of-Two", "b", "inner"); /* of an implicit one, on an implicit one */
        depend(two, "", "b", "class-of-Three", "", "c");
        depend(three, "", "c", "class-of-One", "", "a"); /* in a circle */
        depend(three, "", "c", "class-of-None", "", "x");
        depend(three, "", "c", "class-of-None", "//Computer/x", "y");
        depend(three, "", "c", "class-of-None", "\\\\Computer\\x", "z");
        want(wanted, "One", "", "a");
        (void)selection_expand(writers, wanted, NULL, &selection);
        expect_str("followed over writers", told(selection, "explicit"), "a must b c");
        expect_str("to the component set of what is needed", told(selection, "implicit"), "a/low b/inner");
        expect_str("what is not there", told(selection, "problems"), "c");
        expect_str("is said",
                   vss_value_get_string(vss_value_at(vss_value_get(selection, "problems"), 0), "reason", ""),
                   "It depends on \"x\" of writer class-of-None, which is not there.");
        expect_int("what lies on other machines", vss_value_count(vss_value_get(selection, "remote")), 2);
        explicit_ones = vss_value_get(selection, "explicit");
        expect_str("who depends", vss_value_get_string(vss_value_at(explicit_ones, 2), "reason", ""),
                   "Component \"a/low\" of One depends on it.");
        expect_str("what is needed", vss_value_get_string(vss_value_at(explicit_ones, 1), "reason", ""),
                   "The writer's components need it.");
}

/* Choice by volumes */

static const char *refuse(void *userdata, const vss_value *writer, const vss_value *set) {
        const char *const *outside = userdata;

        for (; *outside; outside++)
                if (strcmp(vss_value_get_string(set, "path", ""), *outside) == 0)
                        return "it is on another volume.";
        return NULL;
}

static void test_choose(void) {
        static const struct {
                const char *label;
                const char *outside[3]; /* of MyWriter */
                const char *left_out_path, *left_out;
                const char *explicit_ones, *dropped;
        } cases[] = {
                { "everything", { NULL }, NULL, NULL, "Executables LicenseInfo Security writerData", "" },
                { "a leaf elsewhere",
                  { "/srv/writerData/Set1/Jan" },
                  NULL,
                  NULL,
                  "Executables LicenseInfo Security writerData/Usage",
                  "writerData writerData/Set1 writerData/Set1/Jan writerData/Set1/Dec writerData/Set2 "
                  "writerData/Set2/Jan writerData/Set2/Dec writerData/QueryLogs/Query" },
                { "in the inner set",
                  { "/srv/writerData/Usage/Dec" },
                  NULL,
                  NULL,
                  "Executables LicenseInfo Security",
                  "writerData writerData/Set1 writerData/Set1/Jan writerData/Set1/Dec writerData/Set2 "
                  "writerData/Set2/Jan writerData/Set2/Dec writerData/QueryLogs/Query writerData/Usage "
                  "writerData/Usage/Jan writerData/Usage/Dec" },
                { "what must be there", { "/srv//Executables" }, NULL, NULL, "", "Executables " },
                { "what comes with it",
                  { "/srv/Executables/ConfigFiles" },
                  NULL,
                  NULL,
                  "",
                  "Executables Executables/ConfigFiles " },
                { "one left out",
                  { NULL },
                  "",
                  "LicenseInfo",
                  "Executables Security writerData",
                  "LicenseInfo" },
                { "all left out", { NULL }, "", "", "", "" },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_value_ vss_value *writers = vss_value_new_list(), *left_out = vss_value_new_list(),
                                          *selection = NULL;
                SelectionOptions options = { .top_level_only = true,
                                             .refuse = refuse,
                                             .userdata = (void *)c->outside,
                                             .leave_out = left_out };

                (void)add_writer(writers, "Mine", my_writer, ELEMENTS(my_writer));
                if (c->left_out)
                        want(left_out, "Mine", c->left_out_path, c->left_out);
                expect_int(c->label, selection_choose(writers, &options, &selection), VSS_S_OK);
                expect_str("explicit", told(selection, "explicit"), c->explicit_ones);
                expect_str("dropped", told(selection, "dropped"), c->dropped);
                for (size_t i = 0; i < vss_value_count(vss_value_get(selection, "dropped")); i++)
                        if (!*vss_value_get_string(vss_value_at(vss_value_get(selection, "dropped"), i),
                                                   "reason", ""))
                                expect_true("each has its reason", false);
        }
}

static void test_choose_reasons(void) {
        static const char *const outside[] = { "/srv//c", NULL };
        static const Declared first[] = { { "", "a", true }, { "", "free", true } };
        static const Declared second[] = { { "", "b", true } };
        static const Declared third[] = { { "", "c", true } };
        static const char *const reasons[] = {
                "It depends on \"b\" of writer class-of-Two, which is left out.",
                "It depends on \"c\" of writer class-of-Three, which is left out.",
                "Its files in /srv//c: it is on another volume.",
                "It has no components.",
        };
        _cleanup_value_ vss_value *writers = vss_value_new_list(), *selection = NULL;
        SelectionOptions options = { .refuse = refuse, .userdata = (void *)outside };
        vss_value *one = add_writer(writers, "One", first, ELEMENTS(first)),
                  *two = add_writer(writers, "Two", second, 1);
        const vss_value *dropped;

        (void)add_writer(writers, "Three", third, 1);
        (void)add_writer(writers, "Empty", NULL, 0);
        depend(one, "", "a", "class-of-Two", "", "b");
        depend(two, "", "b", "class-of-Three", "", "c");
        depend(one, "", "free", "class-of-None", "//elsewhere", "x");
        (void)selection_choose(writers, &options, &selection);
        expect_str("what depends on what is left out, goes", told(selection, "explicit"), "free");
        dropped = vss_value_get(selection, "dropped");
        expect_int("and is told", vss_value_count(dropped), ELEMENTS(reasons));
        for (size_t i = 0; i < ELEMENTS(reasons); i++)
                expect_str("why", vss_value_get_string(vss_value_at(dropped, i), "reason", ""), reasons[i]);
}

/* Restore */

static void test_restore(void) {
        _cleanup_value_ vss_value *writers = vss_value_new_list(), *components = vss_value_new_list(),
                                  *subs = vss_value_new_list();
        vss_value *metadata = add_writer(writers, "Mine", my_writer, ELEMENTS(my_writer)), *data;
        static const struct {
                const char *path, *name;
                vss_result result;
                const char *with; /* NULL: by itself */
        } cases[] = {
                { "", "writerData", VSS_S_OK, NULL },
                { "", "Executables", VSS_S_OK, NULL },
                { "writerData", "Usage", VSS_S_OK, "writerData" },
                { "writerData/Usage", "Jan", VSS_E_INVALIDARG, NULL },
                { "Executables", "ConfigFiles", VSS_E_INVALIDARG, NULL },
                { "", "Security", VSS_E_OBJECT_NOT_FOUND,
                  NULL }, /* its flag means nothing: not in the backup */
                { "Security", "UserInfo", VSS_E_OBJECT_NOT_FOUND, NULL },
                { "", "None", VSS_E_OBJECT_NOT_FOUND, NULL },
        };
        _cleanup_(component_tree_clear) ComponentTree tree = { 0 };
        _cleanup_(freep) ssize_t *all = NULL, *some = NULL;
        size_t n = 0;

        (void)vss_value_set_boolean(component_of(metadata, "writerData", "Usage"), "selectable-for-restore",
                                    true);
        (void)vss_value_set_boolean(component_of(metadata, "", "Security"), "selectable-for-restore", true);
        want(components, "", "", "Executables");
        want(components, "", "", "writerData");
        data = value_at_mutable(components, 1);
        FOREACH_ELEMENT (c, cases) {
                const vss_value *explicit_one = NULL;
                Why why = { "" };
                bool sub = false;

                expect_int(c->name,
                           selection_find_for_restore(metadata, components, c->path, c->name, &explicit_one,
                                                      &sub, &why),
                           c->result);
                expect_int("with another", sub, c->with != NULL);
                if (c->result >= 0)
                        expect_str("which", component_name(explicit_one), c->with ?: c->name);
        }

        (void)component_tree_init(&tree, vss_value_get(metadata, "components"));
        (void)vss_value_set_boolean(data, "selected-for-restore", true);
        expect_int("restored", selection_restored(&tree, components, &all), 0);
        for (size_t i = 0; i < tree.n; i++)
                n += all[i] == component_tree_find(&tree, "", "writerData");
        expect_int("the whole set", n, 11);
        expect_int("nothing else", all[component_tree_find(&tree, "", "Executables")], -1);
        want(subs, "", "writerData", "Usage");
        (void)vss_value_set(data, "restore-subcomponents", TAKE_PTR(subs));
        expect_int("restored", selection_restored(&tree, components, &some), 0);
        n = 0;
        for (size_t i = 0; i < tree.n; i++)
                n += some[i] >= 0;
        expect_int("only what is named, and below", n, 3);
        expect_int("not the set itself", some[component_tree_find(&tree, "", "writerData")], -1);
}

int main(void) {
        test_truth_table();
        test_my_writer();
        test_by_chance();
        test_ancestors();
        test_wanted();
        test_alternate_path();
        test_dependencies();
        test_choose();
        test_choose_reasons();
        test_restore();
        return test_end();
}
