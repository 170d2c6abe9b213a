/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the store: what is put there is found again, whatever the names
 */

#include <fcntl.h>
#include "testers/store.h"
#include "util/test.h"
#include "util/value.h"

static char scratch[] = "/tmp/test-store-XXXXXX";

static void put(Store *store, const char *writer, const char *component, const char *path) {
        StoreComponent c;
        int fd;

        expect_int("a component", store_add_component(store, writer, component, &c), 0);
        fd = store_create_file(&c, path);
        expect_true("  a file of it", fd >= 0);
        expect_true("  written", write(fd, component, strlen(component)) == (ssize_t)strlen(component));
        (void)close(fd);
        expect_int("  finished", store_component_finish(&c), 0);
        store_component_clear(&c);
}

static void test_round(const char *path) {
        static const char *const names[] = {
                "plain",
                "one/two/three",
                "../../etc/passwd",
                "new\nline",
                "a b%c",
                "\xff\xfe",
                ("a very long name that goes on and on and on and on and on and on and on "
                 "and on and on and on and on and on and on and on and on to its end")
        };
        _cleanup_value_ vss_value *lines = vss_value_new_dict();
        StoreComponent *components = NULL;
        Store store = { 0 };
        size_t n = 0;

        expect_int("a new store", store_create(path, &store), 0);
        FOREACH_ELEMENT (name, names)
                put(&store, "Test", *name, "/srv/a/b\n c");
        put(&store, "-", "/srv", "/srv/file");
        (void)vss_value_set_integer(lines, "complete", 1);
        (void)vss_value_set_string(lines, "set", "x");
        expect_int("it is complete", store_finish(&store, lines), 0);
        store_close(&store);
        expect_int("it cannot be made again", store_create(path, &store), -EEXIST);

        expect_int("opened", store_open(path, &store), 0);
        expect_int("listed", store_list_components(&store, &components, &n), 0);
        expect_int("all are there", (int64_t)n, (int64_t)ELEMENTS(names) + 1);
        expect_str("those of no writer, too", components[0].writer, "-");
        for (size_t i = 0; i < ELEMENTS(names) && i + 1 < n; i++) {
                char text[256] = "";
                int fd = store_open_file(&components[i + 1], "/srv/a/b\n c");

                expect_str("by its name", components[i + 1].component, names[i]);
                expect_true("  its file", fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
                expect_str("  has what was put there", text, names[i]);
                (void)close(fd);
        }
        expect_int("no way out of it", store_open_file(&components[0], "/../../component"), -EXDEV);
        store_components_free(components, n);
        store_close(&store);
}

static void test_broken(void) {
        char path[64], command[128];
        StoreComponent *components = NULL;
        Store store = { 0 };
        size_t n = 0;

        (void)snprintf(path, sizeof(path), "%s/none", scratch);
        expect_int("a store that is not there", store_open(path, &store), -ENOENT);
        (void)snprintf(command, sizeof(command), "mkdir -p %s/bad/components/Test/0000-x/files", scratch);
        expect_int("  made", system(command), 0);
        (void)snprintf(path, sizeof(path), "%s/bad", scratch);
        expect_int("one without a name", store_open(path, &store), 0);
        expect_int("  is told", store_list_components(&store, &components, &n), -EBADMSG);
        store_close(&store);
}

int main(void) {
        char path[64], command[64];

        if (!mkdtemp(scratch)) {
                expect_true("a directory to work in", false);
                return test_end();
        }
        (void)snprintf(path, sizeof(path), "%s/store", scratch);
        test_round(path);
        test_broken();
        (void)snprintf(command, sizeof(command), "rm -rf %s", scratch);
        expect_int("clean up", system(command), 0);
        return test_end();
}
