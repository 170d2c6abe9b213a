/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The parts of the system state; see parts.h
 *
 * A name that a backup must find is looked for first; the others are patterns, which need not match.
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "util/macro.h"
#include "writers/system/parts.h"

#define MSDOS_MAGIC 0x4d44

const PartInfo part_infos[PARTS] = {
        [PART_CONFIGURATION] = { "configuration", "the settings of the machine (/etc)", true },
        [PART_ACCOUNTS] = { "accounts", "users and groups", true },
        [PART_PACKAGES] = { "packages", "the database of installed packages", true },
        [PART_CRONTABS] = { "crontabs", "what cron and at are to do", true },
        [PART_BOOT] = { "boot", "kernels and the boot loader (/boot)", true },
        [PART_FIRMWARE] = { "firmware", "the EFI system partition", true },
        [PART_LAYOUT] = { "layout", "partitions, logical volumes and mounts, as they are written down",
                          true },
        [PART_JOURNAL] = { "journal", "the logs of journald", false },
};

static bool is_there(const char *root, const char *path, mode_t type) {
        char full[PATH_MAX];
        struct stat st;

        return snprintf(full, sizeof(full), "%s%s", root, path) < (int)sizeof(full) &&
               lstat(full, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static void add(PartFiles *part, const char *path, const char *filespec, bool recursive) {
        PartSet *set = &part->sets[part->n];

        if (part->n == PART_SETS_MAX)
                return;
        (void)snprintf(set->path, sizeof(set->path), "%s", path);
        (void)snprintf(set->filespec, sizeof(set->filespec), "%s", filespec);
        set->recursive = recursive;
        part->n++;
}

static void add_tree(const char *root, PartFiles *part, const char *path) {
        if (is_there(root, path, S_IFDIR))
                add(part, path, "*", true);
}

static void add_file(const char *root, PartFiles *part, const char *directory, const char *name) {
        char path[PART_PATH_SIZE];

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        if (is_there(root, path, S_IFREG))
                add(part, directory, name, false);
}

/* With the copies that the tools leave beside them. */
static void find_accounts(const char *root, PartFiles *part) {
        static const char *const names[] = { "passwd", "shadow", "group", "gshadow", "subuid", "subgid" };
        char old[16];

        FOREACH_ELEMENT (name, names) {
                add_file(root, part, "/etc", *name);
                (void)snprintf(old, sizeof(old), "%s-", *name);
                add_file(root, part, "/etc", old);
        }
}

static void find_packages(const char *root, Parts *parts) {
        static const char *const rpm[] = { "/usr/lib/sysimage/rpm", "/var/lib/rpm" };
        PartFiles *part = &parts->parts[PART_PACKAGES];

        if (is_there(root, "/var/lib/dpkg/status", S_IFREG)) {
                parts->packages = PACKAGES_DPKG;
                (void)snprintf(parts->database, sizeof(parts->database), "/var/lib/dpkg");
                add(part, parts->database, "*", true);
                add_file(root, part, "/var/lib/apt", "extended_states");
                return;
        }
        FOREACH_ELEMENT (path, rpm)
                if (is_there(root, *path, S_IFDIR)) {
                        parts->packages = PACKAGES_RPM;
                        (void)snprintf(parts->database, sizeof(parts->database), "%s", *path);
                        add(part, *path, "*", true);
                        add_tree(root, part, "/var/lib/dnf");
                        return;
                }
}

static void find_crontabs(const char *root, PartFiles *part) {
        static const char *const trees[] = { "/etc/cron.d",      "/etc/cron.hourly",  "/etc/cron.daily",
                                             "/etc/cron.weekly", "/etc/cron.monthly", "/etc/cron.yearly",
                                             "/var/spool/cron",  "/var/spool/anacron" };

        add_file(root, part, "/etc", "crontab");
        add_file(root, part, "/etc", "anacrontab");
        FOREACH_ELEMENT (tree, trees)
                add_tree(root, part, *tree);
}

static bool is_fat(const char *root, const char *path) {
        char full[PATH_MAX];
        struct statfs fs;

        return snprintf(full, sizeof(full), "%s%s", root, path) < (int)sizeof(full) &&
               statfs(full, &fs) == 0 && fs.f_type == MSDOS_MAGIC;
}

/* A file system of its own is a volume of its own, and no provider may take it: so it is a part of its own.
 */
static void find_boot(const char *root, Parts *parts) {
        static const char *const firmware[] = { "/boot/efi", "/efi" };

        add_tree(root, &parts->parts[is_fat(root, "/boot") ? PART_FIRMWARE : PART_BOOT], "/boot");
        FOREACH_ELEMENT (path, firmware)
                if (is_fat(root, *path))
                        add(&parts->parts[PART_FIRMWARE], *path, "*", true);
}

void parts_find(const char *root, Parts *ret_parts) {
        *ret_parts = (Parts){ .packages = PACKAGES_NONE };
        add_tree(root, &ret_parts->parts[PART_CONFIGURATION], "/etc");
        find_accounts(root, &ret_parts->parts[PART_ACCOUNTS]);
        find_packages(root, ret_parts);
        find_crontabs(root, &ret_parts->parts[PART_CRONTABS]);
        find_boot(root, ret_parts);
        add(&ret_parts->parts[PART_LAYOUT], LAYOUT_DIRECTORY, "*", true);
        add_tree(root, &ret_parts->parts[PART_JOURNAL], "/var/log/journal");
}
