/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The test writer's file
 */

#include <string.h>
#include "testers/writer-conf.h"

static const FieldName usages[] = {
        { "bootable-system-state", VSS_UT_BOOTABLESYSTEMSTATE },
        { "system-service", VSS_UT_SYSTEMSERVICE },
        { "user-data", VSS_UT_USERDATA },
        { "other", VSS_UT_OTHER },
        { NULL, 0 },
};

static const FieldName sources[] = {
        { "transacted-database", VSS_ST_TRANSACTEDDB },
        { "database", VSS_ST_NONTRANSACTEDDB },
        { "other", VSS_ST_OTHER },
        { NULL, 0 },
};

static const FieldName levels[] = {
        { "system", VSS_APP_SYSTEM },
        { "back-end", VSS_APP_BACK_END },
        { "front-end", VSS_APP_FRONT_END },
        { "system-rm", VSS_APP_SYSTEM_RM },
        { NULL, 0 },
};

static const FieldName schemas[] = {
        { "differential", VSS_BS_DIFFERENTIAL },
        { "incremental", VSS_BS_INCREMENTAL },
        { "exclusive", VSS_BS_EXCLUSIVE_INCREMENTAL_DIFFERENTIAL },
        { "log", VSS_BS_LOG },
        { "copy", VSS_BS_COPY },
        { "timestamped", VSS_BS_TIMESTAMPED },
        { "last-modify", VSS_BS_LAST_MODIFY },
        { "new-target", VSS_BS_WRITER_SUPPORTS_NEW_TARGET },
        { "restore-with-move", VSS_BS_WRITER_SUPPORTS_RESTORE_WITH_MOVE },
        { "independent-system-state", VSS_BS_INDEPENDENT_SYSTEM_STATE },
        { "roll-forward", VSS_BS_ROLLFORWARD_RESTORE },
        { "rename", VSS_BS_RESTORE_RENAME },
        { "authoritative", VSS_BS_AUTHORITATIVE_RESTORE },
        { "parallel-restores", VSS_BS_WRITER_SUPPORTS_PARALLEL_RESTORES },
        { NULL, 0 },
};

static const FieldName types[] = {
        { "file-group", VSS_CT_FILEGROUP },
        { "database", VSS_CT_DATABASE },
        { NULL, 0 },
};

static const FieldName flags[] = {
        { "backup-recovery", VSS_CF_BACKUP_RECOVERY },
        { "app-rollback-recovery", VSS_CF_APP_ROLLBACK_RECOVERY },
        { "not-system-state", VSS_CF_NOT_SYSTEM_STATE },
        { NULL, 0 },
};

/* The kinds of backup, as the bits of masks. */
static const FieldName backups[] = {
        { "full", VSS_FSBT_FULL_BACKUP_REQUIRED },
        { "differential", VSS_FSBT_DIFFERENTIAL_BACKUP_REQUIRED },
        { "incremental", VSS_FSBT_INCREMENTAL_BACKUP_REQUIRED },
        { "log", VSS_FSBT_LOG_BACKUP_REQUIRED },
        { "all", VSS_FSBT_ALL_BACKUP_REQUIRED },
        { NULL, 0 },
};

const FieldName test_methods[] = {
        { "if-not-there", VSS_RME_RESTORE_IF_NOT_THERE },
        { "if-can-replace", VSS_RME_RESTORE_IF_CAN_REPLACE },
        { "stop-restore-start", VSS_RME_STOP_RESTORE_START },
        { "alternate-location", VSS_RME_RESTORE_TO_ALTERNATE_LOCATION },
        { "at-reboot", VSS_RME_RESTORE_AT_REBOOT },
        { "at-reboot-if-cannot-replace", VSS_RME_RESTORE_AT_REBOOT_IF_CANNOT_REPLACE },
        { "custom", VSS_RME_CUSTOM },
        { "restore-stop-start", VSS_RME_RESTORE_STOP_START },
        { NULL, 0 },
};

const FieldName test_writer_restores[] = {
        { "never", VSS_WRE_NEVER },
        { "if-replace-fails", VSS_WRE_IF_REPLACE_FAILS },
        { "always", VSS_WRE_ALWAYS },
        { NULL, 0 },
};

const FieldName test_file_kinds[] = {
        { "file", TEST_FILE },
        { "database", TEST_DATABASE },
        { "log", TEST_LOG },
        { NULL, 0 },
};

#define FIELD(type, key, kind, member) \
        { key, FIELD_##kind, offsetof(type, member), NULL, false }
#define REQUIRED(type, key, kind, member) \
        { key, FIELD_##kind, offsetof(type, member), NULL, true }
#define NAMED(type, key, kind, member, names) \
        { key, FIELD_##kind, offsetof(type, member), names, false }

static const Field writer_fields[] = {
        FIELD(TestWriterConf, "Id", TEXT, id),
        FIELD(TestWriterConf, "FriendlyName", TEXT, friendly_name),
        FIELD(TestWriterConf, "Version", TEXT, version),
        NAMED(TestWriterConf, "Usage", NAME, usage, usages),
        NAMED(TestWriterConf, "Source", NAME, source, sources),
        NAMED(TestWriterConf, "Level", NAME, level, levels),
        NAMED(TestWriterConf, "Schema", FLAGS, schema, schemas),
        FIELD(TestWriterConf, "FreezeTimeoutMilliseconds", NUMBER, freeze_timeout_ms),
        FIELD(TestWriterConf, "Log", PATH, log),
        FIELD(TestWriterConf, "State", PATH, state),
        FIELD(TestWriterConf, "Seed", NUMBER, seed),
        FIELD(TestWriterConf, "DeleteFiles", BOOLEAN, delete_files),
        FIELD(TestWriterConf, "DeletePartialFiles", BOOLEAN, delete_partial_files),
        FIELD(TestWriterConf, "DeleteDifferencedFiles", BOOLEAN, delete_differenced_files),
        FIELD(TestWriterConf, "CheckIncludes", BOOLEAN, check_includes),
        FIELD(TestWriterConf, "CheckExcludes", BOOLEAN, check_excludes),
};

static const Field method_fields[] = {
        { "Method", FIELD_NAME, offsetof(TestWriterConf, method), test_methods, true },
        NAMED(TestWriterConf, "WriterRestore", NAME, writer_restore, test_writer_restores),
        FIELD(TestWriterConf, "Service", TEXT, service),
        FIELD(TestWriterConf, "UserProcedure", TEXT, user_procedure),
        FIELD(TestWriterConf, "RebootRequired", BOOLEAN, reboot_required),
};

static const Field mapping_fields[] = {
        REQUIRED(TestPlace, "Path", PATH, path),
        REQUIRED(TestPlace, "Filespec", TEXT, filespec),
        FIELD(TestPlace, "Recursive", BOOLEAN, recursive),
        REQUIRED(TestPlace, "AlternatePath", PATH, alternate_path),
};

static const Field exclude_fields[] = {
        REQUIRED(TestPlace, "Path", PATH, path),
        REQUIRED(TestPlace, "Filespec", TEXT, filespec),
        FIELD(TestPlace, "Recursive", BOOLEAN, recursive),
};

static const Field component_fields[] = {
        NAMED(TestComponent, "Type", NAME, type, types),
        FIELD(TestComponent, "LogicalPath", TEXT, logical_path),
        REQUIRED(TestComponent, "Name", TEXT, name),
        FIELD(TestComponent, "Caption", TEXT, caption),
        FIELD(TestComponent, "Icon", PATH, icon),
        FIELD(TestComponent, "Owner", TEXT, owner),
        FIELD(TestComponent, "CrashOnly", TEXT, crash_only),
        FIELD(TestComponent, "Selectable", BOOLEAN, selectable),
        FIELD(TestComponent, "SelectableForRestore", BOOLEAN, selectable_for_restore),
        FIELD(TestComponent, "NotifyOnBackupComplete", BOOLEAN, notify_on_backup_complete),
        FIELD(TestComponent, "NeedsOneInstant", BOOLEAN, needs_one_instant),
        NAMED(TestComponent, "Flags", FLAGS, flags, flags),
        NAMED(TestComponent, "RestoreTarget", NAME, restore_target, field_targets),
        FIELD(TestComponent, "BackupMetadata", TEXT, backup_metadata),
        FIELD(TestComponent, "RestoreMetadata", TEXT, restore_metadata),
        FIELD(TestComponent, "Stamp", TEXT, stamp),
};

static const Field files_fields[] = {
        REQUIRED(TestFiles, "Path", PATH, path),
        FIELD(TestFiles, "Filespec", TEXT, filespec),
        FIELD(TestFiles, "Recursive", BOOLEAN, recursive),
        FIELD(TestFiles, "AlternatePath", PATH, alternate_path),
        NAMED(TestFiles, "Kind", NAME, kind, test_file_kinds),
        NAMED(TestFiles, "BackupRequired", FLAGS, backup_required, backups),
        NAMED(TestFiles, "SnapshotRequired", FLAGS, snapshot_required, backups),
        FIELD(TestFiles, "CreatedDuringBackup", BOOLEAN, created_during_backup),
};

static const Field dependency_fields[] = {
        REQUIRED(TestDependency, "WriterId", TEXT, writer_id),
        FIELD(TestDependency, "LogicalPath", TEXT, logical_path),
        REQUIRED(TestDependency, "Name", TEXT, name),
};

static const Field partial_fields[] = {
        REQUIRED(TestPartialFile, "Path", PATH, path),
        REQUIRED(TestPartialFile, "Filespec", TEXT, filespec),
        REQUIRED(TestPartialFile, "Ranges", TEXT, ranges),
        FIELD(TestPartialFile, "Metadata", TEXT, metadata),
        NAMED(TestPartialFile, "Backups", FLAGS, backups, backups),
};

static const Field differenced_fields[] = {
        REQUIRED(TestDifferencedFiles, "Path", PATH, path),
        REQUIRED(TestDifferencedFiles, "Filespec", TEXT, filespec),
        FIELD(TestDifferencedFiles, "Recursive", BOOLEAN, recursive),
        FIELD(TestDifferencedFiles, "ModifiedAfter", TIME, modified_after),
        NAMED(TestDifferencedFiles, "Backups", FLAGS, backups, backups),
};

static const Field directed_fields[] = {
        REQUIRED(TestDirectedTarget, "Path", PATH, path),
        REQUIRED(TestDirectedTarget, "Filespec", TEXT, filespec),
        FIELD(TestDirectedTarget, "Ranges", TEXT, ranges),
        REQUIRED(TestDirectedTarget, "DestinationPath", PATH, destination_path),
        REQUIRED(TestDirectedTarget, "DestinationFilespec", TEXT, destination_filespec),
        FIELD(TestDirectedTarget, "DestinationRanges", TEXT, destination_ranges),
};

static const Field failure_fields[] = {
        { "Event", FIELD_NAME, offsetof(TestFailure, event), field_events, true },
        FIELD(TestFailure, "Retryable", BOOLEAN, retryable),
        FIELD(TestFailure, "Failures", NUMBER, failures),
        FIELD(TestFailure, "Component", TEXT, component),
        FIELD(TestFailure, "Message", TEXT, message),
        FIELD(TestFailure, "ApplicationCode", NUMBER, application_code),
        FIELD(TestFailure, "Veto", BOOLEAN, veto),
};

#define NOT_FULL (VSS_FSBT_ALL_BACKUP_REQUIRED & ~VSS_FSBT_FULL_BACKUP_REQUIRED)

static const TestComponent component_default = {
        .type = VSS_CT_FILEGROUP, .logical_path = "", .selectable = true, .owner = "root"
};
static const TestFiles files_default = { .filespec = "*",
                                         .alternate_path = "",
                                         .backup_required = VSS_FSBT_ALL_BACKUP_REQUIRED,
                                         .snapshot_required = VSS_FSBT_ALL_BACKUP_REQUIRED };
static const TestPlace place_default = { .alternate_path = "" };
static const TestDependency dependency_default = { .logical_path = "" };
static const TestPartialFile partial_default = { .metadata = "", .backups = NOT_FULL };
static const TestDifferencedFiles differenced_default = { .backups = NOT_FULL };
static const TestDirectedTarget directed_default = { .ranges = "", .destination_ranges = "" };
static const TestFailure failure_default = { .retryable = true,
                                             .failures = 1,
                                             .message = "as its file says" };

/* A section that may come again: where its records go. */
typedef struct RecordKind {
        const char *section;
        bool of_component;
        size_t array, count; /* offsets, in the writer or in the component */
        size_t size;
        const void *defaults;
        const Field *fields;
        size_t n_fields;
} RecordKind;

#define KIND(section, owner, in_component, array, type, defaults, fields)                                \
        {                                                                                                \
                section, in_component, offsetof(owner, array), offsetof(owner, n_##array), sizeof(type), \
                        &(defaults), fields, ELEMENTS(fields)                                            \
        }

static const RecordKind kinds[] = {
        KIND("Component", TestWriterConf, false, components, TestComponent, component_default,
             component_fields),
        KIND("Mapping", TestWriterConf, false, mappings, TestPlace, place_default, mapping_fields),
        KIND("Exclude", TestWriterConf, false, excludes, TestPlace, place_default, exclude_fields),
        KIND("ExcludeFromSnapshot", TestWriterConf, false, snapshot_excludes, TestPlace, place_default,
             exclude_fields),
        KIND("FailEvent", TestWriterConf, false, failures, TestFailure, failure_default, failure_fields),
        KIND("Files", TestComponent, true, files, TestFiles, files_default, files_fields),
        KIND("Dependency", TestComponent, true, dependencies, TestDependency, dependency_default,
             dependency_fields),
        KIND("PartialFile", TestComponent, true, partial_files, TestPartialFile, partial_default,
             partial_fields),
        KIND("DifferencedFiles", TestComponent, true, differenced_files, TestDifferencedFiles,
             differenced_default, differenced_fields),
        KIND("DirectedTarget", TestComponent, true, directed_targets, TestDirectedTarget, directed_default,
             directed_fields),
};

static int read_record(const ConfSection *section, const RecordKind *kind, TestWriterConf *conf,
                       ConfError *error) {
        void *owner = conf;
        void *record;

        if (kind->of_component) {
                if (conf->n_components == 0)
                        return fields_error(error, section->line, -EBADMSG,
                                            "[%s] belongs to a [Component], which comes before it",
                                            section->name);
                owner = &conf->components[conf->n_components - 1];
        }
        record = array_add((char *)owner + kind->array, (size_t *)(void *)((char *)owner + kind->count),
                           kind->size, TEST_RECORDS_MAX);
        if (!record)
                return fields_error(error, section->line, -E2BIG, "more than %u of [%s], or no memory",
                                    TEST_RECORDS_MAX, section->name);
        memcpy(record, kind->defaults, kind->size);
        return fields_read(section, kind->fields, kind->n_fields, record, error);
}

static int read_section(const ConfSection *section, TestWriterConf *conf, ConfError *error) {
        if (strcmp(section->name, "Writer") == 0)
                return fields_read(section, writer_fields, ELEMENTS(writer_fields), conf, error);
        if (strcmp(section->name, "RestoreMethod") == 0)
                return fields_read(section, method_fields, ELEMENTS(method_fields), conf, error);
        FOREACH_ELEMENT (kind, kinds)
                if (strcmp(section->name, kind->section) == 0)
                        return read_record(section, kind, conf, error);
        return fields_error(error, section->line, -EBADMSG, "there is no section [%.80s]", section->name);
}

void test_writer_conf_clear(TestWriterConf *conf) {
        for (size_t i = 0; i < conf->n_components; i++) {
                TestComponent *component = &conf->components[i];

                free(component->files);
                free(component->dependencies);
                free(component->partial_files);
                free(component->differenced_files);
                free(component->directed_targets);
        }
        free(conf->components);
        free(conf->mappings);
        free(conf->excludes);
        free(conf->snapshot_excludes);
        free(conf->failures);
        conf_free(conf->conf);
        *conf = (TestWriterConf){ 0 };
}

int test_writer_conf_from_conf(Conf *conf, ConfError *error, TestWriterConf *ret_conf) {
        _cleanup_test_writer_conf_ TestWriterConf result = {
                .usage = VSS_UT_USERDATA,
                .source = VSS_ST_OTHER,
                .level = VSS_APP_FRONT_END,
                .friendly_name = "Test writer",
                .version = "1.0",
                .log = "/run/linuxvss-test/log",
                .state = "/var/lib/linuxvss-test",
                .seed = 1,
                .writer_restore = VSS_WRE_ALWAYS,
                .check_includes = true,
                .check_excludes = true,
                .conf = conf,
        };

        for (size_t i = 0; i < conf->n_sections; i++) {
                int r = read_section(&conf->sections[i], &result, error);

                if (r < 0)
                        return r;
        }
        *ret_conf = result;
        result = (TestWriterConf){ 0 };
        return 0;
}

int test_writer_conf_read(const char *path, ConfError *error, TestWriterConf *ret_conf) {
        Conf *conf = NULL;
        int r = conf_read(path, error, &conf);

        return r < 0 ? r : test_writer_conf_from_conf(conf, error, ret_conf);
}
