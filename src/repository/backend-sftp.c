/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A repository on another machine, over SFTP
 */

#include <string.h>
#include "repository/backend-sftp.h"
#include "repository/sftp.h"

#define PREFIXES 256u

typedef struct Remote {
        Backend backend;
        Sftp *sftp;
        char *path;  /* there, without a slash at the end unless it is "/" */
        char *label; /* as it was given */
} Remote;

static void remote_free(Backend *backend) {
        Remote *remote = (Remote *)backend;

        remote->sftp = sftp_free(remote->sftp);
        free(remote->path);
        free(remote->label);
        free(remote);
}

static char *join(const Remote *remote, const char *below) {
        char *path;

        return asprintf(&path, "%s%s%s", remote->path, strcmp(remote->path, "/") == 0 ? "" : "/", below) < 0
                       ? NULL
                       : path;
}

static char *path_of(const Remote *remote, StoreKind kind, const BlobId *id) {
        char below[STORE_PATH_SIZE];

        return join(remote, store_path(kind, id, below));
}

static int fail_file(const Remote *remote, StoreKind kind, const BlobId *id, int error, const char *what,
                     Why *why) {
        char path[STORE_PATH_SIZE];

        return repo_fail(why, error, "%s/%s: %s: %s.", remote->label, store_path(kind, id, path), what,
                         store_explain(error));
}

static int move_into_place(const Remote *remote, const char *temporary, const char *path) {
        int r = sftp_rename(remote->sftp, temporary, path);

        if (r < 0 && r != -ENOTCONN)
                (void)sftp_remove(remote->sftp, temporary);
        return r;
}

static int remote_save(Backend *backend, StoreKind kind, const BlobId *id, const void *data, size_t size,
                       Why *why) {
        const Remote *remote = (const Remote *)backend;
        _cleanup_(freep) char *path = path_of(remote, kind, id), *temporary = NULL;
        char below[STORE_PATH_SIZE], name[STORE_TEMPORARY_SIZE];
        uint64_t there;
        mode_t mode;
        int r = path ? store_temporary_name(store_path(kind, id, below), name) : -ENOMEM;

        if (r < 0)
                return r;
        if (kind == STORE_CONFIG && sftp_stat(remote->sftp, path, &there, &mode) == 0)
                return fail_file(remote, kind, id, -EEXIST, "cannot be written", why);
        temporary = join(remote, name);
        if (!temporary)
                return -ENOMEM;
        r = sftp_write(remote->sftp, temporary, data, size, 0400);
        if (r == -ENOENT && kind == STORE_PACK) {
                char *slash = strrchr(path, '/');

                *slash = '\0';
                (void)sftp_make_directory(remote->sftp, path, 0700);
                *slash = '/';
                r = sftp_write(remote->sftp, temporary, data, size, 0400);
        }
        if (r == 0)
                r = move_into_place(remote, temporary, path);
        else if (r != -ENOTCONN)
                (void)sftp_remove(remote->sftp, temporary);
        return r < 0 ? fail_file(remote, kind, id, r, "cannot be written", why) : 0;
}

static int remote_load(Backend *backend, StoreKind kind, const BlobId *id, uint64_t offset, size_t length,
                       Bytes *data, Why *why) {
        const Remote *remote = (const Remote *)backend;
        _cleanup_(freep) char *path = path_of(remote, kind, id);
        int r = path ? sftp_read(remote->sftp, path, offset, length, STORE_FILE_MAX, data) : -ENOMEM;

        return r < 0 ? fail_file(remote, kind, id, r, "cannot be read", why) : 0;
}

static int remote_size(Backend *backend, StoreKind kind, const BlobId *id, uint64_t *ret_size, Why *why) {
        const Remote *remote = (const Remote *)backend;
        _cleanup_(freep) char *path = path_of(remote, kind, id);
        mode_t mode;
        int r = path ? sftp_stat(remote->sftp, path, ret_size, &mode) : -ENOMEM;

        return r < 0 ? fail_file(remote, kind, id, r, "cannot be looked at", why) : 0;
}

/* What was listed is kept until the connection is free again: a handler may use it. */
typedef struct Listed {
        BlobId id;
        uint64_t size;
} Listed;

static int collect(void *userdata, const char *name, uint64_t size, mode_t mode) {
        Bytes *list = userdata;
        Listed listed = { .size = size };

        if (blob_id_parse(name, strlen(name), &listed.id) < 0 || (mode != 0 && !S_ISREG(mode)))
                return 0;
        return bytes_append(list, &listed, sizeof(listed));
}

static int list_directory(const Remote *remote, const char *below, StoreHandler handler, void *userdata) {
        _cleanup_(freep) char *path = join(remote, below);
        _cleanup_bytes_ Bytes list = {};
        int r = path ? sftp_list(remote->sftp, path, collect, &list) : -ENOMEM;

        for (size_t i = 0; r == 0 && i < list.size / sizeof(Listed); i++) {
                Listed listed;

                memcpy(&listed, list.data + i * sizeof(listed), sizeof(listed));
                r = handler(userdata, &listed.id, listed.size);
        }
        return r;
}

static int remote_list(Backend *backend, StoreKind kind, StoreHandler handler, void *userdata, Why *why) {
        const Remote *remote = (const Remote *)backend;
        int r = 0;

        if (kind != STORE_PACK) {
                r = list_directory(remote, store_kind_directory(kind), handler, userdata);
        } else {
                for (unsigned i = 0; r == 0 && i < PREFIXES; i++) {
                        char below[16];

                        (void)snprintf(below, sizeof(below), "data/%02x", i);
                        r = list_directory(remote, below, handler, userdata);
                        if (r == -ENOENT)
                                r = 0;
                }
        }
        if (r < 0)
                return repo_fail(why, r, "%s/%s: cannot be listed: %s.", remote->label,
                                 store_kind_directory(kind), store_explain(r));
        return r;
}

static int remote_remove(Backend *backend, StoreKind kind, const BlobId *id, Why *why) {
        const Remote *remote = (const Remote *)backend;
        _cleanup_(freep) char *path = path_of(remote, kind, id);
        int r = path ? sftp_remove(remote->sftp, path) : -ENOMEM;

        return r < 0 && r != -ENOENT ? fail_file(remote, kind, id, r, "cannot be deleted", why) : 0;
}

static int collect_temporary(void *userdata, const char *name, uint64_t size, mode_t mode) {
        return store_is_temporary(name) ? bytes_append(userdata, name, strlen(name) + 1) : 0;
}

static int sweep_directory(const Remote *remote, const char *below, size_t *count) {
        _cleanup_(freep) char *path = join(remote, below);
        _cleanup_bytes_ Bytes names = {};
        int r = path ? sftp_list(remote->sftp, path, collect_temporary, &names) : -ENOMEM;

        for (size_t at = 0; r == 0 && at < names.size; at += strlen((const char *)names.data + at) + 1) {
                _cleanup_(freep) char *file = NULL;

                if (asprintf(&file, "%s/%s", path, (const char *)names.data + at) < 0) {
                        file = NULL;
                        return -ENOMEM;
                }
                *count += sftp_remove(remote->sftp, file) == 0;
        }
        return r == -ENOENT ? 0 : r;
}

static int remote_sweep(Backend *backend, StoreKind kind, size_t *count, Why *why) {
        const Remote *remote = (const Remote *)backend;
        const char *directory = store_kind_directory(kind);
        int r = kind == STORE_PACK ? 0 : sweep_directory(remote, directory, count);

        for (unsigned i = 0; r == 0 && kind == STORE_PACK && i < PREFIXES; i++) {
                char below[16];

                (void)snprintf(below, sizeof(below), "data/%02x", i);
                r = sweep_directory(remote, below, count);
        }
        return r < 0 ? repo_fail(why, r, "%s/%s: cannot be listed: %s.", remote->label, directory,
                                 store_explain(r))
                     : 0;
}

/* Failing for one that is there is said in no particular way. */
static int make_directory(const Remote *remote, const char *below) {
        _cleanup_(freep) char *path = below ? join(remote, below) : strdup(remote->path);
        uint64_t size;
        mode_t mode;
        int r = path ? sftp_make_directory(remote->sftp, path, 0700) : -ENOMEM;

        return r < 0 && path && sftp_stat(remote->sftp, path, &size, &mode) == 0 && S_ISDIR(mode) ? 0 : r;
}

static int remote_create(Backend *backend, Why *why) {
        static const StoreKind directories[] = { STORE_KEY, STORE_LOCK, STORE_SNAPSHOT, STORE_INDEX,
                                                 STORE_PACK };
        const Remote *remote = (const Remote *)backend;
        _cleanup_(freep) char *config = join(remote, "config");
        uint64_t size;
        mode_t mode;
        int r = 0;

        if (!config)
                return -ENOMEM;
        if (sftp_stat(remote->sftp, config, &size, &mode) == 0)
                return repo_fail(why, -EEXIST, "%s: there is a repository already.", remote->label);
        FOREACH_ELEMENT (kind, directories)
                if (r == 0)
                        r = make_directory(remote, store_kind_directory(*kind));
        for (unsigned i = 0; r == 0 && i < PREFIXES; i++) {
                char below[16];

                (void)snprintf(below, sizeof(below), "data/%02x", i);
                r = make_directory(remote, below);
        }
        return r < 0 ? repo_fail(why, r, "%s: cannot be made a repository: %s.", remote->label,
                                 store_explain(r))
                     : 0;
}

static const BackendOps remote_ops = {
        .create = remote_create,
        .save = remote_save,
        .load = remote_load,
        .size = remote_size,
        .list = remote_list,
        .remove = remote_remove,
        .sweep = remote_sweep,
        .free = remote_free,
};

/* [USER@]HOST:PATH, or //[USER@]HOST[:PORT]/PATH: two slashes before an absolute path there. */
static int split_location(const char *location, char **ret_host, char **ret_port, char **ret_path) {
        _cleanup_(freep) char *host = NULL, *port = NULL, *path = NULL;
        bool url = strncmp(location, "//", 2) == 0;
        const char *separator;

        location += url ? 2 : 0;
        separator = strchr(location, url ? '/' : ':');
        if (!separator || separator == location || !separator[1] || location[0] == '-')
                return -EINVAL;
        host = strndup(location, (size_t)(separator - location));
        path = strdup(separator + 1);
        if (!host || !path)
                return -ENOMEM;
        if (url && strrchr(host, ':')) {
                char *colon = strrchr(host, ':');

                *colon = '\0';
                port = strdup(colon + 1);
                if (!port)
                        return -ENOMEM;
                if (!*port || strspn(port, "0123456789") != strlen(port) || !*host)
                        return -EINVAL;
        }
        for (size_t n = strlen(path); n > 1 && path[n - 1] == '/';)
                path[--n] = '\0';
        *ret_host = TAKE_PTR(host);
        *ret_port = TAKE_PTR(port);
        *ret_path = TAKE_PTR(path);
        return 0;
}

int backend_sftp_open(const char *location, const char *const *command, bool create, Why *why,
                      Backend **ret_backend) {
        _cleanup_(freep) char *host = NULL, *port = NULL;
        _cleanup_(backend_freep) Backend *backend = NULL;
        const char *ssh[8] = { "ssh" };
        Remote *remote = calloc(1, sizeof(*remote));
        size_t n = 1;
        int r;

        if (!remote)
                return -ENOMEM;
        remote->backend.ops = &remote_ops;
        backend = &remote->backend;
        if (asprintf(&remote->label, "sftp:%s", location) < 0) {
                remote->label = NULL;
                return -ENOMEM;
        }
        r = split_location(location, &host, &port, &remote->path);
        if (r < 0)
                return repo_fail(why, r,
                                 "%s: a repository over SFTP is sftp:[USER@]HOST:PATH or "
                                 "sftp://[USER@]HOST[:PORT]/PATH.",
                                 remote->label);
        if (port) {
                ssh[n++] = "-p";
                ssh[n++] = port;
        }
        ssh[n++] = host;
        ssh[n++] = "-s";
        ssh[n++] = "sftp";
        r = sftp_start(command ?: ssh, &remote->sftp);
        if (r < 0)
                return repo_fail(why, r, "%s: cannot be reached: %s.", remote->label, store_explain(r));
        if (create) {
                r = make_directory(remote, NULL);
                if (r < 0)
                        return repo_fail(why, r, "%s: cannot be made: %s.", remote->label, store_explain(r));
        }
        *ret_backend = TAKE_PTR(backend);
        return 0;
}
