/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef LINUXVSS_WRITER_H
#define LINUXVSS_WRITER_H

/*
 * Linux VSS: the writer's side
 *
 * A writer speaks for one kind of application. It is a process of its own that runs as that application's user
 * and hands a table of events to vss_writer_main(), which owns the bus name org.linuxvss.Writer.<name>, or
 * org.linuxvss.Writer.<name>.<instance_name>, and calls one event at a time.
 *
 * Order of events in one shadow copy set:
 *
 *     identify             any time, also while frozen for somebody else; must not change anything
 *     prepare_backup       component mode only: the components chosen are known
 *     prepare_snapshot     slow work; the application runs on
 *     freeze               hold the application; the least possible; by means that end by themselves
 *     thaw                 let go
 *     post_snapshot        after thaw; add what belongs to the backup
 *     backup_complete      data is safe: truncate logs here, and only here
 *     backup_shutdown      the session is over, also when the requester died
 *     abort                instead of thaw and the rest; may come several times and without a freeze before it
 *
 * And in a restore, for writers with components that are restored:
 *
 *     pre_restore          make room: stop, detach, refuse; say where the files have to go
 *     post_restore         the files are there, or are known not to be: attach, roll forward, start
 *
 * An event returns VSS_S_OK, or what vss_writer_call_fail() returned. Between freeze and thaw a writer must not
 * log, resolve names, or write to a volume of the set.
 *
 * If neither thaw nor abort has come when the freeze time is over, or when the service has left the bus,
 * vss_writer_main() calls abort by itself. What a writer holds must end even if the writer is killed.
 */

#include <linuxvss/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VSS_WRITER_ABI 1u

typedef struct vss_writer_call vss_writer_call; /* one event; gone when it returns */
typedef struct vss_metadata vss_metadata;       /* what identify fills in */

struct vss_writer {
        uint32_t abi;  /* VSS_WRITER_ABI */
        uint32_t size; /* sizeof(struct vss_writer): fields are only appended */

        const char *name;          /* [A-Za-z][A-Za-z0-9_]*: the last element of the bus name */
        const char *id;            /* class id, a UUID that never changes */
        const char *friendly_name; /* for people */
        const char *version;
        enum vss_usage_type usage;
        enum vss_source_type source;
        enum vss_application_level level; /* VSS_APP_UNKNOWN counts as front-end */
        uint32_t freeze_timeout_ms;       /* 0: 60000 */

        /* Required. */
        vss_result (*identify)(vss_writer_call *call, vss_metadata *metadata);
        vss_result (*freeze)(vss_writer_call *call);
        vss_result (*thaw)(vss_writer_call *call);
        vss_result (*abort)(vss_writer_call *call);

        /* Optional: NULL answers VSS_S_OK. */
        vss_result (*prepare_backup)(vss_writer_call *call);
        vss_result (*prepare_snapshot)(vss_writer_call *call);
        vss_result (*post_snapshot)(vss_writer_call *call);
        vss_result (*backup_complete)(vss_writer_call *call);
        vss_result (*backup_shutdown)(vss_writer_call *call);

        /* Which of many alike this is: [A-Za-z_][A-Za-z0-9_]*, stable. NULL or "" if there is only one. The bus
         * policy of a writer with instances allows own_prefix="org.linuxvss.Writer.<name>". */
        const char *instance_name;
        uint32_t backup_schema; /* VSS_BS_*; or by vss_metadata_set_backup_schema() */
        vss_result (*pre_restore)(vss_writer_call *call);
        vss_result (*post_restore)(vss_writer_call *call);
};

#define VSS_WRITER_INIT .abi = VSS_WRITER_ABI, .size = (uint32_t)sizeof(struct vss_writer)

/*
 * vss_writer_main() - serve until SIGTERM, loss of the bus, or (when started by the bus) some idle minutes
 * @writer:    borrowed for the whole time
 * @userdata:  handed out by vss_writer_call_userdata()
 * Return: an exit status for main(). What went wrong at the start is on standard error.
 */
VSS_PUBLIC int vss_writer_main(const struct vss_writer *writer, void *userdata);

/* Record why an event fails (VSS_E_WRITERERROR_*). Return: @code. */
VSS_PUBLIC vss_result vss_writer_call_fail(vss_writer_call *call, vss_result code, const char *format, ...)
        VSS_PRINTF(3, 4);
/* One component failed; the others are well. @level_reason goes to the result. Freeze and prepare_snapshot only.
 * Return: VSS_S_OK or VSS_E_OUTOFMEMORY. */
VSS_PUBLIC vss_result vss_writer_call_fail_component(vss_writer_call *call, const char *logical_path,
                                                     const char *name, vss_result code, const char *format, ...)
        VSS_PRINTF(5, 6);

VSS_PUBLIC void *vss_writer_call_userdata(const vss_writer_call *call);
/* "" where the event has none. */
VSS_PUBLIC const char *vss_writer_call_session_id(const vss_writer_call *call);
VSS_PUBLIC const char *vss_writer_call_set_id(const vss_writer_call *call);
VSS_PUBLIC uint32_t vss_writer_call_context(const vss_writer_call *call);
VSS_PUBLIC enum vss_backup_type vss_writer_call_backup_type(const vss_writer_call *call);
VSS_PUBLIC bool vss_writer_call_components_selected(const vss_writer_call *call);
/* Milliseconds that are left for this event. */
VSS_PUBLIC uint32_t vss_writer_call_time_left_ms(const vss_writer_call *call);
/* The roots of the volumes in the set, absolute paths; from prepare_snapshot on. */
VSS_PUBLIC size_t vss_writer_call_volume_count(const vss_writer_call *call);
VSS_PUBLIC const char *vss_writer_call_volume(const vss_writer_call *call, size_t index);
/* Is @path on a volume of the set? By path, without touching the file system. */
VSS_PUBLIC bool vss_writer_call_is_path_affected(const vss_writer_call *call, const char *path);
/* Where the shadow copy of the volume of @path can be read; in post_snapshot. NULL if it is not in the set. */
VSS_PUBLIC const char *vss_writer_call_snapshot_device(const vss_writer_call *call, const char *path);
/* The components chosen, as dictionaries with "logical-path" and "name", and in backup_complete "succeeded".
 * Without a selection, only components of this writer that failed are listed, with "succeeded" false. */
VSS_PUBLIC size_t vss_writer_call_component_count(const vss_writer_call *call);
VSS_PUBLIC const vss_value *vss_writer_call_component(const vss_writer_call *call, size_t index);

/* What a component is. Strings are borrowed for the call; NULL is "". */
struct vss_component_info {
        uint32_t size; /* sizeof(struct vss_component_info) */
        enum vss_component_type type;
        const char *logical_path; /* elements parted by '/', no leading one; may be empty */
        const char *name;         /* not empty, no '/' */
        const char *caption;
        bool selectable;
        bool selectable_for_restore;
        uint32_t flags;
        /* Linux VSS */
        bool needs_one_instant; /* its files lie on several volumes and must be cut together */
        const char *owner;      /* a user name: whose files these are, if not the writer's user (brokers only) */
        const char *crash_only; /* non-NULL: this component can only be crash-consistent now, and why */
};

/* Return (all): VSS_S_OK, VSS_E_OBJECT_ALREADY_EXISTS, VSS_E_OBJECT_NOT_FOUND, VSS_E_INVALIDARG, VSS_E_OUTOFMEMORY. */
VSS_PUBLIC vss_result vss_metadata_add_component(vss_metadata *metadata, const struct vss_component_info *info);
/* A file set of a component: @path is an absolute directory, @filespec a name with * and ?. */
VSS_PUBLIC vss_result vss_metadata_add_files(vss_metadata *metadata, const char *logical_path, const char *name,
                                             const char *path, const char *filespec, bool recursive);
/* Never to be backed up, whatever else includes it. */
VSS_PUBLIC vss_result vss_metadata_add_exclude(vss_metadata *metadata, const char *path, const char *filespec,
                                               bool recursive);
/* A right that is missing, and the exact statement or command that grants it; shown by `vss list writers`. */
VSS_PUBLIC vss_result vss_metadata_add_missing_right(vss_metadata *metadata, const char *what, const char *remedy);
/* Something wrong that does not stop the writer (a configuration file with an error: file, line, reason). */
VSS_PUBLIC vss_result vss_metadata_add_warning(vss_metadata *metadata, const char *format, ...) VSS_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif

#endif
