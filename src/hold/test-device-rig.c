/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes on device-mapper devices for the hold's tests
 */

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "hold/mapper.h"
#include "hold/test-device-rig.h"
#include "util/clock.h"
#include "util/macro.h"

#define TABLE_SIZE (2 * PATH_MAX + 64)
#define STORE_SIZE (32 << 20)
#define CHUNK_SECTORS 32

static int control = -1;

/* A node of our own, since nobody may be there to make one. */
static const char *node_path(const char *name) {
        static char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", rig_path("nodes"), name);
        return path;
}

/* One call; @table, if there is one, is "0 SECTORS TYPE PARAMETERS". Return: 0 or -errno. */
static int dm_call(unsigned long request, const char *name, uint32_t flags, const char *table,
                   dev_t *ret_device) {
        struct {
                struct dm_ioctl call;
                struct dm_target_spec target;
                char parameters[TABLE_SIZE];
        } call = { .call = { .version = { DM_VERSION_MAJOR },
                             .data_size = sizeof(call),
                             .data_start = sizeof(call.call),
                             .flags = flags } };
        unsigned long long sectors;
        int n = 0;

        (void)snprintf(call.call.name, sizeof(call.call.name), "%s", name);
        if (table) {
                if (sscanf(table, "0 %llu %15s %n", &sectors, call.target.target_type, &n) != 2)
                        return -EINVAL;
                call.call.target_count = 1;
                call.target.length = sectors;
                (void)snprintf(call.parameters, sizeof(call.parameters), "%s", table + n);
        }
        if (ioctl(control, request, &call) < 0) {
                int r = -errno;

                /* Whether there is one may be the question. */
                if (r != -ENXIO)
                        printf("# device-mapper, %s: %s\n", name, strerror(-r));
                return r;
        }
        if (ret_device)
                *ret_device = call.call.dev;
        return 0;
}

int device_number(const char *name, dev_t *ret_device) {
        return dm_call(DM_DEV_STATUS, name, 0, NULL, ret_device);
}

int dm_load(const char *name, const char *table, bool readonly) {
        return dm_call(DM_TABLE_LOAD, name, readonly ? DM_READONLY_FLAG : 0, table, NULL);
}

int dm_suspend(const char *name, bool freeze) {
        return dm_call(DM_DEV_SUSPEND, name, DM_SUSPEND_FLAG | (freeze ? 0 : DM_SKIP_LOCKFS_FLAG), NULL,
                       NULL);
}

int dm_resume(const char *name) {
        return dm_call(DM_DEV_SUSPEND, name, 0, NULL, NULL);
}

int dm_clear(const char *name) {
        return dm_call(DM_TABLE_CLEAR, name, 0, NULL, NULL);
}

int dm_create(const char *name, const char *table) {
        dev_t device;
        int r = dm_call(DM_DEV_CREATE, name, 0, NULL, NULL);

        if (r >= 0 && table)
                r = dm_load(name, table, false);
        if (r >= 0 && table)
                r = dm_resume(name);
        if (r >= 0)
                r = device_number(name, &device);
        if (r >= 0 && mknod(node_path(name), S_IFBLK | 0600, device) < 0)
                r = -errno;
        return r;
}

int dm_remove(const char *name) {
        (void)unlink(node_path(name));
        return dm_call(DM_DEV_REMOVE, name, 0, NULL, NULL);
}

bool cut_send(Session *session, uint64_t limit, bool sync) {
        session_send(session, HOLD_ARM, limit);
        if (!session_wait(session, HOLD_READY, 5000))
                return false;
        for (unsigned i = VOLUME_DEVICES; sync && i < N_VOLUMES; i++)
                if (volumes[i].dir >= 0)
                        (void)syncfs(volumes[i].dir);
        session_send(session, HOLD_FREEZE, 0);
        if (!session_wait(session, HOLD_HELD, 3000))
                return false;
        session_send(session, HOLD_CUT, 0);
        return true;
}

int devices_begin(const char *program, const char **ret_reason) {
        int r = rig_begin(program, ret_reason);

        if (r < 0)
                return r;
        *ret_reason = "needs device-mapper in the kernel";
        control = mapper_open();
        return control < 0 ? control : 0;
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
                if (dm_remove(volume->mapper) < 0)
                        printf("# %s is left\n", volume->mapper);
                /* Its image may lie on one that comes later. */
                closep(&volume->loop);
                volume->loop = -1;
                volume->point[0] = volume->mapper[0] = '\0';
        }
        closep(&control);
        rig_close();
}

static void table_print(const Volume *volume, const char *target, char *table, size_t size) {
        unsigned long long sectors = volume->sectors;

        if (strcmp(target, "linear") == 0)
                (void)snprintf(table, size, "0 %llu linear %s 0", sectors, volume->disk);
        else
                (void)snprintf(table, size, "0 %llu %s %s", sectors, target, volume->disk);
}

Volume *device_make(unsigned i, const char *dir, off_t size, const char *type) {
        static char names[N_VOLUMES][16];
        Volume *volume = volumes + VOLUME_DEVICES + i;
        char table[TABLE_SIZE], path[64];
        int r;

        (void)snprintf(names[i], sizeof(names[i]), "device%u", i);
        volume->name = names[i];
        r = volume_format(volume, dir, size, type);
        if (r < 0) {
                printf("# %s: %s\n", volume->name, strerror(-r));
                return NULL;
        }
        table_print(volume, "linear", table, sizeof(table));
        (void)snprintf(path, sizeof(path), "test-hold-%d-%u", getpid(), i);
        if (dm_create(path, table) < 0)
                return NULL;
        memcpy(volume->mapper, path, sizeof(volume->mapper));
        r = volume_mount(volume, node_path(volume->mapper), type);
        if (r < 0) {
                printf("# mount %s: %s\n", volume->name, strerror(-r));
                return NULL;
        }
        return volume;
}

static int table_swap(const Volume *volume, const char *table) {
        if (dm_load(volume->mapper, table, false) < 0 || dm_suspend(volume->mapper, false) < 0)
                return -EIO;
        return dm_resume(volume->mapper);
}

int device_slow(const Volume *volume, unsigned msec) {
        char name[64], table[TABLE_SIZE];

        (void)snprintf(name, sizeof(name), "%s-slow", volume->mapper);
        (void)snprintf(table, sizeof(table), "0 %llu delay %s 0 0 %s 0 %u",
                       (unsigned long long)volume->sectors, volume->disk, volume->disk, msec);
        if (dm_create(name, table) < 0)
                return -EIO;
        (void)snprintf(table, sizeof(table), "0 %llu linear %s 0", (unsigned long long)volume->sectors,
                       node_path(name));
        return table_swap(volume, table);
}

int device_fast(const Volume *volume) {
        char name[64], table[PATH_MAX + 64];
        dev_t device;
        int r;

        (void)snprintf(name, sizeof(name), "%s-slow", volume->mapper);
        table_print(volume, "linear", table, sizeof(table));
        r = table_swap(volume, table);
        if (device_number(name, &device) >= 0 && dm_remove(name) < 0)
                printf("# %s is left\n", name);
        return r;
}

int device_load_same(const Volume *volume) {
        char table[TABLE_SIZE];

        table_print(volume, "linear", table, sizeof(table));
        return dm_load(volume->mapper, table, false);
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
        char table[TABLE_SIZE];
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
        if (dm_create(copy->name, NULL) < 0 || device_number(copy->name, &copy->device) < 0)
                return -EIO;
        (void)snprintf(table, sizeof(table), "0 %llu snapshot %s %s N %d",
                       (unsigned long long)volume->sectors, volume->disk, copy->store.disk, CHUNK_SECTORS);
        if (dm_load(copy->name, table, true) < 0)
                return -EIO;
        table_print(volume, "snapshot-origin", table, sizeof(table));
        return dm_load(volume->mapper, table, false);
}

int copy_open(Copy *copy) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s", node_path(copy->name));
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
        if (copy->volume && device_fast(copy->volume) < 0)
                printf("# %s: its table is not the old one\n", copy->volume->name);
        if (copy->name[0] && dm_remove(copy->name) < 0)
                printf("# %s is left\n", copy->name);
        closep(&copy->store.loop);
        *copy = (Copy){ .store = { .loop = -1, .dir = -1 } };
}

void session_add_copy(Session *session, const Copy *copy, uint32_t target, uint32_t rank) {
        session_add_device(session, copy->volume, rank);
        session_operation(session, target, HOLD_OP_RESUME, copy->device, "");
}
