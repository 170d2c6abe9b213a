/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Copies of LUNs while they are made
 *
 * Everything is open before the instant: what happens in it is one FICLONE for each copy, in a thread of its
 * own.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "array/copies.h"
#include "providers/common/info.h"
#include "util/clock.h"

/* However small the LUNs are. */
#define SPACE_LEAST (UINT64_C(4) << 20)
#define MIB (UINT64_C(1) << 20)

static void making_done(Making *m) {
        closep(&m->from);
        closep(&m->to);
        *m = (Making){ .from = -1, .to = -1 };
}

/* Takes it out of the list. */
static void drop(Copies *c, size_t i) {
        making_done(&c->making[i]);
        c->making[i] = c->making[--c->n_making];
}

static int check_space(const Copies *c, uint64_t bytes, ArrayError *error) {
        uint64_t wanted = MAX(bytes / 100 * c->reserve, SPACE_LEAST), there;
        struct statvfs fs;

        if (fstatvfs(c->store->fd, &fs) < 0)
                return array_fail(error, -errno, "%s: %s", c->store->path, strerror(errno));
        there = (uint64_t)fs.f_bavail * fs.f_frsize;
        if (there >= wanted)
                return 0;
        return array_fail(error, -ENOSPC,
                          "the array is full: %" PRIu64
                          " MiB are free in its store, and the copies must have %" PRIu64
                          " MiB. Delete copies, or give the store more space.",
                          there / MIB, wanted / MIB);
}

static int identity_of(const Copies *c, const Making *m, const vss_value *properties, vss_value **ret_info,
                       ArrayError *error) {
        _cleanup_value_ vss_value *info = vss_value_kind(properties) == VSS_KIND_DICT
                                                  ? vss_value_copy(properties)
                                                  : vss_value_new_dict();
        _cleanup_value_ vss_value *lun = NULL;
        vss_value *own;
        int r = store_lun_read(c->store, m->lun, &lun, error);

        if (r < 0)
                return r;
        value_unset(info, "array");
        own = value_require(info, "array", VSS_KIND_DICT);
        if (!own || vss_value_set_string(info, "id", m->id) < 0 ||
            vss_value_set_string(info, "set", m->set) < 0 ||
            vss_value_set_string(info, "state", "preparing") < 0 ||
            vss_value_set_string(own, "lun", m->lun) < 0 ||
            vss_value_set_string(own, "serial", vss_value_get_string(lun, "serial", "")) < 0 ||
            vss_value_set_string(own, "owner", c->host) < 0 ||
            vss_value_set_string(own, "holder", c->host) < 0)
                return array_fail(error, -ENOMEM, "out of memory");
        *ret_info = TAKE_PTR(info);
        return 0;
}

static int make_copy(Copies *c, Making *m, const vss_value *properties, ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL;
        struct stat st;
        int r;

        r = identity_of(c, m, properties, &info, error);
        if (r < 0)
                return r;
        m->from = store_open_data(c->store->luns, m->lun, O_RDONLY, error);
        if (m->from < 0)
                return m->from;
        if (mkdirat(c->store->copies, m->id, 0700) < 0)
                return array_fail(error, -errno, "copy %s: %s", m->id, strerror(errno));
        m->to = store_open_data(c->store->copies, m->id, O_RDWR | O_CREAT | O_EXCL, error);
        if (m->to < 0)
                return m->to;
        if (flock(m->to, LOCK_EX | LOCK_NB) < 0 || fstat(m->from, &st) < 0)
                return array_fail(error, -errno, "copy %s: %s", m->id, strerror(errno));
        r = store_write_info(c->store->copies, m->id, info);
        return r < 0 ? array_fail(error, r, "copy %s: %s", m->id, strerror(-r)) : 0;
}

/* What is asked for, looked through before anything is made. */
static int check(const Copies *c, const vss_value *copies, uint64_t *ret_bytes, ArrayError *error) {
        _cleanup_value_ vss_value *seen = vss_value_new_dict();
        uint64_t bytes = 0;
        int r = store_granted(c->store, c->host, seen, error);

        if (r < 0)
                return r;
        if (vss_value_count(copies) == 0 || vss_value_count(copies) + c->n_making > VSS_VOLUMES_MAX)
                return array_fail(error, -E2BIG, "a set has 1 to %u copies", VSS_VOLUMES_MAX);
        for (size_t i = 0; i < vss_value_count(copies); i++) {
                const vss_value *copy = vss_value_at(copies, i);
                const char *lun = vss_value_get_string(copy, "lun", ""),
                           *id = vss_value_get_string(copy, "id", "");
                _cleanup_value_ vss_value *info = NULL;

                if (!info_id_is_valid(id))
                        return array_fail(error, -EINVAL, "\"%.80s\" is no identity", id);
                if (!array_name_is_valid(lun) || !vss_value_get(seen, lun))
                        return array_fail(error, -EACCES, "LUN \"%.80s\" is not granted to %s", lun,
                                          c->host);
                r = store_lun_read(c->store, lun, &info, error);
                if (r < 0)
                        return r;
                bytes += (uint64_t)vss_value_get_integer(info, "size", 0);
        }
        *ret_bytes = bytes;
        return 0;
}

int copies_prepare(Copies *c, const char *set, const vss_value *copies, ArrayError *error) {
        _cleanup_(closep) int lock = -1;
        uint64_t bytes = 0;
        int r;

        if (!info_id_is_valid(set))
                return array_fail(error, -EINVAL, "\"%.80s\" is no identity of a set", set);
        r = store_lock(c->store, &lock, error);
        if (r == 0)
                r = copies_sweep(c->store, error);
        if (r == 0)
                r = check(c, copies, &bytes, error);
        if (r == 0)
                r = check_space(c, bytes, error);
        for (size_t i = 0; r == 0 && i < vss_value_count(copies); i++) {
                const vss_value *copy = vss_value_at(copies, i);
                Making *m = &c->making[c->n_making];

                *m = (Making){ .from = -1, .to = -1 };
                (void)snprintf(m->id, sizeof(m->id), "%s", vss_value_get_string(copy, "id", ""));
                (void)snprintf(m->set, sizeof(m->set), "%s", set);
                (void)snprintf(m->lun, sizeof(m->lun), "%s", vss_value_get_string(copy, "lun", ""));
                r = make_copy(c, m, vss_value_get(copy, "properties"), error);
                if (r == 0 || m->to >= 0)
                        c->n_making++;
                else
                        making_done(m);
        }
        closep(&lock);
        lock = -1;
        if (r < 0)
                copies_abort(c, set);
        return r;
}

static void *clone_one(void *userdata) {
        Making *m = userdata;
        uint64_t begun = now_usec();

        m->error = ioctl(m->to, FICLONE, m->from) < 0 ? -errno : 0;
        m->usec = now_usec() - begun;
        return NULL;
}

/* One has failed, perhaps for want of space: as long as the others, and what there is of it, share blocks
 * with their LUNs, each write to these wants space, too. The host writes on when it has the answer. */
static void let_go(Copies *c, const char *set) {
        for (size_t i = 0; i < c->n_making; i++)
                if (strcmp(c->making[i].set, set) == 0) {
                        c->making[i].committed = false;
                        (void)ftruncate(c->making[i].to, 0);
                }
}

int copies_commit(Copies *c, const char *set, vss_value *answer, ArrayError *error) {
        vss_value *list = value_require(answer, "copies", VSS_KIND_LIST);
        pthread_t threads[VSS_VOLUMES_MAX];
        bool started[VSS_VOLUMES_MAX] = { 0 };
        size_t n = 0;
        int r = 0;

        for (size_t i = 0; i < c->n_making; i++) {
                if (strcmp(c->making[i].set, set) != 0)
                        continue;
                n++;
                started[i] = c->n_making > 1 &&
                             pthread_create(&threads[i], NULL, clone_one, &c->making[i]) == 0;
                if (!started[i])
                        (void)clone_one(&c->making[i]);
        }
        for (size_t i = 0; i < c->n_making; i++)
                if (started[i])
                        (void)pthread_join(threads[i], NULL);
        for (size_t i = 0; i < c->n_making; i++) {
                Making *m = &c->making[i];
                vss_value *entry;

                if (strcmp(m->set, set) != 0)
                        continue;
                m->committed = m->error == 0;
                if (m->error < 0 && r == 0)
                        r = array_fail(error, m->error,
                                       m->error == -ENOSPC
                                               ? "the array is full: LUN %s could not be copied (%s)"
                                               : "LUN %s could not be copied: %s",
                                       m->lun, strerror(-m->error));
                entry = vss_value_new_dict();
                if (vss_value_set_string(entry, "id", m->id) < 0 ||
                    vss_value_set_integer(entry, "usec", (int64_t)m->usec) < 0 ||
                    vss_value_append(list, entry) < 0)
                        r = array_fail(error, -ENOMEM, "out of memory");
        }
        if (r < 0)
                let_go(c, set);
        return n > 0 ? r : array_fail(error, -ENOENT, "set %.40s is not being made on the array", set);
}

static int finish_one(Copies *c, Making *m, const vss_value *properties, ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL;
        int r;

        if (!m->committed)
                return array_fail(error, -EINVAL, "copy %s was not made", m->id);
        if (fsync(m->to) < 0)
                return array_fail(error, -errno, "copy %s cannot be written to the disk: %s", m->id,
                                  strerror(errno));
        r = store_read_info(c->store->copies, m->id, &info);
        if (r == 0 && properties)
                r = info_merge(info, properties, "array");
        if (r == 0 && vss_value_set_string(info, "state", "created") < 0)
                r = -ENOMEM;
        if (r == 0)
                r = store_write_info(c->store->copies, m->id, info);
        /* Who has it open goes on writing, and seals it himself; nobody else begins. */
        store_mask(c->store, c->host, m->id);
        return r < 0 ? array_fail(error, r, "the identity of copy %s cannot be written: %s", m->id,
                                  strerror(-r))
                     : 0;
}

int copies_finish(Copies *c, const char *set, const vss_value *properties, ArrayError *error) {
        size_t n = 0;

        for (size_t i = 0; i < c->n_making;) {
                int r;

                if (strcmp(c->making[i].set, set) != 0) {
                        i++;
                        continue;
                }
                r = finish_one(c, &c->making[i], vss_value_get(properties, c->making[i].id), error);
                if (r < 0)
                        return r;
                drop(c, i);
                n++;
        }
        return n > 0 ? 0 : array_fail(error, -ENOENT, "set %.40s is not being made on the array", set);
}

/* Those that are being made, and those of the set that are done and are still this host's. */
void copies_abort(Copies *c, const char *set) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        _cleanup_(closep) int lock = -1;
        ArrayError error;

        if (store_lock(c->store, &lock, &error) < 0)
                return; /* what nobody finishes is swept away by the next one */
        for (size_t i = 0; i < c->n_making;)
                if (strcmp(c->making[i].set, set) == 0) {
                        store_mask(c->store, c->host, c->making[i].id);
                        (void)store_remove(c->store->copies, c->making[i].id);
                        drop(c, i);
                } else
                        i++;
        (void)copies_held(c, list, &error);
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *info = vss_value_at(list, i);
                const char *id = vss_value_get_string(info, "id", "");

                if (strcmp(vss_value_get_string(info, "set", ""), set) != 0 ||
                    strcmp(vss_value_get_string(vss_value_get(info, "array"), "owner", ""), c->host) != 0)
                        continue;
                store_mask(c->store, c->host, id);
                (void)store_remove(c->store->copies, id);
        }
}

void copies_done(Copies *c) {
        while (c->n_making > 0) {
                char set[VSS_ID_SIZE];
                size_t n = c->n_making;

                (void)snprintf(set, sizeof(set), "%s", c->making[0].set);
                copies_abort(c, set);
                if (c->n_making == n)
                        drop(c, 0);
        }
}

int copies_sweep(const Store *store, ArrayError *error) {
        _cleanup_value_ vss_value *names = vss_value_new_list();
        int r = store_list(store, store->copies, STORE_COPIES_MAX, names, error);

        for (size_t i = 0; r == 0 && i < vss_value_count(names); i++) {
                const char *id = vss_value_string(vss_value_at(names, i), "");
                _cleanup_value_ vss_value *info = NULL;
                _cleanup_(closep) int fd = -1;
                ArrayError ignored;

                if (store_read_info(store->copies, id, &info) == 0 &&
                    strcmp(vss_value_get_string(info, "state", ""), "created") == 0)
                        continue;
                fd = store_open_data(store->copies, id, O_RDONLY, &ignored);
                if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
                        continue; /* it is being made */
                store_mask(store, vss_value_get_string(vss_value_get(info, "array"), "holder", "-"), id);
                (void)store_remove(store->copies, id);
        }
        return r;
}
