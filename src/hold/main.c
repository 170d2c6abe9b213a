/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vss-hold: keeps volumes still while providers cut them, and lets go whatever happens
 *
 * Started by the service with its socket as descriptor 3, it serves one hold. With --guard and --swap it
 * watches what a provider suspends outside of a cut, with --groups it holds control groups for a writer.
 * With --release it releases what one that died left behind.
 */

#include <string.h>
#include <sys/socket.h>

#include "config.h"
#include "hold/guard.h"
#include "hold/release.h"
#include "hold/serve.h"
#include "hold/start.h"

static bool has_socket(void) {
        int type = 0;
        socklen_t length = sizeof(type);

        return getsockopt(HOLD_FD, SOL_SOCKET, SO_TYPE, &type, &length) >= 0 && type == SOCK_SEQPACKET;
}

/* Recorded as a guard is: it stands beside the service's hold, and beside others of its kind. */
static int groups_main(void) {
        Hold hold = HOLD_EMPTY(HOLD_FD, "");

        hold.groups = true;
        (void)snprintf(hold.record_name, sizeof(hold.record_name), "%s%d", RECORD_GUARD_PREFIX, getpid());
        return hold_serve(&hold);
}

int main(int argc, char **argv) {

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
        if (argc == 2 && strcmp(argv[1], "--groups") == 0 && has_socket())
                return groups_main();
        if (argc == 1 && has_socket()) {
                Hold hold = HOLD_EMPTY(HOLD_FD, RECORD_NAME);

                return hold_serve(&hold);
        }
        fprintf(stderr, "vss-hold is started by vssd, providers and writers. By hand there is only: "
                        "vss-hold --release\n");
        return 2;
}
