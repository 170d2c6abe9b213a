/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Verify: a private server recovers a clone of the copy, and PostgreSQL's own checker looks at all of it
 *
 * Links in the clone lead to the original: to its log, to its tablespaces. They are turned into the clone
 * before anything is started, and what cannot be turned is refused.
 */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include "util/clock.h"
#include "writers/common/clone.h"
#include "writers/postgresql/engine.h"
#include "writers/postgresql/program.h"
#include "writers/postgresql/writer.h"

#define SCAN_USEC (10 * USEC_PER_SEC)
#define STOP_USEC (60 * USEC_PER_SEC)
#define VERIFY_USEC (24 * 3600 * USEC_PER_SEC)

/* The link @directory/@name leads to the original; now it leads to what the clone has of it. Return: 0, also
 * where there is no link; -EXDEV if the clone does not have it. */
static int turn_link(const vss_writer_call *call, const char *directory, const char *name) {
        char path[PATH_MAX], target[PATH_MAX], copy[PATH_MAX];
        _cleanup_(freep) char *real = NULL;
        ssize_t n;

        if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
                return -ENAMETOOLONG;
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return errno == EINVAL || errno == ENOENT ? 0 : -errno;
        target[n] = '\0';
        /* What is there now is only asked for its name. */
        real = target[0] == '/' ? realpath(target, NULL) : NULL;
        if (!real || copy_path(call, real, copy, sizeof(copy)) < 0)
                return -EXDEV;
        if (unlink(path) < 0 || symlink(copy, path) < 0)
                return -errno;
        return 0;
}

static int turn_tablespaces(const vss_writer_call *call, const char *data, char *ret_name, size_t size) {
        char links[PATH_MAX];
        const struct dirent *entry;
        DIR *dir;
        int r = 0;

        if (snprintf(links, sizeof(links), "%s/pg_tblspc", data) >= (int)sizeof(links))
                return -ENAMETOOLONG;
        dir = opendir(links);
        if (!dir)
                return -errno;
        while (r >= 0 && (entry = readdir(dir)))
                if (entry->d_name[0] != '.') {
                        (void)snprintf(ret_name, size, "pg_tblspc/%s", entry->d_name);
                        r = turn_link(call, links, entry->d_name);
                }
        (void)closedir(dir);
        return r;
}

/* What would make it a server of others, or lead it to the original. */
static int isolate(const vss_writer_call *call, const char *data, char *ret_name, size_t size) {
        static const char *const files[] = { "postmaster.pid",      "postmaster.opts", "standby.signal",
                                             "recovery.signal",     "recovery.conf",   "tablespace_map",
                                             "postgresql.auto.conf" };
        char path[PATH_MAX];
        int r;

        for (size_t i = 0; i < ELEMENTS(files); i++) {
                (void)snprintf(ret_name, size, "%s", files[i]);
                if (snprintf(path, sizeof(path), "%s/%s", data, files[i]) >= (int)sizeof(path))
                        return -ENAMETOOLONG;
                if (unlink(path) < 0 && errno != ENOENT)
                        return -errno;
        }
        (void)snprintf(ret_name, size, "pg_wal");
        r = turn_link(call, data, "pg_wal");
        return r >= 0 ? turn_tablespaces(call, data, ret_name, size) : r;
}

typedef struct Check {
        vss_writer_call *call;
        const Cluster *cluster;
        const PgSettings *settings;
        char data[PATH_MAX], scratch[PATH_MAX];
        Control control;
        uint64_t deadline_usec;
        bool failed;
} Check;

static void fail(Check *check, const char *format, ...) _printf_(2, 3);

static void fail(Check *check, const char *format, ...) {
        char text[1500], label[400];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        check->failed = true;
        (void)vss_writer_call_fail_component(check->call, check->cluster->logical_path, check->cluster->name,
                                             VSS_E_WRITERERROR_NONRETRYABLE, "%s: %s",
                                             cluster_label(check->cluster, label, sizeof(label)), text);
}

/* Of a checker's output what says most, in one line: its beginning. */
static const char *in_one_line(char *output) {
        output[MIN(strlen(output), (size_t)900)] = '\0';
        for (char *p = output; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        *p = *p == '\n' && p[1] ? '|' : ' ';
        return text_is_clean(output) ? output : "it said something that cannot be shown";
}

static bool has_program(const Check *check, const char *name, char *path, size_t size) {
        return snprintf(path, size, "%s/%s", check->cluster->programs, name) < (int)size &&
               access(path, X_OK) == 0;
}

static void run_amcheck(Check *check, const Engine *engine) {
        char program[PATH_MAX], output[PROGRAM_OUTPUT_MAX], port[16];
        const SqlTarget *target = &engine->target;
        int r;

        if (!has_program(check, "pg_amcheck", program, sizeof(program))) {
                (void)vss_writer_call_add_note(
                        check->call, check->cluster->logical_path, check->cluster->name,
                        "the server recovers it; version %s has no pg_amcheck to look further",
                        check->cluster->version);
                return;
        }
        (void)snprintf(port, sizeof(port), "%u", target->port);
        r = program_run((const char *[]){ program, "--all", "--install-missing", "--heapallindexed",
                                          "--no-password", "--host", target->socket_dir, "--port", port,
                                          "--username", target->user, "--maintenance-db", target->database,
                                          NULL },
                        check->deadline_usec, output);
        if (r == -ETIMEDOUT)
                fail(check, "pg_amcheck had no time to look at all of it");
        else if (r != 0)
                fail(check, "pg_amcheck: %s", r < 0 ? strerror(-r) : in_one_line(output));
        else
                (void)vss_writer_call_add_note(check->call, check->cluster->logical_path,
                                               check->cluster->name,
                                               "the server recovers it, and pg_amcheck finds nothing wrong");
}

/* Of a server that is down, and only where pages have them. */
static void run_checksums(Check *check) {
        char program[PATH_MAX], output[PROGRAM_OUTPUT_MAX];
        int r;

        if (!check->control.checksums || !has_program(check, "pg_checksums", program, sizeof(program)))
                return;
        r = program_run((const char *[]){ program, "--check", "-D", check->data, NULL },
                        check->deadline_usec, output);
        if (r != 0)
                fail(check, "pg_checksums: %s", r < 0 ? strerror(-r) : in_one_line(output));
}

/* pg_amcheck has every file opened for writing. */
static bool check_space(Check *check) {
        const char *paths[TABLESPACES_MAX + 2];
        size_t n = cluster_paths(check->cluster, paths);
        char copy[PATH_MAX], text[512];
        CloneSpace space = { 0 };

        for (size_t i = 0; i < n; i++)
                if (copy_path(check->call, paths[i], copy, sizeof(copy)) >= 0)
                        (void)clone_space_add(&space, copy);
        if (clone_space_fits(&space))
                return true;
        fail(check, "%s", clone_space_text(&space, text, sizeof(text)));
        return false;
}

static void check_one(Check *check) {
        char name[300] = "", why[SQL_WHY_SIZE] = "";
        Engine engine = { 0 };
        int r = copy_path(check->call, check->cluster->data, check->data, sizeof(check->data));

        if (r < 0) {
                fail(check, "its shadow copy is not there");
                return;
        }
        if (!check->cluster->programs) {
                fail(check, "PostgreSQL %s is not installed: install it to have the copy checked",
                     check->cluster->version);
                return;
        }
        if (!check_space(check))
                return;
        r = isolate(check->call, check->data, name, sizeof(name));
        if (r < 0) {
                fail(check, "the clone cannot be parted from the original: %s %s", name,
                     r == -EXDEV ? "leads to what is not in the set" : strerror(-r));
                return;
        }
        r = cluster_control(check->cluster, check->data, check->deadline_usec, &check->control);
        if (r < 0) {
                fail(check, "pg_controldata cannot read the copy: %s", strerror(-r));
                return;
        }
        r = engine_start(check->cluster, check->settings, check->data, check->scratch, true,
                         check->deadline_usec, &engine, why);
        if (r < 0) {
                fail(check, "the server does not start on the copy: %s", why);
                return;
        }
        run_amcheck(check, &engine);
        r = engine_stop(&engine, MIN(now_usec() + STOP_USEC, check->deadline_usec));
        if (r < 0 && !check->failed)
                fail(check, "the server on the copy did not stop");
        else if (!check->failed)
                run_checksums(check);
}

static bool is_wanted(const vss_writer_call *call, const Cluster *cluster) {
        if (!vss_writer_call_is_path_affected(call, cluster->data))
                return false;
        return !vss_writer_call_components_selected(call) ||
               vss_writer_call_find_component(call, cluster->logical_path, cluster->name);
}

vss_result pg_verify(vss_writer_call *call) {
        const PgWriter *writer = vss_writer_call_userdata(call);
        uint64_t deadline = event_deadline(call, VERIFY_USEC);
        ClusterList list = { 0 };
        size_t n_failed = 0;
        int r = pg_find(writer, MIN(now_usec() + SCAN_USEC, deadline), &list);

        if (r < 0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE,
                                            "the search for clusters failed: %s", strerror(-r));
        for (size_t i = 0; i < list.n; i++) {
                Check check = {
                        .call = call,
                        .cluster = &list.items[i],
                        .settings = &list.settings,
                        .deadline_usec = deadline,
                };

                if (!is_wanted(call, check.cluster))
                        continue;
                (void)snprintf(check.scratch, sizeof(check.scratch), "%s/%zu", vss_writer_call_scratch(call),
                               i);
                if (mkdir(check.scratch, 0700) < 0)
                        fail(&check, "%s: %s", check.scratch, strerror(errno));
                else
                        check_one(&check);
                n_failed += check.failed;
        }
        cluster_list_clear(&list);
        return n_failed == 0 ? VSS_S_OK : VSS_E_WRITERERROR_PARTIAL_FAILURE;
}
