/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Copies whose files are of several instants: what recovery needs is noted at Freeze and put right after
 * Thaw
 *
 * InnoDB: redo.h. Aria writes its pages and checkpoints in the background, too, but keeps all of its log
 * during a backup (BACKUP STAGE START), and nobody changes its tables: so the copy is well if its newest
 * checkpoint is the one of Freeze. It is written every 30 s, and a hold lasts milliseconds: one that was
 * made meanwhile costs the copy.
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/mariadb/hold.h"

#define REPAIR_USEC (10 * USEC_PER_SEC)
#define RETRY_USEC (10 * USEC_PER_MSEC)

static void file_of(const Hold *hold, const char *variable, const char *name, char *ret_path, size_t size) {
        char directory[PATH_MAX];

        instance_path(hold->instance, variable, directory, sizeof(directory));
        if (!*directory)
                instance_path(hold->instance, "datadir", directory, sizeof(directory));
        (void)snprintf(ret_path, size, "%.4000s/%s", directory, name);
}

static ssize_t read_control(const char *path, unsigned char bytes[static ARIA_CONTROL_MAX]) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        return fd < 0 ? -1 : pread(fd, bytes, ARIA_CONTROL_MAX, 0);
}

int hold_note_files(Hold *hold) {
        _cleanup_(closep) int fd = -1;
        char path[PATH_MAX];
        int r;

        file_of(hold, "aria_log_dir_path", "aria_log_control", path, sizeof(path));
        hold->n_aria = read_control(path, hold->aria);
        hold->has_redo = false;
        if (server_kind(instance_get(hold->instance, "version")) != SERVER_MARIADB)
                return 0;
        file_of(hold, "innodb_log_group_home_dir", "ib_logfile0", path, sizeof(path));
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        r = fd < 0 ? -errno : redo_read_header(fd, &hold->redo);
        /* Another format: then the log has to be at rest. */
        if (r == -ENOTSUP)
                return 0;
        if (r < 0)
                (void)snprintf(hold->client.error, sizeof(hold->client.error), "%.400s: %s", path,
                               strerror(-r));
        hold->has_redo = r >= 0;
        return r;
}

static void fail(Hold *hold, vss_result code, const char *what) {
        hold_fail(hold, code,
                  "%s: its files are not cut at one instant, and the copy could not be made one that "
                  "recovers: %s",
                  hold->instance->logical_path, what);
}

static void check_aria(Hold *hold, copy_of_fn copy_of, void *userdata) {
        unsigned char bytes[ARIA_CONTROL_MAX];
        char path[PATH_MAX], copy[PATH_MAX];

        if (hold->n_aria < 0)
                return;
        file_of(hold, "aria_log_dir_path", "aria_log_control", path, sizeof(path));
        if (!copy_of(userdata, path, copy, sizeof(copy)))
                fail(hold, VSS_E_WRITERERROR_NONRETRYABLE, "Aria's log is not in the set");
        else if (read_control(copy, bytes) != hold->n_aria ||
                 memcmp(bytes, hold->aria, (size_t)hold->n_aria) != 0)
                fail(hold, VSS_E_WRITERERROR_RETRYABLE, "Aria made a checkpoint meanwhile; try again");
}

/* The log as far as Thaw must be in its file. */
static int write_log(Hold *hold, uint64_t deadline_usec) {
        Position position;
        int r;

        for (;;) {
                r = client_run(&hold->client, "FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS", deadline_usec, NULL);
                if (r >= 0)
                        r = position_read_innodb(&hold->client, SERVER_MARIADB, deadline_usec, &position);
                if (r < 0 || position.log_written >= hold->log_end)
                        return r;
                if (now_usec() + RETRY_USEC >= deadline_usec)
                        return -ETIMEDOUT;
                (void)usleep(RETRY_USEC);
        }
}

static int complete(Hold *hold, int live, int copy, uint64_t deadline_usec) {
        Position position;
        int r;

        r = write_log(hold, deadline_usec);
        if (r >= 0)
                r = redo_complete(&hold->redo, hold->position.log_written, hold->log_end, live, copy);
        /* What was read had not been overwritten by then. */
        if (r >= 0)
                r = position_read_innodb(&hold->client, SERVER_MARIADB, deadline_usec, &position);
        if (r >= 0 && !redo_has(&hold->redo, hold->position.log_written, position.log_end))
                r = -ESTALE;
        return r;
}

static void repair_redo(Hold *hold, copy_of_fn copy_of, void *userdata) {
        _cleanup_(closep) int live = -1, copy = -1;
        char path[PATH_MAX], copied[PATH_MAX];
        int r;

        file_of(hold, "innodb_log_group_home_dir", "ib_logfile0", path, sizeof(path));
        if (!copy_of(userdata, path, copied, sizeof(copied))) {
                fail(hold, VSS_E_WRITERERROR_NONRETRYABLE, "InnoDB's log is not in the set");
                return;
        }
        live = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        copy = open(copied, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        r = live < 0 || copy < 0 ? -errno : complete(hold, live, copy, now_usec() + REPAIR_USEC);
        if (r == -ESTALE)
                fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                     "so much was written that InnoDB's log has overwritten what it needs; try again, or "
                     "make "
                     "innodb_log_file_size larger");
        else if (r == -EROFS)
                fail(hold, VSS_E_WRITERERROR_NONRETRYABLE,
                     "it cannot be written to; take a context or a provider that allows that, or have all "
                     "of its files on one "
                     "volume whose provider copies it whole");
        else if (r < 0)
                fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                     r == -EREMOTEIO || r == -ECONNRESET ? hold->client.error : strerror(-r));
}

void hold_repair(Hold *hold, copy_of_fn copy_of, void *userdata) {
        if (hold->one_instant || hold->instance->pid == 0)
                return;
        check_aria(hold, copy_of, userdata);
        if (hold->code >= 0 && hold->has_redo)
                repair_redo(hold, copy_of, userdata);
}
