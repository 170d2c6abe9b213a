/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is said of components, in answers and in documents: which of it may be believed
 */

#include <string.h>
#include "model/component.h"
#include "model/filespec.h"
#include "vssd/judge.h"

enum { SETS_MAX = 100000 };

/* Places that entries of a component's lists name. Where a new target lies is the requester's choice. */
static const struct {
        const char *list, *path, *filespec;
} places[] = {
        { "partial-files", "path", "filespec" },
        { "differenced-files", "path", "filespec" },
        { "alternate-mappings", "path", "filespec" },
        { "alternate-mappings", "alternate-path", "filespec" },
        { "new-targets", "path", "filespec" },
        { "directed-targets", "path", "filespec" },
        { "directed-targets", "destination-path", "destination-filespec" },
};

bool judge_has_places(const vss_value *component) {
        FOREACH_ELEMENT (place, places)
                if (vss_value_count(vss_value_get(component, place->list)) > 0)
                        return true;
        return false;
}

/* A partial file may name another one, which holds its ranges. */
static const char *ranges_file(const vss_value *entry) {
        const char *ranges = vss_value_get_string(entry, "ranges", "");

        return strncasecmp(ranges, "File=", 5) == 0 ? ranges + 5 : NULL;
}

static const char *judge_entry(const Judge *judge, const char *owner, const char *list,
                               const vss_value *entry, const char **ret_path) {
        const char *why = NULL, *file = ranges_file(entry), *filespec;

        FOREACH_ELEMENT (place, places) {
                if (why || strcmp(place->list, list) != 0)
                        continue;
                *ret_path = vss_value_get_string(entry, place->path, "");
                filespec = vss_value_get_string(entry, place->filespec, "");
                why = filespec_check(filespec, NULL) < 0
                              ? "its file specification is no name with * and ?"
                              : judge_refuse(judge, owner, *ret_path, filespec);
        }
        if (!why && file) {
                *ret_path = file;
                why = judge_refuse(judge, owner, file, "*");
        }
        return why;
}

static int drop_entry(const char *writer, const vss_value *component, const char *path, const char *why,
                      vss_value *dropped) {
        vss_value *drop = vss_value_new_dict();

        (void)vss_value_set_string(drop, "writer", writer);
        (void)vss_value_set_string(drop, "logical-path", component_logical_path(component));
        (void)vss_value_set_string(drop, "name", component_name(component));
        (void)vss_value_set_string(drop, "path", path);
        (void)vss_value_set_string(drop, "reason", why);
        return vss_value_append(dropped, drop) < 0 ? -ENOMEM : 0;
}

static int judge_list(const Judge *judge, const char *writer, const char *owner, vss_value *component,
                      const char *list, vss_value *dropped, size_t *n) {
        const vss_value *entries = vss_value_get(component, list);
        _cleanup_value_ vss_value *kept = vss_value_new_list();
        int r = kept ? 0 : -ENOMEM;

        for (size_t i = 0; i < vss_value_count(entries) && r >= 0; i++) {
                const vss_value *entry = vss_value_at(entries, i);
                const char *path = "", *why;

                if (++*n > SETS_MAX)
                        return -E2BIG;
                why = judge_entry(judge, owner, list, entry, &path);
                if (why)
                        r = drop_entry(writer, component, path, why, dropped);
                else if (vss_value_append(kept, vss_value_copy(entry)) < 0)
                        r = -ENOMEM;
        }
        if (r < 0)
                return r;
        return vss_value_set(component, list, TAKE_PTR(kept)) < 0 ? -ENOMEM : 0;
}

/* Whose files those of a component are, says who declared it. */
static const char *owner_of(const vss_value *metadata, const vss_value *component) {
        return vss_value_get_string(component_find(vss_value_get(metadata, "components"),
                                                   component_logical_path(component),
                                                   component_name(component)),
                                    "owner", "");
}

int judge_said(const Judge *judge, const char *writer, vss_value *components, vss_value *dropped) {
        size_t n = 0;

        for (size_t i = 0; i < vss_value_count(components); i++) {
                vss_value *component = value_at_mutable(components, i);
                const char *owner = owner_of(judge->metadata, component), *last = "";

                FOREACH_ELEMENT (place, places) {
                        int r = 0;

                        if (strcmp(place->list, last) == 0 || !vss_value_get(component, place->list))
                                continue;
                        last = place->list;
                        r = judge_list(judge, writer, owner, component, last, dropped, &n);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}
