/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lets somebody else use a repository that is reached from here
 *
 * The other end is believed nothing: it names kinds and ids, so it gets nowhere else; it may do what its
 * work needs, and no more; and what it saves has to bear the name of its content, so that it can replace
 * nothing. What it can do is all the same what the owner of such a work can: who may delete points may
 * delete all of them.
 */

#include "repository/backend.h"

#define SERVE_KIND(kind) (1u << (kind))

/* What may be asked for, beside reading. */
typedef struct ServeRights {
        bool create, sweep;
        unsigned saves, removes; /* kinds, as SERVE_KIND() */
} ServeRights;

typedef struct ServeOptions {
        ServeRights rights;
        unsigned threads; /* that work on requests; 0: who calls does it */
} ServeOptions;

/*
 * serve_backend() - answer what comes from @fd, a socket, until its end
 *
 * Locks that were saved by it and are still there at the end are removed: nobody writes any more who relies
 * on them. Return: 0 if the other end closed it between requests; -ENOTCONN within one; -EBADMSG for one
 * that does not keep to the rules; -ETIMEDOUT if it stopped in the middle.
 */
int serve_backend(Backend *backend, int fd, const ServeOptions *options, Why *why);
