/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The test requester: what its parts share
 *
 * Functions answer an exit status, EXIT_DONE while all is well; what went wrong has been told then.
 */

#include <linuxvss/requester.h>
#include "model/file-plan.h"
#include "testers/list.h"
#include "testers/requester-conf.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_PARTLY = 3, EXIT_AGAIN = 75 };

DEFINE_CLEANUP(vss_async *, vss_async_free)
DEFINE_CLEANUP(FilePlan *, file_plan_free)
#define _cleanup_async_ _cleanup_(vss_async_freep)

/* A volume of the set, where it is mounted, and its shadow copy. */
typedef struct RequesterVolume {
        char *path;                 /* as AddToSnapshotSet takes it */
        char *target;               /* where its files are seen */
        char *below;                /* what of the device object is seen there */
        char **mount_points;        /* below the device object */
        char snapshot[VSS_ID_SIZE]; /* "" if it could not be added */
        char reason[2048];          /* why not */
        int mount_fd;
} RequesterVolume;

typedef struct Requester {
        const RequesterConf *conf;
        vss_service *service;
        vss_session *session;
        vss_value *metadata;   /* list, as gathered */
        vss_value *components; /* the document's list of writers, as last read */
        vss_value *selection;
        vss_value *status; /* of the writers, as last read */
        RequesterVolume *volumes;
        size_t n_volumes;
        char set_id[VSS_ID_SIZE];
        int64_t last_backup_usec; /* of the backup that this one goes on top of */
        vss_value *previous;      /* its document */
        bool partly;              /* something was named that is not in order */
} Requester;

/* Telling */
void requester_say(const Requester *requester, const char *format, ...) _printf_(2, 3); /* --verbose */
/* Something is not in order, and the rest goes on: exit status 3. */
void requester_complain(Requester *requester, const char *format, ...) _printf_(2, 3);
int requester_fail(const Requester *requester, vss_result result, const char *call);

/* The session */
void requester_clear(Requester *requester);
int requester_connect(Requester *requester);
/* Ends the session, keeps the connection. */
void requester_release(Requester *requester);
/* Waits for a call that was begun; cancels it at the event that --cancel-at names. @ret_result may be NULL.
 */
int requester_await(Requester *requester, vss_result begun, vss_async *async, const char *call,
                    vss_value **ret_result);
/* GatherWriterStatus, GetWriterStatus. Complains of every writer that has failed, if @event is not NULL.
 * EXIT_AGAIN if one has failed in a way that passes, and @retries is set. */
int requester_check_status(Requester *requester, const char *event, bool retries);
/* Has the writer failed as a whole, by the status last read? Its message, or NULL. */
const char *requester_writer_failure(const Requester *requester, const char *writer);
const vss_value *requester_metadata(const Requester *requester, const char *writer);
int requester_read_components(Requester *requester);

/* Copying out: requester-copy.c */
typedef struct Store Store;
/* What of a writer's has to be read; after the shadow copies are there. */
int requester_plan_files(Requester *requester, const vss_value *writer, FilePlan **ret_plan);
/* All files of an explicit component, by its writer's plan. @ret_succeeded: none has failed. */
int requester_copy_component(Requester *requester, Store *store, const FilePlan *plan, const char *writer,
                             const vss_value *component, bool *ret_succeeded);
/* Files that belong to no writer. */
int requester_copy_path(Requester *requester, Store *store, const char *path);
/* The volume that @path lies on, and where it is in its device object (to be freed). NULL if it is on none.
 */
const RequesterVolume *requester_find_volume(const Requester *requester, const char *path, char **ret_below);

/* Documents: requester-documents.c */
int requester_save_documents(Requester *requester);
/* The backup components document in @directory, as text and as value. */
int requester_load_document(const Requester *requester, const char *directory, char **ret_text,
                            size_t *ret_size, vss_value **ret_document);
/* The metadata documents there: a list. */
int requester_load_metadata(const Requester *requester, const char *directory, vss_value **ret_writers);

int requester_load_previous(Requester *requester);

int requester_backup(Requester *requester);
int requester_snapshot(Requester *requester);
int requester_restore(Requester *requester);
