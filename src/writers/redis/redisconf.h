/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a server's own configuration file says, as far as it has to be known while the server does not run,
 * or before it lets anybody in
 *
 * A running server is asked (CONFIG GET). Directives that are not known here are skipped. Functions return 0
 * or a negative errno.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/macro.h"

#define REDIS_CONF_MAX (1u << 20)
#define REDIS_CONF_FILES_MAX 64u
#define REDIS_CONF_DEPTH_MAX 4u
#define REDIS_MODULES_MAX 32u
/* A name of a file, an address in the file system; with the NUL. */
#define REDIS_NAME_SIZE 256u
#define REDIS_PATH_SIZE 1024u
#define REDIS_PASSWORD_SIZE 513u

typedef struct RedisConf {
        uint16_t port; /* 0: none */
        char socket[REDIS_PATH_SIZE];
        char dir[REDIS_PATH_SIZE]; /* "" if it is not said, or relative: where the server was started */
        char dump[REDIS_NAME_SIZE], append_dir[REDIS_NAME_SIZE], append_file[REDIS_NAME_SIZE];
        char password[REDIS_PASSWORD_SIZE];
        bool append_only, saves;
        bool replica, cluster, sentinel;
        bool save_was_said;
        char *modules[REDIS_MODULES_MAX]; /* their files */
        size_t n_modules;
        unsigned n_files; /* that were read */
} RedisConf;

void redis_conf_init(RedisConf *conf);
void redis_conf_deinit(RedisConf *conf);
#define _cleanup_redis_conf_ _cleanup_(redis_conf_deinit)

/* What a directive includes; NULL: nothing is read. Return: 0, or what ends the parsing. */
typedef int (*redis_conf_include_fn)(RedisConf *conf, const char *pattern, unsigned depth);

/* Later lines override what @conf has. -EINVAL for a line that the server would not take either, -E2BIG. */
int redis_conf_parse(RedisConf *conf, const char *text, size_t size, redis_conf_include_fn include,
                     unsigned depth);
/* With what it includes. */
int redis_conf_read(RedisConf *conf, const char *path);
