/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Checks over a whole document
 *
 * What was seen is kept in a tree of keys, as there may be many thousands.
 */

#include <search.h>
#include <string.h>
#include "documents/check.h"

typedef struct Key {
        uint64_t line;
        size_t index;
        char text[];
} Key;

static int compare(const void *a, const void *b) {
        const Key *ka = a, *kb = b;

        return strcmp(ka->text, kb->text);
}

void checks_deinit(Checks *checks) {
        tdestroy(checks->keys, free);
        checks->keys = NULL;
}

static Key *key_new(const char *scope, const char *a, const char *b) {
        size_t size = strlen(scope) + strlen(a) + strlen(b) + 3;
        Key *key = calloc(1, sizeof(*key) + size);

        if (key)
                (void)snprintf(key->text, size, "%s\001%s\001%s", scope, a, b);
        return key;
}

int checks_add(Checks *checks, const char *scope, const char *a, const char *b, size_t index, uint64_t line,
               uint64_t *ret_line) {
        Key *key = key_new(scope, a, b), **found;

        if (!key)
                return -ENOMEM;
        key->index = index;
        key->line = line;
        found = tsearch(key, &checks->keys, compare);
        if (found && *found == key)
                return 0;
        if (found)
                *ret_line = (*found)->line;
        free(key);
        return found ? -EEXIST : -ENOMEM;
}

static int find(Checks *checks, const vss_value *dict, const Key **ret_key) {
        _cleanup_(freep)
                Key *key = key_new(CHECKS_COMPONENTS, vss_value_get_string(dict, "logical-path", ""),
                                   vss_value_get_string(dict, "name", ""));
        Key **found;

        if (!key)
                return -ENOMEM;
        found = tfind(key, &checks->keys, compare);
        *ret_key = found ? *found : NULL;
        return 0;
}

enum Mark { UNSEEN, ON_THE_WAY, DONE };

typedef struct Step {
        size_t component, dependency;
} Step;

typedef struct Walk {
        Checks *checks;
        const vss_value *components;
        const char *writer;
        unsigned char *marks;
        Step *steps; /* from the component where the walk began */
        size_t depth;
} Walk;

/* One step on: to what the last component depends on next, or back. Return: 0, -ELOOP, -ENOMEM. */
static int walk_on(Walk *walk) {
        Step *step = &walk->steps[walk->depth - 1];
        const vss_value *component = vss_value_at(walk->components, step->component),
                        *dependency = vss_value_at(vss_value_get(component, "dependencies"),
                                                   step->dependency++);
        const Key *key;
        int r;

        if (!dependency) {
                walk->marks[step->component] = DONE;
                walk->depth--;
                return 0;
        }
        if (strcmp(vss_value_get_string(dependency, "writer-id", ""), walk->writer) != 0)
                return 0;
        r = find(walk->checks, dependency, &key);
        if (r < 0 || !key || walk->marks[key->index] == DONE)
                return r;
        if (walk->marks[key->index] == ON_THE_WAY)
                return -ELOOP;
        walk->marks[key->index] = ON_THE_WAY;
        walk->steps[walk->depth++] = (Step){ .component = key->index };
        return 0;
}

int checks_dependencies(Checks *checks, const vss_value *metadata, const vss_value **ret_component,
                        uint64_t *ret_line) {
        const vss_value *components = vss_value_get(metadata, "components");
        size_t n = vss_value_count(components);
        _cleanup_(freep) unsigned char *marks = calloc(n + 1, 1);
        _cleanup_(freep) Step *steps = calloc(n + 1, sizeof(*steps));
        Walk walk = { .checks = checks,
                      .components = components,
                      .writer = vss_value_get_string(metadata, "id", ""),
                      .marks = marks,
                      .steps = steps };

        if (!marks || !steps)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                if (marks[i] != UNSEEN)
                        continue;
                marks[i] = ON_THE_WAY;
                steps[0] = (Step){ .component = i };
                walk.depth = 1;
                while (walk.depth > 0) {
                        const Key *key = NULL;
                        int r = walk_on(&walk);

                        if (r >= 0)
                                continue;
                        *ret_component = vss_value_at(components, steps[walk.depth - 1].component);
                        if (find(checks, *ret_component, &key) >= 0 && key)
                                *ret_line = key->line;
                        return r;
                }
        }
        return 0;
}
