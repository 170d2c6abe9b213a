/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss init: a new repository
 */

#include "vss/repository.h"
#include "vss/verb.h"

int verb_init(Cli *cli, int argc, char **argv) {
        RepoArgs args = { .new_password = true };
        const Option options[] = { REPO_PASSWORD_OPTIONS(&args) };
        _cleanup_(repo_freep) Repository *repo = NULL;
        _cleanup_value_ vss_value *answer = NULL;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);
        char id[BLOB_ID_TEXT];

        if (index < 0)
                return status;
        if (argc - index > 1)
                return cli_usage(cli, "'%s' is one word too many", argv[index + 1]);
        args.repository = argc > index ? argv[index] : NULL;
        status = cli_init_repository(cli, &args, &repo);
        if (status != EXIT_DONE)
                return status;
        (void)blob_id_text(&repo->config.id, id);
        if (!cli->json) {
                printf("repository %.10s made at %s\n", id, repo->location);
                if (repo->renewed)
                        printf("There were keys, but no config: it is made anew, and what lies there can be read "
                               "again.\n");
                printf("Without its password nobody can read it, and nobody can replace the password.\n");
                return EXIT_DONE;
        }
        answer = vss_value_new_dict();
        if (vss_value_set_string(answer, "id", id) < 0 ||
            vss_value_set_string(answer, "repository", repo->location) < 0)
                return cli_out_of_memory(cli);
        return cli_print_json(cli, answer, false);
}
