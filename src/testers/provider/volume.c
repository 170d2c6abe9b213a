/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-provider: a volume as the service would tell it, and a directory on it to write in
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "testers/provider/conformance.h"

enum { LINES_MAX = 32768 };

typedef struct Mount {
        char root[PATH_MAX], point[PATH_MAX], type[64], source[PATH_MAX];
} Mount;

/* "\040" and the like, as the kernel writes blanks. */
static void unescape(char *out, size_t size, const char *text) {
        size_t n = 0;

        while (*text && n + 1 < size) {
                if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
                    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
                        out[n++] = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
                        text += 4;
                } else
                        out[n++] = *text++;
        }
        out[n] = '\0';
}

static bool parse_mount(char *line, uint64_t id, Mount *ret_mount) {
        char *save = NULL, *tail = NULL, *rest = strstr(line, " - "), *fields[5] = { 0 };
        const char *type, *source;

        if (!rest || strtoull(line, NULL, 10) != id)
                return false;
        *rest = '\0';
        type = strtok_r(rest + 3, " \n", &tail);
        source = type ? strtok_r(NULL, " \n", &tail) : NULL;
        for (size_t i = 0; i < ELEMENTS(fields); i++)
                fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
        if (!fields[4] || !source)
                return false;
        unescape(ret_mount->root, sizeof(ret_mount->root), fields[3]);
        unescape(ret_mount->point, sizeof(ret_mount->point), fields[4]);
        unescape(ret_mount->type, sizeof(ret_mount->type), type);
        unescape(ret_mount->source, sizeof(ret_mount->source), source);
        return true;
}

static int find_mount(uint64_t id, Mount *ret_mount) {
        _cleanup_(fclosep) FILE *file = fopen("/proc/self/mountinfo", "re");
        _cleanup_(freep) char *line = NULL;
        size_t allocated = 0, n = 0;

        if (!file)
                return -errno;
        while (n++ < LINES_MAX && getline(&line, &allocated, file) >= 0)
                if (parse_mount(line, id, ret_mount))
                        return 0;
        return -ENOENT;
}

static int stat_path(const char *path, struct statx *ret_stat) {
        return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_TYPE | STATX_MNT_ID, ret_stat) < 0 ? -errno : 0;
}

/* A volume ends where st_dev or the mount changes. */
static int climb(char *path, const struct statx *start) {
        struct statx st;

        while (strcmp(path, "/") != 0) {
                char *slash = strrchr(path, '/'), *cut = slash == path ? path + 1 : slash, saved = *cut;
                int r;

                *cut = '\0';
                r = stat_path(path, &st);
                if (r < 0)
                        return r;
                if (st.stx_mnt_id != start->stx_mnt_id || st.stx_dev_major != start->stx_dev_major ||
                    st.stx_dev_minor != start->stx_dev_minor) {
                        *cut = saved;
                        return 0;
                }
        }
        return 0;
}

static int describe(TestVolume *volume, const Mount *mount, const struct statx *st) {
        vss_value *facts = volume->facts = vss_value_new_dict();

        return vss_value_set_string(facts, "path", volume->path) < 0 ||
                               vss_value_set_string(facts, "wanted", volume->path) < 0 ||
                               vss_value_set_string(facts, "mount-point", mount->point) < 0 ||
                               vss_value_set_string(facts, "mount-root", mount->root) < 0 ||
                               vss_value_set_string(facts, "source", mount->source) < 0 ||
                               vss_value_set_string(facts, "fs-type", mount->type) < 0 ||
                               vss_value_set_integer(
                                       facts, "device",
                                       (int64_t)makedev(st->stx_dev_major, st->stx_dev_minor)) < 0
                       ? -ENOMEM
                       : 0;
}

static int make_directory(TestVolume *volume, const char *where) {
        if ((size_t)snprintf(volume->directory, sizeof(volume->directory), "%s/vss-test-XXXXXX",
                             strcmp(where, "/") == 0 ? "" : where) >= sizeof(volume->directory))
                return -ENAMETOOLONG;
        if (!mkdtemp(volume->directory)) {
                int r = -errno;

                volume->directory[0] = '\0';
                return r;
        }
        volume->directory_fd = open(volume->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return volume->directory_fd < 0 ? -errno : 0;
}

int volume_open(Test *test, const char *path, TestVolume *volume) {
        _cleanup_(freep) char *resolved = realpath(path, NULL);
        Mount *mount = calloc(1, sizeof(*mount));
        struct statx st;
        int r = !resolved ? -errno : mount ? stat_path(resolved, &st) : -ENOMEM;

        *volume = (TestVolume){ .fd = -1, .directory_fd = -1 };
        if (r >= 0)
                r = find_mount(st.stx_mnt_id, mount);
        if (r >= 0 && strlen(resolved) >= sizeof(volume->path))
                r = -ENAMETOOLONG;
        if (r >= 0) {
                memcpy(volume->path, resolved, strlen(resolved) + 1);
                r = climb(volume->path, &st);
        }
        if (r >= 0) {
                volume->fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = volume->fd < 0 ? -errno : describe(volume, mount, &st);
        }
        if (r >= 0)
                r = make_directory(volume, resolved);
        free(mount);
        for (size_t i = 0; r >= 0 && i < test->n_volumes; i++)
                if (strcmp(test->volumes[i].path, volume->path) == 0)
                        r = -EEXIST;
        if (r < 0)
                volume_done(volume);
        return r;
}

void volume_done(TestVolume *volume) {
        static const char *const names[] = { LOAD_FILE, "kept", "changed", "later", "written" };

        FOREACH_ELEMENT (name, names)
                if (volume->directory_fd >= 0)
                        (void)unlinkat(volume->directory_fd, *name, 0);
        closep(&volume->directory_fd);
        closep(&volume->fd);
        if (*volume->directory)
                (void)rmdir(volume->directory);
        vss_value_free(volume->facts);
        *volume = (TestVolume){ .fd = -1, .directory_fd = -1 };
}

int volume_write(const TestVolume *volume, const char *name, const void *data, size_t size) {
        _cleanup_(closep) int fd = openat(volume->directory_fd, name,
                                          O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0)
                return -errno;
        if (write(fd, data, size) != (ssize_t)size)
                return errno != 0 ? -errno : -EIO;
        return fsync(fd) < 0 ? -errno : 0;
}
