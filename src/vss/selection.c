/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The components of a backup: those that --writer names, or all that lie on the volumes
 *
 * Pure but for one question: on which volume an alternate path lies, where the service has not said it. Names of
 * writers are compared without regard to case, components as they are, since their names are the application's.
 */

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "model/selection.h"
#include "vss/selection.h"

char *component_path(const char *logical_path, const char *name) {
        char *path;

        return asprintf(&path, "/%s%s%s", logical_path, *logical_path ? "/" : "", name) < 0 ? NULL : path;
}

static const char *text_of(const vss_value *dict, const char *key) {
        return vss_value_get_string(dict, key, "");
}

void selection_clear(Selection *selection) {
        for (size_t i = 0; i < selection->n; i++) {
                free(selection->items[i].writer);
                free(selection->items[i].logical_path);
                free(selection->items[i].name);
        }
        free(selection->items);
        strings_clear(&selection->paths);
        (void)vss_value_free(selection->participation);
        (void)vss_value_free(selection->left_out);
        *selection = (Selection){};
}

static int _printf_(2, 3) problem(char **ret_problem, const char *format, ...) {
        va_list args;

        va_start(args, format);
        if (vasprintf(ret_problem, format, args) < 0)
                *ret_problem = NULL;
        va_end(args);
        return -ENOENT;
}

/* ---- what the model has chosen ---- */

static int append_part(vss_value *list, const vss_value *from, const char *part, const char *reason) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();

        if (vss_value_set_string(entry, "writer", text_of(from, "writer")) < 0 ||
            vss_value_set_string(entry, "logical-path", text_of(from, "logical-path")) < 0 ||
            vss_value_set_string(entry, "name", text_of(from, "name")) < 0 ||
            vss_value_set_string(entry, "part", part) < 0 ||
            vss_value_set_string(entry, "reason", reason) < 0)
                return -ENOMEM;
        return vss_value_append(list, TAKE_PTR(entry)) < 0 ? -ENOMEM : 0;
}

static int append_left_out(Selection *selection, const char *writer, const char *logical_path,
                           const char *name, const char *reason) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        _cleanup_(freep) char *path = component_path(logical_path, name), *what = NULL;

        if (!path || asprintf(&what, "%s%s%s", writer, *name ? ":" : "", *name ? path : "") < 0) {
                what = NULL;
                return -ENOMEM;
        }
        if (vss_value_set_string(entry, "what", what) < 0 ||
            vss_value_set_string(entry, "reason", reason) < 0 ||
            vss_value_append(selection->left_out, TAKE_PTR(entry)) < 0)
                return -ENOMEM;
        return 0;
}

static int add_item(Selection *selection, const vss_value *entry) {
        Chosen *items = reallocarray(selection->items, selection->n + 1, sizeof(*items)), *item;

        if (!items)
                return -ENOMEM;
        selection->items = items;
        item = &items[selection->n++];
        *item = (Chosen){ strdup(text_of(entry, "writer")), strdup(text_of(entry, "logical-path")),
                          strdup(text_of(entry, "name")) };
        return item->writer && item->logical_path && item->name ? 0 : -ENOMEM;
}

static int start(Selection *selection) {
        selection->participation = vss_value_new_list();
        selection->left_out = vss_value_new_list();
        return selection->participation && selection->left_out ? 0 : -ENOMEM;
}

/* @wants: is this writer meant at all? */
static int take_over(Selection *selection, const vss_value *result,
                     bool (*wants)(void *userdata, const char *writer), void *userdata) {
        const vss_value *explicit_list = vss_value_get(result, "explicit"),
                        *implicit_list = vss_value_get(result, "implicit"),
                        *paths = vss_value_get(result, "paths");
        int r = 0;

        for (size_t i = 0; r >= 0 && i < vss_value_count(explicit_list); i++) {
                const vss_value *entry = vss_value_at(explicit_list, i);

                if (wants && !wants(userdata, text_of(entry, "writer")))
                        continue;
                r = add_item(selection, entry);
                if (r >= 0)
                        r = append_part(selection->participation, entry, "explicit",
                                        text_of(entry, "reason"));
        }
        for (size_t i = 0; r >= 0 && i < vss_value_count(implicit_list); i++) {
                const vss_value *entry = vss_value_at(implicit_list, i),
                                *with = vss_value_get(entry, "with");
                _cleanup_(freep) char *path = component_path(text_of(with, "logical-path"),
                                                             text_of(with, "name")),
                                      *reason = NULL;

                if (wants && !wants(userdata, text_of(entry, "writer")))
                        continue;
                if (!path || asprintf(&reason, "It comes with %s.", path) < 0)
                        return -ENOMEM;
                r = append_part(selection->participation, entry, "implicit", reason);
        }
        for (size_t i = 0; r >= 0 && i < vss_value_count(paths); i++)
                if (*text_of(vss_value_at(paths, i), "path") == '/')
                        r = strings_add_once(&selection->paths, text_of(vss_value_at(paths, i), "path"));
        return r;
}

/* Something that was asked for by name and is not there at all is a mistake; what only lacks something else of it is
 * told, and goes on. */
static int judge_problems(Selection *selection, const vss_value *result, char **ret_problem) {
        const vss_value *problems = vss_value_get(result, "problems"),
                        *remote = vss_value_get(result, "remote");
        int r = 0;

        for (size_t i = 0; r >= 0 && i < vss_value_count(problems); i++) {
                const vss_value *p = vss_value_at(problems, i);

                if (!*text_of(p, "name") ||
                    !selection_includes(result, text_of(p, "writer"), text_of(p, "logical-path"),
                                        text_of(p, "name")))
                        return problem(ret_problem, "%s", text_of(p, "reason"));
                r = append_left_out(selection, text_of(p, "writer"), text_of(p, "logical-path"),
                                    text_of(p, "name"), text_of(p, "reason"));
        }
        for (size_t i = 0; r >= 0 && i < vss_value_count(remote); i++) {
                const vss_value *p = vss_value_at(remote, i);
                _cleanup_(freep) char *path = component_path(text_of(p, "on-logical-path"),
                                                             text_of(p, "on-name")),
                                      *reason = NULL;

                if (!path || asprintf(&reason, "It depends on %s, on another machine.", path) < 0)
                        return -ENOMEM;
                r = append_left_out(selection, text_of(p, "writer"), text_of(p, "logical-path"),
                                    text_of(p, "name"), reason);
        }
        return r;
}

static bool has_writer(const Selection *selection, const char *writer) {
        for (size_t i = 0; i < selection->n; i++)
                if (strcmp(selection->items[i].writer, writer) == 0)
                        return true;
        return false;
}

int selection_make(const vss_value *writers, const Strings *specs, Selection *ret_selection,
                   char **ret_problem) {
        _cleanup_(selection_clear) Selection selection = {};
        _cleanup_value_ vss_value *wanted = NULL, *result = NULL;
        int r = start(&selection);

        if (r >= 0)
                r = selection_resolve(writers, specs, &wanted, ret_problem);
        if (r < 0)
                return r;
        if (selection_expand(writers, wanted, NULL, &result) < 0)
                return -ENOMEM;
        r = judge_problems(&selection, result, ret_problem);
        if (r >= 0)
                r = take_over(&selection, result, NULL, NULL);
        for (size_t i = 0; r >= 0 && i < vss_value_count(wanted); i++) {
                const char *writer = text_of(vss_value_at(wanted, i), "writer");

                if (!has_writer(&selection, writer))
                        r = problem(ret_problem, "the writer %s has no component that can be chosen now",
                                    writer);
        }
        if (r < 0)
                return r;
        *ret_selection = selection;
        selection = (Selection){};
        return 0;
}

/* ---- volumes ---- */

/* Where the files are read; -1 for what is not there: then nothing of it can be missing. */
static int64_t file_set_device(const vss_value *set) {
        const char *alternate = text_of(set, "alternate-path");
        struct stat st;

        if (!*alternate)
                return vss_value_get_integer(set, "device", -1);
        if (vss_value_get(set, "alternate-device"))
                return vss_value_get_integer(set, "alternate-device", -1);
        return stat(alternate, &st) < 0 ? -1 : (int64_t)st.st_dev;
}

static bool has_device(const SelectionVolumes *volumes, int64_t device) {
        for (size_t i = 0; i < volumes->n; i++)
                if (volumes->devices[i] == device)
                        return true;
        return false;
}

static const char *refuse_others(void *userdata, const vss_value *writer, const vss_value *set) {
        int64_t device = file_set_device(set);

        return device < 0 || has_device(userdata, device) ? NULL : "their volume is not in the set.";
}

/* Why the component is none of those that can be part of the backup; NULL: it is. */
static const char *drop_reason(const vss_value *choice, const char *writer, const char *logical_path,
                               const char *name) {
        const vss_value *dropped = vss_value_get(choice, "dropped");
        const char *whole = NULL;

        for (size_t i = 0; i < vss_value_count(dropped); i++) {
                const vss_value *entry = vss_value_at(dropped, i);

                if (strcmp(text_of(entry, "writer"), writer) != 0)
                        continue;
                if (!*text_of(entry, "name"))
                        whole = text_of(entry, "reason");
                else if (strcmp(text_of(entry, "name"), name) == 0 &&
                         strcmp(text_of(entry, "logical-path"), logical_path) == 0)
                        return text_of(entry, "reason");
        }
        return whole;
}

static bool is_excluded(const vss_value *excluded, const vss_value *key) {
        return selection_names(excluded, text_of(key, "writer"), text_of(key, "logical-path"),
                               text_of(key, "name"));
}

int selection_add_part(Selection *selection, const char *writer, const char *logical_path, const char *name,
                       const char *part, const char *reason) {
        _cleanup_value_ vss_value *key = vss_value_new_dict();

        if (!selection->participation)
                selection->participation = vss_value_new_list();
        if (!selection->participation || vss_value_set_string(key, "writer", writer) < 0 ||
            vss_value_set_string(key, "logical-path", logical_path) < 0 ||
            vss_value_set_string(key, "name", name) < 0)
                return -ENOMEM;
        return append_part(selection->participation, key, part, reason);
}

/* What could be part of some backup, and of this one, of all there is. */
typedef struct Limits {
        vss_value *excluded, *ever, *now;
} Limits;

static void limits_clear(Limits *limits) {
        (void)vss_value_free(limits->excluded);
        (void)vss_value_free(limits->ever);
        (void)vss_value_free(limits->now);
}

static int limits_make(Limits *limits, const vss_value *writers, const SelectionVolumes *volumes,
                       const Strings *excluded, char **ret_problem) {
        SelectionOptions options = { .refuse = volumes ? refuse_others : NULL, .userdata = (void *)volumes };
        int r = selection_resolve(writers, excluded, &limits->excluded, ret_problem);

        if (r < 0)
                return r;
        options.leave_out = limits->excluded;
        return selection_choose(writers, NULL, &limits->ever) < 0 ||
                               selection_choose(writers, &options, &limits->now) < 0
                       ? -ENOMEM
                       : 0;
}

/* What was chosen although something else of it is missing anyway stays. */
static const char *limit_reason(const Limits *limits, const vss_value *key) {
        const char *writer = text_of(key, "writer"), *path = text_of(key, "logical-path"),
                   *name = text_of(key, "name");

        return drop_reason(limits->ever, writer, path, name) ? NULL
                                                             : drop_reason(limits->now, writer, path, name);
}

/* What is out is told; what is not, is chosen anew: it may have come with something that is out. */
static int judge_part(Selection *selection, vss_value *rest, const Limits *limits, const vss_value *entry) {
        const char *reason = limit_reason(limits, entry);
        vss_value *list = selection->participation;
        int r;

        /* by an earlier call */
        if (strcmp(text_of(entry, "part"), "left-out") == 0)
                return vss_value_append(list, vss_value_copy(entry)) < 0 ? -ENOMEM : 0;
        if (!reason)
                return vss_value_append(rest, vss_value_copy(entry)) < 0 ? -ENOMEM : 0;
        r = append_part(list, entry, "left-out", reason);
        if (r < 0)
                return r;
        if (is_excluded(limits->excluded, entry))
                return vss_value_set_boolean(value_at_mutable(list, vss_value_count(list) - 1), "on-request",
                                             true) < 0
                               ? -ENOMEM
                               : 0;
        return append_left_out(selection, text_of(entry, "writer"), text_of(entry, "logical-path"),
                               text_of(entry, "name"), reason);
}

int selection_limit(Selection *selection, const vss_value *writers, const SelectionVolumes *volumes,
                    const Strings *excluded, char **ret_problem) {
        _cleanup_value_ vss_value *rest = vss_value_new_list(), *result = NULL;
        _cleanup_(selection_clear) Selection limited = {};
        _cleanup_(limits_clear) Limits limits = {};
        int r = rest ? start(&limited) : -ENOMEM;

        *ret_problem = NULL;
        if (r >= 0)
                r = limits_make(&limits, writers, volumes, excluded, ret_problem);
        for (size_t i = 0; r >= 0 && i < vss_value_count(selection->left_out); i++)
                r = vss_value_append(limited.left_out,
                                     vss_value_copy(vss_value_at(selection->left_out, i))) < 0
                            ? -ENOMEM
                            : 0;
        for (size_t i = 0; r >= 0 && i < vss_value_count(selection->participation); i++)
                r = judge_part(&limited, rest, &limits, vss_value_at(selection->participation, i));
        if (r < 0)
                return r;
        if (selection_expand(writers, rest, NULL, &result) < 0)
                return -ENOMEM;
        r = take_over(&limited, result, NULL, NULL);
        if (r < 0)
                return r;
        selection_clear(selection);
        *selection = limited;
        limited = (Selection){};
        return 0;
}

/* ---- all on the volumes ---- */

typedef struct AllInput {
        const vss_value *writers;
        const SelectionVolumes *volumes;
} AllInput;

static bool component_is_on(const vss_value *component, const SelectionVolumes *volumes) {
        const vss_value *files = vss_value_get(component, "files");

        for (size_t i = 0; i < vss_value_count(files); i++)
                if (has_device(volumes, file_set_device(vss_value_at(files, i))))
                        return true;
        return false;
}

static const vss_value *find_writer(const vss_value *writers, const char *name) {
        for (size_t i = 0; i < vss_value_count(writers); i++)
                if (strcmp(text_of(vss_value_at(writers, i), "name"), name) == 0)
                        return vss_value_at(writers, i);
        return NULL;
}

/* One without any file on the volumes has nothing to do with the set. */
static bool writer_is_on(void *userdata, const char *name) {
        const AllInput *input = userdata;
        const vss_value *components = vss_value_get(find_writer(input->writers, name), "components");

        for (size_t i = 0; i < vss_value_count(components); i++)
                if (component_is_on(vss_value_at(components, i), input->volumes))
                        return true;
        return false;
}

/* Who does not take part: what has files on the volumes all the same is missing in the backup. */
static int tell_dropped(Selection *selection, const Limits *limits, const AllInput *input,
                        const vss_value *writer, const vss_value *component) {
        const char *name = text_of(writer, "name"), *path = text_of(component, "logical-path"),
                   *own = text_of(component, "name"), *reason = drop_reason(limits->now, name, path, own);
        _cleanup_value_ vss_value *key = vss_value_new_dict();
        int r;

        if (!reason && !writer_is_on((void *)input, name))
                reason = "None of the writer's files is on the volumes.";
        if (!reason)
                return 0;
        if (vss_value_set_string(key, "writer", name) < 0 ||
            vss_value_set_string(key, "logical-path", path) < 0 ||
            vss_value_set_string(key, "name", own) < 0)
                return -ENOMEM;
        r = append_part(selection->participation, key, "left-out", reason);
        if (r < 0)
                return r;
        if (is_excluded(limits->excluded, key)) {
                vss_value *last = value_at_mutable(selection->participation,
                                                   vss_value_count(selection->participation) - 1);

                return vss_value_set_boolean(last, "on-request", true) < 0 ? -ENOMEM : 0;
        }
        return component_is_on(component, input->volumes)
                       ? append_left_out(selection, name, path, own, reason)
                       : 0;
}

int selection_make_all(const vss_value *writers, const SelectionVolumes *volumes, const Strings *excluded,
                       Selection *ret_selection, char **ret_problem) {
        _cleanup_(selection_clear) Selection selection = {};
        _cleanup_(limits_clear) Limits limits = {};
        AllInput input = { writers, volumes };
        int r = start(&selection);

        *ret_problem = NULL;
        if (r >= 0)
                r = limits_make(&limits, writers, volumes, excluded, ret_problem);
        if (r >= 0)
                r = take_over(&selection, limits.now, writer_is_on, &input);
        for (size_t i = 0; r >= 0 && i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i),
                                *components = vss_value_get(writer, "components");

                for (size_t j = 0; r >= 0 && j < vss_value_count(components); j++)
                        r = tell_dropped(&selection, &limits, &input, writer, vss_value_at(components, j));
        }
        if (r < 0)
                return r;
        *ret_selection = selection;
        selection = (Selection){};
        return 0;
}

/* ---- verifying ---- */

static const vss_value *find_part(const Selection *selection, const vss_value *key) {
        for (size_t i = 0; i < vss_value_count(selection->participation); i++) {
                const vss_value *entry = vss_value_at(selection->participation, i);

                if (strcmp(text_of(entry, "writer"), text_of(key, "writer")) == 0 &&
                    strcmp(text_of(entry, "name"), text_of(key, "name")) == 0 &&
                    strcmp(text_of(entry, "logical-path"), text_of(key, "logical-path")) == 0)
                        return entry;
        }
        return NULL;
}

static int verify_component(const Selection *selection, const vss_value *key, char **ret_problem) {
        const vss_value *part = find_part(selection, key);

        if (!part)
                return problem(ret_problem,
                               "the writer %s has no component that is so named (see vss list components)",
                               text_of(key, "writer"));
        if (strcmp(text_of(part, "part"), "left-out") == 0)
                return problem(ret_problem, "component %s of %s does not take part: %s",
                               text_of(key, "name"), text_of(key, "writer"), text_of(part, "reason"));
        return 0;
}

/* All of a writer: what is left out of it without having been excluded fails it, and having nothing does. */
static int verify_writer(const Selection *selection, const char *writer, char **ret_problem) {
        bool any = false;

        for (size_t i = 0; i < vss_value_count(selection->participation); i++) {
                const vss_value *part = vss_value_at(selection->participation, i);

                if (strcmp(text_of(part, "writer"), writer) != 0)
                        continue;
                if (vss_value_get_boolean(part, "on-request", false))
                        continue;
                any = true;
                if (strcmp(text_of(part, "part"), "left-out") == 0)
                        return verify_component(selection, part, ret_problem);
        }
        return any ? 0 : problem(ret_problem, "no component of the writer %s takes part", writer);
}

int selection_verify(const Selection *selection, const vss_value *writers, const char *spec,
                     char **ret_problem) {
        _cleanup_value_ vss_value *keys = NULL;
        char *one = (char *)spec;
        int r = selection_resolve(writers, &(const Strings){ &one, 1 }, &keys, ret_problem);

        for (size_t i = 0; r >= 0 && i < vss_value_count(keys); i++) {
                const vss_value *key = vss_value_at(keys, i);

                r = vss_value_get(key, "name")
                            ? verify_component(selection, key, ret_problem)
                            : verify_writer(selection, text_of(key, "writer"), ret_problem);
        }
        return r;
}
