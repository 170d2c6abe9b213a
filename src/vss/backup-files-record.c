/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What became of a backup's files: of each of its components, and the record that lies in the point
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "model/component.h"
#include "model/path.h"
#include "util/utf8.h"
#include "vss/backup-files-internal.h"
#include "vss/json.h"

bool backup_files_excludes(const BackupFiles *files, const char *path, bool is_directory) {
        for (size_t i = 0; i < files->n_writers; i++)
                if (file_plan_excludes(files->writers[i].plan, path, is_directory))
                        return true;
        return false;
}

/* ---- failures ---- */

/* The first record at or behind @path. */
static size_t find_record(const BackupFiles *files, const char *path) {
        size_t low = 0, high = files->n_records;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (strcmp(files->records[middle].path, path) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

void backup_files_name(const BackupFiles *files, const char *path, char name[static COMPONENT_NAME_SIZE]) {
        size_t i = find_record(files, path);
        const FileRecord *record = i < files->n_records ? &files->records[i] : NULL;
        const vss_value *component;
        const char *logical_path;

        name[0] = '\0';
        if (!record || strcmp(record->path, path) != 0 || !record->job)
                return;
        component = record->job->component ?: record->job->explicit_component;
        logical_path = vss_value_get_string(component, "logical-path", "");
        (void)snprintf(name, COMPONENT_NAME_SIZE, "%s:%s%s/%s", files_writer_name(files, record->plan),
                       *logical_path ? "/" : "", logical_path, vss_value_get_string(component, "name", ""));
}

/* Names that begin like a directory's and go on with less than a slash stand between it and what is in it.
 */
static void fail_records(BackupFiles *files, const char *path, const char *why) {
        size_t n = strlen(path);

        for (size_t i = find_record(files, path); i < files->n_records; i++) {
                FileRecord *record = &files->records[i];
                FileOwner *owner;

                if (strncmp(record->path, path, n) != 0)
                        break;
                if (record->failed || !path_is_below(record->path, path))
                        continue;
                record->failed = true;
                owner = files_find_owner(files, record->plan, record->job->explicit_component);
                if (owner)
                        files_fail_owner(owner, record->path, why);
        }
}

/* Of whole volumes there is no list: whose file was it? */
static void fail_jobs(BackupFiles *files, const char *path, const char *why) {
        for (size_t i = 0; i < files->n_writers; i++)
                for (size_t j = 0; j < file_plan_count(files->writers[i].plan); j++) {
                        const FileJob *job = file_plan_job(files->writers[i].plan, j);
                        FileOwner *owner;

                        if (!filespec_covers(job->source, job->filespec, job->recursive, path) &&
                            !path_is_below(job->source, path))
                                continue;
                        owner = files_find_owner(files, i, job->explicit_component);
                        if (owner)
                                files_fail_owner(owner, path, why);
                }
}

void backup_files_fail(BackupFiles *files, const char *path, const char *why) {
        if (!files)
                return;
        if (files->chosen)
                fail_records(files, path, why);
        else
                fail_jobs(files, path, why);
}

static vss_value *judge(const BackupFiles *files, const FileOwner *owner) {
        _cleanup_value_ vss_value *value = vss_value_new_dict();

        if (vss_value_set_string(value, "writer", files_writer_name(files, owner->plan)) < 0 ||
            vss_value_set_string(value, "logical-path", component_logical_path(owner->component)) < 0 ||
            vss_value_set_string(value, "name", component_name(owner->component)) < 0 ||
            vss_value_set_boolean(value, "succeeded", owner->n_failed == 0) < 0)
                return NULL;
        if (files->chosen && vss_value_set_integer(value, "files", (int64_t)owner->n_files) < 0)
                return NULL;
        if (owner->n_failed > 0 &&
            (vss_value_set_integer(value, "files-failed", (int64_t)owner->n_failed) < 0 ||
             vss_value_set_string(value, "reason",
                                  owner->reason ? text_make_utf8(owner->reason) : "out of memory") < 0))
                return NULL;
        return TAKE_PTR(value);
}

vss_value *backup_files_judge(const BackupFiles *files) {
        _cleanup_value_ vss_value *list = vss_value_new_list();

        for (size_t i = 0; list && i < files->n_owners; i++)
                if (!files->owners[i].partial && vss_value_append(list, judge(files, &files->owners[i])) < 0)
                        return NULL;
        return TAKE_PTR(list);
}

/* ---- the record ---- */

/* Bytes that are no UTF-8 are written as U+DC80 to U+DCFF would be, but readable: "\xNN"; so is the
 * backslash. */
static int set_path(json_t *line, const char *key, const char *path) {
        _cleanup_(freep) char *text = NULL;
        size_t n = 0;

        if (text_is_utf8(path) && !strchr(path, '\\'))
                return json_object_set_new(line, key, json_string(path));
        text = malloc(strlen(path) * 4 + 1);
        for (const char *p = path; text && *p; p++)
                if (*p == '\\' || (unsigned char)*p >= 0x80)
                        n += (size_t)snprintf(text + n, 5, "\\x%02x", (unsigned char)*p);
                else
                        text[n++] = *p;
        return text ? json_object_set_new(line, key, json_stringn(text, n)) : -1;
}

static int set_string(json_t *line, const char *key, const char *text) {
        return json_object_set_new(line, key, json_string(text));
}

/* The specification that found it: what is of no file set has one of its own. */
static int set_specification(json_t *line, const FileRecord *record) {
        const char *name = strrchr(record->path, '/') + 1;
        _cleanup_(freep) char *directory = strndup(record->path, (size_t)MAX(name - record->path - 1, 1));

        if (!record->beside)
                return set_string(line, "original", record->job->directory) < 0 ||
                                       set_string(line, "pattern", record->job->filespec) < 0 ||
                                       json_object_set_new(line, "recursive",
                                                           json_boolean(record->job->recursive)) < 0
                               ? -1
                               : 0;
        return !directory || set_path(line, "original", directory) < 0 || set_path(line, "pattern", name) < 0
                       ? -1
                       : 0;
}

static json_t *describe(const BackupFiles *files, const FileRecord *record) {
        const vss_value *metadata = files->writers[record->plan].metadata;
        const vss_value *component = record->job->component ?: record->job->explicit_component;
        json_t *line = json_object();
        bool alternate = strcmp(record->job->source, record->job->directory) != 0;

        if (!line || set_string(line, "writer-id", vss_value_get_string(metadata, "id", "")) < 0 ||
            set_string(line, "writer", vss_value_get_string(metadata, "name", "")) < 0 ||
            set_string(line, "instance", vss_value_get_string(metadata, "instance-name", "")) < 0 ||
            set_string(line, "logical-path", component_logical_path(component)) < 0 ||
            set_string(line, "name", component_name(component)) < 0 ||
            set_string(line, "set-logical-path", component_logical_path(record->job->explicit_component)) <
                    0 ||
            set_string(line, "set-name", component_name(record->job->explicit_component)) < 0 ||
            set_path(line, "path", record->path) < 0 || set_specification(line, record) < 0 ||
            (record->is_directory && json_object_set_new(line, "directory", json_true()) < 0) ||
            (alternate && record->source && set_path(line, "alternate", record->source) < 0) ||
            (record->live && json_object_set_new(line, "live", json_true()) < 0) ||
            (record->partial &&
             set_string(line, "ranges", vss_value_get_string(record->partial, "ranges", "")) < 0) ||
            json_object_set_new(line, "ok", json_boolean(!record->failed)) < 0) {
                json_decref(line);
                return NULL;
        }
        return line;
}

int backup_files_write(const BackupFiles *files, int directory) {
        _cleanup_(closep) int fd = -1;
        _cleanup_(fclosep) FILE *file = NULL;
        int r = 0;

        if (files->n_records == 0)
                return 0;
        fd = openat(directory, "files.jsonl", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        file = fd < 0 ? NULL : fdopen(fd, "w");
        if (!file)
                return -errno;
        fd = -1;
        for (size_t i = 0; r == 0 && i < files->n_records; i++) {
                json_t *line = describe(files, &files->records[i]);

                r = line && json_dumpf(line, file, JSON_COMPACT) == 0 && fputc('\n', file) != EOF ? 0 : -EIO;
                json_decref(line);
        }
        return r == 0 && fflush(file) != 0 ? -errno : r;
}
