/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * systemd's units for attached volumes
 */

#include <mntent.h>
#include <string.h>

#include "config.h"
#include "providers/dm/units.h"
#include "util/macro.h"

#define PROGRAM LINUXVSS_LIBEXECDIR "/vss-dm-boot"
#define FSTAB_LINES_MAX 4096u

int unit_escape(const char *text, bool path, char ret_name[static UNIT_NAME_SIZE]) {
        char name[UNIT_NAME_SIZE];
        size_t n = 0;

        if (path) {
                while (*text == '/')
                        text++;
                if (!*text) {
                        memcpy(ret_name, "-", 2);
                        return 0;
                }
        }
        for (; *text; text++) {
                if (n + 5 > sizeof(name))
                        return -ENAMETOOLONG;
                if (*text == '/' && path && (text[1] == '/' || !text[1]))
                        continue;
                if (*text == '/')
                        name[n++] = '-';
                else if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.",
                                *text) &&
                         (n > 0 || *text != '.'))
                        name[n++] = *text;
                else
                        n += (size_t)snprintf(name + n, sizeof(name) - n, "\\x%02x", (unsigned char)*text);
        }
        name[n] = '\0';
        memcpy(ret_name, name, n + 1);
        return 0;
}

static int escape_with(const char *path, const char *suffix, char ret_name[static UNIT_NAME_SIZE]) {
        char name[UNIT_NAME_SIZE];
        int r = unit_escape(path, true, name);

        if (r < 0)
                return r;
        if (strlen(name) + strlen(suffix) >= UNIT_NAME_SIZE / 2)
                return -ENAMETOOLONG;
        (void)snprintf(ret_name, UNIT_NAME_SIZE, "%.*s%s", (int)(UNIT_NAME_SIZE / 2), name, suffix);
        return 0;
}

int unit_device(const char *source, char ret_name[static UNIT_NAME_SIZE]) {
        char path[ATTACHED_SOURCE_SIZE + 32];

        if (strncmp(source, "UUID=", strlen("UUID=")) != 0)
                return escape_with(source, ".device", ret_name);
        (void)snprintf(path, sizeof(path), "/dev/disk/by-uuid/%s", source + strlen("UUID="));
        return escape_with(path, ".device", ret_name);
}

int unit_mounts_read(FILE *fstab, const char *name, UnitMounts *ret_mounts) {
        char device[DEVMAP_PATH_SIZE], buffer[8192];
        struct mntent entry;
        unsigned seen = 0;

        devmap_path(name, device);
        ret_mounts->n = 0;
        while (getmntent_r(fstab, &entry, buffer, sizeof(buffer)) && seen++ < FSTAB_LINES_MAX) {
                if (strcmp(entry.mnt_fsname, device) != 0 || entry.mnt_dir[0] != '/')
                        continue;
                if (ret_mounts->n >= UNIT_MOUNTS_MAX)
                        return -E2BIG;
                if (escape_with(entry.mnt_dir, ".mount", ret_mounts->items[ret_mounts->n]) < 0)
                        fprintf(stderr,
                                "fstab: %s: the path is too long for a unit; its mounts are not recorded\n",
                                entry.mnt_dir);
                else
                        ret_mounts->n++;
        }
        return 0;
}

static void print_list(FILE *file, const char *key, const UnitMounts *mounts) {
        for (size_t i = 0; i < mounts->n; i++)
                fprintf(file, "%s=%s\n", key, mounts->items[i]);
}

/* The names' characters are none that unit files give a meaning to. */
static void print_head(FILE *file, const char *what, const Attached *attached) {
        fprintf(file,
                "# Made by linuxvss-generator from %s/%s.conf\n"
                "[Unit]\n"
                "Description=%s %s\n"
                "Documentation=man:vss-dm-boot(8)\n"
                "SourcePath=%s/%s.conf\n"
                "DefaultDependencies=no\n"
                "Conflicts=umount.target\n"
                "Before=umount.target\n",
                ATTACHED_DIR, attached->name, what, attached->name, ATTACHED_DIR, attached->name);
}

void unit_print_attach(FILE *file, const Attached *attached, const UnitMounts *mounts) {
        char device[UNIT_NAME_SIZE], mapped[UNIT_NAME_SIZE], path[DEVMAP_PATH_SIZE];

        devmap_path(attached->name, path);
        if (unit_device(attached->source, device) < 0 || unit_escape(path, true, mapped) < 0)
                return;
        print_head(file, "Shadow copies of volume", attached);
        /* As for other devices that are made of devices: before fsck and mounts of it, and stopped after
         * them. */
        fprintf(file,
                "IgnoreOnIsolate=yes\n"
                "BindsTo=%s\n"
                "After=%s\n"
                "Wants=blockdev@%s.target\n"
                "Before=blockdev@%s.target\n",
                device, device, mapped, mapped);
        print_list(file, "Before", mounts);
        fprintf(file,
                "\n"
                "[Service]\n"
                "Type=oneshot\n"
                "RemainAfterExit=yes\n"
                "ExecStart=" PROGRAM " attach %s\n"
                "ExecStop=" PROGRAM " detach %s\n"
                "TimeoutSec=5min\n"
                "OOMScoreAdjust=-500\n",
                attached->name, attached->name);
}

void unit_print_mounted(FILE *file, const Attached *attached, const UnitMounts *mounts) {
        char name[UNIT_NAME_SIZE];

        if (unit_escape(attached->name, false, name) < 0)
                return;
        print_head(file, "Record mounts of volume", attached);
        fprintf(file, "Requires=linuxvss-attach@%s.service\nAfter=linuxvss-attach@%s.service\n", name, name);
        print_list(file, "After", mounts);
        fprintf(file,
                "\n"
                "[Service]\n"
                "Type=oneshot\n"
                "ExecStart=" PROGRAM " record %s\n"
                "TimeoutSec=5min\n",
                attached->name);
}
