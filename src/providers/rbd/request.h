/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Everything that is asked of a cluster outside of a set's cut, as jobs of a link
 */

#include "providers/rbd/remote.h"

typedef enum RequestKind {
        REQUEST_CONNECT,
        REQUEST_LIST,   /* @list gets the copies of @host in all pools that are looked into, with their state
                         */
        REQUEST_FIND,   /* @info becomes that of @id. -ENOENT */
        REQUEST_PUT,    /* @info is written */
        REQUEST_LOOK,   /* @place is completed, and @size */
        REQUEST_REMOVE, /* the copy of @info; its identity last, unless @keep_identity */
        REQUEST_REMOVE_SET, /* all copies of @set that are of @host */
        REQUEST_CLAIM,  /* @info, as it was found in a document, becomes what is kept from now on, with what
                           was  known. -ENOENT, -EEXIST: it is somebody's already */
        REQUEST_CLONE,  /* the copy of @info gets a clone that is written to */
        REQUEST_FORGET, /* the identity of @info goes, and what it is of stays */
} RequestKind;

typedef struct Request {
        LinkJob job;
        RequestKind kind;
        uint64_t limit_usec;
        char id[VSS_ID_SIZE], set[VSS_ID_SIZE], host[64];
        bool keep_identity;
        unsigned n_removed; /* snapshots that were there */
        Place place;
        uint64_t size;
        vss_value *info, *list;
} Request;

Request *request_new(RequestKind kind, uint64_t limit_usec);
Request *request_free(Request *request);
DEFINE_CLEANUP(Request *, request_free)
