/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which files are SQLite databases, and whose are looked at by themselves
 */

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/test.h"
#include "writers/sqlite/scan.h"

static char directory[] = "/tmp/vss-test-scan-XXXXXX";

static int probe(const char *name) {
        char path[256];
        Candidate candidate = { .path = path };
        struct stat st;

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        if (lstat(path, &st) < 0)
                return -errno;
        candidate.device = st.st_dev;
        candidate.inode = st.st_ino;
        return candidate_probe(&candidate);
}

static void write_file(const char *name, const char *text, size_t n) {
        char path[256];
        _cleanup_(closep) int fd = -1;

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, text, n) != (ssize_t)n)
                abort();
}

static void test_probe(void) {
        char path[256];
        Candidate candidate = { .path = path };
        sqlite3 *db;

        (void)snprintf(path, sizeof(path), "%s/real.db", directory);
        if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, "CREATE TABLE t(a)", NULL, NULL, NULL))
                abort();
        (void)sqlite3_close(db);
        write_file("text", "SQLite format 2", 16);
        write_file("short", "SQLite format 3", 15);
        write_file("header", "SQLite format 3", 16);
        (void)snprintf(path, sizeof(path), "%s/link", directory);
        if (symlink("real.db", path) < 0)
                abort();
        (void)snprintf(path, sizeof(path), "%s/pipe", directory);
        if (mkfifo(path, 0600) < 0)
                abort();

        expect_int("a database is one", probe("real.db"), 1);
        expect_int("another format is none", probe("text"), 0);
        expect_int("without the NUL it is none", probe("short"), 0);
        expect_int("the header counts", probe("header"), 1);
        expect_int("a link is not followed", probe("link"), -ELOOP);
        expect_int("a pipe neither blocks nor counts", probe("pipe"), -ESTALE);

        (void)snprintf(path, sizeof(path), "%s/real.db", directory);
        candidate.inode = 1;
        expect_int("another file in its place is noticed", candidate_probe(&candidate), -ESTALE);
}

static void test_users(void) {
        static const struct {
                uid_t uid;
                bool system;
        } table[] = { { 0, true },     { 5, true },     { 999, true },    { 1000, false },
                      { 61184, true }, { 65519, true }, { 65520, false }, { 65534, false } };
        char label[64];

        FOREACH_ELEMENT (row, table) {
                (void)snprintf(label, sizeof(label), "user %u is the system's: %d", row->uid, row->system);
                expect_int(label, is_system_user(row->uid), row->system);
        }
}

static void test_quick(void) {
        DatabaseList list = { 0 };
        uint64_t began = now_usec();

        expect_int("a scan without a file works",
                   database_scan("/nonexistent/sqlite.conf", began + 800000, &list), 0);
        expect_true("in less than a second", now_usec() - began < USEC_PER_SEC);
        database_list_clear(&list);
}

int main(void) {
        char command[128];

        if (!mkdtemp(directory))
                return 1;
        test_probe();
        test_users();
        test_quick();
        (void)snprintf(command, sizeof(command), "rm -r %s", directory);
        if (system(command) != 0)
                return 1;
        return test_end();
}
