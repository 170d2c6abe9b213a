/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From the actions of a restore plan to the places of single files
 */

#include <string.h>
#include "files/locate.h"
#include "model/component.h"
#include "model/path.h"
#include "model/ranges.h"
#include "restore/place.h"

bool place_is_of(const char *full_name, const vss_value *component) {
        const char *logical_path = component_logical_path(component), *name = component_name(component);
        size_t n = strlen(logical_path);

        if (!full_name)
                return false;
        if (n == 0)
                return strcmp(full_name, name) == 0;
        return strncmp(full_name, logical_path, n) == 0 && full_name[n] == '/' &&
               strcmp(full_name + n + 1, name) == 0;
}

char *place_below(const char *path, const char *source, const char *destination) {
        const char *below = path_relative(path, source);
        char *joined = NULL;

        return below && locate_join(destination, below, &joined) == 0 ? joined : NULL;
}

char *place_find(const char *path, const RestoreAction *action) {
        _cleanup_(freep) char *real = locate_resolve(action->destination), *place = NULL, *slash = NULL;
        char *renamed = NULL;

        place = real ? place_below(path, action->source, real) : NULL;
        if (!place || action->place != RESTORE_PLACE_DIRECTED)
                return TAKE_PTR(place);
        slash = strdup(place);
        if (!slash)
                return NULL;
        *strrchr(slash, '/') = '\0';
        return locate_join(slash, action->destination_filespec, &renamed) < 0 ? NULL : renamed;
}

int place_pair_ranges(const char *from, const char *to, PutRange **ret_ranges, uint64_t **ret_offsets,
                      size_t *ret_n) {
        _cleanup_(freep) Range *source = NULL, *target = NULL;
        _cleanup_(freep) PutRange *ranges = NULL;
        _cleanup_(freep) uint64_t *offsets = NULL;
        size_t n = 0, k = 0;

        if (ranges_parse(from, &source, &n, NULL) < 0 ||
            ranges_parse(*to ? to : from, &target, &k, NULL) < 0)
                return -EBADMSG;
        ranges = calloc(n + 1, sizeof(*ranges));
        offsets = calloc(n + 1, sizeof(*offsets));
        if (!ranges || !offsets)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                if (n != k || source[i].length != target[i].length)
                        return -EBADMSG;
                ranges[i] = (PutRange){ .offset = target[i].offset, .length = target[i].length };
                offsets[i] = source[i].offset;
        }
        *ret_ranges = TAKE_PTR(ranges);
        *ret_offsets = TAKE_PTR(offsets);
        *ret_n = n;
        return 0;
}
