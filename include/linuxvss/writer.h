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
 *     post_snapshot        after thaw; repair the copy, say what belongs to the backup
 *     backup_complete      data is safe: truncate logs here, and only here
 *     backup_shutdown      the session is over, also when the requester died
 *     abort                instead of thaw and the rest; may come several times and without a freeze before it
 *
 * And in a restore, for writers with components that are restored:
 *
 *     pre_restore          make room: stop, detach, refuse; say where the files have to go
 *     post_restore         the files are there, or are known not to be: attach, roll forward, start
 *
 * backup_shutdown then says that the session is over, also if post_restore never came.
 *
 * And whenever a set stands, for writers with components in it:
 *
 *     verify               is the data in the copy good? Look with the application's own means, on a clone
 *                          that can be written to and is thrown away
 *
 * An event returns VSS_S_OK, or what vss_writer_call_fail() returned. Between freeze and thaw a writer must not
 * log, resolve names, or write to a volume of the set.
 *
 * Sessions of many requesters go on side by side, but for the time of a freeze: other sessions' events wait until
 * it is over. What a writer remembers it remembers per session (vss_writer_call_session_id()).
 *
 * If neither thaw nor abort has come when the freeze time is over, or when the service has left the bus,
 * vss_writer_main() calls abort by itself. What a writer holds must end even if the writer is killed.
 */

#include <linuxvss/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VSS_WRITER_ABI 1u

/* Sessions that a writer takes part in side by side. One more is VSS_E_WRITER_STATUS_NOT_AVAILABLE; a session
 * whose backup_complete or post_restore has been answered makes room for it. */
#define VSS_WRITER_SESSIONS_MAX 16u
/* Bytes, without the NUL, of a text that a writer leaves with a component, and of its metadata for backup or
 * restore. */
#define VSS_COMPONENT_TEXT_MAX 65536u
#define VSS_COMPONENT_METADATA_MAX 1048576u
/* Files of each kind (partial, differenced, directed) that a component may have. */
#define VSS_COMPONENT_FILES_MAX 10000u
/* Bytes of an icon. */
#define VSS_ICON_MAX 65536u

typedef struct vss_writer_call vss_writer_call; /* one event; gone when it returns */
typedef struct vss_metadata vss_metadata;       /* what identify fills in */

struct vss_writer {
        uint32_t abi;  /* VSS_WRITER_ABI */
        uint32_t size; /* sizeof(struct vss_writer): fields are only appended */

        const char *name;          /* [A-Za-z][A-Za-z0-9_]*: the last element of the bus name */
        const char *id;            /* class id, a UUID in lower-case letters that never changes */
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
        /*
         * May take long (vss_writer_call_time_left_ms()), so it runs in a process of its own, a fork of the writer:
         * what it changes in memory is gone afterwards, sockets that the writer has open are closed in it, and its
         * locks may be held by threads that are not there. Other sessions go on meanwhile. Whatever it has started
         * is killed when it returns, when its time is over, and when the requester gives up.
         */
        vss_result (*verify)(vss_writer_call *call);
        /* pre_restore and post_restore look at vss_writer_call_is_dry_run(). If not, they are not called for one. */
        bool knows_dry_run;
};

#define VSS_WRITER_INIT .abi = VSS_WRITER_ABI, .size = (uint32_t)sizeof(struct vss_writer)

/*
 * vss_writer_main() - serve until SIGTERM, loss of the bus, or (when started by the bus) some idle minutes
 * @writer:    borrowed for the whole time
 * @userdata:  handed out by vss_writer_call_userdata()
 * Return: an exit status for main(). What went wrong at the start is on standard error.
 */
VSS_PUBLIC int vss_writer_main(const struct vss_writer *writer, void *userdata);

/*
 * Failing
 *
 * An event that returns a failure has failed; a veto says the same, but the event was carried out. The service makes
 * no difference: the writer's data counts as crash-consistent at best, what it holds is ended by abort, and the
 * others go on. Codes are VSS_E_WRITERERROR_*: what they ask the requester to do is in vss_result_remedy(). In
 * identify nothing but fail() has an effect.
 */

/* Record why an event fails. Return: @code, to be returned by the handler. */
VSS_PUBLIC vss_result vss_writer_call_fail(vss_writer_call *call, vss_result code, const char *format, ...)
        VSS_PRINTF(3, 4);
/* A veto. Return: VSS_S_OK, to be returned by the handler; VSS_E_INVALIDARG for a @code that is no writer's;
 * VSS_E_BAD_STATE in identify. */
VSS_PUBLIC vss_result vss_writer_call_veto(vss_writer_call *call, vss_result code, const char *format, ...)
        VSS_PRINTF(3, 4);
/* The application's own number and words for a failure or veto of this event, in any order with it.
 * Return: VSS_S_OK, VSS_E_INVALIDARG, VSS_E_BAD_STATE in identify, VSS_E_OUTOFMEMORY. */
VSS_PUBLIC vss_result vss_writer_call_set_application_failure(vss_writer_call *call, int32_t application_code,
                                                              const char *format, ...) VSS_PRINTF(3, 4);
/* One component failed; the others are well, and the handler returns VSS_S_OK or
 * VSS_E_WRITERERROR_PARTIAL_FAILURE. Not in identify, abort, backup_shutdown.
 * Return: VSS_S_OK, VSS_E_INVALIDARG, VSS_E_BAD_STATE, VSS_E_OUTOFMEMORY. */
VSS_PUBLIC vss_result vss_writer_call_fail_component(vss_writer_call *call, const char *logical_path,
                                                     const char *name, vss_result code, const char *format, ...)
        VSS_PRINTF(5, 6);
/* The same with the application's own number (SetFailure); @message may be NULL. */
VSS_PUBLIC vss_result vss_writer_call_set_failure(vss_writer_call *call, const char *logical_path,
                                                  const char *name, vss_result code, int32_t application_code,
                                                  const char *message);

/* What an event came with. Strings and values are borrowed for the event. */

VSS_PUBLIC void *vss_writer_call_userdata(const vss_writer_call *call);
/* "" where the event has none. */
VSS_PUBLIC const char *vss_writer_call_session_id(const vss_writer_call *call);
VSS_PUBLIC const char *vss_writer_call_set_id(const vss_writer_call *call);
VSS_PUBLIC uint32_t vss_writer_call_context(const vss_writer_call *call);
VSS_PUBLIC enum vss_backup_type vss_writer_call_backup_type(const vss_writer_call *call);
VSS_PUBLIC enum vss_restore_type vss_writer_call_restore_type(const vss_writer_call *call);
VSS_PUBLIC bool vss_writer_call_components_selected(const vss_writer_call *call);
VSS_PUBLIC bool vss_writer_call_bootable_system_state(const vss_writer_call *call);
/* Does the requester save parts of files? Only then are there partial files. */
VSS_PUBLIC bool vss_writer_call_partial_file_support(const vss_writer_call *call);
/* Of the service; "" if it did not say. The service knows the library's from Identify. */
VSS_PUBLIC const char *vss_writer_call_service_version(const vss_writer_call *call);
/* Of this run of the program: a UUID that the library made. */
VSS_PUBLIC const char *vss_writer_call_instance_id(const vss_writer_call *call);
VSS_PUBLIC enum vss_application_level vss_writer_call_level(const vss_writer_call *call);
/* Milliseconds that are left for this event. */
VSS_PUBLIC uint32_t vss_writer_call_time_left_ms(const vss_writer_call *call);
/* The roots of the volumes in the set, absolute paths; from prepare_snapshot on. */
VSS_PUBLIC size_t vss_writer_call_volume_count(const vss_writer_call *call);
VSS_PUBLIC const char *vss_writer_call_volume(const vss_writer_call *call, size_t index);
/* Is @path on a volume of the set? By path, without touching the file system. */
VSS_PUBLIC bool vss_writer_call_is_path_affected(const vss_writer_call *call, const char *path);
/*
 * vss_writer_call_snapshot_device() - the root of the shadow copy of the volume that @path lies on, in post_snapshot
 * Mostly a path below /proc/self/fd, of a mount that is attached nowhere: it is good in this process, while the
 * event lasts. It can be written to where the context and a component's flags (VSS_CF_*_RECOVERY) have the
 * writer repair its copy.
 * Return: a path without a slash at its end, or NULL if the volume is not in the set, or beyond the first 16.
 */
VSS_PUBLIC const char *vss_writer_call_snapshot_device(const vss_writer_call *call, const char *path);
/*
 * vss_writer_call_group_is_needed() - in prepare_snapshot: who would be stopped with a control group?
 * Asks for those that have a part in letting go: the service, the bus, the requester, a writer (this one
 * too) or provider of the set. @path is as in /proc/PID/cgroup, without "0::". Return: whose process is in
 * it, or below it; NULL: nobody's.
 */
VSS_PUBLIC const char *vss_writer_call_group_is_needed(const vss_writer_call *call, const char *path);
/* The components chosen, as dictionaries with "logical-path", "name", what the requester said of them
 * ("previous-stamp", "new-targets", "restore-options", ...) and what the writer left with them earlier; in
 * backup_complete with "succeeded". The keys are in linuxvss-values(7). Without a selection, only components of
 * this writer that failed are listed, with "succeeded" false. */
VSS_PUBLIC size_t vss_writer_call_component_count(const vss_writer_call *call);
VSS_PUBLIC const vss_value *vss_writer_call_component(const vss_writer_call *call, size_t index);
/* NULL if it was not chosen. */
VSS_PUBLIC const vss_value *vss_writer_call_find_component(const vss_writer_call *call, const char *logical_path,
                                                           const char *name);
/* NULL if the requester set none. */
VSS_PUBLIC const char *vss_writer_call_backup_options(const vss_writer_call *call, const char *logical_path,
                                                      const char *name);
VSS_PUBLIC const char *vss_writer_call_previous_backup_stamp(const vss_writer_call *call,
                                                             const char *logical_path, const char *name);

/*
 * What a writer leaves with a component that was chosen
 *
 * The service puts it into the backup components document, where the requester finds it, and where a later
 * restore finds it again. Setting replaces what was set; adding adds, and the same file again replaces. Texts are
 * the writer's own, UTF-8, within the limits above. @path is an absolute directory, @filename a name without
 * wildcards; @ranges is "offset:length, ..." (decimal, or hexadecimal with 0x), or "File=PATH" for a file with them.
 *
 * Return (all): VSS_S_OK; VSS_E_BAD_STATE outside of the events that are named; VSS_E_OBJECT_NOT_FOUND for a
 * component that was not chosen; VSS_E_INVALIDARG, also beyond the limits; VSS_E_OUTOFMEMORY.
 */

/* From prepare_backup to post_snapshot. A stamp needs VSS_BS_TIMESTAMPED in the backup schema (else
 * VSS_E_NOT_SUPPORTED). */
VSS_PUBLIC vss_result vss_writer_call_set_backup_stamp(vss_writer_call *call, const char *logical_path,
                                                       const char *name, const char *stamp);
VSS_PUBLIC vss_result vss_writer_call_set_backup_metadata(vss_writer_call *call, const char *logical_path,
                                                          const char *name, const char *metadata);
/* Only these ranges of a file have to be saved, whatever its file set says. Needs
 * vss_writer_call_partial_file_support() (else VSS_E_NOT_SUPPORTED). @metadata may be NULL. */
VSS_PUBLIC vss_result vss_writer_call_add_partial_file(vss_writer_call *call, const char *logical_path,
                                                       const char *name, const char *path, const char *filename,
                                                       const char *ranges, const char *metadata);
/* These files have to be saved if they were modified after @modified_after_usec (a date; 0: since the requester's
 * own last backup). */
VSS_PUBLIC vss_result vss_writer_call_add_differenced_files_by_last_modify_time(
        vss_writer_call *call, const char *logical_path, const char *name, const char *path, const char *filespec,
        bool recursive, uint64_t modified_after_usec);
/* In prepare_backup, post_snapshot, pre_restore and post_restore: what to tell people. */
VSS_PUBLIC vss_result vss_writer_call_set_prepare_for_backup_failure_msg(vss_writer_call *call,
                                                                         const char *logical_path,
                                                                         const char *name, const char *message);
VSS_PUBLIC vss_result vss_writer_call_set_post_snapshot_failure_msg(vss_writer_call *call,
                                                                    const char *logical_path, const char *name,
                                                                    const char *message);
VSS_PUBLIC vss_result vss_writer_call_set_pre_restore_failure_msg(vss_writer_call *call,
                                                                  const char *logical_path, const char *name,
                                                                  const char *message);
VSS_PUBLIC vss_result vss_writer_call_set_post_restore_failure_msg(vss_writer_call *call,
                                                                   const char *logical_path, const char *name,
                                                                   const char *message);
/* In pre_restore and post_restore. */
VSS_PUBLIC vss_result vss_writer_call_set_restore_metadata(vss_writer_call *call, const char *logical_path,
                                                           const char *name, const char *metadata);
/* In pre_restore. VSS_RT_DIRECTED goes with directed targets. */
VSS_PUBLIC vss_result vss_writer_call_set_restore_target(vss_writer_call *call, const char *logical_path,
                                                         const char *name, enum vss_restore_target target);
/* In pre_restore: these ranges of a saved file go to those of another. Ranges that are NULL or "" are the
 * whole file. */
VSS_PUBLIC vss_result vss_writer_call_add_directed_target(
        vss_writer_call *call, const char *logical_path, const char *name, const char *source_path,
        const char *source_filename, const char *source_ranges, const char *destination_path,
        const char *destination_filename, const char *destination_ranges);

/*
 * Restores executed
 *
 * A dry run is a restore in which nothing is done: pre_restore and post_restore leave a note of each thing they would
 * do, and fail where they would fail. Units are stopped and started by the service: those of the writer's descriptor
 * (Units=) alone, and only while its pre_restore or post_restore runs. They wait until it is done, within the time of
 * the event.
 */

VSS_PUBLIC bool vss_writer_call_is_dry_run(const vss_writer_call *call);
/*
 * Return (both): VSS_S_OK, also if it was stopped or runs already; VSS_E_ACCESSDENIED if the unit is not in the descriptor;
 * VSS_E_OBJECT_NOT_FOUND if there is no such unit, or no systemd; VSS_E_WRITERERROR_TIMEOUT; VSS_E_UNEXPECTED if it
 * failed; VSS_E_BAD_STATE in other events and in a dry run; VSS_E_INVALIDARG. Why is in vss_writer_call_failure_text().
 */
VSS_PUBLIC vss_result vss_writer_call_stop_unit(vss_writer_call *call, const char *unit);
VSS_PUBLIC vss_result vss_writer_call_start_unit(vss_writer_call *call, const char *unit);
/* Is it active (or becoming so)? Not in verify, nor from freeze to thaw (of any session): VSS_E_BAD_STATE.
 * VSS_E_OBJECT_NOT_FOUND if there is no such unit, or no systemd. */
VSS_PUBLIC vss_result vss_writer_call_is_unit_active(vss_writer_call *call, const char *unit, bool *ret_active);
/* What was recorded last by vss_writer_call_fail(), a veto, or one of the calls about units; "" if nothing was. */
VSS_PUBLIC const char *vss_writer_call_failure_text(const vss_writer_call *call);
/*
 * vss_writer_call_add_note() - what was done, or in a dry run would be: for people, one sentence
 * In prepare_backup, backup_complete, pre_restore, post_restore and verify. @logical_path and @name may both be NULL: not
 * about one component. The requester has it in the result of its call ("notes").
 * Return: VSS_S_OK, VSS_E_INVALIDARG, VSS_E_BAD_STATE, VSS_E_OUTOFMEMORY (also beyond 1000).
 */
VSS_PUBLIC vss_result vss_writer_call_add_note(vss_writer_call *call, const char *logical_path, const char *name,
                                               const char *format, ...) VSS_PRINTF(4, 5);

/*
 * vss_writer_call_is_one_instant() - are all of @paths cut at one instant, by the storage alone?
 * From prepare_snapshot on, as the providers promise: true for paths on one volume that is copied as a whole, and on
 * several that all stand still under the hold. In thaw and post_snapshot: whether they were. False for a path that is not
 * in the set, and for volumes of which the providers promise nothing together.
 */
VSS_PUBLIC bool vss_writer_call_is_one_instant(const vss_writer_call *call, const char *const *paths, size_t n);

/*
 * In verify: vss_writer_call_snapshot_device() is the root of a clone of the volume's shadow copy, as an ordinary path; what
 * is written to it is thrown away afterwards, and no program in it can be started. vss_writer_call_scratch() is an empty
 * directory of the writer's user, short enough for sockets, removed afterwards; NULL in other events.
 */
VSS_PUBLIC const char *vss_writer_call_scratch(const vss_writer_call *call);

/* What a component is. Strings are borrowed for the call; NULL is "". */
struct vss_component_info {
        uint32_t size; /* sizeof(struct vss_component_info) */
        enum vss_component_type type;
        const char *logical_path; /* elements parted by '/', no leading one; may be empty */
        const char *name;         /* not empty, no '/' */
        const char *caption;
        bool selectable;
        bool selectable_for_restore;
        uint32_t flags; /* VSS_CF_* */
        /* Linux VSS */
        bool needs_one_instant; /* its files lie on several volumes and must be cut together */
        const char *owner;      /* a user name: whose files these are, if not the writer's user (brokers only) */
        const char *crash_only; /* non-NULL: this component can only be crash-consistent now, and why */

        const void *icon; /* a picture for people, PNG; NULL: none */
        size_t icon_size; /* bytes, at most VSS_ICON_MAX */
        /* For requesters to know; the service does not act on them. */
        bool restore_metadata;          /* it leaves restore metadata */
        bool notify_on_backup_complete; /* it wants to know how its backup ended */
};

/* Return (all): VSS_S_OK, VSS_E_OBJECT_ALREADY_EXISTS, VSS_E_OBJECT_NOT_FOUND, VSS_E_INVALIDARG, VSS_E_OUTOFMEMORY
 * (also beyond 10000 components, 100000 file sets, excludes and mappings, 1000 notes). */
VSS_PUBLIC vss_result vss_metadata_add_component(vss_metadata *metadata, const struct vss_component_info *info);
/* A file set of a component: @path is an absolute directory, or begins with a variable of the writer's environment
 * ($NAME, ${NAME}, %NAME%), which is replaced; @filespec a name with * and ?. In a component of the type database they
 * are database files, which cannot be recursive. */
VSS_PUBLIC vss_result vss_metadata_add_files(vss_metadata *metadata, const char *logical_path, const char *name,
                                             const char *path, const char *filespec, bool recursive);

enum vss_file_kind {
        VSS_FK_FILE = 0,     /* of a file group */
        VSS_FK_DATABASE = 1, /* of a database: its data, */
        VSS_FK_LOG = 2       /* and its logs */
};

struct vss_file_set {
        uint32_t size; /* sizeof(struct vss_file_set) */
        const char *path, *filespec;
        bool recursive;
        const char *alternate_path; /* where backups read it instead, absolute; NULL: none. Restores go to @path. */
        uint32_t backup_mask;       /* VSS_FSBT_*; 0: VSS_FSBT_DEFAULT */
        enum vss_file_kind kind;
};

/* The same in full: AddFilesToFileGroup, AddDatabaseFiles and AddDatabaseLogFiles. VSS_E_INVALIDARG for a kind that is
 * not of the component's type, an alternate path that is recursive, and a database's that is either. */
VSS_PUBLIC vss_result vss_metadata_add_file_set(vss_metadata *metadata, const char *logical_path,
                                                const char *name, const struct vss_file_set *set);
/* Never to be backed up, whatever else includes it. */
VSS_PUBLIC vss_result vss_metadata_add_exclude(vss_metadata *metadata, const char *path, const char *filespec,
                                               bool recursive);
/* To be deleted from the shadow copy (as far as possible, in the time of post_snapshot), as nobody needs it there. */
VSS_PUBLIC vss_result vss_metadata_add_exclude_from_snapshot(vss_metadata *metadata, const char *path,
                                                             const char *filespec, bool recursive);
/*
 * vss_metadata_set_restore_method() - how this writer's files are restored; once
 * @service:         the unit to stop and start; required by VSS_RME_STOP_RESTORE_START and _RESTORE_STOP_START
 * @user_procedure:  for people, what to do by hand: a text or the address of one; NULL: nothing
 * @reboot_required: it works only after the next boot
 */
VSS_PUBLIC vss_result vss_metadata_set_restore_method(vss_metadata *metadata, enum vss_restore_method method,
                                                      const char *service, const char *user_procedure,
                                                      enum vss_writer_restore writer_restore, bool reboot_required);
/* AddAlternateLocationMapping: where restores put a file set that cannot go to its place, or must not. The set is one of a component that was added
 * before, with the same @path, @filespec and @recursive (else VSS_E_OBJECT_NOT_FOUND). */
VSS_PUBLIC vss_result vss_metadata_add_alternate_mapping(vss_metadata *metadata, const char *path,
                                                                  const char *filespec, bool recursive,
                                                                  const char *alternate_path);
/* AddComponentDependency: a component of another writer (by its class id) without which this one is worth nothing: both are saved and restored
 * together, in no order. */
VSS_PUBLIC vss_result vss_metadata_add_dependency(vss_metadata *metadata, const char *logical_path,
                                                            const char *name, const char *on_writer_id,
                                                            const char *on_logical_path, const char *on_name);
/* VSS_BS_*; replaces backup_schema of the descriptor. */
VSS_PUBLIC vss_result vss_metadata_set_backup_schema(vss_metadata *metadata, uint32_t schema);
/* A right that is missing, and the exact statement or command that grants it; shown by `vss list writers`. */
VSS_PUBLIC vss_result vss_metadata_add_missing_right(vss_metadata *metadata, const char *what, const char *remedy);
/* Something wrong that does not stop the writer (a configuration file with an error: file, line, reason). */
VSS_PUBLIC vss_result vss_metadata_add_warning(vss_metadata *metadata, const char *format, ...) VSS_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif

#endif
