/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where files of a writer may be put
 */

#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include "config.h"
#include "files/locate.h"
#include "model/path.h"
#include "model/unit.h"
#include "restore/vouch.h"
#include "util/conf.h"
#include "util/value.h"

void vouch_clear(Vouch *vouch) {
        vouch->roots = vss_value_free(vouch->roots);
        vouch->units = vss_value_free(vouch->units);
}

static int take_words(const char *text, vss_value *list) {
        _cleanup_words_ char **words = NULL;
        ConfError error;

        if (conf_words(text, &error, &words) < 0)
                return -EBADMSG;
        for (char **word = words; *word; word++)
                if (value_append_string(list, *word) < 0)
                        return -ENOMEM;
        return 0;
}

static int64_t find_uid(const ConfSection *section) {
        const struct passwd *pw;
        bool broker = false;

        (void)conf_boolean(conf_value(section, "Broker", "no"), &broker);
        pw = broker ? NULL : getpwnam(conf_value(section, "User", ""));
        /* Root owns nearly everything: that alone says nothing. */
        return pw && pw->pw_uid != 0 ? (int64_t)pw->pw_uid : -1;
}

int vouch_init(Vouch *vouch, const char *writer, const vss_value *running, bool trust) {
        _cleanup_conf_ Conf *conf = NULL;
        const ConfSection *section;
        ConfError error;

        *vouch = (Vouch){ .running = running, .trust = trust, .uid = -1 };
        vouch->roots = vss_value_new_list();
        vouch->units = vss_value_new_list();
        if (!vouch->roots || !vouch->units)
                return -ENOMEM;
        (void)snprintf(vouch->path, sizeof(vouch->path), LINUXVSS_DATADIR "/writers/%.*s.conf",
                       (int)MIN(strcspn(writer, "./"), (size_t)100), writer);
        if (conf_read(vouch->path, &error, &conf) < 0)
                return 0;
        section = conf_section(conf, "Writer", 0);
        vouch->uid = find_uid(section);
        if (take_words(conf_value(section, "Roots", ""), vouch->roots) == -ENOMEM ||
            take_words(conf_value(section, "Units", ""), vouch->units) == -ENOMEM)
                return -ENOMEM;
        return 0;
}

static bool is_in_roots(const Vouch *vouch, const char *real) {
        for (size_t i = 0; i < vss_value_count(vouch->roots); i++) {
                const char *root = vss_value_string(vss_value_at(vouch->roots, i), "");

                if (path_is_normal(root) && path_is_below(real, root))
                        return true;
        }
        return false;
}

/* Is it the place of a file set, or below that of a recursive one? The service says "real" of what it
 * judged; a directory that was not there then is below it, and has to be named. */
static bool is_place(const vss_value *set, const char *real, const char *real_key, const char *path_key) {
        const char *judged = vss_value_get_string(set, real_key, "");
        _cleanup_(freep) char *declared = locate_judged(vss_value_get_string(set, path_key, ""), judged);

        if (!*judged || !declared)
                return false;
        return strcmp(real, declared) == 0 ||
               (vss_value_get_boolean(set, "recursive", false) && path_is_below(real, declared));
}

static bool is_declared(const Vouch *vouch, const char *real) {
        const vss_value *components = vss_value_get(vouch->running, "components");
        const vss_value *mappings = vss_value_get(vouch->running, "alternate-mappings");

        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *files = vss_value_get(vss_value_at(components, i), "files");

                for (size_t j = 0; j < vss_value_count(files); j++)
                        if (is_place(vss_value_at(files, j), real, "real", "path"))
                                return true;
        }
        for (size_t i = 0; i < vss_value_count(mappings); i++)
                if (is_place(vss_value_at(mappings, i), real, "alternate-real", "alternate-path"))
                        return true;
        return false;
}

static bool is_owned(const Vouch *vouch, const char *real) {
        _cleanup_(freep) char *nearest = vouch->uid < 0 ? NULL : locate_nearest(real);
        struct stat st;

        return nearest && lstat(nearest, &st) == 0 && S_ISDIR(st.st_mode) &&
               (int64_t)st.st_uid == vouch->uid;
}

const char *vouch_refuse(Vouch *vouch, const char *directory) {
        _cleanup_(freep) char *real = locate_resolve(directory);

        if (!real)
                return "it is no absolute path, or a variable in it is not set.";
        if (vouch->trust || is_in_roots(vouch, real) || is_declared(vouch, real) || is_owned(vouch, real))
                return NULL;
        (void)snprintf(
                vouch->reason, sizeof(vouch->reason),
                "neither the writer's descriptor (%.200s) nor the writer as it runs now vouches for it; "
                "--trust-documents puts files there all the same.",
                vouch->path);
        return vouch->reason;
}

bool vouch_has_unit(const Vouch *vouch, const char *unit) {
        /* Those of a writer as the service tells it are its descriptor's, or of a document in a directory of
         * root's. What the writer itself says may be a hijacker's. */
        const vss_value *const lists[] = { vouch->units, vss_value_get(vouch->running, "units") };

        if (!unit_is_valid(unit))
                return false;
        FOREACH_ELEMENT (list, lists)
                for (size_t i = 0; i < vss_value_count(*list); i++)
                        if (unit_matches(vss_value_string(vss_value_at(*list, i), ""), unit))
                                return true;
        return vouch->trust;
}
