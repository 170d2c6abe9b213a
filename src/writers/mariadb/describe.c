/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a component of an instance has in it
 */

#include <linux/limits.h>
#include <string.h>
#include "util/value.h"
#include "writers/common/aside.h"
#include "writers/mariadb/logs.h"

/* A log backup has binary logs only. */
#define DATA_MASK                                                          \
        ((VSS_FSBT_ALL_BACKUP_REQUIRED | VSS_FSBT_ALL_SNAPSHOT_REQUIRED) & \
         ~(VSS_FSBT_LOG_BACKUP_REQUIRED | VSS_FSBT_LOG_SNAPSHOT_REQUIRED))

typedef struct Description {
        vss_metadata *metadata;
        const Instance *instance;
        char datadir[PATH_MAX];
        vss_result result; /* the first failure */
} Description;

static void keep(Description *d, vss_result result) {
        if (result < 0 && result != VSS_E_OBJECT_ALREADY_EXISTS && d->result >= 0)
                d->result = result;
}

static bool is_below(const char *path, const char *directory) {
        size_t n = strlen(directory);

        return strncmp(path, directory, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static void add_set(Description *d, const char *path, const char *filespec, bool recursive, uint32_t mask) {
        struct vss_file_set set = { .size = sizeof(set),
                                    .path = path,
                                    .filespec = filespec,
                                    .recursive = recursive,
                                    .backup_mask = mask,
                                    .kind = VSS_FK_FILE };

        keep(d, vss_metadata_add_file_set(d->metadata, d->instance->logical_path, COMPONENT_NAME, &set));
}

/* Directories beside the data directory. */
static void add_elsewhere(Description *d, const char *variable, const char *filespec, bool recursive) {
        char path[PATH_MAX];

        instance_path(d->instance, variable, path, sizeof(path));
        if (*path && !is_below(path, d->datadir))
                add_set(d, path, filespec, recursive, DATA_MASK);
}

static void add_data_files(Description *d) {
        const char *files = instance_get(d->instance, "innodb_data_file_path");
        char home[PATH_MAX], name[PATH_MAX], path[PATH_MAX];

        instance_path(d->instance, "innodb_data_home_dir", home, sizeof(home));
        for (size_t i = 0; i < 64 && data_file_name(*files ? files : "ibdata1", i, name, sizeof(name));
             i++) {
                char *slash;

                if (*home && name[0] != '/')
                        (void)snprintf(path, sizeof(path), "%.2000s/%.2000s", home, name);
                else
                        instance_resolve(d->instance, name, path, sizeof(path));
                slash = strrchr(path, '/');
                if (!slash || is_below(path, d->datadir))
                        continue;
                *slash = '\0';
                add_set(d, path, slash + 1, false, DATA_MASK);
        }
}

static void add_remote_files(Description *d) {
        for (size_t i = 0; i < vss_value_count(d->instance->remote_files); i++) {
                char path[PATH_MAX], *slash;

                instance_resolve(d->instance,
                                 vss_value_string(vss_value_at(d->instance->remote_files, i), ""), path,
                                 sizeof(path));
                slash = strrchr(path, '/');
                if (!slash || is_below(path, d->datadir))
                        continue;
                *slash = '\0';
                add_set(d, path, slash + 1, false, DATA_MASK);
        }
}

static void add_binary_logs(Description *d) {
        char path[PATH_MAX], filespec[NAME_MAX + 8], *slash;

        instance_path(d->instance, "log_bin_basename", path, sizeof(path));
        slash = strrchr(path, '/');
        if (!slash || strlen(slash + 1) > NAME_MAX)
                return;
        *slash = '\0';
        (void)snprintf(filespec, sizeof(filespec), "%s.*", slash + 1);
        /* In the data directory they are in its set already. A log backup has those that PostSnapshot names.
         */
        add_set(d, path, filespec, false,
                VSS_FSBT_LOG_SNAPSHOT_REQUIRED | (is_below(path, d->datadir) ? 0 : DATA_MASK));
}

static void exclude(Description *d, const char *path, const char *filespec, bool recursive) {
        keep(d, vss_metadata_add_exclude(d->metadata, path, filespec, recursive));
}

/* What only the running server needs. */
static void add_excludes(Description *d) {
        static const char *const variables[] = { "pid_file", "socket", "log_error", "general_log_file",
                                                 "slow_query_log_file" };
        static const char *const ours[] = { ASIDE_NAME, ASIDE_DROPPED, LOGS_DIRECTORY };
        char path[PATH_MAX], old[PATH_MAX];

        exclude(d, d->datadir, "ibtmp*", false);
        exclude(d, d->datadir, "*.pid", false);
        FOREACH_ELEMENT (variable, variables) {
                char *slash;

                instance_path(d->instance, *variable, path, sizeof(path));
                slash = strrchr(path, '/');
                if (!slash || !slash[1] || !is_below(path, d->datadir))
                        continue;
                *slash = '\0';
                exclude(d, path, slash + 1, false);
        }
        FOREACH_ELEMENT (name, ours) {
                (void)snprintf(old, sizeof(old), "%.4000s/%s", d->datadir, *name);
                exclude(d, old, "*", true);
        }
}

vss_result instance_describe(vss_metadata *metadata, const Instance *instance, const char *crash_only) {
        Description d = { .metadata = metadata, .instance = instance };
        char caption[512];
        struct vss_component_info info = {
                .size = sizeof(info),
                .type = VSS_CT_FILEGROUP,
                .logical_path = instance->logical_path,
                .name = COMPONENT_NAME,
                .caption = caption,
                .selectable = true,
                .selectable_for_restore = true,
                .flags = VSS_CF_BACKUP_RECOVERY | VSS_CF_APP_ROLLBACK_RECOVERY,
                .crash_only = crash_only,
                .notify_on_backup_complete = true,
        };
        const char *version = instance_get(instance, "version");

        instance_path(instance, "datadir", d.datadir, sizeof(d.datadir));
        (void)snprintf(caption, sizeof(caption), "%s%s%s in %.300s: all databases, restored together only",
                       strstr(instance->program, "mariadb") ? "MariaDB" : "MySQL", *version ? " " : "",
                       version, d.datadir);
        keep(&d, vss_metadata_add_component(metadata, &info));
        add_set(&d, d.datadir, "*", true, DATA_MASK);
        add_data_files(&d);
        add_elsewhere(&d, "innodb_log_group_home_dir", "ib_logfile*", false);
        add_elsewhere(&d, "innodb_undo_directory", "undo*", false);
        add_elsewhere(&d, "aria_log_dir_path", "aria_log*", false);
        add_remote_files(&d);
        for (size_t i = 0; i < vss_value_count(instance->other_directories); i++)
                add_set(&d, vss_value_string(vss_value_at(instance->other_directories, i), ""), "*", true,
                        DATA_MASK);
        add_binary_logs(&d);
        add_excludes(&d);
        if (strcasecmp(instance_get(instance, "wsrep_on"), "ON") == 0)
                keep(&d, vss_metadata_add_warning(
                                 metadata,
                                 "%s is a node of a Galera cluster: BACKUP STAGE pauses it, and may hold up "
                                 "the cluster; back up a node that does not take writes",
                                 instance->logical_path));
        if (instance->missing_right)
                keep(&d, vss_metadata_add_missing_right(metadata, instance->missing_right,
                                                        instance->remedy ?: ""));
        return d.result;
}

static int add_place(vss_value *places, const char *path) {
        if (!*path || value_contains(places, path))
                return 0;
        return value_append_string(places, path) < 0 ? -ENOMEM : 0;
}

static int add_variable(const Instance *instance, const char *variable, vss_value *places) {
        char path[PATH_MAX], *slash;

        instance_path(instance, variable, path, sizeof(path));
        slash = strrchr(path, '/');
        if (slash && strcmp(variable, "log_bin_basename") == 0)
                *slash = '\0';
        return add_place(places, path);
}

vss_value *instance_places(const Instance *instance) {
        static const char *const variables[] = { "datadir",
                                                 "innodb_data_home_dir",
                                                 "innodb_log_group_home_dir",
                                                 "innodb_undo_directory",
                                                 "aria_log_dir_path",
                                                 "log_bin_basename" };
        _cleanup_value_ vss_value *places = vss_value_new_list();
        char path[PATH_MAX];
        int r = places ? 0 : -ENOMEM;

        FOREACH_ELEMENT (variable, variables)
                if (r >= 0)
                        r = add_variable(instance, *variable, places);
        for (size_t i = 0; i < vss_value_count(instance->remote_files) && r >= 0; i++) {
                instance_resolve(instance, vss_value_string(vss_value_at(instance->remote_files, i), ""),
                                 path, sizeof(path));
                r = add_place(places, path);
        }
        for (size_t i = 0; i < vss_value_count(instance->other_directories) && r >= 0; i++)
                r = add_place(places, vss_value_string(vss_value_at(instance->other_directories, i), ""));
        return r < 0 ? NULL : TAKE_PTR(places);
}
