/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The Backup Components Document: what requester and writers say of each chosen component
 *
 * Pure. The document is a value tree (linuxvss-values(7), "backup-components"); a component in it is found
 * by writer, logical path and name, and only the ones that were chosen one by one are there: those that come
 * with them are in the writer's metadata. Here are the rules of who may say what, and about what.
 *
 * Functions that answer a vss_result leave everything as it was unless they answer VSS_S_OK. Each can answer
 * VSS_E_INVALIDARG for a text that is too long, not UTF-8, or not of its form, and VSS_E_OUTOFMEMORY.
 */

#include "model/why.h"
#include "util/value.h"

/* Bytes of an opaque text (options, stamps, messages), and of a writer's metadata for a component. */
#define BC_TEXT_MAX (64u << 10)
#define BC_METADATA_MAX (1u << 20)
/* Entries of a list of one component (partial files, new targets and so on). */
#define BC_ENTRIES_MAX 10000u
#define BC_WRITERS_MAX 128u
#define BC_COMPONENTS_MAX 10000u

/* One writer's part. */
typedef struct BcWriter {
        const char *name;          /* for reasons */
        const vss_value *metadata; /* what it declared; NULL if only a saved document is there */
        vss_value *components;     /* its list in the document */
        uint32_t schema;           /* its backup schema; counts when @metadata is NULL */
        bool partial_file_support; /* of the session */
        /* May the writer name files there? Answers why not, or NULL. NULL: it may. */
        const char *(*refuse_path)(void *userdata, const char *path);
        void *userdata;
} BcWriter;

/* Events in which a writer says something; bits. */
typedef enum BcEvent {
        BC_PREPARE_FOR_BACKUP = 1 << 0,
        BC_PREPARE_FOR_SNAPSHOT = 1 << 1,
        BC_FREEZE = 1 << 2,
        BC_THAW = 1 << 3,
        BC_POST_SNAPSHOT = 1 << 4,
        BC_BACKUP_COMPLETE = 1 << 5,
        BC_PRE_RESTORE = 1 << 6,
        BC_POST_RESTORE = 1 << 7,
} BcEvent;

/* The event of a method of Writer1 ("PostSnapshot"); 0 for one in which nothing may be set. */
BcEvent bc_event_from_name(const char *name);

/* The tree */

/* A writer's entry in a document or its list of writers: identity, schema and @components (copied; NULL:
 * none). NULL without memory. */
vss_value *bc_writer_new(const vss_value *metadata, const vss_value *components);
/* The entry of a writer, by its name, class id or instance id. NULL if it is not there. */
const vss_value *bc_find_writer(const vss_value *document, const char *name);
/**
 * bc_check() - is this tree a Backup Components Document?
 *
 * What it answers to: kinds of all known keys, numbers in their range, limits, writers unique by name and
 * instance, components unique by their keys. Unknown keys are left alone; texts that name paths are judged
 * when they are used.
 *
 * Return: VSS_S_OK or VSS_E_INVALID_XML_DOCUMENT.
 */
vss_result bc_check(const vss_value *document, Why *why);

/* AddComponent. Return: also VSS_E_OBJECT_NOT_FOUND if the writer has no such component,
 * VSS_E_OBJECT_ALREADY_EXISTS if it was added, VSS_E_INVALIDARG if it comes with one that was added, cannot
 * be chosen by itself, or brings one along that was added by itself. */
vss_result bc_add(const BcWriter *writer, const char *logical_path, const char *name, Why *why);
/* The component, to be changed. Return: VSS_S_OK or VSS_E_OBJECT_NOT_FOUND. */
vss_result bc_find(const BcWriter *writer, const char *logical_path, const char *name,
                   vss_value **ret_component, Why *why);

/* The requester's side; @component is bc_find()'s */

vss_result bc_set_succeeded(vss_value *component, bool succeeded, Why *why);
vss_result bc_set_backup_options(vss_value *component, const char *options, Why *why);
vss_result bc_set_previous_stamp(vss_value *component, const char *stamp, Why *why);
vss_result bc_set_selected_for_restore(vss_value *component, bool selected, Why *why);
vss_result bc_set_restore_options(vss_value *component, const char *options, Why *why);
vss_result bc_set_additional_restores(vss_value *component, bool additional, Why *why);
/* VSS_E_OBJECT_NOT_FOUND if there is none below the component, VSS_E_INVALIDARG if it cannot be restored by
 * itself, VSS_E_OBJECT_ALREADY_EXISTS. */
vss_result bc_add_restore_subcomponent(const BcWriter *writer, vss_value *component,
                                       const char *logical_path, const char *name, Why *why);
/* VSS_E_NOT_SUPPORTED without VSS_BS_WRITER_SUPPORTS_NEW_TARGET, VSS_E_OBJECT_NOT_FOUND if this is no file
 * set of the component or one that comes with it, VSS_E_OBJECT_ALREADY_EXISTS. */
vss_result bc_add_new_target(const BcWriter *writer, vss_value *component, const char *path,
                             const char *filespec, bool recursive, const char *alternate_path, Why *why);
/* VSS_E_OBJECT_NOT_FOUND if the writer did not declare this mapping, VSS_E_OBJECT_ALREADY_EXISTS. */
vss_result bc_add_alternative_location_mapping(const BcWriter *writer, vss_value *component,
                                               const char *path, const char *filespec, bool recursive,
                                               const char *alternate_path, Why *why);
/* Where the ranges file of a partial file has been restored to. VSS_E_OBJECT_NOT_FOUND past the end,
 * VSS_E_INVALIDARG if that partial file has its ranges as text. */
vss_result bc_set_ranges_file_path(vss_value *component, uint32_t index, const char *path, Why *why);
vss_result bc_set_file_restore_status(vss_value *component, uint32_t status, Why *why);
/* These three: VSS_E_NOT_SUPPORTED if the schema does not have it. */
vss_result bc_set_authoritative_restore(const BcWriter *writer, vss_value *component, bool authoritative,
                                        Why *why);
vss_result bc_set_roll_forward(const BcWriter *writer, vss_value *component, uint32_t type,
                               const char *point, Why *why);
vss_result bc_set_restore_name(const BcWriter *writer, vss_value *component, const char *name, Why *why);

/* The writer's side */

/* May a writer set the document's @key in this event? Return: VSS_S_OK, VSS_E_BAD_STATE, or VSS_E_INVALIDARG
 * for a key that is not the writer's. */
vss_result bc_writer_may_set(BcEvent event, const char *key, Why *why);
/* "prepare-failure" and the like, "backup-metadata", "restore-metadata". */
vss_result bc_set_text(vss_value *component, const char *key, const char *text, Why *why);
/* VSS_E_NOT_SUPPORTED if the schema has no VSS_BS_TIMESTAMPED. */
vss_result bc_set_stamp(const BcWriter *writer, vss_value *component, const char *stamp, Why *why);
/* VSS_E_NOT_SUPPORTED if the requester does not take partial files. The same file again replaces its ranges.
 */
vss_result bc_add_partial_file(const BcWriter *writer, vss_value *component, const char *path,
                               const char *filespec, const char *ranges, const char *metadata, Why *why);
/* @modified_after_usec: 0 means since the requester's own last backup. The same file set again replaces. */
vss_result bc_add_differenced_files(const BcWriter *writer, vss_value *component, const char *path,
                                    const char *filespec, bool recursive, int64_t modified_after_usec,
                                    Why *why);
vss_result bc_set_restore_target(vss_value *component, int64_t target, Why *why);
/* Source and destination: ranges "" are the whole file. The same source again replaces. */
typedef struct BcDirectedTarget {
        const char *path, *filespec, *ranges;
        const char *destination_path, *destination_filespec, *destination_ranges;
} BcDirectedTarget;
vss_result bc_add_directed_target(const BcWriter *writer, vss_value *component,
                                  const BcDirectedTarget *target, Why *why);
vss_result bc_set_failure(vss_value *component, vss_result code, int64_t application_code,
                          const char *message, Why *why);

/**
 * bc_merge() - take into the document what a writer answered to an event
 * @answer:   its result; "components" holds what it set, "failed-components" those that failed alone
 * @ignored:  list; what was not taken is appended: {logical-path, name, key, reason}
 *
 * Each key replaces what the document says, lists too: they are all of their entries, those of earlier
 * events included. Keys that are not the writer's, or not in this event, are ignored; silently, if they say
 * what the document says already.
 *
 * Return: VSS_S_OK or VSS_E_OUTOFMEMORY.
 */
vss_result bc_merge(const BcWriter *writer, BcEvent event, const vss_value *answer, vss_value *ignored);
