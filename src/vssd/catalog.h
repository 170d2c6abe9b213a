/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The catalog: shadow copies as they stand
 *
 * The storage is the catalog: providers are asked, nothing is remembered that they could contradict. What
 * the service adds is the device object (a mount below /run/linuxvss/shadow) and exposures; those of
 * persistent copies are recorded, and come back after a boot.
 */

#include "vssd/discover.h"
#include "vssd/failure.h"
#include "vssd/manager.h"

typedef void (*CatalogDone)(void *userdata, const Failure *failure, vss_value *result);
typedef struct CatalogQuery CatalogQuery;

/* All shadow copies that match @filter (a dictionary, may be NULL), oldest first by sequence, as a list in
 * the result's "snapshots"; providers that did not answer are in "left-out". */
int catalog_query(Manager *manager, const vss_value *filter, CatalogDone done, void *userdata,
                  CatalogQuery **ret_query);
CatalogQuery *catalog_query_cancel(CatalogQuery *query);

/* Deletes what @selection names. Result: "deleted" (ids), "failed" (list of {id, code, reason}). Goes on
 * after failures. Not to be cancelled: half a deletion is worse than a whole one. */
int catalog_delete(Manager *manager, const vss_value *selection, CatalogDone done, void *userdata);
/* A set attached or detached the device object of @id itself. */
void catalog_mark(Manager *manager, const char *id, bool attached);
/* Attach a mount as device object, without what is @hidden / take it and its exposures away. */
int catalog_attach(Manager *manager, const char *id, int mount_fd, const vss_value *hidden, CatalogDone done,
                   void *userdata);
int catalog_detach(Manager *manager, const char *id, CatalogDone done, void *userdata);
/* @persistent: it is exposed again after the next boot. */
int catalog_expose(Manager *manager, const char *id, const char *directory, bool persistent,
                   CatalogDone done, void *userdata);
/* -ENOENT: it is not exposed. */
int catalog_unexpose(Manager *manager, const char *id, CatalogDone done, void *userdata);
/* A read-only detached mount of a device object. On success the descriptor is given in @ret_fd of the
 * handler. */
typedef void (*CatalogOpened)(void *userdata, const Failure *failure, int fd);
int catalog_open(Manager *manager, const char *id, CatalogOpened done, void *userdata);
/* Gives a shadow copy its device object back, and exposes it where it is to be. @done may be NULL; what
 * goes wrong is logged. */
int catalog_return(Manager *manager, Participant *provider, const vss_value *snapshot, CatalogDone done,
                   void *userdata);
/* The same for all of a set that has none, by providers that are looked for anew. @tried is called when each
 * has been tried once; those that did not answer are asked again after that. */
void catalog_return_set(Manager *manager, const char *set, void (*tried)(void *userdata), void *userdata);
/* At start: delete this host's auto-release copies of services before us, give persistent ones their device
 * objects back. */
int catalog_start(Manager *manager);
int catalog_new(struct Catalog **ret_catalog);
struct Catalog *catalog_free(struct Catalog *catalog);
