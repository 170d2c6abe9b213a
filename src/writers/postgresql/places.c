/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restores of clusters: their directories
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "writers/postgresql/restore.h"

#define PLACES_MAX (2 * TABLESPACES_MAX + 4)
#define KEEP_MAX 4096u

typedef struct Place {
        const char *path;
        bool of_tablespace;
} Place;

static void add_place(Place *places, size_t *n, const char *path, bool of_tablespace) {
        for (size_t i = 0; i < *n; i++)
                if (strcmp(places[i].path, path) == 0)
                        return;
        if (*n < PLACES_MAX)
                places[(*n)++] = (Place){ .path = path, .of_tablespace = of_tablespace };
}

static size_t find_places(const Restore *restore, Place *places) {
        const Cluster *cluster = restore->cluster;
        const BackupInfo *info = &restore->info;
        size_t n = 0;

        /* The log first: the way to it may be a link in the directory of data. */
        if (cluster->wal_is_apart)
                add_place(places, &n, cluster->wal, false);
        if (info->wal)
                add_place(places, &n, info->wal, false);
        for (size_t i = 0; i < cluster->n_spaces; i++)
                add_place(places, &n, cluster->spaces[i].location, true);
        for (size_t i = 0; i < info->n_spaces; i++)
                add_place(places, &n, info->spaces[i].location, true);
        add_place(places, &n, cluster->data, false);
        return n;
}

static void free_names(char **names) {
        for (size_t i = 0; names && names[i]; i++)
                free(names[i]);
        free(names);
}

/* Names in a directory: all, or those that do not begin with @prefix. NULL without memory. */
static char **list_names(int directory_fd, const char *prefix) {
        int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char **names = calloc(KEEP_MAX + 1, sizeof(*names));
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        size_t n = 0;

        if (!dir && fd >= 0)
                (void)close(fd);
        while (names && dir && n < KEEP_MAX && (entry = readdir(dir))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    (prefix && strncmp(entry->d_name, prefix, strlen(prefix)) == 0))
                        continue;
                names[n] = strdup(entry->d_name);
                n += names[n] != NULL;
        }
        if (dir)
                (void)closedir(dir);
        return names;
}

static int act_on(const Restore *restore, const Place *place, PlaceAction action, void *userdata) {
        _cleanup_(closep) int fd = open(place->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        char **keep = NULL, prefix[32];
        struct stat st;
        int r;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        /* A document says where it was; nothing of somebody else's is touched. */
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid())
                return -EPERM;
        if (place->of_tablespace) {
                (void)snprintf(prefix, sizeof(prefix), "PG_%.15s_", restore->info.version);
                keep = list_names(fd, prefix);
                if (!keep)
                        return -ENOMEM;
        }
        r = action(fd, place->path, (const char *const *)keep, userdata);
        free_names(keep);
        return r;
}

int restore_each_place(const Restore *restore, PlaceAction action, void *userdata, char *ret_path,
                       size_t size) {
        Place places[PLACES_MAX];
        size_t n = find_places(restore, places);

        for (size_t i = 0; i < n; i++) {
                int r = act_on(restore, &places[i], action, userdata);

                if (r < 0) {
                        (void)snprintf(ret_path, size, "%s", places[i].path);
                        return r;
                }
        }
        return 0;
}

static int make_directories(int data) {
        static const char *const names[] = {
                "base",
                "global",
                "pg_commit_ts",
                "pg_dynshmem",
                "pg_logical",
                "pg_logical/mappings",
                "pg_logical/snapshots",
                "pg_multixact",
                "pg_multixact/members",
                "pg_multixact/offsets",
                "pg_notify",
                "pg_replslot",
                "pg_serial",
                "pg_snapshots",
                "pg_stat",
                "pg_stat_tmp",
                "pg_subtrans",
                "pg_tblspc",
                "pg_twophase",
                "pg_wal",
                "pg_wal/archive_status",
                "pg_xact",
        };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (mkdirat(data, names[i], 0700) < 0 && errno != EEXIST)
                        return -errno;
        return 0;
}

static int make_link(int data, const char *name, const char *target) {
        char there[PATH_MAX];
        ssize_t n = readlinkat(data, name, there, sizeof(there) - 1);

        if (n >= 0)
                return 0;
        if (errno == EINVAL)
                /* A directory is in its place, perhaps with files: they are as good there. */
                return 0;
        return symlinkat(target, data, name) < 0 ? -errno : 0;
}

static int make_links(const BackupInfo *info, int data) {
        int r = info->wal ? make_link(data, "pg_wal", info->wal) : 0;

        if (mkdirat(data, "pg_tblspc", 0700) < 0 && errno != EEXIST)
                return -errno;
        for (size_t i = 0; r >= 0 && i < info->n_spaces; i++) {
                char name[64];

                (void)snprintf(name, sizeof(name), "pg_tblspc/%.31s", info->spaces[i].name);
                r = make_link(data, name, info->spaces[i].location);
        }
        return r;
}

int restore_settle(const Restore *restore, char *ret_path, size_t size) {
        static const char *const remains[] = { "postmaster.pid", "postmaster.opts", "backup_label.old",
                                               "tablespace_map.old" };
        const BackupInfo *info = &restore->info;
        const char *path = restore->cluster->data;
        _cleanup_(closep) int data = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        int r;

        (void)snprintf(ret_path, size, "%s", path);
        if (data < 0 || fstat(data, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid())
                return -EPERM;
        for (size_t i = 0; i < ELEMENTS(remains); i++)
                if (unlinkat(data, remains[i], 0) < 0 && errno != ENOENT)
                        return -errno;
        r = make_links(info, data);
        if (r >= 0)
                r = make_directories(data);
        /* A server refuses a directory that others can look into. */
        if (r >= 0 && (st.st_mode & 0027) && fchmod(data, 0700) < 0)
                r = -errno;
        if (r >= 0 && info->mode == PG_BACKUP && info->label && faccessat(data, "backup_label", F_OK, 0) < 0)
                r = write_text(path, "backup_label", info->label);
        if (r >= 0 && info->mode == PG_BACKUP && info->map && faccessat(data, "tablespace_map", F_OK, 0) < 0)
                r = write_text(path, "tablespace_map", info->map);
        /* Without a backup there is no label: one would have the server start from another place. */
        if (r >= 0 && info->mode != PG_BACKUP && unlinkat(data, "backup_label", 0) < 0 && errno != ENOENT)
                r = -errno;
        return r;
}

/* The log */

/* All files of a directory into another one. */
static int move_files(int from, int to) {
        char **names = list_names(from, NULL);
        struct stat st;
        int r = names ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && names[i]; i++)
                if (fstatat(from, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
                    renameat(from, names[i], to, names[i]) < 0)
                        r = -errno;
        free_names(names);
        return r;
}

static int open_below(int directory, const char *name, bool make) {
        int fd;

        if (make && mkdirat(directory, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static void drop_below(int directory, const char *name) {
        _cleanup_(closep) int fd = open_below(directory, name, false);
        char **names = fd < 0 ? NULL : list_names(fd, NULL);

        for (size_t i = 0; names && names[i]; i++)
                (void)unlinkat(fd, names[i], 0);
        free_names(names);
        (void)unlinkat(directory, name, AT_REMOVEDIR);
}

int restore_put_log_aside(const char *wal) {
        _cleanup_(closep) int directory = open(wal, O_RDONLY | O_DIRECTORY | O_CLOEXEC), base = -1;
        bool again;

        if (directory < 0)
                return -errno;
        /* A try before this one has got so far: what lies there is its own. */
        again = faccessat(directory, BASE_WAL, F_OK, 0) == 0;
        base = open_below(directory, BASE_WAL, true);
        if (base < 0 || again)
                return MIN(base, 0);
        return move_files(directory, base);
}

int restore_take_log(const char *wal, bool keep_new) {
        _cleanup_(closep) int directory = open(wal, O_RDONLY | O_DIRECTORY | O_CLOEXEC), base = -1,
                              restored = -1;
        int r;

        if (directory < 0)
                return -errno;
        base = open_below(directory, BASE_WAL, false);
        if (base < 0)
                return base == -ENOENT && !keep_new ? 0 : base;
        if (keep_new) {
                restored = open_below(directory, RESTORED_WAL, true);
                r = restored < 0 ? restored : move_files(directory, restored);
                if (r < 0)
                        return r;
        }
        r = move_files(base, directory);
        if (r >= 0 && unlinkat(directory, BASE_WAL, AT_REMOVEDIR) < 0)
                r = -errno;
        return r;
}

bool restore_has_log(const char *wal) {
        char path[PATH_MAX];

        return snprintf(path, sizeof(path), "%s/" RESTORED_WAL, wal) < (int)sizeof(path) &&
               access(path, F_OK) == 0;
}

void restore_drop_log(const char *wal) {
        _cleanup_(closep) int directory = open(wal, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (directory >= 0)
                drop_below(directory, RESTORED_WAL);
}
