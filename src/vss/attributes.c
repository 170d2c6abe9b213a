/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Contexts and attributes of shadow copies, with their names
 *
 * A context is a sum of attributes to which a requester may add more. Which context a number is of is told by the
 * attributes that contexts are made of.
 */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include "vss/attributes.h"

#define CONTEXT_BITS                                                        \
        (VSS_VOLSNAP_ATTR_PERSISTENT | VSS_VOLSNAP_ATTR_CLIENT_ACCESSIBLE | \
         VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE | VSS_VOLSNAP_ATTR_NO_WRITERS)

typedef struct Row {
        uint32_t number;
        const char *name; /* as the header has it, without its prefix */
        const char *text;
} Row;

static const Row contexts[] = {
        { VSS_CTX_BACKUP, "BACKUP", "for one backup: writers take part; gone when the session ends" },
        { VSS_CTX_APP_ROLLBACK, "APP_ROLLBACK",
          "to go back to: writers take part; stays until it is deleted" },
        { VSS_CTX_NAS_ROLLBACK, "NAS_ROLLBACK",
          "to go back to: without writers; stays until it is deleted" },
        { VSS_CTX_FILE_SHARE_BACKUP, "FILE_SHARE_BACKUP",
          "for one backup: without writers; gone when the session ends" },
        { VSS_CTX_CLIENT_ACCESSIBLE, "CLIENT_ACCESSIBLE",
          "earlier versions for users: without writers; stays, until the limit of the volume drops the "
          "oldest" },
        { VSS_CTX_CLIENT_ACCESSIBLE_WRITERS, "CLIENT_ACCESSIBLE_WRITERS",
          "earlier versions for users: writers take part; stays, until the limit of the volume drops the "
          "oldest" },
        { VSS_CTX_ALL, "ALL", "every context, to look and to delete; nothing can be made in it" },
};

static const Row attributes[] = {
        { VSS_VOLSNAP_ATTR_PERSISTENT, "PERSISTENT", "survives a restart of the machine" },
        { VSS_VOLSNAP_ATTR_NO_AUTORECOVERY, "NO_AUTORECOVERY",
          "was not written to by writers after the cut" },
        { VSS_VOLSNAP_ATTR_CLIENT_ACCESSIBLE, "CLIENT_ACCESSIBLE", "an earlier version for users" },
        { VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE, "NO_AUTO_RELEASE", "stays when the session ends" },
        { VSS_VOLSNAP_ATTR_NO_WRITERS, "NO_WRITERS", "made without writers" },
        { VSS_VOLSNAP_ATTR_TRANSPORTABLE, "TRANSPORTABLE",
          "described in the Backup Components Document, to be imported elsewhere" },
        { VSS_VOLSNAP_ATTR_NOT_SURFACED, "NOT_SURFACED", "not seen by this machine" },
        { VSS_VOLSNAP_ATTR_NOT_TRANSACTED, "NOT_TRANSACTED", "without transactions of the file system" },
        { VSS_VOLSNAP_ATTR_HARDWARE_ASSISTED, "HARDWARE_ASSISTED", "made by a hardware provider" },
        { VSS_VOLSNAP_ATTR_DIFFERENTIAL, "DIFFERENTIAL", "keeps what has changed since" },
        { VSS_VOLSNAP_ATTR_PLEX, "PLEX", "a whole copy" },
        { VSS_VOLSNAP_ATTR_IMPORTED, "IMPORTED", "made elsewhere, and imported here" },
        { VSS_VOLSNAP_ATTR_EXPOSED_LOCALLY, "EXPOSED_LOCALLY", "mounted at a directory" },
        { VSS_VOLSNAP_ATTR_EXPOSED_REMOTELY, "EXPOSED_REMOTELY", "shared" },
        { VSS_VOLSNAP_ATTR_AUTORECOVER, "AUTORECOVER", "writers may write to it after the cut" },
        { VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY, "ROLLBACK_RECOVERY",
          "writers may write to it after the cut, to go back to it as it is" },
        { VSS_VOLSNAP_ATTR_DELAYED_POSTSNAPSHOT, "DELAYED_POSTSNAPSHOT",
          "writers are told later that it stands" },
        { VSS_VOLSNAP_ATTR_TXF_RECOVERY, "TXF_RECOVERY", "transactions of the file system are recovered" },
        { VSS_VOLSNAP_ATTR_FILE_SHARE, "FILE_SHARE", "of a share" },
};

/* "app-rollback" is APP_ROLLBACK. */
static bool name_matches(const char *word, const char *prefix, const char *name) {
        size_t n = strlen(prefix);

        if (strncasecmp(word, prefix, n) == 0)
                word += n;
        for (; *word && *name; word++, name++)
                if (toupper((unsigned char)*word) != *name && !(*word == '-' && *name == '_'))
                        return false;
        return *word == *name;
}

static const Row *find_by_name(const Row *rows, size_t n, const char *prefix, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (name_matches(name, prefix, rows[i].name))
                        return &rows[i];
        return NULL;
}

static const Row *context_row(uint32_t number) {
        uint32_t wanted = number == VSS_CTX_ALL ? number : number & CONTEXT_BITS;

        FOREACH_ELEMENT (row, contexts)
                if (row->number == wanted)
                        return row;
        return NULL;
}

bool context_from_name(const char *name, uint32_t *ret_context) {
        const Row *row = find_by_name(contexts, ELEMENTS(contexts), "VSS_CTX_", name);

        if (row)
                *ret_context = row->number;
        return row;
}

bool attribute_from_name(const char *name, uint32_t *ret_attribute) {
        const Row *row = find_by_name(attributes, ELEMENTS(attributes), "VSS_VOLSNAP_ATTR_", name);

        if (row)
                *ret_attribute = row->number;
        return row;
}

bool attribute_is_requesters(uint32_t attribute) {
        return attribute & (VSS_VOLSNAP_ATTR_NO_AUTORECOVERY | VSS_VOLSNAP_ATTR_TRANSPORTABLE |
                            VSS_VOLSNAP_ATTR_NOT_TRANSACTED | VSS_VOLSNAP_ATTR_DIFFERENTIAL |
                            VSS_VOLSNAP_ATTR_PLEX | VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY |
                            VSS_VOLSNAP_ATTR_DELAYED_POSTSNAPSHOT | VSS_VOLSNAP_ATTR_TXF_RECOVERY);
}

/* As the command line writes it: APP_ROLLBACK is "app-rollback". */
static void make_word(const char *name, char ret_word[32]) {
        size_t i;

        for (i = 0; name[i] && i < 31; i++)
                ret_word[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
        ret_word[i] = '\0';
}

const char *context_name(uint32_t context) {
        static char words[ELEMENTS(contexts)][32];
        const Row *row = context_row(context);

        if (!row)
                return "other";
        make_word(row->name, words[row - contexts]);
        return words[row - contexts];
}

vss_value *attribute_names(uint32_t sum) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        const Row *context = context_row(sum);

        FOREACH_ELEMENT (row, attributes) {
                char word[32];

                if (!(sum & row->number) || (context && (context->number & row->number)))
                        continue;
                make_word(row->name, word);
                if (!list || value_append_string(list, word) < 0)
                        return NULL;
        }
        return TAKE_PTR(list);
}

/* ---- explanations ---- */

static bool parse_number(const char *text, uint32_t *ret_number) {
        unsigned long long number;
        char *end;

        if (!isdigit((unsigned char)text[0]))
                return false;
        errno = 0;
        number = strtoull(text, &end, 0);
        if (errno != 0 || *end != '\0' || number > UINT32_MAX)
                return false;
        *ret_number = (uint32_t)number;
        return true;
}

static vss_result append_row(vss_value *document, const char *key, const char *prefix, const Row *row) {
        vss_value *list = value_require(document, key, VSS_KIND_LIST);
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        char word[32];
        vss_result r;

        make_word(row->name, word);
        r = list ? value_set_printf(entry, "name", "%s%s", prefix, row->name) : VSS_E_OUTOFMEMORY;
        if (r >= 0)
                r = vss_value_set_string(entry, "word", word);
        if (r >= 0)
                r = vss_value_set_integer(entry, "number", (int64_t)row->number);
        if (r >= 0)
                r = vss_value_set_string(entry, "text", row->text);
        return r < 0 ? r : vss_value_append(list, TAKE_PTR(entry));
}

static vss_result append_attributes(vss_value *document, uint32_t sum) {
        vss_result r = value_require(document, "attributes", VSS_KIND_LIST) ? VSS_S_OK : VSS_E_OUTOFMEMORY;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(attributes); i++)
                if (sum & attributes[i].number)
                        r = append_row(document, "attributes", "VSS_VOLSNAP_ATTR_", &attributes[i]);
        return r;
}

static bool attributes_are_known(uint32_t sum) {
        FOREACH_ELEMENT (row, attributes)
                sum &= ~row->number;
        return sum == 0;
}

vss_value *explain_context(const char *text) {
        _cleanup_value_ vss_value *document = vss_value_new_dict();
        const Row *row = NULL;
        uint32_t number = 0;

        if (!text) {
                FOREACH_ELEMENT (context, contexts)
                        if (append_row(document, "contexts", "VSS_CTX_", context) < 0)
                                return NULL;
                return TAKE_PTR(document);
        }
        if (!context_from_name(text, &number) && !parse_number(text, &number))
                return NULL;
        row = context_row(number);
        if (!row || (number != VSS_CTX_ALL && !attributes_are_known(number)) ||
            append_row(document, "contexts", "VSS_CTX_", row) < 0 ||
            append_attributes(document, number == VSS_CTX_ALL ? 0 : number) < 0)
                return NULL;
        return TAKE_PTR(document);
}

vss_value *explain_attributes(const char *text) {
        _cleanup_value_ vss_value *document = vss_value_new_dict();
        uint32_t number = 0;

        if (!text)
                number = UINT32_MAX;
        else if ((!attribute_from_name(text, &number) && !parse_number(text, &number)) ||
                 !attributes_are_known(number) || number == 0)
                return NULL;
        return append_attributes(document, number) < 0 ? NULL : TAKE_PTR(document);
}
