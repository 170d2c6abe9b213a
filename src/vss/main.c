/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss: the requester for the command line
 */

#include <locale.h>
#include <string.h>
#include "config.h"
#include "vss/here.h"
#include "vss/host-verb.h"
#include "vss/import-places.h"
#include "vss/options.h"
#include "vss/output.h"
#include "vss/verb.h"

static const Verb verbs[] = {
        { "list", "writers|components|providers|volumes|shadows|sessions|attached [OPTION]...",
          "Shows what there is", verb_list },
        { "plan", "[OPTION]... [PATH|VOLUME]...",
          "Shows what would be copied, by whom and how consistently; changes nothing", verb_plan },
        { "create", "[OPTION]... [PATH|VOLUME]...", "Makes a set of shadow copies", verb_create },
        { "exec", "[OPTION]... [PATH|VOLUME]... -- COMMAND [ARGUMENT]...",
          "Runs a command that sees the shadow copies in place of the files; then deletes them", verb_exec },
        { "verify", "[OPTION]... [PATH|VOLUME]... | --repository REPOSITORY [OPTION]...",
          "Has applications look at their data in a shadow copy, or looks at a repository", verb_verify },
        { "complete", "[OPTION]... TOKEN", "Ends a session that was kept by create --keep", verb_complete },
        { "delete", "[OPTION]... [ID]...", "Deletes shadow copies", verb_delete },
        { "expose", "[OPTION]... ID DIRECTORY", "Mounts a shadow copy at a directory", verb_expose },
        { "unexpose", "[OPTION]... ID", "Takes an exposed shadow copy from its directory", verb_unexpose },
        { "transport", "--to [USER@]HOST [OPTION]... [PATH|VOLUME]... -- COMMAND [ARGUMENT]...",
          "Makes shadow copies here, and runs COMMAND where they are imported: on another machine",
          verb_transport },
        { "import", "[OPTION]... DIRECTORY|DOCUMENT", "Brings shadow copies of another machine here",
          verb_import },
        { "break", "[OPTION]... SET", "Makes plain volumes of the shadow copies of a set", verb_break },
        { "revert", "[OPTION]... ID | --status PATH", "Makes a volume what its shadow copy is",
          verb_revert },
        { "attach", "[OPTION]... DEVICE", "Makes shadow copies of a plain block device possible",
          verb_attach },
        { "detach", "[OPTION]... DEVICE", "Takes an attached device back to what it was", verb_detach },
        { "storage", "list [VOLUME] | add VOLUME SIZE | resize VOLUME SIZE | delete VOLUME [OPTION]...",
          "Says where the differences of shadow copies are kept, and how much of them there may be",
          verb_storage },
        { "abort", "[OPTION]... SESSION", "Aborts a session, whoever it belongs to", verb_abort },
        { "script", "[OPTION]... [FILE [ARGUMENT]...]", "Runs a script in the language of diskshadow",
          verb_script },
        { "freeze", "[OPTION]... --lease SECONDS",
          "Holds applications and file systems while something else copies the storage", verb_freeze },
        { "thaw", "[OPTION]... [TOKEN]", "Ends a freeze", verb_thaw },
        { "init", "[OPTION]... [REPOSITORY]", "Makes a repository for backups", verb_init },
        { "backup", "[OPTION]... PATH...", "Backs files up into a repository", verb_backup },
        { "restore", "[OPTION]... POINT [PATH]... --target DIRECTORY|--original",
          "Puts the files of a point below a directory, or back", verb_restore },
        { "points", "[OPTION]...", "Shows what can be restored from a repository", verb_points },
        { "ls", "[OPTION]... POINT [PATH] | --writer NAME[:/PATH]",
          "Shows what a point holds, or the files of components as they are now", verb_ls },
        { "diff", "[OPTION]... POINT POINT [PATH]...", "Shows what differs between two points", verb_diff },
        { "forget", "[OPTION]... POINT... | --keep-... N", "Takes points out of a repository", verb_forget },
        { "key", "list | add | remove KEY [OPTION]...", "Shows, adds and removes passwords of a repository",
          verb_key },
        { "task", "list | show|check|enable|disable TASK [OPTION]...",
          "Shows the tasks for backups, and has them run by plan", verb_task },
        { "run", "[OPTION]... TASK[.TYPE]", "Runs a task", verb_run },
        { "history", "[OPTION]... [TASK]", "Shows what became of backups and restores", verb_history },
        { "explain", "[OPTION]... [CODE]... | context [CONTEXT]... | attributes [ATTRIBUTE]...",
          "Says what a result, a context or an attribute means", verb_explain },
        { "events", "[OPTION]...", "Shows what the service does, as it happens", verb_events },
        { "doctor", "[OPTION]...", "Finds out what is amiss on this machine", verb_doctor },
};

static void print_usage(FILE *stream) {
        fprintf(stream, "Usage: vss VERB [OPTION]... [ARGUMENT]...\n\nVolume shadow copies.\n\n");
        FOREACH_ELEMENT (verb, verbs)
                fprintf(stream, "  %-10s %s\n", verb->name, verb->summary);
        fprintf(stream, "\nvss VERB --help tells more of each. --json gives every answer as JSON.\n"
                        "vss --host [USER@]HOST VERB... does it on another machine.\n"
                        "Exit status: 0 done, 1 failed, 2 wrong usage, 3 done with failures or less than "
                        "asked for.\n");
}

static const Verb *find_verb(const char *name) {
        FOREACH_ELEMENT (verb, verbs)
                if (strcmp(verb->name, name) == 0)
                        return verb;
        return NULL;
}

static int unknown_verb(Cli *cli, const char *word) {
        const char *names[ELEMENTS(verbs)], *near;

        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                names[i] = verbs[i].name;
        near = suggest_name(word, names, ELEMENTS(names));
        if (near)
                return cli_usage(cli, "there is no verb '%s'; '%s' was meant, perhaps", word, near);
        return cli_usage(cli, "there is no verb '%s'", word);
}

/* The options before the verb. Return: how many words they are, or -1 after a message. */
static int take_host(Cli *cli, int argc, char **argv) {
        int n = 0;

        while (n + 1 < argc && strncmp(argv[n + 1], "--host", 6) == 0) {
                const char *word = argv[n + 1], *value = strchr(word, '=');
                size_t length = strcspn(word, "=");
                const char **target = length == strlen("--host") ? &cli->host : &cli->host_command;

                if (length != strlen("--host") && strncmp(word, "--host-command", MAX(length, 14u)) != 0)
                        break;
                value = value ? value + 1 : n + 2 < argc ? argv[n + 2] : "";
                n += word[length] ? 1 : 2;
                if (!*value)
                        return cli_usage(cli, "'%s' needs a value", word), -1;
                *target = value;
        }
        return n;
}

static int run(Cli *cli, int argc, char **argv) {
        _cleanup_(freep) const char **words = NULL;
        int skip = take_host(cli, argc, argv), status;
        const char *word;

        if (skip < 0)
                return EXIT_USAGE;
        argc -= skip;
        argv += skip;
        word = argc > 1 ? argv[1] : NULL;

        if (!word) {
                print_usage(stderr);
                return EXIT_USAGE;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
                print_usage(stdout);
                return EXIT_DONE;
        }
        if (strcmp(word, "--version") == 0) {
                printf("vss %s\n", LINUXVSS_VERSION);
                return EXIT_DONE;
        }
        if (word[0] == '-')
                return cli_usage(cli, "there is no option '%s' before the verb", word);

        cli->verb = find_verb(word);
        if (!cli->verb)
                return unknown_verb(cli, word);
        interrupt_install();
        /* Room for an option more: here.h. */
        words = calloc((size_t)argc + 2, sizeof(*words));
        if (!words)
                return cli_out_of_memory(cli);
        memcpy(words, argv + 1, (size_t)argc * sizeof(*words));
        cli->words = words;
        if (!cli->host && geteuid() == 0)
                import_places_sweep();
        if (!cli->host || here_knows(cli->verb)) {
                status = cli->verb->run(cli, argc - 1, argv + 1);
                if (status != EXIT_DONE || !cli->host)
                        return status;
        }
        return host_verb(cli);
}

int main(int argc, char **argv) {
        Cli cli = {};
        int status;

        (void)setlocale(LC_ALL, "");
        output_begin();
        status = cli_finish(&cli, run(&cli, argc, argv));
        cli.service = vss_service_free(cli.service);
        return status;
}
