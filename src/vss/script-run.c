/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Scripts at work: from line to line
 *
 * Each line is expanded when its turn comes, since what it refers to may be made by the one before. The first
 * command that fails ends a script; what was begun then ends with its sessions, so that writers are told.
 */

#include <string.h>
#include "vss/output.h"
#include "vss/script-run.h"

static const ScriptHandler handlers[SCRIPT_VERBS] = {
        [SCRIPT_SET] = script_set,
        [SCRIPT_SET_CONTEXT] = script_set,
        [SCRIPT_SET_OPTION] = script_set,
        [SCRIPT_SET_METADATA] = script_set,
        [SCRIPT_SET_VERBOSE] = script_set,
        [SCRIPT_LOAD_METADATA] = script_restore,
        [SCRIPT_WRITER_VERIFY] = script_writer,
        [SCRIPT_WRITER_EXCLUDE] = script_writer,
        [SCRIPT_BEGIN_BACKUP] = script_backup,
        [SCRIPT_END_BACKUP] = script_backup,
        [SCRIPT_BEGIN_RESTORE] = script_restore,
        [SCRIPT_END_RESTORE] = script_restore,
        [SCRIPT_SIMULATE_RESTORE] = script_restore,
        [SCRIPT_ADD] = script_add,
        [SCRIPT_ADD_VOLUME] = script_add,
        [SCRIPT_ADD_ALIAS] = script_add,
        [SCRIPT_CREATE] = script_create,
        [SCRIPT_EXEC] = script_exec,
        [SCRIPT_IMPORT] = script_transport,
        [SCRIPT_MASK] = script_transport,
        [SCRIPT_BREAK] = script_transport,
        [SCRIPT_EXPOSE] = script_expose,
        [SCRIPT_UNEXPOSE] = script_expose,
        [SCRIPT_REVERT] = script_transport,
        [SCRIPT_LIST_WRITERS] = script_list,
        [SCRIPT_LIST_SHADOWS] = script_list,
        [SCRIPT_LIST_PROVIDERS] = script_list,
        [SCRIPT_DELETE_SHADOWS] = script_delete,
        [SCRIPT_RESET] = NULL, /* these three here */
        [SCRIPT_EXIT] = NULL,
        [SCRIPT_HELP] = NULL,
};

bool script_in_words(const ScriptRun *run) {
        return !run->commands;
}

int script_await(ScriptRun *run, vss_result r, vss_async *async, const char *step, vss_value **ret_result) {
        _cleanup_async_ vss_async *owned = async;

        if (r >= 0)
                r = cli_wait(run->cli, owned, step, ret_result);
        return r == VSS_S_OK ? EXIT_DONE : cli_fail(run->cli, r);
}

int script_tell(ScriptRun *run, vss_value *answer, const vss_value *result) {
        for (size_t i = 0; i < vss_value_count(result); i++)
                if (vss_value_set(answer, vss_value_key_at(result, i),
                                  vss_value_copy(vss_value_at(result, i))) < 0)
                        return cli_out_of_memory(run->cli);
        return EXIT_DONE;
}

/* ---- variables ---- */

int script_set_alias(ScriptRun *run, const char *name, const char *value) {
        ScriptAlias *aliases, *alias = NULL;
        char *copy = strdup(value);

        if (!copy)
                return cli_out_of_memory(run->cli);
        for (size_t i = 0; i < run->n_aliases; i++)
                if (script_name_equal(run->aliases[i].name, name))
                        alias = &run->aliases[i];
        if (alias) {
                free(alias->value);
                alias->value = copy;
                return EXIT_DONE;
        }
        aliases = reallocarray(run->aliases, run->n_aliases + 1, sizeof(*aliases));
        if (aliases)
                run->aliases = aliases;
        if (!aliases || !(aliases[run->n_aliases].name = strdup(name))) {
                free(copy);
                return cli_out_of_memory(run->cli);
        }
        aliases[run->n_aliases++].value = copy;
        return EXIT_DONE;
}

/* An alias, an argument of the script, or what the environment has. */
static const char *look_up(void *userdata, const char *name) {
        static const char prefix[] = "DISKSH_PARAM_";
        const ScriptRun *run = userdata;
        char start[sizeof(prefix)];

        for (size_t i = 0; i < run->n_aliases; i++)
                if (script_name_equal(run->aliases[i].name, name))
                        return run->aliases[i].value;
        (void)snprintf(start, sizeof(start), "%s", name);
        if (script_name_equal(start, prefix)) {
                const char *digits = name + strlen(prefix);
                unsigned long n = strspn(digits, "0123456789") == strlen(digits) && strlen(digits) < 5
                                          ? strtoul(digits, NULL, 10)
                                          : 0;

                return n > 0 && n <= run->arguments.n ? run->arguments.items[n - 1] : NULL;
        }
        return getenv(name);
}

/* ---- the end of things ---- */

void script_free_set(ScriptSet *set) {
        backup_clear(&set->backup);
        backup_options_clear(&set->options);
        for (size_t i = 0; i < set->options.n_exact; i++)
                free((char *)set->volumes[i].path), free((char *)set->volumes[i].provider);
        free(set->volumes);
        free(set->verified);
        free(set->documents);
        free(set);
}

void script_reset(ScriptRun *run) {
        for (size_t i = 0; i < run->n_aliases; i++) {
                free(run->aliases[i].name);
                free(run->aliases[i].value);
        }
        for (size_t i = 0; i < run->n_rules; i++)
                free(run->rules[i].writer);
        for (size_t i = 0; i < run->n_volumes; i++) {
                free(run->volumes[i].path);
                free(run->volumes[i].alias);
                free(run->volumes[i].provider);
        }
        for (size_t i = run->n_sets; i-- > 0;)
                script_free_set(run->sets[i]);
        free(run->aliases);
        free(run->rules);
        free(run->volumes);
        free(run->sets);
        free(run->metadata);
        metadata_clear(&run->documents);
        selection_clear(&run->restored);
        run->restore = vss_session_release(run->restore);
        for (size_t i = run->n_imports; i-- > 0;)
                (void)vss_session_release(run->imports[i]);
        free(run->imports);
        *run = (ScriptRun){
                .cli = run->cli,
                .arguments = run->arguments,
                .wait = run->wait,
                .interactive = run->interactive,
                .stdin_is_script = run->stdin_is_script,
                .context = VSS_CTX_BACKUP,
                .partly = run->partly,
                .commands = run->commands,
        };
}

/* A reset in the middle of a backup is told, as the end of the script is. */
static int tell_open_ends(ScriptRun *run) {
        if (run->mode == SCRIPT_MODE_BACKUP)
                cli_note("%s: the backup that line %u began was not ended: its writers are told that it was "
                         "given up",
                         run->cli->script, run->begun);
        if (run->mode == SCRIPT_MODE_RESTORE)
                cli_note("%s: the restore that line %u began was not ended: its writers are not told that "
                         "it is done",
                         run->cli->script, run->begun);
        return run->mode == SCRIPT_MODE_NONE ? EXIT_DONE : EXIT_PARTLY;
}

int script_finish(ScriptRun *run, int status) {
        if (status == EXIT_DONE && tell_open_ends(run) != EXIT_DONE)
                run->partly = true;
        return status == EXIT_DONE && run->partly ? EXIT_PARTLY : status;
}

/* ---- lines ---- */

static void show_help(void) {
        for (ScriptVerb verb = 0; verb < SCRIPT_VERBS; verb++)
                printf("    %s\n", script_verb_usage(verb));
}

static int run_command(ScriptRun *run, const ScriptCommand *command, vss_value *answer) {
        switch (command->verb) {
        case SCRIPT_RESET:
                if (tell_open_ends(run) != EXIT_DONE)
                        run->partly = true;
                script_reset(run);
                return EXIT_DONE;
        case SCRIPT_EXIT:
                run->ended = true;
                return EXIT_DONE;
        case SCRIPT_HELP:
                if (script_in_words(run))
                        show_help();
                return EXIT_DONE;
        default:
                return handlers[command->verb](run, command, answer);
        }
}

static int tell_mistake(ScriptRun *run, int r, const ScriptError *error) {
        return r == -ENOMEM
                       ? cli_out_of_memory(run->cli)
                       : (cli_error(run->cli, VSS_E_INVALIDARG, NULL, "%s", error->message), EXIT_USAGE);
}

static void echo(const Strings *words) {
        fputs("->", stdout);
        for (size_t i = 0; i < words->n; i++) {
                (void)fputc(' ', stdout);
                print_text(stdout, words->items[i]);
        }
        (void)fputc('\n', stdout);
        (void)fflush(stdout);
}

/* Whatever it comes to, what the command has said belongs to the answer. */
static int finish_command(ScriptRun *run, const ScriptCommand *command, unsigned line, vss_value *answer) {
        _cleanup_value_ vss_value *owned = answer, *entry = vss_value_new_dict();

        if (!run->commands)
                return EXIT_DONE;
        if (vss_value_set_integer(entry, "line", line) < 0 ||
            vss_value_set_string(entry, "command", script_verb_name(command->verb)) < 0)
                return cli_out_of_memory(run->cli);
        for (size_t i = 0; i < vss_value_count(owned); i++)
                if (vss_value_set(entry, vss_value_key_at(owned, i),
                                  vss_value_copy(vss_value_at(owned, i))) < 0)
                        return cli_out_of_memory(run->cli);
        return vss_value_append(run->commands, TAKE_PTR(entry)) < 0 ? cli_out_of_memory(run->cli)
                                                                    : EXIT_DONE;
}

static int run_line(ScriptRun *run, const Strings *words, unsigned line) {
        _cleanup_(strings_clear) Strings expanded = {};
        vss_value *answer = NULL;
        ScriptCommand command = {};
        ScriptError error = {};
        int r, status;

        run->cli->line = line;
        r = script_expand(words, look_up, run, &error, &expanded);
        if (r >= 0)
                r = script_command(&expanded, true, &error, &command);
        if (r < 0)
                return tell_mistake(run, r, &error);
        if (run->verbose && script_in_words(run))
                echo(&expanded);
        answer = vss_value_new_dict();
        if (!answer)
                return cli_out_of_memory(run->cli);
        status = run_command(run, &command, answer);
        r = finish_command(run, &command, line, answer);
        (void)fflush(stdout);
        if (status == EXIT_DONE)
                status = r;
        return status == EXIT_DONE && interrupt_pending() ? cli_fail(run->cli, VSS_S_ASYNC_CANCELLED)
                                                          : status;
}

int script_run(ScriptRun *run, const Script *script) {
        int status = EXIT_DONE;

        for (size_t i = 0; status == EXIT_DONE && !run->ended && i < script->n; i++) {
                status = run_line(run, &script->lines[i].words, script->lines[i].line);
                if (status == EXIT_PARTLY) {
                        run->partly = true;
                        status = EXIT_DONE;
                }
        }
        return status;
}

int script_interact(ScriptRun *run) {
        _cleanup_(freep) char *text = NULL;
        size_t allocated = 0;
        unsigned line = 0;

        while (!run->ended && !interrupt_pending()) {
                _cleanup_(strings_clear) Strings words = {};
                ScriptError error = {};
                ssize_t n;
                int r;

                fputs("vss> ", stdout);
                (void)fflush(stdout);
                n = getline(&text, &allocated, stdin);
                if (n < 0)
                        break;
                run->cli->line = ++line;
                r = script_split(text, (size_t)n - (text[n - 1] == '\n'), &error, &words);
                if (r < 0)
                        (void)tell_mistake(run, r, &error);
                else if (words.n > 0)
                        (void)run_line(run, &words, line);
        }
        if (!run->ended)
                (void)fputc('\n', stdout);
        return interrupt_pending() ? 128 + interrupt_pending() : EXIT_DONE;
}
