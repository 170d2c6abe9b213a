/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Redis, and what has become of it elsewhere
 */

#include "config.h"
#include "writers/redis/instance.h"

const Product redis_product = {
        .name = "redis",
        .conf_dir = "/etc/redis",
        .unit = "redis-server",
        .process = "redis-server",
        .settings = LINUXVSS_CONFDIR "/redis.conf",
};

const Product valkey_product = {
        .name = "valkey",
        .conf_dir = "/etc/valkey",
        .unit = "valkey-server",
        .process = "valkey-server",
        .settings = LINUXVSS_CONFDIR "/valkey.conf",
};
