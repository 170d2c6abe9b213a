/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Discovery: servers that run as our user, and those that are configured
 *
 * Configured are the default instance, instances of units (mariadb@NAME), and what mariadb.conf names; what
 * their options are is asked of my_print_defaults.
 */

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/value.h"
#include "writers/common/aside.h"
#include "writers/common/child.h"
#include "writers/common/command.h"
#include "writers/mariadb/process.h"

#define PROGRAM_TIME_USEC (2 * USEC_PER_SEC)
#define OUTPUT_MAX (1u << 20)
#define DIRECTORIES_MAX 65536u
#define DATADIR_DEFAULT "/var/lib/mysql"
#define SOCKET_DEFAULT "/run/mysqld/mysqld.sock"

static const char *const programs[] = { "/usr/sbin/mariadbd", "/usr/sbin/mysqld", "/usr/libexec/mariadbd",
                                        "/usr/libexec/mysqld" };

static void warn(InstanceList *list, const char *format, ...) _printf_(2, 3);
static void warn(InstanceList *list, const char *format, ...) {
        char text[1024];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (text_is_clean(text))
                (void)value_append_string(list->warnings, text);
}

static void instance_clear(Instance *instance) {
        free(instance->logical_path);
        free(instance->unit);
        free(instance->program);
        options_clear(&instance->options);
        free(instance->socket);
        free(instance->client_file);
        vss_value_free(instance->variables);
        vss_value_free(instance->databases);
        vss_value_free(instance->remote_files);
        vss_value_free(instance->other_directories);
        free(instance->unreachable);
        free(instance->missing_right);
        free(instance->remedy);
        free(instance->half_restored);
        *instance = (Instance){ 0 };
}

void instance_list_clear(InstanceList *list) {
        for (size_t i = 0; i < list->n; i++)
                instance_clear(&list->items[i]);
        vss_value_free(list->warnings);
        *list = (InstanceList){ 0 };
}

Instance *instance_list_get(InstanceList *list, const char *logical_path) {
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i].logical_path, logical_path) == 0)
                        return &list->items[i];
        return NULL;
}

const char *instance_get(const Instance *instance, const char *variable) {
        return vss_value_get_string(instance->variables, variable, "");
}

void instance_resolve(const Instance *instance, const char *path, char *ret_path, size_t size) {
        char joined[PATH_MAX], real[PATH_MAX];
        size_t n;

        if (snprintf(joined, sizeof(joined), "%s%s%s",
                     path[0] == '/' ? "" : instance_get(instance, "datadir"), path[0] == '/' ? "" : "/",
                     path) >= (int)sizeof(joined))
                joined[0] = '\0';
        (void)snprintf(ret_path, size, "%s", realpath(joined, real) ? real : joined);
        n = strlen(ret_path);
        while (n > 1 && ret_path[n - 1] == '/')
                ret_path[--n] = '\0';
}

void instance_path(const Instance *instance, const char *variable, char *ret_path, size_t size) {
        const char *value = instance_get(instance, variable);

        ret_path[0] = '\0';
        if (*value)
                instance_resolve(instance, value, ret_path, size);
}

ClientAddress instance_address(const InstanceList *list, const Instance *instance) {
        return (ClientAddress){ .socket = instance->socket,
                                .user = list->user,
                                .file = instance->client_file };
}

const char *instance_program(const Instance *instance, const char *name, char *ret_path, size_t size) {
        /* /usr/sbin/mariadbd: its tools are in /usr/bin. */
        const char *slash = strrchr(instance->program, '/');
        const char *above = slash;

        while (above > instance->program && *--above != '/')
                ;
        (void)snprintf(ret_path, size, "%.*s/bin/%s", (int)(above - instance->program), instance->program,
                       name);
        return ret_path;
}

static bool is_mariadb(const char *program) {
        char real[PATH_MAX];

        return strstr(realpath(program, real) ? real : program, "mariadb");
}

static int read_whole(int fd, Options *options) {
        off_t size = lseek(fd, 0, SEEK_END);
        _cleanup_(freep) char *text = NULL;

        if (size < 0 || size > (off_t)OUTPUT_MAX)
                return -E2BIG;
        text = malloc((size_t)size + 1);
        if (!text)
                return -ENOMEM;
        if (pread(fd, text, (size_t)size, 0) != (ssize_t)size)
                return -EIO;
        return options_split(options, text, (size_t)size, '\n');
}

/* Options of its configuration; then those it was called with, which override them. */
static int read_options(Instance *instance, const Options *called_with) {
        _cleanup_(closep) int output = memfd_create("options", MFD_CLOEXEC);
        char tool[PATH_MAX], text[COMMAND_OUTPUT_MAX + 1];
        Options argv = { 0 }, defaults = { 0 };
        int r = output < 0 ? -errno : options_get_defaults(called_with, &defaults);

        if (r >= 0)
                r = options_add(&argv, instance_program(instance, "my_print_defaults", tool, sizeof(tool)));
        for (size_t i = 0; i < defaults.n && r >= 0; i++)
                r = options_add(&argv, defaults.items[i]);
        if (r >= 0)
                r = options_add(&argv, is_mariadb(instance->program) ? "--mysqld" : "mysqld");
        if (r >= 0 && !is_mariadb(instance->program))
                r = options_add(&argv, "server");
        /* Without the tool, or with a file that cannot be read, there are those it was called with. */
        if (r >= 0 &&
            command_run((const char *const *)argv.items, output, now_usec() + PROGRAM_TIME_USEC, text) == 0)
                r = read_whole(output, &instance->options);
        options_clear(&argv);
        options_clear(&defaults);
        for (size_t i = 0; i < called_with->n && r >= 0; i++)
                r = options_add(&instance->options, called_with->items[i]);
        return r;
}

/* What a server that does not run, or does not talk to us, is set to. */
static int read_variables(Instance *instance) {
        static const char *const names[] = { "datadir",
                                             "innodb_data_home_dir",
                                             "innodb_data_file_path",
                                             "innodb_log_group_home_dir",
                                             "innodb_undo_directory",
                                             "aria_log_dir_path",
                                             "log_error",
                                             "pid_file",
                                             "socket" };
        const char *binlog = options_get(&instance->options, "log-bin");
        char path[PATH_MAX];

        if (vss_value_set_string(instance->variables, "datadir", DATADIR_DEFAULT) < 0)
                return -ENOMEM;
        FOREACH_ELEMENT (name, names) {
                const char *value = options_get(&instance->options, *name);

                if (value && *value && vss_value_set_string(instance->variables, *name, value) < 0)
                        return -ENOMEM;
        }
        if (binlog && *binlog) {
                instance_resolve(instance, binlog, path, sizeof(path));
                (void)vss_value_set_string(instance->variables, "log_bin_basename", path);
        }
        return 0;
}

static int instance_init(Instance *instance, const char *logical_path, const char *unit, const char *program,
                         const Options *called_with) {
        *instance = (Instance){
                .logical_path = strdup(logical_path),
                .unit = unit && *unit ? strdup(unit) : NULL,
                .program = strdup(program),
                .variables = vss_value_new_dict(),
                .databases = vss_value_new_list(),
                .remote_files = vss_value_new_list(),
                .other_directories = vss_value_new_list(),
        };
        if (!instance->logical_path || (unit && *unit && !instance->unit) || !instance->program ||
            !instance->variables || !instance->databases || !instance->remote_files ||
            !instance->other_directories)
                return -ENOMEM;
        if (read_options(instance, called_with) < 0)
                return -ENOMEM;
        return read_variables(instance);
}

/* Databases that are no plain directories of the data directory: links, and volumes of their own. */
static int find_other_directories(Instance *instance) {
        char datadir[PATH_MAX], path[PATH_MAX];
        const struct dirent *entry;
        struct stat top, st;
        int r = 0;
        DIR *dir;

        instance_path(instance, "datadir", datadir, sizeof(datadir));
        dir = opendir(datadir);
        if (!dir || fstat(dirfd(dir), &top) < 0) {
                if (dir)
                        (void)closedir(dir);
                return 0;
        }
        for (unsigned i = 0; i < DIRECTORIES_MAX && r >= 0 && (entry = readdir(dir)); i++) {
                if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 ||
                    !S_ISDIR(st.st_mode))
                        continue;
                if (st.st_dev == top.st_dev &&
                    (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                     S_ISDIR(st.st_mode)))
                        continue;
                instance_resolve(instance, entry->d_name, path, sizeof(path));
                r = value_append_string(instance->other_directories, path) < 0 ? -ENOMEM : 0;
        }
        (void)closedir(dir);
        return r;
}

/* Has it ever been set up? */
static bool has_data(const Instance *instance) {
        char path[PATH_MAX], file[PATH_MAX];
        struct stat st;

        instance_path(instance,
                      *instance_get(instance, "innodb_data_home_dir") ? "innodb_data_home_dir" : "datadir",
                      path, sizeof(path));
        (void)snprintf(file, sizeof(file), "%.4000s/ibdata1", path);
        if (stat(file, &st) == 0)
                return true;
        /* A restore that did not come to its end. */
        instance_path(instance, "datadir", path, sizeof(path));
        (void)snprintf(file, sizeof(file), "%.4000s/" ASIDE_NAME, path);
        return stat(file, &st) == 0;
}

static bool same_directory(const Instance *a, const Instance *b) {
        char path_a[PATH_MAX], path_b[PATH_MAX];

        instance_path(a, "datadir", path_a, sizeof(path_a));
        instance_path(b, "datadir", path_b, sizeof(path_b));
        return strcmp(path_a, path_b) == 0;
}

/* Half of one: what was there is put aside still. */
static int look_aside(Instance *instance) {
        char datadir[PATH_MAX], text[1024];
        _cleanup_(closep) int fd = -1;
        AsideInfo info;

        instance_path(instance, "datadir", datadir, sizeof(datadir));
        fd = open(datadir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || aside_look(fd, &info) <= 0)
                return 0;
        instance->half_restored = strdup(aside_text(&info, datadir, text, sizeof(text)));
        return instance->half_restored ? 0 : -ENOMEM;
}

static int add(InstanceList *list, const char *logical_path, const char *unit, const char *program,
               const Options *called_with, const char *client_file) {
        Instance *instance = &list->items[list->n];
        int r;

        if (list->n == INSTANCES_MAX) {
                warn(list, "there are more than %u instances: %s is left out", INSTANCES_MAX, logical_path);
                return 0;
        }
        r = instance_init(instance, logical_path, unit, program, called_with);
        if (r >= 0 && client_file && !(instance->client_file = strdup(client_file)))
                r = -ENOMEM;
        for (size_t i = 0; i < list->n && r >= 0; i++)
                if (same_directory(&list->items[i], instance) ||
                    strcmp(list->items[i].logical_path, logical_path) == 0)
                        r = 1;
        if (r == 0 && (list->all || has_data(instance)))
                list->n++;
        else
                instance_clear(instance);
        return MIN(r, 0);
}

/* "mariadb@NAME.service" of a link in a directory of wants. */
static int find_units(InstanceList *list, const char *program, const char *pattern) {
        glob_t matches = { 0 };
        int r = 0;

        if (glob(pattern, GLOB_NOSORT, NULL, &matches) != 0)
                return 0;
        for (size_t i = 0; i < matches.gl_pathc && r >= 0; i++) {
                const char *unit = strrchr(matches.gl_pathv[i], '/') + 1;
                _cleanup_(freep) char *name = strndup(unit, strlen(unit) - strlen(".service"));
                char suffix[300];
                Options options = { 0 };

                if (!name || !text_is_clean(unit))
                        continue;
                (void)snprintf(suffix, sizeof(suffix), "--defaults-group-suffix=.%s", strchr(name, '@') + 1);
                r = options_add(&options, suffix);
                if (r >= 0)
                        r = add(list, name, unit, program, &options, NULL);
                options_clear(&options);
        }
        globfree(&matches);
        return r;
}

static int find_configured(InstanceList *list, const Settings *settings) {
        const char *program = NULL;
        Options none = { 0 };
        int r = 0;

        FOREACH_ELEMENT (p, programs)
                if (!program && access(*p, X_OK) == 0)
                        program = *p;
        if (!program)
                return 0;
        for (size_t i = 0; i < settings->n_instances && r >= 0; i++) {
                const struct Configured *configured = &settings->instances[i];
                char file[PATH_MAX];
                Options options = { 0 };

                (void)snprintf(file, sizeof(file), "--defaults-file=%s", configured->defaults_file);
                r = options_add(&options, file);
                if (r >= 0)
                        r = add(list, configured->name, configured->unit, program, &options,
                                configured->client_file);
                options_clear(&options);
        }
        if (r >= 0)
                r = is_mariadb(program) ? add(list, "mariadb", "mariadb.service", program, &none, NULL)
                                        : add(list, "mysql", "mysql.service", program, &none, NULL);
        if (r >= 0)
                r = find_units(list, program, "/etc/systemd/system/*.wants/mariadb@*.service");
        if (r >= 0)
                r = find_units(list, program, "/etc/systemd/system/*.wants/mysql@*.service");
        return r;
}

/* The path a server has may mean something else here. */
static bool is_our_path(pid_t pid, const char *path) {
        char theirs[PATH_MAX];
        struct stat a, b;

        (void)snprintf(theirs, sizeof(theirs), "/proc/%d/root%.4000s", (int)pid, path);
        if (stat(path, &a) < 0)
                return false;
        /* Of a process that may not be looked at, what it says is taken. */
        if (stat(theirs, &b) < 0)
                return true;
        return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int take_running(InstanceList *list, const ServerProcess *process) {
        char datadir[PATH_MAX], name[PATH_MAX];
        const char *suffix = options_get(&process->arguments, "defaults-group-suffix");
        Instance found = { 0 };
        const char *pid_file;
        int r;

        r = instance_init(&found, "", process->unit, process->program, &process->arguments);
        pid_file = r >= 0 ? instance_get(&found, "pid_file") : "";
        instance_path(&found, "datadir", datadir, sizeof(datadir));
        /* Our own, on a clone or before a restore is done. */
        if (r < 0 || strstr(pid_file, PRIVATE_PID_FILE) || !is_our_path(process->pid, datadir)) {
                instance_clear(&found);
                return r;
        }
        for (size_t i = 0; i < list->n; i++)
                if (same_directory(&list->items[i], &found)) {
                        Instance *known = &list->items[i];

                        known->pid = process->pid;
                        known->socket = strdup(*process->socket ? process->socket
                                                                : instance_get(&found, "socket"));
                        options_clear(&known->options);
                        known->options = found.options;
                        found.options = (Options){ 0 };
                        instance_clear(&found);
                        return known->socket ? 0 : -ENOMEM;
                }
        if (list->n == INSTANCES_MAX) {
                warn(list, "there are more than %u instances: the one in %s is left out", INSTANCES_MAX,
                     datadir);
                instance_clear(&found);
                return 0;
        }
        if (suffix && suffix[0] == '.')
                (void)snprintf(name, sizeof(name), "mariadb@%.200s", suffix + 1);
        else
                (void)snprintf(name, sizeof(name), "%s", datadir + 1);
        free(found.logical_path);
        found.logical_path = strdup(name);
        found.pid = process->pid;
        found.socket = strdup(*process->socket ? process->socket : instance_get(&found, "socket"));
        list->items[list->n++] = found;
        return found.logical_path && found.socket ? 0 : -ENOMEM;
}

int instance_list_find(const Settings *settings, bool all, uint64_t deadline_usec, InstanceList *ret_list) {
        InstanceList list = { .warnings = vss_value_new_list(), .all = all };
        ServerProcess *processes = NULL;
        size_t n_processes = 0;
        int r = list.warnings ? 0 : -ENOMEM;

        (void)snprintf(list.user, sizeof(list.user), "%s", settings->user ?: "");
        if (!*list.user)
                process_user(list.user, sizeof(list.user));
        if (*settings->error)
                warn(&list, "%s", settings->error);
        if (r >= 0)
                r = find_configured(&list, settings);
        if (r >= 0)
                r = processes_find(deadline_usec, &processes, &n_processes);
        for (size_t i = 0; i < n_processes && r >= 0; i++)
                r = take_running(&list, &processes[i]);
        processes_free(processes, n_processes);
        for (size_t i = 0; i < list.n && r >= 0; i++) {
                Instance *instance = &list.items[i];
                const char *file = settings_client_file(settings, instance, list.warnings);
                char *copy = file ? strdup(file) : NULL;

                free(instance->client_file);
                instance->client_file = copy;
                if (instance->pid > 0 && !*instance->socket) {
                        free(instance->socket);
                        instance->socket = strdup(SOCKET_DEFAULT);
                }
                if (instance->pid > 0)
                        instance_ask(&list, instance, deadline_usec);
                r = replicas_warn(instance, list.warnings);
                if (r >= 0)
                        r = find_other_directories(instance);
                if (r >= 0)
                        r = look_aside(instance);
        }
        if (r < 0) {
                instance_list_clear(&list);
                return r;
        }
        *ret_list = list;
        return 0;
}
