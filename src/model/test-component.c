/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Components: what lies below what
 */

#include <string.h>
#include "model/component.h"
#include "util/test.h"

static vss_value *component_new(const char *logical_path, const char *name, bool selectable) {
        vss_value *component = vss_value_new_dict();

        (void)vss_value_set_string(component, "logical-path", logical_path);
        (void)vss_value_set_string(component, "name", name);
        (void)vss_value_set_boolean(component, "selectable", selectable);
        return component;
}

static void test_below(void) {
        static const struct {
                const char *path, *name;             /* of the lower one */
                const char *above_path, *above_name; /* of the upper one */
                bool below;
        } cases[] = {
                { "", "a", "", "a", false },       { "a", "b", "", "a", true },
                { "a/b", "c", "", "a", true },     { "a/b", "c", "a", "b", true },
                { "a/b/c", "d", "a", "b", true },  { "ab", "c", "", "a", false },
                { "a", "b", "", "ab", false },     { "a/b", "c", "", "b", false },
                { "a", "b", "a", "b", false },     { "a/bc", "d", "a", "b", false },
                { "x/a", "b", "", "a", false },    { "a", "b", "b", "a", false },
                { "a/b", "c", "a/b", "c", false }, { "a/b/c/d", "e", "a/b", "c", true },
                { "", "a", "", "", false },        { "a//b", "c", "a", "b", false },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_value_ vss_value *lower = component_new(c->path, c->name, true);
                char label[128];

                (void)snprintf(label, sizeof(label), "\"%s\" \"%s\" and \"%s\" \"%s\"", c->path, c->name,
                               c->above_path, c->above_name);
                expect_int(label, component_is_below(lower, c->above_path, c->above_name), c->below);
        }
}

static void test_ancestor(void) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        static const struct {
                const char *path, *name;
                bool selectable;
                const char *ancestor;
        } cases[] = {
                { "", "top", true, NULL },         { "top", "plain", false, "top" },
                { "top/plain", "x", true, "top" }, { "top/gap/gap", "deep", false, "top" },
                { "top", "inner", true, "top" },   { "top/inner", "leaf", false, "inner" },
                { "", "bare", false, NULL },       { "bare", "child", false, NULL },
        };

        FOREACH_ELEMENT (c, cases)
                (void)vss_value_append(list, component_new(c->path, c->name, c->selectable));
        FOREACH_ELEMENT (c, cases) {
                const vss_value *ancestor = component_selectable_ancestor(
                        list, component_find(list, c->path, c->name));

                expect_str(c->name, ancestor ? component_name(ancestor) : NULL, c->ancestor);
        }
        expect_int("found", component_index(list, "top", "inner"), 4);
        expect_int("not under another path", component_index(list, "", "inner"), -1);
        expect_true("NULL holds nothing", !component_find(NULL, "", "a"));
}

int main(void) {
        _cleanup_value_ vss_value *set = vss_value_new_dict();
        char longest[1000];

        test_below();
        test_ancestor();
        expect_str("a label", component_label("a/b", "c").text, "a/b/c");
        expect_str("without a path", component_label("", "c").text, "c");
        memset(longest, 'x', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        expect_int("is cut", strlen(component_label(longest, "c").text), COMPONENT_LABEL_SIZE - 1);
        (void)vss_value_set_string(set, "path", "/a");
        (void)vss_value_set_string(set, "filespec", "*");
        expect_true("a file set", file_set_is(set, "/a", "*", false));
        expect_true("not if recursive", !file_set_is(set, "/a", "*", true));
        expect_true("nor elsewhere",
                    !file_set_is(set, "/a/", "*", false) && !file_set_is(set, "/a", "?", false));
        return test_end();
}
