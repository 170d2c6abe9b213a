/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The few calls of device-mapper that stop and start devices
 *
 * Every call has its structure on the stack, which is locked in memory; nothing is allocated here, and in
 * the kernel with the promise not to wait for I/O (PR_SET_IO_FLUSHER, protect.c).
 */

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "hold/mapper.h"
#include "hold/protocol.h"
#include "util/macro.h"

static void call_fill(struct dm_ioctl *call, size_t size, uint64_t device, uint32_t flags) {
        memset(call, 0, sizeof(*call));
        call->version[0] = DM_VERSION_MAJOR;
        call->data_size = (uint32_t)size;
        call->data_start = sizeof(*call);
        /* For the numbers there are, the kernel's packing is the C library's. */
        call->dev = device;
        call->flags = flags;
}

/* One call without data; @call has the device's state behind it. */
static int call_run(int control, unsigned long request, uint64_t device, uint32_t flags,
                    struct dm_ioctl *call) {
        call_fill(call, sizeof(*call), device, flags);
        return ioctl(control, request, call) < 0 ? -errno : 0;
}

int mapper_open(void) {
        int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

        if (fd >= 0)
                return fd;
        return errno == ENOENT || errno == ENODEV || errno == ENXIO ? -EOPNOTSUPP : -errno;
}

int mapper_state(int control, uint64_t device, MapperState *ret_state) {
        struct dm_ioctl call;
        int r = call_run(control, DM_DEV_STATUS, device, 0, &call);

        if (r < 0)
                return r;
        ret_state->suspended = call.flags & DM_SUSPEND_FLAG;
        ret_state->inactive = call.flags & DM_INACTIVE_PRESENT_FLAG;
        memcpy(ret_state->name, call.name, sizeof(ret_state->name));
        ret_state->name[sizeof(ret_state->name) - 1] = '\0';
        return 0;
}

int mapper_suspend(int control, uint64_t device, bool freeze) {
        struct dm_ioctl call;

        return call_run(control, DM_DEV_SUSPEND, device,
                        DM_SUSPEND_FLAG | (freeze ? 0 : DM_SKIP_LOCKFS_FLAG), &call);
}

int mapper_resume(int control, uint64_t device) {
        struct dm_ioctl call;

        return call_run(control, DM_DEV_SUSPEND, device, 0, &call);
}

int mapper_clear(int control, uint64_t device) {
        struct dm_ioctl call;

        return call_run(control, DM_TABLE_CLEAR, device, 0, &call);
}

int mapper_message(int control, uint64_t device, const char *message) {
        struct {
                struct dm_ioctl call;
                uint64_t sector; /* struct dm_target_msg, whose text has no size */
                char message[HOLD_MESSAGE_SIZE];
        } call;
        size_t length = strlen(message);

        if (length >= sizeof(call.message))
                return -E2BIG;
        call_fill(&call.call, sizeof(call), device, 0);
        call.sector = 0;
        memset(call.message, 0, sizeof(call.message));
        memcpy(call.message, message, length);
        return ioctl(control, DM_TARGET_MSG, &call) < 0 ? -errno : 0;
}

int mapper_undo(int control, uint64_t device) {
        MapperState state;
        int r = mapper_state(control, device, &state);

        if (r < 0)
                return r;
        if (!state.suspended)
                return -EINVAL;
        r = mapper_clear(control, device);
        return r < 0 ? r : mapper_resume(control, device);
}
