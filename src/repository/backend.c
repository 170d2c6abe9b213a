/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where a repository lies
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include "repository/backend-channel.h"
#include "repository/backend-local.h"
#include "repository/backend-sftp.h"
#include "repository/crypto.h"

static const struct {
        const char *directory, *name;
} kinds[STORE_KINDS] = {
        [STORE_CONFIG] = { "config", "config" },   [STORE_KEY] = { "keys", "key file" },
        [STORE_LOCK] = { "locks", "lock file" },   [STORE_SNAPSHOT] = { "snapshots", "point" },
        [STORE_INDEX] = { "index", "index file" }, [STORE_PACK] = { "data", "pack" },
};

const char *store_kind_directory(StoreKind kind) {
        return kinds[kind].directory;
}

const char *store_kind_name(StoreKind kind) {
        return kinds[kind].name;
}

const char *store_path(StoreKind kind, const BlobId *id, char path[static STORE_PATH_SIZE]) {
        char text[BLOB_ID_TEXT] = "";

        if (id)
                (void)blob_id_text(id, text);
        if (kind == STORE_CONFIG)
                (void)snprintf(path, STORE_PATH_SIZE, "config");
        else if (kind == STORE_PACK)
                (void)snprintf(path, STORE_PATH_SIZE, "data/%.2s/%s", text, text);
        else
                (void)snprintf(path, STORE_PATH_SIZE, "%s/%s", kinds[kind].directory, text);
        return path;
}

const char *store_explain(int error) {
        switch (error) {
        case -ENODATA:
                return "It is cut off: shorter than it has to be";
        case -EBADMSG:
                return "It is no file, or not one that can be";
        case -ENOTCONN:
                return "The connection has ended";
        case -ETIMEDOUT:
                return "The other machine does not answer any more";
        default:
                return strerror(-error);
        }
}

#define TEMPORARY_MARK "-tmp-"
#define RANDOM_DIGITS 16u

int store_temporary_name(const char *path, char name[static STORE_TEMPORARY_SIZE]) {
        uint64_t random;
        int r = crypto_random(&random, sizeof(random));

        (void)snprintf(name, STORE_TEMPORARY_SIZE, "%s" TEMPORARY_MARK "%016" PRIx64, path, random);
        return r;
}

/* Those of restic have no sixteen hexadecimal digits. */
bool store_is_temporary(const char *name) {
        const char *mark = strstr(name, TEMPORARY_MARK), *digits = mark ? mark + strlen(TEMPORARY_MARK) : "";
        BlobId id;

        return mark && blob_id_parse(name, (size_t)(mark - name), &id) == 0 &&
               strspn(digits, "0123456789abcdef") == RANDOM_DIGITS && digits[RANDOM_DIGITS] == '\0';
}

Backend *backend_free(Backend *backend) {
        if (backend)
                backend->ops->free(backend);
        return NULL;
}

const char *backend_here(const char *location) {
        return strncmp(location, "here:", 5) == 0 ? location + 5 : NULL;
}

/* The socket to where the verb was given; -1: that is here. */
static int channel_fd(void) {
        const char *text = getenv("VSS_CHANNEL_FD");
        char *end = NULL;
        long number = text ? strtol(text, &end, 10) : -1;
        socklen_t size = sizeof(int);
        int type = 0;

        if (number <= STDERR_FILENO || number > INT32_MAX || *end ||
            getsockopt((int)number, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
                return -1;
        /* Nobody else's: commands that are run do not get it. */
        (void)fcntl((int)number, F_SETFD, FD_CLOEXEC);
        return (int)number;
}

const char *backend_directory(const char *location) {
        const char *here = backend_here(location);

        if (here && channel_fd() >= 0)
                return NULL;
        location = here ?: location;
        if (strncmp(location, "local:", 6) == 0)
                return location + 6;
        return strncmp(location, "sftp:", 5) == 0 ? NULL : location;
}

int backend_open(const char *location, const char *const *sftp_command, bool create, Why *why,
                 Backend **ret_backend) {
        const char *here = backend_here(location);
        int fd = here ? channel_fd() : -1;

        if (fd >= 0)
                return backend_channel_open(fd, location, why, ret_backend);
        location = here ?: location;
        if (strncmp(location, "sftp:", 5) == 0)
                return backend_sftp_open(location + 5, sftp_command, create, why, ret_backend);
        if (strncmp(location, "local:", 6) == 0)
                location += 6;
        else if (strncmp(location, "s3:", 3) == 0 || strncmp(location, "rest:", 5) == 0)
                return repo_fail(why, -EPROTONOSUPPORT,
                                 "%s: repositories are directories, or reached with sftp:HOST:PATH.",
                                 location);
        return backend_local_open(location, create, why, ret_backend);
}
