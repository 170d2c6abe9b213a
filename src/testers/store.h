/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a backup's files are kept: a plain directory
 *
 *     backup                                when, what kind, which set: lines of key=value; written last
 *     components/WRITER/NNNN-NAME/list      one line for each file; see testers/list.h
 *     components/WRITER/NNNN-NAME/component whose files these are: "logical/path/name", escaped as in lists
 *     components/WRITER/NNNN-NAME/files/... contents, at their original paths; of a partial file only its
 *                                           ranges
 *     components/-/NNNN-PATH/...            files that belong to no writer
 */

#include <linuxvss/types.h>
#include "testers/list.h"

#define STORE_COMPONENTS_MAX 10000u

typedef struct Store {
        int fd, components_fd;
        unsigned n_components;
} Store;

typedef struct StoreComponent {
        char *writer;    /* "-": none */
        char *component; /* "logical/path/name" */
        char *directory; /* below the store */
        int fd, files_fd;
        FILE *list; /* for writing */
} StoreComponent;

/* A store for a new backup; what an earlier one left there is an error (-EEXIST). */
int store_create(const char *path, Store *ret_store);
int store_open(const char *path, Store *ret_store);
void store_close(Store *store);
#define _cleanup_store_ _cleanup_(store_close)

/* Writes the file "backup", last. @lines: a dictionary of texts and numbers. */
int store_finish(Store *store, const vss_value *lines);

int store_add_component(Store *store, const char *writer, const char *component,
                        StoreComponent *ret_component);
/* All components there are, in a list that the caller clears. */
int store_list_components(const Store *store, StoreComponent **ret_components, size_t *ret_n);
void store_component_clear(StoreComponent *component);
/* Takes the array over. */
StoreComponent *store_components_free(StoreComponent *components, size_t n);
/* Everything of a component is written, and on the disk. */
int store_component_finish(StoreComponent *component);

/* A new file below "files" at an original path, to be written. */
int store_create_file(const StoreComponent *component, const char *path);
/* The same to be read. */
int store_open_file(const StoreComponent *component, const char *path);
/* Its list, to be given to list_read(). */
int store_open_list(const StoreComponent *component);
