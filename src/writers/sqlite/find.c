/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The finding child: it looks for SQLite databases and sends them to the broker
 *
 * As root it only reads names: the patterns of the configuration, and what /proc says that services have
 * open. File contents are looked at by a child per owner. It may be killed at any time.
 */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "util/clock.h"
#include "util/conf.h"
#include "writers/sqlite/scan.h"

#define CANDIDATES_MAX 8192u
#define PROCESSES_MAX 65536u
#define DESCRIPTORS_MAX 65536u
#define PROBE_TIME_USEC (300 * USEC_PER_MSEC)
#define HEADER "SQLite format 3" /* and its NUL: 16 bytes */

typedef struct Finder {
        const FindOrder *order;
        int fd; /* to the broker */
        Candidate *candidates;
        size_t n;
        bool full;
} Finder;

static void send_message(const Finder *finder, const ScanMessage *message) {
        size_t size = offsetof(ScanMessage, text) + strlen(message->text) + 1;

        /* A broker that does not listen any more ends this process. */
        if (child_send(finder->fd, message, size) < 0)
                _exit(1);
}

static void _printf_(2, 3) warn(const Finder *finder, const char *format, ...) {
        ScanMessage message = { .kind = SCAN_WARNING };
        va_list args;

        va_start(args, format);
        (void)vsnprintf(message.text, sizeof(message.text), format, args);
        va_end(args);
        send_message(finder, &message);
}

static Candidate *find_known(const Finder *finder, const struct stat *st) {
        for (size_t i = 0; i < finder->n; i++)
                if (finder->candidates[i].device == st->st_dev && finder->candidates[i].inode == st->st_ino)
                        return &finder->candidates[i];
        return NULL;
}

/* A group is one application's: its databases have one owner, who is looked at as one. */
static void set_group(const Finder *finder, Candidate *candidate, const char *group) {
        const char *path = text_is_clean(candidate->path) ? candidate->path : "a database";

        if (candidate->group) {
                if (strcmp(candidate->group, group) != 0)
                        warn(finder, "%.300s is in the groups %s and %s: it stays in the first", path,
                             candidate->group, group);
                return;
        }
        for (size_t i = 0; i < finder->n; i++) {
                const Candidate *other = &finder->candidates[i];

                if (!other->group || strcmp(other->group, group) != 0 || other->uid == candidate->uid)
                        continue;
                warn(finder,
                     "%.300s belongs to another user than the rest of the group %s, and is a component by "
                     "itself",
                     path, group);
                return;
        }
        candidate->group = strdup(group);
        if (!candidate->group)
                _exit(1);
}

static void add_candidate(Finder *finder, const char *path, const struct stat *st, bool configured,
                          const char *group) {
        Candidate *known = find_known(finder, st);
        char *copy;

        if (known) {
                known->configured |= configured;
                if (group)
                        set_group(finder, known, group);
                return;
        }
        if (finder->n == CANDIDATES_MAX) {
                if (!finder->full)
                        warn(finder, "more than %u files might be databases: the others are not looked at",
                             CANDIDATES_MAX);
                finder->full = true;
                return;
        }
        copy = strdup(path);
        if (!copy)
                _exit(1);
        finder->candidates[finder->n++] = (Candidate){
                .path = copy,
                .uid = st->st_uid,
                .gid = st->st_gid,
                .device = st->st_dev,
                .inode = st->st_ino,
                .configured = configured,
        };
        if (group)
                set_group(finder, &finder->candidates[finder->n - 1], group);
}

/* A database is a number of pages of at least 512 bytes; an empty one has nothing to lose. */
static bool may_be_database(const struct stat *st) {
        return S_ISREG(st->st_mode) && st->st_size >= 512 && st->st_size % 512 == 0;
}

static bool is_companion(const char *path) {
        static const char *const endings[] = { "-wal", "-shm", "-journal" };
        size_t length = strlen(path);

        FOREACH_ELEMENT (ending, endings)
                if (length > strlen(*ending) && strcmp(path + length - strlen(*ending), *ending) == 0)
                        return true;
        return false;
}

static void add_configured(Finder *finder, const char *match, const char *group) {
        _cleanup_(freep) char *path = NULL;
        struct stat st;

        if (is_companion(match))
                return;
        /* A link inside a pattern's directory may be anybody's; the database it leads to has a name of its
         * own. */
        if (lstat(match, &st) < 0 || !S_ISREG(st.st_mode))
                return;
        path = realpath(match, NULL);
        if (!path || lstat(path, &st) < 0 || !may_be_database(&st))
                return;
        add_candidate(finder, path, &st, true, group);
}

static void find_pattern(Finder *finder, const ConfEntry *entry, const char *group) {
        glob_t matches = { 0 };
        int r;

        if (entry->value[0] != '/') {
                warn(finder, "%s, line %u: Database= wants an absolute path, not \"%.200s\"",
                     finder->order->conf_path, entry->line, entry->value);
                return;
        }
        r = glob(entry->value, GLOB_NOSORT, NULL, &matches);
        if (r == GLOB_NOMATCH)
                warn(finder, "%s, line %u: no file matches %.200s", finder->order->conf_path, entry->line,
                     entry->value);
        else if (r != 0)
                warn(finder, "%s, line %u: %.200s cannot be searched", finder->order->conf_path, entry->line,
                     entry->value);
        for (size_t i = 0; r == 0 && i < matches.gl_pathc; i++)
                add_configured(finder, matches.gl_pathv[i], group);
        globfree(&matches);
}

static bool is_group_name(const char *name) {
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");

        return n > 0 && n < GROUP_NAME_SIZE && name[n] == '\0' && name[0] != '.';
}

static void find_section(Finder *finder, const ConfSection *section) {
        bool is_group = strcmp(section->name, "Group") == 0;
        const char *group = is_group ? conf_value(section, "Name", "") : NULL;

        if (is_group && !is_group_name(group)) {
                warn(finder,
                     "%s, line %u: [Group] wants a Name= of letters, digits, _, . and -; its databases are "
                     "components by themselves",
                     finder->order->conf_path, section->line);
                group = NULL;
        }
        for (size_t i = 0; i < section->n_entries; i++) {
                const ConfEntry *entry = &section->entries[i];

                if ((is_group || strcmp(section->name, "SQLite") == 0) &&
                    strcmp(entry->key, "Database") == 0)
                        find_pattern(finder, entry, group);
                else if (!is_group || strcmp(entry->key, "Name") != 0)
                        warn(finder,
                             "%s, line %u: [%s] %s= is not known; there are [SQLite] Database= and [Group] "
                             "Name=, Database=",
                             finder->order->conf_path, entry->line, section->name, entry->key);
        }
}

static void find_configured(Finder *finder) {
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };
        int r;

        r = conf_read(finder->order->conf_path, &error, &conf);
        if (r == -ENOENT)
                return;
        if (r < 0) {
                warn(finder, "%s, line %u: %s", finder->order->conf_path, error.line, error.message);
                return;
        }
        for (size_t i = 0; i < conf->n_sections; i++)
                find_section(finder, &conf->sections[i]);
}

/* The real user and the parent of a process. */
static int read_process(int proc, const char *pid, uid_t *ret_uid, pid_t *ret_parent) {
        char name[300], text[4096];
        _cleanup_(closep) int fd = -1;
        const char *uid, *parent;
        ssize_t n;

        (void)snprintf(name, sizeof(name), "%s/status", pid);
        fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        uid = strstr(text, "\nUid:");
        parent = strstr(text, "\nPPid:");
        if (!uid || !parent)
                return -EBADMSG;
        *ret_uid = (uid_t)strtoul(uid + 5, NULL, 10);
        *ret_parent = (pid_t)strtol(parent + 6, NULL, 10);
        return 0;
}

static void look_at_descriptor(Finder *finder, int fds, const char *name) {
        char path[PATH_MAX];
        struct stat st, at_path;
        ssize_t n;

        n = readlinkat(fds, name, path, sizeof(path) - 1);
        if (n <= 0 || path[0] != '/')
                return;
        path[n] = '\0';
        if (is_companion(path) || strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/", 5) == 0)
                return;
        if (fstatat(fds, name, &st, 0) < 0 || !may_be_database(&st))
                return;
        /* What a service has open, but belongs to a person, is that person's to name in the configuration.
         */
        if (!is_system_user(st.st_uid))
                return;
        /* Deleted, or a name in another mount namespace: then the path means another file here, or none. */
        if (lstat(path, &at_path) < 0 || at_path.st_dev != st.st_dev || at_path.st_ino != st.st_ino)
                return;
        add_candidate(finder, path, &st, false, NULL);
}

static bool out_of_time(const Finder *finder) {
        return now_usec() >= finder->order->deadline_usec;
}

static void look_at_process(Finder *finder, int proc, const char *pid) {
        pid_t number = (pid_t)strtol(pid, NULL, 10), parent = 0;
        const struct dirent *entry;
        char name[300];
        uid_t uid = 0;
        DIR *dir;
        int fd;

        if (read_process(proc, pid, &uid, &parent) < 0 || !is_system_user(uid))
                return;
        /* Not the holders of a set that is being made. */
        if (number == finder->order->broker || parent == finder->order->broker)
                return;

        (void)snprintf(name, sizeof(name), "%s/fd", pid);
        fd = openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return;
        dir = fdopendir(fd);
        if (!dir) {
                (void)close(fd);
                return;
        }
        for (unsigned i = 0; i < DESCRIPTORS_MAX && (entry = readdir(dir)) && !out_of_time(finder); i++)
                if (isdigit((unsigned char)entry->d_name[0]))
                        look_at_descriptor(finder, dirfd(dir), entry->d_name);
        (void)closedir(dir);
}

static void find_open(Finder *finder) {
        const struct dirent *entry;
        DIR *proc = opendir("/proc");

        if (!proc) {
                warn(finder, "/proc cannot be read: databases that services have open are not found");
                return;
        }
        for (unsigned i = 0; i < PROCESSES_MAX && (entry = readdir(proc)) && !out_of_time(finder); i++)
                if (isdigit((unsigned char)entry->d_name[0]))
                        look_at_process(finder, dirfd(proc), entry->d_name);
        (void)closedir(proc);
        if (out_of_time(finder))
                warn(finder,
                     "there was no time to look at all processes: name databases that are missing in %s",
                     finder->order->conf_path);
}

int candidate_probe(const Candidate *candidate) {
        struct open_how how = {
                .flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        _cleanup_(closep) int fd = -1;
        char header[sizeof(HEADER)];
        struct stat st;
        ssize_t n;

        fd = (int)syscall(SYS_openat2, AT_FDCWD, candidate->path, &how, sizeof(how));
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_dev != candidate->device || st.st_ino != candidate->inode)
                return -ESTALE;
        n = pread(fd, header, sizeof(header), 0);
        if (n < 0)
                return -errno;
        return n == (ssize_t)sizeof(header) && memcmp(header, HEADER, sizeof(header)) == 0;
}

typedef struct ProbeOrder {
        const Finder *finder;
        size_t first; /* its owner is who looks, at all candidates of that owner */
        const char *owner;
        pid_t parent;
} ProbeOrder;

typedef struct ProbeMessage {
        uint64_t index;
        int64_t verdict;
} ProbeMessage;

static int probe_main(int fd, void *userdata) {
        const ProbeOrder *order = userdata;
        const Finder *finder = order->finder;
        const Candidate *first = &finder->candidates[order->first];

        if (child_become(first->uid, first->gid, order->owner) < 0 ||
            child_die_with_parent(order->parent) < 0)
                return 1;
        for (size_t i = order->first; i < finder->n; i++) {
                ProbeMessage message = { .index = i };

                if (finder->candidates[i].uid != first->uid)
                        continue;
                message.verdict = candidate_probe(&finder->candidates[i]);
                if (child_send(fd, &message, sizeof(message)) < 0)
                        return 1;
        }
        return 0;
}

/* Let the owner of candidate @first look at all that are theirs. */
static void probe_owner(Finder *finder, size_t first, const char *owner) {
        ProbeOrder order = { .finder = finder, .first = first, .owner = owner, .parent = getpid() };
        uint64_t deadline = MIN(now_usec() + PROBE_TIME_USEC, finder->order->deadline_usec);
        uid_t uid = finder->candidates[first].uid;
        Child child = CHILD_NULL;
        ProbeMessage message;
        ssize_t n;
        int r;

        r = child_start(probe_main, &order, &child);
        if (r < 0) {
                warn(finder, "no process to look at the files of user %u: %s", (unsigned)uid, strerror(-r));
                return;
        }
        while ((n = child_receive(child.fd, &message, sizeof(message), deadline)) ==
               (ssize_t)sizeof(message))
                if (message.index < finder->n && finder->candidates[message.index].uid == uid)
                        finder->candidates[message.index].verdict = (int)message.verdict;
        if (n == -EAGAIN)
                warn(finder, "the files of user %s did not answer in time: some databases may be missing",
                     owner ?: "without a name");
        child_kill(&child);
}

/* Can the path be said on the bus and in a file set, where * and ? are wildcards? */
static bool can_be_named(const char *path) {
        return text_is_clean(path) && !strpbrk(path, "*?");
}

static void tell(const Finder *finder, const Candidate *candidate, const char *owner, size_t *n_told) {
        ScanMessage message = {
                .kind = SCAN_DATABASE,
                .uid = candidate->uid,
                .gid = candidate->gid,
                .device = candidate->device,
                .inode = candidate->inode,
        };

        if (candidate->verdict <= 0) {
                if (candidate->configured && candidate->verdict == 0)
                        warn(finder,
                             "%.300s is named in %s, but is no SQLite database (or an encrypted one)",
                             text_is_clean(candidate->path) ? candidate->path : "a file",
                             finder->order->conf_path);
                else if (candidate->configured)
                        warn(finder, "%.300s cannot be read by its owner: %s",
                             text_is_clean(candidate->path) ? candidate->path : "a file",
                             strerror(-candidate->verdict));
                return;
        }
        if (!can_be_named(candidate->path)) {
                warn(finder,
                     "a database of user %u has a name with control characters, * or ?, or that is not "
                     "UTF-8: rename it to have it backed up",
                     (unsigned)candidate->uid);
                return;
        }
        if ((*n_told)++ >= DATABASES_MAX)
                return;
        (void)snprintf(message.owner, sizeof(message.owner), "%s", owner);
        (void)snprintf(message.group, sizeof(message.group), "%s", candidate->group ?: "");
        (void)snprintf(message.text, sizeof(message.text), "%s", candidate->path);
        send_message(finder, &message);
}

/* All of one owner at a time; the name of each is looked up once. */
static void judge(Finder *finder) {
        size_t n_told = 0;

        for (size_t i = 0; i < finder->n; i++) {
                uid_t uid = finder->candidates[i].uid;
                const struct passwd *user;
                char owner[64];
                bool done = false;

                for (size_t j = 0; j < i && !done; j++)
                        done = finder->candidates[j].uid == uid;
                if (done)
                        continue;
                user = getpwuid(uid);
                if (user)
                        (void)snprintf(owner, sizeof(owner), "%s", user->pw_name);
                else
                        (void)snprintf(owner, sizeof(owner), "%u", (unsigned)uid);
                for (size_t j = i; j < finder->n; j++)
                        if (finder->candidates[j].uid == uid)
                                finder->candidates[j].verdict = -ETIMEDOUT;
                probe_owner(finder, i, user ? owner : NULL);
                for (size_t j = i; j < finder->n; j++)
                        if (finder->candidates[j].uid == uid)
                                tell(finder, &finder->candidates[j], owner, &n_told);
        }
        if (n_told > DATABASES_MAX)
                warn(finder,
                     "%zu databases were found, only %u are served: split them with a drop-in writer",
                     n_told, DATABASES_MAX);
}

int find_main(int fd, void *userdata) {
        Finder finder = { .order = userdata, .fd = fd };
        ScanMessage end = { .kind = SCAN_END };

        if (child_die_with_parent(finder.order->broker) < 0)
                return 1;
        finder.candidates = calloc(CANDIDATES_MAX, sizeof(*finder.candidates));
        if (!finder.candidates)
                return 1;
        find_configured(&finder);
        find_open(&finder);
        judge(&finder);
        send_message(&finder, &end);
        return 0;
}
