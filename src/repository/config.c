/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The repository's own file
 */

#include <string.h>
#include "repository/config.h"
#include "repository/pull.h"

#define POLYNOMIAL_DIGITS_MAX 16u

static uint64_t parse_polynomial(const char *text, size_t n) {
        uint64_t number = 0;

        if (n > POLYNOMIAL_DIGITS_MAX)
                return 0;
        for (size_t i = 0; i < n; i++) {
                char c = text[i];

                if (c >= '0' && c <= '9')
                        number = number << 4 | (uint64_t)(c - '0');
                else if (c >= 'a' && c <= 'f')
                        number = number << 4 | (uint64_t)(c - 'a' + 10);
                else
                        return 0;
        }
        return number;
}

int config_parse(const void *text, size_t size, RepoConfig *ret_config) {
        char key[PULL_KEY_SIZE];
        RepoConfig config = {};
        bool id = false;
        size_t n;
        Pull pull;

        pull_init(&pull, text, size);
        pull_object(&pull);
        while (pull_member(&pull, key)) {
                if (strcmp(key, "version") == 0) {
                        config.version = pull_unsigned(&pull);
                } else if (strcmp(key, "id") == 0) {
                        const char *digits = pull_plain(&pull, &n);

                        id = blob_id_parse(digits, n, &config.id) == 0;
                } else if (strcmp(key, "chunker_polynomial") == 0) {
                        const char *digits = pull_plain(&pull, &n);

                        config.polynomial = parse_polynomial(digits, n);
                } else {
                        pull_skip(&pull);
                }
        }
        if (pull_end(&pull) < 0 || !id || config.polynomial == 0)
                return -EBADMSG;
        if (config.version != REPO_VERSION)
                return -EPROTONOSUPPORT;
        *ret_config = config;
        return 0;
}

int config_format(const RepoConfig *config, Bytes *ret_text) {
        char id[BLOB_ID_TEXT];

        return bytes_printf(ret_text, "{\"version\":%llu,\"id\":\"%s\",\"chunker_polynomial\":\"%llx\"}",
                            (unsigned long long)config->version, blob_id_text(&config->id, id),
                            (unsigned long long)config->polynomial);
}
