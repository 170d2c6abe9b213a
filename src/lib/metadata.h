/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a writer says about itself: built by its identify event, answered by Identify
 */

#include <linuxvss/writer.h>
#include "util/value.h"

#define METADATA_COMPONENTS_MAX 10000u
#define METADATA_FILES_MAX 100000u
#define METADATA_DEPENDENCIES_MAX 10000u
#define METADATA_NOTES_MAX 1000u /* missing rights; warnings */

/* @writer: the descriptor, @name and @instance_id of this run: "Class" or "Class.instance", and a UUID. */
vss_metadata *metadata_new(const struct vss_writer *writer, const char *name, const char *instance_id);
vss_metadata *metadata_free(vss_metadata *metadata);
DEFINE_CLEANUP(vss_metadata *, metadata_free)
/* The dictionary; borrowed. */
const vss_value *metadata_value(const vss_metadata *metadata);

bool backup_schema_is_valid(uint32_t schema);
