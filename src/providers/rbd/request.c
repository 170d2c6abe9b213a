/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Everything that is asked of a cluster outside of a set's cut, as jobs of a link
 */

#include <linuxvss/types.h>
#include <string.h>
#include "providers/common/info.h"
#include "providers/rbd/client.h"
#include "providers/rbd/request.h"
#include "util/clock.h"

/* Images that are open at one time while copies are listed. */
#define OPEN_MAX 32u

static int run_request(LinkJob *job, Connection *connection);
static void free_request(LinkJob *job);

Request *request_new(RequestKind kind, uint64_t limit_usec) {
        Request *request = calloc(1, sizeof(*request));

        if (!request)
                return NULL;
        *request = (Request){ .job = { .run = run_request, .free = free_request },
                              .kind = kind,
                              .limit_usec = limit_usec,
                              .list = vss_value_new_list() };
        return request->list ? request : request_free(request);
}

Request *request_free(Request *request) {
        if (request) {
                vss_value_free(request->info);
                vss_value_free(request->list);
                free(request);
        }
        return NULL;
}

static void free_request(LinkJob *job) {
        (void)request_free((Request *)job);
}

static Place place_of(const vss_value *info) {
        Place place = { 0 };

        (void)place_read(vss_value_get(info, "rbd"), &place); /* identities without one are none */
        return place;
}

static const char *host_of(const vss_value *info) {
        return vss_value_get_string(info, "host", "");
}

/* What stands */

typedef struct OpenImages {
        Connection *connection;
        Pool *pool;
        size_t n;
        struct {
                Place place;
                rbd_image_t image; /* NULL: there is no such image */
        } items[OPEN_MAX];
} OpenImages;

static void images_close(OpenImages *images) {
        for (size_t i = 0; i < images->n; i++)
                image_close(&images->items[i].image);
        images->n = 0;
}

static int find_image(LinkJob *job, OpenImages *images, const Place *place, rbd_image_t *ret_image) {
        rbd_image_t image = NULL;
        Place found = *place;
        int r;

        for (size_t i = 0; i < images->n; i++)
                if (place_equals(&images->items[i].place, place)) {
                        *ret_image = images->items[i].image;
                        return 0;
                }
        r = image_open(job, images->connection, images->pool, &found, true, &image, NULL);
        if (r < 0 && r != -ENOENT)
                return r;
        if (images->n == OPEN_MAX)
                images_close(images);
        images->items[images->n].place = *place;
        images->items[images->n++].image = image;
        *ret_image = image;
        return 0;
}

static int set_lost(vss_value *info, const char *reason) {
        return vss_value_set_string(info, "state", "lost") < 0 ||
                               vss_value_set_string(info, "reason", reason) < 0
                       ? -ENOMEM
                       : 0;
}

static int examine(LinkJob *job, OpenImages *images, vss_value *info) {
        char name[SNAPSHOT_SIZE];
        Place place = place_of(info);
        rbd_image_t image;
        uint64_t id;
        int r;

        if (strcmp(vss_value_get_string(info, "state", ""), "created") != 0)
                return 0;
        if (strcmp(place.fsid, images->connection->fsid) != 0)
                return set_lost(info, "it is of another cluster");
        r = find_image(job, images, &place, &image);
        if (r < 0)
                return r;
        if (!image)
                return set_lost(info, "its image was deleted");
        snapshot_name(vss_value_get_string(info, "id", ""), name);
        r = image_find_snapshot(job, image, name, &id);
        return r == -ENOENT ? set_lost(info, "its snapshot was removed by somebody else") : r;
}

static int list_pool(Request *request, Connection *connection, const PoolName *name) {
        _cleanup_value_ vss_value *all = vss_value_new_list();
        OpenImages images = { .connection = connection };
        Pool pool = { 0 };
        int r = all ? pool_open(&request->job, connection, name, &pool)
                    : job_fail(&request->job, -ENOMEM, "out of memory");

        images.pool = &pool;
        if (r >= 0)
                r = identity_list(&request->job, &pool, all);
        for (size_t i = 0; r >= 0 && i < vss_value_count(all); i++) {
                _cleanup_value_ vss_value *info = vss_value_copy(vss_value_at(all, i));

                if (*request->host && strcmp(host_of(info), request->host) != 0)
                        continue;
                r = info ? examine(&request->job, &images, info) : -ENOMEM;
                if (r >= 0 && vss_value_append(request->list, TAKE_PTR(info)) < 0)
                        r = -ENOMEM;
        }
        images_close(&images);
        pool_close(&pool);
        return r;
}

static int list(Request *request, Connection *connection) {
        const ClusterSettings *settings = &connection->settings;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < settings->n_pools; i++)
                r = list_pool(request, connection, &settings->pools[i]);
        return r;
}

/* One copy */

static int find(Request *request, Connection *connection) {
        const ClusterSettings *settings = &connection->settings;
        int r = -ENOENT;

        for (size_t i = 0; r == -ENOENT && i < settings->n_pools; i++) {
                Pool pool = { 0 };

                r = pool_open(&request->job, connection, &settings->pools[i], &pool);
                if (r >= 0)
                        r = identity_get(&request->job, &pool, request->id, &request->info);
                pool_close(&pool);
        }
        if (r >= 0 && *request->host && strcmp(host_of(request->info), request->host) != 0)
                r = job_fail(&request->job, -ENOENT, "shadow copy %s is of another host", request->id);
        return r;
}

static int remove_copy(Request *request, Connection *connection, Pool *pool, const vss_value *info) {
        const char *id = vss_value_get_string(info, "id", "");
        LinkJob *job = &request->job;
        char name[SNAPSHOT_SIZE];
        Place place = place_of(info);
        rbd_image_t image = NULL;
        uint64_t snapshot;
        int r = 0;

        snapshot_name(id, name);
        if (vss_value_get_boolean(vss_value_get(info, "rbd"), "clone", false))
                r = image_remove(job, pool, name);
        if (r >= 0) {
                r = image_open(job, connection, pool, &place, false, &image, NULL);
                if (r >= 0)
                        client_forget_dead(connection->cluster, image);
                if (r >= 0)
                        request->n_removed += image_find_snapshot(job, image, name, &snapshot) == 0;
                if (r >= 0)
                        r = image_remove_snapshot(job, image, name);
                image_close(&image);
                if (r == -ENOENT)
                        r = 0; /* the image is gone, and the snapshot with it */
        }
        if (r >= 0 && !request->keep_identity)
                r = identity_remove(job, pool, id);
        return r;
}

static int remove_set(Request *request, Connection *connection) {
        const ClusterSettings *settings = &connection->settings;
        int result = 0;

        for (size_t i = 0; i < settings->n_pools; i++) {
                _cleanup_value_ vss_value *all = vss_value_new_list();
                Pool pool = { 0 };
                int r = all ? pool_open(&request->job, connection, &settings->pools[i], &pool) : -ENOMEM;

                if (r >= 0)
                        r = identity_list(&request->job, &pool, all);
                for (size_t k = 0; r >= 0 && k < vss_value_count(all); k++) {
                        const vss_value *info = vss_value_at(all, k);

                        if (strcmp(vss_value_get_string(info, "set", ""), request->set) == 0 &&
                            strcmp(host_of(info), request->host) == 0)
                                r = remove_copy(request, connection, &pool, info);
                }
                pool_close(&pool);
                result = result < 0 ? result : r;
        }
        return result;
}

/* Imports */

static int check_claim(Request *request, Connection *connection, Pool *pool, const vss_value *known) {
        const char *id = vss_value_get_string(known, "id", "");
        LinkJob *job = &request->job;
        Place place = place_of(known);
        char name[SNAPSHOT_SIZE];
        rbd_image_t image = NULL;
        uint64_t snapshot;
        int r;

        if (!place_equals(&place, &request->place) ||
            strcmp(vss_value_get_string(known, "set", ""), vss_value_get_string(request->info, "set", "")) !=
                    0)
                return job_fail(job, -ENOENT, "its image has another shadow copy by this identity");
        if (!(vss_value_get_integer(known, "attributes", 0) & VSS_VOLSNAP_ATTR_NOT_SURFACED))
                return job_fail(job, -EEXIST, "it has been imported already");
        if (strcmp(vss_value_get_string(known, "state", ""), "created") != 0)
                return job_fail(job, -ENOENT, "it was never finished");
        r = image_open(job, connection, pool, &place, true, &image, NULL);
        snapshot_name(id, name);
        if (r >= 0)
                r = image_find_snapshot(job, image, name, &snapshot);
        image_close(&image);
        return r;
}

static bool is_looked_into(const ClusterSettings *settings, const PoolName *name) {
        for (size_t i = 0; i < settings->n_pools; i++)
                if (strcmp(settings->pools[i].pool, name->pool) == 0 &&
                    strcmp(settings->pools[i].space, name->space) == 0)
                        return true;
        return false;
}

static int claim(Request *request, Connection *connection) {
        _cleanup_value_ vss_value *known = NULL;
        LinkJob *job = &request->job;
        Pool pool = { 0 };
        int r;

        /* A document comes from anywhere. */
        if (!is_looked_into(&connection->settings, &request->place.pool))
                return job_fail(job, -ENOENT, "pool %s is none of those in " RBD_CONF,
                                request->place.pool.pool);
        r = pool_open(job, connection, &request->place.pool, &pool);
        if (r >= 0)
                r = identity_lock(job, &pool, now_usec() + request->limit_usec / 2);
        if (r < 0) {
                pool_close(&pool);
                return r;
        }
        r = identity_get(job, &pool, vss_value_get_string(request->info, "id", ""), &known);
        if (r == -ENOENT)
                (void)job_fail(job, r, "there is no such shadow copy in pool %s", request->place.pool.pool);
        if (r >= 0)
                r = check_claim(request, connection, &pool, known);
        if (r >= 0)
                r = info_merge(known, request->info, "rbd") < 0 ? job_fail(job, -ENOMEM, "out of memory")
                                                                : identity_put(job, &pool, known);
        identity_unlock(&pool);
        pool_close(&pool);
        return r;
}

static int look(Request *request, Connection *connection, Pool *pool) {
        rbd_image_t image = NULL;
        int r = image_open(&request->job, connection, pool, &request->place, true, &image, &request->size);

        image_close(&image);
        return r;
}

/* What is kept says that there is a clone before there is one, so that it is found whatever happens. */
static int clone(Request *request, Connection *connection, Pool *pool) {
        vss_value *own = value_require(request->info, "rbd", VSS_KIND_DICT);
        rbd_image_t image = NULL;
        Place made;
        char name[SNAPSHOT_SIZE];
        int r;

        request->place = place_of(request->info);
        r = look(request, connection, pool); /* by its id; it may have another name by now */
        snapshot_name(vss_value_get_string(request->info, "id", ""), name);
        if (r == 0 && vss_value_set_boolean(own, "clone", true) < 0)
                r = job_fail(&request->job, -ENOMEM, "out of memory");
        if (r == 0)
                r = identity_put(&request->job, pool, request->info);
        if (r == 0)
                r = image_clone(&request->job, pool, &request->place, name);
        made = (Place){ .pool = request->place.pool };
        (void)snprintf(made.image, sizeof(made.image), "%s", name);
        if (r == 0)
                r = image_open(&request->job, connection, pool, &made, true, &image, NULL);
        image_close(&image);
        if (r == 0 && vss_value_set_string(own, "clone-id", made.image_id) < 0)
                r = job_fail(&request->job, -ENOMEM, "out of memory");
        return r < 0 ? r : identity_put(&request->job, pool, request->info);
}

static int in_pool(Request *request, Connection *connection) {
        Place place = request->kind == REQUEST_LOOK ? request->place : place_of(request->info);
        Pool pool = { 0 };
        int r = pool_open(&request->job, connection, &place.pool, &pool);

        if (r < 0)
                return r;
        switch (request->kind) {
        case REQUEST_PUT:
                r = identity_put(&request->job, &pool, request->info);
                break;
        case REQUEST_LOOK:
                r = look(request, connection, &pool);
                break;
        case REQUEST_REMOVE:
                r = remove_copy(request, connection, &pool, request->info);
                break;
        case REQUEST_CLONE:
                r = clone(request, connection, &pool);
                break;
        case REQUEST_FORGET:
                r = identity_remove(&request->job, &pool, vss_value_get_string(request->info, "id", ""));
                break;
        default:
                r = job_fail(&request->job, -EINVAL, "no such request");
        }
        pool_close(&pool);
        return r;
}

static int run_request(LinkJob *job, Connection *connection) {
        Request *request = (Request *)job;

        switch (request->kind) {
        case REQUEST_CONNECT:
                return 0;
        case REQUEST_LIST:
                return list(request, connection);
        case REQUEST_FIND:
                return find(request, connection);
        case REQUEST_REMOVE_SET:
                return remove_set(request, connection);
        case REQUEST_CLAIM:
                return claim(request, connection);
        default:
                return in_pool(request, connection);
        }
}
