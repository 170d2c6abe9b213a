/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writer descriptors, and what of that which writers say may be believed
 *
 * So a hijacked application cannot steer root: a path counts only if it lies in a directory that the
 * descriptor names, or in one that the writer's user owns. A broker, which speaks for many users, is judged
 * per component by the component's owner.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "config.h"
#include "model/component.h"
#include "model/path.h"
#include "util/conf.h"
#include "vssd/judge.h"

#define DESCRIPTORS_DIR LINUXVSS_DATADIR "/writers"

enum { DESCRIPTORS_MAX = 512, SETS_MAX = 100000 };

static int find_uid(const char *user, int64_t *ret_uid) {
        struct passwd *pw = getpwnam(user);

        if (!pw)
                return -ESRCH;
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

static vss_value *read_descriptor(const char *path) {
        _cleanup_value_ vss_value *descriptor = vss_value_new_dict();
        _cleanup_conf_ Conf *conf = NULL;
        const ConfSection *section;
        ConfError error = { 0 };
        const char *user;
        bool broker = false;
        int64_t uid;
        int r;

        r = conf_read(path, &error, &conf);
        if (r < 0) {
                (void)value_set_printf(descriptor, "error", "%s:%u: %s", path, error.line, error.message);
                return TAKE_PTR(descriptor);
        }
        section = conf_section(conf, "Writer", 0);
        user = conf_value(section, "User", "");
        (void)conf_boolean(conf_value(section, "Broker", "no"), &broker);
        if (find_uid(user, &uid) < 0)
                (void)value_set_printf(descriptor, "error", "%s: there is no user \"%s\" (User=)", path,
                                       user);
        else
                (void)vss_value_set_integer(descriptor, "uid", uid);
        (void)vss_value_set_string(descriptor, "user", user);
        (void)vss_value_set_boolean(descriptor, "broker", broker);
        if (vss_value_set(descriptor, "roots", words_to_list(conf_value(section, "Roots", ""))) < 0)
                (void)value_set_printf(descriptor, "error", "%s: Roots= cannot be read", path);
        else if (!are_paths(vss_value_get(descriptor, "roots")))
                (void)value_set_printf(descriptor, "error",
                                       "%s: Roots= wants absolute paths without \"..\" or a '/' at the end",
                                       path);
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

/* The nearest directory above that exists: a component's directory may not be there yet. */
static char *resolve(const char *path) {
        _cleanup_(freep) char *text = NULL;

        if (path_normalize(path, &text) < 0)
                return NULL;
        for (;;) {
                char *slash, *real = realpath(text, NULL);

                if (real || (errno != ENOENT && errno != ENOTDIR))
                        return real;
                slash = strrchr(text, '/');
                slash[slash == text ? 1 : 0] = '\0';
        }
}

/* NULL when the path may be believed, else why not. */
static const char *refuse(const char *real, const struct stat *st, const vss_value *roots, int64_t uid) {
        for (size_t i = 0; i < vss_value_count(roots); i++)
                if (path_is_below(real, vss_value_string(vss_value_at(roots, i), "")))
                        return NULL;
        return st->st_uid == (uid_t)uid
                       ? NULL
                       : "it lies outside the roots of the writer's descriptor and belongs to another user";
}

static int find_owner(const char *owner, int64_t *ret_uid) {
        char *end;
        unsigned long number;

        if (find_uid(owner, ret_uid) >= 0)
                return 0;
        /* Of a container, perhaps: a number that has no name here. */
        errno = 0;
        number = strtoul(owner, &end, 10);
        if (errno != 0 || *end != '\0' || owner[0] < '0' || owner[0] > '9' || number >= UINT32_MAX)
                return -ESRCH;
        *ret_uid = (int64_t)number;
        return 0;
}

/* A directory of root's in which the owner keeps a file is common (/var/lib); then the file itself must be
 * his. One that is not there yet, and patterns, are judged again when they are read, with his rights. */
static bool owns_file(const char *directory, const char *filespec, uid_t uid) {
        char path[PATH_MAX];
        struct stat st;

        if (strpbrk(filespec, "*?") ||
            snprintf(path, sizeof(path), "%s/%s", directory, filespec) >= PATH_MAX)
                return strpbrk(filespec, "*?") != NULL;
        if (lstat(path, &st) < 0)
                return errno == ENOENT;
        return st.st_uid == uid;
}

/* A broker's roots say where it may look at all; what is there must belong to the component's owner. */
static const char *refuse_broker(const char *real, const struct stat *st, const vss_value *roots,
                                 const char *owner, const char *filespec) {
        bool inside = vss_value_count(roots) == 0;
        int64_t uid;

        for (size_t i = 0; !inside && i < vss_value_count(roots); i++)
                inside = path_is_below(real, vss_value_string(vss_value_at(roots, i), ""));
        if (!inside)
                return "it lies outside the roots of the writer's descriptor";
        if (!*owner)
                return NULL;
        if (find_owner(owner, &uid) < 0)
                return "its owner is not a user of this machine";
        if (st->st_uid == (uid_t)uid || (st->st_uid == 0 && owns_file(real, filespec, (uid_t)uid)))
                return NULL;
        return "it belongs to another user than the component's owner";
}

/* NULL when @path may be believed, else why not. @ret_real: where it is; NULL if that cannot be found. */
static const char *judge_place(const Judge *judge, const char *owner, const char *path, const char *filespec,
                               char **ret_real, struct stat *ret_st) {
        const vss_value *roots = vss_value_get(judge->descriptor, "roots");
        _cleanup_(freep) char *real = resolve(path);
        const char *why = "it cannot be resolved";

        if (real && stat(real, ret_st) == 0)
                why = vss_value_get_boolean(judge->descriptor, "broker", false)
                              ? refuse_broker(real, ret_st, roots, owner, filespec)
                              : refuse(real, ret_st, roots,
                                       vss_value_get_integer(judge->descriptor, "uid", 0));
        *ret_real = TAKE_PTR(real);
        return why;
}

static int judge_set(const Judge *judge, const char *owner, vss_value *set, vss_value *dropped,
                     bool *ret_keep) {
        const char *path = vss_value_get_string(set, "path", ""), *why;
        _cleanup_(freep) char *real = NULL;
        struct stat st = { 0 };
        vss_value *drop;

        why = judge_place(judge, owner, path, vss_value_get_string(set, "filespec", ""), &real, &st);
        *ret_keep = !why;
        if (!why)
                return vss_value_set_string(set, "real", real) < 0 ||
                                       vss_value_set_integer(set, "device", (int64_t)st.st_dev) < 0
                               ? -ENOMEM
                               : 0;

        drop = vss_value_new_dict();
        (void)vss_value_set_string(drop, "path", path);
        (void)vss_value_set_string(drop, "reason", why);
        if (real)
                (void)vss_value_set_integer(drop, "device", (int64_t)st.st_dev);
        return vss_value_append(dropped, drop) < 0 ? -ENOMEM : 0;
}

static int judge_component(const Judge *judge, vss_value *component, vss_value *dropped, size_t *n) {
        vss_value *files = value_get_mutable(component, "files");
        _cleanup_value_ vss_value *kept = vss_value_new_list();
        bool keep;
        int r;

        if (!kept)
                return -ENOMEM;
        for (size_t i = 0; i < vss_value_count(files); i++) {
                vss_value *set = value_at_mutable(files, i);

                if (++*n > SETS_MAX)
                        return -E2BIG;
                r = judge_set(judge, vss_value_get_string(component, "owner", ""), set, dropped, &keep);
                if (r >= 0 && keep && vss_value_append(kept, vss_value_copy(set)) < 0)
                        r = -ENOMEM;
                if (r < 0)
                        return r;
        }
        return vss_value_set(component, "files", TAKE_PTR(kept)) < 0 ? -ENOMEM : 0;
}

int judge_metadata_main(void *arg, WorkerAnswer *answer) {
        const Judge *judge = arg;
        vss_value *metadata = vss_value_copy(judge->metadata), *dropped, *components;
        size_t n = 0;
        int r;

        if (vss_value_set(answer->value, "metadata", metadata) < 0)
                return -ENOMEM;
        dropped = value_require(metadata, "dropped", VSS_KIND_LIST);
        if (!dropped)
                return -ENOMEM;
        components = value_get_mutable(metadata, "components");
        for (size_t i = 0; i < vss_value_count(components); i++) {
                r = judge_component(judge, value_at_mutable(components, i), dropped, &n);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What is said of components, in answers and in documents */

/* Places that entries of a component's lists name. Where a new target lies is the requester's choice. */
static const struct {
        const char *list, *path, *filespec;
} places[] = {
        { "partial-files", "path", "filespec" },
        { "differenced-files", "path", "filespec" },
        { "alternate-mappings", "path", "filespec" },
        { "alternate-mappings", "alternate-path", "filespec" },
        { "new-targets", "path", "filespec" },
        { "directed-targets", "path", "filespec" },
        { "directed-targets", "destination-path", "destination-filespec" },
};

bool judge_has_places(const vss_value *component) {
        FOREACH_ELEMENT (place, places)
                if (vss_value_count(vss_value_get(component, place->list)) > 0)
                        return true;
        return false;
}

/* A partial file may name another one, which holds its ranges. */
static const char *ranges_file(const vss_value *entry) {
        const char *ranges = vss_value_get_string(entry, "ranges", "");

        return strncasecmp(ranges, "File=", 5) == 0 ? ranges + 5 : NULL;
}

static const char *judge_entry(const Judge *judge, const char *owner, const char *list,
                               const vss_value *entry, const char **ret_path) {
        const char *why = NULL, *file = ranges_file(entry);
        struct stat st = { 0 };

        FOREACH_ELEMENT (place, places) {
                _cleanup_(freep) char *real = NULL;

                if (why || strcmp(place->list, list) != 0)
                        continue;
                *ret_path = vss_value_get_string(entry, place->path, "");
                why = judge_place(judge, owner, *ret_path, vss_value_get_string(entry, place->filespec, ""),
                                  &real, &st);
        }
        if (!why && file) {
                _cleanup_(freep) char *real = NULL;

                *ret_path = file;
                why = judge_place(judge, owner, file, "*", &real, &st);
        }
        return why;
}

static int drop_entry(const char *writer, const vss_value *component, const char *path, const char *why,
                      vss_value *dropped) {
        vss_value *drop = vss_value_new_dict();

        (void)vss_value_set_string(drop, "writer", writer);
        (void)vss_value_set_string(drop, "logical-path", component_logical_path(component));
        (void)vss_value_set_string(drop, "name", component_name(component));
        (void)vss_value_set_string(drop, "path", path);
        (void)vss_value_set_string(drop, "reason", why);
        return vss_value_append(dropped, drop) < 0 ? -ENOMEM : 0;
}

static int judge_list(const Judge *judge, const char *writer, const char *owner, vss_value *component,
                      const char *list, vss_value *dropped, size_t *n) {
        const vss_value *entries = vss_value_get(component, list);
        _cleanup_value_ vss_value *kept = vss_value_new_list();
        int r = kept ? 0 : -ENOMEM;

        for (size_t i = 0; i < vss_value_count(entries) && r >= 0; i++) {
                const vss_value *entry = vss_value_at(entries, i);
                const char *path = "", *why;

                if (++*n > SETS_MAX)
                        return -E2BIG;
                why = judge_entry(judge, owner, list, entry, &path);
                if (why)
                        r = drop_entry(writer, component, path, why, dropped);
                else if (vss_value_append(kept, vss_value_copy(entry)) < 0)
                        r = -ENOMEM;
        }
        if (r < 0)
                return r;
        return vss_value_set(component, list, TAKE_PTR(kept)) < 0 ? -ENOMEM : 0;
}

/* Whose files those of a component are, says who declared it. */
static const char *owner_of(const vss_value *metadata, const vss_value *component) {
        return vss_value_get_string(component_find(vss_value_get(metadata, "components"),
                                                   component_logical_path(component),
                                                   component_name(component)),
                                    "owner", "");
}

int judge_said(const Judge *judge, const char *writer, vss_value *components, vss_value *dropped) {
        size_t n = 0;

        for (size_t i = 0; i < vss_value_count(components); i++) {
                vss_value *component = value_at_mutable(components, i);
                const char *owner = owner_of(judge->metadata, component), *last = "";

                FOREACH_ELEMENT (place, places) {
                        int r = 0;

                        if (strcmp(place->list, last) == 0 || !vss_value_get(component, place->list))
                                continue;
                        last = place->list;
                        r = judge_list(judge, writer, owner, component, last, dropped, &n);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}
