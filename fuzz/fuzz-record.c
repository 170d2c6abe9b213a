/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: the hold file, by which root thaws what a dead hold left behind
 */

#include "fuzz.h"
#include "hold/record.h"

/* Large; and not cleared in between, as what is beyond the counts must not matter. */
static Record record, again;

static void check_target(const RecordTarget *target) {
        const char *path = target->path, *last = strrchr(path, '/');

        fuzz_require(target->kind == VSS_HOLD_FILESYSTEM || target->kind == VSS_HOLD_CGROUP);
        fuzz_require(memchr(path, 0, sizeof(target->path)) && path[0] == '/');
        if (target->kind == VSS_HOLD_CGROUP) {
                fuzz_require(!strstr(path, "/../") && !strstr(path, "/./") && !strstr(path, "//"));
                fuzz_require(strcmp(last, "/..") != 0 && strcmp(last, "/.") != 0);
        }
}

/* What was read and is written reads the same. */
static void check_round_trip(void) {
        _cleanup_(freep) char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);
        int r;

        if (!file)
                abort();
        r = record_print(&record, file);
        fuzz_require(r == 0 && fclose(file) == 0);
        fuzz_require(record_parse(text, &again) == 0);
        fuzz_require(again.n_bad == 0 && again.n_targets == record.n_targets);
        fuzz_require(memcmp(again.pids, record.pids, sizeof(record.pids)) == 0);
        fuzz_require(memcmp(again.starts, record.starts, sizeof(record.starts)) == 0);
        for (size_t i = 0; i < record.n_targets; i++) {
                const RecordTarget *a = &record.targets[i], *b = &again.targets[i];

                fuzz_require(a->kind == b->kind && a->device == b->device && strcmp(a->path, b->path) == 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) char *text = NULL;

        /* As its reader does: no NUL inside. */
        if (size > FUZZ_SIZE_MAX || memchr(data, 0, size))
                return 0;
        text = fuzz_text(data, size);
        if (record_parse(text, &record) < 0)
                return 0;
        fuzz_require(record.n_targets <= HOLD_TARGETS_MAX);
        for (unsigned i = 0; i < RECORD_PROCESSES; i++)
                fuzz_require(record.pids[i] > 1);
        for (size_t i = 0; i < record.n_targets; i++)
                check_target(&record.targets[i]);
        check_round_trip();
        return 0;
}
