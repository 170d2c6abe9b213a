/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The layout, written down; see layout.h
 *
 * In a child: tools that look at disks may hang.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "util/clock.h"
#include "writers/common/command.h"
#include "writers/system/layout.h"

#define DISKS_MAX 256u
#define TOOL_USEC (15 * USEC_PER_SEC)
#define COPY_MAX (1u << 20)

DEFINE_CLEANUP(DIR *, closedir)

typedef struct Layout {
        int dir;
        FILE *manifest;
        uint64_t deadline_usec;
        int n_failed;
} Layout;

/* ---- what there is */

typedef bool (*EachDisk)(const char *name, void *userdata);

/* Until @each returns true. Return: did it? */
static bool each_disk(EachDisk each, void *userdata) {
        _cleanup_(closedirp) DIR *dir = opendir("/sys/block");
        struct dirent *entry;

        for (unsigned n = 0; dir && n < DISKS_MAX && (entry = readdir(dir)); n++)
                if (entry->d_name[0] != '.' && each(entry->d_name, userdata))
                        return true;
        return false;
}

/* Partitions are its directories that have a number. */
static bool has_partitions(const char *name, void *userdata) {
        char path[PATH_MAX];
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;

        (void)snprintf(path, sizeof(path), "/sys/block/%s", name);
        dir = opendir(path);
        while (dir && (entry = readdir(dir))) {
                (void)snprintf(path, sizeof(path), "/sys/block/%s/%s/partition", name, entry->d_name);
                if (strncmp(entry->d_name, name, strlen(name)) == 0 && access(path, F_OK) == 0)
                        return true;
        }
        return false;
}

static bool is_logical_volume(const char *name, void *userdata) {
        char path[PATH_MAX], uuid[8] = "";
        FILE *file;

        (void)snprintf(path, sizeof(path), "/sys/block/%s/dm/uuid", name);
        file = fopen(path, "re");
        if (!file)
                return false;
        (void)!fgets(uuid, sizeof(uuid), file);
        (void)fclose(file);
        return strncmp(uuid, "LVM-", 4) == 0;
}

static bool is_raid(const char *name, void *userdata) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "/sys/block/%s/md", name);
        return access(path, F_OK) == 0;
}

static bool has_firmware(void) {
        return access("/sys/firmware/efi/efivars", F_OK) == 0;
}

static bool is_program(const char *name) {
        static const char *const directories[] = { "/usr/sbin", "/usr/bin", "/sbin", "/bin" };
        char path[PATH_MAX];

        FOREACH_ELEMENT (directory, directories) {
                (void)snprintf(path, sizeof(path), "%s/%s", *directory, name);
                if (access(path, X_OK) == 0)
                        return true;
        }
        return false;
}

size_t layout_missing(char text[static LAYOUT_MISSING_SIZE]) {
        const struct {
                const char *program, *what;
                bool needed;
        } tools[] = {
                { "sfdisk", "partition tables; package fdisk", each_disk(has_partitions, NULL) },
                { "vgcfgbackup", "volume groups; package lvm2", each_disk(is_logical_volume, NULL) },
                { "mdadm", "RAIDs; package mdadm", each_disk(is_raid, NULL) },
                { "efibootmgr", "boot entries; package efibootmgr", has_firmware() },
                { "lsblk", "devices; package util-linux", true },
                { "blkid", "file systems; package util-linux", true },
        };
        size_t n = 0, length = 0;

        text[0] = '\0';
        FOREACH_ELEMENT (tool, tools) {
                if (!tool->needed || is_program(tool->program))
                        continue;
                if (length < LAYOUT_MISSING_SIZE)
                        length += (size_t)snprintf(text + length, LAYOUT_MISSING_SIZE - length, "%s%s (%s)",
                                                   n > 0 ? ", " : "", tool->program, tool->what);
                n++;
        }
        return n;
}

/* ---- writing */

static void note_done(Layout *layout, const char *name) {
        (void)fprintf(layout->manifest, "%s done\n", name);
}

static void _printf_(3, 4) note_failed(Layout *layout, const char *name, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)fprintf(layout->manifest, "%s ", name);
        (void)vfprintf(layout->manifest, format, args);
        (void)fputc('\n', layout->manifest);
        va_end(args);
        (void)unlinkat(layout->dir, name, 0);
        layout->n_failed++;
}

static int create(const Layout *layout, const char *name) {
        int fd = openat(layout->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        return fd < 0 ? -errno : fd;
}

/* What the tool prints becomes the file; @name NULL: it writes its own. */
static void run_tool(Layout *layout, const char *name, const char *const *argv) {
        _cleanup_(closep) int fd = create(layout, name);
        uint64_t deadline = MIN(layout->deadline_usec, now_usec() + TOOL_USEC);
        char text[COMMAND_OUTPUT_MAX + 1];
        int r = fd < 0 ? fd : command_run(argv, fd, deadline, text);

        if (r == 0)
                note_done(layout, name);
        else if (r == -ENOENT)
                note_failed(layout, name, "missing %s", argv[0]);
        else if (r < 0)
                note_failed(layout, name, "failed %s: %s", argv[0],
                            r == -ETIMEDOUT ? "it did not end in time" : strerror(-r));
        else
                note_failed(layout, name, "failed %s ended with status %d%s%s", argv[0], r,
                            text[0] ? ": " : "", text);
}

static bool dump_partitions(const char *name, void *userdata) {
        Layout *layout = userdata;
        char device[NAME_MAX + 8], file[NAME_MAX + 16];
        const char *const argv[] = { "sfdisk", "--dump", device, NULL };

        if (!has_partitions(name, NULL))
                return false;
        /* "cciss!c0d0" is a device in a directory. */
        (void)snprintf(device, sizeof(device), "/dev/%s", name);
        for (char *c = device; *c; c++)
                *c = *c == '!' ? '/' : *c;
        (void)snprintf(file, sizeof(file), "%s.sfdisk", name);
        run_tool(layout, file, argv);
        return false;
}

/* It writes a file for each group. */
static void dump_groups(Layout *layout, const char *directory) {
        char pattern[PATH_MAX + 16], text[COMMAND_OUTPUT_MAX + 1];
        const char *const argv[] = { "vgcfgbackup", "--quiet", "--file", pattern, NULL };
        int r;

        if (!each_disk(is_logical_volume, NULL))
                return;
        (void)snprintf(pattern, sizeof(pattern), "%s/%%s.vgcfg", directory);
        r = command_run(argv, -1, MIN(layout->deadline_usec, now_usec() + TOOL_USEC), text);
        if (r == 0)
                note_done(layout, "*.vgcfg");
        else if (r == -ENOENT)
                note_failed(layout, "*.vgcfg", "missing vgcfgbackup");
        else
                note_failed(layout, "*.vgcfg", "failed vgcfgbackup: %s", r < 0 ? strerror(-r) : text);
}

static void copy_file(Layout *layout, const char *name, const char *path) {
        _cleanup_(closep) int from = open(path, O_RDONLY | O_CLOEXEC), to = -1;
        char buffer[8192];
        size_t total = 0;
        ssize_t n = -1;

        /* Not every machine has each of them. */
        if (from < 0)
                return;
        to = create(layout, name);
        while (to >= 0 && total < COPY_MAX && (n = read(from, buffer, sizeof(buffer))) > 0) {
                if (write(to, buffer, (size_t)n) != n) {
                        n = -1;
                        break;
                }
                total += (size_t)n;
        }
        if (to < 0 || n != 0)
                note_failed(layout, name, "failed %s cannot be copied: %s", path,
                            total >= COPY_MAX ? "it is too large" : strerror(errno));
        else
                note_done(layout, name);
}

static void write_all(Layout *layout, const char *directory) {
        static const char *const lsblk[] = { "lsblk", "--json", "--bytes", "--output-all", NULL };
        static const char *const blkid[] = { "blkid", "-o", "export", NULL };
        static const char *const mdadm[] = { "mdadm", "--detail", "--scan", NULL };
        static const char *const boot_entries[] = { "efibootmgr", "--verbose", NULL };
        static const struct {
                const char *name, *path;
        } copies[] = {
                { "mountinfo", "/proc/self/mountinfo" }, { "swaps", "/proc/swaps" },
                { "cmdline", "/proc/cmdline" },          { "fstab", "/etc/fstab" },
                { "os-release", "/etc/os-release" },
        };

        FOREACH_ELEMENT (copy, copies)
                copy_file(layout, copy->name, copy->path);
        (void)each_disk(dump_partitions, layout);
        dump_groups(layout, directory);
        if (each_disk(is_raid, NULL))
                run_tool(layout, "mdadm.conf", mdadm);
        if (has_firmware())
                run_tool(layout, "efibootmgr", boot_entries);
        run_tool(layout, "lsblk.json", lsblk);
        run_tool(layout, "blkid", blkid);
}

/* ---- the directory */

static void remove_tree(const char *path) {
        _cleanup_(closedirp) DIR *dir = opendir(path);
        struct dirent *entry;

        /* There are only files in it: it is ours. */
        while (dir && (entry = readdir(dir)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        (void)unlinkat(dirfd(dir), entry->d_name, 0);
        (void)rmdir(path);
}

static int make_parent(const char *directory) {
        char parent[PATH_MAX], *slash;

        (void)snprintf(parent, sizeof(parent), "%s", directory);
        slash = strrchr(parent, '/');
        *slash = '\0';
        return mkdir(parent, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* The new one takes the place of the old one as a whole. */
static int replace(const char *fresh, const char *directory) {
        if (renameat2(AT_FDCWD, fresh, AT_FDCWD, directory, RENAME_EXCHANGE) == 0) {
                remove_tree(fresh);
                return 0;
        }
        return rename(fresh, directory) < 0 ? -errno : 0;
}

int layout_write(const char *directory, uint64_t deadline_usec) {
        Layout layout = { .dir = -1, .deadline_usec = deadline_usec };
        char fresh[PATH_MAX];
        int r, fd;

        if (snprintf(fresh, sizeof(fresh), "%s.new", directory) >= (int)sizeof(fresh))
                return -ENAMETOOLONG;
        r = make_parent(directory);
        if (r < 0)
                return r;
        remove_tree(fresh);
        if (mkdir(fresh, 0700) < 0)
                return -errno;
        layout.dir = open(fresh, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        fd = layout.dir < 0 ? -errno : create(&layout, "manifest");
        layout.manifest = fd < 0 ? NULL : fdopen(fd, "we");
        r = fd < 0 ? fd : layout.manifest ? 0 : -ENOMEM;
        if (r >= 0) {
                write_all(&layout, fresh);
                if (fclose(layout.manifest) != 0)
                        r = -errno;
        }
        closep(&layout.dir);
        if (r >= 0)
                r = replace(fresh, directory);
        if (r < 0) {
                remove_tree(fresh);
                return r;
        }
        return layout.n_failed;
}
