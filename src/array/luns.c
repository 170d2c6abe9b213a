/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The store of an array: LUNs, hosts, and who sees what
 */

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include "array/store.h"
#include "providers/common/info.h"

#define KEY_SIZE 32u
/* A block device of less bears no file system. */
#define LUN_LEAST (1u << 20)
#define LUN_MOST (UINT64_C(1) << 50)

int store_lun_create(const Store *store, const char *name, uint64_t bytes, ArrayError *error) {
        _cleanup_value_ vss_value *info = vss_value_new_dict();
        char serial[VSS_ID_SIZE] = "";
        int fd, r;

        if (!array_name_is_valid(name))
                return array_fail(error, -EINVAL, "\"%.80s\" cannot be the name of a LUN", name);
        if (bytes < LUN_LEAST || bytes > LUN_MOST || bytes % 4096 != 0)
                return array_fail(error, -EINVAL, "%s: a LUN has 1 MiB to 1 PiB, in multiples of 4096 bytes",
                                  name);
        if (mkdirat(store->luns, name, 0700) < 0)
                return array_fail(error, -errno, "%s: %s", name,
                                  errno == EEXIST ? "there is a LUN of this name" : strerror(errno));
        fd = store_open_data(store->luns, name, O_RDWR | O_CREAT | O_EXCL, error);
        r = fd < 0 ? fd : store_new_id(serial);
        if (r == 0 && ftruncate(fd, (off_t)bytes) < 0)
                r = -errno;
        if (fd >= 0)
                (void)close(fd);
        if (r == 0 && (vss_value_set_string(info, "serial", serial) < 0 ||
                       vss_value_set_string(info, "name", name) < 0))
                r = -ENOMEM;
        if (r == 0)
                r = store_write_info(store->luns, name, info);
        if (r < 0) {
                (void)store_remove(store->luns, name);
                return array_fail(error, r, "%s cannot be made: %s", name, strerror(-r));
        }
        return 0;
}

int store_lun_read(const Store *store, const char *name, vss_value **ret_info, ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL;
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int r;

        if (!array_name_is_valid(name))
                return array_fail(error, -EINVAL, "\"%.80s\" cannot be the name of a LUN", name);
        fd = store_open_data(store->luns, name, O_RDONLY, error);
        if (fd < 0)
                return fd == -ENOENT ? array_fail(error, fd, "there is no LUN %s on the array", name) : fd;
        r = store_read_info(store->luns, name, &info);
        if (r == 0 && (fstat(fd, &st) < 0 || vss_value_set_integer(info, "size", st.st_size) < 0))
                r = -EIO;
        if (r < 0)
                return array_fail(error, r, "LUN %s cannot be read: %s", name, strerror(-r));
        *ret_info = TAKE_PTR(info);
        return 0;
}

int store_lun_delete(const Store *store, const char *name, ArrayError *error) {
        _cleanup_value_ vss_value *hosts = vss_value_new_list(), *info = NULL;
        int r;

        r = store_lun_read(store, name, &info, error);
        if (r == 0)
                r = store_list(store, store->hosts, STORE_HOSTS_MAX, hosts, error);
        for (size_t i = 0; r == 0 && i < vss_value_count(hosts); i++) {
                _cleanup_value_ vss_value *seen = vss_value_new_dict();
                const char *host = vss_value_string(vss_value_at(hosts, i), "");

                r = store_granted(store, host, seen, error);
                if (r == 0 && vss_value_get(seen, name))
                        r = array_fail(error, -EBUSY,
                                       "LUN %s is granted to %s; vss-array revoke %s %s first", name, host,
                                       name, host);
        }
        if (r == 0 && store_remove(store->luns, name) < 0)
                r = array_fail(error, -EIO, "LUN %s cannot be removed", name);
        return r;
}

/* Hosts */

static int write_key(const Store *store, const char *name, vss_value *info) {
        char text[ARRAY_NAME_MAX + 2 * KEY_SIZE + 4], hex[2 * KEY_SIZE + 1];
        _cleanup_(closep) int dir = -1, fd = -1;
        uint8_t key[KEY_SIZE];

        if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
                return -EIO;
        for (size_t i = 0; i < sizeof(key); i++)
                (void)snprintf(hex + 2 * i, 3, "%02x", key[i]);
        (void)snprintf(text, sizeof(text), "%s:%s\n", name, hex);
        dir = openat(store->hosts, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        fd = dir < 0 ? -1 : openat(dir, "psk", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd) < 0)
                return -errno;
        if (mkdirat(dir, "live", 0700) < 0 || mkdirat(dir, "copies", 0700) < 0)
                return -errno;
        return vss_value_set_string(info, "name", name) < 0 ? -ENOMEM : 0;
}

/* The first pair of ports that no other host has. */
static int choose_port(const Store *store, unsigned first, unsigned *ret_port, ArrayError *error) {
        _cleanup_value_ vss_value *hosts = vss_value_new_list();
        int r = store_list(store, store->hosts, STORE_HOSTS_MAX, hosts, error);

        for (unsigned port = first; r == 0 && port < first + 2 * STORE_HOSTS_MAX; port += 2) {
                bool taken = false;

                for (size_t i = 0; i < vss_value_count(hosts); i++) {
                        _cleanup_value_ vss_value *info = NULL;

                        if (store_read_info(store->hosts, vss_value_string(vss_value_at(hosts, i), ""),
                                            &info) == 0 &&
                            vss_value_get_integer(info, "port", 0) == port)
                                taken = true;
                }
                if (!taken) {
                        *ret_port = port;
                        return 0;
                }
        }
        return r < 0 ? r : array_fail(error, -ENOSPC, "there is no port left for another host");
}

int store_host_create(const Store *store, const char *name, unsigned first_port, ArrayError *error) {
        _cleanup_value_ vss_value *info = vss_value_new_dict(), *there = NULL;
        unsigned port = 0;
        int r;

        if (!array_name_is_valid(name))
                return array_fail(error, -EINVAL, "\"%.80s\" cannot be the name of a host", name);
        if (store_read_info(store->hosts, name, &there) == 0)
                return 0;
        r = choose_port(store, first_port, &port, error);
        if (r < 0)
                return r;
        /* What a process that died left of it. */
        (void)store_host_delete(store, name, error);
        if (mkdirat(store->hosts, name, 0700) < 0)
                return array_fail(error, -errno, "host %s: %s", name, strerror(errno));
        r = write_key(store, name, info);
        if (r == 0 && vss_value_set_integer(info, "port", port) < 0)
                r = -ENOMEM;
        if (r == 0)
                r = store_write_info(store->hosts, name, info);
        if (r < 0)
                (void)store_host_delete(store, name, error);
        return r < 0 ? array_fail(error, r, "host %s cannot be made: %s", name, strerror(-r)) : 0;
}

int store_host_read(const Store *store, const char *name, vss_value **ret_info, ArrayError *error) {
        int r = array_name_is_valid(name) ? store_read_info(store->hosts, name, ret_info) : -EINVAL;

        return r < 0 ? array_fail(error, r,
                                  "there is no host \"%.80s\" on the array; vss-array grant makes it", name)
                     : 0;
}

static int open_links(const Store *store, const char *host, bool writable) {
        char path[ARRAY_NAME_MAX + 16];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/%s", host, writable ? "live" : "copies");
        fd = openat(store->hosts, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int store_host_delete(const Store *store, const char *name, ArrayError *error) {
        _cleanup_(closep) int dir = -1;

        if (!array_name_is_valid(name))
                return array_fail(error, -EINVAL, "\"%.80s\" is no host", name);
        dir = openat(store->hosts, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0)
                return array_fail(error, -errno, "host %s: %s", name, strerror(errno));
        if ((unlinkat(dir, "live", AT_REMOVEDIR) < 0 && errno != ENOENT) ||
            (unlinkat(dir, "copies", AT_REMOVEDIR) < 0 && errno != ENOENT))
                return array_fail(error, -errno, "host %s: %s", name,
                                  errno == ENOTEMPTY ? "LUNs or copies are granted to it" : strerror(errno));
        (void)unlinkat(dir, "psk", 0);
        return store_remove(store->hosts, name);
}

int store_unmask(const Store *store, const char *host, bool writable, int parent_fd, const char *name,
                 ArrayError *error) {
        _cleanup_(closep) int links = open_links(store, host, writable);
        char path[ARRAY_NAME_MAX + 16];

        if (links < 0)
                return array_fail(error, links, "there is no host %s on the array", host);
        (void)snprintf(path, sizeof(path), "%s/data", name);
        if (linkat(parent_fd, path, links, name, 0) < 0 && errno != EEXIST)
                return array_fail(error, -errno, "%s cannot be shown to %s: %s", name, host,
                                  strerror(errno));
        return fsync(links) < 0 ? array_fail(error, -errno, "%s: %s", name, strerror(errno)) : 0;
}

void store_mask(const Store *store, const char *host, const char *name) {
        for (int writable = 0; writable <= 1; writable++) {
                _cleanup_(closep) int links = open_links(store, host, writable);

                if (links >= 0 && unlinkat(links, name, 0) == 0)
                        (void)fsync(links);
        }
}

/* It is seen by @host no more, not even where it has it open. */
static int part_with(const Store *store, const char *lun, const char *host, ArrayError *error) {
        _cleanup_(closep) int fd = -1;
        ArrayError why;
        int r;

        store_mask(store, host, lun);
        fd = store_open_data(store->luns, lun, O_RDONLY, &why);
        r = fd < 0 ? fd : store_cut(store, host, fd, &why);
        return r < 0 && r != -ENOENT ? array_fail(error, r, "LUN %s: %s", lun, why.text) : 0;
}

int store_grant(const Store *store, const char *lun, const char *host, bool read_only, ArrayError *error) {
        _cleanup_value_ vss_value *info = NULL, *seen = vss_value_new_dict();
        int r = store_lun_read(store, lun, &info, error);

        if (r == 0)
                r = store_granted(store, host, seen, error);
        if (r < 0)
                return r;
        if (!vss_value_get(seen, lun))
                return store_unmask(store, host, !read_only, store->luns, lun, error);
        if (vss_value_get_boolean(seen, lun, false) == !read_only)
                return 0;
        r = part_with(store, lun, host, error);
        return r < 0 ? r : store_unmask(store, host, !read_only, store->luns, lun, error);
}

int store_revoke(const Store *store, const char *lun, const char *host, ArrayError *error) {
        _cleanup_value_ vss_value *seen = vss_value_new_dict();
        int r = store_granted(store, host, seen, error);

        if (r == 0 && !vss_value_get(seen, lun))
                r = array_fail(error, -ENOENT, "LUN \"%.80s\" is not granted to %s", lun, host);
        return r < 0 ? r : part_with(store, lun, host, error);
}

int store_granted(const Store *store, const char *host, vss_value *names, ArrayError *error) {
        if (!array_name_is_valid(host))
                return array_fail(error, -EINVAL, "\"%.80s\" cannot be the name of a host", host);
        for (int writable = 0; writable <= 1; writable++) {
                _cleanup_value_ vss_value *list = vss_value_new_list();
                _cleanup_(closep) int links = open_links(store, host, writable);
                int r;

                if (links < 0)
                        return array_fail(error, links,
                                          "there is no host %s on the array; vss-array grant makes it",
                                          host);
                r = store_list(store, links, STORE_LUNS_MAX + STORE_COPIES_MAX, list, error);
                for (size_t i = 0; r == 0 && i < vss_value_count(list); i++) {
                        const char *name = vss_value_string(vss_value_at(list, i), "");

                        if (vss_value_set_boolean(names, name, writable) < 0)
                                r = array_fail(error, -ENOMEM, "out of memory");
                }
                if (r < 0)
                        return r;
        }
        return 0;
}
