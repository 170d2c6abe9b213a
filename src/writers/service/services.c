/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * services.conf: from sections and keys to services
 */

#include <string.h>
#include "writers/common/child.h"
#include "writers/service/services.h"

static void service_clear(Service *service) {
        free(service->name);
        free(service->unit);
        free(service->group);
        free(service->user);
        for (size_t i = 0; i < service->n_paths; i++)
                free(service->paths[i]);
        for (size_t i = 0; i < service->n_excludes; i++) {
                free(service->excludes[i].path);
                free(service->excludes[i].filespec);
        }
        conf_words_free(service->verify);
        *service = (Service){ 0 };
}

void service_list_clear(ServiceList *list) {
        for (size_t i = 0; i < list->n; i++)
                service_clear(&list->items[i]);
        free(list->items);
        warnings_clear(&list->warnings);
        *list = (ServiceList){ 0 };
}

static bool is_service_unit(const char *name) {
        const char *dot = strrchr(name, '.');

        return settings_is_unit(name) && strcmp(dot, ".service") == 0;
}

static bool is_name(const char *name) {
        return name[0] != '\0' && !strchr(name, '/') && text_is_clean(name) && strlen(name) <= 255;
}

static int take_unit(Service *service, const ConfEntry *entry, ConfError *error) {
        if (!is_service_unit(entry->value))
                return settings_fail(error, entry->line,
                                     "Unit= is the name of a service (x.service), not \"%.100s\"",
                                     entry->value);
        return settings_set_string(&service->unit, entry->value);
}

static int take_group(Service *service, const ConfEntry *entry, ConfError *error) {
        if (!settings_path_is_plain(entry->value))
                return settings_fail(
                        error, entry->line,
                        "Cgroup= is a control group as in /proc/PID/cgroup, below the root; \"%.100s\" "
                        "is none",
                        entry->value);
        return settings_set_string(&service->group, entry->value);
}

static int take_user(Service *service, const ConfEntry *entry, ConfError *error) {
        if (!is_name(entry->value))
                return settings_fail(error, entry->line, "User= is the name of a user");
        return settings_set_string(&service->user, entry->value);
}

static int take_name(Service *service, const ConfEntry *entry, ConfError *error) {
        if (!is_name(entry->value))
                return settings_fail(error, entry->line, "Name= has no '/' and is not empty");
        return settings_set_string(&service->name, entry->value);
}

static int take_path(Service *service, const ConfEntry *entry, ConfError *error) {
        char *path;

        if (!settings_path_is_plain(entry->value))
                return settings_fail(
                        error, entry->line,
                        "Path= is an absolute directory without \"..\", \".\" or \"//\", and not /");
        if (service->n_paths == SERVICE_PATHS_MAX)
                return settings_fail(error, entry->line, "more than %u Path=", SERVICE_PATHS_MAX);
        path = strdup(entry->value);
        if (!path)
                return -ENOMEM;
        service->paths[service->n_paths++] = path;
        return 0;
}

/* DIRECTORY, or DIRECTORY/PATTERN */
static int take_exclude(Service *service, const ConfEntry *entry, ConfError *error) {
        const char *slash = strrchr(entry->value, '/');
        bool pattern = slash && strpbrk(slash, "*?") != NULL;
        ServiceExclude exclude;

        /* Wildcards are for the last element only. */
        if (!settings_path_is_plain(entry->value) ||
            (pattern && (slash == entry->value || strpbrk(entry->value, "*?") < slash)) ||
            (!pattern && strpbrk(entry->value, "*?")))
                return settings_fail(
                        error, entry->line,
                        "Exclude= is an absolute directory, or a pattern in one (/directory/*.tmp), not "
                        "\"%.100s\"",
                        entry->value);
        if (service->n_excludes == SERVICE_EXCLUDES_MAX)
                return settings_fail(error, entry->line, "more than %u Exclude=", SERVICE_EXCLUDES_MAX);
        exclude.path = pattern ? strndup(entry->value, (size_t)(slash - entry->value))
                               : strdup(entry->value);
        exclude.filespec = strdup(pattern ? slash + 1 : "*");
        if (!exclude.path || !exclude.filespec) {
                free(exclude.path);
                free(exclude.filespec);
                return -ENOMEM;
        }
        service->excludes[service->n_excludes++] = exclude;
        return 0;
}

static int take_level(Service *service, const ConfEntry *entry, ConfError *error) {
        return settings_take_level(entry, &service->level, error);
}

static int take_verify(Service *service, const ConfEntry *entry, ConfError *error) {
        int r;

        service->verify = conf_words_free(service->verify);
        r = conf_words(entry->value, error, &service->verify);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !service->verify[0] || service->verify[0][0] != '/')
                return settings_fail(error, entry->line,
                                     "Verify= is the absolute path of a program and its arguments");
        return 0;
}

static const struct {
        const char *key;
        int (*take)(Service *service, const ConfEntry *entry, ConfError *error);
} keys[] = {
        { "Name", take_name },   { "Unit", take_unit },     { "Cgroup", take_group },
        { "User", take_user },   { "Path", take_path },     { "Exclude", take_exclude },
        { "Level", take_level }, { "Verify", take_verify },
};

static int take_entry(Service *service, const ConfEntry *entry, ConfError *error) {
        FOREACH_ELEMENT (key, keys)
                if (strcmp(entry->key, key->key) == 0)
                        return key->take(service, entry, error);
        return settings_fail(error, entry->line, "[Service] knows no %.100s=", entry->key);
}

/* Without Name=: the unit's, or the last element of the control group. */
static int complete(Service *service, const ConfSection *section, ConfError *error) {
        const char *name = service->unit ?: service->group ? strrchr(service->group, '/') + 1 : NULL;

        if (!name)
                return settings_fail(error, section->line, "[Service] wants Unit= or Cgroup=: what to stop");
        if (service->unit && service->group)
                return settings_fail(error, section->line,
                                     "[Service] has either Unit= or Cgroup=, not both");
        if (!service->user)
                return settings_fail(error, section->line, "[Service] wants User=: whose files these are");
        if (service->n_paths == 0)
                return settings_fail(error, section->line, "[Service] wants Path=: where its files are");
        if (service->name)
                return 0;
        service->name = service->unit ? strndup(name, strlen(name) - strlen(".service")) : strdup(name);
        return service->name ? 0 : -ENOMEM;
}

static int parse_service(const ConfSection *section, const ServiceList *list, Service *service,
                         ConfError *error) {
        int r = 0;

        service->level = VSS_APP_FRONT_END;
        for (size_t i = 0; r >= 0 && i < section->n_entries; i++)
                r = take_entry(service, &section->entries[i], error);
        if (r >= 0)
                r = complete(service, section, error);
        for (size_t i = 0; r >= 0 && i < list->n; i++)
                if (strcmp(list->items[i].name, service->name) == 0)
                        r = settings_fail(error, section->line,
                                          "there is a service of the name \"%.100s\" already",
                                          service->name);
        return r;
}

int service_list_from_conf(const char *path, const Conf *conf, ServiceList *ret_list) {
        ServiceList list = { .items = calloc(SERVICES_MAX, sizeof(*list.items)) };
        int r = list.items ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < conf->n_sections; i++) {
                const ConfSection *section = &conf->sections[i];
                ConfError error = { .line = section->line };
                Service service = { 0 };

                if (section->n_entries == 0 && section->name[0] == '\0')
                        continue;
                if (strcmp(section->name, "Service") != 0)
                        r = settings_fail(&error, section->line,
                                          "there are only sections [Service], not [%.100s]", section->name);
                else if (list.n == SERVICES_MAX)
                        r = settings_fail(&error, section->line, "more than %u services", SERVICES_MAX);
                else
                        r = parse_service(section, &list, &service, &error);
                if (r >= 0) {
                        list.items[list.n++] = service;
                        continue;
                }
                service_clear(&service);
                if (r == -EBADMSG)
                        r = warnings_add(&list.warnings, "%s, line %u: %s; the section is left out", path,
                                         error.line, error.message);
        }
        if (r < 0) {
                service_list_clear(&list);
                return r;
        }
        *ret_list = list;
        return 0;
}

int service_list_load(const char *path, ServiceList *ret_list) {
        ServiceList list = { 0 };
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };
        int r = conf_read(path, &error, &conf);

        if (r >= 0)
                return service_list_from_conf(path, conf, ret_list);
        if (r == -ENOMEM)
                return r;
        if (r != -ENOENT) {
                if (error.line > 0)
                        r = warnings_add(&list.warnings, "%s, line %u: %s", path, error.line, error.message);
                else
                        r = warnings_add(&list.warnings, "%s: %s", path,
                                         error.message[0] ? error.message : strerror(-r));
                if (r < 0)
                        return r;
        }
        *ret_list = list;
        return 0;
}
