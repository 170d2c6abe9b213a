/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where files of the caller's lie while a verb runs
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include "bridge/place.h"

#define PREFIX "vss-bridge-"
#define TRIES 16u
#define SWEEP_MAX 4096u

DEFINE_CLEANUP(DIR *, closedir)

/* Of root, in memory; of others, in memory where they have logged in for it. */
static const char *base_path(void) {
        const char *own = getenv("XDG_RUNTIME_DIR");

        if (geteuid() == 0)
                return "/run";
        return own && own[0] == '/' ? own : "/tmp";
}

static int open_base(void) {
        int fd = open(base_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static void remove_place(int base, int fd, const char *name) {
        _cleanup_(closep) int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *directory = copy < 0 ? NULL : fdopendir(copy);
        struct dirent *entry;

        if (directory)
                copy = -1;
        while (directory && (entry = readdir(directory)))
                if (entry->d_name[0] != '.')
                        (void)unlinkat(fd, entry->d_name, 0);
        if (directory)
                (void)closedir(directory);
        (void)unlinkat(base, name, AT_REMOVEDIR);
}

/* Ours, and of nobody that runs. */
static bool is_left(int fd) {
        struct stat st;

        return fstat(fd, &st) == 0 && st.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

void place_sweep(void) {
        _cleanup_(closep) int base = open_base();
        _cleanup_(closedirp) DIR *directory = NULL;
        struct dirent *entry;
        int copy = base < 0 ? -1 : openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (copy < 0)
                return;
        directory = fdopendir(copy);
        if (!directory) {
                (void)close(copy);
                return;
        }
        for (unsigned n = 0; n < SWEEP_MAX && (entry = readdir(directory)); n++) {
                _cleanup_(closep) int fd = -1;

                if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
                        continue;
                fd = openat(base, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (fd >= 0 && is_left(fd))
                        remove_place(base, fd, entry->d_name);
        }
}

/* Between its making and its lock another bridge may have swept it away: then once more. */
static int make(Place *place) {
        for (unsigned i = 0; i < TRIES; i++) {
                _cleanup_(freep) char *path = NULL;
                struct stat st;

                if (asprintf(&path, "%s/" PREFIX "XXXXXX", base_path()) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                if (!mkdtemp(path))
                        return -errno;
                (void)snprintf(place->name, sizeof(place->name), "%s", strrchr(path, '/') + 1);
                place->fd = openat(place->base, place->name,
                                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (place->fd >= 0 && flock(place->fd, LOCK_EX | LOCK_NB) == 0 &&
                    fstat(place->fd, &st) == 0 && st.st_nlink > 0) {
                        place->path = TAKE_PTR(path);
                        return 0;
                }
                closep(&place->fd);
                place->fd = -1;
        }
        return -EAGAIN;
}

static int write_all(int fd, const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno != EINTR)
                        return -errno;
                data += MAX(n, 0);
                size -= (size_t)MAX(n, 0);
        }
        return 0;
}

int place_add(Place *place, const char *name, const void *data, size_t size) {
        _cleanup_(closep) int fd = -1;
        int r;

        if (!bridge_file_name_is_valid(name))
                return -EINVAL;
        if (size > BRIDGE_FILES_SIZE_MAX - place->size)
                return -E2BIG;
        if (place->base < 0) {
                r = open_base();
                if (r < 0)
                        return r;
                place->base = r;
        }
        r = place->path ? 0 : make(place);
        if (r < 0)
                return r;
        fd = openat(place->fd, name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
                if (place->n_files == BRIDGE_FILES_MAX)
                        return -E2BIG;
                fd = openat(place->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
                place->n_files += fd >= 0;
        }
        if (fd < 0)
                return -errno;
        place->size += size;
        return write_all(fd, data, size);
}

void place_remove(Place *place) {
        if (place->path)
                remove_place(place->base, place->fd, place->name);
        closep(&place->fd);
        closep(&place->base);
        free(place->path);
        *place = (Place)PLACE_INIT;
}
