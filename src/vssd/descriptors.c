/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writer descriptors
 */

#include <dirent.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include "config.h"
#include "model/path.h"
#include "model/unit.h"
#include "util/conf.h"
#include "vssd/judge.h"

#define DESCRIPTORS_DIR LINUXVSS_DATADIR "/writers"

enum { DESCRIPTORS_MAX = 512 };

int judge_find_uid(const char *user, int64_t *ret_uid) {
        struct passwd *pw;

        errno = 0;
        pw = getpwnam(user);
        if (!pw)
                return errno == EIO || errno == EINTR || errno == EMFILE || errno == ENFILE ||
                                       errno == ENOMEM
                               ? -errno
                               : -ESRCH;
        *ret_uid = pw->pw_uid;
        return 0;
}

static vss_value *words_to_list(const char *text) {
        _cleanup_words_ char **words = NULL;
        _cleanup_value_ vss_value *list = vss_value_new_list();
        ConfError error;

        if (!list || conf_words(text, &error, &words) < 0)
                return NULL;
        for (char **word = words; *word; word++)
                if (value_append_string(list, *word) < 0)
                        return NULL;
        return TAKE_PTR(list);
}

/* A root that is empty would be above everything. */
static bool are_paths(const vss_value *roots) {
        for (size_t i = 0; i < vss_value_count(roots); i++)
                if (!path_is_normal(vss_value_string(vss_value_at(roots, i), NULL)))
                        return false;
        return true;
}

bool judge_are_units(const vss_value *units) {
        for (size_t i = 0; i < vss_value_count(units); i++)
                if (!unit_is_pattern(vss_value_string(vss_value_at(units, i), "")))
                        return false;
        return true;
}

bool judge_has_unit(const vss_value *descriptor, const char *unit) {
        const vss_value *units = vss_value_get(descriptor, "units");
        const char *dot = strrchr(unit, '.');

        if (vss_value_get_boolean(descriptor, "any-service", false) && unit_is_valid(unit) && dot &&
            strcmp(dot, ".service") == 0)
                return true;
        for (size_t i = 0; i < vss_value_count(units) && unit_is_valid(unit); i++)
                if (unit_matches(vss_value_string(vss_value_at(units, i), ""), unit))
                        return true;
        return false;
}

/* "NAME=VALUE" words, in one line or several: the variables that the writer's paths may have. */
static int read_environment(const ConfSection *section, vss_value *environment) {
        for (size_t i = 0; section && i < section->n_entries; i++) {
                _cleanup_value_ vss_value *words = NULL;

                if (strcmp(section->entries[i].key, "Environment") != 0)
                        continue;
                words = words_to_list(section->entries[i].value);
                if (!words)
                        return -EBADMSG;
                for (size_t k = 0; k < vss_value_count(words); k++) {
                        const char *word = vss_value_string(vss_value_at(words, k), "");
                        size_t n = strspn(word,
                                          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
                        char name[128];

                        if (n == 0 || n >= sizeof(name) || word[n] != '=' ||
                            (word[0] >= '0' && word[0] <= '9'))
                                return -EBADMSG;
                        (void)snprintf(name, sizeof(name), "%.*s", (int)n, word);
                        if (vss_value_set_string(environment, name, word + n + 1) < 0)
                                return -ENOMEM;
                }
        }
        return 0;
}

static void read_user(const char *path, const ConfSection *section, vss_value *descriptor) {
        const char *user = conf_value(section, "User", "");
        bool broker = false, any_service = false;
        int64_t uid = -1;
        int r;

        (void)conf_boolean(conf_value(section, "Broker", "no"), &broker);
        (void)conf_boolean(conf_value(section, "AnyService", "no"), &any_service);
        r = judge_find_uid(user, &uid);
        if (r == -ESRCH) {
                (void)value_set_printf(descriptor, "error", "%s: there is no user \"%s\" (User=)", path,
                                       user);
                /* The package of an application makes its user. */
                (void)vss_value_set_boolean(descriptor, "absent", *user != '\0');
        } else if (r < 0)
                (void)value_set_printf(descriptor, "error",
                                       "%s: user \"%s\" (User=) cannot be looked up: %s", path, user,
                                       strerror(-r));
        else
                (void)vss_value_set_integer(descriptor, "uid", uid);
        (void)vss_value_set_string(descriptor, "user", user);
        (void)vss_value_set_boolean(descriptor, "broker", broker);
        /* Whoever is asked by one that is not root's could be any service's. */
        (void)vss_value_set_boolean(descriptor, "any-service",
                                    any_service && broker && strcmp(user, "root") == 0);
}

static vss_value *read_descriptor(const char *path) {
        _cleanup_value_ vss_value *descriptor = vss_value_new_dict();
        vss_value *environment = value_require(descriptor, "environment", VSS_KIND_DICT);
        _cleanup_conf_ Conf *conf = NULL;
        const ConfSection *section;
        ConfError error = { 0 };
        int r;

        r = conf_read(path, &error, &conf);
        if (r < 0 || !environment) {
                (void)value_set_printf(descriptor, "error", "%s:%u: %s", path, error.line, error.message);
                return TAKE_PTR(descriptor);
        }
        section = conf_section(conf, "Writer", 0);
        read_user(path, section, descriptor);
        if (vss_value_set(descriptor, "roots", words_to_list(conf_value(section, "Roots", ""))) < 0)
                (void)value_set_printf(descriptor, "error", "%s: Roots= cannot be read", path);
        else if (!are_paths(vss_value_get(descriptor, "roots")))
                (void)value_set_printf(descriptor, "error",
                                       "%s: Roots= wants absolute paths without \"..\" or a '/' at the end",
                                       path);
        if (vss_value_set(descriptor, "units", words_to_list(conf_value(section, "Units", ""))) < 0 ||
            !judge_are_units(vss_value_get(descriptor, "units")))
                (void)value_set_printf(descriptor, "error", "%s: Units= wants names of units (x.service)",
                                       path);
        if (read_environment(section, environment) < 0)
                (void)value_set_printf(descriptor, "error", "%s: Environment= wants NAME=VALUE", path);
        return TAKE_PTR(descriptor);
}

int judge_descriptors_main(void *arg, WorkerAnswer *answer) {
        vss_value *writers = value_require(answer->value, "writers", VSS_KIND_DICT);
        DIR *dir = opendir(DESCRIPTORS_DIR);
        struct dirent *entry;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while ((entry = readdir(dir)) && vss_value_count(writers) < DESCRIPTORS_MAX) {
                size_t length = strlen(entry->d_name);
                char path[PATH_MAX], name[NAME_MAX + 1];

                if (length <= 5 || strcmp(entry->d_name + length - 5, ".conf") != 0)
                        continue;
                (void)snprintf(path, sizeof(path), "%s/%s", DESCRIPTORS_DIR, entry->d_name);
                (void)snprintf(name, sizeof(name), "%.*s", (int)length - 5, entry->d_name);
                if (vss_value_set(writers, name, read_descriptor(path)) < 0) {
                        closedir(dir);
                        return -ENOMEM;
                }
        }
        closedir(dir);
        return 0;
}
