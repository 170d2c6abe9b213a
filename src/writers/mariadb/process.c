/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Processes of servers; see process.h
 */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include "util/clock.h"
#include "writers/mariadb/process.h"

#define PROCESSES_MAX 65536u
#define DESCRIPTORS_MAX 4096u
#define FILE_MAX (1u << 20)

void process_user(char *ret_name, size_t size) {
        const struct passwd *user = getpwuid(geteuid());

        if (user)
                (void)snprintf(ret_name, size, "%s", user->pw_name);
        else
                (void)snprintf(ret_name, size, "%u", (unsigned)geteuid());
}

/* A file of /proc: with a NUL behind it. */
static char *read_file(int proc, const char *pid, const char *name, size_t *ret_size) {
        _cleanup_(closep) int fd = -1;
        _cleanup_(freep) char *text = NULL;
        char path[300];
        size_t used = 0, allocated = 0;

        (void)snprintf(path, sizeof(path), "%s/%s", pid, name);
        fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
        while (fd >= 0 && used < FILE_MAX) {
                ssize_t n;

                if (used + 1 >= allocated) {
                        char *more = realloc(text, allocated + 16384);

                        if (!more)
                                return NULL;
                        text = more;
                        allocated += 16384;
                }
                n = read(fd, text + used, allocated - used - 1);
                if (n < 0)
                        return NULL;
                text[used += (size_t)n] = '\0';
                if (n == 0)
                        break;
        }
        if (ret_size)
                *ret_size = used;
        return TAKE_PTR(text);
}

static bool is_server(int proc, const char *pid) {
        _cleanup_(freep) char *status = read_file(proc, pid, "status", NULL);
        const char *uid = status ? strstr(status, "\nUid:") : NULL;

        return uid &&
               (strncmp(status, "Name:\tmariadbd\n", 15) == 0 ||
                strncmp(status, "Name:\tmysqld\n", 13) == 0) &&
               (uid_t)strtoul(uid + 5, NULL, 10) == geteuid();
}

bool process_parse_socket(const char *table, const char *inode, char *ret_path, size_t size) {
        size_t n = strlen(inode);

        /* Num RefCount Protocol Flags Type St Inode Path; one that listens has the flag 10000. */
        for (const char *line = table; line && *line; line = strchr(line, '\n')) {
                unsigned long flags;
                char found[32], path[128];

                line += *line == '\n';
                if (sscanf(line, "%*s %*s %*s %lx %*s %*s %31s %127[^\n]", &flags, found, path) == 3 &&
                    (flags & 0x10000) && strlen(found) == n && memcmp(found, inode, n) == 0 &&
                    path[0] == '/') {
                        (void)snprintf(ret_path, size, "%s", path);
                        return true;
                }
        }
        return false;
}

static void find_socket(int proc, const char *pid, ServerProcess *process) {
        _cleanup_(freep) char *table = read_file(proc, pid, "net/unix", NULL);
        const struct dirent *entry;
        char name[300];
        DIR *dir;
        int fd;

        (void)snprintf(name, sizeof(name), "%s/fd", pid);
        fd = openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd >= 0 && table ? fdopendir(fd) : NULL;
        if (!dir) {
                closep(&fd);
                return;
        }
        for (unsigned i = 0; i < DESCRIPTORS_MAX && !*process->socket && (entry = readdir(dir)); i++) {
                char target[64];
                ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

                if (n <= 9 || memcmp(target, "socket:[", 8) != 0)
                        continue;
                target[n - 1] = '\0';
                (void)process_parse_socket(table, target + 8, process->socket, sizeof(process->socket));
        }
        (void)closedir(dir);
}

void process_parse_unit(const char *text, char *ret_unit, size_t size) {
        size_t n = strcspn(text, "\n");
        size_t start = n;

        ret_unit[0] = '\0';
        while (start > 0 && text[start - 1] != '/')
                start--;
        if (n - start > 8 && n - start < size && memcmp(text + n - 8, ".service", 8) == 0)
                (void)snprintf(ret_unit, size, "%.*s", (int)(n - start), text + start);
}

static int look_at(int proc, const char *pid, ServerProcess *process) {
        _cleanup_(freep) char *arguments = NULL, *group = NULL;
        char name[300];
        size_t size = 0;
        ssize_t n;
        int r;

        process->pid = (pid_t)strtol(pid, NULL, 10);
        arguments = read_file(proc, pid, "cmdline", &size);
        if (!arguments || size == 0)
                return -ESRCH;
        r = options_split(&process->arguments, arguments, size, '\0');
        if (r < 0)
                return r;
        (void)snprintf(name, sizeof(name), "%s/exe", pid);
        n = readlinkat(proc, name, process->program, sizeof(process->program) - 1);
        if (n > 0)
                process->program[n] = '\0';
        else
                (void)snprintf(process->program, sizeof(process->program), "%s",
                               process->arguments.items[0]);
        if (process->program[0] != '/')
                return -ESRCH;
        /* Replaced by an update while it runs. */
        process->program[strcspn(process->program, " ")] = '\0';
        free(process->arguments.items[0]);
        memmove(process->arguments.items, process->arguments.items + 1,
                process->arguments.n * sizeof(*process->arguments.items));
        process->arguments.n--;
        group = read_file(proc, pid, "cgroup", NULL);
        if (group)
                process_parse_unit(group, process->unit, sizeof(process->unit));
        find_socket(proc, pid, process);
        return 0;
}

int processes_find(uint64_t deadline_usec, ServerProcess **ret_processes, size_t *ret_n) {
        ServerProcess *processes = calloc(INSTANCES_MAX, sizeof(*processes));
        DIR *dir = opendir("/proc");
        const struct dirent *entry;
        size_t n = 0;

        if (!processes || !dir) {
                free(processes);
                if (dir)
                        (void)closedir(dir);
                return -ENOMEM;
        }
        for (unsigned i = 0; i < PROCESSES_MAX && n < INSTANCES_MAX && (entry = readdir(dir)); i++) {
                if (now_usec() >= deadline_usec)
                        break;
                if (!isdigit((unsigned char)entry->d_name[0]) || !is_server(dirfd(dir), entry->d_name))
                        continue;
                if (look_at(dirfd(dir), entry->d_name, &processes[n]) >= 0)
                        n++;
                else {
                        options_clear(&processes[n].arguments);
                        processes[n] = (ServerProcess){ 0 };
                }
        }
        (void)closedir(dir);
        *ret_processes = processes;
        *ret_n = n;
        return 0;
}

void processes_free(ServerProcess *processes, size_t n) {
        for (size_t i = 0; i < n; i++)
                options_clear(&processes[i].arguments);
        free(processes);
}
