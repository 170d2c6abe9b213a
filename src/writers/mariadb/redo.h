/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * InnoDB's redo log beside data files of other instants
 *
 * InnoDB writes pages and checkpoints in the background whatever is locked. Where the files of an instance
 * are not cut at one instant, recovery of the copy needs the log from a checkpoint that is older than each
 * cut to a position that no page in any cut is ahead of:
 *
 *     at Freeze   the newest checkpoint in the log C, and the position F up to which the log was written.
 *                 Whatever page is cut later has all changes before C.
 *     at Thaw     the position E of the log's end. No page that was written, and so none in a cut, has
 *                 changes behind it (the log goes first); and no transaction has committed between F and E.
 *     then        the copy of the log has everything from C to F. What came until E is added from the log
 *                 as it is now, an end is set there, and C made its newest checkpoint.
 *
 * Recovery of the copy then ends at E, as if the server had crashed at Thaw. Nothing has to come to rest for
 * it.
 *
 * The log is a ring behind a header, and what is in it is overwritten in time: each step proves, by
 * positions, that this has not happened. This is the format of MariaDB 10.8 and later, one file
 * "ib_logfile0". For all others redo_read_header() says so; there the two positions must be the same at
 * Freeze and Thaw.
 *
 * Functions return 0 or a negative errno: -ENOTSUP for another format, -EBADMSG for a broken header, -ESTALE
 * when the log has moved on too far.
 */

#include <stdbool.h>
#include <stdint.h>
#include "util/macro.h"

#define REDO_START 12288u /* of the ring: the header is before it */
#define REDO_BLOCK 4096u  /* at most: what is written at once */

typedef struct RedoHeader {
        unsigned char bytes[REDO_START]; /* as they were */
        uint64_t first;                  /* the position that is at REDO_START */
        uint64_t checkpoint;             /* the newest */
        uint64_t capacity;               /* of the ring, bytes */
        unsigned slot;                   /* which of the two places has the newest checkpoint */
} RedoHeader;

/* @size: of the file. */
int redo_parse_header(const unsigned char bytes[static REDO_START], uint64_t size, RedoHeader *ret_header);
int redo_read_header(int fd, RedoHeader *ret_header);
/* Where in the file a position is. */
uint64_t redo_offset(const RedoHeader *header, uint64_t position);
/* Is everything from @from on still there when the log was written up to @to? */
bool redo_has(const RedoHeader *header, uint64_t from, uint64_t to);
/*
 * redo_complete() - make the copy of a log end at @end
 * @header:  of the log at Freeze
 * @written: F
 * @live:    the log as it is now, written up to @end at least; whoever calls looks afterwards whether
 * redo_has() from @written up to what has been written then
 * @copy:    open for reading and writing
 */
int redo_complete(const RedoHeader *header, uint64_t written, uint64_t end, int live, int copy);
