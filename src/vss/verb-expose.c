/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss expose, vss unexpose: a shadow copy at a directory of one's choice
 */

#include <string.h>
#include "vss/options.h"
#include "vss/paths.h"
#include "vss/verb.h"

static int answer(Cli *cli, const char *id, const char *directory) {
        _cleanup_value_ vss_value *result = vss_value_new_dict();

        if (!cli->json) {
                if (directory)
                        printf("%s is exposed at %s\n", id, directory);
                else
                        printf("%s is no longer exposed\n", id);
                return EXIT_DONE;
        }
        if (vss_value_set_string(result, "id", id) < 0 ||
            vss_value_set_string(result, "directory", directory ?: "") < 0)
                return cli_out_of_memory(cli);
        return cli_print_json(cli, result, false);
}

int verb_expose(Cli *cli, int argc, char **argv) {
        _cleanup_async_ vss_async *async = NULL;
        _cleanup_(freep) char *directory = NULL;
        int status = EXIT_DONE, index = options_parse(cli, NULL, 0, argc, argv, &status);
        vss_result r;

        if (index < 0)
                return status;
        if (argc - index != 2)
                return cli_usage(cli, "name a shadow copy and a directory");
        directory = realpath(argv[index + 1], NULL);
        if (!directory)
                return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, argv[index + 1], "%s",
                                 errno == ENOENT ? "there is no such directory" : strerror(errno));
        status = cli_connect(cli);
        if (status != EXIT_DONE)
                return status;

        r = vss_service_expose_snapshot(cli->service, argv[index], directory, &async);
        if (r >= 0)
                r = cli_wait(cli, async, "exposing", NULL);
        return r == VSS_S_OK ? answer(cli, argv[index], directory) : cli_fail(cli, r);
}

int verb_unexpose(Cli *cli, int argc, char **argv) {
        _cleanup_async_ vss_async *async = NULL;
        int status = EXIT_DONE, index = options_parse(cli, NULL, 0, argc, argv, &status);
        vss_result r;

        if (index < 0)
                return status;
        if (argc - index != 1)
                return cli_usage(cli, "name a shadow copy");
        status = cli_connect(cli);
        if (status != EXIT_DONE)
                return status;

        r = vss_service_unexpose_snapshot(cli->service, argv[index], &async);
        if (r >= 0)
                r = cli_wait(cli, async, "unexposing", NULL);
        return r == VSS_S_OK ? answer(cli, argv[index], NULL) : cli_fail(cli, r);
}
