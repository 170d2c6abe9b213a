/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The schema: see linuxvss-documents(5), which says the same to people, and linuxvss-documents.rng
 */

#include <string.h>
#include "documents/document.h"
#include "documents/schema.h"

/* Texts behind the first of a number are read only. What has not been seen in documents of others is ours.
 */
static const Spelling usages[] = { { "BOOTABLE_SYSTEM_STATE", VSS_UT_BOOTABLESYSTEMSTATE },
                                   { "SYSTEM_SERVICE", VSS_UT_SYSTEMSERVICE },
                                   { "USER_DATA", VSS_UT_USERDATA },
                                   { "OTHER", VSS_UT_OTHER },
                                   { "UNDEFINED", VSS_UT_UNDEFINED },
                                   { NULL, 0 } };
static const Spelling sources[] = { { "TRANSACTION_DB", VSS_ST_TRANSACTEDDB },
                                    { "NONTRANSACTION_DB", VSS_ST_NONTRANSACTEDDB },
                                    { "OTHER", VSS_ST_OTHER },
                                    { "UNDEFINED", VSS_ST_UNDEFINED },
                                    { "TRANSACTED_DB", VSS_ST_TRANSACTEDDB },
                                    { "NONTRANSACTED_DB", VSS_ST_NONTRANSACTEDDB },
                                    { NULL, 0 } };
static const Spelling methods[] = {
        { "RESTORE_IF_NONE_THERE", VSS_RME_RESTORE_IF_NOT_THERE },
        { "RESTORE_IF_CAN_BE_REPLACED", VSS_RME_RESTORE_IF_CAN_REPLACE },
        { "STOP_RESTART_SERVICE", VSS_RME_STOP_RESTORE_START },
        { "RESTORE_TO_ALTERNATE_LOCATION", VSS_RME_RESTORE_TO_ALTERNATE_LOCATION },
        { "REPLACE_AT_REBOOT", VSS_RME_RESTORE_AT_REBOOT },
        { "REPLACE_AT_REBOOT_IF_CANNOT_REPLACE", VSS_RME_RESTORE_AT_REBOOT_IF_CANNOT_REPLACE },
        { "CUSTOM", VSS_RME_CUSTOM },
        { "RESTORE_STOP_START", VSS_RME_RESTORE_STOP_START },
        { "UNDEFINED", VSS_RME_UNDEFINED },
        { "RESTORE_IF_NOT_THERE", VSS_RME_RESTORE_IF_NOT_THERE },
        { "RESTORE_IF_CAN_REPLACE", VSS_RME_RESTORE_IF_CAN_REPLACE },
        { "STOP_RESTORE_START", VSS_RME_STOP_RESTORE_START },
        { "RESTORE_AT_REBOOT", VSS_RME_RESTORE_AT_REBOOT },
        { "RESTORE_AT_REBOOT_IF_CANNOT_REPLACE", VSS_RME_RESTORE_AT_REBOOT_IF_CANNOT_REPLACE },
        { NULL, 0 },
};
static const Spelling writer_restores[] = { { "never", VSS_WRE_NEVER },
                                            { "ifReplaceFails", VSS_WRE_IF_REPLACE_FAILS },
                                            { "always", VSS_WRE_ALWAYS },
                                            { "undefined", VSS_WRE_UNDEFINED },
                                            { NULL, 0 } };
static const Spelling levels[] = { { "UNKNOWN", VSS_APP_UNKNOWN },
                                   { "SYSTEM", VSS_APP_SYSTEM },
                                   { "BACK_END", VSS_APP_BACK_END },
                                   { "FRONT_END", VSS_APP_FRONT_END },
                                   { "SYSTEM_RM", VSS_APP_SYSTEM_RM },
                                   { "AUTO", VSS_APP_AUTO },
                                   { NULL, 0 } };
static const Spelling file_kinds[] = { { "file", 0 }, { "database", 0 }, { "log", 0 }, { NULL, 0 } };
static const Spelling backup_types[] = { { "full", VSS_BT_FULL },
                                         { "incremental", VSS_BT_INCREMENTAL },
                                         { "differential", VSS_BT_DIFFERENTIAL },
                                         { "log", VSS_BT_LOG },
                                         { "copy", VSS_BT_COPY },
                                         { "other", VSS_BT_OTHER },
                                         { "undefined", VSS_BT_UNDEFINED },
                                         { NULL, 0 } };
static const Spelling restore_types[] = { { "byCopy", VSS_RTYPE_BY_COPY },
                                          { "import", VSS_RTYPE_IMPORT },
                                          { "other", VSS_RTYPE_OTHER },
                                          { "undefined", VSS_RTYPE_UNDEFINED },
                                          { NULL, 0 } };
static const Spelling component_types[] = { { "database", VSS_CT_DATABASE },
                                            { "filegroup", VSS_CT_FILEGROUP },
                                            { "undefined", VSS_CT_UNDEFINED },
                                            { NULL, 0 } };
static const Spelling restore_targets[] = {
        { "original", VSS_RT_ORIGINAL },   { "alternate", VSS_RT_ALTERNATE },
        { "directed", VSS_RT_DIRECTED },   { "originalLocation", VSS_RT_ORIGINAL_LOCATION },
        { "undefined", VSS_RT_UNDEFINED }, { NULL, 0 }
};
static const Spelling restore_statuses[] = { { "none", VSS_RS_NONE },
                                             { "all", VSS_RS_ALL },
                                             { "failed", VSS_RS_FAILED },
                                             { "undefined", VSS_RS_UNDEFINED },
                                             { NULL, 0 } };
static const Spelling roll_forwards[] = { { "none", VSS_RF_NONE },
                                          { "all", VSS_RF_ALL },
                                          { "partial", VSS_RF_PARTIAL },
                                          { "undefined", VSS_RF_UNDEFINED },
                                          { NULL, 0 } };

/* A row: name and key. In elements of others a plain one has been seen there, and a prefixed one is ours. */
#define PLAIN(n, k, t) \
        { .name = n, .key = k, .type = t }
#define PLAIN_REQUIRED(n, k, t) \
        { .name = n, .key = k, .type = t, .required = true }
#define PLAIN_NUMBERED(n, k, s) \
        { .name = n, .key = k, .type = FIELD_NUMBERED, .spellings = s }
#define PREFIXED(n, k, t) \
        { .name = n, .key = k, .type = t, .ours = true }
#define PREFIXED_NUMBERED(n, k, s) \
        { .name = n, .key = k, .type = FIELD_NUMBERED, .ours = true, .spellings = s }
#define END \
        { .name = NULL }

/* Files, in both kinds of documents. */
static const Attribute file_list_attributes[] = {
        PLAIN_REQUIRED("path", "path", FIELD_PATH),
        PLAIN_REQUIRED("filespec", "filespec", FIELD_FILESPEC),
        PLAIN("recursive", "recursive", FIELD_BOOLEAN),
        PLAIN("filespecBackupType", "backup-mask", FIELD_INTEGER),
        PREFIXED("alternatePath", "alternate-path", FIELD_ANY_PATH),
        { .name = "kind", .key = "kind", .type = FIELD_WORD, .ours = true, .spellings = file_kinds },
        PREFIXED("real", "real", FIELD_ANY_PATH),
        PREFIXED("volume", "volume", FIELD_ANY_PATH),
        PREFIXED("device", "device", FIELD_INTEGER),
        PREFIXED("alternateReal", "alternate-real", FIELD_ANY_PATH),
        PREFIXED("alternateVolume", "alternate-volume", FIELD_ANY_PATH),
        PREFIXED("alternateDevice", "alternate-device", FIELD_INTEGER),
        END,
};
static const Attribute mapping_attributes[] = {
        PLAIN_REQUIRED("path", "path", FIELD_PATH),
        PLAIN_REQUIRED("filespec", "filespec", FIELD_FILESPEC),
        PLAIN("recursive", "recursive", FIELD_BOOLEAN),
        PLAIN("alternatePath", "alternate-path", FIELD_ANY_PATH),
        END,
};
static const Element alternate_location_mapping = {
        .name = "ALTERNATE_LOCATION_MAPPING",
        .ns = NS_OURS,
        .place = PLACE_LIST,
        .key = "alternate-mappings",
        .count = COUNT_FILES,
        .attributes = mapping_attributes,
};

/* The Writer Metadata Document. */
static const Attribute dependency_attributes[] = {
        PLAIN_REQUIRED("writerId", "writer-id", FIELD_ID),
        PLAIN("logicalPath", "logical-path", FIELD_REMOTE_PATH),
        PLAIN_REQUIRED("componentName", "name", FIELD_NAME),
        END,
};
static const Element dependency = { .name = "DEPENDENCY",
                                    .ns = NS_OURS,
                                    .place = PLACE_LIST,
                                    .key = "dependencies",
                                    .count = COUNT_FILES,
                                    .attributes = dependency_attributes };
static const Element file_list = { .name = "FILE_LIST",
                                   .ns = NS_METADATA,
                                   .place = PLACE_LIST,
                                   .key = "files",
                                   .count = COUNT_FILES,
                                   .attributes = file_list_attributes };
static const Attribute metadata_component_attributes[] = {
        PLAIN("logicalPath", "logical-path", FIELD_LOGICAL_PATH),
        PLAIN_REQUIRED("componentName", "name", FIELD_NAME),
        PLAIN("caption", "caption", FIELD_DATA),
        PLAIN("restoreMetadata", "restore-metadata", FIELD_BOOLEAN),
        PLAIN("notifyOnBackupComplete", "notify-on-backup-complete", FIELD_BOOLEAN),
        PLAIN("selectable", "selectable", FIELD_BOOLEAN),
        PLAIN("selectableForRestore", "selectable-for-restore", FIELD_BOOLEAN),
        PLAIN("componentFlags", "flags", FIELD_INTEGER),
        PREFIXED("icon", "icon", FIELD_ICON),
        PREFIXED("needsOneInstant", "needs-one-instant", FIELD_BOOLEAN),
        PREFIXED("owner", "owner", FIELD_DATA),
        PREFIXED("crashOnly", "crash-only", FIELD_DATA),
        END,
};
static const Element *const metadata_component_children[] = { &file_list, &dependency, NULL };
static const char *const metadata_component_lists[] = { "files", "dependencies", NULL };
static const Element file_group = { .name = "FILE_GROUP",
                                    .ns = NS_METADATA,
                                    .place = PLACE_LIST,
                                    .key = "components",
                                    .role = ROLE_COMPONENT,
                                    .count = COUNT_COMPONENTS,
                                    .attributes = metadata_component_attributes,
                                    .children = metadata_component_children,
                                    .lists = metadata_component_lists,
                                    .told_key = "type",
                                    .told = VSS_CT_FILEGROUP };
static const Element database = { .name = "DATABASE",
                                  .ns = NS_OURS,
                                  .place = PLACE_LIST,
                                  .key = "components",
                                  .role = ROLE_COMPONENT,
                                  .count = COUNT_COMPONENTS,
                                  .attributes = metadata_component_attributes,
                                  .children = metadata_component_children,
                                  .lists = metadata_component_lists,
                                  .told_key = "type",
                                  .told = VSS_CT_DATABASE };
static const Attribute exclude_attributes[] = {
        PLAIN_REQUIRED("path", "path", FIELD_PATH),
        PLAIN_REQUIRED("filespec", "filespec", FIELD_FILESPEC),
        PLAIN("recursive", "recursive", FIELD_BOOLEAN),
        END,
};
static const Element exclude_files = { .name = "EXCLUDE_FILES",
                                       .ns = NS_METADATA,
                                       .place = PLACE_LIST,
                                       .key = "excludes",
                                       .count = COUNT_FILES,
                                       .attributes = exclude_attributes };
static const Element exclude_files_from_snapshot = { .name = "EXCLUDE_FILES_FROM_SNAPSHOT",
                                                     .ns = NS_METADATA,
                                                     .place = PLACE_LIST,
                                                     .key = "excludes-from-snapshot",
                                                     .count = COUNT_FILES,
                                                     .attributes = exclude_attributes };
static const Element *const backup_locations_children[] = { &file_group, &database, &exclude_files,
                                                            &exclude_files_from_snapshot, NULL };
static const char *const backup_locations_lists[] = { "components", "excludes", "excludes-from-snapshot",
                                                      NULL };
static const Element backup_locations = { .name = "BACKUP_LOCATIONS",
                                          .ns = NS_METADATA,
                                          .place = PLACE_INLINE,
                                          .required = true,
                                          .children = backup_locations_children,
                                          .lists = backup_locations_lists };
static const Attribute identification_attributes[] = {
        PLAIN_REQUIRED("writerId", "id", FIELD_ID),
        PLAIN("instanceId", "instance-id", FIELD_ID_OR_NONE),
        PLAIN("instanceName", "instance-name", FIELD_DATA),
        PLAIN("friendlyName", "friendly-name", FIELD_DATA),
        PLAIN_NUMBERED("usage", "usage", usages),
        PLAIN_NUMBERED("dataSource", "source", sources),
        PLAIN("majorVersion", "version", FIELD_MAJOR),
        PLAIN("minorVersion", "version", FIELD_MINOR),
        PREFIXED("name", "name", FIELD_DATA),
        PREFIXED("version", "version", FIELD_OWN_VERSION),
        PREFIXED("libraryVersion", "library-version", FIELD_DATA),
        PREFIXED_NUMBERED("level", "level", levels),
        PREFIXED("freezeTimeoutMs", "freeze-timeout-ms", FIELD_INTEGER),
        PREFIXED("express", "express", FIELD_BOOLEAN),
        END,
};
static const Element identification = { .name = "IDENTIFICATION",
                                        .ns = NS_METADATA,
                                        .place = PLACE_INLINE,
                                        .required = true,
                                        .role = ROLE_IDENTIFICATION,
                                        .attributes = identification_attributes };
static const Attribute restore_method_attributes[] = {
        { .name = "method",
          .key = "method",
          .type = FIELD_NUMBERED,
          .required = true,
          .spellings = methods },
        PLAIN_NUMBERED("writerRestore", "writer-restore", writer_restores),
        PLAIN("rebootRequired", "reboot-required", FIELD_BOOLEAN),
        PREFIXED("service", "service", FIELD_DATA),
        PREFIXED("userProcedure", "user-procedure", FIELD_DATA),
        END,
};
static const Element restore_method = { .name = "RESTORE_METHOD",
                                        .ns = NS_METADATA,
                                        .place = PLACE_DICT,
                                        .key = "restore-method",
                                        .attributes = restore_method_attributes };
static const Attribute missing_right_attributes[] = { PLAIN("what", "what", FIELD_DATA),
                                                      PLAIN("remedy", "remedy", FIELD_DATA), END };
static const Element missing_right = { .name = "MISSING_RIGHT",
                                       .ns = NS_OURS,
                                       .place = PLACE_LIST,
                                       .key = "missing-rights",
                                       .count = COUNT_NOTES,
                                       .attributes = missing_right_attributes };
static const Attribute warning_attributes[] = { PLAIN_REQUIRED("text", "text", FIELD_DATA), END };
static const Element warning = { .name = "WARNING",
                                 .ns = NS_OURS,
                                 .place = PLACE_TEXTS,
                                 .key = "warnings",
                                 .count = COUNT_NOTES,
                                 .attributes = warning_attributes };
static const Attribute dropped_attributes[] = { PLAIN("path", "path", FIELD_DATA),
                                                PLAIN("reason", "reason", FIELD_DATA),
                                                PLAIN("device", "device", FIELD_INTEGER), END };
static const Element dropped = { .name = "DROPPED",
                                 .ns = NS_OURS,
                                 .place = PLACE_LIST,
                                 .key = "dropped",
                                 .count = COUNT_FILES,
                                 .attributes = dropped_attributes };
static const Attribute metadata_attributes[] = {
        PLAIN_REQUIRED("version", NULL, FIELD_VERSION),
        PLAIN("backupSchema", "backup-schema", FIELD_INTEGER),
        PREFIXED("edition", NULL, FIELD_EDITION),
        END,
};
static const Element *const metadata_children[] = { &identification,
                                                    &restore_method,
                                                    &alternate_location_mapping,
                                                    &backup_locations,
                                                    &missing_right,
                                                    &warning,
                                                    &dropped,
                                                    NULL };
static const char *const metadata_lists[] = { "alternate-mappings", "missing-rights", "warnings", NULL };

const Element schema_metadata = { .name = "WRITER_METADATA",
                                  .ns = NS_METADATA,
                                  .role = ROLE_METADATA,
                                  .attributes = metadata_attributes,
                                  .children = metadata_children,
                                  .lists = metadata_lists };

/* The Backup Components Document. */
static const Attribute partial_file_attributes[] = {
        PLAIN_REQUIRED("path", "path", FIELD_ANY_PATH),
        PLAIN_REQUIRED("filespec", "filespec", FIELD_FILESPEC),
        PLAIN("ranges", "ranges", FIELD_DATA),
        PLAIN("metadata", "metadata", FIELD_DATA),
        END,
};
static const Element partial_file = { .name = "PARTIAL_FILE",
                                      .ns = NS_OURS,
                                      .place = PLACE_LIST,
                                      .key = "partial-files",
                                      .count = COUNT_FILES,
                                      .attributes = partial_file_attributes };
static const Attribute differenced_file_attributes[] = {
        PLAIN_REQUIRED("path", "path", FIELD_ANY_PATH),
        PLAIN_REQUIRED("filespec", "filespec", FIELD_FILESPEC),
        PLAIN("recursive", "recursive", FIELD_BOOLEAN),
        PLAIN("modifiedAfterUsec", "modified-after-usec", FIELD_INTEGER),
        END,
};
static const Element differenced_file = { .name = "DIFFERENCED_FILE",
                                          .ns = NS_OURS,
                                          .place = PLACE_LIST,
                                          .key = "differenced-files",
                                          .count = COUNT_FILES,
                                          .attributes = differenced_file_attributes };
static const Attribute restore_subcomponent_attributes[] = {
        PLAIN("logicalPath", "logical-path", FIELD_LOGICAL_PATH),
        PLAIN_REQUIRED("componentName", "name", FIELD_NAME),
        END,
};
static const Element restore_subcomponent = { .name = "RESTORE_SUBCOMPONENT",
                                              .ns = NS_OURS,
                                              .place = PLACE_LIST,
                                              .key = "restore-subcomponents",
                                              .count = COUNT_FILES,
                                              .attributes = restore_subcomponent_attributes };
static const Element new_target = { .name = "NEW_TARGET",
                                    .ns = NS_OURS,
                                    .place = PLACE_LIST,
                                    .key = "new-targets",
                                    .count = COUNT_FILES,
                                    .attributes = mapping_attributes };
static const Attribute directed_target_attributes[] = {
        PLAIN_REQUIRED("path", "path", FIELD_ANY_PATH),
        PLAIN_REQUIRED("filespec", "filespec", FIELD_FILESPEC),
        PLAIN("ranges", "ranges", FIELD_DATA),
        PLAIN("destinationPath", "destination-path", FIELD_ANY_PATH),
        PLAIN("destinationFilespec", "destination-filespec", FIELD_FILESPEC),
        PLAIN("destinationRanges", "destination-ranges", FIELD_DATA),
        END,
};
static const Element directed_target = { .name = "DIRECTED_TARGET",
                                         .ns = NS_OURS,
                                         .place = PLACE_LIST,
                                         .key = "directed-targets",
                                         .count = COUNT_FILES,
                                         .attributes = directed_target_attributes };
static const Attribute failure_attributes[] = { PLAIN("code", "code", FIELD_INTEGER),
                                                PLAIN("applicationCode", "application-code", FIELD_INTEGER),
                                                PLAIN("message", "message", FIELD_DATA), END };
static const Element failure = { .name = "FAILURE",
                                 .ns = NS_OURS,
                                 .place = PLACE_DICT,
                                 .key = "failure",
                                 .attributes = failure_attributes };
static const Attribute roll_forward_attributes[] = { PLAIN_NUMBERED("type", "type", roll_forwards),
                                                     PLAIN("point", "point", FIELD_DATA), END };
static const Element roll_forward = { .name = "ROLL_FORWARD",
                                      .ns = NS_OURS,
                                      .place = PLACE_DICT,
                                      .key = "roll-forward",
                                      .attributes = roll_forward_attributes };
static const Attribute backup_metadata_attributes[] = { PLAIN("metadata", "backup-metadata", FIELD_DATA),
                                                        END };
static const Element backup_metadata = { .name = "BACKUP_METADATA",
                                         .ns = NS_NONE,
                                         .place = PLACE_INLINE,
                                         .attributes = backup_metadata_attributes };
static const Attribute component_attributes[] = {
        PLAIN("logicalPath", "logical-path", FIELD_LOGICAL_PATH),
        PLAIN_REQUIRED("componentName", "name", FIELD_NAME),
        PLAIN_NUMBERED("componentType", "type", component_types),
        PLAIN("backupStamp", "stamp", FIELD_DATA),
        PREFIXED("previousBackupStamp", "previous-stamp", FIELD_DATA),
        PREFIXED("backupSucceeded", "succeeded", FIELD_BOOLEAN),
        PREFIXED("backupOptions", "backup-options", FIELD_DATA),
        PREFIXED("restoreMetadata", "restore-metadata", FIELD_DATA),
        PREFIXED("selectedForRestore", "selected-for-restore", FIELD_BOOLEAN),
        PREFIXED("additionalRestores", "additional-restores", FIELD_BOOLEAN),
        PREFIXED("restoreOptions", "restore-options", FIELD_DATA),
        PREFIXED_NUMBERED("restoreTarget", "restore-target", restore_targets),
        PREFIXED_NUMBERED("fileRestoreStatus", "file-restore-status", restore_statuses),
        PREFIXED("prepareForBackupFailure", "prepare-failure", FIELD_DATA),
        PREFIXED("postSnapshotFailure", "post-snapshot-failure", FIELD_DATA),
        PREFIXED("preRestoreFailure", "pre-restore-failure", FIELD_DATA),
        PREFIXED("postRestoreFailure", "post-restore-failure", FIELD_DATA),
        PREFIXED("authoritativeRestore", "authoritative", FIELD_BOOLEAN),
        PREFIXED("restoreName", "restore-name", FIELD_DATA),
        END,
};
static const Element *const component_children[] = { &backup_metadata,
                                                     &partial_file,
                                                     &differenced_file,
                                                     &restore_subcomponent,
                                                     &alternate_location_mapping,
                                                     &new_target,
                                                     &directed_target,
                                                     &failure,
                                                     &roll_forward,
                                                     NULL };
static const Element component = { .name = "COMPONENT",
                                   .ns = NS_COMPONENTS,
                                   .place = PLACE_LIST,
                                   .key = "components",
                                   .role = ROLE_COMPONENT,
                                   .count = COUNT_COMPONENTS,
                                   .attributes = component_attributes,
                                   .children = component_children };
static const Attribute writer_components_attributes[] = {
        PLAIN("instanceId", "instance-id", FIELD_ID_OR_NONE),
        PLAIN_REQUIRED("writerId", "id", FIELD_ID),
        PLAIN("instanceName", "instance-name", FIELD_DATA),
        PLAIN("backupSchema", "backup-schema", FIELD_INTEGER),
        PREFIXED("name", "name", FIELD_DATA),
        PREFIXED("version", "version", FIELD_DATA),
        END,
};
static const Element *const writer_components_children[] = { &component, NULL };
static const char *const writer_components_lists[] = { "components", NULL };
static const Element writer_components = { .name = "WRITER_COMPONENTS",
                                           .ns = NS_COMPONENTS,
                                           .place = PLACE_LIST,
                                           .key = "writers",
                                           .role = ROLE_WRITER,
                                           .count = COUNT_WRITERS,
                                           .attributes = writer_components_attributes,
                                           .children = writer_components_children,
                                           .lists = writer_components_lists };
static const Element lun_source = {
        .name = "SOURCE", .ns = NS_OURS, .place = PLACE_DICT, .key = "source", .role = ROLE_VALUES
};
static const Element lun_destination = {
        .name = "DESTINATION", .ns = NS_OURS, .place = PLACE_DICT, .key = "destination", .role = ROLE_VALUES
};
static const Element *const lun_children[] = { &lun_source, &lun_destination, NULL };
static const Element lun = { .name = "LUN",
                             .ns = NS_OURS,
                             .place = PLACE_LIST,
                             .key = "luns",
                             .count = COUNT_LUNS,
                             .children = lun_children };
static const Attribute snapshot_attributes[] = {
        PLAIN_REQUIRED("id", "id", FIELD_ID),
        PLAIN("setId", "set", FIELD_ID_OR_NONE),
        PLAIN("provider", "provider", FIELD_DATA),
        PLAIN("volume", "volume", FIELD_ANY_PATH),
        PLAIN("below", "below", FIELD_DATA),
        PLAIN("attributes", "attributes", FIELD_INTEGER),
        PLAIN("context", "context", FIELD_INTEGER),
        PLAIN("sequence", "sequence", FIELD_INTEGER),
        PLAIN("createdUsec", "created-usec", FIELD_INTEGER),
        PLAIN("host", "host", FIELD_DATA),
        END,
};
static const Element *const snapshot_children[] = { &lun, NULL };
static const Element snapshot = { .name = "SNAPSHOT",
                                  .ns = NS_OURS,
                                  .place = PLACE_LIST,
                                  .key = "snapshots",
                                  .role = ROLE_SNAPSHOT,
                                  .count = COUNT_SNAPSHOTS,
                                  .attributes = snapshot_attributes,
                                  .children = snapshot_children };
static const Attribute backup_attributes[] = {
        PLAIN_REQUIRED("version", NULL, FIELD_VERSION),
        PLAIN("bootableSystemStateBackup", "bootable-system-state", FIELD_BOOLEAN),
        PLAIN("selectComponents", "select-components", FIELD_BOOLEAN),
        PLAIN_NUMBERED("backupType", "backup-type", backup_types),
        PLAIN("partialFileSupport", "partial-file-support", FIELD_BOOLEAN),
        PLAIN("snapshotSetId", "set", FIELD_ID_OR_NONE),
        PREFIXED("edition", NULL, FIELD_EDITION),
        PREFIXED_NUMBERED("restoreType", "restore-type", restore_types),
        PREFIXED("session", "session", FIELD_ID_OR_NONE),
        PREFIXED("context", "context", FIELD_INTEGER),
        PREFIXED("serviceVersion", "service-version", FIELD_DATA),
        PREFIXED("host", "host", FIELD_DATA),
        PREFIXED("createdUsec", "created-usec", FIELD_INTEGER),
        END,
};
static const Element *const backup_children[] = { &writer_components, &snapshot, NULL };
static const char *const backup_lists[] = { "writers", NULL };

const Element schema_components = { .name = "BACKUP_COMPONENTS",
                                    .ns = NS_COMPONENTS,
                                    .role = ROLE_BACKUP,
                                    .attributes = backup_attributes,
                                    .children = backup_children,
                                    .lists = backup_lists };

static const Spelling value_kinds[] = { { "list", VSS_KIND_LIST }, { "dict", VSS_KIND_DICT }, { NULL, 0 } };
static const Attribute value_attributes[] = {
        PLAIN("key", "key", FIELD_NAME),
        PLAIN("string", "string", FIELD_DATA),
        PLAIN("integer", "integer", FIELD_INTEGER),
        PLAIN("boolean", "boolean", FIELD_BOOLEAN),
        PLAIN_NUMBERED("kind", "kind", value_kinds),
        END,
};
const Element schema_value = { .name = "VALUE",
                               .ns = NS_OURS,
                               .role = ROLE_VALUES,
                               .count = COUNT_VALUES,
                               .attributes = value_attributes };

static const char *const uris[] = { [NS_NONE] = NULL,
                                    [NS_METADATA] = SCHEMA_METADATA,
                                    [NS_COMPONENTS] = SCHEMA_COMPONENTS,
                                    [NS_OURS] = SCHEMA_OURS };

const char *schema_uri(enum Namespace ns) {
        return uris[ns];
}

int schema_namespace(const char *uri) {
        if (!uri)
                return NS_NONE;
        for (int i = NS_METADATA; i <= NS_OURS; i++)
                if (strcmp(uris[i], uri) == 0)
                        return i;
        return -1;
}

bool schema_is_prefixed(const Element *element, const Attribute *attribute) {
        return attribute->ours && element->ns != NS_OURS;
}

const Attribute *schema_attribute(const Element *element, bool ours, const char *name) {
        for (const Attribute *a = element->attributes; a && a->name; a++)
                if (schema_is_prefixed(element, a) == ours && strcmp(a->name, name) == 0)
                        return a;
        return NULL;
}

const Element *schema_child(const Element *element, enum Namespace ns, const char *name, size_t *ret_index) {
        if (element->role == ROLE_VALUES) {
                *ret_index = 0;
                return ns == NS_OURS && strcmp(name, schema_value.name) == 0 ? &schema_value : NULL;
        }
        for (size_t i = 0; element->children && element->children[i]; i++) {
                const Element *child = element->children[i];

                if (child->ns == ns && strcmp(child->name, name) == 0) {
                        *ret_index = i;
                        return child;
                }
        }
        return NULL;
}

bool schema_has(const Element *root, enum Namespace ns, const char *name) {
        size_t i;

        if (root->role == ROLE_VALUES)
                return false;
        if ((root->ns == ns && strcmp(root->name, name) == 0) || schema_child(root, ns, name, &i))
                return true;
        for (i = 0; root->children && root->children[i]; i++)
                if (schema_has(root->children[i], ns, name))
                        return true;
        return false;
}

static const struct {
        size_t limit;
        const char *name;
} counts[COUNT_N] = {
        [COUNT_COMPONENTS] = { VSS_DOCUMENT_COMPONENTS_MAX, "10000 components" },
        [COUNT_FILES] = { VSS_DOCUMENT_FILES_MAX, "100000 file sets and the like" },
        [COUNT_NOTES] = { VSS_DOCUMENT_NOTES_MAX, "1000 notes" },
        [COUNT_WRITERS] = { VSS_DOCUMENT_WRITERS_MAX, "1000 writers" },
        [COUNT_SNAPSHOTS] = { VSS_VOLUMES_MAX, "64 shadow copies" },
        [COUNT_LUNS] = { 4096, "4096 LUNs" },
        [COUNT_VALUES] = { 100000, "100000 values" },
};

size_t schema_limit(enum Count count) {
        return count == COUNT_NONE ? SIZE_MAX : counts[count].limit;
}

const char *schema_count_name(enum Count count) {
        return counts[count].name;
}
