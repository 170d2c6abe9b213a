/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The fault writer: a writer that does what a file says, to see that nothing it does harms a set
 *
 *     [Writer]
 *     Path=/srv/data           a component's directory; may be repeated
 *     Components=1             with more than one, they take the paths in turn
 *     User=root                whose files these are
 *     Level=front-end          front-end, back-end, system; read at the start
 *     Schema=32                backup schema, a number
 *     [Events]
 *     Freeze=fail E_WRITERERROR_RETRYABLE busy      PrepareForSnapshot=slow 2000
 *     Thaw=hang     Abort=crash     PostSnapshot=stop     Identify=lie     Freeze=veto
 *     PreRestore=veto E_WRITERERROR_RETRYABLE 42 in use
 *     [Set]                    what it leaves with each of its components that was chosen,
 *     Stamp=monday             in PostSnapshot
 *     BackupMetadata=text
 *     PartialFile=big.db 0:4096, 8192:4096          a file in the first Path=
 *     DifferencedFiles=*.log 1700000000000000       modified after this date in microseconds
 *     RestoreMetadata=text     and in PreRestore
 *     RestoreTarget=2          enum vss_restore_target
 *
 * Without a file it has no components and takes part in nothing.
 */

#include <linuxvss/writer.h>
#include "util/conf.h"

#define FAULT_PATHS_MAX 16u
#define FAULT_COMPONENTS_MAX 1000u

typedef enum FaultEvent {
        FAULT_IDENTIFY,
        FAULT_PREPARE_BACKUP,
        FAULT_PREPARE_SNAPSHOT,
        FAULT_FREEZE,
        FAULT_THAW,
        FAULT_ABORT,
        FAULT_POST_SNAPSHOT,
        FAULT_BACKUP_COMPLETE,
        FAULT_BACKUP_SHUTDOWN,
        FAULT_PRE_RESTORE,
        FAULT_POST_RESTORE,
        FAULT_EVENTS
} FaultEvent;

typedef enum FaultKind {
        FAULT_NONE,
        FAULT_FAIL,  /* a code, and a text */
        FAULT_HANG,  /* never answers */
        FAULT_SLOW,  /* milliseconds, then well */
        FAULT_CRASH, /* dies by a signal */
        FAULT_STOP,  /* stands still as by SIGSTOP */
        FAULT_LIE,   /* says it is well, and is not */
        FAULT_VETO,  /* fails with NONRETRYABLE; with a code: says so, and carries the event out */
} FaultKind;

typedef struct FaultAction {
        FaultKind kind;
        vss_result code;
        bool reported; /* a veto with a code */
        unsigned long milliseconds, application_code;
        char text[200];
} FaultAction;

/* What it leaves with its components. "" and 0: nothing. */
typedef struct FaultSet {
        char stamp[200], backup_metadata[200], restore_metadata[200];
        char partial_file[200], ranges[200], differenced[200];
        unsigned long modified_after_usec, restore_target;
} FaultSet;

typedef struct FaultConf {
        bool present;
        size_t n_paths;
        char *paths[FAULT_PATHS_MAX];
        unsigned long n_components;
        char user[64];
        enum vss_application_level level;
        unsigned long schema;
        FaultSet set;
        FaultAction actions[FAULT_EVENTS];
} FaultConf;

/* As in org.linuxvss.Writer1. */
extern const char *const fault_event_names[FAULT_EVENTS];

void fault_conf_clear(FaultConf *conf);
/* Return: 0 (also without a file: not present), or a negative errno with @error. */
int fault_conf_read(const char *path, ConfError *error, FaultConf *ret_conf);
int fault_conf_from_conf(const Conf *conf, ConfError *error, FaultConf *ret_conf);
