/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The doctor
 *
 * Each check looks at one thing that a set needs, or that makes it safer, and says what to do if it is not
 * there. Protections that a machine refuses are named here and in results; they are never fatal.
 */

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include "config.h"
#include "vssd/cgroup.h"
#include "vssd/doctor-internal.h"
#include "vssd/doctor.h"
#include "vssd/losses.h"

typedef struct Check {
        const char *name;
        bool (*ok)(void);
        const char *text; /* when it is amiss */
        const char *remedy;
} Check;

static bool hold_is_installed(void) {
        return access(LINUXVSS_LIBEXECDIR "/vss-hold", X_OK) == 0;
}

static bool run_is_tmpfs(void) {
        struct statfs fs;

        return statfs(LINUXVSS_RUNDIR, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static bool run_is_private(void) {
        struct stat st;

        return stat(LINUXVSS_RUNDIR, &st) == 0 && st.st_uid == 0 && (st.st_mode & 0022) == 0;
}

static bool can_lock_memory(void) {
        if (mlockall(MCL_CURRENT) < 0)
                return false;
        (void)munlockall();
        return true;
}

static bool can_be_real_time(void) {
        struct sched_param param = { .sched_priority = 1 };

        return sched_setscheduler(0, SCHED_FIFO, &param) == 0;
}

static bool can_escape_oom(void) {
        _cleanup_(closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        return fd >= 0 && write(fd, "-1000", 5) == 5;
}

static bool has_cgroup2(void) {
        _cleanup_(closep) int fd = cgroup_open("/no-such-group");

        return fd != -EOPNOTSUPP;
}

static bool has_mount_api(void) {
        _cleanup_(closep) int fd = open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

        return fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0;
}

static bool nothing_left_held(void) {
        return access(LINUXVSS_RUNDIR "/hold", F_OK) < 0;
}

static bool has_polkit(void) {
        return access("/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service", F_OK) == 0;
}

static bool is_release(void) {
        return !LINUXVSS_TEST_HOOKS;
}

static const Check checks[] = {
        { "hold", hold_is_installed,
          LINUXVSS_LIBEXECDIR "/vss-hold is missing: file systems cannot be held.",
          "Install the package again." },
        { "mounts", has_mount_api, "The kernel lacks open_tree(2) or mount_setattr(2).",
          "Linux 5.12 or newer is needed." },
        { "runtime-memory", run_is_tmpfs,
          LINUXVSS_RUNDIR " is not in memory: a held file system could block the service.",
          "Mount a tmpfs on /run." },
        { "runtime-rights", run_is_private, LINUXVSS_RUNDIR " can be written by others than root.",
          "chown root " LINUXVSS_RUNDIR "; chmod 0700 " LINUXVSS_RUNDIR },
        { "memory-lock", can_lock_memory, "The hold cannot lock its memory.",
          "Allow CAP_IPC_LOCK, or set LimitMEMLOCK=infinity in linuxvss.service." },
        { "real-time", can_be_real_time, "The hold cannot have real-time priority.",
          "Allow CAP_SYS_NICE, or give the service's control group a real-time budget." },
        { "oom", can_escape_oom, "The hold cannot be kept from the OOM killer.", "Allow CAP_SYS_RESOURCE." },
        { "cgroup2", has_cgroup2,
          "cgroup v2 is not mounted: the hold shares the service's control group, and "
          "applications cannot be frozen by it.",
          "Mount cgroup2 (systemd does)." },
        { "polkit", has_polkit, "polkit is not installed: only root may use the service.",
          "Install polkitd if others should." },
        { "leftovers", nothing_left_held,
          LINUXVSS_RUNDIR "/hold exists: something is held now, or was left held.",
          "If no set is being created: " LINUXVSS_LIBEXECDIR "/vss-hold --release" },
        { "build", is_release, "This is a test build: it can be told to stop at every step.",
          "Install a release build (meson setup -Dtest-hooks=false)." },
};

/* Of the service as it was when this worker was forked. */
static int add_losses(const Manager *manager, vss_value *list) {
        size_t n = vss_value_count(losses_list(manager));
        vss_value *row = vss_value_new_dict();

        (void)vss_value_set_string(row, "name", "losses");
        (void)vss_value_set_boolean(row, "ok", n == 0);
        (void)vss_value_set_string(row, "text", "");
        if (n > 0)
                (void)value_set_printf(row, "text", "%zu shadow cop%s lost.", n,
                                       n == 1 ? "y was" : "ies were");
        (void)vss_value_set_string(
                row, "remedy",
                n == 0 ? ""
                       : "vss list shadows says which and why; vss delete ID says that it "
                         "is known.");
        return vss_value_append(list, row) < 0 ? -ENOMEM : 0;
}

int doctor_main(void *arg, WorkerAnswer *answer) {
        vss_value *list = value_require(answer->value, "checks", VSS_KIND_LIST);
        int r;

        FOREACH_ELEMENT (check, checks) {
                bool ok = check->ok();
                vss_value *row = vss_value_new_dict();

                (void)vss_value_set_string(row, "name", check->name);
                (void)vss_value_set_boolean(row, "ok", ok);
                (void)vss_value_set_string(row, "text", ok ? "" : check->text);
                (void)vss_value_set_string(row, "remedy", ok ? "" : check->remedy);
                if (vss_value_append(list, row) < 0)
                        return -ENOMEM;
        }
        r = doctor_add_storage(list);
        return r < 0 ? r : add_losses(arg, list);
}
