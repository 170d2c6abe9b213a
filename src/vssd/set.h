/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A shadow copy set: its volumes and the writers that take part
 */

#include "model/backup-components.h"
#include "model/cut.h"
#include "model/level.h"
#include "vssd/calls.h"
#include "vssd/discover.h"
#include "vssd/failure.h"
#include "vssd/manager.h"
#include "vssd/volume.h"

enum { CGROUPS_MAX = 16, WRITERS_MAX = 128, BEGUN_MAX = 128 };

typedef struct SetVolume {
        char id[VSS_ID_SIZE]; /* of the shadow copy */
        Volume *volume;
        Participant *provider; /* NULL in a lease */
        vss_value *properties; /* what the provider keeps with the copy, and what is told */
        enum vss_hold hold;
        Cut cut; /* with VSS_HOLD_DEVICE, from the end of prepare on */
        enum vss_atomic_scope scope;
        bool only_components; /* see LevelVolume */
        bool no_copy;
        bool attached;
        bool foreseen; /* somebody will write to it before it is complete, and its provider knows */
        bool deleted; /* by order, since the set stands */
        int instant;  /* see LevelVolume */
        int target;   /* index among the hold's targets; -1: none */
        char *broken; /* why the hold did not hold */
} SetVolume;

typedef struct SetWriter {
        Participant *participant;
        enum vss_application_level level;
        enum vss_writer_state state;
        Failure failure; /* why it is not application-consistent any more */
        bool disabled;   /* by the requester */
        bool takes_part; /* in this set */
        bool asked;      /* a round's call to it is under way */
        bool told;       /* got PrepareForBackup or PrepareForSnapshot: must hear of the end */
        bool frozen;     /* answered Freeze and was not thawed yet */
        bool was_frozen; /* from Freeze to Thaw without a failure */
        uint64_t frozen_usec, held_usec;
        int64_t application_code; /* with @failure, as the writer told it */
        char *application_message;
        vss_value *chosen;  /* explicit components, as in the Backup Components Document */
        vss_value *answers; /* what it said of them and was not merged yet: see merge.h */
        vss_value *
                notes; /* what it said to people in the round, list of {logical-path, name, text}; or NULL */
        vss_value *failed;  /* components that failed alone: list of {logical-path, name, code, message,
                              application-code} */
} SetWriter;

typedef struct Set {
        Manager *manager;
        char id[VSS_ID_SIZE]; /* "" before StartSnapshotSet */
        SetVolume volumes[VSS_VOLUMES_MAX];
        size_t n_volumes;
        Participant *begun[BEGUN_MAX]; /* providers that were asked to begin: each must hear of the end */
        size_t n_begun;
        struct {
                char *path;
                int fd;
        } cgroups[CGROUPS_MAX];
        size_t n_cgroups;
        SetWriter writers[WRITERS_MAX];
        size_t n_writers;
        char *unheard;  /* a writer that was left out, and why: what it would have said is not known */
        bool restoring; /* no set: what is selected of an earlier one goes back */
        bool dry_run;   /* of a restore */
        bool select_components;
        bool bootable_system_state;
        bool partial_file_support;
        bool everywhere; /* writers were named without volumes: all of their files are concerned */
        enum vss_backup_type backup_type;
        enum vss_restore_type restore_type;
        uint32_t context;
        pid_t requester; /* 0: not known */
} Set;

void set_clear(Set *set);
/* Takes over what was discovered. */
void set_adopt_writers(Set *set, Discovery *found, const vss_value *enabled, const vss_value *disabled);
/* Is @writer called at all? One that a document describes never is. */
static inline bool set_calls_writer(const SetWriter *writer) {
        return writer->takes_part && !writer->participant->express;
}
SetWriter *set_find_writer(Set *set, const char *name);
/* Its part of the Backup Components Document. */
BcWriter set_bc_writer(const Set *set, const SetWriter *writer);
SetVolume *set_find_snapshot(Set *set, const char *id);
/* Is this volume the first one of its provider? Providers get one call for all their volumes. */
bool set_is_first_of_provider(const Set *set, size_t index);
/* @provider is about to be asked to begin. Return: 0 or a negative errno. */
int set_note_begun(Set *set, Participant *provider);
/* Tells all of them that the set is over; the answers come by @answered. */
void set_abort_providers(Set *set, Calls *calls, CallAnswered answered);
/* From within @answered: a provider that died is started anew, and can still clean up after itself. Return:
 * true if there will be another answer. */
bool set_abort_again(Set *set, Calls *calls, const CallAnswer *answer, CallAnswered answered);
SetVolume *set_find_device(Set *set, uint64_t device);
/* The volume where a file set is read; NULL if it is not in the set, or will not be in the copy ("paths"). */
SetVolume *set_find_files(const Set *set, const vss_value *files);
/* Does a backup of the set's type read a file set of @writer from its shadow copy? */
bool set_needs_files(const Set *set, const SetWriter *writer, const vss_value *files);
/* Decides who takes part: in component mode whoever has explicit components, else whoever has files on a
 * volume of the set. */
void set_choose_writers(Set *set);
/* In a restore: whoever has components that are selected for it. */
void set_choose_restored(Set *set);
/* The components of a writer that count for this set: explicit ones, or all with files on its volumes. Calls
 * @each for every one. */
void set_each_component(const Set *set, const SetWriter *writer,
                        void (*each)(void *userdata, const SetWriter *writer, const vss_value *component),
                        void *userdata);
/* The dictionary that every event carries. The caller frees it. */
vss_value *set_event(const Set *set, const char *session, const SetWriter *writer, uint64_t limit_usec);
/* Each writer's state, as a list. The caller frees it. */
vss_value *set_writer_status(const Set *set);
/* The levels and all that is told of the volumes, writers and components, into @result. */
enum vss_level set_judge(Set *set, vss_value *result);
/* Notes in a list {volume, components} that @component should have had the volume @path in the set. */
void set_tell_missing(vss_value *list, const char *path, const Participant *writer,
                      const vss_value *component);
/* A control group joins the hold. Answers @m or sets @error. */
int set_add_cgroup(Set *set, const char *path, sd_bus_message *m, sd_bus_error *error);
/* As set_add_cgroup() without a message. Return: 0, or the code of @failure. */
vss_result set_hold_cgroup(Set *set, const char *path, Failure *failure);
