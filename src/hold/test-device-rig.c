/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes on device-mapper devices for the hold's tests
 */

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "hold/mapper.h"
#include "hold/test-device-rig.h"
#include "util/clock.h"
#include "util/macro.h"

#define WORDS_MAX 12u
#define STORE_SIZE (32 << 20)
#define CHUNK_SECTORS 32

static int control = -1;

int dmsetup(const char *word, ...) {
        char *argv[WORDS_MAX + 2] = { (char *)"dmsetup", (char *)word };
        size_t n = 2;
        va_list words;

        va_start(words, word);
        while (n <= WORDS_MAX && (argv[n] = va_arg(words, char *)))
                n++;
        va_end(words);
        argv[n] = NULL;
        (void)fflush(stdout);
        return program_run(argv, false);
}

int devices_begin(const char *program, const char **ret_reason) {
        int r = rig_begin(program, ret_reason);

        if (r < 0)
                return r;
        /* The nodes are libdevmapper's to make, and there is nobody to wait for. */
        (void)setenv("DM_DISABLE_UDEV", "1", 1);
        *ret_reason = "needs device-mapper in the kernel";
        control = mapper_open();
        if (control < 0)
                return control;
        *ret_reason = "needs dmsetup";
        return dmsetup("version", NULL) == 0 ? 0 : -ENOENT;
}

void devices_end(void) {
        emergency_end();
        for (unsigned i = N_VOLUMES; i-- > VOLUME_DEVICES;) {
                Volume *volume = volumes + i;

                if (!volume->mapper[0])
                        continue;
                if (volume->dir >= 0)
                        (void)close(TAKE_FD(volume->dir));
                if (volume->point[0] && umount2(volume->point, 0) < 0)
                        printf("# %s: umount: %m\n", volume->point);
                if (dmsetup("remove", volume->mapper, NULL) != 0)
                        printf("# %s is left\n", volume->mapper);
                volume->point[0] = volume->mapper[0] = '\0';
        }
        closep(&control);
        rig_close();
}

static void table_print(const Volume *volume, const char *target, unsigned msec, char *table, size_t size) {
        unsigned long long sectors = volume->sectors;

        if (strcmp(target, "delay") == 0)
                (void)snprintf(table, size, "0 %llu delay %s 0 0 %s 0 %u", sectors, volume->disk,
                               volume->disk, msec);
        else if (strcmp(target, "linear") == 0)
                (void)snprintf(table, size, "0 %llu linear %s 0", sectors, volume->disk);
        else
                (void)snprintf(table, size, "0 %llu %s %s", sectors, target, volume->disk);
}

int device_number(const char *name, dev_t *ret_device) {
        struct dm_ioctl call = { .version = { DM_VERSION_MAJOR },
                                 .data_size = sizeof(call),
                                 .data_start = sizeof(call) };

        (void)snprintf(call.name, sizeof(call.name), "%s", name);
        if (ioctl(control, DM_DEV_STATUS, &call) < 0)
                return -errno;
        *ret_device = call.dev;
        return 0;
}

Volume *device_make(unsigned i, const char *dir, off_t size, const char *type, const char *target,
                    unsigned msec) {
        static char names[N_VOLUMES][16];
        Volume *volume = volumes + VOLUME_DEVICES + i;
        char table[2 * PATH_MAX + 64], path[64];
        int r;

        (void)snprintf(names[i], sizeof(names[i]), "device%u", i);
        volume->name = names[i];
        r = volume_format(volume, dir, size, type);
        if (r < 0) {
                printf("# %s: %s\n", volume->name, strerror(-r));
                return NULL;
        }
        table_print(volume, target, msec, table, sizeof(table));
        (void)snprintf(path, sizeof(path), "test-hold-%d-%u", getpid(), i);
        if (dmsetup("create", path, "--table", table, NULL) != 0)
                return NULL;
        memcpy(volume->mapper, path, sizeof(volume->mapper));
        (void)snprintf(path, sizeof(path), "/dev/mapper/%s", volume->mapper);
        r = volume_mount(volume, path, type);
        if (r < 0) {
                printf("# mount %s: %s\n", volume->name, strerror(-r));
                return NULL;
        }
        return volume;
}

int device_load_same(const Volume *volume) {
        char table[2 * PATH_MAX + 64];

        table_print(volume, "linear", 0, table, sizeof(table));
        return dmsetup("load", volume->mapper, "--table", table, NULL);
}

bool device_suspended(const Volume *volume) {
        MapperState state;

        return mapper_state(control, volume->device, &state) < 0 || state.suspended;
}

bool device_has_inactive(const Volume *volume) {
        MapperState state;

        return mapper_state(control, volume->device, &state) < 0 || state.inactive;
}

int copy_prepare(Copy *copy, Volume *volume, unsigned i) {
        static char names[COPIES_MAX][16];
        char table[2 * PATH_MAX + 64];
        int r;

        *copy = (Copy){ .volume = volume, .store = { .loop = -1, .dir = -1 } };
        (void)snprintf(names[i], sizeof(names[i]), "store%u", i);
        copy->store.name = names[i];
        r = volume_attach(&copy->store, rig_path("."), STORE_SIZE);
        if (r < 0)
                return r;
        /* The attached device lives on without its name. */
        (void)unlink(copy->store.image);
        (void)snprintf(copy->name, sizeof(copy->name), "test-hold-%d-copy%u", getpid(), i);
        if (dmsetup("create", copy->name, "--notable", NULL) != 0 ||
            device_number(copy->name, &copy->device) < 0)
                return -EIO;
        (void)snprintf(table, sizeof(table), "0 %llu snapshot %s %s N %d",
                       (unsigned long long)volume->sectors, volume->disk, copy->store.disk, CHUNK_SECTORS);
        if (dmsetup("load", copy->name, "--readonly", "--table", table, NULL) != 0)
                return -EIO;
        table_print(volume, "snapshot-origin", 0, table, sizeof(table));
        return dmsetup("load", volume->mapper, "--table", table, NULL) == 0 ? 0 : -EIO;
}

int copy_open(Copy *copy) {
        char path[64];

        /* A device that was resumed by its number has no node yet. */
        (void)dmsetup("mknodes", copy->name, NULL);
        (void)snprintf(path, sizeof(path), "/dev/mapper/%s", copy->name);
        (void)snprintf(copy->point, sizeof(copy->point), "%s", rig_path(copy->store.name));
        if (mount(path, copy->point, "ext4", MS_RDONLY, NULL) < 0 &&
            mount(path, copy->point, "xfs", MS_RDONLY, "nouuid,norecovery") < 0) {
                int r = -errno;

                copy->point[0] = '\0';
                return r;
        }
        return 0;
}

void copy_drop(Copy *copy) {
        if (copy->point[0]) {
                (void)umount2(copy->point, 0);
                (void)rmdir(copy->point);
        }
        if (copy->volume && (device_load_same(copy->volume) != 0 ||
                             dmsetup("suspend", "--nolockfs", copy->volume->mapper, NULL) != 0 ||
                             dmsetup("resume", copy->volume->mapper, NULL) != 0))
                printf("# %s: its table is not the old one\n", copy->volume->name);
        if (copy->name[0] && dmsetup("remove", copy->name, NULL) != 0)
                printf("# %s is left\n", copy->name);
        closep(&copy->store.loop);
        *copy = (Copy){ .store = { .loop = -1, .dir = -1 } };
}

void session_add_copy(Session *session, const Copy *copy, uint32_t target, uint32_t rank) {
        session_add_device(session, copy->volume, rank);
        session_operation(session, target, HOLD_OP_RESUME, copy->device, "");
}
