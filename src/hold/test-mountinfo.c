/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines of mountinfo, good and bad
 */

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "hold/mountinfo.h"
#include "hold/stack.h"
#include "util/macro.h"
#include "util/test.h"

typedef struct Row {
        const char *label, *line;
        int want;
        uint64_t want_id;
        unsigned want_major, want_minor;
        const char *want_point, *want_source;
} Row;

static const Row rows[] = {
        { "plain", "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n", 0, 27, 254, 0, "/", "/dev/vda" },
        { "optional fields", "36 35 98:1 /r /p rw shared:1 master:2 - xfs /dev/x rw", 0, 36, 98, 1, "/p",
          "/dev/x" },
        { "escapes", "1 2 7:300000 / /a\\040b\\134c rw - ext4 /dev/d\\011e rw", 0, 1, 7, 300000, "/a b\\c",
          "/dev/d\te" },
        { "an escape cut short", "1 2 7:1 / /a\\04 rw - ext4 /dev/d rw", 0, 1, 7, 1, "/a\\04", "/dev/d" },
        { "empty source", "1 2 0:5 / /a rw - tmpfs  rw", 0, 1, 0, 5, "/a", "" },
        { "nothing", "", -EBADMSG, 0, 0, 0, NULL, NULL },
        { "cut before the type", "27 1 254:0 / / rw,relatime -", -EBADMSG, 0, 0, 0, NULL, NULL },
        { "cut before the source", "27 1 254:0 / / rw - ext4", -EBADMSG, 0, 0, 0, NULL, NULL },
        { "no separator", "27 1 254:0 / / rw shared:1 ext4 /dev/vda rw", -EBADMSG, 0, 0, 0, NULL, NULL },
        { "no id", "x 1 254:0 / / rw - ext4 /dev/vda rw", -EBADMSG, 0, 0, 0, NULL, NULL },
        { "no device", "27 1 254 / / rw - ext4 /dev/vda rw", -EBADMSG, 0, 0, 0, NULL, NULL },
        { "text behind the device", "27 1 254:0x / / rw - ext4 /dev/vda rw", -EBADMSG, 0, 0, 0, NULL, NULL },
        { "a huge device", "27 1 254:99999999999999999999 / / rw - e s rw", -EBADMSG, 0, 0, 0, NULL, NULL },
        { "an empty field", "27  254:0 / / rw - ext4 /dev/vda rw", -EBADMSG, 0, 0, 0, NULL, NULL },
};

static int each_count(const MountInfo *mount, void *data) {
        (*(unsigned *)data)++;
        return 0;
}

int main(void) {
        _cleanup_(closep) int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dev_t lower[64];
        uint64_t device = 0;
        unsigned count = 0;
        size_t n = 0;
        struct stat st;

        FOREACH_ELEMENT (row, rows) {
                MountInfo mount = { .id = 99 };
                char line[256], label[128];

                (void)snprintf(line, sizeof(line), "%s", row->line);
                expect_int(row->label, mountinfo_parse(line, &mount), row->want);
                (void)snprintf(label, sizeof(label), "%s: fields", row->label);
                if (row->want < 0)
                        expect_true(label, mount.id == 99);
                else
                        expect_true(label,
                                    mount.id == row->want_id &&
                                            mount.device == makedev(row->want_major, row->want_minor) &&
                                            strcmp(mount.point, row->want_point) == 0 &&
                                            strcmp(mount.source, row->want_source) == 0);
        }
        expect_int("this machine's mounts", mountinfo_each(each_count, &count), 0);
        expect_true("there are some", count > 0);
        expect_int("the superblock of /proc", mountinfo_device_of(fd, &device), 0);
        expect_true("is what stat says", fstat(fd, &st) == 0 && device == st.st_dev);
        expect_int("/proc stands on nothing", stack_lower_devices(st.st_dev, lower, ELEMENTS(lower), &n), 0);
        expect_int("on no device", (int64_t)n, 0);
        return test_end();
}
