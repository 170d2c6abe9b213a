/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Index and packs that do not fit together
 *
 * A run that did not end leaves packs that no index names, and so does an index file that is lost; their
 * headers say what is in them. Packs that an index names may be lost, too: whoever believes the index then
 * makes points that can never be restored.
 */

#include "repository/repository.h"

typedef struct Salvage {
        size_t taken;       /* packs that no index named, and that the index in memory has now */
        size_t lost;        /* packs that are missing or cut off, and that it does not have any more */
        size_t temporaries; /* what interrupted writes had left, and has been deleted */
} Salvage;

/* Called for each pack that is taken in. */
typedef int (*SalvageHandler)(void *userdata, const BlobId *pack, const PackBlob *blobs, size_t n, Why *why);

/* Takes packs that no index names into the index in memory. */
int repo_salvage(Repository *repo, SalvageHandler taken, void *userdata, Why *why, size_t *ret_taken);

/*
 * repo_reconcile() - makes the index in memory that of the packs that are there
 *
 * For who writes, and knows that nobody else does: packs of others, that they have not entered anywhere yet,
 * would be relied upon, and their unfinished files deleted.
 */
int repo_reconcile(Repository *repo, SalvageHandler taken, void *userdata, Why *why, Salvage *ret_salvage);

/*
 * repo_salvage_once() - for who reads, and misses a blob: packs that no index names are looked at, once
 * Return: were there any?
 */
bool repo_salvage_once(Repository *repo);
