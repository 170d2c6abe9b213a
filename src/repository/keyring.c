/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The repository's key in the kernel's keyring
 *
 * It is of type "user", in the user's keyring, and the user's other processes can read it, whether or not
 * that keyring is linked into their session (of services and of cron it is not): the same who could look
 * into the memory of a run. The name is that of the key file, so that a key that is taken out of the
 * repository is not found by its name any more.
 */

#include <linux/keyctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "repository/keyring.h"
#include "util/macro.h"

#define NAME_SIZE (BLOB_ID_TEXT + 32u)
/* For the possessor everything; for the user to look at, read, find, write. */
#define PERMISSIONS 0x3f0f0000u

static const char *key_name(const BlobId *key_file, char name[static NAME_SIZE]) {
        char id[BLOB_ID_TEXT];

        (void)snprintf(name, NAME_SIZE, "linuxvss-repository:%s", blob_id_text(key_file, id));
        return name;
}

int keyring_find(const BlobId *key_file, CryptoKey *ret_key) {
        uint8_t bytes[CRYPTO_KEY_SIZE + 1];
        char name[NAME_SIZE];
        long key, n;

        key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", key_name(key_file, name), 0);
        n = key < 0 ? -1 : syscall(SYS_keyctl, KEYCTL_READ, key, bytes, sizeof(bytes));
        if (n != CRYPTO_KEY_SIZE)
                return -ENOKEY;
        crypto_key_from_bytes(bytes, ret_key);
        crypto_forget(bytes, sizeof(bytes));
        return 0;
}

int keyring_keep(const BlobId *key_file, const CryptoKey *key, unsigned seconds) {
        uint8_t bytes[CRYPTO_KEY_SIZE];
        char name[NAME_SIZE];
        long id;
        int r = 0;

        memcpy(bytes, key->encrypt, 32);
        memcpy(bytes + 32, key->k, 16);
        memcpy(bytes + 48, key->r, 16);
        /* Ours until it is linked: what is not possessed can be given no rights. */
        id = syscall(SYS_add_key, "user", key_name(key_file, name), bytes, sizeof(bytes),
                     KEY_SPEC_PROCESS_KEYRING);
        crypto_forget(bytes, sizeof(bytes));
        if (id < 0)
                return -errno;
        if (syscall(SYS_keyctl, KEYCTL_SETPERM, id, PERMISSIONS) < 0 ||
            syscall(SYS_keyctl, KEYCTL_SET_TIMEOUT, id, seconds) < 0 ||
            syscall(SYS_keyctl, KEYCTL_LINK, id, KEY_SPEC_USER_KEYRING) < 0)
                r = -errno;
        (void)syscall(SYS_keyctl, KEYCTL_UNLINK, id, KEY_SPEC_PROCESS_KEYRING);
        return r;
}
