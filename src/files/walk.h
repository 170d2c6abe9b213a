/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Walking a file set below a root
 *
 * The root is a directory, usually the mount of a shadow copy. Everything the set means is handed to a
 * handler, one entry at a time, as it is found: nothing is collected. What goes wrong with one entry is told
 * as an entry too, with its path, and the walk goes on.
 *
 * Nothing outside of the root is reached: symbolic links are entries, never ways; mount points and nested
 * volumes are entries and are not crossed. Names are bytes, whatever they are.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Directories below the set's own; each holds a descriptor while what is in it is walked. */
#define WALK_DEPTH_MAX 250u
/* Entries looked at in one walk, unless the set says less. */
#define WALK_ENTRIES_MAX 16000000u

typedef enum WalkKind {
        WALK_FILE,
        WALK_DIRECTORY, /* of a recursive set; comes before what is in it */
        WALK_SYMLINK,
        WALK_SPECIAL,     /* a FIFO, a socket, a device: has no content */
        WALK_MOUNT_POINT, /* something else is mounted there: not crossed */
        WALK_ERROR,
} WalkKind;

typedef struct WalkEntry {
        WalkKind kind;
        const char *path;  /* below the root; "" for the root itself */
        const char *below; /* the part of it below the directory of the set; "" for that directory */
        int directory_fd;  /* together with @name, what may be opened; -1 with WALK_ERROR. Borrowed. */
        const char *name;  /* "." for the directory of the set */
        struct stat st;    /* zero with WALK_ERROR */
        int error;         /* WALK_ERROR: a negative errno */
} WalkEntry;

typedef struct WalkSet {
        int root_fd;
        const char *directory; /* below the root; "" for the root itself */
        const char *filespec;  /* with * and ?, or an exact name, which must exist then */
        bool recursive;
        /* Paths below the root that are mount points where the original stands: a shadow copy shows what
         * lies under them. NULL-terminated; may be NULL. */
        const char *const *mount_points;
        size_t entries_max; /* 0: WALK_ENTRIES_MAX */
} WalkSet;

/* Return: 0 to go on; WALK_PRUNE for a directory not to be entered; anything else ends the walk and is what
 * walk_files() returns. */
#define WALK_PRUNE 0x7fffffff
typedef int (*WalkHandler)(void *userdata, const WalkEntry *entry);

/*
 * walk_files() - hand all entries of @set to @handler
 *
 * Told as WALK_ERROR: an exact name that is nowhere (-ENOENT), a symbolic link on the way to the directory
 * of the set (-ELOOP), a directory that lies beyond a mount point (-EXDEV), what is too deep or too long
 * (-ENAMETOOLONG), and what cannot be read. A directory that is not there is no error where the set may
 * match nothing.
 *
 * Return: 0; -E2BIG beyond the limit of entries; -EINVAL for a directory that is not a valid path; else what
 * the handler returned.
 */
int walk_files(const WalkSet *set, WalkHandler handler, void *userdata);

/* A descriptor for reading the regular file or directory of an entry, if it still is what was told. A
 * negative errno; -ESTALE if something else is there now. */
int walk_open(const WalkEntry *entry);
/* Where a symbolic link points to, allocated. 0 or a negative errno. */
int walk_read_link(const WalkEntry *entry, char **ret_target);
