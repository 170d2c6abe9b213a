/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the side files
 */

#include <fcntl.h>
#include <sys/stat.h>
#include "providers/common/info.h"
#include "util/test.h"

#define ID "0a1b2c3d-0000-4000-8000-00000000000f"
#define SET "11111111-0000-4000-8000-000000000001"
#define IDENTITY "\"id\":\"" ID "\",\"set\":\"" SET "\""

static void test_id(void) {
        static const struct {
                const char *id;
                bool want;
        } cases[] = {
                { ID, true },
                { SET, true },
                { "", false },
                { NULL, false },
                { "0A1B2C3D-0000-4000-8000-00000000000F", false },
                { "0a1b2c3d-0000-4000-8000-00000000000", false },
                { "0a1b2c3d-0000-4000-8000-00000000000f0", false },
                { "0a1b2c3d00000-4000-8000-00000000000f0", false },
                { "../../../../../../../../etc/somewhere", false },
                { "0a1b2c3d-0000-4000-8000-0000000000/f", false },
        };

        FOREACH_ELEMENT (c, cases)
                expect_true(c->id ? c->id : "(null)", info_id_is_valid(c->id) == c->want);
}

static void test_round_trip(void) {
        static const char text[] = "{\"s\":\"\\u00fc\\n\",\"i\":-9223372036854775808,\"t\":true,\"f\":false,"
                                   "\"l\":[\"a\",[1],{}],\"d\":{\"e\":{}}}";
        _cleanup_value_ vss_value *value = NULL, *again = NULL;
        _cleanup_(freep) char *first = NULL, *second = NULL;

        expect_int("decode", info_decode(text, sizeof(text) - 1, &value), 0);
        expect_str("string", vss_value_get_string(value, "s", ""), "\xc3\xbc\n");
        expect_true("integer", vss_value_get_integer(value, "i", 0) == INT64_MIN);
        expect_true("boolean", vss_value_get_boolean(value, "t", false));
        expect_int("list", vss_value_count(vss_value_get(value, "l")), 3);
        expect_int("encode", info_encode(value, &first), 0);
        expect_int("decode again", info_decode(first, strlen(first), &again), 0);
        expect_int("encode again", info_encode(again, &second), 0);
        expect_str("same text", second, first);
}

static void test_hostile_text(void) {
        static const char *const cases[] = { "",
                                             "[]",
                                             "\"x\"",
                                             "{",
                                             "{\"a\":1.5}",
                                             "{\"a\":null}",
                                             "{\"a\":1,\"a\":2}",
                                             "{\"a\":\"\\u0000\"}",
                                             "{\"a\":\"\xff\"}",
                                             "{} trailing",
                                             "{\"a\":99999999999999999999}",
                                             "{\"a\":[[[[[[[[[[[[[[1]]]]]]]]]]]]]]}" };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_value_ vss_value *value = NULL;

                expect_int(*c, info_decode(*c, strlen(*c), &value), -EBADMSG);
        }
}

static void put(int dir_fd, const char *text, size_t size, mode_t mode) {
        _cleanup_(closep) int fd = -1;

        (void)unlinkat(dir_fd, INFO_NAME, 0);
        fd = openat(dir_fd, INFO_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0 || fchmod(fd, mode) < 0 || write(fd, text, strlen(text)) < 0 ||
            (size > 0 && ftruncate(fd, (off_t)size) < 0))
                expect_true("writing a test file", false);
}

static void test_hostile_files(int dir_fd) {
        static const struct {
                const char *label, *text;
                size_t size;
                mode_t mode;
                int want;
        } cases[] = {
                { "good", "{" IDENTITY "}", 0, 0600, 0 },
                { "other writers", "{" IDENTITY "}", 0, 0622, -EBADMSG },
                { "huge", "{" IDENTITY "}", INFO_SIZE_MAX + 1, 0600, -EBADMSG },
                { "NULs behind", "{" IDENTITY "}", 4096, 0600, -EBADMSG },
                { "no JSON", "hello", 0, 0600, -EBADMSG },
                { "other id", "{\"id\":\"" SET "\",\"set\":\"" SET "\"}", 0, 0600, -EBADMSG },
                { "id is a number", "{\"id\":1,\"set\":\"" SET "\"}", 0, 0600, -EBADMSG },
                { "no set", "{\"id\":\"" ID "\"}", 0, 0600, -EBADMSG },
        };
        const char *reason = NULL;
        vss_value *none = NULL;

        FOREACH_ELEMENT (c, cases) {
                _cleanup_value_ vss_value *info = NULL;

                put(dir_fd, c->text, c->size, c->mode);
                expect_int(c->label, info_read(dir_fd, ID, &reason, &info), c->want);
        }

        (void)unlinkat(dir_fd, INFO_NAME, 0);
        expect_int("missing", info_read(dir_fd, ID, &reason, &none), -ENOENT);
        expect_int("link", symlinkat("/dev/zero", dir_fd, INFO_NAME), 0);
        expect_int("symbolic link", info_read(dir_fd, ID, &reason, &none), -ELOOP);
        (void)unlinkat(dir_fd, INFO_NAME, 0);
        expect_int("make a FIFO", mkfifoat(dir_fd, INFO_NAME, 0600), 0);
        expect_int("FIFO", info_read(dir_fd, ID, &reason, &none), -EBADMSG);
        (void)unlinkat(dir_fd, INFO_NAME, 0);
}

static void test_write(int dir_fd) {
        _cleanup_value_ vss_value *info = vss_value_new_dict(), *back = NULL;
        const char *reason = NULL;

        (void)vss_value_set_string(info, "id", ID);
        (void)vss_value_set_string(info, "set", SET);
        expect_int("write", info_write(dir_fd, info), 0);
        expect_int("never over another", info_write(dir_fd, info), -EEXIST);
        (void)vss_value_set_string(info, "state", "created");
        expect_int("replace", info_replace(dir_fd, info), 0);
        expect_int("read", info_read(dir_fd, ID, &reason, &back), 0);
        expect_str("content", vss_value_get_string(back, "state", ""), "created");
        expect_int("a left-over new file", linkat(dir_fd, INFO_NAME, dir_fd, INFO_NAME_NEW, 0), 0);
        expect_int("does not stop a replace", info_replace(dir_fd, info), 0);
        (void)unlinkat(dir_fd, INFO_NAME, 0);
}

static void test_merge(void) {
        _cleanup_value_ vss_value *info = vss_value_new_dict(), *properties = vss_value_new_dict();

        (void)vss_value_set_string(info, "id", ID);
        (void)vss_value_set_string(info, "host", "one");
        (void)vss_value_set_integer(value_require(info, "mine", VSS_KIND_DICT), "number", 1);
        (void)vss_value_set_string(properties, "id", SET);
        (void)vss_value_set_string(properties, "set", ID);
        (void)vss_value_set_string(properties, "state", "incomplete");
        (void)vss_value_set_string(properties, "mine", "yours");
        (void)vss_value_set_string(properties, "host", "two");
        (void)vss_value_set_integer(properties, "attributes", 9);
        expect_int("merge", info_merge(info, properties, "mine"), 0);
        expect_str("replaced", vss_value_get_string(info, "host", ""), "two");
        expect_int("new", vss_value_get_integer(info, "attributes", 0), 9);
        expect_str("which copy it is stays", vss_value_get_string(info, "id", ""), ID);
        expect_true("of which set and state, too",
                    !vss_value_get(info, "set") && !vss_value_get(info, "state"));
        expect_int("and what is the provider's",
                   vss_value_get_integer(vss_value_get(info, "mine"), "number", 0), 1);
}

int main(void) {
        char path[] = "/tmp/test-info-XXXXXX";
        _cleanup_(closep) int dir_fd = -1;

        test_id();
        test_round_trip();
        test_hostile_text();
        test_merge();

        dir_fd = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        expect_true("a directory to work in", dir_fd >= 0);
        if (dir_fd >= 0) {
                test_hostile_files(dir_fd);
                test_write(dir_fd);
                expect_int("clean up", rmdir(path), 0);
        }
        return test_end();
}
