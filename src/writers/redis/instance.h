/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The servers of this user: those that run, and those that are configured
 *
 * Found by the configuration files of the distribution, by what the administrator names, and by the titles
 * of processes. A child for each asks it who it is; one that does not answer costs nobody else anything.
 */

#include <linuxvss/types.h>
#include "writers/common/child.h"
#include "writers/redis/settings.h"

#define INSTANCES_MAX 64u
#define INSTANCE_WHY_SIZE 512u

/* What a server says of itself, or, while it does not run, its configuration. */
typedef struct InstanceFacts {
        char product[16]; /* redis or valkey */
        char version[32], run_id[48], replication_id[48], role[16];
        char config[REDIS_PATH_SIZE], executable[REDIS_PATH_SIZE];
        char dir[REDIS_PATH_SIZE], dump[REDIS_NAME_SIZE];
        char append_dir[REDIS_NAME_SIZE], append_file[REDIS_NAME_SIZE];
        char socket[REDIS_PATH_SIZE];
        uint16_t port;
        bool append_only, saves, cluster;
        bool many_files; /* its AOF is a directory of them (7.0) */
        bool syncing;    /* a replica that does not have the data of its master yet */
        bool saving, rewriting;
        char master[REDIS_NAME_SIZE]; /* of a replica: "HOST:PORT"; else "" */
        bool master_is_gone;          /* it gets nothing from there */
        int64_t silent;               /* seconds since it got something; -1: that is not known */
        int64_t offset;               /* of replication */
        int64_t changes;              /* since the last dump */
        int64_t saved;                /* when that was, seconds since 1970 */
        int64_t memory;               /* bytes of data */
        int64_t append_size;          /* bytes of the AOF, */
        int64_t append_base;          /* and when it was rewritten last; */
        int64_t rewrite_percent,
                rewrite_size; /* it will be when it has grown by this much, and is larger than that */
        int64_t buffered, flushing;
} InstanceFacts;

/* An answer of a child about its server; nothing is left out on the way but the end of @facts' texts. */
typedef struct InstanceReply {
        int32_t code; /* a vss_result; VSS_S_FALSE while it is awaited */
        bool down;    /* nobody listens there */
        char text[INSTANCE_WHY_SIZE];
        char missing[64], remedy[INSTANCE_WHY_SIZE]; /* a right, and what grants it */
        int64_t instant; /* seconds since 1970: of which moment the files are; 0: of Freeze */
        InstanceFacts facts;
} InstanceReply;

typedef struct Instance {
        char name[REDIS_PATH_SIZE];   /* the logical path of its component */
        char config[REDIS_PATH_SIZE]; /* "" if none is known */
        char unit[REDIS_NAME_SIZE];   /* "" if none is known */
        char socket[REDIS_PATH_SIZE];
        uint16_t port;
        char user[REDIS_NAME_SIZE], password[REDIS_PASSWORD_SIZE];
        pid_t pid; /* of its process; 0 if none was seen */
        RedisConf conf;
        InstanceReply reply;
} Instance;

typedef struct InstanceList {
        Instance *items;
        size_t n;
        char *warnings[16];
        size_t n_warnings;
} InstanceList;

/* Where a product has its things. */
typedef struct Product {
        const char *name;     /* redis */
        const char *conf_dir; /* /etc/redis */
        const char *unit;     /* redis-server: also NAME@X.service for NAME-X.conf */
        const char *process;  /* redis-server */
        const char *settings; /* /etc/linuxvss/redis.conf */
} Product;

extern const Product redis_product, valkey_product;

int instances_find(const Product *product, Settings *settings, uint64_t deadline_usec,
                   InstanceList *ret_list);
void instance_list_clear(InstanceList *list);
/* NULL if there is none. */
Instance *instance_list_find(const InstanceList *list, const char *name);
/* Do the files that a restore has put aside belong to this server? */
bool instance_is_aside(const InstanceList *list, const Instance *instance);
/* Does a process of this server run? Only by what /proc has. */
bool instance_has_process(const Product *product, const Instance *instance);

/* What the title of a process says: an address, or its configuration file. */
typedef struct ProcessTitle {
        char socket[REDIS_PATH_SIZE], config[REDIS_PATH_SIZE];
        uint16_t port;
        bool sentinel;
} ProcessTitle;

/* @title: its words, each ended by a NUL. False: of no use. */
bool process_title_parse(const char *title, size_t size, ProcessTitle *ret_title);
/* "redis-server@x.service" of "/etc/redis/redis-x.conf"; "" if it is no unit of the distribution. */
void instance_unit_of(const Product *product, const char *config, char *unit, size_t size);
void instance_name_of(const Product *product, const Instance *instance, char *name, size_t size);
