/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is kept with the backup of a cluster
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "util/macro.h"
#include "writers/postgresql/backup-info.h"

#define HEAD "linuxvss-postgresql=1\n"

void backup_info_clear(BackupInfo *info) {
        for (size_t i = 0; i < info->n_spaces; i++) {
                free(info->spaces[i].name);
                free(info->spaces[i].location);
        }
        free(info->spaces);
        free(info->data);
        free(info->wal);
        free(info->label);
        free(info->map);
        free(info->not_asked);
        *info = (BackupInfo){ 0 };
}

static void put_value(FILE *out, const char *key, const char *value) {
        if (!value)
                return;
        (void)fprintf(out, "%s=", key);
        for (const char *p = value; *p; p++)
                if (*p == '\\')
                        (void)fputs("\\\\", out);
                else if (*p == '\n')
                        (void)fputs("\\n", out);
                else if (*p == '\r')
                        (void)fputs("\\r", out);
                else
                        (void)fputc(*p, out);
        (void)fputc('\n', out);
}

static void put_lsn(FILE *out, const char *key, Lsn lsn) {
        char text[LSN_SIZE];

        if (lsn > 0)
                put_value(out, key, lsn_format(lsn, text));
}

int backup_info_format(const BackupInfo *info, char **ret_text) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        bool bad;

        if (!out)
                return -ENOMEM;
        (void)fputs(HEAD, out);
        put_value(out, "mode", pg_mode_name(info->mode));
        put_value(out, "version", info->version);
        if (info->system_id[0])
                put_value(out, "system-id", info->system_id);
        if (info->timeline > 0)
                (void)fprintf(out, "timeline=%" PRIu32 "\n", info->timeline);
        if (info->segment_size > 0)
                (void)fprintf(out, "segment-size=%" PRIu64 "\n", info->segment_size);
        put_lsn(out, "lsn", info->lsn);
        put_lsn(out, "received", info->received);
        put_lsn(out, "redo", info->redo);
        put_lsn(out, "start", info->start);
        put_lsn(out, "stop", info->stop);
        if (info->in_recovery)
                (void)fputs("in-recovery=yes\n", out);
        put_value(out, "data", info->data);
        put_value(out, "wal", info->wal);
        for (size_t i = 0; i < info->n_spaces; i++) {
                put_value(out, "tablespace", info->spaces[i].name);
                put_value(out, "location", info->spaces[i].location);
        }
        put_value(out, "backup-label", info->label);
        put_value(out, "tablespace-map", info->map);
        put_value(out, "not-asked", info->not_asked);
        bad = ferror(out) != 0;
        if (fclose(out) != 0 || bad) {
                free(text);
                return -ENOMEM;
        }
        *ret_text = text;
        return 0;
}

/* Of one line; NULL without memory, or for a backslash before anything else. */
static char *take_value(const char *text, size_t n) {
        char *value = malloc(n + 1), *out = value;

        for (size_t i = 0; value && i < n; i++) {
                char c = text[i];

                if (c == '\\') {
                        c = ++i < n ? text[i] : '\0';
                        if (!c || !strchr("\\nr", c)) {
                                free(value);
                                return NULL;
                        }
                        c = c == 'n' ? '\n' : c == 'r' ? '\r' : c;
                }
                *out++ = c;
        }
        if (value)
                *out = '\0';
        return value;
}

static bool take_mode(const char *value, PgMode *ret_mode) {
        for (PgMode mode = PG_STOPPED; mode <= PG_LOG; mode++)
                if (strcmp(pg_mode_name(mode), value) == 0) {
                        *ret_mode = mode;
                        return true;
                }
        return false;
}

static bool take_digits(const char *value, const char *more, char *text, size_t size) {
        if (!*value || strlen(value) >= size || strspn(value, "0123456789") + strlen(more) < strlen(value) ||
            value[0] == '.')
                return false;
        for (const char *p = value; *p; p++)
                if (!strchr("0123456789", *p) && !strchr(more, *p))
                        return false;
        (void)snprintf(text, size, "%s", value);
        return true;
}

static bool take_number(const char *value, uint64_t max, uint64_t *ret_number) {
        char *end;

        if (*value < '0' || *value > '9')
                return false;
        errno = 0;
        *ret_number = strtoull(value, &end, 10);
        return errno == 0 && !*end && *ret_number <= max;
}

/* An absolute path that does not lead upwards. */
static bool take_path(char **value, char **ret_path) {
        const char *path = *value;

        if (path[0] != '/' || !path[1] || strlen(path) >= PATH_MAX || strstr(path, "/../") ||
            strpbrk(path, "\n\r") || (strlen(path) >= 3 && strcmp(path + strlen(path) - 3, "/..") == 0))
                return false;
        free(*ret_path);
        *ret_path = TAKE_PTR(*value);
        return true;
}

static bool take_space(BackupInfo *info, char **value) {
        char name[32];

        if (info->n_spaces >= INFO_SPACES_MAX || !take_digits(*value, "", name, sizeof(name)))
                return false;
        if (!info->spaces)
                info->spaces = calloc(INFO_SPACES_MAX, sizeof(*info->spaces));
        if (!info->spaces)
                return false;
        info->spaces[info->n_spaces++].name = TAKE_PTR(*value);
        return true;
}

static bool take_text(char **value, char **ret_text) {
        free(*ret_text);
        *ret_text = TAKE_PTR(*value);
        return true;
}

/* May take *@value. */
static bool take_entry(BackupInfo *info, const char *key, char **value) {
        uint64_t number;

        if (strcmp(key, "mode") == 0)
                return take_mode(*value, &info->mode);
        if (strcmp(key, "version") == 0)
                return take_digits(*value, ".", info->version, sizeof(info->version));
        if (strcmp(key, "system-id") == 0)
                return take_digits(*value, "", info->system_id, sizeof(info->system_id));
        if (strcmp(key, "timeline") == 0) {
                if (!take_number(*value, UINT32_MAX, &number))
                        return false;
                info->timeline = (uint32_t)number;
                return true;
        }
        if (strcmp(key, "segment-size") == 0)
                return take_number(*value, UINT64_C(1) << 30, &info->segment_size);
        if (strcmp(key, "lsn") == 0)
                return lsn_parse(*value, &info->lsn) >= 0;
        if (strcmp(key, "received") == 0)
                return lsn_parse(*value, &info->received) >= 0;
        if (strcmp(key, "redo") == 0)
                return lsn_parse(*value, &info->redo) >= 0;
        if (strcmp(key, "start") == 0)
                return lsn_parse(*value, &info->start) >= 0;
        if (strcmp(key, "stop") == 0)
                return lsn_parse(*value, &info->stop) >= 0;
        if (strcmp(key, "in-recovery") == 0) {
                info->in_recovery = strcmp(*value, "yes") == 0;
                return true;
        }
        if (strcmp(key, "data") == 0)
                return take_path(value, &info->data);
        if (strcmp(key, "wal") == 0)
                return take_path(value, &info->wal);
        if (strcmp(key, "tablespace") == 0)
                return take_space(info, value);
        if (strcmp(key, "location") == 0)
                return info->n_spaces > 0 && take_path(value, &info->spaces[info->n_spaces - 1].location);
        if (strcmp(key, "backup-label") == 0)
                return take_text(value, &info->label);
        if (strcmp(key, "tablespace-map") == 0)
                return take_text(value, &info->map);
        if (strcmp(key, "not-asked") == 0)
                return take_text(value, &info->not_asked);
        /* Of a later version of ours. */
        return true;
}

static int parse_line(BackupInfo *info, const char *line, size_t n) {
        const char *equals = memchr(line, '=', n);
        _cleanup_(freep) char *value = NULL;
        char key[32];

        if (!equals || (size_t)(equals - line) >= sizeof(key))
                return -EBADMSG;
        memcpy(key, line, (size_t)(equals - line));
        key[equals - line] = '\0';
        value = take_value(equals + 1, n - (size_t)(equals - line) - 1);
        return value && take_entry(info, key, &value) ? 0 : -EBADMSG;
}

int backup_info_parse(const char *text, BackupInfo *ret_info) {
        _cleanup_(backup_info_clear) BackupInfo info = { 0 };
        int r;

        if (strncmp(text, HEAD, strlen(HEAD)) != 0)
                return -EBADMSG;
        text += strlen(HEAD);
        while (*text) {
                size_t n = strcspn(text, "\n");

                r = parse_line(&info, text, n);
                if (r < 0)
                        return r;
                text += n + (text[n] == '\n');
        }
        for (size_t i = 0; i < info.n_spaces; i++)
                if (!info.spaces[i].location)
                        return -EBADMSG;
        if (info.mode == PG_NONE || !info.version[0] || !info.data)
                return -EBADMSG;
        *ret_info = info;
        info = (BackupInfo){ 0 };
        return 0;
}
