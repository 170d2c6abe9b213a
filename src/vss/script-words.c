/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The language of vss-script(5): names, and lines into words
 */

#include <stdarg.h>
#include <string.h>
#include "util/macro.h"
#include "util/utf8.h"
#include "vss/script-parse.h"

#define BLANKS " \t"
#define SHOWN_MAX 20 /* bytes of what is wrong, in a message */

int script_mistake(ScriptError *error, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(error->message, sizeof(error->message), format, args);
        va_end(args);
        /* It may have been cut inside a character. */
        (void)text_make_utf8(error->message);
        return -EBADMSG;
}

static char to_lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool script_name_equal(const char *a, const char *b) {
        for (; *a && to_lower(*a) == to_lower(*b); a++, b++)
                ;
        return *a == *b;
}

static bool is_name_char(char c, bool first) {
        return c == '_' || (to_lower(c) >= 'a' && to_lower(c) <= 'z') || (!first && c >= '0' && c <= '9');
}

/* Names that programs, or the language itself, have another use for. */
static bool is_reserved(const char *name) {
        static const char *const names[] = { "PATH", "HOME", "IFS", "SHELL", "USER", "LOGNAME", "TMPDIR" };
        static const char *const prefixes[] = { "LD_", "DISKSH_PARAM_", "VSS_" };
        char start[16];

        FOREACH_ELEMENT (reserved, names)
                if (script_name_equal(name, *reserved))
                        return true;
        FOREACH_ELEMENT (prefix, prefixes) {
                (void)snprintf(start, sizeof(start), "%.*s", (int)strlen(*prefix), name);
                if (script_name_equal(start, *prefix))
                        return true;
        }
        return false;
}

bool script_name_is_alias(const char *name) {
        size_t n = strlen(name);

        if (n == 0 || n > SCRIPT_NAME_MAX || is_reserved(name))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!is_name_char(name[i], i == 0))
                        return false;
        return true;
}

/* ---- words ---- */

typedef struct Splitter {
        const char *at, *end;
        char *word; /* room for a line in which each sign is doubled */
        size_t n;
        ScriptError *error;
} Splitter;

static void put(Splitter *s, char c) {
        if (c == '%')
                s->word[s->n++] = '%';
        s->word[s->n++] = c;
}

/* At a per cent sign: a reference is taken over as it is, "%%" too. */
static int split_variable(Splitter *s) {
        const char *name = s->at + 1, *p = name;

        while (p < s->end && is_name_char(*p, p == name))
                p++;
        if (p == s->end || *p != '%')
                return script_mistake(
                        s->error, "'%%' begins a variable, %%NAME%%; for a per cent sign itself write %%%%");
        if (p - name > (ptrdiff_t)SCRIPT_NAME_MAX)
                return script_mistake(s->error, "the variable's name '%.*s...' is too long", SHOWN_MAX,
                                      name);
        while (s->at <= p)
                s->word[s->n++] = *s->at++;
        return 0;
}

/* A backslash takes the meaning from the sign behind it, where that has one; elsewhere it is one itself. */
static void split_backslash(Splitter *s, const char *special) {
        if (s->at + 1 < s->end && strchr(special, s->at[1]))
                s->at++;
        put(s, *s->at++);
}

static int split_quoted(Splitter *s, char quote) {
        const char *start = s->at++;

        while (s->at < s->end && *s->at != quote) {
                int r = 0;

                if (quote == '"' && *s->at == '%')
                        r = split_variable(s);
                else if (quote == '"' && *s->at == '\\')
                        split_backslash(s, "\\\"%");
                else
                        put(s, *s->at++);
                if (r < 0)
                        return r;
        }
        if (s->at == s->end)
                return script_mistake(s->error, "the quote %.*s... is not closed",
                                      (int)MIN(s->end - start, SHOWN_MAX), start);
        s->at++;
        return 0;
}

static int split_word(Splitter *s) {
        s->n = 0;
        while (s->at < s->end && !strchr(BLANKS, *s->at)) {
                int r = 0;

                if (*s->at == '"' || *s->at == '\'')
                        r = split_quoted(s, *s->at);
                else if (*s->at == '%')
                        r = split_variable(s);
                else if (*s->at == '\\')
                        split_backslash(s, "\\\"'#% \t");
                else
                        put(s, *s->at++);
                if (r < 0)
                        return r;
        }
        s->word[s->n] = '\0';
        return 0;
}

static int check_line(const char *line, size_t size, ScriptError *error) {
        _cleanup_(freep) char *text = NULL;

        if (size > SCRIPT_LINE_MAX)
                return script_mistake(error, "the line has more than %u bytes", SCRIPT_LINE_MAX);
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char)line[i];

                if (c == 0x7f || (c < 0x20 && c != '\t'))
                        return script_mistake(
                                error, "the line has the control character 0x%02x; write text only", c);
        }
        text = strndup(line, size);
        if (!text)
                return -ENOMEM;
        return text_is_utf8(text) ? 0 : script_mistake(error, "the line is not UTF-8");
}

int script_split(const char *line, size_t size, ScriptError *error, Strings *ret_words) {
        _cleanup_(strings_clear) Strings words = {};
        _cleanup_(freep) char *word = NULL;
        Splitter s = { .error = error };
        int r;

        if (size > 0 && line[size - 1] == '\r')
                size--;
        r = check_line(line, size, error);
        if (r < 0)
                return r;
        s.at = line;
        s.end = line + size;
        s.word = word = malloc(2 * size + 1);
        if (!word)
                return -ENOMEM;

        for (;;) {
                while (s.at < s.end && strchr(BLANKS, *s.at))
                        s.at++;
                if (s.at == s.end || *s.at == '#')
                        break;
                if (words.n == SCRIPT_WORDS_MAX)
                        return script_mistake(error, "the line has more than %u words", SCRIPT_WORDS_MAX);
                r = split_word(&s);
                if (r < 0)
                        return r;
                if (strings_add(&words, word) < 0)
                        return -ENOMEM;
        }
        *ret_words = words;
        words = (Strings){};
        return 0;
}

bool script_has_variable(const char *word) {
        while ((word = strchr(word, '%'))) {
                if (word[1] != '%')
                        return true;
                word += 2;
        }
        return false;
}

static int expand_word(const char *word, ScriptLookup lookup, void *userdata, ScriptError *error,
                       FILE *out) {
        size_t size = 0;

        while (*word) {
                char name[SCRIPT_NAME_MAX + 1];
                const char *end, *value;

                if (word[0] != '%' || word[1] == '%') {
                        (void)fputc(*word, out);
                        word += word[0] == '%' ? 2 : 1;
                        continue;
                }
                end = strchr(word + 1, '%');
                (void)snprintf(name, sizeof(name), "%.*s", (int)(end - word - 1), word + 1);
                value = lookup(userdata, name);
                if (!value)
                        return script_mistake(error, "there is no alias or variable '%s'", name);
                size += strlen(value);
                if (size > SCRIPT_WORD_MAX)
                        return script_mistake(error,
                                              "with the value of '%s' the word has more than %u bytes", name,
                                              SCRIPT_WORD_MAX);
                (void)fputs(value, out);
                word = end + 1;
        }
        return 0;
}

int script_expand(const Strings *words, ScriptLookup lookup, void *userdata, ScriptError *error,
                  Strings *ret_words) {
        _cleanup_(strings_clear) Strings expanded = {};

        for (size_t i = 0; i < words->n; i++) {
                _cleanup_(freep) char *text = NULL;
                size_t size;
                FILE *out = open_memstream(&text, &size);
                bool failed;
                int r;

                if (!out)
                        return -ENOMEM;
                r = expand_word(words->items[i], lookup, userdata, error, out);
                failed = ferror(out);
                if (fclose(out) != 0 || failed)
                        return -ENOMEM;
                if (r >= 0)
                        r = strings_add(&expanded, text);
                if (r < 0)
                        return r;
        }
        *ret_words = expanded;
        expanded = (Strings){};
        return 0;
}
