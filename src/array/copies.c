/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Copies of LUNs that stand: whose they are, who sees them, and what becomes of them
 */

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include "array/copies.h"
#include "providers/common/info.h"

#define OPEN_TRIES 40

static bool is_held_by(const vss_value *info, const char *host) {
        return strcmp(vss_value_get_string(vss_value_get(info, "array"), "holder", ""), host) == 0;
}

/* Another's is not there. */
static int find(const Copies *c, const char *id, vss_value **ret_info, ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL;
        int r = info_id_is_valid(id) ? store_read_info(c->store->copies, id, &info) : -ENOENT;

        if (r == 0 && !is_held_by(info, c->host))
                r = -ENOENT;
        if (r < 0)
                return array_fail(error, r, "there is no copy %.40s of %s on the array%s%s", id, c->host,
                                  r == -ENOENT ? "" : ": ", r == -ENOENT ? "" : strerror(-r));
        *ret_info = TAKE_PTR(info);
        return 0;
}

static int write_info(const Copies *c, const char *id, const vss_value *info, ArrayError *error) {
        int r = store_write_info(c->store->copies, id, info);

        return r < 0 ? array_fail(error, r, "the identity of copy %s cannot be written: %s", id,
                                  strerror(-r))
                     : 0;
}

int copies_held(const Copies *c, vss_value *list, ArrayError *error) {
        _cleanup_value_ vss_value *names = vss_value_new_list();
        int r = store_list(c->store, c->store->copies, STORE_COPIES_MAX, names, error);

        for (size_t i = 0; r == 0 && i < vss_value_count(names); i++) {
                const char *id = vss_value_string(vss_value_at(names, i), "");
                _cleanup_value_ vss_value *info = NULL;

                /* One bad copy does not hide the others. */
                if (store_read_info(c->store->copies, id, &info) < 0 || !is_held_by(info, c->host) ||
                    strcmp(vss_value_get_string(info, "id", ""), id) != 0)
                        continue;
                if (vss_value_append(list, TAKE_PTR(info)) < 0)
                        r = array_fail(error, -ENOMEM, "out of memory");
        }
        return r;
}

/* Does the copy pass to another host? -EEXIST: it has done so already. */
static int check_take(const vss_value *info, const char *set, ArrayError *error) {
        int64_t attributes = vss_value_get_integer(info, "attributes", 0);

        if (strcmp(vss_value_get_string(info, "set", ""), set) != 0)
                return array_fail(error, -EACCES, "it is of another set");
        if (strcmp(vss_value_get_string(info, "state", ""), "created") != 0)
                return array_fail(error, -EACCES, "it was never finished");
        if (!(attributes & VSS_VOLSNAP_ATTR_TRANSPORTABLE))
                return array_fail(error, -EACCES, "it was not made to be transported");
        if (vss_value_get_boolean(vss_value_get(info, "array"), "taken", false))
                return array_fail(error, -EEXIST, "it has been imported already");
        return 0;
}

/* @host sees it no more, not even where it has it open. */
static int part_with(const Copies *c, const char *id, const char *host, ArrayError *error) {
        _cleanup_(closep) int fd = -1;
        ArrayError why;
        int r;

        store_mask(c->store, host, id);
        fd = store_open_data(c->store->copies, id, O_RDONLY, &why);
        r = fd < 0 ? fd : store_cut(c->store, host, fd, &why);
        return r < 0 ? array_fail(error, r, "copy %s: %s", id, why.text) : 0;
}

int copies_take(Copies *c, const char *id, const char *set, const vss_value *properties, vss_value *answer,
                ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL, *host = NULL, *was = NULL;
        char former[ARRAY_NAME_MAX + 1];
        _cleanup_(closep) int lock = -1;
        vss_value *own;
        int r;

        r = store_host_read(c->store, c->host, &host, error);
        if (r == 0)
                r = store_lock(c->store, &lock, error);
        if (r < 0)
                return r;
        r = info_id_is_valid(id) ? store_read_info(c->store->copies, id, &info) : -ENOENT;
        if (r < 0)
                return array_fail(error, -ENOENT, "there is no such copy on the array");
        r = check_take(info, set, error);
        if (r < 0)
                return r;
        was = vss_value_copy(info);
        own = value_require(info, "array", VSS_KIND_DICT);
        (void)snprintf(former, sizeof(former), "%s", vss_value_get_string(own, "holder", ""));
        r = own && vss_value_set(own, "former", TAKE_PTR(was)) >= 0 ? info_merge(info, properties, "array")
                                                                    : -ENOMEM;
        if (r == 0 && (vss_value_set_string(own, "holder", c->host) < 0 ||
                       vss_value_set_boolean(own, "taken", true) < 0 ||
                       vss_value_set(answer, "copy", vss_value_copy(info)) < 0))
                r = -ENOMEM;
        if (r < 0)
                return array_fail(error, r, "copy %s: %s", id, strerror(-r));
        if (array_name_is_valid(former))
                r = part_with(c, id, former, error);
        return r < 0 ? r : write_info(c, id, info, error);
}

int copies_give_back(Copies *c, const char *id, ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL;
        const vss_value *former;
        _cleanup_(closep) int lock = -1;
        int r = store_lock(c->store, &lock, error);

        if (r == 0)
                r = find(c, id, &info, error);
        if (r < 0)
                return r;
        former = vss_value_get(vss_value_get(info, "array"), "former");
        if (!former)
                return array_fail(error, -EINVAL, "copy %s is of no other host", id);
        r = part_with(c, id, c->host, error);
        return r < 0 ? r : write_info(c, id, former, error);
}

int copies_set_identity(Copies *c, const char *id, const vss_value *properties, ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL;
        _cleanup_(closep) int lock = -1;
        int r = store_lock(c->store, &lock, error);

        if (r == 0)
                r = find(c, id, &info, error);
        if (r == 0 && info_merge(info, properties, "array") < 0)
                r = array_fail(error, -ENOMEM, "out of memory");
        return r < 0 ? r : write_info(c, id, info, error);
}

int copies_unmask(Copies *c, const char *id, bool writable, ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL;
        int r = find(c, id, &info, error);

        /* Until it is done, whoever made it may write to it, and nobody later. */
        if (r == 0 && writable && strcmp(vss_value_get_string(info, "state", ""), "created") == 0)
                r = array_fail(error, -EROFS, "copy %s is complete, and read-only", id);
        return r < 0 ? r : store_unmask(c->store, c->host, writable, c->store->copies, id, error);
}

int copies_mask(Copies *c, const char *id, ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL;
        int r = find(c, id, &info, error);

        if (r == 0)
                store_mask(c->store, c->host, id);
        return r;
}

int copies_delete(Copies *c, const char *id, ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL;
        _cleanup_(closep) int lock = -1;
        int r = store_lock(c->store, &lock, error);

        if (r == 0)
                r = find(c, id, &info, error);
        for (size_t i = 0; r == 0 && i < c->n_making; i++)
                if (strcmp(c->making[i].id, id) == 0)
                        r = array_fail(error, -EBUSY, "copy %s is being made", id);
        if (r < 0)
                return r;
        store_mask(c->store, c->host, id);
        r = store_remove(c->store->copies, id);
        return r < 0 ? array_fail(error, r, "copy %s cannot be removed: %s", id, strerror(-r)) : 0;
}

static int lun_info(const vss_value *copy, const char *name, bool revert, vss_value **ret_info) {
        const vss_value *own = vss_value_get(copy, "array");
        _cleanup_value_ vss_value *info = vss_value_new_dict();
        char serial[VSS_ID_SIZE] = "";
        int r = store_new_id(serial);

        if (r < 0)
                return r;
        if (vss_value_set_string(info, "name", name) < 0 ||
            vss_value_set_string(info, "serial", revert ? vss_value_get_string(own, "serial", "") : serial) <
                    0 ||
            vss_value_set_string(info, "was-copy", vss_value_get_string(copy, "id", "")) < 0)
                return -ENOMEM;
        *ret_info = TAKE_PTR(info);
        return 0;
}

/* First it changes places, which is one step; a crash behind it leaves a LUN with a copy's identity, and
 * nothing lost. */
static int become_lun(Copies *c, const char *id, const char *name, const vss_value *lun, ArrayError *error) {
        int r = 0;

        if (renameat2(c->store->copies, id, c->store->luns, name, RENAME_NOREPLACE) < 0)
                return array_fail(error, -errno, "copy %s cannot become LUN %s: %s", id, name,
                                  strerror(errno));
        r = store_write_info(c->store->luns, name, lun);
        if (r < 0) {
                (void)renameat2(c->store->luns, name, c->store->copies, id, RENAME_NOREPLACE);
                return array_fail(error, r, "copy %s cannot become LUN %s: %s", id, name, strerror(-r));
        }
        (void)fsync(c->store->luns);
        return 0;
}

int copies_break(Copies *c, const char *id, const CopiesBreak *how, vss_value *answer, ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL, *lun = NULL, *there = NULL;
        _cleanup_(closep) int lock = -1;
        const char *name;
        ArrayError ignored;
        int r = store_lock(c->store, &lock, error);

        if (r == 0)
                r = find(c, id, &info, error);
        if (r < 0)
                return r;
        name = how->revert_identity ? vss_value_get_string(vss_value_get(info, "array"), "lun", "")
                                    : how->name;
        if (!array_name_is_valid(name))
                return array_fail(error, -EINVAL, "\"%.80s\" cannot be the name of a LUN", name);
        if (store_lun_read(c->store, name, &there, &ignored) == 0)
                return array_fail(error, -EEXIST, "there is a LUN %s on the array", name);
        if (how->check_only)
                return 0;
        if (lun_info(info, name, how->revert_identity, &lun) < 0 ||
            vss_value_set_string(answer, "lun", name) < 0)
                return array_fail(error, -ENOMEM, "out of memory");
        r = part_with(c, id, c->host, error);
        if (r == 0)
                r = become_lun(c, id, name, lun, error);
        return r < 0 || how->masked ? r : store_grant(c->store, name, c->host, !how->writable, error);
}

int copies_write_back(Copies *c, const char *id, const char *lun, ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL, *seen = vss_value_new_dict();
        _cleanup_(closep) int lock = -1, from = -1, to = -1;
        static const struct timespec pause = { .tv_nsec = 50000000 };
        struct stat a, b;
        bool open = true;
        int r = store_lock(c->store, &lock, error);

        if (r == 0)
                r = find(c, id, &info, error);
        if (r == 0)
                r = store_granted(c->store, c->host, seen, error);
        if (r < 0)
                return r;
        if (!array_name_is_valid(lun) || !vss_value_get_boolean(seen, lun, false))
                return array_fail(error, -EACCES, "LUN \"%.80s\" is not granted to %s for writing", lun,
                                  c->host);
        from = store_open_data(c->store->copies, id, O_RDONLY, error);
        to = from < 0 ? from : store_open_data(c->store->luns, lun, O_RDWR, error);
        if (to < 0)
                return to;
        if (fstat(from, &a) < 0 || fstat(to, &b) < 0 || a.st_size != b.st_size)
                return array_fail(error, -EINVAL, "LUN %s is not as large as the copy", lun);
        /* Who has just detached it is still being parted with. */
        for (int i = 0; open && i < OPEN_TRIES; i++) {
                if (i > 0)
                        (void)nanosleep(&pause, NULL);
                if (store_is_open(to, &open) < 0)
                        return array_fail(error, -errno, "who has LUN %s open cannot be found", lun);
        }
        if (open)
                return array_fail(error, -EBUSY, "LUN %s is attached by a host; detach it there first", lun);
        if (ioctl(to, FICLONE, from) < 0 || fsync(to) < 0)
                return array_fail(error, -errno, "LUN %s cannot be written: %s", lun, strerror(errno));
        return 0;
}
