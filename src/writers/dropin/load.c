/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Drop-in files: which there are, and which of them count
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include "writers/common/child.h"
#include "writers/dropin/dropin.h"

#define NAMES_MAX 1024u

void dropin_set_clear(DropInSet *set) {
        for (size_t i = 0; i < set->n; i++)
                dropin_free(set->items[i]);
        warnings_clear(&set->warnings);
        *set = (DropInSet){ 0 };
}

static int is_conf(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".conf") == 0 &&
               text_is_clean(entry->d_name);
}

/* A link to /dev/null says: not this one. */
static bool is_masked(const char *path) {
        char target[16];
        ssize_t n = readlink(path, target, sizeof(target));

        return n == 9 && memcmp(target, "/dev/null", 9) == 0;
}

static bool is_hidden(const char *const *directories, size_t n, const char *name) {
        char path[PATH_MAX];

        for (size_t i = 0; i < n; i++) {
                (void)snprintf(path, sizeof(path), "%s/%s", directories[i], name);
                if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        return true;
        }
        return false;
}

static int load_file(DropInSet *set, const char *path) {
        _cleanup_(dropin_freep) DropIn *dropin = NULL;
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };
        int r;

        if (is_masked(path))
                return 0;
        r = conf_read(path, &error, &conf);
        if (r >= 0)
                r = dropin_from_conf(conf, &error, &dropin);
        if (r == -ENOMEM)
                return r;
        if (r < 0 && error.line > 0)
                return warnings_add(&set->warnings, "%s, line %u: %s; the file is left out", path,
                                    error.line, error.message);
        if (r < 0)
                return warnings_add(&set->warnings, "%s: %s; the file is left out", path,
                                    error.message[0] ? error.message : strerror(-r));
        for (size_t i = 0; i < set->n; i++)
                if (strcmp(set->items[i]->name, dropin->name) == 0)
                        return warnings_add(&set->warnings,
                                            "%s: Name=%s is taken by %s; the file is left out", path,
                                            dropin->name, set->items[i]->path);
        if (set->n == DROPIN_FILES_MAX)
                return warnings_add(&set->warnings, "%s: more than %u drop-in files; the file is left out",
                                    path, DROPIN_FILES_MAX);
        dropin->path = strdup(path);
        if (!dropin->path)
                return -ENOMEM;
        set->items[set->n++] = TAKE_PTR(dropin);
        return 0;
}

static int load_directory(DropInSet *set, const char *const *directories, size_t index) {
        struct dirent **names = NULL;
        char path[PATH_MAX];
        int n, r = 0;

        n = scandir(directories[index], &names, is_conf, alphasort);
        if (n < 0)
                return errno == ENOENT ? 0
                                       : warnings_add(&set->warnings, "%s cannot be read: %s",
                                                      directories[index], strerror(errno));
        for (int i = 0; i < n; i++) {
                if (r == 0 && i < (int)NAMES_MAX && !is_hidden(directories, index, names[i]->d_name)) {
                        (void)snprintf(path, sizeof(path), "%s/%s", directories[index], names[i]->d_name);
                        r = load_file(set, path);
                }
                free(names[i]);
        }
        free(names);
        return r;
}

int dropin_set_load(const char *const *directories, size_t n, DropInSet *ret_set) {
        DropInSet set = { 0 };

        for (size_t i = 0; i < n; i++) {
                int r = load_directory(&set, directories, i);

                if (r < 0) {
                        dropin_set_clear(&set);
                        return r;
                }
        }
        *ret_set = set;
        return 0;
}
