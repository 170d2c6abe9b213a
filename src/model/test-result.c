/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The table of results: every row complete, unique, and found by its name and number; every result of the
 * public header, which is the argument, has its row
 */

#include <ctype.h>
#include <stdlib.h>
#include "model/result.h"
#include "util/test.h"

static bool is_sentence(const char *text) {
        size_t n = text ? strlen(text) : 0;

        /* A remedy may begin with a command. */
        return n > 1 && (isupper((unsigned char)text[0]) || strncmp(text, "vss ", 4) == 0) &&
               text[n - 1] == '.';
}

static void test_rows(void) {
        vss_result result, other, found;
        const char *name;

        for (size_t i = 0; (name = result_name_at(i, &result)); i++) {
                char prefixed[128], number[32];
                bool unique = true;

                for (size_t j = 0; j < i; j++)
                        unique = unique && strcmp(result_name_at(j, &other), name) != 0 && other != result;
                (void)snprintf(prefixed, sizeof(prefixed), "VSS_%s", name);
                (void)snprintf(number, sizeof(number), "0x%08X", (unsigned)result);
                expect_true(name,
                            unique && is_sentence(vss_result_text(result)) &&
                                    is_sentence(vss_result_remedy(result)) &&
                                    (strncmp(name, "E_", 2) == 0) == (result < 0) &&
                                    vss_result_from_name(prefixed, &found) == VSS_S_OK && found == result &&
                                    vss_result_from_name(number, &found) == VSS_S_OK && found == result);
        }
}

/* Is "#define VSS_... VSS_RESULT(number)" in the table under this name, number and a text of its own? Also
 * true for all other lines; @n counts those that were looked at. */
static bool is_in_table(const char *line, unsigned *n) {
        char name[128];
        unsigned number;
        vss_result found;

        if (sscanf(line, "#define %127s VSS_RESULT(%x)", name, &number) != 2)
                return true;
        (*n)++;
        return vss_result_from_name(name, &found) == VSS_S_OK && (uint32_t)found == number &&
               strcmp(vss_result_name(found), name + strlen("VSS_")) == 0 &&
               is_sentence(vss_result_text(found)) && is_sentence(vss_result_remedy(found));
}

static void test_header(const char *path) {
        FILE *header = fopen(path, "re");
        unsigned n = 0;
        char line[512];

        expect_true("a result that has no row is seen",
                    !is_in_table("#define VSS_E_NEW VSS_RESULT(0x80042599)\n", &n));
        expect_true("a row with another number is seen",
                    !is_in_table("#define VSS_E_BAD_STATE VSS_RESULT(0x80042302)\n", &n));
        n = 0;
        while (header && fgets(line, sizeof(line), header))
                if (!is_in_table(line, &n)) {
                        line[strcspn(line, "\n")] = '\0';
                        expect_str("has a row", NULL, line);
                }
        if (header)
                (void)fclose(header);
        for (size_t i = 0;; i++) {
                vss_result result;

                if (!result_name_at(i, &result)) {
                        expect_int("every row is a result of the header, and the reverse", i, n);
                        break;
                }
        }
}

int main(int argc, char **argv) {
        vss_result result = 77;
        enum vss_level level = VSS_LEVEL_GROUP;

        expect_true("the sentence check sees a bad one",
                    !is_sentence("no capital.") && !is_sentence("No stop"));
        test_rows();
        if (argc == 2)
                test_header(argv[1]);
        expect_true("the header was looked at", argc == 2);
        expect_int("E_BAD_STATE has its number", (uint32_t)VSS_E_BAD_STATE, 0x80042301);
        expect_str("a number that is none", vss_result_name(12345), "E_UNEXPECTED");
        expect_int("a name that is none", vss_result_from_name("E_NONE", &result), VSS_E_OBJECT_NOT_FOUND);
        expect_int("leaves the answer alone", result, 77);
        expect_int("NULL is no name", vss_result_from_name(NULL, &result), VSS_E_OBJECT_NOT_FOUND);
        for (int i = VSS_LEVEL_NONE; i <= VSS_LEVEL_APPLICATION; i++)
                expect_true(vss_level_name((enum vss_level)i),
                            vss_level_from_name(vss_level_name((enum vss_level)i), &level) == VSS_S_OK &&
                                    level == (enum vss_level)i);
        expect_int("no level", vss_level_from_name("best", &level), VSS_E_INVALIDARG);
        expect_str("a writer's state", vss_writer_state_name(VSS_WS_STABLE), "Stable");
        expect_str("no state", vss_writer_state_name((enum vss_writer_state)99), "Unknown");
        return test_end();
}
