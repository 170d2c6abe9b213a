/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is asked of a cluster, in the thread of a link
 */

#include <string.h>
#include <sys/time.h>
#include "providers/common/info.h"
#include "providers/rbd/remote.h"
#include "util/clock.h"

#define KEY_PREFIX "linuxvss."
#define KEY_SIZE (sizeof(KEY_PREFIX) + VSS_ID_SIZE)
/* Of pools' metadata, what is looked at in one call and at most; and how large an identity is. */
#define PAGE 64u
#define IDENTITIES_MAX 65536u
#define IDENTITY_SIZE_MAX (256u << 10)
#define SNAPSHOTS_MAX 65536
/* Pools have it for themselves; locks of one name leave others alone. */
#define POOL_OBJECT "rbd_info"
#define LOCK_NAME "linuxvss"
#define LOCK_SECONDS 30
#define LOCK_RETRY_USEC (50 * USEC_PER_MSEC)

void snapshot_name(const char *id, char ret_name[static SNAPSHOT_SIZE]) {
        (void)snprintf(ret_name, SNAPSHOT_SIZE, SNAPSHOT_PREFIX "%s", id);
}

/* Places */

int place_describe(const Place *place, vss_value *dict) {
        if (vss_value_set_string(dict, "cluster", place->fsid) < 0 ||
            vss_value_set_string(dict, "pool", place->pool.pool) < 0 ||
            vss_value_set_string(dict, "namespace", place->pool.space) < 0 ||
            vss_value_set_string(dict, "image", place->image) < 0 ||
            vss_value_set_string(dict, "image-id", place->image_id) < 0)
                return -ENOMEM;
        return 0;
}

static int read_text(const vss_value *dict, const char *key, char *to, size_t size) {
        const char *text = vss_value_get_string(dict, key, "");

        return (size_t)snprintf(to, size, "%s", text) < size ? 0 : -EBADMSG;
}

int place_read(const vss_value *dict, Place *ret_place) {
        char pool[2 * POOL_NAME_SIZE];
        const char *space = vss_value_get_string(dict, "namespace", "");
        Place place = { 0 };

        if (snprintf(pool, sizeof(pool), "%s%s%s", vss_value_get_string(dict, "pool", ""), *space ? "/" : "",
                     space) >= (int)sizeof(pool) ||
            pool_name_parse(pool, &place.pool) < 0 ||
            read_text(dict, "cluster", place.fsid, sizeof(place.fsid)) < 0 ||
            read_text(dict, "image", place.image, sizeof(place.image)) < 0 ||
            read_text(dict, "image-id", place.image_id, sizeof(place.image_id)) < 0 || !*place.image_id)
                return -EBADMSG;
        *ret_place = place;
        return 0;
}

bool place_equals(const Place *a, const Place *b) {
        return strcmp(a->fsid, b->fsid) == 0 && strcmp(a->pool.pool, b->pool.pool) == 0 &&
               strcmp(a->pool.space, b->pool.space) == 0 && strcmp(a->image_id, b->image_id) == 0;
}

/* Pools */

int pool_open(LinkJob *job, Connection *connection, const PoolName *name, Pool *ret_pool) {
        Pool pool;
        int r = rados_ioctx_create(connection->cluster, name->pool, &pool.io);

        if (r < 0)
                return job_fail(job, r, "pool %s: %s", name->pool,
                                r == -ENOENT ? "there is none of this name" : strerror(-r));
        rados_ioctx_set_namespace(pool.io, name->space);
        *ret_pool = pool;
        return 0;
}

void pool_close(Pool *pool) {
        if (pool->io)
                rados_ioctx_destroy(pool->io);
        pool->io = NULL;
}

/* The library has no call for it, and a write to a pool that is full says nothing until it is late. */
int pool_check_room(LinkJob *job, Connection *connection, const PoolName *name) {
        const char *command = "{\"prefix\": \"health\", \"detail\": \"detail\"}";
        char *text = NULL, *status = NULL, line[POOL_NAME_SIZE + 32];
        size_t size = 0, status_size = 0;
        bool full;
        int r = rados_mon_command(connection->cluster, &command, 1, "", 0, &text, &size, &status,
                                  &status_size);

        (void)snprintf(line, sizeof(line), "pool '%s' is full", name->pool);
        full = r >= 0 && text && memmem(text, size, line, strlen(line));
        rados_buffer_free(text);
        rados_buffer_free(status);
        return full ? job_fail(job, -ENOSPC,
                               "pool %s is full; see ceph df. Delete shadow copies, or add storage",
                               name->pool)
                    : 0;
}

/* Identities */

static int identity_fail(LinkJob *job, const char *id, const char *what, int r) {
        return job_fail(job, r, "the identity of shadow copy %s cannot be %s: %s", id, what, strerror(-r));
}

static void identity_key(const char *id, char ret_key[static KEY_SIZE]) {
        (void)snprintf(ret_key, KEY_SIZE, KEY_PREFIX "%s", id);
}

int identity_put(LinkJob *job, Pool *pool, const vss_value *info) {
        const char *id = vss_value_get_string(info, "id", "");
        _cleanup_(freep) char *text = NULL;
        char key[KEY_SIZE];
        int r;

        identity_key(id, key);
        r = info_encode(info, &text);
        if (r >= 0 && strlen(text) >= IDENTITY_SIZE_MAX)
                r = -E2BIG;
        if (r >= 0)
                r = rbd_pool_metadata_set(pool->io, key, text);
        return r < 0 ? identity_fail(job, id, "written", r) : 0;
}

/* What a key and its value say; nothing that anybody else has written is believed. */
static int decode(const char *id, const char *text, size_t size, vss_value **ret_info) {
        _cleanup_value_ vss_value *info = NULL;
        Place place;
        int r = info_decode(text, size, &info);

        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        if (!info_id_is_valid(id) || strcmp(vss_value_get_string(info, "id", ""), id) != 0 ||
            !info_id_is_valid(vss_value_get_string(info, "set", NULL)) ||
            place_read(vss_value_get(info, "rbd"), &place) < 0)
                return -EBADMSG;
        *ret_info = TAKE_PTR(info);
        return 0;
}

int identity_get(LinkJob *job, Pool *pool, const char *id, vss_value **ret_info) {
        _cleanup_(freep) char *text = malloc(IDENTITY_SIZE_MAX);
        size_t size = IDENTITY_SIZE_MAX;
        char key[KEY_SIZE];
        int r;

        if (!text)
                return job_fail(job, -ENOMEM, "out of memory");
        identity_key(id, key);
        r = rbd_pool_metadata_get(pool->io, key, text, &size);
        if (r >= 0)
                r = decode(id, text, strnlen(text, IDENTITY_SIZE_MAX), ret_info);
        return r < 0 ? identity_fail(job, id, "read", r) : 0;
}

int identity_remove(LinkJob *job, Pool *pool, const char *id) {
        char key[KEY_SIZE];
        int r;

        identity_key(id, key);
        r = rbd_pool_metadata_remove(pool->io, key);
        return r < 0 && r != -ENOENT ? identity_fail(job, id, "removed", r) : 0;
}

typedef struct Page {
        char *keys, *values;
        size_t keys_size, values_size; /* of the memory, then what is in it */
        size_t keys_used, values_used;
} Page;

static void page_done(Page *page) {
        free(page->keys);
        free(page->values);
}

static int read_page(rados_ioctx_t io, const char *start, Page *page) {
        for (unsigned try = 0; try < 4; try++) {
                int r;

                page->keys_used = page->keys_size;
                page->values_used = page->values_size;
                r = rbd_pool_metadata_list(io, start, PAGE, page->keys, &page->keys_used, page->values,
                                           &page->values_used);
                if (r != -ERANGE)
                        return r;
                if (page->keys_used > IDENTITY_SIZE_MAX || page->values_used > PAGE * IDENTITY_SIZE_MAX)
                        return -E2BIG;
                page->keys_size = MAX(page->keys_used, page->keys_size);
                page->values_size = MAX(page->values_used, page->values_size);
                free(page->keys);
                free(page->values);
                page->keys = malloc(page->keys_size);
                page->values = malloc(page->values_size);
                if (!page->keys || !page->values)
                        return -ENOMEM;
        }
        return -EAGAIN;
}

/* Return: how many keys there were; @start becomes the last of them. */
static int take_page(const Page *page, char start[static 256], vss_value *list) {
        const char *key = page->keys, *value = page->values;
        int n = 0;

        while (key < page->keys + page->keys_used && value < page->values + page->values_used) {
                size_t key_size = strnlen(key, (size_t)(page->keys + page->keys_used - key));
                size_t size = strnlen(value, (size_t)(page->values + page->values_used - value));
                vss_value *info = NULL;

                n++;
                (void)snprintf(start, 256, "%.*s", (int)key_size, key);
                if (strncmp(start, KEY_PREFIX, strlen(KEY_PREFIX)) == 0 &&
                    decode(start + strlen(KEY_PREFIX), value, size, &info) == 0 &&
                    vss_value_append(list, info) < 0)
                        return -ENOMEM;
                key += key_size + 1;
                value += size + 1;
        }
        return n;
}

int identity_list(LinkJob *job, Pool *pool, vss_value *list) {
        _cleanup_(page_done) Page page = { .keys_size = 16384, .values_size = 262144 };
        char start[256] = KEY_PREFIX;
        int r = 0, n = (int)PAGE;

        page.keys = malloc(page.keys_size);
        page.values = malloc(page.values_size);
        if (!page.keys || !page.values)
                return job_fail(job, -ENOMEM, "out of memory");
        while (n == (int)PAGE && strncmp(start, KEY_PREFIX, strlen(KEY_PREFIX)) == 0) {
                if (vss_value_count(list) > IDENTITIES_MAX)
                        return job_fail(job, -E2BIG, "there are more than %u shadow copies", IDENTITIES_MAX);
                r = read_page(pool->io, start, &page);
                if (r == -ENOENT)
                        return 0; /* a pool without images has no metadata */
                n = r < 0 ? r : take_page(&page, start, list);
                if (n < 0)
                        return job_fail(job, n, "the shadow copies cannot be listed: %s", strerror(-n));
        }
        return 0;
}

int identity_lock(LinkJob *job, Pool *pool, uint64_t deadline_usec) {
        struct timeval duration = { .tv_sec = LOCK_SECONDS };
        int r;

        for (;;) {
                r = rados_lock_exclusive(pool->io, POOL_OBJECT, LOCK_NAME, LOCK_NAME, "import", &duration,
                                         0);
                if (r != -EBUSY || now_usec() >= deadline_usec)
                        break;
                (void)usleep(LOCK_RETRY_USEC);
        }
        return r < 0 && r != -EEXIST ? job_fail(job, r, "the pool's identities cannot be locked: %s",
                                                r == -EBUSY ? "somebody else has them" : strerror(-r))
                                     : 0;
}

void identity_unlock(Pool *pool) {
        (void)rados_unlock(pool->io, POOL_OBJECT, LOCK_NAME, LOCK_NAME);
}

/* Images */

static int complete_place(LinkJob *job, Connection *connection, rbd_image_t image, Place *place,
                          uint64_t *ret_size) {
        size_t size = sizeof(place->image);
        int r = rbd_get_name(image, place->image, &size);

        if (r >= 0)
                r = rbd_get_id(image, place->image_id, sizeof(place->image_id));
        if (r >= 0 && ret_size)
                r = rbd_get_size(image, ret_size);
        memcpy(place->fsid, connection->fsid, sizeof(place->fsid));
        return r < 0 ? job_fail(job, r, "image %s cannot be looked at: %s", place->image, strerror(-r)) : 0;
}

int image_open(LinkJob *job, Connection *connection, Pool *pool, Place *place, bool read_only,
               rbd_image_t *ret_image, uint64_t *ret_size) {
        const char *name = *place->image_id ? place->image_id : place->image;
        rbd_image_t image = NULL;
        int r;

        if (*place->image_id)
                r = read_only ? rbd_open_by_id_read_only(pool->io, name, &image, NULL)
                              : rbd_open_by_id(pool->io, name, &image, NULL);
        else
                r = read_only ? rbd_open_read_only(pool->io, name, &image, NULL)
                              : rbd_open(pool->io, name, &image, NULL);
        if (r < 0)
                return job_fail(job, r, "image %s/%s cannot be opened: %s", place->pool.pool,
                                *place->image ? place->image : name,
                                r == -ENOENT ? "there is none" : strerror(-r));
        r = complete_place(job, connection, image, place, ret_size);
        if (r < 0)
                (void)rbd_close(image);
        else
                *ret_image = image;
        return r;
}

void image_close(rbd_image_t *image) {
        if (*image)
                (void)rbd_close(*image);
        *image = NULL;
}

int image_find_snapshot(LinkJob *job, rbd_image_t image, const char *name, uint64_t *ret_id) {
        int r = rbd_snap_get_id(image, name, ret_id);

        return r < 0 ? job_fail(job, r, "snapshot %s: %s", name,
                                r == -ENOENT ? "there is none" : strerror(-r))
                     : 0;
}

int image_remove_snapshot(LinkJob *job, rbd_image_t image, const char *name) {
        int r = rbd_snap_remove2(image, name, RBD_SNAP_REMOVE_UNPROTECT, NULL, NULL);

        return r < 0 && r != -ENOENT
                       ? job_fail(job, r, "snapshot %s cannot be removed: %s", name, strerror(-r))
                       : 0;
}

int image_clone(LinkJob *job, Pool *pool, const Place *place, const char *name) {
        rbd_image_options_t options;
        int r;

        rbd_image_options_create(&options);
        /* The second format needs no protected parent, and lets it be removed before its clone. */
        r = rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_CLONE_FORMAT, 2);
        if (r >= 0)
                r = rbd_clone3(pool->io, place->image, name, pool->io, name, options);
        rbd_image_options_destroy(options);
        return r < 0 && r != -EEXIST ? job_fail(job, r, "snapshot %s of image %s cannot be cloned: %s", name,
                                                place->image, strerror(-r))
                                     : 0;
}

int image_remove(LinkJob *job, Pool *pool, const char *name) {
        int r = rbd_remove(pool->io, name);

        return r < 0 && r != -ENOENT ? job_fail(job, r, "image %s cannot be removed: %s", name,
                                                r == -EBUSY ? "somebody has it open" : strerror(-r))
                                     : 0;
}
