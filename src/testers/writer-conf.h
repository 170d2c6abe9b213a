/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The test writer's file: what it has, what it checks, and where it fails; see vss-test-conf(5)
 *
 * Sections that say more about a component or its files follow the [Component] that they belong to.
 */

#include <linuxvss/types.h>
#include "testers/fields.h"

#define TEST_RECORDS_MAX 256u

typedef struct TestFiles {
        const char *path, *filespec, *alternate_path;
        bool recursive, created_during_backup;
        int kind;                                    /* TestFileKind */
        uint32_t backup_required, snapshot_required; /* bits of VSS_FSBT_*_BACKUP_REQUIRED, for both */
} TestFiles;

typedef enum TestFileKind { TEST_FILE, TEST_DATABASE, TEST_LOG } TestFileKind;

typedef struct TestDependency {
        const char *writer_id, *logical_path, *name;
} TestDependency;

typedef struct TestPartialFile {
        const char *path, *filespec, *ranges, *metadata;
        uint32_t backups; /* in which kinds of backup: bits of VSS_FSBT_*_BACKUP_REQUIRED */
} TestPartialFile;

typedef struct TestDifferencedFiles {
        const char *path, *filespec;
        bool recursive;
        int64_t modified_after; /* microseconds since 1970; 0: since the requester's last backup */
        uint32_t backups;
} TestDifferencedFiles;

typedef struct TestDirectedTarget {
        const char *path, *filespec, *ranges, *destination_path, *destination_filespec, *destination_ranges;
} TestDirectedTarget;

typedef struct TestComponent {
        int type, restore_target;
        const char *logical_path, *name, *caption, *icon, *owner, *crash_only;
        const char *backup_metadata, *restore_metadata, *stamp;
        bool selectable, selectable_for_restore, notify_on_backup_complete, needs_one_instant;
        uint32_t flags;
        size_t n_files, n_dependencies, n_partial_files, n_differenced_files, n_directed_targets;
        TestFiles *files;
        TestDependency *dependencies;
        TestPartialFile *partial_files;
        TestDifferencedFiles *differenced_files;
        TestDirectedTarget *directed_targets;
} TestComponent;

/* An alternate location mapping, an exclusion, an exclusion from the shadow copy. */
typedef struct TestPlace {
        const char *path, *filespec, *alternate_path;
        bool recursive;
} TestPlace;

typedef struct TestFailure {
        int event;
        bool retryable;
        unsigned long failures; /* how often before it succeeds; 0: always */
        const char *component;  /* "logical/path/name": only this one fails; NULL: the event does */
        const char *message;
        unsigned long application_code;
        bool veto; /* the event is carried out, and the writer vetoes */
} TestFailure;

typedef struct TestWriterConf {
        int usage, source, level;
        const char *id, *friendly_name, *version;
        const char *log, *state; /* a file, a directory */
        unsigned long freeze_timeout_ms, seed;
        uint32_t schema;
        bool delete_files, delete_partial_files, delete_differenced_files, check_includes, check_excludes;
        /* restore method; 0: none is set */
        int method, writer_restore;
        const char *service, *user_procedure;
        bool reboot_required;
        size_t n_components, n_mappings, n_excludes, n_snapshot_excludes, n_failures;
        TestComponent *components;
        TestPlace *mappings, *excludes, *snapshot_excludes;
        TestFailure *failures;
        Conf *conf; /* what all texts belong to */
} TestWriterConf;

extern const FieldName test_methods[], test_writer_restores[], test_file_kinds[];

void test_writer_conf_clear(TestWriterConf *conf);
#define _cleanup_test_writer_conf_ _cleanup_(test_writer_conf_clear)

/* Return: 0, or a negative errno with @error. */
int test_writer_conf_read(const char *path, ConfError *error, TestWriterConf *ret_conf);
/* Takes @conf over, also on failure. */
int test_writer_conf_from_conf(Conf *conf, ConfError *error, TestWriterConf *ret_conf);
