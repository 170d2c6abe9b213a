/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The Backup Components Document: what writers say of their components, and when they may
 *
 * The library asks here before it takes something from a writer's handler, and the service again when it
 * merges the writer's answer: a writer may have been hijacked with its application, and need not use the
 * library.
 */

#include <string.h>
#include "model/backup-components.h"
#include "model/component.h"
#include "model/filespec.h"
#include "model/ranges.h"
#include "util/utf8.h"

#define BACKUP_EVENTS \
        (BC_PREPARE_FOR_BACKUP | BC_PREPARE_FOR_SNAPSHOT | BC_FREEZE | BC_THAW | BC_POST_SNAPSHOT)
#define ALL_EVENTS (BACKUP_EVENTS | BC_BACKUP_COMPLETE | BC_PRE_RESTORE | BC_POST_RESTORE)

static const struct {
        BcEvent event;
        const char *name;
} events[] = {
        { BC_PREPARE_FOR_BACKUP, "PrepareForBackup" },
        { BC_PREPARE_FOR_SNAPSHOT, "PrepareForSnapshot" },
        { BC_FREEZE, "Freeze" },
        { BC_THAW, "Thaw" },
        { BC_POST_SNAPSHOT, "PostSnapshot" },
        { BC_BACKUP_COMPLETE, "BackupComplete" },
        { BC_PRE_RESTORE, "PreRestore" },
        { BC_POST_RESTORE, "PostRestore" },
};

BcEvent bc_event_from_name(const char *name) {
        FOREACH_ELEMENT (e, events)
                if (strcmp(e->name, name) == 0)
                        return e->event;
        return 0;
}

/* Setters */

vss_result bc_set_stamp(const BcWriter *writer, vss_value *component, const char *stamp, Why *why) {
        uint32_t schema = writer->metadata
                                  ? (uint32_t)vss_value_get_integer(writer->metadata, "backup-schema", 0)
                                  : writer->schema;

        if (!(schema & VSS_BS_TIMESTAMPED))
                return why_set(why, VSS_E_NOT_SUPPORTED,
                               "Writer %s sets a backup stamp, but its backup schema has no TIMESTAMPED.",
                               writer->name);
        return bc_set_text(component, "stamp", stamp, why);
}

static vss_result check_place(const BcWriter *writer, const char *path, const char *filespec, Why *why) {
        vss_result result = filespec_check_path(path, why);
        const char *refused;

        if (result >= 0)
                result = filespec_check(filespec, why);
        if (result < 0)
                return result;
        refused = writer->refuse_path ? writer->refuse_path(writer->userdata, path) : NULL;
        return refused ? why_set(why, VSS_E_INVALIDARG, "Writer %s may not name files in \"%.256s\": %s.",
                                 writer->name, path, refused)
                       : VSS_S_OK;
}

static vss_result set_texts(vss_value *dict, const char *const (*texts)[2], size_t n) {
        vss_result result = dict ? VSS_S_OK : VSS_E_OUTOFMEMORY;

        for (size_t i = 0; i < n && result >= 0; i++)
                result = vss_value_set_string(dict, texts[i][0], texts[i][1]);
        return result;
}

/* Do both say the same under these keys? */
static bool same_texts(const vss_value *a, const vss_value *b, const char *const *keys, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(vss_value_get_string(a, keys[i], ""), vss_value_get_string(b, keys[i], "")) != 0)
                        return false;
        return true;
}

/* Adds @entry, or puts it in the place of the one that is the same by its @n first @keys and by "recursive".
 * Takes @entry over, also on failure. */
static vss_result put_entry(vss_value *component, const char *key, vss_value *entry, const char *const *keys,
                            size_t n, Why *why) {
        _cleanup_value_ vss_value *owned = entry;
        vss_value *list = value_require(component, key, VSS_KIND_LIST);

        if (!owned || !list)
                return why_no_memory(why);
        for (size_t i = 0; i < vss_value_count(list); i++) {
                vss_value *there = value_at_mutable(list, i);
                vss_result result = VSS_S_OK;

                if (!same_texts(there, owned, keys, n) ||
                    vss_value_get_boolean(there, "recursive", false) !=
                            vss_value_get_boolean(owned, "recursive", false))
                        continue;
                for (size_t m = 0; m < vss_value_count(owned) && result >= 0; m++)
                        result = vss_value_set(there, vss_value_key_at(owned, m),
                                               vss_value_copy(vss_value_at(owned, m)));
                return result < 0 ? why_no_memory(why) : VSS_S_OK;
        }
        if (vss_value_count(list) >= BC_ENTRIES_MAX)
                return why_set(
                        why, VSS_E_INVALIDARG, "Component \"%s\" has %u entries in \"%s\", the most.",
                        component_label(component_logical_path(component), component_name(component)).text,
                        BC_ENTRIES_MAX, key);
        return vss_value_append(list, TAKE_PTR(owned)) < 0 ? why_no_memory(why) : VSS_S_OK;
}

static vss_result check_opaque(const char *text, size_t size_max, const char *what, Why *why) {
        if (strnlen(text, size_max + 1) <= size_max && text_is_utf8(text))
                return VSS_S_OK;
        return why_set(why, VSS_E_INVALIDARG, "The %s is longer than %zu bytes or not UTF-8.", what,
                       size_max);
}

/* Entries, checked and made: of the dictionaries of the same keys */

#define TEXT(key) vss_value_get_string(from, key, "")

static vss_result make_partial_file(const BcWriter *writer, const vss_value *from, vss_value **ret_entry,
                                    Why *why) {
        const char *filespec = TEXT("filespec"), *ranges = TEXT("ranges"), *metadata = TEXT("metadata");
        const char *const texts[][2] = { { "path", TEXT("path") },
                                         { "filespec", filespec },
                                         { "ranges", ranges },
                                         { "metadata", metadata } };
        _cleanup_value_ vss_value *entry = NULL;
        vss_result result;

        if (!writer->partial_file_support)
                return why_set(why, VSS_E_NOT_SUPPORTED,
                               "Writer %s adds a partial file, but the requester takes whole files only.",
                               writer->name);
        result = check_place(writer, TEXT("path"), filespec, why);
        if (result >= 0 && strpbrk(filespec, "*?"))
                result = why_set(why, VSS_E_INVALIDARG,
                                 "A partial file is one file; \"%s\" has a * or ? in it.", filespec);
        if (result >= 0)
                result = check_opaque(ranges, BC_METADATA_MAX, "text of ranges", why);
        if (result >= 0)
                result = ranges_check(ranges, why);
        if (result >= 0)
                result = check_opaque(metadata, BC_TEXT_MAX, "partial file's metadata", why);
        if (result < 0)
                return result;
        entry = vss_value_new_dict();
        if (set_texts(entry, texts, ELEMENTS(texts)) < 0)
                return why_no_memory(why);
        *ret_entry = TAKE_PTR(entry);
        return VSS_S_OK;
}

static vss_result make_differenced_files(const BcWriter *writer, const vss_value *from,
                                         vss_value **ret_entry, Why *why) {
        const char *const texts[][2] = { { "path", TEXT("path") }, { "filespec", TEXT("filespec") } };
        int64_t after = vss_value_get_integer(from, "modified-after-usec", 0);
        _cleanup_value_ vss_value *entry = NULL;
        vss_result result = check_place(writer, TEXT("path"), TEXT("filespec"), why);

        if (result >= 0 && after < 0)
                result = why_set(why, VSS_E_INVALIDARG, "A date before 1970 is none of a backup.");
        if (result < 0)
                return result;
        entry = vss_value_new_dict();
        if (set_texts(entry, texts, ELEMENTS(texts)) < 0 ||
            vss_value_set_boolean(entry, "recursive", vss_value_get_boolean(from, "recursive", false)) < 0 ||
            vss_value_set_integer(entry, "modified-after-usec", after) < 0)
                return why_no_memory(why);
        *ret_entry = TAKE_PTR(entry);
        return VSS_S_OK;
}

static vss_result make_directed_target(const BcWriter *writer, const vss_value *from, vss_value **ret_entry,
                                       Why *why) {
        const char *const texts[][2] = { { "path", TEXT("path") },
                                         { "filespec", TEXT("filespec") },
                                         { "ranges", TEXT("ranges") },
                                         { "destination-path", TEXT("destination-path") },
                                         { "destination-filespec", TEXT("destination-filespec") },
                                         { "destination-ranges", TEXT("destination-ranges") } };
        _cleanup_value_ vss_value *entry = NULL;
        vss_result result = check_place(writer, TEXT("path"), TEXT("filespec"), why);

        if (result >= 0)
                result = check_place(writer, TEXT("destination-path"), TEXT("destination-filespec"), why);
        if (result >= 0)
                result = check_opaque(TEXT("ranges"), BC_METADATA_MAX, "text of ranges", why);
        if (result >= 0)
                result = check_opaque(TEXT("destination-ranges"), BC_METADATA_MAX, "text of ranges", why);
        if (result >= 0)
                result = ranges_check(TEXT("ranges"), why);
        if (result >= 0)
                result = ranges_check(TEXT("destination-ranges"), why);
        if (result < 0)
                return result;
        entry = vss_value_new_dict();
        if (set_texts(entry, texts, ELEMENTS(texts)) < 0)
                return why_no_memory(why);
        *ret_entry = TAKE_PTR(entry);
        return VSS_S_OK;
}

#undef TEXT

vss_result bc_add_partial_file(const BcWriter *writer, vss_value *component, const char *path,
                               const char *filespec, const char *ranges, const char *metadata, Why *why) {
        static const char *const keys[] = { "path", "filespec" };
        const char *const texts[][2] = {
                { "path", path }, { "filespec", filespec }, { "ranges", ranges }, { "metadata", metadata }
        };
        _cleanup_value_ vss_value *from = vss_value_new_dict(), *entry = NULL;
        vss_result result;

        if (set_texts(from, texts, ELEMENTS(texts)) < 0)
                return why_no_memory(why);
        result = make_partial_file(writer, from, &entry, why);
        return result < 0
                       ? result
                       : put_entry(component, "partial-files", TAKE_PTR(entry), keys, ELEMENTS(keys), why);
}

vss_result bc_add_differenced_files(const BcWriter *writer, vss_value *component, const char *path,
                                    const char *filespec, bool recursive, int64_t modified_after_usec,
                                    Why *why) {
        static const char *const keys[] = { "path", "filespec" };
        const char *const texts[][2] = { { "path", path }, { "filespec", filespec } };
        _cleanup_value_ vss_value *from = vss_value_new_dict(), *entry = NULL;
        vss_result result;

        if (set_texts(from, texts, ELEMENTS(texts)) < 0 ||
            vss_value_set_boolean(from, "recursive", recursive) < 0 ||
            vss_value_set_integer(from, "modified-after-usec", modified_after_usec) < 0)
                return why_no_memory(why);
        result = make_differenced_files(writer, from, &entry, why);
        return result < 0 ? result
                          : put_entry(component, "differenced-files", TAKE_PTR(entry), keys, ELEMENTS(keys),
                                      why);
}

vss_result bc_add_directed_target(const BcWriter *writer, vss_value *component,
                                  const BcDirectedTarget *target, Why *why) {
        static const char *const keys[] = { "path", "filespec", "ranges" };
        const char *const texts[][2] = { { "path", target->path },
                                         { "filespec", target->filespec },
                                         { "ranges", target->ranges },
                                         { "destination-path", target->destination_path },
                                         { "destination-filespec", target->destination_filespec },
                                         { "destination-ranges", target->destination_ranges } };
        _cleanup_value_ vss_value *from = vss_value_new_dict(), *entry = NULL;
        vss_result result;

        if (set_texts(from, texts, ELEMENTS(texts)) < 0)
                return why_no_memory(why);
        result = make_directed_target(writer, from, &entry, why);
        return result < 0 ? result
                          : put_entry(component, "directed-targets", TAKE_PTR(entry), keys, ELEMENTS(keys),
                                      why);
}

vss_result bc_set_restore_target(vss_value *component, int64_t target, Why *why) {
        if (target < VSS_RT_ORIGINAL || target > VSS_RT_ORIGINAL_LOCATION)
                return why_set(why, VSS_E_INVALIDARG, "%lld is no restore target.", (long long)target);
        return vss_value_set_integer(component, "restore-target", target) < 0 ? why_no_memory(why)
                                                                              : VSS_S_OK;
}

vss_result bc_set_failure(vss_value *component, vss_result code, int64_t application_code,
                          const char *message, Why *why) {
        vss_result result = check_opaque(message, BC_TEXT_MAX, "failure's message", why);
        vss_value *failure;

        if (result >= 0 && code >= 0)
                result = why_set(why, VSS_E_INVALIDARG, "0x%08X is no failure.", (unsigned)code);
        if (result < 0)
                return result;
        failure = vss_value_new_dict();
        (void)vss_value_set_integer(failure, "code", code);
        (void)vss_value_set_integer(failure, "application-code", application_code);
        (void)vss_value_set_string(failure, "message", message);
        return vss_value_set(component, "failure", failure) < 0 ? why_no_memory(why) : VSS_S_OK;
}

/* From a writer's answer */

typedef vss_result (*Apply)(const BcWriter *writer, vss_value *component, const char *key,
                            const vss_value *value, Why *why);

static vss_result wrong_kind(const char *key, Why *why) {
        return why_set(why, VSS_E_INVALIDARG, "\"%s\" is of another kind than it must be.", key);
}

static vss_result apply_text(const BcWriter *writer, vss_value *component, const char *key,
                             const vss_value *value, Why *why) {
        const char *text = vss_value_string(value, NULL);

        if (!text)
                return wrong_kind(key, why);
        return strcmp(key, "stamp") == 0 ? bc_set_stamp(writer, component, text, why)
                                         : bc_set_text(component, key, text, why);
}

static vss_result apply_target(const BcWriter *writer, vss_value *component, const char *key,
                               const vss_value *value, Why *why) {
        return bc_set_restore_target(component, vss_value_integer(value, VSS_RT_UNDEFINED), why);
}

static vss_result apply_failure(const BcWriter *writer, vss_value *component, const char *key,
                                const vss_value *value, Why *why) {
        int64_t code = vss_value_get_integer(value, "code", 0);

        if (code < INT32_MIN || code > INT32_MAX)
                return wrong_kind(key, why);
        return bc_set_failure(component, (vss_result)code,
                              vss_value_get_integer(value, "application-code", 0),
                              vss_value_get_string(value, "message", ""), why);
}

static vss_result make_entry(const BcWriter *writer, const char *key, const vss_value *from,
                             vss_value **ret_entry, Why *why) {
        if (strcmp(key, "partial-files") == 0)
                return make_partial_file(writer, from, ret_entry, why);
        if (strcmp(key, "differenced-files") == 0)
                return make_differenced_files(writer, from, ret_entry, why);
        return make_directed_target(writer, from, ret_entry, why);
}

/* The good entries are taken; the first bad one is the reason. */
static vss_result apply_list(const BcWriter *writer, vss_value *component, const char *key,
                             const vss_value *value, Why *why) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        vss_result first = VSS_S_OK;

        if (vss_value_kind(value) != VSS_KIND_LIST)
                return wrong_kind(key, why);
        if (vss_value_count(value) > BC_ENTRIES_MAX)
                return why_set(why, VSS_E_INVALIDARG, "There are more than %u entries in \"%s\".",
                               BC_ENTRIES_MAX, key);
        for (size_t i = 0; i < vss_value_count(value); i++) {
                _cleanup_value_ vss_value *entry = NULL;
                vss_result result = make_entry(writer, key, vss_value_at(value, i), &entry,
                                               first < 0 ? NULL : why);

                if (result >= 0)
                        result = vss_value_append(list, TAKE_PTR(entry));
                else if (first >= 0)
                        first = result;
                if (result == VSS_E_OUTOFMEMORY)
                        return result;
        }
        if (vss_value_set(component, key, TAKE_PTR(list)) < 0)
                return why_no_memory(why);
        return first;
}

static const struct {
        const char *key;
        uint32_t events;
        const char *when;
        Apply apply;
} fields[] = {
        { "stamp", BACKUP_EVENTS, "from PrepareForBackup to PostSnapshot", apply_text },
        { "backup-metadata", BACKUP_EVENTS, "from PrepareForBackup to PostSnapshot", apply_text },
        { "partial-files", BACKUP_EVENTS, "from PrepareForBackup to PostSnapshot", apply_list },
        { "differenced-files", BACKUP_EVENTS, "from PrepareForBackup to PostSnapshot", apply_list },
        { "prepare-failure", BC_PREPARE_FOR_BACKUP, "in PrepareForBackup", apply_text },
        { "post-snapshot-failure", BC_POST_SNAPSHOT, "in PostSnapshot", apply_text },
        { "restore-metadata", BC_PRE_RESTORE | BC_POST_RESTORE, "in PreRestore and PostRestore",
          apply_text },
        { "restore-target", BC_PRE_RESTORE, "in PreRestore", apply_target },
        { "directed-targets", BC_PRE_RESTORE, "in PreRestore", apply_list },
        { "pre-restore-failure", BC_PRE_RESTORE, "in PreRestore", apply_text },
        { "post-restore-failure", BC_POST_RESTORE, "in PostRestore", apply_text },
        { "failure", ALL_EVENTS, "in every event", apply_failure },
};

vss_result bc_writer_may_set(BcEvent event, const char *key, Why *why) {
        FOREACH_ELEMENT (field, fields) {
                if (strcmp(field->key, key) != 0)
                        continue;
                return field->events & (uint32_t)event
                               ? VSS_S_OK
                               : why_set(why, VSS_E_BAD_STATE, "A writer sets \"%s\" %s only.", key,
                                         field->when);
        }
        return why_set(why, VSS_E_INVALIDARG, "\"%.64s\" is nothing that a writer sets.", key);
}

static vss_result note_ignored(vss_value *ignored, const vss_value *from, const char *key,
                               const char *reason) {
        const char *const texts[][2] = { { "logical-path", component_logical_path(from) },
                                         { "name", component_name(from) },
                                         { "key", key },
                                         { "reason", reason } };
        _cleanup_value_ vss_value *note = NULL;

        /* A hijacked writer shall not fill the log. */
        if (vss_value_count(ignored) >= BC_ENTRIES_MAX)
                return VSS_S_OK;
        note = vss_value_new_dict();
        if (set_texts(note, texts, ELEMENTS(texts)) < 0)
                return VSS_E_OUTOFMEMORY;
        value_make_utf8(note);
        return vss_value_append(ignored, TAKE_PTR(note));
}

static vss_result merge_field(const BcWriter *writer, BcEvent event, vss_value *component,
                              const vss_value *from, const char *key, const vss_value *value,
                              vss_value *ignored) {
        Why why = { "" };
        vss_result result = bc_writer_may_set(event, key, &why);

        if (result < 0 && value_equals(value, vss_value_get(component, key)))
                return VSS_S_OK;
        for (size_t i = 0; i < ELEMENTS(fields) && result >= 0; i++)
                if (strcmp(fields[i].key, key) == 0)
                        result = fields[i].apply(writer, component, key, value, &why);
        if (result >= 0 || result == VSS_E_OUTOFMEMORY)
                return MIN(result, VSS_S_OK);
        return note_ignored(ignored, from, key, why.text);
}

static vss_result merge_component(const BcWriter *writer, BcEvent event, const vss_value *from,
                                  vss_value *ignored) {
        vss_value *component = component_find_mutable(writer->components, component_logical_path(from),
                                                      component_name(from));
        vss_result result = VSS_S_OK;

        if (!component)
                return note_ignored(ignored, from, "", "It is not in the Backup Components Document.");
        for (size_t i = 0; i < vss_value_count(from) && result >= 0; i++) {
                const char *key = vss_value_key_at(from, i) ?: "";

                if (strcmp(key, "logical-path") != 0 && strcmp(key, "name") != 0)
                        result = merge_field(writer, event, component, from, key, vss_value_at(from, i),
                                             ignored);
        }
        return result;
}

vss_result bc_merge(const BcWriter *writer, BcEvent event, const vss_value *answer, vss_value *ignored) {
        const vss_value *components = vss_value_get(answer, "components");
        const vss_value *failed = vss_value_get(answer, "failed-components");
        vss_result result = VSS_S_OK;

        for (size_t i = 0; i < vss_value_count(components) && i < BC_COMPONENTS_MAX && result >= 0; i++)
                result = merge_component(writer, event, vss_value_at(components, i), ignored);
        for (size_t i = 0; i < vss_value_count(failed) && i < BC_COMPONENTS_MAX && result >= 0; i++) {
                const vss_value *from = vss_value_at(failed, i);
                vss_value *component = component_find_mutable(
                        writer->components, component_logical_path(from), component_name(from));

                /* A component that came with another one can fail too; the service knows what to do then. */
                if (component)
                        result = merge_field(writer, event, component, from, "failure", from, ignored);
        }
        return result;
}
