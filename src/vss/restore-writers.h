/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * vss restore --writer: what its parts share
 */

#include "model/restore-plan.h"
#include "restore/vouch.h"
#include "vss/metadata.h"
#include "vss/restore-record.h"
#include "vss/restore.h"

typedef struct ComponentRestore ComponentRestore;

/* One writer's part. */
typedef struct WriterPart {
        ComponentRestore *all;
        const char *name;
        const vss_value *metadata; /* as saved; NULL: there is none */
        vss_value *components; /* its list in the document; changed by what is selected, and by the writer */
        bool present;          /* it runs, and hears of the restore */
        bool refused;          /* it failed at PreRestore */
        Vouch vouch;
        const char *restart; /* a unit to stop and start after PostRestore; borrowed from the metadata */
} WriterPart;

struct ComponentRestore {
        Restore *restore;
        bool additional;
        Metadata documents;
        Record record;
        vss_session *session; /* NULL: without writers */
        vss_value *running;   /* the writers as they are now */
        WriterPart *writers;
        size_t n;
        int root_fd, staging_fd;
        FILE *pending; /* what a reboot has to do; in the staging directory */
};

/* restore-select.c */
int restore_select(ComponentRestore *all);
/* restore-put.c: the files of one writer's components, as its plan says; their writer is told. */
int restore_put_writer(WriterPart *part);
/* Directories of its files that have gone, before the writer looks for them. */
int restore_make_directories(WriterPart *part);
/* The unit is stopped or started, if somebody vouches for it. */
void restore_control_unit(WriterPart *part, const char *verb, const char *unit);
/* restore-writers.c */
const vss_value *restore_find_writer(const vss_value *writers, const char *name);
