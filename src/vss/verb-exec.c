/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss exec: a command that sees the shadow copies in place of the files
 *
 * The set is made as by any requester; the view of it belongs to the command alone; the copies are deleted
 * when the command and all its children have ended. The command's exit status is the backup's: what is not 0
 * is told to the writers as a failure. With --import it was made by another machine, whose writers hear of
 * it there.
 */

#include <limits.h>
#include <string.h>
#include "vss/backup-import.h"
#include "vss/backup-view.h"
#include "vss/command.h"
#include "vss/paths.h"
#include "vss/report.h"
#include "vss/verb.h"

typedef struct Exec {
        Backup backup;
        Command command;
        BackupView view;
        int answer; /* where somebody wants to know how it went; -1: nobody */
} Exec;

static void exec_clear(Exec *e) {
        backup_view_clear(&e->view);
        closep(&e->command.signals);
        closep(&e->answer);
        backup_clear(&e->backup);
}

/* Told before applications are stopped for a command that could not run anyway. */
static int check_rights(Cli *cli) {
        if (backup_view_is_possible())
                return EXIT_DONE;
        return cli_error(cli, VSS_E_ACCESSDENIED, NULL,
                         "vss exec mounts the shadow copies for the command: that needs root, whatever "
                         "polkit allows");
}

static int check_command(Cli *cli, const char *name) {
        _cleanup_(freep) char *path = NULL;
        char *save = NULL;

        if (strchr(name, '/'))
                return access(name, F_OK) == 0
                               ? EXIT_DONE
                               : (cli_error(cli, VSS_E_OBJECT_NOT_FOUND, name, "%s",
                                            errno == ENOENT ? "there is no such command" : strerror(errno)),
                                  127);
        path = strdup(getenv("PATH") ?: "/bin:/usr/bin");
        if (!path)
                return cli_out_of_memory(cli);
        for (char *d = strtok_r(path, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
                _cleanup_(freep) char *candidate = NULL;

                if (asprintf(&candidate, "%s/%s", d, name) < 0) {
                        candidate = NULL;
                        return cli_out_of_memory(cli);
                }
                if (access(candidate, X_OK) == 0)
                        return EXIT_DONE;
        }
        (void)cli_error(cli, VSS_E_OBJECT_NOT_FOUND, name, "there is no such command");
        return 127;
}

/* Where the command's own file lies; NULL if it cannot be found out. The caller frees it. */
static char *locate_command(const char *name) {
        _cleanup_(freep) char *path = NULL;
        char *save = NULL;

        if (strchr(name, '/'))
                return realpath(name, NULL);
        path = strdup(getenv("PATH") ?: "/bin:/usr/bin");
        for (char *d = path ? strtok_r(path, ":", &save) : NULL; d; d = strtok_r(NULL, ":", &save)) {
                char candidate[PATH_MAX];

                if (snprintf(candidate, sizeof(candidate), "%s/%s", d, name) < (int)sizeof(candidate) &&
                    access(candidate, X_OK) == 0)
                        return realpath(candidate, NULL);
        }
        return NULL;
}

/* Would the command find itself gone, because a copy that has not all of its volume covers it? */
static bool hides_command(const Exec *e, const BackupVolume *volume, const vss_value *paths) {
        _cleanup_(freep) char *command = locate_command(e->command.argv[0]);

        if (!command || !path_is_within(command, volume->target))
                return false;
        for (size_t i = 0; i < vss_value_count(paths); i++)
                if (path_is_within(command, vss_value_string(vss_value_at(paths, i), "")))
                        return false;
        return true;
}

/* Then each path by itself: what lies beside them stays live, and that is said. */
static bool is_seen_by_parts(void *userdata, const BackupVolume *volume, const vss_value *paths) {
        if (!hides_command(userdata, volume, paths))
                return false;
        for (size_t i = 0; i < vss_value_count(paths); i++)
                cli_note("of %s only %s is from the shadow copy: the command itself lies beside it",
                         volume->target, vss_value_string(vss_value_at(paths, i), ""));
        return true;
}

static const char *device_object(const vss_value *set, const char *id) {
        const vss_value *snapshots = vss_value_get(set, "snapshots");

        for (size_t i = 0; i < vss_value_count(snapshots); i++)
                if (strcmp(vss_value_get_string(vss_value_at(snapshots, i), "id", ""), id) == 0)
                        return vss_value_get_string(vss_value_at(snapshots, i), "device-object", "");
        return "";
}

static int set_environment(Exec *e) {
        char name[32], count[16];
        int r = setenv("VSS_SET_ID", vss_value_get_string(e->backup.set, "set", ""), 1);

        (void)snprintf(count, sizeof(count), "%zu", e->backup.n_volumes);
        if (r == 0)
                r = setenv("VSS_SHADOW_COUNT", count, 1);
        for (size_t i = 0; r == 0 && i < e->backup.n_volumes; i++) {
                (void)snprintf(name, sizeof(name), "VSS_SHADOW_%zu", i + 1);
                r = setenv(name, device_object(e->backup.set, e->backup.volumes[i].snapshot), 1);
        }
        return r < 0 ? cli_out_of_memory(e->backup.cli) : EXIT_DONE;
}

static void tell_import(const Exec *e) {
        const char *host = vss_value_get_string(e->backup.set, "host", "");

        cli_note("set %s%s%s: %zu shadow cop%s imported", vss_value_get_string(e->backup.set, "set", "?"),
                 *host ? " of " : "", host, e->backup.n_volumes, e->backup.n_volumes == 1 ? "y" : "ies");
}

static void tell_set(Exec *e) {
        _cleanup_(freep) char *line = report_closing_line(e->backup.set);

        /* Details only where something is amiss: the command's own output follows. */
        if (e->backup.below_promise)
                report_set(stderr, e->backup.set);
        cli_note("%s", line ?: "out of memory");
}

/* The session, and with it the shadow copies, as long as the service knows all of them, and none is lost. */
static bool session_is_alive(void *userdata) {
        Exec *e = userdata;

        for (size_t i = 0; i < e->backup.n_volumes; i++) {
                _cleanup_value_ vss_value *properties = NULL;
                vss_result r = vss_session_get_snapshot_properties(
                        e->backup.session, e->backup.volumes[i].snapshot, &properties);

                if (r < 0 || strcmp(vss_value_get_string(properties, "state", ""), "lost") == 0)
                        return false;
        }
        return true;
}

static int finish(Exec *e, int status) {
        Cli *cli = e->backup.cli;
        bool lost = e->command.lost || !session_is_alive(e);
        int r = lost ? EXIT_FAILED : backup_complete(&e->backup, status == 0);

        if (lost && !cli->service_lost)
                (void)session_give_up(e->backup.session);
        lost |= cli->service_lost || cli->copies_lost;
        backup_release(&e->backup);
        if (lost) {
                cli_note(
                        "THE SHADOW COPIES WERE LOST before the command was done: do not trust this backup");
                status = EXIT_FAILED;
        } else if (status == 0 && r != EXIT_DONE)
                status = EXIT_PARTLY;
        else if (status == 0 && e->backup.below_promise)
                status = EXIT_PARTLY;

        if (r != EXIT_DONE && r != EXIT_PARTLY)
                return status;
        if (vss_value_set_integer(e->backup.set, "command-status", e->command.status) < 0 ||
            vss_value_set_integer(e->backup.set, "status", status) < 0)
                return cli_out_of_memory(cli);
        import_answer(cli, e->answer, e->backup.set);
        if (cli->json)
                (void)cli_print_json(cli, e->backup.set, true);
        return status;
}

static int run(Exec *e, Cli *cli, const BackupOptions *o) {
        int r, status = backup_make(&e->backup, cli, o);

        if (status == EXIT_DONE)
                status = backup_view_make(&e->backup, is_seen_by_parts, e, &e->view);
        if (status == EXIT_DONE)
                status = set_environment(e);
        if (status != EXIT_DONE)
                return status;
        if (o->import && !cli->json)
                tell_import(e);
        else if (!cli->json)
                tell_set(e);

        r = command_take_signals(&e->command);
        if (r < 0)
                return cli_error(cli, VSS_E_UNEXPECTED, NULL, "signals cannot be received: %s",
                                 strerror(-r));
        if (interrupt_pending())
                return cli_fail(cli, VSS_S_ASYNC_CANCELLED);
        status = command_start(&e->command, &e->view.view, e->view.fds, e->view.n);
        if (status != EXIT_DONE)
                return status;
        backup_view_close(&e->view);

        e->command.is_alive = session_is_alive;
        e->command.userdata = e;
        command_wait(&e->command);
        return finish(e, e->command.status);
}

static int resolve_live(Cli *cli, const Strings *given, Strings *ret_live) {
        for (size_t i = 0; i < given->n; i++) {
                _cleanup_(freep) char *resolved = realpath(given->items[i], NULL);

                if (!resolved)
                        return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, given->items[i], "--live: %s",
                                         strerror(errno));
                if (strings_add_once(ret_live, resolved) < 0)
                        return cli_out_of_memory(cli);
        }
        return EXIT_DONE;
}

/* A live path may lie below one that was asked for, never the other way round. */
static int check_live(Cli *cli, const BackupOptions *o) {
        for (size_t i = 0; i < o->paths.n; i++) {
                _cleanup_(freep) char *resolved = realpath(o->paths.items[i], NULL);

                if (resolved && path_longest_base(resolved, &o->live) > 0)
                        return cli_usage(cli,
                                         "--live would cover %s, which is to be read from its shadow copy",
                                         o->paths.items[i]);
        }
        return EXIT_DONE;
}

/* What was settled where the set was made. */
static int check_import(Cli *cli, const BackupOptions *o, const char *documents, Metadata *metadata) {
        if (o->writers.n > 0 || o->excluded.n > 0 || o->cgroups.n > 0 || o->provider || o->require ||
            o->wait > 0 || o->type != VSS_BT_COPY)
                return cli_usage(
                        cli, "--import: what is in the set was settled when it was made, and only --live, "
                             "--label and --json can be added");
        return metadata_load(cli, documents, metadata);
}

static int separator(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--") == 0)
                        return i;
        return argc;
}

int verb_exec(Cli *cli, int argc, char **argv) {
        _cleanup_(backup_options_clear) BackupOptions o = { .context = VSS_CTX_BACKUP, .type = VSS_BT_COPY };
        _cleanup_(strings_clear) Strings live = {};
        _cleanup_(metadata_clear) Metadata metadata = {};
        _cleanup_(exec_clear)
                Exec e = { .command = { .cli = cli, .signals = -1 }, .answer = import_answer_fd() };
        const char *import = NULL;
        const Option options[] = {
                BACKUP_OPTIONS(&o),
                OPTION("import", OPTION_TEXT, "DIR",
                       "the set that another machine made, and described in the documents in DIR", &import),
                OPTION("live", OPTION_LIST, "PATH", "keep this live and writable: a repository, a cache",
                       &live),
        };
        int status = EXIT_DONE, end = separator(argc, argv), index;

        cli->json_stderr = true;
        index = options_parse(cli, options, ELEMENTS(options), end, argv, &status);
        if (index < 0)
                return status;
        for (int i = index; i < end; i++)
                if (strings_add(&o.paths, argv[i]) < 0)
                        return cli_out_of_memory(cli);
        if (argc - end < 2)
                return cli_usage(cli, "name the command after '--'");
        if (import && o.paths.n > 0)
                return cli_usage(cli, "--import: the documents say which volumes there are; name no path");
        if (!import && o.paths.n == 0 && o.writers.n == 0)
                return cli_usage(cli, "name a path, a volume, or a --writer");

        e.command.argv = argv + end + 1;
        status = check_rights(cli);
        if (status == EXIT_DONE)
                status = resolve_live(cli, &live, &o.live);
        if (status == EXIT_DONE && import) {
                status = check_import(cli, &o, import, &metadata);
                o.import = &metadata;
        }
        if (status == EXIT_DONE)
                status = check_live(cli, &o);
        if (status == EXIT_DONE)
                status = check_command(cli, e.command.argv[0]);
        return status == EXIT_DONE ? run(&e, cli, &o) : status;
}
