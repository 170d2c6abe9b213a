/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * services.conf: applications without a writer, by unit or control group
 *
 * The format is in vss-writer-service(8). Nothing here touches what the file names.
 */

#include <linuxvss/types.h>
#include "writers/common/settings.h"

#define SERVICES_MAX 32u
#define SERVICE_PATHS_MAX 32u
#define SERVICE_EXCLUDES_MAX 64u

typedef struct ServiceExclude {
        char *path, *filespec; /* the pattern, in the directory and below it */
} ServiceExclude;

typedef struct Service {
        char *name;
        char *unit;  /* NULL: only a control group was named */
        char *group; /* as in /proc/PID/cgroup; NULL: the unit's is looked for */
        char *user;
        enum vss_application_level level;
        char *paths[SERVICE_PATHS_MAX];
        size_t n_paths;
        ServiceExclude excludes[SERVICE_EXCLUDES_MAX];
        size_t n_excludes;
        char **verify; /* a command; NULL: none */
} Service;

typedef struct ServiceList {
        Service *items; /* SERVICES_MAX */
        size_t n;
        Warnings warnings;
} ServiceList;

void service_list_clear(ServiceList *list);
/* A section with an error is left out, with a warning that has its line. Return: 0 or -ENOMEM. */
int service_list_from_conf(const char *path, const Conf *conf, ServiceList *ret_list);
/* A file that is not there describes nothing; one that cannot be read is a warning. Return: 0 or -ENOMEM. */
int service_list_load(const char *path, ServiceList *ret_list);
