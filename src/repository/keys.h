/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The keys of a repository: each is the repository's own key, sealed with a password
 */

#include "repository/lock.h"

typedef struct KeyInfo {
        BlobId id;
        const char *created, *username, *hostname; /* as the file says; "" for one that is damaged */
        bool damaged;
} KeyInfo;

typedef struct KeyList {
        KeyInfo *items;
        size_t n;
        Arena arena;
} KeyList;

void key_list_clear(KeyList *list);
#define _cleanup_keys_ _cleanup_(key_list_clear)

int repo_load_keys(Repository *repo, KeyList *ret_list, Why *why);
/* One more, with this password. */
int repo_add_key(Repository *repo, const char *password, const ScryptParams *scrypt, BlobId *ret_id,
                 Why *why);
/* By the first digits of its id; never the one that is open. Needs an exclusive lock. */
int repo_remove_key(Repository *repo, RepoLock *lock, const char *name, BlobId *ret_id, Why *why);
