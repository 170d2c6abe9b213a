/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The rbd provider as a table of calls; its userdata is an RbdProvider
 */

#include <sys/stat.h>
#include "providers/rbd/attached.h"
#include "providers/rbd/set.h"

#define HOST_SIZE 64u
/* For what is asked while nothing is held. */
#define REQUEST_USEC (15 * USEC_PER_SEC)

typedef struct RbdProvider {
        Clusters clusters;
        const char *conf_path;
        struct stat conf_seen;     /* the file that was read; st_ino 0: there was none */
        char conf_error[WHY_SIZE]; /* "" */
        char host[HOST_SIZE];      /* this machine, as the service calls it */
        Set *set;                  /* being made, NULL otherwise */
        bool user_space;           /* not by the kernel's client, although it may be there: tests */
} RbdProvider;

extern const struct vss_provider rbd_provider;

int provider_init(RbdProvider *p, const char *conf_path);
/* Reads the settings anew if they have changed, but not while a set is made. */
void provider_refresh(RbdProvider *p);
void provider_done(RbdProvider *p);

/* The image that the kernel's device @name is, told without asking a cluster. -ENOENT: it is none. */
int provider_find_image(const char *name, Place *ret_place, const char **ret_why);
/* Looks for a copy of this host in all clusters. It says by @call what went wrong. */
vss_result provider_find(vss_provider_call *call, const char *id, size_t *ret_cluster, vss_value **ret_info);
/* Where it is; -EBADMSG: what is kept with it makes no sense. */
int provider_target(const RbdProvider *p, size_t cluster, const vss_value *info, Target *ret_target,
                    char ret_snapshot[static SNAPSHOT_SIZE]);
/* One request about one copy. */
vss_result provider_ask(vss_provider_call *call, RequestKind kind, size_t cluster, const vss_value *info);
/* All copies of this host. */
vss_result provider_list(vss_provider_call *call, vss_value *list);

/* transport.c */
vss_result transport_get_luns(vss_provider_call *call, const char *set_id, vss_value *luns);
vss_result transport_import(vss_provider_call *call, const vss_value *set, vss_value *result);
vss_result transport_break(vss_provider_call *call, const char *set_id, uint32_t flags);
/* attach.c */
vss_result attach_attach(vss_provider_call *call, const char *device, const vss_value *options,
                         vss_value *result);
vss_result attach_detach(vss_provider_call *call, const char *device, const vss_value *options,
                         vss_value *result);
vss_result attach_query(vss_provider_call *call, vss_value *list);
