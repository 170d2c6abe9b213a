/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where files lie now
 */

#include <limits.h>
#include <string.h>
#include "files/locate.h"
#include "model/filespec.h"
#include "model/path.h"

#define LINE_MAX_SIZE (4u * PATH_MAX * 4)

static const char *from_environment(void *userdata, const char *name) {
        return getenv(name);
}

char *locate_resolve(const char *declared) {
        _cleanup_(freep) char *path = NULL;
        char above[PATH_MAX];
        size_t n;

        if (filespec_expand(declared, from_environment, NULL, &path, NULL) < 0)
                return NULL;
        n = strlen(path);
        if (n >= sizeof(above))
                return NULL;
        (void)snprintf(above, sizeof(above), "%s", path);
        for (;;) {
                _cleanup_(freep) char *real = realpath(n > 0 ? above : "/", NULL);
                char *slash, *joined = NULL;

                if (real)
                        return locate_join(real, path + n + (path[n] == '/'), &joined) < 0 ? NULL : joined;
                slash = strrchr(above, '/');
                if (!slash || n == 0)
                        return TAKE_PTR(path);
                n = (size_t)(slash - above);
                above[n] = '\0';
        }
}

char *locate_judged(const char *declared, const char *judged) {
        char *directory = locate_resolve(declared);

        if (directory && *judged && !path_is_below(directory, judged)) {
                free(directory);
                return NULL;
        }
        return directory;
}

char *locate_nearest(const char *path) {
        char *nearest = strdup(path);

        while (nearest && nearest[1] && access(nearest, F_OK) < 0) {
                char *slash = strrchr(nearest, '/');

                slash[slash == nearest] = '\0';
        }
        return nearest;
}

int locate_join(const char *directory, const char *below, char **ret_path) {
        size_t n = strlen(directory);

        while (n > 0 && directory[n - 1] == '/')
                n--;
        if (n + 1 + strlen(below) >= PATH_MAX)
                return -ENAMETOOLONG;
        if (asprintf(ret_path, "%.*s%s%s", (int)n, directory, *below || n == 0 ? "/" : "", below) < 0)
                return -ENOMEM;
        return 0;
}

bool locate_covers(const char *directory, const char *filespec, bool recursive, const char *path) {
        _cleanup_(freep) char *real = locate_resolve(directory);

        return real && filespec_covers(real, filespec, recursive, path);
}

char **locate_free(char **points) {
        for (char **p = points; p && *p; p++)
                free(*p);
        free(points);
        return NULL;
}

/* Undoes \ooo in place. */
static void unescape(char *text) {
        char *to = text;

        for (const char *p = text; *p;) {
                if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
                    p[3] >= '0' && p[3] <= '7') {
                        *to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
                        p += 4;
                } else
                        *to++ = *p++;
        }
        *to = '\0';
}

/* The fifth field of a line of mountinfo; NULL if it has none. */
static char *mount_point_of(char *line) {
        char *field = line, *end;

        for (unsigned i = 0; i < 4; i++) {
                field = strchr(field, ' ');
                if (!field)
                        return NULL;
                field++;
        }
        end = strchr(field, ' ');
        if (!end)
                return NULL;
        *end = '\0';
        unescape(field);
        return field;
}

int locate_mount_points(const char *directory, const char *prefix, char ***ret_points) {
        _cleanup_(fclosep) FILE *f = fopen("/proc/self/mountinfo", "re");
        _cleanup_(freep) char *line = malloc(LINE_MAX_SIZE);
        char **points = calloc(1, sizeof(*points));
        size_t n = 0;
        int r = 0;

        if (!f || !line || !points) {
                free(points);
                return f ? -ENOMEM : -errno;
        }
        while (r == 0 && fgets(line, LINE_MAX_SIZE, f)) {
                const char *point = mount_point_of(line), *below;
                char **grown;

                below = point ? path_relative(point, directory) : NULL;
                if (!below || !*below)
                        continue;
                grown = n < LOCATE_MOUNTS_MAX ? reallocarray(points, n + 2, sizeof(*points)) : NULL;
                if (!grown) {
                        r = n < LOCATE_MOUNTS_MAX ? -ENOMEM : -E2BIG;
                        break;
                }
                points = grown;
                points[n + 1] = NULL;
                if (asprintf(&points[n], "%s%s%s", prefix, *prefix ? "/" : "", below) < 0) {
                        points[n] = NULL;
                        r = -ENOMEM;
                }
                n++;
        }
        if (r < 0) {
                locate_free(points);
                return r;
        }
        *ret_points = points;
        return 0;
}
