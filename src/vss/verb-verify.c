/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss verify: do the applications find their data in a shadow copy good?
 *
 * A set is made as for a copy backup, its writers look at clones of it, and it is deleted: nothing of it
 * stays, and no writer takes it for a backup that was saved.
 */

#include <string.h>
#include "vss/backup.h"
#include "vss/output.h"
#include "vss/repository.h"
#include "vss/verb.h"

static int look(Backup *backup, vss_value **ret_result) {
        _cleanup_async_ vss_async *async = NULL;
        vss_result r = vss_session_verify_writers(backup->session, &async);

        if (r >= 0)
                r = cli_wait(backup->cli, async, "looking at the copies", ret_result);
        return r == VSS_S_OK ? EXIT_DONE : cli_fail(backup->cli, r);
}

static void show_text(const vss_value *entry, const char *key) {
        const char *path = vss_value_get_string(entry, "logical-path", ""),
                   *name = vss_value_get_string(entry, "name", "");

        printf("  ");
        if (*name) {
                print_text(stdout, path);
                printf("%s", *path ? "/" : "");
                print_text(stdout, name);
                printf(": ");
        }
        print_text(stdout, vss_value_get_string(entry, key, ""));
        printf("\n");
}

static size_t show_entries(const vss_value *list, const char *writer, const char *key, bool print) {
        size_t n = 0;

        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *entry = vss_value_at(list, i);

                if (strcmp(vss_value_get_string(entry, "writer", ""), writer) != 0)
                        continue;
                n++;
                if (print)
                        show_text(entry, key);
        }
        return n;
}

/* Return: is all well with it? */
static bool show_writer(const vss_value *result, const vss_value *writer, bool print) {
        const vss_value *components = vss_value_get(result, "components");
        const char *name = vss_value_get_string(writer, "name", "?");
        const char *message = vss_value_get_string(writer, "message", "");
        bool verified = vss_value_get_boolean(writer, "verified", false);
        bool failed = vss_value_get_integer(writer, "code", VSS_S_OK) < 0;
        size_t n = show_entries(components, name, "message", false);

        if (!print)
                return verified && !failed && n == 0;
        printf("%s: %s\n", name, !verified ? "not verified" : failed || n > 0 ? "NOT GOOD" : "good");
        if (*message) {
                printf("  ");
                print_text(stdout, message);
                printf("\n");
        }
        (void)show_entries(components, name, "message", true);
        (void)show_entries(vss_value_get(result, "notes"), name, "text", true);
        return verified && !failed && n == 0;
}

static int report(Cli *cli, Backup *backup, vss_value *result) {
        const vss_value *writers = vss_value_get(result, "writers");
        bool good = vss_value_count(writers) > 0;

        if (vss_value_set_string(result, "set", vss_value_get_string(backup->set, "set", "")) < 0 ||
            vss_value_set_string(result, "level", vss_value_get_string(backup->set, "level", "none")) < 0)
                return cli_out_of_memory(cli);
        for (size_t i = 0; i < vss_value_count(writers); i++)
                good = show_writer(result, vss_value_at(writers, i), !cli->json) && good;
        if (!cli->json && vss_value_count(writers) == 0)
                printf("no writer has files there\n");
        if (cli->json && cli_print_json(cli, result, false) != EXIT_DONE)
                return EXIT_FAILED;
        return good ? EXIT_DONE : EXIT_PARTLY;
}

/* vss verify: one table for both, so that --help shows all of it. */
typedef struct VerifyArgs {
        BackupOptions backup;
        RepoArgs repo;
        bool read_data;
} VerifyArgs;

static int verify_applications(Cli *cli, BackupOptions *o, int argc, char **argv) {
        _cleanup_(backup_clear) Backup backup = {};
        _cleanup_value_ vss_value *result = NULL;
        int status;

        o->label = "vss verify";
        for (int i = 0; i < argc; i++)
                if (strings_add(&o->paths, argv[i]) < 0)
                        return cli_out_of_memory(cli);
        status = backup_make(&backup, cli, o);
        if (status == EXIT_DONE)
                status = look(&backup, &result);
        backup_release(&backup);
        return status == EXIT_DONE ? report(cli, &backup, result) : status;
}

static int choose(Cli *cli, VerifyArgs *args, int argc, char **argv) {
        const BackupOptions *o = &args->backup;
        const RepoArgs *repo = &args->repo;

        if (!repo->repository && !args->read_data) {
                if (repo->password_file || repo->password_command || repo->sftp_command || repo->keyring)
                        return cli_usage(cli, "which repository? Give --repository");
                return verify_applications(cli, &args->backup, argc, argv);
        }
        if (o->writers.n > 0 || o->excluded.n > 0 || o->provider || o->wait)
                return cli_usage(cli, "--writer and others are about applications, not about a repository");
        if (argc > 0)
                return cli_usage(cli, "'%s' is one word too many", argv[0]);
        return verify_repository(cli, repo, args->read_data);
}

int verb_verify(Cli *cli, int argc, char **argv) {
        VerifyArgs args = { .backup = { .context = VSS_CTX_BACKUP, .type = VSS_BT_COPY } };
        BackupOptions *o = &args.backup;
        const Option options[] = {
                OPTION("writer", OPTION_LIST, "NAME[:/PATH]", "this writer, or one component of it",
                       &o->writers),
                OPTION("exclude-writer", OPTION_LIST, "NAME[:/PATH]", "leave this writer, or component, out",
                       &o->excluded),
                OPTION("provider", OPTION_TEXT, "NAME", "use this provider, not the service's choice",
                       &o->provider),
                OPTION_RANGE("wait", OPTION_NUMBER, "SECONDS",
                             "wait this long while another set is being created", &o->wait, 0, 86400),
                OPTION("repository", OPTION_TEXT, "REPOSITORY",
                       "look at this repository, and not at applications: a directory, or "
                       "sftp:[USER@]HOST:PATH",
                       &args.repo.repository),
                OPTION("read-data", OPTION_FLAG, NULL, "... and read every byte of every pack in it",
                       &args.read_data),
                REPO_PASSWORD_OPTIONS(&args.repo),
        };
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index >= 0)
                status = choose(cli, &args, argc - index, argv + index);
        backup_options_clear(o);
        return status;
}
