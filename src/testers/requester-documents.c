/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The test requester's documents: backup-components.xml, and writer-NAME.xml of each writer, in one
 * directory
 *
 * They are written when the backup is over, so that they hold all that writers left and how each component
 * went.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linuxvss/documents.h>
#include <string.h>
#include <sys/stat.h>
#include "testers/requester.h"

#define DOCUMENT "backup-components.xml"
#define WRITERS_MAX 1000u

static int fail(const char *path, const char *why) {
        (void)fprintf(stderr, "vss-test-requester: %s: %s\n", path, why);
        return EXIT_FAILED;
}

static int write_document(int fd, const char *name, const char *text, size_t size) {
        _cleanup_(closep) int file_fd = -1;
        _cleanup_(freep) char *new_name = NULL;
        size_t n = 0;

        if (asprintf(&new_name, "%s.new", name) < 0)
                return -ENOMEM;
        file_fd = openat(fd, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (file_fd < 0)
                return -errno;
        while (n < size) {
                ssize_t k = write(file_fd, text + n, size - n);

                if (k < 0 && errno != EINTR)
                        return -errno;
                n += (size_t)MAX(k, 0);
        }
        if (fsync(file_fd) < 0 || renameat(fd, new_name, fd, name) < 0)
                return -errno;
        return 0;
}

static int save_writer(const Requester *requester, int fd, const char *writer) {
        _cleanup_(freep) char *text = NULL, *name = NULL;
        size_t size;
        vss_result r;
        int error;

        requester_say(requester, "SaveWriterMetadata %s", writer);
        r = vss_session_save_writer_metadata(requester->session, writer, &text, &size);
        if (r < 0)
                return requester_fail(requester, r, "SaveWriterMetadata");
        if (asprintf(&name, "writer-%s.xml", writer) < 0)
                return EXIT_FAILED;
        error = write_document(fd, name, text, size);
        return error < 0 ? fail(name, strerror(-error)) : EXIT_DONE;
}

int requester_save_documents(Requester *requester) {
        const char *directory = requester->conf->documents;
        _cleanup_(freep) char *text = NULL;
        _cleanup_(closep) int fd = -1;
        int status = EXIT_DONE, error;
        size_t size;
        vss_result r;

        if (mkdir(directory, 0700) < 0 && errno != EEXIST)
                return fail(directory, strerror(errno));
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return fail(directory, strerror(errno));
        for (size_t i = 0; status == EXIT_DONE && i < vss_value_count(requester->components); i++)
                status = save_writer(
                        requester, fd,
                        vss_value_get_string(vss_value_at(requester->components, i), "name", ""));
        if (status != EXIT_DONE)
                return status;
        requester_say(requester, "SaveAsXML");
        r = vss_session_save_as_xml(requester->session, &text, &size);
        if (r < 0)
                return requester_fail(requester, r, "SaveAsXML");
        error = write_document(fd, DOCUMENT, text, size);
        return error < 0 || fsync(fd) < 0 ? fail(directory, strerror(error < 0 ? -error : errno))
                                          : EXIT_DONE;
}

static int read_text(int fd, const char *name, char **ret_text, size_t *ret_size) {
        _cleanup_(closep) int file_fd = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        _cleanup_(freep) char *text = NULL;
        struct stat st;
        size_t n = 0;

        if (file_fd < 0 || fstat(file_fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > (off_t)VSS_DOCUMENT_SIZE_MAX)
                return -EFBIG;
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return -ENOMEM;
        while (n < (size_t)st.st_size) {
                ssize_t k = read(file_fd, text + n, (size_t)st.st_size - n);

                if (k < 0 && errno != EINTR)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t)MAX(k, 0);
        }
        text[n] = '\0';
        *ret_size = n;
        *ret_text = TAKE_PTR(text);
        return 0;
}

/* A document of the kind that is wanted there. */
static int read_document(const char *directory, int fd, const char *name, const char *kind, char **ret_text,
                         size_t *ret_size, vss_value **ret_document) {
        char path[PATH_MAX + NAME_MAX + 2];
        _cleanup_value_ vss_value *document = NULL;
        _cleanup_(freep) char *text = NULL, *why = NULL;
        size_t size = 0;
        int r = read_text(fd, name, &text, &size);

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        if (r == -ENOENT)
                return fail(path, "it is not there; --documents names the directory that a backup has made");
        if (r < 0)
                return fail(path, strerror(-r));
        if (vss_document_parse(text, size, &document, &why) < 0)
                return fail(path, why ?: "it cannot be read");
        if (strcmp(vss_value_get_string(document, "kind", ""), kind) != 0)
                return fail(path, "it is another kind of document");
        if (ret_text) {
                *ret_text = TAKE_PTR(text);
                *ret_size = size;
        }
        *ret_document = TAKE_PTR(document);
        return EXIT_DONE;
}

int requester_load_document(const Requester *requester, const char *directory, char **ret_text,
                            size_t *ret_size, vss_value **ret_document) {
        _cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return fail(directory, strerror(errno));
        return read_document(directory, fd, DOCUMENT, "backup-components", ret_text, ret_size, ret_document);
}

int requester_load_metadata(const Requester *requester, const char *directory, vss_value **ret_writers) {
        _cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_value_ vss_value *writers = vss_value_new_list();
        DIR *d = fd < 0 ? NULL : fdopendir(dup(fd));
        struct dirent *entry;
        int status = EXIT_DONE;

        if (!d || !writers)
                return fail(directory, strerror(errno));
        while (status == EXIT_DONE && (entry = readdir(d)) && vss_value_count(writers) < WRITERS_MAX) {
                size_t n = strlen(entry->d_name);
                vss_value *writer = NULL;

                if (strncmp(entry->d_name, "writer-", 7) != 0 || strcmp(entry->d_name + n - 4, ".xml") != 0)
                        continue;
                status = read_document(directory, fd, entry->d_name, "writer-metadata", NULL, NULL, &writer);
                if (status == EXIT_DONE && vss_value_append(writers, writer) < 0)
                        status = EXIT_FAILED;
        }
        (void)closedir(d);
        if (status == EXIT_DONE)
                *ret_writers = TAKE_PTR(writers);
        return status;
}

int requester_load_previous(Requester *requester) {
        int status = requester_load_document(requester, requester->conf->previous, NULL, NULL,
                                             &requester->previous);

        requester->last_backup_usec = vss_value_get_integer(requester->previous, "created-usec", 0);
        return status;
}
