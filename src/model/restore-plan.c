/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restore: what is put where, and when
 */

#include <stdarg.h>
#include <string.h>
#include "model/component.h"
#include "model/restore-items.h"
#include "model/restore-plan.h"
#include "model/selection.h"
#include "util/utf8.h"

struct RestorePlan {
        const RestorePlanInput *input; /* while it is made */
        enum vss_restore_method method;
        const char *unit;
        bool stop_unit, restart_unit;
        RestoreStep *steps;
        size_t n_steps;
        RestoreAction *actions;
        size_t n_actions, allocated;
};

RestorePlan *restore_plan_free(RestorePlan *plan) {
        if (!plan)
                return NULL;
        for (size_t i = 0; i < plan->n_actions; i++) {
                free(plan->actions[i].source);
                free(plan->actions[i].destination);
        }
        free(plan->actions);
        free(plan->steps);
        free(plan);
        return NULL;
}

DEFINE_CLEANUP(RestorePlan *, restore_plan_free)

static void set_reason(RestoreStep *step, RestoreOutcome outcome, const char *format, ...) _printf_(3, 4);

static void set_reason(RestoreStep *step, RestoreOutcome outcome, const char *format, ...) {
        va_list args;

        step->outcome = outcome;
        va_start(args, format);
        (void)vsnprintf(step->reason, sizeof(step->reason), format, args);
        va_end(args);
        (void)text_make_utf8(step->reason);
}

static vss_result expand(const RestorePlan *plan, const char *path, char **ret_path, Why *why) {
        return filespec_expand(path, plan->input->lookup, plan->input->userdata, ret_path, why);
}

/* Deciding */

/* May all that is left go there, and what lies there? */
typedef struct Survey {
        bool all_have_place; /* each has one of this kind */
        bool exists, replaceable;
        const char *refused, *refused_path;
        const char *without; /* a file set that has none */
} Survey;

static const char *place_of(const RestoreItem *item, RestorePlace place) {
        if (item->new_target)
                return item->new_target;
        return place == RESTORE_PLACE_MAPPING ? item->mapping : item->directory;
}

static Survey survey(const RestorePlan *plan, const RestoreItems *items, RestorePlace place) {
        const RestorePlanInput *input = plan->input;
        Survey s = { .all_have_place = true, .replaceable = true };

        for (size_t i = 0; i < items->n; i++) {
                const RestoreItem *item = &items->items[i];
                const char *directory = place_of(item, place);
                RestorePlace kind = item->new_target ? RESTORE_PLACE_NEW_TARGET : place;
                RestoreFacts facts = { .replaceable = true };
                const char *refused;

                if (item->directed)
                        continue;
                if (!directory) {
                        s.all_have_place = false;
                        s.without = item->directory;
                        continue;
                }
                refused = input->refuse ? input->refuse(input->userdata, kind, directory) : NULL;
                if (refused && !s.refused) {
                        s.refused = refused;
                        s.refused_path = directory;
                }
                if (input->look)
                        facts = input->look(input->userdata, item->component, item->set, directory);
                /* The requester has chosen to put it there, whatever there is. */
                s.exists = s.exists || (facts.exists && !item->new_target);
                s.replaceable = s.replaceable && (!facts.exists || facts.replaceable);
        }
        return s;
}

static bool is_refused(RestoreStep *step, const Survey *s) {
        if (!s->refused)
                return false;
        set_reason(step, RESTORE_NOTHING, "Nothing may be restored to \"%.180s\": %s", s->refused_path,
                   s->refused);
        return true;
}

/* To the mappings of all files, after something else was not possible; @why_not says what. */
static void use_mappings(const RestorePlan *plan, RestoreStep *step, const RestoreItems *items,
                         bool only_if_empty, const char *why_not) {
        Survey s = survey(plan, items, RESTORE_PLACE_MAPPING);

        step->place = RESTORE_PLACE_MAPPING;
        if (!s.all_have_place)
                set_reason(step, RESTORE_NOTHING, "%s, and there is no alternate location for \"%.120s\".",
                           why_not, s.without);
        else if (is_refused(step, &s))
                ;
        else if (only_if_empty && s.exists)
                set_reason(step, RESTORE_NOTHING, "%s, and there are some at the alternate location, too.",
                           why_not);
        else if (!s.replaceable)
                set_reason(step, RESTORE_NOTHING, "%s, nor can those at the alternate location be replaced.",
                           why_not);
        else
                set_reason(step, RESTORE_NOW, "%s; the writer has an alternate location for them.", why_not);
}

static bool unit_is_valid(const char *unit) {
        size_t n = strlen(unit);

        return n > 0 && n < 256 && *unit != '-' &&
               strspn(unit, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.@\\-") == n;
}

static void decide_stop(RestorePlan *plan, RestoreStep *step) {
        if (!unit_is_valid(plan->unit))
                set_reason(step, RESTORE_NOTHING,
                           "The writer's files are restored while its unit is stopped, but it names none "
                           "that can "
                           "be stopped (\"%.100s\").",
                           plan->unit);
        else {
                plan->stop_unit = true;
                set_reason(step, RESTORE_NOW, "While %.200s is stopped.", plan->unit);
        }
}

static void decide_restart(RestorePlan *plan, RestoreStep *step, const RestoreItems *items,
                           const Survey *s) {
        if (!unit_is_valid(plan->unit))
                set_reason(step, RESTORE_NOTHING,
                           "The writer's unit is restarted after the restore, but it names none that can be "
                           "restarted (\"%.100s\").",
                           plan->unit);
        else if (!s->replaceable)
                use_mappings(plan, step, items, false, "Files that are there cannot be replaced");
        else
                set_reason(step, RESTORE_NOW, "%.200s is stopped and started after PostRestore.",
                           plan->unit);
        if (step->outcome == RESTORE_NOW)
                plan->restart_unit = true;
}

/* The restore method, for what goes to its original location. */
static void decide_method(RestorePlan *plan, RestoreStep *step, const RestoreItems *items, bool may_map) {
        Survey s = survey(plan, items, RESTORE_PLACE_ORIGINAL);

        step->place = RESTORE_PLACE_ORIGINAL;
        if (plan->method == VSS_RME_CUSTOM) {
                set_reason(step, RESTORE_BY_APPLICATION,
                           "Only the application's own means can restore it; see the writer's procedure.");
                return;
        }
        if (plan->method == VSS_RME_RESTORE_TO_ALTERNATE_LOCATION && may_map) {
                use_mappings(plan, step, items, false,
                             "The writer's files are restored to an alternate location");
                return;
        }
        if (is_refused(step, &s))
                return;
        switch (plan->method) {
        case VSS_RME_RESTORE_IF_NOT_THERE:
                if (!s.exists)
                        set_reason(step, RESTORE_NOW, "None of its files is there.");
                else if (may_map)
                        use_mappings(plan, step, items, true, "Some of its files are there");
                else
                        set_reason(step, RESTORE_NOTHING, "Some of its files are there.");
                break;
        case VSS_RME_STOP_RESTORE_START:
                decide_stop(plan, step);
                break;
        case VSS_RME_RESTORE_STOP_START:
                decide_restart(plan, step, items, &s);
                break;
        case VSS_RME_RESTORE_AT_REBOOT:
                set_reason(step, RESTORE_AT_REBOOT, "The writer's files are restored at the next start.");
                break;
        case VSS_RME_RESTORE_AT_REBOOT_IF_CANNOT_REPLACE:
                if (s.replaceable)
                        set_reason(step, RESTORE_NOW, "Each file that is there can be replaced.");
                else
                        set_reason(step, RESTORE_AT_REBOOT, "A file that is there cannot be replaced now.");
                break;
        default:
                /* Without a method, as the most careful one that replaces anything. */
                if (s.replaceable)
                        set_reason(step, RESTORE_NOW, "Each file that is there can be replaced.");
                else if (may_map)
                        use_mappings(plan, step, items, false, "Files that are there cannot be replaced");
                else
                        set_reason(step, RESTORE_NOTHING, "Files that are there cannot be replaced.");
        }
}

/* Directed targets first; what they do not have goes as the method says. */
static void mark_directed(const RestorePlan *plan, const vss_value *targets, RestoreItems *items) {
        for (size_t i = 0; i < vss_value_count(targets); i++) {
                const vss_value *target = vss_value_at(targets, i);
                _cleanup_(freep) char *directory = NULL;

                if (expand(plan, file_set_path(target), &directory, NULL) < 0)
                        continue;
                for (size_t j = 0; j < items->n; j++) {
                        RestoreItem *item = &items->items[j];

                        item->directed = item->directed || (strcmp(item->directory, directory) == 0 &&
                                                            strcmp(file_set_filespec(item->set),
                                                                   file_set_filespec(target)) == 0);
                }
        }
}

static bool has_rest(const RestoreItems *items) {
        for (size_t i = 0; i < items->n; i++)
                if (!items->items[i].directed)
                        return true;
        return false;
}

static void decide(RestorePlan *plan, RestoreStep *step, RestoreItems *items) {
        const vss_value *targets = vss_value_get(step->component, "directed-targets");

        switch (step->target) {
        case VSS_RT_ALTERNATE:
                use_mappings(plan, step, items, false, "The writer chose the alternate location");
                break;
        case VSS_RT_DIRECTED:
                mark_directed(plan, targets, items);
                if (vss_value_count(targets) > 0 && !has_rest(items))
                        set_reason(step, RESTORE_NOW, "The writer directs all of its files.");
                else
                        decide_method(plan, step, items, true);
                break;
        case VSS_RT_ORIGINAL_LOCATION:
                decide_method(plan, step, items, false);
                break;
        default:
                decide_method(plan, step, items, true);
        }
}

/* Actions */

/* Takes over what @action holds, also on failure. */
static int add_action(RestorePlan *plan, RestoreAction *action) {
        if (plan->n_actions == plan->allocated) {
                size_t allocated = plan->allocated ? plan->allocated * 2 : 64;
                RestoreAction *actions = reallocarray(plan->actions, allocated, sizeof(*actions));

                if (!actions) {
                        free(action->source);
                        free(action->destination);
                        return -ENOMEM;
                }
                plan->actions = actions;
                plan->allocated = allocated;
        }
        plan->actions[plan->n_actions++] = *action;
        return 0;
}

/* Return: 0, -ENOMEM; 1 with the step's reason if one of them is not possible. */
static int add_directed(RestorePlan *plan, RestoreStep *step, const RestoreItems *items) {
        const vss_value *targets = vss_value_get(step->component, "directed-targets");
        const RestorePlanInput *input = plan->input;

        for (size_t i = 0; i < vss_value_count(targets); i++) {
                const vss_value *target = vss_value_at(targets, i);
                RestoreAction action = {
                        .set = target,
                        .place = RESTORE_PLACE_DIRECTED,
                        .filespec = file_set_filespec(target),
                        .destination_filespec = vss_value_get_string(target, "destination-filespec", ""),
                        .ranges = vss_value_get_string(target, "ranges", ""),
                        .destination_ranges = vss_value_get_string(target, "destination-ranges", ""),
                };
                const char *refused = NULL;
                const RestoreItem *item;
                Why why = { "" };
                vss_result result = filespec_check(action.destination_filespec, &why);

                if (result >= 0)
                        result = expand(plan, file_set_path(target), &action.source, &why);
                if (result >= 0)
                        result = expand(plan, vss_value_get_string(target, "destination-path", ""),
                                        &action.destination, &why);
                if (result >= 0 && input->refuse)
                        refused = input->refuse(input->userdata, RESTORE_PLACE_DIRECTED, action.destination);
                if (result < 0 || refused) {
                        if (refused)
                                set_reason(step, RESTORE_NOTHING,
                                           "Nothing may be restored to \"%.180s\": %s", action.destination,
                                           refused);
                        else
                                set_reason(step, RESTORE_NOTHING, "%s", why.text);
                        free(action.source);
                        free(action.destination);
                        return result == VSS_E_OUTOFMEMORY ? -ENOMEM : 1;
                }
                item = restore_items_find(items, items->n, action.source, target);
                action.component = item ? item->component : NULL;
                if (add_action(plan, &action) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int add_actions(RestorePlan *plan, RestoreStep *step, const RestoreItems *items) {
        int r = 0;

        step->first = plan->n_actions;
        if (step->outcome != RESTORE_NOW && step->outcome != RESTORE_AT_REBOOT)
                return 0;
        if (step->target == VSS_RT_DIRECTED)
                r = add_directed(plan, step, items);
        for (size_t i = 0; i < items->n && r == 0; i++) {
                const RestoreItem *item = &items->items[i];
                RestoreAction action = {
                        .component = item->component,
                        .set = item->set,
                        .place = item->new_target ? RESTORE_PLACE_NEW_TARGET : step->place,
                        .at_reboot = step->outcome == RESTORE_AT_REBOOT && !item->new_target,
                        .recursive = file_set_is_recursive(item->set),
                        .filespec = file_set_filespec(item->set),
                        .destination_filespec = file_set_filespec(item->set),
                        .ranges = "",
                        .destination_ranges = "",
                };

                if (item->directed)
                        continue;
                action.source = strdup(item->directory);
                action.destination = strdup(place_of(item, step->place));
                if (!action.source || !action.destination) {
                        free(action.source);
                        free(action.destination);
                        return -ENOMEM;
                }
                r = add_action(plan, &action);
        }
        /* All or nothing. */
        if (r == 1)
                for (; plan->n_actions > step->first; plan->n_actions--) {
                        free(plan->actions[plan->n_actions - 1].source);
                        free(plan->actions[plan->n_actions - 1].destination);
                }
        step->n = plan->n_actions - step->first;
        return MIN(r, 0);
}

/* Does the writer have a part in this? */
static void decide_writer(const RestorePlan *plan, RestoreStep *step, const RestoreItems *items) {
        const vss_value *method = vss_value_get(plan->input->metadata, "restore-method");
        int64_t wants = vss_value_get_integer(method, "writer-restore", VSS_WRE_UNDEFINED);

        step->needs_writer = wants == VSS_WRE_ALWAYS ||
                             (wants == VSS_WRE_IF_REPLACE_FAILS &&
                              !survey(plan, items, RESTORE_PLACE_ORIGINAL).replaceable);
        step->reboot = step->outcome == RESTORE_AT_REBOOT ||
                       (step->outcome == RESTORE_NOW &&
                        vss_value_get_boolean(method, "reboot-required", false));
        if (step->needs_writer && !plan->input->writer_present) {
                size_t n = strlen(step->reason);

                (void)snprintf(step->reason + n, sizeof(step->reason) - n,
                               " Its writer, which is not there, would have had a part in it.");
        }
}

static int make_step(RestorePlan *plan, const ComponentTree *tree, const ssize_t *owners,
                     const vss_value *component) {
        RestoreStep *step = &plan->steps[plan->n_steps++];
        int64_t target = vss_value_get_integer(component, "restore-target", VSS_RT_UNDEFINED);
        ssize_t owner = component_tree_find(tree, component_logical_path(component),
                                            component_name(component));
        bool stopped = plan->stop_unit, restarted = plan->restart_unit;
        _cleanup_(restore_items_clear) RestoreItems items = { 0 };
        vss_result result;
        Why why = { "" };
        int r;

        *step = (RestoreStep){ .component = component, .first = plan->n_actions };
        step->target = target >= VSS_RT_ALTERNATE && target <= VSS_RT_ORIGINAL_LOCATION
                               ? (enum vss_restore_target)target
                               : VSS_RT_ORIGINAL;
        if (owner < 0) {
                set_reason(step, RESTORE_NOTHING,
                           "The writer's saved metadata does not have this component, so its files are not "
                           "known.");
                return 0;
        }
        result = restore_items_gather(plan->input, tree, owners, owner, component, &items, &why);
        if (result < 0) {
                set_reason(step, RESTORE_NOTHING, "%.300s", why.text);
                return result == VSS_E_OUTOFMEMORY ? -ENOMEM : 0;
        }
        decide(plan, step, &items);
        decide_writer(plan, step, &items);
        r = add_actions(plan, step, &items);
        /* A step that came to nothing in the end stops nothing. */
        if (step->outcome == RESTORE_NOTHING) {
                plan->stop_unit = stopped;
                plan->restart_unit = restarted;
        }
        return r;
}

int restore_plan_new(const RestorePlanInput *input, RestorePlan **ret_plan) {
        const vss_value *method = vss_value_get(input->metadata, "restore-method");
        _cleanup_(restore_plan_freep) RestorePlan *plan = calloc(1, sizeof(*plan));
        _cleanup_(component_tree_clear) ComponentTree tree = { 0 };
        _cleanup_(freep) ssize_t *owners = NULL;
        int64_t number = vss_value_get_integer(method, "method", VSS_RME_UNDEFINED);
        int r = 0;

        if (!plan || component_tree_init(&tree, vss_value_get(input->metadata, "components")) < 0 ||
            selection_restored(&tree, input->components, &owners) < 0)
                return -ENOMEM;
        plan->steps = calloc(vss_value_count(input->components) + 1, sizeof(*plan->steps));
        if (!plan->steps)
                return -ENOMEM;
        plan->input = input;
        plan->unit = vss_value_get_string(method, "service", "");
        plan->method = number >= VSS_RME_UNDEFINED && number <= VSS_RME_RESTORE_STOP_START
                               ? (enum vss_restore_method)number
                               : VSS_RME_UNDEFINED;
        for (size_t i = 0; i < vss_value_count(input->components) && r >= 0; i++)
                if (vss_value_get_boolean(vss_value_at(input->components, i), "selected-for-restore", false))
                        r = make_step(plan, &tree, owners, vss_value_at(input->components, i));
        plan->input = NULL;
        if (r < 0)
                return r;
        *ret_plan = TAKE_PTR(plan);
        return 0;
}

size_t restore_plan_count(const RestorePlan *plan) {
        return plan->n_steps;
}

const RestoreStep *restore_plan_step(const RestorePlan *plan, size_t index) {
        return index < plan->n_steps ? &plan->steps[index] : NULL;
}

const RestoreAction *restore_plan_action(const RestorePlan *plan, size_t index) {
        return index < plan->n_actions ? &plan->actions[index] : NULL;
}

const char *restore_plan_stop_unit(const RestorePlan *plan) {
        return plan->stop_unit ? plan->unit : NULL;
}

const char *restore_plan_restart_unit(const RestorePlan *plan) {
        return plan->restart_unit ? plan->unit : NULL;
}

static ssize_t find_action(const RestorePlan *plan, const RestoreStep *step, const char *path, size_t from,
                           bool directed) {
        for (size_t i = MAX(step->first, from); i < step->first + step->n; i++) {
                const RestoreAction *action = &plan->actions[i];

                if ((action->place == RESTORE_PLACE_DIRECTED) == directed &&
                    filespec_covers(action->source, action->filespec, action->recursive, path))
                        return (ssize_t)i;
        }
        return -1;
}

ssize_t restore_plan_find(const RestorePlan *plan, const RestoreStep *step, const char *path, size_t from) {
        ssize_t directed = find_action(plan, step, path, from, true);

        if (directed >= 0 || find_action(plan, step, path, 0, true) >= 0)
                return directed;
        return from == 0 ? find_action(plan, step, path, 0, false) : -1;
}
