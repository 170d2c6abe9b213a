/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss backup: files and components into a repository
 */

#include "model/filespec.h"
#include "vss/progress.h"
#include "vss/repository-backup.h"
#include "vss/run-log.h"
#include "vss/verb.h"

typedef struct PlainRun {
        Cli *cli;
        const RepositoryBackupOptions *options;
        RunLog log;
} PlainRun;

static void begun(void *userdata) {
        PlainRun *run = userdata;

        run_log_begin(&run->log, run->cli, backup_type_name(run->options->backup.type),
                      run->options->repo.repository);
}

int verb_backup(Cli *cli, int argc, char **argv) {
        _cleanup_(repository_backup_options_clear) RepositoryBackupOptions o = {
                .backup = { .type = VSS_BT_COPY },
        };
        _cleanup_(metadata_clear) Metadata metadata = {};
        const char *import = NULL;
        const Option options[] = {
                REPOSITORY_BACKUP_OPTIONS(&o),
                OPTION("import", OPTION_TEXT, "DIR",
                       "the set that another machine made, and described in the documents in DIR", &import),
        };
        _cleanup_value_ vss_value *answer = NULL;
        PlainRun run = { .cli = cli, .options = &o };
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        for (; index < argc; index++)
                if (strings_add(&o.backup.paths, argv[index]) < 0)
                        return cli_out_of_memory(cli);
        if (import) {
                status = metadata_load(cli, import, &metadata);
                if (status != EXIT_DONE)
                        return status;
                o.backup.import = &metadata;
        }
        o.begun = begun;
        o.userdata = &run;
        status = backup_run(cli, &o, &answer);
        run_log_end(&run.log, answer, status);
        if (!answer)
                return status;
        if (!cli->json)
                backup_run_report(answer);
        else if (vss_value_set_string(answer, "type", "summary") < 0 ||
                 cli_print_json(cli, answer, cli->json_lines) != EXIT_DONE)
                return EXIT_FAILED;
        return status;
}
