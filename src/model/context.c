/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Contexts and attributes
 *
 * A context is told by four of its attributes; the others say how a copy is made, not what it is for.
 */

#include <strings.h>
#include <string.h>
#include "model/context.h"

#define BASE                                                                \
        (VSS_VOLSNAP_ATTR_PERSISTENT | VSS_VOLSNAP_ATTR_CLIENT_ACCESSIBLE | \
         VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE | VSS_VOLSNAP_ATTR_NO_WRITERS)

static const struct {
        uint32_t context;
        const char *name;
} contexts[] = {
        { VSS_CTX_BACKUP, "BACKUP" },
        { VSS_CTX_FILE_SHARE_BACKUP, "FILE_SHARE_BACKUP" },
        { VSS_CTX_NAS_ROLLBACK, "NAS_ROLLBACK" },
        { VSS_CTX_APP_ROLLBACK, "APP_ROLLBACK" },
        { VSS_CTX_CLIENT_ACCESSIBLE, "CLIENT_ACCESSIBLE" },
        { VSS_CTX_CLIENT_ACCESSIBLE_WRITERS, "CLIENT_ACCESSIBLE_WRITERS" },
        { VSS_CTX_ALL, "ALL" },
};

typedef enum SetBy {
        BY_CONTEXT,
        BY_REQUESTER, /* may be added to a context */
        BY_SERVICE,   /* or provider: said of a shadow copy */
} SetBy;

static const struct {
        uint32_t bit;
        const char *name;
        SetBy set_by;
} attributes[] = {
        { VSS_VOLSNAP_ATTR_PERSISTENT, "PERSISTENT", BY_CONTEXT },
        { VSS_VOLSNAP_ATTR_NO_AUTORECOVERY, "NO_AUTORECOVERY", BY_REQUESTER },
        { VSS_VOLSNAP_ATTR_CLIENT_ACCESSIBLE, "CLIENT_ACCESSIBLE", BY_CONTEXT },
        { VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE, "NO_AUTO_RELEASE", BY_CONTEXT },
        { VSS_VOLSNAP_ATTR_NO_WRITERS, "NO_WRITERS", BY_CONTEXT },
        { VSS_VOLSNAP_ATTR_TRANSPORTABLE, "TRANSPORTABLE", BY_REQUESTER },
        { VSS_VOLSNAP_ATTR_NOT_SURFACED, "NOT_SURFACED", BY_SERVICE },
        { VSS_VOLSNAP_ATTR_NOT_TRANSACTED, "NOT_TRANSACTED", BY_REQUESTER },
        { VSS_VOLSNAP_ATTR_HARDWARE_ASSISTED, "HARDWARE_ASSISTED", BY_SERVICE },
        { VSS_VOLSNAP_ATTR_DIFFERENTIAL, "DIFFERENTIAL", BY_REQUESTER },
        { VSS_VOLSNAP_ATTR_PLEX, "PLEX", BY_REQUESTER },
        { VSS_VOLSNAP_ATTR_IMPORTED, "IMPORTED", BY_SERVICE },
        { VSS_VOLSNAP_ATTR_EXPOSED_LOCALLY, "EXPOSED_LOCALLY", BY_SERVICE },
        { VSS_VOLSNAP_ATTR_EXPOSED_REMOTELY, "EXPOSED_REMOTELY", BY_SERVICE },
        { VSS_VOLSNAP_ATTR_AUTORECOVER, "AUTORECOVER", BY_SERVICE },
        { VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY, "ROLLBACK_RECOVERY", BY_REQUESTER },
        { VSS_VOLSNAP_ATTR_DELAYED_POSTSNAPSHOT, "DELAYED_POSTSNAPSHOT", BY_REQUESTER },
        { VSS_VOLSNAP_ATTR_TXF_RECOVERY, "TXF_RECOVERY", BY_REQUESTER },
        { VSS_VOLSNAP_ATTR_FILE_SHARE, "FILE_SHARE", BY_SERVICE },
};

/* What excludes each other. A requester may ask for no recovery by writers and still for that of
 * transactions. */
static const struct {
        uint32_t one, other;
        const char *reason;
} exclusions[] = {
        { VSS_VOLSNAP_ATTR_DIFFERENTIAL, VSS_VOLSNAP_ATTR_PLEX,
          "DIFFERENTIAL and PLEX are two ways to make a shadow copy; choose one or none of them" },
        { VSS_VOLSNAP_ATTR_TRANSPORTABLE, VSS_VOLSNAP_ATTR_CLIENT_ACCESSIBLE,
          "shadow copies for clients stay on this machine, and cannot be TRANSPORTABLE" },
        { VSS_VOLSNAP_ATTR_TRANSPORTABLE, VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY,
          "writers cannot recover their data in what is TRANSPORTABLE: it is not to be seen on this "
          "machine" },
        { VSS_VOLSNAP_ATTR_NO_AUTORECOVERY, VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY,
          "NO_AUTORECOVERY and ROLLBACK_RECOVERY contradict each other" },
};

uint32_t context_base(uint32_t context) {
        return context == VSS_CTX_ALL ? context : context & BASE;
}

vss_result context_check(uint32_t context, Why *why) {
        uint32_t known = 0;

        if (context == VSS_CTX_ALL)
                return VSS_S_OK;
        if (!context_type_name(context))
                return why_set(
                        why, VSS_E_UNSUPPORTED_CONTEXT,
                        "0x%x is no context: PERSISTENT, CLIENT_ACCESSIBLE, NO_AUTO_RELEASE and NO_WRITERS "
                        "come only together as VSS_CTX_... has them.",
                        context);
        FOREACH_ELEMENT (a, attributes) {
                if (a->set_by == BY_SERVICE && (context & a->bit))
                        return why_set(why, VSS_E_UNSUPPORTED_CONTEXT,
                                       "Context 0x%x has %s, which is said of shadow copies and cannot be "
                                       "asked for.",
                                       context, a->name);
                known |= a->bit;
        }
        if (context & ~known)
                return why_set(why, VSS_E_UNSUPPORTED_CONTEXT,
                               "Context 0x%x has bits that are no attributes: 0x%x.", context,
                               context & ~known);
        FOREACH_ELEMENT (e, exclusions)
                if ((context & e->one) && (context & e->other))
                        return why_set(why, VSS_E_UNSUPPORTED_CONTEXT, "Context 0x%x is not possible: %s.",
                                       context, e->reason);
        return VSS_S_OK;
}

uint32_t context_attributes(uint32_t context, enum vss_provider_type type, uint32_t kinds) {
        const uint32_t both_kinds = VSS_VOLSNAP_ATTR_DIFFERENTIAL | VSS_VOLSNAP_ATTR_PLEX;
        uint32_t result = context;

        if (type == VSS_PROV_HARDWARE)
                result |= VSS_VOLSNAP_ATTR_HARDWARE_ASSISTED;
        if (context & VSS_VOLSNAP_ATTR_TRANSPORTABLE)
                result |= VSS_VOLSNAP_ATTR_NOT_SURFACED;
        /* It makes one kind only, or the one that was asked for. */
        if (!(context & both_kinds) && kinds != both_kinds)
                result |= kinds & both_kinds;
        return result;
}

bool context_keeps(uint32_t of_copy) {
        if (of_copy & VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE)
                return true;
        return (of_copy & VSS_VOLSNAP_ATTR_TRANSPORTABLE) && !(of_copy & VSS_VOLSNAP_ATTR_IMPORTED);
}

bool context_sees(uint32_t context, uint32_t of_copy) {
        return context == VSS_CTX_ALL || (context & BASE) == (of_copy & BASE);
}

const char *context_type_name(uint32_t context) {
        FOREACH_ELEMENT (c, contexts)
                if (c->context == context_base(context))
                        return c->name;
        return NULL;
}

/* Is @name, with or without @prefix, this name? */
static bool is_name(const char *name, const char *prefix, const char *want) {
        size_t n = strlen(prefix);

        if (strncasecmp(name, prefix, n) == 0)
                name += n;
        for (; *name && *want; name++, want++)
                if (strncasecmp(name, want, 1) != 0 && !(*name == '-' && *want == '_'))
                        return false;
        return *name == *want;
}

vss_result context_type_from_name(const char *name, uint32_t *ret_context) {
        FOREACH_ELEMENT (c, contexts)
                if (is_name(name, "VSS_CTX_", c->name)) {
                        *ret_context = c->context;
                        return VSS_S_OK;
                }
        return VSS_E_OBJECT_NOT_FOUND;
}

const char *attribute_name(uint32_t bit) {
        FOREACH_ELEMENT (a, attributes)
                if (a->bit == bit)
                        return a->name;
        return NULL;
}

vss_result attribute_from_name(const char *name, uint32_t *ret_bit) {
        FOREACH_ELEMENT (a, attributes)
                if (is_name(name, "VSS_VOLSNAP_ATTR_", a->name)) {
                        *ret_bit = a->bit;
                        return VSS_S_OK;
                }
        return VSS_E_OBJECT_NOT_FOUND;
}

int attributes_format(uint32_t mask, char **ret_text) {
        char text[640] = "";
        size_t used = 0;

        /* Longer than all names together. */
        for (uint32_t left = mask; left != 0; left &= left - 1) {
                uint32_t bit = left & -left;
                const char *name = attribute_name(bit), *comma = used > 0 ? ", " : "";

                used += (size_t)(name ? snprintf(text + used, sizeof(text) - used, "%s%s", comma, name)
                                      : snprintf(text + used, sizeof(text) - used, "%s0x%x", comma, bit));
        }
        *ret_text = strdup(text);
        return *ret_text ? 0 : -ENOMEM;
}
