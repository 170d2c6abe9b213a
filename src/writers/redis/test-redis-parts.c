/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test the pure parts of the Redis writer: configuration files, settings, titles of processes, names,
 * versions
 */

#include <string.h>
#include "util/test.h"
#include "writers/redis/engine.h"
#include "writers/redis/facts.h"
#include "writers/redis/holder.h"
#include "writers/redis/instance.h"
#include "writers/redis/server.h"
#include "writers/redis/version.h"

static int parse(RedisConf *conf, const char *text) {
        redis_conf_init(conf);
        return redis_conf_parse(conf, text, strlen(text), NULL, 0);
}

static void test_conf(void) {
        RedisConf conf;

        expect_int("nothing", parse(&conf, ""), 0);
        expect_int("port that is built in", conf.port, 6379);
        expect_str("dump that is built in", conf.dump, "dump.rdb");
        expect_int("saves that are built in", conf.saves, 1);
        expect_int(
                "a whole file",
                parse(&conf,
                      "# comment\n\n  PORT 0\nunixsocket /run/r.sock\r\ndir \"/srv/a b\"\nappendonly yes\n"
                      "appenddirname 'it\\'s'\nrequirepass \"p\\x61ss\\n\\\"\"\nsave \"\"\nbind 127.0.0.1 "
                      "-::1\n"
                      "loadmodule /lib/m.so arg\nreplicaof 10.0.0.1 6379\n"),
                0);
        expect_int("port", conf.port, 0);
        expect_str("socket", conf.socket, "/run/r.sock");
        expect_str("words in quotes", conf.dir, "/srv/a b");
        expect_str("single quotes", conf.append_dir, "it's");
        expect_str("escapes", conf.password, "pass\n\"");
        expect_int("appendonly", conf.append_only, 1);
        expect_int("no saves", conf.saves, 0);
        expect_int("replica", conf.replica, 1);
        expect_int("modules", (int)conf.n_modules, 1);
        redis_conf_deinit(&conf);
        expect_int("the last one counts",
                   parse(&conf, "replicaof a 1\nreplicaof no one\nsave \"\"\nsave 60 1"), 0);
        expect_int("no replica after all", conf.replica, 0);
        expect_int("saves after all", conf.saves, 1);
        expect_int("a relative directory is none", parse(&conf, "dir ./here") == 0 && conf.dir[0] == '\0',
                   1);
        expect_int("a sentinel", parse(&conf, "sentinel monitor m 127.0.0.1 6379 2") == 0 && conf.sentinel,
                   1);
        expect_int("quotes that do not end", parse(&conf, "dir \"/srv"), -EINVAL);
        expect_int("a backslash at the end", parse(&conf, "dir \"/srv\\"), -EINVAL);
        expect_int("glued to quotes", parse(&conf, "dir \"/srv\"x"), -EINVAL);
        expect_int("no boolean", parse(&conf, "appendonly perhaps"), -EINVAL);
        expect_int("no port", parse(&conf, "port 70000"), -EINVAL);
        expect_int("a line of blanks and NULs", redis_conf_parse(&conf, " \0\0\n", 4, NULL, 0), 0);
}

static int settle(Settings *settings, const char *text, ConfError *error) {
        _cleanup_conf_ Conf *conf = NULL;
        int r;

        settings_deinit(settings);
        r = conf_parse(text, strlen(text), error, &conf);
        return r < 0 ? r : settings_parse(settings, conf, error);
}

static void test_settings(void) {
        _cleanup_settings_ Settings settings = { 0 };
        ConfError error = { 0 };

        settings_init(&settings);
        expect_int(
                "settings",
                settle(&settings,
                       "[Redis]\nUser=u\nPassword=p\nSaveLimitMiB=2\nFreezeLimit=300ms\n"
                       "[Instance]\nPort=7000\nPassword=q\n[Instance]\nConfig=/etc/x.conf\nUnit=x.service\n",
                       &error),
                0);
        expect_str("password", settings.password, "p");
        expect_int("limit", (int)settings.save_limit, 2 << 20);
        expect_int("time", (int)settings.freeze_usec, 300000);
        expect_int("instances", (int)settings.n_instances, 2);
        expect_int("port of one", settings.instances[0].port, 7000);
        expect_str("unit of the other", settings.instances[1].unit, "x.service");
        expect_int("a key that there is not", settle(&settings, "[Redis]\nPasword=p\n", &error), -EINVAL);
        expect_int("its line", (int)error.line, 2);
        expect_int("a section that there is not", settle(&settings, "[Radish]\n", &error), -EINVAL);
        expect_int("a value out of range", settle(&settings, "[Redis]\nFreezeLimit=2h\n", &error), -EINVAL);
        expect_int("a server without an address", settle(&settings, "[Instance]\nPassword=p\n", &error),
                   -EINVAL);
}

static void test_titles(void) {
        static const struct {
                const char *label, *title;
                size_t size;
                bool useful;
                const char *socket, *config;
                uint16_t port;
                bool sentinel;
        } cases[] = {
#define TITLE(text) text, sizeof(text)
                { "an address", TITLE("redis-server 127.0.0.1:6379"), true, "", "", 6379, false },
                { "any address", TITLE("redis-server *:7000 [cluster]"), true, "", "", 7000, false },
                { "version 6 of it", TITLE("redis-server [::1]:7000"), true, "", "", 7000, false },
                { "a socket", TITLE("redis-server unixsocket:/run/r.sock"), true, "/run/r.sock", "", 0,
                  false },
                { "a file",
                  TITLE("redis-server\0/etc/r.conf\0--port\0"
                        "1"),
                  true, "", "/etc/r.conf", 0, false },
                { "a sentinel", TITLE("redis-sentinel *:26379 [sentinel]"), true, "", "", 26379, true },
                { "a dump in the making", TITLE("redis-rdb-bgsave 0.0.0.0:6379"), true, "", "", 6379,
                  false },
                { "nothing", TITLE(""), false, "", "", 0, false },
                { "no number", TITLE("redis-server *:http"), false, "", "", 0, false },
                { "no port", TITLE("redis-server *:0"), false, "", "", 0, false },
        };

        FOREACH_ELEMENT (c, cases) {
                ProcessTitle title;

                expect_int(c->label, process_title_parse(c->title, c->size, &title), c->useful);
                if (!c->useful)
                        continue;
                expect_str(c->label, title.socket, c->socket);
                expect_str(c->label, title.config, c->config);
                expect_int(c->label, title.port, c->port);
                expect_int(c->label, title.sentinel, c->sentinel);
        }
}

static void test_names(void) {
        static const struct {
                const char *config, *socket, *name, *unit;
                uint16_t port;
        } cases[] = {
                { "/etc/redis/redis.conf", "", "redis", "redis-server.service", 6379 },
                { "/etc/redis/redis-a.b.conf", "", "redis-a.b", "redis-server@a.b.service", 6379 },
                { "/etc/redis/other.conf", "", "other", "", 6379 },
                { "/etc/redis/sub/redis.conf", "", "etc/redis/sub/redis.conf", "", 6379 },
                { "/srv/redis.conf", "/run/x", "srv/redis.conf", "", 0 },
                { "", "/run/x.sock", "run/x.sock", "", 7000 },
                { "", "", "port-7000", "", 7000 },
        };
        static Instance instance;
        char text[REDIS_PATH_SIZE];

        FOREACH_ELEMENT (c, cases) {
                (void)snprintf(instance.config, sizeof(instance.config), "%s", c->config);
                (void)snprintf(instance.socket, sizeof(instance.socket), "%s", c->socket);
                instance.port = c->port;
                instance_name_of(&redis_product, &instance, text, sizeof(text));
                expect_str("name", text, c->name);
                instance_unit_of(&redis_product, c->config, text, sizeof(text));
                expect_str("unit", text, c->unit);
        }
}

static void test_versions(void) {
        static const struct {
                const char *label, *from_product, *from, *version;
                bool upgrade, welcome;
        } cases[] = {
                { "the same", "redis", "7.0.15", "7.0.15", false, true },
                { "a later patch", "redis", "7.0.11", "7.0.15", false, true },
                { "an earlier patch", "redis", "7.0.15", "7.0.11", false, true },
                { "an older minor one", "redis", "7.0.15", "7.2.4", false, true },
                { "a newer minor one", "redis", "7.2.4", "7.0.15", false, false },
                { "an older major one", "redis", "6.2.6", "7.0.15", false, false },
                { "that is welcome", "redis", "6.2.6", "7.0.15", true, true },
                { "a newer major one", "redis", "8.0.0", "7.0.15", true, false },
                { "another product", "valkey", "7.0.0", "7.0.15", true, false },
                { "not known", "redis", "", "7.0.15", false, true },
        };
        char text[512], version[32];

        FOREACH_ELEMENT (c, cases)
                expect_int(c->label,
                           version_objection(c->from_product, c->from, "redis", c->version, c->upgrade, text,
                                             sizeof(text)) == NULL,
                           c->welcome);
        expect_int("of a program",
                   version_of_program("Redis server v=7.0.15 sha=00000000:0 malloc=x", version,
                                      sizeof(version)),
                   1);
        expect_str("it is", version, "7.0.15");
        expect_int("of no program", version_of_program("bash: no such", version, sizeof(version)), 0);
}

static void test_texts(void) {
        static const char *const info = "# Persistence\r\nloading:0\r\naof_buffer_length:17\r\nx:y z\r\n\r\n"
                                        "# Keyspace\r\ndb0:keys=3,expires=0\r\ndb1:keys=4,expires=1\r\n";
        char value[32];

        expect_int("a number", (int)info_number(info, "aof_buffer_length", -1), 17);
        expect_int("the first line", (int)info_number("loading:1", "loading", -1), 1);
        expect_int("one that is not there", (int)info_number(info, "buffer_length", -1), -1);
        expect_int("no number", (int)info_number(info, "x", -1), -1);
        expect_int("a text", info_text(info, "x", value, sizeof(value)), 1);
        expect_str("it is", value, "y z");
        expect_int("one that is too long", info_text(info, "x", value, 3), 0);
        expect_int("keys", (int)info_count_keys(info), 7);
        expect_int("a pair", pair_text("a=1\ndirectory=/srv/a b\n", "directory", value, sizeof(value)), 1);
        expect_str("with blanks", value, "/srv/a b");
        expect_int("an option", pair_text("start=no, upgrade=yes", "upgrade", value, sizeof(value)), 1);
        expect_str("is", value, "yes");
        expect_int("part of a key", pair_text("restart=no", "start", value, sizeof(value)), 0);
}

static void test_behind(void) {
        Settings settings;
        InstanceFacts facts = { .dir = "/d", .dump = "f", .saves = true, .memory = 1 << 20 };
        char text[INSTANCE_WHY_SIZE];

        settings_init(&settings);
        expect_int("a small one", instance_is_behind(&facts, &settings, text, sizeof(text)) == NULL, 1);
        facts.memory = 65 << 20;
        expect_int("a large one", instance_is_behind(&facts, &settings, text, sizeof(text)) != NULL, 1);
        facts.append_only = true;
        expect_int("with an AOF", instance_is_behind(&facts, &settings, text, sizeof(text)) == NULL, 1);
        facts = (InstanceFacts){ .dir = "/d", .dump = "f" };
        expect_int("one that keeps nothing",
                   instance_is_behind(&facts, &settings, text, sizeof(text)) != NULL, 1);
}

static void test_rewrite(void) {
        static const struct {
                const char *label;
                int64_t size, base, percent, least;
                bool rewriting, expected;
        } cases[] = {
                { "one under way", 0, 0, 0, 0, true, true },
                { "twice the size", 200, 100, 100, 10, false, true },
                { "almost", 199, 100, 100, 10, false, false },
                { "a small one", 200, 100, 100, 200, false, false },
                { "switched off", 200, 1, 0, 10, false, false },
                { "never rewritten yet", 200, 0, 100, 10, false, true },
                { "a very large one", INT64_C(1) << 50, 1, 100, 10, false, true },
        };

        FOREACH_ELEMENT (c, cases) {
                InstanceFacts facts = { .append_size = c->size,
                                        .append_base = c->base,
                                        .rewriting = c->rewriting,
                                        .rewrite_percent = c->percent,
                                        .rewrite_size = c->least };

                expect_int(c->label, facts_will_rewrite(&facts), c->expected);
        }
}

int main(void) {
        test_conf();
        test_settings();
        test_titles();
        test_names();
        test_versions();
        test_texts();
        test_behind();
        test_rewrite();
        return test_end();
}
