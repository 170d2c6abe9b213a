/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-provider: what copies could leave behind
 *
 * Mounts, as the tester and as the provider sees them; device-mapper and loop devices; what providers keep
 * on the volumes themselves; and the copies that the provider knows of.
 */

#include <dirent.h>
#include <stdarg.h>
#include <string.h>
#include "testers/provider/conformance.h"
#include "util/clock.h"

enum { ENTRIES_MAX = 65536 };

#define SETTLE_USEC (5 * USEC_PER_SEC)

DEFINE_CLEANUP(DIR *, closedir)

/* Without the numbers of mounts, which nobody gets twice. */
static void list_mounts(FILE *out, const char *path) {
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        _cleanup_(freep) char *line = NULL;
        size_t allocated = 0, n = 0;

        while (file && n++ < ENTRIES_MAX && getline(&line, &allocated, file) >= 0) {
                char *save = NULL, *word = strtok_r(line, " ", &save);

                for (int i = 0; word && i < 5; i++, word = strtok_r(NULL, " ", &save))
                        if (i >= 2)
                                fprintf(out, "%s%s", i == 2 ? "mount " : " ", word);
                (void)fputc('\n', out);
        }
}

static void list_file(FILE *out, const char *what, const char *path) {
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        char line[512];

        if (file && fgets(line, sizeof(line), file))
                fprintf(out, "%s %s", what, line);
}

/* Of loop devices those on the volumes, and where providers keep things; others are other people's. */
static void list_loop(Test *test, FILE *out, const char *path) {
        static const char *const ours[] = { "/run/", "/var/lib/" };
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        char line[PATH_MAX];
        bool wanted = false;

        if (!file || !fgets(line, sizeof(line), file))
                return;
        line[strcspn(line, "\n")] = 0;
        /* Devices are the same in all containers, files are not; one that was removed may have been ours. */
        if (!strstr(line, " (deleted)") && access(line, F_OK) < 0 && errno == ENOENT)
                return;
        FOREACH_ELEMENT (prefix, ours)
                wanted = wanted || strncmp(line, *prefix, strlen(*prefix)) == 0;
        for (size_t i = 0; i < test->n_volumes; i++) {
                const char *point = vss_value_get_string(test->volumes[i].facts, "mount-point", "/");

                wanted = wanted || strncmp(line, point, strlen(point)) == 0;
        }
        if (wanted)
                fprintf(out, "loop %s\n", line);
}

static void list_devices(Test *test, FILE *out) {
        _cleanup_(closedirp) DIR *dir = opendir("/sys/class/block");
        struct dirent *entry;
        char path[512];
        size_t n = 0;

        while (dir && n++ < ENTRIES_MAX && (entry = readdir(dir))) {
                (void)snprintf(path, sizeof(path), "/sys/class/block/%s/dm/name", entry->d_name);
                list_file(out, "device", path);
                (void)snprintf(path, sizeof(path), "/sys/class/block/%s/loop/backing_file", entry->d_name);
                list_loop(test, out, path);
                (void)snprintf(path, sizeof(path), "/sys/class/block/%s/dm/suspended", entry->d_name);
                list_file(out, entry->d_name, path);
        }
}

/* Where ours keep what belongs to copies: two levels. A policy, and a directory that is empty, may stay. */
static void list_kept(FILE *out, const char *path, bool deeper) {
        _cleanup_(closedirp) DIR *dir = opendir(path);
        struct dirent *entry;
        char below[PATH_MAX + 300];
        size_t n = 0;

        while (dir && n++ < ENTRIES_MAX && (entry = readdir(dir))) {
                if (entry->d_name[0] == '.' || strcmp(entry->d_name, "storage.json") == 0)
                        continue;
                (void)snprintf(below, sizeof(below), "%.*s/%s", PATH_MAX, path, entry->d_name);
                if (deeper && entry->d_type == DT_DIR)
                        list_kept(out, below, false);
                else
                        fprintf(out, "kept %s\n", below);
        }
}

static void list_store(FILE *out, const TestVolume *volume) {
        const char *point = vss_value_get_string(volume->facts, "mount-point", "/");
        char path[PATH_MAX];

        if ((size_t)snprintf(path, sizeof(path), "%s/.linuxvss", strcmp(point, "/") == 0 ? "" : point) <
            sizeof(path))
                list_kept(out, path, true);
}

static void list_copies(Test *test, FILE *out) {
        _cleanup_value_ vss_value *list = NULL;
        vss_result r = provider_query(test, &list);

        if (r < 0)
                fprintf(out, "copies unknown: %s\n", test->message);
        for (size_t i = 0; i < vss_value_count(list); i++)
                fprintf(out, "copy %s\n", vss_value_get_string(vss_value_at(list, i), "id", "?"));
}

static int by_text(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sort_lines(char *text) {
        char **lines = NULL, *save = NULL, *sorted = NULL;
        size_t n = 0, size;
        FILE *out = open_memstream(&sorted, &size);

        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char **more = reallocarray(lines, n + 1, sizeof(*lines));

                if (!more)
                        break;
                lines = more;
                lines[n++] = line;
        }
        if (n > 0)
                qsort(lines, n, sizeof(*lines), by_text);
        for (size_t i = 0; out && i < n; i++)
                fprintf(out, "%s\n", lines[i]);
        free(lines);
        free(text);
        return out && fclose(out) == 0 ? sorted : NULL;
}

char *traces_list(Test *test) {
        char *text = NULL, path[64];
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        list_copies(test, out); /* first: it starts the provider */
        list_mounts(out, "/proc/self/mountinfo");
        (void)snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)provider_pid(test));
        list_mounts(out, path);
        list_devices(test, out);
        for (size_t i = 0; i < test->n_volumes; i++)
                list_store(out, &test->volumes[i]);
        return fclose(out) == 0 ? sort_lines(text) : NULL;
}

/* What is in one text and not in the other, by lines. */
static void tell_difference(Test *test, const char *before, const char *after) {
        const char *texts[] = { after, before };
        _cleanup_(freep) char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        for (size_t i = 0; out && i < ELEMENTS(texts); i++) {
                _cleanup_(freep) char *copy = strdup(texts[i]);
                char *save = NULL;

                for (char *line = copy ? strtok_r(copy, "\n", &save) : NULL; line;
                     line = strtok_r(NULL, "\n", &save)) {
                        size_t n = strlen(line);
                        const char *other = texts[1 - i];
                        bool found = false;

                        for (const char *at = other; !found && (at = strstr(at, line)); at++)
                                found = (at == other || at[-1] == '\n') && (at[n] == '\n' || at[n] == '\0');
                        if (!found)
                                fprintf(out, "%s%s: %s", ftell(out) > 0 ? "\n" : "",
                                        i == 0 ? "left" : "gone", line);
                }
        }
        if (out && fclose(out) == 0)
                point_detail(test, "%s", text);
}

bool traces_point(Test *test, const char *before, const char *format, ...) {
        uint64_t deadline = now_usec() + SETTLE_USEC;
        _cleanup_(freep) char *text = NULL, *after = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        /* Mounts that are let go of may take a moment. */
        for (;;) {
                free(after);
                after = traces_list(test);
                if (!before || !after || strcmp(before, after) == 0 || now_usec() > deadline)
                        break;
                (void)usleep(50000);
        }
        if (point(test, before && after && strcmp(before, after) == 0, "%s",
                  text ?: "nothing is left behind"))
                return true;
        if (before && after)
                tell_difference(test, before, after);
        return false;
}
