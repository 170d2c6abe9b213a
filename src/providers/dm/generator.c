/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * linuxvss-generator: what systemd is told, early in each boot, of volumes that are to be attached
 *
 *   linuxvss-generator NORMAL-DIR [EARLY-DIR LATE-DIR]
 *
 * See systemd.generator(7). One volume that is wrong costs the others nothing.
 */

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "providers/dm/units.h"
#include "util/macro.h"

static int link_unit(const char *dir, const char *wanting, const char *kind, const char *unit) {
        char parent[PATH_MAX], path[PATH_MAX], target[UNIT_NAME_SIZE + 8];

        if (snprintf(parent, sizeof(parent), "%s/%s.%s", dir, wanting, kind) >= (int)sizeof(parent) ||
            snprintf(path, sizeof(path), "%s/%s.%s/%s", dir, wanting, kind, unit) >= (int)sizeof(path))
                return -ENAMETOOLONG;
        (void)snprintf(target, sizeof(target), "../%s", unit);
        if (mkdir(parent, 0755) < 0 && errno != EEXIST)
                return -errno;
        return symlink(target, path) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_unit(const char *dir, const char *unit, const Attached *attached, const UnitMounts *mounts,
                      void (*print)(FILE *file, const Attached *attached, const UnitMounts *mounts)) {
        _cleanup_(fclosep) FILE *file = NULL;
        char path[PATH_MAX];

        if (snprintf(path, sizeof(path), "%s/%s", dir, unit) >= (int)sizeof(path))
                return -ENAMETOOLONG;
        file = fopen(path, "wxe");
        if (!file)
                return -errno;
        print(file, attached, mounts);
        return fflush(file) == EOF || ferror(file) ? -EIO : 0;
}

static int volume_generate(const char *dir, const Attached *attached, const UnitMounts *mounts) {
        char unit[UNIT_NAME_SIZE], device[UNIT_NAME_SIZE], name[UNIT_NAME_SIZE / 2], path[DEVMAP_PATH_SIZE];
        char escaped[UNIT_NAME_SIZE];
        int r;

        r = unit_escape(attached->name, false, escaped);
        if (r < 0)
                return r;
        (void)snprintf(name, sizeof(name), "%.*s", (int)sizeof(name) - 1, escaped);
        (void)snprintf(unit, sizeof(unit), "linuxvss-attach@%s.service", name);
        r = write_unit(dir, unit, attached, mounts, unit_print_attach);
        if (r < 0)
                return r;
        /* Whoever waits for the device has it made; and it is made if nobody does. */
        devmap_path(attached->name, path);
        r = unit_escape(path, true, escaped);
        if (r < 0)
                return r;
        (void)snprintf(device, sizeof(device), "%.*s.device", (int)sizeof(device) - 8, escaped);
        r = link_unit(dir, device, "requires", unit);
        if (r >= 0)
                r = link_unit(dir, "local-fs.target", "wants", unit);
        if (r < 0 || mounts->n == 0)
                return r;
        (void)snprintf(unit, sizeof(unit), "linuxvss-mounted@%s.service", name);
        r = write_unit(dir, unit, attached, mounts, unit_print_mounted);
        for (size_t i = 0; r >= 0 && i < mounts->n; i++)
                r = link_unit(dir, mounts->items[i], "wants", unit);
        return r;
}

int main(int argc, char *argv[]) {
        static AttachedList list;
        static UnitMounts mounts;
        int r, status = 0;

        if (argc != 2 && argc != 4) {
                fprintf(stderr, "usage: linuxvss-generator NORMAL-DIR [EARLY-DIR LATE-DIR]\n");
                return 2;
        }
        (void)umask(0022);
        r = attached_list(&list);
        if (r < 0) {
                fprintf(stderr, "linuxvss-generator: %s: %s; no volume is attached\n", ATTACHED_DIR,
                        strerror(-r));
                return 1;
        }
        for (size_t i = 0; i < list.n; i++) {
                _cleanup_(fclosep) FILE *fstab = fopen("/etc/fstab", "re");

                mounts.n = 0;
                r = fstab             ? unit_mounts_read(fstab, list.items[i].name, &mounts)
                    : errno == ENOENT ? 0
                                      : -errno;
                if (r < 0)
                        fprintf(stderr,
                                "linuxvss-generator: /etc/fstab: %s; mounts of %s are not recorded\n",
                                strerror(-r), list.items[i].name);
                r = volume_generate(argv[1], &list.items[i], &mounts);
                if (r < 0) {
                        fprintf(stderr, "linuxvss-generator: %s: %s; the volume is not attached\n",
                                list.items[i].name, strerror(-r));
                        status = 1;
                }
        }
        return status;
}
