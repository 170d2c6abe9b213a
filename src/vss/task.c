/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Backup tasks: what their files say
 *
 * One table has all keys. What stands in a file is checked here as far as the file alone allows; whether
 * what it names is there is seen when it is run.
 */

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include "config.h"
#include "repository/keep.h"
#include "tasks/calendar.h"
#include "util/clock.h"
#include "vss/task.h"

#define WRITER_PREFIX "writer:"
#define SUFFIX ".conf"
#define TASKS_MAX 1000u
#define COMMAND_LIMIT_DEFAULT (3600 * USEC_PER_SEC)
#define COMMAND_LIMIT_MAX (7 * 86400 * USEC_PER_SEC)
#define JITTER_MAX (86400 * USEC_PER_SEC)

typedef enum KeyKind {
        KEY_TEXT,
        KEY_PATH,       /* absolute */
        KEY_REPOSITORY, /* absolute, or on another machine */
        KEY_LIST,
        KEY_SOURCE,
        KEY_COMMAND,
        KEY_NUMBER, /* uint32_t, at least 1 */
        KEY_DURATION,
        KEY_SECONDS, /* uint32_t */
        KEY_BOOLEAN,
        KEY_CHOICE, /* one of the words of @choices */
        KEY_TYPE,
        KEY_LEVEL,
        KEY_WITHIN,
        KEY_CALENDAR, /* of the type @type */
} KeyKind;

typedef struct Key {
        const char *section, *name;
        KeyKind kind;
        size_t offset;
        const char *choices;
        uint64_t max;
        enum vss_backup_type type;
} Key;

#define AT(member) offsetof(Task, member)
static const Key keys[] = {
        { "Task", "Description", KEY_TEXT, AT(description), NULL, 0, 0 },
        { "Task", "Source", KEY_SOURCE, 0, NULL, 0, 0 },
        { "Task", "Exclude", KEY_LIST, AT(backup.excludes), NULL, 0, 0 },
        { "Task", "ExcludeWriter", KEY_LIST, AT(backup.backup.excluded), NULL, 0, 0 },
        { "Task", "Repository", KEY_REPOSITORY, AT(backup.repo.repository), NULL, 0, 0 },
        { "Task", "PasswordFile", KEY_PATH, AT(backup.repo.password_file), NULL, 0, 0 },
        { "Task", "PasswordCommand", KEY_TEXT, AT(backup.repo.password_command), NULL, 0, 0 },
        { "Task", "SftpCommand", KEY_TEXT, AT(backup.repo.sftp_command), NULL, 0, 0 },
        { "Task", "KeyringSec", KEY_SECONDS, AT(backup.repo.keyring), NULL, 30 * 86400, 0 },
        { "Task", "Vss", KEY_CHOICE, AT(backup.vss), "auto required off", 0, 0 },
        { "Task", "Type", KEY_TYPE, AT(backup.backup.type), NULL, 0, 0 },
        { "Task", "Provider", KEY_TEXT, AT(backup.backup.provider), NULL, 0, 0 },
        { "Task", "Require", KEY_LEVEL, AT(backup.backup.require), NULL, 0, 0 },
        { "Task", "WaitSec", KEY_SECONDS, AT(backup.backup.wait), NULL, 86400, 0 },
        { "Task", "ReadTimeoutSec", KEY_SECONDS, AT(backup.read_timeout), NULL, 86400, 0 },
        { "Task", "Tag", KEY_LIST, AT(backup.tags), NULL, 0, 0 },
        { "Task", "Hostname", KEY_TEXT, AT(backup.host), NULL, 0, 0 },
        { "Task", "Compression", KEY_CHOICE, AT(backup.compression), "off fastest default better max", 0,
          0 },
        { "Task", "PreCommand", KEY_COMMAND, AT(pre), NULL, 0, 0 },
        { "Task", "PostCommand", KEY_COMMAND, AT(post), NULL, 0, 0 },
        { "Task", "CommandLimitSec", KEY_DURATION, AT(command_limit_usec), NULL, COMMAND_LIMIT_MAX, 0 },
        { "Task", "KeepLast", KEY_NUMBER, AT(retention.rules.last), NULL, 0, 0 },
        { "Task", "KeepHourly", KEY_NUMBER, AT(retention.rules.hourly), NULL, 0, 0 },
        { "Task", "KeepDaily", KEY_NUMBER, AT(retention.rules.daily), NULL, 0, 0 },
        { "Task", "KeepWeekly", KEY_NUMBER, AT(retention.rules.weekly), NULL, 0, 0 },
        { "Task", "KeepMonthly", KEY_NUMBER, AT(retention.rules.monthly), NULL, 0, 0 },
        { "Task", "KeepYearly", KEY_NUMBER, AT(retention.rules.yearly), NULL, 0, 0 },
        { "Task", "KeepWithin", KEY_WITHIN, AT(within), NULL, 0, 0 },
        { "Task", "KeepTag", KEY_LIST, AT(keep_tags), NULL, 0, 0 },
        { "Plan", "Full", KEY_CALENDAR, 0, NULL, 0, VSS_BT_FULL },
        { "Plan", "Differential", KEY_CALENDAR, 0, NULL, 0, VSS_BT_DIFFERENTIAL },
        { "Plan", "Incremental", KEY_CALENDAR, 0, NULL, 0, VSS_BT_INCREMENTAL },
        { "Plan", "Copy", KEY_CALENDAR, 0, NULL, 0, VSS_BT_COPY },
        { "Plan", "Log", KEY_CALENDAR, 0, NULL, 0, VSS_BT_LOG },
        { "Plan", "JitterSec", KEY_DURATION, AT(jitter_usec), NULL, JITTER_MAX, 0 },
        { "Plan", "RunMissed", KEY_BOOLEAN, AT(run_missed), NULL, 0, 0 },
};

static void clear_options(RepositoryBackupOptions *options) {
        strings_clear(&options->backup.paths);
        strings_clear(&options->backup.writers);
        strings_clear(&options->backup.excluded);
        strings_clear(&options->tags);
        strings_clear(&options->excludes);
}

void task_clear(Task *task) {
        strings_clear(&task->keep_tags);
        clear_options(&task->backup);
        task->pre = conf_words_free(task->pre);
        task->post = conf_words_free(task->post);
        task->conf = conf_free(task->conf);
        free(task->keep_tag_list);
        free(task->schedules);
        free(task->mistakes);
        free(task->name);
        free(task->path);
        *task = (Task){};
}

static int mistake(Task *task, unsigned line, const char *format, ...) _printf_(3, 4);

static int mistake(Task *task, unsigned line, const char *format, ...) {
        TaskMistake *mistakes;
        va_list args;

        if (task->n_mistakes == TASK_MISTAKES_MAX)
                return 0;
        mistakes = reallocarray(task->mistakes, task->n_mistakes + 1, sizeof(*mistakes));
        if (!mistakes)
                return -ENOMEM;
        task->mistakes = mistakes;
        mistakes[task->n_mistakes].line = line;
        va_start(args, format);
        (void)vsnprintf(mistakes[task->n_mistakes++].message, TASK_MESSAGE_SIZE, format, args);
        va_end(args);
        return 0;
}

/* ---- values ---- */

/* "writer:NAME", "writer:NAME/path": as --writer wants it, NAME:/path. */
static int add_writer(Task *task, const ConfEntry *entry) {
        const char *name = entry->value + strlen(WRITER_PREFIX), *path = strchr(name, '/');
        size_t n = path ? (size_t)(path - name) : strlen(name);
        _cleanup_(freep) char *writer = NULL;
        int r;

        if (n > 0 && path && name[n - 1] == ':')
                n--;
        if (n == 0)
                return mistake(task, entry->line,
                               "Source=%.100s: a writer is named as writer:NAME or writer:NAME/path",
                               entry->value);
        r = path ? asprintf(&writer, "%.*s:%s", (int)n, name, path)
                 : asprintf(&writer, "%.*s", (int)n, name);
        if (r < 0) {
                writer = NULL;
                return -ENOMEM;
        }
        return strings_add_once(&task->backup.backup.writers, writer);
}

static int add_source(Task *task, const ConfEntry *entry) {
        if (strncmp(entry->value, WRITER_PREFIX, strlen(WRITER_PREFIX)) == 0)
                return add_writer(task, entry);
        if (entry->value[0] != '/')
                return mistake(task, entry->line, "Source=%.100s: neither an absolute path nor writer:NAME",
                               entry->value);
        return strings_add_once(&task->backup.backup.paths, entry->value);
}

static int add_schedule(Task *task, const Key *key, const ConfEntry *entry) {
        TaskSchedule *schedules;

        if (!calendar_is_valid(entry->value))
                return mistake(task, entry->line,
                               "%s=%.100s: no time as systemd.time(7) has them, like Sun 02:00 or *:0/15",
                               key->name, entry->value);
        if (task->n_schedules == TASK_SCHEDULES_MAX)
                return mistake(task, entry->line, "%s: more than %u times", key->name, TASK_SCHEDULES_MAX);
        schedules = reallocarray(task->schedules, task->n_schedules + 1, sizeof(*schedules));
        if (!schedules)
                return -ENOMEM;
        task->schedules = schedules;
        schedules[task->n_schedules++] = (TaskSchedule){ key->type, entry->value, entry->line };
        return 0;
}

static int set_command(Task *task, const Key *key, const ConfEntry *entry, char ***target) {
        ConfError error = {};
        int r = conf_words(entry->value, &error, target);

        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return mistake(task, entry->line, "%s: %s", key->name, error.message);
        if (!(*target)[0] || (*target)[0][0] != '/')
                return mistake(task, entry->line,
                               "%s: the command begins with the absolute path of a program", key->name);
        return 0;
}

static bool is_choice(const char *choices, const char *word) {
        size_t n = strlen(word);

        for (const char *c = choices; *c; c += strcspn(c, " "), c += *c == ' ')
                if (strcspn(c, " ") == n && strncmp(c, word, n) == 0)
                        return true;
        return false;
}

static int set_number(Task *task, const Key *key, const ConfEntry *entry, uint32_t *target) {
        unsigned long number = 0;

        if (conf_number(entry->value, UINT32_MAX - 1, &number) < 0 || number == 0)
                return mistake(task, entry->line, "%s=%.100s: no number above 0", key->name, entry->value);
        *target = (uint32_t)number;
        return 0;
}

static int set_duration(Task *task, const Key *key, const ConfEntry *entry, uint64_t max, uint64_t *target) {
        if (conf_duration(entry->value, max, target) < 0)
                return mistake(task, entry->line,
                               "%s=%.100s: no time up to %" PRIu64 " seconds, like 90 or 5min", key->name,
                               entry->value, max / USEC_PER_SEC);
        return 0;
}

static int set_seconds(Task *task, const Key *key, const ConfEntry *entry, uint32_t *target) {
        uint64_t usec = 0;
        size_t before = task->n_mistakes;
        int r = set_duration(task, key, entry, key->max * USEC_PER_SEC, &usec);

        if (r < 0 || task->n_mistakes > before)
                return r;
        if (usec < USEC_PER_SEC)
                return mistake(task, entry->line, "%s=%.100s: less than a second", key->name, entry->value);
        *target = (uint32_t)(usec / USEC_PER_SEC);
        return 0;
}

static int set_level(Task *task, const ConfEntry *entry, const char **target) {
        enum vss_level level;

        if (vss_level_from_name(entry->value, &level) < 0)
                return mistake(task, entry->line,
                               "Require=%.100s: no level (application, group, volume, none)", entry->value);
        *target = vss_level_name(level);
        return 0;
}

static int set_path(Task *task, const Key *key, const ConfEntry *entry, const char **target) {
        bool elsewhere = key->kind == KEY_REPOSITORY && strncmp(entry->value, "sftp:", strlen("sftp:")) == 0;

        if (entry->value[0] != '/' && !elsewhere)
                return mistake(task, entry->line, "%s=%.100s: %s", key->name, entry->value,
                               key->kind == KEY_PATH ? "no absolute path"
                                                     : "neither an absolute path nor sftp:HOST:PATH");
        *target = entry->value;
        return 0;
}

static int set_value(Task *task, const Key *key, const ConfEntry *entry) {
        void *target = (uint8_t *)task + key->offset;

        switch (key->kind) {
        case KEY_TEXT:
                *(const char **)target = entry->value;
                return 0;
        case KEY_PATH:
        case KEY_REPOSITORY:
                return set_path(task, key, entry, target);
        case KEY_LIST:
                return strings_add(target, entry->value);
        case KEY_SOURCE:
                return add_source(task, entry);
        case KEY_COMMAND:
                return set_command(task, key, entry, target);
        case KEY_NUMBER:
                return set_number(task, key, entry, target);
        case KEY_SECONDS:
                return set_seconds(task, key, entry, target);
        case KEY_DURATION:
                return set_duration(task, key, entry, key->max, target);
        case KEY_BOOLEAN:
                return conf_boolean(entry->value, target) < 0
                               ? mistake(task, entry->line, "%s=%.100s: neither yes nor no", key->name,
                                         entry->value)
                               : 0;
        case KEY_CHOICE:
                if (!is_choice(key->choices, entry->value))
                        return mistake(task, entry->line, "%s=%.100s: none of: %s", key->name, entry->value,
                                       key->choices);
                *(const char **)target = entry->value;
                return 0;
        case KEY_TYPE:
                return backup_type_from_name(entry->value, target)
                               ? 0
                               : mistake(task, entry->line,
                                         "Type=%.100s: no backup type (full, differential, incremental, "
                                         "copy, log)",
                                         entry->value);
        case KEY_LEVEL:
                return set_level(task, entry, target);
        case KEY_WITHIN:
                *(const char **)target = entry->value;
                return keep_parse_within(entry->value, &task->retention.rules) < 0
                               ? mistake(task, entry->line,
                                         "KeepWithin=%.100s: no duration like 1y6m, 30d or 12h",
                                         entry->value)
                               : 0;
        case KEY_CALENDAR:
                return add_schedule(task, key, entry);
        }
        return 0;
}

/* ---- keys ---- */

static bool may_repeat(const Key *key) {
        return key->kind == KEY_LIST || key->kind == KEY_SOURCE || key->kind == KEY_CALENDAR;
}

static const Key *find_key(const char *section, const char *name) {
        FOREACH_ELEMENT (key, keys)
                if (strcmp(key->section, section) == 0 && strcmp(key->name, name) == 0)
                        return key;
        return NULL;
}

static int unknown_key(Task *task, const ConfSection *section, const ConfEntry *entry) {
        const char *names[ELEMENTS(keys)], *near;
        size_t n = 0;

        FOREACH_ELEMENT (key, keys) {
                if (strcmp(key->name, entry->key) == 0)
                        return mistake(task, entry->line, "%s belongs into section [%s]", key->name,
                                       key->section);
                if (strcmp(key->section, section->name) == 0)
                        names[n++] = key->name;
        }
        near = suggest_name(entry->key, names, n);
        return near ? mistake(task, entry->line, "there is no key %.60s; %s was meant, perhaps", entry->key,
                              near)
                    : mistake(task, entry->line, "there is no key %.60s in section [%s]", entry->key,
                              section->name);
}

static unsigned first_line(const ConfSection *section, const char *name, size_t before) {
        for (size_t i = 0; i < before; i++)
                if (strcmp(section->entries[i].key, name) == 0)
                        return section->entries[i].line;
        return 0;
}

static int read_section(Task *task, const ConfSection *section) {
        for (size_t i = 0; i < section->n_entries; i++) {
                const ConfEntry *entry = &section->entries[i];
                const Key *key = find_key(section->name, entry->key);
                unsigned first = first_line(section, entry->key, i);
                int r;

                if (!key)
                        r = unknown_key(task, section, entry);
                else if (!*entry->value)
                        r = mistake(task, entry->line, "%s has no value", key->name);
                else if (first > 0 && !may_repeat(key))
                        r = mistake(task, entry->line, "%s stands in line %u already", key->name, first);
                else
                        r = set_value(task, key, entry);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_sections(Task *task) {
        static const char *const names[] = { "Task", "Plan" };
        bool seen[ELEMENTS(names)] = {};

        for (size_t i = 0; i < task->conf->n_sections; i++) {
                const ConfSection *section = &task->conf->sections[i];
                size_t which = 0;
                int r;

                while (which < ELEMENTS(names) && strcmp(names[which], section->name) != 0)
                        which++;
                if (which == ELEMENTS(names))
                        r = *section->name ? mistake(task, section->line,
                                                     "there is no section [%.60s]; there are [Task] "
                                                     "and [Plan]",
                                                     section->name)
                                           : mistake(task, section->line,
                                                     "stands before the first section, [Task]");
                else if (seen[which])
                        r = mistake(task, section->line, "[%s] is there already", section->name);
                else
                        r = read_section(task, section);
                if (r < 0)
                        return r;
                if (which < ELEMENTS(names))
                        seen[which] = true;
        }
        return 0;
}

/* ---- the whole ---- */

/* What one key needs of another. */
static int check_whole(Task *task) {
        const RepositoryBackupOptions *backup = &task->backup;
        const RepoArgs *repo = &backup->repo;
        int r = 0;

        if (backup->backup.paths.n == 0 && backup->backup.writers.n == 0)
                r = mistake(task, 0, "there is no Source");
        if (r == 0 && !repo->repository)
                r = mistake(task, 0, "there is no Repository");
        if (r == 0 && !repo->password_file && !repo->password_command)
                r = mistake(task, 0, "there is neither PasswordFile nor PasswordCommand");
        if (r == 0 && repo->password_file && repo->password_command)
                r = mistake(task, 0, "PasswordFile and PasswordCommand exclude each other");
        if (r == 0 && backup->vss && strcmp(backup->vss, "off") == 0 && backup->backup.writers.n > 0)
                r = mistake(task, 0,
                            "writers take part only in shadow copies, so that Vss=off excludes them");
        if (r == 0 && task_has_type(task, VSS_BT_LOG) && !task_has_type(task, VSS_BT_FULL))
                r = mistake(task, 0, "[Plan] Log needs a full backup to stand on, and there is no Full");
        return r;
}

static int fill_rest(Task *task) {
        task->keep_tag_list = calloc(task->keep_tags.n + 1, sizeof(*task->keep_tag_list));
        if (!task->keep_tag_list)
                return -ENOMEM;
        for (size_t i = 0; i < task->keep_tags.n; i++)
                task->keep_tag_list[i] = task->keep_tags.items[i];
        task->retention.rules.tags = task->keep_tag_list;
        task->retention.filter.task = task->name;
        task->backup.task = task->name;
        return 0;
}

int task_parse(Task *task, const char *name, const char *path, Conf *conf) {
        int r;

        *task = (Task){
                .name = strdup(name),
                .path = strdup(path),
                .conf = conf,
                .backup = { .backup = { .context = VSS_CTX_BACKUP, .type = VSS_BT_FULL } },
                .command_limit_usec = COMMAND_LIMIT_DEFAULT,
                .run_missed = true,
        };
        if (!task->name || !task->path)
                return -ENOMEM;
        r = conf ? read_sections(task) : 0;
        if (r == 0 && conf)
                r = check_whole(task);
        return r == 0 ? fill_rest(task) : r;
}

bool task_name_is_valid(const char *name) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
        size_t n = strlen(name);

        return n > 0 && n <= TASK_NAME_MAX && *name != '-' && name[strspn(name, letters)] == '\0';
}

char *task_directory(void) {
        const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
        char *path = NULL;
        int r;

        if (geteuid() == 0)
                return strdup(LINUXVSS_CONFDIR "/tasks.d");
        if (config && *config == '/')
                r = asprintf(&path, "%s/linuxvss/tasks.d", config);
        else if (home && *home == '/')
                r = asprintf(&path, "%s/.config/linuxvss/tasks.d", home);
        else
                return NULL;
        return r < 0 ? NULL : path;
}

int task_load(Task *task, const char *name) {
        _cleanup_(freep) char *directory = task_directory(), *path = NULL;
        ConfError error = {};
        Conf *conf = NULL;
        int r;

        if (!directory || !task_name_is_valid(name))
                return -ENOENT;
        if (asprintf(&path, "%s/%s" SUFFIX, directory, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = conf_read(path, &error, &conf);
        if (r == -ENOENT || r == -ENOTDIR || r == -ENOMEM)
                return r == -ENOMEM ? r : -ENOENT;
        if (r == 0)
                return task_parse(task, name, path, conf);
        r = task_parse(task, name, path, NULL);
        return r < 0 ? r : mistake(task, error.line, "%s", error.message);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void closedirp(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

int task_names(Strings *ret_names) {
        _cleanup_(freep) char *path = task_directory();
        _cleanup_(closedirp) DIR *directory = path ? opendir(path) : NULL;
        const struct dirent *entry;

        if (!directory)
                return !path ? -ENOMEM : errno == ENOENT ? 0 : -errno;
        while (ret_names->n < TASKS_MAX && (entry = readdir(directory))) {
                size_t n = strlen(entry->d_name);
                _cleanup_(freep) char *name = NULL;

                if (n <= strlen(SUFFIX) || strcmp(entry->d_name + n - strlen(SUFFIX), SUFFIX) != 0)
                        continue;
                name = strndup(entry->d_name, n - strlen(SUFFIX));
                if (!name || (task_name_is_valid(name) && strings_add(ret_names, name) < 0))
                        return -ENOMEM;
        }
        if (ret_names->n > 1)
                qsort(ret_names->items, ret_names->n, sizeof(*ret_names->items), compare_names);
        return 0;
}

bool task_has_type(const Task *task, enum vss_backup_type type) {
        for (size_t i = 0; i < task->n_schedules; i++)
                if (task->schedules[i].type == type)
                        return true;
        return false;
}
