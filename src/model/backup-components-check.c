/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The Backup Components Document: is this tree one?
 *
 * A document may come from another machine and from years ago, and is read by a worker that nobody trusts.
 * What the rest of the code may take for granted is checked here, once, by tables.
 */

#include <inttypes.h>
#include <string.h>
#include "model/backup-components.h"
#include "model/component.h"
#include "util/utf8.h"

enum { SNAPSHOTS_MAX = 64 };

typedef struct Field {
        const char *key;
        enum vss_kind kind;
        int64_t least, most;       /* of integers; of texts and lists, the most is their size */
        const struct Field *entry; /* of lists of dictionaries */
} Field;

#define TEXT(key, size) \
        { key, VSS_KIND_STRING, 0, size, NULL }
#define NUMBER(key, least, most) \
        { key, VSS_KIND_INTEGER, least, most, NULL }
#define FLAG(key) \
        { key, VSS_KIND_BOOLEAN, 0, 0, NULL }
#define LIST(key, entry) \
        { key, VSS_KIND_LIST, 0, BC_ENTRIES_MAX, entry }
#define DICT(key, entry) \
        { key, VSS_KIND_DICT, 0, 0, entry }

static const Field key_fields[] = { TEXT("logical-path", BC_TEXT_MAX), TEXT("name", BC_TEXT_MAX), { 0 } };

static const Field set_fields[] = { TEXT("path", BC_TEXT_MAX),
                                    TEXT("filespec", BC_TEXT_MAX),
                                    FLAG("recursive"),
                                    TEXT("alternate-path", BC_TEXT_MAX),
                                    TEXT("ranges", BC_METADATA_MAX),
                                    TEXT("metadata", BC_TEXT_MAX),
                                    NUMBER("modified-after-usec", 0, INT64_MAX),
                                    TEXT("destination-path", BC_TEXT_MAX),
                                    TEXT("destination-filespec", BC_TEXT_MAX),
                                    TEXT("destination-ranges", BC_METADATA_MAX),
                                    { 0 } };

static const Field failure_fields[] = { NUMBER("code", INT32_MIN, -1),
                                        NUMBER("application-code", INT64_MIN, INT64_MAX),
                                        TEXT("message", BC_TEXT_MAX),
                                        { 0 } };

static const Field roll_forward_fields[] = { NUMBER("type", VSS_RF_NONE, VSS_RF_PARTIAL),
                                             TEXT("point", BC_TEXT_MAX),
                                             { 0 } };

static const Field component_fields[] = { TEXT("logical-path", BC_TEXT_MAX),
                                          TEXT("name", BC_TEXT_MAX),
                                          NUMBER("type", VSS_CT_UNDEFINED, VSS_CT_FILEGROUP),
                                          FLAG("succeeded"),
                                          TEXT("backup-options", BC_TEXT_MAX),
                                          TEXT("previous-stamp", BC_TEXT_MAX),
                                          TEXT("stamp", BC_TEXT_MAX),
                                          TEXT("backup-metadata", BC_METADATA_MAX),
                                          TEXT("restore-metadata", BC_METADATA_MAX),
                                          LIST("partial-files", set_fields),
                                          LIST("differenced-files", set_fields),
                                          FLAG("selected-for-restore"),
                                          FLAG("additional-restores"),
                                          TEXT("restore-options", BC_TEXT_MAX),
                                          NUMBER("restore-target", VSS_RT_UNDEFINED,
                                                 VSS_RT_ORIGINAL_LOCATION),
                                          LIST("restore-subcomponents", key_fields),
                                          LIST("alternate-mappings", set_fields),
                                          LIST("new-targets", set_fields),
                                          LIST("directed-targets", set_fields),
                                          NUMBER("file-restore-status", VSS_RS_UNDEFINED, VSS_RS_FAILED),
                                          TEXT("prepare-failure", BC_TEXT_MAX),
                                          TEXT("post-snapshot-failure", BC_TEXT_MAX),
                                          TEXT("pre-restore-failure", BC_TEXT_MAX),
                                          TEXT("post-restore-failure", BC_TEXT_MAX),
                                          DICT("failure", failure_fields),
                                          FLAG("authoritative"),
                                          DICT("roll-forward", roll_forward_fields),
                                          TEXT("restore-name", BC_TEXT_MAX),
                                          { 0 } };

static const Field writer_fields[] = { TEXT("name", BC_TEXT_MAX),
                                       TEXT("id", BC_TEXT_MAX),
                                       TEXT("instance-id", BC_TEXT_MAX),
                                       TEXT("instance-name", BC_TEXT_MAX),
                                       TEXT("version", BC_TEXT_MAX),
                                       NUMBER("backup-schema", 0, UINT32_MAX),
                                       { "components", VSS_KIND_LIST, 0, BC_COMPONENTS_MAX,
                                         component_fields },
                                       { 0 } };

static const Field snapshot_fields[] = { TEXT("id", BC_TEXT_MAX),
                                         TEXT("set", BC_TEXT_MAX),
                                         TEXT("provider", BC_TEXT_MAX),
                                         TEXT("volume", BC_TEXT_MAX),
                                         TEXT("below", BC_TEXT_MAX),
                                         NUMBER("attributes", 0, UINT32_MAX),
                                         NUMBER("context", 0, UINT32_MAX),
                                         NUMBER("sequence", 0, INT64_MAX),
                                         NUMBER("created-usec", 0, INT64_MAX),
                                         TEXT("host", BC_TEXT_MAX),
                                         { 0 } };

static const Field document_fields[] = { FLAG("select-components"),
                                         FLAG("bootable-system-state"),
                                         NUMBER("backup-type", VSS_BT_UNDEFINED, VSS_BT_OTHER),
                                         FLAG("partial-file-support"),
                                         NUMBER("restore-type", VSS_RTYPE_UNDEFINED, VSS_RTYPE_OTHER),
                                         TEXT("set", BC_TEXT_MAX),
                                         TEXT("session", BC_TEXT_MAX),
                                         NUMBER("context", 0, UINT32_MAX),
                                         TEXT("service-version", BC_TEXT_MAX),
                                         TEXT("host", BC_TEXT_MAX),
                                         NUMBER("created-usec", 0, INT64_MAX),
                                         { "writers", VSS_KIND_LIST, 0, BC_WRITERS_MAX, writer_fields },
                                         { "snapshots", VSS_KIND_LIST, 0, SNAPSHOTS_MAX, snapshot_fields },
                                         { 0 } };

static vss_result check_fields(const vss_value *dict, const Field *fields, const char *where, Why *why);

static vss_result check_list(const vss_value *list, const Field *field, const char *where, Why *why) {
        char entry[WHY_SIZE / 4];
        vss_result result = VSS_S_OK;

        if (vss_value_count(list) > (size_t)field->most)
                return why_set(why, VSS_E_INVALID_XML_DOCUMENT,
                               "%s: \"%s\" has %zu entries; %" PRId64 " is the most.", where, field->key,
                               vss_value_count(list), field->most);
        for (size_t i = 0; i < vss_value_count(list) && result >= 0; i++) {
                (void)snprintf(entry, sizeof(entry), "%s: %s %zu", where, field->key, i + 1);
                result = check_fields(vss_value_at(list, i), field->entry, entry, why);
        }
        return result;
}

static vss_result check_field(const vss_value *value, const Field *field, const char *where, Why *why) {
        int64_t number = vss_value_integer(value, 0);
        const char *text = vss_value_string(value, "");

        if (vss_value_kind(value) != field->kind)
                return why_set(why, VSS_E_INVALID_XML_DOCUMENT,
                               "%s: \"%s\" is of another kind than it must be.", where, field->key);
        switch (field->kind) {
        case VSS_KIND_INTEGER:
                if (number >= field->least && number <= field->most)
                        return VSS_S_OK;
                return why_set(why, VSS_E_INVALID_XML_DOCUMENT,
                               "%s: \"%s\" is %" PRId64 ", not between %" PRId64 " and %" PRId64 ".", where,
                               field->key, number, field->least, field->most);
        case VSS_KIND_STRING:
                if (strnlen(text, (size_t)field->most + 1) <= (size_t)field->most && text_is_utf8(text))
                        return VSS_S_OK;
                return why_set(why, VSS_E_INVALID_XML_DOCUMENT,
                               "%s: \"%s\" is longer than %" PRId64 " bytes or not UTF-8.", where,
                               field->key, field->most);
        case VSS_KIND_LIST:
                return check_list(value, field, where, why);
        case VSS_KIND_DICT:
                return check_fields(value, field->entry, where, why);
        default:
                return VSS_S_OK;
        }
}

static vss_result check_fields(const vss_value *dict, const Field *fields, const char *where, Why *why) {
        vss_result result = VSS_S_OK;

        if (vss_value_kind(dict) != VSS_KIND_DICT)
                return why_set(why, VSS_E_INVALID_XML_DOCUMENT, "%s is no dictionary.", where);
        for (const Field *field = fields; field->key && result >= 0; field++) {
                const vss_value *value = vss_value_get(dict, field->key);

                if (value)
                        result = check_field(value, field, where, why);
        }
        return result;
}

static int compare_components(const void *a, const void *b) {
        const vss_value *const *ca = a, *const *cb = b;
        int order = strcmp(component_logical_path(*ca), component_logical_path(*cb));

        return order != 0 ? order : strcmp(component_name(*ca), component_name(*cb));
}

static vss_result check_unique_components(const vss_value *writer, Why *why) {
        const vss_value *components = vss_value_get(writer, "components");
        size_t n = vss_value_count(components);
        _cleanup_(freep) const vss_value **sorted = calloc(n + 1, sizeof(*sorted));

        if (!sorted)
                return why_no_memory(why);
        for (size_t i = 0; i < n; i++) {
                sorted[i] = vss_value_at(components, i);
                if (!*component_name(sorted[i]))
                        return why_set(why, VSS_E_INVALID_XML_DOCUMENT,
                                       "Writer %.64s: component %zu has no name.",
                                       vss_value_get_string(writer, "name", ""), i + 1);
        }
        qsort(sorted, n, sizeof(*sorted), compare_components);
        for (size_t i = 1; i < n; i++)
                if (compare_components(&sorted[i - 1], &sorted[i]) == 0)
                        return why_set(
                                why, VSS_E_INVALID_XML_DOCUMENT,
                                "Writer %.64s: component \"%s\" is there twice.",
                                vss_value_get_string(writer, "name", ""),
                                component_label(component_logical_path(sorted[i]), component_name(sorted[i]))
                                        .text);
        return VSS_S_OK;
}

static vss_result check_unique_writers(const vss_value *writers, Why *why) {
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const char *name = vss_value_get_string(vss_value_at(writers, i), "name", "");
                const char *instance = vss_value_get_string(vss_value_at(writers, i), "instance-id", "");

                for (size_t j = 0; j < i; j++) {
                        const vss_value *other = vss_value_at(writers, j);

                        /* Documents of elsewhere have identities only. */
                        if (strcmp(vss_value_get_string(other, "name", ""), name) == 0 &&
                            strcmp(vss_value_get_string(other, "instance-id", ""), instance) == 0)
                                return why_set(why, VSS_E_INVALID_XML_DOCUMENT,
                                               "Writer %.64s %.64s is there twice.", name, instance);
                }
        }
        return VSS_S_OK;
}

vss_result bc_check(const vss_value *document, Why *why) {
        const vss_value *writers = vss_value_get(document, "writers");
        vss_result result;

        if (strcmp(vss_value_get_string(document, "kind", ""), "backup-components") != 0)
                return why_set(why, VSS_E_INVALID_XML_DOCUMENT, "This is no Backup Components Document.");
        result = check_fields(document, document_fields, "document", why);
        if (result >= 0)
                result = check_unique_writers(writers, why);
        for (size_t i = 0; i < vss_value_count(writers) && result >= 0; i++)
                result = check_unique_components(vss_value_at(writers, i), why);
        return result;
}
