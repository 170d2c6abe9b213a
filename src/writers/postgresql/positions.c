/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What PostgreSQL says of itself in texts
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "util/macro.h"
#include "writers/postgresql/positions.h"

#define SEGMENT_SIZE_MIN (UINT64_C(1) << 20)
#define SEGMENT_SIZE_MAX (UINT64_C(1) << 30)

/* One to eight hexadecimal digits. Return: what follows them; NULL if there are none, or more. */
static const char *parse_hex(const char *text, uint32_t *ret_number) {
        size_t n = strspn(text, "0123456789abcdefABCDEF");

        if (n == 0 || n > 8)
                return NULL;
        *ret_number = (uint32_t)strtoul(text, NULL, 16);
        return text + n;
}

int lsn_parse(const char *text, Lsn *ret_lsn) {
        uint32_t high, low;

        text = parse_hex(text, &high);
        if (!text || *text != '/')
                return -EINVAL;
        text = parse_hex(text + 1, &low);
        if (!text || *text)
                return -EINVAL;
        *ret_lsn = (Lsn)high << 32 | low;
        return 0;
}

const char *lsn_format(Lsn lsn, char text[static LSN_SIZE]) {
        (void)snprintf(text, LSN_SIZE, "%" PRIX32 "/%" PRIX32, (uint32_t)(lsn >> 32), (uint32_t)lsn);
        return text;
}

void segment_name(uint32_t timeline, uint64_t number, uint64_t segment_size,
                  char ret_name[static SEGMENT_NAME_SIZE]) {
        uint64_t per_id = (UINT64_C(1) << 32) / segment_size;

        (void)snprintf(ret_name, SEGMENT_NAME_SIZE, "%08" PRIX32 "%08" PRIX32 "%08" PRIX32, timeline,
                       (uint32_t)(number / per_id), (uint32_t)(number % per_id));
}

bool segment_is_name(const char *name) {
        return strlen(name) == SEGMENT_NAME_SIZE - 1 &&
               strspn(name, "0123456789ABCDEF") == SEGMENT_NAME_SIZE - 1;
}

SegmentRange segment_range(Lsn from, Lsn to, uint64_t segment_size) {
        SegmentRange range = { .first = from / segment_size };

        range.last = MAX(range.first, to > from ? (to - 1) / segment_size : range.first);
        return range;
}

int stamp_parse(const char *text, Stamp *ret_stamp) {
        Stamp stamp;
        char lsn[LSN_SIZE];
        int n = 0;

        if (sscanf(text, "postgresql %23[0-9] %" SCNu32 " %19[0-9A-Fa-f/]%n", stamp.system_id,
                   &stamp.timeline, lsn, &n) != 3 ||
            text[n] != '\0' || lsn_parse(lsn, &stamp.lsn) < 0)
                return -EINVAL;
        *ret_stamp = stamp;
        return 0;
}

void stamp_format(const Stamp *stamp, char ret_text[static STAMP_SIZE]) {
        char lsn[LSN_SIZE];

        (void)snprintf(ret_text, STAMP_SIZE, "postgresql %s %" PRIu32 " %s", stamp->system_id,
                       stamp->timeline, lsn_format(stamp->lsn, lsn));
}

/* The line at *@text without its end and trailing blanks, moved on; false behind the last. */
static bool next_line(const char **text, char *line, size_t size) {
        size_t n = strcspn(*text, "\n"), kept = MIN(n, size - 1);

        if (!**text)
                return false;
        memcpy(line, *text, kept);
        while (kept > 0 && line[kept - 1] == ' ')
                kept--;
        line[kept] = '\0';
        *text += n + ((*text)[n] == '\n');
        return true;
}

int pid_file_parse(const char *text, PidFile *ret_file) {
        PidFile file = { 0 };
        char line[PATH_MAX];
        long pid;

        for (unsigned i = 1; i <= 8 && next_line(&text, line, sizeof(line)); i++)
                switch (i) {
                case 1:
                        pid = strtol(line, NULL, 10);
                        /* A negative number: a single-user server. */
                        file.pid = (pid_t)(pid < 0 ? -pid : pid);
                        break;
                case 2:
                        (void)snprintf(file.data, sizeof(file.data), "%s", line);
                        break;
                case 4:
                        file.port = (unsigned)strtoul(line, NULL, 10);
                        break;
                case 5:
                        if (strlen(line) < sizeof(file.socket_dir))
                                (void)snprintf(file.socket_dir, sizeof(file.socket_dir), "%.107s", line);
                        break;
                case 8:
                        file.standby = strcmp(line, "standby") == 0;
                        file.ready = file.standby || strcmp(line, "ready") == 0;
                        file.stopping = strcmp(line, "stopping") == 0;
                        break;
                default:
                        break;
                }
        if (file.pid <= 0 || file.data[0] != '/')
                return -EBADMSG;
        *ret_file = file;
        return 0;
}

/* The value of a line "key:   value"; false if there is none. */
static bool find_value(const char *text, const char *key, char *value, size_t size) {
        size_t n = strlen(key);
        char line[256];

        while (next_line(&text, line, sizeof(line)))
                if (strncmp(line, key, n) == 0 && line[n] == ':') {
                        const char *found = line + n + 1;

                        found += strspn(found, " ");
                        (void)snprintf(value, size, "%s", found);
                        return true;
                }
        return false;
}

static bool find_number(const char *text, const char *key, unsigned *ret_number) {
        char value[64];

        if (!find_value(text, key, value, sizeof(value)))
                return false;
        *ret_number = (unsigned)strtoul(value, NULL, 10);
        return true;
}

static bool find_lsn(const char *text, const char *key, Lsn *ret_lsn) {
        char value[64];

        return find_value(text, key, value, sizeof(value)) && lsn_parse(value, ret_lsn) >= 0;
}

int control_parse(const char *text, Control *ret_control) {
        Control control = { 0 };
        unsigned timeline, segment_size, checksums;

        if (!find_value(text, "Database system identifier", control.system_id, sizeof(control.system_id)) ||
            !find_value(text, "Database cluster state", control.state, sizeof(control.state)) ||
            !find_lsn(text, "Latest checkpoint location", &control.checkpoint) ||
            !find_lsn(text, "Latest checkpoint's REDO location", &control.redo) ||
            !find_number(text, "Latest checkpoint's TimeLineID", &timeline) ||
            !find_number(text, "Bytes per WAL segment", &segment_size) ||
            !find_number(text, "Data page checksum version", &checksums) ||
            !find_number(text, "max_connections setting", &control.max_connections) ||
            !find_number(text, "max_worker_processes setting", &control.max_worker_processes) ||
            !find_number(text, "max_wal_senders setting", &control.max_wal_senders) ||
            !find_number(text, "max_prepared_xacts setting", &control.max_prepared_xacts) ||
            !find_number(text, "max_locks_per_xact setting", &control.max_locks_per_xact))
                return -EBADMSG;
        if (segment_size < SEGMENT_SIZE_MIN || segment_size > SEGMENT_SIZE_MAX ||
            (segment_size & (segment_size - 1)) || timeline == 0)
                return -EBADMSG;
        control.timeline = timeline;
        control.segment_size = segment_size;
        control.checksums = checksums != 0;
        *ret_control = control;
        return 0;
}

const char *pg_mode_name(PgMode mode) {
        static const char *const names[] = {
                [PG_NONE] = "none",     [PG_STOPPED] = "stopped", [PG_ONE_INSTANT] = "one-instant",
                [PG_BACKUP] = "backup", [PG_LOG] = "log",
        };

        return names[mode];
}

PgMode pg_choose_mode(const PgFacts *facts, const char **ret_why) {
        *ret_why = NULL;
        if (facts->log_backup) {
                if (facts->running)
                        return facts->connected ? PG_LOG : PG_NONE;
                *ret_why = "the server is not running, and only it can close its log: start it, or make a "
                           "full backup";
                return PG_NONE;
        }
        if (!facts->running)
                return PG_STOPPED;
        /* Nobody has to be asked for that. */
        if (!facts->connected)
                return facts->one_instant ? PG_ONE_INSTANT : PG_NONE;
        return facts->one_instant && facts->fsync && facts->full_page_writes ? PG_ONE_INSTANT : PG_BACKUP;
}
