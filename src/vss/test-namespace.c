/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: the view made real, with file systems in memory for volumes and shadow copies
 *
 * Everything is mounted in a namespace of the test's own, and gone with it. Needs root.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "util/macro.h"
#include "util/test.h"
#include "vss/namespace.h"

static char base[] = "/tmp/vss-view-XXXXXX";

static void must(const char *what, bool ok) {
        if (ok)
                return;
        printf("Bail out! %s: %s\n", what, strerror(errno));
        exit(1);
}

static const char *at(const char *name) {
        static char paths[8][256];
        static unsigned next;
        char *path = paths[next++ % ELEMENTS(paths)];

        (void)snprintf(path, sizeof(paths[0]), "%s/%s", base, name);
        return path;
}

static void write_file(const char *path, const char *text) {
        FILE *file = fopen(path, "we");

        must(path, file && fputs(text, file) >= 0);
        must(path, fclose(file) == 0);
}

static bool reads(const char *path, const char *want) {
        char text[64] = "";
        FILE *file = fopen(path, "re");

        if (!file)
                return false;
        if (!fgets(text, sizeof(text), file))
                text[0] = '\0';
        (void)fclose(file);
        return strcmp(text, want) == 0;
}

static void make_directory(const char *name) {
        must(name, mkdir(at(name), 0755) == 0 || errno == EEXIST);
}

static void make_volume(const char *name) {
        make_directory(name);
        must(name, mount("tmpfs", at(name), "tmpfs", 0, NULL) == 0);
}

/* A detached, read-only mount, as the service hands them out. */
static int detach_volume(const char *name) {
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
        int fd = open_tree(AT_FDCWD, at(name), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

        must(name, fd >= 0);
        must(name, mount_setattr(fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) == 0);
        must(name, umount2(at(name), MNT_DETACH) == 0);
        return fd;
}

typedef bool (*Check)(void);

/* Enters the view in a child and lets @check look around. */
static void test_view(const char *label, const ViewInput *input, const int *fds, const char *directory,
                      Check check) {
        _cleanup_(view_clear) View view = {};
        const char *conflict = NULL;
        int status = -1;
        pid_t pid;

        expect_int(label, view_plan(input, &view, &conflict), 0);
        (void)fflush(stdout);
        pid = fork();
        must("fork", pid >= 0);
        if (pid == 0) {
                NamespaceError error = {};

                if (namespace_enter(&view, fds, input->n_shadows, directory, &error) < 0) {
                        printf("# %s: %s\n", error.what, strerror(error.error));
                        (void)fflush(stdout);
                        _exit(2);
                }
                _exit(check() ? 0 : 1);
        }
        must("waitpid", waitpid(pid, &status, 0) == pid);
        expect_int(label, status, 0);
}

static bool tell(bool ok, int line) {
        if (!ok) {
                printf("# line %d\n", line);
                (void)fflush(stdout);
        }
        return ok;
}

#define CHECK(condition) (ok = tell(condition, __LINE__) && ok)

static bool check_volume(void) {
        char directory[256];
        bool ok = true;

        CHECK(reads(at("srv/file"), "shadow"));
        CHECK(open(at("srv/file"), O_WRONLY | O_CLOEXEC) < 0 && errno == EROFS);
        CHECK(reads(at("srv/db/file"), "shadow below"));
        CHECK(access(at("srv/out/file"), F_OK) < 0 && errno == ENOENT);
        CHECK(mkdir(at("srv/out/new"), 0755) < 0 && errno == EROFS);
        CHECK(reads(at("srv/outfile"), ""));
        CHECK(reads(at("srv/repo/file"), "live"));
        CHECK(open(at("srv/repo/new"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644) >= 0);
        CHECK(getcwd(directory, sizeof(directory)) && strcmp(directory, at("srv")) == 0);
        CHECK(reads("file", "shadow"));
        CHECK(reads("/run/linuxvss/0/file", "") == false);
        return ok;
}

static void test_volume(void) {
        ViewShadow shadows[] = { { at("srv"), "" }, { at("srv/db"), "part" } };
        ViewInput input = { .shadows = shadows, .n_shadows = ELEMENTS(shadows) };
        char *srv = strdup(at("srv")), *db = strdup(at("srv/db"));
        int fds[2];

        shadows[0].target = srv;
        shadows[1].target = db;
        make_volume("srv");
        make_directory("srv/db");
        make_directory("srv/out");
        make_directory("srv/repo");
        write_file(at("srv/file"), "shadow");
        write_file(at("srv/outfile"), "shadow");
        fds[0] = detach_volume("srv");
        make_volume("copy");
        make_directory("copy/part");
        write_file(at("copy/part/file"), "shadow below");
        fds[1] = detach_volume("copy");

        make_volume("srv");
        write_file(at("srv/file"), "live");
        make_directory("srv/db");
        make_directory("srv/repo");
        write_file(at("srv/repo/file"), "live");
        make_volume("srv/db");
        write_file(at("srv/db/file"), "live");
        make_volume("srv/out");
        write_file(at("srv/out/file"), "live");

        must("memory", strings_add(&input.wanted, srv) == 0 &&
                               strings_add(&input.left_out, at("srv/out")) == 0 &&
                               strings_add(&input.left_out, at("srv/outfile")) == 0 &&
                               strings_add(&input.live, at("srv/repo")) == 0 &&
                               strings_add(&input.system_live, "/tmp") == 0);
        test_view("a volume, what lies below, what is left out, what stays live", &input, fds, srv,
                  check_volume);
        expect_true("outside nothing has changed", reads(at("srv/file"), "live"));
        expect_true("what was written to the live path is there", access(at("srv/repo/new"), F_OK) == 0);
        strings_clear(&input.wanted);
        strings_clear(&input.left_out);
        strings_clear(&input.live);
        strings_clear(&input.system_live);
        free(srv);
        free(db);
        (void)close(fds[0]);
        (void)close(fds[1]);
        (void)umount2(at("srv"), MNT_DETACH);
}

static bool check_root(void) {
        bool ok = true;

        CHECK(reads("/marker", "shadow root"));
        CHECK(access("/proc/self/status", F_OK) == 0);
        CHECK(access("/etc", F_OK) < 0);
        CHECK(open("/marker", O_WRONLY | O_CLOEXEC) < 0 && errno == EROFS);
        CHECK(access(base, F_OK) == 0);
        CHECK(reads("/desk/file", "part of the shadow root"));
        return ok;
}

static void test_root(void) {
        static const char *const names[] = { "root/dev", "root/proc", "root/sys",
                                             "root/run", "root/tmp",  "root/desk" };
        const ViewShadow shadow = { "/", "" };
        ViewInput input = { .shadows = &shadow, .n_shadows = 1 };
        int fd;

        make_volume("root");
        FOREACH_ELEMENT (name, names)
                make_directory(*name);
        write_file(at("root/marker"), "shadow root");
        write_file(at("root/desk/file"), "part of the shadow root");
        fd = detach_volume("root");

        must("memory", strings_add(&input.wanted, "/") == 0 &&
                               strings_add(&input.system_live, "/proc") == 0 &&
                               strings_add(&input.system_live, "/dev") == 0 &&
                               strings_add(&input.system_live, "/tmp") == 0 &&
                               strings_add(&input.left_out, "/nowhere") == 0);
        test_view("the root", &input, &fd, "/desk", check_root);
        strings_clear(&input.wanted);
        strings_clear(&input.system_live);
        strings_clear(&input.left_out);
        (void)close(fd);
}

static void test_symlink(void) {
        const char *srv = strdup(at("srv"));
        ViewShadow shadow = { srv, "" };
        ViewInput input = { .shadows = &shadow, .n_shadows = 1 };
        View view = {};
        NamespaceError error = {};
        const char *conflict = NULL;
        int fd, status = -1;
        pid_t pid;

        /* The volume's owner has put a link where the live path was. */
        make_volume("srv");
        must("symlink", symlink("/etc", at("srv/repo")) == 0);
        fd = detach_volume("srv");
        make_volume("srv");
        make_directory("srv/repo");
        must("memory",
             strings_add(&input.wanted, srv) == 0 && strings_add(&input.live, at("srv/repo")) == 0);
        expect_int("a link in the shadow copy", view_plan(&input, &view, &conflict), 0);
        (void)fflush(stdout);
        pid = fork();
        must("fork", pid >= 0);
        if (pid == 0)
                _exit(namespace_enter(&view, &fd, 1, "/", &error) == -ELOOP ? 0 : 1);
        must("waitpid", waitpid(pid, &status, 0) == pid);
        expect_int("a link in the shadow copy is not followed", status, 0);
        view_clear(&view);
        strings_clear(&input.wanted);
        strings_clear(&input.live);
        free((char *)srv);
        (void)close(fd);
        (void)umount2(at("srv"), MNT_DETACH);
}

int main(void) {
        if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
                printf("1..1\nok 1 # SKIP needs root and mount namespaces\n");
                return 0;
        }
        must("mkdtemp", mkdtemp(base) != NULL);
        must("tmpfs", mount("tmpfs", base, "tmpfs", 0, NULL) == 0);
        test_volume();
        test_root();
        test_symlink();
        must("umount", umount2(base, MNT_DETACH) == 0);
        must("rmdir", rmdir(base) == 0);
        return test_end();
}
