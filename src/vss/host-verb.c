/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * --host: the verb of the command line, on another machine
 */

#include <fcntl.h>
#include <string.h>
#include "vss/here.h"
#include "vss/host-verb.h"

/* Where the words of the verb itself end. */
static size_t own_words(const Cli *cli) {
        size_t n = 0;

        while (cli->words[n] && strcmp(cli->words[n], "--") != 0)
                n++;
        return n;
}

/* Standard input and output are, or may be, those of a command. */
static bool runs_command(const Cli *cli) {
        static const char *const names[] = { "exec", "script", "transport" };

        FOREACH_ELEMENT (name, names)
                if (strcmp(cli->verb->name, *name) == 0)
                        return true;
        return false;
}

/* Options before the verb leave the others unread. */
static void look_for_json(Cli *cli) {
        for (size_t i = 0; i < own_words(cli); i++)
                cli->json |= strcmp(cli->words[i], "--json") == 0;
        cli->json_stderr |= runs_command(cli);
}

/*
 * Does the verb read standard input? One that does not must leave it alone: it may be the list of machines
 * that a shell reads line by line.
 */
static bool reads_input(const Cli *cli) {
        if (runs_command(cli))
                return true;
        for (size_t i = 1; i < own_words(cli); i++)
                if (strcmp(cli->words[i], "-") == 0 || strstr(cli->words[i], "/dev/stdin"))
                        return true;
        return false;
}

int host_verb(Cli *cli) {
        HostRun run = HOST_RUN_INIT;
        _cleanup_(closep) int null = -1;
        _cleanup_(here_end) Here here = HERE_INIT;
        int status, verb_status = EXIT_FAILED;

        look_for_json(cli);
        status = here_begin(cli, &here);
        if (status != EXIT_DONE)
                return status;
        if (!reads_input(cli)) {
                null = open("/dev/null", O_RDONLY | O_CLOEXEC);
                if (null < 0)
                        return cli_error(cli, VSS_E_UNEXPECTED, "/dev/null", "%s", strerror(errno));
                run.stdin_fd = null;
        }
        run.host = cli->host;
        run.command = cli->host_command;
        run.argv = (char **)cli->words;
        run.channel_fd = here.fd;
        run.password = here.password;
        status = host_run(cli, &run, &verb_status);
        return status == EXIT_DONE ? verb_status : status;
}
