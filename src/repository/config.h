/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The repository's own file: {"version":2,"id":"...","chunker_polynomial":"3da3358b4dc173"}
 */

#include "repository/blob-id.h"
#include "repository/bytes.h"

#define REPO_VERSION 2u

typedef struct RepoConfig {
        uint64_t version;
        BlobId id; /* random; a name as others are */
        uint64_t polynomial;
} RepoConfig;

/* -EBADMSG for what is damaged; -EPROTONOSUPPORT for another version than ours. */
int config_parse(const void *text, size_t size, RepoConfig *ret_config);
int config_format(const RepoConfig *config, Bytes *ret_text);
