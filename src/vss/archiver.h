/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The process that reads files and stores them
 *
 * It is a child that speaks with the requester by messages. All that belongs to the repository is done in
 * it, from the start on, so that nothing of that is waited for while applications stand still; it alone
 * lives in the namespace of the shadow copies; and where a device hangs it can be left behind.
 *
 * Its messages, dictionaries with "event":
 *
 *     ready     the repository is open, locked, and known. "parent": the point that is compared with;
 *               "base": the full that a differential or log backup stands on; "document": the Backup
 *               Components Document of the backup that this one goes on top of
 *     status    "files", "bytes", "path": what is being read
 *     told      "path", "message", "failed"
 *     read      all is read: "components": what became of them; waits for finish
 *     saved     the point is there: what the answer says of it
 *     failed    there is no point; "status": what to exit with. What happened has been said.
 *
 * and what it is told, with "do":
 *
 *     read      with the descriptor of a mount namespace or without; what backup_files_new() takes, and
 *               "set", "session", "documents": something will join the point
 *     finish    with a directory that joins the point, or without
 *     cancel
 */

#include <sys/types.h>
#include "model/filespec.h"
#include "vss/repository-backup.h"

#define POINT_DIRECTORY ".linuxvss-backup"

/* What is known before. Borrowed; the child has a copy of all memory. */
typedef struct ArchiverJob {
        const RepositoryBackupOptions *options;
        const char *host;
        Strings paths;       /* to be read, as they are in the point */
        Strings point_paths; /* as the point names them */
        Strings left_out;    /* directories that are not read: the repository itself */
} ArchiverJob;

typedef struct Archiver {
        pid_t pid; /* 0: not running */
        int fd;
        bool ready; /* it has a key, and waits for orders */
        bool done;  /* it has said its last word */
} Archiver;

/* Return: EXIT_DONE, or another status after a message. */
int archiver_start(Cli *cli, const ArchiverJob *job, Archiver *ret_archiver);
/*
 * archiver_stop() - have it end, and wait for that
 * What it has uploaded is made use of the next time. It is given time for that, unless a second signal came
 * or it does not answer; then it is killed, and not waited for when a device keeps it.
 */
void archiver_stop(Archiver *archiver);

/* The child's side. Never returns. */
void archiver_main(Cli *cli, const ArchiverJob *job, int fd) __attribute__((__noreturn__));

/* zstd's level; -1 for what is none. NULL is the default. */
int compression_level(const char *name);
