/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The service writer: its table of events, and what it remembers between them
 */

#include <linuxvss/writer.h>
#include "writers/common/event.h"
#include "writers/common/unfinished.h"
#include "writers/service/group.h"
#include "writers/service/guard.h"
#include "writers/service/services.h"

typedef struct Member {
        const Service *service; /* NULL: not in the set */
        char group[GROUP_PATH_SIZE];
        int dir; /* of the group; -1: there is none, and nothing to be held */
        Guard guard;
        Child sync;
        bool held; /* it stood at Freeze */
        bool failed;
} Member;

typedef struct ServiceWriter {
        const char *conf_path, *hold_program;
        const char *unfinished_path; /* restores that were begun; NULL: they are not noted */
        ServiceList services;        /* of the set under way */
        Member members[SERVICES_MAX];
        Child keeper;
        char session[VSS_ID_SIZE]; /* whose they are */
        bool frozen;
} ServiceWriter;

#define SERVICE_WRITER_INIT .keeper = CHILD_NULL

extern const struct vss_writer service_writer;

/* The event's own deadline, with time for its answer, but no later than @at_most_usec from now. */
/* Was it chosen for this event? @selected: for the restore. */
bool service_is_chosen(const vss_writer_call *call, const Service *service);
/* One component failed: told, and left with it for the document. */
void service_fail(vss_writer_call *call, const Service *service, vss_result code, const char *format, ...)
        VSS_PRINTF(4, 5);
/* All @n of them have. Return: the code, to be returned by the handler. */
vss_result service_fail_all(vss_writer_call *call, size_t n);

/* hold.c: what happens to the members from PrepareSnapshot to Thaw */
vss_result hold_prepare(ServiceWriter *writer, vss_writer_call *call);
vss_result hold_freeze(ServiceWriter *writer, vss_writer_call *call);
vss_result hold_thaw(ServiceWriter *writer, vss_writer_call *call);
/* All state of a set, also of one that nobody ended. */
void hold_let_go(ServiceWriter *writer);

/* restore.c, verify.c */
vss_result service_pre_restore(vss_writer_call *call);
vss_result service_post_restore(vss_writer_call *call);
vss_result service_verify(vss_writer_call *call);
