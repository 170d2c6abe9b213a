/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-writer-redis: the writer of Redis as a process; with "valkey" as its argument, that of Valkey, which
 * has another user
 */

#include <string.h>
#include "writers/redis/writer.h"

int main(int argc, char **argv) {
        bool valkey = argc > 1 && strcmp(argv[1], "valkey") == 0;
        RedisWriter writer = { .product = valkey ? &valkey_product : &redis_product };
        struct vss_writer table = redis_writer;

        if (valkey) {
                table.name = "Valkey";
                table.id = "d4b7f0c3-6a52-4e1d-9c88-2f5b30e7a916";
                table.friendly_name = "Valkey servers";
        }
        settings_init(&writer.settings);
        return vss_writer_main(&table, &writer);
}
