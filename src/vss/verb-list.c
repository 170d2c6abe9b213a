/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss list: what there is
 *
 * One row for each kind of thing: how it is asked for, and how it is shown.
 */

#include <inttypes.h>
#include <string.h>
#include "vss/options.h"
#include "vss/output.h"
#include "vss/report.h"
#include "vss/selection.h"
#include "vss/verb.h"

typedef struct Filter {
        const char *set, *volume, *provider, *writer;
} Filter;

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

        if (filter->set)
                r = vss_value_set_string(query, "set", filter->set);
        if (r >= 0 && filter->volume)
                r = vss_value_set_string(query, "volume", filter->volume);
        if (r >= 0 && filter->provider)
                r = vss_value_set_string(query, "provider", filter->provider);
        if (r < 0 || !query)
                return cli_out_of_memory(cli);
        r = vss_service_query(cli->service, query, &async);
        return await(cli, r, async, "asking the providers", ret_result);
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

static bool is_filtered(const Filter *filter, const char *writer) {
        return filter->writer && strcasecmp(filter->writer, writer) != 0;
}

static void show_troubles(const vss_value *writer) {
        const vss_value *rights = vss_value_get(writer, "missing-rights"),
                        *warnings = vss_value_get(writer, "warnings"),
                        *dropped = vss_value_get(writer, "dropped");
        const char *name = vss_value_get_string(writer, "name", "?");

        for (size_t i = 0; i < vss_value_count(rights); i++) {
                print_text(stdout, name);
                fputs(": missing right: ", stdout);
                print_text(stdout, vss_value_get_string(vss_value_at(rights, i), "what", "?"));
                fputs("\n    ", stdout);
                print_text(stdout, vss_value_get_string(vss_value_at(rights, i), "remedy", ""));
                (void)fputc('\n', stdout);
        }
        for (size_t i = 0; i < vss_value_count(warnings); i++) {
                print_text(stdout, name);
                fputs(": warning: ", stdout);
                print_text(stdout, vss_value_string(vss_value_at(warnings, i), "?"));
                (void)fputc('\n', stdout);
        }
        for (size_t i = 0; i < vss_value_count(dropped); i++) {
                print_text(stdout, name);
                fputs(": dropped: ", stdout);
                print_text(stdout, vss_value_get_string(vss_value_at(dropped, i), "path", "?"));
                fputs(": ", stdout);
                print_text(stdout, vss_value_get_string(vss_value_at(dropped, i), "reason", ""));
                (void)fputc('\n', stdout);
        }
}

static void show_writers(const vss_value *result, const Filter *filter) {
        const vss_value *writers = vss_value_get(result, "writers");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "WRITER", "NAME", "VERSION", "STATE", "COMPONENTS", NULL);
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i);
                const char *name = vss_value_get_string(writer, "name", "?"), *state;
                char components[24];

                if (is_filtered(filter, name))
                        continue;
                state = vss_value_get_string(
                        writer, "state-name",
                        vss_writer_state_name((enum vss_writer_state)vss_value_get_integer(writer, "state",
                                                                                           VSS_WS_STABLE)));
                (void)snprintf(components, sizeof(components), "%zu",
                               vss_value_count(vss_value_get(writer, "components")));
                table_add(&table, name, vss_value_get_string(writer, "friendly-name", ""),
                          vss_value_get_string(writer, "version", ""), state, components, NULL);
        }
        table_print(&table, stdout);
        for (size_t i = 0; i < vss_value_count(writers); i++)
                if (!is_filtered(filter, vss_value_get_string(vss_value_at(writers, i), "name", "?")))
                        show_troubles(vss_value_at(writers, i));
}

static void show_components(const vss_value *result, const Filter *filter) {
        const vss_value *writers = vss_value_get(result, "writers");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "WRITER", "COMPONENT", "TYPE", "SELECTABLE", "FILES", "NOTE", NULL);
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i),
                                *components = vss_value_get(writer, "components");
                const char *name = vss_value_get_string(writer, "name", "?");

                for (size_t j = 0; !is_filtered(filter, name) && j < vss_value_count(components); j++) {
                        const vss_value *c = vss_value_at(components, j), *files = vss_value_get(c, "files");
                        _cleanup_(freep) char *path = component_path(
                                vss_value_get_string(c, "logical-path", ""),
                                vss_value_get_string(c, "name", ""));

                        table_add(&table, name, path ?: "?",
                                  component_type_name(vss_value_get_integer(c, "type", 0)),
                                  vss_value_get_boolean(c, "selectable", false) ? "yes" : "no",
                                  vss_value_get_string(vss_value_at(files, 0), "path", ""),
                                  vss_value_get_string(c, "crash-only", ""), NULL);
                }
        }
        table_print(&table, stdout);
}

static void show_providers(const vss_value *result, const Filter *filter) {
        const vss_value *providers = vss_value_get(result, "providers");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "PROVIDER", "NAME", "TYPE", "VERSION", "STATE", "CAPABILITIES", NULL);
        for (size_t i = 0; i < vss_value_count(providers); i++) {
                const vss_value *p = vss_value_at(providers, i);
                const char *message = vss_value_get_string(p, "message", "");
                _cleanup_(freep) char *capabilities = report_join(vss_value_get(p, "capabilities"));

                table_add(&table, vss_value_get_string(p, "name", "?"),
                          vss_value_get_string(p, "friendly-name", ""),
                          provider_type_name(vss_value_get_integer(p, "type", 0)),
                          vss_value_get_string(p, "version", ""), *message ? message : "ready",
                          capabilities, NULL);
        }
        table_print(&table, stdout);
}

static void show_volumes(const vss_value *result, const Filter *filter) {
        const vss_value *volumes = vss_value_get(result, "volumes");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "VOLUME", "TYPE", "SOURCE", "PROVIDER", "HOLD", "WHY NOT", NULL);
        for (size_t i = 0; i < vss_value_count(volumes); i++) {
                const vss_value *v = vss_value_at(volumes, i);
                bool supported = vss_value_get_boolean(v, "supported",
                                                       *vss_value_get_string(v, "provider", ""));
                _cleanup_(freep) char *reason = supported ? NULL : plan_volume_declined(v);

                table_add(&table, plan_volume_target(v), vss_value_get_string(v, "fs-type", ""),
                          vss_value_get_string(v, "source", ""), vss_value_get_string(v, "provider", ""),
                          supported ? vss_value_get_string(v, "hold", "") : "", reason ?: "", NULL);
        }
        table_print(&table, stdout);
}

static void show_shadows(const vss_value *result, const Filter *filter) {
        const vss_value *snapshots = vss_value_get(result, "snapshots");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "SHADOW COPY", "SET", "VOLUME", "PROVIDER", "CONTEXT", "CREATED", "DEVICE OBJECT",
                  NULL);
        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *s = vss_value_at(snapshots, i);
                char created[DATE_SIZE];

                table_add(&table, vss_value_get_string(s, "id", "?"), vss_value_get_string(s, "set", ""),
                          vss_value_get_string(s, "volume", vss_value_get_string(s, "mount-point", "")),
                          vss_value_get_string(s, "provider", ""),
                          context_name((uint32_t)vss_value_get_integer(s, "context", -1)),
                          format_date(vss_value_get_integer(s, "created", 0), created),
                          vss_value_get_string(s, "device-object", ""), NULL);
        }
        table_print(&table, stdout);
}

static void show_sessions(const vss_value *result, const Filter *filter) {
        const vss_value *sessions = vss_value_get(result, "sessions");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "SESSION", "LABEL", "OWNER", "PID", "STATE", "SET", "AGE", "LEASE", NULL);
        for (size_t i = 0; i < vss_value_count(sessions); i++) {
                const vss_value *s = vss_value_at(sessions, i);
                int64_t lease = vss_value_get_integer(s, "lease-usec", 0);
                char owner[24], pid[24], age[DURATION_SIZE], left[DURATION_SIZE];

                (void)snprintf(owner, sizeof(owner), "%" PRId64, vss_value_get_integer(s, "owner", -1));
                (void)snprintf(pid, sizeof(pid), "%" PRId64, vss_value_get_integer(s, "pid", 0));
                table_add(&table, vss_value_get_string(s, "id", "?"), vss_value_get_string(s, "label", ""),
                          owner, pid, vss_value_get_string(s, "state", ""),
                          vss_value_get_string(s, "set", ""),
                          format_duration(vss_value_get_integer(s, "age-usec", -1), age),
                          lease > 0 ? format_duration(lease, left) : "", NULL);
        }
        table_print(&table, stdout);
}

static const Kind kinds[] = {
        { "writers", fetch_writers, show_writers },       { "components", fetch_writers, show_components },
        { "providers", fetch_providers, show_providers }, { "volumes", fetch_volumes, show_volumes },
        { "shadows", fetch_shadows, show_shadows },       { "sessions", fetch_sessions, show_sessions },
};

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
        if (argc - index != 1)
                return cli_usage(cli,
                                 "name one of writers, components, providers, volumes, shadows, sessions");
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
        if (status != EXIT_DONE)
                return status;
        if (cli->json)
                status = cli_print_json(cli, result, false);
        else
                kind->show(result, &filter);
        return status == EXIT_DONE ? tell_left_out(result) : status;
}
