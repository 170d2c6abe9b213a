/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values on the bus: round trips, and what strangers may send
 *
 * Messages are made on a connection to nowhere (one end of a socket pair) and sealed, which is all that
 * reading them back needs.
 */

#include <sys/socket.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "util/test.h"

static sd_bus *bus;

static sd_bus_message *new_message(void) {
        sd_bus_message *m = NULL;

        return sd_bus_message_new_signal(bus, &m, "/x", "x.y", "Z") < 0 ? NULL : m;
}

static bool seal(sd_bus_message *m) {
        return sd_bus_message_seal(m, 1, 0) >= 0 && sd_bus_message_rewind(m, true) >= 0;
}

static bool is_equal(const vss_value *a, const vss_value *b) {
        bool equal = vss_value_kind(a) == vss_value_kind(b) && vss_value_count(a) == vss_value_count(b) &&
                     vss_value_integer(a, 0) == vss_value_integer(b, 0) &&
                     vss_value_boolean(a, false) == vss_value_boolean(b, false) &&
                     strcmp(vss_value_string(a, ""), vss_value_string(b, "")) == 0;

        for (size_t i = 0; equal && i < vss_value_count(a); i++)
                equal = is_equal(vss_value_at(a, i), vss_value_at(b, i)) &&
                        (vss_value_kind(a) == VSS_KIND_LIST ||
                         strcmp(vss_value_key_at(a, i), vss_value_key_at(b, i)) == 0);
        return equal;
}

static vss_value *make_tree(void) {
        vss_value *dict = vss_value_new_dict(), *mixed = value_require(dict, "mixed", VSS_KIND_LIST),
                  *dicts = value_require(dict, "dicts", VSS_KIND_LIST), *inner = vss_value_new_dict();

        (void)vss_value_set_string(dict, "s", "\xc3\xa9t\xc3\xa9");
        (void)vss_value_set_integer(dict, "i", INT64_MIN);
        (void)vss_value_set_boolean(dict, "b", true);
        (void)value_append_string(value_require(dict, "strings", VSS_KIND_LIST), "one");
        (void)value_require(dict, "empty-list", VSS_KIND_LIST);
        (void)value_require(dict, "empty-dict", VSS_KIND_DICT);
        (void)value_append_string(mixed, "a");
        (void)vss_value_append(mixed, vss_value_new_integer(2));
        (void)vss_value_set_integer(inner, "k", 1);
        (void)vss_value_append(dicts, inner);
        return dict;
}

static void test_round_trip(void) {
        _cleanup_value_ vss_value *tree = make_tree(), *other = make_tree(), *back = NULL;
        _cleanup_message_ sd_bus_message *m = new_message(), *empty = new_message();

        (void)vss_value_set_integer(value_get_mutable(other, "empty-dict"), "x", 1);
        expect_true("the comparison sees a difference", !is_equal(tree, other));
        expect_int("append", marshal_append_dict(m, tree), 0);
        expect_true("seal", seal(m));
        expect_int("read", marshal_read_dict(m, &back), 0);
        expect_true("what was sent is read", is_equal(tree, back));

        back = vss_value_free(back);
        expect_int("NULL is an empty dictionary", marshal_append_dict(empty, NULL), 0);
        expect_true("seal", seal(empty));
        expect_int("read", marshal_read_dict(empty, &back), 0);
        expect_int("empty", vss_value_kind(back) == VSS_KIND_DICT ? (int)vss_value_count(back) : -1, 0);
}

static void test_lists(void) {
        _cleanup_value_ vss_value *dicts = vss_value_new_list(), *strings = vss_value_new_list(),
                                  *back = NULL, *back2 = NULL;
        _cleanup_message_ sd_bus_message *m = new_message();

        (void)vss_value_append(dicts, make_tree());
        (void)value_append_string(strings, "a");
        (void)value_append_string(strings, "");
        expect_int("append dictionaries", marshal_append_dicts(m, dicts), 0);
        expect_int("append strings", marshal_append_strings(m, strings), 0);
        expect_true("seal", seal(m));
        expect_str("signature", sd_bus_message_get_signature(m, true), "aa{sv}as");
        expect_int("read dictionaries", marshal_read_dicts(m, &back), 0);
        expect_int("read strings", marshal_read_strings(m, &back2), 0);
        expect_true("both are the same", is_equal(dicts, back) && is_equal(strings, back2));
}

/* A dictionary with one member of a variant nested @depth times. */
static int read_nested(unsigned depth) {
        _cleanup_message_ sd_bus_message *m = new_message();
        _cleanup_value_ vss_value *back = NULL;
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "k");
        for (unsigned i = 0; r >= 0 && i < depth; i++)
                r = sd_bus_message_open_container(m, 'v', i + 1 < depth ? "v" : "i");
        if (r >= 0)
                r = sd_bus_message_append(m, "i", 5);
        for (unsigned i = 0; r >= 0 && i < depth + 2; i++)
                r = sd_bus_message_close_container(m);
        if (r < 0 || !seal(m))
                return -ENOTRECOVERABLE;
        return marshal_read_dict(m, &back);
}

static void test_depth(void) {
        expect_int("a variant", read_nested(1), 0);
        expect_int("at the limit", read_nested(VALUE_DEPTH_MAX - 1), 0);
        expect_int("beyond it", read_nested(VALUE_DEPTH_MAX + 1), -E2BIG);
        expect_int("far beyond it", read_nested(40), -E2BIG);
}

static int read_member(const char *type, ...) {
        _cleanup_message_ sd_bus_message *m = new_message();
        _cleanup_value_ vss_value *back = NULL;
        va_list args;
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "k");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', type);
        va_start(args, type);
        if (r >= 0)
                r = sd_bus_message_appendv(m, type, args);
        va_end(args);
        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(m);
        if (r < 0 || !seal(m))
                return -ENOTRECOVERABLE;
        r = marshal_read_dict(m, &back);
        expect_true("nothing is left on failure", r >= 0 || !back);
        return r;
}

static void test_strangers(void) {
        _cleanup_message_ sd_bus_message *m = new_message();
        _cleanup_value_ vss_value *back = NULL;

        expect_int("a byte", read_member("y", 7), 0);
        expect_int("an unsigned 64-bit number", read_member("t", UINT64_C(1)), 0);
        expect_int("one that does not fit", read_member("t", UINT64_MAX), -ERANGE);
        expect_int("a double", read_member("d", 1.5), -EBADMSG);
        expect_int("a structure", read_member("(ii)", 1, 2), -EBADMSG);
        expect_int("a dictionary with other keys", read_member("a{us}", 1, 7, "x"), -EBADMSG);
        expect_int("a signature", read_member("g", "as"), -EBADMSG);
        (void)sd_bus_message_append(m, "s", "no dictionary");
        expect_true("seal", seal(m));
        expect_int("no dictionary at all", marshal_read_dict(m, &back), -EBADMSG);
}

/* The bus would close the connection over it; so it must fail here. */
static void test_no_utf8(void) {
        _cleanup_message_ sd_bus_message *m = new_message();
        _cleanup_value_ vss_value *dict = vss_value_new_dict();

        (void)vss_value_set_string(dict, "path", "/srv/\xff");
        expect_true("text that is not UTF-8 is not sent", marshal_append_dict(m, dict) < 0);
}

static void test_errors(void) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL, foreign = SD_BUS_ERROR_NULL,
                                     odd = SD_BUS_ERROR_NULL;

        expect_true("an error is negative",
                    bus_error_setf(&error, VSS_E_BAD_STATE, "because of %s", "x") < 0);
        expect_str("its name", error.name, BUS_ERROR_PREFIX "BAD_STATE");
        expect_str("its message", error.message, "because of x");
        expect_int("and back", bus_error_result(&error), VSS_E_BAD_STATE);
        (void)sd_bus_error_set(&foreign, SD_BUS_ERROR_SERVICE_UNKNOWN, "x");
        expect_int("no service", bus_error_result(&foreign), VSS_E_SERVICE_UNAVAILABLE);
        (void)sd_bus_error_set(&odd, BUS_ERROR_PREFIX "NO_SUCH_THING", "x");
        expect_int("a name of ours that is none", bus_error_result(&odd), VSS_E_UNEXPECTED);
        expect_int("no error", bus_error_result(NULL), VSS_S_OK);
}

int main(void) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 || sd_bus_new(&bus) < 0 ||
            sd_bus_set_fd(bus, pair[0], pair[0]) < 0 || sd_bus_start(bus) < 0) {
                printf("Bail out! no connection\n");
                return 1;
        }
        test_round_trip();
        test_lists();
        test_depth();
        test_strangers();
        test_no_utf8();
        test_errors();
        bus = sd_bus_unref(bus);
        (void)close(pair[1]);
        return test_end();
}
