/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which clusters there are: rbd.conf
 */

#include <string.h>
#include "providers/rbd/settings.h"
#include "util/clock.h"

#define ANSWER_USEC (5 * USEC_PER_SEC)
/* The hold stands for ten seconds at most, and is let go of within them. */
#define ANSWER_MAX_USEC (8 * USEC_PER_SEC)

/* What is no name for Ceph either, and what would be something else in a message or a command line. */
static bool is_name(const char *text, size_t n, size_t size) {
        if (n == 0 || n >= size || text[0] == '-')
                return false;
        for (size_t i = 0; i < n; i++)
                if ((unsigned char)text[i] <= ' ' || text[i] == 127 || strchr("/@:\"\\=,", text[i]))
                        return false;
        return true;
}

static int copy_name(const char *text, size_t n, char *to, size_t size) {
        if (!is_name(text, n, size))
                return -EINVAL;
        memcpy(to, text, n);
        to[n] = 0;
        return 0;
}

int pool_name_parse(const char *text, PoolName *ret_name) {
        PoolName name = { 0 };
        size_t n = strcspn(text, "/");
        int r;

        r = copy_name(text, n, name.pool, sizeof(name.pool));
        if (r == 0 && text[n] == '/')
                r = copy_name(text + n + 1, strlen(text + n + 1), name.space, sizeof(name.space));
        if (r == 0)
                *ret_name = name;
        return r;
}

bool image_name_is_valid(const char *name) {
        return is_name(name, strlen(name), IMAGE_NAME_SIZE);
}

int image_name_parse(const char *text, char ret_cluster[static 64], PoolName *ret_pool,
                     char ret_image[static IMAGE_NAME_SIZE]) {
        char cluster[64] = "", pool[2 * POOL_NAME_SIZE], image[IMAGE_NAME_SIZE];
        const char *colon = strchr(text, ':'), *slash;
        PoolName name;
        int r = 0;

        if (colon)
                r = copy_name(text, (size_t)(colon - text), cluster, sizeof(cluster));
        text = colon ? colon + 1 : text;
        slash = strrchr(text, '/');
        if (r < 0 || !slash || (size_t)(slash - text) >= sizeof(pool))
                return -EINVAL;
        memcpy(pool, text, (size_t)(slash - text));
        pool[slash - text] = 0;
        r = copy_name(slash + 1, strlen(slash + 1), image, sizeof(image));
        if (r == 0)
                r = pool_name_parse(pool, &name);
        if (r < 0)
                return r;
        memcpy(ret_cluster, cluster, sizeof(cluster));
        memcpy(ret_image, image, sizeof(image));
        *ret_pool = name;
        return 0;
}

static int parse_pools(const char *value, ClusterSettings *cluster) {
        _cleanup_words_ char **words = NULL;
        ConfError error;
        int r = conf_words(value, &error, &words);

        for (size_t i = 0; r == 0 && words[i]; i++)
                r = cluster->n_pools < POOLS_MAX
                            ? pool_name_parse(words[i], &cluster->pools[cluster->n_pools++])
                            : -E2BIG;
        return r;
}

static int parse_entry(const ConfEntry *entry, ClusterSettings *cluster) {
        size_t n = strlen(entry->value);

        if (strcmp(entry->key, "Name") == 0)
                return copy_name(entry->value, n, cluster->name, sizeof(cluster->name));
        if (strcmp(entry->key, "User") == 0)
                return copy_name(entry->value, n, cluster->user, sizeof(cluster->user));
        if (strcmp(entry->key, "Pool") == 0)
                return parse_pools(entry->value, cluster);
        if (strcmp(entry->key, "MapOptions") == 0)
                return (size_t)snprintf(cluster->map_options, sizeof(cluster->map_options), "%s",
                                        entry->value) < sizeof(cluster->map_options)
                               ? 0
                               : -EINVAL;
        if (strcmp(entry->key, "Conf") != 0)
                return -ENOENT;
        /* It becomes a part of other programs' options. */
        if (entry->value[0] != '/' || n >= sizeof(cluster->conf) || strchr(entry->value, ','))
                return -EINVAL;
        memcpy(cluster->conf, entry->value, n + 1);
        return 0;
}

static int fail(ConfError *error, const ConfEntry *entry, int r) {
        error->line = entry->line;
        if (r == -ENOENT)
                (void)snprintf(error->message, sizeof(error->message),
                               "\"%.60s\" is no setting of the rbd provider", entry->key);
        else
                (void)snprintf(error->message, sizeof(error->message), "\"%.60s\" is no value for %.60s",
                               entry->value, entry->key);
        return r == -ENOENT ? -EINVAL : r;
}

static int read_section(const ConfSection *section, ConfError *error, Settings *settings) {
        ClusterSettings cluster = { .name = "ceph", .conf = "/etc/ceph/ceph.conf", .user = "linuxvss" };
        bool general = *section->name == 0;
        int r = 0;

        for (size_t i = 0; i < section->n_entries; i++) {
                const ConfEntry *entry = &section->entries[i];

                if (!general)
                        r = parse_entry(entry, &cluster);
                else if (strcmp(entry->key, "AnswerLimit") == 0)
                        r = conf_duration(entry->value, ANSWER_MAX_USEC, &settings->answer_usec);
                else
                        r = -ENOENT;
                if (r == 0 && general && settings->answer_usec < USEC_PER_SEC)
                        r = -ERANGE;
                if (r < 0)
                        return fail(error, entry, r);
        }
        if (general)
                return 0;
        if (cluster.n_pools == 0)
                (void)snprintf(cluster.pools[cluster.n_pools++].pool, POOL_NAME_SIZE, "rbd");
        settings->clusters[settings->n_clusters++] = cluster;
        return 0;
}

int settings_read(const char *path, ConfError *error, Settings *ret_settings) {
        Settings settings = { .answer_usec = ANSWER_USEC };
        _cleanup_conf_ Conf *conf = NULL;
        int r;

        r = conf_read(path, error, &conf);
        if (r < 0 && r != -ENOENT)
                return r;
        r = 0;
        for (size_t i = 0; r == 0 && conf && i < conf->n_sections; i++) {
                const ConfSection *section = &conf->sections[i];

                if (*section->name == 0 ||
                    (strcmp(section->name, "Cluster") == 0 && settings.n_clusters < CLUSTERS_MAX)) {
                        r = read_section(section, error, &settings);
                        continue;
                }
                error->line = section->line;
                (void)snprintf(error->message, sizeof(error->message),
                               "[%.60s] is no section of the rbd provider, or one too many", section->name);
                r = -EINVAL;
        }
        if (r == 0)
                *ret_settings = settings;
        return r;
}
