/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is kept with the backup of a cluster: its metadata in the Backup Components Document
 *
 * Pure. Lines of key=value; in values a backslash, a line feed and a carriage return are "\\", "\n" and
 * "\r". A document may lie: what is read is checked for its form, and judged by whoever uses it.
 */

#include "writers/postgresql/positions.h"

#define INFO_SPACES_MAX 256u

typedef struct InfoSpace {
        char *name;     /* a number */
        char *location; /* absolute */
} InfoSpace;

typedef struct BackupInfo {
        PgMode mode;
        char version[16];
        char system_id[24];
        uint32_t timeline;
        uint64_t segment_size; /* 0: not known */
        Lsn lsn;               /* where the log was before the cut; 0: nobody could be asked */
        Lsn received;          /* of a standby: how far it had the log; 0: not known */
        Lsn redo;              /* from where the copy is recovered; 0: not known */
        Lsn start, stop;       /* of a backup, or of the log */
        bool in_recovery;      /* a standby */
        char *data;
        char *wal; /* where pg_wal leads if it is a link; else NULL */
        InfoSpace *spaces;
        size_t n_spaces;
        char *label, *map; /* what has to be in backup_label and tablespace_map; NULL: nothing */
        char *not_asked;   /* why the server was not; or NULL */
} BackupInfo;

void backup_info_clear(BackupInfo *info);
/* Return: 0, -ENOMEM. */
int backup_info_format(const BackupInfo *info, char **ret_text);
/* Return: 0, -ENOMEM; -EBADMSG for what is no such text. */
int backup_info_parse(const char *text, BackupInfo *ret_info);
