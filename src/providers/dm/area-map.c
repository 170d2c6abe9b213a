/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * May a file's blocks be written past its file system?
 */

#include "providers/dm/area-map.h"

#define ALLOWED (FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_MERGED)

void area_map_done(AreaMap *map) {
        free(map->extents);
        *map = (AreaMap){ 0 };
}

static const char *objection(const struct fiemap_extent *extent, uint64_t expected) {
        static const struct {
                uint32_t flag;
                const char *reason;
        } flags[] = {
                { FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC, "has no place on the device yet" },
                { FIEMAP_EXTENT_DATA_ENCRYPTED, "is encrypted by the file system" },
                { FIEMAP_EXTENT_ENCODED, "is compressed or encoded by the file system" },
                { FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL | FIEMAP_EXTENT_NOT_ALIGNED,
                  "shares its blocks with other data" },
                { FIEMAP_EXTENT_SHARED, "shares its blocks with another file" },
        };
        /* Anybody who can read the file can share the one block of it that is written: nobody reads it but
         * us. */
        uint32_t odd = extent->fe_flags & ~ALLOWED &
                       ~(extent->fe_logical < AREA_BLOCK ? FIEMAP_EXTENT_SHARED : 0);

        FOREACH_ELEMENT (f, flags)
                if (odd & f->flag)
                        return f->reason;
        if (odd)
                return "has blocks of a kind that is not known";
        if (extent->fe_logical != expected)
                return "has holes";
        if (extent->fe_length == 0 || ((extent->fe_physical | extent->fe_length) & 511))
                return "has blocks that are not aligned";
        if (extent->fe_physical > INT64_MAX - extent->fe_length || extent->fe_length > INT64_MAX ||
            expected > INT64_MAX - extent->fe_length)
                return "has blocks that cannot be";
        return NULL;
}

static int make_room(AreaMap *map, size_t n) {
        size_t size = MAX(map->size, (size_t)64);
        AreaExtent *grown;

        if (n > AREA_EXTENTS_MAX || map->n + n > AREA_EXTENTS_MAX)
                return -E2BIG;
        while (size < map->n + n)
                size *= 2;
        if (size == map->size)
                return 0;
        grown = reallocarray(map->extents, size, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        map->extents = grown;
        map->size = size;
        return 0;
}

int area_map_add(AreaMap *map, const struct fiemap_extent *extents, size_t n, const char **ret_reason) {
        int r = make_room(map, n);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                const struct fiemap_extent *extent = &extents[i];
                AreaExtent *last = map->n > 0 ? &map->extents[map->n - 1] : NULL;
                const char *reason = objection(extent, map->end);

                if (reason) {
                        *ret_reason = reason;
                        return -EMEDIUMTYPE;
                }
                /* Written and unwritten neighbours. */
                if (last && last->physical + last->length == extent->fe_physical)
                        last->length += extent->fe_length;
                else
                        map->extents[map->n++] = (AreaExtent){ extent->fe_physical, extent->fe_length };
                map->end += extent->fe_length;
        }
        return 0;
}

int area_map_part(const AreaExtent *extents, size_t n, uint64_t from, uint64_t to, AreaExtent **ret_extents,
                  size_t *ret_n) {
        _cleanup_(freep) AreaExtent *part = calloc(n + 1, sizeof(*part));
        uint64_t at = 0;
        size_t k = 0;

        if (!part)
                return -ENOMEM;
        for (size_t i = 0; i < n && at < to; i++) {
                uint64_t end = at + extents[i].length, begin = MAX(at, from), stop = MIN(end, to);

                if (begin < stop)
                        part[k++] = (AreaExtent){ extents[i].physical + (begin - at), stop - begin };
                at = end;
        }
        if (at < to)
                return -ERANGE;
        *ret_extents = TAKE_PTR(part);
        *ret_n = k;
        return 0;
}
