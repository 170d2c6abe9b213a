/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Saved documents: a directory with the Backup Components Document, the writers' documents and an index
 */

#include <errno.h>
#include <fcntl.h>
#include <linuxvss/documents.h>
#include <string.h>
#include <sys/stat.h>
#include "vss/manifest.h"
#include "vss/metadata.h"

#define INDEX_NAME "Manifest.xml"
#define DOCUMENT_NAME "BCDocument.xml"
#define NEW_NAME DOCUMENT_NAME ".new"

void metadata_clear(Metadata *metadata) {
        for (size_t i = 0; i < metadata->n_writers; i++) {
                free(metadata->writers[i].name);
                free(metadata->writers[i].text);
                free(metadata->writers[i].failed);
                (void)vss_value_free(metadata->writers[i].parsed);
        }
        free(metadata->writers);
        free(metadata->document);
        (void)vss_value_free(metadata->parsed);
        (void)vss_value_free(metadata->manifest);
        *metadata = (Metadata){};
}

static int tell_exists(Cli *cli, const char *path) {
        return cli_error_remedy(
                cli, VSS_E_OBJECT_ALREADY_EXISTS, path, "Name another directory, or take this one away.",
                "there is something already; documents are saved in a directory of their own, which is made "
                "for them");
}

int metadata_check_new(Cli *cli, const char *path) {
        _cleanup_(freep) char *copy = strdup(path);
        char *slash;
        struct stat st;

        if (!copy)
                return cli_out_of_memory(cli);
        if (lstat(path, &st) == 0)
                return tell_exists(cli, path);
        if (errno != ENOENT)
                return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, path, "%s", strerror(errno));
        for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
                copy[n - 1] = '\0';
        slash = strrchr(copy, '/');
        if (!slash)
                return EXIT_DONE;
        *(slash == copy ? slash + 1 : slash) = '\0';
        if (stat(copy, &st) < 0 || !S_ISDIR(st.st_mode))
                return cli_error_remedy(cli, VSS_E_OBJECT_NOT_FOUND, path, "Make that one first.",
                                        "there is no directory %s to make it in", copy);
        return EXIT_DONE;
}

/* ---- writing ---- */

static int write_all(int fd, const char *text, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, text, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                text += n;
                size -= (size_t)n;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

static int write_file(int directory, const char *name, const char *text, size_t size) {
        _cleanup_(closep) int fd = openat(directory, name,
                                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        return fd < 0 ? -errno : write_all(fd, text, size);
}

static void writer_file_name(size_t index, char ret_name[32]) {
        (void)snprintf(ret_name, 32, "WM%zu.xml", index);
}

static int complete_manifest(Metadata *metadata) {
        vss_value *writers = vss_value_new_list();

        if (vss_value_set(metadata->manifest, "writers", writers) < 0 ||
            vss_value_set_string(metadata->manifest, "document", DOCUMENT_NAME) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < metadata->n_writers; i++) {
                _cleanup_value_ vss_value *entry = vss_value_new_dict();
                char name[32];

                writer_file_name(i, name);
                if (vss_value_set_string(entry, "name", metadata->writers[i].name) < 0 ||
                    vss_value_set_string(entry, "file", name) < 0 ||
                    (metadata->writers[i].failed &&
                     vss_value_set_string(entry, "failed", metadata->writers[i].failed) < 0) ||
                    vss_value_append(writers, TAKE_PTR(entry)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int write_files(int directory, const Metadata *metadata) {
        _cleanup_(freep) char *index = manifest_format(metadata->manifest);
        int r = index ? write_file(directory, DOCUMENT_NAME, metadata->document, metadata->size) : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < metadata->n_writers; i++) {
                char name[32];

                writer_file_name(i, name);
                r = write_file(directory, name, metadata->writers[i].text, metadata->writers[i].size);
        }
        if (r >= 0)
                r = write_file(directory, INDEX_NAME, index, strlen(index));
        if (r >= 0 && fsync(directory) < 0)
                r = -errno;
        return r;
}

static int pack(MetadataFile *file, const char *name, const char *text, size_t size) {
        (void)snprintf(file->name, sizeof(file->name), "%s", name);
        file->size = size;
        file->text = malloc(size + 1);
        if (!file->text)
                return -ENOMEM;
        memcpy(file->text, text, size);
        file->text[size] = '\0';
        return 0;
}

void metadata_free_files(MetadataFile *files, size_t n) {
        for (size_t i = 0; files && i < n; i++)
                free(files[i].text);
        free(files);
}

int metadata_pack(Cli *cli, Metadata *metadata, MetadataFile **ret_files, size_t *ret_n) {
        size_t n = metadata->n_writers + 2;
        MetadataFile *files = calloc(n, sizeof(*files));
        _cleanup_(freep) char *index = NULL;
        int r = files ? complete_manifest(metadata) : -ENOMEM;

        if (r == 0)
                index = manifest_format(metadata->manifest);
        if (r == 0)
                r = index ? pack(&files[0], INDEX_NAME, index, strlen(index)) : -ENOMEM;
        if (r == 0)
                r = pack(&files[1], DOCUMENT_NAME, metadata->document, metadata->size);
        for (size_t i = 0; r == 0 && i < metadata->n_writers; i++) {
                char name[32];

                writer_file_name(i, name);
                r = pack(&files[i + 2], name, metadata->writers[i].text, metadata->writers[i].size);
        }
        if (r < 0) {
                metadata_free_files(files, n);
                return cli_out_of_memory(cli);
        }
        *ret_files = files;
        *ret_n = n;
        return EXIT_DONE;
}

/* Only what was made here. */
static void remove_files(int directory, const char *path, size_t n_writers) {
        char name[32];

        (void)unlinkat(directory, INDEX_NAME, 0);
        (void)unlinkat(directory, DOCUMENT_NAME, 0);
        for (size_t i = 0; i < n_writers; i++) {
                writer_file_name(i, name);
                (void)unlinkat(directory, name, 0);
        }
        (void)rmdir(path);
}

int metadata_save(Cli *cli, const char *path, Metadata *metadata) {
        _cleanup_(closep) int directory = -1;
        int r = complete_manifest(metadata);

        if (r < 0)
                return cli_out_of_memory(cli);
        if (mkdir(path, 0700) < 0)
                return errno == EEXIST ? tell_exists(cli, path)
                                       : cli_error(cli, VSS_E_UNEXPECTED, path,
                                                   "the directory cannot be made: %s", strerror(errno));
        directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (directory < 0)
                return cli_error(cli, VSS_E_UNEXPECTED, path, "%s", strerror(errno));
        r = write_files(directory, metadata);
        if (r >= 0)
                return EXIT_DONE;
        remove_files(directory, path, metadata->n_writers);
        return cli_error(cli, r == -ENOSPC ? VSS_E_INSUFFICIENT_STORAGE : VSS_E_UNEXPECTED, path,
                         "the documents cannot be saved: %s", strerror(-r));
}

int metadata_replace_document(Cli *cli, const char *path, const char *text, size_t size) {
        _cleanup_(closep) int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int r = directory < 0 ? -errno : write_file(directory, NEW_NAME, text, size);

        if (r >= 0 && renameat(directory, NEW_NAME, directory, DOCUMENT_NAME) < 0)
                r = -errno;
        if (r >= 0 && fsync(directory) < 0)
                r = -errno;
        if (r >= 0)
                return EXIT_DONE;
        if (directory >= 0)
                (void)unlinkat(directory, NEW_NAME, 0);
        return cli_error(cli, VSS_E_UNEXPECTED, path, "%s cannot be written again: %s", DOCUMENT_NAME,
                         strerror(-r));
}

/* ---- reading ---- */

static int read_all(int fd, size_t limit, char **ret_text, size_t *ret_size) {
        _cleanup_(freep) char *text = NULL;
        size_t size = 0;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size < 0 || (uint64_t)st.st_size > limit)
                return -EFBIG;
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return -ENOMEM;
        /* One that grows meanwhile is read as far as it was. */
        while (size < (size_t)st.st_size) {
                ssize_t n = read(fd, text + size, (size_t)st.st_size - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t)n;
        }
        text[size] = '\0';
        *ret_text = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

static int read_file(Cli *cli, int directory, const char *path, const char *name, size_t limit,
                     char **ret_text, size_t *ret_size) {
        _cleanup_(closep) int fd = openat(directory, name,
                                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        int r = fd < 0 ? -errno : read_all(fd, limit, ret_text, ret_size);

        if (r == -EINVAL)
                return cli_error(cli, VSS_E_INVALIDARG, path, "%s is no file", name);
        if (r == -EFBIG)
                return cli_error(cli, VSS_E_INVALIDARG, path, "%s has more than %zu MiB", name, limit >> 20);
        if (r < 0)
                return cli_error_remedy(
                        cli, r == -EACCES ? VSS_E_ACCESSDENIED : VSS_E_OBJECT_NOT_FOUND, path,
                        "Name the directory that the documents were saved in, with all files that it had.",
                        "%s: %s", name, r == -ELOOP ? "a symbolic link is not followed here" : strerror(-r));
        return EXIT_DONE;
}

static int load_manifest(Cli *cli, int directory, const char *path, Metadata *metadata) {
        _cleanup_(freep) char *text = NULL;
        ManifestError error = {};
        size_t size;
        int r, status = read_file(cli, directory, path, INDEX_NAME, MANIFEST_SIZE_MAX, &text, &size);

        if (status != EXIT_DONE)
                return status;
        r = manifest_parse(text, size, &error, &metadata->manifest);
        if (r == -EBADMSG)
                return cli_error(cli, VSS_E_CORRUPT_XML_DOCUMENT, path, "%s: line %u: %s", INDEX_NAME,
                                 error.line, error.message);
        return r < 0 ? cli_out_of_memory(cli) : EXIT_DONE;
}

/* What strangers may have written: read here, before anything is done with it. */
static int parse(Cli *cli, const char *path, const char *file, const char *kind, const char *text,
                 size_t size, vss_value **ret_parsed) {
        _cleanup_value_ vss_value *parsed = NULL;
        _cleanup_(freep) char *error = NULL;
        vss_result r = vss_document_parse(text, size, &parsed, &error);

        if (r == VSS_E_OUTOFMEMORY)
                return cli_out_of_memory(cli);
        if (r < 0)
                return cli_error(cli, r, path, "%s%s%s", file, *file ? ": " : "",
                                 error ?: vss_result_text(r));
        if (strcmp(vss_value_get_string(parsed, "kind", ""), kind) != 0)
                return cli_error_remedy(cli, VSS_E_INVALID_XML_DOCUMENT, path,
                                        "Name the directory that the documents were saved in, or its "
                                        "BCDocument.xml.",
                                        "%s%s%s", file, *file ? ": " : "",
                                        strcmp(kind, "writer-metadata") == 0
                                                ? "this is no Writer Metadata Document"
                                                : "this is no Backup Components Document");
        *ret_parsed = TAKE_PTR(parsed);
        return EXIT_DONE;
}

static int load_writers(Cli *cli, int directory, const char *path, Metadata *metadata) {
        const vss_value *writers = vss_value_get(metadata->manifest, "writers");
        size_t n = vss_value_count(writers);

        if (n > METADATA_WRITERS_MAX)
                return cli_error(cli, VSS_E_INVALIDARG, path, "%s names more than %u writers", INDEX_NAME,
                                 METADATA_WRITERS_MAX);
        metadata->writers = calloc(n + 1, sizeof(*metadata->writers));
        if (!metadata->writers)
                return cli_out_of_memory(cli);
        for (size_t i = 0; i < n; i++) {
                MetadataWriter *writer = &metadata->writers[metadata->n_writers++];
                const char *file = vss_value_get_string(vss_value_at(writers, i), "file", "");
                int status = read_file(cli, directory, path, file, METADATA_DOCUMENT_MAX, &writer->text,
                                       &writer->size);

                if (status == EXIT_DONE)
                        status = parse(cli, path, file, "writer-metadata", writer->text, writer->size,
                                       &writer->parsed);
                if (status != EXIT_DONE)
                        return status;
                writer->name = strdup(vss_value_get_string(vss_value_at(writers, i), "name", ""));
                if (!writer->name)
                        return cli_out_of_memory(cli);
        }
        return EXIT_DONE;
}

static int load_directory(Cli *cli, int directory, const char *path, Metadata *metadata) {
        const char *name;
        int status = load_manifest(cli, directory, path, metadata);

        if (status != EXIT_DONE)
                return status;
        name = vss_value_get_string(metadata->manifest, "document", "");
        if (!*name)
                return cli_error(cli, VSS_E_INVALID_XML_DOCUMENT, path,
                                 "%s names no Backup Components Document", INDEX_NAME);
        status = read_file(cli, directory, path, name, METADATA_DOCUMENT_MAX, &metadata->document,
                           &metadata->size);
        if (status == EXIT_DONE)
                status = parse(cli, path, name, "backup-components", metadata->document, metadata->size,
                               &metadata->parsed);
        return status == EXIT_DONE ? load_writers(cli, directory, path, metadata) : status;
}

static int load_file(Cli *cli, int fd, const char *path, Metadata *metadata) {
        int r = read_all(fd, METADATA_DOCUMENT_MAX, &metadata->document, &metadata->size);

        if (r < 0 && r != -ENOMEM)
                return cli_error(cli, VSS_E_INVALIDARG, path,
                                 "this is neither a directory of documents nor a document: %s",
                                 strerror(-r));
        metadata->manifest = vss_value_new_dict();
        if (r < 0 || !metadata->manifest)
                return cli_out_of_memory(cli);
        return parse(cli, path, "", "backup-components", metadata->document, metadata->size,
                     &metadata->parsed);
}

int metadata_load(Cli *cli, const char *path, Metadata *ret_metadata) {
        _cleanup_(metadata_clear) Metadata metadata = {};
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;
        int status;

        if (fd < 0 || fstat(fd, &st) < 0)
                return cli_error_remedy(
                        cli, errno == EACCES ? VSS_E_ACCESSDENIED : VSS_E_OBJECT_NOT_FOUND, path,
                        "Name the directory that the documents were saved in.", "%s",
                        errno == ENOENT ? "there are no documents: there is no such file or directory"
                                        : strerror(errno));
        status = S_ISDIR(st.st_mode) ? load_directory(cli, fd, path, &metadata)
                                     : load_file(cli, fd, path, &metadata);
        if (status != EXIT_DONE)
                return status;
        metadata_clear(ret_metadata);
        *ret_metadata = metadata;
        metadata = (Metadata){};
        return EXIT_DONE;
}
