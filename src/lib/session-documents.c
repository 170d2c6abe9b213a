/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: documents, which travel as sealed memfds
 */

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "lib/session.h"

#define DOCUMENT_SIZE_MAX (64u << 20)
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int make_document(const char *text, size_t size, int *ret_fd) {
        _cleanup_(closep) int fd = memfd_create("linuxvss-document", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return -errno;
        while (size > 0) {
                ssize_t n = write(fd, text, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                text += n;
                size -= (size_t)n;
        }
        if (lseek(fd, 0, SEEK_SET) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static vss_result begin_with(vss_session *session, const char *member, const char *document, size_t size,
                             vss_async **ret_async) {
        _cleanup_(closep) int fd = -1;
        int r;

        if (!session || !document || size == 0)
                return service_invalid(session ? session->service : NULL, "a document has some text");
        if (size > DOCUMENT_SIZE_MAX)
                return service_fail(session->service, VSS_E_INVALID_XML_DOCUMENT, "document",
                                    "the document is larger than 64 MiB");
        r = make_document(document, size, &fd);
        return r < 0 ? service_fail_errno(session->service, r, NULL)
                     : SESSION_JOB(session, member, ret_async, "h", fd);
}

vss_result vss_session_initialize_for_backup_with_document(vss_session *session, const char *document,
                                                           size_t size, vss_async **ret_async) {
        return begin_with(session, "InitializeForBackupWithDocument", document, size, ret_async);
}

vss_result vss_session_initialize_for_restore(vss_session *session, const char *document, size_t size,
                                              vss_async **ret_async) {
        return begin_with(session, "InitializeForRestore", document, size, ret_async);
}

/* The text in @fd, with a NUL behind it. */
static int read_document(int fd, char **ret_text, size_t *ret_size) {
        _cleanup_(freep) char *text = NULL;
        struct stat st;
        size_t size = 0;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size < 0 || st.st_size > DOCUMENT_SIZE_MAX)
                return -EBADMSG;
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return -ENOMEM;
        while (size < (size_t)st.st_size) {
                ssize_t n = pread(fd, text + size, (size_t)st.st_size - size, (off_t)size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG;
                size += (size_t)n;
        }
        text[size] = '\0';
        *ret_text = TAKE_PTR(text);
        if (ret_size)
                *ret_size = size;
        return 0;
}

static vss_result take_document(vss_session *session, sd_bus_message *reply, char **ret_text,
                                size_t *ret_size) {
        int fd, r = sd_bus_message_read(reply, "h", &fd);

        if (r >= 0)
                r = read_document(fd, ret_text, ret_size);
        return r < 0 ? service_fail_errno(session->service, r, NULL) : VSS_S_OK;
}

vss_result vss_session_save_as_xml(vss_session *session, char **ret_text, size_t *ret_size) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        vss_result result;

        if (!session || !ret_text)
                return service_invalid(session ? session->service : NULL,
                                       "a document needs a place to be put");
        result = SESSION_CALL(session, "SaveAsXML", &reply, "");
        return result < 0 ? result : take_document(session, reply, ret_text, ret_size);
}

vss_result vss_session_save_writer_metadata(vss_session *session, const char *writer, char **ret_text,
                                            size_t *ret_size) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        vss_result result;

        if (!session || !writer || !ret_text)
                return service_invalid(session ? session->service : NULL,
                                       "metadata has a writer and needs a place to be put");
        result = SESSION_CALL(session, "SaveWriterMetadata", &reply, "s", writer);
        return result < 0 ? result : take_document(session, reply, ret_text, ret_size);
}
