/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the null provider, without a bus
 */

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "providers/common/fake-call.h"
#include "providers/common/test-disk.h"
#include "providers/null/settings.h"
#include "providers/null/provider.h"
#include "providers/null/tree.h"
#include "util/test.h"
#include "util/value.h"

#define ROOT "/mnt"
#define CONFIG ROOT "/null.conf"
#define MEMORY ROOT "/run/null"
#define VOLUME ROOT "/volume"
#define SET "5e700000-0000-4000-8000-000000000001"
#define ID_A "aaaaaaaa-0000-4000-8000-00000000000a"
#define ID_B "bbbbbbbb-0000-4000-8000-00000000000b"

static NullProvider provider = { .config_path = CONFIG, .directory = MEMORY };
static vss_provider_call call = { .userdata = &provider };
static const struct vss_provider *const p = &null_provider, *const array = &null_hardware_provider;

static void test_config(void) {
        static const struct {
                const char *text;
                int want;
                unsigned line;
                enum vss_hold hold;
                bool files, instant;
        } cases[] = {
                { "", 0, 0, VSS_HOLD_NONE, false, false },
                { "Hold=writers\nCopy=files\nInstant=yes\n", 0, 0, VSS_HOLD_WRITERS, true, true },
                { "Hold=filesystem\nHold=device\n", 0, 0, VSS_HOLD_DEVICE, false, false },
                { "Hold=filesystem\nCopy=bind", 0, 0, VSS_HOLD_FILESYSTEM, false, false },
                { "\nHold=all\n", -EBADMSG, 2, VSS_HOLD_NONE, false, false },
                { "Copy=no\n", -EBADMSG, 1, VSS_HOLD_NONE, false, false },
                { "Instant=perhaps\n", -EBADMSG, 1, VSS_HOLD_NONE, false, false },
                { "Hodl=none\n", -EBADMSG, 1, VSS_HOLD_NONE, false, false },
        };

        FOREACH_ELEMENT (c, cases) {
                NullSettings config = { 0 };
                ConfError error = { 0 };
                char label[100];

                (void)snprintf(label, sizeof(label), "%s", c->text);
                for (char *s = label; *s; s++)
                        *s = *s == '\n' ? ' ' : *s;
                expect_true("write", test_write(CONFIG, c->text));
                expect_int(label, null_settings_read(CONFIG, &error, &config), c->want);
                expect_int("  line", error.line, c->line);
                expect_int("  hold", config.hold, c->hold);
                expect_true("  the rest",
                            config.copies_files == c->files && config.one_instant == c->instant);
        }
}

static vss_result begin(const char *id, const char *path) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_value_ vss_value *properties = vss_value_new_dict();
        struct vss_volume volume = { .size = sizeof(volume),
                                     .fd = fd,
                                     .path = path,
                                     .mount_point = ROOT,
                                     .mount_root = "/x",
                                     .source = "none",
                                     .fs_type = "tmpfs" };

        (void)vss_value_set_string(properties, "volume", path);
        return p->begin_prepare_snapshot(&call, SET, id, &volume, properties);
}

static vss_result finish(vss_value *results) {
        vss_result r;

        r = p->end_prepare_snapshots(&call, SET, results);
        if (r == VSS_S_OK)
                r = p->commit_snapshots(&call, SET);
        return r == VSS_S_OK ? p->post_final_commit_snapshots(&call, SET, results) : r;
}

static bool attach(const char *id, bool writable) {
        _cleanup_(closep) int fd = -1;

        return p->open_snapshot(&call, id, writable, &fd) == VSS_S_OK &&
               (mkdir(ROOT "/copy", 0700) == 0 || errno == EEXIST) &&
               move_mount(fd, "", AT_FDCWD, ROOT "/copy", MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

static void detach(void) {
        if (umount2(ROOT "/copy", MNT_DETACH) < 0)
                expect_true("unmount the copy", false);
}

static size_t count(void) {
        _cleanup_value_ vss_value *list = vss_value_new_list();

        return p->query(&call, list) == VSS_S_OK ? vss_value_count(list) : SIZE_MAX;
}

static void restart(void) {
        null_provider_done(&provider);
}

static void test_supported(void) {
        struct vss_volume volume = { .size = sizeof(volume),
                                     .fd = -1,
                                     .path = VOLUME,
                                     .mount_point = ROOT,
                                     .mount_root = "/x",
                                     .source = "none",
                                     .fs_type = "tmpfs" };
        struct vss_volume_support support = { .size = sizeof(support) };

        expect_true("configure", test_write(CONFIG, "Hold=filesystem\n"));
        expect_int("any file system", p->is_volume_supported(&call, &volume, &support), VSS_S_OK);
        expect_int("hold", support.hold, VSS_HOLD_FILESYSTEM);
        expect_str("root", support.volume_root, "/x/volume");
        free(support.volume_root);
        expect_true("configure badly", test_write(CONFIG, "\nHold=x\n"));
        expect_int("refused", p->is_volume_supported(&call, &volume, &support), VSS_E_PROVIDER_VETO);
        expect_str("and why", call.message, CONFIG ":2: Hold cannot be \"x\"");
}

static void test_bind(void) {
        _cleanup_value_ vss_value *results = vss_value_new_dict();

        expect_true("configure", test_write(CONFIG, "") && test_write(VOLUME "/file", "one"));
        expect_int("begin", begin(ID_A, VOLUME), VSS_S_OK);
        expect_int("finish", finish(results), VSS_S_OK);
        expect_true("told to be no copy", vss_value_get_boolean(results, "no-copy", false));
        restart();
        expect_int("known after a restart", (int64_t)count(), 1);
        expect_int("never writable", attach(ID_A, true), false);
        expect_true("attach", attach(ID_A, false));
        expect_true("change the original", test_write(VOLUME "/file", "two"));
        expect_true("it is the live tree", test_has(ROOT "/copy/file", "two"));
        expect_true("read-only", !test_write(ROOT "/copy/file", "no") && errno == EROFS);
        detach();
        expect_int("delete", p->delete_snapshot(&call, ID_A), VSS_S_OK);
        expect_int("gone", p->delete_snapshot(&call, ID_A), VSS_E_OBJECT_NOT_FOUND);
        expect_int("none left", (int64_t)count(), 0);
}

static void test_files(void) {
        _cleanup_value_ vss_value *results = vss_value_new_dict();

        expect_true("configure",
                    test_write(CONFIG, "Copy=files\nInstant=yes\n") && test_write(VOLUME "/file", "one") &&
                            mkdir(VOLUME "/dir", 0755) == 0 && test_write(VOLUME "/dir/below", "below") &&
                            symlink("/etc/passwd", VOLUME "/link") == 0);
        expect_int("begin a", begin(ID_A, VOLUME), VSS_S_OK);
        expect_int("begin b", begin(ID_B, VOLUME "/dir"), VSS_S_OK);
        expect_int("finish", finish(results), VSS_S_OK);
        expect_true("told to be copies", !vss_value_get_boolean(results, "no-copy", false));
        expect_int("of one instant", vss_value_count(vss_value_at(vss_value_get(results, "one-instant"), 0)),
                   2);
        restart();
        expect_int("known after a restart", (int64_t)count(), 2);
        expect_true("change the original", test_write(VOLUME "/file", "two"));
        expect_true("attach", attach(ID_A, false));
        expect_true("the state at the cut", test_has(ROOT "/copy/file", "one"));
        expect_true("below", test_has(ROOT "/copy/dir/below", "below"));
        expect_true("no links", faccessat(AT_FDCWD, ROOT "/copy/link", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
        expect_true("read-only", !test_write(ROOT "/copy/file", "no") && errno == EROFS);
        p->abort_snapshots(&call, SET);
        expect_int("abort takes them back while one is mounted", (int64_t)count(), 0);
        detach();
}

/* A gap lasts until somebody else has done something. */
static void test_gap(void) {
        _cleanup_value_ vss_value *results = vss_value_new_dict();
        pid_t child;

        expect_true("configure", test_write(CONFIG, "Copy=files\nGap=" ROOT "/gap\n") &&
                                         mkfifo(ROOT "/gap", 0600) == 0 &&
                                         test_write(VOLUME "/dir/below", "before"));
        child = fork();
        if (child == 0) {
                int fd = open(ROOT "/gap", O_WRONLY | O_CLOEXEC);

                (void)usleep(50000);
                _exit(fd >= 0 && test_write(VOLUME "/dir/below", "after") ? 0 : 1);
        }
        expect_int("begin a", begin(ID_A, VOLUME), VSS_S_OK);
        expect_int("begin b", begin(ID_B, VOLUME "/dir"), VSS_S_OK);
        expect_int("finish", finish(results), VSS_S_OK);
        expect_int("somebody", waitpid(child, NULL, 0), child);
        expect_true("the first", attach(ID_A, false) && test_has(ROOT "/copy/dir/below", "before"));
        detach();
        expect_true("the second", attach(ID_B, false) && test_has(ROOT "/copy/below", "after"));
        detach();
        p->abort_snapshots(&call, SET);
        expect_true("configure", test_write(CONFIG, "Copy=files\nGap=" ROOT "/none\n"));
        expect_true("begin both", begin(ID_A, VOLUME) == VSS_S_OK && begin(ID_B, VOLUME "/dir") == VSS_S_OK);
        expect_int("what is not there", finish(results), VSS_E_UNEXPECTED_PROVIDER_ERROR);
        expect_true("is named", strstr(call.message, ROOT "/none") != NULL);
        p->abort_snapshots(&call, SET);
}

static void test_limits(void) {
        _cleanup_value_ vss_value *results = vss_value_new_dict();
        _cleanup_(closep) int fd = open(VOLUME "/big", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        expect_int("a large file", ftruncate(fd, (off_t)TREE_BYTES_MAX + 1), 0);
        expect_int("begin", begin(ID_A, VOLUME), VSS_S_OK);
        expect_int("too large", finish(results), VSS_E_INSUFFICIENT_STORAGE);
        expect_true("names the volume", strstr(call.message, VOLUME) != NULL);
        restart();
        expect_int("a crash leaves it", (int64_t)count(), 1);
        expect_int("to be deleted", p->delete_snapshot(&call, ID_A), VSS_S_OK);
        expect_int("not found", p->delete_snapshot(&call, "../../x"), VSS_E_OBJECT_NOT_FOUND);
        expect_int("no set", p->commit_snapshots(&call, SET), VSS_E_PROVIDER_VETO);
        expect_int("none left", (int64_t)count(), 0);
}

/* A finished copy whose identity says that it is for another machine. */
static bool make_transportable(const char *id, const char *path) {
        _cleanup_value_ vss_value *properties = vss_value_new_dict(), *results = vss_value_new_dict();

        (void)vss_value_set_integer(properties, "attributes",
                                    VSS_VOLSNAP_ATTR_TRANSPORTABLE | VSS_VOLSNAP_ATTR_NOT_SURFACED);
        return begin(id, path) == VSS_S_OK && finish(results) == VSS_S_OK &&
               array->set_snapshot_property(&call, id, properties) == VSS_S_OK;
}

static vss_value *find_info(const char *id) {
        _cleanup_value_ vss_value *list = vss_value_new_list();

        if (p->query(&call, list) != VSS_S_OK)
                return NULL;
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(vss_value_get_string(vss_value_at(list, i), "id", ""), id) == 0)
                        return vss_value_copy(vss_value_at(list, i));
        return NULL;
}

/* What another machine is given of a copy. */
static vss_value *describe(const char *id, const char *set, const vss_value *luns) {
        vss_value *description = vss_value_new_dict(), *snapshot = vss_value_new_dict();

        (void)vss_value_set_string(snapshot, "id", id);
        (void)vss_value_set_string(snapshot, "set", set);
        (void)vss_value_set_string(snapshot, "host", "two");
        (void)vss_value_set_integer(snapshot, "attributes",
                                    VSS_VOLSNAP_ATTR_TRANSPORTABLE | VSS_VOLSNAP_ATTR_IMPORTED);
        (void)vss_value_set(snapshot, "luns", vss_value_copy(luns));
        (void)vss_value_append(value_require(description, "snapshots", VSS_KIND_LIST), snapshot);
        return description;
}

static const char *import(const char *id, const char *set, const vss_value *luns) {
        _cleanup_value_ vss_value *description = describe(id, set, luns), *result = vss_value_new_dict();
        static char text[200];

        if (array->import_snapshots(&call, description, result) != VSS_S_OK)
                return call.message;
        if (value_contains(vss_value_get(result, "imported"), id))
                return "imported";
        (void)snprintf(
                text, sizeof(text), "%s",
                vss_value_get_string(vss_value_at(vss_value_get(result, "failed"), 0), "reason", "?"));
        return text;
}

static void test_transport(void) {
        _cleanup_value_ vss_value *luns = vss_value_new_dict(), *info = NULL;
        const vss_value *own;
        int fd = -1;

        expect_true("configure",
                    test_write(CONFIG, "Copy=files\nLun=shelf\n") && test_write(VOLUME "/file", "1"));
        expect_true("a transportable copy", make_transportable(ID_A, VOLUME));
        expect_int("is not surfaced", array->open_snapshot(&call, ID_A, false, &fd), VSS_E_NOT_SUPPORTED);
        expect_int("its LUNs", array->get_target_luns(&call, SET, luns), VSS_S_OK);
        own = vss_value_get(luns, ID_A);
        expect_str("the original",
                   vss_value_get_string(vss_value_get(vss_value_at(own, 0), "source"), "id", ""),
                   "null:shelf");
        expect_str("the copy",
                   vss_value_get_string(vss_value_get(vss_value_at(own, 0), "destination"), "id", ""),
                   "null:" ID_A);
        expect_int("of no set", array->get_target_luns(&call, ID_A, luns), VSS_E_OBJECT_NOT_FOUND);
        expect_str("without a LUN", import(ID_A, SET, NULL), "its LUN is not of this array");
        expect_str("of another set", import(ID_A, ID_B, own), "its LUN holds another shadow copy");
        expect_str("another copy's", import(ID_B, SET, own), "its LUN holds another shadow copy");
        expect_str("import", import(ID_A, SET, own), "imported");
        expect_str("only once", import(ID_A, SET, own), "it has been imported already");
        info = find_info(ID_A);
        expect_str("whose it is now", vss_value_get_string(info, "host", ""), "two");
        expect_str("it can be opened",
                   array->open_snapshot(&call, ID_A, false, &fd) == VSS_S_OK ? "yes" : call.message, "yes");
        closep(&fd);
        expect_int("delete", p->delete_snapshot(&call, ID_A), VSS_S_OK);
        expect_str("and then", import(ID_A, SET, own), "there is no such LUN");
}

static void test_break(void) {
        _cleanup_value_ vss_value *results = vss_value_new_dict();

        expect_true("a copy", begin(ID_A, VOLUME) == VSS_S_OK && finish(results) == VSS_S_OK);
        expect_int("identities, while the original is there",
                   array->break_snapshot_set(&call, SET, VSS_BREAKEX_FLAG_REVERT_IDENTITY_ALL),
                   VSS_E_BREAK_REVERT_ID_FAILED);
        expect_int("break", array->break_snapshot_set(&call, SET, VSS_BREAKEX_FLAG_MAKE_READ_WRITE),
                   VSS_S_OK);
        expect_int("nobody knows it", (int64_t)count(), 0);
        expect_true("its files are there", test_has(MEMORY "/broken-" ID_A "/data/file", "1"));
        expect_true("to be written", test_write(MEMORY "/broken-" ID_A "/data/file", "2"));
        expect_int("again", array->break_snapshot_set(&call, SET, 0), VSS_E_OBJECT_NOT_FOUND);
        expect_int("a second one", begin(ID_B, VOLUME) == VSS_S_OK && finish(results) == VSS_S_OK, 1);
        expect_int("break as it is", array->break_snapshot_set(&call, SET, 0), VSS_S_OK);
        expect_true("it stays read-only",
                    !test_write(MEMORY "/broken-" ID_B "/data/file", "2") && errno == EROFS);
        (void)umount2(MEMORY "/broken-" ID_A "/data", MNT_DETACH);
        (void)umount2(MEMORY "/broken-" ID_B "/data", MNT_DETACH);
}

static vss_result resync(const char *id, int64_t flags) {
        _cleanup_value_ vss_value *request = vss_value_new_dict();
        vss_value *snapshot = vss_value_new_dict();

        (void)vss_value_set_string(snapshot, "id", id);
        (void)vss_value_set_string(snapshot, "destination", "");
        (void)vss_value_append(value_require(request, "snapshots", VSS_KIND_LIST), snapshot);
        (void)vss_value_set_integer(request, "flags", flags);
        return array->resync_snapshots(&call, request);
}

static void test_resync(void) {
        _cleanup_value_ vss_value *results = vss_value_new_dict(), *info = NULL;

        expect_true("two volumes on one LUN", begin(ID_A, VOLUME) == VSS_S_OK &&
                                                      begin(ID_B, VOLUME "/dir") == VSS_S_OK &&
                                                      finish(results) == VSS_S_OK);
        expect_int("one of them alone", resync(ID_A, 0), VSS_E_UNSELECTED_VOLUME);
        info = find_info(ID_A);
        expect_true("nothing is done", info && !vss_value_get(vss_value_get(info, "null"), "resynced"));
        expect_int("unless asked to", resync(ID_A, VSS_RECOVERY_NO_VOLUME_CHECK), VSS_S_OK);
        vss_value_free(info);
        info = find_info(ID_A);
        expect_true("recorded", vss_value_get(vss_value_get(info, "null"), "resynced"));
        expect_int("what is not there", resync(SET, 0), VSS_E_OBJECT_NOT_FOUND);
        p->abort_snapshots(&call, SET);
}

static vss_result reverting(bool *ret_in_progress, int64_t *ret_percent) {
        _cleanup_value_ vss_value *status = vss_value_new_dict();
        struct vss_volume volume = { .size = sizeof(volume), .fd = -1, .path = VOLUME };
        vss_result result = p->query_revert_status(&call, &volume, status);

        *ret_in_progress = vss_value_get_boolean(status, "in-progress", false);
        *ret_percent = vss_value_get_integer(status, "percent", -1);
        return result;
}

static void test_revert(void) {
        _cleanup_value_ vss_value *results = vss_value_new_dict();
        int64_t percent = 0;
        bool in_progress = true;

        expect_true("configure", test_write(CONFIG, "Copy=files\nRevert=40\nInUse=yes\n"));
        expect_true("a copy", begin(ID_A, VOLUME) == VSS_S_OK && finish(results) == VSS_S_OK);
        expect_int("status", reverting(&in_progress, &percent), VSS_S_OK);
        expect_true("none", !in_progress && percent == -1);
        expect_int("in use", p->revert_to_snapshot(&call, ID_A, false), VSS_E_VOLUME_IN_USE);
        expect_int("forced", p->revert_to_snapshot(&call, ID_A, true), VSS_S_OK);
        (void)reverting(&in_progress, &percent);
        expect_true("under way", in_progress && percent == 40);
        expect_int("again", p->revert_to_snapshot(&call, ID_A, true), VSS_E_REVERT_IN_PROGRESS);
        expect_true("configure", test_write(CONFIG, "Copy=files\n"));
        (void)reverting(&in_progress, &percent);
        expect_true("at its end", !in_progress && percent == 100);
        expect_int("to what is not there", p->revert_to_snapshot(&call, ID_B, true), VSS_E_OBJECT_NOT_FOUND);
        expect_int("delete", p->delete_snapshot(&call, ID_A), VSS_S_OK);
}

int main(void) {
        if (geteuid() != 0 || !test_disk_begin(ROOT)) {
                printf("1..0 # SKIP mounting needs root\n");
                return 0;
        }
        expect_true("a volume", mkdir(VOLUME, 0755) == 0);
        test_config();
        test_supported();
        test_bind();
        test_files();
        test_gap();
        test_limits();
        expect_true("the large file goes", unlink(VOLUME "/big") == 0);
        test_transport();
        test_break();
        test_resync();
        test_revert();
        null_provider_done(&provider);
        return test_end();
}
