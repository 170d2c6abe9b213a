/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef LINUXVSS_TYPES_H
#define LINUXVSS_TYPES_H

/*
 * Linux VSS: names, numbers and values shared by requesters, writers and providers
 *
 * Names and numbers of contexts, attributes, states and results are the published ones of the Volume Shadow
 * Copy Service, so that whoever knows them finds them here. What is only ours is marked "Linux VSS".
 *
 * All strings are UTF-8 and NUL-terminated. Identities (sessions, sets, shadow copies) are lower-case UUIDs
 * in text form. Times are microseconds: durations on the monotonic clock, dates on the realtime clock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VSS_PUBLIC __attribute__((__visibility__("default")))
#define VSS_PRINTF(format, args) __attribute__((__format__(__printf__, format, args)))

/* Room for a UUID in text form with its NUL. */
#define VSS_ID_SIZE 37

/* Volumes in one shadow copy set; the 65th is VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED. */
#define VSS_VOLUMES_MAX 64u

/*
 * Results. As in the contract: negative is failure, zero and positive are success.
 * Every function below that returns a vss_result returns one of these, never an errno.
 */
typedef int32_t vss_result;

#define VSS_RESULT(number) ((vss_result)(uint32_t)(number))

#define VSS_S_OK VSS_RESULT(0)
#define VSS_S_FALSE VSS_RESULT(1)
#define VSS_S_ASYNC_PENDING VSS_RESULT(0x00042309)
#define VSS_S_ASYNC_FINISHED VSS_RESULT(0x0004230A)
#define VSS_S_ASYNC_CANCELLED VSS_RESULT(0x0004230B)
#define VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED VSS_RESULT(0x00042321)
#define VSS_E_BAD_STATE VSS_RESULT(0x80042301)
#define VSS_E_UNEXPECTED VSS_RESULT(0x80042302)
#define VSS_E_PROVIDER_ALREADY_REGISTERED VSS_RESULT(0x80042303)
#define VSS_E_PROVIDER_NOT_REGISTERED VSS_RESULT(0x80042304)
#define VSS_E_PROVIDER_VETO VSS_RESULT(0x80042306)
#define VSS_E_PROVIDER_IN_USE VSS_RESULT(0x80042307)
#define VSS_E_OBJECT_NOT_FOUND VSS_RESULT(0x80042308)
#define VSS_E_VOLUME_NOT_SUPPORTED VSS_RESULT(0x8004230C)
#define VSS_E_OBJECT_ALREADY_EXISTS VSS_RESULT(0x8004230D)
#define VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER VSS_RESULT(0x8004230E)
#define VSS_E_UNEXPECTED_PROVIDER_ERROR VSS_RESULT(0x8004230F)
#define VSS_E_CORRUPT_XML_DOCUMENT VSS_RESULT(0x80042310)
#define VSS_E_INVALID_XML_DOCUMENT VSS_RESULT(0x80042311)
#define VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED VSS_RESULT(0x80042312)
#define VSS_E_FLUSH_WRITES_TIMEOUT VSS_RESULT(0x80042313)
#define VSS_E_HOLD_WRITES_TIMEOUT VSS_RESULT(0x80042314)
#define VSS_E_UNEXPECTED_WRITER_ERROR VSS_RESULT(0x80042315)
#define VSS_E_SNAPSHOT_SET_IN_PROGRESS VSS_RESULT(0x80042316)
#define VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED VSS_RESULT(0x80042317)
#define VSS_E_WRITER_INFRASTRUCTURE VSS_RESULT(0x80042318)
#define VSS_E_WRITER_NOT_RESPONDING VSS_RESULT(0x80042319)
#define VSS_E_WRITER_ALREADY_SUBSCRIBED VSS_RESULT(0x8004231A)
#define VSS_E_UNSUPPORTED_CONTEXT VSS_RESULT(0x8004231B)
#define VSS_E_VOLUME_IN_USE VSS_RESULT(0x8004231D)
#define VSS_E_MAXIMUM_DIFFAREA_ASSOCIATIONS_REACHED VSS_RESULT(0x8004231E)
#define VSS_E_INSUFFICIENT_STORAGE VSS_RESULT(0x8004231F)
#define VSS_E_NO_SNAPSHOTS_IMPORTED VSS_RESULT(0x80042320)
#define VSS_E_SOME_SNAPSHOTS_NOT_IMPORTED VSS_RESULT(0x80042321)
#define VSS_E_MAXIMUM_NUMBER_OF_REMOTE_MACHINES_REACHED VSS_RESULT(0x80042322)
#define VSS_E_REMOTE_SERVER_UNAVAILABLE VSS_RESULT(0x80042323)
#define VSS_E_REMOTE_SERVER_UNSUPPORTED VSS_RESULT(0x80042324)
#define VSS_E_REVERT_IN_PROGRESS VSS_RESULT(0x80042325)
#define VSS_E_REVERT_VOLUME_LOST VSS_RESULT(0x80042326)
#define VSS_E_REBOOT_REQUIRED VSS_RESULT(0x80042327)
#define VSS_E_TRANSACTION_FREEZE_TIMEOUT VSS_RESULT(0x80042328)
#define VSS_E_TRANSACTION_THAW_TIMEOUT VSS_RESULT(0x80042329)
#define VSS_E_UNSELECTED_VOLUME VSS_RESULT(0x8004232A)
#define VSS_E_SNAPSHOT_NOT_IN_SET VSS_RESULT(0x8004232B)
#define VSS_E_NESTED_VOLUME_LIMIT VSS_RESULT(0x8004232C)
#define VSS_E_VOLUME_NOT_LOCAL VSS_RESULT(0x8004232D)
#define VSS_E_CLUSTER_TIMEOUT VSS_RESULT(0x8004232E)
#define VSS_E_NOT_SUPPORTED VSS_RESULT(0x8004232F)
#define VSS_E_WRITERERROR_PARTIAL_FAILURE VSS_RESULT(0x80042336)
#define VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT VSS_RESULT(0x800423F0)
#define VSS_E_WRITERERROR_OUTOFRESOURCES VSS_RESULT(0x800423F1)
#define VSS_E_WRITERERROR_TIMEOUT VSS_RESULT(0x800423F2)
#define VSS_E_WRITERERROR_RETRYABLE VSS_RESULT(0x800423F3)
#define VSS_E_WRITERERROR_NONRETRYABLE VSS_RESULT(0x800423F4)
#define VSS_E_WRITERERROR_RECOVERY_FAILED VSS_RESULT(0x800423F5)
#define VSS_E_BREAK_REVERT_ID_FAILED VSS_RESULT(0x800423F6)
#define VSS_E_LEGACY_PROVIDER VSS_RESULT(0x800423F7)
#define VSS_E_MISSING_DISK VSS_RESULT(0x800423F8)
#define VSS_E_MISSING_HIDDEN_VOLUME VSS_RESULT(0x800423F9)
#define VSS_E_MISSING_VOLUME VSS_RESULT(0x800423FA)
#define VSS_E_AUTORECOVERY_FAILED VSS_RESULT(0x800423FB)
#define VSS_E_DYNAMIC_DISK_ERROR VSS_RESULT(0x800423FC)
#define VSS_E_NONTRANSPORTABLE_BCD VSS_RESULT(0x800423FD)
#define VSS_E_CANNOT_REVERT_DISKID VSS_RESULT(0x800423FE)
#define VSS_E_RESYNC_IN_PROGRESS VSS_RESULT(0x800423FF)
#define VSS_E_CLUSTER_ERROR VSS_RESULT(0x80042400)
#define VSS_E_ASRERROR_DISK_ASSIGNMENT_FAILED VSS_RESULT(0x80042401)
#define VSS_E_ASRERROR_DISK_RECREATION_FAILED VSS_RESULT(0x80042402)
#define VSS_E_ASRERROR_NO_ARCPATH VSS_RESULT(0x80042403)
#define VSS_E_ASRERROR_MISSING_DYNDISK VSS_RESULT(0x80042404)
#define VSS_E_ASRERROR_SHARED_CRIDISK VSS_RESULT(0x80042405)
#define VSS_E_ASRERROR_DATADISK_RDISK0 VSS_RESULT(0x80042406)
#define VSS_E_ASRERROR_RDISK0_TOOSMALL VSS_RESULT(0x80042407)
#define VSS_E_ASRERROR_CRITICAL_DISKS_TOO_SMALL VSS_RESULT(0x80042408)
#define VSS_E_WRITER_STATUS_NOT_AVAILABLE VSS_RESULT(0x80042409)
#define VSS_E_ASRERROR_DYNAMIC_VHD_NOT_SUPPORTED VSS_RESULT(0x8004240A)
#define VSS_E_CRITICAL_VOLUME_ON_INVALID_DISK VSS_RESULT(0x80042411)
#define VSS_E_ASRERROR_RDISK_FOR_SYSTEM_DISK_NOT_FOUND VSS_RESULT(0x80042412)
#define VSS_E_ASRERROR_NO_PHYSICAL_DISK_AVAILABLE VSS_RESULT(0x80042413)
#define VSS_E_ASRERROR_FIXED_PHYSICAL_DISK_AVAILABLE_AFTER_DISK_EXCLUSION VSS_RESULT(0x80042414)
#define VSS_E_ASRERROR_CRITICAL_DISK_CANNOT_BE_EXCLUDED VSS_RESULT(0x80042415)
#define VSS_E_ASRERROR_SYSTEM_PARTITION_HIDDEN VSS_RESULT(0x80042416)
#define VSS_E_FSS_TIMEOUT VSS_RESULT(0x80042417)
#define VSS_E_ACCESSDENIED VSS_RESULT(0x80070005)
#define VSS_E_OUTOFMEMORY VSS_RESULT(0x8007000E)
#define VSS_E_INVALIDARG VSS_RESULT(0x80070057)
/* E_UNEXPECTED of older services; this one answers VSS_E_UNEXPECTED. */
#define VSS_E_UNEXPECTED_OLD VSS_RESULT(0x8000FFFF)
/* Linux VSS: the set was made, but below the level that was required of it. */
#define VSS_E_LEVEL_NOT_REACHED VSS_RESULT(0x80042501)
/* Linux VSS: a limit of the machine (sets, sessions, leases) is reached. */
#define VSS_E_MAXIMUM_NUMBER_OF_SETS_REACHED VSS_RESULT(0x80042502)
/* Linux VSS: the service is not running and could not be started. */
#define VSS_E_SERVICE_UNAVAILABLE VSS_RESULT(0x80042503)
/* Linux VSS: a shadow copy was lost, or cannot be believed any more. */
#define VSS_E_SNAPSHOT_LOST VSS_RESULT(0x80042504)

/*
 * vss_result_name() - the name of a result without its VSS_ prefix ("E_BAD_STATE", "S_OK")
 * Return: a static string; "E_UNEXPECTED" for a number that is no result.
 */
VSS_PUBLIC const char *vss_result_name(vss_result result);
/* vss_result_text() - one sentence saying what a result means. Return: a static string. */
VSS_PUBLIC const char *vss_result_text(vss_result result);
/* vss_result_remedy() - what to do about it. Return: a static string. */
VSS_PUBLIC const char *vss_result_remedy(vss_result result);
/*
 * vss_result_from_name() - the result of a name, with or without "VSS_", or of a number ("0x80042301")
 * Return: VSS_S_OK and *@ret_result, or VSS_E_OBJECT_NOT_FOUND.
 */
VSS_PUBLIC vss_result vss_result_from_name(const char *name, vss_result *ret_result);

/* Shadow copy contexts and attributes (one bit mask; a context is a sum of attributes). */
#define VSS_CTX_BACKUP 0x00u
#define VSS_CTX_FILE_SHARE_BACKUP 0x10u
#define VSS_CTX_NAS_ROLLBACK 0x19u
#define VSS_CTX_APP_ROLLBACK 0x09u
#define VSS_CTX_CLIENT_ACCESSIBLE 0x1Du
#define VSS_CTX_CLIENT_ACCESSIBLE_WRITERS 0x0Du
#define VSS_CTX_ALL 0xFFFFFFFFu

#define VSS_VOLSNAP_ATTR_PERSISTENT 0x1u
#define VSS_VOLSNAP_ATTR_NO_AUTORECOVERY 0x2u
#define VSS_VOLSNAP_ATTR_CLIENT_ACCESSIBLE 0x4u
#define VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE 0x8u
#define VSS_VOLSNAP_ATTR_NO_WRITERS 0x10u
#define VSS_VOLSNAP_ATTR_TRANSPORTABLE 0x20u
#define VSS_VOLSNAP_ATTR_NOT_SURFACED 0x40u
#define VSS_VOLSNAP_ATTR_NOT_TRANSACTED 0x80u
#define VSS_VOLSNAP_ATTR_HARDWARE_ASSISTED 0x10000u
#define VSS_VOLSNAP_ATTR_DIFFERENTIAL 0x20000u
#define VSS_VOLSNAP_ATTR_PLEX 0x40000u
#define VSS_VOLSNAP_ATTR_IMPORTED 0x80000u
#define VSS_VOLSNAP_ATTR_EXPOSED_LOCALLY 0x100000u
#define VSS_VOLSNAP_ATTR_EXPOSED_REMOTELY 0x200000u
#define VSS_VOLSNAP_ATTR_AUTORECOVER 0x400000u
#define VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY 0x800000u
#define VSS_VOLSNAP_ATTR_DELAYED_POSTSNAPSHOT 0x1000000u
#define VSS_VOLSNAP_ATTR_TXF_RECOVERY 0x2000000u
#define VSS_VOLSNAP_ATTR_FILE_SHARE 0x4000000u

enum vss_object_type {
        VSS_OBJECT_UNKNOWN = 0,
        VSS_OBJECT_NONE = 1,
        VSS_OBJECT_SNAPSHOT_SET = 2,
        VSS_OBJECT_SNAPSHOT = 3,
        VSS_OBJECT_PROVIDER = 4
};

enum vss_backup_type {
        VSS_BT_UNDEFINED = 0,
        VSS_BT_FULL = 1,
        VSS_BT_INCREMENTAL = 2,
        VSS_BT_DIFFERENTIAL = 3,
        VSS_BT_LOG = 4,
        VSS_BT_COPY = 5, /* the default: no writer truncates anything */
        VSS_BT_OTHER = 6
};

enum vss_restore_type {
        VSS_RTYPE_UNDEFINED = 0,
        VSS_RTYPE_BY_COPY = 1,
        VSS_RTYPE_IMPORT = 2,
        VSS_RTYPE_OTHER = 3
};

enum vss_component_type { VSS_CT_UNDEFINED = 0, VSS_CT_DATABASE = 1, VSS_CT_FILEGROUP = 2 };

/* Flags of a component. */
#define VSS_CF_BACKUP_RECOVERY 0x1u       /* the writer writes into the shadow copy of a backup */
#define VSS_CF_APP_ROLLBACK_RECOVERY 0x2u /* ... of an application rollback */
#define VSS_CF_NOT_SYSTEM_STATE 0x4u

/* Freeze order: front-end first, then back-end, system, resource managers; thaw in reverse. */
enum vss_application_level {
        VSS_APP_AUTO = -1, /* the library's choice: VSS_APP_FRONT_END */
        VSS_APP_UNKNOWN = 0,
        VSS_APP_SYSTEM = 1,
        VSS_APP_BACK_END = 2,
        VSS_APP_FRONT_END = 3,
        VSS_APP_SYSTEM_RM = 4
};

enum vss_usage_type {
        VSS_UT_UNDEFINED = 0,
        VSS_UT_BOOTABLESYSTEMSTATE = 1,
        VSS_UT_SYSTEMSERVICE = 2,
        VSS_UT_USERDATA = 3,
        VSS_UT_OTHER = 4
};

enum vss_source_type { VSS_ST_UNDEFINED = 0, VSS_ST_TRANSACTEDDB = 1, VSS_ST_NONTRANSACTEDDB = 2, VSS_ST_OTHER = 3 };

enum vss_alternate_writer_state {
        VSS_AWS_UNDEFINED = 0,
        VSS_AWS_NO_ALTERNATE_WRITER = 1,
        VSS_AWS_ALTERNATE_WRITER_EXISTS = 2,
        VSS_AWS_THIS_IS_ALTERNATE_WRITER = 3
};

/* Which events a writer wants. */
#define VSS_SM_POST_SNAPSHOT 0x1u
#define VSS_SM_BACKUP_EVENTS 0x2u
#define VSS_SM_RESTORE_EVENTS 0x4u
#define VSS_SM_IO_THROTTLING 0x8u

/* How a writer's files are restored, decided per component: all of its files or none. */
enum vss_restore_method {
        VSS_RME_UNDEFINED = 0,
        VSS_RME_RESTORE_IF_NOT_THERE = 1,   /* only if none of the files exists */
        VSS_RME_RESTORE_IF_CAN_REPLACE = 2, /* only if each that exists can be replaced */
        VSS_RME_STOP_RESTORE_START = 3,     /* stop the service, restore, start it */
        VSS_RME_RESTORE_TO_ALTERNATE_LOCATION = 4,
        VSS_RME_RESTORE_AT_REBOOT = 5,
        VSS_RME_RESTORE_AT_REBOOT_IF_CANNOT_REPLACE = 6,
        VSS_RME_CUSTOM = 7,            /* by the application's own means only */
        VSS_RME_RESTORE_STOP_START = 8 /* restore, PostRestore, then stop and start the service */
};

/* When a writer wants the restore events. */
enum vss_writer_restore {
        VSS_WRE_UNDEFINED = 0,
        VSS_WRE_NEVER = 1,
        VSS_WRE_IF_REPLACE_FAILS = 2,
        VSS_WRE_ALWAYS = 3
};

/* Where a component goes, as its writer says in PreRestore. */
enum vss_restore_target {
        VSS_RT_UNDEFINED = 0,
        VSS_RT_ORIGINAL = 1,         /* as the restore method says; the default */
        VSS_RT_ALTERNATE = 2,        /* to the alternate location mappings, which each file must have */
        VSS_RT_DIRECTED = 3,         /* to directed targets */
        VSS_RT_ORIGINAL_LOCATION = 4 /* where it lay at the backup, whatever the method says */
};

/* What is on disk of a component after its restore, as the requester says. */
enum vss_file_restore_status {
        VSS_RS_UNDEFINED = 0,
        VSS_RS_NONE = 1,  /* nothing was overwritten */
        VSS_RS_ALL = 2,   /* all files were restored */
        VSS_RS_FAILED = 3 /* a mix of old and restored files */
};

enum vss_rollforward_type {
        VSS_RF_UNDEFINED = 0,
        VSS_RF_NONE = 1,
        VSS_RF_ALL = 2,
        VSS_RF_PARTIAL = 3 /* up to a point */
};

/* What a writer's backups and restores can do: its backup schema. */
#define VSS_BS_UNDEFINED 0x0u
#define VSS_BS_DIFFERENTIAL 0x1u
#define VSS_BS_INCREMENTAL 0x2u
#define VSS_BS_EXCLUSIVE_INCREMENTAL_DIFFERENTIAL 0x4u /* not both on one full backup */
#define VSS_BS_LOG 0x8u
#define VSS_BS_COPY 0x10u
#define VSS_BS_TIMESTAMPED 0x20u
#define VSS_BS_LAST_MODIFY 0x40u
#define VSS_BS_LSN 0x80u
#define VSS_BS_WRITER_SUPPORTS_NEW_TARGET 0x100u
#define VSS_BS_WRITER_SUPPORTS_RESTORE_WITH_MOVE 0x200u
#define VSS_BS_INDEPENDENT_SYSTEM_STATE 0x400u
#define VSS_BS_ROLLFORWARD_RESTORE 0x1000u
#define VSS_BS_RESTORE_RENAME 0x2000u
#define VSS_BS_AUTHORITATIVE_RESTORE 0x4000u
#define VSS_BS_WRITER_SUPPORTS_PARALLEL_RESTORES 0x8000u

/* Backup mask of a file set: which backups need its files, and which must read them from the shadow copy. */
#define VSS_FSBT_FULL_BACKUP_REQUIRED 0x1u
#define VSS_FSBT_DIFFERENTIAL_BACKUP_REQUIRED 0x2u
#define VSS_FSBT_INCREMENTAL_BACKUP_REQUIRED 0x4u
#define VSS_FSBT_LOG_BACKUP_REQUIRED 0x8u
#define VSS_FSBT_FULL_SNAPSHOT_REQUIRED 0x100u
#define VSS_FSBT_DIFFERENTIAL_SNAPSHOT_REQUIRED 0x200u
#define VSS_FSBT_INCREMENTAL_SNAPSHOT_REQUIRED 0x400u
#define VSS_FSBT_LOG_SNAPSHOT_REQUIRED 0x800u
#define VSS_FSBT_CREATED_DURING_BACKUP 0x10000u
#define VSS_FSBT_ALL_BACKUP_REQUIRED 0xFu
#define VSS_FSBT_ALL_SNAPSHOT_REQUIRED 0xF00u
/* The mask of a file set that names none. */
#define VSS_FSBT_DEFAULT 0xF0Fu

/* BreakSnapshotSet, RecoverSet. */
#define VSS_BREAKEX_FLAG_MASK_LUNS 0x1u
#define VSS_BREAKEX_FLAG_MAKE_READ_WRITE 0x2u
#define VSS_BREAKEX_FLAG_REVERT_IDENTITY_ALL 0x4u
#define VSS_BREAKEX_FLAG_REVERT_IDENTITY_NONE 0x8u
#define VSS_RECOVERY_REVERT_IDENTITY_ALL 0x100u
#define VSS_RECOVERY_NO_VOLUME_CHECK 0x200u

enum vss_writer_state {
        VSS_WS_UNKNOWN = 0,
        VSS_WS_STABLE = 1,
        VSS_WS_WAITING_FOR_FREEZE = 2,
        VSS_WS_WAITING_FOR_THAW = 3,
        VSS_WS_WAITING_FOR_POST_SNAPSHOT = 4,
        VSS_WS_WAITING_FOR_BACKUP_COMPLETE = 5,
        VSS_WS_FAILED_AT_IDENTIFY = 6,
        VSS_WS_FAILED_AT_PREPARE_BACKUP = 7,
        VSS_WS_FAILED_AT_PREPARE_SNAPSHOT = 8,
        VSS_WS_FAILED_AT_FREEZE = 9,
        VSS_WS_FAILED_AT_THAW = 10,
        VSS_WS_FAILED_AT_POST_SNAPSHOT = 11,
        VSS_WS_FAILED_AT_BACKUP_COMPLETE = 12,
        VSS_WS_FAILED_AT_PRE_RESTORE = 13,
        VSS_WS_FAILED_AT_POST_RESTORE = 14,
        VSS_WS_FAILED_AT_BACKUPSHUTDOWN = 15
};

enum vss_snapshot_state {
        VSS_SS_UNKNOWN = 0,
        VSS_SS_PREPARING = 1,
        VSS_SS_PROCESSING_PREPARE = 2,
        VSS_SS_PREPARED = 3,
        VSS_SS_PROCESSING_PRECOMMIT = 4,
        VSS_SS_PRECOMMITTED = 5,
        VSS_SS_PROCESSING_COMMIT = 6,
        VSS_SS_COMMITTED = 7,
        VSS_SS_PROCESSING_POSTCOMMIT = 8,
        VSS_SS_PROCESSING_PREFINALCOMMIT = 9,
        VSS_SS_PREFINALCOMMITTED = 10,
        VSS_SS_PROCESSING_POSTFINALCOMMIT = 11,
        VSS_SS_CREATED = 12,
        VSS_SS_ABORTED = 13,
        VSS_SS_DELETED = 14,
        VSS_SS_POSTCOMMITTED = 15
};

enum vss_provider_type {
        VSS_PROV_UNKNOWN = 0,
        VSS_PROV_SYSTEM = 1,
        VSS_PROV_SOFTWARE = 2,
        VSS_PROV_HARDWARE = 3,
        VSS_PROV_FILESHARE = 4
};

/* Linux VSS: what must stand still while a provider cuts a volume. */
enum vss_hold {
        VSS_HOLD_NONE = 0,       /* the cut is complete by itself */
        VSS_HOLD_WRITERS = 1,    /* frozen writers are the hold (btrfs, reflink: FIFREEZE would hang them) */
        VSS_HOLD_FILESYSTEM = 2, /* FIFREEZE: what is not flushed is not in the copy */
        VSS_HOLD_DEVICE = 3,     /* a device-mapper suspend is itself the freeze */
        VSS_HOLD_CGROUP = 4      /* asked for by a requester, for applications without a writer */
};

/* Linux VSS: the consistency that was reached; a result, never a claim. Greater is better. */
enum vss_level {
        VSS_LEVEL_NONE = 0,       /* nothing is known to be consistent */
        VSS_LEVEL_VOLUME = 1,     /* crash-consistent by itself */
        VSS_LEVEL_GROUP = 2,      /* crash-consistent at one instant with the other GROUP volumes of the set */
        VSS_LEVEL_APPLICATION = 3 /* its writer held the application from Freeze to Thaw */
};

/* vss_level_name() - "none", "volume", "group", "application". Return: a static string. */
VSS_PUBLIC const char *vss_level_name(enum vss_level level);
/* vss_level_from_name() - the level of a name. Return: VSS_S_OK, or VSS_E_INVALIDARG with *@ret_level untouched. */
VSS_PUBLIC vss_result vss_level_from_name(const char *name, enum vss_level *ret_level);
/* vss_writer_state_name() - as administrators know them: "Stable", "Waiting for freeze", ... */
VSS_PUBLIC const char *vss_writer_state_name(enum vss_writer_state state);

/*
 * Linux VSS: values
 *
 * What the service answers is a tree of values: null, boolean, 64-bit integer, string, list, and dictionary
 * with text keys in the order they were set. The keys of each answer are listed in linuxvss-values(7); `vss
 * --json` prints the same tree. Getters accept NULL and a wrong kind, and answer the given default then, so
 * that a key that is missing reads as its default.
 */
typedef struct vss_value vss_value;

enum vss_kind { VSS_KIND_NULL, VSS_KIND_BOOLEAN, VSS_KIND_INTEGER, VSS_KIND_STRING, VSS_KIND_LIST, VSS_KIND_DICT };

/* Constructors. Return: a new value, to be freed by the caller or given to a container; NULL without memory. */
VSS_PUBLIC vss_value *vss_value_new_boolean(bool boolean);
VSS_PUBLIC vss_value *vss_value_new_integer(int64_t integer);
VSS_PUBLIC vss_value *vss_value_new_string(const char *string);
VSS_PUBLIC vss_value *vss_value_new_list(void);
VSS_PUBLIC vss_value *vss_value_new_dict(void);
VSS_PUBLIC vss_value *vss_value_copy(const vss_value *value);
/* Frees a value and all in it. @value may be NULL. Return: NULL. */
VSS_PUBLIC vss_value *vss_value_free(vss_value *value);

/*
 * Adding to a container takes @value over, also on failure; a NULL @value is VSS_E_OUTOFMEMORY, so that
 * constructors can be nested. Setting a key again replaces its value.
 * Return: VSS_S_OK, VSS_E_OUTOFMEMORY, or VSS_E_INVALIDARG if the container is of another kind.
 */
VSS_PUBLIC vss_result vss_value_append(vss_value *list, vss_value *value);
VSS_PUBLIC vss_result vss_value_set(vss_value *dict, const char *key, vss_value *value);
VSS_PUBLIC vss_result vss_value_set_string(vss_value *dict, const char *key, const char *string);
VSS_PUBLIC vss_result vss_value_set_integer(vss_value *dict, const char *key, int64_t integer);
VSS_PUBLIC vss_result vss_value_set_boolean(vss_value *dict, const char *key, bool boolean);

VSS_PUBLIC enum vss_kind vss_value_kind(const vss_value *value);
VSS_PUBLIC bool vss_value_boolean(const vss_value *value, bool otherwise);
VSS_PUBLIC int64_t vss_value_integer(const vss_value *value, int64_t otherwise);
VSS_PUBLIC const char *vss_value_string(const vss_value *value, const char *otherwise);
/* Members of a list or dictionary: their number, the one at @index, and in a dictionary its key. */
VSS_PUBLIC size_t vss_value_count(const vss_value *value);
VSS_PUBLIC const vss_value *vss_value_at(const vss_value *value, size_t index);
VSS_PUBLIC const char *vss_value_key_at(const vss_value *dict, size_t index);
/* The member of a dictionary under @key, borrowed; NULL if there is none. */
VSS_PUBLIC const vss_value *vss_value_get(const vss_value *dict, const char *key);
VSS_PUBLIC const char *vss_value_get_string(const vss_value *dict, const char *key, const char *otherwise);
VSS_PUBLIC int64_t vss_value_get_integer(const vss_value *dict, const char *key, int64_t otherwise);
VSS_PUBLIC bool vss_value_get_boolean(const vss_value *dict, const char *key, bool otherwise);

#ifdef __cplusplus
}
#endif

#endif
