/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sessions: one backup each, owned by a connection or by a lease
 */

#include "model/session.h"
#include "vssd/job.h"
#include "vssd/merge.h"
#include "vssd/set.h"
#include "vssd/worker.h"

typedef struct AddWork AddWork;
typedef void (*SessionUnwound)(Session *session);

struct Session {
        Manager *manager;
        Session *next, *previous;
        char path[64];
        char id[VSS_ID_SIZE];
        char token[VSS_ID_SIZE]; /* "" without a lease */
        char *label;
        char *owner; /* unique name; NULL while only the lease holds it */
        uid_t uid;
        pid_t pid;
        uint64_t created_usec, lease_usec;
        uint64_t began_usec; /* the date of @created_usec */
        sd_bus_slot *slot, *watch;
        sd_event_source *lease;

        uint32_t facts; /* model/session.h */
        enum vss_level require;
        Set set;
        vss_value *enabled, *disabled; /* writers, or NULL */
        vss_value *disabled_instances;
        vss_value *wanted;      /* paths, of volumes that are added from now on; NULL: all */
        vss_value *document;    /* the Backup Components Document that it was given, or NULL */
        vss_value *descriptors; /* with a document: of all writers that are known here */
        vss_value *left_out;    /* list of {what, reason} */
        vss_value *result;      /* of DoSnapshotSet */
        Failure outcome;        /* of it, until it is told */

        /* The job that is under way, and what carries it out. */
        Job *job;
        SessionCall job_call;
        Discover *discover;
        AddWork *add;
        Calls calls;
        Worker *reading;    /* a document is parsed, or judged */
        Merge *merge;       /* what the writers answered is being merged */
        vss_value *dropped; /* of it: list of {writer, logical-path, name, path, reason} */
        struct Saving *saving;

        /* StartSnapshotSet: waiting for its turn, or for the number of sets. */
        sd_bus_message *starting;
        uint64_t wait_usec, waiting_since_usec;
        sd_event_source *wait;
        struct CatalogQuery *counting;

        struct CatalogQuery *querying; /* Query, or are the copies still there? */
        SessionUnwound checked;        /* they are */
        struct SupportFind *finding;   /* IsVolumeSupported */
        struct Import *import;
        vss_value *imported; /* ids of auto-release copies that end with this session */
        vss_value *recovery; /* AddSnapshotToRecoverySet: list of {id, destination} */
        struct Recovering *recovering;
        struct Resync *resync;
        struct Verifying *verifying;
        vss_value *standing; /* when the set was started: "PROVIDER VOLUME" -> number of shadow copies */

        bool running;   /* DoSnapshotSet is being carried out */
        bool unwinding; /* being taken back; then @unwound, and the jobs of who asked */
        SessionUnwound unwound;
        Job *abort_job, *close_job;
        sd_bus_message *releasing; /* Release, to be answered at the end */
        bool closing;
        unsigned delete_tries;
        sd_event_source *delete_again;
};

int session_create(Manager *manager, sd_bus_message *m, sd_bus_error *error);
int session_adopt(Manager *manager, sd_bus_message *m, sd_bus_error *error);
/* By id or, for leases, by token. */
Session *session_find(Manager *manager, const char *id);
Session *session_find_token(Manager *manager, const char *token);
int session_renew(Session *session, uint32_t seconds);
vss_value *session_describe(const Session *session);
/* The end of a session, however it came: abort what is under way, delete auto-release copies, tell the
 * writers. */
void session_close(Session *session);
/* Takes back what is not finished, then calls @done. */
void session_unwind(Session *session, SessionUnwound done);

/* session-calls.c: the object on the bus; its userdata is the session. */
extern const sd_bus_vtable session_vtable[];

/* session-set.c: the calls that lead to a set */
int session_start_set(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_add_volume(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_do_set(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_abort(Session *session, sd_bus_message *m, sd_bus_error *error);

/* session-components.c: what is said of components, and the document of it */
int session_add_component(Session *session, sd_bus_message *m, sd_bus_error *error);
/* Every other call that is about one component: SetBackupSucceeded, SetRestoreOptions and so on. */
int session_set_component(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_get_components(Session *session, sd_bus_message *m, sd_bus_error *error);
/* The Backup Components Document as it stands; the caller frees it. NULL without memory. */
vss_value *session_make_document(const Session *session);
/* The writer of an entry in the document that the session was given, if it runs and is not disabled. */
SetWriter *session_find_running(Session *session, const vss_value *entry);
/* The other way round; NULL if it has none. */
const vss_value *session_find_entry(const Session *session, const Participant *writer);

/* session-documents.c: documents in and out */
int session_begin_with_document(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_begin_restore(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_save_document(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_save_metadata(Session *session, sd_bus_message *m, sd_bus_error *error);
/* Once it is known who the writers are: what of the document may be believed. Ends the job that is under
 * way. Return: 0 or a negative errno. */
int session_judge_document(Session *session);
void session_cancel_saving(Session *session);

/* session-query.c: the calls that look at shadow copies as they stand, this session's and others */
int session_query(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_get_snapshot(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_open_snapshot(Session *session, sd_bus_message *m, sd_bus_error *error);

/* session-storage.c: the calls about volumes, and shadow copies from elsewhere */
int session_is_volume_supported(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_import(Session *session, sd_bus_message *m, sd_bus_error *error);

/* session-recovery.c: LUNs written back */
int session_add_to_recovery_set(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_recover_set(Session *session, sd_bus_message *m, sd_bus_error *error);
void session_cancel_recovering(Session *session);
/* It goes on without the session. */
void session_abandon_resync(Session *session);

/* session-writers.c: the calls that ask the writers */
int session_gather(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_prepare(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_gather_status(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_complete(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_pre_restore(Session *session, sd_bus_message *m, sd_bus_error *error);
int session_post_restore(Session *session, sd_bus_message *m, sd_bus_error *error);

/* session-verify.c: VerifyWriters */
int session_verify(Session *session, sd_bus_message *m, sd_bus_error *error);
/* It is under way: it is ended, with its job. @done: when that has happened; may be NULL. */
void session_stop_verifying(Session *session, SessionUnwound done);

/* session-lost.c: are the set's copies still there? Return: 0 if that is sure; 1: @done is called when it is, and the
 * job under way ended if they are not; or a negative errno. */
int session_check_copies(Session *session, SessionUnwound done);
/* A copy went because somebody wanted it. */
void session_note_deleted(Manager *manager, const char *id);

/* What the writers have told people since the last call, as a list; the caller frees it. */
vss_value *session_take_notes(Session *session);

/* What the writers have answered goes into their components. @done may be called before this returns. */
void session_merge(Session *session, MergeDone done);

/* Answers @m with the job of @call, which is under way from then on. */
int session_begin_job(Session *session, sd_bus_message *m, SessionCall call);
/* Ends the job that is under way, if any, as cancelled or with @failure. */
void session_end_job(Session *session, const Failure *failure, const vss_value *result);
void session_cancel_work(Session *session);
/* Gives the turn up, and to the next one that waits. */
void session_release_turn(Session *session);
/* The turn is free: the one that has waited longest gets it. */
void session_pass_turn(Manager *manager);
void session_leave_out(Session *session, const char *what, const char *reason);
