/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss abort: end somebody's session
 */

#include "vss/options.h"
#include "vss/verb.h"

int verb_abort(Cli *cli, int argc, char **argv) {
        _cleanup_async_ vss_async *async = NULL;
        _cleanup_value_ vss_value *answer = vss_value_new_dict();
        int status = EXIT_DONE, index = options_parse(cli, NULL, 0, argc, argv, &status);
        vss_result r;

        if (index < 0)
                return status;
        if (argc - index != 1)
                return cli_usage(cli, "name a session (see vss list sessions)");
        status = cli_connect(cli);
        if (status != EXIT_DONE)
                return status;

        r = vss_service_abort_session(cli->service, argv[index], &async);
        if (r >= 0)
                r = cli_wait(cli, async, "aborting", NULL);
        if (r != VSS_S_OK)
                return cli_fail(cli, r);
        if (!cli->json) {
                printf("session %s is aborted\n", argv[index]);
                return EXIT_DONE;
        }
        return vss_value_set_string(answer, "session", argv[index]) < 0 ? cli_out_of_memory(cli)
                                                                        : cli_print_json(cli, answer, false);
}
