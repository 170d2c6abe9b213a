/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The language of vss-script(5): words into commands
 *
 * One table has all commands: how they begin, how they are written, and who reads the rest. Keywords count in any
 * case, names and paths as they are.
 */

#include <linuxvss/types.h>
#include <string.h>
#include "util/macro.h"
#include "vss/script-parse.h"

#define NAME_SIZE 32u /* room for the first keyword of a command */

typedef struct Reader {
        const Strings *words;
        size_t at;
        bool expanded;
        const struct Row *row;
        ScriptError *error;
        ScriptCommand *command;
} Reader;

typedef struct Row {
        ScriptVerb verb;
        const char *name;  /* one keyword or two */
        const char *usage; /* with what follows, for messages */
        int (*read)(Reader *reader);
} Row;

static bool is_done(const Reader *r) {
        return r->at == r->words->n;
}

static int too_much(Reader *r) {
        return script_mistake(r->error, "'%s' is too much; it is written: %s", r->words->items[r->at],
                              script_verb_usage(r->row->verb));
}

/*
 * The next word as one of @names. Return: the index of the name, or a negative errno.
 */
static int read_keyword(Reader *r, const char *const *names, size_t n) {
        const char *word, *near;

        if (is_done(r))
                return script_mistake(r->error, "a word is missing; it is written: %s",
                                      script_verb_usage(r->row->verb));
        word = r->words->items[r->at];
        for (size_t i = 0; i < n; i++)
                if (script_name_equal(word, names[i])) {
                        r->at++;
                        return (int)i;
                }
        if (!r->expanded && script_has_variable(word))
                return -EAGAIN;
        near = suggest_name(word, names, n);
        if (near)
                return script_mistake(r->error, "'%s' is not known here; '%s' was meant, perhaps", word,
                                      near);
        return script_mistake(r->error, "'%s' is not known here; it is written: %s", word,
                              script_verb_usage(r->row->verb));
}

static int read_object(Reader *r, const char **ret_object) {
        if (is_done(r))
                return script_mistake(r->error, "a word is missing; it is written: %s",
                                      script_verb_usage(r->row->verb));
        if (!*r->words->items[r->at])
                return script_mistake(r->error, "a word is empty; it is written: %s",
                                      script_verb_usage(r->row->verb));
        *ret_object = r->words->items[r->at++];
        return 0;
}

static int read_alias(Reader *r, const char **ret_alias) {
        const char *alias;
        int ret = read_object(r, &alias);

        if (ret < 0)
                return ret;
        if ((r->expanded || !script_has_variable(alias)) && !script_name_is_alias(alias))
                return script_mistake(
                        r->error,
                        "'%s' cannot be an alias: letters, digits and '_' can, and not the names that "
                        "programs have another use for (PATH, LD_..., VSS_...)",
                        alias);
        *ret_alias = alias;
        return 0;
}

static int read_nothing(Reader *r) {
        return 0;
}

static int read_one(Reader *r) {
        return read_object(r, &r->command->object);
}

static int read_context(Reader *r) {
        static const char *const names[] = { "clientaccessible", "persistent", "volatile" };
        static const char *const writers[] = { "nowriters" };
        static const uint32_t contexts[] = { VSS_CTX_CLIENT_ACCESSIBLE, VSS_CTX_APP_ROLLBACK,
                                             VSS_CTX_BACKUP };
        int ret = read_keyword(r, names, ELEMENTS(names));

        if (ret < 0)
                return ret;
        r->command->attributes = contexts[ret];
        if (is_done(r) || ret == 0)
                return 0;
        ret = read_keyword(r, writers, ELEMENTS(writers));
        if (ret >= 0)
                r->command->attributes |= VSS_VOLSNAP_ATTR_NO_WRITERS;
        return ret;
}

static int read_options(Reader *r) {
        static const char *const names[] = { "differential",    "plex",       "transportable",
                                             "rollbackrecover", "txfrecover", "noautorecover" };
        static const uint32_t bits[] = { VSS_VOLSNAP_ATTR_DIFFERENTIAL,  VSS_VOLSNAP_ATTR_PLEX,
                                         VSS_VOLSNAP_ATTR_TRANSPORTABLE, VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY,
                                         VSS_VOLSNAP_ATTR_TXF_RECOVERY,  VSS_VOLSNAP_ATTR_NO_AUTORECOVERY };
        /* Of each row one name at most. */
        static const size_t exclusive[][2] = { { 0, 1 }, { 3, 5 }, { 4, 5 }, { 2, 3 } };
        uint32_t *attributes = &r->command->attributes;

        do {
                int ret = read_keyword(r, names, ELEMENTS(names));

                if (ret < 0)
                        return ret;
                if (*attributes & bits[ret])
                        return script_mistake(r->error, "'%s' is given twice", names[ret]);
                *attributes |= bits[ret];
        } while (!is_done(r));
        FOREACH_ELEMENT (pair, exclusive)
                if ((*attributes & bits[(*pair)[0]]) && (*attributes & bits[(*pair)[1]]))
                        return script_mistake(r->error, "'%s' and '%s' exclude each other",
                                              names[(*pair)[0]], names[(*pair)[1]]);
        return 0;
}

static int read_switch(Reader *r) {
        static const char *const names[] = { "on", "off" };
        int ret = read_keyword(r, names, ELEMENTS(names));

        r->command->on = ret == 0;
        return ret;
}

static int read_volume(Reader *r) {
        static const char *const names[] = { "alias", "provider" };
        ScriptCommand *command = r->command;
        int ret = read_object(r, &command->object);

        while (ret >= 0 && !is_done(r)) {
                ret = read_keyword(r, names, ELEMENTS(names));
                if ((ret == 0 && command->alias) || (ret == 1 && command->provider))
                        return script_mistake(r->error, "'%s' is given twice", names[ret]);
                if (ret == 0)
                        ret = read_alias(r, &command->alias);
                else if (ret == 1)
                        ret = read_object(r, &command->provider);
        }
        return ret;
}

static int read_alias_value(Reader *r) {
        int ret = read_alias(r, &r->command->object);

        return ret < 0 ? ret : read_object(r, &r->command->target);
}

static int read_program(Reader *r) {
        int ret = read_object(r, &r->command->object);

        if (ret < 0)
                return ret;
        r->command->arguments = &r->words->items[r->at - 1];
        r->command->n_arguments = r->words->n - (r->at - 1);
        r->at = r->words->n;
        return 0;
}

static int read_break(Reader *r) {
        if (!is_done(r) && script_name_equal(r->words->items[r->at], "writable")) {
                r->command->on = true;
                r->at++;
        }
        return read_one(r);
}

static int read_expose(Reader *r) {
        int ret = read_one(r);

        return ret < 0 ? ret : read_object(r, &r->command->target);
}

static int read_detail(Reader *r) {
        static const char *const names[] = { "metadata", "detailed", "status" };
        static const ScriptDetail details[] = { SCRIPT_METADATA, SCRIPT_DETAILED, SCRIPT_STATUS };
        int ret;

        if (is_done(r))
                return 0;
        ret = read_keyword(r, names, ELEMENTS(names));
        if (ret >= 0)
                r->command->detail = details[ret];
        return ret;
}

/* "list shadows ID" goes without "id". */
static int read_listed(Reader *r) {
        static const char *const names[] = { "all", "set", "id" };
        static const ScriptChoice choices[] = { SCRIPT_ALL, SCRIPT_OF_SET, SCRIPT_ID };

        r->command->choice = SCRIPT_ID;
        for (size_t i = 0; !is_done(r) && i < ELEMENTS(names); i++)
                if (script_name_equal(r->words->items[r->at], names[i])) {
                        r->command->choice = choices[i];
                        r->at++;
                        break;
                }
        return r->command->choice == SCRIPT_ALL ? 0 : read_one(r);
}

static int read_deleted(Reader *r) {
        static const char *const names[] = { "all", "volume", "oldest", "set", "id", "exposed" };
        static const ScriptChoice choices[] = { SCRIPT_ALL,    SCRIPT_VOLUME, SCRIPT_OLDEST,
                                                SCRIPT_OF_SET, SCRIPT_ID,     SCRIPT_EXPOSED };
        int ret = read_keyword(r, names, ELEMENTS(names));

        if (ret < 0)
                return ret;
        r->command->choice = choices[ret];
        return r->command->choice == SCRIPT_ALL ? 0 : read_one(r);
}

#define ROW(verb, name, rest, read) \
        { verb, name, name rest, read }

static const Row rows[] = {
        ROW(SCRIPT_SET, "set", "", read_nothing),
        ROW(SCRIPT_SET_CONTEXT, "set context",
            " clientaccessible | persistent [nowriters] | volatile [nowriters]", read_context),
        ROW(SCRIPT_SET_OPTION, "set option",
            " [differential | plex] [transportable] [[rollbackrecover] [txfrecover] | noautorecover]",
            read_options),
        ROW(SCRIPT_SET_METADATA, "set metadata", " DIRECTORY", read_one),
        ROW(SCRIPT_SET_VERBOSE, "set verbose", " on | off", read_switch),
        ROW(SCRIPT_LOAD_METADATA, "load metadata", " DIRECTORY", read_one),
        ROW(SCRIPT_WRITER_VERIFY, "writer verify", " WRITER | WRITER:/COMPONENT", read_one),
        ROW(SCRIPT_WRITER_EXCLUDE, "writer exclude", " WRITER | WRITER:/COMPONENT", read_one),
        ROW(SCRIPT_BEGIN_BACKUP, "begin backup", "", read_nothing),
        ROW(SCRIPT_END_BACKUP, "end backup", "", read_nothing),
        ROW(SCRIPT_BEGIN_RESTORE, "begin restore", "", read_nothing),
        ROW(SCRIPT_END_RESTORE, "end restore", "", read_nothing),
        ROW(SCRIPT_SIMULATE_RESTORE, "simulate restore", "", read_nothing),
        ROW(SCRIPT_ADD, "add", "", read_nothing),
        ROW(SCRIPT_ADD_VOLUME, "add volume", " VOLUME [alias NAME] [provider NAME]", read_volume),
        ROW(SCRIPT_ADD_ALIAS, "add alias", " NAME VALUE", read_alias_value),
        ROW(SCRIPT_CREATE, "create", "", read_nothing),
        ROW(SCRIPT_EXEC, "exec", " PROGRAM [ARGUMENT]...", read_program),
        ROW(SCRIPT_IMPORT, "import", "", read_nothing),
        ROW(SCRIPT_MASK, "mask", " SET", read_one),
        ROW(SCRIPT_BREAK, "break", " [writable] SET", read_break),
        ROW(SCRIPT_EXPOSE, "expose", " ID DIRECTORY", read_expose),
        ROW(SCRIPT_UNEXPOSE, "unexpose", " ID", read_one),
        ROW(SCRIPT_REVERT, "revert", " ID", read_one),
        ROW(SCRIPT_LIST_WRITERS, "list writers", " [metadata | detailed | status]", read_detail),
        ROW(SCRIPT_LIST_SHADOWS, "list shadows", " all | set SET | [id] ID", read_listed),
        ROW(SCRIPT_LIST_PROVIDERS, "list providers", "", read_nothing),
        ROW(SCRIPT_DELETE_SHADOWS, "delete shadows",
            " all | volume VOLUME | oldest VOLUME | set SET | id ID | exposed DIRECTORY", read_deleted),
        ROW(SCRIPT_RESET, "reset", "", read_nothing),
        ROW(SCRIPT_EXIT, "exit", "", read_nothing),
        ROW(SCRIPT_HELP, "help", "", read_nothing),
};

static const Row *row_of(ScriptVerb verb) {
        FOREACH_ELEMENT (row, rows)
                if (row->verb == verb)
                        return row;
        return &rows[0];
}

const char *script_verb_name(ScriptVerb verb) {
        return row_of(verb)->name;
}

const char *script_verb_usage(ScriptVerb verb) {
        return row_of(verb)->usage;
}

/* The words of a command's name. */
static void split_name(const Row *row, char ret_first[NAME_SIZE], const char **ret_second) {
        const char *blank = strchr(row->name, ' ');

        (void)snprintf(ret_first, NAME_SIZE, "%.*s", (int)strcspn(row->name, " "), row->name);
        *ret_second = blank ? blank + 1 : NULL;
}

/* "crate": what is near among the words that a command can begin with, or go on with behind @first. */
static int unknown_word(const char *word, const char *first, ScriptError *error) {
        const char *names[ELEMENTS(rows)], *near, *second;
        char firsts[ELEMENTS(rows)][NAME_SIZE];
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                split_name(&rows[i], firsts[i], &second);
                if (!first)
                        names[n++] = firsts[i];
                else if (second && script_name_equal(firsts[i], first))
                        names[n++] = second;
        }
        near = suggest_name(word, names, n);
        if (near)
                return script_mistake(error, "there is no command '%s%s%s'; '%s' was meant, perhaps",
                                      first ?: "", first ? " " : "", word, near);
        return script_mistake(error, "there is no command '%s%s%s'; help lists all", first ?: "",
                              first ? " " : "", word);
}

/* "set" is a command, and begins others; "create" is one, whatever follows. */
static int find_row(Reader *r) {
        const char *word = r->words->items[0], *next = r->words->n > 1 ? r->words->items[1] : NULL, *second;
        const Row *alone = NULL;
        bool known = false, goes_on = false;
        char first[NAME_SIZE];

        FOREACH_ELEMENT (row, rows) {
                split_name(row, first, &second);
                if (!script_name_equal(first, word))
                        continue;
                known = true;
                if (!second)
                        alone = row;
                else {
                        goes_on = true;
                        if (next && script_name_equal(second, next))
                                r->row = row;
                }
        }
        if (!r->row && alone && (!next || !goes_on))
                r->row = alone;
        if (r->row) {
                r->at = r->row == alone ? 1 : 2;
                return 0;
        }
        if (!r->expanded && script_has_variable(known && next ? next : word))
                return -EAGAIN;
        if (!known)
                return unknown_word(word, NULL, r->error);
        return next ? unknown_word(next, word, r->error)
                    : script_mistake(r->error, "'%s' alone is no command; help lists all", word);
}

int script_command(const Strings *words, bool expanded, ScriptError *error, ScriptCommand *ret_command) {
        ScriptCommand command = {};
        Reader reader = { .words = words, .expanded = expanded, .error = error, .command = &command };
        int r;

        r = find_row(&reader);
        if (r < 0)
                return r;
        command.verb = reader.row->verb;
        r = reader.row->read(&reader);
        if (r < 0)
                return r;
        if (!is_done(&reader))
                return too_much(&reader);
        *ret_command = command;
        return 0;
}

/* ---- scripts ---- */

void script_clear(Script *script) {
        for (size_t i = 0; i < script->n; i++)
                strings_clear(&script->lines[i].words);
        free(script->lines);
        *script = (Script){};
}

static int add_line(Script *script, const char *line, size_t size, ScriptError *error) {
        _cleanup_(strings_clear) Strings words = {};
        ScriptCommand command;
        ScriptLine *lines;
        int r;

        r = script_split(line, size, error, &words);
        if (r < 0 || words.n == 0)
                return r;
        r = script_command(&words, false, error, &command);
        if (r < 0 && r != -EAGAIN)
                return r;
        lines = reallocarray(script->lines, script->n + 1, sizeof(*lines));
        if (!lines)
                return -ENOMEM;
        script->lines = lines;
        lines[script->n++] = (ScriptLine){ .line = error->line, .words = words };
        words = (Strings){};
        return 0;
}

int script_parse(const char *text, size_t size, ScriptError *error, Script *ret_script) {
        _cleanup_(script_clear) Script script = {};
        const char *end = text + size;

        error->line = 0;
        if (size > SCRIPT_SIZE_MAX)
                return script_mistake(error, "the script has more than %u bytes", SCRIPT_SIZE_MAX);
        /* What some editors put in front of UTF-8. */
        if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
                text += 3;
        while (text < end) {
                const char *newline = memchr(text, '\n', (size_t)(end - text)), *stop = newline ?: end;
                int r;

                if (++error->line > SCRIPT_LINES_MAX)
                        return script_mistake(error, "the script has more than %u lines", SCRIPT_LINES_MAX);
                r = add_line(&script, text, (size_t)(stop - text), error);
                if (r < 0)
                        return r;
                text = newline ? newline + 1 : end;
        }
        *ret_script = script;
        script = (Script){};
        return 0;
}
