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
 *     [Events]
 *     Freeze=fail E_WRITERERROR_RETRYABLE busy      PrepareForSnapshot=slow 2000
 *     Thaw=hang     Abort=crash     PostSnapshot=stop     Identify=lie     Freeze=veto
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
        FAULT_VETO,  /* fails with NONRETRYABLE */
} FaultKind;

typedef struct FaultAction {
        FaultKind kind;
        vss_result code;
        unsigned long milliseconds;
        char text[200];
} FaultAction;

typedef struct FaultConf {
        bool present;
        size_t n_paths;
        char *paths[FAULT_PATHS_MAX];
        unsigned long n_components;
        char user[64];
        enum vss_application_level level;
        FaultAction actions[FAULT_EVENTS];
} FaultConf;

/* As in org.linuxvss.Writer1. */
extern const char *const fault_event_names[FAULT_EVENTS];

void fault_conf_clear(FaultConf *conf);
/* Return: 0 (also without a file: not present), or a negative errno with @error. */
int fault_conf_read(const char *path, ConfError *error, FaultConf *ret_conf);
int fault_conf_from_conf(const Conf *conf, ConfError *error, FaultConf *ret_conf);
