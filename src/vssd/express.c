/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Express writers
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "config.h"
#include "model/id.h"
#include "vssd/documents.h"
#include "vssd/express.h"
#include "vssd/judge.h"

#define DIRECTORY "express.d"
#define SUFFIX ".xml"

enum { DOCUMENTS_MAX = 128 };

DEFINE_CLEANUP(DIR *, closedir)

static int refuse(vss_value *entry, vss_result code, const char *reason) {
        return vss_value_set_integer(entry, "code", code) < 0 ||
                               vss_value_set_string(entry, "reason", reason) < 0
                       ? -ENOMEM
                       : 0;
}

/* What an express writer cannot have, since nobody is called for it; NULL: it has nothing of the kind. */
static const char *find_unsupported_files(const vss_value *files) {
        for (size_t i = 0; i < vss_value_count(files); i++) {
                const vss_value *set = vss_value_at(files, i);
                int64_t mask = vss_value_get_integer(set, "backup-mask", VSS_FSBT_DEFAULT);
                const int64_t partly = VSS_FSBT_DIFFERENTIAL_BACKUP_REQUIRED |
                                       VSS_FSBT_INCREMENTAL_BACKUP_REQUIRED | VSS_FSBT_LOG_BACKUP_REQUIRED;

                if (strcmp(vss_value_get_string(set, "kind", "file"), "file") != 0)
                        return "its components are groups of files; it has database or log files";
                if (*vss_value_get_string(set, "alternate-path", ""))
                        return "its files are read where they are; it has an alternate path";
                if (mask != (int64_t)VSS_FSBT_DEFAULT && (mask & partly))
                        return "it takes part in full backups and copies; it has files of other types";
        }
        return NULL;
}

static const char *find_unsupported(const vss_value *metadata) {
        const vss_value *components = vss_value_get(metadata, "components");
        const vss_value *method = vss_value_get(metadata, "restore-method");

        if (vss_value_get_integer(metadata, "backup-schema", 0) & ~(int64_t)VSS_BS_COPY)
                return "it takes part in full backups and copies; its backup schema says more";
        if (vss_value_get_integer(method, "writer-restore", VSS_WRE_NEVER) > VSS_WRE_NEVER)
                return "nobody is called at a restore; its restore method wants its writer";
        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *component = vss_value_at(components, i);
                const char *why = find_unsupported_files(vss_value_get(component, "files"));

                if (vss_value_get_integer(component, "type", 0) != VSS_CT_FILEGROUP)
                        return "its components are groups of files; it has a database";
                if (vss_value_get_integer(component, "flags", 0) &
                    (int64_t)(VSS_CF_BACKUP_RECOVERY | VSS_CF_APP_ROLLBACK_RECOVERY))
                        return "nobody repairs its shadow copies; a component wants that";
                if (why)
                        return why;
        }
        return NULL;
}

/* As a bus name's element would be: of the name for people, or of the file's. */
static void make_name(const vss_value *metadata, const char *file, char name[static NAME_MAX + 2]) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
        const char *from = vss_value_get_string(metadata, "friendly-name", "");
        size_t n = 0;

        if (!*from)
                from = file;
        if (*from >= '0' && *from <= '9')
                name[n++] = '_';
        for (; *from && n <= NAME_MAX; from++)
                if (strchr(letters, *from))
                        name[n++] = *from;
                else if (n == 0 || name[n - 1] != '_')
                        name[n++] = '_';
        while (n > 1 && name[n - 1] == '_')
                n--;
        name[n] = '\0';
}

static int keep_metadata(vss_value *entry, const char *file, const vss_value *document) {
        _cleanup_value_ vss_value *metadata = vss_value_copy(document);
        const char *why = find_unsupported(document);
        char name[NAME_MAX + 2];

        if (strcmp(vss_value_get_string(document, "kind", ""), "writer-metadata") != 0)
                return refuse(entry, VSS_E_INVALID_XML_DOCUMENT, "it is no Writer Metadata Document");
        if (!id_is_valid(vss_value_get_string(document, "id", "")))
                return refuse(entry, VSS_E_INVALID_XML_DOCUMENT, "its writer has no identity");
        if (why)
                return refuse(entry, VSS_E_NOT_SUPPORTED, why);
        if (vss_value_get_integer(document, "ignored", 0) > 0 &&
            vss_value_append(value_require(metadata, "warnings", VSS_KIND_LIST),
                             vss_value_new_string("elements or attributes of its document are of no known "
                                                  "kind, and left out")) < 0)
                return -ENOMEM;
        make_name(document, file, name);
        if (vss_value_set_string(metadata, "name", name) < 0 ||
            vss_value_set_string(metadata, "instance-name", "") < 0)
                return -ENOMEM;
        return vss_value_set(entry, "metadata", TAKE_PTR(metadata)) < 0 ? -ENOMEM : 0;
}

static int parse(vss_value *entry, const char *file, int fd) {
        WorkerAnswer answer = { .value = vss_value_new_dict() };
        const vss_value *document;
        int r = answer.value ? documents_parse_main(&fd, &answer) : -ENOMEM;

        document = vss_value_get(answer.value, "document");
        if (r >= 0 && document)
                r = keep_metadata(entry, file, document);
        else if (r >= 0)
                r = refuse(entry, (vss_result)vss_value_get_integer(answer.value, "code", VSS_E_UNEXPECTED),
                           vss_value_get_string(answer.value, "message", "it cannot be read"));
        vss_value_free(answer.value);
        return r;
}

static int64_t nanoseconds(const struct timespec *ts) {
        return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

static int note_stat(vss_value *entry, const struct stat *st) {
        return vss_value_set_integer(entry, "device", (int64_t)st->st_dev) < 0 ||
                               vss_value_set_integer(entry, "inode", (int64_t)st->st_ino) < 0 ||
                               vss_value_set_integer(entry, "mtime", nanoseconds(&st->st_mtim)) < 0 ||
                               vss_value_set_integer(entry, "ctime", nanoseconds(&st->st_ctim)) < 0 ||
                               vss_value_set_integer(entry, "size", st->st_size) < 0
                       ? -ENOMEM
                       : 0;
}

static bool is_same(const vss_value *entry, const vss_value *before) {
        static const char *const keys[] = { "device", "inode", "mtime", "ctime", "size" };

        FOREACH_ELEMENT (key, keys)
                if (vss_value_get_integer(entry, *key, -1) != vss_value_get_integer(before, *key, -2))
                        return false;
        return true;
}

/* Like any descriptor: only root may have written it. */
static const char *find_untrusted(const struct stat *st) {
        if (!S_ISREG(st->st_mode))
                return "it is no file";
        if (st->st_uid != 0)
                return "it belongs to another user than root";
        return st->st_mode & 022 ? "others than root may write to it" : NULL;
}

static int read_document(vss_value *documents, const vss_value *before, int directory, const char *path,
                         const char *file) {
        _cleanup_(closep) int fd = openat(directory, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        vss_value *entry = vss_value_new_dict();
        char stem[NAME_MAX + 1];
        const char *why;
        struct stat st;
        int r = 0;

        /* Taken over, and changed from there. */
        if (vss_value_set(documents, path, entry) < 0)
                return -ENOMEM;
        if (fd < 0 || fstat(fd, &st) < 0)
                return refuse(entry, VSS_E_ACCESSDENIED,
                              errno == ELOOP ? "it is a symbolic link" : strerror(errno));
        why = find_untrusted(&st);
        if (why)
                return refuse(entry, VSS_E_ACCESSDENIED, why);
        r = note_stat(entry, &st);
        if (r < 0)
                return r;
        if (is_same(entry, vss_value_get(before, path)))
                return vss_value_set_boolean(entry, "same", true) < 0 ? -ENOMEM : 0;
        if (st.st_size == 0)
                return 0; /* there is none of this name */
        (void)snprintf(stem, sizeof(stem), "%.*s", (int)(strlen(file) - strlen(SUFFIX)), file);
        return parse(entry, stem, fd);
}

static bool is_document(const char *name) {
        size_t n = strlen(name);

        return name[0] != '.' && n > strlen(SUFFIX) && strcmp(name + n - strlen(SUFFIX), SUFFIX) == 0;
}

/* Those of @directory but for names that are in @names, which get there. */
static int read_directory(const char *directory, const vss_value *before, vss_value *names,
                          vss_value *documents) {
        _cleanup_(closedirp) DIR *dir = opendir(directory);
        struct dirent *entry;
        int r = 0;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while (r >= 0 && (entry = readdir(dir))) {
                char path[PATH_MAX];

                if (!is_document(entry->d_name) || vss_value_get(names, entry->d_name))
                        continue;
                if (vss_value_count(names) >= DOCUMENTS_MAX)
                        return -E2BIG;
                (void)snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
                r = vss_value_set_boolean(names, entry->d_name, true) < 0
                            ? -ENOMEM
                            : read_document(documents, before, dirfd(dir), path, entry->d_name);
        }
        return r;
}

int express_read_main(void *arg, WorkerAnswer *answer) {
        const Manager *manager = arg;
        _cleanup_value_ vss_value *names = vss_value_new_dict();
        vss_value *documents = value_require(answer->value, "documents", VSS_KIND_DICT);
        int r = names && documents ? 0 : -ENOMEM;

        if (r >= 0)
                r = read_directory(LINUXVSS_CONFDIR "/" DIRECTORY, manager->express, names, documents);
        if (r >= 0)
                r = read_directory(LINUXVSS_DATADIR "/" DIRECTORY, manager->express, names, documents);
        return r;
}

int express_take(Manager *manager, const vss_value *answer) {
        const vss_value *documents = vss_value_get(answer, "documents");
        _cleanup_value_ vss_value *taken = vss_value_new_dict();

        for (size_t i = 0; i < vss_value_count(documents); i++) {
                const char *path = vss_value_key_at(documents, i);
                const vss_value *entry = vss_value_at(documents, i);

                /* Two may have read at one time. */
                if (vss_value_get_boolean(entry, "same", false))
                        entry = vss_value_get(manager->express, path);
                if (!entry)
                        continue;
                if (vss_value_set(taken, path, vss_value_copy(entry)) < 0)
                        return -ENOMEM;
        }
        if (!taken)
                return -ENOMEM;
        vss_value_free(manager->express);
        manager->express = TAKE_PTR(taken);
        return 0;
}

vss_value *express_descriptor(const vss_value *metadata) {
        _cleanup_value_ vss_value *descriptor = vss_value_new_dict(), *units = vss_value_new_list();
        const char *service = vss_value_get_string(vss_value_get(metadata, "restore-method"), "service", "");

        if (*service && value_append_string(units, service) < 0)
                return NULL;
        /* Elsewhere a service has another kind of name. */
        if (!judge_are_units(units)) {
                vss_value_free(units);
                units = vss_value_new_list();
        }
        if (vss_value_set_string(descriptor, "user", "root") < 0 ||
            vss_value_set_integer(descriptor, "uid", 0) < 0 ||
            vss_value_set_boolean(descriptor, "express", true) < 0 ||
            value_append_string(value_require(descriptor, "roots", VSS_KIND_LIST), "/") < 0 ||
            vss_value_set(descriptor, "units", TAKE_PTR(units)) < 0)
                return NULL;
        return TAKE_PTR(descriptor);
}
