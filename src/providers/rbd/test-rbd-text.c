/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the rbd provider reads: rbd.conf, names, what sysfs and command lines say of devices
 *
 * A tree of files stands for /sys, as kernels with a client for RBD have it.
 */

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "providers/rbd/device.h"
#include "util/clock.h"
#include "util/test.h"

#define FSID "b1946ac9-2480-4d5a-9c7f-3f1f0d6a7b11"

static char top[] = "/tmp/test-rbd-text-XXXXXX";

static void make_parents(char *path) {
        for (char *slash = path + strlen(top) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = 0;
                (void)mkdir(path, 0700);
                *slash = '/';
        }
}

static void put(const char *name, const char *text) {
        char path[PATH_MAX];
        _cleanup_(closep) int fd = -1;

        (void)snprintf(path, sizeof(path), "%s/%s", top, name);
        make_parents(path);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
                expect_true(name, false);
}

static void take(const char *name) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", top, name);
        (void)unlink(path);
}

static void link_to(const char *name, const char *target) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", top, name);
        make_parents(path);
        if (symlink(target, path) < 0)
                expect_true(name, false);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

/* Settings */

static int read_text(const char *text, ConfError *error, Settings *ret_settings) {
        char path[PATH_MAX];

        put("rbd.conf", text);
        (void)snprintf(path, sizeof(path), "%s/rbd.conf", top);
        *error = (ConfError){ 0 };
        return settings_read(path, error, ret_settings);
}

static void test_settings(void) {
        Settings settings = { .n_clusters = 9 };
        const ClusterSettings *two = &settings.clusters[1];
        ConfError error;

        expect_int("no file", settings_read("/nonexistent/rbd.conf", &error, &settings), 0);
        expect_int("is no cluster", settings.n_clusters, 0);
        expect_int("two clusters",
                   read_text("AnswerLimit=3 s\n[Cluster]\n[Cluster]\nName=b\nConf=/etc/ceph/b.conf\nUser=x\n"
                             "Pool=one two/space\nMapOptions=ms_mode=prefer-crc\n",
                             &error, &settings),
                   0);
        expect_int("are read", settings.n_clusters, 2);
        expect_int("with their limit", settings.answer_usec, 3 * USEC_PER_SEC);
        expect_str("the name of the first", settings.clusters[0].name, "ceph");
        expect_str("its configuration", settings.clusters[0].conf, "/etc/ceph/ceph.conf");
        expect_str("its user", settings.clusters[0].user, "linuxvss");
        expect_int("its pools", settings.clusters[0].n_pools, 1);
        expect_str("its pool", settings.clusters[0].pools[0].pool, "rbd");
        expect_str("the name of the second", two->name, "b");
        expect_str("its configuration", two->conf, "/etc/ceph/b.conf");
        expect_str("its user", two->user, "x");
        expect_int("its pools", two->n_pools, 2);
        expect_str("the second of them", two->pools[1].pool, "two");
        expect_str("and its namespace", two->pools[1].space, "space");
        expect_str("options for rbd map", two->map_options, "ms_mode=prefer-crc");
}

static void test_bad_settings(void) {
        static const struct {
                const char *text;
                unsigned line;
        } cases[] = {
                { "Size=3\n", 1 },
                { "AnswerLimit=9 s\n", 1 },
                { "AnswerLimit=100 ms\n", 1 },
                { "AnswerLimit=soon\n", 1 },
                { "\n[Clusters]\n", 2 },
                { "[Cluster]\nAnswerLimit=3 s\n", 2 },
                { "[Cluster]\nName=\n", 2 },
                { "[Cluster]\nName=-c\n", 2 },
                { "[Cluster]\nName=a:b\n", 2 },
                { "[Cluster]\nUser=a,b\n", 2 },
                { "[Cluster]\nConf=ceph.conf\n", 2 },
                { "[Cluster]\nConf=/etc/a,conf\n", 2 },
                { "[Cluster]\nPool=a/b/c\n", 2 },
                { "[Cluster]\nPool=a@b\n", 2 },
                { "[Cluster]\nPool=a/\n", 2 },
        };
        static const char header[] = "[Cluster]\n";
        char many[(CLUSTERS_MAX + 1) * (sizeof(header) - 1) + 1] = "";
        Settings settings = { .n_clusters = 9 };
        ConfError error;

        FOREACH_ELEMENT (c, cases) {
                expect_true(c->text, read_text(c->text, &error, &settings) < 0);
                expect_int("is told with its line", error.line, c->line);
                expect_true("and a reason", *error.message);
        }
        for (size_t i = 0; i <= CLUSTERS_MAX; i++)
                memcpy(many + i * (sizeof(header) - 1), header, sizeof(header));
        expect_true("one cluster too many", read_text(many, &error, &settings) < 0);
        expect_int("none of it is taken", settings.n_clusters, 9);
}

static void test_names(void) {
        static const struct {
                const char *text, *cluster, *pool, *space, *image; /* image NULL: it is none */
        } cases[] = {
                { "rbd/a", "", "rbd", "", "a" },
                { "rbd/space/a", "", "rbd", "space", "a" },
                { "b:rbd/a", "b", "rbd", "", "a" },
                { "b:rbd/space/a-1.x_y", "b", "rbd", "space", "a-1.x_y" },
                { "a", NULL, NULL, NULL, NULL },
                { "", NULL, NULL, NULL, NULL },
                { "/a", NULL, NULL, NULL, NULL },
                { "rbd/", NULL, NULL, NULL, NULL },
                { "rbd//a", NULL, NULL, NULL, NULL },
                { "rbd/a@s", NULL, NULL, NULL, NULL },
                { "rbd/-a", NULL, NULL, NULL, NULL },
                { "-p/a", NULL, NULL, NULL, NULL },
                { "rbd/a,read-only=on", NULL, NULL, NULL, NULL },
                { "rbd/a\nb", NULL, NULL, NULL, NULL },
                { "a/b/c/d", NULL, NULL, NULL, NULL },
                { ":rbd/a", NULL, NULL, NULL, NULL },
        };
        char long_name[3 * POOL_NAME_SIZE];

        FOREACH_ELEMENT (c, cases) {
                char cluster[64] = "?", image[IMAGE_NAME_SIZE] = "?";
                PoolName pool = { "?", "?" };
                int r = image_name_parse(c->text, cluster, &pool, image);

                expect_int(*c->text ? c->text : "(nothing)", r, c->image ? 0 : -EINVAL);
                expect_str("its cluster", cluster, c->image ? c->cluster : "?");
                expect_str("its pool", pool.pool, c->image ? c->pool : "?");
                expect_str("its namespace", pool.space, c->image ? c->space : "?");
                expect_str("its name", image, c->image ?: "?");
        }
        memset(long_name, 'a', sizeof(long_name) - 1);
        long_name[sizeof(long_name) - 1] = 0;
        expect_true("a name that is too long", !image_name_is_valid(long_name));
        long_name[3] = '/';
        expect_int(
                "with a pool",
                image_name_parse(long_name, (char[64]){ 0 }, &(PoolName){ 0 }, (char[IMAGE_NAME_SIZE]){ 0 }),
                -EINVAL);
}

/* Devices */

static void make_krbd(void) {
        put("bus/rbd/devices/7/pool", "volumes\n");
        put("bus/rbd/devices/7/pool_ns", "tenant\n");
        put("bus/rbd/devices/7/name", "data\n");
        put("bus/rbd/devices/7/image_id", "10176b8b4567\n");
        put("bus/rbd/devices/7/cluster_fsid", FSID "\n");
        put("bus/rbd/devices/7/current_snap", "-\n");
}

static void test_krbd(void) {
        static const char *const needed[] = { "pool", "name", "image_id", "cluster_fsid", "current_snap" };
        static const char *const names[] = { "rbd", "rbd7p1", "rbd8", "sda", "rbd7x", "rbd-7" };
        const char *why = "";
        Place place;

        make_krbd();
        expect_int("a device of krbd", device_read_krbd(top, "rbd7", &place, &why), 0);
        expect_str("its pool", place.pool.pool, "volumes");
        expect_str("its namespace", place.pool.space, "tenant");
        expect_str("its image", place.image, "data");
        expect_str("the id of that", place.image_id, "10176b8b4567");
        expect_str("its cluster", place.fsid, FSID);
        FOREACH_ELEMENT (name, names)
                expect_int(*name, device_read_krbd(top, *name, &place, &why), -ENOENT);
        FOREACH_ELEMENT (name, needed) {
                char path[128];

                (void)snprintf(path, sizeof(path), "bus/rbd/devices/7/%s", *name);
                take(path);
                expect_true(*name, device_read_krbd(top, "rbd7", &place, &why) < 0);
                make_krbd();
        }
        take("bus/rbd/devices/7/pool_ns"); /* kernels before 4.19 */
        expect_int("without namespaces", device_read_krbd(top, "rbd7", &place, &why), 0);
        expect_str("it is in none", place.pool.space, "");
        put("bus/rbd/devices/7/current_snap", "vss-x\n");
        expect_int("a snapshot", device_read_krbd(top, "rbd7", &place, &why), -EMEDIUMTYPE);
        expect_str("is refused as such", why, "it lies on a snapshot of an image");
        make_krbd();
        put("bus/rbd/devices/7/pool", "a,b\n");
        expect_int("a pool that is no name", device_read_krbd(top, "rbd7", &place, &why), -EMEDIUMTYPE);
        make_krbd();
}

static void test_bottom(void) {
        const char *why = "";
        Bottom bottom;

        put("devices/rbd/7/block/rbd7/dev", "252:112\n");
        put("devices/rbd/7/block/rbd7/rbd7p2/dev", "252:114\n");
        put("devices/rbd/7/block/rbd7/rbd7p2/partition", "2\n");
        put("devices/rbd/7/block/rbd7/rbd7p2/start", "2048\n");
        put("devices/rbd/7/block/rbd7/rbd7p2/size", "65536\n");
        link_to("dev/block/252:112", "../../devices/rbd/7/block/rbd7");
        link_to("dev/block/252:114", "../../devices/rbd/7/block/rbd7/rbd7p2");
        expect_int("a whole device", device_find_bottom(top, makedev(252, 112), &bottom, &why), 0);
        expect_str("is its own bottom", bottom.name, "rbd7");
        expect_true("all of it", bottom.offset == 0 && bottom.length == 0);
        expect_int("a partition", device_find_bottom(top, makedev(252, 114), &bottom, &why), 0);
        expect_str("lies on the device", bottom.name, "rbd7");
        expect_true("by its number", bottom.device == makedev(252, 112));
        expect_int("behind its start", bottom.offset, 2048 * 512);
        expect_int("as far as it reaches", bottom.length, 65536 * 512);
        put("devices/rbd/7/block/rbd7/rbd7p2/start", "many\n");
        expect_int("a start that is none", device_find_bottom(top, makedev(252, 114), &bottom, &why),
                   -EBADMSG);
        expect_int("no block device", device_find_bottom(top, makedev(0, 40), &bottom, &why), -EMEDIUMTYPE);
        expect_str("is told as such", why, "it lies on no block device");
        expect_int("one that is gone", device_find_bottom(top, makedev(252, 99), &bottom, &why),
                   -EMEDIUMTYPE);
}

/* Of device-mapper, over two, and over itself. */
static void test_spread(void) {
        const char *why = "";
        Bottom bottom;

        put("devices/virtual/block/dm-0/dev", "253:0\n");
        put("devices/virtual/block/dm-0/dm/name", "no such device, by this name at least\n");
        link_to("dev/block/253:0", "../../devices/virtual/block/dm-0");
        put("devices/virtual/block/dm-0/slaves/none", "");
        take("devices/virtual/block/dm-0/slaves/none");
        expect_int("over nothing", device_find_bottom(top, makedev(253, 0), &bottom, &why), -EMEDIUMTYPE);
        link_to("devices/virtual/block/dm-0/slaves/rbd7", "../../../../rbd/7/block/rbd7");
        expect_int("with a table that cannot be read",
                   device_find_bottom(top, makedev(253, 0), &bottom, &why), -EMEDIUMTYPE);
        expect_str("is not one piece", why, "its device does not map one piece of another one to one");
        link_to("devices/virtual/block/dm-0/slaves/rbd8", "../../../../rbd/7/block/rbd7");
        expect_int("over two", device_find_bottom(top, makedev(253, 0), &bottom, &why), -EMEDIUMTYPE);
        expect_str("is spread", why, "its device is spread over several, or lies on none");
}

#define LINE(text) text, sizeof(text)

static void test_rbd_nbd(void) {
        static const struct {
                const char *line;
                size_t size;
                const char *pool, *space, *image; /* NULL: it is none */
        } cases[] = {
                { LINE("rbd-nbd\0map\0data"), "rbd", "", "data" },
                { LINE("/usr/bin/rbd-nbd\0--id\0x\0map\0volumes/data\0--device\0/dev/nbd0"), "volumes", "",
                  "data" },
                { LINE("rbd-nbd\0map\0volumes/tenant/data\0--try-netlink"), "volumes", "tenant", "data" },
                { LINE("rbd-nbd\0attach\0--device\0/dev/nbd0\0volumes/data"), "volumes", "", "data" },
                { LINE("rbd-nbd\0map\0volumes/data@snap"), NULL, NULL, NULL },
                { LINE("rbd-nbd\0list-mapped"), NULL, NULL, NULL },
                { LINE("rbd-nbd\0map"), NULL, NULL, NULL },
                { LINE("rbd-nbd\0map\0--device"), NULL, NULL, NULL },
                { LINE("rbd-nbd-not\0map\0data"), NULL, NULL, NULL },
                { LINE("nbd-client\0map\0data"), NULL, NULL, NULL },
                { LINE(""), NULL, NULL, NULL },
                { "rbd-nbd\0map\0data", 16, NULL, NULL, NULL }, /* cut off */
                { NULL, 0, NULL, NULL, NULL },
        };

        FOREACH_ELEMENT (c, cases) {
                Place place = { 0 };
                int r = device_parse_rbd_nbd(c->line ?: "", c->size, &place);

                expect_int(c->image ? "a command line" : "one that is not meant", r, c->image ? 0 : -ENOENT);
                expect_str("its pool", place.pool.pool, c->pool ?: "");
                expect_str("its namespace", place.pool.space, c->space ?: "");
                expect_str("its image", place.image, c->image ?: "");
        }
        put("block/nbd3/pid", "1\n");
        expect_int("a device that another program serves", device_read_rbd_nbd(top, "nbd3", &(Place){ 0 }),
                   -ENOENT);
        expect_int("one that nobody serves", device_read_rbd_nbd(top, "nbd4", &(Place){ 0 }), -ENOENT);
}

int main(void) {
        if (!mkdtemp(top)) {
                printf("Bail out! no directory in /tmp\n");
                return 1;
        }
        test_settings();
        test_bad_settings();
        test_names();
        test_krbd();
        test_bottom();
        test_spread();
        test_rbd_nbd();
        (void)nftw(top, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        return test_end();
}
