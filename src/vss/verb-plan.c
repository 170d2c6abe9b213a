/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss plan: what a set would be, without making one
 */

#include <string.h>
#include "vss/options.h"
#include "vss/paths.h"
#include "vss/report.h"
#include "vss/selection.h"
#include "vss/verb.h"

typedef struct PlanOptions {
        Strings paths, writers, excluded, wanted;
        const char *provider;
        uint32_t context;
        vss_value *metadata; /* of the writers, with --writer or --exclude-writer */
        Selection selection;
} PlanOptions;

static void plan_options_clear(PlanOptions *o) {
        strings_clear(&o->paths);
        strings_clear(&o->writers);
        strings_clear(&o->excluded);
        strings_clear(&o->wanted);
        selection_clear(&o->selection);
        o->metadata = vss_value_free(o->metadata);
}

static int tell_problem(Cli *cli, const char *problem) {
        return problem ? cli_error(cli, VSS_E_OBJECT_NOT_FOUND, NULL, "%s", problem)
                       : cli_out_of_memory(cli);
}

/* The directories of the components that --writer names. */
static int add_component_paths(Cli *cli, PlanOptions *o) {
        _cleanup_async_ vss_async *async = NULL;
        _cleanup_(freep) char *problem = NULL;
        vss_result r;

        r = vss_service_list_writers(cli->service, &async);
        if (r >= 0)
                r = cli_wait(cli, async, "asking the writers", &o->metadata);
        if (r != VSS_S_OK)
                return cli_fail(cli, r);
        if (o->writers.n == 0)
                return EXIT_DONE;
        if (selection_make(vss_value_get(o->metadata, "writers"), &o->writers, &o->selection, &problem) <
                    0 ||
            selection_limit(&o->selection, vss_value_get(o->metadata, "writers"), NULL, &o->excluded,
                            &problem) < 0)
                return tell_problem(cli, problem);
        for (size_t i = 0; i < o->selection.paths.n; i++) {
                _cleanup_(freep) char *resolved = realpath(o->selection.paths.items[i], NULL);

                if (resolved && strings_add_once(&o->wanted, resolved) < 0)
                        return cli_out_of_memory(cli);
        }
        return o->wanted.n > 0
                       ? EXIT_DONE
                       : cli_error(cli, VSS_E_OBJECT_NOT_FOUND, NULL, "the components chosen have no files");
}

/* Which components could be had from the volumes that somebody takes. */
static int add_participation(Cli *cli, PlanOptions *o, vss_value *plan) {
        const vss_value *volumes = vss_value_get(plan, "volumes"),
                        *writers = vss_value_get(o->metadata, "writers");
        _cleanup_(freep) int64_t *devices = calloc(vss_value_count(volumes) + 1, sizeof(*devices));
        SelectionVolumes supported = { devices, 0 };
        _cleanup_(freep) char *problem = NULL;
        int r;

        if (!devices)
                return cli_out_of_memory(cli);
        for (size_t i = 0; i < vss_value_count(volumes); i++)
                if (vss_value_get_boolean(vss_value_at(volumes, i), "supported", false))
                        devices[supported.n++] = vss_value_get_integer(vss_value_at(volumes, i), "device",
                                                                       -1);
        if (o->writers.n > 0)
                r = selection_limit(&o->selection, writers, &supported, &o->excluded, &problem);
        else
                r = selection_make_all(writers, &supported, &o->excluded, &o->selection, &problem);
        if (r < 0)
                return tell_problem(cli, problem);
        return vss_value_set(plan, "participation", vss_value_copy(o->selection.participation)) < 0
                       ? cli_out_of_memory(cli)
                       : EXIT_DONE;
}

static int ask_plan(Cli *cli, const PlanOptions *o, vss_value **ret_plan) {
        _cleanup_value_ vss_value *options = vss_value_new_dict();
        _cleanup_async_ vss_async *async = NULL;
        vss_result r;

        r = vss_value_set_integer(options, "context", o->context);
        if (r >= 0)
                r = vss_value_set_boolean(options, "writers", !(o->context & VSS_VOLSNAP_ATTR_NO_WRITERS));
        if (r >= 0 && o->provider)
                r = vss_value_set_string(options, "provider", o->provider);
        if (r < 0)
                return cli_out_of_memory(cli);
        r = vss_service_plan(cli->service, (const char *const *)o->wanted.items, o->wanted.n, options,
                             &async);
        if (r >= 0)
                r = cli_wait(cli, async, "looking at the volumes", ret_plan);
        return r == VSS_S_OK ? EXIT_DONE : cli_fail(cli, r);
}

/* A plan with a volume that nobody takes is an answer all the same, but not a good one. */
static int judge_plan(const PlanOptions *o, const vss_value *plan) {
        const vss_value *volumes = vss_value_get(plan, "volumes");

        if (vss_value_count(o->selection.left_out) > 0)
                return EXIT_PARTLY;
        for (size_t i = 0; i < vss_value_count(volumes); i++)
                if (!vss_value_get_boolean(vss_value_at(volumes, i), "supported", false))
                        return EXIT_PARTLY;
        return EXIT_DONE;
}

int verb_plan(Cli *cli, int argc, char **argv) {
        _cleanup_(plan_options_clear) PlanOptions o = { .context = VSS_CTX_APP_ROLLBACK };
        const Option options[] = {
                OPTION("writer", OPTION_LIST, "NAME[:/PATH]", "plan for this writer, or one component of it",
                       &o.writers),
                OPTION("exclude-writer", OPTION_LIST, "NAME[:/PATH]", "leave this writer, or component, out",
                       &o.excluded),
                OPTION("provider", OPTION_TEXT, "NAME", "with this provider", &o.provider),
                OPTION("context", OPTION_CONTEXT, "CONTEXT", "for this context (default app-rollback)",
                       &o.context),
        };
        _cleanup_value_ vss_value *plan = NULL;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        for (int i = index; i < argc; i++)
                if (strings_add(&o.paths, argv[i]) < 0)
                        return cli_out_of_memory(cli);
        if (o.paths.n == 0 && o.writers.n == 0)
                return cli_usage(cli, "name a path, a volume, or a --writer");

        status = paths_resolve(cli, &o.paths, &o.wanted);
        if (status == EXIT_DONE)
                status = cli_connect(cli);
        if (status == EXIT_DONE && o.writers.n + o.excluded.n > 0)
                status = add_component_paths(cli, &o);
        if (status == EXIT_DONE)
                status = ask_plan(cli, &o, &plan);
        if (status == EXIT_DONE && o.metadata)
                status = add_participation(cli, &o, plan);
        if (status != EXIT_DONE)
                return status;

        if (cli->json)
                status = cli_print_json(cli, plan, false);
        else
                report_plan(stdout, plan);
        if (status == EXIT_DONE && !cli->json)
                report_participation(stdout, vss_value_get(plan, "participation"));
        return status == EXIT_DONE ? judge_plan(&o, plan) : status;
}
