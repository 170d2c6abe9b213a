/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-writer-dropin: the drop-in writer as a process
 */

#include "config.h"
#include "writers/dropin/writer.h"

int main(void) {
        static const char *const directories[] = {
                LINUXVSS_CONFDIR "/writers.d",
                LINUXVSS_DATADIR "/writers.d",
        };
        static DropInWriter writer = {
                .directories = directories,
                .n_directories = ELEMENTS(directories),
        };

        return vss_writer_main(&dropin_writer, &writer);
}
