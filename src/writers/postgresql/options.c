/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restore options of a cluster
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/macro.h"
#include "writers/postgresql/options.h"
#include "writers/postgresql/positions.h"

static bool take_text(const char *value, char *text) {
        if (!*value || strlen(value) >= OPTION_SIZE || text[0])
                return false;
        for (const char *p = value; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        return false;
        (void)snprintf(text, OPTION_SIZE, "%s", value);
        return true;
}

static bool take_boolean(const char *value, bool yes, bool *ret_boolean) {
        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
                return false;
        *ret_boolean = (strcmp(value, "yes") == 0) == yes;
        return true;
}

static bool take_option(PgOptions *options, const char *key, const char *value) {
        Lsn lsn;

        if (strcmp(key, "target-time") == 0)
                return take_text(value, options->target_time);
        if (strcmp(key, "target-lsn") == 0)
                return lsn_parse(value, &lsn) >= 0 && take_text(value, options->target_lsn);
        if (strcmp(key, "target-name") == 0)
                return take_text(value, options->target_name);
        if (strcmp(key, "target-xid") == 0)
                return value[strspn(value, "0123456789")] == '\0' && take_text(value, options->target_xid);
        if (strcmp(key, "target-timeline") == 0)
                return (strcmp(value, "latest") == 0 || strcmp(value, "current") == 0 ||
                        value[strspn(value, "0123456789")] == '\0') &&
                       take_text(value, options->target_timeline);
        if (strcmp(key, "target") == 0) {
                options->immediate = true;
                return strcmp(value, "immediate") == 0;
        }
        if (strcmp(key, "target-inclusive") == 0)
                return take_boolean(value, false, &options->exclusive);
        if (strcmp(key, "archive") == 0)
                return take_boolean(value, true, &options->archive);
        return false;
}

/* Without blanks at its ends, in place. */
static char *trim(char *text) {
        size_t n;

        text += strspn(text, " \t\r");
        n = strlen(text);
        while (n > 0 && strchr(" \t\r", text[n - 1]))
                text[--n] = '\0';
        return text;
}

int pg_options_parse(const char *text, PgOptions *ret_options, char *ret_why, size_t size) {
        _cleanup_(freep) char *copy = strdup(text ?: "");
        PgOptions options = { .archive = true };
        char *next = copy;
        int targets;

        if (!copy)
                return -ENOMEM;
        for (char *entry = strsep(&next, ";\n"); entry; entry = strsep(&next, ";\n")) {
                char *value = strchr(entry, '=');

                entry = trim(entry);
                if (!*entry)
                        continue;
                if (value)
                        *value++ = '\0';
                if (!value || !take_option(&options, trim(entry), trim(value))) {
                        (void)snprintf(
                                ret_why, size,
                                "the restore option \"%.60s\" is none, is given twice, or has no such "
                                "value; there are "
                                "target-time=, target-lsn=, target-name=, target-xid=, target=immediate, "
                                "target-inclusive=, target-timeline= and archive=",
                                entry);
                        return -EINVAL;
                }
        }
        targets = (options.target_time[0] != 0) + (options.target_lsn[0] != 0) +
                  (options.target_name[0] != 0) + (options.target_xid[0] != 0) + options.immediate;
        if (targets > 1) {
                (void)snprintf(ret_why, size,
                               "only one of the restore options target-time, target-lsn, target-name, "
                               "target-xid and target can be given");
                return -EINVAL;
        }
        options.has_target = targets > 0 || options.target_timeline[0];
        *ret_options = options;
        return 0;
}

/* A value in single quotes, in which a quote is doubled, and a backslash too. */
static void put_setting(FILE *out, const char *key, const char *value) {
        if (!*value)
                return;
        (void)fprintf(out, "%s = '", key);
        for (const char *p = value; *p; p++) {
                if (*p == '\'' || *p == '\\')
                        (void)fputc(*p, out);
                (void)fputc(*p, out);
        }
        (void)fputs("'\n", out);
}

static int put_command(FILE *out, const char *wal, const char *configured) {
        _cleanup_(freep) char *command = NULL;
        int n;

        if (wal && *configured)
                n = asprintf(&command, "cp \"%s/%%f\" \"%%p\" 2>/dev/null || ( %s )", wal, configured);
        else if (wal)
                n = asprintf(&command, "cp \"%s/%%f\" \"%%p\" 2>/dev/null", wal);
        else
                /* Without any there is no recovery; with this one there is what lies in pg_wal. */
                n = asprintf(&command, "%s", *configured ? configured : "false");
        if (n < 0) {
                command = NULL;
                return -ENOMEM;
        }
        put_setting(out, "restore_command", command);
        return 0;
}

int pg_options_format(const PgOptions *options, const char *wal, const char *configured, char **ret_text) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        int r;

        if (!out)
                return -ENOMEM;
        r = put_command(out, wal, options->archive ? configured : "");
        put_setting(out, "recovery_target_time", options->target_time);
        put_setting(out, "recovery_target_lsn", options->target_lsn);
        put_setting(out, "recovery_target_name", options->target_name);
        put_setting(out, "recovery_target_xid", options->target_xid);
        put_setting(out, "recovery_target", options->immediate ? "immediate" : "");
        put_setting(out, "recovery_target_inclusive", options->exclusive ? "off" : "on");
        put_setting(out, "recovery_target_timeline", options->target_timeline);
        put_setting(out, "recovery_target_action", "promote");
        if (ferror(out))
                r = -ENOMEM;
        if (fclose(out) != 0 || r < 0) {
                free(text);
                return -ENOMEM;
        }
        *ret_text = text;
        return 0;
}
