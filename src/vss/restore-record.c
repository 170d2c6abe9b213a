/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The file record of a point
 */

#include <stdint.h>
#include <string.h>
#include "files/locate.h"
#include "model/path.h"
#include "util/macro.h"
#include "vss/json.h"
#include "vss/restore-record.h"

void record_clear(Record *record) {
        for (size_t i = 0; i < record->n; i++) {
                RecordFile *file = &record->files[i];

                free(file->writer);
                free(file->component);
                free(file->set);
                free(file->tree_path);
                free(file->path);
                free(file->pattern);
        }
        free(record->files);
        *record = (Record){};
}

static int digit(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "\xNN" stands for a byte. Allocated; NULL. */
static char *unescape(const char *text) {
        char *path = malloc(strlen(text) + 1), *to = path;

        for (const char *p = text; path && *p;) {
                if (p[0] == '\\' && p[1] == 'x' && digit(p[2]) >= 0 && digit(p[3]) >= 0) {
                        *to++ = (char)(digit(p[2]) << 4 | digit(p[3]));
                        p += 4;
                } else {
                        *to++ = *p++;
                }
        }
        if (path)
                *to = '\0';
        return path;
}

static char *join_label(const char *logical_path, const char *name) {
        char *label;

        return asprintf(&label, "%s%s%s", logical_path, *logical_path ? "/" : "", name) < 0 ? NULL : label;
}

/* By the name that the file set gives its directory, which may have been a link. */
static char *declared_path(const char *tree_path, const char *directory) {
        _cleanup_(freep) char *real = NULL;
        const char *below;
        char *joined = NULL;

        if (!*directory || path_is_below(tree_path, directory))
                return strdup(tree_path);
        real = locate_resolve(directory);
        below = real ? path_relative(tree_path, real) : NULL;
        /* The link has gone, too: then what is in the directory itself can be told. */
        if (!below)
                below = strrchr(tree_path, '/') + 1;
        return locate_join(directory, below, &joined) < 0 ? NULL : joined;
}

static int read_file(const vss_value *line, RecordFile *file) {
        const char *name = vss_value_get_string(line, "name", ""),
                   *logical_path = vss_value_get_string(line, "logical-path", ""),
                   *path = vss_value_get_string(line, "path", "");

        *file = (RecordFile){ .recursive = vss_value_get_boolean(line, "recursive", false),
                              .directory = vss_value_get_boolean(line, "directory", false),
                              .ok = vss_value_get_boolean(line, "ok", true) };
        file->writer = strdup(vss_value_get_string(line, "writer", ""));
        file->component = join_label(logical_path, name);
        file->set = join_label(vss_value_get_string(line, "set-logical-path", logical_path),
                               vss_value_get_string(line, "set-name", name));
        file->tree_path = unescape(path);
        file->pattern = strdup(vss_value_get_string(line, "pattern", "*"));
        if (!file->writer || !file->component || !file->set || !file->tree_path || !file->pattern)
                return -ENOMEM;
        if (!path_is_normal(file->tree_path) || !*file->writer || !*name)
                return -EBADMSG;
        file->path = declared_path(file->tree_path, vss_value_get_string(line, "original", ""));
        return file->path ? 0 : -ENOMEM;
}

static int add_line(const char *text, size_t size, Record *record, size_t *capacity) {
        _cleanup_value_ vss_value *line = NULL;
        int r = json_to_value(text, size, &line);

        if (r < 0)
                return r;
        if (record->n == RECORD_FILES_MAX)
                return -E2BIG;
        if (record->n == *capacity) {
                size_t more = MAX(*capacity * 2, (size_t)256);
                RecordFile *files = reallocarray(record->files, more, sizeof(*files));

                if (!files)
                        return -ENOMEM;
                record->files = files;
                *capacity = more;
        }
        return read_file(line, &record->files[record->n++]);
}

int record_read(int fd, Record *ret_record, unsigned *ret_line) {
        _cleanup_(record_clear) Record record = {};
        _cleanup_(fclosep) FILE *file = fdopen(dup(fd), "r");
        _cleanup_(freep) char *text = NULL;
        size_t room = 0, capacity = 0;
        ssize_t n;
        int r = file ? 0 : -errno;

        *ret_line = 0;
        while (r == 0 && (n = getline(&text, &room, file)) >= 0) {
                (*ret_line)++;
                if (n > 0 && text[n - 1] == '\n')
                        n--;
                r = (size_t)n > RECORD_LINE_MAX ? -EBADMSG : add_line(text, (size_t)n, &record, &capacity);
        }
        if (r < 0)
                return r;
        *ret_record = record;
        record = (Record){};
        return 0;
}
