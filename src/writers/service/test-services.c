/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * services.conf, and what is read to find control groups
 */

#include <string.h>
#include "util/test.h"
#include "writers/service/group.h"
#include "writers/service/services.h"

static ServiceList read_text(const char *text) {
        _cleanup_conf_ Conf *conf = NULL;
        ServiceList list = { 0 };
        ConfError error = { 0 };

        if (conf_parse(text, strlen(text), &error, &conf) < 0 ||
            service_list_from_conf("services.conf", conf, &list) < 0)
                printf("# %s\n", error.message);
        return list;
}

static void test_whole(void) {
        ServiceList list = read_text(
                "# services\n"
                "[Service]\nUnit=shop.service\nUser=shop\nPath=/srv/shop\nPath=/srv/more\n"
                "Exclude=/srv/shop/cache\nExclude=/srv/shop/*.tmp\nLevel=back-end\n"
                "Verify=/usr/bin/check --all 'a b'\n"
                "[Service]\nName=jobs\nCgroup=/jobs.slice/one\nUser=root\nPath=/srv/jobs\n"
                "[Service]\nCgroup=/jobs.slice/two\nUser=root\nPath=/srv/jobs\n");
        const Service *shop = list.items;

        expect_int("services", (int)list.n, 3);
        expect_int("no warnings", (int)list.warnings.n, 0);
        expect_str("named by the unit", shop->name, "shop");
        expect_str("unit", shop->unit, "shop.service");
        expect_str("user", shop->user, "shop");
        expect_int("level", (int)shop->level, VSS_APP_BACK_END);
        expect_int("paths", (int)shop->n_paths, 2);
        expect_str("a path", shop->paths[1], "/srv/more");
        expect_str("an excluded directory", shop->excludes[0].path, "/srv/shop/cache");
        expect_str("wholly", shop->excludes[0].filespec, "*");
        expect_str("a pattern's directory", shop->excludes[1].path, "/srv/shop");
        expect_str("a pattern", shop->excludes[1].filespec, "*.tmp");
        expect_str("a command", shop->verify[2], "a b");
        expect_str("a name of its own", list.items[1].name, "jobs");
        expect_int("level by default", (int)list.items[1].level, VSS_APP_FRONT_END);
        expect_str("named by the group", list.items[2].name, "two");
        service_list_clear(&list);
}

static void test_mistakes(void) {
        static const struct {
                const char *line, *warning;
        } cases[] = {
                { "Unit=shop", "line 2: Unit= is" },
                { "Unit=-x.service", "line 2: Unit= is" },
                { "Cgroup=/", "line 2: Cgroup= is" },
                { "Cgroup=/a/../b", "line 2: Cgroup= is" },
                { "Cgroup=a", "line 2: Cgroup= is" },
                { "Path=/", "line 2: Path= is" },
                { "Path=/srv//x", "line 2: Path= is" },
                { "Path=srv", "line 2: Path= is" },
                { "Exclude=/*", "line 2: Exclude= is" },
                { "Exclude=/srv/*/x", "line 2: Exclude= is" },
                { "Exclude=x", "line 2: Exclude= is" },
                { "Level=top", "line 2: Level= is" },
                { "Verify=check", "line 2: Verify= is" },
                { "Verify=\"/a", "line 2: Verify= is" },
                { "Name=a/b", "line 2: Name= has" },
                { "Freeze=/bin/true", "line 2: [Service] knows no Freeze=" },
                { "Cgroup=/x", "either Unit= or Cgroup=" },
        };

        FOREACH_ELEMENT (one, cases) {
                bool other = strncmp(one->line, "Cgroup=/x", 9) == 0;
                char text[512];
                ServiceList list;

                (void)snprintf(
                        text, sizeof(text),
                        "[Service]\n%s\nUser=root\n%s%s[Service]\nUnit=good.service\nUser=root\nPath=/srv\n",
                        one->line, strncmp(one->line, "Unit", 4) == 0 ? "" : "Unit=a.service\n",
                        other ? "Path=/srv\n" : "Path=/srv/a\n");
                list = read_text(text);
                expect_true(one->line, list.n == 1 && strcmp(list.items[0].name, "good") == 0);
                expect_true("  and a warning",
                            list.warnings.n == 1 && strstr(list.warnings.items[0], one->warning));
                if (list.warnings.n != 1 || !strstr(list.warnings.items[0], one->warning))
                        printf("# %zu: %s\n", list.warnings.n,
                               list.warnings.n ? list.warnings.items[0] : "");
                service_list_clear(&list);
        }
}

static void test_missing(void) {
        static const struct {
                const char *text, *warning;
        } cases[] = {
                { "[Service]\nUser=root\nPath=/srv\n", "wants Unit= or Cgroup=" },
                { "[Service]\nUnit=a.service\nPath=/srv\n", "wants User=" },
                { "[Service]\nUnit=a.service\nUser=root\n", "wants Path=" },
                { "[Servce]\nUnit=a.service\n", "not [Servce]" },
                { "Unit=a.service\n", "there are only sections [Service]" },
        };
        ServiceList list;

        FOREACH_ELEMENT (one, cases) {
                list = read_text(one->text);
                expect_true(one->warning, list.n == 0 && list.warnings.n == 1 &&
                                                  strstr(list.warnings.items[0], one->warning));
                service_list_clear(&list);
        }
        list = read_text("[Service]\nUnit=a.service\nUser=root\nPath=/srv\n"
                         "[Service]\nName=a\nCgroup=/b\nUser=root\nPath=/srv\n");
        expect_true("the same name twice", list.n == 1 && list.warnings.n == 1);
        service_list_clear(&list);
        expect_int("no file", service_list_load("/nonesuch/services.conf", &list), 0);
        expect_true("describes nothing", list.n == 0 && list.warnings.n == 0);
        service_list_clear(&list);
}

static void test_mounts(void) {
        char path[GROUP_PATH_SIZE] = "untouched";

        expect_int("another mount", group_parse_mount("24 30 0:22 / /proc rw,nosuid - proc proc rw\n", path),
                   -ENOENT);
        expect_str("untouched", path, "untouched");
        expect_int("cgroup v2",
                   group_parse_mount("35 30 0:30 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n", path),
                   0);
        expect_str("its place", path, "/sys/fs/cgroup");
        expect_int("with a blank in it",
                   group_parse_mount("35 30 0:30 / /sys/a\\040b rw - cgroup2 none rw\n", path), 0);
        expect_str("which is undone", path, "/sys/a b");
        expect_int("cut off", group_parse_mount("35 30 - cgroup2 none rw\n", path), -ENOENT);
}

int main(void) {
        test_whole();
        test_mistakes();
        test_missing();
        test_mounts();
        return test_end();
}
