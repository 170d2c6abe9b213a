/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The test stops are in the test's program and not in the one that is installed
 */

#include <fcntl.h>
#include <sys/stat.h>

#include "util/macro.h"
#include "util/test.h"

#define NEEDLE "VSS_HOLD_STOP_AT"
#define SIZE_MAX_READ (64u * 1024 * 1024)

/* Return: 1 if the file contains the name, 0 if not, -errno */
static int file_contains(const char *path, const char *needle) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        struct stat st;

        if (!file || fstat(fileno(file), &st) < 0)
                return -errno;
        if ((uint64_t)st.st_size > SIZE_MAX_READ)
                return -EFBIG;
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return -ENOMEM;
        if (fread(text, 1, (size_t)st.st_size, file) != (size_t)st.st_size)
                return -EIO;
        return memmem(text, (size_t)st.st_size, needle, strlen(needle)) != NULL;
}

int main(int argc, char **argv) {
        if (argc != 3)
                return 2;
        expect_int("the checker finds the stops where they are", file_contains(argv[2], NEEDLE), 1);
        expect_int("the checker reads the installed program", file_contains(argv[1], "vss-hold"), 1);
        expect_int("the installed program has none", file_contains(argv[1], NEEDLE), 0);
        return test_end();
}
