/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss import, vss break, vss revert: shadow copies from other machines, and those that become volumes
 */

#include <inttypes.h>
#include <string.h>
#include "vss/options.h"
#include "vss/output.h"
#include "vss/paths.h"
#include "vss/transport.h"
#include "vss/verb.h"

static int await(Cli *cli, vss_result r, vss_async *async, const char *step, vss_value **ret_result) {
        _cleanup_async_ vss_async *owned = async;

        if (r >= 0)
                r = cli_wait(cli, owned, step, ret_result);
        return r == VSS_S_OK ? EXIT_DONE : cli_fail(cli, r);
}

/* The session ends here, or stays for its lease. */
static int tell_imported(Cli *cli, vss_session *session, uint32_t lease, vss_value *result) {
        if (lease > 0 && (vss_value_set_string(result, "session", vss_session_id(session)) < 0 ||
                          vss_value_set_string(result, "token", vss_session_token(session)) < 0 ||
                          vss_value_set_integer(result, "lease-seconds", lease) < 0))
                return cli_out_of_memory(cli);
        if (cli->json)
                return cli_print_json(cli, result, false);
        transport_show(result);
        if (lease > 0)
                printf("kept for %u s; end it with: vss complete %s\n", lease,
                       vss_value_get_string(result, "token", ""));
        return EXIT_DONE;
}

int verb_import(Cli *cli, int argc, char **argv) {
        uint32_t lease = 0;
        const Option options[] = {
                OPTION_RANGE("keep", OPTION_NUMBER, "SECONDS",
                             "leave the session open this long, for vss complete", &lease, 1, 604800),
        };
        _cleanup_(metadata_clear) Metadata metadata = {};
        _cleanup_value_ vss_value *result = NULL;
        vss_session *session = NULL;
        int status = EXIT_DONE, told,
            index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (argc - index != 1)
                return cli_usage(cli, "name a directory of documents, or a Backup Components Document");
        status = metadata_load(cli, argv[index], &metadata);
        if (status != EXIT_DONE)
                return status;
        if (transport_is_volatile(&metadata) && lease == 0)
                return cli_usage(cli,
                                 "these shadow copies are gone when the session ends; add --keep SECONDS");
        status = transport_import(cli, &metadata, NULL, lease, &session, &result);
        if (status != EXIT_DONE && status != EXIT_PARTLY)
                return status;
        told = tell_imported(cli, session, lease, result);
        session = lease > 0 ? vss_session_free(session) : vss_session_release(session);
        return told == EXIT_DONE ? status : told;
}

static int tell_broken(Cli *cli, const char *set, bool masked, const vss_value *result) {
        const vss_value *volumes = vss_value_get(result, "volumes");

        if (cli->json)
                return cli_print_json(cli, result, false);
        printf("set %s is broken off%s\n", set, masked ? ", and hidden from this machine" : "");
        for (size_t i = 0; i < vss_value_count(volumes); i++) {
                const vss_value *volume = vss_value_at(volumes, i);

                fputs("    ", stdout);
                print_text(stdout, vss_value_string(volume, vss_value_get_string(volume, "volume", "?")));
                (void)fputc('\n', stdout);
        }
        return EXIT_DONE;
}

int verb_break(Cli *cli, int argc, char **argv) {
        bool writable = false, mask = false, revert_all = false, revert_none = false;
        const Option options[] = {
                OPTION("writable", OPTION_FLAG, NULL, "the volumes can be written to", &writable),
                OPTION("mask", OPTION_FLAG, NULL, "the volumes are hidden from this machine", &mask),
                OPTION("take-identity", OPTION_FLAG, NULL,
                       "they get the identity of their originals, which must be gone", &revert_all),
                OPTION("keep-identity", OPTION_FLAG, NULL, "they keep the identity they have", &revert_none),
        };
        _cleanup_value_ vss_value *result = NULL;
        vss_async *async = NULL;
        uint32_t flags;
        vss_result r;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (argc - index != 1)
                return cli_usage(cli, "name a set");
        if ((mask && (writable || revert_all || revert_none)) || (revert_all && revert_none))
                return cli_usage(
                        cli,
                        "--mask goes alone, and --take-identity and --keep-identity exclude each other");
        flags = (writable ? VSS_BREAKEX_FLAG_MAKE_READ_WRITE : 0) | (mask ? VSS_BREAKEX_FLAG_MASK_LUNS : 0) |
                (revert_all ? VSS_BREAKEX_FLAG_REVERT_IDENTITY_ALL : 0) |
                (revert_none ? VSS_BREAKEX_FLAG_REVERT_IDENTITY_NONE : 0);
        status = cli_connect(cli);
        if (status != EXIT_DONE)
                return status;
        r = vss_service_break_snapshot_set(cli->service, argv[index], flags, &async);
        status = await(cli, r, async, "breaking the set off", &result);
        return status == EXIT_DONE ? tell_broken(cli, argv[index], mask, result) : status;
}

/* Copies that should be gone with the revert and are not. */
static int tell_left(const vss_value *result) {
        const vss_value *failed = vss_value_get(result, "failed");

        for (size_t i = 0; i < vss_value_count(failed); i++)
                cli_note("%s: could not be deleted: %s",
                         vss_value_get_string(vss_value_at(failed, i), "id", "?"),
                         vss_value_get_string(vss_value_at(failed, i), "reason", "no reason given"));
        return vss_value_count(failed) > 0 ? EXIT_PARTLY : EXIT_DONE;
}

static int revert(Cli *cli, const char *id, bool force) {
        _cleanup_value_ vss_value *result = NULL;
        vss_async *async = NULL;
        vss_result r = vss_service_revert_to_snapshot(cli->service, id, force, &async);
        int status = await(cli, r, async, "reverting the volume", &result);

        if (status != EXIT_DONE)
                return status;
        if (cli->json)
                status = cli_print_json(cli, result, false);
        else {
                print_text(stdout, vss_value_get_string(result, "volume", "the volume"));
                printf(" is reverted to %s; %zu newer shadow copies are gone\n", id,
                       vss_value_count(vss_value_get(result, "deleted")));
        }
        return status == EXIT_DONE ? tell_left(result) : status;
}

static int tell_status(Cli *cli, const char *path) {
        _cleanup_(freep) char *volume = NULL;
        _cleanup_value_ vss_value *result = NULL;
        vss_async *async = NULL;
        vss_result r;
        int status = path_resolve(cli, path, &volume);

        if (status != EXIT_DONE)
                return status;
        r = vss_service_query_revert_status(cli->service, volume, &async);
        status = await(cli, r, async, "asking the providers", &result);
        if (status != EXIT_DONE)
                return status;
        if (cli->json)
                return cli_print_json(cli, result, false);
        print_text(stdout, vss_value_get_string(result, "volume", volume));
        if (vss_value_get_boolean(result, "in-progress", false))
                printf(": is being reverted to %s, %" PRId64 " percent are done\n",
                       vss_value_get_string(result, "snapshot", "?"),
                       vss_value_get_integer(result, "percent", 0));
        else
                printf(": no revert is under way\n");
        return EXIT_DONE;
}

int verb_revert(Cli *cli, int argc, char **argv) {
        bool force = false, asked = false;
        const Option options[] = {
                OPTION("force", OPTION_FLAG, NULL, "also while the volume is in use", &force),
                OPTION("status", OPTION_FLAG, NULL,
                       "only say how far the revert of the volume PATH has come", &asked),
        };
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (argc - index != 1 || (asked && force))
                return cli_usage(cli, "name one shadow copy, or with --status one volume");
        status = cli_connect(cli);
        if (status != EXIT_DONE)
                return status;
        return asked ? tell_status(cli, argv[index]) : revert(cli, argv[index], force);
}
