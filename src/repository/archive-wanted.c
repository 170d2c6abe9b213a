/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What was asked for, and where it is read
 *
 * Paths become a tree of names. Where something is read from elsewhere, only its parents' names come from
 * the place that it has in the point; these need not be there then.
 */

#include <string.h>
#include "files/beneath.h"
#include "repository/archive-internal.h"

/* The index of @name, or where it belongs. */
static size_t find_slot(const Wanted *wanted, const char *name, size_t length, bool *ret_found) {
        size_t low = 0, high = wanted->n;

        while (low < high) {
                size_t middle = (low + high) / 2;
                const char *other = wanted->children[middle]->name;
                int r = strncmp(name, other, length);

                if (r == 0 && other[length] != '\0')
                        r = -1;
                if (r == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (r < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        *ret_found = false;
        return low;
}

const Wanted *wanted_find(const Wanted *wanted, const char *name) {
        bool found;
        size_t slot = find_slot(wanted, name, strlen(name), &found);

        return found ? wanted->children[slot] : NULL;
}

/* Makes room for @name among the children, in the order of nodes, or finds it. */
static Wanted *want_child(Arena *arena, Wanted *wanted, const char *name, size_t length) {
        Wanted *child;
        bool found;
        size_t slot = find_slot(wanted, name, length, &found);

        if (found)
                return wanted->children[slot];
        if (wanted->n == wanted->capacity) {
                size_t capacity = wanted->capacity * 2 + 4;
                Wanted **children = arena_alloc(arena, capacity * sizeof(*children));

                if (!children)
                        return NULL;
                if (wanted->n > 0)
                        memcpy(children, wanted->children, wanted->n * sizeof(*children));
                wanted->children = children;
                wanted->capacity = capacity;
        }
        child = arena_alloc(arena, sizeof(*child));
        if (!child || !(child->name = arena_copy(arena, name, length)))
                return NULL;
        child->made_up = true;
        memmove(wanted->children + slot + 1, wanted->children + slot,
                (wanted->n - slot) * sizeof(*wanted->children));
        wanted->children[slot] = child;
        wanted->n++;
        return child;
}

int wanted_add(Arena *arena, Wanted *root, const ArchivePath *path) {
        const char *rest = path->path;
        Wanted *at = root;

        if (*rest != '/')
                return -EINVAL;
        for (;;) {
                size_t n;

                rest += strspn(rest, "/");
                n = strcspn(rest, "/");
                at->made_up &= path->source && n > 0;
                if (n == 0)
                        break;
                at = want_child(arena, at, rest, n);
                if (!at)
                        return -ENOMEM;
                rest += n;
        }
        at->asked = true;
        at->mount_point = path->mount_point;
        at->whole |= !path->shallow;
        at->from = path->source ? path : NULL;
        return 0;
}

/* What lies in something that is taken whole is whole, too. */
void wanted_spread(Wanted *wanted) {
        for (size_t i = 0; i < wanted->n; i++) {
                wanted->children[i]->whole |= wanted->whole;
                wanted_spread(wanted->children[i]);
        }
}

void place_close(Place *place) {
        closep(&place->owned);
}

int dir_find_place(const Dir *dir, size_t slot, Place *ret_place) {
        const Wanted *wanted = dir_find_wanted(dir, slot);
        const ArchivePath *from = wanted ? wanted->from : NULL;

        *ret_place = (Place){ .fd = dir->fd, .name = dir->nodes[slot].name, .owned = -1 };
        if (!from)
                return dir->fd < 0 ? -ENOENT : 0;
        ret_place->fd = ret_place->owned = beneath_open_parent(from->source_fd, from->source, false,
                                                               &ret_place->name);
        return MIN(ret_place->owned, 0);
}

const Wanted *dir_find_wanted(const Dir *dir, size_t slot) {
        if (!dir->wanted)
                return NULL;
        return dir->wanted->whole ? wanted_find(dir->wanted, dir->nodes[slot].name)
                                  : dir->wanted->children[slot];
}
