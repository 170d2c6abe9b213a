/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands of scripts: settings, and what the next set shall be of
 */

#include <string.h>
#include <sys/stat.h>
#include "vss/attributes.h"
#include "vss/output.h"
#include "vss/paths.h"
#include "vss/report.h"
#include "vss/script-run.h"

#define RULES_MAX 1024u

static void print_pair(const char *label, const char *text) {
        printf("%-10s ", label);
        print_text(stdout, text);
        (void)fputc('\n', stdout);
}

static void print_settings(const ScriptRun *run, const vss_value *names) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        for (size_t i = 0; out && i < vss_value_count(names); i++)
                fprintf(out, "%s%s", i > 0 ? " " : "", vss_value_string(vss_value_at(names, i), ""));
        if (out)
                (void)fclose(out);
        print_pair("context", context_name(run->context));
        print_pair("options", text && *text ? text : "none");
        print_pair("metadata", run->metadata ?: "none");
        print_pair("verbose", run->verbose ? "on" : "off");
        for (size_t i = 0; i < run->n_rules; i++)
                print_pair(run->rules[i].verify ? "verify" : "exclude", run->rules[i].writer);
        free(text);
}

static int tell_settings(ScriptRun *run, vss_value *answer) {
        vss_value *names = attribute_names(run->context | run->attributes);

        if (vss_value_set_string(answer, "context", context_name(run->context)) < 0 ||
            vss_value_set(answer, "options", names) < 0 ||
            vss_value_set_string(answer, "metadata", run->metadata ?: "") < 0 ||
            vss_value_set_boolean(answer, "verbose", run->verbose) < 0)
                return cli_out_of_memory(run->cli);
        if (script_in_words(run))
                print_settings(run, names);
        return EXIT_DONE;
}

static int set_metadata(ScriptRun *run, const char *path) {
        int status = metadata_check_new(run->cli, path);
        char *copy;

        if (status != EXIT_DONE)
                return status;
        copy = strdup(path);
        if (!copy)
                return cli_out_of_memory(run->cli);
        free(run->metadata);
        run->metadata = copy;
        return EXIT_DONE;
}

int script_set(ScriptRun *run, const ScriptCommand *command, vss_value *answer) {
        switch (command->verb) {
        case SCRIPT_SET_CONTEXT:
                run->context = command->attributes;
                return EXIT_DONE;
        case SCRIPT_SET_OPTION:
                run->attributes = command->attributes;
                return EXIT_DONE;
        case SCRIPT_SET_METADATA:
                return set_metadata(run, command->object);
        case SCRIPT_SET_VERBOSE:
                run->verbose = command->on;
                return EXIT_DONE;
        default:
                return tell_settings(run, answer);
        }
}

int script_writer(ScriptRun *run, const ScriptCommand *command, vss_value *answer) {
        ScriptRule *rules;

        if (run->n_rules == RULES_MAX)
                return cli_error(run->cli, VSS_E_INVALIDARG, NULL, "%u rules for writers are the most",
                                 RULES_MAX);
        rules = reallocarray(run->rules, run->n_rules + 1, sizeof(*rules));
        if (!rules)
                return cli_out_of_memory(run->cli);
        run->rules = rules;
        rules[run->n_rules] = (ScriptRule){ .verify = command->verb == SCRIPT_WRITER_VERIFY,
                                            .writer = strdup(command->object),
                                            .line = run->cli->line };
        return rules[run->n_rules].writer ? (run->n_rules++, EXIT_DONE) : cli_out_of_memory(run->cli);
}

/* ---- add ---- */

static vss_value *describe_volume(const ScriptVolume *volume) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();

        if (vss_value_set_string(entry, "volume", volume->path) < 0 ||
            vss_value_set_string(entry, "alias", volume->alias ?: "") < 0 ||
            vss_value_set_string(entry, "provider", volume->provider ?: "") < 0)
                return NULL;
        return TAKE_PTR(entry);
}

static int tell_added(ScriptRun *run, vss_value *answer) {
        vss_value *volumes = value_require(answer, "volumes", VSS_KIND_LIST),
                  *aliases = value_require(answer, "aliases", VSS_KIND_DICT);
        _cleanup_(table_clear) Table table = {}, names = {};

        if (!volumes || !aliases)
                return cli_out_of_memory(run->cli);
        table_add(&table, "VOLUME", "ALIAS", "PROVIDER", NULL);
        for (size_t i = 0; i < run->n_volumes; i++) {
                const ScriptVolume *volume = &run->volumes[i];

                table_add(&table, volume->path, volume->alias ?: "", volume->provider ?: "", NULL);
                if (vss_value_append(volumes, describe_volume(volume)) < 0)
                        return cli_out_of_memory(run->cli);
        }
        table_add(&names, "ALIAS", "VALUE", NULL);
        for (size_t i = 0; i < run->n_aliases; i++) {
                table_add(&names, run->aliases[i].name, run->aliases[i].value, NULL);
                if (vss_value_set_string(aliases, run->aliases[i].name, run->aliases[i].value) < 0)
                        return cli_out_of_memory(run->cli);
        }
        if (script_in_words(run)) {
                table_print(&table, stdout);
                table_print(&names, stdout);
        }
        return EXIT_DONE;
}

/* The volume that holds the path itself, among those of its plan. */
static const vss_value *find_planned(const vss_value *plan, const char *path) {
        const vss_value *volumes = vss_value_get(plan, "volumes"), *found = NULL;
        size_t longest = 0;

        for (size_t i = 0; i < vss_value_count(volumes); i++) {
                const char *target = plan_volume_target(vss_value_at(volumes, i));

                if (path_is_within(path, target) && strlen(target) >= longest) {
                        longest = strlen(target);
                        found = vss_value_at(volumes, i);
                }
        }
        return found;
}

/* Asked before anything is begun, so that the line that names a volume is the one that fails. */
static int check_volume(ScriptRun *run, const char *path, const char *provider, char **ret_target) {
        _cleanup_value_ vss_value *options = vss_value_new_dict(), *plan = NULL;
        _cleanup_async_ vss_async *async = NULL;
        _cleanup_(freep) char *reason = NULL;
        const vss_value *volume;
        vss_result r;
        int status = cli_connect(run->cli);

        if (status != EXIT_DONE)
                return status;
        if (vss_value_set_integer(options, "context", run->context) < 0 ||
            (provider && vss_value_set_string(options, "provider", provider) < 0))
                return cli_out_of_memory(run->cli);
        r = vss_service_plan(run->cli->service, &path, 1, options, &async);
        if (r >= 0)
                r = cli_wait(run->cli, async, "looking at the volume", &plan);
        if (r != VSS_S_OK)
                return cli_fail(run->cli, r);
        volume = find_planned(plan, path);
        if (!volume)
                return cli_error(run->cli, VSS_E_VOLUME_NOT_SUPPORTED, path,
                                 "this is on no volume that could be copied; vss plan says why");
        if (vss_value_get_boolean(volume, "supported", false)) {
                *ret_target = strdup(plan_volume_target(volume));
                return *ret_target ? EXIT_DONE : cli_out_of_memory(run->cli);
        }
        reason = plan_volume_declined(volume);
        return cli_error(run->cli,
                         provider ? VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER : VSS_E_VOLUME_NOT_SUPPORTED,
                         path, "no provider takes this volume: %s", reason ?: "out of memory");
}

static int check_not_added(ScriptRun *run, const char *target, const char *alias) {
        struct stat st, other;

        if (stat(target, &st) < 0)
                return cli_error(run->cli, VSS_E_OBJECT_NOT_FOUND, target, "%s", strerror(errno));
        for (size_t i = 0; i < run->n_volumes; i++) {
                const ScriptVolume *volume = &run->volumes[i];

                if (stat(volume->path, &other) == 0 && other.st_dev == st.st_dev)
                        return cli_error(run->cli, VSS_E_OBJECT_ALREADY_EXISTS, target,
                                         "line %u has added this volume already", volume->line);
                if (alias && volume->alias && script_name_equal(alias, volume->alias))
                        return cli_error(run->cli, VSS_E_OBJECT_ALREADY_EXISTS, target,
                                         "line %u has given the alias %s to %s", volume->line, alias,
                                         volume->path);
        }
        if (run->n_volumes == VSS_VOLUMES_MAX)
                return cli_error(run->cli, VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED, target,
                                 "a set has %u volumes at most", VSS_VOLUMES_MAX);
        return EXIT_DONE;
}

static int add_volume(ScriptRun *run, const ScriptCommand *command) {
        _cleanup_(freep) char *path = NULL, *target = NULL;
        ScriptVolume *volumes, *added;
        int status;

        if (run->set_made)
                return cli_error(
                        run->cli, VSS_E_BAD_STATE, NULL,
                        "the set of the backup that line %u began is made; end backup or reset comes first",
                        run->begun);
        status = path_resolve(run->cli, command->object, &path);
        if (status == EXIT_DONE)
                status = check_volume(run, path, command->provider, &target);
        if (status == EXIT_DONE)
                status = check_not_added(run, target, command->alias);
        if (status != EXIT_DONE)
                return status;

        volumes = reallocarray(run->volumes, run->n_volumes + 1, sizeof(*volumes));
        if (!volumes)
                return cli_out_of_memory(run->cli);
        run->volumes = volumes;
        added = &volumes[run->n_volumes++];
        *added = (ScriptVolume){ .path = TAKE_PTR(target), .line = run->cli->line };
        if ((command->alias && !(added->alias = strdup(command->alias))) ||
            (command->provider && !(added->provider = strdup(command->provider))))
                return cli_out_of_memory(run->cli);
        return EXIT_DONE;
}

int script_add(ScriptRun *run, const ScriptCommand *command, vss_value *answer) {
        if (command->verb == SCRIPT_ADD_VOLUME)
                return add_volume(run, command);
        if (command->verb == SCRIPT_ADD_ALIAS)
                return script_set_alias(run, command->object, command->target);
        return tell_added(run, answer);
}
