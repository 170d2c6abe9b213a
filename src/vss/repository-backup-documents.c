/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is said of a run in the point that it makes, and what the last one had said
 */

#include <dirent.h>
#include <fcntl.h>
#include <linuxvss/documents.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include "model/component.h"
#include "vss/json.h"
#include "vss/repository-backup-internal.h"

#define ENTRIES_MAX 65536u
#define DIRECTORY_NAME "vss-backup-"
/* One that is being made may not be locked yet. */
#define LEFT_SECONDS 60

/* ---- stamps ---- */

static const char *find_stamp(const vss_value *document, const Chosen *chosen) {
        const vss_value *writers = vss_value_get(document, "writers");

        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i);

                if (strcmp(vss_value_get_string(writer, "name", ""), chosen->writer) == 0)
                        return vss_value_get_string(component_find(vss_value_get(writer, "components"),
                                                                   chosen->logical_path, chosen->name),
                                                    "stamp", NULL);
        }
        return NULL;
}

int run_set_stamps(BackupRun *run, Backup *backup) {
        const char *text = vss_value_get_string(run->ready, "document", NULL);
        _cleanup_value_ vss_value *document = NULL;
        _cleanup_(freep) char *why = NULL;

        if (!text)
                return EXIT_DONE;
        if (vss_document_parse(text, strlen(text), &document, &why) < 0) {
                cli_note("the writers are not told of their last backup: its document cannot be read: %s",
                         why ?: "out of memory");
                return EXIT_DONE;
        }
        for (size_t i = 0; i < backup->selection.n; i++) {
                const Chosen *chosen = &backup->selection.items[i];
                const char *stamp = find_stamp(document, chosen);
                vss_result r = stamp ? vss_session_set_previous_backup_stamp(backup->session, chosen->writer,
                                                                             chosen->logical_path,
                                                                             chosen->name, stamp)
                                     : VSS_S_OK;

                if (r < 0)
                        return cli_fail(run->cli, r);
        }
        return EXIT_DONE;
}

/* ---- documents ---- */

static void closedirp(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

static void empty_directory(const char *path) {
        _cleanup_(closedirp) DIR *dir = opendir(path);
        struct dirent *entry;

        for (unsigned i = 0; dir && i < ENTRIES_MAX && (entry = readdir(dir)); i++)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        (void)unlinkat(dirfd(dir), entry->d_name, 0);
}

void run_remove_documents(const char *path) {
        _cleanup_(freep) char *documents = NULL;

        if (!path)
                return;
        if (asprintf(&documents, "%s/documents", path) >= 0) {
                empty_directory(documents);
                (void)rmdir(documents);
        } else {
                documents = NULL;
        }
        empty_directory(path);
        (void)rmdir(path);
}

/* Whoever makes one has it locked, until both processes of the run have ended: what is not locked was left
 * by a run that was killed. */
static bool is_left(int fd) {
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
               (st.st_mode & 077) == 0 && time(NULL) - st.st_mtime > LEFT_SECONDS &&
               flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void sweep(const char *place) {
        _cleanup_(closedirp) DIR *dir = opendir(place);
        struct dirent *entry;

        for (unsigned i = 0; dir && i < ENTRIES_MAX && (entry = readdir(dir)); i++) {
                _cleanup_(freep) char *path = NULL;
                _cleanup_(closep) int fd = -1;

                if (strncmp(entry->d_name, DIRECTORY_NAME, strlen(DIRECTORY_NAME)) != 0)
                        continue;
                fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0 || !is_left(fd))
                        continue;
                if (asprintf(&path, "%s/%s", place, entry->d_name) < 0)
                        path = NULL;
                run_remove_documents(path);
        }
}

/* Locked as long as its descriptor is open. */
static int make_directory(BackupRun *run, char **ret_path, int *ret_fd) {
        const char *places[] = { geteuid() == 0 ? "/run" : NULL, getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"),
                                 "/tmp" };

        FOREACH_ELEMENT (place, places) {
                _cleanup_(freep) char *path = NULL;

                if (!*place || **place != '/')
                        continue;
                if (asprintf(&path, "%s/" DIRECTORY_NAME "XXXXXX", *place) < 0) {
                        path = NULL;
                        return cli_out_of_memory(run->cli);
                }
                sweep(*place);
                if (!mkdtemp(path))
                        continue;
                *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (*ret_fd >= 0 && flock(*ret_fd, LOCK_EX | LOCK_NB) == 0) {
                        *ret_path = TAKE_PTR(path);
                        return EXIT_DONE;
                }
                (void)rmdir(path);
        }
        return cli_error(run->cli, VSS_E_UNEXPECTED, NULL,
                         "there is no place for the documents of the backup (/run, $TMPDIR, /tmp): %s",
                         strerror(errno));
}

static int write_json(BackupRun *run, int directory, const char *name, const vss_value *value) {
        _cleanup_(closep) int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        json_t *json = json_from_value(value);
        int r = fd >= 0 && json ? json_dumpfd(json, fd, JSON_INDENT(2)) : -1;

        json_decref(json);
        if (r < 0 || write(fd, "\n", 1) != 1)
                return cli_error(run->cli, VSS_E_UNEXPECTED, name, "the document cannot be written: %s",
                                 strerror(errno));
        return EXIT_DONE;
}

static vss_result set_strings(vss_value *dict, const char *key, const Strings *strings) {
        vss_value *list = value_require(dict, key, VSS_KIND_LIST);

        for (size_t i = 0; list && i < strings->n; i++)
                if (value_append_string(list, strings->items[i]) < 0)
                        return VSS_E_OUTOFMEMORY;
        value_make_utf8(list);
        return list ? VSS_S_OK : VSS_E_OUTOFMEMORY;
}

static vss_result set_copy(vss_value *dict, const char *key, const vss_value *value) {
        return value ? vss_value_set(dict, key, vss_value_copy(value)) : VSS_S_OK;
}

static vss_value *describe_run(const BackupRun *run) {
        _cleanup_value_ vss_value *value = vss_value_new_dict();
        const RepositoryBackupOptions *o = run->options;
        const vss_value *set = run->backup.set;

        if (vss_value_set_string(value, "backup-type", backup_type_name(o->backup.type)) < 0 ||
            vss_value_set_string(value, "vss", run->required ? "required" : o->vss ?: "auto") < 0 ||
            vss_value_set_string(value, "host", run->job.host) < 0 ||
            vss_value_set_integer(value, "began-usec",
                                  (int64_t)run->begun.tv_sec * 1000000 + run->begun.tv_nsec / 1000) < 0 ||
            vss_value_set_string(value, "session", vss_session_id(run->backup.session)) < 0 ||
            set_copy(value, "set", vss_value_get(set, "set")) < 0 ||
            set_copy(value, "level", vss_value_get(set, "level")) < 0 ||
            set_copy(value, "parent", vss_value_get(run->ready, "parent")) < 0 ||
            set_copy(value, "base", vss_value_get(run->ready, "base")) < 0 ||
            (o->task && vss_value_set_string(value, "task", o->task) < 0) ||
            set_strings(value, "paths", &run->job.point_paths) < 0 ||
            set_strings(value, "read-live", &run->backup.read_live) < 0 ||
            set_copy(value, "components", run->components) < 0 ||
            set_copy(value, "failed", run->failed) < 0 ||
            set_copy(value, "mount-points", run->mount_points) < 0)
                return NULL;
        return TAKE_PTR(value);
}

int run_save_documents(BackupRun *run, char **ret_path, int *ret_fd) {
        _cleanup_value_ vss_value *description = describe_run(run);
        _cleanup_(freep) char *path = NULL, *documents = NULL;
        _cleanup_(closep) int fd = -1;
        int status = description ? make_directory(run, &path, &fd) : cli_out_of_memory(run->cli);

        if (status != EXIT_DONE)
                return status;
        if (asprintf(&documents, "%s/documents", path) < 0) {
                documents = NULL;
                status = cli_out_of_memory(run->cli);
        }
        if (status == EXIT_DONE)
                status = backup_save_documents(&run->backup, documents, NULL);
        if (status == EXIT_DONE)
                status = write_json(run, fd, "set.json", run->backup.set);
        if (status == EXIT_DONE)
                status = write_json(run, fd, "run.json", description);
        if (status != EXIT_DONE) {
                run_remove_documents(path);
                return status;
        }
        *ret_path = TAKE_PTR(path);
        *ret_fd = TAKE_FD(fd);
        return EXIT_DONE;
}
