/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The system state's writer: restores
 *
 * PreRestore refuses what must not be: packages or accounts while somebody changes them, the database of
 * packages of another release. It holds their locks until PostRestore, which looks at what has come. What a
 * person has to do afterwards is told; disks are never partitioned.
 */

#include <string.h>
#include "util/clock.h"
#include "writers/common/command.h"
#include "writers/system/writer.h"

#define LOCK_USEC (2 * USEC_PER_SEC)
#define CHECK_USEC (30 * USEC_PER_SEC)

void system_end_restore(SystemWriter *writer, const char *session) {
        if (strcmp(writer->restore_session, session) != 0)
                return;
        for (Held held = 0; held < HELDS; held++)
                lock_close(&writer->restore_locks[held]);
        writer->restore_session[0] = '\0';
}

static const vss_value *restored(const vss_writer_call *call, Part part) {
        const vss_value *component = vss_writer_call_find_component(call, "", part_infos[part].name);

        return vss_value_get_boolean(component, "selected-for-restore", false) ? component : NULL;
}

/* The value of "KEY=VALUE" in a text of lines. */
static void find_value(const char *text, const char *key, char *value, size_t size) {
        size_t n = strlen(key);

        value[0] = '\0';
        for (const char *line = text; line && *line;
             line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                if (strncmp(line, key, n) == 0 && line[n] == '=') {
                        (void)snprintf(value, size, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
                        return;
                }
}

static void refuse(vss_writer_call *call, Part part, vss_result code, const char *text) {
        SystemWriter *writer = vss_writer_call_userdata(call);

        writer->refused[part] = true;
        (void)vss_writer_call_fail_component(call, "", part_infos[part].name, code, "%s", text);
        (void)vss_writer_call_set_pre_restore_failure_msg(call, "", part_infos[part].name, text);
}

static void note(vss_writer_call *call, Part part, const char *text) {
        (void)vss_writer_call_add_note(call, "", part_infos[part].name, "%s", text);
}

/* A database of packages says which files are there: those of another release are not. */
static bool is_other_release(const char *then, char *text, size_t size) {
        static const char *const keys[] = { "os", "os-version", "architecture" };
        char now[1024], was[128], is[128];

        system_identity(now, sizeof(now));
        FOREACH_ELEMENT (key, keys) {
                find_value(then, *key, was, sizeof(was));
                find_value(now, *key, is, sizeof(is));
                if (was[0] && strcmp(was, is) != 0) {
                        (void)snprintf(
                                text, size,
                                "it is of another system (%s %s, here %s): restore the whole system instead",
                                *key, was, is);
                        return true;
                }
        }
        return false;
}

static bool is_other_machine(const char *then) {
        char now[1024], was[128], is[128];

        system_identity(now, sizeof(now));
        find_value(then, "machine-id", was, sizeof(was));
        find_value(now, "machine-id", is, sizeof(is));
        return was[0] && strcmp(was, is) != 0;
}

/* Return: is it held, or may it go on without? */
static bool take_lock(SystemWriter *writer, vss_writer_call *call, const Parts *parts, Held held) {
        Lock *lock = &writer->restore_locks[held], look = LOCK_NULL;
        Part part = system_held_part(held);
        bool dry = vss_writer_call_is_dry_run(call);
        LockHolder holder = { .pid = 0 };
        char who[128], text[256];
        int r;

        r = system_open_lock(parts, held, dry ? &look : lock);
        if (r >= 0)
                r = dry ? lock_look(&look, &holder)
                        : lock_take(lock, event_deadline(call, LOCK_USEC), &holder);
        lock_close(&look);
        if (r >= 0)
                return true;
        lock_close(lock);
        system_describe_holder(&holder, who, sizeof(who));
        (void)snprintf(text, sizeof(text), "%s%s: try again when that has ended",
                       held == HELD_PACKAGES ? "packages are being installed or removed"
                                             : "accounts are being changed",
                       who);
        if (r != -EAGAIN)
                (void)snprintf(text, sizeof(text), "their lock cannot be taken: %s", strerror(-r));
        refuse(call, part, VSS_E_WRITERERROR_RETRYABLE, text);
        return false;
}

static void note_before(vss_writer_call *call, Part part, const vss_value *component) {
        const char *then = vss_value_get_string(component, "backup-metadata", "");

        if (part == PART_CONFIGURATION && is_other_machine(then))
                note(call, part,
                     "it is of another machine: look at fstab, the network and the host's keys before the "
                     "next start");
        if (part == PART_LAYOUT)
                note(call, part,
                     "disks are not partitioned: what is put back is the description of how they were");
        if (part == PART_JOURNAL)
                note(call, part,
                     "journald goes on in the files that it has open: systemctl restart systemd-journald "
                     "afterwards");
}

/* Files are replaced from here on: that it was begun is told until it has been done. */
static void note_begin(SystemWriter *writer, vss_writer_call *call) {
        for (Part part = 0; part < PARTS; part++) {
                char text[512];
                int r;

                if (!restored(call, part) || writer->refused[part] || vss_writer_call_is_dry_run(call))
                        continue;
                r = unfinished_begin(writer->unfinished_path, vss_writer_call_session_id(call), "",
                                     part_infos[part].name, false);
                if (r >= 0)
                        continue;
                (void)snprintf(text, sizeof(text), "its restore cannot be noted in %s: %s",
                               writer->unfinished_path, strerror(-r));
                refuse(call, part, VSS_E_WRITERERROR_RETRYABLE, text);
        }
}

/* All of it is there; or nothing, and then nothing of this restore is left to be told. */
static void note_end(const SystemWriter *writer, vss_writer_call *call, Part part, int64_t status) {
        int r = 0;

        if (status == VSS_RS_ALL)
                r = unfinished_end(writer->unfinished_path, NULL, "", part_infos[part].name);
        else if (status == VSS_RS_NONE)
                r = unfinished_end(writer->unfinished_path, vss_writer_call_session_id(call), "",
                                   part_infos[part].name);
        if (r < 0)
                (void)vss_writer_call_add_note(call, "", part_infos[part].name,
                                               "that its restore has ended cannot be noted in %s: %s",
                                               writer->unfinished_path, strerror(-r));
}

vss_result system_pre_restore(vss_writer_call *call) {
        SystemWriter *writer = vss_writer_call_userdata(call);
        const vss_value *packages = restored(call, PART_PACKAGES);
        char text[512];
        Parts parts;

        system_end_restore(writer, writer->restore_session);
        (void)snprintf(writer->restore_session, sizeof(writer->restore_session), "%s",
                       vss_writer_call_session_id(call));
        parts_find("", &parts);
        for (Part part = 0; part < PARTS; part++) {
                const vss_value *component = restored(call, part);

                writer->refused[part] = false;
                if (component)
                        note_before(call, part, component);
        }
        if (packages &&
            is_other_release(vss_value_get_string(packages, "backup-metadata", ""), text, sizeof(text)))
                refuse(call, PART_PACKAGES, VSS_E_WRITERERROR_NONRETRYABLE, text);
        else if (packages)
                (void)take_lock(writer, call, &parts, HELD_PACKAGES);
        if (restored(call, PART_ACCOUNTS) || restored(call, PART_CONFIGURATION)) {
                /* The configuration has the accounts in it. */
                if (!take_lock(writer, call, &parts, HELD_ACCOUNTS) && restored(call, PART_CONFIGURATION))
                        refuse(call, PART_CONFIGURATION, VSS_E_WRITERERROR_RETRYABLE,
                               "accounts are being changed: try again when that has ended");
        }
        note_begin(writer, call);
        return VSS_S_OK;
}

/* ---- PostRestore */

/* What a checker says is for people: it finds fault with much that is harmless. */
static void check(vss_writer_call *call, Part part, const char *const *argv, uint64_t deadline_usec) {
        char text[COMMAND_OUTPUT_MAX + 1];
        int r = command_run(argv, -1, MIN(deadline_usec, now_usec() + CHECK_USEC), text);

        if (r == -ENOENT || (r == 0 && !text[0]))
                return;
        (void)vss_writer_call_add_note(call, "", part_infos[part].name, "%s %s: %s", argv[0],
                                       r == -ETIMEDOUT ? "did not end in time"
                                       : r == 0        ? "says"
                                                       : "finds fault",
                                       text);
}

static void note_after(vss_writer_call *call, Part part, bool dry, uint64_t deadline_usec) {
        static const char *const pwck[] = { "pwck", "--read-only", "--quiet", NULL };
        static const char *const grpck[] = { "grpck", "--read-only", NULL };
        static const char *const visudo[] = { "visudo", "--check", "--quiet", NULL };
        static const char *const audit[] = { "dpkg", "--audit", NULL };

        switch (part) {
        case PART_CONFIGURATION:
                if (!dry)
                        check(call, part, visudo, deadline_usec);
                note(call, part, "services read it when they start: reboot");
                break;
        case PART_ACCOUNTS:
                if (!dry) {
                        check(call, part, pwck, deadline_usec);
                        check(call, part, grpck, deadline_usec);
                }
                break;
        case PART_PACKAGES:
                if (!dry)
                        check(call, part, audit, deadline_usec);
                note(call, part,
                     "it is right only with the files of these packages, in /usr and elsewhere: put them "
                     "back as well (dpkg --verify or rpm -Va say what differs)");
                break;
        case PART_BOOT:
                note(call, part,
                     "make the initial RAM disk and the boot loader anew: update-initramfs -u -k all "
                     "(dracut "
                     "--force --regenerate-all), update-grub and grub-install DISK (grub2-mkconfig, bootctl "
                     "install)");
                break;
        case PART_FIRMWARE:
                note(call, part, "boot entries are not set: layout has them, for efibootmgr");
                break;
        case PART_LAYOUT:
                note(call, part,
                     "by hand, on empty disks: sfdisk DISK < FILE.sfdisk, vgcfgrestore --file FILE.vgcfg "
                     "GROUP");
                break;
        default:
                break;
        }
}

vss_result system_post_restore(vss_writer_call *call) {
        SystemWriter *writer = vss_writer_call_userdata(call);
        uint64_t deadline = event_deadline(call, UINT64_MAX / 2);
        bool dry = vss_writer_call_is_dry_run(call);

        system_end_restore(writer, vss_writer_call_session_id(call));
        for (Part part = 0; part < PARTS; part++) {
                const vss_value *component = restored(call, part);
                int64_t status = vss_value_get_integer(component, "file-restore-status", VSS_RS_UNDEFINED);

                if (component && !dry)
                        note_end(writer, call, part, status);
                if (component && status == VSS_RS_FAILED)
                        (void)vss_writer_call_set_post_restore_failure_msg(
                                call, "", part_infos[part].name,
                                "old and new files are mixed: restore it again before the next start");
                else if (component && (dry || status == VSS_RS_ALL))
                        note_after(call, part, dry, deadline);
        }
        return VSS_S_OK;
}
