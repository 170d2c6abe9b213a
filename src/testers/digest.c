/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Digests, by libcrypto
 */

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "testers/digest.h"
#include "util/macro.h"

#define READ_SIZE 65536

int digest_new(Digest **ret_digest) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();

        if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
                EVP_MD_CTX_free(context);
                return -ENOMEM;
        }
        *ret_digest = context;
        return 0;
}

Digest *digest_free(Digest *digest) {
        EVP_MD_CTX_free(digest);
        return NULL;
}

int digest_add_file(Digest *digest, int fd, uint64_t offset, uint64_t length) {
        _cleanup_(freep) char *block = malloc(READ_SIZE);

        if (!block)
                return -ENOMEM;
        if (offset > INT64_MAX)
                return -EOVERFLOW;
        while (length > 0) {
                ssize_t n = pread(fd, block, MIN(length, (uint64_t)READ_SIZE), (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                if (EVP_DigestUpdate(digest, block, (size_t)n) != 1)
                        return -EIO;
                offset += (uint64_t)n;
                length -= (uint64_t)n;
        }
        return 0;
}

int digest_end(Digest *digest, char ret_text[DIGEST_TEXT_SIZE]) {
        unsigned char bytes[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        if (EVP_DigestFinal_ex(digest, bytes, &n) != 1 || 2 * n + 1 != DIGEST_TEXT_SIZE)
                return -EIO;
        for (unsigned i = 0; i < n; i++)
                (void)snprintf(ret_text + 2 * (size_t)i, 3, "%02x", bytes[i]);
        return 0;
}
