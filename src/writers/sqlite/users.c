/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who has a database open: looked up by a child, as root, in the names that /proc has
 *
 * Locks do not tell: a program that is between two transactions has none, and would go on with a file that
 * has been replaced under it.
 */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/sqlite/restore.h"

#define PROCESSES_MAX 65536u
#define DESCRIPTORS_MAX 65536u

typedef struct Target {
        size_t index;
        dev_t device;
        ino_t inode;
} Target;

typedef struct Users {
        const UsersOrder *order;
        int fd; /* to the broker */
        Target *targets;
        size_t n;
} Users;

static bool out_of_time(const Users *users) {
        return now_usec() >= users->order->deadline_usec;
}

/* The database and what lies beside it: an application may have only its log open at times. */
static void find_targets(Users *users) {
        static const char *const endings[] = { "", "-wal", "-shm" };
        const DatabaseList *list = users->order->databases;
        char path[4200];
        struct stat st;

        for (size_t i = 0; i < list->n && !out_of_time(users); i++)
                FOREACH_ELEMENT (ending, endings) {
                        (void)snprintf(path, sizeof(path), "%s%s", list->items[i].path, *ending);
                        if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
                                users->targets[users->n++] = (Target){ i, st.st_dev, st.st_ino };
                }
}

static void tell(const Users *users, size_t index, int proc, const char *pid) {
        UsersMessage message = { .index = (uint32_t)index, .pid = (uint32_t)strtoul(pid, NULL, 10) };
        char name[300];
        _cleanup_(closep) int fd = -1;
        ssize_t n = 0;

        (void)snprintf(name, sizeof(name), "%s/comm", pid);
        fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
                n = read(fd, message.command, sizeof(message.command) - 1);
        message.command[MAX(n, 0)] = '\0';
        message.command[strcspn(message.command, "\n")] = '\0';
        if (!text_is_clean(message.command))
                message.command[0] = '\0';
        if (child_send(users->fd, &message, sizeof(message)) < 0)
                _exit(1);
}

static void look_at_process(const Users *users, int proc, const char *pid) {
        const struct dirent *entry;
        char name[300];
        struct stat st;
        DIR *dir;
        int fd;

        (void)snprintf(name, sizeof(name), "%s/fd", pid);
        fd = openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return;
        dir = fdopendir(fd);
        if (!dir) {
                (void)close(fd);
                return;
        }
        for (unsigned i = 0; i < DESCRIPTORS_MAX && (entry = readdir(dir)) && !out_of_time(users); i++) {
                if (!isdigit((unsigned char)entry->d_name[0]) ||
                    fstatat(dirfd(dir), entry->d_name, &st, 0) < 0)
                        continue;
                for (size_t j = 0; j < users->n; j++)
                        if (users->targets[j].device == st.st_dev && users->targets[j].inode == st.st_ino)
                                tell(users, users->targets[j].index, proc, pid);
        }
        (void)closedir(dir);
}

int users_main(int fd, void *userdata) {
        Users users = { .order = userdata, .fd = fd };
        UsersMessage end = { .index = USERS_END };
        const struct dirent *entry;
        DIR *proc;

        if (child_die_with_parent(users.order->broker) < 0)
                return 1;
        users.targets = calloc(users.order->databases->n * 3 + 1, sizeof(*users.targets));
        proc = opendir("/proc");
        if (!users.targets || !proc)
                return 1;
        find_targets(&users);
        for (unsigned i = 0; i < PROCESSES_MAX && (entry = readdir(proc)) && !out_of_time(&users); i++)
                if (isdigit((unsigned char)entry->d_name[0]))
                        look_at_process(&users, dirfd(proc), entry->d_name);
        if (!out_of_time(&users) && child_send(fd, &end, sizeof(end)) < 0)
                return 1;
        return 0;
}
