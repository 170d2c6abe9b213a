/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Drop-in files: an application's components and commands, said in a file
 *
 * The format is in vss-writer-dropin(8). Nothing here touches what a file names: users and paths are judged
 * later, in a child.
 */

#include <linuxvss/types.h>
#include "writers/common/settings.h"

#define DROPIN_FILES_MAX 64u
#define DROPIN_COMPONENTS_MAX 64u
#define DROPIN_FILE_SETS_MAX 64u
#define DROPIN_DEPENDENCIES_MAX 64u
#define DROPIN_TIMEOUT_DEFAULT 30u
#define DROPIN_TIMEOUT_MAX 600u

typedef enum DropInCommand {
        DROPIN_PREPARE,
        DROPIN_HOLD,
        DROPIN_FREEZE,
        DROPIN_THAW,
        DROPIN_POST_SNAPSHOT,
        DROPIN_BACKUP_COMPLETE,
        DROPIN_PRE_RESTORE,
        DROPIN_POST_RESTORE,
        DROPIN_VERIFY,
        DROPIN_COMMANDS
} DropInCommand;

typedef struct DropInFileSet {
        size_t component; /* index; or DROPIN_EXCLUDE, DROPIN_EXCLUDE_FROM_SNAPSHOT */
        unsigned line;
        char *path, *filespec;
        bool recursive;
        bool dropped; /* outside of what it may name */
} DropInFileSet;

#define DROPIN_EXCLUDE SIZE_MAX
#define DROPIN_EXCLUDE_FROM_SNAPSHOT (SIZE_MAX - 1)

/* A component of another writer that one of ours needs. */
typedef struct DropInDependency {
        size_t component; /* index */
        char *writer_id, *logical_path, *name;
} DropInDependency;

typedef struct DropInComponent {
        char *logical_path; /* the file's Name, and below it what the section says */
        char *name;
} DropInComponent;

typedef struct DropIn {
        char *name, *user;
        char *path; /* of the file; set by the loader */
        enum vss_application_level level;
        char **roots; /* NULL: what the user owns */
        char **commands[DROPIN_COMMANDS];
        unsigned timeout_seconds;
        DropInComponent *components;
        size_t n_components;
        DropInFileSet *file_sets;
        size_t n_file_sets;
        DropInDependency *dependencies;
        size_t n_dependencies;
        char *restore_unit; /* stopped before a restore and started afterwards; NULL: none */
} DropIn;

/* The names of the commands, as they stand in [Commands]. */
extern const char *const dropin_command_names[DROPIN_COMMANDS];

DropIn *dropin_free(DropIn *dropin);
DEFINE_CLEANUP(DropIn *, dropin_free)

/* Return: 0; -EBADMSG with @error filled in; -ENOMEM. */
int dropin_from_conf(const Conf *conf, ConfError *error, DropIn **ret_dropin);

/* Nothing in it says that the application rests while the cut is made. */
bool dropin_has_no_hold(const DropIn *dropin);
/* Is @path @root itself, or below it? Both absolute. */
bool path_is_below(const char *path, const char *root);

typedef struct DropInSet {
        DropIn *items[DROPIN_FILES_MAX];
        size_t n;
        Warnings warnings;
} DropInSet;

void dropin_set_clear(DropInSet *set);
/*
 * dropin_set_load() - all drop-in files, in order of their names
 * A file in an earlier directory hides one of the same name in a later one; a link to /dev/null hides it for
 * good. A file with an error is a warning with its line; the others count.
 * Return: 0 or -ENOMEM.
 */
int dropin_set_load(const char *const *directories, size_t n, DropInSet *ret_set);
