/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What was there before a restore is put aside; see aside.h
 *
 * A marker in ASIDE_NAME says how far it is. "apart": originals are in both places, so a crash on the way
 * there, or back, goes on with moving. "whole": all originals are aside. The marker is replaced, never
 * changed, and is on disk before what it announces is done.
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "util/clock.h"
#include "util/macro.h"
#include "writers/common/aside.h"

#define MARKER ".linuxvss-restore"
#define MARKER_NEW ".linuxvss-restore.new"

enum { NAMES_MAX = 1000000, DEPTH_MAX = 256 };

typedef struct Names {
        char **names;
        size_t n;
} Names;

static void names_clear(Names *names) {
        for (size_t i = 0; i < names->n; i++)
                free(names->names[i]);
        free(names->names);
}

static bool is_kept(const char *name, const char *const *keep, bool below) {
        static const char *const always[] = { ".",    "..",       ASIDE_NAME,  ASIDE_DROPPED,
                                              MARKER, MARKER_NEW, ".linuxvss", "lost+found" };
        size_t n = below ? 2 : ELEMENTS(always);

        for (size_t i = 0; i < n; i++)
                if (strcmp(always[i], name) == 0)
                        return true;
        for (; keep && *keep; keep++)
                if (strcmp(*keep, name) == 0)
                        return true;
        return false;
}

/* Read before anything is moved: what a directory tells while it changes is not said. @below: no name means
 * anything there. */
static int list_names(int fd, const char *const *keep, bool below, Names *ret_names) {
        int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *dir = copy < 0 ? NULL : fdopendir(copy);
        struct dirent *entry;

        *ret_names = (Names){ 0 };
        if (!dir) {
                r = -errno;
                closep(&copy);
                return r;
        }
        while (r >= 0 && (entry = readdir(dir))) {
                char **names;

                if (is_kept(entry->d_name, keep, below))
                        continue;
                names = ret_names->n < NAMES_MAX
                                ? reallocarray(ret_names->names, ret_names->n + 1, sizeof(*names))
                                : NULL;
                if (names)
                        ret_names->names = names;
                if (!names || !(names[ret_names->n] = strdup(entry->d_name)))
                        r = -ENOMEM;
                else
                        ret_names->n++;
        }
        (void)closedir(dir);
        return r;
}

static int open_directory(int fd, const char *name) {
        int directory = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return directory < 0 ? -errno : directory;
}

static uint64_t mount_of(int fd, const char *name) {
        struct statx st;

        return statx(fd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) ==
                                       0 &&
                               (st.stx_mask & STATX_MNT_ID)
                       ? st.stx_mnt_id
                       : 0;
}

/* What is mounted on can neither be moved nor deleted. */
static int check_mounts(int fd, const Names *names) {
        uint64_t mount = mount_of(fd, "");

        for (size_t i = 0; i < names->n; i++) {
                uint64_t other = mount_of(fd, names->names[i]);

                if (mount && other && mount != other)
                        return -EBUSY;
        }
        return 0;
}

/* The marker */

static int write_marker(int aside, const AsideInfo *info) {
        _cleanup_(closep) int fd = openat(aside, MARKER_NEW,
                                          O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        char text[256];
        int n;

        if (fd < 0)
                return -errno;
        n = snprintf(text, sizeof(text),
                     "# What was here before a restore. When that one has succeeded, it can be deleted.\n"
                     "when-usec=%" PRIu64 "\nsession=%s\nstate=%s\n",
                     info->when_usec, info->session, info->whole ? "whole" : "apart");
        if (write(fd, text, (size_t)n) != n || fsync(fd) < 0)
                return errno ? -errno : -EIO;
        return renameat(aside, MARKER_NEW, aside, MARKER) < 0 || fsync(aside) < 0 ? -errno : 0;
}

/* Return: -ENOENT if there is none, -EBADMSG if it is none of ours. */
static int read_marker(int aside, AsideInfo *ret_info) {
        _cleanup_(fclosep) FILE *file = NULL;
        AsideInfo info = { 0 };
        bool known = false;
        char line[256];
        struct stat st;
        int fd = openat(aside, MARKER, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !(file = fdopen(fd, "re"))) {
                (void)close(fd);
                return -EBADMSG;
        }
        for (int i = 0; i < 16 && fgets(line, sizeof(line), file); i++) {
                line[strcspn(line, "\n")] = '\0';
                if (strncmp(line, "when-usec=", 10) == 0)
                        info.when_usec = strtoull(line + 10, NULL, 10);
                else if (strncmp(line, "session=", 8) == 0)
                        (void)snprintf(info.session, sizeof(info.session), "%.*s", ASIDE_SESSION_SIZE - 1,
                                       line + 8);
                else if (strcmp(line, "state=whole") == 0)
                        known = info.whole = true;
                else if (strcmp(line, "state=apart") == 0)
                        known = true;
        }
        if (!known)
                return -EBADMSG;
        *ret_info = info;
        return 0;
}

/* Deleting */

/* What is on another mount stays, and with it all above. */
static int delete_tree(int fd, const char *name, uint64_t mount, int depth, uint64_t deadline) {
        _cleanup_(closep) int directory = -1;
        Names names = { 0 };
        int r = 0;

        if (now_usec() >= deadline)
                return -ETIMEDOUT;
        if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        directory = open_directory(fd, name);
        if (directory < 0)
                return directory == -ENOTDIR || directory == -ELOOP ? -EPERM : directory;
        if (depth > DEPTH_MAX)
                return -ELOOP;
        if (mount && mount_of(directory, "") != mount)
                return -EBUSY;
        r = list_names(directory, NULL, true, &names);
        for (size_t i = 0; i < names.n && r >= 0; i++)
                r = delete_tree(directory, names.names[i], mount, depth + 1, deadline);
        names_clear(&names);
        if (r >= 0 && unlinkat(fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                r = -errno;
        return r;
}

static int delete_all(int dir_fd, const char *const *keep, uint64_t deadline) {
        Names names;
        int r = list_names(dir_fd, keep, false, &names);

        if (r >= 0)
                r = check_mounts(dir_fd, &names);
        for (size_t i = 0; i < names.n && r >= 0; i++)
                r = delete_tree(dir_fd, names.names[i], mount_of(dir_fd, ""), 0, deadline);
        names_clear(&names);
        return r;
}

/* Moving */

static int move_all(int from, int to, const char *const *keep, uint64_t deadline) {
        Names names;
        int r = list_names(from, keep, false, &names);

        if (r >= 0)
                r = check_mounts(from, &names);
        for (size_t i = 0; i < names.n && r >= 0; i++)
                if (now_usec() >= deadline)
                        r = -ETIMEDOUT;
                else if (renameat(from, names.names[i], to, names.names[i]) < 0)
                        r = -errno;
        names_clear(&names);
        if (r >= 0 && (fsync(to) < 0 || fsync(from) < 0))
                r = -errno;
        return r;
}

/* Return: 1 if there is nothing to be moved. */
static int is_empty(int fd, const char *const *keep) {
        Names names;
        int r = list_names(fd, keep, false, &names);

        if (r >= 0)
                r = names.n == 0;
        names_clear(&names);
        return r;
}

/* The directory for what is put aside; what is in it if it is there. */
static int open_aside(int dir_fd, AsideInfo *info, int *ret_aside) {
        _cleanup_(closep) int aside = -1;
        Names names = { 0 };
        int r;

        aside = open_directory(dir_fd, ASIDE_NAME);
        if (aside < 0)
                return aside == -ENOTDIR || aside == -ELOOP ? -EEXIST : aside;
        r = read_marker(aside, info);
        if (r == -ENOENT) {
                /* Only just made. */
                r = list_names(aside, NULL, false, &names);
                if (r >= 0 && names.n > 0)
                        r = -EEXIST;
                names_clear(&names);
                info->when_usec = 0;
        } else if (r == -EBADMSG)
                r = -EEXIST;
        if (r >= 0)
                *ret_aside = TAKE_FD(aside);
        return r;
}

int aside_move(int dir_fd, const char *session, const char *const *keep, uint64_t deadline_usec) {
        _cleanup_(closep) int aside = -1;
        AsideInfo info = { 0 };
        int r;

        r = delete_tree(dir_fd, ASIDE_DROPPED, mount_of(dir_fd, ""), 0, deadline_usec);
        if (r < 0)
                return r;
        if (mkdirat(dir_fd, ASIDE_NAME, 0700) < 0 && errno != EEXIST)
                return -errno;
        r = open_aside(dir_fd, &info, &aside);
        if (r < 0)
                return r;
        if (info.whole)
                return delete_all(dir_fd, keep, deadline_usec);
        if (info.when_usec == 0) {
                info.when_usec = clock_usec(CLOCK_REALTIME);
                (void)snprintf(info.session, sizeof(info.session), "%s", session);
                r = is_empty(dir_fd, keep);
                /* Nothing is moved, so that it is whole already: each time that the disk is waited for
                 * counts. */
                info.whole = r > 0;
                if (r >= 0)
                        r = write_marker(aside, &info);
        }
        if (r < 0 || info.whole)
                return r;
        r = move_all(dir_fd, aside, keep, deadline_usec);
        if (r < 0)
                return r;
        info.whole = true;
        return write_marker(aside, &info);
}

int aside_drop(int dir_fd, uint64_t deadline_usec) {
        _cleanup_(closep) int aside = -1;
        AsideInfo info = { 0 };
        int r = open_aside(dir_fd, &info, &aside);

        /* Renamed first: half of it must not be taken for what was there before. */
        if (r >= 0) {
                r = delete_tree(dir_fd, ASIDE_DROPPED, mount_of(dir_fd, ""), 0, deadline_usec);
                if (r >= 0 && (renameat(dir_fd, ASIDE_NAME, dir_fd, ASIDE_DROPPED) < 0 || fsync(dir_fd) < 0))
                        r = -errno;
        } else if (r == -ENOENT)
                r = 0;
        return r < 0 ? r : delete_tree(dir_fd, ASIDE_DROPPED, mount_of(dir_fd, ""), 0, deadline_usec);
}

int aside_look(int dir_fd, AsideInfo *ret_info) {
        _cleanup_(closep) int aside = -1;
        AsideInfo info = { 0 };
        int r = open_aside(dir_fd, &info, &aside);

        if (r == -ENOENT || r == -EEXIST)
                return 0;
        if (r < 0)
                return r;
        *ret_info = info;
        return 1;
}

int aside_put_back(int dir_fd, const char *const *keep, uint64_t deadline_usec) {
        _cleanup_(closep) int aside = -1;
        AsideInfo info = { 0 };
        int r = open_aside(dir_fd, &info, &aside);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (info.whole) {
                r = delete_all(dir_fd, keep, deadline_usec);
                info.whole = false;
                if (r >= 0)
                        r = write_marker(aside, &info);
        }
        if (r >= 0)
                r = move_all(aside, dir_fd, NULL, deadline_usec);
        return r < 0 ? r : delete_tree(dir_fd, ASIDE_NAME, mount_of(dir_fd, ""), 0, deadline_usec);
}

const char *aside_text(const AsideInfo *info, const char *path, char *text, size_t size) {
        time_t when = (time_t)(info->when_usec / USEC_PER_SEC);
        char date[32] = "?";
        struct tm tm;

        if (gmtime_r(&when, &tm))
                (void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm);
        (void)snprintf(text, size,
                       "a restore to %s, begun %s, did not finish: try it again, or, with the application "
                       "stopped, move "
                       "what was there before back from %s/" ASIDE_NAME,
                       path, date, path);
        return text;
}
