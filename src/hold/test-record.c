/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hold file: every line that must be refused, and a round trip
 */

#include <linuxvss/types.h>
#include <sys/sysmacros.h>

#include "hold/record.h"
#include "util/macro.h"
#include "util/test.h"

#define HEAD "linuxvss-hold 1 10 200 11 201\n"

typedef struct Row {
        const char *label, *text;
        int want;
        size_t want_targets;
        unsigned want_bad;
} Row;

static const Row rows[] = {
        { "nothing at all", "", -EBADMSG, 0, 0 },
        { "another file", "root:x:0:0\n", -EBADMSG, 0, 0 },
        { "a later version", "linuxvss-hold 2 10 200 11 201\n", -EBADMSG, 0, 0 },
        { "one process", "linuxvss-hold 1 10 200\n", -EBADMSG, 0, 0 },
        { "process 1", "linuxvss-hold 1 1 200 11 201\n", -EBADMSG, 0, 0 },
        { "a process group", "linuxvss-hold 1 -10 200 11 201\n", -EBADMSG, 0, 0 },
        { "a huge process", "linuxvss-hold 1 99999999999 200 11 201\n", -EBADMSG, 0, 0 },
        { "an overflow", "linuxvss-hold 1 10 99999999999999999999999 11 201\n", -EBADMSG, 0, 0 },
        { "too much in the head", "linuxvss-hold 1 10 200 11 201 5\n", -EBADMSG, 0, 0 },
        { "no target", HEAD, 0, 0, 0 },
        { "a head that was cut", "linuxvss-hold 1 10 200 11 201", 0, 0, 0 },
        { "both kinds", HEAD "filesystem 7:0 /mnt\ncgroup - /sys/fs/cgroup/a\n", 0, 2, 0 },
        { "an unknown kind", HEAD "disk 7:0 /mnt\nfilesystem 7:0 /mnt\n", 0, 1, 1 },
        { "a device", HEAD "device 253:7 vg-lv\n", 0, 1, 0 },
        { "a device without a name", HEAD "device 253:7 \n", 0, 0, 1 },
        { "a device without a number", HEAD "device vg-lv\n", 0, 0, 1 },
        { "a device with a path", HEAD "device 253:7 ../x\n", 0, 0, 1 },
        { "a device with one in disguise", HEAD "device 253:7 x\\057y\n", 0, 0, 1 },
        { "no device", HEAD "filesystem /mnt\n", 0, 0, 1 },
        { "half a device", HEAD "filesystem 7 /mnt\n", 0, 0, 1 },
        { "a negative device", HEAD "filesystem -7:0 /mnt\n", 0, 0, 1 },
        { "a device out of range", HEAD "filesystem 4096:0 /mnt\n", 0, 0, 1 },
        { "a relative path", HEAD "filesystem 7:0 mnt\n", 0, 0, 1 },
        { "no path", HEAD "filesystem 7:0 \n", 0, 0, 1 },
        { "a climbing control group", HEAD "cgroup - /sys/fs/cgroup/../../../etc\n", 0, 0, 1 },
        { "one that climbs at the end", HEAD "cgroup - /sys/fs/cgroup/x/..\n", 0, 0, 1 },
        { "a climbing one in disguise", HEAD "cgroup - /sys/fs/cgroup/\\056./x\n", 0, 0, 1 },
        { "a control group with a device", HEAD "cgroup 7:0 /sys/fs/cgroup/a\n", 0, 0, 1 },
        { "a line that was cut", HEAD "filesystem 7:0 /mnt\nfilesy", 0, 1, 1 },
        { "a command", HEAD "command 12 202\ndevice 253:7 x\n", 0, 1, 0 },
        { "two commands", HEAD "command 12 202\ncommand 13 203\n", 0, 0, 1 },
        { "a command without a start", HEAD "command 12\n", 0, 0, 1 },
        { "process 1 as the command", HEAD "command 1 202\n", 0, 0, 1 },
        { "binary", HEAD "\x01\x02\xff\n\n\n", 0, 0, 1 },
};

static void test_rows(Record *record) {
        char text[512], label[128];

        FOREACH_ELEMENT (row, rows) {
                (void)snprintf(text, sizeof(text), "%s", row->text);
                expect_int(row->label, record_parse(text, record), row->want);
                (void)snprintf(label, sizeof(label), "%s: lines", row->label);
                if (row->want == 0)
                        expect_true(label, record->n_targets == row->want_targets &&
                                                   record->n_bad == row->want_bad);
        }
}

static void test_limits(Record *record) {
        _cleanup_(freep) char *text = malloc(RECORD_SIZE_MAX);
        size_t length;

        if (!text)
                return;
        length = (size_t)snprintf(text, RECORD_SIZE_MAX, "%s", HEAD);
        for (unsigned i = 0; i < HOLD_TARGETS_MAX + 3; i++)
                length += (size_t)snprintf(text + length, RECORD_SIZE_MAX - length,
                                           "filesystem 7:%u /mnt/%u\n", i, i);
        expect_int("more targets than can be held", record_parse(text, record), 0);
        expect_int("more targets: the rest is counted", record->n_bad, 3);

        length = (size_t)snprintf(text, RECORD_SIZE_MAX, "%scgroup - ", HEAD);
        memset(text + length, '/', PATH_MAX + 10);
        memcpy(text + length + PATH_MAX + 10, "\n", 2);
        expect_int("a path that is too long", record_parse(text, record), 0);
        expect_true("a path that is too long is left out", record->n_targets == 0 && record->n_bad == 1);
}

static void test_round_trip(Record *record) {
        const char *path = "/mnt/a b\tc\nd\\e\\040";
        _cleanup_(freep) char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        *record = (Record){ .pids = { 10, 11 },
                            .starts = { 5, UINT64_MAX },
                            .command = 12,
                            .command_start = 6,
                            .n_targets = 3 };
        record->targets[0] = (RecordTarget){ .kind = VSS_HOLD_FILESYSTEM, .device = makedev(259, 70000) };
        record->targets[1] = (RecordTarget){ .kind = VSS_HOLD_CGROUP };
        (void)snprintf(record->targets[0].path, PATH_MAX, "%s", path);
        (void)snprintf(record->targets[1].path, PATH_MAX, "%s", "/sys/fs/cgroup/x");
        record->targets[2] = (RecordTarget){ .kind = VSS_HOLD_DEVICE, .device = makedev(253, 7) };
        (void)snprintf(record->targets[2].path, PATH_MAX, "%s", "vg-an lv");
        expect_int("print", file ? record_print(record, file) : -1, 0);
        if (!file || fclose(file) != 0)
                return;
        expect_str("printed", text,
                   "linuxvss-hold 1 10 5 11 18446744073709551615\n"
                   "command 12 6\n"
                   "filesystem 259:70000 /mnt/a\\040b\\011c\\012d\\134e\\134040\n"
                   "cgroup - /sys/fs/cgroup/x\n"
                   "device 253:7 vg-an\\040lv\n");
        memset(record, 0, sizeof(*record));
        expect_int("read again", record_parse(text, record), 0);
        expect_true("read again: processes", record->pids[1] == 11 && record->starts[1] == UINT64_MAX);
        expect_true("read again: command", record->command == 12 && record->command_start == 6);
        expect_true("read again: device", record->targets[0].device == makedev(259, 70000));
        expect_str("read again: path", record->targets[0].path, path);
        expect_int("read again: kind", record->targets[1].kind, VSS_HOLD_CGROUP);
        expect_int("read again: the device's kind", record->targets[2].kind, VSS_HOLD_DEVICE);
        expect_str("read again: its name", record->targets[2].path, "vg-an lv");
}

static void test_guard_names(void) {
        static const char *const others[] = { "hold",     "guard-",
                                              "guard-1x", "guard-/../hold",
                                              ".guard-1", "guard-123456789012345678901234567" };

        expect_true("a guard's name", record_is_guard("guard-123"));
        FOREACH_ELEMENT (name, others)
                expect_true(*name, !record_is_guard(*name));
}

static void test_process(void) {
        uint64_t start = 0, again = 1;

        expect_int("our own start", process_start(getpid(), &start), 0);
        expect_int("process 1's start", process_start(1, &again), 0);
        expect_true("we are younger", start > again);
        expect_true("no such process", process_start(0x3fffffff, &again) < 0);
}

int main(void) {
        _cleanup_(freep) Record *record = calloc(1, sizeof(*record));

        if (!record)
                return 1;
        test_rows(record);
        test_limits(record);
        test_round_trip(record);
        test_guard_names();
        test_process();
        return test_end();
}
