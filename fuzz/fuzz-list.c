/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: lists of what a backup has; root puts files where they say
 */

#include "fuzz.h"
#include "testers/list.h"

static void check_path(const char *path) {
        fuzz_require(path[0] == '/' && !strstr(path, "//"));
        fuzz_require(!strstr(path, "/../") && !strstr(path, "/./"));
        path = strrchr(path, '/');
        fuzz_require(strcmp(path, "/..") != 0 && strcmp(path, "/.") != 0);
}

static void check_entry(const ListEntry *entry) {
        _cleanup_list_entry_ ListEntry again = { 0 };
        _cleanup_(freep) char *line = NULL, *second = NULL;
        int r;

        check_path(entry->path);
        if (entry->source)
                check_path(entry->source);
        fuzz_require(entry->kind != WALK_ERROR && entry->meta.mode <= 0177777);
        fuzz_require(entry->kind != WALK_FILE || S_ISREG(entry->meta.mode));
        fuzz_require(entry->kind != WALK_SYMLINK || entry->target);
        r = list_format(entry, &line);
        if (r == -E2BIG)
                return;
        fuzz_require(r == 0 && !strchr(line, '\n'));
        fuzz_require(list_parse(line, &again) == 0);
        fuzz_require(list_format(&again, &second) == 0 && strcmp(line, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) char *text = NULL;
        char *rest, *line;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        text = fuzz_text(data, size);
        rest = text;
        while ((line = strsep(&rest, "\n"))) {
                _cleanup_list_entry_ ListEntry entry = { 0 };

                if (list_parse(line, &entry) == 0)
                        check_entry(&entry);
        }
        return 0;
}
