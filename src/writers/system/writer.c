/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The system state's writer: the parts of it, and the locks that hold some of them
 *
 * PrepareSnapshot writes the layout down, has the journal flushed, and looks whether packages or accounts
 * are being changed; Freeze takes the locks of the tools that change them; Thaw gives them back. What is
 * being changed fails alone.
 */

#include <stdarg.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include "config.h"
#include "util/clock.h"
#include "util/conf.h"
#include "writers/common/command.h"
#include "writers/system/layout.h"
#include "writers/system/writer.h"

#define LAYOUT_USEC (60 * USEC_PER_SEC)
#define JOURNAL_USEC (20 * USEC_PER_SEC)
/* Slow work may wait for a tool to end; the freeze may not. */
#define PREPARE_LOCK_USEC (3 * USEC_PER_SEC)
#define FREEZE_LOCK_USEC (200 * USEC_PER_MSEC)

Part system_held_part(Held held) {
        return held == HELD_PACKAGES ? PART_PACKAGES : PART_ACCOUNTS;
}

int system_open_lock(const Parts *parts, Held held, Lock *lock) {
        static const mode_t dpkg_modes[] = { 0640, 0640 }, rpm_modes[] = { 0644 },
                            account_modes[] = { 0600 };
        char files[2][PART_PATH_SIZE + 32], database[PART_PATH_SIZE + 32];
        const char *paths[LOCK_FILES_MAX + 1] = { files[0] };

        *lock = LOCK_NULL;
        if (parts->parts[system_held_part(held)].n == 0)
                return 0;
        if (held == HELD_ACCOUNTS) {
                /* As lckpwdf(3) does, which would wait. */
                paths[0] = "/etc/.pwd.lock";
                return lock_open(lock, paths, account_modes, "/etc/shadow");
        }
        if (parts->packages == PACKAGES_RPM) {
                (void)snprintf(files[0], sizeof(files[0]), "%s/.rpm.lock", parts->database);
                return lock_open(lock, paths, rpm_modes, NULL);
        }
        (void)snprintf(files[0], sizeof(files[0]), "%s/lock-frontend", parts->database);
        (void)snprintf(files[1], sizeof(files[1]), "%s/lock", parts->database);
        (void)snprintf(database, sizeof(database), "%s/status", parts->database);
        paths[1] = files[1];
        return lock_open(lock, paths, dpkg_modes, database);
}

void system_describe_holder(const LockHolder *holder, char *text, size_t size) {
        text[0] = '\0';
        if (holder->pid > 0)
                (void)snprintf(text, size, " by process %d%s%s%s", (int)holder->pid,
                               holder->name[0] ? " (" : "", holder->name, holder->name[0] ? ")" : "");
}

static const char *value_of(const Conf *conf, const char *key) {
        return conf_value(conf_section(conf, "", 0), key, "");
}

void system_identity(char *text, size_t size) {
        _cleanup_conf_ Conf *conf = NULL;
        struct utsname kernel = { .release = "" };
        char machine[64] = "";
        FILE *file = fopen("/etc/machine-id", "re");
        ConfError error;

        if (file) {
                (void)!fgets(machine, sizeof(machine), file);
                (void)fclose(file);
                machine[strcspn(machine, "\n")] = '\0';
        }
        (void)uname(&kernel);
        if (conf_read("/usr/lib/os-release", &error, &conf) < 0 &&
            conf_read("/etc/os-release", &error, &conf) < 0)
                conf = NULL;
        (void)snprintf(text, size, "machine-id=%s\nos=%s\nos-version=%s\nkernel=%s\narchitecture=%s\n",
                       machine, value_of(conf, "ID"), value_of(conf, "VERSION_ID"), kernel.release,
                       kernel.machine);
}

/* ---- Identify */

static vss_result describe_part(vss_metadata *metadata, const SystemWriter *writer, const Parts *parts,
                                Part part, const UnfinishedList *unfinished) {
        const PartFiles *files = &parts->parts[part];
        const Unfinished *broken = unfinished_find(unfinished, "", part_infos[part].name);
        char text[512];
        struct vss_component_info info = {
                .size = sizeof(info),
                .type = VSS_CT_FILEGROUP,
                .logical_path = "",
                .name = part_infos[part].name,
                .caption = part_infos[part].caption,
                .selectable = true,
                .selectable_for_restore = true,
                .flags = part_infos[part].state ? 0 : VSS_CF_NOT_SYSTEM_STATE,
                .crash_only = broken ? unfinished_text(broken, writer->unfinished_path, text, sizeof(text))
                                     : NULL,
        };
        vss_result r;

        if (files->n == 0)
                return VSS_S_OK;
        r = vss_metadata_add_component(metadata, &info);
        for (size_t i = 0; r >= 0 && i < files->n; i++)
                r = vss_metadata_add_files(metadata, "", info.name, files->sets[i].path,
                                           files->sets[i].filespec, files->sets[i].recursive);
        return r;
}

/* Locks, which say nothing later; and what an interrupted run of ours has left. */
static vss_result describe_excludes(vss_metadata *metadata, const Parts *parts) {
        vss_result r = vss_metadata_add_exclude(metadata, "/etc", ".pwd.lock", false);

        if (r >= 0 && parts->packages == PACKAGES_DPKG)
                r = vss_metadata_add_exclude(metadata, parts->database, "lock", false);
        if (r >= 0 && parts->packages == PACKAGES_DPKG)
                r = vss_metadata_add_exclude(metadata, parts->database, "lock-frontend", false);
        if (r >= 0 && parts->packages == PACKAGES_RPM)
                r = vss_metadata_add_exclude(metadata, parts->database, ".rpm.lock", false);
        return r;
}

static vss_result describe(vss_metadata *metadata, const SystemWriter *writer, const Parts *parts,
                           const UnfinishedList *unfinished) {
        vss_result r = vss_metadata_set_restore_method(
                metadata, VSS_RME_RESTORE_AT_REBOOT_IF_CANNOT_REPLACE, NULL,
                "After a restore: make the initial RAM disk and the boot loader anew (update-initramfs -u "
                "-k all or "
                "dracut --force; update-grub, grub-install or bootctl install), then reboot. Disks are "
                "never "
                "partitioned: how they were is in " LAYOUT_DIRECTORY ".",
                VSS_WRE_ALWAYS, true);

        for (Part part = 0; r >= 0 && part < PARTS; part++)
                r = describe_part(metadata, writer, parts, part, unfinished);
        return r >= 0 ? describe_excludes(metadata, parts) : r;
}

static vss_result warn(vss_metadata *metadata) {
        char missing[LAYOUT_MISSING_SIZE];

        if (layout_missing(missing) == 0)
                return VSS_S_OK;
        return vss_metadata_add_warning(metadata, "layout: not all of it can be written down without %s",
                                        missing);
}

static vss_result system_identify(vss_writer_call *call, vss_metadata *metadata) {
        SystemWriter *writer = vss_writer_call_userdata(call);
        UnfinishedList unfinished = { 0 };
        Parts parts;
        vss_result result;
        int r;

        /* Between Freeze and Thaw nothing is read. */
        if (writer->frozen)
                return describe(metadata, writer, &writer->parts, &unfinished);
        parts_find("", &parts);
        r = unfinished_load(writer->unfinished_path, &unfinished);
        result = describe(metadata, writer, &parts, &unfinished);
        unfinished_clear(&unfinished);
        if (r < 0 && result >= 0)
                result = vss_metadata_add_warning(metadata, "%s cannot be read: %s", writer->unfinished_path,
                                                  strerror(-r));
        return result >= 0 ? warn(metadata) : result;
}

/* ---- PrepareBackup */

/* The requester says that a machine can be started from this: what it has left out is told. */
static vss_result system_prepare_backup(vss_writer_call *call) {
        Parts parts;

        if (!vss_writer_call_bootable_system_state(call) || !vss_writer_call_components_selected(call))
                return VSS_S_OK;
        parts_find("", &parts);
        for (Part part = 0; part < PARTS; part++)
                if (parts.parts[part].n > 0 && part_infos[part].state &&
                    !vss_writer_call_find_component(call, "", part_infos[part].name))
                        (void)vss_writer_call_add_note(
                                call, NULL, NULL,
                                "the system state is to be one to start from, and its part "
                                "%s is left out",
                                part_infos[part].name);
        return VSS_S_OK;
}

/* ---- the set */

static void let_go(SystemWriter *writer) {
        for (Held held = 0; held < HELDS; held++)
                lock_close(&writer->locks[held]);
        memset(writer->in_set, 0, sizeof(writer->in_set));
        memset(writer->failed, 0, sizeof(writer->failed));
        writer->session[0] = '\0';
        writer->frozen = false;
}

static void _printf_(5, 6) fail_part(SystemWriter *writer, vss_writer_call *call, Part part, vss_result code,
                                     const char *format, ...) {
        char text[1024];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        writer->failed[part] = true;
        (void)vss_writer_call_fail_component(call, "", part_infos[part].name, code, "%s", text);
}

static bool is_in_set(const vss_writer_call *call, const PartFiles *files, Part part) {
        for (size_t i = 0; i < files->n; i++)
                if (vss_writer_call_is_path_affected(call, files->sets[i].path))
                        return !vss_writer_call_components_selected(call) ||
                               vss_writer_call_find_component(call, "", part_infos[part].name);
        return false;
}

typedef struct Work {
        Part part;
        int (*run)(uint64_t deadline_usec, char text[static COMMAND_OUTPUT_MAX + 1]);
        uint64_t deadline_usec;
        pid_t parent;
        Child child;
} Work;

typedef struct WorkReply {
        int32_t result;
        char text[COMMAND_OUTPUT_MAX + 1];
} WorkReply;

static int run_layout(uint64_t deadline_usec, char text[static COMMAND_OUTPUT_MAX + 1]) {
        int r = layout_write(LAYOUT_DIRECTORY, deadline_usec);

        /* What a missing tool costs is told by Identify, and is in the manifest. */
        return MIN(r, 0);
}

/* Without journald, or without its tool, there is nothing in its memory. */
static int run_journal(uint64_t deadline_usec, char text[static COMMAND_OUTPUT_MAX + 1]) {
        const char *const argv[] = { "journalctl", "--sync", NULL };
        int r;

        if (access("/run/systemd/journal/io.systemd.journal", F_OK) < 0)
                return 0;
        r = command_run(argv, -1, deadline_usec, text);
        return r == -ENOENT ? 0 : r > 0 ? -EIO : r;
}

static int work_main(int fd, void *userdata) {
        const Work *work = userdata;
        WorkReply reply = { .text = "" };

        if (child_die_with_parent(work->parent) < 0)
                return 1;
        reply.result = work->run(work->deadline_usec, reply.text);
        return child_send(fd, &reply, sizeof(reply)) < 0;
}

static void await_work(SystemWriter *writer, vss_writer_call *call, Work *work) {
        WorkReply reply = { .result = -ETIMEDOUT, .text = "" };
        const char *what = work->part == PART_LAYOUT
                                   ? "the layout of the disks could not be written down"
                                   : "the journal could not be flushed (journalctl --sync)";

        if (work->child.pid > 0) {
                (void)child_receive(work->child.fd, &reply, sizeof(reply),
                                    work->deadline_usec + 200 * USEC_PER_MSEC);
                child_kill(&work->child);
        }
        if (reply.result < 0)
                fail_part(writer, call, work->part, VSS_E_WRITERERROR_RETRYABLE, "%s: %s%s%.*s", what,
                          reply.result == -ETIMEDOUT ? "it did not end in time" : strerror(-reply.result),
                          reply.text[0] ? ": " : "", (int)sizeof(reply.text) - 1, reply.text);
}

static void do_work(SystemWriter *writer, vss_writer_call *call) {
        Work works[] = {
                { .part = PART_LAYOUT,
                  .run = run_layout,
                  .deadline_usec = event_deadline(call, LAYOUT_USEC) },
                { .part = PART_JOURNAL,
                  .run = run_journal,
                  .deadline_usec = event_deadline(call, JOURNAL_USEC) },
        };

        FOREACH_ELEMENT (work, works) {
                work->child = CHILD_NULL;
                work->parent = getpid();
                if (writer->in_set[work->part] && child_start(work_main, work, &work->child) < 0)
                        work->child = CHILD_NULL;
        }
        FOREACH_ELEMENT (work, works)
                if (writer->in_set[work->part])
                        await_work(writer, call, work);
}

static void fail_locked(SystemWriter *writer, vss_writer_call *call, Held held, int error,
                        const LockHolder *holder) {
        Part part = system_held_part(held);
        char who[128];

        system_describe_holder(holder, who, sizeof(who));
        if (error != -EAGAIN)
                fail_part(writer, call, part, VSS_E_WRITERERROR_RETRYABLE, "their lock cannot be taken: %s",
                          strerror(-error));
        else if (held == HELD_PACKAGES)
                fail_part(writer, call, part, VSS_E_WRITERERROR_RETRYABLE,
                          "packages are being installed or removed%s: try again when that has ended", who);
        else
                fail_part(writer, call, part, VSS_E_WRITERERROR_RETRYABLE,
                          "accounts are being changed%s: try again when that has ended", who);
}

/* Return: VSS_S_OK if any part is left, or if there was none to begin with. */
static vss_result sort_out(SystemWriter *writer, vss_writer_call *call) {
        size_t n = 0, n_failed = 0;

        for (Part part = 0; part < PARTS; part++) {
                n += writer->in_set[part];
                n_failed += writer->in_set[part] && writer->failed[part];
        }
        if (n == 0 || n_failed < n)
                return VSS_S_OK;
        let_go(writer);
        return vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE,
                                    "nothing of the system state is at rest; its components say why");
}

static vss_result system_prepare_snapshot(vss_writer_call *call) {
        SystemWriter *writer = vss_writer_call_userdata(call);

        let_go(writer);
        (void)snprintf(writer->session, sizeof(writer->session), "%s", vss_writer_call_session_id(call));
        parts_find("", &writer->parts);
        for (Part part = 0; part < PARTS; part++)
                writer->in_set[part] = is_in_set(call, &writer->parts.parts[part], part);
        do_work(writer, call);
        for (Held held = 0; held < HELDS; held++) {
                uint64_t deadline = event_deadline(call, PREPARE_LOCK_USEC);
                LockHolder holder = { .pid = 0 };
                int r;

                if (!writer->in_set[system_held_part(held)])
                        continue;
                r = system_open_lock(&writer->parts, held, &writer->locks[held]);
                while (r == 0 && (r = lock_look(&writer->locks[held], &holder)) == -EAGAIN &&
                       now_usec() < deadline) {
                        (void)usleep(50000);
                        r = 0;
                }
                if (r < 0)
                        fail_locked(writer, call, held, r, &holder);
        }
        return sort_out(writer, call);
}

static vss_result system_freeze(vss_writer_call *call) {
        SystemWriter *writer = vss_writer_call_userdata(call);

        writer->frozen = true;
        for (Held held = 0; held < HELDS; held++) {
                Part part = system_held_part(held);
                LockHolder holder = { .pid = 0 };
                int r;

                if (!writer->in_set[part] || writer->failed[part])
                        continue;
                r = lock_take(&writer->locks[held], event_deadline(call, FREEZE_LOCK_USEC), &holder);
                if (r < 0)
                        fail_locked(writer, call, held, r, &holder);
        }
        return sort_out(writer, call);
}

static vss_result system_thaw(vss_writer_call *call) {
        SystemWriter *writer = vss_writer_call_userdata(call);
        bool changed[HELDS] = { false };

        for (Held held = 0; held < HELDS; held++)
                changed[held] = writer->locks[held].taken && !lock_is_unchanged(&writer->locks[held]);
        for (Held held = 0; held < HELDS; held++) {
                Part part = system_held_part(held);

                lock_close(&writer->locks[held]);
                if (changed[held])
                        fail_part(writer, call, part, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT,
                                  "somebody changed them while the copy was made, without their lock");
        }
        let_go(writer);
        return VSS_S_OK;
}

static vss_result system_abort(vss_writer_call *call) {
        SystemWriter *writer = vss_writer_call_userdata(call);

        /* The end of one session must not let go what is prepared or held for another. */
        if (strcmp(writer->session, vss_writer_call_session_id(call)) == 0)
                let_go(writer);
        return VSS_S_OK;
}

/* For the restore: which system this is. */
static vss_result system_post_snapshot(vss_writer_call *call) {
        char identity[1024];

        system_identity(identity, sizeof(identity));
        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                const vss_value *component = vss_writer_call_component(call, i);

                (void)vss_writer_call_set_backup_metadata(
                        call, vss_value_get_string(component, "logical-path", ""),
                        vss_value_get_string(component, "name", ""), identity);
        }
        return VSS_S_OK;
}

static vss_result system_backup_shutdown(vss_writer_call *call) {
        system_end_restore(vss_writer_call_userdata(call), vss_writer_call_session_id(call));
        return VSS_S_OK;
}

const struct vss_writer system_writer = {
        VSS_WRITER_INIT,
        .name = "SystemState",
        .id = "04f8c6f5-84e1-471e-b0d0-f6bbed82100b",
        .friendly_name = "System state",
        .version = LINUXVSS_VERSION,
        .usage = VSS_UT_BOOTABLESYSTEMSTATE,
        .source = VSS_ST_OTHER,
        .level = VSS_APP_SYSTEM,
        .freeze_timeout_ms = 10000,
        .identify = system_identify,
        .freeze = system_freeze,
        .thaw = system_thaw,
        .abort = system_abort,
        .prepare_backup = system_prepare_backup,
        .prepare_snapshot = system_prepare_snapshot,
        .post_snapshot = system_post_snapshot,
        .backup_shutdown = system_backup_shutdown,
        .pre_restore = system_pre_restore,
        .post_restore = system_post_restore,
        .verify = system_verify,
        .knows_dry_run = true,
};
