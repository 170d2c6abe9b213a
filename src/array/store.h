/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The store of an array: a directory on XFS or btrfs
 *
 *     array/info.json              the array's identity
 *     luns/NAME/data, info.json    a LUN: its bytes, its serial number, size and state
 *     copies/ID/data, info.json    a copy: its bytes, and the identity of the shadow copy that it is
 *     hosts/NAME/info.json         a host: its key and its ports
 *     hosts/NAME/psk               the key, as TLS takes it
 *     hosts/NAME/live/             hard links to what the host may write to
 *     hosts/NAME/copies/           and to what it may only read
 *
 * A link is what unmasks: the portals of a host serve its two directories, and see no other. Who changes
 * anything holds the lock; a copy that is being made is locked by who makes it, and one that is not locked
 * and not done is of one who died.
 *
 * Functions return 0 or a negative errno, and @error then has a sentence.
 */

#include "providers/common/array-wire.h"

#define STORE_LUNS_MAX 4096u
#define STORE_COPIES_MAX 16384u
#define STORE_HOSTS_MAX 256u

typedef struct ArrayError {
        char text[500];
} ArrayError;

int array_fail(ArrayError *error, int r, const char *format, ...) _printf_(3, 4);

typedef struct Store {
        char *path;
        int fd, luns, copies, hosts;
        char id[VSS_ID_SIZE];
} Store;

/* Makes it if it is not there and @make. */
int store_open(const char *path, bool make, Store *ret_store, ArrayError *error);
void store_close(Store *store);

#define _cleanup_store_ _cleanup_(store_close)

/* Until the descriptor is closed. */
int store_lock(const Store *store, int *ret_fd, ArrayError *error);

/* A random UUID. */
int store_new_id(char ret_id[static VSS_ID_SIZE]);

/* LUNs */
int store_lun_create(const Store *store, const char *name, uint64_t bytes, ArrayError *error);
/* -EBUSY: a host has it. */
int store_lun_delete(const Store *store, const char *name, ArrayError *error);
int store_lun_read(const Store *store, const char *name, vss_value **ret_info, ArrayError *error);
/* Names, in no order. */
int store_list(const Store *store, int dir_fd, unsigned max, vss_value *names, ArrayError *error);
/* Its bytes, opened. */
int store_open_data(int parent_fd, const char *name, int flags, ArrayError *error);

/* Hosts. One that is not there is made. */
int store_host_create(const Store *store, const char *name, unsigned first_port, ArrayError *error);
int store_host_read(const Store *store, const char *name, vss_value **ret_info, ArrayError *error);
int store_host_delete(const Store *store, const char *name, ArrayError *error);
int store_grant(const Store *store, const char *lun, const char *host, bool read_only, ArrayError *error);
int store_revoke(const Store *store, const char *lun, const char *host, ArrayError *error);
/* What a host sees: a dictionary of name and whether it may be written to. */
int store_granted(const Store *store, const char *host, vss_value *names, ArrayError *error);
/* Hard links of what lies below @parent_fd. */
int store_unmask(const Store *store, const char *host, bool writable, int parent_fd, const char *name,
                 ArrayError *error);
void store_mask(const Store *store, const char *host, const char *name);

/* Has any process the bytes open? Looked up among all processes' descriptors. */
int store_is_open(int data_fd, bool *ret_open);
/* Ends the connections by which @host has the bytes open: masking alone keeps it from opening them anew. */
int store_cut(const Store *store, const char *host, int data_fd, ArrayError *error);

/* The identity beside the bytes of LUN, copy or host. */
int store_read_info(int parent_fd, const char *name, vss_value **ret_info);
int store_write_info(int parent_fd, const char *name, const vss_value *info);
/* The directory, its bytes and its identity. */
int store_remove(int parent_fd, const char *name);
