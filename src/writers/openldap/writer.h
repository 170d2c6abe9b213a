/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The OpenLDAP writer: its table of events, and what it remembers between them
 */

#include <linuxvss/writer.h>
#include "writers/common/event.h"
#include "writers/openldap/holder.h"
#include "writers/openldap/instance.h"

typedef struct LdapWriter {
        const char *conf_path, *default_path;
        InstanceList instances; /* as found for the set under way */
        HolderSet holders;
        bool lost[INSTANCES_MAX]; /* of them: failed, and told */
        bool held[INSTANCES_MAX];
        char session[VSS_ID_SIZE]; /* whose they are */
        bool frozen;
        char failure[2048]; /* of the last component that failed in a restore or in verify */
} LdapWriter;

extern const struct vss_writer openldap_writer;

/* Finds the instances, or fails the call. @details: contextCSN and version, too. */
vss_result ldap_scan(vss_writer_call *call, bool details, uint64_t at_most_usec, InstanceList *ret_list);

/* restore.c, verify.c */
vss_result ldap_pre_restore(vss_writer_call *call);
vss_result ldap_post_restore(vss_writer_call *call);
vss_result ldap_verify(vss_writer_call *call);
