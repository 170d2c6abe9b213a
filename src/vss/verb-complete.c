/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss complete: the end of a session that `vss create --keep` or `vss import --keep` left open
 *
 * The requester that made the set is gone, so what components it has is asked from the service.
 */

#include <string.h>
#include "vss/backup.h"
#include "vss/report.h"
#include "vss/verb.h"

/* The components of the session, from the status of its writers. */
static int read_selection(Cli *cli, vss_session *session, Selection *ret_selection, vss_value **ret_status) {
        _cleanup_(selection_clear) Selection selection = {};
        _cleanup_value_ vss_value *status = vss_value_new_dict();
        vss_value *writers = NULL;
        vss_result r = vss_session_get_writer_status(session, &writers);

        if (r < 0)
                return cli_fail(cli, r);
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i),
                                *components = vss_value_get(writer, "selected");

                for (size_t j = 0; j < vss_value_count(components); j++) {
                        const vss_value *c = vss_value_at(components, j);
                        Chosen *items = reallocarray(selection.items, selection.n + 1, sizeof(*items)),
                               *item;

                        if (!items)
                                return cli_out_of_memory(cli);
                        selection.items = items;
                        item = &items[selection.n++];
                        *item = (Chosen){ strdup(vss_value_get_string(writer, "name", "")),
                                          strdup(vss_value_get_string(c, "logical-path", "")),
                                          strdup(vss_value_get_string(c, "name", "")) };
                        if (!item->writer || !item->logical_path || !item->name)
                                return cli_out_of_memory(cli);
                }
        }
        if (vss_value_set(status, "writers", writers) < 0)
                return cli_out_of_memory(cli);
        *ret_selection = selection;
        selection = (Selection){};
        *ret_status = TAKE_PTR(status);
        return EXIT_DONE;
}

static int gather_status(Cli *cli, vss_session *session) {
        _cleanup_async_ vss_async *async = NULL;
        vss_result r = vss_session_gather_writer_status(session, &async);

        if (r >= 0)
                r = cli_wait(cli, async, "asking the writers", NULL);
        return r == VSS_S_OK ? EXIT_DONE : cli_fail(cli, r);
}

static int report(Cli *cli, const char *session_id, bool succeeded) {
        _cleanup_value_ vss_value *answer = vss_value_new_dict();

        if (!cli->json) {
                printf("session %s completed: the backup %s\n", session_id,
                       succeeded ? "succeeded" : "failed");
                return EXIT_DONE;
        }
        if (vss_value_set_string(answer, "session", session_id) < 0 ||
            vss_value_set_boolean(answer, "succeeded", succeeded) < 0)
                return cli_out_of_memory(cli);
        return cli_print_json(cli, answer, false);
}

/* What was imported has no writers here to be told: its end is that of the session. */
static int is_imported(Cli *cli, const char *session_id, bool *ret_imported) {
        _cleanup_value_ vss_value *sessions = NULL;
        vss_result r = vss_service_list_sessions(cli->service, &sessions);

        if (r < 0)
                return cli_fail(cli, r);
        *ret_imported = false;
        for (size_t i = 0; i < vss_value_count(sessions); i++) {
                const vss_value *session = vss_value_at(sessions, i);

                if (strcmp(vss_value_get_string(session, "id", ""), session_id) == 0)
                        *ret_imported = strcmp(vss_value_get_string(session, "state", ""), "imported") == 0;
        }
        return EXIT_DONE;
}

static int complete(Cli *cli, vss_session *session, bool succeeded) {
        _cleanup_(selection_clear) Selection selection = {};
        _cleanup_value_ vss_value *writers = NULL;
        bool imported = false;
        int status = is_imported(cli, vss_session_id(session) ?: "", &imported);

        if (status != EXIT_DONE || imported)
                return status;
        status = gather_status(cli, session);
        if (status == EXIT_DONE)
                status = read_selection(cli, session, &selection, &writers);
        return status == EXIT_DONE ? session_complete(cli, session, &selection, writers, succeeded) : status;
}

int verb_complete(Cli *cli, int argc, char **argv) {
        bool failed = false;
        const Option options[] = {
                OPTION("failed", OPTION_FLAG, NULL,
                       "the backup failed: the writers must not truncate anything", &failed),
        };
        _cleanup_(freep) char *id = NULL;
        vss_session *session = NULL;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);
        vss_result r;

        if (index < 0)
                return status;
        if (argc - index != 1)
                return cli_usage(cli, "name the token that --keep printed");
        status = cli_connect(cli);
        if (status != EXIT_DONE)
                return status;

        r = vss_session_adopt(cli->service, argv[index], &session);
        if (r < 0)
                return cli_fail(cli, r);
        id = strdup(vss_session_id(session) ?: "");
        status = complete(cli, session, !failed);

        /* What could not be completed stays with its lease, for another try. */
        if (status != EXIT_DONE && status != EXIT_PARTLY && !cli->copies_lost) {
                (void)vss_session_free(session);
                return status;
        }
        (void)vss_session_release(session);
        if (cli->copies_lost)
                return EXIT_FAILED;
        return report(cli, id ?: "", !failed) == EXIT_DONE ? status : EXIT_FAILED;
}
