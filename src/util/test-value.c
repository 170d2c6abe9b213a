/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values: what each call does, and that misuse answers defaults instead of crashing
 */

#include "util/test.h"
#include "util/value.h"

static void test_scalars(void) {
        _cleanup_value_ vss_value *b = vss_value_new_boolean(true), *i = vss_value_new_integer(INT64_MIN),
                                  *s = vss_value_new_string("text"), *n = vss_value_new_string(NULL);

        expect_true("a boolean reads back", vss_value_boolean(b, false));
        expect_int("an integer reads back", vss_value_integer(i, 0), INT64_MIN);
        expect_str("a string reads back", vss_value_string(s, NULL), "text");
        expect_str("a string of NULL is empty", vss_value_string(n, NULL), "");
        expect_int("a wrong kind is the default", vss_value_integer(s, -7), -7);
        expect_int("NULL is null", vss_value_kind(NULL), VSS_KIND_NULL);
        expect_str("NULL reads as the default", vss_value_string(NULL, "d"), "d");
        expect_int("a scalar has no members", vss_value_count(s), 0);
        expect_true("freeing NULL is NULL", vss_value_free(NULL) == NULL);
}

static void test_containers(void) {
        _cleanup_value_ vss_value *dict = vss_value_new_dict(), *list = vss_value_new_list(), *copy = NULL;

        expect_int("set", vss_value_set_string(dict, "a", "1"), VSS_S_OK);
        expect_int("set again", vss_value_set_integer(dict, "a", 2), VSS_S_OK);
        expect_int("replaces", vss_value_count(dict), 1);
        expect_int("with the new kind", vss_value_get_integer(dict, "a", 0), 2);
        expect_int("append to a dictionary", vss_value_append(dict, vss_value_new_boolean(true)),
                   VSS_E_INVALIDARG);
        expect_int("set in a list", vss_value_set_integer(list, "a", 1), VSS_E_INVALIDARG);
        expect_int("set without a key", vss_value_set_integer(dict, NULL, 1), VSS_E_INVALIDARG);
        expect_int("a NULL value", vss_value_append(list, NULL), VSS_E_OUTOFMEMORY);
        for (int i = 0; i < 100; i++)
                (void)vss_value_append(list, vss_value_new_integer(i));
        expect_int("a list grows", vss_value_count(list), 100);
        expect_int("and keeps order", vss_value_integer(vss_value_at(list, 99), -1), 99);
        expect_true("past its end is NULL", vss_value_at(list, 100) == NULL);
        expect_true("a list has no keys", vss_value_key_at(list, 0) == NULL);
        expect_int("nest", vss_value_set(dict, "list", vss_value_copy(list)), VSS_S_OK);
        copy = vss_value_copy(dict);
        expect_str("keys keep order", vss_value_key_at(copy, 1), "list");
        expect_int("a copy is deep", vss_value_count(vss_value_get(copy, "list")), 100);
        expect_true("and another one", vss_value_get(copy, "list") != vss_value_get(dict, "list"));
        expect_true("a key that is missing", vss_value_get(copy, "none") == NULL);
}

static void test_internal(void) {
        _cleanup_value_ vss_value *dict = vss_value_new_dict();
        vss_value *list = value_require(dict, "l", VSS_KIND_LIST);

        expect_true("require makes", list && value_require(dict, "l", VSS_KIND_LIST) == list);
        expect_int("append a string", value_append_string(list, "x"), VSS_S_OK);
        expect_true("contains", value_contains(list, "x") && !value_contains(list, "y"));
        expect_int("printf", value_set_printf(dict, "p", "%d-%s", 1, "2"), VSS_S_OK);
        expect_str("printed", vss_value_get_string(dict, "p", NULL), "1-2");
}

static void test_equals(void) {
        _cleanup_value_ vss_value *a = vss_value_new_dict(), *b = vss_value_new_dict();

        expect_true("empty ones", value_equals(a, b) && value_equals(NULL, NULL) && !value_equals(a, NULL));
        (void)vss_value_set_integer(a, "i", 1);
        (void)vss_value_set_boolean(a, "b", true);
        (void)value_append_string(value_require(a, "l", VSS_KIND_LIST), "x");
        expect_true("not of another count", !value_equals(a, b));
        (void)value_append_string(value_require(b, "l", VSS_KIND_LIST), "x");
        (void)vss_value_set_boolean(b, "b", true);
        (void)vss_value_set_integer(b, "i", 1);
        expect_true("members in another order", value_equals(a, b));
        (void)vss_value_set_string(b, "i", "1");
        expect_true("another kind", !value_equals(a, b));
        (void)vss_value_set_integer(b, "i", 2);
        expect_true("another number", !value_equals(a, b));
        value_unset(b, "i");
        (void)vss_value_set_integer(b, "j", 1);
        expect_true("another key", !value_equals(a, b));
}

int main(void) {
        test_equals();
        test_scalars();
        test_containers();
        test_internal();
        return test_end();
}
