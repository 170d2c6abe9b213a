/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The test requester's restore: what its parts share
 */

#include "model/restore-plan.h"
#include "testers/requester.h"
#include "testers/store.h"
#include "restore/vouch.h"

/* A saved file, and the component of the store that it is in. */
typedef struct SavedFile {
        ListEntry entry;
        const StoreComponent *stored;
} SavedFile;

/* One writer's part of a restore. */
typedef struct WriterRestore {
        Requester *requester;
        const char *name;
        const vss_value *metadata; /* as saved */
        vss_value *components; /* its list in the document; changed by what is selected, and by the writer */
        bool present;          /* it runs, and hears of the restore */
        bool refused;          /* it failed at PreRestore: nothing of it is restored */
        Vouch vouch;
        SavedFile *files;
        size_t n_files;
        StoreComponent *stored;
        size_t n_stored;
        int root_fd, staging_fd;
        FILE *pending; /* what a reboot has to do; below the staging directory */
} WriterRestore;

/* Loads the files of the writer's components from the store. EXIT_DONE, or EXIT_FAILED after a message. */
int restore_load_files(WriterRestore *restore, const Store *store);
/* Facts for the plan. */
RestoreFacts restore_look(void *userdata, const vss_value *component, const vss_value *set,
                          const char *directory);
const char *restore_refuse(void *userdata, RestorePlace place, const char *directory);

/* What became of the files of a step. */
typedef struct StepResult {
        enum vss_file_restore_status status;
        size_t n_written, n_failed, n_staged;
} StepResult;

/* Puts all files of a step where its actions say. */
void restore_put_step(WriterRestore *restore, const RestorePlan *plan, const RestoreStep *step,
                      StepResult *ret_result);
/* Puts everything of a component of the store that belongs to no writer back to its place. */
void restore_put_all(Requester *requester, const StoreComponent *stored, StepResult *ret_result);
/* The saved file of this path; NULL if there is none. */
const SavedFile *restore_find_file(const WriterRestore *restore, const char *path);
/* Puts one saved file to its own place: ranges of partial files. */
int restore_put_back(WriterRestore *restore, const SavedFile *file);
