/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Finding servers
 */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/common/aside.h"
#include "writers/redis/holder.h"
#include "writers/redis/instance.h"

#define PROCESSES_MAX 65536u

static void _printf_(2, 3) warn(InstanceList *list, const char *format, ...) {
        char *text = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = list->n_warnings < ELEMENTS(list->warnings) ? vasprintf(&text, format, args) : -1;
        va_end(args);
        if (n >= 0)
                list->warnings[list->n_warnings++] = text;
}

void instance_list_clear(InstanceList *list) {
        for (size_t i = 0; i < list->n; i++)
                redis_conf_deinit(&list->items[i].conf);
        for (size_t i = 0; i < list->n_warnings; i++)
                free(list->warnings[i]);
        free(list->items);
        *list = (InstanceList){ 0 };
}

Instance *instance_list_find(const InstanceList *list, const char *name) {
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i].name, name) == 0)
                        return &list->items[i];
        return NULL;
}

static Instance *add_instance(InstanceList *list) {
        Instance *instance;

        if (!list->items)
                list->items = calloc(INSTANCES_MAX, sizeof(*list->items));
        if (!list->items)
                return NULL;
        if (list->n == INSTANCES_MAX) {
                warn(list, "more than %u servers: the others are not served", INSTANCES_MAX);
                return NULL;
        }
        instance = &list->items[list->n++];
        redis_conf_init(&instance->conf);
        return instance;
}

static void copy_text(char *to, size_t size, const char *text) {
        (void)snprintf(to, size, "%s", text);
}
#define COPY_TEXT(to, text) copy_text(to, sizeof(to), text)

static Instance *add_config(InstanceList *list, const char *path) {
        RedisConf conf;
        Instance *instance;
        int r;

        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i].config, path) == 0)
                        return &list->items[i];
        redis_conf_init(&conf);
        r = redis_conf_read(&conf, path);
        if (r < 0)
                warn(list, "%.300s: %s", path,
                     r == -EINVAL ? "it has a line that no server would take" : strerror(-r));
        /* Not a server of data. */
        if (r < 0 || conf.sentinel || !(instance = add_instance(list))) {
                redis_conf_deinit(&conf);
                return NULL;
        }
        instance->conf = conf;
        COPY_TEXT(instance->config, path);
        COPY_TEXT(instance->socket, conf.socket);
        instance->port = conf.port;
        COPY_TEXT(instance->password, conf.password);
        return instance;
}

static void find_configs(const Product *product, InstanceList *list) {
        glob_t matches = { 0 };
        char pattern[REDIS_PATH_SIZE];

        (void)snprintf(pattern, sizeof(pattern), "%s/*.conf", product->conf_dir);
        if (glob(pattern, 0, NULL, &matches) == 0)
                for (size_t i = 0; i < matches.gl_pathc; i++)
                        (void)add_config(list, matches.gl_pathv[i]);
        globfree(&matches);
}

static Instance *find_address(const InstanceList *list, const char *socket, uint16_t port) {
        for (size_t i = 0; i < list->n; i++) {
                Instance *instance = &list->items[i];

                if (socket[0] ? strcmp(instance->socket, socket) == 0 : port && instance->port == port)
                        return instance;
        }
        return NULL;
}

static Instance *add_address(InstanceList *list, const char *socket, uint16_t port) {
        Instance *instance = find_address(list, socket, port);

        if (instance || (!socket[0] && port == 0))
                return instance;
        instance = add_instance(list);
        if (!instance)
                return NULL;
        COPY_TEXT(instance->socket, socket);
        instance->port = port;
        return instance;
}

static void find_named(InstanceList *list, const Settings *settings) {
        for (size_t i = 0; i < settings->n_instances; i++) {
                const InstanceSettings *named = &settings->instances[i];
                Instance *instance = named->config[0] ? add_config(list, named->config)
                                                      : add_address(list, named->socket, named->port);

                if (!instance)
                        continue;
                if (named->socket[0])
                        COPY_TEXT(instance->socket, named->socket);
                if (named->port)
                        instance->port = named->port;
                if (named->password[0]) {
                        COPY_TEXT(instance->user, named->user);
                        COPY_TEXT(instance->password, named->password);
                }
                COPY_TEXT(instance->unit, named->unit);
        }
        for (size_t i = 0; settings->password[0] && i < list->n; i++) {
                Instance *instance = &list->items[i];

                /* What is said for all is better than the password of whom is allowed everything. */
                if (instance->user[0] || (instance->password[0] && !settings->user[0]))
                        continue;
                COPY_TEXT(instance->user, settings->user);
                COPY_TEXT(instance->password, settings->password);
        }
}

/* Processes */

bool process_title_parse(const char *title, size_t size, ProcessTitle *ret_title) {
        char text[2048];
        const char *words[4] = { "", "", "", "" };
        size_t n = 0;
        char *save, *word, *colon, *end;
        unsigned long port;

        size = MIN(size, sizeof(text) - 1);
        for (size_t i = 0; i < size; i++)
                text[i] = title[i] ? title[i] : ' ';
        text[size] = '\0';
        for (word = strtok_r(text, " ", &save); word && n < ELEMENTS(words);
             word = strtok_r(NULL, " ", &save))
                words[n++] = word;

        *ret_title = (ProcessTitle){ .sentinel = strcmp(words[2], "[sentinel]") == 0 };
        if (words[1][0] == '/') {
                COPY_TEXT(ret_title->config, words[1]);
                return true;
        }
        if (strncmp(words[1], "unixsocket:/", 12) == 0) {
                COPY_TEXT(ret_title->socket, words[1] + 11);
                return true;
        }
        colon = strrchr(words[1], ':');
        if (!colon || !isdigit((unsigned char)colon[1]))
                return false;
        port = strtoul(colon + 1, &end, 10);
        if (*end || port == 0 || port > UINT16_MAX)
                return false;
        ret_title->port = (uint16_t)port;
        return true;
}

static ssize_t read_process(int proc, const char *pid, const char *name, char *text, size_t size) {
        char path[300];
        _cleanup_(closep) int fd = -1;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "%s/%s", pid, name);
        fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, text, size - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        return n;
}

/* Another network name space has other ports: a container's. */
static bool is_elsewhere(int proc, const char *pid) {
        char path[300], here[64] = "", there[64] = "";

        (void)snprintf(path, sizeof(path), "%s/ns/net", pid);
        if (readlinkat(proc, path, there, sizeof(there) - 1) < 0 ||
            readlinkat(proc, "self/ns/net", here, sizeof(here) - 1) < 0)
                return false;
        return strcmp(here, there) != 0;
}

static bool is_server(const Product *product, int proc, const char *pid, ProcessTitle *ret_title) {
        char comm[64], title[2048];
        struct stat st;
        ssize_t n;

        if (fstatat(proc, pid, &st, 0) < 0 || st.st_uid != geteuid())
                return false;
        if (read_process(proc, pid, "comm", comm, sizeof(comm)) < 0)
                return false;
        comm[strcspn(comm, "\n")] = '\0';
        if (strcmp(comm, product->process) != 0 || is_elsewhere(proc, pid))
                return false;
        n = read_process(proc, pid, "cmdline", title, sizeof(title));
        return n > 0 && process_title_parse(title, (size_t)n, ret_title);
}

/* The unit that systemd runs it in, if it is one of the product's. */
static void read_unit(const Product *product, int proc, const char *pid, Instance *instance) {
        char text[2048];
        size_t length = strlen(product->unit);
        char *line, *name, *save;

        if (instance->unit[0] || read_process(proc, pid, "cgroup", text, sizeof(text)) < 0)
                return;
        for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                name = strrchr(line, '/');
                if (name && strncmp(name + 1, product->unit, length) == 0 &&
                    (name[1 + length] == '@' || name[1 + length] == '.') && strlen(name) > 8 &&
                    strcmp(name + strlen(name) - 8, ".service") == 0)
                        COPY_TEXT(instance->unit, name + 1);
        }
}

static bool is_of(const ProcessTitle *title, const Instance *instance) {
        if (title->config[0])
                return strcmp(title->config, instance->config) == 0;
        return title->socket[0] ? strcmp(title->socket, instance->socket) == 0
                                : title->port == instance->port;
}

typedef bool (*see_fn)(const Product *product, int proc, const char *pid, const ProcessTitle *title,
                       void *userdata);

/* All servers of this user, until @see says that it has seen enough. */
static bool look_at_processes(const Product *product, see_fn see, void *userdata) {
        const struct dirent *entry;
        bool seen = false;
        DIR *proc = opendir("/proc");

        if (!proc)
                return false;
        for (unsigned i = 0; i < PROCESSES_MAX && !seen && (entry = readdir(proc)); i++) {
                ProcessTitle title;

                if (isdigit((unsigned char)entry->d_name[0]) &&
                    is_server(product, dirfd(proc), entry->d_name, &title) && !title.sentinel)
                        seen = see(product, dirfd(proc), entry->d_name, &title, userdata);
        }
        (void)closedir(proc);
        return seen;
}

static bool add_process(const Product *product, int proc, const char *pid, const ProcessTitle *title,
                        void *userdata) {
        InstanceList *list = userdata;
        Instance *instance = NULL;

        for (size_t i = 0; i < list->n && !instance; i++)
                if (is_of(title, &list->items[i]))
                        instance = &list->items[i];
        if (!instance)
                instance = title->config[0] ? add_config(list, title->config)
                                            : add_address(list, title->socket, title->port);
        if (instance) {
                instance->pid = (pid_t)strtol(pid, NULL, 10);
                read_unit(product, proc, pid, instance);
        }
        return false;
}

static bool is_its_process(const Product *product, int proc, const char *pid, const ProcessTitle *title,
                           void *userdata) {
        return is_of(title, userdata);
}

bool instance_has_process(const Product *product, const Instance *instance) {
        return look_at_processes(product, is_its_process, (void *)instance);
}

bool instance_is_aside(const InstanceList *list, const Instance *instance) {
        const InstanceFacts *facts = &instance->reply.facts;
        const char *const names[] = { facts->dump, !facts->append_only ? ""
                                                   : facts->many_files ? facts->append_dir
                                                                       : facts->append_file };
        char path[3 * REDIS_PATH_SIZE];
        bool shared = false;

        (void)snprintf(path, sizeof(path), "%s/%s", facts->dir, ASIDE_NAME);
        if (access(path, F_OK) < 0)
                return false;
        for (size_t i = 0; i < list->n; i++)
                shared |= &list->items[i] != instance &&
                          strcmp(list->items[i].reply.facts.dir, facts->dir) == 0;
        FOREACH_ELEMENT (name, names) {
                (void)snprintf(path, sizeof(path), "%s/%s/%s", facts->dir, ASIDE_NAME, *name);
                if ((*name)[0] && access(path, F_OK) == 0)
                        return true;
        }
        return !shared;
}

/* Names */

/* "redis-x" of "/etc/redis/redis-x.conf". */
static bool base_of(const Product *product, const char *config, char *base, size_t size) {
        size_t dir = strlen(product->conf_dir), length = strlen(config);

        if (strncmp(config, product->conf_dir, dir) != 0 || config[dir] != '/' ||
            strchr(config + dir + 1, '/') || length < dir + 7 || strcmp(config + length - 5, ".conf") != 0)
                return false;
        (void)snprintf(base, size, "%.*s", (int)(length - dir - 6), config + dir + 1);
        return true;
}

void instance_unit_of(const Product *product, const char *config, char *unit, size_t size) {
        size_t length = strlen(product->name);
        char base[REDIS_NAME_SIZE];

        unit[0] = '\0';
        if (!base_of(product, config, base, sizeof(base)) || strncmp(base, product->name, length) != 0)
                return;
        if (base[length] == '\0')
                (void)snprintf(unit, size, "%s.service", product->unit);
        else if (base[length] == '-' && base[length + 1])
                (void)snprintf(unit, size, "%s@%s.service", product->unit, base + length + 1);
}

void instance_name_of(const Product *product, const Instance *instance, char *name, size_t size) {
        const char *path = instance->config[0] ? instance->config : instance->socket;

        if (base_of(product, instance->config, name, size))
                return;
        if (path[0] == '/')
                (void)snprintf(name, size, "%s", path + 1);
        else
                (void)snprintf(name, size, "port-%u", (unsigned)instance->port);
}

/* All of them */

/* What is known of one that does not run. */
static void use_conf(Instance *instance) {
        InstanceFacts *facts = &instance->reply.facts;
        const RedisConf *conf = &instance->conf;
        char append_file[2 * REDIS_PATH_SIZE], append_dir[2 * REDIS_PATH_SIZE];

        COPY_TEXT(facts->dir, conf->dir);
        COPY_TEXT(facts->dump, conf->dump);
        COPY_TEXT(facts->append_dir, conf->append_dir);
        COPY_TEXT(facts->append_file, conf->append_file);
        facts->append_only = conf->append_only;
        facts->saves = conf->saves;
        facts->cluster = conf->cluster;
        (void)snprintf(append_file, sizeof(append_file), "%s/%s", conf->dir, conf->append_file);
        (void)snprintf(append_dir, sizeof(append_dir), "%s/%s", conf->dir, conf->append_dir);
        /* One file before 7.0. */
        facts->many_files = access(append_file, F_OK) < 0 || access(append_dir, F_OK) == 0;
}

static bool is_same_file(const char *a, const char *b) {
        struct stat st_a, st_b;

        return stat(a, &st_a) == 0 && stat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
               st_a.st_ino == st_b.st_ino;
}

/* Of two files that say the same port only one can be that of the server which has it. */
static void judge_owners(InstanceList *list) {
        for (size_t i = 0; i < list->n; i++) {
                Instance *instance = &list->items[i];
                const char *config = instance->reply.facts.config;

                if (instance->reply.code < 0 || !instance->config[0] || !config[0] ||
                    is_same_file(config, instance->config))
                        continue;
                for (size_t j = 0; j < list->n; j++)
                        if (j != i && list->items[j].config[0] &&
                            is_same_file(config, list->items[j].config)) {
                                instance->reply = (InstanceReply){ .code = VSS_E_WRITERERROR_RETRYABLE,
                                                                   .down = true };
                                instance->pid = 0;
                                break;
                        }
        }
}

/* One that was found by its address may be the server of a file that says another. */
static void merge(InstanceList *list) {
        for (size_t i = 0; i < list->n; i++) {
                Instance *found = &list->items[i], *known = NULL;

                if (found->config[0] || found->reply.code < 0 || !found->reply.facts.config[0])
                        continue;
                for (size_t j = 0; j < list->n; j++)
                        if (strcmp(list->items[j].config, found->reply.facts.config) == 0)
                                known = &list->items[j];
                if (!known) {
                        COPY_TEXT(found->config, found->reply.facts.config);
                        continue;
                }
                if (known->reply.code >= 0)
                        continue;
                known->reply = found->reply;
                known->port = found->port;
                COPY_TEXT(known->socket, found->socket);
                known->pid = found->pid;
                redis_conf_deinit(&found->conf);
                *found = list->items[--list->n];
                i--;
        }
}

int instances_find(const Product *product, Settings *settings, uint64_t deadline_usec,
                   InstanceList *ret_list) {
        InstanceList list = { 0 };
        ConfError error;

        if (settings_read(settings, product->settings, &error) < 0)
                warn(&list, "%s, line %u: %s", product->settings, error.line, error.message);
        find_configs(product, &list);
        find_named(&list, settings);
        (void)look_at_processes(product, add_process, &list);
        holders_look(product, settings, deadline_usec, &list);
        judge_owners(&list);
        merge(&list);
        for (size_t i = 0; i < list.n; i++) {
                Instance *instance = &list.items[i];

                if (instance->reply.code < 0)
                        use_conf(instance);
                /* It may be just starting, or have its socket where it alone sees it. */
                if (instance->pid)
                        instance->reply.down = false;
                instance_name_of(product, instance, instance->name, sizeof(instance->name));
                if (!instance->unit[0])
                        instance_unit_of(product, instance->config, instance->unit, sizeof(instance->unit));
        }
        *ret_list = list;
        return 0;
}
