/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss verify: do the applications find their data in a shadow copy good?
 *
 * A set is made as for a copy backup, its writers look at clones of it, and it is deleted: nothing of it stays, and no writer
 * takes it for a backup that was saved.
 */

#include <string.h>
#include "vss/backup.h"
#include "vss/output.h"
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

int verb_verify(Cli *cli, int argc, char **argv) {
        _cleanup_(backup_options_clear) BackupOptions o = { .context = VSS_CTX_BACKUP, .type = VSS_BT_COPY };
        _cleanup_(backup_clear) Backup backup = {};
        _cleanup_value_ vss_value *result = NULL;
        const Option options[] = {
                OPTION("writer", OPTION_LIST, "NAME[:/PATH]", "this writer, or one component of it", &o.writers),
                OPTION("exclude-writer", OPTION_LIST, "NAME[:/PATH]", "leave this writer, or component, out",
                       &o.excluded),
                OPTION("provider", OPTION_TEXT, "NAME", "use this provider, not the service's choice", &o.provider),
                OPTION_RANGE("wait", OPTION_NUMBER, "SECONDS", "wait this long while another set is being created",
                             &o.wait, 0, 86400),
        };
        int status = EXIT_DONE, index;

        if (is_about_repository(argc, argv))
                return verify_repository(cli, argc, argv);
        index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);
        if (index < 0)
                return status;
        o.label = "vss verify";
        for (int i = index; i < argc; i++)
                if (strings_add(&o.paths, argv[i]) < 0)
                        return cli_out_of_memory(cli);
        status = backup_make(&backup, cli, &o);
        if (status == EXIT_DONE)
                status = look(&backup, &result);
        backup_release(&backup);
        return status == EXIT_DONE ? report(cli, &backup, result) : status;
}
