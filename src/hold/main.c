/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vss-hold: keeps volumes still while providers cut them, and lets go whatever happens
 *
 * Started by the service with its socket as descriptor 3, it serves one hold. With --guard and --swap it
 * watches what a provider suspends outside of a cut. With --release it releases what one that died left
 * behind.
 */

#include <string.h>
#include <sys/socket.h>

#include "config.h"
#include "hold/guard.h"
#include "hold/release.h"
#include "hold/serve.h"
#include "hold/start.h"

int main(int argc, char **argv) {
        int type = 0;
        socklen_t length = sizeof(type);

        if (argc == 2 && strcmp(argv[1], "--release") == 0)
                return release_recorded(true) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (argc == 2 && strcmp(argv[1], "--release-guards") == 0)
                return release_guards() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                printf("vss-hold (Linux VSS) %s\n", LINUXVSS_VERSION);
                return EXIT_SUCCESS;
        }
        if (argc >= 2 && (strcmp(argv[1], "--guard") == 0 || strcmp(argv[1], "--swap") == 0))
                return guard_main(argc, argv);
        if (argc == 1 && getsockopt(HOLD_FD, SOL_SOCKET, SO_TYPE, &type, &length) >= 0 &&
            type == SOCK_SEQPACKET) {
                Hold hold = HOLD_EMPTY(HOLD_FD, RECORD_NAME);

                return hold_serve(&hold);
        }
        fprintf(stderr,
                "vss-hold is started by vssd and by providers. By hand there is only: vss-hold --release\n");
        return 2;
}
