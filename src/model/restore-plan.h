/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Restore: from saved documents and what lies on the disk now to what is put where, and when
 *
 * Pure. A plan is made for one writer, of its saved metadata and its part of the Backup Components Document;
 * the writer need not be there. It is made after PreRestore, in which writers choose targets and let go of
 * files; made before, it says whether the writer's help is needed. Each explicit component that is selected
 * for restore is decided as a whole: all of its files, and of what comes with it, or none.
 *
 * Order of authority: the target that the writer chose, then new targets, then the restore method; alternate
 * location mappings where target or method say so, and where the method cannot restore to the original
 * location.
 */

#include "model/filespec.h"

typedef enum RestorePlace {
        RESTORE_PLACE_ORIGINAL,
        RESTORE_PLACE_MAPPING,    /* an alternate location mapping of the writer's */
        RESTORE_PLACE_NEW_TARGET, /* the requester's choice */
        RESTORE_PLACE_DIRECTED,   /* a directed target of the writer's */
} RestorePlace;

/* What lies where the files of a set would go. */
typedef struct RestoreFacts {
        bool exists;      /* any of the files */
        bool replaceable; /* each of those that exist */
} RestoreFacts;

typedef struct RestorePlanInput {
        const vss_value
                *metadata; /* the writer's, as saved with the backup; borrowed as long as the plan lives */
        const vss_value *components; /* its list in the document; borrowed too */
        bool writer_present;         /* it gets the restore events */
        FilespecLookup lookup;       /* variables; may be NULL */
        /* What of the files that the backup has of this set lies in @directory? NULL: nothing lies anywhere.
         */
        RestoreFacts (*look)(void *userdata, const vss_value *component, const vss_value *set,
                             const char *directory);
        /* Why nothing may be restored to @directory; NULL: it may. NULL: everywhere. */
        const char *(*refuse)(void *userdata, RestorePlace place, const char *directory);
        void *userdata;
} RestorePlanInput;

typedef enum RestoreOutcome {
        RESTORE_NOTHING,
        RESTORE_NOW,
        RESTORE_AT_REBOOT,      /* put beside its place, and renamed at the next start */
        RESTORE_BY_APPLICATION, /* only its own means can do it */
} RestoreOutcome;

/* One explicit component. */
typedef struct RestoreStep {
        const vss_value *component; /* in the document */
        RestoreOutcome outcome;
        enum vss_restore_target target;
        RestorePlace place; /* of its file sets, new and directed targets aside */
        bool needs_writer;  /* the writer wants the restore events for this */
        bool reboot;        /* the machine has to start anew for it to take effect */
        size_t first, n;    /* its actions */
        char reason[768];
} RestoreStep;

typedef struct RestoreAction {
        const vss_value *component; /* whose file set it is, in the metadata */
        const vss_value *set;       /* the file set, or the writer's entry in the document */
        RestorePlace place;
        bool at_reboot;
        bool recursive;
        char *source;      /* the directory by its default path, as it was saved */
        char *destination; /* the directory to put files in */
        const char *filespec;
        const char *destination_filespec;        /* another name, for directed targets */
        const char *ranges, *destination_ranges; /* "": whole files */
} RestoreAction;

typedef struct RestorePlan RestorePlan;

/* Return: 0, -ENOMEM. */
int restore_plan_new(const RestorePlanInput *input, RestorePlan **ret_plan);
RestorePlan *restore_plan_free(RestorePlan *plan);
size_t restore_plan_count(const RestorePlan *plan);
const RestoreStep *restore_plan_step(const RestorePlan *plan, size_t index);
const RestoreAction *restore_plan_action(const RestorePlan *plan, size_t index);
/* The unit to stop before files are restored and to start afterwards; NULL if there is none. */
const char *restore_plan_stop_unit(const RestorePlan *plan);
/* The unit to stop and start again after PostRestore. */
const char *restore_plan_restart_unit(const RestorePlan *plan);
/**
 * restore_plan_find() - where a saved file goes
 * @path: its default path
 * @from: 0, or one more than the action that was found last: a directed file may go to several places
 *
 * Return: the index of an action of the step; -1 if there is none (more). File sets count only for what no
 * directed target has.
 */
ssize_t restore_plan_find(const RestorePlan *plan, const RestoreStep *step, const char *path, size_t from);

/**
 * restore_chain_check() - can these backups of one component be restored in this order?
 * @documents:  Backup Components Documents, in the order they are to be restored
 *
 * A full backup (or copy) comes first; incremental and log backups build on the one before, differential
 * ones on the full one, as far as stamps tell; both kinds are not mixed if the writer excludes it;
 * additional restores are announced for all but the last.
 *
 * Return: VSS_S_OK; VSS_E_OBJECT_NOT_FOUND if a document does not have the component; VSS_E_INVALIDARG.
 */
vss_result restore_chain_check(const vss_value *const *documents, size_t n, const char *writer,
                               const char *logical_path, const char *name, Why *why);
