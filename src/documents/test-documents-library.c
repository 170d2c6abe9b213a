/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The library of documents as others use it: values of liblinuxvss go in and come out
 *
 * Usage: test-documents-library LIBRARY
 */

#include <linuxvss/documents.h>
#include <stdlib.h>
#include "util/test.h"

/* Does the library take its values from the other one? With code of its own it could not be replaced alone.
 */
static bool shares_values(const char *library) {
        char command[1024], line[512];
        bool shared = false;
        FILE *pipe;

        (void)snprintf(command, sizeof(command), "nm -D --undefined-only '%s'", library);
        pipe = popen(command, "re");
        while (pipe && fgets(line, sizeof(line), pipe))
                shared = shared || strstr(line, " vss_value_set");
        return pipe && pclose(pipe) == 0 && shared;
}

int main(int argc, char *argv[]) {
        vss_value *document = vss_value_new_dict(), *back = NULL;
        char *text = NULL, *error = NULL;
        size_t size = 0;

        expect_true("values are liblinuxvss's", argc == 2 && shares_values(argv[1]));
        expect_int("what is no document", vss_document_format(document, &text, &size, &error),
                   VSS_E_INVALIDARG);
        expect_true("is told", error && strstr(error, "the key \"kind\""));
        expect_true("nothing is given out", !text && size == 0);
        free(error);
        error = NULL;

        (void)vss_value_set_string(document, "kind", "backup-components");
        (void)vss_value_set_boolean(document, "select-components", true);
        expect_int("a small one", vss_document_format(document, &text, &size, &error), VSS_S_OK);
        expect_int("its size", size, text ? strlen(text) : 0);
        expect_int("is read", vss_document_parse(text, size, &back, &error), VSS_S_OK);
        expect_true("again", vss_value_get_boolean(back, "select-components", false));
        expect_int("nowhere to write to", vss_document_format(document, NULL, NULL, NULL), VSS_E_INVALIDARG);
        vss_value_free(back);
        free(text);

        text = NULL;
        (void)vss_value_set_integer(document, "select-components", 1);
        expect_int("a value of another kind", vss_document_format(document, &text, NULL, &error),
                   VSS_E_INVALIDARG);
        expect_str("is told", error,
                   "element BACKUP_COMPONENTS: the key \"select-components\" is no boolean");
        free(error);
        vss_value_free(document);
        return test_end();
}
