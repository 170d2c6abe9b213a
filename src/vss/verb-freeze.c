/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss freeze, vss thaw: a hold for an agent that has the storage copied by other means
 */

#include <string.h>
#include "util/clock.h"
#include "vss/options.h"
#include "vss/output.h"
#include "vss/paths.h"
#include "vss/verb.h"

typedef struct FreezeOptions {
        Strings writers, paths, resolved, cgroups;
        uint32_t lease;
        const char *renew;
} FreezeOptions;

static void freeze_options_clear(FreezeOptions *o) {
        strings_clear(&o->writers);
        strings_clear(&o->paths);
        strings_clear(&o->resolved);
        strings_clear(&o->cgroups);
}

static vss_result set_list(vss_value *dict, const char *key, const Strings *strings) {
        vss_value *list;

        if (strings->n == 0)
                return VSS_S_OK;
        list = value_require(dict, key, VSS_KIND_LIST);
        for (size_t i = 0; i < strings->n; i++)
                if (!list || value_append_string(list, strings->items[i]) < 0)
                        return VSS_E_OUTOFMEMORY;
        return VSS_S_OK;
}

/* Nothing named: every writer there is. */
static int name_all_writers(Cli *cli, FreezeOptions *o) {
        _cleanup_async_ vss_async *async = NULL;
        _cleanup_value_ vss_value *result = NULL;
        const vss_value *writers;
        vss_result r = vss_service_list_writers(cli->service, &async);

        if (r >= 0)
                r = cli_wait(cli, async, "asking the writers", &result);
        if (r != VSS_S_OK)
                return cli_fail(cli, r);
        writers = vss_value_get(result, "writers");
        for (size_t i = 0; i < vss_value_count(writers); i++)
                if (strings_add(&o->writers, vss_value_get_string(vss_value_at(writers, i), "name", "")) < 0)
                        return cli_out_of_memory(cli);
        if (o->writers.n == 0)
                return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, NULL,
                                 "there is no writer to freeze; name a file system with --fs");
        return EXIT_DONE;
}

static int report_freeze(Cli *cli, const vss_value *result, uint32_t lease) {
        char until[DATE_SIZE];

        if (cli->json)
                return cli_print_json(cli, result, false);
        printf("%s\n", vss_value_get_string(result, "token", ""));
        cli_note("held until %s at the latest; end it with: vss thaw TOKEN",
                 format_date((int64_t)(clock_usec(CLOCK_REALTIME) + lease * USEC_PER_SEC), until));
        return EXIT_DONE;
}

int verb_freeze(Cli *cli, int argc, char **argv) {
        _cleanup_(freeze_options_clear) FreezeOptions o = {};
        const Option options[] = {
                OPTION_RANGE("lease", OPTION_NUMBER, "SECONDS",
                             "thaw by itself after this time, whatever happens", &o.lease, 1, 3600),
                OPTION("writer", OPTION_LIST, "NAME",
                       "hold this writer; by default those with files on the paths", &o.writers),
                OPTION("fs", OPTION_LIST, "PATH", "hold the file system of this path", &o.paths),
                OPTION("cgroup", OPTION_LIST, "PATH", "stop this control group", &o.cgroups),
                OPTION("renew", OPTION_TEXT, "TOKEN", "only give this freeze a new --lease, from now on",
                       &o.renew),
        };
        _cleanup_value_ vss_value *request = vss_value_new_dict(), *result = NULL;
        _cleanup_async_ vss_async *async = NULL;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);
        vss_result r;

        if (index < 0)
                return status;
        if (argc != index)
                return cli_usage(cli, "'%s' is too much; file systems are named with --fs", argv[index]);
        if (o.lease == 0)
                return cli_usage(cli, "say with --lease SECONDS when the freeze ends by itself");
        status = paths_resolve(cli, &o.paths, &o.resolved);
        if (status == EXIT_DONE)
                status = cli_connect(cli);
        if (status == EXIT_DONE && o.renew) {
                r = vss_service_renew(cli->service, o.renew, o.lease);
                return r == VSS_S_OK ? EXIT_DONE : cli_fail(cli, r);
        }
        if (status == EXIT_DONE && o.writers.n + o.resolved.n + o.cgroups.n == 0)
                status = name_all_writers(cli, &o);
        if (status != EXIT_DONE)
                return status;

        if (!request || set_list(request, "writers", &o.writers) < 0 ||
            set_list(request, "paths", &o.resolved) < 0 || set_list(request, "cgroups", &o.cgroups) < 0)
                return cli_out_of_memory(cli);
        r = vss_service_freeze(cli->service, o.lease, request, &async);
        if (r >= 0)
                r = cli_wait(cli, async, "freezing", &result);
        return r == VSS_S_OK ? report_freeze(cli, result, o.lease) : cli_fail(cli, r);
}

/* What was let go before its time was not held for whoever copied the storage meanwhile. */
static int report_thaw(Cli *cli, const vss_value *result) {
        bool to_the_end = vss_value_get_boolean(result, "held-to-the-end", false);
        const vss_value *targets = vss_value_get(result, "targets");
        char held[DURATION_SIZE];
        int status = EXIT_DONE;

        if (cli->json)
                status = cli_print_json(cli, result, false);
        else
                printf("thawed after %s\n",
                       format_duration(vss_value_get_integer(result, "held-usec", 0), held));
        for (size_t i = 0; i < vss_value_count(targets); i++) {
                const vss_value *target = vss_value_at(targets, i);
                const char *reason = vss_value_get_string(target, "reason", "");

                if (*reason)
                        cli_note("%s: %s", vss_value_get_string(target, "what", "?"), reason);
        }
        if (status == EXIT_DONE && !to_the_end) {
                cli_note("the hold did not last to the end: what was copied meanwhile is not consistent");
                return EXIT_PARTLY;
        }
        return status;
}

int verb_thaw(Cli *cli, int argc, char **argv) {
        _cleanup_async_ vss_async *async = NULL;
        _cleanup_value_ vss_value *result = NULL;
        int status = EXIT_DONE, index = options_parse(cli, NULL, 0, argc, argv, &status);
        vss_result r;

        if (index < 0)
                return status;
        if (argc - index > 1)
                return cli_usage(cli, "name one token, or none for whatever is held");
        status = cli_connect(cli);
        if (status != EXIT_DONE)
                return status;

        r = vss_service_thaw(cli->service, argc > index ? argv[index] : NULL, &async);
        if (r >= 0)
                r = cli_wait(cli, async, "thawing", &result);
        return r == VSS_S_OK ? report_thaw(cli, result) : cli_fail(cli, r);
}
