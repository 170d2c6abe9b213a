/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Volumes and mounts
 *
 * A volume ends where st_dev changes: that is the edge of a file system, and within btrfs the edge of a
 * subvolume, without knowing anything about btrfs.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <libmount/libmount.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "model/path.h"
#include "util/clock.h"
#include "util/utf8.h"
#include "vssd/volume.h"

enum { MOUNTS_MAX = 4096, SYNC_ROUNDS = 5 };

/* A round this short means that there is little left to write back; one this long is no last one. */
#define SYNC_SHORT_USEC (100 * USEC_PER_MSEC)
#define SYNC_LONG_USEC (USEC_PER_SEC)
/* So little, on the whole machine, is written back in the freeze in no time. */
#define DIRTY_LITTLE_KIB (16 * 1024)

DEFINE_CLEANUP(struct libmnt_table *, mnt_unref_table)
DEFINE_CLEANUP(struct libmnt_iter *, mnt_free_iter)

Volume *volume_ref(Volume *volume) {
        volume->refs++;
        return volume;
}

void volume_close(Volume *volume) {
        if (volume->fd >= 0)
                close(volume->fd);
        volume->fd = -1;
}

Volume *volume_unref(Volume *volume) {
        if (!volume || --volume->refs > 0)
                return NULL;
        volume_close(volume);
        vss_value_free(volume->facts);
        free(volume);
        return NULL;
}

int volume_new(int fd, vss_value *facts, Volume **ret_volume) {
        Volume *volume = calloc(1, sizeof(*volume));

        if (!volume) {
                close(fd);
                vss_value_free(facts);
                return -ENOMEM;
        }
        *volume = (Volume){ .refs = 1,
                            .fd = fd,
                            .facts = facts,
                            .path = vss_value_get_string(facts, "path", "/"),
                            .device = (uint64_t)vss_value_get_integer(facts, "device", 0) };
        *ret_volume = volume;
        return 0;
}

const char *volume_unsuitable(const char *fs_type) {
        static const char *const remote[] = { "nfs", "nfs4",      "cifs",     "smb3",   "9p",    "ceph",
                                              "afs", "glusterfs", "virtiofs", "lustre", "ocfs2", "gfs2" };
        struct libmnt_fs *fs;
        const char *why = NULL;

        FOREACH_ELEMENT (name, remote)
                if (strcmp(*name, fs_type) == 0)
                        return "its storage is on another machine: make the shadow copy there";
        if (strncmp(fs_type, "fuse", 4) == 0 && strcmp(fs_type, "fuseblk") != 0)
                return "it is served by a program (FUSE), which only that program could copy";

        fs = mnt_new_fs();
        if (fs && mnt_fs_set_fstype(fs, fs_type) == 0 && mnt_fs_is_pseudofs(fs))
                why = "it has no storage of its own";
        mnt_unref_fs(fs);
        return why;
}

static int explain(WorkerAnswer *answer, int error, const char *format, ...) _printf_(3, 4);

static int explain(WorkerAnswer *answer, int error, const char *format, ...) {
        char text[PATH_MAX + 256];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void)vss_value_set_string(answer->value, "message", text);
        return error;
}

static int stat_path(const char *path, struct statx *ret_stat) {
        return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_TYPE | STATX_INO | STATX_MNT_ID, ret_stat) < 0
                       ? -errno
                       : 0;
}

static uint64_t stat_device(const struct statx *st) {
        return makedev(st->stx_dev_major, st->stx_dev_minor);
}

static int read_mounts(struct libmnt_table **ret_table) {
        struct libmnt_table *table = mnt_new_table_from_file("/proc/self/mountinfo");

        if (!table)
                return -errno;
        *ret_table = table;
        return 0;
}

static struct libmnt_fs *find_mount(struct libmnt_table *table, uint64_t id) {
        _cleanup_(mnt_free_iterp) struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
        struct libmnt_fs *fs;

        while (iter && mnt_table_next_fs(table, iter, &fs) == 0)
                if (mnt_fs_get_id(fs) == (int)id)
                        return fs;
        return NULL;
}

/* Shortens @path to the root of the volume that holds it: the topmost directory of the same device and
 * mount. */
static int climb(char *path, const struct statx *start, const char *mount_point) {
        struct statx st;

        while (strcmp(path, mount_point) != 0 && strcmp(path, "/") != 0) {
                char saved, *slash = strrchr(path, '/');
                char *cut = slash == path ? path + 1 : slash;
                int r;

                saved = *cut;
                *cut = '\0';
                r = stat_path(path, &st);
                if (r < 0)
                        return r;
                if (stat_device(&st) != stat_device(start) || st.stx_mnt_id != start->stx_mnt_id) {
                        *cut = saved;
                        return 0;
                }
        }
        return 0;
}

static int set_facts(vss_value *facts, const char *path, const char *wanted, struct libmnt_fs *fs,
                     uint64_t device) {
        vss_result r = vss_value_set_string(facts, "path", path);

        if (r >= 0)
                r = vss_value_set_string(facts, "wanted", wanted);
        if (r >= 0)
                r = vss_value_set_string(facts, "mount-point", mnt_fs_get_target(fs));
        if (r >= 0)
                r = vss_value_set_string(facts, "mount-root", mnt_fs_get_root(fs) ?: "/");
        if (r >= 0)
                r = vss_value_set_string(facts, "source", mnt_fs_get_source(fs) ?: "");
        if (r >= 0)
                r = vss_value_set_string(facts, "fs-type", mnt_fs_get_fstype(fs) ?: "");
        if (r >= 0)
                r = vss_value_set_integer(facts, "device", (int64_t)device);
        /* st_dev tells subvolumes apart; this one is the same for all of a file system. */
        if (r >= 0)
                r = vss_value_set_integer(facts, "superblock", (int64_t)mnt_fs_get_devno(fs));
        return r < 0 ? -ENOMEM : 0;
}

int volume_find_main(void *arg, WorkerAnswer *answer) {
        _cleanup_(mnt_unref_tablep) struct libmnt_table *table = NULL;
        _cleanup_(freep) char *wanted = NULL, *path = NULL;
        const char *asked = arg;
        struct libmnt_fs *fs;
        struct statx st, opened;
        int fd, r;

        if (asked[0] != '/')
                return explain(answer, -EINVAL, "%s is not an absolute path.", asked);
        wanted = realpath(asked, NULL);
        if (!wanted)
                return explain(answer, -errno, "%s: %s. Check the spelling.", asked, strerror(errno));
        if (!text_is_utf8(wanted))
                return explain(answer, -EILSEQ, "%s: names that are not UTF-8 cannot be served.", wanted);
        r = stat_path(wanted, &st);
        if (r >= 0)
                r = read_mounts(&table);
        if (r < 0)
                return explain(answer, r, "%s: %s", wanted, strerror(-r));
        fs = find_mount(table, st.stx_mnt_id);
        if (!fs)
                return explain(answer, -ENOENT, "%s: its mount has just gone.", wanted);
        if (!S_ISDIR(st.stx_mode) && strcmp(wanted, mnt_fs_get_target(fs)) == 0)
                return explain(answer, -ENOTDIR,
                               "%s is a file that is mounted by itself. Name the file it comes from.",
                               wanted);

        path = strdup(wanted);
        r = path ? climb(path, &st, mnt_fs_get_target(fs)) : -ENOMEM;
        if (r < 0)
                return explain(answer, r, "%s: %s", wanted, strerror(-r));
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
        if (fd < 0)
                return explain(answer, -errno, "%s: %s", path, strerror(errno));
        answer->fds[answer->n_fds++] = fd;
        /* Directories on the way may be somebody's who swaps them for links. */
        if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &opened) < 0 ||
            stat_device(&opened) != stat_device(&st) || opened.stx_mnt_id != st.stx_mnt_id)
                return explain(answer, -ESTALE, "%s changed while it was looked at. Try again.", path);
        return set_facts(answer->value, path, wanted, fs, stat_device(&st));
}

/* A mount that lies under another one cannot be seen, and is nobody's business. */
static bool is_visible(struct libmnt_fs *fs) {
        struct statx st;

        /* Opening could wait for a server or start an automount: these are taken by name. */
        if (volume_unsuitable(mnt_fs_get_fstype(fs) ?: ""))
                return true;
        return stat_path(mnt_fs_get_target(fs), &st) == 0 && st.stx_mnt_id == (uint64_t)mnt_fs_get_id(fs);
}

int volume_below_main(void *arg, WorkerAnswer *answer) {
        _cleanup_(mnt_unref_tablep) struct libmnt_table *table = NULL;
        _cleanup_(mnt_free_iterp) struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
        vss_value *mounts = value_require(answer->value, "mounts", VSS_KIND_LIST);
        const char *top = arg;
        struct libmnt_fs *fs;
        int r;

        r = read_mounts(&table);
        if (r < 0 || !iter || !mounts)
                return r < 0 ? r : -ENOMEM;
        while (mnt_table_next_fs(table, iter, &fs) == 0) {
                const char *target = mnt_fs_get_target(fs);
                vss_value *mount;

                if (!target || strcmp(target, top) == 0 || !path_is_below(target, top) || !is_visible(fs))
                        continue;
                if (vss_value_count(mounts) >= MOUNTS_MAX)
                        return explain(answer, -E2BIG, "There are more than %d mounts below %s.", MOUNTS_MAX,
                                       top);
                mount = vss_value_new_dict();
                (void)vss_value_set_string(mount, "path", target);
                (void)vss_value_set_string(mount, "fs-type", mnt_fs_get_fstype(fs) ?: "");
                if (vss_value_append(mounts, mount) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* What waits to be written back. Return: false if that is not known. */
static bool read_dirty(uint64_t *ret_kib) {
        _cleanup_(fclosep) FILE *file = fopen("/proc/meminfo", "re");
        char line[128];
        uint64_t kib;
        int n = 0;

        *ret_kib = 0;
        while (file && fgets(line, sizeof(line), file))
                if (sscanf(line, "Dirty: %" SCNu64 " kB", &kib) == 1 ||
                    sscanf(line, "Writeback: %" SCNu64 " kB", &kib) == 1) {
                        *ret_kib += kib;
                        n++;
                }
        return n == 2;
}

/*
 * Under load the time tells little of what is left, and each round is a commit that all who write wait for:
 * there is another one only if it has something to do, and is better than the one before it was. Where one
 * takes a second, though, nobody is frozen as long as all rounds have not been tried.
 */
static bool is_enough(uint64_t took, uint64_t before) {
        uint64_t dirty_kib;

        if (took < SYNC_SHORT_USEC)
                return true;
        if (took >= SYNC_LONG_USEC)
                return false;
        return (before > 0 && took > before / 2) || (read_dirty(&dirty_kib) && dirty_kib < DIRTY_LITTLE_KIB);
}

int volume_sync_main(void *arg, WorkerAnswer *answer) {
        int fd = *(int *)arg;
        uint64_t began, took = 0, before = 0;

        for (int round = 0; round < SYNC_ROUNDS; round++, before = took) {
                began = now_usec();
                if (syncfs(fd) < 0)
                        return -errno;
                took = now_usec() - began;
                if (is_enough(took, before))
                        break;
        }
        return vss_value_set_integer(answer->value, "took-usec", (int64_t)took) < 0 ? -ENOMEM : 0;
}

/* A place where a block device is mounted stands for the device. */
static int device_of_mount(WorkerAnswer *answer, char **path) {
        _cleanup_(mnt_unref_tablep) struct libmnt_table *table = NULL;
        struct libmnt_fs *fs;
        struct statx st;
        const char *source;
        char *copy;
        int r = stat_path(*path, &st);

        if (r >= 0)
                r = read_mounts(&table);
        if (r < 0)
                return explain(answer, r, "%s: %s", *path, strerror(-r));
        fs = find_mount(table, st.stx_mnt_id);
        source = fs && strcmp(mnt_fs_get_target(fs), *path) == 0 ? mnt_fs_get_source(fs) : NULL;
        if (!source || source[0] != '/')
                return explain(
                        answer, -ENOTBLK,
                        "%s is no block device, and none is mounted there. lsblk -f shows what there is.",
                        *path);
        copy = realpath(source, NULL);
        if (!copy)
                return explain(answer, -errno, "%s, which is mounted at %s: %s", source, *path,
                               strerror(errno));
        free(*path);
        *path = copy;
        return 0;
}

int device_find_main(void *arg, WorkerAnswer *answer) {
        _cleanup_(freep) char *path = realpath(arg, NULL);
        struct stat st;
        int r;

        if (!path)
                return explain(answer, -errno, "%s: %s. lsblk -f shows what there is.", (const char *)arg,
                               strerror(errno));
        if (!text_is_utf8(path))
                return explain(answer, -EILSEQ, "%s: names that are not UTF-8 cannot be served.", path);
        if (stat(path, &st) < 0)
                return explain(answer, -errno, "%s: %s", path, strerror(errno));
        if (!S_ISBLK(st.st_mode)) {
                r = device_of_mount(answer, &path);
                if (r < 0)
                        return r;
                if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
                        return explain(answer, -ENOTBLK,
                                       "%s is no block device. lsblk -f shows what there is.", path);
        }
        return vss_value_set_string(answer->value, "device", path) < 0 ? -ENOMEM : 0;
}
