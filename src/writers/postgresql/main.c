/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-writer-postgresql: the PostgreSQL writer as a process
 */

#include "config.h"
#include "writers/postgresql/writer.h"

int main(void) {
        PgWriter writer = {
                .conf_path = LINUXVSS_CONFDIR "/postgresql.conf",
                .proc = "/proc",
                .etc = "/etc/postgresql",
        };

        return vss_writer_main(&postgresql_writer, &writer);
}
