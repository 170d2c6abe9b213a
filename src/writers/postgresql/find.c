/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Finding clusters
 *
 * A server's working directory is its directory of data, so that /proc tells all that run as our user. Those
 * that Debian's tools have configured are asked for: the server itself says what its configuration means.
 * Nothing is remembered.
 */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include "util/clock.h"
#include "writers/postgresql/cluster.h"
#include "writers/postgresql/program.h"

#define PROCESSES_MAX 65536u
#define ASK_USEC (400 * USEC_PER_MSEC)

void cluster_clear(Cluster *cluster) {
        for (size_t i = 0; i < cluster->n_spaces; i++) {
                free(cluster->spaces[i].location);
                free(cluster->spaces[i].directory);
        }
        free(cluster->spaces);
        free(cluster->logical_path);
        free(cluster->name);
        free(cluster->data);
        free(cluster->config);
        free(cluster->programs);
        free(cluster->unit);
        free(cluster->wal);
        *cluster = (Cluster){ 0 };
}

void cluster_list_clear(ClusterList *list) {
        for (size_t i = 0; i < list->n; i++)
                cluster_clear(&list->items[i]);
        free(list->items);
        settings_clear(&list->settings);
        *list = (ClusterList){ 0 };
}

Cluster *cluster_list_get(const ClusterList *list, const char *logical_path, const char *name) {
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i].logical_path, logical_path) == 0 &&
                    strcmp(list->items[i].name, name) == 0)
                        return &list->items[i];
        return NULL;
}

const char *cluster_label(const Cluster *cluster, char *text, size_t size) {
        (void)snprintf(text, size, "%s/%s", cluster->logical_path, cluster->name);
        return text;
}

int read_text(const char *directory, const char *name, char *text, size_t size) {
        char path[PATH_MAX];
        _cleanup_(closep) int fd = -1;
        ssize_t n;

        if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return -errno;
        n = read(fd, text, size - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        return 0;
}

/* "15" from PG_VERSION. */
static int read_version(const char *data, char version[static 16]) {
        char text[16];
        int r = read_text(data, "PG_VERSION", text, sizeof(text));

        if (r < 0)
                return r;
        text[strcspn(text, "\n ")] = '\0';
        if (!isdigit((unsigned char)text[0]) || text[strspn(text, "0123456789.")] != '\0')
                return -EBADMSG;
        (void)snprintf(version, 16, "%s", text);
        return 0;
}

static bool has_server(const char *directory) {
        char path[PATH_MAX];

        return snprintf(path, sizeof(path), "%s/postgres", directory) < (int)sizeof(path) &&
               access(path, X_OK) == 0;
}

/* Where distributions keep the programs of a version; the caller frees it. */
static char *find_programs(const char *version) {
        char debian[64], fedora[64];

        (void)snprintf(debian, sizeof(debian), "/usr/lib/postgresql/%s/bin", version);
        (void)snprintf(fedora, sizeof(fedora), "/usr/pgsql-%s/bin", version);
        return has_server(debian) ? strdup(debian) : has_server(fedora) ? strdup(fedora) : NULL;
}

/* The server's working directory, if the process is one. */
static bool serves(const char *proc, pid_t pid, const char *data) {
        char path[PATH_MAX], directory[PATH_MAX];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "%.3900s/%d/cwd", proc, (int)pid);
        n = readlink(path, directory, sizeof(directory) - 1);
        if (n <= 0)
                /* It is there, and nobody lets us look closer: then it counts. */
                return errno == EACCES && kill(pid, 0) == 0;
        directory[n] = '\0';
        return strcmp(directory, data) == 0;
}

void cluster_look(Cluster *cluster) {
        char text[8192];

        cluster->state = SERVER_DOWN;
        if (read_text(cluster->data, "postmaster.pid", text, sizeof(text)) < 0 ||
            pid_file_parse(text, &cluster->pid_file) < 0)
                return;
        /* What a server that was killed has left. */
        if (!serves("/proc", cluster->pid_file.pid, cluster->data))
                return;
        cluster->state = cluster->pid_file.ready && cluster->pid_file.socket_dir[0] ? SERVER_RUNNING
                                                                                    : SERVER_STARTING;
}

/* The directory of this version in a tablespace: that of another may lie beside it. */
static char *find_version_directory(const char *location, const char *version) {
        DIR *dir = opendir(location);
        const struct dirent *entry;
        char prefix[32], *found = NULL;
        int n = snprintf(prefix, sizeof(prefix), "PG_%s_", version);

        while (dir && !found && (entry = readdir(dir)))
                if (strncmp(entry->d_name, prefix, (size_t)n) == 0 &&
                    asprintf(&found, "%s/%s", location, entry->d_name) < 0)
                        found = NULL;
        if (dir)
                (void)closedir(dir);
        return found;
}

static int add_tablespace(Cluster *cluster, const char *links, const char *name) {
        char path[PATH_MAX];
        Tablespace *space = &cluster->spaces[cluster->n_spaces];
        size_t n = strlen(name);
        struct stat st;

        if (snprintf(path, sizeof(path), "%s/%s", links, name) >= (int)sizeof(path) ||
            lstat(path, &st) < 0 || !S_ISLNK(st.st_mode) || n >= sizeof(space->name))
                return 0;
        memcpy(space->name, name, n + 1);
        space->location = realpath(path, NULL);
        if (!space->location)
                /* It leads nowhere: PostgreSQL itself cannot use it either. */
                return errno == ENOMEM ? -ENOMEM : 0;
        space->directory = find_version_directory(space->location, cluster->version);
        cluster->n_spaces++;
        return 0;
}

static int find_tablespaces(Cluster *cluster) {
        char links[PATH_MAX];
        const struct dirent *entry;
        DIR *dir;
        int r = 0;

        cluster->spaces = calloc(TABLESPACES_MAX, sizeof(*cluster->spaces));
        if (!cluster->spaces)
                return -ENOMEM;
        if (snprintf(links, sizeof(links), "%s/pg_tblspc", cluster->data) >= (int)sizeof(links))
                return -ENAMETOOLONG;
        dir = opendir(links);
        while (dir && r >= 0 && cluster->n_spaces < TABLESPACES_MAX && (entry = readdir(dir)))
                if (isdigit((unsigned char)entry->d_name[0]))
                        r = add_tablespace(cluster, links, entry->d_name);
        if (dir)
                (void)closedir(dir);
        return r;
}

int cluster_locate(Cluster *cluster) {
        _cleanup_(freep) char *link = NULL;
        char *real = realpath(cluster->data, NULL);
        struct stat st;

        for (size_t i = 0; i < cluster->n_spaces; i++) {
                free(cluster->spaces[i].location);
                free(cluster->spaces[i].directory);
        }
        free(cluster->spaces);
        cluster->spaces = NULL;
        cluster->n_spaces = 0;
        if (real) {
                free(cluster->data);
                cluster->data = real;
        }
        cluster->exists = read_version(cluster->data, cluster->version) >= 0;
        free(cluster->wal);
        cluster->wal = NULL;
        if (asprintf(&link, "%s/pg_wal", cluster->data) < 0)
                return -ENOMEM;
        cluster->wal_is_apart = lstat(link, &st) == 0 && S_ISLNK(st.st_mode);
        cluster->wal = cluster->wal_is_apart ? realpath(link, NULL) : strdup(link);
        if (!cluster->wal)
                cluster->wal = strdup(link);
        return cluster->wal ? find_tablespaces(cluster) : -ENOMEM;
}

size_t cluster_paths(const Cluster *cluster, const char **ret_paths) {
        size_t n = 0;

        ret_paths[n++] = cluster->data;
        ret_paths[n++] = cluster->wal;
        for (size_t i = 0; i < cluster->n_spaces; i++)
                ret_paths[n++] = cluster->spaces[i].location;
        return n;
}

static Cluster *find_by_data(const ClusterList *list, const char *data) {
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i].data, data) == 0)
                        return &list->items[i];
        return NULL;
}

/* A cluster without a name is called by its directory. */
static int name_by_directory(Cluster *cluster) {
        const char *slash = strrchr(cluster->data, '/');

        cluster->name = strdup(slash + 1);
        if (asprintf(&cluster->logical_path, "%s%.*s", cluster->version, (int)(slash - cluster->data),
                     cluster->data) < 0)
                cluster->logical_path = NULL;
        return cluster->name && cluster->logical_path && *cluster->name ? 0 : -ENOMEM;
}

/* @name: NULL for one that has none. @data need not exist if it has one. Return: 0, -ENOMEM; 1 if it is
 * none. */
static int add_cluster(ClusterList *list, const char *version, const char *name, const char *data,
                       const char *config, const char *programs) {
        Cluster cluster = { 0 };
        Cluster *known;
        int r = 0;

        if (list->n >= CLUSTERS_MAX) {
                cluster_list_warn(list, "more than %u clusters: %.300s is not served", CLUSTERS_MAX, data);
                return 1;
        }
        cluster.data = realpath(data, NULL) ?: strdup(data);
        if (!cluster.data)
                return -ENOMEM;
        known = find_by_data(list, cluster.data);
        if (known || (read_version(cluster.data, cluster.version) < 0 && !version)) {
                cluster_clear(&cluster);
                return 1;
        }
        if (!cluster.version[0])
                (void)snprintf(cluster.version, sizeof(cluster.version), "%.15s", version);
        cluster.programs = programs ? strdup(programs) : find_programs(cluster.version);
        cluster.config = strdup(config ?: cluster.data);
        if (name) {
                cluster.name = strdup(name);
                cluster.logical_path = strdup(version);
                if (asprintf(&cluster.unit, "postgresql@%s-%s.service", version, name) < 0)
                        cluster.unit = NULL;
                r = cluster.name && cluster.logical_path && cluster.unit ? 0 : -ENOMEM;
        } else
                r = name_by_directory(&cluster);
        if (r >= 0)
                r = cluster_locate(&cluster);
        if (r < 0) {
                cluster_clear(&cluster);
                return r;
        }
        cluster_look(&cluster);
        list->items[list->n++] = cluster;
        return 0;
}

int cluster_make(const char *version, const char *logical_path, const char *name, const char *data,
                 Cluster *ret_cluster) {
        Cluster cluster = {
                .logical_path = strdup(logical_path),
                .name = strdup(name),
                .data = strdup(data),
                .config = strdup(data),
                .programs = find_programs(version),
        };
        int r = cluster.logical_path && cluster.name && cluster.data && cluster.config ? 0 : -ENOMEM;

        (void)snprintf(cluster.version, sizeof(cluster.version), "%.15s", version);
        if (r >= 0)
                r = cluster_locate(&cluster);
        if (r < 0) {
                cluster_clear(&cluster);
                return r;
        }
        cluster_look(&cluster);
        *ret_cluster = cluster;
        return 0;
}

/* Debian: /etc/postgresql/VERSION/NAME */

static int add_configured(ClusterList *list, const char *etc, const char *version, const char *name,
                          uint64_t deadline_usec) {
        _cleanup_(freep) char *programs = find_programs(version), *config = NULL, *server = NULL;
        char output[PROGRAM_OUTPUT_MAX], text[300], *data;
        int r;

        if (asprintf(&config, "%s/%s/%s", etc, version, name) < 0)
                return -ENOMEM;
        if (access(config, F_OK) < 0)
                return 0;
        if (!programs) {
                cluster_list_warn(list,
                                  "%s: PostgreSQL %s is not installed, and nobody can say where its data is",
                                  config, version);
                return 0;
        }
        if (asprintf(&server, "%s/postgres", programs) < 0)
                return -ENOMEM;
        r = program_run((const char *[]){ server, "-D", config, "-C", "data_directory", NULL },
                        MIN(now_usec() + ASK_USEC, deadline_usec), output);
        if (r != 0) {
                cluster_list_warn(list, "%s: the server does not say where its data is: %s", config,
                                  r < 0 ? strerror(-r) : program_last_line(output, text, sizeof(text)));
                return 0;
        }
        data = program_answer(output);
        if (data[0] != '/' || strlen(data) >= PATH_MAX) {
                cluster_list_warn(list, "%s: the server says that its data is in \"%.300s\"", config, data);
                return 0;
        }
        r = add_cluster(list, version, name, data, config, programs);
        return MIN(r, 0);
}

static int find_configured(ClusterList *list, const char *etc, uint64_t deadline_usec) {
        DIR *versions = opendir(etc), *names;
        const struct dirent *version, *name;
        char path[PATH_MAX];
        int r = 0;

        while (versions && r >= 0 && (version = readdir(versions))) {
                if (!isdigit((unsigned char)version->d_name[0]) || strlen(version->d_name) > 15 ||
                    snprintf(path, sizeof(path), "%s/%s", etc, version->d_name) >= (int)sizeof(path))
                        continue;
                names = opendir(path);
                while (names && r >= 0 && (name = readdir(names))) {
                        char file[PATH_MAX];

                        if (name->d_name[0] == '.' || !text_is_clean(name->d_name) ||
                            snprintf(file, sizeof(file), "%s/%s/postgresql.conf", path, name->d_name) >=
                                    (int)sizeof(file) ||
                            access(file, F_OK) < 0)
                                continue;
                        r = add_configured(list, etc, version->d_name, name->d_name, deadline_usec);
                }
                if (names)
                        (void)closedir(names);
        }
        if (versions)
                (void)closedir(versions);
        return r;
}

/* Servers that run */

static int look_at_process(ClusterList *list, const char *proc, const char *pid) {
        char path[PATH_MAX], program[PATH_MAX], data[PATH_MAX], text[8192];
        PidFile file;
        ssize_t n;
        char *slash;
        int r;

        (void)snprintf(path, sizeof(path), "%.3000s/%.20s/exe", proc, pid);
        n = readlink(path, program, sizeof(program) - 1);
        if (n <= 0)
                return 0;
        program[n] = '\0';
        slash = strrchr(program, '/');
        /* One that was replaced by an update, and not started anew, is " (deleted)". */
        if (!slash || strncmp(slash + 1, "postgres", 8) != 0)
                return 0;
        *slash = '\0';
        (void)snprintf(path, sizeof(path), "%.3000s/%.20s/cwd", proc, pid);
        n = readlink(path, data, sizeof(data) - 1);
        if (n <= 0 || data[0] != '/')
                return 0;
        data[n] = '\0';
        /* Of all its processes the first. */
        if (read_text(data, "postmaster.pid", text, sizeof(text)) < 0 || pid_file_parse(text, &file) < 0 ||
            file.pid != (pid_t)strtol(pid, NULL, 10))
                return 0;
        r = add_cluster(list, NULL, NULL, data, NULL, has_server(program) ? program : NULL);
        return MIN(r, 0);
}

static int find_running(ClusterList *list, const char *proc, uint64_t deadline_usec) {
        DIR *dir = opendir(proc);
        const struct dirent *entry;
        struct stat st;
        int r = 0;

        for (unsigned i = 0; dir && r >= 0 && i < PROCESSES_MAX && (entry = readdir(dir)); i++) {
                if (now_usec() >= deadline_usec) {
                        cluster_list_warn(
                                list,
                                "there was no time to look at all processes: name clusters that are missing "
                                "in the configuration (DataDirectory=)");
                        break;
                }
                if (isdigit((unsigned char)entry->d_name[0]) &&
                    fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && st.st_uid == geteuid())
                        r = look_at_process(list, proc, entry->d_name);
        }
        if (dir)
                (void)closedir(dir);
        return r;
}

int cluster_list_find(const char *conf_path, const char *proc, const char *etc, uint64_t deadline_usec,
                      ClusterList *ret_list) {
        ClusterList list = { .items = calloc(CLUSTERS_MAX, sizeof(*list.items)) };
        int r = list.items ? 0 : -ENOMEM;

        if (r < 0)
                return r;
        settings_read(conf_path, &list);
        r = find_configured(&list, etc, deadline_usec);
        for (size_t i = 0; r >= 0 && i < list.settings.n_directories; i++) {
                const char *directory = list.settings.directories[i];
                _cleanup_(freep) char *real = realpath(directory, NULL);

                r = add_cluster(&list, NULL, NULL, directory, NULL, NULL);
                if (r > 0 && (!real || !find_by_data(&list, real)))
                        cluster_list_warn(&list, "%.300s is named in %s, and is no directory of data",
                                          directory, conf_path);
                r = MIN(r, 0);
        }
        if (r >= 0)
                r = find_running(&list, proc, deadline_usec);
        if (r < 0) {
                cluster_list_clear(&list);
                return r;
        }
        *ret_list = list;
        return 0;
}

int cluster_control(const Cluster *cluster, const char *data, uint64_t deadline_usec, Control *ret_control) {
        _cleanup_(freep) char *program = NULL;
        char output[PROGRAM_OUTPUT_MAX];
        int r;

        if (!cluster->programs)
                return -ENOENT;
        if (asprintf(&program, "%s/pg_controldata", cluster->programs) < 0)
                return -ENOMEM;
        r = program_run((const char *[]){ program, "-D", data, NULL }, deadline_usec, output);
        if (r != 0)
                return r < 0 ? r : -EIO;
        /* It prints what it read all the same. */
        if (strstr(output, "checksum does not match") || strstr(output, "Calculated CRC"))
                return -EBADMSG;
        return control_parse(output, ret_control);
}
