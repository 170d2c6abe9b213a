/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Paths as text: normal form, below, and from a mounted path to the path below a device object
 */

#include <limits.h>
#include <string.h>
#include "model/path.h"
#include "util/macro.h"

/* The next element from *@s on, and its length; *@s is moved behind it. 0 at the end. */
static size_t next_element(const char **s, const char **ret_element) {
        size_t n;

        *s += strspn(*s, "/");
        *ret_element = *s;
        n = strcspn(*s, "/");
        *s += n;
        return n;
}

static bool is_dots(const char *element, size_t n) {
        return (n == 1 || n == 2) && strncmp(element, "..", n) == 0;
}

bool path_is_normal(const char *path) {
        const char *element;

        if (!path || *path != '/')
                return false;
        if (path[1] == '\0')
                return true;
        while (*path) {
                size_t n = strcspn(path + 1, "/");

                element = path + 1;
                if (n == 0 || is_dots(element, n))
                        return false;
                path = element + n;
        }
        return true;
}

int path_normalize(const char *path, char **ret_path) {
        _cleanup_(freep) char *normal = NULL;
        const char *element;
        size_t size = 0, n;

        if (!path || *path != '/')
                return -EINVAL;
        n = strnlen(path, PATH_MAX);
        if (n >= PATH_MAX)
                return -ENAMETOOLONG;
        normal = malloc(n + 1);
        if (!normal)
                return -ENOMEM;

        while ((n = next_element(&path, &element)) > 0) {
                if (n == 2 && is_dots(element, n)) {
                        while (size > 0 && normal[--size] != '/')
                                ;
                } else if (!is_dots(element, n)) {
                        normal[size++] = '/';
                        memcpy(normal + size, element, n);
                        size += n;
                }
        }
        if (size == 0)
                normal[size++] = '/';
        normal[size] = '\0';
        *ret_path = TAKE_PTR(normal);
        return 0;
}

const char *path_relative(const char *path, const char *root) {
        size_t n = strlen(root);

        if (strcmp(root, "/") == 0)
                return *path == '/' ? path + 1 : NULL;
        if (strncmp(path, root, n) != 0)
                return NULL;
        if (path[n] == '\0')
                return path + n;
        return path[n] == '/' ? path + n + 1 : NULL;
}

bool path_is_below(const char *path, const char *root) {
        return path_relative(path, root);
}

int path_join(const char *root, const char *relative, char **ret_path) {
        _cleanup_(freep) char *rooted = NULL, *below = NULL, *joined = NULL;
        int r;

        if (strnlen(root, PATH_MAX) >= PATH_MAX || strnlen(relative, PATH_MAX) >= PATH_MAX)
                return -ENAMETOOLONG;

        /* Made normal by itself first: ".." never leads out of @root. */
        if (asprintf(&rooted, "/%s", relative) < 0) {
                rooted = NULL;
                return -ENOMEM;
        }
        r = path_normalize(rooted, &below);
        if (r < 0)
                return r;
        if (asprintf(&joined, "%s%s", root, below) < 0) {
                joined = NULL;
                return -ENOMEM;
        }
        return path_normalize(joined, ret_path);
}

int path_below_device(const char *path, const char *mount_point, const char *mount_root,
                      const char *volume_root, char **ret_below) {
        _cleanup_(freep) char *inside = NULL;
        const char *below = path_relative(path, mount_point);
        char *copy;
        int r;

        if (!below)
                return -ENOENT;
        r = path_join(mount_root, below, &inside);
        if (r < 0)
                return r;
        below = path_relative(inside, volume_root);
        if (!below)
                return -EXDEV;

        copy = strdup(below);
        if (!copy)
                return -ENOMEM;
        *ret_below = copy;
        return 0;
}
