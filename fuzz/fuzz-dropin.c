/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: files of the drop-in writer
 */

#include "fuzz.h"
#include "writers/dropin/dropin.h"

/* Root looks there on the word of the file. */
static void check_path(const char *path) {
        fuzz_require(path[0] == '/');
        fuzz_require(!strstr(path, "//") && !strstr(path, "/../") && !strstr(path, "/./"));
        fuzz_require(!strchr(path, '\n'));
        path = strrchr(path, '/');
        fuzz_require(strcmp(path, "/..") != 0 && strcmp(path, "/.") != 0);
}

static void check_dropin(const DropIn *dropin) {
        fuzz_require(dropin->name[0] && !strchr(dropin->name, '/') && dropin->user[0]);
        fuzz_require(dropin->n_components > 0 && dropin->n_components <= DROPIN_COMPONENTS_MAX);
        fuzz_require(dropin->n_file_sets > 0 && dropin->n_file_sets <= DROPIN_FILE_SETS_MAX);
        fuzz_require(dropin->timeout_seconds > 0 && dropin->timeout_seconds <= DROPIN_TIMEOUT_MAX);
        fuzz_require(!dropin->commands[DROPIN_FREEZE] == !dropin->commands[DROPIN_THAW]);
        for (char **root = dropin->roots; root && *root; root++)
                check_path(*root);
        for (size_t i = 0; i < dropin->n_file_sets; i++) {
                const DropInFileSet *set = &dropin->file_sets[i];

                check_path(set->path);
                fuzz_require(set->filespec[0] && !strchr(set->filespec, '/'));
                fuzz_require(set->component == DROPIN_EXCLUDE ||
                             set->component == DROPIN_EXCLUDE_FROM_SNAPSHOT ||
                             set->component < dropin->n_components);
        }
        fuzz_require(dropin->n_dependencies <= DROPIN_DEPENDENCIES_MAX);
        for (size_t i = 0; i < dropin->n_dependencies; i++) {
                const DropInDependency *d = &dropin->dependencies[i];

                fuzz_require(d->component < dropin->n_components && strlen(d->writer_id) == 36);
                fuzz_require(d->name[0] && !strchr(d->name, '/') && d->logical_path[0] != '/');
        }
        /* It becomes a word of a command line of root's. */
        if (dropin->restore_unit)
                fuzz_require(dropin->restore_unit[0] != '-' && !strpbrk(dropin->restore_unit, "/ \t*?["));
        for (size_t i = 0; i < dropin->n_components; i++) {
                const DropInComponent *component = &dropin->components[i];

                fuzz_require(component->name[0] && !strchr(component->name, '/'));
                fuzz_require(strncmp(component->logical_path, dropin->name, strlen(dropin->name)) == 0);
        }
        for (size_t i = 0; i < DROPIN_COMMANDS; i++)
                if (dropin->commands[i]) {
                        fuzz_require(dropin->commands[i][0]);
                        check_path(dropin->commands[i][0]);
                }
        (void)dropin_has_no_hold(dropin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(dropin_freep) DropIn *dropin = NULL;
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };
        int r;

        if (size > FUZZ_SIZE_MAX || conf_parse((const char *)data, size, &error, &conf) < 0)
                return 0;
        error = (ConfError){ 0 };
        r = dropin_from_conf(conf, &error, &dropin);
        if (r < 0)
                fuzz_require(memchr(error.message, 0, sizeof(error.message)) && error.message[0]);
        else
                check_dropin(dropin);
        return 0;
}
