/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss script: the language of diskshadow
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "vss/options.h"
#include "vss/output.h"
#include "vss/script-run.h"
#include "vss/verb.h"

/* A pipe has no size beforehand. */
static int read_text(Cli *cli, int fd, char **ret_text, size_t *ret_size) {
        _cleanup_(freep) char *text = malloc(SCRIPT_SIZE_MAX + 1);
        size_t size = 0;

        if (!text)
                return cli_out_of_memory(cli);
        while (size <= SCRIPT_SIZE_MAX) {
                ssize_t n = read(fd, text + size, SCRIPT_SIZE_MAX + 1 - size);

                if (n < 0 && errno == EINTR && interrupt_pending())
                        return cli_fail(cli, VSS_S_ASYNC_CANCELLED);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return cli_error(cli, VSS_E_UNEXPECTED, NULL, "it cannot be read: %s",
                                         strerror(errno));
                if (n == 0)
                        break;
                size += (size_t)n;
        }
        *ret_text = TAKE_PTR(text);
        *ret_size = size;
        return EXIT_DONE;
}

static int read_script(Cli *cli, const char *path, Script *ret_script) {
        bool from_stdin = strcmp(path, "-") == 0;
        _cleanup_(closep) int fd = from_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                              : open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
        _cleanup_(freep) char *text = NULL;
        ScriptError error = {};
        size_t size = 0;
        int r, status;

        if (fd < 0)
                return cli_error_remedy(cli, errno == EACCES ? VSS_E_ACCESSDENIED : VSS_E_OBJECT_NOT_FOUND,
                                        NULL, "Name a file with a script, or - for standard input.", "%s",
                                        errno == ENOENT ? "there is no such script" : strerror(errno));
        status = read_text(cli, fd, &text, &size);
        if (status != EXIT_DONE)
                return status;
        r = script_parse(text, size, &error, ret_script);
        if (r == -EBADMSG) {
                cli->line = error.line;
                (void)cli_error_remedy(cli, VSS_E_INVALIDARG, NULL, SCRIPT_REMEDY, "%s", error.message);
                return EXIT_USAGE;
        }
        return r < 0 ? cli_out_of_memory(cli) : EXIT_DONE;
}

/* One document on standard error: standard output belongs to the programs that the script runs. */
static int answer(Cli *cli, const ScriptRun *run, vss_value *document, int status) {
        vss_value *aliases = value_require(document, "aliases", VSS_KIND_DICT);

        for (size_t i = 0; aliases && i < run->n_aliases; i++)
                if (vss_value_set_string(aliases, run->aliases[i].name, run->aliases[i].value) < 0)
                        return cli_out_of_memory(cli);
        if (!aliases || vss_value_set_string(document, "script", cli->script) < 0 ||
            vss_value_set_integer(document, "status", status) < 0)
                return cli_out_of_memory(cli);
        return cli_print_json(cli, document, true) == EXIT_DONE ? status : EXIT_FAILED;
}

static int run_file(ScriptRun *run, const char *path, bool check) {
        _cleanup_(script_clear) Script script = {};
        int status = read_script(run->cli, path, &script);

        return status != EXIT_DONE || check ? status : script_run(run, &script);
}

/* What belongs to the script begins with its name; options are before it. */
static int count_options(int argc, char **argv) {
        int n = 1;

        while (n < argc && argv[n][0] == '-' && argv[n][1] != '\0' && strcmp(argv[n], "--") != 0) {
                /* the values of these */
                n += strcmp(argv[n], "--wait") == 0 || strcmp(argv[n], "--host") == 0 ||
                                     strcmp(argv[n], "--host-command") == 0
                             ? 2
                             : 1;
        }
        return n < argc ? n : argc;
}

int verb_script(Cli *cli, int argc, char **argv) {
        ScriptRun run = { .cli = cli, .context = VSS_CTX_BACKUP };
        bool check = false;
        const Option options[] = {
                OPTION("check", OPTION_FLAG, NULL, "only look for mistakes in how it is written", &check),
                OPTION_RANGE("wait", OPTION_NUMBER, "SECONDS",
                             "wait this long while another set is being created", &run.wait, 0, 86400),
        };
        _cleanup_value_ vss_value *document = vss_value_new_dict();
        int status = EXIT_DONE, first = count_options(argc, argv);
        const char *path;

        cli->json_stderr = true;
        if (options_parse(cli, options, ELEMENTS(options), first, argv, &status) < 0)
                return status;
        if (first < argc && strcmp(argv[first], "--") == 0)
                first++;
        path = first < argc ? argv[first] : "-";
        for (int i = first + 1; i < argc; i++)
                if (strings_add(&run.arguments, argv[i]) < 0)
                        return cli_out_of_memory(cli);
        if (cli->json) {
                run.commands = value_require(document, "commands", VSS_KIND_LIST);
                cli->errors = value_require(document, "errors", VSS_KIND_LIST);
                if (!run.commands || !cli->errors)
                        return cli_out_of_memory(cli);
        }
        run.stdin_is_script = strcmp(path, "-") == 0;
        run.interactive = run.stdin_is_script && output_is_terminal(STDIN_FILENO) && !check;
        cli->script = run.stdin_is_script ? "standard input" : path;

        status = run.interactive ? script_interact(&run) : run_file(&run, path, check);
        cli->line = 0;
        status = script_finish(&run, status);
        if (cli->json)
                status = answer(cli, &run, document, status);
        script_reset(&run);
        strings_clear(&run.arguments);
        cli->errors = NULL;
        return status;
}
