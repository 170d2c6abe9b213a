/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A build without test hooks stops nowhere, whatever its environment says
 *
 *      test-stops HOOKS VSSD VSS-HOLD VSSD-WITH VSS-HOLD-WITH VSS-BRIDGE
 *
 * The names of the variables are looked for in the programs themselves. HOOKS is what the build was told;
 * the two files WITH have the stops in every build, and show that they are found where they are.
 */

#include <sys/stat.h>
#include "util/macro.h"
#include "util/test.h"

#define SERVICE_STOP "VSSD_STOP_AT"
#define HOLD_STOP "VSS_HOLD_STOP_AT"
#define SILENCE "LINUXVSS_LINK_SILENCE"
#define FILE_SIZE_MAX (64 * 1024 * 1024)

/* Return: is it in the file? 1, 0, -errno */
static int file_contains(const char *path, const char *needle) {
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        _cleanup_(freep) char *bytes = NULL;
        struct stat st;
        size_t n;

        if (!file || fstat(fileno(file), &st) < 0)
                return -errno;
        if (st.st_size == 0 || st.st_size > FILE_SIZE_MAX)
                return -EFBIG;
        n = (size_t)st.st_size;
        bytes = malloc(n);
        if (!bytes)
                return -ENOMEM;
        if (fread(bytes, 1, n, file) != n)
                return -EIO;
        return memmem(bytes, n, needle, strlen(needle)) != NULL;
}

int main(int argc, char **argv) {
        bool hooks = argc == 7 && strcmp(argv[1], "true") == 0;

        if (argc != 7)
                return 2;
        expect_int("stops of the service are found where they are", file_contains(argv[4], SERVICE_STOP), 1);
        expect_int("stops of the hold are found where they are", file_contains(argv[5], HOLD_STOP), 1);
        expect_int("the service's program is looked at", file_contains(argv[2], "org.linuxvss.Manager"), 1);
        expect_int("the hold's program is looked at", file_contains(argv[3], "linuxvss-hold"), 1);
        expect_int(hooks ? "the service has stops, for tests" : "the service has no stops",
                   file_contains(argv[2], SERVICE_STOP), hooks);
        expect_int("the hold that is installed has no stops", file_contains(argv[3], HOLD_STOP), 0);
        expect_int("nor those of the service", file_contains(argv[3], SERVICE_STOP), 0);
        expect_int("the bridge's program is looked at", file_contains(argv[6], "vss-brdg"), 1);
        expect_int(hooks ? "a link's silence can be shortened, for tests" : "a link's silence is what it is",
                   file_contains(argv[6], SILENCE), hooks);
        return test_end();
}
