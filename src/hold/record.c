/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /run/linuxvss/hold: writing and reading
 *
 * The reader trusts nothing: only a plain file of root in a directory of root is looked at, each line is
 * checked on its own, and everything has a limit.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "config.h"
#include "hold/mountinfo.h"
#include "hold/record.h"
#include "util/macro.h"

static int path_print(const char *path, FILE *file) {
        for (; *path; path++)
                if (strchr(" \t\n\\", *path)) {
                        if (fprintf(file, "\\%03o", (unsigned char)*path) < 0)
                                return -EIO;
                } else if (fputc(*path, file) == EOF)
                        return -EIO;
        return fputc('\n', file) == EOF ? -EIO : 0;
}

int record_print(const Record *record, FILE *file) {
        fprintf(file, "linuxvss-hold 1 %d %llu %d %llu\n", record->pids[0],
                (unsigned long long)record->starts[0], record->pids[1],
                (unsigned long long)record->starts[1]);
        if (record->command > 0)
                fprintf(file, "command %d %llu\n", record->command,
                        (unsigned long long)record->command_start);
        for (size_t i = 0; i < record->n_targets; i++) {
                const RecordTarget *target = record->targets + i;

                if (target->kind == VSS_HOLD_CGROUP)
                        fputs("cgroup - ", file);
                else
                        fprintf(file, "%s %u:%u ", target->kind == VSS_HOLD_DEVICE ? "device" : "filesystem",
                                major(target->device), minor(target->device));
                if (path_print(target->path, file) < 0)
                        return -EIO;
        }
        return fflush(file) == EOF || ferror(file) ? -EIO : 0;
}

/* A decimal number and the character behind it. */
static int number_take(char **text, uint64_t max, char end, uint64_t *ret_number) {
        unsigned long long number;
        char *behind;

        if (**text < '0' || **text > '9')
                return -EBADMSG;
        errno = 0;
        number = strtoull(*text, &behind, 10);
        if (errno != 0 || number > max || *behind != end)
                return -EBADMSG;
        *text = behind + (end != '\0');
        *ret_number = number;
        return 0;
}

static int text_take(char **text, const char *prefix) {
        size_t length = strlen(prefix);

        if (strncmp(*text, prefix, length) != 0)
                return -EBADMSG;
        *text += length;
        return 0;
}

static int head_parse(char *line, Record *record) {
        if (text_take(&line, "linuxvss-hold 1 ") < 0)
                return -EBADMSG;
        for (unsigned i = 0; i < RECORD_PROCESSES; i++) {
                uint64_t pid;

                if (number_take(&line, INT_MAX, ' ', &pid) < 0 || pid < 2 ||
                    number_take(&line, UINT64_MAX, i + 1 < RECORD_PROCESSES ? ' ' : '\0',
                                &record->starts[i]) < 0)
                        return -EBADMSG;
                record->pids[i] = (pid_t)pid;
        }
        return 0;
}

/* Are there elements that lead elsewhere, or empty ones? One slash at the end is none. */
static int path_climbs(const char *path) {
        while (*path) {
                size_t n = strcspn(path + 1, "/");

                if ((n == 0 && path[1]) || (n == 1 && path[1] == '.') ||
                    (n == 2 && strncmp(path + 1, "..", 2) == 0))
                        return 1;
                path += n + 1;
        }
        return 0;
}

static int target_parse(char *line, RecordTarget *ret_target) {
        uint64_t major_number = 0, minor_number = 0;
        uint32_t kind;

        if (text_take(&line, "cgroup - ") >= 0)
                kind = VSS_HOLD_CGROUP;
        else if (text_take(&line, "filesystem ") >= 0)
                kind = VSS_HOLD_FILESYSTEM;
        else if (text_take(&line, "device ") >= 0)
                kind = VSS_HOLD_DEVICE;
        else
                return -EBADMSG;
        if (kind != VSS_HOLD_CGROUP && (number_take(&line, 0xfff, ':', &major_number) < 0 ||
                                        number_take(&line, 0xfffff, ' ', &minor_number) < 0))
                return -EBADMSG;
        octal_unescape(line);
        if (strlen(line) >= sizeof(ret_target->path))
                return -EBADMSG;
        /* A device has a name, the others a path. */
        if (kind == VSS_HOLD_DEVICE ? !line[0] || strchr(line, '/') != NULL : line[0] != '/')
                return -EBADMSG;
        /* A control group is written to by its path: nothing that climbs. */
        if (kind == VSS_HOLD_CGROUP && path_climbs(line))
                return -EBADMSG;
        ret_target->kind = kind;
        ret_target->device = makedev((unsigned)major_number, (unsigned)minor_number);
        memcpy(ret_target->path, line, strlen(line) + 1);
        return 0;
}

static int command_parse(char *line, Record *record) {
        uint64_t pid;

        if (record->command > 0 || text_take(&line, "command ") < 0 ||
            number_take(&line, INT_MAX, ' ', &pid) < 0 || pid < 2 ||
            number_take(&line, UINT64_MAX, '\0', &record->command_start) < 0)
                return -EBADMSG;
        record->command = (pid_t)pid;
        return 0;
}

int record_parse(char *text, Record *ret_record) {
        char *line = strsep(&text, "\n");

        ret_record->command = 0;
        ret_record->n_targets = 0;
        ret_record->n_bad = 0;
        if (!line || head_parse(line, ret_record) < 0)
                return -EBADMSG;
        while ((line = strsep(&text, "\n"))) {
                if (!*line || command_parse(line, ret_record) >= 0)
                        continue;
                if (ret_record->n_targets >= HOLD_TARGETS_MAX ||
                    target_parse(line, ret_record->targets + ret_record->n_targets) < 0)
                        ret_record->n_bad++;
                else
                        ret_record->n_targets++;
        }
        return 0;
}

int record_dir_open(int create) {
        _cleanup_(closep) int dir = -1;
        struct stat st;

        if (create && mkdir(LINUXVSS_RUNDIR, 0755) < 0 && errno != EEXIST)
                return -errno;
        dir = open(LINUXVSS_RUNDIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0)
                return -errno;
        if (fstat(dir, &st) < 0)
                return -errno;
        if (st.st_uid != 0 || (st.st_mode & 022) != 0)
                return -EPERM;
        return TAKE_FD(dir);
}

int record_is_guard(const char *name) {
        size_t length = strlen(RECORD_GUARD_PREFIX);

        return strncmp(name, RECORD_GUARD_PREFIX, length) == 0 && name[length] &&
               strlen(name) < RECORD_NAME_SIZE && !name[length + strspn(name + length, "0123456789")];
}

int record_write(int dir, const char *name, const Record *record) {
        _cleanup_(fclosep) FILE *file = NULL;
        char link[sizeof("/proc/self/fd/") + 12];
        int fd, r;

        fd = openat(dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        file = fdopen(fd, "we");
        if (!file) {
                r = -errno;
                (void)close(fd);
                return r;
        }
        r = record_print(record, file);
        if (r < 0)
                return r;
        /* Linked, not renamed: it fails if there is one, also if that is a symbolic link. */
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        return linkat(AT_FDCWD, link, dir, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int record_read(int dir, const char *name, Record *ret_record) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_(closep) int fd = -1;
        size_t length = 0;
        struct stat st;

        fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return errno == ELOOP ? -EPERM : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) != 0 || st.st_nlink != 1)
                return -EPERM;
        if ((uint64_t)st.st_size > RECORD_SIZE_MAX)
                return -EBADMSG;
        text = malloc(RECORD_SIZE_MAX + 1);
        if (!text)
                return -ENOMEM;
        while (length < RECORD_SIZE_MAX) {
                ssize_t n = read(fd, text + length, RECORD_SIZE_MAX - length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                length += (size_t)n;
        }
        if (memchr(text, '\0', length))
                return -EBADMSG;
        text[length] = '\0';
        return record_parse(text, ret_record);
}

int record_remove(int dir, const char *name) {
        return unlinkat(dir, name, 0) < 0 ? -errno : 0;
}

int process_start(pid_t pid, uint64_t *ret_start) {
        char path[32], text[1024], *field;
        _cleanup_(closep) int fd = -1;
        unsigned long long start;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        /* The name may contain anything, also parentheses: fields count from the last one. */
        field = strrchr(text, ')');
        /* Ended, only not yet waited for. */
        if (field && (strncmp(field, ") Z", 3) == 0 || strncmp(field, ") X", 3) == 0))
                return -ESRCH;
        for (unsigned i = 2; field && i < 22; i++)
                field = strchr(field + 1, ' ');
        if (!field || sscanf(field, " %llu", &start) != 1)
                return -EBADMSG;
        *ret_start = start;
        return 0;
}

int record_is_live(const Record *record) {
        for (unsigned i = 0; i < RECORD_PROCESSES; i++) {
                uint64_t start;

                if (process_start(record->pids[i], &start) >= 0 && start == record->starts[i])
                        return 1;
        }
        return 0;
}
