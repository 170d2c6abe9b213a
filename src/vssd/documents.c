/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Documents: read and written by a program of their own
 */

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "config.h"
#include "util/utf8.h"
#include "util/value-codec.h"
#include "vssd/documents.h"

#define PROGRAM LINUXVSS_LIBEXECDIR "/vss-documents"

enum { NOBODY = 65534, ERROR_SIZE = 1024 };
/* What it ends with when the document is to blame. */
enum { ENDED_CORRUPT = 3, ENDED_INVALID = 4 };

static int fail(WorkerAnswer *answer, vss_result code, const char *message) {
        return vss_value_set_integer(answer->value, "code", code) < 0 ||
                               vss_value_set_string(answer->value, "message", message) < 0
                       ? -ENOMEM
                       : 0;
}

/* The program does the same to itself, and more; so neither has to trust the other to. */
_Noreturn static void run_program(const char *verb, const int fds[3]) {
        static char *const environment[] = { NULL };
        const struct rlimit time = { DOCUMENT_SECONDS, DOCUMENT_SECONDS };
        char *const arguments[] = { (char *)PROGRAM, (char *)verb, NULL };

        for (int i = 0; i < 3; i++)
                if (dup2(fds[i], i) < 0)
                        _exit(127);
        /* What the kernel does not grant (in containers) is not missed: descriptors and rights are gone
         * anyway. */
        (void)unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS);
        if (close_range(3, ~0u, 0) < 0 || setrlimit(RLIMIT_CPU, &time) < 0 || chdir("/") < 0)
                _exit(127);
        if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                               setresuid(NOBODY, NOBODY, NOBODY) < 0))
                _exit(127);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                _exit(127);
        (void)execve(PROGRAM, arguments, environment);
        _exit(127);
}

static void read_error(int fd, char *text, size_t size) {
        ssize_t n = pread(fd, text, size - 1, 0);

        text[MAX(n, 0)] = '\0';
        text[strcspn(text, "\n")] = '\0';
        (void)text_make_utf8(text);
}

/* @fds: copied to 3 and above, so that none of them is in another's place. */
static int start_program(const char *verb, int in, int out, int err, pid_t *ret_pid) {
        const int given[3] = { in, out, err };
        int fds[3] = { -1, -1, -1 }, r = 0;
        pid_t pid = -1;

        for (int i = 0; i < 3 && r >= 0; i++) {
                fds[i] = fcntl(given[i], F_DUPFD_CLOEXEC, 3);
                r = fds[i] < 0 ? -errno : 0;
        }
        if (r >= 0) {
                pid = fork();
                if (pid == 0)
                        run_program(verb, fds);
                r = pid < 0 ? -errno : 0;
        }
        for (int i = 0; i < 3; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
        *ret_pid = pid;
        return r;
}

/* Return: 0 if it did what it is there for; 1 if @answer says what is wrong; a negative errno. */
static int convert(const char *verb, int in, int out, WorkerAnswer *answer) {
        _cleanup_(closep) int err = memfd_create("linuxvss-error", MFD_CLOEXEC);
        char message[ERROR_SIZE];
        pid_t pid = -1;
        int status, r;

        r = err < 0 ? -errno : start_program(verb, in, out, err, &pid);
        if (r < 0)
                return r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                (void)snprintf(message, sizeof(message), PROGRAM " cannot be started. Is it installed?");
        else
                read_error(err, message, sizeof(message));
        if (!*message)
                (void)snprintf(message, sizeof(message),
                               PROGRAM " was ended: it took too much time or memory.");
        r = fail(answer,
                 !WIFEXITED(status)                     ? VSS_E_INVALID_XML_DOCUMENT
                 : WEXITSTATUS(status) == ENDED_CORRUPT ? VSS_E_CORRUPT_XML_DOCUMENT
                 : WEXITSTATUS(status) == ENDED_INVALID ? VSS_E_INVALID_XML_DOCUMENT
                                                        : VSS_E_UNEXPECTED,
                 message);
        return r < 0 ? r : 1;
}

/* Its owner may change it while it is read, and may have left its position anywhere: what is read is a copy.
 */
static int copy_document(int fd, int *ret_copy) {
        _cleanup_(closep) int copy = memfd_create("linuxvss-document", MFD_CLOEXEC);
        char buffer[64 * 1024];
        struct stat st;
        off_t at = 0;
        ssize_t n;

        if (copy < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > DOCUMENT_SIZE_MAX)
                return -EFBIG;
        while (at <= DOCUMENT_SIZE_MAX && (n = pread(fd, buffer, sizeof(buffer), at)) != 0) {
                if (n < 0)
                        return -errno;
                if (write(copy, buffer, (size_t)n) != n)
                        return -EIO;
                at += n;
        }
        if (at > DOCUMENT_SIZE_MAX)
                return -EFBIG;
        if (lseek(copy, 0, SEEK_SET) < 0)
                return -errno;
        *ret_copy = TAKE_FD(copy);
        return 0;
}

static int read_value(int fd, vss_value **ret_value) {
        struct stat st;
        void *data;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size <= 0 || st.st_size > VALUE_ENCODED_MAX)
                return -EBADMSG;
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
                return -errno;
        r = value_decode(data, (size_t)st.st_size, ret_value);
        (void)munmap(data, (size_t)st.st_size);
        return r;
}

int documents_parse_main(void *arg, WorkerAnswer *answer) {
        _cleanup_(closep) int in = -1, out = memfd_create("linuxvss-values", MFD_CLOEXEC);
        vss_value *document = NULL;
        int r = out < 0 ? -errno : copy_document(*(const int *)arg, &in);

        if (r == -EINVAL)
                return fail(answer, VSS_E_INVALIDARG, "It is neither a memfd nor a file.");
        if (r == -EFBIG)
                return fail(answer, VSS_E_INVALID_XML_DOCUMENT, "It is larger than 64 MiB.");
        if (r >= 0)
                r = convert("parse", in, out, answer);
        if (r == 0) {
                r = read_value(out, &document);
                if (r >= 0)
                        r = vss_value_set(answer->value, "document", document) < 0 ? -ENOMEM : 0;
        }
        return MIN(r, 0);
}

int documents_format_main(void *arg, WorkerAnswer *answer) {
        _cleanup_(closep) int in = memfd_create("linuxvss-values", MFD_CLOEXEC),
                              out = memfd_create("linuxvss-document", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        _cleanup_(freep) uint8_t *data = NULL;
        size_t size = 0;
        int r = in < 0 || out < 0 ? -errno : value_encode(arg, &data, &size);

        if (r >= 0 && (write(in, data, size) != (ssize_t)size || lseek(in, 0, SEEK_SET) < 0))
                r = -EIO;
        if (r >= 0)
                r = convert("format", in, out, answer);
        if (r != 0)
                return MIN(r, 0);
        if (lseek(out, 0, SEEK_SET) < 0 ||
            fcntl(out, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;
        answer->fds[answer->n_fds++] = TAKE_FD(out);
        return 0;
}
