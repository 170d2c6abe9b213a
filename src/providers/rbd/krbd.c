/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Images as devices of the kernel's own client, by the program "rbd", which knows keys and modules
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include "providers/common/image-process.h"
#include "providers/rbd/krbd.h"
#include "util/clock.h"

#define PROGRAM_USEC (20 * USEC_PER_SEC)
#define OUTPUT_MAX 4096u
#define ARGUMENTS_MAX 24u

extern char **environ;

DEFINE_CLEANUP(DIR *, closedir)

bool krbd_is_there(const char *sys) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/bus/rbd/devices", sys);
        return access(path, F_OK) == 0 && image_program_is_there("rbd");
}

/* Until it closes its output, or time is up. */
static size_t read_output(int fd, uint64_t deadline, char output[static OUTPUT_MAX]) {
        size_t n = 0;

        for (;;) {
                struct pollfd pollfd = { .fd = fd, .events = POLLIN };
                uint64_t now = now_usec();
                char rest[512];
                ssize_t k;

                if (now >= deadline)
                        break;
                if (poll(&pollfd, 1, (int)((deadline - now) / USEC_PER_MSEC) + 1) < 0 && errno != EINTR)
                        break;
                if (!pollfd.revents)
                        continue;
                k = n < OUTPUT_MAX - 1 ? read(fd, output + n, OUTPUT_MAX - 1 - n)
                                       : read(fd, rest, sizeof(rest));
                if (k <= 0)
                        break;
                n = MIN(n + (size_t)k, (size_t)OUTPUT_MAX - 1);
        }
        output[n] = 0;
        return n;
}

/* It may hang in the kernel, and then cannot be killed: nobody waits for it longer than that. */
static int await_end(pid_t pid, uint64_t deadline) {
        const struct timespec pause = { .tv_nsec = 2000000 };
        int status;

        while (waitpid(pid, &status, WNOHANG) == 0) {
                if (now_usec() >= deadline) {
                        (void)kill(pid, SIGKILL);
                        (void)nanosleep(&pause, NULL);
                        (void)waitpid(pid, &status, WNOHANG);
                        return -ETIMEDOUT;
                }
                (void)nanosleep(&pause, NULL);
        }
        return WIFEXITED(status) && WEXITSTATUS(status) == 0                ? 0
               : WIFEXITED(status) && WEXITSTATUS(status) == 16 /* EBUSY */ ? -EBUSY
                                                                            : -EIO;
}

static int run(char *const argv[], char output[static OUTPUT_MAX]) {
        uint64_t deadline = now_usec() + PROGRAM_USEC;
        posix_spawn_file_actions_t actions;
        int pipes[2], r;
        pid_t pid;

        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        (void)posix_spawn_file_actions_init(&actions);
        (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        (void)posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
        (void)posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO);
        r = -posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
        (void)close(pipes[1]);
        if (r == 0) {
                (void)read_output(pipes[0], deadline, output);
                r = await_end(pid, deadline);
        }
        (void)close(pipes[0]);
        return r;
}

static const char *last_line(char *text) {
        char *line;
        size_t n = strlen(text);

        while (n > 0 && text[n - 1] == '\n')
                text[--n] = 0;
        line = strrchr(text, '\n');
        return line ? line + 1 : text;
}

static int fail(const char *what, int r, char *output, char ret_why[static WHY_SIZE]) {
        (void)snprintf(ret_why, WHY_SIZE, "%s: %.300s", what,
                       r == -ETIMEDOUT ? "rbd did not end in time" : last_line(output));
        return r;
}

int krbd_map(const ClusterSettings *cluster, const Place *place, const char *snapshot, bool read_only,
             char ret_device[static KRBD_DEVICE_SIZE], char ret_why[static WHY_SIZE]) {
        char spec[4 * POOL_NAME_SIZE], options[300], output[OUTPUT_MAX] = "";
        /* Where nobody makes nodes but the kernel, nobody tells that they are there. */
        bool udev = access("/run/udev/control", F_OK) == 0;
        const char *argv[ARGUMENTS_MAX] = { "rbd",         "--conf", cluster->conf, "--id",
                                            cluster->user, "device", "map" };
        size_t n = 7;
        int r;

        (void)snprintf(options, sizeof(options), "%s%s%s", cluster->map_options,
                       *cluster->map_options && !udev ? "," : "", udev ? "" : "noudev");
        if (*options) {
                argv[n++] = "--options";
                argv[n++] = options;
        }
        if (read_only)
                argv[n++] = "--read-only";
        (void)snprintf(spec, sizeof(spec), "%s%s%s/%s%s%s", place->pool.pool, *place->pool.space ? "/" : "",
                       place->pool.space, place->image, snapshot ? "@" : "", snapshot ?: "");
        argv[n++] = spec;
        r = run((char *const *)argv, output);
        if (r < 0)
                return fail("it cannot be mapped", r, output, ret_why);
        if (sscanf(last_line(output), "%31s", ret_device) != 1 || strncmp(ret_device, "/dev/rbd", 8) != 0)
                return fail("rbd told of no device", -EIO, output, ret_why);
        return 0;
}

int krbd_unmap(const char *device, char ret_why[static WHY_SIZE]) {
        bool udev = access("/run/udev/control", F_OK) == 0;
        const char *argv[] = { "rbd", "device", "unmap", device, udev ? NULL : "--options", "noudev", NULL };
        char output[OUTPUT_MAX] = "";
        int r = run((char *const *)argv, output);

        return r < 0 ? fail("it cannot be unmapped", r, output, ret_why) : 0;
}

static bool has(const char *directory, const char *name, const char *wanted) {
        char path[PATH_MAX], text[256] = "";
        _cleanup_(closep) int fd = -1;

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
                return false;
        text[strcspn(text, "\n")] = 0;
        return strcmp(text, wanted) == 0;
}

int krbd_find(const char *sys, const Place *place, const char *snapshot,
              char ret_device[static KRBD_DEVICE_SIZE]) {
        _cleanup_(closedirp) DIR *dir = NULL;
        char path[PATH_MAX], directory[PATH_MAX + 300];
        struct dirent *entry;

        (void)snprintf(path, sizeof(path), "%s/bus/rbd/devices", sys);
        dir = opendir(path);
        while (dir && (entry = readdir(dir))) {
                (void)snprintf(directory, sizeof(directory), "%s/%s", path, entry->d_name);
                if (entry->d_name[0] == '.' || !has(directory, "image_id", place->image_id) ||
                    !has(directory, "pool", place->pool.pool) ||
                    !has(directory, "cluster_fsid", place->fsid) ||
                    !has(directory, "current_snap", snapshot ?: "-"))
                        continue;
                (void)snprintf(ret_device, KRBD_DEVICE_SIZE, "/dev/rbd%.20s", entry->d_name);
                return 0;
        }
        return -ENOENT;
}
