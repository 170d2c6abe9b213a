/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of device-mapper devices, on a disk of their own
 */

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "providers/common/devmap.h"
#include "providers/common/test-disk.h"
#include "util/test.h"

#define ROOT "/mnt"
#define NAME "vss-test-devmap"
#define UUID "LINUXVSS-test-devmap"
#define SECTORS 32768u

static const char *const no_mkfs[] = { "true", NULL };

/* The device's number as tables have it. */
static void number_of(const TestDisk *disk, char text[static 32]) {
        struct stat st = { 0 };

        (void)fstat(disk->loop, &st);
        (void)snprintf(text, 32, "%u:%u 0", major(st.st_rdev), minor(st.st_rdev));
}

static bool write_block(const char *path) {
        _cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
        static const char block[512] = "what a test wrote";

        return fd >= 0 && pwrite(fd, block, sizeof(block), 0) == sizeof(block) && fsync(fd) == 0;
}

static void test_life(const TestDisk *disk) {
        _cleanup_(freep) char *table = NULL, *status = NULL;
        char parameters[32], path[DEVMAP_PATH_SIZE];
        DevmapTarget target = { 0, SECTORS, "linear", parameters };
        DevmapInfo info, again;
        int fd;

        number_of(disk, parameters);
        devmap_path(NAME, path);
        expect_int("not there", devmap_info(NAME, &info), -ENXIO);
        expect_int("nor by its UUID", devmap_info_uuid(UUID, &info), -ENXIO);
        expect_int("remove what is not there", devmap_remove(NAME), -ENXIO);
        expect_int("create", devmap_create(NAME, UUID, DEVMAP_HIDDEN, &target, 1), 0);
        expect_int("create the name again", devmap_create(NAME, UUID "2", 0, &target, 1), -EEXIST);
        expect_int("create the UUID again", devmap_create(NAME "2", UUID, 0, &target, 1), -EEXIST);
        expect_int("info", devmap_info(NAME, &info), 0);
        expect_true("is live", info.live && !info.inactive && !info.suspended && !info.read_only);
        expect_str("its UUID", info.uuid, UUID);
        expect_int("by its number", devmap_info_device(info.device, &again), 0);
        expect_str("  its name", again.name, NAME);
        expect_int("by its UUID", devmap_info_uuid(UUID, &again), 0);
        expect_str("  its name", again.name, NAME);
        expect_true("can be written", write_block(path));
        expect_int("table", devmap_table(NAME, &table), 0);
        expect_true("is what was loaded", devmap_table_is(table, SECTORS, "linear", parameters));
        expect_int("status", devmap_status(NAME, &status), 0);
        expect_int("load", devmap_load(NAME, 0, &target, 1), 0);
        expect_int("info", devmap_info(NAME, &info), 0);
        expect_true("has an inactive table", info.inactive);
        expect_int("clear", devmap_clear(NAME), 0);
        expect_int("info", devmap_info(NAME, &info), 0);
        expect_true("has none", !info.inactive);
        expect_int("a message that linear knows not", devmap_message(NAME, 0, "hello"), -EINVAL);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        expect_int("remove what is open", devmap_remove(NAME), -EBUSY);
        closep(&fd);
        expect_int("remove", devmap_remove(NAME), 0);
        expect_true("its node is gone", access(path, F_OK) < 0);
}

static void test_without_table(const TestDisk *disk) {
        _cleanup_(freep) char *table = NULL;
        char parameters[32], path[DEVMAP_PATH_SIZE];
        DevmapTarget target = { 0, SECTORS, "linear", parameters };
        DevmapInfo info;

        number_of(disk, parameters);
        devmap_path(NAME, path);
        expect_int("create without a UUID", devmap_create(NAME, NULL, 0, &target, 1), 0);
        expect_int("remove it", devmap_remove(NAME), 0);
        expect_int("create without a table", devmap_create(NAME, UUID, 0, NULL, 0), 0);
        expect_int("table", devmap_table(NAME, &table), 0);
        expect_str("is empty", table, "");
        expect_int("load read-only", devmap_load(NAME, DEVMAP_READ_ONLY, &target, 1), 0);
        expect_int("info", devmap_info(NAME, &info), 0);
        expect_true("is not live", !info.live && info.inactive);
        expect_int("resume", devmap_resume(NAME, DEVMAP_READ_ONLY | DEVMAP_HIDDEN), 0);
        expect_int("a node, once more", devmap_make_node(NAME), 0);
        expect_int("info", devmap_info(NAME, &info), 0);
        expect_true("is live and read-only", info.live && info.read_only);
        expect_true("cannot be written", !write_block(path));
        expect_int("remove", devmap_remove(NAME), 0);
}

static void test_in_use(const TestDisk *disk) {
        char parameters[32];
        DevmapTarget target = { 0, SECTORS, "linear", parameters };
        DevmapInfo info;

        number_of(disk, parameters);
        expect_true("a file system on the disk", test_disk_mount(disk, "ext4", NULL, ROOT "/plain"));
        expect_int("what is mounted cannot be mapped", devmap_create(NAME, UUID, 0, &target, 1), -EBUSY);
        expect_int("nothing of it stays", devmap_info(NAME, &info), -ENXIO);
        expect_int("unmount", umount(ROOT "/plain"), 0);
}

static void test_list(const TestDisk *disk) {
        _cleanup_devmap_list_ DevmapList list = { 0 }, none = { 0 };
        char parameters[32], name[32], uuid[32];
        DevmapTarget target = { 0, 64, "linear", parameters };

        number_of(disk, parameters);
        for (unsigned i = 0; i < 5; i++) {
                (void)snprintf(name, sizeof(name), NAME "-%u", i);
                (void)snprintf(uuid, sizeof(uuid), UUID "-%s%u", i < 3 ? "a" : "b", i);
                expect_int(name, devmap_create(name, uuid, DEVMAP_HIDDEN, &target, 1), 0);
        }
        expect_int("list", devmap_list(UUID "-a", &list), 0);
        expect_int("those of the prefix", list.n, 3);
        expect_int("list", devmap_list("LINUXVSS-no-such-", &none), 0);
        expect_int("those of another", none.n, 0);
        for (unsigned i = 0; i < 5; i++) {
                (void)snprintf(name, sizeof(name), NAME "-%u", i);
                expect_int(name, devmap_remove(name), 0);
        }
}

int main(void) {
        static const char *const mkfs[] = { "mkfs.ext4", "-q", "-F", NULL };
        TestDisk disk, mounted;

        if (geteuid() != 0 || !devmap_is_there()) {
                printf("1..0 # SKIP device-mapper needs root, and a kernel that has it\n");
                return 0;
        }
        if (!test_disk_begin(ROOT)) {
                printf("1..0 # SKIP no mount namespace can be made here\n");
                return 0;
        }
        if (!test_disk_make(&disk, (size_t)SECTORS * DEVMAP_SECTOR, no_mkfs) ||
            !test_disk_make(&mounted, (size_t)SECTORS * DEVMAP_SECTOR, mkfs)) {
                expect_true("disks to work on", false);
                return test_end();
        }
        test_life(&disk);
        test_without_table(&disk);
        test_in_use(&mounted);
        test_list(&disk);
        test_disk_done(&disk);
        test_disk_done(&mounted);
        return test_end();
}
