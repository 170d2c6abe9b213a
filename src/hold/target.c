/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One target: FIFREEZE and FITHAW of a file system, cgroup.freeze of a control group, suspend and resume of
 * a device
 *
 * Only target_prepare() may allocate or look at paths; the others run while volumes stand still and use
 * nothing but descriptors that are open.
 */

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "hold/mapper.h"
#include "hold/mountinfo.h"
#include "hold/target.h"

/* How often cgroup.events is read again where it does not wake us, and how long a failing thaw is repeated.
 */
#define CGROUP_POLL_MSEC 10
#define THAW_ROUNDS 20u
#define THAW_PAUSE_USEC (20 * USEC_PER_MSEC)

static int prepare_filesystem(HoldTarget *target) {
        struct stat st;
        uint64_t device;

        if (fstat(target->fd, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
                return -ENOTDIR;
        /* btrfs gives each subvolume an st_dev of its own, mountinfo shows the superblock's. */
        if (mountinfo_device_of(target->fd, &device) >= 0)
                target->device = device;
        else if (target->device == 0)
                target->device = st.st_dev;
        return 0;
}

static int prepare_cgroup(HoldTarget *target) {
        target->freeze_fd = openat(target->fd, "cgroup.freeze", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (target->freeze_fd < 0)
                return -errno;
        target->events_fd = openat(target->fd, "cgroup.events", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (target->events_fd < 0)
                return -errno;
        target->device = 0;
        return 0;
}

static int prepare_device(HoldTarget *target) {
        MapperState state;
        int r;

        target->fd = mapper_open();
        if (target->fd < 0)
                return target->fd;
        r = mapper_state(target->fd, target->device, &state);
        if (r < 0)
                return r;
        (void)snprintf(target->label, sizeof(target->label), "%s", state.name);
        return target->swap && !state.inactive ? -ENODATA : 0;
}

void target_prepare(HoldTarget *target, const HoldRequest *request, int fd) {
        int r;

        target->kind = request->kind;
        target->rank = request->rank;
        target->device = request->device;
        target->fd = fd;
        target->freeze_fd = target->events_fd = -1;
        memcpy(target->label, request->label, sizeof(target->label));
        target->label[sizeof(target->label) - 1] = '\0';

        if (request->kind == VSS_HOLD_DEVICE) {
                closep(&fd);
                r = prepare_device(target);
        } else if (fd < 0)
                r = -EBADF;
        else if (request->kind == VSS_HOLD_FILESYSTEM)
                r = prepare_filesystem(target);
        else if (request->kind == VSS_HOLD_CGROUP)
                r = prepare_cgroup(target);
        else
                r = -EINVAL;
        target->preset_error = -r;
}

int target_operation(HoldTarget *target, const HoldRequest *request) {
        HoldOperation *operation = target->operations + target->n_operations;
        MapperState state;

        if (target->kind != VSS_HOLD_DEVICE || !memchr(request->message, '\0', sizeof(request->message)))
                return -EINVAL;
        if (request->operation != HOLD_OP_RESUME &&
            (request->operation != HOLD_OP_MESSAGE || !request->message[0]))
                return -EINVAL;
        if (target->n_operations >= HOLD_OPERATIONS_MAX)
                return -E2BIG;
        /* What is wrong with the device itself is told for it. */
        if (target->preset_error == 0)
                target->preset_error = -mapper_state(target->fd, request->operation_device, &state);
        operation->kind = request->operation;
        operation->device = request->operation_device;
        memcpy(operation->message, request->message, sizeof(operation->message));
        target->n_operations++;
        return 0;
}

/* Return: 1 frozen, 0 not, or -errno */
static int cgroup_stands(const HoldTarget *target) {
        char text[256];
        ssize_t n = pread(target->events_fd, text, sizeof(text) - 1, 0);

        if (n < 0)
                return -errno;
        text[n] = '\0';
        return strstr(text, "frozen 1") != NULL;
}

static int cgroup_write(const HoldTarget *target, const char *digit) {
        return pwrite(target->freeze_fd, digit, 1, 0) < 0 ? -errno : 0;
}

static int cgroup_freeze(HoldTarget *target) {
        int r = cgroup_write(target, "1");

        while (r >= 0) {
                struct pollfd wait = { .fd = target->events_fd, .events = POLLPRI };

                r = cgroup_stands(target);
                if (r > 0)
                        return 0;
                if (r == 0 && atomic_load(&target->order) == ORDER_RELEASE)
                        r = -ECANCELED;
                else if (r == 0)
                        (void)poll(&wait, 1, CGROUP_POLL_MSEC);
        }
        (void)cgroup_write(target, "0");
        return r;
}

static int cgroup_thaw(HoldTarget *target) {
        int stood = cgroup_stands(target), r = cgroup_write(target, "0");

        /* A control group that was removed holds nobody. */
        if (r == -ENODEV || stood == -ENODEV)
                return 0;
        if (r < 0)
                return r;
        return stood == 0 ? -EINVAL : 0;
}

int target_check(HoldTarget *target) {
        char digit = '0';

        if (target->kind == VSS_HOLD_DEVICE) {
                MapperState state;
                int r = mapper_state(target->fd, target->device, &state);

                return r == 0 && state.suspended ? -EBUSY : r;
        }
        if (target->kind != VSS_HOLD_CGROUP)
                return 0;
        if (pread(target->freeze_fd, &digit, 1, 0) < 0)
                return -errno;
        return digit == '1' ? -EBUSY : 0;
}

int target_freeze(HoldTarget *target) {
        int r;

        switch (target->kind) {
        case VSS_HOLD_FILESYSTEM:
                do
                        r = ioctl(target->fd, FIFREEZE, 0) < 0 ? -errno : 0;
                while (r == -EINTR && atomic_load(&target->order) != ORDER_RELEASE);
                return r;
        case VSS_HOLD_CGROUP:
                return cgroup_freeze(target);
        case VSS_HOLD_DEVICE:
                do
                        r = mapper_suspend(target->fd, target->device, !target->swap);
                while (r == -EINTR && atomic_load(&target->order) != ORDER_RELEASE);
                return r;
        default:
                return -EINVAL;
        }
}

static int thaw_once(HoldTarget *target) {
        int r;

        switch (target->kind) {
        case VSS_HOLD_FILESYSTEM:
                return ioctl(target->fd, FITHAW, 0) < 0 ? -errno : 0;
        case VSS_HOLD_CGROUP:
                return cgroup_thaw(target);
        case VSS_HOLD_DEVICE:
                r = mapper_undo(target->fd, target->device);
                /* What was removed holds nobody. */
                return r == -ENXIO ? -EINVAL : r;
        default:
                return -EINVAL;
        }
}

int target_thaw(HoldTarget *target) {
        int r = -EIO;

        for (unsigned i = 0; i < THAW_ROUNDS; i++) {
                r = thaw_once(target);
                if (r == 0 || r == -EINVAL)
                        return r;
                if (r != -EINTR)
                        (void)usleep(THAW_PAUSE_USEC);
        }
        return r;
}

bool target_settle(HoldTarget *target, bool gone) {
        uint32_t state = atomic_load(&target->state);
        int r;

        if (state == TARGET_IDLE)
                return gone;
        if (state != TARGET_FREEZING && state != TARGET_FROZEN && state != TARGET_RELEASING)
                return true;
        r = target_thaw(target);
        /* A freeze of a control group may still write behind our release, and a command suspend again. */
        if (state == TARGET_FREEZING &&
            (r == -EINVAL || target->kind == VSS_HOLD_CGROUP || target->guarded) && !gone)
                return false;
        if (r == -EINVAL && state == TARGET_FREEZING)
                atomic_store(&target->freeze_error, ECANCELED);
        else if (r == -EINVAL && state == TARGET_FROZEN)
                atomic_store(&target->release_error, EINVAL);
        else if (r != -EINVAL)
                /* With EINVAL while it was being released, the acting process was quicker. */
                atomic_store(&target->release_error, -r);
        if (atomic_load(&target->released_usec) == 0)
                atomic_store(&target->released_usec, now_usec());
        atomic_store(&target->state, r == 0 || r == -EINVAL ? TARGET_THAWED : TARGET_ERROR);
        return true;
}

int target_path(const HoldTarget *target, char *path, size_t size) {
        char link[32];
        ssize_t n;

        if (target->kind == VSS_HOLD_DEVICE ||
            (target->kind == VSS_HOLD_FILESYSTEM && target->label[0] == '/')) {
                (void)snprintf(path, size, "%s", target->label);
                return 0;
        }
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", target->fd);
        n = readlink(link, path, size - 1);
        if (n < 0)
                return -errno;
        path[n] = '\0';
        return path[0] == '/' ? 0 : -ENOENT;
}
