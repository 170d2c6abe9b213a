/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is wanted of a volume
 */

#include <string.h>
#include "model/path.h"
#include "vssd/wanted.h"

typedef struct Wanting {
        const Volume *volume;
        vss_value *paths;
        bool all; /* it cannot be said more closely */
        int error;
} Wanting;

static bool is_covered(const vss_value *paths, const char *path) {
        for (size_t i = 0; i < vss_value_count(paths); i++)
                if (path_is_below(path, vss_value_string(vss_value_at(paths, i), "")))
                        return true;
        return false;
}

static void want(Wanting *wanting, const char *path) {
        if (is_covered(wanting->paths, path))
                return;
        if (vss_value_count(wanting->paths) >= WANTED_PATHS_MAX)
                wanting->all = true;
        else if (value_append_string(wanting->paths, path) < 0)
                wanting->error = -ENOMEM;
}

/* The file if it is one, else the directory that it is looked for in. The caller frees it. */
static char *place_of(const vss_value *files) {
        bool elsewhere = *vss_value_get_string(files, "alternate-path", "");
        const char *directory = vss_value_get_string(files, elsewhere ? "alternate-real" : "real", "");
        const char *filespec = vss_value_get_string(files, "filespec", "*");
        char *path;

        if (vss_value_get_boolean(files, "recursive", false) || strpbrk(filespec, "*?"))
                return strdup(directory);
        return path_join(directory, filespec, &path) < 0 ? NULL : path;
}

static void want_files(void *userdata, const SetWriter *writer, const vss_value *component) {
        const vss_value *files = vss_value_get(component, "files");
        Wanting *wanting = userdata;

        for (size_t i = 0; i < vss_value_count(files); i++) {
                const vss_value *file = vss_value_at(files, i);
                bool elsewhere = *vss_value_get_string(file, "alternate-path", "");
                const char *key = elsewhere ? "alternate-device" : "device";
                _cleanup_(freep) char *place = NULL;

                if ((uint64_t)vss_value_get_integer(file, key, 0) != wanting->volume->device)
                        continue;
                place = place_of(file);
                if (!place)
                        wanting->error = -ENOMEM;
                else if (!path_is_below(place, wanting->volume->path))
                        /* It lies there by another mount. */
                        wanting->all = true;
                else
                        want(wanting, place);
        }
}

static void want_asked(Wanting *wanting, const vss_value *asked) {
        for (size_t i = 0; i < vss_value_count(asked); i++) {
                const char *path = vss_value_string(vss_value_at(asked, i), "");

                if (path_is_below(wanting->volume->path, path))
                        wanting->all = true;
                else if (path_is_below(path, wanting->volume->path))
                        want(wanting, path);
        }
}

int wanted_paths(const Set *set, const Volume *volume, const vss_value *asked, vss_value **ret_paths,
                 bool *ret_only_components) {
        const char *added = vss_value_get_string(volume->facts, "wanted", volume->path);
        Wanting wanting = { .volume = volume, .paths = vss_value_new_list() };
        _cleanup_value_ vss_value *paths = wanting.paths;
        size_t n;

        if (!paths)
                return -ENOMEM;
        want_asked(&wanting, asked);
        if (strcmp(added, volume->path) != 0)
                want(&wanting, added);
        n = vss_value_count(paths);
        for (size_t i = 0; i < set->n_writers && set->select_components; i++)
                if (!set->writers[i].disabled)
                        set_each_component(set, &set->writers[i], want_files, &wanting);
        if (wanting.error < 0)
                return wanting.error;
        if (wanting.all || vss_value_count(paths) == 0) {
                *ret_paths = NULL;
                *ret_only_components = false;
                return 0;
        }
        *ret_paths = TAKE_PTR(paths);
        *ret_only_components = n == 0;
        return 0;
}

bool wanted_has_files(const vss_value *paths, const vss_value *files) {
        _cleanup_(freep) char *place = NULL;

        if (!paths)
                return true;
        place = place_of(files);
        return place && is_covered(paths, place);
}
