/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Drop-in files: from sections and keys to an application
 */

#include <string.h>
#include "writers/common/child.h"
#include "writers/dropin/dropin.h"

const char *const dropin_command_names[DROPIN_COMMANDS] = {
        [DROPIN_PREPARE] = "Prepare",
        [DROPIN_HOLD] = "Hold",
        [DROPIN_FREEZE] = "Freeze",
        [DROPIN_THAW] = "Thaw",
        [DROPIN_POST_SNAPSHOT] = "PostSnapshot",
        [DROPIN_BACKUP_COMPLETE] = "BackupComplete",
        [DROPIN_PRE_RESTORE] = "PreRestore",
        [DROPIN_POST_RESTORE] = "PostRestore",
        [DROPIN_VERIFY] = "Verify",
};

DropIn *dropin_free(DropIn *dropin) {
        if (!dropin)
                return NULL;
        for (size_t i = 0; i < dropin->n_components; i++) {
                free(dropin->components[i].logical_path);
                free(dropin->components[i].name);
        }
        for (size_t i = 0; i < dropin->n_file_sets; i++) {
                free(dropin->file_sets[i].path);
                free(dropin->file_sets[i].filespec);
        }
        for (size_t i = 0; i < dropin->n_dependencies; i++) {
                free(dropin->dependencies[i].writer_id);
                free(dropin->dependencies[i].logical_path);
                free(dropin->dependencies[i].name);
        }
        for (size_t i = 0; i < DROPIN_COMMANDS; i++)
                conf_words_free(dropin->commands[i]);
        free(dropin->dependencies);
        free(dropin->restore_unit);
        conf_words_free(dropin->roots);
        free(dropin->components);
        free(dropin->file_sets);
        free(dropin->name);
        free(dropin->user);
        free(dropin->path);
        free(dropin);
        return NULL;
}

bool path_is_below(const char *path, const char *root) {
        size_t n = strlen(root);

        while (n > 1 && root[n - 1] == '/')
                n--;
        if (n == 1 && root[0] == '/')
                return path[0] == '/';
        return strncmp(path, root, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* Here also / itself. */
static bool is_plain_path(const char *path) {
        return strcmp(path, "/") == 0 || settings_path_is_plain(path);
}

static bool is_element(const char *name) {
        return name[0] != '\0' && !strchr(name, '/') && text_is_clean(name);
}

static int check_keys(const ConfSection *section, const char *const *known, size_t n, ConfError *error) {
        for (size_t i = 0; i < section->n_entries; i++) {
                const ConfEntry *entry = &section->entries[i];
                bool found = false;

                for (size_t j = 0; j < n && !found; j++)
                        found = strcmp(entry->key, known[j]) == 0;
                if (!found)
                        return settings_fail(error, entry->line, "[%s] knows no %.100s=", section->name,
                                             entry->key);
        }
        return 0;
}

static int parse_words(const ConfEntry *entry, char ***words, ConfError *error) {
        int r;

        *words = conf_words_free(*words);
        r = conf_words(entry->value, error, words);
        if (r < 0)
                error->line = entry->line;
        return r;
}

/* What the service stops and starts for whoever names any. */
static bool is_service(const char *unit) {
        const char *dot = strrchr(unit, '.');

        return settings_is_unit(unit) && dot && strcmp(dot, ".service") == 0;
}

static int parse_writer(DropIn *dropin, const ConfSection *section, ConfError *error) {
        static const char *const keys[] = { "Name", "User", "Level", "Roots", "RestoreUnit" };
        const ConfEntry *level = conf_entry(section, "Level"), *roots = conf_entry(section, "Roots");
        const ConfEntry *unit = conf_entry(section, "RestoreUnit");
        const char *name = conf_value(section, "Name", ""), *user = conf_value(section, "User", "");
        int r;

        r = check_keys(section, keys, ELEMENTS(keys), error);
        if (r < 0)
                return r;
        if (!is_element(name))
                return settings_fail(error, section->line, "[Writer] wants Name=, without '/'");
        if (!is_element(user))
                return settings_fail(error, section->line,
                                     "[Writer] wants User=: whose rights the commands and files have");
        if (settings_set_string(&dropin->name, name) < 0 || settings_set_string(&dropin->user, user) < 0)
                return -ENOMEM;
        if (unit && !is_service(unit->value))
                return settings_fail(error, unit->line,
                                     "RestoreUnit= is a service with its ending (x.service), not \"%.100s\"",
                                     unit->value);
        if (unit && settings_set_string(&dropin->restore_unit, unit->value) < 0)
                return -ENOMEM;
        if (level) {
                r = settings_take_level(level, &dropin->level, error);
                if (r < 0)
                        return r;
        }
        if (roots) {
                r = parse_words(roots, &dropin->roots, error);
                if (r < 0)
                        return r;
                for (char **root = dropin->roots; *root; root++)
                        if (!is_plain_path(*root))
                                return settings_fail(error, roots->line,
                                                     "Roots= wants absolute paths, not \"%.100s\"", *root);
        }
        return 0;
}

/* The component a section speaks of; the same name again adds file sets to it. */
static int find_component(DropIn *dropin, const ConfSection *section, ConfError *error, size_t *ret_index) {
        const char *name = conf_value(section, "Name", dropin->name),
                   *below = conf_value(section, "LogicalPath", "");
        _cleanup_(freep) char *logical_path = NULL, *copy = NULL;
        DropInComponent *components;

        if (!is_element(name))
                return settings_fail(error, section->line, "[Component] wants Name= without '/'");
        if (below[0] == '/' || !text_is_clean(below))
                return settings_fail(error, section->line, "LogicalPath= has no leading '/'");
        if (asprintf(&logical_path, "%s%s%s", dropin->name, below[0] ? "/" : "", below) < 0) {
                logical_path = NULL;
                return -ENOMEM;
        }
        for (size_t i = 0; i < dropin->n_components; i++)
                if (strcmp(dropin->components[i].name, name) == 0 &&
                    strcmp(dropin->components[i].logical_path, logical_path) == 0) {
                        *ret_index = i;
                        return 0;
                }

        if (dropin->n_components == DROPIN_COMPONENTS_MAX)
                return settings_fail(error, section->line, "more than %u components", DROPIN_COMPONENTS_MAX);
        copy = strdup(name);
        components = reallocarray(dropin->components, dropin->n_components + 1, sizeof(*components));
        if (!components)
                return -ENOMEM;
        dropin->components = components;
        if (!copy)
                return -ENOMEM;
        components[dropin->n_components] = (DropInComponent){ .logical_path = TAKE_PTR(logical_path),
                                                              .name = TAKE_PTR(copy) };
        *ret_index = dropin->n_components++;
        return 0;
}

static bool is_uuid(const char *text) {
        for (size_t i = 0; i < 36; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;

                if (dash ? text[i] != '-' : !text[i] || !strchr("0123456789abcdef", text[i]))
                        return false;
        }
        return text[36] == '\0';
}

/* "UUID logical/path/name" */
static int parse_dependency(DropIn *dropin, const ConfEntry *entry, size_t component, ConfError *error) {
        _cleanup_words_ char **words = NULL;
        DropInDependency *all, *dependency;
        const char *path, *slash;
        int r = parse_words(entry, &words, error);

        if (r < 0)
                return r;
        if (!words[0] || !words[1] || words[2] || !is_uuid(words[0]))
                return settings_fail(
                        error, entry->line,
                        "DependsOn= is the id of a writer, in small letters, and one of its components");
        path = words[1];
        slash = strrchr(path, '/');
        if (path[0] == '/' || !is_element(slash ? slash + 1 : path) || !text_is_clean(path))
                return settings_fail(error, entry->line, "DependsOn= has no component \"%.100s\"", path);
        if (dropin->n_dependencies == DROPIN_DEPENDENCIES_MAX)
                return settings_fail(error, entry->line, "more than %u dependencies",
                                     DROPIN_DEPENDENCIES_MAX);
        all = reallocarray(dropin->dependencies, dropin->n_dependencies + 1, sizeof(*all));
        if (!all)
                return -ENOMEM;
        dropin->dependencies = all;
        dependency = &all[dropin->n_dependencies++];
        *dependency = (DropInDependency){
                .component = component,
                .writer_id = strdup(words[0]),
                .logical_path = slash ? strndup(path, (size_t)(slash - path)) : strdup(""),
                .name = strdup(slash ? slash + 1 : path),
        };
        return dependency->writer_id && dependency->logical_path && dependency->name ? 0 : -ENOMEM;
}

static int parse_dependencies(DropIn *dropin, const ConfSection *section, size_t component,
                              ConfError *error) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < section->n_entries; i++)
                if (strcmp(section->entries[i].key, "DependsOn") == 0)
                        r = parse_dependency(dropin, &section->entries[i], component, error);
        return r;
}

static int add_file_set(DropIn *dropin, DropInFileSet set, const char *path, const char *filespec) {
        DropInFileSet *sets = reallocarray(dropin->file_sets, dropin->n_file_sets + 1, sizeof(*sets));

        if (!sets)
                return -ENOMEM;
        dropin->file_sets = sets;
        if (settings_set_string(&set.path, path) < 0)
                return -ENOMEM;
        if (settings_set_string(&set.filespec, filespec) < 0) {
                free(set.path);
                return -ENOMEM;
        }
        sets[dropin->n_file_sets++] = set;
        return 0;
}

/* @component: DROPIN_EXCLUDE and the like; 0 for a component. */
static int parse_files(DropIn *dropin, const ConfSection *section, size_t component, ConfError *error) {
        static const char *const keys[] = { "Path", "Filespec",    "Recursive",
                                            "Name", "LogicalPath", "DependsOn" };
        const ConfEntry *recursive = conf_entry(section, "Recursive");
        const char *path = conf_value(section, "Path", ""), *filespec = conf_value(section, "Filespec", "*");
        DropInFileSet set = { .component = component, .line = section->line, .recursive = true };
        int r;

        r = check_keys(section, keys, component ? 3 : ELEMENTS(keys), error);
        if (r < 0)
                return r;
        if (!is_plain_path(path))
                return settings_fail(error, section->line,
                                     "[%s] wants Path=, absolute and without \"..\", \".\" or \"//\"",
                                     section->name);
        if (!is_element(filespec))
                return settings_fail(error, section->line, "Filespec= is a name with * and ?, without '/'");
        if (recursive && conf_boolean(recursive->value, &set.recursive) < 0)
                return settings_fail(error, recursive->line, "Recursive= is yes or no, not \"%.100s\"",
                                     recursive->value);
        if (dropin->n_file_sets == DROPIN_FILE_SETS_MAX)
                return settings_fail(error, section->line, "more than %u file sets", DROPIN_FILE_SETS_MAX);
        if (!component) {
                r = find_component(dropin, section, error, &set.component);
                if (r >= 0)
                        r = parse_dependencies(dropin, section, set.component, error);
                if (r < 0)
                        return r;
        }
        return add_file_set(dropin, set, path, filespec);
}

static int parse_commands(DropIn *dropin, const ConfSection *section, ConfError *error) {
        for (size_t i = 0; i < section->n_entries; i++) {
                const ConfEntry *entry = &section->entries[i];
                unsigned long seconds;
                size_t command = 0;
                int r;

                if (strcmp(entry->key, "Timeout") == 0) {
                        if (conf_number(entry->value, DROPIN_TIMEOUT_MAX, &seconds) < 0 || seconds == 0)
                                return settings_fail(error, entry->line,
                                                     "Timeout= is a number of seconds from 1 to %u",
                                                     DROPIN_TIMEOUT_MAX);
                        dropin->timeout_seconds = (unsigned)seconds;
                        continue;
                }
                while (command < DROPIN_COMMANDS && strcmp(entry->key, dropin_command_names[command]) != 0)
                        command++;
                if (command == DROPIN_COMMANDS)
                        return settings_fail(error, entry->line, "[Commands] knows no %.100s=", entry->key);
                r = parse_words(entry, &dropin->commands[command], error);
                if (r < 0)
                        return r;
                if (!dropin->commands[command][0] || !is_plain_path(dropin->commands[command][0]))
                        return settings_fail(error, entry->line,
                                             "%s= wants the absolute path of a program first", entry->key);
        }
        return 0;
}

static int check_whole(const DropIn *dropin, ConfError *error) {
        bool freeze = dropin->commands[DROPIN_FREEZE], thaw = dropin->commands[DROPIN_THAW];

        if (dropin->n_components == 0)
                return settings_fail(error, 0, "there is no [Component] in it");
        if (dropin->commands[DROPIN_HOLD] && (freeze || thaw))
                return settings_fail(error, 0,
                                     "it has Hold= and also Freeze= or Thaw=: one of the two ways only");
        if (freeze != thaw)
                return settings_fail(error, 0, "it has %s= without %s=: they go together, or use Hold=",
                                     freeze ? "Freeze" : "Thaw", freeze ? "Thaw" : "Freeze");
        return 0;
}

static int parse_section(DropIn *dropin, const ConfSection *section, ConfError *error) {
        if (strcmp(section->name, "Component") == 0)
                return parse_files(dropin, section, 0, error);
        if (strcmp(section->name, "Exclude") == 0)
                return parse_files(dropin, section, DROPIN_EXCLUDE, error);
        if (strcmp(section->name, "ExcludeFromSnapshot") == 0)
                return parse_files(dropin, section, DROPIN_EXCLUDE_FROM_SNAPSHOT, error);
        if (strcmp(section->name, "Commands") == 0)
                return parse_commands(dropin, section, error);
        return settings_fail(error, section->line,
                             "there is no section [%.100s]: known are Writer, Component, Exclude, "
                             "ExcludeFromSnapshot, Commands",
                             section->name);
}

int dropin_from_conf(const Conf *conf, ConfError *error, DropIn **ret_dropin) {
        _cleanup_(dropin_freep) DropIn *dropin = calloc(1, sizeof(*dropin));
        const ConfSection *writer = conf_section(conf, "Writer", 0);
        int r;

        if (!dropin)
                return -ENOMEM;
        dropin->level = VSS_APP_FRONT_END;
        dropin->timeout_seconds = DROPIN_TIMEOUT_DEFAULT;
        if (!writer)
                return settings_fail(error, 0, "there is no [Writer] in it");
        /* First, wherever it stands: the components bear its name. */
        r = parse_writer(dropin, writer, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < conf->n_sections; i++) {
                const ConfSection *section = &conf->sections[i];

                if (section == writer)
                        continue;
                if (strcmp(section->name, "Writer") == 0)
                        return settings_fail(error, section->line,
                                             "there is a second [Writer]: one application, one file");
                r = parse_section(dropin, section, error);
                if (r < 0)
                        return r;
        }
        r = check_whole(dropin, error);
        if (r < 0)
                return r;
        *ret_dropin = TAKE_PTR(dropin);
        return 0;
}

bool dropin_has_no_hold(const DropIn *dropin) {
        return !dropin->commands[DROPIN_PREPARE] && !dropin->commands[DROPIN_HOLD] &&
               !dropin->commands[DROPIN_FREEZE];
}
