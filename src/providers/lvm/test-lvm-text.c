/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the lvm provider reads and reckons: tags, reports, settings, states of pools
 */

#include <fcntl.h>
#include <string.h>
#include "providers/lvm/policy.h"
#include "providers/lvm/report.h"
#include "util/test.h"

#define ID "0a1b2c3d-0000-4000-8000-000000000001"
#define SET "0a1b2c3d-0000-4000-8000-0000000000ff"
#define VG_UUID "rvr7SN-vA5o-X6J1-JSrz-rfc2-TztL-fJ5b6L"
#define LV_UUID "824Muu-jrEY-uB2K-mZKn-v9db-ODZo-esFPsi"

static void test_escape(void) {
        static const char *const texts[] = { "",  "abc",  "a b",  "{\"key\": \"\303\244\n\"}",
                                             "#", "100%", "a,b@c" };
        static const char *const bad[] = { "#", "#4", "#4g", "#00", "#4A", "a b", "a,b", "x#", "\303" };

        FOREACH_ELEMENT (text, texts) {
                _cleanup_(freep) char *escaped = NULL, *plain = NULL;

                expect_int("a text is escaped", tag_escape(*text, &escaped), 0);
                expect_int("and read back", tag_unescape(escaped, &plain), 0);
                expect_str("as it was", plain, *text);
                for (const char *c = escaped; *c; c++)
                        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-/"
                                    "=!:&#",
                                    *c))
                                expect_true("only what LVM allows", false);
        }
        FOREACH_ELEMENT (text, bad) {
                _cleanup_(freep) char *plain = NULL;

                expect_int(*text, tag_unescape(*text, &plain), -EBADMSG);
        }
}

static vss_value *make_info(size_t extra) {
        vss_value *info = vss_value_new_dict();
        _cleanup_(freep) char *text = malloc(extra + 1);

        memset(text, 'x', extra);
        text[extra] = 0;
        (void)vss_value_set_string(info, "id", ID);
        (void)vss_value_set_string(info, "set", SET);
        (void)vss_value_set_string(info, "volume", "/srv/\303\244 b,c");
        (void)vss_value_set_string(info, "extra", text);
        (void)vss_value_set_integer(info, "context", 27);
        return info;
}

static void test_identity(void) {
        static const size_t sizes[] = { 0, 700, 960, 5000, 40000 };

        FOREACH_ELEMENT (size, sizes) {
                _cleanup_value_ vss_value *info = make_info(*size), *back = NULL;
                _cleanup_tags_ Tags tags = { 0 };

                expect_int("an identity becomes tags", tags_encode(info, &tags), 0);
                for (size_t i = 0; i < tags.n; i++)
                        if (strlen(tags.items[i]) >= TAG_SIZE)
                                expect_true("none is too long", false);
                /* LVM keeps them in no order. */
                for (size_t i = 0; i < tags.n / 2; i++) {
                        char *other = tags.items[i];

                        tags.items[i] = tags.items[tags.n - 1 - i];
                        tags.items[tags.n - 1 - i] = other;
                }
                (void)tags_append(&tags, TAG_OURS);
                (void)tags_append(&tags, "backup");
                expect_int("and tags become it", tags_decode(&tags, &back), 0);
                expect_true("as it was", value_equals(info, back));
        }
        {
                _cleanup_value_ vss_value *info = make_info(70000);
                _cleanup_tags_ Tags tags = { 0 };

                expect_int("one that is too long", tags_encode(info, &tags), -E2BIG);
        }
}

static void test_hostile_identity(void) {
        static const struct {
                const char *label, *tags;
                int r;
        } rows[] = {
                { "no tags", "", -ENOENT },
                { "other tags", "backup,linuxvss,linuxvss.created", -ENOENT },
                { "no part", "linuxvss.info.", -EBADMSG },
                { "no number", "linuxvss.info.x.1.a", -EBADMSG },
                { "none of none", "linuxvss.info.0.0.a", -EBADMSG },
                { "beyond the last", "linuxvss.info.1.1.a", -EBADMSG },
                { "one is missing", "linuxvss.info.0.2.#7b", -EBADMSG },
                { "one is there twice", "linuxvss.info.0.2.#7b,linuxvss.info.0.2.#7d", -EBADMSG },
                { "of two numbers", "linuxvss.info.0.2.#7b,linuxvss.info.1.3.#7d", -EBADMSG },
                { "too many", "linuxvss.info.0.99.a", -EBADMSG },
                { "a large number", "linuxvss.info.0.18446744073709551617.a", -EBADMSG },
                { "a leading zero", "linuxvss.info.00.1.a", -EBADMSG },
                { "no JSON", "linuxvss.info.0.1.abc", -EBADMSG },
                { "no identity", "linuxvss.info.0.1.#7b#7d", -EBADMSG },
                { "a list", "linuxvss.info.0.1.#5b#5d", -EBADMSG },
                { "no set", "linuxvss.info.0.1.#7b#22id#22:#22" ID "#22#7d", -EBADMSG },
                { "an id that is a path",
                  "linuxvss.info.0.1.#7b#22id#22:#22../../../../../../../../../../../etc/"
                  "x#22#2c#22set#22:#22" SET "#22#7d",
                  -EBADMSG },
                { "a good one", "linuxvss.info.0.1.#7b#22id#22:#22" ID "#22#2c#22set#22:#22" SET "#22#7d",
                  0 },
        };

        FOREACH_ELEMENT (row, rows) {
                _cleanup_value_ vss_value *info = NULL;
                _cleanup_tags_ Tags tags = { 0 };

                expect_int(row->label, tags_parse(row->tags, &tags), 0);
                expect_int(row->label, tags_decode(&tags, &info), row->r);
        }
        {
                _cleanup_tags_ Tags tags = { 0 };

                expect_int("an empty tag", tags_parse("a,,b", &tags), -EBADMSG);
                expect_int("a comma at the end", tags_parse("a,", &tags), -EBADMSG);
                expect_int("a comma at the beginning", tags_parse(",a", &tags), -EBADMSG);
                expect_int("tags", tags_parse("a," TAG_LOST "full", &tags), 0);
                expect_true("one is there", tags_contain(&tags, "a"));
                expect_true("one is not", !tags_contain(&tags, "full"));
                expect_str("what stands behind a prefix", tags_find(&tags, TAG_LOST), "full");
                expect_str("no such prefix", tags_find(&tags, TAG_MAXIMUM), NULL);
        }
}

#define ROW(name, uuid, more)                                                                             \
        "{\"lv_name\":\"" name "\", \"vg_name\":\"vg\", \"lv_uuid\":\"" uuid "\", \"vg_uuid\":\"" VG_UUID \
        "\", \"lv_size\":\"314572800\", \"vg_free\":\"8388608\", \"vg_extent_size\":\"4194304\"" more "}"
#define REPORT(rows) "{\"report\": [ {\"lv\": [ " rows " ] } ]}"

static void test_report(void) {
        static const char text[] = REPORT(ROW(
                "a-b", LV_UUID,
                ", \"segtype\":\"thin\", \"pool_lv\":\"pool\", \"thin_id\":\"7\", "
                "\"lv_active\":\"active\", "
                "\"lv_tags\":\"x,linuxvss\", \"vg_shared\":\"1\"") "," ROW("a-b", LV_UUID,
                                                                           ", "
                                                                           "\"segtype\":"
                                                                           "\"linear\"") "," ROW("[pool_"
                                                                                                 "tdata]",
                                                                                                 "IeLT1P-"
                                                                                                 "RDFZ-J9xT-"
                                                                                                 "7RVx-i6Jt-"
                                                                                                 "JlEp-"
                                                                                                 "AAAAAA",
                                                                                                 ", "
                                                                                                 "\"segtype"
                                                                                                 "\":"
                                                                                                 "\"linear"
                                                                                                 "\"") "," ROW("../etc",
                                                                                                               "IeLT1P-RDFZ-J9xT-7RVx-i6Jt-JlEp-AAAAAB",
                                                                                                               "") "," ROW("-x",
                                                                                                                           "IeLT1P-RDFZ-J9xT-7RVx-i6Jt-JlEp-AAAAAC",
                                                                                                                           "") "," ROW("short",
                                                                                                                                       "IeLT1P",
                                                                                                                                       "") "," ROW("tags",
                                                                                                                                                   "IeLT1P-RDFZ-J9xT-7RVx-i6Jt-JlEp-AAAAAD",
                                                                                                                                                   ", \"lv_tags\":\"a,,b\"") "," ROW("size",
                                                                                                                                                                                     "IeLT1P-RDFZ-J9xT-7RVx-i6Jt-JlEp-AAAAAE",
                                                                                                                                                                                     ", \"thin_id\":\"1x\"") ", 17, null");
        static const char *const bad[] = {
                "",    "{", "[]", "{}", "{\"report\":1}", "{\"report\":[1]}", "{\"report\":[{\"lv\":{}}]}",
                "null"
        };
        _cleanup_report_ Report report = { 0 };
        const LogicalVolume *lv;
        char name[32];

        expect_int("a report", report_parse(text, strlen(text), &report), 0);
        expect_int("volumes that are understood", (int64_t)report.n, 2);
        lv = report_find_name(&report, "vg", "a-b");
        expect_true("one is found by name", lv);
        expect_true("and by its UUIDs", lv && report_find_uuid(&report, lv->vg_uuid, lv->uuid) == lv);
        expect_true("not in another group", lv && !report_find_uuid(&report, lv->uuid, lv->uuid));
        if (lv) {
                expect_int("size", (int64_t)lv->size, 314572800);
                expect_int("thin device", (int64_t)lv->thin_id, 7);
                expect_str("pool", lv->pool, "pool");
                expect_str("segments", lv->segtype, "thin");
                expect_str("UUID without dashes", lv->uuid, "824MuujrEYuB2KmZKnv9dbODZoesFPsi");
                expect_int("tags", (int64_t)lv->tags.n, 2);
                expect_true("active", lv->active);
                expect_true("of a shared group", lv->vg_shared && !lv->vg_exported && !lv->vg_incomplete);
        }
        expect_true("what is hidden has its name", report_find_name(&report, "vg", "pool_tdata"));
        FOREACH_ELEMENT (b, bad) {
                _cleanup_report_ Report none = { 0 };

                expect_int(*b, report_parse(*b, strlen(*b), &none), -EBADMSG);
        }
        expect_int("a device's name", lvm_device_name("v-g", "a--b", sizeof(name), name), 0);
        expect_str("has its dashes doubled", name, "v--g-a----b");
        expect_int("and is not too long", lvm_device_name("group", "a-volume-of-a-long-name", 24, name),
                   -ENAMETOOLONG);
}

/* A copy is removed with its volume: nothing else may be taken for one. */
static void test_is_copy(void) {
        static const struct {
                const char *label, *name, *uuid;
                bool tagged, is;
        } rows[] = {
                { "a copy", "vss_6e7d6a52", "uuid-of-the-copy", true, true },
                { "one that was renamed", "data", "uuid-of-the-copy", true, false },
                { "one that was merged into its original", "data", "uuid-of-the-original", true, false },
                { "an original of such a name, after a merge", "vss_data", "uuid-of-the-original", true,
                  false },
                { "a volume of such a name", "vss_data", "uuid", false, false },
        };
        _cleanup_value_ vss_value *info = make_info(10);
        vss_value *own = value_require(info, "lvm", VSS_KIND_DICT);

        (void)vss_value_set_string(own, "origin", "uuid-of-the-original");
        FOREACH_ELEMENT (row, rows) {
                _cleanup_value_ vss_value *found = NULL;
                LogicalVolume lv = { 0 };

                (void)snprintf(lv.name, sizeof(lv.name), "%s", row->name);
                (void)snprintf(lv.uuid, sizeof(lv.uuid), "%s", row->uuid);
                (void)tags_append(&lv.tags, TAG_OURS);
                if (row->tagged)
                        (void)tags_encode(info, &lv.tags);
                expect_true(row->label, report_is_copy(&lv, &found) == row->is);
                tags_done(&lv.tags);
        }
}

static void test_device_uuid(void) {
        char vg[LVM_UUID_SIZE], lv[LVM_UUID_SIZE];
        char text[] = "LVM-rvr7SNvA5oX6J1JSrzrfc2TztLfJ5b6L824MuujrEYuB2KmZKnv9dbODZoesFPsi";

        expect_true("a logical volume", lvm_parse_device_uuid(text, vg, lv));
        expect_str("its group", vg, "rvr7SNvA5oX6J1JSrzrfc2TztLfJ5b6L");
        expect_str("itself", lv, "824MuujrEYuB2KmZKnv9dbODZoesFPsi");
        expect_true("what lies below one", !lvm_parse_device_uuid("LVM-rvr7SNvA5oX6J1JSrzrfc2TztLfJ5b6L"
                                                                  "824MuujrEYuB2KmZKnv9dbODZoesFPsi-real",
                                                                  vg, lv));
        expect_true("a device of others", !lvm_parse_device_uuid("CRYPT-LUKS2-1234", vg, lv));
        expect_true("none", !lvm_parse_device_uuid("", vg, lv));
        text[10] = '/';
        expect_true("no UUID", !lvm_parse_device_uuid(text, vg, lv));
}

static void read_policy(const char *text, int want, Policy *ret_policy) {
        char path[] = "/tmp/lvm-conf-XXXXXX";
        ConfError error = { 0 };
        int fd = mkostemp(path, O_CLOEXEC);

        expect_true("a file", fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        (void)close(fd);
        expect_int("is read", policy_read(path, &error, ret_policy), want);
        expect_true("and errors name the line", want == 0 || (error.line > 0 && *error.message));
        (void)unlink(path);
}

static void test_settings(void) {
        static const struct {
                const char *text;
                int r;
        } bad[] = {
                { "Nonsense=1\n", -ENOENT },        { "[Section]\nClassicSize=10%\n", -ENOENT },
                { "ClassicSize=\n", -EINVAL },      { "ClassicSize=0%\n", -ERANGE },
                { "ClassicSize=111%\n", -ERANGE },  { "ClassicSize=x%\n", -EINVAL },
                { "ClassicSize=-1\n", -EINVAL },    { "ClassicSize=99999999999%\n", -EINVAL },
                { "ClassicChunk=24\n", -EINVAL },   { "ClassicChunk=2\n", -EINVAL },
                { "ClassicChunk=1024\n", -ERANGE }, { "DropPersistent=perhaps\n", -EINVAL },
                { "PoolDataFull=101\n", -ERANGE },
        };
        Policy policy = { 0 };
        ConfError error;

        FOREACH_ELEMENT (b, bad)
                read_policy(b->text, b->r, &policy);
        read_policy("ClassicSize=33 %\nClassicChunk=64\nPoolDataFull=90\nDropPersistent=no\n", 0, &policy);
        expect_int("size", (int64_t)policy.classic_size, 33);
        expect_int("chunk", (int64_t)policy.classic_chunk, 64);
        expect_int("full", (int64_t)policy.pool_data_full, 90);
        expect_true("kept", !policy.drop_persistent);
        read_policy("ClassicSize=30%\n[Storage]\nClassicSize=34%\n", 0, &policy);
        expect_int("below a heading", (int64_t)policy.classic_size, 34);
        expect_int("no file", policy_read("/nonexistent/lvm.conf", &error, &policy), 0);
        expect_int("is the default", (int64_t)policy.classic_size, 20);
}

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define EXTENT (4 * MIB)

static void test_sizes(void) {
        const Policy policy = POLICY_DEFAULT;
        uint64_t most = policy_store_most(&policy, 10 * GIB, EXTENT);

        expect_true("the most is a little more than the original",
                    most > 10 * GIB && most < 10 * GIB + 16 * MIB);
        expect_int("in whole extents", (int64_t)(most % EXTENT), 0);
        expect_int("20 % of 10 GiB", (int64_t)policy_store_size(&policy, 10 * GIB, EXTENT, 100 * GIB),
                   2 * (int64_t)GIB);
        expect_int("no more than is free", (int64_t)policy_store_size(&policy, 10 * GIB, EXTENT, GIB + 1),
                   (int64_t)GIB);
        expect_int("not enough", (int64_t)policy_store_size(&policy, 10 * GIB, EXTENT, 7 * MIB), 0);
        expect_int("nothing", (int64_t)policy_store_size(&policy, 10 * GIB, EXTENT, 0), 0);
        expect_int("the least", (int64_t)policy_store_size(&policy, 20 * MIB, EXTENT, GIB),
                   8 * (int64_t)MIB);
        expect_true("of a tiny volume, all of it", policy_store_size(&policy, EXTENT, EXTENT, GIB) <=
                                                           policy_store_most(&policy, EXTENT, EXTENT));

        expect_int("grows when it is time",
                   (int64_t)policy_store_growth(&policy, 10 * GIB, EXTENT, 2 * GIB, GIB * 3 / 2, 100 * GIB),
                   (int64_t)GIB);
        expect_int("not before",
                   (int64_t)policy_store_growth(&policy, 10 * GIB, EXTENT, 2 * GIB, GIB, 100 * GIB), 0);
        expect_int("no more than is free",
                   (int64_t)policy_store_growth(&policy, 10 * GIB, EXTENT, 2 * GIB, 2 * GIB, 9 * MIB),
                   8 * (int64_t)MIB);
        expect_int(
                "no further than it can be of use",
                (int64_t)policy_store_growth(&policy, 10 * GIB, EXTENT, most - EXTENT, most - EXTENT, GIB),
                (int64_t)EXTENT);
        expect_int("not at the end",
                   (int64_t)policy_store_growth(&policy, 10 * GIB, EXTENT, most, most, GIB), 0);
}

static void test_pool(void) {
        const Policy policy = POLICY_DEFAULT;
        static const struct {
                const char *text;
                int r;
                PoolLevel level;
        } rows[] = {
                { "2 116/1024 626/6400 - rw no_discard_passdown queue_if_no_space - 256 ", 0, POOL_FINE },
                { "2 116/1024 5120/6400 - rw discard_passdown queue_if_no_space - 256", 0, POOL_LOW },
                { "2 768/1024 1/6400 - rw discard_passdown queue_if_no_space - 256", 0, POOL_LOW },
                { "2 1000/1024 1/6400 123 rw discard_passdown error_if_no_space - 256", 0, POOL_FULL },
                { "2 1/1024 6080/6400 - rw discard_passdown queue_if_no_space - 256", 0, POOL_FULL },
                { "2 1/1024 6400/6400 - out_of_data_space discard_passdown queue_if_no_space - 256", 0,
                  POOL_FULL },
                { "2 1/1024 64/6400 - ro discard_passdown queue_if_no_space needs_check 256", 0, POOL_FULL },
                { "Fail", 0, POOL_FULL },
                { "Error", 0, POOL_FULL },
                { "", -EBADMSG, POOL_FINE },
                { "2 116/1024 626", -EBADMSG, POOL_FINE },
                { "2 116/0 626/0 - rw", -EBADMSG, POOL_FINE },
                { "2 2000/1024 626/6400 - rw", -EBADMSG, POOL_FINE },
                { "2 116/1024 626/6400 - maybe", -EBADMSG, POOL_FINE },
        };
        char text[POOL_TEXT_SIZE];
        PoolState state;

        FOREACH_ELEMENT (row, rows) {
                state = (PoolState){ 0 };
                expect_int(row->text, pool_state_parse(row->text, &state), row->r);
                if (row->r == 0)
                        expect_int(row->text, policy_pool_level(&policy, &state), row->level);
        }
        (void)pool_state_parse(rows[0].text, &state);
        pool_state_text(&state, text);
        expect_str("in words", text, "10 % of its data, 12 % of its metadata are in use");
        (void)pool_state_parse(rows[6].text, &state);
        pool_state_text(&state, text);
        expect_str("of one that takes no writes", text,
                   "it is read-only; 1 % of its data, 1 % of its metadata are in use");
        (void)pool_state_parse("Fail", &state);
        pool_state_text(&state, text);
        expect_str("of one that has failed", text, "the pool has failed");
}

static void test_thin_table(void) {
        static const char *const bad[] = {
                "", "253:2", "vg-pool 1", "253:2 x", "253:2 99999999", "253:2 1x"
        };
        unsigned major, minor;
        bool external;
        uint64_t id;

        expect_int("a thin volume", thin_table_parse("254:2 17", &major, &minor, &id, &external), 0);
        expect_true("its pool and number", major == 254 && minor == 2 && id == 17 && !external);
        expect_int("with an external origin",
                   thin_table_parse("254:2 17 254:9", &major, &minor, &id, &external), 0);
        expect_true("is seen", external);
        FOREACH_ELEMENT (b, bad)
                expect_int(*b, thin_table_parse(*b, &major, &minor, &id, &external), -EBADMSG);
}

int main(void) {
        test_escape();
        test_identity();
        test_hostile_identity();
        test_report();
        test_is_copy();
        test_device_uuid();
        test_settings();
        test_sizes();
        test_pool();
        test_thin_table();
        return test_end();
}
