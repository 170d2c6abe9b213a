/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-dm-boot: volumes that are attached at boot, without a bus and before anything is mounted
 *
 *   vss-dm-boot attach NAME   makes /dev/mapper/NAME, with the persistent copies that may be believed
 *   vss-dm-boot record NAME   it has been mounted, or unmounted: records that, and clears lost copies away
 *   vss-dm-boot detach NAME   it has been unmounted: records that, and removes its devices
 *
 * systemd starts it for what is in /etc/linuxvss/attached.d, by units of linuxvss-generator; so may any
 * other init.
 */

#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "providers/dm/attached.h"
#include "providers/dm/boot.h"
#include "providers/dm/lock.h"
#include "util/macro.h"

static int attach(const char *name, BootReport *report) {
        char path[DEVMAP_PATH_SIZE];
        Attached attached;
        ConfError error;
        Device device;
        int r;

        r = attached_read(name, &error, &attached);
        if (r < 0) {
                fprintf(stderr, "%s/%s.conf:%u: %s\n", ATTACHED_DIR, name, error.line,
                        error.message[0] ? error.message : strerror(-r));
                return r;
        }
        r = attached_find(attached.source, path);
        if (r >= 0)
                r = device_open(path, &device);
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", attached.source,
                        r == -ENOENT ? "there is no such device; the volume is not attached"
                        : r == -ENOTUNIQ
                                ? "several devices bear this UUID: name the right one by its path in Device="
                                : strerror(-r));
                return r;
        }
        return boot_attach(&device, name, report);
}

static int other(const char *verb, const char *name, BootReport *report) {
        Volume volume;
        int r;

        r = volume_find(name, &volume);
        if (r >= 0 && volume.table == VOLUME_FOREIGN)
                r = -ESTALE;
        if (r < 0) {
                /* To be taken away, it need not be there. */
                if (r == -ENOENT && strcmp(verb, "detach") == 0)
                        return 0;
                fprintf(stderr, "%s: %s\n", name,
                        r == -ENOENT   ? "it is not attached"
                        : r == -ESTALE ? "its table is not ours; nothing of it can be said"
                                       : strerror(-r));
                return r;
        }
        return strcmp(verb, "record") == 0 ? boot_record(&volume, report) : boot_detach(&volume, report);
}

int main(int argc, char *argv[]) {
        static BootReport report;
        _cleanup_(closep) int lock = -1;
        int r;

        if (argc != 3 || (strcmp(argv[1], "attach") != 0 && strcmp(argv[1], "record") != 0 &&
                          strcmp(argv[1], "detach") != 0)) {
                fprintf(stderr, "usage: vss-dm-boot attach|record|detach NAME\n");
                return 2;
        }
        (void)umask(0022);
        lock = lock_take(LOCK_ATTACH_USEC);
        if (lock < 0)
                fprintf(stderr, "%s: others attach or detach, too, and are not waited for any longer: %s\n",
                        argv[2], strerror(-lock));
        r = strcmp(argv[1], "attach") == 0 ? attach(argv[2], &report) : other(argv[1], argv[2], &report);
        for (size_t i = 0; i < report.n; i++)
                if (report.notes[i].reason[0])
                        fprintf(stderr, "%s: shadow copy %s is lost: %s\n", argv[2], report.notes[i].id,
                                report.notes[i].reason);
                else
                        printf("%s: shadow copy %s stands\n", argv[2], report.notes[i].id);
        if (r < 0 && report.message[0])
                fprintf(stderr, "%s\n", report.message);
        return r < 0 ? 1 : 0;
}
