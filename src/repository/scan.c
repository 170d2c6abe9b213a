/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How much there is to be read
 */

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include "repository/scan.h"

#define DEPTH_MAX 1000u /* each directory on the way is open */

struct Scan {
        ArchiveOptions options;
        char *const *left_out;
        size_t n_left_out;
        uint64_t files, bytes; /* the thread's until it is done */
        atomic_bool done;
};

static bool is_left_out(const Scan *scan, const char *path, const char *name) {
        const char *const *excludes = scan->options.excludes;

        for (size_t i = 0; i < scan->n_left_out; i++)
                if (strcmp(scan->left_out[i], path) == 0)
                        return true;
        for (; excludes && *excludes; excludes++)
                if (strchr(*excludes, '/') ? fnmatch(*excludes, path, FNM_PATHNAME) == 0
                                           : fnmatch(*excludes, name, 0) == 0)
                        return true;
        return false;
}

static bool is_crossed(const Scan *scan, dev_t device) {
        for (size_t i = 0; i < scan->options.n_devices; i++)
                if (scan->options.devices[i].device == device)
                        return scan->options.devices[i].crossed;
        return false;
}

static void scan_directory(Scan *scan, int fd, const char *path, dev_t device, unsigned depth);

static void scan_entry(Scan *scan, int directory, const char *name, const char *path, dev_t device,
                       unsigned depth) {
        struct stat st;
        int fd;

        if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
                return;
        if (S_ISREG(st.st_mode)) {
                scan->files++;
                scan->bytes += (uint64_t)st.st_size;
        }
        if (!S_ISDIR(st.st_mode) || depth == DEPTH_MAX ||
            (depth > 0 && st.st_dev != device && !is_crossed(scan, st.st_dev)))
                return;
        fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
                scan_directory(scan, fd, path, st.st_dev, depth + 1);
}

/* Takes @fd. What cannot be looked at the backup itself tells. */
static void scan_directory(Scan *scan, int fd, const char *path, dev_t device, unsigned depth) {
        DIR *stream = fdopendir(fd);
        const struct dirent *entry;

        if (!stream) {
                (void)close(fd);
                return;
        }
        while ((entry = readdir(stream))) {
                _cleanup_(freep) char *below = NULL;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (asprintf(&below, "%s/%s", strcmp(path, "/") == 0 ? "" : path, entry->d_name) < 0) {
                        below = NULL;
                        break;
                }
                if (!is_left_out(scan, below, entry->d_name))
                        scan_entry(scan, dirfd(stream), entry->d_name, below, device, depth);
        }
        (void)closedir(stream);
}

static void *scan_all(void *userdata) {
        Scan *scan = userdata;

        for (size_t i = 0; i < scan->options.n_paths; i++) {
                const ArchivePath *path = &scan->options.paths[i];

                const char *source = path->source ? path->source + strspn(path->source, "/") : path->path;

                if (!path->shallow)
                        scan_entry(scan, path->source ? path->source_fd : AT_FDCWD, *source ? source : ".",
                                   path->path, 0, 0);
        }
        atomic_store(&scan->done, true);
        return NULL;
}

Scan *scan_start(const ArchiveOptions *options, char *const *left_out, size_t n_left_out) {
        Scan *scan = calloc(1, sizeof(*scan));
        pthread_attr_t attributes;
        pthread_t thread;
        int r;

        if (!scan)
                return NULL;
        scan->options = *options;
        scan->left_out = left_out;
        scan->n_left_out = n_left_out;
        (void)pthread_attr_init(&attributes);
        (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        r = pthread_create(&thread, &attributes, scan_all, scan);
        (void)pthread_attr_destroy(&attributes);
        if (r == 0)
                return scan;
        free(scan);
        return NULL;
}

bool scan_result(Scan *scan, uint64_t *ret_files, uint64_t *ret_bytes) {
        if (!scan || !atomic_load(&scan->done))
                return false;
        *ret_files = scan->files;
        *ret_bytes = scan->bytes;
        return true;
}
