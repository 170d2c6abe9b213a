/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: scripts, the words of their lines, and what these are once expanded
 */

#include "fuzz.h"
#include "vss/script-parse.h"

#define LINES_CHECKED 256u

static void check_failure(int r, const ScriptError *error) {
        fuzz_require(r == -EBADMSG);
        fuzz_require(memchr(error->message, 0, sizeof(error->message)));
        fuzz_require(error->message[0] && !strchr(error->message, '\n'));
}

/* A value that would be more words, and another variable, if it were read again. */
static const char *look_up(void *userdata, const char *name) {
        size_t n = strlen(name);

        fuzz_require(n > 0 && n <= SCRIPT_NAME_MAX && !strchr(name, '%'));
        return n % 2 ? "delete shadows %all%" : NULL;
}

static void check_command(const Strings *words, bool expanded) {
        ScriptCommand command = {};
        ScriptError error = { 0 };
        int r = script_command(words, expanded, &error, &command);

        fuzz_require(r == 0 || r == -EBADMSG || (r == -EAGAIN && !expanded));
        if (r == -EBADMSG)
                check_failure(r, &error);
        if (r < 0)
                return;
        fuzz_require(command.verb < SCRIPT_VERBS);
        fuzz_require(!command.object || *command.object);
        fuzz_require(!command.target || *command.target);
        fuzz_require(command.n_arguments <= words->n);
        if (expanded)
                fuzz_require(!command.alias || script_name_is_alias(command.alias));
}

static void check_line(const Strings *words) {
        _cleanup_(strings_clear) Strings expanded = {};
        ScriptError error = { 0 };
        int r;

        fuzz_require(words->n > 0 && words->n <= SCRIPT_WORDS_MAX);
        for (size_t i = 0; i < words->n; i++)
                fuzz_require(!strchr(words->items[i], '\n') &&
                             strlen(words->items[i]) <= 2 * SCRIPT_LINE_MAX);
        check_command(words, false);
        r = script_expand(words, look_up, NULL, &error, &expanded);
        if (r < 0) {
                check_failure(r, &error);
                return;
        }
        fuzz_require(expanded.n == words->n);
        for (size_t i = 0; i < expanded.n; i++)
                fuzz_require(strlen(expanded.items[i]) <= 2 * SCRIPT_LINE_MAX + SCRIPT_WORD_MAX);
        check_command(&expanded, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(script_clear) Script script = {};
        ScriptError error = { 0 };
        unsigned line = 0;
        int r;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        r = script_parse((const char *)data, size, &error, &script);
        if (r < 0) {
                check_failure(r, &error);
                return 0;
        }
        fuzz_require(script.n <= SCRIPT_LINES_MAX);
        for (size_t i = 0; i < script.n; i++) {
                fuzz_require(script.lines[i].line > line);
                line = script.lines[i].line;
                if (i < LINES_CHECKED)
                        check_line(&script.lines[i].words);
        }
        return 0;
}
