/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: configuration files of Redis, and titles of its processes
 */

#include "fuzz.h"
#include "writers/redis/instance.h"

static int include(RedisConf *conf, const char *pattern, unsigned depth) {
        fuzz_require(strlen(pattern) < FUZZ_SIZE_MAX + 1 && depth == 0);
        return 0;
}

static void require_ended(const char *text, size_t size) {
        fuzz_require(memchr(text, '\0', size) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        ProcessTitle title;
        RedisConf conf;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        redis_conf_init(&conf);
        if (redis_conf_parse(&conf, (const char *)data, size, include, 0) == 0)
                fuzz_require(conf.dir[0] == '\0' || conf.dir[0] == '/');
        require_ended(conf.socket, sizeof(conf.socket));
        require_ended(conf.password, sizeof(conf.password));
        require_ended(conf.dump, sizeof(conf.dump));
        fuzz_require(conf.n_modules <= REDIS_MODULES_MAX);
        redis_conf_deinit(&conf);
        if (process_title_parse((const char *)data, size, &title))
                fuzz_require(title.config[0] == '/' || title.socket[0] == '/' || title.port > 0);
        return 0;
}
