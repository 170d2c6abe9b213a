/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * quiet-writer NAME PATH: a writer with nothing but what every writer must have
 *
 * One component "data" with all files of PATH; no event but the four that a writer cannot do without.
 */

#include <linuxvss/writer.h>
#include <stdio.h>

static const char *path;

static vss_result identify(vss_writer_call *call, vss_metadata *metadata) {
        const struct vss_component_info info = {
                .size = sizeof(info), .type = VSS_CT_FILEGROUP, .name = "data", .selectable = true, .owner = "root"
        };

        (void)vss_metadata_add_component(metadata, &info);
        return vss_metadata_add_files(metadata, "", "data", path, "*", true);
}

static vss_result do_nothing(vss_writer_call *call) {
        return VSS_S_OK;
}

int main(int argc, char **argv) {
        const struct vss_writer writer = {
                VSS_WRITER_INIT,
                .name = argv[1],
                .id = "0c5d7a52-5a0a-4c43-9a43-0e3f0a7f7d11",
                .friendly_name = "Quiet",
                .version = "1",
                .identify = identify,
                .freeze = do_nothing,
                .thaw = do_nothing,
                .abort = do_nothing,
        };

        if (argc != 3) {
                (void)fputs("quiet-writer NAME PATH\n", stderr);
                return 2;
        }
        path = argv[2];
        return vss_writer_main(&writer, NULL);
}
