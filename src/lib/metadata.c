/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a writer says about itself
 *
 * The rules of the contract are kept here, once for all writers: components are unique by logical path and
 * name, file sets by component, path and file specification. The same thing twice is found by a tree of
 * keys, as a writer may have many thousands of them.
 */

#include <search.h>
#include <stdarg.h>
#include <string.h>
#include "config.h"
#include "lib/metadata-internal.h"
#include "lib/participant.h"
#include "model/filespec.h"
#include "model/id.h"

#define COMPONENT_FLAGS (VSS_CF_BACKUP_RECOVERY | VSS_CF_APP_ROLLBACK_RECOVERY | VSS_CF_NOT_SYSTEM_STATE)
#define BACKUP_SCHEMA 0xF7FFu

struct MetadataKey {
        vss_value *component; /* NULL for others */
        char text[];
};

static int key_compare(const void *a, const void *b) {
        const MetadataKey *ka = a, *kb = b;

        return strcmp(ka->text, kb->text);
}

/* Elements are parted by a byte that no text from outside has: texts with control characters are refused. */
MetadataKey *metadata_key_new(char kind, const char *a, const char *b, const char *c, const char *d) {
        size_t size = strlen(a) + strlen(b) + strlen(c) + strlen(d) + 6;
        MetadataKey *key = calloc(1, sizeof(*key) + size);

        if (key)
                (void)snprintf(key->text, size, "%c%s\001%s\001%s\001%s", kind, a, b, c, d);
        return key;
}

vss_result metadata_key_add(vss_metadata *metadata, MetadataKey *key) {
        MetadataKey **found;

        if (!key)
                return VSS_E_OUTOFMEMORY;
        found = tsearch(key, &metadata->keys, key_compare);
        if (found && *found == key)
                return VSS_S_OK;
        free(key);
        return found ? VSS_E_OBJECT_ALREADY_EXISTS : VSS_E_OUTOFMEMORY;
}

void metadata_key_drop(vss_metadata *metadata, MetadataKey *key) {
        (void)tdelete(key, &metadata->keys, key_compare);
        free(key);
}

static const MetadataKey *key_find(const vss_metadata *metadata, char kind, const char *a, const char *b,
                                   const char *c, const char *d) {
        _cleanup_(freep) MetadataKey *key = metadata_key_new(kind, a, b, c, d);
        MetadataKey **found = key ? tfind(key, &metadata->keys, key_compare) : NULL;

        return found ? *found : NULL;
}

bool metadata_key_exists(const vss_metadata *metadata, char kind, const char *a, const char *b,
                         const char *c, const char *d) {
        return key_find(metadata, kind, a, b, c, d) != NULL;
}

vss_metadata *metadata_free(vss_metadata *metadata) {
        if (!metadata)
                return NULL;
        tdestroy(metadata->keys, free);
        vss_value_free(metadata->value);
        free(metadata);
        return NULL;
}

vss_metadata *metadata_new(const struct vss_writer *writer, const char *name, const char *instance_id) {
        _cleanup_(metadata_freep) vss_metadata *m = calloc(1, sizeof(*m));

        if (!m)
                return NULL;
        m->value = vss_value_new_dict();
        if (vss_value_set_string(m->value, "kind", "writer-metadata") < 0 ||
            vss_value_set_string(m->value, "name", name) < 0 ||
            vss_value_set_string(m->value, "id", writer->id) < 0 ||
            vss_value_set_string(m->value, "instance-id", instance_id) < 0 ||
            vss_value_set_string(m->value, "instance-name", writer->instance_name) < 0 ||
            vss_value_set_string(m->value, "friendly-name", writer->friendly_name ?: name) < 0 ||
            vss_value_set_string(m->value, "version", writer->version) < 0 ||
            vss_value_set_string(m->value, "library-version", LINUXVSS_VERSION) < 0 ||
            vss_value_set_integer(m->value, "usage", writer->usage) < 0 ||
            vss_value_set_integer(m->value, "source", writer->source) < 0 ||
            vss_value_set_integer(m->value, "level", writer->level) < 0 ||
            vss_value_set_integer(m->value, "freeze-timeout-ms", writer->freeze_timeout_ms) < 0 ||
            vss_value_set_integer(m->value, "backup-schema", writer->backup_schema) < 0 ||
            vss_value_set_boolean(m->value, "verifies", writer->verify != NULL) < 0 ||
            vss_value_set_boolean(m->value, "knows-dry-run", writer->knows_dry_run) < 0)
                return NULL;
        m->components = value_require(m->value, "components", VSS_KIND_LIST);
        m->excludes = value_require(m->value, "excludes", VSS_KIND_LIST);
        m->excludes_from_snapshot = value_require(m->value, "excludes-from-snapshot", VSS_KIND_LIST);
        m->mappings = value_require(m->value, "alternate-mappings", VSS_KIND_LIST);
        m->missing_rights = value_require(m->value, "missing-rights", VSS_KIND_LIST);
        m->warnings = value_require(m->value, "warnings", VSS_KIND_LIST);
        if (!m->components || !m->excludes || !m->excludes_from_snapshot || !m->mappings ||
            !m->missing_rights || !m->warnings)
                return NULL;
        return TAKE_PTR(m);
}

const vss_value *metadata_value(const vss_metadata *metadata) {
        return metadata->value;
}

bool metadata_text_is_valid(const char *text) {
        if (strlen(text) > METADATA_TEXT_MAX || !text_is_utf8(text))
                return false;
        for (; *text; text++)
                if ((unsigned char)*text < 0x20 || *text == 0x7F)
                        return false;
        return true;
}

bool metadata_name_is_valid(const char *name) {
        return name && name[0] && !strchr(name, '/') && metadata_text_is_valid(name);
}

/* Is no element empty, "." or ".."? @path is what follows a leading slash. */
static bool elements_are_valid(const char *path) {
        for (;;) {
                size_t n = strcspn(path, "/");

                if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
                        return false;
                if (!path[n])
                        return true;
                path += n + 1;
        }
}

bool metadata_logical_path_is_valid(const char *path) {
        return !path[0] || (metadata_text_is_valid(path) && elements_are_valid(path));
}

static const char *environment(void *userdata, const char *name) {
        return getenv(name);
}

char *directory_normalize(const char *path) {
        _cleanup_(freep) char *expanded = NULL;
        char *copy;
        size_t n;

        /* A $ further on belongs to the name. */
        if (path && (path[0] == '$' || path[0] == '%')) {
                if (filespec_expand(path, environment, NULL, &expanded, NULL) < 0)
                        return NULL;
                path = expanded;
        }
        if (!path || path[0] != '/' || strpbrk(path, "*?") || !metadata_text_is_valid(path))
                return NULL;
        copy = strdup(path);
        if (!copy)
                return NULL;
        n = strlen(copy);
        if (n > 1 && copy[n - 1] == '/')
                copy[--n] = '\0';
        if (n > 1 && !elements_are_valid(copy + 1)) {
                free(copy);
                return NULL;
        }
        return copy;
}

/* RFC 4648, as documents have it. Return: a new text, NULL without memory. */
static char *base64(const unsigned char *data, size_t size) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        char *text = malloc((size + 2) / 3 * 4 + 1), *p = text;

        for (size_t i = 0; text && i < size; i += 3) {
                size_t n = MIN(size - i, (size_t)3);
                unsigned bits = (unsigned)data[i] << 16 | (n > 1 ? (unsigned)data[i + 1] << 8 : 0) |
                                (n > 2 ? data[i + 2] : 0);

                *p++ = digits[bits >> 18];
                *p++ = digits[bits >> 12 & 63];
                *p++ = n > 1 ? digits[bits >> 6 & 63] : '=';
                *p++ = n > 2 ? digits[bits & 63] : '=';
        }
        if (text)
                *p = '\0';
        return text;
}

static vss_result set_icon(vss_value *component, const struct vss_component_info *info) {
        _cleanup_(freep) char *text = NULL;

        if (info->icon_size == 0)
                return VSS_S_OK;
        text = base64(info->icon, info->icon_size);
        return text ? vss_value_set_string(component, "icon", text) : VSS_E_OUTOFMEMORY;
}

static vss_value *component_value(const struct vss_component_info *info) {
        _cleanup_value_ vss_value *c = vss_value_new_dict();

        if (vss_value_set_integer(c, "type", info->type) < 0 ||
            vss_value_set_string(c, "logical-path", info->logical_path) < 0 ||
            vss_value_set_string(c, "name", info->name) < 0 ||
            vss_value_set_string(c, "caption", info->caption) < 0 || set_icon(c, info) < 0 ||
            vss_value_set_boolean(c, "restore-metadata", info->restore_metadata) < 0 ||
            vss_value_set_boolean(c, "notify-on-backup-complete", info->notify_on_backup_complete) < 0 ||
            vss_value_set_boolean(c, "selectable", info->selectable) < 0 ||
            vss_value_set_boolean(c, "selectable-for-restore", info->selectable_for_restore) < 0 ||
            vss_value_set_integer(c, "flags", info->flags) < 0 ||
            vss_value_set_boolean(c, "needs-one-instant", info->needs_one_instant) < 0 ||
            vss_value_set_string(c, "owner", info->owner) < 0 ||
            vss_value_set_string(c, "crash-only", info->crash_only) < 0 ||
            !value_require(c, "files", VSS_KIND_LIST) || !value_require(c, "dependencies", VSS_KIND_LIST))
                return NULL;
        return TAKE_PTR(c);
}

static bool info_is_valid(const struct vss_component_info *info) {
        return (info->type == VSS_CT_DATABASE || info->type == VSS_CT_FILEGROUP) &&
               metadata_name_is_valid(info->name) && metadata_logical_path_is_valid(info->logical_path) &&
               metadata_text_is_valid(info->caption ?: "") && metadata_text_is_valid(info->owner ?: "") &&
               metadata_text_is_valid(info->crash_only ?: "") && !(info->flags & ~COMPONENT_FLAGS) &&
               info->icon_size <= VSS_ICON_MAX && (info->icon || info->icon_size == 0);
}

vss_result vss_metadata_add_component(vss_metadata *metadata, const struct vss_component_info *given) {
        struct vss_component_info info = { 0 };
        vss_value *component;
        vss_result result;
        MetadataKey *key;

        if (!metadata || !given || given->size == 0)
                return VSS_E_INVALIDARG;
        memcpy(&info, given, MIN((size_t)given->size, sizeof(info)));
        info.logical_path = info.logical_path ?: "";
        if (!info_is_valid(&info))
                return VSS_E_INVALIDARG;
        if (metadata->n_components >= METADATA_COMPONENTS_MAX)
                return VSS_E_OUTOFMEMORY;

        key = metadata_key_new('c', info.logical_path, info.name, "", "");
        result = metadata_key_add(metadata, key);
        if (result < 0)
                return result;
        component = component_value(&info);
        result = vss_value_append(metadata->components, component);
        if (result < 0) {
                metadata_key_drop(metadata, key);
                return result;
        }
        key->component = component;
        metadata->n_components++;
        return VSS_S_OK;
}

vss_value *metadata_find_component(vss_metadata *metadata, const char *logical_path, const char *name) {
        const MetadataKey *key = key_find(metadata, 'c', logical_path, name, "", "");

        return key ? key->component : NULL;
}

static vss_value *dependency_value(const char *writer_id, const char *logical_path, const char *name) {
        _cleanup_value_ vss_value *d = vss_value_new_dict();

        if (vss_value_set_string(d, "writer-id", writer_id) < 0 ||
            vss_value_set_string(d, "logical-path", logical_path) < 0 ||
            vss_value_set_string(d, "name", name) < 0)
                return NULL;
        return TAKE_PTR(d);
}

vss_result vss_metadata_add_dependency(vss_metadata *metadata, const char *logical_path, const char *name,
                                       const char *on_writer_id, const char *on_logical_path,
                                       const char *on_name) {
        _cleanup_(freep) char *target = NULL;
        vss_value *component, *list;
        vss_result result;
        MetadataKey *key;

        logical_path = logical_path ?: "";
        on_logical_path = on_logical_path ?: "";
        if (!metadata || !metadata_name_is_valid(name) || !metadata_logical_path_is_valid(logical_path) ||
            !on_writer_id || !id_is_valid(on_writer_id) || !metadata_name_is_valid(on_name) ||
            !metadata_logical_path_is_valid(on_logical_path))
                return VSS_E_INVALIDARG;
        /* Within a writer, logical paths say what belongs together. */
        if (strcmp(vss_value_get_string(metadata->value, "id", ""), on_writer_id) == 0)
                return VSS_E_INVALIDARG;
        component = metadata_find_component(metadata, logical_path, name);
        if (!component)
                return VSS_E_OBJECT_NOT_FOUND;
        if (metadata->n_dependencies >= METADATA_DEPENDENCIES_MAX)
                return VSS_E_OUTOFMEMORY;
        if (asprintf(&target, "%s\001%s\001%s", on_writer_id, on_logical_path, on_name) < 0) {
                target = NULL;
                return VSS_E_OUTOFMEMORY;
        }

        key = metadata_key_new('d', logical_path, name, target, "");
        result = metadata_key_add(metadata, key);
        if (result < 0)
                return result;
        list = value_get_mutable(component, "dependencies");
        result = vss_value_append(list, dependency_value(on_writer_id, on_logical_path, on_name));
        if (result < 0)
                metadata_key_drop(metadata, key);
        else
                metadata->n_dependencies++;
        return result;
}

vss_result vss_metadata_set_restore_method(vss_metadata *metadata, enum vss_restore_method method,
                                           const char *service, const char *user_procedure,
                                           enum vss_writer_restore writer_restore, bool reboot_required) {
        _cleanup_value_ vss_value *value = NULL;
        bool wants_service = method == VSS_RME_STOP_RESTORE_START || method == VSS_RME_RESTORE_STOP_START;

        service = service ?: "";
        user_procedure = user_procedure ?: "";
        if (!metadata || method < VSS_RME_RESTORE_IF_NOT_THERE || method > VSS_RME_RESTORE_STOP_START ||
            writer_restore < VSS_WRE_NEVER || writer_restore > VSS_WRE_ALWAYS ||
            (wants_service && !service[0]) || !metadata_text_is_valid(service) ||
            !metadata_text_is_valid(user_procedure))
                return VSS_E_INVALIDARG;
        if (vss_value_get(metadata->value, "restore-method"))
                return VSS_E_OBJECT_ALREADY_EXISTS;
        value = vss_value_new_dict();
        if (vss_value_set_integer(value, "method", method) < 0 ||
            vss_value_set_string(value, "service", service) < 0 ||
            vss_value_set_string(value, "user-procedure", user_procedure) < 0 ||
            vss_value_set_integer(value, "writer-restore", writer_restore) < 0 ||
            vss_value_set_boolean(value, "reboot-required", reboot_required) < 0)
                return VSS_E_OUTOFMEMORY;
        return vss_value_set(metadata->value, "restore-method", TAKE_PTR(value));
}

bool backup_schema_is_valid(uint32_t schema) {
        return !(schema & ~BACKUP_SCHEMA);
}

vss_result vss_metadata_set_backup_schema(vss_metadata *metadata, uint32_t schema) {
        if (!metadata || !backup_schema_is_valid(schema))
                return VSS_E_INVALIDARG;
        return vss_value_set_integer(metadata->value, "backup-schema", schema);
}

vss_result vss_metadata_add_missing_right(vss_metadata *metadata, const char *what, const char *remedy) {
        _cleanup_value_ vss_value *right = NULL;

        if (!metadata || !what || !remedy || !text_is_utf8(what) || !text_is_utf8(remedy))
                return VSS_E_INVALIDARG;
        if (vss_value_count(metadata->missing_rights) >= METADATA_NOTES_MAX)
                return VSS_E_OUTOFMEMORY;
        right = vss_value_new_dict();
        if (vss_value_set_string(right, "what", what) < 0 ||
            vss_value_set_string(right, "remedy", remedy) < 0)
                return VSS_E_OUTOFMEMORY;
        return vss_value_append(metadata->missing_rights, TAKE_PTR(right));
}

vss_result vss_metadata_add_warning(vss_metadata *metadata, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list args;
        int n;

        if (!metadata || !format)
                return VSS_E_INVALIDARG;
        if (vss_value_count(metadata->warnings) >= METADATA_NOTES_MAX)
                return VSS_E_OUTOFMEMORY;
        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        if (n < 0) {
                text = NULL;
                return VSS_E_OUTOFMEMORY;
        }
        return value_append_string(metadata->warnings, text_make_utf8(text));
}
