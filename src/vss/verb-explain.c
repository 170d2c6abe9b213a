/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss explain: what a result means, without the service
 */

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
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

static int explain(Cli *cli, const char *code, vss_value *all) {
        _cleanup_value_ vss_value *document = explain_code(code);
        const vss_value *results = vss_value_get(document, "results");
        vss_value *list = value_require(all, "results", VSS_KIND_LIST);

        if (!document)
                return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, code,
                                 "there is no such result; vss explain lists all");
        for (size_t i = 0; i < vss_value_count(results); i++)
                if (!list || vss_value_append(list, vss_value_copy(vss_value_at(results, i))) < 0)
                        return cli_out_of_memory(cli);
        return EXIT_DONE;
}

int verb_explain(Cli *cli, int argc, char **argv) {
        _cleanup_value_ vss_value *all = vss_value_new_dict();
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
        if (argc == index)
                status = explain(cli, NULL, all);
        for (int i = index; status == EXIT_DONE && i < argc; i++)
                status = explain(cli, argv[i], all);
        if (status != EXIT_DONE)
                return status;
        if (cli->json)
                return cli_print_json(cli, all, false);
        show(vss_value_get(all, "results"), argc == index);
        return EXIT_DONE;
}
