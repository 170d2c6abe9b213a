/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Rolling forward: binary logs of log backups, or of a directory, applied to what was restored
 *
 * Files of log backups are put into LOGS_DIRECTORY beside the data. A file "from" there says from which
 * position on they count: up to there the backup below them has everything.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/value.h"
#include "writers/mariadb/logs.h"
#include "writers/mariadb/restore.h"

#define FOREVER_USEC (24 * 3600 * USEC_PER_SEC)
#define STOP_USEC (600 * USEC_PER_SEC)

bool restore_parse_option(const char *options, const char *key, char *ret_value, size_t size) {
        size_t n = strlen(key);

        for (const char *p = options; p && *p;) {
                size_t length;

                p += strspn(p, " ;\n\t");
                length = strcspn(p, ";\n");
                while (length > 0 && strchr(" \t", p[length - 1]))
                        length--;
                if (length >= n && strncmp(p, key, n) == 0 && (length == n || p[n] == '=')) {
                        if (ret_value && length - n > size)
                                return false;
                        if (ret_value)
                                (void)snprintf(ret_value, size, "%.*s",
                                               (int)(length > n ? length - n - 1 : 0), p + n + (length > n));
                        return true;
                }
                p += strcspn(p, ";\n");
        }
        return false;
}

bool restore_option(const Restore *restore, const char *key, char *ret_value, size_t size) {
        return restore_parse_option(vss_value_get_string(restore->component, "restore-options", ""), key,
                                    ret_value, size);
}

static void logs_directory(const Restore *restore, char *ret_path, size_t size) {
        (void)snprintf(ret_path, size, "%.3900s/" LOGS_DIRECTORY, restore->datadir);
}

static int write_text(const char *directory, const char *name, const char *text) {
        char path[PATH_MAX];
        _cleanup_(closep) int fd = -1;

        (void)snprintf(path, sizeof(path), "%.3900s/%s", directory, name);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return errno == EEXIST ? 0 : -errno;
        return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -EIO;
}

void restore_logs_prepare(Restore *restore) {
        const vss_value *files = vss_value_get(restore->component, "differenced-files");
        const char *stamp = vss_value_get_string(restore->component, "previous-stamp", "");
        char directory[PATH_MAX], file[600];
        unsigned long position;
        int r = 0;

        logs_directory(restore, directory, sizeof(directory));
        if (log_parse_stamp(stamp, file, sizeof(file), &position) < 0) {
                (void)restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "%s: it is not known which backup this log backup is based on",
                                   restore->logical_path);
                return;
        }
        if (vss_writer_call_is_dry_run(restore->call)) {
                restore_note(restore, "%zu binary logs would be put into %s and applied from %s on",
                             vss_value_count(files), directory, stamp);
                return;
        }
        if (mkdir(directory, 0700) < 0 && errno != EEXIST)
                r = -errno;
        /* Of several log backups the first says where they begin. */
        if (r >= 0)
                r = write_text(directory, "from", stamp);
        if (r < 0) {
                (void)restore_fail(restore, VSS_E_WRITERERROR_RETRYABLE, "%s: %s: %s", restore->logical_path,
                                   directory, strerror(-r));
                return;
        }
        (void)vss_writer_call_set_restore_target(restore->call, restore->logical_path, COMPONENT_NAME,
                                                 VSS_RT_DIRECTED);
        for (size_t i = 0; i < vss_value_count(files); i++) {
                const vss_value *entry = vss_value_at(files, i);
                const char *name = vss_value_get_string(entry, "filespec", "");

                (void)vss_writer_call_add_directed_target(
                        restore->call, restore->logical_path, COMPONENT_NAME,
                        vss_value_get_string(entry, "path", ""), name, NULL, directory, name, NULL);
        }
}

static bool same(void *userdata, const char *path, char *ret_path, size_t size) {
        return snprintf(ret_path, size, "%s", path) < (int)size;
}

static void remove_directory(const char *directory) {
        DIR *dir = opendir(directory);
        const struct dirent *entry;

        if (!dir)
                return;
        while ((entry = readdir(dir)))
                (void)unlinkat(dirfd(dir), entry->d_name, 0);
        (void)closedir(dir);
        (void)rmdir(directory);
}

/* A short path, for the socket: below the directory of the runtime, or, if there is none, in the data
 * directory. */
static int make_scratch(const Restore *restore, char *ret_path, size_t size) {
        const char *runtime = getenv("RUNTIME_DIRECTORY");

        (void)snprintf(ret_path, size, "%s/linuxvss-mariadb-XXXXXX",
                       runtime && *runtime == '/' ? runtime : "/tmp");
        return mkdtemp(ret_path) ? 0 : -errno;
}

void restore_on_private(Restore *restore, const LogOrder *order) {
        uint64_t deadline = event_deadline(restore->call, FOREVER_USEC);
        char scratch[80];
        PrivateServer server = { .instance = restore->instance, .scratch = scratch, .map = same };
        int r, stopped;

        r = make_scratch(restore, scratch, sizeof(scratch));
        if (r < 0) {
                (void)restore_fail(restore, VSS_E_WRITERERROR_RETRYABLE, "%s: no directory for a socket: %s",
                                   restore->logical_path, strerror(-r));
                return;
        }
        r = private_start(&server, deadline);
        if (r >= 0 && order)
                r = log_apply(&server, order, deadline);
        if (r >= 0)
                r = private_check(&server, deadline);
        stopped = private_stop(&server, now_usec() + STOP_USEC);
        remove_directory(scratch);
        if (r == -ETIMEDOUT && !order)
                restore_note(restore, "%s", server.why);
        else if (r < 0 || stopped < 0)
                (void)restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE, "%s: it was restored, but: %s",
                                   restore->logical_path, server.why);
}

static void apply(Restore *restore, LogOrder *order) {
        char datetime[64], position[32];

        if (restore_option(restore, "stop-datetime", datetime, sizeof(datetime)))
                order->stop_datetime = datetime;
        if (restore_option(restore, "stop-position", position, sizeof(position)))
                order->stop_position = position;
        restore_on_private(restore, order);
        if (restore->code >= 0)
                restore_note(restore, "the binary logs in %s were applied, from %s, position %lu, on%s%s",
                             order->directory, order->file, order->position,
                             order->stop_datetime ? ", until " : "", order->stop_datetime ?: "");
}

void restore_logs_apply(Restore *restore) {
        char directory[PATH_MAX], from[PATH_MAX], file[600];
        LogOrder order = { .directory = directory, .file = file };
        _cleanup_(freep) char *stamp = NULL;

        logs_directory(restore, directory, sizeof(directory));
        (void)snprintf(from, sizeof(from), "%.4000s/from", directory);
        stamp = check_read_file(from);
        if (stamp && log_parse_stamp(stamp, file, sizeof(file), &order.position) >= 0) {
                apply(restore, &order);
                if (restore->code >= 0)
                        remove_directory(directory);
                return;
        }
        if (!restore_option(restore, "binlogs", directory, sizeof(directory)))
                return;
        if (directory[0] != '/' || !metadata_get(restore->metadata, "binlog-file", file, sizeof(file)) ||
            !metadata_get(restore->metadata, "binlog-position", from, sizeof(from))) {
                (void)restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE,
                                   "%s: binlogs= wants an absolute directory, and a backup of a server with "
                                   "a binary log",
                                   restore->logical_path);
                return;
        }
        order.position = strtoul(from, NULL, 10);
        apply(restore, &order);
}

void restore_forget_server(Restore *restore) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%.4000s/auto.cnf", restore->datadir);
        if (unlink(path) == 0)
                restore_note(restore, "auto.cnf was removed: the server takes a new server_uuid");
        else if (errno != ENOENT)
                (void)restore_fail(restore, VSS_E_WRITERERROR_NONRETRYABLE, "%s: %s: %s",
                                   restore->logical_path, path, strerror(errno));
}
