/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Processes of servers, as /proc shows them
 */

#include <linuxvss/types.h>
#include <sys/types.h>
#include "writers/mariadb/instance.h"

/* The name of the PID file of servers that are ours: nobody's instances. */
#define PRIVATE_PID_FILE "linuxvss-private.pid"

typedef struct ServerProcess {
        pid_t pid;
        char program[512];
        char unit[256];   /* that it belongs to; "" if it is none's */
        char socket[128]; /* that it listens on; "" if that cannot be seen */
        Options arguments;
} ServerProcess;

/* Those that run as this user. Return: 0 or a negative errno. */
int processes_find(uint64_t deadline_usec, ServerProcess **ret_processes, size_t *ret_n);
void processes_free(ServerProcess *processes, size_t n);
/* The name of the user that we are; a number if it has none. */
void process_user(char *ret_name, size_t size);

/* For tests: the paths of sockets that listen, of /proc/PID/net/unix. @inode: "26113258". Return: was it
 * found? */
bool process_parse_socket(const char *table, const char *inode, char *ret_path, size_t size);
/* "0::/system.slice/mariadb.service" and the like: the unit; "" if there is none. */
void process_parse_unit(const char *text, char *ret_unit, size_t size);
