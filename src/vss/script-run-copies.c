/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands of scripts: lists, and what is done with shadow copies that there are
 */

#include <string.h>
#include "vss/listing.h"
#include "vss/output.h"
#include "vss/paths.h"
#include "vss/report.h"
#include "vss/script-run.h"

/* ---- list ---- */

/* Within a backup or a restore it is that one's status that counts. */
static vss_session *session_at_work(const ScriptRun *run) {
        if (run->mode == SCRIPT_MODE_RESTORE)
                return run->restore;
        return run->set_made ? run->sets[run->n_sets - 1]->backup.session : NULL;
}

static int ask_status(ScriptRun *run, vss_session *session, vss_value **ret_result) {
        _cleanup_value_ vss_value *result = vss_value_new_dict();
        vss_async *async = NULL;
        vss_value *writers = NULL;
        vss_result r = vss_session_gather_writer_status(session, &async);
        int status = script_await(run, r, async, "asking the writers", NULL);

        if (status != EXIT_DONE)
                return status;
        r = vss_session_get_writer_status(session, &writers);
        if (r < 0)
                return cli_fail(run->cli, r);
        if (vss_value_set(result, "writers", writers) < 0)
                return cli_out_of_memory(run->cli);
        *ret_result = TAKE_PTR(result);
        return EXIT_DONE;
}

static int list_writers(ScriptRun *run, ScriptDetail detail, vss_value **ret_result) {
        const Filter all = {};
        vss_session *session = detail == SCRIPT_STATUS ? session_at_work(run) : NULL;
        vss_async *async = NULL;
        int status;

        if (session)
                status = ask_status(run, session, ret_result);
        else {
                vss_result r = vss_service_list_writers(run->cli->service, &async);

                status = script_await(run, r, async, "asking the writers", ret_result);
        }
        if (status != EXIT_DONE || !script_in_words(run))
                return status;
        if (detail == SCRIPT_BRIEF)
                show_writers(*ret_result, &all);
        else if (detail == SCRIPT_STATUS)
                show_writer_status(*ret_result, &all);
        else
                show_writer_metadata(*ret_result, &all, detail == SCRIPT_DETAILED);
        return EXIT_DONE;
}

static int list_shadows(ScriptRun *run, const ScriptCommand *command, vss_value **ret_result) {
        _cleanup_value_ vss_value *query = vss_value_new_dict();
        const Filter all = {};
        vss_async *async = NULL;
        vss_result r = query ? VSS_S_OK : VSS_E_OUTOFMEMORY;
        int status;

        if (r >= 0 && command->choice != SCRIPT_ALL)
                r = vss_value_set_string(query, command->choice == SCRIPT_OF_SET ? "set" : "snapshot",
                                         command->object);
        if (r < 0)
                return cli_out_of_memory(run->cli);
        r = vss_service_query(run->cli->service, query, &async);
        status = script_await(run, r, async, "asking the providers", ret_result);
        if (status != EXIT_DONE)
                return status;
        if (command->choice != SCRIPT_ALL && vss_value_count(vss_value_get(*ret_result, "snapshots")) == 0)
                return cli_error(run->cli, VSS_E_OBJECT_NOT_FOUND, command->object, "there is no such %s",
                                 command->choice == SCRIPT_OF_SET ? "set" : "shadow copy");
        if (listing_name_attributes(*ret_result) < 0)
                return cli_out_of_memory(run->cli);
        if (script_in_words(run))
                show_shadows(*ret_result, &all);
        return EXIT_DONE;
}

static int list_providers(ScriptRun *run, vss_value **ret_result) {
        const Filter all = {};
        vss_async *async = NULL;
        vss_result r = vss_service_list_providers(run->cli->service, &async);
        int status = script_await(run, r, async, "asking the providers", ret_result);

        if (status == EXIT_DONE && script_in_words(run))
                show_providers(*ret_result, &all);
        return status;
}

int script_list(ScriptRun *run, const ScriptCommand *command, vss_value *answer) {
        _cleanup_value_ vss_value *result = NULL;
        int status = cli_connect(run->cli);

        if (status == EXIT_DONE && command->verb == SCRIPT_LIST_WRITERS)
                status = list_writers(run, command->detail, &result);
        else if (status == EXIT_DONE && command->verb == SCRIPT_LIST_SHADOWS)
                status = list_shadows(run, command, &result);
        else if (status == EXIT_DONE)
                status = list_providers(run, &result);
        return status == EXIT_DONE ? script_tell(run, answer, result) : status;
}

/* ---- expose, unexpose ---- */

int script_expose(ScriptRun *run, const ScriptCommand *command, vss_value *answer) {
        _cleanup_(freep) char *directory = NULL;
        vss_async *async = NULL;
        vss_result r;
        int status = cli_connect(run->cli);

        if (status != EXIT_DONE)
                return status;
        if (command->verb == SCRIPT_EXPOSE) {
                directory = realpath(command->target, NULL);
                if (!directory)
                        return cli_error(run->cli, VSS_E_OBJECT_NOT_FOUND, command->target, "%s",
                                         errno == ENOENT ? "there is no such directory" : strerror(errno));
                r = vss_service_expose_snapshot(run->cli->service, command->object, directory, &async);
        } else
                r = vss_service_unexpose_snapshot(run->cli->service, command->object, &async);
        status = script_await(run, r, async, directory ? "exposing" : "unexposing", NULL);
        if (status != EXIT_DONE)
                return status;
        if (vss_value_set_string(answer, "id", command->object) < 0 ||
            vss_value_set_string(answer, "directory", directory ?: "") < 0)
                return cli_out_of_memory(run->cli);
        if (script_in_words(run) && directory)
                printf("%s is exposed at %s\n", command->object, directory);
        else if (script_in_words(run))
                printf("%s is no longer exposed\n", command->object);
        return EXIT_DONE;
}

/* ---- delete ---- */

/* The shadow copy that is exposed at a directory. */
static int find_exposed(ScriptRun *run, const char *path, char ret_id[VSS_ID_SIZE]) {
        _cleanup_(freep) char *directory = realpath(path, NULL);
        _cleanup_value_ vss_value *result = NULL;
        const vss_value *snapshots;
        vss_async *async = NULL;
        vss_result r = vss_service_query(run->cli->service, NULL, &async);
        int status = script_await(run, r, async, "asking the providers", &result);

        if (status != EXIT_DONE)
                return status;
        snapshots = vss_value_get(result, "snapshots");
        for (size_t i = 0; directory && i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);

                if (strcmp(vss_value_get_string(snapshot, "exposed", ""), directory) == 0) {
                        (void)snprintf(ret_id, VSS_ID_SIZE, "%s", vss_value_get_string(snapshot, "id", ""));
                        return EXIT_DONE;
                }
        }
        return cli_error(run->cli, VSS_E_OBJECT_NOT_FOUND, path, "no shadow copy is exposed here");
}

static int make_selection(ScriptRun *run, const ScriptCommand *command, vss_value *selection) {
        vss_value *list = NULL;
        char id[VSS_ID_SIZE];
        _cleanup_(freep) char *path = NULL;
        vss_result r = VSS_E_OUTOFMEMORY;
        int status = EXIT_DONE;

        switch (command->choice) {
        case SCRIPT_ALL:
                r = vss_value_set_boolean(selection, "all", true);
                break;
        case SCRIPT_OF_SET:
                r = vss_value_set_string(selection, "set", command->object);
                break;
        case SCRIPT_VOLUME:
        case SCRIPT_OLDEST:
                status = path_resolve(run->cli, command->object, &path);
                if (status != EXIT_DONE)
                        return status;
                r = vss_value_set_string(selection, command->choice == SCRIPT_VOLUME ? "volume" : "oldest",
                                         path);
                break;
        case SCRIPT_ID:
        case SCRIPT_EXPOSED:
                if (command->choice == SCRIPT_EXPOSED)
                        status = find_exposed(run, command->object, id);
                if (status != EXIT_DONE)
                        return status;
                list = value_require(selection, "snapshots", VSS_KIND_LIST);
                if (list)
                        r = value_append_string(list, command->choice == SCRIPT_ID ? command->object : id);
                break;
        }
        return r < 0 ? cli_out_of_memory(run->cli) : EXIT_DONE;
}

static const char *member_id(const vss_value *member) {
        return vss_value_string(member, vss_value_get_string(member, "id", "?"));
}

/* One that could not be deleted fails the command: what follows may count on its being gone. */
static int judge_deletion(ScriptRun *run, const char *set, const vss_value *result) {
        const vss_value *deleted = vss_value_get(result, "deleted"),
                        *failed = vss_value_get(result, "failed");

        for (size_t i = 0; script_in_words(run) && i < vss_value_count(deleted); i++)
                printf("deleted %s\n", member_id(vss_value_at(deleted, i)));
        for (size_t i = 0; i < vss_value_count(failed); i++)
                (void)cli_error(run->cli, VSS_E_UNEXPECTED, member_id(vss_value_at(failed, i)),
                                "could not be deleted: %s",
                                vss_value_get_string(vss_value_at(failed, i), "reason", "no reason given"));
        if (set && vss_value_count(deleted) == 0 && vss_value_count(failed) == 0)
                return cli_error_remedy(run->cli, VSS_E_OBJECT_NOT_FOUND, set,
                                        "Check the spelling; list shadows all shows the sets.",
                                        "there is no such set");
        return vss_value_count(failed) > 0 ? EXIT_FAILED : EXIT_DONE;
}

int script_delete(ScriptRun *run, const ScriptCommand *command, vss_value *answer) {
        _cleanup_value_ vss_value *selection = vss_value_new_dict(), *result = NULL;
        vss_async *async = NULL;
        vss_result r;
        int status = selection ? cli_connect(run->cli) : cli_out_of_memory(run->cli);

        if (status == EXIT_DONE)
                status = make_selection(run, command, selection);
        if (status != EXIT_DONE)
                return status;
        r = vss_service_delete_snapshots(run->cli->service, selection, &async);
        status = script_await(run, r, async, "deleting", &result);
        if (status == EXIT_DONE)
                status = script_tell(run, answer, result);
        return status == EXIT_DONE
                       ? judge_deletion(run, vss_value_get_string(selection, "set", NULL), result)
                       : status;
}
