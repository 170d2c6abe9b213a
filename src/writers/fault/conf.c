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
        [FAULT_PRE_RESTORE] = "PreRestore",
        [FAULT_POST_RESTORE] = "PostRestore",
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

/* The first word of @text into @word; what follows is returned. */
static const char *cut_word(const char *text, char *word, size_t size) {
        size_t n = strcspn(text, " ");

        (void)snprintf(word, size, "%.*s", (int)MIN(n, size - 1), text);
        text += n;
        while (*text == ' ')
                text++;
        return text;
}

static int parse_failure(const ConfEntry *entry, const char *rest, FaultAction *action, ConfError *error) {
        char word[64];

        rest = cut_word(rest, word, sizeof(word));
        if (vss_result_from_name(word, &action->code) < 0 || action->code >= 0)
                return fail(error, entry->line, "\"%s\" wants the name of a failure, not \"%s\"",
                            action->kind == FAULT_FAIL ? "fail" : "veto", word);
        if (action->kind == FAULT_VETO) {
                action->reported = true;
                rest = cut_word(rest, word, sizeof(word));
                if (word[0] && conf_number(word, INT32_MAX, &action->application_code) < 0)
                        return fail(error, entry->line,
                                    "\"veto CODE\" wants the application's number next, not \"%s\"", word);
        }
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
                if (kind->kind == FAULT_FAIL || (kind->kind == FAULT_VETO && *rest))
                        return parse_failure(entry, rest, action, error);
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
        if (strcmp(entry->key, "Schema") == 0)
                return conf_number(entry->value, 0xFFFF, &conf->schema) < 0
                               ? fail(error, entry->line, "Schema= is a sum of VSS_BS_*, in decimal")
                               : 0;
        return fail(error, entry->line, "[Writer] knows no %.100s=", entry->key);
}

static int parse_set(const ConfEntry *entry, FaultConf *conf, ConfError *error) {
        FaultSet *set = &conf->set;
        const struct {
                const char *key;
                char *text;
        } texts[] = {
                { "Stamp", set->stamp },
                { "BackupMetadata", set->backup_metadata },
                { "RestoreMetadata", set->restore_metadata },
        };
        const char *rest;

        FOREACH_ELEMENT (text, texts)
                if (strcmp(entry->key, text->key) == 0) {
                        (void)snprintf(text->text, sizeof(set->stamp), "%s", entry->value);
                        return 0;
                }
        if (strcmp(entry->key, "PartialFile") == 0) {
                rest = cut_word(entry->value, set->partial_file, sizeof(set->partial_file));
                (void)snprintf(set->ranges, sizeof(set->ranges), "%s", rest);
                return *rest ? 0 : fail(error, entry->line, "PartialFile= wants a name and ranges");
        }
        if (strcmp(entry->key, "DifferencedFiles") == 0) {
                rest = cut_word(entry->value, set->differenced, sizeof(set->differenced));
                return conf_number(rest, INT64_MAX, &set->modified_after_usec) < 0
                               ? fail(error, entry->line, "DifferencedFiles= wants a name and a date")
                               : 0;
        }
        if (strcmp(entry->key, "RestoreTarget") == 0)
                return conf_number(entry->value, VSS_RT_ORIGINAL_LOCATION, &set->restore_target) < 0
                               ? fail(error, entry->line, "RestoreTarget= is a number up to %u",
                                      VSS_RT_ORIGINAL_LOCATION)
                               : 0;
        return fail(error, entry->line, "[Set] knows no %.100s=", entry->key);
}

static int parse_entry(const ConfSection *section, const ConfEntry *entry, FaultConf *conf,
                       ConfError *error) {
        static const struct {
                const char *name;
                int (*parse)(const ConfEntry *entry, FaultConf *conf, ConfError *error);
        } sections[] = { { "Events", parse_event }, { "Writer", parse_writer }, { "Set", parse_set } };

        FOREACH_ELEMENT (s, sections)
                if (strcmp(s->name, section->name) == 0)
                        return entry ? s->parse(entry, conf, error) : 0;
        return fail(error, section->line, "there is no section [%.100s]", section->name);
}

int fault_conf_from_conf(const Conf *conf, ConfError *error, FaultConf *ret_conf) {
        FaultConf result = { .present = true, .n_components = 1, .level = VSS_APP_FRONT_END };
        int r = 0;

        for (size_t i = 0; r == 0 && i < conf->n_sections; i++) {
                const ConfSection *section = &conf->sections[i];

                r = parse_entry(section, NULL, &result, error);
                for (size_t j = 0; r == 0 && j < section->n_entries; j++)
                        r = parse_entry(section, &section->entries[j], &result, error);
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
