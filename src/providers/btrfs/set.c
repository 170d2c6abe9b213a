/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The shadow copy set that is being made
 */

#include <btrfsutil.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include "providers/btrfs/set.h"
#include "providers/btrfs/store.h"
#include "providers/btrfs/volume.h"
#include "providers/common/info.h"
#include "util/clock.h"

/* How long a snapshot waits for the others of its file system to be ready; and for what is committed ahead.
 */
#define MEET_USEC (5 * USEC_PER_MSEC)
#define AHEAD_USEC USEC_PER_SEC

Set *set_new(const char *id) {
        Set *set = calloc(1, sizeof(*set));

        if (set)
                (void)snprintf(set->id, sizeof(set->id), "%s", id);
        return set;
}

static void copy_done(Copy *copy) {
        closep(&copy->source_fd);
        closep(&copy->dir_fd);
        free(copy->volume);
        (void)vss_value_free(copy->info);
}

static void set_filesystem_done(SetFilesystem *on) {
        closep(&on->store_fd);
        (void)filesystem_free(on->fs);
}

Set *set_free(Set *set) {
        if (!set)
                return NULL;
        for (size_t i = 0; i < set->n_copies; i++)
                copy_done(&set->copies[i]);
        for (size_t i = 0; i < set->n_filesystems; i++)
                set_filesystem_done(&set->filesystems[i]);
        free(set);
        return NULL;
}

Copy *set_find(Set *set, const char *snapshot_id) {
        for (size_t i = 0; set && i < set->n_copies; i++)
                if (strcmp(set->copies[i].id, snapshot_id) == 0)
                        return &set->copies[i];
        return NULL;
}

/* The file system of a volume, opened once for the set. */
static int require_filesystem(Set *set, const struct vss_volume *volume, SetFilesystem **ret_on) {
        char uuid[VSS_ID_SIZE];
        SetFilesystem *on;
        Filesystem *fs;
        int r;

        r = filesystem_uuid(volume->fd, uuid);
        if (r < 0)
                return r;
        for (size_t i = 0; i < set->n_filesystems; i++) {
                if (strcmp(set->filesystems[i].fs->uuid, uuid) == 0) {
                        *ret_on = &set->filesystems[i];
                        return 0;
                }
        }
        r = filesystem_open(volume->fd, volume->source, false, &fs);
        if (r < 0)
                return r;
        on = &set->filesystems[set->n_filesystems++];
        *on = (SetFilesystem){ .fs = fs, .store_fd = -1 };
        *ret_on = on;
        return 0;
}

static int make_info(Copy *copy, const char *set_id, const char *root, const vss_value *properties) {
        vss_value *own;

        copy->info = vss_value_kind(properties) == VSS_KIND_DICT ? vss_value_copy(properties)
                                                                 : vss_value_new_dict();
        if (!copy->info)
                return -ENOMEM;
        own = value_require(copy->info, "btrfs", VSS_KIND_DICT);
        if (!own || vss_value_set_string(copy->info, "id", copy->id) < 0 ||
            vss_value_set_string(copy->info, "set", set_id) < 0 ||
            vss_value_set_string(copy->info, "state", "preparing") < 0 ||
            vss_value_set_string(own, "filesystem", copy->on->fs->uuid) < 0 ||
            vss_value_set_string(own, "subvolume", root) < 0 ||
            vss_value_set_integer(own, "subvolume-id", (int64_t)copy->subvolume_id) < 0)
                return -ENOMEM;
        return 0;
}

/* The subvolume itself, from the top level; its path may lead to another one by now. */
static int open_source(Copy *copy, const char *root) {
        uint64_t id;
        int r;

        r = filesystem_open_directory(copy->on->fs, root, &copy->source_fd);
        if (r < 0)
                return r;
        if (btrfs_util_subvolume_id_fd(copy->source_fd, &id) != BTRFS_UTIL_OK)
                return negative_errno();
        return id == copy->subvolume_id ? 0 : -ESTALE;
}

int set_add(Set *set, const char *snapshot_id, const struct vss_volume *volume,
            const vss_value *properties) {
        _cleanup_(freep) char *root = NULL;
        Copy *copy;
        int r;

        if (set->n_copies >= VSS_VOLUMES_MAX)
                return -E2BIG;
        copy = &set->copies[set->n_copies];
        *copy = (Copy){ .source_fd = -1, .dir_fd = -1 };
        (void)snprintf(copy->id, sizeof(copy->id), "%s", snapshot_id);

        r = volume_subvolume(volume, &copy->subvolume_id, &root);
        if (r < 0)
                return r;
        r = require_filesystem(set, volume, &copy->on);
        if (r < 0)
                return r;
        for (size_t i = 0; i < set->n_copies; i++)
                if (set->copies[i].on == copy->on && set->copies[i].subvolume_id == copy->subvolume_id)
                        return -EEXIST;
        copy->volume = strdup(volume->path);
        r = copy->volume ? open_source(copy, root) : -ENOMEM;
        if (r == 0)
                r = make_info(copy, set->id, root, properties);
        if (r < 0) {
                copy_done(copy);
                return r;
        }
        copy->on->n_copies++;
        set->n_copies++;
        return 0;
}

int set_prepare(Set *set, const Copy **ret_copy) {
        for (size_t i = 0; i < set->n_copies; i++) {
                Copy *copy = &set->copies[i];
                SetFilesystem *on = copy->on;
                int r = 0;

                if (on->store_fd < 0)
                        r = store_make(on->fs, &on->store_fd);
                if (r == 0)
                        r = store_add(on->store_fd, copy->id, copy->info, &copy->dir_fd);
                if (r < 0) {
                        *ret_copy = copy;
                        return r;
                }
        }
        return 0;
}

/*
 * What one thread cuts. Snapshots of one file system that are asked for at the same moment become one
 * transaction, and with it one instant, which the transaction numbers tell afterwards. File systems do not
 * wait for each other.
 *
 * The moment is some ten microseconds wide, so that as many meet as there are processors. Where there are
 * more, a transaction is begun to be committed just before: the one behind it takes in whoever comes until
 * that is done, which is milliseconds. So there are two commits, however many copies there are; without it
 * each copy would have one of its own.
 *
 * Waking a thread takes longer than that moment: as many as there are processors look out for each other.
 * More sleep. At this priority they would keep the file system's own workers, and those whose transactions
 * are waited for, from the processors.
 */
typedef struct Meeting {
        pthread_mutex_t mutex;
        pthread_cond_t opened;
        unsigned arrived, expected;
        atomic_bool open;
        int ahead_fd; /* where a transaction is committed ahead; -1: none is */
} Meeting;

typedef struct Job {
        pthread_t thread;
        bool started;
        Set *set;
        const SetFilesystem *on;
        Copy *only;       /* NULL: every copy on this file system */
        Meeting *meeting; /* NULL: there is nobody to wait for */
} Job;

/* There must be something in it: without a transaction under way none would be committed. */
static void commit_ahead(int fd) {
        (void)futimens(fd, NULL);
        (void)btrfs_util_start_sync_fd(fd, NULL);
}

static void open_meeting(Meeting *meeting) {
        if (meeting->ahead_fd >= 0)
                commit_ahead(meeting->ahead_fd);
        (void)pthread_mutex_lock(&meeting->mutex);
        atomic_store(&meeting->open, true);
        (void)pthread_cond_broadcast(&meeting->opened);
        (void)pthread_mutex_unlock(&meeting->mutex);
}

static void look_out(const Meeting *meeting) {
        uint64_t until = now_usec() + MEET_USEC;

        while (!atomic_load(&meeting->open) && now_usec() < until)
                (void)sched_yield();
}

static void sleep_until_open(Meeting *meeting) {
        uint64_t until_usec = now_usec() + AHEAD_USEC;
        const struct timespec until = { .tv_sec = (time_t)(until_usec / USEC_PER_SEC),
                                        .tv_nsec = (long)(until_usec % USEC_PER_SEC) * 1000 };
        int r = 0;

        (void)pthread_mutex_lock(&meeting->mutex);
        while (!atomic_load(&meeting->open) && r == 0)
                r = pthread_cond_clockwait(&meeting->opened, &meeting->mutex, CLOCK_MONOTONIC, &until);
        (void)pthread_mutex_unlock(&meeting->mutex);
}

static void meet(Meeting *meeting) {
        bool last;

        (void)pthread_mutex_lock(&meeting->mutex);
        last = ++meeting->arrived == meeting->expected;
        (void)pthread_mutex_unlock(&meeting->mutex);
        if (last)
                open_meeting(meeting);
        else if (meeting->ahead_fd < 0)
                look_out(meeting);
        else
                sleep_until_open(meeting);
}

/* One that no thread could be started for does not come: it is cut behind the others. */
static void stay_away(Meeting *meeting) {
        bool last;

        (void)pthread_mutex_lock(&meeting->mutex);
        last = --meeting->expected == meeting->arrived;
        (void)pthread_mutex_unlock(&meeting->mutex);
        if (last)
                open_meeting(meeting);
}

/* One that is made read-only later costs the file system a commit more. */
static int flags_of(const Copy *copy) {
        int64_t attributes = vss_value_get_integer(copy->info, "attributes", 0);

        return attributes & (int64_t)VSS_VOLSNAP_ATTR_AUTORECOVER ? 0 : BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY;
}

static void job_run(Job *job) {
        if (job->meeting)
                meet(job->meeting);
        for (size_t i = 0; i < job->set->n_copies; i++) {
                Copy *copy = &job->set->copies[i];

                if (copy->on != job->on || (job->only && job->only != copy))
                        continue;
                if (btrfs_util_create_snapshot_fd2(copy->source_fd, copy->dir_fd, STORE_SNAPSHOT,
                                                   flags_of(copy), NULL, NULL) != BTRFS_UTIL_OK)
                        copy->error = negative_errno();
        }
}

static void *job_main(void *userdata) {
        job_run(userdata);
        return NULL;
}

static size_t make_jobs(Set *set, Meeting meetings[static VSS_VOLUMES_MAX],
                        Job jobs[static VSS_VOLUMES_MAX]) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        size_t n = 0;

        for (size_t f = 0; f < set->n_filesystems; f++) {
                const SetFilesystem *on = &set->filesystems[f];

                if (on->n_copies < 2) {
                        jobs[n++] = (Job){ .set = set, .on = on };
                        continue;
                }
                meetings[f] = (Meeting){
                        .mutex = PTHREAD_MUTEX_INITIALIZER,
                        .opened = PTHREAD_COND_INITIALIZER,
                        .expected = (unsigned)on->n_copies,
                        .ahead_fd = (long)on->n_copies > processors ? on->store_fd : -1,
                };
                for (size_t i = 0; i < set->n_copies; i++)
                        if (set->copies[i].on == on)
                                jobs[n++] = (Job){ .set = set,
                                                   .on = on,
                                                   .only = &set->copies[i],
                                                   .meeting = &meetings[f] };
        }
        return n;
}

static void run_jobs(Job *jobs, size_t n) {
        /* The first is this thread's, and those for which there was no thread. */
        for (size_t i = 1; i < n; i++) {
                jobs[i].started = pthread_create(&jobs[i].thread, NULL, job_main, &jobs[i]) == 0;
                if (!jobs[i].started && jobs[i].meeting)
                        stay_away(TAKE_PTR(jobs[i].meeting));
        }
        for (size_t i = 0; i < n; i++)
                if (!jobs[i].started)
                        job_run(&jobs[i]);
        for (size_t i = 0; i < n; i++)
                if (jobs[i].started)
                        (void)pthread_join(jobs[i].thread, NULL);
}

int set_commit(Set *set, const Copy **ret_copy) {
        static const struct sched_param first = { .sched_priority = 1 };
        struct sched_param usual_param = { 0 };
        Meeting meetings[VSS_VOLUMES_MAX];
        Job jobs[VSS_VOLUMES_MAX];
        int usual;
        bool raised;

        /*
         * On a busy machine they would mostly miss each other for want of a processor, so that these few
         * milliseconds go before others. Where that is refused, it is a matter of luck.
         */
        usual = sched_getscheduler(0);
        raised = usual >= 0 && sched_getparam(0, &usual_param) == 0 &&
                 sched_setscheduler(0, SCHED_FIFO, &first) == 0;
        run_jobs(jobs, make_jobs(set, meetings, jobs));
        /* Lowering it again is always allowed. */
        if (raised)
                (void)sched_setscheduler(0, usual, &usual_param);

        for (size_t i = 0; i < set->n_copies; i++) {
                if (set->copies[i].error < 0) {
                        *ret_copy = &set->copies[i];
                        return set->copies[i].error;
                }
        }
        return 0;
}

static int finish_copy(Copy *copy) {
        _cleanup_(closep) int fd = -1;
        struct btrfs_util_subvolume_info subvolume;
        bool read_only;
        char uuid[VSS_ID_SIZE];
        vss_value *own;
        int r;

        r = store_open_snapshot(copy->on->store_fd, copy->id, &fd);
        if (r < 0)
                return r;
        if (btrfs_util_get_subvolume_read_only_fd(fd, &read_only) != BTRFS_UTIL_OK ||
            (!read_only && btrfs_util_set_subvolume_read_only_fd(fd, true) != BTRFS_UTIL_OK) ||
            btrfs_util_subvolume_info_fd(fd, 0, &subvolume) != BTRFS_UTIL_OK)
                return negative_errno();
        copy->transaction = subvolume.otransid;

        own = value_require(copy->info, "btrfs", VSS_KIND_DICT);
        if (!own || vss_value_set_integer(own, "snapshot-id", (int64_t)subvolume.id) < 0 ||
            vss_value_set_integer(own, "transaction", (int64_t)subvolume.otransid) < 0 ||
            vss_value_set_string(copy->info, "state", "created") < 0)
                return -ENOMEM;
        filesystem_format_uuid(subvolume.uuid, uuid);
        return vss_value_set_string(own, "uuid", uuid) < 0 ? -ENOMEM : 0;
}

int set_finish(Set *set, const Copy **ret_copy) {
        for (size_t i = 0; i < set->n_copies; i++) {
                Copy *copy = &set->copies[i];
                int r;

                r = finish_copy(copy);
                if (r == 0)
                        r = info_replace(copy->dir_fd, copy->info);
                if (r < 0) {
                        *ret_copy = copy;
                        return r;
                }
        }
        return 0;
}

/* The first of those that share the instant of @index. */
static size_t first_of_instant(const Set *set, size_t index) {
        size_t i;

        for (i = 0; i < index; i++)
                if (set->copies[i].on == set->copies[index].on && set->copies[i].transaction != 0 &&
                    set->copies[i].transaction == set->copies[index].transaction)
                        break;
        return i;
}

int set_list_instants(const Set *set, vss_value *list) {
        for (size_t first = 0; first < set->n_copies; first++) {
                _cleanup_value_ vss_value *instant = vss_value_new_list();

                for (size_t i = first; i < set->n_copies; i++)
                        if (first_of_instant(set, i) == first &&
                            value_append_string(instant, set->copies[i].id) < 0)
                                return -ENOMEM;
                if (vss_value_count(instant) > 1 && vss_value_append(list, TAKE_PTR(instant)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

void set_undo(Set *set) {
        for (size_t i = 0; i < set->n_copies; i++) {
                Copy *copy = &set->copies[i];
                int r;

                if (copy->on->store_fd < 0)
                        continue;
                r = store_remove(copy->on->store_fd, copy->id);
                if (r < 0 && r != -ENOENT)
                        fprintf(stderr, "%s: shadow copy %s could not be taken back: %s\n", copy->volume,
                                copy->id, strerror(-r));
        }
}
