/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Guards as providers use them, by the installed vss-hold: run in the rig, where the kernel has
 * device-mapper
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "providers/common/devmap.h"
#include "providers/common/guard.h"
#include "providers/common/test-disk.h"
#include "util/clock.h"
#include "util/test.h"

#define ROOT "/mnt"
#define VOLUME "vss-test-guard"
#define STORE "vss-test-guard-store"
#define COPY "vss-test-guard-copy"
#define SECTORS 65536u
#define LIMIT_USEC (8 * USEC_PER_SEC)
#define LATE_USEC (300 * USEC_PER_MSEC)
#define SWAPS 20u

static const char *const no_mkfs[] = { "true", NULL };
static dev_t volume, store;

static bool stands(dev_t device) {
        DevmapInfo info;

        return devmap_info_device(device, &info) < 0 || info.suspended;
}

static const char *first_what(const vss_value *list) {
        return vss_value_get_string(vss_value_at(list, 0), "what", "");
}

static int64_t first_usec(const vss_value *list) {
        return vss_value_get_integer(vss_value_at(list, 0), "usec", 0);
}

static void test_run(void) {
        static const char *const suspends[] = { "sh", "-c",
                                                "echo said; dmsetup suspend " VOLUME
                                                " && sleep 0.1 && dmsetup resume " VOLUME,
                                                NULL };
        static const char *const fails[] = { "false", NULL };
        static const char *const late[] = { "sh", "-c", "dmsetup suspend " VOLUME " && sleep 60", NULL };
        static const char *const missing[] = { "/nowhere/to/be/found", NULL };
        _cleanup_(closep) int output = memfd_create("output", MFD_CLOEXEC);
        _cleanup_value_ vss_value *list = vss_value_new_list();
        char said[16] = "";

        expect_int("a command that suspends", guard_run(suspends, &volume, 1, LIMIT_USEC, output, list), 0);
        expect_true("its output",
                    pread(output, said, sizeof(said) - 1, 0) == 5 && strcmp(said, "said\n") == 0);
        expect_int("what was suspended is told", (int64_t)vss_value_count(list), 1);
        expect_str("by its name", first_what(list), VOLUME);
        expect_str("and why", vss_value_get_string(vss_value_at(list, 0), "why", ""), "sh");
        expect_true("and for how long",
                    first_usec(list) >= 100000 && first_usec(list) < (int64_t)LIMIT_USEC);
        expect_int("a command that fails", guard_run(fails, &volume, 1, LIMIT_USEC, -1, NULL), 1);
        expect_int("one that is not there", guard_run(missing, &volume, 1, LIMIT_USEC, -1, NULL), 127);
        expect_int("one that is late", guard_run(late, &volume, 1, LATE_USEC, -1, list), -ETIMEDOUT);
        expect_true("leaves nothing suspended", !stands(volume));
        expect_int("is told, too", (int64_t)vss_value_count(list), 2);
        expect_int("no devices", guard_run(fails, &volume, 0, LIMIT_USEC, -1, NULL), -EINVAL);
        expect_int("no device of device-mapper's",
                   guard_run(fails, &(const dev_t){ makedev(1, 1) }, 1, LIMIT_USEC, -1, NULL), -ENXIO);
}

static int load(const char *name, const char *type, const char *parameters, uint64_t sectors) {
        DevmapTarget target = { 0, sectors, type, parameters };

        return devmap_load(name, 0, &target, 1);
}

static dev_t make(const char *name, const char *type, const char *parameters) {
        DevmapTarget target = { 0, SECTORS, type, parameters };
        DevmapInfo info = { .device = 0 };
        char uuid[64];

        (void)snprintf(uuid, sizeof(uuid), "LINUXVSS-test-%s", name);
        expect_int(name, devmap_create(name, uuid, 0, &target, parameters ? 1 : 0), 0);
        (void)devmap_info(name, &info);
        return info.device;
}

/* Writes all over the volume, past the page cache. */
static pid_t writer_start(void) {
        char path[DEVMAP_PATH_SIZE];
        unsigned seed = 7;
        pid_t pid = fork();
        void *block;
        int fd;

        if (pid != 0)
                return pid;
        devmap_path(VOLUME, path);
        fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
        if (fd < 0 || posix_memalign(&block, 4096, 4096) != 0)
                _exit(1);
        memset(block, 'x', 4096);
        for (;;)
                if (pwrite(fd, block, 4096, (off_t)(rand_r(&seed) % (SECTORS / 8)) * 4096) != 4096)
                        _exit(1);
}

/* The store of a live snapshot, and the origin above it, while somebody writes: they need each other's I/O.
 */
static void test_swap(const char *disk, const char *store_disk) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        const dev_t both[] = { volume, store };
        char parameters[96];
        unsigned fine = 0;
        int status;
        pid_t pid;

        expect_int("swap without a table", guard_swap(&volume, 1, LIMIT_USEC, "nothing", list), -ENODATA);
        (void)snprintf(parameters, sizeof(parameters), "%s %u:%u N 32", disk, major(store), minor(store));
        (void)make(COPY, "snapshot", NULL);
        expect_int("a snapshot", load(COPY, "snapshot", parameters, SECTORS), 0);
        expect_int("is live", devmap_resume(COPY, 0), 0);
        expect_int("its origin", load(VOLUME, "snapshot-origin", disk, SECTORS), 0);
        expect_int("is swapped in", guard_swap(&volume, 1, LIMIT_USEC, "a test", list), 0);
        expect_str("which is told", first_what(list), VOLUME);
        expect_true("and how long it took", first_usec(list) > 0 && first_usec(list) < (int64_t)LIMIT_USEC);
        pid = writer_start();
        (void)snprintf(parameters, sizeof(parameters), "%s 0", store_disk);
        for (unsigned i = 0; i < SWAPS; i++)
                fine += load(STORE, "linear", parameters, SECTORS) == 0 &&
                        load(VOLUME, "snapshot-origin", disk, SECTORS) == 0 &&
                        guard_swap(both, 2, LIMIT_USEC, "a test", NULL) == 0 && !stands(volume) &&
                        !stands(store);
        expect_int("origin and store at once, under writes", fine, SWAPS);
        expect_int("the writer never failed", waitpid(pid, &status, WNOHANG), 0);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        (void)snprintf(parameters, sizeof(parameters), "%s 0", disk);
        expect_int("the plain table again", load(VOLUME, "linear", parameters, SECTORS), 0);
        expect_int("is swapped in", guard_swap(&volume, 1, LIMIT_USEC, "a test", NULL), 0);
        expect_int("the snapshot goes", devmap_remove(COPY), 0);
}

static void number_of(const TestDisk *disk, char text[static 32]) {
        struct stat st = { 0 };

        (void)fstat(disk->loop, &st);
        (void)snprintf(text, 32, "%u:%u", major(st.st_rdev), minor(st.st_rdev));
}

int main(void) {
        char numbers[2][32], parameters[40];
        TestDisk disks[2];

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        if (!devmap_is_there()) {
                printf("1..0 # SKIP needs device-mapper in the kernel\n");
                return 0;
        }
        if (!test_disk_begin(ROOT) || !test_disk_make(disks, SECTORS * DEVMAP_SECTOR, no_mkfs) ||
            !test_disk_make(disks + 1, SECTORS * DEVMAP_SECTOR, no_mkfs))
                return 1;
        number_of(disks, numbers[0]);
        number_of(disks + 1, numbers[1]);
        (void)snprintf(parameters, sizeof(parameters), "%s 0", numbers[0]);
        volume = make(VOLUME, "linear", parameters);
        (void)snprintf(parameters, sizeof(parameters), "%s 0", numbers[1]);
        store = make(STORE, "linear", parameters);
        test_run();
        test_swap(numbers[0], numbers[1]);
        expect_int("the volume goes", devmap_remove(VOLUME), 0);
        expect_int("the store goes", devmap_remove(STORE), 0);
        test_disk_done(disks);
        test_disk_done(disks + 1);
        return test_end();
}
