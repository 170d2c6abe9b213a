/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Results, levels and states with their names
 *
 * One table holds each result's number, name, meaning and remedy; bus error names, `vss explain` and
 * messages are all made from it.
 */

#include <stdlib.h>
#include <string.h>
#include "model/result.h"
#include "util/macro.h"

static const struct {
        vss_result result;
        const char *name;
        const char *text;
        const char *remedy;
} results[] = {
        { VSS_S_OK, "S_OK", "Done.", "Nothing to do." },
        { VSS_S_FALSE, "S_FALSE", "Fewer items than asked for, or an optional value that is not set.",
          "Nothing to do." },
        { VSS_S_ASYNC_PENDING, "S_ASYNC_PENDING", "The operation is still under way.",
          "Wait longer, look at its progress, or cancel it." },
        { VSS_S_ASYNC_FINISHED, "S_ASYNC_FINISHED", "The operation has finished.", "Nothing to do." },
        { VSS_S_ASYNC_CANCELLED, "S_ASYNC_CANCELLED", "The operation was cancelled.",
          "Start it again if it is still wanted." },
        { VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED, "S_SOME_SNAPSHOTS_NOT_IMPORTED",
          "Some shadow copies of the set were not imported.",
          "See the result for which and why; unmask their LUNs and import again." },
        { VSS_E_BAD_STATE, "E_BAD_STATE", "The call came out of order.",
          "The message names the call that is missing; make it first." },
        { VSS_E_UNEXPECTED, "E_UNEXPECTED", "Something failed that should not have.",
          "Read the message and the journal of linuxvss.service; run vss doctor." },
        { VSS_E_PROVIDER_ALREADY_REGISTERED, "E_PROVIDER_ALREADY_REGISTERED",
          "A provider with this identity exists.",
          "Remove the other one, or give this one its own identity." },
        { VSS_E_PROVIDER_NOT_REGISTERED, "E_PROVIDER_NOT_REGISTERED", "There is no provider of that name.",
          "See vss list providers; install the provider or leave the choice to the service." },
        { VSS_E_PROVIDER_VETO, "E_PROVIDER_VETO", "A provider refused.",
          "The message says which and why; repair that and try again." },
        { VSS_E_PROVIDER_IN_USE, "E_PROVIDER_IN_USE", "The provider is working.",
          "Wait until its set is done." },
        { VSS_E_OBJECT_NOT_FOUND, "E_OBJECT_NOT_FOUND",
          "There is no such path, volume, shadow copy, set, component, session or name.",
          "Check the spelling; vss list shows what the service knows." },
        { VSS_E_VOLUME_NOT_SUPPORTED, "E_VOLUME_NOT_SUPPORTED", "No provider takes this volume.",
          "vss plan PATH shows who was asked and why each declined." },
        { VSS_E_OBJECT_ALREADY_EXISTS, "E_OBJECT_ALREADY_EXISTS", "It is there already.",
          "Leave the second one out, or give it another name." },
        { VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, "E_VOLUME_NOT_SUPPORTED_BY_PROVIDER",
          "The provider does not take this volume.",
          "Name another one, or leave the choice to the service." },
        { VSS_E_UNEXPECTED_PROVIDER_ERROR, "E_UNEXPECTED_PROVIDER_ERROR",
          "A provider died, or answered what it must not.",
          "Look at its journal; it is started anew with the next set." },
        { VSS_E_CORRUPT_XML_DOCUMENT, "E_CORRUPT_XML_DOCUMENT", "A document cannot be parsed.",
          "Get an undamaged copy of it." },
        { VSS_E_INVALID_XML_DOCUMENT, "E_INVALID_XML_DOCUMENT", "A document is not valid.",
          "The message names line and element." },
        { VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED, "E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED",
          "A set holds 64 volumes at most.", "Make several sets." },
        { VSS_E_FLUSH_WRITES_TIMEOUT, "E_FLUSH_WRITES_TIMEOUT",
          "Writing back what is dirty took too long; nothing was frozen.",
          "Try when less is written, or give the storage time to catch up." },
        { VSS_E_HOLD_WRITES_TIMEOUT, "E_HOLD_WRITES_TIMEOUT",
          "The hold lasted longer than it may; everything was released and there is no shadow copy.",
          "Try when the storage is less busy; the timeline shows who was slow." },
        { VSS_E_UNEXPECTED_WRITER_ERROR, "E_UNEXPECTED_WRITER_ERROR", "A writer answered what it must not.",
          "Look at its journal." },
        { VSS_E_SNAPSHOT_SET_IN_PROGRESS, "E_SNAPSHOT_SET_IN_PROGRESS", "Another set is being created.",
          "The message says whose; wait with --wait, or abort it with vss abort." },
        { VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED, "E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED",
          "The volume has as many shadow copies as it can.", "Delete some: vss delete --oldest VOLUME." },
        { VSS_E_WRITER_INFRASTRUCTURE, "E_WRITER_INFRASTRUCTURE", "The message bus failed the service.",
          "Check dbus and linuxvss.service." },
        { VSS_E_WRITER_NOT_RESPONDING, "E_WRITER_NOT_RESPONDING", "A writer died or did not answer in time.",
          "The message names it; look at its journal." },
        { VSS_E_WRITER_ALREADY_SUBSCRIBED, "E_WRITER_ALREADY_SUBSCRIBED",
          "A writer of this name is running already.", "Stop the other one." },
        { VSS_E_UNSUPPORTED_CONTEXT, "E_UNSUPPORTED_CONTEXT",
          "The provider cannot make shadow copies of this context.", "Use another context or provider." },
        { VSS_E_VOLUME_IN_USE, "E_VOLUME_IN_USE", "The volume or directory is in use.",
          "Unmount it, or end what uses it." },
        { VSS_E_MAXIMUM_DIFFAREA_ASSOCIATIONS_REACHED, "E_MAXIMUM_DIFFAREA_ASSOCIATIONS_REACHED",
          "The volume has its difference area already.", "Change or remove the one it has." },
        { VSS_E_INSUFFICIENT_STORAGE, "E_INSUFFICIENT_STORAGE", "There is no space for the shadow copy.",
          "Free some, delete old shadow copies, or enlarge the storage." },
        { VSS_E_NO_SNAPSHOTS_IMPORTED, "E_NO_SNAPSHOTS_IMPORTED", "No shadow copy was imported.",
          "Check that the LUNs can be reached from this host." },
        { VSS_E_SOME_SNAPSHOTS_NOT_IMPORTED, "E_SOME_SNAPSHOTS_NOT_IMPORTED",
          "Some shadow copies were not imported.", "See the result for which and why." },
        { VSS_E_MAXIMUM_NUMBER_OF_REMOTE_MACHINES_REACHED, "E_MAXIMUM_NUMBER_OF_REMOTE_MACHINES_REACHED",
          "Too many other machines take part.", "Use fewer." },
        { VSS_E_REMOTE_SERVER_UNAVAILABLE, "E_REMOTE_SERVER_UNAVAILABLE",
          "The other machine cannot be reached.", "Check the network and its service." },
        { VSS_E_REMOTE_SERVER_UNSUPPORTED, "E_REMOTE_SERVER_UNSUPPORTED",
          "The other machine does not support this.", "Update it." },
        { VSS_E_REVERT_IN_PROGRESS, "E_REVERT_IN_PROGRESS", "The volume is being reverted.",
          "Wait for the end of it." },
        { VSS_E_REVERT_VOLUME_LOST, "E_REVERT_VOLUME_LOST",
          "The volume went away while it was being reverted.", "Mount it again and look at its state." },
        { VSS_E_REBOOT_REQUIRED, "E_REBOOT_REQUIRED", "A reboot is needed.", "Reboot." },
        { VSS_E_TRANSACTION_FREEZE_TIMEOUT, "E_TRANSACTION_FREEZE_TIMEOUT",
          "The transaction manager could not be frozen in time.", "Try again at less load." },
        { VSS_E_TRANSACTION_THAW_TIMEOUT, "E_TRANSACTION_THAW_TIMEOUT",
          "The transaction manager was not thawed in time.", "Try again at less load." },
        { VSS_E_UNSELECTED_VOLUME, "E_UNSELECTED_VOLUME", "The LUN holds a volume that was not selected.",
          "Select it too, or switch the check off." },
        { VSS_E_SNAPSHOT_NOT_IN_SET, "E_SNAPSHOT_NOT_IN_SET", "The shadow copy is not in this set.",
          "Name one that is." },
        { VSS_E_NESTED_VOLUME_LIMIT, "E_NESTED_VOLUME_LIMIT", "Volumes lie on files of volumes too deeply.",
          "Shadow copy the outer ones." },
        { VSS_E_VOLUME_NOT_LOCAL, "E_VOLUME_NOT_LOCAL", "The volume belongs to another machine.",
          "Make the shadow copy there." },
        { VSS_E_CLUSTER_TIMEOUT, "E_CLUSTER_TIMEOUT", "The cluster did not answer in time.", "Try again." },
        { VSS_E_NOT_SUPPORTED, "E_NOT_SUPPORTED", "This is not supported here.",
          "Do without it, or use what supports it; the message names what does not." },
        { VSS_E_WRITERERROR_PARTIAL_FAILURE, "E_WRITERERROR_PARTIAL_FAILURE",
          "Some components of the writer failed.", "The result names them; the others are good." },
        { VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT, "E_WRITERERROR_INCONSISTENTSNAPSHOT",
          "The set misses volumes that the writer's files are on.", "Add the volumes that are named." },
        { VSS_E_WRITERERROR_OUTOFRESOURCES, "E_WRITERERROR_OUTOFRESOURCES",
          "The writer ran out of memory or another resource.", "Try again at less load." },
        { VSS_E_WRITERERROR_TIMEOUT, "E_WRITERERROR_TIMEOUT",
          "The writer, or the freeze as a whole, took too long; everything was thawed.",
          "Try again at less load; the timeline shows who was slow." },
        { VSS_E_WRITERERROR_RETRYABLE, "E_WRITERERROR_RETRYABLE",
          "The writer failed and may succeed next time.", "Try again." },
        { VSS_E_WRITERERROR_NONRETRYABLE, "E_WRITERERROR_NONRETRYABLE",
          "The writer failed and will fail again.", "The message says what to repair." },
        { VSS_E_WRITERERROR_RECOVERY_FAILED, "E_WRITERERROR_RECOVERY_FAILED",
          "The writer could not recover its data in the shadow copy.",
          "Look at the application's own log." },
        { VSS_E_BREAK_REVERT_ID_FAILED, "E_BREAK_REVERT_ID_FAILED",
          "The disk identity could not be reverted.", "Unmask the original first." },
        { VSS_E_LEGACY_PROVIDER, "E_LEGACY_PROVIDER", "The provider is too old for this.", "Update it." },
        { VSS_E_MISSING_DISK, "E_MISSING_DISK", "A disk is missing.", "Attach it." },
        { VSS_E_MISSING_HIDDEN_VOLUME, "E_MISSING_HIDDEN_VOLUME", "A hidden volume is missing.",
          "Attach its disk." },
        { VSS_E_MISSING_VOLUME, "E_MISSING_VOLUME", "A volume is missing.", "Attach its disk." },
        { VSS_E_AUTORECOVERY_FAILED, "E_AUTORECOVERY_FAILED",
          "The shadow copy could not be made writable for recovery.", "Look at the provider's journal." },
        { VSS_E_DYNAMIC_DISK_ERROR, "E_DYNAMIC_DISK_ERROR", "A dynamic disk failed.",
          "Look at the storage." },
        { VSS_E_NONTRANSPORTABLE_BCD, "E_NONTRANSPORTABLE_BCD",
          "The document describes no transportable shadow copy.", "Create the set with --transportable." },
        { VSS_E_CANNOT_REVERT_DISKID, "E_CANNOT_REVERT_DISKID", "The disk identity cannot be reverted.",
          "Unmask the original first." },
        { VSS_E_RESYNC_IN_PROGRESS, "E_RESYNC_IN_PROGRESS", "A resync is under way.",
          "Wait for the end of it." },
        { VSS_E_CLUSTER_ERROR, "E_CLUSTER_ERROR", "The cluster failed.", "Look at its log." },
        { VSS_E_ASRERROR_DISK_ASSIGNMENT_FAILED, "E_ASRERROR_DISK_ASSIGNMENT_FAILED",
          "Recovery of the machine found no disk for one of the old machine's.",
          "Attach a disk that is as large as the old one." },
        { VSS_E_ASRERROR_DISK_RECREATION_FAILED, "E_ASRERROR_DISK_RECREATION_FAILED",
          "Recovery of the machine could not partition a disk.",
          "Check the disk, and that nothing uses it." },
        { VSS_E_ASRERROR_NO_ARCPATH, "E_ASRERROR_NO_ARCPATH",
          "The firmware's path to the boot disk is not known.", "Choose the boot disk in the firmware." },
        { VSS_E_ASRERROR_MISSING_DYNDISK, "E_ASRERROR_MISSING_DYNDISK",
          "A disk of a volume over several disks is missing.", "Attach it." },
        { VSS_E_ASRERROR_SHARED_CRIDISK, "E_ASRERROR_SHARED_CRIDISK",
          "A disk that the machine needs to boot is shared with another machine.",
          "Leave it out of the recovery, or give the machine a disk of its own." },
        { VSS_E_ASRERROR_DATADISK_RDISK0, "E_ASRERROR_DATADISK_RDISK0",
          "The first disk holds data that recovery would overwrite.",
          "Put the disk to boot from in its place." },
        { VSS_E_ASRERROR_RDISK0_TOOSMALL, "E_ASRERROR_RDISK0_TOOSMALL",
          "The first disk is too small for the old machine's system.", "Use a larger one." },
        { VSS_E_ASRERROR_CRITICAL_DISKS_TOO_SMALL, "E_ASRERROR_CRITICAL_DISKS_TOO_SMALL",
          "The disks are too small for what the machine needs to boot.", "Use larger ones." },
        { VSS_E_WRITER_STATUS_NOT_AVAILABLE, "E_WRITER_STATUS_NOT_AVAILABLE",
          "The writer has no room for another session.", "Finish or abort other sessions." },
        { VSS_E_ASRERROR_DYNAMIC_VHD_NOT_SUPPORTED, "E_ASRERROR_DYNAMIC_VHD_NOT_SUPPORTED",
          "A volume over several disks lies on a virtual disk, and cannot be recovered.",
          "Recover it to a plain disk." },
        { VSS_E_CRITICAL_VOLUME_ON_INVALID_DISK, "E_CRITICAL_VOLUME_ON_INVALID_DISK",
          "A volume that the machine needs to boot lies on a disk that cannot be booted from.",
          "Move the volume, or leave the recovery of the machine out." },
        { VSS_E_ASRERROR_RDISK_FOR_SYSTEM_DISK_NOT_FOUND, "E_ASRERROR_RDISK_FOR_SYSTEM_DISK_NOT_FOUND",
          "Recovery of the machine found no disk to boot from.",
          "Attach one, and choose it in the firmware." },
        { VSS_E_ASRERROR_NO_PHYSICAL_DISK_AVAILABLE, "E_ASRERROR_NO_PHYSICAL_DISK_AVAILABLE",
          "There is no disk to recover to.", "Attach one." },
        { VSS_E_ASRERROR_FIXED_PHYSICAL_DISK_AVAILABLE_AFTER_DISK_EXCLUSION,
          "E_ASRERROR_FIXED_PHYSICAL_DISK_AVAILABLE_AFTER_DISK_EXCLUSION",
          "All disks were left out, though there are some to recover to.", "Leave fewer disks out." },
        { VSS_E_ASRERROR_CRITICAL_DISK_CANNOT_BE_EXCLUDED, "E_ASRERROR_CRITICAL_DISK_CANNOT_BE_EXCLUDED",
          "A disk that the machine needs to boot was left out.", "Take it in." },
        { VSS_E_ASRERROR_SYSTEM_PARTITION_HIDDEN, "E_ASRERROR_SYSTEM_PARTITION_HIDDEN",
          "The partition to boot from is hidden.", "Unhide it." },
        { VSS_E_FSS_TIMEOUT, "E_FSS_TIMEOUT", "The shadow copy of the share took too long.", "Try again." },
        { VSS_E_ACCESSDENIED, "E_ACCESSDENIED", "Permission denied.",
          "Be root, or have an administrator allow the polkit action that is named." },
        { VSS_E_OUTOFMEMORY, "E_OUTOFMEMORY", "Out of memory.", "Free some." },
        { VSS_E_INVALIDARG, "E_INVALIDARG", "An argument is not valid.", "The message says which." },
        { VSS_E_UNEXPECTED_OLD, "E_UNEXPECTED_OLD",
          "Something failed that should not have, in an older service.",
          "Look at the journal of that machine; newer services answer E_UNEXPECTED." },
        { VSS_E_LEVEL_NOT_REACHED, "E_LEVEL_NOT_REACHED",
          "The set did not reach the level that was required.",
          "The result says what lowered it, for each component and volume." },
        { VSS_E_MAXIMUM_NUMBER_OF_SETS_REACHED, "E_MAXIMUM_NUMBER_OF_SETS_REACHED",
          "The machine holds as many shadow copy sets, sessions or leases as it may.",
          "Delete shadow copies, or raise the limit in /etc/linuxvss/linuxvss.conf." },
        { VSS_E_SERVICE_UNAVAILABLE, "E_SERVICE_UNAVAILABLE",
          "The service is not running and could not be started.",
          "Check linuxvss.service and the system bus." },
        { VSS_E_SNAPSHOT_LOST, "E_SNAPSHOT_LOST", "A shadow copy was lost, or cannot be believed any more.",
          "Do not trust what was read from it; see vss list shadows, give it more storage, and try again." },
};

static size_t find(vss_result result) {
        size_t unexpected = 0;

        for (size_t i = 0; i < ELEMENTS(results); i++) {
                if (results[i].result == result)
                        return i;
                if (results[i].result == VSS_E_UNEXPECTED)
                        unexpected = i;
        }
        return unexpected;
}

const char *vss_result_name(vss_result result) {
        return results[find(result)].name;
}

const char *vss_result_text(vss_result result) {
        return results[find(result)].text;
}

const char *vss_result_remedy(vss_result result) {
        return results[find(result)].remedy;
}

static bool number_is(const char *text, vss_result result) {
        char *end;
        unsigned long long number = strtoull(text, &end, 0);

        return end != text && *end == '\0' && number <= UINT32_MAX && (uint32_t)result == (uint32_t)number;
}

vss_result vss_result_from_name(const char *name, vss_result *ret_result) {
        if (!name)
                return VSS_E_OBJECT_NOT_FOUND;
        if (strncmp(name, "VSS_", 4) == 0)
                name += 4;
        FOREACH_ELEMENT (row, results)
                if (strcmp(row->name, name) == 0 || number_is(name, row->result)) {
                        *ret_result = row->result;
                        return VSS_S_OK;
                }
        return VSS_E_OBJECT_NOT_FOUND;
}

const char *result_name_at(size_t index, vss_result *ret_result) {
        if (index >= ELEMENTS(results))
                return NULL;
        *ret_result = results[index].result;
        return results[index].name;
}

static const char *const level_names[] = {
        [VSS_LEVEL_NONE] = "none",
        [VSS_LEVEL_VOLUME] = "volume",
        [VSS_LEVEL_GROUP] = "group",
        [VSS_LEVEL_APPLICATION] = "application",
};

const char *vss_level_name(enum vss_level level) {
        return (size_t)level < ELEMENTS(level_names) ? level_names[level] : "none";
}

vss_result vss_level_from_name(const char *name, enum vss_level *ret_level) {
        for (size_t i = 0; name && i < ELEMENTS(level_names); i++)
                if (strcmp(level_names[i], name) == 0) {
                        *ret_level = (enum vss_level)i;
                        return VSS_S_OK;
                }
        return VSS_E_INVALIDARG;
}

static const char *const writer_state_names[] = {
        [VSS_WS_UNKNOWN] = "Unknown",
        [VSS_WS_STABLE] = "Stable",
        [VSS_WS_WAITING_FOR_FREEZE] = "Waiting for freeze",
        [VSS_WS_WAITING_FOR_THAW] = "Frozen",
        [VSS_WS_WAITING_FOR_POST_SNAPSHOT] = "Waiting for shadow copy completion",
        [VSS_WS_WAITING_FOR_BACKUP_COMPLETE] = "Waiting for completion",
        [VSS_WS_FAILED_AT_IDENTIFY] = "Failed at Identify",
        [VSS_WS_FAILED_AT_PREPARE_BACKUP] = "Failed at PrepareForBackup",
        [VSS_WS_FAILED_AT_PREPARE_SNAPSHOT] = "Failed at PrepareForSnapshot",
        [VSS_WS_FAILED_AT_FREEZE] = "Failed at Freeze",
        [VSS_WS_FAILED_AT_THAW] = "Failed at Thaw",
        [VSS_WS_FAILED_AT_POST_SNAPSHOT] = "Failed at PostSnapshot",
        [VSS_WS_FAILED_AT_BACKUP_COMPLETE] = "Failed at BackupComplete",
        [VSS_WS_FAILED_AT_PRE_RESTORE] = "Failed at PreRestore",
        [VSS_WS_FAILED_AT_POST_RESTORE] = "Failed at PostRestore",
        [VSS_WS_FAILED_AT_BACKUPSHUTDOWN] = "Failed at BackupShutdown",
};

const char *vss_writer_state_name(enum vss_writer_state state) {
        return (size_t)state < ELEMENTS(writer_state_names) ? writer_state_names[state] : "Unknown";
}
