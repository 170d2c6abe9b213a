/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of importing a set
 */

#include <errno.h>
#include <stdio.h>
#include "providers/common/import.h"
#include "util/test.h"

/* What becomes of each copy: 'i' it is imported, 't' another machine has it, 'g' it is gone. */
typedef struct Array {
        const char *fates;
        size_t n_asked;
} Array;

static int import_one(void *userdata, const vss_value *snapshot, char ret_why[static IMPORT_WHY_SIZE]) {
        Array *array = userdata;
        char fate = array->fates[vss_value_get_integer(snapshot, "number", 0)];

        array->n_asked++;
        (void)snprintf(ret_why, IMPORT_WHY_SIZE, fate == 't' ? "taken" : "gone");
        return fate == 'i' ? 0 : fate == 't' ? -EEXIST : -ENOENT;
}

static vss_value *make_set(const char *fates) {
        vss_value *set = vss_value_new_dict(), *list = value_require(set, "snapshots", VSS_KIND_LIST);

        for (size_t i = 0; fates[i]; i++) {
                vss_value *snapshot = vss_value_new_dict();
                const char id[] = { (char)('a' + i), 0 };

                (void)vss_value_set_string(snapshot, "id", id);
                (void)vss_value_set_integer(snapshot, "number", (int64_t)i);
                (void)vss_value_append(list, snapshot);
        }
        return set;
}

/* "a:imported b:taken", in the order of both lists. */
static void describe(const vss_value *result, char *text, size_t size) {
        const vss_value *imported = vss_value_get(result, "imported"),
                        *failed = vss_value_get(result, "failed");
        size_t n = 0;

        text[0] = 0;
        for (size_t i = 0; i < vss_value_count(imported); i++)
                n += (size_t)snprintf(text + n, size - n, "%s ",
                                      vss_value_string(vss_value_at(imported, i), ""));
        for (size_t i = 0; i < vss_value_count(failed); i++)
                n += (size_t)snprintf(text + n, size - n, "%s:%s ",
                                      vss_value_get_string(vss_value_at(failed, i), "id", ""),
                                      vss_value_get_string(vss_value_at(failed, i), "reason", ""));
}

static void test_sets(void) {
        static const struct {
                const char *fates, *want;
                size_t n_asked;
        } cases[] = {
                { "", "", 0 },
                { "iii", "a b c ", 3 },
                { "gi", "b a:gone ", 2 },
                { "tii", "a:taken b:another machine imports its set c:another machine imports its set ", 1 },
                /* It stays known which: this machine was first. */
                { "iti", "a c b:taken ", 3 },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_value_ vss_value *set = make_set(c->fates), *result = vss_value_new_dict();
                Array array = { .fates = c->fates };
                char text[256];

                expect_int(c->fates, import_each(set, result, import_one, &array), VSS_S_OK);
                describe(result, text, sizeof(text));
                expect_str(c->fates, text, c->want);
                expect_int(c->fates, array.n_asked, c->n_asked);
        }
}

int main(void) {
        test_sets();
        return test_end();
}
