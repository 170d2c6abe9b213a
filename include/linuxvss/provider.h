/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef LINUXVSS_PROVIDER_H
#define LINUXVSS_PROVIDER_H

/*
 * Linux VSS: the provider's side
 *
 * A provider speaks for one kind of storage. It is a process of its own that hands a table of calls to
 * vss_provider_main(), which owns the bus name org.linuxvss.Provider.<name> and makes one call at a time.
 *
 *     is_volume_supported          fast, no side effects; also names the hold the volume needs
 *     begin_prepare_snapshot       once per volume; may start slow work
 *     end_prepare_snapshots        slow work ends here; everything still runs
 *       -- writers are frozen --
 *     pre_commit_snapshots         set up so that commit is instant
 *       -- file systems are held, if asked for --
 *     commit_snapshots             the point in time: system calls only, no I/O to the originals, no logs
 *       -- released --
 *     post_commit_snapshots
 *       -- writers are thawed --
 *     pre_final_commit_snapshots   the copy may be written to from here
 *     post_final_commit_snapshots  and is read-only from here; its identity is kept with it
 *     abort_snapshots              at any phase, also after success: take all of the set back; never fails
 *
 * Out of order is VSS_E_PROVIDER_VETO; vss_provider_main() sees to it. A begin_prepare_snapshot for another set
 * means that the one before was abandoned: vss_provider_main() aborts that one first.
 *
 * The storage is the catalog: a provider keeps the dictionary of properties that begin_prepare_snapshot gives it
 * with the copy itself, and query reads it back, also after a reboot and by another version of the provider.
 */

#include <linuxvss/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VSS_PROVIDER_ABI 1u

/* Only taken when a requester names this provider (test doubles). */
#define VSS_PROVIDER_EXPLICIT_ONLY (UINT64_C(1) << 0)
/* Copies can outlive the session and the boot (contexts with PERSISTENT). */
#define VSS_PROVIDER_PERSISTENT (UINT64_C(1) << 1)
/* What it makes is no copy at all: the service says so in the result, and the level is none. */
#define VSS_PROVIDER_NO_COPY (UINT64_C(1) << 2)

typedef struct vss_provider_call vss_provider_call; /* one request; gone when it returns */

/* A volume as the service sees it. Borrowed for the call. */
struct vss_volume {
        uint32_t size;
        int fd;                  /* its root directory, opened for reading */
        const char *path;        /* absolute path of its root where it is mounted */
        const char *mount_point; /* of the mount that holds it */
        const char *mount_root;  /* root of that mount inside the file system ("/" unless bound or subvol=) */
        const char *source;      /* as in /proc/self/mountinfo: a device, mostly */
        const char *fs_type;
        uint64_t device; /* st_dev of its root */
};

/* Answer of is_volume_supported. */
struct vss_volume_support {
        uint32_t size;
        enum vss_hold hold;
        /* Root of the volume inside the file system (malloc'ed, taken over; NULL: "/"). For btrfs the path of
         * the subvolume from the top level. */
        char *volume_root;
        /* Volumes with the same scope (malloc'ed, taken over; NULL: none) can be proven to share one instant. */
        char *atomic_scope;
};

struct vss_provider {
        uint32_t abi;  /* VSS_PROVIDER_ABI */
        uint32_t size; /* sizeof(struct vss_provider): fields are only appended */

        const char *name;          /* [A-Za-z][A-Za-z0-9_]*: the last element of the bus name */
        const char *id;            /* a UUID that never changes */
        const char *friendly_name; /* for people */
        const char *version;
        enum vss_provider_type type;
        uint64_t flags; /* VSS_PROVIDER_* */

        /* Required. Answer VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, with the reason, to decline. */
        vss_result (*is_volume_supported)(vss_provider_call *call, const struct vss_volume *volume,
                                          struct vss_volume_support *ret_support);
        /* @properties: the identity to keep with the copy ("id", "set", "volume", "context", ...). */
        vss_result (*begin_prepare_snapshot)(vss_provider_call *call, const char *set_id, const char *snapshot_id,
                                             const struct vss_volume *volume, const vss_value *properties);
        vss_result (*commit_snapshots)(vss_provider_call *call, const char *set_id);
        void (*abort_snapshots)(vss_provider_call *call, const char *set_id);
        /* Append the properties of every copy that stands to @list, of every context. */
        vss_result (*query)(vss_provider_call *call, vss_value *list);
        vss_result (*delete_snapshot)(vss_provider_call *call, const char *snapshot_id);
        /* A detached mount (fsmount(2), open_tree(2)) of the copy, read-only unless @writable. */
        vss_result (*open_snapshot)(vss_provider_call *call, const char *snapshot_id, bool writable,
                                    int *ret_mount_fd);

        /* Optional: NULL answers VSS_S_OK and does nothing. */
        vss_result (*list_nested_volumes)(vss_provider_call *call, const struct vss_volume *volume,
                                          vss_value *list); /* strings: paths below volume->path, relative */
        vss_result (*end_prepare_snapshots)(vss_provider_call *call, const char *set_id);
        vss_result (*pre_commit_snapshots)(vss_provider_call *call, const char *set_id);
        vss_result (*post_commit_snapshots)(vss_provider_call *call, const char *set_id, uint32_t count);
        vss_result (*pre_final_commit_snapshots)(vss_provider_call *call, const char *set_id);
        /* @results: dictionary; set "one-instant" to a list of lists of snapshot ids that provably share one. */
        vss_result (*post_final_commit_snapshots)(vss_provider_call *call, const char *set_id, vss_value *results);
};

#define VSS_PROVIDER_INIT .abi = VSS_PROVIDER_ABI, .size = (uint32_t)sizeof(struct vss_provider)

/*
 * vss_provider_main() - serve until SIGTERM, loss of the bus, or (when started by the bus) some idle minutes
 * Return: an exit status for main(). What went wrong at the start is on standard error.
 */
VSS_PUBLIC int vss_provider_main(const struct vss_provider *provider, void *userdata);

VSS_PUBLIC void *vss_provider_call_userdata(const vss_provider_call *call);
/* Record why a call fails. Return: @code. */
VSS_PUBLIC vss_result vss_provider_call_fail(vss_provider_call *call, vss_result code, const char *format, ...)
        VSS_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif

#endif
