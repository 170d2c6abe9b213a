/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: the components of a backup, as people name them
 *
 * Two writers, one with an instance, on three volumes (devices 1, 2, 3). What is chosen is told as "W:/path" of each
 * that is to be added; what is left out, the same way.
 */

#include <errno.h>
#include "util/test.h"
#include "vss/selection.h"

static vss_value *make_component(const char *logical_path, const char *name, bool selectable,
                                 const char *path, int64_t device) {
        vss_value *component = vss_value_new_dict(), *file = vss_value_new_dict();

        (void)vss_value_set_string(component, "logical-path", logical_path);
        (void)vss_value_set_string(component, "name", name);
        (void)vss_value_set_boolean(component, "selectable", selectable);
        (void)vss_value_set_string(file, "path", path);
        if (device >= 0)
                (void)vss_value_set_integer(file, "device", device);
        (void)vss_value_append(value_require(component, "files", VSS_KIND_LIST), file);
        return component;
}

static vss_value *make_writer(const char *name, const char *friendly_name, const char *id) {
        vss_value *writer = vss_value_new_dict();

        (void)vss_value_set_string(writer, "name", name);
        (void)vss_value_set_string(writer, "friendly-name", friendly_name);
        (void)vss_value_set_string(writer, "id", id);
        (void)value_require(writer, "components", VSS_KIND_LIST);
        return writer;
}

static void depend(vss_value *component, const char *writer_id, const char *name) {
        vss_value *dependency = vss_value_new_dict();

        (void)vss_value_set_string(dependency, "writer-id", writer_id);
        (void)vss_value_set_string(dependency, "logical-path", "");
        (void)vss_value_set_string(dependency, "name", name);
        (void)vss_value_append(value_require(component, "dependencies", VSS_KIND_LIST), dependency);
}

#define A_ID "aaaaaaaa-0000-0000-0000-000000000000"
#define B_ID "bbbbbbbb-0000-0000-0000-000000000000"

static vss_value *make_writers(void) {
        vss_value *writers = vss_value_new_list(), *a = make_writer("A", "The A writer", A_ID),
                  *b = make_writer("B.main", "", B_ID), *c = make_component("", "on-a", true, "/e", 1);
        vss_value *of_a = value_get_mutable(a, "components"), *of_b = value_get_mutable(b, "components");

        (void)vss_value_append(of_a, make_component("", "srv", true, "/srv", 1));
        (void)vss_value_append(of_a, make_component("srv", "a", true, "/srv/a", 1));
        (void)vss_value_append(of_a, make_component("srv", "b", false, "/b", 2));
        (void)vss_value_append(of_a, make_component("home", "c", true, "/home/c", 2));
        (void)vss_value_append(of_a, make_component("gone", "e", true, "/gone", -1));
        (void)vss_value_append(writers, a);
        depend(c, A_ID, "srv");
        (void)vss_value_append(of_b, make_component("", "d", false, "/d", 1));
        (void)vss_value_append(of_b, c);
        (void)vss_value_append(of_b, make_component("", "far", true, "/far", 3));
        (void)vss_value_append(writers, b);
        (void)vss_value_append(writers, make_writer("Empty", "", ""));
        return writers;
}

static void tell_items(const Selection *selection, char *text, size_t size) {
        size_t n = 0;

        text[0] = '\0';
        for (size_t i = 0; i < selection->n && n < size; i++) {
                const Chosen *item = &selection->items[i];
                _cleanup_(freep) char *path = component_path(item->logical_path, item->name);

                n += (size_t)snprintf(text + n, size - n, "%s:%s ", item->writer, path);
        }
}

static void tell_left_out(const Selection *selection, char *text, size_t size) {
        size_t n = 0;

        text[0] = '\0';
        for (size_t i = 0; i < vss_value_count(selection->left_out) && n < size; i++)
                n += (size_t)snprintf(
                        text + n, size - n, "%s ",
                        vss_value_get_string(vss_value_at(selection->left_out, i), "what", "?"));
}

static void test_names(void) {
        static const struct {
                const char *spec, *want, *want_paths;
                int want_result;
        } rows[] = {
                { "A", "A:/srv A:/home/c A:/gone/e ", "/srv /srv/a /b /home/c /gone ", 0 },
                { "a:/srv/a", "A:/srv/a ", "/srv/a ", 0 },
                { "A:\\srv\\a", "A:/srv/a ", "/srv/a ", 0 },
                { "the a WRITER:srv/a", "A:/srv/a ", "/srv/a ", 0 },
                { A_ID ":home/c", "A:/home/c ", "/home/c ", 0 },
                { "{AAAAAAAA-0000-0000-0000-000000000000}:home/c", "A:/home/c ", "/home/c ", 0 },
                { "A:/srv", "A:/srv ", "/srv /srv/a /b ", 0 },
                { "A:srv/b", "", "", -ENOENT }, /* it comes with srv alone */
                { "A:/nope", "", "", -ENOENT },
                { "A:/SRV", "", "", -ENOENT },
                { "A:/", "", "", -EINVAL },
                { "A:srv/", "", "", -EINVAL },
                { "", "", "", -ENOENT },
                { "Ab", "", "", -ENOENT },
                { "Empty", "", "", -ENOENT },
                /* what cannot be selected comes along, and what is depended on */
                { "B:/far", "B.main:/d B.main:/far ", "/d /far ", 0 },
                { "b.MAIN:/far", "B.main:/d B.main:/far ", "/d /far ", 0 },
                { "B:/on-a", "A:/srv B.main:/d B.main:/on-a ", "/srv /srv/a /b /d /e ", 0 },
                { "B.ma", "", "", -ENOENT },
        };
        _cleanup_value_ vss_value *writers = make_writers();

        FOREACH_ELEMENT (row, rows) {
                _cleanup_(selection_clear) Selection selection = {};
                _cleanup_(strings_clear) Strings specs = {};
                _cleanup_(freep) char *problem = NULL;
                char text[256], paths[128] = "";

                (void)strings_add(&specs, row->spec);
                expect_int(row->spec, selection_make(writers, &specs, &selection, &problem),
                           row->want_result);
                tell_items(&selection, text, sizeof(text));
                expect_str("what is added", text, row->want);
                for (size_t i = 0; i < selection.paths.n; i++) {
                        strncat(paths, selection.paths.items[i], sizeof(paths) - strlen(paths) - 1);
                        strncat(paths, " ", sizeof(paths) - strlen(paths) - 1);
                }
                expect_str("where it lies", paths, row->want_paths);
                expect_int(problem ?: "no problem", problem != NULL, row->want_result < 0);
        }
}

static void test_limits(void) {
        static const struct {
                const char *label, *spec, *excluded;
                int64_t devices[3];
                const char *want, *want_left_out;
        } rows[] = {
                { "all volumes", "A", NULL, { 1, 2, 3 }, "A:/srv A:/home/c A:/gone/e ", "" },
                { "one is missing",
                  "A",
                  NULL,
                  { 1, 0, 0 },
                  "A:/srv/a A:/gone/e ",
                  "A:/srv A:/home/c A:/srv/b " },
                { "one component", "A:/srv/a", NULL, { 1, 0, 0 }, "A:/srv/a ", "" },
                { "what it depends on is missing",
                  "B:/on-a",
                  NULL,
                  { 1, 0, 0 },
                  "A:/srv/a B.main:/d ",
                  "A:/srv B.main:/on-a A:/srv/b " },
                { "what has to come along is missing",
                  "B:/far",
                  NULL,
                  { 2, 3, 0 },
                  "",
                  "B.main:/d B.main:/far " },
                { "excluded", "A", "A:home/c", { 1, 2, 3 }, "A:/srv A:/gone/e ", "" },
                { "all of it excluded", "A", "A", { 1, 2, 3 }, "", "" },
                { "a part of one excluded", "A:/srv", "A:srv/b", { 1, 2, 3 }, "A:/srv/a ", "A:/srv " },
                { "another writer excluded", "B:/on-a", "A", { 1, 2, 3 }, "B.main:/d ", "B.main:/on-a " },
        };
        _cleanup_value_ vss_value *writers = make_writers();

        FOREACH_ELEMENT (row, rows) {
                const SelectionVolumes volumes = { row->devices, 3 };
                _cleanup_(selection_clear) Selection selection = {};
                _cleanup_(strings_clear) Strings specs = {}, excluded = {};
                _cleanup_(freep) char *problem = NULL;
                char text[256];

                (void)strings_add(&specs, row->spec);
                if (row->excluded)
                        (void)strings_add(&excluded, row->excluded);
                expect_int(row->label, selection_make(writers, &specs, &selection, &problem), 0);
                expect_int("limited", selection_limit(&selection, writers, &volumes, &excluded, &problem),
                           0);
                tell_items(&selection, text, sizeof(text));
                expect_str("what is added", text, row->want);
                tell_left_out(&selection, text, sizeof(text));
                expect_str("what is missing", text, row->want_left_out);
        }
}

static void test_all(void) {
        static const struct {
                const char *label, *excluded;
                int64_t devices[3];
                const char *want, *want_left_out;
                int want_result;
        } rows[] = {
                { "everything",
                  NULL,
                  { 1, 2, 3 },
                  "A:/srv A:/home/c A:/gone/e B.main:/d B.main:/on-a B.main:/far ",
                  "",
                  0 },
                { "no volume of anybody", NULL, { 7, 0, 0 }, "", "", 0 },
                { "one volume",
                  NULL,
                  { 1, 0, 0 },
                  "A:/srv/a A:/gone/e B.main:/d ",
                  "A:/srv B.main:/on-a ",
                  0 },
                { "one that only a part is on", NULL, { 3, 0, 0 }, "", "B.main:/far ", 0 },
                { "excluded",
                  "A:/srv",
                  { 1, 2, 0 },
                  "A:/srv/a A:/home/c A:/gone/e B.main:/d ",
                  "A:/srv/b B.main:/on-a ",
                  0 },
                { "a writer excluded", "B", { 1, 2, 3 }, "A:/srv A:/home/c A:/gone/e ", "", 0 },
                { "a writer that there is not", "Q", { 1, 2, 3 }, "", "", -ENOENT },
        };
        _cleanup_value_ vss_value *writers = make_writers();

        FOREACH_ELEMENT (row, rows) {
                const SelectionVolumes volumes = { row->devices, 3 };
                _cleanup_(selection_clear) Selection selection = {};
                _cleanup_(strings_clear) Strings excluded = {};
                _cleanup_(freep) char *problem = NULL;
                char text[256];

                if (row->excluded)
                        (void)strings_add(&excluded, row->excluded);
                expect_int(row->label,
                           selection_make_all(writers, &volumes, &excluded, &selection, &problem),
                           row->want_result);
                tell_items(&selection, text, sizeof(text));
                expect_str("what is added", text, row->want);
                tell_left_out(&selection, text, sizeof(text));
                expect_str("what is missing", text, row->want_left_out);
        }
}

static void test_verify(void) {
        static const struct {
                const char *spec, *want; /* part of the problem; NULL: it takes part */
        } rows[] = {
                { "A:/srv/a", NULL },
                { "A:/gone/e", NULL },
                { "B:/d", NULL },
                { "A:/srv", "does not take part: It would be incomplete" },
                { "A:/srv/b", "does not take part: Its files in /b" },
                { "A", "component srv of A does not take part" },
                { "Empty", "no component of the writer Empty" },
                { "B", "component on-a of B.main" },
                { "A:/nope", "no component that is so named" },
                { "Q", "there is no writer 'Q'" },
                { "A:/", "names no component" },
        };
        const SelectionVolumes volumes = { (const int64_t[]){ 1 }, 1 };
        _cleanup_value_ vss_value *writers = make_writers();
        _cleanup_(selection_clear) Selection selection = {};
        _cleanup_(strings_clear) Strings excluded = {};
        _cleanup_(freep) char *none = NULL;

        (void)strings_add(&excluded, "B:/far");
        expect_int("one volume", selection_make_all(writers, &volumes, &excluded, &selection, &none), 0);
        FOREACH_ELEMENT (row, rows) {
                _cleanup_(freep) char *problem = NULL;
                int r = selection_verify(&selection, writers, row->spec, &problem);

                expect_int(row->spec, r < 0, row->want != NULL);
                if (row->want)
                        expect_true(problem ?: "?", problem && strstr(problem, row->want));
        }
}

/* Everybody is told of, once. */
static void test_participation(void) {
        const SelectionVolumes volumes = { (const int64_t[]){ 1 }, 1 };
        _cleanup_value_ vss_value *writers = make_writers();
        _cleanup_(selection_clear) Selection selection = {};
        _cleanup_(freep) char *problem = NULL;
        const Strings excluded = {};
        size_t n = 0;

        expect_int("one volume", selection_make_all(writers, &volumes, &excluded, &selection, &problem), 0);
        for (size_t i = 0; i < vss_value_count(writers); i++)
                n += vss_value_count(vss_value_get(vss_value_at(writers, i), "components"));
        expect_int("a row for each component", vss_value_count(selection.participation), n);
        for (size_t i = 0; i < vss_value_count(selection.participation); i++) {
                const vss_value *row = vss_value_at(selection.participation, i);

                expect_true(vss_value_get_string(row, "name", "?"),
                            *vss_value_get_string(row, "reason", ""));
        }
}

int main(void) {
        test_names();
        test_limits();
        test_all();
        test_verify();
        test_participation();
        return test_end();
}
