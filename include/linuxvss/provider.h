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
 *     end_prepare_snapshots        slow work ends here; everything still runs; what the hold is to do is handed over
 *       -- writers are frozen --
 *     pre_commit_snapshots         a last look that commit will be instant
 *       -- file systems are held, if asked for --
 *     commit_snapshots             the point in time: system calls only, no I/O to the originals, no logs
 *       -- devices are suspended, cut and resumed by the hold, if asked for; then all is released --
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
/* Copies can be made for another machine: get_target_luns and import_snapshots are there. */
#define VSS_PROVIDER_TRANSPORTABLE (UINT64_C(1) << 3)
/* Kinds of copy it makes: differences to the original, whole mirrors. Asked for by the attributes of the same names. */
#define VSS_PROVIDER_DIFFERENTIAL (UINT64_C(1) << 4)
#define VSS_PROVIDER_PLEX (UINT64_C(1) << 5)

/* Shadow copies of one volume at one time, whatever a provider says. */
#define VSS_PROVIDER_SNAPSHOTS_MAX 512u

/* The cut of a device (VSS_HOLD_DEVICE): operations on one volume, and bytes of a message. */
#define VSS_PROVIDER_OPERATIONS_MAX 8u
#define VSS_PROVIDER_MESSAGE_MAX 127u

/* How much of a copy is of one point in time. Less is better. */
enum vss_atomic_scope {
        VSS_ATOMIC_VOLUME = 0, /* each copy is of one instant */
        VSS_ATOMIC_FILE = 1    /* only each file is; the tree is as consistent as its frozen writers make it */
};

/* What could tell two copies of a volume apart. Declared for requesters to come: there are no calls for it yet. */
enum vss_changed {
        VSS_CHANGED_NONE = 0,
        VSS_CHANGED_RANGES = 1, /* byte ranges of the block device */
        VSS_CHANGED_FILES = 2
};

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
        enum vss_atomic_scope atomic_scope; /* the provider's own unless it says less here */
};

struct vss_provider {
        uint32_t abi;  /* VSS_PROVIDER_ABI */
        uint32_t size; /* sizeof(struct vss_provider): fields are only appended */

        const char *name;          /* [A-Za-z][A-Za-z0-9_]*: the last element of the bus name */
        const char *id;            /* a UUID that never changes */
        const char *friendly_name; /* for people */
        const char *version;
        enum vss_provider_type type;
        uint64_t flags;                     /* VSS_PROVIDER_* */
        uint32_t holds;                     /* 1u << enum vss_hold for each that it may ask for; never 0 */
        enum vss_atomic_scope atomic_scope; /* the best that it offers */
        enum vss_changed changed;

        /* Required. Answer VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, with the reason, to decline. */
        vss_result (*is_volume_supported)(vss_provider_call *call, const struct vss_volume *volume,
                                          struct vss_volume_support *ret_support);
        /* @properties: the identity to keep with the copy ("id", "set", "volume", "context", ...). For VSS_ATOMIC_FILE
         * "paths" may be a list of absolute paths at or below that of the volume: all else need not be in the copy. */
        vss_result (*begin_prepare_snapshot)(vss_provider_call *call, const char *set_id, const char *snapshot_id,
                                             const struct vss_volume *volume, const vss_value *properties);
        vss_result (*commit_snapshots)(vss_provider_call *call, const char *set_id);
        void (*abort_snapshots)(vss_provider_call *call, const char *set_id);
        /*
         * Append the properties of every copy that stands to @list, of every context: those it was given, and of its
         * own "block-device" (a device with the copy's bytes), "hidden" (a list of paths below the copy's root that
         * nobody is shown: the provider's own files), and "state": "created" once it is complete;
         * "incomplete", what a crash has left, which the service deletes; "lost" with "reason": the copy exists no
         * more or cannot be believed, open_snapshot of it fails with VSS_E_OBJECT_NOT_FOUND, delete_snapshot removes
         * what is left; "unknown": it cannot be read at the moment, so that nothing is done with it, and it stays.
         */
        vss_result (*query)(vss_provider_call *call, vss_value *list);
        vss_result (*delete_snapshot)(vss_provider_call *call, const char *snapshot_id);
        /* A detached mount (fsmount(2), open_tree(2)) of the copy, read-only unless @writable. */
        vss_result (*open_snapshot)(vss_provider_call *call, const char *snapshot_id, bool writable,
                                    int *ret_mount_fd);

        /* Optional: NULL answers VSS_S_OK and does nothing. */
        vss_result (*list_nested_volumes)(vss_provider_call *call, const struct vss_volume *volume,
                                          vss_value *list); /* strings: paths below volume->path, relative */
        /*
         * @results: dictionary. For each volume whose hold is VSS_HOLD_DEVICE "cut", a list, has a dictionary
         * {"snapshot": id, "device": "MAJOR:MINOR" (the device-mapper device that the volume is mounted from),
         * "operations": a list, in order, of {"do": "resume", "device": "MAJOR:MINOR"} and {"do": "message", "device":
         * "MAJOR:MINOR", "message": text}}. The hold suspends that device, does them, and resumes it: tables that are to
         * take effect then are loaded by now. Where the cut fails or comes too late, the inactive table of the device is
         * cleared before it is resumed; abort_snapshots puts the rest right. "suspended": a list of {"what", "usec",
         * "why"}, what this call has suspended by other means. "properties": by snapshot id, those of its own that query
         * will tell ("block-device", "hidden"), for the copy is mounted before it can be asked for.
         */
        vss_result (*end_prepare_snapshots)(vss_provider_call *call, const char *set_id, vss_value *results);
        vss_result (*pre_commit_snapshots)(vss_provider_call *call, const char *set_id);
        vss_result (*post_commit_snapshots)(vss_provider_call *call, const char *set_id, uint32_t count);
        vss_result (*pre_final_commit_snapshots)(vss_provider_call *call, const char *set_id);
        /* @results: dictionary; set "one-instant" to a list of lists of snapshot ids that provably share one
         * (with VSS_ATOMIC_FILE also one alone: nothing in it changed while it was made), "left-out" to a list of
         * {"snapshot", "path", "reason"}, what was wanted and is not in the copy; "suspended" and "properties" as in
         * end_prepare_snapshots. */
        vss_result (*post_final_commit_snapshots)(vss_provider_call *call, const char *set_id, vss_value *results);

        /* Shadow copies of one volume at one time; 0: VSS_PROVIDER_SNAPSHOTS_MAX. The service counts. */
        uint64_t max_snapshots;

        /*
         * Optional: NULL answers VSS_E_NOT_SUPPORTED. None of these comes while a set of this provider is between
         * end_prepare_snapshots and post_commit_snapshots, and each keeps such a set waiting: what takes long is
         * begun here, and goes on by itself.
         */

        /* @properties: a dictionary; each of its keys replaces that of the identity kept with the copy. */
        vss_result (*set_snapshot_property)(vss_provider_call *call, const char *snapshot_id,
                                            const vss_value *properties);
        /* For transportable sets, from post_commit_snapshots on. Set in @luns, by snapshot id, a list of dictionaries
         * {"source", "destination"}: descriptions of the LUNs ("id", and what else the provider wants to know again)
         * that hold the original and the copy. */
        vss_result (*get_target_luns)(vss_provider_call *call, const char *set_id, vss_value *luns);
        /* A set that another machine made: @set has "snapshots", each as begin_prepare_snapshot was given it there,
         * with "luns", and with "host", "boot", "service", "session" and "attributes" as they are to be kept from now
         * on. Find each copy's LUN, take it over, keep the identity with it; query lists it from then on. A copy can be
         * imported once. Two machines may begin at once: go in the order of "snapshots", and if the first is another
         * machine's, let all fail, so that never each has a part. Append to @result's lists "imported" the ids, to
         * "failed" {"id", "reason"}. */
        vss_result (*import_snapshots)(vss_provider_call *call, const vss_value *set, vss_value *result);
        /* The copies of a set become plain volumes that nobody keeps account of. @flags: VSS_BREAKEX_FLAG_*. */
        vss_result (*break_snapshot_set)(vss_provider_call *call, const char *set_id, uint32_t flags);
        /* The volume becomes what the copy is. VSS_E_VOLUME_IN_USE unless @force, VSS_E_REVERT_IN_PROGRESS. Newer
         * copies of the volume are deleted by the service once this has succeeded. */
        vss_result (*revert_to_snapshot)(vss_provider_call *call, const char *snapshot_id, bool force);
        /* @volume: its path and what else is known, with no descriptor (-1): it may be dismounted. Set "in-progress"
         * (boolean), "percent" and "snapshot" (the id) in @status. */
        vss_result (*query_revert_status)(vss_provider_call *call, const struct vss_volume *volume,
                                          vss_value *status);
        /* LUNs become what their copies are. @request: "snapshots", a list of {"id", "destination" (a volume; "" for
         * the original)}, and "flags", VSS_RECOVERY_*. The copies stay. VSS_E_RESYNC_IN_PROGRESS, and
         * VSS_E_UNSELECTED_VOLUME if a LUN holds volumes that are not in the list. */
        vss_result (*resync_snapshots)(vss_provider_call *call, const vss_value *request);

        /* Difference areas: where the differences of a volume's copies are kept. */

        /* Append {"volume", "diff-volume" (paths), "maximum", "allocated", "used" (bytes; maximum -1: no limit),
         * "explicit" (boolean: somebody has set it), "snapshots" (ids)} to @list, for each volume and place. */
        vss_result (*query_diff_areas)(vss_provider_call *call, vss_value *list);
        /* Those of @volume lie on @diff_volume from now on. @maximum: bytes, UINT64_MAX: no limit. */
        vss_result (*add_diff_area)(vss_provider_call *call, const struct vss_volume *volume,
                                    const struct vss_volume *diff_volume, uint64_t maximum);
        /* 0: they no longer lie there. VSS_E_VOLUME_IN_USE while there are any. */
        vss_result (*change_diff_area_maximum_size)(vss_provider_call *call, const struct vss_volume *volume,
                                                    const struct vss_volume *diff_volume, uint64_t maximum);
        /*
         * Look after what stands: how full it is, what has to grow or go. Set in @results "next-usec" (it is asked again
         * then; absent or 0: nothing stands that needs it), "suspended" as in end_prepare_snapshots, and "events", a list
         * of {"event": "storage-low", "storage-grown", "storage-grow-failed", "snapshot-lost", "snapshot-deleted" or
         * "suspended", and of "snapshot", "volume", "message", "used", "allocated", "maximum", "usec" what there is to
         * say}. What delete_snapshot has suspended is told here.
         */
        vss_result (*check_storage)(vss_provider_call *call, vss_value *results);

        /* Devices that have to be set up before their volumes can be copied. */

        /* @options: "name", "remount" (boolean: what is mounted from it is mounted anew), "boot" (boolean, true if not
         * there: it is attached again at the next start). Set in @result "device", "name", "mapped" (the device to use
         * instead) and "mounted", a list of mount points. VSS_E_VOLUME_IN_USE. */
        vss_result (*attach_device)(vss_provider_call *call, const char *device, const vss_value *options,
                                    vss_value *result);
        /* @options: "remount". VSS_E_VOLUME_IN_USE, also while copies of it stand. */
        vss_result (*detach_device)(vss_provider_call *call, const char *device, const vss_value *options,
                                    vss_value *result);
        /* Append {"device", "name", "mapped", "boot" (boolean), "mounted" (mount points), "snapshots" (ids)} to @list. */
        vss_result (*query_attached)(vss_provider_call *call, vss_value *list);
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
