/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What writers exclude from shadow copies
 */

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include "files/walk.h"
#include "model/path.h"
#include "vssd/exclude.h"
#include "vssd/log.h"

/* Files that are told one by one; the rest is counted. */
enum { TOLD_MAX = 1000 };

typedef struct Excluding {
        const char *real; /* the directory of the entry */
        vss_value *files;
        int64_t more;
} Excluding;

static void tell(Excluding *work, const char *path, bool done, const char *reason) {
        vss_value *file;

        if (vss_value_count(work->files) >= TOLD_MAX) {
                work->more++;
                return;
        }
        file = vss_value_new_dict();
        (void)vss_value_set_string(file, "path", path);
        (void)vss_value_set_boolean(file, "done", done);
        (void)vss_value_set_string(file, "reason", reason);
        if (vss_value_append(work->files, file) < 0)
                work->more++;
}

static int on_entry(void *userdata, const WalkEntry *entry) {
        Excluding *work = userdata;
        char path[PATH_MAX];
        int r = 0;

        if (entry->kind == WALK_DIRECTORY || (entry->kind == WALK_ERROR && entry->error == -ENOENT))
                return 0;
        (void)snprintf(path, sizeof(path), "%s%s%s", work->real,
                       *entry->below && strcmp(work->real, "/") != 0 ? "/" : "", entry->below);
        if (entry->kind == WALK_ERROR)
                r = entry->error;
        else if (entry->kind == WALK_MOUNT_POINT)
                r = -EXDEV;
        else if (unlinkat(entry->directory_fd, entry->name, 0) < 0)
                r = -errno;
        tell(work, path, r == 0, r == 0 ? "" : strerror(-r));
        return 0;
}

/* From here on with the rights of @uid; 0 takes them back. */
static int become(uid_t uid) {
        struct passwd *pw;

        if (seteuid(0) < 0 || setegid(0) < 0 || setgroups(0, NULL) < 0)
                return -errno;
        if (uid == 0)
                return 0;
        pw = getpwuid(uid);
        /* A number without a name, of a container perhaps: its own group alone. */
        if (pw ? initgroups(pw->pw_name, pw->pw_gid) < 0 || setegid(pw->pw_gid) < 0
               : setegid((gid_t)uid) < 0)
                return -errno;
        return seteuid(uid) < 0 ? -errno : 0;
}

static int exclude(Excluding *work, const SetVolume *volume, int fd, const vss_value *entry) {
        const char *inside = path_relative(work->real, volume->volume->path);
        _cleanup_(freep) char *directory = NULL;
        WalkSet set = { .root_fd = fd,
                        .filespec = vss_value_get_string(entry, "filespec", ""),
                        .recursive = vss_value_get_boolean(entry, "recursive", false) };
        int r;

        if (!inside)
                return -EXDEV;
        /* path_join() wants a root. */
        if (asprintf(&directory, "/%s", vss_value_get_string(volume->properties, "below", "")) < 0)
                return -ENOMEM;
        set.directory = directory + 1;
        if (*inside) {
                char *joined;

                r = path_join(directory, inside, &joined);
                if (r < 0)
                        return r;
                free(directory);
                directory = joined;
                set.directory = directory + 1;
        }
        r = become((uid_t)vss_value_get_integer(entry, "uid", 0));
        if (r >= 0)
                r = walk_files(&set, on_entry, work);
        return become(0) < 0 ? -EPERM : r;
}

/* NULL if it can be excluded, else why not. */
static const char *refuse(const ExcludeArgs *args, const SetVolume *volume) {
        if (args->writer->failure.code < 0)
                return "its writer failed";
        if (args->fds[volume - args->set->volumes] >= 0)
                return NULL;
        return vss_value_get_string(volume->properties, "auto-recovery-reason",
                                    "the shadow copy cannot be written to");
}

int exclude_main(void *arg, WorkerAnswer *answer) {
        const ExcludeArgs *args = arg;
        const vss_value *entries = vss_value_get(args->writer->participant->info, "excludes-from-snapshot");
        Excluding work = { .files = value_require(answer->value, "files", VSS_KIND_LIST) };

        for (size_t i = 0; i < vss_value_count(entries); i++) {
                const vss_value *entry = vss_value_at(entries, i);
                const SetVolume *volume = set_find_device(
                        (Set *)args->set, (uint64_t)vss_value_get_integer(entry, "device", 0));
                const char *why;
                char what[PATH_MAX];
                int r;

                if (!volume)
                        continue;
                work.real = vss_value_get_string(entry, "real", "/");
                (void)snprintf(what, sizeof(what), "%s/%s", work.real,
                               vss_value_get_string(entry, "filespec", ""));
                why = refuse(args, volume);
                if (why) {
                        tell(&work, what, false, why);
                        continue;
                }
                r = exclude(&work, volume, args->fds[volume - args->set->volumes], entry);
                if (r < 0)
                        tell(&work, what, false, r == -E2BIG ? "too many files lie there" : strerror(-r));
        }
        return vss_value_set_integer(answer->value, "more", work.more) < 0 ? -ENOMEM : 0;
}

void exclude_tell(vss_value *result, const ExcludeArgs *args, int error, const vss_value *answer) {
        vss_value *list = value_require(result, "excluded-from-snapshot", VSS_KIND_LIST);
        int64_t more = vss_value_get_integer(result, "excluded-from-snapshot-more", 0) +
                       vss_value_get_integer(answer, "more", 0);
        _cleanup_value_ vss_value *none = NULL;
        const vss_value *files = vss_value_get(answer, "files");

        if (error < 0) {
                Excluding work = { .files = none = vss_value_new_list() };

                tell(&work, "", false,
                     error == -ETIMEDOUT ? "it took too long and was ended; some of it may be done"
                                         : strerror(-error));
                files = none;
        }
        for (size_t i = 0; i < vss_value_count(files); i++) {
                vss_value *file;

                if (vss_value_count(list) >= TOLD_MAX) {
                        more++;
                        continue;
                }
                file = vss_value_copy(vss_value_at(files, i));
                (void)vss_value_set_string(file, "writer", args->writer->participant->name);
                if (vss_value_append(list, file) < 0)
                        log_error("out of memory");
        }
        (void)vss_value_set_integer(result, "excluded-from-snapshot-more", more);
}
