/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The view of `vss exec`: what is attached where, and in which order
 *
 * Pure: paths in, steps out. Steps are sorted by depth, so that a deeper one always lies on a shallower one,
 * and what a step lies on is the last step before it whose target contains its own.
 */

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "util/macro.h"
#include "vss/view.h"

#define NOWHERE SIZE_MAX

static int add_step(View *view, ViewKind kind, const char *target, size_t shadow, const char *below) {
        ViewStep *steps = reallocarray(view->steps, view->n + 1, sizeof(*steps)), step = {
                .kind = kind,
                .shadow = shadow,
        };

        if (!steps)
                return -ENOMEM;
        view->steps = steps;
        step.target = strdup(target);
        step.below = strdup(below);
        if (!step.target || !step.below) {
                free(step.target);
                free(step.below);
                return -ENOMEM;
        }
        steps[view->n++] = step;
        return 0;
}

static void remove_step(View *view, size_t index) {
        free(view->steps[index].target);
        free(view->steps[index].below);
        view->n--;
        memmove(&view->steps[index], &view->steps[index + 1], (view->n - index) * sizeof(*view->steps));
}

void view_clear(View *view) {
        while (view->n > 0)
                remove_step(view, view->n - 1);
        free(view->steps);
        *view = (View){};
}

static int compare_steps(const void *a, const void *b) {
        const ViewStep *x = a, *y = b;
        size_t depth_x = path_depth(x->target), depth_y = path_depth(y->target);
        int r;

        if (depth_x != depth_y)
                return depth_x < depth_y ? -1 : 1;
        r = strcmp(x->target, y->target);
        return r != 0 ? r : (int)x->kind - (int)y->kind;
}

static void sort_steps(View *view) {
        if (view->n > 1)
                qsort(view->steps, view->n, sizeof(*view->steps), compare_steps);
}

/* The step before @index that the target of @index lies on. */
static size_t step_under(const View *view, size_t index) {
        for (size_t i = index; i-- > 0;)
                if (path_is_within(view->steps[index].target, view->steps[i].target))
                        return i;
        return NOWHERE;
}

bool view_is_live(const ViewInput *input, const char *path) {
        size_t live = MAX(path_longest_base(path, &input->live),
                          path_longest_base(path, &input->system_live));

        return live > path_longest_base(path, &input->wanted);
}

static bool is_above_any(const char *path, const Strings *paths) {
        for (size_t i = 0; i < paths->n; i++)
                if (path_is_within(paths->items[i], path))
                        return true;
        return false;
}

static bool has_shadow_at(const ViewInput *input, const char *target) {
        for (size_t i = 0; i < input->n_shadows; i++)
                if (strcmp(input->shadows[i].target, target) == 0)
                        return true;
        return false;
}

static int add_shadows(View *view, const ViewInput *input) {
        for (size_t i = 0; i < input->n_shadows; i++) {
                const ViewShadow *shadow = &input->shadows[i];
                int r;

                /* A volume inside a live directory is live with it, unless something on it was asked for. */
                if (view_is_live(input, shadow->target) && !is_above_any(shadow->target, &input->wanted))
                        continue;
                r = add_step(view, VIEW_SHADOW, shadow->target, i, shadow->below);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_masks(View *view, const ViewInput *input) {
        for (size_t i = 0; i < input->left_out.n; i++) {
                const char *path = input->left_out.items[i];
                int r;

                if (path[0] != '/' || has_shadow_at(input, path) || view_is_live(input, path))
                        continue;
                r = add_step(view, VIEW_MASK, path, 0, "");
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_live(View *view, const ViewInput *input) {
        int r;

        for (size_t i = 0; i < input->live.n; i++) {
                r = add_step(view, VIEW_LIVE, input->live.items[i], 0, "");
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < input->read_live.n; i++) {
                r = add_step(view, VIEW_LIVE, input->read_live.items[i], 0, "");
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < input->system_live.n; i++) {
                if (strings_contain(&input->wanted, input->system_live.items[i]))
                        continue;
                r = add_step(view, VIEW_LIVE, input->system_live.items[i], 0, "");
                if (r < 0)
                        return r;
                view->steps[view->n - 1].optional = true;
        }
        return 0;
}

/* File systems beside the paths that were asked for. */
static int add_bystanders(View *view, const ViewInput *input) {
        for (size_t i = 0; i < input->mounts.n; i++) {
                const char *path = input->mounts.items[i];
                int r;

                if (path_longest_base(path, &input->wanted) > 0 || has_shadow_at(input, path) ||
                    strings_contain(&input->left_out, path))
                        continue;
                r = add_step(view, VIEW_LIVE, path, 0, "");
                if (r < 0)
                        return r;
                view->steps[view->n - 1].optional = true;
        }
        return 0;
}

/*
 * Drops what has no effect: the same twice, live things that nothing covers or that come with the live thing
 * above them, and masks inside masks.
 */
static void prune_steps(View *view) {
        for (size_t i = 0; i < view->n;) {
                ViewStep *step = &view->steps[i];
                size_t under = step_under(view, i);
                const ViewStep *base = under == NOWHERE ? NULL : &view->steps[under];
                bool useless = false;

                if (step->kind == VIEW_LIVE)
                        useless = !base || base->kind == VIEW_LIVE;
                if (step->kind == VIEW_MASK)
                        useless = base && base->kind == VIEW_MASK;
                if (step->kind == VIEW_SHADOW)
                        useless = base && base->kind == VIEW_SHADOW &&
                                  strcmp(base->target, step->target) == 0;
                if (useless) {
                        remove_step(view, i);
                        continue;
                }
                step->make_target = base && base->kind == VIEW_MASK;
                i++;
        }
}

static size_t shadow_of(const ViewInput *input, const char *path) {
        size_t found = NOWHERE, longest = 0;

        for (size_t i = 0; i < input->n_shadows; i++) {
                size_t n = strlen(input->shadows[i].target);

                if (path_is_within(path, input->shadows[i].target) && n > longest) {
                        longest = n;
                        found = i;
                }
        }
        return found;
}

/* A path that was asked for inside a live directory: its part of the shadow copy goes on top. */
static int add_wanted_in_live(View *view, const ViewInput *input) {
        size_t n = view->n;

        for (size_t i = 0; i < input->wanted.n; i++) {
                _cleanup_(freep) char *below = NULL;
                const char *path = input->wanted.items[i], *rest;
                size_t top = NOWHERE, shadow = shadow_of(input, path);
                int r;

                for (size_t j = 0; j < n; j++)
                        if (path_is_within(path, view->steps[j].target))
                                top = j;
                if (shadow == NOWHERE || top == NOWHERE || view->steps[top].kind != VIEW_LIVE)
                        continue;

                rest = path_rest(path, input->shadows[shadow].target);
                if (asprintf(&below, "%s%s%s", input->shadows[shadow].below,
                             *input->shadows[shadow].below && *rest ? "/" : "", rest) < 0) {
                        below = NULL;
                        return -ENOMEM;
                }
                r = add_step(view, VIEW_SHADOW, path, shadow, below);
                if (r < 0)
                        return r;
        }
        if (view->n > n)
                sort_steps(view);
        return 0;
}

int view_plan(const ViewInput *input, View *ret_view, const char **ret_conflict) {
        _cleanup_(view_clear) View view = {};
        int r;

        for (size_t i = 0; i < input->live.n; i++)
                for (size_t j = 0; j < input->wanted.n; j++)
                        if (path_is_within(input->wanted.items[j], input->live.items[i])) {
                                *ret_conflict = input->wanted.items[j];
                                return -EEXIST;
                        }

        r = add_shadows(&view, input);
        if (r >= 0)
                r = add_masks(&view, input);
        if (r >= 0)
                r = add_live(&view, input);
        if (r >= 0)
                r = add_bystanders(&view, input);
        if (r < 0)
                return r;

        sort_steps(&view);
        prune_steps(&view);
        r = add_wanted_in_live(&view, input);
        if (r < 0)
                return r;

        view.new_root = view.n > 0 && strcmp(view.steps[0].target, "/") == 0;
        *ret_view = view;
        view = (View){};
        return 0;
}
