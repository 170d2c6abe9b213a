/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The repository's key in the kernel's keyring of this user, so that not each run pays for its password
 */

#include "repository/crypto.h"

/* -ENOKEY if there is none, or no keyring. */
int keyring_find(const BlobId *key_file, CryptoKey *ret_key);
/* For @seconds. A negative errno where there is no keyring, as in many containers. */
int keyring_keep(const BlobId *key_file, const CryptoKey *key, unsigned seconds);
