/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-writer-sqlite: the SQLite writer as a process
 */

#include <sys/resource.h>
#include "config.h"
#include "writers/sqlite/writer.h"

int main(void) {
        SqliteWriter writer = { .conf_path = LINUXVSS_CONFDIR "/sqlite.conf",
                                .unfinished_path = LINUXVSS_STATEDIR "/restores-sqlite" };
        struct rlimit files;

        /* Two descriptors per database. */
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
        return vss_writer_main(&sqlite_writer, &writer);
}
