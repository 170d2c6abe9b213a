/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The finding child: it looks for directory servers, and sends them and their databases to the writer
 *
 * Servers that run come first, since what they were started with is true; then what is configured.
 */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/conf.h"
#include "writers/common/aside.h"
#include "writers/common/command.h"
#include "writers/openldap/ask.h"
#include "writers/openldap/instance.h"
#include "writers/openldap/slapd-config.h"

#define PROCESSES_MAX 65536u
#define FILE_MAX 65536u
#define ASK_USEC (300 * USEC_PER_MSEC)
#define SLAPD "/usr/sbin/slapd"
#define CONFIG_DIR "/etc/ldap/slapd.d"
#define CONFIG_FILE "/etc/ldap/slapd.conf"
/* Servers that are being tried on copies (verify.c) are nobody's. */
#define TRIALS "/run/linuxvss"

/* A server as it was found. */
typedef struct Found {
        char config[PATH_MAX];
        char url[512], unit[256];
        pid_t pid;
        uid_t uid;
        bool conf_file;
} Found;

typedef struct Finder {
        const FindOrder *order;
        int fd;
        Found *found;
        size_t n;
        /* While the databases of one are sent. */
        const Found *current;
        LdapConnection *connection;
        ConfigDatabase database;
} Finder;

static void send_texts(const Finder *finder, uint32_t kind, uint32_t flags, pid_t pid, const char *a,
                       const char *b, const char *c) {
        static FoundMessage message;
        const char *const texts[] = { a, b, c };
        size_t n = 0;

        FOREACH_ELEMENT (text, texts) {
                size_t length = *text ? strlen(*text) + 1 : 0;

                if (n + length > sizeof(message.texts))
                        return;
                memcpy(message.texts + n, *text ?: "", length);
                n += length;
        }
        message.kind = kind;
        message.flags = flags;
        message.pid = (uint32_t)pid;
        message.size = (uint32_t)n;
        if (child_send(finder->fd, &message, offsetof(FoundMessage, texts) + n) < 0)
                _exit(1);
}

static void _printf_(3, 4) tell(const Finder *finder, uint32_t kind, const char *format, ...) {
        char text[4096];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        send_texts(finder, kind, 0, 0, text, NULL, NULL);
}

static uint64_t ask_deadline(const Finder *finder) {
        return MIN(finder->order->deadline_usec, now_usec() + ASK_USEC);
}

static bool read_text(int directory, const char *path, char *text, size_t size, size_t *ret_n) {
        _cleanup_(closep) int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

        if (n < 0)
                return false;
        text[n] = '\0';
        *ret_n = (size_t)n;
        return true;
}

/* Adds it, or finds the one that is known. NULL: its configuration is not there. */
static Found *add_found(Finder *finder, const char *config, const char *told_by) {
        char path[PATH_MAX];
        struct stat st;

        if (!realpath(config, path) || stat(path, &st) < 0) {
                if (told_by)
                        tell(finder, FOUND_WARNING, "%s: %.1000s: %s", told_by, config, strerror(errno));
                return NULL;
        }
        if (strncmp(path, TRIALS, strlen(TRIALS)) == 0)
                return NULL;
        for (size_t i = 0; i < finder->n; i++)
                if (strcmp(finder->found[i].config, path) == 0)
                        return &finder->found[i];
        if (finder->n == INSTANCES_MAX) {
                tell(finder, FOUND_WARNING,
                     "there are more than %u directory servers: %.1000s is not looked at", INSTANCES_MAX,
                     path);
                return NULL;
        }
        finder->found[finder->n] = (Found){ .conf_file = !S_ISDIR(st.st_mode), .uid = geteuid() };
        (void)snprintf(finder->found[finder->n].config, PATH_MAX, "%s", path);
        return &finder->found[finder->n++];
}

static const char *default_config(void) {
        return access(CONFIG_DIR, F_OK) == 0 ? CONFIG_DIR : CONFIG_FILE;
}

/* The unit that a process belongs to: the last element of its control group, if it is called so. */
static void find_unit(int proc, const char *pid, char *ret_unit, size_t size) {
        char name[300], text[4096], *rest = NULL;
        size_t n;

        ret_unit[0] = '\0';
        (void)snprintf(name, sizeof(name), "%s/cgroup", pid);
        if (!read_text(proc, name, text, sizeof(text), &n))
                return;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                const char *last = strrchr(line, '/');
                size_t length = last ? strlen(last + 1) : 0;

                if (length > strlen(".service") && length < size &&
                    strcmp(last + 1 + length - strlen(".service"), ".service") == 0)
                        (void)snprintf(ret_unit, size, "%s", last + 1);
        }
}

static void look_at_process(Finder *finder, int proc, const char *pid) {
        char name[300], cmdline[FILE_MAX];
        SlapdOptions options;
        struct stat st;
        Found *found;
        size_t n;

        (void)snprintf(name, sizeof(name), "%s/cmdline", pid);
        if (!read_text(proc, name, cmdline, sizeof(cmdline), &n) ||
            !slapd_options_parse(cmdline, n, &options))
                return;
        if (fstatat(proc, pid, &st, 0) < 0)
                return;
        if (options.chroot) {
                tell(finder, FOUND_WARNING,
                     "slapd (process %s) runs in the chroot %.500s: its paths mean others here, so it takes "
                     "no part",
                     pid, options.chroot);
                return;
        }
        found = add_found(finder, options.config_dir ?: options.config_file ?: default_config(), "slapd's -F or -f");
        if (!found)
                return;
        found->pid = (pid_t)strtol(pid, NULL, 10);
        found->uid = st.st_uid;
        slapd_find_ldapi(options.urls, found->url, sizeof(found->url));
        find_unit(proc, pid, found->unit, sizeof(found->unit));
}

static void find_running(Finder *finder) {
        const struct dirent *entry;
        DIR *proc = opendir("/proc");

        if (!proc) {
                tell(finder, FOUND_WARNING, "/proc cannot be read: whether a slapd runs is not known");
                return;
        }
        for (unsigned i = 0; i < PROCESSES_MAX && (entry = readdir(proc)); i++)
                if (isdigit((unsigned char)entry->d_name[0]))
                        look_at_process(finder, dirfd(proc), entry->d_name);
        (void)closedir(proc);
}

static void take_section(Finder *finder, const ConfSection *section) {
        const char *path = finder->order->conf_path, *config = conf_value(section, "Config", NULL);
        Found *found;

        for (size_t i = 0; i < section->n_entries; i++)
                if (strcmp(section->entries[i].key, "Config") != 0 &&
                    strcmp(section->entries[i].key, "URL") != 0 &&
                    strcmp(section->entries[i].key, "Unit") != 0)
                        tell(finder, FOUND_WARNING,
                             "%s, line %u: %s= is not known; there are Config=, URL= and Unit=", path,
                             section->entries[i].line, section->entries[i].key);
        if (!config || config[0] != '/') {
                tell(finder, FOUND_WARNING, "%s, line %u: an [Instance] needs Config=, an absolute path",
                     path, section->line);
                return;
        }
        found = add_found(finder, config, path);
        if (!found)
                return;
        if (conf_value(section, "URL", NULL))
                (void)snprintf(found->url, sizeof(found->url), "%s", conf_value(section, "URL", ""));
        if (conf_value(section, "Unit", NULL))
                (void)snprintf(found->unit, sizeof(found->unit), "%s", conf_value(section, "Unit", ""));
}

static void find_configured(Finder *finder) {
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };
        int r;

        r = conf_read(finder->order->conf_path, &error, &conf);
        if (r == -ENOENT)
                return;
        if (r < 0) {
                tell(finder, FOUND_WARNING, "%s, line %u: %s", finder->order->conf_path, error.line,
                     error.message);
                return;
        }
        for (size_t i = 0; i < conf->n_sections; i++)
                if (strcmp(conf->sections[i].name, "Instance") == 0)
                        take_section(finder, &conf->sections[i]);
                else
                        tell(finder, FOUND_WARNING, "%s, line %u: [%s] is not known; it is [Instance]",
                             finder->order->conf_path, conf->sections[i].line, conf->sections[i].name);
}

/* What the distribution's unit starts. */
static void find_default(Finder *finder) {
        char text[FILE_MAX], config[PATH_MAX] = "", urls[1024] = "";
        Found *found;
        size_t n;

        if (access(SLAPD, X_OK) < 0 ||
            !read_text(AT_FDCWD, finder->order->default_path, text, sizeof(text), &n))
                return;
        (void)shell_variable(text, "SLAPD_CONF", config, sizeof(config));
        (void)shell_variable(text, "SLAPD_SERVICES", urls, sizeof(urls));
        found = add_found(finder, config[0] ? config : default_config(), NULL);
        if (!found)
                return;
        if (!found->url[0] && found->pid == 0)
                slapd_find_ldapi(urls, found->url, sizeof(found->url));
        if (!found->unit[0])
                (void)snprintf(found->unit, sizeof(found->unit), "%s", SLAPD_UNIT);
}

/* A restore that did not finish: what is there now may be half of each. */
static void look_for_old(const Finder *finder, const char *directory) {
        _cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char text[PATH_MAX + 512];
        AsideInfo info;

        if (fd >= 0 && aside_look(fd, &info) > 0)
                tell(finder, FOUND_CRASH_ONLY, "%s", aside_text(&info, directory, text, sizeof(text)));
}

/* How far behind it is, only they could tell. */
static void tell_providers(const Finder *finder, const ConfigDatabase *database) {
        if (database->providers[0] && text_is_clean(database->providers))
                tell(finder, FOUND_WARNING,
                     "%.500s is a consumer of %s: a copy has what it has got from there, as its contextCSN "
                     "tells",
                     database->suffix, database->providers);
}

static int send_database(const ConfigDatabase *database, void *userdata) {
        Finder *finder = userdata;
        char csn[2048] = "", path[PATH_MAX];
        bool lmdb = strcasecmp(database->type, "mdb") == 0;

        if (!config_database_has_files(database)) {
                if (lmdb || strcasecmp(database->type, "wt") == 0)
                        tell(finder, FOUND_CRASH_ONLY,
                             "where its database %.500s (%s) lies is not told, or not understood",
                             database->suffix, database->type);
                return 0;
        }
        if (finder->connection && finder->order->details)
                (void)ask_context_csn(finder->connection, database->suffix, ask_deadline(finder), csn,
                                      sizeof(csn));
        send_texts(finder, FOUND_DATABASE, (lmdb ? FOUND_LMDB : 0) | (database->nosync ? FOUND_NOSYNC : 0),
                   0, database->suffix, realpath(database->directory, path) ? path : database->directory,
                   csn);
        tell_providers(finder, database);
        look_for_old(finder, database->directory);
        return 0;
}

static int take_attribute(const char *type, const char *value, size_t size, void *userdata) {
        config_database_take(userdata, type, value, size);
        return 0;
}

static int take_entry(const ConfigEntry *entry, void *userdata) {
        ConfigDatabase database = { 0 };

        if (strncasecmp(config_entry_dn(entry), "olcDatabase=", strlen("olcDatabase=")) != 0)
                return 0;
        (void)config_entry_attributes(entry, take_attribute, &database);
        return send_database(&database, userdata);
}

static void tell_right(const Finder *finder, const Found *found) {
        char who[160], what[PATH_MAX + 600], remedy[2048];

        (void)snprintf(who, sizeof(who), "gidNumber=%u+uidNumber=%u,cn=peercred,cn=external,cn=auth",
                       (unsigned)getegid(), (unsigned)geteuid());
        (void)snprintf(what, sizeof(what), "read cn=config of %s over %s%s", found->config, found->url,
                       found->conf_file ? "" : " (its files were read instead)");
        if (found->conf_file)
                (void)snprintf(remedy, sizeof(remedy),
                               "in %.1000s: database config, access to * by dn.exact=\"%s\" read; and start "
                               "slapd again",
                               found->config, who);
        else
                (void)snprintf(remedy, sizeof(remedy),
                               "printf '%%s\\n' 'dn: olcDatabase={0}config,cn=config' 'changetype: modify' "
                               "'add: olcAccess' "
                               "'olcAccess: {0}to * by dn.exact=%s read by * break' | ldapmodify -Q -Y "
                               "EXTERNAL -H '%s'",
                               who, found->url);
        send_texts(finder, FOUND_RIGHT, 0, 0, what, remedy, NULL);
}

/* From the server, or from its files, which say the same. */
static void send_databases(Finder *finder, const Found *found) {
        bool asked = false;
        int r;

        if (found->pid > 0 && found->url[0]) {
                r = ask_open(found->url, ask_deadline(finder), &finder->connection);
                if (r >= 0) {
                        r = ask_databases(finder->connection, ask_deadline(finder), send_database, finder);
                        asked = r >= 0;
                }
                if (r == -EACCES)
                        tell_right(finder, found);
                else if (r < 0)
                        tell(finder, FOUND_WARNING, "slapd (process %d) does not answer at %s: %s",
                             (int)found->pid, found->url, strerror(-r));
        }
        if (!asked && found->conf_file)
                tell(finder, FOUND_CRASH_ONLY, "%s, so that where its databases lie is not known",
                     found->pid > 0
                             ? "its configuration may not be read over ldapi, and is a file (slapd.conf)"
                             : "it does not run, and its configuration is a file (slapd.conf)");
        else if (!asked) {
                r = config_walk(found->config, take_entry, finder);
                if (r < 0)
                        tell(finder, FOUND_CRASH_ONLY, "its configuration cannot be read: %s", strerror(-r));
        }
        ask_close(&finder->connection);
}

static void send_found(Finder *finder, const Found *found) {
        send_texts(finder, FOUND_INSTANCE, found->conf_file ? FOUND_CONF_FILE : 0, found->pid, found->config,
                   found->url, found->unit);
        if (found->uid != geteuid())
                tell(finder, FOUND_CRASH_ONLY,
                     "slapd (process %d) runs as user %u, not as this writer's: set SLAPD_USER in "
                     "/etc/default/slapd, give "
                     "its files to that user, and start it again",
                     (int)found->pid, (unsigned)found->uid);
        if (!found->conf_file)
                look_for_old(finder, found->config);
        send_databases(finder, found);
}

static void send_version(const Finder *finder) {
        static const char *const argv[] = { SLAPD, "-VV", NULL };
        char output[COMMAND_OUTPUT_MAX + 1], version[32];

        if (command_run(argv, -1, finder->order->deadline_usec, output) < 0)
                return;
        slapd_parse_version(output, version, sizeof(version));
        send_texts(finder, FOUND_VERSION, 0, 0, version, NULL, NULL);
}

int find_main(int fd, void *userdata) {
        Finder finder = { .order = userdata, .fd = fd };

        if (child_die_with_parent(finder.order->broker) < 0)
                return 1;
        finder.found = calloc(INSTANCES_MAX, sizeof(*finder.found));
        if (!finder.found)
                return 1;
        find_running(&finder);
        find_configured(&finder);
        find_default(&finder);
        for (size_t i = 0; i < finder.n; i++)
                send_found(&finder, &finder.found[i]);
        if (finder.order->details)
                send_version(&finder);
        send_texts(&finder, FOUND_END, 0, 0, NULL, NULL, NULL);
        return 0;
}
