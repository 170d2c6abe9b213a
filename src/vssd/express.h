/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Express writers: applications that need nobody to speak for them, described by a document
 *
 * A Writer Metadata Document in /usr/share/linuxvss/express.d or /etc/linuxvss/express.d, root-owned; one in
 * /etc stands for that of the same file name, and an empty one there for none. Documents are read again only
 * when they have changed.
 */

#include "vssd/manager.h"
#include "vssd/worker.h"

/**
 * express_read_main() - a worker main: all documents
 * @arg: the Manager, whose "express" is what was read before
 *
 * Answer: "documents": dictionary path -> {device, inode, mtime, ctime, size, and "metadata" or "code" and
 * "reason"}; with "same" instead where nothing has changed.
 */
int express_read_main(void *arg, WorkerAnswer *answer);

/* Takes the answer over into the manager's "express". Return: 0 or -ENOMEM. */
int express_take(Manager *manager, const vss_value *answer);

/* The descriptor by which an express writer's metadata is judged: root wrote them. NULL without memory. */
vss_value *express_descriptor(const vss_value *metadata);
