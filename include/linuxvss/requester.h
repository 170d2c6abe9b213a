/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef LINUXVSS_REQUESTER_H
#define LINUXVSS_REQUESTER_H

/*
 * Linux VSS: the requester's side
 *
 * A requester connects to the service, creates a session, and drives the calls of the contract on it, in the
 * order of linuxvss-requester(3). A session serves one backup or one restore. When the session is released, or the connection
 * ends however it ended, the service aborts what is under way and deletes auto-release shadow copies, unless
 * the session was created with a lease.
 *
 * Nothing here prints, exits or touches signals. A connection and all that hangs on it belong to one thread.
 * Handles are freed by their _free or _release call, which accept NULL and return NULL; free sessions and
 * asyncs before their service.
 *
 * Calls that take a "vss_async **ret_async" may be long. With a non-NULL @ret_async they return at once with
 * VSS_S_OK and an async to wait on; with NULL they wait to the end and return the result of the operation.
 */

#include <linuxvss/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vss_service vss_service;
typedef struct vss_session vss_session;
typedef struct vss_async vss_async;

/*
 * vss_service_connect() - connect to the service on the system bus ($DBUS_SYSTEM_BUS_ADDRESS is honoured)
 * The service is started by the bus with the first call.
 * Return: VSS_S_OK; VSS_E_SERVICE_UNAVAILABLE without a bus; VSS_E_OUTOFMEMORY.
 */
VSS_PUBLIC vss_result vss_service_connect(vss_service **ret_service);
VSS_PUBLIC vss_service *vss_service_free(vss_service *service);
/* The sentence that belongs to the last failure on this connection, and whom it concerns ("" if nobody). */
VSS_PUBLIC const char *vss_service_error_message(const vss_service *service);
VSS_PUBLIC const char *vss_service_error_culprit(const vss_service *service);

/* For event loops: the descriptor to poll for input, and the call that handles what came. */
VSS_PUBLIC int vss_service_fd(const vss_service *service);
VSS_PUBLIC vss_result vss_service_process(vss_service *service);

/*
 * Asynchronous operations
 *
 * vss_async_wait() - wait for the end, @timeout_ms at most (-1: no limit)
 * Return: VSS_S_ASYNC_FINISHED when the operation has succeeded (VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED when
 * vss_session_import_snapshots() has in part), VSS_S_ASYNC_PENDING when the time is over
 * first, VSS_S_ASYNC_CANCELLED when it was cancelled, else the failure of the operation itself.
 * A signal that interrupts the wait makes it answer VSS_S_ASYNC_PENDING early.
 */
VSS_PUBLIC vss_result vss_async_wait(vss_async *async, int timeout_ms);
/* vss_async_query_status() - as vss_async_wait() with no time to wait */
VSS_PUBLIC vss_result vss_async_query_status(vss_async *async);
/*
 * vss_async_cancel() - ask the service to stop; the async ends with VSS_S_ASYNC_CANCELLED once it has
 * Return: VSS_S_OK, VSS_S_ASYNC_CANCELLED (already), VSS_S_ASYNC_FINISHED (too late).
 */
VSS_PUBLIC vss_result vss_async_cancel(vss_async *async);
/* The answer once finished, and the last progress report before: borrowed dictionaries, NULL while there is none. */
VSS_PUBLIC const vss_value *vss_async_result(const vss_async *async);
VSS_PUBLIC const vss_value *vss_async_progress(const vss_async *async);
/* Frees the handle; an operation still under way goes on. */
VSS_PUBLIC vss_async *vss_async_free(vss_async *async);

/*
 * Sessions
 *
 * @options is a dictionary, or NULL: "lease" (seconds: the session outlives the connection until the lease
 * ends; 1 to 604800), "wait" (seconds to wait for the turn in StartSnapshotSet; default 0), "label" (shown in
 * lists), "require" (a level name: DoSnapshotSet fails below it).
 */
VSS_PUBLIC vss_result vss_session_create(vss_service *service, const vss_value *options, vss_session **ret_session);
/* Take over a leased session of the same user by its token. VSS_E_OBJECT_NOT_FOUND if there is none (any more). */
VSS_PUBLIC vss_result vss_session_adopt(vss_service *service, const char *token, vss_session **ret_session);
/* The lease from now on. @seconds as "lease" above. */
VSS_PUBLIC vss_result vss_session_renew(vss_session *session, uint32_t seconds);
VSS_PUBLIC const char *vss_session_id(const vss_session *session);
/* The secret that adopts the session; "" without a lease. */
VSS_PUBLIC const char *vss_session_token(const vss_session *session);
/* End the session at the service, and free the handle. */
VSS_PUBLIC vss_session *vss_session_release(vss_session *session);
/* Free the handle and leave a leased session to its lease. */
VSS_PUBLIC vss_session *vss_session_free(vss_session *session);

/* The calls of the contract. Each may answer VSS_E_BAD_STATE, which names the call that is missing. */
VSS_PUBLIC vss_result vss_session_initialize_for_backup(vss_session *session);
/*
 * A session can also begin with the Backup Components Document of an earlier backup (UTF-8, 64 MiB at most): to
 * import its shadow copies or say late that it is complete, or to restore from it. It is read by the service, with
 * a parser that has no rights. What it says of files is held against the descriptors of its writers at the gather;
 * the gather's result has "dropped", what was not believed, and "unjudged", the writers that nothing is known of here.
 * Return: VSS_E_CORRUPT_XML_DOCUMENT (not XML), VSS_E_INVALID_XML_DOCUMENT (not such a document; the message names
 * line and element), VSS_E_ACCESSDENIED. The session can be begun otherwise then.
 */
VSS_PUBLIC vss_result vss_session_initialize_for_backup_with_document(vss_session *session, const char *document,
                                                                      size_t size, vss_async **ret_async);
VSS_PUBLIC vss_result vss_session_initialize_for_restore(vss_session *session, const char *document, size_t size,
                                                         vss_async **ret_async);
VSS_PUBLIC vss_result vss_session_set_context(vss_session *session, uint32_t context);
VSS_PUBLIC vss_result vss_session_set_backup_state(vss_session *session, bool select_components,
                                                   bool bootable_system_state, enum vss_backup_type type,
                                                   bool partial_file_support);
/*
 * Only these writers / all but these writers take part. Each name is a class ("PostgreSQL"), an instance
 * ("PostgreSQL.main"), or the UUID of either; a class means all of its instances. Each call replaces the list of
 * the one before. After the gather they do nothing.
 */
VSS_PUBLIC vss_result vss_session_enable_writer_classes(vss_session *session, const char *const *names, size_t n);
VSS_PUBLIC vss_result vss_session_disable_writer_classes(vss_session *session, const char *const *names, size_t n);
VSS_PUBLIC vss_result vss_session_disable_writer_instances(vss_session *session, const char *const *names, size_t n);
VSS_PUBLIC vss_result vss_session_gather_writer_metadata(vss_session *session, vss_async **ret_async);
/* A list of writers with their components; the caller frees it. */
VSS_PUBLIC vss_result vss_session_get_writer_metadata(vss_session *session, vss_value **ret_writers);
/* The session tells no more of it, and it cannot be gathered again. Before the gather this does nothing. */
VSS_PUBLIC vss_result vss_session_free_writer_metadata(vss_session *session);
/*
 * Components of a backup
 *
 * A component is named by its writer (as in the writer lists: class, or class and instance), its logical path
 * (elements parted by '/'; NULL or "" at the top) and its name. All of these calls can answer
 * VSS_E_OBJECT_NOT_FOUND if there is no such writer or component, and VSS_E_INVALIDARG for a text that is too long
 * (64 KiB) or not UTF-8; the message says which.
 *
 * vss_session_add_component() - the component, and all that come with it, join the backup
 * Return: also VSS_E_OBJECT_ALREADY_EXISTS if it was added, VSS_E_INVALIDARG if it cannot be chosen by itself, or
 * comes with one that was added.
 */
VSS_PUBLIC vss_result vss_session_add_component(vss_session *session, const char *writer, const char *logical_path,
                                                const char *name);
/* A private text to the component's writer, up to PrepareForBackup. */
VSS_PUBLIC vss_result vss_session_set_backup_options(vss_session *session, const char *writer,
                                                     const char *logical_path, const char *name, const char *options);
/* The "stamp" that an earlier backup of the component got from its writer, for an incremental one on top of it. */
VSS_PUBLIC vss_result vss_session_set_previous_backup_stamp(vss_session *session, const char *writer,
                                                            const char *logical_path, const char *name,
                                                            const char *stamp);
/*
 * The Backup Components Document's list of writers, each with its explicit components and what requester and
 * writer have said of them ("backup-components" in linuxvss-values(7)); the caller frees it. To be read anew after
 * each long call. In a restore: after PreRestore.
 */
VSS_PUBLIC vss_result vss_session_get_writer_components(vss_session *session, vss_value **ret_writers);
VSS_PUBLIC vss_result vss_session_start_snapshot_set(vss_session *session, char ret_set_id[VSS_ID_SIZE]);
/* Would vss_session_add_to_snapshot_set() find a provider for it, in this context? The result has "supported"
 * (boolean), "provider", "volume" and, if nobody takes it, "reason". Limits are not looked at. */
VSS_PUBLIC vss_result vss_session_is_volume_supported(vss_session *session, const char *path, const char *provider,
                                                      vss_async **ret_async);
/* The volume that holds @path joins the set. @provider: a name, or NULL for the service's choice.
 * The result has "snapshot" (id) and "volume". */
VSS_PUBLIC vss_result vss_session_add_to_snapshot_set(vss_session *session, const char *path, const char *provider,
                                                      vss_async **ret_async);
/* Linux VSS: which paths the backup is about, for volumes that are added from now on. Where files are copied one by one
 * the rest need not be in the copy, which then tells "paths"; other providers copy volumes as a whole. None: all. */
VSS_PUBLIC vss_result vss_session_set_wanted_paths(vss_session *session, const char *const *paths, size_t n);
/* Linux VSS: also stop every process of this control group (v2 path below its mount) during the hold. */
VSS_PUBLIC vss_result vss_session_hold_control_group(vss_session *session, const char *cgroup);
VSS_PUBLIC vss_result vss_session_prepare_for_backup(vss_session *session, vss_async **ret_async);
/* The result is the set: see "set" in linuxvss-values(7). */
VSS_PUBLIC vss_result vss_session_do_snapshot_set(vss_session *session, vss_async **ret_async);
VSS_PUBLIC vss_result vss_session_gather_writer_status(vss_session *session, vss_async **ret_async);
VSS_PUBLIC vss_result vss_session_get_writer_status(vss_session *session, vss_value **ret_writers);
VSS_PUBLIC vss_result vss_session_free_writer_status(vss_session *session);
/*
 * The shadow copies of this machine that are seen in the session's context (those of its own kind; in VSS_CTX_ALL
 * all): {"snapshots"}. @filter: as vss_service_query(). No context can be chosen any more after it.
 */
VSS_PUBLIC vss_result vss_session_query(vss_session *session, const vss_value *filter, vss_async **ret_async);
/* Of any shadow copy that is seen in the session's context. VSS_E_OBJECT_NOT_FOUND if it is not. */
VSS_PUBLIC vss_result vss_session_get_snapshot_properties(vss_session *session, const char *id,
                                                          vss_value **ret_properties);
/* Linux VSS: a detached, read-only mount of the shadow copy, to be attached with move_mount(2). Caller closes it. */
VSS_PUBLIC vss_result vss_session_open_snapshot(vss_session *session, const char *id, int *ret_mount_fd);
/* Did the data of the component get to where it is safe? Of all that come with it, too. */
VSS_PUBLIC vss_result vss_session_set_backup_succeeded(vss_session *session, const char *writer,
                                                       const char *logical_path, const char *name, bool succeeded);
/* VSS_E_BAD_STATE if some of the components chosen were told how they went by SetBackupSucceeded, and one was not.
 * If none was, none counts as saved. VSS_E_SNAPSHOT_LOST if a shadow copy of the set was lost meanwhile: what was read of
 * it is worth nothing, and no writer was told; AbortBackup tells them. The result then has "lost" (dictionaries with
 * "id", "volume", "reason"). */
VSS_PUBLIC vss_result vss_session_backup_complete(vss_session *session, vss_async **ret_async);
/*
 * The Backup Components Document, and a writer's metadata document: what to keep with the backup for its restore.
 * The first not before PrepareForBackup; it is complete after DoSnapshotSet, and changes with every call after it.
 * @ret_text: UTF-8 with a NUL behind it that is not counted in *@ret_size (may be NULL); freed with free().
 */
VSS_PUBLIC vss_result vss_session_save_as_xml(vss_session *session, char **ret_text, size_t *ret_size);
VSS_PUBLIC vss_result vss_session_save_writer_metadata(vss_session *session, const char *writer, char **ret_text,
                                                       size_t *ret_size);
/*
 * The shadow copies of a transportable set, which another machine made, become this one's. Of a session that was begun
 * with its document (vss_session_initialize_for_backup_with_document()), once. What is auto-release ends with this
 * session, the rest is to be deleted. The result has "snapshots" and "failed" (dictionaries with "id", "volume",
 * "reason"). VSS_E_NONTRANSPORTABLE_BCD if the document says of none where its storage is;
 * VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED, VSS_E_NO_SNAPSHOTS_IMPORTED. For administrators.
 */
VSS_PUBLIC vss_result vss_session_import_snapshots(vss_session *session, vss_async **ret_async);
/*
 * A shadow copy of this session's set, or of its document's, is to be written back by vss_session_recover_set(): over
 * its original (@destination NULL), or over another volume. @flags: 0. VSS_E_SNAPSHOT_NOT_IN_SET;
 * VSS_E_LEGACY_PROVIDER if its provider cannot; VSS_E_OBJECT_NOT_FOUND if it is not on this machine;
 * VSS_E_RESYNC_IN_PROGRESS.
 */
VSS_PUBLIC vss_result vss_session_add_snapshot_to_recovery_set(vss_session *session, const char *id, uint32_t flags,
                                                               const char *destination);
/* Whole LUNs are written. @flags: VSS_RECOVERY_*. VSS_E_UNSELECTED_VOLUME if a volume on one of them was not added.
 * The copies stay. It cannot be stopped. For administrators. */
VSS_PUBLIC vss_result vss_session_recover_set(vss_session *session, uint32_t flags, vss_async **ret_async);
VSS_PUBLIC vss_result vss_session_abort_backup(vss_session *session, vss_async **ret_async);
/*
 * Linux VSS: the writers of the set look at their data in the shadow copies, with their applications' own means, each on
 * clones that are thrown away. After DoSnapshotSet, as often as wanted; it may take long (VerifyLimit in vssd(8)), and can be
 * cancelled. What a writer found wrong does not fail the call: the result has "writers" (each with what came of it,
 * "verified" being false for those that cannot), "components" (what failed: "writer", "logical-path", "name", "code",
 * "message") and "notes".
 */
VSS_PUBLIC vss_result vss_session_verify_writers(vss_session *session, vss_async **ret_async);

/*
 * Restores
 *
 * Components of the document given to InitializeForRestore are selected, their writers told (PreRestore), files put
 * back by the requester, and the writers told again (PostRestore). Setters are for before PreRestore. Those whose
 * writer does not run on this machine cannot be selected: VSS_E_OBJECT_NOT_FOUND; their files are restored as their
 * metadata document says. Components are named as above.
 */
VSS_PUBLIC vss_result vss_session_set_restore_state(vss_session *session, enum vss_restore_type type);
VSS_PUBLIC vss_result vss_session_set_selected_for_restore(vss_session *session, const char *writer,
                                                           const char *logical_path, const char *name,
                                                           bool selected);
/* "Path/Component": "Name"="Value", ...; ... */
VSS_PUBLIC vss_result vss_session_set_restore_options(vss_session *session, const char *writer,
                                                      const char *logical_path, const char *name,
                                                      const char *options);
/* More restores of it follow (of incremental backups): the writer should not bring it online yet. */
VSS_PUBLIC vss_result vss_session_set_additional_restores(vss_session *session, const char *writer,
                                                          const char *logical_path, const char *name,
                                                          bool additional);
/* Of the component, only this and others that are added so. VSS_E_INVALIDARG if it is not selectable for restore. */
VSS_PUBLIC vss_result vss_session_add_restore_subcomponent(vss_session *session, const char *writer,
                                                           const char *logical_path, const char *name,
                                                           const char *sub_logical_path, const char *sub_name);
/* A file set of the component goes to @alternate_path. VSS_E_NOT_SUPPORTED if the writer does not take this. */
VSS_PUBLIC vss_result vss_session_add_new_target(vss_session *session, const char *writer, const char *logical_path,
                                                 const char *name, const char *path, const char *filespec,
                                                 bool recursive, const char *alternate_path);
/* These three: VSS_E_NOT_SUPPORTED if the writer's backup schema does not have it. @point counts with
 * VSS_RF_PARTIAL. */
VSS_PUBLIC vss_result vss_session_set_authoritative_restore(vss_session *session, const char *writer,
                                                            const char *logical_path, const char *name,
                                                            bool authoritative);
VSS_PUBLIC vss_result vss_session_set_roll_forward(vss_session *session, const char *writer,
                                                   const char *logical_path, const char *name,
                                                   enum vss_rollforward_type type, const char *point);
VSS_PUBLIC vss_result vss_session_set_restore_name(vss_session *session, const char *writer,
                                                   const char *logical_path, const char *name,
                                                   const char *restore_name);
/* Linux VSS: nothing is to be done, only told: writers leave "notes" of what they would do in the results of PreRestore
 * and PostRestore. Those that do not know dry runs are not called, and are told. Before PreRestore. */
VSS_PUBLIC vss_result vss_session_set_dry_run(vss_session *session, bool dry_run);
/* The writers of selected components get ready, and may say where files have to go. A writer's refusal does not fail
 * the call: look at the writers' status. The result has "writers", as do those of all calls to writers. */
VSS_PUBLIC vss_result vss_session_pre_restore(vss_session *session, vss_async **ret_async);
/* Between PreRestore and PostRestore: what has become of the files. The file set went to its writer's alternate
 * location, the ranges file of the partial file at @index was restored to @path, the component as a whole. */
VSS_PUBLIC vss_result vss_session_add_alternative_location_mapping(vss_session *session, const char *writer,
                                                                   const char *logical_path, const char *name,
                                                                   const char *path, const char *filespec,
                                                                   bool recursive, const char *alternate_path);
VSS_PUBLIC vss_result vss_session_set_ranges_file_path(vss_session *session, const char *writer,
                                                       const char *logical_path, const char *name, uint32_t index,
                                                       const char *path);
VSS_PUBLIC vss_result vss_session_set_file_restore_status(vss_session *session, const char *writer,
                                                          const char *logical_path, const char *name,
                                                          enum vss_file_restore_status status);
VSS_PUBLIC vss_result vss_session_post_restore(vss_session *session, vss_async **ret_async);

/*
 * Without a session
 *
 * Results are dictionaries: list_writers {"writers"}, list_providers {"providers"}, list_volumes {"volumes"},
 * plan {"volumes", "writers", "left-out", "level"}, query {"snapshots"}, delete_snapshots {"deleted", "failed"}.
 */
VSS_PUBLIC vss_result vss_service_list_writers(vss_service *service, vss_async **ret_async);
VSS_PUBLIC vss_result vss_service_list_providers(vss_service *service, vss_async **ret_async);
VSS_PUBLIC vss_result vss_service_list_volumes(vss_service *service, vss_async **ret_async);
VSS_PUBLIC vss_result vss_service_list_sessions(vss_service *service, vss_value **ret_sessions);
/*
 * What would join a set for these paths: the volume of each, every local mount and nested volume below it.
 * @options: "provider" (name), "context" (number). Nothing is changed.
 */
VSS_PUBLIC vss_result vss_service_plan(vss_service *service, const char *const *paths, size_t n_paths,
                                       const vss_value *options, vss_async **ret_async);
/* @filter: NULL for all, or a dictionary with "snapshot", "set", "volume" and/or "provider". One whose "state" is "lost"
 * cannot be used any more. The result's "losses" are those that are gone, until they are deleted by their ids. */
VSS_PUBLIC vss_result vss_service_query(vss_service *service, const vss_value *filter, vss_async **ret_async);
/* @selection: one of "snapshots" (list of ids), "set", "volume", "oldest" (a volume), "all" (true). Goes on after
 * a failure; each one that could not be deleted is in "failed" with its reason. */
VSS_PUBLIC vss_result vss_service_delete_snapshots(vss_service *service, const vss_value *selection,
                                                   vss_async **ret_async);
VSS_PUBLIC vss_result vss_service_expose_snapshot(vss_service *service, const char *id, const char *directory,
                                                  vss_async **ret_async);
VSS_PUBLIC vss_result vss_service_unexpose_snapshot(vss_service *service, const char *id, vss_async **ret_async);
/*
 * The copies of a hardware provider's set become plain volumes, and nothing is known of them any more: device objects
 * and exposures end. @flags: VSS_BREAKEX_FLAG_*; MASK_LUNS goes alone, of the two about identities one at most.
 * The result has "volumes". VSS_E_PROVIDER_VETO for other providers; VSS_E_OBJECT_NOT_FOUND also for a transportable
 * set that was not imported; VSS_E_BREAK_REVERT_ID_FAILED if originals are still there. For administrators.
 */
VSS_PUBLIC vss_result vss_service_break_snapshot_set(vss_service *service, const char *set_id, uint32_t flags,
                                                     vss_async **ret_async);
/*
 * The volume becomes what the copy is, and newer copies of it are deleted. @force: also while it is in use. It may go
 * on behind the end of the call. The result has "volume", and as of delete_snapshots "deleted" and "failed".
 * VSS_E_UNSUPPORTED_CONTEXT for a copy that is not persistent, VSS_E_REVERT_IN_PROGRESS, VSS_E_VOLUME_IN_USE,
 * VSS_E_NOT_SUPPORTED if the provider cannot do it. For administrators.
 */
VSS_PUBLIC vss_result vss_service_revert_to_snapshot(vss_service *service, const char *id, bool force,
                                                     vss_async **ret_async);
/* The result has "volume", "in-progress" (boolean) and, once there was one, "percent", "snapshot", "provider".
 * VSS_E_NOT_SUPPORTED if no provider reverts volumes. */
VSS_PUBLIC vss_result vss_service_query_revert_status(vss_service *service, const char *volume, vss_async **ret_async);
/*
 * Difference areas: where the differences of a volume's shadow copies are kept, and how much may be used for them.
 * @filter: NULL for all, or a dictionary with "volume", "on-volume" (where they are kept), "snapshot" and/or
 * "provider". The result has "diff-areas", dictionaries with "volume", "diff-volume", "maximum" (-1: no limit),
 * "allocated", "used" (bytes), "explicit", "snapshots" and "provider".
 */
VSS_PUBLIC vss_result vss_service_query_diff_areas(vss_service *service, const vss_value *filter,
                                                   vss_async **ret_async);
/*
 * From now on the differences of @volume are kept on @diff_volume (which may be @volume itself), @maximum bytes of them
 * at most; UINT64_MAX: no limit. @options: NULL, or a dictionary with "provider"; without it the one that takes the
 * volume is asked. VSS_E_OBJECT_ALREADY_EXISTS, VSS_E_MAXIMUM_DIFFAREA_ASSOCIATIONS_REACHED,
 * VSS_E_INSUFFICIENT_STORAGE, VSS_E_NOT_SUPPORTED if its provider has no difference areas. For administrators.
 */
VSS_PUBLIC vss_result vss_service_add_diff_area(vss_service *service, const char *volume, const char *diff_volume,
                                                uint64_t maximum, const vss_value *options, vss_async **ret_async);
/* @maximum 0: they are no longer kept there; VSS_E_VOLUME_IN_USE while some are. A limit below what is used costs
 * shadow copies. VSS_E_OBJECT_NOT_FOUND. For administrators. */
VSS_PUBLIC vss_result vss_service_change_diff_area_maximum_size(vss_service *service, const char *volume,
                                                                const char *diff_volume, uint64_t maximum,
                                                                const vss_value *options, vss_async **ret_async);
/*
 * Some storage has to be set up once before its volumes can be copied. @device: a block device, or where it is
 * mounted. @options: NULL, or a dictionary with "name" (of the device that is to be used instead), "remount" (boolean:
 * what is mounted from it is mounted anew; otherwise that is VSS_E_VOLUME_IN_USE), "boot" (boolean, true if not there:
 * it is attached again at the next start) and "provider". The result has "device", "name", "mapped", "mounted" and
 * "provider". VSS_E_VOLUME_NOT_SUPPORTED, with the reason. For administrators.
 */
VSS_PUBLIC vss_result vss_service_attach_device(vss_service *service, const char *device, const vss_value *options,
                                                vss_async **ret_async);
/* @device: also its name, the mapped device, or a mount point. @options: "remount". VSS_E_VOLUME_IN_USE, also while
 * shadow copies of it stand. VSS_E_OBJECT_NOT_FOUND if it is not attached. For administrators. */
VSS_PUBLIC vss_result vss_service_detach_device(vss_service *service, const char *device, const vss_value *options,
                                                vss_async **ret_async);
/* The result has "attached", dictionaries with "device", "name", "mapped", "boot", "mounted", "snapshots" and
 * "provider". */
VSS_PUBLIC vss_result vss_service_list_attached(vss_service *service, vss_async **ret_async);
/* Abort somebody's session, by id: for administrators. */
VSS_PUBLIC vss_result vss_service_abort_session(vss_service *service, const char *session_id, vss_async **ret_async);
/*
 * Freeze for an agent that has the storage copied by other means (a hypervisor, a cloud). Holds the writers named
 * (NULL: all with components on the paths), file systems and control groups until thaw or until @lease_seconds are
 * over, whatever happens to the caller. The result has "token".
 * @options: lists "writers", "paths", "cgroups".
 */
VSS_PUBLIC vss_result vss_service_freeze(vss_service *service, uint32_t lease_seconds, const vss_value *options,
                                         vss_async **ret_async);
/* @token: from freeze; NULL for root: whatever is held. The result tells what was held how long, and whether it
 * held to the end. */
VSS_PUBLIC vss_result vss_service_thaw(vss_service *service, const char *token, vss_async **ret_async);
/* A longer lease from now on, for a freeze or a session, by its token; within LeaseLimit in all for a freeze. */
VSS_PUBLIC vss_result vss_service_renew(vss_service *service, const char *token, uint32_t lease_seconds);
/* What is amiss on this machine: "checks", each with "name", "ok", "text", "remedy". */
VSS_PUBLIC vss_result vss_service_doctor(vss_service *service, vss_async **ret_async);
/* Events from now on are given to @handler from within vss_service_process() and every waiting call. */
typedef void (*vss_event_handler)(void *userdata, const vss_value *event);
VSS_PUBLIC vss_result vss_service_subscribe(vss_service *service, vss_event_handler handler, void *userdata);
/* The version of the service as text, borrowed until the next call. NULL if it does not answer. */
VSS_PUBLIC const char *vss_service_version(vss_service *service);

#ifdef __cplusplus
}
#endif

#endif
