/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-writer-system: the system state's writer as a process
 */

#include "config.h"
#include "writers/system/writer.h"

int main(void) {
        static SystemWriter writer = { SYSTEM_WRITER_INIT,
                                       .unfinished_path = LINUXVSS_STATEDIR "/restores-system" };

        return vss_writer_main(&system_writer, &writer);
}
