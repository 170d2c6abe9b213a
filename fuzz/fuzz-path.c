/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: paths
 *
 * The input is four strings behind each other, parted by NUL: path, mount point, root of the mount, root of
 * the volume.
 */

#include <limits.h>
#include "fuzz.h"
#include "model/path.h"

static void check_normalize(const char *path) {
        _cleanup_(freep) char *normal = NULL, *again = NULL;

        if (path_normalize(path, &normal) < 0)
                return;
        fuzz_require(path_is_normal(normal) && strlen(normal) <= MAX(strlen(path), 1u));
        fuzz_require(path_normalize(normal, &again) == 0 && strcmp(normal, again) == 0);
        if (path_is_normal(path))
                fuzz_require(strcmp(path, normal) == 0);
        fuzz_require(path_is_below(normal, normal) && path_is_below(normal, "/"));
        fuzz_require(strcmp(path_relative(normal, normal), "") == 0);
}

static void check_join(const char *root, const char *relative) {
        _cleanup_(freep) char *joined = NULL;
        int r = path_join(root, relative, &joined);

        if (r < 0) {
                fuzz_require(r == -ENAMETOOLONG || (r == -EINVAL && *root && *root != '/'));
                return;
        }
        fuzz_require(path_is_normal(joined) && strlen(joined) < PATH_MAX);
        /* Nothing in @relative leads out. */
        if (path_is_normal(root))
                fuzz_require(path_is_below(joined, root));
}

static void check_below(const char *path, const char *point, const char *mount_root,
                        const char *volume_root) {
        _cleanup_(freep) char *below = NULL, *back = NULL;

        if (!path_is_normal(path) || !path_is_normal(point) || !path_is_normal(mount_root) ||
            !path_is_normal(volume_root) ||
            path_below_device(path, point, mount_root, volume_root, &below) < 0)
                return;
        fuzz_require(path_is_below(path, point));
        fuzz_require(below[0] != '/' && path_join("/", below, &back) == 0);
        fuzz_require(path_is_normal(back) && strcmp(back + 1, below) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *strings[4];

        if (size > FUZZ_SIZE_MAX)
                return 0;
        FOREACH_ELEMENT (string, strings) {
                const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
                size_t n = end ? (size_t)(end - data) : size;

                *string = fuzz_text(data, n);
                n += end != NULL;
                data += n;
                size -= n;
        }
        FOREACH_ELEMENT (string, strings)
                check_normalize(*string);
        check_join(strings[1], strings[0]);
        check_join(strings[2], strings[0]);
        check_below(strings[0], strings[1], strings[2], strings[3]);
        FOREACH_ELEMENT (string, strings)
                free(*string);
        return 0;
}
