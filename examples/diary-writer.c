/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A writer for "diary", which appends to /var/lib/diary/<year>.txt under a shared flock(2) on the file "lock".
 * It is held by the same lock, taken exclusively: the kernel lets go of it whatever becomes of this process. */
#include <fcntl.h>
#include <linuxvss/writer.h>
#include <sys/file.h>
#include <unistd.h>

#define DIARY "/var/lib/diary"

static int lock = -1;

static vss_result identify(vss_writer_call *call, vss_metadata *metadata) {
        struct vss_component_info pages = { .size = sizeof(pages), .type = VSS_CT_FILEGROUP, .name = "pages",
                                            .caption = "What was written, by year", .selectable = true };
        vss_result r = vss_metadata_add_component(metadata, &pages);

        if (r >= 0)
                r = vss_metadata_add_files(metadata, "", "pages", DIARY, "*.txt", false);
        return r < 0 ? r : vss_metadata_add_exclude(metadata, DIARY, "lock", false);
}

static vss_result thaw(vss_writer_call *call) {
        if (lock >= 0)
                close(lock);
        lock = -1;
        return VSS_S_OK;
}

static vss_result freeze(vss_writer_call *call) {
        lock = open(DIARY "/lock", O_RDWR | O_CLOEXEC);
        while (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0) {
                if (vss_writer_call_time_left_ms(call) < 100)
                        return thaw(call), vss_writer_call_fail(call, VSS_E_WRITERERROR_TIMEOUT,
                                                                "Somebody writes without a pause.");
                usleep(1000);
        }
        return lock >= 0 ? VSS_S_OK : vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE,
                                                           DIARY "/lock cannot be opened: %m");
}

int main(void) {
        const struct vss_writer writer = { VSS_WRITER_INIT, .name = "Diary", .friendly_name = "Diary", .version = "1",
                                           .id = "b3f0a1c2-5d0e-4a53-9f57-0c5b6a1d7e21",
                                           .usage = VSS_UT_USERDATA, .source = VSS_ST_OTHER,
                                           .identify = identify, .freeze = freeze, .thaw = thaw, .abort = thaw };
        return vss_writer_main(&writer, NULL);
}
