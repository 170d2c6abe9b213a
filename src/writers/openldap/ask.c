/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Questions to a running slapd
 */

#include <ldap.h>
#include <string.h>
#include <sys/time.h>
#include "util/clock.h"
#include "util/macro.h"
#include "writers/openldap/ask.h"

#define ENTRIES_MAX 256

static struct timeval time_left(uint64_t deadline_usec) {
        uint64_t now = now_usec(), left = deadline_usec > now ? deadline_usec - now : 1;

        return (struct timeval){ .tv_sec = (time_t)(left / USEC_PER_SEC),
                                 .tv_usec = (suseconds_t)(left % USEC_PER_SEC) };
}

static int to_errno(int result) {
        switch (result) {
        case LDAP_SUCCESS:
                return 0;
        case LDAP_NO_SUCH_OBJECT:
        case LDAP_INSUFFICIENT_ACCESS:
        case LDAP_INAPPROPRIATE_AUTH:
        case LDAP_INVALID_CREDENTIALS:
        case LDAP_STRONG_AUTH_REQUIRED:
        case LDAP_AUTH_METHOD_NOT_SUPPORTED:
                return -EACCES;
        case LDAP_TIMEOUT:
                return -ETIMEDOUT;
        case LDAP_SERVER_DOWN:
        case LDAP_CONNECT_ERROR:
                return -ECONNREFUSED;
        default:
                return -EPROTO;
        }
}

/* The answer to @id, all of it. */
static int receive(LDAP *ld, int id, uint64_t deadline_usec, LDAPMessage **ret_answer) {
        struct timeval left = time_left(deadline_usec);
        LDAPMessage *answer = NULL;
        int r, result = LDAP_OTHER;

        r = ldap_result(ld, id, LDAP_MSG_ALL, &left, &answer);
        if (r == 0)
                return -ETIMEDOUT;
        if (r < 0)
                return -ECONNREFUSED;
        if (ldap_parse_result(ld, answer, &result, NULL, NULL, NULL, NULL, 0) != LDAP_SUCCESS)
                result = LDAP_OTHER;
        if (result != LDAP_SUCCESS || !ret_answer)
                (void)ldap_msgfree(answer);
        else
                *ret_answer = answer;
        return to_errno(result);
}

void ask_close(LdapConnection **connection) {
        if (*connection)
                (void)ldap_unbind_ext(*connection, NULL, NULL);
        *connection = NULL;
}

int ask_open(const char *url, uint64_t deadline_usec, LdapConnection **ret_connection) {
        _cleanup_(ask_close) LdapConnection *ld = NULL;
        struct timeval left = time_left(deadline_usec);
        struct berval nothing = { .bv_val = (char *)"" };
        int version = LDAP_VERSION3, id, r;

        if (ldap_initialize(&ld, url) != LDAP_SUCCESS)
                return -EINVAL;
        (void)ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
        (void)ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &left);
        (void)ldap_set_option(ld, LDAP_OPT_TIMEOUT, &left);
        (void)ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
        /* The kernel tells slapd who we are. */
        r = ldap_sasl_bind(ld, NULL, "EXTERNAL", &nothing, NULL, NULL, &id);
        if (r != LDAP_SUCCESS)
                return to_errno(r);
        r = receive(ld, id, deadline_usec, NULL);
        if (r < 0)
                return r;
        *ret_connection = TAKE_PTR(ld);
        return 0;
}

static int search(LDAP *ld, const char *base, int scope, const char *filter, const char *const *attributes,
                  uint64_t deadline_usec, LDAPMessage **ret_answer) {
        int id, r;

        r = ldap_search_ext(ld, base, scope, filter, (char **)attributes, 0, NULL, NULL, NULL, ENTRIES_MAX,
                            &id);
        return r != LDAP_SUCCESS ? to_errno(r) : receive(ld, id, deadline_usec, ret_answer);
}

static void take_entry(LDAP *ld, LDAPMessage *entry, ConfigDatabase *database) {
        BerElement *ber = NULL;

        for (char *type = ldap_first_attribute(ld, entry, &ber); type;
             type = ldap_next_attribute(ld, entry, ber)) {
                struct berval **values = ldap_get_values_len(ld, entry, type);

                for (size_t i = 0; values && values[i]; i++)
                        config_database_take(database, type, values[i]->bv_val, values[i]->bv_len);
                ldap_value_free_len(values);
                ldap_memfree(type);
        }
        ber_free(ber, 0);
}

int ask_databases(LdapConnection *connection, uint64_t deadline_usec, ask_database_fn visit,
                  void *userdata) {
        static const char *const attributes[] = { "olcDatabase", "olcSuffix",     "olcDbDirectory",
                                                  "olcDbNoSync", "olcDbEnvFlags", "olcSyncrepl",
                                                  NULL };
        LDAPMessage *answer = NULL;
        int r, n = 0;

        r = search(connection, "cn=config", LDAP_SCOPE_SUBTREE, "(objectClass=olcDatabaseConfig)",
                   attributes, deadline_usec, &answer);
        if (r < 0)
                return r;
        for (LDAPMessage *entry = ldap_first_entry(connection, answer); entry && r == 0;
             entry = ldap_next_entry(connection, entry), n++) {
                ConfigDatabase database = { 0 };

                take_entry(connection, entry, &database);
                r = visit(&database, userdata);
        }
        (void)ldap_msgfree(answer);
        /* There is always one, the frontend: who sees none may see none. */
        return r != 0 ? r : n == 0 ? -EACCES : 0;
}

int ask_context_csn(LdapConnection *connection, const char *suffix, uint64_t deadline_usec, char *ret_csn,
                    size_t size) {
        static const char *const attributes[] = { "contextCSN", NULL };
        struct berval **values = NULL;
        LDAPMessage *answer = NULL, *entry;
        size_t n = 0;
        int r;

        r = search(connection, suffix, LDAP_SCOPE_BASE, "(objectClass=*)", attributes, deadline_usec,
                   &answer);
        if (r < 0)
                return r == -EACCES ? -ENODATA : r;
        entry = ldap_first_entry(connection, answer);
        if (entry)
                values = ldap_get_values_len(connection, entry, "contextCSN");
        for (size_t i = 0; values && values[i] && n < size; i++)
                n += (size_t)snprintf(ret_csn + n, size - n, "%s%s", i > 0 ? " " : "", values[i]->bv_val);
        ldap_value_free_len(values);
        (void)ldap_msgfree(answer);
        return n == 0 ? -ENODATA : n >= size ? -E2BIG : 0;
}

int ask_alive(const char *url, uint64_t deadline_usec) {
        static const char *const attributes[] = { "1.1", NULL };
        _cleanup_(ask_close) LdapConnection *ld = NULL;
        LDAPMessage *answer = NULL;
        int r;

        r = ask_open(url, deadline_usec, &ld);
        /* Who may not even bind has got an answer, too. */
        if (r == -EACCES)
                return 0;
        if (r >= 0)
                r = search(ld, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, deadline_usec, &answer);
        if (answer)
                (void)ldap_msgfree(answer);
        return r == -EACCES ? 0 : r;
}
