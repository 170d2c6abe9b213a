/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a provider may hand over for the cut, and what not
 */

#include <sys/sysmacros.h>
#include "model/cut.h"
#include "util/macro.h"
#include "util/test.h"
#include "util/value.h"

static void test_devices(void) {
        static const struct {
                const char *text;
                uint64_t device; /* 0: refused */
        } cases[] = {
                { "253:7", 0xfd07 },
                { "253:0", 0xfd00 },
                { "4095:1048575", 0 },
                { "0:7", 0 },
                { "", 0 },
                { "253", 0 },
                { "253:", 0 },
                { ":7", 0 },
                { "253:7 ", 0 },
                { " 253:7", 0 },
                { "253:-7", 0 },
                { "+253:7", 0 },
                { "253:7:1", 0 },
                { "4096:0", 0 },
                { "253:1048576", 0 },
                { "/dev/dm-7", 0 },
                { "0x11:7", 0 },
                { "99999999999999999999:7", 0 },
                { "253:99999999999999999999999999", 0 },
        };

        FOREACH_ELEMENT (c, cases) {
                uint64_t device = 0;
                int r = cut_parse_device(c->text, &device);

                if (strcmp(c->text, "4095:1048575") == 0)
                        expect_true(c->text, r == 0 && device == makedev(4095, 1048575));
                else
                        expect_true(c->text, r == (c->device ? 0 : -EINVAL) && device == c->device);
        }
}

/* {"device": "253:0", "operations": [{do, device, message}...]} */
static vss_value *entry_of(const char *device) {
        vss_value *entry = vss_value_new_dict();

        (void)vss_value_set_string(entry, "device", device);
        (void)vss_value_set(entry, "operations", vss_value_new_list());
        return entry;
}

static void add(vss_value *entry, const char *what, const char *device, const char *message) {
        vss_value *operation = vss_value_new_dict();

        (void)vss_value_set_string(operation, "do", what);
        (void)vss_value_set_string(operation, "device", device);
        if (message)
                (void)vss_value_set_string(operation, "message", message);
        (void)vss_value_append(value_get_mutable(entry, "operations"), operation);
}

static void test_good(void) {
        _cleanup_value_ vss_value *entry = entry_of("253:3");
        char why[CUT_TEXT_SIZE] = "", text[CUT_TEXT_SIZE];
        Cut cut = { 0 };

        add(entry, "message", "253:2", "create_snap 5 1");
        add(entry, "resume", "253:7", "what is not sent");
        expect_int("a cut", cut_parse(entry, &cut, why), 0);
        expect_true("its device", cut.device == makedev(253, 3));
        expect_int("its operations", (int64_t)cut.n, 2);
        cut_describe(&cut.operations[0], text);
        expect_str("the first", text, "message 253:2 create_snap 5 1");
        cut_describe(&cut.operations[1], text);
        expect_str("the second", text, "resume 253:7");
        for (unsigned i = 2; i < VSS_PROVIDER_OPERATIONS_MAX; i++)
                add(entry, "resume", "253:8", NULL);
        expect_int("as many as there may be", cut_parse(entry, &cut, why), 0);
        add(entry, "resume", "253:8", NULL);
        expect_int("one more", cut_parse(entry, &cut, why), -EINVAL);
        expect_str("is named", why, "it has 9 operations, and 1 to 8 are possible");
        expect_int("and nothing is read", (int64_t)cut.n, VSS_PROVIDER_OPERATIONS_MAX);
}

static void refuse(const char *label, vss_value *entry, const char *want) {
        char why[CUT_TEXT_SIZE] = "";
        Cut cut = { .n = 77 };

        expect_int(label, cut_parse(entry, &cut, why), -EINVAL);
        expect_str("  why", why, want);
        expect_int("  untouched", (int64_t)cut.n, 77);
        vss_value_free(entry);
}

static void test_bad(void) {
        static const struct {
                const char *what, *device, *message, *why;
        } cases[] = {
                { "remove", "253:7", NULL, "\"remove\" is neither resume nor message" },
                { "suspend", "253:7", NULL, "\"suspend\" is neither resume nor message" },
                { "", "253:7", NULL, "\"\" is neither resume nor message" },
                { "resume", "sda", NULL, "resume of \"sda\", which is no device number" },
                { "resume", "253:3", NULL, "the suspended device is resumed by the hold, at the end" },
                { "message", "253:2", NULL, "a message is 1 to 127 plain characters" },
                { "message", "253:2", "", "a message is 1 to 127 plain characters" },
                { "message", "253:2", "create\nsnap", "a message is 1 to 127 plain characters" },
                { "message", "253:2", "\xc3\xa4", "a message is 1 to 127 plain characters" },
        };
        char message[VSS_PROVIDER_MESSAGE_MAX + 2] = "", why[CUT_TEXT_SIZE] = "";
        vss_value *entry;
        Cut cut;

        FOREACH_ELEMENT (c, cases) {
                entry = entry_of("253:3");
                add(entry, "resume", "253:9", NULL);
                add(entry, c->what, c->device, c->message);
                refuse(c->why, entry, c->why);
        }
        memset(message, 'x', VSS_PROVIDER_MESSAGE_MAX + 1);
        entry = entry_of("253:3");
        add(entry, "message", "253:2", message);
        refuse("a long message", entry, "a message is 1 to 127 plain characters");
        message[VSS_PROVIDER_MESSAGE_MAX] = '\0';
        entry = entry_of("253:3");
        add(entry, "message", "253:2", message);
        expect_int("the longest one", cut_parse(entry, &cut, why), 0);
        vss_value_free(entry);

        refuse("no operations", entry_of("253:3"), "it has 0 operations, and 1 to 8 are possible");
        refuse("no device", entry_of(""), "\"\" is no device number");
        refuse("no list", vss_value_new_dict(), "it has no list of operations");
        refuse("no dictionary", vss_value_new_string("x"), "it has no list of operations");
        refuse("nothing", NULL, "it has no list of operations");
}

int main(void) {
        test_devices();
        test_good();
        test_bad();
        return test_end();
}
