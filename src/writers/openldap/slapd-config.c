/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * cn=config as its files have it
 *
 * An entry's file lies in the directory of its parent, which is called as the parent's file without ".ldif";
 * in it the DN is without the parent's.
 */

#include <dirent.h>
#include <fcntl.h>
#include <lber.h>
#include <ldap_cdefs.h>
#include <stdio.h>
#include <ldif.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "util/macro.h"
#include "writers/openldap/slapd-config.h"

#define ATTRIBUTES_MAX 8192u
#define ENDING ".ldif"

typedef struct Attribute {
        struct berval type, value;
        int free_value;
} Attribute;

struct ConfigEntry {
        char *dn;
        char *text; /* of the file, which the attributes point into */
        Attribute *attributes;
        size_t n;
};

typedef struct Walk {
        config_visit_fn visit;
        void *userdata;
        unsigned n_files;
} Walk;

static void keep(char *to, size_t size, const char *value, size_t n) {
        if (n < size && !memchr(value, '\0', n)) {
                memcpy(to, value, n);
                to[n] = '\0';
        }
}

static bool is_word(const char *list, size_t n, const char *word) {
        size_t length = strlen(word);

        for (size_t i = 0; i + length <= n; i++)
                if (strncasecmp(list + i, word, length) == 0)
                        return true;
        return false;
}

/* "{0}rid=001 provider=ldap://a bindmethod=simple ...": nothing else of it is kept, which has passwords in
 * it. */
static void add_provider(ConfigDatabase *database, const char *value, size_t size) {
        static const char key[] = "provider=";
        const char *at = value, *end = value + size;
        size_t n = strlen(database->providers);
        int length;

        while ((size_t)(end - at) > strlen(key) && strncasecmp(at, key, strlen(key)) != 0)
                at++;
        if ((size_t)(end - at) <= strlen(key))
                return;
        at += strlen(key);
        at += *at == '"';
        for (length = 0; at + length < end && !strchr(" \t\n\"", at[length]); length++)
                ;
        if (length > 0 && n + (size_t)length + 3 < sizeof(database->providers))
                (void)snprintf(database->providers + n, sizeof(database->providers) - n, "%s%.*s",
                               n > 0 ? ", " : "", length, at);
}

void config_database_take(ConfigDatabase *database, const char *type, const char *value, size_t size) {
        if (strcasecmp(type, "olcDatabase") == 0) {
                const char *brace = memchr(value, '}', size);

                if (brace && value[0] == '{') {
                        size -= (size_t)(brace + 1 - value);
                        value = brace + 1;
                }
                keep(database->type, sizeof(database->type), value, size);
        } else if (strcasecmp(type, "olcSuffix") == 0 && !database->suffix[0])
                keep(database->suffix, sizeof(database->suffix), value, size);
        else if (strcasecmp(type, "olcDbDirectory") == 0)
                keep(database->directory, sizeof(database->directory), value, size);
        else if (strcasecmp(type, "olcSyncrepl") == 0)
                add_provider(database, value, size);
        else if (strcasecmp(type, "olcDbNoSync") == 0)
                database->nosync |= size == 4 && strncasecmp(value, "TRUE", 4) == 0;
        else if (strcasecmp(type, "olcDbEnvFlags") == 0)
                /* nosync, nometasync, writemap, mapasync */
                database->nosync |= is_word(value, size, "sync") || is_word(value, size, "writemap");
}

bool config_database_has_files(const ConfigDatabase *database) {
        return (strcasecmp(database->type, "mdb") == 0 || strcasecmp(database->type, "ldif") == 0) &&
               database->directory[0] == '/';
}

const char *config_entry_dn(const ConfigEntry *entry) {
        return entry->dn;
}

int config_entry_attributes(const ConfigEntry *entry, config_attribute_fn visit, void *userdata) {
        for (size_t i = 0; i < entry->n; i++) {
                const Attribute *a = &entry->attributes[i];
                int r = visit(a->type.bv_val, a->value.bv_val ?: "", a->value.bv_len, userdata);

                if (r != 0)
                        return r;
        }
        return 0;
}

static void entry_done(ConfigEntry *entry) {
        for (size_t i = 0; i < entry->n; i++)
                if (entry->attributes[i].free_value)
                        ber_memfree(entry->attributes[i].value.bv_val);
        free(entry->attributes);
        free(entry->text);
        free(entry->dn);
}

static int read_file(int directory, const char *name, char **ret_text) {
        _cleanup_(closep) int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        _cleanup_(freep) char *text = NULL;
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > (off_t)CONFIG_FILE_MAX)
                return -EBADMSG;
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return -ENOMEM;
        n = pread(fd, text, (size_t)st.st_size, 0);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        *ret_text = TAKE_PTR(text);
        return 0;
}

/* Its lines into attributes. The first is the DN, to which the parent's is added. */
static int entry_parse(ConfigEntry *entry, const char *parent) {
        char *next = entry->text, *line;

        /* Comments first: ldif_getline() would take an empty line after them for the end. */
        while (*next == '#' || *next == '\n') {
                next = strchrnul(next, '\n');
                next += *next != '\0';
        }
        entry->attributes = calloc(ATTRIBUTES_MAX, sizeof(*entry->attributes));
        if (!entry->attributes)
                return -ENOMEM;
        while ((line = ldif_getline(&next)) && *line) {
                Attribute *a = &entry->attributes[entry->n];

                if (entry->n == ATTRIBUTES_MAX)
                        return -E2BIG;
                if (ldif_parse_line2(line, &a->type, &a->value, &a->free_value) != 0 || !a->type.bv_val)
                        return -EBADMSG;
                if (entry->dn) {
                        entry->n++;
                        continue;
                }
                if (strcasecmp(a->type.bv_val, "dn") != 0 || !a->value.bv_val)
                        return -EBADMSG;
                if (asprintf(&entry->dn, "%s%s%s", a->value.bv_val, parent[0] ? "," : "", parent) < 0)
                        return -ENOMEM;
                if (a->free_value)
                        ber_memfree(a->value.bv_val);
                *a = (Attribute){ 0 };
        }
        return entry->dn ? 0 : -EBADMSG;
}

/* "olcDatabase={2}mdb": what stands before the number, the number, the rest. */
static int compare_names(const struct dirent **a, const struct dirent **b) {
        const char *x = (*a)->d_name, *y = (*b)->d_name;
        size_t n = strcspn(x, "{"), m = strcspn(y, "{");

        if (n == m && x[n] && y[m] && strncmp(x, y, n) == 0) {
                long i = strtol(x + n + 1, NULL, 10), j = strtol(y + m + 1, NULL, 10);

                if (i != j)
                        return i < j ? -1 : 1;
        }
        return strcmp(x, y);
}

static int is_entry(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return n > strlen(ENDING) && strchr(entry->d_name, '=') &&
               strcmp(entry->d_name + n - strlen(ENDING), ENDING) == 0;
}

static int walk_directory(Walk *walk, int directory, const char *parent, unsigned depth);

static int walk_entry(Walk *walk, int directory, const char *name, const char *parent, unsigned depth) {
        _cleanup_(entry_done) ConfigEntry entry = { 0 };
        _cleanup_(freep) char *below = strndup(name, strlen(name) - strlen(ENDING));
        _cleanup_(closep) int children = -1;
        int r;

        if (!below)
                return -ENOMEM;
        if (walk->n_files++ >= CONFIG_FILES_MAX)
                return -E2BIG;
        r = read_file(directory, name, &entry.text);
        if (r >= 0)
                r = entry_parse(&entry, parent);
        if (r >= 0)
                r = walk->visit(&entry, walk->userdata);
        if (r != 0)
                return r;
        children = openat(directory, below, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (children < 0)
                return errno == ENOENT ? 0 : -errno;
        return walk_directory(walk, children, entry.dn, depth + 1);
}

static int walk_directory(Walk *walk, int directory, const char *parent, unsigned depth) {
        struct dirent **names = NULL;
        int n, r = 0;

        if (depth > CONFIG_DEPTH_MAX)
                return -ELOOP;
        n = scandirat(directory, ".", &names, is_entry, compare_names);
        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++) {
                if (r == 0)
                        r = walk_entry(walk, directory, names[i]->d_name, parent, depth);
                free(names[i]);
        }
        free(names);
        return r;
}

int config_walk(const char *directory, config_visit_fn visit, void *userdata) {
        _cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Walk walk = { .visit = visit, .userdata = userdata };

        if (fd < 0)
                return -errno;
        return walk_directory(&walk, fd, "", 0);
}
