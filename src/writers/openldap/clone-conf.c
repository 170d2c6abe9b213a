/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A slapd.conf for copies of the databases
 *
 * Only what has to be known is understood: lines that go on (those that begin with a blank), comments, the
 * first word, and one argument of two words, "directory" and "include". All else is as it was; what must not
 * be in it is left out once slaptest has made a slapd.d of it.
 */

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "util/macro.h"
#include "writers/openldap/clone-config.h"

#define FILES_MAX 64u
#define FILE_MAX (1u << 20)

typedef struct Writing {
        const char *directory; /* where the files are made */
        clone_path_fn clone_path;
        void *userdata;
        unsigned n_files;
} Writing;

static int read_conf(const char *path, char **ret_text) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        _cleanup_(freep) char *text = malloc(FILE_MAX + 1);
        size_t n = 0;

        if (fd < 0)
                return -errno;
        while (text && n < FILE_MAX) {
                ssize_t k = read(fd, text + n, FILE_MAX - n);

                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t)k;
        }
        if (!text)
                return -ENOMEM;
        if (n == FILE_MAX)
                return -EFBIG;
        text[n] = '\0';
        *ret_text = TAKE_PTR(text);
        return 0;
}

/* The line at *@text with those that go on with it, moved on; NULL behind the last. */
static char *next_line(char **text) {
        char *line = *text, *end = line;

        if (!*line)
                return NULL;
        for (;;) {
                end += strcspn(end, "\n");
                if (!*end || (end[1] != ' ' && end[1] != '\t'))
                        break;
                *end = ' ';
        }
        *text = end + (*end != '\0');
        *end = '\0';
        return line;
}

/* The argument of @word, if that is what the line begins with. It may be quoted; a backslash is before what
 * is meant as it is. */
static bool take_argument(const char *line, const char *word, char *ret_argument, size_t size) {
        size_t length = strlen(word), n = 0;
        bool quoted = false;

        if (strncasecmp(line, word, length) != 0 || !isblank((unsigned char)line[length]))
                return false;
        line += length;
        line += strspn(line, " \t");
        for (; *line && n + 1 < size; line++) {
                if (*line == '"') {
                        quoted = !quoted;
                        continue;
                }
                if (!quoted && isblank((unsigned char)*line))
                        break;
                if (*line == '\\' && line[1])
                        line++;
                ret_argument[n++] = *line;
        }
        ret_argument[n] = '\0';
        return n > 0 && n + 1 < size;
}

static int put_path(FILE *file, const char *word, const char *path) {
        if (fprintf(file, "%s \"", word) < 0)
                return -EIO;
        for (; *path; path++)
                if ((strchr("\"\\", *path) && fputc('\\', file) < 0) || fputc(*path, file) < 0)
                        return -EIO;
        return fputs("\"\n", file) < 0 ? -EIO : 0;
}

static int write_conf(Writing *writing, const char *from, char *ret_path, size_t size);

static int write_line(Writing *writing, FILE *file, const char *line) {
        char argument[PATH_MAX], path[PATH_MAX];
        int r;

        if (take_argument(line, "directory", argument, sizeof(argument))) {
                r = writing->clone_path(argument, path, sizeof(path), writing->userdata);
                return r < 0 ? r : put_path(file, "directory", path);
        }
        if (take_argument(line, "include", argument, sizeof(argument))) {
                r = write_conf(writing, argument, path, sizeof(path));
                return r < 0 ? r : put_path(file, "include", path);
        }
        return fprintf(file, "%s\n", line) < 0 ? -EIO : 0;
}

/* What includes itself runs out of files. */
static int write_conf(Writing *writing, const char *from, char *ret_path, size_t size) {
        _cleanup_(freep) char *text = NULL;
        char *rest, *line;
        FILE *file;
        int r = read_conf(from, &text), fd;

        if (r < 0)
                return r;
        if (writing->n_files == FILES_MAX)
                return -ELOOP;
        if (snprintf(ret_path, size, "%s/%u.conf", writing->directory, writing->n_files++) >= (int)size)
                return -ENAMETOOLONG;
        fd = open(ret_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        file = fdopen(fd, "w");
        if (!file) {
                (void)close(fd);
                return -ENOMEM;
        }
        for (rest = text; r >= 0 && (line = next_line(&rest));)
                if (*line != '#')
                        r = write_line(writing, file, line);
        if (fclose(file) != 0 && r >= 0)
                r = -EIO;
        return r;
}

int clone_conf_write(const char *conf, const char *directory, clone_path_fn clone_path, void *userdata,
                     char *ret_path, size_t size) {
        Writing writing = { .directory = directory, .clone_path = clone_path, .userdata = userdata };

        return write_conf(&writing, conf, ret_path, size);
}
