/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The SQLite writer: its table of events, and what it remembers between them
 */

#include <linuxvss/writer.h>
#include "writers/common/event.h"
#include "writers/common/unfinished.h"
#include "writers/sqlite/holder.h"
#include "writers/sqlite/scan.h"

typedef struct SqliteWriter {
        const char *conf_path;
        const char *unfinished_path; /* restores that were begun; NULL: they are not noted */
        DatabaseList
                databases; /* as found for the set under way; names nobody needs to look up while frozen */
        HolderSet holders;
        char session[VSS_ID_SIZE]; /* whose they are */
        bool frozen;
} SqliteWriter;

extern const struct vss_writer sqlite_writer;

/* What a line of a group's backup metadata begins with; a path follows. */
#define SQLITE_DATABASE_KEY "database="

/* Is its component in the set? */
bool sqlite_is_chosen(const vss_writer_call *call, const Database *database);
/* The event's own deadline, with time for its answer, but no later than @at_most_usec from now. */
