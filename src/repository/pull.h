/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reading JSON, one value after the other
 *
 * Indexes and trees have hundreds of megabytes: nothing is built that the caller does not keep. A reader
 * that has met what is no JSON, or another type than was asked for, stays failed; one look at the end is
 * enough.
 *
 *     pull_object(&pull);
 *     while (pull_member(&pull, key))
 *             if (strcmp(key, "size") == 0) size = pull_unsigned(&pull); else pull_skip(&pull);
 *     return pull_end(&pull);
 */

#include "repository/bytes.h"

#define PULL_DEPTH_MAX 32u
#define PULL_KEY_SIZE 40u

typedef struct Pull {
        const char *p, *end;
        unsigned depth;
        bool failed;
        bool first[PULL_DEPTH_MAX + 1]; /* of a container: no member has been read yet */
} Pull;

void pull_init(Pull *pull, const void *data, size_t size);

void pull_object(Pull *pull);
/* The next member's key; longer ones are cut, and are none that we know. false at the end of the object. */
bool pull_member(Pull *pull, char key[static PULL_KEY_SIZE]);
void pull_array(Pull *pull);
bool pull_item(Pull *pull);

/* Is null next? It is taken then. */
bool pull_null(Pull *pull);
uint64_t pull_unsigned(Pull *pull);
bool pull_boolean(Pull *pull);
/*
 * A string without its escapes, in the arena, a NUL behind it. What is no UTF-8 becomes U+FFFD, as with Go.
 * NULL if the reader has failed.
 */
char *pull_string(Pull *pull, Arena *arena, size_t *ret_size);
/* One that is used as it stands, for ids and the like: no escapes. */
const char *pull_plain(Pull *pull, size_t *ret_size);
void pull_skip(Pull *pull);
/* 0 if all has been read, and nothing but blanks follows; else -EBADMSG. */
int pull_end(Pull *pull);
/* Fails the reader, for what is JSON but not what it has to be. */
void pull_refuse(Pull *pull);
