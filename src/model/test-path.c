/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of paths as text
 */

#include <limits.h>
#include "model/path.h"
#include "util/macro.h"
#include "util/test.h"

/* What a function that allocates answered: its text, or its error as text. */
static const char *answer(int r, const char *text) {
        return r == 0               ? text
               : r == -EINVAL       ? "EINVAL"
               : r == -ENOENT       ? "ENOENT"
               : r == -EXDEV        ? "EXDEV"
               : r == -ENAMETOOLONG ? "ENAMETOOLONG"
                                    : "other";
}

static void test_normal(void) {
        static const struct {
                const char *path, *normal;
        } cases[] = {
                { "/", "/" },
                { "/srv", "/srv" },
                { "/srv/", "/srv" },
                { "//srv///a//", "/srv/a" },
                { "/./srv/./.", "/srv" },
                { "/srv/../etc", "/etc" },
                { "/srv/a/..", "/srv" },
                { "/..", "/" },
                { "/../../etc/..", "/" },
                { "/a/../../b", "/b" },
                { "/...", "/..." },
                { "/.a/..b/c..", "/.a/..b/c.." },
                { "/with space/\xc3\xa4\n", "/with space/\xc3\xa4\n" },
                { "", "EINVAL" },
                { "srv", "EINVAL" },
                { "./srv", "EINVAL" },
                { "../srv", "EINVAL" },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_(freep) char *normal = NULL;
                int r = path_normalize(c->path, &normal);

                expect_str(c->path, answer(r, normal), c->normal);
                expect_int("  is normal", path_is_normal(c->path), strcmp(c->path, c->normal) == 0);
                if (r == 0)
                        expect_true("  and so is what it was made", path_is_normal(normal));
        }
        expect_true("no path is not normal", !path_is_normal(NULL));
}

static void test_below(void) {
        static const struct {
                const char *path, *root, *relative;
        } cases[] = {
                { "/srv", "/srv", "" },     { "/srv/a/b", "/srv", "a/b" }, { "/srv/a", "/", "srv/a" },
                { "/", "/", "" },           { "/srvx", "/srv", NULL },     { "/srvx/a", "/srv", NULL },
                { "/sr", "/srv", NULL },    { "/", "/srv", NULL },         { "/etc", "/srv", NULL },
                { "/srv", "/srv/a", NULL }, { "/srv/srv", "/srv", "srv" }, { "srv", "/", NULL },
        };

        FOREACH_ELEMENT (c, cases) {
                expect_str(c->path, path_relative(c->path, c->root), c->relative);
                expect_int(c->root, path_is_below(c->path, c->root), c->relative != NULL);
        }
}

static void test_join(void) {
        static const struct {
                const char *root, *relative, *joined;
        } cases[] = {
                { "/srv", "a/b", "/srv/a/b" },
                { "/srv", "", "/srv" },
                { "/", "", "/" },
                { "/", "a", "/a" },
                { "/srv/", "/a/", "/srv/a" },
                { "/srv", "../etc", "/srv/etc" },
                { "/srv", "a/../../../etc/passwd", "/srv/etc/passwd" },
                { "/srv", "..", "/srv" },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_(freep) char *joined = NULL;
                int r = path_join(c->root, c->relative, &joined);

                expect_str(c->relative, answer(r, joined), c->joined);
        }
}

static void test_below_device(void) {
        static const struct {
                const char *label, *path, *mount_point, *mount_root, *volume_root, *below;
        } cases[] = {
                { "the root itself", "/", "/", "/", "/", "" },
                { "below the root", "/srv/a", "/", "/", "/", "srv/a" },
                { "a mount point", "/srv", "/srv", "/", "/", "" },
                { "below a mount point", "/srv/a/b", "/srv", "/", "/", "a/b" },
                { "another mount point", "/srvx/a", "/srv", "/", "/", "ENOENT" },
                { "above the mount point", "/", "/srv", "/", "/", "ENOENT" },
                { "bind mount of a directory", "/srv/a", "/srv", "/data/web", "/", "data/web/a" },
                { "bind mount itself", "/srv", "/srv", "/data/web", "/", "data/web" },
                { "bind mount of a file", "/etc/hosts", "/etc/hosts", "/etc/hosts.real", "/",
                  "etc/hosts.real" },
                { "subvol=", "/home/u", "/home", "/@home", "/@home", "u" },
                { "subvol= itself", "/home", "/home", "/@home", "/@home", "" },
                { "subvol= as the root", "/etc/fstab", "/", "/@", "/@", "etc/fstab" },
                { "nested subvolume", "/home/u/data/x", "/home", "/@home", "/@home/u/data", "x" },
                { "nested subvolume itself", "/home/u/data", "/home", "/@home", "/@home/u/data", "" },
                { "nested, seen from the top level", "/mnt/@home/u/x", "/mnt", "/", "/@home/u", "x" },
                { "beside the nested one", "/home/u/other", "/home", "/@home", "/@home/u/data", "EXDEV" },
                { "above the nested one", "/home/u", "/home", "/@home", "/@home/u/data", "EXDEV" },
                { "of a similar name", "/home/u/datax", "/home", "/@home", "/@home/u/data", "EXDEV" },
                { "bind mount inside a subvolume", "/srv/x", "/srv", "/@home/u/www", "/@home", "u/www/x" },
                { "bind mount of another subvolume", "/srv/x", "/srv", "/@var/www", "/@home", "EXDEV" },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_(freep) char *below = NULL;
                int r = path_below_device(c->path, c->mount_point, c->mount_root, c->volume_root, &below);

                expect_str(c->label, answer(r, below), c->below);
        }
}

static void test_lengths(void) {
        char longest[PATH_MAX + 1], *untouched = longest, *ret = untouched;

        memset(longest, 'a', sizeof(longest));
        longest[0] = '/';
        longest[PATH_MAX] = '\0';
        expect_int("4096 bytes", path_normalize(longest, &ret), -ENAMETOOLONG);
        expect_int("as root", path_join(longest, "x", &ret), -ENAMETOOLONG);
        expect_int("as relative", path_join("/", longest, &ret), -ENAMETOOLONG);
        longest[PATH_MAX - 1] = '\0';
        expect_int("joined", path_join("/x", longest + 1, &ret), -ENAMETOOLONG);
        expect_int("below a long root", path_below_device("/m/x", "/m", longest, "/", &ret), -ENAMETOOLONG);
        expect_true("nothing written", ret == untouched);
        expect_int("4095 bytes", path_normalize(longest, &ret), 0);
        expect_str("as they were", ret, longest);
        free(ret);
}

int main(void) {
        test_normal();
        test_below();
        test_join();
        test_below_device();
        test_lengths();
        return test_end();
}
