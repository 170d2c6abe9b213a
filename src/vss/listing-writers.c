/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lists in words: writers and their components
 */

#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include "vss/listing.h"
#include "vss/options.h"
#include "vss/output.h"
#include "vss/selection.h"

static void print_labelled(const char *name, const char *label, const char *text) {
        print_text(stdout, name);
        printf(": %s: ", label);
        print_text(stdout, text);
        (void)fputc('\n', stdout);
}

static void show_troubles(const vss_value *writer) {
        const vss_value *rights = vss_value_get(writer, "missing-rights"),
                        *warnings = vss_value_get(writer, "warnings"),
                        *dropped = vss_value_get(writer, "dropped");
        const char *name = vss_value_get_string(writer, "name", "?");

        for (size_t i = 0; i < vss_value_count(rights); i++) {
                const vss_value *right = vss_value_at(rights, i);

                print_labelled(name, "missing right", vss_value_get_string(right, "what", "?"));
                fputs("    ", stdout);
                print_text(stdout, vss_value_get_string(right, "remedy", ""));
                (void)fputc('\n', stdout);
        }
        for (size_t i = 0; i < vss_value_count(warnings); i++)
                print_labelled(name, "warning", vss_value_string(vss_value_at(warnings, i), "?"));
        for (size_t i = 0; i < vss_value_count(dropped); i++) {
                print_text(stdout, name);
                fputs(": dropped: ", stdout);
                print_text(stdout, vss_value_get_string(vss_value_at(dropped, i), "path", "?"));
                fputs(": ", stdout);
                print_text(stdout, vss_value_get_string(vss_value_at(dropped, i), "reason", ""));
                (void)fputc('\n', stdout);
        }
}

static const char *state_name(const vss_value *writer) {
        enum vss_writer_state state = (enum vss_writer_state)vss_value_get_integer(writer, "state",
                                                                                   VSS_WS_STABLE);

        return vss_value_get_string(writer, "state-name", vss_writer_state_name(state));
}

const char *restore_method_name(int64_t method) {
        static const char *const names[] = {
                [VSS_RME_UNDEFINED] = "",
                [VSS_RME_RESTORE_IF_NOT_THERE] = "if not there",
                [VSS_RME_RESTORE_IF_CAN_REPLACE] = "if it can replace",
                [VSS_RME_STOP_RESTORE_START] = "stop, restore, start",
                [VSS_RME_RESTORE_TO_ALTERNATE_LOCATION] = "to another location",
                [VSS_RME_RESTORE_AT_REBOOT] = "at reboot",
                [VSS_RME_RESTORE_AT_REBOOT_IF_CANNOT_REPLACE] = "at reboot if it cannot replace",
                [VSS_RME_CUSTOM] = "by the application",
                [VSS_RME_RESTORE_STOP_START] = "restore, stop, start",
        };

        return method >= 0 && (size_t)method < ELEMENTS(names) ? names[method] : "unknown";
}

static const char *restore_method(const vss_value *writer) {
        return restore_method_name(
                vss_value_get_integer(vss_value_get(writer, "restore-method"), "method", 0));
}

/* "express", the instance, and the units that may be stopped for it. */
static char *writer_notes(const vss_value *writer) {
        const char *instance = vss_value_get_string(writer, "instance-name", ""),
                   *service = vss_value_get_string(vss_value_get(writer, "restore-method"), "service", "");
        const vss_value *units = vss_value_get(writer, "units");
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        if (vss_value_get_boolean(writer, "express", false))
                fputs("express; ", out);
        if (*instance)
                fprintf(out, "instance %s; ", instance);
        if (*service)
                fprintf(out, "service %s; ", service);
        for (size_t i = 0; i < vss_value_count(units); i++)
                fprintf(out, "unit %s; ", vss_value_string(vss_value_at(units, i), "?"));
        if (fclose(out) != 0) {
                free(text);
                return NULL;
        }
        if (size >= 2)
                text[size - 2] = '\0';
        return text;
}

void show_writers(const vss_value *result, const Filter *filter) {
        const vss_value *writers = vss_value_get(result, "writers");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "WRITER", "NAME", "VERSION", "STATE", "COMPONENTS", "RESTORE", "NOTE", NULL);
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i);
                _cleanup_(freep) char *notes = writer_notes(writer);
                char components[24];

                (void)snprintf(components, sizeof(components), "%zu",
                               vss_value_count(vss_value_get(writer, "components")));
                table_add(&table, vss_value_get_string(writer, "name", "?"),
                          vss_value_get_string(writer, "friendly-name", ""),
                          vss_value_get_string(writer, "version", ""), state_name(writer), components,
                          restore_method(writer), notes ?: "?", NULL);
        }
        table_print(&table, stdout);
        for (size_t i = 0; i < vss_value_count(writers); i++)
                show_troubles(vss_value_at(writers, i));
}

void show_writer_status(const vss_value *result, const Filter *filter) {
        const vss_value *writers = vss_value_get(result, "writers");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "WRITER", "STATE", "LAST ERROR", "MESSAGE", "OF THE APPLICATION", NULL);
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i);
                vss_result code = (vss_result)vss_value_get_integer(writer, "code", 0);
                int64_t application_code = vss_value_get_integer(writer, "application-code", 0);
                const char *said = vss_value_get_string(writer, "application-message", "");
                _cleanup_(freep) char *application = NULL;

                if (application_code != 0 && asprintf(&application, "%s%s(%" PRId64 ")", said,
                                                      *said ? " " : "", application_code) < 0)
                        application = NULL;
                table_add(&table, vss_value_get_string(writer, "name", "?"), state_name(writer),
                          code < 0 ? vss_result_name(code) : "none",
                          vss_value_get_string(writer, "message", ""), application ?: said, NULL);
        }
        table_print(&table, stdout);
}

/* ---- components ---- */

typedef struct Node {
        char *path;                 /* "/logical/path/name" */
        const vss_value *component; /* NULL: an element of logical paths that is no component */
} Node;

typedef struct Tree {
        Node *nodes;
        size_t n;
        bool failed;
} Tree;

static void tree_clear(Tree *tree) {
        for (size_t i = 0; i < tree->n; i++)
                free(tree->nodes[i].path);
        free(tree->nodes);
        *tree = (Tree){};
}

static bool tree_has(const Tree *tree, const char *path) {
        for (size_t i = 0; i < tree->n; i++)
                if (strcmp(tree->nodes[i].path, path) == 0)
                        return true;
        return false;
}

static void tree_add(Tree *tree, const char *path, const vss_value *component) {
        Node *nodes = reallocarray(tree->nodes, tree->n + 1, sizeof(*nodes));

        if (!nodes) {
                tree->failed = true;
                return;
        }
        tree->nodes = nodes;
        nodes[tree->n] = (Node){ strdup(path), component };
        if (!nodes[tree->n].path)
                tree->failed = true;
        else
                tree->n++;
}

/* What lies below something comes right behind it. */
static int sort_key(char c) {
        return c == '\0' ? 0 : c == '/' ? 1 : 2 + (unsigned char)c;
}

static int compare_nodes(const void *a, const void *b) {
        const char *x = ((const Node *)a)->path, *y = ((const Node *)b)->path;

        for (; *x && *x == *y; x++, y++)
                ;
        return sort_key(*x) - sort_key(*y);
}

static void tree_make(const vss_value *components, Tree *tree) {
        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *c = vss_value_at(components, i);
                _cleanup_(freep) char *path = component_path(vss_value_get_string(c, "logical-path", ""),
                                                             vss_value_get_string(c, "name", ""));

                if (path)
                        tree_add(tree, path, c);
                else
                        tree->failed = true;
        }
        /* What stands above them without being one. */
        for (size_t i = 0, n = tree->n; i < n; i++) {
                _cleanup_(freep) char *path = strdup(tree->nodes[i].path);

                for (char *slash; path && (slash = strrchr(path, '/')) && slash > path;) {
                        *slash = '\0';
                        if (!tree_has(tree, path))
                                tree_add(tree, path, NULL);
                }
        }
        if (tree->n > 1)
                qsort(tree->nodes, tree->n, sizeof(*tree->nodes), compare_nodes);
}

/* What has to be chosen to have this component. */
static char *selectability(const Tree *tree, const Node *node) {
        bool selectable = vss_value_get_boolean(node->component, "selectable", false);
        const char *above = NULL;
        char *text = NULL;

        for (size_t i = 0; i < tree->n; i++)
                if (&tree->nodes[i] != node && path_is_within(node->path, tree->nodes[i].path) &&
                    vss_value_get_boolean(tree->nodes[i].component, "selectable", false))
                        above = tree->nodes[i].path;
        if (!above)
                return strdup(selectable ? "yes" : "always");
        return asprintf(&text, "%swith %s", selectable ? "yes, or " : "", above) < 0 ? NULL : text;
}

static void add_node(Table *table, const char *writer, const Tree *tree, const Node *node) {
        const char *name = strrchr(node->path, '/');
        _cleanup_(freep) char *indented = NULL, *choice = NULL;

        if (asprintf(&indented, "%*s%s", (int)(2 * (path_depth(node->path) - 1)), "", name) < 0)
                indented = NULL;
        if (!node->component) {
                table_add(table, writer, indented ?: "?", "", "", "", "", NULL);
                return;
        }
        choice = selectability(tree, node);
        table_add(table, writer, indented ?: "?",
                  component_type_name(vss_value_get_integer(node->component, "type", 0)), choice ?: "?",
                  vss_value_get_boolean(node->component, "selectable-for-restore", false) ? "yes" : "",
                  vss_value_get_string(vss_value_at(vss_value_get(node->component, "files"), 0), "path", ""),
                  vss_value_get_string(node->component, "crash-only", ""), NULL);
}

void show_components(const vss_value *result, const Filter *filter) {
        const vss_value *writers = vss_value_get(result, "writers");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "WRITER", "COMPONENT", "TYPE", "SELECTABLE", "FOR RESTORE", "FILES", "NOTE", NULL);
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i);
                _cleanup_(tree_clear) Tree tree = {};

                tree_make(vss_value_get(writer, "components"), &tree);
                table.failed |= tree.failed;
                for (size_t j = 0; j < tree.n; j++)
                        add_node(&table, vss_value_get_string(writer, "name", "?"), &tree, &tree.nodes[j]);
        }
        table_print(&table, stdout);
}

/* ---- metadata ---- */

static void print_field(int indent, const char *label, const char *text) {
        if (!*text)
                return;
        printf("%*s%-18s ", indent, "", label);
        print_text(stdout, text);
        (void)fputc('\n', stdout);
}

static void show_files(int indent, const char *label, const vss_value *files) {
        for (size_t i = 0; i < vss_value_count(files); i++) {
                const vss_value *file = vss_value_at(files, i);
                const char *alternate = vss_value_get_string(file, "alternate-path", "");

                printf("%*s%-18s ", indent, "", label);
                print_text(stdout, vss_value_get_string(file, "path", "?"));
                (void)fputc('/', stdout);
                print_text(stdout, vss_value_get_string(file, "filespec", "*"));
                if (vss_value_get_boolean(file, "recursive", false))
                        fputs(" and below", stdout);
                if (*alternate) {
                        fputs(", at ", stdout);
                        print_text(stdout, alternate);
                }
                (void)fputc('\n', stdout);
        }
}

static void show_dependencies(const vss_value *dependencies) {
        for (size_t i = 0; i < vss_value_count(dependencies); i++) {
                const vss_value *d = vss_value_at(dependencies, i);
                _cleanup_(freep) char *path = component_path(vss_value_get_string(d, "logical-path", ""),
                                                             vss_value_get_string(d, "name", "")),
                                      *text = NULL;

                if (path &&
                    asprintf(&text, "%s of writer %s", path, vss_value_get_string(d, "writer-id", "?")) < 0)
                        text = NULL;
                print_field(8, "needs", text ?: "?");
        }
}

static void show_component_metadata(const Tree *tree, const Node *node, bool files) {
        const vss_value *c = node->component;
        _cleanup_(freep) char *choice = selectability(tree, node);

        if (!c)
                return;
        fputs("    component ", stdout);
        print_text(stdout, node->path);
        (void)fputc('\n', stdout);
        print_field(8, "caption", vss_value_get_string(c, "caption", ""));
        print_field(8, "type", component_type_name(vss_value_get_integer(c, "type", 0)));
        print_field(8, "selectable", choice ?: "?");
        print_field(8, "owner", vss_value_get_string(c, "owner", ""));
        print_field(8, "crash-consistent", vss_value_get_string(c, "crash-only", ""));
        if (!files)
                return;
        show_dependencies(vss_value_get(c, "dependencies"));
        show_files(8, "files", vss_value_get(c, "files"));
}

static const char *usage_name(int64_t usage) {
        static const char *const names[] = { "", "bootable system state", "system service", "user data",
                                             "other" };

        return usage >= 0 && (size_t)usage < ELEMENTS(names) ? names[usage] : "unknown";
}

static const char *source_name(int64_t source) {
        static const char *const names[] = { "", "database with transactions",
                                             "database without transactions", "other" };

        return source >= 0 && (size_t)source < ELEMENTS(names) ? names[source] : "unknown";
}

void show_writer_metadata(const vss_value *result, const Filter *filter, bool files) {
        const vss_value *writers = vss_value_get(result, "writers");

        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i);
                _cleanup_(freep) char *notes = writer_notes(writer);
                _cleanup_(tree_clear) Tree tree = {};

                fputs("writer ", stdout);
                print_text(stdout, vss_value_get_string(writer, "name", "?"));
                (void)fputc('\n', stdout);
                print_field(4, "name", vss_value_get_string(writer, "friendly-name", ""));
                print_field(4, "version", vss_value_get_string(writer, "version", ""));
                print_field(4, "id", vss_value_get_string(writer, "id", ""));
                print_field(4, "instance id", vss_value_get_string(writer, "instance-id", ""));
                print_field(4, "usage", usage_name(vss_value_get_integer(writer, "usage", 0)));
                print_field(4, "source", source_name(vss_value_get_integer(writer, "source", 0)));
                print_field(4, "state", state_name(writer));
                print_field(4, "restore", restore_method(writer));
                print_field(4, "note", notes ?: "");
                if (files) {
                        show_files(4, "excluded", vss_value_get(writer, "excludes"));
                        show_files(4, "not in the copy", vss_value_get(writer, "excludes-from-snapshot"));
                        show_files(4, "mapping", vss_value_get(writer, "alternate-mappings"));
                }
                tree_make(vss_value_get(writer, "components"), &tree);
                for (size_t j = 0; j < tree.n; j++)
                        show_component_metadata(&tree, &tree.nodes[j], files);
                show_troubles(writer);
        }
}
