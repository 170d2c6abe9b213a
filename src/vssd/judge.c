/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What of a writer's metadata may be believed
 *
 * So a hijacked application cannot steer root: a path counts only if it lies in a directory that the
 * descriptor names, or in one that the writer's user owns. A broker, which speaks for many users, is judged
 * per component by the component's owner.
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "model/filespec.h"
#include "model/path.h"
#include "vssd/judge.h"

/* Each exclude from shadow copies of a broker is looked for among all its file sets. */
enum { SETS_MAX = 100000, SNAPSHOT_EXCLUDES_MAX = 1000 };

typedef struct Judging {
        const vss_value *metadata, *roots, *environment;
        bool broker;
        int64_t uid;
        vss_value *dropped;
        size_t n; /* of everything judged */
        /* The volume that was looked at last. */
        char root[PATH_MAX];
        uint64_t device, mount;
} Judging;

/* A path that was looked at. */
typedef struct Place {
        char *path;    /* without variables */
        char *real;    /* what of it is there; NULL: it cannot be resolved */
        char *missing; /* the rest, with a leading slash; "" if all of it is there */
        struct statx st;
        uint64_t device;
} Place;

static void place_done(Place *place) {
        free(place->path);
        free(place->real);
        free(place->missing);
}

static const char *look_up(void *userdata, const char *name) {
        return vss_value_get_string(userdata, name, NULL);
}

/* The nearest directory above that exists: a component's directory may not be there yet. */
static char *resolve(const char *path, char **ret_missing) {
        _cleanup_(freep) char *text = strdup(path);

        while (text) {
                char *slash, *real = realpath(text, NULL);

                if (real) {
                        const char *rest = path + strlen(text);

                        if (asprintf(ret_missing, "%s%s", *rest && *rest != '/' ? "/" : "", rest) < 0)
                                *ret_missing = NULL;
                        return real;
                }
                if (errno != ENOENT && errno != ENOTDIR)
                        return NULL;
                slash = strrchr(text, '/');
                slash[slash == text ? 1 : 0] = '\0';
        }
        return NULL;
}

static int stat_place(const char *path, struct statx *ret_st) {
        return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_MNT_ID, ret_st) < 0 ? -errno
                                                                                                    : 0;
}

static uint64_t device_of(const struct statx *st) {
        return makedev(st->stx_dev_major, st->stx_dev_minor);
}

/* NULL, or why it cannot be looked at. */
static const char *find_place(const Judging *judging, const char *path, Place *place) {
        if (filespec_expand(path, look_up, (void *)judging->environment, &place->path, NULL) < 0)
                return "it is no absolute path, and the writer's descriptor has no variable (Environment=) "
                       "that "
                       "would make it one";
        place->real = resolve(place->path, &place->missing);
        if (!place->real || !place->missing || stat_place(place->real, &place->st) < 0)
                return "it cannot be resolved";
        place->device = device_of(&place->st);
        return NULL;
}

/* The root of the volume that holds a place: the topmost directory of the same device and mount. */
static const char *volume_of(Judging *judging, const Place *place) {
        struct statx st;

        if (judging->root[0] && judging->device == place->device && judging->mount == place->st.stx_mnt_id &&
            path_is_below(place->real, judging->root))
                return judging->root;
        (void)snprintf(judging->root, sizeof(judging->root), "%s", place->real);
        judging->device = place->device;
        judging->mount = place->st.stx_mnt_id;
        while (judging->root[1]) {
                char *slash = strrchr(judging->root, '/'), *cut = slash == judging->root ? slash + 1 : slash;
                char saved = *cut;

                *cut = '\0';
                if (stat_place(judging->root, &st) < 0 || device_of(&st) != judging->device ||
                    st.stx_mnt_id != judging->mount) {
                        *cut = saved;
                        break;
                }
        }
        return judging->root;
}

static bool is_in_roots(const Judging *judging, const char *real) {
        for (size_t i = 0; i < vss_value_count(judging->roots); i++)
                if (path_is_below(real, vss_value_string(vss_value_at(judging->roots, i), "")))
                        return true;
        return false;
}

static int find_owner(const char *owner, int64_t *ret_uid) {
        char *end;
        unsigned long number;

        if (judge_find_uid(owner, ret_uid) >= 0)
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

        if (strpbrk(filespec, "*?"))
                return true;
        if (!directory || snprintf(path, sizeof(path), "%s/%s", directory, filespec) >= PATH_MAX)
                return false;
        if (lstat(path, &st) < 0)
                return errno == ENOENT;
        return st.st_uid == uid;
}

/* A broker's roots say where it may look at all; what is there must belong to the component's owner. */
static const char *refuse_broker(const Judging *judging, const Place *place, const char *owner,
                                 const char *filespec) {
        int64_t uid;

        if (vss_value_count(judging->roots) > 0 && !is_in_roots(judging, place->real))
                return "it lies outside the roots of the writer's descriptor";
        if (!*owner)
                return NULL;
        if (find_owner(owner, &uid) < 0)
                return "its owner is not a user of this machine";
        if (place->st.stx_uid == (uid_t)uid ||
            (place->st.stx_uid == 0 && owns_file(place->real, filespec, (uid_t)uid)))
                return NULL;
        return "it belongs to another user than the component's owner";
}

/* NULL when the path may be believed, else why not. */
static const char *refuse(const Judging *judging, const Place *place, const char *owner,
                          const char *filespec) {
        if (judging->broker)
                return refuse_broker(judging, place, owner, filespec);
        if (is_in_roots(judging, place->real) || place->st.stx_uid == (uid_t)judging->uid)
                return NULL;
        return "it lies outside the roots of the writer's descriptor and belongs to another user";
}

static int drop(Judging *judging, const char *path, const Place *place, const char *why) {
        vss_value *dropped = vss_value_new_dict();

        (void)vss_value_set_string(dropped, "path", path);
        (void)vss_value_set_string(dropped, "reason", why);
        if (place && place->real)
                (void)vss_value_set_integer(dropped, "device", (int64_t)place->device);
        return vss_value_append(judging->dropped, dropped) < 0 ? -ENOMEM : 1;
}

/* What is known of one path of @set, under keys that begin with @prefix. */
static int note_place(Judging *judging, vss_value *set, const char *key, const char *prefix,
                      const Place *place) {
        char real[32], device[32], volume[32], whole[PATH_MAX];
        bool is_root = strcmp(place->real, "/") == 0;

        /* What is not there yet belongs to it: it must not be taken for the directory above. */
        if (snprintf(whole, sizeof(whole), "%s%s", is_root && *place->missing ? "" : place->real,
                     place->missing) >= (int)sizeof(whole))
                return drop(judging, place->path, place, "its path without links is too long");
        (void)snprintf(real, sizeof(real), "%sreal", prefix);
        (void)snprintf(device, sizeof(device), "%sdevice", prefix);
        (void)snprintf(volume, sizeof(volume), "%svolume", prefix);
        return vss_value_set_string(set, key, place->path) < 0 ||
                               vss_value_set_string(set, real, whole) < 0 ||
                               vss_value_set_integer(set, device, (int64_t)place->device) < 0 ||
                               vss_value_set_string(set, volume, volume_of(judging, place)) < 0
                       ? -ENOMEM
                       : 0;
}

/* Return: 0; 1 if it was dropped; a negative errno. */
static int judge_path(Judging *judging, vss_value *set, const char *key, const char *prefix,
                      const char *owner) {
        const char *path = vss_value_get_string(set, key, "");
        const char *filespec = vss_value_get_string(set, "filespec", "");
        _cleanup_(place_done) Place place = { 0 };
        const char *why = find_place(judging, path, &place);

        if (!why && filespec_check(filespec, NULL) < 0)
                why = "its file specification is no name with * and ?";
        if (!why)
                why = refuse(judging, &place, owner, filespec);
        return why ? drop(judging, path, &place, why) : note_place(judging, set, key, prefix, &place);
}

/* Both where it is and, if it is read or put somewhere else, that place. Return: as judge_path(). */
static int judge_set(Judging *judging, vss_value *set, const char *owner) {
        static const char *const ours[] = { "real",   "alternate-real",   "device", "alternate-device",
                                            "volume", "alternate-volume", "uid" };
        int r;

        FOREACH_ELEMENT (key, ours)
                value_unset(set, *key);
        if (++judging->n > SETS_MAX)
                return -E2BIG;
        r = judge_path(judging, set, "path", "", owner);
        if (r == 0 && *vss_value_get_string(set, "alternate-path", ""))
                r = judge_path(judging, set, "alternate-path", "alternate-", owner);
        return r;
}

typedef int (*JudgeEntry)(Judging *judging, vss_value *entry, const char *owner);

/* The list @key of @dict keeps what may be believed. */
static int judge_list(Judging *judging, vss_value *dict, const char *key, const char *owner,
                      JudgeEntry judge) {
        vss_value *list = value_get_mutable(dict, key);
        _cleanup_value_ vss_value *kept = vss_value_new_list();

        if (!kept)
                return -ENOMEM;
        for (size_t i = 0; i < vss_value_count(list); i++) {
                vss_value *entry = value_at_mutable(list, i);
                int r = judge(judging, entry, owner);

                if (r == 0 && vss_value_append(kept, vss_value_copy(entry)) < 0)
                        r = -ENOMEM;
                if (r < 0)
                        return r;
        }
        return vss_value_set(dict, key, TAKE_PTR(kept)) < 0 ? -ENOMEM : 0;
}

/* The component that a directory lies in; NULL if it lies in none. */
static const vss_value *find_component(const vss_value *metadata, const char *real) {
        const vss_value *components = vss_value_get(metadata, "components");

        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *files = vss_value_get(vss_value_at(components, i), "files");

                for (size_t k = 0; k < vss_value_count(files); k++) {
                        const char *root = vss_value_get_string(vss_value_at(files, k), "real", NULL);

                        if (root && path_is_below(real, root))
                                return vss_value_at(components, i);
                }
        }
        return NULL;
}

/* What goes from a shadow copy is deleted there by the service: with the rights of the writer's user, for a
 * broker with those of the owner of the component that it lies in. */
static int judge_snapshot_exclude(Judging *judging, vss_value *exclude, const char *owner) {
        int64_t uid = judging->uid;
        int r = judge_set(judging, exclude, owner);

        if (r == 0 && judging->broker) {
                const char *path = vss_value_get_string(exclude, "path", "");
                const char *real = vss_value_get_string(exclude, "real", "");
                const vss_value *component = find_component(judging->metadata, real);
                const char *user = vss_value_get_string(component, "owner", "");

                if (!component && !is_in_roots(judging, real))
                        return drop(judging, path, NULL, "it lies in no component of this writer");
                if (*user && find_owner(user, &uid) < 0)
                        return drop(judging, path, NULL,
                                    "its component's owner is not a user of this machine");
        }
        return r == 0 && vss_value_set_integer(exclude, "uid", uid) < 0 ? -ENOMEM : r;
}

static int judge_all(Judging *judging, vss_value *metadata) {
        vss_value *components = value_get_mutable(metadata, "components");
        int r = 0;

        for (size_t i = 0; r >= 0 && i < vss_value_count(components); i++) {
                vss_value *component = value_at_mutable(components, i);

                r = judge_list(judging, component, "files", vss_value_get_string(component, "owner", ""),
                               judge_set);
        }
        if (r >= 0)
                r = judge_list(judging, metadata, "excludes", "", judge_set);
        if (r >= 0)
                r = judge_list(judging, metadata, "alternate-mappings", "", judge_set);
        if (r >= 0 &&
            vss_value_count(vss_value_get(metadata, "excludes-from-snapshot")) > SNAPSHOT_EXCLUDES_MAX)
                r = -E2BIG;
        return r < 0 ? r
                     : judge_list(judging, metadata, "excludes-from-snapshot", "", judge_snapshot_exclude);
}

static Judging judging_by(const vss_value *descriptor, const vss_value *metadata) {
        return (Judging){
                .metadata = metadata,
                .roots = vss_value_get(descriptor, "roots"),
                .environment = vss_value_get(descriptor, "environment"),
                .broker = vss_value_get_boolean(descriptor, "broker", false),
                .uid = vss_value_get_integer(descriptor, "uid", 0),
        };
}

const char *judge_refuse(const Judge *judge, const char *owner, const char *path, const char *filespec) {
        const Judging judging = judging_by(judge->descriptor, judge->metadata);
        _cleanup_(place_done) Place place = { 0 };

        return find_place(&judging, path, &place) ?: refuse(&judging, &place, owner, filespec);
}

int judge_metadata_main(void *arg, WorkerAnswer *answer) {
        const Judge *judge = arg;
        vss_value *metadata = vss_value_copy(judge->metadata);
        const vss_value *units = vss_value_get(judge->descriptor, "units");
        Judging judging = judging_by(judge->descriptor, metadata);
        _cleanup_(freep) char *why = NULL;
        int r;

        if (vss_value_set(answer->value, "metadata", metadata) < 0)
                return -ENOMEM;
        r = judge_names(metadata, &why);
        if (r > 0)
                (void)vss_value_set_string(answer->value, "message", why);
        if (r != 0)
                return r > 0 ? -EINVAL : r;
        value_unset(metadata, "dropped");
        judging.dropped = value_require(metadata, "dropped", VSS_KIND_LIST);
        if (!judging.dropped ||
            vss_value_set_boolean(metadata, "express",
                                  vss_value_get_boolean(judge->descriptor, "express", false)) < 0 ||
            vss_value_set(metadata, "units", units ? vss_value_copy(units) : vss_value_new_list()) < 0)
                return -ENOMEM;
        r = judge_all(&judging, metadata);
        if (r == -E2BIG)
                (void)vss_value_set_string(answer->value, "message",
                                           "it names more file sets than are looked at");
        return r;
}
