/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which clusters there are: rbd.conf
 *
 *     AnswerLimit=5 s           how long a cluster may take while writers are frozen
 *     [Cluster]                 for each one
 *     Name=ceph                 for messages, and who is named in "vss attach NAME:POOL/IMAGE"
 *     Conf=/etc/ceph/ceph.conf
 *     User=linuxvss             client.linuxvss
 *     Pool=rbd                  pools, also POOL/NAMESPACE, that are looked into for copies
 *     MapOptions=               for "rbd map", where the kernel has that
 *
 * Without the file there is none, and the provider takes no volume.
 */

#include "config.h"
#include "util/conf.h"

#define RBD_CONF LINUXVSS_CONFDIR "/rbd.conf"
#define CLUSTERS_MAX 16u
#define POOLS_MAX 64u
#define POOL_NAME_SIZE 128u

typedef struct PoolName {
        char pool[POOL_NAME_SIZE], space[POOL_NAME_SIZE]; /* space: the namespace, or "" */
} PoolName;

typedef struct ClusterSettings {
        char name[64], conf[256], user[64], map_options[128];
        size_t n_pools;
        PoolName pools[POOLS_MAX];
} ClusterSettings;

typedef struct Settings {
        uint64_t answer_usec;
        size_t n_clusters;
        ClusterSettings clusters[CLUSTERS_MAX];
} Settings;

/* Without the file there are no clusters. Return: 0, or a negative errno and what is wrong. */
int settings_read(const char *path, ConfError *error, Settings *ret_settings);

/* "POOL" or "POOL/NAMESPACE". -EINVAL */
int pool_name_parse(const char *text, PoolName *ret_name);
/* "[CLUSTER:]POOL[/NAMESPACE]/IMAGE". @ret_cluster: "" if none is named. -EINVAL */
#define IMAGE_NAME_SIZE 128u
/* Can it be an image's, and be handed to other programs? */
bool image_name_is_valid(const char *name);
int image_name_parse(const char *text, char ret_cluster[static 64], PoolName *ret_pool,
                     char ret_image[static IMAGE_NAME_SIZE]);
