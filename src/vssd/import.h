/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shadow copies of another machine become this one's, as a Backup Components Document describes them
 */

#include "vssd/catalog.h"

/* Does the document say where the storage of any shadow copy is? */
bool import_is_transportable(const vss_value *document);

typedef struct Import Import;

/* Every copy of the document is given to its provider, and what that imports gets a device object. The
 * result has "snapshots" and "failed" (list of {id, volume, reason}); the code is
 * VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED or VSS_E_NO_SNAPSHOTS_IMPORTED if any are there. Not to be cancelled.
 * Return: 0 or a negative errno. */
int import_start(Manager *manager, const char *session_id, const vss_value *document, CatalogDone done,
                 void *userdata, Import **ret_import);
/* Whoever waited has gone: auto-release copies that are imported nevertheless are deleted again. Return:
 * NULL. */
Import *import_abandon(Import *import);
