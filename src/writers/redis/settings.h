/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * /etc/linuxvss/redis.conf (valkey.conf): what the administrator says of servers, passwords among it
 */

#include "util/conf.h"
#include "writers/redis/redisconf.h"

#define SETTINGS_INSTANCES_MAX 64u

typedef struct InstanceSettings {
        char config[REDIS_PATH_SIZE]; /* of which server this is: its configuration file, */
        char socket[REDIS_PATH_SIZE]; /* its socket, */
        uint16_t port;                /* or its port */
        char user[REDIS_NAME_SIZE], password[REDIS_PASSWORD_SIZE];
        char unit[REDIS_NAME_SIZE];
} InstanceSettings;

typedef struct Settings {
        char user[REDIS_NAME_SIZE], password[REDIS_PASSWORD_SIZE]; /* of all that have none of their own */
        uint64_t save_limit;  /* bytes of data that are saved while writes wait */
        uint64_t freeze_usec; /* how long Freeze may take */
        InstanceSettings *instances;
        size_t n_instances;
} Settings;

#define SETTINGS_SAVE_LIMIT (UINT64_C(64) << 20)
#define SETTINGS_FREEZE_USEC UINT64_C(2000000)

void settings_init(Settings *settings);
void settings_deinit(Settings *settings);
#define _cleanup_settings_ _cleanup_(settings_deinit)

int settings_parse(Settings *settings, const Conf *conf, ConfError *error);
/* 0 also if there is none. -EACCES: it has a password, and others may read it. -EINVAL: @error says which
 * line. */
int settings_read(Settings *settings, const char *path, ConfError *error);
