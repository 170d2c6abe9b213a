/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A client of OpenLDAP
 */

#include <inttypes.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/probe.h"

typedef struct Connection {
        LDAP *ld;
        const char *dn;
} Connection;

static void *open_server(const char *where) {
        static Connection connection;
        struct berval nothing = { .bv_val = (char *)"" };
        char *url = strdup(where), *comma = url ? strchr(url, ',') : NULL;
        int version = LDAP_VERSION3, result = LDAP_PARAM_ERROR;

        if (comma) {
                *comma = '\0';
                connection.dn = where + (comma - url) + 1;
                result = ldap_initialize(&connection.ld, url);
        }
        if (result == LDAP_SUCCESS) {
                (void)ldap_set_option(connection.ld, LDAP_OPT_PROTOCOL_VERSION, &version);
                result = ldap_sasl_bind_s(connection.ld, NULL, "EXTERNAL", &nothing, NULL, NULL, NULL);
        }
        free(url);
        if (result == LDAP_SUCCESS)
                return &connection;
        fprintf(stderr, "%s\n", ldap_err2string(result));
        return NULL;
}

static bool commit(void *userdata, uint64_t n) {
        Connection *connection = userdata;
        char text[24], *values[] = { text, NULL };
        LDAPMod mod = { .mod_op = LDAP_MOD_REPLACE,
                        .mod_type = (char *)"description",
                        .mod_values = values };
        LDAPMod *mods[] = { &mod, NULL };
        int result;

        (void)snprintf(text, sizeof(text), "%" PRIu64, n);
        result = ldap_modify_ext_s(connection->ld, connection->dn, mods, NULL, NULL);
        if (result != LDAP_SUCCESS)
                fprintf(stderr, "%s\n", ldap_err2string(result));
        return result == LDAP_SUCCESS;
}

const ProbeEngine probe_openldap = { .name = "openldap", .open = open_server, .commit = commit };
