/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Directories for the time of an import
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config.h"
#include "util/macro.h"
#include "vss/import-places.h"

#define RECORD_NAME "import-"
#define RECORD_MAX (1u << 20)
#define ENTRIES_MAX 4096u

DEFINE_CLEANUP(DIR *, closedir)

/* ---- the record ---- */

/* Between its making and its lock another vss may have taken it for a left one: it then has no name. */
static void begin_record(ImportPlaces *places) {
        struct stat st;

        if (places->path || (mkdir(LINUXVSS_STATEDIR, 0700) < 0 && errno != EEXIST))
                return;
        places->path = strdup(LINUXVSS_STATEDIR "/" RECORD_NAME "XXXXXX");
        if (!places->path)
                return;
        places->fd = mkostemp(places->path, O_CLOEXEC);
        if (places->fd >= 0 && flock(places->fd, LOCK_EX | LOCK_NB) == 0 && fstat(places->fd, &st) == 0 &&
            st.st_nlink > 0)
                return;
        if (places->fd >= 0)
                (void)unlink(places->path);
        closep(&places->fd);
        free(places->path);
        places->path = NULL;
}

/* A place that can be made is made, also where nothing can be recorded. Return: where to cut it off again.
 */
static off_t record(ImportPlaces *places, const char *path) {
        size_t size = strlen(path) + 1;
        off_t end;

        begin_record(places);
        end = places->path ? lseek(places->fd, 0, SEEK_END) : -1;
        if (end >= 0 && write(places->fd, path, size) != (ssize_t)size)
                (void)ftruncate(places->fd, end);
        return end;
}

static void unrecord(ImportPlaces *places, off_t end) {
        if (end >= 0)
                (void)ftruncate(places->fd, end);
}

/* ---- making ---- */

/* Return: a descriptor, or a negative errno. */
static int make_one(ImportPlaces *places, int parent, const char *name, const char *path) {
        struct stat st;
        off_t end;
        int fd;

        if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
                /* First the record: who is killed in between has left nothing that is not in it. */
                end = record(places, path);
                if (mkdirat(parent, name, 0755) == 0) {
                        if (strings_add(&places->made, path) < 0)
                                return -ENOMEM;
                } else {
                        int error = errno;

                        unrecord(places, end);
                        if (error != EEXIST)
                                return -error;
                }
        }
        fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int import_places_make(ImportPlaces *places, const char *path) {
        _cleanup_(closep) int parent = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(freep) char *copy = strdup(path);
        char *end = copy;

        if (!copy)
                return -ENOMEM;
        if (parent < 0)
                return -errno;
        /* Step by step, since a view is not built through symbolic links. */
        while (*end) {
                char *name = end + 1;
                int fd;

                end = name + strcspn(name, "/");
                *end = '\0';
                fd = make_one(places, parent, *name ? name : ".", copy);
                if (fd < 0)
                        return fd;
                (void)close(parent);
                parent = fd;
                *end = path[end - copy];
        }
        return 0;
}

void import_places_remove(ImportPlaces *places) {
        for (size_t i = places->made.n; i > 0; i--)
                (void)rmdir(places->made.items[i - 1]);
        strings_clear(&places->made);
        if (!places->path)
                return;
        (void)unlink(places->path);
        closep(&places->fd);
        free(places->path);
        places->path = NULL;
}

/* ---- what is left ---- */

/* The last first: each lies in the one before it. */
static void remove_recorded(int fd) {
        _cleanup_(freep) char *text = NULL;
        struct stat st;
        size_t end;

        if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > RECORD_MAX)
                return;
        text = malloc((size_t)st.st_size);
        if (!text || pread(fd, text, (size_t)st.st_size, 0) != st.st_size)
                return;
        for (end = (size_t)st.st_size; end > 0;) {
                size_t begin = end - 1;

                while (begin > 0 && text[begin - 1])
                        begin--;
                /* The last may have been cut off. */
                if (!text[end - 1] && text[begin] == '/')
                        (void)rmdir(text + begin);
                end = begin;
        }
}

void import_places_sweep(void) {
        _cleanup_(closedirp) DIR *dir = opendir(LINUXVSS_STATEDIR);
        struct dirent *entry;

        for (unsigned i = 0; dir && i < ENTRIES_MAX && (entry = readdir(dir)); i++) {
                _cleanup_(closep) int fd = -1;
                struct stat st;

                if (strncmp(entry->d_name, RECORD_NAME, strlen(RECORD_NAME)) != 0)
                        continue;
                fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
                if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
                    flock(fd, LOCK_EX | LOCK_NB) < 0)
                        continue;
                remove_recorded(fd);
                (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
}
