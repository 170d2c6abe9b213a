/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * redis.conf: lines of words, with the quotes of the server's own (sdssplitargs)
 */

#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "writers/redis/redisconf.h"

#define WORDS_MAX 16u

void redis_conf_init(RedisConf *conf) {
        *conf = (RedisConf){
                .port = 6379,
                .dump = "dump.rdb",
                .append_dir = "appendonlydir",
                .append_file = "appendonly.aof",
                .saves = true,
        };
}

void redis_conf_deinit(RedisConf *conf) {
        for (size_t i = 0; i < conf->n_modules; i++)
                free(conf->modules[i]);
        conf->n_modules = 0;
}

static char unescape(char c) {
        switch (c) {
        case 'n':
                return '\n';
        case 'r':
                return '\r';
        case 't':
                return '\t';
        case 'b':
                return '\b';
        case 'a':
                return '\a';
        default:
                return c;
        }
}

static int hex(char c) {
        return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower(c) - 'a' + 10 : -1;
}

/* The inside of quotes, from behind the first one. Return: behind the last one; NULL if there is none. */
static const char *unquote(const char *p, char quote, char **to) {
        for (;; p++) {
                if (*p == '\0')
                        return NULL;
                if (*p == quote)
                        /* What is glued to a closing quote is a mistake. */
                        return p[1] == '\0' || isspace((unsigned char)p[1]) ? p + 1 : NULL;
                if (*p != '\\')
                        *(*to)++ = *p;
                else if (quote == '\'') {
                        if (p[1] == '\'')
                                p++;
                        *(*to)++ = *p;
                } else if (p[1] == 'x' && hex(p[2]) >= 0 && hex(p[3]) >= 0) {
                        *(*to)++ = (char)(hex(p[2]) * 16 + hex(p[3]));
                        p += 3;
                } else if (p[1] != '\0')
                        *(*to)++ = unescape(*++p);
        }
}

/* The words of a line, written into @text (as long as the line). Return: their number, or -EINVAL. */
static int split(const char *line, char *text, const char *words[static WORDS_MAX]) {
        unsigned n = 0;

        for (;;) {
                while (isspace((unsigned char)*line))
                        line++;
                if (*line == '\0')
                        return (int)n;
                if (n == WORDS_MAX)
                        return (int)n;
                words[n++] = text;
                while (*line != '\0' && !isspace((unsigned char)*line)) {
                        if (*line == '"' || *line == '\'') {
                                line = unquote(line + 1, *line, &text);
                                if (!line)
                                        return -EINVAL;
                                break;
                        }
                        *text++ = *line++;
                }
                *text++ = '\0';
        }
}

static int set_text(char *to, size_t size, const char *value) {
        size_t length = strlen(value);

        if (length >= size)
                return -E2BIG;
        memcpy(to, value, length + 1);
        return 0;
}

static int set_boolean(bool *to, const char *value) {
        if (strcasecmp(value, "yes") != 0 && strcasecmp(value, "no") != 0)
                return -EINVAL;
        *to = strcasecmp(value, "yes") == 0;
        return 0;
}

static int set_port(RedisConf *conf, const char *value) {
        char *end;
        unsigned long port = strtoul(value, &end, 10);

        if (end == value || *end || port > UINT16_MAX)
                return -EINVAL;
        conf->port = (uint16_t)port;
        return 0;
}

/* The first line of them takes the place of what is built in; an empty one forgets all before it. */
static int set_saves(RedisConf *conf, const char *value) {
        conf->saves = value[0] != '\0';
        conf->save_was_said = true;
        return 0;
}

static int add_module(RedisConf *conf, const char *value) {
        if (conf->n_modules == REDIS_MODULES_MAX)
                return -E2BIG;
        conf->modules[conf->n_modules] = strdup(value);
        return conf->modules[conf->n_modules++] ? 0 : -ENOMEM;
}

static int set_replica(RedisConf *conf, const char *value) {
        conf->replica = strcasecmp(value, "no") != 0;
        return 0;
}

static int apply(RedisConf *conf, const char *key, const char *value) {
        struct {
                const char *key;
                char *to;
                size_t size;
        } texts[] = {
                { "unixsocket", conf->socket, sizeof(conf->socket) },
                { "dir", conf->dir, sizeof(conf->dir) },
                { "dbfilename", conf->dump, sizeof(conf->dump) },
                { "appenddirname", conf->append_dir, sizeof(conf->append_dir) },
                { "appendfilename", conf->append_file, sizeof(conf->append_file) },
                { "requirepass", conf->password, sizeof(conf->password) },
        };

        FOREACH_ELEMENT (text, texts)
                if (strcasecmp(key, text->key) == 0)
                        return set_text(text->to, text->size, value);
        if (strcasecmp(key, "port") == 0)
                return set_port(conf, value);
        if (strcasecmp(key, "appendonly") == 0)
                return set_boolean(&conf->append_only, value);
        if (strcasecmp(key, "cluster-enabled") == 0)
                return set_boolean(&conf->cluster, value);
        if (strcasecmp(key, "save") == 0)
                return set_saves(conf, value);
        if (strcasecmp(key, "replicaof") == 0 || strcasecmp(key, "slaveof") == 0)
                return set_replica(conf, value);
        if (strcasecmp(key, "loadmodule") == 0)
                return add_module(conf, value);
        if (strcasecmp(key, "sentinel") == 0)
                conf->sentinel = true;
        return 0;
}

static int parse_line(RedisConf *conf, const char *line, redis_conf_include_fn include, unsigned depth) {
        _cleanup_(freep) char *text = malloc(strlen(line) + WORDS_MAX + 1);
        const char *words[WORDS_MAX];
        int n;

        if (!text)
                return -ENOMEM;
        while (isspace((unsigned char)*line))
                line++;
        if (*line == '#' || *line == '\0')
                return 0;
        n = split(line, text, words);
        if (n < 2)
                return n < 0 ? n : 0;
        if (strcasecmp(words[0], "include") == 0)
                return include ? include(conf, words[1], depth) : 0;
        return apply(conf, words[0], words[1]);
}

int redis_conf_parse(RedisConf *conf, const char *text, size_t size, redis_conf_include_fn include,
                     unsigned depth) {
        while (size > 0) {
                const char *end = memchr(text, '\n', size);
                size_t length = end ? (size_t)(end - text) : size;
                _cleanup_(freep) char *line = strndup(text, length);
                int r;

                if (!line)
                        return -ENOMEM;
                r = parse_line(conf, line, include, depth);
                if (r < 0)
                        return r;
                length += end != NULL;
                text += length;
                size -= length;
        }
        if (conf->dir[0] != '/')
                conf->dir[0] = '\0';
        return 0;
}

static int read_one(RedisConf *conf, const char *path, unsigned depth);

static int read_included(RedisConf *conf, const char *pattern, unsigned depth) {
        glob_t matches = { 0 };
        int r = 0;

        if (depth >= REDIS_CONF_DEPTH_MAX || pattern[0] != '/')
                return -EINVAL;
        if (glob(pattern, 0, NULL, &matches) == 0)
                for (size_t i = 0; r == 0 && i < matches.gl_pathc; i++)
                        r = read_one(conf, matches.gl_pathv[i], depth + 1);
        globfree(&matches);
        return r;
}

static int read_one(RedisConf *conf, const char *path, unsigned depth) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_(closep) int fd = -1;
        struct stat st;
        size_t size = 0;
        ssize_t n;

        if (++conf->n_files > REDIS_CONF_FILES_MAX)
                return -E2BIG;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > (off_t)REDIS_CONF_MAX)
                return -E2BIG;
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return -ENOMEM;
        while (size < (size_t)st.st_size && (n = read(fd, text + size, (size_t)st.st_size - size)) != 0) {
                if (n < 0)
                        return -errno;
                size += (size_t)n;
        }
        return redis_conf_parse(conf, text, size, read_included, depth);
}

int redis_conf_read(RedisConf *conf, const char *path) {
        return read_one(conf, path, 0);
}
