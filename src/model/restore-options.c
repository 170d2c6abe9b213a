/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restore options: the text of SetRestoreOptions
 */

#include <string.h>
#include <strings.h>
#include "model/component.h"
#include "model/restore-options.h"
#include "util/utf8.h"

typedef struct Parser {
        const char *text, *at;
        Why *why;
} Parser;

static vss_result wrong(const Parser *parser, const char *expected) {
        return why_set(parser->why, VSS_E_INVALIDARG,
                       "Restore options, character %zu: %s is expected at \"%.32s\".",
                       (size_t)(parser->at - parser->text) + 1, expected, parser->at);
}

static void skip_blanks(Parser *parser) {
        parser->at += strspn(parser->at, " \t\r\n");
}

static bool take(Parser *parser, char c) {
        skip_blanks(parser);
        if (*parser->at != c)
                return false;
        parser->at++;
        return true;
}

/* "text", with "" for a quote in it; the caller frees. */
static vss_result take_quoted(Parser *parser, const char *expected, char **ret_text) {
        _cleanup_(freep) char *text = NULL;
        size_t n = 0;

        skip_blanks(parser);
        if (*parser->at != '"')
                return wrong(parser, expected);
        text = malloc(strlen(parser->at));
        if (!text)
                return why_no_memory(parser->why);
        for (const char *s = parser->at + 1; *s; s++) {
                if (*s == '"' && *++s != '"') {
                        text[n] = '\0';
                        parser->at = s;
                        *ret_text = TAKE_PTR(text);
                        return VSS_S_OK;
                }
                text[n++] = *s;
        }
        return wrong(parser, "a text between two quotes");
}

/* Both ways to part elements become '/'; the last element is the name. */
static void split_component(char *path, const char **ret_logical_path, const char **ret_name) {
        char *slash;

        for (char *s = path; *s; s++)
                if (*s == '\\')
                        *s = '/';
        slash = strrchr(path, '/');
        if (slash)
                *slash = '\0';
        *ret_logical_path = slash ? path : "";
        *ret_name = slash ? slash + 1 : path;
}

static const vss_value *find_option(const vss_value *options, const char *logical_path, const char *name,
                                    const char *option) {
        for (size_t i = 0; i < vss_value_count(options); i++) {
                const vss_value *entry = vss_value_at(options, i);

                if (component_is(entry, logical_path, name) &&
                    strcasecmp(vss_value_get_string(entry, "option", ""), option) == 0)
                        return entry;
        }
        return NULL;
}

static vss_result add_option(const Parser *parser, vss_value *options, const char *logical_path,
                             const char *name, const char *option, const char *value) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();

        if (find_option(options, logical_path, name, option))
                return why_set(parser->why, VSS_E_INVALIDARG,
                               "Restore options: \"%.100s\" is given twice for the same component.", option);
        if (vss_value_count(options) >= RESTORE_OPTIONS_MAX)
                return why_set(parser->why, VSS_E_INVALIDARG, "There are more than %u restore options.",
                               RESTORE_OPTIONS_MAX);
        if (vss_value_set_string(entry, "logical-path", logical_path) < 0 ||
            vss_value_set_string(entry, "name", name) < 0 ||
            vss_value_set_string(entry, "option", option) < 0 ||
            vss_value_set_string(entry, "value", value) < 0 ||
            vss_value_append(options, TAKE_PTR(entry)) < 0)
                return why_no_memory(parser->why);
        return VSS_S_OK;
}

/* One group: a component, perhaps, and its options. */
static vss_result parse_group(Parser *parser, vss_value *options) {
        _cleanup_(freep) char *component = NULL, *first = NULL;
        const char *logical_path = "", *name = "";
        vss_result result = take_quoted(parser, "a component or the name of an option, in quotes,", &first);

        if (result < 0)
                return result;
        if (take(parser, ':')) {
                component = TAKE_PTR(first);
                split_component(component, &logical_path, &name);
                if (!*name)
                        return wrong(parser, "the name of a component before this");
                result = take_quoted(parser, "the name of an option, in quotes,", &first);
        }
        while (result >= 0) {
                _cleanup_(freep) char *option = TAKE_PTR(first), *value = NULL;

                if (!*option)
                        return wrong(parser, "the name of an option before this");
                if (!take(parser, '='))
                        return wrong(parser, "\"=\"");
                result = take_quoted(parser, "a value, in quotes,", &value);
                if (result >= 0)
                        result = add_option(parser, options, logical_path, name, option, value);
                if (result < 0 || !take(parser, ','))
                        break;
                result = take_quoted(parser, "the name of an option, in quotes,", &first);
        }
        return result;
}

vss_result restore_options_parse(const char *text, vss_value **ret_options, Why *why) {
        _cleanup_value_ vss_value *options = vss_value_new_list();
        Parser parser = { .text = text, .at = text, .why = why };
        vss_result result = VSS_S_OK;

        if (strnlen(text, RESTORE_OPTIONS_SIZE_MAX + 1) > RESTORE_OPTIONS_SIZE_MAX || !text_is_utf8(text))
                return why_set(why, VSS_E_INVALIDARG,
                               "Restore options are longer than %u bytes or not UTF-8.",
                               RESTORE_OPTIONS_SIZE_MAX);
        if (!options)
                return why_no_memory(why);
        for (skip_blanks(&parser); *parser.at; skip_blanks(&parser)) {
                result = parse_group(&parser, options);
                if (result < 0)
                        return result;
                if (!take(&parser, ';') && *parser.at)
                        return wrong(&parser, "\",\" or \";\"");
        }
        *ret_options = TAKE_PTR(options);
        return VSS_S_OK;
}

static void write_quoted(FILE *stream, const char *text) {
        (void)fputc('"', stream);
        for (; *text; text++) {
                if (*text == '"')
                        (void)fputc('"', stream);
                (void)fputc(*text, stream);
        }
        (void)fputc('"', stream);
}

static void write_component(FILE *stream, const vss_value *entry) {
        _cleanup_(freep) char *path = NULL;

        if (!*component_name(entry))
                return;
        if (asprintf(&path, "%s%s%s", component_logical_path(entry),
                     *component_logical_path(entry) ? "/" : "", component_name(entry)) < 0) {
                path = NULL;
                return;
        }
        write_quoted(stream, path);
        (void)fputs(": ", stream);
}

int restore_options_format(const vss_value *options, char **ret_text) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return -ENOMEM;
        for (size_t i = 0; i < vss_value_count(options); i++) {
                const vss_value *entry = vss_value_at(options, i), *before = vss_value_at(options, i - 1);
                bool same = i > 0 &&
                            component_is(entry, component_logical_path(before), component_name(before));

                if (i > 0)
                        (void)fputs(same ? ", " : "; ", stream);
                if (!same)
                        write_component(stream, entry);
                write_quoted(stream, vss_value_get_string(entry, "option", ""));
                (void)fputc('=', stream);
                write_quoted(stream, vss_value_get_string(entry, "value", ""));
        }
        if (fclose(stream) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret_text = text;
        return 0;
}

const char *restore_options_get(const vss_value *options, const char *logical_path, const char *name,
                                const char *option) {
        const vss_value *entry = find_option(options, logical_path, name, option);

        if (!entry)
                entry = find_option(options, "", "", option);
        return vss_value_get_string(entry, "value", NULL);
}

/* What follows "Partial:" or "Item:"; NULL if it is something else. */
static const char *behind(const char *value, const char *word) {
        size_t n = strlen(word);

        if (strncasecmp(value, word, n) != 0)
                return NULL;
        value += n + strspn(value + n, " ");
        return *value ? value : NULL;
}

static vss_result set_authoritative(vss_value *typed, const char *value, Why *why) {
        const char *item = behind(value, "Item:");

        if (!item && strcasecmp(value, "All") != 0)
                return why_set(
                        why, VSS_E_INVALIDARG,
                        "Restore option \"Authoritative\" is \"All\" or \"Item: ...\", not \"%.100s\".",
                        value);
        if (vss_value_set_boolean(typed, "authoritative", true) < 0 ||
            (item && vss_value_set_string(typed, "authoritative-item", item) < 0))
                return why_no_memory(why);
        return VSS_S_OK;
}

static vss_result set_roll_forward(vss_value *typed, const char *value, Why *why) {
        const char *point = behind(value, "Partial:");
        enum vss_rollforward_type type = point                            ? VSS_RF_PARTIAL
                                         : strcasecmp(value, "All") == 0  ? VSS_RF_ALL
                                         : strcasecmp(value, "None") == 0 ? VSS_RF_NONE
                                                                          : VSS_RF_UNDEFINED;
        vss_value *roll_forward;

        if (type == VSS_RF_UNDEFINED)
                return why_set(
                        why, VSS_E_INVALIDARG,
                        "Restore option \"Roll Forward\" is \"None\", \"All\" or \"Partial: ...\", not "
                        "\"%.100s\".",
                        value);
        roll_forward = value_require(typed, "roll-forward", VSS_KIND_DICT);
        if (vss_value_set_integer(roll_forward, "type", type) < 0 ||
            vss_value_set_string(roll_forward, "point", point ?: "") < 0)
                return why_no_memory(why);
        return VSS_S_OK;
}

vss_result restore_options_typed(const vss_value *options, const char *logical_path, const char *name,
                                 vss_value **ret_typed, Why *why) {
        _cleanup_value_ vss_value *typed = vss_value_new_dict();
        const char *authoritative = restore_options_get(options, logical_path, name, "Authoritative");
        const char *roll_forward = restore_options_get(options, logical_path, name, "Roll Forward");
        const char *restore_name = restore_options_get(options, logical_path, name, "New Component Name");
        vss_result result = typed ? VSS_S_OK : why_no_memory(why);

        if (result >= 0 && authoritative)
                result = set_authoritative(typed, authoritative, why);
        if (result >= 0 && roll_forward)
                result = set_roll_forward(typed, roll_forward, why);
        if (result >= 0 && restore_name && vss_value_set_string(typed, "restore-name", restore_name) < 0)
                result = why_no_memory(why);
        if (result < 0)
                return result;
        *ret_typed = TAKE_PTR(typed);
        return VSS_S_OK;
}
