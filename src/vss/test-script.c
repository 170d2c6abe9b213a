/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: the language of vss-script(5)
 *
 * Words, variables, every command and every mistake, by tables. What a command was read as is told in one
 * line, so that a row shows all of it.
 */

#include <linuxvss/types.h>
#include "util/macro.h"
#include "util/test.h"
#include "vss/script-parse.h"

/* The words, in brackets. */
static void join_words(const Strings *words, char *text, size_t size) {
        size_t n = 0;

        text[0] = '\0';
        for (size_t i = 0; i < words->n && n < size; i++)
                n += (size_t)snprintf(text + n, size - n, "[%s]", words->items[i]);
}

static void test_words(void) {
        static const struct {
                const char *line, *want, *want_error;
        } rows[] = {
                { "", "", NULL },
                { " \t ", "", NULL },
                { "# all of it", "", NULL },
                { "  #", "", NULL },
                { "create", "[create]", NULL },
                { "create\r", "[create]", NULL },
                { "create # now", "[create]", NULL },
                { "exec a#b", "[exec][a#b]", NULL },
                { "exec '#' \"#\" \\#", "[exec][#][#][#]", NULL },
                { "\ta  b\t", "[a][b]", NULL },
                { "a \"b c\" d", "[a][b c][d]", NULL },
                { "a 'b \"c' \"it's\"", "[a][b \"c][it's]", NULL },
                { "a b\"c d\"e'f g'", "[a][bc def g]", NULL },
                { "a \"\" ''", "[a][][]", NULL },
                { "a b\\ c \\\"d \\'", "[a][b c][\"d][']", NULL },
                { "a \"\\\"\\\\\" '\\'", "[a][\"\\][\\]", NULL },
                { "a \\Server\\db \"\\Server\\db\"", "[a][\\Server\\db][\\Server\\db]", NULL },
                { "a b\\", "[a][b\\]", NULL },
                { "a %b%c \"%d%\" '%e%'", "[a][%b%c][%d%][%%e%%]", NULL },
                { "a %% 100%% \\%b \"\\%\"", "[a][%%][100%%][%%b][%%]", NULL },
                { "a \xc3\xa4", "[a][\xc3\xa4]", NULL },
                { "a \"b", NULL, "the quote \"b... is not closed" },
                { "a 'b\"", NULL, "the quote 'b\"... is not closed" },
                { "a \"b\\\"", NULL, "is not closed" },
                { "a %b", NULL, "begins a variable" },
                { "a 50% b", NULL, "begins a variable" },
                { "a %b c%", NULL, "begins a variable" },
                { "a %1%", NULL, "begins a variable" },
                { "a \x01", NULL, "control character 0x01" },
                { "a\rb", NULL, "control character 0x0d" },
                { "a \x7f", NULL, "control character 0x7f" },
                { "a \xff", NULL, "is not UTF-8" },
        };

        FOREACH_ELEMENT (row, rows) {
                _cleanup_(strings_clear) Strings words = {};
                ScriptError error = {};
                char text[256];
                int r = script_split(row->line, strlen(row->line), &error, &words);

                expect_int(row->line, r, row->want ? 0 : -EBADMSG);
                join_words(&words, text, sizeof(text));
                if (row->want)
                        expect_str("its words", text, row->want);
                else
                        expect_true(error.message, strstr(error.message, row->want_error) != NULL);
        }
}

static void test_limits(void) {
        char line[SCRIPT_LINE_MAX + 2], words[2 * (SCRIPT_WORDS_MAX + 1)], name[SCRIPT_NAME_MAX + 4];
        _cleanup_(strings_clear) Strings got = {};
        ScriptError error = {};

        memset(line, 'x', sizeof(line));
        expect_int("the longest line", script_split(line, SCRIPT_LINE_MAX, &error, &got), 0);
        expect_int("one byte more", script_split(line, SCRIPT_LINE_MAX + 1, &error, &got), -EBADMSG);
        strings_clear(&got);
        for (size_t i = 0; i < sizeof(words); i++)
                words[i] = i % 2 == 0 ? 'x' : ' ';
        expect_int("the most words", script_split(words, 2 * SCRIPT_WORDS_MAX, &error, &got), 0);
        expect_int("one more", script_split(words, sizeof(words), &error, &got), -EBADMSG);
        strings_clear(&got);
        memset(name, 'x', sizeof(name));
        name[0] = name[SCRIPT_NAME_MAX + 1] = '%';
        expect_int("the longest name", script_split(name, SCRIPT_NAME_MAX + 2, &error, &got), 0);
        strings_clear(&got);
        name[SCRIPT_NAME_MAX + 1] = 'x';
        name[SCRIPT_NAME_MAX + 2] = '%';
        expect_int("one letter more", script_split(name, SCRIPT_NAME_MAX + 3, &error, &got), -EBADMSG);
        expect_int("a NUL", script_split("a\0b", 3, &error, &got), -EBADMSG);
}

static const char *look_up(void *userdata, const char *name) {
        static char long_value[SCRIPT_WORD_MAX];

        if (script_name_equal(name, "a"))
                return "x y";
        if (script_name_equal(name, "percent"))
                return "%a%";
        if (script_name_equal(name, "empty"))
                return "";
        if (script_name_equal(name, "long")) {
                memset(long_value, 'x', sizeof(long_value) - 1);
                return long_value;
        }
        return NULL;
}

static void test_variables(void) {
        static const struct {
                const char *line, *want, *want_error;
        } rows[] = {
                { "b %a% %A%%a%", "[b][x y][x yx y]", NULL },
                { "%% '%a%' \\%a\\%", "[%][%a%][%a%]", NULL },
                { "%percent%", "[%a%]", NULL }, /* what a value says is not read again */
                { "%empty%", "[]", NULL },
                { "b %none%", NULL, "there is no alias or variable 'none'" },
                { "%long%%long%", NULL, "more than 32768 bytes" },
        };

        FOREACH_ELEMENT (row, rows) {
                _cleanup_(strings_clear) Strings words = {}, expanded = {};
                ScriptError error = {};
                char text[256];

                expect_int(row->line, script_split(row->line, strlen(row->line), &error, &words), 0);
                expect_int("expanded", script_expand(&words, look_up, NULL, &error, &expanded),
                           row->want ? 0 : -EBADMSG);
                join_words(&expanded, text, sizeof(text));
                if (row->want)
                        expect_str("its words", text, row->want);
                else
                        expect_true(error.message, strstr(error.message, row->want_error) != NULL);
        }
}

static void describe(const ScriptCommand *c, char *text, size_t size) {
        size_t n = (size_t)snprintf(text, size, "%s", script_verb_name(c->verb));

        if (c->attributes)
                n += (size_t)snprintf(text + n, size - n, " 0x%x", c->attributes);
        if (c->on)
                n += (size_t)snprintf(text + n, size - n, " on");
        if (c->detail || c->choice)
                n += (size_t)snprintf(text + n, size - n, " %d", (int)c->detail + (int)c->choice);
        if (c->object)
                n += (size_t)snprintf(text + n, size - n, " <%s>", c->object);
        if (c->target)
                n += (size_t)snprintf(text + n, size - n, " <%s>", c->target);
        if (c->alias)
                n += (size_t)snprintf(text + n, size - n, " alias=%s", c->alias);
        if (c->provider)
                n += (size_t)snprintf(text + n, size - n, " provider=%s", c->provider);
        if (c->arguments)
                (void)snprintf(text + n, size - n, " %zu", c->n_arguments);
}

static const struct {
        const char *line, *want; /* what it is; or, with "!", the mistake; or "?": depends on a variable */
} commands[] = {
        { "set", "set" },
        { "SET Context Volatile", "set context" },
        { "set context volatile nowriters", "set context 0x10" },
        { "set context persistent", "set context 0x9" },
        { "set context persistent nowriters", "set context 0x19" },
        { "set context clientaccessible", "set context 0x1d" },
        { "set context clientaccessible nowriters", "!'nowriters' is too much" },
        { "set context", "!a word is missing; it is written: set context clientaccessible" },
        { "set context persistant", "!'persistent' was meant" },
        { "set context persistent x", "!'x' is not known here" },
        { "set context persistent nowriters x", "!'x' is too much" },
        { "set context %x%", "?" },
        { "set option differential", "set option 0x20000" },
        { "set option plex transportable noautorecover", "set option 0x40022" },
        { "set option rollbackrecover txfrecover", "set option 0x2800000" },
        { "set option transportable txfrecover", "set option 0x2000020" },
        { "set option", "!a word is missing" },
        { "set option plex plex", "!'plex' is given twice" },
        { "set option differential plex", "!'differential' and 'plex' exclude each other" },
        { "set option noautorecover txfrecover", "!exclude each other" },
        { "set option noautorecover rollbackrecover", "!exclude each other" },
        { "set option transportable rollbackrecover", "!exclude each other" },
        { "set metadata /a", "set metadata </a>" },
        { "set metadata", "!a word is missing" },
        { "set metadata ''", "!a word is empty" },
        { "set metadata /a b", "!'b' is too much" },
        { "set verbose ON", "set verbose on" },
        { "set verbose off", "set verbose" },
        { "set verbose maybe", "!'maybe' is not known here" },
        { "set colour", "!there is no command 'set colour'" },
        { "set contex volatile", "!'context' was meant" },
        { "load metadata %d%/x", "load metadata <%d%/x>" },
        { "load", "!'load' alone is no command" },
        { "writer verify SQLite", "writer verify <SQLite>" },
        { "writer exclude \"A b:/c\"", "writer exclude <A b:/c>" },
        { "writer", "!'writer' alone is no command" },
        { "begin backup", "begin backup" },
        { "end backup", "end backup" },
        { "begin restore", "begin restore" },
        { "end restore", "end restore" },
        { "simulate restore", "simulate restore" },
        { "begin", "!'begin' alone is no command" },
        { "begin backups", "!'backup' was meant" },
        { "end backup now", "!'now' is too much" },
        { "add", "add" },
        { "add volume /srv", "add volume </srv>" },
        { "add volume /srv alias srv", "add volume </srv> alias=srv" },
        { "add volume /srv provider Btrfs alias srv", "add volume </srv> alias=srv provider=Btrfs" },
        { "add volume /srv alias", "!a word is missing" },
        { "add volume /srv aliass srv", "!'alias' was meant" },
        { "add volume /srv alias a alias b", "!'alias' is given twice" },
        { "add volume /srv provider a provider b", "!'provider' is given twice" },
        { "add volume /srv alias 1x", "!'1x' cannot be an alias" },
        { "add volume /srv alias a-b", "!cannot be an alias" },
        { "add volume /srv alias path", "!cannot be an alias" },
        { "add volume /srv alias LD_PRELOAD", "!cannot be an alias" },
        { "add volume /srv alias vss_shadow_1", "!cannot be an alias" },
        { "add volume /srv alias %x%", "add volume </srv> alias=%x%" },
        { "add volume /srv %x% y", "?" },
        { "add alias a b", "add alias <a> <b>" },
        { "add alias a", "!a word is missing" },
        { "add /srv", "!there is no command 'add /srv'" },
        { "add %x% y", "?" },
        { "create", "create" },
        { "crate", "!there is no command 'crate'; 'create' was meant" },
        { "create now", "!'now' is too much" },
        { "exec /bin/x", "exec </bin/x> 1" },
        { "exec x y 'z z'", "exec <x> 3" },
        { "exec", "!a word is missing" },
        { "exec ''", "!a word is empty" },
        { "import", "import" },
        { "mask u", "mask <u>" },
        { "break u", "break <u>" },
        { "break writable u", "break on <u>" },
        { "break writable", "!a word is missing" },
        { "expose %a% /mnt", "expose <%a%> </mnt>" },
        { "expose %a%", "!a word is missing" },
        { "unexpose u", "unexpose <u>" },
        { "revert u", "revert <u>" },
        { "list writers", "list writers" },
        { "list writers metadata", "list writers 1" },
        { "list writers detailed", "list writers 2" },
        { "list writers STATUS", "list writers 3" },
        { "list writers all", "!'all' is not known here" },
        { "list shadows all", "list shadows" },
        { "list shadows set u", "list shadows 3 <u>" },
        { "list shadows id u", "list shadows 4 <u>" },
        { "list shadows u", "list shadows 4 <u>" },
        { "list shadows", "!a word is missing" },
        { "list shadows all u", "!'u' is too much" },
        { "list providers", "list providers" },
        { "list volumes", "!there is no command 'list volumes'" },
        { "delete shadows all", "delete shadows" },
        { "delete shadows volume /srv", "delete shadows 1 </srv>" },
        { "delete shadows oldest /srv", "delete shadows 2 </srv>" },
        { "delete shadows set u", "delete shadows 3 <u>" },
        { "delete shadows id u", "delete shadows 4 <u>" },
        { "delete shadows exposed /mnt", "delete shadows 5 </mnt>" },
        { "delete shadows u", "!'u' is not known here" },
        { "delete shadows", "!a word is missing" },
        { "delete shadows id", "!a word is missing" },
        { "delete shadow all", "!'shadows' was meant" },
        { "reset", "reset" },
        { "exit", "exit" },
        { "exit 1", "!'1' is too much" },
        { "help", "help" },
        { "%x%", "?" },
        { "'%x%'", "!there is no command" },
};

static void test_commands(void) {
        FOREACH_ELEMENT (row, commands) {
                _cleanup_(strings_clear) Strings words = {};
                ScriptError error = {};
                ScriptCommand command = {};
                char text[256] = "";
                int r, want = row->want[0] == '!' ? -EBADMSG : row->want[0] == '?' ? -EAGAIN : 0;

                r = script_split(row->line, strlen(row->line), &error, &words);
                if (r >= 0)
                        r = script_command(&words, false, &error, &command);
                expect_int(row->line, r, want);
                if (want == 0) {
                        describe(&command, text, sizeof(text));
                        expect_str("what it is", text, row->want);
                } else if (want == -EBADMSG)
                        expect_true(error.message, strstr(error.message, row->want + 1) != NULL);
        }
}

/* Every command has a row above, and its usage begins with its name. */
static void test_all_verbs(void) {
        for (ScriptVerb verb = 0; verb < SCRIPT_VERBS; verb++) {
                const char *name = script_verb_name(verb);
                bool found = false;

                FOREACH_ELEMENT (row, commands)
                        found |= strncmp(row->want, name, strlen(name)) == 0;
                expect_true(name, found);
                expect_true(script_verb_usage(verb),
                            strncmp(script_verb_usage(verb), name, strlen(name)) == 0);
        }
}

/* Once expanded, a per cent sign is nothing but that. */
static void test_expanded(void) {
        _cleanup_(strings_clear) Strings words = {};
        ScriptError error = {};
        ScriptCommand command;

        (void)strings_add(&words, "set");
        (void)strings_add(&words, "%context%");
        expect_int("no variable any more", script_command(&words, true, &error, &command), -EBADMSG);
        expect_true(error.message, strstr(error.message, "set %context%") != NULL);
}

static void test_scripts(void) {
        static const struct {
                const char *label, *text;
                int want;
                unsigned want_line; /* of the last command, or of the mistake */
        } rows[] = {
                { "nothing", "", 0, 0 },
                { "comments", "\n\n# nothing\n", 0, 0 },
                { "no newline at the end", "create", 0, 1 },
                { "a mark in front",
                  "\xef\xbb\xbf"
                  "create\n",
                  0, 1 },
                { "lines of DOS", "\n  create\r\n\r\nexit\r\n", 0, 4 },
                { "a mistake", "create\n\ncrate\ncreate", -EBADMSG, 3 },
                { "a variable for a keyword", "set %a% b\n", 0, 1 },
                { "a quote over two lines", "exec 'a\nb'\n", -EBADMSG, 1 },
        };

        FOREACH_ELEMENT (row, rows) {
                _cleanup_(script_clear) Script script = {};
                ScriptError error = {};
                int r = script_parse(row->text, strlen(row->text), &error, &script);
                unsigned last = script.n > 0 ? script.lines[script.n - 1].line : 0;

                expect_int(row->label, r, row->want);
                expect_int("its line", r < 0 ? error.line : last, row->want_line);
        }
}

static void test_script_limits(void) {
        _cleanup_(freep) char *text = malloc(SCRIPT_SIZE_MAX + 1);
        Script script = {};
        ScriptError error = {};

        if (!text)
                return;
        memset(text, '\n', SCRIPT_SIZE_MAX + 1);
        expect_int("too large", script_parse(text, SCRIPT_SIZE_MAX + 1, &error, &script), -EBADMSG);
        expect_int("no line of it", error.line, 0);
        expect_int("the most lines", script_parse(text, SCRIPT_LINES_MAX, &error, &script), 0);
        expect_int("one more", script_parse(text, SCRIPT_LINES_MAX + 1, &error, &script), -EBADMSG);
}

int main(void) {
        test_words();
        test_limits();
        test_variables();
        test_commands();
        test_all_verbs();
        test_expanded();
        test_scripts();
        test_script_limits();
        return test_end();
}
