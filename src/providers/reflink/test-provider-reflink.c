/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the reflink provider on file systems of their own, without a bus
 *
 * What a copy is compared with is a plain walk over both trees, which first has to find trees that differ in one thing.
 */

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include "providers/common/fake-call.h"
#include "providers/common/info.h"
#include "providers/common/test-disk.h"
#include "providers/reflink/provider.h"
#include "providers/reflink/store.h"
#include "util/clock.h"
#include "util/test.h"

#define ROOT "/mnt"
#define LIVE ROOT "/live"
#define COPY ROOT "/copy"
#define CONF ROOT "/reflink.conf"
#define SET "5e700000-0000-4000-8000-000000000001"
#define ID_A "aaaaaaaa-0000-4000-8000-00000000000a"
#define OWN LIVE "/" STORE_OWN

static const char *const mkfs_xfs[] = { "mkfs.xfs", "-q", "-f", "-m", "reflink=1", NULL };
static const char *const mkfs_plain[] = { "mkfs.xfs", "-q", "-f", "-m", "reflink=0", NULL };
static const char *const mkfs_btrfs[] = { "mkfs.btrfs", "-q", "-f", NULL };

static ReflinkProvider provider = { .settings = CONF };
static vss_provider_call call = { .userdata = &provider };
static const struct vss_provider *const p = &reflink_provider;
static const char *type;
static char labels[4][160];

static const char *label(const char *text) {
        static unsigned n;
        char *l = labels[n++ % ELEMENTS(labels)];

        (void)snprintf(l, sizeof(labels[0]), "%s: %s", type, text);
        return l;
}

/* Comparing */

typedef struct Comparison {
        unsigned entries, differences;
        char first[512];
} Comparison;

static void differs(Comparison *c, const char *path, const char *what) {
        if (c->differences++ == 0)
                (void)snprintf(c->first, sizeof(c->first), "%s: %s", path, what);
}

static size_t read_all(const char *path, char **ret_text) {
        int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        size_t n = 0;

        *ret_text = NULL;
        if (fd < 0 || fstat(fd, &st) < 0)
                return SIZE_MAX;
        *ret_text = malloc((size_t)st.st_size + 1);
        for (ssize_t k = 1; *ret_text && k > 0 && n < (size_t)st.st_size; n += (size_t)MAX(k, 0))
                k = read(fd, *ret_text + n, (size_t)st.st_size - n);
        (void)close(fd);
        return n;
}

static void compare_content(Comparison *c, const char *a, const char *b, const char *below) {
        _cleanup_(freep) char *x = NULL, *y = NULL;
        size_t n = read_all(a, &x), k = read_all(b, &y);

        if (n != k || !x || !y || memcmp(x, y, n) != 0)
                differs(c, below, "content");
}

static void compare_xattrs(Comparison *c, const char *a, const char *b, const char *below) {
        char names[4096], others[4096], x[4096], y[4096];
        ssize_t n = llistxattr(a, names, sizeof(names)), k = llistxattr(b, others, sizeof(others));

        if (n != k) {
                differs(c, below, "attributes");
                return;
        }
        for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
                ssize_t s = lgetxattr(a, names + i, x, sizeof(x)), t = lgetxattr(b, names + i, y, sizeof(y));

                if (s < 0 || s != t || memcmp(x, y, (size_t)s) != 0)
                        differs(c, below, names + i);
        }
}

static void compare_entry(Comparison *c, const char *a, const char *b, const char *below, struct stat *ret_st) {
        char x[4096], y[4096];
        struct stat s, t;

        c->entries++;
        *ret_st = (struct stat){ 0 };
        if (lstat(a, &s) < 0 || lstat(b, &t) < 0) {
                differs(c, below, "is missing");
                return;
        }
        *ret_st = s;
        if (s.st_mode != t.st_mode || s.st_uid != t.st_uid || s.st_gid != t.st_gid || s.st_rdev != t.st_rdev)
                differs(c, below, "type, mode, owner or device");
        if (s.st_mtim.tv_sec != t.st_mtim.tv_sec || s.st_mtim.tv_nsec != t.st_mtim.tv_nsec)
                differs(c, below, "time");
        if (!S_ISDIR(s.st_mode) && s.st_nlink != t.st_nlink)
                differs(c, below, "links");
        compare_xattrs(c, a, b, below);
        if (S_ISREG(s.st_mode)) {
                if (s.st_size != t.st_size || (s.st_blocks == 0) != (t.st_blocks == 0))
                        differs(c, below, "size");
                compare_content(c, a, b, below);
        } else if (S_ISLNK(s.st_mode)) {
                ssize_t n = readlink(a, x, sizeof(x));

                if (n < 0 || n != readlink(b, y, sizeof(y)) || memcmp(x, y, (size_t)n) != 0)
                        differs(c, below, "target");
        }
}

static unsigned count_names(const char *path) {
        DIR *directory = opendir(path);
        unsigned n = 0;

        for (struct dirent *d; directory && (d = readdir(directory));)
                n += strcmp(d->d_name, STORE_NAME) != 0;
        if (directory)
                (void)closedir(directory);
        return n;
}

static void compare_below(Comparison *c, const char *a, const char *b, const char *below) {
        char x[2048], y[2048], name[2048];
        DIR *directory;
        struct stat st;

        (void)snprintf(x, sizeof(x), "%s/%s", a, below);
        (void)snprintf(y, sizeof(y), "%s/%s", b, below);
        compare_entry(c, x, y, below, &st);
        if (!S_ISDIR(st.st_mode))
                return;
        if (count_names(x) != count_names(y))
                differs(c, below, "names");
        directory = opendir(x);
        for (struct dirent *d; directory && (d = readdir(directory));) {
                if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 || strcmp(d->d_name, STORE_NAME) == 0)
                        continue;
                (void)snprintf(name, sizeof(name), "%s%s%.255s", below, *below ? "/" : "", d->d_name);
                compare_below(c, a, b, name);
        }
        if (directory)
                (void)closedir(directory);
}

static bool same(const char *a, const char *b, const char *below) {
        Comparison c = { 0 };

        compare_below(&c, a, b, below);
        if (c.differences > 0)
                printf("# %u differences in %u entries, the first: %s\n", c.differences, c.entries, c.first);
        return c.differences == 0;
}

/* Driving the provider */

static int volume_fd = -1;

static struct vss_volume volume_at(const char *path, const char *mount_point) {
        closep(&volume_fd);
        volume_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return (struct vss_volume){ .size = sizeof(struct vss_volume),
                                    .fd = volume_fd,
                                    .path = path,
                                    .mount_point = mount_point,
                                    .mount_root = "/",
                                    .source = "none",
                                    .fs_type = type };
}

static vss_result begin(const char *id, const char *paths[]) {
        _cleanup_value_ vss_value *properties = vss_value_new_dict();
        struct vss_volume volume = volume_at(LIVE, LIVE);

        (void)vss_value_set_string(properties, "id", id);
        (void)vss_value_set_string(properties, "set", SET);
        for (unsigned i = 0; paths && paths[i]; i++)
                (void)value_append_string(value_require(properties, "paths", VSS_KIND_LIST), paths[i]);
        return p->begin_prepare_snapshot(&call, SET, id, &volume, properties);
}

static vss_result end_prepare(void) {
        _cleanup_value_ vss_value *results = vss_value_new_dict();

        return p->end_prepare_snapshots(&call, SET, results);
}

static bool at_rest;

static vss_result complete(void) {
        _cleanup_value_ vss_value *results = vss_value_new_dict();
        vss_result r = p->pre_final_commit_snapshots(&call, SET);

        if (r == VSS_S_OK)
                r = p->post_final_commit_snapshots(&call, SET, results);
        at_rest = vss_value_count(vss_value_get(results, "one-instant")) == 1;
        return r;
}

static vss_result commit(void) {
        vss_result r = p->pre_commit_snapshots(&call, SET);

        return r == VSS_S_OK ? p->commit_snapshots(&call, SET) : r;
}

static vss_result make(const char *paths[]) {
        vss_result r = begin(ID_A, paths);

        if (r == VSS_S_OK)
                r = end_prepare();
        if (r == VSS_S_OK)
                r = commit();
        return r == VSS_S_OK ? complete() : r;
}

static const char *state_of(const char *id) {
        static char state[64];
        _cleanup_value_ vss_value *list = vss_value_new_list();

        if (p->query(&call, list) != VSS_S_OK)
                return "query failed";
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *info = vss_value_at(list, i);

                if (strcmp(vss_value_get_string(info, "id", ""), id) != 0)
                        continue;
                (void)snprintf(state, sizeof(state), "%s", vss_value_get_string(info, "state", "none"));
                return state;
        }
        return NULL;
}

static bool attach(const char *id, bool writable) {
        _cleanup_(closep) int fd = -1;

        return p->open_snapshot(&call, id, writable, &fd) == VSS_S_OK && (mkdir(COPY, 0700) == 0 || errno == EEXIST) &&
               move_mount(fd, "", AT_FDCWD, COPY, MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

static void detach(void) {
        if (umount2(COPY, MNT_DETACH) < 0)
                expect_true("unmount the copy", false);
}

/* Deletes it, and sees that nothing is left. */
static void drop(const char *id) {
        expect_int(label("delete"), p->delete_snapshot(&call, id), VSS_S_OK);
        expect_int(label("leaves nothing"), count_names(OWN), 2);
}

static void expect_copy(const char *what, const char *below) {
        bool attached = attach(ID_A, false);

        expect_true(label(what), attached && same(LIVE, COPY, below));
        if (attached)
                detach();
}

/* Trees */

static bool set_acl(const char *path, const char *name) {
        static const struct {
                uint32_t version;
                struct {
                        uint16_t tag, perm;
                        uint32_t id;
                } entries[5];
        } acl = { 2, { { 1, 6, ~0u }, { 2, 7, 1234 }, { 4, 4, ~0u }, { 0x10, 7, ~0u }, { 0x20, 0, ~0u } } };

        return setxattr(path, name, &acl, sizeof(acl), 0) == 0;
}

/* @n extents: blocks with holes between them. */
static bool write_sparse(const char *path, unsigned n) {
        _cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        static char block[4096];

        memset(block, 'x', sizeof(block));
        for (unsigned i = 0; i < n; i++)
                if (pwrite(fd, block, sizeof(block), (off_t)i * 8192) < 0)
                        return false;
        return fd >= 0 && ftruncate(fd, (off_t)n * 8192 + 5) == 0 && fsync(fd) == 0;
}

static bool set_immutable(const char *path, bool on) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        int flags = 0;

        if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return false;
        flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
        return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

static bool build(void) {
        static const struct timespec past[2] = { { 1000000000, 7 }, { 1100000000, 123456789 } };
        char path[128];
        bool ok = mkdir(LIVE "/d", 0750) == 0 && mkdir(LIVE "/d/deep", 0700) == 0 && mkdir(LIVE "/other", 0755) == 0 &&
                  chown(LIVE "/d", 1234, 4321) == 0 && set_acl(LIVE "/d", "system.posix_acl_access") &&
                  set_acl(LIVE "/d/deep", "system.posix_acl_default") && test_write(LIVE "/d/file", "one") &&
                  test_write(LIVE "/other/file", "other") && test_write(LIVE "/d/empty", "") &&
                  test_write(LIVE "/d/deep/suid", "x") && chown(LIVE "/d/deep/suid", 77, 78) == 0 &&
                  chmod(LIVE "/d/deep/suid", 06755) == 0 && link(LIVE "/d/file", LIVE "/d/deep/file") == 0 &&
                  link(LIVE "/d/file", LIVE "/other/third") == 0 && symlink("../nowhere", LIVE "/d/link") == 0 &&
                  lchown(LIVE "/d/link", 5, 6) == 0 && mkfifo(LIVE "/d/fifo", 0640) == 0 &&
                  mknod(LIVE "/d/null", S_IFCHR | 0666, makedev(1, 3)) == 0 &&
                  mknod(LIVE "/d/socket", S_IFSOCK | 0600, 0) == 0 && write_sparse(LIVE "/d/sparse", 100) &&
                  setxattr(LIVE "/d/file", "user.x", "value", 5, 0) == 0 &&
                  setxattr(LIVE "/d/file", "trusted.y", "", 0, 0) == 0 && test_write(LIVE "/d/fixed", "immutable") &&
                  set_acl(LIVE "/d/sparse", "system.posix_acl_access");

        for (unsigned i = 0; i < 200 && ok; i++) {
                (void)snprintf(path, sizeof(path), LIVE "/other/f%u", i);
                ok = test_write(path, path);
        }
        return ok && utimensat(AT_FDCWD, LIVE "/d/sparse", past, 0) == 0 &&
               utimensat(AT_FDCWD, LIVE "/d/link", past, AT_SYMLINK_NOFOLLOW) == 0 &&
               utimensat(AT_FDCWD, LIVE "/d", past, 0) == 0 && set_immutable(LIVE "/d/fixed", true);
}

/* The comparison itself */
static void test_same(void) {
        static const struct {
                const char *what, *path;
        } cases[] = {
                { "content", "/f" }, { "mode", "/f" }, { "time", "/f" }, { "attribute", "/f" }, { "one more", "/g" },
        };

        for (unsigned i = 0; i < ELEMENTS(cases) + 1; i++) {
                bool made = mkdir(ROOT "/x", 0700) == 0 && mkdir(ROOT "/y", 0700) == 0 &&
                            test_write(ROOT "/x/f", "a") && test_write(ROOT "/y/f", i == 1 ? "b" : "a") &&
                            (i != 2 || chmod(ROOT "/y/f", 0600) == 0) &&
                            (i != 4 || setxattr(ROOT "/y/f", "trusted.z", "a", 1, 0) == 0) &&
                            (i != 5 || test_write(ROOT "/y/g", "a"));
                const struct timespec times[2] = { { 1, 0 }, { 1, 0 } }, others[2] = { { 1, 0 }, { 1, 1 } };

                made = made && utimensat(AT_FDCWD, ROOT "/x/f", times, 0) == 0 &&
                       utimensat(AT_FDCWD, ROOT "/y/f", i == 3 ? others : times, 0) == 0 &&
                       utimensat(AT_FDCWD, ROOT "/x", times, 0) == 0 && utimensat(AT_FDCWD, ROOT "/y", times, 0) == 0;
                expect_true(i == 0 ? "equal trees" : cases[i - 1].what,
                            made && same(ROOT "/x", ROOT "/y", "") == (i == 0));
                (void)unlink(ROOT "/x/f");
                (void)unlink(ROOT "/y/f");
                (void)unlink(ROOT "/y/g");
                (void)rmdir(ROOT "/x");
                (void)rmdir(ROOT "/y");
        }
}

static void test_supported(void) {
        struct vss_volume_support support = { .size = sizeof(support) };
        struct vss_volume volume = volume_at(LIVE, LIVE);

        expect_int(label("taken"), p->is_volume_supported(&call, &volume, &support), VSS_S_OK);
        expect_int(label("with writers frozen"), support.hold, VSS_HOLD_WRITERS);
        expect_str(label("its root"), support.volume_root, "/");
        free(support.volume_root);
        volume = volume_at(ROOT, ROOT);
        volume.fs_type = "tmpfs";
        expect_int(label("tmpfs is declined"), p->is_volume_supported(&call, &volume, &support),
                   VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER);
}

static void test_whole(void) {
        expect_int(label("a copy of all"), make(NULL), VSS_S_OK);
        expect_true(label("nothing changed meanwhile, and that is told"), at_rest);
        expect_str(label("is told"), state_of(ID_A), "created");
        expect_copy("is the same", "");
        expect_true(label("without what it was made with"),
                    access(OWN "/" ID_A "/" STORE_TRASH, F_OK) < 0 && access(OWN "/" ID_A "/" STORE_LINKS, F_OK) < 0);
        expect_true(label("can be read"), attach(ID_A, false));
        expect_int(label("but not written"), open(COPY "/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 ? errno : 0,
                   EROFS);
        detach();
        expect_true(label("nor opened for that"), !attach(ID_A, true));
        drop(ID_A);
}

static void test_paths(void) {
        const char *paths[] = { LIVE "/d/deep", LIVE "/other/file", NULL };
        const char *outside[] = { "/etc", NULL }, *above[] = { LIVE "/../etc", NULL };

        expect_int(label("some of it"), make(paths), VSS_S_OK);
        expect_true(label("attach"), attach(ID_A, false));
        expect_int(label("what is above, and no more"), count_names(COPY), 4);
        expect_int(label("of its directory one"), count_names(COPY "/d"), 3);
        expect_true(label("that is the same"), test_has(COPY "/d/deep/file", "one"));
        expect_true(label("with its owner and mode"), same(LIVE "/d", COPY "/d", "deep/suid"));
        expect_int(label("and one file"), count_names(COPY "/other"), 3);
        detach();
        drop(ID_A);
        expect_int(label("what lies elsewhere"), begin(ID_A, outside), VSS_E_INVALIDARG);
        expect_int(label("what leads out"), begin(ID_A, above), VSS_E_INVALIDARG);
        p->abort_snapshots(&call, SET);
}

/* Between the preparation and the commit. */
static void test_changes(void) {
        bool ok;

        expect_int(label("begin"), begin(ID_A, NULL), VSS_S_OK);
        expect_int(label("prepare"), end_prepare(), VSS_S_OK);
        ok = test_write(LIVE "/d/file", "changed, by one of its names") && unlink(LIVE "/other/f7") == 0 &&
             rename(LIVE "/other/f8", LIVE "/other/f9") == 0 && rename(LIVE "/d/deep", LIVE "/deep") == 0 &&
             mkdir(LIVE "/other/new", 0711) == 0 && test_write(LIVE "/other/new/file", "new") &&
             unlink(LIVE "/other/f10") == 0 && mkdir(LIVE "/other/f10", 0755) == 0 &&
             link(LIVE "/other/f11", LIVE "/other/f12-too") == 0 && unlink(LIVE "/other/third") == 0 &&
             chmod(LIVE "/other/f13", 0) == 0 && removexattr(LIVE "/d/file", "user.x") == 0 &&
             truncate(LIVE "/d/sparse", 8192) == 0 && unlink(LIVE "/d/link") == 0 &&
             symlink("elsewhere", LIVE "/d/link") == 0;
        expect_true(label("changes"), ok);
        expect_int(label("commit"), commit(), VSS_S_OK);
        expect_int(label("complete"), complete(), VSS_S_OK);
        expect_true(label("at rest since"), at_rest);
        expect_copy("they are in the copy", "");
        expect_true(label("and stay out of it later"), test_write(LIVE "/other/f1", "later") && attach(ID_A, false) &&
                                                               test_has(COPY "/other/f1", LIVE "/other/f1"));
        detach();
        drop(ID_A);
        expect_int(label("put back"), rename(LIVE "/deep", LIVE "/d/deep"), 0);
}

/* Somebody who does not stand still */

static atomic_bool stop;

static void *write_on(void *unused) {
        for (unsigned i = 0; !atomic_load(&stop); i++) {
                char text[32];

                (void)snprintf(text, sizeof(text), "%u", i);
                if (!test_write(LIVE "/other/busy", text) || !test_write(LIVE "/other/next", text) ||
                    rename(LIVE "/other/next", LIVE "/other/replaced") < 0)
                        break;
        }
        return NULL;
}

/* One file is always written before the other is replaced. An empty one is between being cut off and written. */
static bool is_torn(const char *tree) {
        static const char *const names[] = { "busy", "replaced" };
        unsigned long numbers[ELEMENTS(names)];
        char path[256];

        for (unsigned i = 0; i < ELEMENTS(names); i++) {
                _cleanup_(freep) char *text = NULL;
                size_t n;

                (void)snprintf(path, sizeof(path), "%s/other/%s", tree, names[i]);
                n = read_all(path, &text);
                if (n == 0)
                        return false;
                if (!text || n == SIZE_MAX)
                        return true;
                text[n] = '\0';
                numbers[i] = strtoul(text, NULL, 10);
        }
        return numbers[1] != numbers[0] && numbers[1] + 1 != numbers[0];
}

static void test_torn(void) {
        bool made = mkdir(ROOT "/x", 0700) == 0 && mkdir(ROOT "/x/other", 0700) == 0 &&
                    test_write(ROOT "/x/other/busy", "7") && test_write(ROOT "/x/other/replaced", "9");

        expect_true("a torn tree is found", made && is_torn(ROOT "/x"));
        expect_true("and one that is not", test_write(ROOT "/x/other/replaced", "6") && !is_torn(ROOT "/x"));
        (void)unlink(ROOT "/x/other/busy");
        (void)unlink(ROOT "/x/other/replaced");
        (void)rmdir(ROOT "/x/other");
        (void)rmdir(ROOT "/x");
}

static void test_restless(void) {
        pthread_t thread;
        unsigned missing = 0, rested = 0, torn = 0, wrong = 0;

        atomic_store(&stop, false);
        (void)test_write(LIVE "/other/busy", "0");
        (void)test_write(LIVE "/other/replaced", "0");
        if (pthread_create(&thread, NULL, write_on, NULL) != 0)
                return;
        for (unsigned i = 0; i < 20; i++) {
                struct stat st;
                bool is;

                if (make(NULL) < 0)
                        break;
                is = is_torn(OWN "/" ID_A "/tree");
                torn += is;
                wrong += is && at_rest;
                rested += at_rest;
                missing += lstat(OWN "/" ID_A "/tree/other/replaced", &st) < 0;
                (void)p->delete_snapshot(&call, ID_A);
        }
        atomic_store(&stop, true);
        (void)pthread_join(thread, NULL);
        printf("# %s: of 20 copies of a restless tree %u are torn, and %u happened to be at rest\n", type, torn, rested);
        expect_int(label("none that is told to be at rest is torn"), wrong, 0);
        expect_int(label("a file that is replaced all the time is in all copies"), missing, 0);
        expect_int(label("nothing is left"), count_names(OWN), 2);
}

static void test_window(void) {
        expect_int(label("begin"), begin(ID_A, NULL), VSS_S_OK);
        expect_int(label("prepare"), end_prepare(), VSS_S_OK);
        expect_true(label("not open before the commit is done"), commit() == VSS_S_OK);
        expect_int(label("pre-final"), p->pre_final_commit_snapshots(&call, SET), VSS_S_OK);
        expect_true(label("written to by a writer"), attach(ID_A, true) && test_write(COPY "/d/file", "recovered"));
        detach();
        expect_true(label("not to the original"), !test_has(LIVE "/d/file", "recovered"));
        expect_int(label("complete"), complete(), VSS_S_OK);
        expect_true(label("is in the copy"), attach(ID_A, false) && test_has(COPY "/d/file", "recovered"));
        detach();
        drop(ID_A);
}

static void crash(void) {
        provider.set = set_free(provider.set);
}

/* The provider dies behind each call; another one takes the set back, or deletes what it is told of. */
static void test_crash(void) {
        for (unsigned at = 1; at <= 5; at++) {
                for (unsigned by_delete = 0; by_delete < 2; by_delete++) {
                        vss_result r = begin(ID_A, NULL);

                        if (r == VSS_S_OK)
                                r = end_prepare();
                        if (r == VSS_S_OK && at > 1)
                                r = p->pre_commit_snapshots(&call, SET);
                        if (r == VSS_S_OK && at > 2)
                                r = p->commit_snapshots(&call, SET);
                        if (r == VSS_S_OK && at > 3)
                                r = p->pre_final_commit_snapshots(&call, SET);
                        if (r == VSS_S_OK && at > 4)
                                r = complete();
                        crash();
                        expect_int(label("steps before a crash"), r, VSS_S_OK);
                        expect_str(label("then it is"), state_of(ID_A), at > 4 ? "created" : "incomplete");
                        if (by_delete)
                                expect_int(label("delete"), p->delete_snapshot(&call, ID_A), VSS_S_OK);
                        else
                                p->abort_snapshots(&call, SET);
                        expect_int(label("nothing is left"), count_names(OWN), 2);
                }
        }
        expect_true(label("half a deletion"), mkdir(OWN "/" STORE_GONE ID_A, 0700) == 0 &&
                                                      test_write(OWN "/" STORE_GONE ID_A "/x", "x"));
        expect_int(label("is gone with the next set"), make(NULL), VSS_S_OK);
        p->abort_snapshots(&call, SET);
        expect_int(label("and that one when it is taken back"), count_names(OWN), 2);
}

static void test_limit(void) {
        expect_true(label("a file of many extents"), write_sparse(LIVE "/other/many", 20000));
        expect_true(label("settings"), test_write(CONF, "CommitLimit=20ms\nWorkers=1\n"));
        expect_int(label("begin"), begin(ID_A, NULL), VSS_S_OK);
        expect_int(label("is refused"), end_prepare(), VSS_E_PROVIDER_VETO);
        expect_true(label("with the numbers"), strstr(call.message, "extents") && strstr(call.message, "CommitLimit"));
        printf("# %s\n", call.message);
        p->abort_snapshots(&call, SET);
        expect_int(label("nothing is left"), count_names(OWN), 2);
        expect_true(label("one that nobody has written to lately"),
                    test_write(CONF, "CommitLimit=50s\nChangedWithin=1ms\n") && usleep(100000) == 0);
        expect_int(label("begin"), begin(ID_A, NULL), VSS_S_OK);
        expect_int(label("is copied beforehand"), end_prepare(), VSS_S_OK);
        expect_int(label("and not counted"), tree_facts(provider.set->copies[0].tree)->recent_files, 0);
        expect_true(label("written to meanwhile"), write_sparse(LIVE "/other/many", 20000));
        provider.set->settings.commit_usec = USEC_PER_MSEC;
        expect_int(label("a commit that takes too long ends"), commit(), VSS_E_PROVIDER_VETO);
        printf("# %s\n", call.message);
        p->abort_snapshots(&call, SET);
        expect_true(label("bad settings"), test_write(CONF, "CommitLimit=2h\n"));
        expect_int(label("are named"), begin(ID_A, NULL), VSS_E_PROVIDER_VETO);
        expect_true(label("by line"), strstr(call.message, CONF ":1") != NULL);
        expect_int(label("clean up"), unlink(LIVE "/other/many") < 0 || unlink(CONF) < 0, 0);
}

static void fill(void) {
        static char block[65536];
        _cleanup_(closep) int fd = open(LIVE "/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        char path[64];

        while (fd >= 0 && write(fd, block, sizeof(block)) > 0)
                ;
        for (unsigned i = 0; i < 100000; i++) {
                (void)snprintf(path, sizeof(path), LIVE "/other/fill%u", i);
                if (!test_write(path, path))
                        break;
        }
}

static void test_full(void) {
        fill();
        expect_int(label("begin"), begin(ID_A, NULL), VSS_S_OK);
        expect_int(label("a full file system"), end_prepare(), VSS_E_INSUFFICIENT_STORAGE);
        printf("# %s\n", call.message);
        p->abort_snapshots(&call, SET);
        expect_int(label("nothing is left"), count_names(OWN), 2);
}

static void test_hostile(void) {
        expect_int(label("the store"), rename(LIVE "/" STORE_NAME, LIVE "/aside"), 0);
        expect_true(label("a store elsewhere"), symlink(ROOT, LIVE "/" STORE_NAME) == 0);
        expect_int(label("begin"), begin(ID_A, NULL), VSS_S_OK);
        expect_true(label("is not followed"), end_prepare() < 0);
        p->abort_snapshots(&call, SET);
        expect_true(label("one of others"),
                    unlink(LIVE "/" STORE_NAME) == 0 && mkdir(LIVE "/" STORE_NAME, 0755) == 0);
        expect_int(label("begin"), begin(ID_A, NULL), VSS_S_OK);
        expect_int(label("is not used"), end_prepare(), VSS_E_PROVIDER_VETO);
        p->abort_snapshots(&call, SET);
        expect_int(label("back"), rmdir(LIVE "/" STORE_NAME), 0);
        expect_int(label("again"), rename(LIVE "/aside", LIVE "/" STORE_NAME), 0);
        expect_int(label("an identity that is a path"), begin("../../x", NULL), VSS_E_INVALIDARG);
}

static void measure(void) {
        const unsigned files = 5000, extents = 50000;
        char path[64];

        (void)mkdir(LIVE "/speed", 0755);
        for (unsigned i = 0; i < files; i++) {
                (void)snprintf(path, sizeof(path), LIVE "/speed/f%u", i);
                (void)close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
                (void)truncate(path, 16384);
        }
        for (unsigned round = 0; round < 2; round++) {
                const char *paths[] = { LIVE "/speed", NULL };
                uint64_t began = now_usec(), prepared, pre = 0, done = 0;

                if (begin(ID_A, paths) == VSS_S_OK && end_prepare() == VSS_S_OK) {
                        prepared = now_usec();
                        (void)p->pre_commit_snapshots(&call, SET);
                        pre = now_usec();
                        (void)p->commit_snapshots(&call, SET);
                        done = now_usec();
                        printf("# %s: %s: prepared in %" PRIu64 " us, estimate %" PRIu64 " us; with writers frozen %" PRIu64
                               " + %" PRIu64 " us\n",
                               type, round == 0 ? "5000 files" : "and 50000 extents", prepared - began,
                               provider.set->copies[0].estimate_usec, pre - prepared, done - pre);
                } else
                        printf("# %s: %s\n", type, call.message);
                p->abort_snapshots(&call, SET);
                if (round == 0)
                        (void)write_sparse(LIVE "/speed/many", extents);
        }
}

static void test_on(const char *fs_type, const char *const mkfs[]) {
        TestDisk disk;

        type = fs_type;
        if (!test_disk_make(&disk, 1024u << 20, mkfs) || !test_disk_mount(&disk, type, NULL, LIVE) || !build()) {
                expect_true(label("a file system"), false);
                return;
        }
        test_supported();
        test_whole();
        test_paths();
        test_changes();
        test_restless();
        test_window();
        test_crash();
        test_limit();
        test_hostile();
        /* Numbers, for whoever wants them: of no use on a busy machine. */
        if (getenv("BENCH"))
                measure();
        test_full();
        closep(&volume_fd);
        volume_fd = -1;
        expect_int(label("nothing keeps it busy"), umount(LIVE), 0);
        test_disk_done(&disk);
}

static void test_declined(void) {
        struct vss_volume_support support = { .size = sizeof(support) };
        struct vss_volume volume;
        TestDisk disk;

        type = "xfs";
        if (!test_disk_make(&disk, 512u << 20, mkfs_plain) || !test_disk_mount(&disk, type, NULL, LIVE)) {
                expect_true("XFS without shared extents", false);
                return;
        }
        volume = volume_at(LIVE, LIVE);
        expect_int("is declined", p->is_volume_supported(&call, &volume, &support),
                   VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER);
        expect_true("and why", strstr(call.message, "reflink=0") != NULL);
        closep(&volume_fd);
        volume_fd = -1;
        expect_int("unmount", umount(LIVE), 0);
        test_disk_done(&disk);
}

int main(void) {
        if (geteuid() != 0) {
                printf("1..0 # SKIP mounting needs root\n");
                return 0;
        }
        if (!test_disk_begin(ROOT)) {
                printf("1..0 # SKIP no mount namespace can be made here\n");
                return 0;
        }
        test_same();
        test_torn();
        test_declined();
        test_on("xfs", mkfs_xfs);
        test_on("btrfs", mkfs_btrfs);
        return test_end();
}
