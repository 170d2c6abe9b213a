/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss doctor: what is amiss on this machine
 *
 * A service that cannot be reached is a finding like any other, so that the answer always has the same form.
 */

#include "vss/options.h"
#include "vss/output.h"
#include "vss/verb.h"

static int add_unreachable(Cli *cli, vss_result reason, vss_value **ret_result) {
        _cleanup_value_ vss_value *result = vss_value_new_dict(), *check = vss_value_new_dict();
        vss_value *checks = value_require(result, "checks", VSS_KIND_LIST);
        const char *message = cli->service ? vss_service_error_message(cli->service) : NULL;

        if (!checks || vss_value_set_string(check, "name", "service") < 0 ||
            vss_value_set_boolean(check, "ok", false) < 0 ||
            vss_value_set_string(check, "text", message && *message ? message : vss_result_text(reason)) <
                    0 ||
            vss_value_set_string(check, "remedy", vss_result_remedy(reason)) < 0 ||
            vss_value_append(checks, TAKE_PTR(check)) < 0)
                return cli_out_of_memory(cli);
        *ret_result = TAKE_PTR(result);
        return EXIT_DONE;
}

static void show(const vss_value *checks) {
        for (size_t i = 0; i < vss_value_count(checks); i++) {
                const vss_value *check = vss_value_at(checks, i);
                bool ok = vss_value_get_boolean(check, "ok", false);
                const char *remedy = vss_value_get_string(check, "remedy", "");
                const char *text = vss_value_get_string(check, "text", "");

                printf("%-6s ", ok ? "ok" : "AMISS");
                print_text(stdout, vss_value_get_string(check, "name", "?"));
                if (*text) {
                        fputs(": ", stdout);
                        print_text(stdout, text);
                }
                (void)fputc('\n', stdout);
                if (!ok && *remedy) {
                        fputs("       ", stdout);
                        print_text(stdout, remedy);
                        (void)fputc('\n', stdout);
                }
        }
}

int verb_doctor(Cli *cli, int argc, char **argv) {
        _cleanup_async_ vss_async *async = NULL;
        _cleanup_value_ vss_value *result = NULL;
        const vss_value *checks;
        int status = EXIT_DONE, index = options_parse(cli, NULL, 0, argc, argv, &status),
            verdict = EXIT_DONE;
        vss_result r;

        if (index < 0)
                return status;
        if (argc != index)
                return cli_usage(cli, "'%s' is too much", argv[index]);
        r = vss_service_connect(&cli->service);
        if (r >= 0)
                r = vss_service_doctor(cli->service, &async);
        if (r >= 0)
                r = cli_wait(cli, async, "looking around", &result);
        if (r == VSS_E_SERVICE_UNAVAILABLE) {
                verdict = EXIT_FAILED;
                status = add_unreachable(cli, r, &result);
        } else if (r != VSS_S_OK)
                return cli_fail(cli, r);

        checks = vss_value_get(result, "checks");
        for (size_t i = 0; verdict == EXIT_DONE && i < vss_value_count(checks); i++)
                if (!vss_value_get_boolean(vss_value_at(checks, i), "ok", false))
                        verdict = EXIT_PARTLY;
        if (status == EXIT_DONE && cli->json)
                status = cli_print_json(cli, result, false);
        else if (status == EXIT_DONE)
                show(checks);
        return status == EXIT_DONE ? verdict : status;
}
