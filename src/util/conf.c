/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Configuration files: sections of "Key=value" lines
 *
 * The text is read once, cut in place, and everything points into it. Files decide what root does, so that
 * one which others can change is refused.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/conf.h"

static int fail(ConfError *error, unsigned line, int r, const char *format, ...) _printf_(4, 5);

static int fail(ConfError *error, unsigned line, int r, const char *format, ...) {
        va_list args;

        error->line = line;
        va_start(args, format);
        (void)vsnprintf(error->message, sizeof(error->message), format, args);
        va_end(args);
        return r;
}

Conf *conf_free(Conf *conf) {
        if (!conf)
                return NULL;
        for (size_t i = 0; i < conf->n_sections; i++)
                free(conf->sections[i].entries);
        free(conf->sections);
        free(conf->text);
        free(conf);
        return NULL;
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

/* Cuts blanks at both ends, in place. */
static char *trim(char *s) {
        size_t n;

        while (is_blank(*s))
                s++;
        for (n = strlen(s); n > 0 && is_blank(s[n - 1]); n--)
                ;
        s[n] = 0;
        return s;
}

static bool is_key(const char *key) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

        return *key && !strchr("0123456789_-", *key) && key[strspn(key, letters)] == 0;
}

static int add_section(Conf *conf, const char *name, unsigned line, ConfError *error) {
        ConfSection *sections;

        if (conf->n_sections >= CONF_SECTIONS_MAX)
                return fail(error, line, -E2BIG, "more than %u sections", CONF_SECTIONS_MAX);
        sections = reallocarray(conf->sections, conf->n_sections + 1, sizeof(*sections));
        if (!sections)
                return fail(error, line, -ENOMEM, "out of memory");
        conf->sections = sections;
        sections[conf->n_sections++] = (ConfSection){ .name = name, .line = line };
        return 0;
}

static int add_entry(Conf *conf, const char *key, const char *value, unsigned line, ConfError *error) {
        ConfSection *section = &conf->sections[conf->n_sections - 1];
        ConfEntry *entries;

        if (conf->n_entries >= CONF_ENTRIES_MAX)
                return fail(error, line, -E2BIG, "more than %u entries", CONF_ENTRIES_MAX);
        entries = reallocarray(section->entries, section->n_entries + 1, sizeof(*entries));
        if (!entries)
                return fail(error, line, -ENOMEM, "out of memory");
        section->entries = entries;
        entries[section->n_entries++] = (ConfEntry){ .key = key, .value = value, .line = line };
        conf->n_entries++;
        return 0;
}

static int parse_line(Conf *conf, char *s, unsigned line, ConfError *error) {
        char *value;
        int r;

        if (strlen(s) > CONF_LINE_MAX)
                return fail(error, line, -E2BIG, "a line of more than %u characters", CONF_LINE_MAX);
        s = trim(s);
        if (*s == 0 || *s == '#' || *s == ';')
                return 0;

        if (*s == '[') {
                size_t n = strlen(s);

                if (n < 3 || s[n - 1] != ']')
                        return fail(error, line, -EBADMSG, "a section is written as [Name]");
                s[n - 1] = 0;
                return add_section(conf, trim(s + 1), line, error);
        }

        value = strchr(s, '=');
        if (!value)
                return fail(error, line, -EBADMSG, "neither [Section] nor Key=value: \"%.60s\"", s);
        *value++ = 0;
        s = trim(s);
        if (!is_key(s))
                return fail(error, line, -EBADMSG, "\"%.60s\" is no key: letters, digits, '-' and '_'", s);
        if (conf->n_sections == 0) {
                r = add_section(conf, "", line, error);
                if (r < 0)
                        return r;
        }
        return add_entry(conf, s, trim(value), line, error);
}

int conf_parse(const char *text, size_t size, ConfError *error, Conf **ret_conf) {
        _cleanup_conf_ Conf *conf = NULL;
        unsigned line = 0;
        char *s, *end;
        int r;

        if (size > CONF_FILE_MAX)
                return fail(error, 0, -E2BIG, "larger than %u bytes", CONF_FILE_MAX);
        conf = calloc(1, sizeof(*conf));
        if (!conf)
                return fail(error, 0, -ENOMEM, "out of memory");
        conf->text = malloc(size + 1);
        if (!conf->text)
                return fail(error, 0, -ENOMEM, "out of memory");
        memcpy(conf->text, text, size);
        conf->text[size] = 0;

        for (s = conf->text, end = s + size; s < end;) {
                char *newline = memchr(s, '\n', (size_t)(end - s)), *stop = newline ? newline : end;

                line++;
                if (memchr(s, 0, (size_t)(stop - s)))
                        return fail(error, line, -EBADMSG, "a NUL byte: this is no text file");
                if (stop > s && stop[-1] == '\r')
                        stop[-1] = 0;
                *stop = 0;
                r = parse_line(conf, s, line, error);
                if (r < 0)
                        return r;
                s = stop + 1;
        }

        *ret_conf = TAKE_PTR(conf);
        return 0;
}

int conf_read_fd(int fd, ConfError *error, Conf **ret_conf) {
        _cleanup_(freep) char *text = NULL;
        struct stat st;
        size_t n = 0;

        if (fstat(fd, &st) < 0)
                return fail(error, 0, -errno, "cannot be examined: %m");
        if (!S_ISREG(st.st_mode))
                return fail(error, 0, -EPERM, "is no regular file");
        if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022))
                return fail(error, 0, -EPERM,
                            "must belong to root and be writable by nobody else (owner %u, mode %04o)",
                            st.st_uid, st.st_mode & 07777);
        text = malloc(CONF_FILE_MAX + 1);
        if (!text)
                return fail(error, 0, -ENOMEM, "out of memory");

        /* One byte more than allowed, so that the limit is noticed on files that grow, too. */
        while (n < CONF_FILE_MAX + 1) {
                ssize_t k = pread(fd, text + n, CONF_FILE_MAX + 1 - n, (off_t)n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return fail(error, 0, -errno, "cannot be read: %m");
                if (k == 0)
                        break;
                n += (size_t)k;
        }
        return conf_parse(text, n, error, ret_conf);
}

int conf_read(const char *path, ConfError *error, Conf **ret_conf) {
        _cleanup_(closep) int fd = -1;

        /* O_NONBLOCK: a FIFO in its place must not stop anybody. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return fail(error, 0, -errno, "cannot be opened: %m");
        return conf_read_fd(fd, error, ret_conf);
}

const ConfSection *conf_section(const Conf *conf, const char *name, size_t index) {
        for (size_t i = index; conf && i < conf->n_sections; i++)
                if (strcmp(conf->sections[i].name, name) == 0)
                        return &conf->sections[i];
        return NULL;
}

const ConfEntry *conf_entry(const ConfSection *section, const char *key) {
        for (size_t i = section ? section->n_entries : 0; i > 0; i--)
                if (strcmp(section->entries[i - 1].key, key) == 0)
                        return &section->entries[i - 1];
        return NULL;
}

const char *conf_value(const ConfSection *section, const char *key, const char *otherwise) {
        const ConfEntry *entry = conf_entry(section, key);

        return entry ? entry->value : otherwise;
}

int conf_boolean(const char *value, bool *ret_boolean) {
        static const struct {
                const char *word;
                bool boolean;
        } words[] = {
                { "yes", true }, { "true", true },   { "on", true },   { "1", true },
                { "no", false }, { "false", false }, { "off", false }, { "0", false },
        };

        FOREACH_ELEMENT (w, words) {
                if (strcasecmp(value, w->word) == 0) {
                        *ret_boolean = w->boolean;
                        return 0;
                }
        }
        return -EINVAL;
}

int conf_number(const char *value, unsigned long max, unsigned long *ret_number) {
        unsigned long number;
        char *end;

        if (*value < '0' || *value > '9')
                return -EINVAL;
        errno = 0;
        number = strtoul(value, &end, 10);
        if (*end)
                return -EINVAL;
        if (errno == ERANGE || number > max)
                return -ERANGE;
        *ret_number = number;
        return 0;
}

static const struct {
        const char *name;
        uint64_t usec;
} units[] = {
        { "h", 3600 * USEC_PER_SEC },
        { "min", 60 * USEC_PER_SEC },
        { "s", USEC_PER_SEC },
        { "ms", USEC_PER_MSEC },
};

int conf_duration(const char *value, uint64_t max_usec, uint64_t *ret_usec) {
        size_t digits = strspn(value, "0123456789");
        char number[24];
        unsigned long n;
        uint64_t unit = 0;
        int r;

        if (digits == 0)
                return -EINVAL;
        if (digits >= sizeof(number))
                return -ERANGE;
        (void)snprintf(number, sizeof(number), "%.*s", (int)digits, value);
        for (value += digits; is_blank(*value); value++)
                ;
        FOREACH_ELEMENT (u, units)
                if (strcmp(*value ? value : "s", u->name) == 0)
                        unit = u->usec;
        if (unit == 0)
                return -EINVAL;
        r = conf_number(number, (unsigned long)(max_usec / unit), &n);
        if (r >= 0)
                *ret_usec = n * unit;
        return r;
}

void conf_duration_text(uint64_t usec, char ret_text[static CONF_DURATION_SIZE]) {
        FOREACH_ELEMENT (u, units) {
                /* What is no whole number of any is cut to milliseconds, and nothing is 0 s. */
                if ((usec == 0 && strcmp(u->name, "s") != 0) ||
                    (usec % u->usec != 0 && strcmp(u->name, "ms") != 0))
                        continue;
                (void)snprintf(ret_text, CONF_DURATION_SIZE, "%" PRIu64 " %s", usec / u->usec, u->name);
                return;
        }
}

char **conf_words_free(char **words) {
        for (char **w = words; w && *w; w++)
                free(*w);
        free(words);
        return NULL;
}

static int unescape(char c, char *ret_c) {
        static const char from[] = "\\\"'nt ", to[] = "\\\"'\n\t ";
        const char *p = c ? strchr(from, c) : NULL;

        if (!p)
                return -EBADMSG;
        *ret_c = to[p - from];
        return 0;
}

/* One word from *@s on; what it means is written to @word, which is as large as the whole value. */
static int read_word(const char **s, ConfError *error, char *word) {
        const char *p = *s;
        char quote = 0;

        for (; *p && (quote || !is_blank(*p)); p++) {
                if (quote && *p == quote)
                        quote = 0;
                else if (!quote && (*p == '"' || *p == '\''))
                        quote = *p;
                else if (*p == '\\' && quote != '\'') {
                        if (unescape(p[1], word) < 0)
                                return fail(error, 0, -EBADMSG,
                                            "\\%.1s: known are \\\\ \\\" \\' \\n \\t and \"\\ \"", p + 1);
                        word++;
                        p++;
                } else
                        *word++ = *p;
        }
        if (quote)
                return fail(error, 0, -EBADMSG, "a %c has no other end", quote);
        *word = 0;
        *s = p;
        return 0;
}

int conf_words(const char *value, ConfError *error, char ***ret_words) {
        _cleanup_words_ char **words = NULL;
        _cleanup_(freep) char *word = NULL;
        size_t n = 0;
        int r;

        word = malloc(strlen(value) + 1);
        words = calloc(CONF_WORDS_MAX + 1, sizeof(*words));
        if (!word || !words)
                return fail(error, 0, -ENOMEM, "out of memory");
        for (;;) {
                while (is_blank(*value))
                        value++;
                if (!*value)
                        break;
                if (n >= CONF_WORDS_MAX)
                        return fail(error, 0, -E2BIG, "more than %u words", CONF_WORDS_MAX);
                r = read_word(&value, error, word);
                if (r < 0)
                        return r;
                words[n] = strdup(word);
                if (!words[n++])
                        return fail(error, 0, -ENOMEM, "out of memory");
        }
        *ret_words = TAKE_PTR(words);
        return 0;
}
