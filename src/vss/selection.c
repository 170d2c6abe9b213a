/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Components chosen by --writer NAME[:/logical/path/component]
 *
 * Pure: the writers' metadata in, a list out. Names of writers are compared without regard to case,
 * components as they are, since their names are the application's.
 */

#include <errno.h>
#include <string.h>
#include <strings.h>
#include "vss/selection.h"

char *component_path(const char *logical_path, const char *name) {
        char *path;

        return asprintf(&path, "/%s%s%s", logical_path, *logical_path ? "/" : "", name) < 0 ? NULL : path;
}

static char *component_path_of(const vss_value *component) {
        return component_path(vss_value_get_string(component, "logical-path", ""),
                              vss_value_get_string(component, "name", ""));
}

void selection_clear(Selection *selection) {
        for (size_t i = 0; i < selection->n; i++) {
                free(selection->items[i].writer);
                free(selection->items[i].logical_path);
                free(selection->items[i].name);
        }
        free(selection->items);
        strings_clear(&selection->paths);
        *selection = (Selection){};
}

/* A component covers itself and all below it. */
static int add_paths(Selection *selection, const vss_value *components, const char *top) {
        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *component = vss_value_at(components, i),
                                *files = vss_value_get(component, "files");
                _cleanup_(freep) char *path = component_path_of(component);

                if (!path)
                        return -ENOMEM;
                for (size_t j = 0; path_is_within(path, top) && j < vss_value_count(files); j++) {
                        const char *directory = vss_value_get_string(vss_value_at(files, j), "path", "");

                        if (*directory == '/' && strings_add_once(&selection->paths, directory) < 0)
                                return -ENOMEM;
                }
        }
        return 0;
}

static int add_component(Selection *selection, const vss_value *writer, const vss_value *component) {
        const char *logical_path = vss_value_get_string(component, "logical-path", ""),
                   *name = vss_value_get_string(component, "name", ""),
                   *writer_name = vss_value_get_string(writer, "name", "");
        _cleanup_(freep) char *path = component_path_of(component);
        Chosen *items, *item;

        for (size_t i = 0; i < selection->n; i++)
                if (strcmp(selection->items[i].writer, writer_name) == 0 &&
                    strcmp(selection->items[i].logical_path, logical_path) == 0 &&
                    strcmp(selection->items[i].name, name) == 0)
                        return 0;
        items = reallocarray(selection->items, selection->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        selection->items = items;
        item = &items[selection->n++];
        *item = (Chosen){ strdup(writer_name), strdup(logical_path), strdup(name) };
        if (!item->writer || !item->logical_path || !item->name || !path)
                return -ENOMEM;
        return add_paths(selection, vss_value_get(writer, "components"), path);
}

static const vss_value *find_writer(const vss_value *writers, const char *name, size_t n) {
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i);
                const char *candidate = vss_value_get_string(writer, "name", "");

                if (strlen(candidate) == n && strncasecmp(candidate, name, n) == 0)
                        return writer;
        }
        return NULL;
}

/* Is there a selectable component above @path? */
static int has_selectable_above(const vss_value *components, const char *path) {
        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *component = vss_value_at(components, i);
                _cleanup_(freep) char *other = component_path_of(component);

                if (!other)
                        return -ENOMEM;
                if (vss_value_get_boolean(component, "selectable", false) && strcmp(other, path) != 0 &&
                    path_is_within(path, other))
                        return 1;
        }
        return 0;
}

static int add_top_components(Selection *selection, const vss_value *writer, char **ret_problem) {
        const vss_value *components = vss_value_get(writer, "components");
        size_t n = selection->n;

        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *component = vss_value_at(components, i);
                _cleanup_(freep) char *path = component_path_of(component);
                int r = path ? has_selectable_above(components, path) : -ENOMEM;

                if (r == 0 && vss_value_get_boolean(component, "selectable", false))
                        r = add_component(selection, writer, component);
                if (r < 0)
                        return r;
        }
        if (selection->n > n)
                return 0;
        if (asprintf(ret_problem, "the writer %s has no component that can be chosen now",
                     vss_value_get_string(writer, "name", "")) < 0)
                *ret_problem = NULL;
        return -ENOENT;
}

static int add_named_component(Selection *selection, const vss_value *writer, const char *wanted,
                               char **ret_problem) {
        const vss_value *components = vss_value_get(writer, "components");
        size_t skip = strspn(wanted, "/");

        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *component = vss_value_at(components, i);
                _cleanup_(freep) char *path = component_path_of(component);

                if (!path)
                        return -ENOMEM;
                if (strcmp(path + 1, wanted + skip) == 0)
                        return add_component(selection, writer, component);
        }
        if (asprintf(ret_problem, "the writer %s has no component %s (see vss list components)",
                     vss_value_get_string(writer, "name", ""), wanted) < 0)
                *ret_problem = NULL;
        return -ENOENT;
}

int selection_make(const vss_value *writers, const Strings *specs, Selection *ret_selection,
                   char **ret_problem) {
        _cleanup_(selection_clear) Selection selection = {};

        for (size_t i = 0; i < specs->n; i++) {
                const char *spec = specs->items[i], *colon = strchr(spec, ':');
                const vss_value *writer = find_writer(writers, spec,
                                                      colon ? (size_t)(colon - spec) : strlen(spec));
                int r;

                if (colon && colon[1 + strspn(colon + 1, "/")] == '\0') {
                        if (asprintf(ret_problem, "'%s' names no component after the colon", spec) < 0)
                                *ret_problem = NULL;
                        return -EINVAL;
                }
                if (!writer) {
                        if (asprintf(ret_problem, "there is no writer '%.*s' (see vss list writers)",
                                     (int)(colon ? colon - spec : (ptrdiff_t)strlen(spec)), spec) < 0)
                                *ret_problem = NULL;
                        return -ENOENT;
                }
                r = colon ? add_named_component(&selection, writer, colon + 1, ret_problem)
                          : add_top_components(&selection, writer, ret_problem);
                if (r < 0)
                        return r;
        }
        *ret_selection = selection;
        selection = (Selection){};
        return 0;
}
