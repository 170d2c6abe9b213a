/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A client of one kind of server; what goes wrong is told on standard error
 */

#include <stdbool.h>
#include <stdint.h>

typedef struct ProbeEngine {
        const char *name;
        /* NULL: it failed */
        void *(*open)(const char *where);
        bool (*commit)(void *connection, uint64_t n);
} ProbeEngine;

extern const ProbeEngine probe_postgresql, probe_mariadb, probe_redis, probe_openldap;
