/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A backup of a set that another machine made: what differs from one that is made here
 *
 * What that machine's writers and requester have said is in its documents; nobody here is frozen, or told of
 * the end. The copies are imported, and deleted once they are of no more use.
 *
 * Return: EXIT_DONE, or another status after a message.
 */

#include "vss/backup.h"

/* The set becomes @backup's, with its volumes where they lay on the other machine. All of it, or nothing. */
int import_make(Backup *backup);
/* What went well is in the document from now on, and in the set's "components". */
int import_complete(Backup *backup, bool succeeded);
/* The copies are deleted. */
int import_end(Backup *backup);
/* The same where nobody waits any more; without a message. */
void import_dispose(Backup *backup);
/* The writers' documents, as they came. */
int import_take_writers(Backup *backup, Metadata *metadata);
/* The writers' metadata of the documents: a list. NULL without memory. */
vss_value *import_writer_metadata(const Backup *backup);

/* The name of the machine that made the set; "" where the documents do not say. */
const char *import_host(const Metadata *metadata);
/* Were components chosen one by one? */
bool import_has_components(const Metadata *metadata);
/* Reports to whoever started this by a bridge how the backup went: @answer, as JSON. */
void import_answer(Cli *cli, int fd, const vss_value *answer);
/* The descriptor for import_answer(), -1 if nobody waits for one. It and its name are not for children. */
int import_answer_fd(void);
