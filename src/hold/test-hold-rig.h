/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The rig of the hold's tests: volumes on loop devices, writers with a clock, and the service's part
 *
 * Everything lives in a mount namespace of its own, with an empty /run, on files below one temporary
 * directory. A writer on a volume that stands cannot be killed; so an emergency process releases all volumes
 * if the test dies or takes too long.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hold/protocol.h"

typedef struct Volume {
        const char *name;
        char image[PATH_MAX], point[PATH_MAX];
        int loop; /* descriptor; detaches itself when the last user is gone */
        int dir;
        dev_t device;
        char disk[PATH_MAX]; /* the block device with the data */
        uint64_t sectors;    /* of it */
        char mapper[32];     /* its device-mapper device; empty: there is none */
} Volume;

/* UPPER: ext4 in a file on EXT4. BTRFS is never held, and its dir is -1 where there is none. */
enum {
        VOLUME_EXT4,
        VOLUME_XFS,
        VOLUME_UPPER,
        VOLUME_BTRFS,
        VOLUME_DEVICES, /* from here on, as many as a test attaches */
        N_VOLUMES = VOLUME_DEVICES + 18
};
extern Volume volumes[N_VOLUMES];

/* Namespaces, a temporary directory, the emergency process. Return: 0, or -errno with what is missing in
 * *@ret_reason */
int rig_begin(const char *program, const char **ret_reason);
/* That, and the volumes but the devices. */
int rig_open(const char *program, const char **ret_reason);
void rig_close(void);
/* Lets go of what a test that dies, or takes so long, leaves standing: once the volumes are there. */
int emergency_start(unsigned seconds);
/* No longer: it has what was open when it was started. */
void emergency_end(void);
/* A directory in the temporary one, made; the string stays until the next call. */
const char *rig_path(const char *name);

/* Only a loop device, on a new file in @dir. */
int volume_attach(Volume *volume, const char *dir, off_t size);
int btrfs_subvolume_make(const char *path);
/* An image with a file system of @type in it, attached. Return: 0 or -errno. */
int volume_format(Volume *volume, const char *dir, off_t size, const char *type);
int volume_mount(Volume *volume, const char *device, const char *type);
/* Return: its exit status, or -errno. */
int program_run(char *const argv[], bool quiet);

/* A process that writes and flushes once. */
typedef struct Writer {
        pid_t pid;
        int pipe;
} Writer;

Writer writer_start(const Volume *volume);
/* Has it written? @ret_usec (may be NULL): when. Once it has, it is gone. */
bool writer_done(Writer *writer, uint64_t timeout_msec, uint64_t *ret_usec);
/* Writes on the volume block: none came through in 150 ms. The writer goes on. */
bool writes_block(const Volume *volume, Writer *ret_writer);

/* The service's end of a hold. */
typedef struct Session {
        int socket;
        pid_t pid;
        HoldReply reply;
} Session;

/* Where the program is started, when not here: a directory that becomes its root, and its path in there. */
extern const char *session_root, *session_program;
/* An argument of the program; NULL: none. */
extern const char *session_option;

void session_start(Session *session, const char *stop_at, int cgroup_procs);
void session_add(Session *session, uint32_t kind, int fd, uint32_t rank, const char *label);
void session_add_volume(Session *session, const Volume *volume, uint32_t rank);
void session_add_device(Session *session, const Volume *volume, uint32_t rank);
void session_operation(Session *session, uint32_t target, HoldOperationKind kind, dev_t device,
                       const char *text);
void session_send(Session *session, HoldCommand command, uint64_t limit_usec);
/* The next answer is @answer. */
bool session_wait(Session *session, HoldAnswer answer, uint64_t timeout_msec);
/* Our end is closed without an answer. */
bool session_ended(Session *session, uint64_t timeout_msec);
void session_close(Session *session);

/* Processes of the tested program, and the test's own children collected. */
unsigned holds_running(void);
bool holds_end(uint64_t timeout_msec);
/* vss-hold --release. Return: its exit status */
int release_run(void);
/* The two processes of the hold file. Return: 0 or -errno */
int hold_processes(pid_t *ret_actor, pid_t *ret_watcher);
/* Every volume can be written, no hold file and no process is left. What isn't so is told. */
bool everything_runs(void);

/* A session over ext4 and xfs up to READY, and up to HELD. */
bool arm_both(Session *session, const char *stop_at, uint64_t limit_usec);
bool hold_both(Session *session, uint64_t limit_usec);
/* Waits for RELEASED with that cause, closes our end; then everything runs. */
bool released_with(Session *session, HoldCause cause);
