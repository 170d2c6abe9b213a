/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The store of an array: its directory, and what is common to all that lies in it
 */

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "array/store.h"
#include "providers/common/info.h"
#include "util/clock.h"

#define LOCK_USEC (10 * USEC_PER_SEC)
#define CUT_MSEC 5000
#define ARRAY_INFO "array"

DEFINE_CLEANUP(DIR *, closedir)

int array_fail(ArrayError *error, int r, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(error->text, sizeof(error->text), format, args);
        va_end(args);
        return r;
}

int store_new_id(char ret_id[static VSS_ID_SIZE]) {
        uint8_t b[16];

        if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
                return -EIO;
        b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
        b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
        (void)snprintf(ret_id, VSS_ID_SIZE,
                       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
                       b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                       b[15]);
        return 0;
}

static int open_dir(int parent_fd, const char *name) {
        int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int store_read_info(int parent_fd, const char *name, vss_value **ret_info) {
        _cleanup_(closep) int dir = open_dir(parent_fd, name), fd = -1;
        _cleanup_(freep) char *text = malloc(INFO_SIZE_MAX + 1);
        size_t n = 0;

        if (dir < 0)
                return dir;
        if (!text)
                return -ENOMEM;
        fd = openat(dir, INFO_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        while (n <= INFO_SIZE_MAX) {
                ssize_t k = read(fd, text + n, INFO_SIZE_MAX + 1 - n);

                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t)k;
        }
        return n > INFO_SIZE_MAX ? -EBADMSG : info_decode(text, n, ret_info);
}

int store_write_info(int parent_fd, const char *name, const vss_value *info) {
        _cleanup_(closep) int dir = open_dir(parent_fd, name);

        return dir < 0 ? dir : info_replace(dir, info);
}

int store_remove(int parent_fd, const char *name) {
        static const char *const files[] = { "data", INFO_NAME, INFO_NAME_NEW };
        _cleanup_(closep) int dir = open_dir(parent_fd, name);

        if (dir < 0)
                return dir == -ENOENT ? 0 : dir;
        FOREACH_ELEMENT (file, files)
                if (unlinkat(dir, *file, 0) < 0 && errno != ENOENT)
                        return -errno;
        return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int open_part(const Store *store, const char *name, bool make) {
        if (make && mkdirat(store->fd, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        return open_dir(store->fd, name);
}

/* Whole or not at all: two commands may make the store at one time. */
static int make_identity(const Store *store) {
        _cleanup_value_ vss_value *info = vss_value_new_dict();
        char id[VSS_ID_SIZE] = "", name[32];
        int r;

        (void)snprintf(name, sizeof(name), "new-%d", (int)getpid());
        r = store_new_id(id);
        if (r == 0 && vss_value_set_string(info, "id", id) < 0)
                r = -ENOMEM;
        if (r == 0 && mkdirat(store->fd, name, 0700) < 0)
                r = -errno;
        if (r == 0)
                r = store_write_info(store->fd, name, info);
        if (r == 0 && renameat2(store->fd, name, store->fd, ARRAY_INFO, RENAME_NOREPLACE) < 0)
                r = errno == EEXIST ? 0 : -errno;
        (void)store_remove(store->fd, name);
        return r;
}

static int read_identity(Store *store, bool make) {
        _cleanup_value_ vss_value *info = NULL;
        int r = 0;

        if (make && faccessat(store->fd, ARRAY_INFO, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                r = make_identity(store);
        if (r == 0)
                r = store_read_info(store->fd, ARRAY_INFO, &info);
        if (r < 0)
                return r;
        if (!info_id_is_valid(vss_value_get_string(info, "id", "")))
                return -EBADMSG;
        (void)snprintf(store->id, sizeof(store->id), "%s", vss_value_get_string(info, "id", ""));
        return 0;
}

int store_open(const char *path, bool make, Store *ret_store, ArrayError *error) {
        Store store = { .fd = -1, .luns = -1, .copies = -1, .hosts = -1 };
        int r = 0;

        if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
                return array_fail(error, -errno, "%s: %s", path, strerror(errno));
        store.path = strdup(path);
        store.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (!store.path || store.fd < 0)
                r = array_fail(error, store.path ? -errno : -ENOMEM,
                               "%s: %s. vss-array create makes the store; array.conf says where it is.",
                               path, strerror(errno));
        if (r == 0)
                r = read_identity(&store, make);
        if (r == 0) {
                store.luns = open_part(&store, "luns", make);
                store.copies = open_part(&store, "copies", make);
                store.hosts = open_part(&store, "hosts", make);
                if (store.luns < 0 || store.copies < 0 || store.hosts < 0)
                        r = -ENOENT;
        }
        if (r < 0) {
                if (store.fd >= 0)
                        (void)array_fail(error, r, "%s is no store of an array: %s", path, strerror(-r));
                store_close(&store);
                return r;
        }
        *ret_store = store;
        return 0;
}

void store_close(Store *store) {
        closep(&store->fd);
        closep(&store->luns);
        closep(&store->copies);
        closep(&store->hosts);
        free(store->path);
        *store = (Store){ .fd = -1, .luns = -1, .copies = -1, .hosts = -1 };
}

int store_lock(const Store *store, int *ret_fd, ArrayError *error) {
        static const struct timespec pause = { .tv_nsec = 5000000 };
        uint64_t deadline = now_usec() + LOCK_USEC;
        _cleanup_(closep) int fd = open_dir(store->fd, ".");

        if (fd < 0)
                return array_fail(error, fd, "%s: %s", store->path, strerror(-fd));
        while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK || now_usec() >= deadline)
                        return array_fail(error, -ETIMEDOUT,
                                          "the store %s has been locked by another process for %u seconds",
                                          store->path, (unsigned)(LOCK_USEC / USEC_PER_SEC));
                (void)nanosleep(&pause, NULL);
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int store_list(const Store *store, int dir_fd, unsigned max, vss_value *names, ArrayError *error) {
        _cleanup_(closep) int fd = open_dir(dir_fd, ".");
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;
        unsigned n = 0;

        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir)
                return array_fail(error, -errno, "%s: %s", store->path, strerror(errno));
        (void)TAKE_FD(fd);
        while ((entry = readdir(dir))) {
                if (!array_name_is_valid(entry->d_name))
                        continue;
                if (++n > max)
                        return array_fail(error, -E2BIG, "%s: there are more than %u", store->path, max);
                if (value_append_string(names, entry->d_name) < 0)
                        return array_fail(error, -ENOMEM, "out of memory");
        }
        return 0;
}

int store_open_data(int parent_fd, const char *name, int flags, ArrayError *error) {
        _cleanup_(closep) int dir = open_dir(parent_fd, name);
        int fd = dir < 0 ? dir : openat(dir, "data", flags | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0)
                return array_fail(error, dir < 0 ? dir : -errno, "%s: %s", name,
                                  strerror(dir < 0 ? -dir : errno));
        return fd;
}

/* Of @inode in the descriptors of one process? */
static bool process_has(const char *pid, const struct stat *wanted) {
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;
        char path[300];

        (void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
        dir = opendir(path);
        while (dir && (entry = readdir(dir))) {
                struct stat st;

                if (entry->d_name[0] != '.' && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
                    st.st_dev == wanted->st_dev && st.st_ino == wanted->st_ino)
                        return true;
        }
        return false;
}

int store_is_open(int data_fd, bool *ret_open) {
        _cleanup_(closedirp) DIR *dir = opendir("/proc");
        struct dirent *entry;
        struct stat wanted;
        char own[16];

        if (!dir || fstat(data_fd, &wanted) < 0)
                return -errno;
        (void)snprintf(own, sizeof(own), "%d", (int)getpid());
        *ret_open = false;
        while (!*ret_open && (entry = readdir(dir)))
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && strcmp(entry->d_name, own) != 0)
                        *ret_open = process_has(entry->d_name, &wanted);
        return 0;
}

/* Does it serve @host? Its words say so. */
static bool is_server_of(const Store *store, const char *host, const char *pid) {
        char path[300], text[4096], links[4096];
        _cleanup_(closep) int fd = -1;
        ssize_t n;

        (void)snprintf(links, sizeof(links), "dir=%s/hosts/%s/", store->path, host);
        (void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return false;
        text[n] = '\0';
        if (strcmp(text, "nbdkit") != 0)
                return false;
        for (const char *word = text; word < text + n; word += strlen(word) + 1)
                if (strncmp(word, links, strlen(links)) == 0)
                        return true;
        return false;
}

/* Return: 0, or -ETIMEDOUT if it does not end. */
static int end_server(int pidfd) {
        struct pollfd wait = { .fd = pidfd, .events = POLLIN };

        if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
                return -errno;
        return poll(&wait, 1, CUT_MSEC) == 1 ? 0 : -ETIMEDOUT;
}

int store_cut(const Store *store, const char *host, int data_fd, ArrayError *error) {
        _cleanup_(closedirp) DIR *dir = opendir("/proc");
        struct dirent *entry;
        struct stat wanted;
        int r = 0;

        if (!dir || fstat(data_fd, &wanted) < 0)
                return array_fail(error, -errno, "who has it open cannot be found: %s", strerror(errno));
        while (r == 0 && (entry = readdir(dir))) {
                _cleanup_(closep) int pidfd = -1;
                int pid = (int)strtol(entry->d_name, NULL, 10);

                if (pid <= 0 || !is_server_of(store, host, entry->d_name))
                        continue;
                /* The number may have become another's: so it is held before the last look. */
                pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
                if (pidfd < 0 || !is_server_of(store, host, entry->d_name) ||
                    !process_has(entry->d_name, &wanted))
                        continue;
                r = end_server(pidfd);
                if (r < 0)
                        r = array_fail(error, r, "%s has it open by process %d, which does not end: %s",
                                       host, pid, strerror(-r));
        }
        return r;
}
