/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A provider for ext4 on loop devices whose image lies on storage with reflinks (btrfs, XFS): a shadow copy
 * is a reflink of the image, ID.img beside it, taken while the file system is held. Copies last as long as this
 * process: what PERSISTENT providers do (keep the properties with the copy, list what they find) is left out. */
#include <fcntl.h>
#include <linux/fs.h>
#include <linuxvss/provider.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static struct copy { char path[4200]; int from, to; vss_value *properties; } copies[64];

static bool is(const struct copy *copy, const char *key, const char *id) {
        return strcmp(vss_value_get_string(copy->properties, key, ""), id) == 0;
}
static struct copy *find(const char *id) { /* "": a free place */
        for (struct copy *copy = copies; copy < copies + 64; copy++)
                if (is(copy, "id", id))
                        return copy;
        return NULL;
}
static void forget(struct copy *copy) {
        unlink(copy->path);
        close(copy->from);
        close(copy->to);
        vss_value_free(copy->properties);
        memset(copy, 0, sizeof(*copy));
}
static bool find_image(const struct vss_volume *volume, char path[4096]) {
        char name[128];
        snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/loop/backing_file", major(volume->device),
                 minor(volume->device));
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        ssize_t size = read(fd, path, 4095);
        close(fd);
        path[size > 0 ? size - 1 : 0] = '\0'; /* without the line's end */
        return size > 1;
}
static vss_result is_volume_supported(vss_provider_call *call, const struct vss_volume *volume,
                                      struct vss_volume_support *ret_support) {
        char path[4096];
        if (strcmp(volume->fs_type, "ext4") != 0 || !find_image(volume, path))
                return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, "It is no ext4 image.");
        ret_support->hold = VSS_HOLD_FILESYSTEM;
        return VSS_S_OK;
}
static vss_result begin_prepare_snapshot(vss_provider_call *call, const char *set_id, const char *snapshot_id,
                                         const struct vss_volume *volume, const vss_value *properties) {
        struct copy *copy = find("");
        char path[4096];
        if (!copy || !find_image(volume, path))
                return vss_provider_call_fail(call, VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED, "64 copies stand.");
        *copy = (struct copy){ .properties = vss_value_copy(properties) };
        snprintf(copy->path, sizeof(copy->path), "%s.%s.img", path, snapshot_id);
        copy->from = open(path, O_RDONLY | O_CLOEXEC);
        copy->to = open(copy->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        return copy->from >= 0 && copy->to >= 0 ? VSS_S_OK : vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%m");
}
static vss_result commit_snapshots(vss_provider_call *call, const char *set_id) {
        for (size_t i = 0; i < 64; i++)
                if (is(&copies[i], "set", set_id) && (ioctl(copies[i].to, FICLONE, copies[i].from) < 0 ||
                    vss_value_set_string(copies[i].properties, "state", "created") < 0))
                        return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%s: %m", copies[i].path);
        return VSS_S_OK;
}
static void abort_snapshots(vss_provider_call *call, const char *set_id) {
        for (size_t i = 0; i < 64; i++)
                if (is(&copies[i], "set", set_id))
                        forget(&copies[i]);
}
static vss_result query(vss_provider_call *call, vss_value *list) {
        for (size_t i = 0; i < 64; i++)
                if (copies[i].properties && vss_value_append(list, vss_value_copy(copies[i].properties)) < 0)
                        return VSS_E_OUTOFMEMORY;
        return VSS_S_OK;
}
static vss_result delete_snapshot(vss_provider_call *call, const char *snapshot_id) {
        return find(snapshot_id) ? forget(find(snapshot_id)), VSS_S_OK : VSS_E_OBJECT_NOT_FOUND;
}
/* mount(8) finds the loop device and the file system; the mount is lifted from where it was made. */
static vss_result open_snapshot(vss_provider_call *call, const char *snapshot_id, bool writable, int *ret_mount_fd) {
        struct copy *copy = find(snapshot_id);
        if (!copy || writable)
                return copy ? VSS_E_NOT_SUPPORTED : VSS_E_OBJECT_NOT_FOUND;
        char at[] = "/run/image-provider.XXXXXX", *argv[] = { "mount", "-o", "loop,ro", copy->path, mkdtemp(at), NULL };
        pid_t pid, status = 1;
        if (!posix_spawn(&pid, "/bin/mount", NULL, NULL, argv, NULL) && waitpid(pid, &status, 0) == pid && !status)
                *ret_mount_fd = open_tree(AT_FDCWD, at, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        umount2(at, MNT_DETACH);
        rmdir(at);
        return status == 0 && *ret_mount_fd >= 0 ? VSS_S_OK
                                                 : vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "mount failed");
}
int main(void) {
        const struct vss_provider provider = {
                VSS_PROVIDER_INIT, .name = "Image", .friendly_name = "Loop images", .version = "1", .query = query,
                .id = "0d5a6a0e-9f43-4f0c-8d27-7a8c0fd1f7c4", .is_volume_supported = is_volume_supported,
                .holds = 1u << VSS_HOLD_FILESYSTEM, .begin_prepare_snapshot = begin_prepare_snapshot,
                .type = VSS_PROV_SOFTWARE, .commit_snapshots = commit_snapshots, .abort_snapshots = abort_snapshots,
                .delete_snapshot = delete_snapshot, .open_snapshot = open_snapshot, .max_snapshots = 64 };
        return vss_provider_main(&provider, NULL);
}
