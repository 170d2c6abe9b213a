/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Selection: which components a backup has
 *
 * Choosing marks nodes of each writer's tree as explicit, or as dropped with a reason, until nothing changes
 * any more; what comes with what follows from the marks (component-tree.h).
 */

#include <search.h>
#include <stdarg.h>
#include <string.h>
#include "model/component.h"
#include "model/selection.h"

enum { VOLUMES_MAX = 4096 };

typedef struct Part {
        const vss_value *metadata;
        ComponentTree tree;
        bool *is_explicit, *is_followed;
        ssize_t *owners;
        char **reasons; /* why explicit; in selection_choose() at first why dropped */
        char *dropped;  /* why all of it */
} Part;

typedef struct Chooser {
        const SelectionOptions *options;
        Part *parts;
        size_t n;
        vss_value *result;
        bool changed, no_memory;
} Chooser;

static void chooser_clear(Chooser *chooser) {
        for (size_t i = 0; i < chooser->n; i++) {
                Part *part = &chooser->parts[i];

                for (size_t j = 0; part->reasons && j < part->tree.n; j++)
                        free(part->reasons[j]);
                free(part->reasons);
                free(part->is_explicit);
                free(part->is_followed);
                free(part->owners);
                free(part->dropped);
                component_tree_clear(&part->tree);
        }
        free(chooser->parts);
        vss_value_free(chooser->result);
}

static int chooser_init(Chooser *chooser, const vss_value *writers, const SelectionOptions *options) {
        static const SelectionOptions none = { 0 };
        static const char *const lists[] = {
                "explicit", "implicit", "paths", "volumes", "problems", "remote"
        };

        *chooser = (Chooser){ .options = options ?: &none,
                              .parts = calloc(vss_value_count(writers) + 1, sizeof(*chooser->parts)),
                              .result = vss_value_new_dict() };
        if (!chooser->parts || !chooser->result)
                return -ENOMEM;
        FOREACH_ELEMENT (key, lists)
                if (!value_require(chooser->result, *key, VSS_KIND_LIST))
                        return -ENOMEM;
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                Part *part = &chooser->parts[chooser->n];
                size_t n;

                part->metadata = vss_value_at(writers, i);
                if (component_tree_init(&part->tree, vss_value_get(part->metadata, "components")) < 0)
                        return -ENOMEM;
                chooser->n++;
                n = part->tree.n + 1;
                part->is_explicit = calloc(n, sizeof(*part->is_explicit));
                part->is_followed = calloc(n, sizeof(*part->is_followed));
                part->owners = calloc(n, sizeof(*part->owners));
                part->reasons = calloc(n, sizeof(*part->reasons));
                if (!part->is_explicit || !part->is_followed || !part->owners || !part->reasons)
                        return -ENOMEM;
        }
        return 0;
}

static const char *name_of(const Part *part) {
        return vss_value_get_string(part->metadata, "name", "");
}

static ComponentLabel label_of(const Part *part, size_t node) {
        const vss_value *component = part->tree.nodes[node].component;

        return component_label(component_logical_path(component), component_name(component));
}

/* By name, class or instance. */
static bool is_writer(const Part *part, const char *name) {
        static const char *const keys[] = { "name", "id", "instance-id" };

        FOREACH_ELEMENT (key, keys)
                if (*name && strcmp(vss_value_get_string(part->metadata, *key, ""), name) == 0)
                        return true;
        return false;
}

/* Into a list of the result: the key of a component, to which the caller adds. NULL without memory. */
static vss_value *add_entry(Chooser *chooser, const char *list, const char *writer, const char *logical_path,
                            const char *name) {
        vss_value *into = value_require(chooser->result, list, VSS_KIND_LIST), *entry = vss_value_new_dict();

        (void)vss_value_set_string(entry, "writer", writer);
        (void)vss_value_set_string(entry, "logical-path", logical_path);
        if (vss_value_set_string(entry, "name", name) < 0) {
                vss_value_free(entry);
                entry = NULL;
        }
        if (!into || vss_value_append(into, entry) < 0) {
                chooser->no_memory = true;
                return NULL;
        }
        return value_at_mutable(into, vss_value_count(into) - 1);
}

static vss_value *add_node(Chooser *chooser, const char *list, const Part *part, size_t node) {
        const vss_value *component = part->tree.nodes[node].component;

        return add_entry(chooser, list, name_of(part), component_logical_path(component),
                         component_name(component));
}

static void add_problem(Chooser *chooser, const vss_value *wanted, vss_result code, const char *format, ...)
        _printf_(4, 5);

static void add_problem(Chooser *chooser, const vss_value *wanted, vss_result code, const char *format,
                        ...) {
        vss_value *entry = add_entry(chooser, "problems", vss_value_get_string(wanted, "writer", ""),
                                     component_logical_path(wanted), component_name(wanted));
        _cleanup_(freep) char *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        if (!text || vss_value_set_integer(entry, "code", code) < 0 ||
            vss_value_set_string(entry, "reason", text) < 0)
                chooser->no_memory = true;
        value_make_utf8(entry);
}

static void set_reason(Chooser *chooser, char **reason, const char *format, ...) _printf_(3, 4);

static void set_reason(Chooser *chooser, char **reason, const char *format, ...) {
        va_list args;

        if (*reason)
                return;
        va_start(args, format);
        if (vasprintf(reason, format, args) < 0) {
                *reason = NULL;
                chooser->no_memory = true;
        }
        va_end(args);
        chooser->changed = true;
}

/* Marking */

/* The explicit component that brings @node along, itself if it can be explicit. */
static size_t explicit_for(const Chooser *chooser, const Part *part, size_t node) {
        const ComponentNode *nodes = part->tree.nodes;

        if (!nodes[node].selectable && nodes[node].selectable_above >= 0)
                return (size_t)nodes[node].selectable_above;
        while (chooser->options->top_level_only && !nodes[node].selectable && nodes[node].above >= 0)
                node = (size_t)nodes[node].above;
        return node;
}

static bool has_explicit_above(const Part *part, size_t node) {
        for (ssize_t at = part->tree.nodes[node].selectable_above; at >= 0;
             at = part->tree.nodes[at].selectable_above)
                if (part->is_explicit[at])
                        return true;
        return false;
}

static void mark(Chooser *chooser, Part *part, size_t node, const char *reason) {
        node = explicit_for(chooser, part, node);
        if (part->is_explicit[node] || has_explicit_above(part, node))
                return;
        part->is_explicit[node] = true;
        set_reason(chooser, &part->reasons[node], "%s", reason);
        chooser->changed = true;
}

/* What the writer must have, if it has anything. */
static void mark_required(Chooser *chooser, Part *part) {
        bool any = false;

        for (size_t i = 0; i < part->tree.n; i++)
                any = any || part->is_explicit[i];
        for (size_t i = 0; any && i < part->tree.n; i++)
                if (component_tree_is_required(&part->tree, i))
                        mark(chooser, part, i, "The writer's components need it.");
}

/* What has come to be covered by a later one above it. */
static void unmark_covered(Part *part) {
        for (size_t i = 0; i < part->tree.n; i++)
                if (part->is_explicit[i] && part->tree.nodes[i].selectable && has_explicit_above(part, i))
                        part->is_explicit[i] = false;
}

static bool is_remote(const char *logical_path) {
        return strncmp(logical_path, "//", 2) == 0 || strncmp(logical_path, "\\\\", 2) == 0;
}

static void add_remote(Chooser *chooser, const Part *part, size_t node, const vss_value *dependency) {
        vss_value *entry = add_node(chooser, "remote", part, node);

        if (vss_value_set_string(entry, "on-logical-path", component_logical_path(dependency)) < 0 ||
            vss_value_set_string(entry, "on-name", component_name(dependency)) < 0)
                chooser->no_memory = true;
}

/* Calls @each for every instance of the writer that has the component. Return: how many. */
static size_t find_target(Chooser *chooser, const vss_value *dependency,
                          void (*each)(Chooser *chooser, Part *part, size_t node, void *userdata),
                          void *userdata) {
        const char *id = vss_value_get_string(dependency, "writer-id", "");
        size_t n = 0;

        for (size_t i = 0; i < chooser->n; i++) {
                Part *part = &chooser->parts[i];
                ssize_t node = is_writer(part, id)
                                       ? component_tree_find(&part->tree, component_logical_path(dependency),
                                                             component_name(dependency))
                                       : -1;

                if (node < 0)
                        continue;
                each(chooser, part, (size_t)node, userdata);
                n++;
        }
        return n;
}

static void mark_target(Chooser *chooser, Part *part, size_t node, void *userdata) {
        mark(chooser, part, node, userdata);
}

static void follow(Chooser *chooser, Part *part, size_t node) {
        const vss_value *dependencies = vss_value_get(part->tree.nodes[node].component, "dependencies");
        const ComponentLabel label = label_of(part, node);
        char reason[COMPONENT_LABEL_SIZE + 320];

        part->is_followed[node] = true;
        (void)snprintf(reason, sizeof(reason), "Component \"%s\" of %.255s depends on it.", label.text,
                       name_of(part));
        for (size_t i = 0; i < vss_value_count(dependencies); i++) {
                const vss_value *dependency = vss_value_at(dependencies, i);

                if (is_remote(component_logical_path(dependency)))
                        add_remote(chooser, part, node, dependency);
                else if (find_target(chooser, dependency, mark_target, reason) == 0) {
                        _cleanup_value_ vss_value *wanted = vss_value_new_dict();

                        (void)vss_value_set_string(wanted, "writer", name_of(part));
                        (void)vss_value_set_string(wanted, "logical-path",
                                                   component_logical_path(part->tree.nodes[node].component));
                        (void)vss_value_set_string(wanted, "name",
                                                   component_name(part->tree.nodes[node].component));
                        add_problem(chooser, wanted, VSS_E_OBJECT_NOT_FOUND,
                                    "It depends on \"%s\" of writer %.64s, which is not there.",
                                    component_label(component_logical_path(dependency),
                                                    component_name(dependency))
                                            .text,
                                    vss_value_get_string(dependency, "writer-id", ""));
                }
        }
}

static void mark_wanted(Chooser *chooser, const vss_value *wanted) {
        const char *writer = vss_value_get_string(wanted, "writer", "");
        const char *logical_path = component_logical_path(wanted), *name = component_name(wanted);
        const ComponentLabel label = component_label(logical_path, name);
        bool found = false, found_writer = false;

        for (size_t i = 0; i < chooser->n; i++) {
                Part *part = &chooser->parts[i];
                ssize_t node;

                if (!is_writer(part, writer))
                        continue;
                found_writer = true;
                for (size_t j = 0; !*name && j < part->tree.n; j++)
                        if (part->tree.nodes[j].selectable_above < 0)
                                mark(chooser, part, j, "All of the writer was chosen.");
                node = *name ? component_tree_find(&part->tree, logical_path, name) : -1;
                found = found || !*name || node >= 0;
                if (node < 0)
                        continue;
                if (part->tree.nodes[node].selectable ||
                    component_tree_is_required(&part->tree, (size_t)node))
                        mark(chooser, part, (size_t)node, "It was chosen.");
                else
                        add_problem(
                                chooser, wanted, VSS_E_INVALIDARG,
                                "Component \"%s\" of %s cannot be chosen by itself: it comes with \"%s\".",
                                label.text, name_of(part),
                                label_of(part, (size_t)part->tree.nodes[node].selectable_above).text);
        }
        if (!found_writer)
                add_problem(chooser, wanted, VSS_E_OBJECT_NOT_FOUND,
                            "There is no writer %s. See vss list writers.", writer);
        else if (!found)
                add_problem(chooser, wanted, VSS_E_OBJECT_NOT_FOUND,
                            "Writer %s has no component \"%s\". See vss list components.", writer,
                            label.text);
}

/* The result */

typedef struct Place {
        const char *path;
        bool is_first;
} Place;

static int compare_places(const void *a, const void *b) {
        const Place *pa = a, *pb = b;

        return strcmp(pa->path, pb->path);
}

static void add_volume(Chooser *chooser, int64_t device) {
        vss_value *volumes = value_get_mutable(chooser->result, "volumes");

        for (size_t i = 0; i < vss_value_count(volumes); i++)
                if (vss_value_integer(vss_value_at(volumes, i), -1) == device)
                        return;
        if (vss_value_count(volumes) < VOLUMES_MAX &&
            vss_value_append(volumes, vss_value_new_integer(device)) < 0)
                chooser->no_memory = true;
}

/* Where the files of a set are read: the alternate path, if there is one. */
static void add_path(Chooser *chooser, void **seen, const Part *part, const vss_value *set) {
        const char *alternate = vss_value_get_string(set, "alternate-path", "");
        const char *path = *alternate ? alternate : vss_value_get_string(set, "path", "");
        const vss_value *device = vss_value_get(set, *alternate ? "alternate-device" : "device");
        Place *place = calloc(1, sizeof(*place)), **found;
        vss_value *entry;

        if (place)
                place->path = path;
        found = place ? tsearch(place, seen, compare_places) : NULL;
        if (!found || *found != place)
                free(place);
        if (!found)
                chooser->no_memory = true;
        if (device)
                add_volume(chooser, vss_value_integer(device, 0));
        if (!found || *found != place)
                return;
        entry = vss_value_new_dict();
        (void)vss_value_set_string(entry, "path", path);
        (void)vss_value_set_string(entry, "writer", name_of(part));
        if (device)
                (void)vss_value_set(entry, "device", vss_value_copy(device));
        if (vss_value_append(value_get_mutable(chooser->result, "paths"), entry) < 0)
                chooser->no_memory = true;
}

static void tell_node(Chooser *chooser, void **seen, const Part *part, size_t node) {
        const vss_value *files = vss_value_get(part->tree.nodes[node].component, "files"), *owner;
        vss_value *entry, *with;

        if (part->owners[node] < 0)
                return;
        for (size_t i = 0; i < vss_value_count(files); i++)
                add_path(chooser, seen, part, vss_value_at(files, i));
        if (part->is_explicit[node]) {
                entry = add_node(chooser, "explicit", part, node);
                (void)vss_value_set_integer(
                        entry, "type",
                        vss_value_get_integer(part->tree.nodes[node].component, "type", VSS_CT_UNDEFINED));
                if (vss_value_set_string(entry, "reason", part->reasons[node]) < 0)
                        chooser->no_memory = true;
                value_make_utf8(entry);
                return;
        }
        owner = part->tree.nodes[part->owners[node]].component;
        entry = add_node(chooser, "implicit", part, node);
        with = value_require(entry, "with", VSS_KIND_DICT);
        (void)vss_value_set_string(with, "logical-path", component_logical_path(owner));
        if (vss_value_set_string(with, "name", component_name(owner)) < 0)
                chooser->no_memory = true;
}

static vss_result finish(Chooser *chooser, vss_value **ret_selection) {
        void *seen = NULL;

        for (size_t i = 0; i < chooser->n; i++) {
                Part *part = &chooser->parts[i];

                component_tree_owners(&part->tree, part->is_explicit, part->owners);
                for (size_t j = 0; j < part->tree.n; j++)
                        tell_node(chooser, &seen, part, j);
        }
        tdestroy(seen, free);
        if (chooser->no_memory)
                return VSS_E_OUTOFMEMORY;
        *ret_selection = TAKE_PTR(chooser->result);
        return VSS_S_OK;
}

/* What is chosen now is followed, until nothing new comes of it. */
static void follow_all(Chooser *chooser) {
        do {
                chooser->changed = false;
                for (size_t i = 0; i < chooser->n; i++) {
                        Part *part = &chooser->parts[i];

                        mark_required(chooser, part);
                        component_tree_owners(&part->tree, part->is_explicit, part->owners);
                        for (size_t j = 0; j < part->tree.n; j++)
                                if (part->owners[j] >= 0 && !part->is_followed[j])
                                        follow(chooser, part, j);
                }
        } while (chooser->changed && !chooser->no_memory);
}

vss_result selection_expand(const vss_value *writers, const vss_value *wanted,
                            const SelectionOptions *options, vss_value **ret_selection) {
        _cleanup_(chooser_clear) Chooser chooser = { 0 };

        if (chooser_init(&chooser, writers, options) < 0)
                return VSS_E_OUTOFMEMORY;
        for (size_t i = 0; i < vss_value_count(wanted); i++)
                mark_wanted(&chooser, vss_value_at(wanted, i));
        follow_all(&chooser);
        for (size_t i = 0; i < chooser.n; i++)
                unmark_covered(&chooser.parts[i]);
        return finish(&chooser, ret_selection);
}

/* Dropping */

static void drop_left_out(Chooser *chooser) {
        const vss_value *list = chooser->options->leave_out;

        for (size_t i = 0; i < vss_value_count(list); i++)
                for (size_t j = 0; j < chooser->n; j++) {
                        const vss_value *left_out = vss_value_at(list, i);
                        Part *part = &chooser->parts[j];
                        ssize_t node;

                        if (!is_writer(part, vss_value_get_string(left_out, "writer", "")))
                                continue;
                        if (!*component_name(left_out)) {
                                set_reason(chooser, &part->dropped, "It was left out on request.");
                                continue;
                        }
                        node = component_tree_find(&part->tree, component_logical_path(left_out),
                                                   component_name(left_out));
                        if (node >= 0)
                                set_reason(chooser, &part->reasons[node], "It was left out on request.");
                }
}

static void drop_refused(Chooser *chooser) {
        const SelectionOptions *options = chooser->options;

        for (size_t i = 0; options->refuse && i < chooser->n; i++)
                for (size_t j = 0; j < chooser->parts[i].tree.n; j++) {
                        Part *part = &chooser->parts[i];
                        const vss_value *files = vss_value_get(part->tree.nodes[j].component, "files");

                        for (size_t k = 0; !part->reasons[j] && k < vss_value_count(files); k++) {
                                const vss_value *set = vss_value_at(files, k);
                                const char *why = options->refuse(options->userdata, part->metadata, set);

                                if (why)
                                        set_reason(chooser, &part->reasons[j], "Its files in %.256s: %s",
                                                   vss_value_get_string(set, "path", ""), why);
                        }
                }
}

static void drop_if_target_is(Chooser *chooser, Part *part, size_t node, void *userdata) {
        bool *all_dropped = userdata;

        if (!part->dropped && !part->reasons[node])
                *all_dropped = false;
}

static void drop_dependent(Chooser *chooser, Part *part, size_t node) {
        const vss_value *dependencies = vss_value_get(part->tree.nodes[node].component, "dependencies");

        for (size_t i = 0; i < vss_value_count(dependencies) && !part->reasons[node]; i++) {
                const vss_value *dependency = vss_value_at(dependencies, i);
                bool all_dropped = true;
                size_t n;

                if (is_remote(component_logical_path(dependency)))
                        continue;
                n = find_target(chooser, dependency, drop_if_target_is, &all_dropped);
                if (all_dropped)
                        set_reason(chooser, &part->reasons[node],
                                   "It depends on \"%s\" of writer %.64s, which %s.",
                                   component_label(component_logical_path(dependency),
                                                   component_name(dependency))
                                           .text,
                                   vss_value_get_string(dependency, "writer-id", ""),
                                   n == 0 ? "is not there" : "is left out");
        }
}

/* Without all of the selectable ones above it there is no way to choose it. */
static void drop_orphan(Chooser *chooser, Part *part, size_t node) {
        const ComponentNode *nodes = part->tree.nodes;
        ssize_t above = nodes[node].selectable_above;

        if (part->reasons[node] || nodes[node].selectable || above < 0)
                return;
        for (ssize_t at = above; at >= 0; at = nodes[at].selectable_above)
                if (!part->reasons[at])
                        return;
        set_reason(chooser, &part->reasons[node], "It comes only with \"%s\", which is left out.",
                   label_of(part, (size_t)above).text);
}

static void drop_consequences(Chooser *chooser, Part *part) {
        for (size_t i = 0; i < part->tree.n && !part->dropped; i++) {
                ssize_t above = part->tree.nodes[i].above;

                drop_dependent(chooser, part, i);
                drop_orphan(chooser, part, i);
                if (!part->reasons[i])
                        continue;
                if (above >= 0)
                        set_reason(chooser, &part->reasons[above],
                                   "It would be incomplete without \"%s\", which is left out.",
                                   label_of(part, i).text);
                if (component_tree_is_required(&part->tree, i))
                        set_reason(
                                chooser, &part->dropped,
                                "Its components cannot be backed up without \"%s\", which is left out: %s",
                                label_of(part, i).text, part->reasons[i]);
        }
}

static void tell_dropped(Chooser *chooser, const Part *part, ssize_t node, const char *reason) {
        vss_value *entry = node < 0 ? add_entry(chooser, "dropped", name_of(part), "", "")
                                    : add_node(chooser, "dropped", part, (size_t)node);

        if (vss_value_set_string(entry, "reason", reason) < 0)
                chooser->no_memory = true;
        value_make_utf8(entry);
}

/* The reasons for leaving out have been told; now the ones for taking in. */
static void keep_rest(Chooser *chooser, Part *part) {
        _cleanup_(freep) bool *is_kept = calloc(part->tree.n + 1, sizeof(*is_kept));

        if (!is_kept) {
                chooser->no_memory = true;
                return;
        }
        for (size_t i = 0; i < part->tree.n; i++) {
                is_kept[i] = !part->dropped && !part->reasons[i];
                if (part->reasons[i])
                        tell_dropped(chooser, part, (ssize_t)i, part->reasons[i]);
                free(part->reasons[i]);
                part->reasons[i] = NULL;
        }
        if (part->tree.n == 0)
                set_reason(chooser, &part->dropped, "It has no components.");
        if (part->dropped)
                tell_dropped(chooser, part, -1, part->dropped);
        for (size_t i = 0; i < part->tree.n; i++)
                if (is_kept[i] &&
                    (part->tree.nodes[i].selectable || component_tree_is_required(&part->tree, i)))
                        mark(chooser, part, i, "Its files are on the volumes.");
        unmark_covered(part);
}

vss_result selection_choose(const vss_value *writers, const SelectionOptions *options,
                            vss_value **ret_selection) {
        _cleanup_(chooser_clear) Chooser chooser = { 0 };

        if (chooser_init(&chooser, writers, options) < 0 ||
            !value_require(chooser.result, "dropped", VSS_KIND_LIST))
                return VSS_E_OUTOFMEMORY;
        drop_left_out(&chooser);
        drop_refused(&chooser);
        do {
                chooser.changed = false;
                for (size_t i = 0; i < chooser.n; i++)
                        drop_consequences(&chooser, &chooser.parts[i]);
        } while (chooser.changed && !chooser.no_memory);
        for (size_t i = 0; i < chooser.n; i++)
                keep_rest(&chooser, &chooser.parts[i]);
        return finish(&chooser, ret_selection);
}

bool selection_includes(const vss_value *selection, const char *writer, const char *logical_path,
                        const char *name) {
        static const char *const lists[] = { "explicit", "implicit" };

        FOREACH_ELEMENT (key, lists) {
                const vss_value *list = vss_value_get(selection, *key);

                for (size_t i = 0; i < vss_value_count(list); i++) {
                        const vss_value *entry = vss_value_at(list, i);

                        if (strcmp(vss_value_get_string(entry, "writer", ""), writer) == 0 &&
                            component_is(entry, logical_path, name))
                                return true;
                }
        }
        return false;
}
