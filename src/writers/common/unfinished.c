/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restores that did not finish; see unfinished.h
 *
 * The file is replaced as a whole, never changed: after a crash it is the old one or the new one.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "util/clock.h"
#include "util/macro.h"
#include "writers/common/child.h"
#include "writers/common/unfinished.h"

/* A path and a name, and what stands before them. */
enum { LINE_SIZE = 8192 };

#define RAN "ran"
#define DOWN "down"

void unfinished_clear(UnfinishedList *list) {
        for (size_t i = 0; i < list->n; i++)
                free(list->items[i].key);
        free(list->items);
        *list = (UnfinishedList){ 0 };
}

static int add(UnfinishedList *list, const Unfinished *unfinished, const char *key) {
        if (list->n == UNFINISHED_MAX)
                return -E2BIG;
        if (!list->items)
                list->items = calloc(UNFINISHED_MAX, sizeof(*list->items));
        if (!list->items)
                return -ENOMEM;
        list->items[list->n] = *unfinished;
        list->items[list->n].key = strdup(key);
        return list->items[list->n++].key ? 0 : -ENOMEM;
}

/* "WHEN SESSION ran|down KEY" */
static int parse_line(UnfinishedList *list, const char *line) {
        Unfinished unfinished = { 0 };
        char state[8];
        int at = 0;

        if (sscanf(line, "%" SCNu64 " %63s %7s%n", &unfinished.when_usec, unfinished.session, state, &at) !=
                    3 ||
            line[at] != ' ' || !line[at + 1] || !text_is_clean(line))
                return 0;
        unfinished.ran = strcmp(state, RAN) == 0;
        return unfinished.ran || strcmp(state, DOWN) == 0 ? add(list, &unfinished, line + at + 1) : 0;
}

int unfinished_load(const char *path, UnfinishedList *ret_list) {
        UnfinishedList list = { 0 };
        _cleanup_(fclosep) FILE *file = NULL;
        char line[LINE_SIZE];
        int fd, r = 0;

        *ret_list = list;
        fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
        if (fd < 0)
                return !path || errno == ENOENT ? 0 : -errno;
        file = fdopen(fd, "re");
        if (!file) {
                r = -errno;
                (void)close(fd);
                return r;
        }
        for (unsigned i = 0; r >= 0 && i < UNFINISHED_MAX && fgets(line, sizeof(line), file); i++) {
                line[strcspn(line, "\n")] = '\0';
                r = parse_line(&list, line);
        }
        if (r >= 0 && ferror(file))
                r = -EIO;
        if (r < 0)
                unfinished_clear(&list);
        *ret_list = list;
        return r;
}

static int open_parent(const char *path) {
        _cleanup_(freep) char *parent = strndup(path, (size_t)(strrchr(path, '/') - path));
        int fd;

        if (!parent)
                return -ENOMEM;
        if (mkdir(parent, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int save(const char *path, const UnfinishedList *list) {
        _cleanup_(closep) int parent = open_parent(path);
        _cleanup_(freep) char *new_path = NULL;
        FILE *file;
        bool good;
        int fd;

        if (parent < 0)
                return parent;
        if (asprintf(&new_path, "%s.new", path) < 0)
                return -ENOMEM;
        fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        file = fd < 0 ? NULL : fdopen(fd, "we");
        if (!file) {
                int r = -errno;

                closep(&fd);
                return r;
        }
        for (size_t i = 0; i < list->n; i++) {
                const Unfinished *item = &list->items[i];

                (void)fprintf(file, "%" PRIu64 " %s %s %s\n", item->when_usec, item->session,
                              item->ran ? RAN : DOWN, item->key);
        }
        good = fflush(file) == 0 && fsync(fd) == 0;
        if (fclose(file) != 0 || !good)
                return errno ? -errno : -EIO;
        return rename(new_path, path) < 0 || fsync(parent) < 0 ? -errno : 0;
}

static char *key_of(const char *logical_path, const char *name) {
        char *key;

        return asprintf(&key, "%s/%s", logical_path, name) < 0 ? NULL : key;
}

static Unfinished *find(const UnfinishedList *list, const char *key) {
        for (size_t i = 0; key && i < list->n; i++)
                if (strcmp(list->items[i].key, key) == 0)
                        return &list->items[i];
        return NULL;
}

const Unfinished *unfinished_find(const UnfinishedList *list, const char *logical_path, const char *name) {
        _cleanup_(freep) char *key = key_of(logical_path, name);

        return find(list, key);
}

int unfinished_begin(const char *path, const char *session, const char *logical_path, const char *name,
                     bool ran) {
        _cleanup_(freep) char *key = key_of(logical_path, name);
        Unfinished unfinished = { .when_usec = clock_usec(CLOCK_REALTIME), .ran = ran }, *known;
        UnfinishedList list;
        int r;

        if (!path)
                return 0;
        if (!key)
                return -ENOMEM;
        if (!text_is_clean(key) || strlen(key) > LINE_SIZE - 128 || !session[0] || strchr(session, ' '))
                return -EINVAL;
        (void)snprintf(unfinished.session, sizeof(unfinished.session), "%s", session);
        r = unfinished_load(path, &list);
        if (r < 0)
                return r;
        known = find(&list, key);
        if (!known)
                r = add(&list, &unfinished, key);
        else if (ran)
                known->ran = true;
        if (r >= 0 && (!known || ran))
                r = save(path, &list);
        unfinished_clear(&list);
        return r;
}

int unfinished_end(const char *path, const char *session, const char *logical_path, const char *name) {
        _cleanup_(freep) char *key = key_of(logical_path, name);
        UnfinishedList list;
        Unfinished *known;
        int r;

        if (!key)
                return -ENOMEM;
        r = unfinished_load(path, &list);
        if (r < 0)
                return r;
        known = find(&list, key);
        if (known && (!session || strcmp(known->session, session) == 0)) {
                free(known->key);
                *known = list.items[--list.n];
                r = save(path, &list);
        }
        unfinished_clear(&list);
        return r;
}

const char *unfinished_text(const Unfinished *unfinished, const char *path, char *text, size_t size) {
        time_t when = (time_t)(unfinished->when_usec / USEC_PER_SEC);
        char date[32] = "?";
        struct tm tm;

        if (gmtime_r(&when, &tm))
                (void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm);
        (void)snprintf(
                text, size,
                "a restore of it, begun %s, did not finish: restore it again, or, if it was put right "
                "otherwise, "
                "remove its line from %s",
                date, path);
        return text;
}
