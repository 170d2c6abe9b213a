/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: lines of mountinfo, in which anybody who may mount chooses the names
 */

#include "fuzz.h"
#include "hold/mountinfo.h"

static void check_line(char *line, size_t size) {
        MountInfo mount = { 0 };

        if (mountinfo_parse(line, &mount) < 0)
                return;

        const char *const texts[] = { mount.root, mount.point, mount.type, mount.source };
        FOREACH_ELEMENT (text, texts)
                fuzz_require(*text >= line && *text + strlen(*text) <= line + size);
        fuzz_require(mount.root[0] && mount.point[0] && mount.type[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size > FUZZ_SIZE_MAX)
                return 0;
        while (size > 0) {
                const uint8_t *newline = memchr(data, '\n', size);
                size_t n = newline ? (size_t)(newline - data) + 1 : size;
                _cleanup_(freep) char *line = fuzz_text(data, n);

                check_line(line, n);
                data += n;
                size -= n;
        }
        return 0;
}
