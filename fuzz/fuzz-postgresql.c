/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: texts of PostgreSQL, and what documents say of its backups and restores
 */

#include <stdlib.h>
#include "fuzz.h"
#include "writers/postgresql/backup-info.h"
#include "writers/postgresql/options.h"

static void try_info(const char *text) {
        BackupInfo info = { 0 }, again = { 0 };
        char *written = NULL;

        if (backup_info_parse(text, &info) < 0)
                return;
        fuzz_require(info.data && info.data[0] == '/' && !strstr(info.data, "/../"));
        fuzz_require(info.version[strspn(info.version, "0123456789.")] == '\0');
        for (size_t i = 0; i < info.n_spaces; i++)
                fuzz_require(info.spaces[i].location[0] == '/' &&
                             info.spaces[i].name[strspn(info.spaces[i].name, "0123456789")] == '\0');
        fuzz_require(backup_info_format(&info, &written) == 0);
        fuzz_require(backup_info_parse(written, &again) == 0);
        fuzz_require(again.mode == info.mode && again.n_spaces == info.n_spaces && strcmp(again.data, info.data) == 0);
        free(written);
        backup_info_clear(&info);
        backup_info_clear(&again);
}

/* Whatever it is, it stays within its quotes, one setting a line. */
static void try_options(const char *text) {
        PgOptions options;
        char why[400], *settings = NULL;

        if (pg_options_parse(text, &options, why, sizeof(why)) < 0)
                return;
        fuzz_require(pg_options_format(&options, NULL, "", &settings) == 0);
        for (const char *line = settings; *line; line += strcspn(line, "\n") + 1) {
                size_t n = strcspn(line, "\n"), quotes = 0;

                for (size_t i = 0; i < n; i++)
                        quotes += line[i] == '\'';
                fuzz_require(line[n] == '\n' && quotes % 2 == 0 && line[n - 1] == '\'');
                fuzz_require(strncmp(line, "re", 2) == 0);
        }
        free(settings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Control control;
        PidFile file;
        Stamp stamp, again;
        char *text, line[STAMP_SIZE];

        if (size > FUZZ_SIZE_MAX)
                return 0;
        text = strndup((const char *)data, size);
        if (!text)
                return 0;
        try_info(text);
        try_options(text);
        if (pid_file_parse(text, &file) == 0)
                fuzz_require(file.pid > 0 && file.data[0] == '/' &&
                             memchr(file.socket_dir, '\0', sizeof(file.socket_dir)));
        if (control_parse(text, &control) == 0)
                fuzz_require(control.timeline > 0 && control.segment_size >= 1 << 20);
        if (stamp_parse(text, &stamp) == 0) {
                stamp_format(&stamp, line);
                fuzz_require(stamp_parse(line, &again) == 0 && again.lsn == stamp.lsn);
        }
        free(text);
        return 0;
}
