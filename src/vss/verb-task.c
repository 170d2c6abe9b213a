/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss task: the backups that are made by plan
 */

#include <string.h>
#include "model/filespec.h"
#include "tasks/catalog.h"
#include "tasks/systemd.h"
#include "util/clock.h"
#include "vss/hook.h"
#include "vss/output.h"
#include "vss/task-units.h"
#include "vss/verb.h"

#define ANALYZE "/usr/bin/systemd-analyze"
#define ANALYZE_LIMIT_USEC (30 * USEC_PER_SEC)

typedef struct Tasks {
        Cli *cli;
        Catalog *catalog; /* NULL: nothing has been run */
        Systemd *systemd; /* NULL: it does not run here */
} Tasks;

static const char *const states[] = {
        [TASK_DISABLED] = "disabled",
        [TASK_ENABLED] = "enabled",
        [TASK_OUTDATED] = "outdated",
};

static int load(Cli *cli, const char *name, Task *task) {
        int r = task_load(task, name);

        if (r == -ENOENT)
                return cli_error_remedy(cli, VSS_E_OBJECT_NOT_FOUND, name,
                                        "vss task list shows what there is.", "there is no such task");
        return r < 0 ? cli_out_of_memory(cli) : EXIT_DONE;
}

/* ---- mistakes ---- */

static void print_mistakes(const Task *task) {
        for (size_t i = 0; i < task->n_mistakes; i++) {
                const TaskMistake *mistake = &task->mistakes[i];

                if (mistake->line > 0)
                        cli_note("%s:%u: %s", task->path, mistake->line, mistake->message);
                else
                        cli_note("%s: %s", task->path, mistake->message);
        }
}

int task_must_be_right(Cli *cli, const Task *task) {
        if (task->n_mistakes == 0)
                return EXIT_DONE;
        print_mistakes(task);
        return cli_error(cli, VSS_E_INVALIDARG, task->name, "the task has %zu mistake%s, named above",
                         task->n_mistakes, task->n_mistakes > 1 ? "s" : "");
}

/* The last word on a calendar is systemd's, where it is. */
static int check_calendars(Cli *cli, const Task *task) {
        size_t wrong = 0;

        for (size_t i = 0; i < task->n_schedules && access(ANALYZE, X_OK) == 0; i++) {
                const TaskSchedule *schedule = &task->schedules[i];
                const char *const words[] = { ANALYZE, "calendar", "--", schedule->calendar, NULL };
                int r = hook_run((char *const *)words, ANALYZE_LIMIT_USEC, true);

                if (r == -EINTR)
                        return cli_fail(cli, VSS_S_ASYNC_CANCELLED);
                if (r != 1)
                        continue;
                cli_note("%s:%u: systemd takes this for no time: %s", task->path, schedule->line,
                         schedule->calendar);
                wrong++;
        }
        return wrong == 0 ? EXIT_DONE
                          : cli_error(cli, VSS_E_INVALIDARG, task->name, "a time of the plan is none");
}

static int add_mistakes(const Task *task, vss_value *value) {
        vss_value *list = value_require(value, "mistakes", VSS_KIND_LIST);

        for (size_t i = 0; list && i < task->n_mistakes; i++) {
                _cleanup_value_ vss_value *entry = vss_value_new_dict();

                if (vss_value_set_string(entry, "file", task->path) < 0 ||
                    vss_value_set_integer(entry, "line", task->mistakes[i].line) < 0 ||
                    vss_value_set_string(entry, "message", task->mistakes[i].message) < 0 ||
                    vss_value_append(list, TAKE_PTR(entry)) < 0)
                        return -ENOMEM;
        }
        return list ? 0 : -ENOMEM;
}

static int check(Cli *cli, const char *name) {
        _cleanup_task_ Task task = {};
        _cleanup_value_ vss_value *answer = NULL;
        int status = load(cli, name, &task);

        if (status != EXIT_DONE)
                return status;
        if (cli->json && task.n_mistakes > 0) {
                answer = vss_value_new_dict();
                if (vss_value_set_string(answer, "task", name) < 0 || add_mistakes(&task, answer) < 0)
                        return cli_out_of_memory(cli);
                print_mistakes(&task);
                (void)cli_print_json(cli, answer, false);
                return EXIT_FAILED;
        }
        status = task_must_be_right(cli, &task);
        if (status == EXIT_DONE)
                status = check_calendars(cli, &task);
        if (status == EXIT_DONE && !cli->json)
                printf("%s: no mistakes\n", task.path);
        else if (status == EXIT_DONE) {
                answer = vss_value_new_dict();
                if (vss_value_set_string(answer, "task", name) < 0 || add_mistakes(&task, answer) < 0)
                        return cli_out_of_memory(cli);
                return cli_print_json(cli, answer, false);
        }
        return status;
}

/* ---- list and show ---- */

static int append_strings(vss_value *value, const char *key, const char *prefix, const Strings *strings) {
        vss_value *list = value_require(value, key, VSS_KIND_LIST);

        for (size_t i = 0; list && i < strings->n; i++) {
                _cleanup_(freep) char *text = NULL;

                if (asprintf(&text, "%s%s", prefix, strings->items[i]) < 0) {
                        text = NULL;
                        return -ENOMEM;
                }
                if (value_append_string(list, text) < 0)
                        return -ENOMEM;
        }
        return list ? 0 : -ENOMEM;
}

static int add_plan(const Tasks *tasks, const Task *task, vss_value *value) {
        vss_value *list = value_require(value, "plan", VSS_KIND_LIST);

        for (size_t i = 0; list && i < task->n_schedules; i++) {
                const TaskSchedule *schedule = &task->schedules[i];
                _cleanup_(freep) char *timer = task_timer_name(task->name, schedule->type);
                _cleanup_value_ vss_value *entry = vss_value_new_dict();
                uint64_t next = tasks->systemd && timer ? systemd_next_usec(tasks->systemd, timer) : 0;

                if (!timer ||
                    vss_value_set_string(entry, "backup-type", backup_type_name(schedule->type)) < 0 ||
                    vss_value_set_string(entry, "at", schedule->calendar) < 0 ||
                    (next > 0 && vss_value_set_integer(entry, "next-usec", (int64_t)next) < 0) ||
                    vss_value_append(list, TAKE_PTR(entry)) < 0)
                        return -ENOMEM;
        }
        return list ? 0 : -ENOMEM;
}

static int add_last(const Tasks *tasks, const Task *task, vss_value *value) {
        const CatalogFilter filter = { .task = task->name, .last = 1 };
        _cleanup_value_ vss_value *runs = NULL;
        Why why = {};

        if (!tasks->catalog)
                return 0;
        if (catalog_list(tasks->catalog, &filter, &why, &runs) < 0) {
                cli_note("%s", why.text);
                return 0;
        }
        if (vss_value_count(runs) == 0)
                return 0;
        return vss_value_set(value, "last-run", vss_value_copy(vss_value_at(runs, 0))) < 0 ? -ENOMEM : 0;
}

static vss_value *task_value(const Tasks *tasks, const Task *task) {
        const RepositoryBackupOptions *backup = &task->backup;
        _cleanup_value_ vss_value *value = vss_value_new_dict();

        if (!value || vss_value_set_string(value, "task", task->name) < 0 ||
            vss_value_set_string(value, "file", task->path) < 0 ||
            vss_value_set_string(value, "description", task->description ?: "") < 0 ||
            append_strings(value, "sources", "", &backup->backup.paths) < 0 ||
            append_strings(value, "sources", "writer:", &backup->backup.writers) < 0 ||
            append_strings(value, "excludes", "", &backup->excludes) < 0 ||
            vss_value_set_string(value, "repository", backup->repo.repository ?: "") < 0 ||
            vss_value_set_string(value, "vss", backup->vss ?: "auto") < 0 ||
            vss_value_set_string(value, "backup-type", backup_type_name(backup->backup.type)) < 0 ||
            vss_value_set_boolean(value, "forgets", !keep_is_empty(&task->retention.rules)) < 0 ||
            vss_value_set_string(value, "state", states[task_state(task)]) < 0 ||
            add_plan(tasks, task, value) < 0 || add_last(tasks, task, value) < 0 ||
            add_mistakes(task, value) < 0)
                return NULL;
        return TAKE_PTR(value);
}

static char *join(const vss_value *list) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);

        for (size_t i = 0; stream && i < vss_value_count(list); i++)
                fprintf(stream, "%s%s", i > 0 ? " " : "", vss_value_string(vss_value_at(list, i), ""));
        if (stream && fclose(stream) == 0)
                return text;
        free(text);
        return NULL;
}

static int64_t next_of(const vss_value *value) {
        const vss_value *plan = vss_value_get(value, "plan");
        int64_t next = 0;

        for (size_t i = 0; i < vss_value_count(plan); i++) {
                int64_t usec = vss_value_get_integer(vss_value_at(plan, i), "next-usec", 0);

                if (usec > 0 && (next == 0 || usec < next))
                        next = usec;
        }
        return next;
}

static void add_row(Table *table, const vss_value *value) {
        const vss_value *last = vss_value_get(value, "last-run");
        _cleanup_(freep) char *sources = join(vss_value_get(value, "sources"));
        char begun[DATE_SIZE], next[DATE_SIZE];
        bool wrong = vss_value_count(vss_value_get(value, "mistakes")) > 0;

        table_add(table, vss_value_get_string(value, "task", ""),
                  wrong ? "wrong" : vss_value_get_string(value, "state", ""),
                  format_date(next_of(value), next),
                  format_date(vss_value_get_integer(last, "begin-usec", 0), begun),
                  last ? vss_value_get_string(last, "result", "") : "",
                  vss_value_get_string(value, "repository", ""), sources ?: "", NULL);
}

static void say_empty(void) {
        _cleanup_(freep) char *directory = task_directory();

        printf("There is no task in %s; linuxvss.task(5) says how one is written.\n",
               directory ?: "tasks.d");
}

static int list_tasks(Tasks *tasks) {
        _cleanup_(strings_clear) Strings names = {};
        _cleanup_value_ vss_value *answer = vss_value_new_dict();
        vss_value *list = value_require(answer, "tasks", VSS_KIND_LIST);
        int r = task_names(&names), status = EXIT_DONE;
        Table table = {};

        if (r < 0)
                return cli_error(tasks->cli, VSS_E_ACCESSDENIED, NULL, "the tasks cannot be listed: %s",
                                 strerror(-r));
        table_add(&table, "TASK", "STATE", "NEXT", "LAST", "RESULT", "REPOSITORY", "SOURCES", NULL);
        for (size_t i = 0; status == EXIT_DONE && i < names.n; i++) {
                _cleanup_task_ Task task = {};
                vss_value *value;

                status = load(tasks->cli, names.items[i], &task);
                if (status != EXIT_DONE)
                        break;
                value = task_value(tasks, &task);
                if (value)
                        add_row(&table, value);
                if (!list || vss_value_append(list, value) < 0)
                        status = cli_out_of_memory(tasks->cli);
        }
        if (status == EXIT_DONE && tasks->cli->json)
                status = cli_print_json(tasks->cli, answer, false);
        else if (status == EXIT_DONE && names.n == 0)
                say_empty();
        else if (status == EXIT_DONE)
                table_print(&table, stdout);
        table_clear(&table);
        return status;
}

static void print_line(const char *what, const char *text) {
        printf("%-12s ", what);
        print_text(stdout, text);
        (void)putchar('\n');
}

static void print_list(const char *what, const vss_value *list) {
        for (size_t i = 0; i < vss_value_count(list); i++)
                print_line(i == 0 ? what : "", vss_value_string(vss_value_at(list, i), ""));
}

static void print_task(const vss_value *value) {
        const vss_value *plan = vss_value_get(value, "plan"), *last = vss_value_get(value, "last-run");
        char date[DATE_SIZE];

        print_line("task", vss_value_get_string(value, "task", ""));
        if (*vss_value_get_string(value, "description", ""))
                print_line("description", vss_value_get_string(value, "description", ""));
        print_line("file", vss_value_get_string(value, "file", ""));
        print_line("state", vss_value_get_string(value, "state", ""));
        print_list("sources", vss_value_get(value, "sources"));
        print_list("excludes", vss_value_get(value, "excludes"));
        print_line("repository", vss_value_get_string(value, "repository", ""));
        print_line("vss", vss_value_get_string(value, "vss", ""));
        for (size_t i = 0; i < vss_value_count(plan); i++) {
                const vss_value *entry = vss_value_at(plan, i);
                int64_t next = vss_value_get_integer(entry, "next-usec", 0);

                printf("%-12s %s at %s", i == 0 ? "plan" : "",
                       vss_value_get_string(entry, "backup-type", ""),
                       vss_value_get_string(entry, "at", ""));
                if (next > 0)
                        printf("; next %s", format_date(next, date));
                (void)putchar('\n');
        }
        if (last)
                printf("%-12s %s: %s, %s\n", "last run",
                       format_date(vss_value_get_integer(last, "begin-usec", 0), date),
                       vss_value_get_string(last, "backup-type", ""),
                       vss_value_get_string(last, "result", ""));
}

static int show(Tasks *tasks, const char *name) {
        _cleanup_task_ Task task = {};
        _cleanup_value_ vss_value *value = NULL;
        int status = load(tasks->cli, name, &task);

        if (status != EXIT_DONE)
                return status;
        value = task_value(tasks, &task);
        if (!value)
                return cli_out_of_memory(tasks->cli);
        if (tasks->cli->json)
                status = cli_print_json(tasks->cli, value, false);
        else
                print_task(value);
        print_mistakes(&task);
        return status == EXIT_DONE && task.n_mistakes > 0 ? EXIT_PARTLY : status;
}

/* What cannot be asked is not shown. */
static int look(Tasks *tasks, const char *name) {
        _cleanup_(freep) char *path = catalog_path();
        Why why = {};
        int status;

        if (path && catalog_open_reader(path, &why, &tasks->catalog) < 0 && access(path, F_OK) == 0)
                cli_note("%s", why.text);
        (void)systemd_open(NULL, &tasks->systemd);
        status = name ? show(tasks, name) : list_tasks(tasks);
        tasks->catalog = catalog_close(tasks->catalog);
        tasks->systemd = systemd_close(tasks->systemd);
        return status;
}

/* ---- enable and disable ---- */

static int answer_state(Cli *cli, const char *name, TaskState state) {
        _cleanup_value_ vss_value *answer = NULL;

        if (!cli->json) {
                printf("%s is %s\n", name, states[state]);
                return EXIT_DONE;
        }
        answer = vss_value_new_dict();
        if (vss_value_set_string(answer, "task", name) < 0 ||
            vss_value_set_string(answer, "state", states[state]) < 0)
                return cli_out_of_memory(cli);
        return cli_print_json(cli, answer, false);
}

static int enable(Cli *cli, const char *name) {
        _cleanup_task_ Task task = {};
        int status = load(cli, name, &task);

        if (status == EXIT_DONE)
                status = task_must_be_right(cli, &task);
        if (status == EXIT_DONE)
                status = check_calendars(cli, &task);
        if (status == EXIT_DONE)
                status = task_enable(cli, &task);
        return status == EXIT_DONE ? answer_state(cli, name, TASK_ENABLED) : status;
}

static int disable(Cli *cli, const char *name) {
        int status = task_name_is_valid(name)
                             ? task_disable(cli, name)
                             : cli_error(cli, VSS_E_OBJECT_NOT_FOUND, name, "is no name of a task");

        return status == EXIT_DONE ? answer_state(cli, name, TASK_DISABLED) : status;
}

int verb_task(Cli *cli, int argc, char **argv) {
        Tasks tasks = { .cli = cli };
        int status = EXIT_DONE, index = options_parse(cli, NULL, 0, argc, argv, &status), n = argc - index;
        const char *what;

        if (index < 0)
                return status;
        what = n > 0 ? argv[index] : "list";
        if (strcmp(what, "list") == 0)
                return n <= 1 ? look(&tasks, NULL)
                              : cli_usage(cli, "'%s' is one word too many", argv[index + 1]);
        if (strcmp(what, "show") != 0 && strcmp(what, "check") != 0 && strcmp(what, "enable") != 0 &&
            strcmp(what, "disable") != 0)
                return cli_usage(cli, "list, show, check, enable or disable, and not '%s'", what);
        if (n != 2)
                return cli_usage(cli, "name one task");
        if (strcmp(what, "show") == 0)
                return look(&tasks, argv[index + 1]);
        if (strcmp(what, "check") == 0)
                return check(cli, argv[index + 1]);
        return strcmp(what, "enable") == 0 ? enable(cli, argv[index + 1]) : disable(cli, argv[index + 1]);
}
