/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: what lvs reports of volume groups that may come from anywhere, their tags, states of pools
 */

#include "fuzz.h"
#include "providers/common/info.h"
#include "providers/lvm/policy.h"
#include "providers/lvm/report.h"

/* What was read can be written as tags, and reads the same. */
static void check_identity(const Tags *tags) {
        _cleanup_value_ vss_value *info = NULL, *copy = NULL;
        _cleanup_tags_ Tags written = { 0 };
        int r = tags_decode(tags, &info);

        if (r < 0) {
                fuzz_require(r == -EBADMSG || r == -ENOENT);
                return;
        }
        fuzz_require(info_id_is_valid(vss_value_get_string(info, "id", NULL)));
        fuzz_require(info_id_is_valid(vss_value_get_string(info, "set", NULL)));
        r = tags_encode(info, &written);
        /* Blanks in it were the writer's; ours may take more. */
        if (r == -E2BIG)
                return;
        fuzz_require(r == 0);
        for (size_t i = 0; i < written.n; i++)
                fuzz_require(strlen(written.items[i]) < TAG_SIZE);
        fuzz_require(tags_decode(&written, &copy) == 0 && value_equals(info, copy));
}

static void check_report(const char *text, size_t size) {
        _cleanup_report_ Report report = { 0 };

        if (report_parse(text, size, &report) < 0)
                return;
        for (size_t i = 0; i < report.n; i++) {
                const LogicalVolume *lv = &report.items[i];
                char name[2 * LVM_NAME_SIZE];

                fuzz_require(lvm_name_is_valid(lv->name) && lvm_name_is_valid(lv->vg));
                fuzz_require(strlen(lv->uuid) == LVM_UUID_SIZE - 1 && strlen(lv->vg_uuid) == LVM_UUID_SIZE - 1);
                if (lvm_device_name(lv->vg, lv->name, sizeof(name), name) == 0)
                        fuzz_require(strlen(name) < sizeof(name) && !strchr(name, '/'));
                check_identity(&lv->tags);
        }
}

static void check_texts(const char *text) {
        _cleanup_(freep) char *plain = NULL, *escaped = NULL, *back = NULL;
        const Policy policy = POLICY_DEFAULT;
        _cleanup_tags_ Tags tags = { 0 };
        char words[POOL_TEXT_SIZE];
        unsigned major, minor;
        PoolState state;
        uint64_t id;
        bool external;

        if (tag_unescape(text, &plain) == 0)
                fuzz_require(strlen(plain) <= strlen(text));
        fuzz_require(tag_escape(text, &escaped) == 0 && tag_unescape(escaped, &back) == 0);
        fuzz_require(strcmp(back, text) == 0);
        if (tags_parse(text, &tags) == 0)
                check_identity(&tags);
        if (pool_state_parse(text, &state) == 0) {
                (void)policy_pool_level(&policy, &state);
                pool_state_text(&state, words);
        }
        (void)thin_table_parse(text, &major, &minor, &id, &external);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) char *text = NULL;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        text = fuzz_text(data, size);
        check_report((const char *)data, size);
        check_texts(text);
        return 0;
}
