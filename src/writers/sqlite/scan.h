/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which SQLite databases there are
 *
 * Named by patterns in sqlite.conf, and those that system services hold open. Nothing is remembered: the
 * answer is made anew each time, by a child with a deadline, and the first bytes of a file are read by a
 * child with the rights of its owner.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "writers/common/child.h"
#include "writers/common/settings.h"

#define DATABASES_MAX 256u

/* Users below this are the system's; so are those of DynamicUser= units. */
#define SYSTEM_USER_END 1000u
#define DYNAMIC_USER_BEGIN 61184u
#define DYNAMIC_USER_END 65520u

typedef struct Database {
        char *path;         /* canonical: no symbolic links */
        char *logical_path; /* its directory without the leading '/' */
        const char *name;   /* of the file; part of path */
        char *owner;        /* user name; the number where there is none */
        char *group;        /* of databases that are one component; NULL: it is one by itself */
        uid_t uid;
        gid_t gid;
        dev_t device;
        ino_t inode;
} Database;

/* Where groups are among the components; bytes of a group's name, with the NUL. */
#define GROUPS_PATH "groups"
#define GROUP_NAME_SIZE 64u

/* The component that a database belongs to. */
static inline const char *database_component_path(const Database *database) {
        return database->group ? GROUPS_PATH : database->logical_path;
}

static inline const char *database_component(const Database *database) {
        return database->group ?: database->name;
}

typedef struct DatabaseList {
        Database *items;
        size_t n;
        Warnings warnings;
} DatabaseList;

void database_list_clear(DatabaseList *list);

/*
 * database_scan() - find the databases within the time given
 * What was found when the time is over counts, with a warning. Databases beyond DATABASES_MAX are a warning.
 * Return: 0 or a negative errno.
 */
int database_scan(const char *conf_path, uint64_t deadline_usec, DatabaseList *ret_list);

/* One message of the finding child (find.c). */
enum { SCAN_DATABASE = 1, SCAN_WARNING = 2, SCAN_END = 3 };

typedef struct ScanMessage {
        uint32_t kind;
        uint32_t uid, gid;
        uint32_t reserved;
        uint64_t device, inode;
        char owner[64];
        char group[GROUP_NAME_SIZE];
        char text[4096]; /* path or sentence; only as much as needed is sent */
} ScanMessage;

typedef struct FindOrder {
        const char *conf_path;
        uint64_t deadline_usec;
        pid_t broker;
} FindOrder;

/* The finding child: a child_main_fn. */
int find_main(int fd, void *order);

/* A file that may be a database. */
typedef struct Candidate {
        char *path;
        uid_t uid;
        gid_t gid;
        dev_t device;
        ino_t inode;
        bool configured;
        char *group; /* NULL: none */
        int verdict; /* of candidate_probe() */
} Candidate;

/* Read the header with the rights of this process.
 * Return: 1 a database, 0 none, -ESTALE when the path leads to another file by now, or a negative errno. */
int candidate_probe(const Candidate *candidate);
bool is_system_user(uid_t uid);
