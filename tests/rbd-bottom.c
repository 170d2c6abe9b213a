/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * rbd-bottom - on which device, and where in it, a volume lies, as the rbd provider sees it
 *
 *     rbd-bottom DEVICE      prints "NAME OFFSET LENGTH", in bytes; or why not, and ends with 1
 */

#include <stdio.h>
#include <sys/stat.h>
#include "providers/rbd/device.h"

int main(int argc, char *argv[]) {
        const char *why = "it cannot be told";
        struct stat st;
        Bottom bottom;

        if (argc != 2 || stat(argv[1], &st) < 0 || !S_ISBLK(st.st_mode)) {
                fprintf(stderr, "rbd-bottom DEVICE\n");
                return 2;
        }
        if (device_find_bottom("/sys", st.st_rdev, &bottom, &why) < 0) {
                printf("%s\n", why);
                return 1;
        }
        printf("%s %llu %llu\n", bottom.name, (unsigned long long)bottom.offset,
               (unsigned long long)bottom.length);
        return 0;
}
