/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-writer-mariadb: the MariaDB writer as a process
 */

#include <mysql.h>
#include "config.h"
#include "writers/mariadb/writer.h"

int main(void) {
        static MariadbWriter writer = { .conf_path = LINUXVSS_CONFDIR "/mariadb.conf" };

        /* Before there are threads. */
        if (mysql_library_init(0, NULL, NULL) != 0)
                return 1;
        return vss_writer_main(&mariadb_writer, &writer);
}
