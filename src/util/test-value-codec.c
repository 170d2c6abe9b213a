/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of values as bytes: round trips of random trees, and what a hostile worker might send
 */

#include "util/test.h"
#include "util/value-codec.h"

static uint64_t seed = 88172645463325252u;

/* Always the same numbers, so that what fails once fails again. */
static uint64_t next_random(void) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return seed;
}

static void random_text(char text[24]) {
        size_t n = next_random() % 23;

        for (size_t i = 0; i < n; i++)
                text[i] = (char)(1 + next_random() % 255);
        text[n] = '\0';
}

static vss_value *random_value(unsigned depth) {
        static const int64_t integers[] = { 0, 1, -1, INT64_MAX, INT64_MIN, 255, 256, -256 };
        unsigned kind = (unsigned)(next_random() % (depth < VALUE_DEPTH_MAX ? 6 : 3));
        vss_value *value;
        char text[24];

        random_text(text);
        if (kind == 0)
                return vss_value_new_boolean(next_random() & 1);
        if (kind == 1)
                return vss_value_new_integer(next_random() & 1 ? integers[next_random() % ELEMENTS(integers)]
                                                               : (int64_t)next_random());
        if (kind == 2)
                return vss_value_new_string(text);

        value = kind == 3 ? vss_value_new_list() : vss_value_new_dict();
        for (size_t n = next_random() % 4; n > 0; n--) {
                random_text(text);
                if (kind == 3)
                        (void)vss_value_append(value, random_value(depth + 1));
                else
                        (void)vss_value_set(value, text, random_value(depth + 1));
        }
        return value;
}

static bool equal(const vss_value *a, const vss_value *b) {
        if (vss_value_kind(a) != vss_value_kind(b) || vss_value_count(a) != vss_value_count(b))
                return false;
        if (vss_value_boolean(a, false) != vss_value_boolean(b, false) ||
            vss_value_integer(a, 0) != vss_value_integer(b, 0) ||
            strcmp(vss_value_string(a, ""), vss_value_string(b, "")) != 0)
                return false;
        for (size_t i = 0; i < vss_value_count(a); i++) {
                const char *x = vss_value_key_at(a, i), *y = vss_value_key_at(b, i);

                if (vss_value_kind(a) == VSS_KIND_DICT && strcmp(x, y) != 0)
                        return false;
                if (!equal(vss_value_at(a, i), vss_value_at(b, i)))
                        return false;
        }
        return true;
}

/* Decodes bytes that lie at the very end of their allocation, so that sanitizers see a read behind them. */
static int decode_exact(const uint8_t *data, size_t size, vss_value **ret_value) {
        _cleanup_(freep) uint8_t *exact = malloc(size ?: 1);

        if (size > 0)
                memcpy(exact, data, size);
        return value_decode(exact, size, ret_value);
}

static void test_equal(void) {
        _cleanup_value_ vss_value *a = vss_value_new_dict(), *b = vss_value_new_dict();

        (void)vss_value_set_integer(a, "k", 1);
        (void)vss_value_set_integer(b, "k", 1);
        expect_true("the check takes equals", equal(a, b));
        (void)vss_value_set_integer(b, "k", 2);
        expect_true("the check notices another value", !equal(a, b));
        (void)vss_value_set_integer(b, "k", 1);
        (void)vss_value_set_boolean(a, "x", true);
        (void)vss_value_set_boolean(b, "y", true);
        expect_true("the check notices another key", !equal(a, b));
}

static void test_round_trips(void) {
        unsigned wrong = 0, truncated = 0, longer = 0;

        for (unsigned i = 0; i < 2000; i++) {
                _cleanup_value_ vss_value *value = random_value(0), *back = NULL, *none = NULL;
                _cleanup_(freep) uint8_t *data = NULL, *again = NULL, *more = NULL;
                size_t size = 0, size_again = 0;

                wrong += value_encode(value, &data, &size) != 0 || decode_exact(data, size, &back) != 0 ||
                         !equal(value, back);
                wrong += value_encode(back, &again, &size_again) != 0 || size_again != size ||
                         memcmp(data, again, size) != 0;
                for (size_t n = 0; n < size && n < 4096; n++)
                        truncated += decode_exact(data, n, &none) != -EBADMSG || none;
                more = calloc(1, size + 1);
                memcpy(more, data, size);
                longer += decode_exact(more, size + 1, &none) != -EBADMSG || none;
        }
        expect_int("random trees come back", wrong, 0);
        expect_int("cut off at any byte they are refused", truncated, 0);
        expect_int("with a byte too many they are refused", longer, 0);
}

/* What is taken is the encoding of what it was taken for: there is no second way to say the same. */
static bool is_strict(const uint8_t *data, size_t size) {
        _cleanup_value_ vss_value *value = NULL;
        _cleanup_(freep) uint8_t *again = NULL;
        size_t size_again = 0;
        int r = decode_exact(data, size, &value);

        if (r < 0)
                return r == -EBADMSG && !value;
        return value_encode(value, &again, &size_again) == 0 && size_again == size &&
               memcmp(data, again, size) == 0;
}

static void test_mutations(void) {
        unsigned loose = 0, taken = 0;

        for (unsigned i = 0; i < 20000; i++) {
                _cleanup_value_ vss_value *value = random_value(0), *mutant = NULL;
                _cleanup_(freep) uint8_t *data = NULL;
                size_t size = 0;

                if (value_encode(value, &data, &size) != 0)
                        continue;
                for (size_t n = 1 + next_random() % 3; n > 0; n--)
                        data[next_random() % size] = (uint8_t)next_random();
                loose += !is_strict(data, size);
                taken += decode_exact(data, size, &mutant) == 0;
        }
        printf("# %u of 20000 mutants are trees themselves\n", taken);
        expect_int("mutants are refused, or are trees", loose, 0);
}

static void test_bad(void) {
        static const struct {
                const char *label;
                size_t size;
                uint8_t data[24];
                int want;
        } cases[] = {
                { "nothing", 0, { 0 }, -EBADMSG },
                { "null", 1, { VSS_KIND_NULL }, 0 },
                { "null and more", 2, { VSS_KIND_NULL }, -EBADMSG },
                { "true", 2, { VSS_KIND_BOOLEAN, 1 }, 0 },
                { "neither true nor false", 2, { VSS_KIND_BOOLEAN, 2 }, -EBADMSG },
                { "no kind", 9, { VSS_KIND_DICT + 1 }, -EBADMSG },
                { "empty text", 5, { VSS_KIND_STRING }, 0 },
                { "NUL in a text", 6, { VSS_KIND_STRING, 1 }, -EBADMSG },
                { "text of 4 GiB", 6, { VSS_KIND_STRING, 255, 255, 255, 255, 'a' }, -EBADMSG },
                { "list of 4 G", 7, { VSS_KIND_LIST, 255, 255, 255, 255, 1, 1 }, -EBADMSG },
                { "list with null", 6, { VSS_KIND_LIST, 1, 0, 0, 0, VSS_KIND_NULL }, -EBADMSG },
                { "empty key", 11, { VSS_KIND_DICT, 1, 0, 0, 0, 0, 0, 0, 0, VSS_KIND_BOOLEAN, 1 }, 0 },
                { "a key twice",
                  19,
                  { VSS_KIND_DICT, 2, 0, 0, 0, 1, 0, 0, 0, 'k', VSS_KIND_BOOLEAN, 1, 1, 0, 0, 0, 'k',
                    VSS_KIND_BOOLEAN, 1 },
                  -EBADMSG },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_value_ vss_value *value = NULL;

                expect_int(c->label, decode_exact(c->data, c->size, &value), c->want);
        }
}

static vss_value *nested(unsigned depth) {
        vss_value *value = vss_value_new_list();

        if (depth > 0)
                (void)vss_value_append(value, nested(depth - 1));
        return value;
}

static void test_depth(void) {
        _cleanup_value_ vss_value *deepest = nested(VALUE_DEPTH_MAX), *deeper = nested(VALUE_DEPTH_MAX + 1),
                                  *back = NULL;
        _cleanup_(freep) uint8_t *data = NULL, *more = NULL;
        size_t size = 0;

        expect_int("as deep as it may be", value_encode(deepest, &data, &size), 0);
        expect_int("comes back", decode_exact(data, size, &back), 0);
        /* One list around it. */
        more = malloc(size + 5);
        memcpy(more, (const uint8_t[]){ VSS_KIND_LIST, 1, 0, 0, 0 }, 5);
        memcpy(more + 5, data, size);
        back = vss_value_free(back);
        expect_int("deeper is refused", decode_exact(more, size + 5, &back), -EBADMSG);
        free(TAKE_PTR(data));
        expect_int("and is not made", value_encode(deeper, &data, &size), -E2BIG);
}

static void test_limits(void) {
        _cleanup_value_ vss_value *dict = vss_value_new_dict(), *list = vss_value_new_list(), *text = NULL,
                                  *back = NULL;
        _cleanup_(freep) uint8_t *data = NULL;
        _cleanup_(freep) char *large = malloc(VALUE_ENCODED_MAX + 1u);
        size_t size = 0;
        char key[16];

        for (unsigned i = 0; i <= VALUE_KEYS_MAX; i++) {
                (void)snprintf(key, sizeof(key), "%u", i);
                if (i == VALUE_KEYS_MAX)
                        expect_int("as many keys as there may be", value_encode(dict, &data, &size), 0);
                (void)vss_value_set_boolean(dict, key, true);
        }
        expect_int("come back", decode_exact(data, size, &back), 0);
        free(TAKE_PTR(data));
        expect_int("a key too many", value_encode(dict, &data, &size), -E2BIG);

        for (unsigned i = 0; i < VALUE_NODES_MAX; i++)
                (void)vss_value_append(list, vss_value_new_boolean(true));
        expect_int("a value too many", value_encode(list, &data, &size), -E2BIG);
        data = calloc(1, 5 + 2 * (size_t)VALUE_NODES_MAX);
        data[0] = VSS_KIND_LIST;
        data[3] = VALUE_NODES_MAX >> 16;
        for (size_t i = 0; i < VALUE_NODES_MAX; i++)
                data[5 + 2 * i] = VSS_KIND_BOOLEAN;
        back = vss_value_free(back);
        expect_int("is refused", decode_exact(data, 5 + 2 * (size_t)VALUE_NODES_MAX, &back), -EBADMSG);
        expect_true("untouched", !back);
        free(TAKE_PTR(data));

        memset(large, 'a', VALUE_ENCODED_MAX);
        large[VALUE_ENCODED_MAX] = '\0';
        text = vss_value_new_string(large);
        expect_int("a text too long", value_encode(text, &data, &size), -E2BIG);
        expect_int("too much is refused",
                   value_decode((const uint8_t *)large, VALUE_ENCODED_MAX + 1u, &back), -EBADMSG);
}

int main(void) {
        test_equal();
        test_round_trips();
        test_mutations();
        test_bad();
        test_depth();
        test_limits();
        return test_end();
}
