/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The view of `vss exec`: what is attached where, and in which order
 *
 * In the command's mount namespace the shadow copies lie over the original mount points. This part only
 * plans; namespace.h does it. The rules:
 *
 *   - a shadow copy covers its mount point, and so everything that is mounted below it;
 *   - what was left out of the set is an empty directory: never a live file below a path that was asked for;
 *   - the system's own directories (and what --live names) stay live, but not a path that was asked for
 * inside them: the longer path decides;
 *   - file systems that are mounted beside the paths asked for stay live too, although a shadow copy of the
 *     volume above covers them: the set says nothing about them, and the command may need them.
 */

#include "vss/stringlist.h"

typedef enum ViewKind {
        VIEW_SHADOW, /* attach the shadow copy, or the part of it at "below" */
        VIEW_MASK,   /* attach something empty and read-only */
        VIEW_LIVE,   /* attach what was there before, with all below it */
} ViewKind;

typedef struct ViewStep {
        ViewKind kind;
        char *target;
        size_t shadow;    /* VIEW_SHADOW: index into the input */
        char *below;      /* VIEW_SHADOW: path inside the device object, "" for its root */
        bool optional;    /* VIEW_LIVE: nobody asked for it by name, it may be missing */
        bool make_target; /* the target lies in a mask, so that it has to be made there first */
} ViewStep;

typedef struct View {
        ViewStep *steps;
        size_t n;
        bool new_root; /* "/" is covered: build beside it and change the root */
} View;

typedef struct ViewShadow {
        const char *target; /* the mount point, or a nested volume's root */
        const char *below;  /* path inside the device object that belongs at the target */
} ViewShadow;

typedef struct ViewInput {
        const ViewShadow *shadows;
        size_t n_shadows;
        Strings wanted;      /* what was asked for */
        Strings left_out;    /* mount points, and other paths, that are not in the set */
        Strings live;        /* --live */
        Strings read_live;   /* what was asked for, and has no shadow copy */
        Strings system_live; /* /dev /proc /sys /run /tmp, those that exist */
        Strings mounts;      /* every mount point there is */
} ViewInput;

/*
 * view_plan() - the steps in the order in which they have to be done
 * @ret_conflict: on -EEXIST the path asked for that a --live path would cover; borrowed from @input
 * Return: 0, -EEXIST, or -ENOMEM.
 */
int view_plan(const ViewInput *input, View *ret_view, const char **ret_conflict);
void view_clear(View *view);

/* Does @path stay live by --live or because it belongs to the system? */
bool view_is_live(const ViewInput *input, const char *path);
