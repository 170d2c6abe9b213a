/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A configuration for a server on copies of the databases
 */

#include <fcntl.h>
#include <lber.h>
#include <ldap_cdefs.h>
#include <stdio.h>
#include <ldif.h>
#include <string.h>
#include <strings.h>
#include "util/macro.h"
#include "writers/openldap/clone-config.h"
#include "writers/openldap/slapd-config.h"

typedef struct Writing {
        FILE *file;
        clone_path_fn clone_path;
        void *userdata;
} Writing;

static bool is_left_out(const char *type, const char *value, size_t size) {
        static const char *const types[] = { "olcSyncrepl",    "olcMirrorMode", "olcMultiProvider",
                                             "olcUpdateRef",   "olcUpdateDN",   "olcReferral",
                                             "olcLogFile",     "olcPidFile",    "olcArgsFile",
                                             "olcAuditlogFile" };

        FOREACH_ELEMENT (t, types)
                if (strcasecmp(type, *t) == 0)
                        return true;
        /* A server with URLs among its numbers wants to be started with one of them. */
        return strncasecmp(type, "olcTLS", strlen("olcTLS")) == 0 ||
               (strcasecmp(type, "olcServerID") == 0 && memchr(value, ' ', size));
}

static int put(Writing *writing, const char *type, const char *value, size_t size) {
        char *line = ldif_put(LDIF_PUT_VALUE, type, value, size);
        int r;

        if (!line)
                return -ENOMEM;
        r = fputs(line, writing->file) < 0 ? -EIO : 0;
        ber_memfree(line);
        return r;
}

static int put_attribute(const char *type, const char *value, size_t size, void *userdata) {
        Writing *writing = userdata;
        char path[PATH_MAX];
        int r;

        if (is_left_out(type, value, size))
                return 0;
        if (strcasecmp(type, "olcDbDirectory") != 0)
                return put(writing, type, value, size);
        r = writing->clone_path(value, path, sizeof(path), writing->userdata);
        return r < 0 ? r : put(writing, type, path, strlen(path));
}

static int put_entry(const ConfigEntry *entry, void *userdata) {
        Writing *writing = userdata;
        const char *dn = config_entry_dn(entry);
        int r = put(writing, "dn", dn, strlen(dn));

        if (r >= 0)
                r = config_entry_attributes(entry, put_attribute, writing);
        return r < 0 ? r : fputc('\n', writing->file) < 0 ? -EIO : 0;
}

int clone_config_write(const char *config, const char *output, clone_path_fn clone_path, void *userdata) {
        Writing writing = { .clone_path = clone_path, .userdata = userdata };
        int fd = open(output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), r;

        if (fd < 0)
                return -errno;
        writing.file = fdopen(fd, "w");
        if (!writing.file) {
                (void)close(fd);
                return -ENOMEM;
        }
        r = config_walk(config, put_entry, &writing);
        if (fclose(writing.file) < 0 && r >= 0)
                r = -EIO;
        return r;
}
