/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the btrfs provider on file systems of their own, without a bus
 */

#include <btrfsutil.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "providers/btrfs/test-btrfs-rig.h"
#include "util/test.h"

static const char *const mkfs_small[] = { "mkfs.btrfs", "-q", "-f", "-M", "-m", "single", NULL };

static void test_supported(void) {
        static const struct {
                const char *path, *mount_point, *type, *root;
        } cases[] = {
                { ROOT "/top", ROOT "/top", "btrfs", "/" },
                { ROOT "/a", ROOT "/a", "btrfs", "/@a" },
                { ROOT "/bound", ROOT "/bound", "btrfs", "/@a" },
                { ROOT "/a/dir/deep", ROOT "/a", "btrfs", "/@a/dir/deep" },
                { ROOT, ROOT, "tmpfs", NULL },
                { ROOT, ROOT, "btrfs", NULL },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_volume_ Volume v = volume_at(c->path, c->mount_point);
                struct vss_volume_support support = { .size = sizeof(support) };
                vss_result r;

                v.volume.fs_type = c->type;
                r = p->is_volume_supported(&call, &v.volume, &support);
                expect_int(c->path, r >= 0, c->root != NULL);
                expect_str("  its subvolume", support.volume_root, c->root);
                expect_int("  its hold", support.hold, c->root ? VSS_HOLD_WRITERS : VSS_HOLD_NONE);
                free(support.volume_root);
        }
}

static void expect_nested(const char *path, const char *want) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        _cleanup_volume_ Volume v = volume_at(path, path);
        char found[512] = "";

        expect_int(path, p->list_nested_volumes(&call, &v.volume, list), VSS_S_OK);
        for (size_t i = 0; i < vss_value_count(list); i++)
                (void)snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s ",
                               vss_value_string(vss_value_at(list, i), "?"));
        expect_str("  nested", found, want);
}

static void test_nested(void) {
        expect_nested(ROOT "/top", "@a @a/nested @a/dir/deep @a/dir/deep/deeper @b ");
        expect_nested(ROOT "/a", "nested dir/deep dir/deep/deeper ");
        expect_nested(ROOT "/bound", "deep deep/deeper ");
        expect_nested(ROOT "/b", "");
}

/* One set of two subvolumes, looked at in each phase. */
static void test_life(void) {
        _cleanup_value_ vss_value *results = vss_value_new_dict();
        struct stat st;

        expect_int("begin a", begin(SET, ID_A, ROOT "/a"), VSS_S_OK);
        expect_int("begin the same by another path", begin(SET, ID_C, ROOT "/bound"),
                   VSS_E_OBJECT_ALREADY_EXISTS);
        expect_int("begin the same id", begin(SET, ID_A, ROOT "/b"), VSS_E_OBJECT_ALREADY_EXISTS);
        expect_int("begin b", begin(SET, ID_B, ROOT "/b"), VSS_S_OK);
        expect_true("nothing is on the disk yet", !exists(STORE));
        expect_int("end of prepare", end_prepare(SET), VSS_S_OK);
        expect_int("the store", lstat(STORE, &st), 0);
        expect_int("is root's alone", st.st_mode & 07777, 0700);
        expect_str("told as being made", state_of(ID_A), "preparing");
        expect_int("not to be deleted now", p->delete_snapshot(&call, ID_A), VSS_E_VOLUME_IN_USE);
        expect_int("another set is none", p->commit_snapshots(&call, SET_2), VSS_E_PROVIDER_VETO);
        expect_int("commit", p->commit_snapshots(&call, SET), VSS_S_OK);
        expect_true("write behind the cut",
                    test_write(ROOT "/a/file", "two") && test_write(ROOT "/b/file", "two"));

        expect_true("writable before it is final", attach(ID_A, true));
        expect_true("the state at the cut", test_has(ROOT "/copy/file", "one"));
        expect_true("the checker finds the other state, too", test_has(ROOT "/a/file", "two"));
        expect_true("recovery writes to the copy", test_write(ROOT "/copy/recovered", "yes"));
        detach();
        expect_int("finish", p->post_final_commit_snapshots(&call, SET, results), VSS_S_OK);
        expect_str("told as created", state_of(ID_A), "created");
        expect_true("an instant of both, or none",
                    vss_value_count(vss_value_get(results, "one-instant")) <= 1);
        expect_int("no longer writable", attach(ID_A, true), false);
        expect_int("  but", call.failure, VSS_E_NOT_SUPPORTED);

        expect_true("read-only", attach(ID_A, false));
        expect_true("what recovery wrote", test_has(ROOT "/copy/recovered", "yes"));
        expect_true("nobody writes to it", !test_write(ROOT "/copy/file", "no") && errno == EROFS);
        detach();
        expect_nested(ROOT "/top", "@a @a/nested @a/dir/deep @a/dir/deep/deeper @b ");
}

static void test_properties(void) {
        _cleanup_value_ vss_value *list = vss_value_new_list(), *set = vss_value_new_dict();
        const vss_value *info = NULL;

        (void)vss_value_set_integer(set, "attributes", VSS_VOLSNAP_ATTR_AUTORECOVER);
        (void)vss_value_set_string(set, "btrfs", "no");
        expect_int("set a property", p->set_snapshot_property(&call, ID_B, set), VSS_S_OK);
        expect_int("of nothing", p->set_snapshot_property(&call, "../top", set), VSS_E_OBJECT_NOT_FOUND);
        expect_int("query", p->query(&call, list), VSS_S_OK);
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(vss_value_get_string(vss_value_at(list, i), "id", ""), ID_B) == 0)
                        info = vss_value_at(list, i);
        expect_str("volume", vss_value_get_string(info, "volume", NULL), ROOT "/b");
        expect_str("set", vss_value_get_string(info, "set", NULL), SET);
        expect_int("attributes", vss_value_get_integer(info, "attributes", -1),
                   VSS_VOLSNAP_ATTR_AUTORECOVER);
        expect_int("context", vss_value_get_integer(info, "context", -1), VSS_CTX_APP_ROLLBACK);
        expect_str("subvolume", vss_value_get_string(vss_value_get(info, "btrfs"), "subvolume", NULL),
                   "/@b");
        expect_true("transaction",
                    vss_value_get_integer(vss_value_get(info, "btrfs"), "transaction", 0) > 0);
}

static void test_remount(const TestDisk *disk) {
        expect_int("unmount all",
                   umount(ROOT "/bound") | umount(ROOT "/a") | umount(ROOT "/b") | umount(ROOT "/top"), 0);
        expect_str("an unmounted one is not told", state_of(ID_A), NULL);
        expect_true("mount again", test_disk_mount(disk, "btrfs", "subvol=@a", ROOT "/a"));
        expect_str("found without the top level being mounted", state_of(ID_A), "created");
        expect_true("mount the rest", test_disk_mount(disk, "btrfs", "subvolid=5", ROOT "/top") &&
                                              test_disk_mount(disk, "btrfs", "subvol=@b", ROOT "/b"));
}

/* In a child with a mount namespace of its own, which holds the copy while it is deleted here. */
static void test_delete_mounted(void) {
        int ready[2], go[2], status = -1;
        char c;
        pid_t pid;

        if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
                return;
        pid = fork();
        if (pid == 0) {
                bool ok = unshare(CLONE_NEWNS) == 0 && attach(ID_B, false);

                (void)!write(ready[1], "", 1);
                (void)close(go[1]);
                (void)!read(go[0], &c, 1);
                _exit(ok && !test_has(ROOT "/copy/file", "one") ? 0 : 1);
        }
        (void)!read(ready[0], &c, 1);
        expect_int("delete what is mounted elsewhere", p->delete_snapshot(&call, ID_B), VSS_S_OK);
        printf("# %s\n", call.message);
        expect_str("it is gone", state_of(ID_B), NULL);
        (void)close(go[0]);
        (void)close(go[1]);
        (void)close(ready[0]);
        (void)close(ready[1]);
        expect_int("the other side", waitpid(pid, &status, 0), pid);
        expect_int("  finds nothing any more", status, 0);
}

static void test_delete(void) {
        expect_int("unknown", p->delete_snapshot(&call, ID_C), VSS_E_OBJECT_NOT_FOUND);
        expect_int("no id", p->delete_snapshot(&call, "../top"), VSS_E_OBJECT_NOT_FOUND);
        test_delete_mounted();
        expect_true("the checker sees the store", exists(STORE));
        expect_true("mounted here", attach(ID_A, false));
        expect_int("delete what is mounted here", p->delete_snapshot(&call, ID_A), VSS_S_OK);
        detach();
        expect_str("it is gone", state_of(ID_A), NULL);
        expect_int("and the store, empty, with the last one", rmdir(STORE), 0);
        expect_int("a second time", p->delete_snapshot(&call, ID_A), VSS_E_OBJECT_NOT_FOUND);
}

static void test_abort(void) {
        expect_int("begin", begin(SET, ID_A, ROOT "/a"), VSS_S_OK);
        p->abort_snapshots(&call, SET);
        expect_int("end of prepare of an aborted set", end_prepare(SET), VSS_E_PROVIDER_VETO);
        expect_int("begin again", begin(SET, ID_A, ROOT "/a"), VSS_S_OK);
        expect_int("prepare", end_prepare(SET), VSS_S_OK);
        expect_int("commit", p->commit_snapshots(&call, SET), VSS_S_OK);
        p->abort_snapshots(&call, SET);
        expect_int("nothing stays of a committed set but the empty store", rmdir(STORE), 0);

        expect_int("make one", make(SET, ID_A, ROOT "/a"), VSS_S_OK);
        expect_int("and one of another set", make(SET_2, ID_B, ROOT "/a"), VSS_S_OK);
        p->abort_snapshots(&call, SET);
        expect_str("abort after success", state_of(ID_A), NULL);
        expect_str("takes that set only", state_of(ID_B), "created");
        p->abort_snapshots(&call, SET_2);
        expect_int("nothing stays but the empty store, which can go", rmdir(STORE), 0);
}

/* What a crash leaves: the provider's memory is gone. */
static void crash(void) {
        provider.set = set_free(provider.set);
}

static void test_crash(void) {
        expect_int("begin", begin(SET, ID_A, ROOT "/a"), VSS_S_OK);
        expect_int("prepare", end_prepare(SET), VSS_S_OK);
        crash();
        expect_str("a crash before the cut", state_of(ID_A), "incomplete");
        expect_int("has nothing to open", attach(ID_A, false), false);
        expect_int("can be deleted", p->delete_snapshot(&call, ID_A), VSS_S_OK);

        expect_int("begin", begin(SET, ID_A, ROOT "/a"), VSS_S_OK);
        expect_int("prepare", end_prepare(SET), VSS_S_OK);
        expect_int("commit", p->commit_snapshots(&call, SET), VSS_S_OK);
        crash();
        expect_str("a crash behind the cut", state_of(ID_A), "incomplete");
        p->abort_snapshots(&call, SET);
        expect_str("can be aborted", state_of(ID_A), NULL);

        expect_int("make one", make(SET, ID_A, ROOT "/a"), VSS_S_OK);
        expect_true("a directory alone", mkdir(STORE "/" ID_C, 0700) == 0);
        expect_str("is told", state_of(ID_C), "incomplete");
        expect_int("can be deleted", p->delete_snapshot(&call, ID_C), VSS_S_OK);
        expect_int("its subvolume goes", btrfs_util_delete_subvolume(STORE "/" ID_A "/" STORE_SNAPSHOT, 0),
                   BTRFS_UTIL_OK);
        expect_str("that is told, too", state_of(ID_A), "incomplete");
        expect_int("can be deleted", p->delete_snapshot(&call, ID_A), VSS_S_OK);
        expect_int("nothing stays but the empty store, which can go", rmdir(STORE), 0);
}

static void replace_info(const char *text) {
        (void)unlink(STORE "/" ID_A "/" INFO_NAME);
        expect_true("another " INFO_NAME, test_write(STORE "/" ID_A "/" INFO_NAME, text));
}

static void test_hostile(void) {
        expect_int("make one", make(SET, ID_A, ROOT "/a"), VSS_S_OK);
        replace_info("not json");
        expect_str("no JSON", state_of(ID_A), "incomplete");
        replace_info("{\"id\":\"" ID_B "\",\"set\":\"" SET "\",\"state\":\"created\"}");
        expect_str("another's identity", state_of(ID_A), "incomplete");
        expect_str("is not told as that other", state_of(ID_B), NULL);
        expect_int("huge", truncate(STORE "/" ID_A "/" INFO_NAME, INFO_SIZE_MAX + 1), 0);
        expect_str("too large", state_of(ID_A), "incomplete");
        expect_true("outside", test_write(ROOT "/outside", "keep"));
        expect_int("no file", unlink(STORE "/" ID_A "/" INFO_NAME), 0);
        expect_int("but a link", symlink(ROOT "/outside", STORE "/" ID_A "/" INFO_NAME), 0);
        expect_str("not followed", state_of(ID_A), "incomplete");
        expect_true("something else in it", test_write(STORE "/" ID_A "/mine", "x"));
        expect_int("is not deleted", p->delete_snapshot(&call, ID_A), VSS_E_PROVIDER_VETO);
        expect_int("moved away", unlink(STORE "/" ID_A "/mine"), 0);
        expect_int("deletes", p->delete_snapshot(&call, ID_A), VSS_S_OK);
        expect_true("what the link showed stays", test_has(ROOT "/outside", "keep"));

        expect_true("a store of others", rmdir(STORE) == 0 && mkdir(STORE, 0755) == 0);
        expect_int("begin", begin(SET, ID_A, ROOT "/a"), VSS_S_OK);
        expect_int("is not used", end_prepare(SET), VSS_E_PROVIDER_VETO);
        p->abort_snapshots(&call, SET);
        expect_int("clean up", rmdir(STORE), 0);
        expect_true("a store elsewhere", symlink(ROOT, STORE) == 0);
        expect_int("begin", begin(SET, ID_A, ROOT "/a"), VSS_S_OK);
        expect_true("is not followed", end_prepare(SET) < 0);
        p->abort_snapshots(&call, SET);
        expect_int("clean up", unlink(STORE), 0);
        expect_int("bad id", begin(SET, "../../etc", ROOT "/a"), VSS_E_INVALIDARG);
        expect_int("bad set", begin("x", ID_A, ROOT "/a"), VSS_E_INVALIDARG);
}

/* A copy of the top level holds no other copies. */
static void test_top_level(void) {
        expect_int("make one", make(SET, ID_A, ROOT "/a"), VSS_S_OK);
        expect_int("make one of the top level", make(SET_2, ID_B, ROOT "/top"), VSS_S_OK);
        expect_true("attach", attach(ID_B, false));
        expect_true("its directories", exists(ROOT "/copy/@a"));
        expect_true("no nested content", !exists(ROOT "/copy/@a/file"));
        expect_true("no other copies", !exists(ROOT "/copy/" STORE_NAME "/" ID_A));
        detach();
        p->abort_snapshots(&call, SET);
        p->abort_snapshots(&call, SET_2);
        expect_int("nothing stays but the empty store, which can go", rmdir(STORE), 0);
}

static void fill(const char *directory) {
        static char block[4096];
        char path[64];

        for (unsigned i = 0; i < 100000; i++) {
                _cleanup_(closep) int fd = -1;

                (void)snprintf(path, sizeof(path), "%s/f%u", directory, i);
                fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
                if (fd < 0)
                        return;
                for (unsigned k = 0; k < 256; k++)
                        if (write(fd, block, i < 64 ? sizeof(block) : 1024) < 0)
                                break;
        }
}

static void test_full(void) {
        TestDisk disk;
        vss_result r;
        unsigned i;

        if (!test_disk_make(&disk, 48u << 20, mkfs_small) ||
            !test_disk_mount(&disk, "btrfs", NULL, ROOT "/full")) {
                expect_true("a small file system", false);
                return;
        }
        fill(ROOT "/full");
        /* A little is kept in reserve; copies use it up. */
        for (i = 0, r = VSS_S_OK; i < 1000 && r == VSS_S_OK; i++) {
                char id[VSS_ID_SIZE], set[VSS_ID_SIZE];

                (void)snprintf(id, sizeof(id), "dddddddd-0000-4000-8000-%012u", i);
                (void)snprintf(set, sizeof(set), "eeeeeeee-0000-4000-8000-%012u", i);
                r = make(set, id, ROOT "/full");
                if (r < 0)
                        p->abort_snapshots(&call, set);
        }
        printf("# after %u: %s\n", i, call.message);
        expect_int("full", r, VSS_E_INSUFFICIENT_STORAGE);
        expect_true("names the volume", strstr(call.message, ROOT "/full") != NULL);
        expect_int("unmount", umount(ROOT "/full"), 0);
        test_disk_done(&disk);
}

static void test_read_only(void) {
        struct vss_volume_support support = { .size = sizeof(support) };
        TestDisk disk;

        if (!test_disk_make(&disk, 128u << 20, btrfs_mkfs) ||
            !test_disk_mount(&disk, "btrfs", NULL, ROOT "/ro")) {
                expect_true("a file system", false);
                return;
        }
        expect_int("make one", make(SET, ID_A, ROOT "/ro"), VSS_S_OK);
        expect_int("unmount", umount(ROOT "/ro"), 0);
        expect_int("mount read-only", mount(disk.device, ROOT "/ro", "btrfs", MS_RDONLY, NULL), 0);
        expect_str("its copies are told", state_of(ID_A), "created");
        expect_true("and can be read", attach(ID_A, false));
        detach();
        expect_int("but not deleted", p->delete_snapshot(&call, ID_A), VSS_E_PROVIDER_VETO);
        {
                _cleanup_volume_ Volume v = volume_at(ROOT "/ro", ROOT "/ro");

                expect_int("nor made", p->is_volume_supported(&call, &v.volume, &support),
                           VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER);
        }
        expect_int("asking has not made it writable", mkdir(ROOT "/ro/x", 0755) < 0 ? errno : 0, EROFS);
        expect_int("unmount", umount(ROOT "/ro"), 0);
        test_disk_done(&disk);
}

static void test_all(const TestDisk *disk) {
        _cleanup_(closep) int fd = open(ROOT "/top", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char uuid[VSS_ID_SIZE] = "";

        expect_int("its UUID", filesystem_uuid(fd, uuid), 0);
        closep(&fd);
        fd = -1;
        test_supported();
        test_nested();
        test_life();
        test_properties();
        test_remount(disk);
        test_delete();
        test_abort();
        test_crash();
        test_hostile();
        test_top_level();
        test_full();
        test_read_only();
}

int main(void) {
        TestDisk disk;

        if (geteuid() != 0) {
                printf("1..0 # SKIP mounting needs root\n");
                return 0;
        }
        if (!test_disk_begin(ROOT)) {
                printf("1..0 # SKIP no mount namespace can be made here\n");
                return 0;
        }
        if (!test_disk_make(&disk, 512u << 20, btrfs_mkfs) || !prepare_disk(&disk))
                expect_true("a btrfs file system to work on", false);
        else
                test_all(&disk);
        (void)set_free(provider.set);
        return test_end();
}
