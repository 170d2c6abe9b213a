/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the tests of the btrfs provider share
 */

#include <btrfsutil.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "providers/btrfs/test-btrfs-rig.h"

const char *const btrfs_mkfs[] = { "mkfs.btrfs", "-q", "-f", NULL };

BtrfsProvider provider;
vss_provider_call call = { .userdata = &provider };
const struct vss_provider *const p = &btrfs_provider;

Volume volume_at(const char *path, const char *mount_point) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return (Volume){ .fd = fd,
                         .volume = { .size = sizeof(struct vss_volume),
                                     .fd = fd,
                                     .path = path,
                                     .mount_point = mount_point,
                                     .mount_root = "/",
                                     .source = "none",
                                     .fs_type = "btrfs" } };
}

vss_result begin(const char *set, const char *id, const char *path) {
        _cleanup_value_ vss_value *properties = vss_value_new_dict();
        _cleanup_volume_ Volume v = volume_at(path, path);

        (void)vss_value_set_string(properties, "id", id);
        (void)vss_value_set_string(properties, "set", set);
        (void)vss_value_set_string(properties, "volume", path);
        (void)vss_value_set_integer(properties, "context", VSS_CTX_APP_ROLLBACK);
        return p->begin_prepare_snapshot(&call, set, id, &v.volume, properties);
}

vss_result end_prepare(const char *set) {
        _cleanup_value_ vss_value *results = vss_value_new_dict();
        vss_result result = p->end_prepare_snapshots(&call, set, results);

        return vss_value_count(results) > 0 ? VSS_E_UNEXPECTED : result;
}

vss_result finish(const char *set, vss_value **ret_results) {
        _cleanup_value_ vss_value *results = vss_value_new_dict();
        vss_result r;

        r = end_prepare(set);
        if (r == VSS_S_OK)
                r = p->commit_snapshots(&call, set);
        if (r == VSS_S_OK)
                r = p->post_final_commit_snapshots(&call, set, results);
        if (r == VSS_S_OK && ret_results)
                *ret_results = TAKE_PTR(results);
        return r;
}

vss_result make(const char *set, const char *id, const char *path) {
        vss_result r;

        r = begin(set, id, path);
        return r == VSS_S_OK ? finish(set, NULL) : r;
}

const char *state_of(const char *id) {
        static char state[64];
        _cleanup_value_ vss_value *list = vss_value_new_list();

        if (p->query(&call, list) != VSS_S_OK)
                return "query failed";
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *info = vss_value_at(list, i);

                if (strcmp(vss_value_get_string(info, "id", ""), id) == 0) {
                        (void)snprintf(state, sizeof(state), "%s",
                                       vss_value_get_string(info, "state", "none"));
                        return state;
                }
        }
        return NULL;
}

bool exists(const char *path) {
        return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool attach(const char *id, bool writable) {
        _cleanup_(closep) int fd = -1;

        return p->open_snapshot(&call, id, writable, &fd) == VSS_S_OK &&
               (mkdir(ROOT "/copy", 0700) == 0 || errno == EEXIST) &&
               move_mount(fd, "", AT_FDCWD, ROOT "/copy", MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

void detach(void) {
        if (umount2(ROOT "/copy", MNT_DETACH) < 0)
                perror("unmount the copy");
}

bool subvolume(const char *path) {
        return btrfs_util_create_subvolume(path, 0, NULL, NULL) == BTRFS_UTIL_OK;
}

bool prepare_disk(const TestDisk *disk) {
        return test_disk_mount(disk, "btrfs", "subvolid=5", ROOT "/top") && subvolume(ROOT "/top/@a") &&
               subvolume(ROOT "/top/@b") && subvolume(ROOT "/top/@a/nested") &&
               mkdir(ROOT "/top/@a/dir", 0755) == 0 && subvolume(ROOT "/top/@a/dir/deep") &&
               subvolume(ROOT "/top/@a/dir/deep/deeper") &&
               test_disk_mount(disk, "btrfs", "subvol=@a", ROOT "/a") &&
               test_disk_mount(disk, "btrfs", "subvol=@b", ROOT "/b") && mkdir(ROOT "/bound", 0755) == 0 &&
               mount(ROOT "/a/dir", ROOT "/bound", NULL, MS_BIND, NULL) == 0 &&
               test_write(ROOT "/a/file", "one") && test_write(ROOT "/b/file", "one");
}
