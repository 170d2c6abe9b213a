/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a shadow copy set costs, beside what the kernel asks for
 *
 *   bench-sets SETS DIRTY-MIB DATABASE SCRATCH SUBVOLUME...
 *
 * Two threads work on DATABASE all the time: one commits, one reads. In turn, so that both see the same
 * machine, SETS times: the bare snapshot ioctl of each SUBVOLUME into the directory SCRATCH (on the same
 * file system), and a set of all of them made by the service. Before each, DIRTY-MIB are written to the
 * first one and not synced. "longest" is the slowest commit, or read, that was under way during that time.
 */

#include <btrfsutil.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linuxvss/requester.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util/clock.h"
#include "util/macro.h"
#include "util/value.h"

#define SETS_MAX 10000
#define BUSY_POLL_NSEC 200000
#define BETWEEN_NSEC 30000000
#define CLEAN_POLL_NSEC 50000000
#define CLEAN_ROUNDS_MAX 1200

/* What one thread of the load does, and the slowest of it since last asked. */
typedef struct Load {
        pthread_t thread;
        const char *database;
        const char *sql;
        _Atomic uint64_t began; /* the one under way; 0: none */
        _Atomic uint64_t longest;
        _Atomic bool stop;
        _Atomic bool failed;
} Load;

typedef struct Series {
        const char *name;
        uint64_t *usec;
        size_t n;
} Series;

enum {
        BARE_ALL,
        BARE_COMMIT,
        BARE_READ,
        SET_WINDOW,
        SET_CALL,
        SET_SESSION,
        SET_COMMIT,
        SET_READ,
        SERIES_N,
};

static Series series[SERIES_N] = {
        [BARE_ALL] = { .name = "bare ioctls, all volumes" },
        [BARE_COMMIT] = { .name = "  longest commit meanwhile" },
        [BARE_READ] = { .name = "  longest read meanwhile" },
        [SET_WINDOW] = { .name = "freeze window" },
        [SET_CALL] = { .name = "  DoSnapshotSet" },
        [SET_SESSION] = { .name = "  session from create to release" },
        [SET_COMMIT] = { .name = "  longest commit meanwhile" },
        [SET_READ] = { .name = "  longest read meanwhile" },
};

static int complain(const char *what, const char *why) {
        fprintf(stderr, "bench-sets: %s: %s\n", what, why);
        return -1;
}

static void sleep_nsec(long nsec) {
        struct timespec pause = { .tv_nsec = nsec };

        (void)nanosleep(&pause, NULL);
}

/* ---- load --------------------------------------------------------------------------------------------- */

static int wait_busy(void *userdata, int count) {
        Load *load = userdata;

        sleep_nsec(BUSY_POLL_NSEC);
        return !load->stop;
}

static void *work(void *userdata) {
        Load *load = userdata;
        sqlite3 *db = NULL;

        if (sqlite3_open(load->database, &db) != SQLITE_OK ||
            sqlite3_busy_handler(db, wait_busy, load) != SQLITE_OK)
                load->failed = true;
        while (!load->stop && !load->failed) {
                uint64_t began = now_usec(), took;

                load->began = began;
                if (sqlite3_exec(db, load->sql, NULL, NULL, NULL) != SQLITE_OK && !load->stop)
                        load->failed = true;
                took = now_usec() - began;
                load->began = 0;
                if (took > load->longest)
                        load->longest = took;
        }
        if (load->failed)
                (void)complain(load->sql, db ? sqlite3_errmsg(db) : "out of memory");
        (void)sqlite3_close(db);
        return NULL;
}

static void load_reset(Load *load) {
        load->longest = 0;
}

static uint64_t load_longest(const Load *load) {
        uint64_t began = load->began, longest = load->longest;
        uint64_t so_far = began > 0 ? now_usec() - began : 0;

        return MAX(longest, so_far);
}

/* ---- results ------------------------------------------------------------------------------------------ */

static void note(unsigned which, uint64_t usec) {
        series[which].usec[series[which].n++] = usec;
}

static int compare(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return (x > y) - (x < y);
}

static void print_series(Series *s) {
        if (s->n == 0)
                return;
        qsort(s->usec, s->n, sizeof(*s->usec), compare);
        printf("  %-34s %9.2f %9.2f %9.2f   n=%zu\n", s->name, (double)s->usec[s->n / 2] / USEC_PER_MSEC,
               (double)s->usec[MIN(s->n * 99 / 100, s->n - 1)] / USEC_PER_MSEC,
               (double)s->usec[s->n - 1] / USEC_PER_MSEC, s->n);
}

/* ---- the bare ioctl ----------------------------------------------------------------------------------- */

static int snapshot_bare(const char *scratch, char *const subvolumes[], size_t n) {
        _cleanup_(closep) int dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint64_t began;
        int r = 0;

        if (dir < 0)
                return complain(scratch, strerror(errno));
        began = now_usec();
        for (size_t i = 0; i < n && r == 0; i++) {
                struct btrfs_ioctl_vol_args_v2 args = { .flags = BTRFS_SUBVOL_RDONLY };
                _cleanup_(closep) int fd = open(subvolumes[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                args.fd = fd;
                (void)snprintf(args.name, sizeof(args.name), "bare-%zu", i);
                if (fd < 0 || ioctl(dir, BTRFS_IOC_SNAP_CREATE_V2, &args) < 0)
                        r = complain(subvolumes[i], strerror(errno));
        }
        if (r == 0)
                note(BARE_ALL, now_usec() - began);
        for (size_t i = 0; i < n; i++) {
                struct btrfs_ioctl_vol_args args = {};

                (void)snprintf(args.name, sizeof(args.name), "bare-%zu", i);
                if (ioctl(dir, BTRFS_IOC_SNAP_DESTROY, &args) < 0 && r == 0)
                        r = complain("delete", strerror(errno));
        }
        return r;
}

/* ---- the service -------------------------------------------------------------------------------------- */

static vss_result finish(vss_result r, vss_async *async, vss_value **ret_result) {
        if (r >= 0)
                do
                        r = vss_async_wait(async, -1);
                while (r == VSS_S_ASYNC_PENDING);
        if (r == VSS_S_ASYNC_FINISHED && ret_result)
                *ret_result = vss_value_copy(vss_async_result(async));
        (void)vss_async_free(async);
        return r == VSS_S_ASYNC_FINISHED ? VSS_S_OK : r < 0 ? r : VSS_E_UNEXPECTED;
}

static vss_result make_set(vss_session *session, char *const subvolumes[], size_t n, vss_value **ret_set) {
        char id[VSS_ID_SIZE];
        vss_async *async = NULL;
        vss_result r;

        r = vss_session_initialize_for_backup(session);
        if (r >= 0)
                r = vss_session_set_backup_state(session, false, false, VSS_BT_COPY, false);
        if (r >= 0)
                r = vss_session_gather_writer_metadata(session, &async);
        r = finish(r, TAKE_PTR(async), NULL);
        if (r >= 0)
                r = vss_session_start_snapshot_set(session, id);
        for (size_t i = 0; i < n && r >= 0; i++) {
                r = vss_session_add_to_snapshot_set(session, subvolumes[i], NULL, &async);
                r = finish(r, TAKE_PTR(async), NULL);
        }
        if (r >= 0) {
                r = vss_session_prepare_for_backup(session, &async);
                r = finish(r, TAKE_PTR(async), NULL);
        }
        if (r >= 0) {
                uint64_t began = now_usec();

                r = vss_session_do_snapshot_set(session, &async);
                r = finish(r, TAKE_PTR(async), ret_set);
                if (r >= 0)
                        note(SET_CALL, now_usec() - began);
        }
        if (r >= 0) {
                r = vss_session_backup_complete(session, &async);
                r = finish(r, TAKE_PTR(async), NULL);
        }
        return r;
}

static int run_set(vss_service *service, char *const subvolumes[], size_t n) {
        vss_session *session = NULL;
        vss_value *set = NULL;
        uint64_t began = now_usec();
        vss_result r;

        r = vss_session_create(service, NULL, &session);
        if (r >= 0)
                r = make_set(session, subvolumes, n, &set);
        if (r >= 0)
                note(SET_WINDOW, (uint64_t)vss_value_get_integer(set, "freeze-window-usec", 0));
        if (session)
                (void)vss_session_release(session);
        (void)vss_value_free(set);
        if (r < 0)
                return complain(vss_service_error_culprit(service), vss_service_error_message(service));
        note(SET_SESSION, now_usec() - began);
        return 0;
}

/* ---- main --------------------------------------------------------------------------------------------- */

/* What was deleted before still fills the disk until the kernel has cleaned up: each round begins without
 * it. */
static int wait_cleaned(const char *subvolume) {
        for (unsigned i = 0; i < CLEAN_ROUNDS_MAX; i++) {
                uint64_t *ids = NULL;
                size_t n = 0;

                /* A commit wakes the kernel's cleaner; by itself it comes every half minute. */
                if (btrfs_util_sync(subvolume) != BTRFS_UTIL_OK)
                        return complain(subvolume, "cannot be synced");
                if (btrfs_util_deleted_subvolumes(subvolume, &ids, &n) != BTRFS_UTIL_OK)
                        return complain(subvolume, "deleted subvolumes cannot be listed");
                free(ids);
                if (n == 0)
                        return 0;
                sleep_nsec(CLEAN_POLL_NSEC);
        }
        return complain(subvolume, "deleted subvolumes are not cleaned up");
}

static int make_dirty(const char *subvolume, unsigned long mib) {
        _cleanup_(freep) char *block = calloc(1, 1 << 20);
        _cleanup_(freep) char *path = NULL;
        _cleanup_(closep) int fd = -1;

        if (mib == 0)
                return 0;
        if (wait_cleaned(subvolume) < 0)
                return -1;
        if (!block || asprintf(&path, "%s/dirty", subvolume) < 0)
                return complain("dirty", "out of memory");
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return complain(path, strerror(errno));
        memset(block, (int)now_usec() & 0xff, 1 << 20);
        for (unsigned long i = 0; i < mib; i++)
                if (pwrite(fd, block, 1 << 20, (off_t)(i << 20)) != 1 << 20)
                        return complain(path, strerror(errno));
        return 0;
}

static int measure(vss_service *service, Load loads[2], char *argv[], int argc, unsigned long sets,
                   unsigned long mib) {
        char *const *subvolumes = argv + 5;
        size_t n = (size_t)argc - 5;

        for (unsigned long i = 0; i < sets; i++) {
                if (make_dirty(subvolumes[0], mib) < 0)
                        return -1;
                load_reset(&loads[0]);
                load_reset(&loads[1]);
                if (snapshot_bare(argv[4], subvolumes, n) < 0)
                        return -1;
                note(BARE_COMMIT, load_longest(&loads[0]));
                note(BARE_READ, load_longest(&loads[1]));
                sleep_nsec(BETWEEN_NSEC);

                if (make_dirty(subvolumes[0], mib) < 0)
                        return -1;
                load_reset(&loads[0]);
                load_reset(&loads[1]);
                if (run_set(service, subvolumes, n) < 0)
                        return -1;
                note(SET_COMMIT, load_longest(&loads[0]));
                note(SET_READ, load_longest(&loads[1]));
                sleep_nsec(BETWEEN_NSEC);
        }
        return loads[0].failed || loads[1].failed ? -1 : 0;
}

int main(int argc, char *argv[]) {
        Load loads[2] = {
                { .sql = "BEGIN IMMEDIATE; UPDATE bench SET n = n + 1; COMMIT" },
                { .sql = "SELECT sum(n) FROM bench" },
        };
        unsigned long sets = argc > 5 ? strtoul(argv[1], NULL, 10) : 0;
        vss_service *service = NULL;
        int r = -1;

        if (sets == 0 || sets > SETS_MAX) {
                fprintf(stderr, "Usage: bench-sets SETS DIRTY-MIB DATABASE SCRATCH SUBVOLUME...\n");
                return 2;
        }
        FOREACH_ELEMENT (s, series)
                if (!(s->usec = calloc(sets, sizeof(*s->usec))))
                        return 1;
        if (vss_service_connect(&service) < 0)
                return 1;
        FOREACH_ELEMENT (load, loads) {
                load->database = argv[3];
                if (pthread_create(&load->thread, NULL, work, load) != 0)
                        return 1;
        }
        sleep_nsec(BETWEEN_NSEC);
        r = measure(service, loads, argv, argc, sets, strtoul(argv[2], NULL, 10));
        FOREACH_ELEMENT (load, loads) {
                load->stop = true;
                (void)pthread_join(load->thread, NULL);
        }
        (void)vss_service_free(service);
        printf("  %-34s %9s %9s %9s\n", "milliseconds", "median", "p99", "max");
        FOREACH_ELEMENT (s, series) {
                print_series(s);
                free(s->usec);
        }
        return r < 0 ? 1 : 0;
}
