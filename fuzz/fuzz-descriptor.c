/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: descriptors of writers, and what is read from them about whom to believe
 *
 * The source is taken in, since reading one descriptor is its own matter; the input stands in for the file,
 * and two users for the name service.
 */

#include <pwd.h>
#include "fuzz.h"
#include "util/conf.h"

static const uint8_t *input;
static size_t input_size;

static int read_input(const char *path, ConfError *error, Conf **ret_conf) {
        return conf_parse((const char *)input, input_size, error, ret_conf);
}

static struct passwd *find_user(const char *name) {
        static struct passwd user;

        user = (struct passwd){ .pw_uid = strcmp(name, "root") == 0 ? 0 : 1000 };
        return strcmp(name, "root") == 0 || strcmp(name, "somebody") == 0 ? &user : NULL;
}

#define conf_read read_input
#define getpwnam find_user
#include "vssd/descriptors.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_value_ vss_value *descriptor = NULL;
        const vss_value *roots, *units, *environment;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        input = data;
        input_size = size;
        descriptor = read_descriptor("/descriptor.conf");
        fuzz_require(vss_value_kind(descriptor) == VSS_KIND_DICT);
        if (vss_value_get(descriptor, "error"))
                return 0;

        /* Whoever is believed is a user, and is asked for by number. */
        fuzz_require(vss_value_kind(vss_value_get(descriptor, "uid")) == VSS_KIND_INTEGER);
        fuzz_require(find_user(vss_value_get_string(descriptor, "user", "")));
        roots = vss_value_get(descriptor, "roots");
        fuzz_require(vss_value_kind(roots) == VSS_KIND_LIST);
        for (size_t i = 0; i < vss_value_count(roots); i++)
                fuzz_require(path_is_normal(vss_value_string(vss_value_at(roots, i), NULL)));
        /* No unit's name can pass for an option, and no variable has an odd name. */
        units = vss_value_get(descriptor, "units");
        fuzz_require(vss_value_kind(units) == VSS_KIND_LIST);
        for (size_t i = 0; i < vss_value_count(units); i++)
                fuzz_require(strchr(vss_value_string(vss_value_at(units, i), "-"), '.') &&
                             vss_value_string(vss_value_at(units, i), "-")[0] != '-');
        environment = vss_value_get(descriptor, "environment");
        fuzz_require(vss_value_kind(environment) == VSS_KIND_DICT);
        for (size_t i = 0; i < vss_value_count(environment); i++)
                fuzz_require(*vss_value_key_at(environment, i) &&
                             !strpbrk(vss_value_key_at(environment, i), "=$/ "));
        return 0;
}
