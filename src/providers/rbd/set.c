/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The shadow copy set that is being made
 */

#include <inttypes.h>
#include <string.h>
#include "providers/rbd/client.h"
#include "providers/rbd/set.h"
#include "util/clock.h"

/* The part of a copy that its thread works on; nothing else is touched by both. */
typedef struct CopyJob {
        LinkJob job;
        SetStep step;
        uint64_t answer_usec;
        char id[VSS_ID_SIZE];
        Place place;
        Pool pool;
        rbd_image_t image;
        vss_value *info;
} CopyJob;

Set *set_new(const char *id) {
        Set *set = calloc(1, sizeof(*set));

        if (set)
                (void)snprintf(set->id, sizeof(set->id), "%s", id);
        return set;
}

/* In the thread of its link, or when that has ended. */
static void copy_job_free(LinkJob *job) {
        CopyJob *copy_job = (CopyJob *)job;

        image_close(&copy_job->image);
        pool_close(&copy_job->pool);
        vss_value_free(copy_job->info);
        free(copy_job);
}

/* Nothing left to do: it was posted to be freed. */
static int run_nothing(LinkJob *job, Connection *connection) {
        return 0;
}

static void copy_done(Copy *copy) {
        /* Closing an image takes a call or two: its thread does it, and nobody waits. */
        if (copy->link && copy->job) {
                copy->job->job.run = run_nothing;
                link_post(copy->link, &TAKE_PTR(copy->job)->job);
        }
        copy->link = link_free(copy->link);
        vss_value_free(copy->info);
        free(copy->volume);
}

Set *set_free(Set *set) {
        if (!set)
                return NULL;
        for (size_t i = 0; i < set->n_copies; i++)
                copy_done(&set->copies[i]);
        free(set);
        return NULL;
}

Copy *set_find(Set *set, const char *snapshot_id) {
        for (size_t i = 0; set && i < set->n_copies; i++)
                if (strcmp(set->copies[i].id, snapshot_id) == 0)
                        return &set->copies[i];
        return NULL;
}

static int make_info(Copy *copy, const char *set_id, const vss_value *properties) {
        vss_value *own;

        copy->info = vss_value_kind(properties) == VSS_KIND_DICT ? vss_value_copy(properties)
                                                                 : vss_value_new_dict();
        own = copy->info ? value_require(copy->info, "rbd", VSS_KIND_DICT) : NULL;
        if (!own || vss_value_set_string(copy->info, "id", copy->id) < 0 ||
            vss_value_set_string(copy->info, "set", set_id) < 0 ||
            vss_value_set_string(copy->info, "state", "preparing") < 0 ||
            vss_value_set_string(own, "fs-type", copy->fs_type) < 0 ||
            vss_value_set_integer(own, "offset", (int64_t)copy->offset) < 0 ||
            vss_value_set_integer(own, "length", (int64_t)copy->length) < 0)
                return -ENOMEM;
        return place_describe(&copy->place, own);
}

int set_add(Set *set, const char *snapshot_id, const struct vss_volume *volume, size_t cluster,
            const Place *place, const Bottom *bottom, const vss_value *properties) {
        Copy *copy;
        int r;

        if (set->n_copies >= VSS_VOLUMES_MAX)
                return -E2BIG;
        copy = &set->copies[set->n_copies];
        *copy = (Copy){
                .cluster = cluster, .place = *place, .offset = bottom->offset, .length = bottom->length
        };
        (void)snprintf(copy->id, sizeof(copy->id), "%s", snapshot_id);
        (void)snprintf(copy->fs_type, sizeof(copy->fs_type), "%s", volume->fs_type);
        copy->volume = strdup(volume->path);
        r = copy->volume ? make_info(copy, set->id, properties) : -ENOMEM;
        if (r < 0) {
                vss_value_free(copy->info);
                free(copy->volume);
                return r;
        }
        set->n_copies++;
        return 0;
}

/* In the thread */

static int do_open(CopyJob *job, Connection *connection) {
        uint64_t size;
        int r = pool_open(&job->job, connection, &job->place.pool, &job->pool);

        if (r == 0)
                r = pool_check_room(&job->job, connection, &job->place.pool);
        if (r == 0)
                r = image_open(&job->job, connection, &job->pool, &job->place, false, &job->image, &size);
        if (r == 0)
                client_forget_dead(connection->cluster, job->image);
        if (r == 0)
                r = client_await_watchers(&job->job, &job->pool, job->image, &job->place);
        /* From here on it can be found, and taken back, whoever dies. */
        return r < 0 ? r : identity_put(&job->job, &job->pool, job->info);
}

/* A monitor gives each snapshot its number, the OSD of the image's header writes it down. */
static int do_check(CopyJob *job, Connection *connection) {
        _cleanup_value_ vss_value *info = NULL;
        char value[64];
        size_t size = sizeof(value);
        int r = rados_wait_for_latest_osdmap(connection->cluster);

        if (r < 0)
                return job_fail(&job->job, r, "its monitors do not answer: %s", strerror(-r));
        /* There is no such key; but that is an answer of who keeps the image's header. */
        r = rbd_metadata_get(job->image, "linuxvss", value, &size);
        if (r < 0 && r != -ENOENT && r != -ERANGE)
                return job_fail(&job->job, r, "image %s: %s", job->place.image, strerror(-r));
        return identity_get(&job->job, &job->pool, job->id, &info);
}

/*
 * Whoever has the image's lock would make the snapshot for us, and stop all writing meanwhile, for as long
 * as the monitors keep it waiting. So the lock is taken first; it is given back as soon as it is asked for.
 * What takes it is a write, and this one changes nothing: it is done only where it says what is there
 * already.
 */
static int take_lock(rbd_image_t image) {
        char block[512];
        uint64_t differs;
        int r;

        for (size_t i = 0; i < sizeof(block); i++)
                block[i] = (char)(7 * i + 1);
        r = (int)rbd_compare_and_write(image, 0, sizeof(block), block, block, &differs, 0);
        return r == -EILSEQ ? 0 : r;
}

static int do_cut(CopyJob *job, uint64_t answer_usec) {
        uint64_t began = now_usec();
        char name[SNAPSHOT_SIZE];
        int r;

        snapshot_name(job->id, name);
        r = take_lock(job->image);
        /* By now somebody else may write. */
        if (r >= 0 && now_usec() - began >= answer_usec)
                r = -ETIMEDOUT;
        /* Everything is held already: who would be asked to be quiet may not be able to answer. */
        if (r >= 0)
                r = rbd_snap_create2(job->image, name, RBD_SNAP_CREATE_SKIP_QUIESCE, NULL, NULL);
        /* A lock that nobody gives up is that, too. */
        if ((r == -EROFS || r == -EBUSY) && now_usec() - began >= answer_usec / 2)
                r = -ETIMEDOUT;
        return r < 0 ? job_fail(&job->job, r, "no snapshot of image %s can be made: %s", job->place.image,
                                strerror(-r))
                     : 0;
}

/* Its lock goes back to whoever writes to it. */
static int do_close(CopyJob *job) {
        uint64_t snapshot;
        char name[SNAPSHOT_SIZE];
        int r;

        snapshot_name(job->id, name);
        r = image_find_snapshot(&job->job, job->image, name, &snapshot);
        image_close(&job->image);
        return r;
}

static int run_step(LinkJob *link_job, Connection *connection) {
        CopyJob *job = (CopyJob *)link_job;

        switch (job->step) {
        case STEP_OPEN:
                return do_open(job, connection);
        case STEP_CHECK:
                return do_check(job, connection);
        case STEP_CUT:
                return do_cut(job, job->answer_usec);
        case STEP_CLOSE:
                return do_close(job);
        case STEP_SEAL:
                return identity_put(&job->job, &job->pool, job->info);
        }
        return -EINVAL;
}

/* In the main thread */

static vss_result start_copy(Copy *copy, Clusters *clusters, uint64_t limit_usec, vss_provider_call *call) {
        char why[WHY_SIZE];
        int r;

        /* One connection for all copies of a cluster. */
        r = cluster_connect(clusters, copy->cluster, limit_usec, why);
        if (r < 0)
                return cluster_fail(call, clusters, copy->cluster, copy->volume, r, why);
        copy->job = calloc(1, sizeof(*copy->job));
        if (copy->job)
                copy->link = link_new(&clusters->settings.clusters[copy->cluster],
                                      clusters->settings.answer_usec,
                                      link_connection(clusters->links[copy->cluster]));
        if (!copy->link) {
                free(TAKE_PTR(copy->job));
                return VSS_E_OUTOFMEMORY;
        }
        *copy->job = (CopyJob){ .job = { .run = run_step, .free = copy_job_free },
                                .answer_usec = clusters->settings.answer_usec,
                                .place = copy->place };
        (void)snprintf(copy->job->id, sizeof(copy->job->id), "%s", copy->id);
        return VSS_S_OK;
}

/* The identity as it is now goes with the job. */
static int load_info(Copy *copy) {
        vss_value_free(copy->job->info);
        copy->job->info = vss_value_copy(copy->info);
        return copy->job->info ? 0 : -ENOMEM;
}

static vss_result await(Set *set, Copy *copy, Clusters *clusters, uint64_t deadline_usec,
                        vss_provider_call *call) {
        LinkJob *job = NULL;
        int r = link_wait(copy->link, deadline_usec, &job);

        if (r < 0) {
                copy->link = link_free(copy->link);
                cluster_give_up(clusters, copy->cluster);
                set->doubtful = true;
                return cluster_fail(call, clusters, copy->cluster, copy->volume, -ETIMEDOUT, "");
        }
        copy->job = (CopyJob *)job;
        if (job->result >= 0)
                return VSS_S_OK;
        /* It may be done by somebody else yet, who was asked to. */
        set->doubtful = true;
        return cluster_fail(call, clusters, copy->cluster, copy->volume, job->result, job->why);
}

vss_result set_step(Set *set, Clusters *clusters, SetStep step, uint64_t limit_usec,
                    vss_provider_call *call) {
        uint64_t deadline = now_usec() + limit_usec;
        vss_result result = VSS_S_OK;

        for (size_t i = 0; result == VSS_S_OK && i < set->n_copies; i++) {
                Copy *copy = &set->copies[i];

                if (step == STEP_OPEN)
                        result = start_copy(copy, clusters, limit_usec, call);
                else if (!copy->job)
                        result = VSS_E_PROVIDER_VETO;
                if (result == VSS_S_OK && (step == STEP_OPEN || step == STEP_SEAL) && load_info(copy) < 0)
                        result = VSS_E_OUTOFMEMORY;
        }
        if (result < 0)
                return result;
        for (size_t i = 0; i < set->n_copies; i++) {
                set->copies[i].job->step = step;
                link_post(set->copies[i].link, &TAKE_PTR(set->copies[i].job)->job);
        }
        for (size_t i = 0; i < set->n_copies; i++) {
                vss_result r = await(set, &set->copies[i], clusters, deadline, call);

                result = result < 0 ? result : r;
        }
        for (size_t i = 0; result == VSS_S_OK && step == STEP_OPEN && i < set->n_copies; i++)
                set->copies[i].place = set->copies[i].job->place;
        return result;
}
