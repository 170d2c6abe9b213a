/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A task's plan as timers of systemd
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include "model/filespec.h"
#include "tasks/systemd.h"
#include "util/clock.h"
#include "vss/task-units.h"

#define DROP_IN "50-linuxvss-plan.conf"
#define TEXT_MAX (64u * 1024)

static const enum vss_backup_type types[] = { VSS_BT_FULL, VSS_BT_DIFFERENTIAL, VSS_BT_INCREMENTAL,
                                              VSS_BT_COPY, VSS_BT_LOG };

char *task_timer_name(const char *task, enum vss_backup_type type) {
        char *name;

        return asprintf(&name, "linuxvss-task@%s.%s.timer", task, backup_type_name(type)) < 0 ? NULL : name;
}

/* The directory of an instance's drop-ins, or the file in it. */
static char *drop_in_path(const char *task, enum vss_backup_type type, bool file) {
        char *path;

        return asprintf(&path, "%s/linuxvss-task@%s.%s.timer.d%s", UNITS_DIRECTORY, task,
                        backup_type_name(type), file ? "/" DROP_IN : "") < 0
                       ? NULL
                       : path;
}

/* ---- text ---- */

/* '%' begins a specifier. */
static void put_escaped(FILE *stream, const char *text) {
        for (; *text; text++) {
                if (*text == '%')
                        (void)fputc('%', stream);
                (void)fputc(*text, stream);
        }
}

char *task_timer_text(const Task *task, enum vss_backup_type type) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        fprintf(stream,
                "# Of %s, by vss task enable %s.\n# vss task disable %s takes it away; changes here are "
                "lost.\n"
                "[Unit]\nDescription=",
                task->path, task->name, task->name);
        put_escaped(stream, task->description ?: task->name);
        fprintf(stream, " (%s backup)\n\n[Timer]\nOnCalendar=\n", backup_type_name(type));
        for (size_t i = 0; i < task->n_schedules; i++)
                if (task->schedules[i].type == type) {
                        fputs("OnCalendar=", stream);
                        put_escaped(stream, task->schedules[i].calendar);
                        (void)fputc('\n', stream);
                }
        fprintf(stream, "Persistent=%s\n", task->run_missed ? "yes" : "no");
        if (task->jitter_usec > 0)
                fprintf(stream, "RandomizedDelaySec=%" PRIu64 "ms\n", task->jitter_usec / USEC_PER_MSEC);
        if (fclose(stream) == 0)
                return text;
        free(text);
        return NULL;
}

/* ---- files ---- */

static char *read_file(const char *path) {
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        _cleanup_(freep) char *text = file ? calloc(TEXT_MAX + 1, 1) : NULL;

        if (!text)
                return NULL;
        (void)fread(text, 1, TEXT_MAX, file);
        return ferror(file) ? NULL : TAKE_PTR(text);
}

TaskState task_state(const Task *task) {
        TaskState state = TASK_DISABLED;
        bool outdated = false;

        FOREACH_ELEMENT (type, types) {
                _cleanup_(freep) char *path = drop_in_path(task->name, *type, true),
                                      *text = path ? read_file(path) : NULL,
                                      *wanted = task_timer_text(task, *type);

                if (text)
                        state = TASK_ENABLED;
                if ((text != NULL) != task_has_type(task, *type) ||
                    (text && wanted && strcmp(text, wanted) != 0))
                        outdated = true;
        }
        return state == TASK_ENABLED && outdated ? TASK_OUTDATED : state;
}

/* Whole or not at all. */
static int write_file(const char *path, const char *text) {
        _cleanup_(freep) char *temporary = NULL;
        _cleanup_(closep) int fd = -1;
        size_t n = strlen(text);
        int r = 0;

        if (asprintf(&temporary, "%s.new", path) < 0) {
                temporary = NULL;
                return -ENOMEM;
        }
        (void)unlink(temporary);
        fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        if (write(fd, text, n) != (ssize_t)n || fchmod(fd, 0644) < 0 || fsync(fd) < 0 ||
            rename(temporary, path) < 0)
                r = errno > 0 ? -errno : -EIO;
        if (r < 0)
                (void)unlink(temporary);
        return r;
}

static int write_drop_in(Cli *cli, const Task *task, enum vss_backup_type type) {
        _cleanup_(freep) char *directory = drop_in_path(task->name, type, false),
                              *path = drop_in_path(task->name, type, true),
                              *text = task_timer_text(task, type);
        int r;

        if (!directory || !path || !text)
                return cli_out_of_memory(cli);
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
                return cli_error(cli, VSS_E_ACCESSDENIED, directory, "cannot be made: %s", strerror(errno));
        r = write_file(path, text);
        return r < 0 ? cli_error(cli, VSS_E_ACCESSDENIED, path, "cannot be written: %s", strerror(-r))
                     : EXIT_DONE;
}

/* Return: was there one? */
static bool remove_drop_in(const char *task, enum vss_backup_type type) {
        _cleanup_(freep) char *directory = drop_in_path(task, type, false),
                              *path = drop_in_path(task, type, true);
        bool there = path && unlink(path) == 0;

        /* Somebody's own drop-ins stay. */
        if (directory)
                (void)rmdir(directory);
        return there;
}

static bool has_drop_in(const char *task, enum vss_backup_type type) {
        _cleanup_(freep) char *path = drop_in_path(task, type, true);

        return path && access(path, F_OK) == 0;
}

/* ---- systemd ---- */

static int fail(Cli *cli, const Why *why) {
        return cli_error_remedy(cli, VSS_E_UNEXPECTED, NULL,
                                "Check that systemd runs here; vss run starts a task without it.", "%s",
                                *why->text ? why->text : "out of memory");
}

static int check_root(Cli *cli) {
        return geteuid() == 0
                       ? EXIT_DONE
                       : cli_error(cli, VSS_E_ACCESSDENIED, NULL,
                                   "timers of the machine are root's; a user's own timer can call vss run");
}

static int enable_timer(Systemd *systemd, const char *task, enum vss_backup_type type, Why *why) {
        _cleanup_(freep) char *unit = task_timer_name(task, type);
        const char *units[] = { unit, NULL };
        int r = unit ? systemd_enable(systemd, units, why) : -ENOMEM;

        return r < 0 ? r : systemd_start(systemd, unit, why);
}

static int disable_timer(Systemd *systemd, const char *task, enum vss_backup_type type, Why *why) {
        _cleanup_(freep) char *unit = task_timer_name(task, type);
        const char *units[] = { unit, NULL };
        int r = unit ? systemd_stop(systemd, unit, why) : -ENOMEM;

        return r < 0 ? r : systemd_disable(systemd, units, why);
}

/* What is not in the plan any more, or all of it. */
static int remove_timers(Systemd *systemd, const char *name, const Task *task, bool *ret_any, Why *why) {
        FOREACH_ELEMENT (type, types) {
                int r;

                if (!has_drop_in(name, *type) || (task && task_has_type(task, *type)))
                        continue;
                r = disable_timer(systemd, name, *type, why);
                if (r < 0)
                        return r;
                *ret_any |= remove_drop_in(name, *type);
        }
        return 0;
}

/* An error leaves nothing half enabled: what is there says what is on. */
static void take_back(Systemd *systemd, const Task *task) {
        bool any = false;

        (void)remove_timers(systemd, task->name, NULL, &any, NULL);
        FOREACH_ELEMENT (type, types)
                (void)remove_drop_in(task->name, *type);
        (void)systemd_reload(systemd, NULL);
        cli_note("%s is not enabled", task->name);
}

int task_enable(Cli *cli, const Task *task) {
        _cleanup_(systemd_closep) Systemd *systemd = NULL;
        int status = check_root(cli), r;
        bool any = false;
        Why why = {};

        if (status != EXIT_DONE)
                return status;
        if (task->n_schedules == 0)
                return cli_error(cli, VSS_E_INVALIDARG, task->path,
                                 "there is no [Plan], so there is nothing to enable");
        r = systemd_open(&why, &systemd);
        if (r == 0)
                r = remove_timers(systemd, task->name, task, &any, &why);
        if (r < 0)
                return fail(cli, &why);
        FOREACH_ELEMENT (type, types)
                if (status == EXIT_DONE && task_has_type(task, *type))
                        status = write_drop_in(cli, task, *type);
        if (status == EXIT_DONE) {
                r = systemd_reload(systemd, &why);
                FOREACH_ELEMENT (type, types)
                        if (r == 0 && task_has_type(task, *type))
                                r = enable_timer(systemd, task->name, *type, &why);
                if (r < 0)
                        status = fail(cli, &why);
        }
        if (status != EXIT_DONE)
                take_back(systemd, task);
        return status;
}

int task_disable(Cli *cli, const char *name) {
        _cleanup_(systemd_closep) Systemd *systemd = NULL;
        int status = check_root(cli), r;
        bool any = false;
        Why why = {};

        if (status != EXIT_DONE)
                return status;
        r = systemd_open(&why, &systemd);
        if (r == 0)
                r = remove_timers(systemd, name, NULL, &any, &why);
        if (r == 0 && any)
                r = systemd_reload(systemd, &why);
        if (r < 0)
                return fail(cli, &why);
        return any ? EXIT_DONE : cli_error(cli, VSS_E_OBJECT_NOT_FOUND, name, "is not enabled");
}
