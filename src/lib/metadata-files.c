/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * File sets in what a writer says about itself: those of components, excludes, and mappings for restores
 */

#include <string.h>
#include "lib/metadata-internal.h"
#include "model/filespec.h"

#define MASKS \
        (VSS_FSBT_ALL_BACKUP_REQUIRED | VSS_FSBT_ALL_SNAPSHOT_REQUIRED | VSS_FSBT_CREATED_DURING_BACKUP)

static const char *const kind_names[] = {
        [VSS_FK_FILE] = "file", [VSS_FK_DATABASE] = "database", [VSS_FK_LOG] = "log"
};

static vss_value *files_value(const char *path, const char *filespec, bool recursive) {
        _cleanup_value_ vss_value *f = vss_value_new_dict();

        if (vss_value_set_string(f, "path", path) < 0 || vss_value_set_string(f, "filespec", filespec) < 0 ||
            vss_value_set_boolean(f, "recursive", recursive) < 0)
                return NULL;
        return TAKE_PTR(f);
}

/* Defaults are left out: there may be very many. */
static vss_value *set_value(const struct vss_file_set *set, const char *directory, const char *alternate) {
        _cleanup_value_ vss_value *f = files_value(directory, set->filespec, set->recursive);

        if ((alternate && vss_value_set_string(f, "alternate-path", alternate) < 0) ||
            (set->backup_mask != VSS_FSBT_DEFAULT &&
             vss_value_set_integer(f, "backup-mask", set->backup_mask) < 0) ||
            (set->kind != VSS_FK_FILE && vss_value_set_string(f, "kind", kind_names[set->kind]) < 0))
                return NULL;
        return TAKE_PTR(f);
}

/* @files (taken over) for the list; the key says what it must be unique among. */
static vss_result add_files(vss_metadata *metadata, vss_value *list, MetadataKey *key, vss_value *files) {
        _cleanup_value_ vss_value *own = files;
        vss_result result;

        if (metadata->n_files >= METADATA_FILES_MAX) {
                free(key);
                return VSS_E_OUTOFMEMORY;
        }
        result = metadata_key_add(metadata, key);
        if (result < 0)
                return result;
        result = vss_value_append(list, TAKE_PTR(own));
        if (result < 0)
                metadata_key_drop(metadata, key);
        else
                metadata->n_files++;
        return result;
}

/* Mappings name file sets by these three, whichever component they are of. */
static MetadataKey *triple_key(char kind, const char *directory, const char *filespec, bool recursive) {
        return metadata_key_new(kind, directory, filespec, recursive ? "r" : "", "");
}

/* The rules of the three calls that this is: files of a file group, of a database, and a database's logs. */
static bool kind_is_valid(const struct vss_file_set *set, const vss_value *component) {
        bool database = vss_value_get_integer(component, "type", 0) == VSS_CT_DATABASE;

        if (set->kind == VSS_FK_FILE)
                return !database && !(set->recursive && set->alternate_path);
        return database && !set->recursive && !set->alternate_path;
}

static vss_result add_normal(vss_metadata *metadata, vss_value *component, MetadataKey *key,
                             const struct vss_file_set *set) {
        vss_result result;

        result = add_files(metadata, value_get_mutable(component, "files"), key,
                           set_value(set, set->path, set->alternate_path));
        if (result < 0)
                return result;
        result = metadata_key_add(metadata, triple_key('t', set->path, set->filespec, set->recursive));
        return result == VSS_E_OBJECT_ALREADY_EXISTS ? VSS_S_OK : result;
}

/* @by_type: the kind is that of the component. */
static vss_result add_set(vss_metadata *metadata, const char *logical_path, const char *name,
                          struct vss_file_set *set, bool by_type) {
        _cleanup_(freep) char *directory = directory_normalize(set->path), *alternate = NULL;
        vss_value *component;

        logical_path = logical_path ?: "";
        if (!metadata || !directory || !metadata_name_is_valid(name) ||
            !metadata_logical_path_is_valid(logical_path) || filespec_check(set->filespec, NULL) < 0 ||
            (set->backup_mask & ~MASKS) || (unsigned)set->kind >= ELEMENTS(kind_names))
                return VSS_E_INVALIDARG;
        if (set->alternate_path) {
                alternate = directory_normalize(set->alternate_path);
                if (!alternate)
                        return VSS_E_INVALIDARG;
        }
        component = metadata_find_component(metadata, logical_path, name);
        if (!component)
                return VSS_E_OBJECT_NOT_FOUND;

        set->path = directory;
        set->alternate_path = alternate;
        set->backup_mask = set->backup_mask ?: VSS_FSBT_DEFAULT;
        if (by_type && vss_value_get_integer(component, "type", 0) == VSS_CT_DATABASE)
                set->kind = VSS_FK_DATABASE;
        if (!kind_is_valid(set, component))
                return VSS_E_INVALIDARG;
        return add_normal(metadata, component,
                          metadata_key_new('f', logical_path, name, directory, set->filespec), set);
}

vss_result vss_metadata_add_file_set(vss_metadata *metadata, const char *logical_path, const char *name,
                                     const struct vss_file_set *given) {
        struct vss_file_set set = { 0 };

        if (!given || given->size == 0)
                return VSS_E_INVALIDARG;
        memcpy(&set, given, MIN((size_t)given->size, sizeof(set)));
        return add_set(metadata, logical_path, name, &set, false);
}

vss_result vss_metadata_add_files(vss_metadata *metadata, const char *logical_path, const char *name,
                                  const char *path, const char *filespec, bool recursive) {
        struct vss_file_set set = { .path = path, .filespec = filespec, .recursive = recursive };

        return add_set(metadata, logical_path, name, &set, true);
}

static vss_result add_exclude(vss_metadata *metadata, vss_value *list, char kind, const char *path,
                              const char *filespec, bool recursive) {
        _cleanup_(freep) char *directory = directory_normalize(path);

        if (!directory || filespec_check(filespec, NULL) < 0)
                return VSS_E_INVALIDARG;
        return add_files(metadata, list, metadata_key_new(kind, directory, filespec, "", ""),
                         files_value(directory, filespec, recursive));
}

vss_result vss_metadata_add_exclude(vss_metadata *metadata, const char *path, const char *filespec,
                                    bool recursive) {
        if (!metadata)
                return VSS_E_INVALIDARG;
        return add_exclude(metadata, metadata->excludes, 'x', path, filespec, recursive);
}

vss_result vss_metadata_add_exclude_from_snapshot(vss_metadata *metadata, const char *path,
                                                  const char *filespec, bool recursive) {
        if (!metadata)
                return VSS_E_INVALIDARG;
        return add_exclude(metadata, metadata->excludes_from_snapshot, 's', path, filespec, recursive);
}

vss_result vss_metadata_add_alternate_mapping(vss_metadata *metadata, const char *path, const char *filespec,
                                              bool recursive, const char *alternate_path) {
        _cleanup_(freep) char *directory = directory_normalize(path),
                              *alternate = directory_normalize(alternate_path);
        _cleanup_value_ vss_value *mapping = NULL;

        if (!metadata || !directory || !alternate || filespec_check(filespec, NULL) < 0)
                return VSS_E_INVALIDARG;
        if (!metadata_key_exists(metadata, 't', directory, filespec, recursive ? "r" : "", ""))
                return VSS_E_OBJECT_NOT_FOUND;
        mapping = files_value(directory, filespec, recursive);
        if (vss_value_set_string(mapping, "alternate-path", alternate) < 0)
                return VSS_E_OUTOFMEMORY;
        return add_files(metadata, metadata->mappings, triple_key('m', directory, filespec, recursive),
                         TAKE_PTR(mapping));
}
