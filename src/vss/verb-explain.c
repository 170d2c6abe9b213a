/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss explain: what a result, a context or an attribute means, without the service
 */

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include "vss/attributes.h"
#include "vss/explain.h"
#include "vss/options.h"
#include "vss/verb.h"

static void show(const vss_value *results, bool all) {
        for (size_t i = 0; i < vss_value_count(results); i++) {
                const vss_value *result = vss_value_at(results, i);

                printf("%s (0x%08" PRIx32 ")\n    %s\n", vss_value_get_string(result, "name", ""),
                       (uint32_t)vss_value_get_integer(result, "number", 0),
                       vss_value_get_string(result, "text", ""));
                if (!all)
                        printf("    %s\n", vss_value_get_string(result, "remedy", ""));
        }
}

static void show_attributes(const vss_value *rows, const char *indent) {
        for (size_t i = 0; i < vss_value_count(rows); i++) {
                const vss_value *row = vss_value_at(rows, i);

                printf("%s%s (0x%" PRIx64 ", %s)\n%s    %s\n", indent, vss_value_get_string(row, "name", ""),
                       vss_value_get_integer(row, "number", 0), vss_value_get_string(row, "word", ""),
                       indent, vss_value_get_string(row, "text", ""));
        }
}

static int merge(Cli *cli, vss_value *all, const vss_value *document) {
        for (size_t i = 0; i < vss_value_count(document); i++) {
                const vss_value *from = vss_value_at(document, i);
                vss_value *list = value_require(all, vss_value_key_at(document, i), VSS_KIND_LIST);

                for (size_t j = 0; j < vss_value_count(from); j++)
                        if (!list || vss_value_append(list, vss_value_copy(vss_value_at(from, j))) < 0)
                                return cli_out_of_memory(cli);
        }
        return EXIT_DONE;
}

#define CONTEXT_REMEDY "Check the spelling; vss explain context shows all."
#define ATTRIBUTE_REMEDY "Check the spelling; vss explain attributes shows all."

typedef struct Subject {
        const char *word; /* NULL: results, which need none */
        const char *what;
        const char *remedy;
        vss_value *(*explain)(const char *text);
} Subject;

static const Subject subjects[] = {
        { "context", "context", CONTEXT_REMEDY, explain_context },
        { "contexts", "context", CONTEXT_REMEDY, explain_context },
        { "attribute", "attribute", ATTRIBUTE_REMEDY, explain_attributes },
        { "attributes", "attribute", ATTRIBUTE_REMEDY, explain_attributes },
};

static const Subject results = { NULL, "result", "Check the spelling; vss explain shows all.",
                                 explain_code };

static int explain(Cli *cli, const Subject *subject, const char *text, vss_value *all) {
        _cleanup_value_ vss_value *document = subject->explain(text);

        if (!document)
                return cli_error_remedy(cli, VSS_E_OBJECT_NOT_FOUND, text, subject->remedy,
                                        "there is no such %s", subject->what);
        return merge(cli, all, document);
}

int verb_explain(Cli *cli, int argc, char **argv) {
        _cleanup_value_ vss_value *all = vss_value_new_dict();
        const Subject *subject = &results;
        int status = EXIT_DONE, index;

        /* A negative number looks like an option to the parser. */
        for (int i = 1; i < argc; i++)
                if (argv[i][0] == '-' && isdigit((unsigned char)argv[i][1]) &&
                    snprintf(NULL, 0, "%s", argv[i]) < 16) {
                        static char number[16];
                        long long value = strtoll(argv[i], NULL, 10);

                        (void)snprintf(number, sizeof(number), "0x%08" PRIx32, (uint32_t)value);
                        argv[i] = number;
                }
        index = options_parse(cli, NULL, 0, argc, argv, &status);
        if (index < 0)
                return status;
        for (size_t i = 0; index < argc && i < ELEMENTS(subjects); i++)
                if (strcmp(argv[index], subjects[i].word) == 0) {
                        subject = &subjects[i];
                        index++;
                        break;
                }
        if (argc == index)
                status = explain(cli, subject, NULL, all);
        for (int i = index; status == EXIT_DONE && i < argc; i++)
                status = explain(cli, subject, argv[i], all);
        if (status != EXIT_DONE)
                return status;
        if (cli->json)
                return cli_print_json(cli, all, false);
        show(vss_value_get(all, "results"), argc == index);
        show_attributes(vss_value_get(all, "contexts"), "");
        show_attributes(vss_value_get(all, "attributes"), subject->explain == explain_context ? "    " : "");
        return EXIT_DONE;
}
