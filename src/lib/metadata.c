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
#include "lib/metadata.h"
#include "lib/participant.h"

#define TEXT_MAX 4095u

typedef struct Key {
        vss_value *component; /* NULL for file sets */
        char text[];
} Key;

struct vss_metadata {
        vss_value *value;
        vss_value *components, *excludes, *missing_rights, *warnings; /* members of value */
        void *keys;
        size_t n_components, n_files;
};

static int key_compare(const void *a, const void *b) {
        const Key *ka = a, *kb = b;

        return strcmp(ka->text, kb->text);
}

/* Elements are parted by a byte that no text from outside has: texts with control characters are refused. */
static Key *key_new(char kind, const char *logical_path, const char *name, const char *path,
                    const char *filespec) {
        size_t size = strlen(logical_path) + strlen(name) + strlen(path) + strlen(filespec) + 6;
        Key *key = calloc(1, sizeof(*key) + size);

        if (key)
                (void)snprintf(key->text, size, "%c%s\001%s\001%s\001%s", kind, logical_path, name, path,
                               filespec);
        return key;
}

/* Takes @key over, also on failure. */
static vss_result key_add(vss_metadata *metadata, Key *key) {
        Key **found;

        if (!key)
                return VSS_E_OUTOFMEMORY;
        found = tsearch(key, &metadata->keys, key_compare);
        if (found && *found == key)
                return VSS_S_OK;
        free(key);
        return found ? VSS_E_OBJECT_ALREADY_EXISTS : VSS_E_OUTOFMEMORY;
}

static void key_drop(vss_metadata *metadata, Key *key) {
        (void)tdelete(key, &metadata->keys, key_compare);
        free(key);
}

vss_metadata *metadata_free(vss_metadata *metadata) {
        if (!metadata)
                return NULL;
        tdestroy(metadata->keys, free);
        vss_value_free(metadata->value);
        free(metadata);
        return NULL;
}

vss_metadata *metadata_new(const struct vss_writer *writer) {
        _cleanup_(metadata_freep) vss_metadata *m = calloc(1, sizeof(*m));

        if (!m)
                return NULL;
        m->value = vss_value_new_dict();
        if (vss_value_set_string(m->value, "name", writer->name) < 0 ||
            vss_value_set_string(m->value, "id", writer->id) < 0 ||
            vss_value_set_string(m->value, "friendly-name", writer->friendly_name ?: writer->name) < 0 ||
            vss_value_set_string(m->value, "version", writer->version) < 0 ||
            vss_value_set_string(m->value, "library-version", LINUXVSS_VERSION) < 0 ||
            vss_value_set_integer(m->value, "usage", writer->usage) < 0 ||
            vss_value_set_integer(m->value, "source", writer->source) < 0 ||
            vss_value_set_integer(m->value, "level", writer->level) < 0 ||
            vss_value_set_integer(m->value, "freeze-timeout-ms", writer->freeze_timeout_ms) < 0)
                return NULL;
        m->components = value_require(m->value, "components", VSS_KIND_LIST);
        m->excludes = value_require(m->value, "excludes", VSS_KIND_LIST);
        m->missing_rights = value_require(m->value, "missing-rights", VSS_KIND_LIST);
        m->warnings = value_require(m->value, "warnings", VSS_KIND_LIST);
        if (!m->components || !m->excludes || !m->missing_rights || !m->warnings)
                return NULL;
        return TAKE_PTR(m);
}

const vss_value *metadata_value(const vss_metadata *metadata) {
        return metadata->value;
}

/* Short enough, fit for the bus, no control characters. */
static bool text_is_valid(const char *text) {
        if (strlen(text) > TEXT_MAX || !text_is_utf8(text))
                return false;
        for (; *text; text++)
                if ((unsigned char)*text < 0x20 || *text == 0x7F)
                        return false;
        return true;
}

static bool name_is_valid(const char *name) {
        return name[0] && !strchr(name, '/') && text_is_valid(name);
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

static bool logical_path_is_valid(const char *path) {
        return !path[0] || (text_is_valid(path) && elements_are_valid(path));
}

/* An absolute directory without wildcards; one slash at its end is left out. Return: a copy, NULL if it is
 * none. */
static char *directory_normalize(const char *path) {
        char *copy;
        size_t n;

        if (!path || path[0] != '/' || strpbrk(path, "*?") || !text_is_valid(path))
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

static vss_value *component_value(const struct vss_component_info *info) {
        _cleanup_value_ vss_value *c = vss_value_new_dict();

        if (vss_value_set_integer(c, "type", info->type) < 0 ||
            vss_value_set_string(c, "logical-path", info->logical_path) < 0 ||
            vss_value_set_string(c, "name", info->name) < 0 ||
            vss_value_set_string(c, "caption", info->caption) < 0 ||
            vss_value_set_boolean(c, "selectable", info->selectable) < 0 ||
            vss_value_set_boolean(c, "selectable-for-restore", info->selectable_for_restore) < 0 ||
            vss_value_set_integer(c, "flags", info->flags) < 0 ||
            vss_value_set_boolean(c, "needs-one-instant", info->needs_one_instant) < 0 ||
            vss_value_set_string(c, "owner", info->owner) < 0 ||
            vss_value_set_string(c, "crash-only", info->crash_only) < 0 ||
            !value_require(c, "files", VSS_KIND_LIST))
                return NULL;
        return TAKE_PTR(c);
}

vss_result vss_metadata_add_component(vss_metadata *metadata, const struct vss_component_info *given) {
        struct vss_component_info info = { 0 };
        vss_value *component;
        vss_result result;
        Key *key;

        if (!metadata || !given || given->size == 0)
                return VSS_E_INVALIDARG;
        memcpy(&info, given, MIN((size_t)given->size, sizeof(info)));
        info.logical_path = info.logical_path ?: "";
        info.name = info.name ?: "";
        if ((info.type != VSS_CT_DATABASE && info.type != VSS_CT_FILEGROUP) || !name_is_valid(info.name) ||
            !logical_path_is_valid(info.logical_path) || !text_is_valid(info.caption ?: "") ||
            !text_is_valid(info.owner ?: "") || !text_is_valid(info.crash_only ?: ""))
                return VSS_E_INVALIDARG;
        if (metadata->n_components >= METADATA_COMPONENTS_MAX)
                return VSS_E_OUTOFMEMORY;

        key = key_new('c', info.logical_path, info.name, "", "");
        result = key_add(metadata, key);
        if (result < 0)
                return result;
        component = component_value(&info);
        result = vss_value_append(metadata->components, component);
        if (result < 0) {
                key_drop(metadata, key);
                return result;
        }
        key->component = component;
        metadata->n_components++;
        return VSS_S_OK;
}

static vss_value *find_component(vss_metadata *metadata, const char *logical_path, const char *name) {
        _cleanup_(freep) Key *key = key_new('c', logical_path, name, "", "");
        Key **found = key ? tfind(key, &metadata->keys, key_compare) : NULL;

        return found ? (*found)->component : NULL;
}

static vss_value *files_value(const char *path, const char *filespec, bool recursive) {
        _cleanup_value_ vss_value *f = vss_value_new_dict();

        if (vss_value_set_string(f, "path", path) < 0 || vss_value_set_string(f, "filespec", filespec) < 0 ||
            vss_value_set_boolean(f, "recursive", recursive) < 0)
                return NULL;
        return TAKE_PTR(f);
}

/* A file set of the list; the key says what it must be unique among. */
static vss_result add_files(vss_metadata *metadata, vss_value *list, Key *key, const char *path,
                            const char *filespec, bool recursive) {
        vss_result result;

        if (metadata->n_files >= METADATA_FILES_MAX) {
                free(key);
                return VSS_E_OUTOFMEMORY;
        }
        result = key_add(metadata, key);
        if (result < 0)
                return result;
        result = vss_value_append(list, files_value(path, filespec, recursive));
        if (result < 0)
                key_drop(metadata, key);
        else
                metadata->n_files++;
        return result;
}

vss_result vss_metadata_add_files(vss_metadata *metadata, const char *logical_path, const char *name,
                                  const char *path, const char *filespec, bool recursive) {
        _cleanup_(freep) char *directory = NULL;
        vss_value *component;

        if (!metadata || !name || !name_is_valid(name) || !logical_path_is_valid(logical_path ?: "") ||
            !filespec || !name_is_valid(filespec))
                return VSS_E_INVALIDARG;
        directory = directory_normalize(path);
        if (!directory)
                return VSS_E_INVALIDARG;
        component = find_component(metadata, logical_path ?: "", name);
        if (!component)
                return VSS_E_OBJECT_NOT_FOUND;
        return add_files(metadata, value_get_mutable(component, "files"),
                         key_new('f', logical_path ?: "", name, directory, filespec), directory, filespec,
                         recursive);
}

vss_result vss_metadata_add_exclude(vss_metadata *metadata, const char *path, const char *filespec,
                                    bool recursive) {
        _cleanup_(freep) char *directory = NULL;

        if (!metadata || !filespec || !name_is_valid(filespec))
                return VSS_E_INVALIDARG;
        directory = directory_normalize(path);
        if (!directory)
                return VSS_E_INVALIDARG;
        return add_files(metadata, metadata->excludes, key_new('x', "", "", directory, filespec), directory,
                         filespec, recursive);
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
