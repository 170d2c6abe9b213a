/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss run: a task, from its first command to its line in the history
 *
 * The line is there before anything else is done, and is ended last, whatever has become of the run. A lock
 * on a file keeps a task from being run twice at once; it goes with the process.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include "model/filespec.h"
#include "tasks/catalog.h"
#include "util/clock.h"
#include "vss/hook.h"
#include "vss/run-log.h"
#include "vss/task.h"
#include "vss/verb.h"

typedef struct TaskRun {
        Cli *cli;
        Task task;
        enum vss_backup_type type;
        char *catalog_path;
        int lock;
        int64_t number;     /* in the history; 0: it could not be written */
        vss_value *answer;  /* of the backup; NULL: there is no point */
        vss_value *outcome; /* for the history */
        size_t forgotten;
        bool unrecorded;
} TaskRun;

static void task_run_clear(TaskRun *run) {
        run->answer = vss_value_free(run->answer);
        run->outcome = vss_value_free(run->outcome);
        closep(&run->lock);
        free(run->catalog_path);
        task_clear(&run->task);
}

/* ---- one at a time ---- */

static char *lock_path(const TaskRun *run) {
        const char *slash = strrchr(run->catalog_path, '/');
        char *path;

        return asprintf(&path, "%.*s/task-%s.lock", (int)(slash - run->catalog_path), run->catalog_path,
                        run->task.name) < 0
                       ? NULL
                       : path;
}

static int tell_running(const TaskRun *run) {
        char text[32] = "";
        ssize_t n = pread(run->lock, text, sizeof(text) - 1, 0);

        text[n > 0 ? strspn(text, "0123456789") : 0] = '\0';
        return cli_error_remedy(run->cli, VSS_E_BAD_STATE, run->task.name,
                                "Wait until it has ended; vss history shows it.",
                                "this task is being run already%s%s", *text ? ", by process " : "", text);
}

static int take_lock(TaskRun *run) {
        _cleanup_(freep) char *path = lock_path(run);
        char text[32];
        Why why = {};

        if (!path)
                return cli_out_of_memory(run->cli);
        if (catalog_make_directory(run->catalog_path, &why) < 0)
                return cli_error(run->cli, VSS_E_ACCESSDENIED, NULL, "%s", why.text);
        run->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
        if (run->lock < 0)
                return cli_error(run->cli, VSS_E_ACCESSDENIED, path, "cannot be opened: %s",
                                 strerror(errno));
        if (flock(run->lock, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? tell_running(run)
                                            : cli_error(run->cli, VSS_E_UNEXPECTED, path,
                                                        "cannot be locked: %s", strerror(errno));
        /* For whoever comes second; that it is there says nothing. */
        (void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
        if (ftruncate(run->lock, 0) < 0 || pwrite(run->lock, text, strlen(text), 0) < 0)
                cli_note("%s: %s", path, strerror(errno));
        return EXIT_DONE;
}

/* ---- the history ---- */

/* Opened for one change each time: no process that is made meanwhile has a part in it. */
static int open_catalog(TaskRun *run, Catalog **ret_catalog) {
        _cleanup_(freep) char *aside = NULL;
        Why why = {};
        int r = catalog_open(run->catalog_path, &why, &aside, ret_catalog);

        if (aside)
                cli_note("the history was damaged; it is now %s, and a new one begins", aside);
        if (r < 0)
                cli_note("%s", *why.text ? why.text : strerror(-r));
        return r;
}

static void begin_history(TaskRun *run) {
        _cleanup_(catalog_closep) Catalog *catalog = NULL;
        _cleanup_value_ vss_value *value = vss_value_new_dict();
        Why why = {};
        int r = open_catalog(run, &catalog);

        if (r == 0 && (vss_value_set_string(value, "task", run->task.name) < 0 ||
                       vss_value_set_string(value, "backup-type", backup_type_name(run->type)) < 0 ||
                       vss_value_set_string(value, "repository", run->task.backup.repo.repository) < 0))
                r = -ENOMEM;
        if (r == 0)
                r = catalog_begin(catalog, value, &why, &run->number);
        if (r == 0)
                return;
        if (*why.text)
                cli_note("%s", why.text);
        cli_note("THIS RUN IS NOT IN THE HISTORY; it goes on");
        run->unrecorded = true;
}

static int end_history(TaskRun *run, int status) {
        _cleanup_(catalog_closep) Catalog *catalog = NULL;
        Why why = {};
        int r;

        vss_value_free(run->outcome);
        run->outcome = run_outcome(run->answer, run->cli->errors, status);
        r = run->outcome ? 0 : -ENOMEM;

        if (run->unrecorded)
                return status == EXIT_DONE ? EXIT_PARTLY : status;
        if (r == 0)
                r = open_catalog(run, &catalog);
        if (r == 0)
                r = catalog_end(catalog, run->number, run->outcome, &why);
        if (r == 0)
                return status;
        cli_note("THE END OF THIS RUN IS NOT IN THE HISTORY: %s", *why.text ? why.text : strerror(-r));
        return status == EXIT_DONE ? EXIT_PARTLY : status;
}

/* ---- commands ---- */

static int set_environment(const TaskRun *run) {
        return setenv("VSS_TASK", run->task.name, 1) < 0 ||
                               setenv("VSS_TYPE", backup_type_name(run->type), 1) < 0 ||
                               setenv("VSS_REPOSITORY", run->task.backup.repo.repository, 1) < 0
                       ? -errno
                       : 0;
}

static int set_result(const TaskRun *run, int status) {
        char number[16];

        (void)snprintf(number, sizeof(number), "%d", status);
        return setenv("VSS_RESULT", run_result_name(status), 1) < 0 || setenv("VSS_STATUS", number, 1) < 0 ||
                               setenv("VSS_POINT", vss_value_get_string(run->answer, "point", ""), 1) < 0 ||
                               setenv("VSS_SET", vss_value_get_string(run->answer, "set", ""), 1) < 0
                       ? -errno
                       : 0;
}

static int run_command(TaskRun *run, char *const *words, const char *when) {
        Cli *cli = run->cli;
        int r;

        if (!words)
                return EXIT_DONE;
        r = hook_run(words, run->task.command_limit_usec, false);
        if (r == 0)
                return EXIT_DONE;
        if (r == -EINTR)
                return cli_fail(cli, VSS_S_ASYNC_CANCELLED);
        if (r == -ETIME)
                return cli_error(cli, VSS_E_UNEXPECTED, words[0],
                                 "the command %s the backup did not end within %" PRIu64
                                 " s (CommandLimitSec), and was "
                                 "ended",
                                 when, run->task.command_limit_usec / USEC_PER_SEC);
        if (r < 0)
                return cli_error(cli, VSS_E_UNEXPECTED, words[0],
                                 "the command %s the backup cannot be started: %s", when, strerror(-r));
        if (r == 127 || r == 126)
                return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, words[0],
                                 "the command %s the backup failed with exit status %d: it is not there, or "
                                 "cannot be "
                                 "run",
                                 when, r);
        return cli_error(cli, VSS_E_UNEXPECTED, words[0],
                         "the command %s the backup failed with exit status %d", when, r);
}

/* ---- what is not wanted any more ---- */

/* The last point that all went well with stays, whatever the rules say: a run that failed in part replaces
 * none. */
static int find_good_point(TaskRun *run, int status, char **ret_point) {
        _cleanup_(catalog_closep) Catalog *catalog = NULL;
        Why why = {};
        int r;

        if (status == EXIT_DONE) {
                *ret_point = strdup(vss_value_get_string(run->answer, "point", ""));
                return *ret_point ? 0 : -ENOMEM;
        }
        r = open_catalog(run, &catalog);
        if (r == 0)
                r = catalog_last_good_point(catalog, run->task.name, run->task.backup.repo.repository, &why,
                                            ret_point);
        return r;
}

static int forget_points(TaskRun *run, const Retention *retention, Repository *repo, RepoLock *lock) {
        _cleanup_snapshots_ SnapshotList points = {};
        _cleanup_(freep) Decision *decisions = NULL;
        int status = cli_load_points(run->cli, repo, &points);

        if (status != EXIT_DONE)
                return status;
        decisions = calloc(points.n + 1, sizeof(*decisions));
        if (!decisions || retention_choose(retention, &points, decisions) < 0)
                return cli_out_of_memory(run->cli);
        retention_note_ahead(&points, decisions);
        status = retention_apply(run->cli, repo, lock, &points, decisions);
        for (size_t i = 0; status == EXIT_DONE && i < points.n; i++)
                run->forgotten += decisions[i].forget;
        return status;
}

static int forget(TaskRun *run, int status) {
        _cleanup_(repo_freep) Repository *repo = NULL;
        _cleanup_(repo_unlockp) RepoLock *lock = NULL;
        _cleanup_(freep) char *good = NULL;
        char host[HOST_NAME_MAX + 1] = "";
        Retention retention = run->task.retention;
        Why why = {};
        int r;

        if (keep_is_empty(&retention.rules) || (status != EXIT_DONE && status != EXIT_PARTLY) ||
            interrupt_pending())
                return EXIT_DONE;
        (void)gethostname(host, sizeof(host) - 1);
        retention.filter.host = run->task.backup.host ?: host;
        if (find_good_point(run, status, &good) < 0) {
                cli_note("nothing is forgotten: which point is the last good one is not known");
                return EXIT_PARTLY;
        }
        retention.protected = good;
        status = cli_open_repository(run->cli, &run->task.backup.repo, &repo);
        if (status != EXIT_DONE)
                return status;
        r = repo_lock(repo, true, &why, NULL, &lock);
        if (r == -EBUSY) {
                cli_note("nothing is forgotten now, the next run does it: %s", why.text);
                return EXIT_DONE;
        }
        return r < 0 ? cli_fail_repository(run->cli, r, &why) : forget_points(run, &retention, repo, lock);
}

/* ---- the run ---- */

static int back_up(TaskRun *run) {
        int status;

        run->task.backup.backup.type = run->type;
        run->task.backup.backup.label = run->task.name;
        status = run_command(run, run->task.pre, "before");
        if (status == EXIT_DONE)
                status = backup_run(run->cli, &run->task.backup, &run->answer);
        if (status == EXIT_USAGE)
                status = EXIT_FAILED; /* of the file, not of whoever called */
        return status;
}

static int worse(int status, int other) {
        if (other == EXIT_DONE)
                return status;
        return status == EXIT_DONE ? (other > 128 ? other : EXIT_PARTLY) : status;
}

static int answer(TaskRun *run, int status) {
        _cleanup_value_ vss_value *value = vss_value_copy(run->outcome);

        if (!value || vss_value_set_string(value, "type", "summary") < 0 ||
            vss_value_set_string(value, "task", run->task.name) < 0 ||
            vss_value_set_string(value, "backup-type", backup_type_name(run->type)) < 0 ||
            vss_value_set_integer(value, "run", run->number) < 0 ||
            vss_value_set_integer(value, "status", status) < 0 ||
            vss_value_set_integer(value, "forgotten", (int64_t)run->forgotten) < 0)
                return cli_out_of_memory(run->cli);
        return cli_print_json(run->cli, value, run->cli->json_lines) == EXIT_DONE ? status : EXIT_FAILED;
}

static int run_task(TaskRun *run) {
        int status = set_environment(run) < 0 ? cli_out_of_memory(run->cli) : take_lock(run);

        if (status != EXIT_DONE)
                return status;
        begin_history(run);
        run->cli->errors = vss_value_new_list();
        status = back_up(run);
        if (run->task.post && set_result(run, status) < 0)
                status = worse(status, cli_out_of_memory(run->cli));
        else
                status = worse(status, run_command(run, run->task.post, "after"));
        status = worse(status, forget(run, status));
        status = end_history(run, status);
        run->cli->errors = vss_value_free(run->cli->errors);
        if (run->cli->json)
                return run->outcome ? answer(run, status) : cli_out_of_memory(run->cli);
        if (run->answer)
                backup_run_report(run->answer);
        if (run->forgotten > 0)
                printf("%zu point%s forgotten\n", run->forgotten, run->forgotten > 1 ? "s" : "");
        if (run->number > 0)
                printf("run %" PRId64 " of %s: %s\n", run->number, run->task.name, run_result_name(status));
        return status;
}

/* TASK[.TYPE], as the units of systemd have it. */
static int parse_name(TaskRun *run, const char *word, const char *type) {
        const char *dot = strchr(word, '.');
        _cleanup_(freep) char *name = dot ? strndup(word, (size_t)(dot - word)) : strdup(word);
        int r;

        if (!name)
                return cli_out_of_memory(run->cli);
        if (dot && type)
                return cli_usage(run->cli, "the type is given twice");
        r = task_load(&run->task, name);
        if (r == -ENOENT)
                return cli_error_remedy(run->cli, VSS_E_OBJECT_NOT_FOUND, name,
                                        "vss task list shows what there is.", "there is no such task");
        if (r < 0)
                return cli_out_of_memory(run->cli);
        type = type ?: dot ? dot + 1 : NULL;
        run->type = run->task.backup.backup.type;
        if (type && !backup_type_from_name(type, &run->type))
                return cli_usage(run->cli,
                                 "'%s' is no backup type (full, differential, incremental, copy, log)",
                                 type);
        return task_must_be_right(run->cli, &run->task);
}

int verb_run(Cli *cli, int argc, char **argv) {
        _cleanup_(task_run_clear) TaskRun run = { .cli = cli, .lock = -1 };
        const char *type = NULL;
        const Option options[] = {
                OPTION("type", OPTION_TEXT, "TYPE",
                       "full, differential, incremental, copy, log; default: that of the task", &type),
        };
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (argc - index != 1)
                return cli_usage(cli, "name one task");
        run.catalog_path = catalog_path();
        if (!run.catalog_path)
                return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, NULL,
                                 "there is no home directory to keep the history in: set XDG_STATE_HOME");
        status = parse_name(&run, argv[index], type);
        return status == EXIT_DONE ? run_task(&run) : status;
}
