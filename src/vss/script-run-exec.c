/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands of scripts: exec
 *
 * A program is run as it is, without a shell, and waited for with all it starts. Aliases are in its environment under
 * their own names, and where one is a shadow copy of this script, the directory it can be read at is there under the
 * name with _DEVICE behind it.
 */

#include <fcntl.h>
#include <string.h>
#include "vss/command.h"
#include "vss/script-run.h"

typedef struct Environment {
        Strings names; /* to be taken out again */
        bool failed;
} Environment;

static void put(Environment *environment, const char *name, const char *value) {
        if (setenv(name, value, 1) < 0 || strings_add(&environment->names, name) < 0)
                environment->failed = true;
}

static void take_back(Environment *environment) {
        for (size_t i = 0; i < environment->names.n; i++)
                (void)unsetenv(environment->names.items[i]);
        strings_clear(&environment->names);
}

/* Where a shadow copy that this script has made can be read; NULL if it is none. */
static const char *device_object(const ScriptRun *run, const char *id) {
        for (size_t i = run->n_sets; i-- > 0;) {
                const vss_value *snapshots = vss_value_get(run->sets[i]->backup.set, "snapshots");

                for (size_t j = 0; j < vss_value_count(snapshots); j++)
                        if (strcmp(vss_value_get_string(vss_value_at(snapshots, j), "id", ""), id) == 0)
                                return vss_value_get_string(vss_value_at(snapshots, j), "device-object",
                                                            NULL);
        }
        return NULL;
}

static void make_environment(const ScriptRun *run, Environment *environment) {
        char count[16];

        for (size_t i = 0; i < run->n_aliases; i++) {
                const ScriptAlias *alias = &run->aliases[i];
                const char *device = device_object(run, alias->value);
                _cleanup_(freep) char *name = NULL;

                put(environment, alias->name, alias->value);
                if (!device)
                        continue;
                if (asprintf(&name, "%s_DEVICE", alias->name) < 0) {
                        name = NULL;
                        environment->failed = true;
                } else
                        put(environment, name, device);
        }
        if (run->n_sets == 0)
                return;
        (void)snprintf(count, sizeof(count), "%zu", run->sets[run->n_sets - 1]->backup.n_volumes);
        put(environment, "VSS_SHADOW_COUNT", count);
        put(environment, "VSS_SET_ID",
            vss_value_get_string(run->sets[run->n_sets - 1]->backup.set, "set", ""));
}

/* Volatile copies go with their session: do all still stand? */
static bool copies_stand(void *userdata) {
        ScriptRun *run = userdata;

        for (size_t i = 0; i < run->n_sets; i++) {
                const Backup *backup = &run->sets[i]->backup;
                vss_value *properties = NULL;

                if (!backup->session || backup->n_volumes == 0)
                        continue;
                if (vss_session_get_snapshot_properties(backup->session, backup->volumes[0].snapshot,
                                                        &properties) < 0)
                        return false;
                (void)vss_value_free(properties);
        }
        return true;
}

static bool has_sessions(const ScriptRun *run) {
        for (size_t i = 0; i < run->n_sets; i++)
                if (run->sets[i]->backup.session)
                        return true;
        return false;
}

/* The rest of the script is not for the program. */
static int run_program(ScriptRun *run, Command *command) {
        _cleanup_(closep) int saved = -1, null = -1;
        int status;

        if (run->stdin_is_script) {
                saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
                null = open("/dev/null", O_RDONLY | O_CLOEXEC);
                if (saved < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0)
                        return cli_error(run->cli, VSS_E_UNEXPECTED, NULL, "standard input: %s",
                                         strerror(errno));
        }
        status = command_start(command, NULL, NULL, 0);
        if (status == EXIT_DONE)
                command_wait(command);
        if (saved >= 0 && dup2(saved, STDIN_FILENO) < 0)
                return cli_error(run->cli, VSS_E_UNEXPECTED, NULL, "standard input: %s", strerror(errno));
        return status;
}

int script_exec(ScriptRun *run, const ScriptCommand *command, vss_value *answer) {
        _cleanup_(freep) char **argv = calloc(command->n_arguments + 1, sizeof(char *));
        Environment environment = {};
        Command program = { .cli = run->cli, .signals = -1, .userdata = run };
        int status, r;

        if (!argv)
                return cli_out_of_memory(run->cli);
        for (size_t i = 0; i < command->n_arguments; i++)
                argv[i] = command->arguments[i];
        program.argv = argv;
        program.is_alive = has_sessions(run) ? copies_stand : NULL;

        r = command_take_signals(&program);
        if (r < 0)
                return cli_error(run->cli, VSS_E_UNEXPECTED, NULL, "signals cannot be received: %s",
                                 strerror(-r));
        make_environment(run, &environment);
        status = environment.failed ? cli_out_of_memory(run->cli) : run_program(run, &program);
        take_back(&environment);
        command_release_signals(&program);
        if (status != EXIT_DONE)
                return EXIT_FAILED;
        if (vss_value_set_integer(answer, "status", program.status) < 0)
                return cli_out_of_memory(run->cli);
        /* It may be over before anybody has looked. */
        if (program.lost || (program.is_alive && !copies_stand(run)))
                return cli_error(
                        run->cli, VSS_E_UNEXPECTED, command->object,
                        "the shadow copies were lost while it ran; what it read is not to be trusted");
        if (program.status != 0)
                return cli_error_remedy(
                        run->cli, VSS_E_UNEXPECTED, command->object,
                        "Its own messages say why. The script has ended here, and what it had begun "
                        "is given up.",
                        "it ended with status %d", program.status);
        return EXIT_DONE;
}
