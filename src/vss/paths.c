/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Paths from the command line, and what is mounted
 *
 * Resolving is done here, not in the service: the person's working directory and rights count, and a
 * mistyped path is told before anything is started.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "vss/paths.h"

#define MOUNTS_MAX 32768u

/* "\040" and the like, as the kernel writes blanks. */
static void unescape(char *text) {
        char *out = text;

        while (*text) {
                if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
                    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
                        *out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
                        text += 4;
                } else
                        *out++ = *text++;
        }
        *out = '\0';
}

typedef int (*MountHandler)(void *userdata, const char *root, const char *mount_point, const char *source);

/* Calls @handler for each line of mountinfo until it answers other than 0. */
static int each_mount(MountHandler handler, void *userdata) {
        _cleanup_(fclosep) FILE *file = fopen("/proc/self/mountinfo", "re");
        _cleanup_(freep) char *line = NULL;
        size_t allocated = 0, n = 0;
        int r = 0;

        if (!file)
                return -errno;
        while (r == 0 && n++ < MOUNTS_MAX && getline(&line, &allocated, file) >= 0) {
                char *save = NULL, *fields[5] = {}, *rest = strstr(line, " - "), *source = NULL;

                if (rest) {
                        char *tail = NULL;

                        *rest = '\0';
                        if (strtok_r(rest + 3, " \n", &tail))
                                source = strtok_r(NULL, " \n", &tail);
                }
                for (size_t i = 0; i < ELEMENTS(fields); i++)
                        fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
                if (!fields[4])
                        continue;
                unescape(fields[3]);
                unescape(fields[4]);
                if (source)
                        unescape(source);
                r = handler(userdata, fields[3], fields[4], source ?: "");
        }
        return r;
}

static int collect_mount(void *userdata, const char *root, const char *mount_point, const char *source) {
        return strings_add(userdata, mount_point);
}

static int collect_device(void *userdata, const char *root, const char *mount_point, const char *source) {
        return strncmp(source, "/dev/", 5) == 0 ? strings_add(userdata, mount_point) : 0;
}

int mounts_read_devices(Strings *ret_mounts) {
        return each_mount(collect_device, ret_mounts);
}

int mounts_read(Strings *ret_mounts) {
        Strings mounts = {};
        int r = each_mount(collect_mount, &mounts);

        if (r < 0) {
                strings_clear(&mounts);
                return r;
        }
        *ret_mounts = mounts;
        return 0;
}

typedef struct DeviceSearch {
        dev_t device;
        char *mount_point;
        bool whole; /* a mount of the whole file system is preferred */
} DeviceSearch;

static int match_device(void *userdata, const char *root, const char *mount_point, const char *source) {
        DeviceSearch *search = userdata;
        bool whole = strcmp(root, "/") == 0;
        struct stat st;
        char *copy;

        if (source[0] != '/' || stat(source, &st) < 0 || !S_ISBLK(st.st_mode) ||
            st.st_rdev != search->device)
                return 0;
        if (search->mount_point && (search->whole || !whole))
                return 0;
        copy = strdup(mount_point);
        if (!copy)
                return -ENOMEM;
        free(search->mount_point);
        search->mount_point = copy;
        search->whole = whole;
        return 0;
}

static int resolve_device(Cli *cli, const char *path, dev_t device, char **ret_path) {
        DeviceSearch search = { .device = device };
        int r = each_mount(match_device, &search);

        if (r < 0) {
                free(search.mount_point);
                return cli_error(cli, VSS_E_UNEXPECTED, path, "the mounts cannot be read: %s", strerror(-r));
        }
        if (!search.mount_point)
                return cli_error(cli, VSS_E_VOLUME_NOT_SUPPORTED, path,
                                 "nothing is mounted from this device, and a volume has to be mounted");
        *ret_path = search.mount_point;
        return EXIT_DONE;
}

int path_resolve(Cli *cli, const char *path, char **ret_path) {
        _cleanup_(freep) char *resolved = realpath(path, NULL);
        struct stat st;

        if (!resolved || stat(resolved, &st) < 0)
                return cli_error(cli, errno == EACCES ? VSS_E_ACCESSDENIED : VSS_E_OBJECT_NOT_FOUND, path,
                                 "%s",
                                 errno == ENOENT ? "there is no such file or directory" : strerror(errno));
        if (S_ISBLK(st.st_mode))
                return resolve_device(cli, path, st.st_rdev, ret_path);
        *ret_path = TAKE_PTR(resolved);
        return EXIT_DONE;
}

/* In a process of its own: nobody could wait for the end of one that has a thread there. */
static void __attribute__((__noreturn__)) ask(const char *path) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        struct stat st;

        /* Who reads what this program prints does not wait for it, either. */
        for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
                (void)dup2(null, fd);
        (void)signal(SIGINT, SIG_DFL);
        (void)signal(SIGTERM, SIG_DFL);
        (void)lstat(path, &st);
        _exit(0);
}

bool path_answers(const char *path, unsigned seconds) {
        uint64_t now = now_usec(), until = now + seconds * USEC_PER_SEC;
        struct pollfd ended = { .events = POLLIN };
        int ends[2], r = 0;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return true;
        pid = fork();
        if (pid == 0)
                ask(path);
        (void)close(ends[1]);
        ended.fd = ends[0];
        for (; pid > 0 && r == 0 && now < until && !interrupt_pending(); now = now_usec()) {
                r = poll(&ended, 1, (int)MIN((until - now) / USEC_PER_MSEC + 1, UINT64_C(1000)));
                r = r < 0 && errno == EINTR ? 0 : r;
        }
        (void)close(ends[0]);
        if (pid > 0 && r != 0)
                (void)waitpid(pid, NULL, 0);
        else if (pid > 0)
                (void)kill(pid, SIGKILL);
        return pid < 0 || r != 0;
}

int paths_resolve(Cli *cli, const Strings *paths, Strings *ret_resolved) {
        for (size_t i = 0; i < paths->n; i++) {
                _cleanup_(freep) char *resolved = NULL;
                int r = path_resolve(cli, paths->items[i], &resolved);

                if (r != EXIT_DONE)
                        return r;
                if (strings_add_once(ret_resolved, resolved) < 0)
                        return cli_out_of_memory(cli);
        }
        return EXIT_DONE;
}
