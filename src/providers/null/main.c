/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-provider-null: the null provider as a program; with --hardware the one that plays an array
 */

#include <string.h>
#include "config.h"
#include "providers/null/calls.h"

int main(int argc, char **argv) {
        bool hardware = argc == 2 && strcmp(argv[1], "--hardware") == 0;
        struct vss_provider desc = hardware ? null_hardware_provider : null_provider;
        NullProvider provider = {
                .config_path = hardware ? LINUXVSS_CONFDIR "/null-hardware.conf"
                                        : LINUXVSS_CONFDIR "/null.conf",
                .directory = hardware ? LINUXVSS_RUNDIR "/null-hardware" : LINUXVSS_RUNDIR "/null",
        };
        NullSettings config = { 0 };
        ConfError error;
        int status;

        if (argc > 1 && !hardware) {
                fprintf(stderr, "vss-provider-null: the only option is --hardware\n");
                return 2;
        }
        /* What is wrong in it is told to whoever calls. */
        if (null_settings_read(provider.config_path, &error, &config) == 0)
                desc.max_snapshots = config.max_snapshots;
        status = vss_provider_main(&desc, &provider);
        null_provider_done(&provider);
        return status;
}
