/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The fault writer's file: what goes wrong, and when
 */

#include <stdarg.h>
#include <string.h>
#include "writers/fault/fault.h"

const char *const fault_event_names[FAULT_EVENTS] = {
        [FAULT_IDENTIFY] = "Identify",
        [FAULT_PREPARE_BACKUP] = "PrepareForBackup",
        [FAULT_PREPARE_SNAPSHOT] = "PrepareForSnapshot",
        [FAULT_FREEZE] = "Freeze",
        [FAULT_THAW] = "Thaw",
        [FAULT_ABORT] = "Abort",
        [FAULT_POST_SNAPSHOT] = "PostSnapshot",
        [FAULT_BACKUP_COMPLETE] = "BackupComplete",
        [FAULT_BACKUP_SHUTDOWN] = "BackupShutdown",
};

void fault_conf_clear(FaultConf *conf) {
        for (size_t i = 0; i < conf->n_paths; i++)
                free(conf->paths[i]);
        *conf = (FaultConf){ 0 };
}

static int _printf_(3, 4) fail(ConfError *error, unsigned line, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(error->message, sizeof(error->message), format, args);
        va_end(args);
        error->line = line;
        return -EBADMSG;
}

static int parse_fail(const ConfEntry *entry, const char *rest, FaultAction *action, ConfError *error) {
        char name[64];
        size_t n = strcspn(rest, " ");

        (void)snprintf(name, sizeof(name), "%.*s", (int)MIN(n, sizeof(name) - 1), rest);
        if (vss_result_from_name(name, &action->code) < 0 || action->code >= 0)
                return fail(error, entry->line, "\"fail\" wants the name of a failure, not \"%s\"", name);
        rest += n;
        while (*rest == ' ')
                rest++;
        (void)snprintf(action->text, sizeof(action->text), "%s", rest[0] ? rest : "as its file says");
        return 0;
}

static int parse_action(const ConfEntry *entry, FaultAction *action, ConfError *error) {
        static const struct {
                const char *word;
                FaultKind kind;
        } kinds[] = {
                { "fail", FAULT_FAIL },   { "hang", FAULT_HANG }, { "slow", FAULT_SLOW },
                { "crash", FAULT_CRASH }, { "stop", FAULT_STOP }, { "lie", FAULT_LIE },
                { "veto", FAULT_VETO },
        };
        size_t n = strcspn(entry->value, " ");
        const char *rest = entry->value + n;

        while (*rest == ' ')
                rest++;
        FOREACH_ELEMENT (kind, kinds) {
                if (strlen(kind->word) != n || strncmp(kind->word, entry->value, n) != 0)
                        continue;
                *action = (FaultAction){ .kind = kind->kind };
                if (kind->kind == FAULT_FAIL)
                        return parse_fail(entry, rest, action, error);
                if (kind->kind == FAULT_SLOW && conf_number(rest, 3600000, &action->milliseconds) < 0)
                        return fail(error, entry->line, "\"slow\" wants milliseconds");
                return 0;
        }
        return fail(error, entry->line, "an action is fail, hang, slow, crash, stop, lie or veto");
}

static int parse_event(const ConfEntry *entry, FaultConf *conf, ConfError *error) {
        for (size_t i = 0; i < FAULT_EVENTS; i++)
                if (strcmp(entry->key, fault_event_names[i]) == 0)
                        return parse_action(entry, &conf->actions[i], error);
        return fail(error, entry->line, "there is no event %.100s", entry->key);
}

static int parse_writer(const ConfEntry *entry, FaultConf *conf, ConfError *error) {
        if (strcmp(entry->key, "Path") == 0) {
                if (conf->n_paths == FAULT_PATHS_MAX || entry->value[0] != '/')
                        return fail(error, entry->line, "Path= is absolute, and there are %u at most",
                                    FAULT_PATHS_MAX);
                conf->paths[conf->n_paths] = strdup(entry->value);
                return conf->paths[conf->n_paths] ? (conf->n_paths++, 0) : -ENOMEM;
        }
        if (strcmp(entry->key, "Components") == 0)
                return conf_number(entry->value, FAULT_COMPONENTS_MAX, &conf->n_components) < 0
                               ? fail(error, entry->line, "Components= is a number up to %u",
                                      FAULT_COMPONENTS_MAX)
                               : 0;
        if (strcmp(entry->key, "User") == 0) {
                (void)snprintf(conf->user, sizeof(conf->user), "%s", entry->value);
                return 0;
        }
        if (strcmp(entry->key, "Level") == 0) {
                conf->level = strcmp(entry->value, "system") == 0     ? VSS_APP_SYSTEM
                              : strcmp(entry->value, "back-end") == 0 ? VSS_APP_BACK_END
                                                                      : VSS_APP_FRONT_END;
                return 0;
        }
        return fail(error, entry->line, "[Writer] knows no %.100s=", entry->key);
}

int fault_conf_from_conf(const Conf *conf, ConfError *error, FaultConf *ret_conf) {
        FaultConf result = { .present = true, .n_components = 1, .level = VSS_APP_FRONT_END };
        int r = 0;

        for (size_t i = 0; r == 0 && i < conf->n_sections; i++) {
                const ConfSection *section = &conf->sections[i];
                bool events = strcmp(section->name, "Events") == 0;

                if (!events && strcmp(section->name, "Writer") != 0)
                        r = fail(error, section->line, "there is no section [%.100s]", section->name);
                for (size_t j = 0; r == 0 && j < section->n_entries; j++)
                        r = events ? parse_event(&section->entries[j], &result, error)
                                   : parse_writer(&section->entries[j], &result, error);
        }
        if (r < 0) {
                fault_conf_clear(&result);
                return r;
        }
        *ret_conf = result;
        return 0;
}

int fault_conf_read(const char *path, ConfError *error, FaultConf *ret_conf) {
        _cleanup_conf_ Conf *conf = NULL;
        int r = conf_read(path, error, &conf);

        if (r == -ENOENT) {
                *ret_conf = (FaultConf){ .level = VSS_APP_FRONT_END };
                return 0;
        }
        return r < 0 ? r : fault_conf_from_conf(conf, error, ret_conf);
}
