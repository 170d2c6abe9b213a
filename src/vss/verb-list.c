/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss list: what there is
 *
 * One row for each kind of thing: how it is asked for, and how it is shown.
 */

#include <string.h>
#include <strings.h>
#include "vss/listing.h"
#include "vss/options.h"
#include "vss/verb.h"

typedef struct Kind {
        const char *name;
        int (*fetch)(Cli *cli, const Filter *filter, vss_value **ret_result);
        void (*show)(const vss_value *result, const Filter *filter);
} Kind;

static int await(Cli *cli, vss_result r, vss_async *async, const char *step, vss_value **ret_result) {
        _cleanup_async_ vss_async *owned = async;

        if (r >= 0)
                r = cli_wait(cli, owned, step, ret_result);
        return r == VSS_S_OK ? EXIT_DONE : cli_fail(cli, r);
}

static int fetch_writers(Cli *cli, const Filter *filter, vss_value **ret_result) {
        vss_async *async = NULL;
        vss_result r = vss_service_list_writers(cli->service, &async);

        return await(cli, r, async, "asking the writers", ret_result);
}

static int fetch_providers(Cli *cli, const Filter *filter, vss_value **ret_result) {
        vss_async *async = NULL;
        vss_result r = vss_service_list_providers(cli->service, &async);

        return await(cli, r, async, "asking the providers", ret_result);
}

static int fetch_volumes(Cli *cli, const Filter *filter, vss_value **ret_result) {
        vss_async *async = NULL;
        vss_result r = vss_service_list_volumes(cli->service, &async);

        return await(cli, r, async, "asking the providers", ret_result);
}

static int fetch_shadows(Cli *cli, const Filter *filter, vss_value **ret_result) {
        _cleanup_value_ vss_value *query = vss_value_new_dict();
        vss_async *async = NULL;
        vss_result r = VSS_S_OK;
        int status;

        if (filter->set)
                r = vss_value_set_string(query, "set", filter->set);
        if (r >= 0 && filter->volume)
                r = vss_value_set_string(query, "volume", filter->volume);
        if (r >= 0 && filter->provider)
                r = vss_value_set_string(query, "provider", filter->provider);
        if (r < 0 || !query)
                return cli_out_of_memory(cli);
        r = vss_service_query(cli->service, query, &async);
        status = await(cli, r, async, "asking the providers", ret_result);
        if (status == EXIT_DONE && listing_name_attributes(*ret_result) < 0)
                return cli_out_of_memory(cli);
        return status;
}

static int fetch_sessions(Cli *cli, const Filter *filter, vss_value **ret_result) {
        _cleanup_value_ vss_value *result = vss_value_new_dict();
        vss_value *sessions = NULL;
        vss_result r = vss_service_list_sessions(cli->service, &sessions);

        if (r < 0)
                return cli_fail(cli, r);
        if (vss_value_set(result, "sessions", sessions) < 0)
                return cli_out_of_memory(cli);
        *ret_result = TAKE_PTR(result);
        return EXIT_DONE;
}

static int fetch_attached(Cli *cli, const Filter *filter, vss_value **ret_result) {
        vss_async *async = NULL;
        vss_result r = vss_service_list_attached(cli->service, &async);

        return await(cli, r, async, "asking the providers", ret_result);
}

static const Kind kinds[] = {
        { "writers", fetch_writers, show_writers },       { "components", fetch_writers, show_components },
        { "providers", fetch_providers, show_providers }, { "volumes", fetch_volumes, show_volumes },
        { "shadows", fetch_shadows, show_shadows },       { "sessions", fetch_sessions, show_sessions },
        { "attached", fetch_attached, show_attached },
};

/* A name is that of a writer, of its class for all instances, what people call it, or one of its ids. */
static bool is_called(const vss_value *writer, const char *wanted) {
        const char *name = vss_value_get_string(writer, "name", "?");
        size_t n = strcspn(name, ".");

        return strcasecmp(wanted, name) == 0 || (strncasecmp(wanted, name, n) == 0 && strlen(wanted) == n) ||
               strcasecmp(wanted, vss_value_get_string(writer, "friendly-name", "")) == 0 ||
               strcasecmp(wanted, vss_value_get_string(writer, "id", "")) == 0 ||
               strcasecmp(wanted, vss_value_get_string(writer, "instance-id", "")) == 0;
}

static int keep_writer(Cli *cli, const char *wanted, vss_value *result) {
        const vss_value *writers = vss_value_get(result, "writers");
        _cleanup_value_ vss_value *kept = vss_value_new_list();

        for (size_t i = 0; kept && i < vss_value_count(writers); i++)
                if (is_called(vss_value_at(writers, i), wanted) &&
                    vss_value_append(kept, vss_value_copy(vss_value_at(writers, i))) < 0)
                        return cli_out_of_memory(cli);
        if (kept && vss_value_count(kept) == 0)
                return cli_error_remedy(cli, VSS_E_OBJECT_NOT_FOUND, wanted,
                                        "Check the spelling; vss list writers shows all.",
                                        "there is no such writer");
        return !kept || vss_value_set(result, "writers", TAKE_PTR(kept)) < 0 ? cli_out_of_memory(cli)
                                                                             : EXIT_DONE;
}

/* Who did not answer, or may not take part, is missing in the list, and has to be known. */
static int tell_left_out(const vss_value *result) {
        const vss_value *rejected = vss_value_get(result, "rejected");

        for (size_t i = 0; i < vss_value_count(rejected); i++)
                cli_note("%s: left out: %s", vss_value_get_string(vss_value_at(rejected, i), "name", "?"),
                         vss_value_get_string(vss_value_at(rejected, i), "reason", "no reason given"));
        return vss_value_count(rejected) > 0 ? EXIT_PARTLY : EXIT_DONE;
}

static const Kind *find_kind(const char *word) {
        FOREACH_ELEMENT (kind, kinds)
                if (strcmp(kind->name, word) == 0)
                        return kind;
        return NULL;
}

int verb_list(Cli *cli, int argc, char **argv) {
        Filter filter = {};
        const Option options[] = {
                OPTION("set", OPTION_TEXT, "ID", "shadows: those of this set", &filter.set),
                OPTION("volume", OPTION_TEXT, "PATH", "shadows: those of this volume", &filter.volume),
                OPTION("provider", OPTION_TEXT, "NAME", "shadows: those of this provider", &filter.provider),
                OPTION("writer", OPTION_TEXT, "NAME", "writers, components: only this one", &filter.writer),
        };
        _cleanup_value_ vss_value *result = NULL;
        const Kind *kind;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (argc - index > 1)
                return cli_usage(cli, "'%s' is one word too many", argv[index + 1]);
        if (argc - index < 1)
                return cli_usage(
                        cli,
                        "name one of writers, components, providers, volumes, shadows, sessions, attached");
        kind = find_kind(argv[index]);
        if (!kind) {
                const char *names[ELEMENTS(kinds)], *near;

                for (size_t i = 0; i < ELEMENTS(kinds); i++)
                        names[i] = kinds[i].name;
                near = suggest_name(argv[index], names, ELEMENTS(names));
                return cli_usage(cli, "there are no '%s' to list%s%s%s", argv[index], near ? "; '" : "",
                                 near ?: "", near ? "' was meant, perhaps" : "");
        }

        status = cli_connect(cli);
        if (status == EXIT_DONE)
                status = kind->fetch(cli, &filter, &result);
        if (status == EXIT_DONE && filter.writer && kind->fetch == fetch_writers) {
                status = keep_writer(cli, filter.writer, result);
                if (status == EXIT_FAILED)
                        (void)tell_left_out(result); /* perhaps it is one of these */
        }
        if (status != EXIT_DONE)
                return status;
        if (cli->json)
                status = cli_print_json(cli, result, false);
        else
                kind->show(result, &filter);
        if (listing_tell_losses(result) && status == EXIT_DONE)
                status = EXIT_PARTLY;
        return status == EXIT_DONE ? tell_left_out(result) : status;
}
