/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-writer-service: the service writer as a process
 */

#include "config.h"
#include "writers/service/writer.h"

int main(void) {
        static ServiceWriter writer = {
                SERVICE_WRITER_INIT,
                .conf_path = LINUXVSS_CONFDIR "/services.conf",
                .unfinished_path = LINUXVSS_STATEDIR "/restores-service",
                .hold_program = LINUXVSS_LIBEXECDIR "/vss-hold",
        };

        return vss_writer_main(&service_writer, &writer);
}
