/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-writer-openldap: the OpenLDAP writer as a process
 */

#include "config.h"
#include "writers/openldap/writer.h"

int main(void) {
        LdapWriter writer = {
                .conf_path = LINUXVSS_CONFDIR "/openldap.conf",
                .default_path = "/etc/default/slapd",
        };

        return vss_writer_main(&openldap_writer, &writer);
}
