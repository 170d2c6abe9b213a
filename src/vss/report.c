/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Plans and sets in words
 *
 * The closing line says what was reached, what it cost the applications, and what is missing: all that
 * somebody needs who reads only one line.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "vss/output.h"
#include "vss/report.h"
#include "vss/selection.h"

#define LEFT_OUT_SHOWN 5u

const char *plan_volume_target(const vss_value *volume) {
        const char *path = vss_value_get_string(volume, "path", "");

        if (vss_value_get_boolean(volume, "nested", false))
                return path;
        return vss_value_get_string(volume, "mount-point", path);
}

/* Writes to memory. Return: the text, or NULL if there was none for all of it. */
static char *close_text(FILE *stream, char **text) {
        bool failed = ferror(stream);

        if (fclose(stream) != 0 || failed) {
                free(*text);
                return NULL;
        }
        return *text;
}

char *plan_volume_declined(const vss_value *volume) {
        const vss_value *declined = vss_value_get(volume, "declined");
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        for (size_t i = 0; i < vss_value_count(declined); i++) {
                const vss_value *entry = vss_value_at(declined, i);

                fprintf(stream, "%s%s: %s", i > 0 ? "; " : "", vss_value_get_string(entry, "provider", "?"),
                        vss_value_get_string(entry, "reason", "no reason given"));
        }
        if (vss_value_count(declined) == 0)
                fputs("no provider is installed that could", stream);
        return close_text(stream, &text);
}

char *report_join(const vss_value *list) {
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        for (size_t i = 0; i < vss_value_count(list); i++)
                fprintf(stream, "%s%s", i > 0 ? " " : "", vss_value_string(vss_value_at(list, i), "?"));
        return close_text(stream, &text);
}

static const char *left_out_name(const vss_value *entry) {
        return vss_value_get_string(entry, "what", vss_value_get_string(entry, "path", ""));
}

static void print_line(FILE *stream, const char *first, const char *second, const char *third) {
        print_text(stream, first);
        fputs(": ", stream);
        print_text(stream, second);
        if (third && *third) {
                fputs(": ", stream);
                print_text(stream, third);
        }
        (void)fputc('\n', stream);
}

static void print_left_out(FILE *stream, const vss_value *list) {
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *entry = vss_value_at(list, i);

                if (!vss_value_get_boolean(entry, "system", false))
                        print_line(stream, "left out", left_out_name(entry),
                                   vss_value_get_string(entry, "reason", ""));
        }
}

/* Nothing else is in the copy. */
static void print_paths(FILE *stream, const char *volume, const vss_value *entry) {
        _cleanup_(freep) char *paths = NULL;

        if (vss_value_count(vss_value_get(entry, "paths")) == 0)
                return;
        paths = report_join(vss_value_get(entry, "paths"));
        print_line(stream, volume, "only this is copied", paths);
}

void report_plan(FILE *stream, const vss_value *plan) {
        const vss_value *volumes = vss_value_get(plan, "volumes"), *writers = vss_value_get(plan, "writers");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "VOLUME", "TYPE", "PROVIDER", "HOLD", "LEVEL", "WRITERS", NULL);
        for (size_t i = 0; i < vss_value_count(volumes); i++) {
                const vss_value *volume = vss_value_at(volumes, i);
                _cleanup_(freep) char *names = report_join(vss_value_get(volume, "writers"));

                table_add(&table, plan_volume_target(volume), vss_value_get_string(volume, "fs-type", ""),
                          vss_value_get_string(volume, "provider", ""),
                          vss_value_get_string(volume, "hold", ""),
                          vss_value_get_string(volume, "level", ""), names ?: "", NULL);
        }
        table_print(&table, stream);

        for (size_t i = 0; i < vss_value_count(volumes); i++) {
                const vss_value *volume = vss_value_at(volumes, i);
                _cleanup_(freep) char *reason = NULL;

                print_paths(stream, plan_volume_target(volume), volume);
                if (vss_value_get_boolean(volume, "supported", false))
                        continue;
                reason = plan_volume_declined(volume);
                print_line(stream, plan_volume_target(volume), "no provider takes this volume", reason);
        }
        print_left_out(stream, vss_value_get(plan, "left-out"));
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i),
                                *rights = vss_value_get(writer, "missing-rights");

                for (size_t j = 0; j < vss_value_count(rights); j++) {
                        const vss_value *right = vss_value_at(rights, j);

                        if (vss_value_kind(right) == VSS_KIND_STRING)
                                print_line(stream, vss_value_get_string(writer, "name", "?"),
                                           "missing right", vss_value_string(right, ""));
                        else
                                print_line(stream, vss_value_get_string(writer, "name", "?"),
                                           vss_value_get_string(right, "what", "a right is missing"),
                                           vss_value_get_string(right, "remedy", ""));
                }
        }
        fprintf(stream, "best level: %s\n", vss_value_get_string(plan, "level", "none"));
}

static int append_left_out(vss_value *list, const vss_value *entry, const ViewInput *live) {
        _cleanup_value_ vss_value *copy = vss_value_new_dict();
        const char *what = left_out_name(entry);

        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(left_out_name(vss_value_at(list, i)), what) == 0)
                        return 0;
        if (vss_value_set_string(copy, "what", what) < 0 ||
            vss_value_set_string(copy, "reason", vss_value_get_string(entry, "reason", "")) < 0 ||
            vss_value_set_boolean(copy, "system",
                                  what[0] == '/' && (view_is_live(live, what) ||
                                                     strings_contain(&live->read_live, what))) < 0)
                return -ENOMEM;
        return vss_value_append(list, TAKE_PTR(copy)) < 0 ? -ENOMEM : 0;
}

int report_complete_set(vss_value *set, const vss_value *plan, const ViewInput *live) {
        const vss_value *lists[] = { vss_value_get(set, "left-out"), vss_value_get(plan, "left-out") };
        _cleanup_value_ vss_value *merged = vss_value_new_list();

        if (!merged)
                return -ENOMEM;
        FOREACH_ELEMENT (list, lists)
                for (size_t i = 0; i < vss_value_count(*list); i++) {
                        int r = append_left_out(merged, vss_value_at(*list, i), live);

                        if (r < 0)
                                return r;
                }
        return vss_value_set(set, "left-out", TAKE_PTR(merged)) < 0 ? -ENOMEM : 0;
}

static bool writer_failed(const vss_value *writer) {
        return vss_value_get_integer(writer, "state", VSS_WS_STABLE) >= VSS_WS_FAILED_AT_IDENTIFY ||
               vss_value_get_integer(writer, "code", 0) < 0;
}

static bool component_failed(const vss_value *component) {
        return vss_value_get_integer(component, "code", 0) < 0;
}

bool report_has_failures(const vss_value *set) {
        const vss_value *left_out = vss_value_get(set, "left-out"), *writers = vss_value_get(set, "writers"),
                        *components = vss_value_get(set, "components");

        for (size_t i = 0; i < vss_value_count(left_out); i++)
                if (!vss_value_get_boolean(vss_value_at(left_out, i), "system", false))
                        return true;
        for (size_t i = 0; i < vss_value_count(writers); i++)
                if (writer_failed(vss_value_at(writers, i)))
                        return true;
        for (size_t i = 0; i < vss_value_count(components); i++)
                if (component_failed(vss_value_at(components, i)))
                        return true;
        return false;
}

const char *report_writer_failure(const vss_value *set, const char *name) {
        const vss_value *writers = vss_value_get(set, "writers");

        for (size_t i = 0; i < vss_value_count(writers); i++)
                if (strcmp(vss_value_get_string(vss_value_at(writers, i), "name", ""), name) == 0 &&
                    writer_failed(vss_value_at(writers, i)))
                        return vss_value_get_string(vss_value_at(writers, i), "message", "");
        return NULL;
}

bool report_component_failed(const vss_value *set, const char *writer, const char *logical_path,
                             const char *name) {
        const vss_value *components = vss_value_get(set, "components");

        if (report_writer_failure(set, writer))
                return true;
        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *component = vss_value_at(components, i);

                if (strcmp(vss_value_get_string(component, "writer", ""), writer) == 0 &&
                    strcmp(vss_value_get_string(component, "logical-path", ""), logical_path) == 0 &&
                    strcmp(vss_value_get_string(component, "name", ""), name) == 0 &&
                    component_failed(component))
                        return true;
        }
        return false;
}

static void print_components(FILE *stream, const vss_value *components) {
        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *component = vss_value_at(components, i);
                const char *reason = vss_value_get_string(component, "reason", "");
                _cleanup_(freep) char *path = component_path(
                                              vss_value_get_string(component, "logical-path", ""),
                                              vss_value_get_string(component, "name", "")),
                                      *level = NULL;

                if (!*reason || !path)
                        continue;
                if (asprintf(&level, "%s: level %s", path,
                             vss_value_get_string(component, "level", "none")) < 0)
                        level = NULL;
                print_line(stream, vss_value_get_string(component, "writer", "?"), level ?: path, reason);
        }
}

void report_participation(FILE *stream, const vss_value *participation) {
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "WRITER", "COMPONENT", "TAKES PART", "WHY", NULL);
        for (size_t i = 0; i < vss_value_count(participation); i++) {
                const vss_value *entry = vss_value_at(participation, i);
                const char *part = vss_value_get_string(entry, "part", "");
                _cleanup_(freep) char *path = component_path(vss_value_get_string(entry, "logical-path", ""),
                                                             vss_value_get_string(entry, "name", ""));

                table_add(&table, vss_value_get_string(entry, "writer", "?"), path ?: "?",
                          strcmp(part, "left-out") == 0 ? "no" : part,
                          vss_value_get_string(entry, "reason", ""), NULL);
        }
        table_print(&table, stream);
}

/* What the writer says, and what its application has told it. */
static void print_failed_writer(FILE *stream, const vss_value *writer) {
        const char *message = vss_value_get_string(writer, "message",
                                                   vss_value_get_string(writer, "reason", "")),
                   *said = vss_value_get_string(writer, "application-message", "");
        int64_t code = vss_value_get_integer(writer, "application-code", 0);
        _cleanup_(freep) char *both = NULL;

        if ((*said || code != 0) && asprintf(&both, "%s (the application says: %s%s%" PRId64 ")", message,
                                             said, *said ? ", " : "", code) < 0)
                both = NULL;
        print_line(stream, vss_value_get_string(writer, "name", "?"),
                   vss_value_get_string(writer, "state-name", "failed"), both ?: message);
}

void report_set(FILE *stream, const vss_value *set) {
        const vss_value *snapshots = vss_value_get(set, "snapshots"),
                        *writers = vss_value_get(set, "writers");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "SHADOW COPY", "VOLUME", "PROVIDER", "LEVEL", "DEVICE OBJECT", NULL);
        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);

                table_add(&table, vss_value_get_string(snapshot, "id", ""),
                          vss_value_get_string(snapshot, "volume",
                                               vss_value_get_string(snapshot, "mount-point", "")),
                          vss_value_get_string(snapshot, "provider", ""),
                          vss_value_get_string(snapshot, "level", ""),
                          vss_value_get_string(snapshot, "device-object", ""), NULL);
        }
        table_print(&table, stream);

        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);
                const char *reason = vss_value_get_string(snapshot, "reason", "");

                if (*reason)
                        print_line(stream, vss_value_get_string(snapshot, "volume", "?"), reason, NULL);
                print_paths(stream, vss_value_get_string(snapshot, "volume", "?"), snapshot);
        }
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i);

                if (writer_failed(writer))
                        print_failed_writer(stream, writer);
        }
        print_components(stream, vss_value_get(set, "components"));
        print_left_out(stream, vss_value_get(set, "left-out"));
}

static const char *level_phrase(const char *level) {
        if (strcmp(level, "application") == 0)
                return "application-consistent";
        if (strcmp(level, "group") == 0)
                return "crash-consistent at one instant";
        if (strcmp(level, "volume") == 0)
                return "crash-consistent, each volume by itself";
        return "not known to be consistent";
}

static void write_held(FILE *stream, const vss_value *set) {
        const vss_value *writers = vss_value_get(set, "writers"), *longest = NULL;
        int64_t most = 0, window = vss_value_get_integer(set, "freeze-window-usec", 0),
                hold = vss_value_get_integer(set, "hold-usec", 0);
        char duration[DURATION_SIZE];
        size_t n = 0;

        for (size_t i = 0; i < vss_value_count(writers); i++) {
                int64_t held = vss_value_get_integer(vss_value_at(writers, i), "held-usec", 0);

                n += held > 0;
                if (held > most) {
                        most = held;
                        longest = vss_value_at(writers, i);
                }
        }
        if (n > 0)
                fprintf(stream, "; %zu %s held, longest %s %s", n, n == 1 ? "writer" : "writers",
                        vss_value_get_string(longest, "name", "?"), format_duration(most, duration));
        else
                fputs("; no writer held", stream);
        if (window > 0)
                fprintf(stream, ", freeze window %s", format_duration(window, duration));
        if (hold > 0)
                fprintf(stream, ", volumes held %s", format_duration(hold, duration));
}

/* Those of writers that did not fail themselves: the writer's name stands for all of its components. */
static void write_failed_components(FILE *stream, const vss_value *set) {
        const vss_value *components = vss_value_get(set, "components");
        size_t n = 0;

        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *component = vss_value_at(components, i);

                if (!component_failed(component) ||
                    report_writer_failure(set, vss_value_get_string(component, "writer", "")))
                        continue;
                if (n < LEFT_OUT_SHOWN)
                        fprintf(stream, "%s%s", n == 0 ? "; not held: " : ", ",
                                vss_value_get_string(component, "name", "?"));
                n++;
        }
        if (n > LEFT_OUT_SHOWN)
                fprintf(stream, " and %zu more", n - LEFT_OUT_SHOWN);
}

static void write_left_out(FILE *stream, const vss_value *left_out) {
        size_t n = 0;

        for (size_t i = 0; i < vss_value_count(left_out); i++) {
                const vss_value *entry = vss_value_at(left_out, i);

                if (vss_value_get_boolean(entry, "system", false))
                        continue;
                if (n < LEFT_OUT_SHOWN)
                        fprintf(stream, "%s%s", n == 0 ? "; left out: " : ", ", left_out_name(entry));
                n++;
        }
        if (n > LEFT_OUT_SHOWN)
                fprintf(stream, " and %zu more", n - LEFT_OUT_SHOWN);
}

char *report_closing_line(const vss_value *set) {
        const vss_value *writers = vss_value_get(set, "writers");
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        fprintf(stream, "set %s: %s", vss_value_get_string(set, "set", "?"),
                level_phrase(vss_value_get_string(set, "level", "none")));
        write_held(stream, set);
        for (size_t i = 0; i < vss_value_count(writers); i++)
                if (writer_failed(vss_value_at(writers, i)))
                        fprintf(stream, "; writer %s failed",
                                vss_value_get_string(vss_value_at(writers, i), "name", "?"));
        write_failed_components(stream, set);
        write_left_out(stream, vss_value_get(set, "left-out"));
        return close_text(stream, &text);
}
