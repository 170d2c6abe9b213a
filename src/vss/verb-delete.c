/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss delete: shadow copies by id, set, volume or age
 */

#include "vss/options.h"
#include "vss/output.h"
#include "vss/paths.h"
#include "vss/verb.h"

typedef struct DeleteOptions {
        const char *set, *volume, *oldest;
        bool all;
} DeleteOptions;

static int set_path(Cli *cli, vss_value *selection, const char *key, const char *path) {
        _cleanup_(freep) char *resolved = NULL;
        int status = path_resolve(cli, path, &resolved);

        if (status != EXIT_DONE)
                return status;
        return vss_value_set_string(selection, key, resolved) < 0 ? cli_out_of_memory(cli) : EXIT_DONE;
}

static int make_selection(Cli *cli, const DeleteOptions *o, int n_ids, char **ids, vss_value *selection) {
        vss_value *list;

        if (o->set)
                return vss_value_set_string(selection, "set", o->set) < 0 ? cli_out_of_memory(cli)
                                                                          : EXIT_DONE;
        if (o->all)
                return vss_value_set_boolean(selection, "all", true) < 0 ? cli_out_of_memory(cli)
                                                                         : EXIT_DONE;
        if (o->volume)
                return set_path(cli, selection, "volume", o->volume);
        if (o->oldest)
                return set_path(cli, selection, "oldest", o->oldest);

        list = value_require(selection, "snapshots", VSS_KIND_LIST);
        for (int i = 0; i < n_ids; i++)
                if (!list || value_append_string(list, ids[i]) < 0)
                        return cli_out_of_memory(cli);
        return EXIT_DONE;
}

/* Members are ids, or dictionaries with one. */
static const char *member_id(const vss_value *member) {
        return vss_value_string(member, vss_value_get_string(member, "id", "?"));
}

static int report(Cli *cli, const vss_value *result) {
        const vss_value *deleted = vss_value_get(result, "deleted"),
                        *failed = vss_value_get(result, "failed");
        int status = EXIT_DONE;

        if (cli->json)
                status = cli_print_json(cli, result, false);
        for (size_t i = 0; !cli->json && i < vss_value_count(deleted); i++)
                printf("deleted %s\n", member_id(vss_value_at(deleted, i)));
        for (size_t i = 0; i < vss_value_count(failed); i++)
                cli_note("%s: could not be deleted: %s", member_id(vss_value_at(failed, i)),
                         vss_value_get_string(vss_value_at(failed, i), "reason", "no reason given"));
        if (!cli->json && vss_value_count(deleted) + vss_value_count(failed) == 0)
                printf("there was nothing to delete\n");
        if (vss_value_count(failed) == 0)
                return status;
        return vss_value_count(deleted) > 0 ? EXIT_PARTLY : EXIT_FAILED;
}

int verb_delete(Cli *cli, int argc, char **argv) {
        DeleteOptions o = {};
        const Option options[] = {
                OPTION("set", OPTION_TEXT, "SET", "all of this set", &o.set),
                OPTION("volume", OPTION_TEXT, "PATH", "all of this volume", &o.volume),
                OPTION("oldest", OPTION_TEXT, "PATH", "the oldest of this volume", &o.oldest),
                OPTION("all", OPTION_FLAG, NULL, "every shadow copy on this machine", &o.all),
        };
        _cleanup_value_ vss_value *selection = vss_value_new_dict(), *result = NULL;
        _cleanup_async_ vss_async *async = NULL;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);
        vss_result r;

        if (index < 0)
                return status;
        if ((argc > index) + !!o.set + !!o.volume + !!o.oldest + o.all != 1)
                return cli_usage(cli,
                                 "say what to delete in one way: IDs, --set, --volume, --oldest, or --all");
        if (!selection)
                return cli_out_of_memory(cli);
        status = make_selection(cli, &o, argc - index, argv + index, selection);
        if (status == EXIT_DONE)
                status = cli_connect(cli);
        if (status != EXIT_DONE)
                return status;

        r = vss_service_delete_snapshots(cli->service, selection, &async);
        if (r >= 0)
                r = cli_wait(cli, async, "deleting", &result);
        if (r == VSS_S_OK && o.set && vss_value_count(vss_value_get(result, "deleted")) == 0 &&
            vss_value_count(vss_value_get(result, "failed")) == 0)
                return cli_error_remedy(cli, VSS_E_OBJECT_NOT_FOUND, o.set,
                                        "Check the spelling; vss list shadows shows the sets.",
                                        "there is no such set");
        return r == VSS_S_OK ? report(cli, result) : cli_fail(cli, r);
}
